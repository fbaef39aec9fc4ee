//! The counters, and which of them an entry of the log moves.

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{
    answering::Answering,
    labels::{
        Bytes, DeliveryLabels, Direction, EventLabel, ListLabels, LoginLabels, Method, Outcome, RuleLabels,
        TransferLabels, UNKNOWN_TENANT,
    },
    of_tenant::OfTenants,
};
use crate::{
    domain::TenantId,
    transfer_log::{self, Event, LoginMethod, StoredEntry},
};

/// A login: from a key in memory in a millisecond, to a password and a slow line; above it waits the grace time (30 s).
const LOGIN_SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// An answer: 20 ms for a list of hundreds, minutes where lists wait for one another, hours where the register is missing.
const ANSWER_SECONDS: [f64; 13] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0, 14_400.0];

/// A transfer: a manifest in a millisecond, gigabytes of letters over a slow line.
const TRANSFER_SECONDS: [f64; 11] = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 3_600.0];

type OfKind<L> = Family<L, Histogram, fn() -> Histogram>;

/// How a reload of the configuration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// Something else is in force now.
    Changed,
    /// The files say what was in force.
    Unchanged,
    /// Nothing changed, for a fault.
    Failed,
}

/// The counters of a running daemon.
pub struct Counts {
    registry: Registry,
    tenants: RwLock<HashSet<TenantId>>,
    /// Whether entries are counted: not while the index catches up with what an earlier start wrote.
    begun: AtomicBool,
    answering: Mutex<Answering>,
    logins: OfTenants<LoginLabels>,
    login_seconds: OfKind<Method>,
    transfers: OfTenants<TransferLabels>,
    transfer_bytes: OfTenants<Bytes>,
    transfer_seconds: OfKind<Direction>,
    lists: OfTenants<ListLabels>,
    answer_seconds: Histogram,
    rules: OfTenants<RuleLabels>,
    deliveries: OfTenants<DeliveryLabels>,
    events: Family<EventLabel, Counter>,
    reloads: Family<Outcome, Counter>,
    registers: Family<Outcome, Counter>,
    /// Seconds since 1970.
    configured: Gauge<i64, AtomicI64>,
    configured_well: Gauge<i64, AtomicI64>,
    register_seconds: Gauge<f64, AtomicU64>,
}

impl Default for Counts {
    fn default() -> Self {
        let mut counts = Self {
            registry: Registry::with_prefix("groeikluis"),
            tenants: RwLock::default(),
            begun: AtomicBool::new(false),
            answering: Mutex::default(),
            logins: OfTenants::default(),
            login_seconds: Family::new_with_constructor(|| Histogram::new(LOGIN_SECONDS)),
            transfers: OfTenants::default(),
            transfer_bytes: OfTenants::default(),
            transfer_seconds: Family::new_with_constructor(|| Histogram::new(TRANSFER_SECONDS)),
            lists: OfTenants::default(),
            answer_seconds: Histogram::new(ANSWER_SECONDS),
            rules: OfTenants::default(),
            deliveries: OfTenants::default(),
            events: Family::default(),
            reloads: Family::default(),
            registers: Family::default(),
            configured: Gauge::default(),
            configured_well: Gauge::default(),
            register_seconds: Gauge::default(),
        };
        counts.register();
        counts.begin_at_zero();
        counts
    }
}

