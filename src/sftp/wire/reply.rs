//! Replies, appended to the bytes that go out.

use russh_sftp::{extensions::Statvfs, protocol::StatusCode};

use super::{LONGEST_PAYLOAD, OFFERED_PACKET, VERSION, kind};

/// Attributes as they go out: all that version 3 has (section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sftp) struct FileAttributes {
    pub(in crate::sftp) size: u64,
    /// User and group: one number for both.
    pub(in crate::sftp) owner: u32,
    /// Type and permissions as in POSIX.
    pub(in crate::sftp) mode: u32,
    /// Seconds since 1970 UTC, for access and modification.
    pub(in crate::sftp) modified: u32,
}

/// An entry of a NAME reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sftp) struct Named {
    pub(in crate::sftp) name: String,
    pub(in crate::sftp) long: String,
    /// None for REALPATH, which tells nothing about the file.
    pub(in crate::sftp) attributes: Option<FileAttributes>,
}

/// Language of every status text (RFC 5646).
const LANGUAGE: &str = "nl";

/// Extensions that VERSION announces, with their versions. `copy-data` and `hardlink` are not among them. Servers announce
/// `check-file` by the name of the extension or by those of its requests, and clients look for either.
const EXTENSIONS: [(&str, &str); 12] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("home-directory", "1"),
    ("users-groups-by-id@openssh.com", "1"),
    ("check-file", "1"),
    ("check-file-handle", "1"),
    ("check-file-name", "1"),
];

/// Writes replies to the end of a buffer.
pub(in crate::sftp) struct Reply<'a>(pub(in crate::sftp) &'a mut Vec<u8>);

