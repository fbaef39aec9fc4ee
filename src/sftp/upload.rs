//! What is asked of an open upload, in the order in which it was asked. Run where blocking is allowed.
//!
//! Pieces that follow one another in the file are written at once: the transport brings them in packets of 32 KiB, and
//! the kernel takes half a mebibyte for two thirds of what sixteen pieces cost it.

use std::io::IoSlice;

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
    Write(Piece),
    Ask(UploadAsk),
}

impl UploadWork {
    /// Bytes of the file that the reply has at most.
    pub(super) fn reads(&self) -> usize {
        match self {
            Self::Ask(UploadAsk::Read { length, .. }) => usize::try_from(*length.min(&LONGEST_PAYLOAD)).unwrap_or(0),
            Self::Ask(_) | Self::Write(_) => 0,
        }
    }
}

/// A piece of the WRITE with this id.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) id: u32,
    pub(super) offset: u64,
    pub(super) bytes: Bytes,
    pub(super) last: bool,
}

/// A request that comes whole.
#[derive(Debug, Clone, Copy)]
pub(super) enum UploadAsk {
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
}

/// Pieces that follow one another in the file.
#[derive(Default)]
struct Run {
    offset: u64,
    length: u64,
    pieces: Vec<Bytes>,
    /// The WRITEs whose last piece is among them.
    ended: Vec<u32>,
}

impl Run {
    fn beginning_with(piece: Piece) -> Self {
        let mut run = Self { offset: piece.offset, ..Self::default() };
        run.add(piece);
        run
    }

    fn goes_on_with(&self, piece: &Piece) -> bool {
        self.offset.checked_add(self.length) == Some(piece.offset)
    }

    fn add(&mut self, piece: Piece) {
        self.length += piece.bytes.len() as u64;
        self.pieces.push(piece.bytes);
        if piece.last {
            self.ended.push(piece.id);
        }
    }
}

impl OpenUpload {
    pub(super) fn new(file: Box<dyn Upload>) -> Self {
        Self { file: Some(file) }
    }

    /// Whether it can be asked more.
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Does the work in order; replies are appended.
    pub(super) fn perform(&mut self, work: impl IntoIterator<Item = UploadWork>, out: &mut Vec<u8>) {
        let mut run = Run::default();
        for work in work {
            match work {
                UploadWork::Write(piece) if run.goes_on_with(&piece) => run.add(piece),
                UploadWork::Write(piece) => {
                    self.write(run, out);
                    run = Run::beginning_with(piece);
                }
                UploadWork::Ask(ask) => {
                    self.write(std::mem::take(&mut run), out);
                    self.answer(ask, out);
                }
            }
        }
        self.write(run, out);
    }

    /// Writes a run. The result of a WRITE comes with its last piece: where an earlier one failed, so does this, since
    /// an upload that failed once takes nothing more.
    fn write(&mut self, run: Run, out: &mut Vec<u8>) {
        if run.pieces.is_empty() {
            return;
        }
        let slices: Vec<IoSlice<'_>> = run.pieces.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let written = self.open().and_then(|file| file.write(run.offset, &slices));
        let mut reply = Reply(out);
        for id in run.ended {
            match &written {
                Ok(()) => reply.ok(id),
                Err(denied) => refuse(&mut reply, id, denied),
            }
        }
    }

    fn answer(&mut self, ask: UploadAsk, out: &mut Vec<u8>) {
        let start = out.len();
        let mut reply = Reply(out);
        let (id, done) = match ask {
            UploadAsk::Read { id, offset, length } => (id, self.read(id, offset, length, &mut reply)),
            UploadAsk::Attributes { id } => {
                let file = self.open().and_then(|file| file.attributes());
                (id, file.map(|file| reply.attributes(id, &wire_attributes(&file))))
            }
            UploadAsk::SetAttributes { id, attributes } => {
                (id, self.open().and_then(|file| set(file, attributes)).map(|()| reply.ok(id)))
            }
            UploadAsk::Sync { id } => (id, self.open().and_then(Upload::sync).map(|()| reply.ok(id))),
            UploadAsk::Close { id } => {
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

    /// An upload that takes six bytes and is then void, and says when it was closed.
    struct Short {
        taken: Vec<u8>,
        writes: Arc<Mutex<Vec<(u64, usize)>>>,
        finished: Arc<Mutex<bool>>,
    }

    impl Upload for Short {
        fn write(&mut self, offset: u64, pieces: &[IoSlice<'_>]) -> Result<(), Denied> {
            self.writes.lock().unwrap().push((offset, pieces.len()));
            self.taken.extend(pieces.iter().flat_map(|piece| piece.to_vec()));
            if self.taken.len() > 6 { Err(Denied::Limit("vol".to_owned())) } else { Ok(()) }
        }

        fn read(&mut self, _: u64, _: &mut [u8]) -> Result<usize, Denied> {
            Err(Denied::Unsupported("verzegeld"))
        }

        fn attributes(&self) -> Result<Attributes, Denied> {
            let size = u64::try_from(self.taken.len()).unwrap();
            Ok(Attributes { directory: false, size, modified: Timestamp::UNIX_EPOCH, writable: true })
        }

        fn set_length(&mut self, _: u64) -> Result<(), Denied> {
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
    fn what_follows_in_the_file_is_written_at_once_and_each_write_has_its_result() {
        let (finished, writes) = (Arc::new(Mutex::new(false)), Arc::default());
        let short = Short { taken: Vec::new(), writes: Arc::clone(&writes), finished: Arc::clone(&finished) };
        let mut upload = OpenUpload::new(Box::new(short));
        let mut replies = Vec::new();
        let piece = |id, offset, last| UploadWork::Write(Piece { id, offset, bytes: Bytes::from_static(b"ab"), last });
        // Three pieces of two requests, one elsewhere, and one that is cut by a question.
        let work = [
            piece(1, 0, false),
            piece(1, 2, true),
            piece(2, 4, true),
            UploadWork::Ask(UploadAsk::Sync { id: 3 }),
            piece(4, 100, true),
            piece(5, 0, false),
            UploadWork::Ask(UploadAsk::Read { id: 6, offset: 0, length: 10 }),
            piece(5, 2, true),
            UploadWork::Ask(UploadAsk::SetAttributes {
                id: 7,
                attributes: SetAttributes { size: Some(2), modified: Some(7) },
            }),
        ];
        upload.perform(work, &mut replies);
        assert_eq!(*writes.lock().unwrap(), [(0, 3), (100, 1), (0, 1), (2, 1)]);
        assert_eq!(statuses(&replies), [(1, 0), (2, 0), (3, 0), (4, 4), (6, 8), (5, 4), (7, 0)]);
        assert!(upload.is_open() && !*finished.lock().unwrap());
        replies.clear();
        upload.perform([UploadWork::Ask(UploadAsk::Close { id: 8 }), piece(9, 0, true)], &mut replies);
        assert_eq!(statuses(&replies), [(8, 0), (9, 3)]);
        assert!(!upload.is_open() && *finished.lock().unwrap());
    }
}
