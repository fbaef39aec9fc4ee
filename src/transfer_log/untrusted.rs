//! Which entries of a log at fault are still those that were signed for; and how far its files go.
//!
//! The tiles keep the hash of every entry. Where these hashes give the signed root, an entry that has its own is as it was
//! when the checkpoint was signed, whatever became of the others.

use std::{collections::BTreeSet, ops::RangeInclusive, path::Path};

use super::{
    Checkpoint, VerifierKey,
    checkpoint::MAX_CHECKPOINT_BYTES,
    files,
    merkle::{Edge, Hash, TILE_WIDTH, leaf_hash},
    recovery::CHECKPOINT,
    superseded::names,
    tile,
};

/// What of a log at fault cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untrusted {
    /// Entries under the checkpoint.
    pub size: u64,
    /// Those that are not what was signed for, from one to another, in order; every other entry is.
    pub entries: Vec<RangeInclusive<u64>>,
}

/// Finds what cannot be trusted, with entries that are known to be at fault in themselves. None where the checkpoint does
/// not verify, or where neither the entries nor the tiles of the lowest level give its root.
pub fn untrusted(directory: &Path, key: &VerifierKey, at_fault: &BTreeSet<u64>) -> Option<Untrusted> {
    let note = files::read(&directory.join(CHECKPOINT), MAX_CHECKPOINT_BYTES).ok()?;
    let checkpoint = Checkpoint::parse(&note, key).ok()?;
    let size = checkpoint.size;
    let (mut by_entries, mut by_tiles) = (Some(Edge::default()), Edge::default());
    // As the tiles have it, and as the entries alone have it.
    let (mut differing, mut faulty) = (Spans::default(), Spans::default());
    for index in 0..size.div_ceil(TILE_WIDTH as u64) {
        let (leaves, stored) = (leaves(directory, index, size), stored(directory, index, size));
        let hashes = stored.as_ref().or(leaves.as_ref())?;
        for (seq, (at, hash)) in (index * TILE_WIDTH as u64..).zip(hashes.iter().enumerate()) {
            let leaf = leaves.as_ref().and_then(|leaves| leaves.get(at));
            let is_faulty = at_fault.contains(&seq);
            if is_faulty {
                faulty.push(seq);
            }
            if is_faulty || leaf != Some(hash) {
                differing.push(seq);
            }
            by_tiles.push(*hash, &mut Vec::new());
            by_entries = by_entries.zip(leaf).map(|(mut edge, leaf)| {
                edge.push(*leaf, &mut Vec::new());
                edge
            });
        }
    }
    let gives_root = |edge: &Edge| edge.root() == checkpoint.root;
    let entries = match by_entries.as_ref() {
        Some(edge) if gives_root(edge) => faulty,
        _ if gives_root(&by_tiles) => differing,
        _ => return None,
    };
    Some(Untrusted { size, entries: entries.0 })
}

/// The hashes of a bundle's entries; none where it cannot be read.
fn leaves(directory: &Path, index: u64, size: u64) -> Option<Vec<Hash>> {
    let (path, width) = tile::bundle(index, size)?;
    let bytes = files::read(&directory.join(path), tile::MAX_BUNDLE_BYTES).ok()?;
    Some(tile::bundle_slices(&bytes, width)?.into_iter().map(leaf_hash).collect())
}

/// The hashes of these entries as the tile has them; none where it cannot be read.
fn stored(directory: &Path, index: u64, size: u64) -> Option<Vec<Hash>> {
    let (path, width) = tile::tile(0, index, size)?;
    tile::tile_hashes(&files::read(&directory.join(path), tile::MAX_TILE_BYTES).ok()?, width)
}

/// Places that come in order, put together.
#[derive(Default)]
struct Spans(Vec<RangeInclusive<u64>>);

impl Spans {
    fn push(&mut self, seq: u64) {
        match self.0.last_mut() {
            Some(last) if last.end() + 1 == seq => *last = *last.start()..=seq,
            _ => self.0.push(seq..=seq),
        }
    }
}

/// For how many entries a log has bundles, by their names. More than are under the checkpoint and in the journal means that
/// an older checkpoint was put in its place, and the journal of then.
pub fn reach(directory: &Path) -> u64 {
    reach_below(&directory.join("tile/entries"), 0)
}

/// As [`reach`], of a directory whose name stands for `above` thousands.
fn reach_below(directory: &Path, above: u64) -> u64 {
    let number = |digits: &str| digits.parse::<u64>().ok().filter(|_| digits.len() == 3);
    let width = TILE_WIDTH as u64;
    let of_name = |name: &String| {
        if let Some(digits) = name.strip_prefix('x').and_then(number) {
            Some(reach_below(&directory.join(name), (above + digits) * 1_000))
        } else if let Some(digits) = name.strip_suffix(".p").and_then(number) {
            let widths = names(&directory.join(name)).into_iter().filter_map(|name| name.parse::<u64>().ok());
            Some((above + digits) * width + widths.filter(|found| *found < width).max()?)
        } else {
            number(name).map(|digits| (above + digits + 1) * width)
        }
    };
    names(directory).iter().filter_map(of_name).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::transfer_log::support::{Place, any_record};

    /// A log with two full bundles and one of 90.
    fn log() -> Place {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 600]).unwrap();
        log.close().unwrap();
        place
    }

    fn found(place: &Place) -> Option<Vec<RangeInclusive<u64>>> {
        untrusted(&place.dir(), place.key.verifier(), &BTreeSet::from([7])).map(|untrusted| untrusted.entries)
    }

    #[test]
    fn what_was_changed_is_told_from_what_is_as_it_was_signed_for() {
        let place = log();
        let at = |path: &str| place.dir().join(path);
        let flip = |path: &str, byte: usize| {
            let mut bytes = fs::read(at(path)).unwrap();
            bytes[byte] ^= 1;
            fs::write(at(path), bytes).unwrap();
        };
        assert_eq!(found(&place), Some(vec![7..=7]));
        // A tile alone: the entries still give the root.
        flip("tile/0/001", 5);
        assert_eq!(found(&place), Some(vec![7..=7]));
        flip("tile/0/001", 5);
        // The last byte of a bundle is of its last entry.
        let last = usize::try_from(fs::metadata(at("tile/entries/001")).unwrap().len()).unwrap() - 1;
        flip("tile/entries/001", last);
        assert_eq!(found(&place), Some(vec![7..=7, 511..=511]));
        fs::remove_file(at("tile/entries/002.p/90")).unwrap();
        assert_eq!(found(&place), Some(vec![7..=7, 511..=601]));
        // Neither gives it.
        flip("tile/0/000", 5);
        assert_eq!(found(&place), None);
        flip("checkpoint", 150);
        assert_eq!(found(&place), None);
    }

    #[test]
    fn files_go_as_far_as_their_names_say() {
        let place = log();
        assert_eq!(reach(&place.dir()), 602);
        fs::create_dir_all(place.dir().join("tile/entries/x001/234.p")).unwrap();
        fs::write(place.dir().join("tile/entries/x001/234.p/17"), "").unwrap();
        assert_eq!(reach(&place.dir()), 1_234 * 256 + 17);
        assert_eq!(reach(&place.path("nothing")), 0);
    }
}
