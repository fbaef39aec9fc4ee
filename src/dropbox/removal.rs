//! What retention and withdrawals take away. The log has it before: a stop in between leaves a file that the log says
//! is gone, and that whoever starts next finds by [`Boxes::files_on_disk`] and [`Boxes::uploads_on_disk`].

use super::{Area, Boxes, DropBoxError, record, store::tenants_in};
use crate::domain::TenantId;

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

    /// Removes a file of an outbox with its manifest, durably; that it is not there is fine. A download of it that is
    /// under way goes on to its end.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn remove_file(&self, tenant: &TenantId, area: Area, file: &str) -> Result<(), DropBoxError> {
        self.boxes_of(tenant)?.outbox.remove(area, file)
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
        record::delete(self.boxes_of(tenant)?.inbox.directory(), id)
    }
}
