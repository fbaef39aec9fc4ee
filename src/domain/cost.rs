//! What local authorities pay for assignments: tariffs by day, and the lines of a yearly bill.
//!
//! A bill is a pure function of what happened and of the tariffs. Each thing costs what the tariff of its own day says,
//! so that a tariff that changes in the middle of a year leaves what was done before as it was.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::{Amount, AssignmentId};

/// What things cost from a day on; each may be free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tariff {
    /// For each calendar year in which anything is run for a local authority.
    pub per_year: Amount,
    /// For each assignment that is run in a calendar year.
    pub per_assignment: Amount,
    /// For each run.
    pub per_run: Amount,
    /// For each file of data or payments that is delivered.
    pub per_file: Amount,
    /// For each letter that goes to the printer.
    pub per_letter: Amount,
}

/// The tariffs by their first day. There is one at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs(BTreeMap<Date, Tariff>);

impl Costs {
    /// Tariffs by the first day on which each holds; none where there is no tariff.
    pub fn new(tariffs: BTreeMap<Date, Tariff>) -> Option<Self> {
        (!tariffs.is_empty()).then_some(Self(tariffs))
    }

    /// The tariff of a day; before the first one, nothing costs anything and this is none.
    pub fn on(&self, day: Date) -> Option<&Tariff> {
        self.0.range(..=day).next_back().map(|(_, tariff)| tariff)
    }

    /// All tariffs by their first day.
    pub fn iter(&self) -> impl Iterator<Item = (Date, &Tariff)> {
        self.0.iter().map(|(from, tariff)| (*from, tariff))
    }
}

/// What was done for an assignment on a day: one local authority's, as its log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The assignment.
    pub assignment: AssignmentId,
    /// The day in Brussels.
    pub day: Date,
    /// Runs that day.
    pub runs: u64,
    /// Files of data or payments delivered that day.
    pub files: u64,
    /// Letters given to the printer that day.
    pub letters: u64,
}

/// What a line of a bill is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// The year itself.
    Year,
    /// An assignment that was run.
    Assignment,
    /// Its runs.
    Run,
    /// Its files.
    File,
    /// Its letters.
    Letter,
}

impl Item {
    /// The name in CSV and JSON, and the tariff's key without `per_`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Assignment => "assignment",
            Self::Run => "run",
            Self::File => "file",
            Self::Letter => "letter",
        }
    }
}

/// A line of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillLine {
    /// The assignment; none for the year's own line.
    pub assignment: Option<AssignmentId>,
    /// What it is for.
    pub item: Item,
    /// How many.
    pub number: u64,
    /// What one costs; may be zero.
    pub price: Amount,
}

impl BillLine {
    /// What all of them cost.
    pub fn total(&self) -> Amount {
        self.price.times(self.number)
    }
}

/// What a local authority pays for a year.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bill {
    /// By assignment, the year's own line first; then by item, then by price. A thing that changed its price has a
    /// line for each.
    pub lines: Vec<BillLine>,
    /// What was done on days before the first tariff: it is on no line, which a bill has to say.
    pub without_tariff: Uncharged,
}

/// What was done that no tariff charges for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uncharged {
    /// Runs.
    pub runs: u64,
    /// Files of data or payments.
    pub files: u64,
    /// Letters.
    pub letters: u64,
}

impl Uncharged {
    /// Whether there is nothing.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl Bill {
    /// Whether it says nothing: nothing was done that year.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.without_tariff.is_none()
    }

    /// The whole.
    pub fn total(&self) -> Amount {
        self.lines.iter().map(BillLine::total).sum()
    }

    /// What one assignment costs.
    pub fn of(&self, assignment: &AssignmentId) -> Amount {
        self.lines.iter().filter(|line| line.assignment.as_ref() == Some(assignment)).map(BillLine::total).sum()
    }
}

