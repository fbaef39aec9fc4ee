//! The logs that news is read of: the one in use, and before it those of earlier years of which something was not told when
//! they were put by.

use std::path::PathBuf;

use super::{MailParts, outbox::Mark};
use crate::transfer_log::{EarlierLog, Entries, LogError, TransferLog, archived_from, entries_from, published_size};

/// Where the desk reads.
pub(super) struct Followed {
    /// Logs of earlier years, oldest first.
    earlier: Vec<EarlierLog>,
    /// The one in use, which comes after them.
    directory: PathBuf,
    origin: String,
    log: TransferLog,
    /// Which of all is read.
    number: usize,
    /// Entries of it that were read.
    read: u64,
}

impl Followed {
    /// From the mark of an earlier start on; at the beginning of the log in use where the mark is of one that is not there.
    pub fn from_mark(mark: &Mark, parts: &MailParts) -> Self {
        let earlier =
            if mark.origin == parts.origin { Ok(Vec::new()) } else { archived_from(&parts.archive_dir, &mark.origin) };
        let mut followed = Self {
            earlier: earlier.unwrap_or_else(|error| {
                tell_unread(&error);
                Vec::new()
            }),
            directory: parts.log_dir.clone(),
            origin: parts.origin.clone(),
            log: parts.log.clone(),
            number: 0,
            read: 0,
        };
        followed.go_back(mark);
        followed
    }

    /// Reads on from the mark.
    pub fn go_back(&mut self, mark: &Mark) {
        let earlier = self.earlier.iter().position(|log| log.key.name() == mark.origin);
        self.number = earlier.unwrap_or(self.earlier.len());
        self.read = match earlier {
            Some(_) => mark.size,
            // A state directory that was put back may have a log that is shorter than what was read of another.
            None if mark.origin == self.origin => mark.size.min(self.log.size()),
            None => 0,
        };
    }

    /// The origin of the log that is read.
    pub fn origin(&self) -> &str {
        self.earlier.get(self.number).map_or(&self.origin, |log| log.key.name())
    }

    /// Entries of it that were read.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// How many entries are not read yet of the log that is read; where that is one of an earlier year and has no more, of
    /// the next. One that cannot be read is passed over: it keeps no news of today.
    pub fn unread(&mut self) -> u64 {
        while let Some(log) = self.earlier.get(self.number) {
            match published_size(&log.directory) {
                Ok(size) if size > self.read => return size - self.read,
                Ok(_) => {}
                Err(error) => tell_unread(&error),
            }
            (self.number, self.read) = (self.number + 1, 0);
        }
        self.log.size().saturating_sub(self.read)
    }

    /// The entries that are not read yet.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn entries(&self) -> Result<Entries, LogError> {
        let earlier = self.earlier.get(self.number).map(|log| log.directory.as_path());
        entries_from(earlier.unwrap_or(&self.directory), self.read)
    }

    /// The entry of that place was read.
    pub fn passed(&mut self, seq: u64) {
        self.read = seq + 1;
    }

    /// Nobody is to hear of what was not read.
    pub fn pass_over_all(&mut self) {
        (self.number, self.read) = (self.earlier.len(), self.log.size());
    }

    /// The log that is read cannot be read: gives whether it is one of an earlier year, which is then passed over.
    pub fn gives_up(&mut self, error: &LogError) -> bool {
        let is_earlier = self.number < self.earlier.len();
        if is_earlier {
            tell_unread(error);
            (self.number, self.read) = (self.number + 1, 0);
        }
        is_earlier
    }
}

fn tell_unread(error: &LogError) {
    let error: &dyn std::error::Error = error;
    tracing::error!(error, "a log of an earlier year cannot be read: what is left of it is told to nobody");
}
