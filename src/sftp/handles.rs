//! What a session has open, and what waits to be done with it.
//!
//! A reader (a download or a directory) is answered from memory or the page cache, as far as replies may be added; what
//! is not there is fetched by a job. A writer is lent to one job at a time, which does what waits for it in order.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::Arc,
};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    upload::{OpenUpload, UploadWork},
    wire::Check,
};
use crate::dropbox::view::{Attributes, Download, Entry};

/// The place of an open file or directory among those that one connection may have open; given back when it is dropped.
#[derive(Debug)]
pub(super) struct FilePlace {
    pub(super) _file: OwnedSemaphorePermit,
    pub(super) _directory: Option<OwnedSemaphorePermit>,
}

/// Handles of one session, by number. Numbers are never used again, and never 0.
#[derive(Default)]
pub(super) struct Handles {
    open: HashMap<u64, (OpenFile, FilePlace)>,
    last: u64,
}

/// An open file or directory.
pub(super) enum OpenFile {
    Reader(Reader),
    Writer(Writer),
}

/// A file or directory being read.
pub(super) struct Reader {
    pub(super) source: Source,
    pub(super) waiting: VecDeque<Ask>,
    /// A job is bringing bytes, or hashes them: nothing of this reader is answered until it is done.
    pub(super) fetching: bool,
}

pub(super) enum Source {
    Download {
        file: Arc<dyn Download>,
        /// Bytes that a job brought, and where they begin.
        fetched: Option<(u64, Vec<u8>)>,
    },
    /// With the entries that were not listed yet.
    Directory { own: Attributes, entries: VecDeque<Entry> },
}

/// A request to a reader.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ask {
    /// A READ, and as many more of its length as say so, each by the next id and from where the one before it ends: some
    /// clients (paramiko) ask for a whole file before they take anything of it.
    Read {
        id: u32,
        offset: u64,
        length: u32,
        more: u32,
    },
    Entries {
        id: u32,
    },
    Attributes {
        id: u32,
    },
    Check {
        id: u32,
        check: Check,
    },
    Close {
        id: u32,
    },
}

impl Ask {
    /// One READ.
    pub(super) fn read(id: u32, offset: u64, length: u32) -> Self {
        Self::Read { id, offset, length, more: 0 }
    }

    /// Takes in a READ that goes on where this ends; false for anything else.
    fn take_in(&mut self, next: Self) -> bool {
        let Self::Read { id, offset, length, more } = self else { return false };
        let Self::Read { id: next_id, offset: next_offset, length: next_length, more: 0 } = next else { return false };
        let Some(count) = more.checked_add(1) else { return false };
        let ends = offset.checked_add(u64::from(*length) * u64::from(count));
        let follows = next_length == *length && next_id == id.wrapping_add(count) && Some(next_offset) == ends;
        if follows {
            *more = count;
        }
        follows
    }

    /// What is left of it when its first is answered.
    fn rest(self) -> Option<Self> {
        let Self::Read { id, offset, length, more } = self else { return None };
        let (id, offset) = (id.wrapping_add(1), offset.saturating_add(u64::from(length)));
        more.checked_sub(1).map(|more| Self::Read { id, offset, length, more })
    }

    pub(super) fn id(self) -> u32 {
        match self {
            Self::Read { id, .. }
            | Self::Entries { id }
            | Self::Attributes { id }
            | Self::Check { id, .. }
            | Self::Close { id } => id,
        }
    }
}

/// A file being written.
pub(super) struct Writer {
    /// None while a job has it.
    pub(super) file: Option<OpenUpload>,
    /// With the place of each in the order in which everything came.
    pub(super) waiting: VecDeque<(u64, UploadWork)>,
    /// The place of the first that the job has.
    pub(super) running: Option<u64>,
}

