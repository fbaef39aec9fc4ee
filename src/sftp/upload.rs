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
                let file = self.open().map(|file| wire_attributes(&file.attributes()));
                (id, file.map(|file| reply.attributes(id, &file)))
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
        let left = file.attributes().size.saturating_sub(offset);
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
        file.set_modified(timestamp(seconds));
    }
    if wanted == SetAttributes::default() { may_be_set(&file.attributes()) } else { Ok(()) }
}
