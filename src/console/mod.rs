//! The console: pages for those who run the exchange and those who audit it, to look at and never to change anything.
//!
//! It is a process of its own beside the daemon. It reads the configuration (never a secret), the ledger and the
//! transfer log, and nothing else: neither the register nor the content of a file can reach a page, and what identifies
//! an official lies sealed where this process has no key. It listens on loopback or on a socket in the file system
//! only; who may go there is for the machine, or for a proxy in front, to decide.
//!
//! Every page works without scripts, in Dutch and in English, in light and dark, by keyboard and aloud.

mod chart;
mod guard;
mod language;
mod log;
mod overview;
mod page;
mod refusals;
mod search;
mod site;
mod tables;
mod tail;
mod tenant;
mod tenants;
mod traffic;
mod verification;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::net::{TcpListener, UnixListener};

use crate::{
    config::Fault,
    durable::Clock,
    http::{self, HttpLimits, Listener},
    ledger::LedgerError,
    transfer_log::{LogError, VerifierKey},
};
use site::Site;

/// A handful of people with a browser that opens six connections each. A page takes at most seconds; verifying does not
/// hold a connection.
const LIMITS: HttpLimits = HttpLimits { connections: 64, life: Duration::from_mins(5) };

/// Where the console is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address of this machine only.
    Loopback(SocketAddr),
    /// A socket in the file system, for its owner and group.
    Socket(PathBuf),
}

/// What a console works with.
#[derive(Debug, Clone)]
pub struct ConsoleOptions {
    /// The main configuration file.
    pub config: PathBuf,
    /// The log's public keys, as the auditor has them; none: those that lie beside the log.
    pub keys: Vec<VerifierKey>,
    /// What time it is.
    pub clock: Clock,
}

/// Why there is no console, or not the page that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The configuration is at fault.
    #[error("the configuration has {} fault(s)", .0.len())]
    Configuration(Vec<Fault>),
    /// An address that others can reach.
    #[error("{0} is not a loopback address: the console has no logins, so it listens on 127.0.0.1, [::1] or a socket")]
    NotLoopback(SocketAddr),
    /// The address or socket cannot be taken.
    #[error("cannot listen on {place}")]
    Listen {
        /// Which.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something else than a socket lies there.
    #[error("{0} is there already, and is no socket")]
    NotASocket(PathBuf),
    /// The ledger.
    #[error("the ledger cannot be read")]
    Ledger(#[source] LedgerError),
    /// The log.
    #[error("the transfer log cannot be read")]
    Log(#[source] LogError),
}

/// A console that has its address.
pub struct Console {
    listener: Listener,
    site: Arc<Site>,
    place: String,
}

impl Console {
    /// Reads the configuration and takes the address. Call it within a runtime.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn open(options: ConsoleOptions, place: Place) -> Result<Self, ConsoleError> {
        let local = matches!(place, Place::Loopback(_));
        let site = Arc::new(Site::open(options, local)?);
        let (listener, place) = match place {
            Place::Loopback(address) => listen(address).await?,
            Place::Socket(path) => listen_on_socket(path)?,
        };
        Ok(Self { listener, site, place })
    }

    /// Where it is reached: an address for a browser, or the socket's path.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        http::serve(self.listener, page::router(self.site), LIMITS).await;
    }
}

async fn listen(address: SocketAddr) -> Result<(Listener, String), ConsoleError> {
    if !address.ip().is_loopback() {
        return Err(ConsoleError::NotLoopback(address));
    }
    let fault = |source| ConsoleError::Listen { place: address.to_string(), source };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let taken = listener.local_addr().map_err(fault)?;
    Ok((Listener::Tcp(listener), format!("http://{taken}/")))
}

/// Takes the place of a socket that a console left; nothing else is removed.
fn listen_on_socket(path: PathBuf) -> Result<(Listener, String), ConsoleError> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let place = path.display().to_string();
    let fault = |source| ConsoleError::Listen { place: place.clone(), source };
    match std::fs::symlink_metadata(&path) {
        Ok(file) if !file.file_type().is_socket() => return Err(ConsoleError::NotASocket(path)),
        Ok(_) if std::os::unix::net::UnixStream::connect(&path).is_ok() => {
            return Err(fault(io::Error::from(io::ErrorKind::AddrInUse)));
        }
        Ok(_) => std::fs::remove_file(&path).map_err(fault)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fault(error)),
    }
    let listener = UnixListener::bind(&path).map_err(fault)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660)).map_err(fault)?;
    Ok((Listener::Unix(listener), place))
}
