//! Sources that fail to log in again and again are slowed down for a while, longer each time.
//!
//! A penalty never shuts a source out. Behind one address may be a town hall, with a stranger or a forgotten script on
//! the same network, and one may fail while the other logs in for the first time: whoever comes with a right key or
//! password is let in at once. What a penalty does is to make guessing slow:
//! - each rejected attempt is answered after [`DELAY`];
//! - at most [`WAITING_CONNECTIONS`] connections wait for a login at once, and a new one takes the place of the oldest,
//!   so that a stranger who holds them open keeps nobody out.
//!
//! A penalty begins after a few connections without a login, doubles with each further one, and has a longest. An hour
//! without a failure takes half of the failures away. A good login takes all of them away, and for [`SPARED`] after it
//! the source may fail [`SPARED_TIMES`] as often.
//!
//! At most [`MOST_SOURCES`] sources are remembered; those with a good login go last. What is remembered can be kept and
//! put back, so that a restart forgives nobody.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::Penalties;

/// How long a slow source waits for the answer that an attempt was rejected: with six attempts on a connection it is
/// still done within the time for a login, should the sixth of somebody's keys be the right one.
pub(super) const DELAY: Duration = Duration::from_secs(2);

/// Connections of a slow source that are not logged in. A login takes a fraction of a second; a stranger must begin so
/// many in that time to push another out.
pub(super) const WAITING_CONNECTIONS: usize = 8;

/// Sources remembered: some 2 MiB. The one that failed longest ago makes room.
const MOST_SOURCES: usize = 16_384;

/// Without a failure for so long, half of them are forgiven.
const HALF_FORGIVEN: SignedDuration = SignedDuration::from_hours(1);

/// How long a good login speaks for its source: a tenant that comes once a month.
const SPARED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How many times more a source may fail for which a good login speaks: above what a forgotten script does in an hour
/// or two, below what guessing takes.
const SPARED_TIMES: u32 = 10;

/// Longest form to keep, bytes: every source remembered, at some 130 bytes.
pub const LONGEST_KEPT: u64 = 4 << 20;

/// The version of that form.
const KEPT_VERSION: u32 = 1;

/// An address as connections are counted: one IPv4 address, or a /64 of IPv6, which one subscriber has whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Source(IpAddr);

impl Source {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)))),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }

    /// The network that it is part of.
    pub(super) fn network(self) -> Network {
        match self.0 {
            IpAddr::V6(v6) => Network(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)))),
            IpAddr::V4(v4) => Network(IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << 8)))),
        }
    }
}

/// Sources that one party has cheaply: a /24 of IPv4, or a /48 of IPv6, which one customer of a provider may have whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Network(IpAddr);

/// Why penalties that were kept cannot be put back.
#[derive(Debug, thiserror::Error)]
pub enum KeptFault {
    /// Not the form that is kept.
    #[error("not the penalties that were kept")]
    Form(#[source] serde_json::Error),
    /// Of another version of this program.
    #[error("penalties of version {0}, not {KEPT_VERSION}")]
    Version(u32),
}

/// What is known of the source that an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourcePenalty {
    /// The address that was asked about.
    pub address: IpAddr,
    /// Whether it is of a network that is never slowed down.
    pub exempt: bool,
    /// Connections without a login that are not forgiven yet.
    pub failures: u32,
    /// Until when it is slowed down; none when it is not.
    pub slow_until: Option<Timestamp>,
    /// The last good login, while it speaks for the source.
    pub good: Option<Timestamp>,
}

