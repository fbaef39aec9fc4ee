//! The changes between two configurations, each as a line for whoever reviews them.

use jiff::civil::Date;
use serde::Serialize;

use crate::{
    config::{self, Holds, Settings, TenantDifference},
    domain::{
        AssignmentId, ProtocolId, Tenant, TenantId,
        protocol::{Status, Validity},
        tenant::{CertificateAuthority, LoginKey, LoginStep},
    },
};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub about: About,
    pub effect: Effect,
    pub tenant: Option<String>,
    /// In words.
    pub what: String,
    /// The SHA-256 of a protocol or agreement before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<[Option<String>; 2]>,
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum About {
    Access,
    Recipients,
    Grounds,
    Assignments,
    Tenants,
    Settings,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Effect {
    Added,
    Removed,
    Changed,
}

/// The order in which changes are shown, with titles.
pub(super) const SECTIONS: [(About, &str); 6] = [
    (About::Access, "access"),
    (About::Recipients, "who can open what is delivered"),
    (About::Grounds, "protocols and agreements"),
    (About::Assignments, "assignments"),
    (About::Tenants, "tenants otherwise"),
    (About::Settings, "settings"),
];

impl Effect {
    /// The mark before a line.
    pub fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }
}

impl Change {
    /// Whether it is of that setting.
    pub fn is_setting(&self, key: &str) -> bool {
        self.about == About::Settings && self.what.split(',').next() == Some(key)
    }
}

/// All changes, by tenant; without an old configuration everything is new.
pub(super) fn changes(old: Option<&Settings>, new: &Settings, today: Date) -> Vec<Change> {
    let mut changes = Vec::new();
    let gone = old.iter().flat_map(|old| old.tenants.keys()).filter(|id| !new.tenants.contains_key(*id));
    let mut tenants: Vec<&TenantId> = gone.chain(new.tenants.keys()).collect();
    tenants.sort();
    for id in tenants {
        let before = old.and_then(|old| old.tenants.get(id)).map(AsRef::as_ref);
        let after = new.tenants.get(id).map(AsRef::as_ref);
        let change = config::tenant_difference(old, new, id);
        let mut lines = Lines { tenant: Some(id.clone()), changes: &mut changes };
        whole_tenant(&mut lines, before, after);
        access(&mut lines, &change, before, after);
        recipients(&mut lines, &change);
        grounds(&mut lines, &change, old, new, today);
        if !change.others.is_empty() {
            lines.add(About::Tenants, Effect::Changed, change.others.join(", "));
        }
    }
    assignments(&mut changes, old, new);
    if let Some(old) = old {
        let mut lines = Lines { tenant: None, changes: &mut changes };
        for setting in config::difference(old, new).settings {
            let when = match setting.holds {
                Holds::AtOnce => "at once",
                Holds::AfterRestart => "after a restart",
                Holds::NotBeforeRestart => "after a restart, and nothing else before it",
            };
            lines.add(About::Settings, Effect::Changed, format!("{}, {when}", setting.key));
        }
    }
    changes
}

fn assignments(changes: &mut Vec<Change>, old: Option<&Settings>, new: &Settings) {
    let mut add = |settings: &Settings, id: &AssignmentId, effect: Effect| {
        let Some(assignment) = settings.assignments.get(id) else { return };
        let mut lines = Lines { tenant: Some(assignment.tenant.clone()), changes };
        lines.add(About::Assignments, effect, format!("{id}: {}", assignment.purpose));
    };
    let Some(old) = old else {
        return new.assignments.keys().for_each(|id| add(new, id, Effect::Added));
    };
    let change = config::difference(old, new);
    change.assignments_added.iter().for_each(|id| add(new, id, Effect::Added));
    change.assignments_removed.iter().for_each(|id| add(old, id, Effect::Removed));
    change.assignments_changed.iter().for_each(|id| add(new, id, Effect::Changed));
    if change.costs_changed {
        let mut lines = Lines { tenant: None, changes };
        lines.add(About::Assignments, Effect::Changed, "the tariffs");
    }
}

/// Lines about one tenant.
struct Lines<'a> {
    tenant: Option<TenantId>,
    changes: &'a mut Vec<Change>,
}

