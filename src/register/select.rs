//! Selecting children by criteria (DOMAIN section 1, the VUTG route).
//!
//! One pass over the rows, which reads nothing but them for who is not selected, gives who meets all criteria and, of
//! each criterion, how many children fail it alone.
//!
//! Domicile, birth and sources are the child's: its rows agree on the first two, and its sources are those of all of
//! them, since a second household's row carries what is split. Rank, family size and single parent are a family's: a
//! child of two households belongs to two families, and a right is assessed in each of them (DOMAIN section 1). Such a
//! child is selected by each household that meets these criteria and has a ground, and only those are paid, written to
//! and counted.

use std::collections::BTreeMap;

use super::{
    Register,
    row::{Flags, Row},
    view::{Child, Household},
};
use crate::domain::{Criteria, NisCode, Share, SourceId, assignment::Between};

/// A criterion, by its name in YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criterion {
    /// Where the child lives within the municipality.
    Postcodes,
    /// Of these sources one.
    AnyOf,
    /// Of these sources all.
    AllOf,
    /// Of these sources none.
    NoneOf,
    /// When the child was born.
    Born,
    /// The child's place in the family.
    Rank,
    /// The family's children.
    FamilySize,
    /// One parent or not.
    SingleParent,
}

impl Criterion {
    /// Every criterion.
    pub const ALL: [Self; 8] = [
        Self::Postcodes,
        Self::AnyOf,
        Self::AllOf,
        Self::NoneOf,
        Self::Born,
        Self::Rank,
        Self::FamilySize,
        Self::SingleParent,
    ];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postcodes => "postcodes",
            Self::AnyOf => "any_of",
            Self::AllOf => "all_of",
            Self::NoneOf => "none_of",
            Self::Born => "born",
            Self::Rank => "rank",
            Self::FamilySize => "family_size",
            Self::SingleParent => "single_parent",
        }
    }

    /// Whether the criteria demand anything of it.
    pub fn demanded_by(self, criteria: &Criteria) -> bool {
        match self {
            Self::Postcodes => !criteria.postcodes.is_empty(),
            Self::AnyOf => !criteria.any_of.is_empty(),
            Self::AllOf => !criteria.all_of.is_empty(),
            Self::NoneOf => !criteria.none_of.is_empty(),
            Self::Born => !criteria.born.is_open(),
            Self::Rank => !criteria.rank.is_open(),
            Self::FamilySize => !criteria.family_size.is_open(),
            Self::SingleParent => criteria.single_parent.is_some(),
        }
    }

    /// A bit of its own.
    fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Its bit where it is not met.
    fn bit_unless(self, met: bool) -> u8 {
        if met { 0 } else { self.bit() }
    }
}

/// The children of a municipality who meet some criteria.
pub struct Selection<'a> {
    grounds: Vec<SourceId>,
    family: FamilyDemands,
    children: Vec<Selected<'a>>,
    alone: BTreeMap<Criterion, u64>,
    of_municipality: u64,
    undated: u64,
}

/// A child who was selected.
#[derive(Clone, Copy)]
pub struct Selected<'a> {
    first: Household<'a>,
}

/// What a beneficiary has a right to for a child.
#[derive(Clone, Copy)]
pub struct Right<'a> {
    /// The (child, beneficiary).
    pub household: Household<'a>,
    /// The source.
    pub source: SourceId,
    /// The part.
    pub share: Share,
}

impl Register {
    /// Selects the children who live in a municipality and meet all criteria, in the order of the extract.
    pub fn select(&self, municipality: NisCode, criteria: &Criteria) -> Selection<'_> {
        let demands = Demands::new(criteria);
        let mut selection = Selection {
            grounds: criteria.grounds(),
            family: demands.family,
            children: Vec::new(),
            alone: demands.made.iter().map(|criterion| (*criterion, 0)).collect(),
            of_municipality: 0,
            undated: 0,
        };
        let number = self.municipalities.iter().position(|code| *code == municipality);
        let Some(number) = number.and_then(|number| u16::try_from(number).ok()) else { return selection };
        for row in self.rows.iter().filter(|row| row.municipality == number && !row.flags.has(Flags::IS_LATER)) {
            selection.take(self, row, criteria, &demands);
        }
        selection
    }
}

