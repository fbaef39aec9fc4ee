//! `groeikluis audit show`: entries as a table or as they are, of those that fit what is asked.
//!
//! Entries are shown as they lie there, without hashing anything: that is said each time, since an altered copy looks the
//! same. What fits nothing is told apart from what does not exist.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    io::{self, IsTerminal, StdoutLock, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{bail, ensure};
use jiff::{civil::Date, tz::TimeZone};
use serde_json::{Map, Value};

use super::{
    super::{
        ConfigArgument, UsageFault, load,
        output::{LongTable, progress},
    },
    ENVELOPE, Which, day,
    names::{Merger, Names},
    scope::{Asked, Behalf},
    time,
};
use crate::{
    domain::{ProtocolId, TenantId},
    transfer_log::{self, EVENT_NAMES, Outcome, StoredEntry},
};

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    #[command(flatten)]
    pub(in super::super) which: Which,
    /// Only entries about this tenant; also those about letters that others got on its behalf, and those under the names of
    /// tenants that were merged into it, up to then, as this log tells of mergers and those of other years that lie beside
    /// it (`archive` below it, `log-archive` beside it).
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Only entries about this protocol or agreement, and the letters of assignments under it.
    #[arg(long)]
    protocol: Option<ProtocolId>,
    /// Only these events; a part of the name is enough, as `list` for list.received, list.answered, …
    #[arg(long)]
    event: Option<String>,
    /// Only entries with this outcome: success, failure or unknown.
    #[arg(long)]
    outcome: Option<Outcome>,
    /// Only entries with this id in them, of a submission, delivery, run or recipient; its beginning, as tables have it, is
    /// enough. Or those of the login key with this fingerprint (`SHA256:…`), by the label that the configuration gives it.
    #[arg(long, value_name = "ID|FINGERPRINT")]
    about: Option<About>,
    /// Only entries from this day on (UTC).
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Date>,
    /// Only entries until this day, included (UTC).
    #[arg(long, visible_alias = "to", value_name = "DAY", value_parser = day)]
    until: Option<Date>,
    /// The last so many of them; 0 for all.
    #[arg(long, default_value_t = 0)]
    last: usize,
    /// The entries themselves, a JSON object a line, as they are in the log.
    #[arg(long)]
    json: bool,
}

/// What entries are to be about.
#[derive(Debug, Clone)]
enum About {
    Id(Id),
    Fingerprint(String),
}

impl FromStr for About {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("SHA256:") { Ok(Self::Fingerprint(text.to_owned())) } else { text.parse().map(Self::Id) }
    }
}

/// A login key as entries name it: by its label, under the names of its tenant.
struct Login {
    names: Names,
    label: String,
}

impl Login {
    /// Every key of the configuration with a fingerprint. Entries have none: it names a person.
    fn all_of(fingerprint: &str, which: &Which, directory: &Path) -> anyhow::Result<Vec<Self>> {
        let sealed = "entries have no fingerprint in clear, since it names a person (`audit disclose` opens them)";
        let Some(config) = &which.config else {
            bail!(UsageFault(format!("{sealed}: give --config FILE, of the exchange that knows the key's label")));
        };
        let settings = load(&ConfigArgument { config: config.clone() })?;
        let mut found = Vec::new();
        for tenant in settings.tenants.values() {
            let keys = tenant.keys.iter().map(|key| (&key.key, &key.label));
            let authorities = tenant.certificate_authorities.iter().map(|authority| (&authority.key, &authority.label));
            for (_, label) in keys.chain(authorities).filter(|(key, _)| key.fingerprint() == fingerprint) {
                found.push(Self { names: names_about(directory, &tenant.id)?, label: label.clone() });
            }
        }
        ensure!(!found.is_empty(), "no key of this configuration is {fingerprint}, and {sealed}");
        Ok(found)
    }

    fn is_of(&self, entry: &StoredEntry) -> bool {
        let context = &entry.context;
        context.key.as_ref() == Some(&self.label)
            && context.tenant.as_ref().is_some_and(|tenant| self.names.holds(tenant, entry.at))
    }
}

/// The beginning of an id, or all of it: hexadecimal digits.
#[derive(Debug, Clone)]
struct Id(String);

/// Digits of an id.
const ID_DIGITS: usize = 32;

