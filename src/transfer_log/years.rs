//! Verifying a log over the years: each year's log, and that each goes on from the last checkpoint of the one before.
//!
//! The newest log is verified with keys that somebody vouches for. Its first entry names the checkpoint of the year
//! before, so that one proves the other, and so on back to a log that goes on from none: keys of earlier years only read
//! what the later year proves. An archive with more in it than that, or with less, is told of.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Checkpoint, Event, LogError, NoteFault, StoredEntry, Verified, VerifierKey, VerifyFault,
    archive::{KEYS, head},
    entries, files,
    note::signer_ids,
    recovery::plain_name,
    snapshot::MAX_KEYS_BYTES,
    under::{entries_under, goes_on_from},
    verify::{signed, signer, verify, verify_since},
};

/// A year's log that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedYear {
    /// Where it lies.
    pub directory: PathBuf,
    /// The key that signed it.
    pub key: VerifierKey,
    /// What was found right.
    pub verified: Verified,
    /// Its first entry, which tells what it goes on from; none in an empty log.
    pub first: Option<StoredEntry>,
    /// Entries of the older checkpoint that it was compared with, when that is one of this log's.
    pub since: Option<u64>,
}

/// The logs of earlier years, and what they are verified with.
#[derive(Debug, Clone, Copy)]
pub struct Years<'a> {
    /// Where they lie.
    pub archive: &'a Path,
    /// Keys that are known to be the log's, of whatever year.
    pub keys: &'a [VerifierKey],
    /// An older checkpoint, of whatever year, as it was published.
    pub since: Option<&'a [u8]>,
}

/// What is wrong with a year.
#[derive(Debug, thiserror::Error)]
pub enum YearFault {
    /// A year's log does not verify.
    #[error("{} does not verify", .0.directory.display())]
    Log(Box<LogFault>),
    /// Nobody gave a key.
    #[error("there is no key to verify {directory} with")]
    NoKey {
        /// The log.
        directory: PathBuf,
    },
    /// The older checkpoint was signed by another key.
    #[error(
        "the older checkpoint does not verify: it is signed by {signers}, and neither the keys that were given nor those that \
         this log tells of (`log.key_rotated`) verify it; give the public key of then, too"
    )]
    Since {
        /// The ids of the keys that signed it, as it says.
        signers: String,
        /// Why the first key does not verify it.
        #[source]
        source: NoteFault,
    },
    /// The log that a later one goes on from is not there.
    #[error("{later} goes on from {origin} with its {size} entries, which is not in {archive}")]
    Missing {
        /// The later log.
        later: PathBuf,
        /// The earlier one's origin.
        origin: String,
        /// Its entries.
        size: u64,
        /// Where it was looked for.
        archive: PathBuf,
    },
    /// The log of the year before is not as the later one says that it was left: it was cut, put back or rewritten.
    #[error("{later} goes on from {origin} with {size} entries, and {directory} is not that log")]
    Another {
        /// The later log.
        later: PathBuf,
        /// What it goes on from.
        origin: String,
        /// The entries of that.
        size: u64,
        /// What stands in its place.
        directory: PathBuf,
    },
    /// A year that is over holds entries under no checkpoint: they were added later.
    #[error(
        "{directory} goes on behind its last checkpoint (entries: {unsigned}), and the log after it does not know it"
    )]
    Unsigned {
        /// The log.
        directory: PathBuf,
        /// Such entries.
        unsigned: u64,
    },
    /// Something in the archive is no year of this log.
    #[error("{path} is in the archive, and no later log goes on from it")]
    Stray {
        /// What.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("a file of the log cannot be read")]
    Unreadable(#[source] LogError),
}

/// A year's log that does not verify.
#[derive(Debug)]
pub struct LogFault {
    /// Where it lies.
    pub directory: PathBuf,
    /// The key that signed its checkpoint; none where none of those known did.
    pub key: Option<VerifierKey>,
    /// The older checkpoint, when that is one of this log's.
    pub since: Option<Checkpoint>,
    /// What is wrong with it.
    pub faults: Vec<VerifyFault>,
}

impl VerifiedYear {
    /// Origin and entries of the log that this one goes on from; none of the first.
    pub fn goes_on_from(&self) -> Option<(String, u64)> {
        let Some(Event::LogStarted(started)) = self.first.as_ref().map(|first| &first.event) else { return None };
        let (origin, size) = head(started.previous_checkpoint.as_ref()?.as_bytes())?;
        Some((origin.to_owned(), size))
    }

    /// The checkpoint that all of it is under.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.verified.checkpoint
    }
}