/// What is asked of a family, which a household of the child is of.
#[derive(Clone, Copy)]
struct FamilyDemands {
    rank: Between,
    family_size: Between,
    single_parent: Option<bool>,
}

impl FamilyDemands {
    /// The bits of the criteria that a row does not meet.
    fn failed(self, row: &Row) -> u8 {
        let single = row.flags.has(Flags::SINGLE_PARENT);
        Criterion::Rank.bit_unless(self.rank.contains(row.rank))
            | Criterion::FamilySize.bit_unless(self.family_size.contains(row.family_size))
            | Criterion::SingleParent.bit_unless(self.single_parent.is_none_or(|demanded| demanded == single))
    }
}

/// The criteria in the form in which rows are asked.
struct Demands {
    made: Vec<Criterion>,
    family: FamilyDemands,
    postcodes: Vec<u16>,
    any_of: u64,
    all_of: u64,
    none_of: u64,
}

impl Demands {
    fn new(criteria: &Criteria) -> Self {
        let bits = |sources: &[SourceId]| sources.iter().fold(0_u64, |bits, source| bits | 1 << source.index());
        let mut postcodes = criteria.postcodes.clone();
        postcodes.sort_unstable();
        let Criteria { rank, family_size, single_parent, .. } = *criteria;
        Self {
            made: Criterion::ALL.into_iter().filter(|criterion| criterion.demanded_by(criteria)).collect(),
            family: FamilyDemands { rank, family_size, single_parent },
            postcodes,
            any_of: bits(&criteria.any_of),
            all_of: bits(&criteria.all_of),
            none_of: bits(&criteria.none_of),
        }
    }

    /// The bits of the criteria that a child does not meet, whatever its families.
    fn failed(&self, criteria: &Criteria, row: &Row, sources: u64) -> u8 {
        let lives_there = self.postcodes.is_empty() || self.postcodes.binary_search(&row.postcode).is_ok();
        Criterion::Postcodes.bit_unless(lives_there)
            | Criterion::AnyOf.bit_unless(self.any_of == 0 || sources & self.any_of != 0)
            | Criterion::AllOf.bit_unless(sources & self.all_of == self.all_of)
            | Criterion::NoneOf.bit_unless(sources & self.none_of == 0)
            | Criterion::Born.bit_unless(criteria.born.contains(row.birth.date()))
    }

    /// Whether a household has one of the grounds that are left when a criterion is dropped; also where there are none.
    fn has_ground(&self, household: Household<'_>, dropped: Option<Criterion>) -> bool {
        let grounds = match dropped {
            Some(Criterion::AnyOf) => self.all_of,
            Some(Criterion::AllOf) => self.any_of,
            _ => self.any_of | self.all_of,
        };
        grounds == 0 || household.source_bits() & grounds != 0
    }
}

impl<'a> Selection<'a> {
    fn take(&mut self, register: &'a Register, row: &'a Row, criteria: &Criteria, demands: &Demands) {
        let selected = Selected { first: Household { register, row } };
        let of_child = demands.failed(criteria, row, selected.sources());
        self.of_municipality += 1;
        // Of the criteria those that keep the child out alone, in one household or another.
        let mut alone = 0;
        for household in selected.households() {
            let failed = of_child | demands.family.failed(household.row);
            if failed == 0 && demands.has_ground(household, None) {
                self.children.push(selected);
                return;
            }
            let without = |made: &&Criterion| failed & !made.bit() == 0 && demands.has_ground(household, Some(**made));
            alone |= demands.made.iter().filter(without).fold(0, |bits, made| bits | made.bit());
        }
        for (criterion, count) in &mut self.alone {
            *count += u64::from(alone & criterion.bit() != 0);
        }
        self.undated += u64::from(alone & Criterion::Born.bit() != 0 && row.birth.date().is_none());
    }

