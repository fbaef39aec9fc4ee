//! Sources that connect, are greeted, and hang up without a word.
//!
//! A client sends its identification at once (RFC 4253, section 4.2: both sides do). Whoever connects only to be
//! greeted looks for servers, or makes them work; it is cheap for both, and nothing is refused: a source that does it
//! often is greeted when it has said something, or [`HESITATION`] later. Who speaks first waits for nothing, so that a
//! stranger costs the tenants behind the same address no time.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use tokio::time::Instant;

use super::penalties::Source;

/// For a client to say something before it is greeted. Clients that wait for the server first still get in.
pub(super) const HESITATION: Duration = Duration::from_secs(1);

/// How long one such connection counts.
const EACH: Duration = Duration::from_millis(250);

/// What a source may have counted: eight at once, or four a second; a monitor that asks each second never comes to it.
const TOLERATED: Duration = Duration::from_secs(2);

/// Sources remembered: some 300 KiB. When there are more, all are forgotten.
const MOST_SOURCES: usize = 4096;

/// What is known of mute sources: until when what they did counts.
#[derive(Debug, Default)]
pub(super) struct Mutes {
    until: HashMap<Source, Instant>,
}

impl Mutes {
    /// A connection from there was ended by its client, which said nothing.
    pub(super) fn hung_up(&mut self, address: IpAddr, now: Instant) {
        if self.until.len() >= MOST_SOURCES {
            self.until.retain(|_, until| *until > now);
            if self.until.len() >= MOST_SOURCES {
                self.until.clear();
            }
        }
        let until = self.until.entry(Source::of(address)).or_insert(now);
        // No more than what has an end soon after the source stops.
        *until = ((*until).max(now) + EACH).min(now + TOLERATED + EACH);
    }

    /// Whether a client from there is to speak first.
    pub(super) fn hesitates(&self, address: IpAddr, now: Instant) -> bool {
        self.until.get(&Source::of(address)).is_some_and(|until| *until >= now + TOLERATED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_often_mute_is_let_speak_first_for_a_while() {
        let (scanner, town): (IpAddr, IpAddr) = ("198.51.100.9".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let mut mutes = Mutes::default();
        let now = Instant::now();
        for _ in 0..8 {
            assert!(!mutes.hesitates(scanner, now));
            mutes.hung_up(scanner, now);
        }
        assert!(mutes.hesitates(scanner, now) && !mutes.hesitates(town, now));
        for _ in 0..1000 {
            mutes.hung_up(scanner, now);
        }
        assert!(!mutes.hesitates(scanner, now + 2 * EACH), "nothing is held against it for long");
        for second in 0..1000 {
            mutes.hung_up(town, now + Duration::from_secs(second));
            assert!(!mutes.hesitates(town, now + Duration::from_secs(second)), "a monitor");
        }
        for host in 0..10_000_u32 {
            mutes.hung_up(std::net::Ipv4Addr::from_bits(host).into(), now);
        }
        assert!(mutes.until.len() <= MOST_SOURCES);
    }
}
