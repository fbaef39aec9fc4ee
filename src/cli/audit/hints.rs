//! What in a log is worth a question: nothing here proves a fault, and each hint names its entry.
//!
//! A network that is new for a key is not among them: addresses are disclosed apart, to who may open them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::scope::Scope;
use crate::{
    documents::audit::{Hint, HintKind},
    domain::{Kind, ProtocolId, TenantId, brussels_date},
    transfer_log::{DeliveryCreated, Event, KeyUse, StoredEntry},
};

/// Deliveries of one sort that tell what is usual.
const FEWEST_BEFORE: usize = 3;
/// Deliveries of one sort, the last, that tell what is usual: years of them, and few enough to sort at each.
const MOST_BEFORE: usize = 100;
/// As many times the middle number of rows is a hint.
const TIMES_USUAL: u64 = 3;
/// Whole downloads of one file that are a hint: a second one is usual, as after a fault in a program that reads it.
const MOST_DOWNLOADS: u64 = 5;
/// Refused logins in a row that make the next success a hint.
const FEWEST_FAILURES: u64 = 5;
/// How close to the last of them that success is.
const SOON: SignedDuration = SignedDuration::from_hours(1);
/// A key unused for so long is a hint, days.
const IDLE_DAYS: i32 = 365;

type Sort = (TenantId, Option<ProtocolId>, Kind);

/// What was seen so far, of the whole log: what is usual shows itself before the period too.
#[derive(Default)]
pub(super) struct Hints {
    /// Of the last deliveries, [`MOST_BEFORE`] at most.
    rows: HashMap<Sort, VecDeque<u64>>,
    /// By the delivery's id: its file, and how often it was fetched whole.
    downloads: HashMap<String, (String, u64)>,
    failures: HashMap<TenantId, (u64, Timestamp)>,
    keys: BTreeMap<(TenantId, String), Key>,
    grounds: BTreeMap<(TenantId, ProtocolId), Ground>,
    found: Vec<Hint>,
}

struct Key {
    added: (u64, Timestamp),
    used: Timestamp,
}

struct Ground {
    opened: (u64, Timestamp),
    until: Date,
}

impl Hints {
    /// Takes in an entry of the log, which is of the report's scope or not.
    pub fn take(&mut self, entry: &StoredEntry, is_told: bool) {
        let Some(tenant) = &entry.context.tenant else { return };
        let hint = match &entry.event {
            Event::DeliveryCreated(created) if !created.test => self.delivered(tenant, entry, created),
            Event::DeliveryFetched(step) => self.fetched(&step.delivery_id),
            Event::LoginRefused(_) => {
                let (count, last) = self.failures.entry(tenant.clone()).or_insert((0, entry.at));
                (*count, *last) = (*count + 1, entry.at);
                None
            }
            Event::Login(_) => self.logged_in(tenant, entry),
            Event::KeyAdded(key) if key.used_for == KeyUse::Login => {
                let label = entry.context.key.clone().unwrap_or_default();
                let added = Key { added: (entry.seq, entry.at), used: entry.at };
                self.keys.insert((tenant.clone(), label), added);
                None
            }
            Event::KeyRemoved(key) if key.used_for == KeyUse::Login => {
                self.keys.remove(&(tenant.clone(), entry.context.key.clone().unwrap_or_default()));
                None
            }
            Event::GroundOpened(ground) => {
                if let Some(protocol) = &entry.context.protocol {
                    let opened = Ground { opened: (entry.seq, entry.at), until: ground.valid_until };
                    self.grounds.insert((tenant.clone(), protocol.clone()), opened);
                }
                None
            }
            Event::GroundClosed(_) => {
                if let Some(protocol) = &entry.context.protocol {
                    self.grounds.remove(&(tenant.clone(), protocol.clone()));
                }
                None
            }
            _ => None,
        };
        if let Some((kind, about)) = hint.filter(|_| is_told) {
            self.found.push(Hint { seq: entry.seq, at: entry.at, tenant: tenant.to_string(), kind, about });
        }
    }

