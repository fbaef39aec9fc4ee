//! The log as its callers, its readers and crashes find it.

use std::fs;

use super::*;
use crate::seal::Keyring;
use crate::transfer_log::{
    ClockStep, Disclosed, IndexError, NoteKey, Position, StoredEntry, entries,
    recovery::recover,
    support::{Follower, ORIGIN, Place, any_record, clock, context, copy},
};

pub(super) fn all(place: &Place) -> Vec<StoredEntry> {
    entries(&place.dir()).unwrap().collect::<Result<_, _>>().unwrap()
}

pub(super) fn names(place: &Place) -> Vec<String> {
    let name = |entry: StoredEntry| serde_json::to_value(entry.event).unwrap()["event"].as_str().unwrap().to_owned();
    all(place).into_iter().map(name).collect()
}

#[test]
fn what_was_appended_is_there_before_and_after_its_checkpoint() {
    let place = Place::new();
    let log = place.open();
    let appended = log.append(vec![any_record(), any_record()]).unwrap();
    assert_eq!(appended.iter().map(|appended| appended.seq).collect::<Vec<_>>(), [1, 2]);
    let before = all(&place);
    assert_eq!(log.entry(2).unwrap(), before[2].bytes);
    assert!(matches!(log.entry(3), Err(LogError::NoEntry { seq: 3 })));
    assert_eq!(place.verify().unwrap().unsigned, 2);
    let checkpoint = log.checkpoint_now().unwrap();
    assert_eq!((checkpoint.size, log.size()), (3, 3));
    assert_eq!(log.checkpoint_now().unwrap(), checkpoint);
    assert_eq!(place.verify().unwrap(), crate::transfer_log::Verified { checkpoint, unsigned: 0 });
    assert_eq!(all(&place), before);
    assert_eq!(log.entry(2).unwrap(), before[2].bytes);
    assert!(matches!(log.append(Vec::new()), Err(LogError::GroupSize { count: 0 })));
}

#[test]
fn a_log_goes_on_where_it_was_closed() {
    let place = Place::new();
    for _ in 0..3 {
        let log = place.open();
        let other = log.clone();
        log.append(vec![any_record()]).unwrap();
        log.close().unwrap();
        assert!(matches!(other.append(vec![any_record()]), Err(LogError::Closed)));
        assert!(!other.is_failed());
    }
    assert_eq!(names(&place), ["log.started", "list.received", "log.stopped"].repeat(3));
    assert_eq!(place.verify().unwrap().checkpoint.size, 9);
}

#[test]
fn what_nobody_waits_for_is_written_with_the_next_or_soon_or_at_the_close() {
    let place = Place::new();
    let mut settings = place.settings();
    settings.checkpoint_every = Duration::from_millis(5);
    let log = TransferLog::open(settings, clock(), Box::new(Follower::default())).unwrap();
    let soon = |count| log.append_soon(vec![any_record(); count], |error| panic!("{error}")).unwrap();
    soon(2);
    let next = log.append(vec![any_record()]).unwrap();
    assert_eq!(next.iter().map(|appended| appended.seq).collect::<Vec<_>>(), [3]);
    // By itself, and while the log is at rest.
    assert!(log.wait_published(3) >= Some(4));
    soon(1);
    assert!(log.wait_published(4) >= Some(5));
    soon(3);
    assert_eq!(log.checkpoint_now().unwrap().size, 8);
    soon(1);
    log.clone().close().unwrap();
    assert_eq!(place.verify().unwrap().checkpoint.size, 10);
    assert!(matches!(log.append_soon(vec![any_record()], |_| ()), Err(LogError::Closed)));
}

#[test]
fn a_log_that_was_not_closed_is_recovered() {
    let place = Place::new();
    let log = place.open();
    log.append(vec![any_record(), any_record()]).unwrap();
    drop(log);
    place.open().close().unwrap();
    let last = all(&place).into_iter().rev().map(|entry| entry.event).nth(2).unwrap();
    assert_eq!(last, Event::LogRecovered(LogRecovered { entries: 2, torn_bytes: 0 }));
    assert_eq!(place.verify().unwrap().checkpoint.size, 6);
}

