//! The calls that change files, in one place: each is a call of the system and nothing more.
//!
//! They stand here so that tests can have each of them fail, lost or done but reported lost (`faults`, in test builds
//! only). A failed synchronisation is never to be tried again: the kernel may have dropped the pages.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// Opens or makes a file as `options` say.
///
/// # Errors
/// The system's; so for all of these.
pub fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
    call(path, || options.open(path))
}

/// Writes all bytes at an offset.
///
/// # Errors
/// The system's.
pub fn write_all_at(file: &File, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
    call(path, || file.write_all_at(bytes, offset))
}

/// Sets a file's length.
///
/// # Errors
/// The system's.
pub fn set_len(file: &File, path: &Path, length: u64) -> io::Result<()> {
    call(path, || file.set_len(length))
}

/// Brings a file's content to disk (`fdatasync`).
///
/// # Errors
/// The system's.
pub fn sync_data(file: &File, path: &Path) -> io::Result<()> {
    call(path, || file.sync_data())
}

/// Brings a file, or a directory's entries, to disk (`fsync`).
///
/// # Errors
/// The system's.
pub fn sync_all(file: &File, path: &Path) -> io::Result<()> {
    call(path, || file.sync_all())
}

/// Renames a file within its file system.
///
/// # Errors
/// The system's.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    call(to, || fs::rename(from, to))
}

/// Removes a file.
///
/// # Errors
/// The system's.
pub fn remove_file(path: &Path) -> io::Result<()> {
    call(path, || fs::remove_file(path))
}

#[cfg(not(test))]
fn call<T>(_path: &Path, action: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    action()
}

#[cfg(test)]
use faults::call;

#[cfg(test)]
pub(crate) mod faults {
    //! Has one of the calls below a directory fail.

    use std::{
        io,
        path::{Path, PathBuf},
        sync::{Mutex, PoisonError},
    };

    use rustix::io::Errno;

    /// How a call fails.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Failure {
        /// Nothing was done.
        Lost(Errno),
        /// It was done, and reported as failed.
        DoneButReportedLost(Errno),
    }

    /// Calls below a directory: how many came, and which are to fail.
    struct Plan {
        root: PathBuf,
        calls: usize,
        fail: Vec<(usize, Failure)>,
    }

    static PLANS: Mutex<Vec<Plan>> = Mutex::new(Vec::new());

    /// Counts the calls below `root`, and lets those of these numbers fail, from 0.
    pub(crate) fn plan(root: &Path, fail: impl IntoIterator<Item = (usize, Failure)>) {
        let fail = fail.into_iter().collect();
        let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
        plans.retain(|plan| plan.root != root);
        plans.push(Plan { root: root.to_owned(), calls: 0, fail });
    }

    /// The calls below `root` since [`plan`]; none fails any more.
    pub(crate) fn end(root: &Path) -> usize {
        let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
        let at = plans.iter().position(|plan| plan.root == root);
        at.map_or(0, |at| plans.swap_remove(at).calls)
    }

    fn strike(path: &Path) -> Option<Failure> {
        let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = plans.iter_mut().find(|plan| path.starts_with(&plan.root))?;
        plan.calls += 1;
        plan.fail.iter().find(|(at, _)| at + 1 == plan.calls).map(|(_, failure)| *failure)
    }

    pub(super) fn call<T>(path: &Path, action: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match strike(path) {
            None => action(),
            Some(Failure::Lost(errno)) => Err(errno.into()),
            Some(Failure::DoneButReportedLost(errno)) => {
                drop(action()?);
                Err(errno.into())
            }
        }
    }
}
