//! Who may log in and who can open what is sealed: keys, passwords, networks, recipients.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use ipnet::IpNet;

use super::{
    Environment, example_keys,
    fault::{Faults, Position, shown},
    fields::{Fields, Item},
    keys,
};
use crate::{
    domain::{
        SshPublicKey, TenantKind,
        tenant::{LoginKey, LoginPassword, LoginStep},
    },
    seal::Recipient,
};

/// Reads the keys that may log in, each with its place for the comparison with other tenants.
pub(super) fn login_keys(fields: &Fields<'_>, environment: Environment) -> Vec<(LoginKey, Position)> {
    let mut keys: Vec<(LoginKey, Position)> = Vec::new();
    for item in fields.list("keys") {
        let Some(entry) = item.mapping(&keys::LOGIN_KEY) else { continue };
        let key = entry.item("key").and_then(|item| public_key(&item, environment).map(|key| (key, item)));
        let (label, owner, expires) = (entry.text("label"), entry.text("owner"), entry.date("expires"));
        let Some((key, place)) = key else { continue };
        if keys.iter().any(|(other, _)| other.key == key) {
            place.fault("this key stands twice", None);
            continue;
        }
        if let (Some(label), Some(owner)) = (label, owner) {
            if keys.iter().any(|(other, _)| other.label == label) {
                entry.item("label").iter().for_each(|item| {
                    item.fault(format!("label {} stands twice", shown(&label)), Some("give each key its own"));
                });
            }
            keys.push((LoginKey { label, owner, key, expires }, place.node.at.clone()));
        }
    }
    keys
}

fn public_key(item: &Item<'_>, environment: Environment) -> Option<SshPublicKey> {
    let line = item.text()?;
    let key = SshPublicKey::parse(&line)
        .map_err(|error| item.fault(format!("`key`: {error}"), Some("paste one line of a .pub file, without options")))
        .ok()?;
    if environment == Environment::Production && example_keys::is_example_key(&key) {
        item.fault("an example key, whose secret part everybody has", Some("ask the tenant for its own"));
    }
    Some(key)
}

/// Reads the passwords that may log in.
pub(super) fn passwords(fields: &Fields<'_>) -> Vec<LoginPassword> {
    let read = |item: Item<'_>| {
        let entry = item.mapping(&keys::PASSWORD)?;
        let label = entry.text("label");
        let hash = entry.item("argon2id")?;
        let argon2id: String = hash.leaf()?;
        if let Err(problem) = check_argon2id(&argon2id) {
            hash.fault(
                format!("`argon2id`: {problem}"),
                Some("make it with `argon2 SALT -id -e`, never the password itself"),
            );
        }
        Some(LoginPassword { label: label?, argon2id })
    };
    fields.list("passwords").into_iter().filter_map(read).collect()
}

/// Memory of one check, KiB: from what OWASP's password storage cheat sheet asks at least to what a few logins at
/// one time may take together.
const ARGON2_MEMORY_KIB: std::ops::RangeInclusive<u32> = 19_456..=262_144;
/// Passes of one check.
const ARGON2_PASSES: std::ops::RangeInclusive<u32> = 1..=16;
/// Lanes of one check.
const ARGON2_LANES: std::ops::RangeInclusive<u32> = 1..=16;
/// Salt, bytes (RFC 9106, section 3.1, recommends 16).
const ARGON2_SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=48;
/// Hash, bytes.
const ARGON2_HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// Checks `$argon2id$v=19$m=65536,t=3,p=4$salt$hash`, the PHC string format.
fn check_argon2id(text: &str) -> Result<(), &'static str> {
    let parts: Vec<&str> = text.split('$').collect();
    let ["", "argon2id", "v=19", parameters, salt, hash] = parts.as_slice() else {
        return Err("not an Argon2id hash of the form $argon2id$v=19$m=…,t=…,p=…$salt$hash");
    };
    let parameters: Vec<&str> = parameters.split(',').collect();
    let [memory, passes, lanes] = parameters.as_slice() else {
        return Err("the parameters are not m=…,t=…,p=…");
    };
    for (text, name, bounds, problem) in [
        (memory, "m=", ARGON2_MEMORY_KIB, "its memory is not m=19456 to m=262144 (KiB)"),
        (passes, "t=", ARGON2_PASSES, "its passes are not t=1 to t=16"),
        (lanes, "p=", ARGON2_LANES, "its lanes are not p=1 to p=16"),
    ] {
        let number = text.strip_prefix(name).and_then(|digits| digits.parse().ok());
        if !number.is_some_and(|number: u32| bounds.contains(&number)) {
            return Err(problem);
        }
    }
    let length = |text: &str| STANDARD_NO_PAD.decode(text).map(|bytes| bytes.len()).unwrap_or_default();
    if !ARGON2_SALT_BYTES.contains(&length(salt)) {
        return Err("its salt is not base64 of 8 to 48 bytes");
    }
    if !ARGON2_HASH_BYTES.contains(&length(hash)) {
        return Err("its hash is not base64 of 16 to 64 bytes");
    }
    Ok(())
}

/// Reads the steps of a login, and sees that each can be taken.
pub(super) fn steps(fields: &Fields<'_>, passwords: &[LoginPassword], faults: &Faults) -> Vec<LoginStep> {
    let Some(listed) = fields.item("require") else {
        asked(fields, &[LoginStep::PublicKey], passwords, faults);
        return vec![LoginStep::PublicKey];
    };
    let mut steps = Vec::new();
    let Some(items) = listed.list() else { return steps };
    let nameless = items.is_empty();
    for item in items {
        match item.word() {
            Some(step) if steps.contains(&step) => item.fault("this step stands twice", None),
            Some(step) => steps.push(step),
            None => {}
        }
    }
    if nameless {
        listed.fault("`require` names no step", Some("write [publickey]"));
        return steps;
    }
    asked(fields, &steps, passwords, faults);
    steps
}

