//! What the account says of the configuration: that it changed, and which grounds and keys came and went by that.
//!
//! What was last entered is kept in the state directory, so that a change made while the daemon was down is entered
//! with both of its sides. Should the file be lost, everything in force is entered again, which is true as well.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    config::Settings,
    domain::{ProtocolId, Tenant, TenantId, protocol::Status},
    durable::Directory,
    transfer_log::{
        Actor, ConfigChanged, Context, Disclosed, Event, GroundChanged, KeyChanged, KeyUse, LogError, Record,
        TransferLog, key_id,
    },
};

/// The name of the file in the state directory.
const FILE: &str = "in-force.json";

/// A bound of the file: 2,000 tenants with 20 keys and grounds of 250 bytes each, six times over.
const LONGEST_FILE_BYTES: u64 = 64 << 20;

/// Entries in one group: a change of everything takes several.
const GROUP: usize = 1_000;

/// What is in force, as far as the account tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InForce {
    /// The digest of the whole configuration, hexadecimal.
    sha256: String,
    /// Signed protocols and agreements, by tenant.
    grounds: BTreeMap<String, BTreeMap<String, Ground>>,
    /// Keys and passwords, by tenant.
    keys: BTreeMap<String, BTreeSet<Key>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ground {
    sha256: String,
    from: String,
    until: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    used_for: KeyUse,
    /// The label of a key that logs in.
    label: Option<String>,
    /// A fingerprint, or a recipient's id.
    id: Option<String>,
    expires: Option<String>,
}

/// Enters the configuration in the account, when it is not the one that was entered last.
pub(super) fn account(log: &TransferLog, state: &Directory, settings: &Settings) -> Result<(), LogError> {
    let before = state.read(FILE, LONGEST_FILE_BYTES).ok().flatten();
    let before: Option<InForce> = before.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let now = InForce::of(settings);
    let changed = ConfigChanged {
        sha256_before: before.as_ref().map(|before| before.sha256.clone()),
        sha256_after: now.sha256.clone(),
    };
    let before = before.unwrap_or_default();
    if before == now {
        return Ok(());
    }
    let mut records = vec![Record::success(Event::ConfigChanged(changed), Context::of(Actor::Operator))];
    records.extend(ground_records(&before, &now));
    records.extend(key_records(&before, &now));
    while !records.is_empty() {
        let rest = records.split_off(records.len().min(GROUP));
        log.append(std::mem::replace(&mut records, rest))?;
    }
    let bytes = serde_json::to_vec(&now).unwrap_or_default();
    if let Err(error) = state.write(FILE, &bytes) {
        tracing::warn!(error = &error as &dyn std::error::Error, "what is in force was not kept");
    }
    Ok(())
}

impl InForce {
    fn of(settings: &Settings) -> Self {
        let mut now = Self { sha256: settings.fingerprint().to_owned(), ..Self::default() };
        for tenant in settings.tenants.values() {
            let grounds = grounds_of(tenant, settings);
            if !grounds.is_empty() {
                now.grounds.insert(tenant.id.to_string(), grounds);
            }
            let keys = keys_of(tenant);
            if !keys.is_empty() {
                now.keys.insert(tenant.id.to_string(), keys);
            }
        }
        now
    }
}

fn grounds_of(tenant: &Tenant, settings: &Settings) -> BTreeMap<String, Ground> {
    let protocols = tenant.protocols.iter().filter(|protocol| protocol.status == Status::Signed);
    let protocols = protocols.filter_map(|protocol| Some((&protocol.id, protocol.valid?)));
    let agreements = tenant.agreements.iter().map(|agreement| (&agreement.id, agreement.valid));
    let ground = |(id, valid): (&ProtocolId, crate::domain::protocol::Validity)| {
        let sha256 = settings.documents.get(&(tenant.id.clone(), id.clone()))?.clone();
        Some((id.to_string(), Ground { sha256, from: valid.from.to_string(), until: valid.until.to_string() }))
    };
    protocols.chain(agreements).filter_map(ground).collect()
}

