//! What lies in the spool: the files that wait, and what nobody will ever deliver.

use std::{
    collections::BTreeSet,
    fs::{self, DirEntry, Metadata},
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{REFUSED, TAKEN, handed::Handed, refused};
use crate::{config::Settings, documents::repeatable, dropbox::is_temporary};

/// Directories of a file in the spool: tenant, protocol, kind.
const DEPTH: usize = 3;

/// What lies in the spool, for those who run the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpooledFiles {
    /// Files that wait to be taken, without those that are still written by their name.
    pub waiting: usize,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
    /// What is passed over: at a wrong depth, of another kind than a file, or out of reach.
    pub passed_over: usize,
    /// Files that are being delivered, or of which nobody knows whether they left.
    pub taken: usize,
    /// Files that may not leave.
    pub refused: usize,
    /// Where those are, each with its reason beside it.
    pub refused_dir: PathBuf,
}

/// What lies in the spool, as far as this process may look.
pub fn spooled_files(settings: &Settings) -> SpooledFiles {
    // Who may not look there cannot tell of it.
    let survey =
        fs::read_dir(&settings.spool_dir).map_or_else(|_| Survey::default(), |_| Survey::of(&settings.spool_dir));
    let taken = fs::read_dir(settings.spool_dir.join(TAKEN)).into_iter().flatten().flatten().count();
    let refused_dir = settings.spool_dir.join(REFUSED);
    SpooledFiles {
        waiting: survey.files.len(),
        oldest: survey.files.iter().filter_map(|(_, state)| state.written()).min(),
        passed_over: survey.passed_over.len(),
        taken,
        refused: refused::count(&refused_dir),
        refused_dir,
    }
}

/// What a file was when it was looked at: which it is, its length, when it was written and changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    place: (u64, u64),
    length: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl State {
    pub fn of(found: &Metadata) -> Self {
        Self {
            place: (found.dev(), found.ino()),
            length: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Whether it is the same file with the same content; renaming changes no more than when it was changed.
    pub fn is_same_content(&self, other: &Self) -> bool {
        (self.place, self.length, self.written) == (other.place, other.length, other.written)
    }

    fn written(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.written.0).ok()
    }
}

/// The spool at a moment.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The files that wait, in the order of their places.
    pub files: Vec<(Handed, State)>,
    /// What is passed over, each with the reason, for messages.
    pub passed_over: BTreeSet<(String, String)>,
}

impl Survey {
    /// Looks at everything below the spool but its own directories.
    pub fn of(root: &Path) -> Self {
        let mut survey = Self::default();
        survey.look_into(root, &[]);
        survey.files.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        survey
    }

    fn look_into(&mut self, directory: &Path, parts: &[String]) {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            // It went since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => return self.pass_over(parts, "", &format!("it cannot be listed: {error}")),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.look_at(&entry, parts),
                Err(error) => self.pass_over(parts, "", &format!("it cannot be listed to its end: {error}")),
            }
        }
    }

    fn look_at(&mut self, entry: &DirEntry, parts: &[String]) {
        let name = match entry.file_name().into_string() {
            Ok(name) if name.starts_with('.') => return,
            Ok(name) => name,
            Err(name) => return self.pass_over(parts, &name.to_string_lossy(), "its name is not UTF-8"),
        };
        // Of a symbolic link, itself.
        let found = match entry.metadata() {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => return self.pass_over(parts, &name, &format!("it cannot be looked at: {error}")),
        };
        match (parts, found.is_dir(), found.is_file()) {
            ([_, _, _], false, true) if is_temporary(&name) => {}
            ([tenant, protocol, kind], false, true) => {
                let (tenant, protocol, kind) = (tenant.clone(), protocol.clone(), kind.clone());
                self.files.push((Handed { tenant, protocol, kind, file: name }, State::of(&found)));
            }
            (above, true, _) if above.len() < DEPTH => {
                self.look_into(&entry.path(), &[above, &[name]].concat());
            }
            (_, true, _) => self.pass_over(parts, &name, "it is a directory, where files belong"),
            (_, _, true) => self.pass_over(parts, &name, "files belong in TENANT/PROTOCOL/KIND"),
            _ => self.pass_over(parts, &name, "it is neither a file nor a directory"),
        }
    }

    fn pass_over(&mut self, parts: &[String], name: &str, why: &str) {
        let path = parts.iter().map(String::as_str).chain(Some(name)).collect::<Vec<_>>().join("/");
        self.passed_over.insert((repeatable(&path), why.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener};

    use super::*;

    #[test]
    fn what_is_passed_over_is_told() {
        let root = tempfile::tempdir().unwrap();
        let spool = root.path();
        let kind = spool.join("torhout/VUTG-1/gegevens");
        fs::create_dir_all(kind.join("more")).unwrap();
        fs::create_dir(spool.join(".taken")).unwrap();
        for name in ["b.csv", "a.csv", "c.csv.part", ".d.csv"] {
            fs::write(kind.join(name), "x").unwrap();
        }
        fs::write(spool.join("torhout/17073003384.csv"), "x").unwrap();
        fs::write(kind.join("more/x.csv"), "x").unwrap();
        fs::write(kind.join(std::ffi::OsStr::from_bytes(b"n\xe9.csv")), "x").unwrap();
        symlink("a.csv", kind.join("link.csv")).unwrap();
        let _socket = UnixListener::bind(kind.join("socket")).unwrap();
        let survey = Survey::of(spool);
        let files: Vec<&str> = survey.files.iter().map(|(handed, _)| handed.file.as_str()).collect();
        assert_eq!(files, ["a.csv", "b.csv"]);
        let told: Vec<String> = survey.passed_over.iter().map(|(what, why)| format!("{what}: {why}")).collect();
        assert_eq!(
            told,
            [
                "torhout/VUTG-1/gegevens/link.csv: it is neither a file nor a directory",
                "torhout/VUTG-1/gegevens/more: it is a directory, where files belong",
                "torhout/VUTG-1/gegevens/n\u{fffd}.csv: its name is not UTF-8",
                "torhout/VUTG-1/gegevens/socket: it is neither a file nor a directory",
                "torhout/….csv: files belong in TENANT/PROTOCOL/KIND",
            ]
        );
    }

    #[test]
    fn a_file_that_is_renamed_has_the_same_content_and_one_that_is_written_has_not() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (root.path().join("one"), root.path().join("other"));
        let state = |path: &Path| State::of(&fs::symlink_metadata(path).unwrap());
        fs::write(&one, "x").unwrap();
        let before = state(&one);
        fs::rename(&one, &other).unwrap();
        assert!(state(&other).is_same_content(&before));
        fs::write(&one, "x").unwrap();
        assert!(!state(&one).is_same_content(&before), "another file of that name");
        fs::write(&other, "xy").unwrap();
        assert!(!state(&other).is_same_content(&before));
    }
}
