//! The thread that follows the log and writes mails.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use jiff::civil::Date;

use super::{
    MailParts,
    followed::Followed,
    letter::{self, Facts, Letter},
    news::{Audience, News},
    outbox::{MOST_CONDITIONS, Mark, Outbox, Queued, Recipient},
};
use crate::{
    config::{MailSettings, Settings},
    daemon::{
        disks::full_disks,
        inboxes::full_inboxes,
        kept::KeptError,
        needs::{endings, overdue, set_aside, unfetched},
    },
    domain::{TenantId, brussels_date, in_brussels},
    durable::DurableError,
    exchange::Tenants,
    ledger::LedgerError,
    transfer_log::LogError,
};

/// How often it looks whether there is more in the log.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// After a failure of the disk or of the ledger, how long it waits.
const AFTER_A_FAULT: Duration = Duration::from_mins(1);

/// Entries that it reads at once, and so news of one turn at most: some megabytes.
const MOST_ENTRIES: u64 = 20_000;

/// The hour in Brussels from which it looks at what time brings about: mail that is there when people begin to work.
const LOOK_FROM_HOUR: i8 = 7;

/// How often it looks at what is left of the disks and of inboxes, and for lists that were set aside: a burst of uploads
/// fills gigabytes in minutes.
const LOOK_AT_STATE_EVERY: Duration = Duration::from_mins(5);

/// So many days before something ends it is told, each once.
const TOLD_BEFORE_DAYS: [i32; 3] = [60, 30, 7];

/// The thread, until [`Desk::stop`].
pub(super) struct Desk {
    stop: mpsc::Sender<bool>,
    thread: JoinHandle<()>,
}

/// What the thread works with.
pub(super) struct Writer {
    parts: MailParts,
    outbox: Arc<Outbox>,
    mark: Mark,
    followed: Followed,
    news: BTreeMap<Audience, Vec<News>>,
    /// Since when there is something to end a turn for.
    since: Option<Instant>,
    not_before: Option<Instant>,
    state_looked: Option<Instant>,
}

