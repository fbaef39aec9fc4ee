//! Where each request goes: answered at once, to what is open, or to the requests about paths.

use bytes::Bytes;

use super::{REQUEST_COST, Session};
use crate::{
    dropbox::view::Denied,
    sftp::{
        handles::{Ask, OpenFile},
        operations::{refuse, wrong_handle},
        status::text,
        upload::{Piece, UploadAsk, UploadWork},
        wire::{Request, SetAttributes},
    },
};

impl Session {
    pub(super) fn request(&mut self, id: u32, request: Request) {
        match request {
            Request::Close { handle } => self.ask_either(handle, Ask::Close { id }, UploadAsk::Close { id }),
            Request::Read { handle, offset, length } => {
                let work = UploadAsk::Read { id, offset, length };
                self.ask_either(handle, Ask::read(id, offset, length), work);
            }
            Request::HandleAttributes { handle } => {
                self.ask_either(handle, Ask::Attributes { id }, UploadAsk::Attributes { id });
            }
            Request::ReadDirectory { handle } => match self.handles.get_mut(handle) {
                Some(OpenFile::Reader(_)) => self.ask(handle, Ask::Entries { id }),
                found => {
                    let why = if found.is_some() { text::WRONG_HANDLE } else { text::UNKNOWN_HANDLE };
                    wrong_handle(&mut self.outbox.reply(), id, why);
                }
            },
            Request::SetHandleAttributes { handle, attributes } => self.set_by_handle(id, handle, attributes),
            Request::Sync { handle } => match self.handles.get_mut(handle) {
                Some(OpenFile::Writer(_)) => self.work(handle, UploadWork::Ask(UploadAsk::Sync { id })),
                Some(OpenFile::Reader(_)) => self.outbox.reply().ok(id),
                None => wrong_handle(&mut self.outbox.reply(), id, text::UNKNOWN_HANDLE),
            },
            Request::CheckHandle { handle, check } => match self.handles.get_mut(handle) {
                Some(OpenFile::Reader(_)) => self.ask(handle, Ask::Check { id, check }),
                Some(OpenFile::Writer(_)) => {
                    refuse(&mut self.outbox.reply(), id, &Denied::Forbidden(text::NOT_READ_BACK));
                }
                None => wrong_handle(&mut self.outbox.reply(), id, text::UNKNOWN_HANDLE),
            },
            Request::HandleSpace { handle } if self.handles.get_mut(handle).is_none() => {
                wrong_handle(&mut self.outbox.reply(), id, text::UNKNOWN_HANDLE);
            }
            Request::Limits => {
                let handles = self.open_handles;
                self.outbox.reply().limits(id, handles);
            }
            Request::Unsupported => {
                refuse(&mut self.outbox.reply(), id, &Denied::Unsupported(text::UNKNOWN_REQUEST));
            }
            about_a_path => {
                self.place += 1;
                self.queued += cost(&about_a_path);
                self.paths.push_back((self.place, id, about_a_path));
            }
        }
    }

    pub(super) fn set_by_handle(&mut self, id: u32, handle: u64, attributes: SetAttributes) {
        match self.handles.get_mut(handle) {
            Some(OpenFile::Writer(_)) => {
                self.work(handle, UploadWork::Ask(UploadAsk::SetAttributes { id, attributes }));
            }
            Some(OpenFile::Reader(_)) => refuse(&mut self.outbox.reply(), id, &Denied::Forbidden(text::NOT_YOURS)),
            None => wrong_handle(&mut self.outbox.reply(), id, text::UNKNOWN_HANDLE),
        }
    }

    pub(super) fn payload(&mut self, bytes: Bytes, last: bool) {
        let Some((id, handle, offset)) = self.writing else { return };
        let next = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.writing = (!last).then_some((id, handle, next));
        match self.handles.get_mut(handle) {
            Some(OpenFile::Writer(_)) => self.work(handle, UploadWork::Write(Piece { id, offset, bytes, last })),
            Some(OpenFile::Reader(_)) if last => {
                refuse(&mut self.outbox.reply(), id, &Denied::Forbidden(text::WRONG_HANDLE));
            }
            None if last => wrong_handle(&mut self.outbox.reply(), id, text::UNKNOWN_HANDLE),
            Some(OpenFile::Reader(_)) | None => {}
        }
    }

    /// Puts a request to whatever the handle is.
    pub(super) fn ask_either(&mut self, handle: u64, ask: Ask, of_upload: UploadAsk) {
        match self.handles.get_mut(handle) {
            Some(OpenFile::Reader(_)) => self.ask(handle, ask),
            Some(OpenFile::Writer(_)) => self.work(handle, UploadWork::Ask(of_upload)),
            None => wrong_handle(&mut self.outbox.reply(), ask.id(), text::UNKNOWN_HANDLE),
        }
    }

    pub(super) fn ask(&mut self, handle: u64, ask: Ask) {
        let Some(reader) = self.handles.reader(handle) else { return };
        if reader.is_closing() {
            wrong_handle(&mut self.outbox.reply(), ask.id(), text::UNKNOWN_HANDLE);
        } else if reader.ask(ask) {
            self.queued += REQUEST_COST;
            if reader.waiting.len() == 1 && !reader.fetching {
                self.ready.push_back(handle);
            }
        }
    }

    pub(super) fn work(&mut self, handle: u64, work: UploadWork) {
        if let Some(writer) = self.handles.writer(handle) {
            self.place += 1;
            self.queued += work_cost(&work);
            let piece = if let UploadWork::Write(piece) = &work { Some((piece.bytes.len(), piece.last)) } else { None };
            writer.waiting.push_back((self.place, work));
            match piece {
                Some((bytes, last)) => self.gather(handle, bytes, last),
                None => self.start_writer(handle),
            }
        }
    }
}

/// What a waiting request counts for.
pub(super) fn cost(request: &Request) -> usize {
    REQUEST_COST
        + match request {
            Request::Rename { from, to, .. } => from.len() + to.len(),
            Request::Names { users, groups } => 4 * (users.len() + groups.len()),
            Request::Open { path, .. }
            | Request::Attributes { path }
            | Request::SetAttributes { path, .. }
            | Request::OpenDirectory { path }
            | Request::Remove { path }
            | Request::MakeDirectory { path }
            | Request::RemoveDirectory { path }
            | Request::RealPath { path, .. }
            | Request::Space { path }
            | Request::CheckName { path, .. }
            | Request::HomeDirectory { user: path } => path.len(),
            _ => 0,
        }
}

pub(super) fn work_cost(work: &UploadWork) -> usize {
    REQUEST_COST + if let UploadWork::Write(piece) = work { piece.bytes.len() } else { 0 }
}