    fn delivered(&mut self, tenant: &TenantId, entry: &StoredEntry, created: &DeliveryCreated) -> Option<Found> {
        self.downloads.insert(created.delivery_id.clone(), (created.file.clone(), 0));
        if !created.kind.has_personal_data() {
            return None;
        }
        let before = self.rows.entry((tenant.clone(), entry.context.protocol.clone(), created.kind)).or_default();
        let usual = middle(before);
        before.push_back(created.rows);
        if before.len() > MOST_BEFORE {
            before.pop_front();
        }
        let usual = usual.filter(|usual| created.rows > usual.saturating_mul(TIMES_USUAL))?;
        let about = format!("{}: {} rijen, gewoonlijk {usual}", created.file, created.rows);
        Some((HintKind::Volume, about))
    }

    fn fetched(&mut self, delivery: &str) -> Option<Found> {
        let (file, count) = self.downloads.get_mut(delivery)?;
        *count += 1;
        (*count == MOST_DOWNLOADS)
            .then(|| (HintKind::RepeatedDownload, format!("{file}: voor de {count}e keer volledig opgehaald")))
    }

    fn logged_in(&mut self, tenant: &TenantId, entry: &StoredEntry) -> Option<Found> {
        let label = entry.context.key.clone().unwrap_or_default();
        if let Some(key) = self.keys.get_mut(&(tenant.clone(), label.clone())) {
            key.used = entry.at;
        }
        let (count, last) = self.failures.remove(tenant)?;
        let is_soon = entry.at.duration_since(last) <= SOON;
        (count >= FEWEST_FAILURES && is_soon)
            .then(|| (HintKind::FailuresThenSuccess, format!("aangemeld met {label} na {count} geweigerde pogingen")))
    }

    /// All hints by the order of the log, with those that show themselves on the period's last day only.
    pub fn into_found(self, last_day: Date, scope: &Scope) -> Vec<Hint> {
        let Self { keys, grounds, mut found, .. } = self;
        let wanted = |tenant: &TenantId, since| scope.tenant.as_ref().is_none_or(|only| only.holds(tenant, since));
        let days = |since: Timestamp| last_day.since(brussels_date(since)).map_or(0, |span| span.get_days());
        let keys =
            keys.into_iter().filter(|((tenant, _), key)| wanted(tenant, key.added.1) && days(key.used) > IDLE_DAYS);
        // Logins belong to no protocol.
        for ((tenant, label), key) in keys.filter(|_| scope.protocol.is_none()) {
            let (seq, at) = key.added;
            let about = format!("sleutel {label}: niet gebruikt sinds {}", brussels_date(key.used));
            found.push(Hint { seq, at, tenant: tenant.to_string(), kind: HintKind::IdleKey, about });
        }
        for ((tenant, protocol), ground) in grounds {
            let is_wanted =
                wanted(&tenant, ground.opened.1) && scope.protocol.as_ref().is_none_or(|only| *only == protocol);
            if is_wanted && ground.until < last_day {
                let (seq, at) = ground.opened;
                let about = format!("{protocol}: gold tot en met {}, staat nog als van kracht", ground.until);
                found.push(Hint { seq, at, tenant: tenant.to_string(), kind: HintKind::PastItsEnd, about });
            }
        }
        found.sort_by_key(|hint| hint.seq);
        found
    }
}

/// What is worth a question, and about what.
type Found = (HintKind, String);

