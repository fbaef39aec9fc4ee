//! `groeikluis tenant refuse`: a list that cannot be processed is refused by the running daemon.

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
    /// Whose list.
    tenant: TenantId,
    /// The list's id, as `status` gives it.
    list: String,
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { tenant, list, config, json } = arguments;
    let settings = load(config)?;
    require_unmerged(&settings, tenant)?;
    let refused = daemon::refuse_list(&settings, tenant, list)?;
    if *json {
        return Ok(print_json(&json!({ "refused": list, "file": refused.file }))?);
    }
    say(&format!("{tenant}: list {list} is refused; its sender is told in {}", refused.file));
    Ok(())
}
