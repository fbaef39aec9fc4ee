//! The overview after a run, for the local authority: what was selected, what was delivered and fetched, how many
//! letters went out. As PDF and as CSV. It has counts only.

use jiff::civil::Date;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    csv,
    day::date_nl,
    figures::{self, WITHHELD, WITHHELD_NOTE},
    paper::{self, Chart, Head},
    simulation,
    typeset::TypesetFault,
};
use crate::domain::{Amount, Count, SourceCatalogue, Statistics};

const BODY: &str = include_str!("paper/overview.typ");

/// An overview.
pub struct Overview<'a> {
    /// The local authority's name.
    pub authority: &'a str,
    /// The assignment's id.
    pub assignment: &'a str,
    /// Why.
    pub purpose: &'a str,
    /// The day of the run.
    pub run_on: Date,
    /// The day of this report.
    pub day: Date,
    /// The month of the register, as people read it.
    pub register_month: &'a str,
    /// The criteria in words, one a line.
    pub criteria: &'a [String],
    /// What was counted.
    pub statistics: &'a Statistics,
    /// Names of the sources.
    pub catalogue: &'a SourceCatalogue,
    /// The files of the run, in their order.
    pub deliveries: &'a [Delivered<'a>],
    /// The letters of the run; none where it makes none.
    pub letters: Option<Letters>,
}

/// A file of a run.
#[derive(Clone, Copy)]
pub struct Delivered<'a> {
    /// Its name.
    pub file: &'a str,
    /// Its rows; none where it is no table. A file with few rows is the local authority's own under a protocol.
    pub rows: Option<u64>,
    /// What it pays in all; none where it pays nothing.
    pub amount: Option<Amount>,
    /// When it was in the drop-box.
    pub delivered: Date,
    /// When it was first fetched completely.
    pub fetched: Option<Date>,
    /// Whether it was taken back.
    pub withdrawn: bool,
}

/// The letters of a run.
#[derive(Clone, Copy)]
pub struct Letters {
    /// How many. It is shown however few they are, for it is billed; but not where families who got none are too few to be
    /// shown, since those are the rest of the families.
    pub letters: u64,
    /// Their pages in all.
    pub pages: u64,
    /// Families for whom none could be made, for want of an address.
    pub without_address: Count,
    /// Families for whom none could be made, for a name that no font has.
    pub unprintable: Count,
}

#[derive(Serialize)]
struct Data<'a> {
    head: Head<'a>,
    tiles: Vec<(String, &'static str)>,
    criteria: &'a [String],
    deliveries: Vec<[String; 5]>,
    letters: Option<String>,
    left: Vec<Chart>,
    right: Vec<Chart>,
}

impl Overview<'_> {
    /// As PDF.
    pub fn pdf(&self) -> Result<Zeroizing<Vec<u8>>, TypesetFault> {
        let Statistics { families, children, beneficiaries, .. } = *self.statistics;
        let mut tiles = vec![
            (figures::count(families), "gezinnen"),
            (figures::count(children), "kinderen"),
            (figures::count(beneficiaries), "begunstigden"),
        ];
        let letters = self.letters.and_then(Letters::made);
        tiles.extend(letters.map(|(letters, _)| (figures::number(letters), "brieven")));
        let (left, right) = paper::charts(self.statistics, self.catalogue);
        let mut notes = vec!["Dit overzicht bevat alleen aantallen en geen gegevens van personen."];
        if paper::withholds(self.statistics) {
            notes.push(WITHHELD_NOTE);
        }
        let data = Data {
            head: Head {
                title: "Overzicht van een uitvoering",
                authority: self.authority,
                facts: vec![
                    ("Opdracht", self.assignment.to_owned()),
                    ("Doel", self.purpose.to_owned()),
                    ("Uitgevoerd op", date_nl(self.run_on)),
                    ("Register van", self.register_month.to_owned()),
                    ("Stand op", date_nl(self.day)),
                ],
                notes,
            },
            tiles,
            criteria: self.criteria,
            deliveries: self.deliveries.iter().map(Delivered::words).collect(),
            letters: self.letters.map(Letters::words),
            left,
            right,
        };
        paper::set(BODY, &data, self.day)
    }

    /// As CSV in two parts with an empty line between: `onderdeel;label;aantal`, a row for each count; then
    /// `bestand;rijen;bedrag;bezorgd;opgehaald;ingetrokken`, a row for each file.
    pub fn csv(&self) -> Vec<u8> {
        let mut out = b"onderdeel;label;aantal\n".to_vec();
        let Statistics { families, children, beneficiaries, .. } = *self.statistics;
        for (part, count) in [("gezinnen", families), ("kinderen", children), ("begunstigden", beneficiaries)] {
            simulation::row(&mut out, part, "", count);
        }
        if let Some(told) = self.letters {
            let made = told.made().map(|(letters, pages)| (letters.to_string(), pages.to_string()));
            let (letters, pages) = made.unwrap_or_else(|| (WITHHELD.to_owned(), WITHHELD.to_owned()));
            out.extend_from_slice(format!("brieven;;{letters}\nbladzijden;;{pages}\n").as_bytes());
            simulation::row(&mut out, "gezinnen zonder adres", "", told.without_address);
            simulation::row(&mut out, "gezinnen met een naam die niet gedrukt kan worden", "", told.unprintable);
        }
        simulation::tables(&mut out, self.statistics);
        out.extend_from_slice(b"\nbestand;rijen;bedrag;bezorgd;opgehaald;ingetrokken\n");
        for delivered in self.deliveries {
            csv::text(&mut out, delivered.file);
            let text = |value: Option<String>| value.unwrap_or_default();
            let row = format!(
                ";{};{};{};{};{}\n",
                text(delivered.rows.map(|rows| rows.to_string())),
                text(delivered.amount.map(|amount| amount.to_string())),
                delivered.delivered,
                text(delivered.fetched.map(|day| day.to_string())),
                if delivered.withdrawn { "ja" } else { "nee" },
            );
            out.extend_from_slice(row.as_bytes());
        }
        out
    }
}

