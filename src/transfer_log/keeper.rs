//! Where disclosures are kept: one sealed file for each tenant and month, under a key of its own.
//!
//! It owns `<directory>/<tenant or _>/<yyyy-mm>.sealed`, records of which each has the disclosures of one entry, and
//! `<yyyy-mm>.key` beside it, an age file to the exchange's own identity. Destroying the key's file erases the month:
//! what identified somebody is gone, and every entry and proof still verifies.
//!
//! The log does not wait for these files: a record is sealed while its entry gets its place, goes to disk in the
//! journal together with the entry, and is brought into its file by the publisher, before the journal is removed. A
//! stop in between may bring a record into its file twice, which readers do not mind. Only the first entry of a tenant
//! in a month waits, for the new key to be on disk.
//!
//! Months that are over for some time lie in an archive ([`super::cold`]), where they are read and erased as well.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{Timestamp, tz::TimeZone};
use zeroize::Zeroizing;

use super::{LogError, files};
use crate::{
    domain::TenantId,
    durable::disk,
    seal::{Keyring, RecordKey, SealError, StorageSealer},
};

/// The directory for what concerns no tenant: refused logins under unknown names. No tenant can have its name.
const NOBODY: &str = "_";

pub(super) const KEY_ID_BYTES: usize = 8;

/// An age file with 40 bytes in it, sealed to a few identities, post-quantum ones too.
pub(super) const LONGEST_KEY_FILE_BYTES: u64 = 64 * 1024;

/// Disclosures of one entry, bytes, at most: a path of 4 KiB twice and a few short ones take 12 KB.
pub(super) const MAX_DISCLOSURES_BYTES: usize = 48 * 1024;

/// A record with its head: see [`Record::to_bytes`].
const MAX_RECORD_BYTES: usize = MAX_DISCLOSURES_BYTES + 256;

/// Files of which the length is remembered; beyond it they are looked at again.
const MOST_LENGTHS: usize = 4_096;

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
    /// How far the files are whole.
    lengths: Mutex<HashMap<String, u64>>,
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
    /// Entries whose disclosures cannot be opened: their key was destroyed.
    pub erased: u64,
}

/// A month of which something is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMonth {
    /// Whose; none for what concerns no tenant.
    pub tenant: Option<TenantId>,
    /// `yyyy-mm`, UTC.
    pub month: String,
    /// The id of its key, hexadecimal; none when it was destroyed.
    pub key_id: Option<String>,
}

impl Keeper {
    /// How far the files are whole, by name; nothing is added to any while this is held.
    pub(super) fn lengths(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.lengths.lock().unwrap_or_else(PoisonError::into_inner)
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
            lengths: Mutex::default(),
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
        let key = match self.read_key(who, month)? {
            Some(key) => key,
            None => self.draw_key(who, month)?,
        };
        keys.insert(who.to_owned(), (month.to_owned(), key.clone()));
        Ok(key)
    }

    fn key_path(&self, who: &str, month: &str) -> PathBuf {
        self.0.directory.join(who).join(format!("{month}.key"))
    }

