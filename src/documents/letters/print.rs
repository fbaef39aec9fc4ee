//! Printing: letters in batches, several at once.

use std::{collections::VecDeque, num::NonZero, slice::Chunks, thread};

use jiff::civil::Date;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    Letter, LetterDesign,
    design::{Fixed, PAGES_PER_LETTER},
};
use crate::documents::typeset::{self, Typeset, TypesetFault, can_print};

/// Letters in one PDF. A batch of 500 is one or two megabytes (the post's limit is 30), takes a second or two, and
/// while it is set some hundreds of kilobytes of memory for each letter: fewer would repeat the fonts and the logo,
/// more would take more memory and show less progress.
pub const BATCH_LETTERS: usize = 500;

/// Batches that are set at once, at most. More would not spare much time, and their memory is that of everybody who is
/// served meanwhile.
const BATCHES_AT_ONCE: usize = 2;

/// The memory that a batch takes while it is set, bytes: 432 MiB were measured with two.
const BATCH_BYTES: u64 = 256 << 20;

/// The memory that printing takes, whatever the machine and however many the letters, bytes.
pub const PRINTING_BYTES: u64 = BATCHES_AT_ONCE as u64 * BATCH_BYTES;

/// A PDF of letters.
pub struct Batch<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// How many there will be.
    pub of: usize,
    /// The PDF.
    pub pdf: Zeroizing<Vec<u8>>,
    /// SHA-256 of the PDF, hexadecimal.
    pub sha256: String,
    /// All its pages.
    pub pages: usize,
    /// The letters in it, in their order.
    pub letters: Vec<Printed<'a>>,
}

/// A letter in a PDF.
#[derive(Clone, Copy)]
pub struct Printed<'a> {
    /// The letter.
    pub letter: &'a Letter,
    /// Its first page, from 1.
    pub first_page: usize,
    /// How many pages it has.
    pub pages: usize,
}

/// Why letters could not be printed. It names letters by their id and quotes nothing of them.
#[derive(Debug, thiserror::Error)]
pub enum LetterFault {
    /// A value has a character that no font has.
    #[error("letter {id}: the character {character:?} cannot be printed")]
    Character {
        /// The letter.
        id: String,
        /// The character.
        character: char,
    },
    /// The text names an amount and the letter has none.
    #[error("letter {id}: the text names an amount, and there is none")]
    NoAmount {
        /// The letter.
        id: String,
    },
    /// A letter has too many pages, or lacks what it must have.
    #[error("letters {letters}: one of them lacks {what}")]
    Lacks {
        /// The first and the last of the batch.
        letters: String,
        /// What.
        what: &'static str,
    },
    /// The template fails for one of them. What Typst says of it may quote the family's data, and is left out.
    #[error("letters {letters}: the template fails at {file}:{line}:{column}")]
    Template {
        /// The first and the last of the batch.
        letters: String,
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// They could not be set for another reason.
    #[error("letters {letters} cannot be set")]
    Typeset {
        /// The first and the last of the batch.
        letters: String,
        /// Why.
        #[source]
        source: TypesetFault,
    },
}

/// Letters that are being printed: gives batch after batch, in their order. After a fault there is nothing more.
pub struct Print<'a> {
    design: &'a LetterDesign,
    day: Date,
    batches: Chunks<'a, Letter>,
    of: usize,
    begun: usize,
    ready: VecDeque<Result<Batch<'a>, LetterFault>>,
    at_once: usize,
}

impl LetterDesign {
    /// Prints letters in batches of [`BATCH_LETTERS`], some at once. Each batch is set when it is asked for: what is at
    /// hand at one time is that many batches, of [`PRINTING_BYTES`].
    pub fn print<'a>(&'a self, letters: &'a [Letter], day: Date) -> Print<'a> {
        let batches = letters.chunks(BATCH_LETTERS);
        let at_once = at_once(thread::available_parallelism().map_or(1, NonZero::get));
        Print { design: self, day, of: batches.len(), batches, begun: 0, ready: VecDeque::new(), at_once }
    }
}

impl<'a> Iterator for Print<'a> {
    type Item = Result<Batch<'a>, LetterFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            self.set_some();
        }
        let next = self.ready.pop_front()?;
        if next.is_err() {
            self.ready.clear();
            self.batches = [].chunks(BATCH_LETTERS);
        }
        Some(next)
    }
}

