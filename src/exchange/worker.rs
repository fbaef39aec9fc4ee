//! The threads that answer, and what they do after a stop.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError, TryLockError},
    thread::JoinHandle,
};

use super::{
    ExchangeError, FingerprintKey, Registers,
    marks::{Marks, Standing},
    queue::{Job, Queue, RETRY_AFTER, RETRY_SELDOM_AFTER, Unshown},
    refuse::Explanations,
};
use crate::{
    domain::{Assignment, AssignmentId, Tenant, TenantId},
    dropbox::{Area, Boxes, RefusedUpload, Submission},
    durable::{Clock, Directory},
    ledger::{Ledger, SubmissionRow, SubmissionState},
    lists,
    seal::Keyring,
    transfer_log::{Actor, Context, Event, ListSetAside, Record, TransferLog},
};

/// Tenants as they are now.
pub trait Tenants: Send + Sync {
    /// The tenant of that name.
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>>;

    /// All tenants.
    fn all(&self) -> Vec<Arc<Tenant>>;

    /// The assignment of that name.
    fn assignment(&self, id: &AssignmentId) -> Option<Arc<Assignment>>;

    /// Bounds on a list.
    fn list_limits(&self) -> lists::Limits;

    /// Whom a tenant can turn to, as text in Dutch.
    fn contact(&self) -> String;

    /// How long a file may stay in an outbox where its ground does not say, days.
    fn outbox_days(&self) -> u32;

    /// How long an upload is kept after it was answered or refused, days.
    fn answered_uploads_days(&self) -> u32;
}

/// What the exchange works with.
pub struct ExchangeParts {
    /// The state directory, in which lists that are worked on are marked.
    pub state: Directory,
    /// The drop-boxes.
    pub boxes: Boxes,
    /// The log.
    pub log: TransferLog,
    /// Its index.
    pub ledger: Arc<dyn Ledger>,
    /// The clock.
    pub clock: Clock,
    /// Opens what municipalities seal.
    pub keyring: Keyring,
    /// Recognises lists.
    pub fingerprints: FingerprintKey,
    /// What lists are answered from.
    pub registers: Arc<Registers>,
    /// The tenants.
    pub tenants: Arc<dyn Tenants>,
}

/// The exchange. Cheap to clone.
#[derive(Clone)]
pub struct Exchange {
    pub(super) parts: Arc<ExchangeParts>,
    pub(super) queue: Arc<Queue>,
    /// Held by the one run of an assignment that is under way: a printer's file numbers are drawn by several.
    pub(super) runs: Arc<Mutex<()>>,
    explanations: Arc<Explanations>,
    pub(super) marks: Arc<Marks>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// Lists answered beside one another. An answer takes some 20 ms of one core and its memory is bounded by the size of
/// a list, so that more than this only waits for the same disk.
const WORKERS: usize = 2;

/// Why a list is not tried, in the log.
const PROCESS_DIED: &str = "process-died";

/// The same, where threads panicked over it.
const PANICKED: &str = "panicked";

/// The same, where others of its tenant are set aside.
const TENANT_SET_ASIDE: &str = "tenant-set-aside";

impl Exchange {
    /// Finishes what a stop left. Nothing is answered before [`Exchange::begin`]: a start that fails opens no list.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub fn open(parts: ExchangeParts) -> Result<Self, ExchangeError> {
        let marks = Marks::open(&parts.state).map_err(ExchangeError::Mark)?;
        let exchange = Self {
            marks: Arc::new(marks),
            parts: Arc::new(parts),
            queue: Arc::default(),
            runs: Arc::default(),
            explanations: Arc::default(),
            threads: Arc::default(),
        };
        exchange.recover()?;
        Ok(exchange)
    }

    /// Begins to answer.
    pub fn begin(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 0..WORKERS {
            let worker = self.clone();
            let thread = std::thread::Builder::new().name(format!("answer-{number}")).spawn(move || worker.work());
            match thread {
                Ok(thread) => threads.push(thread),
                Err(error) => tracing::error!(%error, "could not start a thread that answers"),
            }
        }
    }

    /// Publishes what the log knows and nobody sees yet, removes what it does not know, and takes up what waits. A fault
    /// with one drop-box keeps nothing of another: it is tried again later.
    fn recover(&self) -> Result<(), ExchangeError> {
        let parts = &self.parts;
        let mut unshown = HashSet::new();
        for delivery in parts.ledger.unavailable_deliveries().map_err(ExchangeError::Ledger)? {
            let job =
                Unshown { tenant: delivery.tenant, deliveries: vec![(delivery.id.clone(), delivery.created_seq)] };
            if self.or_later(self.publish(&job), Job::Show(job.clone()))?.is_none() {
                unshown.insert(delivery.id);
            }
        }
        self.forget_settled()?;
        if let Err(error) = parts.boxes.discard_staged(|id| unshown.contains(id)) {
            tracing::error!(error = &error as &dyn std::error::Error, "what was staged in vain is still on disk");
        }
        for tenant in parts.tenants.all().iter().filter(|tenant| tenant.kind.uploads()) {
            self.or_later(self.take_up(&tenant.id), Job::TakeUp(tenant.id.clone()))?;
        }
        Ok(())
    }

