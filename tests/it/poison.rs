//! A list that the process dies over, again and again, is set aside, and everybody else is answered.
//!
//! Whatever ends a process while it works on a list (no memory, an abort, a stack that is full) leaves the same behind as a
//! kill at that moment, which is what is done here.

use std::{collections::BTreeMap, fs, path::PathBuf};

use groeikluis::seal::Keyring;
use rustix::process::Signal;
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
    let read = |path: PathBuf| {
        let mark: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        Some((path.file_name()?.to_str()?.to_owned(), mark["at_work"] == true))
    };
    // What is being written is none yet.
    let whole = |(name, _): &(String, bool)| !name.starts_with('.');
    listing.filter_map(read).filter(whole).collect()
}

/// Kills the daemon while it works on so many lists, and gives them. It stands still while that is looked at.
#[track_caller]
fn kill_at_work(daemon: &mut TestDaemon, count: usize) -> Vec<String> {
    let killed = wait_for(&format!("work on {count} lists"), || {
        daemon.process().stand_still();
        let busy: Vec<String> = marks(daemon).into_iter().filter(|(_, busy)| *busy).map(|(id, _)| id).collect();
        if busy.len() < count {
            daemon.process().signal(Signal::CONT);
        }
        (busy.len() >= count).then_some(busy)
    });
    daemon.kill9();
    killed
}

/// What the log says of lists that are set aside and tried again: the event, the list, the deaths, and the reason.
fn told_by_the_log(daemon: &TestDaemon) -> Vec<(String, String, u64, String)> {
    let entries = ["list.set_aside", "list.retried"].map(|event| daemon.events(event)).concat();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let line = |entry: &Value| {
        let [event, list, reason] = ["event", "correlation", "reason"].map(|name| text(entry, name));
        (entry["seq"].as_u64().unwrap(), (event, list, entry["deaths"].as_u64().unwrap_or_default(), reason))
    };
    let in_order: BTreeMap<_, _> = entries.iter().map(line).collect();
    in_order.into_values().collect()
}

fn metric(daemon: &TestDaemon, name: &str) -> String {
    let address = fs::read_to_string(daemon.path("state/listen-metrics")).unwrap().trim().parse().unwrap();
    let metrics = http::get(address, "/metrics").well();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).to_owned()
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

/// A daemon of the tenants whose lists wait, since its register is not there yet: where that goes, and what goes there.
fn start_without_register(plan: Plan) -> (TestDaemon, PathBuf, Vec<u8>) {
    let plan = TENANTS.iter().fold(plan, |plan, (id, nis_code)| plan.tenant(tenant(id, nis_code)));
    let laid_out = plan.lay_out();
    let register = laid_out.root.path().join("register/register.csv.age");
    let sealed = fs::read(&register).unwrap();
    fs::remove_file(&register).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    (daemon, register, sealed)
}

#[test]
fn a_list_that_kills_the_process_twice_is_set_aside_and_the_others_are_answered() {
    // Nobody listens at that port: mails wait.
    let mail = "mail: {smtp: \"127.0.0.1:9\", from: groeikluis@uitwisseling.example, ops: [ops@uitwisseling.example], \
                gather_seconds: 1}";
    let plan = Plan::new().children(20_000).line(mail).line("metrics: {listen: \"127.0.0.1:0\"}");
    let (mut daemon, register, sealed) = start_without_register(plan);
    for (tenant, nis_code) in TENANTS {
        daemon.put(tenant, "lang.csv", &long_list(&daemon, nis_code));
    }
    let received: Vec<Value> = daemon.events("file.upload");
    wait_until("no list to be worked on without a register", || marks(&daemon).is_empty());
    daemon.kill9();

    // Both are worked on when the process dies.
    fs::write(&register, sealed).unwrap();
    daemon.start();
    assert_eq!(kill_at_work(&mut daemon, 2).len(), 2);
    // Then one after another: the first kills again.
    daemon.start();
    let [poison] = kill_at_work(&mut daemon, 1).try_into().unwrap();
    let is_first = received[0]["correlation"] == *poison;
    let [(whose, nis_code), (others, _)] = if is_first { TENANTS } else { [TENANTS[1], TENANTS[0]] };
    // It is tried no more; who was only near it is answered, and so is what comes.
    daemon.start();
    daemon.answer(others, "lang.csv");
    let children = daemon.extract().children_of(nis_code);
    daemon.put(whose, "kort.csv", format!("niss\n{}\n", children[..3].join("\n")).as_bytes());
    daemon.answer(whose, "kort.csv");
    // After its answer is there to be fetched.
    let aside = BTreeMap::from([(poison.clone(), false)]);
    wait_until("the others to be forgotten", || marks(&daemon) == aside);
    assert_eq!(daemon.events("list.answered").len(), 2);

    // Those who run the exchange hear of it, by all ways.
    let needs = status(&daemon);
    let told: Vec<_> = needs.iter().filter(|(_, text)| text.contains(&poison)).collect();
    assert!(
        matches!(told[..], [(true, text)] if text.contains(&format!("groeikluis tenant retry {whose}`"))),
        "{needs:?}"
    );
    assert!(!needs.iter().any(|(_, text)| text.contains("waiting for an answer")), "{needs:?}");
    let names = ["lists_set_aside", "lists_waiting", "oldest_unanswered_list_age_seconds"];
    assert_eq!(names.map(|name| metric(&daemon, &format!("groeikluis_{name}"))), ["1.0", "0.0", "0.0"]);
    let set_aside = ("list.set_aside".to_owned(), poison.clone(), 2, "process-died".to_owned());
    assert_eq!(told_by_the_log(&daemon), std::slice::from_ref(&set_aside));
    let about = |mail: &Value| mail["topics"].as_array().unwrap().contains(&"aside".into());
    let mail = wait_for("the mail", || mails(&daemon).into_iter().find(about));
    let words: Vec<_> = mail["body"].as_str().unwrap().split_whitespace().collect();
    assert!(words.windows(2).any(|pair| pair == ["tenant", "retry"]), "{mail}");
    // Its file is kept, also over a stop in order.
    assert!(daemon.path(format!("state/uploads/{whose}/{poison}.data")).exists());
    daemon.terminate();
    daemon.start();
    daemon.wait_for_register();
    assert_eq!(marks(&daemon).len(), 1);
    assert_eq!(mails(&daemon).iter().filter(|mail| about(mail)).count(), 1, "it is told once");
    assert_eq!(told_by_the_log(&daemon).len(), 1, "it is told once");

    // One more death after an operator's word sets it aside again, and then it is answered.
    let nothing = daemon.groeikluis(&["tenant", "retry", others]);
    assert!(nothing.code == Some(1) && nothing.stderr.contains("is set aside"), "{nothing:?}");
    daemon.groeikluis(&["tenant", "retry", whose]).well();
    assert_eq!(kill_at_work(&mut daemon, 1), std::slice::from_ref(&poison));
    daemon.start();
    daemon.wait_for_register();
    assert!(status(&daemon).iter().any(|(_, text)| text.contains(&poison)));
    let said = daemon.groeikluis(&["tenant", "retry", whose, "--json"]).well().stdout;
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["tried_again"], Value::from(vec![poison.clone()]));
    let retried = ("list.retried".to_owned(), poison, 0, String::new());
    assert_eq!(told_by_the_log(&daemon), [set_aside.clone(), retried.clone(), set_aside, retried]);
    daemon.answer(whose, "lang.csv");
    wait_until("the end of its mark", || marks(&daemon).is_empty());
    assert_eq!((daemon.events("list.answered").len(), daemon.events("protocol.used").len()), (3, 3));
}

