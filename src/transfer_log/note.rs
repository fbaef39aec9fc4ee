//! Signed notes (C2SP signed-note) and their Ed25519 keys.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The algorithm byte of Ed25519 (C2SP signed-note, "Signature types").
const ED25519: u8 = 1;

/// What a private key's text begins with.
const PRIVATE: &str = "PRIVATE+KEY+";

/// What a signature line begins with: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// Signatures that a note may carry: the log's own and those of a few witnesses.
const MAX_SIGNATURES: usize = 16;

/// Why a key or note is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteFault {
    /// A name that is empty, or holds a space or a plus sign.
    #[error("the key's name is empty, or holds a space or a plus sign")]
    Name,
    /// The key has not the form of a signed-note key.
    #[error("not a signed-note key")]
    KeyFormat,
    /// The key is not of Ed25519.
    #[error("not an Ed25519 key")]
    Algorithm,
    /// The key's hash is not that of its name and bytes.
    #[error("the key's hash does not fit it")]
    KeyHash,
    /// The note has not the form of a signed note.
    #[error("not a signed note")]
    NoteFormat,
    /// No signature of the key stands under the note.
    #[error("there is no signature by this key")]
    NoSignature,
    /// The signature by the key is not that of the text.
    #[error("the signature is not that of the text")]
    Signature,
    /// The text is not that of a checkpoint.
    #[error("not a checkpoint")]
    CheckpointFormat,
    /// The checkpoint is that of another log.
    #[error("the checkpoint is that of another log")]
    Origin,
}

/// The key that signs. Its bytes are wiped when it is dropped; it does not print itself.
#[derive(Clone)]
pub struct NoteKey {
    signing: SigningKey,
    verifier: VerifierKey,
}

/// The key that verifies: `<name>+<hash>+<base64>` (a vkey).
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    hash: [u8; 4],
    key: VerifyingKey,
}

impl NoteKey {
    /// Makes a key from the system's randomness. The name is the log's origin.
    ///
    /// # Errors
    /// [`NoteFault::Name`].
    pub fn generate(name: &str) -> Result<Self, NoteFault> {
        let mut seed = Zeroizing::new([0; 32]);
        rand::fill(seed.as_mut_slice());
        Self::from_seed(name, &seed)
    }

    fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteFault> {
        let signing = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, signing.verifying_key())?;
        Ok(Self { signing, verifier })
    }

    /// Reads `PRIVATE+KEY+<name>+<hash>+<base64>`, with white space around it.
    ///
    /// # Errors
    /// [`NoteFault`]: what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NoteFault> {
        let rest = text.trim().strip_prefix(PRIVATE).ok_or(NoteFault::KeyFormat)?;
        let KeyParts { name, hash, bytes } = split_key(rest)?;
        let seed: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| NoteFault::KeyFormat)?;
        let key = Self::from_seed(name, seed)?;
        if key.verifier.hash == hash { Ok(key) } else { Err(NoteFault::KeyHash) }
    }

    /// The text that [`NoteKey::parse`] reads. Secret: for a file of mode 0600.
    pub fn to_text(&self) -> Zeroizing<String> {
        let VerifierKey { name, hash, .. } = &self.verifier;
        let mut bytes = Zeroizing::new(vec![ED25519]);
        bytes.extend_from_slice(self.signing.as_bytes());
        let encoded = Zeroizing::new(STANDARD.encode(&*bytes));
        Zeroizing::new(format!("{PRIVATE}{name}+{}+{}", hex::encode(hash), *encoded))
    }

    /// The key's name: the log's origin.
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// The key that verifies what this one signs.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Puts a signature under a text that ends in a line feed.
    pub fn sign(&self, text: &str) -> String {
        format!("{text}\n{}", self.signature_line(text))
    }

    /// The line with the signature of a text that ends in a line feed.
    pub(super) fn signature_line(&self, text: &str) -> String {
        let mut bytes = self.verifier.hash.to_vec();
        bytes.extend_from_slice(&self.signing.sign(text.as_bytes()).to_bytes());
        format!("{SIGNATURE_MARK}{} {}\n", self.verifier.name, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NoteKey({}, ***)", self.verifier.name)
    }
}

