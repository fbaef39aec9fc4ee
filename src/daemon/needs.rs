//! What needs a hand of those who run the exchange: what ends, what was not fetched, what waits, what did not come.
//!
//! It is worked out from the configuration, the ledger and the state directory alone, so that any process can, and the
//! same for `status` and for mail. Days are those of Brussels.

use std::path::Path;

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};

use crate::{
    config::Settings,
    domain::{
        Kind, Protocol, ProtocolId, TenantId, brussels_date,
        protocol::{Route, Status, Use, Validity},
    },
    exchange::{self, Aside},
    ledger::{DeliveryRow, Ledger, LedgerError, SubmissionRow, SubmissionState},
};

/// Days of a period in which a protocol must have been in force for a list to be missed: with less, who signed at the
/// end of a period would be late at once.
const DAYS_TO_BE_MISSED: i32 = 28;

/// A list that waits longer than this needs a hand: an answer takes seconds.
pub const WAITS_TOO_LONG: SignedDuration = SignedDuration::from_mins(5);

/// Days after which a file that nobody fetched is named, where mail says nothing else.
const UNFETCHED_AFTER_DAYS: u32 = 7;

/// Files that nobody fetched are named so many days before they are removed.
const REMOVED_WITHIN_DAYS: i64 = 7;

/// Something with a last day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is.
    pub what: Ends,
    /// Its last day.
    pub last_day: Date,
}

/// What has a last day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ends {
    /// A key that logs in.
    Key {
        /// Its name.
        label: String,
        /// Who answers for it.
        owner: String,
    },
    /// An authority whose certificates log in.
    Authority {
        /// Its name.
        label: String,
        /// Who answers for it.
        owner: String,
    },
    /// A signed protocol.
    Protocol(ProtocolId),
    /// An agreement.
    Agreement(ProtocolId),
}

/// A protocol with a period, and no list in the last whole one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// Whose list it is.
    pub tenant: TenantId,
    /// Its ground.
    pub protocol: ProtocolId,
    /// The first day of the period in which none came.
    pub from: Date,
    /// The last day of that period.
    pub until: Date,
}

/// Files that a tenant did not fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfetched {
    /// Whose they are.
    pub tenant: TenantId,
    /// The files, oldest first, at least one.
    pub files: Vec<DeliveryRow>,
}

/// A list that is not tried any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Whose it is.
    pub tenant: TenantId,
    /// The submission's id.
    pub id: String,
    /// When it came.
    pub received_at: Timestamp,
    /// Whether it was not over this list that the process died, but over others of its tenant.
    pub parked: bool,
}

/// Lists of a tenant that wait longer than a list is kept after its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTooLong {
    /// Whose they are.
    pub tenant: TenantId,
    /// How many.
    pub count: usize,
    /// The id of the oldest.
    pub oldest: String,
}

/// Everything in use that has a last day, tenant by tenant.
pub fn endings(settings: &Settings) -> Vec<Ending> {
    let mut endings = Vec::new();
    for tenant in settings.tenants.values() {
        let mut ends = |what, last_day| endings.push(Ending { tenant: tenant.id.clone(), what, last_day });
        for key in &tenant.keys {
            if let Some(day) = key.expires {
                ends(Ends::Key { label: key.label.clone(), owner: key.owner.clone() }, day);
            }
        }
        for authority in &tenant.certificate_authorities {
            if let Some(day) = authority.expires {
                ends(Ends::Authority { label: authority.label.clone(), owner: authority.owner.clone() }, day);
            }
        }
        for protocol in tenant.protocols.iter().filter(|protocol| protocol.status == Status::Signed) {
            if let Some(valid) = protocol.valid {
                ends(Ends::Protocol(protocol.id.clone()), valid.until);
            }
        }
        for agreement in &tenant.agreements {
            ends(Ends::Agreement(agreement.id.clone()), agreement.valid.until);
        }
    }
    endings
}

/// Protocols of which the last whole period passed without a list, and none came since.
///
/// # Errors
/// The ledger's.
pub fn overdue(settings: &Settings, ledger: &dyn Ledger, today: Date) -> Result<Vec<Overdue>, LedgerError> {
    let mut found = Vec::new();
    for tenant in settings.tenants.values() {
        for protocol in &tenant.protocols {
            if let Some((from, until)) = missed_period(protocol, today)
                && ledger.uses(&tenant.id, &protocol.id, Some(from))? == 0
            {
                found.push(Overdue { tenant: tenant.id.clone(), protocol: protocol.id.clone(), from, until });
            }
        }
    }
    Ok(found)
}

