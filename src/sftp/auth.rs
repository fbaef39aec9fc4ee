//! Who may log in: the steps that a tenant asks for, and the judgement on each proof.
//!
//! Invariants: only a key that has signed authorises; a key is compared as the bytes of its wire form; an unknown user
//! is answered as a known one with a wrong key; what was passed under one user name counts for no other.
//!
//! Security keys (`sk-`): the transport checks that the signature covers the application, the flags, the counter and
//! the session, and shows none of these to this room. Whether the key was touched is therefore not enforced here: who
//! holds the user's computer can ask the security key for a signature without a touch. A tenant that wants that refused
//! makes its key with `ssh-keygen -O verify-required`: the security key itself then signs for nobody without its PIN.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jiff::{Timestamp, civil::Date};
use russh::keys::Certificate;

use super::{RefusalReason, certificate};
use crate::{
    domain::{
        Tenant, brussels_date,
        ssh_key::fingerprint,
        tenant::{LoginKey, LoginPassword, LoginStep},
    },
    dropbox::view::Login,
};

/// How a login was proven, or what was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginMethod {
    /// A signature by one of the tenant's keys, or by a key with a certificate.
    PublicKey,
    /// One of the tenant's passwords.
    Password,
    /// Another method, which nobody is offered.
    Other,
}

impl LoginMethod {
    /// The name, as SSH has it (RFC 4252).
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "publickey",
            Self::Password => "password",
            Self::Other => "other",
        }
    }
}

/// What the account keeps of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateUsed {
    /// The name that its authority gave it, at most [`certificate::LONGEST_KEY_ID`] characters of it.
    pub key_id: String,
    /// Its number.
    pub serial: u64,
}

/// Somebody who logged in, and how.
#[derive(Debug, Clone)]
pub struct AcceptedLogin {
    /// Who.
    pub login: Login,
    /// The last step that was taken.
    pub method: LoginMethod,
    /// Attempts that were rejected in this connection before.
    pub attempts: u32,
    /// The certificate that was shown.
    pub certificate: Option<CertificateUsed>,
    /// The client's identification, empty when it is not known.
    pub client_banner: String,
    /// From connecting to the last step.
    pub took: Duration,
}

/// What was proven by a signature.
pub(super) enum Proof {
    /// A key, in its wire form.
    Key(Vec<u8>),
    /// A key with a certificate.
    Certificate(Box<Certificate>),
}

/// What a proof comes to: the label in the YAML, the fingerprint of the key that signed, and its certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proven {
    pub(super) label: String,
    pub(super) fingerprint: String,
    pub(super) certificate: Option<CertificateUsed>,
}

/// The steps that were passed under one user name.
#[derive(Default)]
pub(super) struct Steps {
    pub(super) proof: Option<Proof>,
    /// The password that was given.
    pub(super) password: Option<LoginPassword>,
}

/// The next thing that a client is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Step(LoginStep),
    Done,
}

impl Steps {
    /// The first of the tenant's steps that was not passed. Whoever cannot log in is asked for a key for ever.
    pub(super) fn next(&self, tenant: Option<&Tenant>) -> Next {
        let Some(tenant) = tenant.filter(|tenant| tenant.can_log_in()) else {
            return Next::Step(LoginStep::PublicKey);
        };
        let missing = tenant.require.iter().find(|step| match step {
            LoginStep::PublicKey => self.proof.is_none(),
            LoginStep::Password => self.password.is_none(),
        });
        missing.map_or(Next::Done, |step| Next::Step(*step))
    }

    /// The login that these steps make. What was proven is judged again: the tenant's file may have changed since.
    ///
    /// # Errors
    /// Why it is not accepted any more.
    pub(super) fn login(
        &self,
        tenant: &Tenant,
        peer: SocketAddr,
        now: Timestamp,
    ) -> Result<(Login, Option<CertificateUsed>), RefusalReason> {
        let proven = self.proof.as_ref().map(|proof| proof.judge(Some(tenant), peer.ip(), now)).transpose()?;
        self.judge_password(tenant, peer)?;
        let (label, fingerprint, certificate) = match proven {
            Some(Proven { label, fingerprint, certificate }) => (label, Some(fingerprint), certificate),
            None => (self.password.as_ref().ok_or(RefusalReason::StepMissing)?.label.clone(), None, None),
        };
        let session = hex::encode(rand::random::<[u8; 8]>());
        Ok((Login { tenant: tenant.id.clone(), key_label: label, fingerprint, peer, session }, certificate))
    }

