//! One secret key, of either kind.

use age::{secrecy::ExposeSecret, x25519};
use zeroize::Zeroizing;

use super::{
    Recipient,
    post_quantum::{self, HybridIdentity},
};

#[derive(Clone)]
pub(super) enum Identity {
    X25519(x25519::Identity),
    Hybrid(HybridIdentity),
}

impl Identity {
    pub(super) fn generate() -> Self {
        Self::X25519(x25519::Identity::generate())
    }

    pub(super) fn generate_hybrid() -> Self {
        Self::Hybrid(HybridIdentity::generate())
    }

    /// None for a text that is neither kind of key.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.starts_with(post_quantum::IDENTITY_START) {
            HybridIdentity::parse(text).map(Self::Hybrid)
        } else {
            text.parse().ok().map(Self::X25519)
        }
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        match self {
            Self::X25519(identity) => Zeroizing::new(identity.to_string().expose_secret().to_owned()),
            Self::Hybrid(identity) => identity.to_text(),
        }
    }

    pub(super) fn to_public(&self) -> Recipient {
        match self {
            Self::X25519(identity) => Recipient::from_x25519(identity.to_public()),
            Self::Hybrid(identity) => Recipient::from_hybrid(identity.to_public()),
        }
    }

    pub(super) fn as_age(&self) -> &dyn age::Identity {
        match self {
            Self::X25519(identity) => identity,
            Self::Hybrid(identity) => identity,
        }
    }
}
