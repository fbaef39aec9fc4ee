//! OpenSSH user certificates (OpenSSH's `PROTOCOL.certkeys`): which ones a tenant's authorities vouch for.
//!
//! The transport has seen that the certificate's key signed the request. Judged here: its authority, that authority's
//! signature, the time, the kind, the principals and the critical options. Extensions permit what this server has not
//! (terminals, forwarding) and mean nothing here.
//!
//! Refused: certificates without principals, which OpenSSH takes for everybody's; critical options other than
//! `source-address`, `force-command` and `verify-required` among them, since they cannot be kept; authorities that sign
//! with SHA-1; short RSA keys.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use russh::keys::{
    Algorithm, Certificate, HashAlg, PublicKey,
    ssh_key::{certificate::CertType, public::KeyData},
};

use super::{
    RefusalReason,
    auth::{CertificateUsed, Proven, is_over},
};
use crate::domain::{
    Tenant,
    ssh_key::{RSA_BITS, fingerprint},
    tenant::CertificateAuthority,
};

/// Characters that are kept of the name that an authority gave a certificate.
pub const LONGEST_KEY_ID: usize = 128;

/// The bit of a security key's flags that says that somebody touched it (CTAP2, "authenticator data").
const USER_PRESENT: u8 = 0x01;

/// Bytes after a security key's signature: the flags, and a counter (OpenSSH's `PROTOCOL.u2f`).
const FLAGS_AND_COUNTER: usize = 5;

/// Whether a certificate lets the tenant in.
///
/// # Errors
/// Why it does not.
pub(super) fn judge(
    tenant: Option<&Tenant>,
    shown: &Certificate,
    peer: IpAddr,
    now: Timestamp,
) -> Result<Proven, RefusalReason> {
    let (tenant, authority) = vouched(tenant, shown, now)?;
    is_sound(shown, now)?;
    is_for(tenant, authority, shown, peer)?;
    Ok(Proven {
        label: authority.label.clone(),
        fingerprint: key_fingerprint(shown.public_key()).ok_or(RefusalReason::CertificateInvalid)?,
        certificate: Some(used(shown)),
    })
}

/// Whether a certificate that let the tenant in still would, by the tenant's file. Its own end is no reason: it says
/// until when somebody may log in, not how long a session lasts.
///
/// # Errors
/// Why it would not.
pub(super) fn still(
    tenant: Option<&Tenant>,
    shown: &Certificate,
    peer: IpAddr,
    now: Timestamp,
) -> Result<(), RefusalReason> {
    let (tenant, authority) = vouched(tenant, shown, now)?;
    is_for(tenant, authority, shown, peer)
}

/// The tenant with its authority that signed the certificate.
fn vouched<'a>(
    tenant: Option<&'a Tenant>,
    shown: &Certificate,
    now: Timestamp,
) -> Result<(&'a Tenant, &'a CertificateAuthority), RefusalReason> {
    let tenant = tenant.filter(|tenant| tenant.can_log_in()).ok_or(RefusalReason::UnknownUser)?;
    let authority = authority(tenant, shown.signature_key()).ok_or(RefusalReason::UnknownAuthority)?;
    if is_over(authority.expires, now) { Err(RefusalReason::ExpiredAuthority) } else { Ok((tenant, authority)) }
}

/// Whether the certificate itself is what it should be.
fn is_sound(shown: &Certificate, now: Timestamp) -> Result<(), RefusalReason> {
    if !key_is_strong(shown.public_key()) || matches!(shown.signature().algorithm(), Algorithm::Rsa { hash: None }) {
        return Err(RefusalReason::WeakSignature);
    }
    let seconds = u64::try_from(now.as_second()).map_err(|_| RefusalReason::CertificateInvalid)?;
    // The signature as well: that the transport looked at it before is no reason to trust a certificate here.
    shown
        .validate_at(seconds, [&shown.signature_key().fingerprint(HashAlg::Sha256)])
        .map_err(|_| RefusalReason::CertificateInvalid)?;
    if !authority_was_touched(shown) {
        return Err(RefusalReason::CertificateInvalid);
    }
    if shown.cert_type() == CertType::User { Ok(()) } else { Err(RefusalReason::CertificateKind) }
}

