//! What happened: one variant for each event of the log, with its own fields.
//!
//! Fields are integers below 2^53, booleans, or text; there are no floats and no personal data. What identifies an
//! official (address, user name, fingerprint, banner, path) is no field: it is disclosed apart
//! ([`super::Disclosed`]). Text that somebody typed is listed in [`Event::free_text_mut`], so that the guard reads it.
//!
//! The events stand in one file, above the usual length: the closed set is read as one table.

use serde::{Deserialize, Serialize};

use super::as_text;
use crate::domain::Kind;
use jiff::civil::Date;

/// An event with its fields. The name in the log stands in the `event` key of its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// Somebody proved who they are, and may come in.
    #[serde(rename = "auth.login")]
    Login(Login),
    /// Somebody was not let in; the reason says why.
    #[serde(rename = "auth.refused")]
    LoginRefused(LoginRefused),
    /// A session ended.
    #[serde(rename = "auth.logout")]
    Logout(Logout),
    /// An upload was closed; a success means that data and directory are on disk.
    #[serde(rename = "file.upload")]
    Upload(Upload),
    /// A download is about to begin: durable before its first byte leaves.
    #[serde(rename = "file.download.start")]
    DownloadStart(DownloadStart),
    /// A download was closed.
    #[serde(rename = "file.download.end")]
    DownloadEnd(DownloadEnd),
    /// A tenant renamed an upload of its own.
    #[serde(rename = "file.rename")]
    Rename(Rename),
    /// A tenant removed a file.
    #[serde(rename = "file.delete")]
    Delete {},
    /// A list was opened and read.
    #[serde(rename = "list.received")]
    ListReceived(ListReceived),
    /// A list was refused as a whole; the reason says why.
    #[serde(rename = "list.refused")]
    ListRefused(ListRefused),
    /// A list was answered.
    #[serde(rename = "list.answered")]
    ListAnswered(ListAnswered),
    /// A file for a tenant was sealed; it cannot be seen yet.
    #[serde(rename = "delivery.created")]
    DeliveryCreated(DeliveryCreated),
    /// A delivery can be fetched.
    #[serde(rename = "delivery.available")]
    DeliveryAvailable(DeliveryStep),
    /// A delivery was fetched, whole.
    #[serde(rename = "delivery.fetched")]
    DeliveryFetched(DeliveryStep),
    /// A rule of the release gate was not met.
    #[serde(rename = "policy.refused")]
    PolicyRefused(PolicyRefused),
    /// The configuration in force changed.
    #[serde(rename = "config.changed")]
    ConfigChanged(ConfigChanged),
    /// An answered list used up one use of a protocol.
    #[serde(rename = "protocol.used")]
    ProtocolUsed(ProtocolUsed),
    /// A register is in use from now on.
    #[serde(rename = "register.loaded")]
    RegisterLoaded(RegisterLoaded),
    /// A register was at fault; the one in use stays.
    #[serde(rename = "register.refused")]
    RegisterRefused(RegisterRefused),
    /// A number of a person was taken out of the entry just before this one.
    #[serde(rename = "privacy.redacted")]
    Redacted(Redacted),
    /// The log was opened.
    #[serde(rename = "log.started")]
    LogStarted(LogSize),
    /// The log was closed.
    #[serde(rename = "log.stopped")]
    LogStopped(LogSize),
    /// The log was not closed the last time; what the journal held was kept.
    #[serde(rename = "log.recovered")]
    LogRecovered(LogRecovered),
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
    /// The first byte asked for.
    pub offset: u64,
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
    /// The public keys it is sealed to.
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
}

/// Fields of `delivery.available` and `delivery.fetched`.
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
    /// When ops handed over a file.
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
    /// The submission that used it.
    pub submission: String,
    /// The day in Brussels, ISO.
    #[serde(with = "as_text")]
    pub day: Date,
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

/// Fields of `log.started` and `log.stopped`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSize {
    /// Entries before this one.
    pub size: u64,
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

impl Event {
    /// The name in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Login(_) => "auth.login",
            Self::LoginRefused(_) => "auth.refused",
            Self::Logout(_) => "auth.logout",
            Self::Upload(_) => "file.upload",
            Self::DownloadStart(_) => "file.download.start",
            Self::DownloadEnd(_) => "file.download.end",
            Self::Rename(_) => "file.rename",
            Self::Delete {} => "file.delete",
            Self::ListReceived(_) => "list.received",
            Self::ListRefused(_) => "list.refused",
            Self::ListAnswered(_) => "list.answered",
            Self::DeliveryCreated(_) => "delivery.created",
            Self::DeliveryAvailable(_) => "delivery.available",
            Self::DeliveryFetched(_) => "delivery.fetched",
            Self::PolicyRefused(_) => "policy.refused",
            Self::ConfigChanged(_) => "config.changed",
            Self::ProtocolUsed(_) => "protocol.used",
            Self::RegisterLoaded(_) => "register.loaded",
            Self::RegisterRefused(_) => "register.refused",
            Self::Redacted(_) => "privacy.redacted",
            Self::LogStarted(_) => "log.started",
            Self::LogStopped(_) => "log.stopped",
            Self::LogRecovered(_) => "log.recovered",
        }
    }

    /// Text that came from a person or a configuration file, for the guard to read.
    ///
    /// Ids, digests and codes are not among it: a digest's digits look like a person's number once in 200 times.
    pub(super) fn free_text_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::DeliveryCreated(created) => {
                let mut texts = vec![&mut created.file, &mut created.purpose, &mut created.legal_basis];
                texts.extend(created.columns.iter_mut());
                texts
            }
            Self::ListRefused(refused) => vec![&mut refused.file],
            Self::Login(_)
            | Self::LoginRefused(_)
            | Self::Logout(_)
            | Self::Upload(_)
            | Self::DownloadStart(_)
            | Self::DownloadEnd(_)
            | Self::Rename(_)
            | Self::Delete {}
            | Self::ListReceived(_)
            | Self::ListAnswered(_)
            | Self::DeliveryAvailable(_)
            | Self::DeliveryFetched(_)
            | Self::PolicyRefused(_)
            | Self::ConfigChanged(_)
            | Self::ProtocolUsed(_)
            | Self::RegisterLoaded(_)
            | Self::RegisterRefused(_)
            | Self::Redacted(_)
            | Self::LogStarted(_)
            | Self::LogStopped(_)
            | Self::LogRecovered(_) => Vec::new(),
        }
    }
}
