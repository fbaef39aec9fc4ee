//! Removing what was kept long enough, once a day in the quiet of the night, and whenever an operator asks.
//!
//! It owns the day of the last run, in the state directory, and that of the last try: a fault that lasts is no gap in which
//! the clock may have jumped. A run that was missed, since the daemon was down, comes soon after the start; one that failed
//! is tried again. Logs of years long past are named and never removed.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use jiff::{Timestamp, ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

use super::{backup::remove_left_links, live::Live};
use crate::{
    domain::in_brussels,
    durable::{Clock, Directory, DurableError},
    exchange::{Exchange, ExchangeError, InPart, Orderer, RetentionOutcome},
    transfer_log::{self, DisclosureKeeper, LogError, month_before},
};

/// The day of the last run that was finished, in the state directory.
const FILE: &str = "retention.day";

/// The day of the last run, finished or not.
const TRIED_FILE: &str = "retention.tried";

/// A day, ISO.
const LONGEST_FILE_BYTES: u64 = 32;

/// The hour in Brussels from which a run is due: after backups of the evening, before anybody is at work.
const HOUR: i8 = 3;

/// Days between two runs that the night's own run goes over, at most. A longer gap may be a clock that is set wrong, and
/// what is removed does not come back: an operator has to see to it.
const LONGEST_GAP_DAYS: i64 = 45;

/// Days since the last run after which it is late: one night may be missed while the daemon is down.
const LATE_AFTER_DAYS: i64 = 2;

/// How long after a run that failed the next one comes: what it can do it did, and it keeps others waiting meanwhile.
const RETRY_EVERY: Duration = Duration::from_hours(1);

/// How often is looked whether a run is due. What the clock says is asked each time: it may be set.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// What a run did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionReport {
    /// What was removed, and the certificates of it.
    pub removed: RetentionOutcome,
    /// Months of disclosures that were moved to the archive, as `<tenant or _>/<yyyy-mm>`.
    pub put_by: Vec<String>,
    /// Logs that are older than `retention.log_years`. They stay until somebody decides.
    pub old_logs: Vec<String>,
}

impl RetentionReport {
    /// Whether nothing was done.
    pub(super) fn is_nothing(&self) -> bool {
        self.removed.is_nothing() && self.put_by.is_empty()
    }
}

