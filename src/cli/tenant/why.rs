//! `groeikluis tenant why`: the last logins of a tenant or from an address, and why those failed that did.

use std::{collections::BTreeSet, net::IpAddr};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    address::{self, penalty_json, print_strangers, say_penalties, strangers_json},
    advice, no_tenant,
};
use crate::{
    cli::{
        ConfigArgument, load,
        output::{Table, print_json, say},
    },
    config::Settings,
    daemon::{self, LoginMemory, LoginRecord, LoginRecords, StrangerRecord, TriedRecord},
    domain::{Tenant, TenantId, in_brussels, tenant::LoginStep},
    sftp::RefusalReason,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The tenant's id, which is its user name; or the address that somebody comes from.
    #[arg(value_name = "ID|ADDRESS")]
    who: String,
    /// How many connections to show, the last ones.
    #[arg(long, value_name = "N", default_value = "10")]
    last: usize,
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load(&arguments.config)?;
    if let Ok(source) = arguments.who.parse::<IpAddr>() {
        return address::explain(source, arguments.last, arguments.json, &settings);
    }
    let unknown = || no_tenant(&settings, &arguments.who);
    let id: TenantId = arguments.who.parse().map_err(|_| unknown())?;
    let tenant = settings.tenants.get(&id).ok_or_else(unknown)?;
    let memory = LoginMemory::open(&settings)?;
    let records = memory.of_tenant(&id)?;
    let shown = last_of(&records, arguments.last);
    // The one that somebody rings about first.
    let mut seen = BTreeSet::new();
    let sources: Vec<IpAddr> =
        shown.iter().rev().map(|record| record.source).filter(|source| seen.insert(*source)).collect();
    let penalties = memory.penalties(&settings, &sources, Timestamp::now())?;
    let mut strangers = memory.of_strangers()?;
    strangers.retain(|record| record.near.as_deref() == Some(id.as_str()) || sources.contains(&record.source));
    let strangers: Vec<&StrangerRecord> = strangers.iter().rev().take(arguments.last).rev().collect();
    let advice = advice_on(&shown, tenant, &settings);
    if arguments.json {
        let advice: Vec<Value> =
            advice.iter().map(|(reason, text)| json!({ "reason": reason.code(), "advice": text })).collect();
        let logins: Vec<Value> = shown.iter().map(|record| record_json(record, &settings)).collect();
        return Ok(print_json(&json!({
            "tenant": id.to_string(),
            "logins": logins,
            "advice": advice,
            "penalties": penalties.iter().map(penalty_json).collect::<Vec<_>>(),
            "strangers": strangers_json(&strangers, &settings),
        }))?);
    }
    say(&format!("{id} ({}) logs in with {}", tenant.name, steps(tenant)));
    match records.good.back() {
        Some(good) => say(&format!(
            "last good login: {} from {} with {} ({})",
            moment(good.at),
            good.source,
            good.label.as_deref().unwrap_or("?"),
            good.method.as_deref().unwrap_or("?"),
        )),
        None => say(&format!("no good login in the last {} days", daemon::KEPT_DAYS)),
    }
    if shown.is_empty() {
        say("nobody tried under this name: a wrong user name, address or port, or a firewall");
        return print_strangers(&strangers, &settings);
    }
    say_penalties(&penalties);
    say("");
    print_table(&shown, &settings)?;
    if !advice.is_empty() {
        say("");
    }
    for (reason, text) in advice {
        say(&format!("{}: {text}", reason.code()));
    }
    print_strangers(&strangers, &settings)
}

/// The last connections, good or not, in the order of time.
pub(super) fn last_of(records: &LoginRecords, count: usize) -> Vec<&LoginRecord> {
    let mut all: Vec<&LoginRecord> = records.refused.iter().chain(&records.good).collect();
    all.sort_by_key(|record| record.at);
    let skipped = all.len().saturating_sub(count);
    all.split_off(skipped)
}

