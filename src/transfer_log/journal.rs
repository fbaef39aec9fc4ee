//! The journal: entries that are durable and under no published checkpoint yet.
//!
//! A file `journal/<first entry's place, 20 digits>` holds frames `[length u32 LE][CRC-32C u32 LE][entry]`; the CRC
//! covers the length and the entry. The length's highest bit says that the group goes on with the next frame: a group
//! counts when its last frame is whole. The bit below it says that the frame holds no entry but the sealed disclosures
//! of the next one ([`super::keeper`]): so both are on disk with one synchronisation. Groups that nobody was told of may be half there after a crash; reading stops
//! before the first.

use std::{
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use super::{LogError, MAX_ENTRY_BYTES, MAX_GROUP, files};
use crate::durable::disk;

/// The directory of the journal's files, under the log's.
const DIRECTORY: &str = "journal";

/// Set in a frame's length when its group goes on.
const CONTINUES: u32 = 1 << 31;

/// Set in the length of a frame with sealed disclosures; a frame with the entry follows in its group.
const SEALED: u32 = 1 << 30;

/// The journal's file that is written.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    /// Bytes that are on disk and count.
    length: u64,
}

/// Adds a frame with an entry to a batch.
pub(super) fn frame(entry: &[u8], continues: bool, batch: &mut Vec<u8>) {
    put_frame(entry, if continues { CONTINUES } else { 0 }, batch);
}

/// Adds a frame with the sealed disclosures of the entry that comes next.
pub(super) fn sealed_frame(record: &[u8], batch: &mut Vec<u8>) {
    put_frame(record, CONTINUES | SEALED, batch);
}

fn put_frame(entry: &[u8], flags: u32, batch: &mut Vec<u8>) {
    let length = u32::try_from(entry.len()).unwrap_or(u32::MAX) | flags;
    batch.extend_from_slice(&length.to_le_bytes());
    batch.extend_from_slice(&checksum(length, entry).to_le_bytes());
    batch.extend_from_slice(entry);
}

fn checksum(length: u32, entry: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), entry)
}

impl Journal {
    /// Makes the file whose first entry will have that place.
    pub fn create(log: &Path, first: u64) -> Result<Self, LogError> {
        let directory = log.join(DIRECTORY);
        if !directory.is_dir() {
            files::make_directory(&directory)?;
            files::sync_directory(log)?;
        }
        let path = directory.join(format!("{first:020}"));
        // Opened before there is anything to synchronise: an empty file that the journal does not go on in would be taken
        // for the end of the one that it does.
        let opened = files::open_directory(&directory)?;
        let file = files::create(&path);
        if file.is_err() {
            leave_none(&path, &opened, &directory)?;
        }
        let file = file?;
        disk::sync_all(&opened, &directory).map_err(|source| LogError::sync(&directory, source))?;
        Ok(Self { file, path, length: 0 })
    }

    /// Goes on with a file after its first `length` bytes; what is behind them is cut.
    pub fn resume(path: PathBuf, length: u64) -> Result<Self, LogError> {
        let file = File::options().write(true).open(&path);
        let file = file.map_err(|source| LogError::file("open", &path, source))?;
        disk::set_len(&file, &path, length).map_err(|source| LogError::file("cut", &path, source))?;
        disk::sync_all(&file, &path).map_err(|source| LogError::sync(&path, source))?;
        Ok(Self { file, path, length })
    }

    /// Writes a batch of frames and brings it to disk. After a fault of writing nothing of it counts: what came of it is
    /// cut, on the disk too. Where that fails as well the log has failed for good, since the next start might find whole
    /// groups of it.
    pub fn append(&mut self, batch: &[u8]) -> Result<(), LogError> {
        if let Err(source) = disk::write_all_at(&self.file, &self.path, batch, self.length) {
            let cut = disk::set_len(&self.file, &self.path, self.length)
                .and_then(|()| disk::sync_data(&self.file, &self.path));
            cut.map_err(|source| LogError::sync(&self.path, source))?;
            return Err(LogError::file("write", &self.path, source));
        }
        disk::sync_data(&self.file, &self.path).map_err(|source| LogError::sync(&self.path, source))?;
        self.length += batch.len() as u64;
        Ok(())
    }

