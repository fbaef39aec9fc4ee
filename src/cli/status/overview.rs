//! Everything that the screen shows, gathered from the configuration, the ledger and the log's newest entries.
//!
//! The daemon is asked no more than whether its log is written, and nothing is changed: it works beside one that hangs,
//! which is waited for a second, and where none runs.

use jiff::{SignedDuration, Timestamp};

use super::{
    WARN_DAYS,
    tail::{REFUSED_WITHIN, Tail},
    warnings,
};
use crate::{
    config::{self, Fault, Language, Settings},
    daemon::{
        InUse, RegisterNeed, archive_dir, check_not_lost, disks::full_disks, inboxes::KnownInboxes, is_log_written,
        is_running, last_configuration, needs, retention_late_since, spooled_files, waiting_mails,
    },
    domain::{TenantId, brussels_date, in_brussels},
    durable::Clock,
    ledger::{Ledger, SqliteLedger, Summary, TenantSummary},
    transfer_log::BackupRestored,
};

/// A restored backup is named so long.
const RESTORED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is looked at again and again.
pub(super) struct Watcher {
    settings: Settings,
    /// Why nothing of the configuration's files is in force.
    not_in_force: Option<String>,
    clock: Clock,
    all: bool,
    tail: Tail,
    inboxes: KnownInboxes,
}

/// Everything at a moment.
#[derive(Debug, Clone)]
pub(super) struct Overview {
    pub at: Timestamp,
    pub running: bool,
    /// What needs a hand, most urgent first.
    pub needs: Vec<Need>,
    pub tenants: Vec<TenantLine>,
    /// What ends soon, which is among the needs.
    pub warnings: Vec<String>,
    pub mails_waiting: usize,
    pub tail: Tail,
}

/// Something that needs a hand.
#[derive(Debug, Clone)]
pub(super) struct Need {
    /// Whether somebody waits, or nothing works.
    pub urgent: bool,
    pub text: String,
}

/// Where a tenant stands.
#[derive(Debug, Clone)]
pub(super) struct TenantLine {
    pub id: TenantId,
    pub name: String,
    pub summary: TenantSummary,
}

fn at_fault(faults: &[Fault]) -> String {
    format!("while its files are at fault: {}, as `check` tells", faults.len())
}

/// Why a running daemon does not put these files in force.
fn waits_for_restart(files: &Settings) -> Option<String> {
    let last = is_running(&files.state_dir).then(|| last_configuration(&files.state_dir)).and_then(Result::ok)??;
    let changed = config::difference(&last.at_start.settings().ok()?, files).not_before_restart();
    (!changed.is_empty())
        .then(|| format!("before the daemon is restarted, since these changed: {}", changed.join(", ")))
}

impl Watcher {
    /// Of that configuration; with `all` also tenants that never did anything.
    pub fn new(settings: Settings, clock: Clock, all: bool) -> Self {
        let not_in_force = match config::load(settings.main_file()) {
            Ok(files) => waits_for_restart(&files),
            Err(faults) => Some(at_fault(&faults)),
        };
        Self { settings, not_in_force, clock, all, tail: Tail::default(), inboxes: KnownInboxes::default() }
    }

