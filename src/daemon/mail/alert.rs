//! A mail that needs no running daemon: that the service failed, or was refused at its start.
//!
//! It goes to those who run the exchange, at once and in a connection of its own: the outbox is the daemon's. It is not in
//! the transfer log, which may be what failed.

use std::error::Error;

use super::{
    outbox::{Queued, Recipient},
    phrases::Phrases,
    smtp::{self, Handed, SmtpError},
};
use crate::{
    config::{Fault, Language, MailSettings},
    daemon::DaemonError,
    documents::{line, paragraph},
    durable::Clock,
    transfer_log::MailTopic,
};

/// Faults of the configuration that a mail shows at most; `check` shows them all.
const MOST_FAULTS: usize = 20;

/// The exchange itself, and what is done once a day: units of which it is known what their failure means.
const SERVICE: &str = "groeikluis.service";
const DAILY: &str = "groeikluis-daily.service";

/// What is told.
#[derive(Debug, Clone)]
pub struct Alert<'a> {
    /// The unit that failed.
    pub unit: &'a str,
    /// How it ended, as systemd says it: a result, a code and a status.
    pub ended: &'a str,
    /// What the configuration is at fault in now.
    pub faults: &'a [Fault],
}

/// Tells those who run the exchange. Gives how many the server took the mail for.
///
/// # Errors
/// [`DaemonError::Alert`].
pub fn alert_operators(
    mail: &MailSettings,
    language: Language,
    alert: &Alert<'_>,
    clock: &Clock,
) -> Result<usize, DaemonError> {
    let failed = |error: Box<dyn Error + Send + Sync>| DaemonError::Alert(error);
    let (subject, body) = text(Phrases(language), alert, clock);
    let queued = Queued {
        id: format!("{:032x}", rand::random::<u128>()),
        turn: 0,
        tenant: None,
        topics: vec![MailTopic::Service],
        to: mail.ops.iter().map(|address| Recipient { address: address.clone(), in_flight: false }).collect(),
        subject,
        body,
        written: clock.now(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| failed(e.into()))?;
    let handed = runtime.block_on(async {
        let open = smtp::open(mail, &queued).await?;
        let accepted = open.accepted.len();
        let handed = if accepted == 0 { Handed::Refused } else { open.hand_over().await };
        Ok::<_, SmtpError>((handed, accepted))
    });
    match handed.map_err(|error| failed(error.into()))? {
        (Handed::Taken, accepted) => Ok(accepted),
        (Handed::Refused | Handed::Later | Handed::Unknown, _) => Err(failed("the mail server did not take it".into())),
    }
}

/// Whether the certificates that the mail server's is checked against can be used.
///
/// # Errors
/// [`DaemonError::Alert`]: they cannot be read, or are none.
pub fn check_certificates(mail: &MailSettings) -> Result<(), DaemonError> {
    smtp::certificates(mail).map(|_| ()).map_err(|error| DaemonError::Alert(error.into()))
}

fn text(phrases: Phrases, alert: &Alert<'_>, clock: &Clock) -> (String, String) {
    let Alert { unit, ended, faults } = alert;
    let mut body = String::new();
    let at = phrases.moment(clock.now());
    let what = phrases.pick("is gestopt door een fout, of kon niet starten", "ended by a fault, or could not start");
    paragraph(&mut body, "", 0, &format!("{at}: {unit} {what} ({ended})."));
    if !faults.is_empty() {
        line(&mut body, "");
        line(&mut body, phrases.pick("De configuratie is niet in orde:", "The configuration is at fault:"));
        line(&mut body, "");
        for fault in faults.iter().take(MOST_FAULTS) {
            paragraph(&mut body, "- ", 2, &fault.to_string());
        }
        if let Some(more) = faults.len().checked_sub(MOST_FAULTS).filter(|more| *more > 0) {
            line(&mut body, &format!("- {} {more}", phrases.pick("en nog andere:", "and others:")));
        }
    }
    line(&mut body, "");
    let check = phrases.pick("controleer de configuratie met", "check the configuration with");
    let to_do = to_do(phrases, unit);
    paragraph(&mut body, "", 0, &format!("{to_do} (journalctl -u {unit}); {check} `groeikluis check`."));
    line(&mut body, "");
    line(&mut body, "-- ");
    line(
        &mut body,
        phrases.pick(
            "Dit bericht is automatisch verstuurd en bevat geen persoonsgegevens.",
            "This message was sent automatically and holds no personal data.",
        ),
    );
    let became = match *unit {
        SERVICE => phrases.pick("loopt niet", "does not run"),
        _ => phrases.pick("is mislukt", "failed"),
    };
    (format!("groeikluis: {unit} {became}"), body)
}

/// What it means that a unit failed, and where to look.
fn to_do(phrases: Phrases, unit: &str) -> &'static str {
    match unit {
        SERVICE => phrases.pick(
            "Zolang de dienst niet loopt, kan geen bestuur aanmelden; wat ontvangen was, blijft bewaard. Kijk na wat de \
             dienst meldde",
            "While the service does not run, no local authority can log in; what was received is kept. See what the \
             service reported",
        ),
        DAILY => phrases.pick(
            "Het dagelijkse werk is niet klaar: het wissen van wat lang genoeg bewaard is, of het auditverslag. De \
             uitwisseling zelf loopt hier los van. Kijk na wat deze eenheid meldde",
            "The work of the day is not done: the removal of what was kept long enough, or the audit report. The exchange \
             itself runs apart from this. See what this unit reported",
        ),
        _ => phrases.pick("Kijk na wat deze eenheid meldde", "See what this unit reported"),
    }
}
