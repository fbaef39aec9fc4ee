//! Made-up figures for the tests of reports.

use crate::domain::{Count, SourceCatalogue, Statistics, source::Source, statistics::Table};

pub fn statistics() -> Statistics {
    let table = |labels: &[(&str, u64)]| labels.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect();
    let by_age: Vec<(String, u64)> = table(&[
        ("?", 2),
        ("5", 41),
        ("6", 172),
        ("7", 190),
        ("8", 168),
        ("9", 181),
        ("10", 175),
        ("11", 160),
        ("12", 40),
    ]);
    let by_postcode: Vec<(String, u64)> = table(&[("8820", 1_129)]);
    let by_source: Vec<(String, u64)> =
        table(&[("sociale_toeslag", 402), ("schooltoeslag", 1_118), ("zorgtoeslag", 31)]);
    let by_size: Vec<(String, u64)> = table(&[("1", 210), ("2", 388), ("3", 160), ("4", 41), ("5", 11), ("6", 3)]);
    Statistics {
        families: Count::of(813),
        children: Count::of(1_129),
        beneficiaries: Count::of(1_202),
        by_age: Table::partition(by_age),
        by_postcode: Table::partition(by_postcode),
        by_source: Table::of_properties(by_source, 1_129),
        by_family_size: Table::partition(by_size),
    }
}

pub fn catalogue() -> SourceCatalogue {
    let source = |(code, name): (&str, &str)| Source { code: code.to_owned(), name: name.to_owned() };
    let sources =
        [("sociale_toeslag", "Sociale toeslag"), ("schooltoeslag", "Schooltoeslag"), ("zorgtoeslag", "Zorgtoeslag")];
    SourceCatalogue::new(sources.map(source).to_vec()).unwrap()
}

pub fn criteria() -> Vec<String> {
    let criteria = [
        "woont in 8820",
        "heeft recht op sociale toeslag of schooltoeslag",
        "geboren van 1 januari 2014 tot en met 31 december 2020",
    ];
    criteria.map(str::to_owned).to_vec()
}
