//! A drop-box that is a directory: `inbox` can be written, the rest read.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, IoSlice},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use groeikluis::{
    domain::VirtualPath,
    dropbox::view::{Attributes, Denied, Download, DropBox, DropBoxes, Entry, Login, Space, Upload, UploadMode},
};
use jiff::Timestamp;

use super::support::wait_for;

/// What happened to the storage.
#[derive(Default)]
pub struct Seen {
    /// Bytes read, by path.
    pub read: Mutex<HashMap<String, u64>>,
    /// Bytes handed to the transport, by path.
    pub sent: Mutex<HashMap<String, u64>>,
    /// Directories read.
    pub listed: AtomicU64,
    /// Uploads that were closed by the client.
    pub finished: Mutex<Vec<String>>,
    /// Uploads that were let go without.
    pub dropped: Mutex<Vec<String>>,
    /// Names of the sessions that were begun.
    pub sessions: Mutex<Vec<String>>,
    /// Ends of sessions: regular or not.
    pub ended: Mutex<Vec<bool>>,
    /// Whoever holds it keeps files named `slow` from being written.
    pub disk: Mutex<()>,
    reads: AtomicU64,
}

impl Seen {
    fn add(counts: &Mutex<HashMap<String, u64>>, path: &str, bytes: u64) {
        *counts.lock().unwrap().entry(path.to_owned()).or_default() += bytes;
    }
}

#[derive(Clone)]
pub struct Storage {
    pub root: PathBuf,
    pub seen: Arc<Seen>,
}

impl DropBoxes for Storage {
    fn open(&self, login: &Login) -> Option<Arc<dyn DropBox>> {
        self.seen.sessions.lock().unwrap().push(login.session.clone());
        Some(Arc::new(self.clone()))
    }
}

fn denied(error: &io::Error) -> Denied {
    match error.kind() {
        io::ErrorKind::NotFound => Denied::NotFound,
        io::ErrorKind::NotADirectory => Denied::NotADirectory,
        io::ErrorKind::AlreadyExists => Denied::Exists,
        _ => Denied::Unavailable,
    }
}

fn attributes(metadata: &fs::Metadata, path: &VirtualPath) -> Attributes {
    Attributes {
        directory: metadata.is_dir(),
        size: if metadata.is_dir() { 0 } else { metadata.len() },
        modified: Timestamp::try_from(metadata.modified().unwrap()).unwrap(),
        writable: path.parts().next() == Some("inbox"),
    }
}

impl Storage {
    fn real(&self, path: &VirtualPath) -> PathBuf {
        self.root.join(path.as_str().trim_start_matches('/'))
    }

    fn own(path: &VirtualPath) -> Result<(), Denied> {
        if path.parent().as_str() == "/inbox" {
            Ok(())
        } else {
            Err(Denied::Forbidden("alleen in /inbox kan geschreven worden"))
        }
    }
}

impl DropBox for Storage {
    fn attributes(&self, path: &VirtualPath) -> Result<Attributes, Denied> {
        fs::metadata(self.real(path)).map(|metadata| attributes(&metadata, path)).map_err(|error| denied(&error))
    }

    fn list(&self, path: &VirtualPath) -> Result<Vec<Entry>, Denied> {
        self.seen.listed.fetch_add(1, Ordering::Relaxed);
        let mut entries: Vec<Entry> = fs::read_dir(self.real(path))
            .map_err(|error| denied(&error))?
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                let path = VirtualPath::parse(format!("{path}/{name}").as_bytes()).unwrap();
                Entry { attributes: attributes(&entry.metadata().unwrap(), &path), name }
            })
            .collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn download(&self, path: &VirtualPath) -> Result<Box<dyn Download>, Denied> {
        let attributes = self.attributes(path)?;
        if attributes.directory {
            return Err(Denied::IsADirectory);
        }
        let file = File::open(self.real(path)).map_err(|error| denied(&error))?;
        Ok(Box::new(ReadFile { file, attributes, path: path.to_string(), seen: Arc::clone(&self.seen) }))
    }

    fn upload(&self, path: &VirtualPath, mode: UploadMode) -> Result<Box<dyn Upload>, Denied> {
        Self::own(path)?;
        let file = File::options()
            .read(true)
            .write(true)
            .create(mode.create)
            .create_new(mode.create && mode.exclusive)
            .truncate(mode.truncate)
            .open(self.real(path))
            .map_err(|error| denied(&error))?;
        Ok(Box::new(WrittenFile {
            file,
            append: mode.append,
            path: path.clone(),
            finished: false,
            seen: Arc::clone(&self.seen),
        }))
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), Denied> {
        Self::own(from)?;
        Self::own(to)?;
        self.attributes(from)?;
        if !replace && self.attributes(to).is_ok() {
            return Err(Denied::Exists);
        }
        fs::rename(self.real(from), self.real(to)).map_err(|error| denied(&error))
    }

    fn remove(&self, path: &VirtualPath) -> Result<(), Denied> {
        Self::own(path)?;
        fs::remove_file(self.real(path)).map_err(|error| denied(&error))
    }

    fn set_modified(&self, path: &VirtualPath, modified: Timestamp) -> Result<(), Denied> {
        Self::own(path)?;
        let file = File::options().write(true).open(self.real(path)).map_err(|error| denied(&error))?;
        file.set_modified(modified.into()).map_err(|error| denied(&error))
    }

    fn set_length(&self, path: &VirtualPath, length: u64) -> Result<(), Denied> {
        Self::own(path)?;
        let file = File::options().write(true).open(self.real(path)).map_err(|error| denied(&error))?;
        file.set_len(length).map_err(|error| denied(&error))
    }

    fn space(&self) -> Space {
        Space { total: 1 << 30, free: 1 << 29 }
    }

    fn ended(&self, regular: bool) {
        self.seen.ended.lock().unwrap().push(regular);
    }
}

