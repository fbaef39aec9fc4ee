//! `groeikluis keys`: keys in the standard formats, so that stock tools read them.

use std::{
    fs::OpenOptions,
    io::{self, BufRead, IsTerminal, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    UsageFault,
    output::{print_json, say},
};
use crate::{domain::SshPublicKey, seal::Keyring, sftp, transfer_log::NoteKey};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a key. Its public part is printed; nothing is overwritten.
    New(New),
    /// Make the key that takes the place of one in use, beside it, and tell the steps. Nothing is changed.
    Rotate(super::rotate::Arguments),
    /// Make what a tenant's file keeps of a password: its Argon2id hash.
    ///
    /// The password is asked for on a terminal, and read as one line from anything else; never as an argument, which
    /// other users of the machine can see.
    Password(NewPassword),
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
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct NewPassword {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
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
    let New { kind, out, origin, post_quantum, json } = match command {
        Command::New(new) => new,
        Command::Rotate(arguments) => return super::rotate::run(arguments),
        Command::Password(arguments) => return password(arguments),
    };
    if *post_quantum && !matches!(kind, Kind::Exchange | Kind::Register) {
        bail!(UsageFault("--post-quantum is for the keys of age: exchange and register".to_owned()));
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
    // What clients show of a host key.
    let fingerprint = match kind {
        Kind::Host => Some(SshPublicKey::parse(&public)?.fingerprint()),
        Kind::Exchange | Kind::Register | Kind::Log => None,
    };
    if *json {
        let public: Vec<&str> = public.lines().collect();
        return Ok(print_json(&json!({ "file": out, "public": public, "fingerprint": fingerprint }))?);
    }
    say(&public);
    if let Some(fingerprint) = fingerprint {
        // Apart, so that the output is the public key alone.
        eprintln!("its fingerprint, as clients show it: {fingerprint}");
    }
    Ok(())
}

/// Asks for a new password and prints its hash.
fn password(arguments: &NewPassword) -> anyhow::Result<()> {
    let input = io::stdin();
    let password = if input.is_terminal() {
        let first = ask("New password: ")?;
        let again = ask("The same again: ")?;
        if *first != *again {
            bail!("the two are not the same");
        }
        first
    } else {
        read_line(&mut input.lock())?
    };
    let hash = sftp::hash_password(&password)?;
    if arguments.json {
        return Ok(print_json(&json!({ "argon2id": hash.to_string() }))?);
    }
    say(&hash.to_string());
    Ok(())
}

/// Asks on the terminal, without showing what is typed.
fn ask(question: &str) -> anyhow::Result<Zeroizing<String>> {
    let input = io::stdin();
    let before = tcgetattr(&input).context("cannot read the terminal's settings")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    eprint!("{question}");
    tcsetattr(&input, OptionalActions::Flush, &silent).context("cannot change the terminal's settings")?;
    let line = read_line(&mut input.lock());
    let restored = tcsetattr(&input, OptionalActions::Now, &before);
    eprintln!();
    restored.context("cannot restore the terminal's settings")?;
    line
}

/// Reads a line through a limit, without its end. Into memory of that size at once: growing would leave copies.
fn read_line(input: &mut impl BufRead) -> anyhow::Result<Zeroizing<String>> {
    let longest = sftp::LONGEST_PASSWORD + 2;
    let mut line = Zeroizing::new(String::with_capacity(longest));
    input.take(longest as u64).read_line(&mut line).context("cannot read the password")?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
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
