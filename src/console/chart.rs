//! Bars of days, from what the ledger knows.

use jiff::{Timestamp, ToSpan, civil::Date};
use maud::{Markup, PreEscaped};

use super::language::Language;
use crate::{
    documents::audit::{Bar, Chart},
    domain::{brussels, brussels_date},
};

/// Days that charts tell of, today included.
pub(super) const DAYS: i32 = 30;

/// Days from one label to the next: those of each third day would touch.
const LABEL_EACH: usize = 6;

/// The days of a chart, and the moment at which the first begins.
pub(super) struct Days {
    first: Date,
    last: Date,
    pub since: Timestamp,
}

impl Days {
    /// The last [`DAYS`] days in Brussels.
    pub fn until(today: Date) -> Self {
        let first = today.saturating_sub((DAYS - 1).days());
        let since = first.to_zoned(brussels()).map_or(Timestamp::UNIX_EPOCH, |begin| begin.timestamp());
        Self { first, last: today, since }
    }

    /// A bar for each day, of these values: into the lower part (0) or the upper one (1).
    pub fn bars(&self, language: Language, values: impl Iterator<Item = (Timestamp, usize, u64)>) -> Vec<Bar> {
        let days = self.first.series(1.day()).take_while(|day| *day <= self.last);
        let mut bars: Vec<(Date, Bar)> = days
            .enumerate()
            .map(|(at, day)| {
                let label = if at % LABEL_EACH == 0 { day.strftime("%-d/%-m").to_string() } else { String::new() };
                (day, Bar { label, name: language.day(day), values: [0; 2] })
            })
            .collect();
        for (at, part, value) in values {
            let day = brussels_date(at);
            let bar = bars.iter_mut().find(|(of, _)| *of == day).and_then(|(_, bar)| bar.values.get_mut(part));
            if let Some(total) = bar {
                *total = total.saturating_add(value);
            }
        }
        bars.into_iter().map(|(_, bar)| bar).collect()
    }
}

/// A chart; its texts were escaped by who drew it.
pub(super) fn chart(language: Language, id: &str, title: &str, parts: &[&str], bars: &[Bar]) -> Markup {
    let none = language.of("Geen in deze periode.", "None in this period.");
    PreEscaped(Chart { id, title, parts, bars, none }.to_html())
}
