//! Reading the configuration's files through a limit, and remembering what was read.
//!
//! They come from the disk, or from a configuration that was kept (see `kept`).

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::fault::{Faults, Position};
use crate::durable::open_regular;

/// One file, bytes at most. The largest in use, a tenant with many protocols, has some 20 KiB.
pub const LARGEST_FILE_BYTES: u64 = 1 << 20;

/// Files of tenants at most: Flanders has 285 municipalities and as many centres for social welfare.
pub const MOST_TENANTS: usize = 2000;

/// Files of assignments at most: some for each of 285 municipalities, over the years that a bill may look back.
pub const MOST_ASSIGNMENTS: usize = 4000;

/// What was read of each file of a configuration, by absolute path: its text, or a digest of one that is no text.
pub(super) type Texts = BTreeMap<PathBuf, String>;

/// The files of one configuration.
#[derive(Debug)]
pub(super) struct Files<'a> {
    base: &'a Path,
    faults: &'a Faults,
    /// What stands in for the disk.
    kept: Option<&'a Texts>,
    /// A file that is not there yet, by absolute path.
    added: Option<(&'a Path, &'a str)>,
    /// Files that are as good as gone, by absolute path.
    removed: &'a [PathBuf],
    digests: RefCell<BTreeMap<PathBuf, [u8; 32]>>,
    texts: RefCell<Texts>,
}

impl<'a> Files<'a> {
    /// Files below `base`, the directory of the main file.
    pub fn new(base: &'a Path, faults: &'a Faults) -> Self {
        Self {
            base,
            faults,
            kept: None,
            added: None,
            removed: &[],
            digests: RefCell::default(),
            texts: RefCell::default(),
        }
    }

    /// Files that were kept; the disk is not looked at.
    pub fn kept(base: &'a Path, faults: &'a Faults, texts: &'a Texts) -> Self {
        Self { kept: Some(texts), ..Self::new(base, faults) }
    }

    /// Files of the disk, as if one more were there already.
    pub fn with_one_more(base: &'a Path, faults: &'a Faults, added: (&'a Path, &'a str)) -> Self {
        Self { added: Some(added), ..Self::new(base, faults) }
    }

    /// The same, and as if others were gone.
    pub fn without(self, removed: &'a [PathBuf]) -> Self {
        Self { removed, ..self }
    }

    /// Reads a file as text. `named_at` is where a file that cannot be read is reported.
    pub fn read(&self, path: &Path, named_at: &Position) -> Option<String> {
        let bytes = self.bytes(path, named_at)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = memchr::memchr_iter(b'\n', valid).count() + 1;
            let last = valid.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            let column = String::from_utf8_lossy(last).chars().count() + 1;
            let at = Position { line, column, ..Position::start_of(path) };
            self.faults.add_with_hint(&at, "not UTF-8", "save the file as UTF-8");
        });
        // Some editors put a byte order mark in front; it is no part of the text.
        let text = text.ok().map(|text| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))?;
        self.texts.borrow_mut().insert(absolute(path), text.clone());
        Some(text)
    }

    /// Sees that a file that is no text can be read. `named_at` is where one that cannot is reported.
    pub fn see(&self, path: &Path, named_at: &Position) -> Option<()> {
        let bytes = self.bytes(path, named_at)?;
        // Kept files hold the digest already: seeing them again must not make another of it.
        if self.kept.is_none() {
            self.texts.borrow_mut().insert(absolute(path), hex::encode(Sha256::digest(&bytes)));
        }
        Some(())
    }

    fn bytes(&self, path: &Path, named_at: &Position) -> Option<Vec<u8>> {
        let absolute = absolute(path);
        let added = self.added.filter(|(path, _)| **path == absolute);
        let read = match (added, self.kept) {
            (Some((_, text)), _) => Ok(Some(text.as_bytes().to_vec())),
            (None, Some(texts)) => {
                texts.get(&absolute).map(|text| Some(text.clone().into_bytes())).ok_or_else(not_kept)
            }
            (None, None) => read_bounded(path),
        };
        let bytes = match read {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let problem = format!("{} is larger than {LARGEST_FILE_BYTES} bytes", path.display());
                self.faults.add(named_at, problem);
                return None;
            }
            Err(error) => {
                self.faults.add(named_at, format!("cannot read {}: {error}", path.display()));
                return None;
            }
        };
        // Files are named alike wherever the configuration lies, and however the caller named its place.
        let base = self::absolute(self.base);
        let name = absolute.strip_prefix(&base).unwrap_or(path).to_owned();
        self.digests.borrow_mut().insert(name, Sha256::digest(&bytes).into());
        Some(bytes)
    }

    /// Whether a file lies below the directory of the main file, links followed. One that is not there does not.
    pub fn is_inside(&self, path: &Path) -> bool {
        if self.kept.is_some() {
            return true;
        }
        let base = if self.base == Path::new("") { Path::new(".") } else { self.base };
        matches!((base.canonicalize(), path.canonicalize()), (Ok(base), Ok(path)) if path.starts_with(&base))
    }

    /// Whether there is nothing of that name. What cannot be looked at is there.
    pub fn is_absent(&self, path: &Path) -> bool {
        match self.kept {
            Some(texts) => !texts.keys().any(|kept| kept.starts_with(absolute(path))),
            None => matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound),
        }
    }

    /// The tenant files of a directory, by name.
    pub fn tenants(&self, directory: &Path, named_at: &Position) -> Vec<PathBuf> {
        self.listed(directory, named_at, "a tenant", MOST_TENANTS)
    }

    /// The assignment files of a directory, by name; none where there is no directory.
    pub fn assignments(&self, directory: &Path, named_at: &Position) -> Vec<PathBuf> {
        if self.is_absent(directory) {
            return Vec::new();
        }
        self.listed(directory, named_at, "an assignment", MOST_ASSIGNMENTS)
    }

    /// The files of a directory, by name. Other files, such as an editor's copies, are left alone.
    fn listed(&self, directory: &Path, named_at: &Position, what: &'static str, most: usize) -> Vec<PathBuf> {
        let listed = match self.kept {
            Some(texts) => Ok(kept_in(texts, directory)),
            None => fs::read_dir(directory).and_then(|entries| {
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<PathBuf>>>()
            }),
        };
        let mut paths = listed.unwrap_or_else(|error| {
            self.faults.add(named_at, format!("cannot read {}: {error}", directory.display()));
            Vec::new()
        });
        if let Some((added, _)) = self.added
            && added.parent() == Some(&absolute(directory))
            && let Some(name) = added.file_name()
            && !paths.contains(&directory.join(name))
        {
            paths.push(directory.join(name));
        }
        paths.retain(|path| !self.removed.contains(&absolute(path)));
        paths.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "yml")) {
            self.faults.add_with_hint(
                &Position::start_of(path),
                "not read",
                format!("the file of {what} ends in .yaml"),
            );
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        if paths.len() > most {
            let problem = format!("{} files in {}, more than {most}", paths.len(), directory.display());
            self.faults.add(named_at, problem);
            paths.truncate(most);
        }
        paths
    }

    /// The SHA-256 in hex over the names and digests of all files that were read.
    pub fn fingerprint(&self) -> String {
        let mut whole = Sha256::new();
        for (name, digest) in self.digests.borrow().iter() {
            let name = name.as_os_str().as_encoded_bytes();
            // The length keeps one file's name from running into another's digest.
            whole.update(u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
            whole.update(name);
            whole.update(digest);
        }
        hex::encode(whole.finalize())
    }

    /// The text of all files that were read.
    pub fn into_texts(self) -> Texts {
        self.texts.into_inner()
    }
}

