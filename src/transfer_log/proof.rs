//! Proofs that an entry is in a tree (RFC 6962, section 2.1.1), made from the log's tiles and checked without them.

use std::{collections::HashMap, path::Path};

use super::{
    LogError, files,
    merkle::{Hash, TILE_WIDTH, complete_hash, node_hash},
    tile,
};

/// Levels of a tree at most: one for each bit of its size.
pub(super) const MAX_PATH: usize = 64;

/// The path from an entry up to the root of the tree of the first `size` entries: from its sibling to the child of the
/// root. The log must have at least that many under a checkpoint, and `index` is below it.
pub(super) fn inclusion(directory: &Path, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
    if index >= size {
        return Err(LogError::NoEntry { seq: index });
    }
    let mut tiles = Tiles { directory, size, read: HashMap::new() };
    let mut path = Vec::new();
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(tiles.subtree(middle, high)?);
            high = middle;
        } else {
            path.push(tiles.subtree(low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Whether a path leads from a leaf at `index` to the root of a tree of `size` (RFC 9162, section 2.1.3.2).
pub(super) fn includes(leaf: Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // Levels at which the right edge has nothing beside it are passed over.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// The largest power of two below `width`, which is above 1.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// The tiles of a tree, each read once.
struct Tiles<'a> {
    directory: &'a Path,
    size: u64,
    read: HashMap<(u8, u64), Vec<Hash>>,
}

impl Tiles<'_> {
    /// The hash over the entries from `low` to before `high`; `low` is a multiple of the width's next power of two.
    fn subtree(&mut self, low: u64, high: u64) -> Result<Hash, LogError> {
        let width = high - low;
        if !width.is_power_of_two() {
            let middle = low + split(width);
            let (left, right) = (self.subtree(low, middle)?, self.subtree(middle, high)?);
            return Ok(node_hash(&left, &right));
        }
        // Within one tile: eight levels of the tree to a level of tiles.
        let bits = width.trailing_zeros();
        let level = u8::try_from(bits / 8).unwrap_or(u8::MAX);
        let (first, count) = (low >> (8 * u32::from(level)), 1_usize << (bits % 8));
        let hashes = self.tile(level, first / TILE_WIDTH as u64)?;
        let start = tile::in_last(first);
        let problem = "it has not the hashes of its tile";
        let damaged = || LogError::Damaged { path: self.directory.join("tile"), problem };
        hashes.get(start..start + count).and_then(complete_hash).ok_or_else(damaged)
    }

    fn tile(&mut self, level: u8, index: u64) -> Result<Vec<Hash>, LogError> {
        if let Some(hashes) = self.read.get(&(level, index)) {
            return Ok(hashes.clone());
        }
        let hashes = read_tile(self.directory, level, index, self.size)?;
        self.read.insert((level, index), hashes.clone());
        Ok(hashes)
    }
}

/// The hashes of a tile as it is in a tree of `size` leaves. When it has become full since, from the full one.
fn read_tile(directory: &Path, level: u8, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
    let (path, width) = tile::tile(level, index, size).ok_or(LogError::NoEntry { seq: size })?;
    let read = match files::read(&directory.join(&path), tile::MAX_TILE_BYTES) {
        Err(error) if error.is_not_found() && width < TILE_WIDTH => {
            let full = tile::tile(level, index, u64::MAX).map(|(path, _)| path).unwrap_or_default();
            files::read(&directory.join(full), tile::MAX_TILE_BYTES).map(|mut bytes| {
                bytes.truncate(width * size_of::<Hash>());
                bytes
            })
        }
        read => read,
    }?;
    let problem = "it has not the length of its tile";
    tile::tile_hashes(&read, width).ok_or_else(|| LogError::Damaged { path: directory.join(path), problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::{
        merkle::{Edge, leaf_hash},
        support::{Place, any_record},
    };
    use proptest::prelude::*;
    use tlog_tiles::{HashReader, check_record, check_tree, prove_record, prove_tree, stored_hashes};

    struct Stored(Vec<tlog_tiles::Hash>);

    impl HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
        }
    }

    /// A tree in memory, with the hashes that the other library keeps.
    fn tree(size: u64) -> (tempfile::TempDir, Hash, Stored) {
        let place = tempfile::tempdir().unwrap();
        let (mut edge, mut full, mut stored) = (Edge::default(), Vec::new(), Stored(Vec::new()));
        for leaf in 0..size {
            let entry = leaf.to_string();
            edge.push(leaf_hash(entry.as_bytes()), &mut full);
            let new = stored_hashes(leaf, entry.as_bytes(), &stored).unwrap();
            stored.0.extend(new);
        }
        let put = |level, index, hashes: &[Hash]| {
            let Some((path, _)) = tile::tile(level, index, size) else { return };
            let path = place.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, tile::tile_bytes(hashes)).unwrap();
        };
        for tile in &full {
            put(tile.level, tile.index, &tile.hashes);
        }
        for (level, hashes) in (0..).zip(edge.levels()) {
            put(level, tile::hashes_at(level, size) / TILE_WIDTH as u64, hashes);
        }
        (place, edge.root(), stored)
    }

    fn compare(size: u64, index: u64) {
        let (place, root, stored) = tree(size);
        let path = inclusion(place.path(), index, size).unwrap();
        let leaf = leaf_hash(index.to_string().as_bytes());
        let theirs: Vec<Hash> = prove_record(size, index, &stored).unwrap().iter().map(|hash| hash.0).collect();
        assert_eq!(path, theirs, "{index} of {size}");
        assert!(includes(leaf, index, size, &path, &root));
        let proof = path.iter().map(|hash| tlog_tiles::Hash(*hash)).collect();
        check_record(&proof, size, tlog_tiles::Hash(root), index, tlog_tiles::Hash(leaf)).unwrap();
        assert!(!includes(leaf, index + 1, size, &path, &root));
        assert!(!includes(leaf, index, size, &path, &[7; 32]));
        assert!(!includes([7; 32], index, size, &path, &root));
        let mut longer = path.clone();
        longer.push([7; 32]);
        assert!(!includes(leaf, index, size, &longer, &root));
        assert!(path.is_empty() || !includes(leaf, index, size, &path[1..], &root));
        // Their proof that an earlier tree is the beginning of this one, against our roots.
        let earlier = index + 1;
        let (_, old_root, _) = tree(earlier);
        let proof = prove_tree(size, earlier, &stored).unwrap();
        check_tree(&proof, size, tlog_tiles::Hash(root), earlier, tlog_tiles::Hash(old_root)).unwrap();
    }

    #[test]
    fn paths_agree_with_another_library_at_the_borders() {
        for (size, index) in
            [(1, 0), (2, 1), (255, 254), (256, 0), (257, 256), (513, 511), (65_537, 65_536), (65_600, 7)]
        {
            compare(size, index);
        }
    }

    #[test]
    fn the_path_of_an_entry_of_an_earlier_tree_is_made_from_the_tiles_of_a_later_one() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 99]).unwrap();
        let early = log.checkpoint_now().unwrap();
        log.append(vec![any_record(); 400]).unwrap();
        log.close().unwrap();
        let path = inclusion(&place.dir(), 42, early.size).unwrap();
        let entry = crate::transfer_log::entries_from(&place.dir(), 42).unwrap().next().unwrap().unwrap();
        assert!(includes(leaf_hash(&entry.bytes), 42, early.size, &path, &early.root));
        assert!(matches!(inclusion(&place.dir(), 100, 100), Err(LogError::NoEntry { seq: 100 })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn paths_agree_with_another_library((size, index) in (1_u64..2_000).prop_flat_map(|size| (Just(size), 0..size))) {
            compare(size, index);
        }

        #[test]
        fn any_path_is_checked_without_panic(leaf: Hash, index: u64, size: u64, path in prop::collection::vec(any::<Hash>(), 0..70)) {
            prop_assert!(!includes(leaf, index, size, &path, &[7; 32]));
        }
    }
}
