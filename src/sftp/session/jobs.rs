//! What a session gives to threads that may block, and what comes back.

use std::sync::Arc;

use super::{
    Broken, Done, MOST_DIRECTORIES, Session, WORK_PER_JOB,
    checks::{CheckOf, ToCheck},
    requests::{cost, work_cost},
};
use crate::{
    dropbox::view::Denied,
    sftp::{
        connection::Ending,
        handles::{FilePlace, OpenFile, Source},
        operations::{Opened, Outcome, refuse},
        status::text,
        upload::{OpenUpload, UploadWork},
        wire::Request,
    },
};

impl Session {
    /// Lends an upload to a job, with what waits for it.
    pub(super) fn start_writer(&mut self, handle: u64) {
        let Some(writer) = self.handles.writer(handle) else { return };
        let Some(first) = writer.waiting.front().map(|(place, _)| *place) else { return };
        let Some(mut file) = writer.file.take() else { return };
        writer.running = Some(first);
        let count = writer.waiting.len().min(WORK_PER_JOB);
        let batch: Vec<UploadWork> = writer.waiting.drain(..count).map(|(_, work)| work).collect();
        self.gathering.take_if(|gathering| gathering.is_for(handle));
        self.jobs.spawn_blocking(move || {
            let (mut replies, cost) = (Vec::new(), batch.iter().map(work_cost).sum());
            file.perform(batch, &mut replies);
            Done::Written { handle, file, replies, cost }
        });
    }

    /// Gives the requests about paths that may be done now to a job.
    pub(super) fn start_paths(&mut self) {
        if self.paths_running || self.paths.is_empty() {
            return;
        }
        let barrier = self.handles.first_unwritten().unwrap_or(u64::MAX);
        let (mut batch, mut cost_of_batch, mut places) = (Vec::new(), 0, Vec::new());
        while let Some((_, id, request)) = self.paths.pop_front_if(|(place, ..)| *place < barrier) {
            let cost = cost(&request);
            if matches!(request, Request::Open { .. } | Request::OpenDirectory { .. } | Request::CheckName { .. }) {
                let Some(place) = self.connection.file_place() else {
                    self.queued -= cost;
                    refuse(&mut self.outbox.reply(), id, &Denied::Limit(text::TOO_MANY_HANDLES.to_owned()));
                    continue;
                };
                places.push(place);
            }
            cost_of_batch += cost;
            batch.push((id, request));
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
            let perform = |(id, request)| scene.perform(id, request);
            Done::Paths { outcomes: batch.into_iter().map(perform).collect(), places, cost: cost_of_batch }
        });
    }

    pub(super) fn job_done(&mut self, done: Done) -> Result<(), Broken> {
        match done {
            Done::Paths { outcomes, mut places, cost } => {
                self.paths_running = false;
                self.queued -= cost;
                for outcome in outcomes {
                    match outcome {
                        Outcome::Reply(reply) => self.outbox.append(&reply),
                        Outcome::Opened { id, opened } => {
                            // Each request that opens something brought its place along.
                            let place = places.pop().ok_or(Some(Ending::Failed))?;
                            self.opened(id, opened, place);
                        }
                        Outcome::ToHash { id, hashing } => {
                            let place = places.pop().ok_or(Some(Ending::Failed))?;
                            self.check(ToCheck { id, hashing, of: CheckOf::Name { _place: place } });
                        }
                    }
                }
            }
            Done::Written { handle, file, replies, cost } => {
                self.queued -= cost;
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
            Opened::Directory { .. } if self.handles.directories() >= MOST_DIRECTORIES => {
                return refuse(&mut self.outbox.reply(), id, &Denied::Limit(text::TOO_MANY_HANDLES.to_owned()));
            }
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
