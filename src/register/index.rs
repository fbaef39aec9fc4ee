//! From a child's number to its first row.
//!
//! One table with open addressing; the number stands beside its row, so that a look-up reads one place of memory,
//! which for a register of real size is in no cache. Looking up many numbers at once therefore reads the places of a
//! whole block before it looks at any: the reads wait for memory beside one another, not after one another.

use zeroize::Zeroizing;

use super::row::RowAt;
use crate::domain::Niss;

/// A number above, its row below. No number is [`EMPTY`]: numbers have 31 bits.
type Slot = u64;
const EMPTY: Slot = Slot::MAX;

/// Slots for each five children: as full as this, a look-up reads two slots on average, which share a cache line.
const SLOTS_PER_FIVE: usize = 8;

/// Numbers that are looked up together: more than a core can wait for at once.
pub(super) const BLOCK: usize = 64;

/// The index.
#[derive(Default)]
pub(super) struct Index {
    slots: Zeroizing<Vec<Slot>>,
    len: usize,
}

impl Index {
    /// Room for so many children.
    pub(super) fn with_capacity(children: usize) -> Self {
        let slots = (children * SLOTS_PER_FIVE).div_ceil(5) + 1;
        Self { slots: Zeroizing::new(vec![EMPTY; slots]), len: 0 }
    }

    /// How many children there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// Adds a child, or gives the row that it has already.
    pub(super) fn insert(&mut self, niss: Niss, row: RowAt) -> Option<RowAt> {
        let (mut place, key) = (self.place(niss), niss.key());
        loop {
            // There are more slots than children, so that an empty one comes.
            let slot = self.slots.get_mut(place)?;
            if *slot == EMPTY {
                *slot = u64::from(key) << 32 | u64::from(row);
                self.len += 1;
                return None;
            }
            if *slot >> 32 == u64::from(key) {
                return Some(row_of(*slot));
            }
            place = self.after(place);
        }
    }

    /// The row of a child.
    pub(super) fn find(&self, niss: Niss) -> Option<RowAt> {
        let place = self.place(niss);
        self.follow(place, *self.slots.get(place)?, niss)
    }

    /// The rows of a block of children, in order.
    pub(super) fn find_block(&self, numbers: &[Niss], rows: &mut [Option<RowAt>; BLOCK]) {
        let mut first = [(0, EMPTY); BLOCK];
        for (slot, niss) in first.iter_mut().zip(numbers) {
            let place = self.place(*niss);
            *slot = (place, self.slots.get(place).copied().unwrap_or(EMPTY));
        }
        for ((row, (place, slot)), niss) in rows.iter_mut().zip(first).zip(numbers) {
            *row = self.follow(place, slot, *niss);
        }
    }

    fn follow(&self, mut place: usize, mut slot: Slot, niss: Niss) -> Option<RowAt> {
        while slot != EMPTY {
            if slot >> 32 == u64::from(niss.key()) {
                return Some(row_of(slot));
            }
            place = self.after(place);
            slot = *self.slots.get(place)?;
        }
        None
    }

    /// Where a number's slots begin: the hash scaled to the table, so that its size need not be a power of two.
    fn place(&self, niss: Niss) -> usize {
        // The golden ratio, odd: it spreads neighbouring numbers over the table.
        let hash = u64::from(niss.key().wrapping_mul(0x9e37_79b9));
        ((hash * self.slots.len() as u64) >> 32) as usize
    }

    fn after(&self, place: usize) -> usize {
        if place + 1 == self.slots.len() { 0 } else { place + 1 }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is the row")]
fn row_of(slot: Slot) -> RowAt {
    slot as RowAt
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_agrees_with_a_map(keys in prop::collection::vec(0_u32..2_000_000_000, 1..400)) {
            let numbers: Vec<Niss> = keys.iter().filter_map(|key| Niss::from_key(*key)).collect();
            let mut index = Index::with_capacity(numbers.len() / 2 + 1);
            let mut map = HashMap::new();
            for (row, niss) in (0..).zip(numbers.iter().step_by(2)) {
                prop_assert_eq!(index.insert(*niss, row), map.get(niss).copied());
                map.entry(*niss).or_insert(row);
            }
            prop_assert_eq!(index.len(), map.len());
            let mut rows = [None; BLOCK];
            for block in numbers.chunks(BLOCK) {
                index.find_block(block, &mut rows);
                for (niss, row) in block.iter().zip(rows) {
                    prop_assert_eq!(row, map.get(niss).copied());
                    prop_assert_eq!(index.find(*niss), row);
                }
            }
        }
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let niss = Niss::parse("17073003384").unwrap();
        assert_eq!((Index::default().find(niss), Index::with_capacity(0).find(niss)), (None, None));
    }
}
