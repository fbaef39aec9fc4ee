//! Deliveries: sealed, staged, entered in the log, and shown to their tenant.

use std::{
    io::{self, Write},
    str::FromStr,
};

use jiff::ToSpan;

use super::{
    Exchange, ExchangeError,
    queue::{Job, RETRY_AFTER, Unshown},
    restored_day::counted_as_given,
};
use crate::{
    documents::manifest::{Manifest, may_tell_digest},
    domain::{
        Amount, AssignmentId, Clearance, NisCode, Tenant, TenantId,
        delivery_name::{DeliveryName, LAST_SEQUENCE},
    },
    dropbox::{Area, Staged, Staging},
    ledger::DeliveryRow,
    seal::{Recipient, SealError, TenantSealer},
    transfer_log::{Actor, Context, DeliveryCreated, DeliveryStep, Disclosed, Event, Record, key_id},
};

/// The id of a delivery: 32 hexadecimal digits, drawn at random.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryId(String);

/// A text that is no id of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 32 of 0-9 and a-f")]
pub struct DeliveryIdFault;

impl DeliveryId {
    /// One that no delivery has.
    pub fn draw() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeliveryId {
    type Err = DeliveryIdFault;

    fn from_str(text: &str) -> Result<Self, DeliveryIdFault> {
        // It becomes the name of a file.
        let fits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if fits { Ok(Self(text.to_owned())) } else { Err(DeliveryIdFault) }
    }
}

/// What an outgoing file is, apart from its content.
pub(super) struct Outgoing<'a> {
    pub tenant: &'a Tenant,
    pub clearance: Clearance,
    pub area: Area,
    pub sequence: u32,
    pub extension: &'static str,
    pub origin: Origin<'a>,
}

/// What a file comes from.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// An upload, which it answers.
    Upload {
        /// The submission's id.
        submission: &'a str,
        /// The upload's name.
        name: &'a str,
    },
    /// An assignment.
    Assignment {
        /// Its name, which the file's name has.
        id: &'a AssignmentId,
        /// The municipality that it is for; a printer has none.
        nis_code: NisCode,
        /// The run; none for what is made beside runs.
        run: Option<&'a str>,
        /// The sum of its payments.
        amount_total: Option<Amount>,
    },
    /// An operator, who hands it over.
    HandedOver {
        /// The delivery's id, which whoever hands it over drew.
        delivery: &'a DeliveryId,
        /// The user, as this machine knows it.
        user: u32,
        /// The sum of its payments.
        amount_total: Option<Amount>,
    },
    /// What was removed, which it certifies.
    Removals {
        /// The tenant's municipality, or that of what was removed.
        nis_code: NisCode,
        /// How many it tells of.
        count: u64,
    },
}

/// A delivery that is staged, with the entry that will make it one.
pub(super) struct Prepared {
    pub staged: Staged,
    pub created: Record,
    /// By what it is known again, where an operator hands it over.
    pub fingerprint: Option<String>,
}

impl Exchange {
    /// The number of the tenant's next delivery today. Only one thread at a time works for a tenant, so that nobody
    /// else draws it before the log has it.
    pub(super) fn next_sequence(&self, tenant: &TenantId) -> Result<u32, ExchangeError> {
        let today = self.parts.clock.today();
        let last = self.parts.ledger.last_sequence(tenant, today).map_err(ExchangeError::Ledger)?;
        let given = counted_as_given(&self.parts.state, today).map_err(ExchangeError::RestoredDay)?;
        Ok(last.max(given) + 1)
    }

