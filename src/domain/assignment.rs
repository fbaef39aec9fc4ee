//! Assignments of the VUTG route: selections with the same criteria and purpose, for one local authority.

use std::{fmt, path::PathBuf, str::FromStr};

use jiff::civil::Date;

use super::{Amount, EnterpriseNumber, Iban, ProtocolId, SourceId, TenantId, protocol::ProtocolIdFault};

/// An assignment's name, as in file names: of the shape of a [`ProtocolId`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssignmentId(ProtocolId);

impl AssignmentId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name as the reference of a file.
    pub fn as_reference(&self) -> &ProtocolId {
        &self.0
    }
}

impl FromStr for AssignmentId {
    type Err = ProtocolIdFault;

    fn from_str(text: &str) -> Result<Self, ProtocolIdFault> {
        text.parse().map(Self)
    }
}

impl fmt::Display for AssignmentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A range of whole numbers, both ends included; an end that is none is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Between {
    /// The lowest.
    pub at_least: Option<u8>,
    /// The highest.
    pub at_most: Option<u8>,
}

impl Between {
    /// Whether the number is in the range.
    pub fn contains(self, number: u8) -> bool {
        self.at_least.is_none_or(|least| number >= least) && self.at_most.is_none_or(|most| number <= most)
    }

    /// Whether every number is.
    pub fn is_open(self) -> bool {
        self.at_least.is_none() && self.at_most.is_none()
    }
}

/// A range of birth dates, both included; an end that is none is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Born {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub until: Option<Date>,
}

impl Born {
    /// Whether somebody born then is in the range. Who has no known birth date is in the open range only.
    pub fn contains(self, date: Option<Date>) -> bool {
        match date {
            None => self.is_open(),
            Some(date) => self.from.is_none_or(|from| date >= from) && self.until.is_none_or(|until| date <= until),
        }
    }

    /// Whether every birth date is.
    pub fn is_open(self) -> bool {
        self.from.is_none() && self.until.is_none()
    }
}

/// Which children of a municipality an assignment is about. A child meets all criteria, or is not selected.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Criteria {
    /// Postcodes of the domicile, within the municipality; none: all of the municipality.
    pub postcodes: Vec<u16>,
    /// Sources of which the child has one at least; none: no such demand.
    pub any_of: Vec<SourceId>,
    /// Sources that the child has all of.
    pub all_of: Vec<SourceId>,
    /// Sources of which the child has none.
    pub none_of: Vec<SourceId>,
    /// When the child was born.
    pub born: Born,
    /// The child's place among the children of the family.
    pub rank: Between,
    /// How many children the family has.
    pub family_size: Between,
    /// Whether the household has one parent; none: either.
    pub single_parent: Option<bool>,
}

impl Criteria {
    /// The sources that are the ground of a right: those of `any_of`, then of `all_of`, each once. The first of them
    /// that a child has decides whom the child's part goes to.
    pub fn grounds(&self) -> Vec<SourceId> {
        let mut grounds: Vec<SourceId> = Vec::new();
        for source in self.any_of.iter().chain(&self.all_of) {
            if !grounds.contains(source) {
                grounds.push(*source);
            }
        }
        grounds
    }
}

/// What is counted and paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Each child.
    Child,
    /// Each family, however many of its children are selected.
    Family,
}

impl Unit {
    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Child => "child",
            Self::Family => "family",
        }
    }
}

/// What a run makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// The data file.
    Gegevens,
    /// The payment file.
    Betaling,
    /// Letters for the printer.
    Brieven,
    /// The overview report.
    Rapport,
}

impl Product {
    /// Every product, in the order in which they are made.
    pub const ALL: [Self; 4] = [Self::Gegevens, Self::Betaling, Self::Brieven, Self::Rapport];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gegevens => "gegevens",
            Self::Betaling => "betaling",
            Self::Brieven => "brieven",
            Self::Rapport => "rapport",
        }
    }
}

/// How often an assignment may be run without saying that it is run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recurrence {
    /// Once.
    Once,
    /// Once in each calendar year, in Brussels.
    Yearly,
    /// Once in each calendar month, in Brussels.
    Monthly,
}

impl Recurrence {
    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Yearly => "yearly",
            Self::Monthly => "monthly",
        }
    }

    /// The first day of the period that holds `day`; none where the period has no beginning.
    pub fn start(self, day: Date) -> Option<Date> {
        match self {
            Self::Once => None,
            Self::Yearly => Some(day.first_of_year()),
            Self::Monthly => Some(day.first_of_month()),
        }
    }
}

