//! `groeikluis tenant add`: the file of a new tenant.

mod answers;
mod file;
mod municipality;
mod questions;

use std::{
    io::{self, IsTerminal},
    path::Path,
};

use anyhow::{Context, bail};
use serde_json::json;

use super::super::{
    ConfigArgument, ConfigFaults, load_files,
    output::{print_json, say},
};
use crate::{
    config::{self, Settings},
    daemon,
    domain::{TenantKind, protocol::Route},
    durable::{Clock, Directory},
};
use answers::Answers;
use questions::Questions;

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The name in the SSH protocol and of the file: a-z, 0-9 and -, 2 to 32.
    id: Option<String>,
    /// What the tenant is.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Its municipality: the name or the NIS code.
    #[arg(long, value_name = "NAME|CODE")]
    municipality: Option<String>,
    /// Its name for people.
    #[arg(long)]
    name: Option<String>,
    /// A key that may log in: the line of a .pub file, or the file.
    #[arg(long = "key", value_name = "LINE|FILE")]
    keys: Vec<String>,
    /// Who answers for these keys.
    #[arg(long)]
    owner: Option<String>,
    /// The last day of these keys, as 2027-12-31.
    #[arg(long, value_name = "DAY")]
    expires: Option<String>,
    /// An age or SSH public key that everything is sealed to, or a file with such keys.
    #[arg(long = "recipient", value_name = "KEY|FILE")]
    recipients: Vec<String>,
    /// A mail address that hears of deliveries and refusals.
    #[arg(long = "contact", value_name = "ADDRESS")]
    contacts: Vec<String>,
    /// A network that it may come from; left out: everywhere.
    #[arg(long, value_name = "NETWORK")]
    allow_from: Vec<String>,
    /// A route that it asked about.
    #[arg(long = "interest", value_enum)]
    interests: Vec<RouteName>,
    /// Print the file instead of writing it.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Municipality,
    Ocmw,
    PrintPartner,
    Auditor,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum RouteName {
    Opgroeien,
    Vutg,
}

impl From<Kind> for TenantKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Municipality => Self::Municipality,
            Kind::Ocmw => Self::Ocmw,
            Kind::PrintPartner => Self::PrintPartner,
            Kind::Auditor => Self::Auditor,
        }
    }
}

impl From<RouteName> for Route {
    fn from(route: RouteName) -> Self {
        match route {
            RouteName::Opgroeien => Self::Opgroeien,
            RouteName::Vutg => Self::Vutg,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load_files(&arguments.config)?;
    let input = io::stdin();
    let questions =
        (input.is_terminal() && !arguments.dry_run).then(|| Questions::new(input.lock(), io::stderr().lock()));
    let answers = answers::gather(arguments, &settings, questions)?;
    let text = file::text(&answers, Clock::system().today());
    let name = format!("{}.yaml", answers.id);
    let path = settings.tenants_dir.join(&name);
    if path.symlink_metadata().is_ok() {
        bail!("{} is there already; change it with an editor", path.display());
    }
    // With everything else, as the daemon will read it: another tenant may have the same key.
    config::load_with(&arguments.config.config, (&path, &text)).map_err(ConfigFaults)?;
    if arguments.dry_run {
        if arguments.json {
            return Ok(print_json(&json!({ "file": path, "written": false, "text": text }))?);
        }
        say(text.trim_end());
        return Ok(());
    }
    let directory = Directory::create(&settings.tenants_dir)?;
    directory
        .write_new_for_group(&name, text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    let steps = next_steps(&answers, &settings, &arguments.config.config);
    if arguments.json {
        return Ok(print_json(&json!({ "file": path, "written": true, "next": steps }))?);
    }
    say(&format!("written: {}\n\nNext:", path.display()));
    for step in steps {
        say(&format!("  - {step}"));
    }
    Ok(())
}

/// What is to be done for the tenant to get something.
fn next_steps(answers: &Answers, settings: &Settings, main: &Path) -> Vec<String> {
    let (main, id) = (main.display(), &answers.id);
    let mut steps = vec!["a running daemon takes it at once; its log says so, or what is wrong".to_owned()];
    let guide = format!("groeikluis tenant guide {id} --config {main}");
    if answers.keys.is_empty() {
        steps.push(format!("mail its contact how to begin, which this prints: {guide}"));
        steps.push(
            "when its public keys are there, put them under `keys` and `recipients`: it cannot log in before".into(),
        );
    } else {
        let (host, port) = settings.reached_at(settings.listen.first().map_or(22, std::net::SocketAddr::port));
        let host = host.unwrap_or("SERVER");
        let fingerprints = match daemon::host_fingerprints(settings).as_slice() {
            [] => "which `ssh-keygen -lf` tells of its public part".to_owned(),
            found => found.join(", "),
        };
        steps.push(format!(
            "tell the tenant: sftp -P {port} {id}@{host}, and the fingerprint of the host key: {fingerprints}; this prints \
             it all, to be mailed: {guide}"
        ));
        steps.push(format!("when it cannot log in: groeikluis tenant why {id} --config {main}"));
    }
    if answers.kind.uploads() {
        steps.push("after each onboarding test, put its day under `onboarding`".to_owned());
        steps.push("put its protocol under `protocols`; each change: groeikluis plan".to_owned());
    }
    steps
}