impl Counts {
    /// Entries are counted from now on; these submissions were received before, and wait.
    pub fn begin<'a>(&self, waiting: impl Iterator<Item = (&'a str, Timestamp)>) {
        let mut answering = self.answering.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.for_each(|(submission, at)| answering.received(submission, at));
        self.begun.store(true, Ordering::Release);
    }

    /// This configuration holds, since that time: others than its tenants have no label of their own, and counters of
    /// those that left it go.
    pub fn configured<'a>(&self, tenants: impl Iterator<Item = &'a TenantId>, at: Timestamp) {
        let mut configured = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        *configured = tenants.cloned().collect();
        let names: HashSet<&str> = configured.iter().map(TenantId::as_str).chain([UNKNOWN_TENANT]).collect();
        let is_kept = |tenant: &str| names.contains(tenant);
        self.logins.keep(is_kept);
        self.transfers.keep(is_kept);
        self.transfer_bytes.keep(is_kept);
        self.lists.keep(is_kept);
        self.rules.keep(is_kept);
        self.deliveries.keep(is_kept);
        self.configured.set(at.as_second());
    }

    /// The configuration was read again.
    pub fn reloaded(&self, reload: Reload) {
        self.reloads.get_or_create(&Outcome { outcome: reload.name() }).inc();
        self.configured_well.set(i64::from(reload != Reload::Failed));
    }

    /// Somebody logged in by that method, so long after connecting.
    pub fn login_took(&self, method: &'static str, took: Duration) {
        self.login_seconds.get_or_create(&Method { method }).observe(took.as_secs_f64());
    }

    /// A register was loaded in that time.
    pub fn register_took(&self, took: Duration) {
        self.register_seconds.set(took.as_secs_f64());
    }

    /// Takes in an entry that became durable.
    pub(super) fn take_in(&self, entry: &StoredEntry) {
        if !self.begun.load(Ordering::Acquire) {
            return;
        }
        self.events.get_or_create(&EventLabel { event: entry.event.name() }).inc();
        let took = self.answering.lock().unwrap_or_else(PoisonError::into_inner).follow(entry);
        if let Some(seconds) = took {
            self.answer_seconds.observe(seconds);
        }
        let tenant = self.label(entry.context.tenant.as_ref());
        let succeeded = entry.outcome == transfer_log::Outcome::Success;
        let reason = || entry.reason.clone().unwrap_or_default();
        match &entry.event {
            Event::Login(login) => self.login(tenant, login.method, "accepted".to_owned()),
            Event::LoginRefused(refused) => self.login(tenant, refused.method, reason()),
            Event::Upload(upload) if succeeded => {
                self.transfer(tenant, "up", true, upload.size, upload.duration_ms);
            }
            Event::DownloadEnd(end) => self.transfer(tenant, "down", end.complete, end.bytes, end.duration_ms),
            Event::ListAnswered(_) => self.list(tenant, "answered".to_owned()),
            Event::ListRefused(_) => self.list(tenant, reason()),
            Event::PolicyRefused(refused) => {
                self.rules.add(RuleLabels { tenant, rule: refused.rule.clone() }, 1);
            }
            Event::DeliveryCreated(_) => self.delivery(tenant, "created"),
            Event::DeliveryAvailable(_) => self.delivery(tenant, "available"),
            Event::DeliveryFetched(_) => self.delivery(tenant, "fetched"),
            Event::RegisterLoaded(_) => self.register_outcome("loaded"),
            Event::RegisterRefused(_) => self.register_outcome("refused"),
            _ => {}
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    fn label(&self, tenant: Option<&TenantId>) -> String {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenant.filter(|tenant| tenants.contains(*tenant)).map_or(UNKNOWN_TENANT, TenantId::as_str).to_owned()
    }

    fn login(&self, tenant: String, method: LoginMethod, outcome: String) {
        let method = match method {
            LoginMethod::PublicKey => "publickey",
            LoginMethod::Password => "password",
            LoginMethod::None => "none",
        };
        self.logins.add(LoginLabels { tenant, method, outcome }, 1);
    }

    #[expect(clippy::cast_precision_loss, reason = "the sum of a histogram is a float; a transfer has not 2^53 ms")]
    fn transfer(&self, tenant: String, direction: &'static str, complete: bool, bytes: u64, duration_ms: u64) {
        let outcome = if complete { "complete" } else { "partial" };
        self.transfers.add(TransferLabels { tenant: tenant.clone(), direction, outcome }, 1);
        self.transfer_bytes.add(Bytes { tenant, direction }, bytes);
        self.transfer_seconds.get_or_create(&Direction { direction }).observe(duration_ms as f64 / 1000.0);
    }

    fn list(&self, tenant: String, outcome: String) {
        self.lists.add(ListLabels { tenant, outcome }, 1);
    }

    fn delivery(&self, tenant: String, step: &'static str) {
        self.deliveries.add(DeliveryLabels { tenant, step }, 1);
    }

    fn register_outcome(&self, outcome: &'static str) {
        self.registers.get_or_create(&Outcome { outcome }).inc();
    }

    /// Gives the counters their names; `_total` comes with the text.
    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("logins", "Logins, by how they ended", self.logins.family());
        to.register("transfers", "Files sent to (up) and fetched from (down) drop-boxes", self.transfers.family());
        to.register("lists", "Lists answered, or refused for a reason", self.lists.family());
        to.register("policy_refusals", "Files that the release gate held back, by its rule", self.rules.family());
        to.register("deliveries", "Steps of files for tenants", self.deliveries.family());
        to.register("log_events", "Entries that the transfer log took", self.events.clone());
        to.register("config_reloads", "Readings of the changed configuration", self.reloads.clone());
        to.register("register_loads", "Readings of the register", self.registers.clone());
        let well = "Whether the last reading of the configuration found no fault";
        to.register("config_last_reload_successful", well, self.configured_well.clone());
        to.register_with_unit(
            "transfer",
            "Bytes of files sent (up) and fetched (down)",
            Unit::Bytes,
            self.transfer_bytes.family(),
        );
        let help = "From connecting to being logged in";
        to.register_with_unit("login_duration", help, Unit::Seconds, self.login_seconds.clone());
        let help = "What loading the register took, the last time";
        to.register_with_unit("register_load", help, Unit::Seconds, self.register_seconds.clone());
        let help = "From opening a file to closing it";
        to.register_with_unit("transfer_duration", help, Unit::Seconds, self.transfer_seconds.clone());
        let help = "From the close of an uploaded list to the answer that can be fetched";
        to.register_with_unit("answer_duration", help, Unit::Seconds, self.answer_seconds.clone());
        let help = "When the configuration in force was put in force, Unix time";
        to.register_with_unit("config_last_change_timestamp", help, Unit::Seconds, self.configured.clone());
    }

    /// Closed sets are there from the start: what appears with its first count shows no increase.
    fn begin_at_zero(&self) {
        for reload in [Reload::Changed, Reload::Unchanged, Reload::Failed] {
            drop(self.reloads.get_or_create(&Outcome { outcome: reload.name() }));
        }
        for outcome in ["loaded", "refused"] {
            drop(self.registers.get_or_create(&Outcome { outcome }));
        }
        for direction in ["up", "down"] {
            drop(self.transfer_seconds.get_or_create(&Direction { direction }));
        }
        for method in ["publickey", "password"] {
            drop(self.login_seconds.get_or_create(&Method { method }));
        }
        self.configured_well.set(1);
    }
}

