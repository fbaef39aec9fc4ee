//! The XML of a workbook (ECMA-376 part 1, chapter 18), read as a stream over bytes that were checked before.
//!
//! Only rows, cells and their text are looked at; styles, formulas and links are not, so nothing in them can cost
//! anything. A sheet is never laid out as a grid: a cell costs what its own bytes cost, wherever it stands. What is read
//! and the bounds on it stand in one file, to be read beside each other.

use std::{fmt::Write, ops::RangeInclusive};

use quick_xml::events::{BytesStart, Event};
use zeroize::Zeroizing;

use super::{
    ListFault,
    cell::NO_OUTCOME,
    header::MOST_COLUMNS,
    xml::{Xml, damaged},
};

/// Strings that cells share, at most: two for every row of the longest list, and then some.
const MOST_STRINGS: usize = 1_500_000;

/// Cells of one sheet, at most: ten for every row of the longest list.
const MOST_CELLS: usize = 5_000_000;

/// The text of a row, at most, bytes: a hundred cells of a page each. A string of the workbook that many cells share is
/// stored once, so that the size of the file says nothing of this.
const LONGEST_ROW_BYTES: usize = 1 << 20;

/// The text of all rows, at most, bytes: two thousand for each row of the longest list; copied in less than a second.
const MOST_TEXT_BYTES: usize = 1 << 30;

/// Sheets listed in a workbook, at most: more than the parts that a workbook may have.
const MOST_SHEETS: usize = 64;

/// A relationship of a part with another.
pub struct Relationship {
    /// The name by which the part refers to it.
    pub id: String,
    /// The last word of its type's address: `worksheet`, `sharedStrings`, `officeDocument`.
    pub kind: String,
    /// The path of the other part, as written.
    pub target: String,
}

