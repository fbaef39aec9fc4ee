//! Giving a tenant's drop-box to another, since the two were merged.
//!
//! The log has it before a file moves, and is what decides whose a file is: a stop in between leaves files in the
//! drop-box of a tenant that ended, and the next start moves them. A name that was given to somebody else since keeps
//! its files: the ledger speaks of them, or the configuration of the name.

use std::{collections::BTreeSet, sync::PoisonError};

use jiff::Timestamp;

use super::{
    Area, Boxes, DropBoxError, Submission,
    outbox::{Outbox, described_file},
    record,
};
use crate::{domain::TenantId, durable::Directory};

/// What lies in a tenant's drop-box.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Belongings {
    /// Sealed files in the outboxes.
    pub deliveries: BTreeSet<(Area, String)>,
    /// Ids of uploads of which something is kept.
    pub uploads: Vec<String>,
    /// Receipts.
    pub receipts: u64,
}

impl Boxes {
    /// What lies in a tenant's drop-box; none when it has none.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn belongings(&self, tenant: &TenantId) -> Result<Option<Belongings>, DropBoxError> {
        if !self.has_any(tenant) {
            return Ok(None);
        }
        let boxes = self.boxes_of(tenant)?;
        let receipts = boxes.receipts.directory().names().map_err(DropBoxError::Storage)?;
        Ok(Some(Belongings {
            deliveries: self.files_on_disk(tenant)?.into_iter().collect(),
            uploads: self.uploads_on_disk(tenant)?,
            receipts: receipts.iter().filter(|name| !name.starts_with('.')).count() as u64,
        }))
    }

    /// Whether nobody has a tenant's drop-box open, and nothing of it is being answered.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn is_idle(&self, tenant: &TenantId) -> Result<bool, DropBoxError> {
        Ok(self.boxes_of(tenant)?.inbox.is_idle())
    }

    /// Gives one tenant what others had. `account` enters that in the log, after which it is done whatever happens: what
    /// the disk refuses now is moved at the next start. Gives the uploads that wait for their answer.
    ///
    /// # Errors
    /// [`DropBoxError`]; the log's is among them.
    pub fn merge(
        &self,
        former: &[TenantId],
        into: &TenantId,
        account: impl FnOnce() -> Result<(), DropBoxError>,
    ) -> Result<Vec<Submission>, DropBoxError> {
        let _alone = self.merging.write().unwrap_or_else(PoisonError::into_inner);
        let inbox = self.boxes_of(into)?.inbox;
        account()?;
        let mut waiting = Vec::new();
        for tenant in former {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
            let uploads = self.carry(tenant, into)?;
            waiting.extend(inbox.adopt(&uploads, |record| self.known(record))?);
        }
        Ok(waiting)
    }

    /// Who has a tenant's drop-box, if it ended after that time.
    pub(super) fn heir(&self, tenant: &TenantId, at: Timestamp) -> Result<Option<TenantId>, DropBoxError> {
        let mergers = self.shared.ledger.mergers().map_err(DropBoxError::Ledger)?;
        let found = mergers.into_iter().find(|merger| merger.former == *tenant && at <= merger.at);
        Ok(found.map(|merger| merger.tenant))
    }

    /// Moves what a stop, or a backup that was made meanwhile, left with tenants that ended. No drop-box may be open yet.
    pub(super) fn finish_mergers(&self) -> Result<(), DropBoxError> {
        let ledger = &self.shared.ledger;
        for merger in ledger.mergers().map_err(DropBoxError::Ledger)? {
            let (former, is_left) = (&merger.former, self.has_any(&merger.former));
            if !is_left || self.shared.host.tenant(former).is_some() {
                continue;
            }
            let is_anothers = !ledger.deliveries(former).map_err(DropBoxError::Ledger)?.is_empty()
                || !ledger.submissions(former, 1).map_err(DropBoxError::Ledger)?.is_empty();
            if !is_anothers {
                let uploads = self.carry(former, &merger.tenant)?.len();
                tracing::info!(%former, tenant = %merger.tenant, uploads, "a merger that was broken off is finished");
            }
        }
        Ok(())
    }

    fn has_any(&self, tenant: &TenantId) -> bool {
        self.outboxes.contains(tenant.as_str()) || self.uploads.contains(tenant.as_str())
    }

    /// Moves everything, and removes the directories. Done a second time it goes on where it was broken off. Gives the
    /// ids of uploads that came.
    fn carry(&self, former: &TenantId, into: &TenantId) -> Result<Vec<String>, DropBoxError> {
        let open = |directory: &Directory, name: &str| directory.subdirectory(name).map_err(DropBoxError::Storage);
        let (from, to) = (open(&self.outboxes, former.as_str())?, open(&self.outboxes, into.as_str())?);
        let (had, gets) = (Outbox::open(&from)?, Outbox::open(&to)?);
        for area in [Area::Live, Area::Test] {
            let mut names = had.directory(area).names().map_err(DropBoxError::Storage)?;
            // A manifest says that its file is whole, so it comes last.
            names.sort_by_key(|name| described_file(name).is_some());
            move_all(had.directory(area), gets.directory(area), &names)?;
        }
        let (receipts, receipts_of) = (open(&from, "receipts")?, open(&to, "receipts")?);
        move_all(&receipts, &receipts_of, &receipts.names().map_err(DropBoxError::Storage)?)?;
        let (kept, keeps) = (open(&self.uploads, former.as_str())?, open(&self.uploads, into.as_str())?);
        let ids = record::ids(&kept)?;
        let mut names = kept.names().map_err(DropBoxError::Storage)?;
        // Content that no record names would be taken for what was never accepted.
        names.sort_by_key(|name| record::is_record(name));
        move_all(&kept, &keeps, &names)?;
        for name in ["outbox", "test-outbox", "receipts"] {
            from.remove_empty_directory(name).map_err(DropBoxError::Storage)?;
        }
        for directory in [&self.outboxes, &self.uploads] {
            let removed = directory.remove_empty_directory(former.as_str()).and_then(|()| directory.sync());
            removed.map_err(DropBoxError::Storage)?;
        }
        Ok(ids)
    }
}

/// Moves files in that order, durably. What was being written when a stop came goes.
fn move_all(from: &Directory, to: &Directory, names: &[String]) -> Result<(), DropBoxError> {
    let moved = names.iter().try_for_each(|name| {
        if name.starts_with('.') { from.remove_if_there(name) } else { from.rename(name, to, name) }
    });
    // What is gone there is here on disk first.
    moved.and_then(|()| to.sync()).and_then(|()| from.sync()).map_err(DropBoxError::Storage)
}
