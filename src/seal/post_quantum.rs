//! Hybrid recipients and identities (age-encryption.org/v1, "The MLKEM768-X25519 hybrid post-quantum recipient type"),
//! as Go age has them since 1.3, on the two traits that the crate leaves open for recipients of others.
//!
//! A file is sealed either to hybrid recipients or to classic ones: one classic recipient would undo the others'.

use std::{collections::HashSet, str::FromStr};

use age::{DecryptError, EncryptError, secrecy::ExposeSecret};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bech32::{FromBase32, ToBase32, Variant};
use zeroize::Zeroizing;

use super::{RecipientFault, hpke};

/// How a hybrid recipient begins: `age1pq`, then bech32's separator. No other recipient begins so.
pub(super) const RECIPIENT_START: &str = "age1pq1";
/// How a hybrid identity begins.
pub(super) const IDENTITY_START: &str = "AGE-SECRET-KEY-PQ-1";

const RECIPIENT_PREFIX: &str = "age1pq";
const IDENTITY_PREFIX: &str = "age-secret-key-pq-";
const STANZA_TAG: &str = "mlkem768x25519";
const INFO: &[u8] = b"age-encryption.org/mlkem768x25519";
/// The label that keeps these recipients apart from others in one file; Go age's word.
const LABEL: &str = "postquantum";

/// A public key `age1pq1…`, 1,959 characters long.
#[derive(Clone)]
pub(super) struct HybridRecipient {
    key: hpke::PublicKey,
}

/// A secret key `AGE-SECRET-KEY-PQ-1…`.
#[derive(Clone)]
pub(super) struct HybridIdentity {
    key: hpke::SecretKey,
}

impl FromStr for HybridRecipient {
    type Err = RecipientFault;

    fn from_str(text: &str) -> Result<Self, RecipientFault> {
        let bytes = decode(text, RECIPIENT_PREFIX).filter(|_| text.starts_with(RECIPIENT_START));
        let key = bytes.and_then(|bytes| hpke::PublicKey::from_bytes(&bytes)).ok_or(RecipientFault::Format)?;
        Ok(Self { key })
    }
}

impl HybridRecipient {
    pub(super) fn to_text(&self) -> String {
        encode(RECIPIENT_PREFIX, &self.key.to_bytes()).to_string()
    }
}

impl age::Recipient for HybridRecipient {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let (encapsulated, body) = self.key.seal(INFO, file_key.expose_secret()).ok_or_else(|| {
            EncryptError::Io(std::io::Error::other(
                "the recipient's X25519 part is of low order: it would hide nothing",
            ))
        })?;
        let stanza = Stanza { tag: STANZA_TAG.to_owned(), args: vec![STANDARD_NO_PAD.encode(encapsulated)], body };
        Ok((vec![stanza], HashSet::from([LABEL.to_owned()])))
    }
}

impl HybridIdentity {
    pub(super) fn generate() -> Self {
        Self { key: hpke::SecretKey::generate() }
    }

    /// None for a text that is no hybrid identity.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = decode(text, IDENTITY_PREFIX).filter(|_| text.starts_with(IDENTITY_START))?;
        let mut seed = Zeroizing::new([0; hpke::SEED_BYTES]);
        if bytes.len() != seed.len() {
            return None;
        }
        seed.copy_from_slice(&bytes);
        Some(Self { key: hpke::SecretKey::from_seed(seed) })
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut text = encode(IDENTITY_PREFIX, self.key.seed());
        text.make_ascii_uppercase();
        text
    }

    pub(super) fn to_public(&self) -> HybridRecipient {
        HybridRecipient { key: self.key.public_key() }
    }
}

impl age::Identity for HybridIdentity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag != STANZA_TAG {
            return None;
        }
        let Some(encapsulated) = encapsulated(stanza) else { return Some(Err(DecryptError::InvalidHeader)) };
        match self.key.open(&encapsulated, INFO, &stanza.body) {
            Ok(opened) => Some(FileKey::try_init_with_mut(|file_key| {
                *file_key = *opened.first_chunk().ok_or(DecryptError::InvalidHeader)?;
                Ok(())
            })),
            Err(hpke::OpenFault::LowOrder) => Some(Err(DecryptError::InvalidHeader)),
            // Perhaps another stanza is ours: a stanza does not say whose it is.
            Err(hpke::OpenFault::NotOurs) => None,
        }
    }
}

