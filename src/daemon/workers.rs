//! What works beside the sessions, each part made of the same few things.

use std::{sync::Arc, thread::JoinHandle};

use super::{
    DaemonError,
    live::Live,
    mail::{Mail, MailParts},
    opening::{archive_dir, log_dir},
    receipts::Receipts,
    retention::{Retention, RetentionParts},
};
use crate::{
    config::Settings,
    dropbox::{Boxes, BoxesSettings, MemoryBudget},
    durable::{Clock, Directory},
    exchange::{Exchange, ExchangeParts, FingerprintKey, Registers},
    ledger::Ledger,
    seal::Keyring,
    transfer_log::{DisclosureKeeper, TransferLog, VerifierKey, archived_keys},
};

/// What all of them use.
pub(super) struct Common {
    pub settings: Arc<Settings>,
    pub state: Directory,
    pub clock: Clock,
    pub log: TransferLog,
    pub ledger: Arc<dyn Ledger>,
    pub live: Arc<Live>,
    /// The exchange's own.
    pub keyring: Keyring,
    pub disclosures: DisclosureKeeper,
}

impl Common {
    /// The drop-boxes, whose tenants find those keys beside the log's checkpoint, and those of the logs before it: each
    /// is good for the log of its own name only.
    pub fn boxes(&self, budget: MemoryBudget, log_keys: &str) -> Result<Boxes, DaemonError> {
        let earlier = archived_keys(&archive_dir(&self.settings)).map_err(DaemonError::Log)?;
        let settings = BoxesSettings {
            state_dir: self.settings.state_dir.clone(),
            keyring: self.keyring.clone(),
            budget,
            log_dir: log_dir(&self.settings),
            archive_dir: archive_dir(&self.settings),
            log_keys: format!("{log_keys}{earlier}"),
        };
        let Self { clock, log, ledger, live, .. } = self;
        Boxes::open(settings, clock.clone(), log.clone(), ledger.clone(), live.clone()).map_err(DaemonError::DropBoxes)
    }

    /// The thread that makes receipts. It ends with the log.
    pub fn receipts(&self, key: VerifierKey, boxes: &Boxes) -> Result<JoinHandle<()>, DaemonError> {
        let receipts = Receipts {
            log: self.log.clone(),
            log_dir: log_dir(&self.settings),
            archive_dir: archive_dir(&self.settings),
            key,
            keeper: self.disclosures.clone(),
            boxes: boxes.clone(),
            state: self.state.clone(),
        };
        receipts.start()
    }

    /// The pipeline from lists to answers, which is at work when the daemon runs.
    pub fn exchange(&self, boxes: &Boxes, registers: &Arc<Registers>) -> Result<Exchange, DaemonError> {
        let parts = ExchangeParts {
            state: self.state.clone(),
            boxes: boxes.clone(),
            log: self.log.clone(),
            ledger: self.ledger.clone(),
            clock: self.clock.clone(),
            fingerprints: FingerprintKey::open_or_draw(&self.state, &self.keyring)
                .map_err(DaemonError::Fingerprints)?,
            keyring: self.keyring.clone(),
            registers: registers.clone(),
            tenants: self.live.clone(),
        };
        let exchange = Exchange::open(parts).map_err(DaemonError::Exchange)?;
        self.live.connect(exchange.clone());
        Ok(exchange)
    }

    /// What removes files that were kept long enough; its nights begin when the daemon runs.
    pub fn retention(&self, exchange: &Exchange) -> Retention {
        Retention::new(RetentionParts {
            exchange: exchange.clone(),
            live: self.live.clone(),
            keeper: self.disclosures.clone(),
            log_dir: log_dir(&self.settings),
            archive_dir: archive_dir(&self.settings),
            state: self.state.clone(),
            clock: self.clock.clone(),
        })
    }

    /// What writes and sends mail.
    pub fn mail(&self) -> Result<Mail, DaemonError> {
        Mail::start(MailParts {
            live: self.live.clone(),
            clock: self.clock.clone(),
            log: self.log.clone(),
            log_dir: log_dir(&self.settings),
            archive_dir: archive_dir(&self.settings),
            origin: self.settings.log.origin.clone(),
            ledger: self.ledger.clone(),
            state: self.state.clone(),
            keyring: self.keyring.clone(),
        })
    }
}
