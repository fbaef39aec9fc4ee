//! Days as the law counts them: in Brussels.

use jiff::{Timestamp, Zoned, civil::Date, tz::TimeZone};

/// The IANA name of the time zone of every date in a protocol, a file name or an age.
const ZONE: &str = "Europe/Brussels";

/// The time zone of Brussels.
///
/// Its data is compiled in; should it be missing all the same, it is the standard offset, UTC+1.
pub fn brussels() -> TimeZone {
    TimeZone::get(ZONE).unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(1)))
}

/// That instant as the clock in Brussels shows it.
pub fn in_brussels(at: Timestamp) -> Zoned {
    at.to_zoned(brussels())
}

/// The day in Brussels at that instant.
pub fn brussels_date(at: Timestamp) -> Date {
    in_brussels(at).date()
}

/// The age in whole years on a day: one more from the birthday on, which is 1 March in common years for who was born on
/// 29 February. Negative for a day before the birth.
pub fn age(born: Date, day: Date) -> i16 {
    let before_birthday = (day.month(), day.day()) < (born.month(), born.day());
    day.year() - born.year() - i16::from(before_birthday)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn an_age_turns_on_the_birthday() {
        let leap = date(2020, 2, 29);
        for (born, day, years) in [
            (date(2014, 11, 21), date(2026, 11, 20), 11),
            (date(2014, 11, 21), date(2026, 11, 21), 12),
            (leap, date(2026, 2, 28), 5),
            (leap, date(2026, 3, 1), 6),
            (leap, date(2024, 2, 29), 4),
        ] {
            assert_eq!(age(born, day), years, "{born} {day}");
        }
    }

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
