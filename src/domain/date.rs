//! Days as the law counts them: in Brussels.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// The time zone of every date in a protocol, a file name or an age.
pub const ZONE: &str = "Europe/Brussels";

/// The day in Brussels at that instant.
///
/// The zone's data is compiled in; should it be missing all the same, the day is that of the standard offset, UTC+1.
pub fn brussels_date(at: Timestamp) -> Date {
    let zone = TimeZone::get(ZONE).unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(1)));
    at.to_zoned(zone).date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_day_turns_at_midnight_in_brussels_in_winter_and_summer() {
        for (instant, day) in [
            ("2026-11-20T22:59:59Z", date(2026, 11, 20)),
            ("2026-11-20T23:00:00Z", date(2026, 11, 21)),
            ("2026-07-01T21:59:59Z", date(2026, 7, 1)),
            ("2026-07-01T22:00:00Z", date(2026, 7, 2)),
            ("2026-03-28T23:00:00Z", date(2026, 3, 29)),
            ("2026-10-24T22:00:00Z", date(2026, 10, 25)),
        ] {
            assert_eq!(brussels_date(instant.parse().unwrap()), day, "{instant}");
        }
    }
}
