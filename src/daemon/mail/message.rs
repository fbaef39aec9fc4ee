//! A mail in the form of the internet: headers and an encoded body (RFC 5322, 2045, 3834).

use std::time::{Duration, SystemTime};

use lettre::{
    Address, Message,
    address::AddressError,
    message::{Mailbox, header},
};

use super::outbox::Queued;
use crate::transfer_log::MailTopic;

/// What the sender is called beside its address.
const SENDER: &str = "groeikluis";

/// Why a mail cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    /// An address that no mail can go to.
    #[error("an address of the configuration is none that mail can go to")]
    Address(#[source] AddressError),
    /// The rest.
    #[error("a mail cannot be written")]
    Message(#[source] lettre::error::Error),
}

/// Reads an address.
///
/// # Errors
/// [`MessageError::Address`]; the address is not in its text.
pub(super) fn address(text: &str) -> Result<Address, MessageError> {
    text.parse().map_err(MessageError::Address)
}

/// Writes a mail to those who have yet to get it.
///
/// # Errors
/// [`MessageError`].
pub(super) fn written(mail: &Queued, from: &str) -> Result<Vec<u8>, MessageError> {
    let from = address(from)?;
    let domain = from.domain().to_owned();
    let since_1970 = Duration::from_secs(u64::try_from(mail.written.as_second()).unwrap_or_default());
    let mut builder = Message::builder()
        .from(Mailbox::new(Some(SENDER.to_owned()), from))
        .subject(&mail.subject)
        .date(SystemTime::UNIX_EPOCH + since_1970)
        .message_id(Some(format!("<{}@{domain}>", mail.id)))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        // What Exchange wants to hear before it leaves out answers of absent people.
        .raw_header(raw("X-Auto-Response-Suppress", "All"))
        .raw_header(raw("List-Id", &format!("groeikluis <groeikluis.{domain}>")))
        .raw_header(raw("X-Groeikluis-Topics", &topics(&mail.topics)))
        .header(header::ContentType::TEXT_PLAIN);
    for recipient in &mail.to {
        builder = builder.to(Mailbox::new(None, address(&recipient.address)?));
    }
    let message = builder.body(mail.body.clone()).map_err(MessageError::Message)?;
    Ok(message.formatted())
}

fn raw(name: &'static str, value: &str) -> header::HeaderValue {
    header::HeaderValue::new(header::HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn topics(topics: &[MailTopic]) -> String {
    let names = topics.iter().map(|topic| match topic {
        MailTopic::Ready => "ready",
        MailTopic::Refused => "refused",
        MailTopic::Unfetched => "unfetched",
        MailTopic::Ending => "ending",
        MailTopic::Overdue => "overdue",
        MailTopic::Register => "register",
        MailTopic::Log => "log",
        MailTopic::Disk => "disk",
        MailTopic::Service => "service",
        MailTopic::Inbox => "inbox",
        MailTopic::Aside => "aside",
    });
    names.collect::<Vec<_>>().join(", ")
}