/// Digits of its beginning at least: fewer fit too much.
const FEWEST_DIGITS: usize = 4;

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Tables end the beginning of one so.
        let digits = text.trim_end_matches('…').to_ascii_lowercase();
        let fits = (FEWEST_DIGITS..=ID_DIGITS).contains(&digits.len());
        if fits && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(digits));
        }
        Err(format!(
            "an id has {ID_DIGITS} hexadecimal digits; give {FEWEST_DIGITS} of them or more, or a fingerprint as SHA256:…"
        ))
    }
}

impl Id {
    /// Whether a value of the entry, or one of a list in it, is an id that begins so.
    fn is_in(&self, entry: &StoredEntry) -> bool {
        let bytes = entry.bytes.as_slice();
        let is_id = |at: usize| {
            let digits = bytes.get(at..at + ID_DIGITS).unwrap_or_default();
            digits.starts_with(self.0.as_bytes())
                && digits.iter().all(u8::is_ascii_hexdigit)
                && bytes.get(at + ID_DIGITS) == Some(&b'"')
        };
        // Behind a name, as the first of a list, and behind another of it.
        let begins = |two: &[u8]| matches!(two, [b':' | b'[' | b',', b'"']);
        bytes.windows(2).enumerate().any(|(at, two)| begins(two) && is_id(at + 2))
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.check()?;
    let directory = arguments.which.directory()?;
    let names = arguments.tenant.as_ref().map(|tenant| names_about(&directory, tenant)).transpose()?;
    let logins = match &arguments.about {
        Some(About::Fingerprint(fingerprint)) => Login::all_of(fingerprint, &arguments.which, &directory)?,
        _ => Vec::new(),
    };
    let mut asked = Asked::new(names.as_ref(), arguments.protocol.as_ref());
    let mut behalf = Behalf::default();
    let mut shown = Shown::new(arguments.json);
    let mut last = VecDeque::new();
    let (mut all, mut fitting) = (0_u64, 0_u64);
    for entry in transfer_log::entries(&directory)? {
        let entry = entry?;
        behalf.take(&entry);
        asked.take(&entry);
        all += 1;
        if !arguments.wants(&entry, names.as_ref(), &logins, &behalf) {
            continue;
        }
        fitting += 1;
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
    shown.end()?;
    if fitting == 0 {
        let why: Vec<String> = asked.unknown().into_iter().map(|sentence| format!("; {sentence}")).collect();
        progress(&format!("no entry fits, of the {all} that this log has{}", why.concat()));
    } else {
        progress("this was read as it lies there and not verified: `groeikluis audit verify` does that");
    }
    Ok(())
}

impl Arguments {
    fn check(&self) -> anyhow::Result<()> {
        if let (Some(from), Some(until)) = (self.from, self.until) {
            ensure!(from <= until, UsageFault("--from is after --until".to_owned()));
        }
        let Some(part) = &self.event else { return Ok(()) };
        let no_event = || format!("there is no event {part}; there are: {}", EVENT_NAMES.join(", "));
        ensure!(EVENT_NAMES.iter().any(|name| name.contains(part.as_str())), UsageFault(no_event()));
        Ok(())
    }

    fn wants(&self, entry: &StoredEntry, names: Option<&Names>, logins: &[Login], behalf: &Behalf) -> bool {
        let day = entry.at.to_zoned(TimeZone::UTC).date();
        behalf.concerns(entry, names, self.protocol.as_ref())
            && self.outcome.is_none_or(|outcome| entry.outcome == outcome)
            && self.event.as_ref().is_none_or(|part| entry.event.name().contains(part.as_str()))
            && self.from.is_none_or(|from| day >= from)
            && self.until.is_none_or(|until| day <= until)
            && self.about.as_ref().is_none_or(|about| match about {
                About::Id(id) => id.is_in(entry),
                About::Fingerprint(_) => logins.iter().any(|login| login.is_of(entry)),
            })
    }
}

/// Where entries are shown as they come: a log may be far larger than memory.
enum Shown {
    Table { table: LongTable<StdoutLock<'static>>, is_empty: bool, width: Option<usize> },
    Lines(StdoutLock<'static>),
}

impl Shown {
    fn new(as_json: bool) -> Self {
        let out = io::stdout().lock();
        if as_json {
            return Self::Lines(out);
        }
        let width = out.is_terminal().then_some(DETAILS_WIDTH);
        let header = ["seq", "time (UTC)", "event", "outcome", "tenant", "protocol", "key", "details"];
        Self::Table { table: LongTable::new(&header, out), is_empty: true, width }
    }

    fn entry(&mut self, entry: &StoredEntry) -> anyhow::Result<()> {
        match self {
            Self::Table { table, is_empty, width } => {
                table.row(row(entry, *width)?)?;
                *is_empty = false;
            }
            Self::Lines(out) => {
                out.write_all(&entry.bytes)?;
                writeln!(out)?;
            }
        }
        Ok(())
    }

    /// Prints what is still held; a header without rows is none.
    fn end(self) -> anyhow::Result<()> {
        match self {
            Self::Table { table, is_empty: false, .. } => Ok(table.end()?),
            Self::Table { .. } | Self::Lines(_) => Ok(()),
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

/// Fields that a reader looks for first, where an entry has them; the others follow by name.
const FIRST: [&str; 3] = ["file", "kind", "rows"];

/// Details of a row on a terminal at most, characters: what a wide one has left.
const DETAILS_WIDTH: usize = 160;

fn row(entry: &StoredEntry, width: Option<usize>) -> anyhow::Result<Vec<String>> {
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
        details(&entry.bytes, width)?,
    ])
}

/// An entry's own fields, cut to that many characters.
fn details(entry: &[u8], width: Option<usize>) -> anyhow::Result<String> {
    let members: Map<String, Value> = serde_json::from_slice(entry)?;
    let first = FIRST.iter().filter_map(|name| members.get_key_value(*name));
    let others = members.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()));
    let own = first.chain(others).filter(|(name, _)| !ENVELOPE.contains(&name.as_str()));
    let details: Vec<String> = own.filter_map(|(name, value)| detail(name, value)).collect();
    let details = details.join(" ");
    Ok(match width.filter(|width| details.chars().count() > *width) {
        Some(width) => details.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        None => details,
    })
}

/// A field in a table's row: digests are left to `--json`, ids are shortened, and counts of nothing say nothing.
fn detail(name: &str, value: &Value) -> Option<String> {
    match value {
        _ if name.ends_with("sha256") || name.ends_with("fingerprint") => None,
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some(name.to_owned()),
        Value::Number(number) if number.as_u64() == Some(0) => None,
        Value::String(text) if text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Some(format!("{name}={}…", text.get(..8).unwrap_or(text)))
        }
        // Some texts have lines, as a checkpoint: the table makes one of them.
        Value::String(text) => Some(format!("{name}={}", text.trim_end())),
        other => Some(format!("{name}={other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = r#"{"answers":"82236434aaaabbbbccccddddeeeeffff","ciphertext_sha256":"00","file":"a_1.csv.age","kind":"verslag","note":"a\nb\n","recipients":["1f5c0a77e2b94d3c8a6b12de90f3c455","9d3be021e2b94d3c8a6b12de90f3c455"],"rows":12,"test":false}"#;

    #[test]
    fn what_is_looked_for_comes_first_and_a_cut_is_seen() {
        let whole = details(CREATED.as_bytes(), None).unwrap();
        assert!(
            whole.starts_with("file=a_1.csv.age kind=verslag rows=12 answers=82236434… note=a\nb recipients="),
            "{whole}"
        );
        assert_eq!(details(CREATED.as_bytes(), Some(20)).unwrap(), "file=a_1.csv.age ki…");
        assert_eq!(details(CREATED.as_bytes(), Some(whole.chars().count())).unwrap(), whole);
    }

    #[test]
    fn an_id_is_found_by_its_beginning_as_a_table_shows_it() {
        let entry = StoredEntry { bytes: CREATED.into(), ..crate::cli::audit::scope::any_entry() };
        for (text, is_in) in [
            ("82236434…", true),
            ("8223", true),
            ("82236434AAAABBBBCCCCDDDDEEEEFFFF", true),
            ("2236434a", false),
            ("82236435", false),
            ("1f5c0a77", true),
            ("9d3be021", true),
            ("b3be021", false),
        ] {
            assert_eq!(text.parse::<Id>().unwrap().is_in(&entry), is_in, "{text}");
        }
        for text in ["822", "lijst.csv", "82236434aaaabbbbccccddddeeeeffff0"] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }
}
