//! `groeikluis ledger`: the index of the transfer log, which can be made again from it.

use serde_json::json;

use super::{
    ConfigArgument, load,
    output::{print_json, say},
};
use crate::{
    daemon::{archive_dir, log_dir},
    ledger,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Delete the ledger and make it again from the transfer log. The daemon must be stopped.
    Rebuild(Arguments),
}

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Also where logs of earlier years are missing or cannot be read: the ledger then knows nothing of what they tell,
    /// such as which protocols were used. For logs that are gone for good.
    #[arg(long)]
    without_earlier: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::Rebuild(Arguments { config, without_earlier, json }) = command;
    let settings = load(config)?;
    let rebuild = if *without_earlier { ledger::rebuild_without_earlier } else { ledger::rebuild };
    let entries = rebuild(&log_dir(&settings), &archive_dir(&settings), &settings.state_dir.join("ledger.sqlite"))?;
    if *json {
        return Ok(print_json(&json!({ "entries": entries }))?);
    }
    say(&format!("ledger made from {entries} entries"));
    Ok(())
}
