//! The handle to the log.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{
    Checkpoint, Context, DisclosureKeeper, Event, Index, LogError, LogKeyRotated, LogRecovered, LogStarted, MAX_GROUP,
    NoteFault, Record, Redacted, SigningKeys, archive,
    committer::{Committer, Parts, start_thread},
    entries_from,
    entry::Prepared,
    files,
    follower::{Chain, catch_up},
    guard,
    note::signer_ids,
    publisher::Publisher,
    queue::{Group, Queue, Reply},
    recovery::{HighWater, Recovered, recover},
};
use crate::durable::{Clock, DirectoryLock};

/// The log, open to write. Cheap to clone. When the last handle is dropped without [`TransferLog::close`], the log
/// ends as in a crash: everything answered is there, and the next start recovers it.
#[derive(Clone)]
pub struct TransferLog(Arc<Handle>);

/// Where the log is and how it is written.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// The log's directory; made when it is not there.
    pub dir: PathBuf,
    /// The directory of the high-water mark, meant for another file system; made when it is not there.
    pub high_water_dir: PathBuf,
    /// The log's name, as in its checkpoints and its key.
    pub origin: String,
    /// Where logs of earlier years are put by; made when the first is.
    pub archive_dir: PathBuf,
    /// The keys that sign.
    pub keys: SigningKeys,
    /// How long an entry waits for a checkpoint over it, at most (1 s).
    pub checkpoint_every: Duration,
    /// Whether a log of another name in its place may be older than its high-water mark: a backup was restored, and the
    /// first entries of this log say so.
    pub goes_on_from_older: bool,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its place, from 0.
    pub seq: u64,
    /// Its time.
    pub at: Timestamp,
}

