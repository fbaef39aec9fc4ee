//! The ledger beside a real log.

use std::{fs, path::Path};

use jiff::{SignedDuration, civil::date};
use rusqlite::Connection;

use super::*;
use crate::{
    domain::Amount,
    durable::Clock,
    transfer_log::{
        AssignmentRun, Context, DeliveryCreated, DeliveryStep, Event, ListAnswered, ListRefused, LogSettings, NoteKey,
        Outcome, ProtocolUsed, Record, TenantMerged, TransferLog, Upload, UploadRemoved,
        support::{Place, answered, clock, context, delivery, every_event, upload},
    },
};

mod summary;

struct Exchange {
    place: Place,
    clock: Clock,
    ledger: SqliteLedger,
    log: TransferLog,
}

impl Exchange {
    fn start(place: Place) -> Self {
        let clock = clock();
        let (ledger, index) = SqliteLedger::open(&place.path("ledger.db")).unwrap();
        let log = TransferLog::open(place.settings(), clock.clone(), Box::new(index)).unwrap();
        Self { place, clock, ledger, log }
    }

    fn tell(&self, event: Event, context: Context) -> Timestamp {
        self.clock.advance(SignedDuration::from_secs(1));
        self.log.append(vec![Record::success(event, context)]).unwrap()[0].at
    }
}

/// Every row of every table.
fn dump(path: &Path) -> Vec<String> {
    let database = Connection::open(path).unwrap();
    let mut rows = Vec::new();
    for table in ["progress", "submissions", "uses", "answers", "deliveries", "runs", "removals", "mergers", "logins"] {
        let mut statement = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let found = statement.query_map([], |row| {
            let cells: Vec<rusqlite::types::Value> = (0..columns).map(|at| row.get(at)).collect::<Result<_, _>>()?;
            Ok(format!("{table} {cells:?}"))
        });
        rows.extend(found.unwrap().map(Result::unwrap));
    }
    rows.sort_unstable();
    rows
}

fn about(submission: u8) -> Context {
    Context { correlation: Some(id(submission)), ..context() }
}

fn id(byte: u8) -> String {
    hex::encode([byte; 16])
}

fn id_sha(byte: u8) -> String {
    hex::encode([byte; 32])
}

fn bree() -> TenantId {
    "bree".parse().unwrap()
}

fn protocol() -> ProtocolId {
    "OPG-2026-017".parse().unwrap()
}

#[test]
fn a_rebuilt_ledger_equals_the_live_one() {
    let exchange = Exchange::start(Place::new());
    for event in every_event() {
        exchange.tell(event, context());
    }
    for event in every_event() {
        exchange.log.append(vec![Record::failure(event, "some-reason", about(9))]).unwrap();
    }
    for (event, test) in every_event().into_iter().zip([true, false].into_iter().cycle()) {
        let event = match event {
            Event::ListAnswered(answered) => Event::ListAnswered(ListAnswered { test, ..answered }),
            event => event,
        };
        exchange.tell(event, Context { tenant: Some("torhout".parse().unwrap()), ..about(8) });
    }
    let Exchange { place, log, ledger, .. } = exchange;
    let path = place.path("ledger.db");
    assert!(matches!(rebuild(&place.dir(), &place.path("archive"), &path), Err(LedgerError::LogInUse { .. })));
    let size = log.size();
    log.close().unwrap();
    drop(ledger);
    let live = dump(&path);
    assert!(live.len() >= 8, "{live:?}");
    for rebuilt in [path, place.path("another.db")] {
        assert_eq!(rebuild(&place.dir(), &place.path("archive"), &rebuilt).unwrap(), size + 1);
        assert_eq!(dump(&rebuilt), live);
    }
}

