//! Secret keys that open what was sealed to them.

use std::{
    fmt,
    io::{BufRead, BufReader, Cursor, Read, Write},
};

use age::{Decryptor, armor::ArmoredReader};
use zeroize::Zeroizing;

use super::{
    Recipient, SealError, StorageSealer,
    file_key::Listening,
    header,
    identity::Identity,
    payload::{NONCE_BYTES, PayloadKey, PayloadReader},
};

/// Identities of one purpose: the key in use first, those that it replaced after it.
///
/// X25519 and post-quantum hybrid identities, also beside each other, so that one kind can replace the other. No
/// passphrases: one on the way in would let a sender choose how much work opening is.
#[derive(Clone)]
pub struct Keyring {
    identities: Vec<Identity>,
}

/// Room for reading ciphertext: a few chunks of 64 KiB, so that a read from the disk is worth its call.
pub(super) const READ_BUFFER_BYTES: usize = 256 * 1024;

impl Keyring {
    /// Reads an age identity file: a key a line, comments with `#`.
    ///
    /// # Errors
    /// [`SealError::Identity`] for a line that is neither, or line 0 when there is no key at all.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let mut identities = Vec::new();
        for (at, line) in text.lines().map(str::trim).enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                identities.push(Identity::parse(line).ok_or(SealError::Identity { line: at + 1 })?);
            }
        }
        if identities.is_empty() { Err(SealError::Identity { line: 0 }) } else { Ok(Self { identities }) }
    }

    /// Makes an X25519 key.
    pub fn generate() -> Self {
        Self { identities: vec![Identity::generate()] }
    }

    /// Makes a post-quantum hybrid key. Senders need an age that knows it: Go age from 1.3.
    pub fn generate_post_quantum() -> Self {
        Self { identities: vec![Identity::generate_hybrid()] }
    }

    /// The identity file, as `age-keygen` writes it but for the date.
    pub fn to_file(&self) -> Zeroizing<String> {
        // Room for all of it: a text that grows leaves copies of secrets behind. A hybrid key takes 2,052 bytes.
        let mut text = Zeroizing::new(String::with_capacity(self.identities.len() * 2_100));
        for identity in &self.identities {
            text.push_str("# public key: ");
            text.push_str(&identity.to_public().to_string());
            text.push('\n');
            text.push_str(&identity.to_text());
            text.push('\n');
        }
        text
    }

    /// The public key to seal to: that of the key in use, always one. Those that it replaced only open.
    pub fn recipients(&self) -> Vec<Recipient> {
        self.identities.first().map(Identity::to_public).into_iter().collect()
    }

    /// The same key in use, with those of another keyring after its own.
    #[must_use]
    pub fn replacing(mut self, older: &Self) -> Self {
        self.identities.extend(older.identities.iter().cloned());
        self
    }

    /// Whether there are keys that the one in use replaced.
    pub fn has_replaced(&self) -> bool {
        self.identities.len() > 1
    }

    /// Seals to the key in use what is sealed to one that it replaced; none when the key in use opens it.
    ///
    /// # Errors
    /// As [`Keyring::open_whole`], and [`SealError::Io`].
    pub fn reseal(&self, sealed: &[u8], limit_bytes: u64) -> Result<Option<Vec<u8>>, SealError> {
        let in_use = Self { identities: self.identities.first().cloned().into_iter().collect() };
        match in_use.open(sealed) {
            Ok(_) => return Ok(None),
            Err(SealError::NoMatchingKey) => {}
            Err(error) => return Err(error),
        }
        let content = self.open_whole(sealed, limit_bytes)?;
        let mut sealer = StorageSealer::new(&self.recipients(), Vec::new())?;
        sealer.write_all(&content).map_err(SealError::Io)?;
        Ok(Some(sealer.finish()?.0))
    }

    /// A secret for `purpose` that follows from the first identity, 32 bytes (HKDF-SHA-256, RFC 5869).
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut secret = Zeroizing::new([0; 32]);
        if let Some(identity) = self.identities.first() {
            let keys = hkdf::Hkdf::<sha2::Sha256>::new(Some(b"groeikluis"), identity.to_text().as_bytes());
            // The only error is an output longer than 8,160 bytes.
            let _ = keys.expand(purpose.as_bytes(), secret.as_mut());
        }
        secret
    }

    /// Opens an age file, armored or not. Read the result to its end before acting on what it says.
    ///
    /// # Errors
    /// [`SealError`]: not age, a header beyond bounds, sealed to another key, or the input's own fault.
    pub fn open<'a, R: Read + Send + 'a>(&self, input: R) -> Result<Opened<'a>, SealError> {
        let mut input = BufReader::with_capacity(READ_BUFFER_BYTES, input);
        let armored = header::is_armored(input.fill_buf().map_err(SealError::Io)?);
        if armored {
            self.open_binary(BufReader::new(ArmoredReader::new(header::LineGuard::new(input))))
        } else {
            self.open_binary(input)
        }
    }

    fn open_binary<'a, R: BufRead + Send + 'a>(&self, mut input: R) -> Result<Opened<'a>, SealError> {
        let (first, header_bytes) = header::read_bounded(&mut input)?;
        let mut input = Cursor::new(first).chain(input);
        let mut start = vec![0; header_bytes + NONCE_BYTES];
        input.read_exact(&mut start).map_err(SealError::from_reading)?;
        let payload = PayloadReader::new(self.payload_key(&start)?, input);
        Ok(Opened { plaintext: Box::new(payload) })
    }

    /// The key to a content, of the header and the nonce before it.
    pub(super) fn payload_key(&self, mut start: &[u8]) -> Result<PayloadKey, SealError> {
        let nonce = *start.last_chunk().ok_or(SealError::Truncated)?;
        let decryptor = Decryptor::new_buffered(&mut start).map_err(opening_error)?;
        if decryptor.is_scrypt() {
            return Err(SealError::NoMatchingKey);
        }
        let identities: Vec<Listening<'_, _>> = self.identities.iter().map(|one| Listening::to(one.as_age())).collect();
        let opened = decryptor.decrypt(identities.iter().map(|one| one as &dyn age::Identity));
        // What it would open is not there: it is asked because it checks the header's MAC.
        opened.map(drop).map_err(opening_error)?;
        let file_key = identities.into_iter().find_map(Listening::heard).filter(|_| start.is_empty());
        PayloadKey::of(&*file_key.ok_or(SealError::Header)?, &nonce).map_err(SealError::Io)
    }
}

