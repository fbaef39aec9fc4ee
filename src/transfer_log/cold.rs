//! Disclosures of months that are over for some time, in an archive beside those in use.
//!
//! It owns `<directory>-archive`, with the same files in it: what is rarely asked for, so that it can lie on a file system
//! of its own. Nothing is opened or changed on the way. Of each month the records go first and the key after them;
//! whoever reads a month, or adds to it since the clock was set back, looks in both places. What is there already is never
//! replaced.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::{
    DisclosureKeeper, LogError, files,
    frames::append,
    keeper::{KEY_ID_BYTES, LONGEST_KEY_FILE_BYTES, directory_of, month_of},
    set_aside::{KEY, RECORDS, is_key_of, month_and_ending, move_file, names, owners},
};
use crate::{domain::TenantId, durable::disk, seal::RecordKey};

/// The month (`yyyy-mm`, UTC) that is so many months before the one at that instant.
pub fn month_before(at: Timestamp, months: u32) -> String {
    let first = at.to_zoned(TimeZone::UTC).date().first_of_month();
    let earlier = first.saturating_sub(i64::from(months).months());
    earlier.to_zoned(TimeZone::UTC).map_or_else(|_| month_of(Timestamp::UNIX_EPOCH), |day| month_of(day.timestamp()))
}

impl DisclosureKeeper {
    pub(super) fn archive(&self) -> PathBuf {
        let name = self.0.directory.file_name().unwrap_or_default().to_string_lossy();
        self.0.directory.with_file_name(format!("{name}-archive"))
    }

    /// Where a file is, `<tenant or _>/<month>.<ending>`: among those in use, also when there is none.
    pub(super) fn find(&self, relative: &str) -> PathBuf {
        let (hot, cold) = (self.0.directory.join(relative), self.archive().join(relative));
        if !hot.exists() && cold.exists() { cold } else { hot }
    }

    /// What `read` finds of a file, wherever it is: it may be put by between looking for it and reading it, by another thread
    /// or process, and is looked for once more then.
    pub(super) fn wherever<T>(
        &self,
        relative: &str,
        read: impl Fn(&Path) -> Result<Option<T>, LogError>,
    ) -> Result<Option<T>, LogError> {
        let first = self.find(relative);
        if let Some(found) = read(&first)? {
            return Ok(Some(found));
        }
        let second = self.find(relative);
        if second == first { Ok(None) } else { read(&second) }
    }

    /// The months before `month` that are not in the archive, as `<tenant or _>/<yyyy-mm>`, in order.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn cold_months(&self, month: &str) -> Result<Vec<String>, LogError> {
        let mut cold = Vec::new();
        for who in owners(&self.0.directory)? {
            for name in names(&self.0.directory.join(&who))? {
                if let Some((of, _)) = month_and_ending(&name).filter(|(of, _)| *of < month) {
                    cold.push(format!("{who}/{of}"));
                }
            }
        }
        cold.sort_unstable();
        cold.dedup();
        Ok(cold)
    }

    /// Seals to the key in use the keys of all months that are sealed to one that it replaced; answers how many.
    ///
    /// # Errors
    /// [`LogError`]; what else could be sealed anew was.
    pub fn reseal(&self) -> Result<u64, LogError> {
        let (mut resealed, mut outcome) = (0, Ok(()));
        if !self.0.keyring.has_replaced() {
            return Ok(resealed);
        }
        for directory in [self.0.directory.clone(), self.archive()] {
            for who in owners(&directory)? {
                let directory = directory.join(&who);
                for name in names(&directory)? {
                    if month_and_ending(&name).is_some_and(|(_, ending)| ending == KEY) {
                        let one = self.reseal_one(&directory, &name);
                        outcome = outcome.and(one.map(|anew| resealed += u64::from(anew)));
                    }
                }
            }
        }
        outcome.map(|()| resealed)
    }

    /// Says whether a key had to be sealed anew.
    fn reseal_one(&self, directory: &Path, name: &str) -> Result<bool, LogError> {
        let path = directory.join(name);
        let Some(sealed) = files::read_if_there(&path, LONGEST_KEY_FILE_BYTES)? else { return Ok(false) };
        let anew = self.0.keyring.reseal(&sealed, (KEY_ID_BYTES + RecordKey::BYTES) as u64);
        let anew = anew.map_err(|source| LogError::DisclosureKey { path, source: Arc::new(source) })?;
        anew.map_or(Ok(false), |anew| files::replace(directory, name, &anew).map(|()| true))
    }

    /// Moves the months before `month` to the archive, durably. Gives them as [`DisclosureKeeper::cold_months`] does.
    ///
    /// # Errors
    /// [`LogError`]; what else could be moved was, is found, and a next try goes on.
    pub fn put_by(&self, month: &str) -> Result<Vec<String>, LogError> {
        let mut outcome = Ok(());
        let mut cold = self.cold_months(month)?;
        cold.retain(|file| {
            let moved = file.split_once('/').map_or(Ok(()), |(who, month)| self.put_one_by(who, month));
            let is_moved = moved.is_ok();
            outcome = outcome.clone().and(moved);
            is_moved
        });
        outcome.map(|()| cold)
    }

    fn put_one_by(&self, who: &str, month: &str) -> Result<(), LogError> {
        let (source, target) = (self.0.directory.join(who), self.archive().join(who));
        files::make_directory(&target)?;
        // Held so that nothing is added meanwhile.
        let alone = self.0.filing();
        let [records, key] = [RECORDS, KEY].map(|ending| format!("{month}.{ending}"));
        move_records(&source.join(&records), &target.join(&records))?;
        self.move_set_aside(who, month)?;
        self.move_key(&source.join(&key), &target.join(&key))?;
        drop(alone);
        files::sync_directory(&target)?;
        files::sync_directory(&source)
    }

    /// Destroys the keys of a month, durably: that in use, and those that were set aside. Copies of them elsewhere, in
    /// backups, are for whoever made them to destroy. The month must be over: the daemon holds the key of the running one.
    ///
    /// # Errors
    /// [`LogError`]: there is none, or the disk's.
    pub fn erase(&self, tenant: Option<&TenantId>, month: &str) -> Result<(), LogError> {
        let who = directory_of(tenant);
        let mut is_there = false;
        // A stop while a month is moved may leave it in both places.
        for directory in [self.archive().join(who), self.0.directory.join(who)] {
            for name in names(&directory)?.iter().filter(|name| is_key_of(name, month)) {
                let path = directory.join(name);
                disk::remove_file(&path).map_err(|source| LogError::file("remove", &path, source))?;
                files::sync_directory(&directory)?;
                is_there = true;
            }
        }
        let none = || LogError::file("remove", self.find(&format!("{who}/{month}.{KEY}")), ErrorKind::NotFound.into());
        if is_there { Ok(()) } else { Err(none()) }
    }

    /// Moves the key of a month. One that is there must open the same, and stays: the files of both differ once they were
    /// sealed anew.
    fn move_key(&self, from: &Path, to: &Path) -> Result<(), LogError> {
        let read = |path: &Path| files::read_if_there(path, LONGEST_KEY_FILE_BYTES);
        let (Some(moved), Some(there)) = (read(from)?, read(to)?) else { return move_file(from, to) };
        if moved != there && !self.open_key(from, &moved)?.is(&self.open_key(to, &there)?) {
            let problem = "the archive has another key of that month";
            return Err(LogError::Damaged { path: from.to_owned(), problem });
        }
        disk::remove_file(from).map_err(|source| LogError::file("remove", from, source))
    }
}

