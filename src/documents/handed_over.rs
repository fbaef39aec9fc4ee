//! Tables that operators hand over for a local authority (FORMATS.md, sections 5 and 6).
//!
//! A file that another system made is taken only as one of the tables that leave anyway: each column is one of the
//! kind's layout, in its order; each row is whole; and numbers, accounts, amounts and dates are what their column says,
//! so that two columns that were swapped do not leave. It leaves in the form of all others: UTF-8, LF, quoted where
//! needed, amounts with two decimals, accounts without spaces, and without anything that a spreadsheet would calculate.
//!
//! No fault repeats a value of the file.

use std::io::{self, Write};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use jiff::civil::Date;
use zeroize::Zeroizing;

use super::{csv, table::Wiped};
use crate::{
    domain::{Amount, Column, Iban, Kind, Niss, Share, SourceCatalogue, StructuredCommunication, niss},
    register::ReferenceMonth,
};

/// A row at most, bytes: twice the longest line of a register.
pub const MOST_ROW_BYTES: usize = 32 << 10;

/// Cells of a row at most: more than any layout has, so that a row with one too many is told as such.
const MOST_COLUMNS: usize = 64;

/// A table that was checked whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedTable<'a> {
    content: &'a [u8],
    columns: Vec<Column>,
    /// Rows without the header.
    pub rows: u64,
    /// The sum of its amounts, where it has any.
    pub amount_total: Option<Amount>,
    /// The first line that answers `nee`; only where a protocol asks for every child may there be any.
    pub first_without_allowance: Option<u64>,
}

