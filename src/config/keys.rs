//! The keys and words that the YAML files may hold: the one table for unknown keys, missing keys and suggestions.

use crate::domain::{
    Kind, TenantKind,
    assignment::{PaymentFormat, Product, Recurrence, Unit},
    protocol::{Outside, Period, Reply, Route, Status},
    tenant::{LoginStep, UploadRule},
};

use super::{Environment, Language};

/// The keys of one mapping.
#[derive(Debug)]
pub(super) struct Keys {
    /// What the mapping is, for messages.
    pub name: &'static str,
    pub required: &'static [&'static str],
    pub optional: &'static [&'static str],
}

impl Keys {
    /// All keys, required ones first.
    pub fn all(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }
}

pub(super) const MAIN: Keys = Keys {
    name: "the main file",
    required: &["state_dir", "high_water_dir", "spool_dir", "host_keys", "exchange_identity", "register", "log"],
    optional: &[
        "environment",
        "listen",
        "tenants",
        "assignments",
        "sources",
        "costs",
        "banner",
        "limits",
        "penalties",
        "retention",
        "mail",
        "metrics",
        "language",
    ],
};
pub(super) const REGISTER: Keys = Keys { name: "register", required: &["path", "identity"], optional: &[] };
pub(super) const LOG: Keys = Keys { name: "log", required: &["origin", "key"], optional: &["co_sign", "listings"] };
pub(super) const LIMITS: Keys = Keys {
    name: "limits",
    required: &[],
    optional: &[
        "connections",
        "connections_per_source",
        "sessions_per_tenant",
        "login_grace_seconds",
        "auth_attempts",
        "idle_seconds",
        "upload_bytes",
        "upload_memory",
        "open_handles",
        "list_rows",
        "max_invalid_percent",
        "drain_seconds",
    ],
};
pub(super) const PENALTIES: Keys =
    Keys { name: "penalties", required: &[], optional: &["after", "first_seconds", "longest_seconds", "exempt"] };
pub(super) const RETENTION: Keys = Keys {
    name: "retention",
    required: &[],
    optional: &["outbox_days", "answered_uploads_days", "log_years", "disclosures_hot_months"],
};
pub(super) const MAIL: Keys = Keys { name: "mail", required: &["smtp", "from", "ops"], optional: &[] };
pub(super) const METRICS: Keys = Keys { name: "metrics", required: &["listen"], optional: &[] };
pub(super) const SOURCES: Keys = Keys { name: "the sources file", required: &["sources"], optional: &[] };
pub(super) const SOURCE: Keys = Keys { name: "a source", required: &["code", "name"], optional: &[] };
pub(super) const TENANT: Keys = Keys {
    name: "a tenant",
    required: &["id", "name", "kind", "keys", "recipients"],
    optional: &[
        "nis_code",
        "certificate_authorities",
        "passwords",
        "require",
        "allow_from",
        "contacts",
        "limits",
        "uploads",
        "may_delete",
        "onboarding",
        "agreements",
        "protocols",
        "interests",
    ],
};
pub(super) const LOGIN_KEY: Keys = Keys { name: "a key", required: &["label", "owner", "key"], optional: &["expires"] };
pub(super) const AUTHORITY: Keys = Keys {
    name: "a certificate authority",
    required: &["label", "owner", "key"],
    optional: &["principals", "expires"],
};
pub(super) const PASSWORD: Keys = Keys { name: "a password", required: &["label", "argon2id"], optional: &[] };
pub(super) const TENANT_LIMITS: Keys =
    Keys { name: "a tenant's limits", required: &[], optional: &["upload_bytes", "outbox_bytes"] };
pub(super) const ONBOARDING: Keys =
    Keys { name: "onboarding", required: &[], optional: &["technical_test", "functional_test"] };
pub(super) const AGREEMENT: Keys = Keys { name: "an agreement", required: &["id", "signed", "valid"], optional: &[] };
pub(super) const PROTOCOL: Keys = Keys {
    name: "a protocol",
    required: &["id", "route", "status"],
    optional: &[
        "purpose",
        "legal_basis",
        "council_decision",
        "regulation",
        "dpo_advice",
        "signed",
        "publication_url",
        "valid",
        "use",
        "kinds",
        "reply",
        "outside_municipality",
        "retention_days",
    ],
};
pub(super) const PARTIES: Keys = Keys { name: "both parties", required: &[], optional: &["agency", "authority"] };
pub(super) const ADVICE: Keys = Keys { name: "an advice", required: &["date", "advice"], optional: &[] };
pub(super) const VALIDITY: Keys = Keys { name: "valid", required: &["from", "until"], optional: &[] };
pub(super) const USE: Keys = Keys { name: "use", required: &["kind"], optional: &["times", "per"] };
pub(super) const KIND: Keys = Keys { name: "a kind of file", required: &[], optional: &["columns"] };

