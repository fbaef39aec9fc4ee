//! What has a value at the moment that somebody asks, and the text of all metrics.

use std::{fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::text,
    metrics::{family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};

use super::{
    Counts, Exposition,
    labels::{OfDirectory, OfTenant},
};

type Value = Gauge<f64, AtomicU64>;

/// The values of one moment.
#[derive(Debug)]
pub struct Sheet {
    own: Registry,
    process: Registry,
}

impl Default for Sheet {
    fn default() -> Self {
        Self { own: Registry::with_prefix("groeikluis"), process: Registry::with_prefix("process") }
    }
}

impl Sheet {
    /// A number of things.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only; what is counted is below 2^53")]
    pub fn number(&mut self, name: &str, help: &str, value: u64) {
        self.own.register(name, help, gauge(value as f64));
    }

    /// Whether something is so: 1 or 0.
    pub fn flag(&mut self, name: &str, help: &str, value: bool) {
        self.number(name, help, u64::from(value));
    }

    /// Bytes; `_bytes` is added to the name.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only; sizes are below 2^53")]
    pub fn bytes(&mut self, name: &str, help: &str, value: u64) {
        self.own.register_with_unit(name, help, Unit::Bytes, gauge(value as f64));
    }

    /// Seconds; `_seconds` is added to the name.
    pub fn seconds(&mut self, name: &str, help: &str, value: f64) {
        self.own.register_with_unit(name, help, Unit::Seconds, gauge(value));
    }

    /// A number of things of each tenant.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only; what is counted is below 2^53")]
    pub fn numbers(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (String, u64)>) {
        let family = family(values.into_iter().map(|(tenant, value)| (tenant, value as f64)));
        self.own.register(name, help, family);
    }

    /// Bytes of each tenant; `_bytes` is added to the name.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only; sizes are below 2^53")]
    pub fn bytes_each(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (String, u64)>) {
        let family = family(values.into_iter().map(|(tenant, value)| (tenant, value as f64)));
        self.own.register_with_unit(name, help, Unit::Bytes, family);
    }

    /// Bytes of each directory; `_bytes` is added to the name.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only; sizes are below 2^53")]
    pub fn bytes_in(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (String, u64)>) {
        let family = Family::<OfDirectory, Value>::default();
        for (directory, value) in values {
            family.get_or_create(&OfDirectory { directory }).set(value as f64);
        }
        self.own.register_with_unit(name, help, Unit::Bytes, family);
    }

    /// Seconds of each tenant; `_seconds` is added to the name.
    pub fn seconds_each(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (String, f64)>) {
        self.own.register_with_unit(name, help, Unit::Seconds, family(values));
    }

    /// A text that says what runs: `_info` is added to the name.
    pub fn info(&mut self, name: &str, help: &str, label: &'static str, value: String) {
        self.own.register(name, help, Info::new([(label, value)]));
    }

    /// A value of the process, with the names that every program has (`process_…_bytes`).
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only; sizes are below 2^53")]
    pub fn process_bytes(&mut self, name: &str, help: &str, value: u64) {
        self.process.register_with_unit(name, help, Unit::Bytes, gauge(value as f64));
    }

    /// A number of the process, with the names that every program has (`process_…`).
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only; what is counted is below 2^53")]
    pub fn process_number(&mut self, name: &str, help: &str, value: u64) {
        self.process.register(name, help, gauge(value as f64));
    }

    /// The counters and these values, in that form.
    ///
    /// # Errors
    /// Never, for text in memory.
    pub fn text(&self, counts: &Counts, form: Exposition) -> Result<String, fmt::Error> {
        let mut text = String::new();
        for registry in [counts.registry(), &self.own, &self.process] {
            text::encode_registry(&mut text, registry)?;
        }
        text::encode_eof(&mut text)?;
        Ok(form.of(text))
    }
}

fn gauge(value: f64) -> Value {
    let gauge = Value::default();
    gauge.set(value);
    gauge
}

fn family(values: impl IntoIterator<Item = (String, f64)>) -> Family<OfTenant, Value> {
    let family = Family::<OfTenant, Value>::default();
    for (tenant, value) in values {
        family.get_or_create(&OfTenant { tenant }).set(value);
    }
    family
}
