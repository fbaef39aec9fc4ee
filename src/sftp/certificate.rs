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
    let tenant = tenant.filter(|tenant| tenant.can_log_in()).ok_or(RefusalReason::UnknownUser)?;
    let authority = authority(tenant, shown.signature_key()).ok_or(RefusalReason::UnknownAuthority)?;
    if is_over(authority.expires, now) {
        return Err(RefusalReason::ExpiredAuthority);
    }
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
    if shown.cert_type() != CertType::User {
        return Err(RefusalReason::CertificateKind);
    }
    if !shown.valid_principals().iter().any(|principal| authority.principals.contains(principal)) {
        return Err(RefusalReason::WrongPrincipal);
    }
    if !options_are_kept(shown, peer)? || !tenant.may_come_from(peer) {
        return Err(RefusalReason::WrongSource);
    }
    Ok(Proven {
        label: authority.label.clone(),
        fingerprint: key_fingerprint(shown.public_key()).ok_or(RefusalReason::CertificateInvalid)?,
        certificate: Some(used(shown)),
    })
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
