//! The one thread that writes the log.
//!
//! A batch is everything that waits: its entries get their places, their disclosures are sealed, the journal takes both
//! and is brought to disk, the index follows, and only then is anybody answered. When something new was written, it
//! is handed to the publisher within the set time, and the journal goes on in a new file.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    Appended, Checkpoint, ClockStep, Context, DisclosureKeeper, Event, Index, LogError, LogStopped, Record,
    StoredEntry,
    entry::{Prepared, whole_microseconds},
    journal::{self, Journal},
    keeper,
    merkle::{Edge, FullTile, leaf_hash},
    publisher::{HandOver, Publisher},
    queue::{EndedByPanic, Group, Queue, Reply, Work},
};
use crate::durable::{Clock, DirectoryLock};

/// Entries after which a checkpoint does not wait for its time: 4 batches.
const MANY_UNPUBLISHED: u64 = 16_384;

/// A step forward that is worth a note, milliseconds: more than a suspended virtual machine or a slow disk makes of it.
const FORWARD_STEP_MS: u64 = 60_000;

/// What the committer works with, as [`super::TransferLog::open`] found it.
pub(super) struct Parts {
    pub directory: PathBuf,
    pub checkpoint_every: Duration,
    pub clock: Clock,
    pub index: Box<dyn Index + Send>,
    /// Keeps disclosures; without it only their digests remain.
    pub keeper: Option<DisclosureKeeper>,
    /// The tree with everything that is durable.
    pub edge: Edge,
    pub journal: Journal,
    /// The time of the last entry.
    pub last: Option<Timestamp>,
    /// Tiles and entries that the publisher has not got.
    pub full: Vec<FullTile>,
    pub entries: Vec<Vec<u8>>,
    /// Sealed disclosures that the publisher has not got.
    pub sealed: Vec<keeper::Record>,
    /// Held as long as the thread runs.
    pub _lock: DirectoryLock,
}

/// Entries on their way to the journal.
#[derive(Default)]
struct Batch {
    at: Timestamp,
    /// The place of the first.
    first: u64,
    stored: Vec<StoredEntry>,
    /// Their disclosures.
    sealed: Vec<keeper::Record>,
    /// Both as the journal takes them.
    frames: Vec<u8>,
}

impl Batch {
    /// Adds a group whole, or nothing of it.
    fn add(&mut self, group: &[Prepared], keeper: Option<&DisclosureKeeper>) -> Result<(), LogError> {
        let (stored, sealed, frames) = (self.stored.len(), self.sealed.len(), self.frames.len());
        let added = self.add_each(group, keeper);
        if added.is_err() {
            self.stored.truncate(stored);
            self.sealed.truncate(sealed);
            self.frames.truncate(frames);
        }
        added
    }

    fn add_each(&mut self, group: &[Prepared], keeper: Option<&DisclosureKeeper>) -> Result<(), LogError> {
        for (index, record) in group.iter().enumerate() {
            let seq = self.first + self.stored.len() as u64;
            if let Some(keeper) = keeper.filter(|_| !record.disclosures.is_empty()) {
                let sealed = keeper.seal(record.tenant(), seq, self.at, &record.disclosures)?;
                journal::sealed_frame(&sealed.to_bytes(), &mut self.frames);
                self.sealed.push(sealed);
            }
            let entry = record.stamp(seq, self.at);
            journal::frame(&entry.bytes, index + 1 < group.len(), &mut self.frames);
            self.stored.push(entry);
        }
        Ok(())
    }
}

pub(super) struct Committer {
    parts: Parts,
    queue: Arc<Queue>,
    publisher: Option<(mpsc::Sender<HandOver>, JoinHandle<()>)>,
    /// When the next hand-over is due; none when there is nothing new.
    due: Option<Instant>,
    /// When this process wrote its last entry, by a clock that nobody sets.
    wrote: Option<Instant>,
}

