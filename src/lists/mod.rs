//! Reading a municipality's list in whatever shape it comes (FORMATS.md, section 3).
//!
//! Owns what the content of an upload means: text in several encodings, or a workbook; a header or none; numbers as
//! people and spreadsheets write them. Its input has been opened already; nothing here does input or output.
//!
//! Invariants: the content decides, never the file's name; [`List::children`] holds each valid number once, in the
//! order of the list; memory and time are bounded by [`Limits`] and by the constants of `workbook`; no message
//! repeats a number or the text of a cell. A list is refused as a whole with a [`ListFault`] rather than guessed at.

mod births;
mod cell;
mod encoding;
mod fault;
mod header;
mod problem;
mod seems;
mod sheet;
mod tally;
mod text;
mod workbook;
mod xml;

use jiff::civil::Date;
use zeroize::{Zeroize, Zeroizing};

use crate::domain::{AgeCheck, Niss, PlacedNiss};

pub use fault::ListFault;
pub use problem::{Places, Problem, Remark};
pub use seems::Seems;

/// Children are answered up to the day before this birthday, years ("0 tot 25", DOMAIN.md, section 3).
pub const AGE_LIMIT_YEARS: i16 = 25;

/// Bounds on one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows with data, at most.
    pub rows: usize,
    /// Rows without a valid number, at most, in percent of the rows.
    pub max_invalid_percent: u8,
}

impl Default for Limits {
    /// Three times the largest city's children, and one row in ten.
    fn default() -> Self {
        Self { rows: 500_000, max_invalid_percent: 10 }
    }
}

/// A child of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The number.
    pub niss: Niss,
    /// The line of the file, or the row of the sheet, from 1.
    pub line: u32,
    /// Whether the age limit is reached: such a child gets no answer. An undecided one does.
    pub age: AgeCheck,
    /// Whether the number gives the whole birth date.
    pub birth_is_known: bool,
}

impl Line {
    /// Whether the child may be answered: it has not certainly reached [`AGE_LIMIT_YEARS`].
    pub fn is_within_age(&self) -> bool {
        self.age != AgeCheck::Reached
    }
}

impl Zeroize for Line {
    fn zeroize(&mut self) {
        self.niss.zeroize();
    }
}

/// How the rows of a list divide: `rows = valid + invalid`, `distinct = valid - duplicate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows with data; blank rows, the header and what stands above it are none.
    pub rows: usize,
    /// Different valid numbers.
    pub distinct: usize,
    /// Rows with a valid number.
    pub valid: usize,
    /// Valid rows whose leading zeros were given back.
    pub repaired: usize,
    /// Rows without a valid number.
    pub invalid: usize,
    /// Rows whose number stands on an earlier row.
    pub duplicate: usize,
    /// Different numbers of persons who reached the age limit.
    pub outside_age: usize,
    /// Different numbers that do not give the whole birth date.
    pub unknown_date: usize,
    /// Columns beside the numbers.
    pub ignored_columns: usize,
    /// Further visible sheets of a workbook that hold something; none of them holds numbers.
    pub ignored_sheets: usize,
}

/// A list that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Each valid number at its first place, in the order of the list.
    pub children: Zeroizing<Vec<Line>>,
    /// The same in ascending order of the number.
    ascending: Zeroizing<Vec<PlacedNiss>>,
    /// What the sender should know of single rows, in the order of the list.
    pub remarks: Vec<Remark>,
    /// How the rows divide.
    pub counts: Counts,
    /// The column of the numbers, from 1.
    pub column: u32,
    /// How places in it are named.
    pub places: Places,
}

impl List {
    /// The numbers in ascending order, each with its child's place in [`List::children`].
    pub fn ascending(&self) -> &[PlacedNiss] {
        &self.ascending
    }
}

/// Reads a list.
///
/// `bytes` is the whole list, opened; `name` is the upload's name without `.age`, which only helps to say what a file
/// that cannot be read may be; `today` is the day in Brussels.
///
/// # Errors
/// [`ListFault`], the first that holds.
pub fn read(bytes: &[u8], name: &str, limits: &Limits, today: Date) -> Result<List, ListFault> {
    if workbook::is_zip(bytes) {
        return workbook::read(bytes, limits, today);
    }
    match seems::compound_file(bytes) {
        Some(seems::Compound::Encrypted) => return Err(ListFault::EncryptedWorkbook),
        Some(seems::Compound::Plain(seems)) => return Err(ListFault::NotAList { seems }),
        None => {}
    }
    if let Some(seems) = Seems::by_magic(bytes) {
        return Err(ListFault::NotAList { seems });
    }
    text::read(bytes, name, limits, today)
}

#[cfg(test)]
mod tests;
