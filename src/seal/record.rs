//! Small records sealed one by one under a key of their own (XChaCha20-Poly1305), where an age file for each would be
//! larger and slower than what it seals. The key itself lies in an age file; destroying that makes the records noise.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

/// Nonces are drawn: with 192 bits two of one key never meet.
const NONCE_BYTES: usize = 24;

/// A key for records.
#[derive(Clone)]
pub struct RecordKey(Zeroizing<[u8; Self::BYTES]>);

impl RecordKey {
    /// Length of the key, bytes.
    pub const BYTES: usize = 32;

    /// Draws a key from the system's randomness.
    pub fn generate() -> Self {
        let mut key = Zeroizing::new([0; Self::BYTES]);
        rand::fill(key.as_mut_slice());
        Self(key)
    }

    /// The key of these bytes; none when they are not as many as a key has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The key's bytes: secret.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Seals a record; it opens in that context only. None for what is longer than the cipher takes (256 GiB).
    pub fn seal(&self, context: &[u8], record: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let sealed = self.cipher().encrypt(XNonce::from_slice(&nonce), Payload { msg: record, aad: context }).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a record; none when it is another key's, another context's, or was changed.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let payload = Payload { msg: sealed, aad: context };
        self.cipher().decrypt(XNonce::from_slice(nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.as_slice().into())
    }
}

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RecordKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_opens_with_its_key_in_its_context() {
        let key = RecordKey::generate();
        let sealed = key.seal(b"bree 7", b"who").unwrap();
        assert_eq!(key.open(b"bree 7", &sealed).unwrap().as_slice(), b"who");
        assert!(key.open(b"bree 8", &sealed).is_none());
        assert!(RecordKey::generate().open(b"bree 7", &sealed).is_none());
        let mut changed = sealed.clone();
        changed[30] ^= 1;
        assert!(key.open(b"bree 7", &changed).is_none() && key.open(b"bree 7", &sealed[..20]).is_none());
        let again = RecordKey::from_bytes(key.as_bytes()).unwrap();
        assert!(again.open(b"bree 7", &sealed).is_some() && RecordKey::from_bytes(b"short").is_none());
    }
}
