//! The values of one moment.

use std::{
    fs,
    path::Path,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use jiff::{Timestamp, tz::TimeZone};

use super::Watched;
use crate::{
    daemon::{
        SpooledFiles, disks::disks, inboxes::is_nearly_full, needs::set_aside, opening::log_dir, retention::last_night,
        spooled_files,
    },
    durable,
    ledger::SubmissionRow,
    metrics::Sheet,
};

/// How long the size of the log's files stands: after ten years it has some 100,000, and nobody alerts on its seconds.
const SIZE_STANDS: Duration = Duration::from_mins(5);

/// What is not measured at each reading.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Measured {
    log_bytes: Option<(Instant, u64)>,
}

impl Watched {
    pub(super) fn sheet(&self, measured: &mut Measured) -> Sheet {
        let mut sheet = Sheet::default();
        sheet.info("build", "The program", "version", env!("CARGO_PKG_VERSION").to_owned());
        sheet.flag("ready", "Whether connections are taken and lists answered", self.missing().is_empty());
        sheet.flag("draining", "Whether the daemon is stopping", self.draining.load(Ordering::Acquire));
        self.connections(&mut sheet);
        self.memory(&mut sheet);
        self.log(&mut sheet, measured);
        self.register(&mut sheet);
        self.waiting(&mut sheet);
        self.inboxes(&mut sheet);
        self.disks(&mut sheet);
        self.retention(&mut sheet);
        self.spool(&mut sheet);
        sheet
    }

    fn spool(&self, sheet: &mut Sheet) {
        let SpooledFiles { waiting, oldest, passed_over, taken, refused, .. } = spooled_files(&self.at_start);
        sheet.number("spool_waiting", "Files handed over that wait in the spool", waiting as u64);
        let age = oldest.map_or(0.0, |at| self.age(at));
        sheet.seconds("spool_oldest_age", "Since the oldest of them was written; 0 when none waits", age);
        let help = "Files handed over that are being delivered, or wait for a start";
        sheet.number("spool_taken", help, taken as u64);
        sheet.number("spool_refused", "Files handed over that may not leave", refused as u64);
        sheet.number("spool_passed_over", "What lies in the spool and is never delivered", passed_over as u64);
    }

    fn connections(&self, sheet: &mut Sheet) {
        let limits = &self.at_start.limits;
        let (tenants, by_tenant) = (self.live.settings().tenants.len() as u64, self.sessions.by_tenant());
        sheet.number("tenants", "Tenants in the configuration", tenants);
        sheet.number("connections", "Connections, logged in or not", self.sessions.connections() as u64);
        sheet.number("connections_limit", "Connections at most", u64::from(limits.connections));
        let by_tenant = by_tenant.into_iter().map(|(tenant, count)| (tenant.to_string(), count));
        sheet.numbers("sessions_open", "Connections that are logged in", by_tenant);
    }

    fn memory(&self, sheet: &mut Sheet) {
        let limit = self.at_start.limits.upload_memory_bytes;
        let used = limit.saturating_sub(self.budget.free_bytes());
        sheet.bytes("upload_memory", "Uploads in clear that are held in memory", used);
        sheet.bytes("upload_memory_limit", "Uploads in clear that may be held at most", limit);
        if let Some(resident) = durable::resident_bytes() {
            sheet.process_bytes("resident_memory", "Memory of the process", resident);
        }
        if let Some((open, most)) = durable::open_files() {
            sheet.process_number("open_fds", "Open files and sockets", open);
            sheet.process_number("max_fds", "Open files and sockets at most", most);
        }
    }

    fn log(&self, sheet: &mut Sheet, measured: &mut Measured) {
        let directory = log_dir(&self.at_start);
        let (size, published) = (self.log.size(), self.log.published());
        sheet.number("log_entries", "Entries of the transfer log", size);
        let help = "Entries of the transfer log that are under no checkpoint yet";
        sheet.number("log_entries_unpublished", help, size.saturating_sub(published));
        sheet.flag("log_writable", "Whether the transfer log takes entries", self.log.is_writing());
        let checkpoint = fs::metadata(directory.join("checkpoint")).and_then(|file| file.modified());
        if let Some(at) = checkpoint.ok().and_then(|at| Timestamp::try_from(at).ok()) {
            let help = "Since the last checkpoint of the transfer log; one is made when there is something new";
            sheet.seconds("log_checkpoint_age", help, self.age(at));
        }
        let stands = measured.log_bytes.filter(|(at, _)| at.elapsed() < SIZE_STANDS);
        let (at, bytes) = stands.unwrap_or_else(|| (Instant::now(), size_of(&directory)));
        measured.log_bytes = Some((at, bytes));
        sheet.bytes("log_size", "Files of the transfer log, measured every five minutes", bytes);
    }

