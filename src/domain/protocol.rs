//! Protocols and agreements: the grounds on which data may leave (article 8 of the e-government decree).

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::civil::Date;

use super::{Column, Kind};

/// A protocol's or agreement's reference, as in file names: `[A-Za-z0-9-]{2,40}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolId(String);

/// A text that is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 2 to 40 of A-Z, a-z, 0-9 and - without a national number in it")]
pub struct ProtocolIdFault;

impl FromStr for ProtocolId {
    type Err = ProtocolIdFault;

    fn from_str(text: &str) -> Result<Self, ProtocolIdFault> {
        let shape = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        // A number of a person would end up in file names and the transfer log.
        let fits = (2..=40).contains(&text.len()) && super::niss::find_in(text).is_none();
        if shape && fits { Ok(Self(text.to_owned())) } else { Err(ProtocolIdFault) }
    }
}

impl ProtocolId {
    /// The reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProtocolId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ProtocolId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Which of the two offers a protocol is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// A list is answered.
    Opgroeien,
    /// Criteria select.
    Vutg,
}

impl Route {
    /// The name in YAML and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opgroeien => "opgroeien",
            Self::Vutg => "vutg",
        }
    }
}

/// How far a protocol has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Somebody asked.
    Interested,
    /// A text is being written.
    Draft,
    /// Both parties signed.
    Signed,
    /// It was ended before its time.
    Ended,
}

impl Status {
    /// The name in YAML and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interested => "interested",
            Self::Draft => "draft",
            Self::Signed => "signed",
            Self::Ended => "ended",
        }
    }
}

/// The advice of a data protection officer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// When it was given.
    pub date: Date,
    /// Whether it was positive.
    pub positive: bool,
}

/// Something that both parties give, or have yet to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BothParties<T> {
    /// The agency's.
    pub agency: Option<T>,
    /// The local authority's.
    pub authority: Option<T>,
}

impl<T> Default for BothParties<T> {
    fn default() -> Self {
        Self { agency: None, authority: None }
    }
}

/// The days on which a ground holds, both included, in Brussels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub until: Date,
}

impl Validity {
    /// Whether the ground holds on that day.
    pub fn contains(self, day: Date) -> bool {
        self.from <= day && day <= self.until
    }
}

/// How often a protocol may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// For one answered list.
    Once,
    /// So many times in each period.
    Periodic {
        /// At most, 1 or more.
        times: u32,
        /// In each calendar year or month.
        per: Period,
    },
}

impl Use {
    /// The first day from which uses count on `day`; none where all do.
    pub fn counted_from(self, day: Date) -> Option<Date> {
        match self {
            Self::Once => None,
            Self::Periodic { per, .. } => Some(per.start(day)),
        }
    }

    /// The first day after `day` from which uses count anew; none where they never do.
    pub fn counted_anew_from(self, day: Date) -> Option<Date> {
        match self {
            Self::Once => None,
            Self::Periodic { per, .. } => Some(per.next(day)),
        }
    }
}

/// A calendar period, in Brussels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// From 1 January.
    Year,
    /// From the first of the month.
    Month,
}

impl Period {
    /// The first day of the period that holds `day`.
    pub fn start(self, day: Date) -> Date {
        match self {
            Self::Year => day.first_of_year(),
            Self::Month => day.first_of_month(),
        }
    }

    /// The first day of the period after the one that holds `day`.
    pub fn next(self, day: Date) -> Date {
        let last = match self {
            Self::Year => day.last_of_year(),
            Self::Month => day.last_of_month(),
        };
        last.tomorrow().unwrap_or(last)
    }
}

/// Which children of a list get a row in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Those who have the allowance.
    EntitledOnly,
    /// All, with yes or no.
    EveryChild,
}

/// What happens to a child of a list who lives in another municipality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outside {
    /// Not answered; the report names the line.
    Withhold,
    /// Answered like the others.
    Answer,
}

/// A protocol between the agency and a local authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// Its reference.
    pub id: ProtocolId,
    /// What it is for.
    pub route: Route,
    /// How far it has come.
    pub status: Status,
    /// Why data are given.
    pub purpose: String,
    /// The law that allows it.
    pub legal_basis: String,
    /// The day of the college's decision, which the Opgroeien route needs.
    pub council_decision: Option<Date>,
    /// The regulation that the VUTG route needs.
    pub regulation: Option<String>,
    /// The advice of both data protection officers.
    pub dpo_advice: BothParties<Advice>,
    /// The days of signing.
    pub signed: BothParties<Date>,
    /// Where it is published, which the VUTG route needs.
    pub publication_url: Option<String>,
    /// When it holds.
    pub valid: Option<Validity>,
    /// How often it may be used.
    pub usage: Use,
    /// What may leave, with which columns, in the layout's order.
    pub kinds: BTreeMap<Kind, Vec<Column>>,
    /// Which children are answered.
    pub reply: Reply,
    /// What happens to children of elsewhere.
    pub outside_municipality: Outside,
    /// How long what leaves may be kept in the outbox, days.
    pub retention_days: u32,
}

/// A cooperation agreement: enough for letters, which show nothing to the local authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Its reference.
    pub id: ProtocolId,
    /// The days of signing.
    pub signed: BothParties<Date>,
    /// When it holds.
    pub valid: Validity,
}

impl Agreement {
    /// Which parties have yet to sign on a day, in words; the gate asks the same of each.
    pub fn unsigned(&self, day: Date) -> Vec<&'static str> {
        let parties = [("the agency", self.signed.agency), ("the local authority", self.signed.authority)];
        let lacks = |signed: Option<Date>| signed.is_none_or(|signed| day < signed);
        parties.into_iter().filter_map(|(name, signed)| lacks(signed).then_some(name)).collect()
    }
}
