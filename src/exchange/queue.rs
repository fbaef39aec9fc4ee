//! Work that waits: in order for each tenant, tenants beside one another.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    domain::TenantId,
    dropbox::{RefusedUpload, Submission},
};

/// Something to do for a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Answer a list.
    Answer {
        /// Which.
        submission: Submission,
        /// Whether no other list or run is under way meanwhile: the process may die of it.
        alone: bool,
        /// Whether it was set aside, since the disk does not give it back: its tenant's others go before it.
        aside: bool,
    },
    /// Take up what waits in a drop-box that could not be opened.
    TakeUp(TenantId),
    /// Tell a tenant more about an upload that was refused while it was written.
    Explain(RefusedUpload),
    /// Show deliveries that the log has.
    Show(Unshown),
}

/// Deliveries of one tenant that the log has and their tenant cannot fetch yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unshown {
    /// Whose.
    pub tenant: TenantId,
    /// The id of each, and the place of its entry in the log.
    pub deliveries: Vec<(String, u64)>,
}

impl Job {
    /// For whom.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Answer { submission, .. } => &submission.tenant,
            Self::Explain(refused) => &refused.submission.tenant,
            Self::Show(unshown) => &unshown.tenant,
            Self::TakeUp(tenant) => tenant,
        }
    }

    /// The submission that it is about, or the first delivery.
    pub fn about(&self) -> &str {
        match self {
            Self::Answer { submission, .. } => &submission.id,
            Self::Explain(refused) => &refused.submission.id,
            Self::Show(unshown) => unshown.deliveries.first().map_or("", |(id, _)| id),
            Self::TakeUp(tenant) => tenant.as_str(),
        }
    }

    /// What it is, for messages.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "upload",
            Self::Explain(_) => "explanation",
            Self::Show(_) => "delivery",
            Self::TakeUp(_) => "drop-box",
        }
    }

    /// Whether it waits for what stands before it in its tenant's line, and is waited for. What the log has already is
    /// shown as soon as it can be, and holds nobody up; nor does what the disk does not give back.
    fn is_in_line(&self) -> bool {
        !matches!(self, Self::Show(_) | Self::TakeUp(_) | Self::Answer { aside: true, .. })
    }

    /// Whether both are to answer the same list.
    fn is_list_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Answer { submission, .. }, Self::Answer { submission: of_other, .. }) => submission == of_other,
            _ => false,
        }
    }

    /// The same, to be tried without its tenant's others waiting for it.
    pub fn set_aside(self) -> Self {
        match self {
            Self::Answer { submission, alone, .. } => Self::Answer { submission, alone, aside: true },
            other => other,
        }
    }

    /// Whether no other list or run may be under way meanwhile; of lists, the queue sees to it.
    pub fn is_alone(&self) -> bool {
        matches!(self, Self::Answer { alone: true, .. })
    }
}

/// The queue. It holds names only: those of finished uploads, which the inboxes bound, of refused ones, which
/// [`super::refuse`] bounds, and of files in the staging directory, which the disk bounds.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

/// A tenant for whom nobody else works now.
pub(super) struct Reserved<'a> {
    queue: &'a Queue,
    tenant: TenantId,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.queue.finished(&self.tenant);
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Job, Option<Instant>)>,
    busy: HashSet<TenantId>,
    /// Those whose job is under way.
    working: HashSet<TenantId>,
    /// The one whose job is under way alone.
    alone: Option<TenantId>,
    /// When each tenant last had its turn, as a count of turns.
    turns: HashMap<TenantId, u64>,
    turn: u64,
    closed: bool,
}

/// How long a job that could not be done for a fault of this side waits for its next try.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long one waits whose tenant is in the configuration no more, or that the disk does not give back: a line in the
/// journal now and then, and soon enough when somebody has seen to it.
pub(super) const RETRY_SELDOM_AFTER: Duration = Duration::from_mins(10);

