//! The audit report of a log that the daemon wrote.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    receipts::audit,
    support::{Plan, Protocol, Ran, Tenant, TestDaemon},
};

fn report(daemon: &TestDaemon, log: &Path, arguments: &[&str]) -> Ran {
    let key = daemon.path("keys/log.vkey").display().to_string();
    let mut all = vec!["report", "--log", log.to_str().unwrap(), "--key", &key];
    all.extend(arguments);
    audit(&all)
}

#[test]
fn an_answer_its_download_and_a_refusal_are_told() {
    let tenant = |id: &str, code| Tenant::municipality(id, code).protocol(Protocol::new("OPG-2026-017").every_child());
    let mut daemon =
        Plan::new().children(20_000).tenant(tenant("bree", "72004")).tenant(tenant("lokeren", "46029")).start();
    let list = |code: &str| format!("niss\n{}\n", daemon.extract().children_of(code).join("\n"));
    let (bree, lokeren) = (list("72004"), list("46029"));
    daemon.put("bree", "lijst.csv", bree.as_bytes());
    let answer = daemon.answer("bree", "lijst.csv");
    daemon.put("bree", "fout.csv", b"naam\nJan\n");
    let rejection = daemon.rejection("bree", "fout.csv");
    daemon.put("lokeren", "lijst.csv", lokeren.as_bytes());
    crate::support::wait_for("the second answer", || (daemon.events("delivery.available").len() == 5).then_some(()));
    assert!(daemon.try_session("bree", "lokeren").is_err());
    daemon.wait_for_events("auth.refused", 1);

    // With the configuration, while it runs: everything up to now.
    let ran = daemon.groeikluis(&["audit", "report", "--format", "json"]).well();
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let deliveries = told["deliveries"].as_array().unwrap();
    let of = |file: &str| deliveries.iter().find(|delivery| delivery["file"] == file).unwrap();
    let answered = of(&answer.manifest.file);
    assert_eq!(answered["seq"], answer.manifest.log_index);
    assert_eq!((&answered["rows"], &answered["protocol"]), (&answer.manifest.rows.into(), &"OPG-2026-017".into()));
    assert_eq!(answered["list"]["rows"], bree.lines().count() - 1);
    assert_eq!((&answered["purpose"], answered["test"].as_bool()), (&answer.manifest.purpose.into(), Some(false)));
    assert!(answered["fetched"].is_string() && answered["available"].is_string() && answered["times_fetched"] == 1);
    assert_eq!(answered["fetched_by"].as_array().map(Vec::len), Some(1));
    assert!(of(&rejection.manifest.file)["fetched"].is_string());
    let unfetched = deliveries.iter().filter(|delivery| delivery["fetched"].is_null());
    assert_eq!(unfetched.filter(|delivery| delivery["tenant"] == "lokeren").count(), 2);
    let refusal = &told["refusals"][0];
    assert_eq!((&refusal["reason"], &refusal["tenant"]), (&"list-no-niss-column".into(), &"bree".into()));
    assert_eq!(refusal["file"], rejection.manifest.file);
    let refused = told["logins"].as_array().unwrap().iter().find(|logins| logins["refused"].is_string()).unwrap();
    assert_eq!((&refused["refused"], &refused["count"]), (&"unknown-key".into(), &1.into()));

    let exported = daemon.events("audit.exported");
    assert_eq!((exported.len(), &exported[0]["actor"]), (1, &"operator".into()));
    assert_eq!(exported[0]["count"], deliveries.len() + 1);

    daemon.terminate();
    as_files(&daemon, &daemon.extract().children_of("72004"));
    only_what_verifies(&daemon);
}

fn as_files(daemon: &TestDaemon, numbers: &[&str]) {
    let log = daemon.path("state/log");
    for format in ["html", "csv"] {
        let out = daemon.path(format!("verslag.{format}"));
        let shown = out.display().to_string();
        let write = |more: &[&str]| {
            let arguments = [&["--format", format, "--out", &shown, "--tenant", "bree"], more].concat();
            report(daemon, &log, &arguments)
        };
        write(&[]).well();
        let text = fs::read_to_string(&out).unwrap();
        assert!(text.contains("OPG-2026-017") && text.contains("list-no-niss-column"), "{text}");
        assert!(!text.contains("lokeren"), "{text}");
        // Names of deliveries hold digits that look like a number on some days.
        assert!(numbers.iter().all(|number| !text.contains(number)));
        // What is there stays, unless it is to be replaced.
        fs::write(&out, "kept").unwrap();
        let ran = write(&[]);
        assert!(ran.code == Some(1) && ran.stderr.contains("--force replaces it"), "{ran:?}");
        assert_eq!(fs::read_to_string(&out).unwrap(), "kept");
        write(&["--force"]).well();
        assert!(fs::read_to_string(&out).unwrap().len() > 1_000);
    }
    let none = report(daemon, &log, &["--until", "2020-01-01", "--format", "json"]).well();
    let none: Value = serde_json::from_str(&none.stdout).unwrap();
    assert_eq!((&none["deliveries"], &none["logins"]), (&Value::Array(Vec::new()), &Value::Array(Vec::new())));
    let ran = report(daemon, &log, &["--from", "2026-02-01", "--until", "2026-01-01"]);
    assert!(ran.code == Some(64) && ran.stderr.contains("--from is after --until"), "{ran:?}");
}

fn only_what_verifies(daemon: &TestDaemon) {
    let copy = daemon.path("copy");
    let copied = std::process::Command::new("cp").arg("-r").arg(daemon.path("state/log")).arg(&copy).status().unwrap();
    assert!(copied.success());
    report(daemon, &copy, &[]).well();
    let bundle = fs::read_dir(copy.join("tile/entries/000.p")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let out = daemon.path("nooit.html");
    let ran = report(daemon, &copy, &["--out", out.to_str().unwrap()]);
    assert!(ran.code == Some(1) && ran.stderr.contains("does not verify, so there is no report"), "{ran:?}");
    assert!(!out.exists() && ran.stdout.is_empty());
}
