//! Which onboarding tests a tenant passed: what its file says, and what the ledger knows of.

use std::sync::Arc;

use super::{Exchange, ExchangeError};
use crate::{
    domain::{Tenant, TenantId, brussels_date},
    ledger::{Ledger, LedgerError},
};

/// A tenant with the day of its technical test, which is passed by the fetching: where its file names none, that of the
/// ledger.
///
/// # Errors
/// The ledger's.
pub fn onboarded(tenant: Arc<Tenant>, ledger: &dyn Ledger) -> Result<Arc<Tenant>, LedgerError> {
    if tenant.onboarding.technical_test.is_some() {
        return Ok(tenant);
    }
    let Some(fetched) = ledger.technical_test(&tenant.id)? else { return Ok(tenant) };
    let mut tenant = Arc::unwrap_or_clone(tenant);
    tenant.onboarding.technical_test = Some(brussels_date(fetched));
    Ok(Arc::new(tenant))
}

impl Exchange {
    /// A tenant as it is now, with the tests that it passed.
    pub(crate) fn onboarded(&self, id: &TenantId) -> Result<Arc<Tenant>, ExchangeError> {
        let tenant = self.parts.tenants.tenant(id).ok_or_else(|| ExchangeError::TenantGone(id.to_string()))?;
        onboarded(tenant, self.parts.ledger.as_ref()).map_err(ExchangeError::Ledger)
    }
}
