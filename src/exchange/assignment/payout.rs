//! What a selection brings: to each family, to each beneficiary.

use std::collections::HashMap;

use crate::{
    domain::{Amount, Niss, assignment::Unit},
    register::{Household, Selection},
};

/// What a beneficiary gets within one family, for its selected children.
pub(super) struct Claim<'a> {
    /// The beneficiary's row of the first of the children.
    pub household: Household<'a>,
    /// First names of the children, in the order of the extract.
    pub children: Vec<&'a str>,
    /// The sum; nothing where the assignment does not pay.
    pub amount: Amount,
}

/// What is paid for, by the assignment's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Units {
    /// All of them.
    pub number: u64,
    /// Those that are paid less than the amount, since their households have a right to a part only.
    pub in_part: u64,
}

impl Units {
    /// Of what each of them brings.
    fn of<'b>(brought: impl IntoIterator<Item = &'b Amount>, amount: Amount) -> Self {
        brought.into_iter().fold(Self { number: 0, in_part: 0 }, |units, brought| Self {
            number: units.number + 1,
            in_part: units.in_part + u64::from(*brought < amount),
        })
    }
}

/// All claims, in the order of the extract.
pub(super) struct Claims<'a> {
    claims: Vec<Claim<'a>>,
    units: Units,
}

impl<'a> Claims<'a> {
    /// Shares the amount of each unit between its beneficiaries.
    ///
    /// A child's amount follows the shares of its deciding source. A family's is claimed once, however many of its
    /// children are selected: each of its beneficiaries gets the largest part that one of them would bring, and together
    /// they get no more than one of the children brings the family. A child with two households belongs to two families,
    /// each of which gets its part.
    pub fn of(selection: &Selection<'a>, unit: Unit, amount: Amount) -> Self {
        let mut claims: Vec<Claim<'a>> = Vec::new();
        let mut places: HashMap<(u32, Niss), usize> = HashMap::new();
        let mut by_child: Vec<Amount> = Vec::with_capacity(selection.children().len());
        let mut brought: HashMap<u32, Amount> = HashMap::new();
        for selected in selection.children() {
            let mut of_child: HashMap<u32, Amount> = HashMap::new();
            let rights: Vec<_> = selection.entitled(*selected).collect();
            // The odd cent goes to the same one of the parents for each of their children, whoever stands first.
            let mut ordered: Vec<_> = rights.iter().map(|right| (right.household.beneficiary(), right.share)).collect();
            ordered.sort_unstable_by_key(|(beneficiary, _)| *beneficiary);
            let parts = amount.parts(ordered.iter().map(|(_, share)| *share));
            let parts: HashMap<Niss, Amount> = ordered.iter().map(|(beneficiary, _)| *beneficiary).zip(parts).collect();
            let (_, first_name) = selected.first().child_name();
            for right in rights {
                let household = right.household;
                let part = parts.get(&household.beneficiary()).copied().unwrap_or(Amount::ZERO);
                *of_child.entry(household.dossier()).or_default() += part;
                let place = places.entry((household.dossier(), household.beneficiary())).or_insert(claims.len());
                match claims.get_mut(*place) {
                    None => claims.push(Claim { household, children: vec![first_name], amount: part }),
                    Some(claim) => {
                        claim.children.push(first_name);
                        claim.amount = match unit {
                            Unit::Child => claim.amount + part,
                            Unit::Family => claim.amount.max(part),
                        };
                    }
                }
            }
            by_child.push(of_child.values().copied().sum());
            for (family, sum) in of_child {
                let most = brought.entry(family).or_default();
                *most = sum.max(*most);
            }
        }
        let units = match unit {
            Unit::Child => Units::of(&by_child, amount),
            Unit::Family => {
                share_once(&mut claims, &brought);
                Units::of(brought.values(), amount)
            }
        };
        Self { claims, units }
    }

    /// The claims of each family as one, for its letter: that of the first beneficiary, with what all of the family
    /// get together.
    pub fn by_family(self) -> Vec<Claim<'a>> {
        let mut families: Vec<Claim<'a>> = Vec::new();
        let mut places: HashMap<u32, usize> = HashMap::new();
        for claim in self.claims {
            let place = *places.entry(claim.household.dossier()).or_insert(families.len());
            match families.get_mut(place) {
                None => families.push(claim),
                Some(family) => {
                    family.amount += claim.amount;
                    for child in claim.children {
                        if !family.children.contains(&child) {
                            family.children.push(child);
                        }
                    }
                }
            }
        }
        families
    }
}

