//! What is removed when its time is over, what is withdrawn, and the certificate that tells its tenant.
//!
//! The log comes first: an entry that something is removed is durable before its file goes. A stop or a fault of the disk
//! in between leaves a file that the log says is gone; [`Exchange::finish_removals`] takes it away at the next start, and
//! each run does so before its own part. Nothing is certified to a tenant while such a file is left. The certificate of a
//! tenant tells of each removal that no certificate tells of yet, so that none is left out and none told twice,
//! whenever a stop comes. It is a delivery like any other; its own removal, one day, needs no certificate.
//!
//! A fault with one tenant keeps nothing of another: the rest goes on, and the first fault is told at the end.
//!
//! It is in one file because what is due, what is removed of it and what is told of that have to agree.

use std::{collections::BTreeMap, sync::PoisonError};

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

use super::{
    Exchange, ExchangeError, InPart, Orderer,
    delivery::{Origin, Outgoing, area_of, write_text},
};
use crate::{
    documents::removal::{RemovalCertificate, Removed, RemovedWhat, UploadEnd, verwijderingsbewijs},
    domain::{
        Ground, Kind, NisCode, ProtocolId, Tenant, TenantId, brussels_date,
        delivery_name::DeliveryName,
        release::{Request, release},
    },
    dropbox::{Area, DropBoxError, StaleUpload, Submission},
    ledger::{DeliveryEnd, DeliveryRow, RemovalCause, RemovalRow, SubmissionRow, SubmissionState},
    transfer_log::{Actor, Context, DeliveryExpired, DeliveryWithdrawn, Event, Record, UploadRemoved, upload_receipt},
};

/// What a run of retention removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionOutcome {
    /// Whether this only tells what would be removed.
    pub dry_run: bool,
    /// Files of outboxes.
    pub deliveries: Vec<ExpiredFile>,
    /// Uploads.
    pub uploads: Vec<RemovedUpload>,
    /// The file names of the certificates, by tenant.
    pub certificates: BTreeMap<String, String>,
}

impl RetentionOutcome {
    /// Whether it tells of nothing.
    pub fn is_nothing(&self) -> bool {
        self.deliveries.is_empty() && self.uploads.is_empty() && self.certificates.is_empty()
    }
}

/// A file of an outbox whose time is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpiredFile {
    /// Whose drop-box it was in.
    pub tenant: String,
    /// Its name there.
    pub file: String,
    /// The last day that it was to stay, in Brussels.
    pub until: Date,
    /// Whether it was ever fetched whole.
    pub fetched: bool,
}

/// An upload that was kept long enough after its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovedUpload {
    /// Who sent it.
    pub tenant: String,
    /// The submission's id.
    pub id: String,
    /// The day that it came, in Brussels.
    pub received: Date,
}

/// A delivery that was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawnFile {
    /// The place of the entry in the log.
    pub seq: u64,
    /// Whether it was fetched whole before.
    pub fetched: bool,
}

/// Why a delivery was not withdrawn, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawalFault {
    /// The log has no such delivery.
    #[error("{tenant} has no delivery {file}")]
    Unknown {
        /// Whose.
        tenant: String,
        /// Its file.
        file: String,
    },
    /// It can be fetched no more.
    #[error("{0} is gone already")]
    Gone(String),
    /// The motive is too short or too long.
    #[error("the reason is not {} to {} characters", MOTIVE_CHARACTERS.start(), MOTIVE_CHARACTERS.end())]
    Motive,
    /// This side is at fault; the log has nothing of it.
    #[error("the delivery could not be withdrawn")]
    Failed(#[source] ExchangeError),
    /// The log has it, and the disk failed since. A second time, or the next run of retention, removes the file.
    #[error("the log has the withdrawal, and the file is still there")]
    Left {
        /// What was entered.
        done: WithdrawnFile,
        /// Why the file was not removed.
        #[source]
        source: ExchangeError,
    },
}

/// The reference in the names of certificates.
const REFERENCE: &str = "verwijdering";

/// A reason is a sentence, not a word and not a file.
const MOTIVE_CHARACTERS: std::ops::RangeInclusive<usize> = 8..=1_000;