impl Lines<'_> {
    fn add(&mut self, about: About, effect: Effect, what: impl Into<String>) {
        let (tenant, what) = (self.tenant.as_ref().map(ToString::to_string), what.into());
        self.changes.push(Change { about, effect, tenant, what, sha256: None });
    }

    fn each<T>(&mut self, about: About, effect: Effect, those: &[T], text: impl Fn(&T) -> String) {
        for each in those {
            self.add(about, effect, text(each));
        }
    }
}

fn whole_tenant(lines: &mut Lines<'_>, before: Option<&Tenant>, after: Option<&Tenant>) {
    let describe = |tenant: &Tenant| format!("the tenant: {}, {}", tenant.name, tenant.kind.name());
    match (before, after) {
        (None, Some(after)) => {
            let locked = if after.can_log_in() { "" } else { "; nobody can log in yet" };
            lines.add(About::Access, Effect::Added, format!("{}{locked}", describe(after)));
        }
        (Some(before), None) => {
            lines.add(About::Access, Effect::Removed, format!("{}; its sessions end", describe(before)));
        }
        (Some(before), Some(after)) if before.kind != after.kind => {
            let what = format!("kind {} becomes {}; its sessions end", before.kind.name(), after.kind.name());
            lines.add(About::Access, Effect::Changed, what);
        }
        _ => {}
    }
}

fn access(lines: &mut Lines<'_>, change: &TenantDifference, before: Option<&Tenant>, after: Option<&Tenant>) {
    use Effect::{Added, Changed, Removed};
    for (keys, effect) in
        [(&change.keys_added, Added), (&change.keys_removed, Removed), (&change.keys_expiring_otherwise, Changed)]
    {
        lines.each(About::Access, effect, keys, key_text);
    }
    for (authorities, effect) in [(&change.authorities_added, Added), (&change.authorities_removed, Removed)] {
        lines.each(About::Access, effect, authorities, authority_text);
    }
    for (labels, effect) in
        [(&change.passwords_added, Added), (&change.passwords_removed, Removed), (&change.passwords_changed, Changed)]
    {
        lines.each(About::Access, effect, labels, |label| format!("password {label}"));
    }
    if let (true, Some(before), Some(after)) = (change.steps_changed, before, after) {
        let what = format!("a login takes {} instead of {}", steps(after), steps(before));
        lines.add(About::Access, Changed, what);
    }
    for (networks, effect) in [(&change.networks_added, Added), (&change.networks_removed, Removed)] {
        lines.each(About::Access, effect, networks, |network| format!("may come from {network}"));
    }
}

fn key_text(key: &LoginKey) -> String {
    let LoginKey { label, owner, key, expires } = key;
    format!("key {label} of {owner}, {} {}{}", key.algorithm(), key.fingerprint(), until(*expires))
}

fn authority_text(authority: &CertificateAuthority) -> String {
    let CertificateAuthority { label, owner, key, principals, expires } = authority;
    let names = principals.join(", ");
    let (algorithm, fingerprint) = (key.algorithm(), key.fingerprint());
    format!("authority {label} of {owner}, {algorithm} {fingerprint}, for {names}{}", until(*expires))
}

fn until(expires: Option<Date>) -> String {
    expires.map_or_else(|| ", without an end".to_owned(), |day| format!(", until {day}"))
}

fn steps(tenant: &Tenant) -> String {
    let name = |step: &LoginStep| match step {
        LoginStep::PublicKey => "publickey",
        LoginStep::Password => "password",
    };
    tenant.require.iter().map(name).collect::<Vec<_>>().join(" and ")
}

fn recipients(lines: &mut Lines<'_>, change: &TenantDifference) {
    lines.each(About::Recipients, Effect::Added, &change.recipients_added, |recipient| shortened(recipient));
    lines.each(About::Recipients, Effect::Removed, &change.recipients_removed, |recipient| shortened(recipient));
}

/// Enough of a recipient to know it by: post-quantum ones have 2,000 characters.
fn shortened(recipient: &str) -> String {
    /// An age recipient has 62 characters.
    const LONGEST: usize = 72;
    let mut letters = recipient.chars();
    let start: String = letters.by_ref().take(LONGEST).collect();
    if letters.next().is_some() { format!("{start}…") } else { start }
}

