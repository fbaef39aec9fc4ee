//! Putting a backup in place of a state directory that is lost.
//!
//! Everything is unpacked beside and checked there; only then it takes its place, the log last: a start meanwhile finds
//! no log, which the high-water mark does not let pass. A backup that is older than the log had come is refused, since a
//! log that goes on from there would be another history than the one that tenants have receipts of. Where nothing newer
//! is left, a log of a new name goes on from it, and says what is missing.
//!
//! It is in one file because each step decides what those after it may count on.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Component, Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    DaemonError,
    backup::{CONFIG, FORM, HEAD, Head, LONGEST_HEAD_BYTES, STATE},
    control, form,
    opening::log_secrets,
};
use crate::{
    config::Settings,
    dropbox,
    durable::{Clock, Directory, DirectoryLock, refuse_root_in},
    exchange::{FingerprintKey, FingerprintKeyError, note_restored},
    ledger::{LedgerError, rebuild_without_earlier},
    seal::{Keyring, SealError},
    transfer_log::{
        self, BackupRestored, Checkpoint, DeliveryCreated, Event, LogError, SigningKeys, VerifierKey, VerifyFault,
    },
};

/// Where a backup is unpacked, in the state directory.
const BESIDE: &str = ".restoring";

/// A backup that was put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When it was made.
    pub made_at: Timestamp,
    /// The name of its log.
    pub origin: String,
    /// Entries of that log.
    pub size: u64,
    /// How far that log had come by its high-water mark, where there was one.
    pub high_water: Option<u64>,
    /// Files in outboxes that the log did not have yet, and that were taken away.
    pub unknown_files: usize,
    /// The number from which files go on today, where files may be lost that had lower ones.
    pub numbers_from: Option<u32>,
    /// The place of the entry that tells of it.
    pub seq: u64,
}

/// Why a backup was not put in place.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file could not be read, made or moved.
    #[error("could not {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It does not open.
    #[error("the backup does not open")]
    Sealed(#[source] SealError),
    /// It is something else.
    #[error("this is no backup: {0}")]
    NoBackup(&'static str),
    /// It was made by a newer program.
    #[error("the backup is of form {found}, and this program knows forms up to {known}: restore it with a newer one")]
    Newer {
        /// Its form, or that of the state in it.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// There is something in its place.
    #[error(
        "{0} is not empty: a backup takes the place of a state directory that is gone; move away what is left of it"
    )]
    NotEmpty(PathBuf),
    /// A daemon runs there.
    #[error("another process uses {0}")]
    InUse(PathBuf),
    /// The log in it is damaged.
    #[error(
        "nothing was put in place: the transfer log in the backup does not verify. Use an older one, for which \
         `groeikluis backup` ended with 0. Or mend this one: unpack it (`age -d -i KEY FILE | tar x`), put what is at fault \
         back from an older backup (full files below state/log/tile/ are never written again), and use its `state` as the \
         state directory once `groeikluis audit verify` finds it whole. At fault is first"
    )]
    Damaged(#[source] VerifyFault),
    /// The exchange's identity is another than that of the backup.
    #[error(
        "nothing was put in place: `exchange_identity` is not the key that the exchange of the backup had. Give it the key \
         file of then, or one with the old key's lines after those of the new one"
    )]
    Identity(#[source] FingerprintKeyError),
    /// The log would be gone on with, by keys that did not sign it.
    #[error(
        "nothing was put in place: the log {origin} in the backup is of before its key was replaced: {signer} signed it. Let \
         both sign, with the old key in `co_sign`, and restore again; where that is gone, give `log` in the configuration \
         a new origin with a new key (`groeikluis keys new log`): a new log then goes on from this backup"
    )]
    OtherKey {
        /// The log's name.
        origin: String,
        /// The id of the key.
        signer: String,
    },
    /// The log in it, or the mark.
    #[error("the transfer log in the backup cannot be used")]
    Log(#[source] LogError),
    /// The index of the years that are in it, where earlier ones are missing.
    #[error("the backup is in place, but no ledger can be made of its log")]
    Ledger(#[source] LedgerError),
    /// Drop-boxes.
    #[error("the drop-boxes in the backup cannot be used")]
    DropBoxes(#[source] dropbox::DropBoxError),
    /// An older backup.
    #[error(
        "the backup has {size} entries of the log {origin}, which had {high_water}: {} entries would be lost, of which \
         tenants may have receipts. Use a newer backup, or the lost machine's own state directory. If nothing newer is \
         left, give `log` in the configuration a new origin with a new key (`groeikluis keys new log`): a new log then \
         goes on from this backup and says what is missing; lists answered meanwhile may be answered again",
        high_water - size
    )]
    Older {
        /// The log's name.
        origin: String,
        /// Entries in the backup.
        size: u64,
        /// Entries by the mark.
        high_water: u64,
    },
    /// Another log than the one of the mark.
    #[error("the log in the backup is not the one of the high-water mark {0}: at the mark's size its root differs")]
    Forked(PathBuf),
    /// Nothing tells how far the log had come.
    #[error(
        "there is no high-water mark {0}, so that nothing here tells whether this is the newest backup; if it is, restore \
         with --without-mark. A checkpoint that a municipality kept tells as well: `audit verify --since`"
    )]
    NoMark(PathBuf),
    /// The log could not be gone on with.
    #[error(
        "nothing was put in place, since the log could not be gone on with: its secrets cannot be read. For secrets that \
         are `credential:…`, run this with `systemd-run` and `LoadCredential=`, as README.md says under Backups"
    )]
    Secrets(#[source] Box<DaemonError>),
    /// Everything is in place, but the log could not be opened.
    #[error(
        "the backup is in place, but the log cannot be gone on with: mend what is told here, take away what is in the state \
         directory, and restore again"
    )]
    NotOpened(#[source] Box<DaemonError>),
}

