//! Orders that the running daemon carries out: it has the register, the log and the drop-boxes.

use std::{error::Error, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DaemonError, RetentionReport, control, retention::Retention};
use crate::{
    config::Settings,
    domain::{AssignmentId, TenantId},
    exchange::{
        Exchange, HandedOver, InPart, MergerFault, MergerOutcome, Orderer, RefusedList, WithdrawalFault, WithdrawnFile,
        assignment::{MadeFile, RunOrder, RunOutcome, Simulation, TestFile},
    },
    transfer_log::LogError,
};

/// What an operator wants done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Count.
    Simulate { assignment: String, vary: Vec<String> },
    /// Deliver.
    Run { assignment: String, order: RunOrder },
    /// Put an onboarding test file in the tenant's test outbox.
    Test { assignment: String, file: TestFile },
    /// Deliver the overview of the last run, as it stands now.
    Report { assignment: String },
    /// Remove what was kept long enough.
    Retention { dry_run: bool },
    /// Take a delivery back.
    Withdraw { tenant: String, file: String, motive: String },
    /// Try the lists of a tenant again that were set aside.
    Retry { tenant: String },
    /// Refuse a list that cannot be processed.
    Refuse { tenant: String, list: String },
    /// Give a tenant what others had, since they were merged.
    Merge { former: Vec<String>, into: String, dry_run: bool },
}

/// A file that an operator hands over, before its content.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HandedFile {
    /// The id that its delivery is to have.
    pub delivery: String,
    pub tenant: String,
    pub protocol: String,
    pub kind: String,
    /// Its length.
    pub bytes: u64,
    /// Whether it is to leave although the same content left before.
    pub again: bool,
}

/// What came of an order.
#[derive(Debug)]
pub struct Fulfilled<T> {
    /// What was done.
    pub done: T,
    /// Why that is not all: [`DaemonError::InPart`].
    pub fault: Option<DaemonError>,
}

impl<T> Fulfilled<T> {
    /// What was done, when that is all.
    ///
    /// # Errors
    /// Why it is not all.
    pub fn whole(self) -> Result<T, DaemonError> {
        self.fault.map_or(Ok(self.done), Err)
    }
}

/// Why not all of what was to be done was done.
#[derive(Debug)]
pub(super) enum NotDone {
    /// This was done, and the rest was not, for this reason.
    Part(Value, String),
    /// Nothing was done, for this reason.
    No(String),
    /// Nobody knows before the next start, for this reason.
    Unknown(String),
}

