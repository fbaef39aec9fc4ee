//! Running an assignment: what is made of a selection, delivered as one.

use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use super::{
    AGAIN_CHARACTERS, AssignmentFault,
    commission::Commission,
    making::Making,
    plan::{Earlier, Plan, PlannedFile},
};
use crate::{
    domain::{AssignmentId, Count, assignment::Product},
    exchange::{Exchange, Orderer, delivery::Prepared},
    transfer_log::{AssignmentRun, Event, ProtocolUsed, Record},
};

/// How to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOrder {
    /// Why it is run again in the same period; needed for a second run, and entered in the log.
    pub again: Option<String>,
    /// Only say what would leave.
    pub dry_run: bool,
}

/// A file that was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeFile {
    /// Whose drop-box it is in.
    pub tenant: String,
    /// Its name there.
    pub file: String,
    /// Rows, or letters.
    pub rows: u64,
    /// The sum of its payments, euros with two decimals.
    pub amount_total: Option<String>,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOutcome {
    /// The register's month, `yyyy-mm`.
    pub register_month: String,
    /// Selected children.
    pub children: u64,
    /// What was delivered; nothing by a dry run.
    pub made: Vec<MadeFile>,
    /// What a dry run would deliver.
    pub planned: Vec<PlannedFile>,
    /// Families that got no letter for want of an address.
    pub unaddressed: u64,
    /// Families that got no letter for a name that no font has.
    pub unprintable: u64,
    /// Runs of the same period.
    pub earlier: Vec<Earlier>,
}

impl Exchange {
    /// Runs an assignment: selects, makes every file, and delivers all of them or none.
    ///
    /// A second run in the same period is refused, unless it says why it is run again.
    ///
    /// # Errors
    /// [`AssignmentFault`].
    pub fn run_assignment(
        &self,
        id: &AssignmentId,
        order: &RunOrder,
        orderer: Orderer<'_>,
    ) -> Result<RunOutcome, AssignmentFault> {
        let again = order.again.as_deref().map(str::trim);
        if again.is_some_and(|reason| !AGAIN_CHARACTERS.contains(&reason.chars().count())) {
            return Err(AssignmentFault::Reason);
        }
        // One run at a time, and nobody else works for the tenant: file numbers are drawn, and uses counted.
        let _only = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let (commission, _turn) = Commission::in_turn(self, id)?;
        orderer.require()?;
        let plan = Plan::of(self, &commission)?;
        let mut outcome = RunOutcome {
            register_month: commission.register.month().to_string(),
            children: plan.selection.children().len() as u64,
            made: Vec::new(),
            planned: Vec::new(),
            unaddressed: 0,
            unprintable: 0,
            earlier: plan.earlier.clone(),
        };
        if order.dry_run {
            outcome.planned = plan.files(&commission);
            return Ok(outcome);
        }
        if let (Some(last), None) = (plan.earlier.last(), again) {
            return Err(AssignmentFault::Repetition { day: last.day, files: last.files });
        }
        let run = format!("{:032x}", rand::random::<u128>());
        let mut making = Making::begin(self, &commission, &plan, &run, orderer.tell)?;
        for product in Product::ALL.into_iter().filter(|product| commission.assignment.produces(*product)) {
            making.make(product)?;
        }
        outcome.made = making.prepared.iter().map(MadeFile::of).collect();
        (outcome.unaddressed, outcome.unprintable) = (making.unaddressed, making.unprintable);
        (orderer.tell)("delivering".to_owned());
        let records = records(&making, again);
        orderer.require()?;
        self.commit(records, making.prepared)?;
        Ok(outcome)
    }
}

impl MadeFile {
    pub(in crate::exchange) fn of(prepared: &Prepared) -> Self {
        let manifest = &prepared.staged.manifest;
        Self {
            tenant: manifest.tenant.to_string(),
            file: manifest.file.clone(),
            rows: manifest.rows,
            amount_total: manifest.amount_total.clone(),
        }
    }
}

/// What stands before the deliveries in the log.
fn records(making: &Making<'_>, again: Option<&str>) -> Vec<Record> {
    let Making { commission, plan, run, .. } = *making;
    let context = commission.context(Some(run));
    let event = Event::AssignmentRun(AssignmentRun {
        assignment: commission.assignment.id.to_string(),
        run: run.to_owned(),
        day: commission.today,
        criteria_sha256: commission.criteria_sha256(),
        criteria: Some(commission.criteria_text()),
        authority: Some(commission.tenant.name.clone()),
        register_month: commission.register.month().to_string(),
        statistics: commission.register.statistics(&plan.selection, commission.today),
        files: making.prepared.len() as u64,
        letters: making.letters,
        pages: making.pages,
        unaddressed: Count::of(making.unaddressed),
        unprintable: Count::of(making.unprintable),
        again: again.map(str::to_owned),
    });
    let mut records = vec![Record::success(event, context.clone())];
    if plan.cleared.data.is_some() || plan.cleared.payment.is_some() {
        let used = ProtocolUsed { submission: run.to_owned(), day: commission.today };
        records.push(Record::success(Event::ProtocolUsed(used), context));
    }
    records
}
