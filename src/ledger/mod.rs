//! The index of the transfer log: what was received, answered, delivered and used up, for quick questions.
//!
//! The log is the truth; the ledger follows it, entry by entry, and can be deleted and built anew from it. It never
//! knows anything that the log does not say. A question asked after an append was answered sees that append.
//! It is behind a trait, since a cluster keeps it in another database.

mod index;
mod rebuild;
mod rows;
mod sqlite;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jiff::{Timestamp, civil::Date};

use crate::{
    domain::{Amount, AssignmentId, Count, Kind, ProtocolId, Statistics, TenantId},
    transfer_log::LogError,
};

pub use index::SqliteIndex;
pub use rebuild::{rebuild, rebuild_without_earlier};
pub use sqlite::SqliteLedger;

/// Questions to the ledger. Each may wait for the disk.
pub trait Ledger: Send + Sync {
    /// Answered lists that used a protocol, since a day (included) or ever. One whose answer was withdrawn used nothing.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn uses(&self, tenant: &TenantId, protocol: &ProtocolId, since: Option<Date>) -> Result<u32, LedgerError>;

    /// The highest number in the names of a tenant's deliveries of a day; 0 when there is none.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn last_sequence(&self, tenant: &TenantId, day: Date) -> Result<u32, LedgerError>;

    /// The first answer to a list of that content from a register of that month; trials do not count, nor does what was
    /// withdrawn.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn answered(
        &self,
        tenant: &TenantId,
        protocol: &ProtocolId,
        fingerprint: &str,
        register_month: &str,
    ) -> Result<Option<AnsweredList>, LedgerError>;

    /// A submission.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn submission(&self, id: &str) -> Result<Option<SubmissionRow>, LedgerError>;

    /// Submissions neither answered nor refused nor removed, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn waiting(&self) -> Result<Vec<SubmissionRow>, LedgerError>;

    /// A delivery.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn delivery(&self, id: &str) -> Result<Option<DeliveryRow>, LedgerError>;

    /// A tenant's delivery of that file name.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn delivery_of_file(&self, tenant: &TenantId, file: &str) -> Result<Option<DeliveryRow>, LedgerError>;

    /// The newest delivery to a tenant of a file of that content that an operator handed over.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn handed_over(&self, tenant: &TenantId, fingerprint: &str) -> Result<Option<DeliveryRow>, LedgerError>;

    /// Deliveries that were created and cannot be fetched yet, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn unavailable_deliveries(&self) -> Result<Vec<DeliveryRow>, LedgerError>;

    /// A tenant's deliveries, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn deliveries(&self, tenant: &TenantId) -> Result<Vec<DeliveryRow>, LedgerError>;

    /// A tenant's last submissions, newest first, at most so many.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn submissions(&self, tenant: &TenantId, most: u32) -> Result<Vec<SubmissionRow>, LedgerError>;

    /// How many submissions of a tenant the log tells of, whatever became of them.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn submission_count(&self, tenant: &TenantId) -> Result<u64, LedgerError>;

    /// Submissions received since then, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn submissions_since(&self, since: Timestamp) -> Result<Vec<SubmissionRow>, LedgerError>;

    /// Deliveries created since then, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn deliveries_since(&self, since: Timestamp) -> Result<Vec<DeliveryRow>, LedgerError>;

    /// Deliveries whose file name or reference has this text in it, or whose id begins with it, newest first, at most so
    /// many. Capitals are as good as small letters.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn find_deliveries(&self, text: &str, most: u32) -> Result<Vec<DeliveryRow>, LedgerError>;

    /// Runs of a tenant's assignments, of one or of all, since a day (included) or ever, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn runs(
        &self,
        tenant: &TenantId,
        assignment: Option<&AssignmentId>,
        since: Option<Date>,
    ) -> Result<Vec<RunRow>, LedgerError>;

    /// Tenants for whom an assignment was ever run, by id: also those that the configuration has no more.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn tenants_with_runs(&self) -> Result<Vec<TenantId>, LedgerError>;

    /// The deliveries that a run made, in their order, whoever they are for.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn deliveries_of_run(&self, run: &str) -> Result<Vec<DeliveryRow>, LedgerError>;

    /// Deliveries that can be fetched and whose last day was before `day`, oldest first; also those of which the log
    /// does not tell that day.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn ended_deliveries(&self, day: Date) -> Result<Vec<DeliveryRow>, LedgerError>;

    /// Uploads that were answered or refused before, and of which something is kept, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn settled_uploads(&self, before: Timestamp) -> Result<Vec<SubmissionRow>, LedgerError>;

    /// What was removed of a tenant's files and no certificate tells of yet, in the order of the log.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn untold_removals(&self, tenant: &TenantId) -> Result<Vec<RemovalRow>, LedgerError>;

    /// When a tenant passed the technical test: when it first fetched whole the test file of an assignment, or an answer
    /// to a list that it put in the test inbox.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn technical_test(&self, tenant: &TenantId) -> Result<Option<Timestamp>, LedgerError>;

    /// Tenants that ended since another has what was theirs, in the order of the log.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn mergers(&self) -> Result<Vec<MergerRow>, LedgerError>;

    /// Counts for each tenant that the log speaks of. Trials count, too, but not as what was not fetched.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn summary(&self) -> Result<Summary, LedgerError>;
}

