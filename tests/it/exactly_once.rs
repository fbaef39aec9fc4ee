//! Killed at any instant, the daemon answers each upload that it confirmed once, and nothing twice.
//!
//! Clients of several municipalities upload without a pause, each list another; the daemon is killed at a random
//! moment, started again (and at times killed while it starts), and what a client was not told to be there is sent
//! again. Meanwhile ops order backups and removals, which are killed with it. At the end every list has one answer and
//! one report, each with its manifest and its entry of the log, and each backup that is there is whole.
//!
//! `GROEIKLUIS_KILLS` says how often (25), `GROEIKLUIS_SEED` repeats the moments of an earlier run.

use std::{
    collections::{HashMap, HashSet},
    fs,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use groeikluis::{documents::manifest::Manifest, domain::Kind, seal::Keyring, sftp::client::ClientError};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Access, Plan, Protocol, Session, Tenant, TestDaemon, niss, wait_for, wait_until};

const TENANTS: [(&str, &str); 4] =
    [("antwerpen", "11002"), ("gent", "44021"), ("beveren", "46030"), ("mechelen", "12025")];

/// Sessions of a client between two kills at most, and lists of a session: as much as is answered meanwhile, so that
/// an inbox never fills.
const SESSIONS: usize = 3;
const LISTS: usize = 2;

/// A list, and whether the daemon ever said that it has it.
struct List {
    name: String,
    way: Way,
    /// A number that is in no other list.
    mark: String,
    text: String,
}

/// How a client sends.
#[derive(Clone, Copy)]
enum Way {
    AtOnce,
    Sealed,
    UnderTemporaryName,
}

/// A client that sends one list after another, until the connection breaks.
struct Client {
    tenant: &'static str,
    children: Vec<String>,
    marks: Box<dyn Iterator<Item = String> + Send>,
    confirmed: Vec<List>,
    unconfirmed: Option<List>,
}

#[test]
fn every_confirmed_upload_is_answered_once_whenever_the_daemon_is_killed() {
    let kills: u32 = std::env::var("GROEIKLUIS_KILLS").map_or(25, |kills| kills.parse().unwrap());
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed: u64 = std::env::var("GROEIKLUIS_SEED").map_or(clock, |seed| seed.parse().unwrap());
    eprintln!("GROEIKLUIS_SEED={seed} repeats these {kills} kills");
    let mut random = Random(seed);
    let protocol = || Protocol::new("OPG-2026-017").every_child();
    let plan = TENANTS
        .iter()
        .fold(Plan::new(), |plan, (id, nis_code)| plan.tenant(Tenant::municipality(id, nis_code).protocol(protocol())));
    let mut daemon = plan.start();
    let mut clients: Vec<Client> = (0..TENANTS.len()).map(|at| Client::new(&daemon, at)).collect();
    let mut orders = Orders::new(&daemon);
    let mut deaths: HashMap<String, u32> = HashMap::new();
    for _ in 0..kills {
        let running: Vec<JoinHandle<Client>> =
            clients.into_iter().map(|client| client.start(daemon.access())).collect();
        let order = orders.begin(&daemon, random.below(3));
        std::thread::sleep(Duration::from_millis(random.below(400)));
        daemon.kill9();
        count_deaths(&daemon, &mut deaths);
        if let Some(mut order) = order {
            // Whether it was done in time is not the question.
            order.wait().unwrap();
        }
        clients = running.into_iter().map(|thread| thread.join().unwrap()).collect();
        while random.below(4) == 0 {
            daemon.kill_while_starting(Duration::from_millis(random.below(150)));
            count_deaths(&daemon, &mut deaths);
        }
        daemon.start();
    }
    for client in &mut clients {
        client.send_again(&daemon.access()).unwrap();
    }
    retry_what_is_set_aside(&daemon, &deaths);
    let sent: usize = clients.iter().map(|client| client.confirmed.len()).sum();
    eprintln!("{sent} lists were confirmed");
    assert!(sent >= TENANTS.len());
    wait_for_the_answers(&daemon, &clients);
    let created: HashMap<u64, Value> =
        daemon.events("delivery.created").into_iter().map(|entry| (entry["seq"].as_u64().unwrap(), entry)).collect();
    for client in &clients {
        check_outbox(&daemon, client, &created);
    }
    // A list that was sent again although the daemon had it is told so; nothing else was wrong with any.
    let refused = daemon.events("list.refused");
    assert!(refused.iter().all(|entry| entry["reason"] == "duplicate"), "{refused:?}");
    assert_eq!(daemon.events("protocol.used").len(), sent);
    orders.check(&daemon);
    check_after_the_end(&mut daemon);
}

/// Counts the lists that were worked on when the daemon was killed. A mark that was being written counts as one.
fn count_deaths(daemon: &TestDaemon, deaths: &mut HashMap<String, u32>) {
    for entry in fs::read_dir(daemon.path("state/at-work")).unwrap() {
        let path = entry.unwrap().path();
        let id = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mark: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap_or_default();
        if !id.starts_with('.') && mark["at_work"] != false {
            *deaths.entry(id).or_default() += 1;
        }
    }
}

