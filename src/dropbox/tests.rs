//! Uploads of several sessions, over a real log and a real disk.

use std::{io::IoSlice, sync::Arc, thread};

use super::{
    Boxes, BoxesSettings, MemoryBudget,
    support::Receiving,
    view::{Denied, DropBox, DropBoxes, Login, Upload, UploadMode},
};
use crate::{
    domain::{VirtualPath, tenant::TenantLimits},
    ledger::SqliteLedger,
    seal::Keyring,
    transfer_log::{
        TransferLog,
        support::{Place, clock},
    },
};

mod faults;
mod resumed;
mod times;

const BUDGET: u64 = 8 << 20;
/// What the tenant may have on disk: two uploads of the largest size, and then some.
const INBOX: u64 = 9 << 20;
const RESUME: UploadMode = UploadMode { create: false, exclusive: false, truncate: false, append: false };
const ANEW: UploadMode = UploadMode { create: true, exclusive: false, truncate: true, append: false };

struct Scene {
    place: Place,
    boxes: Boxes,
    around: Arc<Receiving>,
    budget: MemoryBudget,
    keyring: Keyring,
    ledger: Arc<SqliteLedger>,
}

impl Scene {
    fn set() -> Self {
        Self::over(Place::new(), Keyring::generate())
    }

    /// As after a stop.
    fn again(self) -> Self {
        let Self { place, boxes, around, budget, keyring, ledger } = self;
        drop((boxes, around, budget, ledger));
        Self::over(place, keyring)
    }

    fn over(place: Place, keyring: Keyring) -> Self {
        let (ledger, index) = SqliteLedger::open(&place.path("ledger.db")).unwrap();
        let log = TransferLog::open(place.settings(), clock(), Box::new(index)).unwrap();
        let (ledger, budget) = (Arc::new(ledger), MemoryBudget::new(BUDGET));
        let settings = BoxesSettings {
            state_dir: place.path("state"),
            keyring: keyring.clone(),
            budget: budget.clone(),
            log_dir: place.dir(),
            archive_dir: place.path("archive"),
            log_keys: String::new(),
        };
        let limits = TenantLimits { upload_bytes: BUDGET / 2, inbox_bytes: INBOX, outbox_bytes: 1 };
        let around = Arc::new(Receiving::bree(limits));
        let boxes = Boxes::open(settings, clock(), log, ledger.clone(), around.clone()).unwrap();
        Self { place, boxes, around, budget, keyring, ledger }
    }

    fn session(&self, name: &str) -> Arc<dyn DropBox> {
        let login = Login {
            tenant: self.around.tenant.id.clone(),
            key_label: "ict".to_owned(),
            fingerprint: None,
            peer: "127.0.0.1:1".parse().unwrap(),
            session: name.to_owned(),
        };
        self.boxes.open(&login).unwrap()
    }

    /// What the exchange has been handed, opened.
    fn received(&self) -> Vec<Vec<u8>> {
        let submitted = self.around.received();
        let taken = submitted.iter().map(|submission| self.boxes.take(submission).unwrap().unwrap());
        taken.map(|received| received.open(&self.keyring, BUDGET).unwrap().to_vec()).collect()
    }
}

fn open(session: &Arc<dyn DropBox>, mode: UploadMode) -> Box<dyn Upload> {
    session.upload(&VirtualPath::parse(b"/inbox/x.csv").unwrap(), mode).unwrap()
}

fn write(upload: &mut dyn Upload, offset: u64, bytes: &[u8]) -> Result<(), Denied> {
    upload.write(offset, &[IoSlice::new(bytes)])
}

fn size(session: &Arc<dyn DropBox>) -> Option<u64> {
    session.attributes(&VirtualPath::parse(b"/inbox/x.csv").unwrap()).ok().map(|file| file.size)
}