/// What a protocol or agreement is on a day.
struct Ground {
    /// In words.
    text: String,
    /// Whether it can be a ground, now or later.
    holds: bool,
}

fn grounds(lines: &mut Lines<'_>, change: &TenantDifference, old: Option<&Settings>, new: &Settings, today: Date) {
    let Some(tenant) = lines.tenant.clone() else { return };
    let all = change.grounds_added.iter().chain(&change.grounds_removed).chain(&change.grounds_changed);
    for id in all {
        let before = old.and_then(|old| ground(old, &tenant, id, today));
        let after = ground(new, &tenant, id, today);
        let holds = |ground: &Option<Ground>| ground.as_ref().is_some_and(|ground| ground.holds);
        let effect = match (holds(&before), holds(&after), &before, &after) {
            (false, true, ..) | (false, false, None, _) => Effect::Added,
            (true, false, ..) | (false, false, _, None) => Effect::Removed,
            (true, true, ..) | (false, false, Some(_), Some(_)) => Effect::Changed,
        };
        let what = match (&before, &after) {
            (Some(before), Some(after)) if before.text != after.text => {
                format!("{id}: {}; was {}", after.text, before.text)
            }
            (Some(_), Some(after)) => format!("{id}: {}; says something else", after.text),
            (None, Some(after)) => format!("{id}: {}", after.text),
            (Some(before), None) => format!("{id}: was {}", before.text),
            (None, None) => continue,
        };
        let digest = |settings: &Settings| settings.documents.get(&(tenant.clone(), id.clone())).cloned();
        let sha256 = Some([old.and_then(digest), digest(new)]);
        lines.changes.push(Change { about: About::Grounds, effect, tenant: Some(tenant.to_string()), what, sha256 });
    }
}

fn ground(settings: &Settings, tenant: &TenantId, id: &ProtocolId, today: Date) -> Option<Ground> {
    let tenant = settings.tenants.get(tenant)?;
    if let Some(protocol) = tenant.protocol(id) {
        let (status, signed) = (protocol.status.name(), protocol.status == Status::Signed);
        let days = protocol.valid.map(|valid| days(valid, today)).unwrap_or_default();
        let holds = signed && protocol.valid.is_some_and(|valid| today <= valid.until);
        return Some(Ground { text: format!("protocol by {}, {status}{days}", protocol.route.name()), holds });
    }
    let agreement = tenant.agreements.iter().find(|agreement| agreement.id == *id)?;
    let unsigned = agreement.unsigned(today);
    let by = if unsigned.is_empty() { String::new() } else { format!(", not signed by {}", unsigned.join(" or ")) };
    let text = format!("agreement{by}{}", days(agreement.valid, today));
    Some(Ground { text, holds: unsigned.is_empty() && today <= agreement.valid.until })
}

