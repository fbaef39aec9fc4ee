//! `groeikluis audit verify`: everything hashed again, over the years.
//!
//! Logs of earlier years are verified back to the first where they lie beside the log or are named, as they do at the
//! exchange; then each must be there. A log alone is verified alone, and what it goes on from is said.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::{
    super::{
        ConfigArgument, load,
        output::{print_json, print_json_first, say},
    },
    KeyArgument, LONGEST_KEYS_BYTES, Which,
    faults::{Found, goes_beyond},
    time, verifiers,
};
use crate::{
    daemon,
    transfer_log::{self, Event, StoredEntry, VerifiedYear, VerifyFault, YearFault, Years},
};

/// What a check without an older checkpoint cannot tell.
const WITHOUT_SINCE: &str =
    "without --since CHECKPOINT, an older one that was kept elsewhere, what was cut off at the end is not seen";

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    key: KeyArgument,
    /// Where the logs of earlier years lie; left out: in `archive` below the log, if that is there.
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// An older checkpoint of the log, of this year or an earlier one: proves that nothing before it was rewritten.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = arguments.which.directory()?;
    let keys = verifiers(&arguments.which, &arguments.key)?;
    let since = arguments.since.as_deref().map(read_note).transpose()?;
    let (archive, is_whole) = archive(arguments, &directory)?;
    let years = Years { archive: &archive, keys: &keys, since: since.as_deref() };
    let verified = match verify(years, &directory, is_whole) {
        Ok(verified) => verified,
        Err(fault) => {
            let found = Found::of(&fault);
            if arguments.json {
                print_json_first(&found.as_json())?;
            }
            let told = lines(&found, &fault, arguments, &directory);
            bail!(told.into_iter().chain(restored(&fault, &directory, &archive)).collect::<Vec<_>>().join("\n"))
        }
    };
    if let Some(path) = arguments.since.as_ref().filter(|_| verified.iter().all(|year| year.since.is_none())) {
        bail!("{} is a checkpoint of none of the logs that were verified", path.display());
    }
    let looked = verified.into_iter().map(Looked::at).collect::<Result<Vec<_>, _>>()?;
    if arguments.json {
        return Ok(print_json(&as_json(&looked))?);
    }
    tell(&looked, &archive);
    if arguments.since.is_none() {
        say(WITHOUT_SINCE);
    }
    Ok(())
}

/// The entry that tells of a log which lacks entries of the older checkpoint: a backup was restored, and a later log says
/// so. That one, from which this one was found, is verified.
fn restored(fault: &YearFault, newest: &Path, archive: &Path) -> Option<String> {
    let YearFault::Log(log) = fault else { return None };
    let origin = log.key.as_ref()?.name();
    if log.directory == newest || !log.faults.iter().any(|fault| matches!(fault, VerifyFault::Shortened { .. })) {
        return None;
    }
    let later = transfer_log::archived(archive).unwrap_or_default().into_iter().chain([newest.to_owned()]);
    let entries = later.filter(|later| *later != log.directory).filter_map(|later| transfer_log::entries(&later).ok());
    entries.flatten().map_while(Result::ok).find_map(|entry| match &entry.event {
        Event::BackupRestored(restored) if restored.origin == origin => Some(format!(
            "a later log tells that a backup of {origin} with {} entries was restored (`backup.restored`, entry {} of {}): \
             what came after it was lost",
            restored.size, entry.seq, time(entry.at),
        )),
        _ => None,
    })
}

/// What is told of a fault. That the log in use was compared with no older checkpoint is said here too: those of earlier
/// years are proved by the one after them.
fn lines(found: &Found<'_>, fault: &YearFault, arguments: &Arguments, newest: &Path) -> Vec<String> {
    let mut lines = found.lines();
    let is_newest = matches!(fault, YearFault::Log(log) if log.directory == newest);
    if is_newest && found.lacks_since() {
        lines.push(match &arguments.since {
            Some(path) => format!("{} is not of this log: what was cut off at its end is not seen", path.display()),
            None => WITHOUT_SINCE.to_owned(),
        });
    }
    lines
}

/// A year that was verified, and what else its files tell.
struct Looked {
    year: VerifiedYear,
    /// The last entry under the checkpoint.
    last: Option<StoredEntry>,
    /// How many entries there are bundles for, where the checkpoint and the journal know of fewer.
    beyond: Option<u64>,
}

