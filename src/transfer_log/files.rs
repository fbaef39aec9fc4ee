//! The log's files: written so that they are on disk when they are said to be.
//!
//! A fault of a synchronisation is [`LogError::Sync`], which ends the log; any other is [`LogError::File`], which may
//! pass. Nothing here is written in place where a published checkpoint speaks of it.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::Read,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
};

use super::LogError;
use crate::durable::{disk, open_regular};

/// Only the daemon's own user reads the log; tenants get theirs over SFTP.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Synchronisations that wait for the disk at once. Those of one moment share commits of the file system: 98 files, as of
/// a second under load, were on disk after 0.1 to 0.2 s instead of 0.3.
const SYNCED_AT_ONCE: usize = 8;

/// Files that are open until they are synchronised, at most: those of some 16,000 entries.
const MOST_WRITTEN: usize = 128;

/// Files written whole under one directory, which are synchronised together with their directories.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    written: Vec<(File, PathBuf)>,
    changed: BTreeSet<PathBuf>,
}

impl Files {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), written: Vec::new(), changed: BTreeSet::new() }
    }

    /// Writes a file; it is on disk after [`Files::sync`].
    pub fn put(&mut self, relative: &str, bytes: &[u8]) -> Result<(), LogError> {
        let path = self.root.join(relative);
        if let Some(parent) = path.parent() {
            self.make_directory(parent)?;
            self.changed.insert(parent.to_owned());
        }
        let file = write_unsynced(&path, bytes)?;
        self.written.push((file, path));
        if self.written.len() < MOST_WRITTEN { Ok(()) } else { self.sync_written() }
    }

    fn make_directory(&mut self, path: &Path) -> Result<(), LogError> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_directory(parent)?;
            self.changed.insert(parent.to_owned());
        }
        make_unsynced(path)
    }

    /// Brings every file that was written, and every changed directory, to disk.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.sync_written()?;
        let changed: Vec<&PathBuf> = self.changed.iter().collect();
        at_once(&changed, |directory| sync_directory(directory))?;
        self.changed.clear();
        Ok(())
    }

    fn sync_written(&mut self) -> Result<(), LogError> {
        let written = std::mem::take(&mut self.written);
        at_once(&written, |(file, path)| disk::sync_all(file, path).map_err(|source| LogError::sync(path, source)))
    }

    /// Removes a file that no checkpoint speaks of, and the directory that this leaves empty. Says whether it is gone.
    fn remove(&self, relative: &str) -> bool {
        let path = self.root.join(relative);
        let is_gone = disk::remove_file(&path).is_ok();
        if let Some(parent) = path.parent().filter(|_| is_gone) {
            // Fails where other files are left, as it should.
            let _ = fs::remove_dir(parent);
        }
        is_gone
    }

    /// Removes the files of a directory whose names are `unwanted`. Says whether all of them are gone.
    pub fn remove_where(&self, relative: &str, unwanted: impl Fn(&str) -> bool) -> bool {
        let listing = match fs::read_dir(self.root.join(relative)) {
            Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
            Ok(listing) => listing,
        };
        let mut is_clear = true;
        for name in listing.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            if unwanted(&name) {
                is_clear &= self.remove(&format!("{relative}/{name}"));
            }
        }
        is_clear
    }
}

/// Makes a directory and those above it, durably; those that are there are fine.
pub(super) fn make_directory(path: &Path) -> Result<(), LogError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|above| !above.exists()).collect();
    make_unsynced(path)?;
    let above = missing.into_iter().filter_map(Path::parent);
    above.map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above }).try_for_each(sync_directory)
}

fn make_unsynced(path: &Path) -> Result<(), LogError> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .map_err(|source| LogError::file("make directory", path, source))
}

/// Makes an empty file, or empties one, to write.
pub(super) fn create(path: &Path) -> Result<File, LogError> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(FILE_MODE);
    disk::open(&options, path).map_err(|source| LogError::file("make", path, source))
}

/// Opens a file to read and write, made when it is not there.
pub(super) fn open_or_create(path: &Path) -> Result<File, LogError> {
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false).mode(FILE_MODE);
    disk::open(&options, path).map_err(|source| LogError::file("open", path, source))
}

