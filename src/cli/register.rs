//! `groeikluis register`: making, checking and describing extracts.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    ConfigArgument, UsageFault, load,
    output::{print_json, print_json_first, say},
};
use crate::{
    config::Settings,
    daemon::{UsedRegister, accept_register_change, is_register_change_accepted, read_keyring},
    domain::Municipalities,
    durable::{Clock, Directory},
    register::{
        Extent, ReferenceMonth, Register,
        synth::{Synth, SynthSummary},
    },
    seal::{Recipient, SealError, StorageSealer},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Check an extract as the daemon would load it, and put it in the place that the configuration names.
    Load {
        #[command(flatten)]
        config: ConfigArgument,
        /// The sealed extract.
        file: PathBuf,
        /// Also when it is of an earlier month than the one there, has fewer than 90 % of its children, or
        /// lacks a source, half of the sociale toeslag's rows, of a municipality's or of those with an account.
        #[arg(long)]
        accept_change: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
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
        Command::Load { config, file, accept_change, json } => {
            put_in_place(&load(config)?, file, *accept_change, *json)
        }
        Command::Info { config, json } => info(&load(config)?, *json),
        Command::Synth(arguments) => synth(arguments),
    }
}

/// A file as it is read, with its digest so far and, where it is read again, what that has to be at the end.
struct Digesting<'a> {
    file: &'a File,
    digest: Sha256,
    expected: Option<[u8; 32]>,
}

impl Read for Digesting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.digest.update(buffer.get(..read).unwrap_or_default());
        let is_end = read == 0 && !buffer.is_empty();
        if is_end && self.expected.is_some_and(|expected| expected != *self.digest.clone().finalize()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the extract changed while it was checked"));
        }
        Ok(read)
    }
}

impl<'a> Digesting<'a> {
    /// From its start to its end; an error then, where its digest is another than is expected.
    fn of(mut file: &'a File, expected: Option<[u8; 32]>) -> io::Result<Self> {
        file.rewind()?;
        Ok(Self { file, digest: Sha256::new(), expected })
    }

    /// The digest of all of it, with what was not read yet.
    fn whole(mut self) -> io::Result<[u8; 32]> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.digest.finalize().into())
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}

fn read(settings: &Settings, path: &Path, file: impl Read + Send) -> anyhow::Result<Register> {
    let keyring = read_keyring(&settings.register.identity)?;
    let opened = keyring.open(file).map_err(|error| {
        // Only in a sealed extract does nobody read along.
        let seal_it = match (&error, keyring.recipients().first()) {
            (SealError::NotAge, Some(recipient)) => {
                format!("; seal it first: age -r {recipient} -o {0}.age {0}", path.display())
            }
            _ => String::new(),
        };
        anyhow::Error::new(error).context(format!("cannot open the seal of {}{seal_it}", path.display()))
    })?;
    Register::read(opened, &settings.sources, &settings.municipalities).map_err(|fault| {
        let hint = fault.hint();
        anyhow::Error::new(fault).context(format!("{} is at fault; {hint}", path.display()))
    })
}

fn put_in_place(settings: &Settings, file: &Path, accept_change: bool, as_json: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    let extract = open(file)?;
    // It is read twice: checked, and copied.
    if !extract.metadata()?.is_file() {
        bail!(UsageFault(format!("{} is no regular file: put the extract in one", file.display())));
    }
    let target = &settings.register.path;
    // One that is not there, or cannot be read, is nothing to compare with. What the daemon uses may be another.
    let in_place = || open(target).and_then(|used| read(settings, target, used)).ok().map(|used| Extent::of(&used));
    let used = UsedRegister::last(&settings.state_dir).map(|used| used.extent).or_else(in_place);
    let mut checked = Digesting::of(&extract, None)?;
    let register = read(settings, file, &mut checked)?;
    let digest = checked.whole()?;
    let used = used.map(|used| used.as_of_today(&settings.municipalities, &settings.sources));
    let change = used.as_ref().map_or(Ok(()), |used| Extent::of(&register).follows(used));
    let sha256 = hex::encode(digest);
    if !accept_change && !is_register_change_accepted(target, &sha256) {
        change.context("not put in place; give --accept-change if this extract is meant")?;
    }
    let Some(directory) = target.parent() else { bail!("{} has no directory", target.display()) };
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    if accept_change {
        // Before the extract: the daemon takes it as soon as it is there.
        accept_register_change(target, &sha256)?;
    }
    // The file that it was made of may be its maker's alone; here the daemon's group has to read it.
    Directory::create(directory)?.write_for_group(&name, &mut Digesting::of(&extract, Some(digest))?)?;
    if as_json {
        print_json_first(&json!({
            "path": target,
            "month": register.month().to_string(),
            "rows": register.rows(),
            "children": register.children(),
            "was": used.as_ref().map(ToString::to_string),
        }))?;
    } else {
        say(&format!(
            "{} rows, {} children, month {}{}, checked in {} ms; in place as {}",
            register.rows(),
            register.children(),
            register.month(),
            used.map(|used| format!(" (was {used})")).unwrap_or_default(),
            began.elapsed().as_millis(),
            target.display()
        ));
    }
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
    let register = read(settings, path, open(path)?)?;
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
        recipients = read_keyring(&settings.register.identity)?.recipients();
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
    use super::*;

    #[test]
    fn only_what_was_checked_is_put_in_place() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("extract");
        std::fs::write(&path, "checked, and the rest").unwrap();
        let extract = open(&path).unwrap();
        let mut checked = Digesting::of(&extract, None).unwrap();
        checked.read_exact(&mut [0; 7]).unwrap();
        let digest = checked.whole().unwrap();
        let place = Directory::create(&root.path().join("place")).unwrap();
        let copied = || place.write_for_group("x", &mut Digesting::of(&extract, Some(digest)).unwrap());
        copied().unwrap();
        assert_eq!(place.read("x", 100).unwrap().unwrap(), b"checked, and the rest");
        // Written to, and cut off, meanwhile.
        for other in ["checked, and the mess", "checked", ""] {
            std::fs::write(&path, other).unwrap();
            assert_eq!(copied().unwrap_err().source.kind(), io::ErrorKind::InvalidData, "{other}");
            assert_eq!(place.read("x", 100).unwrap().unwrap(), b"checked, and the rest");
        }
    }

    #[test]
    fn a_file_of_another_user_is_read_by_its_group() {
        let daemon = (990, 990);
        assert!(may_read(daemon, (990, 0)) && may_read(daemon, (0, 990)) && may_read((0, 0), (5, 5)));
        assert!(!may_read(daemon, (0, 0)));
    }
}
