//! Reading one cell as an identification number, in the ways that people and spreadsheets write it.

use crate::domain::{Niss, NissFault, niss::DIGITS};

use super::problem::Problem;

/// A number with all that people and spreadsheets put around it is a fraction of this. A longer cell is not looked at:
/// it may have a megabyte.
const LONGEST_BYTES: usize = 256;

/// As much of a cell as anybody looks at.
pub fn beginning(cell: &str) -> &str {
    cell.get(..cell.floor_char_boundary(LONGEST_BYTES + 1)).unwrap_or_default()
}

/// What a workbook's cell reads as when it has a formula and no stored outcome.
pub const NO_OUTCOME: &str = "=";

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Nothing but white space and quotes.
    Empty,
    /// A valid number.
    Valid {
        /// The number.
        niss: Niss,
        /// Whether leading zeros had to be given back.
        restored: bool,
    },
    /// Something else.
    Invalid(Problem),
}

impl Cell {
    /// Reads a cell: eleven digits, bare or as `YY.MM.DD-SSS.CC`; around it white space (no-break spaces too), quotes,
    /// a leading apostrophe, or `="…"`; a fraction of zeros, as numeric exports write it. 8 to 10 bare digits are
    /// restored where [`Niss::restore_zeros`] does.
    pub fn read(cell: &[u8]) -> Self {
        match Niss::from_digits(cell) {
            Ok(niss) => Self::Valid { niss, restored: false },
            Err(_) => Self::read_written(cell),
        }
    }

    fn read_written(cell: &[u8]) -> Self {
        if cell.len() > LONGEST_BYTES {
            let blank = cell.iter().all(u8::is_ascii_whitespace);
            return if blank { Self::Empty } else { Self::Invalid(Problem::Format) };
        }
        let Ok(text) = std::str::from_utf8(cell) else { return Self::Invalid(Problem::Format) };
        if text == NO_OUTCOME {
            return Self::Invalid(Problem::NoOutcome);
        }
        let text = bare(text);
        if text.is_empty() {
            return Self::Empty;
        }
        let text = without_zero_fraction(text);
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::read_digits(text.as_bytes());
        }
        if let Some((digits, length)) = whole_digits(text).or_else(|| grouped_digits(text)) {
            return Self::read_digits(digits.get(..length).unwrap_or_default());
        }
        if is_rounded(text) {
            return Self::Invalid(Problem::Unrecoverable);
        }
        let mut digits = [0_u8; DIGITS];
        match separated_digits(text, &mut digits) {
            Some(()) => match Niss::from_digits(&digits) {
                Ok(niss) => Self::Valid { niss, restored: false },
                Err(fault) => Self::Invalid(fault.into()),
            },
            None => Self::Invalid(Problem::Format),
        }
    }

    /// Reads bare digits, from which a spreadsheet may have taken leading zeros, or the last digits.
    fn read_digits(digits: &[u8]) -> Self {
        match Niss::from_digits(digits) {
            Ok(niss) => Self::Valid { niss, restored: false },
            Err(NissFault::CheckDigits) if digits.ends_with(ROUNDED_END) => Self::Invalid(Problem::Unrecoverable),
            Err(fault) => Niss::restore_zeros(digits)
                .map_or(Self::Invalid(fault.into()), |niss| Self::Valid { niss, restored: true }),
        }
    }

    /// Whether the cell is a number with a fault in it, or one that a spreadsheet rounded: not merely a few digits.
    pub fn is_number_at_fault(cell: &[u8]) -> bool {
        matches!(Self::read(cell), Self::Invalid(problem) if !matches!(problem, Problem::Format | Problem::NoOutcome))
    }

    /// Whether a number stands in the cell, or may: a valid one, one at fault, or a formula that nobody worked out.
    pub fn may_be_number(cell: &[u8]) -> bool {
        match Self::read(cell) {
            Self::Valid { .. } => true,
            Self::Invalid(problem) => problem != Problem::Format,
            Self::Empty => false,
        }
    }

    /// Whether the cell was meant as a number: a valid one, one with a fault in it, or one that a spreadsheet damaged.
    pub fn looks_like_number(cell: &[u8]) -> bool {
        match Self::read(cell) {
            Self::Empty | Self::Invalid(Problem::NoOutcome) => false,
            Self::Invalid(Problem::Format) => {
                let digits = cell.iter().filter(|byte| byte.is_ascii_digit()).count();
                (8..=12).contains(&digits) && !cell.iter().any(u8::is_ascii_alphabetic)
            }
            Self::Valid { .. } | Self::Invalid(_) => true,
        }
    }

    /// Whether the cell is the beginning of a number and no more: digits and separators only, fewer digits than a
    /// number has, and not one that lost its leading zeros.
    pub fn is_fragment(cell: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(cell) else { return false };
        let text = text.trim_start_matches(is_wrapping);
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let only = text.chars().all(|character| character.is_ascii_digit() || is_separator(character));
        only && (1..DIGITS).contains(&digits) && !matches!(Self::read(cell), Self::Valid { .. })
    }
}

