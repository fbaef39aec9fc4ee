//! The last logins of each tenant, and why those failed that did: for `tenant why`.
//!
//! Not the account, which is the transfer log: this is what ops look at when a tenant is on the telephone. It holds
//! addresses and fingerprints, so it is sealed, short ([`MOST_REFUSED`], [`MOST_GOOD`]), and forgets after
//! [`KEPT_DAYS`] days. What belongs to no tenant is in [`super::stranger_records`].
//!
//! What is the same as before is counted, not listed again, so that a script that fails each minute does not push out
//! what else there was. Written behind the logins' back, see [`super::keeper`]: a power cut may cost the last second.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    kept::{KeptError, KeptFiles},
    stranger_records::{LONGEST_STRANGERS, STRANGERS, StrangerRecord, Strangers},
};
use crate::{
    domain::TenantId,
    sftp::{AcceptedLogin, CertificateUsed, RefusedLogin},
};

/// Refused connections that are kept of one tenant.
pub const MOST_REFUSED: usize = 40;

/// Good logins that are kept of one tenant.
pub const MOST_GOOD: usize = 10;

/// Days after which a record is forgotten: long enough for a tenant that comes once a month to ask.
pub const KEPT_DAYS: i64 = 31;

/// A tenant's records, bytes at most: each has at most 20 attempts of some 250 bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// Characters of a client's identification (RFC 4253, section 4.2, allows 253).
pub(super) const LONGEST_CLIENT: usize = 80;

/// A connection under a tenant's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRecord {
    /// When it was last so.
    pub at: Timestamp,
    /// When it was first so.
    pub since: Timestamp,
    /// How many connections this stands for.
    pub times: u32,
    /// Where it came from.
    pub source: IpAddr,
    /// The client's identification.
    pub client: String,
    /// The reason's code in the transfer log; none for a good login.
    pub reason: Option<String>,
    /// The label of the key, password or authority of a good login.
    pub label: Option<String>,
    /// The last method of a good login.
    pub method: Option<String>,
    /// The fingerprint of the key that signed, or that was offered last.
    pub fingerprint: Option<String>,
    /// The name and number of the certificate that was shown.
    pub certificate: Option<String>,
    /// What was tried and rejected.
    pub tried: Vec<TriedRecord>,
}

/// An attempt that was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriedRecord {
    /// By which method.
    pub method: String,
    /// The reason's code.
    pub reason: String,
    /// The key's fingerprint.
    pub fingerprint: Option<String>,
    /// The name and number of the certificate.
    pub certificate: Option<String>,
}

/// The records of one tenant, in the order in which they were last so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRecords {
    /// Connections that came to no login.
    pub refused: VecDeque<LoginRecord>,
    /// Good logins.
    pub good: VecDeque<LoginRecord>,
}

impl LoginRecords {
    fn add(list: &mut VecDeque<LoginRecord>, record: LoginRecord, most: usize) {
        let same = list.iter().position(|known| known.says_the_same(&record));
        let record = match same.and_then(|at| list.remove(at)) {
            Some(known) => LoginRecord { since: known.since, times: known.times.saturating_add(1), ..record },
            None => record,
        };
        list.push_back(record);
        while list.len() > most {
            list.pop_front();
        }
    }

    fn forget(&mut self, now: Timestamp) {
        let oldest = now.checked_sub(SignedDuration::from_hours(KEPT_DAYS * 24)).unwrap_or(Timestamp::MIN);
        self.refused.retain(|record| record.at >= oldest);
        self.good.retain(|record| record.at >= oldest);
    }
}

impl LoginRecord {
    fn says_the_same(&self, other: &Self) -> bool {
        if self.source != other.source {
            return false;
        }
        let others = Self { at: self.at, since: self.since, times: self.times, ..other.clone() };
        *self == others
    }

    fn new(at: Timestamp, source: IpAddr, client: &str) -> Self {
        Self {
            at,
            since: at,
            times: 1,
            source: source.to_canonical(),
            client: client.chars().take(LONGEST_CLIENT).collect(),
            reason: None,
            label: None,
            method: None,
            fingerprint: None,
            certificate: None,
            tried: Vec::new(),
        }
    }
}