    /// Reads the configuration's files again. Where they are at fault it goes on with the last that were not.
    pub fn read_again(&mut self) {
        match config::load(self.settings.main_file()) {
            Ok(settings) => (self.not_in_force, self.settings) = (waits_for_restart(&settings), settings),
            Err(faults) => self.not_in_force = Some(at_fault(&faults)),
        }
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn look(&mut self) -> anyhow::Result<Overview> {
        let state_dir = &self.settings.state_dir;
        let running = is_running(state_dir);
        let now = self.clock.now();
        self.tail.read_on(&state_dir.join("log"), &archive_dir(&self.settings), now);
        let path = state_dir.join("ledger.sqlite");
        let ledger = if path.exists() { Some(SqliteLedger::open_to_read(&path)?) } else { None };
        let summary = ledger.as_ref().map_or(Ok(Summary::default()), Ledger::summary)?;
        let mails_waiting = waiting_mails(state_dir);
        let warnings = warnings(&self.settings, brussels_date(now), WARN_DAYS);
        let mut needs = Vec::new();
        let mut need = |urgent, text: String| needs.push(Need { urgent, text });
        if !running {
            need(true, "the daemon is not running".to_owned());
        }
        if running && is_log_written(&self.settings) == Some(false) {
            need(true, "the transfer log cannot be written: nothing is transferred until it can".to_owned());
        }
        if let Some(why) = &self.not_in_force {
            need(true, format!("no change of the configuration is in force {why}"));
        }
        self.of_log(now, &mut need);
        match self.tail.register.need(running) {
            Some(RegisterNeed::Refused { at, others, why }) => {
                let what = if others { "a new" } else { "no register is in use, lists wait: the" };
                let (why, path) = (why.in_words(Language::English), &self.settings.register.path);
                let missing = if path.exists() { "" } else { " is missing" };
                need(
                    true,
                    format!("{what} register was refused at {}: {why} ({}{missing})", moment(at), path.display()),
                );
            }
            Some(RegisterNeed::Missing) => need(true, "no register was loaded: lists wait".to_owned()),
            None => {}
        }
        if let Some(ledger) = &ledger {
            self.of_lists(ledger, now, &mut need)?;
        }
        for text in self.refusals(now) {
            need(false, text);
        }
        if let Some(last) = running.then(|| retention_late_since(state_dir, now)).flatten() {
            need(true, format!("retention was last finished in the night of {last}: see the service's messages"));
        }
        for disk in full_disks(&self.settings) {
            let (free, total) = disk.room();
            need(true, format!("the disk of {} is nearly full: {free} free of {total}", disk.directory.display()));
        }
        for inbox in self.inboxes.full(&self.settings) {
            let (tenant, (taken, limit)) = (&inbox.tenant, inbox.sizes());
            need(
                false,
                format!(
                    "{tenant}: its uploads take {taken} of {limit} (`inbox_bytes`): more may be refused for want of room"
                ),
            );
        }
        for text in self.spooled() {
            need(false, text);
        }
        if mails_waiting > 0 {
            need(false, format!("mails that the mail server has yet to take: {mails_waiting}"));
        }
        if let Some(ledger) = &ledger {
            self.of_time(ledger, now, &mut need)?;
        }
        for text in &warnings {
            need(false, text.clone());
        }
        // Of the same urgency, what was found first stays first.
        needs.sort_by_key(|need| !need.urgent);
        let tenants = self.lines(&summary);
        Ok(Overview { at: now, running, needs, tenants, warnings, mails_waiting, tail: self.tail.clone() })
    }

    /// What the transfer log tells of itself.
    fn of_log(&self, now: Timestamp, need: &mut impl FnMut(bool, String)) {
        if let Err(error) = check_not_lost(&self.settings) {
            need(true, format!("{:#}", anyhow::Error::from(error)));
        }
        if let Some(error) = &self.tail.unreadable {
            let error = anyhow::Error::from(error.clone());
            need(
                true,
                format!("not all of the transfer log can be read: {error:#}: `groeikluis audit verify` tells more"),
            );
        }
        let restored = self.tail.restored.as_ref().filter(|(at, _)| now.duration_since(*at) < RESTORED_WITHIN);
        let Some((at, BackupRestored { origin, size, made_at, high_water })) = restored else { return };
        let lost = match high_water {
            Some(high_water) if high_water <= size => return,
            Some(high_water) => format!("entries {size} to {} of {origin} are lost", high_water - 1),
            None => format!("what came after entry {size} of {origin} is not known"),
        };
        let (at, made_at) = (moment(*at), moment(*made_at));
        need(
            false,
            format!(
                "the backup of {made_at} was restored at {at}: {lost}; lists answered in between may be answered again"
            ),
        );
    }

    /// Lists that wait, and for what.
    fn of_lists(
        &self,
        ledger: &SqliteLedger,
        now: Timestamp,
        need: &mut impl FnMut(bool, String),
    ) -> anyhow::Result<()> {
        let settings = &self.settings;
        let aside = needs::set_aside(&settings.state_dir, ledger)?;
        for needs::SetAside { tenant, id, received_at, parked } in &aside {
            let came = moment(*received_at);
            let over = if *parked { "other lists of this tenant" } else { "it" };
            need(
                true,
                format!(
                    "{tenant}: list of {came} set aside, the service broke off repeatedly over {over}: \
                     `groeikluis tenant retry {tenant}` ({id})"
                ),
            );
        }
        for (tenant, count, since) in needs::waiting(ledger, &aside)? {
            if !settings.tenants.contains_key(&tenant) {
                need(false, format!("{tenant} is no tenant any more: {count} waiting, until retention removes them"));
            } else if now.duration_since(since) > needs::WAITS_TOO_LONG {
                need(true, format!("{tenant}: {count} waiting for an answer, since {}", moment(since)));
            }
        }
        let days = settings.retention.answered_uploads_days;
        for needs::KeptTooLong { tenant, count, oldest } in needs::kept_too_long(settings, ledger, now)? {
            let refuse = format!("`groeikluis tenant refuse {tenant} {oldest}` refuses the oldest");
            need(true, format!("{tenant}: {count} waiting, and kept, for more than {days} days: {refuse}"));
        }
        Ok(())
    }

    /// What lies in the spool.
    fn spooled(&self) -> Vec<String> {
        let spooled = spooled_files(&self.settings);
        let mut found = Vec::new();
        if spooled.refused > 0 {
            let directory = spooled.refused_dir.display();
            found.push(format!("files handed over that may not leave: {}; why is in {directory}", spooled.refused));
        }
        if let (1.., Some(oldest)) = (spooled.waiting, spooled.oldest) {
            let written = moment(oldest);
            found.push(format!("files handed over that wait: {}, the oldest written {written}", spooled.waiting));
        }
        if spooled.taken > 0 {
            found.push(format!("files handed over that are being delivered, or wait for a start: {}", spooled.taken));
        }
        if spooled.passed_over > 0 {
            let directory = self.settings.spool_dir.display();
            found
                .push(format!("passed over in {directory}: {}; the service's messages name them", spooled.passed_over));
        }
        found
    }

    /// What was refused of late: a line for each tenant and rule, the newest first.
    fn refusals(&self, now: Timestamp) -> Vec<String> {
        let groups = self.tail.refusals().into_iter().filter_map(|(tenant, reason, times)| {
            let count = times.iter().take_while(|at| now.duration_since(**at) < REFUSED_WITHIN).count();
            let last = moment(*times.front()?);
            match count {
                0 => None,
                1 => Some(format!("{tenant}: list refused at {last}: {reason}")),
                _ => Some(format!("{tenant}: {count} lists refused, the last at {last}: {reason}")),
            }
        });
        groups.collect()
    }

    /// What time alone brought about.
    fn of_time(
        &self,
        ledger: &SqliteLedger,
        now: Timestamp,
        need: &mut impl FnMut(bool, String),
    ) -> anyhow::Result<()> {
        let (settings, today) = (&self.settings, brussels_date(now));
        for overdue in needs::overdue(settings, ledger, today)? {
            let needs::Overdue { tenant, protocol, from, until } = overdue;
            need(false, format!("{tenant}: no list for {protocol} from {from} to {until}"));
        }
        let days = needs::unfetched_after_days(settings);
        for unfetched in needs::unfetched(settings, ledger, today, days)? {
            let first = unfetched.files.iter().map(|row| needs::stays_until(settings, row)).min().unwrap_or(today);
            let (tenant, count) = (&unfetched.tenant, unfetched.files.len());
            need(false, format!("{tenant}: not fetched for {days} days or more: {count}; the first goes on {first}"));
        }
        for (row, until) in needs::removed_soon(ledger, today)? {
            need(false, format!("{}: {} was never fetched and is removed after {until}", row.tenant, row.file));
        }
        Ok(())
    }

    fn lines(&self, summary: &Summary) -> Vec<TenantLine> {
        let lines = self.settings.tenants.iter().map(|(id, tenant)| TenantLine {
            id: id.clone(),
            name: tenant.name.clone(),
            summary: summary.tenants.get(id).cloned().unwrap_or_default(),
        });
        lines.filter(|line| self.all || line.summary != TenantSummary::default()).collect()
    }
}

impl Overview {
    /// One line over everything.
    pub fn headline(&self) -> String {
        let running = if self.running { "the daemon is running" } else { "the daemon is not running" };
        let InUse::Loaded { rows, .. } = &self.tail.register.in_use else {
            return format!("{running}; {}; {} entries in the log", self.register(), self.tail.entries);
        };
        format!("{running}; {} ({rows} rows); {} entries in the log", self.register(), self.tail.entries)
    }

