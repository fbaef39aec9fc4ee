//! `groeikluis demo`: a deployment with synthetic data, and the whole route as a municipality would go it.
//!
//! Everything is real but the data: the daemon is the one that `serve` runs, over SSH on a loopback address, with keys
//! made for the occasion.

mod assignment;
mod assignment_files;
mod commands;
mod layout;
mod route;

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use tokio::sync::{mpsc, oneshot};

use super::{
    operator_log::{self, LogFormat},
    output::say,
    serve::runtime,
};
use crate::{
    daemon::{Daemon, DaemonOptions},
    durable::Clock,
};
use layout::Layout;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where to lay it out: a new or empty directory. By default one in the directory for temporary files.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// End after the route, instead of staying up.
    #[arg(long)]
    exit: bool,
    /// Children in the synthetic register.
    #[arg(long, default_value_t = 20_000)]
    children: u32,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:2222")]
    listen: SocketAddr,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if std::env::var_os("RUST_LOG").is_some() {
        operator_log::begin(Some(LogFormat::Text));
    }
    runtime()?.block_on(demo(arguments))
}

async fn demo(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = match &arguments.dir {
        Some(directory) => directory.clone(),
        None => std::env::temp_dir().join(format!("groeikluis-demo-{}", std::process::id())),
    };
    let listen = free_address(arguments.listen, arguments.exit);
    let layout = Layout::make(&directory, listen, arguments.children)?;
    let options = DaemonOptions { config: layout.config(), clock: Clock::system() };
    let daemon = Daemon::start(options).context("the daemon did not start")?;
    let address = *daemon.addresses().first().context("the daemon listens nowhere")?;
    layout.write_known_hosts(address, daemon.host_keys())?;
    say(&format!("The daemon listens on {address}."));
    let (stop, stopping) = oneshot::channel::<()>();
    let (_reload, reload_requests) = mpsc::channel(1);
    let running = tokio::spawn(daemon.run(
        async move {
            // Also when the sender is gone.
            let _ = stopping.await;
        },
        reload_requests,
        || {},
    ));
    let outcome = async {
        route::perform(&layout, address).await?;
        assignment::perform(&layout, address).await
    };
    let outcome = outcome.await;
    if outcome.is_ok() && !arguments.exit {
        say(&layout.commands(address)?);
        tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    }
    // The daemon may have ended by itself.
    let _ = stop.send(());
    running.await.context("the daemon panicked")?.context("the daemon did not end well")?;
    outcome?;
    layout.verify()?;
    if arguments.exit {
        say("\nEvery step came out as it should.");
    }
    Ok(())
}

/// The address asked for or, with `--exit`, when it is taken, any port: nobody will connect by hand then.
fn free_address(wanted: SocketAddr, any_port: bool) -> SocketAddr {
    if any_port && std::net::TcpListener::bind(wanted).is_err() {
        return SocketAddr::new(wanted.ip(), 0);
    }
    wanted
}
