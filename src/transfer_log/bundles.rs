//! Checking the bundles of entries that a checkpoint covers, on all cores: each entry in canonical form and in its place,
//! each full bundle with its tile. What their hashes make of the tree is for [`super::verify`].

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{
    VerifyFault, entry, files,
    merkle::{Hash, TILE_WIDTH, complete_hash, leaf_hash},
    tile,
};

/// Bundles that are read, checked and hashed before the tree grows over them: enough that no core waits for the others,
/// and their hashes take 2 MB.
pub(super) const AT_ONCE: usize = 256;

/// A bundle that was read, each of its entries checked.
#[derive(Default)]
pub(super) struct Bundle {
    /// The leaf hashes; none where they cannot be known.
    pub leaves: Option<Vec<Hash>>,
    /// The hash over all of them, where they fill a tile, which was compared with the one on disk.
    pub whole: Option<Hash>,
    pub faults: Vec<VerifyFault>,
}

/// The part of a log that a checkpoint covers.
pub(super) struct Published<'a> {
    pub directory: &'a Path,
    /// Entries under the checkpoint.
    pub size: u64,
    /// The bundle that is not full, as it was read with the checkpoint.
    pub last_bundle: Option<&'a [u8]>,
}

impl Published<'_> {
    /// Reads bundles on all cores, and gives them in their order.
    pub fn read_at_once(&self, indexes: &[u64]) -> Vec<Bundle> {
        let cores = thread::available_parallelism().map_or(1, usize::from).min(indexes.len());
        let next = AtomicUsize::new(0);
        let work = || -> Vec<(usize, Bundle)> {
            let mine = std::iter::from_fn(|| {
                let at = next.fetch_add(1, Ordering::Relaxed);
                indexes.get(at).map(|index| (at, self.read_bundle(*index)))
            });
            mine.collect()
        };
        let mut read: Vec<Option<Bundle>> = thread::scope(|scope| {
            let running: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
            let mut read: Vec<Option<Bundle>> = indexes.iter().map(|_| None).collect();
            // What a thread that broke off had is read below, where a panic is this thread's own.
            for (at, bundle) in running.into_iter().flat_map(|thread| thread.join().unwrap_or_default()) {
                if let Some(place) = read.get_mut(at) {
                    *place = Some(bundle);
                }
            }
            read
        });
        let bundles = read.iter_mut().zip(indexes);
        bundles.map(|(read, index)| read.take().unwrap_or_else(|| self.read_bundle(*index))).collect()
    }

    fn read_bundle(&self, index: u64) -> Bundle {
        let Some((path, width)) = tile::bundle(index, self.size) else { return Bundle::default() };
        let fault = |fault| Bundle { faults: vec![fault], ..Bundle::default() };
        let partial = self.last_bundle.filter(|_| width < TILE_WIDTH);
        let read = match partial {
            Some(bytes) => Ok(bytes.to_vec()),
            None => files::read(&self.directory.join(&path), tile::MAX_BUNDLE_BYTES),
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => return fault(VerifyFault::Unreadable(error)),
        };
        let Some(entries) = tile::bundle_slices(&bytes, width) else {
            return fault(VerifyFault::Bundle { path, width });
        };
        let checked = (index * TILE_WIDTH as u64..).zip(&entries).filter_map(|(seq, bytes)| {
            entry::check_place(seq, bytes).err().map(|problem| VerifyFault::Entry { seq, problem })
        });
        let mut faults: Vec<VerifyFault> = checked.collect();
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let whole = if width == TILE_WIDTH { complete_hash(&leaves) } else { None };
        if whole.is_some() {
            faults.extend(self.tile_fault(0, index, &leaves));
        }
        Bundle { leaves: Some(leaves), whole, faults }
    }

    /// What is wrong with a tile that is full and should have these hashes.
    pub fn tile_fault(&self, level: u8, index: u64, hashes: &[Hash]) -> Option<VerifyFault> {
        let (path, _) = tile::tile(level, index, self.size)?;
        match files::read(&self.directory.join(&path), tile::MAX_TILE_BYTES) {
            Err(error) => Some(VerifyFault::Unreadable(error)),
            Ok(bytes) if bytes != hashes.as_flattened() => Some(VerifyFault::Tile { path }),
            Ok(_) => None,
        }
    }
}