/// Whether it is a certificate for this tenant, and from there.
fn is_for(
    tenant: &Tenant,
    authority: &CertificateAuthority,
    shown: &Certificate,
    peer: IpAddr,
) -> Result<(), RefusalReason> {
    if !shown.valid_principals().iter().any(|principal| authority.principals.contains(principal)) {
        return Err(RefusalReason::WrongPrincipal);
    }
    if !options_are_kept(shown, peer)? || !tenant.may_come_from(peer) {
        return Err(RefusalReason::WrongSource);
    }
    Ok(())
}

/// What the account keeps of a certificate. Control characters do not get into a terminal by it.
pub(super) fn used(shown: &Certificate) -> CertificateUsed {
    let visible = |letter: char| if letter.is_control() { '?' } else { letter };
    let key_id = shown.key_id().chars().take(LONGEST_KEY_ID).map(visible).collect();
    CertificateUsed { key_id, serial: shown.serial() }
}

/// The fingerprint of a key, as `ssh-keygen -l` prints it.
pub(super) fn key_fingerprint(key: &KeyData) -> Option<String> {
    PublicKey::from(key.clone()).to_bytes().ok().map(|blob| fingerprint(&blob))
}

/// Whether a key is long enough; only RSA keys can be too short.
pub(super) fn key_is_strong(key: &KeyData) -> bool {
    match key {
        KeyData::Rsa(key) => usize::try_from(key.key_size()).is_ok_and(|bits| RSA_BITS.contains(&bits)),
        _ => true,
    }
}

/// The tenant's authority with this key. The YAML holds no certificates, so an authority never is one.
fn authority<'a>(tenant: &'a Tenant, key: &KeyData) -> Option<&'a CertificateAuthority> {
    let blob = PublicKey::from(key.clone()).to_bytes().ok()?;
    tenant.certificate_authorities.iter().find(|authority| authority.key.blob() == blob)
}

/// An authority on a security key must have been touched for each certificate.
fn authority_was_touched(shown: &Certificate) -> bool {
    let signature = shown.signature();
    if !matches!(signature.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256) {
        return true;
    }
    let flags = signature.as_bytes().len().checked_sub(FLAGS_AND_COUNTER).and_then(|at| signature.as_bytes().get(at));
    flags.is_some_and(|flags| flags & USER_PRESENT != 0)
}

