//! Making one family: its children, where it lives, who is paid, and what it gets.

use std::fmt::Write;

use jiff::civil::Date;

use super::{
    SOURCE_CODES,
    calendar::Calendar,
    names,
    numbers::{NissMint, NumberKind, belgian_iban, foreign_iban},
    places::{Place, Places},
    random::Random,
};
use crate::domain::{Niss, niss::Sex};

/// Families by their number of children, of a thousand: 1, 2, 3, 4, and 5 or more, divided further.
const SIZES: [u32; 8] = [453, 377, 124, 34, 8, 2, 1, 1];

/// Children by age, of ten thousand. Under 18 every year counts the same; over it, those who still study.
const AGES: [u32; 25] = [
    452, 452, 452, 452, 452, 452, 452, 452, 452, 452, 452, 452, 452, 452, 452, 452, 452, 452, 430, 375, 320, 260, 200,
    150, 125,
];

/// Days between two children of a family: at least, and how many more at most.
const DAYS_APART: (u32, u32) = (330, 1200);

/// The last day before a 25th birthday, in days, whatever the leap years.
const LAST_DAY: u32 = 9130;

/// A year in days, rounded down, and four years with their leap day.
const YEAR: u32 = 365;
const FOUR_YEARS: u32 = 4 * YEAR + 1;

/// A family of an extract, before it is written.
pub(super) struct Family<'a> {
    pub(super) children: Vec<Child>,
    pub(super) place: &'a Place<'a>,
    pub(super) postcode: u16,
    pub(super) first: Household,
    /// The other parent's household, when what can be split is split.
    pub(super) second: Option<Household>,
}

/// A child.
pub(super) struct Child {
    pub(super) niss: Niss,
    pub(super) kind: NumberKind,
    /// The birth date, where it is known.
    pub(super) born: Option<Date>,
    pub(super) age: u32,
    pub(super) last_name: String,
    pub(super) first_name: &'static str,
    pub(super) gets: Gets,
}

/// What a child has a right to, in the order of [`SOURCE_CODES`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Gets([bool; SOURCE_CODES.len()]);

/// A beneficiary.
pub(super) struct Household {
    pub(super) niss: Niss,
    pub(super) single_parent: bool,
    /// Names to account, as the row has them.
    pub(super) columns: String,
    pub(super) has_iban: bool,
}

/// Makes families, one after another.
pub(super) struct FamilyMaker<'a> {
    pub(super) random: Random,
    pub(super) mint: NissMint,
    pub(super) places: &'a Places<'a>,
    pub(super) calendar: Calendar,
}