/// Why a run was not finished; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub(super) enum RetentionError {
    #[error("what was kept long enough could not be removed")]
    Exchange(#[source] ExchangeError),
    #[error("old disclosures could not be put by, or old logs not be read")]
    Log(#[source] LogError),
    #[error("the day of the last run could not be kept")]
    Day(#[source] DurableError),
}

/// What a run works with.
pub(super) struct RetentionParts {
    pub exchange: Exchange,
    pub live: Arc<Live>,
    pub keeper: DisclosureKeeper,
    pub log_dir: PathBuf,
    pub archive_dir: PathBuf,
    pub state: Directory,
    pub clock: Clock,
}

/// Retention. Cheap to clone.
#[derive(Clone)]
pub(super) struct Retention {
    parts: Arc<RetentionParts>,
    /// One run at a time.
    turn: Arc<Mutex<()>>,
}

/// The thread that runs it every night, until this is dropped. End the exchange before: a run ends with it.
pub(super) struct Nightly {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Retention {
    pub fn new(parts: RetentionParts) -> Self {
        Self { parts: Arc::new(parts), turn: Arc::default() }
    }

    /// Removes what was kept long enough, or says what would be removed.
    ///
    /// # Errors
    /// [`InPart`]: the first fault. One of one tenant leaves nothing of the others undone.
    pub fn run(
        &self,
        dry_run: bool,
        orderer: Orderer<'_>,
    ) -> Result<RetentionReport, InPart<RetentionReport, RetentionError>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let RetentionParts { exchange, live, keeper, state, clock, .. } = &*self.parts;
        let settings = live.settings();
        let night = night_of(clock.now());
        let cold = month_before(clock.now(), settings.retention.disclosures_hot_months);
        let (removed, mut first_fault) = match exchange.apply_retention(dry_run, orderer) {
            Ok(removed) => (removed, None),
            Err(InPart { done, fault }) => (*done, Some(RetentionError::Exchange(fault))),
        };
        let mut done = RetentionReport { removed, ..RetentionReport::default() };
        // An order that nobody wants any more was no night's run.
        let wanted = !matches!(first_fault, Some(RetentionError::Exchange(ExchangeError::Unwanted)));
        if wanted {
            let mut kept = |listed: Result<Vec<String>, LogError>| {
                listed.unwrap_or_else(|fault| {
                    first_fault.get_or_insert(RetentionError::Log(fault));
                    Vec::new()
                })
            };
            done.put_by = kept(if dry_run { keeper.cold_months(&cold) } else { keeper.put_by(&cold) });
            done.old_logs = kept(self.old_logs(settings.retention.log_years));
        }
        if !dry_run && wanted {
            let day = format!("{night}\n");
            let tried = state.write(TRIED_FILE, day.as_bytes());
            if first_fault.is_none() {
                let finished = tried.and_then(|()| state.write(FILE, day.as_bytes()));
                first_fault = finished.err().map(RetentionError::Day);
            }
        }
        if let Some(fault) = first_fault {
            return Err(InPart { done: Box::new(done), fault });
        }
        if !dry_run {
            tell_operators(&done);
        }
        Ok(done)
    }

    /// Logs whose last entry is older than so many years: the next one began then.
    fn old_logs(&self, years: u32) -> Result<Vec<String>, LogError> {
        let RetentionParts { log_dir, archive_dir, clock, .. } = &*self.parts;
        let logs = transfer_log::readable(archive_dir)?;
        let nexts = logs.iter().skip(1).chain([log_dir]);
        let limit = clock.today().saturating_sub(i64::from(years).years());
        let mut old = Vec::new();
        for (log, next) in logs.iter().zip(nexts) {
            let ended = transfer_log::entries(next)?.next().transpose()?.map(|first| first.at);
            if ended.is_some_and(|at| crate::domain::brussels_date(at) < limit) {
                old.push(log.display().to_string());
            }
        }
        Ok(old)
    }

    fn is_due(&self) -> Due {
        let RetentionParts { state, clock, .. } = &*self.parts;
        due(last_night(state.path()), last_try(state.path()), night_of(clock.now()))
    }

    /// Begins to run it every night; a run that was missed comes at once.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn every_night(self) -> std::io::Result<Nightly> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("retention".to_owned()).spawn(move || {
            match self.parts.keeper.reseal() {
                Ok(0) => {}
                Ok(months) => tracing::info!(months, "disclosures are sealed to the key in use now"),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "disclosures stay sealed to a replaced key"
                ),
            }
            remove_left_links(self.parts.state.path());
            match self.parts.exchange.finish_removals() {
                Ok(0) => {}
                Ok(files) => tracing::info!(files, "removed files that the log says are gone"),
                Err(error) => warn(&error),
            }
            let (mut told, mut failed_at) = (None, None::<Instant>);
            loop {
                match self.is_due() {
                    Due::Later => {}
                    Due::Now if failed_at.is_some_and(|at| at.elapsed() < RETRY_EVERY) => {}
                    Due::Now => {
                        remove_left_links(self.parts.state.path());
                        failed_at = self.run(false, Orderer::daemon()).err().map(|InPart { fault, .. }| {
                            warn(&fault);
                            Instant::now()
                        });
                    }
                    Due::Doubtful { last } => {
                        let today = Some(self.parts.clock.today());
                        if std::mem::replace(&mut told, today) != today {
                            let hint = "if the clock is right, run `groeikluis retention`";
                            tracing::warn!(%last, hint, "nothing is removed: the last run was long ago, or in the future");
                        }
                    }
                }
                if stopped.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Nightly { stop: Some(stop), thread: Some(thread) })
    }
}

/// The day whose night was the last that it finished, as it is kept in the state directory; none before the first.
pub(super) fn last_night(state_dir: &Path) -> Option<Date> {
    day_in(&state_dir.join(FILE))
}

/// The day whose night was the last that it tried.
fn last_try(state_dir: &Path) -> Option<Date> {
    day_in(&state_dir.join(TRIED_FILE))
}

fn day_in(path: &Path) -> Option<Date> {
    let mut text = String::new();
    File::open(path).ok()?.take(LONGEST_FILE_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The day of the last run, where that is so long ago that somebody has to look: two nights were missed, since a run
/// fails, or waits for an operator after 45 days without one. A day in the future is of a clock that was wrong.
pub fn late_since(state_dir: &Path, now: Timestamp) -> Option<Date> {
    let night = night_of(now);
    last_night(state_dir).filter(|last| last.saturating_add(LATE_AFTER_DAYS.days()) < night || is_ahead(*last, night))
}

/// The day of the last run, where the clock is in doubt for it: nothing may be removed then but on an operator's order.
pub fn doubtful_since(state_dir: &Path, now: Timestamp) -> Option<Date> {
    match due(last_night(state_dir), last_try(state_dir), night_of(now)) {
        Due::Doubtful { last } => Some(last),
        Due::Later | Due::Now => None,
    }
}

fn warn(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "retention is not finished and goes on later");
}

impl Drop for Nightly {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("retention panicked");
        }
    }
}

