//! Cuts a channel's bytes into requests.
//!
//! Small packets are gathered whole; the payload of a WRITE is handed on in the pieces in which it comes, without a
//! copy unless it is a small part of what came: what is kept of it would keep all the rest. At most [`LONGEST_REQUEST`]
//! bytes are ever gathered, and no memory is taken before bytes have come.

use bytes::{Buf, Bytes};

use super::{
    LONGEST_PACKET, kind,
    request::{Fields, Request},
};

/// What the bytes come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sftp) enum Item {
    /// A request, INIT with id 0.
    Request { id: u32, request: Request },
    /// A request whose fields do not decode.
    Undecodable { id: u32 },
    /// A WRITE begins; [`Item::Payload`] follows until its last piece.
    Write { id: u32, handle: u64, offset: u64 },
    /// A piece of the WRITE that began last, in order; a WRITE of nothing has one empty piece.
    Payload { bytes: Bytes, last: bool },
}

/// Why nothing more can be read of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::sftp) enum Fatal {
    /// The length field is above [`LONGEST_PACKET`].
    #[error("a packet of {0} bytes is above the limit of {LONGEST_PACKET}")]
    TooLong(u32),
    /// The packet has no room for type and id.
    #[error("a packet of {0} bytes is too short")]
    TooShort(u32),
}

/// The decoder of one channel.
#[derive(Debug, Default)]
pub(in crate::sftp) struct Decoder {
    input: Bytes,
    /// What keeping any of the input costs, bytes.
    fed: usize,
    gathered: Vec<u8>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Gathering a packet.
    #[default]
    Packet,
    /// Within a WRITE: payload bytes to come, and bytes after them to pass over.
    Payload(usize, usize),
    /// Behind what is understood of a packet: bytes to pass over.
    Skip(usize),
}

/// Bytes of length, type and id.
const HEAD: usize = 9;

/// Longest request that is looked at, but for WRITE: twice a RENAME with two paths of 4,096 bytes, or 2,048 numbers of users
/// and groups. Nobody counts what is gathered.
const LONGEST_REQUEST: usize = 16 * 1024;

/// Longest handle in a WRITE that is looked at; ours have sixteen bytes (section 6.2 allows 256).
const LONGEST_HANDLE: usize = 256;

/// A piece of payload below this part of what it came in is copied: one byte in sixteen, with requests of a packet's length.
/// What is kept of a client's packets then takes at most as many times what is counted for it.
const PART_KEPT: usize = 4;

/// What stays allocated between packets: a request with a usual path.
const GATHERED_KEPT: usize = 1024;

impl Decoder {
    /// Adds what came from the channel. Take every item before adding more.
    pub(in crate::sftp) fn feed(&mut self, bytes: Bytes) {
        if self.input.is_empty() {
            self.input = bytes;
        } else {
            let mut both = std::mem::take(&mut self.input).to_vec();
            both.extend_from_slice(&bytes);
            self.input = both.into();
        }
        self.fed = self.input.len();
    }

    /// The next item, `None` until more bytes come.
    ///
    /// # Errors
    /// [`Fatal`]: where the next packet begins is not known any more.
    pub(in crate::sftp) fn next(&mut self) -> Result<Option<Item>, Fatal> {
        loop {
            match self.state {
                State::Payload(left, after) => {
                    if self.input.is_empty() && left > 0 {
                        return Ok(None);
                    }
                    let bytes = self.input.split_to(left.min(self.input.len()));
                    let small = bytes.len() < self.fed / PART_KEPT;
                    let bytes = if small { Bytes::copy_from_slice(&bytes) } else { bytes };
                    let left = left - bytes.len();
                    self.state = if left == 0 { State::Skip(after) } else { State::Payload(left, after) };
                    return Ok(Some(Item::Payload { bytes, last: left == 0 }));
                }
                State::Skip(left) => {
                    let passed = left.min(self.input.len());
                    self.input.advance(passed);
                    if passed < left {
                        self.state = State::Skip(left - passed);
                        return Ok(None);
                    }
                    self.state = State::Packet;
                }
                State::Packet => return self.packet(),
            }
        }
    }

    /// Whether nothing has come of a packet that is not whole yet.
    pub(in crate::sftp) fn is_between_packets(&self) -> bool {
        matches!(self.state, State::Packet) && self.gathered.is_empty()
    }

    fn packet(&mut self) -> Result<Option<Item>, Fatal> {
        if !self.gather(HEAD) {
            return self.check_length().map(|_| None);
        }
        let length = self.check_length()?.unwrap_or_default();
        let mut head = Fields(self.gathered.get(5..).unwrap_or_default());
        let (kind, id) = (self.gathered.get(4).copied().unwrap_or_default(), head.u32().unwrap_or_default());
        let whole = 4 + length;
        if kind == kind::WRITE {
            return Ok(self.write(id, whole));
        }
        if whole > LONGEST_REQUEST {
            return Ok(Some(self.undecodable(id, whole)));
        }
        if !self.gather(whole) {
            return Ok(None);
        }
        let body = self.gathered.get(HEAD..).unwrap_or_default();
        let item = if kind == kind::INIT {
            Item::Request { id: 0, request: Request::Init { version: id } }
        } else {
            match Request::decode(kind, body) {
                Some(request) => Item::Request { id, request },
                None => Item::Undecodable { id },
            }
        };
        self.forget();
        Ok(Some(item))
    }