impl Reload {
    fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metrics::{Exposition, Sheet},
        transfer_log::{Actor, Context, DeliveryStep, FileKind, ListRefused, LoginRefused, Record, Upload},
    };

    fn entry(tenant: &str, about: Option<&str>, at: i64, event: Event, reason: Option<&'static str>) -> StoredEntry {
        let tenant = Some(tenant.parse().unwrap());
        let context = Context { tenant, correlation: about.map(str::to_owned), ..Context::of(Actor::Tenant) };
        let record = match reason {
            Some(reason) => Record::failure(event, reason, context),
            None => Record::success(event, context),
        };
        StoredEntry {
            seq: 0,
            at: Timestamp::from_second(at).unwrap(),
            event: record.event,
            outcome: record.outcome,
            reason: record.reason.map(str::to_owned),
            context: record.context,
            software: String::new(),
            digests: Vec::new(),
            bytes: Vec::new(),
        }
    }

    fn upload() -> Event {
        Event::Upload(Upload {
            size: 572,
            ciphertext_sha256: String::new(),
            file_kind: FileKind::Plain,
            test: false,
            complete: true,
            duration_ms: 40,
        })
    }

    #[test]
    fn an_answer_is_timed_from_the_upload_until_it_can_be_fetched() {
        let counts = Counts::default();
        counts.configured([&"bree".parse().unwrap()].into_iter(), Timestamp::from_second(1_000).unwrap());
        counts.take_in(&entry("bree", Some("s0"), 5, upload(), None));
        counts.begin([("s1", Timestamp::from_second(10).unwrap())].into_iter());
        let refused = |delivery: &str| {
            let (delivery_id, file) = (delivery.to_owned(), String::new());
            Event::ListRefused(ListRefused { rows: None, invalid: None, delivery_id, file })
        };
        let available = |delivery: &str| Event::DeliveryAvailable(DeliveryStep { delivery_id: delivery.to_owned() });
        for entry in [
            entry("bree", Some("s2"), 20, upload(), None),
            entry("bree", Some("s1"), 21, refused("d1"), Some("list-empty")),
            entry("bree", Some("s2"), 21, refused("d2"), Some("list-empty")),
            entry("bree", Some("d1"), 22, available("d1"), None),
            entry("bree", Some("d2"), 22, available("d2"), None),
            entry("bree", Some("d3"), 22, available("d3"), None),
        ] {
            counts.take_in(&entry);
        }
        let text = Sheet::default().text(&counts, Exposition::OpenMetrics).unwrap();
        for line in [
            "groeikluis_answer_duration_seconds_sum 14.0",
            "groeikluis_answer_duration_seconds_count 2",
            "groeikluis_answer_duration_seconds_bucket{le=\"2.5\"} 1",
            "groeikluis_transfer_bytes_total{tenant=\"bree\",direction=\"up\"} 572",
            "groeikluis_lists_total{tenant=\"bree\",outcome=\"list-empty\"} 2",
            "groeikluis_deliveries_total{tenant=\"bree\",step=\"available\"} 3",
            "groeikluis_config_last_change_timestamp_seconds 1000",
            "groeikluis_config_reloads_total{outcome=\"failed\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_name_that_is_no_tenants_gets_no_label_of_its_own() {
        let counts = Counts::default();
        counts.begin(std::iter::empty());
        for user in ["root", "admin", "x81010100136"] {
            let refused = Event::LoginRefused(LoginRefused { method: LoginMethod::PublicKey, attempts: 1 });
            counts.take_in(&entry(user, None, 1, refused, Some("grace")));
        }
        let text = Sheet::default().text(&counts, Exposition::OpenMetrics).unwrap();
        let line = "groeikluis_logins_total{tenant=\"_unknown\",method=\"publickey\",outcome=\"grace\"} 3";
        assert!(text.contains(line) && !text.contains("root"), "{text}");
    }

    #[test]
    fn counters_of_a_tenant_that_left_go() {
        let counts = Counts::default();
        let (bree, pelt): (TenantId, TenantId) = ("bree".parse().unwrap(), "pelt".parse().unwrap());
        let at = Timestamp::from_second(1_000).unwrap();
        counts.configured([&bree, &pelt].into_iter(), at);
        counts.begin(std::iter::empty());
        for tenant in ["bree", "pelt", "nobody"] {
            counts.take_in(&entry(tenant, Some("s1"), 5, upload(), None));
        }
        let text = |counts: &Counts| Sheet::default().text(counts, Exposition::OpenMetrics).unwrap();
        assert!(text(&counts).contains("tenant=\"pelt\""));
        counts.configured([&bree].into_iter(), at);
        let left = text(&counts);
        assert!(!left.contains("pelt") && left.contains("tenant=\"bree\"") && left.contains("_unknown"), "{left}");
        counts.configured([&bree, &pelt].into_iter(), at);
        counts.take_in(&entry("pelt", Some("s2"), 6, upload(), None));
        let one = "groeikluis_transfers_total{tenant=\"pelt\",direction=\"up\",outcome=\"complete\"} 1";
        assert!(text(&counts).contains(one));
    }

    #[test]
    fn a_sheet_shows_what_it_is_given() {
        let mut sheet = Sheet::default();
        sheet.number("connections", "Connections", 3);
        sheet.flag("ready", "Whether it is ready", true);
        sheet.bytes("upload_memory", "Uploads in clear", 1 << 30);
        sheet.seconds("oldest", "The oldest", 1.5);
        sheet.numbers("sessions", "Sessions", [("bree".to_owned(), 2)]);
        sheet.info("build", "The version", "version", "1.2.3".to_owned());
        sheet.process_bytes("resident_memory", "Memory", 7);
        let text = sheet.text(&Counts::default(), Exposition::OpenMetrics).unwrap();
        for line in [
            "groeikluis_connections 3.0",
            "groeikluis_ready 1.0",
            "groeikluis_upload_memory_bytes 1073741824.0",
            "groeikluis_oldest_seconds 1.5",
            "groeikluis_sessions{tenant=\"bree\"} 2.0",
            "groeikluis_build_info{version=\"1.2.3\"} 1",
            "process_resident_memory_bytes 7.0",
            "# TYPE groeikluis_upload_memory_bytes gauge",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
