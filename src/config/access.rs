//! Who may log in and who can open what is sealed: keys, authorities, passwords, networks, recipients.

use ipnet::IpNet;

use super::{
    Environment, example_keys,
    fault::{Faults, Position, shown},
    fields::{Fields, Item},
    keys,
};
use crate::{
    domain::{
        PasswordHashFault, SshPublicKey, TenantId, TenantKind,
        tenant::{CertificateAuthority, LoginKey, LoginPassword, LoginStep},
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

/// Reads the authorities whose certificates may log in. Where none are named, the principal is the tenant.
pub(super) fn authorities(
    fields: &Fields<'_>,
    environment: Environment,
    tenant: Option<&TenantId>,
) -> Vec<CertificateAuthority> {
    let mut authorities: Vec<CertificateAuthority> = Vec::new();
    for item in fields.list("certificate_authorities") {
        let Some(entry) = item.mapping(&keys::AUTHORITY) else { continue };
        let key = entry.item("key").and_then(|item| public_key(&item, environment).map(|key| (key, item)));
        let (label, owner, expires) = (entry.text("label"), entry.text("owner"), entry.date("expires"));
        let principals = match entry.item("principals") {
            Some(listed) => principals(&listed),
            None => tenant.iter().map(ToString::to_string).collect(),
        };
        let Some((key, place)) = key else { continue };
        if authorities.iter().any(|other| other.key == key) {
            place.fault("this key stands twice", None);
            continue;
        }
        if let (Some(label), Some(owner)) = (label, owner) {
            authorities.push(CertificateAuthority { label, owner, key, principals, expires });
        }
    }
    authorities
}

fn principals(listed: &Item<'_>) -> Vec<String> {
    let items = listed.list();
    if items.as_ref().is_some_and(Vec::is_empty) {
        // OpenSSH takes a certificate without principals for everybody's.
        listed.fault("`principals` names nobody", Some("leave it out: the principal is then the tenant's id"));
    }
    items.unwrap_or_default().iter().filter_map(Item::text).collect()
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

/// Passwords of one tenant: the one in use and its successors. Each attempt is tried against all of them.
const MOST_PASSWORDS: usize = 4;

/// Reads the passwords that may log in.
pub(super) fn passwords(fields: &Fields<'_>) -> Vec<LoginPassword> {
    let read = |item: Item<'_>| {
        let entry = item.mapping(&keys::PASSWORD)?;
        let label = entry.text("label");
        let hash = entry.item("argon2id")?;
        let text: String = hash.leaf()?;
        let parsed = text.parse().map_err(|problem: PasswordHashFault| {
            let hint = "make it with `groeikluis keys password`, never the password itself";
            hash.fault(format!("`argon2id`: {problem}"), Some(hint));
        });
        Some(LoginPassword { label: label?, hash: parsed.ok()? })
    };
    let items = fields.list("passwords");
    if let Some(more) = items.get(MOST_PASSWORDS) {
        more.fault(format!("more than {MOST_PASSWORDS} passwords"), Some("each login tries them all"));
    }
    items.into_iter().filter_map(read).collect()
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
