//! From a list that was received to its answer, stage by stage.

use std::sync::Arc;

use jiff::civil::Date;
use zeroize::Zeroizing;

use super::{
    Answered, Exchange, ExchangeError, Matched, SelectionFault, Terms,
    delivery::{Origin, Outgoing, write_text},
    refuse::receipt_of,
    select, write_answer,
};
use crate::{
    documents::{
        rejection::{Earlier, Reason},
        report::{Report, verslag},
    },
    domain::{
        ByteSize, Clearance, Ground, Kind, NisCode, ProtocolId, Rule, SourceId, Tenant,
        protocol::{Outside, Reply, Route},
        release::{Request, release},
        source::SOCIALE_TOESLAG,
    },
    dropbox::{Area, ListName, Received},
    ledger::{AnsweredList, DeliveryEnd},
    lists::{self, Counts, Problem},
    register::Register,
    seal::{Keyring, SealError},
    transfer_log::{Actor, Context, Event, ListAnswered, ListReceived, ProtocolUsed, Record},
};

/// Why a list gets no answer now.
pub(super) enum Stop {
    /// It is refused; its tenant is told why.
    Refused(Reason, Option<ProtocolId>),
    /// This side is at fault; it is tried again.
    Failed(ExchangeError),
}

impl From<ExchangeError> for Stop {
    fn from(error: ExchangeError) -> Self {
        Self::Failed(error)
    }
}

/// A submission with what is the same for all its stages.
pub(super) struct Case<'a> {
    pub received: &'a Received,
    pub tenant: Arc<Tenant>,
    pub today: Date,
}

impl Case<'_> {
    fn municipality(&self) -> Result<NisCode, ExchangeError> {
        let problem = "it has no NIS code";
        self.tenant.nis_code.ok_or_else(|| ExchangeError::TenantUnfit { tenant: self.tenant.id.to_string(), problem })
    }

    pub fn context(&self, protocol: Option<&ProtocolId>) -> Context {
        Context {
            tenant: Some(self.tenant.id.clone()),
            protocol: protocol.cloned(),
            correlation: Some(self.received.submission().id.clone()),
            ..Context::of(Actor::Daemon)
        }
    }
}

/// The content of a list, whole, in memory that is wiped.
pub struct Opened {
    content: Zeroizing<Vec<u8>>,
}

/// A list that the release gate allows to be answered, and that was not answered before.
pub struct Checked<'register> {
    matched: Matched<'register>,
    size: u64,
    clearance: Clearance,
    terms: Terms,
    fingerprint: String,
}

/// A list with fewer children of elsewhere is answered: refused, it could be sent again and again, to ask for nothing where
/// somebody lives.
const FEWEST_ELSEWHERE: usize = 20;

/// The reference in the names of files that answer trials.
pub(super) const TRIAL_REFERENCE: &str = "TEST";

impl Opened {
    /// Opens what was received: the tenant's own sealing, or the one of arrival.
    pub(super) fn open(received: &Received, keyring: &Keyring, limit_bytes: u64) -> Result<Self, Stop> {
        let content = received.open(keyring, limit_bytes).map_err(|error| match error {
            // However it came: the limit may have been lowered while it waited, and no later try finds it smaller.
            SealError::TooLarge { limit_bytes } => {
                Stop::Refused(Reason::TooLarge { limit: ByteSize(limit_bytes) }, None)
            }
            // What was sealed on arrival must open: anything else is this side's fault.
            error if !received.came_sealed() => Stop::Failed(ExchangeError::Stored(error)),
            SealError::Truncated => Stop::Refused(Reason::TruncatedAge, None),
            SealError::NoMatchingKey | SealError::NotAge | SealError::Header | SealError::Damaged => {
                Stop::Refused(Reason::NotDecryptable, None)
            }
            error @ (SealError::Io(_)
            | SealError::NoRecipients
            | SealError::MixedRecipients
            | SealError::Identity { .. }) => Stop::Failed(ExchangeError::Stored(error)),
        })?;
        Ok(Self { content })
    }
}

