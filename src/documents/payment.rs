//! The payment file: `betaling`, and `betaling-zonder-rekening` for who has no account (FORMATS.md, section 2.4).

use std::io::{self, Write};

use super::{
    csv,
    data::AddressField,
    table::{Narrowed, Wiped},
};
use crate::{
    domain::{Amount, Column, Iban, Kind, StructuredCommunication},
    register::Address,
};

/// One payment: a beneficiary with what it gets for all of its children.
#[derive(Clone, Copy)]
pub struct Payment<'a> {
    /// Who holds the account, as the bank knows it: banks compare it with the account (Verification of Payee).
    pub holder: &'a str,
    /// The account.
    pub iban: &'a Iban,
    /// What is paid; not zero.
    pub amount: Amount,
    /// What follows the payment to the beneficiary's bank: unique in its file, 1 to 35 permitted characters, and no
    /// number of a person.
    pub end_to_end_id: &'a str,
    /// What stands on the statement.
    pub remittance: RemittanceLine<'a>,
}

/// What stands on a statement for one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemittanceLine<'a> {
    /// Free text; checked when the configuration was read.
    Text(&'a str),
    /// A structured communication.
    Structured(StructuredCommunication),
}

/// Somebody who is paid and has no account.
#[derive(Clone, Copy)]
pub struct WithoutAccount<'a> {
    /// The last name.
    pub last_name: &'a str,
    /// The first name; may be empty.
    pub first_name: &'a str,
    /// Where to.
    pub address: Address<'a>,
    /// What is to be paid; not zero.
    pub amount: Amount,
}

/// What a payment file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Payments.
    pub rows: u64,
    /// Their sum.
    pub total: Amount,
}

impl Written {
    /// With one more payment.
    pub(super) fn and(self, amount: Amount) -> Self {
        Self { rows: self.rows + 1, total: self.total + amount }
    }
}

/// A column of `betaling`.
#[derive(Debug, Clone, Copy)]
enum Field {
    Number,
    Holder,
    Iban,
    Amount,
    Currency,
    Remittance,
    EndToEndId,
}

impl Field {
    fn of(column: Column) -> Option<Self> {
        Some(match column.name() {
            "volgnummer" => Self::Number,
            "rekeninghouder" => Self::Holder,
            "iban" => Self::Iban,
            "bedrag" => Self::Amount,
            "munt" => Self::Currency,
            "mededeling" => Self::Remittance,
            "eind_tot_eind_id" => Self::EndToEndId,
            _ => return None,
        })
    }

    fn write(self, out: &mut Vec<u8>, number: u64, payment: &Payment<'_>) {
        match self {
            Self::Number => display(out, number),
            Self::Holder => csv::text(out, payment.holder),
            Self::Iban => payment.iban.push_electronic(out),
            Self::Amount => display(out, payment.amount),
            Self::Currency => out.extend_from_slice(b"EUR"),
            Self::Remittance => match payment.remittance {
                RemittanceLine::Text(text) => csv::text(out, text),
                // As it is: an apostrophe before the + would make another communication of it, and no formula is
                // made of digits and slashes between plus signs.
                RemittanceLine::Structured(communication) => display(out, communication),
            },
            Self::EndToEndId => csv::text(out, payment.end_to_end_id),
        }
    }
}

/// A column of `betaling-zonder-rekening`.
#[derive(Debug, Clone, Copy)]
enum FieldWithout {
    Number,
    LastName,
    FirstName,
    Address(AddressField),
    Amount,
}

impl FieldWithout {
    fn of(column: Column) -> Option<Self> {
        Some(match column.name() {
            "volgnummer" => Self::Number,
            "naam" => Self::LastName,
            "voornaam" => Self::FirstName,
            "bedrag" => Self::Amount,
            _ => return AddressField::of(column).map(Self::Address),
        })
    }

    fn write(self, out: &mut Vec<u8>, number: u64, person: &WithoutAccount<'_>) {
        match self {
            Self::Number => display(out, number),
            Self::LastName => csv::text(out, person.last_name),
            Self::FirstName => csv::text(out, person.first_name),
            Self::Address(field) => field.write(out, &person.address),
            Self::Amount => display(out, person.amount),
        }
    }
}

/// Adds what prints as plain ASCII.
fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // A vector takes whatever is written.
    let _ = write!(out, "{value}");
}

