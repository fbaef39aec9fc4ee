//! What a drop-box offers a session, whatever it is stored on: files in a directory today, object storage one day.
//!
//! Every call may block on the disk or on the transfer log: call it from a thread that may wait. A call that
//! succeeds is durable and in the log; a call that fails changed nothing.

use std::{io::IoSlice, net::SocketAddr, sync::Arc};

use jiff::Timestamp;

use crate::domain::{TenantId, VirtualPath};

/// Who is at the other end of a session, as it was authenticated.
#[derive(Debug, Clone)]
pub struct Login {
    /// The tenant whose drop-box it is.
    pub tenant: TenantId,
    /// The label of the key or password, as in the YAML.
    pub key_label: String,
    /// The SHA-256 fingerprint of the key that signed; none for a password.
    pub fingerprint: Option<String>,
    /// Where it came from.
    pub peer: SocketAddr,
    /// The session's random name in the transfer log.
    pub session: String,
}

/// All drop-boxes: opens the one of a login.
pub trait DropBoxes: Send + Sync {
    /// The view of one session. `None` when the tenant is gone since the login.
    fn open(&self, login: &Login) -> Option<Arc<dyn DropBox>>;
}

/// One session's view of its tenant's tree.
pub trait DropBox: Send + Sync {
    /// What stands at a path.
    ///
    /// # Errors
    /// [`Denied::NotFound`].
    fn attributes(&self, path: &VirtualPath) -> Result<Attributes, Denied>;

    /// The entries of a directory, sorted by name, without `.` and `..`.
    ///
    /// # Errors
    /// [`Denied::NotFound`], [`Denied::NotADirectory`].
    fn list(&self, path: &VirtualPath) -> Result<Vec<Entry>, Denied>;

    /// Opens a file to read.
    ///
    /// # Errors
    /// [`Denied`]: there is no such file, or it may not be read.
    fn download(&self, path: &VirtualPath) -> Result<Box<dyn Download>, Denied>;

    /// Opens a file to write. One that an older session still has open is taken over from it.
    ///
    /// # Errors
    /// [`Denied`]: not an inbox, a name that cannot be, this or a newer session is writing it, no memory or room left.
    fn upload(&self, path: &VirtualPath, mode: UploadMode) -> Result<Box<dyn Upload>, Denied>;

    /// Renames an upload of the tenant's own that was not taken yet. With `replace`, what has the new name goes.
    ///
    /// # Errors
    /// [`Denied`].
    fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), Denied>;

    /// Removes an upload that was not taken yet or, where the tenant may, a file of the outbox.
    ///
    /// # Errors
    /// [`Denied`].
    fn remove(&self, path: &VirtualPath) -> Result<(), Denied>;

    /// Sets the modification time that listings show for an upload. Permissions and owners have no meaning here and
    /// are for the caller to accept in silence.
    ///
    /// # Errors
    /// [`Denied`].
    fn set_modified(&self, path: &VirtualPath, modified: Timestamp) -> Result<(), Denied>;

    /// Sets the length of an upload that is not open, as some clients do before they resume.
    ///
    /// # Errors
    /// [`Denied`].
    fn set_length(&self, path: &VirtualPath, length: u64) -> Result<(), Denied>;

    /// How much the tenant may still store, for `statvfs`.
    fn space(&self) -> Space;

    /// The session is over, and whatever it had open is closed. `regular` when the client ended it with nothing open or
    /// unanswered, not when the connection broke in the midst of something.
    fn ended(&self, regular: bool);
}

/// A file being read. Dropping it closes it, and waits for nothing.
pub trait Download: Send + Sync {
    /// The length, bytes.
    fn length(&self) -> u64;

    /// Attributes as at opening.
    fn attributes(&self) -> Attributes;

    /// Reads at an offset, from memory or the page cache only; `None` when that would wait for the disk.
    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<std::io::Result<usize>>;

