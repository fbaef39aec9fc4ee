//! What a simulation tells, number by number, so that none gives few people away, by itself or with the others.
//!
//! A reader takes numbers from one another and adds them up. So a number is withheld that differs by 1 to 4 from one that
//! is known: told before, a cell of a table, what a table withholds in all, or what is left of the selection beside one of
//! these. Of numbers that come of one criterion, which count parts of the same people, sums and differences of two
//! are known as well.

use crate::domain::{
    Count,
    statistics::{SMALLEST_SHOWN, Table},
};

/// The group of criteria that demand sources, and of the cells of sources.
const SOURCES: &str = "sources";

/// What was told so far about children, about families, or about beneficiaries.
pub(super) struct Told {
    /// How many the selection has.
    whole: u64,
    /// What was told, with the group of criteria that it came of.
    numbers: Vec<(String, u64)>,
    /// What the tables of the selection tell.
    cells: Vec<u64>,
    partitions: Vec<Partition>,
}

/// A table in which everybody is counted once.
struct Partition {
    /// Its shown cells.
    shown: Vec<(String, u64)>,
    /// Its withheld cells.
    withheld: Vec<(String, u64)>,
    /// What is known of the withheld cells: of all together, and of parts.
    rests: Vec<u64>,
}

impl Told {
    /// Of the selection itself, whose number others are compared with also where it is withheld.
    pub fn of(whole: u64) -> Self {
        Self { whole, numbers: Vec::new(), cells: Vec::new(), partitions: Vec::new() }
    }

    /// With a table of the selection in which everybody is counted once.
    pub fn with_partition(mut self, table: &Table, counts: &[(String, u64)]) -> Self {
        let cells = counts.iter().cloned().zip(&table.cells);
        let (shown, withheld): (Vec<_>, Vec<_>) = cells.partition(|(_, cell)| cell.count != Count::WITHHELD);
        let [shown, withheld] =
            [shown, withheld].map(|cells| cells.into_iter().map(|(cell, _)| cell).collect::<Vec<_>>());
        let rest = withheld.iter().map(|(_, number)| number).sum();
        let known = shown.iter().map(|(_, number)| *number).chain([rest]);
        self.cells.extend(known.flat_map(|number| [number, self.whole.abs_diff(number)]));
        self.partitions.push(Partition { shown, withheld, rests: vec![rest] });
        self
    }

    /// With a table of the selection by source, in which somebody may be counted several times.
    pub fn with_sources(mut self, table: &Table) -> Self {
        let shown = table.cells.iter().filter_map(|cell| cell.count.shown());
        self.numbers.extend(shown.map(|number| (SOURCES.to_owned(), number)));
        self
    }

    /// A number that comes of a criterion, whose name the change begins with, where it may be told. `tables` are those of
    /// the people that it counts, in the order of the partitions; none where nobody knows who they are.
    pub fn count(&mut self, number: u64, change: &str, tables: &[&[(String, u64)]]) -> Count {
        let group = group_of(change);
        let related = self.numbers.iter().filter(|(of, _)| of == group).map(|(_, told)| *told).chain([self.whole]);
        let beside = self.numbers.iter().flat_map(|(_, told)| [*told, self.whole.abs_diff(*told)]);
        let mut known = beside.chain([self.whole]).chain(self.cells.iter().copied());
        let rests: Vec<Option<u64>> =
            self.partitions.iter().zip(tables).map(|(partition, table)| partition.rest_of(table)).collect();
        let gives_rest = |(partition, rest): (&Partition, &Option<u64>)| {
            let near = |rest: u64| is_few(rest) || partition.rests.iter().any(|known| is_near(rest, *known));
            rest.is_some_and(|rest| near(rest) || is_combined(rest, &partition.rests))
        };
        if is_few(number)
            || known.any(|known| is_near(number, known))
            || is_combined(number, &related.collect::<Vec<_>>())
            || self.partitions.iter().zip(&rests).any(gives_rest)
        {
            return Count::WITHHELD;
        }
        self.numbers.push((group.to_owned(), number));
        for (partition, rest) in self.partitions.iter_mut().zip(rests) {
            partition.rests.extend(rest);
        }
        Count::of(number)
    }
}

impl Partition {
    /// How many of the withheld cells are among people that a table counts, where a reader can tell: they have each shown
    /// cell whole, or nothing of it.
    fn rest_of(&self, table: &[(String, u64)]) -> Option<u64> {
        let mut rest = 0;
        for (label, number) in table {
            let is_it = |(of, _): &&(String, u64)| of == label;
            match (self.shown.iter().find(is_it), self.withheld.iter().find(is_it)) {
                (Some((_, whole)), _) if whole == number => {}
                (None, Some((_, whole))) if number <= whole => rest += number,
                _ => return None,
            }
        }
        Some(rest)
    }
}

/// The criteria whose numbers count parts of the same people: `born` of `born.from=2014-01-01`.
fn group_of(change: &str) -> &str {
    match change.split(['.', '=']).next().unwrap_or(change) {
        "any_of" | "all_of" | "none_of" => SOURCES,
        criterion => criterion,
    }
}

fn is_few(number: u64) -> bool {
    (1..SMALLEST_SHOWN).contains(&number)
}

fn is_near(one: u64, other: u64) -> bool {
    is_few(one.abs_diff(other))
}

/// Whether what two numbers come to, or differ by, is so near that few people are left: once, or twice, as are those that
/// two groups have in common when a third is of those in one of both.
fn is_combined(number: u64, known: &[u64]) -> bool {
    let leaves_few = |left: u64| is_few(left) || left.is_multiple_of(2) && is_few(left / 2);
    known.iter().enumerate().any(|(at, one)| {
        let mut others = known.iter().skip(at + 1);
        others.any(|other| [one + other, one.abs_diff(*other)].into_iter().any(|sum| leaves_few(number.abs_diff(sum))))
    })
}
