//! What a caller hands to the log: an event with its circumstances.

use std::{fmt, str::FromStr};

use super::Event;
use crate::domain::{ProtocolId, TenantId};

/// One entry to be.
#[derive(Debug, Clone)]
pub struct Record {
    /// What happened.
    pub event: Event,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, as a code of a closed set; the caller takes it from an enum.
    pub reason: Option<&'static str>,
    /// Whom and what it concerns.
    pub context: Context,
    /// What identifies an official: kept apart, only its salted digest is in the entry.
    pub disclosed: Vec<Disclosed>,
}

impl Record {
    /// A success without reason and disclosures.
    pub fn success(event: Event, context: Context) -> Self {
        Self { event, outcome: Outcome::Success, reason: None, context, disclosed: Vec::new() }
    }

    /// A failure with its reason, without disclosures.
    pub fn failure(event: Event, reason: &'static str, context: Context) -> Self {
        Self { event, outcome: Outcome::Failure, reason: Some(reason), context, disclosed: Vec::new() }
    }

    /// The same with what identifies an official.
    #[must_use]
    pub fn disclosing(mut self, disclosed: impl IntoIterator<Item = Disclosed>) -> Self {
        self.disclosed.extend(disclosed);
        self
    }
}

/// How an event ended (ECS `event.outcome`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused, or failed.
    Failure,
    /// Nobody knows.
    Unknown,
}

/// Whom and what an event concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The tenant.
    pub tenant: Option<TenantId>,
    /// The protocol, agreement or assignment.
    pub protocol: Option<ProtocolId>,
    /// Who acted.
    pub actor: Actor,
    /// The label of the key or password that logged in.
    pub key: Option<String>,
    /// The session's random name.
    pub session: Option<String>,
    /// What ties entries together: the submission's id for everything about one upload.
    pub correlation: Option<String>,
}

impl Context {
    /// Something that the daemon did by itself.
    pub fn daemon() -> Self {
        Self::of(Actor::Daemon)
    }

    /// Something that `actor` did, with nothing else known.
    pub fn of(actor: Actor) -> Self {
        Self { tenant: None, protocol: None, actor, key: None, session: None, correlation: None }
    }
}

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Somebody at the tenant's end of a session.
    Tenant,
    /// Somebody of the agency.
    Operator,
    /// The daemon.
    Daemon,
}

/// Something that identifies an official, with its name among `ip`, `user`, `fingerprint`, `banner`, `path`,
/// `path_before`, `plaintext_sha256`.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosed {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

impl fmt::Debug for Disclosed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Disclosed({}, ***)", self.name)
    }
}

/// Gives an enum its words in the log.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// The word in the log.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word { $($word => Ok(Self::$variant),)+ _ => Err(UnknownWord) }
            }
        }
    };
}

/// A word that the log does not use there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a word of the log")]
pub struct UnknownWord;

words!(Outcome { Success = "success", Failure = "failure", Unknown = "unknown" });
words!(Actor { Tenant = "tenant", Operator = "operator", Daemon = "daemon" });