impl Committer {
    /// Starts the publisher.
    pub fn new(parts: Parts, queue: Arc<Queue>, publisher: Publisher) -> Result<Self, LogError> {
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::clone(&queue);
        let thread = start_thread("log-publisher", move || publisher.run(&receiver, &shared))?;
        Ok(Self { parts, queue, publisher: Some((sender, thread)), due: None, wrote: None })
    }

    /// Works until the log is closed, abandoned or fails.
    pub fn run(mut self) {
        let _guard = EndedByPanic(Arc::clone(&self.queue));
        loop {
            let outcome = match self.queue.next(self.due) {
                Work::Write(groups) => {
                    let written = self.write(groups);
                    self.queue.wrote(written.is_ok());
                    written
                }
                Work::Publish(replies) => self.hand_over(replies),
                Work::Close(reply) => {
                    let closed = self.close();
                    let why = closed.clone().err().filter(LogError::is_fatal).unwrap_or(LogError::Closed);
                    self.queue.end(&why);
                    // Before the answer: who gets it may open the log anew.
                    drop(self);
                    return reply(closed);
                }
                Work::End => return self.queue.end(&LogError::Closed),
            };
            match outcome {
                Err(error) if error.is_fatal() => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the transfer log has failed for good");
                    return self.queue.end(&error);
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
        match self.queue.may_write().and_then(|()| self.commit(&records)) {
            Ok(outcomes) => {
                for (group, outcome) in groups.into_iter().zip(outcomes) {
                    if let Err(error) = &outcome {
                        let error: &dyn std::error::Error = error;
                        tracing::error!(error, "entries could not be written; others were");
                    }
                    let own = outcome.map(|places| {
                        let own = places.into_iter().zip(&group.records).filter(|(_, record)| !record.added);
                        own.map(|(place, _)| place).collect()
                    });
                    (group.reply)(own);
                }
                Ok(())
            }
            Err(error) => {
                if error.is_fatal() {
                    // Before the answers: who gets one finds the log failed.
                    self.queue.end(&error);
                }
                for group in groups {
                    (group.reply)(Err(error.clone()));
                }
                Err(error)
            }
        }
    }

    /// Makes groups durable: each of them whole, or none. Where the disclosures of one cannot be kept, for a fault with
    /// that tenant's files, it is not written and its outcome says why: the others are. However much is unpublished: a
    /// start and an end are told also of a log that takes nothing else, or neither could come to publishing it.
    fn commit(&mut self, groups: &[&[Prepared]]) -> Result<Vec<Result<Vec<Appended>, LogError>>, LogError> {
        let at = whole_microseconds(self.parts.clock.now());
        let keeper = self.parts.keeper.as_ref();
        let mut batch = Batch { at, first: self.parts.edge.size(), ..Batch::default() };
        let step = self.clock_step(at)?;
        batch.add(step.as_slice(), keeper)?;
        let mut outcomes = Vec::with_capacity(groups.len());
        for group in groups {
            match batch.add(group, keeper) {
                Err(error) if error.is_fatal() || error.is_of_the_disk() => return Err(error),
                outcome => outcomes.push(outcome),
            }
        }
        if outcomes.iter().all(Result::is_err) {
            return Ok(outcomes.into_iter().map(|outcome| outcome.map(|()| Vec::new())).collect());
        }
        let Batch { frames, stored, mut sealed, .. } = batch;
        self.parts.journal.append(&frames)?;
        self.parts.sealed.append(&mut sealed);
        (self.parts.last, self.wrote) = (Some(at), Some(Instant::now()));
        if let Some(keeper) = &self.parts.keeper {
            let written = groups.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
            let records = written.flat_map(|(group, _)| group.iter());
            for (entry, record) in stored.iter().skip(step.as_slice().len()).zip(records) {
                if entry.event.is_receipted() {
                    keeper.remember(entry.seq, record.disclosures.clone());
                }
            }
        }
        // Nobody waits for the note on the clock.
        let mut places = self.take_in(stored)?.into_iter().skip(step.as_slice().len());
        let own = |(outcome, group): (Result<(), LogError>, &&[Prepared])| {
            outcome.map(|()| places.by_ref().take(group.len()).collect())
        };
        Ok(outcomes.into_iter().zip(groups).map(own).collect())
    }

    /// Makes one group durable.
    pub fn commit_one(&mut self, group: &[Prepared]) -> Result<Vec<Appended>, LogError> {
        self.commit(&[group])?.pop().unwrap_or(Err(LogError::Failed))
    }

    /// A note that the clock was set since the last entry, when it was.
    fn clock_step(&self, at: Timestamp) -> Result<Option<Prepared>, LogError> {
        let Some(before) = self.parts.last else { return Ok(None) };
        let passed = at.duration_since(before);
        let back_ms = u64::try_from(-passed.as_millis()).unwrap_or(0);
        let forward = self.wrote.map_or(0, |wrote| {
            let elapsed = i128::try_from(wrote.elapsed().as_millis()).unwrap_or(i128::MAX);
            passed.as_millis().saturating_sub(elapsed)
        });
        let forward_ms = u64::try_from(forward).unwrap_or(0);
        let forward_ms = if forward_ms >= FORWARD_STEP_MS { forward_ms } else { 0 };
        if back_ms == 0 && forward_ms == 0 {
            return Ok(None);
        }
        let step = Event::ClockStep(ClockStep { before, back_ms, forward_ms });
        Prepared::new(Record::success(step, Context::daemon())).map(Some)
    }

    /// Brings the tree and the index up to entries that are durable now.
    fn take_in(&mut self, stored: Vec<StoredEntry>) -> Result<Vec<Appended>, LogError> {
        for entry in &stored {
            self.parts.edge.push(leaf_hash(&entry.bytes), &mut self.parts.full);
        }
        self.parts.index.apply(&stored).map_err(LogError::Index)?;
        self.queue.set_size(self.parts.edge.size());
        let places = stored.iter().map(|entry| Appended { seq: entry.seq, at: entry.at }).collect();
        self.parts.entries.extend(stored.into_iter().map(|entry| entry.bytes));
        let now = Instant::now();
        self.due = if self.parts.entries.len() as u64 >= MANY_UNPUBLISHED {
            Some(now)
        } else {
            self.due.or(Some(now + self.parts.checkpoint_every))
        };
        Ok(places)
    }

    /// Gives the publisher everything new.
    pub fn hand_over(&mut self, replies: Vec<Reply<Checkpoint>>) -> Result<(), LogError> {
        self.due = None;
        self.queue.publishing(self.parts.checkpoint_every);
        let rotated = self.parts.journal.rotate(&self.parts.directory, self.parts.edge.size());
        let work = HandOver {
            edge: self.parts.edge.clone(),
            full: std::mem::take(&mut self.parts.full),
            entries: std::mem::take(&mut self.parts.entries),
            sealed: std::mem::take(&mut self.parts.sealed),
            replies,
        };
        // It is gone only after it failed for good, and said so to the queue; dropped replies say the same.
        if let Some((sender, _)) = &self.publisher {
            let _ = sender.send(work);
        }
        // A journal that cannot go on in a new file goes on in the old one.
        rotated
    }

    /// The last entry and the last checkpoint; this one also where the entry cannot be written.
    fn close(&mut self) -> Result<(), LogError> {
        let stopped = Event::LogStopped(LogStopped { size: self.parts.edge.size() });
        let stopped = Prepared::new(Record::success(stopped, Context::daemon()))?;
        let written = self.commit_one(&[stopped]).map(drop);
        if written.as_ref().is_err_and(LogError::is_fatal) {
            return written;
        }
        let published = self.publish();
        written.and(published)
    }

    /// Publishes everything, and waits for it.
    pub fn publish(&mut self) -> Result<(), LogError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.hand_over(vec![Box::new(move |checkpoint| drop(sender.send(checkpoint)))])?;
        receiver.recv().unwrap_or(Err(LogError::Failed)).map(|_| ())
    }
}

impl Drop for Committer {
    /// Ends the publisher before the directory is let go.
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.publisher.take() {
            drop(sender);
            // A panic there was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Starts a thread of the log.
pub(super) fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|source| LogError::Thread(Arc::new(source)))
}
