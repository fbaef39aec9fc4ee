//! From a line to its values, in one order whatever the order of the file.
//!
//! Values are joined by [`SEPARATOR`], a control character that no value may hold, so that a run of neighbouring
//! values is one piece of text to keep and compare. The usual line, unquoted and in the order of FORMATS section 4,
//! is changed in place and never copied.

use memchr::memchr;
use zeroize::Zeroizing;

use super::fault::{Field, HeaderProblem, LineProblem};

/// A line at most. Real ones have 200 to 300 bytes; the header has 300.
pub const LINE_LIMIT_BYTES: usize = 16 * 1024;

/// Rows at most: twelve times the children of Flanders, and what keeps a row's place in 32 bits.
pub const MOST_ROWS: u32 = 20_000_000;

/// Rows of one child at most. Two is usual, three with an institution; the limit bounds the check for duplicates.
pub const MOST_HOUSEHOLDS: usize = 16;

/// Between values, inside: ASCII's unit separator.
pub(super) const SEPARATOR: u8 = 0x1f;

const COLUMNS: usize = Field::ALL.len();
const _: () = assert!(LINE_LIMIT_BYTES + COLUMNS <= u16::MAX as usize, "a place in a line fits 16 bits");

/// The order of the columns in one extract.
pub(super) struct Layout {
    /// For each place in the file, the place in [`Field::ALL`].
    order: [usize; COLUMNS],
    in_order: bool,
    scratch: Scratch,
}

/// Where a line that cannot be read in place is put together. Wiped when it goes, and large enough from the start, so
/// that growing leaves no copy behind.
struct Scratch {
    unquoted: Zeroizing<Vec<u8>>,
    line: Zeroizing<Vec<u8>>,
}

/// A line whose values stand in the order of [`Field::ALL`], joined by [`SEPARATOR`].
pub(super) struct Line<'a> {
    bytes: &'a [u8],
    ends: Ends,
}

/// Where each value of a line ends; two bytes each, since they are passed on for every row.
pub(super) type Ends = [u16; COLUMNS];

impl Layout {
    /// Reads the header: every column once, in any order.
    pub(super) fn read(header: &[u8]) -> Result<Self, HeaderProblem> {
        let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header);
        let mut names = Vec::new();
        let ends = unquote(header, &mut names).ok_or(HeaderProblem::Quotes)?;
        let mut places = [None; COLUMNS];
        for (at, name) in pieces(&names, &ends).enumerate() {
            let unknown = HeaderProblem::Unknown { place: at + 1 };
            let field = Field::ALL.iter().position(|field| field.name().as_bytes() == name).ok_or(unknown)?;
            let place = places.get_mut(field).ok_or(unknown)?;
            if place.replace(at).is_some() {
                return Err(Field::ALL.get(field).map_or(unknown, |field| HeaderProblem::Twice(*field)));
            }
        }
        let mut order = [0; COLUMNS];
        for ((at, field), place) in Field::ALL.iter().enumerate().zip(places) {
            let place = place.ok_or(HeaderProblem::Missing(*field))?;
            if let Some(slot) = order.get_mut(place) {
                *slot = at;
            }
        }
        let in_order = order.iter().enumerate().all(|(at, field)| at == *field);
        Ok(Self { order, in_order, scratch: Scratch::new() })
    }

    /// Splits a line, without its end, into values. `has_quote` says whether a quote stands in it. The line's
    /// separators may be changed on the way.
    pub(super) fn split<'a>(&'a mut self, line: &'a mut [u8], has_quote: bool) -> Result<Line<'a>, LineProblem> {
        if line.len() > LINE_LIMIT_BYTES {
            return Err(LineProblem::TooLong);
        }
        if self.is_cut_in_place(has_quote) { split_in_place(line) } else { self.rearrange(line) }
    }

    /// Whether a line stays where it is when it is split.
    pub(super) fn is_cut_in_place(&self, has_quote: bool) -> bool {
        self.in_order && !has_quote
    }

    fn rearrange(&mut self, line: &[u8]) -> Result<Line<'_>, LineProblem> {
        let Scratch { unquoted, line: arranged } = &mut self.scratch;
        unquoted.clear();
        arranged.clear();
        let found = unquote(line, unquoted).ok_or(LineProblem::Quotes)?;
        if found.len() != COLUMNS {
            return Err(LineProblem::FieldCount { found: found.len() });
        }
        let mut values = [&[][..]; COLUMNS];
        for (value, field) in pieces(unquoted, &found).zip(self.order) {
            if let Some(slot) = values.get_mut(field) {
                *slot = value;
            }
        }
        let mut ends = [0; COLUMNS];
        for (value, end) in values.iter().zip(&mut ends) {
            arranged.extend_from_slice(value);
            *end = u16::try_from(arranged.len()).map_err(|_| LineProblem::TooLong)?;
            arranged.push(SEPARATOR);
        }
        arranged.pop();
        Ok(Line { bytes: arranged, ends })
    }
}

