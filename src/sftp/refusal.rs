//! Why nobody was let in, and the account of what one connection tried.
//!
//! Invariants: another user name begins from nothing, but for the blame; what is kept of a connection is bounded,
//! whatever it sends.

use std::net::SocketAddr;

use super::auth::{CertificateUsed, LoginMethod};

/// Why nobody was let in. A closed set: the transfer log names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// There is no such tenant, or nothing of its can log in.
    UnknownUser,
    /// The key is not one of the tenant's.
    UnknownKey,
    /// The key is the tenant's, and its last day has passed.
    ExpiredKey,
    /// The key or password is the tenant's, and it may not come from there.
    WrongSource,
    /// A known key was offered and never proven by a valid signature.
    BadSignature,
    /// RSA with SHA-1, or with a key that is too short.
    WeakSignature,
    /// None of the tenant's passwords.
    WrongPassword,
    /// A certificate of an authority that is not the tenant's.
    UnknownAuthority,
    /// A certificate of the tenant's authority, whose last day has passed.
    ExpiredAuthority,
    /// A certificate outside the time that it is valid, or not signed by whom it names.
    CertificateInvalid,
    /// A certificate for a host.
    CertificateKind,
    /// A certificate for others than the tenant.
    WrongPrincipal,
    /// A certificate with a critical option that this server does not keep, such as `force-command`.
    CertificateOption,
    /// The tenant needs a step that the client did not take, or took out of turn.
    StepMissing,
    /// Somebody asked for a tenant's methods and tried none, or only what the transport refuses unseen: a certificate
    /// that is not in force, an algorithm or a method that is not spoken here.
    NothingUsable,
    /// More attempts than one connection has.
    TooManyAttempts,
    /// No login within the time for it.
    Grace,
    /// The tenant has as many sessions as it may.
    TooManySessions,
    /// The login could not be entered in the transfer log.
    Unavailable,
}

impl RefusalReason {
    /// Every reason.
    pub const ALL: [Self; 19] = [
        Self::UnknownUser,
        Self::UnknownKey,
        Self::ExpiredKey,
        Self::WrongSource,
        Self::BadSignature,
        Self::WeakSignature,
        Self::WrongPassword,
        Self::UnknownAuthority,
        Self::ExpiredAuthority,
        Self::CertificateInvalid,
        Self::CertificateKind,
        Self::WrongPrincipal,
        Self::CertificateOption,
        Self::StepMissing,
        Self::NothingUsable,
        Self::TooManyAttempts,
        Self::Grace,
        Self::TooManySessions,
        Self::Unavailable,
    ];

    /// The code in the transfer log.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown-user",
            Self::UnknownKey => "unknown-key",
            Self::ExpiredKey => "expired-key",
            Self::WrongSource => "wrong-source",
            Self::BadSignature => "bad-signature",
            Self::WeakSignature => "weak-signature",
            Self::WrongPassword => "wrong-password",
            Self::UnknownAuthority => "unknown-authority",
            Self::ExpiredAuthority => "expired-authority",
            Self::CertificateInvalid => "certificate-invalid",
            Self::CertificateKind => "certificate-kind",
            Self::WrongPrincipal => "wrong-principal",
            Self::CertificateOption => "certificate-option",
            Self::StepMissing => "step-missing",
            Self::NothingUsable => "nothing-usable",
            Self::TooManyAttempts => "too-many-attempts",
            Self::Grace => "grace",
            Self::TooManySessions => "too-many-sessions",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether it counts against the source.
    pub(super) fn blames_the_source(self) -> bool {
        match self {
            // The server's own state, or a tenant's: not the source's fault. And somebody who closed a window before
            // typing, or a monitor that asked what is spoken.
            Self::TooManySessions | Self::Unavailable | Self::NothingUsable => false,
            Self::UnknownUser
            | Self::UnknownKey
            | Self::ExpiredKey
            | Self::WrongSource
            | Self::BadSignature
            | Self::WeakSignature
            | Self::WrongPassword
            | Self::UnknownAuthority
            | Self::ExpiredAuthority
            | Self::CertificateInvalid
            | Self::CertificateKind
            | Self::WrongPrincipal
            | Self::CertificateOption
            | Self::StepMissing
            | Self::TooManyAttempts
            | Self::Grace => true,
        }
    }

