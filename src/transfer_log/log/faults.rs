//! Every call that changes the log's files fails once, lost and done but reported lost: nothing that was answered is
//! lost, nothing is invented, and the log verifies.

use std::{collections::BTreeMap, fs};

use rustix::io::Errno;

use super::*;
use crate::{
    durable::disk::faults::{self, Failure},
    seal::Keyring,
    transfer_log::{
        Disclosed, StoredEntry, entries,
        support::{Follower, Place, any_record, clock},
    },
};

/// What a run was told: the rows of the records that were answered, by place, and those that were refused for good.
#[derive(Default)]
struct Told {
    answered: BTreeMap<u64, u64>,
    refused: Vec<u64>,
}

fn record(rows: u64) -> Record {
    let mut record = any_record().disclosing([Disclosed { name: "ip", value: format!("192.0.2.{}", rows % 250) }]);
    if let Event::ListReceived(received) = &mut record.event {
        received.rows = rows;
    }
    record
}

/// A working day: entries, checkpoints over them, an end. It goes on after a fault as a daemon would.
fn work(place: &Place, keyring: &Keyring, told: &mut Told) -> Result<(), LogError> {
    let keeper = DisclosureKeeper::new(place.path("disclosures"), keyring.clone());
    let log = TransferLog::open_keeping(place.settings(), clock(), Box::new(Follower::default()), keeper)?;
    let mut rows = 100 * (1 + told.answered.len() as u64 + told.refused.len() as u64);
    for count in [1, 258, 2] {
        let own: Vec<u64> = (rows..rows + count).collect();
        rows += count;
        match log.append(own.iter().map(|rows| record(*rows)).collect()) {
            Ok(places) => told.answered.extend(places.iter().map(|place| place.seq).zip(own)),
            Err(error) if error.is_fatal() => return Err(error),
            Err(_) => told.refused.extend(own),
        }
        match log.checkpoint_now() {
            Err(error) if error.is_fatal() => return Err(error),
            // Published with the next one.
            Ok(_) | Err(_) => {}
        }
    }
    log.close()
}

fn check(place: &Place, keyring: &Keyring, told: &Told, what: &str) {
    // A start without faults finds everything.
    let mut after = Told::default();
    after.refused.resize(1_000, 0);
    work(place, keyring, &mut after).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    place.verify().unwrap_or_else(|faults| panic!("{what}: {faults:?}"));
    let found: Vec<StoredEntry> = entries(&place.dir()).unwrap().collect::<Result<_, _>>().unwrap();
    let rows = |entry: &StoredEntry| match &entry.event {
        Event::ListReceived(received) => Some(received.rows),
        _ => None,
    };
    for (seq, expected) in told.answered.iter().chain(&after.answered) {
        let entry = &found[usize::try_from(*seq).unwrap()];
        assert_eq!(rows(entry), Some(*expected), "{what}: entry {seq} was answered");
    }
    let all: Vec<u64> = found.iter().filter_map(rows).collect();
    let mut unique = all.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), all.len(), "{what}: an entry stands twice");
    for refused in &told.refused {
        assert!(!all.contains(refused), "{what}: {refused} was refused and is there");
    }
    // Each entry's disclosures are kept, whatever failed on their way.
    let keeper = DisclosureKeeper::new(place.path("disclosures"), keyring.clone());
    let month = keeper.open_month(Some(&"bree".parse().unwrap()), "2026-11").unwrap();
    for entry in found.iter().filter(|entry| rows(entry).is_some()) {
        let texts = month.disclosures.get(&entry.seq).cloned().unwrap_or_default();
        let opened = crate::transfer_log::opened(entry, &texts);
        assert_eq!(opened.len(), 1, "{what}: the disclosures of entry {}", entry.seq);
    }
}

