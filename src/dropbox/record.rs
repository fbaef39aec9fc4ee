//! What is kept about an upload, beside its content.

use std::collections::HashSet;

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
    /// Its name before the last rename: a stop may have come before the log had that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
}

/// A record's bound: a path of 4 KiB in JSON and a few fields.
const LONGEST_RECORD_BYTES: u64 = 64 * 1024;

const RECORD_ENDING: &str = ".json";
const CONTENT_ENDING: &str = ".data";

impl Record {
    /// The path that its tenant sees.
    pub fn path(&self) -> String {
        match self.area {
            Area::Live => format!("/inbox/{}", self.name),
            Area::Test => format!("/test/inbox/{}", self.name),
        }
    }

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

    /// Gives it the name before its last rename again, durably, where that is such a name. Says whether it has it.
    pub fn undo_rename(&mut self, directory: &Directory, is_such: impl Fn(&str) -> bool) -> Result<bool, DropBoxError> {
        let Some(before) = self.renamed_from.take_if(|before| is_such(before)) else { return Ok(false) };
        self.name = before;
        self.save(directory).map(|()| true)
    }

    /// Removes record and content, durably.
    pub fn delete(&self, directory: &Directory) -> Result<(), DropBoxError> {
        delete(directory, &self.id)
    }
}

/// Removes record and content of an upload, durably; what is not there is fine.
pub(super) fn delete(directory: &Directory, id: &str) -> Result<(), DropBoxError> {
    let [record, content] = files(id);
    directory
        .remove_if_there(&record)
        .and_then(|()| directory.remove_if_there(&content))
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

/// The files of an upload.
pub(super) fn files(id: &str) -> [String; 2] {
    [format!("{id}{RECORD_ENDING}"), content_file(id)]
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

/// Reads all records of a directory, and removes content that no record names: it was never accepted. A record that cannot
/// be read is passed over, so that one damaged file keeps nobody from the others.
pub(super) fn load_all(directory: &Directory) -> Result<Vec<Record>, DropBoxError> {
    let names = directory.names().map_err(DropBoxError::Storage)?;
    let mut records: Vec<Record> = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(RECORD_ENDING) && !name.starts_with('.')) {
        match load(directory, name) {
            Ok(record) => records.extend(record),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, path = %directory.path().display(), "an upload is set aside");
            }
        }
    }
    // Also that of a record which could not be read: somebody may mend it.
    let of_records = || names.iter().filter(|name| !name.starts_with('.'));
    let contents: HashSet<String> =
        of_records().filter_map(|name| name.strip_suffix(RECORD_ENDING)).map(content_file).collect();
    for name in &names {
        let known = name.ends_with(RECORD_ENDING) && !name.starts_with('.') || contents.contains(name);
        if !known {
            directory.remove_if_there(name).map_err(DropBoxError::Storage)?;
        }
    }
    Ok(records)
}