    /// A WRITE as far as its payload; its header is gathered as soon as the handle's length is known.
    fn write(&mut self, id: u32, whole: usize) -> Option<Item> {
        if !self.gather(whole.min(HEAD + 4)) {
            return None;
        }
        let handle = Fields(self.gathered.get(HEAD..).unwrap_or_default()).u32();
        let handle = handle.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= LONGEST_HANDLE);
        let Some(header) = handle.map(|handle| HEAD + 4 + handle + 12).filter(|header| *header <= whole) else {
            return Some(self.undecodable(id, whole));
        };
        if !self.gather(header) {
            return None;
        }
        let mut fields = Fields(self.gathered.get(HEAD..).unwrap_or_default());
        let (Some(handle), Some(offset), Some(length)) = (fields.handle(), fields.u64(), fields.u32()) else {
            return Some(self.undecodable(id, whole));
        };
        // Some clients (those of Go among them) send their whole buffer and say how much of it is payload.
        let split =
            usize::try_from(length).ok().and_then(|length| Some((length, (whole - header).checked_sub(length)?)));
        let Some((length, after)) = split else {
            return Some(self.undecodable(id, whole));
        };
        self.state = State::Payload(length, after);
        self.forget();
        Some(Item::Write { id, handle, offset })
    }

    fn undecodable(&mut self, id: u32, whole: usize) -> Item {
        self.state = State::Skip(whole.saturating_sub(self.gathered.len()));
        self.forget();
        Item::Undecodable { id }
    }

    /// The length field, once it is there, within its bounds.
    fn check_length(&self) -> Result<Option<usize>, Fatal> {
        let Some(length) = Fields(&self.gathered).u32() else { return Ok(None) };
        if length > LONGEST_PACKET {
            return Err(Fatal::TooLong(length));
        }
        if length < 5 {
            return Err(Fatal::TooShort(length));
        }
        Ok(usize::try_from(length).ok())
    }

    /// Moves input until `wanted` bytes are gathered; false when there are not so many yet.
    fn gather(&mut self, wanted: usize) -> bool {
        let missing = wanted.saturating_sub(self.gathered.len()).min(self.input.len());
        self.gathered.extend_from_slice(&self.input.split_to(missing));
        self.gathered.len() >= wanted
    }

    fn forget(&mut self) {
        self.gathered.clear();
        self.gathered.shrink_to(GATHERED_KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(kind: u8, id: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(5 + body.len()).unwrap();
        [&length.to_be_bytes()[..], &[kind], &id.to_be_bytes(), body].concat()
    }

    fn string(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    fn write(id: u32, handle: u64, offset: u64, payload: &[u8]) -> Vec<u8> {
        let body =
            [string(format!("{handle:016x}").as_bytes()), offset.to_be_bytes().to_vec(), string(payload)].concat();
        packet(kind::WRITE, id, &body)
    }

    /// Items of a stream that comes in pieces of these lengths, over and over; payload put together again.
    fn items(stream: &[u8], pieces: &[usize]) -> Result<Vec<Item>, Fatal> {
        let (mut decoder, mut items, mut rest) = (Decoder::default(), Vec::new(), stream);
        let mut lengths = pieces.iter().cycle();
        let mut payload = Vec::new();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*lengths.next().unwrap()).clamp(1, rest.len()));
            rest = after;
            decoder.feed(Bytes::copy_from_slice(piece));
            while let Some(item) = decoder.next()? {
                match item {
                    Item::Payload { bytes, last } => {
                        payload.extend_from_slice(&bytes);
                        if last {
                            items.push(Item::Payload { bytes: std::mem::take(&mut payload).into(), last });
                        }
                    }
                    other => items.push(other),
                }
            }
        }
        Ok(items)
    }

    #[test]
    fn requests_are_read_with_their_ids() {
        let open = [string(b"/inbox/\xff"), 26_u32.to_be_bytes().to_vec(), 0_u32.to_be_bytes().to_vec()].concat();
        let stream = [packet(kind::INIT, 3, b""), packet(kind::OPEN, 7, &open), write(8, 5, 9, b"abc")].concat();
        let expected = vec![
            Item::Request { id: 0, request: Request::Init { version: 3 } },
            Item::Request {
                id: 7,
                request: Request::Open { path: b"/inbox/\xff".to_vec(), flags: super::super::OpenFlags(26) },
            },
            Item::Write { id: 8, handle: 5, offset: 9 },
            Item::Payload { bytes: Bytes::from_static(b"abc"), last: true },
        ];
        assert_eq!(items(&stream, &[usize::MAX]), Ok(expected.clone()));
        assert_eq!(items(&stream, &[1]), Ok(expected));
    }

    #[test]
    fn what_does_not_decode_keeps_its_id_and_the_next_request_is_read() {
        let short_write = packet(kind::WRITE, 4, &string(b"12345678"));
        let lying_write = packet(kind::WRITE, 5, &[&string(b"12345678")[..], &[0; 8], &[0, 0, 1, 0], b"ab"].concat());
        let long_handle = packet(kind::WRITE, 6, &string(&[1; 300]));
        let good = packet(kind::READLINK, 9, b"");
        let stream = [packet(kind::OPEN, 3, b"\0\0\0\x09x"), short_write, lying_write, long_handle, good].concat();
        for pieces in [usize::MAX, 1, 7] {
            let ids: Vec<Item> = items(&stream, &[pieces]).unwrap();
            assert_eq!(
                ids,
                [3, 4, 5, 6]
                    .map(|id| Item::Undecodable { id })
                    .into_iter()
                    .chain([Item::Request { id: 9, request: Request::ReadLink }])
                    .collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn what_follows_a_payload_in_its_packet_is_passed_over() {
        let long = packet(kind::WRITE, 5, &[&string(b"12345678")[..], &[0; 8], &string(b"abc"), b"rubbish"].concat());
        let stream = [long, packet(kind::READLINK, 9, b"")].concat();
        for pieces in [usize::MAX, 1, 5] {
            let got = items(&stream, &[pieces]).unwrap();
            assert_eq!(got.get(1), Some(&Item::Payload { bytes: Bytes::from_static(b"abc"), last: true }));
            assert_eq!(got.get(2), Some(&Item::Request { id: 9, request: Request::ReadLink }));
        }
    }

    #[test]
    fn lengths_out_of_bounds_end_the_stream_before_anything_is_gathered() {
        for (length, fault) in [
            (LONGEST_PACKET + 1, Fatal::TooLong(LONGEST_PACKET + 1)),
            (u32::MAX, Fatal::TooLong(u32::MAX)),
            (0, Fatal::TooShort(0)),
            (4, Fatal::TooShort(4)),
        ] {
            assert_eq!(items(&length.to_be_bytes(), &[4]), Err(fault));
        }
    }

    #[test]
    fn long_requests_are_passed_over_as_they_come() {
        let rename = |length: usize| packet(kind::RENAME, 3, &[string(&vec![b'a'; length]), string(b"b")].concat());
        let longest = rename(LONGEST_REQUEST - HEAD - 9);
        assert!(matches!(items(&longest, &[5000]).as_deref(), Ok([Item::Request { id: 3, .. }])));
        assert_eq!(items(&rename(LONGEST_REQUEST - HEAD - 8), &[5000]), Ok(vec![Item::Undecodable { id: 3 }]));
        let long = rename(200_000);
        let mut decoder = Decoder::default();
        decoder.feed(Bytes::copy_from_slice(&long[..long.len() - 1]));
        assert_eq!(decoder.next(), Ok(Some(Item::Undecodable { id: 3 })));
        assert_eq!(decoder.next(), Ok(None));
        assert!(decoder.gathered.capacity() <= GATHERED_KEPT && !decoder.is_between_packets());
        decoder.feed(Bytes::from([&long[long.len() - 1..], &packet(kind::READLINK, 9, b"")].concat()));
        assert_eq!(decoder.next(), Ok(Some(Item::Request { id: 9, request: Request::ReadLink })));
    }

    #[test]
    fn small_payloads_do_not_keep_what_they_came_in() {
        let long = |payload: &[u8], after: usize| {
            let body = [string(b"12345678"), vec![0; 8], string(payload), vec![0; after]].concat();
            Bytes::from(packet(kind::WRITE, 5, &body))
        };
        // The memory of the last is what its request is counted for; that of the others is not.
        for (packet, copied) in
            [(long(b"a", 30_000), true), (long(&[7; 300], 30_000), true), (long(&vec![7; 30_000], 0), false)]
        {
            let mut decoder = Decoder::default();
            decoder.feed(packet.clone());
            let mut kept = Vec::new();
            while let Some(item) = decoder.next().unwrap() {
                kept.push(item);
            }
            drop(decoder);
            assert_eq!((kept.len(), packet.is_unique()), (2, copied));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same_items(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            kinds in proptest::collection::vec(0_u8..=255, 0..8),
            pieces in proptest::collection::vec(1_usize..60, 1..6),
        ) {
            let stream: Vec<u8> = kinds.iter().enumerate().flat_map(|(at, kind)| {
                let from = (at * 50).min(bytes.len());
                packet(*kind, 1, bytes.get(from..(from + 50).min(bytes.len())).unwrap())
            }).chain(bytes.iter().copied()).collect();
            prop_assert_eq!(items(&stream, &[usize::MAX]), items(&stream, &pieces));
        }

        #[test]
        fn a_payload_comes_back_whole(payload in proptest::collection::vec(any::<u8>(), 0..3000), piece in 1_usize..500) {
            let stream = write(1, 2, 3, &payload);
            let got = items(&stream, &[piece]).unwrap();
            prop_assert_eq!(got.last(), Some(&Item::Payload { bytes: payload.into(), last: true }));
        }
    }
}
