//! Opening a log: what is published, what the journal adds to it, and whether that is the log that was here before.
//!
//! Only the right edge is read, so that a log of ten million entries opens at once; `verify` reads everything.

use std::path::{Path, PathBuf};

use super::{
    Checkpoint, LogError, SigningKeys,
    checkpoint::MAX_CHECKPOINT_BYTES,
    entry, files,
    journal::{self, Groups, Journal},
    keeper,
    merkle::{Edge, FullTile, Hash, TILE_WIDTH, leaf_hash},
    tile,
};

/// The published checkpoint's file, under the log's directory.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// Where the high-water mark of a log is: a copy of its newest checkpoint, meant for another file system.
#[derive(Debug)]
pub(super) struct HighWater {
    directory: PathBuf,
    name: String,
}

impl HighWater {
    /// The mark of the log of that origin; each log has its own file.
    pub fn new(directory: &Path, origin: &str) -> Self {
        Self { directory: directory.to_owned(), name: format!("{}.checkpoint", plain_name(origin)) }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// Raises the mark, durably.
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<(), LogError> {
        files::make_directory(&self.directory)?;
        files::replace(&self.directory, &self.name, checkpoint.note.as_bytes())
    }
}

/// An origin as the name of a file.
pub(super) fn plain_name(origin: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
    origin.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect()
}

/// A log as it was found.
pub(super) struct Recovered {
    /// The tree with everything that is durable.
    pub edge: Edge,
    /// The published checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// Entries of the bundle that is not full under the checkpoint.
    pub entries: Vec<Vec<u8>>,
    /// Entries that the journal adds to the checkpoint.
    pub tail: Vec<Vec<u8>>,
    /// Their sealed disclosures, which may not be in their files yet.
    pub sealed: Vec<keeper::Record>,
    /// Tiles that they fill.
    pub full: Vec<FullTile>,
    /// The journal, ready to go on.
    pub journal: Journal,
    /// Bytes of the journal that were cut.
    pub torn_bytes: u64,
}

/// Reads a log and checks it against its high-water mark.
pub(super) fn recover(directory: &Path, keys: &SigningKeys, high_water: &HighWater) -> Result<Recovered, LogError> {
    let checkpoint = read_checkpoint(&directory.join(CHECKPOINT), keys)?;
    let mark = read_checkpoint(&high_water.path(), keys)?;
    let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    if size > 0 && mark.is_none() {
        return Err(LogError::HighWaterMissing { path: high_water.path() });
    }
    let mut edge = read_edge(directory, size, size)?;
    if checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.root != edge.root()) {
        return Err(damaged(directory.join("tile"), "the right edge has not the checkpoint's root"));
    }
    let entries = read_last_bundle(directory, &edge)?;
    let mut marked = root_at(directory, &edge, mark.as_ref())?;
    let OpenedJournal { journal, tail, sealed, torn_bytes } = open_journal(directory, size)?;
    let mut full = Vec::new();
    for bytes in &tail {
        edge.push(leaf_hash(bytes), &mut full);
        if mark.as_ref().is_some_and(|mark| mark.size == edge.size()) {
            marked = Some(edge.root());
        }
    }
    if let Some(mark) = mark {
        compare(&edge, &mark, marked)?;
    }
    Ok(Recovered { edge, checkpoint, entries, tail, sealed, full, journal, torn_bytes })
}

/// Checks that a log which was closed is the one of its high-water mark.
pub(super) fn check_mark(directory: &Path, checkpoint: &Checkpoint, mark: &Checkpoint) -> Result<(), LogError> {
    let edge = read_edge(directory, checkpoint.size, checkpoint.size)?;
    if checkpoint.root != edge.root() {
        return Err(damaged(directory.join("tile"), "the right edge has not the checkpoint's root"));
    }
    let marked = root_at(directory, &edge, Some(mark))?;
    compare(&edge, mark, marked)
}

/// Compares a log with its high-water mark, at whose size it has the root `marked`, if it is that long.
fn compare(edge: &Edge, mark: &Checkpoint, marked: Option<Hash>) -> Result<(), LogError> {
    match marked {
        None => Err(LogError::Rollback { size: edge.size(), high_water: mark.size }),
        Some(root) if root != mark.root => Err(LogError::Fork { size: mark.size }),
        Some(_) => Ok(()),
    }
}

fn read_checkpoint(path: &Path, keys: &SigningKeys) -> Result<Option<Checkpoint>, LogError> {
    let Some(note) = files::read_if_there(path, MAX_CHECKPOINT_BYTES)? else { return Ok(None) };
    keys.open(&note).map(Some).map_err(|source| LogError::Note { path: path.to_owned(), source })
}

