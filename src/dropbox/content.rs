//! The bytes of an upload while it is written: in memory, or on disk once they have shown to be sealed.

use std::{
    fs::File,
    io::{self, IoSlice},
    num::NonZeroU64,
    os::unix::fs::FileExt,
};

use rustix::fs::Advice;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::budget::{MemoryBudget, MemoryShare, Reserved};
use crate::seal;

/// One piece of an upload in memory. Pieces never move, so none is left behind unwiped when an upload grows, and a
/// write far away costs one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// An upload in memory, wiped when dropped. Pieces that were never written are zeros and take nothing.
pub(super) struct MemoryContent {
    pieces: Vec<Option<Box<[u8]>>>,
    length: u64,
    reserved: Reserved,
}

/// The budget for uploads in memory is used up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoMemory;

impl MemoryContent {
    /// With nothing in it. It may take what is left of the tenant's share; `limit_bytes` is the largest upload.
    pub(super) fn new(budget: &MemoryBudget, share: &MemoryShare, limit_bytes: u64) -> Self {
        let largest = limit_bytes.checked_next_multiple_of(PIECE_BYTES as u64).unwrap_or(limit_bytes);
        Self { pieces: Vec::new(), length: 0, reserved: budget.reserve_nothing(share, largest) }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Writes at an offset. The caller has checked the end against the upload's limit.
    pub(super) fn write(&mut self, offset: u64, mut bytes: &[u8]) -> Result<(), NoMemory> {
        let mut at = usize::try_from(offset).map_err(|_| NoMemory)?;
        let end = at.checked_add(bytes.len()).ok_or(NoMemory)?;
        while !bytes.is_empty() {
            let (index, within) = (at / PIECE_BYTES, at % PIECE_BYTES);
            let length = bytes.len().min(PIECE_BYTES - within);
            let (now, rest) = bytes.split_at_checked(length).ok_or(NoMemory)?;
            let piece = self.piece(index)?;
            if let Some(target) = piece.get_mut(within..within + length) {
                target.copy_from_slice(now);
            }
            at += length;
            bytes = rest;
        }
        self.length = self.length.max(end as u64);
        Ok(())
    }

    fn piece(&mut self, index: usize) -> Result<&mut Box<[u8]>, NoMemory> {
        if self.pieces.len() <= index {
            self.pieces.resize_with(index + 1, || None);
        }
        let slot = self.pieces.get_mut(index).ok_or(NoMemory)?;
        if slot.is_none() && !self.reserved.grow(PIECE_BYTES as u64) {
            return Err(NoMemory);
        }
        Ok(slot.get_or_insert_with(|| vec![0; PIECE_BYTES].into_boxed_slice()))
    }

    /// Reads at an offset; 0 at the end.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let mut done = 0;
        while done < wanted {
            let at = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(done);
            let (index, within) = (at / PIECE_BYTES, at % PIECE_BYTES);
            let length = (wanted - done).min(PIECE_BYTES - within);
            let Some(target) = buffer.get_mut(done..done + length) else { break };
            match self.pieces.get(index).and_then(Option::as_ref).and_then(|piece| piece.get(within..within + length)) {
                Some(source) => target.copy_from_slice(source),
                None => target.fill(0),
            }
            done += length;
        }
        done
    }

    /// Sets the length; what lies beyond is wiped.
    pub(super) fn set_length(&mut self, length: u64) {
        if length < self.length {
            let keep = usize::try_from(length).unwrap_or(usize::MAX);
            for piece in self.pieces.iter_mut().skip(keep.div_ceil(PIECE_BYTES)).flatten() {
                piece.zeroize();
            }
            if let Some(Some(piece)) = self.pieces.get_mut(keep / PIECE_BYTES) {
                piece.get_mut(keep % PIECE_BYTES..).unwrap_or_default().zeroize();
            }
        }
        self.length = length;
    }

    /// Whether the first bytes are those of a sealed file; none while too few are there.
    pub(super) fn looks_sealed(&self) -> Option<bool> {
        let mut first = [0; seal::SNIFF_BYTES];
        let read = self.read(0, &mut first);
        let known = first.get(..read).unwrap_or_default();
        (read == seal::SNIFF_BYTES || seal::looks_sealed(known)).then(|| seal::looks_sealed(known))
    }

    /// Writes everything to `output`, in order.
    pub(super) fn copy_to(&self, output: &mut impl io::Write) -> io::Result<()> {
        let zeros = vec![0; PIECE_BYTES];
        let mut left = usize::try_from(self.length).unwrap_or(usize::MAX);
        let mut pieces = self.pieces.iter();
        while left > 0 {
            let length = left.min(PIECE_BYTES);
            let piece = pieces.next().and_then(Option::as_deref).unwrap_or(&zeros);
            output.write_all(piece.get(..length).unwrap_or_default())?;
            left -= length;
        }
        Ok(())
    }

