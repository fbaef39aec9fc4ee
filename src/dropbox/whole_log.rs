//! The whole transfer log, as an auditor's session sees it below `/log`.
//!
//! The first file that is read enters `audit.read` in the log, once for a session: a copy takes thousands of files.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::{
    DropBoxError,
    account::Account,
    download::FileDownload,
    inbox::unavailable,
    place::LOG_ARCHIVE,
    shelf,
    store::Shared,
    view::{Attributes, Denied, Download},
};
use crate::durable::Directory;

/// The log's files and those of earlier years. Paths are below `/log`, without a slash before them.
pub(super) struct WholeLog {
    shared: Arc<Shared>,
    account: Account,
    opened: Timestamp,
    /// Whether the account says that this session reads the log.
    accounted: Mutex<bool>,
}

impl WholeLog {
    pub fn new(shared: Arc<Shared>, account: Account, opened: Timestamp) -> Self {
        Self { shared, account, opened, accounted: Mutex::default() }
    }

    pub fn open(&self, path: &str) -> Result<Box<dyn Download>, Denied> {
        let (directory, below) = self.place(path);
        let file = directory.open(below).map_err(|_| Denied::NotFound)?;
        let metadata = file.metadata().map_err(|_| Denied::NotFound)?;
        if metadata.is_dir() {
            return Err(Denied::IsADirectory);
        }
        // Before the first byte leaves.
        let mut accounted = self.accounted.lock().unwrap_or_else(PoisonError::into_inner);
        if !*accounted {
            self.account.log_read().map_err(unavailable)?;
            *accounted = true;
        }
        drop(accounted);
        Ok(Box::new(FileDownload::new(file, shelf::attributes(&metadata, false), |_| {})))
    }

    /// What lies there, more than an auditor may see.
    pub fn names(&self, path: &str) -> Result<Vec<String>, Denied> {
        let (directory, below) = self.place(path);
        let directory = if below.is_empty() {
            directory.clone()
        } else {
            directory.open_subdirectory(below).map_err(|_| Denied::NotADirectory)?
        };
        let mut names = directory.names().map_err(|error| unavailable(DropBoxError::Storage(error)))?;
        if path.is_empty() {
            names.push(LOG_ARCHIVE.to_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    pub fn attributes(&self, path: &str) -> Result<Attributes, Denied> {
        let (directory, below) = self.place(path);
        if below.is_empty() || directory.open_subdirectory(below).is_ok() {
            return Ok(Attributes { directory: true, size: 0, modified: self.opened, writable: false });
        }
        let file = directory.open(below).map_err(|_| Denied::NotFound)?;
        let metadata = file.metadata().map_err(|_| Denied::NotFound)?;
        Ok(shelf::attributes(&metadata, false))
    }

    /// In the log, or among those of earlier years.
    fn place<'a>(&'a self, path: &'a str) -> (&'a Directory, &'a str) {
        match path.strip_prefix(LOG_ARCHIVE) {
            Some("") => (&self.shared.archive_dir, ""),
            Some(rest) if rest.starts_with('/') => (&self.shared.archive_dir, rest.trim_start_matches('/')),
            _ => (&self.shared.log_dir, path),
        }
    }
}
