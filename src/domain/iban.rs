//! Account numbers: IBAN by ISO 13616, with the check of the Belgian account number inside.

use std::{fmt, ops::Range};

use super::niss::may_join;

/// A checked account number. Personal data: `Debug` is masked and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Iban(Compact);

/// Belgian numbers, nearly all, are kept as their fourteen digits after the country.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Compact {
    Belgian(u64),
    Foreign(Box<str>),
}

/// Why a text is no account number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IbanFault {
    /// Not two letters, two digits and up to thirty letters or digits.
    #[error("not the shape of an IBAN")]
    Format,
    /// A country that is not in the single euro payments area.
    #[error("the country is not in the SEPA area")]
    Country,
    /// Not the length of that country.
    #[error("not the length that the country uses")]
    Length,
    /// The two check digits after the country do not fit.
    #[error("the check digits do not fit")]
    CheckDigits,
    /// The last two digits of a Belgian account number do not fit.
    #[error("the check digits of the Belgian account number do not fit")]
    BelgianCheck,
}

/// Lengths per SEPA country (SWIFT IBAN registry, European Payments Council list EPC409-09).
const LENGTHS: [(&str, usize); 42] = [
    ("AD", 24),
    ("AL", 28),
    ("AT", 20),
    ("BE", 16),
    ("BG", 22),
    ("CH", 21),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("EE", 20),
    ("ES", 24),
    ("FI", 18),
    ("FR", 27),
    ("GB", 22),
    ("GI", 23),
    ("GR", 27),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IS", 26),
    ("IT", 27),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MT", 31),
    ("NL", 18),
    ("NO", 15),
    ("PL", 28),
    ("PT", 25),
    ("RO", 24),
    ("RS", 22),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("VA", 22),
];

/// The longest IBAN of ISO 13616.
const LONGEST: usize = 34;

/// Where `text` holds an account number, with or without spaces or points between its groups.
///
/// For the transfer log's guard of texts that somebody typed.
pub fn find_in(text: &str) -> Option<Range<usize>> {
    let mut before = None;
    text.char_indices().find_map(|(start, letter)| {
        let begins = letter.is_ascii_alphabetic() && !before.is_some_and(char::is_alphanumeric);
        before = Some(letter);
        let rest = text.get(start..).filter(|_| begins)?;
        let country = rest.get(..2).filter(|_| rest.bytes().skip(2).take(2).all(|byte| byte.is_ascii_digit()))?;
        let (_, length) = LENGTHS.iter().find(|(code, _)| code.eq_ignore_ascii_case(country))?;
        let joined = rest.char_indices().take_while(|(_, letter)| letter.is_ascii_alphanumeric() || may_join(*letter));
        let number: Vec<(usize, char)> =
            joined.filter(|(_, letter)| letter.is_ascii_alphanumeric()).take(*length).collect();
        let compact: String = number.iter().map(|(_, letter)| letter).collect();
        Iban::parse(&compact).ok()?;
        Some(start..start + number.last()?.0 + 1)
    })
}

impl Iban {
    /// Reads an account number, with or without spaces, in any case.
    ///
    /// # Errors
    /// [`IbanFault`], the first that holds.
    pub fn parse(text: &str) -> Result<Self, IbanFault> {
        match belgian_digits(text.as_bytes()) {
            Some(digits) => Self::from_belgian(digits),
            None => Self::parse_any(text),
        }
    }

