//! Logs of earlier years: each is a log of its own, with its own origin and key, that the next one goes on from.
//!
//! A log is put by when a log of another origin is opened in its place, and only when it was closed in order: then
//! everything in it is under its last checkpoint, which is the first thing that the next one says. It must be the log of
//! its high-water mark, as when it is opened: a new origin hides no older copy, and none that is away.
//!
//! Their order is that in which each goes on from another, whatever the clock said. What else lies in the archive is
//! passed over.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    Checkpoint, Event, LogError, VerifierKey,
    checkpoint::MAX_CHECKPOINT_BYTES,
    entries_from, files,
    journal::{self, Groups},
    published_note, published_size,
    recovery::{CHECKPOINT, check_mark, plain_name},
    snapshot::{MAX_KEYS_BYTES, high_water, own_key},
};

/// How far the clocks of two machines, or of one before it asked for the time, may be apart.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// The file with the log's public keys, beside its checkpoint.
pub const KEYS: &str = "log.vkey";

/// The logs of earlier years under that directory, oldest first. What is no log there is passed over.
///
/// # Errors
/// [`LogError`]: also that one of them cannot be read.
pub fn archived(archive: &Path) -> Result<Vec<PathBuf>, LogError> {
    let found = look(archive, |_, fault| Err(fault))?;
    Ok(found.logs.into_iter().map(|log| log.directory).collect())
}

/// As [`archived`], without those that cannot be read, of which it tells: for what has to go on all the same.
///
/// # Errors
/// [`LogError`]: the directory cannot be listed.
pub fn readable(archive: &Path) -> Result<Vec<PathBuf>, LogError> {
    let tell = |log: &Path, fault| {
        let error: &dyn std::error::Error = &fault;
        tracing::error!(error, log = %log.display(), "a log of an earlier year cannot be read");
        Ok(())
    };
    Ok(look(archive, tell)?.logs.into_iter().map(|log| log.directory).collect())
}

/// Tells of what lies among the logs of earlier years and is none.
pub(super) fn tell_strays(archive: &Path) -> Result<(), LogError> {
    for path in look(archive, |_, _| Ok(()))?.strays {
        tracing::warn!(path = %path.display(), "this lies among the logs of earlier years, and is none of them");
    }
    Ok(())
}

/// The logs that the one in `directory` goes on from, oldest first, none of them missing: what an index is made from.
///
/// # Errors
/// [`LogError::EarlierMissing`], or a fault of reading any of them.
pub fn all_earlier(archive: &Path, directory: &Path) -> Result<Vec<PathBuf>, LogError> {
    let logs = look(archive, |_, fault| Err(fault))?.logs;
    let in_use = first_of(directory)?.and_then(|(_, before)| before).map(|before| (directory, before));
    let earlier = logs.iter().filter_map(|log| Some((log.directory.as_path(), log.before.clone()?)));
    for (later, origin) in earlier.chain(in_use) {
        if !logs.iter().any(|log| log.directory.ends_with(plain_name(&origin))) {
            return Err(LogError::EarlierMissing { later: later.to_owned(), origin });
        }
    }
    Ok(logs.into_iter().map(|log| log.directory).collect())
}

/// The logs of earlier years, for one that begins: of those that cannot be read it is known that they are not the newest.
fn before_a_new_one(archive: &Path) -> Result<Vec<Archived>, LogError> {
    let mut unreadable = Vec::new();
    let found = look(archive, |log, fault| {
        unreadable.push((log.to_owned(), fault));
        Ok(())
    });
    let logs = found?.logs;
    let is_named = |path: &Path| logs.iter().any(|log| log.goes_on_from(path));
    match unreadable.into_iter().find(|(log, _)| !is_named(log)) {
        None => Ok(logs),
        Some((_, fault)) => Err(fault),
    }
}

/// What lies in the archive.
#[derive(Default)]
struct Archive {
    /// Oldest first.
    logs: Vec<Archived>,
    strays: Vec<PathBuf>,
}

