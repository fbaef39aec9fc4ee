//! The identification number of social security: rijksregister- or bisnummer.
//!
//! Eleven digits `YYMMDDSSSCC`. `CC` is 97 minus the remainder of the first nine digits by 97, taken with a `2`
//! before them for who was born in 2000 or later; at most one of the two readings fits, and it gives the century
//! (Royal Decree of 8 February 1991 for the bis number, IBZ instruction IT000 for the rest). Months run from 0 to
//! 12, plus 20 (bis, sex unknown) or 40 (bis, sex known); month 0, or a day that the month does not have, is an
//! unknown date and no error.
//!
//! A number is kept as 31 bits (nine digits and the century), from which the check digits follow, so that 1.6 million
//! of them fit in a few megabytes. It never prints itself: `Debug` is masked and there is no `Display`.

use std::fmt;

use jiff::civil::Date;
use zeroize::Zeroize;

/// Digits of a number in its exchange form.
pub const DIGITS: usize = 11;

/// What the nine leading digits can be at most, plus one; the century is kept above it.
const NINE_DIGITS: u32 = 1_000_000_000;

/// The number that the first nine digits get as a prefix from the year 2000 on.
const PREFIX_2000: u32 = 2_000_000_000;

/// A valid number: its shape, check digits, month and serial were checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Niss(u32);

/// Why eleven digits, or something meant as such, are not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NissFault {
    /// Not eleven digits, after taking out the usual separators.
    #[error("not eleven digits")]
    Format,
    /// The check digits fit neither century.
    #[error("the check digits do not fit")]
    CheckDigits,
    /// A month that no rule knows.
    #[error("the month does not exist")]
    Month,
    /// A serial that is never assigned: 000 and 999.
    #[error("the serial is never assigned")]
    Serial,
}

/// What a number says of a birth date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    /// The whole date.
    Day(Date),
    /// The day is unknown.
    Month(i16, i8),
    /// Day and month are unknown.
    Year(i16),
    /// Nothing is known.
    Unknown,
}

/// What a number says of a person's sex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// An odd serial.
    Male,
    /// An even serial.
    Female,
    /// A bis number issued before the sex was known.
    Unknown,
}

/// Whether an age limit has been reached, as far as a birth date tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgeCheck {
    /// Younger than the limit on that day.
    Below,
    /// The limit's birthday has come.
    Reached,
    /// The date is not known well enough to tell.
    Undecided,
}

impl Niss {
    /// Reads exactly eleven ASCII digits, the exchange form.
    ///
    /// # Errors
    /// [`NissFault`], the first that holds, in the order format, check digits, month, serial.
    #[inline]
    pub fn from_digits(digits: &[u8]) -> Result<Self, NissFault> {
        let digits: &[u8; DIGITS] = digits.try_into().map_err(|_| NissFault::Format)?;
        let [d0, d1, d2, d3, d4, d5, d6, d7, d8, c0, c1] = *digits;
        // Eight digits at once: lists have hundreds of thousands of numbers, registers millions.
        let eight = u64::from_le_bytes([d0, d1, d2, d3, d4, d5, d6, d7]);
        let rest = u64::from_le_bytes([d8, c0, c1, b'0', b'0', b'0', b'0', b'0']);
        if !(are_digits(eight) & are_digits(rest)) {
            return Err(NissFault::Format);
        }
        let value = |digit: u8| u32::from(digit - b'0');
        Self::from_parts(eight_digits(eight) * 10 + value(d8), value(c0) * 10 + value(c1))
    }

