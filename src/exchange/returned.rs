//! Taking up what waits in a drop-box: at a start, and of a tenant that is back in the configuration.

use super::{Exchange, ExchangeError, queue::Job};
use crate::domain::TenantId;

impl Exchange {
    /// A tenant is in the configuration again, or can upload again: what was not taken up at the start, since it could not be
    /// answered then, is taken up, and what waits for its tenant is tried now.
    pub fn returned(&self, tenant: &TenantId) {
        self.queue.push(Job::TakeUp(tenant.clone()));
    }

    /// Takes up the finished uploads that wait in a drop-box.
    pub(super) fn take_up(&self, tenant: &TenantId) -> Result<(), ExchangeError> {
        for submission in self.parts.boxes.waiting(tenant).map_err(ExchangeError::DropBox)? {
            self.submit(submission);
        }
        Ok(())
    }
}
