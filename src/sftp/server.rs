//! Accepting connections, counting them, and letting them end.
//!
//! Invariants: no more connections than the limits say, in all and from one source; no stranger keeps a tenant out, since
//! who waits for a login makes room and who is logged in does not; an error of `accept` never ends the server; after the
//! shutdown signal nothing new is accepted, transfers may finish until the drain time is over.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    Directory, RefusalReason, ServerSettings, SftpError, SftpLimits, Witness,
    auth::Steps,
    connection::{self, Connection},
    ending::Ending,
    live::{Admitted, Live, LiveConnection},
    mute::Mutes,
    password::PasswordChecks,
    penalties::{PenaltyBox, Source, WAITING_CONNECTIONS},
    queue::QueueMemory,
    sessions::Sessions,
    shards::Shards,
    transport,
};
use crate::dropbox::view::{DropBoxes, Login};

/// After a failed `accept` (no file descriptors left, most often): for others to end.
const BACK_OFF: Duration = Duration::from_millis(100);

/// For cut connections to enter their ends in the account.
const LAST_ENTRIES: Duration = Duration::from_secs(10);

/// What a client reads that may not connect now, before any SSH.
const FULL: &[u8] = b"Te veel verbindingen; probeer het later opnieuw.\r\n";

/// An SFTP server that does not listen yet.
pub struct Server {
    shared: Arc<Shared>,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerEnd {
    /// Connections that were still busy when the drain time was over, and were cut.
    pub connections_cut: usize,
}

impl Server {
    /// Prepares a server.
    ///
    /// # Errors
    /// [`SftpError::NoHostKey`], [`SftpError::Threads`].
    pub fn new(
        settings: ServerSettings,
        directory: Arc<dyn Directory>,
        boxes: Arc<dyn DropBoxes>,
        witness: Arc<dyn Witness>,
    ) -> Result<Self, SftpError> {
        if settings.host_keys.is_empty() {
            return Err(SftpError::NoHostKey);
        }
        let shared = Shared {
            transport: Arc::new(transport::config(&settings)),
            penalties: Mutex::new(PenaltyBox::new(settings.penalties.clone())),
            mutes: Mutex::default(),
            passwords: PasswordChecks::new(),
            queues: QueueMemory::default(),
            settings,
            directory,
            boxes,
            witness,
            shutdown: watch::Sender::new(false),
            live: Mutex::default(),
            hashing: Arc::new(Semaphore::new(hashing_at_once())),
            shards: Shards::start().map_err(SftpError::Threads)?,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A hold on its sessions, for a reload that takes access away.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(Arc::clone(&self.shared))
    }

    /// Serves until `shutdown` resolves and the connections have ended.
    pub async fn serve(self, listeners: Vec<TcpListener>, shutdown: impl Future<Output = ()> + Send) -> ServerEnd {
        let shared = self.shared;
        let (alive, mut all_ended) = mpsc::channel::<()>(1);
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(Arc::clone(&shared), listener, alive.clone()));
        }
        drop(alive);
        shutdown.await;
        accepting.shutdown().await;
        shared.shutdown.send_replace(true);
        let mut connections_cut = 0;
        if timeout(shared.limits().drain, all_ended.recv()).await.is_err() {
            let live: Vec<_> = shared.live().connections.values().map(|live| Arc::clone(&live.connection)).collect();
            connections_cut = live.len();
            for connection in live {
                connection.end(Ending::Shutdown);
            }
            if timeout(LAST_ENTRIES, all_ended.recv()).await.is_err() {
                tracing::error!("connections that did not end in time are left behind");
            }
        }
        ServerEnd { connections_cut }
    }
}

/// What the connections of a server share.
pub(super) struct Shared {
    settings: ServerSettings,
    transport: Arc<russh::server::Config>,
    directory: Arc<dyn Directory>,
    boxes: Arc<dyn DropBoxes>,
    witness: Arc<dyn Witness>,
    shutdown: watch::Sender<bool>,
    live: Mutex<Live>,
    penalties: Mutex<PenaltyBox>,
    mutes: Mutex<Mutes>,
    hashing: Arc<Semaphore>,
    passwords: PasswordChecks,
    queues: QueueMemory,
    shards: Shards,
}

/// A connection's place among the live ones; it is given back when this is dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.live().remove(self.number);
    }
}

impl Shared {
    pub(super) fn limits(&self) -> &SftpLimits {
        &self.settings.limits
    }

    pub(super) fn banner(&self) -> Option<String> {
        self.settings.banner.clone()
    }

    pub(super) fn transport(&self) -> Arc<russh::server::Config> {
        Arc::clone(&self.transport)
    }

    pub(super) fn directory(&self) -> &Arc<dyn Directory> {
        &self.directory
    }

    pub(super) fn boxes(&self) -> &Arc<dyn DropBoxes> {
        &self.boxes
    }

    /// Turns at hashing files for clients.
    pub(super) fn hashing(&self) -> Arc<Semaphore> {
        Arc::clone(&self.hashing)
    }

    pub(super) fn witness(&self) -> &dyn Witness {
        &*self.witness
    }

    pub(super) fn passwords(&self) -> &PasswordChecks {
        &self.passwords
    }

    /// Turns true when the server goes down.
    pub(super) fn shutdown(&self) -> watch::Receiver<bool> {
        self.shutdown.subscribe()
    }

