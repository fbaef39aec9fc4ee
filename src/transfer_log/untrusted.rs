//! Which entries of a log at fault are still those that were signed for; and how far its files go.
//!
//! The tiles keep the hash of every entry. Where these hashes give the signed root, an entry that has its own is as it was
//! when the checkpoint was signed, whatever became of the others. An older checkpoint is compared with the same hashes, so
//! that nothing is said of a history that does not begin as that one did.

use std::{collections::BTreeSet, ops::RangeInclusive, path::Path};

use super::{
    Checkpoint, LogFault, VerifyFault, entries_from, files,
    merkle::{Edge, Hash, TILE_WIDTH, leaf_hash},
    superseded::{is_directory, names},
    tile::{self, Named},
    verify::signed,
};

/// Spans of entries that are kept; what is in more of them is only counted. Every second entry may have been changed.
const MAX_SPANS: usize = 1_000;

/// How far a log at fault can be trusted.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Entries under the checkpoint.
    pub size: u64,
    /// What can be said of them.
    pub verdict: Verdict,
}

/// What can be said of the entries under a checkpoint.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Every entry is as it was signed for, but for some.
    Signed {
        /// Those that are not.
        changed: Spans,
        /// Those that are, and are no entries or not in their place: they were signed for so.
        malformed: Spans,
    },
    /// Neither the entries nor the tiles of the lowest level give the signed root.
    Unknown,
    /// What was signed for does not begin as the older checkpoint says.
    Another(VerifyFault),
}

/// Places in order, put together where they are in a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spans {
    /// From one place to another, at most 1000 of them.
    pub spans: Vec<RangeInclusive<u64>>,
    /// All places, also those that no span holds.
    pub count: u64,
}

impl Spans {
    /// Whether there are places that no span holds.
    pub fn is_cut(&self) -> bool {
        self.spans.iter().map(|span| span.end() - span.start() + 1).sum::<u64>() < self.count
    }

    fn push(&mut self, seq: u64) {
        self.count += 1;
        let has_room = self.spans.len() < MAX_SPANS;
        match self.spans.last_mut() {
            Some(last) if last.end() + 1 == seq => *last = *last.start()..=seq,
            _ if has_room => self.spans.push(seq..=seq),
            _ => {}
        }
    }
}

/// Finds how far a log at fault can be trusted. None where its checkpoint does not verify.
pub fn trust(fault: &LogFault) -> Option<Trust> {
    let (_, checkpoint) = signed(&fault.directory, std::slice::from_ref(fault.key.as_ref()?))?;
    let since = fault.since.as_ref();
    let at_fault = |fault: &VerifyFault| if let VerifyFault::Entry { seq, .. } = fault { Some(*seq) } else { None };
    let at_fault: BTreeSet<u64> = fault.faults.iter().filter_map(at_fault).collect();
    let shortened = since.and_then(|since| since.shortened_to(checkpoint.size)).map(Verdict::Another);
    let verdict = shortened.or_else(|| verdict(&fault.directory, &checkpoint, since, &at_fault));
    Some(Trust { size: checkpoint.size, verdict: verdict.unwrap_or(Verdict::Unknown) })
}

/// None where neither entries nor tiles give the root.
fn verdict(
    directory: &Path,
    checkpoint: &Checkpoint,
    since: Option<&Checkpoint>,
    at_fault: &BTreeSet<u64>,
) -> Option<Verdict> {
    let size = checkpoint.size;
    let (mut by_entries, mut by_tiles) = (Some(History::new(since)), History::new(since));
    // Malformed as the entries alone have it, and as the tiles have it.
    let (mut changed, mut malformed, mut malformed_by_tiles) = <(Spans, Spans, Spans)>::default();
    for index in 0..size.div_ceil(TILE_WIDTH as u64) {
        let (leaves, stored) = (leaves(directory, index, size), stored(directory, index, size));
        let hashes = stored.as_ref().or(leaves.as_ref())?;
        for (seq, (at, hash)) in (index * TILE_WIDTH as u64..).zip(hashes.iter().enumerate()) {
            let leaf = leaves.as_ref().and_then(|leaves| leaves.get(at));
            let (is_changed, is_malformed) = (leaf != Some(hash), at_fault.contains(&seq));
            if is_changed {
                changed.push(seq);
            }
            if is_malformed {
                malformed.push(seq);
            }
            if is_malformed && !is_changed {
                malformed_by_tiles.push(seq);
            }
            by_tiles.push(*hash);
            by_entries = by_entries.zip(leaf).map(|(mut history, leaf)| {
                history.push(*leaf);
                history
            });
        }
    }
    let gives_root = |history: &History| history.edge.root() == checkpoint.root;
    let (history, changed, malformed) = match by_entries {
        Some(by_entries) if gives_root(&by_entries) => (by_entries, Spans::default(), malformed),
        _ if gives_root(&by_tiles) => (by_tiles, changed, malformed_by_tiles),
        _ => return None,
    };
    Some(history.rewritten.map_or(Verdict::Signed { changed, malformed }, Verdict::Another))
}

