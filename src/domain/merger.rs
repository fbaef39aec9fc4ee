//! Municipalities that are no more: which one each became. Names and codes changed, postcodes did not.

use super::NisCode;

/// The mergers of 1 January 2025: the code that ended, and the code of what it became. 28 municipalities became 13;
/// Antwerp kept its code when it took in Borsbeek, and so stands on the right only.
const OF_2025: [(u32, u32); 27] = [
    (11_007, 11_002),
    (11_056, 46_030),
    (23_023, 23_106),
    (23_024, 23_106),
    (23_032, 23_106),
    (37_007, 37_022),
    (37_012, 37_021),
    (37_015, 37_022),
    (37_018, 37_021),
    (44_012, 44_086),
    (44_034, 44_087),
    (44_040, 44_088),
    (44_043, 44_088),
    (44_045, 46_029),
    (44_048, 44_086),
    (44_073, 44_087),
    (46_003, 46_030),
    (46_013, 46_030),
    (46_014, 46_029),
    (71_022, 71_072),
    (71_057, 71_071),
    (71_069, 71_071),
    (73_006, 73_110),
    (73_009, 73_111),
    (73_032, 73_110),
    (73_040, 71_072),
    (73_083, 73_111),
];

/// A code that ended with a merger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merger {
    /// The code that is no more.
    pub former: NisCode,
    /// The code of the municipality that it became.
    pub today: NisCode,
    /// The year from which that holds.
    pub year: u16,
}

/// The mergers that this program knows, without those before 2025.
pub fn mergers() -> impl Iterator<Item = Merger> {
    OF_2025.into_iter().filter_map(|(former, today)| {
        Some(Merger { former: NisCode::of(former)?, today: NisCode::of(today)?, year: 2025 })
    })
}

/// What became of a code, where it ended with a merger that this program knows.
pub fn merger_of(former: NisCode) -> Option<Merger> {
    mergers().find(|merger| merger.former == former)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Municipalities;
    use std::collections::BTreeSet;

    #[test]
    fn every_merged_municipality_became_one_of_today() {
        let table = Municipalities::parse(include_str!("../../config/municipalities.csv")).unwrap();
        let former: BTreeSet<_> = mergers().map(|merger| merger.former).collect();
        let today: BTreeSet<_> = mergers().map(|merger| merger.today).collect();
        // With Antwerp, which kept its code, 28 became 13.
        assert_eq!((former.len(), today.len()), (27, 13));
        for merger in mergers() {
            assert_eq!(table.by_code(merger.former), None, "{merger:?}");
            assert!(table.by_code(merger.today).is_some(), "{merger:?}");
        }
        assert_eq!(merger_of("23023".parse().unwrap()).map(|merger| merger.today.to_string()), Some("23106".into()));
        assert_eq!(merger_of("72004".parse().unwrap()), None);
    }
}
