//! Lists that are workbooks (`.xlsx`), opened within bounds.
//!
//! A workbook is a ZIP file, and sizes declared in it can lie. A part that is needed is inflated through a counting
//! reader first, with a limit of its own and one for all; only then is XML looked at, from memory that is wiped
//! afterwards. Parts that no list needs (pictures, styles, pivot tables) are left as they are.
//! A ready-made reader was not used: those at hand reserve what a file declares, multiply styles by the cells that use
//! them, and leave the text of cells behind in memory.

use std::{
    collections::HashMap,
    io::{Cursor, Read},
};

use jiff::civil::Date;
use zeroize::Zeroizing;
use zip::{ZipArchive, read::ZipFile};

use super::{
    Limits, List, ListFault, Places, Seems,
    cell::{self, Cell},
    header::{self, Layout, MOST_COLUMNS, SAMPLE_ROWS, Sample, SampleRow},
    sheet::{self, Row, Rows, Strings},
    tally::Tally,
};

/// Entries of the ZIP file: a workbook has ten, and up to seven for each sheet with tables, remarks and a printer.
pub const MOST_ENTRIES: usize = 256;

/// One sheet, inflated: half a million rows of one column are some 25 MiB, the largest city's children with twelve columns
/// some 75.
pub const SHEET_BYTES: usize = 128 << 20;

/// The strings that cells share, inflated.
pub const STRINGS_BYTES: usize = 32 << 20;

/// Any other part, inflated: which sheets there are, and where.
pub const OTHER_BYTES: usize = 8 << 20;

/// All parts that are looked at, inflated: a sheet and its strings at their largest, and a rest.
pub const TOTAL_BYTES: usize = 192 << 20;

/// Inflated at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Whether the bytes are a ZIP file, with or without entries.
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// Reads a list that is a workbook: its one visible sheet with a column that holds numbers, or may. Where several do, it
/// is refused; where none does, the first that has a column for them tells what is wrong with it.
pub fn read(bytes: &[u8], limits: &Limits, today: Date) -> Result<List, ListFault> {
    let mut parts = Parts::open(bytes)?;
    let Sheets { listed, strings } = parts.sheets()?;
    let (mut chosen, mut spare) = (None, None);
    let (mut fault, mut ambiguous) = (ListFault::Empty, None);
    let (mut filled, mut with_numbers) = (0, Vec::new());
    for SheetPart { path, name } in listed {
        let missing = ListFault::Workbook { part: "worksheet", what: "it is missing" };
        let bytes = parts.part(&path, SHEET)?.ok_or(missing)?;
        let sample = sample(&bytes, &strings)?;
        let layout = sample.layout();
        filled += usize::from(layout != Err(ListFault::Empty));
        let holds_number = sample.holds_number(numbered(&layout));
        if sample.may_hold_number(numbered(&layout)) {
            with_numbers.push(header::shown(&name));
        }
        match layout {
            Ok(layout) if chosen.is_none() && holds_number => chosen = Some((bytes, layout)),
            Ok(layout) if spare.is_none() => spare = Some((bytes, layout)),
            Ok(_) | Err(ListFault::Empty) => {}
            Err(refusal) if holds_number => ambiguous = Some(refusal),
            Err(refusal) => fault = refusal,
        }
    }
    if with_numbers.len() > 1 {
        return Err(ListFault::AmbiguousSheets { sheets: with_numbers });
    }
    if let Some(refusal) = ambiguous {
        return Err(refusal);
    }
    let (bytes, layout) = chosen.or(spare).ok_or(fault)?;
    tally(&bytes, &strings, layout, limits, today)?.finish(filled.saturating_sub(1))
}

/// The columns, from 0, that are the numbers' or could be.
fn numbered(layout: &Result<Layout, ListFault>) -> impl Iterator<Item = usize> {
    let (one, several) = match layout {
        Ok(layout) => (Some(layout.column), [].as_slice()),
        Err(ListFault::AmbiguousColumns { columns, .. }) => (None, columns.as_slice()),
        Err(_) => (None, [].as_slice()),
    };
    one.into_iter().chain(several.iter().map(|column| (*column as usize).saturating_sub(1)))
}

fn sample(bytes: &[u8], strings: &Strings) -> Result<Sample, ListFault> {
    let mut rows = Rows::new(bytes, strings)?;
    let (mut row, mut sample) = (Row::new(), Vec::new());
    while sample.len() < SAMPLE_ROWS && rows.read(&mut row)? {
        if !row.is_blank() {
            let columns = 0..row.width().min(MOST_COLUMNS);
            let cells = columns.map(|column| Zeroizing::new(cell::beginning(row.cell(column)).to_owned())).collect();
            sample.push(SampleRow { line: row.line, cells });
        }
    }
    Ok(Sample { rows: sample, places: Places::Cells })
}

