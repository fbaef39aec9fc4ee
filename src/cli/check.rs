//! `groeikluis check`: every fault of the configuration in one go.

use serde_json::json;

use super::{
    ConfigArgument, ConfigFaults,
    output::{print_json, say},
};
use crate::config::{self, Fault};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (faults, tenants) = match config::load(&arguments.config.config) {
        Ok(settings) => (config::check_secrets(&settings), settings.tenants.len()),
        Err(faults) => (faults, 0),
    };
    if arguments.json {
        let rows: Vec<_> = faults.iter().map(fault_json).collect();
        print_json(&json!({ "faults": rows, "tenants": tenants }))?;
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

fn fault_json(fault: &Fault) -> serde_json::Value {
    json!({
        "file": fault.file.display().to_string(),
        "line": fault.line,
        "column": fault.column,
        "problem": fault.problem,
        "hint": fault.hint,
    })
}
