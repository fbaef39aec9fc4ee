//! SFTP version 3 as bytes: requests in, replies out (draft-ietf-secsh-filexfer-02 and OpenSSH's PROTOCOL file).
//!
//! Owns the decoder and the encoders. Paths and payloads stay bytes: nothing is lost or guessed on the way in. A packet
//! above [`LONGEST_PACKET`] ends the session; a request that does not decode keeps its id, so that it can be answered.

mod decoder;
mod reply;
mod request;

use bytes::Bytes;

pub(super) use decoder::{Decoder, Item};
pub(super) use reply::{FileAttributes, Named, Reply};
pub(super) use request::{Check, OpenFlags, Request, SetAttributes};

/// The version spoken: the one that every client has.
pub(super) const VERSION: u32 = 3;

/// Largest payload of one READ or WRITE that is offered: what OpenSSH offers, 256 KiB less room for the header.
pub(super) const LONGEST_PAYLOAD: u32 = 255 * 1024;

/// Largest packet that is offered, its length field not counted: OpenSSH's `SFTP_MAX_MSG_LENGTH`.
pub(super) const OFFERED_PACKET: u32 = 256 * 1024;

/// Largest packet that is taken: clients that are told to write 256 KiB at once (`sftp -B 262144`) add a header to it.
pub(super) const LONGEST_PACKET: u32 = OFFERED_PACKET + 1024;

/// What the bytes of a client come to, without any of it being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decoded {
    /// Requests that are whole, writes among them.
    pub requests: usize,
    /// Packets whose fields do not decode.
    pub undecodable: usize,
    /// Payload of writes, bytes, whole or not.
    pub payload_bytes: u64,
}

/// Decodes the bytes of a client in the pieces in which they come. None where a packet is too long or too short: what
/// follows it cannot be read, and a session ends there. For tests that try any bytes at all.
pub fn decode_requests<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Decoded> {
    let (mut decoder, mut decoded) = (Decoder::default(), Decoded::default());
    for piece in pieces {
        decoder.feed(Bytes::copy_from_slice(piece));
        while let Some(item) = decoder.next().ok()? {
            match item {
                Item::Request { .. } => decoded.requests += 1,
                Item::Undecodable { .. } => decoded.undecodable += 1,
                Item::Write { .. } => {}
                Item::Payload { bytes, last } => {
                    decoded.payload_bytes += bytes.len() as u64;
                    decoded.requests += usize::from(last);
                }
            }
        }
    }
    Some(decoded)
}

/// Types of packets (section 3).
mod kind {
    pub(super) const INIT: u8 = 1;
    pub(super) const VERSION: u8 = 2;
    pub(super) const OPEN: u8 = 3;
    pub(super) const CLOSE: u8 = 4;
    pub(super) const READ: u8 = 5;
    pub(super) const WRITE: u8 = 6;
    pub(super) const LSTAT: u8 = 7;
    pub(super) const FSTAT: u8 = 8;
    pub(super) const SETSTAT: u8 = 9;
    pub(super) const FSETSTAT: u8 = 10;
    pub(super) const OPENDIR: u8 = 11;
    pub(super) const READDIR: u8 = 12;
    pub(super) const REMOVE: u8 = 13;
    pub(super) const MKDIR: u8 = 14;
    pub(super) const RMDIR: u8 = 15;
    pub(super) const REALPATH: u8 = 16;
    pub(super) const STAT: u8 = 17;
    pub(super) const RENAME: u8 = 18;
    pub(super) const READLINK: u8 = 19;
    pub(super) const SYMLINK: u8 = 20;
    pub(super) const STATUS: u8 = 101;
    pub(super) const HANDLE: u8 = 102;
    pub(super) const DATA: u8 = 103;
    pub(super) const NAME: u8 = 104;
    pub(super) const ATTRS: u8 = 105;
    pub(super) const EXTENDED: u8 = 200;
    pub(super) const EXTENDED_REPLY: u8 = 201;
}
