//! What the transport asks while it serves one connection: logging in, opening channels, starting SFTP.
//!
//! Refused by name: shell, commands, terminals, environment, forwarding of ports, agents and X11. Nothing is served
//! before a login is entered in the account.

use std::{collections::HashMap, sync::Arc};

use russh::{
    Channel, ChannelId, ChannelOpenFailure, Disconnect,
    keys::{Algorithm, Certificate, PublicKey},
    server::{Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{LoginMethod, RefusalReason, auth, connection::Connection, server::Shared, session, transport::Socket};
use crate::{domain::ssh_key::fingerprint, dropbox::view::Login};

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
    socket: Socket,
    /// Rejections under every user name that was tried.
    rejections: usize,
    /// Who has proven a key, until the login is entered.
    proven: Option<Login>,
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
            server,
            connection,
            socket,
            rejections: 0,
            proven: None,
            waiting: HashMap::new(),
            begun: 0,
            places: Arc::new(Semaphore::new(MOST_CHANNELS)),
            sessions,
        }
    }

    /// The client names a user.
    fn user(&mut self, user: &str) {
        self.proven = None;
        let before = self.connection.attempts().name(user, self.connection.peer, &self.socket.client_banner());
        if let Some(refused) = before {
            let server = Arc::clone(&self.server);
            tokio::task::spawn_blocking(move || server.witness().refused(&refused));
        }
    }

    /// An attempt fails. Above the limit the connection ends; the transport's own count begins anew with each user
    /// name, this one does not.
    fn reject(&mut self, reason: RefusalReason, fingerprint: Option<String>) -> Result<Auth, russh::Error> {
        self.connection.attempts().reject(reason, fingerprint);
        self.rejections += 1;
        if self.rejections > self.server.limits().auth_attempts {
            Err(russh::Error::Disconnect)
        } else {
            Ok(Auth::reject())
        }
    }

    /// The judgement on a key: its label and fingerprint.
    fn judge(
        &self,
        user: &str,
        key: &PublicKey,
        algorithm: &Algorithm,
    ) -> Result<(Login, bool), (RefusalReason, Option<String>)> {
        let blob = key.to_bytes().map_err(|_| (RefusalReason::UnknownKey, None))?;
        let fingerprint = fingerprint(&blob);
        let refuse = |reason| (reason, Some(fingerprint.clone()));
        if matches!(algorithm, Algorithm::Rsa { hash: None }) {
            return Err(refuse(RefusalReason::WeakSignature));
        }
        let (directory, peer) = (self.server.directory(), self.connection.peer);
        let tenant = directory.tenant(user);
        let key = auth::judge(tenant.as_deref(), &blob, peer.ip(), directory.now()).map_err(refuse)?;
        let tenant = tenant.as_deref().ok_or_else(|| refuse(RefusalReason::UnknownUser))?;
        let login = Login {
            tenant: tenant.id.clone(),
            key_label: key.label.clone(),
            fingerprint: Some(fingerprint),
            peer,
            session: hex::encode(rand::random::<[u8; 8]>()),
        };
        Ok((login, auth::key_is_enough(tenant)))
    }

    /// A method other than a bare key.
    fn other_method(&mut self, user: &str) -> Result<Auth, russh::Error> {
        self.user(user);
        let known = self.server.directory().tenant(user).is_some();
        self.reject(if known { RefusalReason::StepMissing } else { RefusalReason::UnknownUser }, None)
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
        // A question about the methods, which every client asks first: not an attempt.
        self.user(user);
        Ok(Auth::reject())
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        self.user(user);
        match self.judge(user, offer.public_key, offer.algorithm) {
            Ok((login, _)) => {
                self.connection.attempts().offered(login.fingerprint.unwrap_or_default());
                Ok(Auth::Accept)
            }
            Err((reason, fingerprint)) => self.reject(reason, fingerprint),
        }
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        self.user(user);
        match self.judge(user, key.public_key, key.algorithm) {
            Ok((login, true)) => {
                self.proven = Some(login);
                Ok(Auth::Accept)
            }
            Ok((login, false)) => self.reject(RefusalReason::StepMissing, login.fingerprint),
            Err((reason, fingerprint)) => self.reject(reason, fingerprint),
        }
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, Self::Error> {
        self.user(user);
        let fingerprint = PublicKey::from(certificate.public_key().clone()).to_bytes().map(|blob| fingerprint(&blob));
        self.reject(RefusalReason::UnknownKey, fingerprint.ok())
    }

    async fn auth_password(&mut self, user: &str, _: &str) -> Result<Auth, Self::Error> {
        self.other_method(user)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        _: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        self.other_method(user)
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Self::Error> {
        let Some(login) = self.proven.take().map(Arc::new) else {
            return Err(russh::Error::Inconsistent);
        };
        if !self.server.admit(&self.connection, &login) {
            self.connection.turn_away(RefusalReason::TooManySessions);
            let text = "te veel verbindingen tegelijk voor deze gebruiker";
            return session.disconnect(Disconnect::TooManyConnections, text, "nl");
        }
        let (server, attempts) = (Arc::clone(&self.server), self.connection.attempts().rejected());
        let (entry, client) = (Arc::clone(&login), self.socket.client_banner());
        let entered = tokio::task::spawn_blocking(move || {
            server.witness().logged_in(&entry, LoginMethod::PublicKey, attempts, &client)
        });
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
