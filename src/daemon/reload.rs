//! Putting a changed configuration in force: whole, or not at all.

use std::{path::Path, sync::Arc};

use super::{in_force, live::Live};
use crate::{
    config::{self, Difference, Settings},
    durable::Directory,
    sftp::Sessions,
    transfer_log::TransferLog,
};

/// Reads the configuration again and puts it in force. A fault in any file leaves everything as it is.
pub(super) fn reload(path: &Path, live: &Live, log: &TransferLog, state: &Directory, sessions: &Sessions) {
    let new = match config::load(path) {
        Ok(settings) => settings,
        Err(faults) => {
            for fault in &faults {
                tracing::error!(%fault, "configuration not changed");
            }
            return;
        }
    };
    let old = live.settings();
    if old.fingerprint() == new.fingerprint() {
        return;
    }
    if needs_restart(&old, &new) {
        tracing::warn!("listen, paths, keys, banner or limits changed as well: these hold after a restart");
    }
    if let Err(error) = in_force::account(log, state, &new) {
        tracing::error!(error = &error as &dyn std::error::Error, "configuration not changed");
        return;
    }
    let difference = config::difference(&old, &new);
    live.replace(Arc::new(new));
    let ended = end_lost_sessions(&difference, sessions);
    let (added, removed) = (difference.tenants_added.len(), difference.tenants_removed.len());
    let changed = difference.tenants_changed.len();
    tracing::info!(added, removed, changed, sessions_ended = ended, "configuration changed");
}

fn end_lost_sessions(difference: &Difference, sessions: &Sessions) -> usize {
    let gone = difference.tenants_removed.iter().map(|tenant| sessions.disconnect_tenant(tenant)).sum::<usize>();
    let changed = difference.tenants_changed.iter().map(|(tenant, change)| {
        if change.access_changed {
            return sessions.disconnect_tenant(tenant);
        }
        let removed: Vec<String> = change.keys_removed.iter().map(|key| key.key.fingerprint()).collect();
        sessions.disconnect(|login| {
            login.tenant == *tenant && login.fingerprint.as_ref().is_some_and(|used| removed.contains(used))
        })
    });
    gone + changed.sum::<usize>()
}

/// Whether something changed that is read at the start only.
fn needs_restart(old: &Settings, new: &Settings) -> bool {
    old.listen != new.listen
        || old.state_dir != new.state_dir
        || old.high_water_dir != new.high_water_dir
        || old.host_keys != new.host_keys
        || old.exchange_identity != new.exchange_identity
        || old.log.origin != new.log.origin
        || old.log.key != new.log.key
        || old.banner != new.banner
        || old.log.co_sign != new.log.co_sign
        || old.limits != new.limits
        || old.penalties != new.penalties
        || old.sources != new.sources
}
