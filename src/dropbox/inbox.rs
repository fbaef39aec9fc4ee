//! A tenant's inboxes: which upload has which name, and how far it has come.
//!
//! A name belongs to the tenant, an upload to the exchange from the moment that it is finished under a name that is
//! not temporary. Clients go on using the name for a while (stat, set times, delete before the next upload), so it
//! stays in listings until the session that wrote it has ended and the upload is answered.
//!
//! The states of an upload and all that changes them, but for renames ([`renaming`]), stand in one file, above the usual
//! length: each must be read beside the others.
//!
//! An upload is written by one session at a time, the newest that opened it (see [`super::held`]).

mod renaming;

use std::{
    collections::{BTreeMap, HashMap, btree_map},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use jiff::Timestamp;

use super::{
    Area, DropBoxError, Received, Submission,
    budget::MemoryShare,
    held::Hold,
    name::is_temporary,
    record::{self, Record},
    usage::{NoRoom, Usage},
    view::{Attributes, Denied, Entry, UploadMode},
};
use crate::{domain::TenantId, durable::Directory};

pub(super) use renaming::{Rename, Renamed, Step};

/// The inboxes of one tenant.
pub(super) struct Inbox {
    tenant: TenantId,
    directory: Directory,
    slots: Mutex<Slots>,
    /// What the uploads take on disk.
    pub usage: Usage,
    /// What they have of the memory for uploads in clear.
    pub memory: MemoryShare,
}

#[derive(Default)]
struct Slots {
    by_name: BTreeMap<(Area, String), Slot>,
    /// What the exchange has, or will take, and whose name went to another upload since.
    nameless: Vec<Slot>,
    /// With the place of each in the order in which they began.
    live_sessions: HashMap<String, u64>,
    begun_sessions: u64,
}

struct Slot {
    record: Record,
    state: State,
    session: String,
    /// The hold of the session that writes it.
    hold: Option<Hold>,
}

/// Who opens an upload to write.
pub(super) struct Opener<'a> {
    pub session: &'a str,
    pub hold: &'a Hold,
    /// What all uploads of the tenant may take on disk, bytes.
    pub inbox_bytes: u64,
}

impl Slots {
    fn all_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.by_name.values_mut().chain(&mut self.nameless)
    }

    /// Puts an upload in its place by what its record and the log say of it; what they differ in, the log decides, since
    /// nothing was confirmed that it does not have. What is settled or removed has no place.
    fn find_place(
        &mut self,
        mut record: Record,
        directory: &Directory,
        known: &impl Fn(&Record) -> Result<Known, DropBoxError>,
    ) -> Result<(), DropBoxError> {
        let mut state = State::Kept;
        match known(&record)? {
            Known::Settled => return Ok(()),
            Known::Removed => {
                erase(&record, directory);
                return Ok(());
            }
            _ if !record.closed => {}
            // Its close was never confirmed: it counts as broken off.
            Known::Nothing => record.closed = false,
            Known::Unfinished => {
                record.closed = is_temporary(&record.name) || record.undo_rename(directory, is_temporary)?;
            }
            Known::Waiting => {
                record.undo_rename(directory, |before| !is_temporary(before))?;
                state = State::Waiting;
            }
        }
        let key = (record.area, record.name.clone());
        let slot = Slot { record, state, session: String::new(), hold: None };
        // Of two with one name, the name is that of the one that its owner may go on with, or goes on with now.
        let replaced = match self.by_name.get(&key) {
            Some(other) if matches!(other.state, State::Writing | State::Kept) => Some(slot),
            _ => self.by_name.insert(key, slot),
        };
        self.nameless.extend(replaced);
        Ok(())
    }

    /// Whether a session has an upload whose temporary name is made of this one, as clients do that send a file beside
    /// the one of before, remove that and rename.
    fn is_replacing(&self, (area, name): &(Area, String), session: &str) -> bool {
        self.by_name.iter().any(|((of, other), slot)| {
            of == area
                && slot.session == session
                && is_temporary(other)
                && other != name
                && other.contains(name.as_str())
        })
    }

    /// Takes a name away. What the exchange has stays known: it may come back unanswered.
    fn take_name(&mut self, key: &(Area, String)) {
        let slot = self.by_name.remove(key);
        self.nameless.extend(slot.filter(|slot| slot.state == State::Taken));
    }
}

