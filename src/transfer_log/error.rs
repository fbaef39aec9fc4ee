//! What can go wrong with the log.

use std::{io, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use rustix::io::Errno;

use super::note::NoteFault;
use crate::seal::SealError;

/// Why the log did not do what was asked. Cheap to clone: one fault answers everybody who waits.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The log was closed.
    #[error("the transfer log is closed")]
    Closed,
    /// The log failed for good: the process has to end, and start again.
    #[error("the transfer log failed earlier and takes nothing more")]
    Failed,
    /// A synchronisation failed, or what a failed write left could not be cut: what is on disk is no longer known. The log
    /// has failed for good.
    #[error("could not bring {path} to disk")]
    Sync {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file could not be read, written, made or renamed. The next try may succeed.
    #[error("could not {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// Another process has the log open.
    #[error("another process uses the transfer log in {path}")]
    InUse {
        /// The log's directory.
        path: PathBuf,
    },
    /// More waits than the log takes ([`super::MAX_WAITING`]).
    #[error("too many entries wait for the transfer log")]
    Busy,
    /// A group of no records, or of more than the log takes in one ([`super::MAX_GROUP`]).
    #[error("a group of {count} entries cannot be written as one")]
    GroupSize {
        /// Records in it.
        count: usize,
    },
    /// An entry longer than 65,535 bytes.
    #[error("an entry of {length} bytes is too long")]
    EntryTooLong {
        /// Its bytes.
        length: usize,
    },
    /// An entry with a value that the format excludes.
    #[error("an entry holds a value that has no place in the log: {problem}")]
    EntryValue {
        /// Which.
        problem: &'static str,
    },
    /// A stored entry that is none, or that this version does not know.
    #[error("entry {seq} cannot be read: {problem}")]
    StoredEntry {
        /// Its place.
        seq: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such entry.
    #[error("the transfer log has no entry {seq}")]
    NoEntry {
        /// The place asked for.
        seq: u64,
    },
    /// A file of the log is not what it should be.
    #[error("{path} is damaged: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A checkpoint or key that does not verify.
    #[error("{path} does not verify")]
    Note {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: NoteFault,
    },
    /// The log is shorter than it was: somebody put back an older one.
    #[error(
        "the transfer log has {size} entries, but had {high_water} before: an older copy was put back, or \
             this is another directory; in an empty one, `groeikluis restore` puts a backup in place"
    )]
    Rollback {
        /// Entries now.
        size: u64,
        /// Entries at the high-water mark.
        high_water: u64,
    },
    /// The log is not the one that it was.
    #[error("the transfer log is not the one of its high-water mark: at {size} entries its root differs")]
    Fork {
        /// Where both were compared.
        size: u64,
    },
    /// There is a log, but nothing that tells how far it had come.
    #[error(
        "there is no high-water mark {path} for this log; if the log is known to be whole, copy its checkpoint there"
    )]
    HighWaterMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The index could not follow. The log has failed for good, since readers would see what is past.
    #[error("the index of the transfer log could not follow")]
    Index(#[source] IndexError),
    /// The key to a month's disclosures. Nothing was written.
    #[error("the key {path} to a month's disclosures cannot be used")]
    DisclosureKey {
        /// The key's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<SealError>,
    },
    /// The log of the year before holds entries that no checkpoint covers, and its key is gone.
    #[error(
        "the log {origin} was not closed in order: start once more with its origin and key, stop, and then change them"
    )]
    NotClosed {
        /// The origin of that log.
        origin: String,
    },
    /// A log of an earlier year is not there, and an index would be made without what it tells.
    #[error(
        "{later} goes on from the log {origin}, which is not among those of earlier years: put it back there; where it is \
         gone for good, `groeikluis ledger rebuild --without-earlier` makes the ledger of what is left, which then knows \
         neither which protocols were used before nor which files are to be removed"
    )]
    EarlierMissing {
        /// The log that names it.
        later: PathBuf,
        /// Its origin.
        origin: String,
    },
    /// A log would begin, and a log of this exchange is not where its mark says that there is one.
    #[error(
        "{path} is the high-water mark of the log {origin}, which is neither in its place nor among those of earlier \
         years: put it back before a new one begins; where it is gone for good, remove the mark"
    )]
    MarkWithoutLog {
        /// The mark.
        path: PathBuf,
        /// The log's origin.
        origin: String,
    },
    /// A log would begin before the one before it ended: its time would be wrong for good.
    #[error("the last entry in {path} is of {last}, and the clock is behind that: set it before a new log begins")]
    ClockBehind {
        /// The log before.
        path: PathBuf,
        /// The time of its last entry.
        last: Timestamp,
    },
    /// The thread that writes could not be started.
    #[error("could not start the transfer log's thread")]
    Thread(#[source] Arc<io::Error>),
}

/// A fault of the log's index.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct IndexError(Arc<dyn std::error::Error + Send + Sync>);

impl IndexError {
    /// Wraps the fault.
    pub fn new(fault: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(fault))
    }
}

impl LogError {
    /// Whether the log has failed for good, so that the process has to end.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Failed | Self::Sync { .. } | Self::Index(_))
    }

    /// Whether the fault is the disk's, which is full or broken for all, or the process is short of something.
    pub(super) fn is_of_the_disk(&self) -> bool {
        let Self::File { source, .. } = self else { return false };
        matches!(
            Errno::from_io_error(source),
            Some(Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::INTR)
        )
    }

    /// Whether the fault is one file's, which is then set aside, and is nobody else's.
    pub(super) fn is_of_one_file(&self) -> bool {
        match self {
            Self::File { .. } => !self.is_of_the_disk(),
            Self::Damaged { .. } | Self::DisclosureKey { .. } => true,
            _ => false,
        }
    }

    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { action, path: path.into(), source: Arc::new(source) }
    }

    pub(super) fn sync(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Sync { path: path.into(), source: Arc::new(source) }
    }

    /// Whether a file was not there.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
