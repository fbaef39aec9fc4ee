//! What the transport asks while it serves one connection: logging in, opening channels, starting SFTP.
//!
//! Refused by name: shell, commands, terminals, environment, forwarding of ports, agents and X11. Nothing is served
//! before a login is entered in the account.
//!
//! The transport waits for each channel's task to take what comes by it, and meanwhile hears nothing else. So each channel
//! has a task from its opening to its end, and nothing is kept here that a task should take.

use std::{collections::HashMap, sync::Arc};

use russh::{
    Channel, ChannelId, ChannelOpenFailure, Disconnect,
    keys::Certificate,
    server::{Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{
    RefusalReason,
    attending::{SUBSYSTEM, attend},
    auth::Proof,
    connection::Connection,
    ending::{ACCESS_LOST, Ending},
    gate::Gate,
    server::Shared,
    session::Begin,
    transport::{PACKET_BYTES, Socket},
};
use crate::dropbox::view::Login;

/// Channels of one connection at once: as many as OpenSSH allows (`MaxSessions`). Each bounds its own memory, see
/// [`super::session`].
const MOST_CHANNELS: usize = 10;

/// Channels of one connection in all: far more than a shared connection is used for in a day. The transport keeps some
/// 3 KiB of each that the server closed first, until the connection ends: 12 MiB.
const MOST_OPENED: u32 = 4096;

/// Channels of one connection that are refused before one is begun. While the keys are renewed the transport keeps each
/// refusal, with the 3 KiB of its channel: 768 KiB.
const MOST_REFUSED: u32 = 256;

/// Smallest packet that a client must take: below it each reply would go out in crumbs, each encrypted on its own.
const SMALLEST_PACKET: usize = 256;

/// Whoever asks for a shell or a command reads this.
const NO_SHELL: &str = "Deze server biedt alleen SFTP: geen shell en geen opdrachten.\r\n\
    Gebruik een SFTP-programma, bijvoorbeeld: sftp -P POORT GEBRUIKER@SERVER\r\n";

/// A channel that was opened and does not serve SFTP yet: its place, and how its task is told to.
struct Waiting {
    place: OwnedSemaphorePermit,
    begin: oneshot::Sender<(Begin, OwnedSemaphorePermit)>,
}

/// Serves one connection's transport.
pub(super) struct Handler {
    server: Arc<Shared>,
    connection: Arc<Connection>,
    gate: Gate,
    waiting: HashMap<ChannelId, Waiting>,
    /// Channels that were opened, and those that were refused.
    opened: u32,
    refused: u32,
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
            opened: 0,
            refused: 0,
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

    /// Counts a channel that is refused.
    fn refuse_channel(&mut self, session: &mut Session) -> Result<(), russh::Error> {
        self.refused += 1;
        if self.refused > MOST_REFUSED { self.violation("te veel geweigerde kanalen", session) } else { Ok(()) }
    }

    /// Judges what comes by a channel.
    fn judge_data(&self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        // The transport takes longer ones.
        if data.len() > PACKET_BYTES as usize {
            return self.violation("een SSH-pakket is te lang", session);
        }
        if self.waiting.contains_key(&channel) {
            return self.violation("er komen gegevens voordat SFTP begonnen is", session);
        }
        Ok(())
    }

    /// Ends the connection, at once: what comes after this is not looked at.
    fn violation(&self, text: &'static str, session: &mut Session) -> Result<(), russh::Error> {
        self.connection.end(Ending::Violation(text));
        session.disconnect(Disconnect::ProtocolError, text, "nl")
    }
}

impl russh::server::Handler for Handler {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.server.banner())
    }

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Self::Error> {
        self.gate.methods(user).await
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
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.connection.login().is_none() {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return self.refuse_channel(session);
        }
        if self.opened >= MOST_OPENED {
            // Those that are open go on; clients that share a connection then make another.
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return self.refuse_channel(session);
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        match place {
            Ok(place) if channel.writable_packet_size().await >= SMALLEST_PACKET => {
                self.connection.touch();
                self.opened += 1;
                let (begin, begun) = oneshot::channel();
                self.waiting.insert(channel.id(), Waiting { place, begin });
                let (connection, counted) = (Arc::clone(&self.connection), self.sessions.clone());
                tokio::spawn(async move {
                    let _held_until_the_end = counted;
                    attend(&connection, channel, begun).await;
                });
                reply.accept().await;
                Ok(())
            }
            _ => {
                reply.reject(ChannelOpenFailure::ResourceShortage).await;
                self.refuse_channel(session)
            }
        }
    }

    // The others are refused by not being answered.

    async fn channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse_channel(session)
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse_channel(session)
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse_channel(session)
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse_channel(session)
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        self.judge_data(channel, data, session)
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _: u32,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.judge_data(channel, data, session)
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        // No request of SFTP can come by it any more.
        if self.waiting.remove(&channel).is_some() { session.close(channel) } else { Ok(()) }
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
        let login = self.connection.login().cloned().filter(|_| name == SUBSYSTEM);
        // A channel keeps its place while it is asked for what is not there: SFTP, or a command, may come next.
        let begins = login.and_then(|login| Some((login, self.waiting.remove(&channel)?)));
        let Some((login, Waiting { place, begin })) = begins else {
            return session.channel_failure(channel);
        };
        // It was told that the channel is open, and so of every refusal before that: none waits in the transport.
        self.refused = 0;
        session.channel_success(channel)?;
        self.begun = self.begun.saturating_add(1);
        let begun = Begin {
            server: Arc::clone(&self.server),
            connection: Arc::clone(&self.connection),
            login: named(&login, self.begun),
            handle: session.handle(),
        };
        let _unless_it_is_closed = begin.send((begun, place));
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
