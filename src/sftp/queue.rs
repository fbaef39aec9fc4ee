//! Memory for requests and replies that wait: of one connection over all of its channels, and of all together.
//!
//! Invariant: a connection may always have [`OF_ITS_OWN`], so that nobody who is greedy brings another to a stop; what it
//! has more comes from [`SHARED`], and is at most [`MOST_OF_CONNECTION`] with it. Sessions count in steps of [`STEP`], and
//! keep a little of what they gave back, so that a request costs a comparison and no lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// For all connections together. One tenant with 16 connections can have half of it.
const SHARED: usize = 256 << 20;

/// For each connection: some requests on each of ten channels.
const OF_ITS_OWN: usize = 256 << 10;

/// For one connection at most, on one channel or all: half of what OpenSSH has on its way with 64 writes of 256 KiB.
const MOST_OF_CONNECTION: usize = 8 << 20;

/// What is taken at once.
const STEP: usize = 32 << 10;

/// What a session that is at work keeps of what it does not need any more.
const SLACK: usize = 256 << 10;

/// What that many connections may have at most, bytes.
pub(crate) const fn most_bytes(connections: u64) -> u64 {
    SHARED as u64 + OF_ITS_OWN as u64 * connections
}

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct QueueMemory {
    free: Arc<Mutex<usize>>,
}

/// What the channels of one connection share.
#[derive(Debug)]
pub(super) struct ConnectionQueue {
    shared: QueueMemory,
    taken: Mutex<usize>,
}

/// What one channel's session has; it goes back when this is dropped.
#[derive(Debug)]
pub(super) struct Queued {
    of: Arc<ConnectionQueue>,
    bytes: usize,
}

impl Default for QueueMemory {
    fn default() -> Self {
        Self { free: Arc::new(Mutex::new(SHARED)) }
    }
}

impl QueueMemory {
    pub(super) fn connection(&self) -> Arc<ConnectionQueue> {
        Arc::new(ConnectionQueue { shared: self.clone(), taken: Mutex::new(0) })
    }
}

impl ConnectionQueue {
    pub(super) fn session(self: &Arc<Self>) -> Queued {
        Queued { of: Arc::clone(self), bytes: 0 }
    }

    /// Takes more; false, and nothing taken, when there is not enough.
    fn take(&self, bytes: usize) -> bool {
        let mut taken = lock(&self.taken);
        let after = taken.saturating_add(bytes);
        let more = beyond_its_own(after) - beyond_its_own(*taken);
        if after > MOST_OF_CONNECTION {
            return false;
        }
        if more > 0 {
            let mut free = lock(&self.shared.free);
            let Some(left) = free.checked_sub(more) else { return false };
            *free = left;
        }
        *taken = after;
        true
    }

    fn give_back(&self, bytes: usize) {
        let mut taken = lock(&self.taken);
        let after = taken.saturating_sub(bytes);
        let less = beyond_its_own(*taken) - beyond_its_own(after);
        if less > 0 {
            *lock(&self.shared.free) += less;
        }
        *taken = after;
    }
}

impl Queued {
    /// Follows what waits in a session now; false when there is no memory for it, so that the session should take
    /// nothing more. An idle session keeps nothing.
    pub(super) fn follow(&mut self, load: usize, idle: bool) -> bool {
        if load > self.bytes {
            let more = (load - self.bytes).next_multiple_of(STEP);
            if !self.of.take(more) {
                return false;
            }
            self.bytes += more;
        } else if self.bytes > 0 && (idle || self.bytes - load > SLACK) {
            let less = self.bytes - load.next_multiple_of(STEP).min(self.bytes);
            self.of.give_back(less);
            self.bytes -= less;
        }
        true
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.of.give_back(self.bytes);
    }
}

fn beyond_its_own(bytes: usize) -> usize {
    bytes.saturating_sub(OF_ITS_OWN)
}

fn lock(bytes: &Mutex<usize>) -> MutexGuard<'_, usize> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(memory: &QueueMemory) -> usize {
        *lock(&memory.free)
    }

    #[test]
    fn the_channels_of_a_connection_have_one_bound() {
        let memory = QueueMemory::default();
        let connection = memory.connection();
        let mut sessions: Vec<Queued> = (0..10).map(|_| connection.session()).collect();
        let granted = sessions.iter_mut().filter_map(|session| session.follow(2 << 20, false).then_some(())).count();
        assert_eq!((granted, SHARED - free(&memory)), (4, MOST_OF_CONNECTION - OF_ITS_OWN));
        // What one gives back another takes.
        assert!(sessions[0].follow(0, false) && sessions[9].follow(1 << 20, false));
        drop(sessions);
        assert_eq!((free(&memory), *lock(&connection.taken)), (SHARED, 0));
    }

    #[test]
    fn who_is_greedy_leaves_each_other_connection_its_own() {
        let memory = QueueMemory::default();
        let mut greedy: Vec<Queued> = (0..64).map(|_| memory.connection().session()).collect();
        let granted = greedy.iter_mut().filter_map(|one| one.follow(MOST_OF_CONNECTION, false).then_some(())).count();
        assert_eq!((granted, free(&memory)), (33, SHARED - 33 * (MOST_OF_CONNECTION - OF_ITS_OWN)));
        let mut last = memory.connection().session();
        assert!(last.follow(OF_ITS_OWN, false) && !last.follow(MOST_OF_CONNECTION, false));
        drop(greedy);
        assert!(last.follow(MOST_OF_CONNECTION, false));
    }

    #[test]
    fn a_session_at_work_takes_and_gives_seldom_and_an_idle_one_keeps_nothing() {
        let memory = QueueMemory::default();
        let mut session = memory.connection().session();
        assert!(session.follow(1, false));
        assert_eq!(session.bytes, STEP);
        assert!(session.follow(STEP, false) && session.follow(0, false));
        assert_eq!(session.bytes, STEP);
        assert!(session.follow(SLACK + 3 * STEP, false) && session.follow(STEP + 1, false));
        assert_eq!(session.bytes, 2 * STEP);
        assert!(session.follow(0, true));
        assert_eq!((session.bytes, *lock(&session.of.taken)), (0, 0));
    }
}
