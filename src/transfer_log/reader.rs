//! Reading the log in order, also while another process writes it.
//!
//! What a published checkpoint covers comes from the bundles, the rest from the journal. Both move on while one reads:
//! a partial bundle or journal file that is gone means that a newer checkpoint is there, so it is read again.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use super::{
    LogError, StoredEntry,
    checkpoint::MAX_CHECKPOINT_BYTES,
    files,
    journal::{self, Groups},
    merkle::TILE_WIDTH,
    recovery::CHECKPOINT,
    tile,
};

/// How often in a row a file may be gone before that is a fault: each time, the writer must have published anew.
const MAX_RETRIES: u32 = 100;

/// What is told of a checkpoint that is none.
const NO_CHECKPOINT: &str = "it is no checkpoint";

/// Every entry of a log, from the first on. Signatures and hashes are not checked: that is what `verify` is for.
///
/// # Errors
/// [`LogError`]: there is no log, or it cannot be read. The iterator ends after its first error.
pub fn entries(directory: &Path) -> Result<Entries, LogError> {
    entries_from(directory, 0)
}

/// As [`entries`], from the entry `first` on.
///
/// # Errors
/// As [`entries`].
pub fn entries_from(directory: &Path, first: u64) -> Result<Entries, LogError> {
    // A directory that is not there is no empty log.
    std::fs::read_dir(directory).map_err(|source| LogError::file("open", directory, source))?;
    let published = published_size(directory)?;
    Ok(Entries {
        directory: directory.to_owned(),
        next: first,
        published,
        buffer: VecDeque::new(),
        journal: None,
        retries: 0,
        ended: false,
    })
}

/// The iterator of [`entries`].
#[derive(Debug)]
pub struct Entries {
    directory: PathBuf,
    next: u64,
    published: u64,
    buffer: VecDeque<Vec<u8>>,
    journal: Option<Groups>,
    retries: u32,
    ended: bool,
}

impl Iterator for Entries {
    type Item = Result<StoredEntry, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            if let Some(bytes) = self.buffer.pop_front() {
                let entry = StoredEntry::parse(self.next, bytes);
                self.ended = entry.is_err();
                self.next += 1;
                return Some(entry);
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Entries {
    /// Reads on. Says whether there may be more; the buffer can be empty all the same.
    fn fill(&mut self) -> Result<bool, LogError> {
        let read = if self.next < self.published { self.fill_from_bundle() } else { self.fill_from_journal() };
        match read {
            Err(error) if error.is_not_found() && self.retries < MAX_RETRIES => {
                self.retries += 1;
                self.journal = None;
                self.published = published_size(&self.directory)?;
                Ok(true)
            }
            Ok(more) => {
                self.retries = 0;
                Ok(more)
            }
            Err(error) => Err(error),
        }
    }

    fn fill_from_bundle(&mut self) -> Result<bool, LogError> {
        let (index, skipped) = (self.next / TILE_WIDTH as u64, tile::in_last(self.next));
        let Some((path, width)) = tile::bundle(index, self.published) else { return Ok(false) };
        let path = self.directory.join(path);
        let entries = tile::bundle_entries(&files::read(&path, tile::MAX_BUNDLE_BYTES)?, width);
        let problem = "it has not the entries of its bundle";
        let entries = entries.ok_or(LogError::Damaged { path, problem })?;
        self.buffer.extend(entries.into_iter().skip(skipped));
        Ok(true)
    }

    fn fill_from_journal(&mut self) -> Result<bool, LogError> {
        let Some(groups) = &mut self.journal else {
            return self.open_journal();
        };
        let (file, first) = (groups.first_place(), groups.next_place());
        if let Some(group) = groups.next_group()? {
            // Who reads entries has no key for their disclosures.
            drop(groups.take_sealed());
            let skipped = usize::try_from(self.next.saturating_sub(first)).unwrap_or(usize::MAX);
            self.buffer.extend(group.into_iter().skip(skipped));
            return Ok(true);
        }
        // The end of this file; the writer may have gone on in another, or published meanwhile.
        self.journal = None;
        self.published = published_size(&self.directory)?;
        let later = journal::list(&self.directory)?.into_iter().any(|(at, _)| file < at && at <= self.next);
        Ok(self.published > self.next || later)
    }

    fn open_journal(&mut self) -> Result<bool, LogError> {
        let files = journal::list(&self.directory)?;
        let Some((first, path)) = files.into_iter().rfind(|(first, _)| *first <= self.next) else {
            // The writer published and took the file away between two looks: what is next is in the bundles now.
            self.published = published_size(&self.directory)?;
            return Ok(self.published > self.next);
        };
        self.journal = Some(Groups::open(first, &path)?);
        Ok(true)
    }
}

/// The checkpoint in force as it is published; none before the first. Its signature is not checked.
///
/// # Errors
/// [`LogError`]: it cannot be read, or is no text.
pub fn published_note(directory: &Path) -> Result<Option<String>, LogError> {
    let path = directory.join(CHECKPOINT);
    let Some(note) = files::read_if_there(&path, MAX_CHECKPOINT_BYTES)? else { return Ok(None) };
    let note = std::str::from_utf8(&note).ok().map(str::to_owned);
    note.map(Some).ok_or(LogError::Damaged { path, problem: NO_CHECKPOINT })
}

/// Entries under the checkpoint in force; 0 before the first. Its signature is not checked.
///
/// # Errors
/// [`LogError`]: it cannot be read, or is no checkpoint.
pub fn published_size(directory: &Path) -> Result<u64, LogError> {
    let Some(note) = published_note(directory)? else { return Ok(0) };
    let size = note.lines().nth(1).and_then(|size| size.parse().ok());
    size.ok_or_else(|| LogError::Damaged { path: directory.join(CHECKPOINT), problem: NO_CHECKPOINT })
}
