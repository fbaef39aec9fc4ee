//! The report as PDF, for who files it or reads it on paper: what the page shows, on sheets that lie on their side.

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    AuditReport,
    outline::{self, Graph, Section},
    tables::{Cell, Sheet},
    words,
};
use crate::{
    documents::{
        figures,
        paper::{self, Head},
        typeset::TypesetFault,
    },
    domain::brussels_date,
};

const BODY: &str = include_str!("paper.typ");

/// The most pages: a year of all local authorities has some hundreds. What is longer is no paper for people; the page
/// or the sheet holds it, or a shorter period does.
pub const MOST_PAGES: usize = 1_500;

#[derive(Serialize)]
struct Data<'a> {
    head: Head<'a>,
    proof: &'a str,
    logs: Vec<Log<'a>>,
    prove_it: &'a str,
    prove_command: &'a str,
    tiles: Vec<(String, &'static str)>,
    charts: Vec<Columns>,
    summary: Vec<Table>,
    sections: Vec<Part>,
}

#[derive(Serialize)]
struct Log<'a> {
    origin: &'a str,
    /// Name, value, and whether that is a digest or key.
    facts: Vec<(&'static str, String, bool)>,
}

/// A chart of columns.
#[derive(Serialize)]
struct Columns {
    title: &'static str,
    parts: &'static [&'static str],
    bars: Vec<Column>,
}

#[derive(Serialize)]
struct Column {
    label: String,
    /// The number above it; empty where it has no height.
    shown: String,
    /// The heights of its parts, as parts of the tallest column.
    parts: [f64; 2],
}

#[derive(Serialize)]
struct Part {
    title: String,
    text: Option<&'static str>,
    facts: Vec<(&'static str, String)>,
    sheets: Vec<Table>,
}

#[derive(Serialize)]
struct Table {
    caption: String,
    columns: Vec<&'static str>,
    /// How wide each column is: `0` as its content asks, or a share of what is left.
    widths: Vec<u8>,
    numbers: Vec<bool>,
    rows: Vec<Vec<Words>>,
}

/// A cell in words.
#[derive(Serialize)]
struct Words {
    style: Style,
    text: String,
    /// Small print below; may be empty.
    note: String,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Style {
    Text,
    Mark,
    Code,
}

/// Makes the PDF.
///
/// # Errors
/// [`TypesetFault::Pages`] when it would have more than [`MOST_PAGES`]; [`TypesetFault::Time`] when it takes too long.
pub fn paper(report: &AuditReport) -> Result<Zeroizing<Vec<u8>>, TypesetFault> {
    let logs = report.logs.iter().map(|log| Log { origin: &log.origin, facts: outline::log_facts(log) });
    let data = Data {
        head: Head {
            title: "Auditverslag",
            authority: "Gegevensuitwisseling Groeipakket",
            facts: vec![
                ("Periode", outline::period(report)),
                ("Beperking", outline::scope(report)),
                ("Opgemaakt op", words::moment(report.made_at)),
            ],
            notes: vec![outline::SUMMARY],
        },
        proof: outline::PROOF,
        logs: logs.collect(),
        prove_it: outline::PROVE_IT,
        prove_command: outline::PROVE_COMMAND,
        tiles: outline::figures(report).map(|figure| (figures::number(figure.count), figure.name)).into(),
        charts: outline::charts(report).into_iter().map(Columns::from).collect(),
        summary: outline::summary_sheets(report).into_iter().map(Table::from).collect(),
        sections: outline::sections(report).into_iter().map(Part::from).collect(),
    };
    paper::set_up_to(MOST_PAGES, BODY, &data, brussels_date(report.made_at))
}

impl From<Graph> for Columns {
    fn from(Graph { title, parts, bars, .. }: Graph) -> Self {
        let sum = |values: [u64; 2]| values.iter().sum::<u64>();
        let tallest = bars.iter().map(|bar| sum(bar.values)).max().unwrap_or(0).max(1);
        let column = |bar: super::sums::Bar| Column {
            shown: Some(sum(bar.values)).filter(|all| *all > 0).map(figures::number).unwrap_or_default(),
            parts: bar.values.map(|value| paper::part(value, tallest)),
            label: bar.label,
        };
        Self { title, parts, bars: bars.into_iter().map(column).collect() }
    }
}

impl From<Section> for Part {
    fn from(Section { title, text, facts, sheets, .. }: Section) -> Self {
        Self { title, text, facts, sheets: sheets.into_iter().map(Table::from).collect() }
    }
}

impl From<Sheet> for Table {
    fn from(sheet: Sheet) -> Self {
        let (numbers, widths) = (sheet.numbers(), sheet.rows.iter().fold(vec![0; sheet.columns.len()], wider));
        let rows = sheet.rows.into_iter().map(|row| row.into_iter().map(Words::from).collect());
        Self { caption: sheet.caption, columns: sheet.columns, widths, numbers, rows: rows.collect() }
    }
}

/// The shares of the width that columns need so far, and with one more row.
fn wider(shares: Vec<u8>, row: &Vec<Cell>) -> Vec<u8> {
    let share = |cell: &Cell| match cell {
        Cell::Number(_) | Cell::Moment(_) | Cell::Mark(_) | Cell::Ids(_) => 0,
        Cell::Text(text) if text.is_empty() => 0,
        Cell::Text(_) | Cell::MomentNoted(..) => 2,
        Cell::Noted(..) => 3,
    };
    shares.into_iter().zip(row).map(|(had, cell)| had.max(share(cell))).collect()
}

impl From<Cell> for Words {
    fn from(cell: Cell) -> Self {
        let plain = |text: String| Self { style: Style::Text, text: breakable(&text), note: String::new() };
        match cell {
            Cell::Text(text) => plain(text),
            Cell::Noted(text, note) => Self { note: breakable(&note), ..plain(text) },
            Cell::Number(number) => plain(figures::number(number)),
            Cell::Moment(at) => plain(words::moment(at)),
            Cell::MomentNoted(at, note) => Self { note, ..plain(words::moment(at)) },
            Cell::Mark(text) => Self { style: Style::Mark, ..plain(text.to_owned()) },
            Cell::Ids(ids) => {
                let ids: Vec<String> = ids.iter().map(|id| words::short(id)).collect();
                Self { style: Style::Code, text: ids.join(" "), note: String::new() }
            }
        }
    }
}

/// The text with places where a line may end in names of files, which have no spaces.
fn breakable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        out.push(character);
        if character == '_' {
            out.push('\u{200b}');
        }
    }
    out
}