#[test]
fn an_upload_that_broke_off_is_complete_only_when_something_came_since() {
    let scene = Scene::set();
    let session = scene.session("one");
    let mut upload = open(&session, ANEW);
    write(&mut *upload, 0, b"niss\n123").unwrap();
    drop(upload);
    let refused = |upload: Box<dyn Upload>| match upload.finish() {
        Err(Denied::Refused(text)) => assert!(text.contains("brak eerder af"), "{text}"),
        other => panic!("it was not refused: {other:?}"),
    };
    refused(open(&session, RESUME));
    let mut upload = open(&session, RESUME);
    write(&mut *upload, 1000, b"").unwrap();
    refused(upload);
    assert_eq!(size(&session), Some(8));
    // Fewer bytes are no more bytes.
    let mut upload = open(&session, RESUME);
    upload.set_length(5).unwrap();
    refused(upload);
    assert_eq!(size(&session), Some(5));
    assert!(scene.received().is_empty());
    let mut upload = open(&session, RESUME);
    assert!(upload.read(0, &mut [0; 5]).is_err(), "what was begun before is not read back");
    write(&mut *upload, 5, b"456").unwrap();
    upload.finish().unwrap();
    assert_eq!(scene.received(), [b"niss\n456"]);
    assert_eq!(scene.budget.free_bytes(), BUDGET);
}

#[test]
fn the_newest_session_has_the_upload_and_the_older_handle_is_dead() {
    let scene = Scene::set();
    let (older, newer) = (scene.session("one"), scene.session("two"));
    let mut old = open(&older, ANEW);
    write(&mut *old, 0, b"niss\n").unwrap();
    let mut new = open(&newer, RESUME);
    assert_eq!(new.attributes().unwrap().size, 5);
    let dead = |result: Result<(), Denied>| assert!(matches!(result, Err(Denied::Refused(_))), "{result:?}");
    dead(write(&mut *old, 0, b"x"));
    dead(old.set_length(0));
    dead(old.sync());
    dead(old.set_modified(jiff::Timestamp::UNIX_EPOCH));
    dead(old.attributes().map(drop));
    dead(old.read(0, &mut [0; 1]).map(drop));
    dead(old.finish());
    let again = older.upload(&VirtualPath::parse(b"/inbox/x.csv").unwrap(), ANEW).map(drop);
    assert_eq!(again, Err(Denied::Forbidden("dit bestand wordt nog geschreven")));
    write(&mut *new, 5, b"123").unwrap();
    new.finish().unwrap();
    assert_eq!(scene.received(), [b"niss\n123"]);
    assert_eq!(scene.budget.free_bytes(), BUDGET);
}

/// What is answered stays for days: a client that sends without end has an end all the same.
#[test]
fn what_was_answered_counts_until_it_is_removed() {
    let scene = Scene::set();
    let session = scene.session("one");
    let list = vec![b'1'; usize::try_from(BUDGET / 2).unwrap()];
    let send = || {
        let mut upload = session.upload(&VirtualPath::parse(b"/inbox/x.csv").unwrap(), ANEW)?;
        write(&mut *upload, 0, &list)?;
        upload.finish()
    };
    let refused = |sent: Result<(), Denied>| match sent {
        Err(Denied::Limit(text)) => assert!(text.contains("ten hoogste 9MiB"), "{text}"),
        other => panic!("it was not refused: {other:?}"),
    };
    for _ in 0..2 {
        send().unwrap();
        let submission = scene.around.received().last().unwrap().clone();
        scene.boxes.take(&submission).unwrap().unwrap();
        scene.boxes.done(&submission).unwrap();
    }
    refused(send());
    assert_eq!(scene.budget.free_bytes(), BUDGET);
    // Nor by a length without bytes, nor by what nobody finishes.
    let mut upload = open(&session, ANEW);
    refused(upload.set_length(BUDGET / 2));
    drop(upload);
    let first = scene.around.received()[0].clone();
    scene.boxes.remove_upload(&first.tenant, &first.id).unwrap();
    send().unwrap();
    // What waits makes room when its owner replaces it or takes it away.
    send().unwrap();
    session.remove(&VirtualPath::parse(b"/inbox/x.csv").unwrap()).unwrap();
    send().unwrap();
}

