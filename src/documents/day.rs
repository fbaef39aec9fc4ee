//! Days and months as people write them.

use jiff::civil::Date;

const MONTHS: [&str; 12] = [
    "januari",
    "februari",
    "maart",
    "april",
    "mei",
    "juni",
    "juli",
    "augustus",
    "september",
    "oktober",
    "november",
    "december",
];

/// The name of a month from 1; empty outside 1 to 12.
pub fn month_nl(number: i8) -> &'static str {
    usize::try_from(number - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or_default()
}

/// A register's month, `2026-11`, as people write it: `november 2026`. What is no such month stays as it is.
pub fn register_month_nl(month: &str) -> String {
    let parts = month.split_once('-').and_then(|(year, number)| Some((year, month_nl(number.parse().ok()?))));
    parts.map_or_else(|| month.to_owned(), |(year, name)| format!("{name} {year}"))
}

/// A day: `21 november 2026`.
pub fn date_nl(day: Date) -> String {
    format!("{} {} {}", day.day(), month_nl(day.month()), day.year())
}
