//! `groeikluis register`: making, checking and describing extracts.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use serde_json::json;

use super::{
    ConfigArgument, load,
    output::{print_json, say},
};
use crate::{
    config::Settings,
    domain::Municipalities,
    durable::{Clock, Directory},
    register::{
        ReferenceMonth, Register,
        synth::{Synth, SynthSummary},
    },
    seal::{Keyring, Recipient, StorageSealer},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Check an extract as the daemon would load it, and put it in the place that the configuration names.
    Load {
        #[command(flatten)]
        config: ConfigArgument,
        /// The sealed extract.
        file: PathBuf,
    },
    /// Describe the extract that the configuration names.
    Info {
        #[command(flatten)]
        config: ConfigArgument,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a synthetic extract: nobody in it exists.
    Synth(SynthArguments),
}

#[derive(clap::Args)]
pub(super) struct SynthArguments {
    /// How many children.
    #[arg(long, default_value_t = 100_000)]
    children: u32,
    /// What everything random follows from: the same seed makes the same extract.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The month of the extract, as 2026-11; by default this month.
    #[arg(long)]
    month: Option<ReferenceMonth>,
    /// Seal it to this age recipient; may be given again. Without one it is written in clear.
    #[arg(long)]
    recipient: Vec<Recipient>,
    /// Seal it to the register's key of this configuration.
    #[arg(long, value_name = "FILE", conflicts_with = "recipient")]
    config: Option<PathBuf>,
    /// Where to; - for standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The table that the program ships, for who has no configuration.
const MUNICIPALITIES: &str = include_str!("../../config/municipalities.csv");

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Load { config, file } => put_in_place(&load(config)?, file),
        Command::Info { config, json } => info(&load(config)?, *json),
        Command::Synth(arguments) => synth(arguments),
    }
}

fn read(settings: &Settings, path: &Path) -> anyhow::Result<Register> {
    let keyring = register_keyring(settings)?;
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let opened = keyring.open(file).with_context(|| format!("cannot open the seal of {}", path.display()))?;
    Register::read(opened, &settings.sources, &settings.municipalities).map_err(|fault| {
        let hint = fault.hint();
        anyhow::Error::new(fault).context(format!("{} is at fault; {hint}", path.display()))
    })
}

fn register_keyring(settings: &Settings) -> anyhow::Result<Keyring> {
    let secret = settings.register.identity.read()?;
    Ok(Keyring::parse(std::str::from_utf8(&secret)?)?)
}

fn put_in_place(settings: &Settings, file: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    let register = read(settings, file)?;
    let target = &settings.register.path;
    let Some(directory) = target.parent() else { bail!("{} has no directory", target.display()) };
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let mut extract = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    // The file that it was made of may be its maker's alone; here the daemon's group has to read it.
    Directory::create(directory)?.write_for_group(&name, &mut extract)?;
    say(&format!(
        "{} rows, {} children, month {}, checked in {} ms; in place as {}",
        register.rows(),
        register.children(),
        register.month(),
        began.elapsed().as_millis(),
        target.display()
    ));
    let ids = |path: &Path| path.metadata().map(|metadata| (metadata.uid(), metadata.gid()));
    // Whose the state directory is, the daemon runs as. There may be none yet.
    if let Ok((daemon, written)) = ids(&settings.state_dir).and_then(|daemon| Ok((daemon, ids(target)?)))
        && !may_read(daemon, written)
    {
        let (daemon_user, _) = daemon;
        let (user, group) = written;
        eprintln!(
            "groeikluis: {} belongs to user {user} and group {group}; the daemon, user {daemon_user}, may not be able to \
             read it: give its directory to the daemon's group (`chgrp`), and put it in place again",
            target.display()
        );
    }
    Ok(())
}

/// Whether a user with its own group can be expected to read a file that is its owner's and its group's to read.
fn may_read((user, group): (u32, u32), (owner, of_group): (u32, u32)) -> bool {
    user == 0 || user == owner || group == of_group
}

fn info(settings: &Settings, as_json: bool) -> anyhow::Result<()> {
    let path = &settings.register.path;
    let register = read(settings, path)?;
    let sealed_bytes = path.metadata()?.len();
    let per_row = register.heap_bytes() / register.rows().max(1);
    if as_json {
        return Ok(print_json(&json!({
            "path": path.display().to_string(),
            "month": register.month().to_string(),
            "rows": register.rows(),
            "children": register.children(),
            "sealed_bytes": sealed_bytes,
            "memory_bytes": register.heap_bytes(),
        }))?);
    }
    say(&format!("file      {} ({sealed_bytes} bytes sealed)", path.display()));
    say(&format!("month     {}", register.month()));
    say(&format!("rows      {}", register.rows()));
    say(&format!("children  {}", register.children()));
    say(&format!("memory    {} bytes, {per_row} a row", register.heap_bytes()));
    Ok(())
}

fn synth(arguments: &SynthArguments) -> anyhow::Result<()> {
    let mut recipients = arguments.recipient.clone();
    if let Some(config) = &arguments.config {
        let settings = load(&ConfigArgument { config: config.clone() })?;
        recipients = register_keyring(&settings)?.recipients();
    }
    let is_sealed_name = arguments.out.extension().is_some_and(|extension| extension == "age");
    if is_sealed_name && recipients.is_empty() {
        bail!(
            "{} ends in .age, but there is no key to seal to; give --recipient age1… or --config FILE",
            arguments.out.display()
        );
    }
    let month = arguments.month.unwrap_or_else(|| ReferenceMonth::from(Clock::system().today()));
    let synth = Synth { children: arguments.children, seed: arguments.seed, month };
    let began = Instant::now();
    let summary = if arguments.out == Path::new("-") {
        write_to(&synth, &recipients, io::stdout().lock())?
    } else {
        if let Some(directory) = arguments.out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let file = File::create(&arguments.out).with_context(|| format!("cannot make {}", arguments.out.display()))?;
        write_to(&synth, &recipients, file)?
    };
    eprintln!(
        "{} rows, {} children in {} families, {} with the sociale toeslag, month {month}, in {} ms",
        summary.rows,
        summary.children,
        summary.families,
        summary.sociale_toeslag,
        began.elapsed().as_millis()
    );
    Ok(())
}

/// Writes an extract, sealed when there is somebody to seal to.
pub(super) fn write_to(synth: &Synth, recipients: &[Recipient], output: impl Write) -> anyhow::Result<SynthSummary> {
    let municipalities = Municipalities::parse(MUNICIPALITIES).context("the program's own table of municipalities")?;
    let mut output = BufWriter::with_capacity(1 << 18, output);
    let summary = if recipients.is_empty() {
        synth.write(&municipalities, &mut output)?
    } else {
        let mut sealer = StorageSealer::new(recipients, &mut output)?;
        let summary = synth.write(&municipalities, &mut sealer)?;
        sealer.finish()?;
        summary
    };
    output.flush()?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::may_read;

    #[test]
    fn a_file_of_another_user_is_read_by_its_group() {
        let daemon = (990, 990);
        assert!(may_read(daemon, (990, 0)) && may_read(daemon, (0, 990)) && may_read((0, 0), (5, 5)));
        assert!(!may_read(daemon, (0, 0)));
    }
}
