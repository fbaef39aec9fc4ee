//! The newest entries of a log, followed from beside its writer by who shows them.
//!
//! Only so many are read as are shown, however long the log. Another log in its place (that of a new year, or a restored
//! one) begins afresh, and says so: what was shown is no longer the log's end.

use std::{
    iter,
    path::{Path, PathBuf},
};

use super::{LogError, StoredEntry, entries_from, merkle::TILE_WIDTH, published_note, published_size};

/// How far it was read, and of which log.
#[derive(Debug, Clone, Default)]
pub struct Newest {
    next: u64,
    /// The first line of its checkpoint; none before the first one.
    origin: Option<String>,
}

impl Newest {
    /// Entries of the log, as far as it was read.
    pub fn size(&self) -> u64 {
        self.next
    }

    /// What was appended since the last look, oldest first, or the last `most` entries if that is more. A log that does
    /// not exist yet is empty.
    ///
    /// # Errors
    /// [`LogError`]: the log cannot be read. The iterator's items tell of later faults, and what can be read behind an
    /// entry at fault, or a file of entries, follows it.
    pub fn look(&mut self, log: &Path, most: u64) -> Result<News<'_>, LogError> {
        if !log.is_dir() {
            return Ok(News { afresh: false, entries: None, log: log.to_owned(), newest: self });
        }
        let origin = published_note(log)?.and_then(|note| note.lines().next().map(str::to_owned));
        let published = published_size(log)?;
        let other = self.origin.is_some() && self.origin != origin;
        let shorter = published < self.next && !has(log, self.next)?;
        let behind = published.saturating_sub(self.next) > most;
        let afresh = other || shorter || behind;
        if afresh {
            self.next = published.saturating_sub(most);
        }
        self.origin = origin;
        Ok(News { afresh, entries: Some(entries_from(log, self.next)?), log: log.to_owned(), newest: self })
    }

    /// The next entry that may be read behind a fault; none where nothing can be told of it.
    fn behind(log: &Path, at: u64, fault: &LogError) -> Option<u64> {
        match fault {
            LogError::StoredEntry { seq, .. } => Some(seq + 1),
            LogError::Damaged { .. } | LogError::File { .. } => {
                let next = (at / TILE_WIDTH as u64 + 1) * TILE_WIDTH as u64;
                published_size(log).ok().filter(|size| next < *size).map(|_| next)
            }
            _ => None,
        }
    }
}

/// Whether the log has that many entries, journal included.
fn has(log: &Path, size: u64) -> Result<bool, LogError> {
    let Some(last) = size.checked_sub(1) else { return Ok(true) };
    Ok(entries_from(log, last)?.next().transpose()?.is_some())
}

/// What is new in a log.
#[derive(Debug)]
pub struct News<'a> {
    /// Whether what was told before is not followed by this: it is of another log, or entries between were left out.
    pub afresh: bool,
    entries: Option<super::Entries>,
    log: PathBuf,
    newest: &'a mut Newest,
}

impl iter::Iterator for News<'_> {
    type Item = Result<StoredEntry, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.as_mut()?.next()?;
        match &entry {
            Ok(entry) => self.newest.next = entry.seq + 1,
            Err(fault) => {
                let behind = Newest::behind(&self.log, self.newest.next, fault);
                self.entries = behind.and_then(|next| entries_from(&self.log, next).ok());
                self.newest.next = behind.unwrap_or(self.newest.next);
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Context, Record,
            support::{Place, upload},
        },
        *,
    };

    /// A log with so many uploads after its start.
    fn log(uploads: usize) -> Place {
        let place = Place::new();
        let log = place.open();
        log.append((0..uploads).map(|_| Record::success(upload(), Context::daemon())).collect()).unwrap();
        log.close().unwrap();
        place
    }

    fn look(newest: &mut Newest, log: &Path, most: u64) -> (bool, Vec<u64>) {
        let news = newest.look(log, most).unwrap();
        (news.afresh, news.map(|entry| entry.unwrap().seq).collect())
    }

    #[test]
    fn each_entry_is_told_once_and_another_log_begins_afresh() {
        let (first, mut newest) = (log(3), Newest::default());
        assert_eq!(look(&mut newest, &first.path("absent"), 10), (false, vec![]));
        let all: Vec<u64> = (0..look(&mut newest, &first.dir(), 10).1.len() as u64).collect();
        assert_eq!((all.len() as u64, newest.size()), (5, 5), "its start, three uploads, its stop");
        assert_eq!(look(&mut newest, &first.dir(), 10), (false, vec![]));
        let again = first.open();
        assert_eq!(look(&mut newest, &first.dir(), 10), (false, vec![5]));
        again.append(vec![Record::success(upload(), Context::daemon())]).unwrap();
        assert_eq!(look(&mut newest, &first.dir(), 10), (false, vec![6]), "from the journal");

        // A restored log: of the same name, and shorter.
        assert_eq!(look(&mut newest, &log(1).dir(), 10), (true, vec![0, 1, 2]));
    }

    #[test]
    fn what_is_behind_an_entry_or_a_file_at_fault_is_told() {
        let place = log(600);
        let bundle = place.dir().join("tile/entries/001");
        let whole = std::fs::read(&bundle).unwrap();
        let at = whole.windows(12).position(|part| part == b"\"@timestamp\"").unwrap();
        let mut changed = whole.clone();
        changed[at + 1] ^= 1;
        let told = |bytes: &[u8]| {
            std::fs::write(&bundle, bytes).unwrap();
            let mut newest = Newest::default();
            let (read, faults): (Vec<_>, Vec<_>) = newest.look(&place.dir(), 1_000).unwrap().partition(Result::is_ok);
            assert_eq!(newest.size(), 602);
            (read.len(), faults.len())
        };
        assert_eq!(told(&changed), (601, 1));
        assert_eq!(told(&whole[..whole.len() - 1]), (346, 1));
        assert_eq!(told(&whole), (602, 0));
    }

    #[test]
    fn a_long_log_is_told_from_near_its_end() {
        let (place, mut newest) = (log(20), Newest::default());
        assert_eq!(look(&mut newest, &place.dir(), 4), (true, vec![18, 19, 20, 21]));
    }

    #[test]
    fn the_log_of_a_new_year_is_told_from_its_beginning_also_when_it_is_longer() {
        let (old, mut newest) = (log(2), Newest::default());
        assert_eq!(look(&mut newest, &old.dir(), 10).1.len(), 4);
        let place = log(8);
        let checkpoint = place.dir().join("checkpoint");
        let note = std::fs::read_to_string(&checkpoint).unwrap().replace("/2026\n", "/2027\n");
        std::fs::write(checkpoint, note).unwrap();
        assert_eq!(look(&mut newest, &place.dir(), 100), (true, (0..10).collect()));
    }
}