/// Writes payment lines with the columns that their protocol allows, numbered from 1.
///
/// # Errors
/// `InvalidInput` for a column that is not of this layout; what `out` reports.
pub fn betaling<'a>(
    out: impl Write,
    columns: &[Column],
    payments: impl IntoIterator<Item = Payment<'a>>,
) -> io::Result<Written> {
    let layout = Narrowed::of(Kind::Betaling, columns, Field::of)?;
    let mut file = Wiped::new(out);
    file.write_all(layout.header().as_bytes())?;
    let mut written = Written::default();
    for payment in payments {
        written = written.and(payment.amount);
        file.row(|buffer| layout.row(buffer, |out, field| field.write(out, written.rows, &payment)))?;
    }
    file.finish()?;
    Ok(written)
}

/// Writes who is paid and has no account, with the columns that their protocol allows, numbered from 1.
///
/// # Errors
/// As [`betaling`].
pub fn betaling_zonder_rekening<'a>(
    out: impl Write,
    columns: &[Column],
    people: impl IntoIterator<Item = WithoutAccount<'a>>,
) -> io::Result<Written> {
    let layout = Narrowed::of(Kind::BetalingZonderRekening, columns, FieldWithout::of)?;
    let mut file = Wiped::new(out);
    file.write_all(layout.header().as_bytes())?;
    let mut written = Written::default();
    for person in people {
        written = written.and(person.amount);
        file.row(|buffer| layout.row(buffer, |out, field| field.write(out, written.rows, &person)))?;
    }
    file.finish()?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::golden;

    #[test]
    fn payment_lines() {
        let (belgian, foreign) = (Iban::parse("BE71096123456769").unwrap(), Iban::parse("NL91ABNA0417164300").unwrap());
        let line = Payment {
            holder: "Peeters Jan",
            iban: &belgian,
            amount: Amount::from_cents(7501),
            end_to_end_id: "VUTG-2026-004-000001",
            remittance: RemittanceLine::Text("Schoolpremie 2026"),
        };
        let communication = StructuredCommunication::of_line(2026, 42).unwrap();
        let lines = [
            line,
            Payment { holder: "Zoë \"D'Hondt\"; & zn", iban: &foreign, end_to_end_id: "VUTG-2026-004-000002", ..line },
            Payment {
                holder: "=1+1",
                amount: Amount::from_cents(5),
                end_to_end_id: "VUTG-2026-004-000003",
                remittance: RemittanceLine::Structured(communication),
                ..line
            },
        ];
        let mut out = Vec::new();
        let written = betaling(&mut out, Kind::Betaling.columns(), lines).unwrap();
        assert_eq!(written, Written { rows: 3, total: Amount::from_cents(15_007) });
        golden::compare("betaling.csv", std::str::from_utf8(&out).unwrap());
        let narrow = Kind::Betaling.minimum().iter().map(|name| Kind::Betaling.column(name).unwrap());
        let mut out = Vec::new();
        betaling(&mut out, &narrow.collect::<Vec<_>>(), [line]).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "volgnummer;rekeninghouder;iban;bedrag\n1;Peeters Jan;BE71096123456769;75.01\n"
        );
        let foreign = [Kind::Gegevens.column("kind_niss").unwrap()];
        let refused = betaling(Vec::new(), &foreign, [line]).map_err(|error| error.kind());
        assert_eq!(refused, Err(io::ErrorKind::InvalidInput));
    }

    #[test]
    fn people_without_an_account() {
        let address = Address {
            street: "Zuidstraat",
            house_number: "12",
            box_number: "3",
            postcode: "8820",
            municipality: "Torhout",
            country: "BE",
        };
        let person =
            WithoutAccount { last_name: "Şahin", first_name: "Elif", address, amount: Amount::from_cents(7500) };
        let mut out = Vec::new();
        let people = [person, WithoutAccount { last_name: "-Peeters", first_name: "", ..person }];
        let written = betaling_zonder_rekening(&mut out, Kind::BetalingZonderRekening.columns(), people).unwrap();
        assert_eq!(written, Written { rows: 2, total: Amount::from_cents(15_000) });
        golden::compare("betaling-zonder-rekening.csv", std::str::from_utf8(&out).unwrap());
    }

    #[test]
    fn every_column_has_a_field() {
        assert!(Kind::Betaling.columns().iter().all(|column| Field::of(*column).is_some()));
        let mut without = Kind::BetalingZonderRekening.columns().iter();
        assert!(without.all(|column| FieldWithout::of(*column).is_some()));
    }
}
