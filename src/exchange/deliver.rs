//! Files that operators hand over: gated, sealed to their tenant, and published like those that are made here.
//!
//! ```text
//! HandedOver ─▶ HandedTable (checked) ─▶ Clearance ─▶ Staged ─▶ (the log) ─▶ Published
//! ```
//!
//! They stand on a protocol, and each is a use of it: the gate hears which columns the file has, and says no when one of
//! them is not the protocol's. A no is entered in the log, with the user.
//!
//! Whoever hands a file over draws the delivery's id. Where nobody hears what became of it, the log tells by that id. The
//! same content leaves once for a protocol, unless it is asked for again: a second payment file pays twice.

use std::sync::PoisonError;

use jiff::civil::Date;

use super::{
    Exchange, ExchangeError, GateRefusal,
    assignment::MadeFile,
    delivery::{DeliveryId, Origin, Outgoing, Prepared, disclosed_user},
};
use crate::{
    documents::handed_over::{HandedFault, HandedTable},
    domain::{
        Clearance, Column, Ground, Kind, ProtocolId, Rule, Tenant, TenantId, brussels_date,
        protocol::Reply,
        release::{Request, release},
    },
    dropbox::Area,
    transfer_log::{Actor, Context, Disclosed, Event, PolicyRefused, ProtocolUsed, Record, Stage},
};

/// A file handed over at most, bytes: the data of the largest city's 165,000 children, five sources each.
pub const MOST_HANDED_BYTES: u64 = 128 << 20;

/// A file that an operator hands over.
#[derive(Clone, Copy)]
pub struct HandedOver<'a> {
    /// The id that its delivery is to have.
    pub delivery: &'a DeliveryId,
    /// For whom.
    pub tenant: &'a TenantId,
    /// On which ground.
    pub protocol: &'a ProtocolId,
    /// What it is.
    pub kind: Kind,
    /// The file, in clear.
    pub content: &'a [u8],
    /// The user who hands it over, as this machine knows it.
    pub user: u32,
    /// Whether it is to leave although the same content left before.
    pub again: bool,
    /// Asked last before the log has it, when its turn came: whether it is still to leave.
    pub is_wanted: &'a dyn Fn() -> bool,
}

/// Why a file that was handed over does not leave. Nothing was delivered then, unless [`DeliverFault::is_unknown`].
#[derive(Debug, thiserror::Error)]
pub enum DeliverFault {
    /// No such tenant.
    #[error("there is no tenant {0} in the configuration in force")]
    UnknownTenant(String),
    /// The file is not what it should be.
    #[error("the file is not fit to leave")]
    Unfit(#[source] HandedFault),
    /// The release gate said no.
    #[error(transparent)]
    Gate(GateRefusal),
    /// Whoever hands it over drew its id before.
    #[error("the log has that delivery already, as {0}")]
    Known(String),
    /// The same content left before.
    #[error("the same content was delivered as {file} on {day}: `groeikluis deliver --again` delivers it once more")]
    Repeated {
        /// As which file.
        file: String,
        /// When, in Brussels.
        day: Date,
    },
    /// The outbox has no room.
    #[error("the outbox of {tenant} is full: its files take {used_bytes} bytes of {limit_bytes}")]
    OutboxFull {
        /// Whose.
        tenant: String,
        /// What is taken.
        used_bytes: u64,
        /// What may be.
        limit_bytes: u64,
    },
    /// While it waited for its turn, whoever handed it over went away, or changed it.
    #[error("it is not to leave any more")]
    Unwanted,
    /// This side is at fault: it may be tried again, unless [`DeliverFault::is_unknown`].
    #[error("the file could not be delivered")]
    Failed(#[source] ExchangeError),
}

impl DeliverFault {
    /// Whether nobody knows what became of it before the next start has read the log.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Failed(ExchangeError::Log(error)) if error.is_fatal())
    }
}

impl Exchange {
    /// Delivers a file that an operator hands over.
    ///
    /// # Errors
    /// [`DeliverFault`].
    pub fn deliver(&self, handed: HandedOver<'_>) -> Result<MadeFile, DeliverFault> {
        let HandedOver { delivery, tenant: id, protocol, kind, content, user, .. } = handed;
        if self.parts.tenants.tenant(id).is_none() {
            return Err(DeliverFault::UnknownTenant(id.to_string()));
        }
        let sources = self.parts.registers.catalogue();
        let table = HandedTable::read(kind, content, sources);
        self.refuse_known(delivery)?;
        // What keeps any file of this kind from leaving comes before what is wrong with this one.
        if !matches!(table, Err(HandedFault::Kind(..))) {
            let tenant = self.onboarded(id).map_err(DeliverFault::Failed)?;
            self.ask_gate(&handed, &tenant, None, self.parts.clock.today())?;
        }
        let table = table.map_err(DeliverFault::Unfit)?;
        // No run beside it, which draws file numbers for several tenants; and nobody else works for the tenant.
        let _only = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.queue.reserve(id).ok_or(DeliverFault::Failed(ExchangeError::Stopping))?;
        // Now, and not before the wait: its protocol may have ended since, or a recipient's key.
        let tenant = self.onboarded(id).map_err(DeliverFault::Failed)?;
        self.refuse_known(delivery)?;
        let today = self.parts.clock.today();
        let clearance = self.clear(&handed, &tenant, &table, today)?;
        let sequence = self.next_sequence(id).map_err(DeliverFault::Failed)?;
        let outgoing = Outgoing {
            tenant: &tenant,
            clearance,
            area: Area::Live,
            sequence,
            extension: "csv",
            origin: Origin::HandedOver { delivery, user, amount_total: table.amount_total },
        };
        let prepared = self.stage(outgoing, |output| table.write(output)).map_err(DeliverFault::Failed)?;
        if !handed.again {
            self.refuse_the_same(id, &prepared)?;
        }
        let made = MadeFile::of(&prepared);
        if !(handed.is_wanted)() {
            return Err(DeliverFault::Unwanted);
        }
        let submission = delivery.as_str().to_owned();
        let context = Context {
            tenant: Some(id.clone()),
            protocol: Some(protocol.clone()),
            correlation: Some(submission.clone()),
            ..Context::of(Actor::Operator)
        };
        let used = Event::ProtocolUsed(ProtocolUsed { submission, day: today });
        self.commit(vec![Record::success(used, context)], vec![prepared]).map_err(DeliverFault::Failed)?;
        Ok(made)
    }

