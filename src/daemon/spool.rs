//! The spool: where operators, and programs of theirs, hand files over by moving them there (FORMATS.md, section 5).
//!
//! `<tenant>/<protocol>/<kind>/<file>` is delivered like a file of `groeikluis deliver`, and gone when it is. One that may
//! not leave goes to `.refused`, with the reason in a file beside it. A fault of this side leaves it where it is, and it
//! is tried again. Here, and nowhere else, personal data lies in clear: the directory belongs on a tmpfs.
//!
//! Exactly once: before the log has a delivery, its file is moved to `.taken` under the delivery's id. A start asks the log
//! of each one there: what left is removed, what did not goes back. A file is taken when it was the same for
//! [`SETTLED`]; names that programs give to what they still write, and names that begin with a point, are left alone.

use std::{
    collections::HashMap,
    fs, io,
    io::Read,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::fs::statfs;
use zeroize::Zeroizing;

use super::orders;
use crate::{
    config::{Environment, Settings},
    domain::{ByteSize, Kind, ProtocolId, TenantId, niss},
    dropbox::is_temporary,
    durable::{Directory, DurableError},
    exchange::{DeliverFault, Exchange, ExchangeError, HandedOver, MOST_HANDED_BYTES},
};

/// How often the spool is looked at. It is on a tmpfs and nearly always empty: a look costs some microseconds, and sees
/// what watching directories that come and go would miss.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a file is the same before it is taken: longer than a copy pauses.
const SETTLED: Duration = Duration::from_secs(3);

/// How long one waits for its next try that could not be delivered for a fault of this side.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// A name at most, bytes: with its tenant, protocol, kind and a delivery's id it is one name of the file system.
const LONGEST_NAME_BYTES: usize = 100;

/// Files of which it is known when they last changed; more of them wait their turn.
const MOST_SEEN: usize = 10_000;

/// The type of a tmpfs (Linux, `TMPFS_MAGIC`).
const TMPFS: i64 = 0x0102_1994;

/// Where files are that the log is about to have.
const TAKEN: &str = ".taken";

/// Where files are that may not leave.
const REFUSED: &str = ".refused";

/// How the name of a file's reason ends.
const REASON: &str = ".reason";

/// Between the parts of a path in `.taken` and `.refused`; no id has one.
const BETWEEN: char = '~';

/// The thread that looks at the spool. It stops when this goes.
pub(super) struct Spooling {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Spooling {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Begins to deliver what is handed over in that directory, which is made when it is not there.
///
/// # Errors
/// The directory cannot be used, or there is no thread.
pub(super) fn start(settings: &Settings, exchange: Exchange) -> io::Result<Spooling> {
    let open = || -> Result<Spool, DurableError> {
        let root = Directory::create(&settings.spool_dir)?;
        let (taken, refused) = (root.subdirectory(TAKEN)?, root.subdirectory(REFUSED)?);
        Ok(Spool { root, taken, refused, exchange, seen: HashMap::new() })
    };
    let mut spool = open().map_err(io::Error::other)?;
    let is_in_memory = statfs(&settings.spool_dir).is_ok_and(|found| found.f_type == TMPFS);
    if settings.environment == Environment::Production && !is_in_memory {
        let directory = settings.spool_dir.display().to_string();
        tracing::warn!(directory, "`spool_dir` is no tmpfs: what is handed over there lies on a disk in clear");
    }
    let (stop, stopped) = mpsc::channel();
    let thread = std::thread::Builder::new().name("spool".to_owned()).spawn(move || {
        spool.finish_taken();
        while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            spool.look();
        }
    })?;
    Ok(Spooling { stop: Some(stop), thread: Some(thread) })
}

/// Where files are that were handed over and may not leave, each with the reason beside it, and how many there are.
pub fn refused_files(settings: &Settings) -> (PathBuf, usize) {
    let directory = settings.spool_dir.join(REFUSED);
    let names = fs::read_dir(&directory).into_iter().flatten().flatten();
    let count = names.filter(|entry| !entry.file_name().as_encoded_bytes().ends_with(REASON.as_bytes())).count();
    (directory, count)
}

/// What a file was when it was looked at: its place on the disk, its length, when it was written and changed.
type State = (u64, u64, (i64, i64), (i64, i64));

struct Seen {
    state: State,
    /// From when on it is taken.
    from: Instant,
}

struct Spool {
    root: Directory,
    taken: Directory,
    refused: Directory,
    exchange: Exchange,
    seen: HashMap<Handed, Seen>,
}

/// A file of the spool, by the parts of its path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Handed {
    tenant: String,
    protocol: String,
    kind: String,
    file: String,
}

/// What became of a file.
enum Outcome {
    /// It left, and is gone from the spool.
    Left,
    /// It may not leave, for this reason.
    Refused(String),
    /// It is tried again.
    Later(Box<dyn std::error::Error + Send + Sync>),
    /// Only the next start knows.
    Unknown,
}

impl Handed {
    fn directory(&self) -> String {
        format!("{}/{}/{}", self.tenant, self.protocol, self.kind)
    }

    fn flat(&self) -> String {
        [&*self.tenant, &self.protocol, &self.kind, &self.file].join(&BETWEEN.to_string())
    }

    /// For messages: without a number of a person, should the name have one.
    fn shown(&self) -> String {
        let mut shown = self.flat();
        while let Some(number) = niss::find_in(&shown) {
            shown.replace_range(number, "…");
        }
        shown
    }

    /// The delivery and the file of a name in `.taken`.
    fn taken(name: &str) -> Option<(&str, Self)> {
        let mut parts = name.splitn(5, BETWEEN);
        let id = parts.next()?;
        let mut part = || parts.next().map(str::to_owned);
        Some((id, Self { tenant: part()?, protocol: part()?, kind: part()?, file: part()? }))
    }
}

impl Spool {
    /// Removes what left before a stop, and puts back what did not.
    fn finish_taken(&self) {
        for name in self.taken.names().unwrap_or_default() {
            let Some((id, handed)) = Handed::taken(&name) else { continue };
            if let Err(error) = self.finish_one(&name, id, &handed) {
                tracing::error!(
                    error = &*error,
                    file = handed.shown(),
                    "what was taken from the spool before a stop is still in .taken"
                );
            }
        }
    }

    fn finish_one(
        &self,
        name: &str,
        id: &str,
        handed: &Handed,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.exchange.has_delivered(id)? {
            self.taken.remove_if_there(name)?;
            tracing::info!(delivery = id, "a file of the spool had left before a stop");
            return Ok(());
        }
        // Its directories may have been tidied away.
        let Handed { tenant, protocol, kind, file } = handed;
        let directory = self.root.subdirectory(tenant)?.subdirectory(protocol)?.subdirectory(kind)?;
        Ok(self.taken.rename(name, &directory, file)?)
    }

    /// Delivers what has settled.
    fn look(&mut self) {
        let mut found = HashMap::new();
        for handed in self.files().into_iter().take(MOST_SEEN) {
            let Some(state) = self.state(&handed) else { continue };
            let before = self.seen.remove(&handed).filter(|seen| seen.state == state);
            let mut seen = before.unwrap_or_else(|| Seen { state, from: Instant::now() + SETTLED });
            if seen.from <= Instant::now() {
                match self.hand_over(&handed) {
                    Outcome::Left => continue,
                    Outcome::Refused(reason) => self.refuse(&handed, &reason),
                    Outcome::Later(error) => {
                        let file = handed.shown();
                        let hint = "it and its directories must belong to the daemon's user";
                        tracing::error!(error = &*error, file, hint, "a file of the spool is tried again later");
                    }
                    Outcome::Unknown => {
                        tracing::error!("a file of the spool is in .taken: the next start looks after it");
                    }
                }
                // Moving it there and back changed it.
                seen.state = self.state(&handed).unwrap_or(seen.state);
                seen.from = Instant::now() + RETRY_AFTER;
            }
            found.insert(handed, seen);
        }
        self.seen = found;
    }

    /// The files that wait, in order of their names.
    fn files(&self) -> Vec<Handed> {
        let below = |directory: &Directory, name: &str| directory.open_subdirectory(name).ok();
        let names = |directory: &Directory| {
            let mut names = directory.names().unwrap_or_default();
            names.retain(|name| !name.starts_with('.'));
            names.sort_unstable();
            names
        };
        let mut found = Vec::new();
        for tenant in names(&self.root) {
            let Some(of_tenant) = below(&self.root, &tenant) else { continue };
            for protocol in names(&of_tenant) {
                let Some(of_protocol) = below(&of_tenant, &protocol) else { continue };
                for kind in names(&of_protocol) {
                    let Some(of_kind) = below(&of_protocol, &kind) else { continue };
                    let files = names(&of_kind).into_iter().filter(|file| !is_temporary(file));
                    let (tenant, protocol, kind) = (&tenant, &protocol, &kind);
                    found.extend(files.map(|file| Handed {
                        tenant: tenant.clone(),
                        protocol: protocol.clone(),
                        kind: kind.clone(),
                        file,
                    }));
                }
            }
        }
        found
    }

    /// What a file is now; none for what is no file.
    fn state(&self, handed: &Handed) -> Option<State> {
        let path = self.root.path().join(handed.directory()).join(&handed.file);
        let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((found.ino(), found.len(), (found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())))
    }

    fn hand_over(&self, handed: &Handed) -> Outcome {
        let Handed { tenant, protocol, kind, file } = handed;
        let (tenant, protocol, kind): (TenantId, ProtocolId, Kind) =
            match (tenant.parse(), protocol.parse(), kind.parse()) {
                (Ok(tenant), Ok(protocol), Ok(kind)) => (tenant, protocol, kind),
                (Err(fault), ..) => return Outcome::Refused(format!("{tenant:?} is {fault}")),
                (_, Err(fault), _) => return Outcome::Refused(format!("{protocol:?} is {fault}")),
                (.., Err(fault)) => return Outcome::Refused(format!("{kind:?} is {fault}")),
            };
        if niss::find_in(file).is_some() {
            return Outcome::Refused("its name has an identification number in it".to_owned());
        }
        if file.len() > LONGEST_NAME_BYTES {
            return Outcome::Refused(format!("its name is longer than {LONGEST_NAME_BYTES} bytes"));
        }
        let directory = match self.root.open_subdirectory(&handed.directory()) {
            Ok(directory) => directory,
            Err(error) => return Outcome::Later(error.into()),
        };
        let content = match read(&directory, file) {
            Ok(Some(content)) => content,
            Ok(None) => return Outcome::Refused(format!("it is larger than {}", ByteSize(MOST_HANDED_BYTES))),
            Err(error) => return Outcome::Later(error),
        };
        let mut taken = None;
        let handed_over = HandedOver { tenant: &tenant, protocol: &protocol, kind, content: &content, user: None };
        let delivered = self.exchange.deliver(handed_over, |id| {
            let name = format!("{id}{BETWEEN}{}", handed.flat());
            directory.rename(file, &self.taken, &name).map_err(io::Error::other)?;
            taken = Some(name);
            Ok(())
        });
        let back = || taken.as_ref().map_or(Ok(()), |name| self.taken.rename(name, &directory, file));
        match (delivered, &taken) {
            (Ok(made), Some(name)) => {
                if let Err(error) = self.taken.remove_if_there(name) {
                    tracing::error!(error = &error as &dyn std::error::Error, "a file that left is still in .taken");
                }
                tracing::info!(tenant = made.tenant, file = made.file, rows = made.rows, "delivered from the spool");
                Outcome::Left
            }
            // Without a name in `.taken` nothing left.
            (Ok(_), None) => Outcome::Left,
            (Err(DeliverFault::Failed(ExchangeError::Log(error))), _) if error.is_fatal() => Outcome::Unknown,
            (Err(fault @ (DeliverFault::Failed(_) | DeliverFault::Take(_) | DeliverFault::OutboxFull { .. })), _) => {
                back().map_or_else(|error| Outcome::Later(error.into()), |()| Outcome::Later(fault.into()))
            }
            (Err(fault), _) => Outcome::Refused(orders::whole(&fault)),
        }
    }

    /// Sets a file aside that may not leave, and says why. The reason comes first: nobody finds a file without one.
    fn refuse(&self, handed: &Handed, reason: &str) {
        let name = handed.flat();
        let aside = || -> Result<(), DurableError> {
            let text = format!("{reason}\n");
            self.refused.remove_if_there(&name)?;
            self.refused.write(&format!("{name}{REASON}"), text.as_bytes())?;
            let directory = self.root.open_subdirectory(&handed.directory())?;
            directory.rename(&handed.file, &self.refused, &name)
        };
        match aside() {
            Ok(()) => {
                tracing::warn!(file = handed.shown(), reason, "a file of the spool may not leave, and is in .refused");
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(
                    error,
                    file = handed.shown(),
                    reason,
                    "a file of the spool may not leave, and cannot be moved"
                );
            }
        }
    }
}

/// A file whole, in memory that is wiped; none when it is larger than may be.
fn read(
    directory: &Directory,
    name: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, Box<dyn std::error::Error + Send + Sync>> {
    let file = directory.open(name)?;
    let length = file.metadata()?.len();
    if length > MOST_HANDED_BYTES {
        return Ok(None);
    }
    // With room for one more, so that reading to the end moves nothing.
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(length)? + 1));
    file.take(length).read_to_end(&mut content)?;
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_taken_tells_where_a_file_was() {
        let handed = Handed {
            tenant: "torhout".to_owned(),
            protocol: "VUTG-2026-004".to_owned(),
            kind: "gegevens".to_owned(),
            file: "een~twee.csv".to_owned(),
        };
        let name = format!("00ff{BETWEEN}{}", handed.flat());
        assert_eq!(Handed::taken(&name), Some(("00ff", handed)));
        assert_eq!(Handed::taken("00ff~torhout~gegevens"), None);
    }
}
