//! Counting what becomes durable, beside the index that follows the log.

use std::sync::Arc;

use super::Counts;
use crate::transfer_log::{Index, IndexError, Position, StoredEntry};

/// An index of the log that counts, too. What the log had before this start is not counted.
pub struct CountingIndex<I> {
    index: I,
    counts: Arc<Counts>,
}

impl<I: Index> CountingIndex<I> {
    /// Counts beside that index, from [`Counts::begin`] on.
    pub fn new(index: I, counts: Arc<Counts>) -> Self {
        Self { index, counts }
    }
}

impl<I: Index> Index for CountingIndex<I> {
    fn position(&self) -> Result<Position, IndexError> {
        self.index.position()
    }

    fn apply(&mut self, entries: &[StoredEntry]) -> Result<(), IndexError> {
        self.index.apply(entries)?;
        for entry in entries {
            self.counts.take_in(entry);
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), IndexError> {
        self.index.reset()
    }
}