    /// Writes the pieces to an empty file at their places, and gives it its length.
    pub(super) fn place_in(&self, file: &File) -> io::Result<()> {
        file.set_len(self.length)?;
        for (index, piece) in self.pieces.iter().enumerate() {
            let start = (index * PIECE_BYTES) as u64;
            let length = usize::try_from(self.length.saturating_sub(start)).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            if let Some(bytes) = piece.as_deref().and_then(|piece| piece.get(..length)) {
                file.write_all_at(bytes, start)?;
            }
        }
        Ok(())
    }
}

impl Drop for MemoryContent {
    fn drop(&mut self) {
        for piece in self.pieces.iter_mut().flatten() {
            piece.zeroize();
        }
    }
}

/// What was written is given to the disk each time there is so much of it: at the end there is little left to wait for,
/// and other files' synchronisations, those of the log above all, do not wait behind gigabytes. Large enough for a disk to
/// write at its full speed.
const WRITE_BACK_BYTES: u64 = 8 << 20;

/// A sealed upload on disk, digested on the way as long as it comes in order.
pub(super) struct DiskContent {
    file: File,
    length: u64,
    digest: Sha256,
    digested: u64,
    /// Something was written again: from then on it is digested at the end only, or else two bytes now and then would
    /// have all of it read each time.
    rewritten: bool,
    /// Up to here it was given to the disk, as long as it comes in order.
    written_back: u64,
}

impl DiskContent {
    pub fn new(file: File, length: u64) -> Self {
        Self { file, length, digest: Sha256::new(), digested: 0, rewritten: false, written_back: length }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        (self.length, self.written_back) = (length, self.written_back.min(length));
        if length < self.digested {
            self.restart_digest();
        }
        Ok(())
    }

    /// Writes pieces one after the other, from an offset.
    pub fn write(&mut self, offset: u64, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        if offset == self.length && !self.rewritten {
            // What came before it was sealed for certain, or before it broke off.
            self.digest_rest()?;
        }
        let end = write_all_at(&self.file, offset, pieces)?;
        if offset == self.digested && !self.rewritten {
            for piece in pieces {
                self.digest.update(&**piece);
            }
            self.digested = end;
        } else if offset < self.digested {
            self.restart_digest();
        }
        self.length = self.length.max(end);
        self.write_back(end);
        Ok(())
    }

    /// Has the disk begin with what was written up to there, when it is enough.
    fn write_back(&mut self, end: u64) {
        let length = end.checked_sub(self.written_back).and_then(NonZeroU64::new);
        if let Some(length) = length.filter(|length| length.get() >= WRITE_BACK_BYTES) {
            // Linux writes what is dirty and keeps it meanwhile (posix_fadvise(2)). Only a hint: the upload's end waits for
            // all of it.
            let _ = rustix::fs::fadvise(&self.file, self.written_back, Some(length), Advice::DontNeed);
            self.written_back = end;
        }
    }

    /// The digest no longer follows the file.
    fn restart_digest(&mut self) {
        self.rewritten = true;
        self.digest = Sha256::new();
        self.digested = 0;
    }

    /// The SHA-256 of the whole file; what was not digested on the way is read again.
    pub fn finish_digest(&mut self) -> io::Result<[u8; 32]> {
        self.digest_rest()?;
        Ok(self.digest.clone().finalize().into())
    }

    fn digest_rest(&mut self) -> io::Result<()> {
        if self.digested == self.length {
            return Ok(());
        }
        let mut buffer = vec![0; 1 << 18];
        while self.digested < self.length {
            let read = self.file.read_at(&mut buffer, self.digested)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.digest.update(buffer.get(..read).unwrap_or_default());
            self.digested += read as u64;
        }
        Ok(())
    }
}

