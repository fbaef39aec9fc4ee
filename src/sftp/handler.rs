//! What the transport asks while it serves one connection: logging in, opening channels, starting SFTP.
//!
//! Refused by name: shell, commands, terminals, environment, forwarding of ports, agents and X11. Nothing is served
//! before a login is entered in the account.

use std::{collections::HashMap, sync::Arc};

use russh::{
    Channel, ChannelId, ChannelOpenFailure, Disconnect,
    keys::Certificate,
    server::{Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{
    RefusalReason,
    auth::Proof,
    connection::{ACCESS_LOST, Connection},
    gate::Gate,
    server::Shared,
    session,
    transport::Socket,
};
use crate::dropbox::view::Login;

/// Channels of one connection at once: as many as OpenSSH allows (`MaxSessions`). Each bounds its own memory, see
/// [`super::session`].
const MOST_CHANNELS: usize = 10;

/// Smallest packet that a client must take: below it each reply would go out in crumbs, each encrypted on its own.
const SMALLEST_PACKET: usize = 256;

/// Whoever asks for a shell or a command reads this.
const NO_SHELL: &str = "Deze server biedt alleen SFTP: geen shell en geen opdrachten.\r\n\
    Gebruik een SFTP-programma, bijvoorbeeld: sftp -P POORT GEBRUIKER@SERVER\r\n";

/// A channel that was opened and does not serve SFTP yet.
struct Waiting {
    channel: Channel<Msg>,
    place: OwnedSemaphorePermit,
}

/// Serves one connection's transport.
pub(super) struct Handler {
    server: Arc<Shared>,
    connection: Arc<Connection>,
    gate: Gate,
    waiting: HashMap<ChannelId, Waiting>,
    /// SFTP sessions that were begun.
    begun: u32,
    places: Arc<Semaphore>,
    sessions: mpsc::Sender<()>,
}

impl Handler {
    pub(super) fn new(
        server: Arc<Shared>,
        connection: Arc<Connection>,
        socket: Socket,
        sessions: mpsc::Sender<()>,
    ) -> Self {
        Self {
            gate: Gate::new(Arc::clone(&server), Arc::clone(&connection), socket),
            server,
            connection,
            waiting: HashMap::new(),
            begun: 0,
            places: Arc::new(Semaphore::new(MOST_CHANNELS)),
            sessions,
        }
    }

    /// Says why there is nothing behind this channel, and closes it.
    fn no_shell(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        if self.waiting.remove(&channel).is_none() {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        session.extended_data(channel, 1, NO_SHELL)?;
        session.exit_status_request(channel, 1)?;
        session.eof(channel)?;
        session.close(channel)
    }
}

impl russh::server::Handler for Handler {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.server.banner())
    }

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Self::Error> {
        self.gate.methods(user)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        self.gate.offer(user, offer).await
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let blob = key.public_key.to_bytes().map_err(|_| russh::Error::CouldNotReadKey)?;
        self.gate.proven(user, Proof::Key(blob)).await
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, Self::Error> {
        self.gate.proven(user, Proof::Certificate(Box::new(certificate.clone()))).await
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.gate.password(user, password).await
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        _: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        self.gate.other(user).await
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Self::Error> {
        let Some((accepted, steps)) = self.gate.accepted() else {
            return Err(russh::Error::Inconsistent);
        };
        let login = Arc::new(accepted.login.clone());
        match self.server.admit(&self.connection, &login, steps) {
            Ok(()) => {}
            Err(RefusalReason::TooManySessions) => {
                self.connection.turn_away(RefusalReason::TooManySessions);
                let text = "te veel verbindingen tegelijk voor deze gebruiker";
                return session.disconnect(Disconnect::TooManyConnections, text, "nl");
            }
            Err(reason) => {
                self.connection.turn_away(reason);
                return session.disconnect(Disconnect::ByApplication, ACCESS_LOST, "nl");
            }
        }
        let server = Arc::clone(&self.server);
        let entered = tokio::task::spawn_blocking(move || server.witness().logged_in(&accepted));
        if matches!(entered.await, Ok(Ok(()))) {
            self.server.spare(self.connection.peer);
            self.connection.log_in(login);
            return Ok(());
        }
        tracing::error!(tenant = %login.tenant, "a login could not be entered in the transfer log");
        self.connection.turn_away(RefusalReason::Unavailable);
        let text = "tijdelijk probleem bij de uitwisseling; probeer het later opnieuw";
        session.disconnect(Disconnect::ServiceNotAvailable, text, "nl")
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.connection.login().is_none() {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return Ok(());
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        match place {
            Ok(place) if channel.writable_packet_size().await >= SMALLEST_PACKET => {
                self.connection.touch();
                self.waiting.insert(channel.id(), Waiting { channel, place });
                reply.accept().await;
            }
            _ => reply.reject(ChannelOpenFailure::ResourceShortage).await,
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.waiting.remove(&channel);
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let login = self.connection.login().cloned().filter(|_| name == "sftp");
        let (Some(login), Some(waiting)) = (login, self.waiting.remove(&channel)) else {
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        self.begun = self.begun.saturating_add(1);
        let begun = session::Begin {
            server: Arc::clone(&self.server),
            connection: Arc::clone(&self.connection),
            login: named(&login, self.begun),
            channel: waiting.channel,
            handle: session.handle(),
        };
        let (connection, counted) = (Arc::clone(&self.connection), self.sessions.clone());
        tokio::spawn(async move {
            let _held_until_the_end = (waiting.place, counted);
            if let Err(ending) = session::serve(begun).await {
                connection.irregular();
                if let Some(ending) = ending {
                    connection.end(ending);
                }
            }
        });
        Ok(())
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.no_shell(channel, session)
    }

    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        self.no_shell(channel, session)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}

/// The login of a connection's first SFTP session, or of a later one under a name of its own: the drop-box tells by it
/// which uploads are still being written when a session ends.
fn named(login: &Arc<Login>, session: u32) -> Arc<Login> {
    if session <= 1 {
        return Arc::clone(login);
    }
    Arc::new(Login { session: format!("{}.{session}", login.session), ..Login::clone(login) })
}
