//! Names and addresses, packed.
//!
//! Texts stand behind one another in segments of a fixed size, each with its length before it, so that a million of
//! them cost no allocation each, nothing is moved when more come, and all of it is wiped when it goes. Equal texts are
//! kept once, or nearly so: brothers and sisters share their household.

use std::hash::Hasher;

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use zeroize::Zeroizing;

/// Bits of a place inside a segment: 1 MiB, small beside any register and large beside any text.
const SEGMENT_BITS: u32 = 20;
const SEGMENT_BYTES: usize = 1 << SEGMENT_BITS;

/// The length before each text.
const PREFIX_BYTES: usize = size_of::<u16>();

/// What memory is read in: names that begin at the end of one line stand in the next.
pub(super) const CACHE_LINE_BYTES: usize = 64;

/// Where a text stands: segment and place in 32 bits, hence 4 GiB at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct TextAt(u32);

/// Texts in segments.
#[derive(Default)]
pub(super) struct Texts {
    segments: Vec<Zeroizing<Vec<u8>>>,
}

/// The texts are more than [`TextAt`] can address, or one is longer than its length can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl TextAt {
    /// The place as a number: unique, in the order in which texts came.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    fn parts(self) -> (usize, usize) {
        let place = self.0 as usize;
        (place >> SEGMENT_BITS, place & (SEGMENT_BYTES - 1))
    }
}

impl Texts {
    /// Adds a text of less than 64 KiB.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<TextAt, Full> {
        let length = u16::try_from(text.len()).map_err(|_| Full)?;
        let needed = PREFIX_BYTES + text.len();
        if self.segments.last().is_none_or(|segment| segment.len() + needed > SEGMENT_BYTES) {
            self.segments.push(Zeroizing::new(Vec::with_capacity(SEGMENT_BYTES)));
        }
        let last = self.segments.len() - 1;
        let segment = self.segments.last_mut().ok_or(Full)?;
        let at = u32::try_from(last << SEGMENT_BITS | segment.len()).map_err(|_| Full)?;
        segment.extend_from_slice(&length.to_le_bytes());
        segment.extend_from_slice(text);
        Ok(TextAt(at))
    }

    /// The text that [`Texts::push`] put there; empty at any other place.
    pub(super) fn text(&self, at: TextAt) -> &[u8] {
        let found = self.from(at).split_first_chunk::<PREFIX_BYTES>();
        found.and_then(|(prefix, rest)| rest.get(..usize::from(u16::from_le_bytes(*prefix)))).unwrap_or_default()
    }

    /// What lies from a text's length on.
    pub(super) fn from(&self, at: TextAt) -> &[u8] {
        let (segment, start) = at.parts();
        self.segments.get(segment).and_then(|segment| segment.get(start..)).unwrap_or_default()
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let segments: usize = self.segments.iter().map(|segment| segment.capacity()).sum();
        segments + self.segments.capacity() * size_of::<Zeroizing<Vec<u8>>>()
    }
}

/// Finds texts that came before, while loading: exactly, at the cost of a table that grows with the texts.
#[derive(Default)]
pub(super) struct Interner {
    /// The hash is kept, so that growing does not read every text again.
    table: HashTable<(u32, TextAt)>,
}

impl Interner {
    /// The place of an equal text, or else of the text itself, which is added.
    pub(super) fn intern(&mut self, texts: &mut Texts, text: &[u8]) -> Result<TextAt, Full> {
        let hash = short_hash(text);
        let found = self.table.find(spread(hash), |(other, at)| *other == hash && texts.text(*at) == text);
        if let Some((_, at)) = found {
            return Ok(*at);
        }
        let at = texts.push(text)?;
        self.table.insert_unique(spread(hash), (hash, at), |(hash, _)| spread(*hash));
        Ok(at)
    }
}

/// Finds texts that came before, while loading: nearly always, at the cost of one look at a table of fixed size.
///
/// A text is forgotten when another one takes its slot. It is then kept twice, which costs room and nothing else.
pub(super) struct Recent {
    slots: Vec<(u32, TextAt)>,
}

