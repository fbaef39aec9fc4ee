//! A damaged file, or a drop-box at fault, of one tenant: everybody else goes on, and so does the tenant with the rest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use groeikluis::durable::Clock;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{Plan, Protocol, Tenant, TestDaemon, wait_until};

/// A daemon without a register, to which lists can be sent that wait; it does not run yet.
fn stopped_without_register() -> TestDaemon {
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child());
    let lokeren = Tenant::municipality("lokeren", "46029").protocol(Protocol::new("OPG-2026-021").every_child());
    let laid_out = Plan::new().children(20_000).tenant(bree).tenant(lokeren).lay_out();
    fs::remove_file(laid_out.root.path().join("register/register.csv.age")).unwrap();
    TestDaemon::over(laid_out)
}

fn without_register() -> TestDaemon {
    let mut daemon = stopped_without_register();
    daemon.start();
    daemon
}

fn list(daemon: &TestDaemon, nis_code: &str, from: usize) -> Vec<u8> {
    format!("niss\n{}\n", daemon.extract().children_of(nis_code)[from..].join("\n")).into_bytes()
}

fn bring_register(daemon: &TestDaemon) {
    daemon.write_register(daemon.extract().text());
}

/// The record of an upload of that name.
fn record_of(daemon: &TestDaemon, name: &str) -> PathBuf {
    let is_it = |path: &Path| {
        let record: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap_or_default();
        record["name"] == name
    };
    let mut paths = fs::read_dir(daemon.path("state/uploads/bree")).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|ending| ending == "json") && is_it(path)).unwrap()
}

#[test]
fn a_damaged_upload_is_set_aside() {
    let mut daemon = without_register();
    for (from, name) in ["een.csv", "twee.csv", "drie.csv"].into_iter().enumerate() {
        daemon.put("bree", name, &list(&daemon, "72004", from));
    }
    daemon.put("lokeren", "lijst.csv", &list(&daemon, "46029", 0));
    daemon.kill9();
    let content = record_of(&daemon, "een.csv").with_extension("data");
    let mut bytes = fs::read(&content).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&content, bytes).unwrap();
    let record = record_of(&daemon, "twee.csv");
    let whole = fs::read(&record).unwrap();
    fs::write(&record, vec![0; whole.len()]).unwrap();
    daemon.start();
    bring_register(&daemon);
    daemon.answer("lokeren", "lijst.csv");
    daemon.answer("bree", "drie.csv");
    let said = daemon.said();
    assert!(said.contains("upload is set aside") && said.contains("an upload is set aside"), "{said}");
    assert!(daemon.events("list.refused").is_empty());
    // Somebody mends it.
    daemon.terminate();
    fs::write(&record, whole).unwrap();
    daemon.start();
    daemon.answer("bree", "twee.csv");
}

