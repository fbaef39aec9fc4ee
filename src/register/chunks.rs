//! The plaintext of an extract, a few pieces at a time.
//!
//! One thread reads, which for a sealed extract means decrypting; the caller's thread works on what was read. The
//! plaintext never exists whole: a handful of buffers go round, and are wiped at the end.

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use memchr::memrchr;
use zeroize::Zeroizing;

use super::{fault::RegisterFault, layout::LINE_LIMIT_BYTES};

/// A buffer: fits the second-level cache of either core, and is many lines long.
const CHUNK_BYTES: usize = 256 * 1024;
const _: () = assert!(CHUNK_BYTES > 2 * LINE_LIMIT_BYTES, "a line within the limit fits a buffer, with a beginning");

/// Buffers that go round: one being read into, one being worked on, and two so that neither side waits for the other.
const CHUNKS: usize = 4;

/// What goes round: room for a piece, and for what is found out about it before it is taken.
struct Buffer<T> {
    text: Zeroizing<Vec<u8>>,
    about: T,
}

enum Piece<T> {
    /// Whole lines in the first so many bytes; without a line end only when there is none in a whole buffer, or at
    /// the end of the input.
    Lines(Buffer<T>, usize),
    /// The input ended as it should.
    End,
}

/// Hands all of the input to `take`, in order, in pieces that end at a line's end wherever there is one, each after
/// `prepare` had it on the reading thread, which has time to spare. What that keeps of a piece is given to it again for
/// a later one.
///
/// # Errors
/// What `take` returned, or [`RegisterFault::Input`]; in either case the rest of the input is not looked at.
pub(super) fn for_each<T: Default + Send>(
    input: impl Read + Send,
    prepare: impl FnMut(&mut [u8], &mut T) + Send,
    mut take: impl FnMut(&[u8], &mut T) -> Result<(), RegisterFault>,
) -> Result<(), RegisterFault> {
    let (filled, pieces) = sync_channel(CHUNKS);
    let (emptied, buffers) = sync_channel(CHUNKS);
    for _ in 0..CHUNKS {
        // Cannot fail: the other end is alive, and there is room.
        let _ = emptied.send(Buffer { text: Zeroizing::new(vec![0; CHUNK_BYTES]), about: T::default() });
    }
    thread::scope(|scope| {
        let reader = thread::Builder::new()
            .name("register-read".to_owned())
            .spawn_scoped(scope, move || {
                if let Err(fault) = read(input, prepare, &buffers, &filled) {
                    let _ = filled.send(Err(fault));
                }
            })
            .map_err(RegisterFault::Input)?;
        let outcome = work(&pieces, &emptied, &mut take);
        // Both ends go, so that a reader that still has something to say stops.
        drop((pieces, emptied));
        match reader.join() {
            Ok(()) => outcome,
            Err(_) => outcome.and(Err(RegisterFault::Input(io::Error::other("the reading thread stopped")))),
        }
    })
}

fn work<T>(
    pieces: &Receiver<io::Result<Piece<T>>>,
    emptied: &SyncSender<Buffer<T>>,
    take: &mut impl FnMut(&[u8], &mut T) -> Result<(), RegisterFault>,
) -> Result<(), RegisterFault> {
    loop {
        let stopped = |_| RegisterFault::Input(io::ErrorKind::UnexpectedEof.into());
        match pieces.recv().map_err(stopped)?.map_err(RegisterFault::Input)? {
            Piece::Lines(mut buffer, end) => {
                take(buffer.text.get(..end).unwrap_or_default(), &mut buffer.about)?;
                // The reader may have reached the end and be gone: then the buffer is wiped here.
                let _ = emptied.send(buffer);
            }
            Piece::End => return Ok(()),
        }
    }
}

/// Reads to the end of the input, or until nobody takes the pieces any more.
fn read<T>(
    mut input: impl Read,
    mut prepare: impl FnMut(&mut [u8], &mut T),
    buffers: &Receiver<Buffer<T>>,
    filled: &SyncSender<io::Result<Piece<T>>>,
) -> io::Result<()> {
    let mut begun = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES));
    while let Ok(mut buffer) = buffers.recv() {
        let (start, room) = buffer.text.split_at_mut(begun.len());
        start.copy_from_slice(&begun);
        let read = fill(&mut input, room)?;
        let ended = read < room.len();
        let length = begun.len() + read;
        let whole = buffer.text.get(..length).unwrap_or_default();
        let lines = memrchr(b'\n', whole).map_or(length, |at| at + 1);
        let lines = if ended { length } else { lines };
        begun.clear();
        begun.extend_from_slice(whole.get(lines..).unwrap_or_default());
        prepare(buffer.text.get_mut(..lines).unwrap_or_default(), &mut buffer.about);
        if filled.send(Ok(Piece::Lines(buffer, lines))).is_err() {
            return Ok(());
        }
        if ended {
            let _ = filled.send(Ok(Piece::End));
            return Ok(());
        }
    }
    Ok(())
}

/// Reads until the buffer is full or the input has ended.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte sequence in small, uneven reads, then ends or fails.
    struct Uneven<'a> {
        rest: &'a [u8],
        step: usize,
        then: Option<io::ErrorKind>,
    }

    impl Read for Uneven<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.step = self.step % 7919 + 1;
            let count = self.step.min(buffer.len()).min(self.rest.len());
            if count == 0 {
                return self.then.map_or(Ok(0), |kind| Err(kind.into()));
            }
            let (now, rest) = self.rest.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.rest = rest;
            Ok(count)
        }
    }

    fn nothing(_: &mut [u8], (): &mut ()) {}

    fn lines(count: usize) -> Vec<u8> {
        (0..count).flat_map(|n| format!("{n} {}\n", "x".repeat(n % 300)).into_bytes()).collect()
    }

    #[test]
    fn pieces_are_whole_lines_and_add_up() {
        let text = lines(9000);
        assert!(text.len() > 3 * CHUNK_BYTES);
        let mut seen = Vec::new();
        let input = Uneven { rest: &text, step: 0, then: None };
        let length = |piece: &mut [u8], length: &mut usize| *length = piece.len();
        for_each(input, length, |piece, length| {
            assert_eq!(piece.len(), *length);
            assert!(piece.is_empty() || piece.ends_with(b"\n"));
            seen.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
        assert!(seen == text);
    }

    #[test]
    fn a_line_without_end_comes_as_it_is() {
        for length in [10, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let text = vec![b'x'; length];
            let mut seen = 0;
            for_each(&*text, nothing, |piece, ()| {
                seen += piece.len();
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, length);
        }
    }

    #[test]
    fn a_failing_input_is_told() {
        let text = lines(3000);
        let input = Uneven { rest: &text, step: 0, then: Some(io::ErrorKind::InvalidData) };
        let outcome = for_each(input, nothing, |_, ()| Ok(()));
        assert!(matches!(outcome, Err(RegisterFault::Input(fault)) if fault.kind() == io::ErrorKind::InvalidData));
    }

    #[test]
    fn the_reader_stops_when_the_work_fails() {
        let outcome = for_each(io::repeat(b'\n'), nothing, |_, ()| Err(RegisterFault::Empty));
        assert!(matches!(outcome, Err(RegisterFault::Empty)));
    }
}