/// A path whole, though nothing be there; the one given where there is no working directory.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn kept_in(texts: &Texts, directory: &Path) -> Vec<PathBuf> {
    let directory = absolute(directory);
    texts.keys().filter(|path| path.parent() == Some(&directory)).cloned().collect()
}

fn not_kept() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "not among the files that were kept")
}

/// Reads a regular file; none if it is too large.
fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let not_regular = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    let file = open_regular(path)?.ok_or_else(not_regular)?;
    let mut bytes = Vec::new();
    let read = file.take(LARGEST_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(u64::try_from(read).is_ok_and(|read| read <= LARGEST_FILE_BYTES).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Option<String>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.yaml");
        fs::write(&path, bytes).unwrap();
        let faults = Faults::default();
        let text = Files::new(directory.path(), &faults).read(&path, &Position::start_of(Path::new("main")));
        let place = directory.path().display().to_string();
        (text, faults.into_sorted().iter().map(|fault| fault.to_string().replace(&place, "")).collect())
    }

    #[test]
    fn text_is_utf_8_of_bounded_size() {
        assert_eq!(read("\u{feff}a: é\n".as_bytes()), (Some("a: é\n".to_owned()), vec![]));
        assert_eq!(read(b"a: 1\nb: \xc3\xa9\xff").1, ["/f.yaml:2:5: not UTF-8; save the file as UTF-8"]);
        let largest = usize::try_from(LARGEST_FILE_BYTES).unwrap();
        assert!(read(&vec![b'#'; largest]).0.is_some());
        assert_eq!(read(&vec![b'#'; largest + 1]).1, ["main:1:1: /f.yaml is larger than 1048576 bytes"]);
    }

    #[test]
    fn a_link_does_not_lead_outside_unseen() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (own, other) = (inside.path().join("own"), outside.path().join("other"));
        for path in [&own, &other] {
            fs::write(path, "x").unwrap();
        }
        let link = inside.path().join("link");
        std::os::unix::fs::symlink(&other, &link).unwrap();
        let faults = Faults::default();
        let files = Files::new(inside.path(), &faults);
        let judged = [&own, &other, &link, &inside.path().join("absent")].map(|path| files.is_inside(path));
        assert_eq!(judged, [true, false, false, false]);
    }

    #[test]
    fn a_directory_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let faults = Faults::default();
        let at = Position::start_of(Path::new("main"));
        assert_eq!(Files::new(directory.path(), &faults).read(directory.path(), &at), None);
        assert_eq!(faults.into_sorted().len(), 1);
    }
}
