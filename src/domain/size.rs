//! Sizes as ops write them: `64MiB`, `1GiB`, `500KiB`, `1024`.

use std::{fmt, str::FromStr};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A text that is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a size such as 64MiB, 1GiB or 500KiB")]
pub struct ByteSizeFault;

/// Units, largest first, so that writing takes the largest that divides.
const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl FromStr for ByteSize {
    type Err = ByteSizeFault;

    fn from_str(text: &str) -> Result<Self, ByteSizeFault> {
        let (digits, unit) = UNITS
            .iter()
            .find_map(|(name, bytes)| text.strip_suffix(name).map(|digits| (digits, *bytes)))
            .unwrap_or((text, 1));
        let number: u64 = digits.trim().parse().map_err(|_| ByteSizeFault)?;
        number.checked_mul(unit).map(Self).ok_or(ByteSizeFault)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes)) {
            Some((name, bytes)) => write!(formatter, "{}{name}", self.0 / bytes),
            None => write!(formatter, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for text in ["64MiB", "1GiB", "500KiB", "1023", "3TiB"] {
            assert_eq!(text.parse::<ByteSize>().map(|size| size.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("64 MiB".parse(), Ok(ByteSize(64 << 20)));
        for text in ["", "MiB", "-1", "64MB", "99999999999TiB"] {
            assert_eq!(text.parse::<ByteSize>(), Err(ByteSizeFault), "{text}");
        }
    }
}
