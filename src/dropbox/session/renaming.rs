//! Renaming an upload: where most clients say that it is complete.

use super::{
    super::judging::name_fault,
    Denied, FIXED_TREE, Record, TenantView, UploadFault, VirtualPath, is_temporary,
    place::{self, Place},
    unavailable,
};

impl TenantView {
    /// Renames an upload within its inbox; see [`super::DropBox::rename`].
    pub(super) fn rename_upload(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), Denied> {
        let source = self.place(from)?;
        let target = place::find(self.tenant.kind, to);
        let (Place::Upload(area, old), Some(Place::Upload(new_area, new))) = (source, target) else {
            return Err(FIXED_TREE);
        };
        if area != new_area {
            return Err(Denied::Forbidden("tussen /inbox en /test/inbox kan niets verplaatst worden"));
        }
        self.check_upload_name(area, &new)?;
        let inbox = &self.boxes.inbox;
        let gone = |replaced: &Record| self.account.deleted(Some(&replaced.id), to.as_str());
        let Some(record) = inbox.rename(area, &old, &new, replace, gone)? else { return Ok(()) };
        let complete = !is_temporary(&new);
        let of_content = || name_fault(&record, self.tenant.uploads, inbox, &self.shared.keyring);
        if complete && let Some(fault) = self.fault_of_name(area, &new).or_else(of_content) {
            return Err(self.refuse_name(&record, (from, &old), fault));
        }
        if let Err(error) = self.account.renamed(&record, &old, complete) {
            // Not in the log, so not done: the client finds it under its old name.
            self.rename_back(&record, &old);
            return Err(unavailable(error));
        }
        if inbox.settle(&record) {
            self.shared.host.submitted(inbox.submission(&record.id));
        }
        Ok(())
    }

    fn rename_back(&self, record: &Record, before: &str) {
        let inbox = &self.boxes.inbox;
        if inbox.rename_back(record, before) {
            self.shared.host.submitted(inbox.submission(&record.id));
        }
    }

    /// An upload cannot be taken under the name that a rename gives it. One that was accepted before keeps its own; of one
    /// that was not nothing stays, which the log has first.
    fn refuse_name(&self, record: &Record, (path, before): (&VirtualPath, &str), fault: UploadFault) -> Denied {
        let removed = if is_temporary(before) {
            self.account.deleted(Some(&record.id), path.as_str()).map_err(unavailable)
        } else {
            Err(fault.denied())
        };
        if let Err(denied) = removed {
            self.rename_back(record, before);
            return denied;
        }
        self.boxes.inbox.refuse(record);
        self.refused(record, fault)
    }
}
