//! Orders that the running daemon carries out: it has the register, the log and the drop-boxes.

use std::error::Error;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DaemonError, RetentionReport, control, retention::Retention};
use crate::{
    config::Settings,
    domain::{AssignmentId, Kind, ProtocolId, TenantId},
    exchange::{
        Exchange, HandedOver, MergerOutcome, WithdrawnFile,
        assignment::{MadeFile, RunOrder, RunOutcome, Simulation, TestFile},
    },
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
    /// Give a tenant what others had, since they were merged.
    Merge { former: Vec<String>, into: String, dry_run: bool },
}

/// Simulates an assignment, and the same with other criteria (`born.from=2014-01-01,2016-01-01`).
///
/// # Errors
/// [`DaemonError`].
pub fn simulate(settings: &Settings, id: &AssignmentId, vary: &[String]) -> Result<Simulation, DaemonError> {
    control::order(settings, Order::Simulate { assignment: id.to_string(), vary: vary.to_vec() }, |_| ())
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
    control::order(settings, Order::Run { assignment: id.to_string(), order }, progress)
}

/// Puts an onboarding test file in the test outbox of the assignment's tenant.
///
/// # Errors
/// [`DaemonError`].
pub fn send_test(settings: &Settings, id: &AssignmentId, file: TestFile) -> Result<Vec<MadeFile>, DaemonError> {
    control::order(settings, Order::Test { assignment: id.to_string(), file }, |_| ())
}

/// Delivers the overview report of an assignment's last run, as it stands now.
///
/// # Errors
/// [`DaemonError`].
pub fn report(settings: &Settings, id: &AssignmentId) -> Result<Vec<MadeFile>, DaemonError> {
    control::order(settings, Order::Report { assignment: id.to_string() }, |_| ())
}

/// Removes what was kept long enough, or says what would be removed; `progress` is told how far it is.
///
/// # Errors
/// [`DaemonError`].
pub fn apply_retention(
    settings: &Settings,
    dry_run: bool,
    progress: impl FnMut(&str),
) -> Result<RetentionReport, DaemonError> {
    control::order(settings, Order::Retention { dry_run }, progress)
}

/// Takes a delivery back, for a reason that its tenant will read.
///
/// # Errors
/// [`DaemonError`].
pub fn withdraw(
    settings: &Settings,
    tenant: &TenantId,
    file: &str,
    motive: &str,
) -> Result<WithdrawnFile, DaemonError> {
    let (file, motive) = (file.to_owned(), motive.to_owned());
    control::order(settings, Order::Withdraw { tenant: tenant.to_string(), file, motive }, |_| ())
}

/// Tries the lists of a tenant again that were set aside, since the process died over them. Gives their ids.
///
/// # Errors
/// [`DaemonError`].
pub fn retry_set_aside(settings: &Settings, tenant: &TenantId) -> Result<Vec<String>, DaemonError> {
    control::order(settings, Order::Retry { tenant: tenant.to_string() }, |_| ())
}

/// Gives a tenant the drop-boxes of others, which left the configuration since they were merged, or says what would be
/// carried over.
///
/// # Errors
/// [`DaemonError`].
pub fn merge_tenants(
    settings: &Settings,
    former: &[TenantId],
    into: &TenantId,
    dry_run: bool,
) -> Result<MergerOutcome, DaemonError> {
    let former = former.iter().map(ToString::to_string).collect();
    control::order(settings, Order::Merge { former, into: into.to_string(), dry_run }, |_| ())
}

/// Carries an order out. Answers what came of it as JSON, or why nothing was done.
pub(super) fn perform(
    order: &Order,
    exchange: &Exchange,
    retention: &Retention,
    tell: &(dyn Fn(String) + Sync),
) -> Result<Value, String> {
    let id = |text: &str| text.parse::<AssignmentId>().map_err(|fault| format!("{text:?} is {fault}"));
    let tenant = |text: &str| text.parse::<TenantId>().map_err(|fault| format!("{text:?} is {fault}"));
    match order {
        Order::Simulate { assignment, vary } => answer(exchange.simulate(&id(assignment)?, vary)),
        Order::Run { assignment, order } => answer(exchange.run_assignment(&id(assignment)?, order, tell)),
        Order::Test { assignment, file } => answer(exchange.send_test(&id(assignment)?, *file)),
        Order::Report { assignment } => answer(exchange.report(&id(assignment)?)),
        Order::Retention { dry_run } => answer(retention.run(*dry_run, tell)),
        Order::Withdraw { tenant: of, file, motive } => answer(exchange.withdraw(&tenant(of)?, file, motive)),
        Order::Retry { tenant: of } => answer(exchange.retry_set_aside(&tenant(of)?)),
        Order::Merge { former, into, dry_run } => {
            let former = former.iter().map(|id| tenant(id)).collect::<Result<Vec<_>, _>>()?;
            answer(exchange.merge_tenants(&former, &tenant(into)?, *dry_run))
        }
    }
}

/// Delivers a file that a user of this machine hands over. Answers what came of it as JSON, or why nothing was done.
pub(super) fn hand_over(
    exchange: &Exchange,
    (tenant, protocol, kind): (&str, &str, &str),
    content: &[u8],
    user: u32,
) -> Result<Value, String> {
    let tenant = &tenant.parse::<TenantId>().map_err(|fault| format!("{tenant:?} is {fault}"))?;
    let protocol = &protocol.parse::<ProtocolId>().map_err(|fault| format!("{protocol:?} is {fault}"))?;
    let kind = kind.parse::<Kind>().map_err(|fault| format!("{kind:?} is {fault}"))?;
    answer(exchange.deliver(HandedOver { tenant, protocol, kind, content, user: Some(user) }, |_| Ok(())))
}

fn answer<T: Serialize, E: Error>(outcome: Result<T, E>) -> Result<Value, String> {
    let value = outcome.map_err(|fault| whole(&fault))?;
    serde_json::to_value(value).map_err(|error| error.to_string())
}

/// A fault with its causes.
pub(super) fn whole(fault: &dyn Error) -> String {
    let (mut text, mut cause) = (fault.to_string(), fault.source());
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
