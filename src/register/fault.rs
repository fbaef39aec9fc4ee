//! What can be wrong with an extract, and where.
//!
//! No text here ever holds a value of the extract: a line, a column and the kind of fault are enough to find it at
//! the source, and the message may end up in a log.

use std::{fmt, io};

use crate::domain::{IbanFault, NissFault};

use super::layout::{LINE_LIMIT_BYTES, MOST_HOUSEHOLDS, MOST_ROWS};

/// The columns of an extract, in the order in which it is written (FORMATS section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The month whose rights the row gives.
    ReferenceMonth,
    /// The family's file.
    Dossier,
    /// The child's number.
    ChildNiss,
    /// The child's last name.
    ChildLastName,
    /// The child's first name; may be empty.
    ChildFirstName,
    /// The child's birth date; empty when unknown.
    BirthDate,
    /// The municipality of the child's domicile.
    ChildNisCode,
    /// The postcode of the child's domicile.
    ChildPostcode,
    /// The child's place among the children of its family.
    Rank,
    /// How many children the family has.
    FamilySize,
    /// Whether the household has one parent.
    SingleParent,
    /// The beneficiary's number.
    BeneficiaryNiss,
    /// The beneficiary's last name.
    BeneficiaryLastName,
    /// The beneficiary's first name; may be empty.
    BeneficiaryFirstName,
    /// The street of the beneficiary's address.
    Street,
    /// The house number.
    HouseNumber,
    /// The box; may be empty.
    Box,
    /// The postcode of the beneficiary's address, in the shape of its country.
    Postcode,
    /// The municipality of the beneficiary's address.
    Municipality,
    /// The country of the beneficiary's address, ISO 3166 alpha-2.
    Country,
    /// Who holds the account, as the bank knows it.
    AccountHolder,
    /// The account; may be empty.
    Iban,
    /// What the beneficiary gets for the child: `code=share`, joined by `|`.
    Sources,
}

impl Field {
    /// All columns, in the order of writing.
    pub const ALL: [Self; 23] = [
        Self::ReferenceMonth,
        Self::Dossier,
        Self::ChildNiss,
        Self::ChildLastName,
        Self::ChildFirstName,
        Self::BirthDate,
        Self::ChildNisCode,
        Self::ChildPostcode,
        Self::Rank,
        Self::FamilySize,
        Self::SingleParent,
        Self::BeneficiaryNiss,
        Self::BeneficiaryLastName,
        Self::BeneficiaryFirstName,
        Self::Street,
        Self::HouseNumber,
        Self::Box,
        Self::Postcode,
        Self::Municipality,
        Self::Country,
        Self::AccountHolder,
        Self::Iban,
        Self::Sources,
    ];