/// What was kept of penalties says about these addresses.
///
/// # Errors
/// [`KeptFault`].
pub fn kept_penalties(
    kept: &[u8],
    rules: &Penalties,
    addresses: &[IpAddr],
    now: Timestamp,
) -> Result<Vec<SourcePenalty>, KeptFault> {
    let mut penalties = PenaltyBox::new(rules.clone());
    penalties.restore(kept, now)?;
    Ok(addresses.iter().map(|address| penalties.of(*address, now)).collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    failures: u32,
    /// The last failure.
    failed: Option<Timestamp>,
    /// The end of the penalty.
    until: Option<Timestamp>,
    /// The last good login.
    good: Option<Timestamp>,
}

/// What is known of sources.
#[derive(Debug)]
pub(super) struct PenaltyBox {
    rules: Penalties,
    sources: HashMap<Source, Record>,
    changed: bool,
}

impl PenaltyBox {
    pub(super) fn new(rules: Penalties) -> Self {
        Self { rules, sources: HashMap::new(), changed: false }
    }

    /// Whether a source is slow now.
    pub(super) fn slows(&self, address: IpAddr, now: Timestamp) -> bool {
        let until = self.sources.get(&Source::of(address)).and_then(|record| record.until);
        // A clock that was set back must not make a penalty longer than the longest.
        until.is_some_and(|until| now < until && until <= later(now, self.rules.longest))
    }

    /// What is known of a source.
    fn of(&self, address: IpAddr, now: Timestamp) -> SourcePenalty {
        let record = self.sources.get(&Source::of(address));
        SourcePenalty {
            address,
            exempt: self.is_exempt(address),
            failures: record.map_or(0, |record| record.failures_at(now)),
            slow_until: record.and_then(|record| record.until).filter(|_| self.slows(address, now)),
            good: record.filter(|record| record.is_spared(now)).and_then(|record| record.good),
        }
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        self.rules.exempt.iter().any(|network| network.contains(&canonical))
    }

    /// A connection from there came to no login.
    pub(super) fn failed(&mut self, address: IpAddr, now: Timestamp) {
        if self.is_exempt(address) {
            return;
        }
        let (after, first, longest) = (self.rules.after, self.rules.first, self.rules.longest);
        let record = self.record(Source::of(address), now);
        let after = if record.is_spared(now) { after.saturating_mul(SPARED_TIMES) } else { after };
        record.failures = record.failures_at(now).saturating_add(1);
        record.failed = Some(now);
        if let Some(above) = record.failures.checked_sub(after) {
            let factor = 1_u32.checked_shl(above).filter(|factor| *factor != 0).unwrap_or(u32::MAX);
            record.until = Some(later(now, first.saturating_mul(factor).min(longest)));
        }
        self.changed = true;
    }

    /// Somebody logged in from there.
    pub(super) fn spare(&mut self, address: IpAddr, now: Timestamp) {
        let record = self.record(Source::of(address), now);
        *record = Record { failures: 0, failed: None, until: None, good: Some(now) };
        self.changed = true;
    }

    /// What is to be kept; none when nothing changed since it was asked for.
    pub(super) fn keep(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        self.sources.retain(|_, record| record.matters(now));
        let seconds = |at: Option<Timestamp>| at.map(Timestamp::as_second);
        let sources = self.sources.iter().map(|(source, record)| KeptSource {
            source: source.0,
            failures: record.failures,
            failed: seconds(record.failed),
            until: seconds(record.until),
            good: seconds(record.good),
        });
        serde_json::to_vec(&Kept { version: KEPT_VERSION, sources: sources.collect() }).ok()
    }

    /// Puts back what was kept. Times to come, of a clock that was wrong, are taken for now.
    ///
    /// # Errors
    /// [`KeptFault`]; then nothing was put back.
    pub(super) fn restore(&mut self, kept: &[u8], now: Timestamp) -> Result<(), KeptFault> {
        let Kept { version, sources } = serde_json::from_slice(kept).map_err(KeptFault::Form)?;
        if version != KEPT_VERSION {
            return Err(KeptFault::Version(version));
        }
        let end = later(now, self.rules.longest);
        let at = |seconds: Option<i64>, latest: Timestamp| {
            seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).map(|at| at.min(latest))
        };
        for kept in sources.into_iter().take(MOST_SOURCES) {
            let record = Record {
                failures: kept.failures,
                failed: at(kept.failed, now),
                until: at(kept.until, end),
                good: at(kept.good, now),
            };
            self.sources.insert(Source::of(kept.source), record);
        }
        Ok(())
    }

    fn record(&mut self, source: Source, now: Timestamp) -> &mut Record {
        if self.sources.len() >= MOST_SOURCES && !self.sources.contains_key(&source) {
            self.make_room(now);
        }
        self.sources.entry(source).or_insert(Record { failures: 0, failed: None, until: None, good: None })
    }

    /// Forgets what does not matter any more; if everything does, the source that failed longest ago, and one for which
    /// a good login speaks last of all, since many strangers must not push the tenants out.
    fn make_room(&mut self, now: Timestamp) {
        self.sources.retain(|_, record| record.matters(now));
        if self.sources.len() >= MOST_SOURCES {
            let last = |record: &Record| (record.is_spared(now), record.failed.max(record.good));
            let oldest = self.sources.iter().min_by_key(|(_, record)| last(record)).map(|(source, _)| *source);
            oldest.map(|source| self.sources.remove(&source));
        }
    }
}

