//! Checking a whole log, offline, with nothing but its directory and its public key.
//!
//! Everything is hashed again from the entries up: each entry in canonical form and in its place, each tile of each
//! level equal to what the entries make it, the root equal to the signed one. Memory stays that of one bundle and one
//! tile a level. What a running daemon writes meanwhile does not disturb: everything that it would replace is read
//! first.

use std::path::{Path, PathBuf};

use super::{
    Checkpoint, LogError, NoteFault, VerifierKey,
    checkpoint::MAX_CHECKPOINT_BYTES,
    entry, files,
    journal::{self, Groups},
    merkle::{Edge, FullTile, Hash, TILE_WIDTH, leaf_hash},
    recovery::CHECKPOINT,
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
    /// The root over the entries is not the signed one.
    #[error("the root over {size} entries is not that of the checkpoint")]
    Root {
        /// Entries.
        size: u64,
    },
    /// There were more faults than are told.
    #[error("there are more faults")]
    More,
}

/// Checks everything.
///
/// # Errors
/// What is wrong, in the order of the log, at most 100 faults and [`VerifyFault::More`].
pub fn verify(directory: &Path, key: &VerifierKey) -> Result<Verified, Vec<VerifyFault>> {
    let snapshot = Snapshot::read(directory, key).map_err(|fault| vec![fault])?;
    let size = snapshot.checkpoint.size;
    let mut check = Check { directory, snapshot: &snapshot, edge: Edge::default(), faults: Vec::new() };
    for index in 0..size.div_ceil(TILE_WIDTH as u64) {
        check.bundle(index);
        if check.faults.len() >= MAX_FAULTS {
            check.faults.push(VerifyFault::More);
            return Err(check.faults);
        }
    }
    check.partial_tiles();
    if check.edge.root() != snapshot.checkpoint.root {
        check.faults.push(VerifyFault::Root { size });
    }
    let mut faults = check.faults;
    faults.extend(snapshot.journal_faults);
    if faults.is_empty() {
        Ok(Verified { checkpoint: snapshot.checkpoint, unsigned: snapshot.unsigned })
    } else {
        Err(faults)
    }
}

/// What a running daemon would replace, read at one moment.
struct Snapshot {
    checkpoint: Checkpoint,
    /// The partial tiles by level, where there is one.
    tiles: Vec<Option<Vec<u8>>>,
    bundle: Option<Vec<u8>>,
    unsigned: u64,
    journal_faults: Vec<VerifyFault>,
}

impl Snapshot {
    fn read(directory: &Path, key: &VerifierKey) -> Result<Self, VerifyFault> {
        let mut retries = 0;
        loop {
            match Self::try_read(directory, key) {
                // A newer checkpoint took the place of the one just read.
                Err(VerifyFault::Unreadable(error)) if error.is_not_found() && retries < MAX_RETRIES => retries += 1,
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
        let mut snapshot = Self { checkpoint, tiles, bundle, unsigned: 0, journal_faults: Vec::new() };
        snapshot.read_journal(directory).map_err(VerifyFault::Unreadable)?;
        Ok(snapshot)
    }

    /// Counts and checks what the journal adds. Its torn end is no fault: nobody was told of it.
    fn read_journal(&mut self, directory: &Path) -> Result<(), LogError> {
        let size = self.checkpoint.size;
        let files = journal::list(directory)?;
        let Some((first, path)) = files.into_iter().rfind(|(first, _)| *first <= size) else { return Ok(()) };
        let mut groups = Groups::open(first, &path)?;
        let mut seq = first;
        while let Some(group) = groups.next_group()? {
            for bytes in group {
                if seq >= size {
                    self.unsigned += 1;
                    if let Err(problem) = entry::check(seq, &bytes)
                        && self.journal_faults.len() < MAX_FAULTS
                    {
                        self.journal_faults.push(VerifyFault::Entry { seq, problem });
                    }
                }
                seq += 1;
            }
        }
        Ok(())
    }
}

/// The check of the published part, bundle by bundle.
struct Check<'a> {
    directory: &'a Path,
    snapshot: &'a Snapshot,
    edge: Edge,
    faults: Vec<VerifyFault>,
}

impl Check<'_> {
    fn bundle(&mut self, index: u64) {
        let size = self.snapshot.checkpoint.size;
        let Some((path, width)) = tile::bundle(index, size) else { return };
        let leaves = self.leaves(index, &path, width).or_else(|| {
            // The tile stands in for entries that are gone, so that the rest can still be checked.
            let (path, width) = tile::tile(0, index, size)?;
            let bytes = files::read(&self.directory.join(path), tile::MAX_TILE_BYTES).ok()?;
            tile::tile_hashes(&bytes, width)
        });
        let Some(leaves) = leaves else { return };
        let mut full = Vec::new();
        for leaf in leaves {
            self.edge.push(leaf, &mut full);
        }
        for tile in full {
            self.full_tile(&tile);
        }
    }

    /// The leaf hashes of a bundle's entries, each entry checked.
    fn leaves(&mut self, index: u64, path: &str, width: usize) -> Option<Vec<Hash>> {
        let partial = self.snapshot.bundle.as_ref().filter(|_| width < TILE_WIDTH);
        let read = match partial {
            Some(bytes) => Ok(bytes.clone()),
            None => files::read(&self.directory.join(path), tile::MAX_BUNDLE_BYTES),
        };
        let bytes = read.map_err(|error| self.faults.push(VerifyFault::Unreadable(error))).ok()?;
        let Some(entries) = tile::bundle_entries(&bytes, width) else {
            self.faults.push(VerifyFault::Bundle { path: path.to_owned(), width });
            return None;
        };
        for (seq, bytes) in (index * TILE_WIDTH as u64..).zip(&entries) {
            if let Err(problem) = entry::check(seq, bytes) {
                self.faults.push(VerifyFault::Entry { seq, problem });
            }
        }
        Some(entries.iter().map(|entry| leaf_hash(entry)).collect())
    }

    fn full_tile(&mut self, full: &FullTile) {
        let Some((path, _)) = tile::tile(full.level, full.index, self.snapshot.checkpoint.size) else { return };
        match files::read(&self.directory.join(&path), tile::MAX_TILE_BYTES) {
            Err(error) => self.faults.push(VerifyFault::Unreadable(error)),
            Ok(bytes) if bytes != tile::tile_bytes(&full.hashes) => self.faults.push(VerifyFault::Tile { path }),
            Ok(_) => {}
        }
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
