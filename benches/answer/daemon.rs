//! From the upload's close to the published manifest, through the running daemon, beside the disk's own `fsync`.

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use groeikluis::{
    domain::SshPublicKey,
    seal::StorageSealer,
    sftp::{self, client::Client},
    transfer_log::NoteKey,
};

use super::{Outcome, median, milliseconds, work::NIS_CODE, work::Work};

/// Lists sent; the median counts. Each differs in one number, since the same list would be refused.
const RUNS: usize = 7;

/// How long the register may take to load, and an answer to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// Synchronisations between the close and the manifest that wait for one another: two staged files with their
/// directories and drafts, three groups of the log, and the published files with their manifests.
const SYNCHRONISATIONS: u32 = 17;

pub fn measure(work: &Work) -> Outcome<()> {
    let directory = work.directory.join("deployment");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(directory.join("tenants"))?;
    let login = sftp::new_key("bench")?;
    let host = sftp::new_key("host")?;
    write_deployment(work, &directory, &login, &host)?;
    let mut daemon = Daemon(
        Command::new(env!("CARGO_BIN_EXE_groeikluis"))
            .args(["serve", "--config"])
            .arg(directory.join("groeikluis.yaml"))
            .env("RUST_LOG", "error")
            .stderr(Stdio::inherit())
            .spawn()?,
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let outcome = runtime.block_on(send_lists(work, &directory, &login.private, &host.public_line));
    daemon.0.kill()?;
    daemon.0.wait()?;
    let mut times = outcome?;
    let sync = sync_time(&directory)?;
    let whole = median(&mut times);
    println!("through the daemon    {:8.2} ms   from the close to the manifest", milliseconds(whole));
    println!("one fsync here        {:8.2} ms   some {SYNCHRONISATIONS} wait for one another", milliseconds(sync));
    let own = whole.saturating_sub(sync * SYNCHRONISATIONS);
    println!("without the disk      {:8.2} ms   goal 150 at most", milliseconds(own));
    Ok(())
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn send_lists(work: &Work, directory: &Path, login: &str, host_key: &str) -> Outcome<Vec<Duration>> {
    let address = wait_for(|| {
        let listen = fs::read_to_string(directory.join("state/listen")).ok()?;
        listen.lines().next()?.parse::<SocketAddr>().ok()
    })
    .await?;
    let client = Client::connect(address, "antwerpen", login, SshPublicKey::parse(host_key)?).await?;
    let content = work.exchange.open_file(fs::File::open(work.list())?, 1 << 30)?;
    let text = std::str::from_utf8(&content)?;
    let mut times = Vec::new();
    for run in 0..RUNS {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.remove(run + 1);
        let mut sealer = StorageSealer::new(&work.exchange.recipients(), Vec::new())?;
        sealer.write_all((lines.join("\n") + "\n").as_bytes())?;
        let (sealed, _) = sealer.finish()?;
        let before = client.list("/outbox").await?.len();
        client.upload(&format!("/inbox/list-{run}.csv.age"), &sealed).await?;
        let closed = Instant::now();
        // The answer and its report, each with a manifest.
        while client.list("/outbox").await?.len() < before + 4 {
            if closed.elapsed() > PATIENCE {
                return Err("no answer".into());
            }
        }
        times.push(closed.elapsed());
    }
    Ok(times)
}

async fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Outcome<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if began.elapsed() > PATIENCE {
            return Err("the daemon does not listen".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a small file's `fsync` takes here, the median.
fn sync_time(directory: &Path) -> Outcome<Duration> {
    let mut file = fs::File::create(directory.join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..100 {
        file.write_all(&[0; 4096])?;
        let began = Instant::now();
        file.sync_all()?;
        times.push(began.elapsed());
    }
    Ok(median(&mut times))
}

fn write_deployment(work: &Work, directory: &Path, login: &sftp::NewKey, host: &sftp::NewKey) -> Outcome<()> {
    let log = NoteKey::generate("bench")?;
    for (name, secret) in [("host", &host.private), ("log", &log.to_text())] {
        let path = directory.join(name);
        fs::write(&path, secret.as_bytes())?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    fs::write(directory.join("sources.yaml"), include_str!("../../config/sources.yaml"))?;
    fs::write(directory.join("municipalities.csv"), include_str!("../../config/municipalities.csv"))?;
    let kept = work.directory.display();
    let main = format!(
        "environment: demo\nlisten: [\"127.0.0.1:0\"]\nstate_dir: state\nhigh_water_dir: high-water\nspool_dir: spool\n\
         host_keys: [host]\nexchange_identity: {kept}/exchange.agekey\n\
         register: {{path: {kept}/register.csv.age, identity: {kept}/register.agekey}}\n\
         log: {{origin: bench, key: log}}\n"
    );
    fs::write(directory.join("groeikluis.yaml"), main)?;
    let recipient = work.municipality.recipients().first().map(ToString::to_string).unwrap_or_default();
    let both = "{agency: 2026-01-01, authority: 2026-01-01}";
    let advice = "{date: 2026-01-01, advice: positive}";
    let tenant = format!(
        "id: antwerpen\nname: Stad Antwerpen\nkind: municipality\nnis_code: \"{NIS_CODE}\"\n\
         keys:\n  - {{label: bench, owner: bench, key: \"{}\"}}\nrecipients: [\"{recipient}\"]\n\
         contacts: [\"ict@example.be\"]\n\
         onboarding: {{technical_test: 2026-01-01, functional_test: 2026-01-01}}\n\
         protocols:\n  - id: OPG-2026-001\n    route: opgroeien\n    status: signed\n    purpose: meting\n\
         \x20   legal_basis: geen\n    council_decision: 2026-01-01\n\
         \x20   dpo_advice: {{agency: {advice}, authority: {advice}}}\n    signed: {both}\n\
         \x20   valid: {{from: 2026-01-01, until: 2099-12-31}}\n    use: {{kind: periodic, times: 1000, per: year}}\n\
         \x20   kinds:\n      sociale-toeslag: {{}}\n    outside_municipality: answer\n    retention_days: 90\n",
        login.public_line
    );
    fs::write(directory.join("tenants/antwerpen.yaml"), tenant)?;
    Ok(())
}
