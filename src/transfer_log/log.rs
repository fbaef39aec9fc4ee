//! The handle to the log.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{
    Checkpoint, Context, DisclosureSink, Event, Hash, IndexError, KeepNothing, LogError, MAX_GROUP, NoteFault, NoteKey,
    Record, Redacted, StoredEntry,
    committer::{Committer, Parts},
    entries_from,
    entry::Prepared,
    event::{LogRecovered, LogSize},
    files, guard,
    merkle::leaf_hash,
    queue::{Group, Queue, Reply},
    recovery::{HighWater, recover},
};
use crate::durable::{Clock, DirectoryLock};

/// Entries that the index gets at once while it catches up.
const CATCH_UP: usize = 1_024;

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
    /// The key that signs.
    pub key: NoteKey,
    /// How long an entry waits for a checkpoint over it, at most (1 s).
    pub checkpoint_every: Duration,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its place, from 0.
    pub seq: u64,
    /// Its time.
    pub at: Timestamp,
}

/// How far an index has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Entries taken in.
    pub size: u64,
    /// The leaf hash of the last of them: an index of another log is found by it.
    pub last: Option<Hash>,
}

impl Position {
    /// The position after an entry.
    pub fn after(entry: &StoredEntry) -> Self {
        Self { size: entry.seq + 1, last: Some(leaf_hash(&entry.bytes)) }
    }
}

/// Something that follows the log and can be made anew from it.
pub trait Index {
    /// How far it has come.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn position(&self) -> Result<Position, IndexError>;

    /// Takes in the entries that follow its position, all or none. They are durable; whoever waits for them is
    /// answered after this, and has to find them in the index.
    ///
    /// # Errors
    /// Whatever went wrong; the log then fails, and the index catches up at the next start.
    fn apply(&mut self, entries: &[StoredEntry]) -> Result<(), IndexError>;

