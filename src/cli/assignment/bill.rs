//! `groeikluis assignment bill`: what a local authority pays for a year, from what the transfer log says was done.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use serde_json::json;

use super::super::{
    ConfigArgument, load,
    output::{Table, print_json, say},
};
use crate::{
    config::Settings,
    daemon,
    documents::bill,
    domain::{
        AssignmentId, Kind, TenantId,
        cost::{self, Activity, Bill, BillLine, Item, Uncharged},
    },
    durable::Clock,
    ledger::{Ledger, LedgerError, RunRow, SqliteLedger},
    transfer_log::{AssignmentBilled, Event},
};

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The calendar year.
    #[arg(long)]
    year: i16,
    /// Only this local authority; left out: all for whom anything was run, also those that are configured no more.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Write each bill, a PDF in Dutch and a CSV, into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load(&arguments.config)?;
    let bills = bills(&settings, arguments.year, arguments.tenant.as_ref())?;
    for gone in bills.iter().filter(|billed| !billed.configured) {
        let TenantBill { tenant, name, .. } = gone;
        let named = if *name == tenant.as_str() { String::new() } else { format!(" ({name})") };
        eprintln!(
            "groeikluis: {tenant}{named} is not in the configuration; its bill is of what the log says was run for it"
        );
    }
    if let Some(directory) = &arguments.out {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        for billed in &bills {
            write(directory, arguments.year, billed)?;
        }
    }
    if arguments.json {
        let bills: Vec<_> = bills.iter().map(as_json).collect();
        return Ok(print_json(&json!({ "year": arguments.year, "bills": bills }))?);
    }
    for billed in &bills {
        print(billed)?;
    }
    if bills.is_empty() {
        say(&format!("nothing was run in {} for anybody asked about", arguments.year));
    }
    Ok(())
}

/// A local authority's bill.
pub(in super::super) struct TenantBill {
    pub tenant: TenantId,
    /// Its name for people; that of its last run, or else its id, where it is not in the configuration.
    pub name: String,
    pub configured: bool,
    pub bill: Bill,
}

/// The bills of a year, of one local authority or of all that have one, whether they are still in the configuration or
/// not. Each is entered in the log.
pub(in super::super) fn bills(
    settings: &Settings,
    year: i16,
    only: Option<&TenantId>,
) -> anyhow::Result<Vec<TenantBill>> {
    let costs = settings.costs.as_ref().context("there are no tariffs: add them to costs.yaml")?;
    let path = settings.state_dir.join("ledger.sqlite");
    ensure!(path.exists(), "there is no ledger yet: nothing was ever run");
    let ledger = SqliteLedger::open_to_read(&path)?;
    let mut bills = Vec::new();
    for tenant in ledger.tenants_with_runs()?.into_iter().filter(|id| only.is_none_or(|only| only == id)) {
        let runs = ledger.runs(&tenant, None, None)?;
        let bill = cost::bill(costs, year, &activities(&ledger, &runs)?);
        if bill.is_empty() {
            continue;
        }
        let event = Event::AssignmentBilled(AssignmentBilled {
            year: u64::try_from(year).context("the year")?,
            lines: bill.lines.len() as u64,
            total_cents: bill.total().cents(),
        });
        daemon::note(settings, Some(&tenant), event)?;
        let configured = settings.tenants.get(&tenant).map(|known| known.name.clone());
        let name = configured.clone().or_else(|| runs.iter().rev().find_map(|run| run.authority.clone()));
        let name = name.unwrap_or_else(|| tenant.to_string());
        bills.push(TenantBill { configured: configured.is_some(), tenant, name, bill });
    }
    Ok(bills)
}

/// What was done for a tenant, a line for each run.
fn activities(ledger: &dyn Ledger, runs: &[RunRow]) -> Result<Vec<Activity>, LedgerError> {
    let mut activities = Vec::new();
    for run in runs {
        let deliveries = ledger.deliveries_of_run(&run.id)?;
        let paid_for = [Kind::Gegevens, Kind::Betaling, Kind::BetalingZonderRekening];
        activities.push(Activity {
            assignment: run.assignment.clone(),
            day: run.day,
            runs: 1,
            files: deliveries.iter().filter(|delivery| paid_for.contains(&delivery.kind)).count() as u64,
            letters: run.letters,
        });
    }
    Ok(activities)
}

/// What an item is called on a bill.
pub(in super::super) fn tariff_nl(item: Item) -> &'static str {
    match item {
        Item::Year => "per jaar",
        Item::Assignment => "per opdracht",
        Item::Run => "per uitvoering",
        Item::File => "per bestand",
        Item::Letter => "per brief",
    }
}

fn write(directory: &Path, year: i16, billed: &TenantBill) -> anyhow::Result<()> {
    let TenantBill { tenant, name: authority, bill, .. } = billed;
    let lines: Vec<bill::BillLine<'_>> = bill
        .lines
        .iter()
        .map(|line| bill::BillLine {
            assignment: line.assignment.as_ref().map(AssignmentId::as_str),
            tariff: tariff_nl(line.item),
            number: line.number,
            unit_price: line.price,
        })
        .collect();
    let (day, without_tariff) = (Clock::system().today(), bill.without_tariff);
    let paper = bill::Bill { authority, year, day, lines: &lines, without_tariff };
    for (extension, bytes) in [("pdf", paper.pdf()?.to_vec()), ("csv", paper.csv())] {
        let path = directory.join(format!("afrekening_{tenant}_{year}.{extension}"));
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("groeikluis: {} is written", path.display());
    }
    Ok(())
}

fn as_json(billed: &TenantBill) -> serde_json::Value {
    let TenantBill { tenant, name, configured, bill } = billed;
    let line = |line: &BillLine| {
        json!({
            "assignment": line.assignment.as_ref().map(AssignmentId::as_str),
            "item": line.item.name(),
            "number": line.number,
            "price": line.price.to_string(),
            "total": line.total().to_string(),
        })
    };
    let lines: Vec<_> = bill.lines.iter().map(line).collect();
    let total = bill.total().to_string();
    let Uncharged { runs, files, letters } = bill.without_tariff;
    json!({
        "tenant": tenant.as_str(),
        "name": name,
        "configured": configured,
        "lines": lines,
        "total": total,
        "without_tariff": { "runs": runs, "files": files, "letters": letters },
    })
}

fn print(TenantBill { tenant, name, bill, .. }: &TenantBill) -> anyhow::Result<()> {
    say(&format!("{name} ({tenant})"));
    let mut table = Table::new(&["assignment", "for each", "number", "euros each", "euros"]);
    for line in &bill.lines {
        table.row(vec![
            line.assignment.as_ref().map_or("-", AssignmentId::as_str).to_owned(),
            line.item.name().to_owned(),
            line.number.to_string(),
            line.price.to_string(),
            line.total().to_string(),
        ]);
    }
    table.row(vec!["total".to_owned(), String::new(), String::new(), String::new(), bill.total().to_string()]);
    table.print()?;
    let Uncharged { runs, files, letters } = bill.without_tariff;
    if !bill.without_tariff.is_none() {
        say(&format!("older than the first tariff, and free: runs {runs}, files {files}, letters {letters}"));
    }
    say("");
    Ok(())
}
