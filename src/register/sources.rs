//! The combinations of sources and shares that occur in an extract: few, whatever the number of rows.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::{fault::CellProblem, index::SEVERAL};
use crate::domain::{Share, SourceCatalogue, SourceId};

/// What one row carries, by the order of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SourceSet {
    /// A bit for each source: bit 0 is the first of the catalogue.
    pub(super) bits: u64,
    pub(super) shares: Vec<(SourceId, Share)>,
}

impl SourceSet {
    /// The share of a source, when the row carries it.
    pub(super) fn share(&self, source: SourceId) -> Option<Share> {
        // Most sets lack most sources: the bits tell without a look at the shares, which lie elsewhere.
        let shares = if self.bits & (1 << source.index()) == 0 { &[][..] } else { &self.shares };
        shares.iter().find(|(other, _)| *other == source).map(|(_, share)| *share)
    }

    /// Reads `code=share`, joined by `|`; nothing at all is an empty set.
    fn parse(text: &str, catalogue: &SourceCatalogue) -> Result<Self, CellProblem> {
        let mut set = Self::default();
        for item in text.split('|').filter(|_| !text.is_empty()) {
            let (code, share) = item.split_once('=').ok_or(CellProblem::SourceShape)?;
            let source = catalogue.id(code).ok_or(CellProblem::UnknownSource)?;
            let share = share.parse().map_err(|_| CellProblem::Share)?;
            let bit = 1 << source.index();
            if set.bits & bit != 0 {
                return Err(CellProblem::SourceTwice);
            }
            set.bits |= bit;
            set.shares.push((source, share));
        }
        set.shares.sort_unstable();
        Ok(set)
    }
}

/// The different sets of an extract, by number.
#[derive(Default)]
pub(super) struct SourceSets {
    sets: Vec<SourceSet>,
    /// By the text in the extract: two orders of the same shares are two sets, which harms nothing.
    by_text: HashMap<Box<[u8]>, u16, FxBuildHasher>,
}

impl SourceSets {
    /// The number of the set that the text describes.
    pub(super) fn number(&mut self, text: &[u8], catalogue: &SourceCatalogue) -> Result<u16, CellProblem> {
        match self.by_text.get(text) {
            Some(number) => Ok(*number),
            None => self.add(text, catalogue),
        }
    }

    fn add(&mut self, text: &[u8], catalogue: &SourceCatalogue) -> Result<u16, CellProblem> {
        let number = u16::try_from(self.sets.len()).ok().filter(|number| *number < SEVERAL);
        let number = number.ok_or(CellProblem::TooManyCombinations)?;
        let readable = std::str::from_utf8(text).map_err(|_| CellProblem::NotUtf8)?;
        self.sets.push(SourceSet::parse(readable, catalogue)?);
        self.by_text.insert(text.into(), number);
        Ok(number)
    }

    /// The sets, by number.
    pub(super) fn into_sets(self) -> Vec<SourceSet> {
        self.sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::Source;

    fn catalogue() -> SourceCatalogue {
        let codes = ["basisbedrag", "sociale_toeslag", "zorgtoeslag"];
        let source = |code: &str| Source { code: code.to_owned(), name: String::new() };
        SourceCatalogue::new(codes.map(source).to_vec()).unwrap()
    }

    #[test]
    fn sets_are_read_once() {
        let (catalogue, mut sets) = (catalogue(), SourceSets::default());
        let numbers: Vec<u16> = ["basisbedrag=1", "", "basisbedrag=1|sociale_toeslag=0.5", "", "basisbedrag=1"]
            .iter()
            .map(|text| sets.number(text.as_bytes(), &catalogue).unwrap())
            .collect();
        assert_eq!(numbers, [0, 1, 2, 1, 0]);
        let sets = sets.into_sets();
        let social = catalogue.id("sociale_toeslag").unwrap();
        assert_eq!((sets[0].share(social), sets[2].share(social)), (None, Some(Share::HALF)));
        assert_eq!((sets[1].bits, sets[2].bits), (0, 3));
    }

    #[test]
    fn sets_at_fault_are_refused_by_name() {
        for (text, problem) in [
            ("basisbedrag", CellProblem::SourceShape),
            ("|basisbedrag=1", CellProblem::SourceShape),
            ("basisbedrag=1|", CellProblem::SourceShape),
            ("kindergeld=1", CellProblem::UnknownSource),
            ("basisbedrag=2", CellProblem::Share),
            ("basisbedrag=1|basisbedrag=0.5", CellProblem::SourceTwice),
        ] {
            assert_eq!(SourceSets::default().number(text.as_bytes(), &catalogue()), Err(problem), "{text}");
        }
    }
}
