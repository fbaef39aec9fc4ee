//! One session's view of a tenant's tree.

mod renaming;

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Area, DropBoxError, ListName, RefusedUpload, UploadFault,
    account::{Account, OfDelivery},
    download::{FileDownload, TextDownload},
    held::{HeldUpload, Hold},
    inbox::{Beginning, Opener, unavailable},
    is_temporary,
    outbox::described_file,
    place::{self, CHECKPOINT, EXAMPLE_LIST, LOG_KEY, Place, RECEIPT_DICTIONARY, RECEIPTS},
    record::Record,
    settled::Settled,
    shelf,
    store::{Shared, TenantBoxes},
    upload::{Rules, Writing, fresh_record, write_only},
    view::{Attributes, Denied, Download, DropBox, Entry, Login, Space, Upload, UploadMode},
    whole_log::WholeLog,
};
use crate::{
    domain::{Tenant, VirtualPath, niss, tenant::TenantLimits},
    transfer_log,
};

/// A session's view.
pub(super) struct TenantView {
    shared: Arc<Shared>,
    boxes: TenantBoxes,
    tenant: Arc<Tenant>,
    account: Account,
    opened: Timestamp,
    whole_log: WholeLog,
}

/// Bytes of a checkpoint at most: a few lines and signatures.
const LONGEST_CHECKPOINT_BYTES: u64 = 64 * 1024;

/// What stands in the place of a name that has a number.
const NUMBERED_NAME: &str = "(naam met een nummer)";

const ONLY_INBOX: Denied = Denied::Forbidden("uploaden kan alleen in /inbox en /test/inbox");
const FIXED_TREE: Denied =
    Denied::Forbidden("deze map of dit bestand hoort bij de postbus en kan niet gewijzigd worden");

impl TenantView {
    pub fn new(shared: Arc<Shared>, boxes: TenantBoxes, tenant: Arc<Tenant>, login: Login) -> Self {
        boxes.inbox.session_began(&login.session);
        let opened = shared.clock.now();
        let account = Account { log: shared.log.clone(), login };
        let whole_log = WholeLog::new(shared.clone(), account.clone(), opened);
        Self { shared, boxes, tenant, account, opened, whole_log }
    }

    fn place(&self, path: &VirtualPath) -> Result<Place, Denied> {
        place::find(self.tenant.kind, path).ok_or(Denied::NotFound)
    }

    fn directory(&self, writable: bool) -> Attributes {
        Attributes { directory: true, size: 0, modified: self.opened, writable }
    }

    /// A text that the daemon makes, when the place is one.
    fn text(&self, place: &Place) -> Option<Vec<u8>> {
        match place {
            Place::Guide => Some(self.shared.host.guide(&self.tenant).into_bytes()),
            Place::ExampleList => Some(self.shared.host.example_list(&self.tenant).into_bytes()),
            Place::LogKey => Some(self.shared.log_keys.clone().into_bytes()),
            Place::ReceiptDictionary => Some(transfer_log::RECEIPT_DICTIONARY.to_vec()),
            Place::Checkpoint => self.shared.log_dir.read(CHECKPOINT, LONGEST_CHECKPOINT_BYTES).ok().flatten(),
            _ => None,
        }
    }

    fn text_entry(&self, name: &str, place: &Place) -> Option<Entry> {
        let size = self.text(place)?.len() as u64;
        Some(Entry { name: name.to_owned(), attributes: self.file(size) })
    }

    fn file(&self, size: u64) -> Attributes {
        Attributes { directory: false, size, modified: self.opened, writable: false }
    }

    fn fixed_entry(&self, parent: &VirtualPath, name: &str) -> Option<Entry> {
        let path = VirtualPath::parse(format!("{parent}/{name}").as_bytes()).ok()?;
        let attributes = self.attributes(&path).ok()?;
        Some(Entry { name: name.to_owned(), attributes })
    }

    /// What may be done with a name in an inbox at all. One that has a number is refused without being repeated: nothing
    /// of it comes into a file or the log.
    fn check_upload_name(&self, area: Area, name: &str) -> Result<(), Denied> {
        if niss::find_in(name).is_none() {
            return Ok(());
        }
        let nameless = fresh_record(area, NUMBERED_NAME, self.shared.clock.now());
        Err(self.refused(&nameless, UploadFault::NameWithNumber))
    }

