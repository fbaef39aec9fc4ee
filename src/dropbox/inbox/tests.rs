//! Uploads and their names, without sessions.

use super::*;
use crate::{dropbox::record::Stored, ledger::LedgerError};

const NEW: UploadMode = UploadMode { create: true, exclusive: false, truncate: true, append: false };

fn record(id: &str) -> Record {
    Record {
        id: id.to_owned(),
        name: "x.csv".to_owned(),
        area: Area::Live,
        size: 3,
        modified: Timestamp::UNIX_EPOCH,
        stored: Stored::SealedHere,
        closed: true,
        stored_sha256: String::new(),
        renamed_from: None,
    }
}

fn inbox(directory: &Directory, known: impl Fn(&str) -> Known) -> Inbox {
    Inbox::open("bree".parse().unwrap(), directory.clone(), |record| Ok(known(&record.id))).unwrap()
}

fn begin(inbox: &Inbox, session: &str, mode: UploadMode, record: Record) -> Result<Beginning, Denied> {
    let hold = Hold::default();
    inbox.begin(Area::Live, "x.csv", mode, record, &Opener { session, hold: &hold, inbox_bytes: u64::MAX }, |_| Ok(()))
}

fn finish(inbox: &Inbox, id: &str) {
    let record = record(id);
    assert!(begin(inbox, "s", NEW, record.clone()).is_ok());
    record.save(inbox.directory()).unwrap();
    assert!(inbox.settle(&record));
}

fn waiting(inbox: &Inbox) -> Vec<String> {
    let mut ids: Vec<String> = inbox.waiting().into_iter().map(|submission| submission.id).collect();
    ids.sort();
    ids
}

#[test]
fn an_upload_whose_name_went_to_another_comes_back_when_it_is_given_back() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let inbox = inbox(&directory, |_| Known::Nothing);
    finish(&inbox, "1");
    assert!(inbox.take("1").is_some());
    finish(&inbox, "2");
    inbox.give_back("1");
    assert_eq!(waiting(&inbox), ["1", "2"]);
    assert!(inbox.take("1").is_some() && inbox.take("1").is_none());
    inbox.done("1");
    assert_eq!(waiting(&inbox), ["2"]);
    assert_eq!(inbox.list(Area::Live).len(), 1);
}

fn names_of<'a>(from: &'a str, to: &'a str) -> Rename<'a> {
    Rename { area: Area::Live, from, to, replace: true }
}

fn rename(inbox: &Inbox, from: &str, to: &str) -> Result<Renamed<()>, Denied> {
    inbox.rename(names_of(from, to), |_| None, |_| Ok(()))
}

fn no_answer() -> DropBoxError {
    DropBoxError::Ledger(LedgerError::Value { what: "word" })
}

/// Closed under a temporary name.
fn finish_part(inbox: &Inbox, id: &str) {
    let part = Record { name: "x.csv.part".to_owned(), ..record(id) };
    let opener = Opener { session: "s", hold: &Hold::default(), inbox_bytes: u64::MAX };
    assert!(inbox.begin(Area::Live, "x.csv.part", NEW, part.clone(), &opener, |_| Ok(())).is_ok());
    part.save(inbox.directory()).unwrap();
    assert!(!inbox.settle(&part));
}

#[test]
fn a_rename_that_is_refused_or_fails_takes_nothing_of_what_it_would_have_replaced() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let inbox = inbox(&directory, |_| Known::Nothing);
    finish(&inbox, "1");
    finish_part(&inbox, "2");
    let over = names_of("x.csv.part", "x.csv");
    let untold = inbox.rename(over, |_| None::<()>, |_| Err(no_answer()));
    assert!(matches!(untold, Err(Denied::Unavailable)));
    assert_eq!(
        (names(&inbox), waiting(&inbox)),
        (vec!["x.csv".to_owned(), "x.csv.part".to_owned()], vec!["1".to_owned()])
    );
    let refused = inbox.rename(
        over,
        |renamed| Some(renamed.name.clone()),
        |step| match step {
            Step::Gone(record) if record.id == "2" => Ok(()),
            Step::Gone(_) | Step::Renamed { .. } => panic!("what is accepted stays"),
        },
    );
    assert!(matches!(refused, Ok(Renamed::Refused { fault, is_gone: true, .. }) if fault == "x.csv"));
    assert_eq!((names(&inbox), waiting(&inbox)), (vec!["x.csv".to_owned()], vec!["1".to_owned()]));
    assert!(directory.contains("1.json") && !directory.contains("2.json"));
    let refused = inbox.rename(names_of("x.csv", "x.bak"), |_| Some(()), |_| panic!("an accepted list stays"));
    assert!(matches!(refused, Ok(Renamed::Refused { is_gone: false, .. })));
    finish_part(&inbox, "3");
    let replaced = |step: Step<'_>| match step {
        Step::Renamed { record, before: "x.csv.part", replaced: Some(gone) }
            if record.name == "x.csv" && gone.id == "1" =>
        {
            Ok(())
        }
        Step::Gone(_) | Step::Renamed { .. } => panic!("both are told at once"),
    };
    let finished = inbox.rename(over, |_| None::<()>, replaced).unwrap();
    assert!(matches!(finished, Renamed::Finished(submission) if submission.id == "3"));
    assert_eq!((names(&inbox), waiting(&inbox)), (vec!["x.csv".to_owned()], vec!["3".to_owned()]));
    assert!(!directory.contains("1.json"));
}

