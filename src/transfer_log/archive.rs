//! Logs of earlier years: each is a log of its own, with its own origin and key, that the next one goes on from.
//!
//! A log is put by when a log of another origin is opened in its place, and only when it was closed in order: then
//! everything in it is under its last checkpoint, which is the first thing that the next one says. It must be the log of
//! its high-water mark, as when it is opened: a new origin hides no older copy.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Checkpoint, LogError, VerifierKey,
    checkpoint::MAX_CHECKPOINT_BYTES,
    entries_from, files,
    journal::{self, Groups},
    recovery::{CHECKPOINT, check_mark, plain_name},
    snapshot::{MAX_KEYS_BYTES, high_water, own_key},
};

/// The file with the log's public keys, beside its checkpoint.
pub const KEYS: &str = "log.vkey";

/// The logs of earlier years under that directory, oldest first.
///
/// # Errors
/// [`LogError`].
pub fn archived(archive: &Path) -> Result<Vec<PathBuf>, LogError> {
    let listing = match fs::read_dir(archive) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(|source| LogError::file("list", archive, source))?,
    };
    let mut found = Vec::new();
    for path in listing.filter_map(|entry| Some(entry.ok()?.path())) {
        // Without an entry there is nothing to go on from.
        if let Some(first) = entries_from(&path, 0)?.next() {
            found.push((first?.at, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// A log of an earlier year.
#[derive(Debug, Clone)]
pub struct EarlierLog {
    /// Where it lies.
    pub directory: PathBuf,
    /// Its own key, of which the name is its origin.
    pub key: VerifierKey,
}

/// The log of that origin, and those of the years after it, under that directory, oldest first; none where that one is
/// not among them.
///
/// # Errors
/// [`LogError`].
pub fn archived_from(archive: &Path, origin: &str) -> Result<Vec<EarlierLog>, LogError> {
    let logs = archived(archive)?;
    let first = archive.join(plain_name(origin));
    let from = logs.into_iter().skip_while(|directory| *directory != first);
    from.map(|directory| Ok(EarlierLog { key: own_key(&directory)?, directory })).collect()
}

/// The public keys of the logs of earlier years under that directory, a line each, newest log first: what receipts of
/// those years are checked with.
///
/// # Errors
/// [`LogError`].
pub fn archived_keys(archive: &Path) -> Result<String, LogError> {
    let mut text = String::new();
    for directory in archived(archive)?.iter().rev() {
        let keys = files::read_if_there(&directory.join(KEYS), MAX_KEYS_BYTES)?.unwrap_or_default();
        let keys = String::from_utf8(keys).unwrap_or_default();
        for line in keys.lines().filter(|line| VerifierKey::parse(line).is_ok()) {
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}

/// Puts the log in `directory` by, when it is of another origin than the one to be opened. Its mark is looked for in
/// `marks`; without that, it is known to be older, and the next log says so.
pub(super) fn put_by(directory: &Path, archive: &Path, origin: &str, marks: Option<&Path>) -> Result<(), LogError> {
    let path = directory.join(CHECKPOINT);
    let Some(note) = files::read_if_there(&path, MAX_CHECKPOINT_BYTES)? else { return Ok(()) };
    let (found, size) = head(&note).ok_or(LogError::Damaged { path, problem: "it is no checkpoint" })?;
    if found == origin {
        return Ok(());
    }
    for (first, path) in journal::list_from(directory, size)? {
        let mut groups = Groups::open(first, &path)?;
        while groups.next_group()?.is_some() {}
        if groups.next_place() > size {
            return Err(LogError::NotClosed { origin: found.to_owned() });
        }
    }
    if let Some(marks) = marks {
        let key = own_key(directory)?;
        let (mark, path) = high_water(marks, key.name(), &[&key])?;
        let checkpoint = Checkpoint::parse(&note, &key);
        let checkpoint = checkpoint.map_err(|source| LogError::Note { path: directory.join(CHECKPOINT), source })?;
        check_mark(directory, &checkpoint, &mark.ok_or(LogError::HighWaterMissing { path })?)?;
    }
    files::make_directory(archive)?;
    let target = archive.join(plain_name(found));
    if target.exists() {
        return Err(LogError::Damaged { path: target, problem: "a log of that origin was put by before" });
    }
    fs::rename(directory, &target).map_err(|source| LogError::file("put by", directory, source))?;
    files::sync_directory(archive)?;
    directory.parent().map_or(Ok(()), files::sync_directory)
}

/// The last checkpoint of the newest log that was put by, as it was published.
pub(super) fn last_checkpoint(archive: &Path) -> Result<Option<String>, LogError> {
    let Some(newest) = archived(archive)?.pop() else { return Ok(None) };
    let path = newest.join(CHECKPOINT);
    let note = files::read(&path, MAX_CHECKPOINT_BYTES)?;
    let note = String::from_utf8(note).map_err(|_| LogError::Damaged { path, problem: "it is no checkpoint" })?;
    Ok(Some(note))
}

/// Origin and size of a checkpoint, unverified.
pub(super) fn head(note: &[u8]) -> Option<(&str, u64)> {
    let mut lines = std::str::from_utf8(note).ok()?.lines();
    Some((lines.next()?, lines.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::{
        LogSettings, NoteKey, TransferLog,
        support::{Nothing, Place, any_record, clock, copy},
    };

    #[test]
    fn an_older_copy_or_another_log_is_not_put_by_unless_the_next_log_says_so() {
        let place = Place::new();
        place.open().close().unwrap();
        copy(&place.dir(), &place.path("old"));
        let log = place.open();
        log.append(vec![any_record(); 300]).unwrap();
        log.close().unwrap();
        let (size, mark) = (place.verify().unwrap().checkpoint.size, fs::read(place.high_water()).unwrap());
        let next = NoteKey::generate("groeikluis.example/2027").unwrap();
        let open = |goes_on_from_older| {
            let (origin, keys) = (next.name().to_owned(), next.clone().into());
            let settings = LogSettings { origin, keys, goes_on_from_older, ..place.settings() };
            TransferLog::open(settings, clock(), Box::new(Nothing))
        };
        copy(&place.dir(), &place.path("newest"));
        let put_back = |name: &str| {
            fs::remove_dir_all(place.dir()).unwrap();
            copy(&place.path(name), &place.dir());
        };
        put_back("old");
        assert!(matches!(open(false), Err(LogError::Rollback { size: 2, high_water }) if high_water == size));
        fs::remove_file(place.high_water()).unwrap();
        assert!(matches!(open(false), Err(LogError::HighWaterMissing { .. })));
        // As long as the mark, and written again.
        fs::remove_dir_all(place.dir()).unwrap();
        let log = place.open();
        log.append(vec![any_record(); 302]).unwrap();
        log.close().unwrap();
        fs::write(place.high_water(), &mark).unwrap();
        assert!(matches!(open(false), Err(LogError::Fork { .. })));
        assert!(archived(&place.path("archive")).unwrap().is_empty());
        put_back("newest");
        open(false).unwrap().close().unwrap();
        // A backup that was restored, and of which the next log tells.
        fs::remove_dir_all(place.path("archive")).unwrap();
        fs::remove_dir_all(place.high_water_dir()).unwrap();
        fs::create_dir(place.high_water_dir()).unwrap();
        fs::write(place.high_water(), &mark).unwrap();
        put_back("old");
        open(true).unwrap().close().unwrap();
        assert_eq!(archived(&place.path("archive")).unwrap().len(), 1);
    }
}
