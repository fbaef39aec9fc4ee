//! A tenant's receipts: proofs that the transfer log has its uploads and deliveries.
//!
//! They tell the tenant what the entries disclose: the names of its files, and the digests of those that it got. When a
//! month's disclosures are erased, they are taken out of the receipts that are kept here, too.

use std::{fs::File, os::unix::fs::MetadataExt, path::Path};

use super::{
    DropBoxError, shelf,
    store::{OUTBOXES, owners},
    view::{Attributes, Entry},
};
use crate::{
    domain::TenantId,
    durable::Directory,
    transfer_log::{MAX_RECEIPT_BYTES, Receipt},
};

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

/// Takes what is disclosed out of the receipts of a tenant's entries of that month (`yyyy-mm`, UTC), in whatever drop-box
/// they lie; answers of how many. They prove their entries as before. Copies that the tenant fetched are its own.
///
/// # Errors
/// [`DropBoxError`]; those that were changed by then stay so.
pub fn close_receipts(state_dir: &Path, tenant: &TenantId, month: &str) -> Result<u64, DropBoxError> {
    let mut closed = 0;
    // Those of a tenant that ended lie in another's drop-box.
    for owner in owners(state_dir)? {
        let path = state_dir.join(OUTBOXES).join(owner.as_str()).join("receipts");
        if !path.is_dir() {
            continue;
        }
        let directory = Directory::create(&path).map_err(DropBoxError::Storage)?;
        for name in directory.names().map_err(DropBoxError::Storage)?.iter().filter(|name| !name.starts_with('.')) {
            let bytes = directory.read(name, MAX_RECEIPT_BYTES).map_err(DropBoxError::Storage)?;
            let receipt = bytes.and_then(|bytes| Receipt::parse(&String::from_utf8(bytes).ok()?).ok());
            let of_it =
                |receipt: &Receipt| receipt.of().is_ok_and(|(of, at)| of.as_ref() == Some(tenant) && at == month);
            if let Some(receipt) = receipt.filter(|receipt| !receipt.disclosures.is_empty() && of_it(receipt)) {
                rewrite(&directory, name, &receipt.without_disclosures().to_text())?;
                closed += 1;
            }
        }
    }
    Ok(closed)
}

/// Writes a receipt anew for the user whose it is, who need not be the one that asks.
fn rewrite(directory: &Directory, name: &str, text: &str) -> Result<(), DropBoxError> {
    let path = directory.path().join(name);
    let owner = |path: &Path| std::fs::metadata(path).map(|metadata| (metadata.uid(), metadata.gid()));
    let fault = |source| DropBoxError::File { action: "keep the owner of", name: name.to_owned(), source };
    let before = owner(&path).map_err(fault)?;
    directory.write(name, text.as_bytes()).map_err(DropBoxError::Storage)?;
    if owner(&path).map_err(fault)? != before {
        std::os::unix::fs::chown(&path, Some(before.0), Some(before.1)).map_err(fault)?;
    }
    Ok(())
}
