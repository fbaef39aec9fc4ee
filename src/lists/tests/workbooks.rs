//! Workbooks, among them some made to do harm: what is made of each stands in one file, beside what it is made with.

use std::io::{Cursor, Write};

use calamine::{Reader, Xlsx};
use jiff::civil::{Date, date};
use proptest::prelude::*;
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, XlsxError};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::lists::{
    self, Limits, List, ListFault, Places, Problem, Seems,
    workbook::{MOST_ENTRIES, OTHER_BYTES, SHEET_BYTES, STRINGS_BYTES, TOTAL_BYTES},
};

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

/// The entries of a workbook with these rows, a sheet each.
fn with_sheets_entries(sheets: &[String]) -> Vec<(String, String)> {
    let of_each = |text: fn(usize) -> String| (0..sheets.len()).map(text).collect::<Vec<_>>().concat();
    let listed = of_each(|at| format!("<sheet name='s{at}' r:id='r{at}'/>"));
    let related = of_each(|at| format!("<Relationship Id='r{at}' Type='x/worksheet' Target='worksheets/s{at}.xml'/>"));
    let sheet = |(at, rows)| (format!("xl/worksheets/s{at}.xml"), format!("<worksheet>{rows}</worksheet>"));
    let mut entries: Vec<(String, String)> = sheets.iter().enumerate().map(sheet).collect();
    entries.push(("xl/workbook.xml".to_owned(), format!("<workbook>{listed}</workbook>")));
    entries.push(("xl/_rels/workbook.xml.rels".to_owned(), format!("<Relationships>{related}</Relationships>")));
    entries
}