/// Passwords and the step that asks for them need each other.
fn asked(fields: &Fields<'_>, steps: &[LoginStep], passwords: &[LoginPassword], faults: &Faults) {
    let asked = steps.contains(&LoginStep::Password);
    if asked && fields.list("passwords").is_empty() {
        let at = fields.place("require");
        faults.add_with_hint(at, "`require` names password, but there are no passwords", "add one or leave it out");
    }
    if !asked && !passwords.is_empty() {
        let hint = "add password to `require` or leave them out";
        faults.add_with_hint(fields.place("passwords"), "passwords are given but never asked for", hint);
    }
}

/// Reads networks in CIDR form.
pub(super) fn networks(items: &[Item<'_>]) -> Vec<IpNet> {
    items.iter().filter_map(network).collect()
}

fn network(item: &Item<'_>) -> Option<IpNet> {
    let text = item.text()?;
    let problem = format!("`{}` {} is not a network", item.key, shown(&text));
    let Ok(network) = text.parse::<IpNet>() else {
        let address = text.parse::<std::net::IpAddr>().map(|address| format!("write {}", IpNet::from(address)));
        item.fault(problem, Some(address.as_deref().unwrap_or("write it as 192.0.2.0/24 or 2001:db8::/32")));
        return None;
    };
    if network.trunc() != network {
        item.fault(problem, Some(&format!("write {}", network.trunc())));
    }
    if let IpNet::V6(network) = network
        && network.prefix_len() >= 96
        && network.addr().to_ipv4_mapped().is_some()
    {
        item.fault(problem_of_mapped(&text), Some("write the IPv4 network"));
    }
    Some(network)
}

/// Clients over IPv4 are compared as IPv4, so such a network would hold nobody.
fn problem_of_mapped(text: &str) -> String {
    format!("{} is an IPv4 network in IPv6 form", shown(text))
}

/// Keys that a tenant's files are sealed to at most. Two while a key is replaced, one for each of a few officials; each
/// more is another that opens everything, and makes each file's header longer (a post-quantum one by 1.6 KB).
const MOST_RECIPIENTS: usize = 10;

/// Reads the keys that everything is sealed to.
pub(super) fn recipients(fields: &Fields<'_>, environment: Environment) -> Vec<String> {
    let mut recipients: Vec<String> = Vec::new();
    let mut kind = None;
    let items = fields.list("recipients");
    if let Some(item) = items.get(MOST_RECIPIENTS) {
        let problem = format!("{} recipients, more than the {MOST_RECIPIENTS} that a tenant may have", items.len());
        item.fault(problem, Some("share a key among officials, or remove those that are no longer used"));
    }
    for item in items {
        let Some(text) = item.text() else { continue };
        let parsed = text.parse::<Recipient>();
        if let Err(error) = &parsed {
            item.fault(format!("`recipients`: {error}"), Some("`age-keygen -y FILE` prints the public key"));
        } else if environment == Environment::Production && example_keys::is_example_recipient(&text) {
            item.fault("an example recipient, whose secret part is public or lost", Some("ask the tenant for its own"));
        } else if recipients.contains(&text) {
            item.fault("this recipient stands twice", None);
        }
        if let Ok(post_quantum) = parsed.map(|recipient| recipient.is_post_quantum())
            && *kind.get_or_insert(post_quantum) != post_quantum
        {
            let hint = "name either those that begin with age1pq1 or the others";
            item.fault("post-quantum and classic recipients cannot share one file", Some(hint));
        }
        recipients.push(text);
    }
    recipients
}

/// Whether a tenant of that kind gets sealed files; an auditor reads the log only.
pub(super) fn needs_recipients(kind: TenantKind) -> bool {
    match kind {
        TenantKind::Municipality | TenantKind::Ocmw | TenantKind::PrintPartner => true,
        TenantKind::Auditor => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_the_shape_and_the_cost_of_argon2id() {
        let salt = "c29tZXNhbHRzb21lc2FsdA";
        let hash = "RdescudvJCsgt3ub+b5dWRWJTmaaJObGRdescudvJCs";
        let with = |kind: &str, parameters: &str, salt: &str, hash: &str| {
            check_argon2id(&format!("${kind}$v=19${parameters}${salt}${hash}"))
        };
        assert_eq!(with("argon2id", "m=65536,t=3,p=4", salt, hash), Ok(()));
        for (kind, parameters, salt, hash) in [
            ("argon2i", "m=65536,t=3,p=4", salt, hash),
            ("argon2id", "m=65536,t=3", salt, hash),
            ("argon2id", "m=4096,t=3,p=4", salt, hash),
            ("argon2id", "m=4194304,t=3,p=4", salt, hash),
            ("argon2id", "m=65536,t=0,p=4", salt, hash),
            ("argon2id", "m=65536,t=3,p=x", salt, hash),
            ("argon2id", "m=65536,t=3,p=4", "c2E", hash),
            ("argon2id", "m=65536,t=3,p=4", "c29tZXNhbHR!", hash),
            ("argon2id", "m=65536,t=3,p=4", salt, ""),
        ] {
            assert!(with(kind, parameters, salt, hash).is_err(), "{kind} {parameters} {salt} {hash}");
        }
        assert!(check_argon2id("hunter2").is_err());
    }
}
