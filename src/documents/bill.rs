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
use crate::domain::{Amount, cost::Uncharged};

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
    /// What is on no line, since no tariff held yet.
    pub without_tariff: Uncharged,
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
        let left_out = self.left_out();
        let mut notes = vec![
            "De aantallen komen uit het uitwisselingslogboek.",
            "Deze afrekening is een kostenoverzicht en geen factuur.",
        ];
        notes.extend(left_out.as_deref());
        let data = Data {
            head: Head {
                title: &title,
                authority: self.authority,
                facts: vec![
                    ("Periode", format!("1 januari tot en met 31 december {}", self.year)),
                    ("Opgemaakt op", date_nl(self.day)),
                ],
                notes,
            },
            year: self.year.to_string(),
            groups: groups.map(Group::of).collect(),
            total: figures::amount(self.total()),
        };
        paper::set(BODY, &data, self.day)
    }

    /// As CSV: `bestuur;jaar;opdracht;tarief;aantal;eenheidsprijs;bedrag`, amounts in euros with a decimal point. What is
    /// charged to nobody stands last, at a price of nothing.
    pub fn csv(&self) -> Vec<u8> {
        let mut out = b"bestuur;jaar;opdracht;tarief;aantal;eenheidsprijs;bedrag\n".to_vec();
        let free = self.uncharged().map(|(number, _, more)| (format!("geen tarief: {more}"), number));
        let free = free.iter().map(|(tariff, number)| BillLine {
            assignment: None,
            tariff,
            number: *number,
            unit_price: Amount::ZERO,
        });
        for line in self.lines.iter().copied().chain(free.filter(|line| line.number > 0)) {
            csv::text(&mut out, self.authority);
            out.extend_from_slice(format!(";{};", self.year).as_bytes());
            csv::text(&mut out, line.assignment.unwrap_or_default());
            out.push(b';');
            csv::text(&mut out, line.tariff);
            out.extend_from_slice(format!(";{};{};{}\n", line.number, line.unit_price, line.total()).as_bytes());
        }
        out
    }

    /// What is on no line, with what one and more of it are called.
    fn uncharged(&self) -> [(u64, &'static str, &'static str); 3] {
        let Uncharged { runs, files, letters } = self.without_tariff;
        [(runs, "uitvoering", "uitvoeringen"), (files, "bestand", "bestanden"), (letters, "brief", "brieven")]
    }

    /// The same as a sentence.
    fn left_out(&self) -> Option<String> {
        let some = self.uncharged().into_iter().filter(|(number, ..)| *number > 0);
        let some = some
            .map(|(number, one, more)| format!("{} {}", figures::number(number), if number == 1 { one } else { more }));
        let mut some: Vec<String> = some.collect();
        let last = some.pop()?;
        let all = if some.is_empty() { last } else { format!("{} en {last}", some.join(", ")) };
        Some(format!("Niet aangerekend, want van vóór het eerste tarief: {all}."))
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
            without_tariff: Uncharged::default(),
        };
        assert_eq!(bill.total(), Amount::from_cents(25_000 + 50_000 + 180_000 + 50_000 + 15_000 + 89_320 + 138_460));
        golden::compare_pdf("afrekening.txt", &bill.pdf().unwrap());
        golden::compare("afrekening.csv", &String::from_utf8(bill.csv()).unwrap());
    }

    #[test]
    fn a_year_without_anything_says_so() {
        let without_tariff = Uncharged::default();
        let bill = Bill { authority: "Gemeente Lint", year: 2026, day: date(2027, 1, 15), lines: &[], without_tariff };
        assert!(!bill.pdf().unwrap().is_empty());
        assert_eq!(bill.csv(), b"bestuur;jaar;opdracht;tarief;aantal;eenheidsprijs;bedrag\n");
    }

    #[test]
    fn a_bill_says_what_it_leaves_out() {
        let without_tariff = Uncharged { runs: 1, files: 0, letters: 1_204 };
        let bill = Bill { authority: "Gemeente Lint", year: 2026, day: date(2027, 1, 15), lines: &[], without_tariff };
        golden::compare_pdf("afrekening-zonder-tarief.txt", &bill.pdf().unwrap());
        golden::compare("afrekening-zonder-tarief.csv", &String::from_utf8(bill.csv()).unwrap());
    }
}
