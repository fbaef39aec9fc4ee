//! What is kept of a password: an Argon2id hash in the PHC string format, as stock tools write it.
//!
//! Refused: other functions, hashes that are cheap to try, and those so dear that a few logins take the machine.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// An Argon2id hash, version 1.3, with what it was made with. Never printed but by [`fmt::Display`].
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// Memory of one check, KiB.
    pub memory_kib: u32,
    /// Passes of one check.
    pub passes: u32,
    /// Lanes of one check.
    pub lanes: u32,
    /// The salt.
    pub salt: Vec<u8>,
    /// The hash.
    pub hash: Vec<u8>,
}

/// Why a text is no hash that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashFault {
    /// Not the form of such a hash; most often the password itself.
    #[error("not an Argon2id hash of the form $argon2id$v=19$m=…,t=…,p=…$salt$hash")]
    Form,
    /// The parameters.
    #[error("the parameters are not m=…,t=…,p=…")]
    Parameters,
    /// Outside [`MEMORY_KIB`].
    #[error("its memory is not m=19456 to m=262144 (KiB)")]
    Memory,
    /// Outside [`PASSES`].
    #[error("its passes are not t=1 to t=16")]
    Passes,
    /// Outside [`LANES`].
    #[error("its lanes are not p=1 to p=16")]
    Lanes,
    /// Outside [`SALT_BYTES`].
    #[error("its salt is not base64 of 8 to 48 bytes")]
    Salt,
    /// Outside [`HASH_BYTES`].
    #[error("its hash is not base64 of 16 to 64 bytes")]
    Hash,
}

/// Memory of one check, KiB: from what OWASP's password storage cheat sheet asks at least to what a few logins at
/// one time may take together.
pub const MEMORY_KIB: std::ops::RangeInclusive<u32> = 19_456..=262_144;
/// Passes of one check.
pub const PASSES: std::ops::RangeInclusive<u32> = 1..=16;
/// Lanes of one check.
pub const LANES: std::ops::RangeInclusive<u32> = 1..=16;
/// Salt, bytes (RFC 9106, section 3.1, recommends 16).
pub const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=48;
/// Hash, bytes.
pub const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

impl FromStr for PasswordHash {
    type Err = PasswordHashFault;

    fn from_str(text: &str) -> Result<Self, PasswordHashFault> {
        let parts: Vec<&str> = text.split('$').collect();
        let ["", "argon2id", "v=19", parameters, salt, hash] = parts.as_slice() else {
            return Err(PasswordHashFault::Form);
        };
        let parameters: Vec<&str> = parameters.split(',').collect();
        let [memory, passes, lanes] = parameters.as_slice() else {
            return Err(PasswordHashFault::Parameters);
        };
        let number = |text: &str, name: &str, bounds: std::ops::RangeInclusive<u32>| {
            let number = text.strip_prefix(name).and_then(|digits| digits.parse().ok());
            number.filter(|number| bounds.contains(number))
        };
        let bytes = |text: &str, bounds: std::ops::RangeInclusive<usize>| {
            STANDARD_NO_PAD.decode(text).ok().filter(|bytes| bounds.contains(&bytes.len()))
        };
        Ok(Self {
            memory_kib: number(memory, "m=", MEMORY_KIB).ok_or(PasswordHashFault::Memory)?,
            passes: number(passes, "t=", PASSES).ok_or(PasswordHashFault::Passes)?,
            lanes: number(lanes, "p=", LANES).ok_or(PasswordHashFault::Lanes)?,
            salt: bytes(salt, SALT_BYTES).ok_or(PasswordHashFault::Salt)?,
            hash: bytes(hash, HASH_BYTES).ok_or(PasswordHashFault::Hash)?,
        })
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_kib, passes, lanes, salt, hash } = self;
        let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
        write!(formatter, "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_the_shape_and_the_cost_of_argon2id() {
        let salt = "c29tZXNhbHRzb21lc2FsdA";
        let hash = "RdescudvJCsgt3ub+b5dWRWJTmaaJObGRdescudvJCs";
        let with = |kind: &str, parameters: &str, salt: &str, hash: &str| {
            let text = format!("${kind}$v=19${parameters}${salt}${hash}");
            text.parse::<PasswordHash>().inspect(|parsed| assert_eq!(parsed.to_string(), text))
        };
        let good = with("argon2id", "m=65536,t=3,p=4", salt, hash).unwrap();
        assert_eq!((good.memory_kib, good.passes, good.lanes, good.salt.len(), good.hash.len()), (65536, 3, 4, 16, 32));
        assert!(!format!("{good:?}").contains(hash));
        for (kind, parameters, salt, hash, fault) in [
            ("argon2i", "m=65536,t=3,p=4", salt, hash, PasswordHashFault::Form),
            ("argon2id", "m=65536,t=3", salt, hash, PasswordHashFault::Parameters),
            ("argon2id", "m=4096,t=3,p=4", salt, hash, PasswordHashFault::Memory),
            ("argon2id", "m=4194304,t=3,p=4", salt, hash, PasswordHashFault::Memory),
            ("argon2id", "m=65536,t=0,p=4", salt, hash, PasswordHashFault::Passes),
            ("argon2id", "m=65536,t=3,p=x", salt, hash, PasswordHashFault::Lanes),
            ("argon2id", "m=65536,t=3,p=4", "c2E", hash, PasswordHashFault::Salt),
            ("argon2id", "m=65536,t=3,p=4", "c29tZXNhbHR!", hash, PasswordHashFault::Salt),
            ("argon2id", "m=65536,t=3,p=4", salt, "", PasswordHashFault::Hash),
        ] {
            assert_eq!(with(kind, parameters, salt, hash), Err(fault), "{kind} {parameters} {salt} {hash}");
        }
        assert_eq!("hunter2".parse::<PasswordHash>(), Err(PasswordHashFault::Form));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}", tail in "[$a-zA-Z0-9=,+/]{0,80}") {
            for text in [text, format!("$argon2id$v=19{tail}"), format!("$argon2id$v=19$m=65536,t=3,p=4{tail}")] {
                if let Ok(parsed) = text.parse::<PasswordHash>() {
                    proptest::prop_assert_eq!(parsed.to_string().parse::<PasswordHash>(), Ok(parsed));
                }
            }
        }
    }
}