struct Archived {
    directory: PathBuf,
    began: Timestamp,
    /// The origin of the log that it goes on from.
    before: Option<String>,
}

impl Archived {
    /// Whether the log before it has its place there.
    fn goes_on_from(&self, directory: &Path) -> bool {
        self.before.as_ref().is_some_and(|origin| directory.ends_with(plain_name(origin)))
    }
}

/// Looks at everything; `unreadable` says what becomes of a log that cannot be read.
fn look(
    archive: &Path,
    mut unreadable: impl FnMut(&Path, LogError) -> Result<(), LogError>,
) -> Result<Archive, LogError> {
    let listing = match fs::read_dir(archive) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Archive::default()),
        listing => listing.map_err(|source| LogError::file("list", archive, source))?,
    };
    let mut found = Archive::default();
    for directory in listing.filter_map(|entry| Some(entry.ok()?.path())) {
        let first = match is_log(&directory) {
            Ok(true) => first_of(&directory),
            Ok(false) => {
                found.strays.push(directory);
                continue;
            }
            Err(fault) => Err(fault),
        };
        match first {
            Ok(Some((began, before))) => found.logs.push(Archived { directory, began, before }),
            // Without an entry there is nothing to go on from.
            Ok(None) => {}
            Err(fault) => unreadable(&directory, fault)?,
        }
    }
    found.logs = in_order(found.logs);
    Ok(found)
}

/// Whether a directory has the name that a log is put by under, that of its origin.
fn is_log(directory: &Path) -> Result<bool, LogError> {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.starts_with('.') || plain_name(name) != name || !directory.is_dir() {
        return Ok(false);
    }
    let note = published_note(directory)?;
    Ok(note.as_deref().and_then(|note| note.lines().next()).is_some_and(|origin| plain_name(origin) == name))
}

/// When a log began, and the origin of the one that it goes on from; none where it has no entries.
fn first_of(directory: &Path) -> Result<Option<(Timestamp, Option<String>)>, LogError> {
    let mut began = None;
    // A note on a torn beginning may stand before it.
    for entry in entries_from(directory, 0)?.take(2) {
        let entry = entry?;
        let began = *began.get_or_insert(entry.at);
        if let Event::LogStarted(started) = entry.event {
            let before = started.previous_checkpoint;
            let before = before.as_deref().and_then(|note| head(note.as_bytes())).map(|(origin, _)| origin.to_owned());
            return Ok(Some((began, before)));
        }
    }
    Ok(began.map(|began| (began, None)))
}

/// By what each goes on from, and by their beginning where that does not tell: a clock may have been wrong then.
fn in_order(mut logs: Vec<Archived>) -> Vec<Archived> {
    logs.sort_by(|one, other| (one.began, &one.directory).cmp(&(other.began, &other.directory)));
    let mut ordered = Vec::with_capacity(logs.len());
    while !logs.is_empty() {
        let first = logs.iter().position(|log| !logs.iter().any(|other| log.goes_on_from(&other.directory)));
        ordered.push(logs.remove(first.unwrap_or_default()));
    }
    ordered
}

/// A log of an earlier year.
#[derive(Debug, Clone)]
pub struct EarlierLog {
    /// Where it lies.
    pub directory: PathBuf,
    /// Its own key, of which the name is its origin.
    pub key: VerifierKey,
}

/// The log of that origin, and those of the years after it, under that directory, oldest first; none where that one is
/// not among them.
///
/// # Errors
/// [`LogError`].
pub fn archived_from(archive: &Path, origin: &str) -> Result<Vec<EarlierLog>, LogError> {
    let logs = readable(archive)?;
    let first = archive.join(plain_name(origin));
    let from = logs.into_iter().skip_while(|directory| *directory != first);
    from.map(|directory| Ok(EarlierLog { key: own_key(&directory)?, directory })).collect()
}