/// The encapsulated secret of a stanza in the one form that the specification allows. The body is measured too, before
/// it is opened: a longer one could be made to open under many keys and so be used to search for ours.
fn encapsulated(stanza: &Stanza) -> Option<[u8; hpke::ENCAPSULATED_BYTES]> {
    let [argument] = stanza.args.as_slice() else { return None };
    if stanza.body.len() != FILE_KEY_BYTES + hpke::TAG_BYTES {
        return None;
    }
    STANDARD_NO_PAD.decode(argument).ok()?.try_into().ok()
}

/// Bech32 without its limit of 90 characters. The words between text and bytes are the crate's and are not wiped, as
/// in the `age` crate itself.
fn decode(text: &str, prefix: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (found, words, variant) = bech32::decode(text).ok()?;
    let fits = found == prefix && variant == Variant::Bech32;
    Vec::from_base32(&words).ok().map(Zeroizing::new).filter(|_| fits)
}

fn encode(prefix: &str, bytes: &[u8]) -> Zeroizing<String> {
    // Room for all of it, so that no part of a secret is left behind where a growing text was.
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + bytes.len() * 2 + 8));
    // The errors are those of a bad prefix, and both are good, and of writing, which does not fail in memory.
    let _ = bech32::encode_to_fmt(&mut *text, prefix, bytes.to_base32(), Variant::Bech32);
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::seal::{Keyring, Recipient, SealError, StorageSealer, testkit::vectors};

    fn sealed(recipients: &[Recipient], content: &[u8]) -> Vec<u8> {
        let mut sealer = StorageSealer::new(recipients, Vec::new()).unwrap();
        sealer.write_all(content).unwrap();
        sealer.finish().unwrap().0
    }

    #[test]
    fn the_vectors_of_the_age_testkit_end_as_they_say() {
        let vectors: Vec<_> = vectors().into_iter().filter(|vector| vector.name.starts_with("hybrid")).collect();
        assert_eq!(vectors.len(), 18);
        for vector in vectors {
            let name = &vector.name;
            let keyring = Keyring::parse(&vector.values("identity")).unwrap();
            let opened = keyring.open_whole(&vector.file[..], 1 << 20);
            match vector.values("expect").as_str() {
                "success" => {
                    assert_eq!(hex::encode(Sha256::digest(&*opened.unwrap())), vector.values("payload"), "{name}");
                }
                "no match" => assert!(matches!(opened, Err(SealError::NoMatchingKey)), "{name}: {opened:?}"),
                // The crate's parser says of a body in base64 of a wrong form that the file is not age.
                "header failure" => {
                    assert!(matches!(opened, Err(SealError::Header | SealError::NotAge)), "{name}: {opened:?}");
                }
                other => panic!("{name}: {other}"),
            }
        }
    }

    #[test]
    fn a_public_key_follows_from_its_secret_one() {
        // The example of the specification; the digest is of its 1,959 characters.
        let identity = "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR";
        let public = HybridIdentity::parse(identity).unwrap().to_public().to_text();
        assert!(public.starts_with("age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg87pzf5z"));
        let digest = "a091dd7e0ee9d62b75173dcc98441a0424baa941e66a8776e570a4ae60ff61ea";
        assert_eq!((public.len(), hex::encode(Sha256::digest(&public)).as_str()), (1959, digest));
        assert_eq!(public.parse::<HybridRecipient>().unwrap().to_text(), public);
        assert_eq!(*HybridIdentity::parse(identity).unwrap().to_text(), identity);
    }

    #[test]
    fn each_recipient_opens_and_nobody_else() {
        let (first, second) = (Keyring::generate_post_quantum(), Keyring::generate_post_quantum());
        let both = [first.recipients(), second.recipients()].concat();
        let content = vec![7; 100_000];
        let file = sealed(&both, &content);
        for keyring in [&first, &second, &Keyring::parse(&second.to_file()).unwrap()] {
            assert_eq!(*keyring.open_whole(&file[..], 1 << 20).unwrap(), content);
        }
        for other in [Keyring::generate_post_quantum(), Keyring::generate()] {
            assert!(matches!(other.open_whole(&file[..], 1 << 20), Err(SealError::NoMatchingKey)));
        }
    }

    #[test]
    fn cut_and_altered_files_are_refused() {
        let keyring = Keyring::generate_post_quantum();
        let file = sealed(&keyring.recipients(), &vec![7; 70_000]);
        for cut in [10, 100, 1_000, 1_600, file.len() - 5_000, file.len() - 1] {
            let fault = keyring.open_whole(&file[..cut], 1 << 20);
            assert!(
                matches!(fault, Err(SealError::Truncated | SealError::Damaged | SealError::NotAge)),
                "{cut}: {fault:?}"
            );
        }
        for at in [40, 700, 1_500, 1_560, 2_500, file.len() - 1] {
            let mut altered = file.clone();
            altered[at] ^= 1;
            assert!(keyring.open_whole(&altered[..], 1 << 20).is_err(), "{at}");
        }
    }

    #[test]
    fn classic_and_hybrid_recipients_share_no_file() {
        let (classic, hybrid) = (Keyring::generate(), Keyring::generate_post_quantum());
        let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
        for other in [classic.recipients(), vec![ssh.parse().unwrap()]] {
            for mixed in [[hybrid.recipients(), other.clone()].concat(), [other, hybrid.recipients()].concat()] {
                assert!(matches!(StorageSealer::new(&mixed, Vec::new()), Err(SealError::MixedRecipients)));
            }
        }
    }

    #[test]
    fn one_kind_can_replace_the_other_in_a_keyring() {
        let (old, new) = (Keyring::generate(), Keyring::generate_post_quantum());
        let both = Keyring::parse(&format!("{}{}", *new.to_file(), *old.to_file())).unwrap();
        assert_eq!(both.recipients()[0].to_string(), new.recipients()[0].to_string());
        assert_eq!(both.recipients().len(), 1);
        assert_eq!(*both.derive("a"), *new.derive("a"));
        for file in [sealed(&both.recipients(), b"x"), sealed(&old.recipients(), b"x")] {
            assert_eq!(*both.open_whole(&file[..], 10).unwrap(), b"x");
        }
        assert!(both.to_file().contains(&*old.to_file()));
    }

    #[test]
    fn keys_of_low_order_are_not_sealed_to() {
        let recipient = Keyring::generate_post_quantum().recipients()[0].to_string();
        let mut key = decode(&recipient, RECIPIENT_PREFIX).unwrap();
        key[1184..].fill(0);
        let recipient: Recipient = encode(RECIPIENT_PREFIX, &key).parse().unwrap();
        assert!(matches!(StorageSealer::new(&[recipient], Vec::new()), Err(SealError::Io(_))));
        key[..3].fill(0xff);
        assert!(encode(RECIPIENT_PREFIX, &key).parse::<Recipient>().is_err(), "3329 is the modulus");
    }

    #[test]
    fn keys_of_another_length_or_prefix_are_refused() {
        let text = |prefix: &str, length: usize| encode(prefix, &vec![1; length]);
        for length in [0, 31, 33, 1215, 1217] {
            assert!(text(RECIPIENT_PREFIX, length).parse::<Recipient>().is_err());
            assert!(HybridIdentity::parse(&text(IDENTITY_PREFIX, length).to_uppercase()).is_none());
        }
        assert!(HybridIdentity::parse(&text(IDENTITY_PREFIX, 32).to_uppercase()).is_some());
        assert!(HybridIdentity::parse(&text(IDENTITY_PREFIX, 32)).is_none());
        assert!(HybridIdentity::parse(&text("age-secret-key-", 32).to_uppercase()).is_none());
    }

    proptest! {
        #[test]
        fn a_changed_key_is_refused(at in 0..75_usize, by in 1_u8..=255) {
            let identity = "AGE-SECRET-KEY-PQ-1HZLGZUPT4ETPKDEV8HSGFDCYZ4E522W0A7PU2LHT8EH9W6YLNC3SW78XKG";
            let mut changed = identity.as_bytes().to_vec();
            changed[at] ^= by;
            prop_assert!(HybridIdentity::parse(&String::from_utf8_lossy(&changed)).is_none());
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            let _ = format!("{IDENTITY_START}{text}").parse::<Recipient>();
            let _ = HybridIdentity::parse(&format!("{IDENTITY_START}{text}"));
            let _ = format!("{RECIPIENT_START}{text}").parse::<Recipient>();
        }
    }
}
