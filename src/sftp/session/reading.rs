//! Answering readers: from memory or the page cache at once, by a job where the disk must be waited for.

use std::{io, sync::Arc};

use super::{
    Broken, Done, ENTRIES_PER_REPLY, FETCH_BYTES, Hashing, MOST_FETCHES, REQUEST_COST, Reading, Session,
    checks::{CheckOf, ToCheck},
};
use crate::{
    dropbox::view::Denied,
    sftp::{
        ending::Ending,
        handles::{Ask, NotNow, OpenFile, Reader, Source, fill},
        listing::wire_attributes,
        operations::{refuse, wrong_handle},
        status::text,
        wire::LONGEST_PAYLOAD,
    },
};

impl Session {
    /// Answers readers until the batch is full.
    pub(super) fn produce(&mut self) -> Result<(), Broken> {
        while !self.outbox.is_full() {
            if self.reading.is_some() {
                if !self.read_on()? {
                    break;
                }
            } else if let Some(handle) = self.ready.pop_front() {
                self.answer(handle)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Answers the next request of a reader.
    pub(super) fn answer(&mut self, handle: u64) -> Result<(), Broken> {
        let Some(reader) = self.handles.reader(handle).filter(|reader| !reader.fetching) else { return Ok(()) };
        let Some(ask) = reader.waiting.front().copied() else { return Ok(()) };
        let outbox = &mut self.outbox;
        match (ask, &mut reader.source) {
            (Ask::Read { id, offset, length, .. }, Source::Download { file, .. }) => {
                let left = u32::try_from(file.length().saturating_sub(offset)).unwrap_or(u32::MAX);
                let length = length.min(LONGEST_PAYLOAD).min(left);
                if length > 0 {
                    outbox.promise(id, length);
                    self.reading = Some(Reading { handle, offset });
                    self.read_on()?;
                    return Ok(());
                }
                outbox.reply().end_of_file(id);
            }
            (Ask::Entries { id }, Source::Directory { entries, .. }) => {
                if entries.is_empty() {
                    outbox.reply().end_of_file(id);
                } else {
                    let (now, count) = (self.scene.directory.now(), entries.len().min(ENTRIES_PER_REPLY));
                    let names: Vec<_> =
                        entries.drain(..count).map(|entry| self.scene.lister.named(&entry, now)).collect();
                    outbox.reply().names(id, &names);
                }
            }
            (Ask::Attributes { id }, Source::Download { file, .. }) => {
                outbox.reply().attributes(id, &wire_attributes(&file.attributes()));
            }
            (Ask::Attributes { id }, Source::Directory { own, .. }) => {
                outbox.reply().attributes(id, &wire_attributes(own));
            }
            (Ask::Check { id, check }, Source::Download { file, .. }) => match Hashing::new(Arc::clone(file), check) {
                Ok(hashing) => {
                    reader.fetching = true;
                    self.check(ToCheck { id, hashing, of: CheckOf::Handle(handle) });
                    return Ok(());
                }
                Err(denied) => refuse(&mut outbox.reply(), id, &denied),
            },
            (Ask::Close { .. }, _) => {
                self.close_reader(handle);
                return Ok(());
            }
            (ask, _) => wrong_handle(&mut outbox.reply(), ask.id(), text::WRONG_HANDLE),
        }
        self.answered(handle);
        Ok(())
    }

    /// The first request of a reader is answered; its next one may be.
    pub(super) fn answered(&mut self, handle: u64) {
        let Some(reader) = self.handles.reader(handle) else { return };
        if reader.answered() {
            self.queued -= REQUEST_COST;
        }
        if !reader.waiting.is_empty() {
            self.ready.push_back(handle);
        }
    }

    pub(super) fn close_reader(&mut self, handle: u64) {
        self.forget_fetched(handle);
        let Some(OpenFile::Reader(Reader { source, waiting, .. })) = self.handles.remove(handle) else { return };
        // Nothing waits behind it.
        if let Some(close) = waiting.front() {
            self.queued -= REQUEST_COST;
            self.outbox.reply().ok(close.id());
        }
        if let Source::Download { file, .. } = source {
            self.outbox.closed(file);
        }
    }

    /// Adds pieces of the READ that is being answered; false when it must wait for a job.
    pub(super) fn read_on(&mut self) -> Result<bool, Broken> {
        let Some(Reading { handle, offset }) = self.reading else { return Ok(true) };
        let Some(Reader { source: Source::Download { file, fetched }, fetching, .. }) = self.handles.reader(handle)
        else {
            return Err(Some(Ending::Failed));
        };
        if *fetching {
            // A job brings what comes next.
            return Ok(false);
        }
        let first = self.outbox.is_untouched();
        let got = self.outbox.piece(file, offset, |buffer| fill(&**file, fetched.as_ref(), offset, buffer));
        match got {
            Ok(read) => {
                let offset = offset.saturating_add(u64::try_from(read).unwrap_or_default());
                if self.outbox.promised() > 0 {
                    self.reading = Some(Reading { handle, offset });
                    return Ok(true);
                }
                self.reading = None;
                self.forget_fetched(handle);
                self.answered(handle);
                Ok(true)
            }
            Err(NotNow::Cold) => {
                let missing = self.outbox.promised().min(FETCH_BYTES);
                if first {
                    // Nothing of it went out: others may be answered meanwhile.
                    self.outbox.retract();
                    self.reading = None;
                }
                self.fetch(handle, offset, missing, first);
                Ok(first)
            }
            Err(NotNow::Broken(error)) => {
                tracing::error!(%error, "a file of a drop-box could not be read");
                if !first {
                    // Its length was promised: there is no way to say that the rest does not come.
                    return Err(Some(Ending::Failed));
                }
                self.outbox.retract();
                self.reading = None;
                self.fail_read(handle);
                Ok(true)
            }
        }
    }

    pub(super) fn fail_read(&mut self, handle: u64) {
        self.forget_fetched(handle);
        let id = self.handles.reader(handle).and_then(|reader| reader.waiting.front().map(|ask| ask.id()));
        if let Some(id) = id {
            refuse(&mut self.outbox.reply(), id, &Denied::Unavailable);
            self.answered(handle);
        }
    }

    /// Lets go of what a job brought for a READ that is answered: another reader may have a job.
    fn forget_fetched(&mut self, handle: u64) {
        if let Some(Reader { source: Source::Download { fetched, .. }, .. }) = self.handles.reader(handle)
            && fetched.take().is_some()
        {
            self.fetches -= 1;
            self.ready.extend(self.parked.pop_front());
        }
    }

    /// Has a job bring bytes, or lets the reader wait for one. A READ that is half out goes first.
    pub(super) fn fetch(&mut self, handle: u64, offset: u64, length: usize, may_wait: bool) {
        let full = self.fetches >= MOST_FETCHES;
        let Some(reader) = self.handles.reader(handle) else { return };
        let Source::Download { file, fetched } = &mut reader.source else { return };
        if fetched.take().is_some() {
            self.fetches -= 1;
        } else if full && may_wait {
            return self.parked.push_back(handle);
        }
        self.fetches += 1;
        reader.fetching = true;
        let file = Arc::clone(file);
        self.jobs.spawn_blocking(move || {
            let mut bytes = vec![0; length];
            let read = file.read(offset, &mut bytes);
            let bytes = read.map(|read| {
                bytes.truncate(read);
                bytes
            });
            Done::Fetched { handle, offset, bytes }
        });
    }

    pub(super) fn fetched(
        &mut self,
        handle: u64,
        offset: u64,
        bytes: Result<Vec<u8>, io::Error>,
    ) -> Result<(), Broken> {
        let half_out = self.reading.as_ref().is_some_and(|reading| reading.handle == handle);
        let bytes =
            bytes.and_then(|bytes| if bytes.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) });
        let Some(reader) = self.handles.reader(handle) else {
            self.fetches -= 1;
            self.ready.extend(self.parked.pop_front());
            return Ok(());
        };
        reader.fetching = false;
        match (bytes, &mut reader.source) {
            (Ok(bytes), Source::Download { fetched, .. }) => {
                *fetched = Some((offset, bytes));
                if !half_out {
                    self.ready.push_back(handle);
                }
            }
            (Err(error), _) => {
                tracing::error!(%error, "a file of a drop-box could not be read");
                self.fetches -= 1;
                self.ready.extend(self.parked.pop_front());
                if half_out {
                    return Err(Some(Ending::Failed));
                }
                self.fail_read(handle);
            }
            (Ok(_), Source::Directory { .. }) => {}
        }
        Ok(())
    }
}
