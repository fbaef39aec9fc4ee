//! Whether an extract can follow the one in use without somebody saying so.
//!
//! An extract of an earlier month, or of which a part is missing, reads as well as a good one does: every line of it is
//! right. What it lacks would be answered as if those children had no right.

use std::fmt;

use super::{ReferenceMonth, Register};

/// An extract has at least this much of the children of the one before it. From one month to the next about as many
/// children come as go; a tenth fewer is an export that broke off, or another population.
const LEAST_PERCENT: usize = 90;

/// How far an extract reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Its month.
    pub month: ReferenceMonth,
    /// How many children it has.
    pub children: usize,
}

/// Why an extract does not follow the one in use as a matter of course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnlikelyChange {
    /// It is of an earlier month.
    #[error("its month is earlier: {new}, and the one in use {used}")]
    EarlierMonth {
        /// What it has.
        new: Extent,
        /// What the one in use has.
        used: Extent,
    },
    /// It has far fewer children.
    #[error("it has fewer than {LEAST_PERCENT} % of the children: {new}, and the one in use {used}")]
    FewerChildren {
        /// What it has.
        new: Extent,
        /// What the one in use has.
        used: Extent,
    },
}

impl Extent {
    /// Of an extract.
    pub fn of(register: &Register) -> Self {
        Self { month: register.month(), children: register.children() }
    }

    /// Whether an extract that reaches so far follows one that reached as far as `used`.
    ///
    /// # Errors
    /// [`UnlikelyChange`]: somebody has to say that it is meant.
    pub fn follows(self, used: Self) -> Result<(), UnlikelyChange> {
        if self.month < used.month {
            return Err(UnlikelyChange::EarlierMonth { new: self, used });
        }
        if self.children * 100 < used.children * LEAST_PERCENT {
            return Err(UnlikelyChange::FewerChildren { new: self, used });
        }
        Ok(())
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} children of {}", self.children, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_month_and_a_tenth_fewer_children_are_asked_about() {
        let extent = |month: &str, children| Extent { month: month.parse().unwrap(), children };
        let used = extent("2026-11", 1_000);
        for good in [used, extent("2026-12", 900), extent("2027-01", 5_000)] {
            assert_eq!(good.follows(used), Ok(()));
        }
        let told = |new: Extent| new.follows(used).unwrap_err().to_string();
        assert_eq!(
            told(extent("2026-10", 1_000)),
            "its month is earlier: 1000 children of 2026-10, and the one in use 1000 children of 2026-11"
        );
        assert_eq!(
            told(extent("2026-12", 899)),
            "it has fewer than 90 % of the children: 899 children of 2026-12, and the one in use 1000 children of 2026-11"
        );
    }
}
