//! Noticing that files were replaced.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// How long files must be left alone before they are read: an editor or a copy writes several times.
const SETTLE: Duration = Duration::from_millis(300);

/// Watches directories until it is dropped.
pub(super) struct DirectoryWatch {
    _watcher: RecommendedWatcher,
}

impl DirectoryWatch {
    /// Calls `changed`, in a thread of its own, each time that files of `directories` for which `concerns` is true
    /// have changed and were then left alone.
    ///
    /// # Errors
    /// When the system cannot watch. Directories that are not there are passed over with a warning.
    pub fn start(
        directories: &[PathBuf],
        concerns: impl Fn(&Path) -> bool + Send + 'static,
        mut changed: impl FnMut() + Send + 'static,
    ) -> Result<Self, notify::Error> {
        let (events, received) = channel();
        let mut watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
            let relevant = match event {
                Ok(event) => !event.kind.is_access() && event.paths.iter().any(|path| concerns(path)),
                // Events were lost: something may have changed.
                Err(_) => true,
            };
            if relevant {
                // The receiver is gone only while this watch is being dropped.
                let _ = events.send(());
            }
        })?;
        for directory in directories {
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, directory = %directory.display(), "changes here will not be noticed");
            }
        }
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || {
                while received.recv().is_ok() {
                    loop {
                        match received.recv_timeout(SETTLE) {
                            Ok(()) => {}
                            Err(RecvTimeoutError::Timeout) => break,
                            Err(RecvTimeoutError::Disconnected) => return,
                        }
                    }
                    changed();
                }
            })
            .map_err(notify::Error::io)?;
        Ok(Self { _watcher: watcher })
    }
}
