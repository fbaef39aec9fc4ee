//! The part of an allowance that one beneficiary gets.

use std::{fmt, str::FromStr};

/// Parts of ten thousand: 1 is the whole, 0.5 each after equal co-parenting, 0.6667 for an institution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

/// How many parts make the whole; four decimals are enough for a third.
const WHOLE: u16 = 10_000;

/// A text that is no share: above 0, at most 1, at most four decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a share above 0 and at most 1, with at most four decimals")]
pub struct ShareFault;

impl Share {
    /// The whole allowance.
    pub const WHOLE: Self = Self(WHOLE);
    /// Half: equal co-parenting.
    pub const HALF: Self = Self(WHOLE / 2);

    /// Parts of ten thousand, 1 to 10,000.
    pub fn ten_thousandths(self) -> u16 {
        self.0
    }

    /// The share of that many ten thousandths.
    ///
    /// # Errors
    /// [`ShareFault`] for 0 or more than the whole.
    pub fn from_ten_thousandths(parts: u16) -> Result<Self, ShareFault> {
        if (1..=WHOLE).contains(&parts) { Ok(Self(parts)) } else { Err(ShareFault) }
    }
}

impl FromStr for Share {
    type Err = ShareFault;

    fn from_str(text: &str) -> Result<Self, ShareFault> {
        let (units, decimals) = text.split_once('.').unwrap_or((text, ""));
        if units.len() != 1 || decimals.len() > 4 || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(ShareFault);
        }
        let parts = format!("{units}{decimals:0<4}").parse().map_err(|_| ShareFault)?;
        Self::from_ten_thousandths(parts)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == WHOLE {
            return formatter.write_str("1");
        }
        let digits = format!("{:04}", self.0);
        write!(formatter, "0.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_written() {
        for (text, written) in [("1", "1"), ("0.5", "0.5"), ("0.50", "0.5"), ("1.0", "1"), ("0.6667", "0.6667")] {
            assert_eq!(text.parse::<Share>().map(|share| share.to_string()), Ok(written.to_owned()));
        }
        for text in ["0", "0.0", "1.1", "2", "", ".5", "0.33333", "-1", "0,5", "1e0", "0.5.5"] {
            assert_eq!(text.parse::<Share>(), Err(ShareFault), "{text}");
        }
    }
}