/// Whether the certificate may come from there.
///
/// # Errors
/// [`RefusalReason::CertificateOption`]: it has an option that cannot be kept.
fn options_are_kept(shown: &Certificate, peer: IpAddr) -> Result<bool, RefusalReason> {
    let peer = peer.to_canonical();
    let mut kept = true;
    for (name, value) in shown.critical_options().iter() {
        if name != "source-address" {
            return Err(RefusalReason::CertificateOption);
        }
        // Addresses and networks with commas between (OpenSSH's `addr_match_cidr_list`).
        let networks: Option<Vec<IpNet>> = value.split(',').map(network).collect();
        let networks = networks.ok_or(RefusalReason::CertificateOption)?;
        kept &= networks.iter().any(|network| network.contains(&peer));
    }
    Ok(kept)
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{SshPublicKey, tenant::LoginStep},
        sftp::auth::tests::tenant as with_key,
    };
    use jiff::{ToSpan, civil::date};
    use russh::keys::{
        PrivateKey, signature,
        ssh_key::{Signature, SigningKey, certificate::Builder, public::SkEd25519},
    };

    const NOW: &str = "2026-11-20T12:00:00Z";
    const HOME: &str = "192.0.2.7";

    fn key() -> PrivateKey {
        PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()
    }

    fn line(key: &KeyData) -> SshPublicKey {
        SshPublicKey::parse(&PublicKey::from(key.clone()).to_openssh().unwrap()).unwrap()
    }

    /// A tenant with this authority and no key of its own.
    fn tenant(authority: &KeyData, change: impl FnOnce(&mut CertificateAuthority)) -> Tenant {
        let mut tenant = with_key(None, "192.0.2.0/24", vec![LoginStep::PublicKey]);
        tenant.keys.clear();
        let mut authority = CertificateAuthority {
            label: "ca".to_owned(),
            owner: "ICT".to_owned(),
            key: line(authority),
            principals: vec!["bree".to_owned()],
            expires: None,
        };
        change(&mut authority);
        tenant.certificate_authorities.push(authority);
        tenant
    }

    fn certificate<S: SigningKey>(
        subject: &KeyData,
        ca: &S,
        valid: (u64, u64),
        change: impl FnOnce(&mut Builder),
    ) -> Certificate {
        let mut builder = Builder::new([7; 16], subject.clone(), valid.0, valid.1).unwrap();
        builder.serial(7).unwrap().key_id("jan\u{1b}@bree").unwrap();
        change(&mut builder);
        builder.sign(ca).unwrap()
    }

    fn hour() -> (u64, u64) {
        let now: Timestamp = NOW.parse().unwrap();
        (u64::try_from(now.as_second()).unwrap() - 1800, u64::try_from(now.as_second()).unwrap() + 1800)
    }

    fn come_to(tenant: &Tenant, shown: &Certificate) -> Result<Proven, RefusalReason> {
        judge(Some(tenant), shown, HOME.parse().unwrap(), NOW.parse().unwrap())
    }

    #[test]
    fn a_good_certificate_is_the_authoritys_word() {
        let (ca, subject) = (key(), key());
        let shown = certificate(subject.public_key().key_data(), &ca, hour(), |builder| {
            builder.valid_principal("bree").unwrap().extension("permit-pty", "").unwrap();
            builder.critical_option("source-address", "198.51.100.1,192.0.2.7").unwrap();
        });
        let proven = come_to(&tenant(ca.public_key().key_data(), |_| ()), &shown).unwrap();
        assert_eq!(proven.label, "ca");
        assert_eq!(proven.fingerprint, line(subject.public_key().key_data()).fingerprint());
        assert_eq!(proven.certificate, Some(CertificateUsed { key_id: "jan?@bree".to_owned(), serial: 7 }));
        assert_eq!(judge(None, &shown, HOME.parse().unwrap(), NOW.parse().unwrap()), Err(RefusalReason::UnknownUser));
    }

    #[test]
    fn each_rule_refuses_alone() {
        let (ca, subject) = (key(), key());
        let data = subject.public_key().key_data();
        let made = |valid, change: fn(&mut Builder)| {
            certificate(data, &ca, valid, |builder| {
                builder.valid_principal("bree").unwrap();
                change(builder);
            })
        };
        let unchanged: fn(&mut Builder) = |_| ();
        let own = tenant(ca.public_key().key_data(), |_| ());
        let (from, until) = hour();
        let everybodys = certificate(data, &ca, hour(), |builder| {
            builder.all_principals_valid().unwrap();
        });
        let mut forged = made(hour(), unchanged).to_bytes().unwrap();
        *forged.last_mut().unwrap() ^= 1;
        let cases = [
            (made((from - 7200, from - 3600), unchanged), RefusalReason::CertificateInvalid),
            (made((until, until + 1), unchanged), RefusalReason::CertificateInvalid),
            (Certificate::from_bytes(&forged).unwrap(), RefusalReason::CertificateInvalid),
            (
                made(hour(), |builder| {
                    builder.cert_type(CertType::Host).unwrap();
                }),
                RefusalReason::CertificateKind,
            ),
            (everybodys, RefusalReason::WrongPrincipal),
            (
                made(hour(), |builder| drop(builder.critical_option("force-command", "internal-sftp"))),
                RefusalReason::CertificateOption,
            ),
            (made(hour(), |builder| drop(builder.critical_option("x@y", ""))), RefusalReason::CertificateOption),
            (
                made(hour(), |builder| drop(builder.critical_option("source-address", "x"))),
                RefusalReason::CertificateOption,
            ),
            (
                made(hour(), |builder| drop(builder.critical_option("source-address", "198.51.100.0/24"))),
                RefusalReason::WrongSource,
            ),
        ];
        for (shown, reason) in cases {
            assert_eq!(come_to(&own, &shown), Err(reason));
        }
        let good = made(hour(), unchanged);
        assert_eq!(
            come_to(&tenant(key().public_key().key_data(), |_| ()), &good),
            Err(RefusalReason::UnknownAuthority)
        );
        let elsewhere = tenant(ca.public_key().key_data(), |authority| authority.principals = vec!["ict".to_owned()]);
        assert_eq!(come_to(&elsewhere, &good), Err(RefusalReason::WrongPrincipal));
        let last = date(2026, 11, 19);
        let over = tenant(ca.public_key().key_data(), |authority| authority.expires = Some(last));
        assert_eq!(come_to(&over, &good), Err(RefusalReason::ExpiredAuthority));
        let today = tenant(ca.public_key().key_data(), |authority| authority.expires = Some(last + 1.day()));
        assert!(come_to(&today, &good).is_ok());
        let mut away = tenant(ca.public_key().key_data(), |_| ());
        away.allow_from = vec!["198.51.100.0/24".parse().unwrap()];
        assert_eq!(come_to(&away, &good), Err(RefusalReason::WrongSource));
    }

    #[test]
    fn weak_keys_are_refused_under_any_certificate() {
        use russh::keys::ssh_key::{Mpint, public::RsaPublicKey};
        let modulus = Mpint::from_positive_bytes(&[0xff; 128]);
        let short = RsaPublicKey::new(Mpint::from_positive_bytes(&[1, 0, 1]), modulus).unwrap();
        let ca = key();
        let shown = certificate(&KeyData::Rsa(short), &ca, hour(), |builder| {
            builder.valid_principal("bree").unwrap();
        });
        assert_eq!(come_to(&tenant(ca.public_key().key_data(), |_| ()), &shown), Err(RefusalReason::WeakSignature));
    }

    #[test]
    fn an_authority_is_never_a_certificate() {
        let (root, middle) = (key(), key());
        let between = certificate(middle.public_key().key_data(), &root, hour(), |builder| {
            builder.valid_principal("bree").unwrap();
        });
        let chained = KeyData::Certificate(Box::new(between));
        for trusted in [&root, &middle] {
            let tenant = tenant(trusted.public_key().key_data(), |_| ());
            assert!(authority(&tenant, trusted.public_key().key_data()).is_some());
            assert!(authority(&tenant, &chained).is_none());
        }
    }

    /// An authority on a security key, in software.
    struct SecurityKey {
        key: PrivateKey,
        flags: u8,
    }

    impl SecurityKey {
        fn public(&self) -> KeyData {
            let ed25519 = self.key.public_key().key_data().ed25519().copied().unwrap();
            KeyData::SkEd25519(SkEd25519::new(ed25519, "ssh:"))
        }
    }

    impl signature::Signer<Signature> for SecurityKey {
        fn try_sign(&self, message: &[u8]) -> signature::Result<Signature> {
            use sha2::{Digest, Sha256};
            let trailer = [self.flags, 0, 0, 0, 9];
            let signed = [&Sha256::digest("ssh:")[..], &trailer, &Sha256::digest(message)[..]].concat();
            let signature = self.key.try_sign(&signed)?;
            let bytes = [signature.as_bytes(), &trailer].concat();
            Signature::new(Algorithm::SkEd25519, bytes).map_err(Into::into)
        }
    }

    impl From<&SecurityKey> for KeyData {
        fn from(key: &SecurityKey) -> Self {
            key.public()
        }
    }

    #[test]
    fn an_authority_on_a_security_key_was_touched() {
        for (flags, outcome) in [(0x01, true), (0x05, true), (0x00, false), (0x04, false)] {
            let ca = SecurityKey { key: key(), flags };
            let shown = certificate(key().public_key().key_data(), &ca, hour(), |builder| {
                builder.valid_principal("bree").unwrap();
            });
            assert_eq!(come_to(&tenant(&ca.public(), |_| ()), &shown).is_ok(), outcome, "{flags:#x}");
        }
    }
}
