//! `groeikluis status`: where each tenant stands, and what needs a hand.

use jiff::{ToSpan, civil::Date};
use serde_json::json;

use super::{
    ConfigArgument, load,
    output::{Table, print_json, say},
};
use crate::{
    config::Settings,
    domain::Tenant,
    durable::{Clock, DirectoryLock},
    ledger::{DeliveryRow, Ledger, LedgerError, SqliteLedger, Summary, TenantSummary},
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Also tenants that never did anything.
    #[arg(long)]
    all: bool,
}

/// Keys and protocols that end within these days are named.
const WARN_DAYS: i64 = 30;

/// Files that nobody fetched are named so many days before they are removed.
const UNFETCHED_DAYS: i64 = 7;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load(&arguments.config)?;
    let running =
        DirectoryLock::acquire(&settings.state_dir).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    let ledger = settings.state_dir.join("ledger.sqlite");
    let today = Clock::system().today();
    let mut warnings = warnings(&settings, today, WARN_DAYS);
    let mut summary = Summary::default();
    if ledger.exists() {
        let ledger = SqliteLedger::open_to_read(&ledger)?;
        summary = ledger.summary()?;
        warnings.extend(unfetched(&ledger, today)?);
    }
    if arguments.json {
        let tenants: serde_json::Map<_, _> =
            summary.tenants.iter().map(|(tenant, line)| (tenant.to_string(), line_json(line))).collect();
        return Ok(print_json(&json!({ "running": running, "tenants": tenants, "warnings": warnings }))?);
    }
    say(if running { "the daemon is running" } else { "the daemon is not running" });
    let mut table =
        Table::new(&["tenant", "name", "waiting", "answered", "refused", "delivered", "not fetched", "last login"]);
    let nothing = TenantSummary::default();
    for (id, tenant) in &settings.tenants {
        let line = summary.tenants.get(id).unwrap_or(&nothing);
        if arguments.all || *line != nothing {
            table.row(row(tenant, line));
        }
    }
    say("");
    table.print()?;
    if !warnings.is_empty() {
        say("");
    }
    for warning in warnings {
        say(&warning);
    }
    Ok(())
}

fn row(tenant: &Tenant, line: &TenantSummary) -> Vec<String> {
    let login = line.last_login.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    vec![
        tenant.id.to_string(),
        tenant.name.clone(),
        line.waiting.to_string(),
        line.answered.to_string(),
        line.refused.to_string(),
        line.deliveries.to_string(),
        line.unfetched.to_string(),
        login.unwrap_or_else(|| "never".to_owned()),
    ]
}

fn line_json(line: &TenantSummary) -> serde_json::Value {
    json!({
        "waiting": line.waiting,
        "answered": line.answered,
        "refused": line.refused,
        "deliveries": line.deliveries,
        "unfetched": line.unfetched,
        "last_login": line.last_login.map(|at| at.to_string()),
    })
}

/// Files that nobody fetched and that retention removes soon.
fn unfetched(ledger: &dyn Ledger, today: Date) -> Result<Vec<String>, LedgerError> {
    let ending = ledger.ended_deliveries(today.saturating_add((UNFETCHED_DAYS + 1).days()))?;
    let unfetched = ending.iter().filter(|row| row.fetched_at.is_none());
    let unfetched = unfetched.filter_map(|row| Some((row, row.retention_until?)));
    let line = |(row, until): (&DeliveryRow, Date)| {
        format!("{}: {} was never fetched and is removed after {until}", row.tenant, row.file)
    };
    Ok(unfetched.map(line).collect())
}

/// What ends soon or has ended, for keys and protocols that are in use.
pub(super) fn warnings(settings: &Settings, today: Date, days: i64) -> Vec<String> {
    let soon = today.saturating_add(days.days());
    let ending = |what: String, day: Date| match day {
        day if day < today => Some(format!("{what} ended on {day}")),
        day if day <= soon => Some(format!("{what} ends on {day}")),
        _ => None,
    };
    let mut warnings = Vec::new();
    for tenant in settings.tenants.values() {
        for key in &tenant.keys {
            let what = format!("{}: key {} of {}", tenant.id, key.label, key.owner);
            warnings.extend(key.expires.and_then(|day| ending(what, day)));
        }
        for authority in &tenant.certificate_authorities {
            let what = format!("{}: authority {} of {}", tenant.id, authority.label, authority.owner);
            warnings.extend(authority.expires.and_then(|day| ending(what, day)));
        }
        for protocol in &tenant.protocols {
            let what = format!("{}: protocol {}", tenant.id, protocol.id);
            let signed = protocol.status == crate::domain::protocol::Status::Signed;
            warnings.extend(protocol.valid.filter(|_| signed).and_then(|valid| ending(what, valid.until)));
        }
        for agreement in &tenant.agreements {
            let what = format!("{}: agreement {}", tenant.id, agreement.id);
            warnings.extend(ending(what, agreement.valid.until));
        }
    }
    warnings
}
