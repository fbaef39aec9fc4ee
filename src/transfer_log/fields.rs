//! The fields of each event, one structure for each.
//!
//! The structures stand in one file, above the usual length: with [`super::Event`] they are the table of the log.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::as_text;
use crate::domain::{Count, Kind, Statistics};

/// The id of a public key in the log: the first 16 bytes of the SHA-256 of its text, hexadecimal. The text of a
/// post-quantum key has 2 KB; with its id an entry stays short, and `key.added` and the manifest tell which it is.
pub fn key_id(public_key: &str) -> String {
    let digest = <[u8; 32]>::from(Sha256::digest(public_key.as_bytes()));
    hex::encode(digest.first_chunk::<16>().unwrap_or(&[0; 16]))
}

/// How somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginMethod {
    /// A signature by a key.
    PublicKey,
    /// A password.
    Password,
    /// None was tried, or one that is not offered.
    None,
}

/// Fields of `auth.login`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The last step that was taken.
    pub method: LoginMethod,
    /// Attempts that were rejected in this connection before.
    pub attempts: u32,
}

/// Fields of `auth.refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRefused {
    /// What was tried.
    pub method: LoginMethod,
    /// Attempts that were rejected in this connection.
    pub attempts: u32,
}

/// Fields of `auth.logout`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// How long the session lasted.
    pub duration_ms: u64,
    /// Bytes of files received.
    pub bytes_received: u64,
    /// Bytes of files sent.
    pub bytes_sent: u64,
    /// Whether the client ended it, and not a broken connection.
    pub regular: bool,
}

/// In what form an upload came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Sealed with age by the tenant.
    Sealed,
    /// Not sealed; it was sealed on arrival.
    Plain,
}

/// Fields of `file.upload`. The correlation is the submission's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// Bytes that the tenant sent.
    pub size: u64,
    /// SHA-256 of what is on disk, hexadecimal.
    pub ciphertext_sha256: String,
    /// In what form it came.
    pub file_kind: FileKind,
    /// Whether it went to the test inbox.
    pub test: bool,
    /// Whether it is finished by that; false under a temporary name.
    pub complete: bool,
    /// From opening to closing, the writing to disk included.
    pub duration_ms: u64,
}

/// Fields of `file.rename`. The correlation is the submission's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// Whether the upload is finished by that: it had a temporary name before.
    pub complete: bool,
}

/// Fields of `file.download.start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DownloadStart {
    /// The file's bytes.
    pub size: u64,
    /// The delivery, when the file is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
}

/// Fields of `file.download.end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DownloadEnd {
    /// The file's bytes.
    pub size: u64,
    /// The first byte that left: above 0 where an earlier download was gone on with.
    pub offset: u64,
    /// Bytes handed to the transport.
    pub bytes: u64,
    /// Whether every byte of the file was among them.
    pub complete: bool,
    /// From opening to closing.
    pub duration_ms: u64,
    /// The delivery, when the file is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
}

/// Fields of `list.received`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListReceived {
    /// Rows, without the header.
    pub rows: u64,
    /// Bytes in clear.
    pub size: u64,
}

/// Fields of `list.refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRefused {
    /// Rows, where it could be read that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows without a valid number, where these were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<u64>,
    /// The delivery that tells the tenant.
    pub delivery_id: String,
    /// That delivery's file name.
    pub file: String,
}

/// Fields of `list.answered`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListAnswered {
    /// Rows, without the header.
    pub rows: u64,
    /// Different valid numbers.
    pub distinct: u64,
    /// Rows with a valid number.
    pub valid: u64,
    /// Rows that got their leading zeros back.
    pub repaired: u64,
    /// Rows without a valid number.
    pub invalid: u64,
    /// Rows whose number stood before.
    pub duplicate: u64,
    /// Children of 25 and older.
    pub outside_age: u64,
    /// Children who live elsewhere.
    pub outside_municipality: u64,
    /// Numbers that do not tell the birth date.
    pub unknown_date: u64,
    /// Children in the register.
    pub matched: u64,
    /// Children who have the allowance.
    pub entitled: u64,
    /// The register's month, `yyyy-mm`.
    pub register_month: String,
    /// The keyed hash of the list's content, hexadecimal: it recognises a list that was sent before.
    pub list_fingerprint: String,
    /// The delivery with the answer.
    pub delivery_id: String,
    /// Whether it was a trial.
    pub test: bool,
}

/// Fields of `list.set_aside`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSetAside {
    /// How often the process died while it worked on the list; with none, it was others of its tenant, or threads panicked
    /// over it, as the reason says.
    pub deaths: u32,
}

