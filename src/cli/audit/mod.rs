//! `groeikluis audit`: reading and verifying the transfer log, of a running daemon or from a copy.

mod disclose;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{
    load,
    output::{Table, print_json, say},
};
use crate::{
    domain::{ProtocolId, TenantId},
    transfer_log::{self, NoteKey, Outcome, StoredEntry, VerifierKey, VerifyFault},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Hash everything again: entries, tiles, root, signature, canonical form and sequence. Needs no daemon.
    Verify(Verify),
    /// Show entries as a table.
    Show(Show),
    /// Open what identifies officials (address, user, key, path) for a period. It is itself an entry of the log.
    Disclose(disclose::Disclose),
    /// Erase what identifies officials of a tenant and month, by destroying its key. It is itself an entry of the log.
    Erase(disclose::Erase),
}

/// Which log: a directory with its key, or the one of a configuration.
#[derive(clap::Args)]
struct Which {
    /// The log's directory, or a copy of it.
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    log: Option<PathBuf>,
    /// The main configuration file, to take the log's directory and key from.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct Verify {
    #[command(flatten)]
    which: Which,
    /// The log's public key (name+hash+base64), or a file with it.
    #[arg(long, value_name = "VKEY", required_unless_present = "config")]
    key: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    which: Which,
    /// Only entries about this tenant.
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
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// Only entries until this day, included (UTC).
    #[arg(long, value_name = "DAY")]
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
        Command::Verify(arguments) => verify(arguments),
        Command::Show(arguments) => show(arguments),
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

fn verifier(arguments: &Verify) -> anyhow::Result<VerifierKey> {
    match (&arguments.key, &arguments.which.config) {
        (Some(key), _) => {
            let text = if Path::new(key).is_file() { std::fs::read_to_string(key)? } else { key.clone() };
            VerifierKey::parse(text.trim()).context("the log's public key")
        }
        (None, Some(config)) => {
            let settings = load(&super::ConfigArgument { config: config.clone() })?;
            let secret = settings.log.key.read()?;
            let key = NoteKey::parse(std::str::from_utf8(&secret)?.trim()).context("the log's key")?;
            Ok(key.verifier().clone())
        }
        (None, None) => bail!("give --key VKEY"),
    }
}

fn verify(arguments: &Verify) -> anyhow::Result<()> {
    let directory = arguments.which.directory()?;
    let key = verifier(arguments)?;
    match transfer_log::verify(&directory, &key) {
        Ok(verified) => {
            let root = hex::encode(verified.checkpoint.root);
            let size = verified.checkpoint.size;
            if arguments.json {
                let unsigned = verified.unsigned;
                let found =
                    json!({ "valid": true, "log": key.name(), "entries": size, "root": root, "unsigned": unsigned });
                return Ok(print_json(&found)?);
            }
            say(&format!("{}: {size} entries verified, root {root}", key.name()));
            if verified.unsigned > 0 {
                say(&format!("{} newer entries are whole, and not under a checkpoint yet", verified.unsigned));
            }
            Ok(())
        }
        Err(faults) => {
            let lines: Vec<String> = faults.iter().map(fault_text).collect();
            if arguments.json {
                print_json(&json!({ "valid": false, "log": key.name(), "faults": lines }))?;
            }
            bail!("{} does not verify\n{}", directory.display(), lines.join("\n"))
        }
    }
}

fn fault_text(fault: &VerifyFault) -> String {
    let mut text = fault.to_string();
    let mut source = std::error::Error::source(fault);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn show(arguments: &Show) -> anyhow::Result<()> {
    let directory = arguments.which.directory()?;
    let mut chosen = Vec::new();
    let mut out = io::stdout().lock();
    for entry in transfer_log::entries(&directory)? {
        let entry = entry?;
        if !arguments.wants(&entry) {
            continue;
        }
        if arguments.json && arguments.last == 0 {
            out.write_all(&entry.bytes)?;
            writeln!(out)?;
            continue;
        }
        chosen.push(entry);
        if arguments.last > 0 && chosen.len() > arguments.last * 2 {
            chosen.drain(..chosen.len() - arguments.last);
        }
    }
    if arguments.last > 0 && chosen.len() > arguments.last {
        chosen.drain(..chosen.len() - arguments.last);
    }
    if arguments.json {
        for entry in &chosen {
            out.write_all(&entry.bytes)?;
            writeln!(out)?;
        }
        return Ok(());
    }
    drop(out);
    let mut table = Table::new(&["seq", "time (UTC)", "event", "outcome", "tenant", "protocol", "key", "details"]);
    for entry in &chosen {
        table.row(row(entry)?);
    }
    Ok(table.print()?)
}

impl Show {
    fn wants(&self, entry: &StoredEntry) -> bool {
        let context = &entry.context;
        let day = entry.at.to_zoned(TimeZone::UTC).date();
        self.tenant.as_ref().is_none_or(|tenant| context.tenant.as_ref() == Some(tenant))
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
        Value::String(text) => Some(format!("{name}={text}")),
        other => Some(format!("{name}={other}")),
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
