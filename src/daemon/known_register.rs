//! What the log tells of the register in use, for processes that do not ask the daemon.

use jiff::Timestamp;

use super::mail::Phrases;
use crate::{
    config::Language,
    transfer_log::{Event, StoredEntry},
};

/// What the newest entries of the log say of the register.
#[derive(Debug, Clone, Default)]
pub struct KnownRegister {
    /// The one in use.
    pub in_use: InUse,
    /// When one was last refused and why, if none was loaded since.
    pub refused: Option<(Timestamp, WhyRefused)>,
}

/// Why a register was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyRefused {
    /// The code of the log.
    code: String,
    line: Option<u64>,
    column: Option<u64>,
}

impl WhyRefused {
    /// As mail tells it.
    pub fn in_words(&self, language: Language) -> String {
        Phrases(language).register(&self.code, self.line, self.column)
    }
}

/// The register in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum InUse {
    /// Nothing is said of it: the daemon loaded it longer ago than the entries reach.
    #[default]
    Untold,
    /// The daemon started, and loaded none since.
    Missing,
    /// It was loaded.
    Loaded {
        /// Its month, of the form `yyyy-mm`.
        month: String,
        /// Its rows.
        rows: u64,
    },
}

/// What a register needs of those who run the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterNeed {
    /// One was refused.
    Refused {
        /// When.
        at: Timestamp,
        /// Whether another is in use, as far as is known: else lists wait.
        others: bool,
        /// Why.
        why: WhyRefused,
    },
    /// None was loaded: lists wait.
    Missing,
}

impl KnownRegister {
    /// Takes in the next entry.
    pub fn take(&mut self, entry: &StoredEntry) {
        match &entry.event {
            Event::RegisterLoaded(loaded) => {
                self.in_use = InUse::Loaded { month: loaded.month.clone(), rows: loaded.rows };
                self.refused = None;
            }
            Event::LogStarted(_) => self.in_use = InUse::Missing,
            Event::RegisterRefused(refused) => {
                let code = entry.reason.clone().unwrap_or_default();
                self.refused = Some((entry.at, WhyRefused { code, line: refused.line, column: refused.column }));
            }
            _ => {}
        }
    }

    /// What it needs, while a daemon runs or not.
    pub fn need(&self, running: bool) -> Option<RegisterNeed> {
        let missing = running && self.in_use == InUse::Missing;
        match &self.refused {
            Some((at, why)) => Some(RegisterNeed::Refused { at: *at, others: !missing, why: why.clone() }),
            None => missing.then_some(RegisterNeed::Missing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::{LogStarted, Outcome, RegisterLoaded, RegisterRefused, support};

    #[test]
    fn what_was_told_last_of_it_counts() {
        let at: Timestamp = "2026-11-22T09:13:00Z".parse().unwrap();
        let mut known = KnownRegister::default();
        let mut take = |event| {
            let (context, software) = (support::context(), String::new());
            let (reason, digests, bytes) = (Some("sealed".to_owned()), Vec::new(), Vec::new());
            let outcome = Outcome::Success;
            known.take(&StoredEntry { seq: 0, at, outcome, reason, event, context, software, digests, bytes });
            (known.need(true), known.need(false))
        };
        let started = || Event::LogStarted(LogStarted { size: 0, previous_checkpoint: None });
        let loaded = RegisterLoaded { month: "2026-10".to_owned(), rows: 7, source_sha256: String::new() };
        let refused = RegisterRefused { line: None, column: None, source_sha256: String::new() };
        let why = WhyRefused { code: "sealed".to_owned(), line: None, column: None };
        assert_eq!(why.in_words(Language::English), "the file does not open with the key");
        let refusal = |others| Some(RegisterNeed::Refused { at, others, why: why.clone() });
        assert_eq!(take(started()), (Some(RegisterNeed::Missing), None), "nobody waits where no daemon runs");
        assert_eq!(take(Event::RegisterRefused(refused)), (refusal(false), refusal(true)));
        assert_eq!(take(started()), (refusal(false), refusal(true)));
        assert_eq!(take(Event::RegisterLoaded(loaded)), (None, None));
    }
}