    fn read_key(&self, who: &str, month: &str) -> Result<Option<MonthKey>, LogError> {
        self.wherever(&format!("{who}/{month}.key"), |path| {
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
        if !directory.is_dir() {
            files::make_directory(&directory)?;
            files::sync_directory(&self.0.directory)?;
        }
        files::replace(&directory, &format!("{month}.key"), &sealed)?;
        Ok(drawn)
    }

    /// Brings records into their files; when this returns they are on disk.
    pub(super) fn file(&self, records: &[Record]) -> Result<(), LogError> {
        let mut by_file: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for record in records {
            record.frame(by_file.entry(&record.file).or_default());
        }
        let mut lengths = self.0.lengths();
        for (name, frames) in by_file {
            let path = self.find(&format!("{name}.sealed"));
            // Forgotten until it is written: after a fault the file is looked at again.
            let known = lengths.remove(name);
            let (file, length) = open_to_append(&path, known)?;
            disk::write_all_at(&file, &path, &frames, length)
                .map_err(|source| LogError::file("write", &path, source))?;
            disk::sync_all(&file, &path).map_err(|source| LogError::sync(&path, source))?;
            if length == 0
                && let Some(parent) = path.parent()
            {
                files::sync_directory(parent)?;
            }
            if lengths.len() >= MOST_LENGTHS {
                lengths.clear();
            }
            lengths.insert(name.to_owned(), length + frames.len() as u64);
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

    /// Opens a month of a tenant, or of nobody. The month is `yyyy-mm`, UTC.
    ///
    /// # Errors
    /// [`LogError`]: the files, or a key that the exchange's identity does not open.
    pub fn open_month(&self, tenant: Option<&TenantId>, month: &str) -> Result<OpenedMonth, LogError> {
        let who = directory_of(tenant);
        let file = format!("{who}/{month}");
        let key = self.read_key(who, month)?;
        let mut opened = OpenedMonth::default();
        let mut closed = std::collections::BTreeSet::new();
        let found = self.wherever(&format!("{file}.sealed"), |path| match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LogError::file("open", path, source)),
            Ok(records) => Ok(Some((std::io::BufReader::new(records), path.to_owned()))),
        });
        let Some((mut input, path)) = found? else { return Ok(opened) };
        while let Some((seq, sealed)) =
            read_frame(&mut input).map_err(|source| LogError::file("read", &path, source))?
        {
            let text = key.as_ref().and_then(|key| {
                let sealed = sealed.strip_prefix(key.id.as_slice())?;
                key.key.open(&context(&file, seq), sealed)
            });
            match text.as_ref().and_then(|text| std::str::from_utf8(text).ok()) {
                // A record may stand there twice, and the logs of two years may meet in a month.
                Some(text) => opened.disclosures.entry(seq).or_default().extend(text.split('\n').map(str::to_owned)),
                None => drop(closed.insert(seq)),
            }
        }
        for texts in opened.disclosures.values_mut() {
            texts.sort_unstable();
            texts.dedup();
        }
        opened.erased = closed.iter().filter(|seq| !opened.disclosures.contains_key(seq)).count() as u64;
        Ok(opened)
    }

    /// Every month of which something is kept, erased ones too.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn months(&self) -> Result<Vec<KeptMonth>, LogError> {
        let mut months = Vec::new();
        for directory in [self.0.directory.clone(), self.archive()] {
            for who in names(&directory)? {
                let tenant = if who == NOBODY { None } else { Some(who.parse::<TenantId>()) };
                let Ok(tenant) = tenant.transpose() else { continue };
                for name in names(&directory.join(&who))? {
                    let Some(month) = name.strip_suffix(".sealed") else { continue };
                    let key_id = self.read_key(&who, month)?.map(|key| hex::encode(key.id));
                    months.push(KeptMonth { tenant: tenant.clone(), month: month.to_owned(), key_id });
                }
            }
        }
        months.sort_by(|one, other| (&one.month, &one.tenant).cmp(&(&other.month, &other.tenant)));
        // A stop while a month is moved may leave it in both places.
        months.dedup();
        Ok(months)
    }
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
        let is_month = month.len() == 7 && month.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if !is_month || (who != NOBODY && who.parse::<TenantId>().is_err()) {
            return None;
        }
        let (seq, sealed) = rest.get(1..)?.split_first_chunk()?;
        Some(Self { file: file.to_owned(), seq: u64::from_le_bytes(*seq), sealed: sealed.to_vec() })
    }

    /// The place of its entry.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// As it is in its file: length and CRC-32C of what follows, the place, the sealed bytes.
    fn frame(&self, out: &mut Vec<u8>) {
        let body = [&self.seq.to_le_bytes(), self.sealed.as_slice()].concat();
        out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
        out.extend_from_slice(&body);
    }
}

pub(super) fn directory_of(tenant: Option<&TenantId>) -> &str {
    tenant.map_or(NOBODY, TenantId::as_str)
}