/// The end of a number of eleven digits that a spreadsheet showed as `1,70730E+10`, and then stored as that.
const ROUNDED_END: &[u8] = b"00000";

/// White space, invisible characters, quotes and apostrophes around a number.
fn is_wrapping(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '"' | '\'' | '`' | '\u{2018}'..='\u{201F}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}')
}

/// What stands between the digits of a printed number, typographic dashes and spaces included.
fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '.' | '-' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{00AD}' | '\u{200B}')
}

/// The number without what spreadsheets and people put around it.
fn bare(text: &str) -> &str {
    let text = text.trim_matches(is_wrapping);
    // ="00012556777" keeps a spreadsheet from reading a number.
    text.strip_prefix('=').map_or(text, |inner| inner.trim_matches(is_wrapping))
}

/// Takes off `.0` or `,00`, which exports of numeric columns add.
fn without_zero_fraction(text: &str) -> &str {
    match text.split_once(['.', ',']) {
        Some((whole, zeros)) => {
            let number = (8..=DIGITS).contains(&whole.len()) && whole.bytes().all(|byte| byte.is_ascii_digit());
            let fraction = !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0');
            if number && fraction { whole } else { text }
        }
        None => text,
    }
}

/// Whether the text is a number in scientific notation: `1,70730E+10`.
pub fn is_rounded(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let (whole, decimals) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    [whole, decimals, exponent].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Some digits of a number, and how many.
type SomeDigits = ([u8; DIGITS], usize);

fn collect_digits(bytes: impl Iterator<Item = u8>) -> Option<SomeDigits> {
    let (mut digits, mut length) = ([0; DIGITS], 0);
    for byte in bytes {
        *digits.get_mut(length)? = byte;
        length += 1;
    }
    Some((digits, length))
}

/// The digits of a number in scientific notation that lost none: `1.7073003384E10`.
fn whole_digits(text: &str) -> Option<SomeDigits> {
    if !is_rounded(text) {
        return None;
    }
    let (mantissa, exponent) = text.split_once(['E', 'e'])?;
    let (whole, decimals) = mantissa.split_once(['.', ','])?;
    let exponent: usize = exponent.trim_start_matches('+').parse().ok()?;
    (whole.len() == 1 && decimals.len() == exponent).then(|| collect_digits(whole.bytes().chain(decimals.bytes())))?
}

/// The digits of a number with separators between its thousands: `5.060.700.261`.
fn grouped_digits(text: &str) -> Option<SomeDigits> {
    let separator = text.chars().find(|character| !character.is_ascii_digit())?;
    if !is_separator(separator) && !matches!(separator, ',' | '\'' | '\u{2019}') {
        return None;
    }
    let is_group = |group: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (first, rest) = text.split_once(separator)?;
    let is_grouped = is_group(first, 1..=3) && rest.split(separator).all(|group| is_group(group, 3..=3));
    is_grouped.then(|| collect_digits(text.bytes().filter(u8::is_ascii_digit)))?
}

/// Eleven digits with separators between them, never before the first or after the last.
fn separated_digits(text: &str, digits: &mut [u8; DIGITS]) -> Option<()> {
    let edges = [text.chars().next()?, text.chars().next_back()?];
    if !edges.iter().all(char::is_ascii_digit) {
        return None;
    }
    let mut slots = digits.iter_mut();
    for character in text.chars() {
        if character.is_ascii_digit() {
            *slots.next()? = u8::try_from(character).ok()?;
        } else if !is_separator(character) {
            return None;
        }
    }
    slots.next().is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(text: &str, number: &str, restored: bool) {
        let niss = Niss::parse(number).unwrap();
        assert_eq!(Cell::read(text.as_bytes()), Cell::Valid { niss, restored }, "{text}");
    }

    #[test]
    fn a_page_is_no_number() {
        let spaces = |count: usize| " ".repeat(count);
        assert_eq!(Cell::read(spaces(LONGEST_BYTES + 1).as_bytes()), Cell::Empty);
        valid(&(spaces(LONGEST_BYTES - 11) + "00012556777"), "00012556777", false);
        let long = spaces(LONGEST_BYTES - 10) + "00012556777";
        assert_eq!(Cell::read(long.as_bytes()), Cell::Invalid(Problem::Format));
    }

    #[test]
    fn every_way_of_writing_a_number_is_read() {
        for text in [
            "00012556777",
            "00.01.25-567.77",
            "00.01.25 567.77",
            "000125-567-77",
            "00/01/25-567.77",
            "00 01 25 567 77",
            " 00012556777 ",
            "\u{A0}00012556777\u{A0}",
            "\u{FEFF}00012556777",
            "'00012556777",
            "\u{2019}00012556777",
            "\"00012556777\"",
            "=\"00012556777\"",
            "=00012556777",
            "00012556777.0",
            "00012556777,00",
            "00.01.25\u{2013}567.77",
            "00\u{A0}01\u{A0}25\u{A0}567\u{A0}77",
            "00\u{202F}01\u{202F}25\u{202F}567\u{202F}77",
        ] {
            valid(text, "00012556777", false);
        }
        for text in ["17.073.003.384", "17 073 003 384", "17,073,003,384", "1.7073003384E10", "1,7073003384e+10"] {
            valid(text, "17073003384", false);
        }
        for text in ["5060700261", "5060700261.0", "'5060700261", " 5060700261", "5.060.700.261", "5.060700261E9"] {
            valid(text, "05060700261", true);
        }
        valid("30400126", "00030400126", true);
    }

    #[test]
    fn what_is_no_number_says_why() {
        for (text, problem) in [
            ("12345678901", Problem::CheckDigits),
            ("10.03.01-036.00", Problem::CheckDigits),
            ("85133000105", Problem::BirthDate),
            ("10010100022", Problem::Serial),
            ("1,70730E+10", Problem::Unrecoverable),
            ("1.7073E+10", Problem::Unrecoverable),
            ("1.7073e10", Problem::Unrecoverable),
            ("2E+10", Problem::Unrecoverable),
            ("17073000000", Problem::Unrecoverable),
            ("1.7073003385E10", Problem::CheckDigits),
            ("5.060.700.26", Problem::Format),
            ("5.060.700,261", Problem::Format),
            ("0.501.030.862", Problem::Format),
            ("0400126", Problem::Format),
            ("5060700262", Problem::Format),
            ("850730033281", Problem::Format),
            ("=", Problem::NoOutcome),
            ("85073003328.5", Problem::Format),
            ("-85073003328", Problem::Format),
            ("Jan Peeters", Problem::Format),
            ("NISS 85073003328", Problem::Format),
            ("\u{0660}5073003328", Problem::Format),
        ] {
            assert_eq!(Cell::read(text.as_bytes()), Cell::Invalid(problem), "{text}");
        }
        for text in ["", "  ", "\u{A0}", "\"\"", "=\"\"", "'"] {
            assert_eq!(Cell::read(text.as_bytes()), Cell::Empty, "{text:?}");
        }
        assert_eq!(Cell::read(b"\xFF\xFE"), Cell::Invalid(Problem::Format));
    }

    #[test]
    fn fragments_are_beginnings_of_numbers() {
        for text in ["1", "170730", "17.07.3", "\"1707300", "1707300338", "17.07.30-"] {
            assert!(Cell::is_fragment(text.as_bytes()), "{text}");
        }
        for text in ["", "17073003384", "5060700261", "Totaal", "1,70730E+10", "12345678901"] {
            assert!(!Cell::is_fragment(text.as_bytes()), "{text}");
        }
    }
}
