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
    domain::{Amount, Assignment, AssignmentId, Count, Criteria, NisCode, Statistics, assignment::Unit},
    exchange::{Exchange, ExchangeError},
    register::{Criterion, Register, Selection},
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
    let first = Counted::of(register, &selection, assignment);
    let (mut families, mut beneficiaries) = (Told::of(first.families), Told::of(first.beneficiaries));
    let mut children = Told::of(first.children);
    // What is missing from units times amount tells how many are paid in part.
    let mut in_part = Told(vec![0, first.in_part()]);
    let kept_out = kept_out(&mut children, first.children, selection.removed_alone());
    let kept_by_birth = selection.removed_alone().find(|(criterion, _)| *criterion == Criterion::Born);
    let undated = selection.undated();
    let undated = kept_by_birth.map_or(Count::of(undated), |(_, count)| Count::within(undated, count));
    let variations = others.iter().map(|(change, criteria)| {
        let counted = Counted::of(register, &register.select(nis_code, criteria), assignment);
        let families = families.count(counted.families);
        let children = children.count(counted.children);
        let beneficiaries = beneficiaries.count(counted.beneficiaries);
        let total = counted.total(assignment.unit, (families, children), in_part.count(counted.in_part()));
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
    families: u64,
    children: u64,
    beneficiaries: u64,
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
    fn of(register: &Register, selection: &Selection<'_>, assignment: &Assignment) -> Self {
        let (families, beneficiaries) = register.people(selection);
        let paid = assignment.payment.as_ref().map(|terms| {
            let payouts = Payouts::of(selection, assignment.unit, terms.amount);
            Paid { units: payouts.units, payments: payouts.number(), total: payouts.total() }
        });
        Self { families, children: selection.children().len() as u64, beneficiaries, paid }
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
        let is_told = is_told && children.count(selected + count) != Count::WITHHELD;
        let children = if is_told { Count::of(count) } else { Count::WITHHELD };
        KeptOut { criterion: criterion.name().to_owned(), children }
    };
    counts.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            Municipalities, SourceCatalogue,
            assignment::{PaymentFormat, PaymentTerms, Product, Recurrence, Remittance},
            source::Source,
        },
        register::Field,
    };
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

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

    /// A right of the extract: child, dossier, which of the dossier's two beneficiaries, half or whole.
    type Written = (u32, u32, bool, bool);

    const CENTS: u64 = 7_500;

    fn niss(begin: u64, prefix: u64, serial: u32) -> String {
        let nine = begin * 1_000 + u64::from(serial) + 1;
        format!("{nine:09}{:02}", 97 - (prefix + nine) % 97)
    }

    fn beneficiary((_, dossier, second, _): &Written) -> u32 {
        dossier * 2 + u32::from(*second)
    }

    /// Dossiers of an odd number have one parent.
    fn register(rows: &[Written]) -> Register {
        let mut extract = Field::ALL.map(Field::name).join(";") + "\n";
        for row in rows {
            let (child, dossier, _, half) = row;
            extract.extend([format!(
                "2026-11;{dossier};{};Claes;Eva;;31033;8820;1;2;{};{};Claes;An;Markt;1;;8820;Torhout;BE;;;\
                 sociale_toeslag={}\n",
                niss(170_730, 2_000_000_000, *child),
                dossier % 2,
                niss(850_730, 0, beneficiary(row)),
                if *half { "0.5" } else { "1" },
            )]);
        }
        let table = Municipalities::parse("h\n31033;Torhout;West-Vlaanderen;8820\n").unwrap();
        let source = Source { code: "sociale_toeslag".to_owned(), name: String::new() };
        Register::read(extract.as_bytes(), &SourceCatalogue::new(vec![source]).unwrap(), &table).unwrap()
    }

    fn assignment(unit: Unit, criteria: Criteria) -> Assignment {
        Assignment {
            id: "premie-2026".parse().unwrap(),
            tenant: "torhout".parse().unwrap(),
            protocol: None,
            agreement: None,
            purpose: String::new(),
            criteria,
            unit,
            recurrence: Recurrence::Once,
            produce: vec![Product::Betaling],
            payment: Some(PaymentTerms {
                amount: Amount::from_cents(CENTS),
                remittance: Remittance::Structured,
                formats: vec![PaymentFormat::Csv],
                debtor: None,
                execution_date: None,
            }),
            letters: None,
        }
    }

    /// What each unit is paid, counted row by row: a child what its households get, a family what the child brings that
    /// brings most.
    fn paid(rows: &[Written], unit: Unit, single_parent: Option<bool>) -> (Vec<u64>, u64) {
        let of_family = |row: &&Written| single_parent.is_none_or(|single| single == (row.1 % 2 == 1));
        let (mut brought, mut paid) = (BTreeMap::<(u32, u32), u64>::new(), BTreeSet::new());
        for row in rows.iter().filter(of_family) {
            let (child, dossier, _, half) = row;
            *brought.entry((*child, *dossier)).or_default() += if *half { CENTS / 2 } else { CENTS };
            paid.insert(beneficiary(row));
        }
        let mut units = BTreeMap::<u32, u64>::new();
        for ((child, dossier), cents) in brought {
            match unit {
                Unit::Child => *units.entry(child).or_default() += cents,
                Unit::Family => {
                    let most = units.entry(dossier).or_default();
                    *most = cents.max(*most);
                }
            }
        }
        (units.into_values().collect(), paid.len() as u64)
    }

    proptest! {
        #[test]
        fn a_budget_is_what_is_paid(
            drawn in prop::collection::vec((0_u32..40, 0_u32..25, any::<bool>(), any::<bool>()), 1..80),
            by_family in any::<bool>(),
            single_parent in any::<Option<bool>>(),
        ) {
            // At most the whole of each child, and a beneficiary once for each.
            let (mut rows, mut halves) = (Vec::<Written>::new(), BTreeMap::<u32, u32>::new());
            for row in drawn {
                let given = halves.entry(row.0).or_default();
                let part = if row.3 { 1 } else { 2 };
                let twice = rows.iter().any(|other| other.0 == row.0 && beneficiary(other) == beneficiary(&row));
                if *given + part <= 2 && !twice {
                    *given += part;
                    rows.push(row);
                }
            }
            let unit = if by_family { Unit::Family } else { Unit::Child };
            let register = register(&rows);
            let source = register.catalogue().id("sociale_toeslag").unwrap();
            let assignment = assignment(unit, Criteria { any_of: vec![source], single_parent, ..Criteria::default() });
            let day = jiff::civil::date(2026, 11, 21);
            let simulation = simulate(&register, "31033".parse().unwrap(), &assignment, day, &[]);
            let budget = simulation.budget.unwrap();
            let (units, payments) = paid(&rows, unit, single_parent);
            let in_part = units.iter().filter(|cents| **cents < CENTS).count() as u64;
            let may_be_told = Count::of(units.len() as u64).shown().and(Count::of(in_part).shown());
            let total = Amount::from_cents(units.iter().sum()).to_string();
            prop_assert_eq!(budget.units, Count::of(units.len() as u64));
            prop_assert_eq!(budget.total, may_be_told.map(|_| total));
            prop_assert_eq!(budget.payments, Count::of(payments));
        }
    }

    #[test]
    fn a_sum_does_not_tell_how_few_are_paid_in_part() {
        let whole = (0..20).map(|child| (child, child, false, false));
        let halves = |number: u32| (20..20 + number).map(|child| (child, child, false, true));
        for (number, total) in [(0, Some("1500.00")), (1, None), (4, None), (5, Some("1687.50"))] {
            let rows: Vec<Written> = whole.clone().chain(halves(number)).collect();
            let all = assignment(Unit::Child, Criteria::default());
            let day = jiff::civil::date(2026, 11, 21);
            let none = Criteria { single_parent: Some(true), ..Criteria::default() };
            let variations = [("single_parent=true".to_owned(), none)];
            let simulation = simulate(&register(&rows), "31033".parse().unwrap(), &all, day, &variations);
            assert_eq!(simulation.budget.unwrap().total.as_deref(), total, "{number} halves");
            // Of ten with one parent, and half of the halves.
            let varied = [(0, Some("750.00")), (5, None)].into_iter().find(|(halves, _)| *halves == number);
            if let Some((_, total)) = varied {
                assert_eq!(simulation.variations[0].total.as_deref(), total, "{number} halves");
            }
        }
    }
}
