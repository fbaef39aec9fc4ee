//! Where disclosures are kept: one sealed file for each tenant and month, under a key of its own.
//!
//! It owns `<directory>/<tenant or _>/<yyyy-mm>.sealed`, records of which each has the disclosures of one entry, and
//! `<yyyy-mm>.key` beside it, an age file to the exchange's own identity. Destroying the key's file erases the month:
//! what identified somebody is gone, and every entry and proof still verifies.
//!
//! The log does not wait for these files: a record is sealed while its entry gets its place, goes to disk in the
//! journal together with the entry, and is brought into its file by the publisher, before the journal is removed. A
//! stop in between may bring a record into its file twice, which readers do not mind. Only the first entry of a tenant
//! in a month waits, for the new key to be on disk. A file that cannot be used is set aside ([`super::set_aside`]).
//!
//! Months that are over for some time lie in an archive ([`super::cold`]), where they are read and erased as well.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{Timestamp, tz::TimeZone};
use zeroize::Zeroizing;

use super::{
    LogError, files,
    frames::{self, Frames, append},
    set_aside::{KEY, RECORDS, is_month, month_and_ending, names, owners},
};
use crate::{
    domain::TenantId,
    seal::{Keyring, RecordKey, SealError, StorageSealer},
};

/// The directory for what concerns no tenant: refused logins under unknown names. No tenant can have its name.
pub(super) const NOBODY: &str = "_";

pub(super) const KEY_ID_BYTES: usize = 8;

/// An age file with 40 bytes in it, sealed to a few identities, post-quantum ones too.
pub(super) const LONGEST_KEY_FILE_BYTES: u64 = 64 * 1024;

/// Disclosures of one entry, bytes, at most: a path of 4 KiB twice and a few short ones take 12 KB.
pub(super) const MAX_DISCLOSURES_BYTES: usize = 48 * 1024;

/// Entries of which the disclosures are remembered for their receipts: those of some seconds at full speed. What is
/// forgotten is read from its file.
const MOST_RECENT: usize = 16_384;

/// Keeps disclosures, and opens them. Cheap to clone.
#[derive(Clone)]
pub struct DisclosureKeeper(pub(super) Arc<Keeper>);

pub(super) struct Keeper {
    pub(super) directory: PathBuf,
    pub(super) keyring: Keyring,
    /// The key in use of each tenant. That of a month that is over is forgotten with the first entry of the next.
    keys: Mutex<HashMap<String, (String, MonthKey)>>,
    /// The disclosures of the newest entries that get a receipt, by place, until somebody takes them.
    recent: Mutex<BTreeMap<u64, Vec<String>>>,
    /// Held by who adds to a file or moves it.
    filing: Mutex<()>,
}

#[derive(Clone)]
pub(super) struct MonthKey {
    id: [u8; KEY_ID_BYTES],
    key: RecordKey,
}

impl MonthKey {
    /// Whether both open the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.id == other.id && self.key.as_bytes() == other.key.as_bytes()
    }
}

/// The sealed disclosures of one entry, on their way to their file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// `<tenant or _>/<yyyy-mm>`.
    file: String,
    seq: u64,
    sealed: Vec<u8>,
}

/// A month of one tenant, opened.
#[derive(Debug, Default)]
pub struct OpenedMonth {
    /// The encoded disclosures of each entry that has some, by its place and then in no order.
    pub disclosures: BTreeMap<u64, Vec<String>>,
    /// Entries whose disclosures are there and cannot be opened: their key was destroyed, or cannot be used.
    pub unopened: u64,
}

/// A month of which something is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMonth {
    /// Whose; none for what concerns no tenant.
    pub tenant: Option<TenantId>,
    /// `yyyy-mm`, UTC.
    pub month: String,
    /// Its key.
    pub key: UsedKey,
}

/// What became of a month's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsedKey {
    /// It is there, and has this id, hexadecimal.
    Kept(String),
    /// It is there, and does not open.
    Unusable,
    /// It was destroyed.
    Destroyed,
}

