//! A disk that fails under the daemon: each call that changes a file of the log or of the ledger fails once, lost, torn
//! or done but reported lost, from the daemon's start to its end. Nothing that was confirmed is lost, nothing is
//! invented; where a synchronisation of the log failed, the daemon ends, and goes on after a new start.
//!
//! What the log does by itself is tried call by call in `transfer_log::log::faults`; here it is the whole program, with
//! the database in it. The calls are those of the C library's symbols, which is how both reach the disk.
//! `GROEIKLUIS_LONG` tries each call in each way; else one of each sort is tried.

mod day;
mod library;

use std::{
    collections::{HashMap, VecDeque},
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use day::{Day, deployment};
use library::{Call, Errno, Failure, Fault, Library, calls, stand};

use crate::support::wait_until;

/// Daemons at once: most of their time they wait.
const AT_ONCE: usize = 4;

/// What a fault is tried with.
const WAYS: [Failure; 4] = [
    Failure::Lost(Errno::NoSpace),
    Failure::DoneButReportedLost(Errno::Io),
    Failure::Torn(Errno::NoSpace),
    Failure::Lost(Errno::Io),
];

/// When a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before it listened.
    Starting,
    /// By itself, later.
    Running,
    /// When it was asked to.
    Asked,
}

#[test]
fn a_fault_of_any_write_loses_nothing_and_invents_nothing() {
    let place = tempfile::tempdir().unwrap();
    let Some(library) = Library::build(place.path()) else { return };
    let found = try_fault(&library, None);
    assert!(found.len() > 100, "{} calls are too few to be all", found.len());
    assert!(found.iter().any(|call| call.is_of_ledger() && call.name == "sync"), "SQLite's calls are not seen");
    let cases = cases(&found);
    eprintln!("{} days, in each of which one of {} calls fails", cases.len(), found.len());
    let cases = Mutex::new(cases);
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let Some(fault) = cases.lock().unwrap().pop_front() else { return };
            let tried = catch_unwind(AssertUnwindSafe(|| try_fault(&library, Some(fault))));
            if tried.is_err() {
                failed.lock().unwrap().push(fault);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} calls: {failed:?}", failed.len(), found.len());
}

/// The faults to try: all of them, or one for each sort of call.
fn cases(found: &[Call]) -> VecDeque<Fault> {
    let long = std::env::var_os("GROEIKLUIS_LONG").is_some();
    let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
    let mut cases = VecDeque::new();
    for call in found {
        let times = seen.entry((&call.name, &call.file)).or_default();
        *times += 1;
        let is_written = call.name == "write";
        let ways = WAYS.into_iter().filter(|way| is_written || !matches!(way, Failure::Torn(_)));
        let turn = if long { None } else { Some(*times) };
        // Of the first calls of a sort, each in another way.
        cases.extend(
            ways.enumerate()
                .filter(|(at, _)| turn.is_none_or(|turn| turn == at + 1))
                .map(|(_, failure)| Fault { number: call.number, failure }),
        );
    }
    cases
}

/// A day, with a fault or none, up to the daemon's end, and then the rest of it; gives the calls until that first end.
fn try_fault(library: &Library, fault: Option<Fault>) -> Vec<Call> {
    let mut daemon = deployment();
    let mut day = Day::new(&daemon);
    let (when, (status, said)) = match daemon.try_start(&library.variables(&daemon, fault)) {
        Err(ended) => (When::Starting, ended),
        Ok(()) => match day.go_on(&mut daemon) {
            Some(ended) => (When::Running, ended),
            None => (When::Asked, daemon.terminate()),
        },
    };
    let calls = calls(&daemon);
    // A run's calls are not in the order of another's: only writes are torn.
    let strikes = |fault: Fault, call: &Call| {
        call.number == fault.number && (call.name == "write" || !matches!(fault.failure, Failure::Torn(_)))
    };
    let struck = fault.and_then(|fault| calls.iter().find(|call| strikes(fault, call)));
    let what = format!("{fault:?} {struck:?}, ended {when:?} with {status}:\n{said}");
    assert!(!said.contains("panicked"), "{what}");
    match struck {
        None => assert!(when == When::Asked && status.success(), "no fault, {what}"),
        Some(call) => {
            assert!(matches!(status.code(), Some(0 | 1)), "{what}");
            // A failed synchronisation of the log is the end; anything else of it passes.
            if call.name == "sync" && !call.is_of_ledger() {
                assert_eq!(status.code(), Some(1), "{what}");
            } else if !call.is_of_ledger() {
                assert_ne!(when, When::Running, "{what}");
            }
            let told = ["transfer log", "ledger", "os error"].iter().any(|word| said.contains(word));
            assert!(status.success() || told, "it does not say why, {what}");
        }
    }
    daemon.start();
    assert!(day.go_on(&mut daemon).is_none(), "it does not go on after {what}");
    let checked = catch_unwind(AssertUnwindSafe(|| day.check(&mut daemon)));
    assert!(checked.is_ok(), "after {what}");
    calls
}

/// Whoever made a directory may have been killed before its own entry was on the disk.
#[test]
fn a_directory_that_is_there_is_synced_in_its_parent_by_the_next_start() {
    let place = tempfile::tempdir().unwrap();
    let Some(library) = Library::build(place.path()) else { return };
    let mut daemon = deployment();
    daemon.start();
    daemon.terminate();
    let mut variables = library.variables(&daemon, None);
    // The last of a name holds.
    variables.push(("FAULTS_BELOW", daemon.path("state/boxes").into()));
    daemon.try_start(&variables).unwrap();
    daemon.terminate();
    let calls = calls(&daemon);
    assert!(calls.iter().any(|call| call.name == "sync" && call.file == "state/boxes"), "{calls:?}");
    assert!(calls.iter().all(|call| call.name != "mkdir"), "{calls:?}");
}

#[test]
fn a_full_disk_refuses_transfers_until_there_is_room_again() {
    let place = tempfile::tempdir().unwrap();
    let Some(library) = Library::build(place.path()) else { return };
    let mut daemon = deployment();
    let mut day = Day::new(&daemon);
    let fault = Fault { number: 0, failure: Failure::Stands };
    let variables = library.variables(&daemon, Some(fault));
    daemon.try_start(&variables).unwrap();
    fs::write(stand(&daemon), "").unwrap();
    wait_until("a refusal", || day.try_once(&daemon).is_err());
    for _ in 0..3 {
        assert!(day.try_once(&daemon).is_err());
    }
    assert!(daemon.ended().is_none(), "a full disk ended it");
    fs::remove_file(stand(&daemon)).unwrap();
    // The same process goes on.
    assert!(day.go_on(&mut daemon).is_none());
    day.check(&mut daemon);
}
