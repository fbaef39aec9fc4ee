//! The long-running process: what it opens and in which order, what it watches, and how it ends.
//!
//! Start: configuration and every secret are checked before anything is touched; the state directory is locked; the
//! log is opened and recovered; what a stop left is finished; then the register is loaded and connections are taken.
//! End: no new connections, transfers get `drain_seconds`, lists under way are finished, the log is closed.

mod backup;
mod control;
pub mod disks;
mod explaining;
mod form;
mod in_force;
pub mod inboxes;
mod keeper;
mod kept;
mod known_register;
mod last_configuration;
mod letters;
mod listeners;
mod live;
mod login_records;
mod mail;
mod memory;
pub mod needs;
mod opening;
mod orders;
mod receipts;
mod register_change;
mod register_loader;
mod reload;
mod restore;
mod retention;
mod running;
mod sandbox;
mod spool;
mod stranger_records;
mod watch;
mod watching;
mod witness;
mod workers;

pub use backup::{Backup, BackupError, back_up};
pub use control::{deliver, is_log_written, is_running, note, publish};
pub use explaining::LoginMemory;
pub use kept::KeptError;
pub use known_register::{InUse, KnownRegister, RegisterNeed};
pub use last_configuration::{LastConfiguration, last_configuration};
pub use letters::check_letters;
pub use live::first_steps;
pub use login_records::{KEPT_DAYS, LoginRecord, LoginRecords, MOST_GOOD, MOST_REFUSED, TriedRecord};
pub use mail::{Alert, alert_operators, check_certificates, waiting_mails};
pub use memory::warn_of_little_memory;
pub use opening::{check_log_keys, check_not_lost, host_fingerprints};
pub use orders::{
    Fulfilled, apply_retention, merge_tenants, refuse_list, report, retry_set_aside, run, send_test, simulate, withdraw,
};
pub use register_change::{UsedRegister, accept_register_change, is_register_change_accepted};
pub use restore::{RestoreError, Restored, restore, restore_configuration};
pub use retention::{RetentionReport, doubtful_since as retention_doubtful_since, late_since as retention_late_since};
pub use running::{Daemon, DaemonOptions};
pub use sandbox::{Sandbox, enter_sandbox};
pub use spool::{SpooledFiles, spooled_files};
pub use stranger_records::{MOST_STRANGERS, NO_COMMON_ALGORITHM, StrangerRecord};
pub(crate) use {
    opening::{archive_dir, disclosures, log_dir},
    register_loader::read_keyring,
};

use std::path::PathBuf;

use crate::{
    config::{Fault, KeptFault, SecretError},
    dropbox::DropBoxError,
    durable::DurableError,
    exchange::{ExchangeError, FingerprintKeyError},
    ledger::LedgerError,
    seal::SealError,
    sftp::{self, KeyFault},
    transfer_log::{LogError, NoteFault},
};

