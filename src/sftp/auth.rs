//! Who may log in: the judgement on one key, and the account of what was refused.
//!
//! Invariants: only a key that has signed authorises; a key is compared as the bytes of its wire form; an unknown user
//! is answered as a known one with a wrong key; another user name begins from nothing.

use std::net::{IpAddr, SocketAddr};

use jiff::{Timestamp, civil::Date};

use crate::domain::{
    Tenant, brussels_date,
    tenant::{LoginKey, LoginStep},
};

/// How a login was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginMethod {
    /// A signature by one of the tenant's keys.
    PublicKey,
}

impl LoginMethod {
    /// The name in the transfer log, as SSH names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "publickey",
        }
    }
}

/// Why nobody was let in. A closed set: the transfer log names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// There is no such tenant, or none of its keys can log in.
    UnknownUser,
    /// The key is not one of the tenant's.
    UnknownKey,
    /// The key is the tenant's, and its last day has passed.
    ExpiredKey,
    /// The key is the tenant's, and it may not come from there.
    WrongSource,
    /// A known key was offered and never proven by a valid signature.
    BadSignature,
    /// RSA with SHA-1.
    WeakSignature,
    /// The tenant needs a step that the client did not take.
    StepMissing,
    /// More attempts than one connection has.
    TooManyAttempts,
    /// The source is kept out for a while.
    Penalty,
    /// No login within the time for it.
    Grace,
    /// The tenant has as many sessions as it may.
    TooManySessions,
    /// The login could not be entered in the transfer log.
    Unavailable,
}

impl RefusalReason {
    /// The code in the transfer log.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown-user",
            Self::UnknownKey => "unknown-key",
            Self::ExpiredKey => "expired-key",
            Self::WrongSource => "wrong-source",
            Self::BadSignature => "bad-signature",
            Self::WeakSignature => "weak-signature",
            Self::StepMissing => "step-missing",
            Self::TooManyAttempts => "too-many-attempts",
            Self::Penalty => "penalty",
            Self::Grace => "grace",
            Self::TooManySessions => "too-many-sessions",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A connection that did not come to a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLogin {
    /// The user name as the client sent it, at most [`LONGEST_USER`] bytes of it.
    pub user: String,
    /// Where it came from.
    pub peer: SocketAddr,
    /// Why.
    pub reason: RefusalReason,
    /// Attempts that were rejected.
    pub attempts: u32,
    /// The SHA-256 fingerprint of the key offered last.
    pub fingerprint: Option<String>,
    /// The client's identification, empty when it is not known.
    pub client_banner: String,
}

/// What is kept of a user name that may be anything.
pub const LONGEST_USER: usize = 64;

/// What the offer of a key comes to.
///
/// # Errors
/// Why it is not accepted.
pub(super) fn judge<'a>(
    tenant: Option<&'a Tenant>,
    blob: &[u8],
    peer: IpAddr,
    now: Timestamp,
) -> Result<&'a LoginKey, RefusalReason> {
    let tenant = tenant.filter(|tenant| tenant.can_log_in()).ok_or(RefusalReason::UnknownUser)?;
    let key = tenant.keys.iter().find(|key| key.key.blob() == blob).ok_or(RefusalReason::UnknownKey)?;
    if key.expires.is_some_and(|last: Date| brussels_date(now) > last) {
        return Err(RefusalReason::ExpiredKey);
    }
    if !tenant.may_come_from(peer) {
        return Err(RefusalReason::WrongSource);
    }
    if !tenant.require.contains(&LoginStep::PublicKey) {
        return Err(RefusalReason::StepMissing);
    }
    Ok(key)
}

/// Whether a proven key alone is enough for the tenant.
pub(super) fn key_is_enough(tenant: &Tenant) -> bool {
    tenant.require.iter().all(|step| *step == LoginStep::PublicKey)
}

/// What one connection tried, until it is let in or ends.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    user: Option<String>,
    rejected: u32,
    reason: Option<RefusalReason>,
    fingerprint: Option<String>,
    /// A key was accepted at its offer and is to be proven.
    unproven: bool,
}

impl Attempts {
    /// The client names a user. Another name than before begins anew; what was refused until then is returned.
    pub(super) fn name(&mut self, user: &str, peer: SocketAddr, client_banner: &str) -> Option<RefusedLogin> {
        let user: String = user
            .chars()
            .scan(0, |length, letter| {
                *length += letter.len_utf8();
                (*length <= LONGEST_USER).then_some(letter)
            })
            .collect();
        if self.user.as_ref() == Some(&user) {
            return None;
        }
        let before = std::mem::replace(self, Self { user: Some(user), ..Self::default() });
        before.refusal(None, peer, client_banner)
    }

    /// An attempt was rejected.
    pub(super) fn reject(&mut self, reason: RefusalReason, fingerprint: Option<String>) {
        self.rejected = self.rejected.saturating_add(1);
        self.reason = Some(reason);
        self.unproven = false;
        if fingerprint.is_some() {
            self.fingerprint = fingerprint;
        }
    }

    /// A key may log in once it has signed.
    pub(super) fn offered(&mut self, fingerprint: String) {
        self.unproven = true;
        self.fingerprint = Some(fingerprint);
    }

    /// Attempts that were rejected.
    pub(super) fn rejected(&self) -> u32 {
        self.rejected
    }

