//! What can be done about a login that failed, for each reason.

use crate::{
    config::Settings,
    daemon::LoginRecord,
    domain::{Tenant, TenantId, tenant::LoginStep},
    durable::Clock,
    sftp::RefusalReason,
};

/// What a refusal means here, and what to do: the tenant's file as it is now, held against what was tried then. Where that
/// file would let it in today, it says so: it was mended since.
pub(super) fn on(
    reason: RefusalReason,
    record: &LoginRecord,
    fingerprint: Option<&str>,
    tenant: &Tenant,
    settings: &Settings,
) -> String {
    let file = format!("tenants/{}.yaml", tenant.id);
    match reason {
        RefusalReason::UnknownUser if tenant.can_log_in() => {
            format!("by today's {file} this name can log in: let the tenant try again")
        }
        RefusalReason::UnknownUser => {
            format!("nobody can log in under this name: {file} lacks a key, password or authority for a step of `require`")
        }
        RefusalReason::UnknownKey => unknown_key(fingerprint, tenant, settings, &file),
        RefusalReason::ExpiredKey => expired_key(fingerprint, tenant, &file),
        RefusalReason::WrongSource => wrong_source(record, tenant, &file),
        RefusalReason::BadSignature => {
            "the client knows the public key but did not sign with it: the passphrase was not given, the private key is \
             missing or another, or an agent does not hold it"
                .to_owned()
        }
        RefusalReason::WeakSignature => "the client signs with SHA-1 (ssh-rsa), or the RSA key is shorter than 2048 \
             bits: update the client, or make an Ed25519 key with `ssh-keygen -t ed25519`"
            .to_owned(),
        RefusalReason::WrongPassword => {
            format!(
                "none of the tenant's passwords: have it typed again, with an eye on capitals and the keyboard; if it is \
                 lost, make another with `groeikluis keys password`, for {file}"
            )
        }
        RefusalReason::StepMissing => step_missing(tenant),
        RefusalReason::NothingUsable => {
            let certificate = if tenant.certificate_authorities.is_empty() {
                ""
            } else {
                "; or its certificate is not in force (`ssh-keygen -L -f FILE-cert.pub` shows its dates)"
            };
            format!(
                "the client asked what is offered and went: it has no key for this server, its user stopped at a \
                 question, or it speaks only old algorithms{certificate}"
            )
        }
        RefusalReason::TooManyAttempts => format!(
            "the client tried {} keys or passwords on one connection, as many as it may: name the one key in the client \
             (OpenSSH: IdentitiesOnly yes)",
            settings.limits.auth_attempts
        ),
        RefusalReason::Grace => {
            let seconds = settings.limits.login_grace.as_secs();
            format!("no login within {seconds} s: the user was asked something, or the network is slow")
        }
        RefusalReason::TooManySessions => format!(
            "{} sessions at once are allowed: close those that are left open; a session ends after {} s of silence",
            settings.limits.sessions_per_tenant,
            settings.limits.idle.as_secs()
        ),
        RefusalReason::Unavailable => {
            "the login was right, but the transfer log did not take it: see the daemon's own log".to_owned()
        }
        RefusalReason::UnknownAuthority
        | RefusalReason::ExpiredAuthority
        | RefusalReason::CertificateInvalid
        | RefusalReason::CertificateKind
        | RefusalReason::WrongPrincipal
        | RefusalReason::CertificateOption => on_certificate(reason, tenant, &file),
    }
}

/// Whose key it is, as the configuration is now.
pub(super) fn owner<'a>(fingerprint: &str, settings: &'a Settings) -> Option<(&'a TenantId, &'a str)> {
    settings.tenants.values().find_map(|tenant| {
        let key = tenant.keys.iter().find(|key| key.key.fingerprint() == fingerprint)?;
        Some((&tenant.id, key.label.as_str()))
    })
}