    /// What speaks against a list of this name before its content is known. Trials need no protocol.
    fn fault_of_name(&self, area: Area, name: &str) -> Option<UploadFault> {
        if is_temporary(name) {
            return None;
        }
        if ListName::parse(name).is_none() {
            return Some(UploadFault::WrongType);
        }
        // As the tenant's file is now, not as it was when the session began.
        let tenant = self.shared.host.tenant(&self.tenant.id).filter(|_| area == Area::Live)?;
        self.shared.host.fault_of_ground(&tenant, name)
    }

    /// Breaks off what an older session of the tenant still writes under this name.
    fn take_over(&self, area: Area, name: &str) {
        if let Some(older) = self.boxes.inbox.held_by_older(area, name, &self.account.login.session) {
            tracing::info!(tenant = %self.tenant.id, "an upload goes to a newer session");
            older.break_off();
        }
    }

    /// Tells more of a refusal than a status says.
    fn refused(&self, record: &Record, fault: UploadFault) -> Denied {
        let submission = self.boxes.inbox.submission(&record.id);
        let (area, name) = (record.area, record.name.clone());
        self.shared.host.refused_upload(RefusedUpload { submission, area, name, fault });
        fault.denied()
    }

    fn open_delivery(&self, area: Area, name: &str, path: &VirtualPath) -> Result<Box<dyn Download>, Denied> {
        let opened = self.boxes.outbox.open_file(area, name, self.tenant.may_delete);
        let (file, attributes) = opened.ok_or(Denied::NotFound)?;
        let (content_name, is_content) = match described_file(name) {
            Some(described) => (described, false),
            None => (name.to_owned(), true),
        };
        let delivery = self.delivery_id(&content_name)?.map(|id| OfDelivery { id, is_content });
        self.account.download((file, attributes), delivery, path).map_err(unavailable)
    }

    /// The delivery that has this file.
    fn delivery_id(&self, file: &str) -> Result<Option<String>, Denied> {
        let row = self.shared.ledger.delivery_of_file(&self.tenant.id, file);
        let row = row.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the ledger does not answer");
            Denied::Unavailable
        })?;
        Ok(row.map(|row| row.id))
    }

    fn entries(&self, path: &VirtualPath) -> Result<Vec<Entry>, Denied> {
        let place = self.place(path)?;
        match &place {
            Place::Fixed(names) => Ok(names.iter().filter_map(|name| self.fixed_entry(path, name)).collect()),
            Place::Inbox(area) => Ok(self.boxes.inbox.list(*area)),
            Place::Outbox(area) => {
                let mut entries = self.boxes.outbox.list(*area, self.tenant.may_delete).map_err(unavailable)?;
                if *area == Area::Test && self.tenant.kind.uploads() {
                    entries.extend(self.text_entry(EXAMPLE_LIST, &Place::ExampleList));
                    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
                }
                Ok(entries)
            }
            Place::Log => {
                let texts = [
                    (CHECKPOINT, Place::Checkpoint),
                    (LOG_KEY, Place::LogKey),
                    (RECEIPT_DICTIONARY, Place::ReceiptDictionary),
                ];
                let mut entries: Vec<Entry> =
                    texts.iter().filter_map(|(name, place)| self.text_entry(name, place)).collect();
                entries.push(Entry { name: RECEIPTS.to_owned(), attributes: self.directory(false) });
                Ok(entries)
            }
            Place::Receipts => self.boxes.receipts.list().map_err(unavailable),
            Place::WholeLog(below) => {
                let names = self.whole_log.names(below)?;
                Ok(names.iter().filter_map(|name| self.fixed_entry(path, name)).collect())
            }
            Place::Reports => shelf::list(&self.shared.reports_dir, false).map_err(unavailable),
            Place::Guide
            | Place::Upload(..)
            | Place::Delivery(..)
            | Place::Receipt(_)
            | Place::Report(_)
            | Place::ExampleList
            | Place::Checkpoint
            | Place::LogKey
            | Place::ReceiptDictionary => {
                self.attributes(path)?;
                Err(Denied::NotADirectory)
            }
        }
    }

    fn rules(&self, append: bool) -> Rules {
        let TenantLimits { upload_bytes: limit_bytes, inbox_bytes, .. } = self.tenant.limits;
        Rules { limit_bytes, inbox_bytes, uploads: self.tenant.uploads, append }
    }
}

