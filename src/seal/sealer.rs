//! Writers that seal what is written to them, with digests of both sides on the way.

use std::io::{self, Write};

use age::{Encryptor, stream::StreamWriter};
use sha2::{Digest, Sha256};

use super::{Recipient, SealError};
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
        self.sealer.stream.flush()
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
        self.sealer.stream.flush()
    }
}

struct DigestingSealer<W: Write> {
    stream: StreamWriter<Digesting<W>>,
    plaintext: Sha256,
    plaintext_size: u64,
}

impl<W: Write> DigestingSealer<W> {
    fn new(recipients: &[Recipient], output: W) -> Result<Self, SealError> {
        let encryptor =
            Encryptor::with_recipients(recipients.iter().map(Recipient::as_age)).map_err(|error| match error {
                age::EncryptError::MissingRecipients => SealError::NoRecipients,
                age::EncryptError::Io(error) => SealError::Io(error),
                age::EncryptError::IncompatibleRecipients { .. }
                | age::EncryptError::InvalidRecipientLabels(_)
                | age::EncryptError::MixedRecipientAndPassphrase
                | age::EncryptError::EncryptedIdentities(_) => SealError::MixedRecipients,
            })?;
        let output = Digesting { output, digest: Sha256::new(), size: 0 };
        let stream = encryptor.wrap_output(output).map_err(SealError::Io)?;
        Ok(Self { stream, plaintext: Sha256::new(), plaintext_size: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        self.plaintext.update(bytes.get(..written).unwrap_or_default());
        self.plaintext_size += written as u64;
        Ok(written)
    }

    fn finish(self) -> Result<(W, Digests), SealError> {
        let Digesting { output, digest, size } = self.stream.finish().map_err(SealError::Io)?;
        let digests = Digests {
            plaintext_sha256: self.plaintext.finalize().into(),
            plaintext_size: self.plaintext_size,
            ciphertext_sha256: digest.finalize().into(),
            ciphertext_size: size,
        };
        Ok((output, digests))
    }
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