/// What a record belongs to: it opens nowhere else.
fn context(file: &str, seq: u64) -> Vec<u8> {
    format!("groeikluis disclosures {file} {seq}").into_bytes()
}

/// A frame of a file: the place and the sealed bytes; none where the whole part ends.
fn read_frame(input: &mut impl Read) -> std::io::Result<Option<(u64, Vec<u8>)>> {
    let mut head = Vec::with_capacity(8);
    input.by_ref().take(8).read_to_end(&mut head)?;
    let ([length, found], []) = head.as_chunks::<4>() else { return Ok(None) };
    let (length, found) = (u32::from_le_bytes(*length) as usize, u32::from_le_bytes(*found));
    if length > MAX_RECORD_BYTES {
        return Ok(None);
    }
    let mut body = Vec::with_capacity(length);
    input.by_ref().take(length as u64).read_to_end(&mut body)?;
    if body.len() != length || crc32c::crc32c(&body) != found {
        return Ok(None);
    }
    Ok(body.split_first_chunk().map(|(seq, sealed)| (u64::from_le_bytes(*seq), sealed.to_vec())))
}

/// A file to write at its end, cut to where it is whole; `known` says where that is.
pub(super) fn open_to_append(path: &Path, known: Option<u64>) -> Result<(File, u64), LogError> {
    let file = files::open_or_create(path)?;
    let length = if let Some(length) = known {
        length
    } else {
        let (mut input, mut whole) = (std::io::BufReader::new(&file), 0);
        while let Some((_, sealed)) = read_frame(&mut input).map_err(|source| LogError::file("read", path, source))? {
            whole += 16 + sealed.len() as u64;
        }
        whole
    };
    disk::set_len(&file, path, length).map_err(|source| LogError::file("cut", path, source))?;
    Ok((file, length))
}

/// The names in a directory; none when there is no directory.
pub(super) fn names(path: &Path) -> Result<Vec<String>, LogError> {
    let listing = match fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(|source| LogError::file("list", path, source))?,
    };
    Ok(listing.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::support::clock;

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
        assert_eq!(opened.erased, 0);
        let kept: Vec<_> = opened.disclosures.into_iter().collect();
        assert_eq!(kept, [(7, vec!["a".to_owned(), "b".to_owned()]), (9, vec!["d".to_owned()])]);
        assert_eq!(again.open_month(None, "2026-11").unwrap().disclosures.len(), 1);
        assert_eq!(again.months().unwrap().len(), 2);

        again.erase(Some(&bree), "2026-11").unwrap();
        let erased = again.open_month(Some(&bree), "2026-11").unwrap();
        assert_eq!((erased.disclosures.len(), erased.erased), (0, 2));
        assert_eq!(again.months().unwrap().iter().filter(|month| month.key_id.is_none()).count(), 1);
        assert_eq!(again.open_month(None, "2026-11").unwrap().disclosures.len(), 1);
        assert!(again.erase(Some(&bree), "2026-11").is_err());
        // What is kept later under a new key is no help with what was erased.
        let later = DisclosureKeeper::new(place.path().to_owned(), keeper.0.keyring.clone());
        later.file(&[later.seal(Some(&bree), 11, at, &["e".to_owned()]).unwrap()]).unwrap();
        let opened = later.open_month(Some(&bree), "2026-11").unwrap();
        assert_eq!((opened.disclosures.len(), opened.erased), (1, 2));
    }

    #[test]
    fn a_key_that_does_not_open_is_never_replaced() {
        let place = tempfile::tempdir().unwrap();
        let at = clock().now();
        keeper(place.path()).seal(None, 1, at, &["a".to_owned()]).unwrap();
        let key = fs::read(place.path().join("_/2026-11.key")).unwrap();
        let other = keeper(place.path()).seal(None, 2, at, &["b".to_owned()]);
        assert!(matches!(other, Err(LogError::DisclosureKey { .. })));
        assert_eq!(fs::read(place.path().join("_/2026-11.key")).unwrap(), key);
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
