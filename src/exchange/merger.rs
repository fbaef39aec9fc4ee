//! Giving a tenant what others had, since their municipalities were merged.
//!
//! The configuration comes first: the former tenants are gone from it, so that nobody uses their drop-boxes any more, and
//! the new one is there. Then the log has it, with which the ledger counts what they used up as used by the new one; then
//! files move. What was sealed stays sealed to whom it was sealed to: nobody here could open it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use serde::{Deserialize, Serialize};

use super::{Exchange, ExchangeError, Orderer};
use crate::{
    domain::TenantId,
    dropbox::{Area, Belongings, DropBoxError},
    ledger::SubmissionState,
    transfer_log::{Actor, Context, Event, Record, TenantMerged},
};

/// What one tenant gets of others, or would get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergerOutcome {
    /// Whether this only tells what would be carried over.
    pub dry_run: bool,
    /// Who gets it.
    pub into: String,
    /// What each former tenant had.
    pub carried: Vec<CarriedTenant>,
}

/// What a former tenant had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarriedTenant {
    /// Its name.
    pub former: String,
    /// Files of its outboxes.
    pub deliveries: u64,
    /// Those of them that nobody fetched whole.
    pub unfetched: u64,
    /// Uploads of which something is kept.
    pub uploads: u64,
    /// Those of them that wait for their answer.
    pub waiting: u64,
    /// Receipts.
    pub receipts: u64,
}

/// Why nothing was carried over, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum MergerFault {
    /// Nothing to carry.
    #[error("no former tenant is named")]
    Nobody,
    /// A tenant into itself.
    #[error("{0} cannot be merged into itself")]
    Itself(String),
    /// The former tenant may still log in.
    #[error("{0} is still in the configuration in force: take its file away first")]
    StillThere(String),
    /// The new tenant is not there, or has no inbox.
    #[error("no municipality or ocmw {0} is in the configuration in force: put its file in place first")]
    NoHeir(String),
    /// It was done before.
    #[error("{former} was merged into {tenant} on {day}")]
    Done {
        /// The former tenant.
        former: String,
        /// Who has its drop-box.
        tenant: String,
        /// Since when, in Brussels.
        day: jiff::civil::Date,
    },
    /// There never was one.
    #[error("there is no drop-box {0}")]
    Unknown(String),
    /// Somebody works in it.
    #[error("a session of {0} has not ended yet: try again in a moment")]
    Busy(String),
    /// Two files of one name.
    #[error(
        "{files} file(s) of the outboxes have the same name in two drop-boxes, the first {first}: withdraw one of each \
         (`groeikluis delivery withdraw`), or wait until retention removed them"
    )]
    SameName {
        /// How many.
        files: usize,
        /// One of them.
        first: String,
    },
    /// This side is at fault; nothing was done.
    #[error("the drop-boxes could not be carried over")]
    Failed(#[source] ExchangeError),
    /// The log has it, and this side is at fault since. The next start moves what is left.
    #[error("the log has the merger, and not everything was carried over")]
    Left {
        /// What is the new tenant's by the log.
        done: MergerOutcome,
        /// Why not everything was moved.
        #[source]
        source: ExchangeError,
    },
}

impl Exchange {
    /// Gives `into` what `former` had; with `dry_run`, only says what that is.
    ///
    /// # Errors
    /// [`MergerFault`].
    pub fn merge_tenants(
        &self,
        former: &[TenantId],
        into: &TenantId,
        dry_run: bool,
        orderer: Orderer<'_>,
    ) -> Result<MergerOutcome, MergerFault> {
        let former: BTreeSet<&TenantId> = former.iter().collect();
        self.judge(&former, into)?;
        // As retention and runs do: their lock first, then a turn of each tenant, in one order.
        let _only = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let all: BTreeSet<&TenantId> = former.iter().copied().chain([into]).collect();
        let turns: Option<Vec<_>> = all.into_iter().map(|tenant| self.queue.reserve(tenant)).collect();
        let _turns = turns.ok_or(MergerFault::Failed(ExchangeError::Stopping))?;
        // Also after the wait: a former tenant may be back since.
        self.judge(&former, into)?;
        let had = self.belongings(&former, into)?;
        let carried: Result<Vec<_>, _> = had.iter().map(|(tenant, had)| self.carried(tenant, had)).collect();
        let carried = carried.map_err(MergerFault::Failed)?;
        let outcome = MergerOutcome { dry_run, into: into.to_string(), carried };
        if !dry_run {
            let former: Vec<TenantId> = had.into_keys().collect();
            orderer.require().map_err(MergerFault::Failed)?;
            let mut is_entered = false;
            if let Err(source) = self.carry(&former, into, &outcome.carried, &mut is_entered) {
                let left = |source| MergerFault::Left { done: outcome, source };
                return Err(if is_entered { left(source) } else { MergerFault::Failed(source) });
            }
        }
        Ok(outcome)
    }

