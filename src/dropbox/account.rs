//! What the transfer log is told of a session's files.

use std::{
    fs::File,
    time::{Duration, Instant},
};

use super::{
    DropBoxError,
    download::{FileDownload, Sent},
    is_temporary,
    record::{Record, Stored},
    view::{Attributes, Download, Login},
};
use crate::{
    domain::VirtualPath,
    transfer_log::{
        Actor, AuditRead, Context, DeliveryStep, Disclosed, DownloadEnd, DownloadStart, Event, FileKind, FileList,
        LogError, Outcome, Record as LogRecord, Rename, TransferLog, Upload,
    },
};

/// The log, and who the session is.
#[derive(Clone)]
pub(super) struct Account {
    pub log: TransferLog,
    pub login: Login,
}

/// A delivery's file, for the account of its download.
#[derive(Debug, Clone)]
pub(super) struct OfDelivery {
    pub id: String,
    /// Whether this is the delivery itself, and not its manifest.
    pub is_content: bool,
}

/// A file for the account of its download.
#[derive(Debug)]
struct Fetched {
    path: String,
    size: u64,
    delivery: Option<OfDelivery>,
}

impl Account {
    /// An upload was closed and is on disk.
    pub fn uploaded(&self, record: &Record, complete: bool, lasted: Duration) -> Result<(), DropBoxError> {
        let event = Event::Upload(Upload {
            size: record.size,
            ciphertext_sha256: record.stored_sha256.clone(),
            file_kind: match record.stored {
                Stored::AsItCame => FileKind::Sealed,
                Stored::SealedHere => FileKind::Plain,
            },
            test: record.area == super::Area::Test,
            complete,
            duration_ms: milliseconds(lasted),
        });
        self.append(vec![self.record(event, Some(&record.id), &record.name)])
    }

    /// An upload has another name, and may be finished by that; what had the name goes. All of it is in the log, or nothing.
    pub fn renamed(&self, record: &Record, before: &str, replaced: Option<&Record>) -> Result<(), DropBoxError> {
        let complete = !is_temporary(&record.name);
        let renamed = self.record(Event::Rename(Rename { complete }), Some(&record.id), &record.name);
        let renamed = renamed.disclosing([Disclosed { name: "path_before", value: before.to_owned() }]);
        let gone = replaced.map(|gone| self.record(Event::Delete {}, Some(&gone.id), &gone.path()));
        self.append(gone.into_iter().chain([renamed]).collect())
    }

    /// A directory was listed.
    pub fn listed(&self, path: &str, count: usize) -> Result<(), DropBoxError> {
        self.append(vec![self.record(Event::FileList(FileList { count: count as u64 }), None, path)])
    }

    /// The session reads the transfer log.
    pub fn log_read(&self) -> Result<(), DropBoxError> {
        let event = Event::AuditRead(AuditRead { from: 0, size: self.log.size() });
        self.append(vec![LogRecord::success(event, self.context(None))])
    }

    /// A file is gone by the tenant's own hand.
    pub fn deleted(&self, id: Option<&str>, path: &str) -> Result<(), DropBoxError> {
        self.append(vec![self.record(Event::Delete {}, id, path)])
    }

    /// A file of which the download's beginning is on disk now, and the end will be.
    pub fn download(
        &self,
        (file, attributes): (File, Attributes),
        delivery: Option<OfDelivery>,
        path: &VirtualPath,
    ) -> Result<Box<dyn Download>, DropBoxError> {
        let fetched = Fetched { path: path.to_string(), size: attributes.size, delivery };
        let id = fetched.delivery.as_ref().map(|delivery| delivery.id.clone());
        let start = Event::DownloadStart(DownloadStart { size: fetched.size, delivery_id: id.clone() });
        self.append(vec![self.record(start, id.as_deref(), &fetched.path)])?;
        let (account, began) = (self.clone(), Instant::now());
        let ended = move |sent| account.download_ended(&fetched, sent, began.elapsed());
        Ok(Box::new(FileDownload::new(file, attributes, ended)))
    }

    /// A download was closed; a delivery of which every byte left counts as fetched. It waits for nothing.
    fn download_ended(&self, fetched: &Fetched, sent: Sent, lasted: Duration) {
        let id = fetched.delivery.as_ref().map(|delivery| delivery.id.clone());
        let end = Event::DownloadEnd(DownloadEnd {
            size: fetched.size,
            offset: sent.offset,
            bytes: sent.bytes,
            complete: sent.complete,
            duration_ms: milliseconds(lasted),
            delivery_id: id.clone(),
        });
        let mut records = vec![self.record(end, id.as_deref(), &fetched.path)];
        let whole = fetched.delivery.as_ref().filter(|delivery| sent.complete && delivery.is_content);
        let handed_in = if let Some(OfDelivery { id, .. }) = whole {
            // Whoever withdraws it a moment later is to know.
            let event = Event::DeliveryFetched(DeliveryStep { delivery_id: id.clone() });
            records.push(self.record(event, Some(id), &fetched.path));
            self.log.append_unwatched(records, not_entered)
        } else {
            self.log.append_soon(records, not_entered)
        };
        if let Err(error) = handed_in {
            not_entered(&error);
        }
    }

    fn record(&self, event: Event, correlation: Option<&str>, path: &str) -> LogRecord {
        LogRecord {
            event,
            outcome: Outcome::Success,
            reason: None,
            context: self.context(correlation),
            disclosed: vec![Disclosed { name: "path", value: path.to_owned() }],
        }
    }

    fn context(&self, correlation: Option<&str>) -> Context {
        Context {
            tenant: Some(self.login.tenant.clone()),
            protocol: None,
            actor: Actor::Tenant,
            key: Some(self.login.key_label.clone()),
            session: Some(self.login.session.clone()),
            correlation: correlation.map(str::to_owned),
        }
    }

    fn append(&self, records: Vec<LogRecord>) -> Result<(), DropBoxError> {
        self.log.append(records).map(|_| ()).map_err(DropBoxError::Log)
    }
}

fn not_entered(error: &LogError) {
    tracing::error!(error = error as &dyn std::error::Error, "a download's end is not in the log");
}

fn milliseconds(lasted: Duration) -> u64 {
    u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX)
}
