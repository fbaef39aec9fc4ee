//! Opening everything in order, and closing it; in one file, since what is opened is what is closed.

use std::{
    collections::BTreeSet,
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use tokio::net::TcpListener;

use super::{
    DaemonError, control, in_force,
    keeper::{self, Keeper},
    kept::KeptFiles,
    last_configuration, listeners,
    live::{Facts, Live},
    login_records::LoginNotes,
    mail::Mail,
    opening::{Secrets, check_state, disclosures, lock, open_log},
    register_loader,
    reload::Reloader,
    retention::Retention,
    spool,
    watch::DirectoryWatch,
    watching::{self, Watched},
    witness::LoginAccount,
    workers::Common,
};
use crate::{
    config::{self, Settings},
    domain::assignment::LetterTerms,
    dropbox::MemoryBudget,
    durable::{self, Clock, Directory, DirectoryLock},
    exchange::{Exchange, Registers},
    ledger::Ledger,
    metrics::Counts,
    seal::Keyring,
    sftp::{HostKey, LONGEST_KEPT, Server, ServerEnd, ServerSettings, Sessions, SftpLimits},
    transfer_log::{DisclosureKeeper, TransferLog, VerifierKey},
};

/// How a daemon is started.
#[derive(Debug, Clone)]
pub struct DaemonOptions {
    /// The main configuration file.
    pub config: PathBuf,
    /// What time it is.
    pub clock: Clock,
}

/// Everything of a running daemon.
pub struct Daemon {
    config: PathBuf,
    live: Arc<Live>,
    clock: Clock,
    state: Directory,
    log: TransferLog,
    ledger: Arc<dyn Ledger>,
    exchange: Exchange,
    registers: Arc<Registers>,
    server: Server,
    sessions: Sessions,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    host_keys: Vec<String>,
    keeper: Keeper,
    watched: Arc<Watched>,
    metrics: Option<TcpListener>,
    retention: Retention,
    mail: Mail,
    /// Ends with the log.
    receipts: std::thread::JoinHandle<()>,
    _lock: DirectoryLock,
}

/// Where the last logins and the penalties are kept.
pub(super) const LOGINS_DIR: &str = "logins";

/// Where the addresses that were taken are written, for who started the daemon on port 0.
const LISTEN_FILE: &str = "listen";

/// Operators' commands get this long at least, whatever transfers get: it takes a moment to see that there are none.
const LEAST_DRAIN: Duration = Duration::from_secs(1);

/// How often the daemon looks whether its log still works.
const HEALTH_EVERY: Duration = Duration::from_millis(500);

impl Daemon {
    /// Opens everything and listens; connections are taken once [`Daemon::run`] runs. Call it within a runtime.
    ///
    /// # Errors
    /// [`DaemonError`]; nothing was changed when the configuration or a secret is at fault.
    pub fn start(options: DaemonOptions) -> Result<Self, DaemonError> {
        let DaemonOptions { config, clock } = options;
        let settings = Arc::new(config::load(&config).map_err(DaemonError::Configuration)?);
        let secrets = Secrets::read(&settings)?;
        durable::forbid_core_dumps().map_err(DaemonError::CoreDumps)?;
        if let Err(error) = durable::allow_many_files() {
            tracing::warn!(%error, "the number of open files cannot be raised");
        }
        check_state(&settings, &secrets.exchange)?;
        let state = Directory::create(&settings.state_dir).map_err(DaemonError::State)?;
        let lock = lock(&settings.state_dir)?;
        let (verifier, log_keys) = (secrets.log.first.verifier().clone(), secrets.log.to_vkeys());
        let Secrets { exchange, host_keys, log: signing_keys } = secrets;
        let keeper = disclosures(&settings, exchange.clone());
        let counts = Arc::new(Counts::default());
        let (log, ledger) = open_log(&settings, keeper.clone(), signing_keys, clock.clone(), &counts, false)?;
        let opened = Opened {
            config,
            settings,
            clock,
            state,
            lock,
            log: log.clone(),
            ledger,
            keeper,
            counts,
            exchange,
            host_keys,
            verifier,
            log_keys,
        };
        opened.start().inspect_err(|_| {
            // In order, as after any run: a log of another name can then take its place.
            close(log);
        })
    }

    /// The addresses that were taken.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The public lines of the host keys, as in `known_hosts` after the host's name.
    pub fn host_keys(&self) -> &[String] {
        &self.host_keys
    }

    /// The log's index, for who runs in the same process.
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        self.ledger.clone()
    }

    /// Serves until `shutdown` resolves, then drains and closes everything. `ready` is called when connections are
    /// taken; `reload` may ask for the configuration to be read again.
    ///
    /// # Errors
    /// [`DaemonError::LogFailed`] when the log failed while running, or could not be closed.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send,
        mut reload_requests: tokio::sync::mpsc::Receiver<()>,
        ready: impl FnOnce(),
    ) -> Result<(), DaemonError> {
        let Self {
            config,
            live,
            clock,
            state,
            log,
            exchange,
            registers,
            server,
            sessions,
            listeners,
            keeper,
            watched,
            metrics,
            retention,
            mail,
            receipts,
            _lock,
            ..
        } = self;
        let _register_watch = watch_register(&live, &registers, &log, &exchange);
        let spool_clock = clock.clone();
        let reloader = {
            let (config, live, log, state) = (config.clone(), live.clone(), log.clone(), state.clone());
            let (exchange, at_start, refused) = (exchange.clone(), live.settings(), Mutex::default());
            Arc::new(Reloader { config, live, log, state, exchange, sessions, clock, at_start, refused })
        };
        let _config_watch = watch_config(&config, &live, &reloader);
        // What changed since it was read, before anybody watched.
        let since_start = reloader.clone();
        let since_start = tokio::task::spawn_blocking(move || since_start.reload_if_changed());
        let on_request = tokio::spawn(async move {
            while reload_requests.recv().await.is_some() {
                let reloader = reloader.clone();
                if tokio::task::spawn_blocking(move || reloader.reload()).await.is_err() {
                    tracing::error!("reading the configuration panicked");
                }
            }
        });
        let (ends, mut ending) = tokio::sync::watch::channel(false);
        let state_dir = state.path().to_owned();
        let control = control::serve(state_dir, log.clone(), exchange.clone(), retention.clone(), ending.clone());
        let mut control = tokio::spawn(control);
        let nightly = retention.every_night().map_err(DaemonError::Retention)?;
        let spool = spool::start(&live.settings(), spool_clock, exchange.clone()).map_err(DaemonError::Spool)?;
        // Once nothing of the start can fail any more: a list that was worked on then would count as what it died of.
        exchange.begin();
        let (failed, failing) = tokio::sync::watch::channel(false);
        let health = tokio::spawn(watch_health(log.clone(), failed));
        let watching = metrics.map(|listener| tokio::spawn(watching::serve(listener, watched.clone())));
        // Nobody is let in by what was in force before.
        if since_start.await.is_err() {
            tracing::error!("reading the configuration panicked");
        }
        ready();
        let (mut failing_too, closes) = (failing.clone(), exchange.clone());
        let ended = async {
            tokio::select! {
                () = shutdown => {}
                _ = failing_too.wait_for(|failed| *failed) => {}
            }
            watched.drains();
            ends.send_replace(true);
            // In a thread of its own, not waited for: the disk may be what keeps the daemon from stopping.
            tokio::task::spawn_blocking(move || closes.closing());
        };
        // Operators' orders get the same time as transfers.
        let orders = async {
            let _ = ending.wait_for(|ending| *ending).await;
            tokio::time::timeout(live.settings().limits.drain.max(LEAST_DRAIN), &mut control).await.is_ok()
        };
        let (ServerEnd { connections_cut }, orders_done) = tokio::join!(server.serve(listeners, ended), orders);
        if connections_cut > 0 {
            tracing::warn!(connections_cut, "connections were cut when the drain time was over");
        }
        on_request.abort();
        health.abort();
        if let Some(watching) = watching {
            watching.abort();
        }
        let log_failed = *failing.borrow();
        let closed = tokio::task::spawn_blocking(move || {
            drop(keeper);
            exchange.stop();
            drop((nightly, spool));
            mail.stop(log_failed);
            let closed = close(log);
            // What the last checkpoint covers gets its receipts; a panic there was reported where it happened.
            let _ = receipts.join();
            closed
        });
        let closed = closed.await.unwrap_or(false);
        if !orders_done {
            tracing::warn!("orders were not done when the drain time was over");
            // The log takes nothing of them any more, which whoever gave them is told.
            let _ = control.await;
        }
        if log_failed || !closed { Err(DaemonError::LogFailed) } else { Ok(()) }
    }
}

