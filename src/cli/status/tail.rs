//! The newest entries of the transfer log, read without asking the daemon.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    path::Path,
};

use jiff::Timestamp;

use crate::{
    domain::TenantId,
    transfer_log::{Event, LogError, Newest, News, Outcome, StoredEntry},
};

/// How far back it looks at first: a busy day, read in less than a second.
const LOOK_BACK: u64 = 20_000;

/// Events that are kept to be shown.
const KEPT_EVENTS: usize = 500;

/// Hours of traffic that are kept.
pub(super) const HOURS: usize = 24;

/// Seconds in an hour.
const HOUR: i64 = 3_600;

/// What the newest entries say.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// Entries of the log.
    pub entries: u64,
    newest: Newest,
    /// The newest events, newest first.
    pub events: VecDeque<EventLine>,
    /// Bytes received and sent, by hour since 1970.
    pub hours: BTreeMap<i64, (u64, u64)>,
    /// The register in use.
    pub register: Register,
    /// When a register was last refused, if none was loaded since.
    pub register_refused: Option<Timestamp>,
    /// Lists that were refused, newest first.
    pub refusals: VecDeque<Refusal>,
}

/// A list that was refused.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub at: Timestamp,
    pub tenant: TenantId,
    /// The code of the rule that it did not meet.
    pub reason: String,
    /// The delivery that explains it.
    pub delivery: String,
}

/// What the newest entries say of the register in use.
#[derive(Debug, Clone, Default)]
pub(super) enum Register {
    /// Nothing: the daemon loaded it longer ago than they reach.
    #[default]
    Untold,
    /// The daemon started, and loaded none since.
    Missing,
    /// It was loaded.
    Loaded { month: String, rows: u64 },
}

impl Register {
    /// Its month, of the form `yyyy-mm`.
    pub fn month(&self) -> Option<&str> {
        if let Self::Loaded { month, .. } = self { Some(month) } else { None }
    }
}

impl fmt::Display for Register {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untold => out.write_str("a register of earlier"),
            Self::Missing => out.write_str("no register"),
            Self::Loaded { month, .. } => write!(out, "register {month}"),
        }
    }
}

/// An event to be shown.
#[derive(Debug, Clone)]
pub(super) struct EventLine {
    pub at: Timestamp,
    pub name: &'static str,
    pub tenant: Option<TenantId>,
    pub failed: bool,
    pub details: String,
}

impl Tail {
    /// Reads what is new in the log.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn read_on(&mut self, log_dir: &Path) -> Result<(), LogError> {
        let mut newest = std::mem::take(&mut self.newest);
        let read = self.take_all(newest.look(log_dir, LOOK_BACK)?);
        self.entries = newest.size();
        self.newest = newest;
        read
    }

    fn take_all(&mut self, news: News<'_>) -> Result<(), LogError> {
        if news.afresh {
            *self = Self::default();
        }
        for entry in news {
            self.take(&entry?);
        }
        Ok(())
    }

    /// Bytes received and sent in each of the last hours, the one under way last.
    pub fn traffic(&self, now: Timestamp) -> Vec<(u64, u64)> {
        let this = now.as_second() / HOUR;
        let hours = i64::try_from(HOURS).unwrap_or_default();
        (this - hours + 1..=this).map(|hour| self.hours.get(&hour).copied().unwrap_or_default()).collect()
    }

    fn take(&mut self, entry: &StoredEntry) {
        let hour = self.hours.entry(entry.at.as_second() / HOUR).or_default();
        match &entry.event {
            Event::Upload(upload) => hour.0 += upload.size,
            Event::DownloadEnd(download) => hour.1 += download.bytes,
            Event::RegisterLoaded(loaded) => {
                self.register = Register::Loaded { month: loaded.month.clone(), rows: loaded.rows };
                self.register_refused = None;
            }
            Event::LogStarted(_) => self.register = Register::Missing,
            Event::RegisterRefused(_) => self.register_refused = Some(entry.at),
            Event::ListRefused(refused) => {
                let (reason, delivery) = (entry.reason.clone().unwrap_or_default(), refused.delivery_id.clone());
                if let Some(tenant) = entry.context.tenant.clone() {
                    self.refusals.push_front(Refusal { at: entry.at, tenant, reason, delivery });
                    self.refusals.truncate(KEPT_EVENTS);
                }
            }
            _ => {}
        }
        while self.hours.len() > HOURS {
            self.hours.pop_first();
        }
        let line = EventLine {
            at: entry.at,
            name: entry.event.name(),
            tenant: entry.context.tenant.clone(),
            failed: entry.outcome != Outcome::Success,
            details: details(entry),
        };
        self.events.push_front(line);
        self.events.truncate(KEPT_EVENTS);
    }
}

/// What an event's line tells besides its name.
fn details(entry: &StoredEntry) -> String {
    let own = match &entry.event {
        Event::Upload(upload) => format!("{} bytes", upload.size),
        Event::DownloadEnd(download) => format!("{} of {} bytes", download.bytes, download.size),
        Event::ListReceived(list) => format!("{} rows", list.rows),
        Event::ListAnswered(list) => format!("{} rows, {} entitled", list.rows, list.entitled),
        Event::DeliveryCreated(created) => created.file.clone(),
        Event::RegisterLoaded(loaded) => format!("{}, {} rows", loaded.month, loaded.rows),
        Event::MailSent(mail) => format!("to {}", mail.recipients),
        Event::AssignmentRun(run) => format!("{}, {} files", run.assignment, run.files),
        _ => String::new(),
    };
    let parts = [entry.reason.clone(), entry.context.key.clone().filter(|_| own.is_empty()), Some(own)];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
