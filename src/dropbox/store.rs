//! All drop-boxes on this machine's disk. What they ask of their host, why an upload is refused among it, stands with them
//! in one file.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use jiff::Timestamp;

use super::{
    Area, DropBoxError, MemoryBudget, Outbox, Published, Staging, Submission,
    inbox::{Inbox, Known},
    outbox,
    receipts::Receipts,
    received::Received,
    record::Record,
    session::TenantView,
    view::{Denied, DropBox, DropBoxes, Login},
};
use crate::{
    domain::{Tenant, TenantId},
    durable::{Clock, Directory},
    ledger::{Ledger, SubmissionState},
    seal::{Keyring, Recipient},
    transfer_log::TransferLog,
};

/// What drop-boxes ask of the daemon around them.
pub trait Host: Send + Sync {
    /// A tenant as it is now.
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>>;

    /// The text of `LEESMIJ.txt` for a tenant.
    fn guide(&self, tenant: &Tenant) -> String;

    /// The example list of the test inbox: synthetic numbers of the tenant's test register.
    fn example_list(&self, tenant: &Tenant) -> String;

    /// Whether the account tells of listings, too.
    fn accounts_listings(&self) -> bool;

    /// What speaks against a list of that name for a tenant today, whatever is in it: the protocol that it would be
    /// answered under. Asked before anything is sent, and answered from memory.
    fn fault_of_ground(&self, tenant: &Tenant, name: &str) -> Option<UploadFault>;

    /// An upload is finished, durable and in the log.
    fn submitted(&self, submission: Submission);

    /// An upload was refused while it was written; its tenant can be told more than a status says.
    fn refused_upload(&self, refused: RefusedUpload);
}

/// An upload that was refused before it was finished; nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedUpload {
    /// The id that it would have had.
    pub submission: Submission,
    /// Which inbox.
    pub area: Area,
    /// The name that the tenant gave it.
    pub name: String,
    /// Why.
    pub fault: UploadFault,
}

/// Why an upload was refused before it was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadFault {
    /// Larger than the tenant may send.
    TooLarge {
        /// At most, bytes.
        limit_bytes: u64,
    },
    /// Nothing in it.
    Empty,
    /// Its ending is not that of a list.
    WrongType,
    /// It ends in `.age` and is no age file.
    NotAge,
    /// It is sealed, and its end is missing.
    TruncatedAge,
    /// It is sealed, and does not open here: to another key, or damaged.
    NotDecryptable,
    /// It is not sealed, and the tenant's must be.
    SealedOnly,
    /// Its name has what could be a number of a person; the name is not repeated.
    NameWithNumber,
    /// Its name has the reference of a protocol that the tenant does not have.
    UnknownProtocol,
    /// Several protocols would allow an answer, and its name says none.
    AmbiguousProtocol,
    /// The protocol is not signed yet, or was ended.
    ProtocolUnsigned,
    /// The protocol has not begun.
    ProtocolNotBegun,
    /// The protocol's last day has passed.
    ProtocolOver,
}

impl UploadFault {
    /// What the session is told.
    pub fn denied(self) -> Denied {
        Denied::Refused(match self {
            Self::TooLarge { .. } => "het bestand is groter dan toegelaten".to_owned(),
            Self::Empty => "het bestand is leeg".to_owned(),
            Self::WrongType => {
                "alleen lijsten in .csv, .txt of .xlsx, eventueel verzegeld met age (.age), worden aanvaard".to_owned()
            }
            Self::NotAge => "de naam eindigt op .age, maar het bestand is niet met age verzegeld".to_owned(),
            Self::TruncatedAge => "het einde van het age-bestand ontbreekt; stuur het volledige bestand".to_owned(),
            Self::NotDecryptable => {
                "het age-bestand kan hier niet geopend worden: voor een andere sleutel verzegeld, onvolledig of beschadigd"
                    .to_owned()
            }
            Self::SealedOnly => "alleen bestanden die met age verzegeld zijn (.age) worden aanvaard".to_owned(),
            Self::NameWithNumber => {
                "de bestandsnaam bevat een rijksregisternummer; geef het bestand een andere naam".to_owned()
            }
            Self::UnknownProtocol => "de bestandsnaam noemt een protocol dat uw bestuur niet heeft".to_owned(),
            Self::AmbiguousProtocol => {
                "meer dan een protocol is mogelijk; zet de referentie vooraan in de bestandsnaam".to_owned()
            }
            Self::ProtocolUnsigned => "het protocol is nog niet ondertekend, of het is stopgezet".to_owned(),
            Self::ProtocolNotBegun => "de geldigheid van het protocol is nog niet begonnen".to_owned(),
            Self::ProtocolOver => "de geldigheid van het protocol is verstreken".to_owned(),
        })
    }
}