#[test]
fn a_journal_cut_anywhere_keeps_whole_groups() {
    let place = Place::new();
    let log = place.open();
    log.append(vec![any_record()]).unwrap();
    log.append(vec![any_record(), any_record(), any_record()]).unwrap();
    log.append(vec![any_record()]).unwrap();
    drop(log);
    let whole = all(&place);
    let (_, journal) = crate::transfer_log::journal::list(&place.dir()).unwrap().pop().unwrap();
    let bytes = fs::read(&journal).unwrap();
    let frame = |seq: usize| whole[seq].bytes.len() + 8;
    let ends = [0, frame(1), frame(1) + frame(2) + frame(3) + frame(4), bytes.len()];
    let sizes = [1, 2, 5, 6];
    let high_water = HighWater::new(&place.high_water_dir(), place.key.name());
    for cut in 0..=bytes.len() {
        fs::write(&journal, &bytes[..cut]).unwrap();
        let recovered = recover(&place.dir(), &place.key.clone().into(), &high_water).unwrap();
        let kept = ends.iter().rposition(|end| *end <= cut).unwrap();
        assert_eq!(recovered.edge.size(), sizes[kept], "cut at {cut}");
        assert_eq!(recovered.torn_bytes, (cut - ends[kept]) as u64);
        assert_eq!(fs::metadata(&journal).unwrap().len(), ends[kept] as u64);
    }
    fs::write(&journal, &bytes[..bytes.len() - 1]).unwrap();
    place.open().close().unwrap();
    assert_eq!(all(&place)[..5], whole[..5]);
    assert!(matches!(all(&place)[5].event, Event::LogRecovered(LogRecovered { entries: 4, torn_bytes: 1.. })));
    place.verify().unwrap();
}

#[test]
fn a_crash_between_any_two_steps_of_publishing_is_recovered() {
    let place = Place::new();
    let log = place.open();
    log.append(vec![any_record(); 300]).unwrap();
    copy(&place.dir(), &place.path("unpublished"));
    let checkpoint = log.checkpoint_now().unwrap();
    copy(&place.dir(), &place.path("published"));
    drop(log);
    // The mark was raised, the checkpoint not published.
    fs::remove_dir_all(place.dir()).unwrap();
    copy(&place.path("unpublished"), &place.dir());
    drop(place.open());
    // The checkpoint was published, the journal not rotated.
    fs::remove_dir_all(place.dir()).unwrap();
    copy(&place.path("published"), &place.dir());
    copy(&place.path("unpublished").join("journal"), &place.dir().join("journal"));
    fs::write(place.high_water(), &checkpoint.note).unwrap();
    drop(place.open());
    place.verify().unwrap();
    // The new journal was made, the published one not; tiles were left torn.
    fs::remove_dir_all(place.dir()).unwrap();
    copy(&place.path("unpublished"), &place.dir());
    fs::write(place.high_water(), &checkpoint.note).unwrap();
    fs::create_dir_all(place.dir().join("tile/0/001.p")).unwrap();
    fs::write(place.dir().join("tile/0/000"), "torn").unwrap();
    fs::write(place.dir().join("tile/0/001.p/45"), "torn").unwrap();
    drop(place.open());
    place.verify().unwrap();
}

