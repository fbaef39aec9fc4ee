//! What the server is told: keys, limits, and who answers its questions.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{AcceptedLogin, FailedNegotiation, HostKey, RefusedLogin};
use crate::{
    config::{Limits, Penalties},
    domain::Tenant,
    dropbox::view::Login,
};

/// Settings of a server; they hold until it ends. Tenants are asked for at each login, through [`Directory`].
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Keys that the server proves itself with; at least one.
    pub host_keys: Vec<HostKey>,
    /// Shown before a login; Dutch, with its line end.
    pub banner: Option<String>,
    /// Limits.
    pub limits: SftpLimits,
    /// What failing logins cost.
    pub penalties: Penalties,
}

/// Limits of the server, from the YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SftpLimits {
    /// Connections at once; at most half of them wait for a login.
    pub connections: usize,
    /// Connections at once from one address; IPv6 addresses of one /64 count as one.
    pub connections_per_source: usize,
    /// Logged-in connections of one tenant at once.
    pub sessions_per_tenant: usize,
    /// From accepting a connection to its login.
    pub login_grace: Duration,
    /// Rejected attempts on one connection, under all user names together; the last of them ends it.
    pub auth_attempts: usize,
    /// Without a request or a byte sent on; keepalives do not count.
    pub idle: Duration,
    /// Open files and directories of one connection, in all of its SFTP sessions together.
    pub open_handles: usize,
    /// From the end of accepting to cutting what still transfers.
    pub drain: Duration,
}

impl SftpLimits {
    /// Connections at once that wait for a login: half of all. Whatever strangers hold open, the other half is for who
    /// is logged in; and half of a thousand takes a login of 0.3 s to push out only by 1,600 new ones a second, each from
    /// a network of its own.
    pub(super) fn waiting(&self) -> usize {
        (self.connections / 2).max(1)
    }
}

impl From<&Limits> for SftpLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            connections: limits.connections as usize,
            connections_per_source: limits.connections_per_source as usize,
            sessions_per_tenant: limits.sessions_per_tenant as usize,
            login_grace: limits.login_grace,
            auth_attempts: limits.auth_attempts as usize,
            idle: limits.idle,
            open_handles: limits.open_handles as usize,
            drain: limits.drain,
        }
    }
}

impl Default for SftpLimits {
    /// The defaults of `groeikluis.yaml`.
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

/// Who may log in, as the YAML says now.
pub trait Directory: Send + Sync {
    /// The tenant whose user name this is. Answers from memory.
    fn tenant(&self, user: &str) -> Option<Arc<Tenant>>;

    /// Whether any tenant has an authority whose certificates may log in. Answers from memory.
    fn has_authorities(&self) -> bool;

    /// The time, for the expiry of keys and the dates of listings.
    fn now(&self) -> Timestamp;
}

/// The account of logins. Calls may block, but for the last; the server makes them where that is allowed.
pub trait Witness: Send + Sync {
    /// Somebody logged in; called before the first SFTP reply.
    ///
    /// # Errors
    /// [`Unavailable`]: the account cannot be kept, so the session is refused.
    fn logged_in(&self, accepted: &AcceptedLogin) -> Result<(), Unavailable>;

    /// A connection ended without a login, or with another user name than before.
    fn refused(&self, refused: &RefusedLogin);

    /// A connection ended before anybody was named: its client speaks nothing that is spoken here. No entry of the
    /// account, where scanners would be most of it; for who explains it.
    fn not_understood(&self, failed: &FailedNegotiation);

    /// A logged-in connection ended. `regular` when the client ended it, with nothing open or unanswered in any of its
    /// sessions. Must not wait: it is called on the thread that serves other connections.
    fn logged_out(&self, login: &Login, bytes_in: u64, bytes_out: u64, duration: Duration, regular: bool);
}

/// The account of logins cannot be kept at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the account of logins cannot be kept")]
pub struct Unavailable;
