//! The keys that the YAML files may hold: the one table for unknown keys, missing keys, suggestions and schemas.
//!
//! It is in one file because a key is looked up here whatever file it stands in.

use super::words::words;
use super::{Environment, Language, MailTls};
pub(super) use super::{
    nearest::nearest,
    words::{Positive, UseKind, Word},
};
use crate::domain::{
    Kind, TenantKind,
    assignment::{PaymentFormat, Product, Recurrence, Unit},
    protocol::{Outside, Period, Reply, Route, Status},
    tenant::{LoginStep, UploadRule},
};

/// The keys of one mapping.
#[derive(Debug)]
pub(super) struct Keys {
    /// What the mapping is, for messages.
    pub name: &'static str,
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub is_required: bool,
    pub shape: Shape,
    /// What it is, for editors.
    pub about: &'static str,
}

/// What a value looks like. What it means, and its bounds, are judged where it is read.
#[derive(Debug)]
pub(super) enum Shape {
    /// Text that says something.
    Text,
    /// Text that may be empty.
    AnyText,
    /// Text of a form: a regular expression that all of it matches.
    Form(&'static str),
    /// True or false.
    Flag,
    /// A whole number of 0 or more.
    Number,
    /// A size: a number of bytes, or one with a unit.
    Size,
    /// A day, as 2027-12-31.
    Day,
    /// One of a few words.
    OneOf(fn() -> Vec<&'static str>),
    Mapping(&'static Keys),
    List(&'static Shape),
    /// A list with one at least.
    Filled(&'static Shape),
    /// A mapping from kinds of files to their columns.
    Kinds(&'static Keys),
}

impl Keys {
    /// All keys, in their order.
    pub fn all(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// Those that must be there.
    pub fn required(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().filter(|key| key.is_required).map(|key| key.name)
    }
}

const fn required(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, is_required: true, shape, about }
}

const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, is_required: false, shape, about }
}

const TEXTS: Shape = Shape::List(&Shape::Text);
/// `TenantId`.
const NIS_CODE: Shape = Shape::Form("^[1-9][0-9]{4}$");
const TENANT_ID: Shape = Shape::Form("^[a-z0-9][a-z0-9-]{1,31}$");
/// `ProtocolId`.
const REFERENCE: Shape = Shape::Form("^[A-Za-z0-9-]{2,40}$");
/// Euros with two decimals, between quotes.
const PRICE: Shape = Shape::Form("^[0-9]{1,9}(\\.[0-9]{2})?$");

pub(super) const MAIN: Keys = Keys {
    name: "the main file",
    keys: &[
        required("state_dir", Shape::Text, "Drop-boxes, transfer log and ledger; only ciphertext."),
        required("high_water_dir", Shape::Text, "The transfer log's newest checkpoint; best on another file system."),
        required("spool_dir", Shape::Text, "Where ops hand files over; a tmpfs."),
        required(
            "host_keys",
            TEXTS,
            "Keys that the server shows: paths, or credential:NAME. A second of one kind is announced in LEESMIJ.txt.",
        ),
        required(
            "exchange_identity",
            Shape::Text,
            "Opens what municipalities seal: a path, or credential:NAME. Its first key is sealed to, others only open.",
        ),
        required("register", Shape::Mapping(&REGISTER), "The extract of the register."),
        required("log", Shape::Mapping(&LOG), "The transfer log's name and keys."),
        optional(
            "environment",
            Shape::OneOf(words::<Environment>),
            "Only a demo accepts the keys of keys-example/; left out: production.",
        ),
        optional("listen", TEXTS, "Addresses with a port; port 0 takes a free one."),
        optional(
            "public_address",
            Shape::Text,
            "The server's name for tenants, with a port where it is not the one of listen.",
        ),
        optional("tenants", Shape::Text, "The directory of tenants' files; left out: tenants/."),
        optional("assignments", Shape::Text, "The directory of assignments' files; left out: assignments/."),
        optional("sources", Shape::Text, "The file of the Groeipakket's sources; left out: sources.yaml."),
        optional("costs", Shape::Text, "The file of tariffs; left out: costs.yaml."),
        optional("banner", Shape::AnyText, "What clients show before a login; empty: nothing."),
        optional("limits", Shape::Mapping(&LIMITS), "Bounds on use."),
        optional("penalties", Shape::Mapping(&PENALTIES), "How an address that fails to log in is slowed down."),
        optional("retention", Shape::Mapping(&RETENTION), "How long things are kept."),
        optional("mail", Shape::Mapping(&MAIL), "Where mail goes; left out: no mail."),
        optional("metrics", Shape::Mapping(&METRICS), "Where metrics are served; left out: nowhere."),
        optional("language", Shape::OneOf(words::<Language>), "The language of files and mail for tenants."),
    ],
};
pub(super) const REGISTER: Keys = Keys {
    name: "register",
    keys: &[
        required("path", Shape::Text, "The sealed extract; read again when it is replaced."),
        required("identity", Shape::Text, "Opens it: a path, or credential:NAME."),
    ],
};
pub(super) const LOG: Keys = Keys {
    name: "log",
    keys: &[
        required("origin", Shape::Form("^[^+\\s]+$"), "The log's name, one per year."),
        required("key", Shape::Text, "Signs its checkpoints: a path, or credential:NAME."),
        optional("co_sign", TEXTS, "Keys that sign too, while one of them is replaced."),
        optional("listings", Shape::Flag, "Whether each listing of a directory is an entry."),
    ],
};
pub(super) const LIMITS: Keys = Keys {
    name: "limits",
    keys: &[
        optional("connections", Shape::Number, "At one time."),
        optional("connections_per_source", Shape::Number, "At one time, from one address."),
        optional("sessions_per_tenant", Shape::Number, "At one time."),
        optional("login_grace_seconds", Shape::Number, "From connecting to being logged in."),
        optional("auth_attempts", Shape::Number, "On one connection."),
        optional("idle_seconds", Shape::Number, "Silence that ends a session."),
        optional("upload_bytes", Shape::Size, "One uploaded file; a tenant may have less."),
        optional("upload_memory", Shape::Size, "Uploads in clear, of all tenants together, while they come in."),
        optional("open_handles", Shape::Number, "Open files of one connection."),
        optional("list_rows", Shape::Number, "Rows of one list."),
        optional("max_invalid_percent", Shape::Number, "Rows at fault above which a list is refused."),
        optional("drain_seconds", Shape::Number, "For sessions to end when the daemon is stopped."),
    ],
};
pub(super) const PENALTIES: Keys = Keys {
    name: "penalties",
    keys: &[
        optional("after", Shape::Number, "Connections without a login that cost nothing."),
        optional("first_seconds", Shape::Number, "How long it lasts at first; each further failure doubles it."),
        optional("longest_seconds", Shape::Number, "How long at most."),
        optional("exempt", TEXTS, "Networks that are never slowed down."),
    ],
};
pub(super) const RETENTION: Keys = Keys {
    name: "retention",
    keys: &[
        optional("outbox_days", Shape::Number, "Files in outboxes, unless their protocol says otherwise."),
        optional("answered_uploads_days", Shape::Number, "Uploads after their answer, and those that broke off."),
        optional("log_years", Shape::Number, "The transfer log."),
        optional("disclosures_hot_months", Shape::Number, "Who did what in person, before it moves to the archive."),
    ],
};
pub(super) const MAIL: Keys = Keys {
    name: "mail",
    keys: &[
        required("smtp", Shape::Text, "The mail server, host:port."),
        required("from", Shape::Text, "The sender."),
        required("ops", TEXTS, "Who runs the exchange."),
        optional(
            "tls",
            Shape::OneOf(words::<MailTls>),
            "Left out: starttls, or none for a server on this machine; none is for such a server only.",
        ),
        optional("ca", Shape::Text, "Certificates that the server's is checked against, PEM; left out: the system's."),
        optional("user", Shape::Text, "The name to log in with; left out: no login."),
        optional("password", Shape::Text, "Its password: a path, or credential:NAME."),
        optional("gather_seconds", Shape::Number, "What happens within this time goes into one mail."),
        optional("unfetched_after_days", Shape::Number, "After how many days a tenant hears that it fetched nothing."),
    ],
};
pub(super) const METRICS: Keys =
    Keys { name: "metrics", keys: &[required("listen", Shape::Text, "The address with its port.")] };
pub(super) const SOURCES: Keys = Keys {
    name: "the sources file",
    keys: &[required("sources", Shape::List(&Shape::Mapping(&SOURCE)), "The sources of the Groeipakket.")],
};
pub(super) const SOURCE: Keys = Keys {
    name: "a source",
    keys: &[
        required("code", Shape::Form("^[a-z_]{2,40}$"), "What extracts of the register and assignments say."),
        required("name", Shape::Text, "What people read, in Dutch."),
    ],
};
pub(super) const TENANT: Keys = Keys {
    name: "a tenant",
    keys: &[
        required("id", TENANT_ID, "The SSH user name, the name of the drop-box and of this file."),
        required("name", Shape::Text, "Its name for people."),
        required("kind", Shape::OneOf(words::<TenantKind>), "What it is; it decides what its tree looks like."),
        required("keys", Shape::List(&Shape::Mapping(&LOGIN_KEY)), "Keys that may log in; [] lets nobody in."),
        optional(
            "recipients",
            TEXTS,
            "Age, ssh-ed25519 or ssh-rsa public keys that everything is sealed to; an auditor needs none.",
        ),
        optional("nis_code", NIS_CODE, "Its municipality, between quotes."),
        optional(
            "former_nis_codes",
            Shape::List(&NIS_CODE),
            "Codes of the municipalities that it was merged of and that are no more, between quotes.",
        ),
        optional(
            "certificate_authorities",
            Shape::List(&Shape::Mapping(&AUTHORITY)),
            "Authorities whose OpenSSH user certificates may log in.",
        ),
        optional("passwords", Shape::List(&Shape::Mapping(&PASSWORD)), "Passwords that may log in."),
        optional("require", Shape::List(&Shape::OneOf(words::<LoginStep>)), "The steps of a login, in this order."),
        optional("allow_from", TEXTS, "Networks that it may come from; left out: everywhere."),
        optional("contacts", TEXTS, "Mail addresses that hear of deliveries and refusals."),
        optional("limits", Shape::Mapping(&TENANT_LIMITS), "Bounds of its own."),
        optional("uploads", Shape::OneOf(words::<UploadRule>), "Which uploads are taken."),
        optional("may_delete", Shape::Flag, "Whether it may remove files from its outbox."),
        optional("onboarding", Shape::Mapping(&ONBOARDING), "The days on which the onboarding tests were passed."),
        optional("agreements", Shape::List(&Shape::Mapping(&AGREEMENT)), "Agreements, the ground for letters."),
        optional("protocols", Shape::List(&Shape::Mapping(&PROTOCOL)), "Protocols, the ground for data."),
        optional("interests", Shape::List(&Shape::OneOf(words::<Route>)), "Routes asked about, with nothing signed."),
    ],
};
pub(super) const LOGIN_KEY: Keys = Keys {
    name: "a key",
    keys: &[
        required("label", Shape::Text, "The name in logs and messages."),
        required("owner", Shape::Text, "Who answers for it."),
        required("key", Shape::Text, "A line of a .pub file."),
        optional("expires", Shape::Day, "The last day, in Brussels."),
    ],
};
pub(super) const AUTHORITY: Keys = Keys {
    name: "a certificate authority",
    keys: &[
        required("label", Shape::Text, "The name in logs and messages."),
        required("owner", Shape::Text, "Who answers for it."),
        required("key", Shape::Text, "A line of a .pub file."),
        optional("principals", TEXTS, "Names of which a certificate must have one; left out: the id."),
        optional("expires", Shape::Day, "The last day, in Brussels, on which its certificates may log in."),
    ],
};
pub(super) const PASSWORD: Keys = Keys {
    name: "a password",
    keys: &[
        required("label", Shape::Text, "The name in logs and messages."),
        required("argon2id", Shape::Form("^\\$argon2id\\$"), "Its hash, by `groeikluis keys password`."),
    ],
};
pub(super) const TENANT_LIMITS: Keys = Keys {
    name: "a tenant's limits",
    keys: &[
        optional("upload_bytes", Shape::Size, "One file; not more than the general limit."),
        optional(
            "inbox_bytes",
            Shape::Size,
            "All uploads that are kept, answered or not, together; at least one file.",
        ),
        optional("outbox_bytes", Shape::Size, "All files of the outbox together."),
    ],
};
pub(super) const ONBOARDING: Keys = Keys {
    name: "onboarding",
    keys: &[
        optional("technical_test", Shape::Day, "Connecting and downloading."),
        optional("functional_test", Shape::Day, "Importing a file with synthetic lines."),
    ],
};
pub(super) const AGREEMENT: Keys = Keys {
    name: "an agreement",
    keys: &[
        required("id", REFERENCE, "The reference in file names."),
        required("signed", Shape::Mapping(&SIGNATURES), "The days of signing."),
        required("valid", Shape::Mapping(&VALIDITY), "When it holds."),
    ],
};
pub(super) const PROTOCOL: Keys = Keys {
    name: "a protocol",
    keys: &[
        required("id", REFERENCE, "The reference in file names."),
        required("route", Shape::OneOf(words::<Route>), "opgroeien: a list is answered; vutg: criteria select."),
        required("status", Shape::OneOf(words::<Status>), "How far it has come."),
        optional("purpose", Shape::Text, "Why data are given; needed once it is signed."),
        optional("legal_basis", Shape::Text, "The law that allows it; needed once it is signed."),
        optional("council_decision", Shape::Day, "The college's decision; the opgroeien route needs it."),
        optional("regulation", Shape::Text, "The regulation; the vutg route needs it."),
        optional("dpo_advice", Shape::Mapping(&ADVICES), "The advice of both data protection officers."),
        optional("signed", Shape::Mapping(&SIGNATURES), "The days of signing; needed once it is signed."),
        optional("publication_url", Shape::Form("^https?://\\S+$"), "Where it is published; the vutg route needs it."),
        optional("valid", Shape::Mapping(&VALIDITY), "When it holds; needed once it is signed."),
        optional("use", Shape::Mapping(&USE), "How often it may be used; needed once it is signed."),
        optional("kinds", Shape::Kinds(&KIND), "What may leave, with which columns; needed once it is signed."),
        optional("reply", Shape::OneOf(words::<Reply>), "Which children of a list get a row."),
        optional("outside_municipality", Shape::OneOf(words::<Outside>), "Children of a list who live elsewhere."),
        optional("retention_days", Shape::Number, "How long the files stay in the outbox."),
    ],
};
pub(super) const SIGNATURES: Keys = Keys {
    name: "both parties",
    keys: &[
        optional("agency", Shape::Day, "The day on which the agency signed."),
        optional("authority", Shape::Day, "The day on which the local authority signed."),
    ],
};
pub(super) const ADVICES: Keys = Keys {
    name: "both parties",
    keys: &[
        optional("agency", Shape::Mapping(&ADVICE), "What the agency's officer says."),
        optional("authority", Shape::Mapping(&ADVICE), "What the local authority's officer says."),
    ],
};
pub(super) const ADVICE: Keys = Keys {
    name: "an advice",
    keys: &[
        required("date", Shape::Day, "Its day."),
        required("advice", Shape::OneOf(words::<Positive>), "Nothing leaves without two positive ones."),
    ],
};
pub(super) const VALIDITY: Keys = Keys {
    name: "valid",
    keys: &[
        required("from", Shape::Day, "The first day, in Brussels."),
        required("until", Shape::Day, "The last day, in Brussels."),
    ],
};
pub(super) const USE: Keys = Keys {
    name: "use",
    keys: &[
        required("kind", Shape::OneOf(words::<UseKind>), "Once, or some times in each period."),
        optional("times", Shape::Number, "How many times in each period."),
        optional("per", Shape::OneOf(words::<Period>), "The period."),
    ],
};
pub(super) const KIND: Keys =
    Keys { name: "a kind of file", keys: &[optional("columns", TEXTS, "Left out: those of the default layout.")] };

pub(super) const ASSIGNMENT: Keys = Keys {
    name: "an assignment",
    keys: &[
        required("id", REFERENCE, "The reference in file names."),
        required("tenant", TENANT_ID, "A municipality or an ocmw."),
        required("reference", REFERENCE, "The tenant's protocol of the route vutg; for letters alone, its agreement."),
        optional("agreement", REFERENCE, "What letters stand on; left out: the tenant's agreement if it has one only."),
        required("purpose", Shape::Text, "What it is for, as people read it."),
        required("criteria", Shape::Mapping(&CRITERIA), "A child is selected that meets all of these."),
        required("unit", Shape::OneOf(words::<Unit>), "What is counted and paid."),
        optional("recurrence", Shape::OneOf(words::<Recurrence>), "How often it is run; left out: once."),
        required("produce", Shape::Filled(&Shape::OneOf(words::<Product>)), "What a run makes."),
        optional("payment", Shape::Mapping(&PAYMENT), "How it pays; needed where `produce` names betaling."),
        optional("letters", Shape::Mapping(&LETTERS), "How it writes; needed where `produce` names brieven."),
    ],
};
pub(super) const CRITERIA: Keys = Keys {
    name: "criteria",
    keys: &[
        optional("postcodes", Shape::List(&Shape::Number), "Of the tenant's municipality; left out: all of them."),
        optional("any_of", TEXTS, "Sources of which a child has one at least."),
        optional("all_of", TEXTS, "Sources that a child has."),
        optional("none_of", TEXTS, "Sources that a child has not."),
        optional("born", Shape::Mapping(&BORN), "Between these days, both included."),
        optional("rank", Shape::Mapping(&BETWEEN), "The child's place in the family."),
        optional("family_size", Shape::Mapping(&BETWEEN), "How many children the family has."),
        optional("single_parent", Shape::Flag, "Left out: either."),
    ],
};
pub(super) const BORN: Keys = Keys {
    name: "born",
    keys: &[optional("from", Shape::Day, "The first day."), optional("until", Shape::Day, "The last day.")],
};
pub(super) const BETWEEN: Keys = Keys {
    name: "a range",
    keys: &[optional("at_least", Shape::Number, "Included."), optional("at_most", Shape::Number, "Included.")],
};
pub(super) const PAYMENT: Keys = Keys {
    name: "payment",
    keys: &[
        required("amount", PRICE, "Euros for each unit, before beneficiaries share it."),
        optional("remittance", Shape::Text, "What stands on the statement of account."),
        optional("structured", Shape::Flag, "Instead: another structured reference for each line."),
        optional("formats", Shape::Filled(&Shape::OneOf(words::<PaymentFormat>)), "Left out: csv."),
        optional("debtor", Shape::Mapping(&DEBTOR), "Whose account pays; pain.001 needs it."),
        optional("execution_date", Shape::Day, "When it is paid; pain.001 needs it."),
    ],
};
pub(super) const DEBTOR: Keys = Keys {
    name: "a debtor",
    keys: &[
        required("name", Shape::Text, "As the bank knows it."),
        required("iban", Shape::Text, "The account that pays."),
        required("kbo", Shape::Text, "Its enterprise number."),
    ],
};
pub(super) const LETTERS: Keys = Keys {
    name: "letters",
    keys: &[
        required("text", Shape::Text, "The file with the municipality's own words, in Markdown."),
        optional("template", Shape::Text, "A Typst template; left out: the program's own."),
        optional("logo", Shape::Text, "A png, jpg or svg file."),
        required("service", Shape::Text, "Where families go with questions, on one line."),
        required("print_partner", TENANT_ID, "The tenant of kind print-partner that gets the letters."),
    ],
};
pub(super) const COSTS: Keys = Keys {
    name: "the costs file",
    keys: &[required("tariffs", Shape::Filled(&Shape::Mapping(&TARIFF)), "What assignments cost, from a day on.")],
};
pub(super) const TARIFF: Keys = Keys {
    name: "a tariff",
    keys: &[
        required("valid_from", Shape::Day, "The first day, in Brussels."),
        required("per_year", PRICE, "For each calendar year in which anything is run for a local authority."),
        required("per_assignment", PRICE, "For each assignment that is run in a calendar year."),
        required("per_run", PRICE, "For each run."),
        required("per_file", PRICE, "For each file of data or payments."),
        required("per_letter", PRICE, "For each letter: printing and postage."),
    ],
};

/// The names of the kinds of files, for suggestions.
pub(super) fn kind_names() -> impl Iterator<Item = &'static str> {
    Kind::ALL.into_iter().map(Kind::name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    const ASSIGNMENT_EXAMPLE: &str = "assignments/torhout-schoolpremie.yaml";

    const EVERY_MAPPING: [&Keys; 33] = [
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
        &SIGNATURES,
        &ADVICES,
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
}
