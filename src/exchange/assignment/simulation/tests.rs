//! What simulations tell, with what a reader makes of it.

use super::{super::variation::Around, *};
use crate::{
    domain::{
        Amount, Municipalities, SourceCatalogue,
        assignment::{PaymentFormat, PaymentTerms, Product, Recurrence, Remittance},
        source::Source,
    },
    register::Field,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What numbers are rounded by in most of these tests.
fn key() -> FingerprintKey {
    FingerprintKey::of([7; 32])
}

const DAY: jiff::civil::Date = jiff::civil::date(2026, 11, 21);

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
        let simulation = simulate((&register, &key()), "31033".parse().unwrap(), &assignment, DAY, &[]);
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
        let none = Criteria { single_parent: Some(true), ..Criteria::default() };
        let variations = [("single_parent=true".to_owned(), none)];
        let simulation = simulate((&register(&rows), &key()), "31033".parse().unwrap(), &all, DAY, &variations);
        assert_eq!(simulation.budget.unwrap().total.as_deref(), total, "{number} halves");
        // The rounded children are paid for, as if each were paid whole.
        let variation = &simulation.variations[0];
        let most = Amount::from_cents(CENTS).times(variation.children.shown().unwrap()).to_string();
        assert_eq!(variation.total, Some(most), "{number} halves");
    }
}

/// A child of a family of its own.
#[derive(Debug, Clone, Copy)]
struct Person {
    postcode: u16,
    rank: u8,
    /// The year of birth, after 2000; 0 where it is unknown.
    born: u64,
    /// Whether it has each of [`SOURCES`].
    sources: [bool; 3],
}

const SOURCES: [&str; 3] = ["sociale_toeslag", "schooltoeslag", "zorgtoeslag"];

const SOMEBODY: Person = Person { postcode: 8820, rank: 1, born: 15, sources: [true, false, false] };

/// The register of a municipality, of a month.
struct Town {
    register: Register,
    municipalities: Municipalities,
}

impl Town {
    fn of(people: &[Person], month: &str) -> Self {
        let mut extract = Field::ALL.map(Field::name).join(";") + "\n";
        for (person, at) in people.iter().zip(0..) {
            let Person { postcode, rank, born, sources } = person;
            let codes = SOURCES.iter().zip(sources).filter(|(_, has)| **has).map(|(code, _)| format!("{code}=1"));
            let codes: Vec<String> = codes.collect();
            let (child, paid) = (niss(born * 10_000 + 730, 2_000_000_000, at), niss(850_730, 0, at));
            let birth_date = if *born == 0 { String::new() } else { format!("20{born:02}-07-30") };
            extract.extend([format!(
                "{month};{at};{child};Claes;Eva;{birth_date};31033;{postcode};{rank};5;0;{paid};Claes;An;Markt;1;;8820;Torhout;BE;;;{}\n",
                codes.join("|"),
            )]);
        }
        let municipalities = Municipalities::parse("h\n31033;Torhout;West-Vlaanderen;8820|8821|8822\n").unwrap();
        let source = |code: &str| Source { code: code.to_owned(), name: String::new() };
        let catalogue = SourceCatalogue::new(SOURCES.map(source).to_vec()).unwrap();
        let register = Register::read(extract.as_bytes(), &catalogue, &municipalities).unwrap();
        Self { register, municipalities }
    }

    fn varied(&self, criteria: &Criteria, change: &str) -> Vec<(String, Criteria)> {
        let municipality = self.municipalities.by_code("31033".parse().unwrap()).unwrap();
        vary(criteria, &[change.to_owned()], &Around { catalogue: self.register.catalogue(), municipality }).unwrap()
    }

    /// A simulation of the children that meet a criterion.
    fn simulate_of(&self, key: &FingerprintKey, criterion: &str, change: &str) -> Simulation {
        let criteria = self.varied(&Criteria::default(), criterion).remove(0).1;
        let others = self.varied(&criteria, change);
        let all = assignment(Unit::Child, criteria);
        simulate((&self.register, key), "31033".parse().unwrap(), &all, DAY, &others)
    }

    /// A simulation of all children.
    fn simulate(&self, key: &FingerprintKey, change: &str) -> Simulation {
        self.simulate_of(key, "rank.at_most=-", change)
    }

