//! One connection: from accepting it to the account of its end.
//!
//! Owns the time that a login may take, the time that a connection may be idle, and the right to cut it. Progress is a
//! request that came or a batch of replies that went; keepalives are not.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use russh::server;
use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc, watch},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    FailedNegotiation, RefusalReason,
    ending::Ending,
    handler::Handler,
    handles::FilePlace,
    mute::HESITATION,
    queue::{ConnectionQueue, QueueMemory, Queued},
    refusal::Attempts,
    server::Shared,
    transport::Socket,
};
use crate::dropbox::view::Login;

/// For a client to take the message that it is being disconnected, before its socket is cut.
const FAREWELL: Duration = Duration::from_secs(2);

/// At the server's end, for a client to go on, as with the rename after an upload; and once its sessions are closed, to
/// leave by itself. OpenSSH's loses what it has not passed on when it is disconnected, and tells of a failure.
const LEAVE: Duration = Duration::from_secs(1);

/// The same for one that goes on and on.
const LONGEST_LEAVE: Duration = Duration::from_secs(5);

/// Directories that one connection has open at once: one for each of its channels.
const MOST_DIRECTORIES: usize = 10;

/// A directory of 10,000 files, read.
const LISTING_BYTES: u64 = 1 << 20;

/// What is read of directories on that many connections at most, bytes.
pub(crate) const fn most_listed_bytes(connections: u64) -> u64 {
    MOST_DIRECTORIES as u64 * LISTING_BYTES * connections
}

/// What a connection's parts share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    started: Instant,
    /// Milliseconds from `started` to the last progress.
    progress: AtomicU64,
    /// Sessions with open files or unanswered requests.
    busy: AtomicUsize,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    regular: AtomicBool,
    /// Places for files and directories that its sessions have open, and for the directories among them.
    files: Arc<Semaphore>,
    directories: Arc<Semaphore>,
    /// Memory for what waits in its sessions.
    queue: Arc<ConnectionQueue>,
    login: OnceLock<Arc<Login>>,
    attempts: Mutex<Attempts>,
    /// Why a login that was proven was refused all the same.
    turned_away: OnceLock<RefusalReason>,
    ending: watch::Sender<Option<Ending>>,
    /// Whether sessions with nothing open or unanswered are to be closed.
    leaving: watch::Sender<bool>,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, open_handles: usize, memory: &QueueMemory) -> Self {
        Self {
            peer,
            started: Instant::now(),
            progress: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            regular: AtomicBool::new(true),
            files: Arc::new(Semaphore::new(open_handles)),
            directories: Arc::new(Semaphore::new(MOST_DIRECTORIES)),
            queue: memory.connection(),
            login: OnceLock::new(),
            attempts: Mutex::default(),
            turned_away: OnceLock::new(),
            ending: watch::Sender::new(None),
            leaving: watch::Sender::new(false),
        }
    }

    /// Since it was accepted.
    pub(super) fn lasted(&self) -> Duration {
        self.started.elapsed()
    }

    /// Bytes of requests came.
    pub(super) fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.touch();
    }

    /// Bytes of replies were handed to the transport.
    pub(super) fn sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.touch();
    }

    /// Something went on.
    pub(super) fn touch(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress.store(now, Ordering::Relaxed);
    }

    /// A session has something open or unanswered, or has no more.
    pub(super) fn set_busy(&self, busy: bool) {
        if busy {
            self.busy.fetch_add(1, Ordering::Relaxed);
        } else if self.busy.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.ending.send_modify(|_| ());
        }
    }

    /// A place for one more open file; none when the sessions of this connection have them all.
    pub(super) fn file_place(&self) -> Option<FilePlace> {
        let file = Arc::clone(&self.files).try_acquire_owned().ok()?;
        Some(FilePlace { _file: file, _directory: None })
    }

    /// The same for a directory, of which there are fewer: its entries are in memory. To be had before they are read.
    pub(super) fn directory_place(&self) -> Option<FilePlace> {
        let directory = Arc::clone(&self.directories).try_acquire_owned().ok()?;
        Some(FilePlace { _directory: Some(directory), ..self.file_place()? })
    }

    /// For the memory of what waits in one more session.
    pub(super) fn queued(&self) -> Queued {
        self.queue.session()
    }

    /// A session did not end by the client's own closing.
    pub(super) fn irregular(&self) {
        self.regular.store(false, Ordering::Relaxed);
    }

    /// Asks for the end; the first reason stands.
    pub(super) fn end(&self, ending: Ending) {
        self.ending.send_if_modified(|now| now.is_none() && now.replace(ending).is_none());
    }

    /// Waits until its end was asked for.
    pub(super) async fn ending(&self) {
        let mut endings = self.ending.subscribe();
        let _asked = endings.wait_for(Option::is_some).await;
    }

    /// Waits until sessions with nothing open or unanswered are to be closed.
    pub(super) async fn leaving(&self) {
        let mut leaving = self.leaving.subscribe();
        let _asked = leaving.wait_for(|leaving| *leaving).await;
    }

    /// Closes the sessions of a client that was served a moment ago, and waits for it to leave. Says whether it did.
    async fn leave(&self, running: &mut server::RunningSession<Handler>) -> bool {
        if self.is_busy() || self.progress() + LONGEST_LEAVE < Instant::now() {
            return false;
        }
        self.leaving.send_replace(true);
        timeout(LEAVE, running).await.is_ok()
    }

    /// The account of the attempts to log in.
    pub(super) fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who logged in, once somebody has.
    pub(super) fn login(&self) -> Option<&Arc<Login>> {
        self.login.get()
    }

    /// Somebody logged in.
    pub(super) fn log_in(&self, login: Arc<Login>) {
        self.touch();
        let _only_once = self.login.set(login);
    }

    /// A proven login is refused.
    pub(super) fn turn_away(&self, reason: RefusalReason) {
        let _only_once = self.turned_away.set(reason);
    }

    /// Whether a session has something open or unanswered.
    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    /// When something last went on.
    fn progress(&self) -> Instant {
        self.started + Duration::from_millis(self.progress.load(Ordering::Relaxed))
    }

    /// When the connection is over if nothing happens. `quiet` is when it first was not busy since the server goes down.
    fn deadline(&self, server: &Shared, quiet: Option<Instant>) -> (Instant, Ending) {
        let (deadline, ending) = if self.login.get().is_some() {
            (self.progress() + server.limits().idle, Ending::Idle)
        } else {
            (self.started + server.limits().login_grace, Ending::Grace)
        };
        match quiet.filter(|_| !self.is_busy()).map(|since| (self.progress() + LEAVE).min(since + LONGEST_LEAVE)) {
            Some(leave) if leave < deadline => (leave, Ending::Shutdown),
            _ => (deadline, ending),
        }
    }
}

