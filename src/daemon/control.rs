//! What an operator does beside the running daemon, entered in its account.
//!
//! Only one process writes the log, and one works on drop-boxes. A command that must be in the log, or that delivers,
//! asks the daemon over a socket in the state directory, which only the daemon's own user and root can reach. When no
//! daemon runs, a command that only enters opens the log itself. One request a connection, a line of JSON; the answer
//! is lines of JSON: how far it is, any number of times, and then what came of it. A file that is handed over follows its
//! request. Nothing but the events below can be entered.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream as AsyncUnixStream},
    sync::{Semaphore, mpsc},
};
use zeroize::Zeroizing;

use super::{
    DaemonError,
    opening::{disclosures, lock, log_secrets, open_log},
    orders::{self, Order},
    retention::Retention,
};
use crate::{
    config::Settings,
    domain::{ByteSize, Kind, ProtocolId, TenantId},
    durable::Clock,
    exchange::{Exchange, MOST_HANDED_BYTES, assignment::MadeFile},
    seal::Keyring,
    transfer_log::{Actor, Context, Disclosed, Event, Record, SigningKeys, TransferLog},
};

/// The socket in the state directory.
const SOCKET: &str = "control";

/// A request at most: a motive of a few sentences, some criteria.
const LONGEST_REQUEST_BYTES: u64 = 16 * 1024;

/// All answers at most: the counts of the largest city, for 20 sets of criteria, are a few hundred kilobytes.
const LONGEST_ANSWER_BYTES: u64 = 16 << 20;

/// How long either side waits for the other to say what it says at once: appending takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Requests at one time: operators are few.
const AT_ONCE: usize = 8;

/// Files that are handed over at one time: each is in memory whole.
const HANDED_AT_ONCE: usize = 1;

/// Lines about how far it is that may wait for who asked. It is never waited for: what does not fit is left out.
const PROGRESS_LINES: usize = 16;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    /// Enter this in the account.
    Note { tenant: Option<String>, event: Box<Event> },
    /// Publish what was entered before.
    Publish,
    /// Do this for an assignment.
    Order(Order),
    /// Deliver the file of so many bytes that follows.
    Deliver { tenant: String, protocol: String, kind: String, bytes: u64 },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// How far it is.
    Progress(String),
    /// The entry's place, the size of the log that is published, or what came of an order.
    Done(Value),
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
    match ask(settings, &request, &[], |_| ())? {
        Some(seq) => Ok(seq),
        None => match request {
            Request::Note { event, .. } => note_alone(settings, log_secrets(settings)?, tenant, *event),
            Request::Publish | Request::Order(_) | Request::Deliver { .. } => Err(DaemonError::LogFailed),
        },
    }
}

/// Whether a daemon runs with that state directory, as far as this process may know: only its own user and root may
/// ask it.
pub fn is_running(state_dir: &Path) -> bool {
    UnixStream::connect(state_dir.join(SOCKET)).is_ok()
}

/// Has the running daemon publish everything entered so far; where none runs, its stop did.
///
/// # Errors
/// [`DaemonError`].
pub fn publish(settings: &Settings) -> Result<(), DaemonError> {
    ask::<u64>(settings, &Request::Publish, &[], |_| ()).map(|_| ())
}

/// Has the running daemon do something for an assignment; `progress` is told how far it is.
///
/// # Errors
/// [`DaemonError::NoDaemon`] when none runs, [`DaemonError::NotNoted`] with the reason when it was not done.
pub(super) fn order<T: DeserializeOwned>(
    settings: &Settings,
    order: Order,
    progress: impl FnMut(&str),
) -> Result<T, DaemonError> {
    ask(settings, &Request::Order(order), &[], progress)?
        .ok_or_else(|| DaemonError::NoDaemon(settings.state_dir.clone()))
}