#[test]
fn a_list_that_is_given_back_has_the_name_again_under_which_it_was_accepted() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let inbox = inbox(&directory, |_| Known::Nothing);
    finish(&inbox, "1");
    for other in [None, Some("2")] {
        assert_eq!(inbox.take("1").unwrap().name(), "x.csv");
        assert_eq!(rename(&inbox, "x.csv", "x.csv.part").unwrap(), Renamed::Done);
        assert_eq!(names(&inbox), ["x.csv.part"]);
        if let Some(id) = other {
            finish(&inbox, id);
        }
        inbox.give_back("1");
        assert_eq!(names(&inbox), ["x.csv"]);
    }
    assert_eq!(waiting(&inbox), ["1", "2"]);
    assert_eq!(inbox.take("1").unwrap().name(), "x.csv");
}

#[test]
fn a_name_that_is_removed_or_renamed_over_takes_no_upload_with_it() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let inbox = inbox(&directory, |_| Known::Nothing);
    finish(&inbox, "1");
    assert!(inbox.take("1").is_some());
    let remove = || inbox.remove(Area::Live, "x.csv", "s", |_| panic!("nothing goes from disk"));
    assert!(remove().is_err(), "it is answered all the same");
    let other = Record { name: "x.csv.filepart".to_owned(), ..record("2") };
    let opener = Opener { session: "s", hold: &Hold::default(), inbox_bytes: u64::MAX };
    assert!(inbox.begin(Area::Live, "x.csv.filepart", NEW, other, &opener, |_| Ok(())).is_ok());
    remove().unwrap();
    assert_eq!(names(&inbox), ["x.csv.filepart"]);
    inbox.give_back("1");
    assert_eq!(waiting(&inbox), ["1"]);
}

#[test]
fn after_a_stop_two_of_one_name_are_both_known_and_removed_ones_are_erased() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    for id in ["1", "2", "3", "4", "5"] {
        record(id).save(&directory).unwrap();
    }
    let inbox = inbox(&directory, |id| match id {
        "3" => Known::Settled,
        "4" => Known::Removed,
        "5" => Known::Nothing,
        _ => Known::Waiting,
    });
    assert_eq!(waiting(&inbox), ["1", "2"]);
    let kept = begin(&inbox, "s", UploadMode::default(), record("6"));
    assert!(matches!(kept, Ok(Beginning::Resumed(record)) if record.id == "5" && !record.closed));
    assert!(directory.contains("3.json") && !directory.contains("4.json"));
}

fn names(inbox: &Inbox) -> Vec<String> {
    inbox.list(Area::Live).into_iter().map(|entry| entry.name).collect()
}

#[test]
fn after_a_stop_the_log_is_asked_of_temporary_names_as_well() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let temporary = |id: &str| Record { name: format!("{id}.csv.part"), ..record(id) };
    for id in ["nothing", "unfinished", "waiting", "removed"] {
        temporary(id).save(&directory).unwrap();
    }
    // Removed once it was written again and broke off.
    Record { closed: false, ..temporary("again") }.save(&directory).unwrap();
    let inbox = inbox(&directory, |id| match id {
        "nothing" => Known::Nothing,
        "unfinished" => Known::Unfinished,
        "waiting" => Known::Waiting,
        _ => Known::Removed,
    });
    assert_eq!(names(&inbox), ["nothing.csv.part", "unfinished.csv.part", "waiting.csv.part"]);
    assert!(!directory.contains("removed.json") && !directory.contains("again.json"));
    let finished = |id: &str| rename(&inbox, &format!("{id}.csv.part"), &format!("{id}.csv"));
    assert!(matches!(finished("nothing"), Err(Denied::Refused(_))), "its close was never confirmed");
    assert!(matches!(finished("unfinished"), Ok(Renamed::Finished(_))));
    assert_eq!(waiting(&inbox), ["unfinished", "waiting"]);
}

#[test]
fn a_rename_that_a_stop_kept_from_the_log_is_undone() {
    for (before, name, known) in [
        ("x.csv", "x.csv.part", Known::Waiting),
        ("x.csv.part", "x.csv", Known::Unfinished),
        ("x.csv", "y.csv", Known::Waiting),
    ] {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::create(root.path()).unwrap();
        let on_disk = Record { name: name.to_owned(), renamed_from: Some(before.to_owned()), ..record("1") };
        on_disk.save(&directory).unwrap();
        // Done twice, as by two starts.
        for _ in 0..2 {
            let after = inbox(&directory, |_| known);
            assert_eq!(names(&after), [before]);
            assert_eq!(waiting(&after).len(), usize::from(known == Known::Waiting));
        }
    }
}

