//! Letters with made-up names, for proofs.

use super::{
    Letter,
    address::{AddressBlock, Postal},
};
use crate::domain::Amount;

/// An amount that nobody takes for theirs.
const AMOUNT: Amount = Amount::from_cents(123_456);

/// A plain letter, and one with the longest of everything.
pub(super) fn letters() -> Vec<Letter> {
    let postal = Postal {
        name: "Voornaam Naam",
        street: "Voorbeeldstraat",
        house_number: "1",
        box_number: "",
        postcode: "9999",
        municipality: "Voorbeeldgem",
        country: "BE",
    };
    let long = Postal {
        name: "Maria-Antonia Josephina van den Bossche-Verschueren",
        street: "Burgemeester Alfons Vandenvoorbeeldelaan",
        house_number: "1234",
        box_number: "12",
        ..postal
    };
    let letter = |number: usize, postal: &Postal<'_>, children: &[&str]| {
        let address = AddressBlock::new(postal).ok()?;
        Some(Letter {
            id: format!("PROEF-{number}"),
            address,
            name: postal.name.to_owned(),
            children: children.iter().map(|&name| name.to_owned()).collect(),
            amount: Some(AMOUNT),
        })
    };
    let both = [letter(1, &postal, &["Emma"]), letter(2, &long, &["Zoë", "Loïc", "Gürkan", "Françoise", "Miłosz"])];
    both.into_iter().flatten().collect()
}
