//! The difference between two settings, as far as it concerns who may do what.

use std::collections::BTreeMap;

use super::Settings;
use crate::domain::{AssignmentId, Protocol, ProtocolId, Tenant, TenantId, tenant::LoginKey};

/// What changes when one configuration follows another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Tenants that are new.
    pub tenants_added: Vec<TenantId>,
    /// Tenants that are gone; nobody of theirs has access any more.
    pub tenants_removed: Vec<TenantId>,
    /// Tenants of both that are not the same in what is listed here.
    pub tenants_changed: BTreeMap<TenantId, TenantDifference>,
    /// Assignments that are new.
    pub assignments_added: Vec<AssignmentId>,
    /// Assignments that are gone.
    pub assignments_removed: Vec<AssignmentId>,
    /// Assignments that say something else.
    pub assignments_changed: Vec<AssignmentId>,
    /// Whether the tariffs are others.
    pub costs_changed: bool,
}

/// What changes for one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantDifference {
    /// Keys that may log in from now on.
    pub keys_added: Vec<LoginKey>,
    /// Keys that may not log in any more.
    pub keys_removed: Vec<LoginKey>,
    /// Keys that stay but end on another day, as they are now.
    pub keys_expiring_otherwise: Vec<LoginKey>,
    /// Whether authorities, passwords, required steps or networks changed: each session is to be judged again.
    pub access_changed: bool,
    /// Whether what is delivered is sealed to others.
    pub recipients_changed: bool,
    /// Protocols that are new.
    pub protocols_added: Vec<ProtocolId>,
    /// Protocols that are gone.
    pub protocols_removed: Vec<ProtocolId>,
    /// Protocols that say something else.
    pub protocols_changed: Vec<ProtocolId>,
}

impl Difference {
    /// Whether nothing changes of what is listed here. Other settings may.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares two settings.
pub fn difference(old: &Settings, new: &Settings) -> Difference {
    let changed = old.tenants.iter().filter_map(|(id, before)| {
        let change = tenant_difference(before, new.tenants.get(id)?);
        (change != TenantDifference::default()).then(|| (id.clone(), change))
    });
    Difference {
        tenants_added: absent(&new.tenants, &old.tenants),
        tenants_removed: absent(&old.tenants, &new.tenants),
        tenants_changed: changed.collect(),
        assignments_added: absent(&new.assignments, &old.assignments),
        assignments_removed: absent(&old.assignments, &new.assignments),
        assignments_changed: new
            .assignments
            .iter()
            .filter(|(id, now)| old.assignments.get(id).is_some_and(|was| was != *now))
            .map(|(id, _)| id.clone())
            .collect(),
        costs_changed: old.costs != new.costs,
    }
}

/// What one has and the other has not.
fn absent<Id: Ord + Clone, T>(of: &BTreeMap<Id, T>, from: &BTreeMap<Id, T>) -> Vec<Id> {
    of.keys().filter(|id| !from.contains_key(id)).cloned().collect()
}

fn tenant_difference(old: &Tenant, new: &Tenant) -> TenantDifference {
    let same = |one: &LoginKey, other: &LoginKey| one.key == other.key;
    let missing = |of: &[LoginKey], from: &[LoginKey]| {
        of.iter().filter(|key| !from.iter().any(|other| same(key, other))).cloned().collect::<Vec<_>>()
    };
    let otherwise = |key: &&LoginKey| old.keys.iter().any(|was| same(key, was) && was.expires != key.expires);
    let absent = |of: &Tenant, from: &Tenant| {
        let gone = of.protocols.iter().filter(|protocol| from.protocol(&protocol.id).is_none());
        gone.map(|protocol| protocol.id.clone()).collect::<Vec<_>>()
    };
    let changed = |protocol: &&Protocol| old.protocol(&protocol.id).is_some_and(|was| was != *protocol);
    TenantDifference {
        keys_added: missing(&new.keys, &old.keys),
        keys_removed: missing(&old.keys, &new.keys),
        keys_expiring_otherwise: new.keys.iter().filter(otherwise).cloned().collect(),
        access_changed: access(old) != access(new),
        recipients_changed: old.recipients != new.recipients,
        protocols_added: absent(new, old),
        protocols_removed: absent(old, new),
        protocols_changed: new.protocols.iter().filter(changed).map(|protocol| protocol.id.clone()).collect(),
    }
}

/// What each session of a tenant was judged by, its own key apart.
fn access(tenant: &Tenant) -> impl PartialEq + '_ {
    (&tenant.certificate_authorities, &tenant.passwords, &tenant.require, &tenant.allow_from, tenant.kind)
}
