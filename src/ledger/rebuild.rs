//! Building the ledger anew from the log.

use std::{
    os::unix::fs::{MetadataExt, lchown},
    path::Path,
    sync::Arc,
};

use super::{LedgerError, SqliteLedger};
use crate::{
    durable::DirectoryLock,
    transfer_log::{archived, entries},
};

/// Entries in one transaction: a large one would only need more memory.
const CHUNK: usize = 4_096;

/// Empties the ledger and fills it from the logs of all years; answers how many entries it took in. Should it be interrupted, the
/// daemon goes on where it stopped.
///
/// # Errors
/// [`LedgerError`]: a daemon uses the log, the log cannot be read, or the database's fault.
pub fn rebuild(log_dir: &Path, archive_dir: &Path, ledger: &Path) -> Result<u64, LedgerError> {
    let _lock = DirectoryLock::acquire(log_dir).map_err(|source| {
        if source.kind() == std::io::ErrorKind::WouldBlock {
            LedgerError::LogInUse { path: log_dir.to_owned() }
        } else {
            LedgerError::File { action: "lock", path: log_dir.to_owned(), source: Arc::new(source) }
        }
    })?;
    let (_, mut index) = SqliteLedger::open(ledger)?;
    give_to_owner(ledger, log_dir)?;
    index.forget()?;
    let (mut chunk, mut size) = (Vec::with_capacity(CHUNK), 0);
    let mut logs = archived(archive_dir).map_err(LedgerError::Log)?;
    logs.push(log_dir.to_owned());
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

/// Gives the ledger's files to who owns the log: made by root, they would keep the daemon's user from starting.
fn give_to_owner(ledger: &Path, log_dir: &Path) -> Result<(), LedgerError> {
    let fault = |action, path: &Path| {
        let path = path.to_owned();
        move |source| LedgerError::File { action, path, source: Arc::new(source) }
    };
    let owner = log_dir.metadata().map_err(fault("look at", log_dir))?;
    for suffix in ["", "-wal", "-shm"] {
        let mut name = ledger.as_os_str().to_owned();
        name.push(suffix);
        let path = Path::new(&name);
        let Ok(file) = path.symlink_metadata() else { continue };
        if file.uid() != owner.uid() {
            lchown(path, Some(owner.uid()), Some(owner.gid())).map_err(fault("give to its owner", path))?;
        }
    }
    Ok(())
}