impl Keeper {
    /// Nothing is added to a file while this is held.
    pub(super) fn filing(&self) -> MutexGuard<'_, ()> {
        self.filing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DisclosureKeeper {
    /// Keeps disclosures under that directory, which is made when something is first kept.
    pub fn new(directory: PathBuf, keyring: Keyring) -> Self {
        Self(Arc::new(Keeper {
            directory,
            keyring,
            keys: Mutex::default(),
            recent: Mutex::default(),
            filing: Mutex::default(),
        }))
    }

    /// Seals the disclosures of an entry.
    pub(super) fn seal(
        &self,
        tenant: Option<&TenantId>,
        seq: u64,
        at: Timestamp,
        disclosures: &[String],
    ) -> Result<Record, LogError> {
        let (who, month) = (directory_of(tenant), month_of(at));
        let file = format!("{who}/{month}");
        let key = self.key_in_use(who, &month)?;
        let text = Zeroizing::new(disclosures.join("\n"));
        let sealed = key.key.seal(&context(&file, seq), text.as_bytes());
        let sealed = sealed.ok_or(LogError::EntryTooLong { length: text.len() })?;
        Ok(Record { file, seq, sealed: [key.id.as_slice(), &sealed].concat() })
    }

    fn key_in_use(&self, who: &str, month: &str) -> Result<MonthKey, LogError> {
        let mut keys = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = keys.get(who).filter(|(of, _)| of == month) {
            return Ok(key.clone());
        }
        let key = match self.read_key(who, &format!("{month}.{KEY}")) {
            Ok(Some(key)) => key,
            Ok(None) => self.draw_key(who, month)?,
            Err(fault) if fault.is_of_one_file() => {
                self.set_aside(&format!("{who}/{month}.{KEY}"), &fault)?;
                self.draw_key(who, month)?
            }
            Err(fault) => return Err(fault),
        };
        keys.insert(who.to_owned(), (month.to_owned(), key.clone()));
        Ok(key)
    }

    fn key_path(&self, who: &str, month: &str) -> PathBuf {
        self.0.directory.join(who).join(format!("{month}.{KEY}"))
    }

    fn read_key(&self, who: &str, name: &str) -> Result<Option<MonthKey>, LogError> {
        self.wherever(&format!("{who}/{name}"), |path| {
            let sealed = files::read_if_there(path, LONGEST_KEY_FILE_BYTES)?;
            sealed.map(|sealed| self.open_key(path, &sealed)).transpose()
        })
    }

    /// Opens what the file of a key holds.
    pub(super) fn open_key(&self, path: &Path, sealed: &[u8]) -> Result<MonthKey, LogError> {
        let limit = (KEY_ID_BYTES + RecordKey::BYTES) as u64;
        let fault = |source| LogError::DisclosureKey { path: path.to_owned(), source: Arc::new(source) };
        let opened = self.0.keyring.open_whole(sealed, limit).map_err(fault)?;
        let parsed = opened.split_first_chunk().and_then(|(id, key)| Some((*id, RecordKey::from_bytes(key)?)));
        let (id, key) = parsed.ok_or_else(|| fault(SealError::Damaged))?;
        Ok(MonthKey { id, key })
    }

    /// Makes the key of a month; when this returns it is on disk.
    fn draw_key(&self, who: &str, month: &str) -> Result<MonthKey, LogError> {
        let drawn = MonthKey { id: rand::random(), key: RecordKey::generate() };
        let path = self.key_path(who, month);
        let fault = |source| LogError::DisclosureKey { path: path.clone(), source: Arc::new(source) };
        let sealed = StorageSealer::new(&self.0.keyring.recipients(), Vec::new()).and_then(|mut sealer| {
            sealer.write_all(&drawn.id).and_then(|()| sealer.write_all(drawn.key.as_bytes())).map_err(SealError::Io)?;
            sealer.finish()
        });
        let (sealed, _) = sealed.map_err(fault)?;
        let directory = self.0.directory.join(who);
        files::make_directory(&directory)?;
        files::replace(&directory, &format!("{month}.{KEY}"), &sealed)?;
        Ok(drawn)
    }

    /// The keys of a month that open, that in use first, and whether there are others.
    fn open_keys(&self, who: &str, month: &str) -> Result<(Vec<MonthKey>, bool), LogError> {
        let (mut keys, mut others) = (Vec::new(), false);
        for name in self.names_of(who, month, KEY)? {
            match self.read_key(who, &name) {
                Err(fault) if fault.is_of_one_file() => {
                    tell(&fault);
                    others = true;
                }
                key => keys.extend(key?),
            }
        }
        Ok((keys, others))
    }

    /// Brings records into their files; when this returns they are on disk.
    pub(super) fn file(&self, records: &[Record]) -> Result<(), LogError> {
        let mut by_file: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for record in records {
            frames::put(record.seq, &record.sealed, by_file.entry(&record.file).or_default());
        }
        let _alone = self.0.filing();
        for (name, frames) in by_file {
            let relative = format!("{name}.{RECORDS}");
            match append(&self.find(&relative), &frames) {
                Err(fault) if fault.is_of_one_file() => {
                    self.set_aside(&relative, &fault)?;
                    let path = self.find(&relative);
                    path.parent().map_or(Ok(()), files::make_directory)?;
                    append(&path, &frames)?;
                }
                appended => appended?,
            }
        }
        Ok(())
    }

    /// Remembers the disclosures of an entry that gets a receipt.
    pub(super) fn remember(&self, seq: u64, disclosures: Vec<String>) {
        let mut recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.insert(seq, disclosures);
        if recent.len() > MOST_RECENT {
            recent.pop_first();
        }
    }

    /// The remembered disclosures of an entry, which are then forgotten.
    pub fn take_recent(&self, seq: u64) -> Option<Vec<String>> {
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner).remove(&seq)
    }

