//! From a child's number to its rows.
//!
//! A number is a date and a serial below 1000. Of every date that occurs the index keeps a bit for each serial, and
//! how many children come before: the number's rank among all, where its entry stands. The bits of a whole register
//! take a few megabytes, which a core keeps near, so that a look-up waits for memory once, at the entry. Ranks ascend
//! with the numbers: looking up a whole list in ascending order reads memory forwards, and waits for none.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use zeroize::Zeroizing;

use super::{
    near,
    row::{Row, RowAt, Rows},
};
use crate::domain::{Niss, PlacedNiss};

/// Dates with their century: the key of a number without its three digits of serial. Most never occur, and pages of
/// this table that hold none of those that do are never touched.
const DATES: usize = 2_000_000;

/// A page of memory.
const PAGE_BYTES: usize = 4096;

/// The serials of one date.
const SERIALS: u32 = 1000;

/// A word holds a bit for each of so many serials, and above them how many children of the date stand before it.
const WORD_SERIALS: u32 = 50;
const WORDS: usize = (SERIALS / WORD_SERIALS) as usize;
const _: () = assert!(SERIALS.is_multiple_of(WORD_SERIALS) && SERIALS <= 1 << (u64::BITS - WORD_SERIALS));

/// Dates of children below 25 with bis numbers, and half as many again: up to here the words are never moved, which
/// would leave a copy behind.
const EXPECTED_DATES: usize = 16_384;

/// Rows whose children are looked up together: more than a core can wait for at once.
const BLOCK: usize = 64;

/// Whose sources are not in the entry: a child with several rows.
pub(super) const SEVERAL: u16 = u16::MAX;

/// A child: what decides an answer stands here, so that most rows need not be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its row; for a child with several, where those begin in [`Index::several`].
    place: u32,
    /// As in the row, or [`SEVERAL`].
    pub(super) sources: u16,
    /// As in the row.
    pub(super) municipality: u16,
}

/// Entries that several threads put in their places, none of them twice.
pub(super) struct Entries(Vec<AtomicU64>);

/// Which children there are, while rows still come.
pub(super) struct Children {
    /// For each date the place of its words plus one, or 0.
    dates: Vec<u32>,
    /// [`WORDS`] for each date that occurs.
    words: Zeroizing<Vec<u64>>,
    /// The date of each place; then how many children there are in the words before those of each date.
    before: Vec<u32>,
    count: u32,
}

/// The index.
pub(super) struct Index {
    children: Children,
    entries: Vec<Entry>,
    /// The rows of children with several: (rank among all, row), sorted.
    several: Vec<(u32, RowAt)>,
}

/// Where the bit of a number is.
#[derive(Clone, Copy)]
struct BitAt {
    word: usize,
    bit: u64,
}

impl Children {
    pub(super) fn new() -> Self {
        let words = Zeroizing::new(Vec::with_capacity(EXPECTED_DATES * WORDS));
        Self { dates: vec![0; DATES], words, before: Vec::new(), count: 0 }
    }

    /// Adds a child, unless it is there.
    pub(super) fn insert(&mut self, niss: Niss) {
        let date = niss.key() / SERIALS;
        let Some(place) = self.dates.get_mut(date as usize) else { return };
        if *place == 0 {
            self.words.extend([0; WORDS]);
            self.before.push(date);
            // Never more than there are dates, which fit.
            *place = u32::try_from(self.before.len()).unwrap_or(0);
        }
        let BitAt { word, bit } = self.bit_at(niss.key());
        if let Some(word) = self.words.get_mut(word) {
            self.count += u32::from(*word & bit == 0);
            *word |= bit;
        }
    }

    /// Counts; nothing can be inserted any more.
    fn count(&mut self) {
        self.arrange();
        let mut before = 0;
        for (words, all_before) in self.words.chunks_mut(WORDS).zip(&mut self.before) {
            *all_before = before;
            let mut of_date = 0;
            for word in words {
                let children = word.count_ones();
                *word |= u64::from(of_date) << WORD_SERIALS;
                of_date += children;
            }
            before += of_date;
        }
    }

    /// Puts the words of the dates in the order of the dates, so that the ranks are in that of the numbers.
    fn arrange(&mut self) {
        let mut arranged = Zeroizing::new(Vec::with_capacity(self.words.len()));
        self.before.sort_unstable();
        for (next, date) in (1..).zip(&self.before) {
            let Some(place) = self.dates.get_mut(*date as usize) else { continue };
            let start = (*place as usize - 1) * WORDS;
            arranged.extend_from_slice(self.words.get(start..start + WORDS).unwrap_or_default());
            *place = next;
        }
        self.words = arranged;
    }