#[test]
fn a_rename_that_the_log_has_stays_after_a_stop() {
    for (name, known) in [("x.csv.part", Known::Unfinished), ("y.csv", Known::Waiting)] {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::create(root.path()).unwrap();
        let begun = inbox(&directory, |_| Known::Nothing);
        finish(&begun, "1");
        rename(&begun, "x.csv", name).unwrap();
        assert_eq!(names(&inbox(&directory, |_| known)), [name]);
    }
}

/// The log could not be asked whether it has a rename: it is undone, and done by the next start where the log has it.
#[test]
fn a_rename_that_the_log_has_after_all_is_done_by_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let begun = self::inbox(&directory, |_| Known::Nothing);
    finish(&begun, "1");
    let fails =
        |inbox: &Inbox, from, to| inbox.rename(names_of(from, to), |_| None::<()>, |_| Err(no_answer())).is_err();
    assert!(fails(&begun, "x.csv", "x.csv.part"));
    assert_eq!((names(&begun), waiting(&begun)), (vec!["x.csv".to_owned()], vec!["1".to_owned()]));
    let after = self::inbox(&directory, |_| Known::Unfinished);
    assert_eq!((names(&after), waiting(&after).len()), (vec!["x.csv.part".to_owned()], 0));
    assert!(fails(&after, "x.csv.part", "y.csv"));
    assert_eq!((names(&after), waiting(&after).len()), (vec!["x.csv.part".to_owned()], 0));
    let last = self::inbox(&directory, |_| Known::Waiting);
    assert_eq!((names(&last), waiting(&last)), (vec!["y.csv".to_owned()], vec!["1".to_owned()]));
}

/// A merger, while the heir's sessions go on.
#[test]
fn what_is_written_or_unfinished_keeps_its_name_from_what_comes_by_a_merger() {
    for closed in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::create(root.path()).unwrap();
        let inbox = inbox(&directory, |_| Known::Nothing);
        let own = Record { closed: false, ..record("own") };
        assert!(begin(&inbox, "s", NEW, own.clone()).is_ok());
        assert!(!inbox.settle(&own));
        Record { closed, ..record("theirs") }.save(&directory).unwrap();
        let known = |_: &Record| Ok(if closed { Known::Waiting } else { Known::Nothing });
        let adopted = inbox.adopt(&["theirs".to_owned()], known).unwrap();
        assert_eq!(adopted.len(), usize::from(closed));
        let resumed = begin(&inbox, "s", UploadMode::default(), record("more"));
        assert!(matches!(resumed, Ok(Beginning::Resumed(record)) if record.id == "own"));
    }
}

#[test]
fn a_record_that_cannot_be_read_keeps_nobody_from_the_others() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    record("1").save(&directory).unwrap();
    directory.write("2.json", b"\0\0\0\0").unwrap();
    directory.write("2.data", b"sealed").unwrap();
    directory.write("3.data", b"of no record").unwrap();
    let inbox = inbox(&directory, |_| Known::Waiting);
    assert_eq!(waiting(&inbox), ["1"]);
    assert!(directory.contains("2.data") && !directory.contains("3.data"), "somebody may mend it");
}

#[test]
fn an_upload_that_nobody_goes_on_with_is_removed_once_the_log_has_it() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    for id in ["1", "2"] {
        Record { closed: id == "2", ..record(id) }.save(&directory).unwrap();
    }
    let inbox = inbox(&directory, |_| Known::Waiting);
    let later = SystemTime::now() + std::time::Duration::from_hours(1);
    assert!(inbox.stale(SystemTime::now() - std::time::Duration::from_hours(1)).is_empty());
    let [stale] = &inbox.stale(later)[..] else { panic!("the one that broke off") };
    let id = &stale.id;
    assert!(inbox.remove_stale(id, later, |_| Err(no_answer())).is_err() && directory.contains("1.json"));
    let at_once = SystemTime::now() - std::time::Duration::from_hours(1);
    inbox.remove_stale(id, at_once, |_| panic!("somebody went on with it since")).unwrap();
    inbox.remove_stale(id, later, |_| Ok(())).unwrap();
    assert!(!directory.contains("1.json") && directory.contains("2.json") && inbox.stale(later).is_empty());
    inbox.remove_stale(id, later, |_| panic!("it is gone")).unwrap();
}

#[test]
fn only_a_newer_session_finds_the_hold_of_who_writes() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let inbox = inbox(&directory, |_| Known::Nothing);
    for session in ["first", "second", "third"] {
        inbox.session_began(session);
    }
    let held = |session| inbox.held_by_older(Area::Live, "x.csv", session).is_some();
    assert!(!held("third"), "nobody writes");
    assert!(begin(&inbox, "second", NEW, record("1")).is_ok());
    assert!(!held("first") && !held("second") && held("third"));
    assert!(begin(&inbox, "third", NEW, record("2")).is_err(), "it must be broken off first");
    assert!(inbox.settle(&record("1")));
    assert!(!held("third"), "it is finished");
}