impl Delivered<'_> {
    fn words(&self) -> [String; 5] {
        let short = |day: Date| format!("{}/{}/{}", day.day(), day.month(), day.year());
        [
            self.file.to_owned(),
            self.rows.map_or_else(String::new, figures::number),
            self.amount.map_or_else(String::new, figures::amount),
            short(self.delivered),
            match (self.fetched.map(short), self.withdrawn) {
                (Some(day), false) => day,
                (Some(day), true) => format!("{day} (ingetrokken)"),
                (None, false) => "nog niet".to_owned(),
                (None, true) => "ingetrokken".to_owned(),
            },
        ]
    }
}

impl Letters {
    /// Letters and pages, where they may be told.
    fn made(self) -> Option<(u64, u64)> {
        self.without_address.shown().and(self.unprintable.shown()).map(|_| (self.letters, self.pages))
    }

    fn words(self) -> String {
        let Some((letters, pages)) = self.made() else {
            let why = match (self.without_address.is_zero(), self.unprintable.is_zero()) {
                (_, true) => "Niet elk gezin heeft een adres waarop de post kan bezorgen",
                (true, false) => "Niet elke naam kan gedrukt worden",
                (false, false) => {
                    "Niet elk gezin heeft een adres waarop de post kan bezorgen, en niet elke naam kan gedrukt worden"
                }
            };
            return format!(
                "De brieven gingen naar de drukker. {why}; om hoeveel gezinnen het gaat, en dus ook het aantal brieven, \
                 wordt niet getoond."
            );
        };
        let some = |number: u64, one: &str, more: &str| {
            format!("{} {}", figures::number(number), if number == 1 { one } else { more })
        };
        let mut words = format!(
            "{} van samen {} {} naar de drukker.",
            some(letters, "brief", "brieven"),
            some(pages, "bladzijde", "bladzijden"),
            if letters == 1 { "ging" } else { "gingen" }
        );
        // Who are told of are too many to be one.
        for (count, why) in [
            (self.without_address, "was er geen adres waarop de post kan bezorgen"),
            (
                self.unprintable,
                "kon de brief niet gedrukt worden: een naam heeft een teken dat het lettertype niet kent",
            ),
        ] {
            if let Some(number @ 1..) = count.shown() {
                words = format!("{words} Voor {} gezinnen {why}.", figures::number(number));
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{golden, paper::samples},
        *,
    };
    use jiff::civil::date;

    #[test]
    fn an_overview_is_a_report_and_a_table() {
        let delivered = Delivered {
            file: "gegevens_31033_torhout-schoolpremie-2026_20261121_0001.csv",
            rows: Some(1_243),
            amount: None,
            delivered: date(2026, 11, 21),
            fetched: Some(date(2026, 11, 23)),
            withdrawn: false,
        };
        let paid = Delivered {
            file: "betaling_31033_torhout-schoolpremie-2026_20261121_0002.pain.001.001.09.xml",
            rows: Some(1_202),
            amount: Some(Amount::from_cents(8_467_500)),
            fetched: None,
            withdrawn: true,
            ..delivered
        };
        let overview = Overview {
            authority: "Stad Torhout",
            assignment: "torhout-schoolpremie-2026",
            purpose: "gemeentelijke schoolpremie",
            run_on: date(2026, 11, 21),
            day: date(2026, 12, 1),
            register_month: "oktober 2026",
            criteria: &samples::criteria(),
            statistics: &samples::statistics(),
            catalogue: &samples::catalogue(),
            deliveries: &[delivered, paid],
            letters: Some(Letters {
                letters: 812,
                pages: 815,
                without_address: Count::of(2),
                unprintable: Count::zero(),
            }),
        };
        golden::compare_pdf("overzicht.txt", &overview.pdf().unwrap());
        golden::compare("overzicht.csv", &String::from_utf8(overview.csv()).unwrap());
    }

    #[test]
    fn what_is_left_of_the_families_is_not_told_by_the_letters() {
        let of = |address, name| {
            let (without_address, unprintable) = (Count::of(address), Count::of(name));
            Letters { letters: 812, pages: 815, without_address, unprintable }
        };
        for (address, name, why) in
            [(2, 0, "adres"), (0, 2, "naam"), (12, 2, "adres"), (12, 2, "naam"), (2, 12, "naam")]
        {
            let words = of(address, name).words();
            assert!(words.contains(why) && !words.contains("81") && !words.contains("12"), "{words}");
        }
        assert!(!of(0, 2).words().contains("adres"), "{}", of(0, 2).words());
    }

    #[test]
    fn letters_are_counted_in_words() {
        let none = Count::zero();
        let letters = Letters { letters: 1, pages: 1, without_address: none, unprintable: none };
        assert_eq!(letters.words(), "1 brief van samen 1 bladzijde ging naar de drukker.");
        let letters = Letters { letters: 1_204, pages: 1_210, without_address: Count::of(12), unprintable: none };
        let unprintable = Letters { without_address: none, unprintable: Count::of(12), ..letters };
        assert!(unprintable.words().ends_with(
            "Voor 12 gezinnen kon de brief niet gedrukt worden: een naam heeft een teken dat het lettertype niet kent."
        ));
        assert_eq!(
            letters.words(),
            "1.204 brieven van samen 1.210 bladzijden gingen naar de drukker. Voor 12 gezinnen was er geen adres waarop de \
             post kan bezorgen."
        );
    }
}
