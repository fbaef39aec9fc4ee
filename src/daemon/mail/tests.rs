//! Mail from the log's entries to the outbox, with a clock that is set.

use std::{path::Path, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::{
    MailParts,
    desk::Writer,
    letter::{self, Facts},
    news::News,
    outbox::{Mark, Outbox, Queued, Recipient},
};
use crate::{
    config::{self, Language, Settings},
    daemon::{
        disks::FullDisk,
        inboxes::FullInbox,
        kept::KeptFiles,
        live::{Facts as LiveFacts, Live},
        needs::{Ending, Ends, Overdue, SetAside},
    },
    documents::golden,
    domain::{
        Kind, TenantId,
        protocol::{Period, Use},
    },
    durable::{Clock, Directory},
    exchange::Registers,
    ledger::SqliteLedger,
    metrics::Counts,
    seal::Keyring,
    transfer_log::{
        Actor, Context, DeliveryCreated, DeliveryStep, Event, ListRefused, LogSettings, MailTopic, NoteKey, Record,
        RegisterRefused, SigningKeys, TransferLog,
    },
};

const ORIGIN: &str = "groeikluis.test/2026";

/// A state directory with a log, and the shipped configuration with mail.
struct Place {
    root: TempDir,
    clock: Clock,
    settings: Settings,
    key: NoteKey,
    keyring: Keyring,
}

impl Place {
    fn at(now: &str) -> Self {
        let mut settings = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/groeikluis.yaml")).unwrap();
        let mail = config::MailSettings {
            host: "localhost".to_owned(),
            port: 25,
            from: "groeikluis@example.be".to_owned(),
            ops: vec!["ops@example.be".to_owned()],
            tls: config::MailTls::None,
            ca: None,
            login: None,
            gather: Duration::from_mins(2),
            unfetched_after_days: 7,
        };
        settings.mail = Some(mail);
        Self {
            root: tempfile::tempdir().unwrap(),
            clock: Clock::fixed(now.parse().unwrap()),
            settings,
            key: NoteKey::generate(ORIGIN).unwrap(),
            keyring: Keyring::generate(),
        }
    }

    /// As a start of the daemon would open it.
    fn open(&self) -> (Writer, Arc<Outbox>, TransferLog, Arc<SqliteLedger>) {
        let state = Directory::create(&self.root.path().join("state")).unwrap();
        let log_dir = state.path().join("log");
        let (ledger, index) = SqliteLedger::open(&state.path().join("ledger.sqlite")).unwrap();
        let log_settings = LogSettings {
            dir: log_dir.clone(),
            high_water_dir: self.root.path().join("high-water"),
            origin: self.key.name().to_owned(),
            archive_dir: state.path().join("archive"),
            keys: SigningKeys { first: self.key.clone(), others: Vec::new() },
            checkpoint_every: Duration::from_secs(1),
            goes_on_from_older: false,
        };
        let log = TransferLog::open(log_settings, self.clock.clone(), Box::new(index)).unwrap();
        let ledger = Arc::new(ledger);
        let registers = Registers::new(self.settings.sources.clone(), self.settings.municipalities.clone());
        let facts = LiveFacts {
            host_fingerprint: String::new(),
            next_host_keys: Vec::new(),
            host_keys: Vec::new(),
            exchange_recipients: Vec::new(),
        };
        let counts = Arc::new(Counts::default());
        let live = Live::new(Arc::new(self.settings.clone()), self.clock.clone(), Arc::new(registers), facts, counts);
        let outbox = self.outbox(&state, 100);
        let parts = MailParts {
            live: Arc::new(live),
            clock: self.clock.clone(),
            log: log.clone(),
            log_dir,
            archive_dir: state.path().join("archive"),
            origin: self.key.name().to_owned(),
            ledger: ledger.clone(),
            state,
            keyring: self.keyring.clone(),
        };
        (Writer::new(parts, outbox.clone()), outbox, log, ledger)
    }

    fn outbox(&self, state: &Directory, most: usize) -> Arc<Outbox> {
        let directory = state.subdirectory("mail").unwrap();
        let files = KeptFiles::new(directory.clone(), self.keyring.clone());
        Arc::new(Outbox::open(directory, files, most).unwrap())
    }

    fn days_pass(&self, days: i64) {
        self.clock.advance(SignedDuration::from_hours(24 * days));
    }
}

/// Takes out what waits in the outbox.
fn take_all(outbox: &Outbox) -> Vec<Queued> {
    let mut taken = Vec::new();
    while let Some((mail, _)) = outbox.next(Duration::from_millis(1)) {
        outbox.keep(Queued { to: Vec::new(), ..mail.clone() }, 0, None).unwrap();
        taken.push(mail);
    }
    taken
}

fn bree() -> TenantId {
    "bree".parse().unwrap()
}

fn context() -> Context {
    let protocol = Some("OPG-2026-017".parse().unwrap());
    Context { tenant: Some(bree()), protocol, ..Context::of(Actor::Daemon) }
}

/// A delivery that can be fetched.
fn deliver(log: &TransferLog, id: &str, kind: Kind, number: u32, test: bool) {
    let extension = if kind == Kind::Weigering { "txt" } else { "csv" };
    let created = DeliveryCreated {
        delivery_id: id.to_owned(),
        file: format!("{kind}_72004_OPG-2026-017_20261122_{number:04}.{extension}.age"),
        kind,
        rows: 5,
        amount_total: None,
        recipients: Vec::new(),
        purpose: "toelage".to_owned(),
        legal_basis: "decreet".to_owned(),
        columns: Vec::new(),
        ciphertext_sha256: "ab".repeat(32),
        ciphertext_size: 900,
        answers: None,
        manifest_sha256: None,
        test,
        run: None,
        retention_until: None,
        removals: None,
        fingerprint: None,
    };
    let step = DeliveryStep { delivery_id: id.to_owned() };
    for event in [Event::DeliveryCreated(created), Event::DeliveryAvailable(step)] {
        log.append(vec![Record::success(event, context())]).unwrap();
    }
}

fn refuse(log: &TransferLog, id: &str, file: &str) {
    let refused = ListRefused { rows: Some(3), invalid: Some(3), delivery_id: id.to_owned(), file: file.to_owned() };
    log.append(vec![Record::failure(Event::ListRefused(refused), "list-too-many-invalid", context())]).unwrap();
}

#[test]
fn what_happens_goes_into_one_mail_and_is_never_told_again() {
    let place = Place::at("2026-11-22T09:00:00Z");
    let (mut writer, outbox, log, _) = place.open();
    writer.look(true);
    take_all(&outbox);
    deliver(&log, "a1", Kind::SocialeToeslag, 1, false);
    deliver(&log, "a2", Kind::Verslag, 2, false);
    writer.look(false);
    assert!(take_all(&outbox).is_empty(), "the time to gather is not over");
    writer.look(true);
    let mails = take_all(&outbox);
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!((mails[0].tenant.clone(), mails[0].topics.as_slice()), (Some(bree()), &[MailTopic::Ready][..]));
    assert!(mails[0].to.iter().all(|to| place.settings.tenants[&bree()].contacts.contains(&to.address)));
    // Neither by the same desk nor by the next start's.
    writer.look(true);
    assert!(take_all(&outbox).is_empty());
    drop((writer, outbox));
    log.close().unwrap();
    let (mut writer, outbox, log, _) = place.open();
    writer.look(true);
    assert!(take_all(&outbox).is_empty());
    log.close().unwrap();
}

#[test]
fn a_turn_that_was_cut_off_is_made_again_whole() {
    let place = Place::at("2026-11-22T09:00:00Z");
    let (mut writer, outbox, log, _) = place.open();
    writer.look(true);
    take_all(&outbox);
    let mark = outbox.mark().unwrap();
    deliver(&log, "a1", Kind::SocialeToeslag, 1, false);
    writer.look(true);
    // As if the mark had not been written after the mails were.
    let state = Directory::create(&place.root.path().join("state/mail")).unwrap();
    state.write("mark.json", &serde_json::to_vec(&mark).unwrap()).unwrap();
    drop((writer, outbox));
    log.close().unwrap();
    let (mut writer, outbox, log, _) = place.open();
    assert!(outbox.next(Duration::from_millis(1)).is_none(), "mails of no turn count for nothing");
    writer.look(true);
    assert_eq!(take_all(&outbox).len(), 1);
    log.close().unwrap();
}

#[test]
fn what_a_year_left_to_be_told_is_told_from_the_log_that_was_put_by() {
    let mut place = Place::at("2026-12-31T09:00:00Z");
    let (mut writer, outbox, log, _) = place.open();
    deliver(&log, "a1", Kind::SocialeToeslag, 1, false);
    writer.look(true);
    take_all(&outbox);
    // A stop before the desk reads on.
    deliver(&log, "a2", Kind::Verslag, 2, false);
    drop((writer, outbox));
    log.close().unwrap();
    place.key = NoteKey::generate("groeikluis.test/2027").unwrap();
    let (mut writer, outbox, log, _) = place.open();
    deliver(&log, "a3", Kind::Verslag, 3, false);
    let mut told = Vec::new();
    for _ in 0..3 {
        writer.look(true);
        told.extend(take_all(&outbox).into_iter().filter(|mail| mail.tenant.is_some()).map(|mail| mail.body));
    }
    let has = |number: &str| told.iter().map(|body| body.matches(number).count()).collect::<Vec<_>>();
    assert_eq!((has("_0001."), has("_0002."), has("_0003.")), (vec![0, 0], vec![1, 0], vec![0, 1]), "{told:?}");
    assert_eq!(outbox.mark().unwrap().origin, "groeikluis.test/2027");
    drop((writer, outbox));
    log.close().unwrap();
    // Of the new log it goes on where it was.
    let (mut writer, outbox, log, _) = place.open();
    writer.look(true);
    assert!(take_all(&outbox).iter().all(|mail| mail.tenant.is_none()));
    log.close().unwrap();
}

#[test]
fn a_full_outbox_takes_no_more() {
    let place = Place::at("2026-11-22T09:00:00Z");
    let state = Directory::create(&place.root.path().join("state")).unwrap();
    let outbox = place.outbox(&state, 2);
    for id in 1..=3 {
        outbox.put(to_ops(id)).unwrap();
    }
    let mark = Mark {
        turn: 1,
        origin: ORIGIN.to_owned(),
        size: 0,
        looked: None,
        failure_told: None,
        disk_told: None,
        told: std::collections::BTreeMap::new(),
    };
    outbox.end_turn(&mark).unwrap();
    assert_eq!(take_all(&place.outbox(&state, 2)).len(), 2);
}

/// A mail that tells nothing.
fn to_ops(id: u8) -> Queued {
    Queued {
        id: hex::encode([id; 16]),
        turn: 1,
        tenant: None,
        topics: vec![MailTopic::Log],
        to: vec![Recipient { address: "ops@example.be".to_owned(), in_flight: false }],
        subject: String::new(),
        body: String::new(),
        written: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn what_the_disk_does_not_take_is_not_being_handed_over() {
    let place = Place::at("2026-11-22T09:00:00Z");
    let state = Directory::create(&place.root.path().join("state")).unwrap();
    let outbox = place.outbox(&state, 2);
    outbox.put_urgent(to_ops(1));
    let mut begun = to_ops(1);
    begun.to[0].in_flight = true;
    // A directory in the place of the file that is written first.
    let in_the_way = place.root.path().join(format!("state/mail/.{}.mail.age.new", begun.id));
    std::fs::create_dir(&in_the_way).unwrap();
    assert!(outbox.begin(begun.clone()).is_err());
    let next = || outbox.next(Duration::from_secs(1)).unwrap().0;
    assert_eq!(next(), to_ops(1), "nobody began to hand it over");
    std::fs::remove_dir(&in_the_way).unwrap();
    outbox.begin(begun.clone()).unwrap();
    assert_eq!(next(), begun);
    // The server asked to come again: that is so, whatever the disk says.
    std::fs::create_dir(&in_the_way).unwrap();
    assert!(outbox.keep(to_ops(1), 1, None).is_err());
    assert_eq!(next(), to_ops(1));
}

#[test]
fn a_look_in_the_future_does_not_count() {
    let place = Place::at("2027-11-22T09:00:00Z");
    let (mut writer, outbox, log, _) = place.open();
    writer.look(false);
    take_all(&outbox);
    assert_eq!(outbox.mark().unwrap().looked, Some("2027-11-22".parse().unwrap()));
    // The clock is set right.
    place.days_pass(-365);
    deliver(&log, "a1", Kind::SocialeToeslag, 1, false);
    for _ in 0..8 {
        writer.look(true);
        place.days_pass(1);
    }
    let mails = take_all(&outbox);
    assert_eq!(mails.iter().filter(|mail| mail.topics == [MailTopic::Unfetched]).count(), 1, "{mails:?}");
    assert_eq!(outbox.mark().unwrap().looked, Some("2026-11-29".parse().unwrap()));
    log.close().unwrap();
}

#[test]
fn what_was_not_fetched_is_told_once_on_its_day() {
    let place = Place::at("2026-11-22T09:00:00Z");
    let (mut writer, outbox, log, _) = place.open();
    deliver(&log, "a1", Kind::SocialeToeslag, 1, false);
    deliver(&log, "a2", Kind::SocialeToeslag, 2, true);
    deliver(&log, "a3", Kind::Verslag, 3, false);
    writer.look(true);
    take_all(&outbox);
    let fetched = Event::DeliveryFetched(DeliveryStep { delivery_id: "a3".to_owned() });
    log.append(vec![Record::success(fetched, context())]).unwrap();
    writer.look(true);
    assert!(take_all(&outbox).is_empty());
    let mut told = Vec::new();
    for day in 1..=12 {
        place.days_pass(1);
        writer.look(false);
        for mail in take_all(&outbox).into_iter().filter(|mail| mail.tenant.is_some()) {
            told.push((day, mail));
        }
    }
    let [(7, mail)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(mail.topics, [MailTopic::Unfetched]);
    assert!(mail.body.contains("0001.csv.age") && !mail.body.contains("0002") && !mail.body.contains("0003"));
    log.close().unwrap();
}

#[test]
fn what_ends_is_told_sixty_thirty_and_seven_days_before() {
    let mut place = Place::at("2027-06-20T09:00:00Z");
    let tenant = Arc::make_mut(place.settings.tenants.get_mut(&bree()).unwrap());
    let until = tenant.protocols[0].valid.unwrap().until;
    // Nothing else of anybody ends in these months.
    tenant.keys.clear();
    let only = tenant.clone();
    place.settings.tenants = [(bree(), Arc::new(only))].into();
    let (mut writer, outbox, log, _) = place.open();
    let mut told = Vec::new();
    while place.clock.today() <= until {
        writer.look(false);
        for mail in take_all(&outbox) {
            assert_eq!((mail.tenant.clone(), mail.topics.as_slice()), (None, &[MailTopic::Ending][..]));
            told.push(place.clock.today().until(until).unwrap().get_days());
        }
        place.days_pass(1);
    }
    assert_eq!(told, [60, 30, 7]);
    log.close().unwrap();
}

#[test]
fn a_list_that_did_not_come_in_its_month_is_told_after_it() {
    let mut place = Place::at("2026-11-20T09:00:00Z");
    let tenant = Arc::make_mut(place.settings.tenants.get_mut(&bree()).unwrap());
    tenant.protocols[0].usage = Use::Periodic { times: 1, per: Period::Month };
    let (mut writer, outbox, log, _) = place.open();
    let mut told = Vec::new();
    for _ in 0..20 {
        writer.look(false);
        let mails = take_all(&outbox).into_iter().filter(|mail| mail.topics.contains(&MailTopic::Overdue));
        told.extend(mails.map(|mail| (place.clock.today().to_string(), mail.body)));
        place.days_pass(1);
    }
    // October's at the first look ever, November's on the first day after it.
    let days: Vec<&str> = told.iter().map(|(day, _)| day.as_str()).collect();
    assert_eq!(days, ["2026-11-20", "2026-12-01"]);
    assert!(told[1].1.contains("bree: protocol OPG-2026-017, geen lijst van 1 november 2026"), "{}", told[1].1);
    log.close().unwrap();
}

#[test]
fn mails_say_what_where_until_when_and_what_to_do() {
    let mut place = Place::at("2026-11-22T09:13:00Z");
    let (_, _, log, ledger) = place.open();
    deliver(&log, "a1", Kind::SocialeToeslag, 1, false);
    deliver(&log, "a2", Kind::Verslag, 2, false);
    deliver(&log, "a3", Kind::Weigering, 3, false);
    deliver(&log, "a4", Kind::SocialeToeslag, 4, true);
    refuse(&log, "a3", "weigering_72004_OPG-2026-017_20261122_0003.txt.age");
    let ready = |id: &str| News::Ready { delivery: id.to_owned() };
    let unfetched = crate::ledger::Ledger::delivery(ledger.as_ref(), "a2").unwrap().unwrap();
    let why = News::Why { delivery: "a3".to_owned(), code: "list-too-many-invalid".to_owned() };
    let tenant = [ready("a1"), why, ready("a3"), ready("a4"), News::Unfetched(unfetched)];
    let at = place.clock.now();
    let day = |text: &str| text.parse().unwrap();
    let refusal = |delivery: Option<&str>, code: &str| News::Refusal {
        at,
        tenant: Some(bree()),
        protocol: Some("OPG-2026-017".parse().unwrap()),
        code: code.to_owned(),
        delivery: delivery.map(str::to_owned),
    };
    let key = Ends::Key { label: "ict-bree".to_owned(), owner: "ICT, stad Bree".to_owned() };
    let ends = |what, last_day: &str, days| News::Ending {
        ending: Ending { tenant: bree(), what, last_day: day(last_day) },
        days,
    };
    let protocol = "OPG-2026-017".parse().unwrap();
    let ops = [
        refusal(Some("a3"), "list-too-many-invalid"),
        refusal(None, "use-left"),
        ends(key, "2026-11-29", 7),
        ends(Ends::Agreement("VUTG-A-1".parse().unwrap()), "2027-01-21", 60),
        News::Overdue(Overdue { tenant: bree(), protocol, from: day("2026-10-01"), until: day("2026-10-31") }),
        News::Register { at, code: "content".to_owned(), line: Some(17), column: Some(3) },
        News::Recovered { at, torn_bytes: 12 },
        News::LogFailed { at },
        News::DiskNearlyFull(FullDisk { directory: "/var/lib/groeikluis".into(), free: 3 << 30, total: 100 << 30 }),
        News::InboxNearlyFull(FullInbox { tenant: bree(), taken: 1_999_999_999, limit: 2 << 30 }),
        News::SetAside(SetAside { tenant: bree(), id: "a1".repeat(16), received_at: at, parked: false }),
        News::SetAside(SetAside { tenant: bree(), id: "b2".repeat(16), received_at: at, parked: true }),
    ];
    for (language, name) in [(Language::Dutch, "nl"), (Language::English, "en")] {
        place.settings.language = language;
        let facts = Facts { settings: &place.settings, ledger: ledger.as_ref(), contact: "ops@example.be" };
        let to_tenant = letter::to_tenant(&place.settings.tenants[&bree()], &tenant, &facts).unwrap().unwrap();
        let to_ops = letter::to_ops(&ops, &facts).unwrap().unwrap();
        for (letter, whom) in [(to_tenant, "bestuur"), (to_ops, "beheer")] {
            let text = format!("Subject: {}\n\n{}", letter.subject, letter.body.replace("\r\n", "\n"));
            golden::compare(&format!("mail-{whom}.{name}.txt"), &text);
        }
    }
    log.close().unwrap();
}

#[test]
fn a_full_inbox_is_told_once_and_again_when_it_was_not_full_for_a_day() {
    let mut place = Place::at("2026-11-22T09:00:00Z");
    place.settings.state_dir = place.root.path().join("state");
    Arc::make_mut(place.settings.tenants.get_mut(&bree()).unwrap()).limits.inbox_bytes = 100_000;
    place.settings.mail.as_mut().unwrap().gather = Duration::ZERO;
    let uploads = place.root.path().join("state/uploads/bree");
    std::fs::create_dir_all(&uploads).unwrap();
    let fill = |bytes: usize| std::fs::write(uploads.join("a1.data"), vec![7; bytes]).unwrap();
    std::fs::write(uploads.join("a1.json"), "{}").unwrap();
    // A start looks at once.
    let told = |place: &Place| {
        let (mut writer, outbox, log, _) = place.open();
        writer.look(false);
        let mails = take_all(&outbox);
        log.close().unwrap();
        mails.iter().filter(|mail| mail.topics.contains(&MailTopic::Inbox)).count()
    };
    fill(10);
    assert_eq!(told(&place), 0);
    fill(95_000);
    assert_eq!((told(&place), told(&place)), (1, 0));
    // Within a day it may come and go.
    fill(10);
    assert_eq!(told(&place), 0);
    fill(95_000);
    assert_eq!(told(&place), 0);
    place.days_pass(1);
    assert_eq!(told(&place), 0, "it is still full");
    place.days_pass(1);
    fill(10);
    assert_eq!(told(&place), 0);
    fill(95_000);
    assert_eq!(told(&place), 1);
}

#[test]
fn a_refused_register_is_told_to_those_who_run_the_exchange() {
    let place = Place::at("2026-11-22T09:00:00Z");
    let (mut writer, outbox, log, _) = place.open();
    writer.look(true);
    take_all(&outbox);
    let event = RegisterRefused { line: Some(17), column: None, source_sha256: String::new() };
    log.append(vec![Record::failure(Event::RegisterRefused(event), "content", Context::daemon())]).unwrap();
    writer.look(true);
    let mails = take_all(&outbox);
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].tenant.as_ref(), mails[0].subject.as_str()), (None, "groeikluis: register geweigerd"));
    assert!(mails[0].body.contains("regel 17"), "{}", mails[0].body);
    log.close().unwrap();
}
