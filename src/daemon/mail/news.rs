//! News: what of the transfer log somebody is to hear of.

use jiff::Timestamp;

use super::super::{
    disks::FullDisk,
    inboxes::FullInbox,
    needs::{Ending, Overdue, SetAside},
};
use crate::{
    domain::{ProtocolId, TenantId},
    ledger::DeliveryRow,
    transfer_log::{Event, MailTopic, Stage, StoredEntry},
};

/// Who is to hear of something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Audience {
    /// Those who run the exchange.
    Ops,
    /// A tenant's contacts.
    Tenant(TenantId),
}

/// Something to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// A delivery can be fetched.
    Ready {
        delivery: String,
    },
    /// Why a list was refused; the delivery explains it.
    Why {
        delivery: String,
        code: String,
    },
    /// A file lies there, and was not fetched.
    Unfetched(DeliveryRow),
    /// A tenant's list, or a delivery to it, was refused.
    Refusal {
        at: Timestamp,
        tenant: Option<TenantId>,
        protocol: Option<ProtocolId>,
        code: String,
        /// What tells the tenant, where something does.
        delivery: Option<String>,
    },
    /// Something ends within so many days.
    Ending {
        ending: Ending,
        days: i32,
    },
    Overdue(Overdue),
    DiskNearlyFull(FullDisk),
    InboxNearlyFull(FullInbox),
    SetAside(SetAside),
    /// The register was refused; the one in use stays.
    Register {
        at: Timestamp,
        code: String,
        line: Option<u64>,
        column: Option<u64>,
    },
    /// The daemon did not end in order the last time.
    Recovered {
        at: Timestamp,
        torn_bytes: u64,
    },
    /// The clock was set.
    ClockSet {
        at: Timestamp,
    },
    /// The log failed, and the daemon ended.
    LogFailed {
        at: Timestamp,
    },
}

impl News {
    /// What an entry of the log means to whom.
    pub fn of(entry: &StoredEntry) -> Vec<(Audience, Self)> {
        let (at, tenant) = (entry.at, entry.context.tenant.clone());
        let code = || entry.reason.clone().unwrap_or_default();
        let to_tenant = |news: Self| tenant.clone().map(|tenant| (Audience::Tenant(tenant), news)).into_iter();
        let refusal = |delivery: Option<String>| {
            let (tenant, protocol) = (tenant.clone(), entry.context.protocol.clone());
            (Audience::Ops, Self::Refusal { at, tenant, protocol, code: code(), delivery })
        };
        match &entry.event {
            Event::DeliveryAvailable(step) => to_tenant(Self::Ready { delivery: step.delivery_id.clone() }).collect(),
            Event::ListRefused(refused) => {
                let delivery = refused.delivery_id.clone();
                let why = Self::Why { delivery: delivery.clone(), code: code() };
                to_tenant(why).chain([refusal(Some(delivery))]).collect()
            }
            // At other stages it comes with a refused list, which is told of.
            Event::PolicyRefused(refused) if refused.stage == Stage::Delivery => vec![refusal(None)],
            Event::RegisterRefused(refused) => {
                let (line, column) = (refused.line, refused.column);
                vec![(Audience::Ops, Self::Register { at, code: code(), line, column })]
            }
            Event::LogRecovered(recovered) => {
                vec![(Audience::Ops, Self::Recovered { at, torn_bytes: recovered.torn_bytes })]
            }
            Event::ClockStep(_) => vec![(Audience::Ops, Self::ClockSet { at })],
            _ => Vec::new(),
        }
    }

    /// What it is about; none for what only adds to other news.
    pub fn topic(&self) -> Option<MailTopic> {
        Some(match self {
            Self::Ready { .. } => MailTopic::Ready,
            Self::Why { .. } => return None,
            Self::Unfetched(_) => MailTopic::Unfetched,
            Self::Refusal { .. } => MailTopic::Refused,
            Self::Ending { .. } => MailTopic::Ending,
            Self::Overdue(_) => MailTopic::Overdue,
            Self::DiskNearlyFull(_) => MailTopic::Disk,
            Self::InboxNearlyFull(_) => MailTopic::Inbox,
            Self::SetAside(_) => MailTopic::Aside,
            Self::Register { .. } => MailTopic::Register,
            Self::Recovered { .. } | Self::ClockSet { .. } | Self::LogFailed { .. } => MailTopic::Log,
        })
    }
}
