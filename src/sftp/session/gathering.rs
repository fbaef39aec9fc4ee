//! Gathering what a client writes, so that a job has much to do at once.
//!
//! A job costs two threads' waking and sleeping, on a virtual machine as much as writing 64 KiB. So pieces of WRITEs are
//! kept back for as long as more of a WRITE is certain to come, at most [`GATHERED_BYTES`]; and a WRITE that is whole no
//! longer than [`PATIENCE`], or else a client on a slow line would wait for its replies.
//!
//! Invariant: what is kept back belongs to one handle, the one that was written to last; any other request to it, and
//! whatever keeps the session from taking more, ends the gathering.

use std::time::Duration;

use tokio::time::Instant;

use super::{Session, WORK_PER_JOB};

/// What one job writes at once: its own cost is below a tenth then. Well below
/// [`QUEUE_PAUSE`](super::QUEUE_PAUSE), so that the next half is gathered meanwhile.
const GATHERED_BYTES: usize = 512 << 10;

/// How long a reply may wait for company: a fast client has sent all of [`GATHERED_BYTES`] by then.
const PATIENCE: Duration = Duration::from_millis(2);

/// What is kept back: the last of what waits for its handle.
pub(super) struct Gathering {
    handle: u64,
    pieces: usize,
    bytes: usize,
    /// Among it is the end of a WRITE, which a client may be waiting for.
    whole: bool,
    began: Instant,
}

impl Gathering {
    pub(super) fn is_for(&self, handle: u64) -> bool {
        self.handle == handle
    }

    /// Whether it should wait for more, of which there is some on its way.
    fn waits(&self) -> bool {
        self.bytes < GATHERED_BYTES && self.pieces < WORK_PER_JOB && !(self.whole && self.began.elapsed() >= PATIENCE)
    }
}

impl Session {
    /// Keeps back a piece of a WRITE, the last of what waits for its handle.
    pub(super) fn gather(&mut self, handle: u64, bytes: usize, last: bool) {
        if self.gathering.as_ref().is_some_and(|gathering| !gathering.is_for(handle)) {
            self.stop_gathering();
            self.gathering = None;
        }
        let nothing = || Gathering { handle, pieces: 0, bytes: 0, whole: false, began: Instant::now() };
        let gathering = self.gathering.get_or_insert_with(nothing);
        gathering.pieces += 1;
        gathering.bytes += bytes;
        gathering.whole |= last;
    }

    /// Has what was kept back written, unless it should wait for more.
    pub(super) fn go_on_gathering(&mut self) {
        let more_comes = !self.decoder.is_between_packets();
        if !self.gathering.as_ref().is_some_and(|gathering| more_comes && gathering.waits()) {
            self.stop_gathering();
        }
    }

    /// When what is kept back must not wait any longer, unless a job has the upload.
    pub(super) fn gathers_until(&mut self) -> Option<Instant> {
        let Gathering { handle, began, .. } = *self.gathering.as_ref().filter(|gathering| gathering.whole)?;
        self.handles.writer(handle)?.file.is_some().then_some(began + PATIENCE)
    }

    /// Has what was kept back written now, or after what a job has at hand.
    pub(super) fn stop_gathering(&mut self) {
        if let Some(Gathering { handle, .. }) = self.gathering {
            self.start_writer(handle);
        }
    }

    /// Has an upload go on that a job gave back.
    pub(super) fn go_on_writing(&mut self, handle: u64) {
        let kept_back = self.gathering.as_ref().filter(|gathering| gathering.is_for(handle)).map(|kept| kept.pieces);
        if kept_back.is_some() && kept_back == self.handles.writer(handle).map(|writer| writer.waiting.len()) {
            self.go_on_gathering();
        } else {
            self.start_writer(handle);
        }
    }
}
