//! The data file: `gegevens` (FORMATS.md, section 2.3).

use std::io::{self, Write};

use jiff::civil::Date;

use super::{
    csv,
    table::{Narrowed, Wiped},
};
use crate::{
    domain::{Column, Kind, Niss, Share},
    register::{Address, ReferenceMonth},
};

/// One row: a child, one of its beneficiaries, and a source that the child was selected for.
#[derive(Clone, Copy)]
pub struct DataRow<'a> {
    /// The child.
    pub child: Niss,
    /// The child's last name.
    pub child_last_name: &'a str,
    /// The child's first name; may be empty.
    pub child_first_name: &'a str,
    /// When the child was born, where that is known.
    pub birth_date: Option<Date>,
    /// Who receives.
    pub beneficiary: Niss,
    /// The beneficiary's last name.
    pub last_name: &'a str,
    /// The beneficiary's first name; may be empty.
    pub first_name: &'a str,
    /// The beneficiary's address.
    pub address: Address<'a>,
    /// The source's code in the catalogue.
    pub source: &'a str,
    /// The beneficiary's part of it.
    pub share: Share,
    /// The month of the right: that of the extract.
    pub month: ReferenceMonth,
}

/// A column of the layout.
#[derive(Debug, Clone, Copy)]
enum Field {
    Child,
    ChildLastName,
    ChildFirstName,
    BirthDate,
    Beneficiary,
    LastName,
    FirstName,
    Address(AddressField),
    Source,
    Share,
    Month,
}

/// A column of an address; payment files for who has no account have them too.
#[derive(Debug, Clone, Copy)]
pub(super) enum AddressField {
    Street,
    HouseNumber,
    Box,
    Postcode,
    Municipality,
    Country,
}

impl AddressField {
    /// The field of that column.
    pub fn of(column: Column) -> Option<Self> {
        Some(match column.name() {
            "straat" => Self::Street,
            "huisnummer" => Self::HouseNumber,
            "bus" => Self::Box,
            "postcode" => Self::Postcode,
            "gemeente" => Self::Municipality,
            "land" => Self::Country,
            _ => return None,
        })
    }

    /// Adds the value.
    pub fn write(self, out: &mut Vec<u8>, address: &Address<'_>) {
        let value = match self {
            Self::Street => address.street,
            Self::HouseNumber => address.house_number,
            Self::Box => address.box_number,
            Self::Postcode => address.postcode,
            Self::Municipality => address.municipality,
            Self::Country => address.country,
        };
        csv::text(out, value);
    }
}

impl Field {
    fn of(column: Column) -> Option<Self> {
        Some(match column.name() {
            "kind_niss" => Self::Child,
            "kind_naam" => Self::ChildLastName,
            "kind_voornaam" => Self::ChildFirstName,
            "geboortedatum" => Self::BirthDate,
            "begunstigde_niss" => Self::Beneficiary,
            "begunstigde_naam" => Self::LastName,
            "begunstigde_voornaam" => Self::FirstName,
            "bron" => Self::Source,
            "aandeel" => Self::Share,
            "rechtsmaand" => Self::Month,
            _ => return AddressField::of(column).map(Self::Address),
        })
    }

    fn write(self, out: &mut Vec<u8>, row: &DataRow<'_>) {
        match self {
            Self::Child => out.extend_from_slice(&row.child.digits()),
            Self::ChildLastName => csv::text(out, row.child_last_name),
            Self::ChildFirstName => csv::text(out, row.child_first_name),
            Self::BirthDate => {
                if let Some(born) = row.birth_date {
                    date(out, born);
                }
            }
            Self::Beneficiary => out.extend_from_slice(&row.beneficiary.digits()),
            Self::LastName => csv::text(out, row.last_name),
            Self::FirstName => csv::text(out, row.first_name),
            Self::Address(field) => field.write(out, &row.address),
            Self::Source => csv::text(out, row.source),
            Self::Share => csv::share(out, row.share),
            Self::Month => month(out, row.month.first_day()),
        }
    }
}

