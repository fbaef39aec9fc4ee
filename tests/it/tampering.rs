//! Tampering with a log that the daemon wrote is caught: by this program, and by verifiers that nobody here wrote.

use std::{
    fs,
    path::{Path, PathBuf},
};

use groeikluis::transfer_log::NoteKey;
use serde_json::Value;

use crate::{
    clients::program::Program,
    receipts::audit,
    support::{Plan, Protocol, Tenant, TestDaemon, copy_directory, wait_until},
};

/// Who finds a fault.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    /// This program and both others.
    ByAll,
    /// This program, and the one that reads tiles.
    InTiles,
    /// This program only: no other looks there.
    HereOnly,
}

/// The verifiers of another registry, when tests/run installed them.
struct Foreign {
    python: Program,
    home: PathBuf,
}

impl Foreign {
    fn find(home: PathBuf) -> Option<Self> {
        Program::installed("verifiers", "python/verifiers")?;
        Some(Self { python: Program::installed("verifiers", "python/bin/python3")?, home })
    }

    /// What they find at fault: the reader of tiles, and the one that hashes the entries.
    fn faults(&self, log: &Path, key: &str, more: &[&str]) -> (Vec<Value>, Vec<Value>) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/verify_log.py");
        let run =
            self.python.run_in(&self.home).env("PYTHONPATH", crate::clients::program::installed("python/verifiers"));
        let ran = run.args([script, log.to_str().unwrap(), key]).args(more).input("").well();
        let found: Value = serde_json::from_str(&ran.stdout).unwrap();
        let faults = |name: &str| found[name].as_array().unwrap().clone();
        (faults("tlog-scales"), [faults("proofbundle"), faults("rfc8785")].concat())
    }
}

/// A daemon whose log has full bundles and a level of tiles above them.
fn daemon() -> TestDaemon {
    let plan =
        Plan::new().children(20_000).line("log: {origin: groeikluis.test/2026, key: keys/log.key, listings: true}");
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child());
    let daemon = plan.tenant(bree).start();
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    daemon.put("bree", "lijst.csv", list.as_bytes());
    daemon.answer("bree", "lijst.csv");
    let session = daemon.session("bree");
    for _ in 0..600 {
        session.list("/inbox").unwrap();
    }
    session.close();
    daemon
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// The entries of a bundle.
fn entries(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        found.push(entry.to_vec());
        rest = after;
    }
    found
}

fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    entries.iter().flat_map(|entry| [&u16::try_from(entry.len()).unwrap().to_be_bytes()[..], entry].concat()).collect()
}

type Tampering = (&'static str, Seen, fn(&Path));

/// Everything that TRANSFER-LOG.md names and that can be done to the files without the key.
const TAMPERINGS: [Tampering; 10] = [
    ("a flipped bit in an entry", Seen::ByAll, |log| {
        edit(&log.join("tile/entries/001"), |bytes| bytes[5_000] ^= 1);
    }),
    ("a flipped bit in a tile of level 0", Seen::InTiles, |log| edit(&log.join("tile/0/001"), |bytes| bytes[777] ^= 4)),
    ("a flipped bit in a tile of level 1", Seen::InTiles, |log| {
        edit(&newest(&log.join("tile/1/000.p")), |bytes| bytes[40] ^= 1);
    }),
    ("a missing bundle", Seen::ByAll, |log| fs::remove_file(log.join("tile/entries/000")).unwrap()),
    ("a torn bundle", Seen::ByAll, |log| edit(&log.join("tile/entries/000"), |bytes| bytes.truncate(9_000))),
    ("two entries swapped", Seen::ByAll, |log| {
        edit(&log.join("tile/entries/000"), |bytes| {
            let mut all = entries(bytes);
            all.swap(100, 101);
            *bytes = bundle(&all);
        });
    }),
    ("an edited size", Seen::ByAll, |log| {
        edit(&log.join("checkpoint"), |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines[1] = (lines[1].parse::<u64>().unwrap() - 1).to_string();
            *bytes = (lines.join("\n") + "\n").into_bytes();
        });
    }),
    ("a key that stands twice", Seen::ByAll, |log| {
        edit(&log.join("tile/entries/000"), |bytes| {
            let mut all = entries(bytes);
            let text = String::from_utf8(all[50].clone()).unwrap();
            all[50] = text.replace("\"seq\":50", "\"seq\":50,\"seq\":50").into_bytes();
            *bytes = bundle(&all);
        });
    }),
    ("a space in an entry", Seen::ByAll, |log| {
        edit(&log.join("tile/entries/000"), |bytes| {
            let mut all = entries(bytes);
            let text = String::from_utf8(all[50].clone()).unwrap();
            all[50] = text.replace("\"seq\":50", "\"seq\": 50").into_bytes();
            *bytes = bundle(&all);
        });
    }),
    ("a flipped bit in a tile of an older checkpoint", Seen::HereOnly, |log| {
        let mut partial: Vec<PathBuf> = partials(&log.join("tile/0"));
        partial.sort_by_key(|path| fs::metadata(path).unwrap().len());
        assert!(partial.len() > 1, "{partial:?}");
        edit(&partial[0], |bytes| bytes[3] ^= 1);
    }),
];

