//! The spool: where operators, and programs of theirs, hand files over by moving them there (FORMATS.md, section 5).
//!
//! `<tenant>/<protocol>/<kind>/<file>` is delivered like a file of `groeikluis deliver`, and gone when it is. One that may
//! not leave goes to `.refused`, with the reason in a file beside it. A fault of this side puts it back where it was, and
//! it is tried again. Here, and nowhere else, personal data lies in clear: the directory belongs on a tmpfs, and in
//! production it must be the daemon's own.
//!
//! A file is taken when it was the same for [`SETTLED`]; names that programs give to what they still write, and names that
//! begin with a point, are left alone, and what can never be delivered is told once. It is taken, by a rename into
//! `.taken` under the id that its delivery is to have, before it is read, and read there: a file that takes its name
//! meanwhile is another one, and one that is written to is put back. Nothing is ever put in place of another file.
//!
//! Exactly once: the log has that id, or it has not. What is in `.taken` and left is removed, and what did not goes back;
//! where the log failed, or this panicked, only the next start asks.

mod handed;
mod refused;
mod survey;
mod taken;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs, io,
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{fs::statfs, process::geteuid};

use super::orders::whole;
use crate::{
    config::{Environment, Settings},
    documents::repeatable,
    domain::ByteSize,
    durable::{Clock, Directory, DurableError},
    exchange::{DeliverFault, DeliveryId, Exchange, ExchangeError, HandedOver, MOST_HANDED_BYTES},
};
use handed::{Asked, Handed, told};
use refused::Refused;
use survey::{State, Survey};
use taken::{Taken, TakenFile};

pub use survey::{SpooledFiles, spooled_files};

/// How often the spool is looked at. It is on a tmpfs and nearly always empty: a look costs some microseconds, and sees
/// what watching directories that come and go would miss.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a file is the same before it is taken: longer than a copy pauses.
const SETTLED: Duration = Duration::from_secs(3);

/// How long one waits for its next try that could not be delivered for a fault of this side, and what is in `.taken`.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Files of which it is known when they last changed; more of them wait their turn.
const MOST_SEEN: usize = 10_000;

/// Of what is passed over, told at one look.
const MOST_TOLD: usize = 100;

/// The type of a tmpfs (Linux, `TMPFS_MAGIC`).
const TMPFS: i64 = 0x0102_1994;

/// Where files are that are being delivered.
const TAKEN: &str = ".taken";

/// Where files are that may not leave.
const REFUSED: &str = ".refused";

/// What a fault of taking a file most often comes of.
const OWNER: &str = "it and its directories must belong to the daemon's user";

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
/// The directory cannot be used, or is open to others in production; or there is no thread.
pub(super) fn start(settings: &Settings, clock: Clock, exchange: Exchange) -> io::Result<Spooling> {
    let open = || -> Result<Spool, DurableError> {
        let root = Directory::create(&settings.spool_dir)?;
        let (taken, refused) = (Taken(root.subdirectory(TAKEN)?), Refused(root.subdirectory(REFUSED)?));
        let (seen, passed_over) = (HashMap::new(), BTreeSet::new());
        let (unknown, stuck) = (HashSet::new(), HashSet::new());
        Ok(Spool { root, taken, refused, exchange, clock, seen, passed_over, unknown, stuck })
    };
    let mut spool = open().map_err(io::Error::other)?;
    check_place(settings)?;
    let (stop, stopped) = mpsc::channel();
    let thread = std::thread::Builder::new().name("spool".to_owned()).spawn(move || spool.run(&stopped))?;
    Ok(Spooling { stop: Some(stop), thread: Some(thread) })
}

/// What lies there in clear is for nobody else, and for no disk.
fn check_place(settings: &Settings) -> io::Result<()> {
    let directory = settings.spool_dir.display().to_string();
    let found = fs::metadata(&settings.spool_dir)?;
    let is_production = settings.environment == Environment::Production;
    if found.uid() != geteuid().as_raw() || found.mode() & 0o007 != 0 {
        let problem = "is open to other users, and files lie there in clear: it must belong to the daemon's user, with \
                       mode 0700, or 0770 where its group hands files over";
        if is_production {
            return Err(io::Error::other(format!("{directory} {problem}")));
        }
        tracing::warn!("`spool_dir` {directory} {problem}");
    }
    let is_in_memory = statfs(&settings.spool_dir).is_ok_and(|found| found.f_type == TMPFS);
    if is_production && !is_in_memory {
        tracing::warn!(directory, "`spool_dir` is no tmpfs: what is handed over there lies on a disk in clear");
    }
    Ok(())
}

/// What is known of a file that waits.
struct Seen {
    state: State,
    /// From when on it is taken.
    from: Instant,
    /// Why it may not leave, where it could not be set aside: the gate is not asked again.
    refused: Option<String>,
    /// The fault that was told last.
    told: Option<String>,
}

