//! `groeikluis plan`: what a reload of the configuration would change.

mod changes;

use serde_json::json;

use super::{
    ConfigArgument, load_files,
    output::{Table, print_json, say},
    status,
};
use crate::{
    config::{self, Kept, Settings},
    daemon::{DaemonError, last_configuration},
    domain::{TenantId, in_brussels},
    dropbox,
    durable::Clock,
    ledger::{Ledger, SqliteLedger, Summary},
};
use changes::{Change, SECTIONS};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Keys and protocols that end within these days are named: time to ask for the next one and have it signed.
const WARN_DAYS: i64 = 60;

/// What the files are compared with.
struct Compared {
    in_force: Option<Settings>,
    /// In words.
    with: String,
    /// Settings that wait for a restart, with those that earlier reloads left waiting.
    after_restart: Vec<&'static str>,
    /// Those of them for which a running daemon refuses a reload.
    reload_refused: Vec<&'static str>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load_files(&arguments.config)?;
    let clock = Clock::system();
    // Both sides are read in the same way, passwords and all.
    let new = Kept::of(&settings, clock.now()).settings().map_err(DaemonError::LastConfiguration)?;
    let compared = compare(&new)?;
    let changes = changes::changes(compared.in_force.as_ref(), &new, clock.today());
    let without_tenant = without_tenant(&new)?;
    let ending = status::warnings(&new, clock.today(), WARN_DAYS);
    if arguments.json {
        return Ok(print_json(&json!({
            "compared_with": compared.with,
            "changes": changes,
            "drop_boxes_without_tenant": without_tenant,
            "after_restart": compared.after_restart,
            "reload_refused_for": compared.reload_refused,
            "ending": ending,
        }))?);
    }
    say(&compared.with);
    if changes.is_empty() {
        say("a reload changes nothing");
    }
    if !compared.reload_refused.is_empty() {
        let settings = compared.reload_refused.join(", ");
        say(&format!(
            "a running daemon puts none of this in force before it is restarted, since these changed: {settings}"
        ));
    }
    for (about, title) in SECTIONS {
        print(title, changes.iter().filter(|change| change.about == about))?;
    }
    list("drop-boxes without a tenant", &without_tenant);
    // Those of this reload are told above.
    let is_told = |key: &str| changes.iter().any(|change| change.is_setting(key));
    let waiting: Vec<&str> = compared.after_restart.iter().copied().filter(|key| !is_told(key)).collect();
    list("settings changed before that still wait for a restart", &waiting);
    list(&format!("ends within {WARN_DAYS} days"), &ending);
    Ok(())
}

fn compare(new: &Settings) -> Result<Compared, DaemonError> {
    let everything = |why: String| Compared {
        in_force: None,
        with: format!("{why}: everything is shown as new"),
        after_restart: Vec::new(),
        reload_refused: Vec::new(),
    };
    let last = match last_configuration(&new.state_dir) {
        Ok(Some(last)) => last,
        Ok(None) => return Ok(everything(format!("no daemon ran with {}", new.state_dir.display()))),
        Err(DaemonError::LastConfiguration(fault)) => {
            return Ok(everything(format!("what is in force cannot be compared with ({fault})")));
        }
        Err(error) => return Err(error),
    };
    let (in_force, at_start) = match (last.in_force.settings(), last.at_start.settings()) {
        (Ok(in_force), Ok(at_start)) => (in_force, at_start),
        (Err(fault), _) | (_, Err(fault)) => {
            return Ok(everything(format!("what is in force cannot be compared with ({fault})")));
        }
    };
    let since_start = config::difference(&at_start, new);
    Ok(Compared {
        after_restart: since_start.after_restart(),
        reload_refused: since_start.not_before_restart(),
        in_force: Some(in_force),
        with: format!(
            "compared with what is in force since {}",
            in_brussels(last.in_force.since()).strftime("%Y-%m-%d %H:%M:%S %Z")
        ),
    })
}

/// Drop-boxes that no tenant of these settings can reach, and what is in them.
fn without_tenant(settings: &Settings) -> anyhow::Result<Vec<String>> {
    let ledger = settings.state_dir.join("ledger.sqlite");
    let summary = if ledger.exists() { SqliteLedger::open_to_read(&ledger)?.summary()? } else { Summary::default() };
    let owners = dropbox::owners(&settings.state_dir)?;
    let describe = |id: TenantId| {
        let line = summary.tenants.get(&id);
        let (waiting, unfetched) = line.map_or((0, 0), |line| (line.waiting, line.unfetched));
        format!("{id}: {unfetched} deliveries not fetched, {waiting} lists waiting")
    };
    Ok(owners.into_iter().filter(|id| !settings.tenants.contains_key(id)).map(describe).collect())
}

fn print<'a>(title: &str, changes: impl Iterator<Item = &'a Change>) -> anyhow::Result<()> {
    let mut table = Table::new(&["", "", ""]);
    let mut any = false;
    for change in changes {
        let tenant = change.tenant.clone().unwrap_or_default();
        table.row(vec![format!("  {}", change.effect.sign()), tenant, change.what.clone()]);
        any = true;
    }
    if any {
        say(&format!("\n{title}"));
        table.print_rows()?;
    }
    Ok(())
}

fn list(title: &str, lines: &[impl AsRef<str>]) {
    if !lines.is_empty() {
        say(&format!("\n{title}"));
    }
    for line in lines {
        say(&format!("  {}", line.as_ref()));
    }
}