/// What a start goes on from once the transfer log is open.
struct Opened {
    config: PathBuf,
    settings: Arc<Settings>,
    clock: Clock,
    state: Directory,
    lock: DirectoryLock,
    log: TransferLog,
    ledger: Arc<dyn Ledger>,
    keeper: DisclosureKeeper,
    counts: Arc<Counts>,
    exchange: Keyring,
    host_keys: Vec<HostKey>,
    verifier: VerifierKey,
    log_keys: String,
}

impl Opened {
    /// Opens everything else, and listens.
    fn start(self) -> Result<Daemon, DaemonError> {
        let Self { config, settings, clock, state, lock, log, ledger, keeper, counts, .. } = self;
        let Self { exchange: keyring, host_keys, verifier, log_keys, .. } = self;
        in_force::account(&log, &state, &settings).map_err(DaemonError::Log)?;
        last_configuration::keep_at_start(&state, &settings, clock.now());
        let registers = Arc::new(Registers::new(settings.sources.clone(), settings.municipalities.clone()));
        let facts = Facts {
            host_fingerprint: host_keys.first().map(HostKey::fingerprint).unwrap_or_default(),
            next_host_keys: next_host_keys(&host_keys),
            host_keys: host_keys.iter().map(HostKey::public_line).collect(),
            exchange_recipients: keyring.recipients().iter().map(ToString::to_string).collect(),
        };
        let live = Arc::new(Live::new(settings.clone(), clock.clone(), registers.clone(), facts, counts));
        let budget = MemoryBudget::new(settings.limits.upload_memory_bytes);
        let common = Common {
            settings: settings.clone(),
            state: state.clone(),
            clock: clock.clone(),
            log: log.clone(),
            ledger: ledger.clone(),
            live: live.clone(),
            keyring: keyring.clone(),
            disclosures: keeper,
        };
        let boxes = common.boxes(budget.clone(), &log_keys)?;
        let receipts = common.receipts(verifier, &boxes)?;
        let exchange = common.exchange(&boxes, &registers)?;
        let (retention, mail) = (common.retention(&exchange), common.mail()?);
        let public_host_keys = host_keys.iter().map(HostKey::public_line).collect();
        let files = KeptFiles::new(state.subdirectory(LOGINS_DIR).map_err(DaemonError::State)?, keyring);
        if let Err(error) = files.reseal(LONGEST_KEPT) {
            tracing::warn!(error = &error as &dyn std::error::Error, "last logins stay sealed to a replaced key");
        }
        let notes = LoginNotes::new(files.clone());
        let witness = Arc::new(LoginAccount { log: log.clone(), notes: notes.clone(), live: live.clone() });
        let server_settings = server_settings(&settings, host_keys);
        let server =
            Server::new(server_settings, live.clone(), Arc::new(boxes.clone()), witness).map_err(DaemonError::Sftp)?;
        let (listeners, addresses) = listeners::open(&settings.listen)?;
        live.listens(&addresses);
        let taken: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        state.write(LISTEN_FILE, format!("{}\n", taken.join("\n")).as_bytes()).map_err(DaemonError::State)?;
        let sessions = server.sessions();
        keeper::restore_penalties(&files, &sessions);
        let keeper = Keeper::start(files, notes, sessions.clone()).map_err(DaemonError::Keeper)?;
        let watched = Watched {
            live: live.clone(),
            log: log.clone(),
            ledger: ledger.clone(),
            registers: registers.clone(),
            boxes,
            budget,
            sessions: sessions.clone(),
            clock: clock.clone(),
            at_start: settings.clone(),
            draining: AtomicBool::default(),
            measured: Mutex::default(),
        };
        let metrics = watching::listen(&settings, &state)?;
        Ok(Daemon {
            config,
            live,
            clock,
            state,
            log,
            ledger,
            exchange,
            registers,
            server,
            sessions,
            listeners,
            addresses,
            host_keys: public_host_keys,
            keeper,
            watched: Arc::new(watched),
            metrics,
            retention,
            mail,
            receipts,
            _lock: lock,
        })
    }
}