fn keys_of(tenant: &Tenant) -> BTreeSet<Key> {
    let logins = tenant.keys.iter().map(|key| Key {
        used_for: KeyUse::Login,
        label: Some(key.label.clone()),
        id: Some(key.key.fingerprint()),
        expires: key.expires.map(|day| day.to_string()),
    });
    let authorities = tenant.certificate_authorities.iter().map(|authority| Key {
        used_for: KeyUse::CertificateAuthority,
        label: Some(authority.label.clone()),
        id: Some(authority.key.fingerprint()),
        expires: authority.expires.map(|day| day.to_string()),
    });
    let passwords = tenant.passwords.iter().map(|password| Key {
        used_for: KeyUse::Password,
        label: Some(password.label.clone()),
        // Another hash is another password; the hash itself is nobody's business.
        id: Some(key_id(&password.hash.to_string())),
        expires: None,
    });
    let recipients = tenant.recipients.iter().map(|recipient| Key {
        used_for: KeyUse::Recipient,
        label: None,
        id: Some(key_id(recipient)),
        expires: None,
    });
    logins.chain(authorities).chain(passwords).chain(recipients).collect()
}

fn ground_records(before: &InForce, now: &InForce) -> Vec<Record> {
    let mut records = Vec::new();
    for (tenant, id, ground) in each_ground(now) {
        let earlier = before.grounds.get(tenant).and_then(|grounds| grounds.get(id));
        if earlier != Some(ground) {
            let sha256_before = earlier.map(|ground| ground.sha256.clone());
            records.extend(ground_record(tenant, id, ground, (sha256_before, Some(ground.sha256.clone()))));
        }
    }
    for (tenant, id, ground) in each_ground(before) {
        if !now.grounds.get(tenant).is_some_and(|grounds| grounds.contains_key(id)) {
            records.extend(ground_record(tenant, id, ground, (Some(ground.sha256.clone()), None)));
        }
    }
    records
}

fn each_ground(of: &InForce) -> impl Iterator<Item = (&String, &String, &Ground)> {
    of.grounds.iter().flat_map(|(tenant, grounds)| grounds.iter().map(move |(id, ground)| (tenant, id, ground)))
}

fn ground_record(
    tenant: &str,
    id: &str,
    ground: &Ground,
    (sha256_before, sha256_after): (Option<String>, Option<String>),
) -> Option<Record> {
    let opened = sha256_after.is_some();
    // What was kept was made from these values; a file that somebody edited tells nothing.
    let day = |text: &str| text.parse::<Date>().ok();
    let (valid_from, valid_until) = (day(&ground.from)?, day(&ground.until)?);
    let changed = GroundChanged { sha256_before, sha256_after, valid_from, valid_until };
    let event = if opened { Event::GroundOpened(changed) } else { Event::GroundClosed(changed) };
    let context = Context { protocol: id.parse().ok(), ..context(tenant) };
    Some(Record::success(event, context))
}

fn key_records(before: &InForce, now: &InForce) -> Vec<Record> {
    let missing = |of: &InForce, from: &InForce| {
        let none = BTreeSet::new();
        let each = of.keys.iter().flat_map(|(tenant, keys)| {
            let others = from.keys.get(tenant).unwrap_or(&none);
            keys.difference(others).map(|key| (tenant.clone(), key.clone())).collect::<Vec<_>>()
        });
        each.collect::<Vec<_>>()
    };
    let removed = missing(before, now).into_iter().map(|(tenant, key)| key_record(&tenant, key, Event::KeyRemoved));
    let added = missing(now, before).into_iter().map(|(tenant, key)| key_record(&tenant, key, Event::KeyAdded));
    removed.chain(added).collect()
}

fn key_record(tenant: &str, key: Key, event: impl FnOnce(KeyChanged) -> Event) -> Record {
    let Key { used_for, label, id, expires } = key;
    let (key_id, fingerprint) = match used_for {
        KeyUse::Recipient => (id, None),
        KeyUse::Login | KeyUse::CertificateAuthority => (None, id),
        KeyUse::Password => (None, None),
    };
    let record =
        Record::success(event(KeyChanged { used_for, key_id, expires }), Context { key: label, ..context(tenant) });
    record.disclosing(fingerprint.map(|value| Disclosed { name: "fingerprint", value }))
}

fn context(tenant: &str) -> Context {
    Context { tenant: tenant.parse::<TenantId>().ok(), ..Context::of(Actor::Operator) }
}