/// The middle of what there was before, where that is enough to tell.
fn middle(rows: &VecDeque<u64>) -> Option<u64> {
    let mut sorted: Vec<u64> = rows.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().filter(|_| sorted.len() >= FEWEST_BEFORE)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{names::Names, scope::Behalf},
        *,
    };
    use crate::transfer_log::{
        DeliveryStep, GroundChanged, KeyChanged, Login, LoginMethod, LoginRefused, Outcome,
        support::{context, delivery},
    };
    use jiff::civil::date;

    /// An entry on a day of 2026, at noon and some seconds, as the number says.
    fn entry(seq: u64, month: i8, event: Event) -> StoredEntry {
        let noon: Timestamp = format!("2026-{month:02}-01T11:00:00Z").parse().unwrap();
        StoredEntry {
            seq,
            at: noon + SignedDuration::from_secs(i64::try_from(seq).unwrap()),
            outcome: Outcome::Success,
            reason: None,
            event,
            context: context(),
            software: String::new(),
            digests: Vec::new(),
            bytes: Vec::new(),
        }
    }

    fn hints(events: Vec<(i8, Event)>, scope: &Scope, last_day: Date) -> Vec<(u64, HintKind)> {
        let mut hints = Hints::default();
        for (seq, (month, event)) in events.into_iter().enumerate() {
            let entry = entry(seq as u64, month, event);
            hints.take(&entry, scope.holds(&entry, &Behalf::default()));
        }
        hints.into_found(last_day, scope).into_iter().map(|hint| (hint.seq, hint.kind)).collect()
    }

    fn created(rows: u64) -> Event {
        Event::DeliveryCreated(DeliveryCreated { rows, ..delivery() })
    }

    #[test]
    fn three_times_the_usual_number_of_rows_is_told_once_there_is_a_usual_one() {
        let all = Scope::default();
        let events = |rows: &[u64]| rows.iter().map(|rows| (3, created(*rows))).collect();
        let on = date(2026, 3, 31);
        assert_eq!(hints(events(&[100, 110, 1_000]), &all, on), []);
        assert_eq!(hints(events(&[100, 110, 120, 330]), &all, on), []);
        assert_eq!(hints(events(&[100, 110, 120, 331, 90]), &all, on), [(3, HintKind::Volume)]);
        let later = Scope { from: Some(date(2026, 4, 1)), ..Scope::default() };
        assert_eq!(hints(events(&[100, 110, 120, 331]), &later, on), []);
    }

    #[test]
    fn what_is_usual_is_what_the_last_deliveries_were() {
        let grown = MOST_BEFORE / 2 + 1;
        let rows = [vec![10; MOST_BEFORE * 2], vec![1_000; grown], vec![2_000]].concat();
        let told = hints(rows.iter().map(|rows| (3, created(*rows))).collect(), &Scope::default(), date(2026, 3, 31));
        assert!(told.iter().all(|(seq, _)| *seq < (MOST_BEFORE * 2 + grown) as u64), "{told:?}");
        assert!(!told.is_empty());
    }

    #[test]
    fn the_fifth_download_is_told_and_the_sixth_is_not() {
        let fetched = Event::DeliveryFetched(DeliveryStep { delivery_id: delivery().delivery_id });
        let mut events = vec![(3, created(5))];
        events.extend(std::iter::repeat_n((3, fetched), 6));
        assert_eq!(hints(events, &Scope::default(), date(2026, 3, 31)), [(5, HintKind::RepeatedDownload)]);
    }

    #[test]
    fn a_login_after_many_refusals_is_told() {
        let refused = || Event::LoginRefused(LoginRefused { method: LoginMethod::PublicKey, attempts: 1 });
        let login = || Event::Login(Login { method: LoginMethod::PublicKey, attempts: 0 });
        let told = |failures: usize, month: i8| {
            let mut events: Vec<(i8, Event)> = (0..failures).map(|_| (3, refused())).collect();
            events.extend([(month, login()), (month, login())]);
            hints(events, &Scope::default(), date(2026, 4, 30))
        };
        assert_eq!(told(4, 3), []);
        assert_eq!(told(5, 3), [(5, HintKind::FailuresThenSuccess)]);
        assert_eq!(told(5, 4), []);
    }

    #[test]
    fn idle_keys_and_grounds_past_their_end_are_told_while_they_stand() {
        let key = || KeyChanged { used_for: KeyUse::Login, key_id: None, expires: None };
        let ground = || GroundChanged {
            sha256_before: None,
            sha256_after: Some("0c".repeat(32)),
            valid_from: date(2026, 1, 1),
            valid_until: date(2026, 6, 30),
        };
        let standing = || vec![(1, Event::KeyAdded(key())), (1, Event::GroundOpened(ground()))];
        let all = Scope::default();
        assert_eq!(hints(standing(), &all, date(2026, 6, 30)), []);
        assert_eq!(hints(standing(), &all, date(2026, 7, 1)), [(1, HintKind::PastItsEnd)]);
        let both = [(0, HintKind::IdleKey), (1, HintKind::PastItsEnd)];
        assert_eq!(hints(standing(), &all, date(2027, 3, 1)), both);
        let gone = [(2, Event::KeyRemoved(key())), (2, Event::GroundClosed(ground()))];
        assert_eq!(hints(standing().into_iter().chain(gone).collect(), &all, date(2027, 3, 1)), []);
        let other = Scope { tenant: Some(Names::new("lokeren".parse().unwrap(), &[])), ..Scope::default() };
        assert_eq!(hints(standing(), &other, date(2027, 3, 1)), []);
    }
}