impl<'a> Print<'a> {
    /// Sets as many batches as go at once.
    fn set_some(&mut self) {
        let design = self.design;
        let started: Vec<_> = self
            .batches
            .by_ref()
            .take(self.at_once)
            .map(|letters| {
                let fit = letters.iter().try_for_each(|letter| check(design, letter));
                fit.map(|()| (letters, typeset::start(design.job(letters, self.day, None))))
            })
            .collect();
        for start in started {
            self.begun += 1;
            let batch = start.and_then(|(letters, running)| {
                let set = running.and_then(typeset::Running::finish).map_err(|fault| quiet(letters, fault))?;
                self.batch(letters, set)
            });
            self.ready.push_back(batch);
        }
        // Their data are of no use to the next, and should not stay.
        typeset::forget();
    }

    fn batch(&self, letters: &'a [Letter], set: Typeset) -> Result<Batch<'a>, LetterFault> {
        let places = places(&set, letters, &self.design.fixed).map_err(|what| {
            let letters = ends(letters);
            LetterFault::Lacks { letters, what }
        })?;
        let printed = letters.iter().zip(places);
        Ok(Batch {
            number: self.begun,
            of: self.of,
            sha256: hex::encode(Sha256::digest(&*set.pdf)),
            pages: set.pages.len(),
            letters: printed.map(|(letter, (first_page, pages))| Printed { letter, first_page, pages }).collect(),
            pdf: set.pdf,
        })
    }
}

/// The first page and the number of pages of each letter, when every letter begins on its own page, is not too long,
/// and has its address, its fixed parts; else what is lacking.
pub(super) fn places(set: &Typeset, letters: &[Letter], fixed: &Fixed) -> Result<Vec<(usize, usize)>, &'static str> {
    let in_order = set.marks.iter().enumerate().all(|(at, mark)| mark.number == at);
    if set.marks.len() != letters.len() || !in_order {
        return Err("its own first page");
    }
    let ends = set.marks.iter().skip(1).map(|mark| mark.page).chain([set.pages.len() + 1]);
    let mut places = Vec::with_capacity(letters.len());
    for ((mark, end), letter) in set.marks.iter().zip(ends).zip(letters) {
        let pages = end.saturating_sub(mark.page);
        if pages == 0 {
            return Err("its own first page");
        }
        if pages > PAGES_PER_LETTER {
            return Err("room: it has too many pages");
        }
        let own = set.pages.get(mark.page - 1..end - 1).unwrap_or_default();
        let first = own.first();
        if !letter.address.lines().iter().all(|line| first.is_some_and(|page| page.shows(line))) {
            return Err("the address on its first page");
        }
        if !fixed.paragraphs.iter().all(|paragraph| own.iter().any(|page| page.shows(paragraph))) {
            return Err("a part that every letter has");
        }
        places.push((mark.page, pages));
    }
    Ok(places)
}

/// How many batches are set at once with so many processors.
fn at_once(processors: usize) -> usize {
    processors.min(BATCHES_AT_ONCE)
}

/// Whether a letter can be printed.
fn check(design: &LetterDesign, letter: &Letter) -> Result<(), LetterFault> {
    let id = || letter.id.clone();
    if design.needs_amount() && letter.amount.is_none() {
        return Err(LetterFault::NoAmount { id: id() });
    }
    let texts = letter.address.lines().iter().chain(&letter.children).chain([&letter.name, &letter.id]);
    match texts.flat_map(|text| text.chars()).find(|character| !can_print(*character)) {
        Some(character) => Err(LetterFault::Character { id: id(), character }),
        None => Ok(()),
    }
}

/// A fault without what it may quote.
fn quiet(letters: &[Letter], fault: TypesetFault) -> LetterFault {
    let letters = ends(letters);
    match fault {
        TypesetFault::Source { file, line, column, .. } => LetterFault::Template { letters, file, line, column },
        source => LetterFault::Typeset { letters, source },
    }
}

/// Which letters a batch has: `T-000001 to T-000500`.
fn ends(letters: &[Letter]) -> String {
    let id = |letter: Option<&Letter>| letter.map_or_else(String::new, |letter| letter.id.clone());
    format!("{} to {}", id(letters.first()), id(letters.last()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_processors_take_no_more_memory() {
        assert_eq!([1, 2, 3, 64].map(at_once), [1, 2, 2, 2]);
        assert_eq!(PRINTING_BYTES, 512 << 20);
    }
}
