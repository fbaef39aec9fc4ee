//! Lists in all shapes, made by another program, are answered exactly.
//!
//! `make_lists.py` writes the lists and works out, by itself, what their answers must be; OpenSSH's `sftp` carries
//! them and `age` opens what comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use groeikluis::{documents::manifest::Manifest, domain::Kind, durable::Clock};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    clients::program::Program,
    support::{Plan, Protocol, Tenant, TestDaemon, run, wait_for, wait_until},
};

/// What a list must be answered with.
#[derive(Deserialize)]
struct Expected {
    name: String,
    /// The rows of each child, in the list's order; those of one child sorted.
    answer: Vec<Vec<String>>,
    /// Line and problem.
    problems: Vec<(u64, String)>,
}

const HEADER: &str = "niss;sociale_toeslag;begunstigde_niss;begunstigde_naam;aandeel";

#[test]
fn lists_of_every_shape_are_answered_exactly_for_entitled_children() {
    exchange("lokeren", "46029", false);
}

#[test]
fn lists_of_every_shape_are_answered_exactly_for_every_child() {
    exchange("gent", "44021", true);
}

#[test]
fn children_of_elsewhere_are_answered_where_the_protocol_says_so() {
    let tenant = |id, code, protocol| Tenant::municipality(id, code).protocol(protocol);
    let protocol = || Protocol::new("OPG-2026-017").every_child();
    let daemon = Plan::new()
        .children(10_000)
        .tenant(tenant("bree", "72004", protocol().answer_outside()))
        .tenant(tenant("lokeren", "46029", protocol()))
        .start();
    let extract = daemon.extract();
    let elsewhere = extract.children_of("44021");
    // One lives here: a list of others alone is refused.
    let children = [&elsewhere[..20], &extract.children_of("46029")[..1]].concat();
    for (tenant, answered) in [("bree", &children[..]), ("lokeren", &children[20..])] {
        daemon.put(tenant, "lijst.csv", format!("niss\n{}\n", children.join("\n")).as_bytes());
        let text = daemon.answer(tenant, "lijst.csv").text;
        let rows: BTreeSet<&str> = text.lines().skip(1).map(|line| &line[..11]).collect();
        // Who turned 25 is not answered by anybody.
        assert!(!rows.is_empty() && rows.iter().all(|child| answered.contains(child)), "{tenant}: {} rows", rows.len());
    }
}

fn exchange(tenant: &str, nis_code: &str, every_child: bool) {
    let Some(age) = Program::find("lists of another program", "age") else { return };
    let protocol = Protocol::new("OPG-2026-017");
    let protocol = if every_child { protocol.every_child() } else { protocol };
    let daemon = Plan::new().children(20_000).tenant(Tenant::municipality(tenant, nis_code).protocol(protocol)).start();
    let Some(lists) = make_lists(&daemon, nis_code, every_child) else { return };
    assert!(lists.len() >= 20, "only {} lists", lists.len());
    let puts =
        lists.iter().map(|list| format!("put \"{}\" /inbox/\n", daemon.path("lists").join(&list.name).display()));
    daemon.sftp(tenant, &puts.collect::<String>()).well();
    let session = daemon.session(tenant);
    wait_for("an answer or a rejection of each list", || {
        let names = session.names("/outbox").unwrap();
        let count = |kind| {
            let ours = |name: &&String| name.starts_with(kind) && name.ends_with(".manifest.json");
            names.iter().filter(ours).count()
        };
        (count("verslag_") + count("weigering_") == lists.len()).then_some(())
    });
    session.close();
    let received = daemon.path("received");
    daemon.sftp(tenant, &format!("lcd {}\nget /outbox/*\n", received.display())).well();
    let manifests = read_manifests(&received);
    for list in &lists {
        let of_kind = |kind| {
            let found: Vec<&Manifest> =
                manifests.iter().filter(|m| m.kind == kind && m.answers.as_deref() == Some(&list.name)).collect();
            let rejected =
                manifests.iter().find(|m| m.kind == Kind::Weigering && m.answers.as_deref() == Some(&list.name));
            let why = rejected.map(|manifest| open(&daemon, &age, tenant, manifest)).unwrap_or_default();
            assert_eq!(found.len(), 1, "{kind} about {}\n{why}", list.name);
            found[0]
        };
        compare_answer(
            list,
            of_kind(Kind::SocialeToeslag),
            &open(&daemon, &age, tenant, of_kind(Kind::SocialeToeslag)),
        );
        compare_report(list, &open(&daemon, &age, tenant, of_kind(Kind::Verslag)));
    }
    assert_eq!(manifests.len(), 2 * lists.len());
}

/// Runs the script; none where its Python is not installed, which is said.
fn make_lists(daemon: &TestDaemon, nis_code: &str, every_child: bool) -> Option<Vec<Expected>> {
    let python = Program::installed("lists of another program", "python/bin/python3")?;
    let mut command = Command::new(python.path());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/make_lists.py"));
    command.arg("--out").arg(daemon.path("lists"));
    command.args(["--nis-code", nis_code, "--recipient", &daemon.exchange_recipient()]);
    command.args(["--today", &Clock::system().today().to_string()]);
    if every_child {
        command.arg("--every-child");
    }
    let ran = run(&mut command, daemon.extract().text().as_bytes()).well();
    Some(serde_json::from_str(&ran.stdout).unwrap())
}

