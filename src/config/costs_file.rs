//! The tariffs, `costs.yaml`.

use std::collections::BTreeMap;

use super::{fault::Faults, fields::Fields, keys, tree::Node};
use crate::domain::{Amount, Costs, Price, Tariff};

/// Reads the tariffs; none when none of them can be used.
pub(super) fn read(root: &Node, faults: &Faults) -> Option<Costs> {
    let fields = Fields::of_file(root, &keys::COSTS, faults)?;
    let mut tariffs = BTreeMap::new();
    for item in fields.list("tariffs") {
        let Some(entry) = item.mapping(&keys::TARIFF) else { continue };
        let price = |key| entry.parsed::<Price>(key).map_or(Amount::ZERO, Price::amount);
        let tariff = Tariff {
            per_year: price("per_year"),
            per_assignment: price("per_assignment"),
            per_run: price("per_run"),
            per_file: price("per_file"),
            per_letter: price("per_letter"),
        };
        let Some(from) = entry.date("valid_from") else { continue };
        if tariffs.insert(from, tariff).is_some() {
            faults.add(entry.place("valid_from"), format!("two tariffs hold from {from}"));
        }
    }
    let none_listed = fields.item("tariffs").is_some_and(|item| item.list().is_some_and(|items| items.is_empty()));
    if none_listed {
        let hint = "list one at least, or remove the file";
        faults.add_with_hint(fields.place("tariffs"), "`tariffs` has none", hint);
    }
    Costs::new(tariffs)
}
