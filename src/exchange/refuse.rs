//! Refusals: what a tenant is told, and what the log says.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::civil::Date;

use super::{
    Exchange, ExchangeError,
    answer::{Case, Stop, refused_selection, trial_reference},
    delivery::{Origin, Outgoing, write_text},
    select,
};
use crate::{
    documents::rejection::{Reason, Rejection, weigering},
    domain::{
        ByteSize, Clearance, Ground, Kind, ProtocolId, Tenant, TenantId,
        release::{Request, release},
    },
    dropbox::{Area, RefusedUpload, UploadFault},
    ledger::SubmissionRow,
    lists::ListFault,
    transfer_log::{Actor, Context, Event, ListRefused, PolicyRefused, Record, Stage, upload_receipt},
};

/// The reference in the names of refusals that belong to no protocol.
const NO_REFERENCE: &str = "zonder-protocol";

/// Uploads refused while they were written that a tenant is told more about, a day. A client that tries again and
/// again would fill its outbox; the status of each try still says what is wrong.
const EXPLANATIONS_A_DAY: u32 = 50;

/// How many explanations each tenant had on a day.
#[derive(Default)]
pub(super) struct Explanations(Mutex<HashMap<TenantId, (Date, u32)>>);

impl Explanations {
    /// Counts one more, if there is one left.
    pub fn allow(&self, tenant: &TenantId, today: Date) -> bool {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (day, count) = given.entry(tenant.clone()).or_insert((today, 0));
        if *day != today {
            (*day, *count) = (today, 0);
        }
        *count += 1;
        *count <= EXPLANATIONS_A_DAY
    }
}

/// What a refusal is about.
struct Subject<'a> {
    tenant: &'a Tenant,
    submission: &'a str,
    upload: &'a str,
    area: Area,
    protocol: Option<ProtocolId>,
    actor: Actor,
}

/// The name of a submission's receipt.
pub(super) fn receipt_of(row: &SubmissionRow) -> String {
    upload_receipt(row.received_at, &row.id, "")
}

impl Exchange {
    pub(super) fn refuse_list(
        &self,
        case: &Case<'_>,
        reason: &Reason,
        protocol: Option<ProtocolId>,
    ) -> Result<(), ExchangeError> {
        let subject = Subject {
            tenant: &case.tenant,
            submission: &case.received.submission().id,
            upload: case.received.name(),
            area: case.received.area(),
            protocol,
            actor: Actor::Daemon,
        };
        self.refuse(&subject, reason).map(drop)
    }

    /// Refuses a list that waits, in the name of an operator. Gives the file that tells its tenant.
    pub(super) fn refuse_by_order(&self, row: &SubmissionRow, upload: &str) -> Result<String, ExchangeError> {
        let tenant = self.onboarded(&row.tenant)?;
        let subject = Subject {
            tenant: &tenant,
            submission: &row.id,
            upload,
            area: if row.test { Area::Test } else { Area::Live },
            protocol: None,
            actor: Actor::Operator,
        };
        self.refuse(&subject, &Reason::NotProcessed)
    }

    pub(super) fn refuse_upload(&self, refused: &RefusedUpload) -> Result<(), ExchangeError> {
        // A tenant that left the configuration since has nobody to explain it to.
        let Some(tenant) = self.parts.tenants.tenant(&refused.submission.tenant) else { return Ok(()) };
        let mut protocol = None;
        let reason = match refused.fault {
            UploadFault::TooLarge { limit_bytes } => Reason::TooLarge { limit: ByteSize(limit_bytes) },
            UploadFault::Empty => Reason::List(ListFault::Empty),
            UploadFault::WrongType => Reason::WrongFileType,
            UploadFault::NotAge => Reason::NotAge,
            UploadFault::TruncatedAge => Reason::TruncatedAge,
            UploadFault::NotDecryptable => Reason::NotDecryptable,
            UploadFault::SealedOnly => Reason::SealedOnly,
            UploadFault::NameWithNumber => Reason::NameWithNumber,
            UploadFault::UnknownProtocol
            | UploadFault::AmbiguousProtocol
            | UploadFault::ProtocolUnsigned
            | UploadFault::ProtocolNotBegun
            | UploadFault::ProtocolOver => {
                let selected = select(&tenant, &refused.name, self.parts.clock.today(), |_, _| 0);
                // The tenant's file may have changed since: then there is nothing to explain.
                let Err(Stop::Refused(reason, of)) = selected.map_err(refused_selection) else { return Ok(()) };
                protocol = of;
                reason
            }
        };
        let subject = Subject {
            tenant: &tenant,
            submission: &refused.submission.id,
            upload: &refused.name,
            area: refused.area,
            protocol,
            actor: Actor::Daemon,
        };
        self.refuse(&subject, &reason).map(drop)
    }

