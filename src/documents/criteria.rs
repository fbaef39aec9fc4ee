//! The criteria of an assignment in Dutch, as a local authority reads them.

use super::day::date_nl;
use crate::{
    domain::{
        Criteria, SourceCatalogue, SourceId,
        assignment::{Between, Born},
    },
    register::Criterion,
};

/// A line for each criterion that demands something, in the order of the configuration; one line where none does.
pub fn criteria_nl(criteria: &Criteria, catalogue: &SourceCatalogue) -> Vec<String> {
    let lines: Vec<String> = Criterion::ALL
        .into_iter()
        .filter(|criterion| criterion.demanded_by(criteria))
        .map(|criterion| criterion_nl(criterion, criteria, catalogue))
        .collect();
    if lines.is_empty() { vec!["Alle kinderen die in de gemeente wonen.".to_owned()] } else { lines }
}

/// What one criterion demands; what it would demand of nobody is said too.
pub fn criterion_nl(criterion: Criterion, criteria: &Criteria, catalogue: &SourceCatalogue) -> String {
    let Criteria { postcodes, any_of, all_of, none_of, born, rank, family_size, single_parent } = criteria;
    let names = |sources: &[SourceId], word| {
        let names: Vec<String> = sources.iter().map(|id| name(*id, catalogue)).collect();
        enumeration(&names.iter().map(String::as_str).collect::<Vec<_>>(), word)
    };
    let text = match criterion {
        Criterion::Postcodes if postcodes.is_empty() => "eender waar in de gemeente".to_owned(),
        Criterion::Postcodes => {
            let codes: Vec<String> = postcodes.iter().map(ToString::to_string).collect();
            let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
            format!("woont in {}", enumeration(&codes, "of"))
        }
        Criterion::AnyOf if any_of.is_empty() => "met of zonder deze toeslagen".to_owned(),
        Criterion::AnyOf => format!("heeft recht op {}", names(any_of, "of")),
        Criterion::AllOf if all_of.is_empty() => "met of zonder deze toeslagen samen".to_owned(),
        Criterion::AllOf => format!("heeft recht op {}", names(all_of, "en")),
        Criterion::NoneOf if none_of.is_empty() => "geen toeslag uitgesloten".to_owned(),
        Criterion::NoneOf => format!("heeft geen recht op {}", names(none_of, "of")),
        Criterion::Born => born_nl(*born),
        Criterion::Rank => range_nl(*rank, "plaats in het gezin"),
        Criterion::FamilySize => range_nl(*family_size, "aantal kinderen in het gezin"),
        Criterion::SingleParent => match single_parent {
            Some(true) => "leeft in een eenoudergezin".to_owned(),
            Some(false) => "leeft niet in een eenoudergezin".to_owned(),
            None => "in elk soort gezin".to_owned(),
        },
    };
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

fn born_nl(born: Born) -> String {
    match (born.from, born.until) {
        (None, None) => "eender wanneer geboren".to_owned(),
        (Some(from), None) => format!("geboren vanaf {}", date_nl(from)),
        (None, Some(until)) => format!("geboren tot en met {}", date_nl(until)),
        (Some(from), Some(until)) => format!("geboren van {} tot en met {}", date_nl(from), date_nl(until)),
    }
}

fn range_nl(range: Between, what: &str) -> String {
    match (range.at_least, range.at_most) {
        (None, None) => format!("{what}: eender"),
        (Some(least), None) => format!("{what}: minstens {least}"),
        (None, Some(most)) => format!("{what}: hoogstens {most}"),
        (Some(least), Some(most)) if least == most => format!("{what}: {least}"),
        (Some(least), Some(most)) => format!("{what}: {least} tot en met {most}"),
    }
}

/// A source's name within a sentence: unless it is an abbreviation it begins with a small letter.
fn name(id: SourceId, catalogue: &SourceCatalogue) -> String {
    let name = catalogue.source(id).map(|source| source.name.as_str()).unwrap_or_default();
    let mut letters = name.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => name.to_owned(),
    }
}

/// `a, b of c`.
fn enumeration(items: &[&str], word: &str) -> String {
    match items {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [before @ .., last] => format!("{} {word} {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::Source;
    use jiff::civil::date;

    #[test]
    fn criteria_read_as_sentences() {
        let source = |code: &str, name: &str| Source { code: code.to_owned(), name: name.to_owned() };
        let catalogue = SourceCatalogue::new(vec![
            source("sociale_toeslag", "Sociale toeslag"),
            source("schooltoeslag", "schooltoeslag"),
            source("zorgtoeslag", "zorgtoeslag"),
        ])
        .unwrap();
        let id = |code: &str| catalogue.id(code).unwrap();
        let criteria = Criteria {
            postcodes: vec![8820, 8600],
            any_of: vec![id("sociale_toeslag"), id("schooltoeslag")],
            none_of: vec![id("zorgtoeslag")],
            born: Born { from: Some(date(2014, 1, 1)), until: Some(date(2020, 12, 31)) },
            rank: Between { at_least: Some(2), at_most: None },
            family_size: Between { at_least: Some(3), at_most: Some(3) },
            single_parent: Some(false),
            ..Criteria::default()
        };
        assert_eq!(
            criteria_nl(&criteria, &catalogue),
            [
                "Woont in 8820 of 8600",
                "Heeft recht op sociale toeslag of schooltoeslag",
                "Heeft geen recht op zorgtoeslag",
                "Geboren van 1 januari 2014 tot en met 31 december 2020",
                "Plaats in het gezin: minstens 2",
                "Aantal kinderen in het gezin: 3",
                "Leeft niet in een eenoudergezin",
            ]
        );
        assert_eq!(criteria_nl(&Criteria::default(), &catalogue), ["Alle kinderen die in de gemeente wonen."]);
    }
}
