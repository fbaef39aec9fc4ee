//! Checking partial tiles and bundles that a larger one has taken the place of.
//!
//! A log keeps those of each published checkpoint until their tile is full (C2SP tlog-tiles, "Partial Tiles"), for
//! readers with an older checkpoint. Each must be the beginning of the one in force.

use std::{fs, path::Path};

use super::{
    LogError, VerifyFault, files,
    merkle::{Hash, TILE_WIDTH},
    tile::{self, Named},
};

/// Partial tiles and bundles of a log whose full and newest ones were verified.
pub(super) struct Superseded<'a> {
    pub directory: &'a Path,
    /// Entries under the checkpoint.
    pub size: u64,
    /// The verified hashes of the tile that is not full, by level.
    pub last_tiles: &'a [Vec<Hash>],
    /// The verified bytes of the bundle that is not full.
    pub last_bundle: Option<&'a [u8]>,
    /// Faults after which it is enough.
    pub limit: usize,
}

impl Superseded<'_> {
    /// The faults of all of them. What is for a later checkpoint, or goes while this looks, is passed over.
    pub fn faults(&self) -> Vec<VerifyFault> {
        let mut faults = Vec::new();
        for level in (0_u8..).take_while(|level| tile::hashes_at(*level, self.size) > 0) {
            self.walk(&format!("tile/{level}"), 0, Some(level), &mut faults);
        }
        self.walk("tile/entries", 0, None, &mut faults);
        faults
    }

    /// Looks for `NNN.p` below a directory whose first tile has the index `first`.
    fn walk(&self, relative: &str, first: u64, level: Option<u8>, faults: &mut Vec<VerifyFault>) {
        for name in names(&self.directory.join(relative)) {
            if faults.len() >= self.limit {
                return;
            }
            let path = format!("{relative}/{name}");
            match tile::named(&name, first).filter(|_| is_directory(&self.directory.join(&path))) {
                Some(Named::Directory(first)) => self.walk(&path, first, level, faults),
                Some(Named::Partials(index)) => self.partials(&path, index, level, faults),
                Some(Named::Full(_)) | None => {}
            }
        }
    }

    fn partials(&self, relative: &str, index: u64, level: Option<u8>, faults: &mut Vec<VerifyFault>) {
        let hashes = tile::hashes_at(level.unwrap_or_default(), self.size);
        let mut whole = None;
        for name in names(&self.directory.join(relative)) {
            if faults.len() >= self.limit {
                return;
            }
            // The newest one is in force, and was checked.
            let width = name.parse::<usize>().ok().filter(|width| (1..TILE_WIDTH).contains(width));
            let Some(width) = width.filter(|width| index * TILE_WIDTH as u64 + (*width as u64) < hashes) else {
                continue;
            };
            let path = format!("{relative}/{name}");
            let found = match files::read(&self.directory.join(&path), tile::MAX_BUNDLE_BYTES) {
                Err(error) if error.is_not_found() => continue,
                Err(error) => {
                    faults.push(VerifyFault::Unreadable(error));
                    continue;
                }
                Ok(found) => found,
            };
            // A tile or bundle in force that is itself at fault was reported where it stands.
            let Ok(whole) = whole.get_or_insert_with(|| self.in_force(index, level)) else { return };
            let beginning = match level {
                Some(_) => whole.get(..width * size_of::<Hash>()),
                None => tile::bundle_start(whole, width),
            };
            if beginning != Some(found.as_slice()) {
                faults.push(VerifyFault::Superseded { path });
            }
        }
    }

    /// The bytes of the tile or bundle that holds.
    fn in_force(&self, index: u64, level: Option<u8>) -> Result<Vec<u8>, LogError> {
        let is_last = index == tile::hashes_at(level.unwrap_or_default(), self.size) / TILE_WIDTH as u64;
        match (level, is_last) {
            (Some(level), true) => {
                Ok(tile::tile_bytes(self.last_tiles.get(usize::from(level)).map_or(&[][..], Vec::as_slice)))
            }
            (None, true) => Ok(self.last_bundle.unwrap_or_default().to_vec()),
            (level, false) => {
                let path =
                    level.map_or_else(|| tile::bundle(index, self.size), |level| tile::tile(level, index, self.size));
                let (path, _) = path.ok_or(LogError::NoEntry { seq: self.size })?;
                files::read(&self.directory.join(path), tile::MAX_BUNDLE_BYTES)
            }
        }
    }
}

/// The names in a directory, in order; none where there is none.
pub(super) fn names(path: &Path) -> Vec<String> {
    let listing = fs::read_dir(path).into_iter().flatten();
    let mut names: Vec<String> = listing.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// Whether there is a directory, and no link to one: links lead in circles.
pub(super) fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::support::{Place, any_record};

    #[test]
    fn a_changed_bit_of_a_superseded_tile_or_bundle_is_caught() {
        let place = Place::new();
        let log = place.open();
        for count in [40, 30, 200, 20, 3] {
            log.append(vec![any_record(); count]).unwrap();
            log.checkpoint_now().unwrap();
        }
        drop(log);
        place.verify().unwrap();
        // Those of the full first tile are gone, those of the second stay.
        assert_eq!(names(&place.dir().join("tile/0")), ["000", "001.p"]);
        assert_eq!(names(&place.dir().join("tile/0/001.p")), ["15", "35", "38"]);
        assert_eq!(names(&place.dir().join("tile/entries/001.p")), ["15", "35", "38"]);
        for path in ["tile/0/001.p/15", "tile/0/001.p/35", "tile/entries/001.p/15", "tile/entries/001.p/35"] {
            let file = place.dir().join(path);
            let bytes = fs::read(&file).unwrap();
            let mut changed = bytes.clone();
            changed[bytes.len() / 2] ^= 1;
            fs::write(&file, &changed).unwrap();
            let faults = place.verify().unwrap_err();
            assert!(matches!(&faults[..], [VerifyFault::Superseded { path: found }] if found == path), "{faults:?}");
            fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
            assert!(place.verify().is_err());
            // One that is gone is no fault: a larger one stands in for it.
            fs::remove_file(&file).unwrap();
            place.verify().unwrap();
            fs::write(&file, &bytes).unwrap();
        }
        // Left by a crash behind a full tile, it must be right as well.
        fs::create_dir(place.dir().join("tile/0/000.p")).unwrap();
        fs::write(place.dir().join("tile/0/000.p/7"), "wrong").unwrap();
        assert!(matches!(&place.verify().unwrap_err()[..], [VerifyFault::Superseded { .. }]));
        // For a checkpoint that is yet to come.
        fs::remove_dir_all(place.dir().join("tile/0/000.p")).unwrap();
        fs::write(place.dir().join("tile/0/001.p/200"), "torn").unwrap();
        place.verify().unwrap();
        drop(place.open());
        assert!(!place.dir().join("tile/0/001.p/200").exists());
        assert_eq!(names(&place.dir().join("tile/0/001.p")), ["15", "35", "38", "39"]);
        place.verify().unwrap();
    }

    #[test]
    fn links_are_not_followed_and_faults_are_bounded() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 300]).unwrap();
        log.close().unwrap();
        let bundles = place.dir().join("tile/entries");
        for name in ["x001", "x002", "x003"] {
            std::os::unix::fs::symlink(".", bundles.join(name)).unwrap();
        }
        place.verify().unwrap();
        fs::create_dir(bundles.join("000.p")).unwrap();
        for number in 1..=200 {
            fs::write(bundles.join(format!("000.p/{number}")), "wrong").unwrap();
        }
        assert_eq!(place.verify().unwrap_err().len(), 100);
    }
}
