//! The outbox: mails that a server has yet to take, on disk and in memory.
//!
//! Mails are put in by turns. A turn's mails count once the mark says that the turn is over; those of a turn that was
//! cut off are removed at the next start, when the same news makes them again. So what was read of the log, the day of
//! the last look and the mails that came of both are there together or not at all.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::super::kept::{KeptError, KeptFiles};
use crate::{
    domain::TenantId,
    durable::{Directory, DurableError},
    transfer_log::MailTopic,
};

/// Mails in the outbox, at most: some days of all of Flanders while the server is away.
pub(super) const MOST_MAILS: usize = 2_000;

/// A mail, bytes at most: its lines are bounded, and so are the addresses of a tenant's file.
pub(super) const LONGEST_MAIL_BYTES: u64 = 256 << 10;

/// A mark, bytes at most: two numbers, three days, an origin of 255 bytes, and the conditions that were told, some 100
/// bytes each.
const LONGEST_MARK_BYTES: u64 = 256 << 10;

/// Conditions that a mark may hold, at most: all of Flanders with a full inbox, three times.
pub(super) const MOST_CONDITIONS: usize = 1_000;

/// Where the mark is.
const MARK: &str = "mark.json";

/// What the names of mails end in.
const MAIL_ENDING: &str = ".mail.age";

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// Turns that are over.
    pub turn: u64,
    /// The log that was followed.
    pub origin: String,
    /// Entries of it that were read.
    pub size: u64,
    /// The day of the last look at what time brings about, in Brussels.
    pub looked: Option<Date>,
    /// The day on which a failure of the log was last told.
    pub failure_told: Option<Date>,
    /// The day on which a nearly full disk was last told.
    #[serde(default)]
    pub disk_told: Option<Date>,
    /// Conditions that were told and have not ended since, each with the last day on which it was so.
    #[serde(default)]
    pub told: BTreeMap<String, Date>,
}

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Queued {
    /// The left part of its `Message-ID`, 32 hexadecimal digits.
    pub id: String,
    /// The turn that it is of.
    pub turn: u64,
    /// The tenant whose contacts it is for; none for those who run the exchange.
    #[serde(default, with = "tenant_as_text")]
    pub tenant: Option<TenantId>,
    /// What it tells of.
    pub topics: Vec<MailTopic>,
    /// Those who have yet to get it.
    pub to: Vec<Recipient>,
    pub subject: String,
    pub body: String,
    /// When it was written.
    pub written: Timestamp,
}

/// Somebody who has yet to get a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipient {
    pub address: String,
    /// Whether it is being handed over for this address: from here on it may have been taken.
    pub in_flight: bool,
}

/// The outbox.
pub(super) struct Outbox {
    directory: Directory,
    files: KeptFiles,
    most: usize,
    shelf: Mutex<Shelf>,
    changed: Condvar,
}

#[derive(Default)]
struct Shelf {
    /// Mails of turns that are over, by name.
    mails: BTreeMap<String, Waiting>,
    /// Mails of the turn that is under way.
    coming: Vec<Queued>,
    ended: bool,
}

struct Waiting {
    mail: Queued,
    attempts: u32,
    not_before: Option<Instant>,
}

impl Outbox {
    /// Opens the outbox, for `most` mails, and removes what was cut off in the middle of a turn.
    ///
    /// # Errors
    /// The disk's. A mail that does not open is put aside in the log of ops and removed.
    pub fn open(directory: Directory, files: KeptFiles, most: usize) -> Result<Self, DurableError> {
        let outbox = Self { directory, files, most, shelf: Mutex::default(), changed: Condvar::new() };
        let over = outbox.mark().map_or(0, |mark| mark.turn);
        for name in outbox.directory.names()?.into_iter().filter(|name| is_mail(name)) {
            match outbox.read(&name) {
                Some(mail) if mail.turn <= over => outbox.shelve(mail),
                Some(_) => outbox.directory.remove_if_there(&name)?,
                None => {
                    tracing::error!(name, "a mail of the outbox cannot be read and is dropped");
                    outbox.directory.remove_if_there(&name)?;
                }
            }
        }
        outbox.directory.sync()?;
        Ok(outbox)
    }