/// Has the running daemon deliver a file on the ground of a protocol. The file goes from memory to memory.
///
/// # Errors
/// [`DaemonError::NoDaemon`] when none runs, [`DaemonError::NotNoted`] with the reason when it was not delivered.
pub fn deliver(
    settings: &Settings,
    tenant: &TenantId,
    protocol: &ProtocolId,
    kind: Kind,
    file: &[u8],
) -> Result<MadeFile, DaemonError> {
    let (tenant, protocol, kind) = (tenant.to_string(), protocol.to_string(), kind.to_string());
    let request = Request::Deliver { tenant, protocol, kind, bytes: file.len() as u64 };
    ask(settings, &request, file, |_| ())?.ok_or_else(|| DaemonError::NoDaemon(settings.state_dir.clone()))
}

/// What the running daemon answers; none when no daemon runs.
fn ask<T: DeserializeOwned>(
    settings: &Settings,
    request: &Request,
    file: &[u8],
    progress: impl FnMut(&str),
) -> Result<Option<T>, DaemonError> {
    let path = settings.state_dir.join(SOCKET);
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(source) => return Err(DaemonError::Control { path, source }),
    };
    let answered = exchange_lines(stream, request, file, progress).and_then(|answered| match answered {
        Ok(done) => Ok(Ok(serde_json::from_value(done)?)),
        Err(why) => Ok(Err(why)),
    });
    match answered.map_err(|source| DaemonError::Control { path, source })? {
        Ok(done) => Ok(Some(done)),
        Err(why) => Err(DaemonError::NotNoted(why)),
    }
}

/// What came of it, or why nothing did.
fn exchange_lines(
    mut stream: UnixStream,
    request: &Request,
    file: &[u8],
    mut progress: impl FnMut(&str),
) -> io::Result<Result<Value, String>> {
    // An order may take minutes; should the daemon go, the stream ends.
    let patience = (!matches!(request, Request::Order(_) | Request::Deliver { .. })).then_some(PATIENCE);
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    stream.write_all(file)?;
    for line in BufReader::new(stream.take(LONGEST_ANSWER_BYTES)).lines() {
        match serde_json::from_str(&line?)? {
            Reply::Progress(text) => progress(&text),
            Reply::Done(done) => return Ok(Ok(done)),
            Reply::Refused(why) => return Ok(Err(why)),
        }
    }
    Err(ErrorKind::UnexpectedEof.into())
}

/// Enters it where no daemon runs, by opening the log.
///
/// # Errors
/// [`DaemonError`]: nothing is entered then.
pub(super) fn note_alone(
    settings: &Settings,
    (exchange, keys): (Keyring, SigningKeys),
    tenant: Option<&TenantId>,
    event: Event,
) -> Result<u64, DaemonError> {
    let _lock = lock(&settings.state_dir)?;
    let keeper = disclosures(settings, exchange);
    let (log, _) = open_log(settings, keeper, keys, Clock::system(), &Arc::default())?;
    let record = record(tenant.cloned(), event, rustix::process::getuid().as_raw());
    let appended = log.append(vec![record]).map_err(DaemonError::Log)?;
    log.close().map_err(DaemonError::Log)?;
    appended.first().map(|appended| appended.seq).ok_or(DaemonError::LogFailed)
}

fn record(tenant: Option<TenantId>, event: Event, user: u32) -> Record {
    let context = Context { tenant, ..Context::of(Actor::Operator) };
    Record::success(event, context).disclosing([Disclosed { name: "user", value: format!("uid {user}") }])
}

/// Who does what is asked.
#[derive(Clone)]
struct Workers {
    exchange: Exchange,
    retention: Retention,
    handing: Arc<Semaphore>,
}