struct Handle {
    queue: Arc<Queue>,
    directory: PathBuf,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl TransferLog {
    /// Opens the log, recovers what a crash left, brings the index up to it and notes the start. Disclosures are not
    /// kept: see [`TransferLog::open_keeping`].
    ///
    /// # Errors
    /// [`LogError`]: in use, damaged, rolled back, forked, without its high-water mark, or the disk's.
    pub fn open(settings: LogSettings, clock: Clock, index: Box<dyn Index + Send>) -> Result<Self, LogError> {
        tracing::warn!(
            "disclosures are not kept: who acted from where cannot be told later, only proved by who knows it"
        );
        Self::open_keeping(settings, clock, index, None)
    }

    /// As [`TransferLog::open`], with somebody who keeps the disclosures.
    ///
    /// # Errors
    /// As [`TransferLog::open`].
    pub fn open_keeping(
        settings: LogSettings,
        clock: Clock,
        mut index: Box<dyn Index + Send>,
        keeper: impl Into<Option<DisclosureKeeper>>,
    ) -> Result<Self, LogError> {
        let LogSettings { dir: directory, high_water_dir, archive_dir, origin, keys, checkpoint_every, .. } = settings;
        let marks = (!settings.goes_on_from_older).then_some(high_water_dir.as_path());
        if !keys.are_of(&origin) {
            return Err(LogError::Note { path: directory, source: NoteFault::Origin });
        }
        archive::put_by(&directory, &archive_dir, &origin, marks, clock.now())?;
        files::make_directory(&directory)?;
        let lock = DirectoryLock::acquire(&directory).map_err(|source| {
            if source.kind() == std::io::ErrorKind::WouldBlock {
                LogError::InUse { path: directory.clone() }
            } else {
                LogError::file("lock", &directory, source)
            }
        })?;
        let keeper = keeper.into();
        let high_water = HighWater::new(&high_water_dir, &origin);
        let recovered = recover(&directory, &keys, &high_water)?;
        let Recovered { edge, checkpoint, entries, tail, sealed, full, journal, torn_bytes } = recovered;
        let size = edge.size();
        files::replace(&directory, archive::KEYS, keys.to_vkeys().as_bytes())?;
        catch_up(&Chain::new(&directory, size, &archive_dir)?, index.as_mut())?;
        let last = last_time(&directory, size)?;
        let queue = Arc::new(Queue::new(size, size - tail.len() as u64));
        let recovered = Event::LogRecovered(LogRecovered { entries: tail.len() as u64, torn_bytes });
        let recovered = Some(recovered).filter(|_| !tail.is_empty() || torn_bytes > 0);
        let previous_checkpoint = if size == 0 { archive::last_checkpoint(&archive_dir, clock.now())? } else { None };
        let started = Some(Event::LogStarted(LogStarted { size, previous_checkpoint }));
        // A log's first entry says what it goes on from, also where a write before it was torn.
        let start = if size == 0 { [started, recovered] } else { [recovered, started] };
        let mut start: Vec<Event> = start.into_iter().flatten().collect();
        start.extend(checkpoint.as_ref().and_then(|checkpoint| rotation(checkpoint, &keys)));
        let start: Vec<Prepared> = start
            .into_iter()
            .map(|event| Prepared::new(Record::success(event, Context::daemon())))
            .collect::<Result<_, _>>()?;
        let publisher = Publisher::new(directory.clone(), keys, high_water, checkpoint, entries, keeper.clone());
        let parts = Parts {
            directory: directory.clone(),
            checkpoint_every,
            clock,
            index,
            keeper: keeper.clone(),
            edge,
            journal,
            last,
            full,
            entries: tail,
            sealed,
            _lock: lock,
        };
        let mut committer = Committer::new(parts, Arc::clone(&queue), publisher)?;
        committer.commit_one(&start)?;
        committer.publish()?;
        let thread = start_thread("transfer-log", move || committer.run())?;
        Ok(Self(Arc::new(Handle { queue, directory, thread: Mutex::new(Some(thread)) })))
    }

    /// Writes a group of entries and waits until all of them are on disk and in the index. For threads that may wait.
    ///
    /// After an error the entries are not there, but for [`LogError::is_fatal`]: then nobody knows, as after a crash.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn append(&self, records: Vec<Record>) -> Result<Vec<Appended>, LogError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.push(records, true, Box::new(move |places| drop(sender.send(places))))?;
        receiver.recv().unwrap_or(Err(LogError::Failed))
    }

    /// Has a group of entries written now, and waits for nothing. `failed` is told when it could not be, on the log's own
    /// thread.
    ///
    /// # Errors
    /// [`LogError`], where it is not even taken.
    pub fn append_unwatched(
        &self,
        records: Vec<Record>,
        failed: impl FnOnce(&LogError) + Send + 'static,
    ) -> Result<(), LogError> {
        self.push(records, true, told(failed))
    }

    /// As [`TransferLog::append_unwatched`], within a fifth of a second, with others where there are any: for what is
    /// over and decides nothing, such as the end of a session. A crash may lose it, as it may lose what was never called.
    ///
    /// # Errors
    /// [`LogError`], where it is not even taken.
    pub fn append_soon(
        &self,
        records: Vec<Record>,
        failed: impl FnOnce(&LogError) + Send + 'static,
    ) -> Result<(), LogError> {
        self.push(records, false, told(failed))
    }

