//! The way to a login on one connection: each request of the client, judged, and answered with what is next.
//!
//! Invariants: the answers tell nobody whether a user exists, beyond the method that a tenant with a password asks
//! for first; what was passed under one user name is forgotten with the next (RFC 4252, section 5); attempts are
//! counted over all user names, and a name that is left behind with nothing but an offer or a step is one, so that no
//! connection has more entries in the account than it has attempts.
//!
//! Passwords are offered by the method of that name alone. Clients that prefer keyboard-interactive (WinSCP, PuTTY,
//! FileZilla) all fall back on it, and a second way in would need the same care again.

use std::sync::Arc;

use russh::{
    MethodKind, MethodSet,
    keys::Algorithm,
    server::{Auth, PublicKeyOffer},
};

use super::{
    AcceptedLogin, LoginMethod, RefusalReason, Tried,
    auth::{self, Next, Proof, Steps},
    certificate,
    connection::Connection,
    ending::Ending,
    penalties::{DELAY, Source},
    server::Shared,
    transport::Socket,
};
use crate::domain::{Tenant, ssh_key::fingerprint, tenant::LoginStep};

/// What one connection's client has shown of itself.
pub(super) struct Gate {
    server: Arc<Shared>,
    connection: Arc<Connection>,
    socket: Socket,
    /// Rejections under every user name that was tried.
    rejections: usize,
    /// What the user of the moment has passed.
    steps: Steps,
    /// Who has passed every step, until the login is entered.
    accepted: Option<AcceptedLogin>,
}

/// A key that may go on to sign.
enum Offered {
    /// It lets the tenant in once it has.
    Known(String),
    /// Only with a certificate; without one, for this reason it does not.
    Unknown(RefusalReason, String),
}

impl Gate {
    pub(super) fn new(server: Arc<Shared>, connection: Arc<Connection>, socket: Socket) -> Self {
        Self { server, connection, socket, rejections: 0, steps: Steps::default(), accepted: None }
    }

    /// Who has passed every step since the last request, and these steps; asked once.
    pub(super) fn accepted(&mut self) -> Option<(AcceptedLogin, Steps)> {
        self.accepted.take().map(|accepted| (accepted, std::mem::take(&mut self.steps)))
    }

    /// A question about the methods, with which every client begins: not an attempt.
    ///
    /// # Errors
    /// [`russh::Error::Disconnect`], as by every request, when the connection has no attempt left.
    pub(super) async fn methods(&mut self, user: &str) -> Result<Auth, russh::Error> {
        self.user(user).await?;
        Ok(self.refusal(user, false))
    }

    /// A key is offered, and not proven.
    pub(super) async fn offer(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        self.user(user).await?;
        match self.judge_offer(user, offer) {
            Ok(Offered::Known(fingerprint)) => self.connection.attempts().offered(fingerprint),
            Ok(Offered::Unknown(reason, fingerprint)) => {
                self.connection.attempts().offered_in_vain(reason, fingerprint);
            }
            Err((reason, fingerprint)) => {
                let method = LoginMethod::PublicKey;
                return self.reject(user, Tried { method, reason, fingerprint, certificate: None }).await;
            }
        }
        Ok(Auth::Accept)
    }

    /// A key has signed, with or without a certificate.
    pub(super) async fn proven(&mut self, user: &str, proof: Proof) -> Result<Auth, russh::Error> {
        self.user(user).await?;
        let tenant = self.tenant(user);
        let judged = self
            .turn(user, LoginStep::PublicKey)
            .and_then(|()| proof.judge(tenant.as_deref(), self.connection.peer.ip(), self.server.directory().now()));
        match judged {
            Ok(proven) => {
                self.steps.proof = Some(proof);
                self.advance(user, tenant, LoginMethod::PublicKey, Some(proven.fingerprint)).await
            }
            Err(reason) => {
                let (fingerprint, certificate) = match &proof {
                    Proof::Key(blob) => (Some(fingerprint(blob)), None),
                    Proof::Certificate(shown) => {
                        (certificate::key_fingerprint(shown.public_key()), Some(certificate::used(shown)))
                    }
                };
                self.reject(user, Tried { method: LoginMethod::PublicKey, reason, fingerprint, certificate }).await
            }
        }
    }

