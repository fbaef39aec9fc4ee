//! How much room a disk has.

use std::{io, path::Path};

use rustix::fs::StatVfs;

/// The room of a disk, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// What users that are not root may still write.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

impl DiskSpace {
    /// That of the disk that a file or directory is on.
    ///
    /// # Errors
    /// The system's: there is none of that name, for one.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(rustix::fs::statvfs(path).map(Self::from)?)
    }
}

impl From<StatVfs> for DiskSpace {
    fn from(found: StatVfs) -> Self {
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Self { free: bytes(found.f_bavail), total: bytes(found.f_blocks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_a_disk() {
        let DiskSpace { free, total } = DiskSpace::of(Path::new("/")).unwrap();
        assert!(free <= total && total > 0);
        assert!(DiskSpace::of(Path::new("/there is no such thing")).is_err());
    }
}
