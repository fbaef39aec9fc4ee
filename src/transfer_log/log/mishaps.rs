//! What goes wrong beside the disk: a panic, a first write that was torn, files of one tenant that cannot be used.

use std::fs;

use super::{
    tests::{all, disclosing, keeping, names},
    *,
};
use crate::{
    seal::Keyring,
    transfer_log::{
        IndexError, NoteKey, Position, StoredEntry,
        support::{Nothing, Place, any_record, clock},
    },
};

/// An index that panics at the entry after so many.
struct Panicking(Position, u64);

impl Index for Panicking {
    fn position(&self) -> Result<Position, IndexError> {
        Ok(self.0)
    }

    fn apply(&mut self, entries: &[StoredEntry]) -> Result<(), IndexError> {
        self.0 = Position::after(entries.last().unwrap());
        assert!(self.0.size <= self.1, "as the test wants it");
        Ok(())
    }

    fn reset(&mut self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[test]
fn a_panic_in_a_thread_of_the_log_is_told_to_all_who_wait() {
    // The one that writes.
    let place = Place::new();
    let index = Box::new(Panicking(Position::default(), 2));
    let log = TransferLog::open(place.settings(), clock(), index).unwrap();
    log.append(vec![any_record()]).unwrap();
    assert!(matches!(log.append(vec![any_record()]), Err(LogError::Failed)));
    // The guard ends the queue behind that answer.
    assert_eq!(log.wait_published(1_000), None);
    assert!(log.is_failed() && !log.is_writing());
    assert!(matches!(log.append(vec![any_record()]), Err(LogError::Failed)));
    assert!(matches!(log.checkpoint_now(), Err(LogError::Failed)));
    drop(log);
    // The one that publishes.
    let place = Place::new();
    let log = place.open();
    log.append(vec![any_record()]).unwrap();
    log.0.queue.publish(Box::new(|_| panic!("as the test wants it"))).unwrap();
    assert_eq!(log.wait_published(1_000), None);
    assert!(log.is_failed());
    assert!(matches!(log.append(vec![any_record()]), Err(LogError::Failed)));
    drop(log);
    place.open().close().unwrap();
}

#[test]
fn a_new_log_whose_first_write_was_torn_goes_on_from_the_old_one_in_its_first_entry() {
    let place = Place::new();
    place.open().close().unwrap();
    fs::create_dir(place.path("archive")).unwrap();
    fs::rename(place.dir(), place.path("archive/groeikluis.example_2026")).unwrap();
    fs::create_dir_all(place.dir().join("journal")).unwrap();
    fs::write(place.dir().join("journal/00000000000000000000"), "torn").unwrap();
    let next = NoteKey::generate("groeikluis.example/2027").unwrap();
    let settings = LogSettings { origin: next.name().to_owned(), keys: next.into(), ..place.settings() };
    TransferLog::open(settings, clock(), Box::new(Nothing)).unwrap().close().unwrap();
    assert_eq!(names(&place), ["log.started", "log.recovered", "log.stopped"]);
    let first = all(&place).remove(0).event;
    assert!(matches!(first, Event::LogStarted(LogStarted { previous_checkpoint: Some(_), .. })), "{first:?}");
}

#[test]
fn damaged_disclosures_of_one_tenant_stop_nobody_and_no_start() {
    let place = Place::new();
    let keyring = Keyring::generate();
    let of = |tenant: &str| {
        let mut record = disclosing();
        record.context.tenant = Some(tenant.parse().unwrap());
        record
    };
    let opened = |keeper: &DisclosureKeeper, tenant: &str| {
        let month = keeper.open_month(Some(&tenant.parse().unwrap()), "2026-11").unwrap();
        month.disclosures.into_keys().collect::<Vec<_>>()
    };
    let (log, _) = keeping(&place, &keyring);
    log.append(vec![of("bree"), of("geel")]).unwrap();
    log.checkpoint_now().unwrap();
    // Of bree nothing can be written any more; what was written is in the journal's tail.
    log.append(vec![of("bree")]).unwrap();
    drop(log);
    let records = place.path("disclosures/bree/2026-11.sealed");
    let kept = place.path("records of before");
    fs::rename(&records, &kept).unwrap();
    fs::create_dir(&records).unwrap();
    fs::write(place.path("disclosures/bree/2026-11.key"), "damaged").unwrap();
    let (log, keeper) = keeping(&place, &keyring);
    log.append(vec![of("geel")]).unwrap();
    log.append(vec![of("bree")]).unwrap();
    log.checkpoint_now().unwrap();
    assert!(log.is_writing() && !log.is_failed());
    assert_eq!((opened(&keeper, "bree"), opened(&keeper, "geel")), (vec![7], vec![2, 6]));

    // A directory in which nothing can be made: the tenant's own entries are refused, and nobody else's of their batch.
    drop(log);
    fs::rename(place.path("disclosures/bree"), place.path("bree")).unwrap();
    fs::write(place.path("disclosures/bree"), "in the way").unwrap();
    let (log, keeper) = keeping(&place, &keyring);
    let (told, outcomes) = std::sync::mpsc::channel();
    for (tenant, urgent) in [("bree", false), ("geel", false), ("bree", false), ("geel", true)] {
        let told = told.clone();
        let records = prepare(vec![of(tenant)]).unwrap();
        let reply: Reply<Vec<Appended>> = Box::new(move |outcome| told.send((tenant, outcome.is_ok())).unwrap());
        log.0.queue.push(Group { records, reply, urgent }).unwrap();
    }
    let outcomes: Vec<_> = outcomes.iter().take(4).collect();
    for (tenant, is_written) in outcomes {
        assert_eq!(is_written, tenant == "geel");
    }
    log.close().unwrap();
    assert_eq!(opened(&keeper, "geel").len(), 4);
    place.verify().unwrap();
}