    /// Seals a file for its tenant and brings it to disk, where nobody sees it yet.
    pub(super) fn stage(
        &self,
        outgoing: Outgoing<'_>,
        write: impl FnOnce(&mut TenantSealer<Staging>) -> io::Result<u64>,
    ) -> Result<Prepared, ExchangeError> {
        let Outgoing { tenant, clearance, area, sequence, extension, origin } = outgoing;
        let unfit = |problem| ExchangeError::TenantUnfit { tenant: tenant.id.to_string(), problem };
        let (nis_code, reference) = match origin {
            Origin::Upload { .. } | Origin::HandedOver { .. } => (tenant.nis_code, clearance.reference()),
            Origin::Assignment { id, nis_code, .. } => (Some(nis_code), id.as_reference()),
            Origin::Removals { nis_code, .. } => (Some(nis_code), clearance.reference()),
        };
        let (nis_code, reference) = (nis_code.ok_or_else(|| unfit("it has no NIS code"))?, reference.clone());
        if sequence > LAST_SEQUENCE {
            return Err(ExchangeError::NoSequenceLeft(tenant.id.to_string()));
        }
        let recipients: Result<Vec<Recipient>, _> = tenant.recipients.iter().map(|text| text.parse()).collect();
        let recipients = recipients.map_err(|_| unfit("a recipient cannot be sealed to"))?;
        let now = self.parts.clock.now();
        let today = crate::domain::brussels_date(now);
        let name = DeliveryName {
            kind: clearance.kind(),
            nis_code,
            reference: reference.clone(),
            day: today,
            sequence,
            extension: extension.to_owned(),
        };
        let id = match origin {
            Origin::HandedOver { delivery, .. } => delivery.clone(),
            Origin::Upload { .. } | Origin::Assignment { .. } | Origin::Removals { .. } => DeliveryId::draw(),
        };
        let staging = self.parts.boxes.stage(id.as_str()).map_err(ExchangeError::DropBox)?;
        let mut sealer = TenantSealer::new(clearance, &recipients, staging).map_err(ExchangeError::Seal)?;
        let rows = write(&mut sealer).map_err(|error| ExchangeError::Seal(SealError::Io(error)))?;
        let (staging, sealed) = sealer.finish().map_err(ExchangeError::Seal)?;
        let clearance = sealed.clearance();
        let days = clearance.retention_days().unwrap_or_else(|| self.parts.tenants.outbox_days());
        let digests = sealed.digests();
        let manifest = Manifest {
            file: name.to_string(),
            kind: clearance.kind(),
            tenant: tenant.id.clone(),
            nis_code,
            reference,
            purpose: clearance.purpose().to_owned(),
            rows,
            amount_total: origin.amount_total(),
            plaintext_sha256: may_tell_digest(clearance.kind(), rows).then_some(digests.plaintext_sha256),
            ciphertext_sha256: digests.ciphertext_sha256,
            ciphertext_size: digests.ciphertext_size,
            recipients: sealed.recipients().to_vec(),
            created_at: now,
            answers: origin.upload_name().map(str::to_owned),
            retention_until: today.saturating_add(i64::from(days).days()),
            // Known when the log has it; publishing fills it in.
            log_index: 0,
        };
        let fingerprint = matches!(origin, Origin::HandedOver { .. }).then(|| {
            self.parts.fingerprints.of_file(&digests.plaintext_sha256, clearance.kind(), clearance.reference())
        });
        let created = created_record(&id, tenant, area, &manifest, (clearance, fingerprint.clone()), origin);
        let staged = staging.commit(sealed, area, manifest).map_err(ExchangeError::DropBox)?;
        Ok(Prepared { staged, created, fingerprint })
    }

    /// Enters a group of entries in the log, which makes the prepared deliveries exist, and shows them.
    ///
    /// `before` stands first in the group: what the deliveries follow from. An error says that nothing of it happened.
    /// Once the log has the group it has happened, whatever becomes of showing the files: that is tried again until it
    /// is done, by the daemon and after a stop.
    pub(super) fn commit(&self, before: Vec<Record>, prepared: Vec<Prepared>) -> Result<(), ExchangeError> {
        let first_created = before.len();
        let mut records = before;
        let mut staged = Vec::new();
        for Prepared { staged: file, created, .. } in prepared {
            staged.push(file);
            records.push(created);
        }
        let appended = self.parts.log.append(records);
        if let Err(error) = appended.as_ref()
            && !error.is_fatal()
        {
            return Err(ExchangeError::Log(error.clone()));
        }
        let created = staged.iter().zip(appended.iter().flatten().skip(first_created));
        let mut to_show: Vec<Unshown> = Vec::new();
        for (file, appended) in created {
            let (tenant, delivery) = (file.sealed.clearance().tenant(), (file.id.clone(), appended.seq));
            match to_show.iter_mut().find(|unshown| unshown.tenant == *tenant) {
                Some(unshown) => unshown.deliveries.push(delivery),
                None => to_show.push(Unshown { tenant: tenant.clone(), deliveries: vec![delivery] }),
            }
        }
        // After a fault for good nobody knows what the log has: the next start does.
        staged.into_iter().for_each(Staged::keep);
        appended.map_err(ExchangeError::Log)?;
        for unshown in to_show {
            if let Err(error) = self.publish(&unshown) {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, tenant = %unshown.tenant, "deliveries wait to be shown");
                self.queue.push_later(Job::Show(unshown), RETRY_AFTER);
            }
        }
        Ok(())
    }

    /// Shows deliveries that the log has, with their index in it. Doing it again is harmless. One that cannot be shown keeps
    /// none of the others from it; the first fault is told at the end.
    pub(super) fn publish(&self, unshown: &Unshown) -> Result<(), ExchangeError> {
        let (mut records, mut first_fault) = (Vec::new(), None);
        for (id, seq) in &unshown.deliveries {
            match self.show(&unshown.tenant, id, *seq) {
                Ok(true) => {
                    let event = Event::DeliveryAvailable(DeliveryStep { delivery_id: id.clone() });
                    let tenant = Some(unshown.tenant.clone());
                    let context = Context { tenant, correlation: Some(id.clone()), ..Context::of(Actor::Daemon) };
                    records.push(Record::success(event, context));
                }
                Ok(false) => {}
                Err(error) if first_fault.is_none() => first_fault = Some(error),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, delivery = id, tenant = %unshown.tenant, "delivery waits");
                }
            }
        }
        if !records.is_empty() {
            self.parts.log.append(records).map_err(ExchangeError::Log)?;
        }
        first_fault.map_or(Ok(()), Err)
    }

    /// Shows a delivery. Says whether that is to be entered in the log.
    fn show(&self, tenant: &TenantId, id: &str, seq: u64) -> Result<bool, ExchangeError> {
        let row = self.parts.ledger.delivery(id).map_err(ExchangeError::Ledger)?;
        // Its tenant sees the file before its manifest, and may have removed it.
        if row.as_ref().is_some_and(|row| row.available || row.gone.is_some()) {
            return Ok(false);
        }
        if self.parts.boxes.publish(id, seq, tenant).map_err(ExchangeError::DropBox)?.is_some() {
            return Ok(true);
        }
        // It was published before, and a stop or a fault came before its entry: only that is missing.
        let is_there = row.map(|row| self.parts.boxes.has_file(tenant, area_of(&row), &row.file));
        let is_there = is_there.transpose().map_err(ExchangeError::DropBox)?.unwrap_or_default();
        if is_there {
            tracing::info!(delivery = id, "was published already");
        } else {
            tracing::error!(delivery = id, %tenant, "a delivery is neither staged nor in its outbox");
        }
        Ok(is_there)
    }
}

