//! The one thread that writes the log.
//!
//! A batch is everything that waits: its entries get their places, their disclosures are kept, the journal takes them
//! and is brought to disk, the index follows, and only then is anybody answered. When something new was written, a
//! checkpoint follows within the set time: tiles and bundles on disk, the checkpoint signed, the high-water mark
//! raised, the checkpoint published, the journal rotated; in that order, so that a crash between two steps leaves a
//! log that opens.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Appended, Checkpoint, Context, DisclosureSink, Event, Index, LogError, NoteKey, Record, StoredEntry,
    entry::{Prepared, whole_microseconds},
    event::LogSize,
    files::{self, Files},
    journal::{self, Journal},
    merkle::{Edge, FullTile, TILE_WIDTH, leaf_hash},
    queue::{Group, Queue, Work},
    recovery::{CHECKPOINT, HighWater, Recovered},
    tile,
};
use crate::durable::{Clock, DirectoryLock};

/// Entries without a checkpoint, at most: 16 batches. Reached only when checkpoints fail (a full disk): then nothing
/// more is taken until one succeeds, so that memory and the next start stay bounded.
const MAX_UNPUBLISHED: u64 = 65_536;

/// Entries after which a checkpoint does not wait for its time: a quarter of the above.
const MANY_UNPUBLISHED: u64 = 16_384;

/// What the committer works with, as [`super::TransferLog::open`] found it.
pub(super) struct Parts {
    pub directory: std::path::PathBuf,
    pub high_water: HighWater,
    pub key: NoteKey,
    pub checkpoint_every: Duration,
    pub clock: Clock,
    pub index: Box<dyn Index + Send>,
    pub sink: Box<dyn DisclosureSink + Send>,
    /// Held as long as the thread runs.
    pub _lock: DirectoryLock,
}

pub(super) struct Committer {
    parts: Parts,
    queue: Arc<Queue>,
    files: Files,
    journal: Journal,
    edge: Edge,
    /// Entries from the start of the last published bundle that is not full.
    entries: Vec<Vec<u8>>,
    /// Tiles that became full since the last checkpoint.
    full: Vec<FullTile>,
    published: Option<Checkpoint>,
    /// Partial tiles and bundles of the checkpoint before the published one: kept one round longer for who reads.
    obsolete: Vec<String>,
    /// When the next checkpoint is due; none when there is nothing new.
    due: Option<Instant>,
}

impl Committer {
    pub fn new(parts: Parts, queue: Arc<Queue>, recovered: Recovered) -> Self {
        let Recovered { edge, checkpoint, entries, full, journal, .. } = recovered;
        let files = Files::new(&parts.directory);
        Self {
            parts,
            queue,
            files,
            journal,
            edge,
            entries,
            full,
            published: checkpoint,
            obsolete: Vec::new(),
            due: None,
        }
    }