    /// The name in the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReferenceMonth => "reference_month",
            Self::Dossier => "dossier",
            Self::ChildNiss => "child_niss",
            Self::ChildLastName => "child_last_name",
            Self::ChildFirstName => "child_first_name",
            Self::BirthDate => "birth_date",
            Self::ChildNisCode => "child_nis_code",
            Self::ChildPostcode => "child_postcode",
            Self::Rank => "rank",
            Self::FamilySize => "family_size",
            Self::SingleParent => "single_parent",
            Self::BeneficiaryNiss => "beneficiary_niss",
            Self::BeneficiaryLastName => "beneficiary_last_name",
            Self::BeneficiaryFirstName => "beneficiary_first_name",
            Self::Street => "street",
            Self::HouseNumber => "house_number",
            Self::Box => "box",
            Self::Postcode => "postcode",
            Self::Municipality => "municipality",
            Self::Country => "country",
            Self::AccountHolder => "account_holder",
            Self::Iban => "iban",
            Self::Sources => "sources",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why an extract was refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum RegisterFault {
    /// Reading or opening it failed: a disk, a wrong key, a sealed file cut short or changed.
    #[error("the extract cannot be read to its end")]
    Input(#[source] io::Error),
    /// The first line does not name the columns.
    #[error("line 1, the header")]
    Header(#[source] HeaderProblem),
    /// A line is no row.
    #[error("line {line}")]
    Line {
        /// The line, the header being line 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        problem: LineProblem,
    },
    /// A value is at fault.
    #[error("line {line}, column {field}")]
    Cell {
        /// The line, the header being line 1.
        line: u64,
        /// The column.
        field: Field,
        /// What is wrong with the value.
        #[source]
        problem: CellProblem,
    },
    /// There is no row: an empty extract would answer every list with "nobody".
    #[error("the extract has no rows")]
    Empty,
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// A column that every extract has is missing.
    #[error("column {0} is missing")]
    Missing(Field),
    /// A column stands twice.
    #[error("column {0} stands twice")]
    Twice(Field),
    /// A name that no column has. The name is not told: where a header is missing, it is somebody's data.
    #[error("the name at place {place} is not that of a column")]
    Unknown {
        /// The place in the header, from 1.
        place: usize,
    },
    /// Quotes in the header that do not close.
    #[error("a quoted name does not end as it should")]
    Quotes,
}

/// What is wrong with a line as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// More or fewer values than columns.
    #[error("{found} values instead of {}", Field::ALL.len())]
    FieldCount {
        /// How many there are.
        found: usize,
    },
    /// The line goes on too long.
    #[error("longer than {LINE_LIMIT_BYTES} bytes")]
    TooLong,
    /// The last line has no line feed: the extract was cut short.
    #[error("the line has no end")]
    NoLineEnd,
    /// A quote that does not close, or text after a closing one.
    #[error("a quoted value does not end as it should")]
    Quotes,
    /// More rows than the register takes.
    #[error("more than {MOST_ROWS} rows")]
    TooManyRows,
    /// More text than the register can address.
    #[error("more than 4 GiB of names and addresses")]
    TooMuchText,
    /// A child with more rows than any child has.
    #[error("a child with more than {MOST_HOUSEHOLDS} beneficiaries")]
    TooManyHouseholds,
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CellProblem {
    /// Empty where a value is needed.
    #[error("empty")]
    Empty,
    /// Bytes that are no UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// A control character, a tab among them.
    #[error("a control character")]
    ControlCharacter,
    /// Not a month.
    #[error("not a month such as 2026-11")]
    Month,
    /// Another month than that of the first row.
    #[error("another month than on line 2")]
    OtherMonth,
    /// Not a number of a person.
    #[error("not a NISS")]
    Niss(#[source] NissFault),
    /// Not a date.
    #[error("not a date such as 2017-07-30, from 1950 to 2077")]
    Date,
    /// Not five digits.
    #[error("not a NIS code of five digits")]
    NisCode,
    /// A code that the table of municipalities does not have.
    #[error("no municipality has this code")]
    UnknownMunicipality,
    /// Not a Belgian postcode.
    #[error("not a postcode of 1000 to 9999")]
    Postcode,
    /// Not a small whole number.
    #[error("not a number of 1 to 99")]
    Number,
    /// Neither 0 nor 1.
    #[error("neither 0 nor 1")]
    Flag,
    /// Not a country code.
    #[error("not a country code of two capitals")]
    Country,
    /// Not an account number.
    #[error("not an IBAN")]
    Iban(#[source] IbanFault),
    /// Not `code=share`.
    #[error("not of the shape code=share, joined by |")]
    SourceShape,
    /// A code that the catalogue does not have.
    #[error("a source that the catalogue does not have")]
    UnknownSource,
    /// A source named twice in one row.
    #[error("a source that stands twice")]
    SourceTwice,
    /// Not a share.
    #[error("not a share above 0 and at most 1, with at most four decimals")]
    Share,
    /// More different values than the register numbers.
    #[error("more than 65,535 different combinations of sources and shares")]
    TooManyCombinations,
    /// The shares of one source over the rows of a child exceed the whole.
    #[error("the shares of a source add up to more than 1 over the rows of the child")]
    ShareSum,
    /// A fact of the child that differs between its rows.
    #[error("differs from an earlier row of the same child")]
    Differs,
    /// The same child and beneficiary stood before.
    #[error("the child and this beneficiary stand on an earlier line")]
    Twice,
}

impl RegisterFault {
    /// What the person who made the extract can do.
    pub fn place(&self) -> (Option<u64>, Option<u64>) {
        match self {
            Self::Header(_) => (Some(1), None),
            Self::Line { line, .. } => (Some(*line), None),
            Self::Cell { line, field, .. } => {
                let column = Field::ALL.iter().position(|known| known == field).map(|at| at as u64 + 1);
                (Some(*line), column)
            }
            Self::Input(_) | Self::Empty => (None, None),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Input(_) => "make and seal the extract again, to the register's own key",
            Self::Header(_) => "the first line names the 23 columns of the extract, in any order, separated by ;",
            Self::Line { problem, .. } => match problem {
                LineProblem::FieldCount { .. } => "separate the values by ; and put a value that holds one in quotes",
                LineProblem::NoLineEnd => "the extract was cut short: make it again",
                LineProblem::Quotes => "double a quote inside a quoted value; a value cannot go on on the next line",
                LineProblem::TooLong | LineProblem::TooManyRows | LineProblem::TooMuchText => {
                    "check that the file is an extract; the limits are far above any"
                }
                LineProblem::TooManyHouseholds => "check the rows of this child at the source",
            },
            Self::Cell { problem, .. } => match problem {
                CellProblem::UnknownMunicipality => "use the codes of 2025; the table is municipalities.csv",
                CellProblem::UnknownSource => "correct the code, or add the source to the catalogue in sources.yaml",
                CellProblem::OtherMonth => "an extract is of one month",
                CellProblem::NotUtf8 => "write the extract in UTF-8",
                _ => "correct the value at the source and make the extract again",
            },
            Self::Empty => "make the extract again; the register in use stays",
        }
    }
}
