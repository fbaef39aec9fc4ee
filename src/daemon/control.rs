//! What an operator does beside the running daemon, entered in its account.
//!
//! Only one process writes the log. A command that must be in it asks the daemon over a socket in the state directory,
//! which only the daemon's own user and root can reach; when no daemon runs, the command opens the log itself. One
//! request a connection, a line of JSON each way. Nothing but the events below can be entered.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream as AsyncUnixStream},
};

use super::{
    DaemonError,
    opening::{Secrets, disclosures, lock, open_log},
};
use crate::{
    config::Settings,
    domain::TenantId,
    durable::Clock,
    transfer_log::{Actor, Context, Disclosed, Event, Record, TransferLog},
};

/// The socket in the state directory.
const SOCKET: &str = "control";

/// A line at most: a motive of a few sentences.
const LONGEST_LINE_BYTES: u64 = 16 * 1024;

/// How long either side waits for the other: appending takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    /// Enter this in the account.
    Note { tenant: Option<String>, event: Box<Event> },
    /// Publish what was entered before.
    Publish,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// The entry's place, or the size of the log that is published.
    Done(u64),
    /// Why nothing was done.
    Refused(String),
}

/// Enters what an operator is about to do in the account, by the running daemon or, when none runs, directly. When
/// this returns the entry is on disk. Answers its place.
///
/// # Errors
/// [`DaemonError`]: nothing is entered then, and nothing may be done.
pub fn note(settings: &Settings, tenant: Option<&TenantId>, event: Event) -> Result<u64, DaemonError> {
    let request = Request::Note { tenant: tenant.map(ToString::to_string), event: Box::new(event) };
    match ask(settings, &request)? {
        Some(seq) => Ok(seq),
        None => match request {
            Request::Note { event, .. } => note_alone(settings, tenant, *event),
            Request::Publish => Err(DaemonError::LogFailed),
        },
    }
}

/// Has the running daemon publish everything entered so far; where none runs, its stop did.
///
/// # Errors
/// [`DaemonError`].
pub fn publish(settings: &Settings) -> Result<(), DaemonError> {
    ask(settings, &Request::Publish).map(|_| ())
}

/// What the running daemon answers; none when no daemon runs.
fn ask(settings: &Settings, request: &Request) -> Result<Option<u64>, DaemonError> {
    let path = settings.state_dir.join(SOCKET);
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(source) => return Err(DaemonError::Control { path, source }),
    };
    match exchange_lines(stream, request).map_err(|source| DaemonError::Control { path, source })? {
        Reply::Done(number) => Ok(Some(number)),
        Reply::Refused(why) => Err(DaemonError::NotNoted(why)),
    }
}

fn exchange_lines(mut stream: UnixStream, request: &Request) -> io::Result<Reply> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reply = String::new();
    BufReader::new(stream.take(LONGEST_LINE_BYTES)).read_line(&mut reply)?;
    Ok(serde_json::from_str(&reply)?)
}

fn note_alone(settings: &Settings, tenant: Option<&TenantId>, event: Event) -> Result<u64, DaemonError> {
    let secrets = Secrets::read(settings)?;
    let _lock = lock(&settings.state_dir)?;
    let (log, _) = open_log(settings, disclosures(settings, secrets.exchange), secrets.log, Clock::system())?;
    let record = record(tenant.cloned(), event, rustix::process::getuid().as_raw());
    let appended = log.append(vec![record]).map_err(DaemonError::Log)?;
    log.close().map_err(DaemonError::Log)?;
    appended.first().map(|appended| appended.seq).ok_or(DaemonError::LogFailed)
}

fn record(tenant: Option<TenantId>, event: Event, user: u32) -> Record {
    let context = Context { tenant, ..Context::of(Actor::Operator) };
    Record::success(event, context).disclosing([Disclosed { name: "user", value: format!("uid {user}") }])
}

/// Answers requests until it is dropped.
pub(super) async fn serve(state_dir: PathBuf, log: TransferLog) {
    let listener = match listen(&state_dir.join(SOCKET)) {
        Ok(listener) => listener,
        Err(error) => {
            // What must be entered then waits until the daemon is stopped.
            tracing::warn!(%error, "operators' commands cannot reach this daemon");
            return;
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // One at a time: operators are few, and the log orders them anyway.
                if !matches!(tokio::time::timeout(PATIENCE, answer(stream, &log)).await, Ok(Ok(()))) {
                    tracing::warn!("an operator's command broke off");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "an operator's command could not be taken");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// The state directory is locked by this process, so that a socket that is there is one that a stop left.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

async fn answer(mut stream: AsyncUnixStream, log: &TransferLog) -> io::Result<()> {
    let user = stream.peer_cred()?.uid();
    let (read, mut write) = stream.split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(LONGEST_LINE_BYTES)).read_line(&mut line).await?;
    let reply = match perform(&line, user, log).await {
        Ok(number) => Reply::Done(number),
        Err(why) => Reply::Refused(why),
    };
    let mut bytes = serde_json::to_vec(&reply)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await?;
    write.shutdown().await
}

async fn perform(line: &str, user: u32, log: &TransferLog) -> Result<u64, String> {
    let (tenant, event) = match serde_json::from_str(line).map_err(|_| "the request makes no sense".to_owned())? {
        Request::Note { tenant, event } => (tenant, event),
        Request::Publish => {
            let log = log.clone();
            let published = tokio::task::spawn_blocking(move || log.checkpoint_now()).await;
            let published = published.map_err(|error| error.to_string())?;
            return published.map(|checkpoint| checkpoint.size).map_err(|error| error.to_string());
        }
    };
    if !matches!(*event, Event::AuditExported(_) | Event::DisclosureOpened(_) | Event::Erased(_)) {
        return Err("that event is not an operator's".to_owned());
    }
    let tenant = tenant.map(|tenant| tenant.parse::<TenantId>()).transpose().map_err(|fault| fault.to_string())?;
    let appended = log.append_async(vec![record(tenant, *event, user)]).await.map_err(|error| error.to_string())?;
    appended.first().map(|appended| appended.seq).ok_or_else(|| "nothing was entered".to_owned())
}
