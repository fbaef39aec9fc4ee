//! The day on which a backup was restored that may lack files which had left already.
//!
//! A file's name has its day and its number of that day, and a client that mirrors an outbox knows files by their names. So
//! numbers of the lost files of that day are not given again: what they were is not known, and those that follow begin far
//! above them.

use jiff::civil::Date;

use crate::durable::{Directory, DurableError};

/// The file in the state directory: a day.
const FILE: &str = "restored-on";

/// A day and a line end.
const LONGEST_FILE_BYTES: u64 = 32;

/// Numbers that count as given on such a day: more than a tenant ever got in one, and as many are left.
const COUNT_AS_GIVEN: u32 = 5_000;

/// Notes in a state directory that a backup is restored in it today, of which not all is known that came after it. Gives
/// the number from which files go on today.
///
/// # Errors
/// [`DurableError`]: the disk's.
pub fn note_restored(state: &Directory, today: Date) -> Result<u32, DurableError> {
    state.write(FILE, format!("{today}\n").as_bytes())?;
    Ok(COUNT_AS_GIVEN + 1)
}

/// How many numbers count as given today, whatever the ledger knows. A note that cannot be read is of no day.
pub(super) fn counted_as_given(state: &Directory, today: Date) -> Result<u32, DurableError> {
    let noted = state.read(FILE, LONGEST_FILE_BYTES)?;
    let day = noted.and_then(|noted| std::str::from_utf8(&noted).ok()?.trim().parse::<Date>().ok());
    Ok(if day == Some(today) { COUNT_AS_GIVEN } else { 0 })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn numbers_are_passed_over_on_that_day_only() {
        let root = tempfile::tempdir().unwrap();
        let state = Directory::create(root.path()).unwrap();
        let (today, tomorrow) = (date(2026, 11, 23), date(2026, 11, 24));
        assert_eq!(counted_as_given(&state, today).unwrap(), 0);
        let first = note_restored(&state, today).unwrap();
        assert_eq!(counted_as_given(&state, today).unwrap() + 1, first);
        assert_eq!(counted_as_given(&state, tomorrow).unwrap(), 0);
    }
}
