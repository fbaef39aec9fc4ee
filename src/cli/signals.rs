//! Signals that want a command to end which has something to put in order first.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Turns true with the first of these signals, none of which ends the process any more; `told` is called then.
pub(super) fn watch(kinds: &[SignalKind], told: impl FnOnce() + Send + 'static) -> anyhow::Result<Arc<AtomicBool>> {
    let ended = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _within = runtime.enter();
        kinds.iter().map(|kind| signal(*kind)).collect::<Result<Vec<_>, _>>()
    };
    let mut signals = signals.context("cannot wait for signals")?;
    let noted = Arc::clone(&ended);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(poll_fn(|context| {
            let came = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        }));
        noted.store(true, Ordering::SeqCst);
        told();
    })?;
    Ok(ended)
}
