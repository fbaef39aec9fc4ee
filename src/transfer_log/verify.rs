//! Checking a whole log, offline, with nothing but its directory and its public key.
//!
//! Everything is hashed again from the entries up: each entry in canonical form and in its place, each tile of each
//! level equal to what the entries make it, the root equal to the signed one. Bundles are read, checked and hashed on all
//! cores, each with its tile; memory stays that of one bundle a core, and of a tile's hashes for some of them. What a
//! running daemon writes meanwhile does not disturb: everything that it would replace is read first.

use std::path::{Path, PathBuf};

use super::{
    Checkpoint, LogError, NoteFault, VerifierKey,
    bundles::{AT_ONCE, Bundle, Published},
    checkpoint::MAX_CHECKPOINT_BYTES,
    entry, files,
    journal::{self, Groups},
    merkle::{Edge, TILE_WIDTH},
    recovery::CHECKPOINT,
    superseded::Superseded,
    tile,
};

/// Faults after which checking ends: enough to see what kind of damage it is.
const MAX_FAULTS: usize = 100;

/// How often the right edge may change while it is read, once a second at most, before that is a fault.
const MAX_RETRIES: u32 = 5;

/// What was found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The checkpoint that all of it is under.
    pub checkpoint: Checkpoint,
    /// Entries in the journal that are under no checkpoint yet: whole and in place, but not signed for.
    pub unsigned: u64,
}