    /// How far it was at the end of the last turn; none before the first.
    pub fn mark(&self) -> Option<Mark> {
        let bytes = self.directory.read(MARK, LONGEST_MARK_BYTES).ok().flatten()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Puts a mail in, of the turn that is under way. One that does not fit any more is dropped.
    ///
    /// # Errors
    /// The disk's; the turn must not be ended then.
    pub fn put(&self, mail: Queued) -> Result<(), KeptError> {
        let full = {
            let shelf = self.shelf();
            shelf.mails.len() + shelf.coming.len() >= self.most
        };
        if full {
            let tenant = mail.tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
            tracing::error!(mail = mail.id, tenant, most = self.most, "the outbox is full: a mail is dropped");
            return Ok(());
        }
        self.write(&mail)?;
        self.shelf().coming.push(mail);
        Ok(())
    }

    /// Puts a mail in beside any turn, on disk if it can be. It counts at once.
    pub fn put_urgent(&self, mail: Queued) {
        if let Err(error) = self.write(&mail) {
            tracing::error!(error = &error as &dyn std::error::Error, "a mail is in memory only");
        }
        self.shelve(mail);
    }

    /// The mail that tells of a failed log, if there is one that nobody began to hand over.
    pub fn urgent(&self) -> Option<Queued> {
        let shelf = self.shelf();
        let mut mails = shelf.mails.values().map(|waiting| &waiting.mail);
        let waits = |mail: &&Queued| mail.topics == [MailTopic::Log] && mail.to.iter().all(|to| !to.in_flight);
        mails.rfind(waits).cloned()
    }

    /// Ends a turn: from here on its mails are there, and what they came of was read.
    ///
    /// # Errors
    /// The disk's; the turn's mails are then forgotten, to be made again.
    pub fn end_turn(&self, mark: &Mark) -> Result<(), DurableError> {
        let bytes = serde_json::to_vec(mark).unwrap_or_default();
        let written = self.directory.write(MARK, &bytes);
        let coming = std::mem::take(&mut self.shelf().coming);
        if written.is_ok() {
            for mail in coming {
                self.shelve(mail);
            }
            self.changed.notify_all();
        }
        written
    }

    /// Forgets the mails of a turn that could not be ended.
    pub fn give_up_turn(&self) {
        for mail in std::mem::take(&mut self.shelf().coming) {
            if let Err(error) = self.directory.remove_if_there(&name_of(&mail)) {
                tracing::warn!(error = &error as &dyn std::error::Error, "a mail that counts for nothing stays");
            }
        }
    }

    /// Waits for a mail that may be tried now; none after `patience`, or once the outbox has ended.
    pub fn next(&self, patience: Duration) -> Option<(Queued, u32)> {
        let until = Instant::now() + patience;
        let mut shelf = self.shelf();
        loop {
            let now = Instant::now();
            if shelf.ended || now >= until {
                return None;
            }
            let due = |waiting: &&Waiting| waiting.not_before.is_none_or(|at| at <= now);
            // The one that was tried least goes first, so that none holds up the others.
            let next = shelf.mails.values().filter(due).min_by_key(|waiting| waiting.attempts);
            if let Some(waiting) = next {
                return Some((waiting.mail.clone(), waiting.attempts));
            }
            let wakes = shelf.mails.values().filter_map(|waiting| waiting.not_before).min();
            let wait = wakes.map_or(until, |at| at.min(until)).saturating_duration_since(now);
            let waited = self.changed.wait_timeout(shelf, wait).unwrap_or_else(PoisonError::into_inner);
            shelf = waited.0;
        }
    }

    /// Notes for whom a mail is being handed over. Only when this is on disk may the server get it.
    ///
    /// # Errors
    /// The disk's; nothing is noted then, neither on disk nor in memory, and nobody may get it.
    pub fn begin(&self, mail: Queued) -> Result<(), KeptError> {
        self.write(&mail)?;
        if let Some(waiting) = self.shelf().mails.get_mut(&name_of(&mail)) {
            waiting.mail = mail;
        }
        Ok(())
    }

    /// Keeps what is left to do for a mail, and when it may be tried again; it is removed when nobody is left.
    ///
    /// # Errors
    /// The disk's; what was on disk before stays. In memory it is as given, since that is what was done: what the disk
    /// says of being handed over is more than is left, so that nothing is sent twice after a restart.
    pub fn keep(&self, mail: Queued, attempts: u32, not_before: Option<Instant>) -> Result<(), KeptError> {
        let name = name_of(&mail);
        if mail.to.is_empty() {
            self.shelf().mails.remove(&name);
            let removed = self.directory.remove_if_there(&name).and_then(|()| self.directory.sync());
            return removed.map_err(KeptError::File);
        }
        let written = self.write(&mail);
        self.shelf().mails.insert(name, Waiting { mail, attempts, not_before });
        written
    }

    /// Wakes who waits for a mail, for good.
    pub fn end(&self) {
        self.shelf().ended = true;
        self.changed.notify_all();
    }

    fn shelve(&self, mail: Queued) {
        let waiting = Waiting { attempts: 0, not_before: None, mail };
        self.shelf().mails.insert(name_of(&waiting.mail), waiting);
    }

    fn read(&self, name: &str) -> Option<Queued> {
        let bytes = self.files.read(name, LONGEST_MAIL_BYTES).ok().flatten()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn write(&self, mail: &Queued) -> Result<(), KeptError> {
        self.files.write(&name_of(mail), &serde_json::to_vec(mail).unwrap_or_default())
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Each change under the lock is one step.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a name in the outbox's directory is a mail's.
pub(super) fn is_mail(name: &str) -> bool {
    name.ends_with(MAIL_ENDING)
}

fn name_of(mail: &Queued) -> String {
    format!("{}{MAIL_ENDING}", mail.id)
}

mod tenant_as_text {
    //! A tenant's name as text, or nothing.

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use crate::domain::TenantId;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub fn serialize<S: Serializer>(tenant: &Option<TenantId>, serializer: S) -> Result<S::Ok, S::Error> {
        tenant.as_ref().map(TenantId::as_str).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TenantId>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
