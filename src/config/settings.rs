//! The settings as the program uses them: domain values, absolute paths, durations. Nothing here is unchecked.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net};

use super::{
    SecretFile,
    files::{self, Texts},
};
use crate::domain::{
    Assignment, AssignmentId, Costs, Municipalities, ProtocolId, ServerAddress, SourceCatalogue, Tenant, TenantId,
};

/// Everything that the configuration says. It is read whole and replaced whole.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether this is the real thing.
    pub environment: Environment,
    /// The addresses to listen on, at least one; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Where tenants reach it, for their guide; none: it does not say.
    pub public_address: Option<ServerAddress>,
    /// Drop-boxes, transfer log and ledger.
    pub state_dir: PathBuf,
    /// The newest checkpoint of the transfer log, on another file system where there is one.
    pub high_water_dir: PathBuf,
    /// Where ops hand files over; a tmpfs.
    pub spool_dir: PathBuf,
    /// The files of tenants.
    pub tenants_dir: PathBuf,
    /// The catalogue of sources.
    pub sources_file: PathBuf,
    /// The files of assignments.
    pub assignments_dir: PathBuf,
    /// The tariffs.
    pub costs_file: PathBuf,
    /// The SHA-256 of each protocol and agreement as it is written, hexadecimal, by tenant and reference.
    pub documents: BTreeMap<(TenantId, ProtocolId), String>,
    /// Who has a drop-box.
    pub tenants: BTreeMap<TenantId, Arc<Tenant>>,
    /// What is selected for whom; empty where there is no directory of assignments.
    pub assignments: BTreeMap<AssignmentId, Arc<Assignment>>,
    /// What that costs; none where there is no file of costs.
    pub costs: Option<Costs>,
    /// The sources of the Groeipakket.
    pub sources: SourceCatalogue,
    /// The municipalities and their postcodes.
    pub municipalities: Municipalities,
    /// The keys that the server shows, at least one.
    pub host_keys: Vec<SecretFile>,
    /// Opens what municipalities seal.
    pub exchange_identity: SecretFile,
    /// The extract of the register.
    pub register: RegisterSettings,
    /// The transfer log's name and key.
    pub log: LogKeySettings,
    /// What clients show before a login; none: nothing.
    pub banner: Option<String>,
    /// Bounds on use.
    pub limits: Limits,
    /// How failed logins are slowed down.
    pub penalties: Penalties,
    /// How long things are kept.
    pub retention: Retention,
    /// Where mail goes; none: no mail is sent.
    pub mail: Option<MailSettings>,
    /// Where metrics are served; none: they are not.
    pub metrics: Option<MetricsSettings>,
    /// The language of files and mail for tenants.
    pub language: Language,
    pub(super) fingerprint: String,
    pub(super) main_file: PathBuf,
    pub(super) texts: Arc<Texts>,
}

impl Settings {
    /// The SHA-256 in hex over all files that were read, each with its name: two configurations with the same
    /// fingerprint say the same, byte for byte.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Every secret that is named.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretFile> {
        let others = [&self.exchange_identity, &self.register.identity, &self.log.key];
        self.host_keys.iter().chain(others).chain(&self.log.co_sign).chain(self.mail_password())
    }

    /// The secret that the mail server asks for, where somebody logs in.
    pub(super) fn mail_password(&self) -> Option<&SecretFile> {
        self.mail.as_ref()?.login.as_ref().map(|(_, password)| password)
    }

    /// The server's name for tenants, where the settings have one, and its port: `listened`, unless another is forwarded.
    pub fn reached_at(&self, listened: u16) -> (Option<&str>, u16) {
        let address = self.public_address.as_ref();
        let port = address.and_then(|address| address.port).map_or(listened, NonZeroU16::get);
        (address.map(|address| address.host.as_str()), port)
    }

    /// Every file that the configuration was read from, absolute: the main file, those it names, and those these name.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.texts.keys().map(PathBuf::as_path)
    }

    /// The main file, absolute.
    pub fn main_file(&self) -> &Path {
        &self.main_file
    }

    /// What a file of the configuration held when it was read: its text, or a digest of one that is no text.
    pub(super) fn text_of(&self, path: &Path) -> Option<&str> {
        self.texts.get(&files::absolute(path)).map(String::as_str)
    }
}

