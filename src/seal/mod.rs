//! age: sealing to recipients and opening with identities. Nobody else names the `age` crate.
//!
//! - To a tenant: [`TenantSealer`], which asks for the release gate's [`Clearance`](crate::domain::Clearance) and ends
//!   in a [`Sealed`], the proof that publishing asks for.
//! - To the exchange itself, for what must lie on disk: [`StorageSealer`].
//! - Opening: [`Keyring::open`]. Plaintext streams out before the last chunk proves that the file is whole, so act
//!   only after a clean end; [`Keyring::open_whole`] does. age does not say who sealed: that is who logged in.
//!
//! Keys are classic (X25519, SSH) or post-quantum hybrid ones; the two kinds cannot share one file.
//!
//! The header is the `age` crate's; its parser has no bounds, so a header is measured before the crate sees a byte of
//! it. The content is our own, on aws-lc, at twice the crate's speed.

mod file_key;
mod header;
mod hpke;
mod identity;
mod keyring;
mod payload;
mod post_quantum;
mod recipient;
mod record;
mod sealer;
#[cfg(test)]
mod testkit;
mod whole;

pub use header::{LONGEST_HEADER_BYTES, SNIFF_BYTES, looks_sealed};
pub use keyring::{Keyring, Opened};
pub use recipient::{Recipient, RecipientFault};
pub use record::RecordKey;
pub use sealer::{Digests, Sealed, StorageSealer, TenantSealer};

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The bytes are no age file.
    #[error("not an age file")]
    NotAge,
    /// The header has no end within [`LONGEST_HEADER_BYTES`], too many stanzas, or is damaged.
    #[error("the age header is damaged or too large")]
    Header,
    /// The file was sealed to other keys.
    #[error("sealed to another key")]
    NoMatchingKey,
    /// The file ends too early.
    #[error("the age file is cut off")]
    Truncated,
    /// The file was changed after sealing.
    #[error("the age file is damaged")]
    Damaged,
    /// The content is longer than the caller takes.
    #[error("the content is longer than {limit_bytes} bytes")]
    TooLarge {
        /// The caller's limit.
        limit_bytes: u64,
    },
    /// No key to seal to.
    #[error("no recipient to seal to")]
    NoRecipients,
    /// Recipients that cannot share a file: classic and post-quantum ones.
    #[error("post-quantum and classic recipients cannot share one file")]
    MixedRecipients,
    /// A text that is no identity file.
    #[error("not an age identity file: line {line}")]
    Identity {
        /// The line, from 1.
        line: usize,
    },
    /// Reading or writing failed.
    #[error("could not read or write")]
    Io(#[source] std::io::Error),
}

impl SealError {
    /// What an error while reading a sealed stream says of the file.
    pub fn from_reading(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Truncated,
            ErrorKind::InvalidData | ErrorKind::InvalidInput => Self::Damaged,
            _ => Self::Io(error),
        }
    }
}