/// The records of all tenants, as far as they were touched since the start.
#[derive(Clone)]
pub(super) struct LoginNotes {
    files: KeptFiles,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Default)]
struct Notes {
    tenants: HashMap<TenantId, LoginRecords>,
    changed: BTreeSet<TenantId>,
    /// None until the first came since the start.
    strangers: Option<Strangers>,
    strangers_changed: bool,
}

impl LoginNotes {
    pub fn new(files: KeptFiles) -> Self {
        Self { files, notes: Arc::default() }
    }

    /// Somebody logged in.
    pub fn logged_in(&self, accepted: &AcceptedLogin, now: Timestamp) {
        let login = &accepted.login;
        let record = LoginRecord {
            label: Some(login.key_label.clone()),
            method: Some(accepted.method.name().to_owned()),
            fingerprint: login.fingerprint.clone(),
            certificate: accepted.certificate.as_ref().map(certificate),
            ..LoginRecord::new(now, login.peer.ip(), &accepted.client_banner)
        };
        self.note(&login.tenant, now, |records| LoginRecords::add(&mut records.good, record, MOST_GOOD));
    }

    /// A connection under that tenant's name came to nothing.
    pub fn refused(&self, tenant: &TenantId, refused: &RefusedLogin, now: Timestamp) {
        let tried = refused.tried.iter().map(|tried| TriedRecord {
            method: tried.method.name().to_owned(),
            reason: tried.reason.code().to_owned(),
            fingerprint: tried.fingerprint.clone(),
            certificate: tried.certificate.as_ref().map(certificate),
        });
        let record = LoginRecord {
            reason: Some(refused.reason.code().to_owned()),
            fingerprint: refused.fingerprint.clone(),
            tried: tried.collect(),
            ..LoginRecord::new(now, refused.peer.ip(), &refused.client_banner)
        };
        self.note(tenant, now, |records| LoginRecords::add(&mut records.refused, record, MOST_REFUSED));
    }

    /// A connection that belongs to no tenant came to nothing.
    pub fn stranger(&self, record: StrangerRecord) {
        let mut notes = self.notes();
        let strangers = notes.strangers.get_or_insert_with(|| {
            read_strangers(&self.files).unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "the records of strangers are begun anew");
                Strangers::default()
            })
        });
        strangers.add(record);
        notes.strangers_changed = true;
    }

    /// Writes what changed since the last time. What cannot be written is tried again with the tenant's next login.
    pub fn write(&self) {
        let (changed, strangers): (Vec<(TenantId, LoginRecords)>, _) = {
            let mut notes = self.notes();
            let changed = std::mem::take(&mut notes.changed).into_iter();
            let records =
                changed.filter_map(|id| notes.tenants.get(&id).cloned().map(|records| (id, records))).collect();
            let strangers_changed = std::mem::take(&mut notes.strangers_changed);
            (records, notes.strangers.clone().filter(|_| strangers_changed))
        };
        if let Some(strangers) = strangers {
            let bytes = serde_json::to_vec(&strangers).unwrap_or_default();
            if let Err(error) = self.files.write(STRANGERS, &bytes) {
                tracing::warn!(error = &error as &dyn std::error::Error, "the records of strangers were not kept");
            }
        }
        for (tenant, records) in changed {
            let bytes = serde_json::to_vec(&records).unwrap_or_default();
            if let Err(error) = self.files.write(&file_name(&tenant), &bytes) {
                tracing::warn!(error = &error as &dyn std::error::Error, %tenant, "the last logins were not kept");
            }
        }
    }

    fn note(&self, tenant: &TenantId, now: Timestamp, add: impl FnOnce(&mut LoginRecords)) {
        let mut notes = self.notes();
        let records = notes.tenants.entry(tenant.clone()).or_insert_with(|| {
            read(&self.files, tenant).unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, %tenant, "the last logins are begun anew");
                LoginRecords::default()
            })
        });
        records.forget(now);
        add(records);
        notes.changed.insert(tenant.clone());
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a tenant's records from disk; empty when there are none.
pub(super) fn read(files: &KeptFiles, tenant: &TenantId) -> Result<LoginRecords, KeptError> {
    let name = file_name(tenant);
    let Some(bytes) = files.read(&name, LONGEST_FILE)? else { return Ok(LoginRecords::default()) };
    serde_json::from_slice(&bytes).map_err(|source| KeptError::Content { name, source })
}

