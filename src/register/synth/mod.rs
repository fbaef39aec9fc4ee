//! A synthetic extract: what tests, the demo and benchmarks load, and what trial lists are answered from.
//!
//! The same seed gives the same bytes everywhere. Families, ages, rights and addresses follow the figures of DOMAIN
//! section 6; nobody in it exists: see `numbers` for how the numbers are kept apart from real ones.

use std::{fmt::Write as _, io};

use super::{fault::Field, month::ReferenceMonth};
use crate::domain::Municipalities;

mod calendar;
mod family;
mod names;
mod numbers;
mod places;
mod random;

use calendar::Calendar;
use family::{Child, Family, FamilyMaker, Household};
use numbers::{NissMint, NumberKind};
use places::Places;
use random::Random;

/// Children at most: above it the serials of a birth date run out. All of Flanders has 1.6 million.
pub const MOST_CHILDREN: u32 = 2_500_000;

/// The sources that occur, in the order of the catalogue.
pub const SOURCE_CODES: [&str; 9] = [
    "basisbedrag",
    "startbedrag",
    "sociale_toeslag",
    "zorgtoeslag",
    "wezentoeslag",
    "pleegzorgtoeslag",
    "kinderopvangtoeslag",
    "kleutertoeslag",
    "schooltoeslag",
];

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synth {
    /// How many children, 1 to [`MOST_CHILDREN`].
    pub children: u32,
    /// What everything random follows from.
    pub seed: u64,
    /// The month of the extract. All children are under 25 on its first day.
    pub month: ReferenceMonth,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SynthSummary {
    /// Rows, one per (child, beneficiary).
    pub rows: u32,
    /// Children.
    pub children: u32,
    /// Families: those that second households form with the same children are not counted.
    pub families: u32,
    /// Children with the sociale toeslag, whole or split.
    pub sociale_toeslag: u32,
    /// Children of 18 or older.
    pub adults: u32,
    /// Children with rows in two households.
    pub split: u32,
    /// Households without an account.
    pub without_iban: u32,
    /// Children with a bis number.
    pub bis: u32,
    /// Children whose birth date is unknown.
    pub date_unknown: u32,
}

impl Synth {
    /// Writes the extract, header first.
    ///
    /// # Errors
    /// What writing returned; `InvalidInput` for a number of children out of range, a month before the year 2020, or
    /// a table without municipalities.
    pub fn write(&self, municipalities: &Municipalities, out: &mut impl io::Write) -> io::Result<SynthSummary> {
        let first_day = self.month.first_day();
        if !(1..=MOST_CHILDREN).contains(&self.children) || municipalities.is_empty() || first_day.year() < 2020 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let places = Places::new(municipalities);
        let mut maker = FamilyMaker {
            random: Random::new(self.seed),
            mint: NissMint::default(),
            places: &places,
            calendar: Calendar::before(first_day),
        };
        let mut writer = RowWriter { month: self.month.to_string(), dossier: 0, summary: SynthSummary::default() };
        let mut text = Field::ALL.map(Field::name).join(";");
        text.push('\n');
        while writer.summary.children < self.children {
            let family = maker.family(self.children - writer.summary.children);
            let family = family.ok_or_else(|| io::Error::other("the serials of a birth date have run out"))?;
            writer.write(&family, &mut text);
            out.write_all(text.as_bytes())?;
            text.clear();
        }
        Ok(writer.summary)
    }
}

struct RowWriter {
    month: String,
    /// Counts the dossiers.
    dossier: u32,
    summary: SynthSummary,
}

impl RowWriter {
    fn write(&mut self, family: &Family<'_>, text: &mut String) {
        self.dossier += 1;
        self.summary.families += 1;
        self.count_household(&family.first);
        let mut sources = String::new();
        for (rank, child) in (1..).zip(&family.children) {
            self.count_child(child);
            sources.clear();
            child.gets.write_first(family.second.is_some(), &mut sources);
            self.row(family, (rank, child), &family.first, &sources, text);
        }
        let Some(second) = &family.second else { return };
        self.dossier += 1;
        self.count_household(second);
        for (rank, child) in (1..).zip(&family.children) {
            if let Some(sources) = child.gets.second() {
                self.summary.split += 1;
                self.row(family, (rank, child), second, sources, text);
            }
        }
    }

    fn row(
        &mut self,
        family: &Family<'_>,
        (rank, child): (u32, &Child),
        household: &Household,
        sources: &str,
        text: &mut String,
    ) {
        self.summary.rows += 1;
        let (month, dossier) = (&self.month, 100_000_000 + self.dossier);
        // Writing to a string cannot fail.
        let _ = write!(text, "{month};{dossier};");
        push_digits(text, child.niss.digits());
        let _ = write!(text, ";{};{};", child.last_name, child.first_name);
        if let Some(born) = child.born {
            let _ = write!(text, "{born}");
        }
        let (place, postcode, size) = (family.place.nis_code, family.postcode, family.children.len());
        let _ = write!(text, ";{place};{postcode};{rank};{size};{};", u8::from(household.single_parent));
        push_digits(text, household.niss.digits());
        let _ = writeln!(text, ";{};{sources}", household.columns);
    }

    fn count_child(&mut self, child: &Child) {
        self.summary.children += 1;
        self.summary.sociale_toeslag += u32::from(child.gets.sociale());
        self.summary.adults += u32::from(child.age >= 18);
        self.summary.bis += u32::from(matches!(child.kind, NumberKind::Bis | NumberKind::BisSexUnknown));
        self.summary.date_unknown += u32::from(child.kind == NumberKind::DateUnknown);
    }

    fn count_household(&mut self, household: &Household) {
        self.summary.without_iban += u32::from(!household.has_iban);
    }
}

fn push_digits(text: &mut String, digits: [u8; crate::domain::niss::DIGITS]) {
    text.extend(digits.into_iter().map(char::from));
}