impl Exchange {
    /// Answers a submission, or refuses it; either way it is settled when this returns.
    pub(super) fn settle(&self, received: &Received) -> Result<(), ExchangeError> {
        let tenant_id = &received.submission().tenant;
        let tenant = self.onboarded(tenant_id)?;
        let case = Case { received, tenant, today: self.parts.clock.today() };
        match self.try_answer(&case) {
            Ok(()) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Refused(reason, protocol)) => self.refuse_list(&case, &reason, protocol),
        }
    }

    fn try_answer(&self, case: &Case<'_>) -> Result<(), Stop> {
        let register = match case.received.area() {
            Area::Live => self.parts.registers.live().ok_or(ExchangeError::NoRegister)?,
            Area::Test => self.parts.registers.trial(case.municipality()?, case.today)?,
        };
        let opened = Opened::open(case.received, &self.parts.keyring, case.tenant.limits.upload_bytes)?;
        let checked = self.check(case, &opened, &register)?;
        drop(opened);
        self.deliver_answer(case, checked)
    }

    /// Asks the gate, reads the list, and looks it up.
    fn check<'register>(
        &self,
        case: &Case<'_>,
        opened: &Opened,
        register: &'register Register,
    ) -> Result<Checked<'register>, Stop> {
        let name = ListName::parse(case.received.name());
        let bare = name.as_ref().map_or(case.received.name(), |name| name.bare.as_str());
        let limits = self.parts.tenants.list_limits();
        let read = |protocol: Option<&ProtocolId>| {
            let list = lists::read(&opened.content, bare, &limits, case.today);
            list.map_err(|fault| Stop::Refused(Reason::List(fault), protocol.cloned()))
        };
        let source = self.source()?;
        let nis_code = case.municipality()?;
        let size = opened.content.len() as u64;
        if case.received.area() == Area::Test {
            let list = read(None)?;
            self.refuse_without_room(case, None)?;
            let (clearance, terms) = trial(case, nis_code, source)?;
            let (matched, ()) = Matched::of(list, register, |_| ());
            return Ok(Checked { matched, size, clearance, terms, fingerprint: String::new() });
        }
        let ledger = &self.parts.ledger;
        let failed = std::cell::Cell::new(None);
        let uses = |protocol: &ProtocolId, since| match ledger.uses(&case.tenant.id, protocol, since) {
            Ok(uses) => uses,
            Err(error) => {
                failed.set(Some(error));
                u32::MAX
            }
        };
        let selected = select(&case.tenant, case.received.name(), case.today, uses);
        if let Some(error) = failed.take() {
            return Err(Stop::Failed(ExchangeError::Ledger(error)));
        }
        // A used-up protocol is said only after looking whether the very list was answered: that tells more.
        let (protocol, clearance) = match selected {
            Ok(selected) => selected,
            Err(SelectionFault::Refused(id, refusal)) if refusal.rule == Rule::UseLeft => {
                let list = read(Some(&id))?;
                let fingerprint = self.parts.fingerprints.of_list(&list, &id);
                self.refuse_repetition(case, &id, &fingerprint, register)?;
                // No day on which the protocol holds no more is promised.
                let again_from = case.tenant.protocol(&id).and_then(|protocol| {
                    let day = protocol.usage.counted_anew_from(case.today)?;
                    protocol.valid.is_some_and(|valid| valid.contains(day)).then_some(day)
                });
                return Err(Stop::Refused(Reason::UsedUp { protocol: id.clone(), again_from }, Some(id)));
            }
            Err(fault) => return Err(refused_selection(fault)),
        };
        let fingerprints = &self.parts.fingerprints;
        let (matched, fingerprint) =
            Matched::of(read(Some(&protocol.id))?, register, |list| fingerprints.of_list(list, &protocol.id));
        self.refuse_repetition(case, &protocol.id, &fingerprint, register)?;
        self.refuse_without_room(case, Some(&protocol.id))?;
        let terms = Terms {
            reply: protocol.reply,
            outside_municipality: protocol.outside_municipality,
            nis_code,
            source,
            today: case.today,
            trial: false,
        };
        Ok(Checked { matched, size, clearance, terms, fingerprint })
    }

    /// Refuses what the outbox has no room for. Trials have a part of it, so that they keep no answer out.
    fn refuse_without_room(&self, case: &Case<'_>, protocol: Option<&ProtocolId>) -> Result<(), Stop> {
        let (boxes, id, limits) = (&self.parts.boxes, &case.tenant.id, &case.tenant.limits);
        let mut bounds = vec![("/outbox", boxes.outbox_bytes(id), limits.outbox_bytes)];
        if case.received.area() == Area::Test {
            bounds.insert(0, ("/test/outbox", boxes.trial_bytes(id), limits.trial_bytes()));
        }
        for (folder, used, limit_bytes) in bounds {
            if used.map_err(ExchangeError::DropBox)? >= limit_bytes {
                let reason = Reason::OutboxFull { folder, limit: ByteSize(limit_bytes) };
                return Err(Stop::Refused(reason, protocol.cloned()));
            }
        }
        Ok(())
    }

    fn source(&self) -> Result<SourceId, ExchangeError> {
        // The catalogue was checked for it when the configuration was read.
        self.parts.registers.catalogue().id(SOCIALE_TOESLAG).ok_or(ExchangeError::NoRegister)
    }

    fn refuse_repetition(
        &self,
        case: &Case<'_>,
        protocol: &ProtocolId,
        fingerprint: &str,
        register: &Register,
    ) -> Result<(), Stop> {
        let month = register.month().to_string();
        let earlier = self.parts.ledger.answered(&case.tenant.id, protocol, fingerprint, &month);
        match earlier.map_err(|error| Stop::Failed(ExchangeError::Ledger(error)))? {
            None => Ok(()),
            Some(AnsweredList { file, at, gone, retention_until, .. }) => {
                let day = crate::domain::brussels_date(at);
                let place = match gone {
                    None => Earlier::InOutbox,
                    Some(DeliveryEnd::Expired | DeliveryEnd::Withdrawn) => Earlier::Removed { until: retention_until },
                    Some(DeliveryEnd::Deleted) => Earlier::Deleted,
                };
                Err(Stop::Refused(Reason::Duplicate { file, day, place }, Some(protocol.clone())))
            }
        }
    }

    /// Seals answer and report, enters both in the log with the use of the protocol, and shows them. A list of which nobody
    /// who is known lives here is another authority's: it would use the protocol up for nothing.
    fn deliver_answer(&self, case: &Case<'_>, checked: Checked<'_>) -> Result<(), Stop> {
        let Checked { matched, size, clearance, terms, fingerprint } = checked;
        let list = matched.list();
        let register_month = matched.register().month().to_string();
        let submission = &case.received.submission().id;
        let area = case.received.area();
        let sequence = self.next_sequence(&case.tenant.id)?;
        let reference = clearance.reference().clone();
        let notice = notice(case, &reference, Kind::Verslag)?;
        let columns = clearance.columns().to_vec();
        let outgoing = |clearance, sequence| Outgoing {
            tenant: &case.tenant,
            clearance,
            area,
            sequence,
            extension: "csv",
            origin: Origin::Upload { submission, name: case.received.name() },
        };
        let mut answered = Answered::default();
        let answer = self.stage(outgoing(clearance, sequence), |output| {
            answered = write_answer(output, &columns, &matched, terms)?;
            Ok(answered.rows)
        })?;
        let too_old = answered.unanswered_for(Problem::OutsideAge);
        let elsewhere = answered.unanswered_for(Problem::OtherMunicipality);
        if elsewhere >= FEWEST_ELSEWHERE && answered.matched == (elsewhere + too_old) as u64 {
            let protocol = (area == Area::Live).then_some(reference);
            return Err(Stop::Refused(Reason::OtherMunicipality { rows: list.counts.rows }, protocol));
        }
        let mut remarks = list.remarks.clone();
        remarks.extend_from_slice(&answered.unanswered);
        remarks.sort_by_key(|remark| remark.line);
        let counts = Counts { outside_age: list.counts.outside_age + too_old, ..list.counts };
        let row = self.parts.ledger.submission(submission).map_err(ExchangeError::Ledger)?;
        let receipt = row.as_ref().map(receipt_of);
        let text = verslag(
            &Report {
                tenant: &case.tenant.name,
                upload: case.received.name(),
                receipt: receipt.as_deref(),
                places: list.places,
                protocol: (area == Area::Live).then_some(&reference),
                register_month: &register_month,
                day: case.today,
                counts,
                answer_rows: answer.staged.manifest.rows,
                entitled: usize::try_from(answered.entitled).unwrap_or(usize::MAX),
            },
            &remarks,
        );
        let report = self.stage(outgoing(notice, sequence + 1), |output| write_text(output, &text))?;
        let context = case.context((area == Area::Live).then_some(&reference));
        let mut records = vec![
            Record::success(Event::ListReceived(ListReceived { rows: counts.rows as u64, size }), context.clone()),
            Record::success(
                Event::ListAnswered(ListAnswered {
                    rows: counts.rows as u64,
                    distinct: counts.distinct as u64,
                    valid: counts.valid as u64,
                    repaired: counts.repaired as u64,
                    invalid: counts.invalid as u64,
                    duplicate: counts.duplicate as u64,
                    outside_age: counts.outside_age as u64,
                    outside_municipality: elsewhere as u64,
                    unknown_date: counts.unknown_date as u64,
                    matched: answered.matched,
                    entitled: answered.entitled,
                    register_month,
                    list_fingerprint: fingerprint,
                    delivery_id: answer.staged.id.clone(),
                    test: area == Area::Test,
                }),
                context.clone(),
            ),
        ];
        if area == Area::Live {
            let used = ProtocolUsed { submission: submission.clone(), day: case.today };
            records.push(Record::success(Event::ProtocolUsed(used), context));
        }
        Ok(self.commit(records, vec![answer, report])?)
    }
}

