//! Which lists are being worked on, so that a start knows what the process before it may have died of.
//!
//! A list that ends the process (out of memory, an abort, a stack that ran full) would be taken up again by each start, and
//! one file would stop the service for everybody. So a mark stands for each list while it is worked on, in
//! `state_dir/at-work`, and goes when the list is answered or refused. A start that finds one tries that list again with
//! no other list or run beside it, so that whoever was only near it is answered; and not any more when the process died
//! over it [`MOST_DEATHS`] times: then it is set aside, for those who run the exchange to look at.
//!
//! systemd counts the ends of the service, whoever is at their cause, and gives it up after some. So they are counted for
//! each tenant as well: once a list of a tenant is set aside, each other list of it is tried alone and sets itself aside by
//! its first death; once [`MOST_SET_ASIDE`] are, none of its lists is tried, whichever it sends: they are parked.
//!
//! - A mark is there before the list is opened, and none is opened without one.
//! - It is written without a synchronisation, so that no list waits for the disk because of it: what dies is the process,
//!   and the kernel still has what was written. After a power cut a mark may be missing, and the list is tried as any other;
//!   or one is there that was removed, and it goes since the ledger says that the list is settled.
//! - A stop in order, a fault that the process outlives, and a panic that is caught are no deaths. Nor is any end after the
//!   process was told to stop: whoever kills it then does so since it took too long.
//! - Panics are counted apart, and the list is set aside by [`MOST_PANICS`] as well, so that it keeps its tenant's line no
//!   longer. They end nothing of anybody else: no other list is parked because of them.
//! - A mark holds the id of a submission and counts, and nothing that its sender wrote.

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::durable::{Directory, DurableError};

/// Deaths over a list after which it is not tried again by itself. The first may have been over what was beside it; at the
/// second it was alone. A third would tell nothing new, and systemd gives a service up that ends too often
/// (`StartLimitBurst=`).
pub const MOST_DEATHS: u32 = 2;

/// Panics over a list after which it is not tried again by itself: the same bytes panic again.
pub const MOST_PANICS: u32 = 2;

/// Lists of one tenant over which the process died too often, from which on its others are not tried. The first costs two ends of the service,
/// and each after it one: three for a tenant, where systemd allows ten.
pub const MOST_SET_ASIDE: usize = 2;

/// The directory of the marks below the state directory.
const MARKS_DIR: &str = "at-work";

/// A mark at most, bytes: a count and a flag.
const LONGEST_MARK_BYTES: u64 = 256;

/// Stands among the marks from when the process was told to stop. No id begins like that.
const CLOSING: &str = ".closing";

/// What a mark says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// How often the process died while the list was worked on, and it was not settled since.
    deaths: u32,
    /// How often a thread panicked while the list was worked on, and it was not settled since.
    #[serde(default)]
    panics: u32,
    /// Whether it is worked on.
    at_work: bool,
    /// Whether it is not tried because of others of its tenant.
    #[serde(default)]
    parked: bool,
    /// Whether the transfer log has that it is not tried.
    #[serde(default)]
    told: bool,
}

impl Mark {
    /// What a mark means that holds something else: the process died while it was written.
    const UNREADABLE: Self = Self { deaths: 0, panics: 0, at_work: true, parked: false, told: false };

    fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or(Self::UNREADABLE)
    }

    /// What it comes to when the process is gone, which died or was ending.
    fn after_the_end(self, died: bool) -> Self {
        let deaths = self.deaths.saturating_add(u32::from(self.at_work && died));
        Self { deaths, at_work: false, ..self }
    }

    fn is_deadly(self) -> bool {
        self.deaths >= MOST_DEATHS
    }

    fn is_set_aside(self) -> bool {
        self.is_deadly() || self.panics >= MOST_PANICS
    }

    /// Whether it is to be known over the next try.
    fn stays(self) -> bool {
        self.deaths > 0 || self.panics > 0
    }

    fn bytes(self) -> Vec<u8> {
        serde_json::to_vec(&self).unwrap_or_default()
    }
}

/// How a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing died over it.
    Clear,
    /// The process died while it was worked on, once, or over another of its tenant: it is tried with no other list or run
    /// beside it.
    Suspect,
    /// It is not tried again by itself.
    SetAside,
    /// It is not tried, since too many others of its tenant are set aside.
    Parked,
}

/// A list that is not tried by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The submission's id.
    pub id: String,
    /// Whether nothing died over it, but over others of its tenant.
    pub parked: bool,
}

/// The marks of this process, and those that earlier ones left.
pub(super) struct Marks {
    directory: Directory,
    /// What is known against lists, none of which is worked on by this.
    known: Mutex<BTreeMap<String, Mark>>,
}

