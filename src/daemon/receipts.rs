//! Receipts for tenants, made behind the log: nobody waits for them.
//!
//! A thread follows the published checkpoints and writes a receipt for each delivery and each upload that they cover.
//! How far it has come is kept in the state directory; after a stop it goes on from there, also where the log that it
//! followed was put by since, and what it writes a second time is as good as the first. A receipt that a tenant's drop-box
//! does not take is set aside, and tried again with each checkpoint: it keeps nobody else from theirs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use super::DaemonError;
use crate::{
    domain::TenantId,
    dropbox::{Boxes, DropBoxError},
    durable::{Directory, DurableError},
    transfer_log::{
        DisclosureKeeper, EarlierLog, Event, LogError, OpenedMonth, Outcome, StoredEntry, TransferLog, VerifierKey,
        archived_from, disclosed_name, entries_from, month_of, published_size, receipt, upload_receipt,
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

/// What names the operator who delivered: that is no business of the tenant's.
const OPERATOR: &str = "user";

/// What the thread works with.
pub(super) struct Receipts {
    pub log: TransferLog,
    pub log_dir: PathBuf,
    pub archive_dir: PathBuf,
    pub key: VerifierKey,
    pub keeper: DisclosureKeeper,
    pub boxes: Boxes,
    pub state: Directory,
}

/// The thread.
struct Follower {
    parts: Receipts,
    /// Logs of earlier years of which some are left to be made, oldest first.
    earlier: Vec<EarlierLog>,
}

/// A place in the logs that are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Which: the one in use comes after all of earlier years.
    log: usize,
    /// Of an entry in it.
    seq: u64,
}

/// How far it has come.
struct Progress {
    /// Entries that were gone over, of the log in use and of each earlier one that is not finished.
    logs: BTreeMap<usize, u64>,
    /// The places of entries whose receipt was set aside.
    aside: BTreeSet<Place>,
}

impl Progress {
    /// From where on receipts are left to be made.
    fn first_left(&self) -> Option<Place> {
        let of_logs = self.logs.first_key_value().map(|(log, seq)| Place { log: *log, seq: *seq });
        self.aside.first().copied().into_iter().chain(of_logs).min()
    }
}

/// A log that receipts are made of.
#[derive(Clone, Copy)]
struct Followed<'a> {
    number: usize,
    directory: &'a Path,
    key: &'a VerifierKey,
    is_in_use: bool,
}