impl Years<'_> {
    /// Verifies the log in use, or a copy of it.
    ///
    /// # Errors
    /// [`YearFault`].
    pub fn newest(&self, directory: &Path) -> Result<VerifiedYear, YearFault> {
        self.one(directory, self.keys)
    }

    /// Verifies the log that a later one goes on from; none when that is the first.
    ///
    /// # Errors
    /// [`YearFault`].
    pub fn before(&self, later: &VerifiedYear) -> Result<Option<VerifiedYear>, YearFault> {
        let Some((origin, size)) = later.goes_on_from() else { return Ok(None) };
        let directory = self.archive.join(plain_name(&origin));
        let named = |directory| (later.directory.clone(), origin.clone(), directory);
        if !directory.is_dir() {
            let (later, origin, archive) = named(self.archive.to_owned());
            return Err(YearFault::Missing { later, origin, size, archive });
        }
        // Its own key only reads it: that it is the right log is proved by the one after it.
        let own = own_keys(&directory)?;
        let known: Vec<VerifierKey> = self.keys.iter().cloned().chain(own).collect();
        let is_it = |found: &Checkpoint| later.first.as_ref().is_some_and(|first| goes_on_from(first, found));
        let another = |directory| {
            let (later, origin, directory) = named(directory);
            YearFault::Another { later, origin, size, directory }
        };
        // Before anything is said of its entries: what is signed by a key that lies beside it may be anybody's.
        if signed(&directory, &known).is_some_and(|(_, found)| !is_it(&found)) {
            return Err(another(directory));
        }
        let year = self.one(&directory, &known)?;
        if !is_it(year.checkpoint()) {
            return Err(another(directory));
        }
        if year.verified.unsigned > 0 {
            return Err(YearFault::Unsigned { directory, unsigned: year.verified.unsigned });
        }
        Ok(Some(year))
    }

    /// That the archive holds nothing but the years that were verified.
    ///
    /// # Errors
    /// [`YearFault::Stray`], or a fault of reading.
    pub fn nothing_else(&self, verified: &[VerifiedYear]) -> Result<(), YearFault> {
        let listing = match fs::read_dir(self.archive) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            listing => listing.map_err(|source| unreadable("list", self.archive, source))?,
        };
        for entry in listing {
            let path = entry.map_err(|source| unreadable("list", self.archive, source))?.path();
            if path.is_dir() && !verified.iter().any(|year| year.directory == path) {
                return Err(YearFault::Stray { path });
            }
        }
        Ok(())
    }

    fn one(&self, directory: &Path, keys: &[VerifierKey]) -> Result<VerifiedYear, YearFault> {
        let no_key = || YearFault::NoKey { directory: directory.to_owned() };
        let signer = signer(directory, keys);
        let key = signer.or(keys.first()).ok_or_else(no_key)?;
        let fault = |since: Option<&Checkpoint>, faults| {
            let (directory, key, since) = (directory.to_owned(), signer.cloned(), since.cloned());
            YearFault::Log(Box::new(LogFault { directory, key, since, faults }))
        };
        let since = self.since.filter(|note| head(note).is_some_and(|(origin, _)| origin == key.name()));
        // A checkpoint of that origin may be by a key that was replaced since, of which the log tells who has the new one.
        let since = match since.map(|note| since_by(note, keys)) {
            Some(Err(_)) => {
                let verified = verify(directory, key).map_err(|faults| fault(None, faults))?;
                let told = told_keys(directory, &verified.checkpoint).map_err(YearFault::Unreadable)?;
                since.map(|note| since_by(note, &[keys, told.as_slice()].concat()))
            }
            known => known,
        };
        let since = since.transpose()?;
        let outcome = match &since {
            Some(since) => verify_since(directory, key, since),
            None => verify(directory, key),
        };
        let verified = outcome.map_err(|faults| fault(since.as_ref(), faults))?;
        let first = entries(directory).and_then(|mut entries| entries.next().transpose());
        Ok(VerifiedYear {
            directory: directory.to_owned(),
            key: key.clone(),
            verified,
            first: first.map_err(YearFault::Unreadable)?,
            since: since.map(|since| since.size),
        })
    }
}

