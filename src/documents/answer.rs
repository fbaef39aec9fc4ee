//! The answer to a list: `sociale-toeslag` (FORMATS.md, section 2.1).

use std::io::{self, Write};

use zeroize::Zeroizing;

use super::csv;
use crate::domain::{Column, Kind, Niss, Share};

/// One row: a child, or a child and one of its beneficiaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerRow<'a> {
    /// The child.
    pub niss: Niss,
    /// Whether it has the allowance.
    pub entitled: bool,
    /// Who receives it; none for a child without it.
    pub beneficiary: Option<Beneficiary<'a>>,
}

/// Who receives an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beneficiary<'a> {
    /// Its number.
    pub niss: Niss,
    /// Its last name.
    pub last_name: &'a str,
    /// Its first name.
    pub first_name: &'a str,
    /// Its part of the allowance.
    pub share: Share,
}

/// Bytes gathered before they are handed on: the size of a chunk of age.
const BUFFER_BYTES: usize = 64 << 10;

/// Room for one row, so that the buffer seldom has to move: numbers, a share and two names of 100 letters.
const ROW_BYTES: usize = 512;

/// A column of the layout.
#[derive(Debug, Clone, Copy)]
enum Field {
    Niss,
    Entitled,
    BeneficiaryNiss,
    BeneficiaryName,
    Share,
}

impl Field {
    fn of(column: Column) -> Option<Self> {
        Some(match column.name() {
            "niss" => Self::Niss,
            "sociale_toeslag" => Self::Entitled,
            "begunstigde_niss" => Self::BeneficiaryNiss,
            "begunstigde_naam" => Self::BeneficiaryName,
            "aandeel" => Self::Share,
            _ => return None,
        })
    }

    fn write(self, out: &mut Vec<u8>, row: &AnswerRow<'_>) {
        match (self, row.beneficiary) {
            (Self::Niss, _) => out.extend_from_slice(&row.niss.digits()),
            (Self::Entitled, _) => out.extend_from_slice(if row.entitled { b"ja" } else { b"nee" }),
            (Self::BeneficiaryNiss, Some(beneficiary)) => out.extend_from_slice(&beneficiary.niss.digits()),
            (Self::BeneficiaryName, Some(beneficiary)) => {
                csv::two_texts(out, beneficiary.last_name, beneficiary.first_name);
            }
            (Self::Share, Some(beneficiary)) => share(out, beneficiary.share),
            (Self::BeneficiaryNiss | Self::BeneficiaryName | Self::Share, None) => {}
        }
    }
}

/// Nearly all shares are the whole or the half.
fn share(out: &mut Vec<u8>, share: Share) {
    match share {
        Share::WHOLE => out.push(b'1'),
        Share::HALF => out.extend_from_slice(b"0.5"),
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
}

/// Writes the header and a row for each of `rows`, with `columns` in the layout's order whatever order they come in;
/// returns the number of rows, the header not counted.
///
/// # Errors
/// What `out` gives, or `InvalidInput` for a column that is not of this layout.
pub fn write<'a>(
    out: &mut impl Write,
    columns: &[Column],
    rows: impl Iterator<Item = AnswerRow<'a>>,
) -> io::Result<u64> {
    let layout = Kind::SocialeToeslag.columns();
    if !columns.iter().all(|column| layout.contains(column)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a column outside the layout of sociale-toeslag"));
    }
    let columns: Vec<Column> = layout.iter().copied().filter(|column| columns.contains(column)).collect();
    let fields: Vec<Field> = columns.iter().copied().filter_map(Field::of).collect();
    let mut buffer = Zeroizing::new(Vec::with_capacity(BUFFER_BYTES + ROW_BYTES));
    let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    buffer.extend_from_slice(names.join(";").as_bytes());
    buffer.push(b'\n');
    let mut count = 0;
    for row in rows {
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                buffer.push(b';');
            }
            field.write(&mut buffer, &row);
        }
        buffer.push(b'\n');
        count += 1;
        if buffer.len() >= BUFFER_BYTES {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    out.write_all(&buffer)?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn niss(text: &str) -> Niss {
        Niss::parse(text).unwrap()
    }

    fn rows() -> Vec<AnswerRow<'static>> {
        let child = niss("17073003384");
        let parent = |number, first_name, share| {
            Some(Beneficiary { niss: niss(number), last_name: "Peeters", first_name, share })
        };
        vec![
            AnswerRow { niss: child, entitled: true, beneficiary: parent("85073003328", "Jan", Share::HALF) },
            AnswerRow { niss: child, entitled: true, beneficiary: parent("75060898009", "An;na", Share::HALF) },
            AnswerRow { niss: niss("00012556777"), entitled: false, beneficiary: None },
            AnswerRow {
                niss: niss("23012300221"),
                entitled: true,
                beneficiary: parent("93051822361", "\"Jo\"", "0.6667".parse().unwrap()),
            },
        ]
    }

    fn written(columns: &[Column]) -> String {
        let mut out = Vec::new();
        assert_eq!(write(&mut out, columns, rows().into_iter()).unwrap(), 4);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_whole_layout() {
        assert_eq!(
            written(Kind::SocialeToeslag.columns()),
            "niss;sociale_toeslag;begunstigde_niss;begunstigde_naam;aandeel\n\
             17073003384;ja;85073003328;Peeters Jan;0.5\n\
             17073003384;ja;75060898009;\"Peeters An;na\";0.5\n\
             00012556777;nee;;;\n\
             23012300221;ja;93051822361;\"Peeters \"\"Jo\"\"\";0.6667\n"
        );
    }

    #[test]
    fn only_allowed_columns_in_the_order_of_the_layout() {
        let column = |name| Kind::SocialeToeslag.column(name).unwrap();
        assert_eq!(
            written(&[column("sociale_toeslag"), column("niss")]),
            "niss;sociale_toeslag\n17073003384;ja\n17073003384;ja\n00012556777;nee\n23012300221;ja\n"
        );
        let foreign = Kind::Betaling.column("iban").unwrap();
        let fault = write(&mut Vec::new(), &[foreign], rows().into_iter()).unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn many_rows_pass_through_the_buffer() {
        let mut out = Vec::new();
        let many = std::iter::repeat_n(rows(), 10_000).flatten();
        assert_eq!(write(&mut out, Kind::SocialeToeslag.columns(), many).unwrap(), 40_000);
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), 40_001);
    }
}
