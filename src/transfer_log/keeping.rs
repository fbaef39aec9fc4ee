//! The fields of the events about what is kept, by whom and for how long: removals, erasures, backups, mergers.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::as_text;
use crate::domain::{Kind, TenantId};

/// Fields of `delivery.expired`. Its file is removed after this entry is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryExpired {
    /// The delivery's id.
    pub delivery_id: String,
    /// What it is.
    #[serde(with = "as_text")]
    pub kind: Kind,
    /// SHA-256 of the sealed file, hexadecimal.
    pub ciphertext_sha256: String,
    /// The last day that it was to stay, in Brussels, ISO.
    #[serde(with = "as_text")]
    pub retention_until: Date,
    /// Whether it was ever fetched whole.
    pub fetched: bool,
}

/// Fields of `delivery.withdrawn`. Its file is removed after this entry is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryWithdrawn {
    /// The delivery's id.
    pub delivery_id: String,
    /// What it is.
    #[serde(with = "as_text")]
    pub kind: Kind,
    /// SHA-256 of the sealed file, hexadecimal.
    pub ciphertext_sha256: String,
    /// Whether it was fetched whole before.
    pub fetched: bool,
    /// Why, in the words of who withdrew it.
    pub motive: String,
}

/// Fields of `upload.removed`. The correlation is the submission's id; its files are removed after this entry is
/// durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadRemoved {
    /// Bytes that the tenant sent.
    pub size: u64,
    /// SHA-256 of what was on disk, hexadecimal.
    pub ciphertext_sha256: String,
    /// Whether it was a trial.
    pub test: bool,
}

impl UploadRemoved {
    /// The entry's reason where the upload was never finished.
    pub const UNFINISHED: &str = "unfinished";

    /// The entry's reason where nobody answered it: it waited until its tenant was in the configuration no more. There is
    /// none where it was answered or refused.
    pub const TENANT_GONE: &str = "tenant-gone";
}

/// Fields of `retention.erased`. The entry's `tenant` is the one whose disclosures were erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionErased {
    /// The month, `yyyy-mm`, UTC.
    pub month: String,
    /// The id of the key that was destroyed, hexadecimal.
    pub key_id: String,
    /// Records that can be opened no more: one for each entry with disclosures.
    pub count: u64,
}

/// Fields of `backup.made`: durable before anything is copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupMade {
    /// The ids of the public keys that it is sealed to ([`super::key_id`]).
    pub recipients: Vec<String>,
}

/// Fields of `backup.restored`: the first that a restored exchange enters, before it takes connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRestored {
    /// The origin of the log in the backup.
    pub origin: String,
    /// Its entries.
    pub size: u64,
    /// When the backup was made, UTC.
    #[serde(with = "as_text")]
    pub made_at: Timestamp,
    /// How far that log had come by its high-water mark; none where the mark was lost as well. Entries between `size`
    /// and this are lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_water: Option<u64>,
}

/// Fields of `tenant.merged`: one entry for each tenant that ended. The entry's `tenant` has its drop-box from now on, the
/// correlation is the same for all of one order, and files are moved after the entries are durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantMerged {
    /// The tenant that ended.
    #[serde(with = "as_text")]
    pub former: TenantId,
    /// Deliveries in its outboxes.
    pub deliveries: u64,
    /// Those of them that nobody fetched whole.
    pub unfetched: u64,
    /// Uploads of which something is kept.
    pub uploads: u64,
    /// Those of them that wait for their answer.
    pub waiting: u64,
    /// Receipts.
    pub receipts: u64,
}
