//! A copy of a log as it was at one checkpoint, taken while another process writes on.
//!
//! Nothing under a checkpoint is ever written again, so that the copy's files are links to the log's own and cost no
//! room. The copy is a log that was closed at that checkpoint: its journal is empty, and it can be opened again.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    Checkpoint, LogError, NoteFault, VerifierKey,
    archive::{KEYS, head},
    checkpoint::MAX_CHECKPOINT_BYTES,
    files,
    journal::Journal,
    merkle::TILE_WIDTH,
    recovery::{CHECKPOINT, HighWater},
    tile,
    verify::signer,
};

/// The public keys of a log in a file, bytes at most.
pub(super) const MAX_KEYS_BYTES: u64 = 64 * 1024;

/// Copies the log in `directory`, up to its published checkpoint, into `target`, which must be empty and on the same file
/// system. Gives the number of entries. What is missing or too short is so in the copy, as verifying it tells.
///
/// # Errors
/// [`LogError`]: there is no checkpoint, or the disk's fault.
pub fn snapshot(directory: &Path, target: &Path) -> Result<u64, LogError> {
    files::make_directory(target)?;
    let path = directory.join(CHECKPOINT);
    let note = files::read(&path, MAX_CHECKPOINT_BYTES)?;
    let (_, size) = head(&note).ok_or(LogError::Damaged { path, problem: "it is no checkpoint" })?;
    for level in (0_u8..).take_while(|level| tile::hashes_at(*level, size) > 0) {
        let hashes = tile::hashes_at(level, size);
        for index in 0..hashes.div_ceil(TILE_WIDTH as u64) {
            let whole = tile::tile(level, index, u64::MAX);
            let beginning = |bytes: &[u8], width: usize| bytes.get(..width * 32).map(<[u8]>::to_vec);
            take(directory, target, tile::tile(level, index, size), whole, beginning)?;
        }
    }
    for index in 0..size.div_ceil(TILE_WIDTH as u64) {
        let beginning = |bytes: &[u8], width: usize| tile::bundle_start(bytes, width).map(<[u8]>::to_vec);
        take(directory, target, tile::bundle(index, size), tile::bundle(index, u64::MAX), beginning)?;
    }
    files::replace(target, CHECKPOINT, &note)?;
    files::replace(target, KEYS, &files::read(&directory.join(KEYS), MAX_KEYS_BYTES)?)?;
    Journal::create(target, size).map(|_| size)
}

