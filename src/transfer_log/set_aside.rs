//! Files of disclosures that cannot be used: a key that does not open, records that cannot be added to.
//!
//! What is wrong with a file of one tenant must not keep entries of others from being written. Such a file is renamed to
//! `<name>.set-aside-<number>`, never removed, and another is begun in its place. Readers look into both: what opens
//! still, or again once somebody mended it, is found. An erased month loses the keys that were set aside, too.

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{DisclosureKeeper, LogError, files, keeper::NOBODY};
use crate::{domain::TenantId, durable::disk};

/// The ending of a file with the key of a month.
pub(super) const KEY: &str = "key";

/// The ending of a file with the sealed records of a month.
pub(super) const RECORDS: &str = "sealed";

/// Between a file's name and its number.
const MARK: &str = ".set-aside-";

/// The month and the ending of a file, set aside or not; none when it is none of disclosures.
pub(super) fn month_and_ending(name: &str) -> Option<(&str, &str)> {
    let (month, ending) = name.split_once(MARK).map_or(name, |(name, _)| name).split_once('.')?;
    (is_month(month) && (ending == KEY || ending == RECORDS)).then_some((month, ending))
}

/// Whether a text is of the form `yyyy-mm`.
pub(super) fn is_month(text: &str) -> bool {
    text.len() == 7 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// Whether the file holds, or held while it was written or moved, the key of that month.
pub(super) fn is_key_of(name: &str, month: &str) -> bool {
    let moved = name.strip_suffix(".new").map(|name| name.strip_prefix('.').unwrap_or(name));
    month_and_ending(name) == Some((month, KEY))
        || moved.is_some_and(|moved| moved == month || month_and_ending(moved) == Some((month, KEY)))
}

/// The names in a directory; none when there is none, or it is a file.
pub(super) fn names(path: &Path) -> Result<Vec<String>, LogError> {
    let listing = match fs::read_dir(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        listing => listing.map_err(|source| LogError::file("list", path, source))?,
    };
    Ok(listing.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// Those whose disclosures a directory holds: tenants, and [`NOBODY`]. What else lies there is not ours.
pub(super) fn owners(directory: &Path) -> Result<Vec<String>, LogError> {
    let mut owners = names(directory)?;
    owners.retain(|name| name == NOBODY || name.parse::<TenantId>().is_ok());
    Ok(owners)
}

impl DisclosureKeeper {
    /// Gives a file that cannot be used another name; that it is gone is fine.
    pub(super) fn set_aside(&self, relative: &str, fault: &LogError) -> Result<(), LogError> {
        let path = self.find(relative);
        let aside = self.free_name(&path, relative)?;
        match disk::rename(&path, &aside) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            renamed => renamed.map_err(|source| LogError::file("set aside", &path, source))?,
        }
        let (error, path, aside): (&dyn std::error::Error, _, _) = (fault, path.display(), aside.display());
        tracing::error!(error, %path, %aside, "a file of disclosures cannot be used: it was set aside");
        Ok(())
    }

    /// A name beside that file which neither a file in use nor one in the archive has.
    pub(super) fn free_name(&self, path: &Path, relative: &str) -> Result<PathBuf, LogError> {
        let taken = |name: &str| self.0.directory.join(name).exists() || self.archive().join(name).exists();
        let relative = relative.split_once(MARK).map_or(relative, |(plain, _)| plain);
        let free = (1..u16::MAX).map(|number| format!("{relative}{MARK}{number}")).find(|name| !taken(name));
        let free = free.as_deref().and_then(|name| Path::new(name).file_name()).map(|name| path.with_file_name(name));
        free.ok_or_else(|| LogError::Damaged { path: path.to_owned(), problem: "too many of it were set aside" })
    }

    /// The names of a month's files with that ending, wherever they are: that of the one in use, and of those set aside.
    pub(super) fn names_of(&self, who: &str, month: &str, ending: &str) -> Result<BTreeSet<String>, LogError> {
        let archived = names(&self.archive().join(who)).or_else(|fault| {
            if fault.is_of_the_disk() {
                return Err(fault);
            }
            // What is in use is read all the same.
            let error: &dyn std::error::Error = &fault;
            tracing::error!(error, "the archive of disclosures cannot be listed");
            Ok(Vec::new())
        })?;
        let of_month = |name: &String| month_and_ending(name) == Some((month, ending));
        let in_use = names(&self.0.directory.join(who))?.into_iter();
        let found = in_use.chain(archived).filter(of_month);
        Ok(found.chain([format!("{month}.{ending}")]).collect())
    }

    /// Moves the files of a month that were set aside to the archive.
    pub(super) fn move_set_aside(&self, who: &str, month: &str) -> Result<(), LogError> {
        let (from, to) = (self.0.directory.join(who), self.archive().join(who));
        for name in names(&from)? {
            let of = month_and_ending(&name).map(|(of, _)| of);
            if of == Some(month) && name.contains(MARK) {
                let target = to.join(&name);
                let target = if target.exists() { self.free_name(&target, &format!("{who}/{name}"))? } else { target };
                move_file(&from.join(&name), &target)?;
            }
        }
        Ok(())
    }
}

/// Moves a file, to another file system too; that there is none is fine.
pub(super) fn move_file(from: &Path, to: &Path) -> Result<(), LogError> {
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
    use crate::{
        durable::disk::faults::{self, Failure},
        seal::Keyring,
        transfer_log::{keeper::UsedKey, month_before, month_of, support::clock},
    };
    use rustix::io::Errno;

    #[test]
    fn names_are_told_apart() {
        for (name, found) in [
            ("2026-11.key", Some(("2026-11", KEY))),
            ("2026-11.sealed", Some(("2026-11", RECORDS))),
            ("2026-11.sealed.set-aside-2", Some(("2026-11", RECORDS))),
            (".2026-11.key.new", None),
            ("lost+found", None),
            ("notes.key", None),
            ("2026-11.txt", None),
        ] {
            assert_eq!(month_and_ending(name), found, "{name}");
        }
        for name in ["2026-11.key", "2026-11.key.set-aside-1", ".2026-11.key.new", "2026-11.new"] {
            assert!(is_key_of(name, "2026-11") && !is_key_of(name, "2026-10"), "{name}");
        }
        assert!(!is_key_of("2026-11.sealed", "2026-11"));
    }

    #[test]
    fn what_cannot_be_used_is_set_aside_read_all_the_same_put_by_and_erased() {
        let root = tempfile::tempdir().unwrap();
        let keyring = Keyring::generate();
        let keeper = || DisclosureKeeper::new(root.path().join("disclosures"), keyring.clone());
        let bree: TenantId = "bree".parse().unwrap();
        let now = clock().now();
        let (month, next) = (month_of(now), month_before(now + jiff::SignedDuration::from_hours(24 * 40), 0));
        let kept = |seq: u64| {
            let keeper = keeper();
            let record = keeper.seal(Some(&bree), seq, now, &[format!("of {seq}")])?;
            keeper.file(&[record])
        };
        let opened = || {
            let opened = keeper().open_month(Some(&bree), &month).unwrap();
            (opened.disclosures.into_keys().collect::<Vec<_>>(), opened.unopened)
        };
        kept(1).unwrap();
        // Its records cannot be added to: the first call is that of opening them.
        faults::plan(&root.path().join("disclosures/bree/2026-11.sealed"), Some((0, Failure::Lost(Errno::ACCESS))));
        kept(2).unwrap();
        faults::end(&root.path().join("disclosures/bree/2026-11.sealed"));
        assert!(root.path().join("disclosures/bree/2026-11.sealed.set-aside-1").exists());
        assert_eq!(opened(), (vec![1, 2], 0));
        // Its key is damaged, and mended again.
        let key = root.path().join("disclosures/bree/2026-11.key");
        let whole = fs::read(&key).unwrap();
        fs::write(&key, "damaged").unwrap();
        kept(3).unwrap();
        assert_eq!(opened(), (vec![3], 2));
        let aside = root.path().join("disclosures/bree/2026-11.key.set-aside-1");
        assert_eq!(fs::read(&aside).unwrap(), b"damaged");
        fs::write(&aside, &whole).unwrap();
        assert_eq!(opened(), (vec![1, 2, 3], 0));
        assert_eq!(keeper().put_by(&next).unwrap(), [format!("bree/{month}")]);
        assert!(names(&root.path().join("disclosures/bree")).unwrap().is_empty());
        assert_eq!(opened(), (vec![1, 2, 3], 0));
        // What lies beside the tenants' is passed over.
        fs::create_dir_all(root.path().join("disclosures-archive/lost+found/x.key")).unwrap();
        fs::write(root.path().join("disclosures-archive/note"), "ours").unwrap();
        let months = keeper().months().unwrap();
        assert!(matches!(&months[..], [month] if matches!(month.key, UsedKey::Kept(_))), "{months:?}");
        // Keys that were set aside are sealed anew like others; one that does not open keeps no other from it.
        fs::write(root.path().join("disclosures-archive/bree/2026-11.key.set-aside-2"), "damaged").unwrap();
        let new = Keyring::generate();
        let both = DisclosureKeeper::new(root.path().join("disclosures"), new.clone().replacing(&keyring));
        assert!(both.reseal().is_err());
        let keeper = DisclosureKeeper::new(root.path().join("disclosures"), new);
        assert_eq!(keeper.open_month(Some(&bree), &month).unwrap().disclosures.len(), 3);
        keeper.erase(Some(&bree), &month).unwrap();
        assert_eq!(keeper.open_month(Some(&bree), &month).unwrap().unopened, 3);
        assert_eq!(keeper.months().unwrap()[0].key, UsedKey::Destroyed);
    }

    #[test]
    fn a_full_disk_sets_nothing_aside() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("disclosures");
        let keeper = DisclosureKeeper::new(directory.clone(), Keyring::generate());
        let record = keeper.seal(None, 1, clock().now(), &["one".to_owned()]).unwrap();
        keeper.file(&[record]).unwrap();
        let record = keeper.seal(None, 2, clock().now(), &["two".to_owned()]).unwrap();
        // Opened, and then there is no room.
        faults::plan(&directory, Some((1, Failure::DoneButReportedLost(Errno::NOSPC))));
        assert!(matches!(keeper.file(&[record]), Err(LogError::File { action: "write", .. })));
        faults::end(&directory);
        assert_eq!(names(&directory.join("_")).unwrap().len(), 2);
    }
}
