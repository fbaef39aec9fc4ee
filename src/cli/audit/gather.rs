//! From the entries of verified logs to the values of an audit report.
//!
//! Entries come in the order of the logs. What a report tells of a delivery is everything up to the last checkpoint;
//! the period says which deliveries it is about.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{Timestamp, civil::Date};

use super::{
    hints::Hints,
    scope::{Behalf, Run, Scope},
};
use crate::{
    documents::audit::{Authority, Change, Delivery, Hint, List, Logins, Reading, Refusal, Subject, key_use_nl},
    domain::{Kind, brussels_date},
    transfer_log::{
        DeliveryCreated, DeliveryExpired, DeliveryWithdrawn, Event, GroundChanged, KeyChanged, Stage, StoredEntry,
    },
};

/// By month, tenant, key and reason: how many logins, and the last of them.
type LoginCounts = BTreeMap<(String, Option<String>, Option<String>, Option<String>), (u64, Timestamp)>;

/// What was gathered so far.
pub(super) struct Gathered {
    scope: Scope,
    behalf: Behalf,
    /// Who got letters under which reference, at any time: that of an agreement, and of no protocol of theirs.
    agreements: HashSet<(Option<String>, Option<String>)>,
    pub deliveries: Vec<Delivery>,
    /// The place of each in `deliveries`, by its id.
    places: HashMap<String, usize>,
    /// The lists that deliveries answer, by the delivery's id.
    lists: HashMap<String, List>,
    /// Each with the delivery that tells of it.
    refusals: Vec<(Refusal, Option<String>)>,
    /// Submissions that were refused as lists: what the gate said of them is told there.
    refused: HashSet<String>,
    logins: LoginCounts,
    pub changes: Vec<Change>,
    pub readings: Vec<Reading>,
    hints: Hints,
}