impl Record {
    /// Failures that are not forgiven yet.
    fn failures_at(&self, now: Timestamp) -> u32 {
        let Some(failed) = self.failed else { return 0 };
        let quiet = now.duration_since(failed).as_secs() / HALF_FORGIVEN.as_secs();
        self.failures.checked_shr(u32::try_from(quiet).unwrap_or(0)).unwrap_or(0)
    }

    fn is_spared(&self, now: Timestamp) -> bool {
        self.good.is_some_and(|good| now.duration_since(good) <= SPARED)
    }

    fn matters(&self, now: Timestamp) -> bool {
        self.is_spared(now) || self.failures_at(now) > 0 || self.until.is_some_and(|until| now < until)
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    sources: Vec<KeptSource>,
}

/// Times in seconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptSource {
    source: IpAddr,
    failures: u32,
    failed: Option<i64>,
    until: Option<i64>,
    good: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Penalties {
        Penalties { exempt: vec!["10.0.0.0/8".parse().unwrap()], ..Penalties::default() }
    }

    fn start() -> Timestamp {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        start() + SignedDuration::from_secs(seconds)
    }

    /// For how many seconds the source is slow.
    fn slow_for(penalties: &PenaltyBox, source: IpAddr, from: Timestamp) -> Option<i64> {
        let slow = |second: &i64| penalties.slows(source, from + SignedDuration::from_secs(*second));
        (0..=4000).rev().find(slow).map(|second| second + 1)
    }

    #[test]
    fn penalties_begin_after_a_few_failures_double_and_have_an_end() {
        let mut penalties = PenaltyBox::new(rules());
        let stranger: IpAddr = "198.51.100.9".parse().unwrap();
        for _ in 0..4 {
            penalties.failed(stranger, start());
            assert!(!penalties.slows(stranger, start()));
        }
        let mut slow = Vec::new();
        for _ in 0..40 {
            penalties.failed(stranger, start());
            slow.push(slow_for(&penalties, stranger, start()).unwrap());
        }
        assert_eq!(slow.get(..4).unwrap(), [10, 20, 40, 80]);
        assert_eq!(slow.last(), Some(&3600));
        assert!(!penalties.slows(stranger, after(-3600)), "a clock that was set back");
    }

    #[test]
    fn failures_are_forgiven_by_halves() {
        let mut penalties = PenaltyBox::new(rules());
        let stranger: IpAddr = "198.51.100.9".parse().unwrap();
        for _ in 0..8 {
            penalties.failed(stranger, start());
        }
        // Eight, then four and this one; then two and this one.
        penalties.failed(stranger, after(3600));
        assert_eq!(slow_for(&penalties, stranger, after(3600)), Some(10));
        penalties.failed(stranger, after(2 * 3600));
        assert_eq!(slow_for(&penalties, stranger, after(2 * 3600)), None);
        penalties.failed(stranger, after(100 * 3600));
        assert_eq!(penalties.sources[&Source::of(stranger)].failures, 1);
    }

