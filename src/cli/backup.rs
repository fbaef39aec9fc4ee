//! `groeikluis backup` and `groeikluis restore`: one sealed file with everything but the keys and the register.

use std::path::{Path, PathBuf};

use anyhow::bail;
use serde_json::json;
use tokio::signal::unix::SignalKind;

use super::{
    ConfigArgument, UsageFault, load,
    output::{print_json, print_json_first, say},
    signals,
};
use crate::{
    config::{Environment, SecretFile},
    daemon::{self, Backup, Restored},
    seal::{Keyring, Recipient},
};

#[derive(clap::Args)]
pub(super) struct BackupArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The file to make, or the directory to make it in.
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    /// A public key that the backup is sealed to (age1…); may be given again. Its secret part belongs elsewhere.
    #[arg(long = "recipient", value_name = "KEY", required = true)]
    recipients: Vec<Recipient>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct RestoreArguments {
    /// The backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The secret key that opens it: an age identity file, or credential:NAME under `systemd-run`.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    #[command(flatten)]
    config: ConfigArgument,
    /// Only unpack the configuration, into this directory; keys are not in it.
    #[arg(long, value_name = "DIR")]
    config_to: Option<PathBuf>,
    /// The high-water mark is lost too, and this is the newest backup.
    #[arg(long)]
    without_mark: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn back_up(arguments: &BackupArguments) -> anyhow::Result<()> {
    if arguments.recipients.iter().any(|recipient| recipient.to_string().starts_with("ssh-")) {
        return Err(UsageFault("restoring needs an age key: give a recipient that begins with age1".to_owned()).into());
    }
    let settings = load(&arguments.config)?;
    let progress = |text: &str| eprintln!("groeikluis: {text}");
    // Not a terminal that goes: who uses `nohup` wants the backup all the same.
    let ended = signals::watch(&[SignalKind::terminate(), SignalKind::interrupt()], move || progress("breaking off"))?;
    let Backup { path, made_at, size, files, bytes, sha256, log_fault } =
        daemon::back_up(&settings, &arguments.to, &arguments.recipients, &ended, progress)?;
    if arguments.json {
        print_json_first(&json!({
            "path": path.display().to_string(),
            "made_at": made_at.to_string(),
            "log_entries": size,
            "files": files,
            "bytes": bytes,
            "sha256": sha256,
            "log_fault": log_fault,
        }))?;
    } else {
        say(&format!("{}: {files} files, {bytes} bytes, the log up to entry {size}", path.display()));
        say(&format!("SHA-256 {sha256}"));
    }
    let Some(fault) = log_fault else { return Ok(()) };
    bail!(
        "the backup is there, but the transfer log in it does not verify, so that it cannot be restored as it is: {fault}. \
         Keep the backups of before it. `groeikluis audit verify` tells what is at fault; full files below log/tile/ are \
         never written again, so that one from a backup whose log verified takes the place of one at fault: put it there, \
         and make a backup again"
    );
}

pub(super) fn restore(arguments: &RestoreArguments) -> anyhow::Result<()> {
    if let Some(to) = &arguments.config_to {
        // There is no configuration that says what is real; the key is this command's alone.
        let identity = identity(&arguments.identity, Environment::Demo)?;
        let names = daemon::restore_configuration(&arguments.from, &identity, to)?;
        if names.is_empty() {
            bail!("there is no configuration in the backup");
        }
        let files: Vec<String> = names.iter().map(|name| to.join(name).display().to_string()).collect();
        if arguments.json {
            return Ok(print_json(&json!({ "files": files }))?);
        }
        for file in &files {
            say(file);
        }
        return Ok(());
    }
    let settings = load(&arguments.config)?;
    let identity = identity(&arguments.identity, settings.environment)?;
    let restored = daemon::restore(&settings, &arguments.from, &identity, arguments.without_mark)?;
    let Restored { made_at, origin, size, high_water, unknown_files, numbers_from, seq } = restored;
    if arguments.json {
        return Ok(print_json(&json!({
            "made_at": made_at.to_string(),
            "origin": origin,
            "log_entries": size,
            "high_water": high_water,
            "unknown_files": unknown_files,
            "numbers_from": numbers_from,
            "logged": seq,
        }))?);
    }
    say(&format!("in place: the exchange of {}, its log {origin} with {size} entries", made_at.strftime("%F %T UTC")));
    match high_water {
        Some(high_water) if high_water > size => {
            say(&format!("entries {size} to {} of that log are lost; the new log says so", high_water - 1));
        }
        Some(_) => say("the log had come no further by its high-water mark: nothing of it is lost"),
        None => say("how far the log had come is not known: its mark is that of the backup from now on"),
    }
    if let Some(number) = numbers_from {
        say(&format!("files of today are numbered from {number} on: those that are lost had lower numbers"));
    }
    say(&format!("this is entry {seq} of the log; start the daemon with `groeikluis serve`"));
    Ok(())
}

fn identity(path: &Path, environment: Environment) -> anyhow::Result<Keyring> {
    let secret = match path.to_str().and_then(|text| text.strip_prefix("credential:")) {
        Some(name) => SecretFile::of_credential(name.to_owned(), environment),
        None => SecretFile::at(path.to_owned(), environment),
    };
    Ok(daemon::read_keyring(&secret)?)
}
