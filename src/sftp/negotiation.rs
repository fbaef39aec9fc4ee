//! Clients that speak nothing that is spoken here: what they offered, and what would have been accepted.
//!
//! What a client offers may be anything, so little of it is kept.

use std::net::SocketAddr;

use russh::AlgorithmKind;

/// What a client and this server have none of in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithms {
    /// Key exchanges.
    KeyExchange,
    /// Signatures of host keys; those of the keys that the server has.
    HostKey,
    /// Ciphers.
    Cipher,
    /// Message authentication codes, for a cipher that needs one.
    Mac,
    /// Compression; there is none here.
    Compression,
}

/// A connection that ended since the two sides speak nothing in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedNegotiation {
    /// Where it came from.
    pub peer: SocketAddr,
    /// The client's identification.
    pub client_banner: String,
    /// What they have none of in common, the first that was looked at.
    pub lacking: Algorithms,
    /// What the client offered of it, at most [`MOST_OFFERED`] names.
    pub offered: Vec<String>,
    /// What would have been accepted.
    pub accepted: Vec<String>,
}

/// Names that are kept of what a client offers: OpenSSH offers a dozen, old libraries two.
pub const MOST_OFFERED: usize = 32;

/// Characters of a name (RFC 4251, section 6, allows 64).
pub const LONGEST_OFFERED: usize = 64;

impl Algorithms {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::KeyExchange, Self::HostKey, Self::Cipher, Self::Mac, Self::Compression];

    /// The name in records and for operators.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyExchange => "key exchange",
            Self::HostKey => "host key",
            Self::Cipher => "cipher",
            Self::Mac => "MAC",
            Self::Compression => "compression",
        }
    }
}

impl FailedNegotiation {
    /// What an error of the transport tells of one; none when it is another error.
    pub(super) fn of(error: &russh::Error, peer: SocketAddr, client_banner: String) -> Option<Self> {
        let russh::Error::NoCommonAlgo { kind, ours, theirs } = error else { return None };
        let lacking = match kind {
            AlgorithmKind::Kex => Algorithms::KeyExchange,
            AlgorithmKind::Key => Algorithms::HostKey,
            AlgorithmKind::Cipher => Algorithms::Cipher,
            AlgorithmKind::Mac => Algorithms::Mac,
            AlgorithmKind::Compression => Algorithms::Compression,
        };
        let accepted = ours.iter().filter(|name| !is_marker(name)).cloned().collect();
        let offered = theirs.iter().filter(|name| !is_marker(name)).take(MOST_OFFERED).map(|name| readable(name));
        Some(Self { peer, client_banner, lacking, offered: offered.collect(), accepted })
    }
}

/// Whether it stands among the key exchanges and is none: markers of extensions.
fn is_marker(name: &str) -> bool {
    name.starts_with("ext-info-") || name.starts_with("kex-strict-")
}

fn readable(name: &str) -> String {
    let letters = name.chars().take(LONGEST_OFFERED);
    letters.map(|letter| if letter.is_ascii_graphic() { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_offers_is_kept_readable_and_short() {
        let peer: SocketAddr = "192.0.2.7:5000".parse().unwrap();
        let mut theirs =
            vec!["diffie-hellman-group14-sha1".to_owned(), "ext-info-c".to_owned(), "\u{1b}[2Jé".to_owned()];
        theirs.extend((0..1000).map(|_| "x".repeat(1000)));
        let ours = vec!["curve25519-sha256".to_owned(), "kex-strict-s-v00@openssh.com".to_owned()];
        let error = russh::Error::NoCommonAlgo { kind: AlgorithmKind::Kex, ours, theirs };
        let failed = FailedNegotiation::of(&error, peer, "SSH-2.0-old".to_owned()).unwrap();
        assert_eq!((failed.lacking, failed.accepted), (Algorithms::KeyExchange, vec!["curve25519-sha256".to_owned()]));
        assert_eq!(failed.offered.get(..2).unwrap(), ["diffie-hellman-group14-sha1", "?[2J?"]);
        assert_eq!((failed.offered.len(), failed.offered[5].len()), (MOST_OFFERED, LONGEST_OFFERED));
        assert_eq!(FailedNegotiation::of(&russh::Error::Disconnect, peer, String::new()), None);
    }
}
