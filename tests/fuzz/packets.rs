//! The decoder of SFTP packets: whatever comes, in whatever pieces, it neither panics nor says one thing today and
//! another tomorrow, and hands on no byte that did not come.

#![no_main]

use groeikluis::sftp::decode_requests;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((control, rest)) = input.split_first() else { return };
    let stream = if control & 1 == 0 { rest.to_vec() } else { framed(rest) };
    let whole = decode_requests([&stream[..]]);
    let pieces = decode_requests(stream.chunks(1 + usize::from(control >> 1)));
    assert_eq!(whole, pieces);
    if let Some(decoded) = whole {
        assert!(decoded.payload_bytes <= stream.len() as u64);
        assert!(decoded.requests + decoded.undecodable <= stream.len() / 9);
    }
});

/// Packets with lengths that fit: type, length, and as many bytes as there are. Chance alone seldom finds them.
fn framed(mut rest: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let [kind, length, after @ ..] = rest {
        let (body, after) = after.split_at(after.len().min(usize::from(*length)));
        stream.extend_from_slice(&(5 + body.len() as u32).to_be_bytes());
        stream.push(*kind);
        stream.extend_from_slice(&[0, 0, 0, 7]);
        stream.extend_from_slice(body);
        rest = after;
    }
    stream
}
