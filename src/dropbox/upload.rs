//! A file being written by a session.
//!
//! Until its first bytes show whether it is sealed, and for as long as it is not, an upload lives in memory. A sealed
//! one goes to disk as it comes. Whatever way it ends, what lies on disk afterwards is ciphertext.
//!
//! The ways in which an upload begins, grows and ends stand in one file, above the usual length: each must be read
//! beside the others.

use std::{
    fs::File,
    io::{self, IoSlice, Read},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use jiff::Timestamp;

use super::{
    Area, DropBoxError,
    account::Account,
    content::{DiskContent, MemoryContent},
    inbox::{Inbox, unavailable},
    is_temporary,
    judging::{judge_name, judge_seal},
    record::{self, Record, Stored},
    store::{RefusedUpload, Shared, UploadFault},
    usage::NoRoom,
    view::{Attributes, Denied},
};
use crate::{
    domain::tenant::UploadRule,
    durable::{Directory, DurableError, disk},
    seal::{self, StorageSealer},
};

/// A file being written.
pub(super) struct Writing {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    account: Account,
    record: Record,
    content: Content,
    rules: Rules,
    origin: Origin,
    /// Set by the first write that failed.
    void: Option<Void>,
    /// Whether it differs from what is stored.
    changed: bool,
    /// Whether a byte came since it was opened.
    written: bool,
    began: Instant,
    /// Set once it is stored or gone, so that dropping does nothing more.
    settled: bool,
    /// Dropped last.
    _measuring: Measuring,
}

/// Why nothing more is taken of an upload.
enum Void {
    /// It breaks a rule: nothing of it stays.
    Refused(Denied),
    /// There was no room, or this side failed: of one that was begun before, what came stays.
    Failed(Denied),
    /// The disk lost some of what it was given: of one that was begun before, what was kept then stays.
    Lost(Denied),
}

impl Void {
    fn denied(&self) -> Denied {
        let (Self::Refused(denied) | Self::Failed(denied) | Self::Lost(denied)) = self;
        denied.clone()
    }
}

/// Has an upload measured once it is no longer written.
struct Measuring {
    inbox: Arc<Inbox>,
    id: String,
}

impl Drop for Measuring {
    fn drop(&mut self) {
        self.inbox.usage.measure(&self.id);
    }
}

/// What a tenant's YAML says of an upload, as it was when it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub limit_bytes: u64,
    pub inbox_bytes: u64,
    pub uploads: UploadRule,
    pub append: bool,
}

/// Whether an upload began here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    New,
    /// It was begun before, by this session or another.
    Resumed,
}

enum Content {
    Memory(MemoryContent),
    Disk(DiskContent),
}

impl Writing {
    /// A new upload, with nothing in it.
    pub fn fresh(shared: Arc<Shared>, inbox: Arc<Inbox>, account: Account, record: Record, rules: Rules) -> Self {
        let content = Content::Memory(MemoryContent::new(&shared.budget, &inbox.memory, rules.limit_bytes));
        let (origin, began) = (Origin::New, Instant::now());
        let (void, changed, written, settled) = (None, true, false, false);
        let measuring = Measuring { inbox: inbox.clone(), id: record.id.clone() };
        Self {
            shared,
            inbox,
            account,
            record,
            content,
            rules,
            origin,
            void,
            changed,
            written,
            began,
            settled,
            _measuring: measuring,
        }
    }

    /// An upload that goes on where it broke off.
    pub fn resumed(
        shared: Arc<Shared>,
        inbox: Arc<Inbox>,
        account: Account,
        record: Record,
        rules: Rules,
    ) -> Result<Self, Denied> {
        let mut writing = Self::fresh(shared, inbox, account, record, rules);
        // Until the content is here, dropping must not store an empty file over what is kept.
        writing.settled = true;
        let loaded = writing.load();
        if let Err(fault) = loaded {
            writing.inbox.settle(&writing.record);
            return Err(fault);
        }
        (writing.origin, writing.changed, writing.settled) = (Origin::Resumed, false, false);
        Ok(writing)
    }