#[test]
fn a_submission_is_followed_to_its_answer() {
    let exchange = Exchange::start(Place::new());
    let ledger = &exchange.ledger;
    assert_eq!(ledger.submission(&id(1)).unwrap(), None);
    let received_at = exchange.tell(upload(), about(1));
    let received = SubmissionRow {
        id: id(1),
        tenant: bree(),
        received_at,
        state: SubmissionState::Waiting,
        size: 2_048,
        test: false,
        ciphertext_sha256: id_sha(2),
        gone: false,
    };
    assert_eq!(ledger.waiting().unwrap(), std::slice::from_ref(&received));
    assert_eq!(ledger.uses(&bree(), &protocol(), None).unwrap(), 0);
    let used = Event::ProtocolUsed(ProtocolUsed { submission: id(1), day: date(2026, 11, 21) });
    let group = [Event::ListAnswered(answered()), used.clone(), Event::DeliveryCreated(delivery())];
    let group = group.map(|event| Record::success(event, about(1)));
    let places = exchange.log.append(group.to_vec()).unwrap();
    assert_eq!(ledger.waiting().unwrap(), []);
    assert_eq!(
        ledger.submission(&id(1)).unwrap(),
        Some(SubmissionRow { state: SubmissionState::Answered, ..received.clone() })
    );
    // What was answered stays answered, and as it was, whatever comes under its id.
    let Event::Upload(once) = upload() else { panic!("an upload") };
    exchange.tell(Event::Upload(Upload { size: 1, ciphertext_sha256: id_sha(9), ..once }), about(1));
    assert_eq!(
        ledger.submission(&id(1)).unwrap(),
        Some(SubmissionRow { state: SubmissionState::Answered, ..received })
    );
    // Told twice, as after a crash, it is one use.
    exchange.tell(used, about(1));
    let uses = |since| ledger.uses(&bree(), &protocol(), since).unwrap();
    assert_eq!((uses(None), uses(Some(date(2026, 11, 21))), uses(Some(date(2026, 11, 22)))), (1, 1, 0));
    assert_eq!(ledger.uses(&"torhout".parse().unwrap(), &protocol(), None).unwrap(), 0);
    let found = ledger.answered(&bree(), &protocol(), &answered().list_fingerprint, "2026-10").unwrap();
    let file = delivery().file;
    let earlier =
        AnsweredList { file: file.clone(), at: places[0].at, submission: id(1), gone: None, retention_until: None };
    assert_eq!(found, Some(earlier));
    assert_eq!(ledger.answered(&bree(), &protocol(), &answered().list_fingerprint, "2026-11").unwrap(), None);
    assert_eq!(ledger.answered(&bree(), &protocol(), "00", "2026-10").unwrap(), None);
    let created = DeliveryRow {
        id: id(3),
        tenant: bree(),
        file,
        kind: Kind::SocialeToeslag,
        reference: Some(protocol()),
        rows: 12,
        created_at: places[2].at,
        created_seq: places[2].seq,
        ciphertext_sha256: delivery().ciphertext_sha256,
        available: false,
        fetched_at: None,
        answers: Some(id(1)),
        amount_total: Some(Amount::from_cents(7_500)),
        test: false,
        retention_until: None,
        gone: None,
    };
    assert_eq!(ledger.unavailable_deliveries().unwrap(), std::slice::from_ref(&created));
    let step = || DeliveryStep { delivery_id: id(3) };
    exchange.tell(Event::DeliveryAvailable(step()), about(1));
    let fetched_at = Some(exchange.tell(Event::DeliveryFetched(step()), about(1)));
    exchange.tell(Event::DeliveryFetched(step()), about(1));
    assert_eq!(ledger.unavailable_deliveries().unwrap(), []);
    let fetched = DeliveryRow { available: true, fetched_at, ..created };
    assert_eq!(ledger.delivery(&id(3)).unwrap().as_ref(), Some(&fetched));
    assert_eq!(ledger.deliveries(&bree()).unwrap(), [fetched]);
    assert_eq!(ledger.delivery(&id(4)).unwrap(), None);
}

