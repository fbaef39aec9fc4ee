//! The side that answers.

use std::{
    io::{self, ErrorKind},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::{JoinError, spawn_blocking},
    time::{Instant, interval_at},
};
use zeroize::Zeroizing;

use super::{BEAT, BEGIN, PATIENCE, Reply, Request, SOCKET, record};
use crate::{
    daemon::{
        orders::{self, HandedFile, NotDone},
        retention::Retention,
    },
    domain::{ByteSize, TenantId},
    exchange::{Exchange, MOST_HANDED_BYTES, Orderer},
    transfer_log::{Event, TransferLog},
};

/// A request at most: a motive of a few sentences, some criteria.
const LONGEST_REQUEST_BYTES: u64 = 16 * 1024;

/// Requests at one time: operators are few.
const AT_ONCE: usize = 8;

/// Files that are handed over at one time: each is in memory whole.
const HANDED_AT_ONCE: usize = 1;

/// How long a file waits for another that is being handed over, with one of the places for requests: most are delivered
/// within this, and one that waits for a run keeps nobody else's place.
const HANDING_PATIENCE: Duration = Duration::from_secs(2);

/// Lines about how far it is that may wait for who asked. It is never waited for: what does not fit is left out.
const PROGRESS_LINES: usize = 16;

/// A file that was taken from who hands it over, with its place.
type Handed = (Zeroizing<Vec<u8>>, OwnedSemaphorePermit);

/// Who does what is asked.
#[derive(Clone)]
struct Workers {
    exchange: Exchange,
    retention: Retention,
    handing: Arc<Semaphore>,
}

/// Answers requests until `ending` says so, and those that were taken by then to their end.
pub(in crate::daemon) async fn serve(
    state_dir: PathBuf,
    log: TransferLog,
    exchange: Exchange,
    retention: Retention,
    mut ending: watch::Receiver<bool>,
) {
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
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Also where nobody is left to say it.
            _ = ending.wait_for(|ending| *ending) => break,
        };
        match accepted {
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
    drop(listener);
    for _ in 0..AT_ONCE {
        let Ok(place) = places.acquire().await else { return };
        place.forget();
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

async fn answer(mut stream: UnixStream, log: &TransferLog, workers: Workers) -> io::Result<()> {
    let asker = Asker { user: stream.peer_cred()?.uid(), line: stream.as_fd().try_clone_to_owned()? };
    let (read, mut write) = stream.split();
    let mut line = String::new();
    let mut read = BufReader::new(read);
    tokio::time::timeout(PATIENCE, (&mut read).take(LONGEST_REQUEST_BYTES).read_line(&mut line)).await??;
    // Who only looks whether a daemon runs says nothing.
    if line.is_empty() {
        return Ok(());
    }
    let Ok(request) = serde_json::from_str(&line) else {
        return say(&mut write, &Reply::Refused("the request makes no sense".to_owned())).await;
    };
    let mut handed = None;
    if let Request::Deliver(HandedFile { bytes, .. }) = &request {
        handed = match take_file(*bytes, &mut read, &mut write, &workers.handing).await? {
            Ok(handed) => Some(handed),
            Err(why) => return say(&mut write, &Reply::Refused(why)).await,
        };
    }
    if matches!(request, Request::Order(_)) {
        say(&mut write, &Reply::GoAhead).await?;
        let mut begin = [0; BEGIN.len()];
        tokio::time::timeout(PATIENCE, read.read_exact(&mut begin)).await??;
    }
    let (file, _place) = handed.unzip();
    let (progress, mut told) = mpsc::channel(PROGRESS_LINES);
    let mut performed = std::pin::pin!(perform(request, file.unwrap_or_default(), asker, log, workers, progress));
    let (mut beat, mut is_heard) = (interval_at(Instant::now() + BEAT, BEAT), true);
    let outcome = loop {
        let word = tokio::select! {
            outcome = &mut performed => break outcome,
            Some(text) = told.recv() => Reply::Progress(text),
            _ = beat.tick() => Reply::UnderWay,
        };
        // An order keeps its place, and a file too, as long as it waits or is carried out.
        is_heard = is_heard && say(&mut write, &word).await.is_ok();
    };
    let reply = match outcome {
        Ok(done) => Reply::Done(done),
        Err(NotDone::Part(done, why)) => Reply::Part { done, why },
        Err(NotDone::No(why)) => Reply::Refused(why),
        Err(NotDone::Unknown(why)) => Reply::Unknown(why),
    };
    say(&mut write, &reply).await?;
    write.shutdown().await
}

/// Takes a file of so many bytes from who hands it over, once there is a place for it; else why not.
async fn take_file<R: AsyncRead + Unpin>(
    bytes: u64,
    read: &mut BufReader<R>,
    write: &mut (impl AsyncWriteExt + Unpin),
    handing: &Arc<Semaphore>,
) -> io::Result<Result<Handed, String>> {
    if bytes > MOST_HANDED_BYTES {
        return Ok(Err(format!("the file is larger than {}", ByteSize(MOST_HANDED_BYTES))));
    }
    if !read.buffer().is_empty() {
        return Ok(Err("the file came before it was asked for".to_owned()));
    }
    let Ok(Ok(place)) = tokio::time::timeout(HANDING_PATIENCE, handing.clone().acquire_owned()).await else {
        return Ok(Err("another file is being handed over: try again in a while".to_owned()));
    };
    let mut file = Zeroizing::new(vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)]);
    say(write, &Reply::GoAhead).await?;
    // Not by way of the buffer, which nobody wipes.
    tokio::time::timeout(PATIENCE, read.get_mut().read_exact(&mut file)).await??;
    Ok(Ok((file, place)))
}

