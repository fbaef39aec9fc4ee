//! The settings in force, and the answers that other rooms ask of them.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use jiff::Timestamp;

use crate::{
    config::Settings,
    documents::{Guide, Joining},
    domain::{Assignment, AssignmentId, Tenant, TenantId},
    dropbox::{Host, RefusedUpload, Submission, UploadFault},
    durable::Clock,
    exchange::{self, Exchange, Registers, Tenants},
    lists,
    metrics::Counts,
    sftp,
};

/// Settings that are replaced whole, and what belongs to the running daemon for good.
pub(super) struct Live {
    settings: RwLock<Arc<Settings>>,
    clock: Clock,
    registers: Arc<Registers>,
    facts: Facts,
    exchange: OnceLock<Exchange>,
    /// Where connections come in, which the settings name for the next start only.
    port: OnceLock<u16>,
    counts: Arc<Counts>,
}

/// What tenants are told about the exchange's own keys.
pub(super) struct Facts {
    /// Of the first host key, as clients show it.
    pub host_fingerprint: String,
    /// Of the others: no client sees them before they are the first of their kind.
    pub next_host_keys: Vec<String>,
    /// The public lines of all, as in `known_hosts` after the host's name.
    pub host_keys: Vec<String>,
    /// What municipalities can seal to.
    pub exchange_recipients: Vec<String>,
}

/// What the guide calls this server where the settings do not name it.
const UNNAMED_HOST: &str = "<server>";

/// The port in the guide before anything is listened on.
const DEFAULT_PORT: u16 = 2222;

/// Numbers in the example list: enough to see each kind of answer.
const EXAMPLE_CHILDREN: usize = 25;

/// Whom tenants ask.
fn contact(settings: &Settings) -> &str {
    settings.mail.as_ref().and_then(|mail| mail.ops.first()).map_or("uw contactpersoon bij VUTG", String::as_str)
}

/// How a tenant of these settings begins: what its contact is mailed before the first login.
pub fn first_steps(settings: &Settings, tenant: &Tenant, host_fingerprints: &[String]) -> String {
    let (host, port) = settings.reached_at(settings.listen.first().map_or(DEFAULT_PORT, SocketAddr::port));
    let host = host.unwrap_or(UNNAMED_HOST);
    Joining { tenant, host, port, host_fingerprints, contact: contact(settings) }.text()
}

impl Live {
    pub fn new(
        settings: Arc<Settings>,
        clock: Clock,
        registers: Arc<Registers>,
        facts: Facts,
        counts: Arc<Counts>,
    ) -> Self {
        counts.configured(settings.tenants.keys(), clock.now());
        let (settings, exchange, port) = (RwLock::new(settings), OnceLock::new(), OnceLock::new());
        Self { settings, clock, registers, facts, exchange, port, counts }
    }

    /// What is counted.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other settings in force, and gives those that were.
    pub fn replace(&self, settings: Arc<Settings>) -> Arc<Settings> {
        self.counts.configured(settings.tenants.keys(), self.clock.now());
        std::mem::replace(&mut *self.settings.write().unwrap_or_else(PoisonError::into_inner), settings)
    }

    /// Names the addresses that are listened on, of this daemon's own or passed to it.
    pub fn listens(&self, addresses: &[SocketAddr]) {
        if let Some(first) = addresses.first() {
            // Set once, at the start.
            let _ = self.port.set(first.port());
        }
    }

    /// Names the exchange, which is made after the drop-boxes that report to it.
    pub fn connect(&self, exchange: Exchange) {
        // Set once, at the start.
        let _ = self.exchange.set(exchange);
    }
}

impl sftp::Directory for Live {
    fn tenant(&self, user: &str) -> Option<Arc<Tenant>> {
        let id: TenantId = user.parse().ok()?;
        self.settings().tenants.get(&id).cloned()
    }

    fn has_authorities(&self) -> bool {
        self.settings().tenants.values().any(|tenant| !tenant.certificate_authorities.is_empty())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Tenants for Live {
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.settings().tenants.get(id).cloned()
    }

    fn all(&self) -> Vec<Arc<Tenant>> {
        self.settings().tenants.values().cloned().collect()
    }

    fn assignment(&self, id: &AssignmentId) -> Option<Arc<Assignment>> {
        self.settings().assignments.get(id).cloned()
    }

    fn list_limits(&self) -> lists::Limits {
        let limits = self.settings().limits;
        lists::Limits {
            rows: limits.list_rows as usize,
            max_invalid_percent: u8::try_from(limits.max_invalid_percent).unwrap_or(100),
        }
    }

    fn contact(&self) -> String {
        contact(&self.settings()).to_owned()
    }

    fn outbox_days(&self) -> u32 {
        self.settings().retention.outbox_days
    }

    fn answered_uploads_days(&self) -> u32 {
        self.settings().retention.answered_uploads_days
    }
}

impl Host for Live {
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        Tenants::tenant(self, id)
    }

    fn guide(&self, tenant: &Tenant) -> String {
        let settings = self.settings();
        // Without the ledger's word it is the file's alone.
        let onboarded = self.exchange.get().and_then(|exchange| exchange.onboarded(&tenant.id).ok());
        let tenant = onboarded.as_deref().unwrap_or(tenant);
        let (host, port) = settings.reached_at(self.port.get().copied().unwrap_or(DEFAULT_PORT));
        let guide = Guide {
            tenant,
            host: host.unwrap_or(UNNAMED_HOST),
            port,
            host_key_fingerprint: &self.facts.host_fingerprint,
            next_host_keys: &self.facts.next_host_keys,
            host_keys: &self.facts.host_keys,
            exchange_recipients: &self.facts.exchange_recipients,
            contact: contact(&settings),
            today: self.clock.today(),
        };
        guide.text()
    }

    fn example_list(&self, tenant: &Tenant) -> String {
        let register = tenant.nis_code.map(|code| self.registers.trial(code, self.clock.today()));
        let mut list = "niss\n".to_owned();
        match register {
            Some(Ok(register)) => {
                let first_of_child = register.households().filter(|household| !household.is_later_of_child());
                for household in first_of_child.take(EXAMPLE_CHILDREN) {
                    list.extend(household.child_niss().digits().map(char::from));
                    list.push('\n');
                }
            }
            Some(Err(error)) => tracing::error!(error = &error as &dyn std::error::Error, "no example list"),
            None => {}
        }
        list
    }

    fn accounts_listings(&self) -> bool {
        self.settings().log.listings
    }

    fn fault_of_ground(&self, tenant: &Tenant, name: &str) -> Option<UploadFault> {
        exchange::fault_of_ground(tenant, name, self.clock.today())
    }

    fn submitted(&self, submission: Submission) {
        // Before the exchange is named no session is open, and it finds what waits by itself.
        if let Some(exchange) = self.exchange.get() {
            exchange.submit(submission);
        }
    }

    fn refused_upload(&self, refused: RefusedUpload) {
        if let Some(exchange) = self.exchange.get() {
            exchange.explain(refused);
        }
    }
}