/// Something that is not right.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VerifyFault {
    /// There is no checkpoint.
    #[error("{path} is missing")]
    NoCheckpoint {
        /// Where it should be.
        path: PathBuf,
    },
    /// The checkpoint does not verify.
    #[error("the checkpoint does not verify")]
    Checkpoint(#[source] NoteFault),
    /// A file cannot be read.
    #[error("a file of the log cannot be read")]
    Unreadable(#[source] LogError),
    /// A tile is not what the entries make it.
    #[error("the tile {path} is not that of the entries")]
    Tile {
        /// The tile.
        path: String,
    },
    /// A bundle is torn, or has too many or too few entries.
    #[error("the bundle {path} has not the {width} entries that it should have")]
    Bundle {
        /// The bundle.
        path: String,
        /// Entries that it should have.
        width: usize,
    },
    /// An entry is not canonical, or not in its place.
    #[error("entry {seq} is at fault: {problem}")]
    Entry {
        /// Where it stands.
        seq: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A partial tile or bundle of an older checkpoint is not the beginning of the one in force.
    #[error("{path}, of an older checkpoint, is not the beginning of the one in force")]
    Superseded {
        /// The file.
        path: String,
    },
    /// The older checkpoint is not the beginning of this log.
    #[error("the first {size} entries are not those of the older checkpoint: the log was rewritten, or is another")]
    Rewritten {
        /// Entries of the older checkpoint.
        size: u64,
    },
    /// The log has fewer entries than the older checkpoint.
    #[error("the log has {size} entries, fewer than the {older} of the older checkpoint: it was put back")]
    Shortened {
        /// Entries now.
        size: u64,
        /// Entries then.
        older: u64,
    },
    /// The root over the entries is not the signed one.
    #[error("the root over {size} entries is not that of the checkpoint")]
    Root {
        /// Entries.
        size: u64,
    },
    /// Checking ended here: there were too many faults, or neither entries nor tiles to go on from.
    #[error("checking ended here; there may be more faults")]
    More,
}

/// Checks everything.
///
/// # Errors
/// What is wrong, in the order of the log, at most 100 faults and [`VerifyFault::More`].
pub fn verify(directory: &Path, key: &VerifierKey) -> Result<Verified, Vec<VerifyFault>> {
    verify_all(directory, key, None)
}

/// Checks everything, and that an older checkpoint of the log is its beginning: nothing before that was rewritten.
///
/// # Errors
/// As [`verify`].
pub fn verify_since(directory: &Path, key: &VerifierKey, since: &Checkpoint) -> Result<Verified, Vec<VerifyFault>> {
    verify_all(directory, key, Some(since))
}

fn verify_all(directory: &Path, key: &VerifierKey, since: Option<&Checkpoint>) -> Result<Verified, Vec<VerifyFault>> {
    let shortened = |size: u64| since.and_then(|since| since.shortened_to(size));
    let snapshot = Snapshot::read(directory, key).map_err(|fault| {
        // That it was put back is told whatever else cannot be read.
        let signed = signed(directory, std::slice::from_ref(key));
        signed.and_then(|(_, checkpoint)| shortened(checkpoint.size)).into_iter().chain([fault]).collect::<Vec<_>>()
    })?;
    let size = snapshot.checkpoint.size;
    let mut check = Check { directory, snapshot: &snapshot, since, edge: Edge::default(), faults: Vec::new() };
    check.since();
    check.faults.extend(shortened(size));
    let published = Published { directory, size, last_bundle: snapshot.bundle.as_deref() };
    let bundles = size.div_ceil(TILE_WIDTH as u64);
    for first in (0..bundles).step_by(AT_ONCE) {
        let indexes = (first..bundles).take(AT_ONCE).collect::<Vec<_>>();
        for (index, read) in indexes.iter().copied().zip(published.read_at_once(&indexes)) {
            if !check.bundle(index, read) || check.faults.len() >= MAX_FAULTS {
                check.faults.push(VerifyFault::More);
                return Err(check.faults);
            }
        }
    }
    check.partial_tiles();
    if check.edge.root() != snapshot.checkpoint.root {
        check.faults.push(VerifyFault::Root { size });
    }
    let superseded = Superseded {
        directory,
        size,
        last_tiles: check.edge.levels(),
        last_bundle: snapshot.bundle.as_deref(),
        limit: MAX_FAULTS,
    };
    let superseded = superseded.faults();
    let mut faults = check.faults;
    faults.extend(superseded);
    faults.extend(snapshot.journal_faults);
    if faults.is_empty() {
        Ok(Verified { checkpoint: snapshot.checkpoint, unsigned: snapshot.unsigned })
    } else {
        Err(faults)
    }
}

impl Checkpoint {
    /// That a log of so many entries is shorter than this older checkpoint of it says.
    pub(super) fn shortened_to(&self, size: u64) -> Option<VerifyFault> {
        (self.size > size).then_some(VerifyFault::Shortened { size, older: self.size })
    }

    /// That a tree, where it has this older checkpoint's size, has not its root.
    pub(super) fn rewritten_in(&self, edge: &Edge) -> Option<VerifyFault> {
        let differs = self.size == edge.size() && self.root != edge.root();
        differs.then_some(VerifyFault::Rewritten { size: self.size })
    }
}

/// Which of the keys signed the log's checkpoint.
pub fn signer<'a>(directory: &Path, keys: &'a [VerifierKey]) -> Option<&'a VerifierKey> {
    signed(directory, keys).map(|(key, _)| key)
}

/// The log's checkpoint, and which of the keys signed it; none where none did.
pub(super) fn signed<'a>(directory: &Path, keys: &'a [VerifierKey]) -> Option<(&'a VerifierKey, Checkpoint)> {
    let note = files::read(&directory.join(CHECKPOINT), MAX_CHECKPOINT_BYTES).ok()?;
    keys.iter().find_map(|key| Some((key, Checkpoint::parse(&note, key).ok()?)))
}

/// What a running daemon would replace, read at one moment.
struct Snapshot {
    checkpoint: Checkpoint,
    /// The partial tiles by level, where there is one.
    tiles: Vec<Option<Vec<u8>>>,
    bundle: Option<Vec<u8>>,
    unsigned: u64,
    /// Whether the journal begins behind the checkpoint.
    lacks_entries: bool,
    journal_faults: Vec<VerifyFault>,
}

impl Snapshot {
    fn read(directory: &Path, key: &VerifierKey) -> Result<Self, VerifyFault> {
        let mut retries = 0;
        loop {
            match Self::try_read(directory, key) {
                // A newer checkpoint took the place of the one just read.
                Err(VerifyFault::Unreadable(error)) if error.is_not_found() && retries < MAX_RETRIES => retries += 1,
                // So does what it covers in the journal, which goes.
                Ok(read) if read.lacks_entries && retries < MAX_RETRIES && read.is_outdated(directory) => retries += 1,
                read => return read,
            }
        }
    }

