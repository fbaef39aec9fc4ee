//! What a report or a table of entries is to be about, and on whose behalf files left.
//!
//! Letters stand in the log under the printer who gets them, and under the agreement on them. The run that made them has
//! its own entry before theirs, under the local authority and its protocol: who asks for these is told of the letters too.

use std::{collections::HashMap, sync::Arc};

use jiff::{Timestamp, civil::Date};

use super::names::Names;
use crate::{
    domain::{ProtocolId, TenantId, brussels_date},
    transfer_log::{AssignmentRun, DeliveryExpired, DeliveryWithdrawn, Event, StoredEntry},
};

/// What a report is to be about.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// The first day, in Brussels.
    pub from: Option<Date>,
    /// The last day, included, in Brussels.
    pub until: Option<Date>,
    pub tenant: Option<Names>,
    pub protocol: Option<ProtocolId>,
}

impl Scope {
    /// Whether an entry is of the period, tenant and protocol.
    pub fn holds(&self, entry: &StoredEntry, behalf: &Behalf) -> bool {
        let day = brussels_date(entry.at);
        self.from.is_none_or(|from| day >= from)
            && self.until.is_none_or(|until| day <= until)
            && behalf.concerns(entry, self.tenant.as_ref(), self.protocol.as_ref())
    }
}

/// A run of an assignment, as far as it tells on whose behalf a file left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// The local authority.
    pub tenant: TenantId,
    /// Its name for people; entries of the first versions have none.
    pub authority: Option<String>,
    protocol: Option<ProtocolId>,
    at: Timestamp,
}

/// The runs of a log, and what others got of them.
#[derive(Debug, Default)]
pub(super) struct Behalf {
    /// By their id.
    runs: HashMap<String, Arc<Run>>,
    /// Deliveries to another than the run's own tenant, by their id.
    deliveries: HashMap<String, Arc<Run>>,
}

impl Behalf {
    /// Takes in an entry, in the order of the log.
    pub fn take(&mut self, entry: &StoredEntry) {
        let Some(tenant) = &entry.context.tenant else { return };
        match &entry.event {
            Event::AssignmentRun(AssignmentRun { run, authority, .. }) => {
                let (tenant, authority) = (tenant.clone(), authority.clone());
                let made = Run { tenant, authority, protocol: entry.context.protocol.clone(), at: entry.at };
                self.runs.insert(run.clone(), Arc::new(made));
            }
            Event::DeliveryCreated(created) => {
                let run = created.run.as_ref().or(entry.context.correlation.as_ref());
                if let Some(run) = run.and_then(|id| self.runs.get(id)).filter(|run| run.tenant != *tenant) {
                    self.deliveries.insert(created.delivery_id.clone(), Arc::clone(run));
                }
            }
            _ => {}
        }
    }

    /// The run of another tenant that made the file which an entry, taken in before, is about.
    pub fn of(&self, entry: &StoredEntry) -> Option<&Run> {
        let delivery = match &entry.event {
            Event::DeliveryCreated(created) => Some(&created.delivery_id),
            Event::DeliveryAvailable(step) | Event::DeliveryFetched(step) => Some(&step.delivery_id),
            Event::DeliveryExpired(DeliveryExpired { delivery_id, .. })
            | Event::DeliveryWithdrawn(DeliveryWithdrawn { delivery_id, .. }) => Some(delivery_id),
            Event::DownloadStart(start) => start.delivery_id.as_ref(),
            Event::DownloadEnd(end) => end.delivery_id.as_ref(),
            // Of an upload it is the submission's id, which is that of no delivery.
            Event::Delete {} => entry.context.correlation.as_ref(),
            _ => None,
        };
        self.deliveries.get(delivery?).map(AsRef::as_ref)
    }

    /// Whether an entry, taken in before, is about a tenant and about a protocol, where these are asked for: its own, or
    /// those on whose behalf the file left.
    pub fn concerns(&self, entry: &StoredEntry, tenant: Option<&Names>, protocol: Option<&ProtocolId>) -> bool {
        let (run, context) = (self.of(entry), &entry.context);
        let of_tenant = |names: &Names| {
            context.tenant.as_ref().is_some_and(|own| names.holds(own, entry.at))
                || run.is_some_and(|run| names.holds(&run.tenant, run.at))
        };
        let of_protocol = |wanted: &ProtocolId| match &context.protocol {
            Some(own) => own == wanted || run.is_some_and(|run| run.protocol.as_ref() == Some(wanted)),
            None => false,
        };
        tenant.is_none_or(of_tenant) && protocol.is_none_or(of_protocol)
    }
}

/// Whether logs tell of the tenant and the protocol that were asked for at all: a slip looks like nothing happened.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    tenant: Option<&'a Names>,
    protocol: Option<&'a ProtocolId>,
}

impl<'a> Asked<'a> {
    pub fn new(tenant: Option<&'a Names>, protocol: Option<&'a ProtocolId>) -> Self {
        Self { tenant, protocol }
    }

    /// Takes in an entry.
    pub fn take(&mut self, entry: &StoredEntry) {
        let own = entry.context.tenant.as_ref();
        self.tenant = self.tenant.filter(|asked| own.is_none_or(|own| !asked.holds(own, entry.at)));
        self.protocol = self.protocol.filter(|asked| entry.context.protocol.as_ref() != Some(asked));
    }

