//! `groeikluis audit report`: the account of a period for the audit of a protocol, from a log that was verified.
//!
//! Nothing is reported of a log that does not verify. Logs of earlier years are taken in as far back as the period
//! goes: the newest is verified with the keys that were given, and each earlier one is proved by the one after it,
//! whose first entry carries its checkpoint. A report that is made at the exchange is itself an entry of the log.

use std::{
    collections::VecDeque,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use jiff::{Timestamp, civil::Date};

use super::{
    super::{
        ConfigArgument, UsageFault, load,
        output::{progress, say},
    },
    KeyArgument, Which, day,
    faults::Found,
    gather::Gathered,
    names::{Merger, Names},
    scope::{Asked, Scope},
    verifiers,
};
use crate::{
    daemon,
    documents::audit::{self, AuditReport, VerifiedLog},
    domain::{ProtocolId, TenantId, brussels_date},
    durable::{Clock, Directory},
    transfer_log::{self, AuditExported, Event, VerifiedYear, YearFault, Years},
};

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    key: KeyArgument,
    /// The first day (in Brussels); left out: from the log's beginning.
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Date>,
    /// The last day, included (in Brussels); left out: until the log's end.
    #[arg(long, visible_alias = "to", value_name = "DAY", value_parser = day)]
    until: Option<Date>,
    /// Only this tenant; also what stands under the names of tenants that were merged into it, up to then, and the letters
    /// that others got on its behalf.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Only this protocol or agreement, and the letters of assignments under it; logins, which belong to none, are then left
    /// out.
    #[arg(long)]
    protocol: Option<ProtocolId>,
    /// A page or paper for people, or rows for programs.
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Where to write it; left out: on standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long, requires = "out")]
    force: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Csv,
    Html,
    Json,
    Pdf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let (Some(from), Some(until)) = (arguments.from, arguments.until) {
        ensure!(from <= until, UsageFault("--from is after --until".to_owned()));
    }
    if let Some(out) = arguments.out.as_ref().filter(|out| !arguments.force && out.exists()) {
        // Before the work; whether it is still so is seen when it is written.
        bail!("{} is there already; --force replaces it", out.display());
    }
    let report = report(arguments)?;
    let bytes = match arguments.format {
        Format::Csv => audit::sheet(&report),
        Format::Html => audit::page(&report).into_bytes(),
        Format::Json => report.to_json()?,
        Format::Pdf => audit::paper(&report)
            .context("no PDF could be made: a shorter period, or another --format, holds the same")?
            .to_vec(),
    };
    note(arguments, &report)?;
    let Some(out) = &arguments.out else { return Ok(io::stdout().lock().write_all(&bytes)?) };
    write(out, &bytes, arguments.force)?;
    for log in &report.logs {
        say(&format!("{}: {} entries verified, root {}", log.origin, log.entries, log.root));
    }
    let deliveries = report.deliveries.iter().filter(|delivery| !delivery.test).count();
    let refusals = report.refusals.iter().filter(|refusal| !refusal.test).count();
    let trials = report.deliveries.len() + report.refusals.len() - deliveries - refusals;
    say(&format!(
        "{}: {deliveries} files and {refusals} refusals from {} to {}, beside {trials} of trials",
        out.display(),
        report.from,
        report.until
    ));
    Ok(())
}

/// Writes the report of a day on a deployment's own log, as a page; one that is there is replaced.
pub(in super::super) fn report_of(config: &Path, day: Date, out: &Path) -> anyhow::Result<()> {
    run(&Arguments {
        which: Which { log: None, config: Some(config.to_owned()) },
        key: KeyArgument { key: None },
        from: Some(day),
        until: Some(day),
        tenant: None,
        protocol: None,
        format: Format::Html,
        out: Some(out.to_owned()),
        force: true,
    })
}

/// Enters in the log that somebody at the exchange made a report, before there is one. Of a copy elsewhere, the log
/// says who read it.
fn note(arguments: &Arguments, report: &AuditReport) -> anyhow::Result<()> {
    let (None, Some(config)) = (&arguments.which.log, &arguments.which.config) else { return Ok(()) };
    let settings = load(&ConfigArgument { config: config.clone() })?;
    let count = (report.deliveries.len() + report.refusals.len()) as u64;
    let event = Event::AuditExported(AuditExported { from: report.from, to: report.until, count });
    daemon::note(&settings, arguments.tenant.as_ref(), event)?;
    Ok(())
}

/// Writes the file whole, or not at all.
fn write(out: &Path, bytes: &[u8], force: bool) -> anyhow::Result<()> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(parent.is_dir(), "there is no directory {}", parent.display());
    let name = out.file_name().and_then(|name| name.to_str()).context("--out does not name a file")?;
    let directory = Directory::create(parent)?;
    let written = if force { directory.write(name, bytes) } else { directory.write_new(name, bytes) };
    Ok(written?)
}