fn with_sheets(sheets: &[String]) -> Vec<u8> {
    let entries = with_sheets_entries(sheets);
    zipped(&entries.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect::<Vec<_>>())
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
fn the_one_visible_sheet_with_numbers_is_read() {
    let bytes = workbook(|workbook| {
        workbook.add_worksheet().write(0, 0, "Uitleg")?;
        workbook.add_worksheet().set_hidden(true).write(0, 0, "85073003328")?;
        workbook.add_worksheet().write(0, 0, "17073003384")?;
        workbook.add_worksheet().write(0, 0, "Nazicht door dienst")?;
        workbook.add_worksheet();
        Ok(())
    });
    let list = read_bytes(&bytes).unwrap();
    assert_eq!((numbers(&list), list.counts.ignored_sheets), (vec!["17073003384".to_owned()], 2));
}

/// Children on a second sheet would be left out, or those of last year answered.
#[test]
fn several_sheets_with_numbers_are_refused() {
    for other in [&["19081300193"][..], &["INSZ", "19081300193"], &["INSZ", "1,70730E+10"]] {
        let bytes = workbook(|workbook| {
            workbook.add_worksheet().set_name("2025")?.write(0, 0, "17073003384")?;
            workbook.add_worksheet().set_name("Uitleg")?.write(0, 0, "twee jaren")?;
            let sheet = workbook.add_worksheet().set_name("lijst 17073003384")?;
            for (row, cell) in (0..).zip(other) {
                sheet.write(row, 3, *cell)?;
            }
            Ok(())
        });
        let sheets = vec!["2025".to_owned(), "…".to_owned()];
        let fault = read_bytes(&bytes).unwrap_err();
        assert_eq!(fault, ListFault::AmbiguousSheets { sheets }, "{other:?}");
    }
}

#[test]
fn formulas_without_an_outcome_are_rows_at_fault() {
    let number = |line: u32| format!("<row r='{line}'><c t='str'><v>17073003384</v></c></row>");
    let formula = |line: u32| format!("<row r='{line}'><c><f>LEFT(\"17073003384x\",11)</f><v/></c></row>");
    let sheet = |formulas: u32| {
        let title = "<row r='1'><c t='inlineStr'><is><t>INSZ</t></is></c></row>".to_owned();
        let numbers = (2..12).map(number);
        by_hand(
            &[title].into_iter().chain(numbers).chain((12..12 + formulas).map(formula)).collect::<String>(),
            "<sst/>",
        )
    };
    let list = read_bytes(&sheet(1)).unwrap();
    assert_eq!((list.counts.rows, list.counts.valid, list.counts.invalid), (11, 10, 1));
    assert!(list.remarks.iter().any(|remark| (remark.line, remark.problem) == (12, Problem::NoOutcome)));
    let fault = read_bytes(&sheet(8)).unwrap_err();
    assert!(matches!(fault, ListFault::TooManyInvalid { invalid: 8, rows: 18, places: Places::Cells, .. }), "{fault}");
}

#[test]
fn a_sheet_of_explanations_is_passed_over() {
    let list = |column: u16| {
        workbook(|workbook| {
            let notes = workbook.add_worksheet();
            notes.write(0, 0, "Kolom")?.write(0, 1, "Betekenis")?;
            notes.write(1, 0, "Rijksregisternummer")?.write(1, 1, "nummer van het kind")?;
            let telephones = workbook.add_worksheet();
            telephones.write(0, 0, "089 84 84 00")?.write(0, 1, "21/11/2026")?;
            let sheet = workbook.add_worksheet();
            sheet.write(0, column, "INSZ")?.write(1, column, "17073003384")?;
            Ok(())
        })
    };
    for column in [0, 3] {
        let list = read_bytes(&list(column)).unwrap();
        assert_eq!((numbers(&list), list.counts.ignored_sheets), (vec!["17073003384".to_owned()], 2));
    }
    // With no valid number anywhere, the sheet with a column for them says what is wrong.
    let bytes = workbook(|workbook| {
        workbook.add_worksheet().write(0, 0, "Uitleg")?;
        workbook.add_worksheet().write(0, 0, "INSZ")?.write(1, 0, "1,70730E+10")?;
        Ok(())
    });
    assert_eq!(read_bytes(&bytes).unwrap_err().code(), "list-too-many-invalid");
}

#[test]
fn rows_that_a_filter_hides_are_neither_answered_nor_passed_over() {
    let bytes = workbook(|workbook| {
        let sheet = workbook.add_worksheet();
        sheet.write(0, 0, "INSZ")?;
        for (row, number) in (1..).zip(["17073003384", "19081300193", "23012300221"]) {
            sheet.write(row, 0, number)?;
        }
        sheet.set_row_hidden(2)?.set_row_hidden(7)?;
        Ok(())
    });
    let fault = read_bytes(&bytes).unwrap_err();
    assert_eq!(fault, ListFault::HiddenRows { rows: 1, first: vec![3] });
    assert!(fault.explanation_nl().contains("is 1 rij verborgen (rij 3)"), "{}", fault.explanation_nl());
}

/// Two columns that could be the children's: the sender sees only one of them.
#[test]
fn numbers_of_a_hidden_column_are_not_answered() {
    let list = |hidden: u16| {
        workbook(|workbook| {
            let sheet = workbook.add_worksheet();
            sheet.write(0, 0, "INSZ")?.write(0, 2, "INSZ verbeterd")?;
            for (row, number) in (1..).zip(["17073003384", "19081300193"]) {
                sheet.write(row, 0, number)?.write(row, 2, "23012300221")?;
            }
            sheet.set_column_hidden(hidden)?;
            Ok(())
        })
    };
    let fault = read_bytes(&list(0)).unwrap_err();
    assert_eq!(fault, ListFault::HiddenColumn { column: 1 });
    assert!(fault.explanation_nl().contains("in kolom A"), "{}", fault.explanation_nl());
    assert_eq!(numbers(&read_bytes(&list(2)).unwrap()), ["17073003384", "19081300193"]);
}

#[test]
fn several_rows_that_are_hidden_are_named_as_a_sentence_has_them() {
    for (first, rows, named) in [
        (&[3][..], 1, "(rij 3)"),
        (&[3, 4], 2, "(rijen 3 en 4)"),
        (&[3, 4, 9], 3, "(rijen 3, 4 en 9)"),
        (&[3, 4], 7, "(rijen 3, 4, …)"),
    ] {
        let told = ListFault::HiddenRows { rows, first: first.to_vec() }.explanation_nl();
        assert!(told.contains(named), "{told}");
    }
}

#[test]
fn columns_of_a_sheet_have_letters() {
    let bytes = workbook(|workbook| {
        let sheet = workbook.add_worksheet();
        sheet.write(0, 0, "17073003384")?.write(0, 2, "19081300193")?;
        Ok(())
    });
    let told = read_bytes(&bytes).unwrap_err().explanation_nl();
    assert!(told.contains("de kolommen A en C"), "{told}");
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
        ("bytes of another part", zipped(&[("xl/workbook.xml", &large(OTHER_BYTES + 1))])),
        ("strings", by_hand(cell, &"<si/>".repeat(1_500_001))),
        ("cells", by_hand(&"<c/>".repeat(5_000_001), "<sst/>")),
        ("bytes of a row", {
            // One string of megabytes, asked for by every cell of a row.
            let string = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(30 << 20));
            by_hand(&format!("<row>{}</row>", "<c t='s'><v>0</v></c>".repeat(10_000)), &string)
        }),
        ("bytes of text in cells", {
            let string = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(1_000_000));
            by_hand(&"<row><c><v>17073003384</v></c><c t='s'><v>0</v></c></row>".repeat(1_100), &string)
        }),
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
        assert!(matches!(fault, ListFault::WorkbookTooLarge { what: found, .. } if found == what), "{what}: {fault}");
    }
    let fault = ListFault::WorkbookTooLarge { what: "bytes of the workbook", limit: TOTAL_BYTES as u64 };
    assert_eq!(read_bytes(&with_sheets(&vec![large(50 << 20); 4])), Err(fault));
    // A tag within a tag, and so on: the reader keeps the name of each.
    let deep = ListFault::Workbook { part: "worksheet", what: "elements too deep in others" };
    assert_eq!(read_bytes(&by_hand(&"<a>".repeat(1 << 20), "<sst/>")), Err(deep));
}

#[test]
fn what_no_list_needs_is_not_unpacked() {
    let sheet = "<row><c><v>17073003384</v></c></row>".to_owned();
    let mut entries = with_sheets_entries(&[sheet]);
    let pivot = " ".repeat(TOTAL_BYTES + 1);
    entries.push(("xl/pivotCache/pivotCacheRecords1.xml".to_owned(), pivot));
    entries.extend((0..200).map(|at| (format!("xl/printerSettings/printerSettings{at}.bin"), String::new())));
    let entries: Vec<_> = entries.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    assert_eq!(numbers(&read_bytes(&zipped(&entries)).unwrap()), ["17073003384"]);
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
fn a_sheet_that_is_listed_twice_is_read_once() {
    let bytes = zipped(&[
        ("xl/workbook.xml", "<workbook><sheet id='a'/><sheet id='b'/></workbook>"),
        (
            "xl/_rels/workbook.xml.rels",
            "<Relationship Id='a' Type='worksheet' Target='s.xml'/><Relationship Id='b' Type='worksheet' Target='./S.xml'/>",
        ),
        ("xl/s.xml", "<sheetData><row><c><v>17073003384</v></c></row></sheetData>"),
    ]);
    let list = read_bytes(&bytes).unwrap();
    assert_eq!((list.children.len(), list.counts.ignored_sheets), (1, 0));
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
