//! A tenant's receipts: proofs that the transfer log has its uploads and deliveries. No personal data is in them.

use std::fs::File;

use super::{
    DropBoxError, shelf,
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
        shelf::list(&self.0, false)
    }

    pub fn open_file(&self, name: &str) -> Option<(File, Attributes)> {
        shelf::open(&self.0, name, false)
    }
}