    /// Opens a month of a tenant, or of nobody. The month is `yyyy-mm`, UTC. A file of it that cannot be read, or not to
    /// its end, is told of, and what is not in it is left out.
    ///
    /// # Errors
    /// [`LogError`]: the disk's, or the directory's.
    pub fn open_month(&self, tenant: Option<&TenantId>, month: &str) -> Result<OpenedMonth, LogError> {
        let who = directory_of(tenant);
        let file = format!("{who}/{month}");
        let (keys, _) = self.open_keys(who, month)?;
        let mut opened = OpenedMonth::default();
        let mut closed = BTreeSet::new();
        let mut take = |seq: u64, sealed: &[u8]| {
            let text = keys.iter().find_map(|key| {
                let sealed = sealed.strip_prefix(key.id.as_slice())?;
                key.key.open(&context(&file, seq), sealed)
            });
            match text.as_ref().and_then(|text| std::str::from_utf8(text).ok()) {
                // A record may stand there twice, and the logs of two years may meet in a month.
                Some(text) => opened.disclosures.entry(seq).or_default().extend(text.split('\n').map(str::to_owned)),
                None => drop(closed.insert(seq)),
            }
        };
        for name in self.names_of(who, month, RECORDS)? {
            match self.read_records(&format!("{who}/{name}"), &mut take) {
                Err(fault) if fault.is_of_one_file() => tell(&fault),
                read => read?,
            }
        }
        for texts in opened.disclosures.values_mut() {
            texts.sort_unstable();
            texts.dedup();
        }
        opened.unopened = closed.iter().filter(|seq| !opened.disclosures.contains_key(seq)).count() as u64;
        Ok(opened)
    }

