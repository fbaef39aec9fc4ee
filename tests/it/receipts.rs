//! What a municipality holds in its hands: receipts and checkpoints, checked with the log's public key alone.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    support::{Plan, Protocol, Ran, Tenant, TestDaemon, run, wait_for},
    years::{set_log, write_key},
};

fn plan() -> Plan {
    let tenant = |id: &str, code| Tenant::municipality(id, code).protocol(Protocol::new("OPG-2026-017").every_child());
    Plan::new().children(20_000).tenant(tenant("bree", "72004")).tenant(tenant("lokeren", "46029"))
}

fn list(daemon: &TestDaemon) -> String {
    format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"))
}

/// Runs an audit command without a configuration: what somebody far away can do.
pub fn audit(arguments: &[&str]) -> Ran {
    run(Command::new(env!("CARGO_BIN_EXE_groeikluis")).arg("audit").args(arguments), b"")
}

/// Waits for a receipt of that name in the tenant's drop-box and brings it here.
fn fetch(daemon: &TestDaemon, tenant: &str, wanted: impl Fn(&str) -> bool) -> (String, String) {
    let session = daemon.session(tenant);
    let name =
        wait_for("the receipt", || session.names("/log/receipts").unwrap().into_iter().find(|name| wanted(name)));
    let bytes = session.download(&format!("/log/receipts/{name}")).unwrap();
    let there = daemon.path("received").join(&name);
    fs::write(&there, bytes).unwrap();
    (name, there.display().to_string())
}

#[test]
fn each_delivery_and_each_upload_has_a_receipt() {
    let mut daemon = plan().start();
    daemon.put("bree", "lijst.csv.filepart", list(&daemon).as_bytes());
    let session = daemon.session("bree");
    session.rename("/inbox/lijst.csv.filepart", "/inbox/lijst.csv").unwrap();
    session.close();
    let answer = daemon.answer("bree", "lijst.csv");
    assert_eq!(
        daemon.session("bree").names("/log").unwrap(),
        ["checkpoint", "log.vkey", "receipt.dictionary", "receipts"]
    );
    let stem = answer.manifest.file.strip_suffix(".age").unwrap().to_owned();
    let (_, delivery) = fetch(&daemon, "bree", |name| name == format!("{stem}.receipt"));
    fs::write(daemon.path("received/log.vkey"), daemon.session("bree").download("/log/log.vkey").unwrap()).unwrap();
    let key = daemon.path("received/log.vkey").display().to_string();
    let json = |file: &str| -> Value {
        serde_json::from_str(&audit(&["receipt", file, "--key", &key, "--json"]).well().stdout).unwrap()
    };
    let proved = json(&delivery);
    assert_eq!(proved["entry"]["file"], answer.manifest.file);
    assert_eq!(proved["entry"]["seq"], answer.manifest.log_index);
    assert_eq!(proved["disclosed"]["plaintext_sha256"], hex::encode(answer.manifest.plaintext_sha256.unwrap()));
    assert_eq!(proved["entry"]["ciphertext_sha256"], hex::encode(answer.manifest.ciphertext_sha256));
    let text = audit(&["receipt", &delivery, "--key", &key]).well().stdout;
    assert!(text.contains("delivery.created") && text.contains("(disclosed)"), "{text}");

    let (name, upload) = fetch(&daemon, "bree", |name| name.starts_with("upload_") && !name.contains("hernoemd"));
    assert!(!name.contains("lijst"), "{name}");
    assert_eq!(json(&upload)["disclosed"]["path"], "lijst.csv.filepart");
    let (_, renamed) = fetch(&daemon, "bree", |name| name.contains("hernoemd"));
    let renamed = json(&renamed);
    assert_eq!(
        (&renamed["disclosed"]["path"], &renamed["disclosed"]["path_before"]),
        (&"lijst.csv".into(), &"lijst.csv.filepart".into())
    );
    named_where_the_list_is_told_of(&daemon, &name);
    assert!(fs::metadata(&upload).unwrap().len() < 2_000, "{}", fs::read_to_string(&upload).unwrap());

    // Nobody else has it, and nobody writes there.
    assert!(daemon.session("lokeren").names("/log/receipts").unwrap().is_empty());
    assert!(daemon.session("bree").remove(&format!("/log/receipts/{stem}.receipt")).is_err());
    assert!(daemon.session("bree").upload("/log/receipts/x", b"x").is_err());

    // A changed one proves nothing, nor does another log's key.
    let text = fs::read_to_string(&delivery).unwrap();
    let changed = daemon.path("received/changed");
    fs::write(&changed, text.replacen("index ", "index 1", 1)).unwrap();
    let ran = audit(&["receipt", changed.to_str().unwrap(), "--key", &key]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("is not in the log"), "{}", ran.stderr);
    let other = groeikluis::transfer_log::NoteKey::generate("groeikluis.test/2026").unwrap();
    assert_eq!(audit(&["receipt", &delivery, "--key", &other.verifier().to_string()]).code, Some(1));

    // Made again after their loss, from the log: also the disclosures.
    daemon.kill9();
    fs::remove_dir_all(daemon.path("state/boxes/bree/receipts")).unwrap();
    fs::remove_file(daemon.path("state/receipts.position")).unwrap();
    daemon.start();
    let (_, again) = fetch(&daemon, "bree", |name| name == format!("{stem}.receipt"));
    assert_eq!(json(&again)["disclosed"], proved["disclosed"]);
    assert_eq!(json(&again)["entry"], proved["entry"]);
}