    /// The selected children, in the order of the extract.
    pub fn children(&self) -> &[Selected<'a>] {
        &self.children
    }

    /// Of each criterion that demands something, how many children would be selected without it and are not.
    pub fn removed_alone(&self) -> impl Iterator<Item = (Criterion, u64)> {
        self.alone.iter().map(|(criterion, count)| (*criterion, *count))
    }

    /// The children of the municipality.
    pub fn of_municipality(&self) -> u64 {
        self.of_municipality
    }

    /// Children who are not selected for nothing but an unknown birth date.
    pub fn undated(&self) -> u64 {
        self.undated
    }

    /// The households that a child was selected by: those whose family meets the criteria.
    fn households(&self, selected: Selected<'a>) -> impl Iterator<Item = Household<'a>> + use<'a> {
        let family = self.family;
        selected.households().filter(move |household| family.failed(household.row) == 0)
    }

    /// The source that decides whom a child's part goes to: the first ground that a household has which the child was
    /// selected by; where the criteria name none, the first source of the catalogue that one has.
    pub fn deciding(&self, selected: Selected<'a>) -> Option<SourceId> {
        let sources = self.households(selected).fold(0, |bits, household| bits | household.source_bits());
        let named = self.grounds.iter().find(|source| sources & 1 << source.index() != 0).copied();
        match named {
            None if self.grounds.is_empty() => {
                selected.first.register.catalogue.iter().map(|(id, _)| id).find(|id| sources & 1 << id.index() != 0)
            }
            named => named,
        }
    }

    /// The beneficiaries of the deciding source with their shares, in the order of the extract.
    pub fn entitled(&self, selected: Selected<'a>) -> impl Iterator<Item = Right<'a>> + use<'a> {
        let source = self.deciding(selected);
        self.households(selected).filter_map(move |household| {
            let source = source?;
            household.share(source).map(|share| Right { household, source, share })
        })
    }

    /// What the child was selected for: each beneficiary with each ground that its row carries; where the criteria
    /// name no source, with the deciding one.
    pub fn rights(&self, selected: Selected<'a>) -> impl Iterator<Item = Right<'a>> {
        let only = self.grounds.is_empty().then(|| self.deciding(selected)).flatten();
        let grounds = self.grounds.iter().copied().chain(only);
        self.households(selected).flat_map(move |household| {
            let grounds = grounds.clone();
            grounds.filter_map(move |source| household.share(source).map(|share| Right { household, source, share }))
        })
    }

    /// What all children were selected for, one after the other; where it is not to be told who receives, each source of a
    /// child once.
    pub fn all_rights(&self, each_beneficiary: bool) -> impl Iterator<Item = Right<'a>> {
        self.children.iter().flat_map(move |child| {
            let mut seen = 0_u64;
            self.rights(*child).filter(move |right| {
                let source = 1 << right.source.index();
                let is_first = seen & source == 0;
                seen |= source;
                each_beneficiary || is_first
            })
        })
    }
}

impl<'a> Selected<'a> {
    /// The child's first row.
    pub fn first(self) -> Household<'a> {
        self.first
    }

    /// The child's rows, in the order of the extract. Only a child with several is looked up.
    fn households(self) -> impl Iterator<Item = Household<'a>> {
        let Household { register, row } = self.first;
        let several = row.flags.has(Flags::HAS_LATER).then(|| register.index.find(row.child)).flatten();
        let others = several.map(|entry| Child { register, entry }.households().skip(1));
        std::iter::once(self.first).chain(others.into_iter().flatten())
    }

    /// The sources of all its rows, a bit each, as in [`Household::source_bits`].
    pub fn sources(self) -> u64 {
        self.households().fold(0, |bits, household| bits | household.source_bits())
    }
}
