//! One mail handed to a mail server (RFC 5321), in two parts: up to where the server would take it, and taking it.
//!
//! Between the two the caller notes that it may have been taken. A connection that breaks before is tried again without
//! fear; one that breaks after is not.

use std::{fs, io, time::Duration};

use lettre::{
    address::Address,
    transport::smtp::{
        self,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::message::{self, MessageError};
use crate::config::{MailSettings, MailTls, SecretError};

/// How long an answer of the server may take, apart from the one to the mail itself. RFC 5321, section 4.5.3.2, gives
/// minutes to servers of its time; nobody waits for this one but other mails.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long the server may take over a mail that it was given (RFC 5321, section 4.5.3.2.6).
const PATIENCE_AT_END: Duration = Duration::from_mins(10);

/// Certificates, bytes at most: those of a whole system are 220 kB.
const MOST_CERTIFICATE_BYTES: u64 = 4 << 20;

/// Why a mail was not handed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum SmtpError {
    /// The server did not answer.
    #[error("the mail server did not answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// It could not be reached, does not speak TLS, or is not who it should be.
    #[error("the mail server cannot be spoken to")]
    Connection(#[source] smtp::Error),
    /// It let nobody in.
    #[error("the mail server refused the login")]
    Login(#[source] smtp::Error),
    /// It takes no mail, from this sender or at all.
    #[error("the mail server takes no mail")]
    Refused(#[source] smtp::Error),
    /// The password.
    #[error("the password for the mail server cannot be read")]
    Password(#[source] SecretError),
    /// The certificates.
    #[error("the certificates {path} cannot be read")]
    Certificates {
        /// Their file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The mail itself.
    #[error("there is no mail to hand over")]
    Message(#[source] MessageError),
}

impl SmtpError {
    /// Whether the server will never take this mail, however often it is asked.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused(error) => error.is_permanent(),
            Self::Message(_) => true,
            _ => false,
        }
    }
}

/// A server that waits for the mail itself.
pub(super) struct Open {
    connection: AsyncSmtpConnection,
    bytes: Vec<u8>,
    /// Addresses that it takes the mail for.
    pub accepted: Vec<String>,
    /// Addresses that it never takes it for, each with the server's code.
    pub refused: Vec<(String, u16)>,
    /// Addresses that it may take it for later.
    pub later: Vec<String>,
}

/// What came of handing over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handed {
    /// The server has it.
    Taken,
    /// It does not want it, now or ever.
    Refused,
    /// It may want it later.
    Later,
    /// Nobody knows.
    Unknown,
}

/// Goes as far as the server's invitation to send the mail, or to where it takes it for nobody.
///
/// # Errors
/// [`SmtpError`]; the server has taken nothing.
pub(super) async fn open(settings: &MailSettings, mail: &super::outbox::Queued) -> Result<Open, SmtpError> {
    let bytes = message::written(mail, &settings.from).map_err(SmtpError::Message)?;
    let from = message::address(&settings.from).map_err(SmtpError::Message)?;
    let mut connection = within(connect(settings)).await?;
    if let Some((user, password)) = &settings.login {
        let password = password.read().map_err(SmtpError::Password)?;
        let password = Zeroizing::new(String::from_utf8_lossy(&password).trim_end().to_owned());
        let credentials = Credentials::new(user.clone(), password.to_string());
        let login = async {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(SmtpError::Login)
        };
        within(login).await?;
    }
    within(async { connection.command(Mail::new(Some(from), vec![])).await.map_err(SmtpError::Refused) }).await?;
    let mut open = Open { connection, bytes, accepted: Vec::new(), refused: Vec::new(), later: Vec::new() };
    for recipient in &mail.to {
        open.name(&recipient.address).await?;
    }
    if open.accepted.is_empty() {
        open.connection.abort().await;
    } else {
        within(async { open.connection.command(Data).await.map_err(SmtpError::Refused) }).await?;
    }
    Ok(open)
}

impl Open {
    /// Names an address to the server.
    async fn name(&mut self, text: &str) -> Result<(), SmtpError> {
        let address: Address = message::address(text).map_err(SmtpError::Message)?;
        let answer = timeout(PATIENCE, self.connection.command(Rcpt::new(address, vec![]))).await;
        match answer.map_err(|_| SmtpError::Silent)? {
            Ok(_) => self.accepted.push(text.to_owned()),
            Err(error) => match error.status() {
                Some(code) if error.is_permanent() => self.refused.push((text.to_owned(), code.into())),
                Some(_) => self.later.push(text.to_owned()),
                None => return Err(SmtpError::Connection(error)),
            },
        }
        Ok(())
    }

    /// Hands the mail over. From here on the server may have it.
    pub async fn hand_over(mut self) -> Handed {
        let handed = match timeout(PATIENCE_AT_END, self.connection.message(&self.bytes)).await {
            Ok(Ok(_)) => Handed::Taken,
            Ok(Err(error)) if error.is_permanent() => Handed::Refused,
            Ok(Err(error)) if error.is_transient() => Handed::Later,
            Ok(Err(_)) | Err(_) => Handed::Unknown,
        };
        // The server has said all that matters; how it takes its leave does not.
        let _ = timeout(Duration::from_secs(1), self.connection.quit()).await;
        handed
    }
}

async fn connect(settings: &MailSettings) -> Result<AsyncSmtpConnection, SmtpError> {
    let server = (settings.host.as_str(), settings.port);
    // By its address, as RFC 5321, section 4.1.4, has it for who has no name of its own.
    let hello = ClientId::default();
    let parameters = match settings.tls {
        MailTls::None => None,
        MailTls::StartTls | MailTls::Tls => Some(tls(settings)?),
    };
    let at_once = parameters.clone().filter(|_| settings.tls == MailTls::Tls);
    let connection = AsyncSmtpConnection::connect_tokio1(server, Some(PATIENCE), &hello, at_once, None);
    let mut connection = connection.await.map_err(SmtpError::Connection)?;
    if let Some(parameters) = parameters.filter(|_| settings.tls == MailTls::StartTls) {
        connection.starttls(parameters, &hello).await.map_err(SmtpError::Connection)?;
    }
    Ok(connection)
}

fn tls(settings: &MailSettings) -> Result<TlsParameters, SmtpError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(certificates) = certificates(settings)? {
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificates);
    }
    builder.build().map_err(SmtpError::Connection)
}

/// The certificates that the server's is checked against; none where those of the system are.
///
/// # Errors
/// [`SmtpError::Certificates`]: they cannot be read, or are none.
pub(super) fn certificates(settings: &MailSettings) -> Result<Option<Certificate>, SmtpError> {
    let Some(path) = &settings.ca else { return Ok(None) };
    let failed = |source| SmtpError::Certificates { path: path.display().to_string(), source };
    if fs::metadata(path).map_err(failed)?.len() > MOST_CERTIFICATE_BYTES {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let bytes = fs::read(path).map_err(failed)?;
    if memchr::memmem::find(&bytes, b"-----BEGIN CERTIFICATE-----").is_none() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "no certificate in PEM form is in it")));
    }
    Certificate::from_pem(&bytes).map(Some).map_err(SmtpError::Connection)
}

async fn within<T>(step: impl Future<Output = Result<T, SmtpError>>) -> Result<T, SmtpError> {
    timeout(PATIENCE, step).await.map_err(|_| SmtpError::Silent)?
}
