//! What an assignment would come to, in counts that may be shown to anybody.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{
    AssignmentFault,
    commission::Commission,
    payout::{Payouts, Units},
    variation::{Around, vary},
};
use crate::{
    domain::{Assignment, AssignmentId, Count, Criteria, NisCode, Statistics, assignment::Unit},
    exchange::{Exchange, ExchangeError, FingerprintKey},
    register::{Criterion, Register, Selection, Tally},
    transfer_log::{AssignmentSimulated, Event, Record},
};

/// What an assignment would come to.
///
/// What is rounded is a multiple of 5, up or down at random, within 4 of the number; 0 is 0, and 1 to 4 are withheld. The
/// same selection of a register has the same rounded numbers whenever it is asked for. The others are exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// The assignment's name.
    pub assignment: String,
    /// The month of the register, `yyyy-mm`.
    pub register_month: String,
    /// The day in Brussels, which ages are counted on.
    pub day: Date,
    /// Who would be selected.
    pub statistics: Statistics,
    /// What would be paid; none for an assignment that does not pay.
    pub budget: Option<Budget>,
    /// Of each criterion, by its name in YAML, how many children it alone keeps out; rounded.
    pub kept_out: Vec<KeptOut>,
    /// Children kept out for nothing but an unknown birth date; rounded.
    pub undated: Count,
    /// The same with another value for one criterion; rounded.
    pub variations: Vec<Variation>,
}

/// What a run from the same register would pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Paid for: `child` or `family`.
    pub unit: String,
    /// For each, euros with two decimals.
    pub amount: String,
    /// How many are paid for, whole or, where their households have a right to a part only, in part.
    pub units: Count,
    /// How many payments that makes, with those to who has no account.
    pub payments: Count,
    /// What they come to, euros with two decimals. None where it would tell a number that is withheld: of units, or of
    /// those among them that are paid in part. It is then no more than units times amount.
    pub total: Option<String>,
}

/// How many children a criterion alone keeps out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptOut {
    /// The criterion's name in YAML.
    pub criterion: String,
    /// Children who would be selected without it; rounded, as [`Simulation`] says.
    pub children: Count,
}

/// An assignment with one other value. Its counts are rounded, as [`Simulation`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// The change, as it was asked for: `born.from=2014-01-01`.
    pub change: String,
    /// Families.
    pub families: Count,
    /// Children.
    pub children: Count,
    /// Beneficiaries.
    pub beneficiaries: Count,
    /// About what a run would pay: the amount for each unit of the rounded count, less where some are paid in part. None
    /// where that count is withheld, and for an assignment that does not pay.
    pub total: Option<String>,
}

impl Exchange {
    /// Counts what an assignment would come to, and the same with other values for its criteria
    /// (`born.from=2014-01-01,2016-01-01`). It needs no protocol, and is an entry of the log before it is told.
    ///
    /// # Errors
    /// [`AssignmentFault`].
    pub fn simulate(&self, id: &AssignmentId, vary_by: &[String]) -> Result<Simulation, AssignmentFault> {
        let commission = Commission::of(self, id)?;
        let Commission { assignment, municipality, register, today, .. } = &commission;
        let around = Around { catalogue: register.catalogue(), municipality };
        let others = vary(&assignment.criteria, vary_by, &around)?;
        let drawn_with = (&**register, &self.parts.fingerprints);
        let simulation = simulate(drawn_with, municipality.nis_code, assignment, *today, &others);
        let event = Event::AssignmentSimulated(AssignmentSimulated {
            assignment: assignment.id.to_string(),
            criteria_sha256: commission.criteria_sha256(),
            register_month: simulation.register_month.clone(),
            children: simulation.statistics.children.shown(),
            families: simulation.statistics.families.shown(),
            variations: others.len() as u64,
        });
        let record = Record::success(event, commission.context(None));
        self.parts.log.append(vec![record]).map_err(ExchangeError::Log)?;
        Ok(simulation)
    }
}

/// Simulates an assignment of a municipality, and the same with other criteria.
fn simulate(
    (register, fingerprints): (&Register, &FingerprintKey),
    nis_code: NisCode,
    assignment: &Assignment,
    day: Date,
    others: &[(String, Criteria)],
) -> Simulation {
    let rounding = Rounding { fingerprints, month: register.month().to_string(), nis_code: nis_code.to_string() };
    let selection = register.select(nis_code, &assignment.criteria);
    let statistics = register.statistics(&selection, day);
    let without = |criterion: Criterion, number| {
        rounding.count(&selection, &format!("children without {}", criterion.name()), number)
    };
    let kept_out = selection.removed_alone().map(|(criterion, count)| KeptOut {
        criterion: criterion.name().to_owned(),
        children: without(criterion, count),
    });
    let variations = others.iter().map(|(change, criteria)| {
        let varied = register.select(nis_code, criteria);
        let Tally { families, children, beneficiaries, .. } = register.tally(&varied, day);
        let families = rounding.count(&varied, "families", families);
        let children = rounding.count(&varied, "children", children);
        let beneficiaries = rounding.count(&varied, "beneficiaries", beneficiaries);
        let units = match assignment.unit {
            Unit::Child => children,
            Unit::Family => families,
        };
        let paid = assignment.payment.as_ref().zip(units.shown());
        let total = paid.map(|(terms, units)| terms.amount.times(units).to_string());
        Variation { change: change.clone(), families, children, beneficiaries, total }
    });
    Simulation {
        assignment: assignment.id.to_string(),
        register_month: register.month().to_string(),
        day,
        budget: budget(assignment, &selection, &statistics),
        statistics,
        kept_out: kept_out.collect(),
        // Rounded with those that it is a part of, it is never more than they are.
        undated: without(Criterion::Born, selection.undated()),
        variations: variations.collect(),
    }
}

/// What numbers of a municipality's selections are rounded by.
///
/// Numbers that may be told one by one give few people away when they are taken from one another, in more ways than can
/// be watched. Rounded at random, what comes of that is not exact. The same selection has the same answer in a month, in
/// whatever words it is asked for: who could ask anew would take the average.
struct Rounding<'a> {
    fingerprints: &'a FingerprintKey,
    month: String,
    nis_code: String,
}

impl Rounding<'_> {
    /// A number that was counted of a selection.
    fn count(&self, selection: &Selection<'_>, what: &str, number: u64) -> Count {
        let children = selection.children().iter().map(|selected| selected.first().child_niss());
        let drawn = self.fingerprints.draw([&self.month, &self.nis_code, what], children);
        drawn.map_or(Count::WITHHELD, |drawn| Count::rounded(number, drawn))
    }
}

/// What a run would pay, as far as it may be told.
fn budget(assignment: &Assignment, selection: &Selection<'_>, statistics: &Statistics) -> Option<Budget> {
    let terms = assignment.payment.as_ref()?;
    let payouts = Payouts::of(selection, assignment.unit, terms.amount);
    let Units { number, in_part } = payouts.units;
    let may_be_told = [number, in_part].into_iter().all(|number| Count::of(number) != Count::WITHHELD);
    let whole = statistics.beneficiaries.shown();
    Some(Budget {
        unit: assignment.unit.name().to_owned(),
        amount: terms.amount.to_string(),
        units: Count::of(number),
        // Who would get less than a cent gets none.
        payments: whole.map_or(Count::WITHHELD, |whole| Count::within(payouts.number(), whole)),
        total: may_be_told.then(|| payouts.total().to_string()),
    })
}

#[cfg(test)]
mod tests;