    /// The reason of that code.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
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
    /// What was tried, in order; at most [`MOST_TRIED`].
    pub tried: Vec<Tried>,
}

/// One attempt that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// By which method.
    pub method: LoginMethod,
    /// Why it was rejected.
    pub reason: RefusalReason,
    /// The SHA-256 fingerprint of the key, where there was one.
    pub fingerprint: Option<String>,
    /// The certificate, where there was one.
    pub certificate: Option<CertificateUsed>,
}

/// What is kept of a user name that may be anything.
pub const LONGEST_USER: usize = 64;

/// Attempts that are kept of one connection: as many as `auth_attempts` can be.
pub const MOST_TRIED: usize = 20;

/// What one connection tried, until it is let in or ends.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    user: Option<String>,
    rejected: u32,
    reason: Option<RefusalReason>,
    fingerprint: Option<String>,
    /// A key was accepted at its offer and is to be proven.
    unproven: bool,
    tried: Vec<Tried>,
    /// What was refused under the names before counts against the source.
    blamed: bool,
}

impl Attempts {
    /// The client names a user. Another name than before begins anew: then true, and what was refused until then.
    pub(super) fn name(&mut self, user: &str, peer: SocketAddr, client_banner: &str) -> (bool, Option<RefusedLogin>) {
        let user: String = user
            .chars()
            .scan(0, |length, letter| {
                *length += letter.len_utf8();
                (*length <= LONGEST_USER).then_some(letter)
            })
            .collect();
        if self.user.as_ref() == Some(&user) {
            return (false, None);
        }
        let before = std::mem::replace(self, Self { user: Some(user), blamed: self.blamed, ..Self::default() });
        let refused = before.refusal(None, peer, client_banner);
        self.blamed |= refused.as_ref().is_some_and(|refused| refused.reason.blames_the_source());
        (true, refused)
    }

    /// An attempt was rejected.
    pub(super) fn reject(&mut self, tried: Tried) {
        self.rejected = self.rejected.saturating_add(1);
        if !self.is_known_by_certificate(tried.reason, tried.fingerprint.as_ref()) {
            self.reason = Some(tried.reason);
        }
        self.unproven = false;
        if tried.fingerprint.is_some() {
            self.fingerprint.clone_from(&tried.fingerprint);
        }
        if self.tried.len() < MOST_TRIED {
            self.tried.push(tried);
        }
    }

    /// A key may log in once it has signed.
    pub(super) fn offered(&mut self, fingerprint: String) {
        self.unproven = true;
        self.fingerprint = Some(fingerprint);
    }

    /// A key could log in by a certificate only, which shows once it has signed.
    pub(super) fn offered_in_vain(&mut self, reason: RefusalReason, fingerprint: String) {
        self.unproven = false;
        if !self.is_known_by_certificate(reason, Some(&fingerprint)) {
            self.reason = Some(reason);
        }
        self.fingerprint = Some(fingerprint);
    }

    /// Whether an unknown key is the one whose certificate was just refused: clients offer it again without, which
    /// tells less than what was wrong with the certificate.
    fn is_known_by_certificate(&self, reason: RefusalReason, fingerprint: Option<&String>) -> bool {
        let with_certificate = |tried: &Tried| tried.certificate.is_some() && tried.fingerprint.as_ref() == fingerprint;
        reason == RefusalReason::UnknownKey && self.tried.iter().any(with_certificate)
    }

    /// A step was passed, and another is missing.
    pub(super) fn passed(&mut self, fingerprint: Option<String>) {
        self.unproven = false;
        self.reason = Some(RefusalReason::StepMissing);
        if fingerprint.is_some() {
            self.fingerprint = fingerprint;
        }
    }

    /// Whether something under a name before this one counts against the source.
    pub(super) fn is_blamed(&self) -> bool {
        self.blamed
    }

    /// Attempts that were rejected.
    pub(super) fn rejected(&self) -> u32 {
        self.rejected
    }

    /// The account of a connection that was not let in: `ended` is why it ended, where that is known and tells more.
    /// `None` when nobody named a user (a scanner, a monitor), or nobody tried anything that was seen.
    pub(super) fn refusal(
        self,
        ended: Option<RefusalReason>,
        peer: SocketAddr,
        client_banner: &str,
    ) -> Option<RefusedLogin> {
        let unproven = self.unproven.then_some(RefusalReason::BadSignature);
        let tried = unproven.or(self.reason);
        let reason = match ended {
            // That time ran out says less than what was tried in it.
            Some(RefusalReason::Grace | RefusalReason::NothingUsable) | None => tried.or(ended)?,
            Some(ended) => ended,
        };
        Some(RefusedLogin {
            user: self.user?,
            peer,
            reason,
            attempts: self.rejected,
            fingerprint: self.fingerprint,
            client_banner: client_banner.to_owned(),
            tried: self.tried,
        })
    }