    /// Beyond the words for a date that does not occur.
    fn bit_at(&self, key: u32) -> BitAt {
        let (date, serial) = (key / SERIALS, key % SERIALS);
        let place = self.dates.get(date as usize).copied().unwrap_or(0);
        let words = (place as usize).wrapping_sub(1).saturating_mul(WORDS);
        BitAt { word: words.saturating_add((serial / WORD_SERIALS) as usize), bit: 1 << (serial % WORD_SERIALS) }
    }

    /// The ranks of a block of numbers, in order; beyond all for one that is no child's.
    fn ranks(&self, numbers: impl Iterator<Item = Niss>) -> [usize; BLOCK] {
        let mut bits = [BitAt { word: usize::MAX, bit: 0 }; BLOCK];
        for (bit, niss) in bits.iter_mut().zip(numbers) {
            *bit = self.bit_at(niss.key());
        }
        near(bits.iter().map(|bit| self.words.get(bit.word).copied().unwrap_or(0)));
        bits.map(|bit| self.rank(bit).map_or(usize::MAX, |rank| rank as usize))
    }

    /// The place among all of the child whose bit is there.
    fn rank(&self, BitAt { word: at, bit }: BitAt) -> Option<u32> {
        let word = self.words.get(at).filter(|word| **word & bit != 0)?;
        let of_date = (word >> WORD_SERIALS) as u32 + (word & (bit - 1)).count_ones();
        self.before.get(at / WORDS).map(|before| before + of_date)
    }
}

impl Index {
    /// The index of rows, all of whose children were inserted.
    pub(super) fn of(mut children: Children, rows: &Rows) -> Self {
        children.count();
        let mut entries = vec![Entry::NONE; children.count as usize];
        let mut several = Vec::new();
        let (mut at, mut rows) = (0, rows.iter().peekable());
        let mut block = Vec::with_capacity(BLOCK);
        while rows.peek().is_some() {
            block.extend(rows.by_ref().take(BLOCK));
            let ranks = children.ranks(block.iter().map(|row: &&Row| row.child));
            near(ranks.iter().map(|rank| entries.get(*rank).map_or(0, |entry: &Entry| entry.place)));
            for (row, rank) in block.drain(..).zip(ranks) {
                if let Some(entry) = entries.get_mut(rank) {
                    entry.add(at, row, rank, &mut several);
                }
                at += 1;
            }
        }
        several.sort_unstable();
        several.shrink_to_fit();
        let mut place = 0;
        for rows in several.chunk_by(|(one, _), (other, _)| one == other) {
            if let Some(entry) = rows.first().and_then(|(rank, _)| entries.get_mut(*rank as usize)) {
                entry.place = place;
            }
            // No more than there are rows, which [`RowAt`] counts.
            place += u32::try_from(rows.len()).unwrap_or(0);
        }
        Self { children, entries, several }
    }

    /// How many children there are.
    pub(super) fn children(&self) -> usize {
        self.entries.len()
    }

    /// Bytes on the heap, without pages that were never touched.
    pub(super) fn heap_bytes(&self) -> usize {
        let Self { children: Children { dates, words, before, .. }, entries, several } = self;
        let touched = dates.chunks(PAGE_BYTES / size_of::<u32>()).filter(|page| page.iter().any(|place| *place != 0));
        touched.count() * PAGE_BYTES
            + words.len() * size_of::<u64>()
            + before.len() * size_of::<u32>()
            + entries.capacity() * size_of::<Entry>()
            + several.capacity() * size_of::<(u32, RowAt)>()
    }

    /// The child with that number.
    pub(super) fn find(&self, niss: Niss) -> Option<Entry> {
        let rank = self.children.rank(self.children.bit_at(niss.key()))?;
        self.entries.get(rank as usize).copied()
    }

    /// Looks up numbers in ascending order; the ranks ascend with them, so that memory is read forwards.
    pub(super) fn find_ascending(&self, numbers: &[PlacedNiss], found: &Entries) {
        for number in numbers {
            let rank = self.children.rank(self.children.bit_at(number.key()));
            if let Some(entry) = rank.and_then(|rank| self.entries.get(rank as usize)) {
                found.set(number.place() as usize, *entry);
            }
        }
    }

    /// The rows of each child with several: its rank among all, and a row.
    pub(super) fn several(&self) -> impl Iterator<Item = &[(u32, RowAt)]> {
        self.several.chunk_by(|(one, _), (other, _)| one == other)
    }

