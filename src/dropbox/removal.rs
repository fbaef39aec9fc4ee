//! What retention and withdrawals take away. The log has it before: a stop in between leaves a file that the log says
//! is gone, and that whoever starts next finds by [`Boxes::files_on_disk`] and [`Boxes::uploads_on_disk`].

use jiff::Timestamp;

use super::{
    Area, Boxes, DropBoxError,
    inbox::Inbox,
    record::{self, Record},
    store::tenants_in,
};
use crate::domain::TenantId;

/// An upload that broke off, or that kept a temporary name, and that nobody went on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleUpload {
    /// The submission's id.
    pub id: String,
    /// Bytes that came.
    pub size: u64,
    /// SHA-256 of what is on disk, hexadecimal.
    pub ciphertext_sha256: String,
    /// Which inbox.
    pub area: Area,
    /// When something was last written to it.
    pub written_at: Timestamp,
}

impl StaleUpload {
    fn of(record: &Record, inbox: &Inbox) -> Self {
        let written_at = record.written_at(inbox.directory()).and_then(|at| Timestamp::try_from(at).ok());
        Self {
            id: record.id.clone(),
            size: record.size,
            ciphertext_sha256: record.stored_sha256.clone(),
            area: record.area,
            written_at: written_at.unwrap_or_default(),
        }
    }
}

impl Boxes {
    /// Who has, or once had, a drop-box, in order.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn owners(&self) -> Result<Vec<TenantId>, DropBoxError> {
        tenants_in(&self.outboxes)
    }

    /// The sealed files in a tenant's outboxes.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn files_on_disk(&self, tenant: &TenantId) -> Result<Vec<(Area, String)>, DropBoxError> {
        let outbox = self.boxes_of(tenant)?.outbox;
        let mut files = Vec::new();
        for area in [Area::Live, Area::Test] {
            files.extend(outbox.files(area)?.into_iter().map(|file| (area, file)));
        }
        Ok(files)
    }

    /// Whether that file is in a tenant's outbox.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn has_file(&self, tenant: &TenantId, area: Area, file: &str) -> Result<bool, DropBoxError> {
        Ok(self.boxes_of(tenant)?.outbox.directory(area).contains(file))
    }

    /// Removes a file of an outbox with its manifest, durably; that it is not there is fine. A download of it that is
    /// under way goes on to its end.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn remove_file(&self, tenant: &TenantId, area: Area, file: &str) -> Result<(), DropBoxError> {
        self.boxes_of(tenant)?.outbox.remove(area, file)
    }

    /// The uploads of a tenant that are not finished and that nobody went on with since that moment.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn stale_uploads(&self, tenant: &TenantId, before: Timestamp) -> Result<Vec<StaleUpload>, DropBoxError> {
        let inbox = self.boxes_of(tenant)?.inbox;
        Ok(inbox.stale(before.into()).iter().map(|record| StaleUpload::of(record, &inbox)).collect())
    }

    /// Removes those of them that nobody goes on with now; `account` enters each in the log before it goes.
    ///
    /// # Errors
    /// [`DropBoxError`], the first that came; the log's is among them. The others are removed all the same.
    pub fn remove_stale_uploads(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        mut account: impl FnMut(&StaleUpload) -> Result<(), DropBoxError>,
    ) -> Result<(), DropBoxError> {
        let inbox = self.boxes_of(tenant)?.inbox;
        let mut removed = Ok(());
        for record in inbox.stale(before.into()) {
            let one = inbox.remove_stale(&record.id, before.into(), |record| account(&StaleUpload::of(record, &inbox)));
            removed = removed.and(one);
        }
        removed
    }

    /// The ids of uploads of which something is kept.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn uploads_on_disk(&self, tenant: &TenantId) -> Result<Vec<String>, DropBoxError> {
        record::ids(self.boxes_of(tenant)?.inbox.directory())
    }

    /// Removes what is kept of an upload that was answered or refused, durably; that it is not there is fine.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn remove_upload(&self, tenant: &TenantId, id: &str) -> Result<(), DropBoxError> {
        let inbox = self.boxes_of(tenant)?.inbox;
        let removed = record::delete(inbox.directory(), id);
        inbox.usage.measure(id);
        removed
    }
}
