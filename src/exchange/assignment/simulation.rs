//! What an assignment would come to, in counts that may be shown to anybody.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{
    AssignmentFault,
    commission::Commission,
    variation::{Around, vary},
};
use crate::{
    domain::{Assignment, AssignmentId, Count, Criteria, NisCode, Statistics, assignment::Unit},
    exchange::{Exchange, ExchangeError},
    register::{Criterion, Register},
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

/// What would be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Paid for: `child` or `family`.
    pub unit: String,
    /// For each, euros with two decimals.
    pub amount: String,
    /// How many are paid for.
    pub units: Count,
    /// Units times amount, euros with two decimals; none where the number is withheld. A run pays less where a household
    /// has a right to a part only.
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
    /// What would be paid; as in [`Budget::total`].
    pub total: Option<String>,
}

/// Counts of one selection that differ little from those of another tell of few people: only differences that may be
/// shown by themselves are.
struct Told(Vec<u64>);

impl Told {
    /// Of the selection itself, whose number others are compared with also where it is withheld.
    fn of(number: u64) -> Self {
        Self(vec![number])
    }

    fn count(&mut self, number: u64) -> Count {
        let near = |other: &u64| Count::of(number.abs_diff(*other)) == Count::WITHHELD;
        let count = if self.0.iter().any(near) { Count::WITHHELD } else { Count::of(number) };
        if count != Count::WITHHELD {
            self.0.push(number);
        }
        count
    }
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
    let statistics = register.statistics(&selection, day);
    let (first_families, first_beneficiaries) = register.people(&selection);
    let (mut families, mut beneficiaries) = (Told::of(first_families), Told::of(first_beneficiaries));
    let selected = selection.children().len() as u64;
    let mut children = Told::of(selected);
    let kept_out = kept_out(&mut children, selected, selection.removed_alone());
    let kept_by_birth = selection.removed_alone().find(|(criterion, _)| *criterion == Criterion::Born);
    let undated = selection.undated();
    let undated = kept_by_birth.map_or(Count::of(undated), |(_, count)| Count::within(undated, count));
    let variations = others.iter().map(|(change, criteria)| {
        let selection = register.select(nis_code, criteria);
        let (of_families, of_beneficiaries) = register.people(&selection);
        let families = families.count(of_families);
        let children = children.count(selection.children().len() as u64);
        let beneficiaries = beneficiaries.count(of_beneficiaries);
        let total = budget(assignment, families, children).and_then(|budget| budget.total);
        Variation { change: change.clone(), families, children, beneficiaries, total }
    });
    Simulation {
        assignment: assignment.id.to_string(),
        register_month: register.month().to_string(),
        day,
        variations: variations.collect(),
        kept_out,
        undated,
        budget: budget(assignment, statistics.families, statistics.children),
        statistics,
    }
}

/// What each criterion alone keeps out of a selection of so many children, where it may be told: with it anybody knows
/// how many there are without the criterion.
fn kept_out(children: &mut Told, selected: u64, counts: impl Iterator<Item = (Criterion, u64)>) -> Vec<KeptOut> {
    let may_be_told = Count::of(selected) != Count::WITHHELD;
    let told = |(criterion, count): (Criterion, u64)| {
        let is_told = may_be_told && Count::of(count) != Count::WITHHELD;
        let is_told = is_told && children.count(selected + count) != Count::WITHHELD;
        let children = if is_told { Count::of(count) } else { Count::WITHHELD };
        KeptOut { criterion: criterion.name().to_owned(), children }
    };
    counts.map(told).collect()
}

fn budget(assignment: &Assignment, families: Count, children: Count) -> Option<Budget> {
    let terms = assignment.payment.as_ref()?;
    let units = match assignment.unit {
        Unit::Child => children,
        Unit::Family => families,
    };
    Some(Budget {
        unit: assignment.unit.name().to_owned(),
        amount: terms.amount.to_string(),
        units,
        total: units.shown().map(|number| terms.amount.times(number).to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(selected: u64, counts: &[(Criterion, u64)]) -> (Vec<Option<u64>>, Told) {
        let mut children = Told::of(selected);
        let kept = kept_out(&mut children, selected, counts.iter().copied());
        (kept.into_iter().map(|kept| kept.children.shown()).collect(), children)
    }

    #[test]
    fn what_is_kept_out_gives_no_few_away() {
        // Of a selection that is withheld, since another simulation or a variation may tell both together.
        assert_eq!(shown(3, &[(Criterion::Postcodes, 10)]).0, [None]);
        let (kept, mut told) = shown(500, &[(Criterion::Born, 20), (Criterion::Postcodes, 23), (Criterion::Rank, 3)]);
        assert_eq!(kept, [Some(20), None, None], "523 and 520 tell of three");
        for (number, count) in [(517, None), (520, Some(520)), (500, Some(500)), (496, None), (525, Some(525))] {
            assert_eq!(told.count(number).shown(), count, "{number}");
        }
    }
}