#[test]
fn a_journal_of_several_files_is_read_through() {
    let place = Place::new();
    let log = place.open();
    log.append(vec![any_record(), any_record()]).unwrap();
    // As when the publisher is behind: the journal went on, the checkpoint did not.
    let before = place.path("before");
    copy(&place.dir(), &before);
    let mark = fs::read(place.high_water()).unwrap();
    log.checkpoint_now().unwrap();
    log.append(vec![any_record()]).unwrap();
    drop(log);
    copy(&place.dir().join("journal"), &before.join("journal"));
    fs::remove_dir_all(place.dir()).unwrap();
    copy(&before, &place.dir());
    fs::write(place.high_water(), mark).unwrap();
    assert_eq!(crate::transfer_log::journal::list(&place.dir()).unwrap().len(), 2);
    assert_eq!(place.verify().unwrap().unsigned, 3);
    assert_eq!(all(&place).len(), 4);
    let (first, path) = crate::transfer_log::journal::list(&place.dir()).unwrap().remove(0);
    assert_eq!(first, 1);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(place.try_open(), Err(LogError::Damaged { .. })));
    assert!(place.verify().is_err());
    fs::write(&path, bytes).unwrap();
    place.open().close().unwrap();
    assert_eq!(place.verify().unwrap().checkpoint.size, 7);
    assert_eq!(crate::transfer_log::journal::list(&place.dir()).unwrap().len(), 1);
}

#[test]
fn a_second_writer_is_refused() {
    let place = Place::new();
    let _log = place.open();
    assert!(matches!(place.try_open(), Err(LogError::InUse { .. })));
}

#[test]
fn an_older_copy_is_refused() {
    let place = Place::new();
    place.open().close().unwrap();
    copy(&place.dir(), &place.path("old"));
    place.open().close().unwrap();
    fs::remove_dir_all(place.dir()).unwrap();
    assert!(matches!(place.try_open(), Err(LogError::Rollback { size: 0, high_water: 4 })));
    copy(&place.path("old"), &place.dir());
    assert!(matches!(place.try_open(), Err(LogError::Rollback { size: 2, high_water: 4 })));
}

#[test]
fn another_log_under_the_same_key_is_refused() {
    let place = Place::new();
    place.open().close().unwrap();
    let mark = fs::read(place.high_water()).unwrap();
    fs::remove_dir_all(place.dir()).unwrap();
    fs::remove_file(place.high_water()).unwrap();
    // A rewrite that is longer, published or still in the journal.
    let log = place.open();
    log.append(vec![any_record(); 3]).unwrap();
    drop(log);
    fs::write(place.high_water(), &mark).unwrap();
    assert!(matches!(place.try_open(), Err(LogError::Fork { size: 2 })));
    fs::remove_file(place.dir().join("checkpoint")).unwrap();
    assert!(matches!(place.try_open(), Err(LogError::Damaged { .. })));
}

#[test]
fn a_log_without_its_mark_is_refused_until_somebody_vouches_for_it() {
    let place = Place::new();
    place.open().close().unwrap();
    fs::remove_file(place.high_water()).unwrap();
    assert!(matches!(place.try_open(), Err(LogError::HighWaterMissing { .. })));
    fs::copy(place.dir().join("checkpoint"), place.high_water()).unwrap();
    place.open().close().unwrap();
    let mut other = place.settings();
    other.keys = NoteKey::generate(&other.origin).unwrap().into();
    let opened = TransferLog::open(other, clock(), Box::new(Follower::default()));
    assert!(matches!(opened, Err(LogError::Note { source: NoteFault::NoSignature, .. })));
}

#[test]
fn numbers_of_persons_are_taken_out_and_that_is_noted() {
    let place = Place::new();
    let log = place.open();
    let mut record = any_record();
    record.context.key = Some("sleutel 85.07.30-033.28".to_owned());
    let appended = log.append(vec![record, any_record()]).unwrap();
    assert_eq!(appended.len(), 2);
    log.close().unwrap();
    let found = all(&place);
    assert_eq!(found[1].context.key.as_deref(), Some("sleutel [***]"));
    assert_eq!(found[2].event, Event::Redacted(Redacted { count: 1 }));
    assert_eq!(found[2].context, found[1].context);
    assert_eq!(found[3].event, any_record().event);
    assert_eq!(appended[1].seq, 3);
}

