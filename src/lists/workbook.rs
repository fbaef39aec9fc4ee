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
const MOST_ENTRIES: usize = 64;

/// One sheet, inflated: half a million rows of one column are some 25 MiB.
const SHEET_BYTES: usize = 64 << 20;

/// The strings that cells share, inflated.
const STRINGS_BYTES: usize = 32 << 20;

/// Any other entry, inflated: styles, themes, a logo.
const OTHER_BYTES: usize = 8 << 20;

/// All entries together, inflated: a sheet and its strings at their largest, and a rest.
const TOTAL_BYTES: usize = 128 << 20;

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
        let mut sheets = Vec::new();
        for entry in listed.iter().filter(|entry| entry.visible || alone) {
            let relationship = relationships.iter().find(|relationship| relationship.id == entry.relationship);
            // Charts and dialogues are sheets too.
            if let Some(worksheet) = relationship.filter(|relationship| relationship.kind == "worksheet") {
                let bytes = self.part(&resolve(folder, &worksheet.target));
                sheets.push(bytes.ok_or(ListFault::Workbook { part: "worksheet", what: "it is missing" })?);
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use calamine::{Reader, Xlsx};
    use jiff::civil::date;
    use proptest::prelude::*;
    use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, XlsxError};
    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    use super::*;
    use crate::lists::{self, Problem};

    const TODAY: Date = date(2026, 11, 21);

    fn read_bytes(bytes: &[u8]) -> Result<List, ListFault> {
        lists::read(bytes, "lijst.xlsx", &Limits::default(), TODAY)
    }

    fn numbers(list: &List) -> Vec<String> {
        list.children.iter().map(|child| String::from_utf8(child.niss.digits().to_vec()).unwrap()).collect()
    }

    fn workbook(fill: impl FnOnce(&mut Workbook) -> Result<(), XlsxError>) -> Vec<u8> {
        let mut workbook = Workbook::new();
        fill(&mut workbook).unwrap();
        workbook.save_to_buffer().unwrap()
    }

    /// A workbook by hand: its sheet's rows and its strings.
    fn by_hand(rows: &str, strings: &str) -> Vec<u8> {
        let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        zipped(&[
            ("[Content_Types].xml", "<Types/>"),
            ("xl/workbook.xml", "<workbook><sheets><sheet name='a' sheetId='1' r:id='rId1'/></sheets></workbook>"),
            (
                "xl/_rels/workbook.xml.rels",
                "<Relationships><Relationship Id='rId1' Type='x/worksheet' Target='worksheets/sheet1.xml'/>\
                 <Relationship Id='rId2' Type='x/sharedStrings' Target='/xl/sharedStrings.xml'/></Relationships>",
            ),
            ("xl/sharedStrings.xml", strings),
            ("xl/worksheets/sheet1.xml", &sheet),
        ])
    }

    fn zipped(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            let options = SimpleFileOptions::default();
            let options = options.compression_method(CompressionMethod::Deflated).compression_level(Some(1));
            zip.start_file(*name, options).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn a_workbook_of_a_municipality_is_read() {
        let bytes = workbook(|workbook| {
            let sheet = workbook.add_worksheet();
            let date = ExcelDateTime::from_ymd(2026, 11, 21)?;
            sheet.write(0, 0, "Kinderen van Bree")?;
            for (column, header) in ["Naam", "Geboren", "Rijksregisternummer", "Actief"].into_iter().enumerate() {
                sheet.write(2, u16::try_from(column).unwrap(), header)?;
            }
            sheet.write(3, 0, "Jan")?.write(3, 2, "17073003384")?.write(3, 3, true)?;
            sheet.write_with_format(3, 1, &date, &Format::new().set_num_format("dd/mm/yyyy"))?;
            sheet.write(4, 0, "An")?.write(4, 2, 5_060_700_261_i64)?;
            sheet.write(5, 0, "Jo")?.write(5, 2, "19.08.13-001.93")?;
            sheet.write(6, 0, "Li")?.write(6, 2, Formula::new("=\"23012300221\"").set_result("23012300221"))?;
            sheet.write_with_format(7, 2, 30_400_126, &Format::new().set_num_format("00000000000"))?;
            sheet.write_blank(9, 2, &Format::new().set_bold())?;
            Ok(())
        });
        let list = read_bytes(&bytes).unwrap();
        assert_eq!(numbers(&list), ["17073003384", "05060700261", "19081300193", "23012300221", "00030400126"]);
        let lines: Vec<_> = list.children.iter().map(|child| child.line).collect();
        assert_eq!((lines, list.column, list.counts.ignored_columns), (vec![4, 5, 6, 7, 8], 3, 3));
        let remarks: Vec<_> = list.remarks.iter().map(|remark| (remark.line, remark.problem)).collect();
        assert_eq!(remarks, [(5, Problem::Restored), (8, Problem::Restored), (8, Problem::OutsideAge)]);
    }

    #[test]
    fn the_first_visible_sheet_with_numbers_is_read() {
        let bytes = workbook(|workbook| {
            workbook.add_worksheet().write(0, 0, "Uitleg")?;
            workbook.add_worksheet().set_hidden(true).write(0, 0, "85073003328")?;
            workbook.add_worksheet().write(0, 0, "17073003384")?;
            workbook.add_worksheet().write(0, 0, "19081300193")?;
            workbook.add_worksheet();
            Ok(())
        });
        let list = read_bytes(&bytes).unwrap();
        assert_eq!((numbers(&list), list.counts.ignored_sheets), (vec!["17073003384".to_owned()], 2));
    }

    #[test]
    fn workbooks_without_numbers_say_why() {
        let empty = workbook(|workbook| {
            workbook.add_worksheet();
            Ok(())
        });
        assert_eq!(read_bytes(&empty), Err(ListFault::Empty));
        let words = workbook(|workbook| workbook.add_worksheet().write(0, 0, "naam").map(|_| ()));
        assert_eq!(read_bytes(&words), Err(ListFault::NoNissColumn));
        let two = workbook(|workbook| {
            let sheet = workbook.add_worksheet();
            sheet.write(0, 0, "niss")?.write(0, 1, "insz")?.write(1, 0, "17073003384")?;
            Ok(())
        });
        assert_eq!(read_bytes(&two).unwrap_err().code(), "list-ambiguous-columns");
    }

    #[test]
    fn many_rows_agree_with_an_independent_reader() {
        let bytes = workbook(|workbook| {
            let sheet = workbook.add_worksheet();
            sheet.write(0, 0, "niss")?;
            let mut row = 0;
            for serial in (1..998).step_by(2) {
                let nine = 170_730_000_u64 + serial;
                row += 1;
                let niss = nine * 100 + 97 - (2_000_000_000 + nine) % 97;
                if row % 2 == 0 {
                    sheet.write(row, 0, niss)?;
                } else {
                    sheet.write(row, 0, niss.to_string())?;
                }
            }
            Ok(())
        });
        let mut peer: Xlsx<_> = Xlsx::new(Cursor::new(&bytes)).unwrap();
        let range = peer.worksheet_range("Sheet1").unwrap();
        let expected: Vec<String> = range.rows().skip(1).map(|row| row[0].to_string()).collect();
        assert_eq!((numbers(&read_bytes(&bytes).unwrap()), expected.len()), (expected, 499));
    }

    #[test]
    fn two_far_cells_cost_nothing() {
        let rows = "<row r='1'><c r='A1'><v>17073003384</v></c></row>\
                    <row r='1048576'><c r='A1048576'><v>19081300193</v></c><c r='XFD1048576'><v>1</v></c></row>";
        let list = read_bytes(&by_hand(rows, "<sst uniqueCount='99999999999999999999'/>")).unwrap();
        assert_eq!(list.children.iter().map(|child| child.line).collect::<Vec<_>>(), [1, 1_048_576]);
    }

    #[test]
    fn bombs_are_refused_before_they_unpack() {
        let cell = "<c r='A1'><v>17073003384</v></c>";
        let large = |bytes: usize| " ".repeat(bytes);
        for (what, bytes) in [
            ("bytes of a sheet", by_hand(&large(SHEET_BYTES + 1), "<sst/>")),
            ("bytes of strings", by_hand(cell, &large(STRINGS_BYTES + 1))),
            ("bytes of another part", zipped(&[("xl/workbook.xml", ""), ("xl/media/a.png", &large(OTHER_BYTES + 1))])),
            ("strings", by_hand(cell, &"<si/>".repeat(1_500_001))),
            ("cells", by_hand(&"<c/>".repeat(5_000_001), "<sst/>")),
            ("entries", {
                let names: Vec<String> = (0..=MOST_ENTRIES).map(|at| format!("xl/{at}")).collect();
                zipped(&names.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>())
            }),
            ("entries", {
                let names: Vec<String> = (0..10_000).map(|at| format!("xl/{at}")).collect();
                zipped(&names.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>())
            }),
        ] {
            assert!(bytes.len() < 3 << 20, "{what}: {}", bytes.len());
            let fault = read_bytes(&bytes).unwrap_err();
            assert!(
                matches!(fault, ListFault::WorkbookTooLarge { what: found, .. } if found == what),
                "{what}: {fault}"
            );
        }
        let sheets: Vec<String> = (0..5).map(|at| format!("xl/worksheets/sheet{at}.xml")).collect();
        let content = large(30 << 20);
        let many = zipped(&sheets.iter().map(|name| (name.as_str(), content.as_str())).collect::<Vec<_>>());
        let fault = ListFault::WorkbookTooLarge { what: "bytes of the workbook", limit: TOTAL_BYTES as u64 };
        assert_eq!(read_bytes(&many), Err(fault));
    }

    #[test]
    fn a_declared_size_that_lies_is_refused() {
        let mut bytes = by_hand(&"<c r='A1'><v>17073003384</v></c>".repeat(1000), "<sst/>");
        // The size stands 24 bytes into each header of the central directory.
        let headers: Vec<usize> = memchr::memmem::find_iter(&bytes, b"PK\x01\x02").collect();
        for header in headers {
            bytes[header + 24..header + 28].copy_from_slice(&8_u32.to_le_bytes());
        }
        assert_eq!(read_bytes(&bytes).unwrap_err().code(), "list-workbook");
    }

    #[test]
    fn other_zip_files_are_named() {
        for (entries, seems) in [
            (&[("lijst.csv", "17073003384")][..], Seems::Archive),
            (&[("[Content_Types].xml", ""), ("xl/workbook.bin", "")], Seems::Xlsb),
            (&[("[Content_Types].xml", ""), ("word/document.xml", "")], Seems::WordDocument),
            (&[("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", "")], Seems::Ods),
            (&[("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", "")], Seems::WordDocument),
        ] {
            assert_eq!(read_bytes(&zipped(entries)), Err(ListFault::NotAList { seems }));
        }
    }

    #[test]
    fn missing_parts_are_refused() {
        for entries in [
            &[("[Content_Types].xml", "")][..],
            &[("xl/workbook.xml", "<workbook/>")],
            &[
                ("xl/workbook.xml", "<workbook><sheet id='a'/></workbook>"),
                ("xl/_rels/workbook.xml.rels", "<Relationship Id='a' Type='worksheet' Target='nowhere.xml'/>"),
            ],
        ] {
            assert_eq!(read_bytes(&zipped(entries)).unwrap_err().code(), "list-workbook");
        }
        let whole = by_hand("<c r='A1'><v>17073003384</v></c>", "<sst/>");
        let cut = whole.get(..whole.len() - 30).unwrap();
        assert_eq!(read_bytes(cut).unwrap_err().code(), "list-workbook");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_damage_makes_it_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
            let mut bytes = by_hand("<row r='1'><c r='A1' t='s'><v>0</v></c></row>", "<sst><si><t>17073003384</t></si></sst>");
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = read_bytes(&bytes);
        }

        #[test]
        fn no_markup_makes_it_panic(rows in "(<row r='[0-9]{0,3}'>|</row>|<c r='[A-Z]{0,4}[0-9]{0,2}' t='(s|n|b|str|inlineStr)'>|</c>|<v>|</v>|<is>|<t>|</t>|&amp;|&#x[0-9]{1,7};|[0-9]{1,11}|<!--|]]>){0,30}") {
            let _ = read_bytes(&by_hand(&rows, "<sst><si><t>x</t></si></sst>"));
        }
    }
}