#[test]
fn a_file_that_was_handed_over_is_known_again() {
    let exchange = Exchange::start(Place::new());
    let handed = |byte: u8, content: &str| {
        let fingerprint = Some(content.to_owned());
        Event::DeliveryCreated(DeliveryCreated { delivery_id: id(byte), fingerprint, ..delivery() })
    };
    exchange.tell(Event::DeliveryCreated(delivery()), about(1));
    exchange.tell(handed(4, "ab"), about(4));
    exchange.tell(handed(5, "ab"), about(5));
    let found = |content: &str| exchange.ledger.handed_over(&bree(), content).unwrap().map(|row| row.id);
    assert_eq!((found("ab"), found("ac")), (Some(id(5)), None));
    assert_eq!(exchange.ledger.handed_over(&"gent".parse().unwrap(), "ab").unwrap(), None);
}

#[test]
fn what_is_removed_is_told_once() {
    let exchange = Exchange::start(Place::new());
    let ledger = &exchange.ledger;
    let until = Some(date(2026, 12, 1));
    let step = || DeliveryStep { delivery_id: id(3) };
    exchange.tell(upload(), about(1));
    let answered_at = exchange.tell(Event::ListAnswered(answered()), about(1));
    exchange.tell(Event::DeliveryCreated(DeliveryCreated { retention_until: until, ..delivery() }), about(1));
    assert_eq!(ledger.ended_deliveries(date(2026, 12, 2)).unwrap(), [], "it is not there yet");
    exchange.tell(Event::DeliveryAvailable(step()), about(1));
    assert_eq!(ledger.ended_deliveries(date(2026, 12, 1)).unwrap(), []);
    assert_eq!(ledger.ended_deliveries(date(2026, 12, 2)).unwrap().len(), 1);
    assert_eq!(ledger.settled_uploads(answered_at).unwrap(), []);
    assert_eq!(ledger.settled_uploads(answered_at + SignedDuration::from_micros(1)).unwrap().len(), 1);

    let every = every_event();
    let removals = every.iter().filter(|event| matches!(event, Event::DeliveryExpired(_) | Event::UploadRemoved(_)));
    let removals: Vec<Event> = removals.cloned().collect();
    for event in removals.iter().chain(&removals) {
        exchange.tell(event.clone(), about(1));
    }
    assert!(
        ledger.delivery(&id(3)).unwrap().unwrap().gone.is_some() && ledger.submission(&id(1)).unwrap().unwrap().gone
    );
    assert_eq!(ledger.ended_deliveries(date(2027, 12, 2)).unwrap(), []);
    assert_eq!(ledger.settled_uploads(Timestamp::MAX).unwrap(), []);
    assert_eq!(ledger.summary().unwrap().tenants[&bree()].unfetched, 0);
    let untold = ledger.untold_removals(&bree()).unwrap();
    let causes: Vec<&RemovalCause> = untold.iter().map(|row| &row.cause).collect();
    let [RemovalCause::Expired { file, until: told }, RemovalCause::Answered { .. }] = causes.as_slice() else {
        panic!("{causes:?}")
    };
    assert_eq!((file, *told, untold[1].size), (&delivery().file, until, 2_048));

    let certificate = |byte: u8| {
        let file = format!("rapport_72004_verwijdering_20261202_{byte:04}.txt.age");
        Event::DeliveryCreated(DeliveryCreated { delivery_id: id(byte), file, removals: Some(2), ..delivery() })
    };
    exchange.tell(certificate(9), context());
    assert_eq!(ledger.untold_removals(&bree()).unwrap(), []);
    // That a certificate goes is told by none.
    exchange.tell(Event::DeliveryAvailable(DeliveryStep { delivery_id: id(9) }), context());
    let mut gone = removals[0].clone();
    if let Event::DeliveryExpired(expired) = &mut gone {
        expired.delivery_id = id(9);
    }
    exchange.tell(gone, context());
    assert!(ledger.delivery(&id(9)).unwrap().unwrap().gone.is_some());
    assert_eq!(ledger.untold_removals(&bree()).unwrap(), []);
}