#[test]
fn a_fault_of_any_call_loses_nothing_and_invents_nothing() {
    let keyring = Keyring::generate();
    let calls = {
        let place = Place::new();
        faults::plan(&place.path(""), None);
        work(&place, &keyring, &mut Told::default()).unwrap();
        faults::end(&place.path(""))
    };
    assert!(calls > 60, "{calls} calls are too few to be all");
    let failures = [Failure::Lost(Errno::NOSPC), Failure::Lost(Errno::IO), Failure::DoneButReportedLost(Errno::IO)];
    // Each call with one of the failures; all of them, which takes minutes, where long tests are asked for.
    let long = std::env::var_os("GROEIKLUIS_LONG").is_some();
    for at in 0..calls {
        let chosen = failures.into_iter().enumerate().filter(|(which, _)| long || at % failures.len() == *which);
        for (_, failure) in chosen {
            let place = Place::new();
            let mut told = Told::default();
            faults::plan(&place.path(""), Some((at, failure)));
            // Whether it fails is not the question: what was said must hold.
            let _ = work(&place, &keyring, &mut told);
            faults::end(&place.path(""));
            check(&place, &keyring, &told, &format!("call {at} of {calls}, {failure:?}"));
        }
    }
}

#[test]
fn a_checkpoint_that_could_not_be_published_leaves_nothing_that_does_not_verify() {
    let begun = || {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record()]).unwrap();
        log.checkpoint_now().unwrap();
        (place, log)
    };
    let publish = |log: &TransferLog| log.append(vec![any_record()]).and_then(|_| log.checkpoint_now());
    let (place, log) = begun();
    faults::plan(&place.path(""), None);
    publish(&log).unwrap();
    let calls = faults::end(&place.path(""));
    for at in 0..calls {
        for failure in [Failure::Lost(Errno::NOSPC), Failure::DoneButReportedLost(Errno::IO)] {
            let (place, log) = begun();
            faults::plan(&place.path(""), Some((at, failure)));
            let _ = publish(&log);
            faults::end(&place.path(""));
            // The next ones are of other sizes, within the same tile.
            let _ = publish(&log);
            drop(log.close());
            place.verify().unwrap_or_else(|faults| panic!("call {at} of {calls}, {failure:?}: {faults:?}"));
            place.open().close().unwrap();
            place.verify().unwrap_or_else(|faults| panic!("call {at} of {calls}, {failure:?}, later: {faults:?}"));
        }
    }
}

/// More than may be unpublished, while the high-water mark cannot be raised.
#[test]
fn a_log_that_could_not_publish_ends_and_begins_and_then_publishes() {
    let place = Place::new();
    place.open().close().unwrap();
    let log = place.open();
    let (marks, aside) = (place.high_water_dir(), place.path("aside"));
    fs::rename(&marks, &aside).unwrap();
    fs::write(&marks, "in the way").unwrap();
    let refused = std::iter::repeat_with(|| log.append(vec![any_record(); MAX_GROUP])).find_map(Result::err);
    assert!(matches!(refused, Some(LogError::File { .. } | LogError::Busy)), "{refused:?}");
    let size = log.size();
    assert!(size - log.published() > 65_536);
    assert!(log.close().is_err());
    fs::remove_file(&marks).unwrap();
    fs::rename(&aside, &marks).unwrap();
    let log = place.open();
    assert_eq!(log.append(vec![any_record()]).unwrap()[0].seq, size + 3);
    log.close().unwrap();
    let started = Event::LogStarted(LogStarted { size: size + 1, previous_checkpoint: None });
    let found = entries(&place.dir()).unwrap().find(|entry| entry.as_ref().unwrap().event == started);
    assert_eq!(found.unwrap().unwrap().seq, size + 2);
    assert_eq!(place.verify().unwrap().unsigned, 0);
}

#[test]
fn an_end_that_cannot_be_noted_publishes_all_the_same() {
    let place = Place::new();
    let log = place.open();
    let seq = log.append(vec![any_record()]).unwrap()[0].seq;
    faults::plan(&place.path(""), Some((0, Failure::Lost(Errno::NOSPC))));
    assert!(matches!(log.close(), Err(LogError::File { action: "write", .. })));
    faults::end(&place.path(""));
    assert_eq!(place.verify().unwrap().checkpoint.size, seq + 1);
    place.open().close().unwrap();
    let next = entries(&place.dir()).unwrap().nth(2).unwrap().unwrap();
    assert!(matches!(next.event, Event::LogStarted(_)), "nothing had to be recovered: {next:?}");
}
