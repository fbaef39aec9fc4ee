//! Lists that are text: line ends, delimiter, quotes (RFC 4180).
//!
//! Cells are slices of the text, quotes included; nothing is copied for a row. A quote that is not closed within
//! [`LONGEST_QUOTED`], or is closed where no cell ends, is an ordinary character: otherwise one stray quote would
//! swallow the rows after it.

use std::thread::{self, ScopedJoinHandle};

use jiff::civil::Date;
use memchr::{memchr, memchr_iter, memchr2};
use zeroize::Zeroizing;

use super::{
    Limits, List, ListFault, Places, Seems,
    cell::{Cell, beginning, is_rounded},
    encoding::{DOS_END, Text},
    header::{Layout, MOST_COLUMNS, SAMPLE_ROWS, Sample, SampleRow, names_number},
    tally::Tally,
};
use crate::domain::{Niss, niss::DIGITS};

/// Longest quoted cell, bytes: an address over several lines fits easily.
const LONGEST_QUOTED: usize = 4096;

/// Delimiters that stand for nothing else, in the order in which they are believed.
const DELIMITERS: [u8; 3] = [b';', b'\t', b'|'];

/// A delimiter that also stands inside titles, names and amounts.
const COMMA: u8 = b',';

/// Rows looked at to find the delimiter.
const DELIMITER_ROWS: usize = 64;

/// A row of a number and a line end, for a guess of the number of rows.
const SHORTEST_ROW: usize = 12;

/// From here on a text is read on two cores: some 20,000 rows, which take longer than a thread to start.
const LONG_BYTES: usize = 256 * 1024;

/// Reads a list that is text.
pub fn read(bytes: &[u8], name: &str, limits: &Limits, today: Date) -> Result<List, ListFault> {
    let text = Text::decode(bytes, name)?;
    let text = text.as_str().trim_end_matches(DOS_END);
    if let Some(seems) = Seems::by_markup(text) {
        return Err(ListFault::NotAList { seems });
    }
    let shape = Shape::of(text);
    let layout = shape.sample(text).layout()?;
    let new_tally = |text: &str| Tally::new(layout, text.len() / SHORTEST_ROW + 1, limits, today);
    let above = layout.header_line.max(u32::from(shape.declared));
    let Some((first, second)) = shape.halves(text, above) else {
        let mut tally = new_tally(text);
        Part { shape, layout, text, above }.count(&mut tally)?;
        return tally.finish(0);
    };
    let (mut one, mut other) = (new_tally(text), new_tally(second));
    let first = Part { shape, layout, text: first, above };
    // Its lines are counted from its own beginning until it is known how many come before it.
    let second = Part { shape, layout, text: second, above: 0 };
    let (in_first, in_second) = thread::scope(|scope| {
        let on_other_core = thread::Builder::new().spawn_scoped(scope, || second.count(&mut other));
        let in_first = first.count(&mut one);
        (in_first, on_other_core.map(ScopedJoinHandle::join))
    });
    let lines_before = in_first?;
    let in_second = in_second.ok().and_then(Result::ok).unwrap_or_else(|| {
        // No thread was to be had, or it stopped half-way.
        other = new_tally(second.text);
        second.count(&mut other)
    });
    in_second.map_err(|fault| fault.below(lines_before))?;
    one.add(other, lines_before);
    one.finish(0)
}

/// Some of a text's rows, one after the other.
#[derive(Clone, Copy)]
struct Part<'a> {
    shape: Shape,
    layout: Layout,
    text: &'a str,
    /// Its lines up to and with the header.
    above: u32,
}

impl Part<'_> {
    /// Adds its rows, and says how many lines it has; the last may have no end.
    fn count(self, tally: &mut Tally) -> Result<u32, ListFault> {
        let Self { shape, layout, .. } = self;
        let mut records = shape.records_from(self.text);
        loop {
            if layout.column == 0 && records.line > self.above {
                while let Some((line, niss)) = records.leading_number() {
                    tally.row(line, Cell::Valid { niss, restored: false });
                }
            }
            let Some(record) = records.next() else { break };
            if record.line <= self.above || record.bytes.is_empty() {
                continue;
            }
            let raw = shape.cell(record.bytes, layout.column);
            let cell = Cell::read(raw);
            if cell == Cell::Empty && shape.is_blank(record.bytes) {
                continue;
            }
            if !record.ended && !matches!(cell, Cell::Valid { .. }) {
                // It stops before its number, or within it; a total or the like has as many cells as the rows above.
                let cells = shape.cells(record.bytes).count();
                if cells <= layout.column || (cells == layout.column + 1 && Cell::is_fragment(raw)) {
                    return Err(ListFault::CutOff { line: record.line });
                }
            }
            tally.row(record.line, cell);
        }
        Ok(records.line.saturating_sub(1))
    }
}