impl<'a> Origin<'a> {
    fn upload_name(self) -> Option<&'a str> {
        match self {
            Self::Upload { name, .. } => Some(name),
            Self::Assignment { .. } | Self::HandedOver { .. } | Self::Removals { .. } => None,
        }
    }

    fn submission(self) -> Option<&'a str> {
        match self {
            Self::Upload { submission, .. } => Some(submission),
            Self::Assignment { .. } | Self::HandedOver { .. } | Self::Removals { .. } => None,
        }
    }

    fn run(self) -> Option<&'a str> {
        match self {
            Self::Upload { .. } | Self::HandedOver { .. } | Self::Removals { .. } => None,
            Self::Assignment { run, .. } => run,
        }
    }

    fn removals(self) -> Option<u64> {
        match self {
            Self::Upload { .. } | Self::Assignment { .. } | Self::HandedOver { .. } => None,
            Self::Removals { count, .. } => Some(count),
        }
    }

    fn amount_total(self) -> Option<String> {
        match self {
            Self::Upload { .. } | Self::Removals { .. } => None,
            Self::Assignment { amount_total, .. } | Self::HandedOver { amount_total, .. } => {
                amount_total.map(|amount| amount.to_string())
            }
        }
    }

    /// Who delivers, and as which user where an operator does.
    fn actor(self) -> (Actor, Option<Disclosed>) {
        match self {
            Self::Upload { .. } | Self::Assignment { .. } | Self::Removals { .. } => (Actor::Daemon, None),
            Self::HandedOver { user, .. } => (Actor::Operator, Some(disclosed_user(user))),
        }
    }
}

fn created_record(
    id: &DeliveryId,
    tenant: &Tenant,
    area: Area,
    manifest: &Manifest,
    (clearance, fingerprint): (&Clearance, Option<String>),
    origin: Origin<'_>,
) -> Record {
    let event = Event::DeliveryCreated(DeliveryCreated {
        delivery_id: id.as_str().to_owned(),
        file: manifest.file.clone(),
        kind: clearance.kind(),
        rows: manifest.rows,
        amount_total: manifest.amount_total.clone(),
        recipients: manifest.recipients.iter().map(|key| key_id(key)).collect(),
        purpose: clearance.purpose().to_owned(),
        legal_basis: clearance.legal_basis().to_owned(),
        columns: clearance.columns().iter().map(ToString::to_string).collect(),
        ciphertext_sha256: hex::encode(manifest.ciphertext_sha256),
        ciphertext_size: manifest.ciphertext_size,
        answers: origin.submission().map(str::to_owned),
        manifest_sha256: None,
        run: origin.run().map(str::to_owned),
        test: area == Area::Test,
        retention_until: Some(manifest.retention_until),
        removals: origin.removals(),
        fingerprint,
    });
    let (actor, user) = origin.actor();
    let context = Context {
        tenant: Some(tenant.id.clone()),
        protocol: Some(clearance.reference().clone()),
        correlation: Some(origin.submission().or(origin.run()).unwrap_or(id.as_str()).to_owned()),
        ..Context::of(actor)
    };
    let digest = manifest.plaintext_sha256.map(hex::encode);
    let disclosed = digest.map(|value| Disclosed { name: "plaintext_sha256", value });
    Record::success(event, context).disclosing(disclosed.into_iter().chain(user))
}

/// The area that a delivery is in.
pub(super) fn area_of(row: &DeliveryRow) -> Area {
    if row.test { Area::Test } else { Area::Live }
}

/// Who did something on this machine, for the log.
pub(super) fn disclosed_user(user: u32) -> Disclosed {
    Disclosed { name: "user", value: format!("uid {user}") }
}

/// Writes a text and counts its lines.
pub(super) fn write_text(output: &mut impl Write, text: &str) -> io::Result<u64> {
    output.write_all(text.as_bytes())?;
    Ok(text.lines().count() as u64)
}
