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
}

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
        let named = blob.strip_prefix(&length).is_some_and(|rest| rest.starts_with(algorithm.as_bytes()));
        if named { Ok(Self { algorithm: algorithm.to_owned(), blob }) } else { Err(SshKeyFault::Damaged) }
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
}