pub(super) fn keeping(place: &Place, keyring: &Keyring) -> (TransferLog, DisclosureKeeper) {
    let keeper = DisclosureKeeper::new(place.path("disclosures"), keyring.clone());
    let index = Box::new(Follower::default());
    (TransferLog::open_keeping(place.settings(), clock(), index, keeper.clone()).unwrap(), keeper)
}

pub(super) fn disclosing() -> Record {
    any_record().disclosing([Disclosed { name: "ip", value: "192.0.2.7".to_owned() }])
}

#[test]
fn what_is_disclosed_is_kept_sealed_and_opens_with_its_entry() {
    let place = Place::new();
    let keyring = Keyring::generate();
    let (log, keeper) = keeping(&place, &keyring);
    let bree = "bree".parse().unwrap();
    log.append(vec![any_record(), disclosing(), disclosing()]).unwrap();
    // In the journal until it is published.
    assert_eq!(keeper.open_month(Some(&bree), "2026-11").unwrap().disclosures.len(), 0);
    assert!(!tree_contains(&place.path(""), b"192.0.2.7"));
    log.checkpoint_now().unwrap();
    log.append(vec![disclosing()]).unwrap();
    drop(log);
    // A stop, and the journal brings it in with the next start.
    let (log, keeper) = keeping(&place, &keyring);
    let opened = keeper.open_month(Some(&bree), "2026-11").unwrap();
    assert_eq!(opened.disclosures.keys().copied().collect::<Vec<_>>(), [2, 3, 4]);
    log.close().unwrap();
    assert!(!tree_contains(&place.path(""), b"192.0.2.7"));
    for entry in all(&place) {
        let found = opened.disclosures.get(&entry.seq).map(|texts| crate::transfer_log::opened(&entry, texts));
        match entry.seq {
            2..=4 => assert_eq!(found.unwrap(), [("ip".to_owned(), "192.0.2.7".to_owned())]),
            _ => assert!(found.is_none()),
        }
    }
    // Another entry's disclosures are not this one's.
    let entries = all(&place);
    assert!(crate::transfer_log::opened(&entries[2], &opened.disclosures[&3]).is_empty());
    place.verify().unwrap();
    keeper.erase(Some(&bree), "2026-11").unwrap();
    place.verify().unwrap();
}

#[test]
fn a_month_without_a_key_stops_the_entry_and_nothing_else() {
    let place = Place::new();
    let (log, _) = keeping(&place, &Keyring::generate());
    fs::create_dir(place.path("disclosures")).unwrap();
    fs::write(place.path("disclosures/bree"), "in the way").unwrap();
    assert!(matches!(log.append(vec![disclosing()]), Err(LogError::File { .. })));
    assert_eq!(log.append(vec![any_record()]).unwrap()[0].seq, 1);
    fs::remove_file(place.path("disclosures/bree")).unwrap();
    assert_eq!(log.append(vec![disclosing()]).unwrap()[0].seq, 2);
    let mut long = disclosing();
    long.disclosed[0].value = "x".repeat(60_000);
    assert!(matches!(log.append(vec![long]), Err(LogError::EntryTooLong { .. })));
    log.close().unwrap();
    place.verify().unwrap();
}

fn tree_contains(directory: &std::path::Path, part: &[u8]) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return tree_contains(&path, part);
        }
        fs::read(path).unwrap().windows(part.len()).any(|window| window == part)
    })
}