impl Scratch {
    fn new() -> Self {
        let buffer = || Zeroizing::new(Vec::with_capacity(LINE_LIMIT_BYTES + COLUMNS));
        Self { unquoted: buffer(), line: buffer() }
    }
}

fn split_in_place(line: &mut [u8]) -> Result<Line<'_>, LineProblem> {
    let length = u16::try_from(line.len()).map_err(|_| LineProblem::TooLong)?;
    let (mut ends, mut found) = ([length; COLUMNS], 0);
    let mut end_at = |at: u16| {
        if let Some(end) = ends.get_mut(found) {
            *end = at;
        }
        found += 1;
    };
    let (words, rest) = line.as_chunks_mut::<8>();
    let mut at = 0;
    for word in words {
        let bytes = u64::from_le_bytes(*word);
        let mut hits = semicolons(bytes);
        if hits != 0 {
            *word = (bytes ^ ((hits >> 7) * u64::from(b';' ^ SEPARATOR))).to_le_bytes();
        }
        // Eight at most: the conversion loses nothing.
        while let Ok(in_word @ 0..8) = u16::try_from(hits.trailing_zeros() / 8) {
            end_at(at + in_word);
            hits &= hits - 1;
        }
        at += 8;
    }
    for byte in rest {
        if *byte == b';' {
            *byte = SEPARATOR;
            end_at(at);
        }
        at += 1;
    }
    if found + 1 == COLUMNS {
        Ok(Line { bytes: line, ends })
    } else {
        Err(LineProblem::FieldCount { found: found + 1 })
    }
}

/// The upper bit of every byte that is a semicolon. Values are eight bytes long on average, so that looking at eight
/// bytes at once beats searching for the next one anew each time.
fn semicolons(bytes: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let zero_where_equal = bytes ^ u64::from_ne_bytes([b';'; 8]);
    !(((zero_where_equal & LOW) + LOW) | zero_where_equal | LOW)
}

/// Writes the values of a line behind one another, without their quotes, and tells where each ends.
fn unquote(line: &[u8], into: &mut Vec<u8>) -> Option<Vec<usize>> {
    let mut ends = Vec::with_capacity(COLUMNS);
    let mut rest = line;
    loop {
        if let Some(mut quoted) = rest.strip_prefix(b"\"") {
            loop {
                let (value, after) = quoted.split_at_checked(memchr(b'"', quoted)?)?;
                into.extend_from_slice(value);
                quoted = after.get(1..)?;
                match quoted.strip_prefix(b"\"") {
                    Some(after_double) => {
                        into.push(b'"');
                        quoted = after_double;
                    }
                    None => break,
                }
            }
            rest = quoted;
        } else {
            let (value, after) = rest.split_at_checked(memchr(b';', rest).unwrap_or(rest.len()))?;
            into.extend_from_slice(value);
            rest = after;
        }
        ends.push(into.len());
        match rest.split_first() {
            None => return Some(ends),
            Some((b';', after)) => rest = after,
            Some(_) => return None,
        }
    }
}

fn pieces<'a>(bytes: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| bytes.get(start..*end).unwrap_or_default())
}

impl<'a> Line<'a> {
    /// The line at the beginning of these bytes.
    pub(super) fn at(bytes: &'a [u8], ends: Ends) -> Self {
        Self { bytes, ends }
    }

    /// Its values, joined.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where its values end.
    pub(super) fn ends(&self) -> Ends {
        self.ends
    }

