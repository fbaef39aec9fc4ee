//! What tests of the log and of its index need: a log in a directory of its own, and one of every event.

use std::{path::PathBuf, time::Duration};

use jiff::{Timestamp, civil::date};
use tempfile::TempDir;

use super::{
    Actor, AssignmentBilled, AssignmentRun, AssignmentSimulated, AuditExported, AuditRead, BackupMade, BackupRestored,
    ClockStep, ConfigChanged, Context, DeliveryCreated, DeliveryExpired, DeliveryStep, DeliveryWithdrawn,
    DisclosureOpened, DownloadEnd, DownloadStart, Event, FileKind, FileList, GroundChanged, Index, IndexError,
    KeyChanged, KeyUse, ListAnswered, ListReceived, ListRefused, ListSetAside, LogError, LogKeyRotated, LogRecovered,
    LogSettings, LogStarted, LogStopped, Login, LoginMethod, LoginRefused, Logout, MailSent, MailTopic, NoteKey,
    PolicyRefused, Position, ProtocolUsed, Record, Redacted, RegisterLoaded, RegisterRefused, Rename, RetentionErased,
    Stage, StoredEntry, TenantMerged, TransferLog, Upload, UploadRemoved, Verified, VerifyFault, key_id, verify,
};
use crate::{
    domain::{Count, Kind, Statistics, statistics::Table},
    durable::Clock,
};

pub(crate) const ORIGIN: &str = "groeikluis.example/2026";

/// A log's two directories and its key.
pub(crate) struct Place {
    root: TempDir,
    pub key: NoteKey,
}

impl Place {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), key: NoteKey::generate(ORIGIN).unwrap() }
    }

    pub fn dir(&self) -> PathBuf {
        self.root.path().join("log")
    }

    pub fn high_water_dir(&self) -> PathBuf {
        self.root.path().join("high-water")
    }

    pub fn high_water(&self) -> PathBuf {
        self.high_water_dir().join("groeikluis.example_2026.checkpoint")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Checkpoints only when they are asked for.
    pub fn settings(&self) -> LogSettings {
        LogSettings {
            dir: self.dir(),
            high_water_dir: self.high_water_dir(),
            origin: ORIGIN.to_owned(),
            archive_dir: self.path("archive"),
            keys: self.key.clone().into(),
            checkpoint_every: Duration::from_hours(1),
            goes_on_from_older: false,
        }
    }

    pub fn try_open(&self) -> Result<TransferLog, LogError> {
        TransferLog::open(self.settings(), clock(), Box::new(Follower::default()))
    }

    pub fn open(&self) -> TransferLog {
        self.try_open().unwrap()
    }

    pub fn verify(&self) -> Result<Verified, Vec<VerifyFault>> {
        verify(&self.dir(), self.key.verifier())
    }
}

pub(crate) fn clock() -> Clock {
    let noon: Timestamp = "2026-11-21T11:00:00.123456789Z".parse().unwrap();
    Clock::fixed(noon)
}

/// An index that remembers only how far it has come, and makes sure that nothing is left out.
#[derive(Default)]
pub(crate) struct Follower(Position);

impl Follower {
    pub fn of(position: Position) -> Self {
        Self(position)
    }
}

impl Index for Follower {
    fn position(&self) -> Result<Position, IndexError> {
        Ok(self.0)
    }

    fn apply(&mut self, entries: &[StoredEntry]) -> Result<(), IndexError> {
        for entry in entries {
            assert_eq!(entry.seq, self.0.size);
            self.0 = Position::after(entry);
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), IndexError> {
        self.0 = Position::default();
        Ok(())
    }
}

/// An index of nothing.
pub(crate) struct Nothing;

impl Index for Nothing {
    fn position(&self) -> Result<Position, IndexError> {
        Ok(Position::default())
    }

    fn apply(&mut self, _: &[StoredEntry]) -> Result<(), IndexError> {
        Ok(())
    }

