//! Hashes of files that the client may read (`check-file`), so that it can compare without downloading.
//!
//! A session hashes one file at a time, beside all else that it does, and all sessions together only as many as
//! [`super::super::server::Shared::hashing`] has turns, each of [`TURN_BYTES`]: nobody waits long for a turn, and
//! hashing leaves processors for transfers. Refused: uploads, of which nothing is read back, not even a hash, since
//! short pieces could be guessed from theirs; any algorithm but SHA-256.

use std::{collections::VecDeque, io, sync::Arc};

use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, watch};

use super::{Done, REQUEST_COST, Session};
use crate::{
    dropbox::view::{Denied, Download},
    sftp::{
        handles::FilePlace,
        operations::refuse,
        wire::{Check, LONGEST_PAYLOAD},
    },
};

/// What is hashed in one turn: about 50 ms of a processor.
const TURN_BYTES: u64 = 32 << 20;

/// What is read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Bytes of a SHA-256.
const HASH_BYTES: u64 = 32;

/// Blocks of one reply at most: what fits in a payload of the usual size.
const MOST_BLOCKS: u64 = LONGEST_PAYLOAD as u64 / HASH_BYTES;

/// The smallest block (draft-ietf-secsh-filexfer-extensions-00, section 3).
const SMALLEST_BLOCK_BYTES: u64 = 256;

/// A file to be hashed for a request.
pub(super) struct ToCheck {
    pub(super) id: u32,
    pub(super) hashing: Hashing,
    pub(super) of: CheckOf,
}

/// What is hashed.
pub(super) enum CheckOf {
    /// A file that is open under this handle.
    Handle(u64),
    /// One that is open for nothing but its hash.
    Name { _place: FilePlace },
}

/// The hashing of one session.
pub(super) struct Checks {
    waiting: VecDeque<ToCheck>,
    running: bool,
    turns: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

impl Checks {
    pub(super) fn new(turns: Arc<Semaphore>) -> Self {
        Self { waiting: VecDeque::new(), running: false, turns, stop: watch::Sender::new(false) }
    }

    /// What is being hashed is given up at its next turn.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// A range of a file, as far as it is hashed.
pub(in crate::sftp) struct Hashing {
    file: Arc<dyn Download>,
    at: u64,
    end: u64,
    /// The length of a block, and how much of the present one is left.
    block: u64,
    left: u64,
    digest: Sha256,
    hashes: Vec<u8>,
}

/// What a turn came to.
enum Turn {
    More(Hashing),
    Whole(Vec<u8>),
}

/// What speaks against a request before a file is looked at.
pub(in crate::sftp) fn check_request(check: Check) -> Result<(), Denied> {
    if !check.sha256 {
        return Err(Denied::Unsupported("alleen sha256 wordt berekend"));
    }
    if (1..SMALLEST_BLOCK_BYTES).contains(&u64::from(check.block_bytes)) {
        return Err(Denied::Refused(format!("een blok heeft minstens {SMALLEST_BLOCK_BYTES} bytes")));
    }
    Ok(())
}

impl Hashing {
    /// Prepares to hash what the request names.
    pub(in crate::sftp) fn new(file: Arc<dyn Download>, check: Check) -> Result<Self, Denied> {
        check_request(check)?;
        let size = file.length();
        if check.offset > size {
            return Err(Denied::Refused("het begin ligt voorbij het einde van het bestand".to_owned()));
        }
        let end = if check.length == 0 { size } else { check.offset.saturating_add(check.length).min(size) };
        // One block, whatever its length, when none is asked for.
        let block = if check.block_bytes == 0 { u64::MAX } else { u64::from(check.block_bytes) };
        if (end - check.offset).div_ceil(block) > MOST_BLOCKS {
            return Err(Denied::Limit(format!("meer dan {MOST_BLOCKS} blokken; vraag grotere blokken of een deel")));
        }
        Ok(Self { file, at: check.offset, end, block, left: block, digest: Sha256::new(), hashes: Vec::new() })
    }

    /// Hashes for one turn. May wait for the disk.
    fn turn(mut self) -> io::Result<Turn> {
        let until = self.end.min(self.at.saturating_add(TURN_BYTES));
        let mut buffer = vec![0; PIECE_BYTES];
        while self.at < until {
            let wanted = usize::try_from((until - self.at).min(self.left)).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let read = self.file.read(self.at, buffer.get_mut(..wanted).unwrap_or_default())?;
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.digest.update(bytes);
            self.at += bytes.len() as u64;
            self.left -= bytes.len() as u64;
            if self.left == 0 {
                self.end_block();
            }
        }
        if self.at < self.end {
            return Ok(Turn::More(self));
        }
        if self.left < self.block || self.block == u64::MAX {
            self.end_block();
        }
        Ok(Turn::Whole(self.hashes))
    }

    fn end_block(&mut self) {
        self.hashes.extend_from_slice(&self.digest.finalize_reset());
        self.left = self.block;
    }
}

impl Session {
    /// Has a file hashed when its turn comes; what cannot be is refused at once.
    pub(super) fn check(&mut self, check: ToCheck) {
        if matches!(check.of, CheckOf::Name { .. }) {
            self.queued += REQUEST_COST;
        }
        self.checks.waiting.push_back(check);
        self.start_check();
    }