/// Brings what the beneficiaries of each family claim down to what the family gets, in proportion and to the cent.
fn share_once(claims: &mut [Claim<'_>], brought: &HashMap<u32, Amount>) {
    let mut claimed: HashMap<u32, Amount> = HashMap::new();
    for claim in claims.iter() {
        *claimed.entry(claim.household.dossier()).or_default() += claim.amount;
    }
    // Of each family what was claimed so far, and what was given for it.
    let mut so_far: HashMap<u32, (Amount, Amount)> = HashMap::new();
    for claim in claims {
        let family = claim.household.dossier();
        let (all, due) = [&claimed, brought].map(|of| of.get(&family).copied().unwrap_or_default()).into();
        if all <= due {
            continue;
        }
        let (before, given) = so_far.entry(family).or_default();
        *before += claim.amount;
        let until_here = due.part_of(*before, all);
        claim.amount = Amount::from_cents(until_here.cents().saturating_sub(given.cents()));
        *given = until_here;
    }
}

/// What one beneficiary gets, of all families together.
#[derive(Clone, Copy)]
pub(super) struct Payout<'a> {
    /// A row of the beneficiary: the first that has an account, or else the first.
    pub household: Household<'a>,
    /// The sum; never nothing.
    pub amount: Amount,
}

/// What all get: a line for each beneficiary.
pub(super) struct Payouts<'a> {
    /// To an account, in the order of the extract.
    pub to_accounts: Vec<Payout<'a>>,
    /// To who has no account, in the order of the extract.
    pub without_account: Vec<Payout<'a>>,
    /// What it is paid for.
    pub units: Units,
}

impl<'a> Payouts<'a> {
    /// Adds up what each beneficiary claims.
    pub fn of(selection: &Selection<'a>, unit: Unit, amount: Amount) -> Self {
        let Claims { claims, units } = Claims::of(selection, unit, amount);
        let mut payouts: Vec<Payout<'a>> = Vec::new();
        let mut places: HashMap<Niss, usize> = HashMap::new();
        for Claim { household, amount, .. } in claims {
            let place = *places.entry(household.beneficiary()).or_insert(payouts.len());
            match payouts.get_mut(place) {
                None => payouts.push(Payout { household, amount }),
                Some(payout) => {
                    payout.amount += amount;
                    if !payout.has_account() {
                        payout.household = household;
                    }
                }
            }
        }
        let payouts = payouts.into_iter().filter(|payout| payout.amount > Amount::ZERO);
        let (to_accounts, without_account) = payouts.partition(Payout::has_account);
        Self { to_accounts, without_account, units }
    }

    /// How many get something.
    pub fn number(&self) -> u64 {
        (self.to_accounts.len() + self.without_account.len()) as u64
    }

    /// What all of them get together.
    pub fn total(&self) -> Amount {
        total(&self.to_accounts) + total(&self.without_account)
    }
}

