//! What the exchange does, in numbers, for Prometheus.
//!
//! Owns the names, the labels and the text. Nearly all is counted where the transfer log's entries have become durable
//! ([`CountingIndex`]), so what is counted is what is accounted for, and no transfer ever waits for a counter. What
//! only has a value at a moment is asked for when somebody reads ([`Sheet`]).
//!
//! Invariants: the number of series is bounded by the configuration (a tenant's label is that of a configured tenant,
//! or [`UNKNOWN_TENANT`]; other labels are closed sets); nothing in them identifies a person: no numbers, names,
//! addresses, files or keys. Counters begin at zero with each start, as Prometheus expects.

mod answering;
mod counts;
mod exposition;
mod follow;
mod labels;
mod of_tenant;
mod sheet;

pub use counts::{Counts, Reload};
pub use exposition::Exposition;
pub use follow::CountingIndex;
pub use labels::UNKNOWN_TENANT;
pub use sheet::Sheet;
