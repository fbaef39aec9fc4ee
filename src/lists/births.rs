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
    plain: Option<Plain>,
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
        Self { today, plain: Plain::of(today), facts: vec![0; DATES] }
    }

    /// What the number's date says.
    #[inline]
    pub fn of(&mut self, niss: Niss) -> BirthFacts {
        let date = niss.key() / SERIALS;
        if let Some(facts) = self.plain.and_then(|plain| plain.facts(date)) {
            return facts;
        }
        let today = self.today;
        match self.facts.get_mut(date as usize) {
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

/// Dates whose facts show by comparing them: no calendar is asked for the first 28 days of a month.
#[derive(Debug, Clone, Copy)]
struct Plain {
    /// Later ones lie in the future.
    today: u32,
    /// Who was born on this day or before has reached the age limit.
    limit: u32,
}

impl Plain {
    /// Of a day in this century, in the way of [`DATES`].
    fn of(today: Date) -> Option<Self> {
        let year = u32::try_from(today.year()).ok()?.checked_sub(1900).filter(|year| (100..200).contains(year))?;
        let of_year = u32::from(today.month().unsigned_abs()) * 100 + u32::from(today.day().unsigned_abs());
        let of = |year: u32| year * 10_000 + of_year;
        Some(Self { today: of(year), limit: of(year.checked_sub(u32::from(AGE_LIMIT_YEARS.unsigned_abs()))?) })
    }

    #[inline]
    fn facts(self, date: u32) -> Option<BirthFacts> {
        if !matches!(date / 100 % 100, 1..=12) || !matches!(date % 100, 1..=28) {
            return None;
        }
        let age = if date <= self.limit { AgeCheck::Reached } else { AgeCheck::Below };
        Some(BirthFacts { future: date > self.today, age, known: true })
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

    #[test]
    fn every_day_of_the_calendar_is_as_the_domain_says() {
        for today in
            [TODAY, date(2024, 2, 28), date(2024, 2, 29), date(2025, 2, 28), date(2025, 3, 1), date(2100, 1, 1)]
        {
            let mut births = Births::new(today);
            let keys = (0..2_000_000).filter(|date| (0..=40).contains(&(date % 100))).map(|date| date * SERIALS + 1);
            for niss in keys.filter_map(Niss::from_key) {
                assert_eq!(births.of(niss), facts(niss, today), "{} on {today}", niss.key());
            }
        }
    }
}
