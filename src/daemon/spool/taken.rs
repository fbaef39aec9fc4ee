//! Files that are being delivered, out of the reach of who moves others into the spool.
//!
//! A file lies there under its delivery's id from before it is read until the log has its delivery or it is put back, so
//! that a start can ask the log of each. Nothing is ever put in place of another file.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    os::unix::fs::MetadataExt,
};

use zeroize::Zeroizing;

use super::{handed::Handed, survey::State};
use crate::{
    durable::{Directory, DurableError},
    exchange::{DeliveryId, MOST_HANDED_BYTES},
};

/// Where such files are.
pub(super) struct Taken(pub Directory);

/// A file that is there.
pub(super) struct TakenFile {
    /// What its delivery is to be called.
    pub delivery: DeliveryId,
    /// Its name there.
    pub name: String,
    /// Whose it is, as this machine knows it.
    pub user: u32,
    file: File,
    /// What it was when it was opened.
    state: State,
}

impl Taken {
    /// Takes a file that was seen in that state; none when it is another by now, or gone, and then it stays where it is.
    ///
    /// # Errors
    /// [`DurableError`]; it is where it was, unless it could not be put back.
    pub fn take(&self, from: &Directory, handed: &Handed, seen: &State) -> Result<Option<TakenFile>, DurableError> {
        let delivery = DeliveryId::draw();
        let name = handed.taken_as(&delivery);
        match from.rename_new(&handed.file, &self.0, &name) {
            Err(error) if error.source.kind() == ErrorKind::NotFound => return Ok(None),
            renamed => renamed?,
        }
        match self.open(from, &name, seen) {
            Ok(Some((file, state, user))) => Ok(Some(TakenFile { delivery, name, user, file, state })),
            not_taken => {
                self.put_back(&name, from, handed)?;
                not_taken.map(|_| None)
            }
        }
    }

    /// Puts a file back where it was handed over, or beside another that came there meanwhile.
    pub fn put_back(&self, name: &str, to: &Directory, handed: &Handed) -> Result<(), DurableError> {
        for place in handed.back_as() {
            match self.0.rename_new(name, to, &place) {
                Err(error) if error.source.kind() == ErrorKind::AlreadyExists => {}
                renamed => {
                    renamed?;
                    break;
                }
            }
        }
        to.sync()?;
        self.0.sync()
    }

    /// Opens what was renamed, if it is what was seen.
    fn open(&self, from: &Directory, name: &str, seen: &State) -> Result<Option<(File, State, u32)>, DurableError> {
        // On disk before the log can have its delivery.
        self.0.sync()?;
        from.sync()?;
        // Whoever opens a pipe waits for its other end.
        let found = fs::symlink_metadata(self.0.path().join(name)).map_err(|source| self.fault(name, source))?;
        if !found.is_file() || !State::of(&found).is_same_content(seen) {
            return Ok(None);
        }
        let file = self.0.open(name)?;
        let opened = file.metadata().map_err(|source| self.fault(name, source))?;
        let state = State::of(&opened);
        Ok(state.is_same_content(seen).then_some((file, state, opened.uid())))
    }

    fn fault(&self, name: &str, source: io::Error) -> DurableError {
        DurableError { action: "look at", path: self.0.path().join(name).display().to_string(), source }
    }
}

impl TakenFile {
    /// Its content, in memory that is wiped; none when it is larger than may be.
    pub fn read(&self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let length = self.file.metadata()?.len();
        if length > MOST_HANDED_BYTES {
            return Ok(None);
        }
        // With room for one more, so that reading to the end moves nothing.
        let room = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(1);
        let mut content = Zeroizing::new(Vec::with_capacity(room));
        (&self.file).take(length).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    /// Whether nobody wrote to it since it was opened: who had it open before it was taken still can.
    pub fn is_unchanged(&self) -> bool {
        self.file.metadata().is_ok_and(|found| State::of(&found) == self.state)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, path::PathBuf, process::Command};

    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn from(&self) -> Directory {
            Directory::create(&self.0.path().join("from")).unwrap()
        }

        fn path(&self) -> PathBuf {
            self.from().path().join("x.csv")
        }

        fn taken(&self) -> Taken {
            Taken(Directory::create(&self.0.path().join("taken")).unwrap())
        }

        fn seen(&self) -> State {
            State::of(&fs::symlink_metadata(self.path()).unwrap())
        }

        fn take(&self, seen: &State) -> Option<TakenFile> {
            self.taken().take(&self.from(), &handed(), seen).unwrap()
        }

        /// What is in the file's directory, each with its content.
        fn there(&self) -> Vec<(String, String)> {
            let mut names = self.from().names().unwrap();
            names.sort();
            let text = |name: &str| fs::read_to_string(self.from().path().join(name)).unwrap();
            names.into_iter().map(|name| (name.clone(), text(&name))).collect()
        }
    }

    fn handed() -> Handed {
        let [tenant, protocol, kind, file] = ["t", "p", "k", "x.csv"].map(str::to_owned);
        Handed { tenant, protocol, kind, file }
    }

    fn entry(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn what_was_seen_is_taken_and_read() {
        let place = Place::new();
        fs::write(place.path(), "seen").unwrap();
        let taken = place.take(&place.seen()).unwrap();
        assert_eq!(taken.read().unwrap().unwrap().as_slice(), b"seen");
        assert!(taken.is_unchanged() && place.there().is_empty());
        assert_eq!(taken.user, rustix::process::getuid().as_raw());
        assert_eq!(Handed::of_taken(&taken.name), Some((taken.delivery.clone(), handed())));
    }

    #[test]
    fn another_file_of_its_name_is_not_taken() {
        let place = Place::new();
        fs::write(place.path(), "seen").unwrap();
        let seen = place.seen();
        fs::write(place.from().path().join("new"), "new!").unwrap();
        fs::rename(place.from().path().join("new"), place.path()).unwrap();
        assert!(place.take(&seen).is_none());
        assert_eq!(place.there(), [entry("x.csv", "new!")]);
        fs::remove_file(place.path()).unwrap();
        assert!(place.take(&seen).is_none(), "it is gone");
        // Not even opened, since a pipe would wait.
        assert!(Command::new("mkfifo").arg(place.path()).status().unwrap().success());
        assert!(place.take(&seen).is_none());
        assert!(place.taken().0.names().unwrap().is_empty());
    }

    #[test]
    fn who_still_writes_to_it_is_noticed() {
        let place = Place::new();
        fs::write(place.path(), "half").unwrap();
        let mut writer = fs::OpenOptions::new().append(true).open(place.path()).unwrap();
        let taken = place.take(&place.seen()).unwrap();
        assert!(taken.is_unchanged());
        writer.write_all(b" and the rest").unwrap();
        assert!(!taken.is_unchanged());
    }

    #[test]
    fn nothing_is_replaced_when_a_file_is_put_back() {
        let place = Place::new();
        fs::write(place.path(), "first").unwrap();
        let taken = place.take(&place.seen()).unwrap();
        fs::write(place.path(), "second").unwrap();
        place.taken().put_back(&taken.name, &place.from(), &handed()).unwrap();
        assert_eq!(place.there(), [entry("x.csv", "second"), entry("x.csv~2", "first")]);
    }
}
