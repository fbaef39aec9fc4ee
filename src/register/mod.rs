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

use std::{fmt, hint::black_box, io::Read, ops::BitXor};

use crate::domain::{Municipalities, NisCode, Niss, SourceCatalogue, SourceId};

mod change;
mod chunks;
mod cut;
mod fault;
mod index;
mod layout;
mod load;
mod many;
mod month;
mod row;
mod select;
mod sources;
mod statistics;
mod text;
mod view;

pub mod synth;

pub use change::{Extent, UnlikelyChange};
pub use fault::{CellProblem, Field, HeaderProblem, LineProblem, RegisterFault};
pub use layout::{LINE_LIMIT_BYTES, MOST_HOUSEHOLDS, MOST_ROWS};
pub use many::Found;
pub use month::{MonthFault, ReferenceMonth};
pub use select::{Criterion, Right, Selected, Selection};
pub use statistics::Tally;
pub use view::{Address, Child, Entitlement, Household, SharesOf};

use index::Index;
use row::Rows;
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
    index: Index,
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
        let (mut cutter, mut loader) = (cut::Cutter::new(), load::Loader::new(catalogue, municipalities));
        chunks::for_each(input, |piece, cuts| cutter.cut(piece, cuts), |piece, cuts| loader.take(piece, cuts))?;
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
        self.index.children()
    }

    /// Bytes it takes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let sets: usize = self.source_sets.iter().map(|set| size_of_val(&*set.shares) + size_of::<SourceSet>()).sum();
        let municipalities = self.municipalities.capacity() * size_of::<NisCode>();
        self.rows.heap_bytes() + self.texts.heap_bytes() + self.index.heap_bytes() + sets + municipalities
    }

    /// The shares of a source, to ask children for.
    pub fn shares_of(&self, source: SourceId) -> SharesOf {
        SharesOf::new(source, &self.source_sets)
    }

    /// The child with that number.
    pub fn find(&self, niss: Niss) -> Option<Child<'_>> {
        self.index.find(niss).map(|entry| Child { register: self, entry })
    }

    /// All rows, in the order of the extract.
    pub fn households(&self) -> impl Iterator<Item = Household<'_>> {
        self.rows.iter().map(|row| Household { register: self, row })
    }
}

/// Reads values that lie anywhere in memory, one right after the other: a core waits for some twenty at once, when
/// nothing else stands between them. Who uses them after this finds them near.
fn near<T: Default + BitXor<Output = T>>(values: impl Iterator<Item = T>) {
    black_box(values.fold(T::default(), |mixed, value| mixed ^ value));
}

impl fmt::Debug for Register {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Register({}, {} rows, {} children)", self.month, self.rows(), self.children())
    }
}

#[cfg(test)]
mod tests;
