//! The frames of a file of sealed disclosures: length and CRC-32C of what follows, the entry's place, the sealed bytes.
//!
//! Such a file is only added to, at its end. What is no frame is stepped over, byte by byte, until a frame is whole
//! again: neither an end that a stop tore nor a bit that a disk flipped takes away what is behind it.

use std::{
    io::{self, Read},
    path::Path,
};

use super::{
    LogError, files,
    keeper::{KEY_ID_BYTES, MAX_DISCLOSURES_BYTES},
};
use crate::durable::disk;

/// Length and CRC.
const HEAD_BYTES: usize = 8;

/// The place of an entry and the id of a key: zeros of a file system are no frames.
const SHORTEST_BODY: usize = 8 + KEY_ID_BYTES;

/// Disclosures, with what sealing them adds and the place.
const LONGEST_BODY: usize = MAX_DISCLOSURES_BYTES + 256;

/// Bytes that are read at once; at least the longest frame.
const READ_AT_ONCE: usize = 4 * (HEAD_BYTES + LONGEST_BODY);

/// Adds a frame.
pub(super) fn put(seq: u64, sealed: &[u8], out: &mut Vec<u8>) {
    let body = [&seq.to_le_bytes(), sealed].concat();
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    out.extend_from_slice(&body);
}

/// Adds to the end of a file; when this returns it is on disk.
pub(super) fn append(path: &Path, frames: &[u8]) -> Result<(), LogError> {
    let file = files::open_or_create(path)?;
    let length = file.metadata().map_err(|source| LogError::file("look at", path, source))?.len();
    if length == 0 {
        path.parent().map_or(Ok(()), files::sync_directory)?;
    }
    disk::write_all_at(&file, path, frames, length).map_err(|source| {
        // Readers step over what stays of it.
        let _ = disk::set_len(&file, path, length);
        LogError::file("write", path, source)
    })?;
    disk::sync_all(&file, path).map_err(|source| LogError::sync(path, source))
}

/// Reads the frames of a file, in order.
#[derive(Debug)]
pub(super) struct Frames<R> {
    input: R,
    held: Vec<u8>,
    /// How much of what is held was gone over.
    at: usize,
    stepped_over: u64,
}

impl<R: Read> Frames<R> {
    pub fn new(input: R) -> Self {
        Self { input, held: Vec::new(), at: 0, stepped_over: 0 }
    }

    /// Bytes so far that are no frame.
    pub fn stepped_over(&self) -> u64 {
        self.stepped_over
    }

    /// The next place with its sealed bytes; none at the end.
    pub fn next_frame(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            if self.held.len() - self.at < HEAD_BYTES + LONGEST_BODY {
                self.held.drain(..self.at);
                self.at = 0;
                let more = (READ_AT_ONCE - self.held.len()) as u64;
                self.input.by_ref().take(more).read_to_end(&mut self.held)?;
            }
            let rest = self.held.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            if let Some((seq, sealed)) = body(rest).and_then(<[u8]>::split_first_chunk) {
                self.at += HEAD_BYTES + seq.len() + sealed.len();
                return Ok(Some((u64::from_le_bytes(*seq), sealed.to_vec())));
            }
            self.at += 1;
            self.stepped_over += 1;
        }
    }
}

/// What the frame at the beginning of these bytes holds; none where there is no whole one.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let ([length, found], []) = head.as_chunks::<4>() else { return None };
    let length = u32::from_le_bytes(*length) as usize;
    let body = rest.get(..length).filter(|body| (SHORTEST_BODY..=LONGEST_BODY).contains(&body.len()))?;
    (crc32c::crc32c(body) == u32::from_le_bytes(*found)).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> (Vec<u64>, u64) {
        let (mut frames, mut found) = (Frames::new(bytes), Vec::new());
        while let Some((seq, sealed)) = frames.next_frame().unwrap() {
            assert_eq!(sealed, sealed_of(seq));
            found.push(seq);
        }
        (found, frames.stepped_over())
    }

    fn sealed_of(seq: u64) -> Vec<u8> {
        let length = if seq == 3 { MAX_DISCLOSURES_BYTES } else { 60 };
        (0..length as u64).map(|at| (at * 7 + seq * 13).to_le_bytes()[0]).collect()
    }

    #[test]
    fn what_is_damaged_takes_nothing_with_it() {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for seq in 0..8 {
            starts.push(bytes.len());
            put(seq, &sealed_of(seq), &mut bytes);
        }
        assert_eq!(read(&bytes), ((0..8).collect(), 0));
        for (of, start) in starts.iter().enumerate() {
            // In its length, its CRC, its place and what is sealed.
            for within in [0, 1, 3, 5, 9, 40] {
                let mut flipped = bytes.clone();
                flipped[start + within] ^= 0x10;
                let (found, stepped_over) = read(&flipped);
                let others: Vec<u64> = (0..8).filter(|seq| *seq != of as u64).collect();
                assert_eq!((found, stepped_over > 0), (others, true), "frame {of}, byte {within}");
            }
        }
        // Torn ends, and zeros where the file system had not written yet; then it went on.
        for torn in [&bytes[..7], &bytes[..40], &[0; 5_000]] {
            assert_eq!(read(&[&bytes, torn, &bytes].concat()).0, (0..8).chain(0..8).collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in any::<Vec<u8>>()) {
            let mut frames = Frames::new(&bytes[..]);
            while frames.next_frame().unwrap().is_some() {}
            prop_assert!(frames.stepped_over() <= bytes.len() as u64);
        }
    }
}
