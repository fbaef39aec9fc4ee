//! `groeikluis tenant retry`: lists that were set aside are taken up by the running daemon.

use serde_json::json;

use super::{
    super::{
        ConfigArgument, load,
        output::{print_json, say},
    },
    require_unmerged,
};
use crate::{daemon, domain::TenantId};

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    /// Whose lists.
    tenant: TenantId,
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load(&arguments.config)?;
    require_unmerged(&settings, &arguments.tenant)?;
    let lists = daemon::retry_set_aside(&settings, &arguments.tenant)?;
    if arguments.json {
        return Ok(print_json(&json!({ "tried_again": lists }))?);
    }
    for id in &lists {
        say(&format!("{}: list {id} is tried again, with no other list or run beside it", arguments.tenant));
    }
    Ok(())
}
