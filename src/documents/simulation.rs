//! The simulation of an assignment, for a local authority that weighs its criteria: as PDF and as CSV.
//!
//! It has counts only, each a [`Count`] that may be shown: it may be given without a protocol.

use jiff::civil::Date;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    csv,
    day::date_nl,
    figures::{self, WITHHELD_NOTE},
    paper::{self, Chart, Head},
    typeset::TypesetFault,
};
use crate::domain::{Amount, Count, SourceCatalogue, Statistics, assignment::Unit, statistics::Table};

const BODY: &str = include_str!("paper/simulation.typ");

/// What every simulation says of itself.
const NOTES: [&str; 2] = [
    "Deze simulatie is een raming op de dag hierboven. Bij de uitvoering wordt opnieuw geselecteerd.",
    "Ze bevat alleen aantallen en geen gegevens van personen.",
];

/// What it says of them where there are some.
const ROUNDED_NOTE: &str = "Aantallen per criterium en bij varianten zijn afgerond op een veelvoud van 5. Het budget van \
     een variant is met die aantallen berekend, telkens voor het volledige bedrag.";

/// A simulation.
pub struct Simulation<'a> {
    /// The local authority's name.
    pub authority: &'a str,
    /// The assignment's id.
    pub assignment: &'a str,
    /// Why.
    pub purpose: &'a str,
    /// The day on which ages are counted.
    pub day: Date,
    /// The month of the register, as people read it.
    pub register_month: &'a str,
    /// The criteria in words, one a line.
    pub criteria: &'a [String],
    /// What was counted.
    pub statistics: &'a Statistics,
    /// Names of the sources.
    pub catalogue: &'a SourceCatalogue,
    /// What it would cost; none where the assignment does not pay.
    pub price: Option<Price>,
    /// Of each criterion, how many children come in addition when it alone is dropped; rounded.
    pub effects: &'a [Effect],
    /// The same counts with other criteria, rounded.
    pub variations: &'a [Variation],
}

/// What is paid.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    /// For each.
    pub unit: Unit,
    /// How much for each.
    pub amount: Amount,
    /// For how many.
    pub units: Count,
    /// In how many payments.
    pub payments: Count,
    /// The sum; none where it may not be shown.
    pub total: Option<Amount>,
}

/// The effect of one criterion.
pub struct Effect {
    /// The criterion in words.
    pub criterion: String,
    /// Children who are left out by it alone.
    pub removes: Count,
}

/// Counts with other criteria.
pub struct Variation {
    /// What differs, in words.
    pub change: String,
    /// Families.
    pub families: Count,
    /// Children.
    pub children: Count,
    /// Beneficiaries.
    pub beneficiaries: Count,
    /// About the sum of the payments; none where it may not be shown, or nothing is paid.
    pub total: Option<Amount>,
}

impl Price {
    /// What it comes to where every unit is paid whole: never less than what is paid.
    fn most(self) -> Option<Amount> {
        self.units.shown().map(|number| self.amount.times(number))
    }

    /// The sum as people check it: `€ 75,00 per kind, 1.129 kinderen: samen € 84.675,00, in 1.202 betalingen.`
    fn sum(self) -> String {
        let (one, more) = match self.unit {
            Unit::Child => ("kind", "kinderen"),
            Unit::Family => ("gezin", "gezinnen"),
        };
        let (each, number) = (figures::amount(self.amount), figures::count(self.units));
        let (in_part, together) = match (self.total, self.most()) {
            (Some(total), most) if most == Some(total) => ("", figures::amount(total)),
            (Some(total), _) => (", soms voor een deel", figures::amount(total)),
            (None, Some(most)) => (", soms voor een deel", format!("hoogstens {}", figures::amount(most))),
            (None, None) => ("", figures::WITHHELD.to_owned()),
        };
        let payments = figures::count(self.payments);
        format!("{each} per {one}, {number} {more}{in_part}: samen {together}, in {payments} betalingen.")
    }
}

fn sum_words(total: Option<Amount>) -> String {
    total.map_or_else(|| figures::WITHHELD.to_owned(), figures::amount)
}