    /// Sets a job aside where a drop-box failed, to be tried again; any other fault is of everybody.
    fn or_later(&self, outcome: Result<(), ExchangeError>, job: Job) -> Result<Option<()>, ExchangeError> {
        match outcome {
            Err(error @ ExchangeError::DropBox(_)) => {
                let (tenant, about) = (job.tenant(), job.about());
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, %tenant, about, "{} waits", job.what());
                self.queue.push_later(job, RETRY_AFTER);
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    }

    /// Forgets what is known against lists that do not wait any more.
    fn forget_settled(&self) -> Result<(), ExchangeError> {
        for id in self.marks.suspects() {
            if self.waiting_row(&id)?.is_none() {
                self.marks.forget(&id);
            }
        }
        Ok(())
    }

    /// A submission that waits for its answer.
    pub(super) fn waiting_row(&self, id: &str) -> Result<Option<SubmissionRow>, ExchangeError> {
        let row = self.parts.ledger.submission(id).map_err(ExchangeError::Ledger)?;
        Ok(row.filter(|row| row.state == SubmissionState::Waiting))
    }

    /// Takes up a finished upload; not one that the process died of or panicked over too often, and none of a tenant of whose
    /// lists it died.
    pub fn submit(&self, submission: Submission) {
        let (tenant, id) = (&submission.tenant, submission.id.as_str());
        let standing = self.standing(&submission);
        let help = || format!("`groeikluis tenant retry {tenant}` tries it again");
        let noted = match standing {
            Standing::Clear => Ok(()),
            Standing::Suspect => {
                let about = "the process died over this list, or another of its tenant: it is tried alone";
                tracing::warn!(%tenant, submission = id, "{about}");
                self.marks.suspect(id).map_err(ExchangeError::Mark)
            }
            Standing::SetAside => {
                let reason = if self.marks.has_panicked(id) { PANICKED } else { PROCESS_DIED };
                let about = "work on this list broke off again: it is set aside";
                tracing::error!(%tenant, submission = id, help = help(), "{about}");
                self.tell_set_aside(&submission, reason)
            }
            Standing::Parked => {
                let about = "the process died over other lists of this tenant: this one is not tried";
                tracing::error!(%tenant, submission = id, help = help(), "{about}");
                let parked = self.marks.park(id).map_err(ExchangeError::Mark);
                parked.and_then(|()| self.tell_set_aside(&submission, TENANT_SET_ASIDE))
            }
        };
        if let Err(error) = noted {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, %tenant, submission = id, "what is known against a list could not be kept");
        }
        match standing {
            Standing::Clear => self.queue.push(Job::Answer { submission, alone: false, aside: false }),
            Standing::Suspect => self.queue.push(Job::Answer { submission, alone: true, aside: false }),
            Standing::SetAside | Standing::Parked => {}
        }
    }