/// Does the same with all, several at once. All are tried; the first fault in their order is told.
fn at_once<T: Sync>(all: &[T], each: impl Fn(&T) -> Result<(), LogError> + Sync) -> Result<(), LogError> {
    let work = |share: &[T]| share.iter().map(&each).fold(Ok(()), Result::and);
    let work = &work;
    let (first, others) = all.split_at(all.len().div_ceil(SYNCED_AT_ONCE).min(all.len()));
    thread::scope(|scope| {
        let shares = others.chunks(first.len().max(1));
        let start = |share| thread::Builder::new().spawn_scoped(scope, move || work(share)).map_err(|_| work(share));
        let running: Vec<_> = shares.map(start).collect();
        let others = running.into_iter().map(|share| match share {
            Ok(thread) => thread.join().unwrap_or(Err(LogError::Failed)),
            // No thread could be had: it was done here.
            Err(done) => done,
        });
        others.fold(work(first), Result::and)
    })
}

fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<File, LogError> {
    let file = create(path)?;
    disk::write_all_at(&file, path, bytes, 0).map_err(|source| LogError::file("write", path, source))?;
    Ok(file)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let file = write_unsynced(path, bytes)?;
    disk::sync_all(&file, path).map_err(|source| LogError::sync(path, source))
}

/// Replaces a file whole: after this the new one is on disk, before it the old one.
pub(super) fn replace(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), LogError> {
    let (temporary, path) = (directory.join(format!(".{name}.new")), directory.join(name));
    write_file(&temporary, bytes)?;
    disk::rename(&temporary, &path).map_err(|source| LogError::file("rename", temporary, source))?;
    sync_directory(directory)
}

/// Opens a directory, to be synchronised.
pub(super) fn open_directory(path: &Path) -> Result<File, LogError> {
    let opened = disk::open(OpenOptions::new().read(true), path);
    opened.map_err(|source| LogError::file("open directory", path, source))
}

/// Brings a directory to disk: entries made, renamed and removed.
pub(super) fn sync_directory(path: &Path) -> Result<(), LogError> {
    let directory = open_directory(path)?;
    disk::sync_all(&directory, path).map_err(|source| LogError::sync(path, source))
}

/// Reads a file of at most `limit_bytes`.
pub(super) fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, LogError> {
    let problem = "it is no regular file";
    let file = open_regular(path).map_err(|source| LogError::file("open", path, source))?;
    let file = file.ok_or_else(|| LogError::Damaged { path: path.to_owned(), problem })?;
    // All of it at once, where the length tells how much that is.
    let length = file.metadata().map_or(0, |metadata| metadata.len()).min(limit_bytes);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(|source| LogError::file("read", path, source))?;
    if bytes.len() as u64 > limit_bytes {
        return Err(LogError::Damaged { path: path.to_owned(), problem: "it is longer than it can be" });
    }
    Ok(bytes)
}

/// As [`read`]; `None` when there is no such file.
pub(super) fn read_if_there(path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, LogError> {
    match read(path, limit_bytes) {
        Err(error) if error.is_not_found() => Ok(None),
        bytes => bytes.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::disk::faults::{self, Failure};

    #[test]
    fn all_that_was_written_is_synchronised_and_a_fault_of_any_is_told() {
        let put = |root: &Path| {
            let mut files = Files::new(root);
            for number in 0..MOST_WRITTEN + 20 {
                files.put(&format!("{}/{number}", number % 3), number.to_string().as_bytes())?;
            }
            files.sync()
        };
        let place = tempfile::tempdir().unwrap();
        faults::plan(place.path(), None);
        put(place.path()).unwrap();
        // Each is made, written and synchronised; three directories and the one above are opened and synchronised.
        let calls = faults::end(place.path());
        assert_eq!(calls, 3 * (MOST_WRITTEN + 20) + 8);
        assert_eq!(fs::read_to_string(place.path().join("1/100")).unwrap(), "100");
        for at in [0, 1, 2 * MOST_WRITTEN, 3 * MOST_WRITTEN - 1, calls - 9, calls - 1] {
            let place = tempfile::tempdir().unwrap();
            faults::plan(place.path(), Some((at, Failure::Lost(rustix::io::Errno::IO))));
            let fault = put(place.path()).unwrap_err();
            assert_eq!(fault.is_fatal(), at >= 2 * MOST_WRITTEN, "call {at} of {calls}: {fault}");
            faults::end(place.path());
        }
    }

    #[test]
    fn a_pipe_in_a_copy_is_a_fault_and_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("checkpoint");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert!(matches!(read(&path, 10), Err(LogError::Damaged { .. })));
    }
}
