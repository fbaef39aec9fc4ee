//! Recognising a list that was answered before, or a file that left before, without keeping any of it; and what counts of
//! the same children are rounded by, whenever and however they are asked for.

use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    domain::{Kind, Niss, ProtocolId},
    durable::{Directory, DurableError},
    lists::List,
    seal::{Keyring, SealError, StorageSealer},
};

/// The secret that list fingerprints are keyed with.
///
/// It outlives the exchange's identity, since lists must be recognised after that is replaced: it is drawn once and
/// kept in the state directory, sealed.
pub struct FingerprintKey(Zeroizing<[u8; 32]>);

/// The name of the sealed key in the state directory.
const KEY_FILE: &str = "fingerprint.key.age";

/// A sealed key of 32 bytes, with a header of some recipients.
const LONGEST_KEY_FILE_BYTES: u64 = 64 * 1024;

/// Numbers that are hashed together: enough for the hash to go on at full speed.
const AT_ONCE: usize = 1024;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum FingerprintKeyError {
    /// The state directory.
    #[error("could not keep the key of list fingerprints")]
    Storage(#[source] DurableError),
    /// It does not open with the exchange's identities.
    #[error("could not open {KEY_FILE}; was the exchange's identity replaced without keeping the old one beside it?")]
    Sealed(#[source] SealError),
}

impl FingerprintKey {
    /// Opens the key, or draws one where there is none yet.
    ///
    /// # Errors
    /// [`FingerprintKeyError`].
    pub fn open_or_draw(state: &Directory, keyring: &Keyring) -> Result<Self, FingerprintKeyError> {
        use std::io::Write;
        let stored = state.read(KEY_FILE, LONGEST_KEY_FILE_BYTES).map_err(FingerprintKeyError::Storage)?;
        if let Some(sealed) = stored {
            let opened = keyring.open_whole(&sealed[..], 32).map_err(FingerprintKeyError::Sealed)?;
            let resealed = keyring.reseal(&sealed, 32).map_err(FingerprintKeyError::Sealed)?;
            if let Some(resealed) = resealed {
                state.write(KEY_FILE, &resealed).map_err(FingerprintKeyError::Storage)?;
            }
            let key = <[u8; 32]>::try_from(opened.as_slice());
            return key
                .map(|key| Self(Zeroizing::new(key)))
                .map_err(|_| FingerprintKeyError::Sealed(SealError::Damaged));
        }
        let key = Zeroizing::new(rand::random::<[u8; 32]>());
        let sealed = StorageSealer::new(&keyring.recipients(), Vec::new()).and_then(|mut sealer| {
            sealer.write_all(&key[..]).map_err(SealError::Io)?;
            sealer.finish()
        });
        let (sealed, _) = sealed.map_err(FingerprintKeyError::Sealed)?;
        state.write(KEY_FILE, &sealed).map_err(FingerprintKeyError::Storage)?;
        Ok(Self(key))
    }

    /// Sees that the key in a state directory opens, where there is one.
    ///
    /// # Errors
    /// [`FingerprintKeyError`].
    pub fn check(state_dir: &Path, keyring: &Keyring) -> Result<(), FingerprintKeyError> {
        if !state_dir.join(KEY_FILE).exists() {
            return Ok(());
        }
        let state = Directory::create(state_dir).map_err(FingerprintKeyError::Storage)?;
        let sealed = state.read(KEY_FILE, LONGEST_KEY_FILE_BYTES).map_err(FingerprintKeyError::Storage)?;
        let opened = sealed.map(|sealed| keyring.open_whole(&sealed[..], 32)).transpose();
        opened.map(drop).map_err(FingerprintKeyError::Sealed)
    }

    /// The fingerprint of a list under a protocol: HMAC-SHA-256 over its different numbers in ascending order, so
    /// that the same children in another order or file format are the same list. Hexadecimal.
    pub fn of_list(&self, list: &List, protocol: &ProtocolId) -> String {
        let Some(mut mac) = self.mac(protocol.as_str()) else { return String::new() };
        mac.update(&[0]);
        let mut bytes = Zeroizing::new([0; 4 * AT_ONCE]);
        for numbers in list.ascending().chunks(AT_ONCE) {
            for (number, bytes) in numbers.iter().zip(bytes.as_chunks_mut().0) {
                *bytes = number.key().to_le_bytes();
            }
            mac.update(bytes.get(..4 * numbers.len()).unwrap_or_default());
        }
        hex::encode(mac.finalize().into_bytes())
    }

    /// The fingerprint of a file under a protocol, by the SHA-256 of its content: keyed, since who has the log could else
    /// try what a file may have had in it. Hexadecimal.
    pub fn of_file(&self, content_sha256: &[u8; 32], kind: Kind, protocol: &ProtocolId) -> String {
        let Some(mut mac) = self.mac(protocol.as_str()) else { return String::new() };
        // Not what a list's numbers begin with.
        mac.update(&[1]);
        mac.update(content_sha256);
        mac.update(kind.name().as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// A number as if it were drawn, always the same for the same words about the same children in any order. It cannot be
    /// foretold without the key.
    pub fn draw(&self, words: [&str; 3], children: impl Iterator<Item = Niss>) -> Option<u64> {
        // No protocol is called so: it is no fingerprint's input.
        let mut mac = self.mac("draw:")?;
        for word in words {
            mac.update(word.as_bytes());
            mac.update(&[0]);
        }
        let mut children = Zeroizing::new(children.map(Niss::key).collect::<Vec<u32>>());
        children.sort_unstable();
        children.iter().for_each(|child| mac.update(&child.to_le_bytes()));
        mac.finalize().into_bytes().first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn mac(&self, beginning: &str) -> Option<Hmac<Sha256>> {
        // The only error of HMAC's set-up is a key length that it cannot have: it takes any.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0[..]).ok()?;
        mac.update(beginning.as_bytes());
        Some(mac)
    }

    #[cfg(test)]
    pub(super) fn of(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists;

    #[test]
    fn a_list_is_known_again_in_any_shape_under_its_protocol_only() {
        let root = tempfile::tempdir().unwrap();
        let state = Directory::create(root.path()).unwrap();
        let keyring = Keyring::generate();
        let key = FingerprintKey::open_or_draw(&state, &keyring).unwrap();
        let again = FingerprintKey::open_or_draw(&state, &keyring).unwrap();
        let read = |text: &str| {
            lists::read(text.as_bytes(), "x.csv", &lists::Limits::default(), jiff::civil::date(2026, 11, 21)).unwrap()
        };
        let protocol = "OPG-1".parse().unwrap();
        let one = key.of_list(&read("niss\n17073003384\n19081300193\n"), &protocol);
        assert_eq!(again.of_list(&read("rrn;x\r\n19.08.13-001.93;a\r\n17073003384;b"), &protocol), one);
        assert_ne!(key.of_list(&read("niss\n17073003384\n"), &protocol), one);
        assert_ne!(key.of_list(&read("niss\n17073003384\n19081300193\n"), &"OPG-2".parse().unwrap()), one);
        let file = key.of_file(&[7; 32], Kind::Betaling, &protocol);
        assert_eq!(again.of_file(&[7; 32], Kind::Betaling, &protocol), file);
        for other in [
            key.of_file(&[8; 32], Kind::Betaling, &protocol),
            key.of_file(&[7; 32], Kind::Gegevens, &protocol),
            key.of_file(&[7; 32], Kind::Betaling, &"OPG-2".parse().unwrap()),
        ] {
            assert_ne!(other, file);
        }
        let children = ["17073003384", "19081300193"].map(|number| Niss::parse(number).unwrap());
        let drawn = |key: &FingerprintKey, words| key.draw(words, children.into_iter()).unwrap();
        let number = drawn(&key, ["2026-11", "31033", "children"]);
        assert_eq!(drawn(&again, ["2026-11", "31033", "children"]), number);
        assert_eq!(key.draw(["2026-11", "31033", "children"], children.into_iter().rev()), Some(number));
        assert_ne!(drawn(&key, ["2026-11", "31033", "families"]), number);
        assert_ne!(drawn(&key, ["2026-12", "31033", "children"]), number);
        assert!(FingerprintKey::open_or_draw(&state, &Keyring::generate()).is_err());
        assert!(FingerprintKey::check(root.path(), &Keyring::generate()).is_err());
        FingerprintKey::check(root.path(), &keyring).unwrap();
        FingerprintKey::check(&root.path().join("absent"), &keyring).unwrap();
        // The identity is replaced, and then the old one goes.
        let new = Keyring::generate();
        let both = FingerprintKey::open_or_draw(&state, &new.clone().replacing(&keyring)).unwrap();
        assert_eq!(both.of_list(&read("niss\n17073003384\n19081300193\n"), &protocol), one);
        assert!(FingerprintKey::open_or_draw(&state, &new).is_ok());
    }
}
