//! Keys of hosts and of clients, in OpenSSH's private key format, which stock tools read.

use std::fmt;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, ssh_key::LineEnding};
use zeroize::Zeroizing;

/// A private key that a server proves itself with. Never printed.
#[derive(Clone)]
pub struct HostKey(PrivateKey);

/// Longest private key file, bytes: an RSA key of 16,384 bits has 13 KiB.
pub const LONGEST_KEY_FILE: usize = 16 * 1024;

/// Why a text is no key that can be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// Above [`LONGEST_KEY_FILE`].
    #[error("longer than {LONGEST_KEY_FILE} bytes")]
    TooLong,
    /// Not a private key in OpenSSH's format, or damaged.
    #[error("not an OpenSSH private key")]
    Format(#[source] russh::keys::ssh_key::Error),
    /// It has a passphrase, which a daemon cannot type.
    #[error("the key is locked with a passphrase")]
    Locked,
    /// A host key of another kind: RSA costs too much at each login, and its timing is not safe for private keys.
    #[error("algorithm {0} is not accepted for a host key, only Ed25519 and ECDSA P-256")]
    Algorithm(String),
    /// A new key could not be made or written.
    #[error("the key could not be made")]
    Made(#[source] russh::keys::ssh_key::Error),
}

impl HostKey {
    /// Reads a private key file's text.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        let key = private_key(text)?;
        match key.algorithm() {
            Algorithm::Ed25519 | Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 } => Ok(Self(key)),
            other => Err(KeyFault::Algorithm(other.to_string())),
        }
    }

    /// `algorithm base64`, as in `known_hosts` after the host's name.
    pub fn public_line(&self) -> String {
        public_line(&self.0)
    }

    /// `SHA256:` and base64, as clients show it when they first connect.
    pub fn fingerprint(&self) -> String {
        self.0.public_key().fingerprint(HashAlg::Sha256).to_string()
    }

    /// The key for the transport.
    pub(super) fn private(&self) -> PrivateKey {
        self.0.clone()
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HostKey({})", self.fingerprint())
    }
}

/// A new key: the private part as a file's text, and the line of its public part.
pub struct NewKey {
    /// OpenSSH's private key format, without a passphrase. Wiped when dropped.
    pub private: Zeroizing<String>,
    /// `algorithm base64 comment`, as in `authorized_keys`.
    pub public_line: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NewKey({})", self.public_line)
    }
}

/// Makes an Ed25519 key, for a host or for a client, with this comment.
///
/// # Errors
/// [`KeyFault::Made`].
pub fn new_key(comment: &str) -> Result<NewKey, KeyFault> {
    let mut key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).map_err(KeyFault::Made)?;
    key.set_comment(comment);
    let private = key.to_openssh(LineEnding::LF).map_err(KeyFault::Made)?;
    Ok(NewKey { private, public_line: format!("{} {comment}", public_line(&key)).trim_end().to_owned() })
}

/// Reads a private key without a passphrase, a client's or a host's.
pub(super) fn private_key(text: &str) -> Result<PrivateKey, KeyFault> {
    if text.len() > LONGEST_KEY_FILE {
        return Err(KeyFault::TooLong);
    }
    let key = PrivateKey::from_openssh(text).map_err(KeyFault::Format)?;
    if key.is_encrypted() { Err(KeyFault::Locked) } else { Ok(key) }
}

/// `algorithm base64` of a key's public part.
fn public_line(key: &PrivateKey) -> String {
    let line = key.public_key().to_openssh().unwrap_or_default();
    line.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SshPublicKey;

    #[test]
    fn a_new_key_reads_back_and_its_public_line_is_a_tenants_key() {
        let made = new_key("ict@bree.be").unwrap();
        assert!(made.private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
        let host = HostKey::parse(&made.private).unwrap();
        let public = SshPublicKey::parse(&made.public_line).unwrap();
        assert_eq!(host.fingerprint(), public.fingerprint());
        assert_eq!(format!("{} ict@bree.be", host.public_line()), made.public_line);
        assert!(!format!("{host:?} {made:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_is_no_host_key_is_refused() {
        assert!(matches!(HostKey::parse("x"), Err(KeyFault::Format(_))));
        assert!(matches!(HostKey::parse(&"x".repeat(LONGEST_KEY_FILE + 1)), Err(KeyFault::TooLong)));
        let p521 = PrivateKey::random(&mut rand::rng(), Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 }).unwrap();
        let text = p521.to_openssh(LineEnding::LF).unwrap();
        assert!(matches!(HostKey::parse(&text), Err(KeyFault::Algorithm(name)) if name.contains("p521")));
    }
}