/// The right edge of the tree's first `at` leaves, from the tiles of a tree of `size`.
fn read_edge(directory: &Path, size: u64, at: u64) -> Result<Edge, LogError> {
    let mut levels: Vec<Vec<Hash>> = Vec::new();
    for level in 0.. {
        let hashes = tile::hashes_at(level, at);
        if hashes == 0 {
            break;
        }
        let (index, wanted) = (hashes / TILE_WIDTH as u64, tile::in_last(hashes));
        let mut found = Vec::with_capacity(TILE_WIDTH);
        if wanted > 0
            && let Some((path, width)) = tile::tile(level, index, size)
        {
            let path = directory.join(path);
            let hashes = tile::tile_hashes(&files::read(&path, tile::MAX_TILE_BYTES)?, width);
            found.extend(hashes.ok_or_else(|| damaged(path, "it has not the length of its tile"))?);
            found.truncate(wanted);
        }
        levels.push(found);
    }
    Ok(Edge::from_levels(at, levels))
}

/// The entries of the bundle that is not full.
fn read_last_bundle(directory: &Path, edge: &Edge) -> Result<Vec<Vec<u8>>, LogError> {
    let index = edge.size() / TILE_WIDTH as u64;
    let Some((path, width)) = tile::bundle(index, edge.size()) else { return Ok(Vec::new()) };
    let path = directory.join(path);
    let entries = tile::bundle_entries(&files::read(&path, tile::MAX_BUNDLE_BYTES)?, width);
    let entries = entries.ok_or_else(|| damaged(path.clone(), "it has not the entries of its bundle"))?;
    let leaves = edge.levels().first().map_or(&[][..], Vec::as_slice);
    if entries.iter().map(|entry| leaf_hash(entry)).eq(leaves.iter().copied()) {
        Ok(entries)
    } else {
        Err(damaged(path, "its entries are not those of the tree"))
    }
}

/// The root at the mark's size, where the published tiles tell it.
fn root_at(directory: &Path, edge: &Edge, mark: Option<&Checkpoint>) -> Result<Option<Hash>, LogError> {
    match mark {
        Some(mark) if mark.size < edge.size() => {
            read_edge(directory, edge.size(), mark.size).map(|edge| Some(edge.root()))
        }
        Some(mark) if mark.size == edge.size() => Ok(Some(edge.root())),
        _ => Ok(None),
    }
}

/// The journal as it was found, ready to go on.
struct OpenedJournal {
    journal: Journal,
    /// Entries that no checkpoint covers.
    tail: Vec<Vec<u8>>,
    /// Their sealed disclosures.
    sealed: Vec<keeper::Record>,
    /// Bytes cut from its end.
    torn_bytes: u64,
}

fn open_journal(directory: &Path, size: u64) -> Result<OpenedJournal, LogError> {
    let found = journal::list_from(directory, size)?;
    let Some(last) = found.len().checked_sub(1) else {
        // There is none before the first start; later there is always one, and its absence loses entries.
        return if size == 0 {
            let journal = Journal::create(directory, 0)?;
            Ok(OpenedJournal { journal, tail: Vec::new(), sealed: Vec::new(), torn_bytes: 0 })
        } else {
            Err(damaged(directory.join("journal"), "the journal is missing"))
        };
    };
    let (mut tail, mut sealed) = (Vec::new(), Vec::new());
    let mut next = size;
    for (at, (first, path)) in found.into_iter().enumerate() {
        // A file is begun only when everything before it is on disk, and ends the one before.
        if if at == 0 { first > size } else { first != next } {
            return Err(damaged(path, "the journal's file does not begin where what is before it ends"));
        }
        let mut groups = Groups::open(first, &path)?;
        read_tail(&mut groups, size, &mut tail)?;
        let records = groups.take_sealed();
        // Those of published entries are in their files.
        let records = records.iter().filter_map(|bytes| keeper::Record::parse(bytes));
        sealed.extend(records.filter(|record| record.seq() >= size));
        next = groups.next_place();
        if at == last {
            let length = std::fs::metadata(&path).map_err(|source| LogError::file("look at", &path, source))?.len();
            let torn_bytes = length - groups.valid_bytes().min(length);
            let journal = if next < size {
                // All of it is published, and its end is gone: a new one begins where the checkpoint ends.
                Journal::create(directory, size)?
            } else {
                Journal::resume(path, groups.valid_bytes())?
            };
            return Ok(OpenedJournal { journal, tail, sealed, torn_bytes });
        }
    }
    Err(damaged(directory.join("journal"), "the journal is missing"))
}

/// Adds the entries of a file from `size` on.
fn read_tail(groups: &mut Groups, size: u64, tail: &mut Vec<Vec<u8>>) -> Result<(), LogError> {
    let mut seq = groups.next_place();
    while let Some(group) = groups.next_group()? {
        for bytes in group {
            if seq >= size {
                entry::check(seq, &bytes).map_err(|problem| LogError::StoredEntry { seq, problem })?;
                tail.push(bytes);
            }
            seq += 1;
        }
    }
    Ok(())
}

fn damaged(path: PathBuf, problem: &'static str) -> LogError {
    LogError::Damaged { path, problem }
}
