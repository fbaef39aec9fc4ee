//! The municipality's logo: a picture of a kind that can be printed, and not too large to open.

/// The largest file. A logo in print has some tens of kilobytes.
pub const LOGO_BYTES: usize = 1 << 20;

/// The most pixels of a PNG or JPEG: opened, each takes four bytes or more, and a small file can hold very many.
pub const LOGO_PIXELS: u64 = 16_000_000;

/// What is wrong with a logo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogoFault {
    /// Too large a file.
    #[error("the logo has over {LOGO_BYTES} bytes")]
    Bytes,
    /// Too many pixels.
    #[error("the logo has {pixels} pixels, which is more than {LOGO_PIXELS}")]
    Pixels {
        /// How many.
        pixels: u64,
    },
    /// Of another kind.
    #[error("the logo is neither PNG, JPEG nor SVG")]
    Kind,
}

/// The name that a logo has in the world of the letters, after its kind.
pub(super) fn name(bytes: &[u8]) -> Result<&'static str, LogoFault> {
    if bytes.len() > LOGO_BYTES {
        return Err(LogoFault::Bytes);
    }
    let (name, size) = if let Some(rest) = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n") {
        ("logo.png", Some(png_size(rest).ok_or(LogoFault::Kind)?))
    } else if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        ("logo.jpg", Some(jpeg_size(bytes).ok_or(LogoFault::Kind)?))
    } else if is_svg(bytes) {
        ("logo.svg", None)
    } else {
        return Err(LogoFault::Kind);
    };
    match size.map(|(width, height)| u64::from(width) * u64::from(height)) {
        Some(pixels) if pixels > LOGO_PIXELS => Err(LogoFault::Pixels { pixels }),
        _ => Ok(name),
    }
}

/// Width and height from the first chunk, IHDR (PNG, section 11.2.2).
fn png_size(rest: &[u8]) -> Option<(u32, u32)> {
    let size = rest.get(4..)?.strip_prefix(b"IHDR")?;
    Some((number(size.get(..4)?), number(size.get(4..8)?)))
}

/// Width and height from the frame header (ITU T.81, section B.2.2).
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.get(2..)?;
    loop {
        let [0xFF, marker, high, low, after @ ..] = rest else { return None };
        // Fill bytes may stand before a marker.
        if *marker == 0xFF {
            rest = rest.get(1..)?;
            continue;
        }
        // C4, C8 and CC are tables among the markers of frames.
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            return Some((number(after.get(3..5)?), number(after.get(1..3)?)));
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rest = rest.get(2 + length..)?;
    }
}

/// Whether the root of an XML text is `svg`; what comes before it is short.
fn is_svg(bytes: &[u8]) -> bool {
    let start = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with('<') && text.contains("<svg")
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    }

    #[test]
    fn a_logo_is_known_by_its_content() {
        assert_eq!(name(&png(400, 100)), Ok("logo.png"));
        assert_eq!(name(&png(100_000, 100_000)), Err(LogoFault::Pixels { pixels: 10_000_000_000 }));
        let jpeg = [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xFF, 0xC0, 0, 11, 8, 0, 20, 0, 40];
        assert_eq!(name(&jpeg), Ok("logo.jpg"));
        assert_eq!(jpeg_size(&jpeg), Some((40, 20)));
        assert_eq!(name(&jpeg[..9]), Err(LogoFault::Kind));
        assert_eq!(name(b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), Ok("logo.svg"));
        assert_eq!(name(b"<html>"), Err(LogoFault::Kind));
        assert_eq!(name(&vec![0; LOGO_BYTES + 1]), Err(LogoFault::Bytes));
    }
}
