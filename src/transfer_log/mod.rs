//! The account of every step, which nobody can rewrite: a tiled transparency log in plain files.
//!
//! It owns the log's directory: `checkpoint` (signed), `tile/` (hashes and entries, C2SP tlog-tiles), `journal/` (what
//! came after the checkpoint) and a lock. One process writes, one thread at a time; any other may read at any time.
//!
//! - An append is answered when its entries are on disk and in the index, never before; a group of entries is there
//!   whole or not at all, after a crash too.
//! - Nothing written is ever written again. Each checkpoint is kept a second time, elsewhere, before it is published:
//!   a log that is shorter than that, or another, is refused.
//! - No number of a person gets in, and nothing that identifies an official in clear.
//! - A failed synchronisation ends the log: what is on disk is then not known, and only a new start finds out.

mod archive;
mod as_text;
mod bundles;
mod carried;
mod checkpoint;
mod cold;
mod committer;
mod disclosure;
mod entry;
mod error;
mod event;
mod fields;
mod files;
mod follower;
mod frames;
mod guard;
mod jcs;
mod journal;
mod keeper;
mod keeping;
mod keys;
mod log;
mod merkle;
mod newest;
mod note;
mod proof;
mod publisher;
mod queue;
mod reader;
mod receipt;
mod record;
mod recovery;
mod set_aside;
mod snapshot;
mod superseded;
#[cfg(test)]
pub(crate) mod support;
mod tile;
mod under;
mod untrusted;
mod verify;
mod years;

pub use archive::{EarlierLog, KEYS, all_earlier, archived, archived_from, archived_keys, readable};
pub use carried::RECEIPT_DICTIONARY;
pub use checkpoint::Checkpoint;
pub use cold::month_before;
pub use disclosure::{digest, disclosed_name, opened};
pub use entry::{MAX_ENTRY_BYTES, StoredEntry};
pub use error::{IndexError, LogError};
pub use event::{EVENT_NAMES, Event};
pub use fields::{
    AssignmentBilled, AssignmentRun, AssignmentSimulated, AuditExported, AuditRead, ClockStep, ConfigChanged,
    DeliveryCreated, DeliveryStep, DisclosureOpened, DownloadEnd, DownloadStart, FileKind, FileList, GroundChanged,
    KeyChanged, KeyUse, ListAnswered, ListReceived, ListRefused, ListSetAside, LogKeyRotated, LogRecovered, LogStarted,
    LogStopped, Login, LoginMethod, LoginRefused, Logout, MailSent, MailTopic, PolicyRefused, ProtocolUsed, Redacted,
    RegisterLoaded, RegisterRefused, Rename, Stage, Upload, key_id,
};
pub use follower::{Index, Position};
pub use keeper::{DisclosureKeeper, KeptMonth, OpenedMonth, UsedKey, month_of};
pub use keeping::{
    BackupMade, BackupRestored, DeliveryExpired, DeliveryWithdrawn, RetentionErased, TenantMerged, UploadRemoved,
};
pub use keys::SigningKeys;
pub use log::{Appended, LogSettings, TransferLog};
pub use merkle::Hash;
pub use newest::{Newest, News};
pub use note::{NoteFault, NoteKey, VerifierKey};
pub use reader::{Entries, entries, entries_from, published_note, published_size};
pub use receipt::{MAX_RECEIPT_BYTES, Receipt, ReceiptFault, Received, receipt, upload_receipt};
pub use record::{Actor, Context, Disclosed, Outcome, Record, UnknownWord};
pub use snapshot::{high_water, own_key, raise_high_water, snapshot};
pub use under::entries_under;
pub use untrusted::{Spans, Trust, Verdict, beyond, trust};
pub use verify::{Verified, VerifyFault, signer, verify, verify_since};
pub use years::{LogFault, VerifiedYear, YearFault, Years};

/// Records in one batch, at most: one synchronisation each. More only makes the first of them wait longer.
pub const MAX_BATCH: usize = 4_096;

/// Records in one group, at most: a group is within one batch.
pub const MAX_GROUP: usize = MAX_BATCH;

/// Records that wait for the committer, at most: 16 batches, some 60 MB.
pub const MAX_WAITING: usize = 65_536;
