//! A log over the years: another key, another origin, and what those who verify find.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use groeikluis::transfer_log::NoteKey;

use crate::{
    receipts::audit,
    support::{Plan, Protocol, Tenant, TestDaemon, copy_directory, wait_for},
};

const ORIGIN: &str = "groeikluis.test/2026";

pub fn write_key(root: &Path, name: &str, origin: &str) -> NoteKey {
    let key = NoteKey::generate(origin).unwrap();
    let path = root.join("keys").join(name);
    fs::write(&path, key.to_text().as_str()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    key
}

/// Puts another `log:` line into the main file.
pub fn set_log(daemon: &TestDaemon, line: &str) {
    let text = fs::read_to_string(daemon.config()).unwrap();
    let lines = text.lines().map(|old| if old.starts_with("log:") { line } else { old });
    fs::write(daemon.config(), lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
}

fn verify(log: &Path, key: &str) -> Option<i32> {
    audit(&["verify", "--log", log.to_str().unwrap(), "--key", key]).code
}

/// Checked with what tenants find: this year's key, and the one of last year's log.
fn receipt_of_last_year_is_proven(daemon: &TestDaemon, receipt: &str, next: &NoteKey, new: &NoteKey) {
    let own = daemon.session("bree");
    let keys = own.download("/log/log.vkey").unwrap();
    let keys = String::from_utf8(keys).unwrap();
    assert_eq!(keys, format!("{}\n{}\n", next.verifier(), new.verifier()));
    let bytes = own.download(&format!("/log/receipts/{receipt}")).unwrap();
    let receipt = daemon.path("last-year.receipt");
    fs::write(&receipt, bytes).unwrap();
    own.close();
    fs::write(daemon.path("received.vkey"), &keys).unwrap();
    let check = |key: &str| audit(&["receipt", receipt.to_str().unwrap(), "--key", key]);
    check(daemon.path("received.vkey").to_str().unwrap()).well();
    let told = check(&next.verifier().to_string()).stderr;
    assert!(told.contains("it is of the log groeikluis.test/2026, and the key of groeikluis.test/2027;"), "{told}");
}

fn the_log_before_of_the_same_day_is_taken_in(daemon: &TestDaemon, day: &str, file: &str) {
    let told = daemon.groeikluis(&["audit", "report", "--from", day, "--format", "json"]).well().stdout;
    assert!(told.contains(file), "{told}");
    // One list was refused in the log before, and two in this one.
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(status.contains("- bree: 3 lists refused, the last at "), "{status}");
}

#[test]
fn a_key_and_then_a_year_are_replaced_without_a_gap() {
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child());
    let mut daemon = Plan::new().children(20_000).tenant(bree).tenant(Tenant::auditor("toezicht")).start();
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    daemon.put("bree", "lijst.csv", list.as_bytes());
    let answer = daemon.answer("bree", "lijst.csv");
    let root = daemon.path("");
    let old = fs::read_to_string(daemon.path("keys/log.vkey")).unwrap();
    let new = write_key(&root, "log2.key", ORIGIN);

    // The new key alone does not know the log.
    daemon.terminate();
    set_log(&daemon, "log: {origin: groeikluis.test/2028, key: keys/log2.key}");
    let fault = daemon.groeikluis(&["check"]);
    let problem = "a key of the log groeikluis.test/2026, and `origin` is groeikluis.test/2028; make one: groeikluis keys \
                   new log --origin groeikluis.test/2028";
    assert!(fault.code == Some(78) && fault.stderr.contains(problem), "{fault:?}");
    set_log(&daemon, &format!("log: {{origin: {ORIGIN}, key: keys/log2.key}}"));
    let refused = daemon.groeikluis(&["serve"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("no signature by this key"), "{refused:?}");
    set_log(&daemon, &format!("log: {{origin: {ORIGIN}, key: keys/log2.key, co_sign: [keys/log.key]}}"));
    daemon.start();
    let vkeys = String::from_utf8(daemon.session("bree").download("/log/log.vkey").unwrap()).unwrap();
    assert_eq!(vkeys, format!("{}\n{old}\n", new.verifier()));
    let rotated = daemon.events("log.key_rotated");
    assert_eq!((rotated.len(), &rotated[0]["keys_after"][0]), (1, &new.verifier().to_string().into()));
    let log = daemon.path("state/log");
    assert_eq!((verify(&log, &old), verify(&log, &new.verifier().to_string())), (Some(0), Some(0)));
    daemon.groeikluis(&["audit", "verify"]).well();
    daemon.terminate();
    set_log(&daemon, &format!("log: {{origin: {ORIGIN}, key: keys/log2.key}}"));
    daemon.start();
    assert_eq!((verify(&log, &old), verify(&log, &new.verifier().to_string())), (Some(1), Some(0)));

    daemon.put("bree", "dubbel.csv", list.as_bytes());
    daemon.rejection("bree", "dubbel.csv");
    let own = daemon.session("bree");
    let receipt = wait_for("its receipt", || {
        own.names("/log/receipts").unwrap().into_iter().find(|name| name.starts_with("weigering"))
    });
    own.close();

    // The next year.
    let next = write_key(&root, "log3.key", "groeikluis.test/2027");
    daemon.terminate();
    let last = fs::read_to_string(log.join("checkpoint")).unwrap();
    set_log(&daemon, "log: {origin: groeikluis.test/2027, key: keys/log3.key}");
    daemon.start();
    fs::write(daemon.path("keys/log.vkey"), next.verifier().to_string()).unwrap();
    assert_eq!(daemon.events("log.started")[0]["previous_checkpoint"], last);
    assert_eq!(verify(&log, &next.verifier().to_string()), Some(0));
    let archived = daemon.path("state/log-archive/groeikluis.test_2026");
    assert_eq!(verify(&archived, &new.verifier().to_string()), Some(0));
    // The ledger knows both: the list of last year is still one that was answered.
    daemon.put("bree", "opnieuw.csv", list.as_bytes());
    let told = daemon.rejection("bree", "opnieuw.csv");
    assert!(told.text.contains("duplicate") && told.text.contains(&answer.manifest.file), "{}", told.text);
    let session = daemon.session("toezicht");
    receipt_of_last_year_is_proven(&daemon, &receipt, &next, &new);
    assert_eq!(session.names("/log/archive").unwrap(), ["groeikluis.test_2026"]);
    let below = "/log/archive/groeikluis.test_2026";
    assert_eq!(session.names(below).unwrap(), ["checkpoint", "log.vkey", "tile"]);
    assert_eq!(session.download(&format!("{below}/checkpoint")).unwrap(), last.as_bytes());
    assert!(session.download(&format!("{below}/journal")).is_err());
    session.close();
    daemon.terminate();
    let rebuilt = daemon.groeikluis(&["ledger", "rebuild", "--json"]).well().stdout;
    assert!(rebuilt.starts_with("{\n  \"entries\": "), "{rebuilt}");
    daemon.start();
    daemon.put("bree", "nog-eens.csv", list.as_bytes());
    assert!(daemon.rejection("bree", "nog-eens.csv").text.contains("duplicate"));
    // A report goes back over the years: the log in use proves the one before it, whose key nobody has to give.
    let ran = daemon.groeikluis(&["audit", "report", "--format", "json"]).well();
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let origin = |at: usize| told["logs"][at]["origin"].as_str();
    assert_eq!((origin(0), origin(1), origin(2)), (Some(ORIGIN), Some("groeikluis.test/2027"), None));
    let mut files = told["deliveries"].as_array().unwrap().iter().map(|delivery| &delivery["file"]);
    assert!(files.any(|file| *file == answer.manifest.file), "{told}");
    the_log_before_of_the_same_day_is_taken_in(&daemon, told["from"].as_str().unwrap(), &answer.manifest.file);

    // Verified over the years, at the exchange and in an auditor's copy; what lacks is named, what was changed is caught.
    let said = daemon.groeikluis(&["audit", "verify"]).well().stdout;
    let years: Vec<&str> = said.lines().filter(|line| line.contains(" entries verified, root ")).collect();
    assert!(years[0].starts_with("groeikluis.test/2027: ") && years[1].starts_with("groeikluis.test/2026: "), "{said}");
    let copied = daemon.path("received/log");
    copy_directory(&log, &copied);
    let key = next.verifier().to_string();
    let alone = audit(&["verify", "--log", copied.to_str().unwrap(), "--key", &key]).well().stdout;
    assert!(
        alone.contains("it goes on from groeikluis.test/2026 with its ") && alone.contains("not verified"),
        "{alone}"
    );
    copy_directory(&daemon.path("state/log-archive"), &copied.join("archive"));
    let kept = daemon.path("received/kept");
    fs::write(&kept, &last).unwrap();
    let since = kept.to_str().unwrap();
    let both = audit(&["verify", "--log", copied.to_str().unwrap(), "--key", &key, "--since", since, "--json"]).well();
    let told: serde_json::Value = serde_json::from_str(&both.stdout).unwrap();
    assert_eq!((&told["log"], &told["earlier"][0]["log"]), (&"groeikluis.test/2027".into(), &ORIGIN.into()));
    assert_eq!(told["earlier"][0]["since"], told["earlier"][0]["entries"]);
    let year = copied.join("archive/groeikluis.test_2026");
    let tile = fs::read_dir(year.join("tile/0/000.p")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&tile).unwrap();
    fs::write(&tile, [&[bytes[0] ^ 1], &bytes[1..]].concat()).unwrap();
    assert_eq!(verify(&copied, &key), Some(1));
    fs::write(&tile, bytes).unwrap();
    assert_eq!(verify(&copied, &key), Some(0));
    fs::remove_dir_all(&year).unwrap();
    let lacks = audit(&["verify", "--log", copied.to_str().unwrap(), "--key", &key]);
    assert!(lacks.code == Some(1) && lacks.stderr.contains("goes on from groeikluis.test/2026"), "{lacks:?}");
}