    /// Gives a login its place among the tenant's sessions.
    ///
    /// # Errors
    /// [`RefusalReason::TooManySessions`] when they are all taken. Other reasons when the tenant's file changed since
    /// the login was proven: [`Sessions::judge_again`] waits for the same lock, so that either it or this sees the new
    /// file.
    pub(super) fn admit(
        &self,
        connection: &Arc<Connection>,
        login: &Arc<Login>,
        steps: Steps,
    ) -> Result<(), RefusalReason> {
        let mut live = self.live();
        let taken = live.connections.values().filter_map(LiveConnection::login);
        if taken.filter(|other| other.tenant == login.tenant).count() >= self.limits().sessions_per_tenant {
            return Err(RefusalReason::TooManySessions);
        }
        let admitted = Admitted { login: Arc::clone(login), steps };
        self.still(connection, &admitted)?;
        // Displaced in the meantime: its end is on its way.
        if live.admit(connection, admitted) { Ok(()) } else { Err(RefusalReason::TooManySessions) }
    }

    /// Whether somebody who logged in would still be let in.
    pub(super) fn still(&self, connection: &Connection, admitted: &Admitted) -> Result<(), RefusalReason> {
        let tenant = self.directory.tenant(admitted.login.tenant.as_str());
        admitted.steps.still(tenant.as_deref(), connection.peer, self.directory.now())
    }

    /// A connection from there came to no login, by the source's own fault.
    pub(super) fn penalise(&self, peer: SocketAddr) {
        self.penalties().failed(peer.ip(), self.directory.now());
    }

    /// Whether what fails from there is to fail slowly.
    pub(super) fn slows(&self, peer: SocketAddr) -> bool {
        self.penalties().slows(peer.ip(), self.directory.now())
    }

    /// Whether a client from there is to say something before it is greeted.
    pub(super) fn hesitates(&self, peer: SocketAddr) -> bool {
        self.mutes().hesitates(peer.ip(), Instant::now())
    }

    /// A client from there hung up that had said nothing.
    pub(super) fn hung_up(&self, peer: SocketAddr) {
        self.mutes().hung_up(peer.ip(), Instant::now());
    }

    /// Somebody logged in from there.
    pub(super) fn spare(&self, peer: SocketAddr) {
        self.penalties().spare(peer.ip(), self.directory.now());
    }

    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mutes(&self) -> MutexGuard<'_, Mutes> {
        self.mutes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn penalties(&self) -> MutexGuard<'_, PenaltyBox> {
        self.penalties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection, or what its client is told.
    ///
    /// Where a source has all it may have, the oldest of its connections that wait for a login makes room: one that
    /// opens them and is silent keeps nobody else out who is behind the same address. Where all places are taken, or
    /// all those for who is not logged in, [`Live::gives_way`] says who makes room. Who is logged in never does.
    fn place(self: &Arc<Self>, connection: &Arc<Connection>) -> Result<Place, &'static [u8]> {
        let slow = self.slows(connection.peer);
        let source = Source::of(connection.peer.ip());
        let limits = self.limits();
        let mut live = self.live();
        let too_many_from_there = live.from(source) >= limits.connections_per_source
            || (slow && live.waiting_from(source) >= WAITING_CONNECTIONS);
        if too_many_from_there {
            let oldest = live.oldest_from(source);
            displace(&mut live, oldest)?;
        }
        if live.connections.len() >= limits.connections || live.waiting() >= limits.waiting() {
            let gives_way = live.gives_way(source);
            displace(&mut live, gives_way)?;
        }
        let number = live.insert(connection, source);
        Ok(Place { shared: Arc::clone(self), number })
    }
}

/// A stream that was accepted by another runtime.
fn moved_here(stream: TcpStream) -> io::Result<TcpStream> {
    TcpStream::from_std(stream.into_std()?)
}

/// Ends a connection that waits for a login, so that its place is free at once; nobody waits: no place.
fn displace(live: &mut Live, number: Option<u64>) -> Result<(), &'static [u8]> {
    let displaced = number.and_then(|number| live.remove(number)).ok_or(FULL)?;
    displaced.end(Ending::Displaced);
    Ok(())
}

/// Half of the processors: hashing what clients ask for must leave some for transfers.
fn hashing_at_once() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1)
}

/// Accepts from one listener until it is stopped.
async fn accept(shared: Arc<Shared>, listener: TcpListener, alive: mpsc::Sender<()>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => welcome(&shared, stream, peer, alive.clone()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

fn welcome(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr, alive: mpsc::Sender<()>) {
    let connection = Arc::new(Connection::new(peer, shared.limits().open_handles, &shared.queues));
    match shared.place(&connection) {
        Ok(place) => {
            let server = Arc::clone(shared);
            shared.shards.spawn(async move {
                match moved_here(stream) {
                    Ok(stream) => connection::attend(server, connection, stream).await,
                    Err(error) => tracing::warn!(%peer, %error, "a connection could not be served"),
                }
                drop((place, alive));
            });
        }
        Err(text) => {
            tracing::info!(%peer, "connection refused: {}", String::from_utf8_lossy(text).trim_end());
            // What does not fit in the socket's empty buffer is not worth waiting for.
            let _best_effort = stream.try_write(text);
        }
    }
}