/// Unpacks the configuration of a backup into a directory, which is made; nothing there is replaced. Gives the names.
///
/// # Errors
/// [`RestoreError`].
pub fn restore_configuration(from: &Path, identity: &Keyring, to: &Path) -> Result<Vec<PathBuf>, RestoreError> {
    let mut names = Vec::new();
    unpack(from, identity, |name, content| {
        let Ok(below) = name.strip_prefix(CONFIG) else { return Ok(()) };
        names.push(below.to_owned());
        write_below(to, below, content)
    })?;
    Ok(names)
}

/// Puts a backup in place of the state directory that the settings name, and enters that in the log. The log is opened
/// for that, so that its keys must be there: they are read first.
///
/// # Errors
/// [`RestoreError`]; but for [`RestoreError::NotOpened`] nothing is in place then.
pub fn restore(
    settings: &Settings,
    from: &Path,
    identity: &Keyring,
    without_mark: bool,
) -> Result<Restored, RestoreError> {
    // What is in place without an entry of it could neither be gone on with nor be put in place again.
    let secrets = log_secrets(settings).map_err(|error| RestoreError::Secrets(Box::new(error)))?;
    let state = &settings.state_dir;
    let lock = take_place(state)?;
    let beside = state.join(BESIDE);
    let unpacked = unpack(from, identity, |name, content| match name.strip_prefix(STATE) {
        Ok(below) => write_below(&beside, below, content),
        Err(_) => Ok(()),
    });
    let (exchange, signing_keys) = &secrets;
    let placed = unpacked.and_then(|head| {
        FingerprintKey::check(&beside, exchange).map_err(RestoreError::Identity)?;
        let high_water = judge(settings, signing_keys, &beside.join("log"), &head, without_mark)?;
        let unknown_files = take_away_unknown(&beside)?;
        let lacks_years = unknown_files.is_none();
        let lacks_entries = high_water != Some(head.size);
        let numbers_from = lacks_entries.then(|| numbers_from(&beside)).transpose()?;
        put_in_place(&beside, state)?;
        if lacks_years {
            // What comes of the log is asked of an index of the years that there are.
            let (log, archive) = (state.join("log"), state.join("log-archive"));
            rebuild_without_earlier(&log, &archive, &state.join("ledger.sqlite")).map_err(RestoreError::Ledger)?;
        }
        Ok((head, high_water, unknown_files.unwrap_or_default(), numbers_from))
    });
    if placed.is_err() {
        // What was unpacked stands in no place where anything would look for it.
        let _ = fs::remove_dir_all(&beside);
    }
    let (head, high_water, unknown_files, numbers_from) = placed?;
    drop(lock);
    let event = Event::BackupRestored(BackupRestored {
        origin: head.origin.clone(),
        size: head.size,
        made_at: head.made_at,
        high_water,
    });
    let seq = control::note_alone(settings, secrets, None, event)
        .map_err(|error| RestoreError::NotOpened(Box::new(error)))?;
    let Head { made_at, origin, size, .. } = head;
    Ok(Restored { made_at, origin, size, high_water, unknown_files, numbers_from, seq })
}

/// Has the numbers of today's files go on from one that no lost file can have had.
fn numbers_from(state: &Path) -> Result<u32, RestoreError> {
    let noted = Directory::create(state).and_then(|state| note_restored(&state, Clock::system().today()));
    noted.map_err(|error| fault(error.action, state)(error.source))
}