#[derive(Serialize)]
struct Data<'a> {
    head: Head<'a>,
    tiles: Vec<(String, &'static str)>,
    criteria: &'a [String],
    budget: Option<String>,
    left: Vec<Chart>,
    right: Vec<Chart>,
    effects: Vec<[String; 2]>,
    variations: Vec<Vec<String>>,
    priced: bool,
}

impl Simulation<'_> {
    /// As PDF.
    pub fn pdf(&self) -> Result<Zeroizing<Vec<u8>>, TypesetFault> {
        let Statistics { families, children, beneficiaries, .. } = *self.statistics;
        let mut tiles = vec![
            (figures::count(families), "gezinnen"),
            (figures::count(children), "kinderen"),
            (figures::count(beneficiaries), "begunstigden"),
        ];
        if let Some(total) = self.price.and_then(|price| price.total) {
            tiles.push((figures::amount(total), "geraamd budget"));
        }
        let (left, right) = paper::charts(self.statistics, self.catalogue);
        let data = Data {
            head: self.head(),
            tiles,
            criteria: self.criteria,
            budget: self.price.map(Price::sum),
            left,
            right,
            effects: self.effects.iter().map(|e| [e.criterion.clone(), figures::count(e.removes)]).collect(),
            variations: self.variations.iter().map(|variation| self.variation(variation)).collect(),
            priced: self.price.is_some(),
        };
        paper::set(BODY, &data, self.day)
    }

    fn head(&self) -> Head<'_> {
        let mut notes: Vec<&str> = NOTES.to_vec();
        if !self.effects.is_empty() || !self.variations.is_empty() {
            notes.push(ROUNDED_NOTE);
        }
        if self.withholds() {
            notes.push(WITHHELD_NOTE);
        }
        Head {
            title: "Simulatie",
            authority: self.authority,
            facts: vec![
                ("Opdracht", self.assignment.to_owned()),
                ("Doel", self.purpose.to_owned()),
                ("Leeftijden op", date_nl(self.day)),
                ("Register van", self.register_month.to_owned()),
            ],
            notes,
        }
    }

    fn withholds(&self) -> bool {
        let of_variations = |variation: &Variation| [variation.families, variation.children, variation.beneficiaries];
        let others = self.effects.iter().map(|effect| effect.removes);
        paper::withholds(self.statistics)
            || self.price.is_some_and(|price| price.total.is_none() || price.payments == Count::WITHHELD)
            || others.chain(self.variations.iter().flat_map(of_variations)).any(|count| count == Count::WITHHELD)
    }

    fn variation(&self, variation: &Variation) -> Vec<String> {
        let Variation { change, families, children, beneficiaries, total } = variation;
        let counts = [families, children, beneficiaries].map(|count| figures::count(*count));
        let budget = self.price.map(|_| sum_words(*total));
        [change.clone()].into_iter().chain(counts).chain(budget).collect()
    }

    /// As CSV: `onderdeel;label;aantal`, a row for each count, which says so where it is rounded; the budget in
    /// euros with a decimal point.
    pub fn csv(&self) -> Vec<u8> {
        let mut out = b"onderdeel;label;aantal\n".to_vec();
        let Statistics { families, children, beneficiaries, .. } = *self.statistics;
        for (part, count) in [("gezinnen", families), ("kinderen", children), ("begunstigden", beneficiaries)] {
            row(&mut out, part, "", count);
        }
        if let Some(price) = self.price {
            row(&mut out, "betalingen", "", price.payments);
            let total = price.total.map_or_else(|| figures::WITHHELD.to_owned(), |total| total.to_string());
            out.extend_from_slice(format!("budget;;{total}\n").as_bytes());
        }
        tables(&mut out, self.statistics);
        for Effect { criterion, removes } in self.effects {
            row(&mut out, "kinderen zonder criterium erbij (afgerond)", criterion, *removes);
        }
        for variation in self.variations {
            row(&mut out, "variant, gezinnen (afgerond)", &variation.change, variation.families);
            row(&mut out, "variant, kinderen (afgerond)", &variation.change, variation.children);
            row(&mut out, "variant, begunstigden (afgerond)", &variation.change, variation.beneficiaries);
        }
        out
    }
}