/// Two kills may have met the same list, which is set aside then; and more of a tenant's, or two, park its others. What was
/// met less often is tried by itself.
fn retry_what_is_set_aside(daemon: &TestDaemon, deaths: &HashMap<String, u32>) {
    let aside = daemon.events("list.set_aside");
    let count = |tenant: &Value| aside.iter().filter(|entry| entry["tenant"] == *tenant).count();
    for entry in &aside {
        let met = deaths.get(entry["correlation"].as_str().unwrap()).copied().unwrap_or_default();
        let others = count(&entry["tenant"]) - 1;
        match entry["reason"].as_str() {
            Some("process-died") => assert!(met >= 2 || (met == 1 && others >= 1), "met {met} times: {entry}"),
            _ => assert!(others >= 2, "nothing of its tenant is set aside: {entry}"),
        }
    }
    for (tenant, _) in TENANTS {
        let ran = daemon.groeikluis(&["tenant", "retry", tenant]);
        let any = count(&tenant.into()) > 0;
        assert_eq!(ran.code == Some(0), any, "{tenant}: {ran:?}");
    }
}

/// What ops order while clients are at work.
struct Orders {
    keyring: Keyring,
    backups: usize,
}

impl Orders {
    fn new(daemon: &TestDaemon) -> Self {
        fs::create_dir(daemon.path("backups")).unwrap();
        Self { keyring: Keyring::generate(), backups: 0 }
    }

    /// Begins a backup, a removal of what was kept long enough, or nothing.
    fn begin(&mut self, daemon: &TestDaemon, which: u64) -> Option<Child> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        match which {
            0 => {
                self.backups += 1;
                let to = daemon.path(format!("backups/{}.tar.age", self.backups));
                let recipient = self.keyring.recipients()[0].to_string();
                command.arg("backup").arg("--to").arg(to).args(["--recipient", &recipient]);
            }
            1 => drop(command.arg("retention")),
            _ => return None,
        }
        command.arg("--config").arg(daemon.config());
        Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Each backup that has its name is whole, and in the log.
    fn check(&self, daemon: &TestDaemon) {
        let listing = fs::read_dir(daemon.path("backups")).unwrap().map(|entry| entry.unwrap().path());
        let made: Vec<_> = listing.filter(|path| path.extension().is_some_and(|ending| ending == "age")).collect();
        for path in &made {
            let sealed = fs::read(path).unwrap();
            let opened = self.keyring.open_whole(&sealed[..], u64::MAX);
            assert!(opened.is_ok(), "{} is not whole", path.display());
        }
        let entries = daemon.events("backup.made").len();
        eprintln!("{} of {} backups were made, of {entries} begun", made.len(), self.backups);
        assert!(entries >= made.len());
    }
}

impl Client {
    fn new(daemon: &TestDaemon, at: usize) -> Self {
        let (tenant, nis_code) = TENANTS[at];
        let known: HashSet<String> = daemon.extract().rows().iter().map(|row| row.child.clone()).collect();
        let children = daemon.extract().children_of(nis_code).into_iter().map(str::to_owned).collect();
        let year = 8 + at;
        let marks = (0..28 * 998)
            .map(move |number: usize| niss(&format!("{year:02}03{:02}{:03}", 1 + number / 998, 1 + number % 998)));
        let marks = Box::new(marks.filter(move |mark| !known.contains(mark)));
        Self { tenant, children, marks, confirmed: Vec::new(), unconfirmed: None }
    }

    fn start(mut self, access: Access) -> JoinHandle<Self> {
        std::thread::spawn(move || {
            for _ in 0..SESSIONS {
                if self.send_next(&access).is_err() {
                    break;
                }
            }
            self
        })
    }

    /// Sends what was not confirmed, if there is something.
    fn send_again(&mut self, access: &Access) -> Result<(), ClientError> {
        if self.unconfirmed.is_some() { self.send_next(access) } else { Ok(()) }
    }

    /// A session in which lists are sent; the daemon's end ends it.
    fn send_next(&mut self, access: &Access) -> Result<(), ClientError> {
        let session = access.connect(self.tenant, self.tenant)?;
        for _ in 0..LISTS {
            let list = match self.unconfirmed.take() {
                Some(list) => list,
                None => self.next_list(),
            };
            let sent = send(&session, &list, access);
            match sent {
                Ok(()) => self.confirmed.push(list),
                Err(error) => {
                    self.unconfirmed = Some(list);
                    // The daemon may be gone; it may not refuse.
                    assert!(!matches!(error, ClientError::Refused { .. }), "{}: {error:?}", self.tenant);
                    return Err(error);
                }
            }
        }
        session.close();
        Ok(())
    }

