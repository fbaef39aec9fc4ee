//! What needs a hand of those who run the exchange: what ends, what was not fetched, what waits, what did not come.
//!
//! It is worked out from the configuration and the ledger alone, so that any process can, and the same for `status` and
//! for mail. Days are those of Brussels.

use jiff::{Timestamp, ToSpan, civil::Date};

use crate::{
    config::Settings,
    domain::{
        Kind, Protocol, ProtocolId, TenantId, brussels_date,
        protocol::{Route, Status, Use, Validity},
    },
    ledger::{DeliveryRow, Ledger, LedgerError},
};

/// Days of a period in which a protocol must have been in force for a list to be missed: with less, who signed at the
/// end of a period would be late at once.
const DAYS_TO_BE_MISSED: i32 = 28;

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

/// The last day of a file in its outbox, as the configuration has it now: that of its protocol where it holds personal
/// data, else the general one.
pub fn stays_until(settings: &Settings, row: &DeliveryRow) -> Date {
    let days = own_retention_days(settings, row).unwrap_or(settings.retention.outbox_days);
    brussels_date(row.created_at).saturating_add(i64::from(days).days())
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

/// Submissions that wait for their answer, by tenant: how many, and since when the oldest.
///
/// # Errors
/// The ledger's.
pub fn waiting(ledger: &dyn Ledger) -> Result<Vec<(TenantId, usize, Timestamp)>, LedgerError> {
    let mut found: Vec<(TenantId, usize, Timestamp)> = Vec::new();
    for row in ledger.waiting()? {
        match found.iter_mut().find(|(tenant, ..)| *tenant == row.tenant) {
            Some((_, count, _)) => *count += 1,
            None => found.push((row.tenant, 1, row.received_at)),
        }
    }
    Ok(found)
}
