//! Whether an extract can follow the one in use without somebody saying so.
//!
//! An extract of an earlier month, or of which a part is missing, reads as well as a good one does: every line of it is
//! right. What it lacks would be answered as if those children had no right.

use std::{collections::BTreeMap, fmt};

use super::{ReferenceMonth, Register};
use crate::domain::{Municipalities, NisCode, SourceCatalogue, source::SOCIALE_TOESLAG};

/// An extract has at least this much of the children of the one before it. From one month to the next about as many
/// children come as go; a tenth fewer is an export that broke off, or another population.
const LEAST_PERCENT: usize = 90;

/// It has at least this much of the rows of each part of the one before it: the sociale toeslag, which is worked out anew
/// for all once a year, falls by less; a municipality or accounts that were left out do not.
const LEAST_OF_PART_PERCENT: usize = 50;

/// The same of every other source: some are paid in one month of the year to nearly all who have them, and in the next to
/// few. One that was left out has no row.
const LEAST_OF_SOURCE_PERCENT: usize = 1;

/// Parts with fewer rows than this may fall as they like: a change among few says nothing.
const LEAST_ROWS_OF_PART: usize = 1_000;

/// How far an extract reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Its month.
    pub month: ReferenceMonth,
    /// How many children it has.
    pub children: usize,
    /// How many rows each part has, by its name: a source's code, a municipality's NIS code, or `account` for rows with one.
    pub parts: BTreeMap<String, usize>,
}

/// Why an extract does not follow the one in use as a matter of course.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnlikelyChange {
    /// It is of an earlier month.
    #[error("its month is earlier: {new}, and the one in use {used}")]
    EarlierMonth {
        /// What it has.
        new: Extent,
        /// What the one in use has.
        used: Extent,
    },
    /// It has far fewer children.
    #[error("it has fewer than {LEAST_PERCENT} % of the children: {new}, and the one in use {used}")]
    FewerChildren {
        /// What it has.
        new: Extent,
        /// What the one in use has.
        used: Extent,
    },
    /// It has far less of a part.
    #[error("it has too few of the rows with `{part}`: {new}, and the one in use {used}")]
    LessOfPart {
        /// The name of the part, as in [`Extent::parts`].
        part: String,
        /// Rows that it has.
        new: usize,
        /// Rows that the one in use has.
        used: usize,
    },
}

/// Rows with an account.
const ACCOUNT: &str = "account";

impl Extent {
    /// Of an extract.
    pub fn of(register: &Register) -> Self {
        let mut sources = vec![0; register.catalogue().iter().count()];
        let (mut municipalities, mut accounts) = (BTreeMap::new(), 0);
        for household in register.households() {
            let bits = household.source_bits();
            for (at, count) in sources.iter_mut().enumerate() {
                *count += usize::from(bits >> at & 1 == 1);
            }
            if let Some(code) = household.child_nis_code() {
                *municipalities.entry(code).or_default() += 1;
            }
            accounts += usize::from(household.has_account());
        }
        let sources = register.catalogue().iter().map(|(_, source)| source.code.clone()).zip(sources);
        let municipalities = municipalities.into_iter().map(|(code, count)| (code.to_string(), count));
        let parts = sources.chain(municipalities).chain([(ACCOUNT.to_owned(), accounts)]);
        Self { month: register.month(), children: register.children(), parts: parts.collect() }
    }

    /// The same as it would be told today: rows of a municipality that is no more are those of what it became, and what is
    /// neither a municipality nor a source any more is left out.
    #[must_use]
    pub fn as_of_today(self, municipalities: &Municipalities, catalogue: &SourceCatalogue) -> Self {
        let mut parts = BTreeMap::new();
        for (name, rows) in self.parts {
            let name = match name.parse::<NisCode>() {
                Ok(code) => {
                    let today = municipalities.former().get(&code).copied().unwrap_or(code);
                    municipalities.by_code(today).map(|_| today.to_string())
                }
                Err(_) => Some(name).filter(|name| name == ACCOUNT || catalogue.id(name).is_some()),
            };
            if let Some(name) = name {
                *parts.entry(name).or_default() += rows;
            }
        }
        Self { parts, ..self }
    }

