//! The settings in force, and the answers that other rooms ask of them.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use jiff::Timestamp;

use crate::{
    config::Settings,
    documents::guide::{self, GuideFacts},
    domain::{Tenant, TenantId},
    dropbox::{Host, RefusedUpload, Submission},
    durable::Clock,
    exchange::{Exchange, Registers, Tenants},
    lists, sftp,
};

/// Settings that are replaced whole, and what belongs to the running daemon for good.
pub(super) struct Live {
    settings: RwLock<Arc<Settings>>,
    clock: Clock,
    registers: Arc<Registers>,
    facts: Facts,
    exchange: OnceLock<Exchange>,
}

/// What tenants are told about the exchange's own keys.
pub(super) struct Facts {
    /// Of each host key, as clients show it.
    pub host_fingerprints: Vec<String>,
    /// What municipalities can seal to.
    pub exchange_recipients: Vec<String>,
    /// The transfer log's public key.
    pub log_key: String,
}

/// Numbers in the example list: enough to see each kind of answer.
const EXAMPLE_CHILDREN: usize = 25;

impl Live {
    pub fn new(settings: Arc<Settings>, clock: Clock, registers: Arc<Registers>, facts: Facts) -> Self {
        Self { settings: RwLock::new(settings), clock, registers, facts, exchange: OnceLock::new() }
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other settings in force, and gives those that were.
    pub fn replace(&self, settings: Arc<Settings>) -> Arc<Settings> {
        std::mem::replace(&mut *self.settings.write().unwrap_or_else(PoisonError::into_inner), settings)
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

    fn list_limits(&self) -> lists::Limits {
        let limits = self.settings().limits;
        lists::Limits {
            rows: limits.list_rows as usize,
            max_invalid_percent: u8::try_from(limits.max_invalid_percent).unwrap_or(100),
        }
    }

    fn outbox_days(&self) -> u32 {
        self.settings().retention.outbox_days
    }
}

impl Host for Live {
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        Tenants::tenant(self, id)
    }

    fn guide(&self, tenant: &Tenant) -> String {
        let settings = self.settings();
        guide::text(&GuideFacts {
            tenant,
            host_fingerprints: &self.facts.host_fingerprints,
            exchange_recipients: &self.facts.exchange_recipients,
            log_key: &self.facts.log_key,
            contact: settings.mail.as_ref().and_then(|mail| mail.ops.first()).map(String::as_str),
        })
    }

    fn example_list(&self, tenant: &Tenant) -> String {
        let register = tenant.nis_code.map(|code| self.registers.trial(code));
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
