//! What is kept about an upload, beside its content.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Area, DropBoxError};
use crate::durable::Directory;

/// How an upload's content lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stored {
    /// As it came: sealed by the tenant.
    AsItCame,
    /// Sealed on arrival, to the exchange's own key.
    SealedHere,
}

/// An upload, as its record file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The submission's id, 32 hexadecimal digits, and the name of its files.
    pub id: String,
    /// The name that the tenant gave it.
    pub name: String,
    /// Which inbox.
    pub area: Area,
    /// Bytes, as the tenant wrote them.
    pub size: u64,
    /// The time that listings show.
    pub modified: Timestamp,
    /// How the content is stored.
    pub stored: Stored,
    /// Whether the client closed the file; false for one that broke off.
    pub closed: bool,
    /// SHA-256 of what is on disk, hexadecimal.
    pub stored_sha256: String,
}

/// A record's bound: a path of 4 KiB in JSON and a few fields.
const LONGEST_RECORD_BYTES: u64 = 64 * 1024;

const RECORD_ENDING: &str = ".json";
const CONTENT_ENDING: &str = ".data";

impl Record {
    /// The name of the content's file.
    pub fn content_file(&self) -> String {
        content_file(&self.id)
    }

    /// When the record was last written, by the disk's own time.
    pub fn written_at(&self, directory: &Directory) -> Option<std::time::SystemTime> {
        directory.open(&format!("{}{RECORD_ENDING}", self.id)).ok()?.metadata().ok()?.modified().ok()
    }

    /// Writes the record, durably; the content's file is brought into the directory by the same step.
    pub fn save(&self, directory: &Directory) -> Result<(), DropBoxError> {
        let name = format!("{}{RECORD_ENDING}", self.id);
        let bytes = serde_json::to_vec(self).map_err(|source| DropBoxError::Record { name: name.clone(), source })?;
        directory.write(&name, &bytes).map_err(DropBoxError::Storage)
    }

    /// Removes record and content, durably.
    pub fn delete(&self, directory: &Directory) -> Result<(), DropBoxError> {
        delete(directory, &self.id)
    }
}

/// Removes record and content of an upload, durably; what is not there is fine.
pub(super) fn delete(directory: &Directory, id: &str) -> Result<(), DropBoxError> {
    directory
        .remove_if_there(&format!("{id}{RECORD_ENDING}"))
        .and_then(|()| directory.remove_if_there(&content_file(id)))
        .and_then(|()| directory.sync())
        .map_err(DropBoxError::Storage)
}

/// Whether that is the name of a record.
pub(super) fn is_record(name: &str) -> bool {
    name.ends_with(RECORD_ENDING)
}

/// The uploads of which there is a record.
pub(super) fn ids(directory: &Directory) -> Result<Vec<String>, DropBoxError> {
    let mut names = directory.names().map_err(DropBoxError::Storage)?;
    names.retain(|name| !name.starts_with('.'));
    Ok(names.iter().filter_map(|name| name.strip_suffix(RECORD_ENDING)).map(str::to_owned).collect())
}

/// The name of a submission's content.
pub(super) fn content_file(id: &str) -> String {
    format!("{id}{CONTENT_ENDING}")
}

/// Reads the record of an upload; none where it is gone.
pub(super) fn load_one(directory: &Directory, id: &str) -> Result<Option<Record>, DropBoxError> {
    load(directory, &format!("{id}{RECORD_ENDING}"))
}

fn load(directory: &Directory, name: &str) -> Result<Option<Record>, DropBoxError> {
    let bytes = directory.read(name, LONGEST_RECORD_BYTES).map_err(DropBoxError::Storage)?;
    let fault = |source| DropBoxError::Record { name: name.to_owned(), source };
    bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(fault)).transpose()
}

/// Reads all records of a directory, and removes content that no record names: it was never accepted.
pub(super) fn load_all(directory: &Directory) -> Result<Vec<Record>, DropBoxError> {
    let names = directory.names().map_err(DropBoxError::Storage)?;
    let mut records = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(RECORD_ENDING) && !name.starts_with('.')) {
        records.extend(load(directory, name)?);
    }
    for name in names {
        let known = name.ends_with(RECORD_ENDING) && !name.starts_with('.')
            || records.iter().any(|record: &Record| record.content_file() == name);
        if !known {
            directory.remove_if_there(&name).map_err(DropBoxError::Storage)?;
        }
    }
    Ok(records)
}