/// The last whole period of a protocol whose lists come by periods, if it is in force and was long enough in it.
fn missed_period(protocol: &Protocol, today: Date) -> Option<(Date, Date)> {
    let (Use::Periodic { per, .. }, Some(valid)) = (protocol.usage, protocol.valid) else { return None };
    let in_force = protocol.status == Status::Signed && valid.contains(today);
    if protocol.route != Route::Opgroeien || !in_force {
        return None;
    }
    let until = per.start(today).yesterday().ok()?;
    let from = per.start(until);
    let Validity { from: began, .. } = valid;
    let days = until.since(began.max(from)).ok()?.get_days() + 1;
    (days >= DAYS_TO_BE_MISSED).then_some((from, until))
}

/// Files that lie in outboxes for `days` days or more, and may still be there; what was only for a trial is not among
/// them.
///
/// # Errors
/// The ledger's.
pub fn unfetched(
    settings: &Settings,
    ledger: &dyn Ledger,
    today: Date,
    days: u32,
) -> Result<Vec<Unfetched>, LedgerError> {
    let before = today.saturating_sub(i64::from(days).days());
    let mut found = Vec::new();
    for tenant in settings.tenants.keys() {
        let lies = |row: &DeliveryRow| {
            row.available
                && row.gone.is_none()
                && row.fetched_at.is_none()
                && !row.test
                && brussels_date(row.created_at) <= before
                && stays_until(settings, row) >= today
        };
        let files: Vec<_> = ledger.deliveries(tenant)?.into_iter().filter(lies).collect();
        if !files.is_empty() {
            found.push(Unfetched { tenant: tenant.clone(), files });
        }
    }
    Ok(found)
}

/// Days after which a file that nobody fetched is named.
pub fn unfetched_after_days(settings: &Settings) -> u32 {
    settings.mail.as_ref().map_or(UNFETCHED_AFTER_DAYS, |mail| mail.unfetched_after_days)
}

/// Files that were never fetched and are removed soon, each with its last day.
///
/// # Errors
/// The ledger's.
pub fn removed_soon(ledger: &dyn Ledger, today: Date) -> Result<Vec<(DeliveryRow, Date)>, LedgerError> {
    let rows = ledger.ended_deliveries(today.saturating_add((REMOVED_WITHIN_DAYS + 1).days()))?;
    let unfetched = rows.into_iter().filter(|row| row.fetched_at.is_none());
    Ok(unfetched.filter_map(|row| Some((row.retention_until?, row))).map(|(until, row)| (row, until)).collect())
}

/// The last day of a file in its outbox: the one that was decided when it was made; of files of before that was
/// written down, as the configuration has it now: that of its protocol where it holds personal data, else the general
/// one.
pub fn stays_until(settings: &Settings, row: &DeliveryRow) -> Date {
    row.retention_until.unwrap_or_else(|| {
        let days = own_retention_days(settings, row).unwrap_or(settings.retention.outbox_days);
        brussels_date(row.created_at).saturating_add(i64::from(days).days())
    })
}

fn own_retention_days(settings: &Settings, row: &DeliveryRow) -> Option<u32> {
    let named = row.reference.as_ref().filter(|_| row.kind.has_personal_data() && row.kind != Kind::Brieven)?;
    // What an assignment makes is named after it; its ground is the tenant's protocol.
    let assignment = settings.assignments.values().find(|one| one.id.as_reference() == named);
    let reference = match assignment {
        Some(assignment) => assignment.protocol.as_ref()?,
        None => named,
    };
    let tenant = settings.tenants.get(&row.tenant)?;
    tenant.protocols.iter().find(|protocol| protocol.id == *reference).map(|protocol| protocol.retention_days)
}

/// Lists that are not tried any more, since the process died or panicked over each of them too often, or died over others of its
/// tenant;
/// oldest first.
///
/// # Errors
/// The ledger's. What the disk does not tell is left out, with a warning.
pub fn set_aside(state_dir: &Path, ledger: &dyn Ledger) -> Result<Vec<SetAside>, LedgerError> {
    let aside = exchange::set_aside(state_dir).unwrap_or_else(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "nobody knows whether lists are set aside");
        Vec::new()
    });
    let mut found = Vec::new();
    for Aside { id, parked } in aside {
        // Its tenant may have removed it since.
        let row = ledger.submission(&id)?.filter(|row| row.state == SubmissionState::Waiting);
        found.extend(row.map(|row| SetAside { tenant: row.tenant, id, received_at: row.received_at, parked }));
    }
    found.sort_by_key(|aside| aside.received_at);
    Ok(found)
}