    /// Goes on in a new file, unless this one is empty.
    pub fn rotate(&mut self, log: &Path, first: u64) -> Result<(), LogError> {
        if self.length > 0 {
            *self = Self::create(log, first)?;
        }
        Ok(())
    }
}

/// Makes sure that a file which was not made, as far as was told, is not there; else the log has failed for good.
fn leave_none(path: &Path, opened: &File, directory: &Path) -> Result<(), LogError> {
    match disk::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => {
            let kept = removed.and_then(|()| disk::sync_all(opened, directory));
            kept.map_err(|source| LogError::sync(path, source))
        }
    }
}

/// The files that hold what follows the first `size` entries: the one that `size` is in or ends, and those after it.
pub(super) fn list_from(log: &Path, size: u64) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let mut found = list(log)?;
    let base = found.iter().rposition(|(first, _)| *first <= size).unwrap_or(0);
    Ok(found.split_off(base))
}

/// Removes the files whose entries are all among the first `size`.
pub(super) fn remove_covered(log: &Path, size: u64) -> Result<(), LogError> {
    let kept = list_from(log, size)?;
    for (first, path) in list(log)? {
        if kept.first().is_some_and(|(base, _)| first < *base) {
            disk::remove_file(&path).map_err(|source| LogError::file("remove", path, source))?;
        }
    }
    Ok(())
}

/// The journal's files with the place of their first entry, in order.
pub(super) fn list(log: &Path) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let directory = log.join(DIRECTORY);
    let listing = match fs::read_dir(&directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(|source| LogError::file("list", &directory, source))?,
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|source| LogError::file("list", &directory, source))?;
        let name = entry.file_name();
        let first = name.to_str().filter(|name| name.len() == 20).and_then(|name| name.parse().ok());
        found.extend(first.map(|first| (first, entry.path())));
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads a file's groups up to the first that is not whole.
#[derive(Debug)]
pub(super) struct Groups {
    input: BufReader<File>,
    path: PathBuf,
    first: u64,
    next: u64,
    valid_bytes: u64,
    /// Sealed disclosures of the groups read so far, until they are taken.
    sealed: Vec<Vec<u8>>,
}

impl Groups {
    pub fn open(first: u64, path: &Path) -> Result<Self, LogError> {
        let file = File::open(path).map_err(|source| LogError::file("open", path, source))?;
        Ok(Self {
            input: BufReader::new(file),
            path: path.to_owned(),
            first,
            next: first,
            valid_bytes: 0,
            sealed: Vec::new(),
        })
    }

    /// The place of the file's first entry.
    pub fn first_place(&self) -> u64 {
        self.first
    }

    /// The place of the next group's first entry.
    pub fn next_place(&self) -> u64 {
        self.next
    }

    /// Bytes of the groups read so far.
    pub fn valid_bytes(&self) -> u64 {
        self.valid_bytes
    }

    /// The sealed disclosures that came with the groups read since the last time.
    pub fn take_sealed(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sealed)
    }

    /// The next group's entries, or `None` where the valid part ends. Not to be called again after that.
    pub fn next_group(&mut self) -> Result<Option<Vec<Vec<u8>>>, LogError> {
        let (mut group, mut sealed, mut bytes) = (Vec::new(), Vec::new(), 0);
        while group.len() < MAX_GROUP && sealed.len() <= MAX_GROUP {
            let read = read_frame(&mut self.input);
            let Some((entry, flags)) = read.map_err(|source| LogError::file("read", &self.path, source))? else {
                return Ok(None);
            };
            bytes += 8 + entry.len() as u64;
            if flags & SEALED != 0 {
                sealed.push(entry);
                continue;
            }
            group.push(entry);
            if flags & CONTINUES == 0 {
                self.sealed.append(&mut sealed);
                self.next += group.len() as u64;
                self.valid_bytes += bytes;
                return Ok(Some(group));
            }
        }
        Ok(None)
    }
}