    fn reset(&mut self) -> Result<(), IndexError> {
        Ok(())
    }
}

pub(crate) fn context() -> Context {
    Context {
        tenant: Some("bree".parse().unwrap()),
        protocol: Some("OPG-2026-017".parse().unwrap()),
        key: Some("ict-bree".to_owned()),
        session: Some("5f0c8a1e".to_owned()),
        correlation: Some(hex::encode([1; 16])),
        ..Context::of(Actor::Tenant)
    }
}

pub(crate) fn any_record() -> Record {
    Record::success(Event::ListReceived(ListReceived { rows: 3, size: 40 }), context())
}

pub(crate) fn upload() -> Event {
    let ciphertext_sha256 = hex::encode([2; 32]);
    Event::Upload(Upload {
        size: 2_048,
        ciphertext_sha256,
        file_kind: FileKind::Plain,
        test: false,
        complete: true,
        duration_ms: 12,
    })
}

pub(crate) fn delivery() -> DeliveryCreated {
    DeliveryCreated {
        delivery_id: hex::encode([3; 16]),
        file: "sociale-toeslag_72004_OPG-2026-017_20261121_0007.csv.age".to_owned(),
        kind: Kind::SocialeToeslag,
        rows: 12,
        amount_total: Some("75.00".to_owned()),
        recipients: vec![key_id("age1qqq")],
        purpose: "toelage".to_owned(),
        legal_basis: "decreet".to_owned(),
        columns: vec!["niss".to_owned(), "aandeel".to_owned()],
        ciphertext_sha256: hex::encode([4; 32]),
        ciphertext_size: 900,
        answers: Some(hex::encode([1; 16])),
        manifest_sha256: Some(hex::encode([5; 32])),
        run: None,
        test: false,
        retention_until: None,
        removals: None,
        fingerprint: None,
    }
}

pub(crate) fn answered() -> ListAnswered {
    ListAnswered {
        rows: 20,
        distinct: 18,
        valid: 19,
        repaired: 1,
        invalid: 1,
        duplicate: 1,
        outside_age: 2,
        outside_municipality: 3,
        unknown_date: 1,
        matched: 13,
        entitled: 12,
        register_month: "2026-10".to_owned(),
        list_fingerprint: hex::encode([6; 32]),
        delivery_id: hex::encode([3; 16]),
        test: false,
    }
}

fn ground() -> GroundChanged {
    GroundChanged {
        sha256_before: Some(hex::encode([12; 32])),
        sha256_after: Some(hex::encode([13; 32])),
        valid_from: date(2026, 9, 2),
        valid_until: date(2027, 9, 1),
    }
}

fn key() -> KeyChanged {
    KeyChanged { used_for: KeyUse::Login, key_id: None, expires: Some("2027-12-31".to_owned()) }
}

/// One of every event, in an order that could be.
pub(crate) fn every_event() -> Vec<Event> {
    [daily_events(), removals()].concat()
}

fn removals() -> Vec<Event> {
    vec![
        Event::DeliveryExpired(DeliveryExpired {
            delivery_id: hex::encode([3; 16]),
            kind: Kind::SocialeToeslag,
            ciphertext_sha256: hex::encode([4; 32]),
            retention_until: date(2027, 2, 19),
            fetched: true,
        }),
        Event::DeliveryWithdrawn(DeliveryWithdrawn {
            delivery_id: hex::encode([3; 16]),
            kind: Kind::SocialeToeslag,
            ciphertext_sha256: hex::encode([4; 32]),
            fetched: false,
            motive: "verkeerde maand van het register".to_owned(),
        }),
        Event::UploadRemoved(UploadRemoved { size: 300, ciphertext_sha256: hex::encode([2; 32]), test: false }),
        Event::TenantMerged(TenantMerged {
            former: "gooik".parse().unwrap(),
            deliveries: 4,
            unfetched: 1,
            uploads: 2,
            waiting: 1,
            receipts: 6,
        }),
    ]
}

pub(crate) fn assignment_run() -> AssignmentRun {
    AssignmentRun {
        assignment: "torhout-schoolpremie-2026".to_owned(),
        run: hex::encode([13; 16]),
        day: date(2026, 11, 21),
        criteria_sha256: hex::encode([12; 32]),
        criteria: Some("any_of=schooltoeslag\nborn.from=2014-01-01\n".to_owned()),
        authority: Some("Stad Torhout".to_owned()),
        register_month: "2026-10".to_owned(),
        statistics: statistics(),
        files: 5,
        letters: 900,
        pages: 901,
        unaddressed: Count::of(7),
        unprintable: Count::WITHHELD,
        again: Some("drukfout in de eerste brieven".to_owned()),
    }
}

fn daily_events() -> Vec<Event> {
    let submission = hex::encode([1; 16]);
    let step = || DeliveryStep { delivery_id: hex::encode([3; 16]) };
    let delivery_id = || Some(hex::encode([3; 16]));
    vec![
        Event::Login(Login { method: LoginMethod::PublicKey, attempts: 1 }),
        Event::LoginRefused(LoginRefused { method: LoginMethod::None, attempts: 6 }),
        upload(),
        Event::Rename(Rename { complete: true }),
        Event::ListReceived(ListReceived { rows: 20, size: 300 }),
        Event::ListAnswered(answered()),
        Event::ProtocolUsed(ProtocolUsed { submission, day: date(2026, 11, 21) }),
        Event::DeliveryCreated(delivery()),
        Event::DeliveryAvailable(step()),
        Event::DownloadStart(DownloadStart { size: 900, delivery_id: delivery_id() }),
        Event::DownloadEnd(DownloadEnd {
            size: 900,
            offset: 0,
            bytes: 900,
            complete: true,
            duration_ms: 7,
            delivery_id: delivery_id(),
        }),
        Event::DeliveryFetched(step()),
        Event::Delete {},
        Event::ListRefused(ListRefused {
            rows: Some(20),
            invalid: None,
            delivery_id: hex::encode([7; 16]),
            file: "weigering_72004_OPG-2026-017_20261121_0008.txt.age".to_owned(),
        }),
        Event::ListSetAside(ListSetAside { deaths: 2 }),
        Event::ListRetried {},
        Event::AssignmentSimulated(AssignmentSimulated {
            assignment: "torhout-schoolpremie-2026".to_owned(),
            criteria_sha256: hex::encode([12; 32]),
            register_month: "2026-10".to_owned(),
            children: Some(1_234),
            families: None,
            variations: 2,
        }),
        Event::AssignmentRun(assignment_run()),
        Event::AssignmentBilled(AssignmentBilled { year: 2026, lines: 4, total_cents: 123_450 }),
        Event::PolicyRefused(PolicyRefused { rule: "use-left".to_owned(), stage: Stage::Answer }),
        Event::ConfigChanged(ConfigChanged { sha256_before: None, sha256_after: hex::encode([8; 32]) }),
        Event::RegisterLoaded(RegisterLoaded {
            month: "2026-10".to_owned(),
            rows: 1_600_000,
            source_sha256: hex::encode([9; 32]),
        }),
        Event::RegisterRefused(RegisterRefused { line: Some(17), column: None, source_sha256: hex::encode([10; 32]) }),
        Event::FileList(FileList { count: 3 }),
        Event::GroundOpened(ground()),
        Event::GroundClosed(GroundChanged { sha256_after: None, ..ground() }),
        Event::KeyAdded(key()),
        Event::KeyRemoved(KeyChanged { used_for: KeyUse::Recipient, key_id: Some(key_id("age1qqq")), expires: None }),
        Event::AuditRead(AuditRead { from: 0, size: 900 }),
        Event::MailSent(MailSent {
            mail: hex::encode([14; 16]),
            topics: vec![MailTopic::Ready, MailTopic::Refused],
            recipients: 2,
        }),
        Event::AuditExported(AuditExported { from: date(2026, 9, 1), to: date(2026, 11, 30), count: 40 }),
        Event::DisclosureOpened(DisclosureOpened {
            from: date(2026, 11, 1),
            to: date(2026, 11, 30),
            count: 12,
            motive: "klacht van 12 november".to_owned(),
        }),
        Event::Erased(RetentionErased { month: "2026-04".to_owned(), key_id: hex::encode([11; 8]), count: 40 }),
        Event::LogKeyRotated(LogKeyRotated {
            keys_before: vec!["a+00000000+AQ==".to_owned()],
            keys_after: vec!["a+00000001+AQ==".to_owned()],
        }),
        Event::ClockStep(ClockStep { before: clock().now(), back_ms: 0, forward_ms: 3_600_000 }),
        Event::BackupMade(BackupMade { recipients: vec![key_id("age1qqq")] }),
        Event::BackupRestored(BackupRestored {
            origin: ORIGIN.to_owned(),
            size: 3,
            made_at: clock().now(),
            high_water: Some(4),
        }),
        Event::Redacted(Redacted { count: 1 }),
        Event::LogStarted(LogStarted { size: 4, previous_checkpoint: None }),
        Event::LogStopped(LogStopped { size: 5 }),
        Event::LogRecovered(LogRecovered { entries: 2, torn_bytes: 3 }),
        Event::Logout(Logout { duration_ms: 1_000, bytes_received: 2_048, bytes_sent: 900, regular: true }),
    ]
}

/// Counts that may be shown.
pub(crate) fn statistics() -> Statistics {
    let table = |label: &str, count| Table::partition([(label.to_owned(), count)]);
    Statistics {
        families: Count::of(900),
        children: Count::of(1_234),
        beneficiaries: Count::WITHHELD,
        by_age: table("6", 1_234),
        by_postcode: table("8820", 1_234),
        by_source: Table::of_properties([("sociale_toeslag".to_owned(), 1_234)], 1_234),
        by_family_size: table("2", 900),
    }
}

/// Copies a directory and everything under it.
pub(crate) fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
