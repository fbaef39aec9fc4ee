//! The thread that hands mails to the server.

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{runtime::Runtime, sync::watch};

use super::{
    outbox::{Outbox, Queued},
    smtp::{self, Handed, Open, SmtpError},
};
use crate::{
    config::MailSettings,
    daemon::live::Live,
    durable::Clock,
    transfer_log::{Actor, Context, Event, MailSent, Outcome, Record, TransferLog},
};

/// How long the first wait after a failure is; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// How long at most: a server that is back is found within minutes.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// Until when a mail is tried: what it tells is old then (RFC 5321, section 4.5.4.1, asks for four to five days).
const GIVE_UP_AFTER: Duration = Duration::from_hours(5 * 24);

/// How long a start leaves the system's clock to be set before anything is too old: at boot it may be far off.
const CLOCK_IS_SET_WITHIN: Duration = Duration::from_hours(1);

/// How often it looks whether it is to end while nothing waits.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a mail that is being handed over, or that tells of a failed log, may take when the daemon ends.
const AT_THE_END: Duration = Duration::from_secs(5);

/// The thread, until [`Post::stop`].
pub(super) struct Post {
    outbox: Arc<Outbox>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    round: Arc<Round>,
}

/// What a round of handing over works with.
struct Round {
    outbox: Arc<Outbox>,
    live: Arc<Live>,
    log: TransferLog,
    clock: Clock,
    /// When it began, by the clock and by a clock that nobody sets.
    began: (Timestamp, Instant),
    runtime: Runtime,
    stopping: watch::Receiver<bool>,
}

/// What time it may be, by clocks that may disagree.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// By the system's clock, which may have jumped since the start.
    told: Timestamp,
    /// As the system's clock told at the start, and counted on from there; it may have been set since.
    counted: Timestamp,
    /// How long ago the start was.
    up: Duration,
}

impl Times {
    /// Whether a mail is too old whichever clock is right. One whose age cannot be told is not.
    fn is_too_old(self, written: Timestamp) -> bool {
        let age = self.told.min(self.counted).duration_since(written);
        self.up >= CLOCK_IS_SET_WITHIN && Duration::try_from(age).is_ok_and(|age| age > GIVE_UP_AFTER)
    }
}

impl Post {
    /// Starts the thread.
    ///
    /// # Errors
    /// There is none for it.
    pub fn start(outbox: Arc<Outbox>, live: Arc<Live>, log: TransferLog, clock: Clock) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopping) = watch::channel(false);
        let began = (clock.now(), Instant::now());
        let round = Arc::new(Round { outbox: outbox.clone(), live, log, clock, began, runtime, stopping });
        let own = round.clone();
        let thread = std::thread::Builder::new().name("post".to_owned()).spawn(move || own.run())?;
        Ok(Self { outbox, stop, thread, round })
    }

    /// Ends it. With `last` it tries once to hand over what waits.
    pub fn stop(self, last: bool) {
        self.stop.send_replace(true);
        self.outbox.end();
        if self.thread.join().is_err() {
            tracing::error!("handing over mail panicked");
        }
        if last {
            self.round.last();
        }
    }
}

