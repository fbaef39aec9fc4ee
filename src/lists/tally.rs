//! Gathering rows into a list: first places, duplicates, ages, remarks, counts, and the limits on them.

use jiff::civil::Date;
use zeroize::Zeroizing;

use super::{
    Counts, Limits, Line, List, ListFault, Places, Problem, Remark,
    births::{BirthFacts, Births},
    cell::Cell,
    header::Layout,
};
use crate::domain::{AgeCheck, Niss, PlacedNiss, placed};

/// A list of which more than so many numbers in a hundred are of people above the age limit is refused: of a whole
/// municipality some 72 are, of its parents 97 or more. Answered, it would use its protocol up for nothing.
const MOST_OUTSIDE_AGE_PERCENT: usize = 90;

/// A list in the making.
pub struct Tally {
    limits: Limits,
    column: u32,
    births: Births,
    children: Zeroizing<Vec<Line>>,
    remarks: Vec<Remark>,
    counts: Counts,
    places: Places,
}

impl Tally {
    /// An empty list with that layout; `rows_expected` is a guess for the memory it will take.
    pub fn new(layout: Layout, rows_expected: usize, limits: &Limits, today: Date) -> Self {
        let room = rows_expected.min(limits.rows);
        Self {
            limits: *limits,
            column: u32::try_from(layout.column + 1).unwrap_or(u32::MAX),
            births: Births::new(today),
            children: Zeroizing::new(Vec::with_capacity(room)),
            remarks: Vec::new(),
            counts: Counts { ignored_columns: layout.columns.saturating_sub(1), ..Counts::default() },
            places: Places::Lines,
        }
    }

    /// The same, of a sheet.
    pub fn in_cells(self) -> Self {
        Self { places: Places::Cells, ..self }
    }

    /// Adds a row that is not blank. Rows above the limit are only counted.
    #[inline]
    pub fn row(&mut self, line: u32, cell: Cell) {
        self.counts.rows += 1;
        if self.counts.rows > self.limits.rows {
            return;
        }
        match cell {
            Cell::Valid { niss, restored } => self.number(line, niss, restored),
            Cell::Invalid(problem) => self.invalid(line, problem),
            // Something stands on the row, but not where the number should be.
            Cell::Empty => self.invalid(line, Problem::Format),
        }
    }

    fn number(&mut self, line: u32, niss: Niss, restored: bool) {
        let BirthFacts { future, age, known } = self.births.of(niss);
        if future {
            return self.invalid(line, Problem::BirthDate);
        }
        self.counts.valid += 1;
        if restored {
            self.counts.repaired += 1;
            self.remark(line, Problem::Restored);
        }
        self.children.push(Line { niss, line, age, birth_is_known: known });
    }

    fn invalid(&mut self, line: u32, problem: Problem) {
        self.counts.invalid += 1;
        self.remark(line, problem);
    }

    fn remark(&mut self, line: u32, problem: Problem) {
        self.remarks.push(Remark { line, column: self.column, problem });
    }

    /// Adds what was gathered from the rows that follow, whose lines were counted from below so many.
    pub fn add(&mut self, following: Self, lines_before: u32) {
        let Counts { rows, valid, repaired, invalid, .. } = following.counts;
        self.counts.rows += rows;
        self.counts.valid += valid;
        self.counts.repaired += repaired;
        self.counts.invalid += invalid;
        let below = |line: u32| line.saturating_add(lines_before);
        self.children.extend(following.children.iter().map(|child| Line { line: below(child.line), ..*child }));
        let remarks = following.remarks.into_iter();
        self.remarks.extend(remarks.map(|remark| Remark { line: below(remark.line), ..remark }));
    }

    /// The list, when its limits are kept.
    pub fn finish(mut self, ignored_sheets: usize) -> Result<List, ListFault> {
        let Counts { rows, invalid, .. } = self.counts;
        if rows == 0 {
            return Err(ListFault::Empty);
        }
        if rows > self.limits.rows {
            return Err(ListFault::TooManyRows { rows, limit: self.limits.rows });
        }
        let percent = self.limits.max_invalid_percent;
        if invalid.saturating_mul(100) > rows.saturating_mul(usize::from(percent)) {
            let (remarks, places) = (self.remarks, self.places);
            return Err(ListFault::TooManyInvalid { invalid, rows, percent, remarks, places });
        }
        let ascending = self.without_duplicates();
        self.look_at_births();
        let (outside, numbers) = (self.counts.outside_age, self.children.len());
        if outside.saturating_mul(100) > numbers.saturating_mul(MOST_OUTSIDE_AGE_PERCENT) {
            return Err(ListFault::OutsideAge { outside, numbers, column: self.column, places: self.places });
        }
        self.remarks.sort_by_key(|remark| remark.line);
        let counts = Counts { ignored_sheets, distinct: self.children.len(), ..self.counts };
        let Self { children, remarks, column, places, .. } = self;
        Ok(List { children, ascending, remarks, counts, column, places })
    }