    /// Gives the file that tells its tenant.
    fn refuse(&self, subject: &Subject<'_>, reason: &Reason) -> Result<String, ExchangeError> {
        let reference = match (&subject.protocol, subject.area) {
            (_, Area::Test) => trial_reference()?,
            (Some(protocol), Area::Live) => protocol.clone(),
            (None, Area::Live) => NO_REFERENCE.parse().map_err(|_| unfit(subject.tenant))?,
        };
        let contact = self.parts.tenants.contact();
        let row = self.parts.ledger.submission(subject.submission).map_err(ExchangeError::Ledger)?;
        // What was refused while it came in is no submission.
        let receipt = row.as_ref().map(receipt_of);
        let about = Rejection {
            tenant: &subject.tenant.name,
            upload: subject.upload,
            receipt: receipt.as_deref(),
            received: row.map_or_else(|| self.parts.clock.now(), |row| row.received_at),
            contact: &contact,
        };
        let text = weigering(&about, reason);
        let clearance = clear(subject.tenant, &reference, self.parts.clock.today())?;
        let outgoing = Outgoing {
            tenant: subject.tenant,
            clearance,
            area: subject.area,
            sequence: self.next_sequence(&subject.tenant.id)?,
            extension: "txt",
            origin: Origin::Upload { submission: subject.submission, name: subject.upload },
        };
        let prepared = self.stage(outgoing, |output| write_text(output, &text))?;
        let context = Context {
            tenant: Some(subject.tenant.id.clone()),
            protocol: subject.protocol.clone(),
            correlation: Some(subject.submission.to_owned()),
            ..Context::of(subject.actor)
        };
        let file = prepared.staged.manifest.file.clone();
        let (rows, invalid) = counts(reason);
        let refused = Event::ListRefused(ListRefused {
            rows,
            invalid,
            delivery_id: prepared.staged.id.clone(),
            file: file.clone(),
        });
        let mut records = vec![Record::failure(refused, reason.code(), context.clone())];
        if let Reason::Gate(refusal) = reason {
            let rule = refusal.rule.code();
            let event = Event::PolicyRefused(PolicyRefused { rule: rule.to_owned(), stage: Stage::Answer });
            records.push(Record::failure(event, rule, context));
        }
        self.commit(records, vec![prepared]).map(|()| file)
    }
}

/// What is known of a refused list: its rows, and those without a valid number.
fn counts(reason: &Reason) -> (Option<u64>, Option<u64>) {
    match reason {
        Reason::List(ListFault::TooManyRows { rows, .. }) | Reason::OtherMunicipality { rows } => {
            (Some(*rows as u64), None)
        }
        Reason::List(ListFault::TooManyInvalid { rows, invalid, .. }) => (Some(*rows as u64), Some(*invalid as u64)),
        _ => (None, None),
    }
}

fn clear(tenant: &Tenant, reference: &ProtocolId, today: Date) -> Result<Clearance, ExchangeError> {
    let ground = Ground::NoPersonalData(reference);
    let request = Request { tenant, ground, kind: Kind::Weigering, columns: None, today, uses: 0 };
    release(request).map_err(|_| unfit(tenant))
}

fn unfit(tenant: &Tenant) -> ExchangeError {
    ExchangeError::TenantUnfit { tenant: tenant.id.to_string(), problem: "a refusal cannot be sealed to it" }
}