impl Reader {
    /// Whether a CLOSE waits: nothing may be asked behind it.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.waiting.back(), Some(Ask::Close { .. }))
    }

    /// Lets a request wait; true when it takes a place of its own.
    pub(super) fn ask(&mut self, ask: Ask) -> bool {
        let taken_in = self.waiting.back_mut().is_some_and(|last| last.take_in(ask));
        if !taken_in {
            self.waiting.push_back(ask);
        }
        !taken_in
    }

    /// The first request is answered; true when its place is free.
    pub(super) fn answered(&mut self) -> bool {
        let Some(first) = self.waiting.pop_front() else { return false };
        let rest = first.rest();
        if let Some(rest) = rest {
            self.waiting.push_front(rest);
        }
        rest.is_none()
    }
}

impl Handles {
    /// Gives a handle.
    pub(super) fn add(&mut self, file: OpenFile, place: FilePlace) -> u64 {
        self.last += 1;
        self.open.insert(self.last, (file, place));
        self.last
    }

    pub(super) fn get_mut(&mut self, handle: u64) -> Option<&mut OpenFile> {
        self.open.get_mut(&handle).map(|(file, _)| file)
    }

    pub(super) fn remove(&mut self, handle: u64) -> Option<OpenFile> {
        self.open.remove(&handle).map(|(file, _)| file)
    }

    pub(super) fn reader(&mut self, handle: u64) -> Option<&mut Reader> {
        match self.get_mut(handle) {
            Some(OpenFile::Reader(reader)) => Some(reader),
            Some(OpenFile::Writer(_)) | None => None,
        }
    }

