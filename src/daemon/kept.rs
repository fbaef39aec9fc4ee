//! Small files of the daemon's own that say who came from where. They are sealed to the exchange's own key, as
//! everything in the state directory that tells of persons.
//!
//! They are for convenience: one that is lost or damaged is begun anew, with a warning.

use std::io::Write;

use zeroize::Zeroizing;

use crate::{
    durable::{Directory, DurableError},
    seal::{Keyring, SealError, StorageSealer},
};

/// A directory with such files.
#[derive(Clone)]
pub(super) struct KeptFiles {
    directory: Directory,
    keyring: Keyring,
}

/// Why such a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The disk.
    #[error("a file of the state directory cannot be used")]
    File(#[source] DurableError),
    /// It does not open.
    #[error("{name} does not open")]
    Sealed {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: SealError,
    },
    /// It holds something else.
    #[error("{name} does not hold what it should")]
    Content {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// What sealing adds to a file, bytes at most: the header with its recipients, and 16 bytes for each 64 KiB.
const SEALING_ADDS: u64 = 64 << 10;

impl KeptFiles {
    /// Files of that directory, opened with the exchange's key.
    pub fn new(directory: Directory, keyring: Keyring) -> Self {
        Self { directory, keyring }
    }

    /// Reads a file; none when there is none.
    ///
    /// # Errors
    /// [`KeptError`]; it is longer than `limit_bytes`, among others.
    pub fn read(&self, name: &str, limit_bytes: u64) -> Result<Option<Zeroizing<Vec<u8>>>, KeptError> {
        let sealed = self.directory.read(name, limit_bytes + SEALING_ADDS).map_err(KeptError::File)?;
        let Some(sealed) = sealed else { return Ok(None) };
        let opened = self.keyring.open_whole(sealed.as_slice(), limit_bytes);
        opened.map(Some).map_err(|source| KeptError::Sealed { name: name.to_owned(), source })
    }

    /// Seals to the key in use the files that are sealed to one that it replaced; answers how many. Files that do not
    /// open are left: whoever reads them says so. So is what cannot be read or written, with a warning.
    ///
    /// # Errors
    /// [`KeptError`]: the directory cannot be listed.
    pub fn reseal(&self, limit_bytes: u64) -> Result<u64, KeptError> {
        let mut resealed = 0;
        if !self.keyring.has_replaced() {
            return Ok(resealed);
        }
        for name in self.directory.names().map_err(KeptError::File)? {
            match self.reseal_one(&name, limit_bytes) {
                Ok(anew) => resealed += u64::from(anew),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, name, "a file stays sealed to a replaced key");
                }
            }
        }
        Ok(resealed)
    }

    /// Seals a file anew that is sealed to a replaced key; answers whether it was.
    fn reseal_one(&self, name: &str, limit_bytes: u64) -> Result<bool, DurableError> {
        let sealed = self.directory.read(name, limit_bytes + SEALING_ADDS)?;
        let anew = sealed.and_then(|sealed| self.keyring.reseal(&sealed, limit_bytes).ok().flatten());
        if let Some(anew) = &anew {
            self.directory.write(name, anew)?;
        }
        Ok(anew.is_some())
    }

    /// Writes a file whole: it is on disk after this, or nothing changed.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), KeptError> {
        let failed = |source| KeptError::Sealed { name: name.to_owned(), source };
        let mut sealer = StorageSealer::new(&self.keyring.recipients(), Vec::new()).map_err(failed)?;
        sealer.write_all(bytes).map_err(|error| failed(SealError::Io(error)))?;
        let (sealed, _) = sealer.finish().map_err(failed)?;
        self.directory.write(name, &sealed).map_err(KeptError::File)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sealed_bounded_and_found_damaged() {
        let root = tempfile::tempdir().unwrap();
        let files = KeptFiles::new(Directory::create(root.path()).unwrap(), Keyring::generate());
        assert!(files.read("x", 9).unwrap().is_none());
        files.write("x", b"192.0.2.1").unwrap();
        assert_eq!(files.read("x", 9).unwrap().unwrap().as_slice(), b"192.0.2.1");
        assert!(files.read("x", 8).is_err());
        let mut sealed = std::fs::read(root.path().join("x")).unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("192.0.2.1"));
        *sealed.last_mut().unwrap() ^= 1;
        std::fs::write(root.path().join("x"), sealed).unwrap();
        assert!(matches!(files.read("x", 9), Err(KeptError::Sealed { .. })));
        let other = KeptFiles::new(Directory::create(root.path()).unwrap(), Keyring::generate());
        files.write("x", b"192.0.2.1").unwrap();
        assert!(other.read("x", 9).is_err());
        let keyring = Keyring::generate().replacing(&files.keyring);
        let replaced = KeptFiles::new(Directory::create(root.path()).unwrap(), keyring);
        // What is no file of these holds up no other.
        std::fs::create_dir(root.path().join("a")).unwrap();
        std::fs::write(root.path().join("b"), vec![0; 1 << 20]).unwrap();
        assert_eq!((replaced.reseal(9).unwrap(), replaced.reseal(9).unwrap()), (1, 0));
        assert!(files.read("x", 9).is_err() && replaced.read("x", 9).is_ok());
    }
}