fn opening_error(error: age::DecryptError) -> SealError {
    use age::DecryptError;
    match error {
        DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed => SealError::NoMatchingKey,
        DecryptError::UnknownFormat => SealError::NotAge,
        DecryptError::Io(error) => SealError::from_reading(error),
        DecryptError::DecryptionFailed | DecryptError::InvalidMac => SealError::Damaged,
        DecryptError::InvalidHeader | DecryptError::ExcessiveWork { .. } => SealError::Header,
    }
}

/// The plaintext of an age file, streaming. An error of kind `UnexpectedEof` says that the file is cut off,
/// `InvalidData` that it was changed: [`SealError::from_reading`] tells.
pub struct Opened<'a> {
    plaintext: Box<dyn Read + Send + 'a>,
}

impl Read for Opened<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.plaintext.read(buffer)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.recipients()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(keyring: &Keyring, content: &[u8]) -> Vec<u8> {
        let mut sealer = StorageSealer::new(&keyring.recipients(), Vec::new()).unwrap();
        sealer.write_all(content).unwrap();
        sealer.finish().unwrap().0
    }

    #[test]
    fn what_was_sealed_opens_at_every_chunk_boundary() {
        let keyring = Keyring::generate();
        for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000] {
            let content: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0]).collect();
            let opened = keyring.open_whole(&sealed(&keyring, &content)[..], 1 << 20).unwrap();
            assert_eq!(*opened, content, "{length}");
        }
    }

    #[test]
    fn a_keyring_reads_its_own_file_and_opens_with_each_of_its_keys() {
        let (old, new) = (Keyring::generate(), Keyring::generate());
        let both = Keyring::parse(&format!("{}\n{}", *new.to_file(), *old.to_file())).unwrap();
        assert_eq!(both.recipients()[0].to_string(), new.recipients()[0].to_string());
        assert!(both.has_replaced() && !new.has_replaced());
        assert_eq!(*both.to_file(), *new.clone().replacing(&old).to_file());
        assert_eq!(*both.open_whole(&sealed(&old, b"x")[..], 10).unwrap(), b"x");
        assert_eq!(*both.derive("a"), *new.derive("a"));
        assert_ne!(*both.derive("a"), *both.derive("b"));
        assert!(matches!(Keyring::parse("# nothing\nx"), Err(SealError::Identity { line: 2 })));
        assert!(matches!(Keyring::parse(""), Err(SealError::Identity { line: 0 })));
    }

    #[test]
    fn what_is_sealed_to_a_key_that_was_replaced_is_sealed_anew() {
        let old = Keyring::generate();
        for new in [Keyring::generate(), Keyring::generate_post_quantum()] {
            let both = new.clone().replacing(&old);
            let resealed = both.reseal(&sealed(&old, b"x"), 1).unwrap().unwrap();
            assert_eq!(*new.open_whole(&resealed[..], 1).unwrap(), b"x");
            assert!(both.reseal(&resealed, 1).unwrap().is_none());
            assert!(matches!(both.reseal(&sealed(&Keyring::generate(), b"x"), 1), Err(SealError::NoMatchingKey)));
        }
    }

    #[test]
    fn armored_files_open_too() {
        let keyring = Keyring::generate();
        let recipients = keyring.recipients();
        let encryptor = age::Encryptor::with_recipients(recipients.iter().map(Recipient::as_age)).unwrap();
        let armor = age::armor::ArmoredWriter::wrap_output(Vec::new(), age::armor::Format::AsciiArmor).unwrap();
        let mut writer = encryptor.wrap_output(armor).unwrap();
        writer.write_all(&vec![b'x'; 200_000]).unwrap();
        let file = writer.finish().and_then(age::armor::ArmoredWriter::finish).unwrap();
        assert!(crate::seal::looks_sealed(&file));
        assert_eq!(keyring.open_whole(&file[..], 1 << 20).unwrap().len(), 200_000);
    }

    #[test]
    fn files_at_fault_are_told_apart() {
        let keyring = Keyring::generate();
        let file = sealed(&keyring, &vec![7; 150_000]);
        let open = |bytes: &[u8]| keyring.open_whole(bytes, 1 << 20).map(|content| content.len());
        for cut in [file.len() - 1, file.len() - 20_000, 66_000, 300, 210] {
            let fault = open(&file[..cut]);
            assert!(matches!(fault, Err(SealError::Truncated | SealError::Damaged)), "{cut}: {fault:?}");
        }
        assert!(matches!(open(&file[..100]), Err(SealError::Truncated)));
        assert!(matches!(open(b"niss\n00012556777\n"), Err(SealError::NotAge)));
        let mut flipped = file.clone();
        flipped[1000] ^= 1;
        assert!(matches!(open(&flipped), Err(SealError::Damaged)));
        assert!(matches!(Keyring::generate().open_whole(&file[..], 10), Err(SealError::NoMatchingKey)));
        assert!(matches!(keyring.open_whole(&file[..], 149_999), Err(SealError::TooLarge { limit_bytes: 149_999 })));
    }
}