/// Removals in one group of entries: their files are still there until it is durable, and no tenant waits for many.
const GROUP: usize = 256;

/// What is to be removed of one tenant.
#[derive(Default)]
pub(super) struct Due {
    deliveries: Vec<(DeliveryRow, Date)>,
    uploads: Vec<SubmissionRow>,
}

impl Due {
    fn is_nothing(&self) -> bool {
        self.deliveries.is_empty() && self.uploads.is_empty()
    }
}

/// What is told of something that was removed.
enum Told {
    Delivery(ExpiredFile),
    Upload(RemovedUpload),
}

/// The file of something that is about to be removed.
enum Target {
    Delivery(Area, String),
    Upload(String),
}

impl Exchange {
    /// Removes what was kept long enough, and tells each tenant by a certificate; with `dry_run`, only says what would be
    /// removed.
    ///
    /// # Errors
    /// [`InPart`]: what was removed by then is in the log, and a next run goes on.
    pub fn apply_retention(
        &self,
        dry_run: bool,
        orderer: Orderer<'_>,
    ) -> Result<RetentionOutcome, InPart<RetentionOutcome, ExchangeError>> {
        let mut done = RetentionOutcome { dry_run, ..RetentionOutcome::default() };
        let applied = if dry_run { self.would_remove(&mut done) } else { self.remove_due(&mut done, orderer) };
        match applied {
            Ok(()) => Ok(done),
            Err(fault) => Err(InPart { done: Box::new(done), fault }),
        }
    }

    /// What would be removed.
    fn would_remove(&self, outcome: &mut RetentionOutcome) -> Result<(), ExchangeError> {
        for (tenant, due) in &self.due()? {
            outcome.deliveries.extend(due.deliveries.iter().map(|(row, until)| expired_file(row, *until)));
            outcome.uploads.extend(due.uploads.iter().map(|row| removed_upload(tenant, row)));
        }
        let mut first_fault = None;
        for tenant in &self.parts.boxes.owners().map_err(ExchangeError::DropBox)? {
            match self.parts.boxes.stale_uploads(tenant, self.kept_since()) {
                Ok(stale) => outcome.uploads.extend(stale.iter().map(|stale| stale_upload(tenant, stale))),
                Err(error) => keep_first(&mut first_fault, tenant, ExchangeError::DropBox(error)),
            }
        }
        first_fault.map_or(Ok(()), Err)
    }

    /// Removes what is due of all tenants, and keeps what the log has of it.
    fn remove_due(&self, done: &mut RetentionOutcome, orderer: Orderer<'_>) -> Result<(), ExchangeError> {
        let mut due = self.due()?;
        // Those of whom an earlier run removed something that no certificate tells of yet are among them.
        for tenant in self.parts.boxes.owners().map_err(ExchangeError::DropBox)? {
            due.entry(tenant).or_default();
        }
        let (tenants, mut first_fault) = (due.len(), None);
        for (at, (tenant, due)) in due.into_iter().enumerate() {
            match self.remove_for(&tenant, due, done, orderer) {
                Ok(certificate) => done.certificates.extend(certificate.map(|file| (tenant.to_string(), file))),
                // Nobody else's turn comes, either.
                Err(error @ (ExchangeError::Stopping | ExchangeError::Unwanted)) => return Err(error),
                Err(error) => keep_first(&mut first_fault, &tenant, error),
            }
            (orderer.tell)(format!("{} of {tenants} drop-boxes", at + 1));
        }
        first_fault.map_or(Ok(()), Err)
    }

