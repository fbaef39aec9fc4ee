//! Why the server ends a connection, and what the client is told.

use russh::Disconnect;

/// What a client is told whose tenant's file changed.
pub(super) const ACCESS_LOST: &str = "uw toegang is gewijzigd; meld opnieuw aan";

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// No login in time.
    Grace,
    /// Idle for too long.
    Idle,
    /// More attempts to log in than a connection has.
    Attempts,
    /// Another connection takes its place.
    Displaced,
    /// The tenant lost access.
    AccessLost,
    /// The server goes down.
    Shutdown,
    /// The server's own fault, which leaves a session without a way on.
    Failed,
    /// What came is no SFTP, or above a limit of it.
    Violation(&'static str),
}

impl Ending {
    /// What the client is told.
    pub fn message(self) -> &'static str {
        match self {
            Self::Grace => "niet op tijd aangemeld",
            Self::Idle => "verbinding te lang niet gebruikt",
            Self::Attempts => "te veel mislukte pogingen om aan te melden",
            Self::Displaced => "te veel verbindingen",
            Self::AccessLost => ACCESS_LOST,
            Self::Shutdown => "de server stopt of herstart; probeer het zo dadelijk opnieuw",
            Self::Failed => "tijdelijk probleem bij de uitwisseling; probeer het later opnieuw",
            Self::Violation(text) => text,
        }
    }

    /// The code of RFC 4253, section 11.1.
    pub fn disconnect(self) -> Disconnect {
        match self {
            Self::Violation(_) => Disconnect::ProtocolError,
            Self::Shutdown | Self::Failed => Disconnect::ServiceNotAvailable,
            Self::Attempts => Disconnect::NoMoreAuthMethodsAvailable,
            Self::Grace | Self::Idle | Self::Displaced | Self::AccessLost => Disconnect::ByApplication,
        }
    }
}
