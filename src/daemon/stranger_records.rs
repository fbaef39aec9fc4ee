//! Connections that came to nothing and belong to no tenant: clients that speak nothing that is spoken here, and user
//! names that are nobody's. For `tenant why ADDRESS`, and for a tenant from whose address such a connection came.
//!
//! A user name that is nobody's is not kept, since people type passwords there; only whose name it nearly is. What is
//! the same as before is counted, so that a scanner that comes each minute takes one record.

use std::{collections::VecDeque, net::IpAddr};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::login_records::{KEPT_DAYS, LONGEST_CLIENT};
use crate::{
    config::nearest,
    domain::TenantId,
    sftp::{FailedNegotiation, RefusedLogin},
};

/// Records that are kept; the one that came longest ago makes room.
pub const MOST_STRANGERS: usize = 400;

/// All of them in JSON, bytes at most: each has at most 40 names of algorithms, of 64 letters.
pub(super) const LONGEST_STRANGERS: u64 = 3 << 20;

/// Where they are kept. No tenant's id begins so.
pub(super) const STRANGERS: &str = "_strangers.json.age";

/// The reason of a connection that ended before anybody was named.
pub const NO_COMMON_ALGORITHM: &str = "no-common-algorithm";

/// A connection that belongs to no tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrangerRecord {
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
    /// [`NO_COMMON_ALGORITHM`], or the reason's code in the transfer log.
    pub reason: String,
    /// The tenant whose id the user name nearly is.
    pub near: Option<String>,
    /// The fingerprint of the key that was offered last.
    pub fingerprint: Option<String>,
    /// What the two sides have none of in common, as [`crate::sftp::Algorithms::name`] has it.
    pub lacking: Option<String>,
    /// What the client offered of it.
    pub offered: Vec<String>,
    /// What would have been accepted.
    pub accepted: Vec<String>,
}

/// All of them, in the order in which they came last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Strangers {
    pub records: VecDeque<StrangerRecord>,
}

impl StrangerRecord {
    fn new(now: Timestamp, source: IpAddr, client: &str, reason: &str) -> Self {
        Self {
            at: now,
            since: now,
            times: 1,
            source: source.to_canonical(),
            client: client.chars().take(LONGEST_CLIENT).collect(),
            reason: reason.to_owned(),
            near: None,
            fingerprint: None,
            lacking: None,
            offered: Vec::new(),
            accepted: Vec::new(),
        }
    }

    /// A client that speaks nothing that is spoken here.
    pub(super) fn of_negotiation(failed: &FailedNegotiation, now: Timestamp) -> Self {
        Self {
            lacking: Some(failed.lacking.name().to_owned()),
            offered: failed.offered.clone(),
            accepted: failed.accepted.clone(),
            ..Self::new(now, failed.peer.ip(), &failed.client_banner, NO_COMMON_ALGORITHM)
        }
    }

    /// A login under a name that is none of these tenants'.
    pub(super) fn of_login<'a>(
        refused: &RefusedLogin,
        tenants: impl Iterator<Item = &'a TenantId>,
        now: Timestamp,
    ) -> Self {
        Self {
            near: nearest(&refused.user, tenants.map(TenantId::as_str)).map(str::to_owned),
            fingerprint: refused.fingerprint.clone(),
            ..Self::new(now, refused.peer.ip(), &refused.client_banner, refused.reason.code())
        }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        if self.source != other.source {
            return false;
        }
        let others = Self { at: self.at, since: self.since, times: self.times, ..other.clone() };
        *self == others
    }
}

impl Strangers {
    pub fn add(&mut self, record: StrangerRecord) {
        let oldest = record.at.checked_sub(SignedDuration::from_hours(KEPT_DAYS * 24)).unwrap_or(Timestamp::MIN);
        self.records.retain(|record| record.at >= oldest);
        let same = self.records.iter().position(|known| known.says_the_same(&record));
        let record = match same.and_then(|at| self.records.remove(at)) {
            Some(known) => StrangerRecord { since: known.since, times: known.times.saturating_add(1), ..record },
            None => record,
        };
        self.records.push_back(record);
        while self.records.len() > MOST_STRANGERS {
            self.records.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sftp::{Algorithms, LONGEST_OFFERED, MOST_OFFERED, RefusalReason};

    fn refused(user: &str, source: &str) -> RefusedLogin {
        RefusedLogin {
            user: user.to_owned(),
            peer: source.parse().unwrap(),
            reason: RefusalReason::UnknownUser,
            attempts: 1,
            fingerprint: None,
            client_banner: "SSH-2.0-x".to_owned(),
            tried: Vec::new(),
        }
    }

    #[test]
    fn names_are_not_kept_and_what_they_nearly_are_is() {
        let tenants: Vec<TenantId> = ["bree", "lokeren"].map(|id| id.parse().unwrap()).to_vec();
        let near = |user: &str| {
            let record = StrangerRecord::of_login(&refused(user, "192.0.2.1:5"), tenants.iter(), Timestamp::UNIX_EPOCH);
            assert!(!serde_json::to_string(&record).unwrap().contains(user));
            record.near
        };
        assert_eq!(near("Lokerem").as_deref(), Some("lokeren"));
        assert_eq!(near("BREE").as_deref(), Some("bree"));
        assert_eq!(near("correct horse battery"), None);
    }

    #[test]
    fn records_are_counted_bounded_and_forgotten() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let name = "\"".repeat(LONGEST_OFFERED);
        let failed = FailedNegotiation {
            peer: "192.0.2.9:5".parse().unwrap(),
            client_banner: "é".repeat(300),
            lacking: Algorithms::Mac,
            offered: vec![name; MOST_OFFERED],
            accepted: vec!["hmac-sha2-256-etm@openssh.com".to_owned(); 8],
        };
        let mut strangers = Strangers::default();
        let scanner =
            |host: u32| FailedNegotiation { peer: (std::net::Ipv4Addr::from_bits(host), 5).into(), ..failed.clone() };
        for turn in 0..3_u32 {
            for host in 0..10 {
                strangers.add(StrangerRecord::of_negotiation(&scanner(host), now));
            }
            assert!(strangers.records.len() == 10 && strangers.records.iter().all(|record| record.times == turn + 1));
        }
        for host in 0..1000 {
            strangers.add(StrangerRecord::of_negotiation(&scanner(host), now));
        }
        assert_eq!(strangers.records.len(), MOST_STRANGERS);
        assert!(serde_json::to_vec(&strangers).unwrap().len() as u64 <= LONGEST_STRANGERS);
        let month = now + SignedDuration::from_hours(KEPT_DAYS * 24 + 1);
        strangers.add(StrangerRecord::of_negotiation(&failed, month));
        assert_eq!(strangers.records.len(), 1);
    }
}