    fn parse_any(text: &str) -> Result<Self, IbanFault> {
        let mut buffer = [0_u8; LONGEST];
        let mut length = 0;
        for byte in text.bytes().filter(|byte| *byte != b' ') {
            if !byte.is_ascii_alphanumeric() {
                return Err(IbanFault::Format);
            }
            *buffer.get_mut(length).ok_or(IbanFault::Format)? = byte.to_ascii_uppercase();
            length += 1;
        }
        let bare = buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or(IbanFault::Format)?;
        let (country, rest) = bare.split_at_checked(2).ok_or(IbanFault::Format)?;
        let (check, account) = rest.split_at_checked(2).ok_or(IbanFault::Format)?;
        let letters = country.bytes().all(|byte| byte.is_ascii_uppercase());
        if !letters || !check.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IbanFault::Format);
        }
        let (_, expected) = LENGTHS.iter().find(|(code, _)| *code == country).ok_or(IbanFault::Country)?;
        if length != *expected {
            return Err(IbanFault::Length);
        }
        if remainder_97(account.bytes().chain(country.bytes()).chain(check.bytes())) != 1 {
            return Err(IbanFault::CheckDigits);
        }
        if country != "BE" {
            return Ok(Self(Compact::Foreign(bare.into())));
        }
        let digits: u64 = rest.parse().map_err(|_| IbanFault::Format)?;
        Self::from_belgian(digits)
    }

    /// Checks the fourteen digits after `BE`.
    fn from_belgian(digits: u64) -> Result<Self, IbanFault> {
        let (check, account) = (digits / 1_000_000_000_000, digits % 1_000_000_000_000);
        // ISO 7064 over the account, BE as 11 and 14, and the check digits: eighteen digits, which fit.
        if (account * 1_000_000 + 111_400 + check) % 97 != 1 {
            return Err(IbanFault::CheckDigits);
        }
        let (base, last) = (account / 100, account % 100);
        let expected = if base % 97 == 0 { 97 } else { base % 97 };
        if last == expected { Ok(Self(Compact::Belgian(digits))) } else { Err(IbanFault::BelgianCheck) }
    }

    /// The fourteen digits after `BE`, for a Belgian account: what a compact table keeps.
    pub fn belgian_digits(&self) -> Option<u64> {
        match self.0 {
            Compact::Belgian(digits) => Some(digits),
            Compact::Foreign(_) => None,
        }
    }

    /// Adds the number without spaces to a buffer that its owner wipes: for files of many. Personal data.
    pub fn push_electronic(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Compact::Belgian(digits) => {
                out.extend_from_slice(b"BE");
                let digit = |place: u32| u8::try_from(digits / 10_u64.pow(place) % 10).unwrap_or_default();
                out.extend((0..14).rev().map(|place| b'0' + digit(place)));
            }
            Compact::Foreign(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// The number without spaces, as payment files write it. Personal data.
    pub fn electronic(&self) -> String {
        match &self.0 {
            Compact::Belgian(digits) => format!("BE{digits:014}"),
            Compact::Foreign(text) => text.to_string(),
        }
    }
}

/// The digits of a Belgian number as nearly all are written, `BE` and fourteen digits: a register has a million.
fn belgian_digits(text: &[u8]) -> Option<u64> {
    let digits: &[u8; 14] = text.strip_prefix(b"BE")?.try_into().ok()?;
    let next = |number, byte: &u8| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'));
    digits.iter().try_fold(0, next)
}

/// ISO 7064 mod 97, letters counting as 10 to 35.
fn remainder_97(characters: impl Iterator<Item = u8>) -> u32 {
    characters.fold(0, |remainder, byte| {
        if byte.is_ascii_digit() {
            (remainder * 10 + u32::from(byte - b'0')) % 97
        } else {
            (remainder * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97
        }
    })
}

impl fmt::Debug for Iban {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Iban(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_numbers_come_back() {
        for text in [
            "BE71096123456769",
            "BE48320070184927",
            "BE32123456789002",
            "BE54310100270097",
            "BE45102000000089",
            "BE68539007547034",
            "BE83138811735115",
            "NL91ABNA0417164300",
            "DE89370400440532013000",
            "FR1420041010050500013M02606",
        ] {
            assert_eq!(Iban::parse(text).map(|iban| iban.electronic()), Ok(text.to_owned()));
            let mut out = b";".to_vec();
            Iban::parse(text).unwrap().push_electronic(&mut out);
            assert_eq!(out, format!(";{text}").into_bytes());
        }
        assert_eq!(Iban::parse("be68 5390 0754 7034").map(|iban| iban.electronic()), Ok("BE68539007547034".to_owned()));
    }

    #[test]
    fn both_ways_of_reading_a_belgian_number_agree() {
        for number in (0..200_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 100_000_000_000_000) {
            // One in 97 has the right check digits, and one of those in 97 the right account.
            let account = number % 1_000_000_000_000;
            let check = 98 - (account * 1_000_000 + 111_400) % 97;
            for text in [format!("BE{number:014}"), format!("BE{check:02}{account:012}")] {
                assert_eq!(Iban::parse(&text), Iban::parse_any(&text), "{text}");
            }
        }
    }

    #[test]
    fn numbers_at_fault_are_refused_by_name() {
        for (text, fault) in [
            ("BE41091811735141", IbanFault::BelgianCheck),
            ("BE54310100270000", IbanFault::BelgianCheck),
            ("BE69539007547034", IbanFault::CheckDigits),
            ("BE6853900754703", IbanFault::Length),
            ("XX68539007547034", IbanFault::Country),
            ("BE68-5390-0754-7034", IbanFault::Format),
            ("", IbanFault::Format),
            ("BÉ68539007547034", IbanFault::Format),
        ] {
            assert_eq!(Iban::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn debug_masks_the_number() {
        assert_eq!(format!("{:?}", Iban::parse("BE68539007547034")), "Ok(Iban(***))");
    }
}
