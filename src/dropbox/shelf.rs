//! Directories whose files a session may see and read: outboxes, receipts, reports.

use std::fs::{File, Metadata};

use jiff::Timestamp;

use super::{
    DropBoxError,
    view::{Attributes, Entry},
};
use crate::durable::Directory;

/// The files there in the order of their names, but those that begin with a dot.
pub(super) fn list(directory: &Directory, writable: bool) -> Result<Vec<Entry>, DropBoxError> {
    let mut names = directory.names().map_err(DropBoxError::Storage)?;
    names.sort_unstable();
    // A file that was removed since the names were read is simply no longer there.
    let entry = |name: String| open(directory, &name, writable).map(|(_, attributes)| Entry { name, attributes });
    Ok(names.into_iter().filter_map(entry).collect())
}

/// A file with its attributes; none when there is none of that name.
pub(super) fn open(directory: &Directory, name: &str, writable: bool) -> Option<(File, Attributes)> {
    let file = Some(name).filter(|name| !name.starts_with('.')).and_then(|name| directory.open(name).ok())?;
    let metadata = file.metadata().ok().filter(Metadata::is_file)?;
    Some((file, attributes(&metadata, writable)))
}

/// A file's attributes, with the time that the disk has for it: who mirrors it fetches it once.
pub(super) fn attributes(metadata: &Metadata, writable: bool) -> Attributes {
    let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_default();
    Attributes { directory: false, size: metadata.len(), modified, writable }
}