/// Reads the relationships of a part.
pub fn relationships(bytes: &[u8]) -> Result<Vec<Relationship>, ListFault> {
    let mut xml = Xml::new(bytes, "rels")?;
    let mut found = Vec::new();
    loop {
        match xml.next()? {
            Event::Start(element) if element.local_name().as_ref() == "Relationship" => {
                let (id, kind) = (xml.attribute(&element, "Id")?, xml.attribute(&element, "Type")?);
                if let (Some(id), Some(kind), Some(target)) = (id, kind, xml.attribute(&element, "Target")?) {
                    let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                    found.push(Relationship { id, kind, target });
                }
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

/// A sheet as the workbook lists it.
pub struct SheetEntry {
    /// The name of its relationship.
    pub relationship: String,
    /// Its name for people.
    pub name: String,
    /// Whether people see it.
    pub visible: bool,
}

/// Reads which sheets a workbook has, in their order.
pub fn sheets(bytes: &[u8]) -> Result<Vec<SheetEntry>, ListFault> {
    let mut xml = Xml::new(bytes, "workbook.xml")?;
    let mut found = Vec::new();
    loop {
        match xml.next()? {
            Event::Start(element) if element.local_name().as_ref() == "sheet" => {
                if found.len() == MOST_SHEETS {
                    return Err(ListFault::WorkbookTooLarge { what: "sheets", limit: MOST_SHEETS as u64 });
                }
                let visible = xml.attribute(&element, "state")?.is_none_or(|state| state == "visible");
                let relationship =
                    xml.attribute(&element, "id")?.ok_or(damaged("workbook.xml", "a sheet without id"))?;
                let name = xml.attribute(&element, "name")?.unwrap_or_default();
                found.push(SheetEntry { relationship, name, visible });
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

/// The strings that cells share, in one buffer that is wiped.
#[derive(Default)]
pub struct Strings {
    text: Zeroizing<String>,
    ends: Vec<usize>,
}

impl Strings {
    /// Reads the table; reading aloud (`rPh`) is left out.
    pub fn read(bytes: &[u8]) -> Result<Self, ListFault> {
        let mut xml = Xml::new(bytes, "sharedStrings.xml")?;
        // The text is never longer than its XML, so the buffer does not move and leave a copy behind.
        let mut strings = Self { text: Zeroizing::new(String::with_capacity(bytes.len())), ends: Vec::new() };
        let (mut in_text, mut aloud) = (false, 0_usize);
        loop {
            match xml.next()? {
                Event::Start(element) => match element.local_name().as_ref() {
                    "t" => in_text = aloud == 0,
                    "rPh" => aloud += 1,
                    _ => {}
                },
                Event::End(element) => match element.local_name().as_ref() {
                    "t" => in_text = false,
                    "rPh" => aloud = aloud.saturating_sub(1),
                    "si" => {
                        if strings.ends.len() == MOST_STRINGS {
                            return Err(ListFault::WorkbookTooLarge { what: "strings", limit: MOST_STRINGS as u64 });
                        }
                        let start = strings.ends.last().copied().unwrap_or(0);
                        unescape(&mut strings.text, start);
                        strings.ends.push(strings.text.len());
                    }
                    _ => {}
                },
                Event::Text(text) if in_text => strings.text.push_str(&text),
                Event::CData(text) if in_text => strings.text.push_str(&text),
                Event::GeneralRef(reference) if in_text => xml.reference(&reference, &mut strings.text)?,
                Event::Eof => return Ok(strings),
                _ => {}
            }
        }
    }

    fn get(&self, at: usize) -> Option<&str> {
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        self.text.get(start..*self.ends.get(at)?)
    }
}

/// A row of a sheet; reused from row to row.
pub struct Row {
    /// Its number, from 1.
    pub line: u32,
    /// Whether people do not see it.
    pub hidden: bool,
    text: Zeroizing<String>,
    cells: Vec<(usize, std::ops::Range<usize>)>,
}

/// Room for the text of a row, so that it seldom moves and leaves a copy behind.
const ROW_BYTES: usize = 64 * 1024;

impl Row {
    /// An empty one.
    pub fn new() -> Self {
        Self { line: 0, hidden: false, text: Zeroizing::new(String::with_capacity(ROW_BYTES)), cells: Vec::new() }
    }

    /// The cell in that column, from 0; empty when there is none.
    pub fn cell(&self, column: usize) -> &str {
        let cell = self.cells.iter().find(|(at, _)| *at == column);
        cell.and_then(|(_, range)| self.text.get(range.clone())).unwrap_or_default()
    }

    /// One more than the last column that holds something.
    pub fn width(&self) -> usize {
        self.cells.iter().map(|(at, _)| at + 1).max().unwrap_or(0)
    }

    /// Whether no cell holds anything but white space.
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    fn clear(&mut self) {
        self.hidden = false;
        self.text.clear();
        self.cells.clear();
    }
}

/// The rows of a sheet, one after the other.
pub struct Rows<'a> {
    xml: Xml<'a>,
    strings: &'a Strings,
    line: u32,
    cells: usize,
    text_bytes: usize,
    /// Columns that people do not see, from 0.
    hidden: Vec<RangeInclusive<usize>>,
}

/// Groups of hidden columns at most: those of the widest sheet, each on its own.
const MOST_HIDDEN: usize = 16_384;

const SHEET: &str = "worksheet";

impl<'a> Rows<'a> {
    /// The rows of that sheet.
    pub fn new(bytes: &'a [u8], strings: &'a Strings) -> Result<Self, ListFault> {
        Ok(Self { xml: Xml::new(bytes, SHEET)?, strings, line: 0, cells: 0, text_bytes: 0, hidden: Vec::new() })
    }

    /// Whether people do not see that column, from 0. What a sheet says of its columns stands before its rows.
    pub fn hides(&self, column: usize) -> bool {
        self.hidden.iter().any(|columns| columns.contains(&column))
    }

    /// Takes note of what is said of some columns.
    fn columns(&mut self, element: &BytesStart<'_>) -> Result<(), ListFault> {
        let (mut first, mut last, mut is_hidden) = (None, None, false);
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| damaged(SHEET, "not well-formed XML"))?;
            let value = &attribute.value;
            match attribute.key.as_ref() {
                "min" => first = value.parse::<usize>().ok().and_then(|first| first.checked_sub(1)),
                "max" => last = value.parse::<usize>().ok().and_then(|last| last.checked_sub(1)),
                "hidden" => is_hidden = matches!(&**value, "1" | "true"),
                _ => {}
            }
        }
        if is_hidden
            && self.hidden.len() < MOST_HIDDEN
            && let (Some(first), Some(last)) = (first, last)
        {
            self.hidden.push(first..=last);
        }
        Ok(())
    }

    /// Reads the next row that has cells; false after the last.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, ListFault> {
        row.clear();
        let mut column = 0;
        loop {
            match self.xml.next()? {
                Event::Start(element) => match element.local_name().as_ref() {
                    "row" => {
                        row.clear();
                        self.line = self.line.saturating_add(1);
                        for attribute in element.attributes().with_checks(false) {
                            let attribute = attribute.map_err(|_| damaged(SHEET, "not well-formed XML"))?;
                            let value = &attribute.value;
                            match attribute.key.as_ref() {
                                "r" => self.line = value.parse().map_err(|_| damaged(SHEET, "a row's number"))?,
                                "hidden" => row.hidden = matches!(&**value, "1" | "true"),
                                _ => {}
                            }
                        }
                        column = 0;
                    }
                    "col" => self.columns(&element)?,
                    "c" => {
                        self.cells += 1;
                        if self.cells > MOST_CELLS {
                            return Err(ListFault::WorkbookTooLarge { what: "cells", limit: MOST_CELLS as u64 });
                        }
                        let (mut reference, mut kind) = (None, Kind::Number);
                        for attribute in element.attributes().with_checks(false) {
                            let attribute = attribute.map_err(|_| damaged(SHEET, "not well-formed XML"))?;
                            match attribute.key.as_ref() {
                                "r" => reference = Some(column_of(&attribute.value)?),
                                "t" => kind = Kind::named(&attribute.value),
                                _ => {}
                            }
                        }
                        let at = reference.unwrap_or(column);
                        column = at + 1;
                        self.cell(row, at, kind)?;
                    }
                    _ => {}
                },
                Event::End(element) if element.local_name().as_ref() == "row" && !row.cells.is_empty() => {
                    row.line = self.line;
                    return Ok(true);
                }
                Event::Eof => return Ok(false),
                _ => {}
            }
        }
    }

    /// Reads what is left of a cell.
    fn cell(&mut self, row: &mut Row, column: usize, kind: Kind) -> Result<(), ListFault> {
        let start = row.text.len();
        // An inline text is in `t`, any other value in `v`; `f` is a formula, `rPh` how to read it aloud.
        let wanted = if kind == Kind::Inline { "t" } else { "v" };
        let (mut inside, mut aloud) = (false, 0_usize);
        let (mut formula, mut stored) = (false, false);
        loop {
            match self.xml.next()? {
                Event::Start(element) => match element.local_name().as_ref() {
                    "rPh" => aloud += 1,
                    name => {
                        inside = name == wanted && aloud == 0;
                        formula |= name == "f";
                        stored |= name == "v";
                    }
                },
                Event::End(element) => match element.local_name().as_ref() {
                    "c" => break,
                    "rPh" => aloud = aloud.saturating_sub(1),
                    _ => inside = false,
                },
                Event::Text(text) if inside => row.text.push_str(&text),
                Event::CData(text) if inside => row.text.push_str(&text),
                Event::GeneralRef(reference) if inside => self.xml.reference(&reference, &mut row.text)?,
                Event::Eof => return Err(damaged(SHEET, "it ends within a cell")),
                _ => {}
            }
        }
        self.resolve(row, start, kind)?;
        // A formula may have the empty text for its outcome; programs that do not work formulas out store none.
        let is_empty_text = kind == Kind::Text && stored;
        if formula && row.text.len() == start && !is_empty_text {
            row.text.push_str(NO_OUTCOME);
        }
        let end = row.text.len();
        self.bear(end, end - start)?;
        // Columns beyond the limit cannot hold the numbers, but they make the row one that is not blank.
        if end > start && column < MOST_COLUMNS {
            row.cells.push((column, start..end));
        }
        Ok(())
    }

    /// Refuses a row that is too long, and too much text in all.
    fn bear(&mut self, row_bytes: usize, more_bytes: usize) -> Result<(), ListFault> {
        self.text_bytes += more_bytes;
        for (bytes, limit, what) in [
            (row_bytes, LONGEST_ROW_BYTES, "bytes of a row"),
            (self.text_bytes, MOST_TEXT_BYTES, "bytes of text in cells"),
        ] {
            if bytes > limit {
                return Err(ListFault::WorkbookTooLarge { what, limit: limit as u64 });
            }
        }
        Ok(())
    }

    /// Puts the text that people see in the place of the stored value.
    fn resolve(&mut self, row: &mut Row, start: usize, kind: Kind) -> Result<(), ListFault> {
        let stored = row.text.get(start..).unwrap_or_default();
        match kind {
            Kind::Shared if stored.is_empty() => {}
            Kind::Shared => {
                let at: usize = stored.trim().parse().map_err(|_| damaged(SHEET, "a string's place"))?;
                let text = self.strings.get(at).ok_or(damaged(SHEET, "a string that is not there"))?;
                row.text.truncate(start);
                // Before it is copied: it may be as long as all strings together.
                self.bear(start + text.len(), 0)?;
                row.text.push_str(text);
            }
            Kind::Number => {
                let whole = stored.bytes().all(|byte| byte.is_ascii_digit());
                if let Some(number) = stored.parse::<f64>().ok().filter(|_| !whole).and_then(integer) {
                    row.text.truncate(start);
                    // Writing to a string does not fail.
                    let _ = write!(row.text, "{number}");
                }
            }
            Kind::Boolean => {
                row.text.truncate(start);
                row.text.push_str("ja/nee");
            }
            Kind::Text | Kind::Inline => unescape(&mut row.text, start),
        }
        Ok(())
    }
}

/// Puts characters in the place of their escapes `_x000D_`, which stand for what XML cannot hold, from `start` on
/// (`ST_Xstring`, section 22.9.2.19). The text only becomes shorter, and stays where it is.
fn unescape(text: &mut String, start: usize) {
    let Some(escaped) =
        text.get(start..).filter(|text| text.contains("_x")).map(|text| Zeroizing::new(text.to_owned()))
    else {
        return;
    };
    text.truncate(start);
    let mut rest = escaped.as_str();
    while let Some(at) = rest.find("_x") {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let character = from.get(2..6).filter(|_| from.as_bytes().get(6) == Some(&b'_'));
        let character = character.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        let (shown, length) = character.map_or_else(|| ('_', 1), |character| (character, 7));
        text.push(shown);
        rest = from.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
}

/// How a cell's value is stored (`ST_CellType`, section 18.18.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Shared,
    Inline,
    Boolean,
    /// The text of a formula, a date in ISO form, or an error.
    Text,
}

impl Kind {
    fn named(name: &str) -> Self {
        match name {
            "s" => Self::Shared,
            "inlineStr" => Self::Inline,
            "b" => Self::Boolean,
            "n" => Self::Number,
            _ => Self::Text,
        }
    }
}

/// A stored number that is a whole one, as some programs write it: `1.7073003384E10`, `17073003384.0`.
fn integer(number: f64) -> Option<u64> {
    // Above 2^53 a stored number is not exact, and no number of a person is that large.
    let exact = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
    exact.then_some(number as u64)
}

/// The column of a cell reference such as `AB12`, from 0.
fn column_of(reference: &str) -> Result<usize, ListFault> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    let column = letters.fold(0_usize, |column, letter| {
        column.saturating_mul(26).saturating_add(usize::from(letter.to_ascii_uppercase() - b'A') + 1)
    });
    // The widest sheet of the format ends at column XFD.
    if (1..=16_384).contains(&column) { Ok(column - 1) } else { Err(damaged(SHEET, "a cell's place")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(sheet: &str, strings: &str) -> Result<Vec<(u32, Vec<String>)>, ListFault> {
        let strings = Strings::read(strings.as_bytes())?;
        let mut rows = Rows::new(sheet.as_bytes(), &strings)?;
        let (mut row, mut read) = (Row::new(), Vec::new());
        while rows.read(&mut row)? {
            read.push((row.line, (0..row.width()).map(|at| row.cell(at).to_owned()).collect()));
        }
        Ok(read)
    }

    #[test]
    fn escapes_of_what_xml_cannot_hold_are_read() {
        for (escaped, text) in [
            ("17073003384_x000D_", "17073003384\r"),
            ("_x005F_x000D_", "_x000D_"),
            ("a_x0041__x0042_", "aAB"),
            ("_x00_x12345_é_x", "_x00_x12345_é_x"),
            ("_xD800_", "_xD800_"),
        ] {
            let mut read = format!("_x0041_{escaped}");
            unescape(&mut read, 7);
            assert_eq!(read, format!("_x0041_{text}"));
        }
        let (strings, sheet) = (
            "<sst><si><t>a_x0041_</t></si><si><t>_x0042_</t></si></sst>",
            "<worksheet><row><c t='s'><v>1</v></c><c t='inlineStr'><is><t>_x0043_</t></is></c></row></worksheet>",
        );
        assert_eq!(rows(sheet, strings).unwrap(), [(1, vec!["B".to_owned(), "C".to_owned()])]);
    }

    #[test]
    fn every_kind_of_cell_gives_its_text() {
        let strings = "<sst><si><t>naam</t></si><si><r><t>ni</t></r><r><t>ss</t></r><rPh><t>x</t></rPh></si>\
                       <si><t>A&amp;B &#233;</t></si></sst>";
        let sheet = "<x:worksheet xmlns:x='u'><x:sheetData><x:row r='3'>\
                     <x:c r='A3' t='s'><x:v>1</x:v></x:c><x:c r='C3'><x:f>1+1</x:f><x:v>5060700261</x:v></x:c></x:row>\
                     <x:row><x:c t='inlineStr'><x:is><x:t>a</x:t></x:is></x:c><x:c t='b'><x:v>1</x:v></x:c>\
                     <x:c t='e'><x:v>#SPILL!</x:v></x:c><x:c><x:v>1.7073003384E10</x:v></x:c><x:c t='s'><x:v>2</x:v></x:c>\
                     <x:c t='str'><x:v>&lt;</x:v></x:c><x:c s='1'/><x:c><x:v>0.5</x:v></x:c></x:row>\
                     <x:row r='9'/></x:sheetData></x:worksheet>";
        let row_3 = ["niss", "", "5060700261"].map(str::to_owned).to_vec();
        let row_4 = ["a", "ja/nee", "#SPILL!", "17073003384", "A&B é", "<", "", "0.5"].map(str::to_owned).to_vec();
        assert_eq!(rows(sheet, strings), Ok(vec![(3, row_3), (4, row_4)]));
    }

    #[test]
    fn a_formula_without_an_outcome_is_no_blank_cell() {
        for (cell, text) in [
            ("<c><f>A1</f></c>", "="),
            ("<c><f>A1</f><v/></c>", "="),
            ("<c><f t='shared' si='0'/><v></v></c>", "="),
            ("<c t='str'><f>A1</f></c>", "="),
            ("<c t='str'><f>\"\"</f><v></v></c>", ""),
            ("<c><f>A1</f><v>17073003384</v></c>", "17073003384"),
            ("<c t='e'><f>A1</f><v>#N/A</v></c>", "#N/A"),
            ("<c><v/></c>", ""),
        ] {
            let sheet = format!("<row>{cell}<c><v>1</v></c></row>");
            assert_eq!(rows(&sheet, "<sst/>"), Ok(vec![(1, vec![text.to_owned(), "1".to_owned()])]), "{cell}");
        }
    }

    #[test]
    fn damage_is_refused() {
        for (sheet, what) in [
            ("<row r='x'><c><v>1</v></c></row>", "a row's number"),
            ("<row><c r='1'><v>1</v></c></row>", "a cell's place"),
            ("<row><c r='ZZZZ1'><v>1</v></c></row>", "a cell's place"),
            ("<row><c t='s'><v>9</v></c></row>", "a string that is not there"),
            ("<row><c t='s'><v>x</v></c></row>", "a string's place"),
            ("<row><c><v>&unknown;</v></c></row>", "unknown entity"),
            ("<row><c><v>1</v>", "it ends within a cell"),
            ("<row><c r='A1", "not well-formed XML"),
        ] {
            assert_eq!(rows(sheet, "<sst/>"), Err(damaged(SHEET, what)), "{sheet}");
        }
    }

    #[test]
    fn far_cells_cost_nothing() {
        let sheet = "<row r='1'><c r='A1'><v>1</v></c></row><row r='1048576'><c r='XFD1048576'><v>2</v></c></row>";
        let read = rows(sheet, "<sst/>").unwrap();
        assert_eq!(read.first(), Some(&(1, vec!["1".to_owned()])));
        assert_eq!(read.len(), 1);
    }
}
