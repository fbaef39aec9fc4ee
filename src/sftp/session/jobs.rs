//! What a session gives to threads that may block, and what comes back.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Broken, Done, FETCH_BYTES, Session, WORK_PER_JOB,
    checks::{CheckOf, ToCheck},
    requests::{cost, work_cost},
};
use crate::{
    dropbox::view::Denied,
    sftp::{
        ending::Ending,
        handles::{FilePlace, OpenFile, Source},
        operations::{Opened, Outcome, refuse},
        status::text,
        upload::{OpenUpload, UploadWork},
        wire::Request,
    },
};

impl Session {
    /// Lends an upload to a job, with what waits for it. Where a READ is next, it may have to wait for room.
    pub(super) fn start_writer(&mut self, handle: u64) {
        let may_read = self.may_read_back();
        let Some(writer) = self.handles.writer(handle) else { return };
        let Some(first) = writer.waiting.front().map(|(place, _)| *place) else { return };
        let Some(mut file) = writer.file.take() else { return };
        self.gathering.take_if(|gathering| gathering.is_for(handle));
        let (count, reads) = next_batch(&writer.waiting, may_read);
        if count == 0 {
            writer.file = Some(file);
            if !self.held.contains(&handle) {
                self.held.push_back(handle);
            }
            return;
        }
        writer.running = Some(first);
        let batch: Vec<UploadWork> = writer.waiting.drain(..count).map(|(_, work)| work).collect();
        self.reading_back += reads;
        self.jobs.spawn_blocking(move || {
            let (mut replies, cost) = (Vec::new(), batch.iter().map(work_cost).sum());
            file.perform(batch, &mut replies);
            Done::Written { handle, file, replies, cost, reads }
        });
    }

    /// Goes on with uploads of which a READ waits for room.
    pub(super) fn read_back(&mut self) {
        while self.may_read_back()
            && let Some(handle) = self.held.pop_front()
        {
            self.start_writer(handle);
        }
    }

    /// Whether a job may read uploads: one at a time, and only while replies are taken.
    fn may_read_back(&self) -> bool {
        self.reading_back == 0 && self.outbox.has_room()
    }

    /// Gives the requests about paths that may be done now to a job.
    pub(super) fn start_paths(&mut self) {
        if self.paths_running || self.paths.is_empty() || !self.outbox.has_room() {
            return;
        }
        let barrier = self.handles.first_unwritten().unwrap_or(u64::MAX);
        let (mut batch, mut cost_of_batch) = (Vec::new(), 0);
        while let Some((_, id, request)) = self.paths.pop_front_if(|(place, ..)| *place < barrier) {
            let cost = cost(&request);
            let place = match self.place_for(&request) {
                Ok(place) => place,
                Err(denied) => {
                    self.queued -= cost;
                    refuse(&mut self.outbox.reply(), id, &denied);
                    continue;
                }
            };
            cost_of_batch += cost;
            batch.push((id, request, place));
            if batch.len() == WORK_PER_JOB {
                break;
            }
        }
        if batch.is_empty() {
            return;
        }
        self.paths_running = true;
        let scene = Arc::clone(&self.scene);
        self.jobs.spawn_blocking(move || {
            let perform = |(id, request, place)| (scene.perform(id, request), place);
            Done::Paths { outcomes: batch.into_iter().map(perform).collect(), cost: cost_of_batch }
        });
    }

    /// The place of what a request is to open, if it is to open anything.
    fn place_for(&self, request: &Request) -> Result<Option<FilePlace>, Denied> {
        let place = match request {
            Request::Open { .. } | Request::CheckName { .. } => self.connection.file_place(),
            Request::OpenDirectory { .. } => self.connection.directory_place(),
            _ => return Ok(None),
        };
        place.map(Some).ok_or_else(|| Denied::Limit(text::TOO_MANY_HANDLES.to_owned()))
    }

    pub(super) fn job_done(&mut self, done: Done) -> Result<(), Broken> {
        match done {
            Done::Paths { outcomes, cost } => {
                self.paths_running = false;
                self.queued -= cost;
                for outcome in outcomes {
                    match outcome {
                        (Outcome::Reply(reply), _) => self.outbox.append(&reply),
                        (Outcome::Opened { id, opened }, Some(place)) => self.opened(id, opened, place),
                        (Outcome::ToHash { id, hashing }, Some(place)) => {
                            self.check(ToCheck { id, hashing, of: CheckOf::Name { _place: place } });
                        }
                        // Each request that opens something brings its place along.
                        (Outcome::Opened { .. } | Outcome::ToHash { .. }, None) => return Err(Some(Ending::Failed)),
                    }
                }
            }
            Done::Written { handle, file, replies, cost, reads } => {
                self.queued -= cost;
                self.reading_back -= reads;
                self.outbox.append(&replies);
                self.take_back(handle, file);
            }
            Done::Fetched { handle, offset, bytes } => self.fetched(handle, offset, bytes)?,
            Done::Checked { id, of, hashes } => self.checked(id, &of, hashes),
        }
        Ok(())
    }

    pub(super) fn opened(&mut self, id: u32, opened: Opened, place: FilePlace) {
        let file = match opened {
            Opened::Download(file) => OpenFile::reader(Source::Download { file, fetched: None }),
            Opened::Upload(file) => OpenFile::writer(OpenUpload::new(file)),
            Opened::Directory { own, entries } => OpenFile::reader(Source::Directory { own, entries: entries.into() }),
        };
        let handle = self.handles.add(file, place);
        self.outbox.reply().handle(id, handle);
    }

    /// A job gives an upload back: it goes on with what waits, or is gone when it was closed.
    pub(super) fn take_back(&mut self, handle: u64, file: OpenUpload) {
        let Some(writer) = self.handles.writer(handle) else { return };
        writer.running = None;
        let closed = !file.is_open();
        writer.file = Some(file);
        if closed && writer.waiting.is_empty() {
            self.handles.remove(handle);
        } else {
            self.go_on_writing(handle);
        }
    }
}

/// How many of the requests to an upload its next job does, and how many bytes it reads at most: those of one READ, or of
/// several that are no longer together.
fn next_batch(waiting: &VecDeque<(u64, UploadWork)>, may_read: bool) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    for (_, work) in waiting.iter().take(WORK_PER_JOB) {
        let more = work.reads();
        if more > 0 && (!may_read || (bytes > 0 && bytes + more > FETCH_BYTES)) {
            break;
        }
        count += 1;
        bytes += more;
    }
    (count, bytes)
}