fn days(valid: Validity, today: Date) -> String {
    let Validity { from, until } = valid;
    let now = if today < from {
        ", not yet in force"
    } else if today > until {
        ", over"
    } else {
        ""
    };
    format!(", from {from} until {until}{now}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    const TODAY: Date = date(2026, 11, 22);

    fn example() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config")
    }

    /// The example with some of its tenants and its assignment, the files of which may be changed.
    fn settings(directory: &Path, change: impl Fn(&str, String) -> Option<String>) -> Settings {
        let put = |name: &str, text: &str| fs::write(directory.join(name), text).unwrap();
        let read = |name: &str| fs::read_to_string(example().join(name)).unwrap();
        fs::create_dir_all(directory.join("tenants")).unwrap();
        fs::create_dir_all(directory.join("assignments/letters")).unwrap();
        for name in ["sources.yaml", "municipalities.csv", "assignments/letters/torhout.svg"] {
            put(name, &read(name));
        }
        let main = "environment: demo\nstate_dir: /s\nhigh_water_dir: /h\nspool_dir: /p\nhost_keys: [/k]\n\
            exchange_identity: /e\nregister: {path: /r, identity: /i}\nlog: {origin: o, key: /l}\n";
        for (name, text) in [
            ("groeikluis.yaml", main.to_owned()),
            ("tenants/bree.yaml", read("tenants/bree.yaml")),
            ("tenants/linter.yaml", read("tenants/linter.yaml")),
            ("tenants/torhout.yaml", read("tenants/torhout.yaml")),
            ("tenants/drukkerij.yaml", read("tenants/drukkerij.yaml")),
            ("assignments/torhout-schoolpremie.yaml", read("assignments/torhout-schoolpremie.yaml")),
            ("assignments/letters/schoolpremie.md", read("assignments/letters/schoolpremie.md")),
            ("costs.yaml", read("costs.yaml")),
        ] {
            match change(name, text) {
                Some(text) => put(name, &text),
                None => fs::remove_file(directory.join(name)).unwrap(),
            }
        }
        config::load(&directory.join("groeikluis.yaml")).unwrap()
    }

    fn lines(old: Option<&Settings>, new: &Settings) -> Vec<String> {
        let line = |change: &Change| {
            let tenant = change.tenant.as_ref().map(|tenant| format!("{tenant} ")).unwrap_or_default();
            format!("{} {tenant}{}", change.effect.sign(), change.what)
        };
        changes(old, new, TODAY).iter().filter(|change| !change.what.starts_with("tenants,")).map(line).collect()
    }

    #[test]
    fn without_a_daemon_everything_is_new() {
        let directory = tempfile::tempdir().unwrap();
        let new = settings(directory.path(), |_, text| Some(text));
        let lines = lines(None, &new);
        assert!(lines.iter().all(|line| line.starts_with('+')), "{lines:#?}");
        for part in [
            "+ bree the tenant: Stad Bree, municipality",
            "+ bree key ict-bree of ICT, stad Bree, ssh-ed25519 SHA256:",
            "+ bree OPG-2026-017: protocol by opgroeien, signed, from 2026-09-02 until 2027-09-01",
            "+ linter the tenant:",
            "+ torhout torhout-schoolpremie-2026: gemeentelijke schoolpremie",
        ] {
            assert!(lines.iter().any(|line| line.starts_with(part)), "{part}: {lines:#?}");
        }
        assert!(self::lines(Some(&new), &settings(directory.path(), |_, text| Some(text))).is_empty());
    }

    #[test]
    fn each_change_has_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let old = settings(directory.path(), |_, text| Some(text));
        let new = settings(directory.path(), |name, text| match name {
            "tenants/linter.yaml" => None,
            "tenants/bree.yaml" => Some(
                text.replace("expires: 2027-12-31", "expires: 2026-12-31")
                    .replace("[\"0.0.0.0/0\", \"::/0\"]", "[\"192.0.2.0/24\"]")
                    .replace("status: signed", "status: ended")
                    .replace("may_delete: false", "may_delete: true"),
            ),
            "costs.yaml" => Some(text.replace("1.18", "1.20")),
            "assignments/letters/schoolpremie.md" => Some(format!("{text}\nTot dan.\n")),
            "tenants/torhout.yaml" => Some(text.replace("authority: 2026-03-09", "authority: 2027-03-09")),
            name if name.starts_with("assignments/") || name.starts_with("tenants/") => Some(text),
            _ => Some(format!("{text}language: en\nlisten: [\"127.0.0.1:0\"]\n")),
        });
        let lines = lines(Some(&old), &new);
        for part in [
            "~ bree key ict-bree of ICT, stad Bree, ssh-ed25519 SHA256:",
            "+ bree may come from 192.0.2.0/24",
            "- bree may come from 0.0.0.0/0",
            "- bree may come from ::/0",
            "- bree OPG-2026-017: protocol by opgroeien, ended, from 2026-09-02 until 2027-09-01; was protocol by opgroeien, signed",
            // A ground is one once both signed.
            "- torhout VUTG-2026-001: agreement, not signed by the local authority, from 2026-04-01 until 2029-03-31; was agreement, from",
            "~ bree may_delete",
            "- linter the tenant:",
            "~ torhout torhout-schoolpremie-2026: gemeentelijke schoolpremie",
            "~ the tariffs",
            "~ language, at once",
            "~ listen, after a restart",
        ] {
            assert!(lines.iter().any(|line| line.starts_with(part)), "{part}: {lines:#?}");
        }
        let grounds = changes(Some(&old), &new, TODAY);
        let ended = grounds.iter().find(|change| change.what.starts_with("OPG-2026-017:")).unwrap();
        let [before, after] = ended.sha256.clone().unwrap();
        assert!(before.is_some() && after.is_some() && before != after);
    }
}
