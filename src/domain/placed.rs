//! Numbers with the places where they stand, in order.
//!
//! Looking up one list of numbers in another is fast when both are in order: memory is then read forwards, not
//! here and there. A number and its place are 64 bits, so that sorting moves nothing else.

use zeroize::{Zeroize, Zeroizing};

use super::Niss;

/// A number, and its place in a list of up to 2^32. In order of the number, then of the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PlacedNiss(u64);

/// Bits of a number that one pass of the sort looks at: three passes do for 31 bits, and the counts of one fit the
/// first-level cache.
const DIGIT_BITS: u32 = 11;
const DIGITS: usize = 1 << DIGIT_BITS;
const PASSES: usize = 3;

/// From this length on the passes are worth their counting.
const MANY: usize = 1024;

impl PlacedNiss {
    /// A number at a place.
    pub fn new(niss: Niss, place: u32) -> Self {
        Self(u64::from(niss.key()) << 32 | u64::from(place))
    }

    /// The key of the number ([`Niss::key`]).
    pub fn key(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The place.
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the place")]
    pub fn place(self) -> u32 {
        self.0 as u32
    }

    fn digit(self, pass: usize) -> usize {
        (self.key() >> (DIGIT_BITS as usize * pass)) as usize % DIGITS
    }
}

impl Zeroize for PlacedNiss {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// Sorts by number; equal numbers stay in the order in which they came, which should be that of their places.
pub fn sort(numbers: &mut Zeroizing<Vec<PlacedNiss>>) {
    if numbers.len() < MANY {
        numbers.sort_by_key(|placed| placed.key());
        return;
    }
    let mut starts = vec![[0_u32; DIGITS]; PASSES];
    for placed in numbers.iter() {
        for (pass, counts) in starts.iter_mut().enumerate() {
            if let Some(count) = counts.get_mut(placed.digit(pass)) {
                *count += 1;
            }
        }
    }
    let mut sorted = Zeroizing::new(vec![PlacedNiss::default(); numbers.len()]);
    for (pass, starts) in starts.iter_mut().enumerate() {
        let mut start = 0;
        for count in starts.iter_mut() {
            (start, *count) = (start + *count, start);
        }
        for placed in numbers.iter() {
            // Both exist: a digit is below their number, and the counts add up to the length.
            let next = starts.get_mut(placed.digit(pass));
            if let Some((slot, next)) = next.and_then(|next| Some((sorted.get_mut(*next as usize)?, next))) {
                *slot = *placed;
                *next += 1;
            }
        }
        std::mem::swap(numbers, &mut sorted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn placed(keys: &[u32]) -> Zeroizing<Vec<PlacedNiss>> {
        let numbers = keys.iter().filter_map(|key| Niss::from_key(*key));
        Zeroizing::new((0..).zip(numbers).map(|(place, niss)| PlacedNiss::new(niss, place)).collect())
    }

    proptest! {
        #[test]
        fn sorting_agrees_with_the_standard_library(
            keys in prop::collection::vec(0_u32..2_000_000_000, 0..40),
            times in prop_oneof![Just(1_usize), Just(100)],
        ) {
            // Repeated, so that there are equal numbers, and enough for the passes.
            let mut numbers = placed(&keys.repeat(times));
            let mut expected = numbers.to_vec();
            expected.sort();
            sort(&mut numbers);
            prop_assert_eq!(&*numbers, &expected);
        }
    }

    #[test]
    fn a_number_keeps_its_place() {
        let niss = Niss::parse("17073003384").unwrap();
        let placed = PlacedNiss::new(niss, u32::MAX);
        assert_eq!((placed.key(), placed.place()), (niss.key(), u32::MAX));
    }
}