/// Why a receipt was not made; it is tried again with the next checkpoint.
#[derive(Debug, thiserror::Error)]
enum ReceiptsError {
    #[error("the transfer log cannot be read")]
    Log(#[source] LogError),
    #[error("a receipt cannot be written")]
    Box(#[source] DropBoxError),
    #[error("what its entry discloses cannot be read")]
    Disclosures(#[source] LogError),
    #[error("how far receipts have come cannot be kept")]
    Position(#[source] DurableError),
}

impl Receipts {
    /// Starts the thread; it ends with the log.
    pub fn start(self) -> Result<std::thread::JoinHandle<()>, DaemonError> {
        let (follower, progress) = Follower::new(self).map_err(DaemonError::Log)?;
        let thread = std::thread::Builder::new().name("receipts".to_owned());
        thread.spawn(move || follower.follow(progress)).map_err(DaemonError::Receipts)
    }
}

impl Follower {
    /// With how far an earlier run has come: nowhere in the log in use when that is not known, or is of another log than
    /// those that were put by.
    fn new(parts: Receipts) -> Result<(Self, Progress), LogError> {
        let kept = parts.state.read(POSITION_FILE, LONGEST_POSITION_BYTES).ok().flatten();
        let kept = kept.and_then(|bytes| String::from_utf8(bytes).ok());
        let parsed = kept.as_deref().and_then(|text| text.trim_end().split_once(' '));
        let (size, origin) = parsed.unwrap_or_default();
        let is_in_use = origin == parts.key.name();
        let earlier = if is_in_use { Vec::new() } else { archived_from(&parts.archive_dir, origin)? };
        let size = if is_in_use || !earlier.is_empty() { size.parse().unwrap_or_default() } else { 0 };
        let mut logs: BTreeMap<usize, u64> = (0..=earlier.len()).map(|log| (log, 0)).collect();
        logs.insert(0, size);
        Ok((Self { parts, earlier }, Progress { logs, aside: BTreeSet::new() }))
    }

    /// The logs that are followed, from that one on.
    fn logs(&self, from: usize) -> impl Iterator<Item = Followed<'_>> {
        let earlier = self.earlier.iter().map(|log| (log.directory.as_path(), &log.key, false));
        let all = earlier.chain([(self.parts.log_dir.as_path(), &self.parts.key, true)]).enumerate();
        all.skip(from).map(|(number, (directory, key, is_in_use))| Followed { number, directory, key, is_in_use })
    }

    fn follow(self, mut progress: Progress) {
        // What earlier logs left is made as soon as the one in use is published.
        let mut seen = progress.logs.get(&0).copied().filter(|_| self.earlier.is_empty()).unwrap_or_default();
        let mut is_failing = false;
        while let Some(published) = self.parts.log.wait_published(seen) {
            // Also after a fault: a disk that is full is asked again with the next checkpoint, and no sooner.
            seen = published;
            match self.make_aside(&mut progress).and_then(|()| self.make_all(published, &mut progress)) {
                Ok(()) => is_failing = false,
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
    fn make_aside(&self, progress: &mut Progress) -> Result<(), ReceiptsError> {
        let mut months = HashMap::new();
        for place in progress.aside.clone() {
            let Some(log) = self.logs(place.log).next() else { continue };
            let entry = entries_from(log.directory, place.seq).map_err(ReceiptsError::Log)?.next().transpose();
            let Some(entry) = entry.map_err(ReceiptsError::Log)? else { continue };
            if self.make_one(log, &entry, &mut months).is_ok() {
                progress.aside.remove(&place);
            }
        }
        Ok(())
    }

    fn keep(&self, progress: &Progress) -> Result<(), ReceiptsError> {
        let Some(place) = progress.first_left() else { return Ok(()) };
        let origin = self.logs(place.log).next().map_or(self.parts.key.name(), |log| log.key.name());
        let text = format!("{} {origin}\n", place.seq);
        self.parts.state.write(POSITION_FILE, text.as_bytes()).map_err(ReceiptsError::Position)
    }

    /// Makes those that are left: of earlier logs to their end, of the log in use up to what is published. A fault with one
    /// log keeps nothing of another.
    fn make_all(&self, published: u64, progress: &mut Progress) -> Result<(), ReceiptsError> {
        let mut outcome = Ok(());
        for log in self.logs(0) {
            if let Some(from) = progress.logs.get(&log.number).copied() {
                outcome = outcome.and(self.make(log, from, published, progress));
            }
        }
        outcome
    }

    fn make(&self, log: Followed<'_>, from: u64, published: u64, progress: &mut Progress) -> Result<(), ReceiptsError> {
        let mut months = HashMap::new();
        let mut made = false;
        let to = if log.is_in_use { Ok(published) } else { published_size(log.directory) };
        let count = to.map_err(ReceiptsError::Log)?.saturating_sub(from);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for entry in entries_from(log.directory, from).map_err(ReceiptsError::Log)?.take(count) {
            let entry = entry.map_err(ReceiptsError::Log)?;
            match self.make_one(log, &entry, &mut months) {
                Err(error @ (ReceiptsError::Box(_) | ReceiptsError::Disclosures(_)))
                    if progress.aside.len() < MOST_ASIDE =>
                {
                    let (tenant, error): (_, &dyn std::error::Error) = (entry.context.tenant.as_ref(), &error);
                    if progress.aside.insert(Place { log: log.number, seq: entry.seq }) {
                        tracing::error!(error, tenant = tenant.map(TenantId::as_str), "a receipt is set aside");
                    }
                }
                outcome => outcome?,
            }
            progress.logs.insert(log.number, entry.seq + 1);
            made |= entry.event.is_receipted();
            if entry.seq % KEEP_EVERY == KEEP_EVERY - 1 {
                self.keep(progress)?;
            }
        }
        if !log.is_in_use {
            progress.logs.remove(&log.number);
        }
        // Where no receipt was made, going over the entries again costs nothing worth a synchronisation.
        if made { self.keep(progress) } else { Ok(()) }
    }

    fn make_one(
        &self,
        log: Followed<'_>,
        entry: &StoredEntry,
        months: &mut HashMap<String, OpenedMonth>,
    ) -> Result<(), ReceiptsError> {
        let Some((name, tenant)) = name(entry).zip(entry.context.tenant.as_ref()) else { return Ok(()) };
        let mut disclosures = self.disclosures(log, entry, months)?;
        disclosures.retain(|text| disclosed_name(text).as_deref() != Some(OPERATOR));
        let made = receipt(log.directory, log.key, entry.seq, disclosures).map_err(ReceiptsError::Log)?;
        self.parts.boxes.put_receipt(tenant, entry.at, &name, &made.to_text()).map_err(ReceiptsError::Box)
    }

    fn disclosures(
        &self,
        log: Followed<'_>,
        entry: &StoredEntry,
        months: &mut HashMap<String, OpenedMonth>,
    ) -> Result<Vec<String>, ReceiptsError> {
        // What is remembered is of the log in use.
        if let Some(recent) = log.is_in_use.then(|| self.parts.keeper.take_recent(entry.seq)).flatten() {
            return Ok(recent);
        }
        let tenant = entry.context.tenant.as_ref();
        let month = month_of(entry.at);
        let name = format!("{tenant:?}/{month}");
        if !months.contains_key(&name) {
            let opened = self.parts.keeper.open_month(tenant, &month).map_err(ReceiptsError::Disclosures)?;
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