/// Why the daemon did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration, or a secret that it names, is at fault.
    #[error("the configuration has {} fault(s)", .0.len())]
    Configuration(Vec<Fault>),
    /// The SFTP server could not be made.
    #[error("the SFTP server cannot start")]
    Sftp(#[source] crate::sftp::SftpError),
    /// A secret could not be read.
    #[error("a secret cannot be used")]
    Secret(#[source] SecretError),
    /// The exchange's or the register's age identity.
    #[error("{secret} is no age identity file")]
    Identity {
        /// Which secret.
        secret: String,
        /// Why.
        #[source]
        source: SealError,
    },
    /// A host key.
    #[error("{secret} is no host key")]
    HostKey {
        /// Which secret.
        secret: String,
        /// Why.
        #[source]
        source: KeyFault,
    },
    /// The log's key.
    #[error("{secret} is no key for the transfer log {origin}")]
    LogKey {
        /// Which secret.
        secret: String,
        /// The log's name in the configuration.
        origin: String,
        /// Why.
        #[source]
        source: NoteFault,
    },
    /// The state directory.
    #[error("the state directory cannot be used")]
    State(#[source] DurableError),
    /// There is no transfer log, and there was one.
    #[error(
        "there is no transfer log in {path}, and {origin} had {size} entries by its high-water mark: see that `state_dir` is \
         right and its file system is mounted; where the directory is lost, `groeikluis restore` puts a backup in its place"
    )]
    LostState {
        /// The state directory.
        path: PathBuf,
        /// The log's name.
        origin: String,
        /// Its entries by the mark.
        size: u64,
    },
    /// Another daemon has the state directory.
    #[error("another process uses the state directory {0}")]
    InUse(PathBuf),
    /// The state directory's lock.
    #[error("cannot lock the state directory {path}")]
    Lock {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others on this machine may write in the state directory.
    #[error(
        "the state directory {path} has mode {mode:04o}: other users could put another log in place of this one; give it \
         to the daemon's user alone, with mode 0700, or name a directory below it"
    )]
    OpenToOthers {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A newer program worked with the state directory.
    #[error(
        "the state directory {path} is of a newer form ({}, this program knows up to {known}): use a newer groeikluis, or \
         a backup from before it",
        found.map_or_else(|| "unknown".to_owned(), |found| found.to_string())
    )]
    NewerForm {
        /// Which.
        path: PathBuf,
        /// Its form, where it is a number.
        found: Option<u32>,
        /// The newest that is known.
        known: u32,
    },
    /// The log.
    #[error("the transfer log cannot be used")]
    Log(#[source] LogError),
    /// The ledger.
    #[error("the ledger cannot be used")]
    Ledger(#[source] LedgerError),
    /// Drop-boxes.
    #[error("the drop-boxes cannot be used")]
    DropBoxes(#[source] DropBoxError),
    /// The key of list fingerprints.
    #[error("lists could not be recognised")]
    Fingerprints(#[source] FingerprintKeyError),
    /// What the last stop left could not be finished.
    #[error("what the last stop left could not be finished")]
    Exchange(#[source] ExchangeError),
    /// The last logins.
    #[error("the last logins cannot be read")]
    Logins(#[source] KeptError),
    /// The penalties.
    #[error("the penalties cannot be read")]
    Penalties(#[source] sftp::KeptFault),
    /// No thread for what is written behind the logins' back.
    #[error("cannot start the thread that keeps the last logins")]
    Keeper(#[source] std::io::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A socket that the service manager passed.
    #[error("a socket that was passed cannot be listened on")]
    PassedSocket(#[source] std::io::Error),
    /// Core dumps could not be forbidden.
    #[error("cannot forbid core dumps")]
    CoreDumps(#[source] std::io::Error),
    /// A running daemon that could not be asked.
    #[error("the running daemon does not answer at {path}")]
    Control {
        /// Its socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody to do it.
    #[error("no daemon runs with the state directory {0}: start it with `groeikluis serve`, and try again")]
    NoDaemon(PathBuf),
    /// A running daemon that was asked, and did not tell what came of it.
    #[error("the running daemon did not tell what came of it; {hint}")]
    Unknown {
        /// Where it stands whether it was done.
        hint: String,
        /// Why it did not tell.
        #[source]
        source: std::io::Error,
    },
    /// A running daemon that did not do what it was asked.
    #[error("the running daemon did not do it: {0}")]
    NotNoted(String),
    /// A running daemon that did not do all of what it was asked.
    #[error("it was done in part: {0}")]
    InPart(String),
    /// The configuration that the last start or reload kept.
    #[error("the configuration in force cannot be compared with")]
    LastConfiguration(#[source] KeptFault),
    /// The thread that makes receipts could not be started.
    #[error("cannot start making receipts")]
    Receipts(#[source] std::io::Error),
    /// The thread that removes what was kept long enough could not be started.
    #[error("cannot start the thread of retention")]
    Retention(#[source] std::io::Error),
    /// The spool cannot be used, or there is no thread for it.
    #[error("files cannot be handed over in `spool_dir`")]
    Spool(#[source] std::io::Error),
    /// The threads for mail could not be started.
    #[error("cannot start writing and sending mail")]
    Mail(#[source] std::io::Error),
    /// Those who run the exchange could not be told.
    #[error("mail cannot be handed over")]
    Alert(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log failed while running.
    #[error("the transfer log failed; the daemon cannot account for what it does and ends")]
    LogFailed,
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
}
