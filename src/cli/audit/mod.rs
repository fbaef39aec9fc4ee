//! `groeikluis audit`: reading and verifying the transfer log, of a running daemon or from a copy.

mod disclose;
mod gather;
mod hints;
mod names;
mod receipt;
mod report;
mod verify;

pub(super) use report::report_of;

use std::{
    collections::VecDeque,
    ffi::OsStr,
    io::{self, StdoutLock, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::builder::ArgPredicate;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Map, Value};

use super::{MAIN_FILE, UsageFault, load, output::LongTable};
use crate::{
    config::SecretFile,
    daemon::DaemonError,
    domain::{ProtocolId, TenantId},
    transfer_log::{self, NoteKey, Outcome, StoredEntry, VerifierKey, VerifyFault, YearFault},
};
use names::{Merger, Names};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Hash everything again: entries, tiles, root, signature, canonical form and sequence. Needs no daemon.
    Verify(verify::Arguments),
    /// Show entries as a table.
    Show(Show),
    /// Check a tenant's receipt. Needs neither the log nor a daemon.
    Receipt(receipt::Arguments),
    /// Report on a period, for the audit of a protocol: what left for whom on which ground, what was refused and why.
    Report(Box<report::Arguments>),
    /// Open what identifies officials (address, user, key, path) for a period. It is itself an entry of the log.
    Disclose(disclose::Disclose),
    /// Erase what identifies officials of a tenant and month, by destroying its key. It is itself an entry of the log.
    Erase(disclose::Erase),
}

/// Which log: a directory with its key, or the one of a configuration.
#[derive(clap::Args)]
pub(super) struct Which {
    /// The log's directory, or a copy of it; left out: that of the configuration.
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// The main configuration file, to take the log's directory and key from; with --log, none unless it is named.
    #[arg(long, value_name = "FILE", default_value = MAIN_FILE, default_value_if("log", ArgPredicate::IsPresent, None))]
    pub(super) config: Option<PathBuf>,
}

/// The log's public keys.
#[derive(clap::Args)]
pub(super) struct KeyArgument {
    /// The log's public key (name+hash+base64), or a file with one or more of them, a line each: one must fit.
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    pub(super) which: Which,
    /// Only entries about this tenant; also those under the names of tenants that were merged into it, up to then, as this
    /// log tells of mergers and those of other years that lie beside it (`archive` below it, `log-archive` beside it).
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Only entries about this protocol.
    #[arg(long)]
    protocol: Option<ProtocolId>,
    /// Only these events; a part of the name is enough, as `list` for list.received, list.answered, …
    #[arg(long)]
    event: Option<String>,
    /// Only entries with this outcome: success, failure or unknown.
    #[arg(long)]
    outcome: Option<Outcome>,
    /// Only entries with this correlation: a submission's or delivery's id.
    #[arg(long)]
    about: Option<String>,
    /// Only entries from this day on (UTC).
    #[arg(long, value_name = "DAY", value_parser = crate::cli::day)]
    from: Option<Date>,
    /// Only entries until this day, included (UTC).
    #[arg(long, value_name = "DAY", value_parser = crate::cli::day)]
    to: Option<Date>,
    /// The last so many of them; 0 for all.
    #[arg(long, default_value_t = 0)]
    last: usize,
    /// The entries themselves, a JSON object a line, as they are in the log.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Verify(arguments) => verify::run(arguments),
        Command::Show(arguments) => show(arguments),
        Command::Receipt(arguments) => receipt::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Disclose(arguments) => disclose::disclose(arguments),
        Command::Erase(arguments) => disclose::erase(arguments),
    }
}

impl Which {
    fn directory(&self) -> anyhow::Result<PathBuf> {
        match (&self.log, &self.config) {
            (Some(directory), _) => Ok(directory.clone()),
            (None, Some(config)) => {
                let settings = load(&super::ConfigArgument { config: config.clone() })?;
                Ok(settings.state_dir.join("log"))
            }
            (None, None) => bail!("give --log DIR or --config FILE"),
        }
    }
}

/// Public keys in a file at most: those of many years.
const LONGEST_KEYS_BYTES: u64 = 64 * 1024;

impl KeyArgument {
    /// The keys that were given; none when there were none.
    pub(super) fn given(&self) -> anyhow::Result<Vec<VerifierKey>> {
        if self.key.is_none() { Ok(Vec::new()) } else { self.keys() }
    }

