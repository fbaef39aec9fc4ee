//! `groeikluis keys`: keys in the standard formats, so that stock tools read them.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use super::output::say;
use crate::{seal::Keyring, sftp, transfer_log::NoteKey};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a key. Its public part is printed; nothing is overwritten.
    New(New),
}

#[derive(clap::Args)]
pub(super) struct New {
    /// What the key is for.
    #[arg(value_enum)]
    kind: Kind,
    /// The file for the secret part, made with mode 0600.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The log's name, for a key of the transfer log: as `log.origin` in the configuration.
    #[arg(long, value_name = "NAME", required_if_eq("kind", "log"))]
    origin: Option<String>,
    /// Make a post-quantum hybrid age key (ML-KEM-768 with X25519). Senders need age 1.3 or newer.
    #[arg(long)]
    post_quantum: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// The SFTP server's own key (OpenSSH, Ed25519).
    Host,
    /// Opens what municipalities seal (age).
    Exchange,
    /// Opens the register (age).
    Register,
    /// Signs the transfer log (signed note, Ed25519).
    Log,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::New(New { kind, out, origin, post_quantum }) = command;
    if *post_quantum && !matches!(kind, Kind::Exchange | Kind::Register) {
        bail!("--post-quantum is for the keys of age: exchange and register");
    }
    let (secret, public) = match kind {
        Kind::Host => {
            let key = sftp::new_key("groeikluis")?;
            (key.private, key.public_line)
        }
        Kind::Exchange | Kind::Register => {
            let keyring = if *post_quantum { Keyring::generate_post_quantum() } else { Keyring::generate() };
            let recipients: Vec<String> = keyring.recipients().iter().map(ToString::to_string).collect();
            (keyring.to_file(), recipients.join("\n"))
        }
        Kind::Log => {
            let Some(origin) = origin else { bail!("a key of the transfer log needs --origin") };
            let key = NoteKey::generate(origin)?;
            let public = key.verifier().to_string();
            let mut secret = key.to_text();
            secret.push('\n');
            (secret, public)
        }
    };
    write_secret(out, &secret)?;
    say(&public);
    Ok(())
}

/// Writes a secret to a file that is not there yet, for its owner only.
pub(super) fn write_secret(path: &Path, secret: &Zeroizing<String>) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(secret.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}
