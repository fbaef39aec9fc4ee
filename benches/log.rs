//! The transfer log: durable appends, verification, the start with a long log, and how large entries and receipts are.
//!
//! `cargo bench --bench log -- [--entries 1000000] [--dir DIR] [--only appends|long]`. Appends are told as ratios to a bare `fdatasync` of as
//! many bytes on the same disk, verification as one to SHA-256 over the entries' bytes. The long log is made in the
//! directory for temporary files, or in DIR (`GROEIKLUIS_BENCH_DIR`), and needs about 700 bytes of disk an entry; one that
//! is there is used again. What is measured for its memory runs in a process of its own.

#![expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]

use std::{
    env,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use groeikluis::{
    domain::{Kind, TenantId},
    durable::Clock,
    ledger::SqliteLedger,
    seal::Keyring,
    transfer_log::{
        Actor, Context, DeliveryCreated, DeliveryStep, Disclosed, DisclosureKeeper, DownloadEnd, DownloadStart, Event,
        FileKind, Index, IndexError, LogSettings, Login, LoginMethod, Logout, NoteKey, Position, Record, StoredEntry,
        TransferLog, Upload, entries_from, receipt, verify,
    },
};
use sha2::{Digest, Sha256};

const ORIGIN: &str = "groeikluis.bench/2026";

/// How long each measurement of appends lasts.
const SPAN: Duration = Duration::from_secs(3);

/// Entries appended as one group where the time is not measured.
const GROUP: usize = 4_096;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let entries: u64 = after("--entries").map_or(Ok(1_000_000), |count| count.parse())?;
    let dir = after("--dir").map(PathBuf::from).or(env::var_os("GROEIKLUIS_BENCH_DIR").map(PathBuf::from));
    let base = dir.unwrap_or_else(env::temp_dir).join("groeikluis-bench-log");
    if let Some(log) = after("--verify") {
        return verified(Path::new(log), &base);
    }
    fs::create_dir_all(&base)?;
    let only = after("--only").map(String::as_str);
    if only != Some("long") {
        appends(&base)?;
    }
    if only == Some("appends") { Ok(()) } else { long_log(&base, entries) }
}

/// Where a log is and how it is opened.
struct Place {
    dir: PathBuf,
    key: NoteKey,
}

impl Place {
    /// A log below `base`, whose key is kept there for other processes.
    fn below(base: &Path, name: &str) -> Outcome<Self> {
        let path = base.join("key");
        let key = if path.exists() {
            NoteKey::parse(fs::read_to_string(&path)?.trim())?
        } else {
            let key = NoteKey::generate(ORIGIN)?;
            fs::write(&path, key.to_text().as_bytes())?;
            key
        };
        Ok(Self { dir: base.join(name), key })
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn open(&self, index: Box<dyn Index + Send>) -> Outcome<TransferLog> {
        Ok(self.open_keeping(index)?.0)
    }

    /// The log, with who keeps its disclosures.
    fn open_keeping(&self, index: Box<dyn Index + Send>) -> Outcome<(TransferLog, DisclosureKeeper)> {
        let settings = LogSettings {
            dir: self.log(),
            high_water_dir: self.dir.join("high-water"),
            origin: ORIGIN.to_owned(),
            archive_dir: self.dir.join("archive"),
            keys: self.key.clone().into(),
            checkpoint_every: Duration::from_secs(1),
            goes_on_from_older: false,
        };
        let keeper = DisclosureKeeper::new(self.dir.join("disclosures"), Keyring::generate());
        Ok((TransferLog::open_keeping(settings, Clock::system(), index, keeper.clone())?, keeper))
    }
}

/// An index that only counts: what the log costs by itself.
#[derive(Default)]
struct Counter(Position);

impl Index for Counter {
    fn position(&self) -> Result<Position, IndexError> {
        Ok(self.0)
    }

    fn apply(&mut self, entries: &[StoredEntry]) -> Result<(), IndexError> {
        self.0 = entries.last().map_or(self.0, Position::after);
        Ok(())
    }

