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

type Buffer = Zeroizing<Vec<u8>>;

enum Piece {
    /// Whole lines in the first so many bytes; without a line end only when there is none in a whole buffer, or at
    /// the end of the input. And what the look at them gave.
    Lines(Buffer, usize, bool),
    /// The input ended as it should.
    End,
}

/// Hands all of the input to `take`, in order, in pieces that end at a line's end wherever there is one, each with
/// what `look` said of it on the reading thread, which has time to spare.
///
/// # Errors
/// What `take` returned, or [`RegisterFault::Input`]; in either case the rest of the input is not looked at.
pub(super) fn for_each(
    input: impl Read + Send,
    look: fn(&[u8]) -> bool,
    mut take: impl FnMut(&mut [u8], bool) -> Result<(), RegisterFault>,
) -> Result<(), RegisterFault> {
    let (filled, pieces) = sync_channel(CHUNKS);
    let (emptied, buffers) = sync_channel(CHUNKS);
    for _ in 0..CHUNKS {
        // Cannot fail: the other end is alive, and there is room.
        let _ = emptied.send(Zeroizing::new(vec![0; CHUNK_BYTES]));
    }
    thread::scope(|scope| {
        let reader = thread::Builder::new()
            .name("register-read".to_owned())
            .spawn_scoped(scope, move || {
                if let Err(fault) = read(input, look, &buffers, &filled) {
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

fn work(
    pieces: &Receiver<io::Result<Piece>>,
    emptied: &SyncSender<Buffer>,
    take: &mut impl FnMut(&mut [u8], bool) -> Result<(), RegisterFault>,
) -> Result<(), RegisterFault> {
    loop {
        let stopped = |_| RegisterFault::Input(io::ErrorKind::UnexpectedEof.into());
        match pieces.recv().map_err(stopped)?.map_err(RegisterFault::Input)? {
            Piece::Lines(mut buffer, end, looked) => {
                take(buffer.get_mut(..end).unwrap_or_default(), looked)?;
                // The reader may have reached the end and be gone: then the buffer is wiped here.
                let _ = emptied.send(buffer);
            }
            Piece::End => return Ok(()),
        }
    }
}

/// Reads to the end of the input, or until nobody takes the pieces any more.
fn read(
    mut input: impl Read,
    look: fn(&[u8]) -> bool,
    buffers: &Receiver<Buffer>,
    filled: &SyncSender<io::Result<Piece>>,
) -> io::Result<()> {
    let mut begun = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES));
    while let Ok(mut buffer) = buffers.recv() {
        let (start, room) = buffer.split_at_mut(begun.len());
        start.copy_from_slice(&begun);
        let read = fill(&mut input, room)?;
        let ended = read < room.len();
        let length = begun.len() + read;
        let whole = buffer.get(..length).unwrap_or_default();
        let lines = memrchr(b'\n', whole).map_or(length, |at| at + 1);
        let lines = if ended { length } else { lines };
        begun.clear();
        begun.extend_from_slice(whole.get(lines..).unwrap_or_default());
        let looked = whole.get(..lines).is_some_and(look);
        if filled.send(Ok(Piece::Lines(buffer, lines, looked))).is_err() {
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

    fn lines(count: usize) -> Vec<u8> {
        (0..count).flat_map(|n| format!("{n} {}\n", "x".repeat(n % 300)).into_bytes()).collect()
    }

    #[test]
    fn pieces_are_whole_lines_and_add_up() {
        let text = lines(9000);
        assert!(text.len() > 3 * CHUNK_BYTES);
        let mut seen = Vec::new();
        let input = Uneven { rest: &text, step: 0, then: None };
        for_each(input, <[u8]>::is_empty, |piece, empty| {
            assert_eq!(piece.is_empty(), empty);
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
            for_each(&*text, <[u8]>::is_empty, |piece, _| {
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
        let outcome = for_each(input, <[u8]>::is_empty, |_, _| Ok(()));
        assert!(matches!(outcome, Err(RegisterFault::Input(fault)) if fault.kind() == io::ErrorKind::InvalidData));
    }

    #[test]
    fn the_reader_stops_when_the_work_fails() {
        let outcome = for_each(io::repeat(b'\n'), <[u8]>::is_empty, |_, _| Err(RegisterFault::Empty));
        assert!(matches!(outcome, Err(RegisterFault::Empty)));
    }
}
