//! The side that asks.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{BEGIN, PATIENCE, Reply, Request, SOCKET, record};
use crate::{
    config::Settings,
    daemon::{
        DaemonError,
        opening::{check_state, disclosures, lock, log_secrets, open_log},
        orders::{Fulfilled, HandedFile, Order},
    },
    domain::{Kind, ProtocolId, TenantId},
    durable::Clock,
    exchange::{DeliveryId, assignment::MadeFile},
    seal::Keyring,
    transfer_log::{Event, SigningKeys},
};

/// All answers at most: the counts of the largest city, for 20 sets of criteria, are a few hundred kilobytes.
const LONGEST_ANSWER_BYTES: u64 = 16 << 20;

/// How long a daemon is waited for that is only looked at: it may hang.
const GLANCE: Duration = Duration::from_secs(1);

/// Why there is no answer that tells what was done.
enum NoAnswer {
    /// The daemon was not heard, and nothing was begun.
    NotBegun(io::Error),
    /// Nothing was done, for this reason.
    Refused(String),
    /// It may have been done.
    Unknown(io::Error),
}

/// Enters what an operator is about to do in the account, by the running daemon or, when none runs, directly. When
/// this returns the entry is on disk. Answers its place.
///
/// # Errors
/// [`DaemonError`]: nothing is entered then, and nothing may be done.
pub fn note(settings: &Settings, tenant: Option<&TenantId>, event: Event) -> Result<u64, DaemonError> {
    let request = Request::Note { tenant: tenant.map(ToString::to_string), event: Box::new(event) };
    match ask(settings, &request, &[], |_| ())? {
        Some(answer) => answer.whole(),
        None => match request {
            Request::Note { event, .. } => note_alone(settings, log_secrets(settings)?, tenant, *event),
            Request::Publish | Request::Writing | Request::Order(_) | Request::Deliver { .. } => {
                Err(DaemonError::LogFailed)
            }
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

/// Whether the running daemon's log takes entries, without which nothing is transferred; none where none answers.
pub fn is_log_written(settings: &Settings) -> Option<bool> {
    let answer: Fulfilled<bool> = ask(settings, &Request::Writing, &[], |_| ()).ok().flatten()?;
    answer.whole().ok()
}

/// Has the running daemon carry an order out; `progress` is told how far it is.
///
/// # Errors
/// [`DaemonError::NoDaemon`] when none runs, [`DaemonError::NotNoted`] with the reason when it was not done.
pub(in crate::daemon) fn order<T: DeserializeOwned>(
    settings: &Settings,
    order: Order,
    progress: impl FnMut(&str),
) -> Result<Fulfilled<T>, DaemonError> {
    ask(settings, &Request::Order(order), &[], progress)?
        .ok_or_else(|| DaemonError::NoDaemon(settings.state_dir.clone()))
}

/// Has the running daemon deliver a file on the ground of a protocol; with `again` also one whose content left before. The
/// file goes from memory to memory. `progress` is told how far it is.
///
/// # Errors
/// [`DaemonError::NoDaemon`] when none runs, [`DaemonError::NotNoted`] with the reason when it was not delivered,
/// [`DaemonError::Unknown`] when it may have been.
pub fn deliver(
    settings: &Settings,
    tenant: &TenantId,
    protocol: &ProtocolId,
    kind: Kind,
    file: &[u8],
    again: bool,
    progress: impl FnMut(&str),
) -> Result<MadeFile, DaemonError> {
    let handed = HandedFile {
        delivery: DeliveryId::draw().as_str().to_owned(),
        tenant: tenant.to_string(),
        protocol: protocol.to_string(),
        kind: kind.to_string(),
        bytes: file.len() as u64,
        again,
    };
    let answer = ask(settings, &Request::Deliver(handed), file, progress)?;
    answer.ok_or_else(|| DaemonError::NoDaemon(settings.state_dir.clone()))?.whole()
}

/// What the running daemon answers; none when no daemon runs.
fn ask<T: DeserializeOwned>(
    settings: &Settings,
    request: &Request,
    file: &[u8],
    progress: impl FnMut(&str),
) -> Result<Option<Fulfilled<T>>, DaemonError> {
    let path = settings.state_dir.join(SOCKET);
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(source) => return Err(DaemonError::Control { path, source }),
    };
    let answered =
        exchange_lines(&stream, request, file, progress).and_then(|(done, left)| match serde_json::from_value(done) {
            Ok(done) => Ok(Fulfilled { done, fault: left.map(DaemonError::InPart) }),
            Err(error) => Err(NoAnswer::Unknown(error.into())),
        });
    answered.map(Some).map_err(|why| match why {
        NoAnswer::Refused(why) => DaemonError::NotNoted(why),
        NoAnswer::NotBegun(source) => DaemonError::Control { path, source },
        NoAnswer::Unknown(source) => DaemonError::Unknown { hint: hint(request), source },
    })
}

/// Where it stands whether what was asked was done.
fn hint(request: &Request) -> String {
    match request {
        Request::Deliver(HandedFile { delivery, .. }) => format!(
            "the file may have left: before you hand it over again, see whether \
             `groeikluis audit show --event delivery.created --about {delivery}` tells of it"
        ),
        Request::Note { .. } | Request::Publish | Request::Writing | Request::Order(_) => {
            "it may have been done: `groeikluis audit show` tells, before you ask again".to_owned()
        }
    }
}

/// What came of it, and why that is not all, where it is not.
fn exchange_lines(
    mut stream: &UnixStream,
    request: &Request,
    file: &[u8],
    mut progress: impl FnMut(&str),
) -> Result<(Value, Option<String>), NoAnswer> {
    let (is_order, is_deliver) = (matches!(request, Request::Order(_)), matches!(request, Request::Deliver(_)));
    let patience = if matches!(request, Request::Writing) { GLANCE } else { PATIENCE };
    let ask = || -> io::Result<()> {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        (&*stream).write_all(&line)
    };
    ask().map_err(NoAnswer::NotBegun)?;
    // No file is delivered and no order begun before the daemon asked for it.
    let mut is_begun = !is_order && !is_deliver;
    let mut is_silent = true;
    let fault = |is_begun, error| if is_begun { NoAnswer::Unknown(error) } else { NoAnswer::NotBegun(error) };
    for line in BufReader::new(stream.take(LONGEST_ANSWER_BYTES)).lines() {
        let line = line.map_err(|error| fault(is_begun, told(error)))?;
        match serde_json::from_str(&line).map_err(|error| fault(is_begun, error.into()))? {
            Reply::GoAhead => {
                is_begun = true;
                stream.write_all(if is_order { BEGIN } else { file }).map_err(NoAnswer::Unknown)?;
            }
            Reply::UnderWay if std::mem::take(&mut is_silent) => progress("the daemon has it, and is not done yet"),
            Reply::UnderWay => {}
            Reply::Progress(text) => {
                is_silent = false;
                progress(&text);
            }
            Reply::Done(done) => return Ok((done, None)),
            Reply::Part { done, why } => return Ok((done, Some(why))),
            Reply::Refused(why) => return Err(NoAnswer::Refused(why)),
            Reply::Unknown(why) => return Err(NoAnswer::Unknown(io::Error::other(why))),
        }
    }
    Err(fault(is_begun, ErrorKind::UnexpectedEof.into()))
}

/// The system says of what does not come in time that it may be tried again.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => {
            io::Error::new(ErrorKind::TimedOut, format!("it said nothing for {} seconds", PATIENCE.as_secs()))
        }
        _ => error,
    }
}

/// Enters it where no daemon runs, by opening the log.
///
/// # Errors
/// [`DaemonError`]: nothing is entered then.
pub(in crate::daemon) fn note_alone(
    settings: &Settings,
    (exchange, keys): (Keyring, SigningKeys),
    tenant: Option<&TenantId>,
    event: Event,
) -> Result<u64, DaemonError> {
    check_state(settings, &exchange)?;
    let _lock = lock(&settings.state_dir)?;
    let keeper = disclosures(settings, exchange);
    let restored = matches!(event, Event::BackupRestored(_));
    let (log, _) = open_log(settings, keeper, keys, Clock::system(), &Arc::default(), restored)?;
    let record = record(tenant.cloned(), event, rustix::process::getuid().as_raw());
    let appended = log.append(vec![record]).map_err(DaemonError::Log)?;
    log.close().map_err(DaemonError::Log)?;
    appended.first().map(|appended| appended.seq).ok_or(DaemonError::LogFailed)
}