impl<'a> FamilyMaker<'a> {
    /// A family of at most so many children. None when serials have run out, or there is no municipality.
    pub(super) fn family(&mut self, most: u32) -> Option<Family<'a>> {
        let size = u32::try_from(self.random.weighted(&SIZES)).ok()? + 1;
        let days = self.birth_days(size.min(most));
        let place = self.places.pick(&mut self.random)?;
        let postcode = place.postcode(&mut self.random);
        let eldest = days.first().copied()?;
        let youngest = days.last().copied()?;
        let rate = place.sociale_toeslag * age_factor(age(youngest)) / 100;
        let sociale = self.random.below(1000) < rate;
        let name = self.random.pick(names::LAST);
        let other_name = self.random.pick(names::LAST);
        let mut children = Vec::with_capacity(days.len());
        for days in days {
            children.push(self.child(days, (name, other_name), sociale)?);
        }
        let splittable = children.iter().any(|child| child.gets.second().is_some());
        let is_split = splittable && self.random.happens(800);
        let alone = children.len() == 1 && eldest > 18 * YEAR && self.random.happens(300);
        let first = match children.first() {
            Some(child) if alone && !is_split => {
                let columns = (child.last_name.clone(), child.first_name);
                self.household(child.niss, (&columns.0, columns.1), None, (place, postcode))
            }
            _ => self.parent(eldest, Sex::Female, (name, other_name), (place, postcode), is_split)?,
        };
        let second = if is_split {
            let moved = if self.random.happens(3000) { self.places.pick(&mut self.random)? } else { place };
            let postcode = moved.postcode(&mut self.random);
            Some(self.parent(eldest, Sex::Male, (other_name, name), (moved, postcode), true)?)
        } else {
            None
        };
        Some(Family { children, place, postcode, first, second })
    }

    /// How many days ago the children were born, the eldest first.
    fn birth_days(&mut self, size: u32) -> Vec<u32> {
        let age = u32::try_from(self.random.weighted(&AGES)).unwrap_or_default();
        // 1 to 364 days beyond the birthday.
        let anchor = age * FOUR_YEARS / 4 + 1 + self.random.below(YEAR - 1);
        let older = self.random.below(size);
        let mut days = vec![anchor];
        let (mut up, mut down) = (anchor, anchor);
        for nth in 1..size {
            let apart = DAYS_APART.0 + self.random.below(DAYS_APART.1);
            // Whoever would be too old or not yet born is put at the other end.
            let goes_up = if nth <= older { up + apart <= LAST_DAY } else { down <= apart };
            if goes_up {
                up = (up + apart).min(LAST_DAY);
                days.push(up);
            } else {
                down = down.saturating_sub(apart).max(1);
                days.push(down);
            }
        }
        days.sort_unstable_by(|one, other| other.cmp(one));
        days
    }

    fn child(&mut self, days: u32, (name, other): (&str, &str), sociale: bool) -> Option<Child> {
        let random = &mut self.random;
        let sex = if random.happens(5120) { Sex::Male } else { Sex::Female };
        let kind = match random.below(1000) {
            0..12 => NumberKind::Bis,
            12..15 => NumberKind::BisSexUnknown,
            15..18 => NumberKind::DateUnknown,
            _ => NumberKind::National,
        };
        let age = age(days);
        let gets = Gets::draw(age, sociale, random);
        // Most children bear the name of the parent who is not paid first, some both names.
        let last_name = match random.below(100) {
            0..8 => format!("{other} {name}"),
            8..30 => name.to_owned(),
            _ => other.to_owned(),
        };
        let first_name = random.pick(if sex == Sex::Male { names::MALE } else { names::FEMALE });
        let (niss, born) = self.number(days, sex, kind)?;
        let born = (kind != NumberKind::DateUnknown).then_some(born);
        Some(Child { niss, kind, born, age, last_name, first_name, gets })
    }

    /// A number for somebody born so many days ago, or somewhat later when the serials of that day have run out.
    fn number(&mut self, days: u32, sex: Sex, kind: NumberKind) -> Option<(Niss, Date)> {
        (0..YEAR).find_map(|later| {
            let born = self.calendar.days_ago(days.saturating_sub(later).max(1))?;
            self.mint.give(born, sex, kind).map(|niss| (niss, born))
        })
    }

    fn parent(
        &mut self,
        eldest: u32,
        sex: Sex,
        (name, other): (&str, &str),
        place: (&Place<'_>, u16),
        apart: bool,
    ) -> Option<Household> {
        // One parent in seven who is paid first is the father.
        let sex = if sex == Sex::Female && self.random.happens(1400) { Sex::Male } else { sex };
        let days = eldest + 20 * YEAR + self.random.below(20 * YEAR);
        let (niss, _) = self.number(days, sex, NumberKind::National)?;
        let (own, partners) =
            if sex == Sex::Male { (names::MALE, names::FEMALE) } else { (names::FEMALE, names::MALE) };
        let first_name = self.random.pick(own);
        let single_parent = self.random.happens(if apart { 5000 } else { 1500 });
        let partner = (!single_parent && self.random.happens(3000)).then(|| self.random.pick(partners));
        let joint = partner.map(|partner| format!("{name} {first_name} - {other} {partner}"));
        let mut household = self.household(niss, (name, first_name), joint, place);
        household.single_parent = single_parent;
        Some(household)
    }

    /// A household's columns from the last name to the account.
    fn household(
        &mut self,
        niss: Niss,
        (last, first): (&str, &str),
        joint_holder: Option<String>,
        (place, postcode): (&Place<'_>, u16),
    ) -> Household {
        let random = &mut self.random;
        // Writing to a string cannot fail, here and below.
        let mut columns = format!("{last};{first};");
        if random.happens(30) {
            let (country, postcode, municipality, street) = random.pick(names::ABROAD);
            let number = 1 + random.below(120);
            let _ = write!(columns, "{street};{number};;{postcode};{municipality};{country};");
        } else {
            let (street, number) = (random.pick(names::STREETS), 1 + random.below(190));
            let letter = if random.happens(600) { random.pick(&["A", "B", "C", "/1"]) } else { "" };
            let name = place.name;
            let box_number = box_number(random);
            let _ = write!(columns, "{street};{number}{letter};{box_number};{postcode};{name};BE;");
        }
        let account = match random.below(1000) {
            0..5 => None,
            5..9 => Some(foreign_iban(random)),
            _ => Some(belgian_iban(random)),
        };
        // Without an account there is no holder either.
        let holder = account.as_ref().map(|_| joint_holder.unwrap_or_else(|| format!("{last} {first}")));
        let _ = write!(columns, "{};{}", holder.unwrap_or_default(), account.as_deref().unwrap_or_default());
        Household { niss, single_parent: false, columns, has_iban: account.is_some() }
    }
}

/// The age of somebody born so many days ago, but for a day or two around a birthday.
fn age(days: u32) -> u32 {
    days * 4 / FOUR_YEARS
}

/// The box of an address: mostly none, and now and then one that has to stand in quotes.
fn box_number(random: &mut Random) -> String {
    match random.below(4000) {
        0 => "\"2; links\"".to_owned(),
        1 => "\"3 \"\"achter\"\"\"".to_owned(),
        2..300 => format!("{:04}", random.below(8) * 100 + random.below(6) + 1),
        300..700 => (1 + random.below(40)).to_string(),
        _ => String::new(),
    }
}

/// How much likelier a family is to have the sociale toeslag by the age of its youngest child, in hundredths: 26.6 %
/// of children up to 5 and 20 % of those from 18 on have it, of 24.2 % of all. A grown-up child whose youngest
/// sibling is not grown up counts with the middle class, hence the lower number for the last.
fn age_factor(age: u32) -> u32 {
    match age {
        0..=5 => 110,
        6..=17 => 99,
        _ => 77,
    }
}

impl Gets {
    /// Rates of ten thousand that give the yearly numbers of DOMAIN section 6; those for orphans and foster children
    /// are guesses.
    fn draw(age: u32, sociale: bool, random: &mut Random) -> Self {
        let basis = true;
        let start = age == 0;
        let (zorg, wezen, pleegzorg) = (random.happens(270), random.happens(150), random.happens(50));
        let opvang = age < 3 && random.happens(960);
        let kleuter = matches!(age, 3 | 4) && random.happens(6500);
        let school = age >= 3 && random.happens(if sociale { 8000 } else { 2200 });
        Self([basis, start, sociale, zorg, wezen, pleegzorg, opvang, kleuter, school])
    }

    /// The sociale toeslag and the zorgtoeslag: what co-parents share.
    fn splittable(self) -> (bool, bool) {
        let [_, _, sociale, zorg, ..] = self.0;
        (sociale, zorg)
    }

    /// Whether the sociale toeslag is among it.
    pub(super) fn sociale(self) -> bool {
        self.splittable().0
    }

    /// Writes the sources of the first household's row.
    pub(super) fn write_first(self, is_split: bool, into: &mut String) {
        let shared = [false, false, true, true, false, false, false, false, false];
        for ((gets, code), is_shared) in self.0.into_iter().zip(SOURCE_CODES).zip(shared) {
            if !gets {
                continue;
            }
            let share = if is_split && is_shared { "0.5" } else { "1" };
            let separator = if into.is_empty() { "" } else { "|" };
            // Writing to a string cannot fail.
            let _ = write!(into, "{separator}{code}={share}");
        }
    }

    /// The sources of the second household's row: only what is split. None when nothing is.
    pub(super) fn second(self) -> Option<&'static str> {
        match self.splittable() {
            (true, true) => Some("sociale_toeslag=0.5|zorgtoeslag=0.5"),
            (true, false) => Some("sociale_toeslag=0.5"),
            (false, true) => Some("zorgtoeslag=0.5"),
            (false, false) => None,
        }
    }
}