impl DropBox for TenantView {
    fn attributes(&self, path: &VirtualPath) -> Result<Attributes, Denied> {
        let place = self.place(path)?;
        match &place {
            Place::Fixed(_) | Place::Log | Place::Receipts | Place::Reports => Ok(self.directory(false)),
            Place::Receipt(name) => {
                self.boxes.receipts.open_file(name).map(|(_, attributes)| attributes).ok_or(Denied::NotFound)
            }
            Place::Report(name) => {
                let opened = shelf::open(&self.shared.reports_dir, name, false);
                opened.map(|(_, attributes)| attributes).ok_or(Denied::NotFound)
            }
            Place::Inbox(_) => Ok(self.directory(true)),
            Place::Outbox(_) => Ok(self.directory(self.tenant.may_delete)),
            Place::Upload(area, name) => self.boxes.inbox.attributes(*area, name).ok_or(Denied::NotFound),
            Place::Delivery(area, name) => {
                let opened = self.boxes.outbox.open_file(*area, name, self.tenant.may_delete);
                opened.map(|(_, attributes)| attributes).ok_or(Denied::NotFound)
            }
            Place::WholeLog(below) => self.whole_log.attributes(below),
            Place::Guide | Place::ExampleList | Place::Checkpoint | Place::LogKey | Place::ReceiptDictionary => {
                self.text(&place).map(|text| self.file(text.len() as u64)).ok_or(Denied::NotFound)
            }
        }
    }

    fn list(&self, path: &VirtualPath) -> Result<Vec<Entry>, Denied> {
        let entries = self.entries(path)?;
        if self.shared.host.accounts_listings() {
            self.account.listed(path.as_str(), entries.len()).map_err(unavailable)?;
        }
        Ok(entries)
    }

    fn download(&self, path: &VirtualPath) -> Result<Box<dyn Download>, Denied> {
        let place = self.place(path)?;
        match &place {
            Place::Delivery(area, name) => self.open_delivery(*area, name, path),
            Place::WholeLog(below) if !below.is_empty() => self.whole_log.open(below),
            Place::Report(name) => {
                let opened = shelf::open(&self.shared.reports_dir, name, false).ok_or(Denied::NotFound)?;
                self.account.download(opened, None, path).map_err(unavailable)
            }
            Place::Receipt(name) => {
                let (file, attributes) = self.boxes.receipts.open_file(name).ok_or(Denied::NotFound)?;
                Ok(Box::new(FileDownload::new(file, attributes, |_| {})))
            }
            Place::Upload(area, name) => {
                self.boxes.inbox.attributes(*area, name).ok_or(Denied::NotFound)?;
                Err(write_only())
            }
            Place::Guide | Place::ExampleList | Place::Checkpoint | Place::LogKey | Place::ReceiptDictionary => {
                let bytes = self.text(&place).ok_or(Denied::NotFound)?;
                let attributes = self.file(bytes.len() as u64);
                Ok(Box::new(TextDownload { bytes: bytes.into(), attributes }))
            }
            Place::Fixed(_)
            | Place::Inbox(_)
            | Place::Outbox(_)
            | Place::Log
            | Place::Receipts
            | Place::WholeLog(_)
            | Place::Reports => Err(Denied::IsADirectory),
        }
    }