pub(super) const ASSIGNMENT: Keys = Keys {
    name: "an assignment",
    required: &["id", "tenant", "reference", "purpose", "criteria", "unit", "produce"],
    optional: &["agreement", "recurrence", "payment", "letters"],
};
pub(super) const CRITERIA: Keys = Keys {
    name: "criteria",
    required: &[],
    optional: &["postcodes", "any_of", "all_of", "none_of", "born", "rank", "family_size", "single_parent"],
};
pub(super) const BORN: Keys = Keys { name: "born", required: &[], optional: &["from", "until"] };
pub(super) const BETWEEN: Keys = Keys { name: "a range", required: &[], optional: &["at_least", "at_most"] };
pub(super) const PAYMENT: Keys = Keys {
    name: "payment",
    required: &["amount"],
    optional: &["remittance", "structured", "formats", "debtor", "execution_date"],
};
pub(super) const DEBTOR: Keys = Keys { name: "a debtor", required: &["name", "iban", "kbo"], optional: &[] };
pub(super) const LETTERS: Keys =
    Keys { name: "letters", required: &["text", "service", "print_partner"], optional: &["template", "logo"] };
pub(super) const COSTS: Keys = Keys { name: "the costs file", required: &["tariffs"], optional: &[] };
pub(super) const TARIFF: Keys = Keys {
    name: "a tariff",
    required: &["valid_from", "per_year", "per_assignment", "per_run", "per_file", "per_letter"],
    optional: &[],
};

/// A value that is one of a few words.
pub(super) trait Word: Copy + 'static {
    /// Each word with its value.
    const WORDS: &'static [(&'static str, Self)];
}

impl Word for Environment {
    const WORDS: &'static [(&'static str, Self)] = &[("production", Self::Production), ("demo", Self::Demo)];
}

impl Word for Language {
    const WORDS: &'static [(&'static str, Self)] = &[("nl", Self::Dutch), ("en", Self::English)];
}

impl Word for TenantKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("municipality", Self::Municipality),
        ("ocmw", Self::Ocmw),
        ("print-partner", Self::PrintPartner),
        ("auditor", Self::Auditor),
    ];
}

impl Word for LoginStep {
    const WORDS: &'static [(&'static str, Self)] = &[("publickey", Self::PublicKey), ("password", Self::Password)];
}

impl Word for UploadRule {
    const WORDS: &'static [(&'static str, Self)] = &[("any", Self::Any), ("sealed-only", Self::SealedOnly)];
}

impl Word for Route {
    const WORDS: &'static [(&'static str, Self)] = &[("opgroeien", Self::Opgroeien), ("vutg", Self::Vutg)];
}

impl Word for Status {
    const WORDS: &'static [(&'static str, Self)] =
        &[("interested", Self::Interested), ("draft", Self::Draft), ("signed", Self::Signed), ("ended", Self::Ended)];
}

impl Word for Reply {
    const WORDS: &'static [(&'static str, Self)] =
        &[("entitled-only", Self::EntitledOnly), ("every-child", Self::EveryChild)];
}

impl Word for Outside {
    const WORDS: &'static [(&'static str, Self)] = &[("withhold", Self::Withhold), ("answer", Self::Answer)];
}

impl Word for Period {
    const WORDS: &'static [(&'static str, Self)] = &[("year", Self::Year), ("month", Self::Month)];
}

impl Word for Unit {
    const WORDS: &'static [(&'static str, Self)] = &[("child", Self::Child), ("family", Self::Family)];
}

impl Word for Product {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("gegevens", Self::Gegevens),
        ("betaling", Self::Betaling),
        ("brieven", Self::Brieven),
        ("rapport", Self::Rapport),
    ];
}

impl Word for Recurrence {
    const WORDS: &'static [(&'static str, Self)] =
        &[("once", Self::Once), ("yearly", Self::Yearly), ("monthly", Self::Monthly)];
}

