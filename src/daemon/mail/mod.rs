//! Mail to tenants' contacts and to those who run the exchange.
//!
//! Two threads. The desk follows the transfer log from a remembered place, gathers what happens within a short time,
//! looks once a day at what time alone brings about, and puts mails in the outbox. The post takes them out and hands
//! them to the mail server, again and again while that is away.
//!
//! - A mail is handed over at most once, also over restarts: it is on disk before anybody tries, and noted as being
//!   handed over before the server can take it. When that is cut off in between, it counts as sent, and the log says
//!   that nobody knows.
//! - What the log has is never missed: the place moves on together with the mails that came of it, and over the years.
//! - A mail holds no personal data, no content of a file and no secret. In the log stand its topics and how many it was
//!   for; addresses stand in the outbox alone, sealed to the exchange's own key.
//! - Bounded: the outbox has at most [`outbox::MOST_MAILS`], each with at most [`letter::MOST_LINES`] of a kind. What
//!   does not fit is dropped, and said so.

mod alert;
mod desk;
mod followed;
mod letter;
mod message;
mod news;
mod outbox;
mod phrases;
mod post;
mod smtp;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use super::{DaemonError, kept::KeptFiles, live::Live};
use crate::{
    durable::{Clock, Directory},
    ledger::Ledger,
    seal::Keyring,
    transfer_log::TransferLog,
};

pub use alert::{Alert, alert_operators, check_certificates};
use desk::Desk;
use outbox::{LONGEST_MAIL_BYTES, MOST_MAILS, Outbox};
pub(super) use phrases::Phrases;
use post::Post;

/// The directory of the outbox below the state directory.
const MAIL_DIR: &str = "mail";

/// What mail works with.
pub(super) struct MailParts {
    pub live: Arc<Live>,
    pub clock: Clock,
    pub log: TransferLog,
    pub log_dir: PathBuf,
    pub archive_dir: PathBuf,
    pub origin: String,
    pub ledger: Arc<dyn Ledger>,
    pub state: Directory,
    pub keyring: Keyring,
}

/// Both threads; they run until [`Mail::stop`].
pub(super) struct Mail {
    desk: Desk,
    post: Post,
}

impl Mail {
    /// Opens the outbox and starts.
    ///
    /// # Errors
    /// [`DaemonError`]: the outbox cannot be opened, or there is no thread.
    pub fn start(parts: MailParts) -> Result<Self, DaemonError> {
        let directory = parts.state.subdirectory(MAIL_DIR).map_err(DaemonError::State)?;
        let files = KeptFiles::new(directory.clone(), parts.keyring.clone());
        // Read once, at a start: a mail may wait longer than the key that it was sealed to.
        if let Err(error) = files.reseal(LONGEST_MAIL_BYTES) {
            tracing::warn!(error = &error as &dyn std::error::Error, "mails stay sealed to a replaced key");
        }
        let outbox = Arc::new(Outbox::open(directory, files, MOST_MAILS).map_err(DaemonError::State)?);
        let post = Post::start(outbox.clone(), parts.live.clone(), parts.log.clone(), parts.clock.clone())
            .map_err(DaemonError::Mail)?;
        let desk = Desk::start(parts, outbox).map_err(DaemonError::Mail)?;
        Ok(Self { desk, post })
    }

    /// Puts what happened so far in the outbox and ends. What is being handed over gets a moment; the rest waits for
    /// the next start. When the log failed, that is told first.
    pub fn stop(self, log_failed: bool) {
        self.desk.stop(log_failed);
        self.post.stop(log_failed);
    }
}

/// Mails that wait in the outbox of a state directory, for who only looks.
pub fn waiting_mails(state_dir: &std::path::Path) -> usize {
    let names = std::fs::read_dir(state_dir.join(MAIL_DIR)).into_iter().flatten().flatten();
    names.filter(|entry| entry.file_name().to_str().is_some_and(outbox::is_mail)).count()
}