    /// Removes the files that the log says are gone: those of a run or withdrawal that a stop broke off, and the manifests
    /// of what tenants removed themselves.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub fn finish_removals(&self) -> Result<u64, ExchangeError> {
        let (mut finished, mut first_fault) = (0, None);
        for tenant in self.parts.boxes.owners().map_err(ExchangeError::DropBox)? {
            match self.finish_removals_of(&tenant) {
                Ok(count) => finished += count,
                Err(error) => keep_first(&mut first_fault, &tenant, error),
            }
        }
        first_fault.map_or(Ok(finished), Err)
    }

    fn finish_removals_of(&self, tenant: &TenantId) -> Result<u64, ExchangeError> {
        let (boxes, ledger) = (&self.parts.boxes, &self.parts.ledger);
        let mut gone = Vec::new();
        for (area, file) in boxes.files_on_disk(tenant).map_err(ExchangeError::DropBox)? {
            let row = ledger.delivery_of_file(tenant, &file).map_err(ExchangeError::Ledger)?;
            gone.extend(row.filter(|row| row.gone.is_some()).map(|_| Target::Delivery(area, file)));
        }
        for id in boxes.uploads_on_disk(tenant).map_err(ExchangeError::DropBox)? {
            let row = ledger.submission(&id).map_err(ExchangeError::Ledger)?;
            gone.extend(row.filter(|row| row.gone).map(|_| Target::Upload(id)));
        }
        let (count, mut first_fault) = (gone.len() as u64, None);
        self.remove_all(tenant, gone, &mut first_fault);
        first_fault.map_or(Ok(count), Err)
    }

    /// Removes what it can, and keeps the first fault.
    fn remove_all(&self, tenant: &TenantId, targets: Vec<Target>, first_fault: &mut Option<ExchangeError>) {
        for target in targets {
            if let Err(error) = self.remove(tenant, target) {
                keep_first(first_fault, tenant, error);
            }
        }
    }

    /// Takes a delivery back, for the reason that an operator gives. Its tenant finds it in the next certificate. Where the
    /// log has it and the disk failed, a second time removes the file. One that its tenant removed is taken back as well:
    /// its use is given back.
    ///
    /// # Errors
    /// [`WithdrawalFault`].
    pub fn withdraw(
        &self,
        tenant: &TenantId,
        file: &str,
        motive: &str,
        orderer: Orderer<'_>,
    ) -> Result<WithdrawnFile, WithdrawalFault> {
        let motive = motive.trim();
        if !MOTIVE_CHARACTERS.contains(&motive.chars().count()) {
            return Err(WithdrawalFault::Motive);
        }
        let _turn = self.queue.reserve(tenant).ok_or(WithdrawalFault::Failed(ExchangeError::Stopping))?;
        let failed = WithdrawalFault::Failed;
        let row = self.parts.ledger.delivery_of_file(tenant, file);
        let row = row.map_err(|error| failed(ExchangeError::Ledger(error)))?;
        let unknown = || WithdrawalFault::Unknown { tenant: tenant.to_string(), file: file.to_owned() };
        let row = row.filter(|row| row.available).ok_or_else(unknown)?;
        let fetched = row.fetched_at.is_some();
        orderer.require().map_err(failed)?;
        if matches!(row.gone, Some(DeliveryEnd::Expired | DeliveryEnd::Withdrawn)) {
            let seq = self.finish_withdrawal(&row).map_err(failed)?;
            return seq.map_or(Err(WithdrawalFault::Gone(row.file)), |seq| Ok(WithdrawnFile { seq, fetched }));
        }
        let event = Event::DeliveryWithdrawn(DeliveryWithdrawn {
            delivery_id: row.id.clone(),
            kind: row.kind,
            ciphertext_sha256: row.ciphertext_sha256.clone(),
            fetched,
            motive: motive.to_owned(),
        });
        let record = Record::success(event, Context { actor: Actor::Operator, ..context(&row) });
        let appended = self.parts.log.append(vec![record]).map_err(|error| failed(ExchangeError::Log(error)))?;
        let done = WithdrawnFile { seq: appended.first().map(|appended| appended.seq).unwrap_or_default(), fetched };
        match self.parts.boxes.remove_file(tenant, area_of(&row), &row.file) {
            Ok(()) => Ok(done),
            Err(error) => Err(WithdrawalFault::Left { done, source: ExchangeError::DropBox(error) }),
        }
    }

    /// Removes a file that the log says is gone and that is still there. Gives the place of that entry where it was
    /// withdrawn, and no certificate tells of it yet.
    fn finish_withdrawal(&self, row: &DeliveryRow) -> Result<Option<u64>, ExchangeError> {
        let boxes = &self.parts.boxes;
        if !boxes.has_file(&row.tenant, area_of(row), &row.file).map_err(ExchangeError::DropBox)? {
            return Ok(None);
        }
        boxes.remove_file(&row.tenant, area_of(row), &row.file).map_err(ExchangeError::DropBox)?;
        let untold = self.parts.ledger.untold_removals(&row.tenant).map_err(ExchangeError::Ledger)?;
        let is_this =
            |removal: &&RemovalRow| removal.id == row.id && matches!(removal.cause, RemovalCause::Withdrawn { .. });
        Ok(untold.iter().find(is_this).map(|removal| removal.seq))
    }

    /// Uploads from before this moment were kept long enough.
    fn kept_since(&self) -> Timestamp {
        let kept = SignedDuration::from_hours(24 * i64::from(self.parts.tenants.answered_uploads_days()));
        self.parts.clock.now().checked_sub(kept).unwrap_or_default()
    }

    /// What was kept long enough, by tenant; without what never was finished.
    pub(super) fn due(&self) -> Result<BTreeMap<TenantId, Due>, ExchangeError> {
        let (parts, today) = (&self.parts, self.parts.clock.today());
        let mut due: BTreeMap<TenantId, Due> = BTreeMap::new();
        for row in parts.ledger.ended_deliveries(today).map_err(ExchangeError::Ledger)? {
            let usual = || brussels_date(row.created_at).saturating_add(i64::from(parts.tenants.outbox_days()).days());
            let until = row.retention_until.unwrap_or_else(usual);
            if until < today {
                due.entry(row.tenant.clone()).or_default().deliveries.push((row, until));
            }
        }
        for row in parts.ledger.settled_uploads(self.kept_since()).map_err(ExchangeError::Ledger)? {
            due.entry(row.tenant.clone()).or_default().uploads.push(row);
        }
        // Nobody will answer these, and nobody can be told; should the tenant come back, it sends them again.
        let is_left =
            |row: &SubmissionRow| row.received_at < self.kept_since() && parts.tenants.tenant(&row.tenant).is_none();
        for row in parts.ledger.waiting().map_err(ExchangeError::Ledger)?.into_iter().filter(is_left) {
            due.entry(row.tenant.clone()).or_default().uploads.push(row);
        }
        Ok(due)
    }

    /// What is still due, as it is now. It was looked for before a wait: since then its tenant may have fetched or removed
    /// it, or may be back and have its answer, or another may have its drop-box.
    fn still_due(&self, tenant: &TenantId, due: Due) -> Result<Due, ExchangeError> {
        let (ledger, tenants) = (&self.parts.ledger, &self.parts.tenants);
        let mut still = Due::default();
        for (row, until) in due.deliveries {
            let row = ledger.delivery(&row.id).map_err(ExchangeError::Ledger)?;
            let row = row.filter(|row| row.tenant == *tenant && row.gone.is_none());
            still.deliveries.extend(row.map(|row| (row, until)));
        }
        for before in due.uploads {
            let row = ledger.submission(&before.id).map_err(ExchangeError::Ledger)?;
            still.uploads.extend(row.filter(|row| {
                let is_left = row.state != SubmissionState::Waiting || tenants.tenant(tenant).is_none();
                row.tenant == *tenant && !row.gone && row.state == before.state && is_left
            }));
        }
        Ok(still)
    }

    /// Removes what is due of one tenant, and keeps what the log has of it. Gives the name of its certificate, where there
    /// is anything to tell.
    pub(super) fn remove_for(
        &self,
        tenant: &TenantId,
        due: Due,
        done: &mut RetentionOutcome,
        orderer: Orderer<'_>,
    ) -> Result<Option<String>, ExchangeError> {
        // A run of an assignment draws numbers of a printer's files, beside the queue.
        let _run = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.queue.reserve(tenant).ok_or(ExchangeError::Stopping)?;
        // What was begun is done to the end.
        if done.is_nothing() {
            orderer.require()?;
        }
        let due = self.still_due(tenant, due)?;
        // Its drop-box is another's since: it is not to be made anew.
        if due.is_nothing() && !self.parts.boxes.owners().map_err(ExchangeError::DropBox)?.contains(tenant) {
            return Ok(None);
        }
        let mut first_fault = self.finish_removals_of(tenant).err();
        let mut removals: Vec<(Record, (Target, Told))> = Vec::new();
        for (row, until) in due.deliveries {
            let event = Event::DeliveryExpired(DeliveryExpired {
                delivery_id: row.id.clone(),
                kind: row.kind,
                ciphertext_sha256: row.ciphertext_sha256.clone(),
                retention_until: until,
                fetched: row.fetched_at.is_some(),
            });
            let (record, told) = (Record::success(event, context(&row)), Told::Delivery(expired_file(&row, until)));
            removals.push((record, (Target::Delivery(area_of(&row), row.file), told)));
        }
        for row in due.uploads {
            let reason = (row.state == SubmissionState::Waiting).then_some(UploadRemoved::TENANT_GONE);
            let told = Told::Upload(removed_upload(tenant, &row));
            let SubmissionRow { id, size, ciphertext_sha256, test, .. } = row;
            let context =
                Context { tenant: Some(tenant.clone()), correlation: Some(id.clone()), ..Context::of(Actor::Daemon) };
            let event = Event::UploadRemoved(UploadRemoved { size, ciphertext_sha256, test });
            let record = Record { reason, ..Record::success(event, context) };
            removals.push((record, (Target::Upload(id), told)));
        }
        while !removals.is_empty() {
            let rest = removals.split_off(removals.len().min(GROUP));
            let (records, group): (Vec<_>, Vec<_>) = std::mem::replace(&mut removals, rest).into_iter().unzip();
            self.parts.log.append(records).map_err(ExchangeError::Log)?;
            let (targets, told): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            for told in told {
                match told {
                    Told::Delivery(file) => done.deliveries.push(file),
                    Told::Upload(upload) => done.uploads.push(upload),
                }
            }
            self.remove_all(tenant, targets, &mut first_fault);
        }
        // Of what the log never had, since it broke off, no certificate tells: nobody was told that it was here. Of what
        // was closed under a temporary name it does.
        let removed = self.parts.boxes.remove_stale_uploads(tenant, self.kept_since(), |stale| {
            let event = Event::UploadRemoved(UploadRemoved {
                size: stale.size,
                ciphertext_sha256: stale.ciphertext_sha256.clone(),
                test: stale.area == Area::Test,
            });
            let context = Context {
                tenant: Some(tenant.clone()),
                correlation: Some(stale.id.clone()),
                ..Context::of(Actor::Daemon)
            };
            let record = Record { reason: Some(UploadRemoved::UNFINISHED), ..Record::success(event, context) };
            self.parts.log.append(vec![record]).map_err(DropBoxError::Log)?;
            done.uploads.push(stale_upload(tenant, stale));
            Ok(())
        });
        removed.map_err(ExchangeError::DropBox)?;
        first_fault.map_or_else(|| self.certify(tenant), Err)
    }

    fn remove(&self, tenant: &TenantId, target: Target) -> Result<(), ExchangeError> {
        let boxes = &self.parts.boxes;
        let removed = match target {
            Target::Delivery(area, file) => boxes.remove_file(tenant, area, &file),
            Target::Upload(id) => {
                let submission = Submission { tenant: tenant.clone(), id };
                boxes.remove_upload(tenant, &submission.id).and_then(|()| boxes.done(&submission))
            }
        };
        removed.map_err(ExchangeError::DropBox)
    }

    /// Delivers a certificate of what no certificate tells of yet. A tenant that left the configuration, or that
    /// nothing can be sealed to, gets none.
    fn certify(&self, id: &TenantId) -> Result<Option<String>, ExchangeError> {
        let untold = self.parts.ledger.untold_removals(id).map_err(ExchangeError::Ledger)?;
        if untold.is_empty() {
            return Ok(None);
        }
        let Some(tenant) = self.parts.tenants.tenant(id).filter(|tenant| !tenant.recipients.is_empty()) else {
            tracing::info!(tenant = %id, removals = untold.len(), "nobody can be told what was removed");
            return Ok(None);
        };
        let Some(nis_code) = tenant.nis_code.or_else(|| untold.iter().rev().find_map(nis_code)) else {
            tracing::warn!(tenant = %id, removals = untold.len(), "no certificate without a NIS code");
            return Ok(None);
        };
        let contact = self.parts.tenants.contact();
        let about = RemovalCertificate { tenant: &tenant.name, day: self.parts.clock.today(), contact: &contact };
        let count = untold.len() as u64;
        let removed: Vec<Removed> = untold.into_iter().map(removed).collect();
        let text = verwijderingsbewijs(&about, &removed);
        let outgoing = Outgoing {
            tenant: &tenant,
            clearance: clear(&tenant, about.day)?,
            area: Area::Live,
            sequence: self.next_sequence(id)?,
            extension: "txt",
            origin: Origin::Removals { nis_code, count },
        };
        let prepared = self.stage(outgoing, |output| write_text(output, &text))?;
        let file = prepared.staged.manifest.file.clone();
        self.commit(Vec::new(), vec![prepared])?;
        Ok(Some(file))
    }
}