/// A frame's content and its flags; `None` when it is not whole.
fn read_frame(input: &mut impl Read) -> std::io::Result<Option<(Vec<u8>, u32)>> {
    let mut head = Vec::with_capacity(8);
    input.by_ref().take(8).read_to_end(&mut head)?;
    let ([length, found], []) = head.as_chunks::<4>() else { return Ok(None) };
    let (length, found) = (u32::from_le_bytes(*length), u32::from_le_bytes(*found));
    let flags = length & (CONTINUES | SEALED);
    let entry_bytes = length & !flags;
    if entry_bytes == 0 || entry_bytes as usize > MAX_ENTRY_BYTES {
        return Ok(None);
    }
    let mut entry = Vec::with_capacity(entry_bytes as usize);
    input.by_ref().take(u64::from(entry_bytes)).read_to_end(&mut entry)?;
    let whole = entry.len() == entry_bytes as usize && checksum(length, &entry) == found;
    Ok(whole.then_some((entry, flags)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::disk::faults::{self, Failure};
    use proptest::prelude::*;
    use rustix::io::Errno;

    fn read_all(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, u64) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let mut groups = Groups::open(0, file.path()).unwrap();
        let mut found = Vec::new();
        while let Some(group) = groups.next_group().unwrap() {
            found.push(group);
        }
        (found, groups.valid_bytes())
    }

    #[test]
    fn a_cut_anywhere_keeps_whole_groups_only() {
        let groups: Vec<Vec<Vec<u8>>> =
            vec![vec![b"one".to_vec()], vec![b"two".to_vec(), b"three".to_vec(), vec![7; 40]], vec![b"four".to_vec()]];
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        for group in &groups {
            for (at, entry) in group.iter().enumerate() {
                frame(entry, at + 1 < group.len(), &mut bytes);
            }
            ends.push(bytes.len());
        }
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let (found, valid) = read_all(&bytes[..cut]);
            assert_eq!((found.as_slice(), valid), (&groups[..whole], ends[whole] as u64), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            let whole = ends.iter().filter(|end| **end <= at).count() - 1;
            assert_eq!(read_all(&flipped).0, groups[..whole], "flipped at {at}");
        }
    }

    #[test]
    fn what_was_written_of_a_batch_is_cut_or_the_log_has_failed() {
        // A device that can neither be written nor cut.
        let full = Path::new("/dev/full");
        let file = File::options().write(true).open(full).unwrap();
        let fault = Journal { file, path: full.to_owned(), length: 0 }.append(b"batch").unwrap_err();
        assert!(fault.is_fatal(), "{fault:?}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        fs::write(&path, b"one").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let mut journal = Journal { file, path: path.clone(), length: 3 };
        // All of it was written, and reported as failed.
        faults::plan(directory.path(), Some((0, Failure::DoneButReportedLost(Errno::NOSPC))));
        let fault = journal.append(b"two").unwrap_err();
        faults::end(directory.path());
        assert!(matches!(&fault, LogError::File { action: "write", .. }) && !fault.is_fatal(), "{fault:?}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        journal.append(b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one2");
        // Cut, and the disk does not keep that: a power cut may bring it back.
        let lost = Failure::DoneButReportedLost(Errno::NOSPC);
        faults::plan(directory.path(), [(0, lost), (2, Failure::Lost(Errno::IO))]);
        let fault = journal.append(b"three").unwrap_err();
        faults::end(directory.path());
        assert!(fault.is_fatal(), "{fault:?}");
    }

    #[test]
    fn a_file_that_could_not_be_made_is_not_there() {
        let place = tempfile::tempdir().unwrap();
        let log = place.path();
        let mut journal = Journal::create(log, 0).unwrap();
        let mut batch = Vec::new();
        frame(b"one", false, &mut batch);
        journal.append(&batch).unwrap();
        let failures = [
            (0, Failure::Lost(Errno::MFILE)),
            (1, Failure::Lost(Errno::NFILE)),
            (1, Failure::DoneButReportedLost(Errno::NFILE)),
        ];
        for (at, failure) in failures {
            faults::plan(log, Some((at, failure)));
            let fault = journal.rotate(log, 1).unwrap_err();
            faults::end(log);
            assert!(!fault.is_fatal(), "{fault:?}");
            let found: Vec<u64> = list(log).unwrap().into_iter().map(|(first, _)| first).collect();
            assert_eq!(found, [0], "call {at}, {failure:?}");
        }
        // It was made, and cannot be taken away again.
        faults::plan(log, [(1, Failure::DoneButReportedLost(Errno::NFILE)), (2, Failure::Lost(Errno::IO))]);
        let fault = journal.rotate(log, 1).unwrap_err();
        faults::end(log);
        assert!(fault.is_fatal(), "{fault:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_read_without_panic(bytes in any::<Vec<u8>>()) {
            let _ = read_all(&bytes);
        }
    }
}
