//! The same job by `age -d | duckdb | age -r`, over a `DuckDB` database of the same register that is ready.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{Outcome, median, milliseconds, work::Work};

/// Runs; the median counts.
const RUNS: usize = 5;

/// Makes the database, or answers a list on standard input. Rows leave as the product writes them.
const SCRIPT: &str = r#"
import duckdb, sys
database, register = sys.argv[1], sys.argv[2]
if len(sys.argv) > 3:
    con = duckdb.connect(database)
    con.execute(f"""create table if not exists register as
        select child_niss, beneficiary_niss, beneficiary_last_name || ' ' || beneficiary_first_name as name,
               regexp_extract(sources, 'sociale_toeslag=([0-9.]+)', 1) as share
        from read_csv('{register}', delim=';', header=true, all_varchar=true)""")
    con.execute("create index if not exists by_child on register(child_niss)")
    con.close()
else:
    con = duckdb.connect(database, read_only=True)
    con.execute("""copy (
        select l.niss, 'ja' as sociale_toeslag, r.beneficiary_niss as begunstigde_niss, r.name as begunstigde_naam,
               r.share as aandeel
        from read_csv('/dev/stdin', header=true, all_varchar=true) l join register r on r.child_niss = l.niss
        where r.share <> '') to '/dev/stdout' (delimiter ';', header true)""")
"#;

pub fn measure(work: &Work, ours: Duration) -> Outcome<()> {
    let python = env::var("GROEIKLUIS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has =
        |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !has(Command::new(&python).args(["-c", "import duckdb"])) || !has(Command::new("age").arg("--version")) {
        println!("age and DuckDB        left out: they are not installed (see GROEIKLUIS_PYTHON)");
        return Ok(());
    }
    let database = work.directory.join("register.duckdb");
    let register = work.directory.join("register.csv");
    if !database.exists() {
        run(Command::new(&python).args(["-c", SCRIPT]).args([&database, &register]).arg("make"))?;
    }
    let recipient = work.municipality.recipients().first().map(ToString::to_string).unwrap_or_default();
    let output = work.directory.join("peer.csv.age");
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        chain(work, &python, &database, &register, &recipient, &output)?;
        times.push(began.elapsed());
    }
    let peer = median(&mut times);
    println!("age, DuckDB, age      {:8.2} ms", milliseconds(peer));
    println!("ours is faster by     {:8.1} ×    goal 12 at least", peer.as_secs_f64() / ours.as_secs_f64());
    Ok(())
}

fn chain(work: &Work, python: &str, database: &Path, register: &Path, recipient: &str, output: &Path) -> Outcome<()> {
    let key = work.directory.join("exchange.agekey");
    let mut open = Command::new("age").arg("-d").arg("-i").arg(key).arg(work.list()).stdout(Stdio::piped()).spawn()?;
    let list = open.stdout.take().ok_or("no pipe")?;
    let mut query = Command::new(python)
        .args(["-c", SCRIPT])
        .args([database, register])
        .stdin(list)
        .stdout(Stdio::piped())
        .spawn()?;
    let answer = query.stdout.take().ok_or("no pipe")?;
    run(Command::new("age").args(["-r", recipient, "-o"]).arg(output).stdin(answer))?;
    if open.wait()?.success() && query.wait()?.success() { Ok(()) } else { Err("the peer failed".into()) }
}

fn run(command: &mut Command) -> Outcome<()> {
    if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}
