//! The difference between two settings: who may do what, on which ground, and which settings hold when.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::Settings;
use crate::domain::{
    Assignment, AssignmentId, ProtocolId, Tenant, TenantId,
    tenant::{CertificateAuthority, LoginKey},
};

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
    /// Assignments that say something else, or whose letters do.
    pub assignments_changed: Vec<AssignmentId>,
    /// Whether the tariffs are others.
    pub costs_changed: bool,
    /// Settings of the main file, and files that it names, that are not the same.
    pub settings: Vec<SettingChange>,
}

/// A setting that is not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingChange {
    /// Its key in the main file, with a point between levels.
    pub key: &'static str,
    /// When the new one holds.
    pub holds: Holds,
}

/// When a changed setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A reload puts it in force.
    AtOnce,
    /// It is read at the start only.
    AfterRestart,
    /// It is read at the start only, and other files mean something else beside the old one than beside the new one:
    /// nothing is put in force before the next start.
    NotBeforeRestart,
}

/// What changes for one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantDifference {
    /// Whether it is of another kind, and so has another tree.
    pub kind_changed: bool,
    /// Keys that may log in from now on.
    pub keys_added: Vec<LoginKey>,
    /// Keys that may not log in any more.
    pub keys_removed: Vec<LoginKey>,
    /// Keys that stay but end on another day, as they are now.
    pub keys_expiring_otherwise: Vec<LoginKey>,
    /// Authorities that are new, or were changed, as they are now.
    pub authorities_added: Vec<CertificateAuthority>,
    /// Authorities that are gone, or were changed, as they were.
    pub authorities_removed: Vec<CertificateAuthority>,
    /// Labels of passwords that are new.
    pub passwords_added: Vec<String>,
    /// Labels of passwords that are gone.
    pub passwords_removed: Vec<String>,
    /// Labels of passwords that are other passwords now.
    pub passwords_changed: Vec<String>,
    /// Whether a login takes other steps.
    pub steps_changed: bool,
    /// Networks that it may come from as well.
    pub networks_added: Vec<IpNet>,
    /// Networks that it may come from no more.
    pub networks_removed: Vec<IpNet>,
    /// Keys that everything is sealed to as well.
    pub recipients_added: Vec<String>,
    /// Keys that nothing is sealed to any more.
    pub recipients_removed: Vec<String>,
    /// Protocols and agreements that are new.
    pub grounds_added: Vec<ProtocolId>,
    /// Protocols and agreements that are gone.
    pub grounds_removed: Vec<ProtocolId>,
    /// Protocols and agreements that say something else.
    pub grounds_changed: Vec<ProtocolId>,
    /// Its other keys that are not the same.
    pub others: Vec<&'static str>,
}

impl Difference {
    /// The settings that hold after a restart only.
    pub fn after_restart(&self) -> Vec<&'static str> {
        self.settings.iter().filter(|setting| setting.holds != Holds::AtOnce).map(|setting| setting.key).collect()
    }

    /// Those of them for which a reload is refused: [`Holds::NotBeforeRestart`].
    pub fn not_before_restart(&self) -> Vec<&'static str> {
        let refused = self.settings.iter().filter(|setting| setting.holds == Holds::NotBeforeRestart);
        refused.map(|setting| setting.key).collect()
    }
}

/// Compares two settings.
pub fn difference(old: &Settings, new: &Settings) -> Difference {
    let changed = old.tenants.keys().filter(|id| new.tenants.contains_key(*id)).filter_map(|id| {
        let change = tenant_difference(Some(old), new, id);
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
            .filter(|(id, now)| {
                let before = old.assignments.get(*id);
                before.is_some_and(|was| was != *now || letter_texts(old, was) != letter_texts(new, now))
            })
            .map(|(id, _)| id.clone())
            .collect(),
        costs_changed: old.costs != new.costs,
        settings: settings_difference(old, new),
    }
}

/// What one has and the other has not.
fn absent<Id: Ord + Clone, T>(of: &BTreeMap<Id, T>, from: &BTreeMap<Id, T>) -> Vec<Id> {
    of.keys().filter(|id| !from.contains_key(id)).cloned().collect()
}

/// What the files of an assignment's letters held when the settings were read.
fn letter_texts<'a>(settings: &'a Settings, assignment: &Assignment) -> Vec<Option<&'a str>> {
    let Some(letters) = &assignment.letters else { return Vec::new() };
    letters.files().map(|path| settings.text_of(path)).collect()
}

