//! Counts that may be shown to who may not see data: those of fewer than [`SMALLEST_SHOWN`] are withheld, and so are
//! those from which they could be worked out. Numbers that anybody may ask for in many ways, and take from one another,
//! are rounded at random besides, as statistical offices do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Counts from 1 to below this tell too much of few people (DOMAIN section 2).
pub const SMALLEST_SHOWN: u64 = 5;

/// What a rounded count is a multiple of. No more than [`SMALLEST_SHOWN`], so that none is rounded below it.
const ROUNDED_TO: u64 = 5;

/// A count that may be shown: a number, or that it is withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Count(Option<u64>);

impl Count {
    /// A count that is not shown.
    pub const WITHHELD: Self = Self(None);

    /// The count where it may stand by itself: none, or [`SMALLEST_SHOWN`] and more.
    pub fn of(number: u64) -> Self {
        if (1..SMALLEST_SHOWN).contains(&number) { Self::WITHHELD } else { Self(Some(number)) }
    }

    /// The count where it may stand by itself, as a multiple of 5: the one above it or the one below it, by a number that
    /// was drawn. The one above is as likely as the count is near to it, so that many together are right on average.
    pub fn rounded(number: u64, drawn: u64) -> Self {
        let up_by = drawn % ROUNDED_TO;
        Self(Self::of(number).0.map(|number| (number + up_by) / ROUNDED_TO * ROUNDED_TO))
    }

    /// Nobody, where nothing else is said.
    pub fn zero() -> Self {
        Self(Some(0))
    }

    /// Whether it is nobody.
    pub fn is_zero(&self) -> bool {
        *self == Self::zero()
    }

    /// The number; none where it is withheld.
    pub fn shown(self) -> Option<u64> {
        self.0
    }

    /// The number, where the larger one that it is taken from is shown too: what is left may not be too few either.
    pub fn within(number: u64, whole: u64) -> Self {
        if Self::of(whole.saturating_sub(number)) == Self::WITHHELD { Self::WITHHELD } else { Self::of(number) }
    }
}

impl fmt::Display for Count {
    /// The number, or `…`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(formatter),
            None => formatter.write_str("…"),
        }
    }
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What is counted: an age, a postcode, a source's code, a family size.
    pub label: String,
    /// How many.
    pub count: Count,
}

/// Counts by one property. None of its cells can be worked out from the others and the total.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Table {
    /// The rows in their order; empty where nothing could be shown.
    pub cells: Vec<Cell>,
}

impl Table {
    /// A table in which everybody is counted once, so that its cells add up to a total that is shown.
    ///
    /// Where a cell is withheld, the smallest cell of the others is withheld with it: what is missing from the total
    /// is then at least [`SMALLEST_SHOWN`] and not of one cell. Where no such cell is left there is no table.
    pub fn partition(counts: impl IntoIterator<Item = (String, u64)>) -> Self {
        let counts: Vec<(String, u64)> = counts.into_iter().collect();
        let small = |number: u64| (1..SMALLEST_SHOWN).contains(&number);
        let mut second = None;
        if counts.iter().any(|(_, number)| small(*number)) {
            let others = counts.iter().enumerate().filter(|(_, (_, number))| *number >= SMALLEST_SHOWN);
            let Some((at, _)) = others.min_by_key(|(_, (_, number))| *number) else { return Self::default() };
            second = Some(at);
        }
        let cells = counts.into_iter().enumerate().map(|(at, (label, number))| Cell {
            label,
            count: if second == Some(at) { Count::WITHHELD } else { Count::of(number) },
        });
        Self { cells: cells.collect() }
    }

    /// A table in which somebody may be counted several times or not at all, of so many in all.
    pub fn of_properties(counts: impl IntoIterator<Item = (String, u64)>, total: u64) -> Self {
        let cells = counts.into_iter().map(|(label, number)| Cell { label, count: Count::within(number, total) });
        Self { cells: cells.collect() }
    }

    /// Whether a cell is withheld.
    pub fn withholds(&self) -> bool {
        self.cells.iter().any(|cell| cell.count == Count::WITHHELD)
    }
}

/// What may be shown of a selection to who has no protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Families that would get something for one of the selected children: a child of two households may bring two.
    pub families: Count,
    /// Selected children.
    pub children: Count,
    /// Who would get something for one of the selected children.
    pub beneficiaries: Count,
    /// Children by age in years on the day; `?` where the birth date is unknown.
    pub by_age: Table,
    /// Children by the postcode of their domicile.
    pub by_postcode: Table,
    /// Children by source (its code); one may have several.
    pub by_source: Table,
    /// Families by how many children they have, selected or not.
    pub by_family_size: Table,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(counts: &[u64]) -> Table {
        Table::partition(counts.iter().enumerate().map(|(at, count)| (at.to_string(), *count)))
    }

    fn shown(table: &Table) -> Vec<Option<u64>> {
        table.cells.iter().map(|cell| cell.count.shown()).collect()
    }

    #[test]
    fn a_small_cell_takes_the_smallest_other_with_it() {
        assert_eq!(shown(&table(&[10, 0, 7, 30])), [Some(10), Some(0), Some(7), Some(30)]);
        assert_eq!(shown(&table(&[10, 3, 7, 30])), [Some(10), None, None, Some(30)]);
        assert_eq!(shown(&table(&[4, 4])), []);
    }

    #[test]
    fn what_a_count_leaves_out_may_not_be_too_few() {
        assert_eq!(Count::within(98, 100), Count::WITHHELD);
        assert_eq!(Count::within(95, 100).shown(), Some(95));
        assert_eq!(Count::within(100, 100).shown(), Some(100));
        assert_eq!(Count::within(4, 100), Count::WITHHELD);
    }

    #[test]
    fn a_rounded_count_is_near_the_truth_and_right_on_average() {
        for number in 0..100 {
            let rounded: Vec<Option<u64>> = (0..5).map(|drawn| Count::rounded(number, drawn).shown()).collect();
            if (1..SMALLEST_SHOWN).contains(&number) {
                assert_eq!(rounded, [None; 5], "{number}");
                continue;
            }
            let told: Vec<u64> = rounded.into_iter().map(Option::unwrap).collect();
            let fits = |told: &u64| told.is_multiple_of(5) && told.abs_diff(number) < 5 && (*told >= 5) == (number > 0);
            assert!(told.iter().all(fits), "{number}: {told:?}");
            assert_eq!(told.iter().sum::<u64>(), 5 * number, "{told:?}");
        }
    }

    proptest! {
        #[test]
        fn no_small_cell_can_be_worked_out(counts in prop::collection::vec(0_u64..12, 0..9)) {
            let table = table(&counts);
            let withheld: Vec<u64> =
                counts.iter().zip(&table.cells).filter(|(_, cell)| cell.count == Count::WITHHELD).map(|(n, _)| *n).collect();
            for (count, cell) in counts.iter().zip(&table.cells) {
                prop_assert!(cell.count.shown().is_none_or(|shown| shown == *count && !(1..SMALLEST_SHOWN).contains(&shown)));
            }
            if !withheld.is_empty() {
                // The total gives away the sum of what is withheld: of two cells at least, and not of too few.
                prop_assert!(withheld.len() >= 2);
                prop_assert!(withheld.iter().sum::<u64>() > SMALLEST_SHOWN);
            }
        }
    }
}
