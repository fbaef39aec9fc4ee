//! Requests about paths, each answered by the drop-box. Run where blocking is allowed.

use std::sync::Arc;

use russh_sftp::{extensions::Statvfs, protocol::StatusCode};

use super::{
    Directory,
    listing::{Lister, OWNER, wire_attributes},
    session::{Hashing, check_request},
    status::{self, path_denied, text},
    wire::{Named, OpenFlags, Reply, Request, SetAttributes},
};
use crate::{
    domain::{VirtualPath, path::LONGEST_NAME_BYTES},
    dropbox::view::{Attributes, Denied, Download, DropBox, Entry, Space, Upload, UploadMode},
};

/// What operations need of their session.
pub(super) struct Scene {
    pub(super) drop_box: Arc<dyn DropBox>,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) lister: Lister,
}

/// What an operation opened; the session gives it a handle.
pub(super) enum Opened {
    Download(Arc<dyn Download>),
    Upload(Box<dyn Upload>),
    /// A directory and its entries, `.` and `..` first.
    Directory {
        own: Attributes,
        entries: Vec<Entry>,
    },
}

/// What an operation came to.
pub(super) enum Outcome {
    /// Whole replies.
    Reply(Vec<u8>),
    /// Something was opened for this request.
    Opened { id: u32, opened: Opened },
    /// A file is to be hashed for this request.
    ToHash { id: u32, hashing: Hashing },
}

/// What a request leaves to its session.
enum Left {
    Opened(Opened),
    ToHash(Hashing),
}

impl Scene {
    /// Performs one request about a path.
    pub(super) fn perform(&self, id: u32, request: Request) -> Outcome {
        let mut out = Vec::new();
        match self.answer(id, request, &mut Reply(&mut out)) {
            Ok(None) => Outcome::Reply(out),
            Ok(Some(Left::Opened(opened))) => Outcome::Opened { id, opened },
            Ok(Some(Left::ToHash(hashing))) => Outcome::ToHash { id, hashing },
            Err(denied) => {
                out.clear();
                Reply(&mut out).status(id, status::code(&denied), &denied.to_string());
                Outcome::Reply(out)
            }
        }
    }

    fn answer(&self, id: u32, request: Request, reply: &mut Reply<'_>) -> Result<Option<Left>, Denied> {
        let drop_box = &*self.drop_box;
        match request {
            Request::Open { path, flags } => return self.open(&path, flags).map(Left::Opened).map(Some),
            Request::OpenDirectory { path } => return self.open_directory(&path).map(Left::Opened).map(Some),
            Request::CheckName { path, check } => {
                // Before the file is opened: what is opened is entered in the log.
                check_request(check)?;
                let file = drop_box.download(&parse(&path)?)?;
                return Hashing::new(Arc::from(file), check).map(Left::ToHash).map(Some);
            }
            Request::Attributes { path } => {
                reply.attributes(id, &wire_attributes(&drop_box.attributes(&parse(&path)?)?));
            }
            Request::SetAttributes { path, attributes } => {
                self.set_attributes(&parse(&path)?, attributes)?;
                reply.ok(id);
            }
            Request::Remove { path } => {
                drop_box.remove(&parse(&path)?)?;
                reply.ok(id);
            }
            Request::Rename { from, to, replace } => {
                drop_box.rename(&parse(&from)?, &parse(&to)?, replace)?;
                reply.ok(id);
            }
            Request::MakeDirectory { path } => {
                // Clients make directories that are there already and go on at "exists" only.
                drop_box.attributes(&parse(&path)?).map_or(Ok(()), |_| Err(Denied::Exists))?;
                return Err(Denied::Forbidden(text::NO_DIRECTORIES));
            }
            Request::RemoveDirectory { path } => {
                drop_box.attributes(&parse(&path)?)?;
                return Err(Denied::Forbidden(text::NO_DIRECTORIES));
            }
            Request::RealPath { path, expand } => self.real_path(id, &path, expand, reply)?,
            Request::HomeDirectory { user } => {
                if !user.is_empty() && user != self.lister.owner().as_str().as_bytes() {
                    return Err(Denied::NotFound);
                }
                self.real_path(id, b"/", false, reply)?;
            }
            Request::Space { path } => {
                drop_box.attributes(&parse(&path)?)?;
                reply.space(id, &statvfs(drop_box.space()));
            }
            Request::HandleSpace { .. } => reply.space(id, &statvfs(drop_box.space())),
            Request::ReadLink | Request::Link => return Err(Denied::Unsupported(text::NO_LINKS)),
            Request::Names { users, groups } => self.names(id, &users, &groups, reply),
            Request::Init { .. }
            | Request::Close { .. }
            | Request::Read { .. }
            | Request::HandleAttributes { .. }
            | Request::SetHandleAttributes { .. }
            | Request::ReadDirectory { .. }
            | Request::Sync { .. }
            | Request::CheckHandle { .. }
            | Request::Limits
            | Request::Unsupported => return Err(Denied::Unsupported(text::UNKNOWN_REQUEST)),
        }
        Ok(None)
    }

