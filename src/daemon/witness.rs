//! The account of logins, in the transfer log, and the notes that explain them.

use std::{sync::Arc, time::Duration};

use super::{live::Live, login_records::LoginNotes, stranger_records::StrangerRecord};
use crate::{
    dropbox::view::Login,
    sftp::{self, AcceptedLogin, FailedNegotiation, RefusedLogin, Unavailable},
    transfer_log::{
        Actor, Context, Disclosed, Event, LogError, Login as LoginFields, LoginMethod, LoginRefused, Logout, Record,
        TransferLog,
    },
};

/// Writes logins, refusals and logouts.
pub(super) struct LoginAccount {
    pub log: TransferLog,
    pub notes: LoginNotes,
    pub live: Arc<Live>,
}

impl LoginAccount {
    fn context(login: &Login) -> Context {
        Context {
            tenant: Some(login.tenant.clone()),
            key: Some(login.key_label.clone()),
            session: Some(login.session.clone()),
            ..Context::of(Actor::Tenant)
        }
    }
}

fn disclosed(name: &'static str, value: impl Into<String>) -> Disclosed {
    Disclosed { name, value: value.into() }
}

fn method(method: sftp::LoginMethod) -> LoginMethod {
    match method {
        sftp::LoginMethod::PublicKey => LoginMethod::PublicKey,
        sftp::LoginMethod::Password => LoginMethod::Password,
        sftp::LoginMethod::Other => LoginMethod::None,
    }
}

impl sftp::Witness for LoginAccount {
    fn logged_in(&self, accepted: &AcceptedLogin) -> Result<(), Unavailable> {
        let login = &accepted.login;
        let event = Event::Login(LoginFields { method: method(accepted.method), attempts: accepted.attempts });
        let mut disclosures =
            vec![disclosed("ip", login.peer.ip().to_string()), disclosed("banner", &accepted.client_banner)];
        disclosures.push(disclosed("user", login.tenant.as_str()));
        disclosures.extend(login.fingerprint.as_ref().map(|fingerprint| disclosed("fingerprint", fingerprint)));
        // The name of a certificate is a person's, most often.
        if let Some(certificate) = &accepted.certificate {
            disclosures.push(disclosed("certificate_id", &certificate.key_id));
            disclosures.push(disclosed("certificate_serial", certificate.serial.to_string()));
        }
        let record = Record::success(event, Self::context(login)).disclosing(disclosures);
        self.log.append(vec![record]).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, tenant = %login.tenant, "login not accounted for");
            Unavailable
        })?;
        self.live.counts().login_took(accepted.method.name(), accepted.took);
        self.notes.logged_in(accepted, sftp::Directory::now(&*self.live));
        Ok(())
    }

    fn refused(&self, refused: &RefusedLogin) {
        let tried = refused.tried.last();
        let by = tried.map_or(LoginMethod::None, |tried| method(tried.method));
        let event = Event::LoginRefused(LoginRefused { method: by, attempts: refused.attempts });
        let mut disclosures = vec![
            disclosed("ip", refused.peer.ip().to_string()),
            disclosed("user", &refused.user),
            disclosed("banner", &refused.client_banner),
        ];
        disclosures.extend(refused.fingerprint.as_ref().map(|fingerprint| disclosed("fingerprint", fingerprint)));
        if let Some(certificate) = tried.and_then(|tried| tried.certificate.as_ref()) {
            disclosures.push(disclosed("certificate_id", &certificate.key_id));
            disclosures.push(disclosed("certificate_serial", certificate.serial.to_string()));
        }
        let now = sftp::Directory::now(&*self.live);
        let tenant = sftp::Directory::tenant(&*self.live, &refused.user).map(|tenant| tenant.id.clone());
        if let Some(tenant) = &tenant {
            self.notes.refused(tenant, refused, now);
        } else {
            let settings = self.live.settings();
            self.notes.stranger(StrangerRecord::of_login(refused, settings.tenants.keys(), now));
        }
        // A user name that is no tenant's stays in the disclosures: it may be anything that somebody typed.
        let named = tenant.as_ref().map(tracing::field::display);
        tracing::info!(tenant = named, reason = refused.reason.code(), "login refused");
        let context = Context { tenant, ..Context::of(Actor::Tenant) };
        let record = Record::failure(event, refused.reason.code(), context).disclosing(disclosures);
        if let Err(error) = self.log.append(vec![record]) {
            tracing::error!(error = &error as &dyn std::error::Error, "a refused login is not in the transfer log");
        }
    }

    fn not_understood(&self, failed: &FailedNegotiation) {
        tracing::info!(lacking = failed.lacking.name(), "a client speaks nothing that is spoken here");
        self.notes.stranger(StrangerRecord::of_negotiation(failed, sftp::Directory::now(&*self.live)));
    }

    fn logged_out(&self, login: &Login, bytes_in: u64, bytes_out: u64, duration: Duration, regular: bool) {
        let event = Event::Logout(Logout {
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            bytes_received: bytes_in,
            bytes_sent: bytes_out,
            regular,
        });
        let not_entered = |error: &LogError| {
            tracing::error!(error = error as &dyn std::error::Error, "a logout is not in the transfer log");
        };
        if let Err(error) = self.log.append_soon(vec![Record::success(event, Self::context(login))], not_entered) {
            not_entered(&error);
        }
    }
}
