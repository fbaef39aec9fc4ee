//! What watches the daemon from outside: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever restarts it or
//! sends it connections.
//!
//! Served at `metrics.listen` and nowhere else, without a login: what is told is counts, and names of tenants. A slow
//! or greedy reader meets limits of its own and never a transfer.

mod gauges;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, task::spawn_blocking};

use super::{DaemonError, listeners, live::Live};
use crate::{
    config::Settings,
    dropbox::{Boxes, MemoryBudget},
    durable::{Clock, Directory},
    exchange::Registers,
    http::{self, HttpLimits, Listener},
    ledger::Ledger,
    metrics::Exposition,
    sftp::Sessions,
    transfer_log::TransferLog,
};
use gauges::Measured;

/// Two Prometheus servers, a prober and somebody who looks; a reading takes milliseconds.
const LIMITS: HttpLimits = HttpLimits { connections: 8, life: Duration::from_mins(2) };

/// Where the address of the metrics is written, for who started the daemon on port 0.
const LISTEN_FILE: &str = "listen-metrics";

/// What the values are asked from.
pub(super) struct Watched {
    pub live: Arc<Live>,
    pub log: TransferLog,
    pub ledger: Arc<dyn Ledger>,
    pub registers: Arc<Registers>,
    pub boxes: Boxes,
    pub budget: MemoryBudget,
    pub sessions: Sessions,
    pub clock: Clock,
    /// What limits hold from a start.
    pub at_start: Arc<Settings>,
    pub draining: AtomicBool,
    /// Readings are made one after another; this is what some keep of the last one.
    pub measured: Mutex<Measured>,
}

impl Watched {
    /// No new connections are taken any more.
    pub fn drains(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// What keeps the daemon from doing its work; nothing when it is ready.
    fn missing(&self) -> Vec<&'static str> {
        let faults = [
            (self.draining.load(Ordering::Acquire), "the daemon is stopping"),
            (!self.log.is_writing(), "the transfer log is not written"),
            (self.registers.live().is_none(), "no register is loaded"),
        ];
        faults.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what).collect()
    }

    fn text(&self, form: Exposition) -> Option<String> {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let sheet = self.sheet(&mut measured);
        sheet.text(self.live.counts(), form).ok()
    }
}

/// Takes the address of the metrics, where there is to be one.
pub(super) fn listen(settings: &Settings, state: &Directory) -> Result<Option<TcpListener>, DaemonError> {
    let Some(metrics) = &settings.metrics else { return Ok(None) };
    let address = metrics.listen;
    let listener = listeners::bind(address).map_err(|source| DaemonError::Listen { address, source })?;
    let taken = listener.local_addr().map_err(|source| DaemonError::Listen { address, source })?;
    state.write(LISTEN_FILE, format!("{taken}\n").as_bytes()).map_err(DaemonError::State)?;
    tracing::info!(address = %taken, "metrics");
    Ok(Some(listener))
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, watched: Arc<Watched>) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(watched);
    http::serve(Listener::Tcp(listener), router, LIMITS).await;
}

async fn metrics(State(watched): State<Arc<Watched>>, headers: HeaderMap) -> Response {
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let form = Exposition::accepted(&accept.join(","));
    match spawn_blocking(move || watched.text(form)).await {
        Ok(Some(text)) => {
            let headers = [(header::CONTENT_TYPE, form.media_type()), (header::VARY, "Accept")];
            (headers, text).into_response()
        }
        Ok(None) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn ready(State(watched): State<Arc<Watched>>) -> Response {
    let missing = watched.missing();
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n").into_response()
}