/// How a text divides into rows and cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// Between rows: LF, with a CR before it or not, or CR alone.
    row_end: u8,
    /// Between cells; none when every row is one cell.
    delimiter: Option<u8>,
    /// Whether the text holds quotes at all.
    quotes: bool,
    /// Whether the first line is `sep=;`, which tells spreadsheets the delimiter.
    declared: bool,
}

/// A row.
#[derive(Debug, Clone, Copy)]
struct Record<'a> {
    /// The line on which it begins, from 1.
    line: u32,
    /// Its bytes without the line end.
    bytes: &'a [u8],
    /// Whether a line end follows.
    ended: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let row_end = if memchr(b'\n', bytes).is_none() { b'\r' } else { b'\n' };
        let mut shape = Self { row_end, delimiter: None, quotes: memchr(b'"', bytes).is_some(), declared: false };
        let first = shape.lines(bytes).next().map_or(&b""[..], |record| record.bytes);
        if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] = first {
            return Self { delimiter: Some(*delimiter), declared: true, ..shape };
        }
        shape.delimiter = shape.find_delimiter(bytes);
        shape
    }

    /// The delimiter that cuts out a name of the number near the top, or else one that most rows hold. A comma is in
    /// titles too: it stands in most rows, or cuts a number out of one.
    fn find_delimiter(self, bytes: &[u8]) -> Option<u8> {
        let rows = || self.lines(bytes).map(|record| record.bytes).filter(|row| !row.is_empty()).take(DELIMITER_ROWS);
        let cuts_out_name = |delimiter: u8| {
            rows().take(10).any(|row| {
                let shape = Self { delimiter: Some(delimiter), ..self };
                memchr(delimiter, row).is_some()
                    && shape.cells(row).any(|cell| names_number(&String::from_utf8_lossy(cell)))
            })
        };
        let cuts_out_number = |delimiter: u8| {
            rows().any(|row| {
                let shape = Self { delimiter: Some(delimiter), ..self };
                memchr(delimiter, row).is_some()
                    && shape.cells(row).any(|cell| matches!(Cell::read(cell), Cell::Valid { .. }))
            })
        };
        let stands_in_most = |delimiter: u8| {
            let with = || rows().filter(|row| memchr(delimiter, row).is_some());
            // One row with another comma is a title.
            let decimals = with().filter(|row| is_decimal(row)).count();
            let is_decimals = delimiter == COMMA && decimals > 0 && with().count() <= decimals + 1;
            !is_decimals && with().count() * 2 >= rows().count().max(1)
        };
        let strong = |is_it: &dyn Fn(u8) -> bool| DELIMITERS.into_iter().find(|delimiter| is_it(*delimiter));
        let comma = |is_it: bool| is_it.then_some(COMMA);
        strong(&cuts_out_name)
            .or_else(|| comma(cuts_out_name(COMMA) && stands_in_most(COMMA)))
            .or_else(|| strong(&stands_in_most))
            .or_else(|| comma(stands_in_most(COMMA) || (cuts_out_name(COMMA) && cuts_out_number(COMMA))))
    }

    /// The lines as they are, quotes or not.
    fn lines(self, bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
        Records { shape: Self { quotes: false, ..self }, rest: bytes, line: 1 }
    }

    /// The rows.
    fn records(self, text: &str) -> impl Iterator<Item = Record<'_>> {
        self.records_from(text).skip(usize::from(self.declared))
    }

    /// The rows of a part of the text, which begins at a line's beginning.
    fn records_from(self, text: &str) -> Records<'_> {
        Records { shape: self, rest: text.as_bytes(), line: 1 }
    }

    /// A long text in two parts of about the same length, the first with its line end and with the lines above the
    /// rows. Where there are quotes, a line end in the middle may stand inside a cell.
    fn halves(self, text: &str, above: u32) -> Option<(&str, &str)> {
        if self.quotes || text.len() < LONG_BYTES {
            return None;
        }
        let middle = text.len() / 2;
        let end = memchr(self.row_end, text.as_bytes().get(middle..)?)?;
        let (first, second) = text.split_at_checked(middle + end + 1)?;
        let ends = memchr_iter(self.row_end, first.as_bytes()).take(above as usize).count();
        (ends == above as usize).then_some((first, second))
    }

    fn sample(self, text: &str) -> Sample {
        let rows = self.records(text).filter(|record| !self.is_blank(record.bytes)).take(SAMPLE_ROWS).map(|record| {
            let cells = self.cells(record.bytes).take(MOST_COLUMNS);
            let cells =
                cells.map(|cell| Zeroizing::new(beginning(&String::from_utf8_lossy(cell)).to_owned())).collect();
            SampleRow { line: record.line, cells }
        });
        Sample { rows: rows.collect(), places: Places::Lines }
    }

    /// Whether a row holds nothing but delimiters, white space and quotes.
    fn is_blank(self, row: &[u8]) -> bool {
        let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'"' || Some(*byte) == self.delimiter;
        let Some(rest) = row.iter().position(|byte| !is_blank(byte)).and_then(|at| row.get(at..)) else { return true };
        // Applications on the web write spaces that do not break.
        rest.first().is_some_and(|byte| !byte.is_ascii())
            && str::from_utf8(rest).is_ok_and(|rest| {
                let is_blank = |letter: char| u8::try_from(letter).is_ok_and(|byte| byte.is_ascii() && is_blank(&byte));
                rest.chars().all(|letter| letter.is_whitespace() || is_blank(letter))
            })
    }

    fn cells(self, row: &[u8]) -> impl Iterator<Item = &[u8]> {
        Cells { shape: self, rest: Some(row) }
    }

    /// The cell in that place; empty when the row is too short.
    fn cell(self, row: &[u8], column: usize) -> &[u8] {
        self.cells(row).nth(column).unwrap_or_default()
    }

    /// Where the quoted cell that begins at the start of `bytes` ends: after its closing quote, which only counts when
    /// the cell or row ends there.
    fn quoted_end(self, bytes: &[u8]) -> Option<usize> {
        if !self.quotes || bytes.first() != Some(&b'"') {
            return None;
        }
        let reach = bytes.get(1..bytes.len().min(LONGEST_QUOTED))?;
        let mut quotes = memchr_iter(b'"', reach).peekable();
        while let Some(at) = quotes.next() {
            // Two quotes are one character of the cell.
            if quotes.next_if_eq(&(at + 1)).is_some() {
                continue;
            }
            let after = bytes.get(at + 2..)?.iter().find(|byte| **byte != b' ');
            let closes = after.is_none_or(|byte| Some(*byte) == self.delimiter || matches!(byte, b'\r' | b'\n'));
            return closes.then_some(at + 2);
        }
        None
    }
}

