//! Logs of earlier years: each is a log of its own, with its own origin and key, that the next one goes on from.
//!
//! A log is put by when a log of another origin is opened in its place, and only when it was closed in order: then
//! everything in it is under its last checkpoint, which is the first thing that the next one says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    LogError,
    checkpoint::MAX_CHECKPOINT_BYTES,
    entries_from, files,
    journal::{self, Groups},
    recovery::{CHECKPOINT, plain_name},
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

/// Puts the log in `directory` by, when it is of another origin than the one to be opened.
pub(super) fn put_by(directory: &Path, archive: &Path, origin: &str) -> Result<(), LogError> {
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
