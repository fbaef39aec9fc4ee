//! How files look to a client: attributes, and the line that `ls -l` shows.
//!
//! The line is OpenSSH's (`ls_file` in `sftp-common.c`), since clients take it apart: permissions, link count, owner and
//! group padded to eight, size to eight, a date, the name. Dates are Brussels time, in the two forms of `ls`: with the
//! time of day for the last half year, with the year otherwise.

use jiff::{Timestamp, tz::TimeZone};

use super::wire::{FileAttributes, Named};
use crate::{
    domain::{TenantId, brussels},
    dropbox::view::{Attributes, Entry},
};

/// User and group id of everything: the tree belongs to one tenant, shown by name in the long form.
pub(super) const OWNER: u32 = 1000;

/// Half a year as OpenSSH and `ls` count it, seconds: what is older shows its year.
const HALF_A_YEAR: i64 = 365 * 24 * 60 * 60 / 2;

/// Type bits of POSIX modes.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// What long lines need beside the entry: the tenant, the time and the zone.
#[derive(Debug, Clone)]
pub(super) struct Lister {
    owner: TenantId,
    zone: TimeZone,
}

impl Lister {
    /// Lines that show this tenant as owner and group.
    pub(super) fn new(owner: TenantId) -> Self {
        Self { owner, zone: brussels() }
    }

    /// The tenant.
    pub(super) fn owner(&self) -> &TenantId {
        &self.owner
    }

    /// An entry of a NAME reply.
    pub(super) fn named(&self, entry: &Entry, now: Timestamp) -> Named {
        Named {
            name: entry.name.clone(),
            long: self.long_name(entry, now),
            attributes: Some(wire_attributes(&entry.attributes)),
        }
    }

    /// The line of `ls -l`.
    pub(super) fn long_name(&self, entry: &Entry, now: Timestamp) -> String {
        let attributes = &entry.attributes;
        let mode = match (attributes.directory, attributes.writable) {
            (true, true) => "drwx------",
            (true, false) => "dr-x------",
            (false, true) => "-rw-------",
            (false, false) => "-r--------",
        };
        let owner = self.owner.as_str();
        let date = self.date(attributes.modified, now);
        format!("{mode}    1 {owner:<8} {owner:<8} {:>8} {date} {}", attributes.size, entry.name)
    }

    fn date(&self, modified: Timestamp, now: Timestamp) -> String {
        let age = now.as_second() - modified.as_second();
        let format = if (0..HALF_A_YEAR).contains(&age) { "%b %e %H:%M" } else { "%b %e  %Y" };
        modified.to_zoned(self.zone.clone()).strftime(format).to_string()
    }
}

/// Attributes as version 3 sends them. Times outside its 32 bits become the nearest it has.
pub(super) fn wire_attributes(attributes: &Attributes) -> FileAttributes {
    let mode = match (attributes.directory, attributes.writable) {
        (true, true) => DIRECTORY | 0o700,
        (true, false) => DIRECTORY | 0o500,
        (false, true) => REGULAR | 0o600,
        (false, false) => REGULAR | 0o400,
    };
    let modified = u32::try_from(attributes.modified.as_second().max(0)).unwrap_or(u32::MAX);
    FileAttributes { size: attributes.size, owner: OWNER, mode, modified }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(name: &str, directory: bool, writable: bool, size: u64, modified: &str) -> String {
        let attributes = Attributes { directory, size, modified: modified.parse().unwrap(), writable };
        let lister = Lister::new("bree".parse().unwrap());
        lister.long_name(&Entry { name: name.to_owned(), attributes }, "2026-11-21T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn lines_are_those_of_ls() {
        for (got, expected) in [
            (
                line("lijst.csv", false, true, 1234, "2026-11-21T11:59:59Z"),
                "-rw-------    1 bree     bree         1234 Nov 21 12:59 lijst.csv",
            ),
            (
                line("outbox", true, false, 0, "2026-07-01T00:30:00Z"),
                "dr-x------    1 bree     bree            0 Jul  1 02:30 outbox",
            ),
            (
                line("oud.age", false, false, 12_345_678_901, "2025-12-31T23:30:00Z"),
                "-r--------    1 bree     bree     12345678901 Jan  1  2026 oud.age",
            ),
            (
                line("morgen", false, true, 0, "2026-11-21T12:00:01Z"),
                "-rw-------    1 bree     bree            0 Nov 21  2026 morgen",
            ),
            (
                line("inbox", true, true, 0, "2026-05-23T00:00:01Z"),
                "drwx------    1 bree     bree            0 May 23 02:00 inbox",
            ),
            (
                line("inbox", true, true, 0, "2026-05-22T23:59:59Z"),
                "drwx------    1 bree     bree            0 May 23  2026 inbox",
            ),
        ] {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn permissions_follow_what_may_be_done() {
        let mode = |directory, writable| {
            let modified = Timestamp::MIN;
            wire_attributes(&Attributes { directory, size: 1, modified, writable })
        };
        assert_eq!(mode(true, true).mode, 0o040_700);
        assert_eq!(mode(true, false).mode, 0o040_500);
        assert_eq!(mode(false, true).mode, 0o100_600);
        assert_eq!((mode(false, false).mode, mode(false, false).modified), (0o100_400, 0));
    }

    proptest! {
        #[test]
        fn every_line_can_be_taken_apart(
            name in "[a-z][a-z .é]{0,30}[a-z]", directory: bool, writable: bool, size: u64,
            seconds in -2_000_000_000_i64..8_000_000_000,
        ) {
            let modified = Timestamp::from_second(seconds).unwrap();
            let attributes = Attributes { directory, size, modified, writable };
            let lister = Lister::new("bree".parse().unwrap());
            let now = Timestamp::from_second(1_795_000_000).unwrap();
            let line = lister.long_name(&Entry { name: name.clone(), attributes }, now);
            let mut words = line.split_ascii_whitespace();
            prop_assert_eq!(words.next().map(str::len), Some(10));
            prop_assert_eq!(words.next(), Some("1"));
            prop_assert_eq!((words.next(), words.next()), (Some("bree"), Some("bree")));
            prop_assert_eq!(words.next().map(str::to_owned), Some(size.to_string()));
            prop_assert_eq!(words.next().map(str::len), Some(3));
            let day: u8 = words.next().unwrap().parse().unwrap();
            prop_assert!((1..=31).contains(&day));
            prop_assert!(matches!(words.next().map(str::len), Some(4 | 5)));
            prop_assert!(line.ends_with(&name));
        }
    }
}