/// Keeps the first fault, to be told at the end; the others are told of here.
fn keep_first(first: &mut Option<ExchangeError>, tenant: &TenantId, error: ExchangeError) {
    if first.is_some() {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, %tenant, "what was kept long enough of this tenant could not be removed");
    } else {
        *first = Some(error);
    }
}

fn clear(tenant: &Tenant, today: Date) -> Result<crate::domain::Clearance, ExchangeError> {
    let unfit = |problem| ExchangeError::TenantUnfit { tenant: tenant.id.to_string(), problem };
    let reference: ProtocolId = REFERENCE.parse().map_err(|_| unfit("the reference of certificates is none"))?;
    let ground = Ground::NoPersonalData(&reference);
    let request = Request { tenant, ground, kind: Kind::Rapport, columns: None, today, uses: 0 };
    release(request).map_err(|_| unfit("a certificate cannot be sealed to it"))
}

/// What the log is told of a delivery that goes.
fn context(row: &DeliveryRow) -> Context {
    Context {
        tenant: Some(row.tenant.clone()),
        protocol: row.reference.clone(),
        correlation: Some(row.id.clone()),
        ..Context::of(Actor::Daemon)
    }
}

fn expired_file(row: &DeliveryRow, until: Date) -> ExpiredFile {
    let (tenant, file) = (row.tenant.to_string(), row.file.clone());
    ExpiredFile { tenant, file, until, fetched: row.fetched_at.is_some() }
}

