//! What a local authority owes for a year, as PDF and as CSV: a line for each tariff of each assignment.

use jiff::civil::Date;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    csv,
    day::date_nl,
    figures,
    paper::{self, Head},
    typeset::TypesetFault,
};
use crate::domain::Amount;

const BODY: &str = include_str!("paper/bill.typ");

/// A bill.
pub struct Bill<'a> {
    /// The local authority's name.
    pub authority: &'a str,
    /// The calendar year.
    pub year: i16,
    /// The day on which it is made.
    pub day: Date,
    /// Its lines. Those that follow each other with the same assignment are added up together.
    pub lines: &'a [BillLine<'a>],
}

/// A line of a bill.
#[derive(Debug, Clone, Copy)]
pub struct BillLine<'a> {
    /// The assignment; none for what is owed whatever the assignments.
    pub assignment: Option<&'a str>,
    /// What is counted, in words: `per brief`.
    pub tariff: &'a str,
    /// How many.
    pub number: u64,
    /// What one costs.
    pub unit_price: Amount,
}

impl BillLine<'_> {
    /// What all of them cost.
    pub fn total(&self) -> Amount {
        self.unit_price.times(self.number)
    }
}

#[derive(Serialize)]
struct Data<'a> {
    head: Head<'a>,
    year: String,
    groups: Vec<Group>,
    total: String,
}

#[derive(Serialize)]
struct Group {
    title: String,
    lines: Vec<[String; 4]>,
    total: String,
}

impl Bill<'_> {
    /// The whole.
    pub fn total(&self) -> Amount {
        self.lines.iter().map(BillLine::total).sum()
    }

    /// As PDF.
    pub fn pdf(&self) -> Result<Zeroizing<Vec<u8>>, TypesetFault> {
        let groups = self.lines.chunk_by(|one, next| one.assignment == next.assignment);
        let title = format!("Afrekening {}", self.year);
        let data = Data {
            head: Head {
                title: &title,
                authority: self.authority,
                facts: vec![
                    ("Periode", format!("1 januari tot en met 31 december {}", self.year)),
                    ("Opgemaakt op", date_nl(self.day)),
                ],
                notes: vec![
                    "De aantallen komen uit het uitwisselingslogboek.",
                    "Deze afrekening is een kostenoverzicht en geen factuur.",
                ],
            },
            year: self.year.to_string(),
            groups: groups.map(Group::of).collect(),
            total: figures::amount(self.total()),
        };
        paper::set(BODY, &data, self.day)
    }

    /// As CSV: `bestuur;jaar;opdracht;tarief;aantal;eenheidsprijs;bedrag`, amounts in euros with a decimal point.
    pub fn csv(&self) -> Vec<u8> {
        let mut out = b"bestuur;jaar;opdracht;tarief;aantal;eenheidsprijs;bedrag\n".to_vec();
        for line in self.lines {
            csv::text(&mut out, self.authority);
            out.extend_from_slice(format!(";{};", self.year).as_bytes());
            csv::text(&mut out, line.assignment.unwrap_or_default());
            out.push(b';');
            csv::text(&mut out, line.tariff);
            out.extend_from_slice(format!(";{};{};{}\n", line.number, line.unit_price, line.total()).as_bytes());
        }
        out
    }
}

impl Group {
    fn of(lines: &[BillLine<'_>]) -> Self {
        let assignment = lines.first().and_then(|line| line.assignment);
        let row = |line: &BillLine<'_>| {
            let price = figures::amount(line.unit_price);
            [line.tariff.to_owned(), figures::number(line.number), price, figures::amount(line.total())]
        };
        Self {
            title: assignment.map_or_else(|| "Jaarlijks".to_owned(), |id| format!("Opdracht {id}")),
            lines: lines.iter().map(row).collect(),
            total: figures::amount(lines.iter().map(BillLine::total).sum()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::golden, *};
    use jiff::civil::date;

    fn line<'a>(assignment: Option<&'a str>, tariff: &'a str, number: u64, cents: u64) -> BillLine<'a> {
        BillLine { assignment, tariff, number, unit_price: Amount::from_cents(cents) }
    }

    #[test]
    fn a_bill_adds_up() {
        let (school, birth) = (Some("torhout-schoolpremie-2026"), Some("torhout-geboortepremie-2026"));
        let bill = Bill {
            authority: "Stad Torhout",
            year: 2026,
            day: date(2027, 1, 15),
            lines: &[
                line(None, "per jaar", 1, 25_000),
                line(birth, "per opdracht", 1, 50_000),
                line(birth, "per uitvoering", 12, 15_000),
                line(birth, "per bestand", 24, 0),
                line(school, "per opdracht", 1, 50_000),
                line(school, "per uitvoering", 1, 15_000),
                line(school, "per brief, tot 30 juni", 812, 110),
                line(school, "per brief, vanaf 1 juli", 1_204, 115),
            ],
        };
        assert_eq!(bill.total(), Amount::from_cents(25_000 + 50_000 + 180_000 + 50_000 + 15_000 + 89_320 + 138_460));
        golden::compare_pdf("afrekening.txt", &bill.pdf().unwrap());
        golden::compare("afrekening.csv", &String::from_utf8(bill.csv()).unwrap());
    }

    #[test]
    fn a_year_without_anything_says_so() {
        let bill = Bill { authority: "Gemeente Lint", year: 2026, day: date(2027, 1, 15), lines: &[] };
        assert!(!bill.pdf().unwrap().is_empty());
        assert_eq!(bill.csv(), b"bestuur;jaar;opdracht;tarief;aantal;eenheidsprijs;bedrag\n");
    }
}
