//! `groeikluis delivery`: one delivery. The running daemon does what is asked.

use super::{
    ConfigArgument, load,
    output::{print_json, progress, say},
};
use crate::{
    daemon::{self, Fulfilled},
    domain::{Kind, TenantId},
    exchange::WithdrawnFile,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Take a file back from an outbox. It is in the log, and in the tenant's next certificate of removal.
    Withdraw(Withdraw),
}

#[derive(clap::Args)]
pub(super) struct Withdraw {
    /// Whose outbox it is in.
    tenant: TenantId,
    /// Its name, as `audit show --event delivery.created` tells it.
    file: String,
    #[command(flatten)]
    config: ConfigArgument,
    /// Why, for the log and for the tenant: a sentence. Name no person in it.
    #[arg(long)]
    reason: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::Withdraw(arguments) = command;
    let settings = load(&arguments.config)?;
    let Fulfilled { done, fault } =
        daemon::withdraw(&settings, &arguments.tenant, &arguments.file, &arguments.reason, progress)?;
    let told = tell(&done, arguments);
    fault.map_or(told, |fault| Err(fault.into()))
}

fn tell(withdrawn: &WithdrawnFile, arguments: &Withdraw) -> anyhow::Result<()> {
    if arguments.json {
        return Ok(print_json(&serde_json::to_value(withdrawn)?)?);
    }
    say(&format!("withdrawn: {} (entry {} of the log)", arguments.file, withdrawn.seq));
    if arguments.file.starts_with(Kind::Betaling.name()) {
        let tenant = &arguments.tenant;
        say(
            "its run may have put the same payments in a file of another form, which stays until it is withdrawn as well:",
        );
        say(&format!("groeikluis audit show --tenant {tenant} --event delivery.created"));
    }
    if withdrawn.fetched {
        say("it was fetched before: ask whoever has it to destroy it");
    }
    Ok(())
}