/// Holds the state directory, which must be empty.
fn take_place(state: &Path) -> Result<DirectoryLock, RestoreError> {
    refuse_root_in(state).map_err(fault("use", state))?;
    Directory::create(state).map_err(|error| fault("make directory", state)(error.source))?;
    let lock = DirectoryLock::acquire(state).map_err(|source| match source.kind() {
        ErrorKind::WouldBlock => RestoreError::InUse(state.to_owned()),
        _ => fault("lock", state)(source),
    })?;
    let _ = fs::remove_dir_all(state.join(BESIDE));
    let mut names =
        fs::read_dir(state).map_err(fault("list", state))?.filter_map(|entry| Some(entry.ok()?.file_name()));
    if names.any(|name| name != ".lock") { Err(RestoreError::NotEmpty(state.to_owned())) } else { Ok(lock) }
}

/// Opens a backup and gives each of its files, but the first, to `each`. It is read to its end, which proves it whole.
fn unpack(
    from: &Path,
    identity: &Keyring,
    mut each: impl FnMut(&Path, &mut dyn Read) -> Result<(), RestoreError>,
) -> Result<Head, RestoreError> {
    let file = File::open(from).map_err(fault("open", from))?;
    let opened = identity.open(file).map_err(RestoreError::Sealed)?;
    let unreadable = |error: io::Error| match SealError::from_reading(error) {
        SealError::Io(source) => fault("read", from)(source),
        fault => RestoreError::Sealed(fault),
    };
    let mut archive = tar::Archive::new(opened);
    let mut head: Option<Head> = None;
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry.path().map_err(unreadable)?.into_owned();
        let Some(_) = &head else {
            head = Some(read_head(&name, &mut entry)?);
            continue;
        };
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(RestoreError::NoBackup("it holds something else than files"));
        }
        if !name.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(RestoreError::NoBackup("a name in it leads out of it"));
        }
        each(&name, &mut entry)?;
    }
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unreadable)?;
    head.ok_or(RestoreError::NoBackup("it is empty"))
}

fn read_head(name: &Path, content: &mut impl Read) -> Result<Head, RestoreError> {
    if name != Path::new(HEAD) {
        return Err(RestoreError::NoBackup("it does not begin as one"));
    }
    let head: Head = serde_json::from_reader(content.take(LONGEST_HEAD_BYTES))
        .map_err(|_| RestoreError::NoBackup("its beginning cannot be read"))?;
    for (found, known) in [(head.form, FORM), (head.state_form, form::CURRENT)] {
        if found > known {
            return Err(RestoreError::Newer { found, known });
        }
    }
    Ok(head)
}

/// Writes a file that is not there yet; its name has normal parts only.
fn write_below(directory: &Path, name: &Path, content: &mut dyn Read) -> Result<(), RestoreError> {
    let path = directory.join(name);
    if let Some(parent) = path.parent() {
        Directory::create(parent).map_err(|error| fault("make directory", parent)(error.source))?;
    }
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o600);
    let mut file = options.open(&path).map_err(fault("make", &path))?;
    io::copy(content, &mut file).and_then(|_| file.sync_all()).map_err(|error| match SealError::from_reading(error) {
        SealError::Io(source) => fault("write", &path)(source),
        fault => RestoreError::Sealed(fault),
    })
}

/// Verifies the log, and compares it with its high-water mark. Gives how far that had come.
///
/// The mark may be by a key that took the place of the one of the backup. A log that is gone on with has its keys in the
/// configuration; of one that ends here the mark only tells what is lost, and its key may be nowhere any more.
fn judge(
    settings: &Settings,
    signing_keys: &SigningKeys,
    log: &Path,
    head: &Head,
    without_mark: bool,
) -> Result<Option<u64>, RestoreError> {
    let key = transfer_log::own_key(log).map_err(RestoreError::Log)?;
    if key.name() != head.origin {
        return Err(RestoreError::NoBackup("its log is not the one that it says"));
    }
    let goes_on = settings.log.origin == head.origin;
    let known = std::iter::once(&key).chain(signing_keys.verifiers()).filter(|_| goes_on).collect::<Vec<_>>();
    let (mark, path) =
        transfer_log::high_water(&settings.high_water_dir, key.name(), &known).map_err(RestoreError::Log)?;
    let verified = match &mark {
        Some(mark) if mark.size <= head.size => transfer_log::verify_since(log, &key, mark),
        _ => transfer_log::verify(log, &key),
    };
    let verified = verified.map_err(|mut faults| {
        let first = faults.swap_remove(0);
        if matches!(first, VerifyFault::Rewritten { .. }) {
            RestoreError::Forked(path.clone())
        } else {
            RestoreError::Damaged(first)
        }
    })?;
    let size = verified.checkpoint.size;
    let is_ours = !goes_on || signing_keys.verifiers().any(|ours| *ours == key);
    match mark {
        Some(mark) if mark.size > size && goes_on => {
            Err(RestoreError::Older { origin: head.origin.clone(), size, high_water: mark.size })
        }
        _ if !is_ours => Err(RestoreError::OtherKey { origin: head.origin.clone(), signer: key.id() }),
        Some(mark) => Ok(Some(mark.size)),
        None if without_mark => mark_as_newest(settings, &key, &verified.checkpoint).map(|()| None),
        None => Err(RestoreError::NoMark(path)),
    }
}