#[test]
fn an_answer_that_was_withdrawn_is_none_and_one_whose_time_is_over_stays_one() {
    let ends = [
        ("delivery.expired", Some(DeliveryEnd::Expired)),
        ("file.delete", Some(DeliveryEnd::Deleted)),
        ("delivery.withdrawn", None),
    ];
    for (removed, expected) in ends {
        let exchange = Exchange::start(Place::new());
        let ledger = &exchange.ledger;
        exchange.tell(upload(), about(1));
        let used = Event::ProtocolUsed(ProtocolUsed { submission: id(1), day: date(2026, 11, 21) });
        let until = Some(date(2026, 12, 1));
        let created = Event::DeliveryCreated(DeliveryCreated { retention_until: until, ..delivery() });
        for event in [Event::ListAnswered(answered()), used, created] {
            exchange.tell(event, about(1));
        }
        let found = || ledger.answered(&bree(), &protocol(), &answered().list_fingerprint, "2026-10").unwrap();
        let uses = || ledger.uses(&bree(), &protocol(), None).unwrap();
        assert_eq!((found().map(|earlier| earlier.gone), uses()), (Some(None), 1));
        let about = if removed == "file.delete" { about(3) } else { about(1) };
        exchange.tell(every_event().into_iter().find(|event| event.name() == removed).unwrap(), about);
        assert_eq!(found().map(|earlier| earlier.gone), expected.map(Some), "{removed}");
        assert_eq!(uses(), u32::from(expected.is_some()), "{removed}");
        assert_eq!(found().and_then(|earlier| earlier.retention_until), expected.and(until));
    }
}

#[test]
fn what_a_tenant_removed_itself_is_neither_waited_for_nor_certified() {
    let exchange = Exchange::start(Place::new());
    let ledger = &exchange.ledger;
    let until = Some(date(2026, 12, 1));
    exchange.tell(Event::DeliveryCreated(DeliveryCreated { retention_until: until, ..delivery() }), about(1));
    exchange.tell(Event::DeliveryAvailable(DeliveryStep { delivery_id: id(3) }), about(1));
    assert_eq!(ledger.summary().unwrap().tenants[&bree()].unfetched, 1);
    exchange.tell(Event::Delete {}, about(3));
    assert_eq!(ledger.delivery(&id(3)).unwrap().unwrap().gone, Some(DeliveryEnd::Deleted));
    assert_eq!(ledger.summary().unwrap().tenants[&bree()].unfetched, 0);
    assert_eq!(ledger.ended_deliveries(date(2027, 12, 2)).unwrap(), []);
    assert_eq!(ledger.untold_removals(&bree()).unwrap(), []);
}

#[test]
fn a_removal_tells_how_far_an_upload_came() {
    let exchange = Exchange::start(Place::new());
    let ledger = &exchange.ledger;
    let Event::Upload(whole) = upload() else { panic!("an upload") };
    let unfinished = || Event::Upload(Upload { complete: false, ..whole.clone() });
    exchange.tell(unfinished(), about(1));
    exchange.tell(upload(), about(2));
    // Its name was refused once it was renamed: its content went at once, and what the tenant is told comes after.
    exchange.tell(unfinished(), about(3));
    exchange.tell(Event::Delete {}, about(3));
    let refused = ListRefused { rows: None, invalid: None, delivery_id: id(7), file: String::new() };
    exchange.log.append(vec![Record::failure(Event::ListRefused(refused), "wrong-file-type", about(3))]).unwrap();
    assert_eq!(ledger.submission(&id(3)).unwrap().unwrap().state, SubmissionState::Removed);
    assert_eq!(ledger.settled_uploads(Timestamp::MAX).unwrap(), [], "nothing is kept of it");
    let removed = every_event().into_iter().find(|event| matches!(event, Event::UploadRemoved(_))).unwrap();
    for (byte, reason) in [(1, UploadRemoved::UNFINISHED), (2, UploadRemoved::TENANT_GONE)] {
        let record = Record { reason: Some(reason), ..Record::success(removed.clone(), about(byte)) };
        exchange.log.append(vec![record]).unwrap();
    }
    let causes: Vec<_> = ledger.untold_removals(&bree()).unwrap().into_iter().map(|row| row.cause).collect();
    assert!(matches!(causes[..], [RemovalCause::Unfinished { .. }, RemovalCause::Unanswered { .. }]), "{causes:?}");
}

