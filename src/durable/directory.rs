//! A directory, held by a handle that no name can leave, with durable operations on its entries.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use cap_std::{
    ambient_authority,
    fs::{Dir, DirBuilder, DirBuilderExt, MetadataExt as _, OpenOptions, OpenOptionsExt},
};
use rustix::fs::{RenameFlags, renameat_with};

use super::DiskSpace;

/// Only the daemon's own user reads what it keeps.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
/// What ops and the daemon share, such as configuration.
const GROUP_FILE_MODE: u32 = 0o640;

/// The unit in which the system counts what a file takes (`stat(2)`), whatever the blocks of the disk are.
const BLOCK_BYTES: u64 = 512;

/// A directory on disk. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {
    handle: Arc<Dir>,
    path: Arc<Path>,
}

/// A file operation that failed: what was done to which file.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {path}")]
pub struct DurableError {
    /// What was tried, in English, as a verb.
    pub action: &'static str,
    /// The file or directory.
    pub path: String,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

impl Directory {
    /// Opens a directory, making it and those above it, durably, when they are not there.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn create(path: &Path) -> Result<Self, DurableError> {
        let fault = |action, source| DurableError { action, path: path.display().to_string(), source };
        let missing: Vec<&Path> = path.ancestors().take_while(|above| !above.exists()).collect();
        std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), DIRECTORY_MODE)
            .create(path)
            .map_err(|source| fault("make directory", source))?;
        for above in missing.into_iter().filter_map(Path::parent) {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            File::open(above).and_then(|above| above.sync_all()).map_err(|source| fault("sync", source))?;
        }
        let handle =
            Dir::open_ambient_dir(path, ambient_authority()).map_err(|source| fault("open directory", source))?;
        Ok(Self { handle: Arc::new(handle), path: path.into() })
    }

    /// Opens a directory within this one, making it, durably, when it is not there.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn subdirectory(&self, name: &str) -> Result<Self, DurableError> {
        let mut builder = DirBuilder::new();
        builder.mode(DIRECTORY_MODE);
        match self.handle.create_dir_with(name, &builder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(self.fault("make directory", name, error));
            }
            // Also where it is there: a process that was killed may have made it and never synced.
            _ => self.sync()?,
        }
        let handle = self.handle.open_dir(name).map_err(|source| self.fault("open directory", name, source))?;
        Ok(Self { handle: Arc::new(handle), path: self.path.join(name).into() })
    }

    /// Opens a directory below this one that is there; `path` may have several parts.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn open_subdirectory(&self, path: &str) -> Result<Self, DurableError> {
        let handle = self.handle.open_dir(path).map_err(|source| self.fault("open directory", path, source))?;
        Ok(Self { handle: Arc::new(handle), path: self.path.join(path).into() })
    }

    /// Where the directory is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names in it, in no order. Names that are not UTF-8 are passed over: the daemon makes none.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn names(&self) -> Result<Vec<String>, DurableError> {
        let entries = self.handle.entries().map_err(|source| self.fault("list", ".", source))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| self.fault("list", ".", source))?;
            names.extend(entry.file_name().into_string().ok());
        }
        Ok(names)
    }

    /// Opens a file to read.
    ///
    /// # Errors
    /// [`DurableError`]; its source is of kind `NotFound` when there is none.
    pub fn open(&self, name: &str) -> Result<File, DurableError> {
        let file = self.handle.open(name).map_err(|source| self.fault("open", name, source))?;
        Ok(file.into_std())
    }

    /// Makes a file that is not there yet, to write and read.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn create_file(&self, name: &str) -> Result<File, DurableError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(FILE_MODE);
        let file = self.handle.open_with(name, &options).map_err(|source| self.fault("make", name, source))?;
        Ok(file.into_std())
    }

    /// Opens a file that is there, to write and read.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn open_to_write(&self, name: &str) -> Result<File, DurableError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = self.handle.open_with(name, &options).map_err(|source| self.fault("open", name, source))?;
        Ok(file.into_std())
    }

    /// Reads a file of at most `limit_bytes`; `None` when there is none.
    ///
    /// # Errors
    /// [`DurableError`]; a longer file is of kind `FileTooLarge`.
    pub fn read(&self, name: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, DurableError> {
        let file = match self.open(name) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(|source| self.fault("read", name, source))?;
        if bytes.len() as u64 > limit_bytes {
            return Err(self.fault("read", name, io::ErrorKind::FileTooLarge.into()));
        }
        Ok(Some(bytes))
    }

    /// Writes a file whole, replacing what has its name: after this it is on disk, before it nothing changed.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), DurableError> {
        let temporary = self.write_temporary(name, bytes)?;
        self.rename(&temporary, self, name)?;
        self.sync()
    }

    /// As [`Directory::write`], for a name that nothing has yet.
    ///
    /// # Errors
    /// [`DurableError`]; its source is of kind `AlreadyExists` when something has the name, which stays as it is.
    pub fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), DurableError> {
        let temporary = self.write_temporary(name, bytes)?;
        self.put_new(&temporary, name)
    }

    /// As [`Directory::write_new`], for a file that is no secret of its owner: the directory's group may read it. Where
    /// the file cannot be given to that group, it stays with the owner's.
    ///
    /// # Errors
    /// As [`Directory::write_new`].
    pub fn write_new_for_group(&self, name: &str, bytes: &[u8]) -> Result<(), DurableError> {
        let temporary = self.write_temporary_for_group(name, &mut &*bytes)?;
        self.put_new(&temporary, name)
    }

    /// As [`Directory::write`], for what the directory's group may read, of a size that memory need not hold.
    ///
    /// # Errors
    /// [`DurableError`]: the disk's, or what reading `content` fails with.
    pub fn write_for_group(&self, name: &str, content: &mut impl Read) -> Result<(), DurableError> {
        let temporary = self.write_temporary_for_group(name, content)?;
        self.rename(&temporary, self, name)?;
        self.sync()
    }

    /// As [`Directory::write_temporary`], for the directory's group to read.
    fn write_temporary_for_group(&self, name: &str, content: &mut impl Read) -> Result<String, DurableError> {
        let fault = |source| self.fault("write", name, source);
        let temporary = format!(".{name}.new");
        self.remove_if_there(&temporary)?;
        let mut file = self.create_file(&temporary)?;
        io::copy(content, &mut file).map_err(fault)?;
        let group = std::fs::metadata(&self.path).map_err(fault)?.gid();
        match std::os::unix::fs::fchown(&file, None, Some(group)) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(fault(error)),
            _ => {}
        }
        file.set_permissions(std::fs::Permissions::from_mode(GROUP_FILE_MODE)).map_err(fault)?;
        file.sync_all().map_err(fault)?;
        Ok(temporary)
    }

    /// Gives a temporary file a name that nothing has yet.
    fn put_new(&self, temporary: &str, name: &str) -> Result<(), DurableError> {
        // A link takes no name that is taken; a rename would.
        let linked = self.handle.hard_link(temporary, &self.handle, name);
        self.remove_if_there(temporary)?;
        linked.map_err(|source| self.fault("write", name, source))?;
        self.sync()
    }

    /// Brings bytes to disk under a name beside `name`, which it answers.
    fn write_temporary(&self, name: &str, bytes: &[u8]) -> Result<String, DurableError> {
        let temporary = format!(".{name}.new");
        self.remove_if_there(&temporary)?;
        let mut file = self.create_file(&temporary)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|source| self.fault("write", name, source))?;
        Ok(temporary)
    }

    /// Renames an entry, to this or another directory. Durable once both directories are synced.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn rename(&self, name: &str, target: &Self, new_name: &str) -> Result<(), DurableError> {
        self.handle.rename(name, &target.handle, new_name).map_err(|source| self.fault("rename", name, source))
    }

    /// As [`Directory::rename`], to a name that nothing has yet: nothing is ever replaced.
    ///
    /// # Errors
    /// [`DurableError`]; its source is of kind `AlreadyExists` when something has the new name.
    pub fn rename_new(&self, name: &str, target: &Self, new_name: &str) -> Result<(), DurableError> {
        renameat_with(&*self.handle, name, &*target.handle, new_name, RenameFlags::NOREPLACE)
            .map_err(|error| self.fault("rename", name, error.into()))
    }

    /// Removes a file; that there is none is fine. Durable once the directory is synced.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn remove_if_there(&self, name: &str) -> Result<(), DurableError> {
        match self.handle.remove_file(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|source| self.fault("remove", name, source)),
        }
    }

    /// Removes an empty directory; that there is none is fine. Durable once this directory is synced.
    ///
    /// # Errors
    /// [`DurableError`]; also that something is in it.
    pub fn remove_empty_directory(&self, name: &str) -> Result<(), DurableError> {
        match self.handle.remove_dir(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|source| self.fault("remove directory", name, source)),
        }
    }

    /// What a file takes on disk, bytes: its blocks, or its length where that is more; 0 when there is none.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn taken_bytes(&self, name: &str) -> Result<u64, DurableError> {
        match self.handle.symlink_metadata(name) {
            Ok(metadata) => Ok(metadata.len().max(metadata.blocks().saturating_mul(BLOCK_BYTES))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(self.fault("look at", name, source)),
        }
    }

    /// What is free of the disk that the directory is on, for users that are not root, bytes.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn free_bytes(&self) -> Result<u64, DurableError> {
        let space = rustix::fs::fstatvfs(&*self.handle).map_err(|error| self.fault("look at", ".", error.into()))?;
        Ok(DiskSpace::from(space).free)
    }

    /// Whether there is an entry of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.handle.symlink_metadata(name).is_ok()
    }

    /// Brings the directory itself to disk: entries made, renamed and removed.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn sync(&self) -> Result<(), DurableError> {
        // A handle for paths only cannot be synced, so the directory is opened anew from its own handle.
        let opened = self.handle.open(".").and_then(|handle| handle.sync_all());
        opened.map_err(|source| self.fault("sync", ".", source))
    }

    fn fault(&self, action: &'static str, name: &str, source: io::Error) -> DurableError {
        DurableError { action, path: self.path.join(name).display().to_string(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_whole_and_listed() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::create(&root.path().join("a/b")).unwrap();
        let within = directory.subdirectory("c").unwrap();
        within.write("x", b"one").unwrap();
        within.write("x", b"two").unwrap();
        assert_eq!(within.read("x", 3).unwrap().unwrap(), b"two");
        assert_eq!(within.read("y", 3).unwrap(), None);
        assert_eq!(within.read("x", 2).unwrap_err().source.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(within.write_new("x", b"new").unwrap_err().source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(within.read("x", 3).unwrap().unwrap(), b"two");
        assert_eq!(within.names().unwrap(), ["x"]);
        within.write_new("w", b"new").unwrap();
        within.rename("w", &directory, "w").unwrap();
        assert_eq!(directory.read("w", 3).unwrap().unwrap(), b"new");
        within.rename("x", &directory, "z").unwrap();
        within.write("y", b"new").unwrap();
        assert_eq!(within.rename_new("y", &directory, "z").unwrap_err().source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(directory.read("z", 3).unwrap().unwrap(), b"two");
        within.rename_new("y", &directory, "y").unwrap();
        assert!(directory.contains("y") && !within.contains("y"));
        within.write_new_for_group("g", b"shared").unwrap();
        assert_eq!(within.write_new_for_group("g", b"x").unwrap_err().source.kind(), io::ErrorKind::AlreadyExists);
        let metadata = std::fs::metadata(within.path().join("g")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.len()), (0o640, 6));
        within.write_for_group("g", &mut &b"again"[..]).unwrap();
        let metadata = std::fs::metadata(within.path().join("g")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.len()), (0o640, 5));
        within.remove_if_there("g").unwrap();
        assert_eq!(within.names().unwrap(), Vec::<String>::new());
        assert!(directory.contains("z") && !within.contains("x"));
    }

    #[test]
    fn no_name_leaves_the_directory() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", {
            std::fs::create_dir(root.path().join("d")).unwrap();
            root.path().join("d/link")
        })
        .unwrap();
        let directory = Directory::create(&root.path().join("d")).unwrap();
        for name in ["../secret", "/etc/passwd", "link"] {
            assert!(directory.open(name).is_err(), "{name}");
        }
    }
}
