//! What is known of each birth date and each number of a list while it is read.
//!
//! A number's date (six digits and the century) decides whether it lies in the future and whether the age limit is
//! reached; a list of 165,000 children has fewer than 10,000 dates, so each is worked out once. Its serials are the
//! bits of one block per date, so that nothing is hashed and a repeated number is a bit that is set already.
//!
//! Memory: 8 MiB of table, of which only the pages of real dates are ever touched, and 128 bytes for each date; at
//! worst, when every row has a date of its own, 61 MiB at 500,000 rows.

use jiff::civil::Date;

use super::AGE_LIMIT_YEARS;
use crate::domain::{AgeCheck, Niss, niss::Birth};

/// Dates with their century: the key of a number without its three digits of serial.
const DATES: usize = 2_000_000;

/// The serials of one date.
const SERIALS: u32 = 1000;

/// Words of 64 bits that hold a bit for each serial.
const WORDS: usize = 16;

/// What a birth date says of everyone who was born on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BirthFacts {
    /// The date lies after today.
    pub future: bool,
    /// Whether the age limit is reached.
    pub age: AgeCheck,
    /// The number does not give the whole date.
    pub incomplete: bool,
}

/// One date that occurred.
struct Block {
    facts: BirthFacts,
    serials: [u64; WORDS],
}

/// The numbers of a list so far.
pub struct Seen {
    today: Date,
    /// For each date the place of its block plus one, or 0.
    places: Vec<u32>,
    blocks: Vec<Block>,
}

impl Seen {
    /// Nothing seen yet.
    pub fn new(today: Date) -> Self {
        Self { today, places: vec![0; DATES], blocks: Vec::new() }
    }

    /// What the number's date says, and whether the number is new; from now on it is not. A number from the future is
    /// not remembered.
    pub fn meet(&mut self, niss: Niss) -> (BirthFacts, bool) {
        let (date, serial) = (niss.key() / SERIALS, niss.key() % SERIALS);
        let facts = || BirthFacts {
            future: niss.is_future(self.today),
            age: niss.age_check(AGE_LIMIT_YEARS, self.today),
            incomplete: !matches!(niss.birth(), Birth::Day(_)),
        };
        let Some(place) = self.places.get_mut(date as usize) else { return (facts(), true) };
        if *place == 0 {
            let facts = facts();
            self.blocks.push(Block { facts, serials: [0; WORDS] });
            // Never more blocks than dates, which fit.
            *place = u32::try_from(self.blocks.len()).unwrap_or(0);
        }
        let Some(block) = self.blocks.get_mut((*place as usize).wrapping_sub(1)) else { return (facts(), true) };
        let bit = 1_u64 << (serial % 64);
        let Some(word) = block.serials.get_mut((serial / 64) as usize) else { return (block.facts, true) };
        let new = *word & bit == 0;
        if !block.facts.future {
            *word |= bit;
        }
        (block.facts, new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const TODAY: Date = date(2026, 11, 21);

    proptest! {
        #[test]
        fn it_agrees_with_a_set_and_with_the_domain(keys in proptest::collection::vec(0_u32..2_000_000_000, 1..200)) {
            let mut seen = Seen::new(TODAY);
            let mut set = HashSet::new();
            // Each number twice, so that there are duplicates.
            for niss in keys.iter().chain(&keys).filter_map(|key| Niss::from_key(*key)) {
                let (facts, new) = seen.meet(niss);
                prop_assert_eq!(facts.future, niss.is_future(TODAY));
                prop_assert_eq!(facts.age, niss.age_check(AGE_LIMIT_YEARS, TODAY));
                prop_assert_eq!(facts.incomplete, !matches!(niss.birth(), Birth::Day(_)));
                if !facts.future {
                    prop_assert_eq!(new, set.insert(niss));
                }
            }
        }
    }
}
