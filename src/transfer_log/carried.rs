//! What a receipt carries in its `extra` line: the entry and its disclosures, as lines of text, in zlib (RFC 1950) with
//! [`RECEIPT_DICTIONARY`] preset.
//!
//! The first line is the entry as the log has it; each further one is a disclosure, decoded. No line holds a line feed:
//! canonical JSON escapes it. The SHA-256 of a disclosure's base64url is in the entry.
//!
//! Half of an entry are names and texts that all entries share: the dictionary has them, so that a receipt has not. It
//! lies beside the receipts, and any zlib reads them with it. The stream tells the dictionary's Adler-32 (RFC 1950,
//! section 2.2): another dictionary gets a file of its own, and this one stays for the receipts that were made with it.
//!
//! Receipts of before these forms hold gzip of the same lines, or a JSON object with both, and are read as well.

use std::io::Read;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{
    Compress, Compression, Decompress, FlushDecompress,
    bufread::{GzDecoder, ZlibDecoder, ZlibEncoder},
};
use serde::Deserialize;

use super::{entry::MAX_ENTRY_BYTES, keeper::MAX_DISCLOSURES_BYTES};

/// What receipts are packed with: what entries have in common, the commonest last, where references to it are shortest.
pub const RECEIPT_DICTIONARY: &[u8] = include_bytes!("receipt.dictionary");

/// An entry and its disclosures, each at its longest, bytes.
const MAX_LINES_BYTES: usize = MAX_ENTRY_BYTES + MAX_DISCLOSURES_BYTES;

/// How zlib begins with a window of 32 KiB (RFC 1950, section 2.2); JSON does not.
const ZLIB: u8 = 0x78;

/// How gzip begins (RFC 1952, section 2.3.1); JSON does not.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// An entry with its disclosures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Carried {
    /// The entry's bytes.
    pub entry: Vec<u8>,
    /// Its encoded disclosures.
    pub disclosures: Vec<String>,
}

/// The form of before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    disclosures: Vec<String>,
    entry: String,
}

/// Packs an entry with its encoded disclosures.
pub(super) fn pack(entry: &[u8], disclosures: &[String]) -> Vec<u8> {
    let mut lines = entry.to_vec();
    for disclosure in disclosures {
        lines.push(b'\n');
        let decoded = URL_SAFE_NO_PAD.decode(disclosure).ok();
        let decoded = decoded.filter(|json| json.starts_with(b"[") && !json.contains(&b'\n'));
        lines.extend_from_slice(decoded.as_deref().unwrap_or(disclosure.as_bytes()));
    }
    let mut compress = Compress::new(Compression::best(), true);
    let mut packed = Vec::new();
    // The dictionary is no longer than the window, and reading from memory does not fail.
    let read = compress.set_dictionary(RECEIPT_DICTIONARY).is_ok()
        && ZlibEncoder::new_with_compress(&lines[..], compress).read_to_end(&mut packed).is_ok();
    if read { packed } else { Vec::new() }
}

/// Reads what [`pack`] made, or the forms of before; else what is wrong with it.
pub(super) fn unpack(packed: &[u8]) -> Result<Carried, &'static str> {
    let lines = match packed {
        [ZLIB, ..] => inflated(packed)?,
        packed if packed.starts_with(&GZIP) => {
            let mut rest = packed;
            let lines = bounded(GzDecoder::new(&mut rest))?;
            if rest.is_empty() { lines } else { return Err(DAMAGED) }
        }
        _ => {
            let object: Object = serde_json::from_slice(packed).map_err(|_| "its entry is not in the form of ours")?;
            return Ok(Carried { entry: object.entry.into_bytes(), disclosures: object.disclosures });
        }
    };
    let mut lines = lines.split(|byte| *byte == b'\n');
    let entry = lines.next().unwrap_or_default().to_vec();
    let encoded = |line: &[u8]| match line {
        [b'[', ..] => Ok(URL_SAFE_NO_PAD.encode(line)),
        _ => std::str::from_utf8(line).map(str::to_owned).map_err(|_| "a disclosure in it is no text"),
    };
    Ok(Carried { entry, disclosures: lines.map(encoded).collect::<Result<_, _>>()? })
}

const DAMAGED: &str = "its entry is damaged";

