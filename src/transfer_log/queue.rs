//! What waits for the committer.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Appended, Checkpoint, LogError, MAX_BATCH, MAX_WAITING, entry::Prepared};

/// Entries without a checkpoint, at most: 16 batches. While the publisher is behind, writing waits; when it cannot
/// publish (a full disk), nothing is taken until it can, so that memory and the next start stay bounded.
const MAX_UNPUBLISHED: u64 = 65_536;

/// How long a batch that could not be written says that the next one cannot be either.
const FAULT_STANDS: Duration = Duration::from_secs(30);

/// How long entries that are not urgent wait for others: as long as somebody who looks at the log hardly notices. Half
/// of what is written at a busy hour says that something ended; a disk that is to keep two things at once has half the
/// work.
const SOON: Duration = Duration::from_millis(200);

/// Tells one caller how it went.
pub(super) type Reply<T> = Box<dyn FnOnce(Result<T, LogError>) + Send>;

/// Records that are written together or not at all, and who is told.
pub(super) struct Group {
    pub records: Vec<Prepared>,
    pub reply: Reply<Vec<Appended>>,
    /// Whether somebody waits for the reply, or may look for what it says.
    pub urgent: bool,
}

/// What the committer does next.
pub(super) enum Work {
    /// Write these groups.
    Write(Vec<Group>),
    /// Hand over to the publisher: the time has come, or these want a checkpoint.
    Publish(Vec<Reply<Checkpoint>>),
    /// Close in order, and answer.
    Close(Reply<()>),
    /// End at once, as if the power had gone: every handle was dropped, or the publisher failed.
    End,
}

/// The queue between callers and the committer, and what it tells of the log.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// For those who wait for a checkpoint that they did not ask for.
    followed: Condvar,
    size: AtomicU64,
    published: AtomicU64,
    failed: AtomicBool,
}

/// Ends the log when the thread that holds this panics: nobody is left to answer those who wait.
pub(super) struct EndedByPanic(pub Arc<Queue>);

impl Drop for EndedByPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a thread of the transfer log panicked: the log has failed for good");
            self.0.end(&LogError::Failed);
        }
    }
}

#[derive(Default)]
struct State {
    groups: VecDeque<Group>,
    /// Records in them.
    waiting: usize,
    /// How many of them are to be written at once.
    urgent: usize,
    /// When the others are to be written at the latest.
    soon: Option<Instant>,
    /// When the committer looks at all this at the latest; none while only a call wakes it.
    looks: Option<Instant>,
    checkpoints: Vec<Reply<Checkpoint>>,
    close: Option<Reply<()>>,
    abandoned: bool,
    /// How long the publisher waits before it tries again; set while it works.
    publishing: Option<Duration>,
    /// What kept it from publishing the last time, and when it is to try again.
    unpublished: Option<(LogError, Instant)>,
    /// When a batch could last not be written; none once one could.
    unwritten: Option<Instant>,
    /// Why nothing more is taken.
    ended: Option<LogError>,
}

