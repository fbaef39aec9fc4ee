//! Backups: one sealed file with everything but the keys and the register, made while the daemon runs.
//!
//! What a restored exchange goes on from is its log, so the log decides what belongs together: drop-boxes are linked,
//! then the log at a checkpoint, then drop-boxes again, and what the log has digests of. Whatever the log of the backup speaks of was there at one of the
//! two times; what came only later is taken away when it is restored. Links cost no room and no time, and what they name
//! is never written again, but for files that only grow.
//!
//! The file is a tar archive, sealed with age: stock tools open it. First stands [`HEAD`], then `config/`, then
//! `state/`. The ledger is not in it, since it is made from the log.
//!
//! It is in one file because links, archive and what is left out have to agree on what belongs to the state.

use std::{
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    DaemonError, control, form,
    opening::{LOG_ARCHIVE, log_dir},
    orders,
};
use crate::{
    config::{SecretFile, Settings},
    durable::{Clock, DirectoryLock, refuse_root_in},
    seal::{Digests, Recipient, SealError, StorageSealer},
    transfer_log::{self, BackupMade, Event, LogError, VerifierKey, YearFault, Years, key_id},
};

/// The name of the first file of a backup.
pub(super) const HEAD: &str = "backup.json";

/// The first file of a backup at most, bytes.
pub(super) const LONGEST_HEAD_BYTES: u64 = 64 * 1024;

/// The form of a backup: raised when an older program could not restore it.
pub(super) const FORM: u32 = 1;

/// Below it in the archive: the configuration, by its place below the main file's directory.
pub(super) const CONFIG: &str = "config";

/// Below it in the archive: the state directory.
pub(super) const STATE: &str = "state";

/// Where links to what is backed up are kept meanwhile, in the state directory.
const LINKS: &str = ".backup";