/// Moves the records of a month, behind those that are there: that one stands there twice is no harm to readers.
fn move_records(from: &Path, to: &Path) -> Result<(), LogError> {
    if !from.exists() || !to.exists() {
        return move_file(from, to);
    }
    let records = fs::read(from).map_err(|source| LogError::file("read", from, source))?;
    append(to, &records)?;
    disk::remove_file(from).map_err(|source| LogError::file("remove", from, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        seal::Keyring,
        transfer_log::{UsedKey, support::clock},
    };

    #[test]
    fn months_are_counted_back_over_the_year() {
        let at: Timestamp = "2026-03-31T23:59:59Z".parse().unwrap();
        let counted: Vec<String> = [0, 1, 3, 6, 15].iter().map(|months| month_before(at, *months)).collect();
        assert_eq!(counted, ["2026-03", "2026-02", "2025-12", "2025-09", "2024-12"]);
    }

    #[test]
    fn a_month_in_the_archive_is_read_and_erased_like_another() {
        let root = tempfile::tempdir().unwrap();
        let identity = Keyring::generate();
        let keeper = DisclosureKeeper::new(root.path().join("disclosures"), identity.clone());
        let bree: TenantId = "bree".parse().unwrap();
        let now = clock().now();
        let record = keeper.seal(Some(&bree), 7, now, &["one".to_owned()]).unwrap();
        keeper.file(&[record]).unwrap();
        let (month, next) = (month_of(now), month_before(now + jiff::SignedDuration::from_hours(24 * 40), 0));
        assert_eq!(keeper.put_by(&month).unwrap(), Vec::<String>::new(), "it is not over");
        assert_eq!(keeper.put_by(&next).unwrap(), [format!("bree/{month}")]);
        assert_eq!(keeper.cold_months(&next).unwrap(), Vec::<String>::new());
        assert!(root.path().join(format!("disclosures-archive/bree/{month}.key")).exists());
        let kept = keeper.months().unwrap();
        assert!(kept.len() == 1 && matches!(kept[0].key, UsedKey::Kept(_)), "{kept:?}");
        assert_eq!(keeper.open_month(Some(&bree), &month).unwrap().disclosures[&7], ["one"]);
        // The clock was set back, and forth again.
        let opened = |keeper: &DisclosureKeeper| keeper.open_month(Some(&bree), &month).unwrap().disclosures;
        keeper.file(&[keeper.seal(Some(&bree), 8, now, &["two".to_owned()]).unwrap()]).unwrap();
        assert_eq!(opened(&keeper).keys().copied().collect::<Vec<_>>(), [7, 8]);
        // Beside it, as a stop leaves it between two file systems, or an earlier program left it.
        let [hot, cold] = ["disclosures", "disclosures-archive"].map(|name| root.path().join(name).join("bree"));
        fs::copy(cold.join(format!("{month}.sealed")), hot.join(format!("{month}.sealed"))).unwrap();
        fs::copy(cold.join(format!("{month}.key")), hot.join(format!("{month}.key"))).unwrap();
        keeper.file(&[keeper.seal(Some(&bree), 9, now, &["three".to_owned()]).unwrap()]).unwrap();
        assert_eq!(keeper.put_by(&next).unwrap(), [format!("bree/{month}")]);
        assert_eq!(opened(&keeper).keys().copied().collect::<Vec<_>>(), [7, 8, 9]);
        assert!(fs::read_dir(&hot).unwrap().next().is_none());
        fs::write(hot.join(format!("{month}.key")), "another").unwrap();
        assert!(matches!(keeper.put_by(&next), Err(LogError::DisclosureKey { .. })));
        fs::remove_file(hot.join(format!("{month}.key"))).unwrap();
        // The identity is replaced, and then the old one goes.
        let new = Keyring::generate();
        let directory = root.path().join("disclosures");
        let both = DisclosureKeeper::new(directory.clone(), new.clone().replacing(&identity));
        assert_eq!((both.reseal().unwrap(), both.reseal().unwrap()), (1, 0));
        let alone = DisclosureKeeper::new(directory, new);
        assert_eq!(alone.open_month(Some(&bree), &month).unwrap().disclosures[&7], ["one"]);
        keeper.erase(Some(&bree), &month).unwrap();
        assert_eq!(keeper.open_month(Some(&bree), &month).unwrap().unopened, 3);
    }

    #[test]
    fn what_is_put_by_while_it_is_looked_for_is_found() {
        let root = tempfile::tempdir().unwrap();
        let keeper = DisclosureKeeper::new(root.path().join("disclosures"), Keyring::generate());
        let now = clock().now();
        let (month, next) = (month_of(now), month_before(now + jiff::SignedDuration::from_hours(24 * 40), 0));
        keeper.file(&[keeper.seal(None, 1, now, &["one".to_owned()]).unwrap()]).unwrap();
        let read = |path: &Path| {
            // The first time, somebody moves it before it is read.
            keeper.put_by(&next).unwrap();
            files::read_if_there(path, LONGEST_KEY_FILE_BYTES)
        };
        assert!(keeper.wherever(&format!("_/{month}.sealed"), read).unwrap().is_some());
        assert!(keeper.wherever("_/2020-01.sealed", read).unwrap().is_none());
    }

    #[test]
    fn a_key_in_two_places_is_one_key_however_it_is_sealed() {
        let root = tempfile::tempdir().unwrap();
        let [hot, cold] = ["disclosures", "disclosures-archive"].map(|name| root.path().join(name).join("_"));
        let old = Keyring::generate();
        let keeper = |keyring: Keyring| DisclosureKeeper::new(root.path().join("disclosures"), keyring);
        let now = clock().now();
        let (month, next) = (month_of(now), month_before(now + jiff::SignedDuration::from_hours(24 * 40), 0));
        let [hot_key, cold_key] = [&hot, &cold].map(|place| place.join(format!("{month}.key")));
        let first = keeper(old.clone());
        first.file(&[first.seal(None, 7, now, &["one".to_owned()]).unwrap()]).unwrap();
        first.put_by(&next).unwrap();
        // A stop left it in both places, and then the identity was replaced.
        fs::copy(&cold_key, &hot_key).unwrap();
        let both = keeper(Keyring::generate().replacing(&old));
        assert_eq!(both.reseal().unwrap(), 2);
        assert_ne!(fs::read(&cold_key).unwrap(), fs::read(&hot_key).unwrap());
        assert_eq!(both.put_by(&next).unwrap(), [format!("_/{month}")]);
        assert!(!hot_key.exists());
        assert_eq!(both.open_month(None, &month).unwrap().disclosures[&7], ["one"]);
        // Another key of that month: nobody can tell which is to go.
        let kept = fs::read(&cold_key).unwrap();
        fs::rename(&cold_key, root.path().join("aside")).unwrap();
        keeper(old.clone()).seal(None, 8, now, &["two".to_owned()]).unwrap();
        fs::write(&cold_key, &kept).unwrap();
        let stopped = both.put_by(&next).unwrap_err();
        assert!(matches!(&stopped, LogError::Damaged { path, .. } if *path == hot_key), "{stopped}");
        assert!(hot_key.exists() && fs::read(&cold_key).unwrap() == kept);
        // What is erased is so wherever it is.
        fs::copy(&cold_key, &hot_key).unwrap();
        both.erase(None, &month).unwrap();
        assert!(!hot_key.exists() && !cold_key.exists());
    }
}
