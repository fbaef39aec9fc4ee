//! `groeikluis audit disclose` and `audit erase`: what identifies officials, opened for a stated motive or destroyed.
//!
//! Both are entered in the log before anything is shown or destroyed.

use std::collections::{HashMap, HashSet};

use anyhow::{bail, ensure};
use jiff::{civil::Date, tz::TimeZone};
use serde_json::json;

use super::{
    super::{
        ConfigArgument, UsageFault, load,
        output::{Table, print_json, say},
    },
    day, time,
};
use crate::{
    config::Settings,
    daemon,
    domain::TenantId,
    dropbox,
    durable::Clock,
    transfer_log::{
        self, DisclosureKeeper, DisclosureOpened, Event, KeptMonth, OpenedMonth, RetentionErased, StoredEntry, UsedKey,
        month_of,
    },
};

/// A motive is a sentence, not a word and not a file.
const MOTIVE_CHARACTERS: std::ops::RangeInclusive<usize> = 8..=1_000;

#[derive(clap::Args)]
pub(in super::super) struct Disclose {
    #[command(flatten)]
    config: ConfigArgument,
    /// Only what concerns this tenant.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// The first day (UTC).
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Date,
    /// The last day, included (UTC).
    #[arg(long, visible_alias = "to", value_name = "DAY", value_parser = day)]
    until: Date,
    /// Why, for the log: a sentence. Name no person in it.
    #[arg(long)]
    motive: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(in super::super) struct Erase {
    #[command(flatten)]
    config: ConfigArgument,
    /// Whose; left out with --month: what concerns no tenant, such as logins under unknown names.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// The month, yyyy-mm (UTC); it must be over. Left out: show which months are kept.
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// A disclosure with its entry.
struct Row {
    entry: StoredEntry,
    name: String,
    value: String,
}

pub(super) fn disclose(arguments: &Disclose) -> anyhow::Result<()> {
    let motive = arguments.motive.trim();
    let fits = MOTIVE_CHARACTERS.contains(&motive.chars().count());
    ensure!(fits, UsageFault("the motive is not 8 to 1000 characters".to_owned()));
    ensure!(arguments.from <= arguments.until, UsageFault("--from is after --until".to_owned()));
    let settings = load(&arguments.config)?;
    // Disclosures of the last second are still in the log's journal.
    daemon::publish(&settings)?;
    let Collected { rows, erased, missing } = collect(arguments, &settings)?;
    let event = Event::DisclosureOpened(DisclosureOpened {
        from: arguments.from,
        to: arguments.until,
        count: rows.len() as u64,
        motive: motive.to_owned(),
    });
    let seq = daemon::note(&settings, arguments.tenant.as_ref(), event)?;
    if arguments.json {
        let rows: Vec<_> = rows.iter().map(as_json).collect();
        return Ok(print_json(&json!({ "logged": seq, "erased": erased, "missing": missing, "disclosures": rows }))?);
    }
    let mut table = Table::new(&["seq", "time (UTC)", "event", "tenant", "key", "what", "value"]);
    for Row { entry, name, value } in &rows {
        table.row(vec![
            entry.seq.to_string(),
            time(entry.at),
            entry.event.name().to_owned(),
            entry.context.tenant.as_ref().map(ToString::to_string).unwrap_or_default(),
            entry.context.key.clone().unwrap_or_default(),
            name.clone(),
            // Somebody typed it: nothing in it may steer the terminal.
            value.escape_debug().to_string(),
        ]);
    }
    table.print()?;
    if erased > 0 {
        say(&format!("the disclosures of {erased} more entries were erased"));
    }
    if missing > 0 {
        say(&format!(
            "the disclosures of {missing} more entries cannot be read, though the log has no entry that they were \
             erased: files were lost or damaged, or their key does not open"
        ));
    }
    say(&format!("this is entry {seq} of the log"));
    Ok(())
}

fn as_json(Row { entry, name, value }: &Row) -> serde_json::Value {
    json!({
        "seq": entry.seq,
        "@timestamp": entry.at.to_string(),
        "event": entry.event.name(),
        "tenant": entry.context.tenant.as_ref().map(TenantId::as_str),
        "key": entry.context.key,
        "name": name,
        "value": value,
    })
}

fn keeper(settings: &Settings) -> anyhow::Result<DisclosureKeeper> {
    Ok(daemon::disclosures(settings, daemon::read_keyring(&settings.exchange_identity)?))
}

/// The disclosures of a period.
struct Collected {
    /// Each proved by its entry.
    rows: Vec<Row>,
    /// Entries whose disclosures are not there, since their month was erased: the log says so.
    erased: u64,
    /// Entries whose disclosures are not there for another reason.
    missing: u64,
}

fn collect(arguments: &Disclose, settings: &Settings) -> anyhow::Result<Collected> {
    let keeper = keeper(settings)?;
    let mut months: HashMap<(Option<TenantId>, String), OpenedMonth> = HashMap::new();
    let mut rows = Vec::new();
    // Of whom and of which months the log says that they were erased, and of which some are not there.
    let (mut erased_months, mut absent) = (HashSet::new(), HashMap::<_, u64>::new());
    let mut logs = transfer_log::archived(&daemon::archive_dir(settings))?;
    logs.push(daemon::log_dir(settings));
    let each = logs.iter().map(|log| transfer_log::entries(log)).collect::<Result<Vec<_>, _>>()?;
    for entry in each.into_iter().flatten() {
        let entry = entry?;
        let on = entry.at.to_zoned(TimeZone::UTC).date();
        let tenant = entry.context.tenant.clone();
        if let Event::Erased(erased) = &entry.event {
            erased_months.insert((tenant.clone(), erased.month.clone()));
        }
        let wanted = arguments.tenant.is_none() || arguments.tenant == tenant;
        // One digest is the decoy.
        if !wanted || on < arguments.from || on > arguments.until || entry.digests.len() < 2 {
            continue;
        }
        let key = (tenant, month_of(entry.at));
        if !months.contains_key(&key) {
            months.insert(key.clone(), keeper.open_month(key.0.as_ref(), &key.1)?);
        }
        match months.get(&key).and_then(|month| month.disclosures.get(&entry.seq)) {
            None => *absent.entry(key).or_default() += 1,
            Some(texts) => {
                let found = transfer_log::opened(&entry, texts);
                rows.extend(found.into_iter().map(|(name, value)| Row { entry: entry.clone(), name, value }));
            }
        }
    }
    let of = |is_erased: bool| {
        let counts = absent.iter().filter(|(key, _)| erased_months.contains(*key) == is_erased);
        counts.map(|(_, count)| count).sum()
    };
    Ok(Collected { rows, erased: of(true), missing: of(false) })
}

pub(super) fn erase(arguments: &Erase) -> anyhow::Result<()> {
    let settings = load(&arguments.config)?;
    daemon::publish(&settings)?;
    let keeper = keeper(&settings)?;
    let kept = keeper.months()?;
    let Some(month) = &arguments.month else { return show_months(&kept, arguments.json) };
    let of_it = |kept: &&KeptMonth| kept.tenant == arguments.tenant && kept.month == *month;
    let whose = arguments.tenant.as_ref().map_or("no tenant", TenantId::as_str);
    let Some(kept) = kept.iter().find(of_it) else { bail!("nothing is kept of {whose} in {month}") };
    let key_id = match &kept.key {
        UsedKey::Kept(id) => id.clone(),
        UsedKey::Unusable => "unknown".to_owned(),
        UsedKey::Destroyed => {
            // A stop may have come between the two.
            let receipts = close_receipts(arguments.tenant.as_ref(), month, &settings)?;
            ensure!(receipts > 0, "{month} of {whose} was erased before");
            say(&format!("{month} of {whose} was erased before; {}", told(receipts)));
            return Ok(());
        }
    };
    ensure!(*month < month_of(Clock::system().now()), "{month} is not over: its key is in use");
    let count = keeper.open_month(arguments.tenant.as_ref(), month)?.disclosures.len() as u64;
    let event = Event::Erased(RetentionErased { month: month.clone(), key_id: key_id.clone(), count });
    let seq = daemon::note(&settings, arguments.tenant.as_ref(), event)?;
    keeper.erase(arguments.tenant.as_ref(), month)?;
    let receipts = close_receipts(arguments.tenant.as_ref(), month, &settings)?;
    if arguments.json {
        let tenant = arguments.tenant.as_ref().map(TenantId::as_str);
        let erased = json!({
            "tenant": tenant, "month": month, "key": key_id, "entries": count, "logged": seq, "receipts": receipts,
        });
        return Ok(print_json(&erased)?);
    }
    say(&format!(
        "erased: the disclosures of {count} entries of {whose} in {month} (key {key_id}, entry {seq} of the log)"
    ));
    say(&told(receipts));
    say("backups of the key's file and of these receipts, if there are any, are to be destroyed as well");
    Ok(())
}

fn close_receipts(tenant: Option<&TenantId>, month: &str, settings: &Settings) -> anyhow::Result<u64> {
    // What concerns no tenant is in nobody's receipt.
    Ok(tenant.map_or(Ok(0), |tenant| dropbox::close_receipts(&settings.state_dir, tenant, month))?)
}

fn told(receipts: u64) -> String {
    format!("taken out of the receipts kept here as well: {receipts}; copies that the tenant fetched are its own")
}

fn show_months(kept: &[KeptMonth], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let months = kept.iter().map(|KeptMonth { tenant, month, key }| {
            let key = match key {
                UsedKey::Kept(id) => Some(id.as_str()),
                UsedKey::Unusable => Some("unusable"),
                UsedKey::Destroyed => None,
            };
            json!({ "tenant": tenant.as_ref().map(TenantId::as_str), "month": month, "key": key })
        });
        return Ok(print_json(&json!({ "months": months.collect::<Vec<_>>() }))?);
    }
    let mut table = Table::new(&["month", "tenant", "key"]);
    for KeptMonth { tenant, month, key } in kept {
        let tenant = tenant.as_ref().map_or("(none)", TenantId::as_str);
        let key = match key {
            UsedKey::Kept(id) => id,
            UsedKey::Unusable => "unusable",
            UsedKey::Destroyed => "erased",
        };
        table.row(vec![month.clone(), tenant.to_owned(), key.to_owned()]);
    }
    Ok(table.print()?)
}