    /// The user that was named last.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(reason: RefusalReason, fingerprint: Option<&str>) -> Tried {
        let method = LoginMethod::PublicKey;
        Tried { method, reason, fingerprint: fingerprint.map(str::to_owned), certificate: None }
    }

    #[test]
    fn another_user_name_begins_from_nothing() {
        let peer = "192.0.2.7:5000".parse().unwrap();
        let mut attempts = Attempts::default();
        assert_eq!(attempts.name("bree", peer, ""), (true, None));
        attempts.reject(tried(RefusalReason::UnknownKey, Some("SHA256:a")));
        attempts.reject(tried(RefusalReason::UnknownKey, Some("SHA256:b")));
        assert_eq!(attempts.name("bree", peer, ""), (false, None));
        let (true, Some(before)) = attempts.name("peer", peer, "") else { panic!("another name") };
        assert_eq!((before.user.as_str(), before.attempts, before.reason), ("bree", 2, RefusalReason::UnknownKey));
        assert_eq!((before.fingerprint.as_deref(), before.tried.len()), (Some("SHA256:b"), 2));
        assert!(attempts.rejected() == 0 && attempts.is_blamed());
        attempts.offered("SHA256:c".to_owned());
        let refused = attempts.refusal(None, peer, "SSH-2.0-x").unwrap();
        assert_eq!((refused.user.as_str(), refused.reason), ("peer", RefusalReason::BadSignature));
    }

    #[test]
    fn long_user_names_are_cut_and_silence_is_not_reported() {
        let peer = "192.0.2.7:5000".parse().unwrap();
        let mut attempts = Attempts::default();
        attempts.name(&"é".repeat(1000), peer, "");
        for _ in 0..100 {
            attempts.reject(tried(RefusalReason::UnknownUser, None));
        }
        let refused = attempts.refusal(None, peer, "").unwrap();
        assert_eq!((refused.user.len(), refused.attempts, refused.tried.len()), (LONGEST_USER, 100, MOST_TRIED));
        assert_eq!(Attempts::default().refusal(Some(RefusalReason::Grace), peer, ""), None);
    }

    #[test]
    fn the_reason_that_tells_most_stands() {
        let peer = "192.0.2.7:5000".parse().unwrap();
        let named = || {
            let mut attempts = Attempts::default();
            attempts.name("bree", peer, "");
            attempts
        };
        let reason = |attempts: Attempts, ended| attempts.refusal(ended, peer, "").map(|refused| refused.reason);
        assert_eq!(reason(named(), None), None);
        assert_eq!(reason(named(), Some(RefusalReason::NothingUsable)), Some(RefusalReason::NothingUsable));
        let mut bare = named();
        let certificate = Some(CertificateUsed { key_id: "jan".to_owned(), serial: 1 });
        bare.reject(Tried { certificate, ..tried(RefusalReason::WrongPrincipal, Some("SHA256:a")) });
        bare.offered_in_vain(RefusalReason::UnknownKey, "SHA256:a".to_owned());
        bare.reject(tried(RefusalReason::UnknownKey, Some("SHA256:a")));
        assert_eq!(reason(bare, None), Some(RefusalReason::WrongPrincipal));
        let mut passed = named();
        passed.passed(Some("SHA256:a".to_owned()));
        assert_eq!(reason(passed, Some(RefusalReason::Grace)), Some(RefusalReason::StepMissing));
        let mut rejected = named();
        rejected.reject(tried(RefusalReason::UnknownKey, None));
        assert_eq!(reason(rejected, Some(RefusalReason::TooManyAttempts)), Some(RefusalReason::TooManyAttempts));
    }

    #[test]
    fn each_reason_has_a_code_of_its_own() {
        for reason in RefusalReason::ALL {
            assert_eq!(RefusalReason::of_code(reason.code()), Some(reason));
        }
        assert_eq!(RefusalReason::of_code("x"), None);
    }
}
