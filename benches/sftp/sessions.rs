//! Logins a second, and what sessions cost that do nothing.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use groeikluis::{
    domain::SshPublicKey,
    sftp::client::{Client, ClientError},
};
use tokio::task::JoinSet;

use super::{
    Goal, Outcome, print,
    processes::{cost, cpu, resident, settle},
    servers::{FETCHED, SMALL_FILES, Server, Site, small_name},
};

const CLIENTS: usize = 8;
const LASTING: Duration = Duration::from_secs(5);
const IDLE_SESSIONS: usize = 300;

/// Sessions that each fetch a file and then do nothing.
const AFTER_BULK: usize = 8;

/// Sessions that fetch small files at the same time: as when many authorities fetch their answers of a morning.
const FETCHING: usize = 64;

/// Small files that each of them fetches.
const FETCHES: usize = 400;

async fn connect(site: &Site, server: &Server) -> Outcome<Client> {
    let host_key = SshPublicKey::parse(&site.host.public_line)?;
    Ok(Client::connect(server.address, &server.user, &site.login.private, host_key).await?)
}

/// Logs in and out again for some seconds, some clients at once.
pub fn logins(site: &Site, servers: &[&Server]) -> Outcome<()> {
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for server in servers {
        let count = AtomicU32::new(0);
        let cost = cost(server.id(), || {
            let began = Instant::now();
            let client = || -> Result<(), String> {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.map_err(|error| error.to_string())?.block_on(async {
                    while began.elapsed() < LASTING {
                        let client = connect(site, server).await.map_err(|error| error.to_string())?;
                        client.close().await.map_err(|error| error.to_string())?;
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            };
            thread::scope(|scope| {
                let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
                clients.into_iter().try_for_each(|client| Ok(client.join().map_err(|_| "a client stopped")??))
            })
        })?;
        let count = f64::from(count.into_inner());
        rates.push((server.name, count / cost.wall.as_secs_f64()));
        costs.push((server.name, cost.cpu * 1e3 / count));
    }
    print(&format!("logins a second, {CLIENTS} clients"), "/s", &rates, Goal::More(12.0));
    print("CPU for a login", "ms", &costs, Goal::Figure(1.5));
    Ok(())
}

/// Memory for sessions that do nothing.
#[expect(clippy::cast_precision_loss, reason = "bytes of memory, far below 2^52")]
pub async fn idle(site: &Site, servers: &[&Server]) -> Outcome<()> {
    let (mut fresh, mut used) = (Vec::new(), Vec::new());
    for server in servers {
        // One that comes and goes, so that what a server loads once is not counted.
        connect(site, server).await?.close().await?;
        let before = resident(server.id());
        let mut sessions = Vec::new();
        for _ in 0..IDLE_SESSIONS {
            sessions.push(connect(site, server).await?);
        }
        let grown = resident(server.id()).saturating_sub(before);
        fresh.push((server.name, grown as f64 / IDLE_SESSIONS as f64 / 1024.0));
        let before = resident(server.id());
        for session in sessions.iter().take(AFTER_BULK) {
            session.download(&format!("{}/{FETCHED}", server.outbox)).await?;
        }
        let grown = resident(server.id()).saturating_sub(before);
        used.push((server.name, grown as f64 / AFTER_BULK as f64 / 1024.0));
        for session in sessions {
            session.close().await?;
        }
    }
    print(&format!("memory of an idle session, of {IDLE_SESSIONS}"), "KiB", &fresh, Goal::Figure(80.0));
    print("more after it fetched a large file", "KiB", &used, Goal::Figure(400.0));
    Ok(())
}

/// Small files that many sessions fetch at once; what their logins take is not counted.
#[expect(clippy::cast_precision_loss, reason = "some thousands")]
pub async fn crowd(site: &Site, servers: &[&Server]) -> Outcome<()> {
    let (mut costs, mut rates) = (Vec::new(), Vec::new());
    for server in servers {
        let mut sessions = Vec::new();
        for _ in 0..FETCHING {
            sessions.push(connect(site, server).await?);
        }
        settle(server.id());
        let (before, began) = (cpu(server.id())?, Instant::now());
        let mut fetching = JoinSet::new();
        for (nth, session) in sessions.into_iter().enumerate() {
            let paths: Vec<_> = (0..FETCHES)
                .map(|fetch| format!("{}/{}", server.outbox, small_name((nth * FETCHES + fetch) % SMALL_FILES)))
                .collect();
            fetching.spawn(async move {
                for path in paths {
                    session.download(&path).await?;
                }
                Ok::<_, ClientError>(session)
            });
        }
        let mut sessions = Vec::new();
        while let Some(session) = fetching.join_next().await {
            sessions.push(session??);
        }
        let lasted = began.elapsed();
        settle(server.id());
        let files = (FETCHING * FETCHES) as f64;
        costs.push((server.name, (cpu(server.id())? - before) * 1e3 / files));
        rates.push((server.name, files / lasted.as_secs_f64()));
        for session in sessions {
            session.close().await?;
        }
    }
    print(&format!("4 KiB files down, {FETCHING} sessions at once: CPU each"), "ms", &costs, Goal::AtMost(0.2));
    print(&format!("4 KiB files down, {FETCHING} sessions at once"), "/s", &rates, Goal::None);
    Ok(())
}