    /// Reads a number as people write it: `YY.MM.DD-SSS.CC`, with spaces, dots, dashes, slashes, or bare.
    ///
    /// # Errors
    /// As [`Niss::from_digits`].
    pub fn parse(text: &str) -> Result<Self, NissFault> {
        let mut digits = [0_u8; DIGITS];
        let mut taken = 0;
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => {
                    *digits.get_mut(taken).ok_or(NissFault::Format)? = byte;
                    taken += 1;
                }
                b'.' | b'-' | b' ' | b'/' => {}
                _ => return Err(NissFault::Format),
            }
        }
        if taken == DIGITS { Self::from_digits(&digits) } else { Err(NissFault::Format) }
    }

    /// Gives back the leading zeros that a spreadsheet took, when the result is a number of the 2000s.
    ///
    /// Only 8 to 10 digits are taken: births of 2000 to 2009 lose one to three zeros, and a number of the 1900s
    /// cannot start with a zero and belong to a child.
    pub fn restore_zeros(digits: &[u8]) -> Option<Self> {
        // A spreadsheet takes all leading zeros: who still has one lost another digit.
        if !(8..=10).contains(&digits.len()) || digits.first() == Some(&b'0') {
            return None;
        }
        let mut padded = [b'0'; DIGITS];
        padded.get_mut(DIGITS - digits.len()..)?.copy_from_slice(digits);
        Self::from_digits(&padded).ok().filter(|niss| niss.is_2000s())
    }

    /// `nine` is below [`NINE_DIGITS`], so that it fits with the prefix.
    fn from_parts(nine: u32, check: u32) -> Result<Self, NissFault> {
        let rest = nine % 97;
        let is_2000s = if check == 97 - rest {
            false
        } else if check == 97 - (rest + PREFIX_2000 % 97) % 97 {
            true
        } else {
            return Err(NissFault::CheckDigits);
        };
        let month = nine / 100_000 % 100;
        if !matches!(month, 0..=12 | 20..=32 | 40..=52) {
            return Err(NissFault::Month);
        }
        if matches!(nine % 1000, 0 | 999) {
            return Err(NissFault::Serial);
        }
        Ok(Self(nine + if is_2000s { NINE_DIGITS } else { 0 }))
    }

    /// The number as 31 bits: below two thousand million, unique, in no meaningful order across centuries.
    pub fn key(self) -> u32 {
        self.0
    }

    /// The number that [`Niss::key`] gave, when it was one.
    pub fn from_key(key: u32) -> Option<Self> {
        let nine = key % NINE_DIGITS;
        let prefix = if key >= NINE_DIGITS { PREFIX_2000 } else { 0 };
        let check = 97 - (nine + prefix) % 97;
        Self::from_parts(nine, check).ok().filter(|niss| niss.0 == key)
    }

    /// The eleven digits of the exchange form. Personal data: wipe what holds them.
    pub fn digits(self) -> [u8; DIGITS] {
        let nine = self.nine();
        let prefix = if self.is_2000s() { PREFIX_2000 } else { 0 };
        let check = 97 - (nine + prefix) % 97;
        let [d0, d1, d2, d3, d4, d5, d6, d7] = digits_of_eight(nine / 10);
        let ([_, d8], [c0, c1]) = (two_digits(nine % 10), two_digits(check));
        [d0, d1, d2, d3, d4, d5, d6, d7, d8, c0, c1]
    }

    fn nine(self) -> u32 {
        self.0 % NINE_DIGITS
    }

    fn is_2000s(self) -> bool {
        self.0 >= NINE_DIGITS
    }

    fn raw_month(self) -> u32 {
        self.nine() / 100_000 % 100
    }

    /// Whether the number is a bis number: for who is not in the national register.
    pub fn is_bis(self) -> bool {
        self.raw_month() >= 20
    }

    /// What the number says of the birth date.
    pub fn birth(self) -> Birth {
        let nine = self.nine();
        // Two digits each, so that the conversions below cannot lose anything.
        let year = (nine / 10_000_000) as i16 + if self.is_2000s() { 2000 } else { 1900 };
        let month = (self.raw_month() % 20) as i8;
        let day = (nine / 1000 % 100) as i8;
        match (month, day) {
            (0, 1) if year == 1900 || year == 2000 => Birth::Unknown,
            (0, _) => Birth::Year(year),
            _ => Date::new(year, month, day).map_or(Birth::Month(year, month), Birth::Day),
        }
    }

    /// What the number says of the sex.
    pub fn sex(self) -> Sex {
        match (self.raw_month(), self.nine() % 2) {
            (20..=32, _) => Sex::Unknown,
            (_, 0) => Sex::Female,
            _ => Sex::Male,
        }
    }

    /// Whether the person would be born after `today`, for certain.
    pub fn is_future(self, today: Date) -> bool {
        match self.birth() {
            Birth::Day(date) => date > today,
            Birth::Month(year, month) => (year, month) > (today.year(), today.month()),
            Birth::Year(year) => year > today.year(),
            Birth::Unknown => false,
        }
    }

    /// Whether the person has had the birthday of `limit_years` on `today`. Who was born on 29 February has it on
    /// 1 March of a common year (article 2261 of the Civil Code counts to the day before).
    pub fn age_check(self, limit_years: i16, today: Date) -> AgeCheck {
        self.birth().age_check(limit_years, today)
    }
}