/// Reads the records of strangers from disk; empty when there are none.
pub(super) fn read_strangers(files: &KeptFiles) -> Result<Strangers, KeptError> {
    let Some(bytes) = files.read(STRANGERS, LONGEST_STRANGERS)? else { return Ok(Strangers::default()) };
    serde_json::from_slice(&bytes).map_err(|source| KeptError::Content { name: STRANGERS.to_owned(), source })
}

fn file_name(tenant: &TenantId) -> String {
    format!("{tenant}.json.age")
}

fn certificate(used: &CertificateUsed) -> String {
    format!("{} (serial {})", used.key_id, used.serial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        durable::Directory,
        seal::Keyring,
        sftp::{LoginMethod, MOST_TRIED, RefusalReason, Tried},
    };

    fn refused(reason: RefusalReason, source: &str) -> RefusedLogin {
        let tried = Tried {
            method: LoginMethod::PublicKey,
            reason,
            fingerprint: Some("SHA256:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_owned()),
            certificate: Some(CertificateUsed { key_id: "é".repeat(128), serial: u64::MAX }),
        };
        RefusedLogin {
            user: "bree".to_owned(),
            peer: source.parse().unwrap(),
            reason,
            attempts: 1,
            fingerprint: tried.fingerprint.clone(),
            client_banner: "SSH-2.0-".to_owned() + &"x".repeat(300),
            tried: vec![tried; MOST_TRIED],
        }
    }

    #[test]
    fn records_are_bounded_counted_and_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let files = KeptFiles::new(Directory::create(root.path()).unwrap(), Keyring::generate());
        let tenant: TenantId = "bree".parse().unwrap();
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let notes = LoginNotes::new(files.clone());
        notes.refused(&tenant, &refused(RefusalReason::WrongSource, "192.0.2.1:4"), now);
        // Two that take turns push nothing out.
        for _ in 0..1000 {
            notes.refused(&tenant, &refused(RefusalReason::UnknownKey, "192.0.2.1:5"), now);
            notes.refused(&tenant, &refused(RefusalReason::ExpiredKey, "192.0.2.1:6"), now);
        }
        notes.write();
        let records = read(&files, &tenant).unwrap();
        assert_eq!(records.refused.iter().map(|record| record.times).collect::<Vec<_>>(), [1, 1000, 1000]);
        let after_restart = LoginNotes::new(files.clone());
        for host in 0..200 {
            let source = format!("[2001:db8::{host:x}]:5");
            after_restart.refused(&tenant, &refused(RefusalReason::UnknownKey, &source), now);
        }
        after_restart.write();
        let records = read(&files, &tenant).unwrap();
        assert_eq!((records.refused.len(), records.good.len()), (MOST_REFUSED, 0));
        let month = now + SignedDuration::from_hours(KEPT_DAYS * 24 + 1);
        after_restart.refused(&tenant, &refused(RefusalReason::UnknownKey, "192.0.2.1:5"), month);
        after_restart.write();
        assert_eq!(read(&files, &tenant).unwrap().refused.len(), 1);
    }

    #[test]
    fn a_damaged_file_is_begun_anew() {
        let root = tempfile::tempdir().unwrap();
        let files = KeptFiles::new(Directory::create(root.path()).unwrap(), Keyring::generate());
        let tenant: TenantId = "bree".parse().unwrap();
        files.write("bree.json.age", b"{").unwrap();
        assert!(matches!(read(&files, &tenant), Err(KeptError::Content { .. })));
        let notes = LoginNotes::new(files.clone());
        notes.refused(&tenant, &refused(RefusalReason::UnknownKey, "192.0.2.1:5"), Timestamp::UNIX_EPOCH);
        notes.write();
        assert_eq!(read(&files, &tenant).unwrap().refused.len(), 1);
    }
}
