//! What is asked of an open upload, in the order in which it was asked. Run where blocking is allowed.

use bytes::Bytes;

use super::{
    listing::wire_attributes,
    operations::{may_be_set, refuse, timestamp},
    status::text,
    wire::{LONGEST_PAYLOAD, Reply, SetAttributes},
};
use crate::dropbox::view::{Denied, Upload};

/// One request to an open upload, or a piece of a WRITE.
#[derive(Debug)]
pub(super) enum UploadWork {
    Write { id: u32, offset: u64, bytes: Bytes, last: bool },
    Read { id: u32, offset: u64, length: u32 },
    Attributes { id: u32 },
    SetAttributes { id: u32, attributes: SetAttributes },
    Sync { id: u32 },
    Close { id: u32 },
}

/// An upload that is open in a session.
pub(super) struct OpenUpload {
    /// None once it was closed.
    file: Option<Box<dyn Upload>>,
    /// Why a WRITE failed whose last piece is still to come.
    failed: Option<Denied>,
}

impl OpenUpload {
    pub(super) fn new(file: Box<dyn Upload>) -> Self {
        Self { file: Some(file), failed: None }
    }

    /// Whether it can be asked more.
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Does the work in order; replies are appended.
    pub(super) fn perform(&mut self, work: UploadWork, out: &mut Vec<u8>) {
        let start = out.len();
        let mut reply = Reply(out);
        let (id, done) = match work {
            UploadWork::Write { id, offset, bytes, last } => match self.write(offset, &bytes, last) {
                Some(done) => (id, done.map(|()| reply.ok(id))),
                None => return,
            },
            UploadWork::Read { id, offset, length } => (id, self.read(id, offset, length, &mut reply)),
            UploadWork::Attributes { id } => {
                let file = self.open().and_then(|file| file.attributes());
                (id, file.map(|file| reply.attributes(id, &wire_attributes(&file))))
            }
            UploadWork::SetAttributes { id, attributes } => {
                (id, self.open().and_then(|file| set(file, attributes)).map(|()| reply.ok(id)))
            }
            UploadWork::Sync { id } => (id, self.open().and_then(Upload::sync).map(|()| reply.ok(id))),
            UploadWork::Close { id } => {
                let file = self.file.take().ok_or(Denied::Forbidden(text::UNKNOWN_HANDLE));
                (id, file.and_then(Upload::finish).map(|()| reply.ok(id)))
            }
        };
        if let Err(denied) = done {
            reply.0.truncate(start);
            refuse(&mut reply, id, &denied);
        }
    }

    fn open(&mut self) -> Result<&mut (dyn Upload + 'static), Denied> {
        self.file.as_deref_mut().ok_or(Denied::Forbidden(text::UNKNOWN_HANDLE))
    }

    /// Writes a piece; the result of the whole WRITE comes with its last one.
    fn write(&mut self, offset: u64, bytes: &[u8], last: bool) -> Option<Result<(), Denied>> {
        if self.failed.is_none() {
            self.failed = self.open().and_then(|file| file.write(offset, bytes)).err();
        }
        last.then(|| self.failed.take().map_or(Ok(()), Err))
    }

    fn read(&mut self, id: u32, offset: u64, length: u32, reply: &mut Reply<'_>) -> Result<(), Denied> {
        let file = self.open()?;
        let left = file.attributes()?.size.saturating_sub(offset);
        let length = u32::try_from(left).unwrap_or(u32::MAX).min(length).min(LONGEST_PAYLOAD);
        let mut buffer = vec![0; usize::try_from(length).unwrap_or_default()];
        let read = file.read(offset, &mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            reply.end_of_file(id);
        } else {
            reply.data_head(id, u32::try_from(bytes.len()).unwrap_or_default());
            reply.0.extend_from_slice(bytes);
        }
        Ok(())
    }
}

fn set(file: &mut dyn Upload, wanted: SetAttributes) -> Result<(), Denied> {
    if let Some(size) = wanted.size {
        file.set_length(size)?;
    }
    if let Some(seconds) = wanted.modified {
        file.set_modified(timestamp(seconds))?;
    }
    if wanted == SetAttributes::default() { may_be_set(&file.attributes()?) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;

    use super::*;
    use crate::dropbox::view::Attributes;

    /// An upload that takes four bytes and then fails, and says when it was closed.
    struct Short {
        taken: Vec<u8>,
        finished: Arc<Mutex<bool>>,
    }

    impl Upload for Short {
        fn write(&mut self, _: u64, bytes: &[u8]) -> Result<(), Denied> {
            if self.taken.len() + bytes.len() > 4 {
                return Err(Denied::Limit("vol".to_owned()));
            }
            self.taken.extend_from_slice(bytes);
            Ok(())
        }

        fn read(&mut self, _: u64, _: &mut [u8]) -> Result<usize, Denied> {
            Err(Denied::Unsupported("verzegeld"))
        }

        fn attributes(&self) -> Result<Attributes, Denied> {
            let size = u64::try_from(self.taken.len()).unwrap();
            Ok(Attributes { directory: false, size, modified: Timestamp::UNIX_EPOCH, writable: true })
        }

        fn set_length(&mut self, length: u64) -> Result<(), Denied> {
            self.taken.resize(usize::try_from(length).unwrap(), 0);
            Ok(())
        }

        fn set_modified(&mut self, _: Timestamp) -> Result<(), Denied> {
            Ok(())
        }

        fn sync(&mut self) -> Result<(), Denied> {
            Ok(())
        }

        fn finish(self: Box<Self>) -> Result<(), Denied> {
            *self.finished.lock().unwrap() = true;
            Ok(())
        }
    }

    /// The id and code of each status in these replies.
    fn statuses(mut replies: &[u8]) -> Vec<(u8, u8)> {
        let mut found = Vec::new();
        while let Some((length, rest)) = replies.split_first_chunk::<4>() {
            let (packet, rest) = rest.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
            assert_eq!(packet[0], 101);
            found.push((packet[4], packet[8]));
            replies = rest;
        }
        found
    }

    #[test]
    fn a_write_in_pieces_has_one_result_and_the_close_comes_after_all() {
        let finished = Arc::new(Mutex::new(false));
        let mut upload = OpenUpload::new(Box::new(Short { taken: Vec::new(), finished: Arc::clone(&finished) }));
        let mut replies = Vec::new();
        let piece = |id, offset, last| UploadWork::Write { id, offset, bytes: Bytes::from_static(b"ab"), last };
        for work in [
            piece(1, 0, false),
            piece(1, 2, true),
            piece(2, 4, false),
            piece(2, 6, true),
            UploadWork::Read { id: 3, offset: 0, length: 10 },
            UploadWork::Sync { id: 4 },
            UploadWork::SetAttributes { id: 5, attributes: SetAttributes { size: Some(2), modified: Some(7) } },
            piece(6, 2, true),
        ] {
            upload.perform(work, &mut replies);
        }
        assert_eq!(statuses(&replies), [(1, 0), (2, 4), (3, 8), (4, 0), (5, 0), (6, 0)]);
        assert!(upload.is_open() && !*finished.lock().unwrap());
        replies.clear();
        upload.perform(UploadWork::Close { id: 7 }, &mut replies);
        upload.perform(piece(8, 0, true), &mut replies);
        assert_eq!(statuses(&replies), [(7, 0), (8, 3)]);
        assert!(!upload.is_open() && *finished.lock().unwrap());
    }
}