impl VerifierKey {
    fn new(name: &str, key: VerifyingKey) -> Result<Self, NoteFault> {
        if name.is_empty() || name.contains('+') || name.contains(char::is_whitespace) {
            return Err(NoteFault::Name);
        }
        let mut hasher = Sha256::new();
        hasher.update(name.as_bytes());
        hasher.update([b'\n', ED25519]);
        hasher.update(key.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
        Ok(Self { name: name.to_owned(), hash: [a, b, c, d], key })
    }

    /// Reads `<name>+<hash>+<base64>`, with white space around it.
    ///
    /// # Errors
    /// [`NoteFault`]: what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NoteFault> {
        let KeyParts { name, hash, bytes } = split_key(text.trim())?;
        let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| NoteFault::KeyFormat)?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| NoteFault::KeyFormat)?;
        let verifier = Self::new(name, key)?;
        if verifier.hash == hash { Ok(verifier) } else { Err(NoteFault::KeyHash) }
    }

    /// The key's name: the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What tells this key from others of its name: `<name>+<hash>`.
    pub fn id(&self) -> String {
        format!("{}+{}", self.name, hex::encode(self.hash))
    }

    /// The text of a note that carries this key's signature.
    ///
    /// # Errors
    /// [`NoteFault`]: not a note, not signed by this key, or not its signature.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteFault> {
        let (before, signatures) = note.rsplit_once("\n\n").ok_or(NoteFault::NoteFormat)?;
        let text = note.get(..=before.len()).ok_or(NoteFault::NoteFormat)?;
        let lines = signatures.strip_suffix('\n').ok_or(NoteFault::NoteFormat)?.split('\n');
        let mut found = false;
        for (count, line) in lines.enumerate() {
            if count == MAX_SIGNATURES {
                return Err(NoteFault::NoteFormat);
            }
            found |= self.verify_line(text, line)?;
        }
        if found { Ok(text) } else { Err(NoteFault::NoSignature) }
    }

    /// Whether a line is this key's signature of the text; lines of other keys are passed over.
    fn verify_line(&self, text: &str, line: &str) -> Result<bool, NoteFault> {
        let (name, encoded) =
            line.strip_prefix(SIGNATURE_MARK).and_then(|rest| rest.split_once(' ')).ok_or(NoteFault::NoteFormat)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| NoteFault::NoteFormat)?;
        let (hash, signature) = bytes.split_first_chunk::<4>().ok_or(NoteFault::NoteFormat)?;
        if name != self.name || *hash != self.hash {
            return Ok(false);
        }
        let signature = Signature::from_slice(signature).map_err(|_| NoteFault::Signature)?;
        // Strict: one signature has one form, so a note cannot be changed and stay valid.
        self.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteFault::Signature)?;
        Ok(true)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(formatter, "{}+{}+{}", self.name, hex::encode(self.hash), STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifierKey({self})")
    }
}

/// The ids ([`VerifierKey::id`]) of the keys whose signatures stand under a note, unverified, sorted.
pub(super) fn signer_ids(note: &str) -> Vec<String> {
    let signatures = note.rsplit_once("\n\n").map_or("", |(_, signatures)| signatures);
    let id = |line: &str| {
        let (name, encoded) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        Some(format!("{name}+{}", hex::encode(bytes.first_chunk::<4>()?)))
    };
    let mut ids: Vec<String> = signatures.lines().filter_map(id).collect();
    ids.sort_unstable();
    ids
}

/// `<name>+<hash>+<base64>`, taken apart.
struct KeyParts<'a> {
    name: &'a str,
    hash: [u8; 4],
    bytes: Zeroizing<Vec<u8>>,
}