/// Whether the row is one number with a decimal comma: no comma between cells.
fn is_decimal(row: &[u8]) -> bool {
    let text = String::from_utf8_lossy(row);
    let text = text.trim();
    is_rounded(text)
        || text.split_once(',').is_some_and(|(whole, zeros)| {
            let is_whole = whole.bytes().all(|byte| byte.is_ascii_digit());
            is_whole && !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0')
        })
}

struct Records<'a> {
    shape: Shape,
    rest: &'a [u8],
    line: u32,
}

impl Records<'_> {
    /// The number that the next row begins with, where the row needs no closer look, with its line. Nearly all rows of
    /// nearly all lists are such.
    #[inline]
    fn leading_number(&mut self) -> Option<(u32, Niss)> {
        let Shape { row_end, delimiter, quotes, .. } = self.shape;
        let (digits, after) = self.rest.split_first_chunk::<DIGITS>()?;
        let length = match *after {
            [end, ..] if end == row_end => 1,
            [b'\r', end, ..] if end == row_end => 2,
            [end, ..] if Some(end) == delimiter && !quotes => memchr(row_end, after)? + 1,
            _ => return None,
        };
        let niss = Niss::from_digits(digits).ok()?;
        self.rest = after.get(length..)?;
        let line = self.line;
        self.line = line.saturating_add(1);
        Some((line, niss))
    }

    /// The length of the next row, line end excluded.
    fn row_length(&self) -> usize {
        let bytes = self.rest;
        let line = memchr(self.shape.row_end, bytes).unwrap_or(bytes.len());
        let plain = !self.shape.quotes || bytes.get(..line).is_none_or(|row| memchr(b'"', row).is_none());
        if plain {
            return line;
        }
        let mut at = 0;
        loop {
            let cell = bytes.get(at..).unwrap_or_default();
            at += self.shape.quoted_end(cell).unwrap_or(0);
            let after = bytes.get(at..).unwrap_or_default();
            let delimiter = self.shape.delimiter.unwrap_or(self.shape.row_end);
            match memchr2(delimiter, self.shape.row_end, after) {
                None => return bytes.len(),
                Some(more) if after.get(more) == Some(&self.shape.row_end) => return at + more,
                Some(more) => at += more + 1,
            }
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (row, rest) = self.rest.split_at_checked(self.row_length())?;
        let (ended, rest) = rest.split_first().map_or((false, rest), |(_, rest)| (true, rest));
        self.rest = rest;
        let line = self.line;
        let inside = if self.shape.quotes { memchr_iter(self.shape.row_end, row).count() } else { 0 };
        self.line = line.saturating_add(u32::try_from(inside).unwrap_or(u32::MAX)).saturating_add(1);
        Some(Record { line, bytes: row.strip_suffix(b"\r").unwrap_or(row), ended })
    }
}

struct Cells<'a> {
    shape: Shape,
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Cells<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let row = self.rest.take()?;
        let Some(delimiter) = self.shape.delimiter else { return Some(row) };
        let quoted = self.shape.quoted_end(row).unwrap_or(0);
        let end = row.get(quoted..).and_then(|after| memchr(delimiter, after)).map(|more| quoted + more);
        let Some(end) = end else { return Some(row) };
        self.rest = row.get(end + 1..);
        row.get(..end)
    }
}
