//! `groeikluis status`: what needs a hand today, and where each tenant stands; once, or as a view that stays.

mod draw;
mod overview;
mod tail;
mod watch;

use jiff::{ToSpan, civil::Date};
use serde_json::json;

use super::{
    ConfigArgument, Urgent, is_broken_pipe, load,
    output::{Table, print_json_first, say},
};
use crate::{
    config::Settings,
    daemon::needs::{Ends, endings},
    durable::Clock,
    ledger::TenantSummary,
};

use overview::{Overview, Watcher};

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Also tenants that never did anything.
    #[arg(long)]
    all: bool,
    /// A view on the terminal that follows what happens, until q is pressed.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// End with 2 when something needs a hand at once, which `!` marks: for scripts. Otherwise it is 0 then too.
    #[arg(long, conflicts_with = "watch")]
    exit_code: bool,
}

/// Keys and protocols that end within these days are named.
const WARN_DAYS: i64 = 30;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load(&arguments.config)?;
    if arguments.watch {
        return watch::run(settings, arguments.all);
    }
    let overview = Watcher::new(settings, Clock::system(), arguments.all).look()?;
    let told = if arguments.json { Ok(print_json_first(&as_json(&overview))?) } else { print(&overview) };
    // Whoever read enough of it still asks for the exit code.
    told.or_else(|error| if is_broken_pipe(&error) { Ok(()) } else { Err(error) })?;
    if arguments.exit_code && overview.needs.iter().any(|need| need.urgent) { Err(Urgent.into()) } else { Ok(()) }
}

fn print(overview: &Overview) -> anyhow::Result<()> {
    say(&overview.headline());
    if overview.needs.is_empty() {
        say("nothing needs a hand");
    } else {
        say("");
        say("needs a hand:");
    }
    for need in &overview.needs {
        say(&format!("{} {}", if need.urgent { "!" } else { "-" }, need.text));
    }
    let mut table =
        Table::new(&["tenant", "name", "waiting", "answered", "refused", "delivered", "not fetched", "last login"]);
    for line in &overview.tenants {
        table.row(line.cells());
    }
    say("");
    Ok(table.print()?)
}

fn as_json(overview: &Overview) -> serde_json::Value {
    let tenants: serde_json::Map<_, _> =
        overview.tenants.iter().map(|line| (line.id.to_string(), line_json(&line.summary))).collect();
    let needs: Vec<_> = overview.needs.iter().map(|need| json!({"urgent": need.urgent, "text": need.text})).collect();
    json!({
        "running": overview.running,
        "tenants": tenants,
        "warnings": overview.warnings,
        "needs": needs,
        "register_month": overview.register_month(),
        "log_entries": overview.tail.entries,
        "mails_waiting": overview.mails_waiting,
    })
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

/// What ends soon or has ended, for keys and protocols that are in use.
pub(super) fn warnings(settings: &Settings, today: Date, days: i64) -> Vec<String> {
    let soon = today.saturating_add(days.days());
    let near = endings(settings).into_iter().filter(|ending| ending.last_day <= soon);
    let texts = near.map(|ending| {
        let what = match ending.what {
            Ends::Key { label, owner } => format!("key {label} of {owner}"),
            Ends::Authority { label, owner } => format!("authority {label} of {owner}"),
            Ends::Protocol(id) => format!("protocol {id}"),
            Ends::Agreement(id) => format!("agreement {id}"),
        };
        let verb = if ending.last_day < today { "ended" } else { "ends" };
        format!("{}: {what} {verb} on {}", ending.tenant, ending.last_day)
    });
    texts.collect()
}
