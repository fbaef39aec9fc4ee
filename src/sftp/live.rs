//! The connections that are there now, counted by where they come from, and who logged in on them by which steps.

use std::{collections::HashMap, sync::Arc};

use super::{auth::Steps, connection::Connection, penalties::Source};
use crate::dropbox::view::Login;

/// The connections of a server.
#[derive(Default)]
pub(super) struct Live {
    pub next: u64,
    pub connections: HashMap<u64, LiveConnection>,
    pub sources: HashMap<Source, usize>,
}

/// A connection that is counted.
pub(super) struct LiveConnection {
    pub connection: Arc<Connection>,
    pub source: Source,
    pub admitted: Option<Admitted>,
}

/// Who logged in, and by which steps.
pub(super) struct Admitted {
    pub login: Arc<Login>,
    pub steps: Steps,
}

impl LiveConnection {
    pub fn login(&self) -> Option<&Login> {
        self.admitted.as_ref().map(|admitted| &*admitted.login)
    }
}

impl Live {
    /// Takes a connection out of the count; it may have been taken out before.
    pub fn remove(&mut self, number: u64) -> Option<Arc<Connection>> {
        let LiveConnection { connection, source, .. } = self.connections.remove(&number)?;
        if let Some(count) = self.sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
        Some(connection)
    }

    /// The connections from there that wait for a login, and the oldest of them.
    pub fn waiting(&self, source: Source) -> (usize, Option<u64>) {
        let waiting = self.connections.iter().filter(|(_, live)| live.source == source && live.admitted.is_none());
        waiting.fold((0, None), |(count, oldest), (number, _)| {
            (count + 1, Some(oldest.map_or(*number, |oldest: u64| oldest.min(*number))))
        })
    }
}
