//! The thread that publishes checkpoints, so that nobody who appends waits for them.
//!
//! The committer hands over what was written since the last time. The order is: tiles, bundles and sealed disclosures on disk, the
//! checkpoint signed, the high-water mark raised, the checkpoint published, the journal's covered files removed; a
//! crash between two steps leaves a log that opens. What fails is kept, and published with the next hand-over.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
};

use super::{
    Checkpoint, DisclosureKeeper, LogError, SigningKeys,
    files::{self, Files},
    journal, keeper,
    merkle::{Edge, FullTile, TILE_WIDTH},
    queue::{EndedByPanic, Queue, Reply},
    recovery::{CHECKPOINT, HighWater},
    tile,
};

/// What was written since the last hand-over.
pub(super) struct HandOver {
    /// The tree now.
    pub edge: Edge,
    /// Tiles that became full since.
    pub full: Vec<FullTile>,
    /// Entries since.
    pub entries: Vec<Vec<u8>>,
    /// Sealed disclosures of these.
    pub sealed: Vec<keeper::Record>,
    /// Who wants the checkpoint.
    pub replies: Vec<Reply<Checkpoint>>,
}

pub(super) struct Publisher {
    directory: PathBuf,
    keys: SigningKeys,
    high_water: HighWater,
    files: Files,
    edge: Edge,
    /// Entries from the start of the last published bundle that is not full.
    entries: Vec<Vec<u8>>,
    full: Vec<FullTile>,
    /// Sealed disclosures that are not in their files yet.
    sealed: Vec<keeper::Record>,
    keeper: Option<DisclosureKeeper>,
    published: Option<Checkpoint>,
    /// The size under the checkpoint that was in force when a crash, or a fault of writing, may have left tiles that no
    /// checkpoint speaks of, until these were removed.
    untidy: Option<u64>,
}

impl Publisher {
    /// Goes on after `published`; `entries` are those of its bundle that is not full.
    pub fn new(
        directory: PathBuf,
        keys: SigningKeys,
        high_water: HighWater,
        published: Option<Checkpoint>,
        entries: Vec<Vec<u8>>,
        keeper: Option<DisclosureKeeper>,
    ) -> Self {
        let untidy = Some(published.as_ref().map_or(0, |checkpoint| checkpoint.size));
        Self {
            files: Files::new(&directory),
            directory,
            keys,
            high_water,
            edge: Edge::default(),
            entries,
            full: Vec::new(),
            sealed: Vec::new(),
            keeper,
            published,
            untidy,
        }
    }

    /// Publishes what is handed over, until the committer is gone or the log fails.
    pub fn run(mut self, work: &mpsc::Receiver<HandOver>, queue: &Arc<Queue>) {
        let _guard = EndedByPanic(Arc::clone(queue));
        while let Ok(HandOver { edge, full, entries, sealed, replies }) = work.recv() {
            self.edge = edge;
            self.full.extend(full);
            self.entries.extend(entries);
            self.sealed.extend(sealed);
            let published = self.publish();
            if let Err(error) = &published {
                let error: &dyn std::error::Error = error;
                tracing::error!(error, "no checkpoint of the transfer log could be published");
            }
            queue.published(published.clone());
            for reply in replies {
                reply(published.clone());
            }
        }
    }

    fn published_size(&self) -> u64 {
        self.published.as_ref().map_or(0, |checkpoint| checkpoint.size)
    }

    /// Publishes a checkpoint over everything handed over, unless the published one is that.
    fn publish(&mut self) -> Result<Checkpoint, LogError> {
        let size = self.edge.size();
        if let Some(published) = self.published.as_ref().filter(|published| published.size == size) {
            return Ok(published.clone());
        }
        if let Err(error) = self.put_tiles() {
            // A tile of this size may lie there torn, and the next checkpoint is of another.
            self.untidy.get_or_insert(self.published_size());
            return Err(error);
        }
        if let Some(keeper) = &self.keeper {
            // Before the journal that has them goes.
            keeper.file(&self.sealed)?;
        }
        self.sealed.clear();
        let checkpoint = Checkpoint::sign(&self.keys, size, self.edge.root());
        self.high_water.write(&checkpoint)?;
        files::replace(&self.directory, CHECKPOINT, checkpoint.note.as_bytes())?;
        self.published = Some(checkpoint.clone());
        // Of the entries, only those of the bundle that is not full are needed again.
        let start = self.entries.len().saturating_sub(tile::in_last(size));
        self.entries.drain(..start);
        // Partial tiles of published checkpoints stay until the tile is full (C2SP tlog-tiles, "Partial Tiles").
        for full in std::mem::take(&mut self.full) {
            for directory in tile::partial_directories(full.level, full.index) {
                self.files.remove_where(&directory, |_| true);
            }
        }
        if self.untidy.is_some_and(|before| self.tidy(before)) {
            self.untidy = None;
        }
        journal::remove_covered(&self.directory, size)?;
        Ok(checkpoint)
    }

    /// Brings every tile and bundle that changed since the last checkpoint to disk.
    fn put_tiles(&mut self) -> Result<(), LogError> {
        let (size, before) = (self.edge.size(), self.published_size());
        for full in &self.full {
            if let Some((path, _)) = tile::tile(full.level, full.index, size) {
                self.files.put(&path, &tile::tile_bytes(&full.hashes))?;
            }
        }
        for (level, hashes) in (0_u8..).zip(self.edge.levels()) {
            let hashes_now = tile::hashes_at(level, size);
            if hashes_now != tile::hashes_at(level, before)
                && let Some((path, _)) = tile::tile(level, hashes_now / TILE_WIDTH as u64, size)
            {
                self.files.put(&path, &tile::tile_bytes(hashes))?;
            }
        }
        for (index, entries) in (before / TILE_WIDTH as u64..).zip(self.entries.chunks(TILE_WIDTH)) {
            if let Some((path, _)) = tile::bundle(index, size) {
                self.files.put(&path, &tile::bundle_bytes(entries))?;
            }
        }
        self.files.sync()
    }

    /// Removes what a crash or a fault may have left since the checkpoint over `before` entries: partial tiles and bundles
    /// that were written for a checkpoint that was never published, and those of tiles that are full. Says whether all of
    /// them are gone.
    fn tidy(&self, before: u64) -> bool {
        let size = self.edge.size();
        let mut is_tidy = true;
        for level in (0_u8..).take_while(|level| tile::hashes_at(*level, size) > 0) {
            let (hashes_before, hashes) = (tile::hashes_at(level, before), tile::hashes_at(level, size));
            let first = (hashes_before / TILE_WIDTH as u64).saturating_sub(1);
            for index in first..=hashes / TILE_WIDTH as u64 {
                let start = index * TILE_WIDTH as u64;
                let is_left = |name: &str| {
                    let end = name.parse().map_or(u64::MAX, |width: u64| start + width);
                    start + TILE_WIDTH as u64 <= hashes || (end > hashes_before && end != hashes)
                };
                for directory in tile::partial_directories(level, index) {
                    is_tidy &= self.files.remove_where(&directory, is_left);
                }
            }
        }
        is_tidy
    }
}
