//! What may be told of a selection to who has no protocol: counts, small ones withheld.

use std::collections::{BTreeMap, HashSet};

use jiff::civil::Date;

use super::{Register, Right, Selection};
use crate::domain::{Count, Niss, Statistics, date::age, statistics::Table};

/// How many a selection has, before any number is withheld. Tables are labels with their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Families.
    pub families: u64,
    /// Children.
    pub children: u64,
    /// Beneficiaries.
    pub beneficiaries: u64,
    /// Children by age in years on the day, `?` for an unknown one last.
    pub by_age: Vec<(String, u64)>,
    /// Children by the postcode of their domicile.
    pub by_postcode: Vec<(String, u64)>,
    /// Children by the code of a source; one may have several.
    pub by_source: Vec<(String, u64)>,
    /// Families by how many children they have.
    pub by_family_size: Vec<(String, u64)>,
}

impl Register {
    /// The statistics of a selection, with ages on that day.
    pub fn statistics(&self, selection: &Selection<'_>, day: Date) -> Statistics {
        self.tally(selection, day).statistics()
    }

    /// What a selection has, with ages on that day; for who may see the selection itself.
    pub fn tally(&self, selection: &Selection<'_>, day: Date) -> Tally {
        let (mut families, mut beneficiaries) = (HashSet::<u32>::new(), HashSet::<Niss>::new());
        let (mut ages, mut postcodes) = (BTreeMap::<(bool, i16), u64>::new(), BTreeMap::<u16, u64>::new());
        let mut family_sizes = BTreeMap::<u8, u64>::new();
        // By place in the catalogue.
        let mut sources = vec![0; self.catalogue.iter().count()];
        for selected in selection.children() {
            let first = selected.first();
            for Right { household, .. } in selection.entitled(*selected) {
                beneficiaries.insert(household.beneficiary());
                if families.insert(household.dossier()) {
                    *family_sizes.entry(household.family_size()).or_default() += 1;
                }
            }
            let years = first.child_birth_date().map(|born| age(born, day));
            *ages.entry((years.is_none(), years.unwrap_or_default())).or_default() += 1;
            *postcodes.entry(first.child_postcode()).or_default() += 1;
            let of_child = selected.sources();
            let bits = sources.iter_mut().enumerate().filter(|(bit, _)| of_child & 1 << bit != 0);
            bits.for_each(|(_, count): (usize, &mut u64)| *count += 1);
        }
        let age = |(unknown, years): (bool, i16)| if unknown { "?".to_owned() } else { years.to_string() };
        let of_source = |code: &str| {
            let at = self.catalogue.id(code).map(|id| usize::from(id.index()));
            at.and_then(|at| sources.get(at)).copied().unwrap_or_default()
        };
        let by_source = self.catalogue.iter().map(|(_, source)| (source.code.clone(), of_source(&source.code)));
        Tally {
            families: families.len() as u64,
            children: selection.children().len() as u64,
            beneficiaries: beneficiaries.len() as u64,
            by_age: ages.into_iter().map(|(years, count)| (age(years), count)).collect(),
            by_postcode: postcodes.into_iter().map(|(code, count)| (code.to_string(), count)).collect(),
            by_source: by_source.filter(|(_, count)| *count > 0).collect(),
            by_family_size: family_sizes.into_iter().map(|(size, count)| (size.to_string(), count)).collect(),
        }
    }
}

impl Tally {
    /// What may be shown of it.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            families: Count::of(self.families),
            children: Count::of(self.children),
            beneficiaries: Count::of(self.beneficiaries),
            by_source: Table::of_properties(self.by_source.clone(), self.children),
            by_age: Table::partition(self.by_age.clone()),
            by_postcode: Table::partition(self.by_postcode.clone()),
            by_family_size: Table::partition(self.by_family_size.clone()),
        }
    }
}
