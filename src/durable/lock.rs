//! One process to a directory, and one user.

use std::{fs::File, io, os::unix::fs::MetadataExt, path::Path};

use rustix::{
    fs::{FlockOperation, flock},
    process::geteuid,
};

/// Root at work in a directory of another user.
#[derive(Debug, thiserror::Error)]
#[error("it belongs to user {owner}, who could not use what root makes in it: run this as that user")]
struct ForeignDirectory {
    owner: u32,
}

/// Refuses to let root work in a directory of another user. Its owner could neither read nor replace what root makes in
/// it; and whatever its owner put there, links included, would be followed with all rights. A directory that is not there
/// yet may be made.
///
/// # Errors
/// Of kind `PermissionDenied`, with whose it is; else the system's.
pub fn refuse_root_in(directory: &Path) -> io::Result<()> {
    let owner = match directory.metadata() {
        Ok(metadata) => metadata.uid(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if geteuid().is_root() && owner != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, ForeignDirectory { owner }));
    }
    Ok(())
}

/// Holds a directory for this process until it is dropped or the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock file `.lock` in the directory.
    ///
    /// # Errors
    /// Of kind `WouldBlock` when another process holds it; else the system's.
    pub fn acquire(directory: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(directory.join(".lock"))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_held_once() {
        let directory = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::acquire(directory.path()).unwrap();
        assert_eq!(DirectoryLock::acquire(directory.path()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        assert!(DirectoryLock::acquire(directory.path()).is_ok());
    }

    #[test]
    fn root_leaves_the_directories_of_others_alone() {
        let directory = tempfile::tempdir().unwrap();
        refuse_root_in(directory.path()).unwrap();
        refuse_root_in(&directory.path().join("absent")).unwrap();
        if geteuid().is_root() {
            std::os::unix::fs::chown(directory.path(), Some(997), None).unwrap();
            let error = refuse_root_in(directory.path()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            assert!(error.to_string().contains("belongs to user 997"), "{error}");
        }
    }
}