/// What of the state directory is made anew by each start, or from the log, or is about the process that runs.
const LEFT_OUT: [&str; 7] =
    ["log", "control", "listen", "at-work", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"];

/// What is linked again after the log, which may speak of more by then: of files of drop-boxes, and by digests of
/// disclosures, which a new month or a new tenant has in a new file, with a key of its own.
const LATE: [&str; 4] = ["staging", "uploads", "boxes", "disclosures"];

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The form of the backup ([`FORM`]).
    pub form: u32,
    /// The form of the state directory in it.
    pub state_form: u32,
    /// When it was made.
    pub made_at: Timestamp,
    /// The name of its log.
    pub origin: String,
    /// Entries of that log.
    pub size: u64,
    /// The main file of the configuration, below `config/`.
    pub main_file: String,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// When it was made.
    pub made_at: Timestamp,
    /// Entries of its log.
    pub size: u64,
    /// Files in it.
    pub files: u64,
    /// Bytes of the sealed file.
    pub bytes: u64,
    /// SHA-256 of the sealed file, hexadecimal.
    pub sha256: String,
    /// What is wrong with the transfer log in it, where it does not verify. It was made all the same: the drop-boxes in it
    /// may be all that is left one day.
    pub log_fault: Option<String>,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file could not be read, linked or written.
    #[error("could not {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Another backup is being made.
    #[error("another backup is being made from {0}")]
    InUse(PathBuf),
    /// It would be part of the next one.
    #[error("a backup in the state directory {0} would be taken into each one after it: choose a place outside")]
    Within(PathBuf),
    /// There is a file of that name.
    #[error("{0} is there already, and no backup is written over another file")]
    Taken(PathBuf),
    /// Nothing ever ran with that state directory.
    #[error("there is nothing in {0} to back up")]
    Nothing(PathBuf),
    /// Sealing.
    #[error("the backup could not be sealed")]
    Seal(#[source] SealError),
    /// Somebody wanted it to end.
    #[error("the backup was broken off; nothing of it is left")]
    BrokenOff,
    /// The transfer log.
    #[error("the transfer log could not be copied")]
    Log(#[source] LogError),
    /// The running daemon, or the log where none runs.
    #[error("the backup could not be entered in the transfer log")]
    Noted(#[source] Box<DaemonError>),
}

/// Makes a backup, sealed to `recipients`, as `to`, or in it when it is a directory, and verifies the log in it.
/// `progress` is told how far it is. It is broken off when `ended` turns true.
///
/// # Errors
/// [`BackupError`]; no file of the name it would have had is left then.
pub fn back_up(
    settings: &Settings,
    to: &Path,
    recipients: &[Recipient],
    ended: &AtomicBool,
    progress: impl FnMut(&str),
) -> Result<Backup, BackupError> {
    let made = make(settings, to, recipients, ended, progress);
    // What reading failed with was that.
    made.map_err(|error| if ended.load(Ordering::SeqCst) { BackupError::BrokenOff } else { error })
}

fn make(
    settings: &Settings,
    to: &Path,
    recipients: &[Recipient],
    ended: &AtomicBool,
    mut progress: impl FnMut(&str),
) -> Result<Backup, BackupError> {
    let state = &settings.state_dir;
    refuse_root_in(state).map_err(fault("make links in", state))?;
    if !log_dir(settings).exists() {
        return Err(BackupError::Nothing(state.clone()));
    }
    let place = if to.is_dir() {
        Some(to)
    } else {
        to.parent().map(|parent| if parent == "" { Path::new(".") } else { parent })
    };
    let real = |path: &Path| fs::canonicalize(path).ok();
    if let (Some(place), Some(state_there)) = (place.and_then(real), real(state))
        && place.starts_with(state_there)
    {
        return Err(BackupError::Within(state.clone()));
    }
    let is_free = |path: &Path| match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(BackupError::Taken(path.to_owned())),
        Err(error) => Err(fault("look at", path)(error)),
    };
    if !to.is_dir() {
        is_free(to)?;
    }
    let links = Links::begin(state, skipped(settings))?;
    let recipient_ids = recipients.iter().map(|recipient| key_id(&recipient.to_string())).collect();
    let noted = control::note(settings, None, Event::BackupMade(BackupMade { recipients: recipient_ids }));
    noted.map_err(|error| BackupError::Noted(Box::new(error)))?;
    links.link(state)?;
    control::publish(settings).map_err(|error| BackupError::Noted(Box::new(error)))?;
    let log = links.path.join("log");
    let size = transfer_log::snapshot(&log_dir(settings), &log).map_err(BackupError::Log)?;
    let key = transfer_log::own_key(&log).map_err(BackupError::Log)?;
    links.link_late(state)?;
    let made_at = Clock::system().now();
    let head = Head {
        form: FORM,
        state_form: form::CURRENT,
        made_at,
        origin: key.name().to_owned(),
        size,
        main_file: below_main(settings, settings.main_file()).to_string_lossy().into_owned(),
    };
    let path = if to.is_dir() {
        to.join(format!("groeikluis-{}.tar.age", made_at.strftime("%Y%m%dT%H%M%SZ")))
    } else {
        to.to_owned()
    };
    // Another may have been made in the same second.
    is_free(&path)?;
    let made = Archive::write(&path, recipients, &head, settings, &links.path, ended, &mut progress)?;
    progress("verifying the log in it");
    let log_fault = log_fault(&links.path, key);
    // It was read from the links to them.
    let log_fault = log_fault.map(|fault| fault.replace(&*links.path.to_string_lossy(), &state.to_string_lossy()));
    Ok(Backup { log_fault, ..made })
}

/// The first thing that is wrong with the logs below the links, of this year and of those before it.
fn log_fault(links: &Path, key: VerifierKey) -> Option<String> {
    let (archive, keys) = (links.join(LOG_ARCHIVE), [key]);
    let years = Years { archive: &archive, keys: &keys, since: None };
    let all = || {
        let mut year = years.newest(&links.join("log"))?;
        while let Some(before) = years.before(&year)? {
            year = before;
        }
        Ok(())
    };
    match all() {
        // A year that was taken away is not in the backup: nothing in it fails.
        Ok(()) | Err(YearFault::Missing { .. }) => None,
        Err(YearFault::Log(log)) => {
            let first = log.faults.first().map_or_else(String::new, |fault| format!(": {}", orders::whole(fault)));
            Some(format!("{}{first}", YearFault::Log(log)))
        }
        Err(fault) => Some(orders::whole(&fault)),
    }
}

/// Removes the links of a backup that was broken off: what is removed elsewhere would live on in them. Those of one that
/// is being made stay.
pub(super) fn remove_left_links(state: &Path) {
    if !state.join(LINKS).exists() {
        return;
    }
    match Links::begin(state, Vec::new()) {
        // They go with it.
        Ok(_) | Err(BackupError::InUse(_)) => {}
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "links of a backup that was broken off are left");
        }
    }
}

/// Links to what is backed up, in a directory of their own that goes when this is dropped.
struct Links {
    path: PathBuf,
    /// What is not to be in a backup, by its place in the state directory.
    skipped: Vec<PathBuf>,
    _lock: DirectoryLock,
}

impl Links {
    fn begin(state: &Path, skipped: Vec<PathBuf>) -> Result<Self, BackupError> {
        let path = state.join(LINKS);
        make_directories(&path)?;
        let lock = DirectoryLock::acquire(&path).map_err(|source| match source.kind() {
            ErrorKind::WouldBlock => BackupError::InUse(state.to_owned()),
            _ => fault("lock", &path)(source),
        })?;
        // Those of a backup that was killed.
        let links = Self { path, skipped, _lock: lock };
        links.clear().map_err(fault("empty", &links.path))?;
        Ok(links)
    }

    fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else if entry.file_name() != ".lock" {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Links everything in the state directory but what is left out. Files directly in it come first: among them is how
    /// far receipts have come, which must not be ahead of the receipts.
    fn link(&self, state: &Path) -> Result<(), BackupError> {
        let names = names(state)?;
        // Names with a dot are locks, temporary files, and what this makes itself.
        let wanted = names.iter().filter(|name| !name.starts_with('.') && !LEFT_OUT.contains(&name.as_str()));
        let wanted: Vec<&String> = wanted.collect();
        for directories in [false, true] {
            for name in wanted.iter().filter(|name| state.join(name).is_dir() == directories) {
                self.link_below(state, Path::new(name))?;
            }
        }
        Ok(())
    }

    /// Links what came or changed since, in the place of what was linked before.
    fn link_late(&self, state: &Path) -> Result<(), BackupError> {
        let there = LATE.into_iter().filter(|late| state.join(late).is_dir());
        there.map(Path::new).try_for_each(|late| self.link_below(state, late))
    }

    /// Links a file, or a directory with all that is in it. What goes meanwhile is passed over, and temporary files are.
    fn link_below(&self, state: &Path, relative: &Path) -> Result<(), BackupError> {
        let (from, to) = (state.join(relative), self.path.join(relative));
        if self.skipped.iter().any(|skipped| skipped == relative) {
            return Ok(());
        }
        if !from.is_dir() {
            return link(&from, &to);
        }
        make_directories(&to)?;
        // A record speaks of the content beside it: first it, then what is at least as new.
        for records in [true, false] {
            let names = names(&from)?.into_iter();
            for name in names.filter(|name| !name.starts_with('.') && name.strip_suffix(".json").is_some() == records) {
                self.link_below(state, &relative.join(name))?;
            }
        }
        Ok(())
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            tracing::warn!(%error, path = %self.path.display(), "links of a backup are left");
        }
    }
}

fn link(from: &Path, to: &Path) -> Result<(), BackupError> {
    let metadata = match fs::symlink_metadata(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata.map_err(fault("look at", from))?,
    };
    // Sockets and the like are of a process.
    if !metadata.is_file() {
        return Ok(());
    }
    match fs::symlink_metadata(to) {
        Ok(linked) if linked.ino() == metadata.ino() => return Ok(()),
        Ok(_) => fs::remove_file(to).map_err(fault("replace", to))?,
        Err(_) => {}
    }
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // What lies on a file system of its own, such as disclosures of long ago: sealed, so that a copy may lie here.
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            fs::copy(from, to).map(|_| ()).map_err(fault("copy", from))
        }
        linked => linked.map_err(fault("link", from)),
    }
}

/// What lies in the state directory and is no state: keys, the register, the high-water mark, where somebody keeps them
/// there.
fn skipped(settings: &Settings) -> Vec<PathBuf> {
    let secrets = settings.secrets().filter_map(SecretFile::path);
    let others = [settings.register.path.clone(), settings.high_water_dir.clone(), settings.spool_dir.clone()];
    let directories = [settings.register.path.parent().map(Path::to_owned).unwrap_or_default()];
    // However the configuration names them.
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let state = real(&settings.state_dir);
    let within = |path: PathBuf| real(&path).strip_prefix(&state).ok().map(Path::to_owned);
    let within = secrets.chain(others).chain(directories).filter_map(within);
    within.filter(|path| !path.as_os_str().is_empty()).collect()
}

/// The sealed archive.
struct Archive<'a> {
    tar: tar::Builder<StorageSealer<BufWriter<File>>>,
    ended: &'a AtomicBool,
    progress: &'a mut dyn FnMut(&str),
    files: u64,
    made_at: Timestamp,
}

/// What is read until somebody wants the backup to end.
struct Watched<'a, R> {
    content: R,
    ended: &'a AtomicBool,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Not as `Interrupted`, at which readers go on.
        if self.ended.load(Ordering::SeqCst) { Err(io::Error::other("ended")) } else { self.content.read(buffer) }
    }
}

/// Files after which progress is told.
const TELL_EVERY: u64 = 1_000;