    /// The children of each variation that are told.
    fn told(&self, key: &FingerprintKey, change: &str) -> Vec<Option<u64>> {
        let simulation = self.simulate(key, change);
        simulation.variations.iter().map(|variation| variation.children.shown()).collect()
    }
}

fn keys(number: u8) -> impl Iterator<Item = FingerprintKey> {
    (0..number).map(|byte| FingerprintKey::of([byte; 32]))
}

/// Children of every year and rank, of each a few.
fn mixed() -> Vec<Person> {
    let of_year = |born: u64| (1..=5).map(move |rank: u8| (born, rank));
    let groups = (6..26).flat_map(of_year).map(|(born, rank)| {
        let few = (born * born + u64::from(rank)) % 7 + 1;
        (0..few).map(move |_| Person { rank, born, ..SOMEBODY })
    });
    groups.flatten().collect()
}

#[test]
fn variations_are_near_the_truth_and_right_on_average() {
    let people = mixed();
    let town = Town::of(&people, "2026-11");
    let windows = (6..26).flat_map(|from| (from..26).map(move |until| (from, until)));
    let (mut off, mut number, mut withheld) = (0_i64, 0_i64, 0);
    for (from, until, rank) in windows.flat_map(|(from, until)| (1..=5).map(move |rank| (from, until, rank))) {
        let born = format!("born.from=20{from:02}-01-01");
        let criteria = town.varied(&Criteria::default(), &born).remove(0).1;
        let criteria = town.varied(&criteria, &format!("born.until=20{until:02}-12-31")).remove(0).1;
        let criteria = town.varied(&criteria, &format!("rank.at_most={rank}")).remove(0);
        let all = assignment(Unit::Family, Criteria::default());
        let simulation = simulate((&town.register, &key()), "31033".parse().unwrap(), &all, DAY, &[criteria]);
        let Variation { families, children, beneficiaries, total, .. } = &simulation.variations[0];
        let is_in = |person: &&Person| (from..=until).contains(&person.born) && person.rank <= rank;
        let truth = people.iter().filter(is_in).count() as u64;
        assert_eq!(*total, families.shown().map(|number| Amount::from_cents(CENTS).times(number).to_string()));
        for told in [families, children, beneficiaries] {
            let Some(told) = told.shown() else {
                assert!((1..5).contains(&truth), "{truth} is withheld");
                withheld += 1;
                continue;
            };
            assert!(told.is_multiple_of(5) && told.abs_diff(truth) < 5 && told >= 5, "{told} for {truth}");
            off += told.cast_signed() - truth.cast_signed();
            number += 1;
        }
    }
    assert!(number > 3_000 && withheld > 30, "{number} told, {withheld} withheld");
    // As of a die that was thrown so often.
    assert!(off.abs() * 8 < number, "{off} of {number}");
}

#[test]
fn the_same_selection_has_the_same_answer_in_whatever_words() {
    let [now, later] = ["2026-11", "2026-12"].map(|month| Town::of(&mixed(), month));
    let change = "rank.at_most=1,2,3,4,5,6,200,-";
    let told = now.told(&key(), change);
    assert_eq!(now.told(&key(), change), told);
    assert!(told[4..].iter().all(|all| *all == told[4]), "{told:?}");
    let synonyms = now.told(&key(), "any_of=sociale_toeslag,schooltoeslag+sociale_toeslag,-");
    assert_eq!(synonyms, [told[4]; 3]);
    // Of another key, or another month, not.
    let of_years = |town: &Town, key: &FingerprintKey| -> Vec<_> {
        let of_year = |year| town.told(key, &format!("born.from=20{year:02}-01-01"));
        (6..26).flat_map(of_year).collect()
    };
    let told = of_years(&now, &key());
    assert_ne!(of_years(&now, &FingerprintKey::of([8; 32])), told);
    assert_ne!(of_years(&later, &key()), told);
}

