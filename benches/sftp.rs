//! The SFTP server beside its peers in the same run: OpenSSH's sshd with internal-sftp, and `rclone serve sftp`.
//!
//! `cargo bench --bench sftp -- [--mebibytes 1024] [--only bulk|many|crowd|logins|idle|far]`. Needs OpenSSH's `sftp` and
//! `sshd`, the latter by its full path in `GROEIKLUIS_SSHD` where it is not `/usr/sbin/sshd`; `rclone` is left out by
//! name where it is not on the path. Every peer is spoken to by the same client. Files to send lie in the page cache,
//! what is fetched is thrown away, and uploads end with `fsync` everywhere: what the exchange confirms is on the disk.

#[path = "sftp/bulk.rs"]
mod bulk;
#[path = "sftp/far.rs"]
mod far;
#[path = "sftp/many.rs"]
mod many;
#[path = "sftp/processes.rs"]
mod processes;
#[path = "sftp/servers.rs"]
mod servers;
#[path = "sftp/sessions.rs"]
mod sessions;

use std::env;

use servers::{Server, Site};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let mebibytes: u64 = after("--mebibytes").map_or(Ok(1024), |count| count.parse())?;
    let only = after("--only").map(String::as_str);
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let site = Site::prepare(mebibytes)?;
    let servers = [Server::ours(&site)?, Server::openssh(&site)?];
    let rclone = Server::rclone(&site).inspect_err(|error| println!("rclone left out: {error}")).ok();
    let servers: Vec<&Server> = servers.iter().chain(&rclone).collect();
    if wanted("bulk") {
        bulk::measure(&site, &servers)?;
    }
    if wanted("many") {
        many::measure(&site, &servers)?;
    }
    if wanted("far") {
        far::measure(&site, &servers)?;
    }
    if wanted("logins") {
        sessions::logins(&site, &servers)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if wanted("crowd") {
        runtime.block_on(sessions::crowd(&site, &servers))?;
    }
    if wanted("idle") {
        runtime.block_on(sessions::idle(&site, &servers))?;
    }
    Ok(())
}

/// A figure of each server, the ratio of ours to OpenSSH's, and the goal for it.
fn print(what: &str, unit: &str, figures: &[(&str, f64)], goal: Goal) {
    print!("{what:<44}");
    for (name, figure) in figures {
        print!("  {name} {figure:8.2} {unit}");
    }
    if let [(_, ours), (_, openssh), ..] = figures {
        let (ratio, goal) = match goal {
            Goal::AtMost(goal) => (ours / openssh, format!("{goal} at most")),
            Goal::Faster(goal) => (openssh / ours, format!("{goal} times at least")),
            Goal::More(goal) => (ours / openssh, format!("{goal} times at least")),
            Goal::Figure(goal) => (ours / openssh, format!("ours {goal} {unit} at most")),
            Goal::None => (ours / openssh, "none".to_owned()),
        };
        print!("   ratio {ratio:6.2}   goal {goal}");
    }
    println!();
}

/// What a figure of ours is held against.
#[derive(Clone, Copy)]
enum Goal {
    /// At most so much of OpenSSH's.
    AtMost(f64),
    /// OpenSSH takes at least so many times as long.
    Faster(f64),
    /// At least so many times OpenSSH's.
    More(f64),
    /// At most so much, whatever OpenSSH does.
    Figure(f64),
    /// For the record.
    None,
}
