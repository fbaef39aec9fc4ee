//! Criteria in words, as a local authority reads them in reports.

use super::day::date_nl;
use crate::domain::{
    Criteria, SourceCatalogue, SourceId,
    assignment::{Between, Born},
};

/// A line for each criterion that demands something; one that says so where none does.
pub fn in_words(criteria: &Criteria, catalogue: &SourceCatalogue) -> Vec<String> {
    let Criteria { postcodes, any_of, all_of, none_of, born, rank, family_size, single_parent } = criteria;
    let mut lines = Vec::new();
    if !postcodes.is_empty() {
        lines.push(format!("woont in {}", listed(postcodes.iter().map(u16::to_string), "of")));
    }
    for (sources, before, joined) in
        [(any_of, "heeft recht op ", "of"), (all_of, "heeft recht op ", "en"), (none_of, "heeft geen recht op ", "of")]
    {
        if !sources.is_empty() {
            lines.push(format!("{before}{}", listed(sources.iter().map(|id| name(*id, catalogue)), joined)));
        }
    }
    lines.extend(born_in_words(*born));
    lines.extend(between(*rank).map(|numbers| format!("plaats in het gezin: {numbers}")));
    lines.extend(between(*family_size).map(|numbers| format!("aantal kinderen in het gezin: {numbers}")));
    lines.extend(single_parent.map(|single| {
        let words = if single { "woont in een eenoudergezin" } else { "woont niet in een eenoudergezin" };
        words.to_owned()
    }));
    if lines.is_empty() {
        lines.push("alle kinderen van de gemeente".to_owned());
    }
    lines
}

fn name(id: SourceId, catalogue: &SourceCatalogue) -> String {
    let name = catalogue.source(id).map(|source| source.name.as_str()).unwrap_or_default();
    // In a sentence, a name that is no abbreviation begins with a small letter.
    let mut letters = name.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => name.to_owned(),
    }
}

fn born_in_words(Born { from, until }: Born) -> Option<String> {
    Some(match (from, until) {
        (None, None) => return None,
        (Some(from), None) => format!("geboren vanaf {}", date_nl(from)),
        (None, Some(until)) => format!("geboren tot en met {}", date_nl(until)),
        (Some(from), Some(until)) => format!("geboren van {} tot en met {}", date_nl(from), date_nl(until)),
    })
}

fn between(Between { at_least, at_most }: Between) -> Option<String> {
    Some(match (at_least, at_most) {
        (None, None) => return None,
        (Some(least), None) => format!("minstens {least}"),
        (None, Some(most)) => format!("hoogstens {most}"),
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => format!("{least} tot en met {most}"),
    })
}

/// `a, b of c`.
fn listed(words: impl Iterator<Item = String>, joined: &str) -> String {
    let words: Vec<String> = words.collect();
    match &*words {
        [before @ .., last] if !before.is_empty() => format!("{} {joined} {last}", before.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::paper::samples, *};
    use jiff::civil::date;

    #[test]
    fn criteria_are_told_in_words() {
        let catalogue = samples::catalogue();
        let id = |code| catalogue.id(code).unwrap();
        let criteria = Criteria {
            postcodes: vec![8820, 8821, 8822],
            any_of: vec![id("sociale_toeslag"), id("schooltoeslag")],
            all_of: vec![],
            none_of: vec![id("zorgtoeslag")],
            born: Born { from: Some(date(2014, 1, 1)), until: None },
            rank: Between { at_least: Some(2), at_most: Some(2) },
            family_size: Between { at_least: None, at_most: Some(4) },
            single_parent: Some(true),
        };
        assert_eq!(
            in_words(&criteria, &catalogue),
            [
                "woont in 8820, 8821 of 8822",
                "heeft recht op sociale toeslag of schooltoeslag",
                "heeft geen recht op zorgtoeslag",
                "geboren vanaf 1 januari 2014",
                "plaats in het gezin: 2",
                "aantal kinderen in het gezin: hoogstens 4",
                "woont in een eenoudergezin",
            ]
        );
        assert_eq!(in_words(&Criteria::default(), &catalogue), ["alle kinderen van de gemeente"]);
    }
}