/// Where and with what drop-boxes are kept.
pub struct BoxesSettings {
    /// Holds everything; only ciphertext.
    pub state_dir: PathBuf,
    /// Opens and seals what lies on disk.
    pub keyring: Keyring,
    /// Memory for uploads that are not sealed yet.
    pub budget: MemoryBudget,
    /// The log's directory, which auditors read.
    pub log_dir: PathBuf,
    /// Where the logs of earlier years are, which auditors read too.
    pub archive_dir: PathBuf,
    /// The log's public keys, a line each, for tenants to verify with.
    pub log_keys: String,
}

/// What all sessions of all tenants share.
pub(super) struct Shared {
    pub keyring: Keyring,
    pub own_recipients: Vec<Recipient>,
    pub budget: MemoryBudget,
    pub clock: Clock,
    pub log: TransferLog,
    pub ledger: Arc<dyn Ledger>,
    pub host: Arc<dyn Host>,
    pub log_dir: Directory,
    /// Logs of earlier years.
    pub archive_dir: Directory,
    /// What auditors are reported.
    pub reports_dir: Directory,
    pub log_keys: String,
}

/// One tenant's boxes.
#[derive(Clone)]
pub(super) struct TenantBoxes {
    pub inbox: Arc<Inbox>,
    pub outbox: Outbox,
    pub receipts: Receipts,
}

/// The directory of reports for auditors, below the state directory.
pub const REPORTS: &str = "reports";

/// The directory of outboxes, one for each tenant, below the state directory.
pub(super) const OUTBOXES: &str = "boxes";

/// The directory of uploads, one for each tenant, below the state directory.
pub(super) const UPLOADS: &str = "uploads";

/// All drop-boxes, in files under one directory. Cheap to clone.
#[derive(Clone)]
pub struct Boxes {
    pub(super) shared: Arc<Shared>,
    pub(super) outboxes: Directory,
    pub(super) uploads: Directory,
    staging: Directory,
    pub(super) open: Arc<Mutex<HashMap<TenantId, TenantBoxes>>>,
    /// Held to write while a drop-box goes to another tenant: nobody opens one, and no receipt is put, meanwhile.
    pub(super) merging: Arc<RwLock<()>>,
}

/// Who has, or once had, a drop-box below this state directory, in order. Nothing is made.
///
/// # Errors
/// [`DropBoxError::Storage`].
pub fn owners(state_dir: &Path) -> Result<Vec<TenantId>, DropBoxError> {
    let boxes = state_dir.join(OUTBOXES);
    if !boxes.exists() {
        return Ok(Vec::new());
    }
    Directory::create(&boxes).map_err(DropBoxError::Storage).and_then(|boxes| tenants_in(&boxes))
}

/// The tenants whose names the directories there have, in order.
pub(super) fn tenants_in(directory: &Directory) -> Result<Vec<TenantId>, DropBoxError> {
    let names = directory.names().map_err(DropBoxError::Storage)?;
    let mut tenants: Vec<TenantId> = names.iter().filter_map(|name| name.parse().ok()).collect();
    tenants.sort();
    Ok(tenants)
}

impl Boxes {
    /// Opens the drop-boxes, makes what is missing, and finishes a merger that a stop broke off.
    ///
    /// # Errors
    /// [`DropBoxError::Storage`].
    pub fn open(
        settings: BoxesSettings,
        clock: Clock,
        log: TransferLog,
        ledger: Arc<dyn Ledger>,
        host: Arc<dyn Host>,
    ) -> Result<Self, DropBoxError> {
        let state = Directory::create(&settings.state_dir).map_err(DropBoxError::Storage)?;
        let open = |name| state.subdirectory(name).map_err(DropBoxError::Storage);
        let shared = Shared {
            own_recipients: settings.keyring.recipients(),
            keyring: settings.keyring,
            budget: settings.budget,
            clock,
            log,
            ledger,
            host,
            log_dir: Directory::create(&settings.log_dir).map_err(DropBoxError::Storage)?,
            archive_dir: Directory::create(&settings.archive_dir).map_err(DropBoxError::Storage)?,
            reports_dir: open(REPORTS)?,
            log_keys: settings.log_keys,
        };
        let boxes = Self {
            shared: Arc::new(shared),
            outboxes: open(OUTBOXES)?,
            uploads: open(UPLOADS)?,
            staging: open("staging")?,
            open: Arc::default(),
            merging: Arc::default(),
        };
        boxes.finish_mergers()?;
        Ok(boxes)
    }

