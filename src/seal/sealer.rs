//! Writers that seal what is written to them, with digests of both sides on the way.

use std::io::{self, Write};

use age::Encryptor;
use sha2::{Digest, Sha256};

use super::{
    Recipient, SealError,
    file_key::Listening,
    payload::{PayloadKey, PayloadWriter},
};
use crate::domain::Clearance;

/// What went through a sealer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256 of the content.
    pub plaintext_sha256: [u8; 32],
    /// Length of the content, bytes.
    pub plaintext_size: u64,
    /// SHA-256 of the sealed file.
    pub ciphertext_sha256: [u8; 32],
    /// Length of the sealed file, bytes.
    pub ciphertext_size: u64,
}

/// Proof that a file was cleared by the release gate and sealed to the tenant's keys.
#[derive(Debug)]
pub struct Sealed {
    clearance: Clearance,
    digests: Digests,
    recipients: Vec<String>,
}

impl Sealed {
    /// On whose and what ground the file may leave.
    pub fn clearance(&self) -> &Clearance {
        &self.clearance
    }

    /// What was sealed.
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// The public keys that it was sealed to.
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }
}

/// Seals a file for a tenant. Dropping it unfinished leaves a file that cannot be opened.
pub struct TenantSealer<W: Write> {
    sealer: DigestingSealer<W>,
    clearance: Clearance,
    recipients: Vec<String>,
}

impl<W: Write> TenantSealer<W> {
    /// Begins a file that `clearance` allows.
    ///
    /// # Errors
    /// [`SealError::NoRecipients`], [`SealError::MixedRecipients`], [`SealError::Io`].
    pub fn new(clearance: Clearance, recipients: &[Recipient], output: W) -> Result<Self, SealError> {
        let sealer = DigestingSealer::new(recipients, output)?;
        Ok(Self { sealer, clearance, recipients: recipients.iter().map(ToString::to_string).collect() })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`SealError::Io`].
    pub fn finish(self) -> Result<(W, Sealed), SealError> {
        let (output, digests) = self.sealer.finish()?;
        Ok((output, Sealed { clearance: self.clearance, digests, recipients: self.recipients }))
    }
}

impl<W: Write> Write for TenantSealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sealer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sealer.payload.flush()
    }
}

/// Seals what must lie on the exchange's own disk, to its own key.
pub struct StorageSealer<W: Write> {
    sealer: DigestingSealer<W>,
}

impl<W: Write> StorageSealer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// As [`TenantSealer::new`].
    pub fn new(own: &[Recipient], output: W) -> Result<Self, SealError> {
        Ok(Self { sealer: DigestingSealer::new(own, output)? })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`SealError::Io`].
    pub fn finish(self) -> Result<(W, Digests), SealError> {
        self.sealer.finish()
    }
}

impl<W: Write> Write for StorageSealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sealer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sealer.payload.flush()
    }
}

struct DigestingSealer<W: Write> {
    payload: PayloadWriter<Digesting<W>>,
    plaintext: Sha256,
    plaintext_size: u64,
}

impl<W: Write> DigestingSealer<W> {
    fn new(recipients: &[Recipient], output: W) -> Result<Self, SealError> {
        let (start, key) = begin(recipients)?;
        let mut output = Digesting { output, digest: Sha256::new(), size: 0 };
        output.write_all(&start).map_err(SealError::Io)?;
        Ok(Self { payload: PayloadWriter::new(key, output), plaintext: Sha256::new(), plaintext_size: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.payload.write(bytes)?;
        self.plaintext.update(bytes.get(..written).unwrap_or_default());
        self.plaintext_size += written as u64;
        Ok(written)
    }

    fn finish(self) -> Result<(W, Digests), SealError> {
        let Digesting { output, digest, size } = self.payload.finish().map_err(SealError::Io)?;
        let digests = Digests {
            plaintext_sha256: self.plaintext.finalize().into(),
            plaintext_size: self.plaintext_size,
            ciphertext_sha256: digest.finalize().into(),
            ciphertext_size: size,
        };
        Ok((output, digests))
    }
}

/// A file's header and the nonce behind it, and the key to its content.
fn begin(recipients: &[Recipient]) -> Result<(Vec<u8>, PayloadKey), SealError> {
    let recipients: Vec<Listening<'_, _>> = recipients.iter().map(|one| Listening::to(one.as_age())).collect();
    let encryptor = Encryptor::with_recipients(recipients.iter().map(|one| one as &dyn age::Recipient));
    let encryptor = encryptor.map_err(|error| match error {
        age::EncryptError::MissingRecipients => SealError::NoRecipients,
        age::EncryptError::Io(error) => SealError::Io(error),
        age::EncryptError::IncompatibleRecipients { .. }
        | age::EncryptError::InvalidRecipientLabels(_)
        | age::EncryptError::MixedRecipientAndPassphrase
        | age::EncryptError::EncryptedIdentities(_) => SealError::MixedRecipients,
    })?;
    let mut start = Vec::new();
    // The crate's own writer of the content is not used: it wrote the header.
    encryptor.wrap_output(&mut start).map(drop).map_err(SealError::Io)?;
    let file_key = recipients.into_iter().find_map(Listening::heard).ok_or(SealError::NoRecipients)?;
    let nonce = start.last_chunk().ok_or(SealError::Header)?;
    let key = PayloadKey::of(&*file_key, nonce).map_err(SealError::Io)?;
    Ok((start, key))
}

struct Digesting<W> {
    output: W,
    digest: Sha256,
    size: u64,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Keyring;

    #[test]
    fn digests_are_those_of_both_sides() {
        let keyring = Keyring::generate();
        let mut sealer = StorageSealer::new(&keyring.recipients(), Vec::new()).unwrap();
        sealer.write_all(b"lijst").unwrap();
        let (file, digests) = sealer.finish().unwrap();
        assert_eq!(digests.plaintext_sha256, <[u8; 32]>::from(Sha256::digest(b"lijst")));
        assert_eq!(digests.ciphertext_sha256, <[u8; 32]>::from(Sha256::digest(&file)));
        assert_eq!((digests.plaintext_size, digests.ciphertext_size), (5, file.len() as u64));
    }

    #[test]
    fn nothing_is_sealed_to_nobody() {
        assert!(matches!(StorageSealer::new(&[], Vec::new()), Err(SealError::NoRecipients)));
    }
}
