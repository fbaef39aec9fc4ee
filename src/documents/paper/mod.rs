//! The paper that reports and bills are set on: one look for all, drawn in Typst itself.
//!
//! Owns the head with its facts, tables, bars, notes and the foot with the page numbers. It takes words and figures
//! that are written already; only the lengths of bars are numbers.

#[cfg(test)]
pub mod samples;

use jiff::civil::Date;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    figures,
    typeset::{self, File, Job, LONGEST, TypesetFault},
};
use crate::domain::{
    Count, SourceCatalogue,
    statistics::{Statistics, Table},
};

/// The most pages of a report. The bill of a large city with hundreds of assignments has some tens.
const MOST_PAGES: usize = 500;

const PAPER: &str = include_str!("paper.typ");

/// The head of a report.
#[derive(Serialize)]
pub struct Head<'a> {
    /// What it is.
    pub title: &'a str,
    /// For which local authority.
    pub authority: &'a str,
    /// What it is about: names with their values.
    pub facts: Vec<(&'static str, String)>,
    /// What must be read with the figures, below them.
    pub notes: Vec<&'a str>,
}

/// Bars.
#[derive(Serialize)]
pub struct Chart {
    title: &'static str,
    rows: Vec<Bar>,
}

#[derive(Serialize)]
struct Bar {
    label: String,
    shown: String,
    /// Its length, as a part of the longest; none where its count is withheld.
    part: Option<f64>,
}

impl Chart {
    /// Bars of a table, with labels as people read them.
    pub fn new(title: &'static str, table: &Table, label: impl Fn(&str) -> String) -> Self {
        let most = table.cells.iter().filter_map(|cell| cell.count.shown()).max().unwrap_or(0).max(1);
        let bar = |cell: &crate::domain::statistics::Cell| Bar {
            label: label(&cell.label),
            shown: figures::count(cell.count),
            part: cell.count.shown().map(|shown| part(shown, most)),
        };
        Self { title, rows: table.cells.iter().map(bar).collect() }
    }
}

/// What part of the longest bar a number is.
#[expect(clippy::cast_precision_loss, reason = "the length of a bar; a count of people is far below 2^52")]
pub fn part(number: u64, most: u64) -> f64 {
    number as f64 / most as f64
}

/// The charts of a selection: by age in the left column, the others in the right one.
pub fn charts(statistics: &Statistics, catalogue: &SourceCatalogue) -> (Vec<Chart>, Vec<Chart>) {
    let left = vec![Chart::new("Kinderen volgens leeftijd", &statistics.by_age, age)];
    let right = vec![
        Chart::new("Kinderen volgens postcode", &statistics.by_postcode, str::to_owned),
        Chart::new("Gezinnen volgens aantal kinderen", &statistics.by_family_size, family),
        Chart::new("Kinderen volgens toeslag", &statistics.by_source, |code| source(code, catalogue)),
    ];
    (left, right)
}

/// An age: `0 jaar`.
pub fn age(label: &str) -> String {
    if label == "?" { "onbekend".to_owned() } else { format!("{label} jaar") }
}

/// A size of a family: `1 kind`.
pub fn family(label: &str) -> String {
    if label == "1" { "1 kind".to_owned() } else { format!("{label} kinderen") }
}

/// The name of a source; its code where the catalogue has none.
pub fn source(code: &str, catalogue: &SourceCatalogue) -> String {
    let source = catalogue.id(code).and_then(|id| catalogue.source(id));
    source.map_or_else(|| code.to_owned(), |source| source.name.clone())
}

/// Whether something of a selection is withheld, so that the note must say what that means.
pub fn withholds(statistics: &Statistics) -> bool {
    let Statistics { families, children, beneficiaries, by_age, by_postcode, by_source, by_family_size } = statistics;
    [families, children, beneficiaries].contains(&&Count::WITHHELD)
        || [by_age, by_postcode, by_source, by_family_size].iter().any(|table| table.withholds())
}

/// Sets a report: `body` is its Typst source, `data` what that reads as `data.json`.
pub fn set(body: &'static str, data: &impl Serialize, day: Date) -> Result<Zeroizing<Vec<u8>>, TypesetFault> {
    set_up_to(MOST_PAGES, body, data, day)
}

/// Sets a report of at most so many pages.
pub fn set_up_to(
    most_pages: usize,
    body: &'static str,
    data: &impl Serialize,
    day: Date,
) -> Result<Zeroizing<Vec<u8>>, TypesetFault> {
    // A structure of strings, lists and numbers is always JSON.
    let data = serde_json::to_vec(data).unwrap_or_default();
    let files = vec![File::own("report.typ", body), File::own("paper.typ", PAPER), File::own("data.json", data)];
    let job = Job { main: "report.typ", files, day, most_pages, longest: LONGEST, tagged: true };
    let set = typeset::typeset(job);
    typeset::forget();
    set.map(|set| set.pdf)
}