    /// Whether the configuration in force is that of after the merger.
    fn judge(&self, former: &BTreeSet<&TenantId>, into: &TenantId) -> Result<(), MergerFault> {
        let tenants = &self.parts.tenants;
        if former.is_empty() {
            return Err(MergerFault::Nobody);
        }
        if former.contains(into) {
            return Err(MergerFault::Itself(into.to_string()));
        }
        if tenants.tenant(into).is_none_or(|tenant| !tenant.kind.uploads()) {
            return Err(MergerFault::NoHeir(into.to_string()));
        }
        match former.iter().find(|tenant| tenants.tenant(tenant).is_some()) {
            Some(tenant) => Err(MergerFault::StillThere(tenant.to_string())),
            None => Ok(()),
        }
    }

    /// What each former tenant has, when all of it can go to the new one.
    fn belongings(
        &self,
        former: &BTreeSet<&TenantId>,
        into: &TenantId,
    ) -> Result<BTreeMap<TenantId, Belongings>, MergerFault> {
        let boxes = &self.parts.boxes;
        let failed = |error| MergerFault::Failed(ExchangeError::DropBox(error));
        let mut names: BTreeSet<(Area, String)> =
            boxes.belongings(into).map_err(failed)?.unwrap_or_default().deliveries;
        let (mut found, mut clashes) = (BTreeMap::new(), Vec::new());
        for &tenant in former {
            let had = boxes.belongings(tenant).map_err(failed)?;
            let had = had.map_or_else(|| Err(self.why_nothing(tenant)), Ok)?;
            if !boxes.is_idle(tenant).map_err(failed)? {
                return Err(MergerFault::Busy(tenant.to_string()));
            }
            clashes.extend(had.deliveries.iter().filter(|file| !names.insert((*file).clone())).cloned());
            found.insert(tenant.clone(), had);
        }
        match clashes.first() {
            Some((_, first)) => Err(MergerFault::SameName { files: clashes.len(), first: first.clone() }),
            None => Ok(found),
        }
    }

    fn why_nothing(&self, tenant: &TenantId) -> MergerFault {
        let mergers = match self.parts.ledger.mergers() {
            Ok(mergers) => mergers,
            Err(error) => return MergerFault::Failed(ExchangeError::Ledger(error)),
        };
        match mergers.into_iter().rev().find(|merger| merger.former == *tenant) {
            None => MergerFault::Unknown(tenant.to_string()),
            Some(merger) => MergerFault::Done {
                former: tenant.to_string(),
                tenant: merger.tenant.to_string(),
                day: crate::domain::brussels_date(merger.at),
            },
        }
    }

    fn carried(&self, tenant: &TenantId, had: &Belongings) -> Result<CarriedTenant, ExchangeError> {
        let ledger = &self.parts.ledger;
        let rows = ledger.deliveries(tenant).map_err(ExchangeError::Ledger)?;
        let unfetched =
            rows.iter().filter(|row| row.available && row.gone.is_none() && row.fetched_at.is_none()).count();
        let mut waiting = 0;
        for id in &had.uploads {
            let row = ledger.submission(id).map_err(ExchangeError::Ledger)?;
            waiting += u64::from(row.is_some_and(|row| row.state == SubmissionState::Waiting));
        }
        Ok(CarriedTenant {
            former: tenant.to_string(),
            deliveries: had.deliveries.len() as u64,
            unfetched: unfetched as u64,
            uploads: had.uploads.len() as u64,
            waiting,
            receipts: had.receipts,
        })
    }

    /// Enters it in the log, and says so, before anything is moved.
    fn carry(
        &self,
        former: &[TenantId],
        into: &TenantId,
        carried: &[CarriedTenant],
        is_entered: &mut bool,
    ) -> Result<(), ExchangeError> {
        let correlation = format!("{:032x}", rand::random::<u128>());
        let records = former.iter().zip(carried).map(|(former, carried)| {
            let event = Event::TenantMerged(TenantMerged {
                former: former.clone(),
                deliveries: carried.deliveries,
                unfetched: carried.unfetched,
                uploads: carried.uploads,
                waiting: carried.waiting,
                receipts: carried.receipts,
            });
            let context = Context {
                tenant: Some(into.clone()),
                correlation: Some(correlation.clone()),
                ..Context::of(Actor::Operator)
            };
            Record::success(event, context)
        });
        let records = records.collect();
        let account = || {
            self.parts.log.append(records).map_err(DropBoxError::Log)?;
            *is_entered = true;
            Ok(())
        };
        let waiting = self.parts.boxes.merge(former, into, account).map_err(ExchangeError::DropBox)?;
        for tenant in former {
            self.queue.hand_over(tenant, into);
        }
        for submission in waiting {
            self.submit(submission);
        }
        Ok(())
    }
}