    fn load(&mut self) -> Result<(), Denied> {
        let name = self.record.content_file();
        let directory = self.inbox.directory();
        let storage = |error| unavailable(DropBoxError::Storage(error));
        if self.record.size == 0 {
            return Ok(());
        }
        match self.record.stored {
            Stored::AsItCame => {
                let file = directory.open_to_write(&name).map_err(storage)?;
                let length = file.metadata().map_err(|source| self.fault("look at", source))?.len();
                self.go_by_content(length.min(self.record.size));
                // Bytes beyond what the record knows were written by a session that a crash ended.
                file.set_len(self.record.size).map_err(|source| self.fault("resize", source))?;
                self.content = Content::Disk(DiskContent::new(file, self.record.size));
            }
            Stored::SealedHere => {
                let file = directory.open(&name).map_err(storage)?;
                let sealed = |source| unavailable(DropBoxError::Seal { name: name.clone(), source });
                let mut opened = self.shared.keyring.open(file).map_err(sealed)?;
                let mut memory = self.empty_memory();
                let mut buffer = zeroize::Zeroizing::new(vec![0; 1 << 16]);
                loop {
                    let read =
                        opened.read(&mut buffer).map_err(|error| sealed(seal::SealError::from_reading(error)))?;
                    let bytes = buffer.get(..read).unwrap_or_default();
                    if bytes.is_empty() {
                        break;
                    }
                    memory.write(memory.length(), bytes).map_err(|_| no_memory())?;
                }
                self.go_by_content(memory.length());
                self.content = Content::Memory(memory);
            }
        }
        Ok(())
    }

    /// Where a stop or a fault came between content and record, the content is what is there, and it is not known to be
    /// whole.
    fn go_by_content(&mut self, found_bytes: u64) {
        if self.record.size != found_bytes {
            (self.record.size, self.record.closed) = (found_bytes, false);
        }
    }

    fn empty_memory(&self) -> MemoryContent {
        MemoryContent::new(&self.shared.budget, &self.inbox.memory, self.rules.limit_bytes)
    }

    /// Room on disk for what it is to be, before it is.
    fn make_room(&self, length: u64) -> Result<(), Denied> {
        self.inbox.usage.grow(&self.record.id, length, self.rules.inbox_bytes).map_err(NoRoom::denied)
    }

    /// Whether what is held in memory may go to disk now. Others may have filled it while this came in.
    fn check_disk(&self) -> Result<(), Denied> {
        match &self.content {
            Content::Memory(memory) => self.inbox.usage.check_disk(memory.length()).map_err(NoRoom::denied),
            Content::Disk(_) => Ok(()),
        }
    }

    fn length(&self) -> u64 {
        match &self.content {
            Content::Memory(memory) => memory.length(),
            Content::Disk(disk) => disk.length(),
        }
    }