/// Submissions that wait for their answer, by tenant: how many, and since when the oldest. Those that are set aside are
/// not among them.
///
/// # Errors
/// The ledger's.
pub fn waiting(ledger: &dyn Ledger, aside: &[SetAside]) -> Result<Vec<(TenantId, usize, Timestamp)>, LedgerError> {
    let mut found: Vec<(TenantId, usize, Timestamp)> = Vec::new();
    for row in ledger.waiting()?.into_iter().filter(|row| aside.iter().all(|aside| aside.id != row.id)) {
        match found.iter_mut().find(|(tenant, ..)| *tenant == row.tenant) {
            Some((_, count, _)) => *count += 1,
            None => found.push((row.tenant, 1, row.received_at)),
        }
    }
    Ok(found)
}

/// Lists of tenants in the configuration that wait longer than lists are kept after their answer: retention removes none
/// of these.
///
/// # Errors
/// The ledger's.
pub fn kept_too_long(
    settings: &Settings,
    ledger: &dyn Ledger,
    now: Timestamp,
) -> Result<Vec<KeptTooLong>, LedgerError> {
    let kept = SignedDuration::from_hours(24 * i64::from(settings.retention.answered_uploads_days));
    let mut found: Vec<KeptTooLong> = Vec::new();
    let is_long =
        |row: &SubmissionRow| now.duration_since(row.received_at) > kept && settings.tenants.contains_key(&row.tenant);
    for row in ledger.waiting()?.into_iter().filter(is_long) {
        match found.iter_mut().find(|known| known.tenant == row.tenant) {
            Some(known) => known.count += 1,
            None => found.push(KeptTooLong { tenant: row.tenant, count: 1, oldest: row.id }),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::{config, domain::protocol::Period};

    fn shipped() -> Settings {
        config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/groeikluis.yaml")).unwrap()
    }

    fn protocol(per: Period) -> Protocol {
        let bree = "bree".parse().unwrap();
        let usage = Use::Periodic { times: 1, per };
        Protocol { usage, ..shipped().tenants[&bree].protocols[0].clone() }
    }

    #[test]
    fn a_list_is_missed_in_the_last_whole_period_of_a_protocol_in_force() {
        // In force from 2 September 2026 to 1 September 2027.
        let september = Some((date(2026, 9, 1), date(2026, 9, 30)));
        for (per, today, missed) in [
            (Period::Month, date(2026, 9, 20), None),
            (Period::Month, date(2026, 10, 1), september),
            (Period::Month, date(2026, 10, 31), september),
            (Period::Month, date(2027, 9, 2), None),
            (Period::Year, date(2026, 12, 31), None),
            (Period::Year, date(2027, 1, 1), Some((date(2026, 1, 1), date(2026, 12, 31)))),
        ] {
            assert_eq!(missed_period(&protocol(per), today), missed, "{today}");
        }
        let today = date(2026, 10, 1);
        let of = |change: fn(&mut Protocol)| {
            let mut changed = protocol(Period::Month);
            change(&mut changed);
            missed_period(&changed, today)
        };
        assert_eq!(of(|protocol| protocol.usage = Use::Once), None);
        assert_eq!(of(|protocol| protocol.route = Route::Vutg), None, "no lists come on that route");
        assert_eq!(of(|protocol| protocol.status = Status::Ended), None);
        // Signed too late in the month for a list to be missed.
        let late = |protocol: &mut Protocol| protocol.valid.as_mut().unwrap().from = date(2026, 9, 20);
        assert_eq!(of(late), None);
    }

    #[test]
    fn a_file_stays_as_long_as_its_ground_says() {
        let mut settings = shipped();
        settings.retention.outbox_days = 10;
        let row = |kind, tenant: &str, reference: &str| DeliveryRow {
            id: "a1".to_owned(),
            tenant: tenant.parse().unwrap(),
            file: String::new(),
            kind,
            reference: Some(reference.parse().unwrap()),
            rows: 1,
            created_at: "2026-11-22T09:00:00Z".parse().unwrap(),
            created_seq: 0,
            ciphertext_sha256: String::new(),
            available: true,
            fetched_at: None,
            answers: None,
            test: false,
            amount_total: None,
            retention_until: None,
            gone: None,
        };
        let (own, general) = (date(2027, 2, 20), date(2026, 12, 2));
        assert_eq!(stays_until(&settings, &row(Kind::SocialeToeslag, "bree", "OPG-2026-017")), own);
        assert_eq!(stays_until(&settings, &row(Kind::Weigering, "bree", "OPG-2026-017")), general);
        assert_eq!(stays_until(&settings, &row(Kind::SocialeToeslag, "bree", "OPG-1999-001")), general);
        let assignment = settings.assignments.values().next().unwrap().clone();
        let of_assignment = row(Kind::Gegevens, assignment.tenant.as_str(), assignment.id.as_str());
        assert_eq!(stays_until(&settings, &of_assignment), own);
    }
}