    /// A password is given.
    pub(super) async fn password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        self.user(user).await?;
        let tenant = self.tenant(user);
        let reason = match (self.turn(user, LoginStep::Password), &tenant) {
            (Ok(()), Some(tenant)) => {
                let source = Source::of(self.connection.peer.ip());
                let found = tokio::select! {
                    // It may be its turn long after the connection has ended.
                    biased;
                    () = self.connection.ending() => return Ok(nothing_more()),
                    found = self.server.passwords().find(source, tenant.passwords.clone(), password) => found,
                };
                match found {
                    // Only now, so that the answer takes as long from everywhere.
                    Some(_) if !tenant.may_come_from(self.connection.peer.ip()) => RefusalReason::WrongSource,
                    Some(password) => {
                        self.steps.password = Some(password);
                        let tenant = self.tenant(user);
                        return self.advance(user, tenant, LoginMethod::Password, None).await;
                    }
                    None => RefusalReason::WrongPassword,
                }
            }
            (Ok(()), None) => RefusalReason::UnknownUser,
            (Err(reason), _) => reason,
        };
        self.reject(user, Tried { method: LoginMethod::Password, reason, fingerprint: None, certificate: None }).await
    }

    /// Another method is tried.
    pub(super) async fn other(&mut self, user: &str) -> Result<Auth, russh::Error> {
        self.user(user).await?;
        let known = self.tenant(user).is_some();
        let reason = if known { RefusalReason::StepMissing } else { RefusalReason::UnknownUser };
        self.reject(user, Tried { method: LoginMethod::Other, reason, fingerprint: None, certificate: None }).await
    }

    /// The client names a user: another than before begins from nothing (RFC 4252, section 5).
    async fn user(&mut self, user: &str) -> Result<(), russh::Error> {
        if self.rejections >= self.server.limits().auth_attempts {
            return Err(russh::Error::Disconnect);
        }
        self.accepted = None;
        let named = self.connection.attempts().name(user, self.connection.peer, &self.socket.client_banner());
        if named.0 {
            self.steps = Steps::default();
        }
        let Some(refused) = named.1 else { return Ok(()) };
        // What was rejected under that name is counted already.
        self.rejections += usize::from(refused.attempts == 0);
        let server = Arc::clone(&self.server);
        // One at a time of each connection.
        if let Err(error) = tokio::task::spawn_blocking(move || server.witness().refused(&refused)).await {
            tracing::error!(%error, "a refused login could not be entered");
        }
        if self.rejections < self.server.limits().auth_attempts {
            return Ok(());
        }
        self.connection.end(Ending::Attempts);
        Err(russh::Error::Disconnect)
    }

    fn tenant(&self, user: &str) -> Option<Arc<Tenant>> {
        self.server.directory().tenant(user)
    }

    /// The refusal of an attempt, with the method that is next. Nobody is told more: not whether the user is known.
    fn refusal(&self, user: &str, partial_success: bool) -> Auth {
        let next = match self.steps.next(self.tenant(user).as_deref()) {
            Next::Step(LoginStep::Password) => MethodKind::Password,
            Next::Step(LoginStep::PublicKey) | Next::Done => MethodKind::PublicKey,
        };
        Auth::Reject { proceed_with_methods: Some(MethodSet::from(&[next][..])), partial_success }
    }

    /// An attempt fails. The last one that a connection has is answered with no method to go on with, and the
    /// connection ends; nothing is judged after it.
    async fn reject(&mut self, user: &str, tried: Tried) -> Result<Auth, russh::Error> {
        if self.server.slows(self.connection.peer) {
            tokio::time::sleep(DELAY).await;
        }
        self.connection.attempts().reject(tried);
        self.rejections += 1;
        if self.rejections < self.server.limits().auth_attempts {
            return Ok(self.refusal(user, false));
        }
        self.connection.end(Ending::Attempts);
        Ok(nothing_more())
    }

    /// Whether it is the turn of a step; else why the attempt is refused.
    fn turn(&self, user: &str, step: LoginStep) -> Result<(), RefusalReason> {
        let tenant = self.tenant(user);
        if self.steps.next(tenant.as_deref()) == Next::Step(step) {
            return Ok(());
        }
        Err(if tenant.is_some() { RefusalReason::StepMissing } else { RefusalReason::UnknownUser })
    }

    /// The judgement on a key that is offered: its fingerprint, or why it is refused.
    ///
    /// The transport does not show whether a certificate comes with it, so where there are authorities at all, any
    /// key may go on to sign, whoever the user is: else the answer would tell who has an authority, and who exists.
    fn judge_offer(&self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Offered, (RefusalReason, Option<String>)> {
        let blob = offer.public_key.to_bytes().map_err(|_| (RefusalReason::UnknownKey, None))?;
        let fingerprint = fingerprint(&blob);
        let refuse = |reason| (reason, Some(fingerprint.clone()));
        if matches!(offer.algorithm, Algorithm::Rsa { hash: None })
            || !certificate::key_is_strong(offer.public_key.key_data())
        {
            return Err(refuse(RefusalReason::WeakSignature));
        }
        self.turn(user, LoginStep::PublicKey).map_err(refuse)?;
        let (directory, peer) = (self.server.directory(), self.connection.peer.ip());
        match auth::judge_key(directory.tenant(user).as_deref(), &blob, peer, directory.now()) {
            Ok(_) => Ok(Offered::Known(fingerprint)),
            Err(reason) if directory.has_authorities() => Ok(Offered::Unknown(reason, fingerprint)),
            Err(reason) => Err(refuse(reason)),
        }
    }

    /// A step was passed: the next one, or the login.
    async fn advance(
        &mut self,
        user: &str,
        tenant: Option<Arc<Tenant>>,
        method: LoginMethod,
        fingerprint: Option<String>,
    ) -> Result<Auth, russh::Error> {
        let Some(tenant) = tenant.filter(|tenant| self.steps.next(Some(tenant)) == Next::Done) else {
            self.connection.attempts().passed(fingerprint);
            return Ok(self.refusal(user, true));
        };
        match self.steps.login(&tenant, self.connection.peer, self.server.directory().now()) {
            Ok((login, certificate)) => {
                self.accepted = Some(AcceptedLogin {
                    login,
                    method,
                    attempts: self.connection.attempts().rejected(),
                    certificate,
                    client_banner: self.socket.client_banner(),
                    took: self.connection.lasted(),
                });
                Ok(Auth::Accept)
            }
            Err(reason) => {
                self.steps = Steps::default();
                self.reject(user, Tried { method, reason, fingerprint, certificate: None }).await
            }
        }
    }
}

/// The refusal to a connection that ends: there is no method to go on with.
fn nothing_more() -> Auth {
    Auth::Reject { proceed_with_methods: Some(MethodSet::empty()), partial_success: false }
}