    fn try_read(directory: &Path, key: &VerifierKey) -> Result<Self, VerifyFault> {
        let path = directory.join(CHECKPOINT);
        let note = files::read_if_there(&path, MAX_CHECKPOINT_BYTES).map_err(VerifyFault::Unreadable)?;
        let note = note.ok_or(VerifyFault::NoCheckpoint { path })?;
        let checkpoint = Checkpoint::parse(&note, key).map_err(VerifyFault::Checkpoint)?;
        let size = checkpoint.size;
        let mut tiles = Vec::new();
        for level in 0.. {
            let hashes = tile::hashes_at(level, size);
            if hashes == 0 {
                break;
            }
            let partial = tile::tile(level, hashes / TILE_WIDTH as u64, size);
            let read = partial.map(|(path, _)| files::read(&directory.join(path), tile::MAX_TILE_BYTES));
            tiles.push(read.transpose().map_err(VerifyFault::Unreadable)?);
        }
        let bundle = tile::bundle(size / TILE_WIDTH as u64, size)
            .map(|(path, _)| files::read(&directory.join(path), tile::MAX_BUNDLE_BYTES))
            .transpose()
            .map_err(VerifyFault::Unreadable)?;
        let mut snapshot =
            Self { checkpoint, tiles, bundle, unsigned: 0, lacks_entries: false, journal_faults: Vec::new() };
        snapshot.read_journal(directory).map_err(VerifyFault::Unreadable)?;
        Ok(snapshot)
    }

    /// Whether another checkpoint was published since.
    fn is_outdated(&self, directory: &Path) -> bool {
        let note = files::read(&directory.join(CHECKPOINT), MAX_CHECKPOINT_BYTES);
        note.is_ok_and(|note| note != self.checkpoint.note.as_bytes())
    }

    /// Counts and checks what the journal adds. Its torn end is no fault: nobody was told of it.
    fn read_journal(&mut self, directory: &Path) -> Result<(), LogError> {
        let size = self.checkpoint.size;
        let mut seq = 0;
        for (at, (first, path)) in journal::list_from(directory, size)?.into_iter().enumerate() {
            if at == 0 && first > size {
                let problem = "the journal lacks what is between the checkpoint and its first file".to_owned();
                self.journal_faults.push(VerifyFault::Entry { seq: size, problem });
                self.lacks_entries = true;
                break;
            }
            if at == 0 {
                seq = first;
            } else if seq != first {
                let problem = "the journal lacks what is before its next file".to_owned();
                self.journal_faults.push(VerifyFault::Entry { seq, problem });
                break;
            }
            let mut groups = Groups::open(first, &path)?;
            while let Some(group) = groups.next_group()? {
                drop(groups.take_sealed());
                for bytes in group {
                    self.journal_entry(seq, &bytes);
                    seq += 1;
                }
            }
        }
        Ok(())
    }

    fn journal_entry(&mut self, seq: u64, bytes: &[u8]) {
        if seq < self.checkpoint.size {
            return;
        }
        self.unsigned += 1;
        if let Err(problem) = entry::check(seq, bytes)
            && self.journal_faults.len() < MAX_FAULTS
        {
            self.journal_faults.push(VerifyFault::Entry { seq, problem });
        }
    }
}

/// The check of the published part, bundle by bundle.
struct Check<'a> {
    directory: &'a Path,
    snapshot: &'a Snapshot,
    since: Option<&'a Checkpoint>,
    edge: Edge,
    faults: Vec<VerifyFault>,
}

