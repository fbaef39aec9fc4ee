//! `groeikluis keys rotate`: the key that takes the place of one in use, with a time in which both are good.
//!
//! It writes the new key beside the old one and tells what to do; it changes no configuration.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;

use super::{
    ConfigArgument, UsageFault,
    keys::{Kind, write_secret},
    load_files,
    output::{print_json, say},
};
use crate::{
    config::{SecretFile, Settings},
    daemon::read_keyring,
    domain::SshPublicKey,
    durable::Clock,
    seal::Keyring,
    sftp,
    transfer_log::NoteKey,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Which key.
    #[arg(value_enum)]
    kind: Kind,
    #[command(flatten)]
    config: ConfigArgument,
    /// The file for the new key; left out: beside the old one, with the day in its name.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Make a post-quantum hybrid age key (ML-KEM-768 with X25519). Senders need age 1.3 or newer.
    #[arg(long)]
    post_quantum: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What the configuration writes before the name of a credential.
const CREDENTIAL: &str = "credential:";

/// A new key, how the configuration names the old one, and what to do.
struct Rotation {
    secret: zeroize::Zeroizing<String>,
    public: String,
    steps: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load_files(&arguments.config)?;
    if arguments.post_quantum && !matches!(arguments.kind, Kind::Exchange | Kind::Register) {
        return Err(UsageFault("--post-quantum is for the keys of age: exchange and register".to_owned()).into());
    }
    let old = match arguments.kind {
        Kind::Host => settings.host_keys.first().context("there is no host key to replace")?,
        Kind::Exchange => &settings.exchange_identity,
        Kind::Register => &settings.register.identity,
        Kind::Log => &settings.log.key,
    };
    let out = arguments.out.clone().or_else(|| beside(old)).with_context(|| {
        format!("{old} is given by systemd, from a file that is not known here: give --out, in a directory of root's")
    })?;
    let named = name_in_configuration(&settings, old, &out);
    let mut rotation = match arguments.kind {
        Kind::Host => host(&settings, old, &named)?,
        Kind::Exchange => exchange(&settings, old, &named, arguments.post_quantum)?,
        Kind::Register => register(&settings, old, &named, arguments.post_quantum)?,
        Kind::Log => log(&settings, old, &named)?,
    };
    if let Some(name) = named.strip_prefix(CREDENTIAL) {
        rotation.steps.insert(0, hand_over(name, &out, arguments.kind));
    }
    write_secret(&out, &rotation.secret)?;
    if arguments.json {
        let Rotation { public, steps, .. } = &rotation;
        let public: Vec<&str> = public.lines().collect();
        return Ok(print_json(&json!({ "file": out, "public": public, "steps": steps }))?);
    }
    say(&format!("made {}; its public part:", out.display()));
    say(&rotation.public);
    say("");
    for (number, step) in (1..).zip(rotation.steps) {
        say(&format!("{number}. {step}"));
    }
    Ok(())
}

/// The new key's file: `exchange.agekey` is followed by `exchange-2026-11-22.agekey`, whatever day the old one names.
/// None for a credential, whose own file systemd alone knows.
fn beside(old: &SecretFile) -> Option<PathBuf> {
    let path = old.path().filter(|_| old.credential_name().is_none())?;
    let stem = path.file_stem()?.to_string_lossy().into_owned();
    let day_in_it = stem.len().checked_sub(11).and_then(|at| stem.split_at_checked(at));
    let bare =
        day_in_it.filter(|(_, day)| day.strip_prefix('-').is_some_and(|day| day.parse::<jiff::civil::Date>().is_ok()));
    let bare = bare.map_or(stem.as_str(), |(bare, _)| bare);
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    Some(path.with_file_name(format!("{bare}-{}{ending}", Clock::system().today())))
}

/// A file as the main file may name it: below its own directory where it can; as a credential where the old one is,
/// since the daemon's user cannot read the file then.
fn name_in_configuration(settings: &Settings, old: &SecretFile, file: &Path) -> String {
    if old.credential_name().is_some() {
        return format!("{CREDENTIAL}{}", file.file_name().unwrap_or_default().to_string_lossy());
    }
    let base = settings.main_file().parent().unwrap_or(Path::new("/"));
    file.strip_prefix(base).unwrap_or(file).display().to_string()
}

/// The step with which the service gets a new credential.
fn hand_over(name: &str, file: &Path, kind: Kind) -> String {
    // systemd reads it as root, in its own directory.
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    // The daily report verifies the log with it.
    let daily = if kind == Kind::Log { " and in groeikluis-daily.service.d/keys.conf beside it" } else { "" };
    format!(
        "Have systemd hand it over: write `LoadCredential={name}:{}` below `[Service]` in \
         /etc/systemd/system/groeikluis.service.d/keys.conf{daily}, and run `systemctl daemon-reload`.",
        file.display()
    )
}

/// The last step: the old key goes.
fn destroy(old: &SecretFile, unless: &str) -> String {
    match old.credential_name() {
        None => format!("Destroy {old}, also in copies{unless}."),
        // A file that `LoadCredential=` names and that is not there keeps the service from starting.
        Some(name) => format!(
            "Let the service do without {old}: in each keys.conf write `LoadCredential=` with nothing behind it, and after it \
             a line for each credential that is still in use; run `systemctl daemon-reload` and restart. Then destroy \
             the file of {name}, also in copies{unless}."
        ),
    }
}

fn host(settings: &Settings, old: &SecretFile, named: &str) -> anyhow::Result<Rotation> {
    let key = sftp::new_key("groeikluis")?;
    let olds: Vec<String> = settings.host_keys.iter().map(ToString::to_string).collect();
    let fingerprint = SshPublicKey::parse(&key.public_line)?.fingerprint();
    Ok(Rotation {
        secret: key.private,
        public: key.public_line,
        steps: vec![
            format!("Name it last: `host_keys: [{}, {named}]`, and restart.", olds.join(", ")),
            format!(
                "LEESMIJ.txt of every tenant tells both fingerprints from then on, of this one {fingerprint}; tell the \
                 contacts as well: clients that know the old key refuse another until they are told."
            ),
            format!("On the day that you told, name it first: `host_keys: [{named}, …]`, and restart."),
            format!("Take {old} out of `host_keys` after that, and restart."),
            destroy(old, ""),
        ],
    })
}

fn age_key(old: &SecretFile, post_quantum: bool) -> anyhow::Result<(Keyring, String)> {
    let older = read_keyring(old)?;
    let new = if post_quantum { Keyring::generate_post_quantum() } else { Keyring::generate() };
    let public: Vec<String> = new.recipients().iter().map(ToString::to_string).collect();
    Ok((new.replacing(&older), public.join("\n")))
}

fn exchange(settings: &Settings, old: &SecretFile, named: &str, post_quantum: bool) -> anyhow::Result<Rotation> {
    let (keyring, public) = age_key(old, post_quantum)?;
    let days = settings.retention.answered_uploads_days;
    Ok(Rotation {
        secret: keyring.to_file(),
        public,
        steps: vec![
            format!(
                "The new file holds the new key first and those of {old} after it. Name it: `exchange_identity: {named}`, \
                 and restart."
            ),
            "From then on everything is sealed to the new key, and LEESMIJ.txt tells it; what is sealed to the old one \
             still opens. The daemon seals anew what it keeps for long: the keys of disclosures, of list fingerprints, \
             the last logins, and mails that wait for their server."
                .to_owned(),
            format!(
                "When no municipality seals to the old key any more, {days} days after that (`answered_uploads_days`), \
                 and when no list of before waits for its answer (`groeikluis status`), remove the old key's lines from \
                 the new file and restart."
            ),
            destroy(old, ", unless a backup from before step 1 is still to be restored"),
        ],
    })
}

fn register(settings: &Settings, old: &SecretFile, named: &str, post_quantum: bool) -> anyhow::Result<Rotation> {
    let (keyring, public) = age_key(old, post_quantum)?;
    Ok(Rotation {
        secret: keyring.to_file(),
        public,
        steps: vec![
            format!(
                "The new file holds the new key first and those of {old} after it. Name it: \
                 `register: {{path: …, identity: {named}}}`, and restart."
            ),
            "Have the next extract sealed to the new key; extracts sealed to the old one are still taken.".to_owned(),
            format!(
                "When {} is sealed to the new key, remove the old key's lines from the new file and restart.",
                settings.register.path.display()
            ),
            destroy(old, ""),
        ],
    })
}

fn log(settings: &Settings, old: &SecretFile, named: &str) -> anyhow::Result<Rotation> {
    if !settings.log.co_sign.is_empty() {
        bail!("a key of the log is being replaced already: `log.co_sign` names one");
    }
    let origin = &settings.log.origin;
    let key = NoteKey::generate(origin)?;
    let mut secret = key.to_text();
    secret.push('\n');
    let old_file = old.path().filter(|_| old.credential_name().is_none());
    let old_name = old_file.map_or_else(|| old.to_string(), |path| name_in_configuration(settings, old, &path));
    Ok(Rotation {
        secret,
        public: key.verifier().to_string(),
        steps: vec![
            format!(
                "Let both sign: `log: {{origin: {origin}, key: {named}, co_sign: [{old_name}]}}`, and restart. Make a backup \
                 then (`groeikluis backup`): the log in one of before is signed by the old key alone."
            ),
            "Give the new public key to auditors; tenants find it in /log/log.vkey. The log says that it was replaced."
                .to_owned(),
            "When everybody has it, take `co_sign` out, restart, and make another backup. Keep the old public key: \
             receipts of before are checked with it."
                .to_owned(),
            destroy(old, ""),
        ],
    })
}
