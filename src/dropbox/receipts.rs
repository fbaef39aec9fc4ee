//! A tenant's receipts: proofs that the transfer log has its uploads and deliveries. No personal data is in them.

use std::fs::File;

use jiff::Timestamp;

use super::{
    DropBoxError,
    view::{Attributes, Entry},
};
use crate::durable::Directory;

/// The directory of one tenant's receipts.
#[derive(Debug, Clone)]
pub(super) struct Receipts(Directory);

impl Receipts {
    pub fn open(tenant_directory: &Directory) -> Result<Self, DropBoxError> {
        tenant_directory.subdirectory("receipts").map(Self).map_err(DropBoxError::Storage)
    }

    pub fn directory(&self) -> &Directory {
        &self.0
    }

    /// Writes a receipt, durably; one of that name is replaced.
    pub fn put(&self, name: &str, text: &str) -> Result<(), DropBoxError> {
        self.0.write(name, text.as_bytes()).map_err(DropBoxError::Storage)
    }

    pub fn list(&self) -> Result<Vec<Entry>, DropBoxError> {
        let mut names = self.0.names().map_err(DropBoxError::Storage)?;
        names.sort_unstable();
        let entry = |name: String| self.open_file(&name).map(|(_, attributes)| Entry { name, attributes });
        Ok(names.into_iter().filter_map(entry).collect())
    }

    pub fn open_file(&self, name: &str) -> Option<(File, Attributes)> {
        let file = Some(name).filter(|name| !name.starts_with('.')).and_then(|name| self.0.open(name).ok())?;
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_default();
        Some((file, Attributes { directory: false, size: metadata.len(), modified, writable: false }))
    }
}
