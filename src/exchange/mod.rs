//! The pipeline from a municipality's list to the sealed answer, and the only room that knows its order.
//!
//! ```text
//! Received ─▶ Opened ─▶ Matched ─▶ Checked ─▶ Sealed ─▶ Staged ─▶ (the log) ─▶ Published
//! ```
//!
//! Each arrow is a type that only the stage before makes. The one step that decides is the append to the transfer
//! log: a group of entries that says at once that the list was answered, that the protocol was used, and which
//! deliveries exist. What was staged before it is on disk already, what comes after it is done again after a stop,
//! and so every accepted list is answered exactly once.

mod answer;
pub mod assignment;
mod deliver;
mod delivery;
mod fingerprint;
mod gate_refusal;
mod marks;
mod matching;
mod merger;
mod onboarded;
mod orderer;
mod queue;
mod refuse;
mod registers;
mod restored_day;
mod retention;
mod retry;
mod returned;
mod selection;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tests;
mod unprocessed;
mod worker;

pub use answer::{Checked, Opened};
pub use assignment::AssignmentFault;
pub use deliver::{DeliverFault, HandedOver, MOST_HANDED_BYTES};
pub use delivery::{DeliveryId, DeliveryIdFault};
pub use fingerprint::{FingerprintKey, FingerprintKeyError};
pub use gate_refusal::GateRefusal;
pub use marks::{Aside, MOST_SET_ASIDE, set_aside};
pub use matching::{Answered, Matched, Terms, write_answer};
pub use merger::{CarriedTenant, MergerFault, MergerOutcome};
pub use onboarded::onboarded;
pub use orderer::Orderer;
pub use registers::{Loading, Registers, TRIAL_CHILDREN};
pub use restored_day::note_restored;
pub use retention::{ExpiredFile, RemovedUpload, RetentionOutcome, WithdrawalFault, WithdrawnFile};
pub use retry::RetryFault;
pub use selection::{SelectionFault, fault_of_ground, select};
pub use unprocessed::{RefusalFault, RefusedList};
pub use worker::{Exchange, ExchangeParts, Tenants};

use crate::{
    dropbox::DropBoxError, durable::DurableError, ledger::LedgerError, register::RegisterFault, seal::SealError,
    transfer_log::LogError,
};

/// What was done of something, and why not all of it.
#[derive(Debug)]
pub struct InPart<T, E> {
    /// What was done; perhaps nothing.
    pub done: Box<T>,
    /// Why the rest was not.
    pub fault: E,
}

/// Why the exchange could not do its part, for a fault of this side: the submission waits and is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// There is no register to answer from yet.
    #[error("no register is loaded")]
    NoRegister,
    /// The tenant is no longer in the configuration.
    #[error("tenant {0} is not in the configuration")]
    TenantGone(String),
    /// A tenant that can upload has no municipality, or no readable recipient: the configuration was checked for it.
    #[error("tenant {tenant} cannot be answered: {problem}")]
    TenantUnfit {
        /// Which.
        tenant: String,
        /// What is missing.
        problem: &'static str,
    },
    /// More deliveries in a day than file names have numbers for.
    #[error("tenant {0} had its last delivery number of today")]
    NoSequenceLeft(String),
    /// Reading what was uploaded.
    #[error("could not read a stored upload")]
    Stored(#[source] SealError),
    /// Sealing an answer.
    #[error("could not seal a delivery")]
    Seal(#[source] SealError),
    /// Drop-boxes.
    #[error("a drop-box failed")]
    DropBox(#[source] DropBoxError),
    /// The log.
    #[error("the transfer log refused an entry")]
    Log(#[source] LogError),
    /// The ledger.
    #[error("the ledger did not answer")]
    Ledger(#[source] LedgerError),
    /// The day of a restored backup.
    #[error("whether a backup was restored today could not be read")]
    RestoredDay(#[source] DurableError),
    /// What a list that kills the process is known by could not be kept.
    #[error("that a list is being worked on could not be marked")]
    Mark(#[source] DurableError),
    /// A list that the process may die of is tried alone.
    #[error("an assignment is run, or files are removed")]
    RunUnderWay,
    /// Whoever ordered it went away before it began.
    #[error("whoever gave the order went away before its turn came")]
    Unwanted,
    /// The daemon ends; the rest is done at the next start.
    #[error("the daemon is stopping")]
    Stopping,
    /// The synthetic register of the test inbox could not be made.
    #[error("could not make the test register")]
    TrialRegister(#[source] RegisterFault),
}