impl Birth {
    /// As [`Niss::age_check`], for who was born then.
    pub fn age_check(self, limit_years: i16, today: Date) -> AgeCheck {
        let (year, first, last) = match self {
            Self::Day(date) => (date.year(), (date.month(), date.day()), (date.month(), date.day())),
            Self::Month(year, month) => (year, (month, 1), (month, 31)),
            Self::Year(year) => (year, (1, 1), (12, 31)),
            Self::Unknown => return AgeCheck::Undecided,
        };
        let now = (today.year(), (today.month(), today.day()));
        let birthday = year.saturating_add(limit_years);
        if now < (birthday, first) {
            AgeCheck::Below
        } else if now >= (birthday, last) {
            AgeCheck::Reached
        } else {
            AgeCheck::Undecided
        }
    }
}

/// Whether eight bytes are all ASCII digits: their upper halves are 3, also when 6 is added to each.
fn are_digits(bytes: u64) -> bool {
    const UPPER: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const THREES: u64 = 0x3030_3030_3030_3030;
    bytes & UPPER == THREES && bytes.wrapping_add(0x0606_0606_0606_0606) & UPPER == THREES
}

/// The number that eight digits make, the first in the lowest byte: neighbours are joined to pairs, pairs to fours,
/// fours to eight.
fn eight_digits(bytes: u64) -> u32 {
    let digits = bytes & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is below a hundred million")]
    let eight = (fours * 10_000 + (fours >> 32)) as u32;
    eight
}

/// The digits of a number below a hundred million: [`eight_digits`] the other way round. The quotients are exact for
/// numbers of four and of two digits.
fn digits_of_eight(number: u32) -> [u8; 8] {
    let fours = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | (pairs - tens * 10) << 8;
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

/// The digits of a number below 100.
fn two_digits(number: u32) -> [u8; 2] {
    let [number, ..] = number.to_le_bytes();
    [b'0' + number / 10, b'0' + number % 10]
}

/// A wiped number is no number any more: only for what is about to go.
impl Zeroize for Niss {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Niss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Niss(***)")
    }
}

/// Whether `text` holds eleven digits that could be a number, bare or with the usual separators between them.
///
/// The guard of file names and of the transfer log's free text. It errs on the side of seeing a number: any eleven digits
/// inside a longer run count. With separators between them they begin and end where such a run does: a reference before a
/// date is none. Looked at are the check digits, and whether there is such a month and day at all.
pub fn find_in(text: &str) -> Option<std::ops::Range<usize>> {
    let digits: Vec<(usize, u8)> = text
        .bytes()
        .enumerate()
        .filter(|(_, byte)| byte.is_ascii_digit())
        .map(|(at, byte)| (at, byte - b'0'))
        .collect();
    digits.windows(DIGITS).find_map(|window| {
        let (first, last) = (window.first()?.0, window.last()?.0);
        let between = text.get(first..=last)?;
        let joined = between.chars().all(|letter| letter.is_ascii_digit() || may_join(letter));
        let is_digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
        let is_whole = between.len() == DIGITS || !(is_digit(first.checked_sub(1)) || is_digit(last.checked_add(1)));
        let number = window.iter().fold(0_u64, |number, (_, digit)| number * 10 + u64::from(*digit));
        let (nine, check) = (number / 100, number % 100);
        let fits = check == 97 - nine % 97 || check == 97 - (nine + u64::from(PREFIX_2000)) % 97;
        let (month, day) = (number / 10_000_000 % 100, number / 100_000 % 100);
        // Months of bis numbers are 20 or 40 higher.
        let is_date = month < 60 && month % 20 <= 12 && day <= 31;
        (joined && is_whole && fits && is_date).then_some(first..last + 1)
    })
}