/// Serves one connection until its end.
pub(super) async fn attend(server: Arc<Shared>, connection: Arc<Connection>, stream: TcpStream) {
    let peer = connection.peer;
    // Without it the last, short packet of each transfer waits for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "no immediate sending");
    }
    let (mut endings, mut shutdown) = (connection.ending.subscribe(), server.shutdown());
    if server.hesitates(peer) {
        // Bytes, not readiness: a socket that was just accepted passes for ready.
        let mut first = [0];
        tokio::select! {
            _ = timeout(HESITATION, stream.peek(&mut first)) => {}
            _ = endings.wait_for(Option::is_some) => {}
            _ = shutdown.wait_for(|down| *down) => {}
        }
    }
    let socket = Socket::new(stream);
    // Each session's task holds a sender: when the receiver finds none left, all have ended.
    let (sessions, mut sessions_ended) = mpsc::channel::<()>(1);
    let handler = Handler::new(Arc::clone(&server), Arc::clone(&connection), socket.clone(), sessions);
    let grace = connection.started + server.limits().login_grace;
    let opening = server::run_stream(server.transport(), socket.clone(), handler);
    let opened = tokio::select! {
        opened = timeout_at(grace, opening) => Some(opened),
        () = connection.ending() => None,
        // Nobody is busy before a login.
        _ = shutdown.wait_for(|down| *down) => {
            connection.end(Ending::Shutdown);
            None
        }
    };
    let ended = match opened {
        Some(Ok(Ok(running))) => guide(&server, &connection, &socket, running).await,
        Some(Ok(Err(error))) => {
            tracing::debug!(%peer, %error, "no SSH");
            not_understood(&server, peer, &socket, &error).await;
            None
        }
        Some(Err(_)) => Some(Ending::Grace),
        None => *connection.ending.borrow(),
    };
    if ended.is_none() && socket.client_banner().is_empty() {
        server.hung_up(peer);
    }
    socket.cut();
    // The transport itself cannot be stopped. It ends with its socket, and what it may be waiting for has an end: each
    // channel's task takes what comes or is gone, and the gate waits for nothing beyond the connection's ending.
    while sessions_ended.recv().await.is_some() {}
    account(server, connection, ended, socket.client_banner()).await;
}