/// The public keys of the logs of earlier years under that directory, a line each, newest log first: what receipts of
/// those years are checked with.
///
/// # Errors
/// [`LogError`].
pub fn archived_keys(archive: &Path) -> Result<String, LogError> {
    let mut text = String::new();
    for directory in readable(archive)?.iter().rev() {
        let keys = files::read_if_there(&directory.join(KEYS), MAX_KEYS_BYTES)?.unwrap_or_default();
        let keys = String::from_utf8(keys).unwrap_or_default();
        for line in keys.lines().filter(|line| VerifierKey::parse(line).is_ok()) {
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}

/// Puts the log in `directory` by, when it is of another origin than the one to be opened, at `now`. Its mark is looked for
/// in `marks`; without that, it is known to be older, and the next log says so.
///
/// Whatever speaks against the new log is looked for before the old one is moved: there is a way back to its origin.
pub(super) fn put_by(
    directory: &Path,
    archive: &Path,
    origin: &str,
    marks: Option<&Path>,
    now: Timestamp,
) -> Result<(), LogError> {
    let path = directory.join(CHECKPOINT);
    let Some(note) = files::read_if_there(&path, MAX_CHECKPOINT_BYTES)? else {
        return marks.map_or(Ok(()), |marks| check_marks(marks, archive, origin, None));
    };
    let (found, size) = head(&note).ok_or(LogError::Damaged { path, problem: "it is no checkpoint" })?;
    if found == origin {
        return Ok(());
    }
    for (first, path) in journal::list_from(directory, size)? {
        let mut groups = Groups::open(first, &path)?;
        while groups.next_group()?.is_some() {}
        if groups.next_place() > size {
            return Err(LogError::NotClosed { origin: found.to_owned() });
        }
    }
    if let Some(marks) = marks {
        let key = own_key(directory)?;
        let (mark, path) = high_water(marks, key.name(), &[&key])?;
        let checkpoint = Checkpoint::parse(&note, &key);
        let checkpoint = checkpoint.map_err(|source| LogError::Note { path: directory.join(CHECKPOINT), source })?;
        check_mark(directory, &checkpoint, &mark.ok_or(LogError::HighWaterMissing { path })?)?;
        let before = first_of(directory)?.and_then(|(_, before)| before);
        check_marks(marks, archive, origin, Some(InUse { origin: found, before }))?;
    }
    check_clock(directory, size, now)?;
    files::make_directory(archive)?;
    let target = archive.join(plain_name(found));
    if target.exists() {
        return Err(LogError::Damaged { path: target, problem: "a log of that origin was put by before" });
    }
    fs::rename(directory, &target).map_err(|source| LogError::file("put by", directory, source))?;
    files::sync_directory(archive)?;
    directory.parent().map_or(Ok(()), files::sync_directory)
}

/// The last checkpoint of the newest log that was put by, as it was published, for a log that begins at `now`.
pub(super) fn last_checkpoint(archive: &Path, now: Timestamp) -> Result<Option<String>, LogError> {
    let Some(Archived { directory: newest, .. }) = before_a_new_one(archive)?.pop() else { return Ok(None) };
    let damaged = || LogError::Damaged { path: newest.join(CHECKPOINT), problem: "it is no checkpoint" };
    let note = published_note(&newest)?.ok_or_else(damaged)?;
    let (_, size) = head(note.as_bytes()).ok_or_else(damaged)?;
    check_clock(&newest, size, now)?;
    Ok(Some(note))
}

/// Sees that a log which goes on from that one, of this size, does not begin before its end.
fn check_clock(directory: &Path, size: u64, now: Timestamp) -> Result<(), LogError> {
    match entries_from(directory, size.saturating_sub(1))?.next().transpose()? {
        Some(last) if now.duration_since(last.at) < -CLOCKS_DIFFER => {
            Err(LogError::ClockBehind { path: directory.to_owned(), last: last.at })
        }
        _ => Ok(()),
    }
}

/// The log that is put by.
struct InUse<'a> {
    origin: &'a str,
    /// The origin of the log that it goes on from.
    before: Option<String>,
}

/// A mark of this exchange.
struct Mark {
    path: PathBuf,
    origin: String,
    size: u64,
    written: SystemTime,
}

/// The marks of other logs than `origin` of the same exchange, which is what its name has before the last stroke.
fn other_marks(marks: &Path, origin: &str) -> Result<Vec<Mark>, LogError> {
    let listing = match fs::read_dir(marks) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(|source| LogError::file("list", marks, source))?,
    };
    let exchange = |origin: &str| origin.rsplit_once('/').map(|(exchange, _)| exchange.to_owned());
    let mut found = Vec::new();
    for path in listing.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_none_or(|ending| ending != "checkpoint") {
            continue;
        }
        let note = files::read(&path, MAX_CHECKPOINT_BYTES)?;
        let written = fs::metadata(&path).and_then(|metadata| metadata.modified());
        let written = written.map_err(|source| LogError::file("look at", &path, source))?;
        let Some((of, size)) = head(&note).filter(|(of, _)| *of != origin) else { continue };
        if exchange(of).is_some() && exchange(of) == exchange(origin) {
            found.push(Mark { origin: of.to_owned(), size, written, path });
        }
    }
    Ok(found)
}

