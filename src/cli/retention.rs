//! `groeikluis retention`: what was kept long enough goes. The running daemon does it, every night by itself.

use super::{
    ConfigArgument, load,
    output::{Table, print_json, say},
};
use crate::{
    daemon::{self, Fulfilled, RetentionReport},
    exchange::{ExpiredFile, RemovedUpload, RetentionOutcome},
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Show what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load(&arguments.config)?;
    let Fulfilled { done, fault } =
        daemon::apply_retention(&settings, arguments.dry_run, |text| eprintln!("groeikluis: {text}"))?;
    let told = tell(done, arguments);
    fault.map_or(told, |fault| Err(fault.into()))
}

fn tell(report: RetentionReport, arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.json {
        return Ok(print_json(&serde_json::to_value(&report)?)?);
    }
    let RetentionReport { removed, put_by, old_logs } = report;
    let RetentionOutcome { deliveries, uploads, certificates, .. } = removed;
    let would = if arguments.dry_run { "would be " } else { "" };
    let mut table = Table::new(&["tenant", "what", "kept until or received", "fetched"]);
    for ExpiredFile { tenant, file, until, fetched } in &deliveries {
        let fetched = if *fetched { "yes" } else { "never" };
        table.row(vec![tenant.clone(), file.clone(), until.to_string(), fetched.to_owned()]);
    }
    for RemovedUpload { tenant, id, received } in &uploads {
        table.row(vec![tenant.clone(), format!("upload {id}"), received.to_string(), String::new()]);
    }
    let (files, uploads) = (deliveries.len(), uploads.len());
    say(&format!("{files} files of outboxes and {uploads} uploads {would}removed"));
    if files + uploads > 0 {
        table.print()?;
    }
    for (tenant, file) in &certificates {
        say(&format!("certificate for {tenant}: {file}"));
    }
    if !put_by.is_empty() {
        say(&format!("{} months of disclosures {would}moved to the archive", put_by.len()));
    }
    for log in old_logs {
        say(&format!("past retention.log_years, and kept until you remove it: {log}"));
    }
    Ok(())
}
