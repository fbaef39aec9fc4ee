//! Receipts for tenants, made behind the log: nobody waits for them.
//!
//! A thread follows the published checkpoints and writes a receipt for each delivery and each upload that they cover.
//! How far it has come is kept in the state directory; after a stop it goes on from there, and what it writes a second
//! time is as good as the first. A receipt that a tenant's drop-box does not take is set aside, and tried again with each
//! checkpoint: it keeps nobody else from theirs.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
};

use super::DaemonError;
use crate::{
    domain::TenantId,
    dropbox::{Boxes, DropBoxError},
    durable::{Directory, DurableError},
    transfer_log::{
        DisclosureKeeper, Event, LogError, OpenedMonth, Outcome, StoredEntry, TransferLog, VerifierKey, entries_from,
        month_of, receipt, upload_receipt,
    },
};

/// How far receipts have come: `<entries> <origin>`.
const POSITION_FILE: &str = "receipts.position";

/// A number, a space and an origin of 255 bytes.
const LONGEST_POSITION_BYTES: u64 = 512;

/// Entries after which the position is kept while much is to be made again.
const KEEP_EVERY: u64 = 1_024;

/// Receipts that are set aside, at most: beyond it the disk itself is at fault, and all wait.
const MOST_ASIDE: usize = 1_024;

/// What the thread works with.
pub(super) struct Receipts {
    pub log: TransferLog,
    pub log_dir: PathBuf,
    pub key: VerifierKey,
    pub keeper: DisclosureKeeper,
    pub boxes: Boxes,
    pub state: Directory,
}

/// Why a receipt was not made; it is tried again with the next checkpoint.
#[derive(Debug, thiserror::Error)]
enum ReceiptsError {
    #[error("the transfer log cannot be read")]
    Log(#[source] LogError),
    #[error("a receipt cannot be written")]
    Box(#[source] DropBoxError),
    #[error("how far receipts have come cannot be kept")]
    Position(#[source] DurableError),
}

impl Receipts {
    /// Starts the thread; it ends with the log.
    pub fn start(self) -> Result<std::thread::JoinHandle<()>, DaemonError> {
        let thread = std::thread::Builder::new().name("receipts".to_owned());
        thread.spawn(move || self.follow()).map_err(DaemonError::Receipts)
    }

    fn follow(self) {
        let mut position = self.position();
        let (mut seen, mut is_failing) = (position, false);
        // The places of their entries.
        let mut aside = BTreeSet::new();
        while let Some(published) = self.log.wait_published(seen) {
            // Also after a fault: a disk that is full is asked again with the next checkpoint, and no sooner.
            seen = published;
            match self.make_aside(&mut aside).and_then(|()| self.make(position, published, &mut aside)) {
                Ok(()) => (position, is_failing) = (published, false),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(error, "receipts wait until they can be written");
                    }
                }
            }
        }
    }

    /// Makes those that were set aside.
    fn make_aside(&self, aside: &mut BTreeSet<u64>) -> Result<(), ReceiptsError> {
        let mut months = HashMap::new();
        for seq in aside.clone() {
            let entry = entries_from(&self.log_dir, seq).map_err(ReceiptsError::Log)?.next().transpose();
            let Some(entry) = entry.map_err(ReceiptsError::Log)? else { continue };
            if self.make_one(&entry, &mut months).is_ok() {
                aside.remove(&seq);
            }
        }
        Ok(())
    }

    /// Where an earlier run stopped; from the start when that is not known, or was another log.
    fn position(&self) -> u64 {
        let kept = self.state.read(POSITION_FILE, LONGEST_POSITION_BYTES).ok().flatten();
        let kept = kept.and_then(|bytes| String::from_utf8(bytes).ok());
        let parsed = kept.as_deref().and_then(|text| text.trim_end().split_once(' '));
        let (size, origin) = parsed.unwrap_or_default();
        if origin == self.key.name() { size.parse().unwrap_or_default() } else { 0 }
    }

    fn keep_position(&self, size: u64) -> Result<(), ReceiptsError> {
        let text = format!("{size} {}\n", self.key.name());
        self.state.write(POSITION_FILE, text.as_bytes()).map_err(ReceiptsError::Position)
    }

    fn make(&self, from: u64, to: u64, aside: &mut BTreeSet<u64>) -> Result<(), ReceiptsError> {
        let mut months = HashMap::new();
        let mut made = false;
        let count = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        for entry in entries_from(&self.log_dir, from).map_err(ReceiptsError::Log)?.take(count) {
            let entry = entry.map_err(ReceiptsError::Log)?;
            match self.make_one(&entry, &mut months) {
                Err(error @ ReceiptsError::Box(_)) if aside.len() < MOST_ASIDE => {
                    let (tenant, error): (_, &dyn std::error::Error) = (entry.context.tenant.as_ref(), &error);
                    if aside.insert(entry.seq) {
                        tracing::error!(error, tenant = tenant.map(TenantId::as_str), "a receipt is set aside");
                    }
                }
                outcome => outcome?,
            }
            made |= entry.event.is_receipted();
            if entry.seq % KEEP_EVERY == KEEP_EVERY - 1 {
                self.keep_position(aside.first().copied().unwrap_or(entry.seq + 1))?;
            }
        }
        // Where no receipt was made, going over the entries again costs nothing worth a synchronisation.
        if made { self.keep_position(aside.first().copied().unwrap_or(to)) } else { Ok(()) }
    }

    fn make_one(&self, entry: &StoredEntry, months: &mut HashMap<String, OpenedMonth>) -> Result<(), ReceiptsError> {
        let Some((name, tenant)) = name(entry).zip(entry.context.tenant.as_ref()) else { return Ok(()) };
        let disclosures = self.disclosures(entry, months)?;
        let made = receipt(&self.log_dir, &self.key, entry.seq, disclosures).map_err(ReceiptsError::Log)?;
        self.boxes.put_receipt(tenant, entry.at, &name, &made.to_text()).map_err(ReceiptsError::Box)
    }

    fn disclosures(
        &self,
        entry: &StoredEntry,
        months: &mut HashMap<String, OpenedMonth>,
    ) -> Result<Vec<String>, ReceiptsError> {
        if let Some(recent) = self.keeper.take_recent(entry.seq) {
            return Ok(recent);
        }
        let tenant = entry.context.tenant.as_ref();
        let month = month_of(entry.at);
        let name = format!("{tenant:?}/{month}");
        if !months.contains_key(&name) {
            let opened = self.keeper.open_month(tenant, &month).map_err(ReceiptsError::Log)?;
            months.insert(name.clone(), opened);
        }
        let kept = months.get(&name).and_then(|month| month.disclosures.get(&entry.seq));
        // A disclosure that belongs to an entry of that place which was never written is not this one's.
        let digests = &entry.digests;
        let own = kept.into_iter().flatten().filter(|text| digests.contains(&crate::transfer_log::digest(text)));
        Ok(own.cloned().collect())
    }
}

/// The name of an entry's receipt: that of the delivery, or the day and the submission's id. Names that tenants gave
/// stay in the disclosures.
fn name(entry: &StoredEntry) -> Option<String> {
    if entry.outcome != Outcome::Success {
        return None;
    }
    let upload = |ending: &str| Some(upload_receipt(entry.at, entry.context.correlation.as_deref()?, ending));
    match &entry.event {
        Event::DeliveryCreated(created) => {
            Some(format!("{}.receipt", created.file.strip_suffix(".age").unwrap_or(&created.file)))
        }
        Event::Upload(_) => upload(""),
        Event::Rename(rename) if rename.complete => upload("_hernoemd"),
        _ => None,
    }
}