/// Checks, before a log begins, that the one before it is not simply away, or shorter than it was: the mark that was
/// written last is that of the log in use, or of one that was put by. Older marks may be those of a trial.
fn check_marks(marks: &Path, archive: &Path, origin: &str, in_use: Option<InUse<'_>>) -> Result<(), LogError> {
    let logs = before_a_new_one(archive)?;
    let (in_use, before) = in_use.map_or((None, None), |log| (Some(log.origin), log.before));
    let is_gone_on_from =
        |of: &str| before.as_deref() == Some(of) || logs.iter().any(|log| log.before.as_deref() == Some(of));
    let marks = other_marks(marks, origin)?;
    let newest = marks.iter().map(|mark| mark.written).max();
    for Mark { path, origin: of, size: high_water, written } in marks {
        // Where a log ends that another goes on from, that one says, also when a backup was put back.
        if in_use == Some(of.as_str()) || is_gone_on_from(&of) {
            continue;
        }
        match logs.iter().find(|log| log.directory.ends_with(plain_name(&of))) {
            Some(log) => {
                let size = published_size(&log.directory)?;
                if size < high_water {
                    return Err(LogError::Rollback { size, high_water });
                }
            }
            None if Some(written) == newest => return Err(LogError::MarkWithoutLog { path, origin: of }),
            None => tracing::warn!(path = %path.display(), "there is no log that this mark is of"),
        }
    }
    Ok(())
}

