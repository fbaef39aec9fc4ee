//! The tree over the entries: RFC 6962 hashes, and its right edge in tiles of 256.
//!
//! A tree of `n` leaves is known by its right edge alone: for each level of tiles, the hashes of the tile that is not
//! full yet. A hash at level `L` stands for a complete subtree of 256^L leaves.

use sha2::{Digest, Sha256};

/// A hash of the tree: SHA-256.
pub type Hash = [u8; 32];

/// Hashes in a full tile (C2SP tlog-tiles, "Tiles").
pub(super) const TILE_WIDTH: usize = 256;

/// The hash of an entry.
pub(super) fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(entry);
    hasher.finalize().into()
}

/// The hash over two subtrees.
pub(super) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut node = [1; 65];
    let (_, children) = node.split_at_mut(1);
    for (child, hash) in children.chunks_exact_mut(size_of::<Hash>()).zip([left, right]) {
        child.copy_from_slice(hash);
    }
    Sha256::digest(node).into()
}

/// The hash over complete subtrees of one size; their number is a power of two.
pub(super) fn complete_hash(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [hash] => Some(*hash),
        _ => {
            let (left, right) = hashes.split_at_checked(hashes.len() / 2)?;
            Some(node_hash(&complete_hash(left)?, &complete_hash(right)?))
        }
    }
}

/// A tree's right edge: at each level the hashes of the tile that is not full, from left to right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Edge {
    levels: Vec<Vec<Hash>>,
    size: u64,
}

/// A tile that became full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FullTile {
    pub level: u8,
    pub index: u64,
    pub hashes: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree of that size, whose tiles hold those hashes.
    pub fn from_levels(size: u64, levels: Vec<Vec<Hash>>) -> Self {
        Self { levels, size }
    }

    /// Leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the tiles that are not full, by level; empty where there is none.
    pub fn levels(&self) -> &[Vec<Hash>] {
        &self.levels
    }

    /// Adds a leaf; `full` gets the tiles that it fills.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<FullTile>) {
        self.size += 1;
        self.carry(0, leaf, full);
    }

    /// Adds as many leaves as fill a tile, by the hash over them; the tree has a multiple of so many. `full` gets the
    /// tiles above that they fill. Says whether they were added.
    pub fn push_tile(&mut self, hash: Hash, full: &mut Vec<FullTile>) -> bool {
        if !self.size.is_multiple_of(TILE_WIDTH as u64) {
            return false;
        }
        if self.levels.is_empty() {
            self.levels.push(Vec::with_capacity(TILE_WIDTH));
        }
        self.size += TILE_WIDTH as u64;
        self.carry(1, hash, full);
        true
    }

    /// Adds a hash at a level, which ends at the tree's size.
    fn carry(&mut self, from: u8, hash: Hash, full: &mut Vec<FullTile>) {
        let mut hash = Some(hash);
        let mut below = self.size >> (8 * u32::from(from));
        for level in from.. {
            let Some(carried) = hash.take() else { return };
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            let Some(hashes) = self.levels.get_mut(at) else { return };
            hashes.push(carried);
            if hashes.len() == TILE_WIDTH {
                let hashes = std::mem::replace(hashes, Vec::with_capacity(TILE_WIDTH));
                hash = complete_hash(&hashes);
                below /= TILE_WIDTH as u64;
                full.push(FullTile { level, index: below - 1, hashes });
            }
        }
    }

    /// The tree's root; of no leaves, the hash of nothing (RFC 6962, section 2.1).
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for hashes in &self.levels {
            // From the right: the smallest complete subtrees stand last.
            let mut end = hashes.len();
            while end > 0 {
                let width = 1 << end.trailing_zeros();
                let start = end - width;
                let subtree = hashes.get(start..end).and_then(complete_hash);
                root = match (subtree, root) {
                    (Some(left), Some(right)) => Some(node_hash(&left, &right)),
                    (left, right) => left.or(right),
                };
                end = start;
            }
        }
        root.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tlog_tiles::{HashReader, record_hash, stored_hashes, tree_hash};

    struct Stored(Vec<tlog_tiles::Hash>);

    impl HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
        }
    }

    fn compare(size: u64) {
        let (mut edge, mut full, mut stored) = (Edge::default(), Vec::new(), Stored(Vec::new()));
        for leaf in 0..size {
            let entry = leaf.to_string();
            assert_eq!(leaf_hash(entry.as_bytes()), record_hash(entry.as_bytes()).0);
            edge.push(leaf_hash(entry.as_bytes()), &mut full);
            let new = stored_hashes(leaf, entry.as_bytes(), &stored).unwrap();
            stored.0.extend(new);
        }
        let theirs = tree_hash(size, &stored).unwrap();
        assert_eq!(edge.root(), theirs.0, "root of {size}");
        assert_eq!(edge.size(), size);
        for (at, tile) in full.iter().filter(|tile| tile.level == 0).enumerate() {
            assert_eq!(tile.index, at as u64);
        }
        for tile in full.iter().filter(|tile| tile.level == 1) {
            assert_eq!(tile.index, 0);
        }
    }

    #[test]
    fn the_empty_tree_has_its_root() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex::encode(Edge::default().root()), empty);
    }

    #[test]
    fn roots_agree_with_another_library_at_the_borders() {
        for size in [1, 2, 3, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_000] {
            compare(size);
        }
    }

    #[test]
    fn a_tile_of_leaves_is_added_as_its_leaves_are() {
        let leaf = |number: u64| leaf_hash(&number.to_be_bytes());
        let (mut one, mut other) = (Edge::default(), Edge::default());
        let (mut filled, mut filled_above) = (Vec::new(), Vec::new());
        for tile in 0..600 {
            let leaves: Vec<Hash> = (tile * 256..(tile + 1) * 256).map(leaf).collect();
            for leaf in &leaves {
                one.push(*leaf, &mut filled);
            }
            assert!(other.push_tile(complete_hash(&leaves).unwrap(), &mut filled_above));
            assert_eq!(one, other);
        }
        filled.retain(|tile| tile.level > 0);
        assert_eq!((filled.len(), filled), (2, filled_above));
        other.push(leaf(0), &mut Vec::new());
        assert!(!other.push_tile(leaf(1), &mut Vec::new()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn roots_agree_with_another_library(size in 1_u64..3_000) {
            compare(size);
        }
    }
}