impl Word for PaymentFormat {
    const WORDS: &'static [(&'static str, Self)] =
        &[("csv", Self::Csv), ("pain.001.001.09", Self::Pain00100109), ("pain.001.001.03", Self::Pain00100103)];
}

/// What a data protection officer says; true for positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Positive(pub bool);

impl Word for Positive {
    const WORDS: &'static [(&'static str, Self)] = &[("positive", Self(true)), ("negative", Self(false))];
}

/// Whether a protocol serves once or in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UseKind {
    Once,
    Periodic,
}

impl Word for UseKind {
    const WORDS: &'static [(&'static str, Self)] = &[("once", Self::Once), ("periodic", Self::Periodic)];
}

/// The names of the kinds of files, for suggestions.
pub(super) fn kind_names() -> impl Iterator<Item = &'static str> {
    Kind::ALL.into_iter().map(Kind::name)
}

/// The word that was probably meant, if one is near.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer words are not compared: nothing known is near them.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let near = known.map(|candidate| (distance(word, candidate), candidate)).min()?;
    // A third of the letters may be wrong; more is another word.
    (near.0 <= (word.chars().count() / 3).max(1)).then_some(near.1)
}

/// How many letters must be put in, left out or changed (Levenshtein), with `_`, `-` and case ignored.
fn distance(one: &str, other: &str) -> usize {
    let letters = |text: &str| text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    let (one, other): (Vec<char>, Vec<char>) = (letters(one), letters(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        for (cell, candidate) in row.iter_mut().skip(1).zip(&other) {
            let here = (diagonal + usize::from(letter != candidate)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    const ASSIGNMENT_EXAMPLE: &str = "assignments/torhout-schoolpremie.yaml";

    const EVERY_MAPPING: [&Keys; 32] = [
        &MAIN,
        &REGISTER,
        &LOG,
        &LIMITS,
        &PENALTIES,
        &RETENTION,
        &MAIL,
        &METRICS,
        &SOURCES,
        &SOURCE,
        &TENANT,
        &LOGIN_KEY,
        &AUTHORITY,
        &PASSWORD,
        &TENANT_LIMITS,
        &ONBOARDING,
        &AGREEMENT,
        &PROTOCOL,
        &PARTIES,
        &ADVICE,
        &VALIDITY,
        &USE,
        &KIND,
        &ASSIGNMENT,
        &CRITERIA,
        &BORN,
        &BETWEEN,
        &PAYMENT,
        &DEBTOR,
        &LETTERS,
        &COSTS,
        &TARIFF,
    ];

    /// A mapping that is not in the table above would escape the test below.
    #[test]
    fn every_mapping_is_in_the_table() {
        let source = include_str!("keys.rs");
        assert_eq!(source.matches("\npub(super) const ").count(), EVERY_MAPPING.len());
    }

    #[test]
    fn the_examples_show_every_key() {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let read = |name: &str| fs::read_to_string(config.join(name)).unwrap();
        let files = ["groeikluis.yaml", "sources.yaml", "costs.yaml", "tenants/bree.yaml", ASSIGNMENT_EXAMPLE];
        let text = files.map(read).concat();
        for key in EVERY_MAPPING.iter().flat_map(|keys| keys.all()) {
            let shown =
                text.match_indices(&format!("{key}:")).any(|(at, _)| text[..at].ends_with([' ', '{', '#', '\n']));
            assert!(shown, "{key}");
        }
    }

    #[test]
    fn words_are_those_of_the_domain() {
        assert!(TenantKind::WORDS.iter().all(|(word, kind)| kind.name() == *word));
        assert!(Route::WORDS.iter().all(|(word, route)| route.name() == *word));
        assert!(Status::WORDS.iter().all(|(word, status)| status.name() == *word));
        assert!(Unit::WORDS.iter().all(|(word, unit)| unit.name() == *word));
        assert!(Product::WORDS.iter().all(|(word, product)| product.name() == *word));
        assert!(Recurrence::WORDS.iter().all(|(word, recurrence)| recurrence.name() == *word));
        assert!(PaymentFormat::WORDS.iter().all(|(word, format)| format.name() == *word));
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        for (typed, meant) in [
            ("recipient", Some("recipients")),
            ("niscode", Some("nis_code")),
            ("allow-from", Some("allow_from")),
            ("protocolen", Some("protocols")),
            ("mayDelete", Some("may_delete")),
            ("telephone", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, TENANT.all()), meant, "{typed}");
        }
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("abc", "")), (3, 3, 3));
    }
}