/// Whether the deployment is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Environment {
    /// Real data: the keys of `keys-example/` are refused.
    Production,
    /// Synthetic data: the keys of `keys-example/` are accepted.
    Demo,
}

/// The extract of the register.
#[derive(Debug, Clone)]
pub struct RegisterSettings {
    /// The sealed extract; it is read again when it is replaced.
    pub path: PathBuf,
    /// Opens it.
    pub identity: SecretFile,
}

/// The transfer log's name and key.
#[derive(Debug, Clone)]
pub struct LogKeySettings {
    /// The log's name in checkpoints; one per year.
    pub origin: String,
    /// The signed-note key that signs checkpoints.
    pub key: SecretFile,
    /// Keys that sign beside it, while one is replaced.
    pub co_sign: Vec<SecretFile>,
    /// Whether each listing of a directory is an entry.
    pub listings: bool,
}

/// Bounds on use; meeting one gives a clear refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time.
    pub connections: u32,
    /// Connections at one time from one address.
    pub connections_per_source: u32,
    /// Sessions at one time of one tenant.
    pub sessions_per_tenant: u32,
    /// From the connection to the login.
    pub login_grace: Duration,
    /// Attempts to log in on one connection.
    pub auth_attempts: u32,
    /// Silence after which a session is ended.
    pub idle: Duration,
    /// One uploaded file, bytes.
    pub upload_bytes: u64,
    /// Plaintext uploads in flight, of all tenants together, bytes.
    pub upload_memory_bytes: u64,
    /// Open files and directories of one connection, over all of its channels.
    pub open_handles: u32,
    /// Rows of one list.
    pub list_rows: u32,
    /// Rows at fault above which a list is refused, percent.
    pub max_invalid_percent: u32,
    /// How long sessions may go on after the daemon was asked to stop.
    pub drain: Duration,
}

impl Default for Limits {
    /// What holds where the main file says nothing.
    fn default() -> Self {
        Self {
            connections: 1000,
            connections_per_source: 32,
            sessions_per_tenant: 16,
            login_grace: Duration::from_secs(30),
            auth_attempts: 6,
            idle: Duration::from_mins(15),
            upload_bytes: 64 << 20,
            upload_memory_bytes: 1 << 30,
            open_handles: 256,
            list_rows: 500_000,
            max_invalid_percent: 10,
            drain: Duration::from_mins(1),
        }
    }
}

/// How failed logins from one address are slowed down: each failure after the first few doubles the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Penalties {
    /// Connections without a login that cost nothing.
    pub after: u32,
    /// How long the source is slow at first.
    pub first: Duration,
    /// How long at most.
    pub longest: Duration,
    /// Networks without penalties.
    pub exempt: Vec<IpNet>,
}

impl Default for Penalties {
    /// What holds where the main file says nothing; the agency's own networks go free.
    fn default() -> Self {
        let own = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8);
        Self { after: 5, first: Duration::from_secs(10), longest: Duration::from_hours(1), exempt: vec![own.into()] }
    }
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Files in an outbox, unless the protocol says otherwise, days.
    pub outbox_days: u32,
    /// Uploads after their answer, days.
    pub answered_uploads_days: u32,
    /// The transfer log, years.
    pub log_years: u32,
    /// Disclosures that can be opened without the archive, months.
    pub disclosures_hot_months: u32,
}

/// Where mail goes, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSettings {
    /// The mail server: a name, or an address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The sender.
    pub from: String,
    /// Who runs the exchange.
    pub ops: Vec<String>,
    /// How the way to the server is protected.
    pub tls: MailTls,
    /// The certificates that the server's is checked against, PEM; none: those of the system.
    pub ca: Option<PathBuf>,
    /// The name and password to log in with.
    pub login: Option<(String, SecretFile)>,
    /// What happens within this time goes into one mail.
    pub gather: Duration,
    /// After how many days a tenant hears that it did not fetch a file.
    pub unfetched_after_days: u32,
}

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailTls {
    /// The connection begins in clear and changes to TLS, or nothing is sent (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// In clear, to a server on this machine.
    None,
}

/// Where metrics are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsSettings {
    /// The address to listen on.
    pub listen: SocketAddr,
}

/// The language of files and mail for tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Dutch.
    Dutch,
    /// English.
    English,
}
