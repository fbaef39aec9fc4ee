//! The configuration in force, kept in the state directory so that `groeikluis plan` can compare another with it.
//!
//! Two are kept: the one in force, replaced by each reload, and the one of the start, since some settings hold from a
//! start only. One that could not be kept is taken away: no answer is better than an old one.

use std::path::Path;

use jiff::Timestamp;

use super::DaemonError;
use crate::{
    config::{Kept, LARGEST_KEPT_BYTES, Settings},
    durable::Directory,
};

/// The names of the files in the state directory.
const IN_FORCE: &str = "configuration.json";
const AT_START: &str = "configuration-at-start.json";

/// The configuration that a daemon runs with, or last ran with.
#[derive(Debug)]
pub struct LastConfiguration {
    /// What is in force.
    pub in_force: Kept,
    /// What settings that hold from a start are read from.
    pub at_start: Kept,
}

/// Keeps what a daemon starts with.
pub(super) fn keep_at_start(state: &Directory, settings: &Settings, now: Timestamp) {
    keep(state, &[IN_FORCE, AT_START], settings, now);
}

/// Keeps what a reload has put in force.
pub(super) fn keep_reloaded(state: &Directory, settings: &Settings, now: Timestamp) {
    keep(state, &[IN_FORCE], settings, now);
}

fn keep(state: &Directory, names: &[&str], settings: &Settings, now: Timestamp) {
    let bytes = Kept::of(settings, now).to_bytes();
    for name in names {
        if let Err(error) = state.write(name, &bytes) {
            tracing::warn!(error = &error as &dyn std::error::Error, "what is in force cannot be compared with");
            if let Err(error) = state.remove_if_there(name) {
                tracing::warn!(error = &error as &dyn std::error::Error, name, "an old configuration stays");
            }
        }
    }
}

/// What the daemon with this state directory runs with, or last ran with; none when none ever ran.
///
/// # Errors
/// [`DaemonError`]: the state directory cannot be read, or what was kept is of another version.
pub fn last_configuration(state_dir: &Path) -> Result<Option<LastConfiguration>, DaemonError> {
    if !state_dir.exists() {
        return Ok(None);
    }
    let state = Directory::create(state_dir).map_err(DaemonError::State)?;
    let read = |name| -> Result<Option<Kept>, DaemonError> {
        let bytes = state.read(name, LARGEST_KEPT_BYTES).map_err(DaemonError::State)?;
        bytes.map(|bytes| Kept::from_bytes(&bytes).map_err(DaemonError::LastConfiguration)).transpose()
    };
    Ok(read(IN_FORCE)?.zip(read(AT_START)?).map(|(in_force, at_start)| LastConfiguration { in_force, at_start }))
}