/// What the log knows of a finished submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: its close was never confirmed.
    Nothing,
    /// It was closed under a temporary name, or has one again.
    Unfinished,
    /// It waits for its answer.
    Waiting,
    /// It was answered or refused.
    Settled,
    /// Its owner removed or replaced it.
    Removed,
}

/// How far an upload has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A session has it open.
    Writing,
    /// Unfinished, or closed under a temporary name.
    Kept,
    /// Finished; the exchange has not begun.
    Waiting,
    /// The exchange has it.
    Taken,
    /// Answered or refused.
    Done,
}

/// How an upload begins.
pub(super) enum Beginning {
    /// A new one.
    New(Record),
    /// More of one that is kept.
    Resumed(Record),
    /// One that is finished: nothing can be written to it, but clients open it to look.
    Settled(Record),
}

/// Entries of one inbox at most, so that a tenant cannot fill memory and listings with names.
const MOST_ENTRIES: usize = 1000;

impl Inbox {
    /// Opens the inboxes of a tenant. `known` tells what the log knows of a finished submission.
    pub fn open(
        tenant: TenantId,
        directory: Directory,
        known: impl Fn(&Record) -> Result<Known, DropBoxError>,
    ) -> Result<Self, DropBoxError> {
        let mut slots = Slots::default();
        for record in record::load_all(&directory)? {
            slots.find_place(record, &directory, &known)?;
        }
        let usage = Usage::of(directory.clone())?;
        Ok(Self { tenant, directory, slots: Mutex::new(slots), usage, memory: MemoryShare::default() })
    }

    /// Takes in uploads of another tenant whose files were moved here. Gives those that wait.
    pub fn adopt(
        &self,
        ids: &[String],
        known: impl Fn(&Record) -> Result<Known, DropBoxError>,
    ) -> Result<Vec<Submission>, DropBoxError> {
        let mut slots = self.lock();
        for id in ids {
            if let Some(record) = record::load_one(&self.directory, id)? {
                slots.find_place(record, &self.directory, &known)?;
            }
            self.usage.measure(id);
        }
        let waiting = slots.all_mut().filter(|slot| slot.state == State::Waiting && ids.contains(&slot.record.id));
        Ok(waiting.map(|slot| self.submission(&slot.record.id)).collect())
    }

