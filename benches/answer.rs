//! From a list to its answer: the pipeline file to file against age alone and against `DuckDB`, then through the
//! running daemon.
//!
//! `cargo bench --bench answer -- [--children 1600000] [--rows 165000]`. The floor is age decrypting the list and
//! encrypting the answer: the same bytes and nothing else. For the peer, `GROEIKLUIS_PYTHON` names a Python with the
//! `duckdb` package, and `age` is on the path; without them it is left out by name.

#[path = "answer/daemon.rs"]
mod daemon;
#[path = "answer/peer.rs"]
mod peer;
#[path = "answer/pipeline.rs"]
mod pipeline;
#[path = "answer/work.rs"]
mod work;

use std::{env, time::Duration};

use work::Work;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let children = after("--children").map_or(Ok(1_600_000), |count| count.parse())?;
    let rows = after("--rows").map_or(Ok(165_000), |count| count.parse())?;
    let work = Work::prepare(children, rows)?;
    let pipeline = pipeline::measure(&work)?;
    peer::measure(&work, pipeline)?;
    daemon::measure(&work)
}

/// The middle one.
fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