    /// The account of a connection that was not let in: `ended` is why it ended, where that is known and tells more.
    /// `None` when nobody tried to log in (a scanner, a monitor).
    pub(super) fn refusal(
        self,
        ended: Option<RefusalReason>,
        peer: SocketAddr,
        client_banner: &str,
    ) -> Option<RefusedLogin> {
        let unproven = self.unproven.then_some(RefusalReason::BadSignature);
        let reason = ended.or(unproven).or(self.reason)?;
        Some(RefusedLogin {
            user: self.user?,
            peer,
            reason,
            attempts: self.rejected,
            fingerprint: self.fingerprint,
            client_banner: client_banner.to_owned(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::{
        SshPublicKey, TenantKind,
        tenant::{Onboarding, TenantLimits, UploadRule},
    };

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBGkPcO7S5ka3IIMtZjbnkNxA9J5N1DfQIQ7X9bd9nIf";

    fn tenant(expires: Option<Date>, allow_from: &str, require: Vec<LoginStep>) -> Tenant {
        let key = LoginKey {
            label: "ict".to_owned(),
            owner: "ICT".to_owned(),
            key: SshPublicKey::parse(KEY).unwrap(),
            expires,
        };
        Tenant {
            id: "bree".parse().unwrap(),
            name: "Stad Bree".to_owned(),
            kind: TenantKind::Municipality,
            nis_code: None,
            keys: vec![key],
            passwords: Vec::new(),
            require,
            allow_from: vec![allow_from.parse().unwrap()],
            recipients: Vec::new(),
            contacts: Vec::new(),
            limits: TenantLimits { upload_bytes: 1 << 20, outbox_bytes: 1 << 30 },
            uploads: UploadRule::Any,
            may_delete: false,
            onboarding: Onboarding::default(),
            agreements: Vec::new(),
            protocols: Vec::new(),
            interests: Vec::new(),
        }
    }

    #[test]
    fn each_rule_refuses_alone() {
        let key = SshPublicKey::parse(KEY).unwrap();
        let other = [key.blob(), b"x"].concat();
        let (home, away) = ("192.0.2.7".parse().unwrap(), "::ffff:198.51.100.1".parse().unwrap());
        let last = jiff::civil::date(2026, 11, 20);
        let evening = "2026-11-20T22:59:59Z".parse().unwrap();
        let next_day = "2026-11-20T23:00:00Z".parse().unwrap();
        let keys_only = || vec![LoginStep::PublicKey];
        let tenant_then = tenant(Some(last), "192.0.2.0/24", keys_only());
        let judged = |tenant: Option<&Tenant>, blob: &[u8], peer, now| {
            judge(tenant, blob, peer, now).map(|key| key.label.clone())
        };
        assert_eq!(judged(Some(&tenant_then), key.blob(), home, evening), Ok("ict".to_owned()));
        for (who, blob, peer, now, reason) in [
            (None, key.blob(), home, evening, RefusalReason::UnknownUser),
            (Some(&tenant_then), &other[..], home, evening, RefusalReason::UnknownKey),
            (Some(&tenant_then), key.blob(), home, next_day, RefusalReason::ExpiredKey),
            (Some(&tenant_then), key.blob(), away, evening, RefusalReason::WrongSource),
        ] {
            assert_eq!(judged(who, blob, peer, now), Err(reason));
        }
        let password = tenant(None, "0.0.0.0/0", vec![LoginStep::Password]);
        assert_eq!(judged(Some(&password), key.blob(), home, evening), Err(RefusalReason::StepMissing));
        let both = tenant(None, "0.0.0.0/0", vec![LoginStep::PublicKey, LoginStep::Password]);
        assert_eq!(judged(Some(&both), key.blob(), home, evening), Ok("ict".to_owned()));
        assert!(!key_is_enough(&both) && key_is_enough(&tenant_then));
    }

    #[test]
    fn another_user_name_begins_from_nothing() {
        let peer = "192.0.2.7:5000".parse().unwrap();
        let mut attempts = Attempts::default();
        assert_eq!(attempts.name("bree", peer, ""), None);
        attempts.reject(RefusalReason::UnknownKey, Some("SHA256:a".to_owned()));
        attempts.reject(RefusalReason::UnknownKey, Some("SHA256:b".to_owned()));
        assert_eq!(attempts.name("bree", peer, ""), None);
        let before = attempts.name("peer", peer, "").unwrap();
        assert_eq!((before.user.as_str(), before.attempts, before.reason), ("bree", 2, RefusalReason::UnknownKey));
        assert_eq!(before.fingerprint.as_deref(), Some("SHA256:b"));
        assert_eq!(attempts.rejected(), 0);
        attempts.offered("SHA256:c".to_owned());
        let refused = attempts.refusal(None, peer, "SSH-2.0-x").unwrap();
        assert_eq!((refused.user.as_str(), refused.reason), ("peer", RefusalReason::BadSignature));
    }

    #[test]
    fn long_user_names_are_cut_and_silence_is_not_reported() {
        let peer = "192.0.2.7:5000".parse().unwrap();
        let mut attempts = Attempts::default();
        attempts.name(&"é".repeat(1000), peer, "");
        attempts.reject(RefusalReason::UnknownUser, None);
        assert_eq!(attempts.refusal(None, peer, "").unwrap().user.len(), LONGEST_USER);
        assert_eq!(Attempts::default().refusal(Some(RefusalReason::Grace), peer, ""), None);
    }
}