impl Round {
    fn run(&self) {
        let mut wait = FIRST_WAIT;
        while !*self.stopping.borrow() {
            let Some((mail, attempts)) = self.outbox.next(LOOK_EVERY) else { continue };
            // Without a server it waits until there is one in the configuration.
            let settings = self.live.settings();
            let Some(server) = &settings.mail else {
                self.pause(LOOK_EVERY);
                continue;
            };
            match self.try_one(server, mail, attempts) {
                Ok(()) => wait = FIRST_WAIT,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, seconds = wait.as_secs(), "mail waits: it is tried again");
                    self.pause(wait);
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Tries what waits once more, for a moment.
    fn last(&self) {
        let settings = self.live.settings();
        let (Some(server), Some(mut mail)) = (&settings.mail, self.outbox.urgent()) else { return };
        let handed = self.runtime.block_on(async {
            let handing = async {
                let open = smtp::open(server, &mail).await?;
                for recipient in &mut mail.to {
                    recipient.in_flight = open.accepted.contains(&recipient.address);
                }
                // The disk may be what failed; that this is told matters more than that it is told once.
                let _ = self.outbox.begin(mail.clone());
                Ok(if open.accepted.is_empty() { Handed::Refused } else { open.hand_over().await })
            };
            tokio::time::timeout(AT_THE_END, handing).await
        });
        let told = matches!(handed, Ok(Ok::<_, SmtpError>(Handed::Taken)));
        tracing::error!(told, "those who run the exchange were to hear that the log failed");
        if told {
            // Told, and so told no more; if the disk does not take that, it says at least that it was begun.
            let _ = self.outbox.keep(Queued { to: Vec::new(), ..mail }, 0, None);
        }
    }

    /// Hands one mail over, as far as the server goes along. An error is the server's, and concerns every mail.
    fn try_one(&self, server: &MailSettings, mut mail: Queued, attempts: u32) -> Result<(), SmtpError> {
        // What an earlier start began to hand over was perhaps taken: it counts as sent.
        let begun = count(&mail, |recipient| recipient.in_flight);
        if begun > 0 {
            self.account(&mail, begun, Outcome::Unknown, Some("cut-off"));
            mail.to.retain(|recipient| !recipient.in_flight);
            self.keep(mail, attempts, None);
            return Ok(());
        }
        if self.times().is_too_old(mail.written) {
            self.drop_all(mail, "too-old");
            return Ok(());
        }
        let mut stopping = self.stopping.clone();
        let opened = self.runtime.block_on(async {
            tokio::select! {
                opened = smtp::open(server, &mail) => Some(opened),
                _ = stopping.wait_for(|stop| *stop) => None,
            }
        });
        match opened {
            // The daemon ends; the next start tries.
            None => Ok(()),
            Some(Err(error)) if error.is_final() => {
                tracing::error!(error = &error as &dyn std::error::Error, mail = mail.id, "a mail is dropped");
                self.drop_all(mail, "refused");
                Ok(())
            }
            Some(Err(error)) => Err(error),
            Some(Ok(open)) => {
                self.hand_over(open, mail, attempts);
                Ok(())
            }
        }
    }

    fn hand_over(&self, open: Open, mut mail: Queued, attempts: u32) {
        if !open.refused.is_empty() {
            let codes: Vec<u16> = open.refused.iter().map(|(_, code)| *code).collect();
            tracing::error!(mail = mail.id, ?codes, "the mail server refuses addresses of the configuration");
            mail.to.retain(|recipient| !open.refused.iter().any(|(address, _)| *address == recipient.address));
        }
        for recipient in &mut mail.to {
            recipient.in_flight = open.accepted.contains(&recipient.address);
        }
        let accepted = open.accepted.len();
        if let Err(error) = self.outbox.begin(mail.clone()) {
            // Not noted, not handed over: else it could be sent twice.
            tracing::error!(error = &error as &dyn std::error::Error, "mail waits, since the disk does not take it");
            self.pause(LONGEST_WAIT);
            return;
        }
        if !open.refused.is_empty() {
            self.account(&mail, open.refused.len(), Outcome::Failure, Some("address-refused"));
        }
        if accepted > 0 {
            match self.runtime.block_on(self.end_of(open)) {
                Handed::Taken => self.account(&mail, accepted, Outcome::Success, None),
                Handed::Refused => self.account(&mail, accepted, Outcome::Failure, Some("refused")),
                Handed::Unknown => self.account(&mail, accepted, Outcome::Unknown, Some("no-answer")),
                Handed::Later => {
                    mail.to.iter_mut().for_each(|recipient| recipient.in_flight = false);
                }
            }
            mail.to.retain(|recipient| !recipient.in_flight);
        }
        let wait = FIRST_WAIT.saturating_mul(1 << attempts.min(16)).min(LONGEST_WAIT);
        self.keep(mail, attempts + 1, Some(Instant::now() + wait));
    }

    /// Hands over; when the daemon ends meanwhile, the server has a moment left to answer.
    async fn end_of(&self, open: Open) -> Handed {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            handed = open.hand_over() => handed,
            () = async {
                // The sender is gone only when the daemon is.
                let _ = stopping.wait_for(|stop| *stop).await;
                tokio::time::sleep(AT_THE_END).await;
            } => Handed::Unknown,
        }
    }

    fn drop_all(&self, mut mail: Queued, why: &'static str) {
        self.account(&mail, mail.to.len(), Outcome::Failure, Some(why));
        mail.to.clear();
        self.keep(mail, 0, None);
    }

    fn keep(&self, mail: Queued, attempts: u32, not_before: Option<Instant>) {
        if let Err(error) = self.outbox.keep(mail, attempts, not_before) {
            // What is on disk says less than what was done, never more: nothing is sent twice.
            tracing::error!(error = &error as &dyn std::error::Error, "the outbox cannot be written");
        }
    }

    /// Enters what became of a mail in both logs, without addresses.
    fn account(&self, mail: &Queued, recipients: usize, outcome: Outcome, reason: Option<&'static str>) {
        let tenant = mail.tenant.as_ref().map(ToString::to_string).unwrap_or_default();
        let topics = &mail.topics;
        tracing::info!(mail = mail.id, tenant, ?topics, recipients, %outcome, reason, "mail");
        let event = MailSent { mail: mail.id.clone(), topics: mail.topics.clone(), recipients: recipients as u64 };
        let context = Context { tenant: mail.tenant.clone(), ..Context::of(Actor::Daemon) };
        let record = Record { event: Event::MailSent(event), outcome, reason, context, disclosed: Vec::new() };
        if let Err(error) = self.log.append(vec![record]) {
            tracing::error!(error = &error as &dyn std::error::Error, mail = mail.id, "a mail is not in the log");
        }
    }

    fn times(&self) -> Times {
        let (at, since) = self.began;
        let up = since.elapsed();
        Times { told: self.clock.now(), counted: at.saturating_add(up).unwrap_or(at), up }
    }

    fn pause(&self, wait: Duration) {
        let mut stopping = self.stopping.clone();
        self.runtime.block_on(async {
            // Either way it is over.
            let _ = tokio::time::timeout(wait, stopping.wait_for(|stop| *stop)).await;
        });
    }
}

fn count(mail: &Queued, which: impl Fn(&super::outbox::Recipient) -> bool) -> usize {
    mail.to.iter().filter(|recipient| which(recipient)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_too_old_only_when_every_clock_says_so() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (written, soon, late) =
            (at("2026-11-22T09:00:00Z"), at("2026-11-22T12:00:00Z"), at("2026-11-28T09:00:00Z"));
        let hours = Duration::from_hours;
        let is_too_old = |told, counted, up| Times { told, counted, up }.is_too_old(written);
        assert!(is_too_old(late, late, hours(1)));
        assert!(!is_too_old(late, soon, hours(3)), "the clock jumped ahead");
        assert!(!is_too_old(soon, late, hours(3)), "the clock was ahead at the start and was set since");
        assert!(!is_too_old(late, late, hours(0)), "the clock may still be ahead");
        let before = at("2025-01-01T00:00:00Z");
        assert!(!is_too_old(before, before, hours(3)), "written in the future");
    }
}