#[test]
fn a_merged_tenant_has_all_that_the_others_used_up() {
    let exchange = Exchange::start(Place::new());
    let (gooik, pajottegem): (TenantId, TenantId) = ("gooik".parse().unwrap(), "pajottegem".parse().unwrap());
    let of = |tenant: &TenantId, context: Context| Context { tenant: Some(tenant.clone()), ..context };
    exchange.tell(every_event().swap_remove(0), of(&gooik, context()));
    exchange.tell(upload(), of(&gooik, about(1)));
    exchange.tell(Event::ListAnswered(answered()), of(&gooik, about(1)));
    let used = Event::ProtocolUsed(ProtocolUsed { submission: id(1), day: date(2026, 11, 21) });
    exchange.tell(used, of(&gooik, about(1)));
    exchange.tell(Event::DeliveryCreated(delivery()), of(&gooik, about(1)));
    // The other has a file of the same name, as when a municipality and its ocmw become one.
    let same_name = DeliveryCreated { delivery_id: id(8), ..delivery() };
    exchange.tell(Event::DeliveryCreated(same_name), of(&pajottegem, about(2)));
    let ledger = &exchange.ledger;
    let uses = |tenant| ledger.uses(tenant, &protocol(), None).unwrap();
    assert_eq!((uses(&gooik), uses(&pajottegem)), (1, 0));
    let at = exchange.tell(
        Event::TenantMerged(TenantMerged {
            former: gooik.clone(),
            deliveries: 1,
            unfetched: 1,
            uploads: 1,
            waiting: 0,
            receipts: 2,
        }),
        of(&pajottegem, context()),
    );
    assert_eq!((uses(&gooik), uses(&pajottegem)), (0, 1));
    assert_eq!(ledger.deliveries(&pajottegem).unwrap().len(), 2);
    assert_eq!(ledger.deliveries(&gooik).unwrap(), []);
    assert_eq!(ledger.submission(&id(1)).unwrap().unwrap().tenant, pajottegem);
    let summary = ledger.summary().unwrap().tenants;
    assert!(summary[&pajottegem].last_login.is_some() && !summary.contains_key(&gooik));
    // And once more: whoever asks is told who has it today.
    exchange.tell(
        Event::TenantMerged(TenantMerged {
            former: pajottegem.clone(),
            deliveries: 2,
            unfetched: 2,
            uploads: 1,
            waiting: 0,
            receipts: 3,
        }),
        context(),
    );
    let mergers = ledger.mergers().unwrap();
    assert_eq!(mergers[0], MergerRow { former: gooik.clone(), tenant: bree(), at });
    assert_eq!((mergers.len(), uses(&bree())), (2, 1));
    exchange.log.close().unwrap();
    let live = dump(&exchange.place.path("ledger.db"));
    let again = exchange.place.path("again.db");
    rebuild(&exchange.place.dir(), &exchange.place.path("archive"), &again).unwrap();
    assert_eq!(dump(&again), live);
}

#[test]
fn trials_and_failures_use_nothing_up() {
    let exchange = Exchange::start(Place::new());
    exchange.tell(upload(), about(1));
    exchange.tell(Event::ListAnswered(ListAnswered { test: true, ..answered() }), about(1));
    let failed = Record { outcome: Outcome::Failure, ..Record::success(upload(), about(2)) };
    exchange.log.append(vec![failed]).unwrap();
    exchange.tell(upload(), about(3));
    exchange.tell(Event::Delete {}, about(3));
    exchange.tell(upload(), about(4));
    let refused = ListRefused { rows: None, invalid: None, delivery_id: id(7), file: String::new() };
    exchange.log.append(vec![Record::failure(Event::ListRefused(refused), "empty", about(4))]).unwrap();
    let ledger = &exchange.ledger;
    let state = |byte| ledger.submission(&id(byte)).unwrap().map(|row| row.state);
    assert_eq!(state(1), Some(SubmissionState::Answered));
    assert_eq!(state(2), None);
    assert_eq!(state(3), Some(SubmissionState::Removed));
    assert_eq!(state(4), Some(SubmissionState::Refused));
    assert_eq!(ledger.answered(&bree(), &protocol(), &answered().list_fingerprint, "2026-10").unwrap(), None);
    assert_eq!(ledger.waiting().unwrap(), []);
}

