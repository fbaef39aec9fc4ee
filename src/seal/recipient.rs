//! Public keys that files are sealed to.

use std::{fmt, str::FromStr};

use super::post_quantum::{self, HybridRecipient};

/// A public key: age's own (`age1…`, or `age1pq1…` for a post-quantum hybrid) or an OpenSSH one (`ssh-ed25519`,
/// `ssh-rsa`).
#[derive(Clone)]
pub struct Recipient {
    text: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    X25519(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
    Hybrid(HybridRecipient),
}

/// Why a text is no recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientFault {
    /// A secret key stands where a public one belongs.
    #[error("this is a secret key; the public one is needed")]
    Secret,
    /// The key is damaged or of a kind that cannot be sealed to.
    #[error("not an age recipient (age1…) or an ssh-ed25519 or ssh-rsa public key")]
    Format,
}

impl FromStr for Recipient {
    type Err = RecipientFault;

    fn from_str(text: &str) -> Result<Self, RecipientFault> {
        let text = text.trim();
        if text.contains("SECRET-KEY") || text.contains("PRIVATE KEY") {
            return Err(RecipientFault::Secret);
        }
        let key = if text.starts_with(post_quantum::RECIPIENT_START) {
            Key::Hybrid(text.parse()?)
        } else if text.starts_with("age1") {
            Key::X25519(text.parse().map_err(|_| RecipientFault::Format)?)
        } else {
            Key::Ssh(text.parse().map_err(|_| RecipientFault::Format)?)
        };
        Ok(Self { text: text.to_owned(), key })
    }
}

impl Recipient {
    pub(super) fn from_x25519(key: age::x25519::Recipient) -> Self {
        Self { text: key.to_string(), key: Key::X25519(key) }
    }

    pub(super) fn from_hybrid(key: HybridRecipient) -> Self {
        Self { text: key.to_text(), key: Key::Hybrid(key) }
    }

    /// Whether files sealed to it stay closed to a quantum computer. Such a recipient shares no file with another.
    pub fn is_post_quantum(&self) -> bool {
        matches!(self.key, Key::Hybrid(_))
    }

    pub(super) fn as_age(&self) -> &dyn age::Recipient {
        match &self.key {
            Key::X25519(key) => key,
            Key::Ssh(key) => key,
            Key::Hybrid(key) => key,
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_public_key_is_refused() {
        let secret = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
        for (text, fault) in [
            (secret, RecipientFault::Secret),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", RecipientFault::Secret),
            ("age1qqqq", RecipientFault::Format),
            ("age1pq1qqqq", RecipientFault::Format),
            ("ssh-dss AAAA", RecipientFault::Format),
            ("", RecipientFault::Format),
        ] {
            assert_eq!(text.parse::<Recipient>().map(|_| ()), Err(fault), "{text}");
        }
    }
}
