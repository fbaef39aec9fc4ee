//! Sealed files on their way out: staged first, and published by renaming, so that a stop in between loses nothing.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader, Write},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    DropBoxError, shelf,
    view::{Attributes, Entry},
};
use crate::{documents::manifest::Manifest, domain::TenantId, durable::Directory, seal::Sealed};

/// Which of a tenant's two sets of boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// Real data.
    Live,
    /// Trials with synthetic data.
    Test,
}

/// A tenant's outboxes.
#[derive(Debug, Clone)]
pub struct Outbox {
    live: Directory,
    test: Directory,
}

impl Outbox {
    pub(super) fn open(tenant_directory: &Directory) -> Result<Self, DropBoxError> {
        let open = |name| tenant_directory.subdirectory(name).map_err(DropBoxError::Storage);
        Ok(Self { live: open("outbox")?, test: open("test-outbox")? })
    }

    pub(super) fn directory(&self, area: Area) -> &Directory {
        match area {
            Area::Live => &self.live,
            Area::Test => &self.test,
        }
    }

    pub(super) fn list(&self, area: Area, may_delete: bool) -> Result<Vec<Entry>, DropBoxError> {
        shelf::list(self.directory(area), may_delete)
    }

    /// A published file with its attributes; none when there is none of that name.
    pub(super) fn open_file(&self, area: Area, name: &str, may_delete: bool) -> Option<(File, Attributes)> {
        shelf::open(self.directory(area), name, may_delete)
    }

    /// The sealed files there, also those of which only the manifest is left.
    pub(super) fn files(&self, area: Area) -> Result<BTreeSet<String>, DropBoxError> {
        let names = self.directory(area).names().map_err(DropBoxError::Storage)?;
        let names = names.into_iter().filter(|name| !name.starts_with('.'));
        Ok(names.map(|name| delivery_of(&name)).collect())
    }

    /// Removes a file with its manifest, durably; what is not there is fine. The manifest goes first: its presence
    /// says that the file is whole.
    pub(super) fn remove(&self, area: Area, file: &str) -> Result<(), DropBoxError> {
        let directory = self.directory(area);
        directory
            .remove_if_there(&manifest_name(file))
            .and_then(|()| directory.remove_if_there(file))
            .and_then(|()| directory.sync())
            .map_err(DropBoxError::Storage)
    }

    /// Bytes of all published files.
    ///
    /// # Errors
    /// [`DropBoxError::Storage`].
    pub fn used_bytes(&self) -> Result<u64, DropBoxError> {
        Ok(self.used_bytes_of(Area::Live)? + self.used_bytes_of(Area::Test)?)
    }

    /// Bytes of the published files of one area.
    ///
    /// # Errors
    /// [`DropBoxError::Storage`].
    pub fn used_bytes_of(&self, area: Area) -> Result<u64, DropBoxError> {
        Ok(self.list(area, false)?.iter().map(|entry| entry.attributes.size).sum())
    }
}

/// A file being sealed for a tenant, in the staging directory. Dropped, it leaves nothing.
pub struct Staging {
    draft: DraftFiles,
    file: File,
}

/// A delivery that is sealed and on disk, and that nobody but the exchange can see. What publishes it is its id in
/// the transfer log. Dropped before it may be there ([`Staged::keep`]), it leaves nothing: what cannot be entered in
/// the log is made anew, and each try would take room on a disk that has none.
#[derive(Debug)]
pub struct Staged {
    /// The delivery's id.
    pub id: String,
    /// Proof of clearance and sealing.
    pub sealed: Sealed,
    /// Its manifest, without the log's index yet.
    pub manifest: Manifest,
    draft: DraftFiles,
}

impl Staged {
    /// The log has it, or may have it: from now on it stays until it is published.
    pub fn keep(mut self) {
        self.draft.kept = true;
    }
}

/// What the staging directory holds of a delivery, removed when this is dropped, unless it is kept.
#[derive(Debug)]
struct DraftFiles {
    directory: Directory,
    id: String,
    kept: bool,
}

impl Drop for DraftFiles {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for name in [draft_name(&self.id), content(&self.id)] {
            if let Err(error) = self.directory.remove_if_there(&name) {
                tracing::warn!(error = &error as &dyn std::error::Error, "could not remove a delivery that is none");
            }
        }
    }
}

/// A delivery that its tenant can fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The delivery's id.
    pub id: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name in the outbox.
    pub file: String,
}

/// What is kept beside a staged file, to publish it after a stop as well.
#[derive(Debug, Serialize, Deserialize)]
struct Draft {
    tenant: String,
    area: Area,
    manifest: Manifest,
}

/// A draft's bound: a manifest has some 2 KiB, its recipients at most a few keys of 1 KiB.
const LONGEST_DRAFT_BYTES: u64 = 1 << 20;

impl Staging {
    pub(super) fn begin(directory: &Directory, id: &str) -> Result<Self, DropBoxError> {
        directory.remove_if_there(&content(id)).map_err(DropBoxError::Storage)?;
        let file = directory.create_file(&content(id)).map_err(DropBoxError::Storage)?;
        let draft = DraftFiles { directory: directory.clone(), id: id.to_owned(), kept: false };
        Ok(Self { draft, file })
    }

