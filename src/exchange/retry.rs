//! Lists that were set aside, tried once more since an operator says so.

use super::{Exchange, ExchangeError};
use crate::{
    domain::TenantId,
    dropbox::Submission,
    transfer_log::{Actor, Context, Event, Record},
};

/// Why no list was taken up again.
#[derive(Debug, thiserror::Error)]
pub enum RetryFault {
    /// There is none.
    #[error("no list of {0} is set aside")]
    Nothing(String),
    /// This side is at fault; none was taken up.
    #[error("nobody knows which lists are set aside")]
    Failed(#[source] ExchangeError),
    /// This side is at fault.
    #[error("list {id} could not be taken up, nor any after it; allowed again before it: {allowed}")]
    BrokeOff {
        /// How many may be tried again; not where too many of their tenant's are still set aside.
        allowed: usize,
        /// Which is not.
        id: String,
        /// Why.
        #[source]
        source: ExchangeError,
    },
}

impl Exchange {
    /// Takes up the lists of a tenant that were set aside, those that are parked because of them as well, in the order in
    /// which they came; of each the log says so first. Gives their ids.
    ///
    /// # Errors
    /// [`RetryFault`]: those before the one at fault are allowed again, it and those after it are not.
    pub fn retry_set_aside(&self, tenant: &TenantId) -> Result<Vec<String>, RetryFault> {
        let mut found = Vec::new();
        for id in self.marks.suspects() {
            let row = self.waiting_row(&id).map_err(RetryFault::Failed)?;
            if let Some(row) = row.filter(|row| row.tenant == *tenant && self.marks.is_aside(&id)) {
                found.push((row.received_at, Submission { tenant: tenant.clone(), id }));
            }
        }
        if found.is_empty() {
            return Err(RetryFault::Nothing(tenant.to_string()));
        }
        found.sort_by_key(|(received_at, _)| *received_at);
        let (mut allowed, mut broke_off) = (Vec::new(), None);
        for (_, submission) in found {
            // Each with an entry of its own, so that none is said to be tried again that is not.
            if let Err(source) = self.allow_again(&submission) {
                broke_off = Some((submission.id, source));
                break;
            }
            allowed.push(submission);
        }
        let ids: Vec<String> = allowed.iter().map(|submission| submission.id.clone()).collect();
        // Only now: while others of the tenant are set aside, each would be parked again.
        for submission in allowed {
            self.submit(submission);
        }
        match broke_off {
            None => Ok(ids),
            Some((id, source)) => Err(RetryFault::BrokeOff { allowed: ids.len(), id, source }),
        }
    }

    fn allow_again(&self, submission: &Submission) -> Result<(), ExchangeError> {
        let context = Context {
            tenant: Some(submission.tenant.clone()),
            correlation: Some(submission.id.clone()),
            ..Context::of(Actor::Operator)
        };
        let record = Record::success(Event::ListRetried {}, context);
        self.parts.log.append(vec![record]).map_err(ExchangeError::Log)?;
        self.marks.allow_again(&submission.id).map_err(ExchangeError::Mark)
    }
}