impl Archive<'_> {
    fn write(
        path: &Path,
        recipients: &[Recipient],
        head: &Head,
        settings: &Settings,
        links: &Path,
        ended: &AtomicBool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Backup, BackupError> {
        let part = path.with_extension("age.part");
        let written = Self::write_part(&part, recipients, head, settings, links, ended, progress);
        if written.is_err() {
            // Half a backup is none.
            let _ = fs::remove_file(&part);
        }
        let (files, digests) = written?;
        fs::rename(&part, path).map_err(fault("rename", &part))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|directory| directory.sync_all()).map_err(fault("sync", parent))?;
        Ok(Backup {
            path: path.to_owned(),
            made_at: head.made_at,
            size: head.size,
            files,
            bytes: digests.ciphertext_size,
            sha256: hex::encode(digests.ciphertext_sha256),
            log_fault: None,
        })
    }

    /// Writes the sealed archive and brings it to disk. Gives how many files are in it.
    fn write_part(
        part: &Path,
        recipients: &[Recipient],
        head: &Head,
        settings: &Settings,
        links: &Path,
        ended: &AtomicBool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(u64, Digests), BackupError> {
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(part);
        let file = file.map_err(fault("make", part))?;
        let sealer =
            StorageSealer::new(recipients, BufWriter::with_capacity(1 << 18, file)).map_err(BackupError::Seal)?;
        let tar = tar::Builder::new(sealer);
        let mut archive = Archive { tar, ended, progress, files: 0, made_at: head.made_at };
        let head_bytes = serde_json::to_vec_pretty(head).map_err(|error| fault("write", part)(error.into()))?;
        archive.add(Path::new(HEAD), head_bytes.len() as u64, head_bytes.as_slice())?;
        for file in settings.files() {
            archive.add_file(file, &Path::new(CONFIG).join(below_main(settings, file)))?;
        }
        archive.add_directory(links, Path::new(STATE))?;
        let files = archive.files;
        let sealer = archive.tar.into_inner().map_err(fault("write", part))?;
        let (output, digests) = sealer.finish().map_err(BackupError::Seal)?;
        let file = output.into_inner().map_err(|error| fault("write", part)(error.into_error()))?;
        file.sync_all().map_err(fault("sync", part))?;
        Ok((files, digests))
    }

    fn add_directory(&mut self, from: &Path, name: &Path) -> Result<(), BackupError> {
        for entry in names(from)?.into_iter().filter(|entry| entry != ".lock") {
            let (path, name) = (from.join(&entry), name.join(&entry));
            if path.is_dir() {
                self.add_directory(&path, &name)?;
            } else {
                self.add_file(&path, &name)?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path, name: &Path) -> Result<(), BackupError> {
        let file = File::open(path).map_err(fault("open", path))?;
        let size = file.metadata().map_err(fault("look at", path))?.len();
        // It may grow meanwhile, or an upload be cut by who writes it: the archive has what was promised.
        self.add(name, size, file.take(size).chain(io::repeat(0)).take(size))
    }

    fn add(&mut self, name: &Path, size: u64, content: impl Read) -> Result<(), BackupError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.made_at.as_second()).unwrap_or_default());
        header.set_entry_type(tar::EntryType::Regular);
        let content = Watched { content, ended: self.ended };
        self.tar.append_data(&mut header, name, content).map_err(fault("write", name))?;
        self.files += 1;
        if self.files.is_multiple_of(TELL_EVERY) {
            (self.progress)(&format!("{} files", self.files));
        }
        Ok(())
    }
}

/// A file of the configuration by its place below the main file's directory, or by its whole path where it is elsewhere.
fn below_main(settings: &Settings, file: &Path) -> PathBuf {
    let base = settings.main_file().parent().unwrap_or(Path::new("/"));
    let elsewhere = || Path::new("elsewhere").join(file.strip_prefix("/").unwrap_or(file));
    file.strip_prefix(base).map_or_else(|_| elsewhere(), Path::to_owned)
}

/// The names in a directory, in order.
fn names(path: &Path) -> Result<Vec<String>, BackupError> {
    let listing = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(fault("list", path))?,
    };
    let mut names: Vec<String> = listing.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

fn make_directories(path: &Path) -> Result<(), BackupError> {
    std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700)
        .create(path)
        .map_err(fault("make directory", path))
}

fn fault(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_new_month_began_while_the_log_was_copied_is_in_it() {
        let root = tempfile::tempdir().unwrap();
        let month = |name: &str| {
            fs::create_dir_all(root.path().join("disclosures/bree")).unwrap();
            fs::write(root.path().join("disclosures/bree").join(name), name).unwrap();
        };
        month("2026-10.key");
        month("2026-10.sealed");
        let links = Links::begin(root.path(), Vec::new()).unwrap();
        links.link(root.path()).unwrap();
        month("2026-11.key");
        month("2026-11.sealed");
        links.link_late(root.path()).unwrap();
        let linked = names(&links.path.join("disclosures/bree")).unwrap();
        assert_eq!(linked, ["2026-10.key", "2026-10.sealed", "2026-11.key", "2026-11.sealed"]);
    }
}