#[test]
fn what_cannot_be_processed_is_refused_when_an_operator_says_so() {
    let mut daemon = stopped_without_register();
    let clock = Clock::fixed(Clock::system().now() - SignedDuration::from_hours(24 * 31));
    daemon.at(&clock, |daemon| {
        for (from, name) in ["een.csv", "twee.csv", "drie.csv"].into_iter().enumerate() {
            daemon.put("bree", name, &list(daemon, "72004", from));
        }
    });
    let received = daemon.events("file.upload");
    let ids: Vec<&str> = received.iter().map(|entry| entry["correlation"].as_str().unwrap()).collect();
    // One whose content is damaged, one whose record is, and one over which the process died.
    for name in ["een.csv", "twee.csv"] {
        let record = record_of(&daemon, name);
        let file = if name == "een.csv" { record.with_extension("data") } else { record };
        let length = fs::read(&file).unwrap().len();
        fs::write(&file, vec![0; length]).unwrap();
    }
    fs::create_dir_all(daemon.path("state/at-work")).unwrap();
    fs::write(daemon.path("state/at-work").join(ids[2]), r#"{"deaths":2,"at_work":false}"#).unwrap();
    daemon.start();
    bring_register(&daemon);
    daemon.put("lokeren", "lijst.csv", &list(&daemon, "46029", 0));
    daemon.answer("lokeren", "lijst.csv");
    let status = |daemon: &TestDaemon| daemon.groeikluis(&["status"]).well().stdout;
    let kept = format!("bree: 3 waiting, and kept, for more than 30 days: `groeikluis tenant refuse bree {}`", ids[0]);
    assert!(status(&daemon).contains(&kept), "{}", status(&daemon));

    crate::orders::give_and_go(&mut daemon, &json!({ "refuse": { "tenant": "bree", "list": ids[0] } }));
    assert!(daemon.events("list.refused").is_empty());
    let refuse = |daemon: &TestDaemon, tenant: &str, id: &str| daemon.groeikluis(&["tenant", "refuse", tenant, id]);
    let others = refuse(&daemon, "lokeren", ids[0]);
    assert!(others.code == Some(1) && others.stderr.contains("of lokeren waits"), "{others:?}");
    assert_eq!(refuse(&daemon, "lokren", ids[0]).code, Some(1));
    assert!(!daemon.path("state/uploads/lokren").exists(), "a name that was mistyped has no drop-box");
    for (id, name) in ids.iter().zip(["een.csv", "(naam niet bekend)", "drie.csv"]) {
        refuse(&daemon, "bree", id).well();
        let told = daemon.rejection("bree", name).text;
        assert!(told.contains("not-processed") && told.contains("kon hier niet verwerkt worden"), "{told}");
        assert_eq!(refuse(&daemon, "bree", id).code, Some(1), "it is settled");
    }
    let refused = daemon.events("list.refused");
    assert!(refused.len() == 3 && refused.iter().all(|entry| entry["actor"] == "operator"), "{refused:?}");
    assert!(!daemon.path("state/at-work").join(ids[2]).exists());
    assert!(!status(&daemon).contains("tenant refuse"), "{}", status(&daemon));
    // What is kept of them goes as that of other lists.
    daemon.terminate();
    let clock = Clock::fixed(Clock::system().now() + SignedDuration::from_hours(24 * 31));
    daemon.at(&clock, |daemon| {
        daemon.groeikluis(&["retention"]).well();
        assert_eq!(daemon.events("upload.removed").len(), 4);
    });
    assert_eq!(fs::read_dir(daemon.path("state/uploads/bree")).unwrap().count(), 0);
}

#[test]
fn a_drop_box_that_cannot_be_opened_or_delivered_to_waits_alone() {
    let mut daemon = without_register();
    daemon.put("bree", "lijst.csv", &list(&daemon, "72004", 0));
    daemon.put("lokeren", "lijst.csv", &list(&daemon, "46029", 0));
    daemon.kill9();
    let (uploads, aside) = (daemon.path("state/uploads/bree"), daemon.path("aside"));
    fs::rename(&uploads, &aside).unwrap();
    fs::write(&uploads, "in the way").unwrap();
    daemon.start();
    bring_register(&daemon);
    daemon.answer("lokeren", "lijst.csv");
    fs::remove_file(&uploads).unwrap();
    fs::rename(&aside, &uploads).unwrap();
    daemon.answer("bree", "lijst.csv");

    // An answer that the log has, and that its tenant cannot be shown.
    let file = daemon.answer("bree", "lijst.csv").manifest.file;
    let in_the_way = daemon.path(format!("state/boxes/bree/outbox/{}", file.replace("_0001.", "_0003.")));
    assert_ne!(file, in_the_way.file_name().unwrap().to_str().unwrap());
    fs::create_dir(&in_the_way).unwrap();
    daemon.put("bree", "tweede.csv", &list(&daemon, "72004", 1));
    wait_until("the second answer to be in the log", || daemon.events("list.answered").len() == 3);
    daemon.kill9();
    daemon.start();
    daemon.put("lokeren", "tweede.csv", &list(&daemon, "46029", 1));
    daemon.answer("lokeren", "tweede.csv");
    fs::remove_dir(&in_the_way).unwrap();
    daemon.answer("bree", "tweede.csv");
}

#[test]
fn receipts_of_one_tenant_wait_alone() {
    let mut daemon = without_register();
    daemon.session("bree").close();
    fs::remove_dir_all(daemon.path("state/boxes/bree/receipts")).unwrap();
    daemon.put("bree", "lijst.csv", &list(&daemon, "72004", 0));
    daemon.put("lokeren", "lijst.csv", &list(&daemon, "46029", 0));
    let has_receipt = |daemon: &TestDaemon, tenant: &str| {
        let listing = fs::read_dir(daemon.path(format!("state/boxes/{tenant}/receipts")));
        listing.is_ok_and(|mut listing| {
            listing.any(|entry| !entry.unwrap().file_name().as_encoded_bytes().starts_with(b"."))
        })
    };
    wait_until("lokeren's receipt", || has_receipt(&daemon, "lokeren"));
    assert!(!has_receipt(&daemon, "bree"));
    daemon.terminate();
    daemon.start();
    wait_until("bree's receipt", || has_receipt(&daemon, "bree"));
}
