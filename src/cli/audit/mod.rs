//! `groeikluis audit`: reading and verifying the transfer log, of a running daemon or from a copy.

mod disclose;
mod faults;
mod gather;
mod hints;
mod names;
mod receipt;
mod report;
mod scope;
mod show;
mod verify;

pub(super) use report::report_of;

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::builder::ArgPredicate;
use jiff::Timestamp;

use super::{MAIN_FILE, UsageFault, day, load};
use crate::{
    config::SecretFile,
    daemon::DaemonError,
    transfer_log::{NoteKey, VerifierKey},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Hash everything again: entries, tiles, root, signature, canonical form and sequence. Needs no daemon.
    Verify(verify::Arguments),
    /// Show entries as a table.
    Show(show::Arguments),
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

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Verify(arguments) => verify::run(arguments),
        Command::Show(arguments) => show::run(arguments),
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

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
