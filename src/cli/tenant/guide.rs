//! `groeikluis tenant guide`: what a tenant's contact is mailed before the first login.

use std::io::Write;

use anyhow::bail;
use serde_json::json;

use super::no_tenant;
use crate::{
    cli::{ConfigArgument, load, output::print_json},
    daemon,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The tenant's id.
    id: String,
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load(&arguments.config)?;
    let id = &arguments.id;
    let named = id.parse().ok().and_then(|id| settings.tenants.get(&id));
    let tenant = named.ok_or_else(|| no_tenant(&settings, id))?;
    if settings.public_address.is_none() {
        bail!(
            "`public_address` is not set in {}: without it nobody can tell the tenant where the server is",
            settings.main_file().display()
        );
    }
    let fingerprints = daemon::host_fingerprints(&settings);
    // Whoever connects first has to find the one that is shown among them.
    if fingerprints.len() < settings.host_keys.len() {
        bail!(
            "not every host key can be read here, and one of them is what the tenant has to compare: run this as root or as the daemon's user, \
             and where systemd hands the keys over, while the daemon runs"
        );
    }
    let text = daemon::first_steps(&settings, tenant, &fingerprints);
    if arguments.json {
        return Ok(print_json(&json!({ "tenant": id, "host_fingerprints": fingerprints, "text": text }))?);
    }
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