/// What is wrong with a table. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandedFault {
    /// No table is made of that kind.
    #[error("{0} is no table that can be handed over: hand over {1}")]
    Kind(Kind, String),
    /// The first line has a cell that is no column of the layout.
    #[error("cell {at} of the first line is no column of {kind}: its columns are {columns}, separated by `;`")]
    UnknownColumn {
        /// Which.
        at: usize,
        /// Of what.
        kind: Kind,
        /// Those that it has.
        columns: String,
    },
    /// The columns are not in the order of the layout, or one stands twice.
    #[error("column {at} of the first line is not in the layout's order: {columns}")]
    Order {
        /// Which.
        at: usize,
        /// The layout.
        columns: String,
    },
    /// A column is missing without which the table makes no sense.
    #[error("there is no column {0}")]
    Missing(&'static str),
    /// A row has more or fewer cells than there are columns.
    #[error("line {line} has {found} cells, and the first line {expected}")]
    Cells {
        /// Where.
        line: u64,
        /// How many.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A row has more cells than any layout has columns.
    #[error("line {line} has more than {MOST_COLUMNS} cells")]
    TooManyCells {
        /// Where.
        line: u64,
    },
    /// A row for a child without the allowance, where the protocol gives only those who have it.
    #[error("line {line} answers `nee`, and the protocol's `reply` is `entitled-only`: leave such rows out")]
    EntitledOnly {
        /// Where.
        line: u64,
    },
    /// A value is not what its column holds.
    #[error("line {line}, column {column}: {problem}")]
    Value {
        /// Where.
        line: u64,
        /// In which.
        column: Column,
        /// What it should be.
        problem: &'static str,
    },
    /// Amounts that no municipality pays together.
    #[error("the amounts add up to {0} euros: are they in cents?")]
    Total(Amount),
    /// A row that is too long, as one is after a quote that is not closed.
    #[error("line {line} is longer than {MOST_ROW_BYTES} bytes: is a quote not closed?")]
    TooLong {
        /// Where.
        line: u64,
    },
    /// Text that is not UTF-8.
    #[error("line {line} is not UTF-8")]
    Encoding {
        /// Where.
        line: u64,
    },
    /// A header alone, or nothing.
    #[error("there are no rows")]
    Empty,
}

impl<'a> HandedTable<'a> {
    /// Checks a whole table, separated by `;`. No text for a bank names one of the sources.
    ///
    /// # Errors
    /// [`HandedFault`], the first that is met.
    pub fn read(kind: Kind, content: &'a [u8], sources: &SourceCatalogue) -> Result<Self, HandedFault> {
        if kind.columns().is_empty() {
            let tables = Kind::ALL.into_iter().filter(|kind| !kind.columns().is_empty());
            return Err(HandedFault::Kind(kind, tables.map(Kind::name).collect::<Vec<_>>().join(", ")));
        }
        let mut records = Records::new(content);
        let columns = if records.next()? { header(kind, &records)? } else { return Err(HandedFault::Empty) };
        let (mut rows, mut amount_total, mut first_without_allowance) = (0, None, None);
        while records.next()? {
            let line = records.line;
            if records.count != columns.len() {
                return Err(HandedFault::Cells { line, found: records.count, expected: columns.len() });
            }
            let mut without_allowance = false;
            for (at, column) in columns.iter().enumerate() {
                let column = *column;
                let value = records.text(at)?;
                let read = Value::read(column, value).and_then(|read| {
                    let is_for_banks = matches!(column.name(), REMITTANCE | END_TO_END_ID);
                    if is_for_banks { for_banks(value, sources) } else { Ok(()) }.map(|()| read)
                });
                let read = read.map_err(|problem| HandedFault::Value { line, column, problem })?;
                if let Value::Amount(amount) = read {
                    amount_total = Some(amount_total.unwrap_or(Amount::ZERO) + amount);
                }
                match column.name() {
                    ALLOWANCE => without_allowance = value == NO,
                    // Behind the answer in the layout's order.
                    BENEFICIARY_NISS | BENEFICIARY_NAME | SHARE if without_allowance && !value.is_empty() => {
                        let problem = "not empty, and the child does not have the allowance";
                        return Err(HandedFault::Value { line, column, problem });
                    }
                    _ => {}
                }
            }
            first_without_allowance = first_without_allowance.or(without_allowance.then_some(line));
            rows += 1;
        }
        if rows == 0 {
            return Err(HandedFault::Empty);
        }
        if let Some(total) = amount_total.filter(|total| total.is_beyond_a_payment()) {
            return Err(HandedFault::Total(total));
        }
        Ok(Self { content, columns, rows, amount_total, first_without_allowance })
    }

    /// Its columns, in the layout's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Writes it in the form in which tables leave; returns the number of its rows.
    ///
    /// # Errors
    /// What `out` gives.
    pub fn write(&self, out: &mut impl Write) -> io::Result<u64> {
        let mut out = Wiped::new(out);
        let mut records = Records::new(self.content);
        let mut rows = 0;
        // It was read to its end before: a fault cannot come up any more, and nothing incomplete is passed on.
        let unreadable = |fault| io::Error::new(io::ErrorKind::InvalidData, fault);
        let header = self.columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(";") + "\n";
        out.write_all(header.as_bytes())?;
        records.next().map_err(unreadable)?;
        while records.next().map_err(unreadable)? {
            let cells: Vec<&str> =
                (0..records.count).map(|at| records.text(at)).collect::<Result<_, _>>().map_err(unreadable)?;
            out.row(|buffer| {
                for (at, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
                    if at > 0 {
                        buffer.push(b';');
                    }
                    Value::read(*column, cell).unwrap_or(Value::Text).push(buffer, cell);
                }
                buffer.push(b'\n');
            })?;
            rows += 1;
        }
        out.finish()?;
        Ok(rows)
    }
}

/// The column that answers whether a child has the allowance, and its no.
const ALLOWANCE: &str = "sociale_toeslag";
const NO: &str = "nee";

/// The columns that are empty where a child does not have it.
const BENEFICIARY_NISS: &str = "begunstigde_niss";
const BENEFICIARY_NAME: &str = "begunstigde_naam";
const SHARE: &str = "aandeel";

/// The columns that banks and statements of account show.
const REMITTANCE: &str = "mededeling";
const END_TO_END_ID: &str = "eind_tot_eind_id";

/// Nothing about a person or an allowance (FORMATS.md, section 2.4).
fn for_banks(value: &str, sources: &SourceCatalogue) -> Result<(), &'static str> {
    if niss::find_in(value).is_some() {
        return Err("a number that could be a person's, which a bank must not learn");
    }
    sources.named_in(value).map_or(Ok(()), |_| Err("it names an allowance, of which a bank must not learn"))
}

