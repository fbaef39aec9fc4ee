//! `groeikluis ledger`: the index of the transfer log, which can be made again from it.

use super::{ConfigArgument, load, output::say};
use crate::{
    daemon::{archive_dir, log_dir},
    ledger,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Delete the ledger and make it again from the transfer log. The daemon must be stopped.
    Rebuild(ConfigArgument),
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::Rebuild(config) = command;
    let settings = load(config)?;
    let entries =
        ledger::rebuild(&log_dir(&settings), &archive_dir(&settings), &settings.state_dir.join("ledger.sqlite"))?;
    say(&format!("ledger made from {entries} entries"));
    Ok(())
}
