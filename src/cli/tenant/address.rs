//! `groeikluis tenant why ADDRESS`, and what a tenant's own explanation takes of it: penalties, and connections that
//! belong to no tenant.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    advice,
    why::{last_of, moment, print_table, record_json},
};
use crate::{
    cli::output::{Table, print_json, say},
    config::Settings,
    daemon::{LoginMemory, LoginRecord, NO_COMMON_ALGORITHM, StrangerRecord},
    sftp::SourcePenalty,
};

/// Explains what came from an address: of which tenants, of nobody, and whether it is slowed down.
pub(super) fn explain(address: IpAddr, count: usize, as_json: bool, settings: &Settings) -> anyhow::Result<()> {
    let memory = LoginMemory::open(settings)?;
    let address = address.to_canonical();
    let penalties = memory.penalties(settings, &[address], Timestamp::now())?;
    let mut tenants = Vec::new();
    for id in settings.tenants.keys() {
        let mut records = memory.of_tenant(id)?;
        records.refused.retain(|record| record.source == address);
        records.good.retain(|record| record.source == address);
        if !(records.refused.is_empty() && records.good.is_empty()) {
            tenants.push((id, records));
        }
    }
    let mut strangers = memory.of_strangers()?;
    strangers.retain(|record| record.source == address);
    let strangers: Vec<&StrangerRecord> = strangers.iter().rev().take(count).rev().collect();
    if as_json {
        let of_tenants: Vec<Value> = tenants
            .iter()
            .map(|(id, records)| {
                let logins: Vec<Value> =
                    last_of(records, count).iter().map(|record| record_json(record, settings)).collect();
                json!({ "tenant": id.to_string(), "logins": logins })
            })
            .collect();
        return Ok(print_json(&json!({
            "source": address.to_string(),
            "penalties": penalties.iter().map(penalty_json).collect::<Vec<_>>(),
            "tenants": of_tenants,
            "strangers": strangers_json(&strangers, settings),
        }))?);
    }
    say_penalties(&penalties);
    if tenants.is_empty() && strangers.is_empty() {
        say(&format!("nobody tried from {address}: another address, a wrong port, or a firewall"));
    }
    for (id, records) in &tenants {
        say("");
        say(&format!("{id}, which `tenant why {id}` explains:"));
        let shown: Vec<&LoginRecord> = last_of(records, count);
        print_table(&shown, settings)?;
    }
    print_strangers(&strangers, settings)
}

/// Says of each address whether it is slowed down.
pub(super) fn say_penalties(penalties: &[SourcePenalty]) {
    for SourcePenalty { address, exempt, failures, slow_until, good } in penalties {
        let state = match slow_until {
            _ if *exempt => "exempt from being slowed down".to_owned(),
            Some(until) => format!("slowed down until {}", moment(*until)),
            None => "not slowed down".to_owned(),
        };
        let good = good.map_or_else(String::new, |good| format!("; the good login of {} speaks for it", moment(good)));
        let told = if *failures == 1 { "1 failure that is" } else { &format!("{failures} failures that are") };
        say(&format!("{address} is {state}: {told} not forgiven{good}"));
    }
}

/// The penalty of an address.
pub(super) fn penalty_json(penalty: &SourcePenalty) -> Value {
    json!({
        "source": penalty.address.to_string(),
        "exempt": penalty.exempt,
        "failures": penalty.failures,
        "slow_until": penalty.slow_until.map(|until| until.to_string()),
        "good": penalty.good.map(|good| good.to_string()),
    })
}

/// A table of connections that belong to no tenant, and what can be done; nothing when there are none.
pub(super) fn print_strangers(strangers: &[&StrangerRecord], settings: &Settings) -> anyhow::Result<()> {
    if strangers.is_empty() {
        return Ok(());
    }
    say("");
    say("of no tenant:");
    let mut table = Table::new(&["last", "times", "outcome", "from", "client"]);
    for record in strangers {
        table.row(vec![
            moment(record.at),
            record.times.to_string(),
            record.reason.clone(),
            record.source.to_string(),
            record.client.trim_start_matches("SSH-2.0-").to_owned(),
        ]);
    }
    table.print()?;
    let mut told: Vec<String> = Vec::new();
    for record in strangers.iter().rev() {
        let text = format!("{}: {}", record.reason, on(record, settings));
        if !told.contains(&text) {
            say(&text);
            told.push(text);
        }
    }
    Ok(())
}

/// The same for programs.
pub(super) fn strangers_json(strangers: &[&StrangerRecord], settings: &Settings) -> Vec<Value> {
    let one = |record: &&StrangerRecord| {
        json!({
            "at": record.at.to_string(),
            "since": record.since.to_string(),
            "times": record.times,
            "outcome": record.reason,
            "source": record.source.to_string(),
            "client": record.client,
            "near": record.near,
            "fingerprint": record.fingerprint,
            "lacking": record.lacking,
            "offered": record.offered,
            "accepted": record.accepted,
            "advice": on(record, settings),
        })
    };
    strangers.iter().map(one).collect()
}

/// What such a connection means, and what to do.
fn on(record: &StrangerRecord, settings: &Settings) -> String {
    if record.reason == NO_COMMON_ALGORITHM {
        let lacking = record.lacking.as_deref().unwrap_or("algorithm");
        let (offered, accepted) = (record.offered.join(", "), record.accepted.join(", "));
        return format!(
            "no {lacking} in common: the client offers {offered}; accepted here: {accepted}; update the client"
        );
    }
    let owner = record.fingerprint.as_deref().and_then(|fingerprint| advice::owner(fingerprint, settings));
    match (owner, &record.near) {
        (Some((tenant, label)), _) => {
            format!("the key is {label} of {tenant}: the user name should be {tenant}")
        }
        (None, Some(near)) => format!("the user name is nearly {near}, and must be just that"),
        (None, None) => "the user name is no tenant's; it is not kept".to_owned(),
    }
}
