//! The names under which the log tells of a tenant: its own, and those of tenants that it has the drop-boxes of since they
//! were merged.
//!
//! An entry is never written again, so what a former tenant did stands under its own name, up to its merger. What stands
//! there later is of somebody else, who was given that name.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{
    domain::TenantId,
    transfer_log::{Event, StoredEntry},
};

/// A tenant that ended, and who has what was its own since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Merger {
    former: TenantId,
    into: TenantId,
    at: Timestamp,
}

impl Merger {
    /// What an entry tells of one.
    pub fn of(entry: &StoredEntry) -> Option<Self> {
        let Event::TenantMerged(merged) = &entry.event else { return None };
        let into = entry.context.tenant.clone()?;
        Some(Self { former: merged.former.clone(), into, at: entry.at })
    }

    /// When it was.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// The names of a tenant, each with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The one that was asked for, at any time: also where it is a former one itself.
    asked: TenantId,
    former: Vec<Former>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Former {
    name: TenantId,
    /// The merger of who had the name before.
    after: Option<Timestamp>,
    until: Timestamp,
}

impl Names {
    /// Those of a tenant, also over several mergers, which come in the order of the log.
    pub fn new(asked: TenantId, mergers: &[Merger]) -> Self {
        let mut names = Self { asked, former: Vec::new() };
        for (place, merger) in mergers.iter().enumerate().rev() {
            if names.holds(&merger.into, merger.at) {
                let before = mergers.iter().take(place).rev().find(|other| other.former == merger.former);
                let (name, after) = (merger.former.clone(), before.map(|other| other.at));
                names.former.push(Former { name, after, until: merger.at });
            }
        }
        names
    }

    /// The one that was asked for.
    pub fn asked(&self) -> &TenantId {
        &self.asked
    }

    /// Whether what stands under a name at a time is about the tenant.
    pub fn holds(&self, name: &TenantId, at: Timestamp) -> bool {
        let was =
            |former: &Former| former.name == *name && at <= former.until && former.after.is_none_or(|after| at > after);
        self.asked == *name || self.former.iter().any(was)
    }

    /// The other names, each once, in order.
    pub fn former(&self) -> BTreeSet<&TenantId> {
        self.former.iter().map(|former| &former.name).filter(|name| **name != self.asked).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + day * 86_400).unwrap()
    }

    fn merger(former: &str, into: &str, day: i64) -> Merger {
        Merger { former: id(former), into: id(into), at: at(day) }
    }

    #[test]
    fn former_names_are_those_of_their_time() {
        // A and B became B; B and C became D; somebody else was called A since, and became E.
        let mergers = [
            merger("stad-a", "stad-b", 1),
            merger("stad-b", "stad-d", 5),
            merger("stad-c", "stad-d", 5),
            merger("stad-a", "stad-e", 9),
        ];
        let d = Names::new(id("stad-d"), &mergers);
        assert_eq!(d.former(), BTreeSet::from([&id("stad-a"), &id("stad-b"), &id("stad-c")]));
        for (name, day, holds) in [
            ("stad-d", 0, true),
            ("stad-a", 1, true),
            ("stad-a", 2, false),
            ("stad-b", 5, true),
            ("stad-b", 6, false),
            ("stad-c", 0, true),
            ("stad-e", 0, false),
        ] {
            assert_eq!(d.holds(&id(name), at(day)), holds, "{name} on day {day}");
        }
        let e = Names::new(id("stad-e"), &mergers);
        assert_eq!(
            (e.holds(&id("stad-a"), at(1)), e.holds(&id("stad-a"), at(2)), e.holds(&id("stad-a"), at(10))),
            (false, true, false)
        );
        // Who asks for a former name gets all that stands under it.
        let a = Names::new(id("stad-a"), &mergers);
        assert!(a.former().is_empty() && a.holds(&id("stad-a"), at(20)));
        // What was merged into B after B ended is not of D.
        let late = Names::new(id("stad-d"), &[merger("stad-b", "stad-d", 5), merger("stad-f", "stad-b", 7)]);
        assert_eq!(late.former(), BTreeSet::from([&id("stad-b")]));
    }
}