    /// Begins with the next file. Not while replies wait: hashes of small blocks are much longer than their request.
    pub(super) fn start_check(&mut self) {
        if self.checks.running || !self.outbox.has_room() {
            return;
        }
        let Some(ToCheck { id, hashing, of }) = self.checks.waiting.pop_front() else { return };
        self.checks.running = true;
        let (turns, stop) = (Arc::clone(&self.checks.turns), self.checks.stop.subscribe());
        self.jobs.spawn(async move {
            let hashes = hash(hashing, turns, stop).await;
            Done::Checked { id, of, hashes }
        });
    }

    pub(super) fn checked(&mut self, id: u32, of: &CheckOf, hashes: Result<Vec<u8>, Denied>) {
        self.checks.running = false;
        match hashes {
            Ok(hashes) => self.outbox.reply().check(id, &hashes),
            Err(denied) => refuse(&mut self.outbox.reply(), id, &denied),
        }
        match of {
            CheckOf::Handle(handle) => {
                let handle = *handle;
                if let Some(reader) = self.handles.reader(handle) {
                    reader.fetching = false;
                }
                self.answered(handle);
            }
            CheckOf::Name { .. } => self.queued -= REQUEST_COST,
        }
    }
}

/// Hashes turn by turn.
async fn hash(mut hashing: Hashing, turns: Arc<Semaphore>, mut stop: watch::Receiver<bool>) -> Result<Vec<u8>, Denied> {
    loop {
        let turn = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => None,
            turn = Arc::clone(&turns).acquire_owned() => turn.ok(),
        };
        // The session is over: nobody reads this.
        let Some(turn) = turn else { return Err(Denied::Unavailable) };
        let done = tokio::task::spawn_blocking(move || {
            let _held_meanwhile = turn;
            hashing.turn()
        });
        match done.await {
            Ok(Ok(Turn::More(rest))) => hashing = rest,
            Ok(Ok(Turn::Whole(hashes))) => return Ok(hashes),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a file of a drop-box could not be hashed");
                return Err(Denied::Unavailable);
            }
            Err(error) => {
                tracing::error!(%error, "a job of an SFTP session failed");
                return Err(Denied::Unavailable);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::dropbox::view::Attributes;

    struct Bytes(Vec<u8>);

    impl Download for Bytes {
        fn length(&self) -> u64 {
            self.0.len() as u64
        }

        fn attributes(&self) -> Attributes {
            Attributes { directory: false, size: self.length(), modified: Timestamp::UNIX_EPOCH, writable: false }
        }

        fn read_now(&self, _: u64, _: &mut [u8]) -> Option<io::Result<usize>> {
            None
        }

        /// In pieces of 700 bytes, as a disk may.
        fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            let rest = &self.0[usize::try_from(offset).unwrap()..];
            let length = rest.len().min(buffer.len()).min(700);
            buffer[..length].copy_from_slice(&rest[..length]);
            Ok(length)
        }

        fn sent(&self, _: u64, _: u64) {
            panic!("a hash is no download");
        }
    }

    fn hashes(bytes: &[u8], check: Check) -> Result<Vec<u8>, Denied> {
        match Hashing::new(Arc::new(Bytes(bytes.to_vec())), check)?.turn().unwrap() {
            Turn::Whole(hashes) => Ok(hashes),
            Turn::More(_) => panic!("a small file takes one turn"),
        }
    }

    fn check(offset: u64, length: u64, block_bytes: u32) -> Check {
        Check { sha256: true, offset, length, block_bytes }
    }

    #[test]
    fn what_cannot_be_hashed_is_refused() {
        let bytes = [0; 1000];
        assert!(matches!(
            hashes(&bytes, Check { sha256: false, ..check(0, 0, 0) }),
            Err(Denied::Unsupported("alleen sha256 wordt berekend"))
        ));
        assert!(matches!(hashes(&bytes, check(0, 0, 255)), Err(Denied::Refused(_))));
        assert!(matches!(hashes(&bytes, check(1001, 0, 0)), Err(Denied::Refused(_))));
        let many = vec![0; usize::try_from(MOST_BLOCKS * 256 + 1).unwrap()];
        assert!(matches!(hashes(&many, check(0, 0, 256)), Err(Denied::Limit(_))));
        assert_eq!(hashes(&many, check(1, 0, 256)).unwrap().len() as u64, MOST_BLOCKS * HASH_BYTES);
        assert_eq!(hashes(&[], check(0, 0, 0)).unwrap(), Sha256::digest([]).to_vec());
    }

    #[test]
    fn a_large_file_takes_several_turns() {
        let bytes = vec![7; usize::try_from(TURN_BYTES).unwrap() + 1];
        let hashing = Hashing::new(Arc::new(Bytes(bytes.clone())), check(0, 0, 0)).unwrap();
        let Turn::More(rest) = hashing.turn().unwrap() else { panic!("it was whole in one turn") };
        let Turn::Whole(hashes) = rest.turn().unwrap() else { panic!("it took three turns") };
        assert_eq!(hashes, Sha256::digest(&bytes).to_vec());
    }

    proptest! {
        #[test]
        fn each_block_has_its_hash(
            size in 0_usize..5000, offset in 0_u64..5000, length in 0_u64..6000, block in prop_oneof![Just(0), 256_u32..2000],
        ) {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
            prop_assume!(offset <= size as u64);
            let start = usize::try_from(offset).unwrap();
            let end = if length == 0 { size } else { size.min(start + usize::try_from(length).unwrap()) };
            let range = &bytes[start..end];
            let expected = match block {
                0 => Sha256::digest(range).to_vec(),
                block => range.chunks(block as usize).flat_map(Sha256::digest).collect(),
            };
            prop_assert_eq!(hashes(&bytes, check(offset, length, block)).unwrap(), expected);
        }
    }
}
