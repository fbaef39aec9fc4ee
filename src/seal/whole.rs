//! Opening a whole file into memory, a long one on two threads, and looking at the end of one.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::FileExt,
    thread,
};

use zeroize::Zeroizing;

use super::{
    Keyring, SealError, header,
    keyring::READ_BUFFER_BYTES,
    payload::{CHUNK_BYTES, NONCE_BYTES, PayloadKey, PayloadReader},
};

/// The largest buffer that is made before its content is there: far above the lists of whole cities.
const LARGEST_FIRST_BYTES: usize = 64 << 20;

/// From here on a content is opened on two cores: a third of a millisecond's work, some ten times what a thread takes to
/// start.
const LONG_BYTES: u64 = 512 << 10;

impl Keyring {
    /// Whether a file that is sealed opens here, and has its end: the header is opened, and the last chunk, whatever the
    /// length. What lies between may still be damaged. An armored file is not looked at.
    ///
    /// # Errors
    /// As [`Keyring::open`], and [`SealError::Truncated`], [`SealError::Damaged`].
    pub fn check_end(&self, file: &File) -> Result<(), SealError> {
        let Some(content) = Content::of(self, file)? else { return Ok(()) };
        let mut last = content.reader_at(content.chunks().saturating_sub(1));
        let mut opened = Zeroizing::new(vec![0; READ_BUFFER_BYTES]);
        while last.read(&mut opened).map_err(SealError::from_reading)? > 0 {}
        Ok(())
    }

    /// Opens an age file and reads all of it into memory that is wiped when it is dropped.
    ///
    /// # Errors
    /// As [`Keyring::open`], and [`SealError::TooLarge`], [`SealError::Truncated`], [`SealError::Damaged`].
    pub fn open_whole<R: Read + Send>(&self, input: R, limit_bytes: u64) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let opened = self.open(input)?;
        read_whole(opened, limit_bytes, READ_BUFFER_BYTES)
    }

    /// As [`Keyring::open_whole`], of a file, whose length tells how much memory is needed.
    ///
    /// # Errors
    /// As [`Keyring::open_whole`].
    pub fn open_file(&self, file: File, limit_bytes: u64) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let size = file.metadata().map_err(SealError::Io)?.len();
        if (LONG_BYTES..=LARGEST_FIRST_BYTES as u64).contains(&size)
            && let Some(content) = Content::of(self, &file)?
            && content.opened_bytes() <= limit_bytes
        {
            return content.open_in_halves().map_err(SealError::from_reading);
        }
        let opened = self.open(file)?;
        // A sealed file is longer than its content. A sparse one may be far longer: beyond this the buffer grows.
        let expected = usize::try_from(size.min(limit_bytes)).unwrap_or(usize::MAX).min(LARGEST_FIRST_BYTES);
        read_whole(opened, limit_bytes, expected.max(READ_BUFFER_BYTES))
    }
}

/// The sealed content of a file.
struct Content<'a> {
    file: &'a File,
    key: PayloadKey,
    /// Where it begins in the file.
    begin: u64,
    /// Its sealed length, bytes.
    sealed_bytes: u64,
}

impl<'a> Content<'a> {
    /// None of an armored file, in which chunks have no known places.
    fn of(keyring: &Keyring, file: &'a File) -> Result<Option<Self>, SealError> {
        let mut input = BufReader::with_capacity(READ_BUFFER_BYTES, ReadAt { file, offset: 0 });
        if header::is_armored(input.fill_buf().map_err(SealError::Io)?) {
            return Ok(None);
        }
        let (_, header_bytes) = header::read_bounded(&mut input)?;
        let mut start = vec![0; header_bytes + NONCE_BYTES];
        file.read_exact_at(&mut start, 0).map_err(SealError::from_reading)?;
        let (key, begin) = (keyring.payload_key(&start)?, start.len() as u64);
        let sealed_bytes = file.metadata().map_err(SealError::Io)?.len().saturating_sub(begin);
        Ok(Some(Self { file, key, begin, sealed_bytes }))
    }

    /// How many chunks there are: all but the last one are whole.
    fn chunks(&self) -> u64 {
        self.sealed_bytes.div_ceil(PayloadKey::SEALED_CHUNK_BYTES)
    }

    /// What it comes to once opened, bytes.
    fn opened_bytes(&self) -> u64 {
        self.sealed_bytes.saturating_sub(self.chunks() * PayloadKey::TAG_BYTES)
    }