#[test]
fn receipts_that_a_stop_left_to_be_made_are_made_of_the_log_that_was_put_by() {
    let mut daemon = plan().start();
    daemon.put("bree", "lijst.csv", list(&daemon).as_bytes());
    let answer = daemon.answer("bree", "lijst.csv");
    let of_answer = format!("{}.receipt", answer.manifest.file.strip_suffix(".age").unwrap());
    fetch(&daemon, "bree", |name| name == of_answer);
    let old = fs::read_to_string(daemon.path("keys/log.vkey")).unwrap();
    daemon.terminate();
    // As a kill leaves it that comes before the first is made; and the next start is one of another year.
    fs::remove_dir_all(daemon.path("state/boxes/bree/receipts")).unwrap();
    fs::write(daemon.path("state/receipts.position"), "0 groeikluis.test/2026\n").unwrap();
    let next = write_key(&daemon.path(""), "log2.key", "groeikluis.test/2027");
    set_log(&daemon, "log: {origin: groeikluis.test/2027, key: keys/log2.key}");
    daemon.start();
    fs::write(daemon.path("keys/log.vkey"), next.verifier().to_string()).unwrap();
    let (_, received) = fetch(&daemon, "bree", |name| name == of_answer);
    let proved = audit(&["receipt", &received, "--key", old.trim(), "--json"]).well().stdout;
    let proved: Value = serde_json::from_str(&proved).unwrap();
    assert_eq!(proved["entry"]["file"], answer.manifest.file);
    assert_eq!(proved["disclosed"]["plaintext_sha256"], hex::encode(answer.manifest.plaintext_sha256.unwrap()));
    // Those of the new log come after them, and it goes on there.
    daemon.put("bree", "fout.csv", b"naam\nJan\n");
    let (_, received) = fetch(&daemon, "bree", |name| name.starts_with("weigering"));
    audit(&["receipt", &received, "--key", &next.verifier().to_string()]).well();
    let position = || fs::read_to_string(daemon.path("state/receipts.position")).unwrap();
    wait_for("the position", || position().ends_with(" groeikluis.test/2027\n").then_some(()));
}

/// The report on a list names its receipt, and so does a rejection.
fn named_where_the_list_is_told_of(daemon: &TestDaemon, receipt: &str) {
    let outbox = daemon.session("bree").names("/outbox").unwrap();
    let report = outbox.iter().find(|name| name.starts_with("verslag_") && !name.contains("manifest")).unwrap();
    let report = String::from_utf8(daemon.fetch("bree", &format!("/outbox/{report}"))).unwrap();
    assert!(report.contains(&format!("ontvangstbewijs (in /log/receipts);{receipt}\n")), "{report}");
    daemon.put("bree", "fout.csv", b"naam\nJan\n");
    let rejection = daemon.rejection("bree", "fout.csv").text;
    let named = rejection.split_whitespace().find_map(|word| word.strip_prefix("/log/receipts/")).unwrap();
    let (found, _) = fetch(daemon, "bree", |name| name == named);
    assert_ne!(found, receipt);
}

#[test]
fn a_checkpoint_that_was_kept_proves_that_nothing_was_rewritten() {
    let daemon = plan().start();
    let kept = daemon.path("received/checkpoint");
    let checkpoint = || daemon.session("bree").download("/log/checkpoint").unwrap();
    fs::write(&kept, checkpoint()).unwrap();
    daemon.put("bree", "lijst.csv", list(&daemon).as_bytes());
    daemon.answer("bree", "lijst.csv");
    let log = daemon.path("state/log").display().to_string();
    let key = daemon.path("keys/log.vkey").display().to_string();
    let since = |file: &str| audit(&["verify", "--log", &log, "--key", &key, "--since", file]);
    let said = since(kept.to_str().unwrap()).well().stdout;
    assert!(said.contains("are those of the older checkpoint"), "{said}");
    // One that another log's key signed is none.
    let other = groeikluis::transfer_log::NoteKey::generate("groeikluis.test/2026").unwrap();
    let text = String::from_utf8(checkpoint()).unwrap();
    let forged = daemon.path("received/forged");
    fs::write(&forged, other.sign(text.split_once("\n\n").map(|(text, _)| format!("{text}\n")).unwrap().as_str()))
        .unwrap();
    assert_eq!(since(forged.to_str().unwrap()).code, Some(1));
}
