//! A list that the process dies over, again and again, is set aside, and everybody else is answered.
//!
//! Whatever ends a process while it works on a list (no memory, an abort, a stack that is full) leaves the same behind as a
//! kill at that moment, which is what is done here.

use std::{collections::BTreeMap, fs};

use groeikluis::seal::Keyring;
use serde_json::Value;

use crate::support::{Plan, Protocol, Tenant, TestDaemon, http, wait_for, wait_until};

/// So many rows that the daemon is seen at work on them.
const MANY_ROWS: usize = 450_000;

const TENANTS: [(&str, &str); 2] = [("bree", "72004"), ("lokeren", "46029")];

fn tenant(id: &str, nis_code: &str) -> Tenant {
    Tenant::municipality(id, nis_code).protocol(Protocol::new("OPG-2026-017").every_child())
}

/// Each child of a municipality, many times.
fn long_list(daemon: &TestDaemon, nis_code: &str) -> Vec<u8> {
    let children = daemon.extract().children_of(nis_code);
    let rows = children.iter().cycle().take(MANY_ROWS).copied().collect::<Vec<_>>();
    format!("niss\n{}\n", rows.join("\n")).into_bytes()
}

/// The lists that are marked, and whether each is being worked on.
fn marks(daemon: &TestDaemon) -> BTreeMap<String, bool> {
    let listing = fs::read_dir(daemon.path("state/at-work")).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let mark: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        Some((path.file_name()?.to_str()?.to_owned(), mark["at_work"] == true))
    };
    // What is being written is none yet.
    let whole = |(name, _): &(String, bool)| !name.starts_with('.');
    listing.filter_map(read).filter(whole).collect()
}

/// Waits until so many lists are worked on, and gives them.
#[track_caller]
fn at_work(daemon: &TestDaemon, count: usize) -> Vec<String> {
    wait_for(&format!("work on {count} lists"), || {
        let busy: Vec<String> = marks(daemon).into_iter().filter(|(_, busy)| *busy).map(|(id, _)| id).collect();
        (busy.len() >= count).then_some(busy)
    })
}

fn status(daemon: &TestDaemon) -> Vec<(bool, String)> {
    let told: Value = serde_json::from_str(&daemon.groeikluis(&["status", "--json"]).well().stdout).unwrap();
    let needs = told["needs"].as_array().unwrap().iter();
    needs.map(|need| (need["urgent"] == true, need["text"].as_str().unwrap().to_owned())).collect()
}

/// The mails that wait, which only the exchange's own key opens.
fn mails(daemon: &TestDaemon) -> Vec<Value> {
    let key = Keyring::parse(&fs::read_to_string(daemon.path("keys/exchange.agekey")).unwrap()).unwrap();
    let files = fs::read_dir(daemon.path("state/mail")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "age"));
    let opened = files.filter_map(|path| Some(key.open_whole(&fs::read(path).ok()?[..], u64::MAX).unwrap()));
    opened.map(|bytes| serde_json::from_slice(&bytes).unwrap()).collect()
}

#[test]
fn a_list_that_kills_the_process_twice_is_set_aside_and_the_others_are_answered() {
    // Nobody listens at that port: mails wait.
    let mail = "mail: {smtp: \"127.0.0.1:9\", from: groeikluis@uitwisseling.example, ops: [ops@uitwisseling.example], \
                gather_seconds: 1}";
    let plan = Plan::new().children(20_000).line(mail).line("metrics: {listen: \"127.0.0.1:0\"}");
    let plan = TENANTS.iter().fold(plan, |plan, (id, nis_code)| plan.tenant(tenant(id, nis_code)));
    let laid_out = plan.lay_out();
    let register = laid_out.root.path().join("register/register.csv.age");
    let sealed = fs::read(&register).unwrap();
    fs::remove_file(&register).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    for (tenant, nis_code) in TENANTS {
        daemon.put(tenant, "lang.csv", &long_list(&daemon, nis_code));
    }
    let received: Vec<Value> = daemon.events("file.upload");
    wait_until("no list to be worked on without a register", || marks(&daemon).is_empty());
    daemon.kill9();

    // Both are worked on when the process dies.
    fs::write(&register, sealed).unwrap();
    daemon.start();
    assert_eq!(at_work(&daemon, 2).len(), 2);
    daemon.kill9();
    // Then one after another: the first kills again.
    daemon.start();
    let [poison] = at_work(&daemon, 1).try_into().unwrap();
    daemon.kill9();
    let is_first = received[0]["correlation"] == *poison;
    let [(whose, nis_code), (others, _)] = if is_first { TENANTS } else { [TENANTS[1], TENANTS[0]] };
    // It is tried no more; who was only near it is answered, and so is what comes.
    daemon.start();
    daemon.answer(others, "lang.csv");
    let children = daemon.extract().children_of(nis_code);
    daemon.put(whose, "kort.csv", format!("niss\n{}\n", children[..3].join("\n")).as_bytes());
    daemon.answer(whose, "kort.csv");
    assert_eq!(marks(&daemon), BTreeMap::from([(poison.clone(), false)]), "the other is forgotten");
    assert_eq!(daemon.events("list.answered").len(), 2);

    // Those who run the exchange hear of it, by all ways.
    let needs = status(&daemon);
    let told: Vec<_> = needs.iter().filter(|(_, text)| text.contains(&poison)).collect();
    assert!(
        matches!(told[..], [(true, text)] if text.contains(&format!("groeikluis tenant retry {whose}`"))),
        "{needs:?}"
    );
    assert!(!needs.iter().any(|(_, text)| text.contains("waiting for an answer")), "{needs:?}");
    let metrics = fs::read_to_string(daemon.path("state/listen-metrics")).unwrap().trim().parse().unwrap();
    let metrics = http::get(metrics, "/metrics").well();
    assert!(metrics.contains("\ngroeikluis_lists_set_aside 1.0\n"), "{metrics}");
    let about = |mail: &Value| mail["topics"].as_array().unwrap().contains(&"aside".into());
    let mail = wait_for("the mail", || mails(&daemon).into_iter().find(about));
    assert!(mail["body"].as_str().unwrap().contains("tenant retry"), "{mail}");
    // Its file is kept, also over a stop in order.
    assert!(daemon.path(format!("state/uploads/{whose}/{poison}.data")).exists());
    daemon.terminate();
    daemon.start();
    daemon.wait_for_register();
    assert_eq!(marks(&daemon).len(), 1);
    assert_eq!(mails(&daemon).iter().filter(|mail| about(mail)).count(), 1, "it is told once");

    // One more death after an operator's word sets it aside again, and then it is answered.
    let nothing = daemon.groeikluis(&["tenant", "retry", others]);
    assert!(nothing.code == Some(1) && nothing.stderr.contains("is set aside"), "{nothing:?}");
    daemon.groeikluis(&["tenant", "retry", whose]).well();
    at_work(&daemon, 1);
    daemon.kill9();
    daemon.start();
    daemon.wait_for_register();
    assert!(status(&daemon).iter().any(|(_, text)| text.contains(&poison)));
    let said = daemon.groeikluis(&["tenant", "retry", whose, "--json"]).well().stdout;
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["tried_again"], Value::from(vec![poison]));
    daemon.answer(whose, "lang.csv");
    wait_until("the end of its mark", || marks(&daemon).is_empty());
    assert_eq!((daemon.events("list.answered").len(), daemon.events("protocol.used").len()), (3, 3));
}
