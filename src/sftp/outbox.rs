//! Replies on their way out of one session: gathered into batches, handed to the transport one batch at a time.
//!
//! While a batch is with the transport the next one fills up to [`BATCH_BYTES`]; then no more is read from files, and no
//! job begins whose replies are long. Those of the jobs that run come on top, which the session bounds. The head of a DATA
//! reply promises its length, so nothing may come between its pieces: replies that are ready meanwhile wait behind it.
//!
//! No more is handed over than the client's window has room for. What the transport itself would keep back until the
//! window opens stops every channel of the connection, and for ever when the client closes the channel instead.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use russh::{ChannelWriteHalf, server::Msg};

use super::wire::Reply;
use crate::dropbox::view::Download;

/// A batch: large enough that its cost per byte is that of encryption, small enough that the transport's buffers, which
/// keep the size they once had, stay small (264 KiB a session after a bulk transfer; 624 with batches of 128 KiB).
pub(super) const BATCH_BYTES: usize = 64 * 1024;

/// Something to do once the bytes before it were handed over.
pub(super) enum Handed {
    /// A piece of a file is with the transport.
    Piece { file: Arc<dyn Download>, offset: u64, length: u64 },
    /// The client closed the file.
    Closed(Arc<dyn Download>),
}

type Sending = Pin<Box<dyn Future<Output = bool> + Send>>;

/// The outbox of one session.
pub(super) struct Outbox {
    writer: Arc<ChannelWriteHalf<Msg>>,
    batch: Vec<u8>,
    /// Bytes of the DATA reply at the end of the batch that are still to come.
    promised: usize,
    /// Where that reply begins, until its first piece is there.
    begun_at: Option<usize>,
    /// Replies that came while bytes were promised.
    behind: Vec<u8>,
    handed: Vec<Handed>,
    sending: Option<(Sending, usize, Vec<Handed>)>,
}

impl Outbox {
    pub(super) fn new(writer: ChannelWriteHalf<Msg>) -> Self {
        Self {
            writer: Arc::new(writer),
            batch: Vec::new(),
            promised: 0,
            begun_at: None,
            behind: Vec::new(),
            handed: Vec::new(),
            sending: None,
        }
    }

    /// Where a whole reply is written.
    pub(super) fn reply(&mut self) -> Reply<'_> {
        Reply(if self.promised == 0 { &mut self.batch } else { &mut self.behind })
    }

    /// Adds whole replies.
    pub(super) fn append(&mut self, replies: &[u8]) {
        self.reply().0.extend_from_slice(replies);
    }

    /// Begins a DATA reply of `length` bytes, which [`Outbox::piece`] brings.
    pub(super) fn promise(&mut self, id: u32, length: u32) {
        self.batch.reserve_exact(usize::try_from(length).unwrap_or(BATCH_BYTES).min(BATCH_BYTES) + 13);
        self.begun_at = Some(self.batch.len());
        self.reply().data_head(id, length);
        self.promised = usize::try_from(length).unwrap_or(usize::MAX);
    }

    /// Lets `fill` write the next piece of the promised bytes and say how many it wrote. Its error is passed on, and
    /// nothing is added then.
    pub(super) fn piece<E>(
        &mut self,
        file: &Arc<dyn Download>,
        offset: u64,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let start = self.batch.len();
        let length = self.promised.min(BATCH_BYTES.saturating_sub(start).max(1));
        self.batch.resize(start + length, 0);
        let filled = fill(self.batch.get_mut(start..).unwrap_or_default());
        let written = filled.as_ref().copied().unwrap_or_default().min(length);
        self.batch.truncate(start + written);
        self.promised -= written;
        if written > 0 {
            self.begun_at = None;
            let length = u64::try_from(written).unwrap_or_default();
            match self.handed.last_mut() {
                Some(Handed::Piece { file: last, offset: from, length: so_far })
                    if Arc::ptr_eq(last, file) && *from + *so_far == offset =>
                {
                    *so_far += length;
                }
                _ => self.handed.push(Handed::Piece { file: Arc::clone(file), offset, length }),
            }
        }
        if self.promised == 0 {
            self.batch.append(&mut self.behind);
        }
        filled.map(|_| written)
    }

    /// Whether no piece of the promised bytes is there yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.begun_at.is_some()
    }

    /// Takes back a promise of which no piece is there yet.
    pub(super) fn retract(&mut self) {
        if let Some(start) = self.begun_at.take() {
            self.batch.truncate(start);
            self.promised = 0;
            self.batch.append(&mut self.behind);
        }
    }

    /// Keeps a closed file until all of its bytes are handed over.
    pub(super) fn closed(&mut self, file: Arc<dyn Download>) {
        self.handed.push(Handed::Closed(file));
    }

    /// Bytes of a DATA reply that are still to come.
    pub(super) fn promised(&self) -> usize {
        self.promised
    }

    /// Whether reading more from files must wait.
    pub(super) fn is_full(&self) -> bool {
        self.batch.len() >= BATCH_BYTES
    }

    /// Bytes that wait here.
    pub(super) fn waiting(&self) -> usize {
        self.batch.len() + self.behind.len()
    }

    /// Whether work may begin whose replies are longer than what asked for them.
    pub(super) fn has_room(&self) -> bool {
        self.waiting() < BATCH_BYTES
    }

    /// Whether a batch is with the transport, which may be waiting for the client.
    pub(super) fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// Whether nothing waits and nothing is being sent.
    pub(super) fn is_empty(&self) -> bool {
        self.sending.is_none() && self.batch.is_empty() && self.handed.is_empty()
    }

    /// Hands the batch over, unless one is on its way.
    pub(super) fn start(&mut self) {
        if self.sending.is_some() || (self.batch.is_empty() && self.handed.is_empty()) {
            return;
        }
        let writer = Arc::clone(&self.writer);
        let bytes = Bytes::from(std::mem::take(&mut self.batch));
        let length = bytes.len();
        let send = async move { writer.data_bytes(bytes).await.is_ok() };
        self.sending = Some((Box::pin(send), length, std::mem::take(&mut self.handed)));
    }

    /// Waits until the batch is handed over: its bytes, and what is to be done now. `None` when the transport is gone.
    /// Pending for ever when nothing is being sent; may be dropped and called again.
    pub(super) async fn sent(&mut self) -> Option<(usize, Vec<Handed>)> {
        let Some((sending, _, _)) = self.sending.as_mut() else { return std::future::pending().await };
        let arrived = sending.as_mut().await;
        let (_, length, handed) = self.sending.take()?;
        arrived.then_some((length, handed))
    }
}