/// The lines in a zlib stream with the dictionary.
fn inflated(packed: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut decompress = Decompress::new(true);
    // The header alone: it asks for the dictionary, or there is none of ours.
    let asks = decompress
        .decompress(packed, &mut [], FlushDecompress::None)
        .is_err_and(|need| need.needs_dictionary().is_some());
    if !asks || decompress.set_dictionary(RECEIPT_DICTIONARY).is_err() {
        return Err("its entry is not packed with the dictionary of receipts");
    }
    let read = usize::try_from(decompress.total_in()).ok();
    let mut rest = read.and_then(|read| packed.get(read..)).ok_or(DAMAGED)?;
    let lines = bounded(ZlibDecoder::new_with_decompress(&mut rest, decompress))?;
    if rest.is_empty() { Ok(lines) } else { Err(DAMAGED) }
}

/// All that a reader has, when entry and disclosures can be as long.
fn bounded(reader: impl Read) -> Result<Vec<u8>, &'static str> {
    let mut lines = Vec::new();
    let read = reader.take(MAX_LINES_BYTES as u64 + 1).read_to_end(&mut lines);
    if lines.len() > MAX_LINES_BYTES {
        return Err("its entry is longer than an entry can be");
    }
    read.map(|_| lines).map_err(|_| DAMAGED)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn the_dictionary_stays_as_it_is() {
        // Its Adler-32 is in every receipt that was made with it.
        assert_eq!(hex::encode(&pack(b"{}", &[])[2..6]), "d1ccbb28");
    }

    #[test]
    fn every_form_is_read() {
        let disclosure = "WyJzYWx0IiwiaXAiLCIxOTIuMC4yLjciXQ".to_owned();
        let carried = Carried { entry: br#"{"seq":7}"#.to_vec(), disclosures: vec![disclosure.clone()] };
        assert_eq!(unpack(&pack(&carried.entry, &[disclosure])), Ok(carried.clone()));
        assert_eq!(unpack(&gzip(b"{\"seq\":7}\n[\"salt\",\"ip\",\"192.0.2.7\"]")), Ok(carried.clone()));
        let object = br#"{"disclosures":["WyJzYWx0IiwiaXAiLCIxOTIuMC4yLjciXQ"],"entry":"{\"seq\":7}"}"#;
        assert_eq!(unpack(object), Ok(carried));
    }

    #[test]
    fn what_is_none_is_refused() {
        for whole in [pack(b"{}", &[]), gzip(b"{}")] {
            assert!(unpack(&whole).is_ok());
            assert_eq!(unpack(&whole[..whole.len() - 1]), Err(DAMAGED));
            assert_eq!(unpack(&[&whole[..], b"x"].concat()), Err(DAMAGED));
            assert_eq!(unpack(&[&whole[..], &whole[..]].concat()), Err(DAMAGED));
        }
        // Small as they come, and gigabytes when they are unpacked.
        let spaces = vec![b' '; 10 << 20];
        for large in [pack(&spaces, &[]), gzip(&spaces)] {
            assert!(large.len() < 20_000);
            assert_eq!(unpack(&large), Err("its entry is longer than an entry can be"));
        }
        let mut other = pack(b"{}", &[]);
        other[3] ^= 1;
        for other in [&other[..], &other[..4], &zlib(b"{}"), &[ZLIB]] {
            assert_eq!(unpack(other), Err("its entry is not packed with the dictionary of receipts"));
        }
        assert_eq!(unpack(&gzip(b"{}\n\xff")), Err("a disclosure in it is no text"));
        assert_eq!(unpack(b"{\"entry\":\"{}\"}"), Err("its entry is not in the form of ours"));
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_was_packed(entry in "\\{[^\n]{0,300}", values in prop::collection::vec(any::<String>(), 0..4)) {
            let disclosure = |value: &String| URL_SAFE_NO_PAD.encode(serde_json::to_string(&["salt", "path", value]).unwrap());
            let mut disclosures: Vec<String> = values.iter().map(disclosure).collect();
            disclosures.push("no disclosure".to_owned());
            let packed = pack(entry.as_bytes(), &disclosures);
            prop_assert_eq!(unpack(&packed), Ok(Carried { entry: entry.into_bytes(), disclosures }));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in any::<Vec<u8>>()) {
            let _ = unpack(&bytes);
            let _ = unpack(&[&GZIP[..], &[8, 0, 0, 0, 0, 0, 2, 255], &bytes].concat());
            let _ = unpack(&[&pack(b"", &[])[..6], &bytes].concat());
        }
    }
}
