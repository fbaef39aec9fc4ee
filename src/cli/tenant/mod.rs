//! `groeikluis tenant`: what ops do for one tenant, and ask about it.

mod add;
mod advice;
mod why;

use clap::Subcommand;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write the file of a new tenant, from options or from answers on a terminal.
    ///
    /// What is not given is asked for when standard input is a terminal. The file is checked together with the whole
    /// configuration before it is written (keys, recipients, the municipality, keys of other tenants), with a comment
    /// at each key; nothing is overwritten. A running daemon takes it at once.
    Add(Box<add::Arguments>),
    /// Explain the last failed logins, and what can be done; also while the daemon runs.
    ///
    /// Reads what the daemon keeps for this: the last connections under the tenant's name, for 31 days. It is sealed to
    /// the exchange's own key, which must be readable here.
    Why(why::Arguments),
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Add(arguments) => add::run(arguments),
        Command::Why(arguments) => why::run(arguments),
    }
}