fn advice_on(shown: &[&LoginRecord], tenant: &Tenant, settings: &Settings) -> Vec<(RefusalReason, String)> {
    let mut advice: Vec<(RefusalReason, String)> = Vec::new();
    // The last one first: it is the one that somebody rings about.
    for record in shown.iter().rev() {
        let whole = record.reason.as_deref().map(|reason| (reason, record.fingerprint.as_deref()));
        let tried = record.tried.iter().map(|tried| (tried.reason.as_str(), tried.fingerprint.as_deref()));
        for (code, fingerprint) in whole.into_iter().chain(tried) {
            let Some(reason) = RefusalReason::of_code(code) else { continue };
            let text = advice::on(reason, record, fingerprint, tenant, settings);
            if !advice.iter().any(|(_, other)| *other == text) {
                advice.push((reason, text));
            }
        }
    }
    advice
}

pub(super) fn print_table(shown: &[&LoginRecord], settings: &Settings) -> anyhow::Result<()> {
    let mut table = Table::new(&["last", "times", "outcome", "from", "method", "key", "client"]);
    for record in shown {
        let outcome = record.reason.as_deref().unwrap_or("logged in");
        let only = if let [only] = record.tried.as_slice() { Some(only) } else { None };
        let method = record.method.as_deref().or(only.map(|tried| tried.method.as_str()));
        let certificate = record.certificate.as_deref().or(only.and_then(|tried| tried.certificate.as_deref()));
        table.row(vec![
            moment(record.at),
            record.times.to_string(),
            outcome.to_owned(),
            record.source.to_string(),
            method.unwrap_or_default().to_owned(),
            key(record.fingerprint.as_deref(), certificate, settings),
            record.client.trim_start_matches("SSH-2.0-").to_owned(),
        ]);
        if only.is_none() {
            for tried in distinct(&record.tried) {
                table.row(vec![
                    String::new(),
                    String::new(),
                    format!("- {}", tried.reason),
                    String::new(),
                    tried.method.clone(),
                    key(tried.fingerprint.as_deref(), tried.certificate.as_deref(), settings),
                    String::new(),
                ]);
            }
        }
    }
    Ok(table.print()?)
}

fn distinct(tried: &[TriedRecord]) -> Vec<&TriedRecord> {
    let mut distinct: Vec<&TriedRecord> = Vec::new();
    for one in tried {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}

/// A key by the name that the configuration has for it, and its fingerprint.
fn key(fingerprint: Option<&str>, certificate: Option<&str>, settings: &Settings) -> String {
    let Some(fingerprint) = fingerprint else { return String::new() };
    let name = advice::owner(fingerprint, settings).map(|(tenant, label)| format!("{label} of {tenant} "));
    let certificate = certificate.map(|certificate| format!(" with certificate {certificate}"));
    format!("{}{fingerprint}{}", name.unwrap_or_default(), certificate.unwrap_or_default())
}

fn steps(tenant: &Tenant) -> String {
    let names: Vec<&str> = tenant
        .require
        .iter()
        .map(|step| match step {
            LoginStep::PublicKey => "a key",
            LoginStep::Password => "a password",
        })
        .collect();
    names.join(", then ")
}

/// A moment as the clock in Brussels shows it, with its zone: whoever reads it may be on the telephone with a tenant.
pub(super) fn moment(at: Timestamp) -> String {
    in_brussels(at).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

pub(super) fn record_json(record: &LoginRecord, settings: &Settings) -> Value {
    let tried: Vec<Value> = record
        .tried
        .iter()
        .map(|tried| {
            json!({
                "method": tried.method,
                "reason": tried.reason,
                "fingerprint": tried.fingerprint,
                "certificate": tried.certificate,
            })
        })
        .collect();
    let owner = record.fingerprint.as_deref().and_then(|fingerprint| advice::owner(fingerprint, settings));
    json!({
        "at": record.at.to_string(),
        "since": record.since.to_string(),
        "times": record.times,
        "outcome": record.reason.as_deref().unwrap_or("logged-in"),
        "source": record.source.to_string(),
        "client": record.client,
        "method": record.method,
        "label": record.label,
        "fingerprint": record.fingerprint,
        "key": owner.map(|(tenant, label)| json!({ "tenant": tenant.to_string(), "label": label })),
        "certificate": record.certificate,
        "tried": tried,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_as_the_clock_on_the_wall_shows_it() {
        for (at, told) in
            [("2026-07-01T08:13:00Z", "2026-07-01 10:13:00 CEST"), ("2026-12-31T23:30:00Z", "2027-01-01 00:30:00 CET")]
        {
            assert_eq!(moment(at.parse().unwrap()), told);
        }
    }
}
