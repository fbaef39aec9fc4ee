//! Sources that fail to log in again and again are kept out for a while, longer each time.
//!
//! Kept in memory, for at most [`MOST_SOURCES`] sources. A source from which somebody logged in well is spared, so that
//! a stranger behind the same address cannot lock a tenant out.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use tokio::time::Instant;

use super::Penalties;

/// Sources remembered: about 1 MiB. The one that failed longest ago makes room.
const MOST_SOURCES: usize = 16_384;

/// Failures longer ago than this are forgotten.
const MEMORY: Duration = Duration::from_hours(24);

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
}

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    last: Instant,
    until: Option<Instant>,
    spared: bool,
}

/// What is known of sources.
#[derive(Debug)]
pub(super) struct PenaltyBox {
    rules: Penalties,
    sources: HashMap<Source, Record>,
}

impl PenaltyBox {
    pub(super) fn new(rules: Penalties) -> Self {
        Self { rules, sources: HashMap::new() }
    }

    /// Whether connections from there are refused now.
    pub(super) fn keeps_out(&self, address: IpAddr, now: Instant) -> bool {
        self.sources.get(&Source::of(address)).is_some_and(|record| record.until.is_some_and(|until| now < until))
    }

    /// A connection from there came to no login.
    pub(super) fn failed(&mut self, address: IpAddr, now: Instant) {
        let canonical = address.to_canonical();
        if self.rules.exempt.iter().any(|network| network.contains(&canonical)) {
            return;
        }
        let source = Source::of(address);
        if self.sources.len() >= MOST_SOURCES && !self.sources.contains_key(&source) {
            self.make_room(now);
        }
        let rules = &self.rules;
        let new = Record { failures: 0, last: now, until: None, spared: false };
        let record = self.sources.entry(source).or_insert(new);
        if now.duration_since(record.last) > MEMORY {
            *record = new;
        }
        record.failures = record.failures.saturating_add(1);
        record.last = now;
        if let Some(above) = record.failures.checked_sub(rules.after).filter(|_| !record.spared) {
            let factor = 1_u32.checked_shl(above).filter(|factor| *factor != 0).unwrap_or(u32::MAX);
            record.until = Some(now + rules.first.saturating_mul(factor).min(rules.longest));
        }
    }

    /// Somebody logged in from there.
    pub(super) fn spare(&mut self, address: IpAddr, now: Instant) {
        let source = Source::of(address);
        if self.sources.len() >= MOST_SOURCES && !self.sources.contains_key(&source) {
            self.make_room(now);
        }
        self.sources.insert(source, Record { failures: 0, last: now, until: None, spared: true });
    }

    fn make_room(&mut self, now: Instant) {
        self.sources.retain(|_, record| now.duration_since(record.last) <= MEMORY);
        if self.sources.len() >= MOST_SOURCES
            && let Some(oldest) = self.sources.iter().min_by_key(|(_, record)| record.last).map(|(source, _)| *source)
        {
            self.sources.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Penalties {
        Penalties { exempt: vec!["10.0.0.0/8".parse().unwrap()], ..Penalties::default() }
    }

    #[test]
    fn penalties_begin_after_a_few_failures_double_and_have_an_end() {
        let (mut penalties, start) = (PenaltyBox::new(rules()), Instant::now());
        let stranger: IpAddr = "198.51.100.9".parse().unwrap();
        for _ in 0..4 {
            penalties.failed(stranger, start);
            assert!(!penalties.keeps_out(stranger, start));
        }
        let mut out = Vec::new();
        for _ in 0..40 {
            penalties.failed(stranger, start);
            let seconds =
                (0..=3600).rev().find(|second| penalties.keeps_out(stranger, start + Duration::from_secs(*second)));
            out.push(seconds.unwrap() + 1);
        }
        assert_eq!(out.get(..4).unwrap(), [10, 20, 40, 80]);
        assert_eq!(out.last(), Some(&3600));
    }

    #[test]
    fn good_logins_and_exempt_networks_are_spared() {
        let (mut penalties, now) = (PenaltyBox::new(rules()), Instant::now());
        let (town, exempt): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "::ffff:10.1.2.3".parse().unwrap());
        penalties.spare(town, now);
        for _ in 0..100 {
            penalties.failed(town, now);
            penalties.failed(exempt, now);
        }
        assert!(!penalties.keeps_out(town, now) && !penalties.keeps_out(exempt, now));
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_source_and_memory_is_bounded() {
        let (mut penalties, now) = (PenaltyBox::new(rules()), Instant::now());
        for host in 0..5_u128 {
            penalties.failed(Ipv6Addr::from_bits((0x2001_0db8 << 96) | host).into(), now);
        }
        assert!(penalties.keeps_out("2001:db8::ffff".parse().unwrap(), now));
        assert!(!penalties.keeps_out("2001:db8:0:1::1".parse().unwrap(), now));
        for network in 0..u128::try_from(MOST_SOURCES).unwrap() + 10 {
            penalties.failed(Ipv6Addr::from_bits((0x2001_0db9 << 96) | (network << 64)).into(), now);
        }
        assert_eq!(penalties.sources.len(), MOST_SOURCES);
    }
}
