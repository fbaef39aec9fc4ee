//! What tests of this room work with: a real log, a real disk, and tenants that come and go.

use std::{
    io::IoSlice,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::Sender,
    },
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
    durable::{Clock, Directory},
    ledger::{Ledger, SqliteLedger},
    lists,
    register::synth::SOURCE_CODES,
    seal::Keyring,
    transfer_log::{
        TransferLog,
        support::{Place, clock},
    },
};

/// What an exchange works with, and the drop-box of Bree.
pub(super) struct Around {
    pub place: Place,
    pub clock: Clock,
    pub log: TransferLog,
    pub ledger: Arc<dyn Ledger>,
    pub boxes: Boxes,
    pub receiving: Arc<Receiving>,
    keyring: Keyring,
}

impl Around {
    pub fn new() -> Self {
        let (place, clock, keyring) = (Place::new(), clock(), Keyring::generate());
        let (ledger, index) = SqliteLedger::open(&place.path("ledger.db")).unwrap();
        let ledger: Arc<dyn Ledger> = Arc::new(ledger);
        let log = TransferLog::open(place.settings(), clock.clone(), Box::new(index)).unwrap();
        let limits = TenantLimits { upload_bytes: 1 << 20, inbox_bytes: 4 << 20, outbox_bytes: 1 << 20 };
        let mut receiving = Receiving::bree(limits);
        let tenant = Arc::make_mut(&mut receiving.tenant);
        tenant.nis_code = Some("72004".parse().unwrap());
        tenant.recipients = vec![Keyring::generate().recipients()[0].to_string()];
        let receiving = Arc::new(receiving);
        let settings = BoxesSettings {
            state_dir: place.path("state"),
            keyring: keyring.clone(),
            budget: MemoryBudget::new(8 << 20),
            log_dir: place.dir(),
            archive_dir: place.path("archive"),
            log_keys: String::new(),
        };
        let boxes = Boxes::open(settings, clock.clone(), log.clone(), ledger.clone(), receiving.clone()).unwrap();
        Self { place, clock, log, ledger, boxes, receiving, keyring }
    }

    /// Puts a list in Bree's drop-box.
    pub fn upload(&self, path: &str) {
        let login = Login {
            tenant: self.receiving.tenant.id.clone(),
            key_label: "ict".to_owned(),
            fingerprint: None,
            peer: "127.0.0.1:1".parse().unwrap(),
            session: "one".to_owned(),
        };
        let session = self.boxes.open(&login).unwrap();
        let mode = UploadMode { create: true, exclusive: false, truncate: true, append: false };
        let mut upload = session.upload(&VirtualPath::parse(path.as_bytes()).unwrap(), mode).unwrap();
        upload.write(0, &[IoSlice::new(b"niss\n00000100195\n")]).unwrap();
        upload.finish().unwrap();
    }

    /// An exchange that finds those tenants, and answers nothing yet.
    pub fn exchange(&self, tenants: Arc<dyn Tenants>) -> Exchange {
        let state = Directory::create(&self.place.path("state")).unwrap();
        let fingerprints = FingerprintKey::open_or_draw(&state, &self.keyring).unwrap();
        Exchange::open(ExchangeParts {
            state,
            boxes: self.boxes.clone(),
            log: self.log.clone(),
            ledger: self.ledger.clone(),
            clock: self.clock.clone(),
            keyring: self.keyring.clone(),
            fingerprints,
            registers: Arc::new(registers()),
            tenants,
        })
        .unwrap()
    }
}

/// No register, for Bree alone and every source that is made up.
pub(super) fn registers() -> Registers {
    let sources = SOURCE_CODES.map(|code| Source { code: code.to_owned(), name: String::new() });
    let municipalities = Municipalities::parse("h\n72004;Bree;Limburg;3960\n").unwrap();
    Registers::new(SourceCatalogue::new(sources.to_vec()).unwrap(), municipalities)
}

/// The tenants of a configuration that is changed.
pub(super) struct Present {
    tenants: Mutex<Vec<Arc<Tenant>>>,
    assignment: Option<Arc<Assignment>>,
    looked: Option<Sender<TenantId>>,
    panics: AtomicUsize,
}

impl Present {
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            tenants: Mutex::new(vec![Arc::new(tenant.clone())]),
            assignment: None,
            looked: None,
            panics: AtomicUsize::new(0),
        }
    }

    /// Tells for whom somebody looked, after it was found or not.
    pub fn telling(self, looked: Sender<TenantId>) -> Self {
        Self { looked: Some(looked), ..self }
    }

    /// Panics so many times where somebody looked.
    pub fn panicking(self, times: usize) -> Self {
        Self { panics: AtomicUsize::new(times), ..self }
    }

    /// With an assignment.
    pub fn ordering(self, assignment: Assignment) -> Self {
        Self { assignment: Some(Arc::new(assignment)), ..self }
    }

    /// Puts another configuration in force.
    pub fn change(&self, tenant: Option<&Tenant>) {
        *self.tenants.lock().unwrap() = tenant.map(|tenant| Arc::new(tenant.clone())).into_iter().collect();
    }

    /// Puts one in force with another tenant in it.
    pub fn add(&self, tenant: &Tenant) {
        self.tenants.lock().unwrap().push(Arc::new(tenant.clone()));
    }
}

impl Tenants for Present {
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        let found = self.tenants.lock().unwrap().iter().find(|tenant| tenant.id == *id).cloned();
        if let Some(looked) = &self.looked {
            // Nobody may be listening any more.
            let _ = looked.send(id.clone());
        }
        let panics = self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        assert!(!panics, "as a reader of lists may");
        found
    }

    fn all(&self) -> Vec<Arc<Tenant>> {
        self.tenants.lock().unwrap().clone()
    }

    fn assignment(&self, _: &AssignmentId) -> Option<Arc<Assignment>> {
        self.assignment.clone()
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