/// Those of `of` that `from` has not.
fn missing<T: Clone>(of: &[T], from: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<T> {
    of.iter().filter(|one| !from.iter().any(|other| same(one, other))).cloned().collect()
}

/// What changes for one tenant; where it is new or gone, all that it has or had.
pub fn tenant_difference(old: Option<&Settings>, new: &Settings, id: &TenantId) -> TenantDifference {
    let (before, after) = (old.and_then(|old| old.tenants.get(id)), new.tenants.get(id));
    let mut change = match (before, after) {
        (Some(before), Some(after)) => compared(before, after),
        (Some(before), None) => compared(before, &hollow(before)),
        (None, Some(after)) => compared(&hollow(after), after),
        (None, None) => TenantDifference::default(),
    };
    grounds_difference(&mut change, id, old, new);
    change
}

/// The tenant without anybody who may log in, or anything sealed to it.
fn hollow(tenant: &Tenant) -> Tenant {
    Tenant {
        keys: Vec::new(),
        certificate_authorities: Vec::new(),
        passwords: Vec::new(),
        recipients: Vec::new(),
        ..tenant.clone()
    }
}

fn compared(old: &Tenant, new: &Tenant) -> TenantDifference {
    let same_key = |one: &LoginKey, other: &LoginKey| one.key == other.key;
    let otherwise = |key: &&LoginKey| old.keys.iter().any(|was| same_key(key, was) && was.expires != key.expires);
    let labels = |tenant: &Tenant| tenant.passwords.iter().map(|password| password.label.clone()).collect::<Vec<_>>();
    let (old_labels, new_labels) = (labels(old), labels(new));
    let other_password = new.passwords.iter().filter(|password| {
        old.passwords.iter().any(|was| was.label == password.label) && !old.passwords.iter().any(|was| was == *password)
    });
    TenantDifference {
        kind_changed: old.kind != new.kind,
        keys_added: missing(&new.keys, &old.keys, same_key),
        keys_removed: missing(&old.keys, &new.keys, same_key),
        keys_expiring_otherwise: new.keys.iter().filter(otherwise).cloned().collect(),
        authorities_added: missing(&new.certificate_authorities, &old.certificate_authorities, PartialEq::eq),
        authorities_removed: missing(&old.certificate_authorities, &new.certificate_authorities, PartialEq::eq),
        passwords_added: missing(&new_labels, &old_labels, PartialEq::eq),
        passwords_removed: missing(&old_labels, &new_labels, PartialEq::eq),
        passwords_changed: other_password.map(|password| password.label.clone()).collect(),
        steps_changed: old.require != new.require,
        networks_added: missing(&new.allow_from, &old.allow_from, PartialEq::eq),
        networks_removed: missing(&old.allow_from, &new.allow_from, PartialEq::eq),
        recipients_added: missing(&new.recipients, &old.recipients, PartialEq::eq),
        recipients_removed: missing(&old.recipients, &new.recipients, PartialEq::eq),
        others: other_keys(old, new),
        ..TenantDifference::default()
    }
}

/// Protocols and agreements are the same when they are written the same, layout and comments apart.
fn grounds_difference(change: &mut TenantDifference, id: &TenantId, old: Option<&Settings>, new: &Settings) {
    let of = |settings: &Settings| -> BTreeMap<ProtocolId, String> {
        let own = settings.documents.iter().filter(|((tenant, _), _)| tenant == id);
        own.map(|((_, reference), digest)| (reference.clone(), digest.clone())).collect()
    };
    let (before, after) = (old.map(of).unwrap_or_default(), of(new));
    change.grounds_added = after.keys().filter(|id| !before.contains_key(id)).cloned().collect();
    change.grounds_removed = before.keys().filter(|id| !after.contains_key(id)).cloned().collect();
    let changed = after.iter().filter(|(id, digest)| before.get(id).is_some_and(|was| was != *digest));
    change.grounds_changed = changed.map(|(id, _)| id.clone()).collect();
}

/// Keys of a tenant that give nobody a right by themselves.
fn other_keys(old: &Tenant, new: &Tenant) -> Vec<&'static str> {
    let labels = |tenant: &Tenant| {
        tenant.keys.iter().map(|key| (key.label.clone(), key.owner.clone(), key.key.clone())).collect::<Vec<_>>()
    };
    let relabelled = labels(new).iter().any(|(label, owner, key)| {
        old.keys.iter().any(|was| was.key == *key && (was.label != *label || was.owner != *owner))
    });
    let keys = [
        ("name", old.name != new.name),
        ("nis_code", old.nis_code != new.nis_code),
        ("former_nis_codes", old.former_nis_codes != new.former_nis_codes),
        ("keys", relabelled),
        ("contacts", old.contacts != new.contacts),
        ("limits", old.limits != new.limits),
        ("uploads", old.uploads != new.uploads),
        ("may_delete", old.may_delete != new.may_delete),
        ("onboarding", old.onboarding != new.onboarding),
        ("interests", old.interests != new.interests),
    ];
    keys.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

/// What is not the same apart from tenants. What holds at once is what the daemon asks of the settings each time.
fn settings_difference(old: &Settings, new: &Settings) -> Vec<SettingChange> {
    let at_once = [
        ("public_address", old.public_address != new.public_address),
        ("tenants", old.tenants_dir != new.tenants_dir),
        ("log.listings", old.log.listings != new.log.listings),
        ("limits.list_rows", old.limits.list_rows != new.limits.list_rows),
        ("limits.max_invalid_percent", old.limits.max_invalid_percent != new.limits.max_invalid_percent),
        ("retention", old.retention != new.retention),
        ("mail", old.mail != new.mail),
        ("language", old.language != new.language),
    ];
    let (one, other) = (limits_at_start(old), limits_at_start(new));
    let after_restart = [
        ("environment", old.environment != new.environment),
        ("listen", old.listen != new.listen),
        ("state_dir", old.state_dir != new.state_dir),
        ("high_water_dir", old.high_water_dir != new.high_water_dir),
        ("spool_dir", old.spool_dir != new.spool_dir),
        ("host_keys", old.host_keys != new.host_keys),
        ("exchange_identity", old.exchange_identity != new.exchange_identity),
        ("register", (&old.register.path, &old.register.identity) != (&new.register.path, &new.register.identity)),
        ("log.origin", old.log.origin != new.log.origin),
        ("log.key", old.log.key != new.log.key),
        ("log.co_sign", old.log.co_sign != new.log.co_sign),
        ("banner", old.banner != new.banner),
        ("limits", one != other),
        ("penalties", old.penalties != new.penalties),
        ("metrics", old.metrics != new.metrics),
    ];
    // What the register is read with: criteria name its sources, and a tenant's code is one of its municipalities.
    let not_before_restart = [
        ("sources", old.sources != new.sources),
        ("municipalities.csv", !old.municipalities.same_rows(&new.municipalities)),
        ("former_nis_codes", old.municipalities.former() != new.municipalities.former()),
    ];
    let named = |holds| move |(key, changed): (&'static str, bool)| changed.then_some(SettingChange { key, holds });
    let later = after_restart.into_iter().filter_map(named(Holds::AfterRestart));
    let refused = not_before_restart.into_iter().filter_map(named(Holds::NotBeforeRestart));
    at_once.into_iter().filter_map(named(Holds::AtOnce)).chain(later).chain(refused).collect()
}

/// The limits, those apart that are asked for with each list.
fn limits_at_start(settings: &Settings) -> super::Limits {
    let usual = super::Limits::default();
    super::Limits { list_rows: usual.list_rows, max_invalid_percent: usual.max_invalid_percent, ..settings.limits }
}
