//! Building the ledger anew from the log.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{LedgerError, SqliteIndex, sqlite::start_anew};
use crate::{
    durable::{DirectoryLock, refuse_root_in},
    transfer_log::{LogError, all_earlier, entries, readable},
};

/// Entries in one transaction: a large one would only need more memory.
const CHUNK: usize = 4_096;

/// Removes the ledger, also one that is damaged, and makes it again from the logs of all years; answers how many entries it took in. Should it be
/// interrupted, the daemon goes on where it stopped.
///
/// # Errors
/// [`LedgerError`]: a daemon uses the log, a log is missing or cannot be read, the database's fault; or root asks, and the
/// ledger's directory is another user's, who could not use what root makes there.
pub fn rebuild(log_dir: &Path, archive_dir: &Path, ledger: &Path) -> Result<u64, LedgerError> {
    build(log_dir, ledger, || all_earlier(archive_dir, log_dir))
}

/// As [`rebuild`], of the logs that are left and can be read: for whoever knows that the others are gone.
///
/// # Errors
/// As [`rebuild`].
pub fn rebuild_without_earlier(log_dir: &Path, archive_dir: &Path, ledger: &Path) -> Result<u64, LedgerError> {
    build(log_dir, ledger, || readable(archive_dir))
}

fn build(
    log_dir: &Path,
    ledger: &Path,
    earlier: impl Fn() -> Result<Vec<PathBuf>, LogError>,
) -> Result<u64, LedgerError> {
    let place = ledger.parent().unwrap_or(log_dir);
    refuse_root_in(place).map_err(|source| {
        let path = place.to_owned();
        LedgerError::File { action: "make a ledger in", path, source: Arc::new(source) }
    })?;
    let _lock = DirectoryLock::acquire(log_dir).map_err(|source| {
        if source.kind() == std::io::ErrorKind::WouldBlock {
            LedgerError::LogInUse { path: log_dir.to_owned() }
        } else {
            LedgerError::File { action: "lock", path: log_dir.to_owned(), source: Arc::new(source) }
        }
    })?;
    // Before the ledger goes.
    let mut logs = earlier().map_err(LedgerError::Log)?;
    logs.push(log_dir.to_owned());
    let mut index = SqliteIndex::new(start_anew(ledger)?);
    let (mut chunk, mut size) = (Vec::with_capacity(CHUNK), 0);
    let each = logs.iter().map(|log| entries(log)).collect::<Result<Vec<_>, _>>().map_err(LedgerError::Log)?;
    for entry in each.into_iter().flatten() {
        chunk.push(entry.map_err(LedgerError::Log)?);
        size += 1;
        if chunk.len() == CHUNK {
            index.take_in(&chunk)?;
            chunk.clear();
        }
    }
    index.take_in(&chunk)?;
    Ok(size)
}
