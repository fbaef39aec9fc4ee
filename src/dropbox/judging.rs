//! What speaks against a file that is finished, by its name, its first bytes and its end.

use std::fs::File;

use super::{
    ListName,
    inbox::Inbox,
    record::{Record, Stored},
    store::UploadFault,
};
use crate::{
    domain::tenant::UploadRule,
    seal::{Keyring, SealError},
};

/// What speaks against a finished file of that name.
pub(super) fn judge_name(name: &str, sealed: bool, uploads: UploadRule) -> Result<(), UploadFault> {
    let name = ListName::parse(name).ok_or(UploadFault::WrongType)?;
    match (sealed, name.sealed, uploads) {
        (false, true, _) => Err(UploadFault::NotAge),
        (false, false, UploadRule::SealedOnly) => Err(UploadFault::SealedOnly),
        _ => Ok(()),
    }
}

/// What speaks against a sealed file that is finished, as far as its header and its end tell.
pub(super) fn judge_seal(keyring: &Keyring, file: &File) -> Result<(), UploadFault> {
    match keyring.check_end(file) {
        Err(SealError::Truncated) => Err(UploadFault::TruncatedAge),
        Err(SealError::NoMatchingKey | SealError::NotAge | SealError::Header | SealError::Damaged) => {
            Err(UploadFault::NotDecryptable)
        }
        // This side's own fault is told by who opens it whole.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What speaks against a closed upload that gets a name that is not temporary.
pub(super) fn name_fault(
    record: &Record,
    uploads: UploadRule,
    inbox: &Inbox,
    keyring: &Keyring,
) -> Option<UploadFault> {
    if record.size == 0 {
        return Some(UploadFault::Empty);
    }
    let sealed = record.stored == Stored::AsItCame;
    judge_name(&record.name, sealed, uploads).err().or_else(|| {
        let file = inbox.directory().open(&record.content_file()).ok().filter(|_| sealed)?;
        judge_seal(keyring, &file).err()
    })
}
