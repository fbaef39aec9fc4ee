//! No number of a list or of the register, and no name of an answer, ever lies on disk in clear.
//!
//! While lists are uploaded, cut off, resumed, refused and answered, and while the daemon is killed and started again,
//! a thread reads every file of the state directory, and every file that the daemon has open wherever it is, again and
//! again, and looks for each of them.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::JoinHandle,
};

use memchr::memmem;

use crate::support::{Plan, Protocol, Tenant, TestDaemon, niss, wait_until};

const GENT: &str = "44021";

/// Rows of the list that is cut off: large enough that its upload lasts.
const LONG_LIST: usize = 40_000;

#[test]
fn nothing_that_is_personal_is_ever_on_disk_in_clear() {
    let tenant = Tenant::municipality("gent", GENT).protocol(Protocol::new("OPG-2026-017").every_child());
    let mut daemon = Plan::new().children(20_000).tenant(tenant).start();
    let children: Vec<String> = daemon.extract().children_of(GENT).into_iter().map(str::to_owned).collect();
    let strangers: Vec<String> = (0..LONG_LIST)
        .map(|at| niss(&format!("12{:02}{:02}{:03}", 1 + at / 27_944, 1 + at / 998 % 28, 1 + at % 998)))
        .collect();
    let sought = secrets(&daemon, &strangers);
    let watcher = Watcher::start(&mut daemon, sought);
    let watched = watcher.process.clone();

    for (at, some) in children.chunks(60).take(6).enumerate() {
        let list = format!("niss\n{}\n", some.join("\n"));
        daemon.put("gent", &format!("lijst-{at}.csv"), list.as_bytes());
        let utf_16: Vec<u8> = "\u{feff}".chars().chain(list.chars()).flat_map(|c| (c as u16).to_le_bytes()).collect();
        let other = list.replacen(&some[0], &strangers[at], 1);
        daemon.put("gent", &format!("lijst-{at}.csv.age"), &daemon.seal(other.as_bytes()));
        daemon.put("gent", &format!("fouten-{at}.csv"), list.replace('1', "7").as_bytes());
        // The same as the first: a duplicate.
        daemon.put("gent", &format!("lijst-{at}.txt"), &utf_16);
    }
    daemon.answer("gent", "lijst-5.csv");
    daemon.answer("gent", "lijst-5.csv.age");
    daemon.rejection("gent", "lijst-5.txt");
    numbers_in_names(&daemon, &children[0]);

    let long = daemon.path("lang.csv");
    fs::write(&long, format!("niss\n{}\n", strangers.join("\n"))).unwrap();
    cut_off(&daemon, &long, "verbroken.csv");
    resume(&daemon, &long, "verbroken.csv");
    daemon.answer("gent", "verbroken.csv");

    // From memory to memory: not even in the spool, where files lie in clear that are moved there.
    let table = format!("niss;sociale_toeslag\n{};ja\n", children[60..90].join(";ja\n"));
    daemon.groeikluis_reading(&["deliver", "gent", "OPG-2026-017", "sociale-toeslag"], table.as_bytes()).well();

    let entered = daemon.events("file.upload").len();
    let mut upload = begin_upload(&daemon, &long, "gestopt.csv");
    watched.store(0, Ordering::SeqCst);
    daemon.kill9();
    upload.wait().unwrap();
    daemon.start();
    watched.store(daemon.process().id(), Ordering::SeqCst);
    assert_eq!(daemon.events("file.upload").len(), entered, "what the kill cut off was taken for complete");
    daemon.put("gent", "daarna.csv", format!("niss\n{}\n", children[10..40].join("\n")).as_bytes());
    daemon.answer("gent", "daarna.csv");

    let said = daemon.process().said();
    let rounds = watcher.finish();
    eprintln!("every file was read {rounds} times");
    assert!(rounds > 10, "the watcher hardly looked: {rounds} rounds");
    assert!(secrets(&daemon, &strangers).find(said.as_bytes()).is_none(), "the operator's log names somebody");
}

#[test]
fn the_watcher_sees_what_it_looks_for() {
    let number = niss("120101001");
    let dotted = format!("{}.{}.{}-{}.{}", &number[..2], &number[2..4], &number[4..6], &number[6..9], &number[9..]);
    let secrets = Secrets { numbers: HashSet::from([number.clone()]), names: vec![b"Peeters An".to_vec()] };
    let utf_16: Vec<u8> = number.bytes().flat_map(|byte| [byte, 0]).collect();
    for (text, seen) in [
        (format!("x{number}y").into_bytes(), true),
        (format!("00{number}00").into_bytes(), true),
        (dotted.into_bytes(), true),
        (utf_16, true),
        (b"..Peeters An;".to_vec(), true),
        (number.as_bytes()[1..].to_vec(), false),
        (b"Peeters Jan".to_vec(), false),
    ] {
        assert_eq!(secrets.find(&text).is_some(), seen, "{}", String::from_utf8_lossy(&text));
    }
}

/// What may not be found.
struct Secrets {
    numbers: HashSet<String>,
    names: Vec<Vec<u8>>,
}

