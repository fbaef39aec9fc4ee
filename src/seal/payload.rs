//! The content of an age file: chunks of 64 KiB, each sealed with ChaCha20-Poly1305 (age-encryption.org/v1, section
//! "Payload", which is STREAM, <https://eprint.iacr.org/2015/189>).
//!
//! The header is the `age` crate's business. The content is ours, since it is where the time goes: through aws-lc it is
//! sealed and opened about twice as fast as through the crate, without an allocation for each chunk. What was opened and
//! not yet read is wiped when the reader goes, as is what was written and not yet sealed.

use std::{
    io::{self, Read, Write},
    ops::Range,
    sync::Arc,
};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// The content of a chunk, bytes: all but the last have as many.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// What Poly1305 adds to each chunk, bytes.
const TAG_BYTES: usize = 16;

const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

/// Chunks that are read at once, so that a read is worth its call; and a byte more, which tells whether more follows.
const BUFFER_BYTES: usize = 4 * SEALED_CHUNK_BYTES + 1;

/// The random bytes before the content.
pub(super) const NONCE_BYTES: usize = 16;

/// What seals the chunks of one file.
pub(super) struct PayloadKey {
    key: Arc<LessSafeKey>,
    chunks: u64,
}

impl PayloadKey {
    /// HKDF-SHA-256 of the file key, with the nonce as salt.
    ///
    /// # Errors
    /// The cryptographic library refuses, which it has no reason to.
    pub fn of(file_key: &[u8], nonce: &[u8; NONCE_BYTES]) -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        let expanded = hkdf::Hkdf::<sha2::Sha256>::new(Some(nonce), file_key).expand(b"payload", key.as_mut_slice());
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).ok().filter(|_| expanded.is_ok());
        let key = LessSafeKey::new(key.ok_or_else(|| io::Error::other("no key could be made"))?);
        Ok(Self { key: Arc::new(key), chunks: 0 })
    }

    /// A whole chunk of a sealed content, bytes.
    pub const SEALED_CHUNK_BYTES: u64 = SEALED_CHUNK_BYTES as u64;

    /// What each chunk of a sealed content has beside its own content, bytes.
    pub const TAG_BYTES: u64 = TAG_BYTES as u64;

    /// The same key, with so many chunks behind it.
    pub fn behind(&self, chunks: u64) -> Self {
        Self { key: Arc::clone(&self.key), chunks }
    }

    /// The nonce of the chunk under way: its number in 11 bytes, and whether it is the last.
    fn nonce(&self, last: bool) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        // The number's upper three bytes are zero: 64 bits count more chunks than any disk holds.
        if let Some((flag, number)) = nonce.split_last_mut() {
            *flag = u8::from(last);
            for (to, from) in number.iter_mut().rev().zip(self.chunks.to_le_bytes()) {
                *to = from;
            }
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Seals what is written to it. Dropped unfinished, it leaves a file that does not open.
///
/// After a fault of its output it takes nothing more and cannot be finished: how much of the chunk is there nobody
/// knows. Callers write on all the same, such as an archive that is dropped.
pub(super) struct PayloadWriter<W> {
    key: PayloadKey,
    output: W,
    /// Never longer than a sealed chunk, for which there is room from the start.
    chunk: Zeroizing<Vec<u8>>,
    failed: bool,
}

impl<W: Write> PayloadWriter<W> {
    pub fn new(key: PayloadKey, output: W) -> Self {
        Self { key, output, chunk: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_BYTES)), failed: false }
    }

    /// Seals the last chunk.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.output)
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        self.check()?;
        let sealed = self.seal_chunk(last);
        self.failed = sealed.is_err();
        self.chunk.clear();
        sealed
    }

    fn seal_chunk(&mut self, last: bool) -> io::Result<()> {
        let nonce = self.key.nonce(last);
        let sealed = self.key.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut *self.chunk);
        // Its one error is a chunk of over 256 GiB.
        sealed.map_err(|_| io::Error::other("a chunk could not be sealed"))?;
        self.key.chunks += 1;
        self.output.write_all(&self.chunk)
    }

    fn check(&self) -> io::Result<()> {
        if self.failed { Err(io::Error::other("an earlier chunk could not be written")) } else { Ok(()) }
    }
}

impl<W: Write> Write for PayloadWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        // A full chunk waits for what follows: the last one is sealed as such.
        if self.chunk.len() == CHUNK_BYTES && !bytes.is_empty() {
            self.seal(false)?;
        }
        let taken = bytes.get(..bytes.len().min(CHUNK_BYTES - self.chunk.len())).unwrap_or_default();
        self.chunk.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        self.output.flush()
    }
}

/// Opens what it reads, chunk by chunk. An error of kind `UnexpectedEof` says that the last chunk is not there,
/// `InvalidData` that a chunk was changed, or that something follows the last one. No chunk is passed on that was.
pub(super) struct PayloadReader<R> {
    key: PayloadKey,
    input: R,
    sealed: Vec<u8>,
    /// Where the sealed bytes are that were read and not yet opened.
    waiting: Range<usize>,
    /// A chunk that was opened for who reads less than one at a time.
    content: Zeroizing<Vec<u8>>,
    /// Where in it the bytes are that were not yet read.
    unread: Range<usize>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The input goes on.
    Reading,
    /// The input ended; sealed bytes may wait.
    Read,
    /// The last chunk was opened, and nothing follows it.
    Ended,
    /// A chunk was changed, or something follows the last one.
    Changed,
}