#[test]
fn what_a_criterion_keeps_out_is_rounded() {
    let of = |rank, number: usize| vec![Person { rank, ..SOMEBODY }; number];
    for (few, is_few) in [(0, false), (3, true), (7, false)] {
        let town = Town::of(&[of(1, 40), of(2, few)].concat(), "2026-11");
        for key in keys(20) {
            let simulation = town.simulate_of(&key, "rank.at_most=1", "rank.at_least=1");
            let kept = simulation.kept_out[0].children.shown();
            assert_eq!(simulation.statistics.children.shown(), Some(40), "the selection is told exactly");
            assert_eq!(kept.is_none(), is_few, "{few}");
            assert!(
                kept.is_none_or(|kept| kept.is_multiple_of(5) && kept.abs_diff(few as u64) < 5),
                "{kept:?} of {few}"
            );
        }
    }
}

#[test]
fn no_more_are_undated_than_their_criterion_keeps_out() {
    let of = |born, number: usize| vec![Person { born, ..SOMEBODY }; number];
    let town = Town::of(&[of(15, 40), of(6, 1), of(0, 7)].concat(), "2026-11");
    for key in keys(20) {
        let simulation = town.simulate_of(&key, "born.from=2010-01-01", "rank.at_least=1");
        let [kept, undated] = [simulation.kept_out[0].children, simulation.undated].map(|count| count.shown().unwrap());
        assert!(undated <= kept && [5, 10].contains(&undated), "{undated} of {kept}");
    }
}

#[test]
fn a_variation_gives_no_withheld_cell_back() {
    let of = |postcode, number: usize| vec![Person { postcode, ..SOMEBODY }; number];
    for few in [1, 3] {
        for second in [5, 7] {
            let town = Town::of(&[of(8820, few), of(8821, second), of(8822, 500)].concat(), "2026-11");
            let mut answers = BTreeSet::new();
            for key in keys(60) {
                let simulation = town.simulate(&key, "postcodes=8821,8820+8822");
                let cells = &simulation.statistics.by_postcode.cells;
                let cells: Vec<_> = cells.iter().map(|cell| cell.count.shown()).collect();
                assert_eq!(cells, [None, None, Some(500)]);
                let told: Vec<u64> = simulation.variations.iter().map(|told| told.children.shown().unwrap()).collect();
                // What is left of the withheld cells, and of all, is another number each time.
                answers.insert(told);
            }
            let lefts = |at: usize| answers.iter().map(|told| told[at]).collect::<BTreeSet<_>>();
            let exact = [second, few + 500].map(|number| number.is_multiple_of(5));
            assert_eq!([lefts(0).len(), lefts(1).len()], exact.map(|is_one| if is_one { 1 } else { 2 }), "{answers:?}");
        }
    }
}

#[test]
fn sums_and_differences_of_three_sources_are_not_exact() {
    let of = |sources, number: usize| vec![Person { sources, ..SOMEBODY }; number];
    let [one, two, three] =
        [[true, false, false], [false, true, false], [false, false, true]].map(|of_one| of(of_one, 41));
    let pairs = [[true, true, false], [true, false, true], [false, true, true]].map(|pair| of(pair, 12)).concat();
    let few = of([true; 3], 3);
    let town = Town::of(&[one, two, three, pairs, few].concat(), "2026-11");
    let [a, b, c] = SOURCES;
    let unions = format!("any_of={a},{b},{c},{a}+{b},{a}+{c},{b}+{c},{a}+{b}+{c}");
    let mut results = BTreeSet::new();
    for key in keys(50) {
        let simulation = town.simulate(&key, &unions);
        let told = simulation.variations.iter().map(|told| told.children.shown().unwrap().cast_signed());
        let told: Vec<i64> = told.collect();
        let cells = simulation.statistics.by_source.cells.iter();
        let exact: Vec<i64> = cells.filter_map(|cell| cell.count.shown()).map(u64::cast_signed).collect();
        assert_eq!(exact, [68; 3]);
        let pairs: i64 = told[3..6].iter().sum();
        // With the sources as the variations tell them, and as the table does.
        results.insert((told[6] - pairs + told[..3].iter().sum::<i64>(), told[6] - pairs + exact.iter().sum::<i64>()));
    }
    let of_told: BTreeSet<i64> = results.iter().map(|(told, _)| *told).collect();
    let with_exact: BTreeSet<i64> = results.iter().map(|(_, exact)| *exact).collect();
    assert!(of_told.len() > 2 && with_exact.len() > 2, "{results:?}");
    assert!(with_exact.iter().any(|number| *number != 3) && !of_told.contains(&3), "{results:?}");
}