    /// Whether a delivery of that id is in the log.
    ///
    /// # Errors
    /// [`ExchangeError::Ledger`].
    pub fn has_delivered(&self, delivery: &DeliveryId) -> Result<bool, ExchangeError> {
        self.parts.ledger.delivery(delivery.as_str()).map(|row| row.is_some()).map_err(ExchangeError::Ledger)
    }

    /// Asks the gate, and whether there is room.
    fn clear(
        &self,
        handed: &HandedOver<'_>,
        tenant: &Tenant,
        table: &HandedTable<'_>,
        today: Date,
    ) -> Result<Clearance, DeliverFault> {
        let HandedOver { tenant: id, protocol, .. } = *handed;
        let clearance = self.ask_gate(handed, tenant, Some(table.columns()), today)?;
        let entitled_only = tenant.protocol(protocol).is_some_and(|protocol| protocol.reply == Reply::EntitledOnly);
        if let Some(line) = table.first_without_allowance.filter(|_| entitled_only) {
            return Err(DeliverFault::Unfit(HandedFault::EntitledOnly { line }));
        }
        if let Some(used_bytes) = self.full_outbox(tenant).map_err(DeliverFault::Failed)? {
            let limit_bytes = tenant.limits.outbox_bytes;
            return Err(DeliverFault::OutboxFull { tenant: id.to_string(), used_bytes, limit_bytes });
        }
        Ok(clearance)
    }

    fn refuse_known(&self, delivery: &DeliveryId) -> Result<(), DeliverFault> {
        let known = self.parts.ledger.delivery(delivery.as_str());
        match known.map_err(|error| DeliverFault::Failed(ExchangeError::Ledger(error)))? {
            None => Ok(()),
            Some(row) => Err(DeliverFault::Known(row.file)),
        }
    }

    /// Asks the gate for such a file, of these columns where they are known; a no is entered in the log.
    fn ask_gate(
        &self,
        handed: &HandedOver<'_>,
        tenant: &Tenant,
        columns: Option<&[Column]>,
        today: Date,
    ) -> Result<Clearance, DeliverFault> {
        let HandedOver { tenant: id, protocol, kind, user, .. } = *handed;
        let uses = self.uses_of(tenant, protocol, today).map_err(DeliverFault::Failed)?;
        let request = Request { tenant, ground: Ground::Protocol(protocol), kind, columns, today, uses };
        let refusal = match release(request) {
            Ok(clearance) => return Ok(clearance),
            Err(refusal) => refusal,
        };
        let context =
            Context { tenant: Some(id.clone()), protocol: Some(protocol.clone()), ..Context::of(Actor::Operator) };
        self.enter_refusal(refusal.rule, context, Some(disclosed_user(user))).map_err(DeliverFault::Failed)?;
        Err(DeliverFault::Gate(GateRefusal::of(request)))
    }

    fn refuse_the_same(&self, tenant: &TenantId, prepared: &Prepared) -> Result<(), DeliverFault> {
        let Some(fingerprint) = &prepared.fingerprint else { return Ok(()) };
        let earlier = self.parts.ledger.handed_over(tenant, fingerprint);
        match earlier.map_err(|error| DeliverFault::Failed(ExchangeError::Ledger(error)))? {
            None => Ok(()),
            Some(row) => Err(DeliverFault::Repeated { file: row.file, day: brussels_date(row.created_at) }),
        }
    }

    /// Enters in the log that the gate let nothing leave, and who asked where that is a user of this machine.
    pub(super) fn enter_refusal(
        &self,
        rule: Rule,
        context: Context,
        user: Option<Disclosed>,
    ) -> Result<(), ExchangeError> {
        let rule = rule.code();
        let event = Event::PolicyRefused(PolicyRefused { rule: rule.to_owned(), stage: Stage::Delivery });
        let entered = self.parts.log.append(vec![Record::failure(event, rule, context).disclosing(user)]);
        entered.map(|_| ()).map_err(ExchangeError::Log)
    }

    /// How often a protocol was used in the period that a day is in.
    pub(super) fn uses_of(&self, tenant: &Tenant, id: &ProtocolId, day: Date) -> Result<u32, ExchangeError> {
        let Some(protocol) = tenant.protocol(id) else { return Ok(0) };
        let since = protocol.usage.counted_from(day);
        self.parts.ledger.uses(&tenant.id, id, since).map_err(ExchangeError::Ledger)
    }

    /// The bytes in an outbox that has no more room, or none when it has.
    pub(super) fn full_outbox(&self, tenant: &Tenant) -> Result<Option<u64>, ExchangeError> {
        let used_bytes = self.parts.boxes.outbox_bytes(&tenant.id).map_err(ExchangeError::DropBox)?;
        Ok((used_bytes >= tenant.limits.outbox_bytes).then_some(used_bytes))
    }
}
