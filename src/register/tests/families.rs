//! Selecting by what is a family's: a child of two households belongs to two families.

use super::*;
use crate::domain::assignment::Between;

const MOTHER: &str = "85073003328";
const FATHER: &str = "93051822361";
const EVA: &str = "17073003384";

/// A row of one child: dossier, rank, family size, single parent, beneficiary, sources.
type Written<'a> = (&'a str, u8, u8, u8, &'a str, &'a str);

fn register(rows: &[Written<'_>]) -> Register {
    let mut extract = Field::ALL.map(Field::name).join(";") + "\n";
    for (dossier, rank, size, single, beneficiary, sources) in rows {
        extract.extend([format!(
            "2026-11;{dossier};{EVA};Claes;Eva;;31033;8820;{rank};{size};{single};{beneficiary};Claes;An;Markt;1;;8820;\
             Torhout;BE;;;{sources}\n"
        )]);
    }
    read(extract).unwrap()
}

fn id(code: &str) -> SourceId {
    CATALOGUE.id(code).unwrap()
}

/// Criteria, who is entitled by them, and of each criterion whether it alone keeps the child out.
type Case<'a> = (Criteria, Vec<&'a String>, Vec<(&'static str, u64)>);

/// Who is entitled by which dossiers' rows, and of each criterion whether it alone keeps the child out.
fn found(register: &Register, criteria: &Criteria) -> (Vec<String>, Vec<(&'static str, u64)>) {
    let selection = register.select("31033".parse().unwrap(), criteria);
    let entitled = selection.children().iter().flat_map(|child| selection.entitled(*child));
    let entitled: Vec<_> =
        entitled.map(|right| format!("{}={}", text(right.household.beneficiary().digits()), right.share)).collect();
    let by_rights = selection.children().iter().flat_map(|child| selection.rights(*child)).count();
    assert!(by_rights >= entitled.len());
    assert_eq!(selection.children().is_empty(), entitled.is_empty(), "who is selected has somebody who is entitled");
    let tally = register.tally(&selection, jiff::civil::date(2026, 11, 21));
    assert_eq!(
        (tally.families, tally.beneficiaries),
        (entitled.len() as u64, entitled.len() as u64),
        "families and beneficiaries"
    );
    (entitled, selection.removed_alone().map(|(criterion, count)| (criterion.name(), count)).collect())
}

#[test]
fn each_household_is_selected_by_its_own_family() {
    let mother = ("1", 2, 3, 0, MOTHER, "sociale_toeslag=0.5|schooltoeslag=1");
    let father = ("2", 1, 1, 1, FATHER, "sociale_toeslag=0.5");
    let (of_mother, of_father) = (format!("{MOTHER}=0.5"), format!("{FATHER}=0.5"));
    let social = Criteria { any_of: vec![id("sociale_toeslag")], ..Criteria::default() };
    let at_least = |number| Between { at_least: Some(number), at_most: None };
    let at_most = |number| Between { at_least: None, at_most: Some(number) };
    let cases: [Case<'_>; 7] = [
        (social.clone(), vec![&of_mother, &of_father], vec![("any_of", 0)]),
        (Criteria { rank: at_least(2), ..social.clone() }, vec![&of_mother], vec![("any_of", 0), ("rank", 0)]),
        (
            Criteria { family_size: at_most(1), ..social.clone() },
            vec![&of_father],
            vec![("any_of", 0), ("family_size", 0)],
        ),
        (
            Criteria { single_parent: Some(true), ..social.clone() },
            vec![&of_father],
            vec![("any_of", 0), ("single_parent", 0)],
        ),
        // No family has both, and the child is not put together out of two.
        (
            Criteria { rank: at_least(2), single_parent: Some(true), ..social.clone() },
            vec![],
            vec![("any_of", 0), ("rank", 1), ("single_parent", 1)],
        ),
        // The father's family has one parent and no right to the source.
        (
            Criteria { any_of: vec![id("schooltoeslag")], single_parent: Some(true), ..Criteria::default() },
            vec![],
            vec![("any_of", 1), ("single_parent", 1)],
        ),
        // What its sources are is asked of the child, whose second row carries only what is split.
        (
            Criteria { all_of: vec![id("schooltoeslag")], family_size: at_most(1), ..social },
            vec![&of_father],
            vec![("any_of", 0), ("all_of", 0), ("family_size", 0)],
        ),
    ];
    for rows in [[mother, father], [father, mother]] {
        let register = register(&rows);
        for (criteria, entitled, alone) in &cases {
            let (mut found, kept_out) = found(&register, criteria);
            found.sort_unstable();
            let mut expected: Vec<_> = entitled.iter().map(|text| (*text).clone()).collect();
            expected.sort_unstable();
            assert_eq!((&found, &kept_out), (&expected, alone), "{criteria:?}");
        }
    }
}
