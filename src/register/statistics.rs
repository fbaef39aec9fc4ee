//! What may be told of a selection to who has no protocol: counts, small ones withheld.

use std::collections::{BTreeMap, HashSet};

use jiff::civil::Date;

use super::{Register, Right, Selection};
use crate::domain::{Count, Niss, SourceCatalogue, Statistics, date::age, statistics::Table};

/// Counts before any is withheld.
#[derive(Default)]
struct Counted {
    families: HashSet<u32>,
    beneficiaries: HashSet<Niss>,
    /// By age, unknown last.
    ages: BTreeMap<(bool, i16), u64>,
    postcodes: BTreeMap<u16, u64>,
    /// By place in the catalogue.
    sources: Vec<u64>,
    family_sizes: BTreeMap<u8, u64>,
}

impl Register {
    /// The statistics of a selection, with ages on that day.
    pub fn statistics(&self, selection: &Selection<'_>, day: Date) -> Statistics {
        let mut counted = Counted { sources: vec![0; self.catalogue.iter().count()], ..Counted::default() };
        for selected in selection.children() {
            let first = selected.first();
            for Right { household, .. } in selection.entitled(*selected) {
                counted.beneficiaries.insert(household.beneficiary());
                if counted.families.insert(household.dossier()) {
                    *counted.family_sizes.entry(household.family_size()).or_default() += 1;
                }
            }
            let years = first.child_birth_date().map(|born| age(born, day));
            *counted.ages.entry((years.is_none(), years.unwrap_or_default())).or_default() += 1;
            *counted.postcodes.entry(first.child_postcode()).or_default() += 1;
            let sources = selected.sources();
            let bits = counted.sources.iter_mut().enumerate().filter(|(bit, _)| sources & 1 << bit != 0);
            bits.for_each(|(_, count)| *count += 1);
        }
        counted.into_statistics(selection.children().len() as u64, self.catalogue())
    }
}

impl Register {
    /// How many families and how many beneficiaries a selection has.
    pub fn people(&self, selection: &Selection<'_>) -> (u64, u64) {
        let entitled = selection.children().iter().flat_map(|child| selection.entitled(*child));
        let (families, beneficiaries): (HashSet<u32>, HashSet<Niss>) =
            entitled.map(|right| (right.household.dossier(), right.household.beneficiary())).unzip();
        (families.len() as u64, beneficiaries.len() as u64)
    }
}

impl Counted {
    fn into_statistics(self, children: u64, catalogue: &SourceCatalogue) -> Statistics {
        let age = |(unknown, years): (bool, i16)| if unknown { "?".to_owned() } else { years.to_string() };
        let of_source = |code: &str| {
            let at = catalogue.id(code).map(|id| usize::from(id.index()));
            at.and_then(|at| self.sources.get(at)).copied().unwrap_or_default()
        };
        let sources = catalogue.iter().map(|(_, source)| (source.code.clone(), of_source(&source.code)));
        let sources = sources.filter(|(_, count)| *count > 0);
        Statistics {
            families: Count::of(self.families.len() as u64),
            children: Count::of(children),
            beneficiaries: Count::of(self.beneficiaries.len() as u64),
            by_source: Table::of_properties(sources.collect::<Vec<_>>(), children),
            by_age: Table::partition(self.ages.into_iter().map(|(years, count)| (age(years), count))),
            by_postcode: Table::partition(self.postcodes.into_iter().map(|(code, count)| (code.to_string(), count))),
            by_family_size: Table::partition(
                self.family_sizes.into_iter().map(|(size, count)| (size.to_string(), count)),
            ),
        }
    }
}
