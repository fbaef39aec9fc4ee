//! Letters with made-up names, for proofs.

use super::{Letter, address::AddressBlock};
use crate::{domain::Amount, register::Address};

/// An amount that nobody takes for theirs.
const AMOUNT: Amount = Amount::from_cents(123_456);

/// A plain letter, and one with the longest of everything.
pub(super) fn letters() -> Vec<Letter> {
    let address = Address {
        street: "Voorbeeldstraat",
        house_number: "1",
        box_number: "",
        postcode: "9999",
        municipality: "Voorbeeldgem",
        country: "BE",
    };
    let far = Address {
        street: "Burgemeester Alfons Vandenvoorbeeldelaan",
        house_number: "1234",
        box_number: "12",
        ..address
    };
    let letter = |number: usize, name: &str, address: &Address<'_>, children: &[&str]| {
        let address = AddressBlock::new(name, address).ok()?;
        Some(Letter {
            id: format!("PROEF-{number}"),
            address,
            name: name.to_owned(),
            children: children.iter().map(|&name| name.to_owned()).collect(),
            amount: Some(AMOUNT),
        })
    };
    let long = "Maria-Antonia Josephina van den Bossche-Verschueren";
    let both = [
        letter(1, "Voornaam Naam", &address, &["Emma"]),
        letter(2, long, &far, &["Zoë", "Loïc", "Gürkan", "Françoise", "Miłosz"]),
    ];
    both.into_iter().flatten().collect()
}
