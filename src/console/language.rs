//! The two languages of the console, and which one somebody reads.

use jiff::{Timestamp, civil::Date};

use crate::domain::in_brussels;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Dutch,
    English,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::Dutch, Self::English];

    /// The tag in HTML and in the cookie (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::Dutch => "nl",
            Self::English => "en",
        }
    }

    /// Its own name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dutch => "Nederlands",
            Self::English => "English",
        }
    }

    /// The language of that tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The first of these that the console has, by weight (RFC 9110, section 12.5.4); Dutch where none is.
    pub fn accepted(header: &str) -> Self {
        let mut best: Option<(u16, Self)> = None;
        for part in header.split(',') {
            let mut pieces = part.split(';');
            let tag = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
            let language = Self::of_tag(tag.split('-').next().unwrap_or_default());
            let weight = pieces.find_map(|piece| piece.trim().strip_prefix("q=")).map_or(1000, thousandths);
            if let Some(language) = language.filter(|_| weight > 0)
                && best.is_none_or(|(found, _)| weight > found)
            {
                best = Some((weight, language));
            }
        }
        best.map_or(Self::Dutch, |(_, language)| language)
    }

    /// The one of the two texts that is in this language.
    pub fn of<T>(self, dutch: T, english: T) -> T {
        match self {
            Self::Dutch => dutch,
            Self::English => english,
        }
    }

    /// A moment, in Brussels: `22/11/2026 09:30`.
    pub fn moment(self, at: Timestamp) -> String {
        in_brussels(at).strftime(self.of("%d/%m/%Y %H:%M", "%d %b %Y %H:%M")).to_string()
    }

    /// A day: `22/11/2026`.
    pub fn day(self, day: Date) -> String {
        day.strftime(self.of("%d/%m/%Y", "%d %b %Y")).to_string()
    }

    /// How long something has lasted: `3 dagen`.
    pub fn span(self, seconds: i64) -> String {
        let (minute, hour, day) = (60, 3_600, 86_400);
        let (count, dutch, english) = match seconds.max(0) {
            seconds if seconds < 2 * minute => (seconds, ("seconde", "seconden"), ("second", "seconds")),
            seconds if seconds < 2 * hour => (seconds / minute, ("minuut", "minuten"), ("minute", "minutes")),
            seconds if seconds < 2 * day => (seconds / hour, ("uur", "uur"), ("hour", "hours")),
            seconds => (seconds / day, ("dag", "dagen"), ("day", "days")),
        };
        let (one, more) = self.of(dutch, english);
        format!("{count} {}", if count == 1 { one } else { more })
    }

    /// A size in bytes: `12,5 kB`.
    pub fn size(self, bytes: u64) -> String {
        let (unit, name) = match bytes {
            0..1_000 => return format!("{bytes} B"),
            1_000..1_000_000 => (1_000, "kB"),
            1_000_000..1_000_000_000 => (1_000_000, "MB"),
            _ => (1_000_000_000, "GB"),
        };
        let tenths = bytes / (unit / 10);
        format!("{}{}{} {name}", tenths / 10, self.of(',', '.'), tenths % 10)
    }
}

/// A weight of `Accept-Language`; what is none weighs nothing.
fn thousandths(text: &str) -> u16 {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let (Ok(whole), Ok(part)) = (whole.parse::<u16>(), part.parse::<u16>()) else { return 0 };
    whole.min(1).saturating_mul(1000).saturating_add(part).min(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_of_the_browser_is_the_pages() {
        for (header, language) in [
            ("", Language::Dutch),
            ("fr-BE,fr;q=0.9", Language::Dutch),
            ("en", Language::English),
            ("en-GB,en;q=0.9,nl;q=0.8", Language::English),
            ("nl-BE, en;q=0.7", Language::Dutch),
            ("fr, en;q=0.3, nl;q=0.7", Language::Dutch),
            ("nl;q=0, en;q=0.1", Language::English),
            ("en;q=abc", Language::Dutch),
            ("*;q=0.5,\u{0};;q=,", Language::Dutch),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }

    #[test]
    fn times_and_sizes_are_told_in_both() {
        let at: Timestamp = "2026-11-22T08:05:00Z".parse().unwrap();
        assert_eq!(Language::Dutch.moment(at), "22/11/2026 09:05");
        assert_eq!(Language::English.moment(at), "22 Nov 2026 09:05");
        assert_eq!(Language::Dutch.span(3 * 86_400 + 5), "3 dagen");
        assert_eq!(Language::English.span(1), "1 second");
        assert_eq!(Language::Dutch.span(-5), "0 seconden");
        assert_eq!((Language::Dutch.size(999), Language::Dutch.size(12_550)), ("999 B".into(), "12,5 kB".into()));
        assert_eq!(Language::English.size(3 << 30), "3.2 GB");
    }
}
