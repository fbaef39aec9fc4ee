//! What is opened before anything else: the secrets, the state directory's lock, the transfer log with its index.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::process::geteuid;

use super::{DaemonError, form, register_loader::read_keyring};
use crate::{
    config::{self, Fault, SecretFile, Settings},
    durable::{Clock, Directory, DirectoryLock, refuse_root_in},
    exchange::FingerprintKey,
    ledger::{Ledger, SqliteLedger},
    metrics::{CountingIndex, Counts},
    seal::Keyring,
    sftp::HostKey,
    transfer_log::{self, Checkpoint, DisclosureKeeper, LogSettings, NoteFault, NoteKey, SigningKeys, TransferLog},
};

/// How often the log is published when something is new (TRANSFER-LOG.md, "Writing").
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// Whoever may write in the state directory can take away what is in it, and put something else in its place.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// Secrets, read once.
pub(super) struct Secrets {
    pub exchange: Keyring,
    pub host_keys: Vec<HostKey>,
    pub log: SigningKeys,
}

impl Secrets {
    pub fn read(settings: &Settings) -> Result<Self, DaemonError> {
        let faults = config::check_secrets(settings);
        if !faults.is_empty() {
            return Err(DaemonError::Configuration(faults));
        }
        let host_keys: Result<Vec<HostKey>, DaemonError> = settings.host_keys.iter().map(read_host_key).collect();
        Ok(Self {
            exchange: read_keyring(&settings.exchange_identity)?,
            host_keys: host_keys?,
            log: read_log_keys(settings)?,
        })
    }
}

/// The secrets that the transfer log is opened with, for who does nothing else: those of disclosures, and of signing.
pub(super) fn log_secrets(settings: &Settings) -> Result<(Keyring, SigningKeys), DaemonError> {
    Ok((read_keyring(&settings.exchange_identity)?, read_log_keys(settings)?))
}

fn read_host_key(secret: &SecretFile) -> Result<HostKey, DaemonError> {
    let bytes = secret.read().map_err(DaemonError::Secret)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    HostKey::parse(text).map_err(|source| DaemonError::HostKey { secret: secret.to_string(), source })
}

/// The fingerprints of the host keys that clients are shown, as far as this process may read them.
pub fn host_fingerprints(settings: &Settings) -> Vec<String> {
    settings.host_keys.iter().filter_map(|secret| Some(read_host_key(secret).ok()?.fingerprint())).collect()
}

/// What is wrong with the keys of the transfer log, for a log of the name that the settings have.
pub fn check_log_keys(settings: &Settings) -> Vec<Fault> {
    let origin = &settings.log.origin;
    let fault = |secret: &SecretFile| {
        let Err(DaemonError::LogKey { source, .. }) = read_log_key(secret, origin) else { return None };
        let bytes = secret.read().ok()?;
        let named = NoteKey::parse(std::str::from_utf8(&bytes).unwrap_or_default().trim()).ok();
        let problem = match &named {
            Some(key) => format!("a key of the log {}, and `origin` is {origin}", key.name()),
            None => format!("not a key of a log: {source}"),
        };
        Some(secret.fault(problem, format!("make one: groeikluis keys new log --origin {origin} --out FILE")))
    };
    std::iter::once(&settings.log.key).chain(&settings.log.co_sign).filter_map(fault).collect()
}

fn read_log_keys(settings: &Settings) -> Result<SigningKeys, DaemonError> {
    let origin = &settings.log.origin;
    let first = read_log_key(&settings.log.key, origin)?;
    let others: Result<_, _> = settings.log.co_sign.iter().map(|secret| read_log_key(secret, origin)).collect();
    Ok(SigningKeys { first, others: others? })
}

fn read_log_key(secret: &SecretFile, origin: &str) -> Result<NoteKey, DaemonError> {
    let bytes = secret.read().map_err(DaemonError::Secret)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let fault = |source| DaemonError::LogKey { secret: secret.to_string(), origin: origin.to_owned(), source };
    let key = NoteKey::parse(text).map_err(fault)?;
    if key.name() == origin { Ok(key) } else { Err(fault(NoteFault::Origin)) }
}

/// Where transfer logs of earlier years are put by, in the state directory.
pub(super) const LOG_ARCHIVE: &str = "log-archive";

/// The same, as a path.
pub(crate) fn archive_dir(settings: &Settings) -> PathBuf {
    settings.state_dir.join(LOG_ARCHIVE)
}

/// The directory of the transfer log.
pub(crate) fn log_dir(settings: &Settings) -> PathBuf {
    settings.state_dir.join("log")
}

/// Where the disclosures of the transfer log are kept.
pub(crate) fn disclosures(settings: &Settings, exchange: Keyring) -> DisclosureKeeper {
    DisclosureKeeper::new(settings.state_dir.join("disclosures"), exchange)
}