    /// The rows of a child, in their order.
    pub(super) fn rows(&self, child: Entry) -> impl Iterator<Item = RowAt> + use<'_> {
        let several = if child.sources == SEVERAL { self.several.get(child.place as usize..) } else { None };
        let several = several.unwrap_or_default();
        let rank = several.first().map(|(rank, _)| *rank);
        let of_child = several.iter().take_while(move |(of, _)| Some(*of) == rank).map(|(_, at)| *at);
        (child.sources != SEVERAL).then_some(child.place).into_iter().chain(of_child)
    }
}

impl Entries {
    /// Room for so many, none of them there.
    pub(super) fn new(len: usize) -> Self {
        Self((0..len).map(|_| AtomicU64::new(0)).collect())
    }

    fn set(&self, place: usize, entry: Entry) {
        if let Some(slot) = self.0.get(place) {
            let Entry { place, sources, municipality } = entry;
            let packed = u64::from(place) | u64::from(sources) << 32 | u64::from(municipality) << 48;
            // What is not there is 0, which memory begins with.
            slot.store(!packed, Ordering::Relaxed);
        }
    }

    /// The entries in some places; [`Entry::NONE`] for who is no child.
    #[expect(clippy::cast_possible_truncation, reason = "what was packed is unpacked")]
    pub(super) fn at(&self, places: Range<usize>) -> impl Iterator<Item = Entry> {
        self.0.get(places).unwrap_or_default().iter().map(|slot| match slot.load(Ordering::Relaxed) {
            0 => Entry::NONE,
            packed => {
                let packed = !packed;
                Entry { place: packed as u32, sources: (packed >> 32) as u16, municipality: (packed >> 48) as u16 }
            }
        })
    }
}

impl Entry {
    /// No child yet.
    pub(super) const NONE: Self = Self { place: u32::MAX, sources: 0, municipality: 0 };

    /// Its row, where it has one only.
    pub(super) fn place(self) -> RowAt {
        self.place
    }

    /// Enters a row of the child with that rank.
    fn add(&mut self, at: RowAt, row: &Row, rank: usize, several: &mut Vec<(u32, RowAt)>) {
        if *self == Self::NONE {
            *self = Self { place: at, sources: row.sources, municipality: row.municipality };
            return;
        }
        // There are no more ranks than rows, which [`RowAt`] counts.
        let rank = u32::try_from(rank).unwrap_or(u32::MAX);
        if self.sources != SEVERAL {
            self.sources = SEVERAL;
            several.push((rank, self.place));
        }
        several.push((rank, at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::{
        row::{Flags, PackedDate},
        text::TextAt,
    };
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn row(child: Niss) -> Row {
        Row {
            child,
            beneficiary: child,
            names: TextAt::default(),
            household: TextAt::default(),
            dossier: 0,
            birth: PackedDate::default(),
            municipality: 3,
            postcode: 0,
            sources: 7,
            rank: 1,
            family_size: 1,
            flags: Flags::default(),
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_map(
            keys in prop::collection::vec(0_u32..2_000_000_000, 1..200),
            near in prop::collection::vec(0_u32..30_000, 1..1500),
        ) {
            let numbers: Vec<Niss> = keys.iter().chain(&near).filter_map(|key| Niss::from_key(*key)).collect();
            let (mut rows, mut children) = (Rows::default(), Children::new());
            let mut map = BTreeMap::<Niss, Vec<RowAt>>::new();
            for (at, niss) in (0..).zip(numbers.iter().step_by(2).chain(numbers.iter().step_by(7))) {
                children.insert(*niss);
                rows.push(row(*niss));
                map.entry(*niss).or_default().push(at);
            }
            let index = Index::of(children, &rows);
            prop_assert_eq!(index.children(), map.len());
            prop_assert_eq!(index.several().count(), map.values().filter(|places| places.len() > 1).count());
            let ascending: BTreeSet<_> = (0..).zip(&numbers).map(|(place, niss)| PlacedNiss::new(*niss, place)).collect();
            let found = Entries::new(numbers.len());
            index.find_ascending(&Vec::from_iter(ascending), &found);
            let found: Vec<Entry> = found.at(0..numbers.len()).collect();
            prop_assert_eq!(found.len(), numbers.len());
            for (niss, found) in numbers.iter().zip(found) {
                let entry = index.find(*niss);
                prop_assert_eq!(found, entry.unwrap_or(Entry::NONE));
                let places = entry.map(|entry| index.rows(entry).collect::<Vec<_>>());
                prop_assert_eq!(places, map.get(niss).cloned());
                let sources = entry.map(|entry| entry.sources);
                prop_assert_eq!(sources, map.get(niss).map(|places| if places.len() > 1 { SEVERAL } else { 7 }));
            }
        }
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let niss = Niss::parse("17073003384").unwrap();
        assert_eq!(Index::of(Children::new(), &Rows::default()).find(niss), None);
    }
}