    /// Gives each record of a file, if there is one.
    fn read_records(&self, relative: &str, take: &mut impl FnMut(u64, &[u8])) -> Result<(), LogError> {
        let found = self.wherever(relative, |path| match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LogError::file("open", path, source)),
            Ok(records) => Ok(Some((Frames::new(records), path.to_owned()))),
        });
        let Some((mut records, path)) = found? else { return Ok(()) };
        while let Some((seq, sealed)) = records.next_frame().map_err(|source| LogError::file("read", &path, source))? {
            take(seq, &sealed);
        }
        let bytes = records.stepped_over();
        if bytes > 0 {
            tracing::warn!(path = %path.display(), bytes, "these disclosures are damaged, or a stop tore their end");
        }
        Ok(())
    }

    /// Every month of which something is kept, erased ones too.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn months(&self) -> Result<Vec<KeptMonth>, LogError> {
        // A stop while a month is moved may leave it in both places.
        let mut found = BTreeSet::new();
        for directory in [self.0.directory.clone(), self.archive()] {
            for who in owners(&directory)? {
                for name in names(&directory.join(&who))? {
                    let month = month_and_ending(&name).filter(|(_, ending)| *ending == RECORDS);
                    found.extend(month.map(|(month, _)| (month.to_owned(), who.clone())));
                }
            }
        }
        let kept = |(month, who): (String, String)| {
            let (keys, others) = self.open_keys(&who, &month)?;
            let key = match keys.first() {
                Some(key) => UsedKey::Kept(hex::encode(key.id)),
                None if others => UsedKey::Unusable,
                None => UsedKey::Destroyed,
            };
            Ok(KeptMonth { tenant: who.parse().ok(), month, key })
        };
        found.into_iter().map(kept).collect()
    }
}

/// Tells of a file that cannot be used, where others can.
fn tell(fault: &LogError) {
    let error: &dyn std::error::Error = fault;
    tracing::error!(error, "a file of disclosures cannot be used");
}

/// The month of an instant, UTC.
pub fn month_of(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string()
}

impl Record {
    /// As it goes through the journal: the file's name, a line feed, the place, the sealed bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.file.as_bytes(), b"\n", &self.seq.to_le_bytes(), &self.sealed].concat()
    }

    /// Reads what [`Record::to_bytes`] made; none when it is something else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (file, rest) = bytes.split_at_checked(end)?;
        let file = std::str::from_utf8(file).ok()?;
        // It becomes a path.
        let (who, month) = file.split_once('/')?;
        if !is_month(month) || (who != NOBODY && who.parse::<TenantId>().is_err()) {
            return None;
        }
        let (seq, sealed) = rest.get(1..)?.split_first_chunk()?;
        Some(Self { file: file.to_owned(), seq: u64::from_le_bytes(*seq), sealed: sealed.to_vec() })
    }

    /// The place of its entry.
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

pub(super) fn directory_of(tenant: Option<&TenantId>) -> &str {
    tenant.map_or(NOBODY, TenantId::as_str)
}