fn read_manifests(received: &Path) -> Vec<Manifest> {
    let names = fs::read_dir(received).unwrap().map(|entry| entry.unwrap().path());
    let manifests = names.filter(|path| path.to_string_lossy().ends_with(".manifest.json"));
    manifests.map(|path| Manifest::from_json(&fs::read_to_string(path).unwrap()).unwrap()).collect()
}

/// Opens a file with the `age` command, and checks it against its manifest.
fn open(daemon: &TestDaemon, age: &Program, tenant: &str, manifest: &Manifest) -> String {
    let path = daemon.path("received").join(&manifest.file);
    let sealed = fs::read(&path).unwrap();
    assert_eq!(sealed.len() as u64, manifest.ciphertext_size, "{}", manifest.file);
    assert_eq!(<[u8; 32]>::from(Sha256::digest(&sealed)), manifest.ciphertext_sha256, "{}", manifest.file);
    let mut command = Command::new(age.path());
    command.arg("-d").arg("-i").arg(daemon.age_key(tenant)).arg(&path);
    let opened = run(&mut command, b"").well().stdout;
    let digest = <[u8; 32]>::from(Sha256::digest(&opened));
    // It is not told where it would give the rows away.
    let told = (!manifest.kind.has_personal_data() || manifest.rows >= 20).then_some(digest);
    assert_eq!(manifest.plaintext_sha256, told, "{}", manifest.file);
    opened
}

fn compare_answer(list: &Expected, manifest: &Manifest, text: &str) {
    let name = &list.name;
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(HEADER), "{name}");
    // A child's rows stand together; which of its households comes first is not said.
    let mut answer: Vec<Vec<String>> = Vec::new();
    for line in lines {
        let child = &line[..11];
        match answer.last_mut().filter(|rows| rows[0].starts_with(child)) {
            Some(rows) => rows.push(line.to_owned()),
            None => answer.push(vec![line.to_owned()]),
        }
    }
    for rows in &mut answer {
        rows.sort();
    }
    assert_eq!(answer, list.answer, "{name}");
    let rows: usize = answer.iter().map(Vec::len).sum();
    assert_eq!(manifest.rows, rows as u64, "{name}");
}

fn compare_report(list: &Expected, text: &str) {
    let (counts, rows) = text.split_once("\n\nregel;probleem;uitleg\n").unwrap();
    let mut problems: Vec<(u64, String)> = rows
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.splitn(3, ';').collect();
            (cells[0].parse().unwrap(), cells[1].to_owned())
        })
        .collect();
    problems.sort();
    assert_eq!(problems, list.problems, "{}", list.name);
    let counts: BTreeMap<&str, &str> = counts.lines().filter_map(|line| line.split_once(';')).collect();
    let of = |problem: &str| list.problems.iter().filter(|(_, found)| found == problem).count().to_string();
    assert_eq!(counts["regels met herstelde voorloopnullen"], of("hersteld"), "{}", list.name);
    assert_eq!(counts["kinderen in een andere gemeente"], of("andere-gemeente"), "{}", list.name);
}

/// Directories stand where the files are to come, so that showing them fails as on a full disk. The log has them by
/// then: they are shown once they can be, without a restart, and nothing is told twice.
#[test]
fn what_cannot_be_shown_at_once_is_shown_when_it_can_be() {
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017"));
    let daemon = Plan::new().children(10_000).tenant(bree).start();
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    // Midnight may come in between.
    let today = Clock::system().today();
    let obstacles = [today, today.tomorrow().unwrap()].map(|day| {
        let day = day.strftime("%Y%m%d");
        let answer = format!("sociale-toeslag_72004_OPG-2026-017_{day}_0001.csv.age");
        let refusal = format!("weigering_72004_zonder-protocol_{day}_0003.txt.age");
        [answer, refusal].map(|name| daemon.path("state/boxes/bree/outbox").join(name))
    });
    for path in obstacles.iter().flatten() {
        fs::create_dir(path).unwrap();
    }
    daemon.put("bree", "kinderen.csv", list.as_bytes());
    wait_until("an answer in the log", || daemon.events("list.answered").len() == 1);
    let session = daemon.session("bree");
    assert!(session.upload("/inbox/leeg.csv", b"").is_err());
    wait_until("a refusal in the log", || daemon.events("list.refused").len() == 1);
    wait_until("both to be tried", || daemon.said().matches("deliveries wait to be shown").count() >= 2);
    // What nothing stands in the way of is shown.
    wait_until("the verslag", || session.names("/outbox").unwrap().len() == 2);
    assert!(session.names("/outbox").unwrap().iter().all(|name| name.starts_with("verslag_")));
    session.close();
    for path in obstacles.iter().flatten() {
        fs::remove_dir(path).unwrap();
    }
    assert!(daemon.answer("bree", "kinderen.csv").manifest.rows > 0);
    assert!(daemon.rejection("bree", "leeg.csv").text.contains("list-empty"));
    wait_until("all to be available", || daemon.events("delivery.available").len() == 3);
    for (event, count) in [("list.answered", 1), ("list.refused", 1), ("delivery.created", 3)] {
        assert_eq!(daemon.events(event).len(), count, "{event}");
    }
    let left = fs::read_dir(daemon.path("state/staging")).unwrap().count();
    assert_eq!(left, 0, "files are left in the staging directory");
}