/// A row with one cell at least: `<row><c><v>1</v></c></row>`.
const SHORTEST_ROW_BYTES: usize = 26;

/// Hidden rows that are named.
const HIDDEN_NAMED: usize = 10;

fn tally(bytes: &[u8], strings: &Strings, layout: Layout, limits: &Limits, today: Date) -> Result<Tally, ListFault> {
    let mut rows = Rows::new(bytes, strings)?;
    let mut row = Row::new();
    // As many as there can be: a list that grows leaves copies of its numbers behind.
    let mut tally = Tally::new(layout, bytes.len() / SHORTEST_ROW_BYTES, limits, today).in_cells();
    let (mut hidden, mut first) = (0, Vec::new());
    while rows.read(&mut row)? {
        if row.line > layout.header_line && !row.is_blank() {
            if row.hidden {
                hidden += 1;
                first.extend((hidden <= HIDDEN_NAMED).then_some(row.line));
            }
            tally.row(row.line, Cell::read(row.cell(layout.column).as_bytes()));
        }
    }
    if rows.hides(layout.column) {
        return Err(ListFault::HiddenColumn { column: header::place(layout.column) });
    }
    if hidden == 0 { Ok(tally) } else { Err(ListFault::HiddenRows { rows: hidden, first }) }
}

/// How large a part may be when it is inflated, and what it is.
#[derive(Clone, Copy)]
struct Size {
    most: usize,
    what: &'static str,
}

const SHEET: Size = Size { most: SHEET_BYTES, what: "bytes of a sheet" };
const STRINGS: Size = Size { most: STRINGS_BYTES, what: "bytes of strings" };
const OTHER: Size = Size { most: OTHER_BYTES, what: "bytes of another part" };

/// The parts of a workbook, inflated when they are asked for.
struct Parts<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Their places, by their paths in lower case.
    places: HashMap<String, usize>,
    /// Bytes that may still be inflated.
    left: usize,
}

/// The sheets to look at, in their order, and the strings that they share.
struct Sheets {
    listed: Vec<SheetPart>,
    strings: Strings,
}

/// Where a sheet is in the file, and its name for people.
struct SheetPart {
    path: String,
    name: String,
}

impl<'a> Parts<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, ListFault> {
        let too_many = ListFault::WorkbookTooLarge { what: "entries", limit: MOST_ENTRIES as u64 };
        // Before anything is built for them: each entry has this mark, and compressed data hardly ever holds it.
        if memchr::memmem::find_iter(bytes, b"PK\x01\x02").nth(2 * MOST_ENTRIES).is_some() {
            return Err(too_many);
        }
        let damaged = ListFault::Workbook { part: "zip", what: "no complete ZIP file" };
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged)?;
        let names: Vec<String> = archive.file_names_raw().map(path).collect();
        if let Some(seems) = other_than_workbook(&names, &mut archive) {
            return Err(ListFault::NotAList { seems });
        }
        if names.len() > MOST_ENTRIES {
            return Err(too_many);
        }
        let mut places = HashMap::new();
        for (place, name) in names.into_iter().enumerate() {
            // Of two with one name the first counts.
            places.entry(name).or_insert(place);
        }
        Ok(Self { archive, places, left: TOTAL_BYTES })
    }

    fn sheets(&mut self) -> Result<Sheets, ListFault> {
        let (workbook, content) = self.workbook()?;
        let folder = workbook.rsplit_once('/').map_or("", |(folder, _)| folder);
        let file = workbook.rsplit('/').next().unwrap_or_default();
        let relationships = match self.part(&format!("{folder}/_rels/{file}.rels"), OTHER)? {
            Some(bytes) => sheet::relationships(&bytes)?,
            None => return Err(ListFault::Workbook { part: "workbook.xml.rels", what: "it is missing" }),
        };
        let entries = sheet::sheets(&content)?;
        let alone = entries.len() == 1;
        let mut listed: Vec<SheetPart> = Vec::new();
        for entry in entries.into_iter().filter(|entry| entry.visible || alone) {
            let relationship = relationships.iter().find(|relationship| relationship.id == entry.relationship);
            // Charts and dialogues are sheets too.
            if let Some(worksheet) = relationship.filter(|relationship| relationship.kind == "worksheet") {
                let path = resolve(folder, &worksheet.target);
                // Listed sixty times, one large sheet would be read sixty times.
                if listed.iter().all(|other| other.path != path) {
                    listed.push(SheetPart { path, name: entry.name });
                }
            }
        }
        let strings = relationships.iter().find(|relationship| relationship.kind == "sharedStrings");
        let strings = match strings {
            Some(strings) => self.part(&resolve(folder, &strings.target), STRINGS)?,
            None => None,
        };
        Ok(Sheets { listed, strings: strings.map_or_else(|| Ok(Strings::default()), |bytes| Strings::read(&bytes))? })
    }

    /// A part, inflated within its size; none when there is none of that path.
    fn part(&mut self, path: &str, size: Size) -> Result<Option<Zeroizing<Vec<u8>>>, ListFault> {
        let Some(place) = self.places.get(path.trim_start_matches('/')) else { return Ok(None) };
        let damaged = ListFault::Workbook { part: "zip", what: "an entry is encrypted or of an unknown method" };
        let entry = self.archive.by_index(*place).map_err(|_| damaged)?;
        let content = inflate(entry, size, self.left)?;
        self.left = self.left.saturating_sub(content.len());
        Ok(Some(content))
    }

    /// The workbook's main part, with its path.
    fn workbook(&mut self) -> Result<(String, Zeroizing<Vec<u8>>), ListFault> {
        let missing = ListFault::Workbook { part: "workbook.xml", what: "it is missing" };
        let named = match self.part("_rels/.rels", OTHER)? {
            Some(bytes) => sheet::relationships(&bytes)?,
            None => Vec::new(),
        };
        let named = named.iter().find(|relationship| relationship.kind == "officeDocument");
        let path = named.map_or_else(|| "xl/workbook.xml".to_owned(), |named| resolve("", &named.target));
        let content = self.part(&path, OTHER)?.ok_or(missing)?;
        Ok((path, content))
    }
}