    /// Whether who logged in by these steps would still be let in, by the tenant's file as it is now.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn still(&self, tenant: Option<&Tenant>, peer: SocketAddr, now: Timestamp) -> Result<(), RefusalReason> {
        let tenant = tenant.filter(|tenant| tenant.can_log_in()).ok_or(RefusalReason::UnknownUser)?;
        match &self.proof {
            Some(Proof::Key(blob)) => {
                judge_key(Some(tenant), blob, peer.ip(), now)?;
            }
            Some(Proof::Certificate(shown)) => certificate::still(Some(tenant), shown, peer.ip(), now)?,
            None => {}
        }
        self.judge_password(tenant, peer)?;
        if self.next(Some(tenant)) == Next::Done { Ok(()) } else { Err(RefusalReason::StepMissing) }
    }

    /// Whether the password that was given, if one was, is still the tenant's, and whether it may come from there.
    fn judge_password(&self, tenant: &Tenant, peer: SocketAddr) -> Result<(), RefusalReason> {
        if self.password.as_ref().is_some_and(|given| !tenant.passwords.contains(given)) {
            return Err(RefusalReason::WrongPassword);
        }
        if tenant.may_come_from(peer.ip()) { Ok(()) } else { Err(RefusalReason::WrongSource) }
    }
}

impl Proof {
    /// Whether this proof lets the tenant in.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn judge(&self, tenant: Option<&Tenant>, peer: IpAddr, now: Timestamp) -> Result<Proven, RefusalReason> {
        match self {
            Self::Key(blob) => judge_key(tenant, blob, peer, now).map(|key| Proven {
                label: key.label.clone(),
                fingerprint: fingerprint(blob),
                certificate: None,
            }),
            Self::Certificate(shown) => certificate::judge(tenant, shown, peer, now),
        }
    }
}

/// What the offer of a key comes to.
///
/// # Errors
/// Why it is not accepted.
pub(super) fn judge_key<'a>(
    tenant: Option<&'a Tenant>,
    blob: &[u8],
    peer: IpAddr,
    now: Timestamp,
) -> Result<&'a LoginKey, RefusalReason> {
    let tenant = tenant.filter(|tenant| tenant.can_log_in()).ok_or(RefusalReason::UnknownUser)?;
    let key = tenant.keys.iter().find(|key| key.key.blob() == blob).ok_or(RefusalReason::UnknownKey)?;
    if is_over(key.expires, now) {
        return Err(RefusalReason::ExpiredKey);
    }
    if !tenant.may_come_from(peer) {
        return Err(RefusalReason::WrongSource);
    }
    Ok(key)
}