/// How far a submission has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubmissionState {
    /// It has a temporary name.
    Unfinished,
    /// It waits for its answer.
    Waiting,
    /// It was answered.
    Answered,
    /// It was refused.
    Refused,
    /// It was removed before it was taken: by its tenant, since its name was refused, or unanswered by retention.
    Removed,
}

/// An upload that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmissionRow {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// Who sent it.
    pub tenant: TenantId,
    /// When it was on disk.
    pub received_at: Timestamp,
    /// How far it has come.
    pub state: SubmissionState,
    /// Bytes sent.
    pub size: u64,
    /// Whether it is a trial.
    pub test: bool,
    /// SHA-256 of what was on disk, hexadecimal.
    pub ciphertext_sha256: String,
    /// Whether retention removed what was kept of it.
    pub gone: bool,
}

/// A file for a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its id.
    pub id: String,
    /// Whom it is for.
    pub tenant: TenantId,
    /// Its file name.
    pub file: String,
    /// What it is.
    pub kind: Kind,
    /// The protocol, agreement or assignment.
    pub reference: Option<ProtocolId>,
    /// Rows.
    pub rows: u64,
    /// When it was sealed.
    pub created_at: Timestamp,
    /// The place of its entry in the log.
    pub created_seq: u64,
    /// SHA-256 of the sealed file, hexadecimal.
    pub ciphertext_sha256: String,
    /// Whether it can be fetched.
    pub available: bool,
    /// When it was first fetched whole.
    pub fetched_at: Option<Timestamp>,
    /// The submission that it answers.
    pub answers: Option<String>,
    /// Whether it is a trial.
    pub test: bool,
    /// The sum of its payments.
    pub amount_total: Option<Amount>,
    /// The last day that it stays in the outbox; none where the log does not tell.
    pub retention_until: Option<Date>,
    /// Why it can be fetched no more, where that is so.
    pub gone: Option<DeliveryEnd>,
}

/// Something that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovalRow {
    /// The delivery's or submission's id.
    pub id: String,
    /// Why, and what it was.
    pub cause: RemovalCause,
    /// SHA-256 of what was on disk, hexadecimal.
    pub ciphertext_sha256: String,
    /// Bytes: of a delivery those on disk, of an upload those that were sent.
    pub size: u64,
    /// The place of its entry in the log.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
}

/// Why something was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovalCause {
    /// A delivery's time was over.
    Expired {
        /// Its file name.
        file: String,
        /// Its last day.
        until: Option<Date>,
    },
    /// A delivery was withdrawn.
    Withdrawn {
        /// Its file name.
        file: String,
        /// Why, in an operator's words.
        motive: String,
    },
    /// An upload was kept long enough after it was answered or refused.
    Answered {
        /// When it came.
        received_at: Timestamp,
    },
    /// An upload was kept long enough that never had its own name.
    Unfinished {
        /// When it came.
        received_at: Timestamp,
    },
    /// An upload was kept long enough that nobody answered, since its tenant was in the configuration no more.
    Unanswered {
        /// When it came.
        received_at: Timestamp,
    },
}

