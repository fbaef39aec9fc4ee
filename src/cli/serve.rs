//! `groeikluis serve`: the daemon in the foreground.

use anyhow::Context;
use sd_notify::NotifyState;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    ConfigArgument,
    operator_log::{self, LogFormat},
};
use crate::{
    config,
    daemon::{Daemon, DaemonOptions, enter_sandbox, warn_of_little_memory},
    durable::Clock,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// How the operator's log is written; left out: to the journal where standard error is its, else as text.
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    operator_log::begin(arguments.log_format);
    // Before there are threads. Faults of the configuration and of secrets are told by the start, which makes nothing.
    if let Ok(settings) = config::load(&arguments.config.config)
        && config::check_secrets(&settings).is_empty()
    {
        warn_of_little_memory(&settings);
        enter_sandbox(&arguments.config.config, &settings)?;
    }
    runtime()?.block_on(serve(arguments))
}

/// The runtime of the daemon. Blocking work has threads of its own, so that few are needed here.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let options = DaemonOptions { config: arguments.config.config.clone(), clock: Clock::system() };
    // Before the start, which takes a while: it would end the process until then.
    let mut hang_up = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
    let daemon = Daemon::start(options)?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let (reload, reload_requests) = mpsc::channel(1);
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            // A request that waits already covers this one.
            let _ = reload.try_send(());
        }
    });
    let addresses: Vec<String> = daemon.addresses().iter().map(ToString::to_string).collect();
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        notify(&[NotifyState::Stopping]);
        tracing::info!("stopping: transfers under way may finish");
    };
    let ready = move || {
        notify(&[NotifyState::Ready]);
        tokio::spawn(keep_watchdog());
        eprintln!("groeikluis: listening on {}", addresses.join(", "));
    };
    daemon.run(shutdown, reload_requests, ready).await?;
    Ok(())
}

/// Tells the service manager again and again that the runtime still turns, where it wants to hear that
/// (`WatchdogSec=`); it kills and restarts a daemon that hangs.
async fn keep_watchdog() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    // Half of it, as sd_watchdog_enabled(3) recommends.
    let mut each = tokio::time::interval(patience / 2);
    loop {
        each.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

/// Tells systemd, where it listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd was not told");
    }
}