/// Waits for the end of the transport, and brings it about where it is due.
async fn guide(
    server: &Arc<Shared>,
    connection: &Connection,
    socket: &Socket,
    mut running: server::RunningSession<Handler>,
) -> Option<Ending> {
    let handle = running.handle();
    let mut endings = connection.ending.subscribe();
    let mut shutdown = server.shutdown();
    let mut quiet = None;
    let ending = loop {
        if let Some(ending) = *endings.borrow_and_update() {
            break ending;
        }
        if *shutdown.borrow_and_update() && !connection.is_busy() {
            quiet.get_or_insert_with(Instant::now);
        }
        let (deadline, ending) = connection.deadline(server, quiet);
        if deadline <= Instant::now() {
            break ending;
        }
        tokio::select! {
            result = &mut running => {
                if let Err(error) = result {
                    tracing::debug!(peer = %connection.peer, %error, "connection broke");
                    not_understood(server, connection.peer, socket, &error).await;
                }
                return *connection.ending.borrow();
            }
            () = sleep_until(deadline) => {}
            changed = endings.changed() => if changed.is_err() { break Ending::Idle },
            changed = shutdown.changed() => if changed.is_err() { break Ending::Shutdown },
        }
    };
    tracing::debug!(peer = %connection.peer, ?ending, "connection ended by the server");
    connection.end(ending);
    if ending == Ending::Displaced {
        // At once: many may be displaced in a second, and each would wait to say goodbye.
        socket.cut();
        let _cut = timeout(FAREWELL, running).await;
        return Some(ending);
    }
    if ending == Ending::Shutdown && connection.leave(&mut running).await {
        return Some(ending);
    }
    let message = handle.disconnect(ending.disconnect(), ending.message().to_owned(), "nl".to_owned());
    // The client may take nothing any more, or not close its side: then the socket is cut.
    let told = timeout(FAREWELL, message).await;
    if !matches!(told, Ok(Ok(()))) || timeout(FAREWELL, &mut running).await.is_err() {
        socket.cut();
        let _cut = timeout(FAREWELL, running).await;
    }
    Some(ending)
}

/// Tells the witness of a client that speaks nothing that is spoken here.
async fn not_understood(server: &Arc<Shared>, peer: SocketAddr, socket: &Socket, error: &russh::Error) {
    if let Some(failed) = FailedNegotiation::of(error, peer, socket.client_banner()) {
        let server = Arc::clone(server);
        let told = tokio::task::spawn_blocking(move || server.witness().not_understood(&failed));
        if let Err(error) = told.await {
            tracing::error!(%error, "a client that was not understood could not be noted");
        }
    }
}

/// Tells the witness how it ended.
async fn account(server: Arc<Shared>, connection: Arc<Connection>, ended: Option<Ending>, client_banner: String) {
    if let Some(login) = connection.login.get() {
        return server.witness().logged_out(
            login,
            connection.bytes_in.load(Ordering::Relaxed),
            connection.bytes_out.load(Ordering::Relaxed),
            connection.lasted(),
            ended.is_none() && connection.regular.load(Ordering::Relaxed),
        );
    }
    let told = tokio::task::spawn_blocking(move || {
        let attempts = std::mem::take(&mut *connection.attempts());
        let too_many = ended == Some(Ending::Attempts);
        // Of others it is no news that they come and go.
        let of_a_tenant = attempts.user().is_some_and(|user| server.directory().tenant(user).is_some());
        let turned_away = connection.turned_away.get().copied();
        let reason = turned_away
            .or(too_many.then_some(RefusalReason::TooManyAttempts))
            .or((ended == Some(Ending::Grace)).then_some(RefusalReason::Grace))
            .or(of_a_tenant.then_some(RefusalReason::NothingUsable));
        // Under another name. Somebody who proved a login in the end only looked for the right one.
        let blamed_before = attempts.is_blamed() && turned_away.is_none();
        let refused = attempts.refusal(reason, connection.peer, &client_banner);
        let blamed = match &refused {
            Some(refused) => refused.reason.blames_the_source(),
            // Nobody was named: who holds a connection open until it is cut means no good, who hangs up may be a
            // monitor.
            None => ended == Some(Ending::Grace),
        };
        if blamed || blamed_before {
            server.penalise(connection.peer);
        }
        if let Some(refused) = refused {
            server.witness().refused(&refused);
        }
    });
    if let Err(error) = told.await {
        tracing::error!(%error, "the end of a connection could not be entered");
    }
}
