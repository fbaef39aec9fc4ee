//! Threads for connections: one a processor, and all tasks of a connection on one of them.
//!
//! A connection's transport and its sessions hand each other every packet. Where tasks may run on any thread, each hand-over
//! may wake another processor, which finds nothing to do; that cost a tenth of a transfer. A connection goes to the
//! thread that has the fewest.
//!
//! Invariant: nothing here waits for a disk. What may has threads of its own, which each of these has some of.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// Threads that may wait for disks, for all together: what a runtime has by itself. They are made when they are needed.
const BLOCKING_THREADS: usize = 512;

/// For one thread's connections at least: where syncs get stuck, others still log in.
const FEWEST_BLOCKING: usize = 64;

/// The threads. They end after the last task of each, once this is dropped.
pub(super) struct Shards {
    shards: Vec<Shard>,
}

struct Shard {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    /// The thread ends when this is dropped.
    _running: oneshot::Sender<()>,
}

/// A connection on a thread; it counts until this is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shards {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system's, where it has no more threads or files.
    pub(super) fn start() -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let blocking = BLOCKING_THREADS.div_ceil(count).max(FEWEST_BLOCKING);
        let shards = (0..count).map(|_| Shard::start(blocking)).collect::<io::Result<_>>()?;
        Ok(Self { shards })
    }

    /// Runs a connection.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let Some(shard) = self.shards.iter().min_by_key(|shard| shard.connections.load(Ordering::Relaxed)) else {
            return;
        };
        shard.connections.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&shard.connections));
        shard.runtime.spawn(async move {
            connection.await;
            drop(counted);
        });
    }
}

impl Shard {
    fn start(blocking_threads: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(blocking_threads).build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("sftp".to_owned()).spawn(move || {
            // It ends by being dropped.
            let _dropped = runtime.block_on(ended);
        })?;
        Ok(Self { runtime: handle, connections: Arc::default(), _running: running })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    #[tokio::test]
    async fn connections_are_spread_and_each_stays_on_its_thread() {
        let shards = Shards::start().unwrap();
        let count = shards.shards.len();
        let (told, mut threads) = mpsc::unbounded_channel();
        let ends = Arc::new(Semaphore::new(0));
        for _ in 0..3 * count {
            let (told, ends) = (told.clone(), Arc::clone(&ends));
            shards.spawn(async move {
                let first = thread::current().id();
                let inner = tokio::spawn(async { thread::current().id() }).await.unwrap();
                told.send((first, inner)).unwrap();
                ends.acquire().await.unwrap().forget();
            });
        }
        let mut connections: HashMap<_, usize> = HashMap::new();
        for _ in 0..3 * count {
            let (first, inner) = threads.recv().await.unwrap();
            assert_eq!(first, inner);
            *connections.entry(first).or_default() += 1;
        }
        assert!(connections.len() == count && connections.values().all(|each| *each == 3), "{connections:?}");
        ends.add_permits(3 * count);
        drop(told);
        assert_eq!(threads.recv().await, None);
    }
}
