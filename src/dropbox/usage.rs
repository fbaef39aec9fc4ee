//! What a tenant's uploads take on disk, against what they may take.
//!
//! All that lies in the tenant's directory of uploads counts, whatever became of it: what was answered or refused stays
//! for days, and a client that uploads without end would fill the disk with it. Files count for the blocks that they
//! take, since a block is the least that a byte takes. An upload that is written counts for what it has come to, and is
//! measured once it is stored or gone.
//!
//! Nor may uploads take the last of the disk, which the log needs for whatever anybody does.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{DropBoxError, record, store::UPLOADS, view::Denied};
use crate::{
    domain::{ByteSize, TenantId},
    durable::Directory,
};

/// What uploads leave free of the disk, bytes. Half a million entries of the log take about as much, and the answers of a
/// day far less: time enough for somebody to make room, while what is there can be fetched. Ops hear of a disk that is
/// nearly full before it comes to this.
const DISK_RESERVE_BYTES: u64 = 256 << 20;

/// What an upload takes beside its bytes: its record, and the part of a last block that its content leaves empty.
const BESIDE_BYTES: u64 = 2 * 4096;

/// The disk is asked again each time that an upload grew by so much: a call for each write would cost as much as it.
const STEP_BYTES: u64 = 1 << 20;

/// What the uploads of one tenant take on disk.
pub(super) struct Usage {
    directory: Directory,
    reserve_bytes: u64,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    by_id: HashMap<String, u64>,
    total_bytes: u64,
}

/// Why no more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// The tenant has as much as it may have.
    Inbox {
        /// How much that is, bytes.
        limit_bytes: u64,
    },
    /// The disk has no more than its reserve.
    Disk,
}

impl NoRoom {
    pub fn denied(self) -> Denied {
        Denied::Limit(match self {
            Self::Inbox { limit_bytes } => format!(
                "er is geen plaats meer voor uw uploads (ten hoogste {}, waarin behandelde bestanden meetellen tot ze \
                 gewist worden); verwijder wat nog in /inbox staat of neem contact met ons op",
                ByteSize(limit_bytes)
            ),
            Self::Disk => {
                "er is tijdelijk geen plaats voor nieuwe bestanden; probeer het over een uur opnieuw en neem \
                           contact met ons op als het dan nog niet lukt"
                    .to_owned()
            }
        })
    }
}

impl Counted {
    fn of(&self, id: &str) -> u64 {
        self.by_id.get(id).copied().unwrap_or_default()
    }

    fn set(&mut self, id: &str, bytes: u64) {
        let before = if bytes == 0 { self.by_id.remove(id) } else { self.by_id.insert(id.to_owned(), bytes) };
        self.total_bytes = self.total_bytes.saturating_sub(before.unwrap_or_default()).saturating_add(bytes);
    }
}

/// What a tenant's uploads take on disk below a state directory, bytes, whatever became of them; for any process that may
/// look there. Nothing is made.
///
/// # Errors
/// [`DropBoxError::Storage`].
pub fn uploads_bytes(state_dir: &Path, tenant: &TenantId) -> Result<u64, DropBoxError> {
    let directory = state_dir.join(UPLOADS).join(tenant.as_str());
    if !directory.exists() {
        return Ok(0);
    }
    let directory = Directory::create(&directory).map_err(DropBoxError::Storage)?;
    Ok(Usage::of(directory)?.total_bytes())
}

impl Usage {
    /// Measures what is there.
    pub fn of(directory: Directory) -> Result<Self, DropBoxError> {
        let usage = Self { directory, reserve_bytes: DISK_RESERVE_BYTES, counted: Mutex::default() };
        for id in record::ids(&usage.directory)? {
            usage.measure(&id);
        }
        Ok(usage)
    }