#[test]
fn a_tenant_of_whose_lists_two_are_set_aside_has_its_others_parked() {
    let plan = Plan::new().children(20_000);
    let (mut daemon, register, sealed) = start_without_register(plan);
    let list = |daemon: &TestDaemon, nis_code, number: usize| {
        let children = daemon.extract().children_of(nis_code);
        format!("niss\n{}\n", children[number..number + 3].join("\n"))
    };
    let [(whose, nis_code), (others, nis_code_of_others)] = TENANTS;
    for number in 0..4 {
        daemon.put(whose, &format!("lijst-{number}.csv"), list(&daemon, nis_code, number).as_bytes());
    }
    daemon.put(others, "lijst.csv", list(&daemon, nis_code_of_others, 0).as_bytes());
    let received = daemon.events("file.upload");
    let id = |number: usize| received[number]["correlation"].as_str().unwrap().to_owned();
    daemon.kill9();

    // As a process leaves it that died over two of them.
    for number in 0..2 {
        fs::write(daemon.path("state/at-work").join(id(number)), r#"{"deaths":2,"at_work":false}"#).unwrap();
    }
    fs::write(&register, sealed).unwrap();
    daemon.start();
    daemon.answer(others, "lijst.csv");
    daemon.put(whose, "lijst-4.csv", list(&daemon, nis_code, 4).as_bytes());
    let line =
        |number: usize, deaths, reason: &str| ("list.set_aside".to_owned(), id(number), deaths, reason.to_owned());
    let (died, parked) = ("process-died", "tenant-set-aside");
    let later =
        wait_for("the last to be told", || (told_by_the_log(&daemon).len() == 5).then(|| told_by_the_log(&daemon)));
    let known = [line(0, 2, died), line(1, 2, died), line(2, 0, parked), line(3, 0, parked)];
    assert!(known.iter().all(|line| later.contains(line)) && later[4].3 == parked, "{later:?}");
    let needs = status(&daemon);
    let about = |part: &str| needs.iter().filter(|(urgent, text)| *urgent && text.contains(part)).count();
    assert_eq!((about("over it:"), about("over other lists of this tenant:")), (2, 3), "{needs:?}");

    // One word, and all are tried again.
    let said = daemon.groeikluis(&["tenant", "retry", whose, "--json"]).well().stdout;
    let tried: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(tried["tried_again"].as_array().unwrap().len(), 5);
    for number in 0..5 {
        daemon.answer(whose, &format!("lijst-{number}.csv"));
    }
    wait_until("the end of their marks", || marks(&daemon).is_empty());
    assert_eq!(daemon.events("list.retried").len(), 5);
}

#[test]
fn a_kill_after_the_daemon_was_told_to_stop_is_no_death() {
    let [(id, nis_code), _] = TENANTS;
    let mut daemon = Plan::new().children(20_000).tenant(tenant(id, nis_code)).start();
    daemon.wait_for_register();
    daemon.put(id, "lang.csv", &long_list(&daemon, nis_code));
    wait_until("work on the list", || marks(&daemon).values().any(|busy| *busy));
    daemon.process().signal(Signal::TERM);
    wait_until("that it is told to stop", || daemon.path("state/at-work/.closing").exists());
    daemon.kill9();
    daemon.start();
    daemon.answer(id, "lang.csv");
    assert!(!daemon.said().contains("the process died"), "{}", daemon.said());
}
