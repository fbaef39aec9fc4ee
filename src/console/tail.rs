//! The last entries of the log, kept in memory and followed, so that no page reads the whole log.

use std::{collections::VecDeque, path::Path};

use jiff::Timestamp;

use crate::{
    daemon::KnownRegister,
    domain::TenantId,
    transfer_log::{Event, LogError, Newest, Outcome, Stage, StoredEntry},
};

/// Entries that are kept, at most: a quiet month, or a day on which every local authority exchanges. A few megabytes.
const MOST: u64 = 20_000;

/// What pages show of an entry. No digests, no sessions: these say nothing to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub seq: u64,
    pub at: Timestamp,
    pub event: &'static str,
    pub outcome: Outcome,
    pub reason: Option<String>,
    pub tenant: Option<TenantId>,
    pub protocol: Option<String>,
    pub key: Option<String>,
    /// The file, rule, assignment or month that it is about.
    pub about: String,
    pub is: Kind,
}

/// What of it pages look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ListRefused,
    Held,
    LoginRefused,
    Other,
}

/// The end of a log.
#[derive(Debug)]
pub(super) struct Tail {
    rows: VecDeque<Row>,
    /// The register in use.
    pub register: KnownRegister,
    /// Whether all of it could be read.
    pub is_readable: bool,
    newest: Newest,
}

impl Default for Tail {
    fn default() -> Self {
        Self { rows: VecDeque::new(), register: KnownRegister::default(), is_readable: true, newest: Newest::default() }
    }
}

impl Tail {
    /// Takes in what is new.
    pub fn follow(&mut self, log: &Path) -> Result<(), LogError> {
        let news = self.newest.look(log, MOST)?;
        if news.afresh {
            self.rows.clear();
            self.register = KnownRegister::default();
            self.is_readable = true;
        }
        for entry in news {
            let Ok(entry) = entry else {
                self.is_readable = false;
                continue;
            };
            self.register.take(&entry);
            self.rows.push_back(Row::of(&entry));
            if self.rows.len() as u64 > MOST {
                self.rows.pop_front();
            }
        }
        Ok(())
    }

    /// Newest first.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().rev()
    }

    /// Entries of the log.
    pub fn size(&self) -> u64 {
        self.newest.size()
    }

    /// The time of the first entry that is kept.
    pub fn since(&self) -> Option<Timestamp> {
        self.rows.front().map(|row| row.at)
    }
}

impl Row {
    fn of(entry: &StoredEntry) -> Self {
        let is = match &entry.event {
            Event::ListRefused(_) => Kind::ListRefused,
            // What is held back of a list is told by the list's refusal.
            Event::PolicyRefused(refused) if refused.stage == Stage::Delivery => Kind::Held,
            Event::LoginRefused(_) => Kind::LoginRefused,
            _ => Kind::Other,
        };
        let context = &entry.context;
        Self {
            seq: entry.seq,
            at: entry.at,
            event: entry.event.name(),
            outcome: entry.outcome,
            reason: entry.reason.clone(),
            tenant: context.tenant.clone(),
            protocol: context.protocol.as_ref().map(ToString::to_string),
            key: context.key.clone(),
            about: about(&entry.event),
            is,
        }
    }
}

/// What an entry is about, in a few words that identify nobody.
fn about(event: &Event) -> String {
    match event {
        Event::ListRefused(refused) => refused.file.clone(),
        Event::DeliveryCreated(created) => created.file.clone(),
        Event::PolicyRefused(refused) => refused.rule.clone(),
        Event::AssignmentSimulated(simulated) => simulated.assignment.clone(),
        Event::AssignmentRun(run) => run.assignment.clone(),
        Event::RegisterLoaded(loaded) => loaded.month.clone(),
        Event::ListAnswered(answered) => format!("{} → {}", answered.rows, answered.entitled),
        Event::DisclosureOpened(opened) => opened.motive.clone(),
        Event::Erased(erased) => erased.month.clone(),
        Event::GroundOpened(changed) | Event::GroundClosed(changed) => {
            format!("{} – {}", changed.valid_from, changed.valid_until)
        }
        _ => String::new(),
    }
}