/// Fields of `delivery.created`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryCreated {
    /// The delivery's id, 32 hexadecimal digits.
    pub delivery_id: String,
    /// Its file name in the outbox.
    pub file: String,
    /// What it is.
    #[serde(with = "as_text")]
    pub kind: Kind,
    /// Rows, without the header.
    pub rows: u64,
    /// The sum of payments, in euro with two decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_total: Option<String>,
    /// The ids of the public keys it is sealed to ([`key_id`]); its manifest has the keys themselves.
    pub recipients: Vec<String>,
    /// Why it may leave.
    pub purpose: String,
    /// The law behind it.
    pub legal_basis: String,
    /// Its columns, in their order.
    pub columns: Vec<String>,
    /// SHA-256 of the sealed file, hexadecimal.
    pub ciphertext_sha256: String,
    /// Bytes of the sealed file.
    pub ciphertext_size: u64,
    /// The submission that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// SHA-256 of its manifest, hexadecimal, where that was made before this entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<String>,
    /// Whether it is a trial.
    pub test: bool,
    /// The run of an assignment that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The last day that it stays in the outbox, in Brussels, ISO. Entries of the first versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_until: Option<Date>,
    /// How many removals it tells its tenant of, where it is a certificate of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removals: Option<u64>,
    /// By what a file is known again that an operator hands over: a keyed hash of its content, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// Fields of `assignment.simulated`. Counts are those that were shown; what was withheld is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentSimulated {
    /// The assignment's name.
    pub assignment: String,
    /// SHA-256 of its criteria as text, hexadecimal.
    pub criteria_sha256: String,
    /// The register's reference month, `yyyy-mm`.
    pub register_month: String,
    /// Children who would be selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<u64>,
    /// Their families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub families: Option<u64>,
    /// Other criteria that it was compared with.
    pub variations: u64,
}

/// Fields of `assignment.run`. The entry's `protocol` is the ground of its data, or of its letters where there are only
/// those; its correlation is the run's id. What left is in the `delivery.created` entries with that run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentRun {
    /// The assignment's name.
    pub assignment: String,
    /// The run's id.
    pub run: String,
    /// The day in Brussels, ISO.
    #[serde(with = "as_text")]
    pub day: Date,
    /// SHA-256 of its criteria as text, hexadecimal.
    pub criteria_sha256: String,
    /// That text: a line for each demand, as `any_of=schooltoeslag+sociale_toeslag`. Entries of the first versions have
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criteria: Option<String>,
    /// The local authority's name for people. Entries of the first versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The register's reference month, `yyyy-mm`.
    pub register_month: String,
    /// Who was selected, in counts that may be shown to anybody.
    pub statistics: Statistics,
    /// Files that it made.
    pub files: u64,
    /// Letters that it made.
    pub letters: u64,
    /// The letters' pages.
    pub pages: u64,
    /// Families that got no letter for want of an address. Those of a name that no font has are not among them.
    pub unaddressed: Count,
    /// Families that got no letter since a name has a character that no font has.
    #[serde(default = "Count::zero", skip_serializing_if = "Count::is_zero")]
    pub unprintable: Count,
    /// Why it was run again in the same period, in the words of who did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
}

/// Fields of `assignment.billed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentBilled {
    /// The year.
    pub year: u64,
    /// Lines of the bill.
    pub lines: u64,
    /// Its total in euro cents.
    pub total_cents: u64,
}

/// Fields of `policy.refused`. and `delivery.fetched`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryStep {
    /// The delivery's id.
    pub delivery_id: String,
}

/// Where in the flow the release gate was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// When an upload was opened or closed.
    Upload,
    /// When a list was to be answered.
    Answer,
    /// When ops handed over a file, or ran an assignment.
    Delivery,
}

/// Fields of `policy.refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRefused {
    /// The rule's code ([`crate::domain::Rule::code`]).
    pub rule: String,
    /// Where it was asked.
    pub stage: Stage,
}

/// Fields of `config.changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigChanged {
    /// SHA-256 of the configuration before, hexadecimal; none at the first start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_before: Option<String>,
    /// SHA-256 of the configuration from now on, hexadecimal.
    pub sha256_after: String,
}

/// Fields of `protocol.used`. The entry's `protocol` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolUsed {
    /// The submission, or the run of an assignment, that used it.
    pub submission: String,
    /// The day in Brussels, ISO.
    #[serde(with = "as_text")]
    pub day: Date,
}

/// Fields of `protocol.opened` and `protocol.closed`. The entry's `protocol` names it, or the agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroundChanged {
    /// SHA-256 of the ground as it was configured before, hexadecimal; none when it was not in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_before: Option<String>,
    /// SHA-256 of the ground as it is configured now, hexadecimal; none when it is in force no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_after: Option<String>,
    /// Its first day, ISO.
    #[serde(with = "as_text")]
    pub valid_from: Date,
    /// Its last day, ISO.
    #[serde(with = "as_text")]
    pub valid_until: Date,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyUse {
    /// A tenant logs in with it; the entry's `key` is its label.
    Login,
    /// A tenant logs in with keys that it certified; the entry's `key` is its label.
    CertificateAuthority,
    /// A tenant's password; the entry's `key` is its label.
    Password,
    /// Files for a tenant are sealed to it.
    Recipient,
}

