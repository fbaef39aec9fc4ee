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

fn rename(inbox: &Inbox, from: &str, to: &str) -> Result<Option<Record>, Denied> {
    inbox.rename(Area::Live, from, to, true, |_| Ok(()))
}

/// As in a session, before the log has taken the rename.
fn being_renamed(inbox: &Inbox, id: &str) -> Record {
    finish(inbox, id);
    rename(inbox, "x.csv", "y.csv").unwrap().unwrap()
}

#[test]
fn an_upload_is_nobodys_while_it_is_renamed() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let inbox = inbox(&directory, |_| Known::Nothing);
    let renamed = being_renamed(&inbox, "1");
    let hold = Hold::default();
    for mode in [NEW, UploadMode::default()] {
        let opener = Opener { session: "other", hold: &hold, inbox_bytes: u64::MAX };
        assert!(inbox.begin(Area::Live, "y.csv", mode, record("2"), &opener, |_| Ok(())).is_err());
    }
    finish(&inbox, "3");
    assert!(rename(&inbox, "y.csv", "z.csv").is_err() && rename(&inbox, "x.csv", "y.csv").is_err());
    assert!(inbox.remove(Area::Live, "y.csv", "s", |_| Ok(())).is_err());
    assert!(inbox.set_modified(Area::Live, "y.csv", Timestamp::UNIX_EPOCH).is_err());
    assert!(inbox.take("1").is_none());
    assert!(inbox.settle(&renamed) && inbox.take("1").is_some());
}

#[test]
fn a_rename_that_is_undone_leaves_the_upload_as_it_was_or_broken_off() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let inbox = inbox(&directory, |_| Known::Nothing);
    let renamed = being_renamed(&inbox, "1");
    assert!(inbox.rename_back(&renamed, "x.csv"));
    assert_eq!(waiting(&inbox), ["1"]);
    assert!(!inbox.rename_back(&renamed, "x.csv"), "it is undone already");
    // After some faults nobody knows what the log has: the next start does.
    let after = self::inbox(&directory, |_| Known::Waiting);
    assert_eq!((names(&after), waiting(&after)), (vec!["x.csv".to_owned()], vec!["1".to_owned()]));
    // Its name before is another's meanwhile.
    let renamed = rename(&inbox, "x.csv", "y.csv").unwrap().unwrap();
    finish(&inbox, "2");
    assert!(!inbox.rename_back(&renamed, "x.csv"));
    assert_eq!(waiting(&inbox), ["2"]);
    assert!(matches!(rename(&inbox, "y.csv", "z.csv"), Err(Denied::Refused(_))), "it is not complete");
    inbox.remove(Area::Live, "y.csv", "s", |_| Ok(())).unwrap();
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
        assert!(rename(&inbox, "x.csv", "x.csv.part").unwrap().is_none(), "the listing's only");
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
    let finished =
        |id: &str| rename(&inbox, &format!("{id}.csv.part"), &format!("{id}.csv")).map(|record| record.is_some());
    assert!(matches!(finished("nothing"), Err(Denied::Refused(_))), "its close was never confirmed");
    assert_eq!(finished("unfinished"), Ok(true));
    assert_eq!(waiting(&inbox), ["waiting"]);
}

#[test]
fn a_rename_that_a_stop_kept_from_the_log_is_undone() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let begun = self::inbox(&directory, |_| Known::Nothing);
    finish(&begun, "1");
    rename(&begun, "x.csv", "x.csv.part").unwrap().unwrap();
    // The log has it as it was accepted.
    let after = self::inbox(&directory, |_| Known::Waiting);
    assert_eq!((names(&after), waiting(&after)), (vec!["x.csv".to_owned()], vec!["1".to_owned()]));
    // The rename is in the log, the one back is not.
    let renamed = rename(&after, "x.csv", "x.csv.part").unwrap().unwrap();
    assert!(!after.settle(&renamed));
    rename(&after, "x.csv.part", "y.csv").unwrap().unwrap();
    let last = inbox(&directory, |_| Known::Unfinished);
    assert_eq!((names(&last), waiting(&last).len()), (vec!["x.csv.part".to_owned()], 0));
    assert!(rename(&last, "x.csv.part", "y.csv").unwrap().unwrap().closed);
}

/// The log could not be asked whether it has a rename: it is undone, and done by the next start where the log has it.
#[test]
fn a_rename_that_the_log_has_after_all_is_done_by_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::create(root.path()).unwrap();
    let begun = self::inbox(&directory, |_| Known::Nothing);
    finish(&begun, "1");
    let renamed = rename(&begun, "x.csv", "x.csv.part").unwrap().unwrap();
    assert!(begun.rename_back(&renamed, "x.csv"));
    let after = self::inbox(&directory, |_| Known::Unfinished);
    assert_eq!((names(&after), waiting(&after).len()), (vec!["x.csv.part".to_owned()], 0));
    let renamed = rename(&after, "x.csv.part", "y.csv").unwrap().unwrap();
    assert!(renamed.closed && !after.rename_back(&renamed, "x.csv.part"));
    let last = self::inbox(&directory, |_| Known::Waiting);
    assert_eq!((names(&last), waiting(&last)), (vec!["y.csv".to_owned()], vec!["1".to_owned()]));
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
    let failing = |_: &Record| Err(DropBoxError::Ledger(LedgerError::Value { what: "word" }));
    assert!(inbox.remove_stale(stale, failing).is_err() && directory.contains("1.json"));
    inbox.remove_stale(stale, |_| Ok(())).unwrap();
    assert!(!directory.contains("1.json") && directory.contains("2.json") && inbox.stale(later).is_empty());
    inbox.remove_stale(stale, |_| panic!("it is gone")).unwrap();
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