#[test]
fn a_list_that_was_taken_is_replaced_and_not_taken_back() {
    let scene = Scene::set();
    let (session, other) = (scene.session("one"), scene.session("two"));
    let path = |name: &str| VirtualPath::parse(format!("/inbox/{name}").as_bytes()).unwrap();
    let send = |session: &Arc<dyn DropBox>, name: &str| {
        let mut upload = session.upload(&path(name), ANEW).unwrap();
        write(&mut *upload, 0, b"niss\n123").unwrap();
        upload.finish().unwrap();
    };
    let is_refused = || {
        let told = Err(Denied::Refused("de lijst is al verwerkt; zie /outbox".to_owned()));
        session.remove(&path("x.csv")) == told && session.attributes(&path("x.csv")).is_ok()
    };
    send(&session, "x.csv");
    let submission = scene.around.received()[0].clone();
    let received = scene.boxes.take(&submission).unwrap();
    assert!(received.is_some() && is_refused(), "while it is answered");
    scene.boxes.done(&submission).unwrap();
    assert!(is_refused(), "when it was answered");
    send(&session, "y.csv.filepart");
    send(&other, "x.csv.filepart");
    assert!(is_refused(), "what others send, or for another name, replaces nothing");
    send(&session, "x.csv.5d1c2b3a.partial");
    session.remove(&path("x.csv")).unwrap();
    session.rename(&path("x.csv.5d1c2b3a.partial"), &path("x.csv"), false).unwrap();
    assert_eq!(scene.around.received().len(), 2);
}

/// What programs show as free is what may still be uploaded.
#[test]
fn the_room_that_clients_are_told_of_is_that_of_uploads() {
    let scene = Scene::set();
    let session = scene.session("one");
    let before = session.space();
    assert_eq!((before.total, before.free), (INBOX, INBOX));
    let mut upload = open(&session, ANEW);
    write(&mut *upload, 0, b"niss\n123").unwrap();
    upload.finish().unwrap();
    let after = session.space();
    assert_eq!(after.total, INBOX);
    assert!(after.free < INBOX, "{} bytes", after.free);
}

/// A byte in each piece of memory, in many uploads: the others still have theirs.
#[test]
fn one_tenant_has_a_share_of_the_memory() {
    let scene = Scene::set();
    let session = scene.session("one");
    let mut held = Vec::new();
    let mut refused = 0;
    for number in 0..10 {
        let path = VirtualPath::parse(format!("/inbox/{number}.csv").as_bytes()).unwrap();
        let mut upload = session.upload(&path, ANEW).unwrap();
        refused += (0..10).filter(|piece| write(&mut *upload, piece * 65_536, b"x").is_err()).count();
        held.push(upload);
    }
    assert_eq!((refused, scene.budget.free_bytes()), (100 - 64, BUDGET / 2));
}

/// Whatever the moment at which it is taken over, an upload is the older session's first bytes and then the newer's.
#[test]
fn no_byte_of_an_older_session_comes_after_one_of_a_newer() {
    for turn in 0..15_u64 {
        let scene = Scene::set();
        let (older, newer) = (scene.session("one"), scene.session("two"));
        let mut old = open(&older, ANEW);
        write(&mut *old, 0, b"o").unwrap();
        let writing = thread::spawn(move || {
            let mut at = 1;
            while write(&mut *old, at, b"o").is_ok() {
                at += 1;
            }
            (at, old.finish())
        });
        for _ in 0..turn * 50 {
            thread::yield_now();
        }
        let mut new = open(&newer, RESUME);
        let from = new.attributes().unwrap().size;
        for at in from..from + 100 {
            write(&mut *new, at, b"n").unwrap();
        }
        new.finish().unwrap();
        let (written, end) = writing.join().unwrap();
        assert!(end.is_err(), "the older session closed it");
        assert_eq!(written, from, "what it was told was written is there");
        let expected = [vec![b'o'; usize::try_from(from).unwrap()], vec![b'n'; 100]].concat();
        assert!(scene.received() == [expected]);
    }
}
