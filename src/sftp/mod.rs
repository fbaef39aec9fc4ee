//! The SFTP server: the only room that knows SSH.
//!
//! Owns logins (which key may, from where, until when), limits on connections, and the SFTP session over a drop-box
//! ([`crate::dropbox::view`]). Refuses whatever is not SFTP: shells, commands, forwarding.
//!
//! Where to begin reading: [`Server`] accepts; `connection` lives for one connection, on a thread of `shards`; `handler`
//! answers the SSH transport, and `gate` judges logins with `auth`, `certificate` and `password`; `session` is the SFTP
//! loop, over `wire` (bytes), `handles` (what is open), `operations` and `upload` (what is done) and `outbox` (replies).
//! A test client stands in [`client`].

mod attending;
mod auth;
mod certificate;
pub mod client;
mod connection;
mod ending;
mod gate;
mod handler;
mod handles;
mod keys;
mod listing;
mod live;
mod mute;
mod negotiation;
mod operations;
mod outbox;
mod password;
mod penalties;
mod queue;
mod refusal;
mod server;
mod session;
mod sessions;
mod settings;
mod shards;
mod status;
mod transport;
mod upload;
mod wire;

pub use auth::{AcceptedLogin, CertificateUsed, LoginMethod};
pub use certificate::LONGEST_KEY_ID;
pub(crate) use connection::most_listed_bytes;
pub use keys::{HostKey, KeyFault, LONGEST_KEY_FILE, NewKey, new_key};
pub use negotiation::{Algorithms, FailedNegotiation, LONGEST_OFFERED, MOST_OFFERED};
pub use password::{LONGEST as LONGEST_PASSWORD, PasswordFault, SHORTEST as SHORTEST_PASSWORD, hash_password};
pub use penalties::{KeptFault, LONGEST_KEPT, SourcePenalty, kept_penalties};
pub(crate) use queue::most_bytes as most_queued_bytes;
pub use refusal::{LONGEST_USER, MOST_TRIED, RefusalReason, RefusedLogin, Tried};
pub use server::{Server, ServerEnd};
pub use sessions::Sessions;
pub use settings::{Directory, ServerSettings, SftpLimits, Unavailable, Witness};
pub use wire::{Decoded, decode_requests};

/// Why a server cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SftpError {
    /// There is no key to prove the server with.
    #[error("no host key is configured")]
    NoHostKey,
    /// The system has no more threads, or no more files for them.
    #[error("cannot start the threads of the SFTP server")]
    Threads(#[source] std::io::Error),
}