async fn say(write: &mut (impl AsyncWriteExt + Unpin), reply: &Reply) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(reply)?;
    bytes.push(b'\n');
    tokio::time::timeout(PATIENCE, write.write_all(&bytes)).await?
}

/// Who asks.
struct Asker {
    /// The user, as this machine knows it.
    user: u32,
    /// The connection, to see whether it is still there.
    line: OwnedFd,
}

impl Asker {
    /// Whether it still waits for the answer. The system is asked, and not what was last heard of it: a daemon that stood
    /// still for a while has heard nothing.
    fn is_waiting(&self) -> bool {
        let mut polled = [PollFd::new(&self.line, PollFlags::RDHUP)];
        let is_known = poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok();
        let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
        is_known && polled.iter().all(|polled| !polled.revents().intersects(gone))
    }
}

async fn perform(
    request: Request,
    file: Zeroizing<Vec<u8>>,
    asker: Asker,
    log: &TransferLog,
    Workers { exchange, retention, .. }: Workers,
    progress: mpsc::Sender<String>,
) -> Result<Value, NotDone> {
    // It panicked, who knows where.
    let ended = |error: JoinError| NotDone::Unknown(error.to_string());
    let (tenant, event) = match request {
        Request::Note { tenant, event } => (tenant, event),
        Request::Deliver(handed) => {
            let hand_over = move || orders::hand_over(&exchange, &handed, &file, asker.user, &|| asker.is_waiting());
            return spawn_blocking(hand_over).await.map_err(ended)?;
        }
        Request::Order(order) => {
            // Who asked may go: what was begun is done all the same, and is in the log.
            let perform = move || {
                let tell = |text: String| drop(progress.try_send(text));
                let orderer = Orderer { tell: &tell, is_wanted: &|| asker.is_waiting() };
                orders::perform(&order, &exchange, &retention, orderer)
            };
            return spawn_blocking(perform).await.map_err(ended)?;
        }
        Request::Writing => return Ok(log.is_writing().into()),
        Request::Publish => {
            let log = log.clone();
            let published = spawn_blocking(move || log.checkpoint_now()).await.map_err(ended)?;
            return published.map(|checkpoint| checkpoint.size.into()).map_err(|error| NotDone::of(&error));
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
        return Err(NotDone::No("that event is not an operator's".to_owned()));
    }
    let tenant = tenant.map(|tenant| tenant.parse::<TenantId>()).transpose();
    let tenant = tenant.map_err(|fault| NotDone::No(fault.to_string()))?;
    let appended =
        log.append_async(vec![record(tenant, *event, asker.user)]).await.map_err(|error| NotDone::of(&error))?;
    let first = appended.first().map(|appended| appended.seq.into());
    first.ok_or_else(|| NotDone::No("nothing was entered".to_owned()))
}