/// Slots: half a mebibyte, which a second-level cache holds. An extract goes from dossier to dossier, so that equal
/// households stand near one another; in one of no order at all few are found, and it takes half as much room again.
const RECENT_SLOTS: usize = 1 << 16;

impl Recent {
    pub(super) fn new() -> Self {
        Self { slots: vec![(0, TextAt::default()); RECENT_SLOTS] }
    }

    /// The place of an equal text, or else of the text itself, which is added once `check` let it in.
    pub(super) fn intern<E: From<Full>>(
        &mut self,
        texts: &mut Texts,
        text: &[u8],
        check: impl FnOnce() -> Result<(), E>,
    ) -> Result<TextAt, E> {
        let hash = short_hash(text);
        let slot = self.slots.get_mut(hash as usize % RECENT_SLOTS).ok_or(Full)?;
        // An empty slot names the first text: if that one is equal, it is right all the same.
        if slot.0 == hash && texts.text(slot.1) == text {
            return Ok(slot.1);
        }
        check()?;
        let at = texts.push(text)?;
        *slot = (hash, at);
        Ok(at)
    }
}

fn short_hash(text: &[u8]) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    (hasher.finish() >> 32) as u32
}

/// Makes 64 bits of 32 for the table, which looks at both ends.
fn spread(hash: u32) -> u64 {
    // The golden ratio, odd: each bit of the hash reaches the upper end, the lower end keeps them all.
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_from_every_segment() {
        let mut texts = Texts::default();
        let text = |n: u32| format!("{n}-{}", "x".repeat((n % 700) as usize));
        let places: Vec<TextAt> = (0..9000).map(|n| texts.push(text(n).as_bytes()).unwrap()).collect();
        assert!(texts.segments.len() > 2);
        for (n, at) in (0..).zip(&places) {
            assert_eq!(texts.text(*at), text(n).as_bytes());
        }
        assert!(texts.segments.iter().all(|segment| segment.capacity() == SEGMENT_BYTES), "a segment never grows");
        assert_eq!(texts.text(TextAt(u32::MAX)), b"");
        assert_eq!(texts.push(&vec![0; 1 << 16]), Err(Full));
    }

    #[test]
    fn equal_texts_get_one_place() {
        let (mut texts, mut interner) = (Texts::default(), Interner::default());
        let mut place = |n: u32| interner.intern(&mut texts, format!("text {n}").as_bytes()).unwrap();
        let first: Vec<TextAt> = (0..3000).map(&mut place).collect();
        let again: Vec<TextAt> = (0..3000).map(&mut place).collect();
        assert_eq!(first, again);
        assert!(first.is_sorted_by_key(|at| at.number()));
    }

    #[test]
    fn recent_texts_are_kept_once_and_checked_once() {
        let (mut texts, mut recent, mut checks) = (Texts::default(), Recent::new(), 0);
        let mut place = |n: u32| {
            let check = || {
                checks += 1;
                Ok::<(), Full>(())
            };
            recent.intern(&mut texts, format!("text {n}").as_bytes(), check).unwrap()
        };
        for n in 0..3000 {
            assert_eq!(place(n), place(n));
        }
        // Slots are taken by others now and then, and a text always comes back as itself.
        let mut moved = 0;
        let first: Vec<TextAt> = (0..3000).map(&mut place).collect();
        for (n, at) in (0..).zip(&first) {
            moved += usize::from(place(n) != *at);
        }
        assert!(moved < 200 && checks < 3000 + 400, "{moved} {checks}");
        assert_eq!(texts.text(first[7]), b"text 7");
        assert_eq!(recent.intern(&mut texts, b"new", || Err(Full)), Err(Full));
        assert!(recent.intern(&mut texts, b"new", || Ok::<(), Full>(())).is_ok(), "a refused text is not kept");
    }
}