    /// Whether an extract that reaches so far follows one that reached as far as `used`.
    ///
    /// # Errors
    /// [`UnlikelyChange`]: somebody has to say that it is meant.
    pub fn follows(&self, used: &Self) -> Result<(), UnlikelyChange> {
        if self.month < used.month {
            return Err(UnlikelyChange::EarlierMonth { new: self.clone(), used: used.clone() });
        }
        if self.children * 100 < used.children * LEAST_PERCENT {
            return Err(UnlikelyChange::FewerChildren { new: self.clone(), used: used.clone() });
        }
        for (part, &used) in used.parts.iter().filter(|(_, used)| **used >= LEAST_ROWS_OF_PART) {
            let new = self.parts.get(part).copied().unwrap_or_default();
            // Codes of sources are words, those of municipalities numbers.
            let may_swing = part.starts_with(|letter: char| letter.is_ascii_lowercase())
                && ![SOCIALE_TOESLAG, ACCOUNT].contains(&part.as_str());
            let least = if may_swing { LEAST_OF_SOURCE_PERCENT } else { LEAST_OF_PART_PERCENT };
            if new * 100 < used * least {
                return Err(UnlikelyChange::LessOfPart { part: part.clone(), new, used });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} children of {}", self.children, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_month_and_a_tenth_fewer_children_are_asked_about() {
        let extent = |month: &str, children| {
            let parts = [("72004", 999), ("sociale_toeslag", children * 2), ("schooltoeslag", children)];
            let parts = parts.map(|(name, rows)| (name.to_owned(), rows)).into();
            Extent { month: month.parse().unwrap(), children, parts }
        };
        let used = extent("2026-11", 1_000);
        for good in [used.clone(), extent("2026-12", 900), extent("2027-01", 5_000)] {
            assert_eq!(good.follows(&used), Ok(()));
        }
        let told = |new: Extent| new.follows(&used).unwrap_err().to_string();
        assert_eq!(
            told(extent("2026-10", 1_000)),
            "its month is earlier: 1000 children of 2026-10, and the one in use 1000 children of 2026-11"
        );
        assert_eq!(
            told(extent("2026-12", 899)),
            "it has fewer than 90 % of the children: 899 children of 2026-12, and the one in use 1000 children of 2026-11"
        );
        let without = |part: &str| {
            let mut extent = extent("2026-12", 1_000);
            extent.parts.remove(part);
            extent
        };
        assert_eq!(without("72004").follows(&used), Ok(()), "few rows may be gone");
        assert_eq!(
            told(without("sociale_toeslag")),
            "it has too few of the rows with `sociale_toeslag`: 0, and the one in use 2000"
        );
        for (rows, is_taken) in [(10, true), (9, false)] {
            let mut october = extent("2026-12", 1_000);
            october.parts.insert("schooltoeslag".to_owned(), rows);
            assert_eq!(october.follows(&used).is_ok(), is_taken, "what is paid in September is not paid in October");
        }
    }

    #[test]
    fn rows_of_what_is_no_more_are_those_of_what_it_became() {
        let mut municipalities = Municipalities::parse(include_str!("../../config/municipalities.csv")).unwrap();
        let (former, today) = ("72099".parse().unwrap(), "72004".parse().unwrap());
        municipalities.note_former(former, today);
        let source = |code: &str| crate::domain::source::Source { code: code.to_owned(), name: String::new() };
        let catalogue = SourceCatalogue::new(vec![source("sociale_toeslag")]).unwrap();
        let parts = [("72099", 5), ("72004", 7), ("99999", 9), ("account", 3), ("sociale_toeslag", 2), ("vroeger", 8)];
        let parts = parts.map(|(name, rows)| (name.to_owned(), rows)).into();
        let extent = Extent { month: "2026-11".parse().unwrap(), children: 12, parts };
        let today = extent.as_of_today(&municipalities, &catalogue);
        let told: Vec<_> = today.parts.iter().map(|(name, rows)| (name.as_str(), *rows)).collect();
        assert_eq!(told, [("72004", 12), ("account", 3), ("sociale_toeslag", 2)]);
    }
}
