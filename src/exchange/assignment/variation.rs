//! Reading what to vary: `born.from=2014-01-01,2016-01-01` gives two sets of criteria.

use crate::domain::{Criteria, Municipality, SourceCatalogue, SourceId, municipality::parse_postcode};

/// Sets of criteria that one simulation compares, at most: each takes a pass over the register, and each comparison
/// tells a little more.
pub const MOST_VARIATIONS: usize = 20;

/// Why something cannot be varied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariationFault {
    /// Not `criterion=value,value`.
    #[error("{0:?} is not criterion=value,value")]
    Shape(String),
    /// No criterion of that name.
    #[error(
        "{0:?} cannot be varied: born.from, born.until, rank.at_least, rank.at_most, family_size.at_least, \
         family_size.at_most, single_parent, postcodes, any_of, all_of and none_of can"
    )]
    Criterion(String),
    /// No value of that criterion.
    #[error("{value:?} is no value of {criterion}: {expected}")]
    Value {
        /// The criterion.
        criterion: String,
        /// What was given.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// More than [`MOST_VARIATIONS`].
    #[error("more than {MOST_VARIATIONS} variations")]
    TooMany,
}

/// What varied criteria are read against.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The sources.
    pub catalogue: &'a SourceCatalogue,
    /// The municipality, whose postcodes may be asked for.
    pub municipality: &'a Municipality,
}

/// The criteria with each of the values, and how each is called. Several values at once are joined by `+`
/// (`any_of=sociale_toeslag+schooltoeslag`), and `-` takes the demand away.
///
/// # Errors
/// [`VariationFault`].
pub fn vary(
    criteria: &Criteria,
    texts: &[String],
    around: &Around<'_>,
) -> Result<Vec<(String, Criteria)>, VariationFault> {
    let mut varied = Vec::new();
    for text in texts {
        let (criterion, values) = text.split_once('=').ok_or_else(|| VariationFault::Shape(text.clone()))?;
        for value in values.split(',') {
            let mut other = criteria.clone();
            set(&mut other, criterion, value, around)?;
            varied.push((format!("{criterion}={value}"), other));
        }
    }
    if varied.len() > MOST_VARIATIONS { Err(VariationFault::TooMany) } else { Ok(varied) }
}

/// Criteria that were written as text, a line for each demand, in the words of variations.
///
/// # Errors
/// [`VariationFault`], also for a source or a postcode that is not there.
pub(super) fn read(text: &str, around: &Around<'_>) -> Result<Criteria, VariationFault> {
    let mut criteria = Criteria::default();
    for line in text.lines() {
        let (criterion, value) = line.split_once('=').ok_or_else(|| VariationFault::Shape(line.to_owned()))?;
        set(&mut criteria, criterion, value, around)?;
    }
    Ok(criteria)
}

fn set(criteria: &mut Criteria, criterion: &str, value: &str, around: &Around<'_>) -> Result<(), VariationFault> {
    let fault = |expected| VariationFault::Value { criterion: criterion.to_owned(), value: value.to_owned(), expected };
    let none = value == "-";
    let date = || if none { Ok(None) } else { value.parse().map(Some).map_err(|_| fault("a day, yyyy-mm-dd, or -")) };
    let number =
        || if none { Ok(None) } else { value.parse().map(Some).map_err(|_| fault("a number of 0 to 255, or -")) };
    let sources = || -> Result<Vec<SourceId>, VariationFault> {
        let codes = value.split('+').filter(|_| !none);
        codes.map(|code| around.catalogue.id(code).ok_or_else(|| fault("sources of the catalogue, or -"))).collect()
    };
    match criterion {
        "born.from" => criteria.born.from = date()?,
        "born.until" => criteria.born.until = date()?,
        "rank.at_least" => criteria.rank.at_least = number()?,
        "rank.at_most" => criteria.rank.at_most = number()?,
        "family_size.at_least" => criteria.family_size.at_least = number()?,
        "family_size.at_most" => criteria.family_size.at_most = number()?,
        "single_parent" => {
            criteria.single_parent = match value {
                "true" => Some(true),
                "false" => Some(false),
                "-" => None,
                _ => return Err(fault("true, false, or -")),
            }
        }
        "postcodes" => {
            let own =
                |code: &str| parse_postcode(code).ok().filter(|code| around.municipality.postcodes.contains(code));
            let codes: Option<Vec<u16>> = value.split('+').filter(|_| !none).map(own).collect();
            criteria.postcodes = codes.ok_or_else(|| fault("postcodes of the municipality, or -"))?;
        }
        "any_of" => criteria.any_of = sources()?,
        "all_of" => criteria.all_of = sources()?,
        "none_of" => criteria.none_of = sources()?,
        _ => return Err(VariationFault::Criterion(criterion.to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::Source;
    use jiff::civil::date;

    fn catalogue() -> SourceCatalogue {
        let source = |code: &str| Source { code: code.to_owned(), name: String::new() };
        SourceCatalogue::new(["sociale_toeslag", "schooltoeslag"].map(source).to_vec()).unwrap()
    }

    fn varied(texts: &[&str]) -> Result<Vec<(String, Criteria)>, VariationFault> {
        let municipality = Municipality {
            nis_code: "31033".parse().unwrap(),
            name: "Torhout".to_owned(),
            province: String::new(),
            postcodes: vec![8820],
        };
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let around = Around { catalogue: &catalogue(), municipality: &municipality };
        vary(&Criteria::default(), &texts, &around)
    }

    #[test]
    fn each_value_makes_a_variation() {
        let found =
            varied(&["born.from=2014-01-01,2016-01-01", "any_of=sociale_toeslag+schooltoeslag", "rank.at_most=-"]);
        let found = found.unwrap();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["born.from=2014-01-01", "born.from=2016-01-01", "any_of=sociale_toeslag+schooltoeslag", "rank.at_most=-"]
        );
        assert_eq!(found[1].1.born.from, Some(date(2016, 1, 1)));
        assert_eq!(found[2].1.any_of.len(), 2);
        assert_eq!(found[3].1, Criteria::default());
    }

    #[test]
    fn what_cannot_be_varied_is_said() {
        assert_eq!(varied(&["born.from"]), Err(VariationFault::Shape("born.from".to_owned())));
        assert!(matches!(varied(&["leeftijd=3"]), Err(VariationFault::Criterion(_))));
        for text in ["born.from=2014", "rank.at_least=x", "single_parent=ja", "postcodes=9000", "any_of=kindergeld"] {
            assert!(matches!(varied(&[text]), Err(VariationFault::Value { .. })), "{text}");
        }
        let many = format!("rank.at_least={}", vec!["1"; 21].join(","));
        assert_eq!(varied(&[&many]), Err(VariationFault::TooMany));
    }
}
