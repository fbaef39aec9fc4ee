//! A list over which a thread panics, beside a real log and a real disk.

use std::{
    io::IoSlice,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{Exchange, ExchangeParts, FingerprintKey, Registers, Tenants};
use crate::{
    domain::{
        Assignment, AssignmentId, Municipalities, SourceCatalogue, Tenant, TenantId, VirtualPath, source::Source,
        tenant::TenantLimits,
    },
    dropbox::{
        Boxes, BoxesSettings, MemoryBudget,
        support::Receiving,
        view::{DropBoxes, Login, UploadMode},
    },
    durable::Directory,
    ledger::{Ledger, SqliteLedger, SubmissionState},
    lists,
    seal::Keyring,
    transfer_log::{
        Event, TransferLog, entries,
        support::{Place, clock},
    },
};

/// One municipality, over whose lists so many tries panic; whoever is asked for it after that does not know it.
struct Panicking {
    tenant: Arc<Tenant>,
    panics: usize,
    tries: AtomicUsize,
}

impl Tenants for Panicking {
    fn tenant(&self, _: &TenantId) -> Option<Arc<Tenant>> {
        let tries = self.tries.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(tries > self.panics, "as a reader of lists may");
        None
    }

    fn all(&self) -> Vec<Arc<Tenant>> {
        vec![self.tenant.clone()]
    }

    fn assignment(&self, _: &AssignmentId) -> Option<Arc<Assignment>> {
        None
    }

    fn list_limits(&self) -> lists::Limits {
        lists::Limits::default()
    }

    fn contact(&self) -> String {
        String::new()
    }

    fn outbox_days(&self) -> u32 {
        90
    }

    fn answered_uploads_days(&self) -> u32 {
        30
    }
}

#[test]
fn a_list_over_which_a_thread_panics_twice_is_set_aside_and_the_next_has_its_turn() {
    let place = Place::new();
    let (ledger, index) = SqliteLedger::open(&place.path("ledger.db")).unwrap();
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    let log = TransferLog::open(place.settings(), clock(), Box::new(index)).unwrap();
    let keyring = Keyring::generate();
    let limits = TenantLimits { upload_bytes: 1 << 20, inbox_bytes: 4 << 20, outbox_bytes: 1 << 20 };
    let around = Arc::new(Receiving::bree(limits));
    let panicking = Arc::new(Panicking { tenant: around.tenant.clone(), panics: 2, tries: AtomicUsize::default() });
    let settings = BoxesSettings {
        state_dir: place.path("state"),
        keyring: keyring.clone(),
        budget: MemoryBudget::new(8 << 20),
        log_dir: place.dir(),
        archive_dir: place.path("archive"),
        log_keys: String::new(),
    };
    let boxes = Boxes::open(settings, clock(), log.clone(), ledger.clone(), around.clone()).unwrap();
    let login = Login {
        tenant: around.tenant.id.clone(),
        key_label: "ict".to_owned(),
        fingerprint: None,
        peer: "127.0.0.1:1".parse().unwrap(),
        session: "one".to_owned(),
    };
    let session = boxes.open(&login).unwrap();
    for name in ["eerst", "dan"] {
        let path = VirtualPath::parse(format!("/test/inbox/{name}.csv").as_bytes()).unwrap();
        let mode = UploadMode { create: true, exclusive: false, truncate: true, append: false };
        let mut upload = session.upload(&path, mode).unwrap();
        upload.write(0, &[IoSlice::new(b"niss\n00000100195\n")]).unwrap();
        upload.finish().unwrap();
    }
    let submitted = around.received();
    assert_eq!(submitted.len(), 2);

    let source = Source { code: "sociale_toeslag".to_owned(), name: String::new() };
    let catalogue = SourceCatalogue::new(vec![source]).unwrap();
    let municipalities = Municipalities::parse("h\n72004;Bree;Limburg;3960\n").unwrap();
    let state = Directory::create(&place.path("state")).unwrap();
    let fingerprints = FingerprintKey::open_or_draw(&state, &keyring).unwrap();
    let exchange = Exchange::open(ExchangeParts {
        state,
        boxes,
        log: log.clone(),
        ledger: ledger.clone(),
        clock: clock(),
        keyring,
        fingerprints,
        registers: Arc::new(Registers::new(catalogue, municipalities)),
        tenants: panicking.clone(),
    })
    .unwrap();
    exchange.begin();
    // The third try is of the other list, while the one that was first waits for an operator.
    while panicking.tries.load(Ordering::SeqCst) < 3 {
        exchange.retry_now();
        thread::yield_now();
    }
    exchange.stop();
    let told = entries(&place.dir()).unwrap().map(Result::unwrap).filter_map(|entry| match entry.event {
        Event::ListSetAside(_) => Some((entry.context.correlation.unwrap(), entry.reason.unwrap())),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    let [(panicked, reason)] = &told[..] else { panic!("{told:?}") };
    let aside: Vec<_> = submitted.iter().map(|list| &list.id).filter(|id| exchange.marks.is_aside(id)).collect();
    assert_eq!((reason.as_str(), aside), ("panicked", vec![panicked]));
    // Nobody forgets it.
    assert_eq!(ledger.submission(panicked).unwrap().unwrap().state, SubmissionState::Waiting);
    log.close().unwrap();
}