/// The bill of a calendar year. What happened in other years is left out.
///
/// An assignment, and the year itself, cost what the tariff of their first run in that year says.
pub fn bill(costs: &Costs, year: i16, activities: &[Activity]) -> Bill {
    let mut ordered: Vec<&Activity> = activities.iter().filter(|activity| activity.day.year() == year).collect();
    ordered.sort_by_key(|activity| activity.day);
    let mut numbers: BTreeMap<(Option<&AssignmentId>, Item, Amount), u64> = BTreeMap::new();
    let mut begun: BTreeSet<Option<&AssignmentId>> = BTreeSet::new();
    let mut without_tariff = Uncharged::default();
    for activity in ordered {
        let Some(tariff) = costs.on(activity.day) else {
            without_tariff.runs += activity.runs;
            without_tariff.files += activity.files;
            without_tariff.letters += activity.letters;
            continue;
        };
        let assignment = Some(&activity.assignment);
        let mut add = |of, item, price, number| {
            if number > 0 {
                *numbers.entry((of, item, price)).or_default() += number;
            }
        };
        if activity.runs > 0 {
            add(None, Item::Year, tariff.per_year, u64::from(begun.insert(None)));
            add(assignment, Item::Assignment, tariff.per_assignment, u64::from(begun.insert(assignment)));
        }
        add(assignment, Item::Run, tariff.per_run, activity.runs);
        add(assignment, Item::File, tariff.per_file, activity.files);
        add(assignment, Item::Letter, tariff.per_letter, activity.letters);
    }
    let line = |((assignment, item, price), number): ((Option<&AssignmentId>, Item, Amount), u64)| BillLine {
        assignment: assignment.cloned(),
        item,
        number,
        price,
    };
    Bill { lines: numbers.into_iter().map(line).collect(), without_tariff }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn costs() -> Costs {
        let euros = |text: &str| text.parse().unwrap();
        let tariff = |year, letter| Tariff {
            per_year: euros(year),
            per_assignment: euros("500.00"),
            per_run: euros("150.00"),
            per_file: Amount::ZERO,
            per_letter: euros(letter),
        };
        let tariffs = [(date(2026, 1, 1), tariff("250.00", "1.10")), (date(2026, 7, 1), tariff("300.00", "1.15"))];
        Costs::new(tariffs.into()).unwrap()
    }

    fn activity(assignment: &str, day: Date, [runs, files, letters]: [u64; 3]) -> Activity {
        Activity { assignment: assignment.parse().unwrap(), day, runs, files, letters }
    }

    #[test]
    fn a_tariff_holds_from_its_first_day() {
        let costs = costs();
        let letter = |day| costs.on(day).map(|tariff| tariff.per_letter.cents());
        assert_eq!(letter(date(2025, 12, 31)), None);
        assert_eq!((letter(date(2026, 1, 1)), letter(date(2026, 6, 30))), (Some(110), Some(110)));
        assert_eq!((letter(date(2026, 7, 1)), letter(date(2030, 1, 1))), (Some(115), Some(115)));
        assert_eq!(Costs::new(BTreeMap::new()), None);
    }

    #[test]
    fn a_bill_counts_each_thing_at_the_price_of_its_day() {
        let activities = [
            activity("b-2026", date(2026, 7, 1), [1, 3, 100]),
            activity("a-2026", date(2026, 6, 30), [1, 2, 10]),
            activity("a-2026", date(2026, 9, 1), [2, 0, 20]),
            activity("a-2026", date(2025, 9, 1), [9, 9, 9]),
            activity("a-2026", date(2027, 1, 1), [9, 9, 9]),
        ];
        let bill = bill(&costs(), 2026, &activities);
        let lines: Vec<String> = bill
            .lines
            .iter()
            .map(|line| {
                let of = line.assignment.as_ref().map_or("-", AssignmentId::as_str);
                format!("{of} {} {} x {} = {}", line.item.name(), line.number, line.price, line.total())
            })
            .collect();
        assert_eq!(
            lines,
            [
                "- year 1 x 250.00 = 250.00",
                "a-2026 assignment 1 x 500.00 = 500.00",
                "a-2026 run 3 x 150.00 = 450.00",
                "a-2026 file 2 x 0.00 = 0.00",
                "a-2026 letter 10 x 1.10 = 11.00",
                "a-2026 letter 20 x 1.15 = 23.00",
                "b-2026 assignment 1 x 500.00 = 500.00",
                "b-2026 run 1 x 150.00 = 150.00",
                "b-2026 file 3 x 0.00 = 0.00",
                "b-2026 letter 100 x 1.15 = 115.00",
            ]
        );
        assert_eq!((bill.total().cents(), bill.of(&"a-2026".parse().unwrap()).cents()), (199_900, 98_400));
    }

    #[test]
    fn nothing_done_is_nothing_to_pay() {
        assert_eq!(bill(&costs(), 2026, &[]), Bill::default());
        let early = [activity("a-2025", date(2025, 5, 1), [1, 2, 3])];
        let without_tariff = Uncharged { runs: 1, files: 2, letters: 3 };
        let early = bill(&costs(), 2025, &early);
        assert_eq!(early, Bill { lines: Vec::new(), without_tariff });
        assert!(!early.is_empty() && Bill::default().is_empty());
    }
}