struct Spool {
    root: Directory,
    taken: Taken,
    refused: Refused,
    exchange: Exchange,
    clock: Clock,
    seen: HashMap<Handed, Seen>,
    /// What was passed over at the last look.
    passed_over: BTreeSet<(String, String)>,
    /// What is in `.taken` and for the next start alone.
    unknown: HashSet<String>,
    /// What is in `.taken` and was told.
    stuck: HashSet<String>,
}

/// What became of a file.
enum Outcome {
    /// It left, or it was set aside.
    Gone,
    /// It is another than the one that was seen.
    Changed,
    /// It may not leave, and could not be set aside.
    Refused { reason: String, error: String },
    /// It is tried again.
    Later { error: String, hint: Option<&'static str> },
    /// Only the next start knows.
    Unknown,
    /// The daemon stops.
    Stopping,
}

impl Outcome {
    fn later(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Later { error: whole(error), hint: None }
    }
}

impl Spool {
    /// Looks again and again, until it is to stop or nothing can be known any more.
    fn run(&mut self, stopped: &Receiver<()>) {
        let mut next_tidy = Instant::now();
        loop {
            if next_tidy <= Instant::now() {
                self.settle_taken();
                if let Err(error) = self.refused.remove_old(self.clock.now()) {
                    tracing::error!(error = told(&error), "files that may not leave stay in .refused");
                }
                next_tidy = Instant::now() + RETRY_AFTER;
            }
            if stopped.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) || self.look(stopped).is_break() {
                return;
            }
        }
    }

    /// Removes what left, and puts back what did not.
    fn settle_taken(&mut self) {
        let names = self.taken.0.names().unwrap_or_else(|error| {
            tracing::error!(error = told(&error), ".taken of the spool cannot be listed");
            Vec::new()
        });
        self.stuck.retain(|name| names.contains(name));
        for name in names {
            if self.unknown.contains(&name) {
                continue;
            }
            let settled = match Handed::of_taken(&name) {
                Some((delivery, handed)) => self.settle(&name, &delivery, &handed),
                None => Err("its name is none that the daemon gave it".to_owned()),
            };
            if let Err(error) = settled
                && self.stuck.insert(name.clone())
            {
                let file = repeatable(&name);
                tracing::error!(error, file, "a file of the spool stays in .taken");
            }
        }
    }

    fn settle(&self, name: &str, delivery: &DeliveryId, handed: &Handed) -> Result<(), String> {
        if self.exchange.has_delivered(delivery).map_err(|error| whole(&error))? {
            self.taken.0.remove_if_there(name).map_err(|error| told(&error))?;
            tracing::info!(delivery = delivery.as_str(), "a file of the spool had left before");
            return Ok(());
        }
        // Its directories may have been tidied away.
        let Handed { tenant, protocol, kind, .. } = handed;
        let below = |directory: Directory, name: &String| directory.subdirectory(name);
        let directory = [tenant, protocol, kind].into_iter().try_fold(self.root.clone(), below);
        let back = directory.and_then(|directory| self.taken.put_back(name, &directory, handed));
        back.map_err(|error| told(&error))?;
        tracing::info!(file = handed.shown(), "a file of the spool that had not left is put back");
        Ok(())
    }

    /// Delivers what has settled.
    fn look(&mut self, stopped: &Receiver<()>) -> ControlFlow<()> {
        let Survey { files, passed_over } = Survey::of(self.root.path());
        for (what, why) in passed_over.difference(&self.passed_over).take(MOST_TOLD) {
            tracing::warn!("{what} in the spool is passed over: {why}");
        }
        self.passed_over = passed_over;
        let mut found = HashMap::new();
        for (handed, state) in files.into_iter().take(MOST_SEEN) {
            if stopped.try_recv() != Err(TryRecvError::Empty) {
                return ControlFlow::Break(());
            }
            let before = self.seen.remove(&handed).filter(|seen| seen.state == state);
            let from = Instant::now() + SETTLED;
            let mut seen = before.unwrap_or(Seen { state, from, refused: None, told: None });
            if seen.from <= Instant::now() && !self.try_one(&handed, &mut seen)? {
                continue;
            }
            found.insert(handed, seen);
        }
        self.seen = found;
        ControlFlow::Continue(())
    }

