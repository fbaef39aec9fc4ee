//! Noticing that files were replaced.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// How long files must be left alone before they are read: an editor or a copy writes several times.
const SETTLE: Duration = Duration::from_millis(300);

/// How long changes may go on and on before the files are read all the same.
const LONGEST_SETTLE: Duration = Duration::from_secs(5);

/// Watches directories until it is dropped.
pub(super) struct DirectoryWatch {
    _watcher: Arc<Mutex<RecommendedWatcher>>,
}

impl DirectoryWatch {
    /// Calls `changed`, in a thread of its own, each time that files for which `concerns` is true, or the directories
    /// themselves, have changed and were then left alone. `directories` is asked again after each call: they may be
    /// others then, or have been put in place anew.
    ///
    /// # Errors
    /// When the system cannot watch. Directories that are not there are noticed when they appear in another one that
    /// is watched.
    pub fn start(
        directories: impl Fn() -> Vec<PathBuf> + Send + 'static,
        concerns: impl Fn(&Path) -> bool + Send + 'static,
        mut changed: impl FnMut() + Send + 'static,
    ) -> Result<Self, notify::Error> {
        let (events, received) = channel();
        let watched = Arc::new(Mutex::new(BTreeSet::new()));
        let of_ours = watched.clone();
        let watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
            let relevant = match event {
                // Events were lost: something may have changed.
                Ok(event) if event.need_rescan() => true,
                Ok(event) if event.kind.is_access() => false,
                Ok(event) => event.paths.iter().any(|path| concerns(path) || is_of(&of_ours, path)),
                Err(_) => true,
            };
            if relevant {
                // The receiver is gone only while this watch is being dropped.
                let _ = events.send(());
            }
        })?;
        let watcher = Arc::new(Mutex::new(watcher));
        watch(&watcher, &watched, directories());
        let ours = Arc::downgrade(&watcher);
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || {
                let watch_again = || {
                    let watcher = ours.upgrade();
                    watcher.map(|watcher| watch(&watcher, &watched, directories())).is_some()
                };
                // Before, so that nothing is missed of a directory put in place anew; after, for those named by it.
                while settled(&received) && watch_again() {
                    changed();
                    if !watch_again() {
                        return;
                    }
                }
            })
            .map_err(notify::Error::io)?;
        Ok(Self { _watcher: watcher })
    }
}

/// Waits for a change, and until changes have stopped; false when there will be none any more.
fn settled(received: &Receiver<()>) -> bool {
    if received.recv().is_err() {
        return false;
    }
    let began = Instant::now();
    loop {
        match received.recv_timeout(SETTLE) {
            Ok(()) if began.elapsed() >= LONGEST_SETTLE => return true,
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

type Watched = Mutex<BTreeSet<PathBuf>>;

fn is_of(watched: &Watched, path: &Path) -> bool {
    watched.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
}

/// Watches these directories. One that was watched before may be another now, under the same name.
fn watch(watcher: &Mutex<RecommendedWatcher>, watched: &Watched, directories: Vec<PathBuf>) {
    for directory in directories.iter().filter(|directory| directory.is_dir()) {
        let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
            tracing::warn!(%error, directory = %directory.display(), "changes here will not be noticed");
        }
    }
    watched.lock().unwrap_or_else(PoisonError::into_inner).extend(directories);
}