    fn open(&self, path: &[u8], flags: OpenFlags) -> Result<Opened, Denied> {
        const WRITING: u32 =
            OpenFlags::WRITE | OpenFlags::APPEND | OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::EXCLUSIVE;
        let path = parse(path)?;
        if !flags.any(WRITING) {
            return self.drop_box.download(&path).map(|file| Opened::Download(Arc::from(file)));
        }
        let mode = UploadMode {
            create: flags.any(OpenFlags::CREATE),
            exclusive: flags.any(OpenFlags::EXCLUSIVE),
            truncate: flags.any(OpenFlags::TRUNCATE),
            append: flags.any(OpenFlags::APPEND),
        };
        self.drop_box.upload(&path, mode).map(Opened::Upload)
    }

    fn open_directory(&self, path: &[u8]) -> Result<Opened, Denied> {
        let path = parse(path)?;
        let mut entries = self.drop_box.list(&path)?;
        let own = self.drop_box.attributes(&path)?;
        let above = self.drop_box.attributes(&path.parent())?;
        let named = |name: &str, attributes| Entry { name: name.to_owned(), attributes };
        entries.splice(0..0, [named(".", own.clone()), named("..", above)]);
        Ok(Opened::Directory { own, entries })
    }

    fn set_attributes(&self, path: &VirtualPath, wanted: SetAttributes) -> Result<(), Denied> {
        if let Some(size) = wanted.size {
            self.drop_box.set_length(path, size)?;
        }
        match wanted.modified {
            Some(seconds) => self.drop_box.set_modified(path, timestamp(seconds)),
            None if wanted.size.is_some() => Ok(()),
            // Owner or permissions only.
            None => may_be_set(&self.drop_box.attributes(path)?),
        }
    }

    /// The one form of a path; it need not exist. `~` is the home directory, the top, and so is `~` with the owner's name.
    /// Another user's home is not there when it is to be expanded, and else a name like any other.
    fn real_path(&self, id: u32, path: &[u8], expand: bool, reply: &mut Reply<'_>) -> Result<(), Denied> {
        let path = match path.strip_prefix(b"~") {
            Some(rest) => {
                let (user, below) = rest.split_at(rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len()));
                if user.is_empty() || user == self.lister.owner().as_str().as_bytes() {
                    below
                } else if expand {
                    return Err(Denied::NotFound);
                } else {
                    path
                }
            }
            None => path,
        };
        let name = parse(path)?.as_str().to_owned();
        reply.names(id, &[Named { long: name.clone(), name, attributes: None }]);
        Ok(())
    }

    fn names(&self, id: u32, users: &[u32], groups: &[u32], reply: &mut Reply<'_>) {
        let name = |number: &u32| if *number == OWNER { self.lister.owner().as_str() } else { "" };
        let (users, groups): (Vec<&str>, Vec<&str>) =
            (users.iter().map(name).collect(), groups.iter().map(name).collect());
        reply.id_names(id, &users, &groups);
    }
}

/// Whether owner and permissions, which mean nothing here, are accepted in silence.
pub(super) fn may_be_set(attributes: &Attributes) -> Result<(), Denied> {
    let own_upload = attributes.writable && !attributes.directory;
    if own_upload { Ok(()) } else { Err(Denied::Forbidden(text::NOT_YOURS)) }
}

/// A time of version 3.
pub(super) fn timestamp(seconds: u32) -> jiff::Timestamp {
    jiff::Timestamp::from_second(i64::from(seconds)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn parse(path: &[u8]) -> Result<VirtualPath, Denied> {
    VirtualPath::parse(path).map_err(path_denied)
}

/// Blocks of 4 KiB, as most file systems have.
fn statvfs(space: Space) -> Statvfs {
    const BLOCK: u64 = 4096;
    /// POSIX's `ST_NOSUID`: nothing here runs.
    const NO_SUID: u64 = 2;
    let free = space.free / BLOCK;
    Statvfs {
        block_size: BLOCK,
        fragment_size: BLOCK,
        blocks: space.total / BLOCK,
        blocks_free: free,
        blocks_avail: free,
        // Files are not counted apart: there is room for one per block.
        inodes: space.total / BLOCK,
        inodes_free: free,
        inodes_avail: free,
        fs_id: 0,
        flags: NO_SUID,
        name_max: u64::try_from(LONGEST_NAME_BYTES).unwrap_or(255),
    }
}

/// The reply to a request that the drop-box need not see.
pub(super) fn refuse(reply: &mut Reply<'_>, id: u32, denied: &Denied) {
    reply.status(id, status::code(denied), &denied.to_string());
}

/// The reply to a request with a handle that is not open, or not in that way.
pub(super) fn wrong_handle(reply: &mut Reply<'_>, id: u32, why: &str) {
    reply.status(id, StatusCode::Failure, why);
}
