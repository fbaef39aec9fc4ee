//! The main file, `groeikluis.yaml`. Values that may be left out have the defaults of its commented example.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    Environment, Language, Limits, LogKeySettings, MailSettings, MetricsSettings, Penalties, RegisterSettings,
    Retention, SecretFile, access,
    fault::{Faults, shown},
    fields::{Fields, Item},
    keys, mail_section,
    tree::Node,
};
use crate::domain::{ByteSize, ServerAddress};

/// Where clients connect where the file says nothing: every address, and a port that needs no privilege.
const LISTEN: [&str; 2] = ["0.0.0.0:2222", "[::]:2222"];

/// One uploaded file, bytes. The upper bound keeps a list with its answer in memory.
const UPLOAD_BOUNDS: std::ops::RangeInclusive<ByteSize> = ByteSize(1 << 10)..=ByteSize(4 << 30);

/// Plaintext uploads in flight, bytes.
const UPLOAD_MEMORY_BOUNDS: std::ops::RangeInclusive<ByteSize> = ByteSize(1 << 10)..=ByteSize(1 << 40);

/// What clients show before a login where the file says nothing. Lines end as SSH has it (RFC 4252, section 5.4).
const BANNER: &str = "Gegevensuitwisseling van VUTG en Opgroeien.\r\n\
    Alleen voor wie een eigen toegang heeft; wat hier gebeurt, wordt bijgehouden.\r\n";

/// Characters of a banner at most: clients show it whole, some in a window.
const LONGEST_BANNER: usize = 2000;

/// What the main file says, and the places of the other files.
pub(super) struct MainFile {
    pub environment: Environment,
    pub listen: Vec<SocketAddr>,
    pub public_address: Option<ServerAddress>,
    pub state_dir: Option<PathBuf>,
    pub high_water_dir: Option<PathBuf>,
    pub spool_dir: Option<PathBuf>,
    pub tenants_dir: PathBuf,
    pub assignments_dir: PathBuf,
    pub sources_file: PathBuf,
    pub costs_file: PathBuf,
    pub host_keys: Vec<SecretFile>,
    pub exchange_identity: Option<SecretFile>,
    pub register: Option<RegisterSettings>,
    pub log: Option<LogKeySettings>,
    pub banner: Option<String>,
    pub limits: Limits,
    pub penalties: Penalties,
    pub retention: Retention,
    pub mail: Option<MailSettings>,
    pub metrics: Option<MetricsSettings>,
    pub language: Language,
}

/// Reads the main file; none when it is no mapping.
pub(super) fn read(root: &Node, faults: &Faults) -> Option<MainFile> {
    let fields = Fields::of_file(root, &keys::MAIN, faults)?;
    // A word at fault counts as production, the stricter one.
    let environment = fields.word("environment").unwrap_or(Environment::Production);
    let secret = |fields: &Fields<'_>, key| fields.item(key).and_then(|item| secret(&item, environment));
    let beside =
        |key, default: &str| fields.path(key).unwrap_or_else(|| Item { node: root, key, faults }.beside(default));
    Some(MainFile {
        environment,
        listen: listen(&fields),
        public_address: fields.parsed("public_address"),
        state_dir: fields.path("state_dir"),
        high_water_dir: fields.path("high_water_dir"),
        spool_dir: fields.path("spool_dir"),
        tenants_dir: beside("tenants", "tenants"),
        assignments_dir: beside("assignments", "assignments"),
        sources_file: beside("sources", "sources.yaml"),
        costs_file: beside("costs", "costs.yaml"),
        host_keys: host_keys(&fields, environment),
        exchange_identity: secret(&fields, "exchange_identity"),
        register: fields.mapping("register", &keys::REGISTER).and_then(|register| {
            let (path, identity) = (register.path("path"), secret(&register, "identity"));
            Some(RegisterSettings { path: path?, identity: identity? })
        }),
        log: fields.mapping("log", &keys::LOG).and_then(|log| {
            let (origin, key) = (log.item("origin").and_then(|item| origin(&item)), secret(&log, "key"));
            let listings = log.leaf("listings").unwrap_or(false);
            let co_sign = log.list("co_sign").iter().filter_map(|item| self::secret(item, environment)).collect();
            Some(LogKeySettings { origin: origin?, key: key?, co_sign, listings })
        }),
        banner: banner(&fields),
        limits: limits(fields.mapping("limits", &keys::LIMITS).as_ref(), faults),
        penalties: penalties(fields.mapping("penalties", &keys::PENALTIES).as_ref()),
        retention: retention(fields.mapping("retention", &keys::RETENTION).as_ref()),
        mail: mail_section::read(&fields, |item| self::secret(item, environment)),
        metrics: fields
            .mapping("metrics", &keys::METRICS)
            .and_then(|metrics| metrics.item("listen").and_then(|item| address(&item)))
            .map(|listen| MetricsSettings { listen }),
        language: fields.word("language").unwrap_or(Language::Dutch),
    })
}