/// The log in use and where those of earlier years lie.
fn places(which: &Which) -> anyhow::Result<(PathBuf, PathBuf)> {
    match (&which.log, &which.config) {
        (Some(log), _) => Ok((log.clone(), log.join("archive"))),
        (None, Some(config)) => {
            let settings = load(&ConfigArgument { config: config.clone() })?;
            // What happened in the last second is not under a checkpoint yet.
            daemon::publish(&settings)?;
            Ok((daemon::log_dir(&settings), daemon::archive_dir(&settings)))
        }
        (None, None) => bail!("give --log DIR or --config FILE"),
    }
}

/// The day on which a log begins.
fn begins_on(year: &VerifiedYear) -> Option<Date> {
    year.first.as_ref().map(|first| brussels_date(first.at))
}

/// The logs of the period, oldest first.
fn proved_logs(arguments: &Arguments) -> anyhow::Result<VecDeque<VerifiedYear>> {
    let keys = verifiers(&arguments.which, &arguments.key)?;
    let (directory, archive) = places(&arguments.which)?;
    let years = Years { archive: &archive, keys: &keys, since: None };
    let no_report = |fault: YearFault| {
        let mut lines = Found::of(&fault).lines().into_iter();
        let first = lines.next().unwrap_or_default();
        let lines = std::iter::once(format!("{first}, so there is no report")).chain(lines);
        anyhow::anyhow!(lines.collect::<Vec<_>>().join("\n"))
    };
    let from = arguments.from;
    let mut logs = VecDeque::from([years.newest(&directory).map_err(no_report)?]);
    // Something of the period may lie in the log before one that begins after its first day, or on it.
    while let Some(later) =
        logs.front().filter(|later| begins_on(later).is_some_and(|day| from.is_none_or(|from| day >= from)))
    {
        match years.before(later) {
            Ok(Some(earlier)) => logs.push_front(earlier),
            Ok(None) => break,
            // Without a first day, a report begins where the logs do.
            Err(YearFault::Missing { .. }) if from.is_none() => break,
            Err(YearFault::Missing { origin, .. }) if begins_on(later) == from => {
                progress(&format!(
                    "warning: of its first day this has what came after the end of {origin}, which is not here"
                ));
                break;
            }
            Err(fault) => return Err(no_report(fault)),
        }
    }
    Ok(logs)
}

/// The names under which these logs tell of a tenant.
fn names_in(logs: &VecDeque<VerifiedYear>, tenant: &TenantId) -> anyhow::Result<Names> {
    let mut mergers = Vec::new();
    for log in logs {
        transfer_log::entries_under(&log.directory, log.checkpoint(), |entry| mergers.extend(Merger::of(&entry)))?;
    }
    Ok(Names::new(tenant.clone(), &mergers))
}

fn report(arguments: &Arguments) -> anyhow::Result<AuditReport> {
    let Arguments { from, until, tenant, protocol, .. } = arguments;
    let proved = proved_logs(arguments)?;
    let names = tenant.as_ref().map(|tenant| names_in(&proved, tenant)).transpose()?;
    let former = names.as_ref().map(Names::former).unwrap_or_default();
    let former = former.into_iter().map(ToString::to_string).collect();
    let scope = Scope { from: *from, until: *until, tenant: names.clone(), protocol: protocol.clone() };
    let mut gathered = Gathered::new(scope);
    let mut asked = Asked::new(names.as_ref(), protocol.as_ref());
    let mut logs = Vec::new();
    for log in proved {
        let (mut first, mut last_at) = (None, None);
        let checkpoint = log.checkpoint();
        transfer_log::entries_under(&log.directory, checkpoint, |entry| {
            last_at = Some(entry.at);
            gathered.take(&entry);
            asked.take(&entry);
            first.get_or_insert(entry);
        })?;
        // What the years were tied together by is under the checkpoint too.
        ensure!(first == log.first, "{} changed while it was read", log.directory.display());
        logs.push(VerifiedLog {
            origin: log.key.name().to_owned(),
            entries: checkpoint.size,
            root: hex::encode(checkpoint.root),
            key: log.key.to_string(),
            unsigned: log.verified.unsigned,
            first_at: log.first.as_ref().map(|first| first.at),
            last_at,
        });
    }
    for sentence in asked.unknown() {
        progress(&format!("warning: {sentence} in the logs of the period"));
    }
    let made_at = Clock::system().now();
    let on = |at: Option<Timestamp>| brussels_date(at.unwrap_or(made_at));
    let until = until.unwrap_or_else(|| on(logs.last().and_then(|log| log.last_at)));
    let hints = gathered.hints(until);
    let (gathered, refusals, logins) = gathered.tied();
    Ok(AuditReport {
        made_at,
        from: from.unwrap_or_else(|| on(logs.first().and_then(|log| log.first_at))),
        until,
        tenant: tenant.as_ref().map(ToString::to_string),
        former,
        protocol: protocol.as_ref().map(ToString::to_string),
        logs,
        deliveries: gathered.deliveries,
        refusals,
        logins,
        changes: gathered.changes,
        readings: gathered.readings,
        hints,
    })
}