#[test]
fn many_threads_and_tasks_write_at_once() {
    let place = Place::new();
    let mut settings = place.settings();
    settings.checkpoint_every = Duration::from_millis(5);
    let log = TransferLog::open(settings, clock(), Box::new(Follower::default())).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let log = log.clone();
            scope.spawn(move || {
                for round in 0..20 {
                    let places = log.append(vec![any_record(); 1 + (thread + round) % 3]).unwrap();
                    assert!(places.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
                    assert!(log.size() > places.last().unwrap().seq);
                    assert!(log.entry(places[0].seq).is_ok());
                }
            });
        }
        // Another process may read and verify meanwhile.
        for _ in 0..20 {
            let read = all(&place);
            assert!(read.iter().zip(0..).all(|(entry, seq)| entry.seq == seq));
            place.verify().unwrap();
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let places = runtime.block_on(async {
        let (one, two) = tokio::join!(log.append_async(vec![any_record()]), log.append_async(vec![any_record()]));
        [one.unwrap(), two.unwrap()].concat()
    });
    assert_eq!(places.len(), 2);
    let size = log.size();
    log.close().unwrap();
    assert_eq!(place.verify().unwrap().checkpoint.size, size + 1);
}

#[test]
fn a_log_of_three_levels_verifies_and_opens() {
    let place = Place::new();
    let log = place.open();
    for _ in 0..17 {
        log.append(vec![any_record(); MAX_GROUP]).unwrap();
    }
    let size = log.checkpoint_now().unwrap().size;
    assert!(size > 65_536 + 256);
    drop(log);
    let verified = place.verify().unwrap();
    assert_eq!((verified.checkpoint.size, verified.unsigned), (size, 0));
    assert!(place.dir().join("tile/2/000.p/1").is_file());
    let high_water = HighWater::new(&place.high_water_dir(), place.key.name());
    let recovered = recover(&place.dir(), &place.key.clone().into(), &high_water).unwrap();
    assert_eq!((recovered.edge.root(), recovered.tail.len()), (verified.checkpoint.root, 0));
    assert_eq!(entries_from(&place.dir(), 65_537).unwrap().next().unwrap().unwrap().seq, 65_537);
}

#[test]
fn partial_tiles_of_published_checkpoints_stay_until_the_tile_is_full() {
    let place = Place::new();
    let log = place.open();
    for _ in 0..4 {
        log.append(vec![any_record()]).unwrap();
        log.checkpoint_now().unwrap();
    }
    let partial = |place: &Place| {
        let mut names: Vec<_> = fs::read_dir(place.dir().join("tile/0/000.p"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(partial(&place), ["1", "2", "3", "4", "5"]);
    drop(log);
    let log = place.open();
    log.append(vec![any_record()]).unwrap();
    log.checkpoint_now().unwrap();
    log.append(vec![any_record(); 300]).unwrap();
    log.checkpoint_now().unwrap();
    log.append(vec![any_record()]).unwrap();
    log.checkpoint_now().unwrap();
    assert!(!place.dir().join("tile/0/000.p").exists());
    assert!(!place.dir().join("tile/entries/000.p").exists());
    place.verify().unwrap();
}

#[test]
fn a_checkpoint_that_fails_is_made_up_for() {
    let place = Place::new();
    let log = place.open();
    log.append(vec![any_record(); 300]).unwrap();
    fs::rename(place.dir().join("tile"), place.dir().join("aside")).unwrap();
    fs::write(place.dir().join("tile"), "in the way").unwrap();
    assert!(matches!(log.checkpoint_now(), Err(LogError::File { .. })));
    log.append(vec![any_record(); 300]).unwrap();
    fs::remove_file(place.dir().join("tile")).unwrap();
    fs::rename(place.dir().join("aside"), place.dir().join("tile")).unwrap();
    assert_eq!(log.checkpoint_now().unwrap().size, 601);
    assert!(!log.is_failed());
    place.verify().unwrap();
}

#[test]
fn an_index_that_cannot_follow_ends_the_log() {
    struct Stuck(Follower);
    impl Index for Stuck {
        fn position(&self) -> Result<Position, IndexError> {
            self.0.position()
        }
        fn apply(&mut self, entries: &[StoredEntry]) -> Result<(), IndexError> {
            if entries.len() > 1 { Err(IndexError::new(std::fmt::Error)) } else { self.0.apply(entries) }
        }
        fn reset(&mut self) -> Result<(), IndexError> {
            self.0.reset()
        }
    }
    let place = Place::new();
    let log = TransferLog::open(place.settings(), clock(), Box::new(Stuck(Follower::default()))).unwrap();
    log.append(vec![any_record()]).unwrap();
    assert!(matches!(log.append(vec![any_record(); 2]), Err(LogError::Index(_))));
    assert!(log.is_failed());
    assert!(matches!(log.append(vec![any_record()]), Err(LogError::Failed)));
    drop(log);
    // The entries were durable, and the next start finds them.
    let log = place.open();
    assert_eq!(log.size(), 6);
    drop(log);
    assert_eq!(names(&place)[4], "log.recovered");
}

#[test]
fn an_index_of_another_log_is_built_anew() {
    let place = Place::new();
    let log = place.open();
    log.append(vec![Record::success(Event::Delete {}, context())]).unwrap();
    log.close().unwrap();
    for position in [
        Position { size: 2, last: Some([0; 32]) },
        Position { size: 2, last: None },
        Position { size: 99, last: Some([0; 32]) },
    ] {
        let mut index = Follower::of(position);
        let size = all(&place).len() as u64;
        catch_up(&Chain::new(&place.dir(), size, &place.path("archive")).unwrap(), &mut index).unwrap();
        assert_eq!(index.position().unwrap(), Position::after(all(&place).last().unwrap()));
    }
}

#[test]
fn a_clock_that_is_set_is_noted() {
    let place = Place::new();
    let time = clock();
    let start = || TransferLog::open(place.settings(), time.clone(), Box::new(Follower::default())).unwrap();
    let log = start();
    log.append(vec![any_record()]).unwrap();
    time.advance(jiff::SignedDuration::from_secs(-5));
    assert_eq!(
        log.append(vec![any_record(), any_record()]).unwrap().iter().map(|at| at.seq).collect::<Vec<_>>(),
        [3, 4]
    );
    time.advance(jiff::SignedDuration::from_secs(30));
    // What really passes between the next two entries, by the monotonic clock, is no step: it is less than this.
    let began = std::time::Instant::now();
    log.append(vec![any_record()]).unwrap();
    time.advance(jiff::SignedDuration::from_hours(2));
    assert_eq!(log.append(vec![any_record()]).unwrap()[0].seq, 7);
    let passed_ms = u64::try_from(began.elapsed().as_millis()).unwrap();
    log.close().unwrap();
    // Set back while nothing ran.
    time.advance(jiff::SignedDuration::from_hours(-24));
    start().close().unwrap();
    let steps = all(&place).into_iter().filter_map(|entry| match entry.event {
        Event::ClockStep(ClockStep { back_ms, forward_ms, .. }) => Some((entry.seq, back_ms, forward_ms)),
        _ => None,
    });
    let steps: Vec<_> = steps.collect();
    let forward = steps[1].2;
    assert_eq!(steps, [(2, 5_000, 0), (6, 0, forward), (9, 86_400_000, 0)], "{steps:?}");
    assert!((7_200_000 - passed_ms..=7_200_000).contains(&forward), "{forward} ms, of which {passed_ms} ms passed");
    place.verify().unwrap();
}

#[test]
fn a_key_is_replaced_with_both_signing_for_a_while() {
    let place = Place::new();
    place.open().close().unwrap();
    let (old, new) = (place.key.clone(), NoteKey::generate(ORIGIN).unwrap());
    let start = |keys: SigningKeys| {
        let settings = LogSettings { keys, ..place.settings() };
        TransferLog::open(settings, clock(), Box::new(Follower::default()))
    };
    // Without the old one beside it the new one cannot tell whose log this is.
    assert!(matches!(start(new.clone().into()), Err(LogError::Note { source: NoteFault::NoSignature, .. })));
    start(SigningKeys { first: new.clone(), others: vec![old.clone()] }).unwrap().close().unwrap();
    for key in [&old, &new] {
        crate::transfer_log::verify(&place.dir(), key.verifier()).unwrap();
    }
    start(new.clone().into()).unwrap().close().unwrap();
    assert!(crate::transfer_log::verify(&place.dir(), old.verifier()).is_err());
    crate::transfer_log::verify(&place.dir(), new.verifier()).unwrap();
    let rotated = all(&place).into_iter().filter_map(|entry| match entry.event {
        Event::LogKeyRotated(rotated) => Some((rotated.keys_before.len(), rotated.keys_after)),
        _ => None,
    });
    let vkeys = |keys: &[&NoteKey]| keys.iter().map(|key| key.verifier().to_string()).collect::<Vec<_>>();
    assert_eq!(rotated.collect::<Vec<_>>(), [(1, vkeys(&[&new, &old])), (2, vkeys(&[&new]))]);
}

#[test]
fn a_new_year_goes_on_from_the_last_checkpoint_of_the_old_one() {
    let place = Place::new();
    let log = place.open();
    log.append(vec![any_record(); 3]).unwrap();
    drop(log);
    let next = NoteKey::generate("groeikluis.example/2027").unwrap();
    let settings = || LogSettings { origin: next.name().to_owned(), keys: next.clone().into(), ..place.settings() };
    let start = |follower| TransferLog::open(settings(), clock(), Box::new(follower));
    // What is under no checkpoint would be lost with its key.
    assert!(matches!(start(Follower::default()), Err(LogError::NotClosed { .. })));
    place.open().close().unwrap();
    let old = place.verify().unwrap().checkpoint;
    let years = Years::default();
    let follower = years.clone();
    let log = TransferLog::open(settings(), clock(), Box::new(follower)).unwrap();
    log.append(vec![any_record()]).unwrap();
    log.close().unwrap();
    let archived = crate::transfer_log::archived(&place.path("archive")).unwrap();
    assert_eq!(archived, [place.path("archive/groeikluis.example_2026")]);
    assert_eq!(crate::transfer_log::verify(&archived[0], place.key.verifier()).unwrap().checkpoint, old);
    crate::transfer_log::verify(&place.dir(), next.verifier()).unwrap();
    let started = LogStarted { size: 0, previous_checkpoint: Some(old.note.clone()) };
    assert_eq!(all(&place)[0].event, Event::LogStarted(started));
    // An index follows from one into the other: from the start, from where it was, and from a later start.
    let seen = years.0.lock().unwrap().1.clone();
    assert_eq!(seen.len() as u64, old.size + 3);
    let log = TransferLog::open(settings(), clock(), Box::new(years.clone())).unwrap();
    log.close().unwrap();
    assert_eq!(years.0.lock().unwrap().1.len(), seen.len() + 2);
    years.0.lock().unwrap().0 = Position::default();
    years.0.lock().unwrap().1.clear();
    drop(TransferLog::open(settings(), clock(), Box::new(years.clone())).unwrap());
    assert_eq!(years.0.lock().unwrap().1[..seen.len()], seen);
}

/// An index that remembers every leaf that it was given, over the years.
#[derive(Clone, Default)]
struct Years(Arc<Mutex<(Position, Vec<Vec<u8>>)>>);

impl Index for Years {
    fn position(&self) -> Result<Position, IndexError> {
        Ok(self.0.lock().unwrap().0)
    }

    fn apply(&mut self, entries: &[StoredEntry]) -> Result<(), IndexError> {
        let mut state = self.0.lock().unwrap();
        for entry in entries {
            assert!(entry.seq == state.0.size || entry.seq == 0);
            state.0 = Position::after(entry);
            state.1.push(entry.bytes.clone());
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), IndexError> {
        *self.0.lock().unwrap() = Default::default();
        Ok(())
    }
}