impl<R: Read> PayloadReader<R> {
    pub fn new(key: PayloadKey, input: R) -> Self {
        let (sealed, content) = (vec![0; BUFFER_BYTES], Zeroizing::new(vec![0; CHUNK_BYTES]));
        Self { key, input, sealed, waiting: 0..0, content, unread: 0..0, state: State::Reading }
    }

    /// Whether the last chunk was opened, or something is wrong behind it.
    pub fn is_at_end(&self) -> bool {
        matches!(self.state, State::Ended | State::Changed)
    }

    /// Reads until a chunk waits and the byte after it, or the input ends.
    fn fill(&mut self) -> io::Result<()> {
        if self.waiting.len() > SEALED_CHUNK_BYTES {
            return Ok(());
        }
        self.sealed.copy_within(self.waiting.clone(), 0);
        self.waiting = 0..self.waiting.len();
        while self.state == State::Reading && self.waiting.end < BUFFER_BYTES {
            match self.input.read(self.sealed.get_mut(self.waiting.end..).unwrap_or_default()) {
                Ok(0) => self.state = State::Read,
                Ok(read) => self.waiting.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Opens the next chunk: into `out` if all of it fits, else into the own room. Tells how much is in `out`.
    fn open_next(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.fill()?;
        let chunk = self.waiting.start..self.waiting.end.min(self.waiting.start + SEALED_CHUNK_BYTES);
        let followed = chunk.end < self.waiting.end;
        let Some(length) = chunk.len().checked_sub(TAG_BYTES) else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the age file is cut off"));
        };
        let fits = length <= out.len();
        let content = if fits { out.get_mut(..length) } else { self.content.get_mut(..length) };
        let (sealed, tag) = self.sealed.get(chunk.clone()).unwrap_or_default().split_at(length);
        let content = content.unwrap_or_default();
        let mut open = |last: bool| {
            // Only a file without content has a chunk without content.
            let may_be = length > 0 || (last && self.key.chunks == 0);
            let (key, nonce) = (&self.key.key, self.key.nonce(last));
            may_be && key.open_separate_gather(nonce, Aad::empty(), sealed, tag, content).is_ok()
        };
        // A whole chunk at the end of the input need not be the last, and one before it may be: both are faults, which
        // the next one tells.
        let last = if open(!followed) {
            !followed
        } else if length == CHUNK_BYTES && open(followed) {
            followed
        } else {
            self.state = State::Changed;
            return Err(changed());
        };
        self.key.chunks += 1;
        self.waiting.start = chunk.end;
        self.state = match (last, followed) {
            (true, false) => State::Ended,
            (true, true) => State::Changed,
            (false, _) => self.state,
        };
        self.unread = if fits { 0..0 } else { 0..length };
        Ok(if fits { length } else { 0 })
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the age file is damaged")
}

impl<R: Read> Read for PayloadReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            match self.state {
                _ if out.is_empty() => return Ok(0),
                State::Ended => return Ok(0),
                State::Changed => return Err(changed()),
                State::Reading | State::Read => {}
            }
            let read = self.open_next(out)?;
            if read > 0 {
                return Ok(read);
            }
        }
        let unread = self.content.get(self.unread.clone()).unwrap_or_default();
        let read = unread.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..read), unread.get(..read)) {
            to.copy_from_slice(from);
        }
        self.unread.start += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::seal::{Keyring, testkit::vectors};

    const FILE_KEY: [u8; 16] = *b"YELLOW SUBMARINE";
    const NONCE: [u8; NONCE_BYTES] = [3; NONCE_BYTES];

    /// Vectors that end otherwise. A file is told by its first bytes, so that armor with white space before it is no age
    /// file here. And the crate reads stanzas whose body lacks its last line, which early senders left out.
    const OTHERWISE: [&str; 3] = ["armor_whitespace_outside", "stanza_missing_body", "stanza_missing_final_line"];

    fn key() -> PayloadKey {
        PayloadKey::of(&FILE_KEY, &NONCE).unwrap()
    }

    /// Reads to the end or to the fault, so many bytes at a time.
    fn read(mut input: impl Read, step: usize) -> (Vec<u8>, Option<io::ErrorKind>) {
        let (mut content, mut room) = (Vec::new(), vec![0; step]);
        loop {
            match input.read(&mut room) {
                Ok(0) => return (content, None),
                Ok(read) => content.extend_from_slice(&room[..read]),
                Err(error) => {
                    assert!(input.read(&mut room).is_err(), "a fault stays");
                    return (content, Some(error.kind()));
                }
            }
        }
    }

    fn sealed(content: &[u8], step: usize) -> Vec<u8> {
        let mut writer = PayloadWriter::new(key(), Vec::new());
        content.chunks(step).for_each(|part| writer.write_all(part).unwrap());
        writer.finish().unwrap()
    }

    fn open(sealed: &[u8], step: usize) -> (Vec<u8>, Option<io::ErrorKind>) {
        read(PayloadReader::new(key(), sealed), step)
    }

    #[test]
    fn the_vectors_of_the_age_testkit_end_as_they_say() {
        let vectors = vectors();
        let any = Keyring::generate();
        let mut otherwise = BTreeSet::new();
        for vector in &vectors {
            let keyring = Keyring::parse(&vector.values("identity")).unwrap_or_else(|_| any.clone());
            for step in [1_000, CHUNK_BYTES, 1 << 20] {
                let (content, fault) = keyring
                    .open(&vector.file[..])
                    .map_or_else(|_| (Vec::new(), Some(io::ErrorKind::Other)), |opened| read(opened, step));
                let (name, expected, digest) = (&vector.name, vector.values("expect"), vector.values("payload"));
                if fault.is_none() != (expected == "success") {
                    otherwise.insert(name.as_str());
                    continue;
                }
                if !digest.is_empty() && expected != "armor failure" {
                    assert_eq!(hex::encode(Sha256::digest(&content)), digest, "{name}");
                }
            }
        }
        assert_eq!(vectors.len(), 117);
        assert_eq!(otherwise.into_iter().collect::<Vec<_>>(), OTHERWISE);
    }

    #[test]
    fn the_crate_opens_what_is_sealed_here() {
        let keyring = Keyring::generate();
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 5 * CHUNK_BYTES + 7] {
            let content: Vec<u8> = (0..length).map(|at| (at / 7).to_le_bytes()[0]).collect();
            let mut sealer = crate::seal::StorageSealer::new(&keyring.recipients(), Vec::new()).unwrap();
            sealer.write_all(&content).unwrap();
            let file = sealer.finish().unwrap().0;
            let text = keyring.to_file();
            let secret: age::x25519::Identity = text.lines().nth(1).unwrap().parse().unwrap();
            assert!(age::decrypt(&secret, &file).unwrap() == content, "{length}");
        }
    }

    #[test]
    fn a_content_is_the_same_however_it_is_written_and_read() {
        let content: Vec<u8> = (0..300_000_u32).map(|at| at.to_le_bytes()[1]).collect();
        let whole = sealed(&content, content.len());
        for step in [1, 999, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 1 << 20] {
            assert!(sealed(&content, step) == whole, "{step}");
            assert!(open(&whole, step) == (content.clone(), None), "{step}");
        }
    }

    /// Takes so many bytes, then says once that the disk is full.
    struct FullOnce {
        taken: Vec<u8>,
        room: usize,
        full: bool,
    }

    impl Write for FullOnce {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !self.full && self.taken.len() + bytes.len() > self.room {
                self.full = true;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.taken.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_a_fault_of_the_output_nothing_more_is_taken() {
        let output = FullOnce { taken: Vec::new(), room: SEALED_CHUNK_BYTES, full: false };
        let mut writer = PayloadWriter::new(key(), output);
        let content = vec![7; 2 * CHUNK_BYTES];
        writer.write_all(&content).unwrap();
        assert_eq!(writer.write_all(b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
        // The output would take it again, but a chunk before it is missing.
        for bytes in [&content[..], b"x"] {
            assert!(writer.write_all(bytes).is_err() && writer.flush().is_err());
        }
        assert_eq!(writer.output.taken.len(), SEALED_CHUNK_BYTES);
        assert!(writer.finish().is_err());
    }

    #[test]
    fn what_is_cut_off_is_told_from_what_was_changed_where_it_can_be() {
        let content = vec![7; 3 * CHUNK_BYTES];
        let file = sealed(&content, 1 << 20);
        let (got, fault) = open(&file[..2 * SEALED_CHUNK_BYTES], CHUNK_BYTES);
        assert_eq!((got.len(), fault), (2 * CHUNK_BYTES, Some(io::ErrorKind::UnexpectedEof)));
        assert_eq!(open(&[], 10).1, Some(io::ErrorKind::UnexpectedEof));
        let (got, fault) = open(&file[..file.len() - 1], 10);
        assert_eq!((got.len(), fault), (2 * CHUNK_BYTES, Some(io::ErrorKind::InvalidData)));
        let (got, fault) = open(&[&file[..], b"x"].concat(), CHUNK_BYTES);
        assert_eq!((got.len(), fault), (3 * CHUNK_BYTES, Some(io::ErrorKind::InvalidData)));
    }

    proptest! {
        #[test]
        fn a_changed_file_gives_no_byte_of_a_changed_chunk(at in 0..200_000_usize, by in 1_u8..=255, step in 1..100_000_usize) {
            let mut file = sealed(&vec![7; 190_000], 1 << 20);
            let at = at % file.len();
            file[at] ^= by;
            let (content, fault) = open(&file, step);
            prop_assert_eq!(content.len(), at / SEALED_CHUNK_BYTES * CHUNK_BYTES);
            prop_assert!(content.iter().all(|byte| *byte == 7));
            prop_assert_eq!(fault, Some(io::ErrorKind::InvalidData));
        }
    }
}
