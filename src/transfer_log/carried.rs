//! What a receipt carries in its `extra` line: the entry and its disclosures, as lines of text, in gzip (RFC 1952).
//!
//! The first line is the entry as the log has it; each further one is a disclosure, decoded. No line holds a line feed:
//! canonical JSON escapes it. So anybody reads them with `sed -n 's/^extra //p' FILE | base64 -d | gunzip`; the SHA-256
//! of a disclosure's base64url is in the entry.
//!
//! Receipts of before this form hold a JSON object with both, and are read as well.

use std::io::{Read, Write};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use serde::Deserialize;

use super::{entry::MAX_ENTRY_BYTES, keeper::MAX_DISCLOSURES_BYTES};

/// An entry and its disclosures, each at its longest, bytes.
const MAX_LINES_BYTES: usize = MAX_ENTRY_BYTES + MAX_DISCLOSURES_BYTES;

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
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let packed = packer.write_all(&lines).and_then(|()| packer.finish());
    packed.unwrap_or_default()
}

/// Reads what [`pack`] made, or the form of before; else what is wrong with it.
pub(super) fn unpack(packed: &[u8]) -> Result<Carried, &'static str> {
    if !packed.starts_with(&GZIP) {
        let object: Object = serde_json::from_slice(packed).map_err(|_| "its entry is not in the form of ours")?;
        return Ok(Carried { entry: object.entry.into_bytes(), disclosures: object.disclosures });
    }
    let (mut lines, mut rest) = (Vec::new(), packed);
    let read = GzDecoder::new(&mut rest).take(MAX_LINES_BYTES as u64 + 1).read_to_end(&mut lines);
    if lines.len() > MAX_LINES_BYTES {
        return Err("its entry is longer than an entry can be");
    }
    if read.is_err() || !rest.is_empty() {
        return Err("its entry is damaged");
    }
    let mut lines = lines.split(|byte| *byte == b'\n');
    let entry = lines.next().unwrap_or_default().to_vec();
    let encoded = |line: &[u8]| match line {
        [b'[', ..] => Ok(URL_SAFE_NO_PAD.encode(line)),
        _ => std::str::from_utf8(line).map(str::to_owned).map_err(|_| "a disclosure in it is no text"),
    };
    Ok(Carried { entry, disclosures: lines.map(encoded).collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn people_read_what_is_in_it() {
        let disclosure = "WyJzYWx0IiwiaXAiLCIxOTIuMC4yLjciXQ".to_owned();
        let packed = pack(br#"{"seq":7}"#, std::slice::from_ref(&disclosure));
        let mut text = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "{\"seq\":7}\n[\"salt\",\"ip\",\"192.0.2.7\"]");
        let carried = Carried { entry: br#"{"seq":7}"#.to_vec(), disclosures: vec![disclosure] };
        assert_eq!(unpack(&packed), Ok(carried.clone()));
        // As it was before.
        let before = br#"{"disclosures":["WyJzYWx0IiwiaXAiLCIxOTIuMC4yLjciXQ"],"entry":"{\"seq\":7}"}"#;
        assert_eq!(unpack(before), Ok(carried));
    }

    #[test]
    fn what_is_none_is_refused() {
        let whole = gzip(b"{}");
        assert!(unpack(&whole).is_ok());
        assert_eq!(unpack(&whole[..whole.len() - 1]), Err("its entry is damaged"));
        assert_eq!(unpack(&[&whole[..], b"x"].concat()), Err("its entry is damaged"));
        assert_eq!(unpack(&[&whole[..], &whole[..]].concat()), Err("its entry is damaged"));
        // Small as it comes, and gigabytes when it is unpacked.
        let large = gzip(&vec![b' '; 10 << 20]);
        assert!(large.len() < 20_000);
        assert_eq!(unpack(&large), Err("its entry is longer than an entry can be"));
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
        }
    }
}