/// Answers requests until it is dropped.
pub(super) async fn serve(state_dir: PathBuf, log: TransferLog, exchange: Exchange, retention: Retention) {
    let listener = match listen(&state_dir.join(SOCKET)) {
        Ok(listener) => listener,
        Err(error) => {
            // What must be entered then waits until the daemon is stopped.
            tracing::warn!(%error, "operators' commands cannot reach this daemon");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let workers = Workers { exchange, retention, handing: Arc::new(Semaphore::new(HANDED_AT_ONCE)) };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let (log, workers) = (log.clone(), workers.clone());
                tokio::spawn(async move {
                    if answer(stream, &log, workers).await.is_err() {
                        tracing::warn!("an operator's command broke off");
                    }
                    drop(place);
                });
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

async fn answer(mut stream: AsyncUnixStream, log: &TransferLog, workers: Workers) -> io::Result<()> {
    let user = stream.peer_cred()?.uid();
    let (read, mut write) = stream.split();
    let mut line = String::new();
    let mut read = tokio::io::BufReader::new(read);
    tokio::time::timeout(PATIENCE, (&mut read).take(LONGEST_REQUEST_BYTES).read_line(&mut line)).await??;
    // Who only looks whether a daemon runs says nothing.
    if line.is_empty() {
        return Ok(());
    }
    let Ok(request) = serde_json::from_str(&line) else {
        return say(&mut write, &Reply::Refused("the request makes no sense".to_owned())).await;
    };
    let mut file = Zeroizing::new(Vec::new());
    let mut handing = None;
    if let Request::Deliver { bytes, .. } = request {
        if bytes > MOST_HANDED_BYTES {
            let limit = ByteSize(MOST_HANDED_BYTES);
            return say(&mut write, &Reply::Refused(format!("the file is larger than {limit}"))).await;
        }
        handing = workers.handing.clone().acquire_owned().await.ok();
        file.resize(usize::try_from(bytes).unwrap_or(usize::MAX), 0);
        tokio::time::timeout(PATIENCE, read.read_exact(&mut file)).await??;
    }
    let (progress, mut told) = mpsc::channel(PROGRESS_LINES);
    let mut performed = std::pin::pin!(perform(request, file, user, log, workers, progress));
    let outcome = loop {
        tokio::select! {
            outcome = &mut performed => break outcome,
            Some(text) = told.recv() => say(&mut write, &Reply::Progress(text)).await?,
        }
    };
    drop(handing);
    say(&mut write, &outcome.map_or_else(Reply::Refused, Reply::Done)).await?;
    write.shutdown().await
}

async fn say(write: &mut (impl AsyncWriteExt + Unpin), reply: &Reply) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(reply)?;
    bytes.push(b'\n');
    tokio::time::timeout(PATIENCE, write.write_all(&bytes)).await?
}

async fn perform(
    request: Request,
    file: Zeroizing<Vec<u8>>,
    user: u32,
    log: &TransferLog,
    Workers { exchange, retention, .. }: Workers,
    progress: mpsc::Sender<String>,
) -> Result<Value, String> {
    let (tenant, event) = match request {
        Request::Note { tenant, event } => (tenant, event),
        Request::Deliver { tenant, protocol, kind, .. } => {
            let hand_over = move || orders::hand_over(&exchange, (&tenant, &protocol, &kind), &file, user);
            let done = tokio::task::spawn_blocking(hand_over).await;
            return done.map_err(|error| error.to_string())?;
        }
        Request::Order(order) => {
            // Who asked may have gone: what was begun is done all the same, and is in the log.
            let tell = move |text: String| drop(progress.try_send(text));
            let done = tokio::task::spawn_blocking(move || orders::perform(&order, &exchange, &retention, &tell)).await;
            return done.map_err(|error| error.to_string())?;
        }
        Request::Publish => {
            let log = log.clone();
            let published = tokio::task::spawn_blocking(move || log.checkpoint_now()).await;
            let published = published.map_err(|error| error.to_string())?;
            return published.map(|checkpoint| checkpoint.size.into()).map_err(|error| error.to_string());
        }
    };
    if !matches!(
        *event,
        Event::AuditExported(_)
            | Event::DisclosureOpened(_)
            | Event::Erased(_)
            | Event::AssignmentBilled(_)
            | Event::BackupMade(_)
    ) {
        return Err("that event is not an operator's".to_owned());
    }
    let tenant = tenant.map(|tenant| tenant.parse::<TenantId>()).transpose().map_err(|fault| fault.to_string())?;
    let appended = log.append_async(vec![record(tenant, *event, user)]).await.map_err(|error| error.to_string())?;
    appended.first().map(|appended| appended.seq.into()).ok_or_else(|| "nothing was entered".to_owned())
}