    /// Tries to deliver a file, and tells whether it waits for its next try.
    fn try_one(&mut self, handed: &Handed, seen: &mut Seen) -> ControlFlow<(), bool> {
        // A panic while one is delivered keeps no other from it.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.take_and_deliver(handed, seen)));
        let outcome = outcome.unwrap_or_else(|_| {
            self.unknown.extend(self.taken.0.names().unwrap_or_default());
            Outcome::Later { error: "its delivery ended by a panic".to_owned(), hint: None }
        });
        match outcome {
            Outcome::Gone | Outcome::Changed => return ControlFlow::Continue(false),
            Outcome::Stopping => return ControlFlow::Break(()),
            Outcome::Unknown => {
                tracing::error!(
                    file = handed.shown(),
                    "a file of the spool is in .taken: the next start looks after it"
                );
                return ControlFlow::Break(());
            }
            Outcome::Refused { reason, error } => {
                if seen.told.as_ref() != Some(&error) {
                    let file = handed.shown();
                    tracing::error!(error, file, reason, "a file of the spool may not leave, and cannot be moved");
                }
                (seen.refused, seen.told) = (Some(reason), Some(error));
            }
            Outcome::Later { error, hint } => {
                if seen.told.as_ref() != Some(&error) {
                    tracing::error!(error, file = handed.shown(), hint, "a file of the spool is tried again later");
                }
                seen.told = Some(error);
            }
        }
        // Moving it there and back changed when it was changed; another that came there meanwhile has to settle.
        let path = self.root.path().join(handed.directory()).join(&handed.file);
        let now = fs::symlink_metadata(path).ok().map(|found| State::of(&found));
        let Some(state) = now.filter(|now| now.is_same_content(&seen.state)) else {
            return ControlFlow::Continue(false);
        };
        (seen.state, seen.from) = (state, Instant::now() + RETRY_AFTER);
        ControlFlow::Continue(true)
    }

    fn take_and_deliver(&self, handed: &Handed, seen: &Seen) -> Outcome {
        let hint = Some(OWNER);
        let directory = match self.root.open_subdirectory(&handed.directory()) {
            Ok(directory) => directory,
            Err(error) => return Outcome::Later { error: told(&error), hint },
        };
        let asked = match handed.asked() {
            Ok(asked) => asked,
            // Whatever is in it.
            Err(reason) => return self.refuse(&directory, &handed.file, handed, reason),
        };
        // From here on the directory is known to be writable, before the gate is asked.
        let taken = match self.taken.take(&directory, handed, &seen.state) {
            Ok(Some(taken)) => taken,
            Ok(None) => return Outcome::Changed,
            Err(error) => return Outcome::Later { error: told(&error), hint },
        };
        let outcome = match &seen.refused {
            Some(reason) => self.refuse(&self.taken.0, &taken.name, handed, reason.clone()),
            None => self.deliver(handed, &asked, &taken),
        };
        if matches!(outcome, Outcome::Gone | Outcome::Unknown) {
            return outcome;
        }
        match self.taken.put_back(&taken.name, &directory, handed) {
            Ok(()) => outcome,
            Err(error) => {
                let about = match &outcome {
                    Outcome::Refused { error, .. } | Outcome::Later { error, .. } => error,
                    Outcome::Gone | Outcome::Changed | Outcome::Unknown | Outcome::Stopping => "it did not leave",
                };
                Outcome::Later { error: format!("{about}; and it stays in .taken: {}", told(&error)), hint }
            }
        }
    }

    /// Delivers a file that was taken; it is still in `.taken`, unless it is gone.
    fn deliver(&self, handed: &Handed, asked: &Asked, taken: &TakenFile) -> Outcome {
        let refuse = |reason| self.refuse(&self.taken.0, &taken.name, handed, reason);
        let content = match taken.read() {
            Ok(Some(content)) => content,
            Ok(None) => return refuse(format!("it is larger than {}", ByteSize(MOST_HANDED_BYTES))),
            Err(error) => return Outcome::later(&error),
        };
        let Asked { tenant, protocol, kind } = asked;
        let handed_over = HandedOver {
            delivery: &taken.delivery,
            tenant,
            protocol,
            kind: *kind,
            content: &content,
            user: taken.user,
            again: false,
            is_wanted: &|| taken.is_unchanged(),
        };
        let made = match self.exchange.deliver(handed_over) {
            Ok(made) => made,
            Err(fault) if fault.is_unknown() => return Outcome::Unknown,
            Err(DeliverFault::Unwanted) => return Outcome::Changed,
            Err(DeliverFault::Failed(ExchangeError::Stopping)) => return Outcome::Stopping,
            Err(fault @ (DeliverFault::Failed(_) | DeliverFault::OutboxFull { .. })) => return Outcome::later(&fault),
            // Of names it has only those of deliveries, which look like numbers of persons and are none.
            Err(fault) => return refuse(whole(&fault)),
        };
        tracing::info!(tenant = made.tenant, file = made.file, rows = made.rows, "delivered from the spool");
        if !taken.is_unchanged() {
            let left = &made.file;
            refuse(format!(
                "it was written to while it left: {left} has what it held before, and nothing of what came"
            ));
        } else if let Err(error) = self.taken.0.remove_if_there(&taken.name).and_then(|()| self.taken.0.sync()) {
            tracing::error!(error = told(&error), "a file that left is still in .taken");
        }
        // What could not be moved now is in .taken, and the log has its delivery.
        Outcome::Gone
    }

    /// Sets a file aside that may not leave, and says why.
    fn refuse(&self, from: &Directory, name: &str, handed: &Handed, reason: String) -> Outcome {
        match self.refused.set_aside(from, name, handed, &reason) {
            Ok(_) => {
                let file = handed.shown();
                tracing::warn!(file, reason, "a file of the spool may not leave, and is in .refused");
                Outcome::Gone
            }
            Err(error) => Outcome::Refused { reason, error: told(&error) },
        }
    }
}