impl State {
    /// The place of the job that is to be done next; none when nothing may be begun now.
    fn next(&self, now: Instant) -> Option<usize> {
        if self.alone.is_some() {
            return None;
        }
        let mut passed = HashSet::new();
        let ready = self.waiting.iter().enumerate().filter(|(_, (job, not_before))| {
            // What stands before in a tenant's line goes first, also while it waits for its next try.
            let tenant = job.tenant();
            let first = !job.is_in_line() || passed.insert(tenant);
            first && !self.busy.contains(tenant) && not_before.is_none_or(|time| time <= now)
        });
        let ready: Vec<_> = ready.map(|(at, (job, _))| (at, job)).collect();
        if let Some((at, _)) = ready.iter().find(|(_, job)| job.is_alone()) {
            return self.working.is_empty().then_some(*at);
        }
        // Whose turn is longest ago: a tenant with a long line does not keep the others waiting.
        ready.into_iter().min_by_key(|(_, job)| self.turns.get(job.tenant())).map(|(at, _)| at)
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job last in line, to be done in its turn. A list that waits already keeps its place, and waits no longer for
    /// its next try.
    pub fn push(&self, job: Job) {
        let mut state = self.lock();
        match state.waiting.iter_mut().find(|(waiting, _)| waiting.is_list_of(&job)) {
            Some(waiting) => *waiting = (job, None),
            None => state.waiting.push_back((job, None)),
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Puts a job first in line, again or for the first time, to be tried after that time.
    pub fn push_later(&self, job: Job, after: Duration) {
        self.lock().waiting.push_front((job, Some(Instant::now() + after)));
        self.changed.notify_all();
    }

    /// Whatever waits for its next try is tried now.
    pub fn retry_now(&self) {
        for (_, not_before) in &mut self.lock().waiting {
            *not_before = None;
        }
        self.changed.notify_all();
    }

    /// The next job of a tenant that has none under way; waits for one, and gives none once the queue is closed. One that
    /// is to be done alone goes before all others, once what is under way has ended, and none is given beside it.
    pub fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let now = Instant::now();
            if let Some((job, _)) = state.next(now).and_then(|at| state.waiting.remove(at)) {
                let tenant = job.tenant().clone();
                state.turn += 1;
                let turn = state.turn;
                state.turns.insert(tenant.clone(), turn);
                state.busy.insert(tenant.clone());
                state.working.insert(tenant.clone());
                state.alone = job.is_alone().then_some(tenant);
                return Some(job);
            }
            // What could be tried by now waits for something that ends, and its end is told.
            let next_try =
                state.waiting.iter().filter_map(|(_, not_before)| *not_before).filter(|time| *time > now).min();
            state = match next_try {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(time) => {
                    let wait = time.saturating_duration_since(now).max(Duration::from_millis(1));
                    self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// A tenant ended, and another has its drop-box: what is to be explained or shown goes there. What is to be answered is
    /// forgotten, and for whoever finds it in the drop-box to take up.
    pub fn hand_over(&self, former: &TenantId, into: &TenantId) {
        let mut state = self.lock();
        state.waiting.retain(|(job, _)| match job {
            Job::Answer { .. } | Job::TakeUp(_) => job.tenant() != former,
            Job::Explain(_) | Job::Show(_) => true,
        });
        for (job, _) in &mut state.waiting {
            match job {
                Job::Explain(RefusedUpload { submission: Submission { tenant, .. }, .. })
                | Job::Show(Unshown { tenant, .. })
                    if tenant == former =>
                {
                    *tenant = into.clone();
                }
                Job::Explain(_) | Job::Show(_) | Job::Answer { .. } | Job::TakeUp(_) => {}
            }
        }
        state.turns.remove(former);
    }

    /// The job of that tenant that [`Queue::next`] gave is no longer under way.
    pub fn finished(&self, tenant: &TenantId) {
        let mut state = self.lock();
        state.busy.remove(tenant);
        state.working.remove(tenant);
        state.alone.take_if(|alone| alone == tenant);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until no job of a tenant is under way, and keeps others from beginning while the answer is held; none
    /// once the queue is closed.
    pub fn reserve(&self, tenant: &TenantId) -> Option<Reserved<'_>> {
        let mut state = self.lock();
        while state.busy.contains(tenant) && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return None;
        }
        state.busy.insert(tenant.clone());
        Some(Reserved { queue: self, tenant: tenant.clone() })
    }

    /// Nothing more is given out.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(tenant: &str, id: &str) -> Job {
        let submission = Submission { tenant: tenant.parse().unwrap(), id: id.to_owned() };
        Job::Answer { submission, alone: false, aside: false }
    }

    fn suspect(tenant: &str, id: &str) -> Job {
        match answer(tenant, id) {
            Job::Answer { submission, aside, .. } => Job::Answer { submission, alone: true, aside },
            other => other,
        }
    }

    fn next_id(queue: &Queue) -> String {
        queue.next().unwrap().about().to_owned()
    }

    #[test]
    fn a_tenants_submissions_stay_in_order_and_others_pass() {
        let queue = Queue::default();
        for (tenant, id) in [("bree", "1"), ("bree", "2"), ("lokeren", "3")] {
            queue.push(answer(tenant, id));
        }
        let first = queue.next().unwrap();
        assert_eq!(first.about(), "1");
        assert_eq!(next_id(&queue), "3");
        queue.push_later(first, RETRY_AFTER);
        queue.finished(&"bree".parse().unwrap());
        queue.retry_now();
        assert_eq!(next_id(&queue), "1");
        queue.finished(&"bree".parse().unwrap());
        assert_eq!(next_id(&queue), "2");
        queue.close();
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn a_list_that_is_taken_up_again_keeps_its_place_and_is_tried_at_once() {
        let queue = Queue::default();
        queue.push(answer("bree", "1"));
        queue.push(answer("bree", "2"));
        let first = queue.next().unwrap();
        queue.push_later(first, RETRY_SELDOM_AFTER);
        queue.finished(&"bree".parse().unwrap());
        queue.push(answer("bree", "1"));
        queue.push(answer("bree", "2"));
        assert_eq!(queue.len(), 2);
        assert_eq!(next_id(&queue), "1");
        queue.finished(&"bree".parse().unwrap());
        assert_eq!(next_id(&queue), "2");
    }

    #[test]
    fn what_was_set_aside_waits_for_its_next_try_and_its_tenants_others_do_not() {
        let queue = Queue::default();
        queue.push(answer("bree", "1"));
        queue.push(answer("bree", "2"));
        let first = queue.next().unwrap();
        queue.push_later(first.set_aside(), RETRY_SELDOM_AFTER);
        queue.finished(&"bree".parse().unwrap());
        assert_eq!(next_id(&queue), "2");
        queue.finished(&"bree".parse().unwrap());
        queue.retry_now();
        assert_eq!(next_id(&queue), "1");
    }

    #[test]
    fn what_the_log_has_waits_for_no_line_and_holds_none_up() {
        let queue = Queue::default();
        let bree: TenantId = "bree".parse().unwrap();
        let show = |id: &str| Job::Show(Unshown { tenant: bree.clone(), deliveries: vec![(id.to_owned(), 1)] });
        queue.push_later(answer("bree", "1"), RETRY_AFTER);
        queue.push(show("2"));
        assert_eq!(next_id(&queue), "2");
        queue.finished(&bree);
        queue.retry_now();
        queue.push_later(show("3"), RETRY_AFTER);
        assert_eq!(next_id(&queue), "1", "while the one before waits for its next try");
        // Where the tenant ends meanwhile, the delivery is for who has its drop-box.
        queue.finished(&bree);
        queue.hand_over(&bree, &"lokeren".parse().unwrap());
        queue.retry_now();
        let shown = queue.next().unwrap();
        assert_eq!((shown.about(), shown.tenant().as_str()), ("3", "lokeren"));
    }

    #[test]
    fn what_the_process_may_die_of_is_done_alone_and_first() {
        let queue = Queue::default();
        let (bree, lokeren): (TenantId, TenantId) = ("bree".parse().unwrap(), "lokeren".parse().unwrap());
        queue.push(answer("bree", "1"));
        assert_eq!(next_id(&queue), "1");
        queue.push(answer("gent", "2"));
        queue.push(suspect("lokeren", "3"));
        queue.push(suspect("mechelen", "4"));
        let now = Instant::now();
        assert_eq!(queue.lock().next(now), None, "something is under way");
        queue.finished(&bree);
        assert_eq!(next_id(&queue), "3");
        assert_eq!(queue.lock().next(now), None, "nothing is begun beside it");
        // While it waits for its next try, the others go on: the next that is suspected, and then whoever waits.
        queue.push_later(suspect("lokeren", "3"), RETRY_AFTER);
        queue.finished(&lokeren);
        assert_eq!(next_id(&queue), "4");
        queue.finished(&"mechelen".parse().unwrap());
        assert_eq!(next_id(&queue), "2");
        // Who waits for it to be done alone hears of what ends.
        queue.retry_now();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| next_id(&queue));
            queue.finished(&"gent".parse().unwrap());
            assert_eq!(waits.join().unwrap(), "3");
        });
    }

    #[test]
    fn a_reserved_tenant_waits_its_turn() {
        let queue = Queue::default();
        let bree: TenantId = "bree".parse().unwrap();
        queue.push(answer("bree", "1"));
        queue.push(answer("lokeren", "2"));
        let reserved = queue.reserve(&bree).unwrap();
        assert_eq!(next_id(&queue), "2");
        drop(reserved);
        assert_eq!(next_id(&queue), "1");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| queue.reserve(&bree).is_some());
            queue.finished(&bree);
            assert!(waits.join().unwrap());
        });
        queue.close();
        assert!(queue.reserve(&bree).is_none());
    }
}
