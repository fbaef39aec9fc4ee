//! The answer to a list: `sociale-toeslag` (FORMATS.md, section 2.1).

use std::io;

use super::{csv, table::Narrowed};
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
    /// Its last name, in UTF-8.
    pub last_name: &'a [u8],
    /// Its first name, in UTF-8; may be empty.
    pub first_name: &'a [u8],
    /// Its part of the allowance.
    pub share: Share,
}

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
            (Self::Share, Some(beneficiary)) => csv::share(out, beneficiary.share),
            (Self::BeneficiaryNiss | Self::BeneficiaryName | Self::Share, None) => {}
        }
    }
}

/// The columns of an answer, in the layout's order.
pub struct Layout(Narrowed<Field>);

impl Layout {
    /// The layout narrowed to `columns`, whatever order they come in.
    ///
    /// # Errors
    /// `InvalidInput` for a column that is not of this layout.
    pub fn of(columns: &[Column]) -> io::Result<Self> {
        Narrowed::of(Kind::SocialeToeslag, columns, Field::of).map(Self)
    }

    /// The header, with its line end.
    pub fn header(&self) -> String {
        self.0.header()
    }

    /// Adds a row for each of `rows`; returns their number.
    pub fn rows<'a>(&self, out: &mut Vec<u8>, rows: impl Iterator<Item = AnswerRow<'a>>) -> u64 {
        let mut count = 0;
        for row in rows {
            self.0.row(out, |out, field| field.write(out, &row));
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn niss(text: &str) -> Niss {
        Niss::parse(text).unwrap()
    }

    fn rows() -> Vec<AnswerRow<'static>> {
        let child = niss("17073003384");
        let parent = |number, first_name: &'static str, share| {
            Some(Beneficiary { niss: niss(number), last_name: b"Peeters", first_name: first_name.as_bytes(), share })
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
        let layout = Layout::of(columns).unwrap();
        let mut out = layout.header().into_bytes();
        assert_eq!(layout.rows(&mut out, rows().into_iter()), 4);
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
        assert_eq!(Layout::of(&[foreign]).err().map(|fault| fault.kind()), Some(io::ErrorKind::InvalidInput));
    }
}