impl Queue {
    /// A queue before a log of `size` entries, of which the first `published` are under a checkpoint.
    pub fn new(size: u64, published: u64) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            followed: Condvar::new(),
            size: AtomicU64::new(size),
            published: AtomicU64::new(published),
            failed: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change under the lock is one step, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a group. Its reply comes later, or never when this fails.
    pub fn push(&self, group: Group) -> Result<(), LogError> {
        let mut state = self.state();
        state.open()?;
        if state.waiting + group.records.len() > MAX_WAITING {
            return Err(LogError::Busy);
        }
        state.waiting += group.records.len();
        let wakes = if group.urgent {
            state.urgent += 1;
            true
        } else {
            let soon = *state.soon.get_or_insert_with(|| Instant::now() + SOON);
            state.looks.is_none_or(|looks| looks > soon)
        };
        state.groups.push_back(group);
        if wakes {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Asks for a checkpoint over everything that waits now.
    pub fn publish(&self, reply: Reply<Checkpoint>) -> Result<(), LogError> {
        let mut state = self.state();
        state.open()?;
        state.checkpoints.push(reply);
        self.changed.notify_one();
        Ok(())
    }

    /// Asks for the end, after everything that waits now.
    pub fn close(&self, reply: Reply<()>) -> Result<(), LogError> {
        let mut state = self.state();
        state.open()?;
        state.close = Some(reply);
        self.changed.notify_one();
        Ok(())
    }

    /// Ends the committer at once.
    pub fn abandon(&self) {
        self.state().abandoned = true;
        self.changed.notify_one();
        self.followed.notify_all();
    }

    /// Waits for work; a hand-over is due at `due`.
    pub fn next(&self, due: Option<Instant>) -> Work {
        let mut state = self.state();
        loop {
            if state.abandoned {
                return Work::End;
            }
            let idle = state.publishing.is_none();
            let retry = state.unpublished.as_ref().map(|(_, at)| *at);
            let due = due.into_iter().chain(retry).min().filter(|_| idle);
            let now = Instant::now();
            // First what is due, or a busy log would never publish; then what waits; then what wants a checkpoint
            // over it.
            if due.is_some_and(|due| due <= now) {
                // Who wants a checkpoint wants it over what waits.
                let wanted = if state.groups.is_empty() { std::mem::take(&mut state.checkpoints) } else { Vec::new() };
                return Work::Publish(wanted);
            }
            let write = state.write_at(now).filter(|_| idle || !self.is_far_ahead());
            if write.is_some_and(|write| write <= now) {
                return Work::Write(state.take_batch());
            }
            if !state.checkpoints.is_empty() && idle {
                return Work::Publish(std::mem::take(&mut state.checkpoints));
            }
            if state.groups.is_empty()
                && let Some(reply) = state.close.take_if(|_| idle)
            {
                return Work::Close(reply);
            }
            let looks = due.into_iter().chain(write).min();
            state.looks = looks;
            state = match looks {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(looks) => {
                    let waited = self.changed.wait_timeout(state, looks - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.looks = Some(now);
        }
    }

    fn is_far_ahead(&self) -> bool {
        self.size() - self.published.load(Ordering::SeqCst) > MAX_UNPUBLISHED
    }

    /// Whether more may be written, or what keeps too much from being published.
    pub fn may_write(&self) -> Result<(), LogError> {
        if !self.is_far_ahead() {
            return Ok(());
        }
        let state = self.state();
        Err(state.unpublished.as_ref().map_or(LogError::Busy, |(error, _)| error.clone()))
    }

    /// A batch was written, or could not be.
    pub fn wrote(&self, succeeded: bool) {
        self.state().unwritten = (!succeeded).then(Instant::now);
    }

    /// Whether what is given to it is written and published, as far as is known: a fault of writing of long ago may be
    /// over without anybody having tried.
    pub fn is_writing(&self) -> bool {
        let state = self.state();
        let failing = state.unwritten.is_some_and(|at| at.elapsed() < FAULT_STANDS);
        state.ended.is_none() && state.unpublished.is_none() && !failing
    }

    /// Entries that are under a published checkpoint.
    pub fn published_size(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }

    /// The publisher has work; should it fail, it tries again after `retry`.
    pub fn publishing(&self, retry: Duration) {
        self.state().publishing = Some(retry);
    }

    /// The publisher has done its work, or could not.
    pub fn published(&self, outcome: Result<Checkpoint, LogError>) {
        let mut state = self.state();
        let retry = state.publishing.take().unwrap_or_default();
        state.unpublished = None;
        match outcome {
            Ok(checkpoint) => self.published.store(checkpoint.size, Ordering::SeqCst),
            Err(error) if error.is_fatal() => {
                drop(state);
                return self.end(&error);
            }
            Err(error) => state.unpublished = Some((error, Instant::now() + retry)),
        }
        self.changed.notify_one();
        self.followed.notify_all();
    }

    /// Waits until more than `beyond` entries are under a checkpoint, and says how many; none once the log has ended.
    pub fn wait_published(&self, beyond: u64) -> Option<u64> {
        let mut state = self.state();
        loop {
            let published = self.published.load(Ordering::SeqCst);
            if published > beyond {
                return Some(published);
            }
            if state.abandoned || state.ended.is_some() {
                return None;
            }
            state = self.followed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes nothing more, and tells everybody who waits why.
    pub fn end(&self, why: &LogError) {
        let mut state = self.state();
        // The first end is the one that counts.
        state.ended.get_or_insert(if why.is_fatal() { LogError::Failed } else { why.clone() });
        state.abandoned = true;
        self.failed.fetch_or(why.is_fatal(), Ordering::SeqCst);
        let (groups, checkpoints) = (std::mem::take(&mut state.groups), std::mem::take(&mut state.checkpoints));
        let close = state.close.take();
        drop(state);
        for group in groups {
            (group.reply)(Err(why.clone()));
        }
        for reply in checkpoints {
            reply(Err(why.clone()));
        }
        if let Some(reply) = close {
            reply(Err(why.clone()));
        }
        self.changed.notify_one();
        self.followed.notify_all();
    }

    pub fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::SeqCst);
    }

    pub fn size(&self) -> u64 {
        self.size.load(Ordering::SeqCst)
    }

    pub fn is_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }
}

impl State {
    fn open(&self) -> Result<(), LogError> {
        if self.close.is_some() {
            return Err(LogError::Closed);
        }
        self.ended.clone().map_or(Ok(()), Err)
    }

    /// When what waits is to be written; none when nothing does.
    fn write_at(&self, now: Instant) -> Option<Instant> {
        let at_once =
            self.urgent > 0 || self.close.is_some() || !self.checkpoints.is_empty() || self.waiting >= MAX_BATCH;
        if self.groups.is_empty() {
            None
        } else if at_once {
            Some(now)
        } else {
            self.soon
        }
    }

    /// As many groups as one batch takes, at least one.
    fn take_batch(&mut self) -> Vec<Group> {
        let (mut batch, mut records) = (Vec::new(), 0);
        while let Some(group) = self.groups.front() {
            records += group.records.len();
            if records > MAX_BATCH && !batch.is_empty() {
                break;
            }
            if let Some(group) = self.groups.pop_front() {
                self.waiting -= group.records.len();
                self.urgent -= usize::from(group.urgent);
                batch.push(group);
            }
        }
        self.soon = self.soon.filter(|_| !self.groups.is_empty());
        batch
    }
}
