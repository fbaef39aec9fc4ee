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
    keeper::{KEY_ID_BYTES, LONGEST_KEY_FILE_BYTES, directory_of, month_of, names, open_to_append},
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
        for who in names(&self.0.directory)? {
            for name in names(&self.0.directory.join(&who))? {
                let of = name.strip_suffix(".sealed").or_else(|| name.strip_suffix(".key"));
                if let Some(of) = of.filter(|of| !of.starts_with('.') && *of < month) {
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
    /// [`LogError`]; what was sealed anew by then stays so.
    pub fn reseal(&self) -> Result<u64, LogError> {
        let mut resealed = 0;
        if !self.0.keyring.has_replaced() {
            return Ok(resealed);
        }
        for directory in [self.0.directory.clone(), self.archive()] {
            for who in names(&directory)? {
                let directory = directory.join(&who);
                for name in names(&directory)?
                    .iter()
                    .filter(|name| name.strip_suffix(".key").is_some_and(|month| !month.starts_with('.')))
                {
                    let path = directory.join(name);
                    let Some(sealed) = files::read_if_there(&path, LONGEST_KEY_FILE_BYTES)? else { continue };
                    let fault = |source| LogError::DisclosureKey { path: path.clone(), source: Arc::new(source) };
                    let anew = self.0.keyring.reseal(&sealed, (KEY_ID_BYTES + RecordKey::BYTES) as u64);
                    if let Some(anew) = anew.map_err(fault)? {
                        files::replace(&directory, name, &anew)?;
                        resealed += 1;
                    }
                }
            }
        }
        Ok(resealed)
    }

    /// Moves the months before `month` to the archive, durably. Gives them as [`DisclosureKeeper::cold_months`] does.
    ///
    /// # Errors
    /// [`LogError`]; what was moved by then is found, and a next try goes on.
    pub fn put_by(&self, month: &str) -> Result<Vec<String>, LogError> {
        let cold = self.cold_months(month)?;
        let archive = self.archive();
        for file in &cold {
            let who = Path::new(file).parent().unwrap_or(Path::new(""));
            let (source, target) = (self.0.directory.join(who), archive.join(who));
            if !target.is_dir() {
                files::make_directory(&target)?;
                files::sync_directory(&archive)?;
            }
            // Held so that nothing is added meanwhile.
            let mut lengths = self.0.lengths();
            lengths.remove(file);
            let [records, key] = ["sealed", "key"].map(|ending| format!("{file}.{ending}"));
            move_records(&self.0.directory.join(&records), &archive.join(&records))?;
            self.move_key(&self.0.directory.join(&key), &archive.join(&key))?;
            drop(lengths);
            files::sync_directory(&target)?;
            files::sync_directory(&source)?;
        }
        Ok(cold)
    }

    /// Destroys the key of a month, durably. Copies of it elsewhere, in backups, are for whoever made them to destroy.
    /// The month must be over: the daemon holds the key of the running one.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn erase(&self, tenant: Option<&TenantId>, month: &str) -> Result<(), LogError> {
        let key = format!("{}/{month}.key", directory_of(tenant));
        let first = self.find(&key);
        // A stop while a month is moved may leave it in both places.
        let second = Some(self.archive().join(&key)).filter(|second| *second != first && second.exists());
        for path in second.into_iter().chain([first]) {
            disk::remove_file(&path).map_err(|source| LogError::file("remove", &path, source))?;
            path.parent().map_or(Ok(()), files::sync_directory)?;
        }
        Ok(())
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
    let (file, length) = open_to_append(to, None)?;
    disk::write_all_at(&file, to, &records, length).map_err(|source| LogError::file("write", to, source))?;
    disk::sync_all(&file, to).map_err(|source| LogError::sync(to, source))?;
    disk::remove_file(from).map_err(|source| LogError::file("remove", from, source))
}

/// Moves a file, to another file system too; that there is none is fine.
fn move_file(from: &Path, to: &Path) -> Result<(), LogError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let beside = to.with_extension("new");
            let copied = fs::copy(from, &beside).and_then(|_| fs::File::open(&beside)?.sync_all());
            copied.map_err(|source| LogError::file("copy", from, source))?;
            fs::rename(&beside, to).map_err(|source| LogError::file("rename", &beside, source))?;
            to.parent().map_or(Ok(()), files::sync_directory)?;
            fs::remove_file(from).map_err(|source| LogError::file("remove", from, source))
        }
        moved => moved.map_err(|source| LogError::file("move", from, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seal::Keyring, transfer_log::support::clock};

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
        assert!(kept.len() == 1 && kept[0].key_id.is_some(), "{kept:?}");
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
        assert_eq!(keeper.open_month(Some(&bree), &month).unwrap().erased, 3);
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