impl NotDone {
    /// What a fault means: where the log failed for good, it may have what was to be entered.
    pub fn of(fault: &(dyn Error + 'static)) -> Self {
        let is_closed =
            |cause: &(dyn Error + 'static)| matches!(cause.downcast_ref::<LogError>(), Some(LogError::Closed));
        if causes(fault).any(is_closed) {
            return Self::No("it was stopped before the log had this: ask again once it runs".to_owned());
        }
        let is_fatal = |cause: &(dyn Error + 'static)| cause.downcast_ref::<LogError>().is_some_and(LogError::is_fatal);
        if causes(fault).any(is_fatal) { Self::Unknown(whole(fault)) } else { Self::No(whole(fault)) }
    }

    /// The same of a fault that came after this was done; `rest` says what becomes of the rest.
    fn after(done: &impl Serialize, fault: &(dyn Error + 'static), rest: &str) -> Self {
        match (Self::of(fault), serde_json::to_value(done)) {
            (Self::No(why), Ok(done)) => Self::Part(done, format!("{why}; {rest}")),
            (Self::No(why), Err(_)) => Self::Unknown(why),
            (unknown, _) => unknown,
        }
    }
}

/// Simulates an assignment, and the same with other criteria (`born.from=2014-01-01,2016-01-01`).
///
/// # Errors
/// [`DaemonError`].
pub fn simulate(settings: &Settings, id: &AssignmentId, vary: &[String]) -> Result<Simulation, DaemonError> {
    control::order(settings, Order::Simulate { assignment: id.to_string(), vary: vary.to_vec() }, |_| ())?.whole()
}

/// Runs an assignment, or says what a run would make; `progress` is told how far it is.
///
/// # Errors
/// [`DaemonError`].
pub fn run(
    settings: &Settings,
    id: &AssignmentId,
    order: RunOrder,
    progress: impl FnMut(&str),
) -> Result<RunOutcome, DaemonError> {
    control::order(settings, Order::Run { assignment: id.to_string(), order }, progress)?.whole()
}

/// Puts an onboarding test file in the test outbox of the assignment's tenant.
///
/// # Errors
/// [`DaemonError`].
pub fn send_test(settings: &Settings, id: &AssignmentId, file: TestFile) -> Result<Vec<MadeFile>, DaemonError> {
    control::order(settings, Order::Test { assignment: id.to_string(), file }, |_| ())?.whole()
}

/// Delivers the overview report of an assignment's last run, as it stands now.
///
/// # Errors
/// [`DaemonError`].
pub fn report(settings: &Settings, id: &AssignmentId) -> Result<Vec<MadeFile>, DaemonError> {
    control::order(settings, Order::Report { assignment: id.to_string() }, |_| ())?.whole()
}

/// Removes what was kept long enough, or says what would be removed; `progress` is told how far it is.
///
/// # Errors
/// [`DaemonError`].
pub fn apply_retention(
    settings: &Settings,
    dry_run: bool,
    progress: impl FnMut(&str),
) -> Result<Fulfilled<RetentionReport>, DaemonError> {
    control::order(settings, Order::Retention { dry_run }, progress)
}

/// Takes a delivery back, for a reason that its tenant will read; `progress` is told how far it is.
///
/// # Errors
/// [`DaemonError`].
pub fn withdraw(
    settings: &Settings,
    tenant: &TenantId,
    file: &str,
    motive: &str,
    progress: impl FnMut(&str),
) -> Result<Fulfilled<WithdrawnFile>, DaemonError> {
    let (file, motive) = (file.to_owned(), motive.to_owned());
    control::order(settings, Order::Withdraw { tenant: tenant.to_string(), file, motive }, progress)
}

/// Tries the lists of a tenant again that were set aside, since the process died over them. Gives their ids.
///
/// # Errors
/// [`DaemonError`].
pub fn retry_set_aside(settings: &Settings, tenant: &TenantId) -> Result<Vec<String>, DaemonError> {
    control::order(settings, Order::Retry { tenant: tenant.to_string() }, |_| ())?.whole()
}

/// Refuses a list of a tenant that waits, since it cannot be processed.
///
/// # Errors
/// [`DaemonError`].
pub fn refuse_list(settings: &Settings, tenant: &TenantId, list: &str) -> Result<RefusedList, DaemonError> {
    let order = Order::Refuse { tenant: tenant.to_string(), list: list.to_owned() };
    control::order(settings, order, |_| ())?.whole()
}

/// Gives a tenant the drop-boxes of others, which left the configuration since they were merged, or says what would be
/// carried over; `progress` is told how far it is.
///
/// # Errors
/// [`DaemonError`].
pub fn merge_tenants(
    settings: &Settings,
    former: &[TenantId],
    into: &TenantId,
    dry_run: bool,
    progress: impl FnMut(&str),
) -> Result<Fulfilled<MergerOutcome>, DaemonError> {
    let former = former.iter().map(ToString::to_string).collect();
    control::order(settings, Order::Merge { former, into: into.to_string(), dry_run }, progress)
}

/// What becomes of the rest of what was done in part.
const RETENTION_GOES_ON: &str = "the rest is tried again every night, and when you ask again";
const WITHDRAWAL_GOES_ON: &str = "ask again when the disk is right, or the next night removes the file";
const MERGER_GOES_ON: &str = "the next start of the daemon moves the rest";

/// Carries an order out, if it is still wanted when its turn comes. Answers what came of it as JSON.
pub(super) fn perform(
    order: &Order,
    exchange: &Exchange,
    retention: &Retention,
    orderer: Orderer<'_>,
) -> Result<Value, NotDone> {
    let id = parsed::<AssignmentId>;
    let tenant = parsed::<TenantId>;
    match order {
        Order::Simulate { assignment, vary } => answer(exchange.simulate(&id(assignment)?, vary)),
        Order::Run { assignment, order } => answer(exchange.run_assignment(&id(assignment)?, order, orderer)),
        Order::Test { assignment, file } => answer(exchange.send_test(&id(assignment)?, *file, orderer)),
        Order::Report { assignment } => answer(exchange.report(&id(assignment)?, orderer)),
        Order::Retention { dry_run } => match retention.run(*dry_run, orderer) {
            Err(InPart { done, fault }) if !done.is_nothing() => Err(NotDone::after(&*done, &fault, RETENTION_GOES_ON)),
            outcome => answer(outcome.map_err(|InPart { fault, .. }| fault)),
        },
        Order::Withdraw { tenant: of, file, motive } => match exchange.withdraw(&tenant(of)?, file, motive, orderer) {
            Err(ref fault @ WithdrawalFault::Left { ref done, .. }) => {
                Err(NotDone::after(done, fault, WITHDRAWAL_GOES_ON))
            }
            outcome => answer(outcome),
        },
        Order::Retry { tenant: of } => answer(exchange.retry_set_aside(&tenant(of)?)),
        Order::Refuse { tenant: of, list } => answer(exchange.refuse_unprocessed(&tenant(of)?, list, orderer)),
        Order::Merge { former, into, dry_run } => {
            let former = former.iter().map(|id| tenant(id)).collect::<Result<Vec<_>, _>>()?;
            match exchange.merge_tenants(&former, &tenant(into)?, *dry_run, orderer) {
                Err(ref fault @ MergerFault::Left { ref done, .. }) => Err(NotDone::after(done, fault, MERGER_GOES_ON)),
                outcome => answer(outcome),
            }
        }
    }
}

/// Delivers a file that a user of this machine hands over, if it is still wanted when its turn comes. Answers what came of
/// it as JSON.
pub(super) fn hand_over(
    exchange: &Exchange,
    handed: &HandedFile,
    content: &[u8],
    user: u32,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Value, NotDone> {
    let delivery = &parsed(&handed.delivery)?;
    let (tenant, protocol, kind) = (&parsed(&handed.tenant)?, &parsed(&handed.protocol)?, parsed(&handed.kind)?);
    let again = handed.again;
    answer(exchange.deliver(HandedOver { delivery, tenant, protocol, kind, content, user, again, is_wanted }))
}

fn parsed<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, NotDone> {
    text.parse().map_err(|fault| NotDone::No(format!("{text:?} is {fault}")))
}

fn answer<T: Serialize, E: Error + 'static>(outcome: Result<T, E>) -> Result<Value, NotDone> {
    let value = outcome.map_err(|fault| NotDone::of(&fault))?;
    // It was done, but nobody can tell what.
    serde_json::to_value(value).map_err(|error| NotDone::Unknown(error.to_string()))
}

/// A fault with its causes.
pub(super) fn whole(fault: &(dyn Error + 'static)) -> String {
    causes(fault).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A fault, what caused it, and so on.
fn causes<'a>(fault: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(fault);
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}