/// Origin and size of a checkpoint, unverified.
pub(super) fn head(note: &[u8]) -> Option<(&str, u64)> {
    let mut lines = std::str::from_utf8(note).ok()?.lines();
    Some((lines.next()?, lines.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::{
        Index, IndexError, LogSettings, NoteKey, Position, StoredEntry, TransferLog,
        support::{Nothing, Place, any_record, clock, copy},
    };

    #[test]
    fn an_older_copy_or_another_log_is_not_put_by_unless_the_next_log_says_so() {
        let place = Place::new();
        place.open().close().unwrap();
        copy(&place.dir(), &place.path("old"));
        let log = place.open();
        log.append(vec![any_record(); 300]).unwrap();
        log.close().unwrap();
        let (size, mark) = (place.verify().unwrap().checkpoint.size, fs::read(place.high_water()).unwrap());
        let next = NoteKey::generate("groeikluis.example/2027").unwrap();
        let open = |goes_on_from_older| {
            let (origin, keys) = (next.name().to_owned(), next.clone().into());
            let settings = LogSettings { origin, keys, goes_on_from_older, ..place.settings() };
            TransferLog::open(settings, clock(), Box::new(Nothing))
        };
        copy(&place.dir(), &place.path("newest"));
        let put_back = |name: &str| {
            fs::remove_dir_all(place.dir()).unwrap();
            copy(&place.path(name), &place.dir());
        };
        put_back("old");
        assert!(matches!(open(false), Err(LogError::Rollback { size: 2, high_water }) if high_water == size));
        fs::remove_file(place.high_water()).unwrap();
        assert!(matches!(open(false), Err(LogError::HighWaterMissing { .. })));
        // As long as the mark, and written again.
        fs::remove_dir_all(place.dir()).unwrap();
        let log = place.open();
        log.append(vec![any_record(); 302]).unwrap();
        log.close().unwrap();
        fs::write(place.high_water(), &mark).unwrap();
        assert!(matches!(open(false), Err(LogError::Fork { .. })));
        assert!(archived(&place.path("archive")).unwrap().is_empty());
        put_back("newest");
        open(false).unwrap().close().unwrap();
        // A backup that was restored, and of which the next log tells.
        fs::remove_dir_all(place.path("archive")).unwrap();
        fs::remove_dir_all(place.high_water_dir()).unwrap();
        fs::create_dir(place.high_water_dir()).unwrap();
        fs::write(place.high_water(), &mark).unwrap();
        put_back("old");
        open(true).unwrap().close().unwrap();
        assert_eq!(archived(&place.path("archive")).unwrap().len(), 1);
    }
    /// An index that followed the log in use to its end.
    struct At(Position);

    impl Index for At {
        fn position(&self) -> Result<Position, IndexError> {
            Ok(self.0)
        }

        fn apply(&mut self, _: &[StoredEntry]) -> Result<(), IndexError> {
            Ok(())
        }

        fn reset(&mut self) -> Result<(), IndexError> {
            panic!("it is one of this log")
        }
    }

    /// Writes a log of that year, at that time, which goes on from the one before.
    fn year(place: &Place, year: u32, at: &str) -> Result<(), LogError> {
        let last = entries_from(&place.dir(), 0).ok().and_then(Iterator::last).transpose()?;
        let index = At(last.as_ref().map(Position::after).unwrap_or_default());
        let key = NoteKey::generate(&format!("groeikluis.example/{year}")).unwrap();
        let settings = LogSettings { origin: key.name().to_owned(), keys: key.into(), ..place.settings() };
        let clock = crate::durable::Clock::fixed(at.parse().unwrap());
        TransferLog::open(settings, clock, Box::new(index))?.close()
    }

    fn archived_years(place: &Place) -> Vec<String> {
        let name = |path: PathBuf| path.to_str().unwrap().rsplit_once('_').unwrap().1.to_owned();
        archived(&place.path("archive")).unwrap().into_iter().map(name).collect()
    }

    #[test]
    fn what_is_no_log_is_passed_over_and_a_log_that_cannot_be_read_stops_no_start() {
        let place = Place::new();
        for number in 2024..=2026 {
            year(&place, number, &format!("{number}-01-01T00:00:00Z")).unwrap();
        }
        let archive = place.path("archive");
        fs::write(archive.join("groeikluis.example_2025.tar.gz"), "no directory").unwrap();
        fs::create_dir(archive.join("lost+found")).unwrap();
        fs::create_dir(archive.join("notes")).unwrap();
        copy(&archive.join("groeikluis.example_2025"), &archive.join("copy_2025"));
        assert_eq!(archived_years(&place), ["2024", "2025"]);
        assert_eq!(look(&archive, |_, fault| Err(fault)).unwrap().strays.len(), 4);
        fs::write(archive.join("groeikluis.example_2024/tile/entries/000.p/2"), "damaged").unwrap();
        assert!(archived(&archive).is_err());
        assert_eq!(readable(&archive).unwrap(), [archive.join("groeikluis.example_2025")]);
        assert_eq!(archived_keys(&archive).unwrap().lines().count(), 1);
    }

    #[test]
    fn logs_are_in_the_order_in_which_they_go_on_from_each_other() {
        let place = Place::new();
        for (number, at) in [(2024, "2024-01-01"), (2025, "2025-01-01")] {
            year(&place, number, &format!("{at}T00:00:00Z")).unwrap();
        }
        // A clock that nobody had set: no log begins by it, as one did before.
        let behind = year(&place, 2026, "1970-01-01T00:00:00Z");
        assert!(matches!(behind, Err(LogError::ClockBehind { .. })), "{behind:?}");
        year(&place, 2026, "2024-12-31T23:59:30Z").unwrap();
        year(&place, 2027, "2027-01-01T00:00:00Z").unwrap();
        assert_eq!(archived_years(&place), ["2024", "2025", "2026"]);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let log = |name: &str, began, before: Option<&str>| Archived {
            directory: name.into(),
            began: at(began),
            before: before.map(str::to_owned),
        };
        let logs = vec![
            log("a_2027", "1970-01-01T00:00:00Z", Some("a/2026")),
            log("a_2025", "2025-01-01T00:00:00Z", None),
            log("a_2026", "2026-01-01T00:00:00Z", Some("a/2025")),
        ];
        let ordered: Vec<PathBuf> = in_order(logs).into_iter().map(|log| log.directory).collect();
        assert_eq!(ordered, ["a_2025", "a_2026", "a_2027"].map(PathBuf::from));
    }

    #[test]
    fn no_log_begins_while_the_one_before_it_is_away() {
        let place = Place::new();
        for number in 2024..=2026 {
            year(&place, number, &format!("{number}-01-01T00:00:00Z")).unwrap();
        }
        let next = || year(&place, 2027, "2027-01-01T00:00:00Z");
        let (log, away) = (place.dir(), place.path("away"));
        fs::rename(&log, &away).unwrap();
        assert!(matches!(next(), Err(LogError::MarkWithoutLog { origin, .. }) if origin.ends_with("/2026")));
        fs::rename(&away, &log).unwrap();
        next().unwrap();
        // One that was removed since its time was over keeps nothing from beginning.
        for number in [2024, 2025] {
            fs::remove_dir_all(place.path(&format!("archive/groeikluis.example_{number}"))).unwrap();
        }
        year(&place, 2028, "2028-01-01T00:00:00Z").unwrap();
        // Nor does another exchange whose marks lie there, or a trial of this one, before all this.
        let trial = place.high_water_dir().join("groeikluis.example_proef.checkpoint");
        fs::write(&trial, "groeikluis.example/proef\n4\nAAAA\n").unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
        fs::File::options().write(true).open(trial).unwrap().set_modified(long_ago).unwrap();
        fs::write(place.high_water_dir().join("other_1.checkpoint"), "other/2027\n4\nAAAA\n").unwrap();
        year(&place, 2029, "2029-01-01T00:00:00Z").unwrap();
        // An index that has to be made anew is not made without what they told.
        let key = NoteKey::generate("groeikluis.example/2030").unwrap();
        let open = |clock| {
            let (origin, keys) = (key.name().to_owned(), key.clone().into());
            TransferLog::open(LogSettings { origin, keys, ..place.settings() }, clock, Box::new(Nothing))
        };
        // What speaks against it is said before the log of now is moved.
        assert!(matches!(open(clock()), Err(LogError::ClockBehind { path, .. }) if path == place.dir()));
        assert!(place.dir().join(CHECKPOINT).exists());
        let opened = open(crate::durable::Clock::fixed("2030-01-01T00:00:00Z".parse().unwrap()));
        assert!(matches!(opened, Err(LogError::EarlierMissing { origin, .. }) if origin.ends_with("/2025")));
    }
}
