//! Which lists are being worked on, so that a start knows what the process before it may have died of.
//!
//! A list that ends the process (out of memory, an abort, a stack that ran full) would be taken up again by each start, and
//! one file would stop the service for everybody. So a mark stands for each list while it is worked on, in
//! `state_dir/at-work`, and goes when the list is answered or refused. A start that finds one tries that list again with
//! nothing else at work beside it, so that whoever was only near it is answered; and not any more when the process died
//! over it [`MOST_DEATHS`] times: then it is set aside, for those who run the exchange to look at.
//!
//! - A mark is there before the list is opened, and none is opened without one.
//! - It is written without a synchronisation, so that no list waits for the disk because of it: what dies is the process,
//!   and the kernel still has what was written. After a power cut a mark may be missing, and the list is tried as any other;
//!   or one is there that was removed, and it goes since the ledger says that the list is settled.
//! - A stop in order, a fault that the process outlives, and a panic that is caught are no deaths.
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

/// The directory of the marks below the state directory.
const MARKS_DIR: &str = "at-work";

/// A mark at most, bytes: a count and a flag.
const LONGEST_MARK_BYTES: u64 = 256;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// How often the process died while the list was worked on, and it was not settled since.
    deaths: u32,
    /// Whether it is worked on.
    at_work: bool,
}

impl Mark {
    /// What a mark means that holds something else: the process died while it was written.
    const UNREADABLE: Self = Self { deaths: 0, at_work: true };

    fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or(Self::UNREADABLE)
    }

    /// What it comes to when the process is gone.
    fn after_the_end(self) -> Self {
        Self { deaths: self.deaths.saturating_add(u32::from(self.at_work)), at_work: false }
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
    /// The process died while it was worked on, once: it is tried with nothing beside it.
    Suspect,
    /// It is not tried again by itself.
    SetAside,
}

/// The marks of this process, and those that earlier ones left.
pub(super) struct Marks {
    directory: Directory,
    /// Deaths over each list over which there were any.
    deaths: Mutex<BTreeMap<String, u32>>,
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
        let mut deaths = BTreeMap::new();
        for id in directory.names()? {
            // What was being replaced when the process died.
            if id.starts_with('.') {
                directory.remove_if_there(&id)?;
                continue;
            }
            let before = read(&directory, &id)?;
            let mark = before.after_the_end();
            if mark != before {
                directory.write(&id, &mark.bytes())?;
            }
            deaths.insert(id, mark.deaths);
        }
        Ok(Self { directory, deaths: Mutex::new(deaths) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.deaths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deaths(&self, id: &str) -> u32 {
        self.lock().get(id).copied().unwrap_or_default()
    }

    /// The lists over which the process died.
    pub fn suspects(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    pub fn standing(&self, id: &str) -> Standing {
        match self.deaths(id) {
            0 => Standing::Clear,
            MOST_DEATHS.. => Standing::SetAside,
            _ => Standing::Suspect,
        }
    }

    /// Marks a list before it is opened.
    pub fn begin<'a>(&'a self, id: &'a str) -> Result<AtWork<'a>, DurableError> {
        let deaths = self.deaths(id);
        let mark = Mark { deaths, at_work: true };
        if deaths > 0 {
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

    /// A list that was set aside is to be tried once more: one more death sets it aside again.
    pub fn allow_again(&self, id: &str) -> Result<(), DurableError> {
        let deaths = MOST_DEATHS.saturating_sub(1);
        self.directory.write(id, &Mark { deaths, at_work: false }.bytes())?;
        self.lock().insert(id.to_owned(), deaths);
        Ok(())
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
        let deaths = self.marks.deaths(self.id);
        if self.is_settled || deaths == 0 {
            return self.marks.forget(self.id);
        }
        // It waits for its next try, and what is known against it stays known.
        if let Err(error) = self.marks.directory.write(self.id, &Mark { deaths, at_work: false }.bytes()) {
            tracing::warn!(error = &error as &dyn std::error::Error, "a list counts as worked on that waits");
        }
    }
}

fn read(directory: &Directory, id: &str) -> Result<Mark, DurableError> {
    match directory.read(id, LONGEST_MARK_BYTES) {
        Ok(bytes) => Ok(bytes.map_or(Mark { deaths: 0, at_work: false }, |bytes| Mark::read(&bytes))),
        Err(error) if error.source.kind() == std::io::ErrorKind::FileTooLarge => Ok(Mark::UNREADABLE),
        Err(error) => Err(error),
    }
}

/// The submissions that are set aside below a state directory, by id, in order; for any process that may look there. Some
/// may be settled since, or removed by their tenants: the ledger tells.
///
/// # Errors
/// [`DurableError`].
pub fn set_aside(state_dir: &Path) -> Result<Vec<String>, DurableError> {
    let path = state_dir.join(MARKS_DIR);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let directory = Directory::create(&path)?;
    let mut found = Vec::new();
    for id in directory.names()?.into_iter().filter(|id| !id.starts_with('.')) {
        let mark = read(&directory, &id)?;
        if !mark.at_work && mark.deaths >= MOST_DEATHS {
            found.push(id);
        }
    }
    found.sort();
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
            set_aside(self.0.path()).unwrap()
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
        let standings = ["poison", "beside", "before"].map(|id| marks.standing(id));
        assert_eq!(standings, [Standing::Suspect, Standing::Suspect, Standing::Clear]);
        die(marks.begin("poison").unwrap());
        // The other was not at work this time.
        let marks = place.start();
        assert_eq!([marks.standing("poison"), marks.standing("beside")], [Standing::SetAside, Standing::Suspect]);
        marks.begin("beside").unwrap().settled();
        assert_eq!(marks.standing("beside"), Standing::Clear);
        assert_eq!(
            (place.set_aside(), place.start().suspects()),
            (vec!["poison".to_owned()], vec!["poison".to_owned()])
        );
        // Allowed again, it may kill once.
        let marks = place.start();
        marks.allow_again("poison").unwrap();
        assert!(place.set_aside().is_empty());
        assert_eq!(marks.standing("poison"), Standing::Suspect);
        die(marks.begin("poison").unwrap());
        let marks = place.start();
        assert_eq!(marks.standing("poison"), Standing::SetAside);
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
        assert_eq!(place.start().standing("once"), Standing::Suspect);
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
        assert_eq!((marks.deaths("empty"), marks.deaths("long")), (1, 1));
        assert!(!directory.join(".x.new").exists());
        marks.begin("empty").unwrap().settled();
        assert_eq!(place.start().suspects(), ["long"]);
    }
}