    fn write_checked(&mut self, offset: u64, pieces: &[IoSlice<'_>]) -> Result<(), Void> {
        let offset = if self.rules.append { self.length() } else { offset };
        let limit_bytes = self.rules.limit_bytes;
        let length: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        let Some(end) = offset.checked_add(length).filter(|end| *end <= limit_bytes) else {
            self.shared.host.refused_upload(self.refusal(UploadFault::TooLarge { limit_bytes }));
            return Err(Void::Refused(too_large(limit_bytes)));
        };
        if length == 0 {
            // As in POSIX: nothing written is nothing changed, wherever it was to go.
            return Ok(());
        }
        let ready = self.make_room(end).and_then(|()| self.begin_change());
        let written = ready.and_then(|()| {
            self.written = true;
            self.place(offset, pieces)
        });
        written.map_err(Void::Failed)
    }

    /// Where what came belongs: in memory, and from the piece on that shows that it is sealed, on disk.
    fn place(&mut self, offset: u64, pieces: &[IoSlice<'_>]) -> Result<(), Denied> {
        let memory = match &mut self.content {
            Content::Memory(memory) => memory,
            Content::Disk(disk) => return disk.write(offset, pieces).map_err(|source| self.fault("write", source)),
        };
        let (mut at, mut left) = (offset, pieces.iter());
        while let Some(piece) = left.next() {
            memory.write(at, piece).map_err(|_| no_memory())?;
            at += piece.len() as u64;
            if offset < seal::SNIFF_BYTES as u64 && memory.looks_sealed() == Some(true) {
                self.move_to_disk()?;
                return if left.as_slice().is_empty() { Ok(()) } else { self.place(at, left.as_slice()) };
            }
        }
        Ok(())
    }

    fn move_to_disk(&mut self) -> Result<(), Denied> {
        if let Content::Memory(memory) = &self.content {
            let storage = |error| unavailable(DropBoxError::Storage(error));
            let (directory, target) = (self.inbox.directory(), self.record.content_file());
            let (beside, file) = new_file(directory, &target).map_err(storage)?;
            let placed = memory.place_in(&file).map_err(|source| self.fault("write", source));
            if let Err(fault) = placed.and_then(|()| directory.rename(&beside, directory, &target).map_err(storage)) {
                // Where the disk is full this makes room; a start removes it otherwise.
                let _ = directory.remove_if_there(&beside);
                return Err(fault);
            }
            let length = memory.length();
            self.content = Content::Disk(DiskContent::new(file, length));
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.inbox.directory().path().join(self.record.content_file())
    }

    fn fault(&self, action: &'static str, source: io::Error) -> Denied {
        unavailable(DropBoxError::File { action, name: self.record.content_file(), source })
    }

    fn refusal(&self, fault: UploadFault) -> RefusedUpload {
        RefusedUpload {
            submission: self.inbox.submission(&self.record.id),
            area: self.record.area,
            name: self.record.name.clone(),
            fault,
        }
    }

    /// Whether its first bytes are those of a sealed file.
    fn is_sealed(&self) -> Result<bool, Denied> {
        let Content::Disk(disk) = &self.content else { return Ok(false) };
        let mut first = [0; seal::SNIFF_BYTES];
        disk.file().read_at(&mut first, 0).map_err(|source| self.fault("read", source))?;
        Ok(seal::looks_sealed(&first))
    }

    /// What speaks against a file that is closed under this name.
    fn judge(&self, sealed: bool) -> Result<(), UploadFault> {
        if is_temporary(&self.record.name) {
            return Ok(());
        }
        if self.length() == 0 {
            return Err(UploadFault::Empty);
        }
        judge_name(&self.record.name, sealed, self.rules.uploads)?;
        match &self.content {
            Content::Disk(disk) if sealed => judge_seal(&self.shared.keyring, disk.file()),
            Content::Disk(_) | Content::Memory(_) => Ok(()),
        }
    }

    /// Brings content and record to disk, sealed.
    fn store(&mut self, closed: bool) -> Result<(), Denied> {
        let directory = self.inbox.directory();
        let storage = |error| unavailable(DropBoxError::Storage(error));
        self.check_disk()?;
        // The upload's own once the content is in place: until then it tells of what was there before.
        let mut record = Record { size: self.length(), closed, ..self.record.clone() };
        match &mut self.content {
            Content::Disk(disk) => {
                let stored = disk.finish_digest().and_then(|digest| disk.file().sync_all().map(|()| digest));
                record.stored = Stored::AsItCame;
                record.stored_sha256 = match stored {
                    Ok(digest) => hex::encode(digest),
                    Err(source) => return Err(self.fault("store", source)),
                };
            }
            Content::Memory(memory) => {
                // A new file beside the old content, so that a stop now leaves the old record with its own content.
                let target = self.record.content_file();
                let (beside, file) = new_file(directory, &target).map_err(storage)?;
                let sealed = StorageSealer::new(&self.shared.own_recipients, file).and_then(|mut sealer| {
                    memory.copy_to(&mut sealer).map_err(seal::SealError::Io)?;
                    sealer.finish()
                });
                let seal_fault = |source| unavailable(DropBoxError::Seal { name: target.clone(), source });
                let (file, digests) = sealed.map_err(seal_fault)?;
                file.sync_all().map_err(|source| {
                    unavailable(DropBoxError::File { action: "sync", name: target.clone(), source })
                })?;
                directory.rename(&beside, directory, &target).map_err(storage)?;
                record.stored = Stored::SealedHere;
                record.stored_sha256 = hex::encode(digests.ciphertext_sha256);
            }
        }
        self.record = record;
        self.record.save(directory).map_err(unavailable)
    }

    /// What was closed before and gets other content now is not closed any more, on disk before the first byte of it is:
    /// a stop must not leave a part of it that counts as the whole.
    fn begin_change(&mut self) -> Result<(), Denied> {
        if !self.changed && self.record.closed {
            let open = Record { closed: false, ..self.record.clone() };
            open.save(self.inbox.directory()).map_err(unavailable)?;
        }
        self.changed = true;
        Ok(())
    }

    /// The upload is refused, or never was stored: nothing of it stays. What was kept before goes once the log has that;
    /// where it cannot be told, nobody goes on with it before the next start, which asks what the log has.
    fn discard(&mut self) {
        self.settled = true;
        if self.origin == Origin::Resumed
            && let Err(error) = self.account.deleted(Some(&self.record.id), &self.record.path())
        {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "an upload that is refused stays, since the log cannot be told");
            self.inbox.forget(&self.record);
            return;
        }
        self.inbox.refuse(&self.record);
    }

    /// Nobody writes it any more: what came is stored as an upload that broke off.
    fn break_off(&mut self) {
        self.settled = true;
        // Where the disk has no room for what came since, what was kept before stays as it is.
        if !self.changed || (self.origin == Origin::Resumed && self.check_disk().is_err()) {
            self.record.closed &= !self.changed;
            self.inbox.settle(&self.record);
            return;
        }
        match self.store(false) {
            Ok(()) => {
                self.inbox.settle(&self.record);
            }
            Err(_) => self.settle_by_disk(),
        }
    }

    /// It could not be stored. What was kept before can be gone on with, but for one that the disk calls closed: the log
    /// may have that too, and only a start asks it. Of what has no record the log was never told: nothing of it stays.
    fn settle_by_disk(&mut self) {
        self.settled = true;
        self.record.closed = false;
        match record::load_one(self.inbox.directory(), &self.record.id) {
            Ok(Some(kept)) if !kept.closed => {
                self.inbox.settle(&self.record);
            }
            Ok(None) => self.inbox.refuse(&self.record),
            Ok(Some(_)) | Err(_) => self.inbox.forget(&self.record),
        }
    }

    /// Whether it broke off before and nothing came since: closing it says nothing about what is missing.
    fn is_still_broken_off(&self) -> bool {
        self.origin == Origin::Resumed && !self.record.closed && !self.written
    }

    /// The client closed the file; see [`super::view::Upload::finish`].
    pub fn finish(mut self) -> Result<(), Denied> {
        if let Some(void) = &self.void {
            // What becomes of it is decided when this is dropped.
            return Err(void.denied());
        }
        if self.is_still_broken_off() {
            // It is kept as it is when this is dropped.
            let text =
                "deze upload brak eerder af en er kwam niets bij: hij is niet volledig; stuur het bestand opnieuw";
            return Err(Denied::Refused(text.to_owned()));
        }
        let sealed = self.is_sealed()?;
        if let Err(fault) = self.judge(sealed) {
            let denied = fault.denied();
            self.shared.host.refused_upload(self.refusal(fault));
            self.discard();
            return Err(denied);
        }
        if !self.changed && self.record.closed {
            self.settled = true;
            self.inbox.settle(&self.record);
            return Ok(());
        }
        // Where it may not, dropping this leaves what was kept before.
        self.check_disk()?;
        self.settled = true;
        let mut stored = self.store(true);
        if stored.is_ok() {
            let complete = !is_temporary(&self.record.name);
            let accounted = self.account.uploaded(&self.record, complete, self.began.elapsed());
            if accounted.as_ref().is_err_and(DropBoxError::leaves_the_log_unknown) {
                // The log may have it. The daemon ends by such a fault, and the next start asks.
                self.inbox.forget(&self.record);
                return accounted.map_err(unavailable);
            }
            stored = accounted.map_err(unavailable);
        }
        if let Err(fault) = stored {
            // Not confirmed: the client will send it again, and until then it counts as broken off.
            self.record.closed = false;
            if self.record.save(self.inbox.directory()).is_ok() {
                self.inbox.settle(&self.record);
            } else {
                self.settle_by_disk();
            }
            return Err(fault);
        }
        if self.inbox.settle(&self.record) {
            self.shared.host.submitted(self.inbox.submission(&self.record.id));
        }
        Ok(())
    }
}

/// What a session asks of it, through its hold; the meanings are those of [`super::view::Upload`].
impl Writing {
    pub fn write(&mut self, offset: u64, pieces: &[IoSlice<'_>]) -> Result<(), Denied> {
        if let Some(void) = &self.void {
            return Err(void.denied());
        }
        self.write_checked(offset, pieces).map_err(|void| self.void.insert(void).denied())?;
        self.set_modified(self.shared.clock.now());
        Ok(())
    }

    /// Only of what was begun here: who resumes an upload reads nothing of what is kept.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Denied> {
        if self.origin == Origin::Resumed {
            return Err(write_only());
        }
        match &self.content {
            Content::Memory(memory) => Ok(memory.read(offset, buffer)),
            Content::Disk(disk) => disk.file().read_at(buffer, offset).map_err(|source| self.fault("read", source)),
        }
    }

    pub fn attributes(&self) -> Attributes {
        Attributes { directory: false, size: self.length(), modified: self.record.modified, writable: true }
    }

    pub fn set_length(&mut self, length: u64) -> Result<(), Denied> {
        if let Some(void) = &self.void {
            return Err(void.denied());
        }
        if length > self.rules.limit_bytes {
            return Err(too_large(self.rules.limit_bytes));
        }
        self.make_room(length)?;
        if length != self.length() {
            self.begin_change()?;
        }
        match &mut self.content {
            Content::Memory(memory) => memory.set_length(length),
            Content::Disk(disk) => {
                if let Err(source) = disk.set_length(length) {
                    return Err(self.fault("resize", source));
                }
            }
        }
        Ok(())
    }

    pub fn set_modified(&mut self, modified: Timestamp) {
        self.record.modified = modified;
        self.inbox.progress(&self.record, self.length(), modified);
    }

    pub fn sync(&mut self) -> Result<(), Denied> {
        if let Some(void) = &self.void {
            return Err(void.denied());
        }
        match &self.content {
            // In memory by design; the close brings it to disk, sealed.
            Content::Memory(_) => Ok(()),
            Content::Disk(content) => disk::sync_data(content.file(), &self.path()).map_err(|source| {
                // The kernel tells it once, and may have dropped what it could not write: a second try would lie.
                let lost = Void::Lost(self.fault("sync", source));
                self.void.insert(lost).denied()
            }),
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let is_new = self.origin == Origin::New;
        match &self.void {
            Some(Void::Refused(_)) => self.discard(),
            Some(Void::Failed(_) | Void::Lost(_)) if is_new => self.discard(),
            _ if self.length() == 0 => self.discard(),
            Some(Void::Lost(_)) => self.settle_by_disk(),
            Some(Void::Failed(_)) | None => self.break_off(),
        }
    }
}

/// A file for what is to come in the place of another, beside it, and its name.
fn new_file(directory: &Directory, target: &str) -> Result<(String, File), DurableError> {
    let beside = format!(".{target}.new");
    directory.remove_if_there(&beside)?;
    let file = directory.create_file(&beside)?;
    Ok((beside, file))
}

/// Lists can be sent but not read back: whoever steals a key gets no list with it.
pub(super) fn write_only() -> Denied {
    Denied::Forbidden("uit de inbox kan niets teruggelezen worden")
}

fn too_large(limit_bytes: u64) -> Denied {
    Denied::Limit(format!("het bestand is groter dan toegelaten ({})", crate::domain::ByteSize(limit_bytes)))
}

fn no_memory() -> Denied {
    Denied::Limit("er zijn te veel uploads tegelijk; probeer het over enkele minuten opnieuw".to_owned())
}

/// A record for an upload that begins now.
pub(super) fn fresh_record(area: Area, name: &str, now: Timestamp) -> Record {
    Record {
        id: record_id(),
        name: name.to_owned(),
        area,
        size: 0,
        modified: now,
        stored: Stored::SealedHere,
        closed: false,
        stored_sha256: String::new(),
        renamed_from: None,
    }
}

/// A new id: 128 random bits, which never repeat.
pub(crate) fn record_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