    fn next_list(&mut self) -> List {
        let mark = self.marks.next().unwrap();
        let number = self.confirmed.len();
        let rows = self.children.iter().skip(number % 10).take(5).chain([&mark]);
        let text = rows.fold("niss\n".to_owned(), |text, row| text + row + "\n");
        let (way, ending) = match number % 3 {
            0 => (Way::AtOnce, "csv"),
            1 => (Way::Sealed, "csv.age"),
            _ => (Way::UnderTemporaryName, "txt"),
        };
        List { name: format!("lijst-{number}.{ending}"), way, mark, text }
    }
}

/// Sends a list as municipalities' clients do: sealed or not, at once or under a temporary name.
fn send(session: &Session, list: &List, access: &Access) -> Result<(), ClientError> {
    let path = format!("/inbox/{}", list.name);
    match list.way {
        Way::AtOnce => session.upload(&path, list.text.as_bytes()),
        Way::Sealed => session.upload(&path, &access.seal(list.text.as_bytes())),
        Way::UnderTemporaryName => {
            let temporary = format!("{path}.filepart");
            session.upload(&temporary, list.text.as_bytes())?;
            // As WinSCP does; most often there is nothing to remove.
            match session.remove(&path) {
                Ok(()) | Err(ClientError::Refused { .. }) => session.rename(&temporary, &path),
                Err(gone) => Err(gone),
            }
        }
    }
}

/// Waits for as long as the daemon goes on answering.
fn wait_for_the_answers(daemon: &TestDaemon, clients: &[Client]) {
    let waiting = || {
        let status = status(daemon);
        let tenants = status["tenants"].as_object().unwrap().values();
        tenants.map(|tenant| tenant["waiting"].as_u64().unwrap()).sum::<u64>()
    };
    let mut left = waiting();
    while left > 0 {
        left = wait_for("another answer", || Some(waiting()).filter(|now| *now < left));
    }
    // The last ones are in the log, and soon in the outbox.
    for client in clients {
        let session = daemon.session(client.tenant);
        wait_until("the report on each list", || {
            let names = session.names("/outbox").unwrap();
            let reports = names.iter().filter(|name| name.starts_with("verslag_") && name.ends_with(".manifest.json"));
            reports.count() >= client.confirmed.len()
        });
        session.close();
    }
}

/// Each list has one answer and one report; each file has its manifest, and each manifest its entry of the log.
fn check_outbox(daemon: &TestDaemon, client: &Client, created: &HashMap<u64, Value>) {
    let tenant = client.tenant;
    let outbox = daemon.path(format!("state/boxes/{tenant}/outbox"));
    let names: Vec<String> =
        fs::read_dir(&outbox).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let (described, files): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| name.ends_with(".manifest.json"));
    let mut about: HashMap<(String, &str), Vec<Manifest>> = HashMap::new();
    for name in &described {
        let manifest = Manifest::from_json(&fs::read_to_string(outbox.join(name)).unwrap()).unwrap();
        let sealed = fs::read(outbox.join(&manifest.file)).unwrap();
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&sealed)), manifest.ciphertext_sha256, "{}", manifest.file);
        let entry = &created[&manifest.log_index];
        assert_eq!((&entry["file"], &entry["tenant"]), (&Value::from(&*manifest.file), &Value::from(tenant)));
        if manifest.kind == Kind::SocialeToeslag {
            let list = client.confirmed.iter().find(|list| manifest.answers.as_deref() == Some(&list.name));
            let list = list.unwrap_or_else(|| panic!("{} answers {:?}", manifest.file, manifest.answers));
            let text = daemon.open(tenant, &sealed);
            assert!(text.contains(&format!("\n{};nee;;;\n", list.mark)), "{} has another list's answer", manifest.file);
        }
        about.entry((manifest.answers.clone().unwrap(), manifest.kind.name())).or_default().push(manifest);
    }
    assert_eq!(described.len(), files.len(), "{tenant}: each file has a manifest");
    for list in &client.confirmed {
        for kind in [Kind::SocialeToeslag, Kind::Verslag] {
            let found = about.get(&(list.name.clone(), kind.name())).map_or(0, Vec::len);
            assert_eq!(found, 1, "{tenant}: {kind} about {}", list.name);
        }
    }
}

/// Nothing is left half done, and the ledger can be made again from the log.
fn check_after_the_end(daemon: &mut TestDaemon) {
    let (ended, said) = daemon.terminate();
    assert!(ended.success(), "{said}");
    let left: Vec<_> = fs::read_dir(daemon.path("state/staging")).unwrap().collect();
    assert!(left.is_empty(), "left in staging: {left:?}");
    let before = status(daemon);
    assert_eq!(before["running"], false);
    daemon.groeikluis(&["ledger", "rebuild"]).well();
    assert_eq!(status(daemon), before);
}

fn status(daemon: &TestDaemon) -> Value {
    serde_json::from_str(&daemon.groeikluis(&["status", "--json"]).well().stdout).unwrap()
}

/// `SplitMix64`: the same moments for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}