    /// The register in use, in words.
    pub fn register(&self) -> String {
        match &self.tail.register.in_use {
            InUse::Untold => "a register of earlier".to_owned(),
            InUse::Missing => "no register".to_owned(),
            InUse::Loaded { month, .. } => format!("register {month}"),
        }
    }

    /// The month of the register in use, of the form `yyyy-mm`.
    pub fn register_month(&self) -> Option<&str> {
        if let InUse::Loaded { month, .. } = &self.tail.register.in_use { Some(month) } else { None }
    }
}

impl TenantLine {
    /// Its cells: id, name, waiting, answered, refused, delivered, not fetched, last login.
    pub fn cells(&self) -> Vec<String> {
        let Self { id, name, summary } = self;
        let login = summary.last_login.map(moment);
        vec![
            id.to_string(),
            name.clone(),
            summary.waiting.to_string(),
            summary.answered.to_string(),
            summary.refused.to_string(),
            summary.deliveries.to_string(),
            summary.unfetched.to_string(),
            login.unwrap_or_else(|| "never".to_owned()),
        ]
    }
}

/// A moment as the clock in Brussels shows it, with its zone.
pub(super) fn moment(at: Timestamp) -> String {
    in_brussels(at).strftime("%Y-%m-%d %H:%M %Z").to_string()
}
