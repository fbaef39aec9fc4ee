//! What a client asks, decoded from one whole packet. WRITE is not among them: the decoder hands its payload on as it
//! comes.

use super::kind;

/// A request with its strings as the client sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sftp) enum Request {
    Init { version: u32 },
    Open { path: Vec<u8>, flags: OpenFlags },
    Close { handle: u64 },
    Read { handle: u64, offset: u64, length: u32 },
    Attributes { path: Vec<u8> },
    HandleAttributes { handle: u64 },
    SetAttributes { path: Vec<u8>, attributes: SetAttributes },
    SetHandleAttributes { handle: u64, attributes: SetAttributes },
    OpenDirectory { path: Vec<u8> },
    ReadDirectory { handle: u64 },
    Remove { path: Vec<u8> },
    MakeDirectory { path: Vec<u8> },
    RemoveDirectory { path: Vec<u8> },
    RealPath { path: Vec<u8>, expand: bool },
    Rename { from: Vec<u8>, to: Vec<u8>, replace: bool },
    ReadLink,
    Link,
    Space { path: Vec<u8> },
    HandleSpace { handle: u64 },
    Sync { handle: u64 },
    Limits,
    HomeDirectory { user: Vec<u8> },
    Names { users: Vec<u32>, groups: Vec<u32> },
    CheckHandle { handle: u64, check: Check },
    CheckName { path: Vec<u8>, check: Check },
    Unsupported,
}

/// What `check-file` is to hash (draft-ietf-secsh-filexfer-extensions-00, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sftp) struct Check {
    /// Whether the client takes the one algorithm that there is.
    pub(in crate::sftp) sha256: bool,
    /// Where to begin.
    pub(in crate::sftp) offset: u64,
    /// Bytes; 0 for all up to the end.
    pub(in crate::sftp) length: u64,
    /// Each block of so many bytes has a hash; 0 for one hash of all.
    pub(in crate::sftp) block_bytes: u32,
}

/// The flags of OPEN (section 6.3). The one for reading, 1, is never asked after: what is not for writing is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sftp) struct OpenFlags(pub(in crate::sftp) u32);

impl OpenFlags {
    pub(in crate::sftp) const WRITE: u32 = 2;
    pub(in crate::sftp) const APPEND: u32 = 4;
    pub(in crate::sftp) const CREATE: u32 = 8;
    pub(in crate::sftp) const TRUNCATE: u32 = 16;
    pub(in crate::sftp) const EXCLUSIVE: u32 = 32;

    /// Whether any of these flags is set.
    pub(in crate::sftp) fn any(self, flags: u32) -> bool {
        self.0 & flags != 0
    }
}

/// Attributes that a client wants to have (section 5). Owner and permissions have no meaning here and are kept only as
/// having been asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::sftp) struct SetAttributes {
    /// Length, bytes.
    pub(in crate::sftp) size: Option<u64>,
    /// Modification time, seconds since 1970 UTC.
    pub(in crate::sftp) modified: Option<u32>,
}

/// Names in one request about users and groups: far above what a listing here can show, which is one of each.
const MOST_IDS: usize = 1024;

