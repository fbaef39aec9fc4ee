//! The Groeipakket extract in memory (FORMATS section 4).
//!
//! Owns: reading an extract, the compact form of it, looking a child up, and making a synthetic extract.
//!
//! Invariants: a [`Register`] is whole and never changes; every value in it was checked, all rows are of one month,
//! a (child, beneficiary) stands in it once, the rows of a child agree on birth date and domicile, and their shares
//! of a source add up to 1 at most. The plaintext is never whole in memory, and names, addresses and numbers are
//! wiped when the register goes.
//!
//! Refuses: an extract with anything at fault, by line and column and without telling the value ([`RegisterFault`]).
//! It does not refuse a birth date other than that of the NISS: a date is corrected sooner than a number is replaced.

use std::{fmt, io::Read};

use crate::domain::{Municipalities, NisCode, Niss, SourceCatalogue};

mod chunks;
mod fault;
mod index;
mod layout;
mod load;
mod month;
mod row;
mod sources;
mod text;
mod view;

pub mod synth;

pub use fault::{CellProblem, Field, HeaderProblem, LineProblem, RegisterFault};
pub use layout::{LINE_LIMIT_BYTES, MOST_HOUSEHOLDS, MOST_ROWS};
pub use month::{MonthFault, ReferenceMonth};
pub use view::{Address, Child, Entitlement, Household};

use index::{BLOCK, Index};
use row::{RowAt, Rows};
use sources::SourceSet;
use text::Texts;

/// An extract, loaded. Share it in an `Arc` and replace it whole.
pub struct Register {
    month: ReferenceMonth,
    catalogue: SourceCatalogue,
    municipalities: Vec<NisCode>,
    source_sets: Vec<SourceSet>,
    rows: Rows,
    texts: Texts,
    /// The first row of each child, by its number.
    index: Index,
    /// The other rows of a child: (first row, later row), sorted.
    later: Vec<(RowAt, RowAt)>,
}

impl Register {
    /// Reads the plaintext of an extract to its end: `;`-separated, the columns in any order, values in quotes where
    /// they need them, LF or CRLF, with or without a byte order mark.
    ///
    /// Reading, hence decrypting, happens on a thread of its own. At most one mebibyte of the plaintext is in memory
    /// at any moment.
    ///
    /// # Errors
    /// [`RegisterFault`], the first that is met; faults between rows (a row that stands twice) after all others.
    pub fn read(
        input: impl Read + Send,
        catalogue: &SourceCatalogue,
        municipalities: &Municipalities,
    ) -> Result<Self, RegisterFault> {
        let mut loader = load::Loader::new(catalogue, municipalities);
        chunks::for_each(input, load::is_clean, |lines, clean| loader.take(lines, clean))?;
        loader.finish()
    }

    /// The month whose rights it gives.
    pub fn month(&self) -> ReferenceMonth {
        self.month
    }

    /// The catalogue by which it was loaded: every [`crate::domain::SourceId`] of this register is one of it.
    pub fn catalogue(&self) -> &SourceCatalogue {
        &self.catalogue
    }

    /// How many rows it has: one per (child, beneficiary).
    pub fn rows(&self) -> usize {
        self.rows.len() as usize
    }

    /// How many children it has.
    pub fn children(&self) -> usize {
        self.index.len()
    }

    /// Bytes it takes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let sets: usize = self.source_sets.iter().map(|set| size_of_val(&*set.shares) + size_of::<SourceSet>()).sum();
        let later = self.later.capacity() * size_of::<(RowAt, RowAt)>();
        let municipalities = self.municipalities.capacity() * size_of::<NisCode>();
        self.rows.heap_bytes() + self.texts.heap_bytes() + self.index.heap_bytes() + sets + later + municipalities
    }

    /// The child with that number.
    pub fn find(&self, niss: Niss) -> Option<Child<'_>> {
        let at = self.index.find(niss)?;
        self.rows.row(at).map(|first| Child { register: self, first, at })
    }

    /// Looks up many numbers, several times as fast as one after another: `each` gets every number's place in
    /// `numbers`, in order, and its child, if the register has it.
    pub fn find_each<'a>(&'a self, numbers: &[Niss], mut each: impl FnMut(usize, Option<Child<'a>>)) {
        let mut rows = [None; BLOCK];
        let mut at = 0;
        for block in numbers.chunks(BLOCK) {
            self.index.find_block(block, &mut rows);
            // The rows are all asked for before any is looked at, as in the index.
            let found = rows.iter().take(block.len()).flatten().filter_map(|row| self.rows.row(*row));
            std::hint::black_box(found.fold(0, |mixed, row| mixed ^ row.sources));
            for row in rows.iter().take(block.len()) {
                let child = row.and_then(|at| self.rows.row(at).map(|first| Child { register: self, first, at }));
                each(at, child);
                at += 1;
            }
        }
    }

    /// All rows, in the order of the extract.
    pub fn households(&self) -> impl Iterator<Item = Household<'_>> {
        self.rows.iter().map(|row| Household { register: self, row })
    }

    fn later_rows(&self, first: RowAt) -> &[(RowAt, RowAt)] {
        let start = self.later.partition_point(|(other, _)| *other < first);
        let rest = self.later.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|(other, _)| *other == first)).unwrap_or_default()
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Register({}, {} rows, {} children)", self.month, self.rows(), self.children())
    }
}

#[cfg(test)]
mod tests;