#[test]
fn numbers_of_deliveries_count_by_tenant_and_day() {
    let exchange = Exchange::start(Place::new());
    for (byte, day, sequence) in [(1, "20261121", 3), (2, "20261121", 12), (3, "20261122", 5)] {
        let file = format!("verslag_72004_OPG-2026-017_{day}_{sequence:04}.csv.age");
        let created = DeliveryCreated { delivery_id: id(byte), file, ..delivery() };
        exchange.tell(Event::DeliveryCreated(created), about(byte));
    }
    let last = |tenant: &str, day| exchange.ledger.last_sequence(&tenant.parse().unwrap(), day).unwrap();
    assert_eq!(last("bree", date(2026, 11, 21)), 12);
    assert_eq!(last("bree", date(2026, 11, 22)), 5);
    assert_eq!(last("bree", date(2026, 11, 23)), 0);
    assert_eq!(last("torhout", date(2026, 11, 21)), 0);
}

#[test]
fn an_upload_that_is_removed_waits_no_more() {
    let exchange = Exchange::start(Place::new());
    exchange.tell(upload(), about(1));
    let removed = every_event().into_iter().find(|event| matches!(event, Event::UploadRemoved(_))).unwrap();
    exchange.tell(removed, about(1));
    let row = exchange.ledger.submission(&id(1)).unwrap().unwrap();
    assert_eq!((row.state, row.gone), (SubmissionState::Removed, true));
    assert_eq!(exchange.ledger.waiting().unwrap(), []);
}

#[test]
fn a_ledger_that_is_behind_or_gone_or_broken_catches_up() {
    let exchange = Exchange::start(Place::new());
    let path = exchange.place.path("ledger.db");
    exchange.tell(upload(), about(1));
    let Exchange { place, log, ledger, .. } = exchange;
    log.close().unwrap();
    drop(ledger);
    fs::copy(&path, place.path("behind.db")).unwrap();
    let exchange = Exchange::start(place);
    exchange.tell(upload(), about(2));
    let Exchange { mut place, log, ledger, .. } = exchange;
    log.close().unwrap();
    drop(ledger);
    let breaks: [&dyn Fn(&Place); 5] = [
        &|place| fs::rename(place.path("behind.db"), &path).map(drop).unwrap(),
        &|_| fs::remove_file(&path).unwrap(),
        &|_| fs::write(&path, "no database at all, but rather a long text").unwrap(),
        &|_| Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap(),
        &|_| {
            let forged = "UPDATE progress SET size = 3, last = zeroblob(32)";
            Connection::open(&path).unwrap().execute_batch(forged).unwrap();
        },
    ];
    for broken in breaks {
        broken(&place);
        let exchange = Exchange::start(place);
        let waiting: Vec<_> = exchange.ledger.waiting().unwrap().into_iter().map(|row| row.id).collect();
        assert_eq!(waiting, [id(1), id(2)]);
        let Exchange { place: again, log, ledger, .. } = exchange;
        place = again;
        log.close().unwrap();
        drop(ledger);
        let live = dump(&path);
        rebuild(&place.dir(), &place.path("archive"), &place.path("rebuilt.db")).unwrap();
        assert_eq!(dump(&place.path("rebuilt.db")), live);
    }
}