/// A format of payment files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PaymentFormat {
    /// Payment lines for municipal accounting.
    Csv,
    /// ISO 20022 `pain.001.001.09`.
    Pain00100109,
    /// ISO 20022 `pain.001.001.03`.
    Pain00100103,
}

impl PaymentFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Pain00100109, Self::Pain00100103];

    /// Whether it is an order to a bank, which names whose account pays and when.
    pub fn is_order(self) -> bool {
        match self {
            Self::Csv => false,
            Self::Pain00100109 | Self::Pain00100103 => true,
        }
    }

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Pain00100109 => "pain.001.001.09",
            Self::Pain00100103 => "pain.001.001.03",
        }
    }

    /// The extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Pain00100109 => "pain.001.001.09.xml",
            Self::Pain00100103 => "pain.001.001.03.xml",
        }
    }
}

/// What stands on a bank statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Remittance {
    /// The same text for all, in the characters of [`sepa`](super::sepa): 1 to 140 of them, no number of a person and
    /// no name of an allowance.
    Text(String),
    /// A Belgian structured communication (`+++…+++`), another for each line.
    Structured,
}

/// From whose account payments are made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Debtor {
    /// The account's holder.
    pub name: String,
    /// The account.
    pub iban: Iban,
    /// The enterprise number.
    pub kbo: EnterpriseNumber,
}

/// How an assignment pays.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PaymentTerms {
    /// For each unit, before it is shared between beneficiaries.
    pub amount: Amount,
    /// What stands on the statement.
    pub remittance: Remittance,
    /// The formats, at least one, each once.
    pub formats: Vec<PaymentFormat>,
    /// Whose account; there where a `pain.001` is asked for.
    pub debtor: Option<Debtor>,
    /// The day on which the bank executes; there where a `pain.001` is asked for.
    pub execution_date: Option<Date>,
}

/// How an assignment's letters are made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LetterTerms {
    /// The municipality's own Typst template; none: the one of this program.
    pub template: Option<PathBuf>,
    /// The municipality's logo: PNG, JPEG or SVG.
    pub logo: Option<PathBuf>,
    /// The municipality's text, Markdown.
    pub text: PathBuf,
    /// Where a family can go with questions: the local service, one line.
    pub service: String,
    /// The tenant that prints.
    pub print_partner: TenantId,
}

impl LetterTerms {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [Some(&self.text), self.template.as_ref(), self.logo.as_ref()].into_iter().flatten()
    }
}

/// An assignment, as its YAML file says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its name.
    pub id: AssignmentId,
    /// For which local authority.
    pub tenant: TenantId,
    /// The protocol that its data stand on.
    pub protocol: Option<ProtocolId>,
    /// The agreement that its letters stand on.
    pub agreement: Option<ProtocolId>,
    /// Why.
    pub purpose: String,
    /// Which children.
    pub criteria: Criteria,
    /// What is counted and paid.
    pub unit: Unit,
    /// How often it may be run.
    pub recurrence: Recurrence,
    /// What a run makes, in the order of [`Product`], each once.
    pub produce: Vec<Product>,
    /// There where it pays.
    pub payment: Option<PaymentTerms>,
    /// There where it writes letters.
    pub letters: Option<LetterTerms>,
}

impl Assignment {
    /// Whether a run makes that.
    pub fn produces(&self, product: Product) -> bool {
        self.produce.contains(&product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn ranges_include_their_ends() {
        let born = Born { from: Some(date(2014, 1, 1)), until: Some(date(2020, 12, 31)) };
        for (day, inside) in [
            (date(2013, 12, 31), false),
            (date(2014, 1, 1), true),
            (date(2020, 12, 31), true),
            (date(2021, 1, 1), false),
        ] {
            assert_eq!(born.contains(Some(day)), inside, "{day}");
        }
        assert!(!born.contains(None) && Born::default().contains(None));
        let rank = Between { at_least: Some(2), at_most: Some(3) };
        assert_eq!([1, 2, 3, 4].map(|rank_of| rank.contains(rank_of)), [false, true, true, false]);
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let day = date(2026, 11, 21);
        assert_eq!(Recurrence::Once.start(day), None);
        assert_eq!(Recurrence::Yearly.start(day), Some(date(2026, 1, 1)));
        assert_eq!(Recurrence::Monthly.start(day), Some(date(2026, 11, 1)));
    }
}