fn split_key(text: &str) -> Result<KeyParts<'_>, NoteFault> {
    let mut parts = text.splitn(3, '+');
    let mut next = || parts.next().ok_or(NoteFault::KeyFormat);
    let (name, printed, encoded) = (next()?, next()?, next()?);
    let mut hash = [0; 4];
    hex::decode_to_slice(printed, &mut hash).map_err(|_| NoteFault::KeyFormat)?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| NoteFault::KeyFormat)?);
    match bytes.split_first() {
        Some((&ED25519, key)) => Ok(KeyParts { name, hash, bytes: Zeroizing::new(key.to_vec()) }),
        Some(_) => Err(NoteFault::Algorithm),
        None => Err(NoteFault::KeyFormat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};

    const ORIGIN: &str = "groeikluis.example/2026";

    #[test]
    fn keys_are_read_as_they_are_printed() {
        let key = NoteKey::generate(ORIGIN).unwrap();
        let again = NoteKey::parse(&format!("{}\n", *key.to_text())).unwrap();
        assert_eq!(again.verifier(), key.verifier());
        assert_eq!(VerifierKey::parse(&key.verifier().to_string()).unwrap(), *key.verifier());
        assert!(!format!("{key:?}").contains(&key.to_text()[45..]));
        assert!(StandardSigner::new(&key.to_text()).is_ok());
        assert!(StandardVerifier::new(&key.verifier().to_string()).is_ok());
    }

    #[test]
    fn keys_at_fault_are_refused() {
        let text = NoteKey::generate(ORIGIN).unwrap().to_text();
        let public = NoteKey::generate(ORIGIN).unwrap().verifier().to_string();
        for (text, fault) in [
            (text.replace("2026", "2027"), NoteFault::KeyHash),
            (text.replace("PRIVATE", "PUBLIC"), NoteFault::KeyFormat),
            (text[..text.len() - 4].to_owned(), NoteFault::KeyFormat),
            (String::new(), NoteFault::KeyFormat),
        ] {
            assert_eq!(NoteKey::parse(&text).unwrap_err(), fault);
        }
        assert_eq!(VerifierKey::parse(&public.replace("2026", "2027")).unwrap_err(), NoteFault::KeyHash);
        assert_eq!(VerifierKey::parse("a+00000000+AgA=").unwrap_err(), NoteFault::Algorithm);
        assert_eq!(NoteKey::generate("with space").unwrap_err(), NoteFault::Name);
    }

    #[test]
    fn a_changed_note_does_not_verify() {
        let key = NoteKey::generate(ORIGIN).unwrap();
        let note = key.sign("groeikluis.example/2026\n1\nAAAA\n");
        assert!(key.verifier().open(&note).is_ok());
        let changed = note.replacen("\n1\n", "\n2\n", 1);
        assert_eq!(key.verifier().open(&changed).unwrap_err(), NoteFault::Signature);
        let other = NoteKey::generate(ORIGIN).unwrap();
        assert_eq!(other.verifier().open(&note).unwrap_err(), NoteFault::NoSignature);
        let both = format!("{note}{}", other.sign("x\n").lines().last().unwrap());
        assert_eq!(key.verifier().open(&both).unwrap_err(), NoteFault::NoteFormat);
        assert!(key.verifier().open(&format!("{both}\n")).is_ok());
    }

    proptest! {
        #[test]
        fn another_library_verifies_notes(lines in prop::collection::vec("[ -~]{1,20}", 1..5)) {
            let text = lines.join("\n") + "\n";
            let key = NoteKey::generate(ORIGIN).unwrap();
            let note = key.sign(&text);
            prop_assert_eq!(key.verifier().open(&note).unwrap(), &text);
            let verifier = StandardVerifier::new(&key.verifier().to_string()).unwrap();
            let parsed = Note::from_bytes(note.as_bytes()).unwrap();
            prop_assert_eq!(parsed.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap().0.len(), 1);
            prop_assert_eq!(parsed.text(), text.as_bytes());
            let mut theirs = Note::new(text.as_bytes(), &[]).unwrap();
            theirs.add_sigs(&[&StandardSigner::new(&key.to_text()).unwrap()]).unwrap();
            prop_assert_eq!(theirs.to_bytes(), note.as_bytes());
        }

        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let key = NoteKey::generate(ORIGIN).unwrap();
            let _ = (key.verifier().open(&text), NoteKey::parse(&text), VerifierKey::parse(&text));
        }
    }
}
