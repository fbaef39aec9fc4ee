//! Looking at the first bytes of an age file without parsing them (age-encryption.org/v1, section 3).

use std::io::{BufRead, Read};

use super::SealError;

/// The longest header taken. One with a recipient has some 200 bytes, or 1.7 KB when the recipient is a post-quantum
/// hybrid, whose stanza has 1.5 KB; 16 KiB hold ten of those, and senders seal to one or two keys. The crate's parser is quadratic and unbounded: a 95 KB header costs it 8 seconds.
pub const LONGEST_HEADER_BYTES: usize = 16 * 1024;

/// Most recipient stanzas in a header that is opened here: many times what senders have, few enough to be quick.
const MOST_STANZAS: usize = 64;

/// How many first bytes [`looks_sealed`] needs.
pub const SNIFF_BYTES: usize = ARMOR.len();

const INTRO: &[u8] = b"age-encryption.org/v1\n";
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// The longest line of an armored file: 64 columns and a line end, with room for trailing blanks. The crate would
/// hold a line of any length in memory.
const LONGEST_ARMOR_LINE_BYTES: usize = 128;

/// Whether the first bytes are those of an age file, armored or not. Give at least [`SNIFF_BYTES`], or all there are.
pub fn looks_sealed(first: &[u8]) -> bool {
    first.starts_with(INTRO) || first.starts_with(ARMOR)
}

/// Whether the first bytes are those of an armored file.
pub(super) fn is_armored(first: &[u8]) -> bool {
    first.starts_with(ARMOR)
}

/// Reads up to the end of the header, and no more than is buffered beyond it.
///
/// The result begins with the whole header, its MAC line included, which has the length that is given with it.
pub(super) fn read_bounded(input: &mut impl BufRead) -> Result<(Vec<u8>, usize), SealError> {
    let mut taken = Vec::with_capacity(1024);
    loop {
        let buffered = input.fill_buf().map_err(SealError::from_reading)?;
        if buffered.is_empty() {
            return Err(if taken.starts_with(INTRO) { SealError::Truncated } else { SealError::NotAge });
        }
        let room = LONGEST_HEADER_BYTES.saturating_sub(taken.len());
        let part = buffered.get(..buffered.len().min(room)).unwrap_or_default();
        let length = part.len();
        taken.extend_from_slice(part);
        input.consume(length);
        let intro = INTRO.get(..taken.len().min(INTRO.len())).unwrap_or_default();
        if !taken.starts_with(intro) {
            return Err(SealError::NotAge);
        }
        if let Some(end) = header_end(&taken) {
            let stanzas = memchr::memmem::find_iter(taken.get(..end).unwrap_or_default(), b"\n-> ").count();
            return if stanzas <= MOST_STANZAS { Ok((taken, end)) } else { Err(SealError::Header) };
        }
        if taken.len() >= LONGEST_HEADER_BYTES {
            return Err(SealError::Header);
        }
    }
}

/// Where the MAC line ends.
fn header_end(bytes: &[u8]) -> Option<usize> {
    let mac = memchr::memmem::find(bytes, b"\n--- ")? + 1;
    let line = bytes.get(mac..)?;
    memchr::memchr(b'\n', line).map(|end| mac + end + 1)
}

/// Passes an armored file on, and fails at a line that is longer than armor has.
pub(super) struct LineGuard<R> {
    inner: R,
    line_bytes: usize,
}

impl<R> LineGuard<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, line_bytes: 0 }
    }
}

impl<R: Read> Read for LineGuard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for line in buffer.get(..read).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            self.line_bytes += line.len();
            if self.line_bytes > LONGEST_ARMOR_LINE_BYTES {
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a line is too long for age armor"));
            }
            if line.ends_with(b"\n") {
                self.line_bytes = 0;
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn bounded(bytes: Vec<u8>) -> Result<usize, SealError> {
        read_bounded(&mut Cursor::new(bytes)).map(|(_, end)| end)
    }

    #[test]
    fn a_header_ends_at_its_mac_line() {
        let header = [INTRO, b"-> X25519 abc\nbody\n--- mac\n"].concat();
        assert_eq!(bounded([&header[..], &[7; 100]].concat()).unwrap(), header.len());
    }

    #[test]
    fn hostile_headers_are_refused_early() {
        let endless = [INTRO, &vec![b'a'; 1 << 20][..]].concat();
        let stanzas = [INTRO, &b"-> a\n\n".repeat(1000), b"--- mac\n"].concat();
        assert!(matches!(bounded(endless), Err(SealError::Header)));
        assert!(matches!(bounded(stanzas), Err(SealError::Header)));
        assert!(matches!(bounded(b"PK\x03\x04".to_vec()), Err(SealError::NotAge)));
        assert!(matches!(bounded(Vec::new()), Err(SealError::NotAge)));
        assert!(matches!(bounded(INTRO.to_vec()), Err(SealError::Truncated)));
    }

    #[test]
    fn endless_armor_lines_are_refused() {
        let endless = [ARMOR, &vec![b'a'; 1 << 20][..]].concat();
        let error = std::io::copy(&mut LineGuard::new(Cursor::new(endless)), &mut std::io::sink());
        assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    }
}