/// Whether a run is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Not yet.
    Later,
    /// Yes.
    Now,
    /// After so long a gap, the clock may be wrong.
    Doubtful {
        /// The day of the last run.
        last: Date,
    },
}

/// `finished` is the last night that it finished, `tried` the last one that it tried.
fn due(finished: Option<Date>, tried: Option<Date>, night: Date) -> Due {
    match finished.max(tried) {
        Some(last) if is_ahead(last, night) => Due::Doubtful { last },
        _ if finished.is_some_and(|finished| finished >= night) => Due::Later,
        Some(last) if last.saturating_add(LONGEST_GAP_DAYS.days()) < night => Due::Doubtful { last },
        _ => Due::Now,
    }
}

/// Whether a last run lies in the future, by more than a clock that is set at midnight explains: it is or was wrong then.
fn is_ahead(last: Date, night: Date) -> bool {
    night.saturating_add(LATE_AFTER_DAYS.days()) < last
}

/// The day whose night it is: from [`HOUR`] on today, before it yesterday.
fn night_of(now: Timestamp) -> Date {
    let local = in_brussels(now);
    if local.hour() >= HOUR { local.date() } else { local.date().saturating_sub(1.day()) }
}

fn tell_operators(report: &RetentionReport) {
    let RetentionOutcome { deliveries, uploads, certificates, .. } = &report.removed;
    let unfetched = deliveries.iter().filter(|file| !file.fetched).count();
    let (deliveries, uploads, certificates) = (deliveries.len(), uploads.len(), certificates.len());
    let put_by = report.put_by.len();
    tracing::info!(deliveries, unfetched, uploads, certificates, put_by, "retention");
    for log in &report.old_logs {
        tracing::warn!(
            log,
            "this log is past retention.log_years; it stays until somebody removes it, and `audit verify` tells of that \
             then, as does a ledger that has to be made anew"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn it_is_late_after_two_days() {
        let root = tempfile::tempdir().unwrap();
        let at = |text: &str| late_since(root.path(), text.parse().unwrap());
        assert_eq!(at("2026-11-25T09:00:00Z"), None, "it never ran: a start does it at once");
        std::fs::write(root.path().join(FILE), "2026-11-22\n").unwrap();
        assert_eq!((at("2026-11-24T09:00:00Z"), at("2026-11-25T01:00:00Z")), (None, None));
        assert_eq!(at("2026-11-25T03:00:00Z"), Some(date(2026, 11, 22)));
        assert_eq!(at("2025-11-25T03:00:00Z"), Some(date(2026, 11, 22)), "the clock was wrong");
        let doubtful = |text: &str| doubtful_since(root.path(), text.parse().unwrap()).is_some();
        assert!(
            !doubtful("2026-11-25T03:00:00Z") && doubtful("2025-11-25T03:00:00Z") && doubtful("2027-02-01T03:00:00Z")
        );
    }

    #[test]
    fn a_night_that_was_missed_is_made_up_for_unless_the_clock_is_in_doubt() {
        let last = date(2026, 11, 22);
        for (night, expected) in [
            (date(2026, 11, 19), Due::Doubtful { last }),
            (date(2026, 11, 20), Due::Later),
            (date(2026, 11, 21), Due::Later),
            (last, Due::Later),
            (date(2026, 11, 23), Due::Now),
            (date(2027, 1, 6), Due::Now),
            (date(2027, 1, 7), Due::Doubtful { last }),
            (date(2099, 1, 1), Due::Doubtful { last }),
        ] {
            assert_eq!(due(Some(last), None, night), expected, "{night}");
        }
        assert_eq!(due(None, None, last), Due::Now);
    }

    #[test]
    fn a_fault_that_lasts_is_no_gap() {
        let (finished, tried) = (Some(date(2026, 11, 22)), date(2027, 3, 1));
        for (night, expected) in [
            (tried, Due::Now),
            (date(2027, 3, 2), Due::Now),
            (date(2027, 4, 16), Due::Doubtful { last: tried }),
            (date(2027, 2, 1), Due::Doubtful { last: tried }),
        ] {
            assert_eq!(due(finished, Some(tried), night), expected, "{night}");
        }
        assert_eq!(due(Some(tried), Some(tried), tried), Due::Later);
    }

    #[test]
    fn a_night_belongs_to_the_day_that_it_ends_in() {
        for (instant, day) in [
            ("2026-11-22T01:59:59Z", date(2026, 11, 21)),
            ("2026-11-22T02:00:00Z", date(2026, 11, 22)),
            ("2026-07-01T00:59:59Z", date(2026, 6, 30)),
            ("2026-07-01T01:00:00Z", date(2026, 7, 1)),
        ] {
            assert_eq!(night_of(instant.parse().unwrap()), day, "{instant}");
        }
    }
}
