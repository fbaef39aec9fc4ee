//! Numbers for synthetic people: valid, each given once, and unlikely to be anybody's.
//!
//! A serial says the how manieth boy or girl of a day somebody is. Some 330 children are born in Belgium on a day, and
//! newcomers take serials of the day of their birth too; nevertheless serials from 600 on are hardly ever reached.
//! Synthetic people have only those. Account numbers have check digits that fit, random digits, and the code of a bank that
//! there is not: files of tests order payments to them, and a bank that gets one by mistake rejects it.

use hashbrown::HashMap;
use jiff::civil::Date;
use rustc_hash::FxBuildHasher;

use super::random::Random;
use crate::domain::{Niss, niss::Sex};

/// The first serial that synthetic people get.
pub(super) const FIRST_SERIAL: u32 = 600;

/// The last serial of a number is 998.
const LAST_SERIAL: u32 = 998;

/// What a month of a bis number is raised by: the sex is known at issue, or not.
const BIS_SEX_KNOWN: u32 = 40;
const BIS_SEX_UNKNOWN: u32 = 20;

/// What kind of number somebody gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberKind {
    /// Of the national register.
    National,
    /// A bis number.
    Bis,
    /// A bis number issued before the sex was known.
    BisSexUnknown,
    /// Of the national register; of the birth date only the year is known.
    DateUnknown,
}

/// Gives numbers out.
#[derive(Default)]
pub(super) struct NissMint {
    /// How many were given for a date and parity.
    given: HashMap<u32, u32, FxBuildHasher>,
}

impl NissMint {
    /// A new number for somebody born on that day; none when the day's serials have run out.
    pub(super) fn give(&mut self, born: Date, sex: Sex, kind: NumberKind) -> Option<Niss> {
        let (year, month, day) = (u32::try_from(born.year()).ok()?, u32::from(born.month().unsigned_abs()), born.day());
        let day = u32::from(day.unsigned_abs());
        let (month, days) = match kind {
            NumberKind::National => (month, day..=day),
            NumberKind::Bis => (month + BIS_SEX_KNOWN, day..=day),
            NumberKind::BisSexUnknown => (month + BIS_SEX_UNKNOWN, day..=day),
            // Day 1 of the years 1900 and 2000 means that nothing is known: count from 2 on when 0 has run out.
            NumberKind::DateUnknown => (0, 2..=9),
        };
        days.into_iter().find_map(|day| {
            let (parity, date) = (u32::from(sex != Sex::Female), year % 100 * 10_000 + month * 100 + day);
            let century = if year >= 2000 { 1_000_000_000 } else { 0 };
            let given = self.given.entry(century + date * 2 + parity).or_default();
            let serial = FIRST_SERIAL + 2 * *given + parity;
            *given += 1;
            if serial > LAST_SERIAL { None } else { Niss::from_key(century + date * 1000 + serial) }
        })
    }
}

/// Bank codes that the National Bank has given to nobody (its list of 1 January 2026).
const NO_BELGIAN_BANKS: [u32; 2] = [138, 539];

/// A Dutch bank's code is four letters of its own; no bank has these.
const NO_DUTCH_BANKS: [&str; 2] = ["QQQQ", "ZZZZ"];

/// A German bank's code begins with the number of its region, which is 1 to 8.
const NO_GERMAN_BANK: &str = "90000000";

/// Writes a Belgian account number (ISO 13616 and the Belgian check).
pub(super) fn belgian_iban(random: &mut Random) -> String {
    let base = u64::from(random.pick(&NO_BELGIAN_BANKS)) * 10_000_000 + u64::from(random.below(10_000_000));
    let check = if base.is_multiple_of(97) { 97 } else { base % 97 };
    let account = format!("{:012}", base * 100 + check);
    with_check_digits("BE", &account)
}

/// Writes a Dutch or German account number.
pub(super) fn foreign_iban(random: &mut Random) -> String {
    let digits = u64::from(random.below(100_000)) * 100_000 + u64::from(random.below(100_000));
    if random.happens(6000) {
        with_check_digits("NL", &format!("{}{digits:010}", random.pick(&NO_DUTCH_BANKS)))
    } else {
        with_check_digits("DE", &format!("{NO_GERMAN_BANK}{digits:010}"))
    }
}

fn with_check_digits(country: &str, account: &str) -> String {
    let remainder = format!("{account}{country}00").bytes().fold(0, |remainder, byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        letter => (remainder * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    format!("{country}{:02}{account}", 98 - remainder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Iban, niss::Birth};
    use jiff::civil::date;
    use std::collections::HashSet;

    #[test]
    fn numbers_are_valid_and_given_once() {
        let (mut mint, mut seen) = (NissMint::default(), HashSet::new());
        let born = date(2000, 2, 29);
        for kind in [NumberKind::National, NumberKind::Bis, NumberKind::BisSexUnknown, NumberKind::DateUnknown] {
            for sex in [Sex::Female, Sex::Male] {
                for _ in 0..199 {
                    let niss = mint.give(born, sex, kind).unwrap();
                    assert!(seen.insert(niss));
                    let birth = if kind == NumberKind::DateUnknown { Birth::Year(2000) } else { Birth::Day(born) };
                    assert_eq!(niss.birth(), birth);
                    assert_eq!(niss.is_bis(), matches!(kind, NumberKind::Bis | NumberKind::BisSexUnknown));
                    assert_eq!(niss.sex(), if kind == NumberKind::BisSexUnknown { Sex::Unknown } else { sex });
                }
            }
        }
        assert!(mint.give(born, Sex::Female, NumberKind::National).is_some(), "998 is the last");
        assert_eq!(mint.give(born, Sex::Female, NumberKind::National), None);
        assert_eq!(mint.give(born, Sex::Male, NumberKind::National), None);
    }

    #[test]
    fn account_numbers_are_valid() {
        let mut random = Random::new(7);
        for _ in 0..2000 {
            let (belgian, foreign) = (belgian_iban(&mut random), foreign_iban(&mut random));
            assert!(Iban::parse(&belgian).unwrap().belgian_digits().is_some());
            assert!(Iban::parse(&foreign).unwrap().belgian_digits().is_none());
            assert!(["138", "539"].contains(&&belgian[4..7]), "{belgian}");
            assert!(["QQQQ", "ZZZZ", "9000"].contains(&&foreign[4..8]), "{foreign}");
        }
    }
}