/// Sees, before anything is written, that the state directory is that of the log which the configuration names, and that
/// the exchange's identity opens what is kept there.
pub(super) fn check_state(settings: &Settings, exchange: &Keyring) -> Result<(), DaemonError> {
    check_not_lost(settings)?;
    FingerprintKey::check(&settings.state_dir, exchange).map_err(DaemonError::Fingerprints)
}

/// Sees that there is a transfer log, where its high-water mark tells of one.
///
/// # Errors
/// [`DaemonError::LostState`], or a fault of reading.
pub fn check_not_lost(settings: &Settings) -> Result<(), DaemonError> {
    if log_dir(settings).exists() {
        return Ok(());
    }
    let origin = &settings.log.origin;
    let (mark, _) = transfer_log::high_water(&settings.high_water_dir, origin, &[]).map_err(DaemonError::Log)?;
    let lost = |mark: Checkpoint| DaemonError::LostState {
        path: settings.state_dir.clone(),
        origin: origin.clone(),
        size: mark.size,
    };
    mark.filter(|mark| mark.size > 0).map_or(Ok(()), |mark| Err(lost(mark)))
}

/// Opens the transfer log and its index, with what counts beside it; the state directory must be locked. For
/// `goes_on_from_older` see [`LogSettings`].
pub(super) fn open_log(
    settings: &Settings,
    keeper: DisclosureKeeper,
    keys: SigningKeys,
    clock: Clock,
    counts: &Arc<Counts>,
    goes_on_from_older: bool,
) -> Result<(TransferLog, Arc<dyn Ledger>), DaemonError> {
    let ledger = settings.state_dir.join("ledger.sqlite");
    let (ledger, index) = SqliteLedger::open(&ledger).map_err(DaemonError::Ledger)?;
    let log_settings = LogSettings {
        dir: log_dir(settings),
        high_water_dir: settings.high_water_dir.clone(),
        origin: settings.log.origin.clone(),
        archive_dir: archive_dir(settings),
        keys,
        checkpoint_every: CHECKPOINT_EVERY,
        goes_on_from_older,
    };
    let index = Box::new(CountingIndex::new(index, Arc::clone(counts)));
    let log = TransferLog::open_keeping(log_settings, clock, index, keeper).map_err(DaemonError::Log)?;
    let waiting = ledger.waiting().map_err(DaemonError::Ledger)?;
    counts.begin(waiting.iter().map(|row| (row.id.as_str(), row.received_at)));
    Ok((log, Arc::new(ledger)))
}

/// What the system refused, with whose the directory is where that is another's.
fn with_owner(directory: &Path, fault: io::Error) -> io::Error {
    let refused = fault.raw_os_error().is_some() && fault.kind() == io::ErrorKind::PermissionDenied;
    let (owner, user) = (directory.metadata().map(|found| found.uid()), geteuid().as_raw());
    match owner {
        Ok(owner) if refused && owner != user => io::Error::new(
            fault.kind(),
            format!("{fault}; it belongs to user {owner}, and this is user {user}: run it as that user, or `chown` it"),
        ),
        _ => fault,
    }
}

/// Holds the state directory, in which nobody else may write, and which this program knows how to work with.
pub(super) fn lock(state_dir: &Path) -> Result<DirectoryLock, DaemonError> {
    let lock = refuse_root_in(state_dir).and_then(|()| DirectoryLock::acquire(state_dir)).map_err(|source| {
        if source.kind() == std::io::ErrorKind::WouldBlock {
            DaemonError::InUse(state_dir.to_owned())
        } else {
            DaemonError::Lock { path: state_dir.to_owned(), source: with_owner(state_dir, source) }
        }
    })?;
    let found = state_dir.metadata().map_err(|source| DaemonError::Lock { path: state_dir.to_owned(), source })?;
    if found.mode() & WRITTEN_BY_OTHERS != 0 {
        return Err(DaemonError::OpenToOthers { path: state_dir.to_owned(), mode: found.mode() & 0o7777 });
    }
    form::check(&Directory::create(state_dir).map_err(DaemonError::State)?)?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_directory_is_that_may_not_be_used_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let denied = || io::Error::from(rustix::io::Errno::ACCESS);
        let own = with_owner(directory.path(), denied()).to_string();
        assert!(!own.contains("belongs to"), "{own}");
        if geteuid().is_root() {
            std::os::unix::fs::chown(directory.path(), Some(997), None).unwrap();
            let told = with_owner(directory.path(), denied()).to_string();
            assert!(told.contains("it belongs to user 997, and this is user 0"), "{told}");
            let full = with_owner(directory.path(), io::Error::from(rustix::io::Errno::NOSPC)).to_string();
            assert!(!full.contains("belongs to"), "{full}");
        }
    }
}