    pub(super) fn boxes_of(&self, tenant: &TenantId) -> Result<TenantBoxes, DropBoxError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(boxes) = open.get(tenant) {
            return Ok(boxes.clone());
        }
        let uploads = self.uploads.subdirectory(tenant.as_str()).map_err(DropBoxError::Storage)?;
        let inbox = Inbox::open(tenant.clone(), uploads, |record| self.known(record))?;
        let directory = self.outboxes.subdirectory(tenant.as_str()).map_err(DropBoxError::Storage)?;
        let (outbox, receipts) = (Outbox::open(&directory)?, Receipts::open(&directory)?);
        let boxes = TenantBoxes { inbox: Arc::new(inbox), outbox, receipts };
        open.insert(tenant.clone(), boxes.clone());
        Ok(boxes)
    }

    /// What the log knows of an upload, with this content.
    pub(super) fn known(&self, record: &Record) -> Result<Known, DropBoxError> {
        let row = self.shared.ledger.submission(&record.id).map_err(DropBoxError::Ledger)?;
        let Some(row) = row else { return Ok(Known::Nothing) };
        Ok(match row.state {
            SubmissionState::Answered | SubmissionState::Refused => Known::Settled,
            SubmissionState::Removed => Known::Removed,
            // By retention, whose unlinking failed.
            SubmissionState::Unfinished | SubmissionState::Waiting if row.gone => Known::Removed,
            // It was closed before, and gone on with: what it is now was never confirmed.
            _ if row.ciphertext_sha256 != record.stored_sha256 => Known::Nothing,
            SubmissionState::Unfinished => Known::Unfinished,
            SubmissionState::Waiting => Known::Waiting,
        })
    }

    /// Finished submissions of a tenant that the exchange has not begun.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn waiting(&self, tenant: &TenantId) -> Result<Vec<Submission>, DropBoxError> {
        Ok(self.boxes_of(tenant)?.inbox.waiting())
    }

    /// Where a submission came to; none when it does not wait to be taken.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn area_of(&self, submission: &Submission) -> Result<Option<Area>, DropBoxError> {
        Ok(self.boxes_of(&submission.tenant)?.inbox.area_of(&submission.id))
    }

    /// Takes a submission to answer it; none when its owner removed it since.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn take(&self, submission: &Submission) -> Result<Option<Received>, DropBoxError> {
        Ok(self.boxes_of(&submission.tenant)?.inbox.take(&submission.id))
    }

    /// Gives a submission back that could not be answered for a fault of this side.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn give_back(&self, submission: &Submission) -> Result<(), DropBoxError> {
        self.boxes_of(&submission.tenant)?.inbox.give_back(&submission.id);
        Ok(())
    }

    /// A submission was answered or refused: its name goes when its session has ended.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn done(&self, submission: &Submission) -> Result<(), DropBoxError> {
        self.boxes_of(&submission.tenant)?.inbox.done(&submission.id);
        Ok(())
    }

    /// Begins a delivery.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn stage(&self, delivery_id: &str) -> Result<Staging, DropBoxError> {
        Staging::begin(&self.staging, delivery_id)
    }

    /// Deliveries that are sealed and on disk, and not published yet.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn staged(&self) -> Result<Vec<String>, DropBoxError> {
        outbox::staged_ids(&self.staging)
    }

    /// Removes what was staged for deliveries that never entered the log.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn discard_staged(&self, keep: impl Fn(&str) -> bool) -> Result<(), DropBoxError> {
        outbox::discard(&self.staging, keep)
    }

    /// Shows a staged delivery to its tenant; none when there is nothing left to show.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn publish(
        &self,
        delivery_id: &str,
        log_index: u64,
        tenant: &TenantId,
    ) -> Result<Option<Published>, DropBoxError> {
        let outbox = self.boxes_of(tenant)?.outbox;
        outbox::publish(&self.staging, delivery_id, log_index, tenant, &outbox)
    }

    /// Puts a receipt for what a tenant did at that time in `/log/receipts`, durably; one of that name is replaced. Where
    /// the tenant ended since, it goes to who has its drop-box.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn put_receipt(&self, tenant: &TenantId, at: Timestamp, name: &str, text: &str) -> Result<(), DropBoxError> {
        let _none_merges = self.merging.read().unwrap_or_else(PoisonError::into_inner);
        let heir = self.heir(tenant, at)?;
        self.boxes_of(heir.as_ref().unwrap_or(tenant))?.receipts.put(name, text)
    }

    /// What a tenant's uploads take on disk, or will once they are stored, bytes.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn inbox_bytes(&self, tenant: &TenantId) -> Result<u64, DropBoxError> {
        Ok(self.boxes_of(tenant)?.inbox.usage.total_bytes())
    }

    /// Bytes of a tenant's published files.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn outbox_bytes(&self, tenant: &TenantId) -> Result<u64, DropBoxError> {
        self.boxes_of(tenant)?.outbox.used_bytes()
    }

    /// Bytes of them that answer trials.
    ///
    /// # Errors
    /// [`DropBoxError`].
    pub fn trial_bytes(&self, tenant: &TenantId) -> Result<u64, DropBoxError> {
        self.boxes_of(tenant)?.outbox.used_bytes_of(Area::Test)
    }
}

impl DropBoxes for Boxes {
    fn open(&self, login: &Login) -> Option<Arc<dyn DropBox>> {
        let _none_merges = self.merging.read().unwrap_or_else(PoisonError::into_inner);
        let tenant = self.shared.host.tenant(&login.tenant)?;
        match self.boxes_of(&login.tenant) {
            Ok(boxes) => Some(Arc::new(TenantView::new(self.shared.clone(), boxes, tenant, login.clone()))),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, tenant = %login.tenant, "no drop-box");
                None
            }
        }
    }
}