    fn upload(&self, path: &VirtualPath, mode: UploadMode) -> Result<Box<dyn Upload>, Denied> {
        let (area, name) = match place::find(self.tenant.kind, path) {
            Some(Place::Upload(area, name)) => (area, name),
            Some(Place::Inbox(_) | Place::Fixed(_)) => return Err(Denied::IsADirectory),
            _ => return Err(ONLY_INBOX),
        };
        self.check_upload_name(area, &name)?;
        let fresh = fresh_record(area, &name, self.shared.clock.now());
        let inbox = self.boxes.inbox.clone();
        if mode.create
            && let Some(fault) = self.fault_of_name(area, &name)
        {
            // Before anything is sent: several clients show nothing of a close that fails.
            return Err(self.refused(&fresh, fault));
        }
        if !mode.exclusive {
            self.take_over(area, &name);
        }
        let (shared, account) = (self.shared.clone(), self.account.clone());
        let rules = self.rules(mode.append);
        let gone = |replaced: &Record| self.account.deleted(Some(&replaced.id), path.as_str());
        let hold = Hold::default();
        let mut held = hold.lock();
        let session = &self.account.login.session;
        let opener = Opener { session, hold: &hold, inbox_bytes: rules.inbox_bytes };
        *held = Some(match inbox.begin(area, &name, mode, fresh, &opener, gone)? {
            Beginning::New(record) => Writing::fresh(shared, inbox, account, record, rules),
            Beginning::Resumed(record) => Writing::resumed(shared, inbox, account, record, rules)?,
            Beginning::Settled(record) => {
                let Record { size, modified, .. } = record;
                let attributes = Attributes { directory: false, size, modified, writable: true };
                return Ok(Box::new(Settled { attributes }));
            }
        });
        drop(held);
        Ok(Box::new(HeldUpload(hold)))
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), Denied> {
        self.rename_upload(from, to, replace)
    }

    fn remove(&self, path: &VirtualPath) -> Result<(), Denied> {
        match self.place(path)? {
            Place::Upload(area, name) => {
                self.take_over(area, &name);
                let gone = |record: &Record| self.account.deleted(Some(&record.id), path.as_str());
                self.boxes.inbox.remove(area, &name, &self.account.login.session, gone)
            }
            Place::Delivery(area, name) => {
                self.boxes.outbox.open_file(area, &name, false).ok_or(Denied::NotFound)?;
                if !self.tenant.may_delete {
                    return Err(Denied::Forbidden("uit de outbox kan niets verwijderd worden"));
                }
                // With its manifest alone, a delivery is still there to be fetched.
                let delivery = if described_file(&name).is_none() { self.delivery_id(&name)? } else { None };
                // Logged first: what is gone from disk must be accounted for.
                self.account.deleted(delivery.as_deref(), path.as_str()).map_err(unavailable)?;
                let directory = self.boxes.outbox.directory(area);
                let removed = directory.remove_if_there(&name).and_then(|()| directory.sync());
                removed.map_err(|error| unavailable(DropBoxError::Storage(error)))
            }
            _ => Err(FIXED_TREE),
        }
    }

    fn set_modified(&self, path: &VirtualPath, modified: Timestamp) -> Result<(), Denied> {
        match self.place(path)? {
            Place::Upload(area, name) => {
                let inbox = &self.boxes.inbox;
                let is_set = inbox.held(area, &name).is_some_and(|hold| hold.set_modified(modified));
                if is_set { Ok(()) } else { inbox.set_modified(area, &name, modified) }
            }
            _ => Err(FIXED_TREE),
        }
    }

    fn set_length(&self, path: &VirtualPath, length: u64) -> Result<(), Denied> {
        let size = self.attributes(path)?.size;
        if size == length {
            return Ok(());
        }
        let mut upload = self.upload(path, UploadMode::default())?;
        upload.set_length(length)
    }

    fn space(&self) -> Space {
        // Who uploads nothing may store nothing: all that there is, is taken.
        if !self.tenant.kind.uploads() {
            return Space { total: self.boxes.outbox.used_bytes().unwrap_or_default(), free: 0 };
        }
        let total = self.tenant.limits.inbox_bytes;
        Space { total, free: total.saturating_sub(self.boxes.inbox.usage.total_bytes()) }
    }

    fn ended(&self, _regular: bool) {
        self.boxes.inbox.session_ended(&self.account.login.session);
    }
}

impl Drop for TenantView {
    fn drop(&mut self) {
        self.boxes.inbox.session_ended(&self.account.login.session);
    }
}
