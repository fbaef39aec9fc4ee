//! A local authority, or another party with a drop-box.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use jiff::civil::Date;

use super::{NisCode, PasswordHash, Protocol, ProtocolId, SshPublicKey, protocol::Agreement};

/// A tenant's name: also its SSH user name and its directory. `[a-z0-9-]{2,32}`, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(String);

/// A text that is no tenant's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 2 to 32 of a-z, 0-9 and -")]
pub struct TenantIdFault;

impl FromStr for TenantId {
    type Err = TenantIdFault;

    fn from_str(text: &str) -> Result<Self, TenantIdFault> {
        let shape = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let fits = (2..=32).contains(&text.len()) && !text.starts_with('-');
        if shape && fits { Ok(Self(text.to_owned())) } else { Err(TenantIdFault) }
    }
}

impl TenantId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a tenant is; it decides what its tree looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TenantKind {
    /// A municipality.
    Municipality,
    /// A public centre for social welfare.
    Ocmw,
    /// Prints letters; sees an outbox only.
    PrintPartner,
    /// Reads the transfer log and reports.
    Auditor,
}

impl TenantKind {
    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Municipality => "municipality",
            Self::Ocmw => "ocmw",
            Self::PrintPartner => "print-partner",
            Self::Auditor => "auditor",
        }
    }

    /// Whether the tenant can upload lists.
    pub fn uploads(self) -> bool {
        matches!(self, Self::Municipality | Self::Ocmw)
    }
}

/// A key that may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginKey {
    /// The name in logs and messages.
    pub label: String,
    /// The person or team that answers for it.
    pub owner: String,
    /// The key.
    pub key: SshPublicKey,
    /// The last day, in Brussels, on which it may log in.
    pub expires: Option<Date>,
}

/// An authority whose OpenSSH user certificates may log in (OpenSSH's `PROTOCOL.certkeys`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateAuthority {
    /// The name in logs and messages.
    pub label: String,
    /// The person or team that answers for it.
    pub owner: String,
    /// The key that signs certificates; never itself a certificate.
    pub key: SshPublicKey,
    /// The names of which a certificate must have one, at least one.
    pub principals: Vec<String>,
    /// The last day, in Brussels, on which its certificates may log in.
    pub expires: Option<Date>,
}

/// A password that may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginPassword {
    /// The name in logs and messages.
    pub label: String,
    /// What is kept of it.
    pub hash: PasswordHash,
}

/// A step of logging in that a tenant requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginStep {
    /// A signature by one of the tenant's keys.
    PublicKey,
    /// One of the tenant's passwords.
    Password,
}

/// Which uploads a tenant may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadRule {
    /// Sealed or not: what is not sealed is sealed on arrival.
    Any,
    /// Only files sealed with age.
    SealedOnly,
}

/// Bounds on one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits {
    /// One uploaded file, at most.
    pub upload_bytes: u64,
    /// All that was uploaded and is kept, answered or not, together; above it no upload begins or grows.
    pub inbox_bytes: u64,
    /// All files of the outbox together; above it nothing new is published.
    pub outbox_bytes: u64,
}

impl TenantLimits {
    /// What answers to trials may take of the outbox: a quarter, so that no trial, however often it is repeated, keeps
    /// an answer out.
    pub fn trial_bytes(&self) -> u64 {
        self.outbox_bytes / 4
    }
}

/// When the onboarding tests were passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Onboarding {
    /// Connecting and downloading.
    pub technical_test: Option<Date>,
    /// Importing a file with synthetic lines.
    pub functional_test: Option<Date>,
}

/// A party with a drop-box, as its YAML file says, checked.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// Its name for people.
    pub name: String,
    /// What it is.
    pub kind: TenantKind,
    /// Its municipality; none for an auditor or a printer.
    pub nis_code: Option<NisCode>,
    /// Codes of the municipalities that it was merged of, which are no more.
    pub former_nis_codes: Vec<NisCode>,
    /// Keys that may log in.
    pub keys: Vec<LoginKey>,
    /// Authorities whose certificates may log in.
    pub certificate_authorities: Vec<CertificateAuthority>,
    /// Passwords that may log in.
    pub passwords: Vec<LoginPassword>,
    /// The steps that one login takes, in this order; each stands once.
    pub require: Vec<LoginStep>,
    /// Networks that it may come from.
    pub allow_from: Vec<IpNet>,
    /// The age or SSH public keys that everything is sealed to.
    pub recipients: Vec<String>,
    /// Mail addresses.
    pub contacts: Vec<String>,
    /// Bounds.
    pub limits: TenantLimits,
    /// Which uploads it may send.
    pub uploads: UploadRule,
    /// Whether it may remove files from its outbox.
    pub may_delete: bool,
    /// Onboarding tests.
    pub onboarding: Onboarding,
    /// Agreements, the ground for letters.
    pub agreements: Vec<Agreement>,
    /// Protocols, the ground for data.
    pub protocols: Vec<Protocol>,
    /// Routes asked about.
    pub interests: Vec<super::protocol::Route>,
}

impl Tenant {
    /// A tenant with a name and bounds, and nothing more: nobody can log in, nothing may be delivered to it, and whoever
    /// is to log in does it with a key.
    pub fn new(id: TenantId, name: String, kind: TenantKind, limits: TenantLimits) -> Self {
        Self {
            id,
            name,
            kind,
            nis_code: None,
            former_nis_codes: Vec::new(),
            keys: Vec::new(),
            certificate_authorities: Vec::new(),
            passwords: Vec::new(),
            require: vec![LoginStep::PublicKey],
            allow_from: Vec::new(),
            recipients: Vec::new(),
            contacts: Vec::new(),
            limits,
            uploads: UploadRule::Any,
            may_delete: false,
            onboarding: Onboarding::default(),
            agreements: Vec::new(),
            protocols: Vec::new(),
            interests: Vec::new(),
        }
    }

    /// The protocol of that name.
    pub fn protocol(&self, id: &ProtocolId) -> Option<&Protocol> {
        self.protocols.iter().find(|protocol| protocol.id == *id)
    }

    /// Whether the tenant may come from that address; an IPv4 address in IPv6 form counts as IPv4.
    pub fn may_come_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allow_from.iter().any(|network| network.contains(&address))
    }

    /// Whether anybody can log in at all.
    pub fn can_log_in(&self) -> bool {
        let key = !self.keys.is_empty() || !self.certificate_authorities.is_empty();
        !self.require.is_empty()
            && self.require.iter().all(|step| match step {
                LoginStep::PublicKey => key,
                LoginStep::Password => !self.passwords.is_empty(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_tenant_is_let_in_by_nobody() {
        let limits = TenantLimits { upload_bytes: 1, inbox_bytes: 1, outbox_bytes: 1 };
        let tenant = Tenant::new("bree".parse().unwrap(), "Bree".to_owned(), TenantKind::Municipality, limits);
        assert!(!tenant.can_log_in() && !tenant.may_come_from("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn names_that_are_no_tenant_are_refused() {
        for text in ["bree", "wezembeek-oppem", "a1", "2b"] {
            assert!(text.parse::<TenantId>().is_ok(), "{text}");
        }
        for text in ["", "a", "Bree", "bree/..", "-bree", "..", "bree.", "é", &"a".repeat(33)] {
            assert_eq!(text.parse::<TenantId>(), Err(TenantIdFault), "{text}");
        }
    }
}