    fn register(&self, sheet: &mut Sheet) {
        let register = self.registers.live();
        sheet.flag("register_loaded", "Whether there is a register to answer from", register.is_some());
        let Some(register) = register else { return };
        sheet.info("register", "The register in use", "month", register.month().to_string());
        // A month of which the first day is out of range is none that a register can have.
        if let Ok(first) = register.month().first_day().to_zoned(TimeZone::UTC) {
            let help = "The first day of the register's reference month, Unix time";
            #[expect(clippy::cast_precision_loss, reason = "a Unix time of this century is far below 2^53")]
            sheet.seconds("register_month_timestamp", help, first.timestamp().as_second() as f64);
        }
        sheet.number("register_rows", "Rows of the register", register.rows() as u64);
        sheet.bytes("register_memory", "Memory of the register", register.heap_bytes() as u64);
    }

    /// Left out before the first run is finished.
    fn retention(&self, sheet: &mut Sheet) {
        let night = last_night(&self.at_start.state_dir).and_then(|night| night.to_zoned(TimeZone::UTC).ok());
        if let Some(night) = night {
            let help = "The day whose night is the last that retention finished, Unix time";
            #[expect(clippy::cast_precision_loss, reason = "a Unix time of this century is far below 2^53")]
            sheet.seconds("retention_last_night_timestamp", help, night.timestamp().as_second() as f64);
        }
    }

    /// What the ledger knows. When it does not answer, these are missing, which an alert notices.
    fn waiting(&self, sheet: &mut Sheet) {
        let ledger = self.ledger.as_ref();
        let known = (ledger.waiting(), ledger.summary(), set_aside(&self.at_start.state_dir, ledger));
        let (waiting, summary, aside) = match known {
            (Ok(waiting), Ok(summary), Ok(aside)) => (waiting, summary, aside),
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "metrics lack what the ledger knows");
                return;
            }
        };
        let settings = self.live.settings();
        // Of a tenant that left the configuration nobody answers a list, and none that is set aside: each would hide
        // another that is stuck.
        let is_tried = |row: &&SubmissionRow| {
            settings.tenants.contains_key(&row.tenant) && aside.iter().all(|aside| aside.id != row.id)
        };
        let waiting: Vec<_> = waiting.iter().filter(is_tried).collect();
        let help = "Lists that are not tried any more, since the process died over them or others of their tenants";
        sheet.number("lists_set_aside", help, aside.len() as u64);
        let help = "Lists that are neither answered nor refused; without those that are set aside";
        sheet.number("lists_waiting", help, waiting.len() as u64);
        let oldest = waiting.first().map_or(0.0, |row| self.age(row.received_at));
        let help = "Since the oldest list that waits, and is not set aside, was received; 0 when none waits";
        sheet.seconds("oldest_unanswered_list_age", help, oldest);
        let lines: Vec<_> =
            summary.tenants.iter().filter(|(tenant, _)| settings.tenants.contains_key(*tenant)).collect();
        let unfetched = lines.iter().map(|(tenant, line)| (tenant.to_string(), line.unfetched));
        sheet.numbers("deliveries_unfetched", "Deliveries that wait in an outbox", unfetched);
        let ages = lines
            .iter()
            .filter_map(|(tenant, line)| line.oldest_unfetched.map(|at| (tenant.to_string(), self.age(at))));
        let help = "Since the oldest delivery that was never fetched can be";
        sheet.seconds_each("oldest_unfetched_delivery_age", help, ages);
    }

    /// Of tenants that upload. What the disk does not tell is left out.
    fn inboxes(&self, sheet: &mut Sheet) {
        let settings = self.live.settings();
        let uploading = || settings.tenants.values().filter(|tenant| tenant.kind.uploads());
        let measured = uploading().filter_map(|tenant| Some((tenant, self.boxes.inbox_bytes(&tenant.id).ok()?)));
        let measured: Vec<_> = measured.collect();
        let taken = measured.iter().map(|(tenant, taken)| (tenant.id.to_string(), *taken));
        sheet.bytes_each("inbox", "What uploads take on disk, until retention removes them", taken);
        let full = measured.iter().map(|(tenant, taken)| {
            let limits = &tenant.limits;
            (tenant.id.to_string(), u64::from(is_nearly_full(*taken, limits.inbox_bytes, limits.upload_bytes)))
        });
        let help = "Whether an upload at its limit may not fit any more, or less than a tenth is left";
        sheet.numbers("inbox_nearly_full", help, full);
        let limits = uploading().map(|tenant| (tenant.id.to_string(), tenant.limits.inbox_bytes));
        sheet.bytes_each("inbox_limit", "What uploads may take on disk", limits);
    }

    fn disks(&self, sheet: &mut Sheet) {
        let disks: Vec<_> = disks(&self.at_start).map(|(of, disk)| (of.display().to_string(), disk)).collect();
        let free = disks.iter().map(|(of, disk)| (of.clone(), disk.free));
        sheet.bytes_in("disk_free", "What may still be written on the disk of a directory", free);
        let size = disks.iter().map(|(of, disk)| (of.clone(), disk.total));
        sheet.bytes_in("disk_size", "The size of the disk of a directory", size);
    }

    fn age(&self, since: Timestamp) -> f64 {
        self.clock.now().duration_since(since).as_secs_f64().max(0.0)
    }
}

/// Bytes of the files below a directory, as far as they can be read.
fn size_of(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size_of(&entry.path()),
            Ok(_) => entry.metadata().map_or(0, |file| file.len()),
            Err(_) => 0,
        })
        .sum()
}
