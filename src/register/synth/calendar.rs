//! Days counted back from the first of the reference month.

use jiff::civil::Date;

/// Days that are kept: 25 years of childhood and 40 of the eldest parent, with some to spare.
const DAYS: usize = 66 * 366;

/// The days before a day.
pub(super) struct Calendar(Vec<Date>);

impl Calendar {
    pub(super) fn before(day: Date) -> Self {
        let back = std::iter::successors(Some(day), |day| day.yesterday().ok());
        Self(back.take(DAYS).collect())
    }

    /// The day so many days earlier.
    pub(super) fn days_ago(&self, days: u32) -> Option<Date> {
        self.0.get(days as usize).copied()
    }
}