impl Looked {
    fn at(year: VerifiedYear) -> Result<Self, transfer_log::LogError> {
        let (directory, size) = (&year.directory, year.checkpoint().size);
        let last = match size.checked_sub(1) {
            Some(last) => transfer_log::entries_from(directory, last)?.next().transpose()?,
            None => None,
        };
        let beyond = transfer_log::beyond(directory, size, year.verified.unsigned);
        Ok(Self { year, last, beyond })
    }

    /// The times of the first and the last entry.
    fn span(&self) -> Option<[jiff::Timestamp; 2]> {
        Some([self.year.first.as_ref()?.at, self.last.as_ref()?.at])
    }
}

/// Where earlier years lie, and whether all of them have to be there.
fn archive(arguments: &Arguments, log: &Path) -> anyhow::Result<(PathBuf, bool)> {
    match (&arguments.archive, &arguments.which.log, &arguments.which.config) {
        (Some(archive), ..) => {
            ensure!(archive.is_dir(), "there is no directory {}", archive.display());
            Ok((archive.clone(), true))
        }
        (None, None, Some(config)) => {
            Ok((daemon::archive_dir(&load(&ConfigArgument { config: config.clone() })?), true))
        }
        _ => {
            let beside = log.join("archive");
            let is_there = beside.is_dir();
            Ok((beside, is_there))
        }
    }
}

/// Verifies the log and those of earlier years, newest first.
fn verify(years: Years<'_>, directory: &Path, is_whole: bool) -> Result<Vec<VerifiedYear>, YearFault> {
    let mut last = years.newest(directory)?;
    let mut verified = Vec::new();
    while let Some(earlier) = if is_whole { years.before(&last)? } else { None } {
        verified.push(std::mem::replace(&mut last, earlier));
    }
    verified.push(last);
    if is_whole {
        years.nothing_else(&verified)?;
    }
    Ok(verified)
}

fn tell(looked: &[Looked], archive: &Path) {
    for (at, one) in looked.iter().enumerate() {
        let year = &one.year;
        let checkpoint = year.checkpoint();
        let (size, root) = (checkpoint.size, hex::encode(checkpoint.root));
        let before = if at > 0 { "; the log above goes on from it" } else { "" };
        say(&format!("{}: {size} entries verified, root {root}{before}", year.key.name()));
        if let Some([first, last]) = one.span() {
            say(&format!("the first is of {} UTC, the last of {} UTC", time(first), time(last)));
        }
        if let Some(since) = year.since {
            say(&format!("the first {since} are those of the older checkpoint"));
        }
        if year.verified.unsigned > 0 {
            say(&format!("{} newer entries are whole, and not under a checkpoint yet", year.verified.unsigned));
        }
        if let Some(reach) = one.beyond {
            say(&goes_beyond(reach));
        }
    }
    if let Some((origin, size)) = looked.last().and_then(|one| one.year.goes_on_from()) {
        let archive = archive.display();
        say(&format!(
            "it goes on from {origin} with its {size} entries, which was not verified: there is no {archive}"
        ));
    }
}

fn as_json(looked: &[Looked]) -> Value {
    let mut logs = looked.iter().map(|one| {
        let year = &one.year;
        let checkpoint = year.checkpoint();
        let mut found = json!({ "log": year.key.name(), "entries": checkpoint.size,
            "root": hex::encode(checkpoint.root), "unsigned": year.verified.unsigned,
            "first_at": one.span().map(|[first, _]| first.to_string()), "last_at": one.span().map(|[_, last]| last.to_string()),
            "beyond": one.beyond });
        if let (Some(since), Some(members)) = (year.since, found.as_object_mut()) {
            members.insert("since".to_owned(), since.into());
        }
        found
    });
    let mut found = logs.next().unwrap_or_default();
    let earlier: Vec<Value> = logs.collect();
    if let Some(members) = found.as_object_mut() {
        members.insert("valid".to_owned(), true.into());
        members.insert("earlier".to_owned(), earlier.into());
        if let Some((origin, size)) = looked.last().and_then(|one| one.year.goes_on_from()) {
            members.insert("not_verified".to_owned(), json!({ "log": origin, "entries": size }));
        }
    }
    found
}

/// Reads a checkpoint as it was published.
fn read_note(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut note = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.take(LONGEST_KEYS_BYTES).read_to_end(&mut note)?;
    Ok(note)
}