/// A list is worked on until this is dropped.
pub(super) struct AtWork<'a> {
    marks: &'a Marks,
    id: &'a str,
    is_settled: bool,
}

impl Marks {
    /// Opens the marks, and counts what the process before this one died over.
    pub fn open(state: &Directory) -> Result<Self, DurableError> {
        let directory = state.subdirectory(MARKS_DIR)?;
        let died = !directory.contains(CLOSING);
        let mut known = BTreeMap::new();
        for id in directory.names()?.into_iter().filter(|id| id != CLOSING) {
            // What was being replaced when the process died.
            if id.starts_with('.') {
                directory.remove_if_there(&id)?;
                continue;
            }
            let before = read(&directory, &id)?;
            let mark = before.after_the_end(died);
            if mark != before {
                directory.write(&id, &mark.bytes())?;
            }
            known.insert(id, mark);
        }
        // Last, since a start may end here as well.
        directory.remove_if_there(CLOSING)?;
        Ok(Self { directory, known: Mutex::new(known) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Mark>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, id: &str) -> Mark {
        self.lock().get(id).copied().unwrap_or_default()
    }

    /// The lists against which something is known.
    pub fn suspects(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The lists over which the process died too often, whether they still wait or not.
    pub fn deadly(&self) -> Vec<String> {
        self.lock().iter().filter(|(_, mark)| mark.is_deadly()).map(|(id, _)| id.clone()).collect()
    }

    /// How a list stands of whose tenant so many others are deadly.
    pub fn standing(&self, id: &str, others: usize) -> Standing {
        let mark = self.known(id);
        match (mark, others) {
            _ if mark.is_set_aside() => Standing::SetAside,
            (_, MOST_SET_ASIDE..) => Standing::Parked,
            (Mark { deaths: 0, parked: false, .. }, 0) => Standing::Clear,
            _ => Standing::Suspect,
        }
    }

    /// A list is to be tried alone: one death over it, or one more, sets it aside.
    pub fn suspect(&self, id: &str) -> Result<(), DurableError> {
        self.note(id, |mark| Mark { deaths: mark.deaths.max(MOST_DEATHS.saturating_sub(1)), ..Mark::default() })
    }

    /// A thread panicked over a list; whether the list is not to be tried again for that.
    pub fn panicked(&self, id: &str) -> Result<bool, DurableError> {
        self.note(id, |mark| Mark { panics: mark.panics.saturating_add(1), ..mark })?;
        Ok(self.has_panicked(id))
    }

    /// Whether threads panicked over a list so often that it is not tried.
    pub fn has_panicked(&self, id: &str) -> bool {
        self.known(id).panics >= MOST_PANICS
    }

    /// A list is not to be tried.
    pub fn park(&self, id: &str) -> Result<(), DurableError> {
        self.note(id, |mark| Mark { parked: true, ..mark })
    }

    /// Whether a list is not tried by itself.
    pub fn is_aside(&self, id: &str) -> bool {
        let mark = self.known(id);
        mark.is_set_aside() || mark.parked
    }

    /// How often the process died over a list that is not tried; none when the log has it already.
    pub fn untold(&self, id: &str) -> Option<u32> {
        let mark = self.known(id);
        (!mark.told).then_some(mark.deaths)
    }

    /// The log has that a list is not tried.
    pub fn told(&self, id: &str) -> Result<(), DurableError> {
        self.note(id, |mark| Mark { told: true, ..mark })
    }

    /// Changes what is known against a list that is not worked on.
    fn note(&self, id: &str, change: impl FnOnce(Mark) -> Mark) -> Result<(), DurableError> {
        let before = self.known(id);
        let mark = change(before);
        if mark != before {
            self.directory.write(id, &mark.bytes())?;
            self.lock().insert(id.to_owned(), mark);
        }
        Ok(())
    }

    /// The process was told to stop: nothing that ends it from now on is a death.
    pub fn closing(&self) -> Result<(), DurableError> {
        if self.directory.contains(CLOSING) { Ok(()) } else { self.directory.create_file(CLOSING).map(drop) }
    }

    /// Marks a list before it is opened.
    pub fn begin<'a>(&'a self, id: &'a str) -> Result<AtWork<'a>, DurableError> {
        let Mark { deaths, panics, .. } = self.known(id);
        let mark = Mark { deaths, panics, at_work: true, ..Mark::default() };
        if mark.stays() {
            self.directory.write(id, &mark.bytes())?;
        } else {
            self.directory.remove_if_there(id)?;
            let written = self.directory.create_file(id)?.write_all(&mark.bytes());
            written.map_err(|source| DurableError { action: "write", path: id.to_owned(), source })?;
        }
        Ok(AtWork { marks: self, id, is_settled: false })
    }

    /// A list is settled, or gone: nothing is known against it any more.
    pub fn forget(&self, id: &str) {
        self.lock().remove(id);
        if let Err(error) = self.directory.remove_if_there(id) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the mark of a settled list stays");
        }
    }

    /// A list that was set aside or parked is to be tried once more: one more death sets it aside again.
    pub fn allow_again(&self, id: &str) -> Result<(), DurableError> {
        self.note(id, |_| Mark { deaths: MOST_DEATHS.saturating_sub(1), ..Mark::default() })
    }
}

impl AtWork<'_> {
    /// The list is answered or refused.
    pub fn settled(mut self) {
        self.is_settled = true;
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        let mark = self.marks.known(self.id);
        if self.is_settled || !mark.stays() {
            return self.marks.forget(self.id);
        }
        // It waits for its next try, and what is known against it stays known.
        if let Err(error) = self.marks.directory.write(self.id, &mark.bytes()) {
            tracing::warn!(error = &error as &dyn std::error::Error, "a list counts as worked on that waits");
        }
    }
}

fn read(directory: &Directory, id: &str) -> Result<Mark, DurableError> {
    match directory.read(id, LONGEST_MARK_BYTES) {
        Ok(bytes) => Ok(bytes.map_or(Mark::default(), |bytes| Mark::read(&bytes))),
        Err(error) if error.source.kind() == std::io::ErrorKind::FileTooLarge => Ok(Mark::UNREADABLE),
        Err(error) => Err(error),
    }
}

/// The submissions below a state directory that are not tried by themselves, in the order of their ids; for any process
/// that may look there. Some may be settled since, or removed by their tenants: the ledger tells.
///
/// # Errors
/// [`DurableError`].
pub fn set_aside(state_dir: &Path) -> Result<Vec<Aside>, DurableError> {
    let path = state_dir.join(MARKS_DIR);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let directory = Directory::create(&path)?;
    let mut found = Vec::new();
    for id in directory.names()?.into_iter().filter(|id| !id.starts_with('.')) {
        let mark = read(&directory, &id)?;
        if !mark.at_work && (mark.is_set_aside() || mark.parked) {
            found.push(Aside { id, parked: !mark.is_set_aside() });
        }
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state directory, in which one process follows another.
    struct Place(tempfile::TempDir);

    impl Place {
        fn start(&self) -> Marks {
            Marks::open(&Directory::create(self.0.path()).unwrap()).unwrap()
        }

        fn set_aside(&self) -> Vec<String> {
            set_aside(self.0.path()).unwrap().into_iter().map(|aside| aside.id).collect()
        }
    }

    fn place() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    /// The process dies: nothing is dropped.
    fn die(at_work: AtWork<'_>) {
        std::mem::forget(at_work);
    }

    #[test]
    fn who_was_beside_is_tried_alone_and_the_one_that_kills_is_set_aside() {
        let place = place();
        assert!(place.set_aside().is_empty());
        let marks = place.start();
        die(marks.begin("poison").unwrap());
        die(marks.begin("beside").unwrap());
        marks.begin("before").unwrap().settled();
        let marks = place.start();
        let standings = ["poison", "beside", "before"].map(|id| marks.standing(id, 0));
        assert_eq!(standings, [Standing::Suspect, Standing::Suspect, Standing::Clear]);
        die(marks.begin("poison").unwrap());
        // The other was not at work this time.
        let marks = place.start();
        assert_eq!([marks.standing("poison", 0), marks.standing("beside", 0)], [Standing::SetAside, Standing::Suspect]);
        marks.begin("beside").unwrap().settled();
        assert_eq!(marks.standing("beside", 0), Standing::Clear);
        assert_eq!(
            (place.set_aside(), place.start().suspects()),
            (vec!["poison".to_owned()], vec!["poison".to_owned()])
        );
        // Allowed again, it may kill once.
        let marks = place.start();
        marks.allow_again("poison").unwrap();
        assert!(place.set_aside().is_empty());
        assert_eq!(marks.standing("poison", 0), Standing::Suspect);
        die(marks.begin("poison").unwrap());
        let marks = place.start();
        assert_eq!(marks.standing("poison", 0), Standing::SetAside);
        marks.forget("poison");
        assert!(place.set_aside().is_empty() && place.start().suspects().is_empty());
    }

    #[test]
    fn what_the_process_outlives_is_no_death() {
        let place = place();
        let marks = place.start();
        drop(marks.begin("waits").unwrap());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _at_work = marks.begin("panics").unwrap();
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panicked.is_err());
        die(marks.begin("once").unwrap());
        let marks = place.start();
        assert_eq!(marks.suspects(), ["once"]);
        drop(marks.begin("once").unwrap());
        // It waits, as a suspect still: it was not settled.
        assert_eq!(place.start().standing("once", 0), Standing::Suspect);
    }

    #[test]
    fn a_list_over_which_threads_panic_is_set_aside_and_no_other_is_parked() {
        let place = place();
        let lists = ["1", "2", "3"];
        for round in 1..=MOST_PANICS {
            // Also over a start, and over a fault in between.
            let marks = place.start();
            for id in lists {
                assert_eq!(marks.standing(id, marks.deadly().len()), Standing::Clear);
                drop(marks.begin(id).unwrap());
                let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let _at_work = marks.begin(id).unwrap();
                    std::panic::resume_unwind(Box::new(()));
                }));
                assert!(panicked.is_err());
                assert_eq!(marks.panicked(id).unwrap(), round == MOST_PANICS);
            }
        }
        let marks = place.start();
        assert_eq!((place.set_aside(), marks.deadly().len()), (lists.map(str::to_owned).to_vec(), 0));
        assert_eq!((marks.standing("1", 0), marks.standing("4", 0)), (Standing::SetAside, Standing::Clear));
        assert_eq!(marks.untold("1"), Some(0));
        marks.allow_again("1").unwrap();
        assert_eq!(marks.standing("1", 0), Standing::Suspect);
        marks.begin("1").unwrap().settled();
        assert_eq!(place.start().suspects(), ["2", "3"]);
    }

    #[test]
    fn a_mark_that_was_cut_off_counts_and_remains_of_writing_do_not() {
        let place = place();
        drop(place.start());
        let directory = place.0.path().join(MARKS_DIR);
        std::fs::write(directory.join("empty"), "").unwrap();
        std::fs::write(directory.join("long"), "x".repeat(1_000)).unwrap();
        std::fs::write(directory.join(".x.new"), "{").unwrap();
        let marks = place.start();
        assert_eq!(marks.suspects(), ["empty", "long"]);
        assert_eq!((marks.known("empty").deaths, marks.known("long").deaths), (1, 1));
        assert!(!directory.join(".x.new").exists());
        marks.begin("empty").unwrap().settled();
        assert_eq!(place.start().suspects(), ["long"]);
    }

    #[test]
    fn whatever_one_tenant_sends_ends_the_process_three_times_at_most() {
        let place = place();
        let poisons = ["1", "2", "3", "4", "5"];
        let mut deaths = 0;
        loop {
            let marks = place.start();
            let others = |id: &str| marks.deadly().iter().filter(|aside| *aside != id).count();
            let mut tried = Vec::new();
            for id in poisons {
                match marks.standing(id, others(id)) {
                    Standing::Clear => tried.push(id),
                    Standing::Suspect => {
                        marks.suspect(id).unwrap();
                        tried.push(id);
                    }
                    Standing::Parked => marks.park(id).unwrap(),
                    Standing::SetAside => {}
                }
            }
            // A tenant's lists are worked on one after another.
            let Some(first) = tried.first() else { break };
            die(marks.begin(first).unwrap());
            deaths += 1;
        }
        assert_eq!(deaths, 3);
        let aside = set_aside(place.0.path()).unwrap();
        let parked: Vec<_> = aside.iter().filter(|aside| aside.parked).map(|aside| aside.id.as_str()).collect();
        assert_eq!((aside.len(), parked), (5, vec!["3", "4", "5"]));
        // Allowed again, each is tried alone, and may kill once.
        let marks = place.start();
        for id in poisons {
            marks.allow_again(id).unwrap();
        }
        assert!(place.set_aside().is_empty());
        assert!(poisons.iter().all(|id| marks.standing(id, 0) == Standing::Suspect));
    }

    #[test]
    fn an_end_after_a_stop_was_asked_for_is_no_death() {
        let place = place();
        let marks = place.start();
        die(marks.begin("slow").unwrap());
        marks.closing().unwrap();
        marks.closing().unwrap();
        let marks = place.start();
        assert_eq!(marks.standing("slow", 0), Standing::Clear);
        // The one after it counts again.
        die(marks.begin("slow").unwrap());
        assert_eq!(place.start().standing("slow", 0), Standing::Suspect);
    }

    #[test]
    fn that_a_list_is_not_tried_is_told_once() {
        let place = place();
        for _ in 0..MOST_DEATHS {
            die(place.start().begin("poison").unwrap());
        }
        let marks = place.start();
        assert_eq!(marks.untold("poison"), Some(MOST_DEATHS));
        marks.told("poison").unwrap();
        assert_eq!(place.start().untold("poison"), None);
        marks.allow_again("poison").unwrap();
        die(marks.begin("poison").unwrap());
        assert_eq!(place.start().untold("poison"), Some(MOST_DEATHS));
    }
}