fn listen(fields: &Fields<'_>) -> Vec<SocketAddr> {
    let Some(listed) = fields.item("listen") else {
        return LISTEN.iter().filter_map(|address| address.parse().ok()).collect();
    };
    let items = listed.list();
    if items.as_ref().is_some_and(Vec::is_empty) {
        listed.fault("`listen` names no address", None);
    }
    let mut addresses = Vec::new();
    for item in items.unwrap_or_default() {
        match address(&item) {
            // Port 0 takes another port each time.
            Some(address) if address.port() != 0 && addresses.contains(&address) => {
                item.fault(format!("`listen` {address} stands twice"), None);
            }
            Some(address) => addresses.push(address),
            None => {}
        }
    }
    addresses
}

fn address(item: &Item<'_>) -> Option<SocketAddr> {
    let text = item.text()?;
    let address = text.parse().ok();
    if address.is_none() {
        let problem = format!("`{}` {} is not an address with a port", item.key, shown(&text));
        item.fault(problem, Some("write it as 0.0.0.0:2222 or [::]:2222"));
    }
    address
}

fn host_keys(fields: &Fields<'_>, environment: Environment) -> Vec<SecretFile> {
    let Some(listed) = fields.item("host_keys") else { return Vec::new() };
    let items = listed.list();
    if items.as_ref().is_some_and(Vec::is_empty) {
        listed.fault("`host_keys` names no key", Some("make one with `groeikluis keys new host --out FILE`"));
    }
    items.unwrap_or_default().iter().filter_map(|item| secret(item, environment)).collect()
}

/// Reads where a secret is: a path, or a credential of systemd.
fn secret(item: &Item<'_>, environment: Environment) -> Option<SecretFile> {
    let text = item.text()?;
    if text.contains("PRIVATE") || text.contains("SECRET-KEY") {
        item.fault(format!("`{}` holds a secret key itself", item.key), Some("name its file, and make a new key"));
        return None;
    }
    let at = item.node.at.clone();
    let Some(name) = text.strip_prefix("credential:") else {
        return Some(SecretFile::file(item.beside(&text), environment, at));
    };
    // As systemd takes them: one name in its directory (systemd.exec(5)).
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_name) {
        item.fault(format!("`{}` {} is no name of a credential", item.key, shown(name)), None);
        return None;
    }
    Some(SecretFile::credential(name.to_owned(), environment, at))
}

/// Reads a log's name: the origin line of its checkpoints, and the name of its key (C2SP signed-note, which forbids
/// spaces and `+` in it).
fn origin(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    if text.len() > 255 || text.contains(|c: char| c == '+' || c.is_whitespace() || c.is_control()) {
        let problem = format!("`origin` {} is no name of a log", shown(&text));
        item.fault(problem, Some("write it without spaces and +, such as groeikluis.example/2026"));
    }
    Some(text)
}

/// A number of seconds, or the default.
pub(super) fn seconds(
    fields: Option<&Fields<'_>>,
    key: &'static str,
    bounds: std::ops::RangeInclusive<u32>,
    default: Duration,
) -> Duration {
    // Zero is outside of no bounds that are asked for here, and is not used where the key is absent.
    let given = fields.filter(|fields| fields.item(key).is_some());
    given.map_or(default, |fields| Duration::from_secs(fields.number(key, bounds, 0).into()))
}

