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
            Ok(mut places) => {
                for group in groups {
                    let rest = places.split_off(group.records.len());
                    let own = std::mem::replace(&mut places, rest).into_iter().zip(&group.records);
                    (group.reply)(Ok(own.filter(|(_, record)| !record.added).map(|(place, _)| place).collect()));
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

    /// Makes groups durable: each of them whole, or none. However much is unpublished: a start and an end are told
    /// also of a log that takes nothing else, or neither could come to publishing it.
    pub fn commit(&mut self, groups: &[&[Prepared]]) -> Result<Vec<Appended>, LogError> {
        let at = whole_microseconds(self.parts.clock.now());
        let (mut batch, mut stored, mut sealed) = (Vec::new(), Vec::new(), Vec::new());
        let mut seq = self.parts.edge.size();
        let step = self.clock_step(at)?;
        let noted = step.as_slice();
        for group in Some(noted).filter(|noted| !noted.is_empty()).iter().chain(groups) {
            for (index, record) in group.iter().enumerate() {
                if let Some(keeper) = self.parts.keeper.as_ref().filter(|_| !record.disclosures.is_empty()) {
                    let record = keeper.seal(record.tenant(), seq, at, &record.disclosures)?;
                    journal::sealed_frame(&record.to_bytes(), &mut batch);
                    sealed.push(record);
                }
                let entry = record.stamp(seq, at);
                journal::frame(&entry.bytes, index + 1 < group.len(), &mut batch);
                stored.push(entry);
                seq += 1;
            }
        }
        self.parts.journal.append(&batch)?;
        self.parts.sealed.append(&mut sealed);
        (self.parts.last, self.wrote) = (Some(at), Some(Instant::now()));
        if let Some(keeper) = &self.parts.keeper {
            for (entry, record) in stored.iter().skip(step.as_slice().len()).zip(groups.iter().copied().flatten()) {
                if entry.event.is_receipted() {
                    keeper.remember(entry.seq, record.disclosures.clone());
                }
            }
        }
        let mut places = self.take_in(stored)?;
        // Nobody waits for the note on the clock.
        places.drain(..step.as_slice().len());
        Ok(places)
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
        let written = self.commit(&[&[stopped]]).map(drop);
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