    /// Whether no session has it open, and the exchange has nothing of it.
    pub fn is_idle(&self) -> bool {
        let mut slots = self.lock();
        slots.live_sessions.is_empty()
            && slots.all_mut().all(|slot| !matches!(slot.state, State::Writing | State::Taken))
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn session_began(&self, session: &str) {
        let mut slots = self.lock();
        slots.begun_sessions += 1;
        let place = slots.begun_sessions;
        slots.live_sessions.insert(session.to_owned(), place);
    }

    pub fn session_ended(&self, session: &str) {
        let mut slots = self.lock();
        slots.live_sessions.remove(session);
        slots.by_name.retain(|_, slot| slot.state != State::Done || slot.session != session);
    }

    /// The hold of a session older than `session` on what is written under this name.
    pub fn held_by_older(&self, area: Area, name: &str, session: &str) -> Option<Hold> {
        let slots = self.lock();
        let slot = slots.by_name.get(&(area, name.to_owned())).filter(|slot| slot.state == State::Writing)?;
        let is_older = slots.live_sessions.get(&slot.session) < slots.live_sessions.get(session);
        slot.hold.clone().filter(|_| is_older)
    }

    /// The hold on what is written under this name.
    pub fn held(&self, area: Area, name: &str) -> Option<Hold> {
        self.lock().by_name.get(&(area, name.to_owned()))?.hold.clone()
    }

    pub fn attributes(&self, area: Area, name: &str) -> Option<Attributes> {
        self.lock().by_name.get(&(area, name.to_owned())).map(|slot| attributes(&slot.record))
    }

    pub fn list(&self, area: Area) -> Vec<Entry> {
        let slots = self.lock();
        let here = slots.by_name.iter().filter(|((of, _), _)| *of == area);
        here.map(|((_, name), slot)| Entry { name: name.clone(), attributes: attributes(&slot.record) }).collect()
    }

    /// Finished submissions that the exchange has not begun, for a start after a stop.
    pub fn waiting(&self) -> Vec<Submission> {
        let slots = self.lock();
        let all = slots.by_name.values().chain(&slots.nameless);
        let waiting = all.filter(|slot| slot.state == State::Waiting);
        waiting.map(|slot| self.submission(&slot.record.id)).collect()
    }

    pub fn submission(&self, id: &str) -> Submission {
        Submission { tenant: self.tenant.clone(), id: id.to_owned() }
    }

    /// Gives a name to an upload that begins or goes on. What had the name and was not taken yet goes when the client
    /// truncates it; `account` enters that in the log.
    pub fn begin(
        &self,
        area: Area,
        name: &str,
        mode: UploadMode,
        fresh: Record,
        opener: &Opener<'_>,
        account: impl Fn(&Record) -> Result<(), DropBoxError>,
    ) -> Result<Beginning, Denied> {
        let mut slots = self.lock();
        let key = (area, name.to_owned());
        let (session, hold) = (opener.session.to_owned(), Some(opener.hold.clone()));
        let slot = |record: Record| Slot { record, state: State::Writing, session, hold };
        let Slots { by_name, nameless, .. } = &mut *slots;
        let count = by_name.len();
        match by_name.get_mut(&key) {
            None if !mode.create => Err(Denied::NotFound),
            None if count >= MOST_ENTRIES => {
                Err(Denied::Limit(format!("te veel bestanden in de inbox (meer dan {MOST_ENTRIES})")))
            }
            None => {
                self.make_room(&fresh, opener)?;
                by_name.insert(key, slot(fresh.clone()));
                Ok(Beginning::New(fresh))
            }
            Some(_) if mode.exclusive => Err(Denied::Exists),
            Some(found) => match (found.state, mode.truncate) {
                (State::Writing, _) => Err(busy()),
                (State::Kept | State::Waiting, true) => {
                    self.make_room(&fresh, opener)?;
                    if let Err(denied) = self.discard(&found.record, account) {
                        self.usage.measure(&fresh.id);
                        return Err(denied);
                    }
                    *found = slot(fresh.clone());
                    Ok(Beginning::New(fresh))
                }
                (State::Taken | State::Done, true) => {
                    self.make_room(&fresh, opener)?;
                    let before = std::mem::replace(found, slot(fresh.clone()));
                    nameless.extend(Some(before).filter(|before| before.state == State::Taken));
                    Ok(Beginning::New(fresh))
                }
                (State::Kept, false) => {
                    *found = slot(found.record.clone());
                    Ok(Beginning::Resumed(found.record.clone()))
                }
                (State::Waiting | State::Taken | State::Done, false) => Ok(Beginning::Settled(found.record.clone())),
            },
        }
    }

    /// Counts a new upload, if there is room for it.
    fn make_room(&self, fresh: &Record, opener: &Opener<'_>) -> Result<(), Denied> {
        self.usage.grow(&fresh.id, fresh.size, opener.inbox_bytes).map_err(NoRoom::denied)
    }

    /// The size that listings show while an upload is written.
    pub fn progress(&self, record: &Record, size: u64, modified: Timestamp) {
        if let Some(slot) = self.own(&mut self.lock(), record) {
            slot.record.size = size;
            slot.record.modified = modified;
        }
    }

    /// An upload is no longer open, and on disk as `record` says. True when it is finished and waits.
    pub fn settle(&self, record: &Record) -> bool {
        let mut slots = self.lock();
        let Some(slot) = self.own(&mut slots, record) else { return false };
        (slot.record, slot.hold) = (record.clone(), None);
        let waits = record.closed && !is_temporary(&record.name);
        slot.state = if waits { State::Waiting } else { State::Kept };
        waits
    }

    /// An upload is gone.
    pub fn forget(&self, record: &Record) {
        let mut slots = self.lock();
        if self.own(&mut slots, record).is_some() {
            slots.by_name.remove(&(record.area, record.name.clone()));
        }
    }

    #[expect(clippy::unused_self, reason = "the slots are those of this inbox")]
    fn own<'a>(&self, slots: &'a mut MutexGuard<'_, Slots>, record: &Record) -> Option<&'a mut Slot> {
        slots.by_name.get_mut(&(record.area, record.name.clone())).filter(|slot| slot.record.id == record.id)
    }

    /// An upload goes by its owner's hand. Logged first: a stop after a deletion would leave a submission that the log
    /// waits for and nobody has. Once it is in the log it is gone, whatever the disk says.
    fn discard(&self, record: &Record, account: impl Fn(&Record) -> Result<(), DropBoxError>) -> Result<(), Denied> {
        account(record).map_err(unavailable)?;
        erase(record, &self.directory);
        self.usage.measure(&record.id);
        Ok(())
    }

    /// Takes an upload away that is refused: nothing of it stays.
    pub fn refuse(&self, record: &Record) {
        if let Err(error) = record.delete(&self.directory) {
            tracing::error!(error = &error as &dyn std::error::Error, "could not remove a refused upload");
        }
        self.usage.measure(&record.id);
        self.forget(record);
    }

    /// Removes an upload that was not taken, which `account` enters in the log. Of one that was, the name goes only where
    /// the session is about to give it to another upload that it has under a temporary name; else that its owner takes it
    /// back is refused, since it is answered all the same.
    pub fn remove(
        &self,
        area: Area,
        name: &str,
        session: &str,
        account: impl Fn(&Record) -> Result<(), DropBoxError>,
    ) -> Result<(), Denied> {
        let mut slots = self.lock();
        let key = (area, name.to_owned());
        let slot = slots.by_name.get(&key).ok_or(Denied::NotFound)?;
        match slot.state {
            State::Writing => return Err(busy()),
            State::Kept | State::Waiting => self.discard(&slot.record, account)?,
            State::Taken | State::Done if slots.is_replacing(&key, session) => {}
            State::Taken | State::Done => {
                return Err(Denied::Refused("de lijst is al verwerkt; zie /outbox".to_owned()));
            }
        }
        slots.take_name(&key);
        Ok(())
    }

    /// Uploads that broke off or have a temporary name, and that nobody went on with since that moment, by the time that
    /// the disk keeps: the one that listings show is the tenant's to set.
    pub fn stale(&self, before: SystemTime) -> Vec<Record> {
        let slots = self.lock();
        let kept = slots.by_name.values().chain(&slots.nameless).filter(|slot| slot.state == State::Kept);
        kept.filter(|slot| self.is_stale(&slot.record, before)).map(|slot| slot.record.clone()).collect()
    }

    /// Removes such an upload, which `account` enters in the log; not one that somebody goes on with now, or has gone on with
    /// since it was found.
    pub fn remove_stale(
        &self,
        id: &str,
        before: SystemTime,
        account: impl FnOnce(&Record) -> Result<(), DropBoxError>,
    ) -> Result<(), DropBoxError> {
        let mut slots = self.lock();
        let found = slots.all_mut().find(|slot| slot.record.id == id && slot.state == State::Kept);
        let Some(record) = found.map(|slot| slot.record.clone()).filter(|record| self.is_stale(record, before)) else {
            return Ok(());
        };
        account(&record)?;
        let removed = record.delete(&self.directory);
        self.usage.measure(&record.id);
        // Also where the disk fails: the log says that it is gone, so nobody may go on with it.
        slots.by_name.retain(|_, slot| slot.record.id != record.id);
        slots.nameless.retain(|slot| slot.record.id != record.id);
        removed
    }

    fn is_stale(&self, record: &Record, before: SystemTime) -> bool {
        record.written_at(&self.directory).is_some_and(|at| at < before)
    }

    /// The time that listings show of what nobody writes.
    pub fn set_modified(&self, area: Area, name: &str, modified: Timestamp) -> Result<(), Denied> {
        let mut slots = self.lock();
        let slot = slots.by_name.get_mut(&(area, name.to_owned())).ok_or(Denied::NotFound)?;
        slot.record.modified = modified;
        match slot.state {
            State::Kept | State::Waiting => slot.record.save(&self.directory).map_err(unavailable),
            State::Writing | State::Taken | State::Done => Ok(()),
        }
    }

    /// Where a finished submission came to; none when it does not wait to be taken.
    pub fn area_of(&self, id: &str) -> Option<Area> {
        let mut slots = self.lock();
        let slot = slots.all_mut().find(|slot| slot.record.id == id && slot.state == State::Waiting)?;
        Some(slot.record.area)
    }

    /// Takes a finished submission; none when its owner removed it since.
    pub fn take(&self, id: &str) -> Option<Received> {
        let mut slots = self.lock();
        let slot = slots.all_mut().find(|slot| slot.record.id == id && slot.state == State::Waiting)?;
        slot.state = State::Taken;
        let record = slot.record.clone();
        Some(Received::new(self.submission(id), record, self.directory.clone()))
    }

    /// The exchange gives a submission back unanswered: it will be offered again. It has the name again under which it was
    /// accepted, the one that the log knows: while it was taken, a rename changed the listing only.
    pub fn give_back(&self, id: &str) {
        let mut slots = self.lock();
        for slot in slots.all_mut().filter(|slot| slot.record.id == id && slot.state == State::Taken) {
            slot.state = State::Waiting;
        }
        let renamed = |((_, name), slot): (&(Area, String), &Slot)| slot.record.id == id && slot.record.name != *name;
        let Some(listed) = slots.by_name.iter().find(|entry| renamed(*entry)).map(|(key, _)| key.clone()) else {
            return;
        };
        if let Some(slot) = slots.by_name.remove(&listed) {
            let accepted = (slot.record.area, slot.record.name.clone());
            match slots.by_name.entry(accepted) {
                btree_map::Entry::Vacant(free) => _ = free.insert(slot),
                btree_map::Entry::Occupied(_) => slots.nameless.push(slot),
            }
        }
    }

    /// A submission was answered or refused.
    pub fn done(&self, id: &str) {
        let mut slots = self.lock();
        for slot in slots.all_mut() {
            if slot.record.id == id {
                slot.state = State::Done;
            }
        }
        let Slots { by_name, nameless, live_sessions, .. } = &mut *slots;
        nameless.retain(|slot| slot.state != State::Done);
        by_name.retain(|_, slot| slot.state != State::Done || live_sessions.contains_key(&slot.session));
    }
}

/// Removes what the log says is gone; the next start does it where the disk fails.
fn erase(record: &Record, directory: &Directory) {
    if let Err(error) = record.delete(directory) {
        tracing::error!(error = &error as &dyn std::error::Error, "a removed upload is still on disk");
    }
}

/// What who comes to an upload is told while it is another's.
fn busy() -> Denied {
    Denied::Forbidden("dit bestand wordt nog geschreven")
}

fn attributes(record: &Record) -> Attributes {
    Attributes { directory: false, size: record.size, modified: record.modified, writable: true }
}

/// What a client is told of a fault of this side; the operator's log gets the rest.
#[expect(clippy::needless_pass_by_value, reason = "it is the end of the error, given to map_err")]
pub(super) fn unavailable(error: DropBoxError) -> Denied {
    tracing::error!(error = &error as &dyn std::error::Error, "drop-box failed");
    Denied::Unavailable
}

#[cfg(test)]
mod tests;
