//! Lists that are workbooks (`.xlsx`), opened within bounds.
//!
//! A workbook is a ZIP file, and sizes declared in it can lie. Every entry is inflated through a counting reader
//! first, with a limit of its own and one for all; only then is XML looked at, from memory that is wiped afterwards.
//! A ready-made reader was not used: those at hand reserve what a file declares, multiply styles by the cells that use
//! them, and leave the text of cells behind in memory.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use jiff::civil::Date;
use zeroize::Zeroizing;
use zip::{ZipArchive, read::ZipFile};

use super::{
    Limits, List, ListFault, Seems,
    cell::Cell,
    header::{Layout, MOST_COLUMNS, SAMPLE_ROWS, Sample, SampleRow},
    sheet::{self, Row, Rows, Strings},
    tally::Tally,
};

/// Entries of the ZIP file: a workbook has four and then a few for each sheet.
pub const MOST_ENTRIES: usize = 64;

/// One sheet, inflated: half a million rows of one column are some 25 MiB.
pub const SHEET_BYTES: usize = 64 << 20;

/// The strings that cells share, inflated.
pub const STRINGS_BYTES: usize = 32 << 20;

/// Any other entry, inflated: styles, themes, a logo.
pub const OTHER_BYTES: usize = 8 << 20;

/// All entries together, inflated: a sheet and its strings at their largest, and a rest.
pub const TOTAL_BYTES: usize = 128 << 20;

/// Inflated at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Whether the bytes are a ZIP file, with or without entries.
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// Reads a list that is a workbook: its first visible sheet that has a column of numbers, or its only sheet.
pub fn read(bytes: &[u8], limits: &Limits, today: Date) -> Result<List, ListFault> {
    let parts = Parts::inflate(bytes)?;
    let (sheets, strings) = parts.sheets()?;
    let mut fault = ListFault::Empty;
    let mut chosen = None;
    let mut ignored = 0;
    for bytes in sheets {
        match (&chosen, sample(bytes, &strings)?.layout()) {
            (None, Ok(layout)) => chosen = Some((bytes, layout)),
            (_, Err(ListFault::Empty)) => {}
            (Some(_), _) => ignored += 1,
            (None, Err(refusal @ ListFault::AmbiguousColumns { .. })) => return Err(refusal),
            (None, Err(refusal)) => {
                fault = refusal;
                ignored += 1;
            }
        }
    }
    let (bytes, layout) = chosen.ok_or(fault)?;
    tally(bytes, &strings, layout, limits, today)?.finish(false, ignored)
}

fn sample(bytes: &[u8], strings: &Strings) -> Result<Sample, ListFault> {
    let mut rows = Rows::new(bytes, strings)?;
    let (mut row, mut sample) = (Row::default(), Vec::new());
    while sample.len() < SAMPLE_ROWS && rows.read(&mut row)? {
        if !row.is_blank() {
            let columns = 0..row.width().min(MOST_COLUMNS);
            let cells = columns.map(|column| Zeroizing::new(row.cell(column).to_owned())).collect();
            sample.push(SampleRow { line: row.line, cells });
        }
    }
    Ok(Sample { rows: sample })
}

fn tally(bytes: &[u8], strings: &Strings, layout: Layout, limits: &Limits, today: Date) -> Result<Tally, ListFault> {
    let mut rows = Rows::new(bytes, strings)?;
    let mut row = Row::default();
    let mut tally = Tally::new(layout, 0, limits, today);
    while rows.read(&mut row)? {
        if row.line > layout.header_line && !row.is_blank() {
            tally.row(row.line, Cell::read(row.cell(layout.column).as_bytes()));
        }
    }
    Ok(tally)
}

/// The XML parts of a workbook, inflated, by their paths in lower case.
struct Parts(BTreeMap<String, Zeroizing<Vec<u8>>>);

