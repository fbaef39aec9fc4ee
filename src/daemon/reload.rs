//! Putting a changed configuration in force: whole, or not at all.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::{in_force, last_configuration, live::Live};
use crate::{
    config::{self, Difference, Settings},
    domain::TenantId,
    durable::{Clock, Directory},
    exchange::Exchange,
    metrics::Reload,
    sftp::Sessions,
    transfer_log::TransferLog,
};

/// Reads the configuration again when asked to.
pub(super) struct Reloader {
    pub config: PathBuf,
    pub live: Arc<Live>,
    pub log: TransferLog,
    pub state: Directory,
    pub exchange: Exchange,
    pub sessions: Sessions,
    pub clock: Clock,
    /// What settings that hold from a start are read from.
    pub at_start: Arc<Settings>,
    /// Whether the last reading was refused. A signal may come while a changed file is read: one at a time, so that the files
    /// that were read last hold.
    pub refused: Mutex<bool>,
}

impl Reloader {
    /// Reads the configuration and puts it in force. A fault in any file leaves everything as it is, and so does a change
    /// of what the register in use was read with.
    pub fn reload(&self) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let reload = self.put_in_force();
        *refused = reload == Reload::Failed;
        self.live.counts().reloaded(reload);
    }

    /// The same, and not a word where nothing has changed; that a fault was taken back is told.
    pub fn reload_if_changed(&self) {
        let was_refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |new: &Settings| self.live.settings().fingerprint() == new.fingerprint();
        if was_refused || !config::load(&self.config).is_ok_and(|new| same(&new)) {
            self.reload();
        }
    }

    fn put_in_force(&self) -> Reload {
        let new = match config::load(&self.config) {
            Ok(settings) => settings,
            Err(faults) => {
                for fault in &faults {
                    tracing::error!(%fault, "configuration not changed");
                }
                return Reload::Failed;
            }
        };
        let old = self.live.settings();
        if old.fingerprint() == new.fingerprint() {
            tracing::info!("configuration read again: the same as in force");
            return Reload::Unchanged;
        }
        let since_start = config::difference(&self.at_start, &new);
        let refused = since_start.not_before_restart();
        if !refused.is_empty() {
            let settings = refused.join(", ");
            tracing::error!(
                settings,
                "configuration not changed: the register was read with other ones; restart the daemon, and all of the files hold"
            );
            return Reload::Failed;
        }
        if let Err(error) = in_force::account(&self.log, &self.state, &new) {
            tracing::error!(error = &error as &dyn std::error::Error, "configuration not changed");
            return Reload::Failed;
        }
        let waiting = since_start.after_restart();
        if !waiting.is_empty() {
            let waiting = waiting.join(", ");
            tracing::warn!(settings = waiting, "these differ from the start and hold after a restart");
        }
        let difference = config::difference(&old, &new);
        let new = Arc::new(new);
        self.live.replace(Arc::clone(&new));
        // Only now: whoever reads that it is in force finds it so.
        last_configuration::keep_reloaded(&self.state, &new, self.clock.now());
        let ended = self.end_lost_sessions(&difference);
        self.take_up_returned(&difference, &new);
        let (added, removed) = (difference.tenants_added.len(), difference.tenants_removed.len());
        let changed = difference.tenants_changed.len();
        let Difference { assignments_added, assignments_removed, assignments_changed, .. } = &difference;
        let assignments = assignments_added.len() + assignments_removed.len() + assignments_changed.len();
        tracing::info!(added, removed, changed, assignments, sessions_ended = ended, "configuration changed");
        Reload::Changed
    }

    /// Sessions that would not be let in now, and those that see a tree that is no more.
    fn end_lost_sessions(&self, difference: &Difference) -> usize {
        let of_another_kind: usize =
            of_another_kind(difference).map(|tenant| self.sessions.disconnect_tenant(tenant)).sum();
        of_another_kind + self.sessions.judge_again()
    }

    /// What waits in the drop-boxes of tenants that are back, or that can upload again, is taken up.
    fn take_up_returned(&self, difference: &Difference, new: &Settings) {
        for id in difference.tenants_added.iter().chain(of_another_kind(difference)) {
            if new.tenants.get(id).is_some_and(|tenant| tenant.kind.uploads()) {
                self.exchange.returned(id);
            }
        }
    }
}

fn of_another_kind(difference: &Difference) -> impl Iterator<Item = &TenantId> {
    difference.tenants_changed.iter().filter(|(_, change)| change.kind_changed).map(|(tenant, _)| tenant)
}
