//! Enterprise numbers of the Belgian Crossroads Bank for Enterprises (KBO).

use std::{fmt, str::FromStr};

/// An enterprise number: ten digits, the first 0 or 1, the last two 97 less the others modulo 97.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnterpriseNumber(u64);

/// Why a text is no enterprise number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnterpriseNumberFault {
    /// Not ten digits of which the first is 0 or 1.
    #[error("not an enterprise number such as 0692.793.497")]
    Format,
    /// The last two digits do not fit.
    #[error("the check digits do not fit")]
    CheckDigits,
}

impl FromStr for EnterpriseNumber {
    type Err = EnterpriseNumberFault;

    /// Reads the ten digits, bare or as `0692.793.497`, with or without `BE` before them.
    fn from_str(text: &str) -> Result<Self, EnterpriseNumberFault> {
        let bare = text.strip_prefix("BE").unwrap_or(text).trim_start();
        let digits = match bare.split('.').collect::<Vec<_>>().as_slice() {
            [all] => (*all).to_owned(),
            [first, second, third] if [first.len(), second.len(), third.len()] == [4, 3, 3] => {
                [*first, *second, *third].concat()
            }
            _ => return Err(EnterpriseNumberFault::Format),
        };
        let shape = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = digits.parse().map_err(|_| EnterpriseNumberFault::Format)?;
        if !shape || !digits.starts_with(['0', '1']) {
            return Err(EnterpriseNumberFault::Format);
        }
        let fits = number % 100 == 97 - number / 100 % 97;
        if fits { Ok(Self(number)) } else { Err(EnterpriseNumberFault::CheckDigits) }
    }
}

impl fmt::Display for EnterpriseNumber {
    /// The ten digits, as payment files carry them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:010}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written() {
        for text in ["0692.793.497", "0692793497", "BE0692793497", "BE 0692.793.497"] {
            let number: Result<EnterpriseNumber, _> = text.parse();
            assert_eq!(number.map(|number| number.to_string()), Ok("0692793497".to_owned()), "{text}");
        }
    }

    #[test]
    fn numbers_at_fault_are_refused_by_name() {
        assert_eq!("0692793498".parse::<EnterpriseNumber>(), Err(EnterpriseNumberFault::CheckDigits));
        for text in ["", "692793497", "2692793497", "06927934970", "0692.793497", "0692,793,497", "+692793497"] {
            assert_eq!(text.parse::<EnterpriseNumber>(), Err(EnterpriseNumberFault::Format), "{text}");
        }
    }
}