/// An entry's path as it is looked up: lower case, with slashes.
fn path(raw: &[u8]) -> String {
    let path = String::from_utf8_lossy(raw).to_lowercase().replace('\\', "/");
    path.trim_start_matches('/').to_owned()
}

/// The path of a relationship's target, seen from a folder.
fn resolve(folder: &str, target: &str) -> String {
    let target = target.to_lowercase().replace('\\', "/");
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

/// What a ZIP file is that is no workbook, by the names in it.
fn other_than_workbook(names: &[String], archive: &mut ZipArchive<Cursor<&[u8]>>) -> Option<Seems> {
    let has = |name: &str| names.iter().any(|other| other == name);
    if has("xl/workbook.bin") {
        return Some(Seems::Xlsb);
    }
    if names.iter().any(|name| name.starts_with("word/") || name.starts_with("ppt/")) {
        return Some(Seems::WordDocument);
    }
    if has("content.xml") && has("mimetype") {
        // The longest of the registered types is below this.
        let mut kind = String::new();
        let entry = archive.by_name("mimetype").ok()?;
        let read = entry.take(256).read_to_string(&mut kind);
        return Some(if read.is_ok() && kind.contains("spreadsheet") { Seems::Ods } else { Seems::WordDocument });
    }
    let workbook = has("[content_types].xml") || names.iter().any(|name| name.starts_with("xl/"));
    (!workbook).then_some(Seems::Archive)
}

fn inflate(mut entry: ZipFile<'_, Cursor<&[u8]>>, size: Size, left: usize) -> Result<Zeroizing<Vec<u8>>, ListFault> {
    let (most, what, limit) =
        if left < size.most { (left, "bytes of the workbook", TOTAL_BYTES) } else { (size.most, size.what, size.most) };
    // A buffer that moved would leave a copy behind, so it gets its whole size first, within the limit.
    let declared = usize::try_from(entry.size()).unwrap_or(usize::MAX).min(most);
    let mut content = Zeroizing::new(Vec::with_capacity(declared));
    let mut chunk = Zeroizing::new(vec![0_u8; CHUNK_BYTES]);
    loop {
        let fault = |_| ListFault::Workbook { part: "zip", what: "an entry does not inflate" };
        let read = entry.read(&mut chunk).map_err(fault)?;
        if read == 0 {
            return Ok(content);
        }
        let length = content.len() + read;
        if length > most {
            return Err(ListFault::WorkbookTooLarge { what, limit: limit as u64 });
        }
        if length > declared {
            return Err(ListFault::Workbook { part: "zip", what: "an entry is longer than it declares" });
        }
        content.extend_from_slice(chunk.get(..read).unwrap_or_default());
    }
}
