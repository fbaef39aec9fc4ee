//! A JSON object a line, for collectors: the time, the level, the room, and the fields, an error with all its causes.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
};

use serde_json::{Map, Value, json};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::journal::with_causes;
use crate::durable::Clock;

/// Writes to standard error.
pub(super) struct JsonLines {
    clock: Clock,
}

impl JsonLines {
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }

    fn line(&self, event: &Event<'_>) -> String {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = json!({
            "timestamp": format!("{:.6}", self.clock.now()),
            "level": metadata.level().as_str(),
            "fields": fields.0,
            "target": metadata.target(),
        });
        format!("{line}\n")
    }
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Nobody is left to be told when standard error is gone.
        let _ = io::stderr().lock().write_all(self.line(event).as_bytes());
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, with_causes(value).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    struct Kept(Arc<Mutex<Vec<String>>>, JsonLines);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(self.1.line(event));
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the log cannot be written")]
    struct Failed(#[source] io::Error);

    #[test]
    fn a_line_has_every_cause_of_an_error() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let clock = Clock::fixed("2026-11-22T12:00:00Z".parse().unwrap());
        let kept = Kept(lines.clone(), JsonLines::new(clock));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(kept), || {
            let error = Failed(io::Error::from(io::ErrorKind::StorageFull));
            let error: &dyn Error = &error;
            tracing::error!(error, tenant = %"bree", rows = 3, told = true, "upload waits");
        });
        let line: Value = serde_json::from_str(&lines.lock().unwrap()[0]).unwrap();
        assert_eq!(
            line,
            json!({
                "timestamp": "2026-11-22T12:00:00.000000Z", "level": "ERROR",
                "target": "groeikluis::cli::operator_log::json::tests",
                "fields": {
                    "message": "upload waits", "error": "the log cannot be written: no storage space",
                    "tenant": "bree", "rows": 3, "told": true,
                },
            })
        );
    }
}