    fn keys(&self) -> anyhow::Result<Vec<VerifierKey>> {
        let Some(key) = &self.key else { bail!(UsageFault("give --key VKEY".to_owned())) };
        let mut text = key.clone();
        if Path::new(key).is_file() {
            text.clear();
            io::Read::read_to_string(&mut io::Read::take(std::fs::File::open(key)?, LONGEST_KEYS_BYTES), &mut text)?;
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Vec<VerifierKey> =
            lines.map(VerifierKey::parse).collect::<Result<_, _>>().context("the log's public key")?;
        anyhow::ensure!(!keys.is_empty(), "{key} holds no key");
        Ok(keys)
    }
}

/// What succeeds with one of the keys, or the fault with the first.
fn any<T, E>(keys: &[VerifierKey], check: impl Fn(&VerifierKey) -> Result<T, E>) -> anyhow::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let mut first = None;
    for key in keys {
        match check(key) {
            Ok(found) => return Ok(found),
            Err(fault) => drop(first.get_or_insert(fault)),
        }
    }
    match first {
        Some(fault) => Err(fault.into()),
        None => bail!("there is no key"),
    }
}

/// The keys that the log may be verified with.
fn verifiers(which: &Which, key: &KeyArgument) -> anyhow::Result<Vec<VerifierKey>> {
    match (&key.key, &which.config) {
        (None, Some(config)) => {
            let settings = load(&super::ConfigArgument { config: config.clone() })?;
            let secrets = std::iter::once(&settings.log.key).chain(&settings.log.co_sign);
            let read = |secret: &SecretFile| {
                let bytes = secret.read()?;
                let key = NoteKey::parse(std::str::from_utf8(&bytes).unwrap_or_default().trim());
                let origin = settings.log.origin.clone();
                let fault = |source| DaemonError::LogKey { secret: secret.to_string(), origin, source };
                anyhow::Ok(key.map_err(fault)?.verifier().clone())
            };
            secrets.map(read).collect()
        }
        _ => key.keys(),
    }
}

/// What is wrong with a log, a line each.
fn lines(faults: &[VerifyFault]) -> Vec<String> {
    faults.iter().map(|fault| text(fault)).collect()
}

/// The same of a log of some year: the year, and what is wrong with it.
fn year_lines(fault: &YearFault) -> Vec<String> {
    match fault {
        YearFault::Log { faults, .. } => std::iter::once(fault.to_string()).chain(lines(faults)).collect(),
        _ => vec![text(fault)],
    }
}

