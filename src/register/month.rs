//! The month that an extract is of.

use std::{fmt, str::FromStr};

use jiff::civil::Date;

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferenceMonth(Date);

/// A text that is no month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a month such as 2026-11, from 2000 on")]
pub struct MonthFault;

impl ReferenceMonth {
    /// The first day of the month.
    pub fn first_day(self) -> Date {
        self.0
    }
}

impl From<Date> for ReferenceMonth {
    fn from(date: Date) -> Self {
        Self(date.first_of_month())
    }
}

impl FromStr for ReferenceMonth {
    type Err = MonthFault;

    fn from_str(text: &str) -> Result<Self, MonthFault> {
        let shape = text.len() == 7 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let (year, month) = text.split_once('-').filter(|(year, _)| shape && year.len() == 4).ok_or(MonthFault)?;
        let year = year.parse().ok().filter(|year| *year >= 2000).ok_or(MonthFault)?;
        let month = month.parse().map_err(|_| MonthFault)?;
        Date::new(year, month, 1).map(Self).map_err(|_| MonthFault)
    }
}

impl fmt::Display for ReferenceMonth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_and_written() {
        for text in ["2026-11", "2000-01"] {
            assert_eq!(text.parse::<ReferenceMonth>().map(|month| month.to_string()), Ok(text.to_owned()));
        }
        for text in ["2026-13", "2026-00", "1999-12", "2026-1", "202611", "2026-111", "+026-11", "2026--1", ""] {
            assert_eq!(text.parse::<ReferenceMonth>(), Err(MonthFault), "{text}");
        }
    }
}