/// The rows of a selection's tables, with the labels as they were counted.
pub(super) fn tables(out: &mut Vec<u8>, statistics: &Statistics) {
    let tables: [(&str, &Table); 4] = [
        ("kinderen per leeftijd", &statistics.by_age),
        ("kinderen per postcode", &statistics.by_postcode),
        ("kinderen per toeslag", &statistics.by_source),
        ("gezinnen per aantal kinderen", &statistics.by_family_size),
    ];
    for (part, table) in tables {
        for cell in &table.cells {
            row(out, part, if cell.label == "?" { "onbekend" } else { &cell.label }, cell.count);
        }
    }
}

/// A row of a count. A withheld one is written as in the PDF.
pub(super) fn row(out: &mut Vec<u8>, part: &str, label: &str, count: Count) {
    csv::text(out, part);
    out.push(b';');
    csv::text(out, label);
    out.push(b';');
    let count = count.shown().map_or_else(|| figures::WITHHELD.to_owned(), |number| number.to_string());
    out.extend_from_slice(count.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::{
        super::{golden, paper::samples},
        *,
    };
    use jiff::civil::date;

    #[test]
    fn a_simulation_is_a_report_and_a_table() {
        let statistics = samples::statistics();
        let catalogue = samples::catalogue();
        let effect = |criterion: &str, number| Effect { criterion: criterion.to_owned(), removes: Count::of(number) };
        let variation = |change: &str, [families, children, beneficiaries]: [u64; 3]| Variation {
            change: change.to_owned(),
            families: Count::of(families),
            children: Count::of(children),
            beneficiaries: Count::of(beneficiaries),
            total: Count::of(children).shown().map(|number| Amount::from_cents(7_500).times(number)),
        };
        let simulation = Simulation {
            authority: "Stad Torhout",
            assignment: "torhout-schoolpremie-2026",
            purpose: "gemeentelijke schoolpremie",
            day: date(2026, 11, 21),
            register_month: "oktober 2026",
            criteria: &samples::criteria(),
            statistics: &statistics,
            catalogue: &catalogue,
            price: Some(Price {
                unit: Unit::Child,
                amount: Amount::from_cents(7_500),
                units: Count::of(1_129),
                payments: Count::of(1_202),
                total: Some(Amount::from_cents(8_467_500)),
            }),
            effects: &[
                effect("geboren van 1 januari 2014 tot en met 31 december 2020", 735),
                effect("woont in 8820", 3),
            ],
            variations: &[
                variation("geboren vanaf 1 januari 2016", [310, 465, 515]),
                variation("geboren vanaf 1 januari 2020", [4, 4, 5]),
            ],
        };
        golden::compare_pdf("simulatie.txt", &simulation.pdf().unwrap());
        golden::compare("simulatie.csv", &String::from_utf8(simulation.csv()).unwrap());
    }

    #[test]
    fn a_budget_tells_what_may_be_told() {
        let price = |units, total: Option<u64>| Price {
            unit: Unit::Family,
            amount: Amount::from_cents(100),
            units: Count::of(units),
            payments: Count::of(60),
            total: total.map(Amount::from_cents),
        };
        let sum = |units, total| price(units, total).sum().replace('\u{a0}', " ");
        assert_eq!(sum(50, Some(5_000)), "€ 1,00 per gezin, 50 gezinnen: samen € 50,00, in 60 betalingen.");
        assert_eq!(
            sum(50, Some(4_750)),
            "€ 1,00 per gezin, 50 gezinnen, soms voor een deel: samen € 47,50, in 60 betalingen."
        );
        assert_eq!(
            sum(50, None),
            "€ 1,00 per gezin, 50 gezinnen, soms voor een deel: samen hoogstens € 50,00, in 60 betalingen."
        );
        assert_eq!(sum(3, None), "€ 1,00 per gezin, n.g. gezinnen: samen n.g., in 60 betalingen.");
    }
}
