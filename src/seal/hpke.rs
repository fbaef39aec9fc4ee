//! HPKE, base mode, one message a key (RFC 9180, sections 5 and 6.1), in the one suite of age's hybrid recipients:
//! KEM MLKEM768-X25519, also known as X-Wing (draft-ietf-hpke-pq, filippo.io/hpke-pq), HKDF-SHA256, ChaCha20-Poly1305.
//!
//! - Who reads the content must break both ML-KEM-768 and X25519.
//! - A secret key is its 32-byte seed; everything else follows from it and is computed when it is needed.
//! - Refused: keys that ML-KEM's own check refuses (FIPS 203, section 7.2), and X25519 shares of low order, whose
//!   shared secret everybody knows.

use chacha20poly1305::{ChaCha20Poly1305, KeyInit, aead::Aead};
use ml_kem::{
    DecapsulationKey768, EncapsulationKey768, Seed,
    kem::{Decapsulate, Encapsulate, KeyExport},
};
use sha2::Sha256;
use sha3::{Digest, Sha3_256};
use shake::{ExtendableOutput, Shake256, XofReader};
use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, Zeroizing};

/// A secret key: the seed of both keys.
pub(super) const SEED_BYTES: usize = 32;
/// What is sent for the secret to be shared: ML-KEM's ciphertext, then X25519's ephemeral share.
pub(super) const ENCAPSULATED_BYTES: usize = ML_KEM_CIPHERTEXT_BYTES + X25519_BYTES;
/// What ChaCha20-Poly1305 adds to a message.
pub(super) const TAG_BYTES: usize = 16;

const ML_KEM_KEY_BYTES: usize = 1184;
const ML_KEM_CIPHERTEXT_BYTES: usize = 1088;
const X25519_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// The combiner's label.
const LABEL: &[u8] = br"\.//^\";
/// "HPKE", then the numbers of the KEM (0x647a), of HKDF-SHA256 (1) and of ChaCha20-Poly1305 (3).
const SUITE: &[u8] = b"HPKE\x64\x7a\x00\x01\x00\x03";
const VERSION: &[u8] = b"HPKE-v1";
const MODE_BASE: u8 = 0;

/// A key to seal to: ML-KEM's encapsulation key, then X25519's.
#[derive(Clone)]
pub(super) struct PublicKey {
    ml_kem: EncapsulationKey768,
    x25519: x25519_dalek::PublicKey,
}

/// A key that opens.
#[derive(Clone)]
pub(super) struct SecretKey {
    seed: Zeroizing<[u8; SEED_BYTES]>,
}

/// Why a message does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenFault {
    /// The X25519 share is of low order: no honest sender makes one.
    LowOrder,
    /// Sealed to another key, or changed since.
    NotOurs,
}

impl PublicKey {
    /// None when the length is not 1,216 bytes or a coefficient is out of range.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (ml_kem, x25519) = bytes.split_at_checked(ML_KEM_KEY_BYTES)?;
        let ml_kem = EncapsulationKey768::new(&ml_kem.try_into().ok()?).ok()?;
        Some(Self { ml_kem, x25519: <[u8; X25519_BYTES]>::try_from(x25519).ok()?.into() })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [self.ml_kem.to_bytes().as_slice(), self.x25519.as_bytes()].concat()
    }

    /// Seals a message: the encapsulated secret and the ciphertext. None for a key whose X25519 part is of low order.
    pub(super) fn seal(&self, info: &[u8], message: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut ephemeral = Zeroizing::new([0; X25519_BYTES]);
        rand::fill(ephemeral.as_mut_slice());
        let ephemeral = StaticSecret::from(*ephemeral);
        let share = x25519_dalek::PublicKey::from(&ephemeral);
        let agreed = ephemeral.diffie_hellman(&self.x25519);
        if !agreed.was_contributory() {
            return None;
        }
        let (ml_kem_ciphertext, ml_kem_secret) = self.ml_kem.encapsulate_with_rng(&mut rand::rng());
        let shared = combine(&Zeroizing::new(ml_kem_secret), &agreed, &share, &self.x25519);
        let (key, nonce) = schedule(&shared, info);
        // The only error is a message of 256 GiB.
        let ciphertext = ChaCha20Poly1305::new((&*key).into()).encrypt((&nonce).into(), message).ok()?;
        Some(([ml_kem_ciphertext.as_slice(), share.as_bytes()].concat(), ciphertext))
    }
}

impl SecretKey {
    pub(super) fn generate() -> Self {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        rand::fill(seed.as_mut_slice());
        Self { seed }
    }