    /// How a list stands, with what is known against others of its tenant.
    fn standing(&self, submission: &Submission) -> Standing {
        let mut others = 0;
        for id in self.marks.deadly().into_iter().filter(|id| *id != submission.id) {
            match self.waiting_row(&id) {
                Ok(row) => others += usize::from(row.is_some_and(|row| row.tenant == submission.tenant)),
                Err(error) => {
                    // As if it were this tenant's: the list is tried all the same, alone at worst.
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, tenant = %submission.tenant, "nobody knows what else the process died over");
                    return self.marks.standing(&submission.id, 1);
                }
            }
        }
        self.marks.standing(&submission.id, others)
    }

    /// Tells the log that a list is not tried, unless it has that already.
    fn tell_set_aside(&self, submission: &Submission, reason: &'static str) -> Result<(), ExchangeError> {
        let Some(deaths) = self.marks.untold(&submission.id) else { return Ok(()) };
        let context = Context {
            tenant: Some(submission.tenant.clone()),
            correlation: Some(submission.id.clone()),
            ..Context::of(Actor::Daemon)
        };
        let record = Record::failure(Event::ListSetAside(ListSetAside { deaths }), reason, context);
        self.parts.log.append(vec![record]).map_err(ExchangeError::Log)?;
        self.marks.told(&submission.id).map_err(ExchangeError::Mark)
    }

    /// Tells a tenant more about an upload that was refused while it was written, some times a day.
    pub fn explain(&self, refused: RefusedUpload) {
        if self.explanations.allow(&refused.submission.tenant, self.parts.clock.today()) {
            self.queue.push(Job::Explain(refused));
        }
    }

    /// Lists that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What waits for a register, or for a fault to pass, is tried now.
    pub fn retry_now(&self) {
        self.queue.retry_now();
    }

    /// The process was told to stop, and [`Exchange::stop`] follows: what ends it from now on is nothing that it died of.
    pub fn closing(&self) {
        if let Err(error) = self.marks.closing() {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "a kill while the daemon stops will count against the lists that are worked on");
        }
    }

    /// Ends: what is under way is finished, what waits stays for the next start.
    pub fn stop(&self) {
        self.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread that answers ended by a panic");
            }
        }
    }

    fn work(&self) {
        while let Some(job) = self.queue.next() {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.process(&job)));
            let (tenant, about) = (job.tenant(), job.about());
            let (mut retry_after, mut is_aside, mut is_given_up) = (RETRY_AFTER, false, false);
            let done = match outcome {
                Ok(Ok(())) => true,
                Ok(Err(error @ ExchangeError::TenantGone(_))) => {
                    // Its tenant may come back; until then there is nothing to try, and retention removes it one day.
                    retry_after = RETRY_SELDOM_AFTER;
                    tracing::warn!(%error, about, "upload waits");
                    false
                }
                Ok(Err(error @ ExchangeError::RunUnderWay)) => {
                    tracing::info!(%error, %tenant, about, "upload waits");
                    false
                }
                Ok(Err(error @ ExchangeError::NoRegister)) => {
                    tracing::warn!(%error, %tenant, about, "upload waits");
                    false
                }
                Ok(Err(error @ ExchangeError::Stored(_))) => {
                    (retry_after, is_aside) = (RETRY_SELDOM_AFTER, true);
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, %tenant, about, "upload is set aside: what is stored of it is damaged");
                    false
                }
                Ok(Err(error)) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, %tenant, about, "{} waits", job.what());
                    false
                }
                Err(_) => {
                    tracing::error!(%tenant, about, "{} ended by a panic", job.what());
                    is_given_up = self.is_given_up(&job);
                    false
                }
            };
            if !done {
                if let Job::Answer { submission, .. } = &job
                    && let Err(error) = self.parts.boxes.give_back(submission)
                {
                    tracing::error!(error = &error as &dyn std::error::Error, "could not give an upload back");
                }
                match job.clone() {
                    // Which enters in the log that it is set aside.
                    Job::Answer { submission, .. } if is_given_up => self.submit(submission),
                    again if is_aside => self.queue.push_later(again.set_aside(), retry_after),
                    again => self.queue.push_later(again, retry_after),
                }
            }
            self.queue.finished(job.tenant());
        }
    }

    /// Notes that a thread panicked over a job; whether it is a list that is not to be tried again.
    fn is_given_up(&self, job: &Job) -> bool {
        let Job::Answer { submission, .. } = job else { return false };
        self.marks.panicked(&submission.id).unwrap_or_else(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, submission = submission.id, "that a list panicked could not be kept");
            false
        })
    }

    fn process(&self, job: &Job) -> Result<(), ExchangeError> {
        let submission = match job {
            Job::Explain(refused) => return self.refuse_upload(refused),
            Job::Show(unshown) => return self.publish(unshown),
            Job::TakeUp(tenant) => return self.take_up(tenant),
            Job::Answer { submission, .. } => submission,
        };
        // Without waiting for it: a run waits for the tenants that it is for, and this may be one.
        let _no_run = match job.is_alone().then(|| self.runs.try_lock()) {
            Some(Err(TryLockError::WouldBlock)) => return Err(ExchangeError::RunUnderWay),
            Some(Err(TryLockError::Poisoned(lock))) => Some(lock.into_inner()),
            Some(Ok(lock)) => Some(lock),
            None => None,
        };
        let parts = &self.parts;
        let row = parts.ledger.submission(&submission.id).map_err(ExchangeError::Ledger)?;
        let state = row.map(|row| row.state);
        let is_waiting = state == Some(SubmissionState::Waiting);
        if state == Some(SubmissionState::Unfinished) {
            // Its tenant gave it a temporary name again, and has it: it comes back once it is finished.
            return Ok(());
        }
        if is_waiting || state.is_none() {
            let area = parts.boxes.area_of(submission).map_err(ExchangeError::DropBox)?;
            // Without one it would not be opened either. It is not taken: its tenant may go on renaming it.
            if area == Some(Area::Live) && parts.registers.live().is_none() {
                return Err(ExchangeError::NoRegister);
            }
            let Some(received) = parts.boxes.take(submission).map_err(ExchangeError::DropBox)? else {
                // Of one that waits, its tenant is renaming the file: it comes back under its new name.
                if !is_waiting {
                    self.marks.forget(&submission.id);
                }
                return Ok(());
            };
            let at_work = self.marks.begin(&submission.id).map_err(ExchangeError::Mark)?;
            self.settle(&received)?;
            at_work.settled();
        } else {
            self.marks.forget(&submission.id);
        }
        parts.boxes.done(submission).map_err(ExchangeError::DropBox)
    }
}
