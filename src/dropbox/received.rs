//! What the exchange gets of an inbox: finished uploads.

use std::fs::File;

use zeroize::Zeroizing;

use super::{
    Area,
    record::{Record, Stored},
};
use crate::{
    domain::TenantId,
    durable::Directory,
    seal::{Keyring, SealError},
};

/// A finished upload, waiting for the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Submission {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: String,
}

/// A finished upload that the exchange has taken: the first stage of an answer. Only the drop-box makes one.
#[derive(Debug)]
pub struct Received {
    submission: Submission,
    record: Record,
    directory: Directory,
}

impl Received {
    pub(super) fn new(submission: Submission, record: Record, directory: Directory) -> Self {
        Self { submission, record, directory }
    }

    /// Whose submission it is.
    pub fn submission(&self) -> &Submission {
        &self.submission
    }

    /// The name that the tenant gave it.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Which inbox it came to.
    pub fn area(&self) -> Area {
        self.record.area
    }

    /// Bytes, as the tenant sent them.
    pub fn size(&self) -> u64 {
        self.record.size
    }

    /// Opens the content, at most `limit_bytes` of it, in memory that is wiped.
    ///
    /// # Errors
    /// [`SealError`] of the tenant's own sealing, or [`SealError::Io`] for the exchange's disk.
    pub fn open(&self, keyring: &Keyring, limit_bytes: u64) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let content = self.content().map_err(SealError::Io)?;
        keyring.open_file(content, limit_bytes)
    }

    /// Whether the tenant sealed it itself.
    pub fn came_sealed(&self) -> bool {
        self.record.stored == Stored::AsItCame
    }

    fn content(&self) -> std::io::Result<File> {
        self.directory.open(&self.record.content_file()).map_err(|error| error.source)
    }
}
