//! Loading the register when the daemon starts and whenever its file is replaced.

use std::{
    fs::File,
    io::{self, Read},
    sync::Arc,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::{
    DaemonError,
    live::Live,
    register_change::{UsedRegister, is_register_change_accepted},
};
use crate::{
    config::{Environment, RegisterSettings, SecretFile, Settings},
    exchange::{Exchange, Registers},
    register::{Extent, Register, RegisterFault, UnlikelyChange},
    seal::{Keyring, SealError},
    transfer_log::{Context, Event, LogError, Record, RegisterLoaded, RegisterRefused, TransferLog},
};

/// Why an extract was not taken; the register in use stays, if there is one.
#[derive(Debug, thiserror::Error)]
pub enum RegisterLoadError {
    /// The file or its key.
    #[error("the register's key cannot be used")]
    Key(#[source] Box<DaemonError>),
    /// The file.
    #[error("cannot read the register {path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not open.
    #[error("the register does not open")]
    Sealed(#[source] SealError),
    /// It is at fault.
    #[error("the register is at fault")]
    Fault {
        /// Where and what.
        #[source]
        source: RegisterFault,
        /// SHA-256 of the part that was read.
        source_sha256: String,
    },
    /// It is good in itself, and hardly what follows the one in use.
    #[error("the register is not taken unasked; `groeikluis register load --accept-change FILE` does if it is meant")]
    Unlikely {
        /// What is unlikely of it.
        #[source]
        source: UnlikelyChange,
        /// SHA-256 of the file.
        source_sha256: String,
    },
}

/// A register with the digest of the file that it came from.
pub(super) struct Loaded {
    pub register: Register,
    pub source_sha256: String,
}

/// Reads an age identity file.
pub(crate) fn read_keyring(secret: &SecretFile) -> Result<Keyring, DaemonError> {
    let bytes = secret.read().map_err(DaemonError::Secret)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    Keyring::parse(text).map_err(|source| DaemonError::Identity { secret: secret.to_string(), source })
}

/// Loads the extract that the settings name.
pub(super) fn load(settings: &RegisterSettings, registers: &Registers) -> Result<Loaded, RegisterLoadError> {
    let keyring = read_keyring(&settings.identity).map_err(|error| RegisterLoadError::Key(Box::new(error)))?;
    let fault = |source| RegisterLoadError::File { path: settings.path.display().to_string(), source };
    let file = File::open(&settings.path).map_err(fault)?;
    let mut digesting = Digesting { inner: file, digest: Sha256::new() };
    let read = {
        let opened = keyring.open(&mut digesting).map_err(RegisterLoadError::Sealed)?;
        Register::read(opened, registers.catalogue(), registers.municipalities())
    };
    if read.is_ok() {
        io::copy(&mut digesting, &mut io::sink()).map_err(fault)?;
    }
    let source_sha256 = hex::encode(digesting.digest.finalize());
    match read {
        Ok(register) => Ok(Loaded { register, source_sha256 }),
        Err(source) => Err(RegisterLoadError::Fault { source, source_sha256 }),
    }
}

/// How long the log is left alone that could not take a register.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Loads the register, puts it in use and into the account. A fault of it leaves the one in use; while the log cannot be
/// written, it is read and tried again.
pub(super) fn reload(live: &Live, registers: &Registers, log: &TransferLog, exchange: &Exchange) {
    while let Err(error) = try_reload(live, registers, log, exchange) {
        let told: &dyn std::error::Error = &error;
        tracing::error!(error = told, "the register is not used yet, since the transfer log does not take it");
        if matches!(error, LogError::Closed) || error.is_fatal() {
            return;
        }
        std::thread::sleep(RETRY_AFTER);
    }
}

fn try_reload(live: &Live, registers: &Registers, log: &TransferLog, exchange: &Exchange) -> Result<(), LogError> {
    // A file that is replaced while the first is loaded is loaded after it.
    let loading = registers.loading();
    let settings = live.settings();
    let began = Instant::now();
    let is_any_used = registers.live().is_some();
    let last = UsedRegister::last(&settings.state_dir);
    let loaded = load(&settings.register, registers).and_then(|loaded| follows(loaded, last, &settings));
    match loaded {
        Ok((Loaded { register, source_sha256 }, extent)) => {
            let month = register.month().to_string();
            let (rows, children) = (register.rows(), register.children());
            let used = UsedRegister { extent, sha256: source_sha256.clone() };
            let event = RegisterLoaded { month: month.clone(), rows: rows as u64, source_sha256 };
            log.append(vec![Record::success(Event::RegisterLoaded(event), Context::daemon())])?;
            let bytes = register.heap_bytes();
            loading.replace(Arc::new(register));
            if let Err(error) = used.keep(&settings.state_dir) {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the next start compares the register with an earlier one");
            }
            live.counts().register_took(began.elapsed());
            let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(month, rows, children, bytes, milliseconds, "register loaded");
            exchange.retry_now();
        }
        Err(error) => {
            refuse(log, &error);
            let path = settings.register.path.display();
            let hint = match (&error, settings.environment) {
                (RegisterLoadError::File { source, .. }, Environment::Demo)
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    "; `groeikluis register synth` makes one"
                }
                _ => "",
            };
            let error: &dyn std::error::Error = &error;
            if is_any_used {
                tracing::error!(error, %path, "register refused, the one in use stays{hint}");
            } else {
                tracing::error!(error, %path, "register refused and none is in use: lists wait{hint}");
            }
        }
    }
    Ok(())
}

/// Asks of an extract that it is the one in use, or last was, or follows it, or that somebody said that it is meant.
fn follows(
    loaded: Loaded,
    last: Option<UsedRegister>,
    settings: &Settings,
) -> Result<(Loaded, Extent), RegisterLoadError> {
    let extent = Extent::of(&loaded.register);
    let others = last.filter(|last| last.sha256 != loaded.source_sha256);
    let others = others.map(|last| last.extent.as_of_today(&settings.municipalities, &settings.sources));
    let Some(Err(source)) = others.map(|last| extent.follows(&last)) else { return Ok((loaded, extent)) };
    if is_register_change_accepted(&settings.register.path, &loaded.source_sha256) {
        return Ok((loaded, extent));
    }
    Err(RegisterLoadError::Unlikely { source, source_sha256: loaded.source_sha256 })
}

fn refuse(log: &TransferLog, error: &RegisterLoadError) {
    let (line, column, source_sha256) = match error {
        RegisterLoadError::Fault { source, source_sha256 } => {
            let (line, column) = source.place();
            (line, column, source_sha256.clone())
        }
        RegisterLoadError::Unlikely { source_sha256, .. } => (None, None, source_sha256.clone()),
        RegisterLoadError::Key(_) | RegisterLoadError::File { .. } | RegisterLoadError::Sealed(_) => {
            (None, None, String::new())
        }
    };
    let reason = match error {
        RegisterLoadError::Key(_) => "key",
        RegisterLoadError::File { .. } => "file",
        RegisterLoadError::Sealed(_) => "sealed",
        RegisterLoadError::Fault { .. } => "content",
        RegisterLoadError::Unlikely { source: UnlikelyChange::EarlierMonth { .. }, .. } => "earlier-month",
        RegisterLoadError::Unlikely { source: UnlikelyChange::FewerChildren { .. }, .. } => "fewer-children",
        RegisterLoadError::Unlikely { source: UnlikelyChange::LessOfPart { .. }, .. } => "less-of-part",
    };
    let event = Event::RegisterRefused(RegisterRefused { line, column, source_sha256 });
    if let Err(error) = log.append(vec![Record::failure(event, reason, Context::daemon())]) {
        tracing::error!(error = &error as &dyn std::error::Error, "the refusal is not in the transfer log");
    }
}

struct Digesting<R> {
    inner: R,
    digest: Sha256,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.digest.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