    /// As [`TransferLog::append`], for tasks. Should the task end while it waits, the entries are written all the same.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn append_async(&self, records: Vec<Record>) -> Result<Vec<Appended>, LogError> {
        let (sender, receiver) = oneshot::channel();
        self.push(records, true, Box::new(move |places| drop(sender.send(places))))?;
        receiver.await.unwrap_or(Err(LogError::Failed))
    }

    fn push(&self, records: Vec<Record>, urgent: bool, reply: Reply<Vec<Appended>>) -> Result<(), LogError> {
        let records = prepare(records)?;
        self.0.queue.push(Group { records, reply, urgent })
    }

    /// Publishes a checkpoint over everything appended before, and waits for it.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn checkpoint_now(&self) -> Result<Checkpoint, LogError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.0.queue.publish(Box::new(move |checkpoint| drop(sender.send(checkpoint))))?;
        receiver.recv().unwrap_or(Err(LogError::Failed))
    }

    /// Waits until more than `beyond` entries are under a published checkpoint, and says how many are; none once the log
    /// has ended.
    pub fn wait_published(&self, beyond: u64) -> Option<u64> {
        self.0.queue.wait_published(beyond)
    }

    /// Entries that are durable.
    pub fn size(&self) -> u64 {
        self.0.queue.size()
    }

    /// Entries that are under a published checkpoint.
    pub fn published(&self) -> u64 {
        self.0.queue.published_size()
    }

    /// Whether it takes entries and publishes them, as far as is known without trying.
    pub fn is_writing(&self) -> bool {
        self.0.queue.is_writing()
    }

    /// The bytes of an entry.
    ///
    /// # Errors
    /// [`LogError::NoEntry`], or a fault of reading.
    pub fn entry(&self, seq: u64) -> Result<Vec<u8>, LogError> {
        if seq >= self.size() {
            return Err(LogError::NoEntry { seq });
        }
        entries_from(&self.0.directory, seq)?.next().unwrap_or(Err(LogError::NoEntry { seq })).map(|entry| entry.bytes)
    }

    /// Whether the log has failed for good: the process has to end.
    pub fn is_failed(&self) -> bool {
        self.0.queue.is_failed()
    }

    /// Notes the end, publishes the last checkpoint and lets go of the directory. Other handles take nothing more.
    ///
    /// # Errors
    /// [`LogError`]; the log is closed all the same, and the next start recovers.
    pub fn close(self) -> Result<(), LogError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.0.queue.close(Box::new(move |closed| drop(sender.send(closed))))?;
        receiver.recv().unwrap_or(Err(LogError::Failed))
    }
}

impl std::fmt::Debug for TransferLog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "TransferLog({}, {})", self.0.directory.display(), self.size())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.abandon();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic there was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// A reply that tells of a fault only.
fn told(failed: impl FnOnce(&LogError) + Send + 'static) -> Reply<Vec<Appended>> {
    Box::new(move |written| {
        if let Err(error) = written {
            failed(&error);
        }
    })
}

/// Makes records ready to be written, with a note behind each that the guard changed.
fn prepare(records: Vec<Record>) -> Result<Vec<Prepared>, LogError> {
    let mut prepared = Vec::with_capacity(records.len());
    for mut record in records {
        let count = guard::redact(&mut record);
        let context = record.context.clone();
        prepared.push(Prepared::new(record)?);
        if count > 0 {
            let mut note = Prepared::new(Record::success(Event::Redacted(Redacted { count }), context))?;
            note.added = true;
            prepared.push(note);
        }
    }
    if prepared.is_empty() || prepared.len() > MAX_GROUP {
        return Err(LogError::GroupSize { count: prepared.len() });
    }
    Ok(prepared)
}

/// That other keys sign from now on, when they do.
fn rotation(published: &Checkpoint, keys: &SigningKeys) -> Option<Event> {
    let keys_before = signer_ids(&published.note);
    let keys_after = keys.verifiers().map(ToString::to_string).collect();
    let rotated = keys_before != keys.ids();
    rotated.then_some(Event::LogKeyRotated(LogKeyRotated { keys_before, keys_after }))
}

/// The time of the last of `size` entries.
fn last_time(directory: &Path, size: u64) -> Result<Option<Timestamp>, LogError> {
    let Some(last) = size.checked_sub(1) else { return Ok(None) };
    let entry = entries_from(directory, last)?.next().unwrap_or(Err(LogError::NoEntry { seq: last }))?;
    Ok(Some(entry.at))
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod mishaps;
#[cfg(test)]
mod tests;