    /// The value of a column.
    pub(super) fn value(&self, field: Field) -> &'a [u8] {
        self.values(field, field)
    }

    /// The values from one column to another, joined by [`SEPARATOR`].
    pub(super) fn values(&self, first: Field, last: Field) -> &'a [u8] {
        let before = (first as usize).checked_sub(1).and_then(|at| self.ends.get(at));
        let start = before.map_or(0, |end| usize::from(*end) + 1);
        self.ends.get(last as usize).and_then(|end| self.bytes.get(start..usize::from(*end))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> String {
        Field::ALL.map(Field::name).join(";")
    }

    fn values(layout: &mut Layout, line: &str) -> Result<Vec<String>, LineProblem> {
        let mut line = line.as_bytes().to_vec();
        let has_quote = line.contains(&b'"');
        let line = layout.split(&mut line, has_quote)?;
        Ok(Field::ALL.iter().map(|field| String::from_utf8(line.value(*field).to_vec()).unwrap()).collect())
    }

    #[test]
    fn a_header_in_any_order_is_read() {
        let mut reversed: Vec<&str> = Field::ALL.map(Field::name).to_vec();
        reversed.reverse();
        let mut layout = Layout::read(format!("\u{feff}{}", reversed.join(";")).as_bytes()).unwrap();
        let line: Vec<String> = (0..23).rev().map(|at| format!("v{at}")).collect();
        let expected: Vec<String> = (0..23).map(|at| format!("v{at}")).collect();
        assert_eq!(values(&mut layout, &line.join(";")), Ok(expected));
    }

    #[test]
    fn a_header_at_fault_is_refused_without_being_told() {
        let unknown = header().replace("iban", "85073003328");
        for (text, problem) in [
            (unknown.as_str(), HeaderProblem::Unknown { place: 22 }),
            (&header().replace("street", "iban"), HeaderProblem::Twice(Field::Iban)),
            (&header().replace(";street", ""), HeaderProblem::Missing(Field::Street)),
            (&format!("{};extra", header()), HeaderProblem::Unknown { place: 24 }),
            ("\"dossier", HeaderProblem::Quotes),
            ("", HeaderProblem::Unknown { place: 1 }),
        ] {
            assert_eq!(Layout::read(text.as_bytes()).err(), Some(problem), "{text}");
            assert!(!problem.to_string().contains("85073003328"));
        }
    }

    #[test]
    fn quoted_values_are_read() {
        let mut layout = Layout::read(header().as_bytes()).unwrap();
        let mut line = vec![String::new(); 23];
        line[16] = "\"bus 2; links\"".to_owned();
        line[22] = "\"zegt \"\"x\"\"\"".to_owned();
        let read = values(&mut layout, &line.join(";")).unwrap();
        assert_eq!((read[16].as_str(), read[22].as_str(), read[0].as_str()), ("bus 2; links", "zegt \"x\"", ""));
        for broken in ["\"a", "\"a\"b", "\"a\";\"", "\"\"\""] {
            assert_eq!(values(&mut layout, broken), Err(LineProblem::Quotes), "{broken}");
        }
        assert_eq!(values(&mut layout, "\"a\";b"), Err(LineProblem::FieldCount { found: 2 }));
        assert_eq!(values(&mut layout, "a;b"), Err(LineProblem::FieldCount { found: 2 }));
        assert_eq!(values(&mut layout, &";".repeat(23)), Err(LineProblem::FieldCount { found: 24 }));
    }

    proptest! {
        #[test]
        fn both_ways_of_splitting_agree(values in prop::collection::vec("[a-z;é\" ]{0,8}", 23)) {
            let quote = |value: &String| format!("\"{}\"", value.replace('"', "\"\""));
            let line = values.iter().map(quote).collect::<Vec<_>>().join(";");
            let mut layout = Layout::read(header().as_bytes()).unwrap();
            prop_assert_eq!(super::tests::values(&mut layout, &line), Ok(values.clone()));
            if values.iter().all(|value| !value.contains([';', '"'])) {
                prop_assert_eq!(super::tests::values(&mut layout, &values.join(";")), Ok(values));
            }
        }

        #[test]
        fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut layout = Layout::read(header().as_bytes()).unwrap();
            let _ = layout.split(&mut line.clone(), false);
            let _ = layout.split(&mut line.clone(), true);
            let _ = Layout::read(&line);
        }
    }
}
