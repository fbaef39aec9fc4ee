//! `groeikluis check`: every fault of the configuration, and of what it names, in one go.

use std::path::Path;

use serde_json::json;

use super::{
    ConfigArgument, ConfigFaults,
    output::{print_json_first, say},
};
use crate::{
    config::{self, Fault, Settings},
    daemon,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Only what the files of the configuration say, and not the keys, certificates and letters that they name: what a
    /// reload asks for, for whoever may not read the keys.
    #[arg(long)]
    files_only: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let main = &arguments.config.config;
    let (settings, mut faults) = config::load_as_far(main);
    if let Some(settings) = settings.as_ref().filter(|_| !arguments.files_only) {
        let letters = daemon::check_letters(settings, &faults);
        faults.extend(config::check_secrets(settings));
        faults.extend(daemon::check_log_keys(settings));
        faults.extend(certificates(main, settings));
        faults.extend(letters);
    }
    let tenants = settings.map_or(0, |settings| settings.tenants.len());
    if arguments.json {
        let rows: Vec<_> = faults.iter().map(fault_json).collect();
        print_json_first(&json!({ "faults": rows, "tenants": tenants }))?;
    }
    match (faults.is_empty(), arguments.json) {
        (true, true) => Ok(()),
        (true, false) => {
            say(&format!("{}: no faults, {tenants} tenants", arguments.config.config.display()));
            Ok(())
        }
        (false, _) => Err(ConfigFaults(faults).into()),
    }
}

/// A start does not ask for them: mail waits until they are right.
fn certificates(main: &Path, settings: &Settings) -> Option<Fault> {
    let error = daemon::check_certificates(settings.mail.as_ref()?).err()?;
    // What it is about stands in what caused it.
    let causes: Vec<String> = anyhow::Error::new(error).chain().skip(1).map(ToString::to_string).collect();
    Some(config::fault_of_certificates(main, settings, causes.join(": ")))
}

fn fault_json(fault: &Fault) -> serde_json::Value {
    json!({
        "file": fault.file.display().to_string(),
        "line": fault.line,
        "column": fault.column,
        "problem": fault.problem,
        "hint": fault.hint,
    })
}