/// What of a file named `half` is in memory.
const WARM_BYTES: u64 = 16 * 1024;

struct ReadFile {
    file: File,
    attributes: Attributes,
    path: String,
    seen: Arc<Seen>,
}

impl Download for ReadFile {
    fn length(&self) -> u64 {
        self.attributes.size
    }

    fn attributes(&self) -> Attributes {
        self.attributes.clone()
    }

    /// Every fifth piece is not in memory, and every seventh only in part. Of a file named `cold` nothing is, of one named
    /// `half` its first [`WARM_BYTES`].
    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        if self.path.contains("cold") {
            return None;
        }
        if self.path.contains("half") {
            let warm = usize::try_from(WARM_BYTES.saturating_sub(offset)).unwrap().min(buffer.len());
            return (warm > 0).then(|| self.file.read_at(&mut buffer[..warm], offset));
        }
        let turn = self.seen.reads.fetch_add(1, Ordering::Relaxed);
        if turn.is_multiple_of(5) {
            return None;
        }
        let length = if turn.is_multiple_of(7) { buffer.len().div_ceil(3) } else { buffer.len() };
        Some(self.read(offset, &mut buffer[..length]))
    }

    /// The cold half of a file comes when its warm one went out.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.path.contains("half") {
            wait_for("the warm half", || self.seen.sent.lock().unwrap().contains_key(&self.path));
        }
        let read = self.file.read_at(buffer, offset)?;
        Seen::add(&self.seen.read, &self.path, read as u64);
        Ok(read)
    }

    fn sent(&self, _: u64, length: u64) {
        Seen::add(&self.seen.sent, &self.path, length);
    }
}

struct WrittenFile {
    file: File,
    append: bool,
    path: VirtualPath,
    finished: bool,
    seen: Arc<Seen>,
}

impl Upload for WrittenFile {
    fn write(&mut self, offset: u64, pieces: &[IoSlice<'_>]) -> Result<(), Denied> {
        let _until_written = self.path.as_str().contains("slow").then(|| self.seen.disk.lock().unwrap());
        let mut at = if self.append { self.file.metadata().unwrap().len() } else { offset };
        for piece in pieces {
            if at + piece.len() as u64 > 256 << 20 {
                return Err(Denied::Limit("groter dan 256 MiB".to_owned()));
            }
            self.file.write_all_at(piece, at).map_err(|error| denied(&error))?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Denied> {
        let read = self.file.read_at(buffer, offset).map_err(|error| denied(&error))?;
        Seen::add(&self.seen.read, self.path.as_str(), read as u64);
        Ok(read)
    }

    fn attributes(&self) -> Result<Attributes, Denied> {
        Ok(attributes(&self.file.metadata().unwrap(), &self.path))
    }

    fn set_length(&mut self, length: u64) -> Result<(), Denied> {
        self.file.set_len(length).map_err(|error| denied(&error))
    }

    fn set_modified(&mut self, modified: Timestamp) -> Result<(), Denied> {
        self.file.set_modified(modified.into()).map_err(|error| denied(&error))
    }

    fn sync(&mut self) -> Result<(), Denied> {
        self.file.sync_all().map_err(|error| denied(&error))
    }

    fn finish(mut self: Box<Self>) -> Result<(), Denied> {
        self.finished = true;
        self.seen.finished.lock().unwrap().push(self.path.to_string());
        Ok(())
    }
}

impl Drop for WrittenFile {
    fn drop(&mut self) {
        if !self.finished {
            self.seen.dropped.lock().unwrap().push(self.path.to_string());
        }
    }
}