    /// Forgets everything, to be built anew.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn reset(&mut self) -> Result<(), IndexError>;
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
        Self::open_keeping(settings, clock, index, Box::new(KeepNothing))
    }

    /// As [`TransferLog::open`], with somebody who keeps the disclosures.
    ///
    /// # Errors
    /// As [`TransferLog::open`].
    pub fn open_keeping(
        settings: LogSettings,
        clock: Clock,
        mut index: Box<dyn Index + Send>,
        sink: Box<dyn DisclosureSink + Send>,
    ) -> Result<Self, LogError> {
        let LogSettings { dir: directory, high_water_dir, origin, key, checkpoint_every } = settings;
        if origin != key.name() {
            return Err(LogError::Note { path: directory, source: NoteFault::Origin });
        }
        files::make_directory(&directory)?;
        let lock = DirectoryLock::acquire(&directory).map_err(|source| {
            if source.kind() == std::io::ErrorKind::WouldBlock {
                LogError::InUse { path: directory.clone() }
            } else {
                LogError::file("lock", &directory, source)
            }
        })?;
        let high_water = HighWater::new(&high_water_dir, &origin);
        let recovered = recover(&directory, &key, &high_water)?;
        let (size, published) = (recovered.edge.size(), recovered.edge.size() - recovered.tail);
        catch_up(&directory, size, index.as_mut())?;
        let queue = Arc::new(Queue::new(size));
        let mut start = Vec::new();
        if recovered.tail > 0 || recovered.torn_bytes > 0 {
            let found = LogRecovered { entries: recovered.tail, torn_bytes: recovered.torn_bytes };
            start.push(Prepared::new(Record::success(Event::LogRecovered(found), Context::daemon()))?);
        }
        start.push(Prepared::new(Record::success(Event::LogStarted(LogSize { size }), Context::daemon()))?);
        let parts =
            Parts { directory: directory.clone(), high_water, key, checkpoint_every, clock, index, sink, _lock: lock };
        let mut committer = Committer::new(parts, Arc::clone(&queue), recovered);
        committer.commit(&[&start])?;
        committer.publish()?;
        committer.tidy(published);
        let thread = std::thread::Builder::new().name("transfer-log".to_owned()).spawn(move || committer.run());
        let thread = thread.map_err(|source| LogError::Thread(Arc::new(source)))?;
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
        self.push(records, Box::new(move |places| drop(sender.send(places))))?;
        receiver.recv().unwrap_or(Err(LogError::Failed))
    }

    /// As [`TransferLog::append`], for tasks. Should the task end while it waits, the entries are written all the same.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn append_async(&self, records: Vec<Record>) -> Result<Vec<Appended>, LogError> {
        let (sender, receiver) = oneshot::channel();
        self.push(records, Box::new(move |places| drop(sender.send(places))))?;
        receiver.await.unwrap_or(Err(LogError::Failed))
    }

    fn push(&self, records: Vec<Record>, reply: Reply<Vec<super::Appended>>) -> Result<(), LogError> {
        let records = prepare(records)?;
        self.0.queue.push(Group { records, reply })
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

    /// Entries that are durable.
    pub fn size(&self) -> u64 {
        self.0.queue.size()
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

/// Brings an index up to the log, from nothing where it is not an index of this log.
fn catch_up(directory: &std::path::Path, size: u64, index: &mut (dyn Index + Send)) -> Result<(), LogError> {
    let mut position = index.position().map_err(LogError::Index)?;
    if !is_of_log(directory, size, position)? {
        tracing::warn!(index = position.size, log = size, "the index is not one of this log: it is built anew");
        index.reset().map_err(LogError::Index)?;
        position = Position::default();
    }
    if position.size == size {
        return Ok(());
    }
    let mut chunk = Vec::with_capacity(CATCH_UP);
    for entry in entries_from(directory, position.size)? {
        chunk.push(entry?);
        if chunk.len() == CATCH_UP {
            index.apply(&chunk).map_err(LogError::Index)?;
            chunk.clear();
        }
    }
    if chunk.is_empty() { Ok(()) } else { index.apply(&chunk).map_err(LogError::Index) }
}

/// Whether the last entry that an index took in is that of the log.
fn is_of_log(directory: &std::path::Path, size: u64, position: Position) -> Result<bool, LogError> {
    if position.size > size {
        return Ok(false);
    }
    let Some(last) = position.size.checked_sub(1) else { return Ok(true) };
    let entry = entries_from(directory, last)?.next().unwrap_or(Err(LogError::NoEntry { seq: last }))?;
    Ok(position.last == Some(leaf_hash(&entry.bytes)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::transfer_log::{
        Disclosed, StoredEntry, entries,
        recovery::recover,
        support::{Follower, Place, any_record, clock, context, copy},
    };

    fn all(place: &Place) -> Vec<StoredEntry> {
        entries(&place.dir()).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn names(place: &Place) -> Vec<String> {
        let name =
            |entry: StoredEntry| serde_json::to_value(entry.event).unwrap()["event"].as_str().unwrap().to_owned();
        all(place).into_iter().map(name).collect()
    }

    #[test]
    fn what_was_appended_is_there_before_and_after_its_checkpoint() {
        let place = Place::new();
        let log = place.open();
        let appended = log.append(vec![any_record(), any_record()]).unwrap();
        assert_eq!(appended.iter().map(|appended| appended.seq).collect::<Vec<_>>(), [1, 2]);
        let before = all(&place);
        assert_eq!(log.entry(2).unwrap(), before[2].bytes);
        assert!(matches!(log.entry(3), Err(LogError::NoEntry { seq: 3 })));
        assert_eq!(place.verify().unwrap().unsigned, 2);
        let checkpoint = log.checkpoint_now().unwrap();
        assert_eq!((checkpoint.size, log.size()), (3, 3));
        assert_eq!(log.checkpoint_now().unwrap(), checkpoint);
        assert_eq!(place.verify().unwrap(), crate::transfer_log::Verified { checkpoint, unsigned: 0 });
        assert_eq!(all(&place), before);
        assert_eq!(log.entry(2).unwrap(), before[2].bytes);
        assert!(matches!(log.append(Vec::new()), Err(LogError::GroupSize { count: 0 })));
    }

    #[test]
    fn a_log_goes_on_where_it_was_closed() {
        let place = Place::new();
        for _ in 0..3 {
            let log = place.open();
            let other = log.clone();
            log.append(vec![any_record()]).unwrap();
            log.close().unwrap();
            assert!(matches!(other.append(vec![any_record()]), Err(LogError::Closed)));
            assert!(!other.is_failed());
        }
        assert_eq!(names(&place), ["log.started", "list.received", "log.stopped"].repeat(3));
        assert_eq!(place.verify().unwrap().checkpoint.size, 9);
    }

    #[test]
    fn a_log_that_was_not_closed_is_recovered() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(), any_record()]).unwrap();
        drop(log);
        place.open().close().unwrap();
        let last = all(&place).into_iter().rev().map(|entry| entry.event).nth(2).unwrap();
        assert_eq!(last, Event::LogRecovered(LogRecovered { entries: 2, torn_bytes: 0 }));
        assert_eq!(place.verify().unwrap().checkpoint.size, 6);
    }

    #[test]
    fn a_journal_cut_anywhere_keeps_whole_groups() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record()]).unwrap();
        log.append(vec![any_record(), any_record(), any_record()]).unwrap();
        log.append(vec![any_record()]).unwrap();
        drop(log);
        let whole = all(&place);
        let (_, journal) = crate::transfer_log::journal::list(&place.dir()).unwrap().pop().unwrap();
        let bytes = fs::read(&journal).unwrap();
        let frame = |seq: usize| whole[seq].bytes.len() + 8;
        let ends = [0, frame(1), frame(1) + frame(2) + frame(3) + frame(4), bytes.len()];
        let sizes = [1, 2, 5, 6];
        let high_water = HighWater::new(&place.high_water_dir(), place.key.name());
        for cut in 0..=bytes.len() {
            fs::write(&journal, &bytes[..cut]).unwrap();
            let recovered = recover(&place.dir(), &place.key, &high_water).unwrap();
            let kept = ends.iter().rposition(|end| *end <= cut).unwrap();
            assert_eq!(recovered.edge.size(), sizes[kept], "cut at {cut}");
            assert_eq!(recovered.torn_bytes, (cut - ends[kept]) as u64);
            assert_eq!(fs::metadata(&journal).unwrap().len(), ends[kept] as u64);
        }
        fs::write(&journal, &bytes[..bytes.len() - 1]).unwrap();
        place.open().close().unwrap();
        assert_eq!(all(&place)[..5], whole[..5]);
        assert!(matches!(all(&place)[5].event, Event::LogRecovered(LogRecovered { entries: 4, torn_bytes: 1.. })));
        place.verify().unwrap();
    }

    #[test]
    fn a_crash_between_any_two_steps_of_publishing_is_recovered() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 300]).unwrap();
        copy(&place.dir(), &place.path("unpublished"));
        let checkpoint = log.checkpoint_now().unwrap();
        copy(&place.dir(), &place.path("published"));
        drop(log);
        // The mark was raised, the checkpoint not published.
        fs::remove_dir_all(place.dir()).unwrap();
        copy(&place.path("unpublished"), &place.dir());
        drop(place.open());
        // The checkpoint was published, the journal not rotated.
        fs::remove_dir_all(place.dir()).unwrap();
        copy(&place.path("published"), &place.dir());
        copy(&place.path("unpublished").join("journal"), &place.dir().join("journal"));
        fs::write(place.high_water(), &checkpoint.note).unwrap();
        drop(place.open());
        place.verify().unwrap();
        // The new journal was made, the published one not; tiles were left torn.
        fs::remove_dir_all(place.dir()).unwrap();
        copy(&place.path("unpublished"), &place.dir());
        fs::write(place.high_water(), &checkpoint.note).unwrap();
        fs::create_dir_all(place.dir().join("tile/0/001.p")).unwrap();
        fs::write(place.dir().join("tile/0/000"), "torn").unwrap();
        fs::write(place.dir().join("tile/0/001.p/45"), "torn").unwrap();
        drop(place.open());
        place.verify().unwrap();
    }

    #[test]
    fn a_second_writer_is_refused() {
        let place = Place::new();
        let _log = place.open();
        assert!(matches!(place.try_open(), Err(LogError::InUse { .. })));
    }

    #[test]
    fn an_older_copy_is_refused() {
        let place = Place::new();
        place.open().close().unwrap();
        copy(&place.dir(), &place.path("old"));
        place.open().close().unwrap();
        fs::remove_dir_all(place.dir()).unwrap();
        assert!(matches!(place.try_open(), Err(LogError::Rollback { size: 0, high_water: 4 })));
        copy(&place.path("old"), &place.dir());
        assert!(matches!(place.try_open(), Err(LogError::Rollback { size: 2, high_water: 4 })));
    }

    #[test]
    fn another_log_under_the_same_key_is_refused() {
        let place = Place::new();
        place.open().close().unwrap();
        let mark = fs::read(place.high_water()).unwrap();
        fs::remove_dir_all(place.dir()).unwrap();
        fs::remove_file(place.high_water()).unwrap();
        // A rewrite that is longer, published or still in the journal.
        let log = place.open();
        log.append(vec![any_record(); 3]).unwrap();
        drop(log);
        fs::write(place.high_water(), &mark).unwrap();
        assert!(matches!(place.try_open(), Err(LogError::Fork { size: 2 })));
        fs::remove_file(place.dir().join("checkpoint")).unwrap();
        assert!(matches!(place.try_open(), Err(LogError::Damaged { .. })));
    }

    #[test]
    fn a_log_without_its_mark_is_refused_until_somebody_vouches_for_it() {
        let place = Place::new();
        place.open().close().unwrap();
        fs::remove_file(place.high_water()).unwrap();
        assert!(matches!(place.try_open(), Err(LogError::HighWaterMissing { .. })));
        fs::copy(place.dir().join("checkpoint"), place.high_water()).unwrap();
        place.open().close().unwrap();
        let mut other = place.settings();
        other.key = NoteKey::generate(&other.origin).unwrap();
        let opened = TransferLog::open(other, clock(), Box::new(Follower::default()));
        assert!(matches!(opened, Err(LogError::Note { source: NoteFault::NoSignature, .. })));
    }

    #[test]
    fn numbers_of_persons_are_taken_out_and_that_is_noted() {
        let place = Place::new();
        let log = place.open();
        let mut record = any_record();
        record.context.key = Some("sleutel 85.07.30-033.28".to_owned());
        let appended = log.append(vec![record, any_record()]).unwrap();
        assert_eq!(appended.len(), 2);
        log.close().unwrap();
        let found = all(&place);
        assert_eq!(found[1].context.key.as_deref(), Some("sleutel [***]"));
        assert_eq!(found[2].event, Event::Redacted(Redacted { count: 1 }));
        assert_eq!(found[2].context, found[1].context);
        assert_eq!(found[3].event, any_record().event);
        assert_eq!(appended[1].seq, 3);
    }

    #[test]
    fn nothing_that_is_disclosed_is_on_disk() {
        struct Kept(mpsc::Sender<(u64, Vec<String>)>);
        impl DisclosureSink for Kept {
            fn keep(
                &mut self,
                _: Option<&crate::domain::TenantId>,
                seq: u64,
                _: Timestamp,
                disclosures: &[String],
            ) -> Result<(), IndexError> {
                self.0.send((seq, disclosures.to_vec())).map_err(IndexError::new)
            }
        }
        let place = Place::new();
        let (sender, receiver) = mpsc::channel();
        let sink = Box::new(Kept(sender));
        let log = TransferLog::open_keeping(place.settings(), clock(), Box::new(Follower::default()), sink).unwrap();
        let address = Disclosed { name: "ip", value: "192.0.2.7".to_owned() };
        log.append(vec![any_record(), any_record().disclosing([address])]).unwrap();
        let (seq, disclosures) = receiver.try_recv().unwrap();
        assert_eq!((seq, disclosures.len()), (2, 1));
        assert!(receiver.try_recv().is_err());
        let entry = log.entry(2).unwrap();
        assert!(!String::from_utf8(entry).unwrap().contains("192.0.2.7"));
        // A keeper that cannot keep stops the entry, and nothing else.
        drop(receiver);
        let address = Disclosed { name: "ip", value: "192.0.2.7".to_owned() };
        let refused = log.append(vec![any_record().disclosing([address])]);
        assert!(matches!(refused, Err(LogError::Disclosures(_))));
        assert_eq!(log.append(vec![any_record()]).unwrap()[0].seq, 3);
        log.close().unwrap();
        place.verify().unwrap();
    }

    #[test]
    fn many_threads_and_tasks_write_at_once() {
        let place = Place::new();
        let mut settings = place.settings();
        settings.checkpoint_every = Duration::from_millis(5);
        let log = TransferLog::open(settings, clock(), Box::new(Follower::default())).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let log = log.clone();
                scope.spawn(move || {
                    for round in 0..20 {
                        let places = log.append(vec![any_record(); 1 + (thread + round) % 3]).unwrap();
                        assert!(places.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
                        assert!(log.size() > places.last().unwrap().seq);
                        assert!(log.entry(places[0].seq).is_ok());
                    }
                });
            }
            // Another process may read and verify meanwhile.
            for _ in 0..20 {
                let read = all(&place);
                assert!(read.iter().zip(0..).all(|(entry, seq)| entry.seq == seq));
                place.verify().unwrap();
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let places = runtime.block_on(async {
            let (one, two) = tokio::join!(log.append_async(vec![any_record()]), log.append_async(vec![any_record()]));
            [one.unwrap(), two.unwrap()].concat()
        });
        assert_eq!(places.len(), 2);
        let size = log.size();
        log.close().unwrap();
        assert_eq!(place.verify().unwrap().checkpoint.size, size + 1);
    }

    #[test]
    fn a_log_of_three_levels_verifies_and_opens() {
        let place = Place::new();
        let log = place.open();
        for _ in 0..17 {
            log.append(vec![any_record(); MAX_GROUP]).unwrap();
        }
        let size = log.checkpoint_now().unwrap().size;
        assert!(size > 65_536 + 256);
        drop(log);
        let verified = place.verify().unwrap();
        assert_eq!((verified.checkpoint.size, verified.unsigned), (size, 0));
        assert!(place.dir().join("tile/2/000.p/1").is_file());
        let high_water = HighWater::new(&place.high_water_dir(), place.key.name());
        let recovered = recover(&place.dir(), &place.key, &high_water).unwrap();
        assert_eq!((recovered.edge.root(), recovered.tail), (verified.checkpoint.root, 0));
        assert_eq!(entries_from(&place.dir(), 65_537).unwrap().next().unwrap().unwrap().seq, 65_537);
    }

    #[test]
    fn only_the_last_two_checkpoints_have_partial_tiles() {
        let place = Place::new();
        let log = place.open();
        for _ in 0..4 {
            log.append(vec![any_record()]).unwrap();
            log.checkpoint_now().unwrap();
        }
        let partial = |place: &Place| {
            let mut names: Vec<_> = fs::read_dir(place.dir().join("tile/0/000.p"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(partial(&place), ["4", "5"]);
        drop(log);
        let log = place.open();
        log.append(vec![any_record()]).unwrap();
        log.checkpoint_now().unwrap();
        log.append(vec![any_record(); 300]).unwrap();
        log.checkpoint_now().unwrap();
        log.append(vec![any_record()]).unwrap();
        log.checkpoint_now().unwrap();
        assert!(!place.dir().join("tile/0/000.p").exists());
        assert!(!place.dir().join("tile/entries/000.p").exists());
        place.verify().unwrap();
    }

    #[test]
    fn a_checkpoint_that_fails_is_made_up_for() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 300]).unwrap();
        fs::rename(place.dir().join("tile"), place.dir().join("aside")).unwrap();
        fs::write(place.dir().join("tile"), "in the way").unwrap();
        assert!(matches!(log.checkpoint_now(), Err(LogError::File { .. })));
        log.append(vec![any_record(); 300]).unwrap();
        fs::remove_file(place.dir().join("tile")).unwrap();
        fs::rename(place.dir().join("aside"), place.dir().join("tile")).unwrap();
        assert_eq!(log.checkpoint_now().unwrap().size, 601);
        assert!(!log.is_failed());
        place.verify().unwrap();
    }

    #[test]
    fn an_index_that_cannot_follow_ends_the_log() {
        struct Stuck(Follower);
        impl Index for Stuck {
            fn position(&self) -> Result<Position, IndexError> {
                self.0.position()
            }
            fn apply(&mut self, entries: &[StoredEntry]) -> Result<(), IndexError> {
                if entries.len() > 1 { Err(IndexError::new(std::fmt::Error)) } else { self.0.apply(entries) }
            }
            fn reset(&mut self) -> Result<(), IndexError> {
                self.0.reset()
            }
        }
        let place = Place::new();
        let log = TransferLog::open(place.settings(), clock(), Box::new(Stuck(Follower::default()))).unwrap();
        log.append(vec![any_record()]).unwrap();
        assert!(matches!(log.append(vec![any_record(); 2]), Err(LogError::Index(_))));
        assert!(log.is_failed());
        assert!(matches!(log.append(vec![any_record()]), Err(LogError::Failed)));
        drop(log);
        // The entries were durable, and the next start finds them.
        let log = place.open();
        assert_eq!(log.size(), 6);
        drop(log);
        assert_eq!(names(&place)[4], "log.recovered");
    }

    #[test]
    fn an_index_of_another_log_is_built_anew() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![Record::success(Event::Delete {}, context())]).unwrap();
        log.close().unwrap();
        for position in [
            Position { size: 2, last: Some([0; 32]) },
            Position { size: 2, last: None },
            Position { size: 99, last: Some([0; 32]) },
        ] {
            let mut index = Follower::of(position);
            let size = all(&place).len() as u64;
            catch_up(&place.dir(), size, &mut index).unwrap();
            assert_eq!(index.position().unwrap(), Position::after(all(&place).last().unwrap()));
        }
    }
}