fn text(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn show(arguments: &Show) -> anyhow::Result<()> {
    let directory = arguments.which.directory()?;
    let names = arguments.tenant.as_ref().map(|tenant| names_about(&directory, tenant)).transpose()?;
    let mut shown = Shown::new(arguments.json);
    let mut last = VecDeque::new();
    for entry in transfer_log::entries(&directory)? {
        let entry = entry?;
        if !arguments.wants(&entry, names.as_ref()) {
            continue;
        }
        if arguments.last == 0 {
            shown.entry(&entry)?;
            continue;
        }
        last.push_back(entry);
        if last.len() > arguments.last {
            last.pop_front();
        }
    }
    for entry in &last {
        shown.entry(entry)?;
    }
    shown.end()
}

/// Where entries are shown as they come: a log may be far larger than memory.
enum Shown {
    Table(LongTable<StdoutLock<'static>>),
    Lines(StdoutLock<'static>),
}

impl Shown {
    fn new(as_json: bool) -> Self {
        let out = io::stdout().lock();
        if as_json {
            return Self::Lines(out);
        }
        let header = ["seq", "time (UTC)", "event", "outcome", "tenant", "protocol", "key", "details"];
        Self::Table(LongTable::new(&header, out))
    }

    fn entry(&mut self, entry: &StoredEntry) -> anyhow::Result<()> {
        match self {
            Self::Table(table) => table.row(row(entry)?)?,
            Self::Lines(out) => {
                out.write_all(&entry.bytes)?;
                writeln!(out)?;
            }
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        match self {
            Self::Table(table) => Ok(table.end()?),
            Self::Lines(_) => Ok(()),
        }
    }
}

/// The names under which that log tells of a tenant, also as logs of other years tell of it that lie beside it.
fn names_about(directory: &Path, tenant: &TenantId) -> anyhow::Result<Names> {
    let mut mergers = Vec::new();
    for log in years_beside(directory)? {
        for entry in transfer_log::entries(&log)? {
            mergers.extend(Merger::of(&entry?));
        }
    }
    mergers.sort_by_key(Merger::at);
    Ok(Names::new(tenant.clone(), &mergers))
}

/// A log, with those of other years as the exchange has them (`log`, and `log-archive` beside it) and as auditors copy them
/// (`archive` below the log in use).
fn years_beside(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let directory = std::path::absolute(directory)?;
    let place = directory.parent().unwrap_or(&directory);
    let mut newest = directory.clone();
    if let (Some("archive" | "log-archive"), Some(above)) = (place.file_name().and_then(OsStr::to_str), place.parent())
    {
        let in_use = if place.ends_with("archive") { above.to_owned() } else { above.join("log") };
        if in_use.join("checkpoint").is_file() {
            newest = in_use;
        }
    }
    let beside = newest.parent().unwrap_or(&newest).join("log-archive");
    let mut logs = transfer_log::archived(&newest.join("archive"))?;
    logs.extend(transfer_log::archived(&beside)?);
    logs.push(newest);
    if !logs.contains(&directory) {
        logs.push(directory);
    }
    Ok(logs)
}

impl Show {
    fn wants(&self, entry: &StoredEntry, names: Option<&Names>) -> bool {
        let context = &entry.context;
        let day = entry.at.to_zoned(TimeZone::UTC).date();
        let holds = |names: &Names| context.tenant.as_ref().is_some_and(|tenant| names.holds(tenant, entry.at));
        names.is_none_or(holds)
            && self.protocol.as_ref().is_none_or(|protocol| context.protocol.as_ref() == Some(protocol))
            && self.about.as_ref().is_none_or(|about| context.correlation.as_ref() == Some(about))
            && self.outcome.is_none_or(|outcome| entry.outcome == outcome)
            && self.event.as_ref().is_none_or(|part| entry.event.name().contains(part.as_str()))
            && self.from.is_none_or(|from| day >= from)
            && self.to.is_none_or(|to| day <= to)
    }
}

/// Keys of the envelope, which have columns of their own or say nothing to a reader of a table.
const ENVELOPE: [&str; 14] = [
    "v",
    "@timestamp",
    "seq",
    "event",
    "outcome",
    "reason",
    "tenant",
    "protocol",
    "actor",
    "key",
    "session",
    "correlation",
    "sw",
    "_sd",
];

/// Details of a table's row at most, characters: what a wide terminal has left.
const DETAILS_WIDTH: usize = 160;

fn row(entry: &StoredEntry) -> anyhow::Result<Vec<String>> {
    let members: Map<String, Value> = serde_json::from_slice(&entry.bytes)?;
    let own = members.iter().filter(|(name, _)| !ENVELOPE.contains(&name.as_str()));
    let details: Vec<String> = own.filter_map(|(name, value)| detail(name, value)).collect();
    let details: String = details.join(" ").chars().take(DETAILS_WIDTH).collect();
    let outcome = match &entry.reason {
        Some(reason) => format!("{} ({reason})", entry.outcome),
        None => entry.outcome.to_string(),
    };
    Ok(vec![
        entry.seq.to_string(),
        time(entry.at),
        entry.event.name().to_owned(),
        outcome,
        entry.context.tenant.as_ref().map(ToString::to_string).unwrap_or_default(),
        entry.context.protocol.as_ref().map(ToString::to_string).unwrap_or_default(),
        entry.context.key.clone().unwrap_or_default(),
        details,
    ])
}

/// A field in a table's row: digests are left to `--json`, ids are shortened, and counts of nothing say nothing.
fn detail(name: &str, value: &Value) -> Option<String> {
    match value {
        _ if name.ends_with("sha256") || name.ends_with("fingerprint") => None,
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some(name.to_owned()),
        Value::Number(number) if number.as_u64() == Some(0) => None,
        Value::String(text) if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Some(format!("{name}={}…", text.get(..8).unwrap_or(text)))
        }
        // A checkpoint has lines, and would break those of the table.
        Value::String(text) => Some(format!("{name}={}", text.trim_end().replace(char::is_control, " "))),
        other => Some(format!("{name}={other}")),
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_table_is_one_line() {
        let note = Value::from("vutg.example/2026\n650\nbm90ZQ==\n");
        let told = detail("previous_checkpoint", &note).unwrap();
        assert_eq!(told, "previous_checkpoint=vutg.example/2026 650 bm90ZQ==");
    }
}
