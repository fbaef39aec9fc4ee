//! One process to a directory.

use std::{fs::File, io, path::Path};

use rustix::fs::{FlockOperation, flock};

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
}