    /// What is counted for all uploads together, bytes.
    pub fn total_bytes(&self) -> u64 {
        self.lock().total_bytes
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an upload for `length` bytes, if that fits in what the tenant may have.
    pub fn grow(&self, id: &str, length: u64, limit_bytes: u64) -> Result<(), NoRoom> {
        let wanted = length.saturating_add(BESIDE_BYTES);
        let mut counted = self.lock();
        let before = counted.of(id);
        if wanted <= before {
            return Ok(());
        }
        if counted.total_bytes.saturating_add(wanted - before) > limit_bytes {
            return Err(NoRoom::Inbox { limit_bytes });
        }
        if before == 0 || wanted / STEP_BYTES != before / STEP_BYTES {
            self.check_disk(wanted - before)?;
        }
        counted.set(id, wanted);
        Ok(())
    }

    /// Whether the disk has room for so many bytes beside its reserve.
    pub fn check_disk(&self, bytes: u64) -> Result<(), NoRoom> {
        match self.directory.free_bytes() {
            Ok(free) if free >= self.reserve_bytes.saturating_add(bytes) => Ok(()),
            Ok(free_bytes) => {
                tracing::error!(free_bytes, "the disk is almost full: an upload is refused");
                Err(NoRoom::Disk)
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "nobody knows what is free");
                Err(NoRoom::Disk)
            }
        }
    }

    /// Counts an upload for what it takes on disk now: it was stored, or is gone.
    pub fn measure(&self, id: &str) {
        let taken: Result<u64, _> = record::files(id).iter().map(|name| self.directory.taken_bytes(name)).sum();
        match taken {
            Ok(bytes) => self.lock().set(id, bytes),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an upload cannot be measured");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(root: &std::path::Path) -> Usage {
        Usage::of(Directory::create(root).unwrap()).unwrap()
    }

    #[test]
    fn uploads_count_for_what_they_come_to_and_then_for_what_is_there() {
        let root = tempfile::tempdir().unwrap();
        let usage = usage(root.path());
        let limit = 100_000;
        let full = Err(NoRoom::Inbox { limit_bytes: limit });
        assert_eq!(usage.grow("one", 40_000, limit), Ok(()));
        assert_eq!(usage.grow("one", 30_000, limit), Ok(()), "it has more already");
        assert_eq!(usage.grow("two", 45_000, limit), full);
        assert_eq!(usage.grow("two", 40_000, limit), Ok(()));
        assert_eq!(usage.grow("one", 50_000, limit), full);
        // Nothing of the first is kept, of the second less than was counted.
        usage.measure("one");
        usage.directory.write("two.data", &[7; 10_000]).unwrap();
        usage.directory.write("two.json", b"{}").unwrap();
        usage.measure("two");
        let taken = usage.total_bytes();
        assert!((10_002..=16_384).contains(&taken), "{taken}");
        assert_eq!(usage.grow("three", u64::MAX, limit), full);
        assert_eq!(usage.grow("three", 70_000, limit), Ok(()));
        // Whoever starts next, or only looks, finds the same.
        let again = self::usage(root.path());
        assert_eq!(again.total_bytes(), taken);
    }

    #[test]
    fn a_tiny_upload_counts_for_the_blocks_that_it_takes() {
        let root = tempfile::tempdir().unwrap();
        let usage = usage(root.path());
        let began = (0..100).filter(|at: &u32| usage.grow(&at.to_string(), 1, 100_000).is_ok()).count();
        assert_eq!(began, 12);
    }

    #[test]
    fn the_last_of_the_disk_is_not_for_uploads() {
        let root = tempfile::tempdir().unwrap();
        let usage = usage(root.path());
        let free = usage.directory.free_bytes().unwrap();
        assert_eq!(usage.grow("one", 1, u64::MAX), Ok(()));
        assert_eq!(usage.grow("one", free, u64::MAX), Err(NoRoom::Disk));
        let usage = Usage { reserve_bytes: u64::MAX, ..usage };
        assert_eq!(usage.grow("two", 1, u64::MAX), Err(NoRoom::Disk));
        assert_eq!(usage.check_disk(1), Err(NoRoom::Disk));
        assert_eq!(usage.grow("one", 2, u64::MAX), Ok(()), "within a step the disk is not asked");
    }
}