    #[test]
    fn good_logins_and_exempt_networks_are_spared() {
        let mut penalties = PenaltyBox::new(rules());
        let (town, exempt): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "::ffff:10.1.2.3".parse().unwrap());
        for _ in 0..20 {
            penalties.failed(town, start());
        }
        assert!(penalties.slows(town, start()));
        penalties.spare(town, start());
        assert!(!penalties.slows(town, start()));
        for count in 1..=50 {
            assert!(!penalties.slows(town, start()), "{count}");
            penalties.failed(town, start());
            penalties.failed(exempt, start());
        }
        assert!(penalties.slows(town, start()) && !penalties.slows(exempt, start()));
        penalties.spare(town, start());
        let later = after(31 * 24 * 3600);
        for _ in 0..5 {
            penalties.failed(town, later);
        }
        assert!(penalties.slows(town, later));
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_source_and_memory_is_bounded() {
        let mut penalties = PenaltyBox::new(rules());
        let town: IpAddr = "192.0.2.1".parse().unwrap();
        penalties.spare(town, start());
        for host in 0..5_u128 {
            penalties.failed(Ipv6Addr::from_bits((0x2001_0db8 << 96) | host).into(), start());
        }
        assert!(penalties.slows("2001:db8::ffff".parse().unwrap(), start()));
        assert!(!penalties.slows("2001:db8:0:1::1".parse().unwrap(), start()));
        for network in 0..u128::try_from(MOST_SOURCES).unwrap() + 10 {
            penalties.failed(Ipv6Addr::from_bits((0x2001_0db9 << 96) | (network << 64)).into(), after(1));
        }
        assert_eq!(penalties.sources.len(), MOST_SOURCES);
        assert!(penalties.sources[&Source::of(town)].is_spared(after(1)), "strangers push no tenant out");
        assert!(penalties.keep(after(1)).unwrap().len() < usize::try_from(LONGEST_KEPT).unwrap());
    }

    #[test]
    fn what_was_kept_holds_after_a_restart() {
        let mut before = PenaltyBox::new(rules());
        assert_eq!(before.keep(start()), None);
        let (stranger, town): (IpAddr, IpAddr) = ("198.51.100.9".parse().unwrap(), "2001:db8::1".parse().unwrap());
        for _ in 0..7 {
            before.failed(stranger, start());
        }
        before.spare(town, start());
        let kept = before.keep(start()).unwrap();
        assert_eq!(before.keep(start()), None);
        let mut then = PenaltyBox::new(rules());
        then.restore(&kept, after(5)).unwrap();
        assert_eq!(then.sources, before.sources);
        assert_eq!(slow_for(&then, stranger, after(5)), Some(35));
        let exempt: IpAddr = "10.9.8.7".parse().unwrap();
        let told = kept_penalties(&kept, &rules(), &[stranger, town, exempt], after(5)).unwrap();
        let of =
            |address, exempt, failures, slow_until, good| SourcePenalty { address, exempt, failures, slow_until, good };
        assert_eq!(told[0], of(stranger, false, 7, Some(after(40)), None));
        assert_eq!(told[1], of(town, false, 0, None, Some(start())));
        assert_eq!(told[2], of(exempt, true, 0, None, None));
        let mut early = PenaltyBox::new(rules());
        early.restore(&kept, after(-100_000)).unwrap();
        assert_eq!(early.sources[&Source::of(stranger)].failed, Some(after(-100_000)));
        for broken in [&b"x"[..], b"{}", &kept[..kept.len() - 1], br#"{"version":2,"sources":[]}"#] {
            assert!(PenaltyBox::new(rules()).restore(broken, start()).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), failures: u32, at: i64) {
            let _ = PenaltyBox::new(rules()).restore(&bytes, start());
            let text = format!(
                r#"{{"version":1,"sources":[{{"source":"192.0.2.1","failures":{failures},"failed":{at},"until":{at},"good":null}}]}}"#
            );
            let mut penalties = PenaltyBox::new(rules());
            penalties.restore(text.as_bytes(), start()).unwrap();
            penalties.failed("192.0.2.1".parse().unwrap(), start());
            penalties.slows("192.0.2.1".parse().unwrap(), Timestamp::MAX);
        }
    }
}
