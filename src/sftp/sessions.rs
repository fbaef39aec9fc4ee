//! The sessions of a running server, seen from outside: counted, judged again when the configuration changes, and ended.

use std::{collections::BTreeMap, sync::Arc};

use super::{ending::Ending, live::LiveConnection, penalties::KeptFault, server::Shared};
use crate::domain::TenantId;

/// A hold on the sessions of a running server.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

impl Sessions {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Ends every session of a tenant; returns how many. For one whose tree is another now.
    pub fn disconnect_tenant(&self, tenant: &TenantId) -> usize {
        let live = self.shared.live();
        let own = live.connections.values().filter(|live| live.login().is_some_and(|login| login.tenant == *tenant));
        own.inspect(|live| live.connection.end(Ending::AccessLost)).count()
    }

    /// Judges every session by the tenants' files as they are now, and ends those that would not be let in; returns how
    /// many. A session whose key, password and address still let its tenant in goes on, whatever else changed.
    pub fn judge_again(&self) -> usize {
        let live = self.shared.live();
        let lost = live.connections.values().filter(|live| {
            let admitted = live.admitted.as_ref();
            admitted.is_some_and(|admitted| self.shared.still(&live.connection, admitted).is_err())
        });
        lost.inspect(|live| live.connection.end(Ending::AccessLost)).count()
    }

    /// The penalties to be kept for the next start; none when nothing changed since they were asked for.
    pub fn penalties_to_keep(&self) -> Option<Vec<u8>> {
        self.shared.penalties().keep(self.shared.directory().now())
    }

    /// Puts back the penalties that the last start kept.
    ///
    /// # Errors
    /// [`KeptFault`]; the server then begins without any.
    pub fn restore_penalties(&self, kept: &[u8]) -> Result<(), KeptFault> {
        self.shared.penalties().restore(kept, self.shared.directory().now())
    }

    /// Connections now, logged in or not.
    pub fn connections(&self) -> usize {
        self.shared.live().connections.len()
    }

    /// Connections that are logged in now, of each tenant that has any.
    pub fn by_tenant(&self) -> BTreeMap<TenantId, u64> {
        let mut counted = BTreeMap::new();
        for login in self.shared.live().connections.values().filter_map(LiveConnection::login) {
            *counted.entry(login.tenant.clone()).or_default() += 1;
        }
        counted
    }

    /// Sessions that are logged in now.
    pub fn logged_in(&self) -> usize {
        self.shared.live().connections.values().filter(|live| live.admitted.is_some()).count()
    }
}