    /// What lies from a chunk on.
    fn reader_at(&self, number: u64) -> PayloadReader<ReadAt<'a>> {
        let offset = self.begin + number * PayloadKey::SEALED_CHUNK_BYTES;
        PayloadReader::new(self.key.behind(number), ReadAt { file: self.file, offset })
    }

    fn open_in_halves(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let length = usize::try_from(self.opened_bytes()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut opened = Zeroizing::new(vec![0; length]);
        let chunks_of_first = self.chunks() / 2;
        let middle = usize::try_from(chunks_of_first).unwrap_or_default() * CHUNK_BYTES;
        let (first, second) = opened.split_at_mut_checked(middle).ok_or(io::ErrorKind::UnexpectedEof)?;
        let (mut from_start, mut from_middle) = (self.reader_at(0), self.reader_at(chunks_of_first));
        thread::scope(|scope| {
            let on_other_core =
                thread::Builder::new().name("open".to_owned()).spawn_scoped(scope, || from_start.read_exact(first))?;
            let in_second = from_middle.read_exact(second).and_then(|()| ended(&mut from_middle));
            on_other_core.join().map_err(|_| io::Error::other("a thread stopped"))?.and(in_second)
        })?;
        if from_start.is_at_end() {
            // A chunk in the middle says that it is the last.
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(opened)
    }
}

/// That the last chunk was the last, and nothing follows it.
fn ended(reader: &mut impl Read) -> io::Result<()> {
    match reader.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A file from an offset on, whose own position stays.
struct ReadAt<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Reads into segments that double, so that no partly filled buffer is moved and left behind unwiped.
fn read_whole(mut opened: impl Read, limit_bytes: u64, first_bytes: usize) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut segments: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    let mut total = 0_u64;
    loop {
        let size = first_bytes.max(usize::try_from(total).unwrap_or(usize::MAX).min(LARGEST_FIRST_BYTES));
        let mut segment = Zeroizing::new(vec![0; size]);
        let mut filled = 0;
        while let Some(rest) = segment.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match opened.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SealError::from_reading(error)),
            }
        }
        total += filled as u64;
        if total > limit_bytes {
            return Err(SealError::TooLarge { limit_bytes });
        }
        let ended = filled < size;
        segment.truncate(filled);
        segments.push(segment);
        if ended {
            break;
        }
    }
    if segments.len() == 1 {
        return Ok(segments.swap_remove(0));
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(usize::try_from(total).unwrap_or_default()));
    for segment in &segments {
        whole.extend_from_slice(segment);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;
    use crate::seal::{StorageSealer, payload::PayloadWriter};

    const SEALED: usize = CHUNK_BYTES + 16;

    fn open(keyring: &Keyring, sealed: &[u8], limit_bytes: u64) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(sealed).unwrap();
        file.rewind().unwrap();
        keyring.open_file(file, limit_bytes)
    }

    #[test]
    fn the_end_of_a_file_tells_whether_it_is_whole() {
        const CHUNK: usize = 64 * 1024;
        let (keyring, other) = (Keyring::generate(), Keyring::generate());
        let directory = tempfile::tempdir().unwrap();
        let check = |keyring: &Keyring, sealed: &[u8]| {
            let path = directory.path().join("x");
            std::fs::write(&path, sealed).unwrap();
            keyring.check_end(&File::open(path).unwrap())
        };
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7] {
            let mut sealer = StorageSealer::new(&keyring.recipients(), Vec::new()).unwrap();
            sealer.write_all(&vec![7; length]).unwrap();
            let sealed = sealer.finish().unwrap().0;
            assert!(check(&keyring, &sealed).is_ok(), "{length}");
            assert!(matches!(check(&other, &sealed), Err(SealError::NoMatchingKey)), "{length}");
            let begin = sealed.len() - length - 16 * length.div_ceil(CHUNK).max(1);
            for whole_chunks in 0..length.div_ceil(CHUNK) {
                let cut = sealed.get(..begin + whole_chunks * (CHUNK + 16)).unwrap();
                assert!(matches!(check(&keyring, cut), Err(SealError::Truncated)), "{length} {whole_chunks}");
            }
            for cut in [1, 10, 20].into_iter().filter(|cut| *cut <= length) {
                assert!(check(&keyring, sealed.get(..sealed.len() - cut).unwrap()).is_err(), "{length} -{cut}");
            }
            assert!(check(&keyring, &[&sealed[..], b"x"].concat()).is_err(), "{length} and more");
            assert!(matches!(check(&keyring, sealed.get(..begin - 1).unwrap()), Err(SealError::Truncated)), "{length}");
        }
        assert!(matches!(check(&keyring, b"niss\n"), Err(SealError::NotAge)));
    }

    #[test]
    fn a_long_file_opens_as_a_stream_does() {
        let keyring = Keyring::generate();
        let limit = 1 << 30;
        for length in [8 * CHUNK_BYTES, 9 * CHUNK_BYTES - 1, 9 * CHUNK_BYTES, 9 * CHUNK_BYTES + 1, 3_000_000] {
            let content: Vec<u8> = (0..length).map(|at| (at / 7).to_le_bytes()[0]).collect();
            let mut sealer = StorageSealer::new(&keyring.recipients(), Vec::new()).unwrap();
            sealer.write_all(&content).unwrap();
            let (sealed, _) = sealer.finish().unwrap();
            assert!(*open(&keyring, &sealed, limit).unwrap() == content, "{length}");
            assert!(matches!(open(&keyring, &sealed, length as u64 - 1), Err(SealError::TooLarge { .. })));
            assert!(*open(&keyring, &sealed, length as u64).unwrap() == content, "{length}");
            let begin = sealed.len() - length - length.div_ceil(CHUNK_BYTES) * 16;
            let mut faults = vec![[&sealed[..], b"x"].concat(), sealed[..sealed.len() - 1].to_vec()];
            faults.extend((1..8).map(|chunks| sealed[..begin + chunks * SEALED].to_vec()));
            faults.extend((0..length.div_ceil(CHUNK_BYTES)).map(|chunk| {
                let mut changed = sealed.clone();
                changed[begin + chunk * SEALED] ^= 1;
                changed
            }));
            // Sealed as the last one, in the middle.
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&sealed).unwrap();
            let key = Content::of(&keyring, &file).unwrap().unwrap().key;
            faults.extend((0..length.div_ceil(CHUNK_BYTES) - 1).map(|chunk| {
                let mut last = PayloadWriter::new(key.behind(chunk as u64), Vec::new());
                last.write_all(&content[chunk * CHUNK_BYTES..][..CHUNK_BYTES]).unwrap();
                let mut ends_here = sealed.clone();
                ends_here[begin + chunk * SEALED..][..SEALED].copy_from_slice(&last.finish().unwrap());
                ends_here
            }));
            for fault in faults {
                let by_stream = keyring.open_whole(&fault[..], limit).unwrap_err().to_string();
                assert_eq!(open(&keyring, &fault, limit).unwrap_err().to_string(), by_stream, "{length}");
            }
        }
    }
}
