//! The account of what happened: each event that the daemon can produce, with its fields.

use std::fs;

use groeikluis::{domain::Kind, durable::Clock, transfer_log::key_id};
use serde_json::Value;

use crate::support::{Plan, Protocol, Tenant, TestDaemon, wait_for};

fn bree() -> Tenant {
    Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child())
}

fn texts(entry: &Value) -> Vec<&str> {
    entry.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// The entries of an event as `key used_for`, in order.
fn keys(daemon: &TestDaemon, event: &str) -> Vec<String> {
    let entries = daemon.events(event);
    let line = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text("tenant"), text("key"), text("used_for"))
    };
    entries.iter().map(line).collect()
}

#[test]
fn grounds_and_keys_come_and_go_by_the_account() {
    let mut daemon = Plan::new().tenant(bree()).tenant(Tenant::auditor("toezicht")).start();
    assert_eq!(
        keys(&daemon, "key.added"),
        ["bree ict-bree login", "bree - recipient", "toezicht ict-toezicht login", "toezicht - recipient"]
    );
    let opened = daemon.events("protocol.opened");
    assert_eq!(opened.len(), 1);
    assert_eq!((&opened[0]["protocol"], &opened[0]["actor"]), (&Value::from("OPG-2026-017"), &Value::from("operator")));
    assert!(opened[0].get("sha256_before").is_none() && opened[0]["valid_from"].is_string());
    let recipient = fs::read_to_string(daemon.path("keys/bree.pub")).unwrap();
    assert_eq!(daemon.events("key.added")[1]["key_id"], Value::from(key_id(&recipient)));

    // Another layout of the same file changes the configuration, and no ground.
    let file = daemon.path("tenants/bree.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("# Bree\n{text}")).unwrap();
    wait_for("the change", || (daemon.events("config.changed").len() == 2).then_some(()));
    assert_eq!(daemon.events("protocol.opened").len(), 1);

    // Changed while the daemon is down, the account has both sides at the next start.
    daemon.terminate();
    let second = Protocol::new("OPG-2026-018");
    let changed = Protocol::new("OPG-2026-017");
    daemon.write_tenant(&Tenant::municipality("bree", "72004").protocol(changed).protocol(second));
    fs::remove_file(daemon.path("tenants/toezicht.yaml")).unwrap();
    daemon.start();
    let now = daemon.events("protocol.opened");
    assert_eq!(now.len(), 3);
    assert_eq!(now[1]["sha256_before"], opened[0]["sha256_after"]);
    assert_ne!(now[1]["sha256_after"], now[1]["sha256_before"]);
    assert_eq!(now[2]["protocol"], "OPG-2026-018");
    assert_eq!(keys(&daemon, "key.removed"), ["toezicht ict-toezicht login", "toezicht - recipient"]);

    daemon.write_tenant(&Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-018").status("ended")));
    let closed =
        wait_for("the end of both", || Some(daemon.events("protocol.closed")).filter(|found| found.len() == 2));
    assert_eq!(closed[0]["sha256_before"], now[1]["sha256_after"]);
    assert!(closed.iter().all(|entry| entry.get("sha256_after").is_none()));
    // Nothing changed, nothing is entered.
    let changes = daemon.events("config.changed").len();
    daemon.terminate();
    daemon.start();
    assert_eq!(daemon.events("config.changed").len(), changes);
}

#[test]
fn a_transfer_is_accounted_for_from_its_upload_to_the_last_byte_fetched() {
    let daemon = Plan::new()
        .children(20_000)
        .line("log: {origin: groeikluis.test/2026, key: keys/log.key, listings: true}")
        .tenant(bree());
    let daemon = daemon.start();
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    daemon.put("bree", "lijst.csv.filepart", list.as_bytes());
    let session = daemon.session("bree");
    session.rename("/inbox/lijst.csv.filepart", "/inbox/lijst.csv").unwrap();
    session.close();
    let answer = daemon.answer("bree", "lijst.csv");
    let upload = &daemon.events("file.upload")[0];
    assert_eq!((&upload["complete"], &upload["size"]), (&Value::from(false), &Value::from(list.len())));
    assert!(upload["duration_ms"].is_u64());
    assert_eq!(daemon.events("file.rename")[0]["_sd"].as_array().unwrap().len(), 3, "both names and a decoy");

    let created = daemon.events("delivery.created");
    let created = created.iter().find(|entry| entry["file"] == answer.manifest.file).unwrap();
    assert_eq!(texts(&created["recipients"]), [key_id(&answer.manifest.recipients[0])]);
    assert_eq!(created["columns"].as_array().unwrap().len(), 5);
    assert_eq!(created["_sd"].as_array().unwrap().len(), 2, "the digest of the plaintext and a decoy");
    assert!(!created.to_string().contains(&hex::encode(answer.manifest.plaintext_sha256.unwrap())));

    // A download that goes on in the middle says where.
    let there = daemon.path("received/part");
    fs::write(&there, vec![0; 100]).unwrap();
    daemon.sftp("bree", &format!("reget /outbox/{} {}\n", answer.manifest.file, there.display())).well();
    let resumed = wait_for("the end of the download", || {
        daemon.events("file.download.end").into_iter().find(|entry| entry["offset"] == 100)
    });
    assert_eq!(
        (&resumed["complete"], &resumed["size"]),
        (&Value::from(false), &Value::from(answer.manifest.ciphertext_size))
    );
    let listed = daemon.events("file.list");
    assert!(listed.iter().any(|entry| entry["count"].as_u64() >= Some(2)), "{listed:?}");

    // A list at fault says how much of it was.
    let faulty = format!("niss\n{}\n", ["85073003329"; 4].join("\n"));
    daemon.put("bree", "fout.csv", faulty.as_bytes());
    daemon.wait_for_file("bree", "/outbox", "fout.csv", Kind::Weigering);
    let refused = &daemon.events("list.refused")[0];
    assert_eq!((&refused["rows"], &refused["invalid"]), (&Value::from(4), &Value::from(4)), "{refused}");
}

#[test]
fn an_auditors_reading_is_an_entry_for_each_session() {
    let daemon = Plan::new().tenant(bree()).tenant(Tenant::auditor("toezicht")).start();
    let session = daemon.session("toezicht");
    session.names("/log").unwrap();
    assert_eq!(daemon.events("audit.read").len(), 0, "names alone are not the log");
    session.download("/log/checkpoint").unwrap();
    let read = daemon.events("audit.read");
    assert_eq!((read.len(), &read[0]["tenant"]), (1, &Value::from("toezicht")));
    assert_eq!(read[0]["size"], read[0]["seq"], "what was there when it was asked for");
    session.download("/log/checkpoint").unwrap();
    session.close();
    assert_eq!(daemon.events("audit.read").len(), 1);
    daemon.session("toezicht").download("/log/checkpoint").unwrap();
    assert_eq!(daemon.events("audit.read").len(), 2);
}

#[test]
fn the_daily_reports_are_an_auditors_to_read_and_each_reading_is_in_the_log() {
    let daemon = Plan::new().tenant(bree()).tenant(Tenant::auditor("toezicht")).start();
    let session = daemon.session("toezicht");
    assert!(session.names("/reports").unwrap().is_empty());
    let yesterday = || Clock::system().today().yesterday().unwrap();
    let before = yesterday();
    daemon.groeikluis(&["daily"]).well();
    let days = [before, yesterday()];
    fs::write(daemon.path("state/reports/.half"), "nog niet klaar").unwrap();
    let names = session.names("/reports").unwrap();
    // Midnight may have come in between.
    assert!(days.iter().any(|day| names == [format!("auditverslag-{day}.html")]), "{names:?}");
    let path = format!("/reports/{}", names[0]);
    let page = session.download(&path).unwrap();
    assert_eq!(page, fs::read(daemon.path(format!("state{path}"))).unwrap());
    assert!(session.download("/reports/.half").is_err() && session.download("/reports/../groeikluis.db").is_err());
    session.close();
    let read = wait_for("the end of the download", || daemon.events("file.download.end").into_iter().next());
    assert_eq!((&read["tenant"], &read["complete"]), (&Value::from("toezicht"), &Value::from(true)));
    assert!(daemon.events("delivery.fetched").is_empty());
    assert!(daemon.session("bree").names("/reports").is_err());
}