fn mark_as_newest(settings: &Settings, key: &VerifierKey, checkpoint: &Checkpoint) -> Result<(), RestoreError> {
    transfer_log::raise_high_water(&settings.high_water_dir, key, checkpoint).map_err(RestoreError::Log)
}

/// Takes away the files in outboxes that the log does not speak of: they came while the backup was made. Where a log of
/// earlier years is missing, files may be of that one, and all stay: none.
fn take_away_unknown(state: &Path) -> Result<Option<usize>, RestoreError> {
    let log = state.join("log");
    let mut logs = match transfer_log::all_earlier(&state.join("log-archive"), &log) {
        Err(fault @ LogError::EarlierMissing { .. }) => {
            let fault: &dyn std::error::Error = &fault;
            tracing::warn!(error = fault, "files that no log here speaks of stay in their outboxes");
            return Ok(None);
        }
        logs => logs.map_err(RestoreError::Log)?,
    };
    logs.push(log);
    let outboxes = |tenant: &str| ["outbox", "test-outbox"].map(|name| state.join("boxes").join(tenant).join(name));
    let mut unknown: BTreeSet<(String, String)> = BTreeSet::new();
    for tenant in dropbox::owners(state).map_err(RestoreError::DropBoxes)? {
        for directory in outboxes(tenant.as_str()) {
            let names = fs::read_dir(&directory).into_iter().flatten();
            for name in names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
                unknown.insert((tenant.to_string(), dropbox::delivery_of(&name)));
            }
        }
    }
    let mut spoken_of = Vec::new();
    for log in logs {
        for entry in transfer_log::entries(&log).map_err(RestoreError::Log)? {
            let entry = entry.map_err(RestoreError::Log)?;
            let Some(tenant) = entry.context.tenant.map(|tenant| tenant.to_string()) else { continue };
            match entry.event {
                Event::DeliveryCreated(DeliveryCreated { file, .. }) => {
                    let made = (tenant, file);
                    unknown.remove(&made);
                    spoken_of.push(made);
                }
                // The files of a tenant that ended lie in another's drop-box.
                Event::TenantMerged(merged) => {
                    for (of, file) in spoken_of.iter_mut().filter(|(of, _)| *of == merged.former.as_str()) {
                        of.clone_from(&tenant);
                        unknown.remove(&(tenant.clone(), file.clone()));
                    }
                }
                _ => {}
            }
        }
    }
    for (tenant, file) in &unknown {
        for path in outboxes(tenant).map(|directory| directory.join(file)) {
            for path in [path.with_file_name(dropbox::manifest_name(file)), path] {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(fault("remove", &path)(error)),
                    _ => {}
                }
            }
        }
    }
    Ok(Some(unknown.len()))
}

/// Brings a directory, and those below it, to disk: what is in them stays where it is after a power cut.
fn sync_below(directory: &Path) -> Result<(), RestoreError> {
    for entry in fs::read_dir(directory).map_err(fault("list", directory))? {
        let entry = entry.map_err(fault("list", directory))?;
        if entry.file_type().map_err(fault("look at", &entry.path()))?.is_dir() {
            sync_below(&entry.path())?;
        }
    }
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(fault("sync", directory))
}

/// Moves what was unpacked to where it belongs; the log last.
fn put_in_place(beside: &Path, state: &Path) -> Result<(), RestoreError> {
    sync_below(beside)?;
    let names = fs::read_dir(beside).map_err(fault("list", beside))?;
    let mut names: Vec<_> = names.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort_by_key(|name| name == "log");
    for name in names {
        let path = beside.join(&name);
        fs::rename(&path, state.join(&name)).map_err(fault("move", &path))?;
    }
    fs::remove_dir(beside).map_err(fault("remove", beside))?;
    File::open(state).and_then(|directory| directory.sync_all()).map_err(fault("sync", state))?;
    Ok(())
}

fn fault(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |source| RestoreError::File { action, path, source }
}
