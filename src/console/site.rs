//! What pages are made from: the configuration as it lies there, the ledger, and the end of the log.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{ConsoleError, ConsoleOptions, tail::Tail, verification::Verification};
use crate::{
    config::{self, Settings},
    daemon::{
        self,
        inboxes::{FullInbox, KnownInboxes},
        log_dir,
    },
    durable::Clock,
    ledger::{Ledger, SqliteLedger, Summary},
    transfer_log::VerifierKey,
};

/// How long the configuration stands before its files are read again: 300 tenants take a tenth of a second.
const SETTINGS_STAND: Duration = Duration::from_secs(10);

/// The ledger's file in the state directory.
const LEDGER: &str = "ledger.sqlite";

/// Everything that pages ask.
pub(super) struct Site {
    config: PathBuf,
    settings: Mutex<Files>,
    tail: Mutex<Tail>,
    pub verification: Verification,
    pub clock: Clock,
    inboxes: Mutex<KnownInboxes>,
    /// Whether it listens on an address, so that a page of elsewhere could reach it through somebody's browser.
    pub on_loopback: bool,
}

struct Files {
    settings: Arc<Settings>,
    faults: usize,
    read_at: Instant,
}

impl Site {
    pub fn open(options: ConsoleOptions, on_loopback: bool) -> Result<Self, ConsoleError> {
        let settings = config::load(&options.config).map_err(ConsoleError::Configuration)?;
        let verification = Verification::new(options.keys);
        let files = Files { settings: Arc::new(settings), faults: 0, read_at: Instant::now() };
        Ok(Self {
            config: options.config,
            settings: Mutex::new(files),
            tail: Mutex::default(),
            verification,
            clock: options.clock,
            inboxes: Mutex::default(),
            on_loopback,
        })
    }

    /// The configuration in the files, and how many faults they have now; where there are any, it is the last one that
    /// had none.
    pub fn settings(&self) -> (Arc<Settings>, usize) {
        let mut files = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if files.read_at.elapsed() > SETTINGS_STAND {
            files.read_at = Instant::now();
            match config::load(&self.config) {
                Ok(settings) => (files.settings, files.faults) = (Arc::new(settings), 0),
                Err(faults) => files.faults = faults.len(),
            }
        }
        (Arc::clone(&files.settings), files.faults)
    }

    /// The ledger; none before the daemon made it. Opened for each page, since the daemon may begin it anew.
    pub fn ledger(&self) -> Result<Option<SqliteLedger>, ConsoleError> {
        let path = self.settings().0.state_dir.join(LEDGER);
        if !path.exists() {
            return Ok(None);
        }
        SqliteLedger::open_to_read(&path).map(Some).map_err(ConsoleError::Ledger)
    }

    /// Where each tenant stands.
    pub fn summary(&self) -> Result<Summary, ConsoleError> {
        match self.ledger()? {
            Some(ledger) => ledger.summary().map_err(ConsoleError::Ledger),
            None => Ok(Summary::default()),
        }
    }

    /// The end of the log, as it is now.
    pub fn tail(&self) -> Result<MutexGuard<'_, Tail>, ConsoleError> {
        let directory = self.log_dir();
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.follow(&directory).map_err(ConsoleError::Log)?;
        Ok(tail)
    }

    pub fn log_dir(&self) -> PathBuf {
        log_dir(&self.settings().0)
    }

    /// Whether a daemon runs, as far as this process may know.
    pub fn is_running(&self) -> bool {
        daemon::is_running(&self.settings().0.state_dir)
    }

    /// Those whose uploads take nearly all that they may, a minute ago at most.
    pub fn full_inboxes(&self, settings: &Settings) -> Vec<FullInbox> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner).full(settings).to_vec()
    }

    /// Seconds since then.
    pub fn age(&self, since: Timestamp) -> i64 {
        self.clock.now().duration_since(since).as_secs()
    }

    /// The keys that lie beside the log.
    pub fn keys_beside(directory: &Path) -> Vec<VerifierKey> {
        let text = std::fs::read_to_string(directory.join(crate::transfer_log::KEYS)).unwrap_or_default();
        text.lines().filter_map(|line| VerifierKey::parse(line.trim()).ok()).collect()
    }
}
