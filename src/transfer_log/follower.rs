//! What follows the log, entry by entry, and can be made anew from it; and how it catches up, over the years.

use std::path::{Path, PathBuf};

use super::{Hash, IndexError, LogError, StoredEntry, archive, entries_from, merkle::leaf_hash};

/// Entries that the index gets at once while it catches up.
const CATCH_UP: usize = 1_024;

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

/// The logs that an index follows: those of earlier years, and the one in use.
pub(super) struct Chain {
    /// Those that can be read.
    logs: Vec<PathBuf>,
    archive: PathBuf,
    /// Entries of the last one.
    size: u64,
}

impl Chain {
    /// The log in `directory` with `size` entries, after those that were put by.
    pub fn new(directory: &Path, size: u64, archive: &Path) -> Result<Self, LogError> {
        archive::tell_strays(archive)?;
        let mut logs = archive::readable(archive)?;
        logs.push(directory.to_owned());
        Ok(Self { logs, archive: archive.to_owned(), size })
    }

    /// All of them, for an index that is made anew: none may be missing.
    fn whole(&self) -> Result<Vec<PathBuf>, LogError> {
        let Some(in_use) = self.logs.last() else { return Ok(Vec::new()) };
        let mut logs = archive::all_earlier(&self.archive, in_use)?;
        logs.push(in_use.clone());
        Ok(logs)
    }

    /// The log that an index has come to; none when it is an index of none of them.
    fn find(&self, position: Position) -> Result<Option<usize>, LogError> {
        let Some(last) = position.size.checked_sub(1) else { return Ok(Some(0)) };
        for (at, log) in self.logs.iter().enumerate().rev() {
            // The journal may hold more than was recovered of it.
            if at + 1 == self.logs.len() && position.size > self.size {
                continue;
            }
            if let Some(entry) = entries_from(log, last)?.next()
                && position.last == Some(leaf_hash(&entry?.bytes))
            {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}

/// Brings an index up to the log, from nothing where it is not an index of this log.
pub(super) fn catch_up(chain: &Chain, index: &mut (dyn Index + Send)) -> Result<(), LogError> {
    let mut position = index.position().map_err(LogError::Index)?;
    let found = chain.find(position)?;
    let (begin, logs) = match found {
        Some(at) if position.size > 0 => (at, chain.logs.clone()),
        _ => (0, chain.whole()?),
    };
    if found.is_none() {
        tracing::warn!(index = position.size, log = chain.size, "the index is not one of this log: it is built anew");
        index.reset().map_err(LogError::Index)?;
        position = Position::default();
    }
    let mut first = position.size;
    for (at, log) in logs.iter().enumerate().skip(begin) {
        let end = if at + 1 == logs.len() { chain.size } else { u64::MAX };
        let count = usize::try_from(end.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut chunk = Vec::with_capacity(CATCH_UP);
        for entry in entries_from(log, first)?.take(count) {
            chunk.push(entry?);
            if chunk.len() == CATCH_UP {
                index.apply(&chunk).map_err(LogError::Index)?;
                chunk.clear();
            }
        }
        if !chunk.is_empty() {
            index.apply(&chunk).map_err(LogError::Index)?;
        }
        first = 0;
    }
    Ok(())
}
