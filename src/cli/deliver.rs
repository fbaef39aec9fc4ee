//! `groeikluis deliver`: a file that another system made, on the ground of a protocol. The running daemon delivers it.

use std::{
    fs::{File, Metadata},
    io::{self, IsTerminal, Read},
    os::fd::AsFd,
};

use anyhow::Context;
use zeroize::Zeroizing;

use super::{
    ConfigArgument, UsageFault, load,
    output::{print_json, progress, say},
};
use crate::{
    daemon,
    domain::{ByteSize, Kind, ProtocolId, TenantId},
    durable::forbid_core_dumps,
    exchange::MOST_HANDED_BYTES,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Whom it is for.
    tenant: TenantId,
    /// The protocol on whose ground it leaves, and of which it is a use.
    protocol: ProtocolId,
    /// What it is: sociale-toeslag, gegevens, betaling or betaling-zonder-rekening.
    kind: Kind,
    #[command(flatten)]
    config: ConfigArgument,
    /// Deliver it although the same content was delivered before.
    #[arg(long)]
    again: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { tenant, protocol, kind, config, again, json } = arguments;
    let settings = load(config)?;
    // Before the file is in memory.
    forbid_core_dumps().context("cannot forbid core dumps")?;
    let file = read_input()?;
    let made = daemon::deliver(&settings, tenant, protocol, *kind, &file, *again, progress)?;
    if *json {
        return Ok(print_json(&serde_json::to_value(&made)?)?);
    }
    say(&format!("delivered to {}: {} ({} rows)", made.tenant, made.file, made.rows));
    if let Some(total) = made.amount_total {
        say(&format!("it pays {total} euros"));
    }
    Ok(())
}

/// Standard input, in memory that is wiped, and that is large enough from the start: growing would leave a copy behind.
fn read_input() -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let input = io::stdin().lock();
    anyhow::ensure!(
        !input.is_terminal(),
        UsageFault("the file is read from standard input: groeikluis deliver TENANT PROTOCOL KIND < FILE".to_owned())
    );
    let beyond = MOST_HANDED_BYTES + 1;
    // Of a file the length is known.
    let length = File::from(input.as_fd().try_clone_to_owned()?).metadata().ok().filter(Metadata::is_file);
    let room = length.map_or(beyond, |file| beyond.min(file.len() + 1));
    let mut file = Zeroizing::new(Vec::with_capacity(usize::try_from(room)?));
    input.take(beyond).read_to_end(&mut file)?;
    anyhow::ensure!(
        file.len() as u64 <= MOST_HANDED_BYTES,
        "the file is larger than {}: hand it over in parts",
        ByteSize(MOST_HANDED_BYTES)
    );
    Ok(file)
}
