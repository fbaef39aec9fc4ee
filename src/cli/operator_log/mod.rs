//! The operator's log: what the daemon says of itself, for those who run it. Never personal data.
//!
//! On a terminal a line for people, under systemd an entry of the journal with its fields, or a JSON object a line for
//! other collectors. `RUST_LOG` chooses what is in it. The account of what was exchanged is not here but in the
//! transfer log.

mod journal;
mod json;

use std::io::{self, IsTerminal};

use rustix::fs::fstat;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::durable::Clock;
use journal::Journal;
use json::JsonLines;

/// What is said where `RUST_LOG` does not choose: russh tells of each client that hangs up.
const USUAL: &str = "info,russh=error";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// A line for people, on standard error.
    Text,
    /// A JSON object a line, on standard error.
    Json,
    /// An entry of the journal, with fields (`GROEIKLUIS_TENANT` and the like).
    Journal,
}

/// Begins the log, in that form or the one that fits. Where there is no journal, it is text.
pub(super) fn begin(format: Option<LogFormat>) {
    let fitting =
        || if is_journal(std::env::var("JOURNAL_STREAM").ok()) { LogFormat::Journal } else { LogFormat::Text };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let (layer, fault) = match format.unwrap_or_else(fitting) {
        LogFormat::Text => (text(), None),
        LogFormat::Json => (JsonLines::new(Clock::system()).boxed(), None),
        LogFormat::Journal => match Journal::connect(journal::SOCKET.as_ref()) {
            Ok(journal) => (journal.boxed(), None),
            Err(error) => (text(), Some(error)),
        },
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
    if let Some(error) = fault {
        tracing::warn!(%error, "the journal cannot be reached: this is written to standard error");
    }
}

fn text<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    layer.with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
}

/// Whether standard error goes to the journal: `JOURNAL_STREAM` has its device and inode (systemd.exec(5)). A program
/// that somebody starts from a service with standard error elsewhere has the variable too.
fn is_journal(stream: Option<String>) -> bool {
    let Ok(stderr) = fstat(io::stderr()) else { return false };
    stream.is_some_and(|stream| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_known_by_the_stream_that_it_gave() {
        let stderr = fstat(io::stderr()).unwrap();
        assert!(is_journal(Some(format!("{}:{}", stderr.st_dev, stderr.st_ino))));
        for other in [None, Some(String::new()), Some(format!("{}:{}", stderr.st_dev, stderr.st_ino + 1))] {
            assert!(!is_journal(other));
        }
    }
}