/// Reads what clients show before a login; empty text shows nothing.
fn banner(fields: &Fields<'_>) -> Option<String> {
    let Some(item) = fields.item("banner") else { return Some(BANNER.to_owned()) };
    let text: String = item.leaf()?;
    if text.chars().count() > LONGEST_BANNER {
        item.fault(format!("`banner` is longer than {LONGEST_BANNER} characters"), None);
    }
    // A terminal obeys control characters.
    if text.chars().any(|letter| letter.is_control() && letter != '\n') {
        item.fault("`banner` has control characters", Some("write lines of plain text"));
    }
    let lines = text.trim_end().lines().map(|line| format!("{}\r\n", line.trim_end()));
    Some(lines.collect()).filter(|text: &String| !text.is_empty())
}

/// Upper bounds are far above any use; they catch a slip of the hand, such as one zero too many.
fn limits(fields: Option<&Fields<'_>>, faults: &Faults) -> Limits {
    let number = |key, bounds, default| fields.map_or(default, |fields| fields.number(key, bounds, default));
    let seconds = |key, bounds, default| seconds(fields, key, bounds, default);
    let size = |key, bounds, default| fields.map_or(default, |fields| fields.size(key, bounds, ByteSize(default)));
    let usual = Limits::default();
    let limits = Limits {
        connections: number("connections", 1..=100_000, usual.connections),
        connections_per_source: number("connections_per_source", 1..=100_000, usual.connections_per_source),
        sessions_per_tenant: number("sessions_per_tenant", 1..=10_000, usual.sessions_per_tenant),
        login_grace: seconds("login_grace_seconds", 1..=600, usual.login_grace),
        auth_attempts: number("auth_attempts", 1..=20, usual.auth_attempts),
        idle: seconds("idle_seconds", 10..=86_400, usual.idle),
        upload_bytes: size("upload_bytes", UPLOAD_BOUNDS, usual.upload_bytes),
        upload_memory_bytes: size("upload_memory", UPLOAD_MEMORY_BOUNDS, usual.upload_memory_bytes),
        open_handles: number("open_handles", 1..=65_536, usual.open_handles),
        list_rows: number("list_rows", 1..=10_000_000, usual.list_rows),
        max_invalid_percent: number("max_invalid_percent", 0..=100, usual.max_invalid_percent),
        drain: seconds("drain_seconds", 0..=3600, usual.drain),
    };
    if let Some(fields) = fields
        && limits.upload_memory_bytes < limits.upload_bytes
    {
        let (memory, upload) = (ByteSize(limits.upload_memory_bytes), ByteSize(limits.upload_bytes));
        let problem = format!("`upload_memory` is {memory}, less than one upload of {upload}");
        faults.add(fields.place("upload_memory"), problem);
    }
    limits
}

fn penalties(fields: Option<&Fields<'_>>) -> Penalties {
    let number = |key, bounds, default| fields.map_or(default, |fields| fields.number(key, bounds, default));
    let exempt = fields.and_then(|fields| fields.item("exempt"));
    let usual = Penalties::default();
    let penalties = Penalties {
        after: number("after", 1..=1000, usual.after),
        first: seconds(fields, "first_seconds", 1..=86_400, usual.first),
        longest: seconds(fields, "longest_seconds", 1..=86_400, usual.longest),
        exempt: exempt.as_ref().map_or(usual.exempt, |item| access::networks(&item.list().unwrap_or_default())),
    };
    if let Some(item) = exempt.filter(|_| penalties.exempt.iter().any(|network| network.prefix_len() == 0)) {
        item.fault("`exempt` has a network of all addresses: nobody would be slowed down", None);
    }
    if penalties.longest < penalties.first
        && let Some(item) = fields.and_then(|fields| fields.item("longest_seconds").or(fields.item("first_seconds")))
    {
        item.fault("`longest_seconds` is less than `first_seconds`", None);
    }
    penalties
}

fn retention(fields: Option<&Fields<'_>>) -> Retention {
    let number = |key, bounds, default| fields.map_or(default, |fields| fields.number(key, bounds, default));
    Retention {
        outbox_days: number("outbox_days", 1..=3650, 90),
        answered_uploads_days: number("answered_uploads_days", 1..=3650, 30),
        log_years: number("log_years", 1..=100, 10),
        disclosures_hot_months: number("disclosures_hot_months", 1..=1200, 6),
    }
}
