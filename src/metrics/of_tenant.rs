//! Counters with a tenant's label, which go when the tenant goes.

use std::{
    collections::HashSet,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use prometheus_client::metrics::{counter::Counter, family::Family};

/// Labels of which one is the tenant's.
pub(super) trait TenantLabel: Clone + Hash + Eq {
    /// Whose it is, or [`super::labels::UNKNOWN_TENANT`].
    fn tenant(&self) -> &str;
}

/// Counters by labels, with what labels there are: the family itself does not tell.
pub(super) struct OfTenants<L: TenantLabel> {
    family: Family<L, Counter>,
    /// Held while a counter is made or removed, so that none is made by halves.
    labels: Mutex<HashSet<L>>,
}

impl<L: TenantLabel> Default for OfTenants<L> {
    fn default() -> Self {
        Self { family: Family::default(), labels: Mutex::default() }
    }
}

impl<L: TenantLabel> OfTenants<L> {
    /// For the registry.
    pub fn family(&self) -> Family<L, Counter> {
        self.family.clone()
    }

    /// Counts that many more.
    pub fn add(&self, labels: L, count: u64) {
        let mut known = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        self.family.get_or_create(&labels).inc_by(count);
        known.insert(labels);
    }

    /// Forgets the counters of tenants that are not kept.
    pub fn keep(&self, is_kept: impl Fn(&str) -> bool) {
        let mut known = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|labels| {
            let kept = is_kept(labels.tenant());
            if !kept {
                self.family.remove(labels);
            }
            kept
        });
    }
}