/// Why a turn could not be ended; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeskError {
    #[error("the transfer log cannot be read")]
    Log(#[source] LogError),
    #[error("the ledger cannot be asked")]
    Ledger(#[source] LedgerError),
    #[error("a mail cannot be kept")]
    Mail(#[source] KeptError),
    #[error("how far mail has come cannot be kept")]
    Mark(#[source] DurableError),
}

impl Desk {
    /// Starts the thread.
    ///
    /// # Errors
    /// There is none for it.
    pub fn start(parts: MailParts, outbox: Arc<Outbox>) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("mail".to_owned()).spawn(move || {
            let mut writer = Writer::new(parts, outbox);
            loop {
                let stopping = match stopped.recv_timeout(LOOK_EVERY) {
                    Ok(log_failed) => Some(log_failed),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => Some(false),
                };
                writer.look(stopping.is_some());
                if let Some(log_failed) = stopping {
                    if log_failed {
                        writer.tell_failure();
                    }
                    return;
                }
            }
        })?;
        Ok(Self { stop, thread })
    }

    /// Puts what happened so far in the outbox and ends.
    pub fn stop(self, log_failed: bool) {
        // The thread hears it, or has ended already.
        let _ = self.stop.send(log_failed);
        if self.thread.join().is_err() {
            tracing::error!("writing mail panicked");
        }
    }
}

impl Writer {
    /// Goes on where the last start ended. The first time, what the log has already is nobody's news.
    pub fn new(parts: MailParts, outbox: Arc<Outbox>) -> Self {
        let mark = outbox.mark().unwrap_or_else(|| Mark {
            turn: 0,
            origin: parts.origin.clone(),
            size: parts.log.size(),
            looked: None,
            failure_told: None,
            disk_told: None,
            told: BTreeMap::new(),
        });
        let followed = Followed::from_mark(&mark, &parts);
        Self { parts, outbox, mark, followed, news: BTreeMap::new(), since: None, not_before: None, state_looked: None }
    }

    /// Reads on, and ends the turn when it is time.
    pub fn look(&mut self, stopping: bool) {
        if !stopping && self.not_before.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let settings = self.parts.live.settings();
        let outcome = self.read_on(&settings).and_then(|()| {
            let gather = settings.mail.as_ref().map_or(AFTER_A_FAULT, |mail| mail.gather);
            let is_over = self.since.is_some_and(|since| since.elapsed() >= gather);
            // A look ends the turn: what is being gathered is not torn apart by it.
            let is_due = self.since.is_none() || is_over;
            let looks = settings.mail.is_some() && is_due && self.is_time_to_look();
            let seen = if settings.mail.is_some() && is_due { self.conditions(&settings)? } else { Seen::default() };
            if is_over || looks || seen.changes(&self.mark) || (stopping && self.since.is_some()) {
                self.end_turn(&settings, looks, seen)
            } else {
                Ok(())
            }
        });
        if let Err(error) = outcome {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "no mail is written for a while");
            self.outbox.give_up_turn();
            // Read again from the mark: nothing is lost.
            self.followed.go_back(&self.mark);
            self.news.clear();
            self.since = None;
            self.not_before = Some(Instant::now() + AFTER_A_FAULT);
        }
    }

    fn read_on(&mut self, settings: &Settings) -> Result<(), DeskError> {
        let unread = self.followed.unread();
        if unread == 0 {
            return Ok(());
        }
        self.since.get_or_insert_with(Instant::now);
        if settings.mail.is_none() {
            // Nobody is to hear of this later, either.
            self.followed.pass_over_all();
            return Ok(());
        }
        match self.read_entries(usize::try_from(unread.min(MOST_ENTRIES)).unwrap_or(usize::MAX)) {
            Err(error) if !self.followed.gives_up(&error) => Err(DeskError::Log(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn read_entries(&mut self, count: usize) -> Result<(), LogError> {
        for entry in self.followed.entries()?.take(count) {
            let entry = entry?;
            self.followed.passed(entry.seq);
            for (audience, news) in News::of(&entry) {
                self.news.entry(audience).or_default().push(news);
            }
        }
        Ok(())
    }

    /// Writes the turn's mails and moves the mark, together.
    fn end_turn(&mut self, settings: &Settings, looks: bool, seen: Seen) -> Result<(), DeskError> {
        let (origin, size) = (self.followed.origin().to_owned(), self.followed.read());
        let mut mark = Mark { turn: self.mark.turn + 1, origin, size, ..self.mark.clone() };
        if let Some(mail) = &settings.mail {
            let mut news = self.news.clone();
            if seen.news.iter().any(|news| matches!(news, News::DiskNearlyFull(_))) {
                mark.disk_told = Some(brussels_date(self.parts.clock.now()));
            }
            mark.told = seen.told.unwrap_or(mark.told);
            if !seen.news.is_empty() {
                news.entry(Audience::Ops).or_default().extend(seen.news);
            }
            if looks {
                let today = brussels_date(self.parts.clock.now());
                for (audience, each) in self.daily(settings, mail, today)? {
                    news.entry(audience).or_default().push(each);
                }
                mark.looked = Some(today);
            }
            let contact = self.parts.live.contact();
            let facts = Facts { settings, ledger: self.parts.ledger.as_ref(), contact: &contact };
            for (audience, news) in news {
                let Some(addressed) = addressed(&audience, &news, mail, &facts)? else { continue };
                self.outbox.put(self.queued(mark.turn, addressed)).map_err(DeskError::Mail)?;
            }
        }
        self.outbox.end_turn(&mark).map_err(DeskError::Mark)?;
        self.mark = mark;
        self.news.clear();
        self.since = None;
        Ok(())
    }

    /// What is so now and was not told: disks that are nearly full once a day; of an inbox that is nearly full, and of a
    /// list that was set aside, that it came to it. What ended is told anew if it comes back, but not on the same day:
    /// whoever fills and empties an inbox fills nobody's mailbox.
    fn conditions(&mut self, settings: &Settings) -> Result<Seen, DeskError> {
        if self.state_looked.is_some_and(|at| at.elapsed() < LOOK_AT_STATE_EVERY) {
            return Ok(Seen::default());
        }
        self.state_looked = Some(Instant::now());
        let today = brussels_date(self.parts.clock.now());
        let mut seen = Seen::default();
        if self.mark.disk_told != Some(today) {
            seen.news.extend(full_disks(settings).into_iter().map(News::DiskNearlyFull));
        }
        let aside = set_aside(&settings.state_dir, self.parts.ledger.as_ref()).map_err(DeskError::Ledger)?;
        let aside = aside.into_iter().map(|aside| (format!("aside {}", aside.id), News::SetAside(aside)));
        let full = full_inboxes(settings).into_iter();
        let full = full.map(|inbox| (format!("inbox {}", inbox.tenant), News::InboxNearlyFull(inbox)));
        let mut told = self.mark.told.clone();
        told.retain(|_, day| *day == today);
        for (condition, news) in aside.chain(full).take(MOST_CONDITIONS) {
            if !self.mark.told.contains_key(&condition) {
                seen.news.push(news);
            }
            told.insert(condition, today);
        }
        seen.told = Some(told);
        Ok(seen)
    }

    fn queued(&self, turn: u64, addressed: Addressed<'_>) -> Queued {
        let Addressed { tenant, to, letter: Letter { topics, subject, body } } = addressed;
        let to = to.iter().map(|address| Recipient { address: address.clone(), in_flight: false }).collect();
        let id = format!("{:032x}", rand::random::<u128>());
        Queued { id, turn, tenant, topics, to, subject, body, written: self.parts.clock.now() }
    }

    /// The day of the last look. One in the future was of a clock that was wrong, and tells nothing: what that look
    /// told may have been too early, and what came about since was not looked at.
    fn looked(&self, today: Date) -> Option<Date> {
        self.mark.looked.filter(|looked| *looked <= today)
    }

    /// Whether the day's look is due: from the morning on, and at once when a day was missed or the last is in doubt.
    fn is_time_to_look(&self) -> bool {
        let now = in_brussels(self.parts.clock.now());
        self.looked(now.date()).is_none_or(|looked| {
            let yesterday = now.date().yesterday().unwrap_or(now.date());
            looked < yesterday || (looked < now.date() && now.hour() >= LOOK_FROM_HOUR)
        })
    }

    /// What came about by time alone since the last look.
    fn daily(&self, settings: &Settings, mail: &MailSettings, today: Date) -> Result<Vec<(Audience, News)>, DeskError> {
        let looked = self.looked(today);
        let mut found = Vec::new();
        for ending in endings(settings) {
            let days = days_until(today, ending.last_day);
            let before = looked.map(|looked| days_until(looked, ending.last_day));
            // Each threshold once: it was not reached at the last look.
            let reached = |at: &&i32| days <= **at && before.is_none_or(|before| before > **at);
            if days >= 0 && TOLD_BEFORE_DAYS.iter().any(|at| reached(&at)) {
                found.push((Audience::Ops, News::Ending { ending, days }));
            }
        }
        let ledger = self.parts.ledger.as_ref();
        for overdue in overdue(settings, ledger, today).map_err(DeskError::Ledger)? {
            // Told once, on the first look after the period.
            if looked.is_none_or(|looked| looked <= overdue.until) {
                found.push((Audience::Ops, News::Overdue(overdue)));
            }
        }
        let days = mail.unfetched_after_days;
        for unfetched in unfetched(settings, ledger, today, days).map_err(DeskError::Ledger)? {
            for row in unfetched.files {
                // Told once, on the day on which it has lain that long.
                let lain =
                    |day| days_until(brussels_date(row.created_at), day) >= i32::try_from(days).unwrap_or(i32::MAX);
                if looked.is_none_or(|looked| !lain(looked)) {
                    found.push((Audience::Tenant(unfetched.tenant.clone()), News::Unfetched(row)));
                }
            }
        }
        Ok(found)
    }

    /// Writes that the log failed, once a day however often the daemon is started again.
    fn tell_failure(&mut self) {
        let settings = self.parts.live.settings();
        let now = self.parts.clock.now();
        let day = brussels_date(now);
        let Some(mail) = settings.mail.as_ref().filter(|_| self.mark.failure_told != Some(day)) else { return };
        let contact = self.parts.live.contact();
        let facts = Facts { settings: &settings, ledger: self.parts.ledger.as_ref(), contact: &contact };
        let Ok(Some(letter)) = letter::to_ops(&[News::LogFailed { at: now }], &facts) else { return };
        let addressed = Addressed { tenant: None, to: &mail.ops, letter };
        self.outbox.put_urgent(self.queued(self.mark.turn, addressed));
        self.mark.failure_told = Some(day);
        if let Err(error) = self.outbox.end_turn(&self.mark) {
            tracing::error!(error = &error as &dyn std::error::Error, "that it was told is not kept");
        }
    }
}

/// What a look at disks, inboxes and lists found.
#[derive(Default)]
struct Seen {
    /// What nobody was told of.
    news: Vec<News>,
    /// What is told then, where there was a look.
    told: Option<BTreeMap<String, Date>>,
}

impl Seen {
    /// Whether there is something to tell or to remember.
    fn changes(&self, mark: &Mark) -> bool {
        !self.news.is_empty() || self.told.as_ref().is_some_and(|told| *told != mark.told)
    }
}

/// A letter with those whom it is for.
struct Addressed<'a> {
    tenant: Option<TenantId>,
    to: &'a [String],
    letter: Letter,
}

/// Makes a letter of news; none when there is nobody, or nothing to say.
fn addressed<'a>(
    audience: &Audience,
    news: &[News],
    mail: &'a MailSettings,
    facts: &Facts<'a>,
) -> Result<Option<Addressed<'a>>, DeskError> {
    let (tenant, to, letter) = match audience {
        Audience::Ops => (None, mail.ops.as_slice(), letter::to_ops(news, facts)),
        Audience::Tenant(id) => {
            let Some(tenant) = facts.settings.tenants.get(id) else { return Ok(None) };
            (Some(id.clone()), tenant.contacts.as_slice(), letter::to_tenant(tenant, news, facts))
        }
    };
    let letter = letter.map_err(DeskError::Ledger)?;
    Ok(letter.filter(|_| !to.is_empty()).map(|letter| Addressed { tenant, to, letter }))
}

/// Whole days from one day to another; negative when it is past.
fn days_until(from: Date, to: Date) -> i32 {
    from.until(to).map(|span| span.get_days()).unwrap_or_default()
}