    /// What no entry tells of, a sentence each.
    pub fn unknown(&self) -> Vec<String> {
        let tenant = self.tenant.map(|names| format!("no entry is about a tenant {}", names.asked()));
        tenant.into_iter().chain(self.protocol.map(|id| format!("no entry is about a protocol {id}"))).collect()
    }
}

#[cfg(test)]
pub(super) fn any_entry() -> StoredEntry {
    StoredEntry {
        seq: 0,
        at: "2026-11-21T11:00:00Z".parse().unwrap(),
        outcome: crate::transfer_log::Outcome::Success,
        reason: None,
        event: Event::Delete {},
        context: crate::transfer_log::support::context(),
        software: String::new(),
        digests: Vec::new(),
        bytes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::names::Merger, *};
    use crate::{
        domain::Kind,
        transfer_log::{
            Context, DeliveryCreated, DeliveryStep, TenantMerged,
            support::{assignment_run, context, delivery},
        },
    };

    fn entry(seq: u64, context: Context, event: Event) -> StoredEntry {
        StoredEntry { seq, event, context, ..any_entry() }
    }

    fn about(tenant: &str, protocol: Option<&str>, correlation: &str) -> Context {
        let (tenant, protocol) = (tenant.parse().ok(), protocol.and_then(|id| id.parse().ok()));
        Context { tenant, protocol, correlation: Some(correlation.to_owned()), ..context() }
    }

    #[test]
    fn letters_are_also_of_whom_they_were_made_for() {
        let run = assignment_run();
        let id = run.run.clone();
        for run_of_file in [Some(id.clone()), None] {
            let letters =
                DeliveryCreated { kind: Kind::Brieven, run: run_of_file, delivery_id: "b".repeat(32), ..delivery() };
            let other = DeliveryCreated { run: None, ..delivery() };
            let fetched = Event::DeliveryFetched(DeliveryStep { delivery_id: "b".repeat(32) });
            let entries = [
                entry(0, about("torhout", Some("VUTG-2026-004"), &id), Event::AssignmentRun(run.clone())),
                entry(1, about("drukkerij", Some("VUTG-2026-001"), &id), Event::DeliveryCreated(letters)),
                entry(2, about("drukkerij", Some("VUTG-2026-001"), "c"), Event::DeliveryCreated(other)),
                entry(3, about("drukkerij", None, "b"), fetched),
                entry(4, about("drukkerij", None, &"b".repeat(32)), Event::Delete {}),
                entry(5, about("drukkerij", None, &id), Event::Delete {}),
            ];
            let mut behalf = Behalf::default();
            let names = Names::new("torhout".parse().unwrap(), &[]);
            let (protocol, agreement) = ("VUTG-2026-004".parse().unwrap(), "VUTG-2026-001".parse().unwrap());
            let mut told = [Vec::new(), Vec::new(), Vec::new()];
            for entry in &entries {
                behalf.take(entry);
                let asked = [(Some(&names), None), (None, Some(&protocol)), (None, Some(&agreement))];
                for (told, (tenant, protocol)) in told.iter_mut().zip(asked) {
                    told.extend(behalf.concerns(entry, tenant, protocol).then_some(entry.seq));
                }
            }
            assert_eq!(told, [vec![0, 1, 3, 4], vec![0, 1], vec![1, 2]]);
            let run = behalf.of(&entries[1]).unwrap();
            assert_eq!((run.tenant.as_str(), run.authority.is_some()), ("torhout", true));
            assert_eq!(behalf.of(&entries[0]), None);
        }
    }

    #[test]
    fn what_no_entry_tells_of_is_said() {
        let (tenant, protocol) = (Names::new("lokeren".parse().unwrap(), &[]), "OPG-2026-017".parse().unwrap());
        let mut asked = Asked::new(Some(&tenant), Some(&protocol));
        assert_eq!(asked.unknown().len(), 2);
        let of_bree = entry(0, about("bree", Some("OPG-2026-017"), "a"), Event::Delete {});
        asked.take(&of_bree);
        assert_eq!(asked.unknown(), ["no entry is about a tenant lokeren"]);
        // What stands under a former name is told of the tenant too, up to the merger.
        let merged = |at| {
            let merged = TenantMerged {
                former: "bree".parse().unwrap(),
                deliveries: 4,
                unfetched: 1,
                uploads: 2,
                waiting: 1,
                receipts: 6,
            };
            let merged = entry(1, about("nieuwstad", None, "b"), Event::TenantMerged(merged));
            Merger::of(&StoredEntry { at, ..merged }).unwrap()
        };
        for (at, is_known) in [(of_bree.at + jiff::SignedDuration::from_hours(1), true), (Timestamp::UNIX_EPOCH, false)]
        {
            let names = Names::new("nieuwstad".parse().unwrap(), &[merged(at)]);
            let mut asked = Asked::new(Some(&names), None);
            asked.take(&of_bree);
            assert_eq!(asked.unknown().is_empty(), is_known, "{at}");
        }
    }
}