/// Closes the log in order; whether that succeeded.
fn close(log: TransferLog) -> bool {
    let closed = log.close();
    if let Err(error) = &closed {
        tracing::error!(error = error as &dyn std::error::Error, "the transfer log was not closed");
    }
    closed.is_ok()
}

async fn watch_health(log: TransferLog, failed: tokio::sync::watch::Sender<bool>) {
    loop {
        tokio::time::sleep(HEALTH_EVERY).await;
        if log.is_failed() {
            tracing::error!("the transfer log failed");
            failed.send_replace(true);
            return;
        }
    }
}

/// The fingerprints of keys that wait to take the place of one of their kind: clients are shown the first of each.
fn next_host_keys(keys: &[HostKey]) -> Vec<String> {
    let mut kinds = BTreeSet::new();
    let waiting = keys.iter().filter(|key| {
        let line = key.public_line();
        !kinds.insert(line.split(' ').next().unwrap_or_default().to_owned())
    });
    waiting.map(HostKey::fingerprint).collect()
}

fn server_settings(settings: &Settings, host_keys: Vec<HostKey>) -> ServerSettings {
    ServerSettings {
        host_keys,
        banner: settings.banner.clone(),
        limits: SftpLimits::from(&settings.limits),
        penalties: settings.penalties.clone(),
    }
}