fn unknown_key(fingerprint: Option<&str>, tenant: &Tenant, settings: &Settings, file: &str) -> String {
    let owner = fingerprint.and_then(|fingerprint| owner(fingerprint, settings));
    match owner {
        Some((owner, label)) if *owner == tenant.id => {
            format!("the key is {label} by today's {file}: it was added after this login; let the tenant try again")
        }
        Some((owner, label)) => format!("the key is {label} of {owner}: the client has the wrong user name"),
        None => {
            let certificate = if tenant.certificate_authorities.is_empty() {
                ""
            } else {
                "; if it has a certificate, that is not in force (`ssh-keygen -L -f FILE-cert.pub` shows its dates)"
            };
            format!(
                "not a key of this tenant: compare with `ssh-keygen -l -f KEY.pub` at the tenant; to accept it, put \
                 the line of its .pub file under `keys` in {file}{certificate}"
            )
        }
    }
}

fn wrong_source(record: &LoginRecord, tenant: &Tenant, file: &str) -> String {
    let source = record.source;
    // A certificate may name networks of its own.
    let has_own = record.certificate.is_some();
    if tenant.may_come_from(source) {
        return if has_own {
            format!(
                "today's {file} lets {source} in: if it did so then, the source-address of the certificate does not, which \
                 `ssh-keygen -L -f` shows; let its owner have another made"
            )
        } else {
            format!(
                "by today's {file} {source} would be let in: it was outside `allow_from` then; let the tenant try again"
            )
        };
    }
    let own = if has_own { ", or outside the certificate's own source-address" } else { "" };
    let allowed: Vec<String> = tenant.allow_from.iter().map(ToString::to_string).collect();
    let allowed = allowed.join(", ");
    format!("{source} is outside `allow_from` ({allowed}){own}; if it is the tenant's, add its network to {file}")
}

fn expired_key(fingerprint: Option<&str>, tenant: &Tenant, file: &str) -> String {
    let key = tenant.keys.iter().find(|key| fingerprint == Some(key.key.fingerprint().as_str()));
    let Some(key) = key else { return format!("the key had ended, and is not in today's {file}") };
    let label = &key.label;
    match key.expires {
        Some(last) if last < Clock::system().today() => {
            format!("key {label} ended on {last}: ask for a new key, or move `expires` in {file}")
        }
        Some(last) => format!("by today's {file} key {label} holds until {last}: let the tenant try again"),
        None => format!("by today's {file} key {label} has no end: let the tenant try again"),
    }
}

fn step_missing(tenant: &Tenant) -> String {
    let names: Vec<&str> = tenant
        .require
        .iter()
        .map(|step| match step {
            LoginStep::PublicKey => "publickey",
            LoginStep::Password => "password",
        })
        .collect();
    format!(
        "this tenant logs in by {}, in that order and no other way: the client stopped before the last, or tried \
         another",
        names.join(" and ")
    )
}

fn on_certificate(reason: RefusalReason, tenant: &Tenant, file: &str) -> String {
    let principals: Vec<&str> = tenant
        .certificate_authorities
        .iter()
        .flat_map(|authority| authority.principals.iter().map(String::as_str))
        .collect();
    match reason {
        RefusalReason::UnknownAuthority => format!(
            "the certificate is signed by an authority that is not in {file}: compare `ssh-keygen -L -f FILE-cert.pub`"
        ),
        RefusalReason::ExpiredAuthority => {
            format!("the authority's last day has passed: move its `expires` in {file}, or ask for another authority")
        }
        RefusalReason::CertificateKind => "a certificate for a host: sign it without `-h`".to_owned(),
        RefusalReason::WrongPrincipal => {
            format!("the certificate names none of {}: sign it with `-n {}`", principals.join(", "), tenant.id)
        }
        RefusalReason::CertificateOption => {
            "the certificate has a critical option that this server does not keep; only source-address is".to_owned()
        }
        _ => "the certificate is outside its dates or damaged: `ssh-keygen -L -f FILE-cert.pub` shows them".to_owned(),
    }
}
