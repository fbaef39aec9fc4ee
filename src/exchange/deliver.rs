//! Files that operators hand over: gated, sealed to their tenant, and published like those that are made here.
//!
//! ```text
//! HandedOver ─▶ HandedTable (checked) ─▶ Clearance ─▶ Staged ─▶ (the log) ─▶ Published
//! ```
//!
//! They stand on a protocol, and each is a use of it: the gate hears which columns the file has, and says no when one of
//! them is not the protocol's. A no is entered in the log.

use std::{io, sync::PoisonError};

use jiff::civil::Date;

use super::{
    Exchange, ExchangeError,
    assignment::MadeFile,
    delivery::{Origin, Outgoing},
};
use crate::{
    documents::handed_over::{HandedFault, HandedTable},
    domain::{
        Ground, Kind, ProtocolId, Rule, Tenant, TenantId,
        release::{Request, release},
    },
    dropbox::Area,
    transfer_log::{Actor, Context, Event, PolicyRefused, ProtocolUsed, Record, Stage},
};

/// A file handed over at most, bytes: the data of the largest city's 165,000 children, five sources each.
pub const MOST_HANDED_BYTES: u64 = 128 << 20;

/// A file that an operator hands over.
#[derive(Clone, Copy)]
pub struct HandedOver<'a> {
    /// For whom.
    pub tenant: &'a TenantId,
    /// On which ground.
    pub protocol: &'a ProtocolId,
    /// What it is.
    pub kind: Kind,
    /// The file, in clear.
    pub content: &'a [u8],
    /// The user who hands it over, as this machine knows it.
    pub user: Option<u32>,
}

/// Why a file that was handed over does not leave. Nothing was delivered then.
#[derive(Debug, thiserror::Error)]
pub enum DeliverFault {
    /// No such tenant.
    #[error("there is no tenant {0} in the configuration in force")]
    UnknownTenant(String),
    /// The file is not what it should be.
    #[error("the file is not fit to leave")]
    Unfit(#[source] HandedFault),
    /// The release gate said no.
    #[error("{kind} for {tenant} may not leave: rule {rule}")]
    Gate {
        /// What.
        kind: Kind,
        /// For whom.
        tenant: String,
        /// Why not.
        rule: Rule,
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
    /// That it is about to leave could not be marked where it comes from.
    #[error("the file cannot be taken from where it is")]
    Take(#[source] io::Error),
    /// This side is at fault: it may be tried again.
    #[error("the file could not be delivered")]
    Failed(#[source] ExchangeError),
}

impl Exchange {
    /// Delivers a file that an operator hands over. `take` hears the delivery's id before the log has it: what it
    /// leaves behind tells after a stop whether the file left.
    ///
    /// # Errors
    /// [`DeliverFault`].
    pub fn deliver(
        &self,
        handed: HandedOver<'_>,
        take: impl FnOnce(&str) -> io::Result<()>,
    ) -> Result<MadeFile, DeliverFault> {
        let HandedOver { tenant: id, protocol, kind, content, user } = handed;
        if self.parts.tenants.tenant(id).is_none() {
            return Err(DeliverFault::UnknownTenant(id.to_string()));
        }
        let table = HandedTable::read(kind, content).map_err(DeliverFault::Unfit)?;
        let tenant = self.onboarded(id).map_err(DeliverFault::Failed)?;
        // No run beside it, which draws file numbers for several tenants; and nobody else works for the tenant.
        let _only = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.queue.reserve(id).ok_or(DeliverFault::Failed(ExchangeError::Stopping))?;
        let today = self.parts.clock.today();
        let context =
            Context { tenant: Some(id.clone()), protocol: Some(protocol.clone()), ..Context::of(Actor::Operator) };
        let uses = self.uses_of(&tenant, protocol, today).map_err(DeliverFault::Failed)?;
        let ground = Ground::Protocol(protocol);
        let request = Request { tenant: &tenant, ground, kind, columns: Some(table.columns()), today, uses };
        let clearance = match release(request) {
            Ok(clearance) => clearance,
            Err(refusal) => {
                self.enter_refusal(refusal.rule, context).map_err(DeliverFault::Failed)?;
                return Err(DeliverFault::Gate { kind, tenant: id.to_string(), rule: refusal.rule });
            }
        };
        let full = self.full_outbox(&tenant).map_err(DeliverFault::Failed)?;
        if let Some(used_bytes) = full {
            let limit_bytes = tenant.limits.outbox_bytes;
            return Err(DeliverFault::OutboxFull { tenant: id.to_string(), used_bytes, limit_bytes });
        }
        let sequence = self.next_sequence(id).map_err(DeliverFault::Failed)?;
        let outgoing = Outgoing {
            tenant: &tenant,
            clearance,
            area: Area::Live,
            sequence,
            extension: "csv",
            origin: Origin::HandedOver { user, amount_total: table.amount_total },
        };
        let prepared = self.stage(outgoing, |output| table.write(output)).map_err(DeliverFault::Failed)?;
        let made = MadeFile::of(&prepared);
        let delivery = prepared.staged.id.clone();
        take(&delivery).map_err(DeliverFault::Take)?;
        let used = Event::ProtocolUsed(ProtocolUsed { submission: delivery.clone(), day: today });
        let context = Context { correlation: Some(delivery), ..context };
        self.commit(vec![Record::success(used, context)], vec![prepared]).map_err(DeliverFault::Failed)?;
        Ok(made)
    }

    /// Whether a delivery of that id is in the log.
    ///
    /// # Errors
    /// [`ExchangeError::Ledger`].
    pub fn has_delivered(&self, delivery: &str) -> Result<bool, ExchangeError> {
        self.parts.ledger.delivery(delivery).map(|row| row.is_some()).map_err(ExchangeError::Ledger)
    }

    /// Enters in the log that the gate let nothing leave.
    pub(super) fn enter_refusal(&self, rule: Rule, context: Context) -> Result<(), ExchangeError> {
        let rule = rule.code();
        let event = Event::PolicyRefused(PolicyRefused { rule: rule.to_owned(), stage: Stage::Delivery });
        let entered = self.parts.log.append(vec![Record::failure(event, rule, context)]);
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