    fn reset(&mut self) -> Result<(), IndexError> {
        self.0 = Position::default();
        Ok(())
    }
}

/// What one session of a municipality leaves, but for its list: seven entries of usual size.
fn session(tenant: &TenantId, number: u64) -> Vec<Record> {
    let id = self::id(number);
    let context = Context {
        tenant: Some(tenant.clone()),
        protocol: "OPG-2026-017".parse().ok(),
        key: Some("ict-bree".to_owned()),
        session: id.get(..16).map(str::to_owned),
        correlation: Some(id.clone()),
        ..Context::of(Actor::Tenant)
    };
    let path = format!("/outbox/{}_72004_OPG-2026-017_20261121_{:04}.csv.age", Kind::SocialeToeslag, number % 10_000);
    let disclosed = |name: &'static str, value: &str| Disclosed { name, value: value.to_owned() };
    let who = [
        disclosed("ip", "192.0.2.17"),
        disclosed("user", "bree"),
        disclosed("fingerprint", "SHA256:6lAafvXn8kVtMuOuAUxBBg0nbrhUWkP9Yy0gPvWyKxM"),
        disclosed("banner", "SSH-2.0-OpenSSH_9.6"),
    ];
    let delivery_id = Some(id.clone());
    let event = |event| Record::success(event, context.clone());
    vec![
        event(Event::Login(Login { method: LoginMethod::PublicKey, attempts: 0 })).disclosing(who),
        event(Event::Upload(Upload {
            size: 74_126,
            ciphertext_sha256: hash(number ^ 1),
            file_kind: FileKind::Plain,
            test: false,
            complete: true,
            duration_ms: 41,
        }))
        .disclosing([disclosed("path", "/inbox/lijst_2026-11.csv")]),
        event(Event::DownloadStart(DownloadStart { size: 81_002, delivery_id: delivery_id.clone() }))
            .disclosing([disclosed("path", &path)]),
        event(Event::DownloadEnd(DownloadEnd {
            size: 81_002,
            offset: 0,
            bytes: 81_002,
            complete: true,
            duration_ms: 17,
            delivery_id,
        }))
        .disclosing([disclosed("path", &path)]),
        event(Event::DeliveryFetched(DeliveryStep { delivery_id: id })),
        event(Event::Logout(Logout { duration_ms: 803, bytes_received: 74_126, bytes_sent: 81_002, regular: true })),
    ]
}

/// 32 hexadecimal digits that look like no number of a person.
fn id(number: u64) -> String {
    hex::encode(Sha256::digest(number.to_le_bytes()).get(..16).unwrap_or_default())
}

fn hash(number: u64) -> String {
    hex::encode(Sha256::digest(number.to_be_bytes()))
}

/// One entry of a download, as it is before the first byte leaves.
fn start(tenant: &TenantId, number: u64) -> Record {
    session(tenant, number).swap_remove(2)
}

fn appends(base: &Path) -> Outcome<()> {
    let tenant: TenantId = "bree".parse()?;
    let floor = bare_synchronisations(base)?;
    println!(
        "durable appends                  a second   one takes   bare fdatasync of 600 bytes: {:.0} µs",
        micros(floor)
    );
    for (name, with_ledger) in [("the log alone", false), ("with its ledger", true)] {
        for sessions in [1, 16, 64] {
            let place = Place::below(base, "appends")?;
            let index: Box<dyn Index + Send> = if with_ledger {
                fs::create_dir_all(&place.dir)?;
                Box::new(SqliteLedger::open(&place.dir.join("ledger.sqlite"))?.1)
            } else {
                Box::new(Counter::default())
            };
            let log = place.open(index)?;
            let (count, middle) = by_sessions(&log, &tenant, sessions)?;
            log.close()?;
            fs::remove_dir_all(&place.dir)?;
            println!(
                "  {name:16} {sessions:2} sessions {:12.0} {:8.0} µs   {:.2} x bare",
                count as f64 / SPAN.as_secs_f64(),
                micros(middle),
                middle.as_secs_f64() / floor.as_secs_f64()
            );
        }
    }
    Ok(())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The middle time of writing 600 bytes to the end of a file and making them durable.
fn bare_synchronisations(base: &Path) -> Outcome<Duration> {
    let path = base.join("bare");
    let mut file = File::create(&path)?;
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < SPAN {
        let each = Instant::now();
        file.write_all(&[b'x'; 600])?;
        file.sync_data()?;
        times.push(each.elapsed());
    }
    fs::remove_file(path)?;
    Ok(middle(times))
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Appends of as many sessions at once, each waiting for its own: how many in all, and the middle time of one.
fn by_sessions(log: &TransferLog, tenant: &TenantId, sessions: u64) -> Outcome<(usize, Duration)> {
    let began = Instant::now();
    let times = thread::scope(|scope| {
        let one = |session: u64| {
            let mut times = Vec::new();
            while began.elapsed() < SPAN {
                let record = start(tenant, session * 1_000_000 + times.len() as u64);
                let each = Instant::now();
                log.append(vec![record]).map_err(|error| error.to_string())?;
                times.push(each.elapsed());
            }
            Ok::<_, String>(times)
        };
        let running: Vec<_> = (0..sessions).map(|session| scope.spawn(move || one(session))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err("a session failed".to_owned())))
            .collect::<Vec<_>>()
    });
    let times: Vec<Duration> = times.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    Ok((times.len(), middle(times)))
}

fn long_log(base: &Path, entries: u64) -> Outcome<()> {
    let place = Place::below(base, &format!("long-{entries}"))?;
    if !place.log().join("checkpoint").exists() {
        let began = Instant::now();
        make(&place, entries)?;
        println!("made a log of {entries} entries in {:.0} s", began.elapsed().as_secs_f64());
    }
    let bytes = size_of(&place.log())?;
    let size = opened(&place, entries)?;
    println!(
        "on disk              {:8.0} bytes an entry, hashes and all   goal 550 at most",
        bytes as f64 / size as f64
    );
    let own = env::current_exe()?;
    let dir = base.parent().unwrap_or(base);
    let status = Command::new(own).arg("--verify").arg(place.log()).arg("--dir").arg(dir).status()?;
    if !status.success() {
        return Err("the process that verifies failed".into());
    }
    receipts(&place, size)
}

fn make(place: &Place, entries: u64) -> Outcome<()> {
    let tenants: Vec<TenantId> =
        (0..285).map(|number| format!("gemeente-{number}").parse()).collect::<Result<_, _>>()?;
    let log = place.open(Box::new(Counter::default()))?;
    let mut group = Vec::with_capacity(GROUP);
    let mut number = 0;
    while log.size() + (group.len() as u64) < entries {
        let tenant = tenants.get(usize::try_from(number % 285)?).ok_or("no tenant")?;
        group.extend(session(tenant, number));
        number += 1;
        if group.len() + 10 > GROUP {
            log.append(std::mem::take(&mut group))?;
        }
    }
    log.append(group)?;
    log.close()?;
    Ok(())
}

fn size_of(directory: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// The start of a daemon: the log opened by an index that has come as far. Closing adds a line, so does opening.
fn opened(place: &Place, entries: u64) -> Outcome<u64> {
    let checkpoint = fs::read_to_string(place.log().join("checkpoint"))?;
    let size: u64 = checkpoint.lines().nth(1).ok_or("no size in the checkpoint")?.parse()?;
    let entry = entries_from(&place.log(), size - 1)?.next().ok_or("no last entry")??;
    let began = Instant::now();
    let log = place.open(Box::new(Counter(Position::after(&entry))))?;
    println!(
        "start with {entries} entries {:8.0} ms   goal 2,000 at most for ten million",
        began.elapsed().as_secs_f64() * 1e3
    );
    let size = log.size();
    log.close()?;
    Ok(size)
}

/// In a process of its own: verification against hashing alone, and its memory.
fn verified(log: &Path, base: &Path) -> Outcome<()> {
    let place = Place::below(base, "none")?;
    let began = Instant::now();
    let verified = verify(log, place.key.verifier()).map_err(|faults| format!("{faults:?}"))?;
    let took = began.elapsed();
    let peak = fs::read_to_string("/proc/self/status")?;
    let peak = peak.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default().to_owned();
    let began = Instant::now();
    let bytes = hashed(&log.join("tile/entries"))?;
    let floor = began.elapsed();
    println!(
        "verify {} entries {:6.1} s; SHA-256 of their {:.0} MB alone {:.1} s: {:.1} x   goal 20 s for ten million",
        verified.checkpoint.size,
        took.as_secs_f64(),
        bytes as f64 / 1e6,
        floor.as_secs_f64(),
        took.as_secs_f64() / floor.as_secs_f64()
    );
    println!("memory while verifying {}   goal 200 MiB at most", peak.replace("VmHWM:", "").trim());
    Ok(())
}

/// Hashes all files below a directory, as SHA-256 at its fastest would.
fn hashed(directory: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            bytes += hashed(&path)?;
        } else {
            let mut content = Vec::new();
            File::open(&path)?.read_to_end(&mut content)?;
            std::hint::black_box(Sha256::digest(&content));
            bytes += content.len() as u64;
        }
    }
    Ok(bytes)
}

/// Receipts of entries somewhere in the log, as they are made anew, and of new ones, as the daemon makes them: these have
/// fewer hashes above them.
fn receipts(place: &Place, size: u64) -> Outcome<()> {
    let mut lengths = Vec::new();
    for seq in (size / 2..size).take(700) {
        lengths.push(receipt(&place.log(), place.key.verifier(), seq, Vec::new())?.to_text().len());
    }
    tell_lengths("of any entry, made anew, without disclosures", lengths);
    let last = entries_from(&place.log(), size - 1)?.last().ok_or("no last entry")??;
    let (log, keeper) = place.open_keeping(Box::new(Counter(Position::after(&last))))?;
    let tenant: TenantId = "bree".parse()?;
    for (name, record) in [("of an upload", session(&tenant, 1).swap_remove(1)), ("of a delivery", delivery(&tenant))] {
        let mut lengths = Vec::new();
        for _ in 0..RECEIPTS {
            let seq = log.append(vec![record.clone()])?.first().ok_or("no place")?.seq;
            log.checkpoint_now()?;
            let disclosures = keeper.take_recent(seq).unwrap_or_default();
            lengths.push(receipt(&place.log(), place.key.verifier(), seq, disclosures)?.to_text().len());
        }
        tell_lengths(name, lengths);
    }
    Ok(log.close()?)
}

/// New receipts of each sort.
const RECEIPTS: usize = 64;

fn tell_lengths(what: &str, mut lengths: Vec<usize>) {
    lengths.sort_unstable();
    println!(
        "a receipt {what} {:6} bytes in the middle, {} at most   goal 1,500",
        lengths.get(lengths.len() / 2).copied().unwrap_or_default(),
        lengths.last().copied().unwrap_or_default()
    );
}

/// An answer to a list, as its protocol lets it leave.
fn delivery(tenant: &TenantId) -> Record {
    let created = DeliveryCreated {
        delivery_id: id(2),
        file: "sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv.age".to_owned(),
        kind: Kind::SocialeToeslag,
        rows: 183,
        amount_total: None,
        recipients: vec![id(3)],
        purpose: "automatische toekenning van een aanvullende toelage".to_owned(),
        legal_basis: "decreet van 27 april 2018, artikel 8 van het e-govdecreet".to_owned(),
        columns: ["niss", "sociale_toeslag", "begunstigde_niss", "begunstigde_naam", "aandeel"]
            .map(str::to_owned)
            .to_vec(),
        ciphertext_sha256: hash(4),
        ciphertext_size: 4_313,
        answers: Some(id(5)),
        manifest_sha256: None,
        test: false,
        run: None,
        retention_until: "2027-02-19".parse().ok(),
        removals: None,
        fingerprint: None,
    };
    let context = Context {
        tenant: Some(tenant.clone()),
        protocol: "OPG-2026-017".parse().ok(),
        correlation: Some(id(5)),
        ..Context::of(Actor::Daemon)
    };
    let plaintext = Disclosed { name: "plaintext_sha256", value: hash(6) };
    Record::success(Event::DeliveryCreated(created), context).disclosing([plaintext])
}
