//! Verifying the whole log on demand: as `audit verify` does, one at a time, behind the back of who asked.

use std::{
    error::Error,
    panic::catch_unwind,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use jiff::Timestamp;

use super::site::Site;
use crate::{
    durable::Clock,
    transfer_log::{self, VerifierKey, VerifyFault},
};

/// Faults that are shown; `audit verify` shows all.
const MOST_SHOWN: usize = 20;

/// What is known of the log's soundness.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Since when it is being verified.
    pub running: Option<Timestamp>,
    /// How the last time ended.
    pub last: Option<Outcome>,
}

/// How verifying ended.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub at: Timestamp,
    pub seconds: u64,
    pub result: Result<Sound, Vec<String>>,
    /// Whether the keys were given to the console, and not only found beside the log.
    pub own_keys: bool,
}

/// A log that verifies.
#[derive(Debug, Clone)]
pub(super) struct Sound {
    pub origin: String,
    pub entries: u64,
    pub root: String,
    pub unsigned: u64,
}

/// Verifies, and remembers.
pub(super) struct Verification {
    keys: Vec<VerifierKey>,
    known: Arc<Mutex<Known>>,
}

impl Verification {
    /// With these keys; with none, those beside the log are taken.
    pub fn new(keys: Vec<VerifierKey>) -> Self {
        Self { keys, known: Arc::default() }
    }

    pub fn known(&self) -> Known {
        lock(&self.known).clone()
    }

    /// Begins, unless it is under way.
    pub fn start(&self, log: &Path, clock: &Clock) {
        let mut known = lock(&self.known);
        if known.running.is_some() {
            return;
        }
        known.running = Some(clock.now());
        drop(known);
        let own_keys = !self.keys.is_empty();
        let keys = if own_keys { self.keys.clone() } else { Site::keys_beside(log) };
        let (to, log, clock) = (Arc::clone(&self.known), log.to_owned(), clock.clone());
        let verifying = std::thread::Builder::new().name("verify".to_owned()).spawn(move || {
            let began = Instant::now();
            // A panic would leave it under way for ever.
            let result = catch_unwind(|| verify(&log, &keys))
                .unwrap_or_else(|_| Err(vec!["verifying it ended by a fault of the program".to_owned()]));
            let outcome = Outcome { at: clock.now(), seconds: began.elapsed().as_secs(), result, own_keys };
            *lock(&to) = Known { running: None, last: Some(outcome) };
        });
        if let Err(error) = verifying {
            tracing::error!(%error, "the log cannot be verified: there is no thread for it");
            lock(&self.known).running = None;
        }
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn verify(log: &Path, keys: &[VerifierKey]) -> Result<Sound, Vec<String>> {
    let Some(key) = transfer_log::signer(log, keys).or(keys.first()) else {
        return Err(vec!["there is no public key to verify with".to_owned()]);
    };
    match transfer_log::verify(log, key) {
        Ok(verified) => Ok(Sound {
            origin: key.name().to_owned(),
            entries: verified.checkpoint.size,
            root: hex::encode(verified.checkpoint.root),
            unsigned: verified.unsigned,
        }),
        Err(faults) => Err(faults.iter().take(MOST_SHOWN).map(told).collect()),
    }
}

fn told(fault: &VerifyFault) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
