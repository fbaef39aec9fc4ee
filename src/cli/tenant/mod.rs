//! `groeikluis tenant`: what ops ask about one tenant.

mod advice;
mod why;

use clap::Subcommand;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Explain the last failed logins, and what can be done; also while the daemon runs.
    ///
    /// Reads what the daemon keeps for this: the last connections under the tenant's name, for 31 days. It is sealed to
    /// the exchange's own key, which must be readable here.
    Why(why::Arguments),
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Why(arguments) => why::run(arguments),
    }
}