/// The sum of some.
pub(super) fn total(payouts: &[Payout<'_>]) -> Amount {
    payouts.iter().map(|payout| payout.amount).sum()
}

impl Payout<'_> {
    fn has_account(&self) -> bool {
        self.household.iban().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Criteria, Municipalities, SourceCatalogue, source::Source},
        register::Register,
    };

    /// Rows: dossier, child, first name, family size, beneficiary, account, sources.
    fn register(rows: &[(u32, &str, &str, &str, &str, &str)]) -> Register {
        let mut extract =
            "reference_month;dossier;child_niss;child_last_name;child_first_name;birth_date;child_nis_code;\
            child_postcode;rank;family_size;single_parent;beneficiary_niss;beneficiary_last_name;\
            beneficiary_first_name;street;house_number;box;postcode;municipality;country;account_holder;iban;sources\n"
                .to_owned();
        for (dossier, child, name, beneficiary, iban, sources) in rows {
            let holder = if iban.is_empty() { "" } else { "Claes Eva" };
            extract.extend([format!(
                "2026-11;{dossier};{child};Claes;{name};;31033;8820;1;2;0;{beneficiary};Claes;Eva;Markt;1;;8820;Torhout;BE;\
                 {holder};{iban};{sources}\n"
            )]);
        }
        let source = |code: &str| Source { code: code.to_owned(), name: String::new() };
        let catalogue = SourceCatalogue::new(["sociale_toeslag", "schooltoeslag"].map(source).to_vec()).unwrap();
        let table = Municipalities::parse("h\n31033;Torhout;West-Vlaanderen;8820\n").unwrap();
        Register::read(extract.as_bytes(), &catalogue, &table).unwrap()
    }

    const MOTHER: &str = "85073003328";
    const FATHER: &str = "93051822361";
    const EVA: &str = "17073003384";
    const JAN: &str = "19081300193";
    const IBAN: &str = "BE71096123456769";

    fn sums(register: &Register, unit: Unit, cents: u64) -> Vec<(String, u64)> {
        let catalogue = register.catalogue();
        let criteria = Criteria { any_of: vec![catalogue.id("sociale_toeslag").unwrap()], ..Criteria::default() };
        let selection = register.select("31033".parse().unwrap(), &criteria);
        let payouts = Payouts::of(&selection, unit, Amount::from_cents(cents));
        let all = payouts.to_accounts.iter().chain(&payouts.without_account);
        all.map(|payout| {
            let digits = payout.household.beneficiary().digits();
            (digits.into_iter().map(char::from).collect(), payout.amount.cents())
        })
        .collect()
    }

    #[test]
    fn co_parents_share_to_the_cent_and_a_beneficiary_has_one_line() {
        let register = register(&[
            (1, EVA, "Eva", MOTHER, IBAN, "sociale_toeslag=0.5"),
            (2, EVA, "Eva", FATHER, "", "sociale_toeslag=0.5"),
            (1, JAN, "Jan", MOTHER, IBAN, "sociale_toeslag=1|schooltoeslag=1"),
        ]);
        let of = |niss: &str, cents| (niss.to_owned(), cents);
        assert_eq!(sums(&register, Unit::Child, 7501), [of(MOTHER, 3751 + 7501), of(FATHER, 3750)]);
        // The mother's family is paid once, for the child that brings most; the father's gets its part.
        assert_eq!(sums(&register, Unit::Family, 7501), [of(MOTHER, 7501), of(FATHER, 3750)]);
    }

    #[test]
    fn the_odd_cent_of_a_family_is_paid_once_whichever_parent_stands_first() {
        let register = register(&[
            (1, EVA, "Eva", MOTHER, IBAN, "sociale_toeslag=0.5"),
            (2, EVA, "Eva", FATHER, "", "sociale_toeslag=0.5"),
            (2, JAN, "Jan", FATHER, "", "sociale_toeslag=0.5"),
            (1, JAN, "Jan", MOTHER, IBAN, "sociale_toeslag=0.5"),
        ]);
        let of = |niss: &str, cents| (niss.to_owned(), cents);
        assert_eq!(sums(&register, Unit::Family, 7501), [of(MOTHER, 3751), of(FATHER, 3750)]);
    }

    #[test]
    fn a_family_with_two_beneficiaries_is_paid_once() {
        let of = |niss: &str, cents| (niss.to_owned(), cents);
        let whole = register(&[
            (1, EVA, "Eva", MOTHER, IBAN, "sociale_toeslag=1"),
            (1, JAN, "Jan", FATHER, "", "sociale_toeslag=1"),
        ]);
        assert_eq!(sums(&whole, Unit::Family, 7501), [of(MOTHER, 3751), of(FATHER, 3750)]);
        assert_eq!(sums(&whole, Unit::Child, 7501), [of(MOTHER, 7501), of(FATHER, 7501)]);
        let in_parts = register(&[
            (1, EVA, "Eva", MOTHER, IBAN, "sociale_toeslag=1"),
            (1, JAN, "Jan", MOTHER, IBAN, "sociale_toeslag=0.3333"),
            (1, JAN, "Jan", FATHER, "", "sociale_toeslag=0.6667"),
        ]);
        let paid = sums(&in_parts, Unit::Family, 7500);
        assert_eq!((paid.iter().map(|(_, cents)| cents).sum::<u64>(), paid[0].1), (7500, 4500), "{paid:?}");
    }

    #[test]
    fn a_family_has_one_letter() {
        let register = register(&[
            (1, EVA, "Eva", MOTHER, IBAN, "sociale_toeslag=1"),
            (1, JAN, "Jan", MOTHER, IBAN, "sociale_toeslag=1"),
        ]);
        let selection = register.select("31033".parse().unwrap(), &Criteria::default());
        let families = Claims::of(&selection, Unit::Child, Amount::from_cents(7500)).by_family();
        let found: Vec<_> = families.iter().map(|family| (family.children.clone(), family.amount.cents())).collect();
        assert_eq!(found, [(vec!["Eva", "Jan"], 15_000)]);
    }
}