/// A tenant that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergerRow {
    /// The tenant that ended.
    pub former: TenantId,
    /// Who has what was its own today, also over several mergers.
    pub tenant: TenantId,
    /// When: what the log tells of the tenant up to then is about what the other has now.
    pub at: Timestamp,
}

/// A run of an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// Of which assignment.
    pub assignment: AssignmentId,
    /// The day in Brussels.
    pub day: Date,
    /// SHA-256 of its criteria as text, hexadecimal.
    pub criteria_sha256: String,
    /// That text; none where the log does not tell.
    pub criteria: Option<String>,
    /// The local authority's name for people then; none where the log does not tell.
    pub authority: Option<String>,
    /// The register's month, `yyyy-mm`.
    pub register_month: String,
    /// Files that it made.
    pub files: u64,
    /// Letters that it made.
    pub letters: u64,
    /// Their pages.
    pub pages: u64,
    /// Who was selected, in counts that may be shown to anybody.
    pub statistics: Statistics,
    /// Families that got no letter for want of an address.
    pub unaddressed: Count,
    /// Families that got no letter for a name that no font has.
    pub unprintable: Count,
}

/// An answer that was given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredList {
    /// The answer's file name.
    pub file: String,
    /// When it was given.
    pub at: Timestamp,
    /// The submission that it answered.
    pub submission: String,
    /// Why it can be fetched no more; none where it still can be.
    pub gone: Option<DeliveryEnd>,
    /// The last day that it stays or stayed in the outbox; none where the log does not tell.
    pub retention_until: Option<Date>,
}

/// Why a delivery can be fetched no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// Its time was over.
    Expired,
    /// An operator took it back.
    Withdrawn,
    /// Its tenant removed it, and nobody took it back after that.
    Deleted,
}

/// Where the exchange stands, by tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// A line for each tenant.
    pub tenants: BTreeMap<TenantId, TenantSummary>,
}

/// Where a tenant stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantSummary {
    /// Submissions that wait.
    pub waiting: u64,
    /// Submissions answered, without trials.
    pub answered: u64,
    /// Submissions refused, also those refused before they were one, without trials.
    pub refused: u64,
    /// Deliveries that can be, or could have been, fetched, without trials.
    pub deliveries: u64,
    /// Those never fetched that still can be, without certificates of removals.
    pub unfetched: u64,
    /// Since when the oldest of these can be fetched.
    pub oldest_unfetched: Option<Timestamp>,
    /// The last login.
    pub last_login: Option<Timestamp>,
}

/// What can go wrong with the ledger.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The database could not be opened.
    #[error("could not open the ledger {path}")]
    Open {
        /// Its file.
        path: PathBuf,
        /// The database's answer.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// A file of the database could not be made or removed.
    #[error("could not {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The database did not do what was asked.
    #[error("could not {action} the ledger")]
    Database {
        /// What was tried.
        action: &'static str,
        /// The database's answer.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The database's file is damaged.
    #[error(
        "could not {action} the ledger, which is damaged: stop the daemon, and `groeikluis ledger rebuild` makes it anew"
    )]
    Damaged {
        /// What was tried.
        action: &'static str,
        /// The database's answer.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The database holds what the ledger never writes: delete it, and it is built anew.
    #[error("the ledger holds a {what} that is none")]
    Value {
        /// What it should be.
        what: &'static str,
    },
    /// Another version of the program made the database.
    #[error("another version of the program made the ledger {path}: the daemon makes it anew when it starts")]
    Version {
        /// Its file.
        path: PathBuf,
    },
    /// The log could not be read.
    #[error("could not read the transfer log")]
    Log(#[source] LogError),
    /// The log is open in another process, which keeps the ledger up to date.
    #[error("the transfer log {path} is in use: stop the daemon first")]
    LogInUse {
        /// The log's directory.
        path: PathBuf,
    },
}

impl LedgerError {
    fn database(action: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| {
            let is_damage = sqlite::is_damage(&source);
            let source = Arc::new(source);
            if is_damage { Self::Damaged { action, source } } else { Self::Database { action, source } }
        }
    }
}

impl SubmissionState {
    const ALL: [Self; 5] = [Self::Unfinished, Self::Waiting, Self::Answered, Self::Refused, Self::Removed];

    /// The word in the database and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Waiting => "waiting",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Removed => "removed",
        }
    }
}