/// Whether people and programs write this between the parts of a number: points, strokes, and what word processors make of
/// hyphens and spaces.
pub(super) fn may_join(letter: char) -> bool {
    matches!(letter, '.' | '-' | '/' | '_' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2010}'..='\u{2015}' | '\u{2060}' | '\u{2212}')
        || letter.is_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    const TODAY: Date = date(2026, 11, 21);

    fn niss(text: &str) -> Niss {
        Niss::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    fn day(year: i16, month: i8, day: i8) -> Birth {
        Birth::Day(date(year, month, day))
    }

    #[test]
    fn valid_numbers_give_birth_and_sex() {
        use Sex::{Female, Male};
        for (text, birth, sex) in [
            ("85073003328", day(1985, 7, 30), Male),
            ("93051822361", day(1993, 5, 18), Male),
            ("75060898009", day(1975, 6, 8), Female),
            ("17073003384", day(2017, 7, 30), Male),
            ("17073003355", day(1917, 7, 30), Male),
            ("00012556777", day(2000, 1, 25), Male),
            ("00022900343", day(2000, 2, 29), Male),
            ("19081300193", day(2019, 8, 13), Male),
            ("23012300221", day(2023, 1, 23), Female),
            ("01112100475", day(2001, 11, 21), Female),
            ("10010199792", day(2010, 1, 1), Male),
            ("10010199891", day(2010, 1, 1), Female),
            ("10030103697", day(2010, 3, 1), Female),
            ("00000100166", Birth::Unknown, Male),
            ("00000100195", Birth::Unknown, Male),
            ("00000000128", Birth::Year(2000), Male),
            ("00010000135", Birth::Month(2000, 1), Male),
            ("85073500107", Birth::Month(1985, 7), Male),
            ("14000001121", Birth::Year(2014), Male),
            ("98472899765", day(1998, 7, 28), Male),
            ("01490700185", day(2001, 9, 7), Male),
            ("75460898095", day(1975, 6, 8), Female),
            ("75260898052", day(1975, 6, 8), Sex::Unknown),
            ("00400100155", Birth::Unknown, Male),
            ("00400100184", Birth::Unknown, Male),
            ("00200100112", Birth::Unknown, Sex::Unknown),
            ("00200100141", Birth::Unknown, Sex::Unknown),
            ("16471500248", day(2016, 7, 15), Female),
            ("16271500304", day(2016, 7, 15), Sex::Unknown),
            ("01022900364", Birth::Month(2001, 2), Male),
        ] {
            let niss = niss(text);
            assert_eq!(niss.birth(), birth, "{text}");
            assert_eq!(niss.sex(), sex, "{text}");
            assert_eq!(niss.digits(), text.as_bytes(), "{text}");
            assert_eq!(Niss::from_key(niss.key()), Some(niss), "{text}");
            assert!(!niss.is_future(TODAY), "{text}");
        }
    }

    #[test]
    fn numbers_at_fault_are_refused_by_name() {
        for (text, fault) in [
            ("12345678901", NissFault::CheckDigits),
            ("10030103600", NissFault::CheckDigits),
            ("85133000105", NissFault::Month),
            ("14130100192", NissFault::Month),
            ("85533000191", NissFault::Month),
            ("85333000148", NissFault::Month),
            ("10010100022", NissFault::Serial),
            ("10010199990", NissFault::Serial),
            ("1.70730E+10", NissFault::Format),
            ("", NissFault::Format),
            ("850730033281", NissFault::Format),
        ] {
            assert_eq!(Niss::parse(text), Err(fault), "{text}");
        }
        assert!(niss("27112000271").is_future(TODAY));
    }

    #[test]
    fn bis_numbers_are_told_apart() {
        assert!(niss("98472899765").is_bis() && niss("75260898052").is_bis());
        assert!(!niss("85073003328").is_bis());
    }

    #[test]
    fn spreadsheet_zeros_come_back_only_for_the_2000s() {
        assert_eq!(Niss::restore_zeros(b"5060700261"), Some(niss("05060700261")));
        assert_eq!(Niss::restore_zeros(b"30400126"), Some(niss("00030400126")));
        assert_eq!(Niss::restore_zeros(b"5060700262"), None);
        assert_eq!(Niss::restore_zeros(b"0400126"), None);
        // 05010308662 without its ninth digit: with a zero before it, another person's number.
        assert_eq!((Niss::restore_zeros(b"0501030862"), niss("00501030862").is_2000s()), (None, true));
        assert_eq!(Niss::restore_zeros(b"85073003328"), None);
    }

    #[test]
    fn age_turns_on_the_birthday() {
        let turns_25 = niss("01112100475");
        assert_eq!(turns_25.age_check(25, date(2026, 11, 20)), AgeCheck::Below);
        assert_eq!(turns_25.age_check(25, TODAY), AgeCheck::Reached);
        let leap = niss("00022900343");
        assert_eq!(leap.age_check(25, date(2025, 2, 28)), AgeCheck::Below);
        assert_eq!(leap.age_check(25, date(2025, 3, 1)), AgeCheck::Reached);
        assert_eq!(niss("00000000128").age_check(25, date(2025, 6, 1)), AgeCheck::Undecided);
        assert_eq!(niss("00000000128").age_check(25, date(2026, 1, 1)), AgeCheck::Reached);
        assert_eq!(niss("00000000128").age_check(25, date(2024, 12, 31)), AgeCheck::Below);
        assert_eq!(niss("00000100195").age_check(25, TODAY), AgeCheck::Undecided);
        assert_eq!(niss("17073003355").age_check(25, TODAY), AgeCheck::Reached);
    }

    #[test]
    fn numbers_hidden_in_text_are_found() {
        assert_eq!(find_in("lijst_00012556777.csv"), Some(6..17));
        assert_eq!(find_in("kind 00.01.25-567.77 van Bree"), Some(5..20));
        assert_eq!(find_in("00_01_25_567_77"), Some(0..15));
        assert_eq!(find_in("lijst_2026-11-21_bree_0001.csv"), None);
        assert_eq!(find_in("12345678901"), None);
    }

    #[test]
    fn debug_masks_the_number() {
        assert_eq!(format!("{:?}", niss("85073003328")), "Niss(***)");
    }

    proptest! {
        #[test]
        fn whatever_parses_comes_back_as_it_was(text in "[0-9. -]{8,16}") {
            if let Ok(niss) = Niss::parse(&text) {
                let bare: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
                prop_assert_eq!(niss.digits().to_vec(), bare);
            }
        }

        #[test]
        fn any_nine_digits_with_their_check_are_read(nine in 0_u64..1_000_000_000, later in any::<bool>()) {
            let check = 97 - (nine + if later { u64::from(PREFIX_2000) } else { 0 }) % 97;
            let text = format!("{nine:09}{check:02}");
            match Niss::parse(&text) {
                Ok(niss) => prop_assert_eq!(Niss::from_key(niss.key()), Some(niss)),
                Err(fault) => prop_assert!(matches!(fault, NissFault::Month | NissFault::Serial)),
            }
        }
    }

    /// As local authorities name their lists, with the reference of a protocol in front.
    #[test]
    fn references_and_dates_are_no_numbers() {
        let mut day = date(2027, 1, 1);
        while day.year() == 2027 {
            for reference in [17, 21, 26, 60] {
                let (compact, plain) = (day.strftime("%Y%m%d"), day.strftime("%Y-%m-%d"));
                for name in [
                    format!("OPG-2026-{reference:03}_72004_{compact}.csv"),
                    format!("OPG-2026-{reference:03}_{plain}_kinderen.xlsx"),
                    format!("lijst {compact}.csv"),
                ] {
                    assert_eq!(find_in(&name), None, "{name}");
                }
            }
            day = day.tomorrow().unwrap();
        }
        for month in 1..=9 {
            assert_eq!(find_in(&format!("OPG-2026-017_2027{month:02}05.csv")), None);
        }
    }

    #[test]
    fn numbers_in_longer_runs_and_between_other_groups_are_found() {
        for text in ["x85073003328y", "2026112385073003328", "2026-11-23 85.07.30-033.28", "1-85.07.30-033.28_2"] {
            let found = find_in(text).map(|range| text[range].chars().filter(char::is_ascii_digit).collect::<String>());
            assert_eq!(found.as_deref(), Some("85073003328"), "{text}");
        }
    }
}
