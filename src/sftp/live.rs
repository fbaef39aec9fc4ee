//! The connections that are there now, counted by where they come from, and who logged in on them by which steps.
//!
//! Invariant: those that wait for a login are counted by source and by network as well, so that choosing who gives way
//! is one pass over them, however many are logged in.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
};

use super::{
    auth::Steps,
    connection::Connection,
    penalties::{Network, Source},
};
use crate::dropbox::view::Login;

/// The connections of a server.
#[derive(Default)]
pub(super) struct Live {
    next: u64,
    pub connections: HashMap<u64, LiveConnection>,
    sources: HashMap<Source, usize>,
    /// Those that wait for a login, oldest first.
    waiting: BTreeMap<u64, Source>,
    waiting_of_source: HashMap<Source, usize>,
    waiting_of_network: HashMap<Network, usize>,
}

/// A connection that is counted.
pub(super) struct LiveConnection {
    pub connection: Arc<Connection>,
    source: Source,
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
    /// Counts a new connection, which waits for a login; returns its number.
    pub fn insert(&mut self, connection: &Arc<Connection>, source: Source) -> u64 {
        let number = self.next;
        self.next += 1;
        let live = LiveConnection { connection: Arc::clone(connection), source, admitted: None };
        self.connections.insert(number, live);
        *self.sources.entry(source).or_default() += 1;
        self.waiting.insert(number, source);
        *self.waiting_of_source.entry(source).or_default() += 1;
        *self.waiting_of_network.entry(source.network()).or_default() += 1;
        number
    }

    /// Somebody logged in on this connection; false when it was displaced in the meantime.
    pub fn admit(&mut self, connection: &Arc<Connection>, admitted: Admitted) -> bool {
        let mut all = self.connections.iter_mut();
        let Some((number, live)) = all.find(|(_, live)| Arc::ptr_eq(&live.connection, connection)) else {
            return false;
        };
        live.admitted = Some(admitted);
        let number = *number;
        self.waits_no_more(number);
        true
    }

    /// Takes a connection out of the count; it may have been taken out before.
    pub fn remove(&mut self, number: u64) -> Option<Arc<Connection>> {
        let LiveConnection { connection, source, .. } = self.connections.remove(&number)?;
        decrease(&mut self.sources, &source);
        self.waits_no_more(number);
        Some(connection)
    }

    /// The connections from there.
    pub fn from(&self, source: Source) -> usize {
        self.sources.get(&source).copied().unwrap_or_default()
    }

    /// The connections from there that wait for a login.
    pub fn waiting_from(&self, source: Source) -> usize {
        self.waiting_of_source.get(&source).copied().unwrap_or_default()
    }

    /// The connections that wait for a login.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The oldest connection from there that waits for a login.
    pub fn oldest_from(&self, source: Source) -> Option<u64> {
        self.waiting.iter().find(|(_, other)| **other == source).map(|(number, _)| *number)
    }

    /// Who gives way to a connection from `source` when there is no room for both: of those that wait for a login, the
    /// oldest of the source that has most, in the network that has most. Whoever holds many connections open so pushes
    /// out its own, and not a tenant that comes from elsewhere with one.
    pub fn gives_way(&self, source: Source) -> Option<u64> {
        let network = source.network();
        let weight = |number: u64, other: Source| {
            let of_network = self.waiting_of_network.get(&other.network()).copied().unwrap_or_default();
            // The new one counts with its own.
            (of_network + usize::from(other.network() == network), self.waiting_from(other), Reverse(number))
        };
        self.waiting.iter().max_by_key(|(number, other)| weight(**number, **other)).map(|(number, _)| *number)
    }

    fn waits_no_more(&mut self, number: u64) {
        if let Some(source) = self.waiting.remove(&number) {
            decrease(&mut self.waiting_of_source, &source);
            decrease(&mut self.waiting_of_network, &source.network());
        }
    }
}

/// One less; nothing is kept of what there is none of.
fn decrease<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sftp::queue::QueueMemory;

    fn connect(live: &mut Live, address: &str) -> (u64, Source) {
        let ip = address.parse().unwrap();
        let source = Source::of(ip);
        (live.insert(&Arc::new(Connection::new((ip, 5000).into(), 1, &QueueMemory::default())), source), source)
    }

    /// Lets connections from these addresses in with room for `most`; returns who is left, oldest first.
    fn left(most: usize, addresses: &[&str]) -> Vec<String> {
        let mut live = Live::default();
        for address in addresses {
            if live.waiting() >= most {
                let out = live.gives_way(Source::of(address.parse().unwrap())).unwrap();
                live.remove(out).unwrap();
            }
            connect(&mut live, address);
        }
        live.waiting.keys().map(|number| live.connections[number].connection.peer.ip().to_string()).collect()
    }

    #[test]
    fn who_holds_most_gives_way() {
        // The tenant was first, and is the oldest all the while.
        let one_source = ["192.0.2.1", "198.51.100.1", "198.51.100.1", "198.51.100.1", "198.51.100.1"];
        assert_eq!(left(3, &one_source), ["192.0.2.1", "198.51.100.1", "198.51.100.1"]);
        let one_network = ["192.0.2.1", "198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"];
        assert_eq!(left(3, &one_network), ["192.0.2.1", "198.51.100.3", "198.51.100.4"]);
        // A provider gives out a /48 to one customer: 65,536 sources.
        let one_prefix = ["2001:db8:1::1", "2001:db8:2:1::1", "2001:db8:2:2::1", "2001:db8:2:3::1", "2001:db8:2:4::1"];
        assert_eq!(left(3, &one_prefix), ["2001:db8:1::1", "2001:db8:2:3::1", "2001:db8:2:4::1"]);
        // In a network with strangers: the oldest of the source that has most.
        let neighbours = ["192.0.2.1", "192.0.2.9", "192.0.2.9", "192.0.2.9"];
        assert_eq!(left(3, &neighbours), ["192.0.2.1", "192.0.2.9", "192.0.2.9"]);
        // Nobody has more than another: the oldest.
        let all_alike = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "10.0.0.1"];
        assert_eq!(left(3, &all_alike), ["198.51.100.1", "203.0.113.1", "10.0.0.1"]);
    }

    #[test]
    fn nothing_is_left_of_who_is_gone() {
        let mut live = Live::default();
        let (first, source) = connect(&mut live, "192.0.2.1");
        let (second, _) = connect(&mut live, "192.0.2.1");
        assert_eq!((live.from(source), live.waiting_from(source), live.oldest_from(source)), (2, 2, Some(first)));
        live.waits_no_more(first);
        assert_eq!((live.from(source), live.waiting(), live.gives_way(source)), (2, 1, Some(second)));
        live.remove(first).unwrap();
        live.remove(second).unwrap();
        assert!(live.remove(second).is_none());
        assert_eq!((live.from(source), live.waiting(), live.gives_way(source)), (0, 0, None));
        assert!(live.sources.is_empty() && live.waiting_of_source.is_empty() && live.waiting_of_network.is_empty());
    }
}