fn header(kind: Kind, records: &Records<'_>) -> Result<Vec<Column>, HandedFault> {
    let names = || kind.columns().iter().map(|column| column.name()).collect::<Vec<_>>().join(";");
    let mut columns: Vec<Column> = Vec::new();
    for at in 0..records.count {
        let unknown = || HandedFault::UnknownColumn { at: at + 1, kind, columns: names() };
        let column = records.text(at).ok().and_then(|name| kind.column(name)).ok_or_else(unknown)?;
        let place = |column| kind.columns().iter().position(|other| *other == column);
        if columns.last().is_some_and(|last| place(*last) >= place(column)) {
            return Err(HandedFault::Order { at: at + 1, columns: names() });
        }
        columns.push(column);
    }
    let missing = kind.minimum().iter().find(|name| !columns.iter().any(|column| column.name() == **name));
    missing.map_or(Ok(columns), |name| Err(HandedFault::Missing(name)))
}

/// A value that was read, where the form in which it leaves is not the one in which it came.
enum Value {
    Amount(Amount),
    Iban(Iban),
    Share(Share),
    Communication(StructuredCommunication),
    /// It leaves as it came.
    Text,
}

impl Value {
    /// Reads a value of a column; else what it should be.
    fn read(column: Column, value: &str) -> Result<Self, &'static str> {
        const NO_NUMBER: &str = "no identification number of eleven digits";
        let is_niss = || Niss::from_digits(value.as_bytes()).is_ok();
        let text = |fits: bool, problem| if fits { Ok(Self::Text) } else { Err(problem) };
        match column.name() {
            "niss" | "kind_niss" => text(is_niss(), NO_NUMBER),
            BENEFICIARY_NISS => text(value.is_empty() || is_niss(), NO_NUMBER),
            ALLOWANCE => text(matches!(value, "ja" | NO), "neither `ja` nor `nee`"),
            "iban" => Iban::parse(value).map(Self::Iban).map_err(|_| "no IBAN"),
            "bedrag" => value.parse().map(Self::Amount).map_err(|_| "no amount such as 25.00"),
            "munt" => text(value == "EUR", "not EUR"),
            "geboortedatum" => text(value.is_empty() || is_day(value), "no date such as 2026-11-21"),
            "rechtsmaand" => {
                text(value.is_empty() || value.parse::<ReferenceMonth>().is_ok(), "no month such as 2026-11")
            }
            REMITTANCE if value.starts_with("+++") || value.starts_with("***") => {
                let problem = "no structured communication such as +++202/6000/04236+++";
                value.parse().map(Self::Communication).map_err(|_| problem)
            }
            SHARE if !value.is_empty() => value.parse().map(Self::Share).map_err(|_| "no share such as 0.5"),
            _ => Ok(Self::Text),
        }
    }

    /// Adds it in the form in which it leaves; `cell` is the one in which it came.
    fn push(&self, out: &mut Vec<u8>, cell: &str) {
        match self {
            Self::Amount(amount) => out.extend_from_slice(amount.to_string().as_bytes()),
            Self::Iban(iban) => iban.push_electronic(out),
            Self::Share(share) => out.extend_from_slice(share.to_string().as_bytes()),
            // As it is: an apostrophe before it, against spreadsheets, would make another communication of it.
            Self::Communication(communication) => out.extend_from_slice(communication.to_string().as_bytes()),
            Self::Text => csv::text(out, cell),
        }
    }
}

/// Whether a text is a day as files write it, and not another form of one, such as with a time.
fn is_day(text: &str) -> bool {
    text.parse::<Date>().is_ok_and(|day| day.to_string() == text)
}