/// Whether the last day of something has passed.
pub(super) fn is_over(last: Option<Date>, now: Timestamp) -> bool {
    last.is_some_and(|last| brussels_date(now) > last)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::{
        SshPublicKey, TenantKind,
        tenant::{LoginPassword, TenantLimits},
    };

    pub const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBGkPcO7S5ka3IIMtZjbnkNxA9J5N1DfQIQ7X9bd9nIf";

    /// A tenant with a key and a password, which asks for these steps.
    pub fn tenant(expires: Option<Date>, allow_from: &str, require: Vec<LoginStep>) -> Tenant {
        let key = LoginKey {
            label: "ict".to_owned(),
            owner: "ICT".to_owned(),
            key: SshPublicKey::parse(KEY).unwrap(),
            expires,
        };
        let hash = "$argon2id$v=19$m=19456,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b5dWRWJTmaaJObGRdescudvJCs";
        let limits = TenantLimits { upload_bytes: 1 << 20, inbox_bytes: 1 << 30, outbox_bytes: 1 << 30 };
        Tenant {
            keys: vec![key],
            passwords: vec![LoginPassword { label: "balie".to_owned(), hash: hash.parse().unwrap() }],
            require,
            allow_from: vec![allow_from.parse().unwrap()],
            ..Tenant::new("bree".parse().unwrap(), "Stad Bree".to_owned(), TenantKind::Municipality, limits)
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
        let tenant_then = tenant(Some(last), "192.0.2.0/24", vec![LoginStep::PublicKey]);
        let judged = |tenant: Option<&Tenant>, blob: &[u8], peer, now| {
            judge_key(tenant, blob, peer, now).map(|key| key.label.clone())
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
    }

    #[test]
    fn steps_are_taken_in_the_order_of_the_file() {
        use LoginStep::{Password, PublicKey};
        let (now, peer) = (Timestamp::UNIX_EPOCH, "192.0.2.7:5000".parse().unwrap());
        let blob = SshPublicKey::parse(KEY).unwrap().blob().to_vec();
        let with = |key: bool, password: bool| Steps {
            proof: key.then(|| Proof::Key(blob.clone())),
            password: password.then(|| tenant(None, "0.0.0.0/0", Vec::new()).passwords.remove(0)),
        };
        for (require, steps, next) in [
            (vec![PublicKey], with(false, false), Next::Step(PublicKey)),
            (vec![PublicKey], with(false, true), Next::Step(PublicKey)),
            (vec![PublicKey], with(true, false), Next::Done),
            (vec![Password], with(false, false), Next::Step(Password)),
            (vec![PublicKey, Password], with(false, false), Next::Step(PublicKey)),
            (vec![PublicKey, Password], with(true, false), Next::Step(Password)),
            (vec![PublicKey, Password], with(true, true), Next::Done),
            (vec![Password, PublicKey], with(false, false), Next::Step(Password)),
            (vec![Password, PublicKey], with(false, true), Next::Step(PublicKey)),
        ] {
            let tenant = tenant(None, "0.0.0.0/0", require.clone());
            assert_eq!(steps.next(Some(&tenant)), next, "{require:?}");
            if next == Next::Done {
                let (login, _) = steps.login(&tenant, peer, now).unwrap();
                assert_eq!((login.key_label.as_str(), login.fingerprint.is_some()), ("ict", true));
            }
        }
        let (login, _) = with(false, true).login(&tenant(None, "0.0.0.0/0", vec![Password]), peer, now).unwrap();
        assert_eq!((login.key_label.as_str(), login.fingerprint), ("balie", None));
        assert_eq!(with(true, true).next(None), Next::Step(PublicKey));
        assert_eq!(
            Steps::default().login(&tenant(None, "0.0.0.0/0", Vec::new()), peer, now).unwrap_err(),
            RefusalReason::StepMissing
        );
        let mut gone = tenant(None, "0.0.0.0/0", vec![PublicKey, Password]);
        gone.passwords[0].label = "other".to_owned();
        assert_eq!(with(true, true).login(&gone, peer, now).unwrap_err(), RefusalReason::WrongPassword);
        assert_eq!(with(true, true).still(Some(&gone), peer, now), Err(RefusalReason::WrongPassword));
        gone.keys.clear();
        assert_eq!(with(true, false).login(&gone, peer, now).unwrap_err(), RefusalReason::UnknownUser);
    }

    #[test]
    fn who_is_in_stays_as_long_as_the_file_lets_in() {
        use LoginStep::{Password, PublicKey};
        let (now, peer) = ("2026-11-20T12:00:00Z".parse().unwrap(), "192.0.2.7:5000".parse().unwrap());
        let blob = SshPublicKey::parse(KEY).unwrap().blob().to_vec();
        let steps = Steps { proof: Some(Proof::Key(blob)), password: None };
        let last = jiff::civil::date(2026, 11, 19);
        for (tenant, judged) in [
            (tenant(None, "192.0.2.0/24", vec![PublicKey]), Ok(())),
            (tenant(None, "192.0.2.7/32", vec![PublicKey]), Ok(())),
            (tenant(None, "198.51.100.0/24", vec![PublicKey]), Err(RefusalReason::WrongSource)),
            (tenant(Some(last), "0.0.0.0/0", vec![PublicKey]), Err(RefusalReason::ExpiredKey)),
            (tenant(None, "0.0.0.0/0", vec![PublicKey, Password]), Err(RefusalReason::StepMissing)),
            (tenant(None, "0.0.0.0/0", vec![]), Err(RefusalReason::UnknownUser)),
        ] {
            assert_eq!(steps.still(Some(&tenant), peer, now), judged, "{tenant:?}");
        }
        assert_eq!(steps.still(None, peer, now), Err(RefusalReason::UnknownUser));
    }
}
