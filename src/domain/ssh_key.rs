//! A public key as OpenSSH writes it in `authorized_keys`: what a tenant logs in with.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use sha2::{Digest, Sha256};

/// A public key in its wire form (RFC 4253, section 6.6). The key's material is judged when it is used.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SshPublicKey {
    algorithm: String,
    blob: Vec<u8>,
}

/// Why a text is no public key that may log in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshKeyFault {
    /// Not `algorithm base64 [comment]`.
    #[error("not an OpenSSH public key")]
    Format,
    /// The base64 part does not decode, or names another algorithm inside.
    #[error("the key's data is damaged")]
    Damaged,
    /// A private key was pasted.
    #[error("this is a private key")]
    Private,
    /// DSA and whatever else is not in [`ALGORITHMS`].
    #[error("algorithm {0} is not accepted")]
    Algorithm(String),
    /// An RSA key outside [`RSA_BITS`].
    #[error("an RSA key of {0} bits, not of 2048 to 8192")]
    RsaLength(usize),
}

/// Bits of an RSA key: what is shorter can be broken (NIST SP 800-57), what is longer the server cannot check.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Algorithms of keys that may log in. RSA keys sign with SHA-2 only, which the server sees to.
pub const ALGORITHMS: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

impl SshPublicKey {
    /// Reads a line of `authorized_keys` without options.
    ///
    /// # Errors
    /// [`SshKeyFault`].
    pub fn parse(line: &str) -> Result<Self, SshKeyFault> {
        if line.contains("PRIVATE KEY") {
            return Err(SshKeyFault::Private);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(algorithm), Some(data)) = (words.next(), words.next()) else {
            return Err(SshKeyFault::Format);
        };
        if !ALGORITHMS.contains(&algorithm) {
            return Err(SshKeyFault::Algorithm(algorithm.chars().take(64).collect()));
        }
        let blob = STANDARD.decode(data).map_err(|_| SshKeyFault::Damaged)?;
        let length = u32::try_from(algorithm.len()).map_err(|_| SshKeyFault::Damaged)?.to_be_bytes();
        let named = blob.strip_prefix(&length).and_then(|rest| rest.strip_prefix(algorithm.as_bytes()));
        let material = named.ok_or(SshKeyFault::Damaged)?;
        if algorithm == "ssh-rsa" {
            let bits = rsa_bits(material).ok_or(SshKeyFault::Damaged)?;
            if !RSA_BITS.contains(&bits) {
                return Err(SshKeyFault::RsaLength(bits));
            }
        }
        Ok(Self { algorithm: algorithm.to_owned(), blob })
    }

    /// The name of the key's algorithm.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The wire form that a client offers and signs with.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// `SHA256:` and the unpadded base64 of the blob's SHA-256, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.blob)
    }
}

/// The length of a modulus, which comes after the exponent (RFC 4253, section 6.6).
fn rsa_bits(material: &[u8]) -> Option<usize> {
    let (_, rest) = integer(material)?;
    let (modulus, rest) = integer(rest)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let significant = modulus.get(zeros..)?;
    let first = significant.first().map_or(0, |byte| byte.leading_zeros());
    rest.is_empty().then(|| significant.len() * 8 - usize::try_from(first).unwrap_or_default())
}

/// An integer with its length in front, and what comes after it.
fn integer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// The fingerprint of a key's wire form.
pub fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

impl fmt::Debug for SshPublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.algorithm, self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBGkPcO7S5ka3IIMtZjbnkNxA9J5N1DfQIQ7X9bd9nIf ict@example";

    #[test]
    fn a_key_is_read_with_its_fingerprint() {
        let key = SshPublicKey::parse(KEY).unwrap();
        assert_eq!(key.algorithm(), "ssh-ed25519");
        assert_eq!(key.blob().len(), 51);
        assert!(key.fingerprint().starts_with("SHA256:") && key.fingerprint().len() == 50);
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        for (line, fault) in [
            ("", SshKeyFault::Format),
            ("ssh-ed25519", SshKeyFault::Format),
            ("ssh-ed25519 AAAA", SshKeyFault::Damaged),
            (
                "ecdsa-sha2-nistp256 AAAAC3NzaC1lZDI1NTE5AAAAIBGkPcO7S5ka3IIMtZjbnkNxA9J5N1DfQIQ7X9bd9nIf",
                SshKeyFault::Damaged,
            ),
            ("ssh-dss AAAA", SshKeyFault::Algorithm("ssh-dss".to_owned())),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", SshKeyFault::Private),
        ] {
            assert_eq!(SshPublicKey::parse(line), Err(fault), "{line}");
        }
    }

    /// A key with a modulus of these bytes.
    fn rsa(modulus: &[u8]) -> String {
        let mut blob = Vec::new();
        for part in [b"ssh-rsa".as_slice(), &[1, 0, 1], modulus] {
            blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            blob.extend(part);
        }
        format!("ssh-rsa {}", STANDARD.encode(blob))
    }

    #[test]
    fn rsa_keys_are_neither_short_nor_endless() {
        let of_bits = |bytes: usize| [&[0, 0x80][..], &vec![1; bytes - 1]].concat();
        assert!(SshPublicKey::parse(&rsa(&of_bits(256))).is_ok());
        assert!(SshPublicKey::parse(&rsa(&of_bits(1024))).is_ok());
        assert_eq!(SshPublicKey::parse(&rsa(&of_bits(128))), Err(SshKeyFault::RsaLength(1024)));
        assert_eq!(SshPublicKey::parse(&rsa(&[0x7f; 256])), Err(SshKeyFault::RsaLength(2047)));
        assert_eq!(SshPublicKey::parse(&rsa(&of_bits(2048))), Err(SshKeyFault::RsaLength(16384)));
        assert_eq!(SshPublicKey::parse(&rsa(&[0; 300])), Err(SshKeyFault::RsaLength(0)));
        assert_eq!(SshPublicKey::parse("ssh-rsa AAAAB3NzaC1yc2EAAAAB"), Err(SshKeyFault::Damaged));
    }
}
