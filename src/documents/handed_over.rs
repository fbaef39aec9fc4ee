//! Tables that operators hand over for a local authority (FORMATS.md, sections 5 and 6).
//!
//! A file that another system made is taken only as one of the tables that leave anyway: each column is one of the
//! kind's layout, in its order; each row is whole; and numbers, accounts, amounts and dates are what their column says,
//! so that two columns that were swapped do not leave. It leaves in the form of all others: UTF-8, LF, quoted where
//! needed, and without anything that a spreadsheet would calculate.
//!
//! No fault repeats a value of the file.

use std::{
    io::{self, Write},
    str::FromStr,
};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use jiff::civil::Date;
use zeroize::Zeroizing;

use super::{csv, table::Wiped};
use crate::{
    domain::{Amount, Column, Iban, Kind, Niss, Share},
    register::ReferenceMonth,
};

/// A row at most, bytes: twice the longest line of a register.
pub const MOST_ROW_BYTES: usize = 32 << 10;

/// Columns at most: more than any layout has, so that a row with one too many is told as such.
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
    /// Checks a whole table, separated by `;`.
    ///
    /// # Errors
    /// [`HandedFault`], the first that is met.
    pub fn read(kind: Kind, content: &'a [u8]) -> Result<Self, HandedFault> {
        if kind.columns().is_empty() {
            let tables = Kind::ALL.into_iter().filter(|kind| !kind.columns().is_empty());
            return Err(HandedFault::Kind(kind, tables.map(Kind::name).collect::<Vec<_>>().join(", ")));
        }
        let mut records = Records::new(content);
        let columns = if records.next()? { header(kind, &records)? } else { return Err(HandedFault::Empty) };
        let (mut rows, mut amount_total) = (0, None);
        while records.next()? {
            let line = records.line;
            if records.count != columns.len() {
                return Err(HandedFault::Cells { line, found: records.count, expected: columns.len() });
            }
            for (at, column) in columns.iter().enumerate() {
                let value = records.text(at)?;
                if let Err(problem) = check(*column, value) {
                    return Err(HandedFault::Value { line, column: *column, problem });
                }
                if column.name() == AMOUNT
                    && let Ok(amount) = value.parse::<Amount>()
                {
                    amount_total = Some(amount_total.unwrap_or(Amount::ZERO) + amount);
                }
            }
            rows += 1;
        }
        if rows == 0 { Err(HandedFault::Empty) } else { Ok(Self { content, columns, rows, amount_total }) }
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
        while records.next().map_err(unreadable)? {
            let cells: Vec<&str> =
                (0..records.count).map(|at| records.text(at)).collect::<Result<_, _>>().map_err(unreadable)?;
            out.row(|buffer| {
                for (at, cell) in cells.iter().enumerate() {
                    if at > 0 {
                        buffer.push(b';');
                    }
                    csv::text(buffer, cell);
                }
                buffer.push(b'\n');
            })?;
            rows += 1;
        }
        out.finish()?;
        // The header is none.
        Ok(rows - 1)
    }
}

/// The column of amounts.
const AMOUNT: &str = "bedrag";

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

/// Whether a value is what its column holds; else what it should be.
fn check(column: Column, value: &str) -> Result<(), &'static str> {
    fn is<T: FromStr>(value: &str) -> bool {
        value.parse::<T>().is_ok()
    }
    let is_niss = || Niss::from_digits(value.as_bytes()).is_ok();
    let (fits, problem) = match column.name() {
        "niss" | "kind_niss" => (is_niss(), "no identification number of eleven digits"),
        "begunstigde_niss" => (value.is_empty() || is_niss(), "no identification number of eleven digits"),
        "sociale_toeslag" => (matches!(value, "ja" | "nee"), "neither `ja` nor `nee`"),
        "iban" => (Iban::parse(value).is_ok(), "no IBAN"),
        AMOUNT => (is::<Amount>(value), "no amount such as 25.00"),
        "munt" => (value == "EUR", "not EUR"),
        "geboortedatum" => (value.is_empty() || is::<Date>(value), "no date such as 2026-11-21"),
        "rechtsmaand" => (value.is_empty() || is::<ReferenceMonth>(value), "no month such as 2026-11"),
        "aandeel" => (value.is_empty() || is::<Share>(value), "no share such as 0.5"),
        _ => (true, ""),
    };
    if fits { Ok(()) } else { Err(problem) }
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
}

impl<'a> Records<'a> {
    fn new(content: &'a [u8]) -> Self {
        let reader = ReaderBuilder::new().delimiter(b';').build();
        let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        let cells = Zeroizing::new(vec![0; MOST_ROW_BYTES]);
        Self { reader, rest: content, cells, ends: [0; MOST_COLUMNS], count: 0, line: 1 }
    }

    /// Reads the next record; false at the end.
    fn next(&mut self) -> Result<bool, HandedFault> {
        self.line = self.reader.line();
        let (mut written, mut ended) = (0, 0);
        loop {
            let (cells, ends) = (self.cells.get_mut(written..), self.ends.get_mut(ended..));
            let (result, read, wrote, cut) =
                self.reader.read_record(self.rest, cells.unwrap_or_default(), ends.unwrap_or_default());
            self.rest = self.rest.get(read..).unwrap_or_default();
            written += wrote;
            ended += cut;
            match result {
                // Asked again with nothing, the reader tells that this is the end.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => return Err(HandedFault::TooLong { line: self.line }),
                ReadRecordResult::OutputEndsFull => {
                    return Err(HandedFault::Cells { line: self.line, found: MOST_COLUMNS + 1, expected: self.count });
                }
                ReadRecordResult::Record => {
                    self.count = ended;
                    return Ok(true);
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
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
    use proptest::prelude::*;

    const HEADER: &str = "volgnummer;rekeninghouder;iban;bedrag\n";

    fn read(kind: Kind, text: &str) -> Result<(u64, Option<Amount>, String), HandedFault> {
        let table = HandedTable::read(kind, text.as_bytes())?;
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
            format!("{HEADER}1;\"Peeters; Jan\";BE68539007547034;25.00\n2;'=1+1;BE68 5390 0754 7034;0.50\n")
        );
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
        assert_eq!(HandedTable::read(Kind::Betaling, &latin), Err(HandedFault::Encoding { line: 2 }));
        let swapped = "kind_niss;geboortedatum;bron\n17073003384;sociale_toeslag;2017-07-30\n";
        assert_eq!(fault(Kind::Gegevens, swapped), "line 2, column geboortedatum: no date such as 2026-11-21");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for kind in Kind::ALL {
                let _ = HandedTable::read(kind, &bytes);
                let _ = HandedTable::read(Kind::Betaling, &[HEADER.as_bytes(), &bytes].concat());
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
