//! What birth dates say, each worked out once for a list.
//!
//! A number's date (six digits and the century) decides whether it lies in the future and whether the age limit is
//! reached; a list of 165,000 children has fewer than 10,000 dates.
//!
//! Memory: 2 MB of table, of which only the pages of dates that occur are ever touched.

use jiff::civil::Date;

use super::AGE_LIMIT_YEARS;
use crate::domain::{AgeCheck, Niss, niss::Birth};

/// Dates with their century: the key of a number without its three digits of serial.
const DATES: usize = 2_000_000;

/// The serials of one date.
const SERIALS: u32 = 1000;

/// What a birth date says of everyone who was born on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BirthFacts {
    /// The date lies after today.
    pub future: bool,
    /// Whether the age limit is reached.
    pub age: AgeCheck,
    /// The number gives the whole date.
    pub known: bool,
}

/// The dates that occurred so far.
pub struct Births {
    today: Date,
    /// For each date its facts, packed; 0 when it did not occur yet.
    facts: Vec<u8>,
}

const OCCURRED: u8 = 1;
const FUTURE: u8 = 2;
const KNOWN: u8 = 4;
const REACHED: u8 = 8;
const UNDECIDED: u8 = 16;

impl Births {
    /// None yet.
    pub fn new(today: Date) -> Self {
        Self { today, facts: vec![0; DATES] }
    }

    /// What the number's date says.
    pub fn of(&mut self, niss: Niss) -> BirthFacts {
        let today = self.today;
        match self.facts.get_mut((niss.key() / SERIALS) as usize) {
            Some(packed) => {
                if *packed == 0 {
                    *packed = pack(facts(niss, today));
                }
                unpack(*packed)
            }
            None => facts(niss, today),
        }
    }
}

fn facts(niss: Niss, today: Date) -> BirthFacts {
    BirthFacts {
        future: niss.is_future(today),
        age: niss.age_check(AGE_LIMIT_YEARS, today),
        known: matches!(niss.birth(), Birth::Day(_)),
    }
}

fn pack(facts: BirthFacts) -> u8 {
    let age = match facts.age {
        AgeCheck::Below => 0,
        AgeCheck::Reached => REACHED,
        AgeCheck::Undecided => UNDECIDED,
    };
    OCCURRED | age | if facts.future { FUTURE } else { 0 } | if facts.known { KNOWN } else { 0 }
}

fn unpack(packed: u8) -> BirthFacts {
    let age = match packed & (REACHED | UNDECIDED) {
        0 => AgeCheck::Below,
        REACHED => AgeCheck::Reached,
        _ => AgeCheck::Undecided,
    };
    BirthFacts { future: packed & FUTURE != 0, age, known: packed & KNOWN != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    const TODAY: Date = date(2026, 11, 21);

    proptest! {
        #[test]
        fn it_agrees_with_the_domain(keys in proptest::collection::vec(0_u32..2_000_000_000, 1..200)) {
            let mut births = Births::new(TODAY);
            // Each number twice: worked out, then remembered.
            for niss in keys.iter().chain(&keys).filter_map(|key| Niss::from_key(*key)) {
                prop_assert_eq!(births.of(niss), facts(niss, TODAY));
            }
        }
    }
}
