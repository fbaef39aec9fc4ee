//! From pieces of an extract to lines and the places of their values.
//!
//! This is the reading thread's part of the work beside decrypting: where values end, and whether their bytes are in
//! order. What the values say is judged by [`super::load`].

use memchr::memchr;
use zeroize::Zeroizing;

use super::{
    fault::{LineProblem, RegisterFault},
    layout::{Ends, LINE_LIMIT_BYTES, Layout, Line},
};

/// Cuts pieces, in their order.
pub(super) struct Cutter {
    layout: Option<Layout>,
    /// The number of the next line; the header is line 1.
    next: u64,
    faulty: bool,
}

/// The lines of a piece. Kept from piece to piece for its room.
#[derive(Default)]
pub(super) struct Cuts {
    lines: Vec<Cut>,
    /// Lines that could not be changed in place.
    moved: Zeroizing<Vec<u8>>,
    /// Whether nothing stands in the piece but UTF-8 without control characters.
    pub clean: bool,
    /// What is wrong with the line after the last one that was cut.
    pub fault: Option<RegisterFault>,
}

/// Where a line's values are.
struct Cut {
    /// Where it begins, in the piece or among those that were moved.
    start: usize,
    moved: bool,
    ends: Ends,
}

impl Cutter {
    pub fn new() -> Self {
        Self { layout: None, next: 1, faulty: false }
    }

    /// Cuts a piece that ends at a line's end; its separators are changed on the way.
    pub fn cut(&mut self, piece: &mut [u8], cuts: &mut Cuts) {
        cuts.lines.clear();
        cuts.moved.clear();
        cuts.clean = is_clean(piece);
        if self.faulty {
            return;
        }
        if let Err(fault) = self.cut_lines(piece, cuts) {
            cuts.fault = Some(fault);
            self.faulty = true;
        }
    }

    fn cut_lines(&mut self, piece: &mut [u8], cuts: &mut Cuts) -> Result<(), RegisterFault> {
        let mut to_quote = memchr(b'"', piece);
        let (mut rest, mut start) = (piece, 0);
        while !rest.is_empty() {
            let number = self.next;
            let fault = |problem| RegisterFault::Line { line: number, problem };
            let end = memchr(b'\n', rest).unwrap_or(rest.len());
            let (line, after) = rest.split_at_mut(end);
            let problem = if end > LINE_LIMIT_BYTES { LineProblem::TooLong } else { LineProblem::NoLineEnd };
            rest = after.get_mut(1..).ok_or(fault(problem))?;
            let has_quote = to_quote.is_some_and(|quote| quote < end);
            to_quote = if has_quote { memchr(b'"', rest) } else { to_quote.map(|quote| quote.saturating_sub(end + 1)) };
            let length = line.len() - usize::from(line.ends_with(b"\r"));
            let line = line.get_mut(..length).unwrap_or_default();
            self.next += 1;
            if let Some(layout) = &mut self.layout {
                let moved = !layout.is_cut_in_place(has_quote);
                let line = layout.split(line, has_quote).map_err(fault)?;
                let cut = Cut { start: if moved { cuts.moved.len() } else { start }, moved, ends: line.ends() };
                if moved {
                    cuts.moved.extend_from_slice(line.bytes());
                }
                cuts.lines.push(cut);
            } else {
                self.layout = Some(Layout::read(line).map_err(RegisterFault::Header)?);
            }
            start += end + 1;
        }
        Ok(())
    }
}

impl Cuts {
    /// The lines of the piece that was cut.
    pub fn lines<'a>(&'a self, piece: &'a [u8]) -> impl Iterator<Item = Line<'a>> {
        self.lines.iter().map(move |cut| {
            let bytes = if cut.moved { &self.moved } else { piece };
            Line::at(bytes.get(cut.start..).unwrap_or_default(), cut.ends)
        })
    }
}

/// Whether lines hold nothing but UTF-8 without control characters, so that they need no closer look.
fn is_clean(lines: &[u8]) -> bool {
    // Without an early end inside a block, so that the compiler looks at many bytes at once.
    let odd = |odd: u8, byte: &u8| odd | u8::from(*byte < b' ') & u8::from(*byte != b'\n') | u8::from(*byte == 0x7f);
    lines.chunks(4096).all(|block| block.iter().fold(0, odd) == 0) && simdutf8::basic::from_utf8(lines).is_ok()
}
