//! The privacy guard: no number of a person or an account gets into the log through a text that somebody typed.
//!
//! It errs on the side of seeing one: eleven digits whose check digits fit are taken out, whatever they were. Names
//! of our own deliveries are spared, since their dates and references would look like a number once in five times,
//! and their parts were checked when they were made.

use super::Record;
use crate::domain::{DeliveryName, iban, niss};

/// What stands where a number was.
const REDACTED: &str = "[***]";

/// Disclosed values that a person or a program of theirs typed; the others are digests and addresses.
const TYPED: [&str; 6] = ["user", "banner", "path", "path_before", "certificate_id", "certificate_serial"];

/// Takes the numbers out of a record's texts, and counts them.
pub(super) fn redact(record: &mut Record) -> u32 {
    let mut count = 0;
    for text in record.event.free_text_mut() {
        count += redact_text(text);
    }
    if let Some(label) = &mut record.context.key {
        count += redact_text(label);
    }
    for disclosed in record.disclosed.iter_mut().filter(|disclosed| TYPED.contains(&disclosed.name)) {
        count += redact_text(&mut disclosed.value);
    }
    count
}

fn redact_text(text: &mut String) -> u32 {
    // The name of a delivery or of its manifest, alone or at the end of a path.
    let (before, name) = text.rsplit_once('/').unwrap_or(("", text));
    let sealed = name.strip_suffix(".manifest.json").map(|stem| format!("{stem}.age"));
    if niss::find_in(before).is_none() && sealed.as_deref().unwrap_or(name).parse::<DeliveryName>().is_ok() {
        return 0;
    }
    let mut count = 0;
    // Each round takes digits away, so it ends.
    while let Some(range) = niss::find_in(text).or_else(|| iban::find_in(text)) {
        text.replace_range(range, REDACTED);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::{Disclosed, support::any_record};

    #[test]
    fn numbers_are_taken_out() {
        for (text, left, count) in [
            ("/inbox/lijst 85.07.30-033.28.csv", "/inbox/lijst [***].csv", 1),
            ("85073003328,93051822361", "[***],[***]", 2),
            ("dossier 85.07.30\u{a0}033.28", "dossier [***]", 1),
            ("85.07.30\u{2013}033.28", "[***]", 1),
            ("terug op BE68 5390 0754 7034, en be68539007547034.", "terug op [***], en [***].", 2),
            ("NL91ABNA0417164300 van Jan", "[***] van Jan", 1),
            ("label XBE68539007547034, BE69539007547034", "label XBE68539007547034, BE69539007547034", 0),
            ("/inbox/lijst.csv", "/inbox/lijst.csv", 0),
            (
                "/outbox/sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv.age",
                "/outbox/sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv.age",
                0,
            ),
        ] {
            let mut typed = text.to_owned();
            assert_eq!(redact_text(&mut typed), count, "{text}");
            assert_eq!(typed, left);
        }
    }

    #[test]
    fn numbers_in_what_somebody_typed_are_taken_out_and_digests_stay() {
        let disclosed = |name| Disclosed { name, value: "85073003328".to_owned() };
        for name in ["user", "banner", "path", "path_before", "certificate_id", "certificate_serial"] {
            let mut record = any_record().disclosing([disclosed(name)]);
            assert_eq!((redact(&mut record), record.disclosed[0].value.as_str()), (1, REDACTED), "{name}");
        }
        assert_eq!(redact(&mut any_record().disclosing([disclosed("fingerprint")])), 0);
    }

    #[test]
    fn names_of_deliveries_are_spared_whatever_their_digits() {
        for sequence in 1..500 {
            let name = format!("verslag_72004_OPG-2026-017_20261121_{sequence:04}.csv");
            for suffix in [".age", ".manifest.json"] {
                let mut text = format!("{name}{suffix}");
                assert_eq!(redact_text(&mut text), 0, "{text}");
            }
        }
    }
}