impl Reply<'_> {
    /// VERSION, the answer to INIT.
    pub(in crate::sftp) fn version(&mut self) {
        self.packet(kind::VERSION, VERSION, |out| {
            for (name, version) in EXTENSIONS {
                string(out, name.as_bytes());
                string(out, version.as_bytes());
            }
        });
    }

    /// STATUS with its text.
    pub(in crate::sftp) fn status(&mut self, id: u32, code: StatusCode, text: &str) {
        self.packet(kind::STATUS, id, |out| {
            out.extend_from_slice(&(code as u32).to_be_bytes());
            string(out, text.as_bytes());
            string(out, LANGUAGE.as_bytes());
        });
    }

    /// STATUS: done.
    pub(in crate::sftp) fn ok(&mut self, id: u32) {
        self.status(id, StatusCode::Ok, "in orde");
    }

    /// STATUS: there is no more.
    pub(in crate::sftp) fn end_of_file(&mut self, id: u32) {
        self.status(id, StatusCode::Eof, "einde");
    }

    /// STATUS: the request makes no sense.
    pub(in crate::sftp) fn undecodable(&mut self, id: u32, text: &str) {
        self.status(id, StatusCode::BadMessage, text);
    }

    /// HANDLE, in hexadecimal digits: the protocol allows any bytes, but clients exist that take a handle for text
    /// (russh-sftp), and they would give back another one.
    pub(in crate::sftp) fn handle(&mut self, id: u32, handle: u64) {
        self.packet(kind::HANDLE, id, |out| string(out, format!("{handle:016x}").as_bytes()));
    }

    /// The head of DATA; `length` bytes must follow it.
    pub(in crate::sftp) fn data_head(&mut self, id: u32, length: u32) {
        let out = &mut *self.0;
        out.extend_from_slice(&(length.saturating_add(9)).to_be_bytes());
        out.push(kind::DATA);
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
    }

    /// ATTRS.
    pub(in crate::sftp) fn attributes(&mut self, id: u32, file: &FileAttributes) {
        self.packet(kind::ATTRS, id, |out| attributes(out, Some(file)));
    }

    /// NAME.
    pub(in crate::sftp) fn names(&mut self, id: u32, names: &[Named]) {
        self.packet(kind::NAME, id, |out| {
            out.extend_from_slice(&u32::try_from(names.len()).unwrap_or(u32::MAX).to_be_bytes());
            for entry in names {
                string(out, entry.name.as_bytes());
                string(out, entry.long.as_bytes());
                attributes(out, entry.attributes.as_ref());
            }
        });
    }

    /// The answer to `limits@openssh.com`.
    pub(in crate::sftp) fn limits(&mut self, id: u32, open_handles: usize) {
        let payload = u64::from(LONGEST_PAYLOAD);
        let handles = u64::try_from(open_handles).unwrap_or(u64::MAX);
        self.numbers(id, &[u64::from(OFFERED_PACKET), payload, payload, handles]);
    }

    /// The answer to `statvfs@openssh.com`.
    pub(in crate::sftp) fn space(&mut self, id: u32, space: &Statvfs) {
        self.numbers(
            id,
            &[
                space.block_size,
                space.fragment_size,
                space.blocks,
                space.blocks_free,
                space.blocks_avail,
                space.inodes,
                space.inodes_free,
                space.inodes_avail,
                space.fs_id,
                space.flags,
                space.name_max,
            ],
        );
    }

    /// The answer to `users-groups-by-id@openssh.com`: two lists of names.
    pub(in crate::sftp) fn id_names(&mut self, id: u32, users: &[&str], groups: &[&str]) {
        self.packet(kind::EXTENDED_REPLY, id, |out| {
            for names in [users, groups] {
                let mut list = Vec::new();
                for name in names {
                    string(&mut list, name.as_bytes());
                }
                string(out, &list);
            }
        });
    }

    /// The answer to `check-file`: SHA-256 of each block, one after another.
    pub(in crate::sftp) fn check(&mut self, id: u32, hashes: &[u8]) {
        self.packet(kind::EXTENDED_REPLY, id, |out| {
            string(out, b"check-file");
            string(out, b"sha256");
            out.extend_from_slice(hashes);
        });
    }

    fn numbers(&mut self, id: u32, numbers: &[u64]) {
        self.packet(kind::EXTENDED_REPLY, id, |out| {
            for number in numbers {
                out.extend_from_slice(&number.to_be_bytes());
            }
        });
    }

    /// A packet whose length is known when its fields are written.
    fn packet(&mut self, kind: u8, id: u32, fields: impl FnOnce(&mut Vec<u8>)) {
        let out = &mut *self.0;
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(kind);
        out.extend_from_slice(&id.to_be_bytes());
        fields(out);
        let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Size, owner and group, permissions and times (section 5), or none of them.
fn attributes(out: &mut Vec<u8>, file: Option<&FileAttributes>) {
    const ALL: u32 = 1 | 2 | 4 | 8;
    let Some(file) = file else {
        return out.extend_from_slice(&0_u32.to_be_bytes());
    };
    out.extend_from_slice(&ALL.to_be_bytes());
    out.extend_from_slice(&file.size.to_be_bytes());
    for number in [file.owner, file.owner, file.mode, file.modified, file.modified] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use russh_sftp::protocol::Packet;

    /// What another implementation of the protocol reads in our bytes.
    fn read(bytes: &[u8]) -> Packet {
        let (length, body) = bytes.split_first_chunk::<4>().unwrap();
        assert_eq!(usize::try_from(u32::from_be_bytes(*length)).unwrap(), body.len());
        Packet::try_from(&mut Bytes::copy_from_slice(body)).unwrap()
    }

    #[test]
    fn replies_are_read_by_another_implementation() {
        let file = FileAttributes { size: 5_000_000_000, owner: 1000, mode: 0o100_600, modified: 1_763_000_000 };
        let reply = |make: &dyn Fn(&mut Reply<'_>)| {
            let mut out = Vec::new();
            make(&mut Reply(&mut out));
            read(&out)
        };
        let Packet::Status(status) = reply(&|reply| reply.status(7, StatusCode::Failure, "bestaat al")) else {
            panic!("no status")
        };
        assert_eq!(
            (status.id, status.status_code, status.error_message.as_str(), status.language_tag.as_str()),
            (7, StatusCode::Failure, "bestaat al", "nl")
        );
        let Packet::Attrs(attrs) = reply(&|reply| reply.attributes(8, &file)) else { panic!("no attributes") };
        assert_eq!((attrs.attrs.size, attrs.attrs.permissions), (Some(5_000_000_000), Some(0o100_600)));
        let named = Named { name: "é.csv".into(), long: "- é.csv".into(), attributes: Some(file) };
        let Packet::Name(name) = reply(&|reply| reply.names(9, std::slice::from_ref(&named))) else {
            panic!("no names")
        };
        assert_eq!((name.files[0].filename.as_str(), name.files[0].attrs.mtime), ("é.csv", Some(1_763_000_000)));
        let Packet::Version(version) = reply(&|reply| reply.version()) else { panic!("no version") };
        assert_eq!(version.version, 3);
        assert_eq!(version.extensions.get("limits@openssh.com").map(String::as_str), Some("1"));
        let Packet::Data(data) = reply(&|reply| {
            reply.data_head(10, 3);
            reply.0.extend_from_slice(b"abc");
        }) else {
            panic!("no data")
        };
        assert_eq!((data.id, &data.data[..]), (10, &b"abc"[..]));
    }
}
