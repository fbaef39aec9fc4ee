//! A tenant's tree: uploads on their way in, sealed files on their way out.
//!
//! Invariants:
//! - Nothing of this room lies on disk in clear. What a tenant uploads sealed is stored as it came; anything else is
//!   held in bounded memory and sealed to the exchange's own key before its close is answered.
//! - A close, rename or removal that succeeded is on disk, with its directory and its log entry.
//! - An upload is finished when its file was closed by the client under a name that is not a temporary one. An
//!   upload that broke off is kept, sealed, to be resumed, and never taken.
//! - A delivery's manifest appears after the file that it describes.

mod account;
mod budget;
mod content;
mod download;
mod held;
mod inbox;
mod judging;
mod merger;
mod name;
mod outbox;
mod place;
mod receipts;
mod received;
mod record;
mod removal;
mod session;
mod settled;
mod shelf;
mod store;
#[cfg(test)]
pub(crate) mod support;
#[cfg(test)]
mod tests;
mod upload;
mod usage;
pub mod view;
mod whole_log;

pub use budget::MemoryBudget;
pub use merger::Belongings;
pub use name::{ListName, is_temporary};
pub use outbox::{Area, Outbox, Published, Staged, Staging, delivery_of, manifest_name};
pub use receipts::close_receipts;
pub use received::{Received, Submission};
pub use removal::StaleUpload;
pub use store::{Boxes, BoxesSettings, Host, REPORTS, RefusedUpload, UploadFault, owners};
pub use usage::uploads_bytes;

use crate::{durable::DurableError, ledger::LedgerError, seal::SealError, transfer_log::LogError};

/// Why a drop-box could not do its part; details for the operator, never for a tenant.
#[derive(Debug, thiserror::Error)]
pub enum DropBoxError {
    /// The disk.
    #[error("drop-box storage failed")]
    Storage(#[source] DurableError),
    /// A file's content.
    #[error("could not {action} {name}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The stored file's name.
        name: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// Sealing what is stored.
    #[error("could not seal {name}")]
    Seal {
        /// The stored file's name.
        name: String,
        /// Why.
        #[source]
        source: SealError,
    },
    /// The transfer log did not take the entry.
    #[error("the transfer log refused an entry")]
    Log(#[source] LogError),
    /// A record on disk that cannot be read.
    #[error("record {name} is damaged")]
    Record {
        /// The stored file's name.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The ledger.
    #[error("the ledger did not answer")]
    Ledger(#[source] LedgerError),
}

impl DropBoxError {
    /// Whether nobody knows if the log has what it was given: it ends by this fault, and its next start finds out.
    fn leaves_the_log_unknown(&self) -> bool {
        matches!(self, Self::Log(error) if error.is_fatal())
    }
}