fn secrets(daemon: &TestDaemon, strangers: &[String]) -> Secrets {
    let rows = daemon.extract().rows();
    let numbers = rows.iter().flat_map(|row| [row.child.clone(), row.beneficiary.clone()]);
    let named = rows.iter().filter(|row| row.nis_code == GENT && row.sources.contains("sociale_toeslag"));
    let mut names: Vec<Vec<u8>> = named.map(|row| row.beneficiary_name.clone().into_bytes()).collect();
    names.sort();
    names.dedup();
    Secrets { numbers: numbers.chain(strangers.iter().cloned()).collect(), names }
}

impl Secrets {
    /// The first that is found: a number bare, with its points, or with a zero between its digits as UTF-16 has it.
    fn find(&self, bytes: &[u8]) -> Option<String> {
        let mut digits = String::new();
        let mut gap = 0;
        for byte in bytes {
            match byte {
                b'0'..=b'9' => {
                    digits.push(char::from(*byte));
                    gap = 0;
                    if let Some(last) = digits.len().checked_sub(11).map(|start| &digits[start..])
                        && self.numbers.contains(last)
                    {
                        return Some(last.to_owned());
                    }
                }
                b'.' | b'-' | b' ' | 0 if gap == 0 && !digits.is_empty() => gap = 1,
                _ => digits.clear(),
            }
        }
        let name = self.names.iter().find(|name| memmem::find(bytes, name).is_some());
        name.map(|name| String::from_utf8_lossy(name).into_owned())
    }
}

/// Reads everything again and again.
struct Watcher {
    /// The daemon, of which the open files are read; 0 while there is none.
    process: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Watcher {
    fn start(daemon: &mut TestDaemon, secrets: Secrets) -> Self {
        let process = Arc::new(AtomicU32::new(daemon.process().id()));
        let stop = Arc::new(AtomicBool::new(false));
        let roots = ["state", "high-water", "spool"].map(|name| daemon.path(name));
        let (watched, stopping) = (process.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut rounds = 0;
            // What did not change since it was read need not be read again.
            let mut known = HashSet::new();
            while !stopping.load(Ordering::SeqCst) {
                for root in &roots {
                    for path in files_below(root) {
                        look_into(&path, &secrets, &mut known);
                    }
                }
                for path in open_files(watched.load(Ordering::SeqCst)) {
                    look_into(&path, &secrets, &mut known);
                }
                rounds += 1;
            }
            rounds
        });
        Self { process, stop, thread }
    }

    /// How often everything was read. Fails the test when something was found.
    fn finish(self) -> u32 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap_or_else(|found| std::panic::resume_unwind(found))
    }
}

fn look_into(path: &Path, secrets: &Secrets, known: &mut HashSet<(u64, u64, i64, i64)>) {
    let name = path.to_string_lossy();
    assert!(secrets.find(name.as_bytes()).is_none(), "a file is named {name}");
    // It may be gone since it was listed.
    let Ok(metadata) = fs::metadata(path) else { return };
    if !metadata.is_file() {
        return;
    }
    let version = (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    // The ledger's shared memory changes without a new time.
    let is_mapped = name.ends_with("-shm") || name.ends_with("-wal");
    if !is_mapped && known.contains(&version) {
        return;
    }
    let Ok(bytes) = fs::read(path) else { return };
    if let Some(found) = secrets.find(&bytes) {
        panic!("{name} holds {found}");
    }
    known.insert(version);
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return found };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// What a process has open, files that have no name any more included.
fn open_files(process: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(format!("/proc/{process}/fd")) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Names of files are no place for numbers either.
fn numbers_in_names(daemon: &TestDaemon, number: &str) {
    let session = daemon.session("gent");
    for name in [format!("{number}.csv"), format!("kind {number} lijst.csv"), format!("x{number}.filepart")] {
        assert!(session.upload(&format!("/inbox/{name}"), b"niss\n").is_err(), "{name} was taken");
    }
    session.upload("/inbox/zonder.filepart", b"niss\n").unwrap();
    assert!(session.rename("/inbox/zonder.filepart", &format!("/inbox/{number}.csv")).is_err());
    session.remove("/inbox/zonder.filepart").unwrap();
    session.close();
}

/// Begins an upload at the pace of a slow line, and returns when a part of it is there.
fn begin_upload(daemon: &TestDaemon, file: &Path, name: &str) -> Child {
    let batch = daemon.path("batch");
    fs::write(&batch, format!("put {} /inbox/{name}\n", file.display())).unwrap();
    // 400 kbit/s, in pieces that it is measured by: the list takes ten seconds.
    let slowly = ["-l", "400", "-B", "4096", "-b", &batch.display().to_string()];
    let mut command = daemon.sftp_command("gent", "gent", &slowly);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let session = daemon.session("gent");
    wait_until("a part of the upload", || {
        session.list("/inbox").unwrap().iter().any(|file| file.name == name && file.size > 100_000)
    });
    session.close();
    child
}

/// A connection that breaks in the middle of an upload.
fn cut_off(daemon: &TestDaemon, file: &Path, name: &str) {
    let mut upload = begin_upload(daemon, file, name);
    upload.kill().unwrap();
    upload.wait().unwrap();
}

/// The client goes on where it was.
fn resume(daemon: &TestDaemon, file: &Path, name: &str) {
    wait_until("the upload to be put down", || {
        daemon.sftp("gent", &format!("reput {} /inbox/{name}\n", file.display())).code == Some(0)
    });
}
