//! The encodings that lists come in: UTF-8, UTF-16 with a byte order mark, Windows-1252.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};
use memchr::memchr;
use zeroize::Zeroizing;

use super::{ListFault, Seems};

/// The end of a text file in DOS, which old programs still write.
pub(super) const DOS_END: char = '\u{1A}';

/// A text, decoded. What had to be copied is wiped.
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Decoded(Zeroizing<String>),
}

impl<'a> Text<'a> {
    /// The text of a file, whatever it is written in; `name` only helps to say what else it may be.
    pub(super) fn decode(bytes: &'a [u8], name: &str) -> Result<Self, ListFault> {
        let text = Self::by_encoding(bytes, name)?;
        // Nothing that writes lists writes other control characters.
        if holds_control(text.as_str().trim_end_matches(DOS_END).as_bytes()) {
            return Err(ListFault::NotAList { seems: Seems::by_name(name) });
        }
        Ok(text)
    }

    fn by_encoding(bytes: &'a [u8], name: &str) -> Result<Self, ListFault> {
        if bytes.starts_with(b"\xFF\xFE\0\0") || bytes.starts_with(b"\0\0\xFE\xFF") {
            return Err(ListFault::Encoding { what: "UTF-32" });
        }
        if let Some(rest) = bytes.strip_prefix(b"\xFF\xFE") {
            return Self::utf_16(UTF_16LE, rest);
        }
        if let Some(rest) = bytes.strip_prefix(b"\xFE\xFF") {
            return Self::utf_16(UTF_16BE, rest);
        }
        if memchr(0, bytes).is_some() {
            let zeros = |start: usize| bytes.iter().skip(start).step_by(2).take(64).filter(|byte| **byte == 0).count();
            let half = bytes.len().div_ceil(2).min(64);
            // Latin text has a zero in every second byte.
            let wide = zeros(0).max(zeros(1)) * 4 > half * 3 && zeros(0).min(zeros(1)) * 4 < half;
            return Err(if wide {
                ListFault::Encoding { what: "UTF-16 without a byte order mark" }
            } else {
                ListFault::NotAList { seems: Seems::by_name(name) }
            });
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
            return Ok(Self::Borrowed(text));
        }
        let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
        Ok(Self::Decoded(Zeroizing::new(text.into_owned())))
    }

    fn utf_16(encoding: &'static Encoding, bytes: &[u8]) -> Result<Self, ListFault> {
        let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
        let text = text.ok_or(ListFault::Encoding { what: "damaged UTF-16" })?;
        Ok(Self::Decoded(Zeroizing::new(text.into_owned())))
    }

    /// Without a byte order mark.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Decoded(text) => text,
        }
    }
}

/// Whether bytes hold a control character other than tabs and line ends. Whole chunks are looked at without stopping
/// in between, which the compiler turns into wide instructions.
fn holds_control(bytes: &[u8]) -> bool {
    let control = |byte: u8| byte < b'\t' || (byte > b'\r' && byte < b' ');
    bytes.chunks(1024).any(|chunk| chunk.iter().fold(false, |found, byte| found | control(*byte)))
}
