//! What an assignment would come to, in counts that may be shown to anybody.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{
    AssignmentFault,
    commission::Commission,
    payout::{Payouts, Units},
    told::Told,
    variation::{Around, vary},
};
use crate::{
    domain::{Amount, Assignment, AssignmentId, Count, Criteria, NisCode, Statistics, assignment::Unit},
    exchange::{Exchange, ExchangeError},
    register::{Criterion, Register, Selection, Tally},
    transfer_log::{AssignmentSimulated, Event, Record},
};

/// What an assignment would come to.
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
    /// Of each criterion, by its name in YAML, how many children it alone keeps out.
    pub kept_out: Vec<KeptOut>,
    /// Children kept out for nothing but an unknown birth date.
    pub undated: Count,
    /// The same with another value for one criterion.
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
    /// Children who would be selected without it.
    pub children: Count,
}

/// An assignment with one other value.
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
    /// What a run would pay; as in [`Budget::total`].
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
        let simulation = simulate(register, municipality.nis_code, assignment, *today, &others);
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
    register: &Register,
    nis_code: NisCode,
    assignment: &Assignment,
    day: Date,
    others: &[(String, Criteria)],
) -> Simulation {
    let selection = register.select(nis_code, &assignment.criteria);
    let first = Counted::of(register, &selection, assignment, day);
    let statistics = first.tally.statistics();
    let Tally { by_age, by_postcode, by_family_size, .. } = &first.tally;
    let mut beneficiaries = Told::of(first.tally.beneficiaries);
    let mut families = Told::of(first.tally.families).with_partition(&statistics.by_family_size, by_family_size);
    let mut children = Told::of(first.tally.children)
        .with_partition(&statistics.by_age, by_age)
        .with_partition(&statistics.by_postcode, by_postcode)
        .with_sources(&statistics.by_source);
    // What is missing from units times amount tells how many are paid in part.
    let mut in_part = Told::of(first.in_part());
    let kept_out = kept_out(&mut children, first.tally.children, selection.removed_alone());
    let kept_by_birth = selection.removed_alone().find(|(criterion, _)| *criterion == Criterion::Born);
    let undated = selection.undated();
    let undated = kept_by_birth.map_or(Count::of(undated), |(_, count)| Count::within(undated, count));
    let variations = others.iter().map(|(change, criteria)| {
        let counted = Counted::of(register, &register.select(nis_code, criteria), assignment, day);
        let Tally { by_age, by_postcode, by_family_size, .. } = &counted.tally;
        let families = families.count(counted.tally.families, change, &[by_family_size]);
        let children = children.count(counted.tally.children, change, &[by_age, by_postcode]);
        let beneficiaries = beneficiaries.count(counted.tally.beneficiaries, change, &[]);
        let in_part = in_part.count(counted.in_part(), change, &[]);
        let total = counted.total(assignment.unit, (families, children), in_part);
        Variation { change: change.clone(), families, children, beneficiaries, total }
    });
    Simulation {
        assignment: assignment.id.to_string(),
        register_month: register.month().to_string(),
        day,
        variations: variations.collect(),
        kept_out,
        undated,
        budget: first.budget(assignment, &statistics),
        statistics,
    }
}

/// What a selection comes to, before any number is withheld.
struct Counted {
    tally: Tally,
    /// There where the assignment pays.
    paid: Option<Paid>,
}

/// What a run of it pays.
struct Paid {
    units: Units,
    payments: u64,
    total: Amount,
}

impl Counted {
    fn of(register: &Register, selection: &Selection<'_>, assignment: &Assignment, day: Date) -> Self {
        let paid = assignment.payment.as_ref().map(|terms| {
            let payouts = Payouts::of(selection, assignment.unit, terms.amount);
            Paid { units: payouts.units, payments: payouts.number(), total: payouts.total() }
        });
        Self { tally: register.tally(selection, day), paid }
    }

    fn in_part(&self) -> u64 {
        self.paid.as_ref().map_or(0, |paid| paid.units.in_part)
    }

    /// The sum of the payments, where the numbers that it tells of are shown.
    fn total(&self, unit: Unit, (families, children): (Count, Count), in_part: Count) -> Option<String> {
        let units = match unit {
            Unit::Child => children,
            Unit::Family => families,
        };
        let may_be_told = units.shown().and(in_part.shown()).is_some();
        self.paid.as_ref().filter(|_| may_be_told).map(|paid| paid.total.to_string())
    }

    fn budget(&self, assignment: &Assignment, statistics: &Statistics) -> Option<Budget> {
        let (terms, paid) = (assignment.payment.as_ref()?, self.paid.as_ref()?);
        let Statistics { families, children, beneficiaries, .. } = *statistics;
        let whole = beneficiaries.shown();
        Some(Budget {
            unit: assignment.unit.name().to_owned(),
            amount: terms.amount.to_string(),
            units: Count::of(paid.units.number),
            // Who would get less than a cent gets none.
            payments: whole.map_or(Count::WITHHELD, |whole| Count::within(paid.payments, whole)),
            total: self.total(assignment.unit, (families, children), Count::of(self.in_part())),
        })
    }
}

/// What each criterion alone keeps out of a selection of so many children, where it may be told: with it anybody knows
/// how many there are without the criterion.
fn kept_out(children: &mut Told, selected: u64, counts: impl Iterator<Item = (Criterion, u64)>) -> Vec<KeptOut> {
    let may_be_told = Count::of(selected) != Count::WITHHELD;
    let told = |(criterion, count): (Criterion, u64)| {
        let is_told = may_be_told && Count::of(count) != Count::WITHHELD;
        let is_told = is_told && children.count(selected + count, criterion.name(), &[]) != Count::WITHHELD;
        let children = if is_told { Count::of(count) } else { Count::WITHHELD };
        KeptOut { criterion: criterion.name().to_owned(), children }
    };
    counts.map(told).collect()
}

#[cfg(test)]
mod tests;
