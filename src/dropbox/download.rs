//! Files being read, with an account of which bytes left.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::view::{Attributes, Download};

/// Ranges of a file that were sent, merged where they touch.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<(u64, u64)>);

/// Ranges that are not merged yet, at most: clients read in order with few requests under way, so that more holes
/// than this mean a download that is not whole anyway.
const MOST_RANGES: usize = 1024;

impl Ranges {
    fn add(&mut self, start: u64, end: u64) {
        let first = self.0.partition_point(|(_, known_end)| *known_end < start);
        let last = self.0.partition_point(|(known_start, _)| *known_start <= end);
        let touching = self.0.get(first..last).unwrap_or_default();
        let merged = touching.iter().fold((start, end), |(low, high), (s, e)| (low.min(*s), high.max(*e)));
        if first < last || self.0.len() < MOST_RANGES {
            self.0.splice(first..last, [merged]);
        }
    }

    /// The first byte that was sent; 0 when none was.
    fn first(&self) -> u64 {
        self.0.first().map_or(0, |(start, _)| *start)
    }

    fn covers(&self, length: u64) -> bool {
        length == 0 || self.0.first().is_some_and(|(start, end)| *start == 0 && *end >= length)
    }
}

/// What a download came to, when it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// The first byte that was handed to the transport.
    pub offset: u64,
    /// Bytes handed to the transport, repeated ones each time.
    pub bytes: u64,
    /// Whether every byte of the file was among them.
    pub complete: bool,
}

/// A sealed file of an outbox, or a file of the log.
pub(super) struct FileDownload {
    file: File,
    attributes: Attributes,
    progress: Mutex<(Ranges, u64)>,
    on_close: Option<Box<dyn FnOnce(Sent) + Send + Sync>>,
}

impl FileDownload {
    pub fn new(file: File, attributes: Attributes, on_close: impl FnOnce(Sent) + Send + Sync + 'static) -> Self {
        Self { file, attributes, progress: Mutex::default(), on_close: Some(Box::new(on_close)) }
    }
}

impl Download for FileDownload {
    fn length(&self) -> u64 {
        self.attributes.size
    }

    fn attributes(&self) -> Attributes {
        self.attributes.clone()
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        match preadv2(&self.file, &mut [io::IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Some(Ok(read)),
            // Not in the page cache, or a file system that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn sent(&self, offset: u64, length: u64) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.0.add(offset, offset.saturating_add(length));
        progress.1 += length;
    }
}

impl Drop for FileDownload {
    fn drop(&mut self) {
        let progress = self.progress.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (offset, complete) = (progress.0.first(), progress.0.covers(self.attributes.size));
        let sent = Sent { offset, bytes: progress.1, complete };
        if let Some(on_close) = self.on_close.take() {
            on_close(sent);
        }
    }
}

/// A text that the daemon makes: no personal data, no account.
pub(super) struct TextDownload {
    pub bytes: Arc<[u8]>,
    pub attributes: Attributes,
}

impl Download for TextDownload {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn attributes(&self) -> Attributes {
        self.attributes.clone()
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        Some(self.read(offset, buffer))
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.bytes.get(start..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        if let (Some(target), Some(source)) = (buffer.get_mut(..length), rest.get(..length)) {
            target.copy_from_slice(source);
        }
        Ok(length)
    }

    fn sent(&self, _offset: u64, _length: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_file_is_covered_when_each_byte_was_sent(pieces in proptest::collection::vec((0_usize..50, 1_usize..20), 0..30)) {
            let mut ranges = Ranges::default();
            let mut bytes = [false; 50];
            for (start, length) in pieces {
                let end = (start + length).min(50);
                ranges.add(start as u64, end as u64);
                bytes[start..end].fill(true);
            }
            let covered = bytes.iter().take_while(|sent| **sent).count() as u64;
            for length in 0..=50 {
                prop_assert_eq!(ranges.covers(length), length <= covered);
            }
        }
    }
}
