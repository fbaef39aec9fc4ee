//! What simulations tell, with what a reader makes of it.

use super::{super::variation::Around, *};
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
        assert_eq!(told.count(number, "born", &[]).shown(), count, "{number}");
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

/// A child of a family of its own.
#[derive(Debug, Clone, Copy)]
struct Person {
    postcode: u16,
    rank: u8,
    /// The year of birth, after 2000.
    born: u64,
    /// Whether it has the one source, and the other.
    sources: (bool, bool),
}

const SOMEBODY: Person = Person { postcode: 8820, rank: 1, born: 15, sources: (true, false) };

const POSTCODES: [u16; 3] = [8820, 8821, 8822];

/// A simulation of all children of the municipality.
fn simulated(people: &[Person], changes: &[&str]) -> Simulation {
    let mut extract = Field::ALL.map(Field::name).join(";") + "\n";
    for (person, at) in people.iter().zip(0..) {
        let Person { postcode, rank, born, sources } = person;
        let codes = [(sources.0, "sociale_toeslag=1"), (sources.1, "schooltoeslag=1")];
        let codes: Vec<&str> = codes.iter().filter(|(has, _)| *has).map(|(_, code)| *code).collect();
        let (child, paid) = (niss(born * 10_000 + 730, 2_000_000_000, at), niss(850_730, 0, at));
        extract.extend([format!(
            "2026-11;{at};{child};Claes;Eva;;31033;{postcode};{rank};5;0;{paid};Claes;An;Markt;1;;8820;Torhout;BE;;;{}\n",
            codes.join("|"),
        )]);
    }
    let table = Municipalities::parse("h\n31033;Torhout;West-Vlaanderen;8820|8821|8822\n").unwrap();
    let source = |code: &str| Source { code: code.to_owned(), name: String::new() };
    let catalogue = SourceCatalogue::new(["sociale_toeslag", "schooltoeslag"].map(source).to_vec()).unwrap();
    let register = Register::read(extract.as_bytes(), &catalogue, &table).unwrap();
    let nis_code = "31033".parse().unwrap();
    let all = assignment(Unit::Child, Criteria::default());
    let around = Around { catalogue: &catalogue, municipality: table.by_code(nis_code).unwrap() };
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let others = vary(&all.criteria, &changes, &around).unwrap();
    simulate(&register, nis_code, &all, jiff::civil::date(2026, 11, 21), &others)
}

/// The children of each variation that are told.
fn told(simulation: &Simulation) -> Vec<(&str, Option<u64>)> {
    simulation.variations.iter().map(|variation| (variation.change.as_str(), variation.children.shown())).collect()
}

#[test]
fn a_variation_gives_no_withheld_cell_back() {
    let of = |postcode, number: usize| vec![Person { postcode, ..SOMEBODY }; number];
    let people = [of(8820, 3), of(8821, 7), of(8822, 500)].concat();
    let simulation = simulated(&people, &["postcodes=8821,8822,8821+8822"]);
    let cells: Vec<_> = simulation.statistics.by_postcode.cells.iter().map(|cell| cell.count.shown()).collect();
    assert_eq!(cells, [None, None, Some(500)]);
    let expected = [("postcodes=8821", None), ("postcodes=8822", Some(500)), ("postcodes=8821+8822", None)];
    assert_eq!(told(&simulation), expected);
    // Beside shown cells, too.
    let people = [of(8820, 3), of(8821, 7), of(8822, 400)].concat();
    let older = people.iter().map(|person| Person { born: 11, ..*person });
    let people = people.iter().copied().chain(older.filter(|person| person.postcode == 8822)).collect::<Vec<_>>();
    assert_eq!(told(&simulated(&people, &["postcodes=8821+8822"])), [("postcodes=8821+8822", None)]);
}

#[test]
fn a_variation_gives_no_rest_of_two_others() {
    let of = |rank, number: usize| vec![Person { rank, ..SOMEBODY }; number];
    let people = [of(1, 490), of(3, 4), of(4, 6)].concat();
    let simulation = simulated(&people, &["rank.at_least=3", "rank.at_most=3"]);
    assert_eq!(told(&simulation), [("rank.at_least=3", Some(10)), ("rank.at_most=3", None)]);
}

const CHANGES: [&str; 4] = [
    "postcodes=8821+8822,8820,8821,8822,8820+8821,8820+8822",
    "any_of=sociale_toeslag+schooltoeslag,sociale_toeslag,schooltoeslag",
    "rank.at_least=2,3",
    "rank.at_most=3,2,1",
];

/// What a reader knows of numbers of which some are told together: which of them, and their sum.
struct Equation(Vec<bool>, u64);

/// Whether a reader can work one of these numbers out that is of few people, knowing that all of them, and perhaps others
/// that are in none, are so many.
fn works_out(numbers: &[u64], whole: u64, known: &[Equation]) -> bool {
    let mut possible = vec![BTreeSet::new(); numbers.len()];
    let mut tried = vec![0; numbers.len()];
    loop {
        let fits = |Equation(which, number): &Equation| {
            tried.iter().zip(which).filter(|(_, is)| **is).map(|(tried, _)| tried).sum::<u64>() == *number
        };
        if tried.iter().sum::<u64>() <= whole && known.iter().all(fits) {
            for (values, number) in possible.iter_mut().zip(&tried) {
                values.insert(*number);
            }
        }
        let Some(at) = tried.iter().position(|number| *number < whole) else { break };
        tried[..at].fill(0);
        tried[at] += 1;
    }
    numbers.iter().zip(&possible).any(|(number, values)| Count::of(*number) == Count::WITHHELD && values.len() < 2)
}

