//! `groeikluis audit receipt`: what a tenant's receipt proves, with nothing but the log's public key.

use std::{fs::File, io::Read, path::PathBuf};

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};

use super::{
    super::output::{print_json, say},
    KeyArgument, any, time,
};
use crate::transfer_log::{MAX_RECEIPT_BYTES, Receipt, Received};

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    /// The receipt, from /log/receipts.
    file: PathBuf,
    #[command(flatten)]
    key: KeyArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let shown = arguments.file.display();
    let mut text = String::new();
    let file = File::open(&arguments.file).with_context(|| format!("cannot open {shown}"))?;
    file.take(MAX_RECEIPT_BYTES + 1).read_to_string(&mut text).with_context(|| format!("cannot read {shown}"))?;
    ensure!(text.len() as u64 <= MAX_RECEIPT_BYTES, "{shown} is too long for a receipt");
    let receipt = Receipt::parse(&text).with_context(|| format!("{shown} proves nothing"))?;
    let mut keys = arguments.key.keys()?;
    let others: Vec<String> = keys.iter().map(|key| key.name().to_owned()).collect();
    keys.retain(|key| key.name() == receipt.origin());
    ensure!(
        !keys.is_empty(),
        "{shown} cannot be checked with this key: it is of the log {}, and the key of {}; log.vkey in /log has the keys \
         of earlier years too",
        receipt.origin(),
        others.join(", ")
    );
    let received = any(&keys, |key| receipt.verify(key)).with_context(|| format!("{shown} proves nothing"))?;
    let Received { checkpoint, entry, disclosed } = &received;
    let members: Map<String, Value> = serde_json::from_slice(&entry.bytes)?;
    if arguments.json {
        let disclosed: Map<String, Value> =
            disclosed.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let found = json!({ "valid": true, "entry": members, "disclosed": disclosed, "size": checkpoint.size,
            "root": hex::encode(checkpoint.root) });
        return Ok(print_json(&found)?);
    }
    let (seq, event, at) = (entry.seq, entry.event.name(), time(entry.at));
    say(&format!("entry {seq}, {event} of {at} UTC, is in the log of {} entries with root", checkpoint.size));
    say(&hex::encode(checkpoint.root));
    for (name, value) in members.iter().filter(|(name, _)| !super::ENVELOPE.contains(&name.as_str())) {
        say(&format!("  {name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    for (name, value) in disclosed {
        say(&format!("  {name}: {} (disclosed)", value.escape_debug()));
    }
    Ok(())
}