impl Gathered {
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            behalf: Behalf::default(),
            agreements: HashSet::new(),
            deliveries: Vec::new(),
            places: HashMap::new(),
            lists: HashMap::new(),
            refusals: Vec::new(),
            refused: HashSet::new(),
            logins: BTreeMap::new(),
            changes: Vec::new(),
            readings: Vec::new(),
            hints: Hints::default(),
        }
    }

    /// Takes in an entry.
    pub fn take(&mut self, entry: &StoredEntry) {
        // What becomes of a delivery of the period may come after it, and names no protocol.
        self.follow(entry);
        self.behalf.take(entry);
        self.agreement(entry);
        let holds = self.scope.holds(entry, &self.behalf);
        self.hints.take(entry, holds);
        if holds {
            self.transfer(entry);
            self.login(entry);
            self.change(entry);
            self.reading(entry);
        }
    }

    /// Letters leave under an agreement, and under nothing else.
    fn agreement(&mut self, entry: &StoredEntry) {
        if matches!(&entry.event, Event::DeliveryCreated(created) if created.kind == Kind::Brieven) {
            self.agreements.insert((tenant(entry), protocol(entry)));
        }
    }

    fn follow(&mut self, entry: &StoredEntry) {
        match &entry.event {
            Event::DeliveryAvailable(step) => {
                if let Some(delivery) = self.delivery(&step.delivery_id) {
                    delivery.available.get_or_insert(entry.at);
                }
            }
            Event::DeliveryFetched(step) => {
                if let Some(delivery) = self.delivery(&step.delivery_id) {
                    delivery.fetched.get_or_insert(entry.at);
                    delivery.times_fetched += 1;
                    let key = entry.context.key.as_ref().filter(|key| !delivery.fetched_by.contains(key));
                    delivery.fetched_by.extend(key.cloned());
                }
            }
            Event::DeliveryExpired(DeliveryExpired { delivery_id, .. })
            | Event::DeliveryWithdrawn(DeliveryWithdrawn { delivery_id, .. }) => {
                if let Some(delivery) = self.delivery(delivery_id) {
                    delivery.removed.get_or_insert(entry.at);
                }
            }
            // By its tenant, of an upload or of a delivery: an id is of one of these only.
            Event::Delete {} => {
                if let Some(delivery) = entry.context.correlation.as_deref().and_then(|id| self.delivery(id)) {
                    delivery.removed.get_or_insert(entry.at);
                }
            }
            Event::DownloadStart(start) => {
                if let Some(delivery) = start.delivery_id.as_deref().and_then(|id| self.delivery(id)) {
                    delivery.unfinished += 1;
                }
            }
            Event::DownloadEnd(end) if end.complete => {
                if let Some(delivery) = end.delivery_id.as_deref().and_then(|id| self.delivery(id)) {
                    delivery.unfinished = delivery.unfinished.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    /// A delivery of the period, by its id.
    fn delivery(&mut self, id: &str) -> Option<&mut Delivery> {
        self.places.get(id).and_then(|at| self.deliveries.get_mut(*at))
    }

    fn transfer(&mut self, entry: &StoredEntry) {
        match &entry.event {
            Event::ListAnswered(answered) => {
                let list = List {
                    rows: answered.rows,
                    matched: answered.matched,
                    entitled: answered.entitled,
                    register_month: answered.register_month.clone(),
                };
                self.lists.insert(answered.delivery_id.clone(), list);
            }
            Event::DeliveryCreated(created) => {
                self.places.insert(created.delivery_id.clone(), self.deliveries.len());
                self.deliveries.push(delivery(entry, created, self.behalf.of(entry)));
            }
            Event::ListRefused(refused) => {
                self.refused.extend(entry.context.correlation.clone());
                let refusal = Refusal {
                    rows: refused.rows,
                    invalid: refused.invalid,
                    file: Some(refused.file.clone()),
                    ..refusal(entry, Subject::List, entry.reason.clone().unwrap_or_default())
                };
                self.refusals.push((refusal, Some(refused.delivery_id.clone())));
            }
            Event::PolicyRefused(refused) if !self.is_told(entry) => {
                let subject = match refused.stage {
                    Stage::Upload | Stage::Answer => Subject::List,
                    Stage::Delivery => Subject::Delivery,
                };
                self.refusals.push((refusal(entry, subject, refused.rule.clone()), None));
            }
            _ => {}
        }
    }

    /// Whether the gate's no is the reason of a list's refusal that was taken in.
    fn is_told(&self, entry: &StoredEntry) -> bool {
        entry.context.correlation.as_ref().is_some_and(|about| self.refused.contains(about))
    }

    fn login(&mut self, entry: &StoredEntry) {
        let (key, refused) = match &entry.event {
            Event::Login(_) => (entry.context.key.clone(), None),
            Event::LoginRefused(_) => (None, Some(entry.reason.clone().unwrap_or_default())),
            _ => return,
        };
        let month = brussels_date(entry.at).strftime("%Y-%m").to_string();
        let counted = self.logins.entry((month, tenant(entry), key, refused)).or_insert((0, entry.at));
        *counted = (counted.0 + 1, entry.at);
    }

    fn change(&mut self, entry: &StoredEntry) {
        let (subject, before, after) = match &entry.event {
            Event::ConfigChanged(changed) => {
                (String::new(), changed.sha256_before.clone(), Some(changed.sha256_after.clone()))
            }
            Event::GroundOpened(ground) | Event::GroundClosed(ground) => {
                (ground_subject(entry, ground), ground.sha256_before.clone(), ground.sha256_after.clone())
            }
            Event::KeyAdded(key) => (key_subject(entry, key), None, key.key_id.clone()),
            Event::KeyRemoved(key) => (key_subject(entry, key), key.key_id.clone(), None),
            Event::RegisterLoaded(loaded) => (loaded.month.clone(), None, Some(loaded.source_sha256.clone())),
            Event::RegisterRefused(refused) => {
                (entry.reason.clone().unwrap_or_default(), None, Some(refused.source_sha256.clone()))
            }
            Event::LogKeyRotated(rotated) => (rotated.keys_after.join(" "), Some(rotated.keys_before.join(" ")), None),
            _ => return,
        };
        let (seq, at, event) = (entry.seq, entry.at, entry.event.name());
        self.changes.push(Change { seq, at, event, tenant: tenant(entry), subject, before, after });
    }

    fn reading(&mut self, entry: &StoredEntry) {
        let (count, about) = match &entry.event {
            Event::AuditRead(read) => (read.size, String::new()),
            Event::AuditExported(exported) => (exported.count, format!("{} – {}", exported.from, exported.to)),
            Event::DisclosureOpened(opened) => {
                (opened.count, format!("{} ({} – {})", opened.motive, opened.from, opened.to))
            }
            Event::Erased(erased) => (erased.count, erased.month.clone()),
            Event::DeliveryWithdrawn(withdrawn) => (1, withdrawn.motive.clone()),
            Event::TenantMerged(merged) => (merged.deliveries + merged.uploads, merged.former.to_string()),
            Event::BackupMade(made) => (made.recipients.len() as u64, String::new()),
            Event::BackupRestored(restored) => (restored.size, restored.made_at.to_string()),
            Event::AssignmentSimulated(simulated) => (simulated.variations + 1, simulated.assignment.clone()),
            Event::AssignmentRun(run) => {
                let again = run.again.as_ref().map(|reason| format!(" (opnieuw: {reason})")).unwrap_or_default();
                (run.files, format!("{}{again}", run.assignment))
            }
            Event::AssignmentBilled(billed) => (billed.lines, billed.year.to_string()),
            _ => return,
        };
        let (seq, at, event) = (entry.seq, entry.at, entry.event.name());
        let key = entry.context.key.clone();
        self.readings.push(Reading { seq, at, event, tenant: tenant(entry), key, count, about });
    }

    /// What is worth a question, as it stands on the last day of the period.
    pub fn hints(&mut self, last_day: Date) -> Vec<Hint> {
        std::mem::take(&mut self.hints).into_found(last_day, &self.scope)
    }

    /// Ties together what came in pieces: answers with their lists, refusals with the files that tell of them.
    pub fn tied(mut self) -> (Self, Vec<Refusal>, Vec<Logins>) {
        for delivery in &mut self.deliveries {
            delivery.list = self.lists.remove(&delivery.id);
        }
        let refusals = std::mem::take(&mut self.refusals).into_iter().map(|(mut refusal, told)| {
            let told = told.and_then(|id| self.places.get(&id)).and_then(|at| self.deliveries.get(*at));
            refusal.test = told.is_some_and(|delivery| delivery.test);
            refusal.agreement = self.agreements.contains(&(Some(refusal.tenant.clone()), refusal.protocol.clone()));
            refusal
        });
        let refusals = refusals.collect();
        let logins = std::mem::take(&mut self.logins).into_iter();
        let logins = logins.map(|((month, tenant, key, refused), (count, last))| Logins {
            month,
            tenant,
            key,
            refused,
            count,
            last,
        });
        let logins = logins.collect();
        (self, refusals, logins)
    }
}

fn tenant(entry: &StoredEntry) -> Option<String> {
    entry.context.tenant.as_ref().map(ToString::to_string)
}

fn protocol(entry: &StoredEntry) -> Option<String> {
    entry.context.protocol.as_ref().map(ToString::to_string)
}

fn delivery(entry: &StoredEntry, created: &DeliveryCreated, run: Option<&Run>) -> Delivery {
    Delivery {
        seq: entry.seq,
        id: created.delivery_id.clone(),
        created: entry.at,
        available: None,
        fetched: None,
        fetched_by: Vec::new(),
        times_fetched: 0,
        unfinished: 0,
        removed: None,
        tenant: tenant(entry).unwrap_or_default(),
        on_behalf_of: run.map(|run| Authority { tenant: run.tenant.to_string(), name: run.authority.clone() }),
        protocol: protocol(entry).unwrap_or_default(),
        kind: created.kind,
        file: created.file.clone(),
        rows: created.rows,
        amount_total: created.amount_total.clone(),
        purpose: created.purpose.clone(),
        legal_basis: created.legal_basis.clone(),
        columns: created.columns.clone(),
        recipients: created.recipients.clone(),
        test: created.test,
        list: None,
    }
}

fn refusal(entry: &StoredEntry, subject: Subject, reason: String) -> Refusal {
    Refusal {
        seq: entry.seq,
        at: entry.at,
        tenant: tenant(entry).unwrap_or_default(),
        protocol: protocol(entry),
        agreement: false,
        subject,
        reason,
        rows: None,
        invalid: None,
        file: None,
        test: false,
    }
}

fn ground_subject(entry: &StoredEntry, ground: &GroundChanged) -> String {
    format!("{} ({} – {})", protocol(entry).unwrap_or_default(), ground.valid_from, ground.valid_until)
}

fn key_subject(entry: &StoredEntry, key: &KeyChanged) -> String {
    let label = entry.context.key.as_ref().map_or_else(String::new, |label| format!(" {label}"));
    let expires = key.expires.as_ref().map_or_else(String::new, |day| format!(" (tot {day})"));
    format!("{}{label}{expires}", key_use_nl(key.used_for))
}

#[cfg(test)]
mod tests {
    use super::{super::names::Names, *};
    use crate::{
        documents::audit::reason_nl,
        sftp::RefusalReason,
        transfer_log::{
            Outcome, PolicyRefused,
            support::{self, context, every_event},
        },
    };

    fn entries() -> Vec<StoredEntry> {
        let noon: Timestamp = "2026-11-21T11:00:00Z".parse().unwrap();
        let entry = |(seq, event): (usize, Event)| StoredEntry {
            seq: seq as u64,
            at: noon + jiff::SignedDuration::from_secs(i64::try_from(seq).unwrap()),
            outcome: Outcome::Success,
            reason: matches!(event, Event::ListRefused(_)).then(|| "list-empty".to_owned()),
            event,
            context: context(),
            software: String::new(),
            digests: Vec::new(),
            bytes: Vec::new(),
        };
        every_event().into_iter().enumerate().map(entry).collect()
    }

    fn gathered(scope: Scope) -> (Gathered, Vec<Refusal>, Vec<Logins>) {
        let mut gathered = Gathered::new(scope);
        for entry in entries() {
            gathered.take(&entry);
        }
        gathered.tied()
    }

    #[test]
    fn what_happened_to_a_delivery_is_put_together() {
        let (gathered, refusals, logins) = gathered(Scope::default());
        let [delivery] = gathered.deliveries.as_slice() else { panic!("{:?}", gathered.deliveries) };
        assert!(delivery.created < delivery.available.unwrap() && delivery.available < delivery.fetched);
        assert_eq!((delivery.fetched_by.as_slice(), delivery.times_fetched), (["ict-bree".to_owned()].as_slice(), 1));
        assert_eq!(delivery.unfinished, 0);
        assert_eq!(delivery.list.as_ref().map(|list| (list.rows, list.matched, list.entitled)), Some((20, 13, 12)));
        // What the gate said of a refused list is told once.
        let [refusal] = refusals.as_slice() else { panic!("{refusals:?}") };
        assert_eq!((refusal.reason.as_str(), refusal.rows), ("list-empty", Some(20)));
        assert_eq!(logins.iter().map(|logins| logins.count).collect::<Vec<_>>(), [1, 1]);
        assert_eq!((gathered.changes.len(), gathered.readings.len()), (8, 11));
    }

    #[test]
    fn what_its_tenant_deleted_is_removed() {
        let mut gathered = Gathered::new(Scope::default());
        let mut deleted = None;
        for mut entry in entries() {
            if entry.event == (Event::Delete {}) {
                // An upload of that id is no delivery.
                gathered.take(&entry);
                entry.context.correlation = gathered.deliveries.first().map(|delivery| delivery.id.clone());
                deleted = Some(entry.at);
                assert_eq!(gathered.deliveries[0].removed, None);
            }
            gathered.take(&entry);
        }
        assert!(deleted.is_some() && gathered.deliveries[0].removed == deleted, "{:?}", gathered.deliveries);
    }

    #[test]
    fn an_agreement_is_one_of_who_gets_letters_under_it() {
        let mut gathered = Gathered::new(Scope::default());
        let letters = DeliveryCreated { kind: Kind::Brieven, ..support::delivery() };
        let refused = || Event::PolicyRefused(PolicyRefused { rule: "ended".to_owned(), stage: Stage::Delivery });
        let events = [("bree", refused()), ("drukkerij", refused()), ("drukkerij", Event::DeliveryCreated(letters))];
        for (mut entry, (tenant, event)) in entries().into_iter().zip(events) {
            entry.context.tenant = tenant.parse().ok();
            gathered.take(&StoredEntry { event, ..entry });
        }
        let (_, refusals, _) = gathered.tied();
        assert_eq!(refusals.iter().map(|refusal| refusal.agreement).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn only_the_scope_is_told_and_what_became_of_it_afterwards() {
        let other = Scope { tenant: Some(Names::new("lokeren".parse().unwrap(), &[])), ..Scope::default() };
        let (nothing, refusals, logins) = gathered(other);
        assert!(nothing.deliveries.is_empty() && refusals.is_empty() && logins.is_empty());
        let early = Scope { until: Some(jiff::civil::date(2026, 11, 20)), ..Scope::default() };
        assert!(gathered(early).0.deliveries.is_empty());
        // The fetching is of the next day.
        let mut one = Gathered::new(Scope { until: Some(jiff::civil::date(2026, 11, 21)), ..Scope::default() });
        for mut entry in entries() {
            if matches!(entry.event, Event::DeliveryFetched(_)) {
                entry.at += jiff::SignedDuration::from_hours(48);
            }
            one.take(&entry);
        }
        let [delivery] = one.deliveries.as_slice() else { panic!("{:?}", one.deliveries) };
        assert!(delivery.fetched.unwrap() > delivery.created + jiff::SignedDuration::from_hours(40));
    }

    #[test]
    fn every_reason_of_a_refused_login_has_its_words() {
        for reason in RefusalReason::ALL {
            assert!(reason_nl(reason.code()).is_some(), "{}", reason.code());
        }
    }
}