fn persons() -> impl Strategy<Value = Vec<Person>> {
    let person = (0_usize..8, 1_u8..5, 13_u64..16, 1_u8..4);
    let person = person.prop_map(|(postcode, rank, born, sources)| Person {
        // Few of one postcode, more of the last.
        postcode: POSTCODES[postcode.min(2)],
        rank,
        born,
        sources: (sources & 1 != 0, sources & 2 != 0),
    });
    prop::collection::vec(person, 12..21)
}

proptest! {
    #[test]
    fn nothing_that_is_shown_gives_few_away(people in persons(), first in 0_usize..4) {
        let mut changes = CHANGES;
        changes.rotate_left(first);
        let simulation = simulated(&people, &changes);
        let Statistics { by_postcode, by_source, by_age, .. } = &simulation.statistics;
        let (told, whole) = (told(&simulation), people.len() as u64);
        let shown: Vec<(&str, u64)> = told.iter().filter_map(|(change, count)| Some((*change, (*count)?))).collect();
        let is_few = |number: u64| Count::of(number) == Count::WITHHELD;
        // By itself, beside another, within the whole, and beside the cells.
        for (at, (change, number)) in shown.iter().enumerate() {
            prop_assert!(!is_few(*number) && !is_few(whole - number), "{change}: {number} of {whole}");
            for (other, beside) in &shown[..at] {
                let (one, both) = (number.abs_diff(*beside), (number + beside).abs_diff(whole));
                prop_assert!(!is_few(one) && !is_few(both), "{change}: {number}, {other}: {beside} of {whole}");
            }
            for table in [by_age, by_postcode] {
                let cells: Vec<u64> = table.cells.iter().filter_map(|cell| cell.count.shown()).collect();
                let withheld = whole - cells.iter().sum::<u64>();
                for cell in cells.iter().chain(Some(&withheld).filter(|_| !table.cells.is_empty())) {
                    let is_few = is_few(number.abs_diff(*cell)) || is_few((number + cell).abs_diff(whole));
                    prop_assert!(!is_few, "{change}: {number}, a cell of {cell}, of {whole}");
                }
            }
        }
        // Sums and differences of two, beside a third of the same criterion.
        for group in ["postcodes", "rank", "any_of"] {
            let numbers = shown.iter().filter(|(change, _)| change.starts_with(group)).map(|(_, number)| *number);
            let numbers: Vec<u64> = numbers.chain([whole]).collect();
            for (one, other, third) in numbers.iter().enumerate().flat_map(|(at, one)| {
                let rest = &numbers[at + 1..];
                rest.iter().enumerate().flat_map(move |(at, other)| rest[at + 1..].iter().map(move |third| (one, other, third)))
            }) {
                for (sum, number) in [(one + other, third), (one + third, other), (other + third, one)] {
                    prop_assert!(!is_few(sum.abs_diff(*number)), "{group}: {one}, {other}, {third}");
                }
            }
        }
        // All that is told at once of postcodes, and of sources.
        let count = |is_it: &dyn Fn(&Person) -> bool| people.iter().filter(|person| is_it(person)).count() as u64;
        let of_postcodes = POSTCODES.map(|code| count(&|person| person.postcode == code));
        let which = |label: &str| POSTCODES.map(|code| label.contains(&code.to_string())).to_vec();
        let cells = by_postcode.cells.iter().filter_map(|cell| Some((which(&cell.label), cell.count.shown()?)));
        let varied = shown.iter().filter(|(change, _)| change.starts_with("postcodes"));
        let varied = varied.map(|(change, number)| (which(change), *number));
        let known = cells.chain(varied).chain([(vec![true; 3], whole)]);
        let known: Vec<Equation> = known.map(|(which, number)| Equation(which, number)).collect();
        prop_assert!(!works_out(&of_postcodes, whole, &known), "{of_postcodes:?}, {told:?}");
        let kinds = [(true, false), (false, true), (true, true)];
        let of_kinds = kinds.map(|kind| count(&|person| person.sources == kind));
        let which = |label: &str| {
            let (one, other) = (label.contains("sociale_toeslag"), label.contains("schooltoeslag"));
            vec![one, other, one || other]
        };
        let cells = by_source.cells.iter().filter_map(|cell| Some((which(&cell.label), cell.count.shown()?)));
        let varied = shown.iter().filter(|(change, _)| change.starts_with("any_of"));
        let known: Vec<Equation> = cells
            .chain(varied.map(|(change, number)| (which(change), *number)))
            .map(|(which, number)| Equation(which, number))
            .collect();
        prop_assert!(!works_out(&of_kinds, whole, &known), "{of_kinds:?}, {told:?}");
    }
}