    /// Keeps each number at its first place, and gives them in order.
    fn without_duplicates(&mut self) -> Zeroizing<Vec<PlacedNiss>> {
        let ascending = ascending(&self.children);
        let equal = ascending.array_windows().filter(|[one, other]| one.key() == other.key());
        let mut duplicates: Vec<u32> = equal.map(|[_, later]| later.place()).collect();
        if duplicates.is_empty() {
            return ascending;
        }
        duplicates.sort_unstable();
        self.counts.duplicate = duplicates.len();
        let (mut next, mut place) = (duplicates.into_iter().peekable(), 0);
        let (remarks, column) = (&mut self.remarks, self.column);
        self.children.retain(|child| {
            let is_duplicate = next.next_if_eq(&place).is_some();
            place += 1;
            if is_duplicate {
                remarks.push(Remark { line: child.line, column, problem: Problem::Duplicate });
            }
            !is_duplicate
        });
        // The places have changed.
        self::ascending(&self.children)
    }

    /// Counts and remarks the children whose number gives no whole date, or one of long ago.
    fn look_at_births(&mut self) {
        for child in self.children.iter() {
            let column = self.column;
            let mut remark = |problem| self.remarks.push(Remark { line: child.line, column, problem });
            if child.age == AgeCheck::Reached {
                self.counts.outside_age += 1;
                remark(Problem::OutsideAge);
            }
            if !child.birth_is_known {
                self.counts.unknown_date += 1;
                remark(Problem::UnknownDate);
            }
        }
    }
}

/// The numbers of children in order, each with its place.
fn ascending(children: &[Line]) -> Zeroizing<Vec<PlacedNiss>> {
    let placed = (0..).zip(children).map(|(place, child)| PlacedNiss::new(child.niss, place));
    let mut ascending = Zeroizing::new(placed.collect());
    placed::sort(&mut ascending);
    ascending
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn tally(cells: &[&str], limits: &Limits) -> Result<List, ListFault> {
        let layout = Layout { column: 0, columns: 1, header_line: 0 };
        let mut tally = Tally::new(layout, 0, limits, date(2026, 11, 21));
        for (line, cell) in (1..).zip(cells) {
            tally.row(line, Cell::read(cell.as_bytes()));
        }
        tally.finish(0)
    }

    #[test]
    fn rows_divide_into_counts() {
        let cells = [
            "17073003384",
            "17073003384",
            "17073003355",
            "00000100195",
            "14000001121",
            "5060700261",
            "12345678901",
            "27112000271",
        ];
        let list = tally(&cells, &Limits { max_invalid_percent: 25, ..Limits::default() }).unwrap();
        let counts = Counts {
            rows: 8,
            distinct: 5,
            valid: 6,
            repaired: 1,
            invalid: 2,
            duplicate: 1,
            outside_age: 1,
            unknown_date: 2,
            ignored_columns: 0,
            ignored_sheets: 0,
        };
        assert_eq!(list.counts, counts);
        let remarks: Vec<_> = list.remarks.iter().map(|remark| (remark.line, remark.problem.code())).collect();
        let expected = [
            (2, "dubbel"),
            (3, "buiten-leeftijd"),
            (4, "onbekende-datum"),
            (5, "onbekende-datum"),
            (6, "hersteld"),
            (7, "ongeldig-controlegetal"),
            (8, "ongeldige-datum"),
        ];
        assert_eq!(remarks, expected);
        let within: Vec<_> = list.children.iter().map(|child| (child.line, child.is_within_age())).collect();
        assert_eq!(within, [(1, true), (3, false), (4, true), (5, true), (6, true)]);
    }

    #[test]
    fn limits_are_kept_to_the_row() {
        let limits = Limits { rows: 2, max_invalid_percent: 50 };
        assert!(tally(&["17073003384", "x"], &limits).is_ok());
        assert_eq!(tally(&["17073003384", "x", "y"], &limits), Err(ListFault::TooManyRows { rows: 3, limit: 2 }));
        let strict = Limits { rows: 2, max_invalid_percent: 49 };
        let fault = tally(&["17073003384", "x"], &strict).unwrap_err();
        assert_eq!(fault.remarks(), [Remark { line: 2, column: 1, problem: Problem::Format }]);
        assert_eq!(tally(&[], &limits), Err(ListFault::Empty));
    }
}
