//! The newest entries of the transfer log, read without asking the daemon.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    daemon::KnownRegister,
    domain::TenantId,
    transfer_log::{
        BackupRestored, Event, LogError, Newest, Outcome, StoredEntry, archived, entries, entries_from, published_size,
    },
};

/// How far back it looks at first: a busy day, read in less than a second.
const LOOK_BACK: u64 = 20_000;

/// Events that are kept to be shown.
const KEPT_EVENTS: usize = 500;

/// Hours of traffic that are kept.
pub(super) const HOURS: usize = 24;

/// Refusals within this time are named.
pub(super) const REFUSED_WITHIN: SignedDuration = SignedDuration::from_hours(24);

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
    pub register: KnownRegister,
    /// Why some of the log could not be read, where that is so.
    pub unreadable: Option<LogError>,
    /// The last backup that was restored, and when.
    pub restored: Option<(Timestamp, BackupRestored)>,
    /// When lists were refused within [`REFUSED_WITHIN`] of the newest entry, newest first, by tenant and by the code of
    /// the rule that they did not meet; without trials, which are between a tenant and its test inbox.
    refusals: BTreeMap<(TenantId, String), VecDeque<Timestamp>>,
    /// The last list that was refused, until the delivery that explains it tells whether it was a trial.
    unexplained: Option<Refusal>,
}

/// A list that was refused.
#[derive(Debug, Clone)]
struct Refusal {
    at: Timestamp,
    tenant: TenantId,
    reason: String,
    /// The delivery that explains it.
    delivery: String,
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
    /// Reads what is new in the log, and on the first day of one also the end of the one before it. What cannot be read is
    /// passed over, and told as `unreadable`.
    pub fn read_on(&mut self, log_dir: &Path, archive: &Path, now: Timestamp) {
        let mut newest = std::mem::take(&mut self.newest);
        let is_first = newest.size() == 0;
        let looked = newest.look(log_dir, LOOK_BACK).map(|news| {
            if is_first || news.afresh {
                *self = Self::default();
                self.take_earlier(log_dir, archive, now);
            }
            news.for_each(|entry| self.take_if_read(entry));
        });
        match looked {
            Ok(()) => (self.entries, self.newest) = (newest.size(), newest),
            // The next look begins anew.
            Err(error) => self.unreadable = Some(error),
        }
    }

    fn take_if_read(&mut self, entry: Result<StoredEntry, LogError>) {
        match entry {
            Ok(entry) => self.take(&entry),
            // The first tells where to look.
            Err(error) => drop(self.unreadable.get_or_insert(error)),
        }
    }

    /// Takes in the end of the log that the one in use goes on from, where that began within [`REFUSED_WITHIN`].
    fn take_earlier(&mut self, log_dir: &Path, archive: &Path, now: Timestamp) {
        let first = entries(log_dir).ok().and_then(|mut entries| entries.next()?.ok());
        if first.is_none_or(|first| now.duration_since(first.at) >= REFUSED_WITHIN) {
            return;
        }
        let earlier = archived(archive).ok().and_then(|mut logs| logs.pop());
        let read =
            earlier.and_then(|log| entries_from(&log, published_size(&log).ok()?.saturating_sub(LOOK_BACK)).ok());
        read.into_iter().flatten().for_each(|entry| self.take_if_read(entry));
    }

    /// Bytes received and sent in each of the last hours, the one under way last.
    pub fn traffic(&self, now: Timestamp) -> Vec<(u64, u64)> {
        let this = now.as_second() / HOUR;
        let hours = i64::try_from(HOURS).unwrap_or_default();
        (this - hours + 1..=this).map(|hour| self.hours.get(&hour).copied().unwrap_or_default()).collect()
    }

    /// When lists were refused, newest first, by tenant and the code of the rule; what was refused last stands first.
    pub fn refusals(&self) -> Vec<(&TenantId, &str, &VecDeque<Timestamp>)> {
        let groups = self.refusals.iter().map(|((tenant, reason), times)| (tenant, reason.as_str(), times));
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by_key(|(.., times)| std::cmp::Reverse(times.front().copied()));
        groups
    }

    fn refuse(&mut self, Refusal { at, tenant, reason, .. }: Refusal) {
        self.refusals.entry((tenant, reason)).or_default().push_front(at);
        for times in self.refusals.values_mut() {
            while times.pop_back_if(|earlier| at.duration_since(*earlier) >= REFUSED_WITHIN).is_some() {}
        }
        self.refusals.retain(|_, times| !times.is_empty());
    }

    fn take(&mut self, entry: &StoredEntry) {
        self.register.take(entry);
        let hour = self.hours.entry(entry.at.as_second() / HOUR).or_default();
        match &entry.event {
            Event::Upload(upload) => hour.0 += upload.size,
            Event::BackupRestored(restored) => self.restored = Some((entry.at, restored.clone())),
            Event::DownloadEnd(download) => hour.1 += download.bytes,
            Event::ListRefused(refused) => {
                let (reason, delivery) = (entry.reason.clone().unwrap_or_default(), refused.delivery_id.clone());
                let tenant = entry.context.tenant.clone();
                let refusal = tenant.map(|tenant| Refusal { at: entry.at, tenant, reason, delivery });
                if let Some(before) = std::mem::replace(&mut self.unexplained, refusal) {
                    self.refuse(before);
                }
            }
            Event::DeliveryCreated(created) => {
                let explained = self.unexplained.take_if(|refusal| refusal.delivery == created.delivery_id);
                if let Some(refusal) = explained.filter(|_| !created.test) {
                    self.refuse(refusal);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::{Context, DeliveryCreated, ListRefused, support};

    /// A list that was refused so many seconds after the first, for a reason, with the delivery that explains it.
    fn refused(tail: &mut Tail, seconds: i64, reason: &str, test: bool) {
        let at = Timestamp::from_second(1_790_000_000 + seconds).unwrap();
        let (id, file) = (format!("{seconds:032x}"), String::new());
        let refused = ListRefused { rows: None, invalid: None, delivery_id: id.clone(), file };
        let created = DeliveryCreated { delivery_id: id, test, ..support::delivery() };
        for (event, reason) in
            [(Event::ListRefused(refused), Some(reason.to_owned())), (Event::DeliveryCreated(created), None)]
        {
            let (context, digests, bytes): (Context, _, _) = (support::context(), Vec::new(), Vec::new());
            let outcome = if reason.is_some() { Outcome::Failure } else { Outcome::Success };
            tail.take(&StoredEntry {
                seq: 0,
                at,
                outcome,
                reason,
                event,
                context,
                software: String::new(),
                digests,
                bytes,
            });
        }
    }

    #[test]
    fn trials_hide_no_refusal_and_yesterdays_are_forgotten() {
        let mut tail = Tail::default();
        refused(&mut tail, 0, "list-empty", false);
        refused(&mut tail, 1, "duplicate", false);
        for seconds in 2..1_000 {
            refused(&mut tail, seconds, "duplicate", true);
        }
        refused(&mut tail, 1_000, "list-empty", false);
        let told = |tail: &Tail| {
            let groups = tail.refusals().into_iter().map(|(_, reason, times)| (reason.to_owned(), times.len()));
            groups.collect::<Vec<_>>()
        };
        assert_eq!(told(&tail), [("list-empty".to_owned(), 2), ("duplicate".to_owned(), 1)]);
        refused(&mut tail, 24 * 3_600 + 1, "list-empty", false);
        assert_eq!(told(&tail), [("list-empty".to_owned(), 2)]);
    }
}