/// The gate's yes for a file without personal data about a case.
pub(super) fn notice(case: &Case<'_>, reference: &ProtocolId, kind: Kind) -> Result<Clearance, ExchangeError> {
    let request = Request {
        tenant: &case.tenant,
        ground: Ground::NoPersonalData(reference),
        kind,
        columns: None,
        today: case.today,
        uses: 0,
    };
    let tenant = case.tenant.id.to_string();
    release(request).map_err(|_| ExchangeError::TenantUnfit { tenant, problem: "it has no recipients" })
}

/// A trial is answered on the terms of the tenant's protocol for lists where it has one, without touching it.
fn trial(case: &Case<'_>, nis_code: NisCode, source: SourceId) -> Result<(Clearance, Terms), ExchangeError> {
    let reference = trial_reference()?;
    let request = Request {
        tenant: &case.tenant,
        ground: Ground::Trial(&reference),
        kind: Kind::SocialeToeslag,
        columns: None,
        today: case.today,
        uses: 0,
    };
    let tenant = case.tenant.id.to_string();
    let clearance =
        release(request).map_err(|_| ExchangeError::TenantUnfit { tenant, problem: "it has no recipients" })?;
    let protocol = case.tenant.protocols.iter().find(|protocol| protocol.route == Route::Opgroeien);
    let terms = Terms {
        reply: protocol.map_or(Reply::EntitledOnly, |protocol| protocol.reply),
        outside_municipality: protocol.map_or(Outside::Withhold, |protocol| protocol.outside_municipality),
        nis_code,
        source,
        today: case.today,
        trial: true,
    };
    Ok((clearance, terms))
}

pub(super) fn trial_reference() -> Result<ProtocolId, ExchangeError> {
    let problem = "the reference of trials is none";
    TRIAL_REFERENCE.parse().map_err(|_| ExchangeError::TenantUnfit { tenant: String::new(), problem })
}

pub(super) fn refused_selection(fault: SelectionFault) -> Stop {
    match fault {
        SelectionFault::NoProtocol => Stop::Refused(Reason::NoProtocol, None),
        SelectionFault::Unknown { given, known } => Stop::Refused(Reason::UnknownProtocol { given, known }, None),
        SelectionFault::Ambiguous(ids) => Stop::Refused(Reason::AmbiguousProtocol(ids), None),
        SelectionFault::Refused(id, refusal) => Stop::Refused(Reason::Gate(refusal), Some(id)),
    }
}