/// Writes all pieces, with one call to the kernel where it takes them; returns where they end.
fn write_all_at(file: &File, offset: u64, pieces: &[IoSlice<'_>]) -> io::Result<u64> {
    let mut taken = rustix::io::retry_on_intr(|| rustix::io::pwritev(file, pieces, offset))?;
    let mut at = offset;
    for piece in pieces {
        let left = piece.get(taken.min(piece.len())..).unwrap_or_default();
        taken = taken.saturating_sub(piece.len());
        at += piece.len() as u64;
        if !left.is_empty() {
            file.write_all_at(left, at - left.len() as u64)?;
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of a tenant that may have all of the budget.
    fn memory(budget: &MemoryBudget) -> MemoryContent {
        MemoryContent::new(budget, &MemoryShare::default(), budget.free_bytes())
    }

    #[test]
    fn memory_is_bounded_by_the_budget() {
        let budget = MemoryBudget::new(2 * PIECE_BYTES as u64);
        let mut content = memory(&budget);
        assert_eq!(content.write(10 * PIECE_BYTES as u64, b"x"), Ok(()));
        assert_eq!(content.write(0, b"x"), Ok(()));
        assert_eq!(content.write(3 * PIECE_BYTES as u64, b"x"), Err(NoMemory));
        drop(content);
        assert_eq!(budget.free_bytes(), 2 * PIECE_BYTES as u64);
    }

    #[test]
    fn a_sealed_beginning_shows_itself() {
        let budget = MemoryBudget::new(1 << 20);
        let mut content = memory(&budget);
        assert_eq!(content.looks_sealed(), None);
        content.write(5, b"ncryption.org/v1\n").unwrap();
        assert_eq!(content.looks_sealed(), None);
        content.write(0, b"age-encryption").unwrap();
        assert_eq!(content.looks_sealed(), Some(true));
        let mut content = memory(&budget);
        content.write(0, &[b'1'; 64]).unwrap();
        assert_eq!(content.looks_sealed(), Some(false));
    }

    /// A sealed upload is digested as a whole, in whatever order it comes.
    #[test]
    fn the_digest_follows_the_file() {
        let place = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let orders: [&[(usize, usize)]; 5] = [
            &[(0, 100_000), (100_000, 200_000), (200_000, 300_000)],
            &[(0, 100_000), (200_000, 300_000), (100_000, 200_000)],
            &[(100_000, 300_000), (0, 100_000)],
            &[(0, 200_000), (50, 60), (200_000, 250_000), (250_000, 300_000)],
            &[(0, 300_000), (299_999, 300_000)],
        ];
        for (nth, order) in orders.iter().enumerate() {
            let path = place.path().join(nth.to_string());
            let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
            // The beginning was there before, as after a break or from memory.
            file.write_all_at(&content[..1000], 0).unwrap();
            let mut disk = DiskContent::new(file, 1000);
            for (start, end) in *order {
                let start = (*start).max(if *start == 0 { 1000 } else { 0 });
                let pieces: Vec<IoSlice<'_>> = content[start..*end].chunks(32_768).map(IoSlice::new).collect();
                disk.write(start as u64, &pieces).unwrap();
            }
            assert_eq!(disk.finish_digest().unwrap(), <[u8; 32]>::from(Sha256::digest(&content)), "{order:?}");
        }
    }

    /// What was given to the disk stays what it was, and what is cut off and written anew is given to it again.
    #[test]
    fn a_long_upload_is_given_to_the_disk_as_it_comes() {
        let mut disk = DiskContent::new(tempfile::tempfile().unwrap(), 0);
        let piece = vec![7_u8; 3 << 20];
        let write = |disk: &mut DiskContent| {
            let offset = disk.length();
            disk.write(offset, &[IoSlice::new(&piece)]).unwrap();
            disk.written_back
        };
        let given: Vec<u64> = (0..5).map(|_| write(&mut disk) >> 20).collect();
        assert_eq!(given, [0, 0, 9, 9, 9]);
        disk.set_length(4 << 20).unwrap();
        assert_eq!([write(&mut disk) >> 20, write(&mut disk) >> 20, write(&mut disk) >> 20], [4, 4, 13]);
        assert_eq!(disk.finish_digest().unwrap(), <[u8; 32]>::from(Sha256::digest(vec![7_u8; 13 << 20])));
    }

    proptest! {
        #[test]
        fn writes_in_any_order_read_back_as_a_file_would(
            writes in proptest::collection::vec((0_u32..200_000, proptest::collection::vec(1_u8.., 1..5_000)), 1..20),
            length in proptest::option::of(0_u32..200_000),
        ) {
            let mut content = memory(&MemoryBudget::new(1 << 24));
            let mut expected: Vec<u8> = Vec::new();
            for (offset, bytes) in &writes {
                content.write(u64::from(*offset), bytes).unwrap();
                let (start, end) = (*offset as usize, *offset as usize + bytes.len());
                expected.resize(expected.len().max(end), 0);
                expected[start..end].copy_from_slice(bytes);
            }
            if let Some(length) = length {
                content.set_length(u64::from(length));
                expected.resize(length as usize, 0);
            }
            let mut copied = Vec::new();
            content.copy_to(&mut copied).unwrap();
            prop_assert_eq!(content.length(), expected.len() as u64);
            let mut read = vec![0; expected.len()];
            prop_assert_eq!(content.read(0, &mut read), expected.len());
            prop_assert!(copied == expected && read == expected);
        }
    }
}