/// A tree that grows, and is compared with an older checkpoint where it has the size of that.
struct History<'a> {
    edge: Edge,
    since: Option<&'a Checkpoint>,
    rewritten: Option<VerifyFault>,
}

impl<'a> History<'a> {
    fn new(since: Option<&'a Checkpoint>) -> Self {
        let edge = Edge::default();
        Self { rewritten: since.and_then(|since| since.rewritten_in(&edge)), edge, since }
    }

    fn push(&mut self, leaf: Hash) {
        self.edge.push(leaf, &mut Vec::new());
        if let Some(fault) = self.since.and_then(|since| since.rewritten_in(&self.edge)) {
            self.rewritten = Some(fault);
        }
    }
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

/// For how many entries a log has bundles, where neither its checkpoint of `size` entries nor its journal knows of so
/// many: the log went on while it was copied, or an older checkpoint was put in its place, and the journal of then.
/// `unsigned` entries are known to be in the journal.
pub fn beyond(directory: &Path, size: u64, unsigned: u64) -> Option<u64> {
    let reach = Some(reach(&directory.join("tile/entries"), 0)).filter(|reach| *reach > size + unsigned)?;
    // A running daemon went on: what it has bundles for is in its journal until a checkpoint covers it.
    let newer = entries_from(directory, size).map_or(0, |newer| newer.take_while(Result::is_ok).count() as u64);
    (reach > size + newer).then_some(reach)
}

/// For how many entries there are bundles, by their names, in a directory whose first bundle has the index `first`.
fn reach(directory: &Path, first: u64) -> u64 {
    let width = TILE_WIDTH as u64;
    let of_name = |name: &String| {
        let path = directory.join(name);
        match tile::named(name, first)? {
            Named::Directory(first) => is_directory(&path).then(|| reach(&path, first)),
            Named::Partials(index) => {
                let widths = names(&path).into_iter().filter_map(|name| name.parse::<u64>().ok());
                Some(index * width + widths.filter(|found| *found < width).max()?)
            }
            Named::Full(index) => Some((index + 1) * width),
        }
    };
    names(directory).iter().filter_map(of_name).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::transfer_log::{
        recovery::CHECKPOINT,
        support::{Place, any_record},
    };

    /// A log with two full bundles and one of 90.
    fn log() -> Place {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 600]).unwrap();
        log.close().unwrap();
        place
    }

    /// What of the log is told, with these entries known to be at fault.
    fn told(place: &Place, since: Option<Checkpoint>, at_fault: &[u64]) -> Option<Verdict> {
        let fault = |seq: &u64| VerifyFault::Entry { seq: *seq, problem: String::new() };
        let key = Some(place.key.verifier().clone());
        let fault = LogFault { directory: place.dir(), key, since, faults: at_fault.iter().map(fault).collect() };
        let trust = trust(&fault)?;
        assert_eq!(trust.size, 602);
        Some(trust.verdict)
    }

    /// Entries that were changed, and those that are malformed; none where it cannot be told.
    fn found(place: &Place) -> Option<[Vec<RangeInclusive<u64>>; 2]> {
        match told(place, None, &[7, 511, 900])? {
            Verdict::Signed { changed, malformed } => Some([changed.spans, malformed.spans]),
            Verdict::Unknown | Verdict::Another(_) => None,
        }
    }

    fn flip(place: &Place, path: &str, byte: usize) {
        let path = place.dir().join(path);
        let mut bytes = fs::read(&path).unwrap();
        bytes[byte] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn what_was_changed_is_told_from_what_is_as_it_was_signed_for() {
        let place = log();
        let at = |path: &str| place.dir().join(path);
        let flip = |path: &str, byte: usize| flip(&place, path, byte);
        assert_eq!(found(&place), Some([vec![], vec![7..=7, 511..=511]]));
        // A tile alone: the entries still give the root.
        flip("tile/0/001", 5);
        assert_eq!(found(&place), Some([vec![], vec![7..=7, 511..=511]]));
        flip("tile/0/001", 5);
        // The last byte of a bundle is of its last entry.
        let last = usize::try_from(fs::metadata(at("tile/entries/001")).unwrap().len()).unwrap() - 1;
        flip("tile/entries/001", last);
        assert_eq!(found(&place), Some([vec![511..=511], vec![7..=7]]));
        fs::remove_file(at("tile/entries/002.p/90")).unwrap();
        assert_eq!(found(&place), Some([vec![511..=601], vec![7..=7]]));
        // Neither gives it.
        flip("tile/0/000", 5);
        assert_eq!(found(&place), None);
        flip("checkpoint", 150);
        assert!(told(&place, None, &[]).is_none());
    }

    #[test]
    fn nothing_is_said_of_a_history_that_the_older_checkpoint_is_not_of() {
        let place = log();
        let note = fs::read(place.dir().join(CHECKPOINT)).unwrap();
        let newest = Checkpoint::parse(&note, place.key.verifier()).unwrap();
        let leaves: Vec<Hash> = (0..3).flat_map(|index| leaves(&place.dir(), index, 602).unwrap()).collect();
        for size in [0_u64, 1, 256, 300, 602] {
            let mut edge = Edge::default();
            leaves.iter().take(usize::try_from(size).unwrap()).for_each(|leaf| edge.push(*leaf, &mut Vec::new()));
            let older = Checkpoint { size, root: edge.root(), ..newest.clone() };
            let other = Checkpoint { root: [7; 32], ..older.clone() };
            // By the entries, and by the tiles in their stead.
            for _ in 0..2 {
                assert!(matches!(told(&place, Some(older.clone()), &[]), Some(Verdict::Signed { .. })), "{size}");
                let rewritten = told(&place, Some(other.clone()), &[]);
                assert!(matches!(rewritten, Some(Verdict::Another(VerifyFault::Rewritten { .. }))), "{size}");
                flip(&place, "tile/entries/000", 9);
            }
        }
        let longer = Checkpoint { size: 603, ..newest };
        let shortened = told(&place, Some(longer), &[]);
        assert!(matches!(shortened, Some(Verdict::Another(VerifyFault::Shortened { size: 602, older: 603 }))));
    }

    #[test]
    fn spans_are_bounded_and_say_so() {
        let mut spans = Spans::default();
        (0..2_000).for_each(|seq| spans.push(seq * 2));
        (5_000..6_000).for_each(|seq| spans.push(seq));
        assert_eq!((spans.spans.len(), spans.count, spans.is_cut()), (MAX_SPANS, 3_000, true));
        let mut spans = Spans::default();
        (0..2_000).for_each(|seq| spans.push(seq));
        assert_eq!((spans.spans.len(), spans.count, spans.is_cut()), (1, 2_000, false));
    }

    #[test]
    fn files_go_as_far_as_their_names_say() {
        let place = log();
        let bundles = place.dir().join("tile/entries");
        assert_eq!((reach(&bundles, 0), beyond(&place.dir(), 602, 0)), (602, None));
        fs::create_dir_all(bundles.join("x001/234.p")).unwrap();
        fs::write(bundles.join("x001/234.p/17"), "").unwrap();
        let far = 1_234 * 256 + 17;
        assert_eq!((reach(&bundles, 0), beyond(&place.dir(), 602, 0)), (far, Some(far)));
        assert_eq!(beyond(&place.dir(), 602, far - 602), None);
        assert_eq!(reach(&place.path("nothing"), 0), 0);
        // Links lead in circles.
        for name in ["x001", "x002", "x003"] {
            std::os::unix::fs::symlink(".", bundles.join("x001").join(name)).unwrap();
        }
        assert_eq!(reach(&bundles, 0), far);
    }
}