/// What a record belongs to: it opens nowhere else.
fn context(file: &str, seq: u64) -> Vec<u8> {
    format!("groeikluis disclosures {file} {seq}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::support::clock;
    use std::fs;

    fn keeper(directory: &Path) -> DisclosureKeeper {
        DisclosureKeeper::new(directory.to_owned(), Keyring::generate())
    }

    #[test]
    fn records_are_opened_as_they_were_kept_until_their_key_is_destroyed() {
        let place = tempfile::tempdir().unwrap();
        let keeper = keeper(place.path());
        let bree: TenantId = "bree".parse().unwrap();
        let at = clock().now();
        let one = keeper.seal(Some(&bree), 7, at, &["a".to_owned(), "b".to_owned()]).unwrap();
        let other = keeper.seal(None, 8, at, &["c".to_owned()]).unwrap();
        assert_eq!(Record::parse(&one.to_bytes()), Some(one.clone()));
        keeper.file(&[one.clone(), other]).unwrap();
        // Again, as after a stop: with another process's eyes, and a torn end.
        let path = place.path().join("bree/2026-11.sealed");
        let mut bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(3).any(|window| window == b"a\nb"));
        bytes.extend_from_slice(b"torn");
        fs::write(&path, &bytes).unwrap();
        let again = DisclosureKeeper::new(place.path().to_owned(), keeper.0.keyring.clone());
        again.file(&[one, again.seal(Some(&bree), 9, at, &["d".to_owned()]).unwrap()]).unwrap();
        let opened = again.open_month(Some(&bree), "2026-11").unwrap();
        assert_eq!(opened.unopened, 0);
        let kept: Vec<_> = opened.disclosures.into_iter().collect();
        assert_eq!(kept, [(7, vec!["a".to_owned(), "b".to_owned()]), (9, vec!["d".to_owned()])]);
        assert_eq!(again.open_month(None, "2026-11").unwrap().disclosures.len(), 1);
        assert_eq!(again.months().unwrap().len(), 2);

        again.erase(Some(&bree), "2026-11").unwrap();
        let erased = again.open_month(Some(&bree), "2026-11").unwrap();
        assert_eq!((erased.disclosures.len(), erased.unopened), (0, 2));
        assert_eq!(again.months().unwrap().iter().filter(|month| month.key == UsedKey::Destroyed).count(), 1);
        assert_eq!(again.open_month(None, "2026-11").unwrap().disclosures.len(), 1);
        assert!(again.erase(Some(&bree), "2026-11").is_err());
        // What is kept later under a new key is no help with what was erased.
        let later = DisclosureKeeper::new(place.path().to_owned(), keeper.0.keyring.clone());
        later.file(&[later.seal(Some(&bree), 11, at, &["e".to_owned()]).unwrap()]).unwrap();
        let opened = later.open_month(Some(&bree), "2026-11").unwrap();
        assert_eq!((opened.disclosures.len(), opened.unopened), (1, 2));
    }

    #[test]
    fn a_key_that_does_not_open_is_set_aside_and_stays() {
        let place = tempfile::tempdir().unwrap();
        let at = clock().now();
        keeper(place.path()).seal(None, 1, at, &["a".to_owned()]).unwrap();
        let key = fs::read(place.path().join("_/2026-11.key")).unwrap();
        keeper(place.path()).seal(None, 2, at, &["b".to_owned()]).unwrap();
        assert_eq!(fs::read(place.path().join("_/2026-11.key.set-aside-1")).unwrap(), key);
        assert_ne!(fs::read(place.path().join("_/2026-11.key")).unwrap(), key);
    }

    #[test]
    fn a_flipped_bit_takes_nothing_with_it() {
        let place = tempfile::tempdir().unwrap();
        let at = clock().now();
        let keeper = keeper(place.path());
        let seal = |seq| keeper.seal(None, seq, at, &["a".to_owned()]).unwrap();
        keeper.file(&[seal(1), seal(2), seal(3)]).unwrap();
        let path = place.path().join("_/2026-11.sealed");
        let mut bytes = fs::read(&path).unwrap();
        bytes[20] ^= 1;
        fs::write(&path, &bytes).unwrap();
        // With another process's eyes.
        DisclosureKeeper::new(place.path().to_owned(), keeper.0.keyring.clone()).file(&[seal(4)]).unwrap();
        let opened = keeper.open_month(None, "2026-11").unwrap();
        assert_eq!(opened.disclosures.into_keys().collect::<Vec<_>>(), [2, 3, 4]);
        assert!(fs::read(&path).unwrap().starts_with(&bytes));
    }

    #[test]
    fn what_is_no_record_is_none() {
        for bytes in
            [&b""[..], b"bree/2026-11", b"../x/2026-11\n12345678", b"bree/2026/11\n12345678", b"bree/2026-11\n1234"]
        {
            assert_eq!(Record::parse(bytes), None, "{bytes:?}");
        }
    }
}