    /// Brings the sealed file and its manifest to disk.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn commit(self, sealed: Sealed, area: Area, manifest: Manifest) -> Result<Staged, DropBoxError> {
        let Self { draft: files, file } = self;
        let id = files.id.clone();
        let fault = |source| DropBoxError::File { action: "sync", name: content(&id), source };
        file.sync_all().map_err(fault)?;
        let draft = Draft { tenant: sealed.clearance().tenant().to_string(), area, manifest: manifest.clone() };
        let name = draft_name(&id);
        let bytes = serde_json::to_vec(&draft).map_err(|source| DropBoxError::Record { name: name.clone(), source })?;
        files.directory.write(&name, &bytes).map_err(DropBoxError::Storage)?;
        Ok(Staged { id, sealed, manifest, draft: files })
    }
}

impl Write for Staging {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The deliveries in the staging directory that are whole.
pub(super) fn staged_ids(directory: &Directory) -> Result<Vec<String>, DropBoxError> {
    let names = directory.names().map_err(DropBoxError::Storage)?;
    Ok(names
        .iter()
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| name.strip_suffix(DRAFT_ENDING))
        .map(str::to_owned)
        .collect())
}

/// Publishes a staged delivery: the file first, then its manifest. Doing it again after a stop is harmless. `tenant` says
/// whose it is today: the one that it was made for may have ended since.
pub(super) fn publish(
    staging: &Directory,
    id: &str,
    log_index: u64,
    tenant: &TenantId,
    outbox: &Outbox,
) -> Result<Option<Published>, DropBoxError> {
    let name = draft_name(id);
    let Some(bytes) = staging.read(&name, LONGEST_DRAFT_BYTES).map_err(DropBoxError::Storage)? else {
        return Ok(None);
    };
    let record_fault = |source| DropBoxError::Record { name: name.clone(), source };
    let mut draft: Draft = serde_json::from_slice(&bytes).map_err(record_fault)?;
    draft.manifest.log_index = log_index;
    let target = outbox.directory(draft.area);
    if staging.contains(&content(id)) {
        refuse_another(target, &draft.manifest)?;
        staging.rename(&content(id), target, &draft.manifest.file).map_err(DropBoxError::Storage)?;
        target.sync().map_err(DropBoxError::Storage)?;
    }
    if !target.contains(&draft.manifest.file) {
        // A manifest says that its file is there.
        let (name, source) = (draft.manifest.file, io::ErrorKind::NotFound.into());
        return Err(DropBoxError::File { action: "publish", name, source });
    }
    let manifest = draft.manifest.to_json().map_err(record_fault)?;
    target.write(&manifest_name(&draft.manifest.file), manifest.as_bytes()).map_err(DropBoxError::Storage)?;
    staging.remove_if_there(&name).map_err(DropBoxError::Storage)?;
    Ok(Some(Published { id: id.to_owned(), tenant: tenant.clone(), file: draft.manifest.file }))
}

/// A file of that name that is there already must be the same one, as a backup that was made meanwhile has it: another
/// delivery is never replaced.
fn refuse_another(target: &Directory, manifest: &Manifest) -> Result<(), DropBoxError> {
    if !target.contains(&manifest.file) {
        return Ok(());
    }
    let fault = |source| DropBoxError::File { action: "publish", name: manifest.file.clone(), source };
    let mut digest = Sha256::new();
    let mut file = BufReader::new(target.open(&manifest.file).map_err(DropBoxError::Storage)?);
    loop {
        let part = file.fill_buf().map_err(fault)?;
        if part.is_empty() {
            break;
        }
        digest.update(part);
        let read = part.len();
        file.consume(read);
    }
    if manifest.ciphertext_sha256 == <[u8; 32]>::from(digest.finalize()) {
        return Ok(());
    }
    Err(fault(io::Error::new(io::ErrorKind::AlreadyExists, "another delivery has that name")))
}

/// Removes what was staged and never entered the log.
pub(super) fn discard(directory: &Directory, keep: impl Fn(&str) -> bool) -> Result<(), DropBoxError> {
    for name in directory.names().map_err(DropBoxError::Storage)? {
        let id = name.strip_suffix(DRAFT_ENDING).or_else(|| name.strip_suffix(CONTENT_ENDING));
        if !id.is_some_and(&keep) {
            directory.remove_if_there(&name).map_err(DropBoxError::Storage)?;
        }
    }
    directory.sync().map_err(DropBoxError::Storage)
}

/// The ending of a manifest's name, in the place of `.age`.
const MANIFEST_ENDING: &str = ".manifest.json";

/// The name of a delivery's manifest.
pub fn manifest_name(file: &str) -> String {
    format!("{}{MANIFEST_ENDING}", file.strip_suffix(".age").unwrap_or(file))
}

/// The delivery that a file of an outbox belongs to: itself, or what it is the manifest of.
pub fn delivery_of(name: &str) -> String {
    described_file(name).unwrap_or_else(|| name.to_owned())
}

/// The delivery that a manifest's name belongs to.
pub(super) fn described_file(name: &str) -> Option<String> {
    name.strip_suffix(MANIFEST_ENDING).map(|stem| format!("{stem}.age"))
}

const DRAFT_ENDING: &str = ".json";
const CONTENT_ENDING: &str = ".age";

fn draft_name(id: &str) -> String {
    format!("{id}{DRAFT_ENDING}")
}

fn content(id: &str) -> String {
    format!("{id}{CONTENT_ENDING}")
}