    pub(super) fn writer(&mut self, handle: u64) -> Option<&mut Writer> {
        match self.get_mut(handle) {
            Some(OpenFile::Writer(writer)) => Some(writer),
            Some(OpenFile::Reader(_)) | None => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Of what waits for uploads, leaves the WRITEs up to the first other request.
    pub(super) fn only_write(&mut self) {
        for (file, _) in self.open.values_mut() {
            if let OpenFile::Writer(Writer { waiting, .. }) = file {
                let writes = waiting.iter().take_while(|(_, work)| matches!(work, UploadWork::Write(_))).count();
                waiting.truncate(writes);
            }
        }
    }

    /// The place in the order of the first request to an upload that is not done.
    pub(super) fn first_unwritten(&self) -> Option<u64> {
        let first = |file: &OpenFile| match file {
            OpenFile::Writer(writer) => writer.running.or(writer.waiting.front().map(|(place, _)| *place)),
            OpenFile::Reader(_) => None,
        };
        self.open.values().map(|(file, _)| file).filter_map(first).min()
    }
}

impl OpenFile {
    pub(super) fn reader(source: Source) -> Self {
        Self::Reader(Reader { source, waiting: VecDeque::new(), fetching: false })
    }

    pub(super) fn writer(file: OpenUpload) -> Self {
        Self::Writer(Writer { file: Some(file), waiting: VecDeque::new(), running: None })
    }
}

/// Why a piece of a file is not there now.
#[derive(Debug)]
pub(super) enum NotNow {
    /// It must be fetched.
    Cold,
    /// It cannot be read.
    Broken(io::Error),
}

/// Brings bytes of a file without waiting: those that were fetched, or those in memory.
pub(super) fn fill(
    file: &dyn Download,
    fetched: Option<&(u64, Vec<u8>)>,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize, NotNow> {
    let from_fetched = fetched.and_then(|(start, bytes)| {
        let skip = usize::try_from(offset.checked_sub(*start)?).ok()?;
        bytes.get(skip..).filter(|bytes| !bytes.is_empty())
    });
    if let Some(bytes) = from_fetched {
        let length = bytes.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), bytes.get(..length)) {
            to.copy_from_slice(from);
        }
        return Ok(length);
    }
    match file.read_now(offset, buffer) {
        None => Err(NotNow::Cold),
        Some(Ok(0)) => Err(NotNow::Broken(io::ErrorKind::UnexpectedEof.into())),
        Some(Ok(read)) => Ok(read.min(buffer.len())),
        Some(Err(error)) => Err(NotNow::Broken(error)),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::sync::Semaphore;

    use super::*;

    /// A file of which only the first half is in memory.
    struct HalfCold(Vec<u8>);

    impl Download for HalfCold {
        fn length(&self) -> u64 {
            u64::try_from(self.0.len()).unwrap()
        }

        fn attributes(&self) -> Attributes {
            Attributes { directory: false, size: self.length(), modified: Timestamp::UNIX_EPOCH, writable: false }
        }

        fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<io::Result<usize>> {
            (offset < self.length() / 2).then(|| self.read(offset, buffer))
        }

        fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            let rest = &self.0[usize::try_from(offset).unwrap().min(self.0.len())..];
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            Ok(length)
        }

        fn sent(&self, _: u64, _: u64) {}
    }

    #[test]
    fn bytes_come_from_memory_or_from_what_a_job_brought() {
        let file = HalfCold(b"abcdefgh".to_vec());
        let fetched = (4, b"efgh".to_vec());
        let at = |offset, fetched| {
            let mut buffer = [0; 3];
            fill(&file, fetched, offset, &mut buffer).map(|length| buffer[..length].to_vec())
        };
        assert_eq!(at(0, None).unwrap(), b"abc");
        assert!(matches!(at(4, None), Err(NotNow::Cold)));
        assert_eq!(at(4, Some(&fetched)).unwrap(), b"efg");
        assert_eq!(at(7, Some(&fetched)).unwrap(), b"h");
        assert!(matches!(at(8, Some(&fetched)), Err(NotNow::Cold)));
        assert_eq!(at(2, Some(&fetched)).unwrap(), b"cde");
        assert!(matches!(at(0, None).and(fill(&HalfCold(Vec::new()), None, 0, &mut [0])), Err(NotNow::Cold)));
    }

    #[test]
    fn reads_that_go_on_take_one_place() {
        let source = Source::Download { file: Arc::new(HalfCold(Vec::new())), fetched: None };
        let OpenFile::Reader(mut reader) = OpenFile::reader(source) else { panic!("it reads") };
        let reads = [(u32::MAX, 0), (0, 100), (1, 200), (2, 300), (4, 400), (5, 450), (6, 450), (7, 550)];
        let places = reads.map(|(id, offset)| reader.ask(Ask::read(id, offset, 100)));
        assert_eq!(places, [true, false, false, false, true, true, true, false]);
        assert!(reader.ask(Ask::read(8, 650, 50)) && reader.ask(Ask::Attributes { id: 9 }));
        assert!(reader.ask(Ask::read(10, 700, 50)) && !reader.is_closing());
        assert!(reader.ask(Ask::Close { id: 11 }) && reader.is_closing());
        let mut answered = Vec::new();
        while let Some(first) = reader.waiting.front().copied() {
            let offset = if let Ask::Read { offset, .. } = first { Some(offset) } else { None };
            answered.push((first.id(), offset, reader.answered()));
        }
        let mut expected = reads.map(|(id, offset)| (id, Some(offset), true)).to_vec();
        for at in [0, 1, 2, 6] {
            expected[at].2 = false;
        }
        expected.extend([(8, Some(650), true), (9, None, true), (10, Some(700), true), (11, None, true)]);
        assert_eq!(answered, expected);
    }

    #[test]
    fn numbers_of_handles_are_not_used_again_and_the_oldest_write_is_known() {
        let mut handles = Handles::default();
        let reader = || OpenFile::reader(Source::Download { file: Arc::new(HalfCold(Vec::new())), fetched: None });
        let places = Arc::new(Semaphore::new(1));
        let place = || FilePlace { _file: Arc::clone(&places).try_acquire_owned().unwrap(), _directory: None };
        let first = handles.add(reader(), place());
        handles.remove(first);
        let second = handles.add(reader(), place());
        assert!(first != 0 && second != first && handles.reader(first).is_none());
        assert_eq!((handles.len(), handles.first_unwritten()), (1, None));
    }
}