/// Loads the register now, in a thread of its own, and whenever its file is replaced.
fn watch_register(
    live: &Arc<Live>,
    registers: &Arc<Registers>,
    log: &TransferLog,
    exchange: &Exchange,
) -> Option<DirectoryWatch> {
    let path = live.settings().register.path.clone();
    let directory = path.parent().map(Path::to_owned).unwrap_or_default();
    let name = path.file_name().map(ToOwned::to_owned);
    let load = {
        let (live, registers, log, exchange) = (live.clone(), registers.clone(), log.clone(), exchange.clone());
        move || register_loader::reload(&live, &registers, &log, &exchange)
    };
    let first = load.clone();
    if let Err(error) = std::thread::Builder::new().name("register".to_owned()).spawn(first) {
        tracing::error!(%error, "could not start loading the register");
    }
    let concerns = move |changed: &Path| changed.file_name() == name.as_deref();
    DirectoryWatch::start(move || vec![directory.clone()], concerns, load)
        .inspect_err(|error| tracing::error!(%error, "a new register will not be noticed"))
        .ok()
}

/// Reads the configuration again whenever a file of it changes, wherever it names its files then.
fn watch_config(config: &Path, live: &Arc<Live>, reloader: &Arc<Reloader>) -> Option<DirectoryWatch> {
    let directory = config.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Events name absolute paths.
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let (live, reloader) = (live.clone(), reloader.clone());
    let directories = move || {
        let settings = live.settings();
        let beside = |file: &Path| file.parent().map(Path::to_owned).unwrap_or_default();
        let files = [beside(&settings.sources_file), beside(&settings.costs_file)];
        let named = [directory.clone(), settings.tenants_dir.clone(), settings.assignments_dir.clone()];
        let letters = settings.assignments.values().filter_map(|assignment| assignment.letters.as_ref());
        let letters = letters.flat_map(LetterTerms::files).map(|file| beside(file)).collect::<BTreeSet<_>>();
        named.into_iter().chain(files).chain(letters).collect()
    };
    // Whatever it is called: files may be links, put in place by a change of another name (as Kubernetes does it), and
    // assignments name texts and logos. What changes nothing is seen as such.
    DirectoryWatch::start(directories, |_: &Path| true, move || reloader.reload_if_changed())
        .inspect_err(|error| tracing::error!(%error, "changes of the configuration will not be noticed"))
        .ok()
}
