//! Renaming an upload: where most clients say that it is complete.

use super::{
    super::{
        inbox::{Rename, Renamed, Step},
        judging::name_fault,
    },
    Denied, FIXED_TREE, Record, TenantView, VirtualPath, is_temporary,
    place::{self, Place},
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
        let judge = |renamed: &Record| {
            let of_content = || name_fault(renamed, self.tenant.uploads, inbox, &self.shared.keyring);
            if is_temporary(&new) { None } else { self.fault_of_name(area, &new).or_else(of_content) }
        };
        let account = |step: Step<'_>| match step {
            Step::Renamed { record, before, replaced } => self.account.renamed(record, before, replaced),
            Step::Gone(record) => self.account.deleted(Some(&record.id), &record.path()),
        };
        match inbox.rename(Rename { area, from: &old, to: &new, replace }, judge, account)? {
            Renamed::Done => Ok(()),
            Renamed::Finished(submission) => {
                self.shared.host.submitted(submission);
                Ok(())
            }
            Renamed::Refused { record, fault, is_gone: true } => Err(self.refused(&record, fault)),
            Renamed::Refused { fault, is_gone: false, .. } => Err(fault.denied()),
        }
    }
}