impl Check<'_> {
    /// Takes in a bundle that was read, and checks the tiles above it that it fills. Says whether there is anything to go
    /// on from.
    fn bundle(&mut self, index: u64, read: Bundle) -> bool {
        self.faults.extend(read.faults);
        let mut full = Vec::new();
        let is_added = match read.whole {
            // Where the older checkpoint ends within it, its leaves are added one by one.
            Some(whole) if !self.since_is_within() => self.edge.push_tile(whole, &mut full),
            _ => false,
        };
        if is_added {
            self.since();
        } else {
            let leaves = read.leaves.or_else(|| {
                // The tile stands in for entries that are gone, so that the rest can still be checked.
                let (path, width) = tile::tile(0, index, self.snapshot.checkpoint.size)?;
                let bytes = files::read(&self.directory.join(path), tile::MAX_TILE_BYTES).ok()?;
                tile::tile_hashes(&bytes, width)
            });
            let Some(leaves) = leaves else { return false };
            for leaf in leaves {
                self.edge.push(leaf, &mut full);
                self.since();
            }
        }
        let published = Published { directory: self.directory, size: self.snapshot.checkpoint.size, last_bundle: None };
        let above = full.into_iter().filter(|tile| tile.level > 0);
        self.faults.extend(above.filter_map(|tile| published.tile_fault(tile.level, tile.index, &tile.hashes)));
        true
    }

    /// Whether the older checkpoint ends within the next bundle, and not with it.
    fn since_is_within(&self) -> bool {
        let (start, end) = (self.edge.size(), self.edge.size() + TILE_WIDTH as u64);
        self.since.is_some_and(|since| (start + 1..end).contains(&since.size))
    }

    /// Compares with the older checkpoint, where the tree has its size.
    fn since(&mut self) {
        self.faults.extend(self.since.and_then(|since| since.rewritten_in(&self.edge)));
    }

    fn partial_tiles(&mut self) {
        let size = self.snapshot.checkpoint.size;
        for (level, bytes) in (0_u8..).zip(&self.snapshot.tiles) {
            let hashes = self.edge.levels().get(usize::from(level)).map_or(&[][..], Vec::as_slice);
            let partial = tile::tile(level, tile::hashes_at(level, size) / TILE_WIDTH as u64, size);
            if let (Some((path, _)), Some(bytes)) = (partial, bytes)
                && *bytes != tile::tile_bytes(hashes)
            {
                self.faults.push(VerifyFault::Tile { path });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::transfer_log::{
        NoteKey, entries,
        merkle::leaf_hash,
        support::{Place, any_record},
    };

    /// A log with two full bundles and a partial one.
    fn log() -> Place {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 600]).unwrap();
        log.close().unwrap();
        assert_eq!(place.verify().unwrap().checkpoint.size, 602);
        place
    }

    fn faults(place: &Place) -> Vec<String> {
        place.verify().unwrap_err().iter().map(ToString::to_string).collect()
    }

    /// Writes entries as a published, signed log: what somebody with the log's key could do.
    fn publish(directory: &Path, key: &NoteKey, entries: &[Vec<u8>]) {
        let size = entries.len() as u64;
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        for entry in entries {
            edge.push(leaf_hash(entry), &mut full);
        }
        let put = |path: &str, bytes: &[u8]| {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        for tile in full {
            put(&tile::tile(tile.level, tile.index, size).unwrap().0, &tile::tile_bytes(&tile.hashes));
        }
        for (level, hashes) in (0..).zip(edge.levels()) {
            let index = tile::hashes_at(level, size) / 256;
            if let Some((path, _)) = tile::tile(level, index, size) {
                put(&path, &tile::tile_bytes(hashes));
            }
        }
        for (index, entries) in (0..).zip(entries.chunks(256)) {
            put(&tile::bundle(index, size).unwrap().0, &tile::bundle_bytes(entries));
        }
        put(CHECKPOINT, Checkpoint::sign(&key.clone().into(), size, edge.root()).note.as_bytes());
    }

    #[test]
    fn a_flipped_bit_anywhere_is_caught() {
        let place = log();
        let published = ["tile/0/000", "tile/0/001", "tile/0/002.p/90", "tile/1/000.p/2", CHECKPOINT];
        for path in published.iter().chain(&["tile/entries/000", "tile/entries/001", "tile/entries/002.p/90"]) {
            let file = place.dir().join(path);
            let bytes = fs::read(&file).unwrap();
            for at in (0..bytes.len()).step_by(bytes.len() / 3) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1;
                fs::write(&file, flipped).unwrap();
                assert!(place.verify().is_err(), "bit flipped at {at} of {path}");
            }
            fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
            assert!(place.verify().is_err(), "{path} torn");
            fs::remove_file(&file).unwrap();
            assert!(place.verify().is_err(), "{path} missing");
            fs::write(&file, bytes).unwrap();
        }
        place.verify().unwrap();
    }

    #[test]
    fn a_fault_is_told_where_it_is() {
        let place = log();
        let bundle = place.dir().join("tile/entries/001");
        let bytes = fs::read(&bundle).unwrap();
        let mut entries = tile::bundle_entries(&bytes, 256).unwrap();
        entries.swap(3, 4);
        fs::write(&bundle, tile::bundle_bytes(&entries)).unwrap();
        assert_eq!(
            faults(&place),
            [
                "entry 259 is at fault: it says that it is entry 260",
                "entry 260 is at fault: it says that it is entry 259",
                "the tile tile/0/001 is not that of the entries",
                "the tile tile/1/000.p/2 is not that of the entries",
                "the root over 602 entries is not that of the checkpoint",
            ]
        );
        fs::write(&bundle, &bytes[..9_000]).unwrap();
        assert_eq!(faults(&place), ["the bundle tile/entries/001 has not the 256 entries that it should have"]);
        fs::write(&bundle, bytes).unwrap();
        let tile = place.dir().join("tile/0/000");
        fs::write(&tile, fs::read(place.dir().join("tile/0/001")).unwrap()).unwrap();
        assert_eq!(faults(&place), ["the tile tile/0/000 is not that of the entries"]);
    }

    #[test]
    fn an_edited_size_is_caught() {
        let place = log();
        let file = place.dir().join(CHECKPOINT);
        let note = fs::read_to_string(&file).unwrap();
        fs::write(&file, note.replace("\n602\n", "\n601\n")).unwrap();
        assert!(matches!(place.verify().unwrap_err()[..], [VerifyFault::Checkpoint(NoteFault::Signature)]));
        // Signed again, over the same root.
        let root = Checkpoint::parse(note.as_bytes(), place.key.verifier()).unwrap().root;
        fs::write(&file, Checkpoint::sign(&place.key.clone().into(), 512, root).note).unwrap();
        assert!(faults(&place).contains(&"the root over 512 entries is not that of the checkpoint".to_owned()));
    }

    #[test]
    fn the_key_does_not_help_to_write_what_is_no_entry() {
        let place = log();
        let good: Vec<Vec<u8>> = entries(&place.dir()).unwrap().map(|entry| entry.unwrap().bytes).collect();
        let elsewhere = place.path("elsewhere");
        publish(&elsewhere, &place.key, &good);
        let verified = verify(&elsewhere, place.key.verifier()).unwrap();
        assert_eq!(verified.checkpoint, place.verify().unwrap().checkpoint);
        let text = String::from_utf8(good[300].clone()).unwrap();
        for changed in [
            text.replace("\"seq\":300", "\"seq\":300,\"seq\":300"),
            text.replace("\"seq\":300", "\"seq\":299"),
            text.replace("\"rows\":3", "\"rows\":3.0"),
            text.replace("\"rows\":3", "\"rows\": 3"),
            format!("{text} "),
        ] {
            let mut entries = good.clone();
            entries[300] = changed.clone().into_bytes();
            publish(&elsewhere, &place.key, &entries);
            let faults = verify(&elsewhere, place.key.verifier()).unwrap_err();
            assert!(matches!(faults[..], [VerifyFault::Entry { seq: 300, .. }]), "{changed}: {faults:?}");
        }
    }

    #[test]
    fn an_older_checkpoint_proves_that_nothing_before_it_was_rewritten() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 280]).unwrap();
        let older = log.checkpoint_now().unwrap();
        log.append(vec![any_record(); 30]).unwrap();
        log.close().unwrap();
        let key = place.key.verifier();
        assert_eq!(verify_since(&place.dir(), key, &older).unwrap(), place.verify().unwrap());
        let bundles = tile::bundle_entries(&fs::read(place.dir().join("tile/entries/000")).unwrap(), 256).unwrap();
        // One that ends within a bundle, and with it.
        for count in [1, 100, 255, 256] {
            let (mut edge, mut full) = (Edge::default(), Vec::new());
            bundles[..count].iter().for_each(|entry| edge.push(leaf_hash(entry), &mut full));
            let at = Checkpoint::sign(&place.key.clone().into(), count as u64, edge.root());
            verify_since(&place.dir(), key, &at).unwrap();
            let other = Checkpoint { root: [7; 32], ..at };
            let faults = verify_since(&place.dir(), key, &other).unwrap_err();
            assert!(matches!(faults[..], [VerifyFault::Rewritten { .. }]), "{count}: {faults:?}");
        }
        // Rewritten by somebody with the log's key: right in itself, and not what it was.
        let mut entries: Vec<Vec<u8>> = entries(&place.dir()).unwrap().map(|entry| entry.unwrap().bytes).collect();
        let text = String::from_utf8(entries[7].clone()).unwrap();
        entries[7] = text.replace("\"rows\":3", "\"rows\":4").into_bytes();
        let elsewhere = place.path("elsewhere");
        publish(&elsewhere, &place.key, &entries);
        verify(&elsewhere, key).unwrap();
        let faults = verify_since(&elsewhere, key, &older).unwrap_err();
        assert!(matches!(faults[..], [VerifyFault::Rewritten { size: 281 }]), "{faults:?}");
        // Put back to an earlier day.
        publish(&place.path("earlier"), &place.key, &entries[..100]);
        let faults = verify_since(&place.path("earlier"), key, &older).unwrap_err();
        assert!(matches!(faults[..], [VerifyFault::Shortened { size: 100, older: 281 }]), "{faults:?}");
        // That is told even where a file is gone without which nothing else is checked.
        fs::remove_file(place.path("earlier").join("tile/0/000.p/100")).unwrap();
        let faults = verify_since(&place.path("earlier"), key, &older).unwrap_err();
        assert!(matches!(faults[..], [VerifyFault::Shortened { .. }, VerifyFault::Unreadable(_)]), "{faults:?}");
    }

    #[test]
    fn faults_are_bounded() {
        let place = log();
        let good: Vec<Vec<u8>> = entries(&place.dir()).unwrap().map(|entry| entry.unwrap().bytes).collect();
        publish(&place.dir(), &place.key, &vec![good[0].clone(); 1_000]);
        let faults = place.verify().unwrap_err();
        assert!(faults.len() < 400);
        assert!(matches!(faults.last(), Some(VerifyFault::More)));
    }

    #[test]
    fn the_journal_is_checked_too() {
        let place = log();
        let log = place.open();
        log.append(vec![any_record(); 2]).unwrap();
        drop(log);
        assert_eq!(place.verify().unwrap().unsigned, 2);
        let (_, journal) = journal::list(&place.dir()).unwrap().pop().unwrap();
        let mut batch = fs::read(&journal).unwrap();
        journal::frame(b"{\"seq\":9}", false, &mut batch);
        batch.extend_from_slice(b"torn");
        fs::write(&journal, batch).unwrap();
        assert_eq!(faults(&place), ["entry 605 is at fault: it says that it is entry 9"]);
    }

    #[test]
    fn entries_that_the_journal_lacks_before_its_first_file_are_missed() {
        let place = log();
        let log = place.open();
        log.append(vec![any_record(); 2]).unwrap();
        drop(log);
        let (first, journal) = journal::list(&place.dir()).unwrap().pop().unwrap();
        assert_eq!(first, 603);
        fs::rename(&journal, journal.with_file_name(format!("{:020}", 604))).unwrap();
        let lacks = "entry 603 is at fault: the journal lacks what is between the checkpoint and its first file";
        assert_eq!(faults(&place), [lacks]);
    }
}