/// A day as ISO 8601 has it. By hand: a file has a hundred thousand.
fn date(out: &mut Vec<u8>, date: Date) {
    month(out, date);
    out.push(b'-');
    two_digits(out, date.day());
}

fn month(out: &mut Vec<u8>, date: Date) {
    let year = date.year();
    two_digits(out, i8::try_from(year / 100).unwrap_or_default());
    two_digits(out, i8::try_from(year % 100).unwrap_or_default());
    out.push(b'-');
    two_digits(out, date.month());
}

fn two_digits(out: &mut Vec<u8>, number: i8) {
    let digit = |value: i8| b'0' + value.unsigned_abs() % 10;
    out.extend([digit(number / 10), digit(number)]);
}

/// Writes a data file with the columns that its protocol allows; returns the number of rows.
///
/// # Errors
/// `InvalidInput` for a column that is not of this layout; what `out` reports.
pub fn gegevens<'a>(
    out: impl Write,
    columns: &[Column],
    rows: impl IntoIterator<Item = DataRow<'a>>,
) -> io::Result<u64> {
    let layout = Narrowed::of(Kind::Gegevens, columns, Field::of)?;
    let mut file = Wiped::new(out);
    file.write_all(layout.header().as_bytes())?;
    let mut count = 0;
    for row in rows {
        file.row(|buffer| layout.row(buffer, |out, field| field.write(out, &row)))?;
        count += 1;
    }
    file.finish()?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::golden;
    use jiff::civil;

    fn niss(text: &str) -> Niss {
        Niss::parse(text).unwrap()
    }

    fn rows() -> Vec<DataRow<'static>> {
        let address = Address {
            street: "Zuidstraat",
            house_number: "12",
            box_number: "",
            postcode: "8820",
            municipality: "Torhout",
            country: "BE",
        };
        let plain = DataRow {
            child: niss("17073003384"),
            child_last_name: "Peeters",
            child_first_name: "Noor",
            birth_date: Some(civil::date(2017, 7, 30)),
            beneficiary: niss("85073003328"),
            last_name: "Peeters",
            first_name: "Jan",
            address,
            source: "sociale_toeslag",
            share: Share::HALF,
            month: "2026-11".parse().unwrap(),
        };
        let abroad = Address {
            street: "=cmd|' /C calc'!A0",
            house_number: "+1",
            box_number: "a;b",
            postcode: "59000",
            municipality: "Lille\r\n;",
            country: "FR",
        };
        let nasty = DataRow {
            child_last_name: "O\"Neill; \"jr\"",
            child_first_name: "",
            birth_date: None,
            last_name: "Łukasiewicz-Şahin",
            first_name: "@Zoë",
            address: abroad,
            source: "schooltoeslag",
            share: Share::WHOLE,
            ..plain
        };
        vec![plain, DataRow { beneficiary: niss("75060898009"), first_name: "Anna", ..plain }, nasty]
    }

    fn written(columns: &[Column]) -> String {
        let mut out = Vec::new();
        assert_eq!(gegevens(&mut out, columns, rows()).unwrap(), 3);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_whole_layout() {
        golden::compare("gegevens.csv", &written(Kind::Gegevens.columns()));
    }

    #[test]
    fn only_allowed_columns_in_the_order_of_the_layout() {
        let columns = ["rechtsmaand", "bron", "kind_niss"].map(|name| Kind::Gegevens.column(name).unwrap());
        assert_eq!(
            written(&columns),
            "kind_niss;bron;rechtsmaand\n17073003384;sociale_toeslag;2026-11\n\
             17073003384;sociale_toeslag;2026-11\n17073003384;schooltoeslag;2026-11\n"
        );
        let foreign = [Kind::Betaling.column("iban").unwrap()];
        let refused = gegevens(Vec::new(), &foreign, rows()).map_err(|error| error.kind());
        assert_eq!(refused, Err(io::ErrorKind::InvalidInput));
    }

    #[test]
    fn every_column_has_a_field() {
        assert!(Kind::Gegevens.columns().iter().all(|column| Field::of(*column).is_some()));
    }
}