    /// Reads at an offset; 0 at the end. May wait for the disk.
    ///
    /// # Errors
    /// The disk's.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize>;

    /// These bytes were handed to the transport: for the account of what was fetched. Unlike the other calls it must
    /// not wait, since it is made for each piece.
    fn sent(&self, offset: u64, length: u64);
}

/// A file being written. Dropping it without [`Upload::finish`] leaves what came as an unfinished file. When a newer
/// session of the tenant opens the same file to write, this one is over: each further call fails.
pub trait Upload: Send {
    /// Writes pieces one after the other, from an offset.
    ///
    /// # Errors
    /// [`Denied`]: above a limit, or the disk's fault; the upload is then void and each further write fails. One that is
    /// above its own limit goes, and one that began here; of one that was begun before, what came stays as unfinished.
    fn write(&mut self, offset: u64, pieces: &[IoSlice<'_>]) -> Result<(), Denied>;

    /// Reads back what was written, for clients that open for both.
    ///
    /// # Errors
    /// [`Denied`] where the upload was begun before this opening.
    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Denied>;

    /// Attributes now.
    ///
    /// # Errors
    /// [`Denied`]: a newer session has the upload.
    fn attributes(&self) -> Result<Attributes, Denied>;

    /// Sets the length, with zeros where it grows.
    ///
    /// # Errors
    /// As [`Upload::write`].
    fn set_length(&mut self, length: u64) -> Result<(), Denied>;

    /// Sets the modification time that listings show.
    ///
    /// # Errors
    /// [`Denied`]: a newer session has the upload.
    fn set_modified(&mut self, modified: Timestamp) -> Result<(), Denied>;

    /// Brings what was written to disk as far as it lives there (`fsync@openssh.com`).
    ///
    /// # Errors
    /// [`Denied`]
    fn sync(&mut self) -> Result<(), Denied>;

    /// The client closed the file: when this returns, data, directory and log entry are on disk.
    ///
    /// # Errors
    /// [`Denied`]: the upload was refused or could not be stored; nothing of it is left as finished.
    fn finish(self: Box<Self>) -> Result<(), Denied>;
}

/// How a file is opened to write; read from the flags of `SSH_FXP_OPEN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the independent flags of the SFTP protocol")]
pub struct UploadMode {
    /// Make it when it is not there.
    pub create: bool,
    /// Fail when it is there.
    pub exclusive: bool,
    /// Begin with nothing.
    pub truncate: bool,
    /// Every write goes to the end, whatever its offset.
    pub append: bool,
}

/// What a listing shows of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// A directory, or a regular file: there is nothing else.
    pub directory: bool,
    /// Bytes; 0 for a directory.
    pub size: u64,
    /// When it last changed.
    pub modified: Timestamp,
    /// Whether this session may write there: shown as permissions 0600 or 0700 against 0400 or 0500.
    pub writable: bool,
}

/// An entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub attributes: Attributes,
}

/// Room of a tenant's drop-box, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// In all.
    pub total: u64,
    /// Free.
    pub free: u64,
}

/// Why a drop-box did not do what a client asked; the text, in Dutch, goes to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is nothing there.
    #[error("bestaat niet")]
    NotFound,
    /// It is not a directory.
    #[error("is geen map")]
    NotADirectory,
    /// It is a directory.
    #[error("is een map")]
    IsADirectory,
    /// The name is taken.
    #[error("bestaat al")]
    Exists,
    /// The tree does not allow it there.
    #[error("{0}")]
    Forbidden(&'static str),
    /// A limit was met: which, and how much it is.
    #[error("{0}")]
    Limit(String),
    /// What was uploaded is not acceptable.
    #[error("{0}")]
    Refused(String),
    /// The session is asked to do what this server never does.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The agency's side failed; the operator's log says how.
    #[error("tijdelijk probleem bij de uitwisseling; probeer het later opnieuw")]
    Unavailable,
}
