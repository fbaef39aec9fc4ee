//! Renames within an inbox: whole or not at all, on disk, in the log and for who looks.

use super::{
    Area, Denied, DropBoxError, Inbox, Record, Slots, State, Submission, busy, erase, is_temporary, unavailable,
};

/// Which name goes to which.
#[derive(Clone, Copy)]
pub struct Rename<'a> {
    pub area: Area,
    pub from: &'a str,
    pub to: &'a str,
    /// Whether it may take the place of another upload.
    pub replace: bool,
}

/// What the log is told of a rename, before anybody sees it.
pub enum Step<'a> {
    /// The upload has its new name, and what had that before goes.
    Renamed { record: &'a Record, before: &'a str, replaced: Option<&'a Record> },
    /// An upload goes: it cannot be taken under its new name, or its name is another's in listings.
    Gone(&'a Record),
}

/// What came of a rename.
#[derive(Debug, PartialEq, Eq)]
pub enum Renamed<F> {
    /// It has its new name, in listings at least, and there is nothing more to do.
    Done,
    /// It is finished by that, and waits for the exchange.
    Finished(Submission),
    /// It could not be taken under its new name. One that had a temporary name is gone; one that was accepted before has
    /// the name that it had.
    Refused { record: Record, fault: F, is_gone: bool },
}

impl Inbox {
    /// Renames within an inbox. Of what the exchange has already, only the listing changes.
    ///
    /// Nobody comes to the inbox meanwhile: nothing is added to an upload once the log calls it finished. `judge` says what
    /// speaks against an upload under its new name, and every such reason comes before the first change, that to what had
    /// the name included; `account` enters what is done in the log.
    pub fn rename<F>(
        &self,
        names: Rename<'_>,
        judge: impl FnOnce(&Record) -> Option<F>,
        account: impl FnOnce(Step<'_>) -> Result<(), DropBoxError>,
    ) -> Result<Renamed<F>, Denied> {
        let Rename { area, from, to, replace } = names;
        let mut slots = self.lock();
        let (old, new) = ((area, from.to_owned()), (area, to.to_owned()));
        let source = slots.by_name.get(&old).ok_or(Denied::NotFound)?;
        if old == new {
            return Ok(Renamed::Done);
        }
        let listing_only = match source.state {
            State::Writing => return Err(busy()),
            State::Taken | State::Done => true,
            State::Kept | State::Waiting => false,
        };
        if !listing_only && !is_temporary(to) && !source.record.closed {
            let text = "de upload brak af en is niet volledig; stuur het bestand opnieuw";
            return Err(Denied::Refused(text.to_owned()));
        }
        let target = slots.by_name.get(&new);
        match target.map(|target| target.state) {
            Some(_) if !replace => return Err(Denied::Exists),
            Some(State::Writing) => return Err(busy()),
            Some(State::Kept | State::Waiting | State::Taken | State::Done) | None => {}
        }
        let replaced = target.filter(|target| matches!(target.state, State::Kept | State::Waiting));
        let replaced = replaced.map(|target| target.record.clone());
        if listing_only {
            replaced.as_ref().map_or(Ok(()), |gone| account(Step::Gone(gone))).map_err(unavailable)?;
        } else {
            let mut record = source.record.clone();
            let renamed = Record { name: to.to_owned(), renamed_from: Some(from.to_owned()), ..record.clone() };
            if let Some(fault) = judge(&renamed) {
                return self.refuse_name(&mut slots, &old, renamed, fault, account);
            }
            let done = self.rename_on_disk(&mut record, renamed, replaced.as_ref(), account);
            if let Some(slot) = slots.by_name.get_mut(&old) {
                slot.record = record;
            }
            done?;
        }
        if let Some(replaced) = replaced {
            erase(&replaced, &self.directory);
            self.usage.measure(&replaced.id);
        }
        slots.take_name(&new);
        let mut slot = slots.by_name.remove(&old).ok_or(Denied::NotFound)?;
        if !listing_only {
            slot.state = if slot.record.closed && !is_temporary(to) { State::Waiting } else { State::Kept };
        }
        let finished = !listing_only && slot.state == State::Waiting;
        let outcome = if finished { Renamed::Finished(self.submission(&slot.record.id)) } else { Renamed::Done };
        slots.by_name.insert(new, slot);
        Ok(outcome)
    }

    /// Gives a record its new name, on disk and then in the log; where the log does not take that, it has its name again.
    fn rename_on_disk(
        &self,
        record: &mut Record,
        renamed: Record,
        replaced: Option<&Record>,
        account: impl FnOnce(Step<'_>) -> Result<(), DropBoxError>,
    ) -> Result<(), Denied> {
        renamed.save(&self.directory).map_err(unavailable)?;
        let is_between_final_names = !is_temporary(&record.name) && !is_temporary(&renamed.name);
        let accounted = account(Step::Renamed { record: &renamed, before: &record.name, replaced });
        if accounted.is_ok() {
            *record = renamed;
        } else {
            // Should the log have the rename after all (nobody knows after some faults), the next start does it.
            record.renamed_from = Some(renamed.name);
        }
        if is_between_final_names {
            // What the log knows does not tell whether it has this one: a start undoes it where this is not on disk.
            record.renamed_from = None;
        }
        if (accounted.is_err() || is_between_final_names)
            && let Err(error) = record.save(&self.directory)
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the next start undoes a rename");
        }
        accounted.map_err(unavailable)
    }

    /// It has the name that it had, or goes, if that was temporary.
    fn refuse_name<F>(
        &self,
        slots: &mut Slots,
        before: &(Area, String),
        record: Record,
        fault: F,
        account: impl FnOnce(Step<'_>) -> Result<(), DropBoxError>,
    ) -> Result<Renamed<F>, Denied> {
        let is_gone = is_temporary(&before.1);
        if is_gone && let Some(slot) = slots.by_name.get(before) {
            account(Step::Gone(&slot.record)).map_err(unavailable)?;
            erase(&slot.record, &self.directory);
            self.usage.measure(&slot.record.id);
            slots.by_name.remove(before);
        }
        Ok(Renamed::Refused { record, fault, is_gone })
    }
}