/// Each year's log counts its entries from 0.
#[test]
fn runs_of_two_years_are_in_the_order_of_their_times() {
    let run = |id: u8, day| {
        let run = every_event().into_iter().find_map(|event| match event {
            Event::AssignmentRun(run) => Some(run),
            _ => None,
        });
        Event::AssignmentRun(AssignmentRun { run: self::id(id), day, ..run.unwrap() })
    };
    let exchange = Exchange::start(Place::new());
    for submission in 1..9 {
        exchange.tell(upload(), about(submission));
    }
    exchange.tell(run(1, date(2026, 12, 31)), context());
    let Exchange { place, clock, ledger, log } = exchange;
    log.close().unwrap();
    drop(ledger);
    let origin = "groeikluis.example/2027".to_owned();
    let key = NoteKey::generate(&origin).unwrap();
    let settings = LogSettings { origin, keys: key.into(), ..place.settings() };
    let (ledger, index) = SqliteLedger::open(&place.path("ledger.db")).unwrap();
    let log = TransferLog::open(settings, clock.clone(), Box::new(index)).unwrap();
    let exchange = Exchange { place, clock, ledger, log };
    exchange.tell(run(2, date(2027, 1, 1)), context());
    let runs = exchange.ledger.runs(&bree(), None, None).unwrap();
    assert!(runs.iter().all(|run| (run.unaddressed, run.unprintable) == (Count::of(7), Count::WITHHELD)));
    assert_eq!(runs.into_iter().map(|run| run.id).collect::<Vec<_>>(), [id(1), id(2)]);
    // Without the first year nobody would know what was used in it, so that is done only for who says so.
    let Exchange { place, log, ledger, .. } = exchange;
    log.close().unwrap();
    drop(ledger);
    let (path, archive, away) = (place.path("ledger.db"), place.path("archive"), place.path("away"));
    let live = dump(&path);
    fs::rename(&archive, &away).unwrap();
    let refused = rebuild(&place.dir(), &archive, &path);
    assert!(matches!(refused, Err(LedgerError::Log(LogError::EarlierMissing { .. }))), "{refused:?}");
    assert_eq!(dump(&path), live);
    rebuild_without_earlier(&place.dir(), &archive, &path).unwrap();
    assert_ne!(dump(&path), live);
    fs::rename(&away, &archive).unwrap();
    rebuild(&place.dir(), &archive, &path).unwrap();
    assert_eq!(dump(&path), live);
}

#[test]
fn a_ledger_with_a_damaged_page_says_what_to_do_and_is_made_anew() {
    let exchange = Exchange::start(Place::new());
    exchange.tell(upload(), about(1));
    let Exchange { place, log, ledger, .. } = exchange;
    let path = place.path("ledger.db");
    log.close().unwrap();
    drop(ledger);
    let live = dump(&path);
    let database = Connection::open(&path).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'submissions'";
    let page: u32 = database.query_row(root, [], |row| row.get(0)).unwrap();
    let size: u32 = database.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    database.close().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[((page - 1) * size) as usize..(page * size) as usize].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let (ledger, index) = SqliteLedger::open(&path).unwrap();
    let fault = ledger.waiting().unwrap_err();
    assert!(matches!(fault, LedgerError::Damaged { .. }) && fault.to_string().contains("ledger rebuild"), "{fault}");
    drop((ledger, index));
    rebuild(&place.dir(), &place.path("archive"), &path).unwrap();
    assert_eq!(dump(&path), live);
}

#[test]
fn the_file_is_for_its_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let exchange = Exchange::start(Place::new());
    for suffix in ["", "-wal", "-shm"] {
        let file = exchange.place.path(&format!("ledger.db{suffix}"));
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_ledger_on_a_full_disk_ends_the_log_and_catches_up_later() {
    let place = Place::new();
    let path = place.path("ledger.db");
    let open = |index: SqliteIndex| TransferLog::open(place.settings(), clock(), Box::new(index));
    let (_, index) = SqliteLedger::open(&path).unwrap();
    index.fill_disk();
    let log = open(index).unwrap();
    let mut answered = 0_usize;
    let fault = loop {
        let context = Context { correlation: Some(format!("{answered:032x}")), ..context() };
        match log.append(vec![Record::success(upload(), context)]) {
            Ok(_) => answered += 1,
            Err(fault) => break fault,
        }
    };
    assert!(fault.is_fatal() && log.is_failed(), "{fault:?}");
    assert!(matches!(fault, LogError::Index(_)));
    drop(log);
    // What the log took is in it, and the ledger learns of it with room on the disk.
    let (ledger, index) = SqliteLedger::open(&path).unwrap();
    let log = open(index).unwrap();
    assert_eq!(ledger.waiting().unwrap().len(), answered + 1);
    log.close().unwrap();
    place.verify().unwrap();
}