impl Request {
    /// Decodes what follows type and id. `None` when a field is missing or cut short; what a client adds at the end is
    /// passed over, as OpenSSH does.
    pub(super) fn decode(kind: u8, body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        Some(match kind {
            kind::OPEN => Self::Open { path: fields.bytes()?, flags: OpenFlags(fields.u32()?) },
            kind::CLOSE => Self::Close { handle: fields.handle()? },
            kind::READ => Self::Read { handle: fields.handle()?, offset: fields.u64()?, length: fields.u32()? },
            kind::LSTAT | kind::STAT => Self::Attributes { path: fields.bytes()? },
            kind::FSTAT => Self::HandleAttributes { handle: fields.handle()? },
            kind::SETSTAT => Self::SetAttributes { path: fields.bytes()?, attributes: fields.attributes()? },
            kind::FSETSTAT => Self::SetHandleAttributes { handle: fields.handle()?, attributes: fields.attributes()? },
            kind::OPENDIR => Self::OpenDirectory { path: fields.bytes()? },
            kind::READDIR => Self::ReadDirectory { handle: fields.handle()? },
            kind::REMOVE => Self::Remove { path: fields.bytes()? },
            kind::MKDIR => Self::MakeDirectory { path: fields.bytes()? },
            kind::RMDIR => Self::RemoveDirectory { path: fields.bytes()? },
            kind::REALPATH => Self::RealPath { path: fields.bytes()?, expand: false },
            kind::RENAME => Self::Rename { from: fields.bytes()?, to: fields.bytes()?, replace: false },
            kind::READLINK => Self::ReadLink,
            kind::SYMLINK => Self::Link,
            kind::EXTENDED => Self::extended(fields)?,
            _ => Self::Unsupported,
        })
    }

    fn extended(mut fields: Fields<'_>) -> Option<Self> {
        Some(match fields.string()? {
            b"posix-rename@openssh.com" => Self::Rename { from: fields.bytes()?, to: fields.bytes()?, replace: true },
            b"statvfs@openssh.com" => Self::Space { path: fields.bytes()? },
            b"fstatvfs@openssh.com" => Self::HandleSpace { handle: fields.handle()? },
            b"fsync@openssh.com" => Self::Sync { handle: fields.handle()? },
            b"lsetstat@openssh.com" => Self::SetAttributes { path: fields.bytes()?, attributes: fields.attributes()? },
            b"limits@openssh.com" => Self::Limits,
            b"expand-path@openssh.com" => Self::RealPath { path: fields.bytes()?, expand: true },
            b"home-directory" => Self::HomeDirectory { user: fields.bytes()? },
            b"users-groups-by-id@openssh.com" => Self::Names { users: fields.ids()?, groups: fields.ids()? },
            b"hardlink@openssh.com" => Self::Link,
            // The first is how drafts before had it, and how paramiko has it.
            b"check-file" | b"check-file-handle" => {
                Self::CheckHandle { handle: fields.handle()?, check: fields.check()? }
            }
            b"check-file-name" => Self::CheckName { path: fields.bytes()?, check: fields.check()? },
            _ => Self::Unsupported,
        })
    }
}

/// Fields of a packet, read from the front.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        self.string().map(<[u8]>::to_vec)
    }

    /// A handle. What was never given out becomes 0, which never is.
    pub(super) fn handle(&mut self) -> Option<u64> {
        let digits = std::str::from_utf8(self.string()?).unwrap_or_default();
        Some(u64::from_str_radix(digits, 16).unwrap_or(0))
    }

    fn ids(&mut self) -> Option<Vec<u32>> {
        let mut ids = Fields(self.string()?);
        if ids.0.len() > MOST_IDS * 4 || !ids.0.len().is_multiple_of(4) {
            return None;
        }
        Some(std::iter::from_fn(move || ids.u32()).collect())
    }

    fn check(&mut self) -> Option<Check> {
        let algorithms = self.string()?;
        let sha256 = algorithms.split(|byte| *byte == b',').any(|name| name == b"sha256");
        Some(Check { sha256, offset: self.u64()?, length: self.u64()?, block_bytes: self.u32()? })
    }

    fn attributes(&mut self) -> Option<SetAttributes> {
        const SIZE: u32 = 1;
        const OWNER: u32 = 2;
        const PERMISSIONS: u32 = 4;
        const TIMES: u32 = 8;
        let flags = self.u32()?;
        let mut attributes = SetAttributes::default();
        if flags & SIZE != 0 {
            attributes.size = Some(self.u64()?);
        }
        if flags & OWNER != 0 {
            self.u64()?;
        }
        if flags & PERMISSIONS != 0 {
            self.u32()?;
        }
        if flags & TIMES != 0 {
            self.u32()?;
            attributes.modified = Some(self.u32()?);
        }
        Some(attributes)
    }
}