fn removed_upload(tenant: &TenantId, row: &SubmissionRow) -> RemovedUpload {
    RemovedUpload { tenant: tenant.to_string(), id: row.id.clone(), received: brussels_date(row.received_at) }
}

fn stale_upload(tenant: &TenantId, stale: &StaleUpload) -> RemovedUpload {
    RemovedUpload { tenant: tenant.to_string(), id: stale.id.clone(), received: brussels_date(stale.written_at) }
}

/// The municipality in the name of a removed file.
fn nis_code(row: &RemovalRow) -> Option<NisCode> {
    match &row.cause {
        RemovalCause::Expired { file, .. } | RemovalCause::Withdrawn { file, .. } => {
            file.parse::<DeliveryName>().ok().map(|name| name.nis_code)
        }
        RemovalCause::Answered { .. } | RemovalCause::Unfinished { .. } | RemovalCause::Unanswered { .. } => None,
    }
}

fn removed(row: RemovalRow) -> Removed {
    let RemovalRow { id, cause, ciphertext_sha256: sha256, size, seq, at } = row;
    let upload =
        |received_at: Timestamp, end| RemovedWhat::Upload { receipt: upload_receipt(received_at, &id, ""), end };
    let what = match cause {
        RemovalCause::Expired { file, until } => RemovedWhat::Expired { file, until },
        RemovalCause::Withdrawn { file, motive } => RemovedWhat::Withdrawn { file, motive },
        RemovalCause::Answered { received_at } => upload(received_at, UploadEnd::Settled),
        RemovalCause::Unfinished { received_at } => upload(received_at, UploadEnd::Unfinished),
        RemovalCause::Unanswered { received_at } => upload(received_at, UploadEnd::Unanswered),
    };
    Removed { what, size, sha256, seq, at }
}