    pub(super) fn from_seed(seed: Zeroizing<[u8; SEED_BYTES]>) -> Self {
        Self { seed }
    }

    pub(super) fn seed(&self) -> &[u8; SEED_BYTES] {
        &self.seed
    }

    pub(super) fn public_key(&self) -> PublicKey {
        let (ml_kem, x25519) = self.expand();
        PublicKey { ml_kem: ml_kem.encapsulation_key().clone(), x25519: (&x25519).into() }
    }

    /// Opens a message.
    pub(super) fn open(
        &self,
        encapsulated: &[u8; ENCAPSULATED_BYTES],
        info: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenFault> {
        let (ml_kem_ciphertext, share) = encapsulated.split_at(ML_KEM_CIPHERTEXT_BYTES);
        let ml_kem_ciphertext = ml_kem_ciphertext.try_into().map_err(|_| OpenFault::NotOurs)?;
        let share: [u8; X25519_BYTES] = share.try_into().map_err(|_| OpenFault::NotOurs)?;
        let share = x25519_dalek::PublicKey::from(share);
        let (ml_kem, x25519) = self.expand();
        let agreed = x25519.diffie_hellman(&share);
        if !agreed.was_contributory() {
            return Err(OpenFault::LowOrder);
        }
        let ml_kem_secret = Zeroizing::new(ml_kem.decapsulate(&ml_kem_ciphertext));
        let shared = combine(&ml_kem_secret, &agreed, &share, &(&x25519).into());
        let (key, nonce) = schedule(&shared, info);
        let opened = ChaCha20Poly1305::new((&*key).into()).decrypt((&nonce).into(), ciphertext);
        opened.map(Zeroizing::new).map_err(|_| OpenFault::NotOurs)
    }

    /// `expandKey` of hpke-pq.
    fn expand(&self) -> (DecapsulationKey768, StaticSecret) {
        let mut hash = Shake256::default();
        shake::Update::update(&mut hash, self.seed.as_slice());
        let mut output = hash.finalize_xof();
        let (mut ml_kem, mut x25519) = (Zeroizing::new(Seed::default()), Zeroizing::new([0; X25519_BYTES]));
        output.read(&mut ml_kem);
        output.read(x25519.as_mut_slice());
        (DecapsulationKey768::from_seed(*ml_kem), StaticSecret::from(*x25519))
    }
}

/// The KEM's shared secret, from both halves.
fn combine(
    ml_kem: &[u8],
    agreed: &x25519_dalek::SharedSecret,
    share: &x25519_dalek::PublicKey,
    recipient: &x25519_dalek::PublicKey,
) -> Zeroizing<[u8; 32]> {
    let mut hash = Sha3_256::new_with_prefix(ml_kem);
    for part in [agreed.as_bytes().as_slice(), share.as_bytes(), recipient.as_bytes(), LABEL] {
        hash.update(part);
    }
    Zeroizing::new(hash.finalize().into())
}

/// Key and nonce of the first message (RFC 9180, section 5.1), without a pre-shared key.
fn schedule(shared: &[u8; 32], info: &[u8]) -> (Zeroizing<[u8; 32]>, [u8; NONCE_BYTES]) {
    let mut context = vec![MODE_BASE];
    context.extend_from_slice(&extract(&[], b"psk_id_hash", &[]).0);
    context.extend_from_slice(&extract(&[], b"info_hash", info).0);
    let (mut secret, keys) = extract(shared, b"secret", &[]);
    secret.zeroize();
    let (mut key, mut nonce) = (Zeroizing::new([0; 32]), [0; NONCE_BYTES]);
    expand(&keys, b"key", &context, key.as_mut_slice());
    expand(&keys, b"base_nonce", &context, &mut nonce);
    (key, nonce)
}

/// `LabeledExtract` (RFC 9180, section 4).
fn extract(salt: &[u8], label: &[u8], material: &[u8]) -> ([u8; 32], hkdf::Hkdf<Sha256>) {
    let (secret, keys) = hkdf::Hkdf::extract(Some(salt), &[VERSION, SUITE, label, material].concat());
    (secret.into(), keys)
}

/// `LabeledExpand` (RFC 9180, section 4).
fn expand(keys: &hkdf::Hkdf<Sha256>, label: &[u8], context: &[u8], output: &mut [u8]) {
    // Neither output is longer than 32 bytes; the only error is one longer than 8,160.
    let length = u16::try_from(output.len()).unwrap_or_default().to_be_bytes();
    let _ = keys.expand_multi_info(&[&length, VERSION, SUITE, label, context], output);
}
