//! `groeikluis console`: pages for those who run the exchange and those who audit it, in a process of its own.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigArgument, ConfigFaults, UsageFault, audit, operator_log, serve::runtime};
use crate::{
    console::{Console, ConsoleError, ConsoleOptions, Place},
    durable::Clock,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// A loopback address to listen on; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9465", conflicts_with = "socket")]
    listen: SocketAddr,
    /// A socket to listen on instead, for its owner and group: a proxy with logins, most often.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(flatten)]
    key: audit::KeyArgument,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    operator_log::begin(None);
    runtime()?.block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let keys = arguments.key.given()?;
    let options = ConsoleOptions { config: arguments.config.config.clone(), keys, clock: Clock::system() };
    let place = match &arguments.socket {
        Some(path) => Place::Socket(path.clone()),
        None => Place::Loopback(arguments.listen),
    };
    let console = Console::open(options, place).await.map_err(told)?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    eprintln!("groeikluis: console on {}", console.place());
    tokio::select! {
        () = console.serve() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Faults of the configuration and of the arguments have exit codes of their own.
fn told(error: ConsoleError) -> anyhow::Error {
    match error {
        ConsoleError::Configuration(faults) => ConfigFaults(faults).into(),
        ConsoleError::NotLoopback(_) | ConsoleError::NotASocket(_) => UsageFault(error.to_string()).into(),
        ConsoleError::Listen { .. } | ConsoleError::Ledger(_) | ConsoleError::Log(_) => error.into(),
    }
}
