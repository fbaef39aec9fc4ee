//! What tests of this room and of the exchange put around a drop-box.

use std::sync::{Arc, Mutex};

use super::{Host, RefusedUpload, Submission, UploadFault};
use crate::domain::{Tenant, TenantId, TenantKind, tenant::TenantLimits};

/// One municipality, and what was handed to the exchange.
pub struct Receiving {
    pub tenant: Arc<Tenant>,
    submitted: Mutex<Vec<Submission>>,
}

impl Receiving {
    /// Bree, with these bounds.
    pub fn bree(limits: TenantLimits) -> Self {
        let tenant = Tenant::new("bree".parse().unwrap(), "Stad Bree".to_owned(), TenantKind::Municipality, limits);
        Self { tenant: Arc::new(tenant), submitted: Mutex::default() }
    }

    /// All that was handed over so far, in order.
    pub fn received(&self) -> Vec<Submission> {
        self.submitted.lock().unwrap().clone()
    }
}

impl Host for Receiving {
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        (*id == self.tenant.id).then(|| self.tenant.clone())
    }

    fn guide(&self, _: &Tenant) -> String {
        String::new()
    }

    fn example_list(&self, _: &Tenant) -> String {
        String::new()
    }

    fn accounts_listings(&self) -> bool {
        false
    }

    fn submitted(&self, submission: Submission) {
        self.submitted.lock().unwrap().push(submission);
    }

    fn fault_of_ground(&self, _: &Tenant, _: &str) -> Option<UploadFault> {
        None
    }

    fn refused_upload(&self, _: RefusedUpload) {}
}