/// The records of a table, one at a time, in memory that is wiped.
struct Records<'a> {
    reader: Reader,
    rest: &'a [u8],
    cells: Zeroizing<Vec<u8>>,
    ends: [usize; MOST_COLUMNS],
    /// Cells of the record.
    count: usize,
    /// The line on which the record begins.
    line: u64,
    /// The line that `rest` begins on.
    next_line: u64,
}

impl<'a> Records<'a> {
    fn new(content: &'a [u8]) -> Self {
        let reader = ReaderBuilder::new().delimiter(b';').build();
        let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        let cells = Zeroizing::new(vec![0; MOST_ROW_BYTES]);
        Self { reader, rest: content, cells, ends: [0; MOST_COLUMNS], count: 0, line: 1, next_line: 1 }
    }

    /// Reads the next record; false at the end.
    fn next(&mut self) -> Result<bool, HandedFault> {
        // What the reader passes over: the rest of a line end, and empty lines. It does not count them in time.
        let empty = self.rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.pass(empty);
        self.line = self.next_line;
        let (mut written, mut ended) = (0, 0);
        loop {
            let (cells, ends) = (self.cells.get_mut(written..), self.ends.get_mut(ended..));
            let (result, read, wrote, cut) =
                self.reader.read_record(self.rest, cells.unwrap_or_default(), ends.unwrap_or_default());
            self.pass(read);
            written += wrote;
            ended += cut;
            match result {
                // Asked again with nothing, the reader tells that this is the end.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => return Err(HandedFault::TooLong { line: self.line }),
                ReadRecordResult::OutputEndsFull => return Err(HandedFault::TooManyCells { line: self.line }),
                ReadRecordResult::Record => {
                    self.count = ended;
                    return Ok(true);
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    /// Goes on by so many bytes, and counts the lines that end in them: by LF, CR LF, or CR alone.
    fn pass(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, &[]));
        let followers = passed.iter().skip(1).chain(rest.first()).map(Some).chain([None]);
        let ends = passed.iter().zip(followers);
        let ended = ends.filter(|(byte, next)| **byte == b'\n' || (**byte == b'\r' && *next != Some(&b'\n'))).count();
        self.next_line += ended as u64;
        self.rest = rest;
    }

    fn text(&self, at: usize) -> Result<&str, HandedFault> {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        let cell = self.cells.get(start..end).unwrap_or_default();
        std::str::from_utf8(cell).map_err(|_| HandedFault::Encoding { line: self.line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::Source;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static SOURCES: LazyLock<SourceCatalogue> = LazyLock::new(|| {
        let source = Source { code: "sociale_toeslag".to_owned(), name: "Sociale toeslag".to_owned() };
        SourceCatalogue::new(vec![source]).unwrap()
    });

    const HEADER: &str = "volgnummer;rekeninghouder;iban;bedrag\n";

    fn read(kind: Kind, text: &str) -> Result<(u64, Option<Amount>, String), HandedFault> {
        let table = HandedTable::read(kind, text.as_bytes(), &SOURCES)?;
        let mut out = Vec::new();
        assert_eq!(table.write(&mut out).unwrap(), table.rows);
        Ok((table.rows, table.amount_total, String::from_utf8(out).unwrap()))
    }

    #[test]
    fn a_table_leaves_in_the_form_of_all_others() {
        let text =
            format!("\u{feff}{HEADER}1;\"Peeters; Jan\";BE68539007547034;25.00\r\n2;=1+1;BE68 5390 0754 7034;0.50");
        let (rows, total, written) = read(Kind::Betaling, &text).unwrap();
        assert_eq!((rows, total), (2, Some("25.50".parse().unwrap())));
        assert_eq!(
            written,
            format!("{HEADER}1;\"Peeters; Jan\";BE68539007547034;25.00\n2;'=1+1;BE68539007547034;0.50\n")
        );
        // Whatever the form in which it came.
        let rows = "1;a;be68 5390 0754 7034;5\n2;b;nl91abna0417164300;000005.00\n";
        let written = read(Kind::Betaling, &format!("{HEADER}{rows}")).unwrap().2;
        assert_eq!(written, format!("{HEADER}1;a;BE68539007547034;5.00\n2;b;NL91ABNA0417164300;5.00\n"));
        let shares = "niss;sociale_toeslag;aandeel\n17073003384;ja;0.50\n17073003384;ja;1\n";
        assert_eq!(read(Kind::SocialeToeslag, shares).unwrap().2, shares.replace("0.50", "0.5"));
        let answer = "niss;sociale_toeslag;begunstigde_niss\n17073003384;ja;85073003328\n00012556777;nee;\n";
        assert_eq!(read(Kind::SocialeToeslag, answer), Ok((2, None, answer.to_owned())));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place() {
        let fault = |kind, text: &str| read(kind, text).unwrap_err().to_string();
        let betaling = |rows: &str| fault(Kind::Betaling, &format!("{HEADER}{rows}"));
        assert!(
            fault(Kind::Rapport, "x").starts_with("rapport is no table that can be handed over: hand over sociale")
        );
        assert_eq!(fault(Kind::Betaling, ""), "there are no rows");
        assert_eq!(betaling(""), "there are no rows");
        assert!(
            fault(Kind::Betaling, "17073003384;x").starts_with("cell 1 of the first line is no column of betaling")
        );
        assert!(fault(Kind::Betaling, "iban;bedrag;volgnummer\n").starts_with("column 3 of the first line is not"));
        assert_eq!(fault(Kind::Betaling, "volgnummer;iban;bedrag\n"), "there is no column rekeninghouder");
        assert_eq!(betaling("1;x;BE68539007547034\n"), "line 2 has 3 cells, and the first line 4");
        assert_eq!(
            betaling("1;x;BE68539007547034;5\n2;x;BE68539007547034;-5\n"),
            "line 3, column bedrag: no amount such as 25.00"
        );
        assert_eq!(betaling("1;x;BE68539007547035;5.00\n"), "line 2, column iban: no IBAN");
        assert!(betaling(&format!("1;\"{}", "x\n".repeat(20_000))).starts_with("line 2 is longer than 32768 bytes"));
        let latin = [HEADER.as_bytes(), b"1;Ren\xe9;BE68539007547034;5.00\n"].concat();
        assert_eq!(HandedTable::read(Kind::Betaling, &latin, &SOURCES), Err(HandedFault::Encoding { line: 2 }));
        let many = format!("volgnummer{}\n", ";x".repeat(MOST_COLUMNS));
        assert_eq!(fault(Kind::Betaling, &many), "line 1 has more than 64 cells");
        let time = "kind_niss;geboortedatum;bron\n17073003384;2024-06-19T15:22:45-04[America/New_York];x\n";
        assert_eq!(fault(Kind::Gegevens, time), "line 2, column geboortedatum: no date such as 2026-11-21");
        let swapped = "kind_niss;geboortedatum;bron\n17073003384;sociale_toeslag;2017-07-30\n";
        assert_eq!(fault(Kind::Gegevens, swapped), "line 2, column geboortedatum: no date such as 2026-11-21");
    }

    #[test]
    fn what_banks_see_tells_nothing_of_persons_and_allowances() {
        let read = |remittance: &str, id: &str| {
            let header = "volgnummer;rekeninghouder;iban;bedrag;mededeling;eind_tot_eind_id";
            read(Kind::Betaling, &format!("{header}\n1;x;BE68539007547034;5.00;{remittance};{id}\n"))
        };
        let (_, _, written) = read("+++202/6000/04236+++", "VUTG-1").unwrap();
        assert!(written.ends_with(";5.00;+++202/6000/04236+++;VUTG-1\n"), "{written}");
        assert!(read("***202/6000/04236***", "").unwrap().2.contains(";+++202/6000/04236+++;"));
        assert!(read("Premie 2026", "").is_ok());
        // What runs give.
        for id in (1..=100).flat_map(|line| ["", "O"].map(|mark| format!("{mark}20261123-0005-{line:06}"))) {
            assert!(read("premie", &id).is_ok(), "{id}");
        }
        for (remittance, id, problem) in [
            ("+++202/6000/04237+++", "", "no structured communication such as +++202/6000/04236+++"),
            ("premie 17.07.30-033.84", "", "a number that could be a person's, which a bank must not learn"),
            ("premie", "dossier-17073003384-1", "a number that could be a person's, which a bank must not learn"),
            ("premie", "17073003384", "a number that could be a person's, which a bank must not learn"),
            ("uw sociale  toeslag", "", "it names an allowance, of which a bank must not learn"),
        ] {
            let fault = read(remittance, id).unwrap_err().to_string();
            assert!(fault.ends_with(problem), "{fault}");
        }
    }

    #[test]
    fn cents_taken_for_euros_are_seen_in_the_sum() {
        let row = "1;x;BE68539007547034;750000000\n";
        let fault = read(Kind::Betaling, &format!("{HEADER}{row}{row}")).unwrap_err().to_string();
        assert_eq!(fault, "the amounts add up to 1500000000.00 euros: are they in cents?");
    }

    #[test]
    fn lines_are_counted_however_they_end() {
        for end in ["\n", "\r\n", "\r"] {
            let lines = |rows: &str| format!("{HEADER}{rows}").replace('\n', end);
            let line = |rows: &str| match HandedTable::read(Kind::Betaling, lines(rows).as_bytes(), &SOURCES) {
                Err(HandedFault::Value { line, .. } | HandedFault::Cells { line, .. }) => line,
                other => panic!("{other:?}"),
            };
            let well = "1;x;BE68539007547034;5.00\n";
            assert_eq!(line("1;x;x;5.00\n"), 2, "{end:?}");
            assert_eq!(line(&format!("{well}{well}\n\n2;x\n")), 6, "{end:?}: after empty lines");
            let quoted = "1;\"x\ny\";BE68539007547034;5.00\n";
            assert_eq!(line(&format!("{quoted}{well}2;x;x;5.00")), 5, "{end:?}: after a cell of two lines");
        }
    }

    #[test]
    fn a_child_without_the_allowance_has_no_beneficiary() {
        let first = |rows: &str| {
            let text = format!("niss;sociale_toeslag;begunstigde_niss;aandeel\n{rows}");
            HandedTable::read(Kind::SocialeToeslag, text.as_bytes(), &SOURCES)
                .map(|table| table.first_without_allowance)
        };
        let yes = "17073003384;ja;85073003328;1\n";
        assert_eq!(first(yes), Ok(None));
        assert_eq!(first(&format!("{yes}00012556777;nee;;\n00012556777;nee;;\n")), Ok(Some(3)));
        for (row, column) in [("00012556777;nee;85073003328;", BENEFICIARY_NISS), ("00012556777;nee;;1", SHARE)] {
            let fault = first(&format!("{yes}{row}\n")).unwrap_err().to_string();
            assert_eq!(fault, format!("line 3, column {column}: not empty, and the child does not have the allowance"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for kind in Kind::ALL {
                let _ = HandedTable::read(kind, &bytes, &SOURCES);
                let _ = HandedTable::read(Kind::Betaling, &[HEADER.as_bytes(), &bytes].concat(), &SOURCES);
            }
        }

        #[test]
        fn what_is_written_is_read_again(names in prop::collection::vec("[ -~é]{0,30}", 1..20)) {
            let rows: Vec<String> = names.iter().map(|name| {
                format!("1;\"{}\";BE68539007547034;1.00\n", name.replace('"', "\"\""))
            }).collect();
            let (count, _, written) = read(Kind::Betaling, &format!("{HEADER}{}", rows.concat())).unwrap();
            prop_assert_eq!(count, names.len() as u64);
            // Whoever reads it has the same rows, and writing them again changes no more than quotes.
            let again = read(Kind::Betaling, &written).unwrap();
            prop_assert_eq!(again.0, count);
            prop_assert_eq!(read(Kind::Betaling, &again.2).unwrap().2, again.2);
        }
    }
}