/// The widest partial tile of a directory.
fn newest(directory: &Path) -> PathBuf {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

/// The partial tiles below a directory.
fn partials(directory: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    below.filter(|path| path.to_string_lossy().ends_with(".p")).flat_map(of).collect()
}

#[test]
fn each_tampering_is_caught_here_and_by_others() {
    let mut daemon = daemon();
    let kept = daemon.path("received/kept");
    fs::write(&kept, daemon.session("bree").download("/log/checkpoint").unwrap()).unwrap();
    let dictionary = daemon.path("received/dictionary");
    fs::write(&dictionary, daemon.session("bree").download("/log/receipt.dictionary").unwrap()).unwrap();
    let dictionary = dictionary.display().to_string();
    let early = daemon.path("early");
    daemon.terminate();
    copy_directory(&daemon.path("state/log"), &early);
    daemon.start();
    for _ in 0..5 {
        let size = daemon.events("log.started").len();
        daemon.session("bree").close();
        assert!(size > 0);
    }
    let receipts = daemon.path("state/boxes/bree/receipts");
    wait_until("the receipts", || fs::read_dir(&receipts).is_ok_and(|names| names.count() >= 3));
    daemon.terminate();
    let log = daemon.path("state/log");
    let key = fs::read_to_string(daemon.path("keys/log.vkey")).unwrap();
    let foreign = Foreign::find(daemon.path("received"));
    let verify = |log: &Path, more: &[&str]| {
        audit(&[&["verify", "--log", log.to_str().unwrap(), "--key", &key], more].concat()).code
    };
    told_in_few_words(&daemon, &early, &key);
    let kept = kept.display().to_string();
    assert_eq!(verify(&log, &["--since", &kept]), Some(0));
    if let Some(foreign) = &foreign {
        let files: Vec<String> =
            fs::read_dir(&receipts).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
        let more: Vec<&str> = files
            .iter()
            .flat_map(|file| ["--receipt", file])
            .chain(["--since", &kept, "--dictionary", &dictionary])
            .collect();
        assert_eq!(foreign.faults(&log, &key, &more), (vec![], vec![]));
    }
    let copied = daemon.path("copy");
    for (what, seen, tamper) in TAMPERINGS {
        copy_directory(&log, &copied);
        tamper(&copied);
        assert_eq!(verify(&copied, &[]), Some(1), "{what} was not caught");
        if let Some(foreign) = &foreign {
            let (tiles, entries) = foreign.faults(&copied, &key, &[]);
            assert_eq!(!tiles.is_empty(), seen != Seen::HereOnly, "{what}: tlog-scales found {tiles:?}");
            assert_eq!(!entries.is_empty(), seen == Seen::ByAll, "{what}: proofbundle found {entries:?}");
        }
        fs::remove_dir_all(&copied).unwrap();
    }
    // With the key in hand: an older copy put back, and another history; both are right in themselves.
    let newest = log.join("checkpoint").display().to_string();
    assert_eq!((verify(&early, &[]), verify(&early, &["--since", &newest])), (Some(0), Some(1)));
    let fork = daemon.path("fork");
    write_fork(&daemon, &fork);
    assert_eq!((verify(&fork, &[]), verify(&fork, &["--since", &kept])), (Some(0), Some(1)));
    if let Some(foreign) = &foreign {
        for (log, since) in [(&early, &newest), (&fork, &kept)] {
            assert_eq!(foreign.faults(log, &key, &[]), (vec![], vec![]));
            let (tiles, entries) = foreign.faults(log, &key, &["--since", since]);
            assert!(!tiles.is_empty() && !entries.is_empty(), "{since}: {tiles:?} {entries:?}");
        }
    }
}

/// One changed byte is told with the entry that it is in, and an older checkpoint with files that go on behind it.
fn told_in_few_words(daemon: &TestDaemon, early: &Path, key: &str) {
    let (log, copied) = (daemon.path("state/log"), daemon.path("copy"));
    let verify = |more: &[&str]| audit(&[&["verify", "--log", copied.to_str().unwrap(), "--key", key], more].concat());
    copy_directory(&log, &copied);
    let whole = verify(&[]);
    assert!(whole.stdout.contains("the first is of 20") && whole.stdout.contains("without --since"), "{whole:?}");
    edit(&copied.join("tile/entries/000"), |bytes| {
        let mut all = entries(bytes);
        let last = all[50].len() - 3;
        all[50][last] ^= 1;
        *bytes = bundle(&all);
    });
    let ran = verify(&[]);
    assert!(ran.stderr.contains("entry 50 cannot be trusted; the "), "{ran:?}");
    assert!(ran.stderr.lines().count() < 8, "{ran:?}");
    let told: Value = serde_json::from_str(&verify(&["--json"]).stdout).unwrap();
    assert_eq!(told["untrusted"], serde_json::json!([[50, 50]]));
    assert_eq!((&told["untrusted_entries"], &told["untrusted_cut"]), (&1.into(), &false.into()));
    assert_eq!((&told["log"], &told["malformed"]), (&"groeikluis.test/2026".into(), &serde_json::json!([])));
    assert_eq!(told["directory"], copied.display().to_string());
    fs::remove_dir_all(&copied).unwrap();
    put_back_and_damaged(&log, early, key);
    // What an auditor copies has no journal.
    copy_directory(&log, &copied);
    fs::remove_dir_all(copied.join("journal")).unwrap();
    fs::copy(early.join("checkpoint"), copied.join("checkpoint")).unwrap();
    let ran = verify(&[]);
    assert!(ran.code == Some(0) && ran.stdout.contains("more than this checkpoint covers"), "{ran:?}");
    fs::remove_dir_all(&copied).unwrap();
}

/// An older checkpoint put back, with a file taken away so that checking ends early: no entry is vouched for against a
/// newer checkpoint, and without one it is said what was not looked for.
fn put_back_and_damaged(log: &Path, early: &Path, key: &str) {
    let later = log.join("checkpoint").display().to_string();
    let tile = newest(&early.join("tile/1/000.p"));
    let bytes = fs::read(&tile).unwrap();
    fs::remove_file(&tile).unwrap();
    let verify = |more: &[&str]| audit(&[&["verify", "--log", early.to_str().unwrap(), "--key", key], more].concat());
    let ran = verify(&["--since", &later]);
    assert!(ran.code == Some(1) && ran.stderr.contains("of the older checkpoint: it was put back"), "{ran:?}");
    assert!(!ran.stderr.contains("signed for"), "{ran:?}");
    let told: Value = serde_json::from_str(&verify(&["--since", &later, "--json"]).stdout).unwrap();
    assert_eq!((&told["untrusted"], &told["since"]), (&Value::Null, &Value::Null));
    let ran = verify(&[]);
    assert!(ran.stderr.contains("is as it was signed for: what is at fault lies beside them"), "{ran:?}");
    assert!(ran.stderr.contains("without --since CHECKPOINT"), "{ran:?}");
    fs::write(&tile, bytes).unwrap();
}

/// Another log by the same key, longer than the one that the daemon wrote.
fn write_fork(daemon: &TestDaemon, directory: &Path) {
    use groeikluis::{
        durable::Clock,
        ledger::SqliteLedger,
        transfer_log::{Context, Event, ListReceived, LogSettings, Record, TransferLog},
    };
    let key = NoteKey::parse(&fs::read_to_string(daemon.path("keys/log.key")).unwrap()).unwrap();
    fs::create_dir(directory).unwrap();
    let (_, index) = SqliteLedger::open(&daemon.path("fork.sqlite")).unwrap();
    let settings = LogSettings {
        dir: directory.to_owned(),
        high_water_dir: daemon.path("fork-high-water"),
        archive_dir: daemon.path("fork-archive"),
        origin: key.name().to_owned(),
        keys: key.into(),
        checkpoint_every: std::time::Duration::from_secs(1),
        goes_on_from_older: false,
    };
    let log = TransferLog::open(settings, Clock::system(), Box::new(index)).unwrap();
    let record = Record::success(Event::ListReceived(ListReceived { rows: 1, size: 2 }), Context::daemon());
    log.append(vec![record; 900]).unwrap();
    log.close().unwrap();
}