/// Links a tile or bundle. One that became full since the checkpoint is cut to what it was.
fn take(
    directory: &Path,
    target: &Path,
    part: Option<(String, usize)>,
    whole: Option<(String, usize)>,
    beginning: impl Fn(&[u8], usize) -> Option<Vec<u8>>,
) -> Result<(), LogError> {
    let Some((relative, width)) = part else { return Ok(()) };
    let (from, to) = (directory.join(&relative), target.join(&relative));
    if let Some(parent) = to.parent() {
        files::make_directory(parent)?;
    }
    match fs::hard_link(&from, &to) {
        Err(error) if error.kind() == ErrorKind::NotFound && width < TILE_WIDTH => {
            let from = whole.map_or(from, |(relative, _)| directory.join(relative));
            let bytes = files::read_if_there(&from, tile::MAX_BUNDLE_BYTES)?;
            let Some(bytes) = bytes.and_then(|bytes| beginning(&bytes, width)) else { return Ok(()) };
            fs::write(&to, bytes).map_err(|source| LogError::file("write", &to, source))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        linked => linked.map_err(|source| LogError::file("link", &from, source)),
    }
}

/// The origin of a log, and the key of those beside it that signed its checkpoint. Whether that key is to be trusted is
/// for the caller to know.
///
/// # Errors
/// [`LogError`]: there is no checkpoint, or none of the keys signed it.
pub fn own_key(directory: &Path) -> Result<VerifierKey, LogError> {
    let path = directory.join(KEYS);
    let text = String::from_utf8(files::read(&path, MAX_KEYS_BYTES)?).unwrap_or_default();
    let keys: Vec<VerifierKey> = text.lines().filter_map(|line| VerifierKey::parse(line).ok()).collect();
    let key = signer(directory, &keys).cloned();
    key.ok_or(LogError::Note { path, source: NoteFault::NoSignature })
}

/// How far the log of that origin had come by its high-water mark, where there is one, and where that is. One of `keys`
/// must have signed it; with none given, whoever did: for who only tells of a log that is not gone on with.
///
/// # Errors
/// [`LogError`]: the mark is not one of that log, or of these keys.
pub fn high_water(
    directory: &Path,
    origin: &str,
    keys: &[&VerifierKey],
) -> Result<(Option<Checkpoint>, PathBuf), LogError> {
    let path = HighWater::new(directory, origin).path();
    let Some(note) = files::read_if_there(&path, MAX_CHECKPOINT_BYTES)? else { return Ok((None, path)) };
    let read = match keys {
        [] => Checkpoint::parse_unverified(&note, origin),
        [first, others @ ..] => Checkpoint::parse(&note, first)
            .or_else(|fault| others.iter().find_map(|key| Checkpoint::parse(&note, key).ok()).ok_or(fault)),
    };
    match read {
        Ok(checkpoint) => Ok((Some(checkpoint), path)),
        Err(source) => Err(LogError::Note { path, source }),
    }
}

/// Raises the high-water mark to a checkpoint, durably.
///
/// # Errors
/// [`LogError`].
pub fn raise_high_water(directory: &Path, key: &VerifierKey, checkpoint: &Checkpoint) -> Result<(), LogError> {
    HighWater::new(directory, key.name()).write(checkpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::{
        support::{Place, any_record},
        verify,
    };

    #[test]
    fn a_copy_is_the_log_at_its_checkpoint_and_can_be_gone_on_with() {
        let place = Place::new();
        let log = place.open();
        for (round, count) in [3, 300, 700].into_iter().enumerate() {
            log.append(vec![any_record(); count]).unwrap();
            log.checkpoint_now().unwrap();
            let target = place.path(&format!("copy{round}"));
            let size = snapshot(&place.dir(), &target).unwrap();
            log.append(vec![any_record(); 300]).unwrap();
            log.checkpoint_now().unwrap();
            let key = own_key(&target).unwrap();
            assert_eq!(&key, place.key.verifier());
            let verified = verify(&target, &key).unwrap();
            assert_eq!((verified.checkpoint.size, verified.unsigned), (size, 0));
        }
        log.close().unwrap();
        // Opened in the place of the log that went on, it is refused; where nothing tells of that, it goes on.
        fs::rename(place.dir(), place.path("gone")).unwrap();
        fs::rename(place.path("copy2"), place.dir()).unwrap();
        assert!(matches!(place.try_open(), Err(LogError::Rollback { .. })));
        let key = own_key(&place.dir()).unwrap();
        let settings = place.settings();
        let (mark, path) = high_water(&settings.high_water_dir, key.name(), &[&key]).unwrap();
        assert!(mark.unwrap().size > verify(&place.dir(), &key).unwrap().checkpoint.size);
        fs::remove_file(path).unwrap();
        let own = verify(&place.dir(), &key).unwrap().checkpoint;
        raise_high_water(&settings.high_water_dir, &key, &own).unwrap();
        place.open().close().unwrap();
        place.verify().unwrap();
    }

    #[test]
    fn a_log_that_lacks_a_file_is_copied_without_it() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 300]).unwrap();
        log.close().unwrap();
        for (round, file) in ["tile/0/000", "tile/entries/001.p/46"].into_iter().enumerate() {
            fs::remove_file(place.dir().join(file)).unwrap();
            let target = place.path(&format!("copy{round}"));
            assert_eq!(snapshot(&place.dir(), &target).unwrap(), 302);
            assert!(verify(&target, place.key.verifier()).is_err(), "{file}");
        }
    }

    #[test]
    fn a_mark_by_another_key_is_read_by_who_does_not_go_on_with_its_log() {
        let place = Place::new();
        place.open().close().unwrap();
        let (directory, origin) = (place.settings().high_water_dir, place.key.name());
        let other = crate::transfer_log::NoteKey::generate(origin).unwrap();
        let size = |keys: &[&VerifierKey]| Some(high_water(&directory, origin, keys).ok()?.0?.size);
        assert_eq!(size(&[other.verifier()]), None);
        assert_eq!(size(&[other.verifier(), place.key.verifier()]), Some(2));
        assert_eq!(size(&[]), Some(2));
    }

    #[test]
    fn a_partial_tile_that_became_full_meanwhile_is_cut() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 100]).unwrap();
        let checkpoint = log.checkpoint_now().unwrap();
        log.append(vec![any_record(); 300]).unwrap();
        log.checkpoint_now().unwrap();
        // The older checkpoint, as it is read just before the tile becomes full.
        fs::write(place.dir().join(CHECKPOINT), &checkpoint.note).unwrap();
        let target = place.path("copy");
        assert_eq!(snapshot(&place.dir(), &target).unwrap(), checkpoint.size);
        verify(&target, place.key.verifier()).unwrap();
    }
}