/// Reads an older checkpoint with any of the keys.
fn since_by(note: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, YearFault> {
    let mut read = keys.iter().map(|key| Checkpoint::parse(note, key));
    let first = read.next().unwrap_or(Err(NoteFault::NoSignature));
    first.or_else(|fault| read.find_map(Result::ok).ok_or(fault)).map_err(|source| {
        let signers = signer_ids(&String::from_utf8_lossy(note));
        let signers = if signers.is_empty() { "nobody".to_owned() } else { signers.join(", ") };
        YearFault::Since { signers, source }
    })
}

/// The keys that signed a log at some time, as the entries under its checkpoint tell.
fn told_keys(directory: &Path, checkpoint: &Checkpoint) -> Result<Vec<VerifierKey>, LogError> {
    let mut told = Vec::new();
    entries_under(directory, checkpoint, |entry| {
        if let Event::LogKeyRotated(rotated) = &entry.event {
            let keys = rotated.keys_after.iter().filter_map(|key| VerifierKey::parse(key).ok());
            told.extend(keys.filter(|key| checkpoint.note.lines().next() == Some(key.name())));
        }
    })?;
    Ok(told)
}

/// The public keys that lie beside a log. Whether they are to be trusted is for the caller to know.
fn own_keys(directory: &Path) -> Result<Vec<VerifierKey>, YearFault> {
    let read = files::read_if_there(&directory.join(KEYS), MAX_KEYS_BYTES).map_err(YearFault::Unreadable)?;
    let text = String::from_utf8(read.unwrap_or_default()).unwrap_or_default();
    Ok(text.lines().filter_map(|line| VerifierKey::parse(line).ok()).collect())
}

fn unreadable(action: &'static str, path: &Path, source: std::io::Error) -> YearFault {
    YearFault::Unreadable(LogError::file(action, path, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::{
        LogSettings, NoteKey, SigningKeys, TransferLog,
        support::{Nothing, Place, any_record, clock, copy},
    };

    /// Three years, each with the key that signs it.
    struct Kept {
        place: Place,
        keys: Vec<NoteKey>,
    }

    impl Kept {
        fn new() -> Self {
            let mut kept = Self { place: Place::new(), keys: Vec::new() };
            for year in 2024..=2026 {
                kept.keys.push(NoteKey::generate(&format!("groeikluis.example/{year}")).unwrap());
                kept.write(300);
            }
            kept
        }

        /// Adds entries to the newest year.
        fn write(&self, count: usize) {
            let key = self.keys.last().unwrap();
            let (origin, keys) = (key.name().to_owned(), key.clone().into());
            let settings = LogSettings { origin, keys, ..self.place.settings() };
            let log = TransferLog::open(settings, clock(), Box::new(Nothing)).unwrap();
            log.append(vec![any_record(); count]).unwrap();
            log.close().unwrap();
        }

        fn archive(&self) -> PathBuf {
            self.place.path("archive")
        }

        fn year(&self, year: u32) -> PathBuf {
            self.archive().join(format!("groeikluis.example_{year}"))
        }

        /// All years, newest first, by the key of the newest.
        fn verify(&self, since: Option<&[u8]>) -> Result<Vec<VerifiedYear>, YearFault> {
            let keys = [self.keys.last().unwrap().verifier().clone()];
            let archive = self.archive();
            let years = Years { archive: &archive, keys: &keys, since };
            let mut found = vec![years.newest(&self.place.dir())?];
            while let Some(earlier) = years.before(found.last().unwrap())? {
                found.push(earlier);
            }
            years.nothing_else(&found)?;
            Ok(found)
        }

        fn fault(&self) -> String {
            self.verify(None).unwrap_err().to_string().replace(&self.place.path("").display().to_string(), "")
        }
    }

    #[test]
    fn each_year_proves_the_one_before() {
        let kept = Kept::new();
        let years = kept.verify(None).unwrap();
        let origins: Vec<&str> = years.iter().map(|year| year.key.name()).collect();
        assert_eq!(origins, ["groeikluis.example/2026", "groeikluis.example/2025", "groeikluis.example/2024"]);
        assert_eq!(years[0].goes_on_from(), Some(("groeikluis.example/2025".to_owned(), years[1].checkpoint().size)));
        assert_eq!(years[2].goes_on_from(), None);
        // A checkpoint that somebody kept from an earlier year.
        let note = fs::read(kept.year(2025).join("checkpoint")).unwrap();
        let years = kept.verify(Some(&note)).unwrap();
        let since: Vec<Option<u64>> = years.iter().map(|year| year.since).collect();
        assert_eq!(since, [None, Some(302), None]);
        let forged = NoteKey::generate("groeikluis.example/2025").unwrap();
        let text = format!("groeikluis.example/2025\n302\n{}\n", "A".repeat(43) + "=");
        assert!(matches!(kept.verify(Some(forged.sign(&text).as_bytes())), Err(YearFault::Since { .. })));
    }

    #[test]
    fn a_checkpoint_by_a_key_that_was_replaced_is_read_by_what_the_log_tells() {
        let (place, new) = (Place::new(), NoteKey::generate("groeikluis.example/2026").unwrap());
        let old = place.key.clone();
        let write = |keys: SigningKeys| {
            let settings = LogSettings { keys, ..place.settings() };
            let log = TransferLog::open(settings, clock(), Box::new(Nothing)).unwrap();
            log.append(vec![any_record(); 300]).unwrap();
            log.close().unwrap();
            fs::read(place.dir().join("checkpoint")).unwrap()
        };
        let by_old = write(old.clone().into());
        write(SigningKeys { first: new.clone(), others: vec![old] });
        write(new.clone().into());
        let (keys, archive) = ([new.verifier().clone()], place.path("archive"));
        let since = |note: &[u8]| {
            Years { archive: &archive, keys: &keys, since: Some(note) }.newest(&place.dir()).map(|year| year.since)
        };
        assert_eq!(since(&by_old).unwrap(), Some(302));
        let other = NoteKey::generate("groeikluis.example/2026").unwrap();
        let text = format!("groeikluis.example/2026\n302\n{}\n", "A".repeat(43) + "=");
        let fault = since(other.sign(&text).as_bytes()).unwrap_err().to_string();
        assert!(fault.contains(&other.verifier().id()) && fault.contains("log.key_rotated"), "{fault}");
    }

    #[test]
    fn a_year_that_was_altered_is_caught() {
        let kept = Kept::new();
        for file in ["tile/entries/001.p/46", "tile/0/000", "checkpoint"] {
            let path = kept.year(2024).join(file);
            let bytes = fs::read(&path).unwrap();
            let mut changed = bytes.clone();
            changed[30] ^= 1;
            fs::write(&path, changed).unwrap();
            assert_eq!(kept.fault(), "archive/groeikluis.example_2024 does not verify", "{file}");
            fs::write(&path, bytes).unwrap();
        }
        kept.verify(None).unwrap();
    }

    #[test]
    fn of_another_log_nothing_is_said_but_that_it_is_another() {
        let kept = Kept::new();
        let (year, elsewhere) = (kept.year(2025), Place::new());
        let key = NoteKey::generate("groeikluis.example/2025").unwrap();
        let settings = LogSettings { origin: key.name().to_owned(), keys: key.clone().into(), ..elsewhere.settings() };
        let log = TransferLog::open(settings, clock(), Box::new(Nothing)).unwrap();
        log.append(vec![any_record(); 300]).unwrap();
        log.close().unwrap();
        fs::remove_dir_all(&year).unwrap();
        copy(&elsewhere.dir(), &year);
        fs::write(year.join(KEYS), format!("{}\n", key.verifier())).unwrap();
        fs::remove_file(year.join("tile/1/000.p/1")).unwrap();
        assert!(matches!(kept.verify(None), Err(YearFault::Another { .. })), "{}", kept.fault());
    }

    #[test]
    fn a_log_at_fault_is_told_with_its_own_key() {
        let kept = Kept::new();
        let note = fs::read(kept.year(2025).join("checkpoint")).unwrap();
        fs::remove_file(kept.year(2025).join("tile/1/000.p/1")).unwrap();
        let fault = kept.verify(Some(&note)).unwrap_err();
        let YearFault::Log(fault) = fault else { panic!("{fault}") };
        assert_eq!(fault.directory, kept.year(2025));
        assert_eq!(fault.key.as_ref(), Some(kept.keys[1].verifier()));
        assert_eq!(fault.since.map(|since| since.size), Some(302));
    }

    #[test]
    fn a_year_that_was_cut_or_written_again_is_caught_even_with_its_key() {
        let kept = Kept::new();
        let another = "archive/groeikluis.example_2026 goes on from groeikluis.example/2025 with 302 entries, and \
                       archive/groeikluis.example_2025 is not that log";
        let year = kept.year(2025);
        copy(&year, &kept.place.path("whole"));
        // Cut: as it was before its last entries.
        for entries in [200, 400] {
            let elsewhere = Place::new();
            let key = &kept.keys[1];
            let settings =
                LogSettings { origin: key.name().to_owned(), keys: key.clone().into(), ..elsewhere.settings() };
            let log = TransferLog::open(settings, clock(), Box::new(Nothing)).unwrap();
            log.append(vec![any_record(); entries]).unwrap();
            log.close().unwrap();
            fs::remove_dir_all(&year).unwrap();
            copy(&elsewhere.dir(), &year);
            assert_eq!(kept.fault(), another.replace("archive/groeikluis.example_2026", "log"));
        }
        fs::remove_dir_all(&year).unwrap();
        copy(&kept.place.path("whole"), &year);
        // Entries behind the end.
        let mut batch = Vec::new();
        let stray = crate::transfer_log::entry::Prepared::new(any_record()).unwrap().stamp(302, clock().now());
        crate::transfer_log::journal::frame(&stray.bytes, false, &mut batch);
        let (_, journal) = crate::transfer_log::journal::list(&year).unwrap().pop().unwrap();
        fs::write(&journal, batch).unwrap();
        assert!(kept.fault().contains("goes on behind its last checkpoint (entries: 1)"), "{}", kept.fault());
    }

    #[test]
    fn years_that_were_swapped_taken_away_or_put_in_are_told() {
        let kept = Kept::new();
        fs::rename(kept.year(2024), kept.place.path("aside")).unwrap();
        assert_eq!(
            kept.fault(),
            "archive/groeikluis.example_2025 goes on from groeikluis.example/2024 with its 302 entries, which is not in archive"
        );
        fs::rename(kept.year(2025), kept.year(2024)).unwrap();
        fs::rename(kept.place.path("aside"), kept.year(2025)).unwrap();
        assert_eq!(
            kept.fault(),
            "log goes on from groeikluis.example/2025 with 302 entries, and archive/groeikluis.example_2025 is not that log"
        );
        fs::rename(kept.year(2025), kept.place.path("aside")).unwrap();
        fs::rename(kept.year(2024), kept.year(2025)).unwrap();
        fs::rename(kept.place.path("aside"), kept.year(2024)).unwrap();
        copy(&kept.year(2024), &kept.year(2023));
        assert_eq!(kept.fault(), "archive/groeikluis.example_2023 is in the archive, and no later log goes on from it");
        fs::remove_dir_all(kept.year(2023)).unwrap();
        kept.verify(None).unwrap();
        kept.write(5);
        assert_eq!(kept.verify(None).unwrap().len(), 3);
    }
}