impl Parts {
    fn inflate(bytes: &[u8]) -> Result<Self, ListFault> {
        let too_many = ListFault::WorkbookTooLarge { what: "entries", limit: MOST_ENTRIES as u64 };
        // Before anything is built for them: each entry has this mark, and compressed data hardly ever holds it.
        if memchr::memmem::find_iter(bytes, b"PK\x01\x02").nth(2 * MOST_ENTRIES).is_some() {
            return Err(too_many);
        }
        let damaged = |what| ListFault::Workbook { part: "zip", what };
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged("no complete ZIP file"))?;
        let names: Vec<String> = archive.file_names_raw().map(path).collect();
        if let Some(seems) = other_than_workbook(&names, &mut archive) {
            return Err(ListFault::NotAList { seems });
        }
        if names.len() > MOST_ENTRIES {
            return Err(too_many);
        }
        let mut parts = BTreeMap::new();
        let mut left = TOTAL_BYTES;
        for at in 0..names.len() {
            let entry = archive.by_index(at).map_err(|_| damaged("an entry is encrypted or of an unknown method"))?;
            let name = path(entry.name_raw());
            let content = inflate(entry, &name, left)?;
            left = left.saturating_sub(content.length);
            if let Some(kept) = content.kept {
                parts.entry(name).or_insert(kept);
            }
        }
        Ok(Self(parts))
    }

    /// The sheets to look at, in their order, and the strings that they share.
    fn sheets(&self) -> Result<(Vec<&[u8]>, Strings), ListFault> {
        let workbook = self.workbook()?;
        let folder = workbook.rsplit_once('/').map_or("", |(folder, _)| folder);
        let file = workbook.rsplit('/').next().unwrap_or_default();
        let relationships = match self.part(&format!("{folder}/_rels/{file}.rels")) {
            Some(bytes) => sheet::relationships(bytes)?,
            None => return Err(ListFault::Workbook { part: "workbook.xml.rels", what: "it is missing" }),
        };
        let listed = sheet::sheets(self.part(&workbook).unwrap_or_default())?;
        let alone = listed.len() == 1;
        let (mut paths, mut sheets) = (Vec::new(), Vec::new());
        for entry in listed.iter().filter(|entry| entry.visible || alone) {
            let relationship = relationships.iter().find(|relationship| relationship.id == entry.relationship);
            // Charts and dialogues are sheets too.
            if let Some(worksheet) = relationship.filter(|relationship| relationship.kind == "worksheet") {
                let path = resolve(folder, &worksheet.target);
                let bytes = self.part(&path).ok_or(ListFault::Workbook { part: "worksheet", what: "it is missing" })?;
                // Listed sixty times, one large sheet would be read sixty times.
                if !paths.contains(&path) {
                    paths.push(path);
                    sheets.push(bytes);
                }
            }
        }
        let strings = relationships.iter().find(|relationship| relationship.kind == "sharedStrings");
        let strings = strings.and_then(|strings| self.part(&resolve(folder, &strings.target)));
        Ok((sheets, strings.map_or_else(|| Ok(Strings::default()), Strings::read)?))
    }

    fn part(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path.trim_start_matches('/')).map(|bytes| bytes.as_slice())
    }

    /// The path of the workbook's main part.
    fn workbook(&self) -> Result<String, ListFault> {
        let missing = ListFault::Workbook { part: "workbook.xml", what: "it is missing" };
        let named = match self.part("_rels/.rels") {
            Some(bytes) => sheet::relationships(bytes)?,
            None => Vec::new(),
        };
        let named = named.iter().find(|relationship| relationship.kind == "officeDocument");
        let path = named.map_or_else(|| "xl/workbook.xml".to_owned(), |named| resolve("", &named.target));
        if self.part(&path).is_some() { Ok(path) } else { Err(missing) }
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

/// An entry after it was inflated.
struct Content {
    length: usize,
    /// The bytes of XML parts; pictures and the like are only counted.
    kept: Option<Zeroizing<Vec<u8>>>,
}

fn inflate(mut entry: ZipFile<'_, Cursor<&[u8]>>, name: &str, left: usize) -> Result<Content, ListFault> {
    let file = name.rsplit('/').next().unwrap_or_default();
    let (own, what) = if name.contains("/worksheets/") && !name.contains("/_rels/") {
        (SHEET_BYTES, "bytes of a sheet")
    } else if file == "sharedstrings.xml" {
        (STRINGS_BYTES, "bytes of strings")
    } else {
        (OTHER_BYTES, "bytes of another part")
    };
    let (limit, what) = if left < own { (left, "bytes of the workbook") } else { (own, what) };
    let keep = matches!(file.rsplit('.').next(), Some("xml" | "rels"));
    // A buffer that moved would leave a copy behind, so it gets its whole size first, within the limit.
    let declared = usize::try_from(entry.size()).unwrap_or(usize::MAX).min(limit);
    let mut kept = Zeroizing::new(Vec::with_capacity(if keep { declared } else { 0 }));
    let mut chunk = Zeroizing::new(vec![0_u8; CHUNK_BYTES]);
    let mut length = 0_usize;
    loop {
        let fault = |_| ListFault::Workbook { part: "zip", what: "an entry does not inflate" };
        let read = entry.read(&mut chunk).map_err(fault)?;
        if read == 0 {
            break;
        }
        length += read;
        if length > limit {
            let limit = if limit == left { TOTAL_BYTES } else { limit };
            return Err(ListFault::WorkbookTooLarge { what, limit: limit as u64 });
        }
        if keep && length > declared {
            return Err(ListFault::Workbook { part: "zip", what: "an entry is longer than it declares" });
        }
        if keep {
            kept.extend_from_slice(chunk.get(..read).unwrap_or_default());
        }
    }
    Ok(Content { length, kept: keep.then_some(kept) })
}