/// Fields of `key.added` and `key.removed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChanged {
    /// What it is for.
    pub used_for: KeyUse,
    /// A recipient's id ([`key_id`]). A login key's fingerprint names a person, and is disclosed apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The last day on which it may log in, ISO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// Fields of `audit.read`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRead {
    /// The first entry that can be read.
    pub from: u64,
    /// Entries that there are: what can be read goes up to here.
    pub size: u64,
}

/// Fields of `audit.exported`. The entry's `tenant` is the one that the report was limited to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditExported {
    /// The first day, in Brussels, ISO.
    #[serde(with = "as_text")]
    pub from: Date,
    /// The last day, included, in Brussels, ISO.
    #[serde(with = "as_text")]
    pub to: Date,
    /// Deliveries and refusals that the report tells of.
    pub count: u64,
}

/// Fields of `disclosure.opened`. The entry's `tenant` is the one whose disclosures were opened; none for those of
/// nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisclosureOpened {
    /// The first day, UTC, ISO.
    #[serde(with = "as_text")]
    pub from: Date,
    /// The last day, UTC, ISO.
    #[serde(with = "as_text")]
    pub to: Date,
    /// Disclosures of that time.
    pub count: u64,
    /// Why, in the words of who opened them.
    pub motive: String,
}

/// What a mail tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTopic {
    /// Files can be fetched.
    Ready,
    /// Something was refused.
    Refused,
    /// Files were not fetched yet.
    Unfetched,
    /// Keys, protocols or agreements end soon.
    Ending,
    /// A list that was to come did not.
    Overdue,
    /// The register was refused.
    Register,
    /// Something is wrong with this log, or with its clock.
    Log,
    /// A disk is nearly full.
    Disk,
    /// The service failed.
    Service,
    /// A tenant's uploads take nearly all that they may.
    Inbox,
    /// A list is not tried any more.
    Aside,
}

/// Fields of `mail.sent`. The entry's `tenant` is the one whose contacts it was for; none for those who run the
/// exchange. Whom it reached is in no entry: addresses are of persons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSent {
    /// The left part of its `Message-ID`, 32 hexadecimal digits.
    pub mail: String,
    /// What it tells of.
    pub topics: Vec<MailTopic>,
    /// To how many addresses this applies.
    pub recipients: u64,
}

/// Fields of `file.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileList {
    /// Names in it.
    pub count: u64,
}

/// Fields of `register.loaded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterLoaded {
    /// Its reference month, `yyyy-mm`.
    pub month: String,
    /// Its rows.
    pub rows: u64,
    /// SHA-256 of the sealed extract, hexadecimal.
    pub source_sha256: String,
}

/// Fields of `register.refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterRefused {
    /// The line at fault, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column at fault, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// SHA-256 of the sealed extract, hexadecimal.
    pub source_sha256: String,
}

/// Fields of `privacy.redacted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redacted {
    /// Numbers taken out of the entry before.
    pub count: u32,
}

/// Fields of `log.started`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogStarted {
    /// Entries before this one.
    pub size: u64,
    /// In the first entry of a log that goes on from another: the last checkpoint of that one, as it was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_checkpoint: Option<String>,
}

/// Fields of `log.stopped`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogStopped {
    /// Entries before this one.
    pub size: u64,
}

/// Fields of `log.key_rotated`: checkpoints are signed by other keys from now on. Those before stand under the old
/// ones, so whoever trusts these learns the new ones from this entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogKeyRotated {
    /// The ids (`<name>+<hash>`) of the keys that signed until now.
    pub keys_before: Vec<String>,
    /// The public keys (vkeys) that sign from now on.
    pub keys_after: Vec<String>,
}

/// Fields of `clock.step`: the clock that entries take their time from was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockStep {
    /// The time of the entry before.
    #[serde(with = "as_text")]
    pub before: Timestamp,
    /// Milliseconds that it went back, against that entry; 0 for a step forward.
    pub back_ms: u64,
    /// Milliseconds that it went forward beyond the time that passed; 0 for a step back.
    pub forward_ms: u64,
}

/// Fields of `log.recovered`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRecovered {
    /// Entries that were in the journal and under no checkpoint yet.
    pub entries: u64,
    /// Bytes at the journal's end that were cut: what a crash left half written, never answered to anybody.
    pub torn_bytes: u64,
}
