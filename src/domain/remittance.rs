//! The Belgian structured communication: ten digits and their remainder modulo 97, `+++123/4567/89002+++`.

use std::{fmt, str::FromStr};

/// A communication whose check digits fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StructuredCommunication(u64);

/// A text that is no such communication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommunicationFault {
    /// Not twelve digits, bare or as `+++123/4567/89012+++`.
    #[error("not twelve digits, bare or as +++123/4567/89012+++")]
    Format,
    /// The last two digits do not fit.
    #[error("the check digits do not fit")]
    CheckDigits,
}

/// The first number beyond ten digits.
const BASES: u64 = 10_000_000_000;

/// Lines of one year that [`StructuredCommunication::of_line`] can number: six digits beside the year's four.
pub const MOST_LINES: u32 = 999_999;

impl StructuredCommunication {
    /// The communication of a number of at most ten digits.
    pub const fn of_number(base: u64) -> Option<Self> {
        if base >= BASES {
            return None;
        }
        let check = if base.is_multiple_of(97) { 97 } else { base % 97 };
        Some(Self(base * 100 + check))
    }

    /// The communication of a line: the year, then the line's number in it. None from the year 10000 on, before the
    /// year 0, and above [`MOST_LINES`].
    pub fn of_line(year: i16, line: u32) -> Option<Self> {
        let year = u64::try_from(year).ok().filter(|year| *year < 10_000)?;
        let line = Some(u64::from(line)).filter(|_| line <= MOST_LINES)?;
        Self::of_number(year * 1_000_000 + line)
    }

    /// The twelve digits, as payment files carry them.
    pub fn digits(self) -> String {
        format!("{:012}", self.0)
    }
}

impl FromStr for StructuredCommunication {
    type Err = CommunicationFault;

    /// Reads twelve digits, or `+++123/4567/89012+++`, also with `***`.
    fn from_str(text: &str) -> Result<Self, CommunicationFault> {
        let framed = ["+++", "***"].iter().find_map(|frame| text.strip_prefix(frame)?.strip_suffix(frame));
        let groups = framed.map(|inner| inner.split('/').collect::<Vec<_>>());
        let digits = match groups.as_deref() {
            None => text.to_owned(),
            Some([first, second, third]) if [first.len(), second.len(), third.len()] == [3, 4, 5] => {
                [*first, *second, *third].concat()
            }
            Some(_) => return Err(CommunicationFault::Format),
        };
        if digits.len() != 12 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CommunicationFault::Format);
        }
        let number: u64 = digits.parse().map_err(|_| CommunicationFault::Format)?;
        let communication = Self::of_number(number / 100).ok_or(CommunicationFault::Format)?;
        if communication.0 == number { Ok(communication) } else { Err(CommunicationFault::CheckDigits) }
    }
}

impl fmt::Display for StructuredCommunication {
    /// As people write it, `+++123/4567/89002+++`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second, third) = (self.0 / 1_000_000_000, self.0 / 100_000 % 10_000, self.0 % 100_000);
        write!(formatter, "+++{first:03}/{second:04}/{third:05}+++")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_communications_are_judged() {
        for text in ["010806817183", "090933755493", "202600004236", "000000009797"] {
            assert_eq!(text.parse().map(StructuredCommunication::digits), Ok(text.to_owned()));
        }
        for text in ["010806817180", "000000009700"] {
            assert_eq!(text.parse::<StructuredCommunication>(), Err(CommunicationFault::CheckDigits), "{text}");
        }
        for text in ["", "+++", "++++++", "+++010/8068/17183***", "+++0108/068/17183+++", "01080681718", "01080681718x"]
        {
            assert_eq!(text.parse::<StructuredCommunication>(), Err(CommunicationFault::Format), "{text}");
        }
    }

    #[test]
    fn lines_are_numbered_within_their_year() {
        let line = |year, line| StructuredCommunication::of_line(year, line).map(StructuredCommunication::digits);
        assert_eq!(line(2026, 42), Some("202600004236".to_owned()));
        assert_eq!((line(2026, MOST_LINES + 1), line(-1, 1), line(10_000, 1)), (None, None, None));
        assert_eq!(StructuredCommunication::of_number(BASES), None);
    }

    proptest! {
        #[test]
        fn each_form_reads_back(base in 0..BASES) {
            let made = StructuredCommunication::of_number(base).unwrap();
            prop_assert_eq!(made.digits().parse(), Ok(made));
            prop_assert_eq!(made.to_string().parse(), Ok(made));
            prop_assert_eq!(made.to_string().replace('+', "*").parse(), Ok(made));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*|[+*/0-9]{0,24}") {
            let _ = text.parse::<StructuredCommunication>();
        }
    }
}
