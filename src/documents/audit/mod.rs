//! The audit report: what left for whom on which ground, what was refused, and what was never fetched.
//!
//! Pure: a [`AuditReport`] that somebody gathered from a verified log becomes a CSV file, an HTML page that stands
//! alone, or a PDF. No personal data comes in, and everything that comes in is escaped. Trials with synthetic data are
//! told, and counted apart.

mod chart;
mod markup;
mod outline;
mod page;
mod paper;
mod sheet;
mod sums;
mod tables;
mod words;

use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use crate::domain::Kind;

pub use chart::Chart;
pub use page::page;
pub use paper::{MOST_PAGES, paper};
pub use sheet::sheet;
pub use sums::Bar;
pub use words::{key_use_nl, kind as kind_nl, reason_nl};

/// Everything that a report tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// When it was made.
    pub made_at: Timestamp,
    /// The first day, in Brussels.
    pub from: Date,
    /// The last day, included, in Brussels.
    pub until: Date,
    /// The only tenant that it is about.
    pub tenant: Option<String>,
    /// Tenants that were merged into it: what they did until then is told too, under their own names.
    pub former: Vec<String>,
    /// The only protocol that it is about.
    pub protocol: Option<String>,
    /// The logs that it was made from, each verified whole, oldest first.
    pub logs: Vec<VerifiedLog>,
    /// Deliveries made in the period, in the order of the log, with what became of them until the last checkpoint.
    pub deliveries: Vec<Delivery>,
    /// Lists and releases refused in the period.
    pub refusals: Vec<Refusal>,
    /// Logins of the period, by month, tenant, key and outcome.
    pub logins: Vec<Logins>,
    /// Keys, protocols, configurations and registers that came or went in the period.
    pub changes: Vec<Change>,
    /// Who read the log in the period, and who opened or erased disclosures.
    pub readings: Vec<Reading>,
    /// What is worth a question, in the order of the log.
    pub hints: Vec<Hint>,
}

/// A log that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifiedLog {
    /// Its origin.
    pub origin: String,
    /// Entries under its checkpoint.
    pub entries: u64,
    /// The root of the checkpoint, hexadecimal.
    pub root: String,
    /// The public key that the checkpoint was verified with.
    pub key: String,
    /// Entries in its journal, under no checkpoint: the report leaves them out.
    pub unsigned: u64,
    /// The time of its first entry.
    pub first_at: Option<Timestamp>,
    /// The time of its last entry under the checkpoint.
    pub last_at: Option<Timestamp>,
}

/// A file that was made for a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The entry that made it.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it could be fetched.
    pub available: Option<Timestamp>,
    /// When it was first fetched whole.
    pub fetched: Option<Timestamp>,
    /// The labels of the keys that fetched it, each once, in their order.
    pub fetched_by: Vec<String>,
    /// How often it was fetched whole.
    pub times_fetched: u64,
    /// Downloads of it or of its manifest that were begun and of which not every byte left.
    pub unfinished: u64,
    /// When it was taken away: for its time was over, or by an operator or its tenant.
    pub removed: Option<Timestamp>,
    /// Whose it is.
    pub tenant: String,
    /// The local authority that it was made for, where somebody else gets it: of letters, which go to a printer.
    pub on_behalf_of: Option<Authority>,
    /// The protocol or agreement.
    pub protocol: String,
    /// What it is.
    #[serde(serialize_with = "kind_name")]
    pub kind: Kind,
    /// Its file name.
    pub file: String,
    /// Rows, without the header.
    pub rows: u64,
    /// The sum of payments, in euro with two decimals.
    pub amount_total: Option<String>,
    /// Why it might leave.
    pub purpose: String,
    /// The law behind it.
    pub legal_basis: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The ids of the public keys that it is sealed to.
    pub recipients: Vec<String>,
    /// Whether it is a trial with synthetic data.
    pub test: bool,
    /// The list that it answers.
    pub list: Option<List>,
}

/// A local authority on whose behalf somebody else gets a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Authority {
    /// The tenant.
    pub tenant: String,
    /// Its name for people; the log's oldest entries have none.
    pub name: Option<String>,
}

/// A list that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct List {
    /// Rows, without the header.
    pub rows: u64,
    /// Children in the register.
    pub matched: u64,
    /// Children who have the allowance.
    pub entitled: u64,
    /// The register's month, `yyyy-mm`.
    pub register_month: String,
}

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The entry.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub tenant: String,
    /// The protocol or agreement, where it was known.
    pub protocol: Option<String>,
    /// Whether it is an agreement: letters went to that tenant under it, at any time.
    pub agreement: bool,
    /// What was refused.
    pub subject: Subject,
    /// The reason's code.
    pub reason: String,
    /// Rows of the list, where it could be read that far.
    pub rows: Option<u64>,
    /// Rows without a valid number, where these were counted.
    pub invalid: Option<u64>,
    /// The file that tells the tenant.
    pub file: Option<String>,
    /// Whether it was a trial.
    pub test: bool,
}

/// What can be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A list of a tenant.
    List,
    /// A file that ops wanted to deliver.
    Delivery,
}

/// Logins that are alike in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Logins {
    /// The month, `yyyy-mm`, in Brussels.
    pub month: String,
    /// The tenant; none when nobody of that name is known.
    pub tenant: Option<String>,
    /// The label of the key or password, of a login that succeeded.
    pub key: Option<String>,
    /// Why they were refused; none for those that succeeded.
    pub refused: Option<String>,
    /// How many.
    pub count: u64,
    /// The last of them.
    pub last: Timestamp,
}

/// Something in force that came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The entry.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The event's name in the log.
    pub event: &'static str,
    /// Whose.
    pub tenant: Option<String>,
    /// What: a protocol, a key's label or id, a register's month.
    pub subject: String,
    /// The digest or the id before, hexadecimal.
    pub before: Option<String>,
    /// The digest or the id after, hexadecimal.
    pub after: Option<String>,
}

/// Somebody who read the log, or opened or erased what it keeps apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The entry.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The event's name in the log.
    pub event: &'static str,
    /// The tenant: the auditor, or the one whose disclosures it was about.
    pub tenant: Option<String>,
    /// The key that read.
    pub key: Option<String>,
    /// Entries that could be read, disclosures that were opened, or records that were erased.
    pub count: u64,
    /// The motive, or the month that was erased.
    pub about: String,
}

/// Something that is worth a question. It proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// The entry that it is about.
    pub seq: u64,
    /// When that was.
    pub at: Timestamp,
    /// Whose.
    pub tenant: String,
    /// What.
    pub kind: HintKind,
    /// About what, in Dutch.
    pub about: String,
}

/// What is worth a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HintKind {
    /// Many more rows than usual.
    Volume,
    /// A file that was fetched many times.
    RepeatedDownload,
    /// A key that nobody uses.
    IdleKey,
    /// A protocol or agreement that still stands after its last day.
    PastItsEnd,
    /// A login after many that were refused.
    FailuresThenSuccess,
}

impl Delivery {
    /// Whether what it left under is an agreement, and no protocol: letters leave under one, and nothing else does.
    pub(super) fn is_under_agreement(&self) -> bool {
        self.kind == Kind::Brieven
    }
}

impl Authority {
    /// What people call it.
    pub(super) fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.tenant)
    }
}

impl AuditReport {
    /// The report as JSON, indented, with a line end.
    ///
    /// # Errors
    /// None that can come about: every value has a form in JSON.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn kind_name<S: serde::Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

#[cfg(test)]
mod tests;