    /// Works until the log is closed, abandoned or fails.
    pub fn run(mut self) {
        loop {
            let outcome = match self.queue.next(self.due) {
                Work::Write(groups) => self.write(groups),
                Work::Publish(replies) => {
                    let published = self.publish();
                    for reply in replies {
                        reply(published.clone());
                    }
                    published.map(|_| ())
                }
                Work::Close(reply) => {
                    let closed = self.close();
                    let why = closed.clone().err().filter(LogError::is_fatal).unwrap_or(LogError::Closed);
                    self.queue.end(why);
                    // Before the answer: who gets it may open the log anew.
                    drop(self);
                    return reply(closed);
                }
                Work::Abandon => return self.queue.end(LogError::Closed),
            };
            match outcome {
                Err(error) if error.is_fatal() => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the transfer log has failed for good");
                    return self.queue.end(error);
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the transfer log could not be written");
                }
                Ok(()) => {}
            }
        }
    }

    /// Writes groups and answers them. An error here concerns all of them, and was told to all.
    fn write(&mut self, groups: Vec<Group>) -> Result<(), LogError> {
        let records: Vec<&[Prepared]> = groups.iter().map(|group| group.records.as_slice()).collect();
        match self.commit(&records) {
            Ok(mut places) => {
                for group in groups {
                    let rest = places.split_off(group.records.len());
                    let own = std::mem::replace(&mut places, rest).into_iter().zip(&group.records);
                    (group.reply)(Ok(own.filter(|(_, record)| !record.added).map(|(place, _)| place).collect()));
                }
                Ok(())
            }
            Err(error) => {
                for group in groups {
                    (group.reply)(Err(error.clone()));
                }
                Err(error)
            }
        }
    }

    /// Makes groups durable: each of them whole, or none.
    pub fn commit(&mut self, groups: &[&[Prepared]]) -> Result<Vec<Appended>, LogError> {
        if self.unpublished() > MAX_UNPUBLISHED {
            self.publish()?;
        }
        let at = whole_microseconds(self.parts.clock.now());
        let (mut batch, mut stored) = (Vec::new(), Vec::new());
        let mut seq = self.edge.size();
        for group in groups {
            for (index, record) in group.iter().enumerate() {
                if !record.disclosures.is_empty() {
                    let kept = self.parts.sink.keep(record.tenant(), seq, at, &record.disclosures);
                    kept.map_err(LogError::Disclosures)?;
                }
                let entry = record.stamp(seq, at);
                journal::frame(&entry.bytes, index + 1 < group.len(), &mut batch);
                stored.push(entry);
                seq += 1;
            }
        }
        self.journal.append(&batch)?;
        self.take_in(stored)
    }

    /// Brings the tree and the index up to entries that are durable now.
    fn take_in(&mut self, stored: Vec<StoredEntry>) -> Result<Vec<Appended>, LogError> {
        for entry in &stored {
            self.edge.push(leaf_hash(&entry.bytes), &mut self.full);
        }
        self.parts.index.apply(&stored).map_err(LogError::Index)?;
        self.queue.set_size(self.edge.size());
        let soon = Instant::now() + self.parts.checkpoint_every;
        self.due = if self.unpublished() >= MANY_UNPUBLISHED { Some(Instant::now()) } else { self.due.or(Some(soon)) };
        let places = stored.iter().map(|entry| Appended { seq: entry.seq, at: entry.at }).collect();
        self.entries.extend(stored.into_iter().map(|entry| entry.bytes));
        Ok(places)
    }

    fn published_size(&self) -> u64 {
        self.published.as_ref().map_or(0, |checkpoint| checkpoint.size)
    }

    fn unpublished(&self) -> u64 {
        self.edge.size() - self.published_size()
    }

    /// Publishes a checkpoint over everything written, unless the published one is that.
    pub fn publish(&mut self) -> Result<Checkpoint, LogError> {
        // Should this fail, the next try comes in its time.
        self.due = Some(Instant::now() + self.parts.checkpoint_every);
        let size = self.edge.size();
        if let Some(published) = self.published.as_ref().filter(|published| published.size == size) {
            let published = published.clone();
            self.due = None;
            return Ok(published);
        }
        let partial = self.put_tiles()?;
        let checkpoint = Checkpoint::sign(&self.parts.key, size, self.edge.root());
        self.parts.high_water.write(&checkpoint)?;
        files::replace(&self.parts.directory, CHECKPOINT, checkpoint.note.as_bytes())?;
        let before = self.published_size();
        self.published = Some(checkpoint.clone());
        self.full.clear();
        // Of the entries, only those of the bundle that is not full are needed again.
        let start = self.entries.len().saturating_sub(tile::in_last(size));
        self.entries.drain(..start);
        for path in std::mem::replace(&mut self.obsolete, partial_paths(before)) {
            self.files.remove(&path);
        }
        // What both checkpoints name is not obsolete.
        self.obsolete.retain(|path| !partial.contains(path));
        self.due = None;
        self.journal.rotate(&self.parts.directory, size)?;
        Ok(checkpoint)
    }

    /// Brings every tile and bundle that changed since the last checkpoint to disk; answers the paths of the partial
    /// ones.
    fn put_tiles(&mut self) -> Result<Vec<String>, LogError> {
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
        self.files.sync()?;
        Ok(partial_paths(size))
    }

    /// Removes what a crash may have left since the checkpoint over `before` entries: partial tiles and bundles that
    /// no checkpoint names.
    pub fn tidy(&self, before: u64) {
        let size = self.edge.size();
        let kept = [partial_paths(size), self.obsolete.clone()].concat();
        for level in (0_u8..).take_while(|level| tile::hashes_at(*level, size) > 0) {
            let place = |size| tile::hashes_at(level, size) / TILE_WIDTH as u64;
            for index in place(before).saturating_sub(1)..=place(size) {
                for directory in tile::partial_directories(level, index) {
                    self.files.remove_others(&directory, &kept);
                }
            }
        }
    }

    /// The last entry and the last checkpoint.
    fn close(&mut self) -> Result<(), LogError> {
        let stopped = Event::LogStopped(LogSize { size: self.edge.size() });
        let stopped = Prepared::new(Record::success(stopped, Context::daemon()))?;
        self.commit(&[&[stopped]])?;
        self.publish()?;
        Ok(())
    }
}

/// The partial tiles and the partial bundle that a tree of that size has.
fn partial_paths(size: u64) -> Vec<String> {
    let mut paths = Vec::new();
    for level in 0.. {
        let hashes = tile::hashes_at(level, size);
        if hashes == 0 {
            break;
        }
        paths.extend(tile::tile(level, hashes / TILE_WIDTH as u64, size).map(|(path, _)| path));
    }
    paths.extend(tile::bundle(size / TILE_WIDTH as u64, size).map(|(path, _)| path));
    paths
}
