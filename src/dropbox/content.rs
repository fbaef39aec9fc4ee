//! The bytes of an upload while it is written: in memory, or on disk once they have shown to be sealed.

use std::{fs::File, io, os::unix::fs::FileExt};

use zeroize::Zeroize;

use super::budget::{MemoryBudget, Reserved};
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
    pub(super) fn new(budget: &MemoryBudget) -> Self {
        Self { pieces: Vec::new(), length: 0, reserved: budget.reserve_nothing() }
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

    /// Writes the pieces to a file at their places.
    pub(super) fn place_in(&self, file: &File) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_is_bounded_by_the_budget() {
        let budget = MemoryBudget::new(2 * PIECE_BYTES as u64);
        let mut content = MemoryContent::new(&budget);
        assert_eq!(content.write(10 * PIECE_BYTES as u64, b"x"), Ok(()));
        assert_eq!(content.write(0, b"x"), Ok(()));
        assert_eq!(content.write(3 * PIECE_BYTES as u64, b"x"), Err(NoMemory));
        drop(content);
        assert_eq!(budget.free_bytes(), 2 * PIECE_BYTES as u64);
    }

    #[test]
    fn a_sealed_beginning_shows_itself() {
        let budget = MemoryBudget::new(1 << 20);
        let mut content = MemoryContent::new(&budget);
        assert_eq!(content.looks_sealed(), None);
        content.write(5, b"ncryption.org/v1\n").unwrap();
        assert_eq!(content.looks_sealed(), None);
        content.write(0, b"age-encryption").unwrap();
        assert_eq!(content.looks_sealed(), Some(true));
        let mut content = MemoryContent::new(&budget);
        content.write(0, &[b'1'; 64]).unwrap();
        assert_eq!(content.looks_sealed(), Some(false));
    }

    proptest! {
        #[test]
        fn writes_in_any_order_read_back_as_a_file_would(
            writes in proptest::collection::vec((0_u32..200_000, proptest::collection::vec(1_u8.., 1..5_000)), 1..20),
            length in proptest::option::of(0_u32..200_000),
        ) {
            let mut content = MemoryContent::new(&MemoryBudget::new(1 << 24));
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
