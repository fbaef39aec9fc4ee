//! The key of one file, overheard while the crate wraps it for a recipient or unwraps it with an identity.
//!
//! The crate makes the key and keeps it to itself; what it asks of recipients and identities passes it along. With the
//! key the content is sealed and opened here, and the header stays the crate's.

use std::{cell::OnceCell, collections::HashSet};

use age::{DecryptError, EncryptError, secrecy::ExposeSecret};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use zeroize::Zeroizing;

/// A recipient or an identity, and the key that passed through it.
pub(super) struct Listening<'a, T: ?Sized> {
    to: &'a T,
    heard: OnceCell<Zeroizing<[u8; FILE_KEY_BYTES]>>,
}

impl<'a, T: ?Sized> Listening<'a, T> {
    pub fn to(to: &'a T) -> Self {
        Self { to, heard: OnceCell::new() }
    }

    /// The key, if it passed.
    pub fn heard(self) -> Option<Zeroizing<[u8; FILE_KEY_BYTES]>> {
        self.heard.into_inner()
    }

    fn hear(&self, key: &FileKey) {
        // Each file has one key, so that a second time tells nothing new.
        self.heard.get_or_init(|| Zeroizing::new(*key.expose_secret()));
    }
}

impl age::Recipient for Listening<'_, dyn age::Recipient + '_> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        self.hear(key);
        self.to.wrap_file_key(key)
    }
}

impl age::Identity for Listening<'_, dyn age::Identity + '_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let key = self.to.unwrap_stanza(stanza)?;
        Some(key.inspect(|key| self.hear(key)))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let key = self.to.unwrap_stanzas(stanzas)?;
        Some(key.inspect(|key| self.hear(key)))
    }
}
