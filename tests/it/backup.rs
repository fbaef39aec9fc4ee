//! A backup made under load, put in place elsewhere, and gone on with; and what is refused.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use groeikluis::seal::Keyring;
use rustix::{
    fs::{CWD, FileType, Mode},
    process::{Pid, Signal, kill_process},
};
use serde_json::Value;

use crate::{
    support::{Plan, Protocol, Ran, Tenant, TestDaemon, copy_directory, wait_until},
    years::{set_log, write_key},
};

fn plan() -> Plan {
    let protocol = || Protocol::new("OPG-2026-017").every_child();
    Plan::new()
        .children(20_000)
        .tenant(Tenant::municipality("bree", "72004").protocol(protocol()))
        .tenant(Tenant::municipality("lokeren", "46029").protocol(protocol()))
}

/// The list of all but the first children, so that each is another.
fn list(daemon: &TestDaemon, nis_code: &str, without: usize) -> Vec<u8> {
    format!("niss\n{}\n", daemon.extract().children_of(nis_code)[without..].join("\n")).into_bytes()
}

/// Makes the key that backups are sealed to, and gives its public part.
fn backup_key(daemon: &TestDaemon) -> String {
    let keyring = Keyring::generate();
    let path = daemon.path("keys/backup.agekey");
    fs::write(&path, keyring.to_file().as_str()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    keyring.recipients()[0].to_string()
}

fn back_up(daemon: &TestDaemon, name: &str, recipient: &str) -> Value {
    let to = daemon.path(name);
    let arguments = ["backup", "--json", "--to", to.to_str().unwrap(), "--recipient", recipient];
    serde_json::from_str(&daemon.groeikluis(&arguments).well().stdout).unwrap()
}

fn restore(daemon: &TestDaemon, name: &str, more: &[&str]) -> Ran {
    let (from, identity) = (daemon.path(name), daemon.path("keys/backup.agekey"));
    let arguments = ["restore", "--json", "--from", from.to_str().unwrap(), "--identity", identity.to_str().unwrap()];
    daemon.groeikluis(&[&arguments[..], more].concat())
}

/// The state directory is lost with its machine.
fn lose(daemon: &TestDaemon, what: &str) {
    fs::rename(daemon.path(what), daemon.path(format!("lost-{what}"))).unwrap();
}

/// Every delivery that the log speaks of is in its outbox with its manifest, and nothing else is.
fn check_outboxes(daemon: &TestDaemon) {
    for tenant in ["bree", "lokeren"] {
        let created = daemon.events("delivery.created").into_iter().filter(|entry| entry["tenant"] == tenant);
        let expected: BTreeSet<String> = created
            .flat_map(|entry| {
                let file = entry["file"].as_str().unwrap().to_owned();
                [file.replace(".age", ".manifest.json"), file]
            })
            .collect();
        let listing = fs::read_dir(daemon.path(format!("state/boxes/{tenant}/outbox"))).unwrap();
        let found: BTreeSet<String> = listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(found, expected, "{tenant}");
    }
}

#[test]
fn what_was_backed_up_under_load_goes_on_elsewhere() {
    let mut daemon = plan().start();
    let recipient = backup_key(&daemon);
    daemon.put("bree", "lijst.csv", &list(&daemon, "72004", 0));
    let answer = daemon.answer("bree", "lijst.csv");
    let running = Arc::new(AtomicBool::new(true));
    let load: Vec<_> = [("bree", "72004"), ("lokeren", "46029")]
        .into_iter()
        .map(|(tenant, nis_code)| {
            let (access, running) = (daemon.access(), running.clone());
            let lists: Vec<Vec<u8>> = (1..40).map(|without| list(&daemon, nis_code, without)).collect();
            std::thread::spawn(move || {
                let mut sent = 0;
                for list in lists.iter().take_while(|_| running.load(Ordering::Relaxed)) {
                    let session = access.connect(tenant, tenant).unwrap();
                    session.upload(&format!("/inbox/lijst{sent}.csv"), list).unwrap();
                    session.close();
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    let mut made = Value::Null;
    for name in ["first.age", "second.age", "last.age"] {
        made = back_up(&daemon, name, &recipient);
    }
    running.store(false, Ordering::Relaxed);
    let sent: usize = load.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(sent > 2, "there was no load: {sent}");
    assert!(!daemon.path("state/.backup/boxes").exists(), "links are left");
    daemon.terminate();
    let newest = daemon.path("newest-high-water");
    copy_directory(&daemon.path("high-water"), &newest);
    lose(&daemon, "state");

    // The log went on after the backup, and the mark tells.
    let refused = restore(&daemon, "last.age", &[]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("entries would be lost") && refused.stderr.contains("new origin"), "{refused:?}");
    assert!(!daemon.path("state/log").exists());
    // Nothing tells any more.
    lose(&daemon, "high-water");
    let refused = restore(&daemon, "last.age", &[]);
    assert!(refused.code == Some(1) && refused.stderr.contains("--without-mark"), "{refused:?}");
    // Without its keys the log cannot be gone on with: nothing is in place then, and it can be tried again.
    fs::rename(daemon.path("keys/log.key"), daemon.path("keys/away")).unwrap();
    let refused = restore(&daemon, "last.age", &["--without-mark"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("nothing was put in place"), "{refused:?}");
    assert!(!daemon.path("state/log").exists());
    fs::rename(daemon.path("keys/away"), daemon.path("keys/log.key")).unwrap();
    let restored: Value =
        serde_json::from_str(&restore(&daemon, "last.age", &["--without-mark"]).well().stdout).unwrap();
    assert_eq!((&restored["log_entries"], &restored["made_at"]), (&made["log_entries"], &made["made_at"]));
    let again = restore(&daemon, "last.age", &["--without-mark"]);
    assert!(again.code == Some(1) && again.stderr.contains("is not empty"), "{again:?}");

    daemon.start();
    daemon.wait_for_register();
    daemon.verify_log().well();
    assert_eq!(daemon.events("backup.made").len(), 3);
    assert_eq!(daemon.events("backup.restored")[0]["seq"], restored["logged"]);
    // What waited is answered, and what was answered is not answered again.
    let uploads = daemon.events("file.upload").len();
    let settled = || daemon.events("list.answered").len() + daemon.events("list.refused").len();
    wait_until("what waited to be answered", || settled() == uploads);
    wait_until("deliveries to be there", || {
        daemon.events("delivery.available").len() == daemon.events("delivery.created").len()
    });
    let answered: Vec<Value> = daemon.events("list.answered");
    let submissions: BTreeSet<&str> = answered.iter().map(|entry| entry["correlation"].as_str().unwrap()).collect();
    assert_eq!((answered.len(), submissions.len()), (uploads, uploads));
    check_outboxes(&daemon);
    let file = format!("/outbox/{}", answer.manifest.file);
    assert_eq!(String::from_utf8(daemon.fetch("bree", &file)).unwrap(), answer.text);
    daemon.put("bree", "nog-eens.csv", &list(&daemon, "72004", 0));
    assert!(daemon.rejection("bree", "nog-eens.csv").text.contains("duplicate"));
}

#[test]
fn the_newest_backup_loses_nothing_and_an_older_one_needs_a_log_of_another_name() {
    let mut daemon = plan().start();
    let recipient = backup_key(&daemon);
    daemon.put("bree", "lijst.csv", &list(&daemon, "72004", 0));
    daemon.answer("bree", "lijst.csv");
    back_up(&daemon, "older.age", &recipient);
    daemon.put("bree", "later.csv", &list(&daemon, "72004", 1));
    daemon.answer("bree", "later.csv");
    daemon.terminate();
    // Also without a daemon.
    let size = back_up(&daemon, "newest.age", &recipient)["log_entries"].as_u64().unwrap();
    lose(&daemon, "state");
    let restored: Value = serde_json::from_str(&restore(&daemon, "newest.age", &[]).well().stdout).unwrap();
    assert_eq!((restored["high_water"].as_u64(), restored["unknown_files"].as_u64()), (Some(size), Some(0)));
    assert_eq!(restored["numbers_from"], Value::Null);
    daemon.start();
    check_outboxes(&daemon);
    daemon.terminate();
    let kept = daemon.path("kept-checkpoint");
    fs::copy(daemon.path("state/log/checkpoint"), &kept).unwrap();

    fs::remove_dir_all(daemon.path("state")).unwrap();
    let key = write_key(&daemon.path(""), "log-b.key", "groeikluis.test/2026-b");
    set_log(&daemon, "log: {origin: groeikluis.test/2026-b, key: keys/log-b.key}");
    let restored: Value = serde_json::from_str(&restore(&daemon, "older.age", &[]).well().stdout).unwrap();
    let lost = (restored["log_entries"].as_u64().unwrap(), restored["high_water"].as_u64().unwrap());
    assert!(lost.0 < size && size < lost.1, "{lost:?}");
    fs::write(daemon.path("keys/log.vkey"), key.verifier().to_string()).unwrap();
    daemon.start();
    let started = &daemon.events("log.started")[0];
    assert!(started["previous_checkpoint"].as_str().unwrap().starts_with("groeikluis.test/2026\n"), "{started}");
    let told = &daemon.events("backup.restored")[0];
    assert_eq!((told["size"].as_u64(), told["high_water"].as_u64()), (Some(lost.0), Some(lost.1)));
    assert_eq!(told["origin"], "groeikluis.test/2026");
    // The ledger knows the list of the old log, and no number of a lost file is given again.
    daemon.put("bree", "nog-eens.csv", &list(&daemon, "72004", 0));
    let rejection = daemon.rejection("bree", "nog-eens.csv");
    assert!(rejection.text.contains("duplicate"), "{}", rejection.text);
    assert_eq!(restored["numbers_from"], 5_001);
    assert!(rejection.manifest.file.contains("_5001."), "{}", rejection.manifest.file);
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(
        status.contains(&format!(": entries {} to {} of groeikluis.test/2026 are lost", lost.0, lost.1 - 1)),
        "{status}"
    );
    // Who kept a checkpoint of what is lost is told of the restoring.
    let since = daemon.groeikluis(&["audit", "verify", "--since", kept.to_str().unwrap()]);
    assert!(since.code == Some(1) && since.stderr.contains("was restored (`backup.restored`, entry"), "{since:?}");

    // The next year begins all the same, though the first log is shorter than its mark; and once that log is taken away, a
    // backup of the others is one, and can be restored.
    daemon.terminate();
    let third = write_key(&daemon.path(""), "log-c.key", "groeikluis.test/2027");
    set_log(&daemon, "log: {origin: groeikluis.test/2027, key: keys/log-c.key}");
    fs::write(daemon.path("keys/log.vkey"), third.verifier().to_string()).unwrap();
    daemon.start();
    let started = &daemon.events("log.started")[0];
    assert!(started["previous_checkpoint"].as_str().unwrap().starts_with("groeikluis.test/2026-b\n"), "{started}");
    daemon.terminate();
    fs::remove_dir_all(daemon.path("state/log-archive/groeikluis.test_2026")).unwrap();
    assert_eq!(back_up(&daemon, "third.age", &recipient)["log_fault"], Value::Null);
    fs::remove_dir_all(daemon.path("state")).unwrap();
    let restored: Value = serde_json::from_str(&restore(&daemon, "third.age", &[]).well().stdout).unwrap();
    assert_eq!(restored["unknown_files"], 0);
    daemon.start();
    assert_eq!(daemon.events("backup.restored").len(), 1);
    daemon.put("bree", "weer.csv", &list(&daemon, "72004", 2));
    daemon.answer("bree", "weer.csv");
}

#[test]
fn a_backup_holds_the_configuration_and_no_secret() {
    let mut daemon = plan().start();
    daemon.terminate();
    // Somebody keeps a key where it should not be.
    fs::create_dir(daemon.path("state/keys")).unwrap();
    fs::rename(daemon.path("keys/exchange.agekey"), daemon.path("state/keys/exchange.agekey")).unwrap();
    let text = fs::read_to_string(daemon.config()).unwrap();
    fs::write(daemon.config(), text.replace("keys/exchange.agekey", "state/keys/exchange.agekey")).unwrap();
    daemon.start();
    let recipient = backup_key(&daemon);
    back_up(&daemon, "backup.age", &recipient);
    let mode = fs::metadata(daemon.path("backup.age")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let (to, identity) = (daemon.path("unpacked"), daemon.path("keys/backup.agekey"));
    let keyring = Keyring::parse(&fs::read_to_string(&identity).unwrap()).unwrap();
    let mut text = Vec::new();
    keyring.open(fs::File::open(daemon.path("backup.age")).unwrap()).unwrap().read_to_end(&mut text).unwrap();
    for secret in ["AGE-SECRET-KEY", "OPENSSH PRIVATE KEY", "PRIVATE+KEY"] {
        assert!(!text.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    let told = restore(&daemon, "backup.age", &["--config-to", to.to_str().unwrap()]).well().stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    let told: Vec<&std::path::Path> =
        told["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap().as_ref()).collect();
    assert!(told.contains(&&*to.join("tenants/bree.yaml")) && told.iter().all(|file| file.is_file()), "{told:?}");
    for name in ["groeikluis.yaml", "tenants/bree.yaml", "sources.yaml", "municipalities.csv"] {
        assert_eq!(fs::read(to.join(name)).unwrap(), fs::read(daemon.path(name)).unwrap(), "{name}");
    }
    assert!(daemon.groeikluis(&["restore", "--from", "x", "--identity", "y"]).stderr.contains("cannot read y"));
}

#[test]
fn a_backup_at_fault_leaves_nothing_behind() {
    let mut daemon = plan().start();
    let recipient = backup_key(&daemon);
    back_up(&daemon, "backup.age", &recipient);
    let running = restore(&daemon, "backup.age", &[]);
    assert!(running.code == Some(1) && running.stderr.contains("another process uses"), "{running:?}");
    daemon.terminate();
    back_up(&daemon, "whole.age", &recipient);
    let kept = daemon.path("kept");
    fs::rename(daemon.path("state"), &kept).unwrap();
    let whole = fs::read(daemon.path("whole.age")).unwrap();
    let mut flipped = whole.clone();
    let middle = whole.len() / 2;
    flipped[middle] ^= 1;
    for (name, bytes, said) in [
        ("cut.age", &whole[..whole.len() - 100], "does not open: the age file is"),
        ("flipped.age", &flipped[..], "damaged"),
        ("text.age", b"niss\n", "not an age file"),
    ] {
        fs::write(daemon.path(name), bytes).unwrap();
        let ran = restore(&daemon, name, &[]);
        assert!(ran.code == Some(1) && ran.stderr.contains(said), "{name}: {ran:?}");
        let left: Vec<_> =
            fs::read_dir(daemon.path("state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [".lock"], "{name}");
    }
    restore(&daemon, "whole.age", &[]).well();
    // A newer program was here meanwhile.
    fs::write(daemon.path("state/form"), "2\n").unwrap();
    let newer = daemon.groeikluis(&["serve"]);
    assert!(
        newer.code == Some(1) && newer.stderr.contains("of a newer form (2, this program knows up to 1)"),
        "{newer:?}"
    );
    // A ledger of the program before, and no form yet: brought up to date.
    fs::remove_file(daemon.path("state/form")).unwrap();
    let ledger = rusqlite::Connection::open(daemon.path("state/ledger.sqlite")).unwrap();
    ledger.execute_batch("DROP TABLE removals; PRAGMA user_version = 2").unwrap();
    drop(ledger);
    daemon.start();
    assert_eq!(fs::read_to_string(daemon.path("state/form")).unwrap(), "1\n");
    daemon.groeikluis(&["status"]).well();
}

/// Everything that lies in the state directory.
fn left_in_state(daemon: &TestDaemon) -> Vec<String> {
    let listing = fs::read_dir(daemon.path("state")).into_iter().flatten();
    listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_log_at_fault_is_told_when_it_is_packed_and_is_not_put_in_place() {
    let mut daemon = plan().start();
    let recipient = backup_key(&daemon);
    let session = daemon.session("bree");
    for count in 0..90 {
        session.upload(&format!("/inbox/leeg{count}.csv"), b"niss\n").unwrap();
    }
    session.close();
    // Full: it is never written again.
    let bundle = daemon.path("state/log/tile/entries/000");
    wait_until("a full file of entries", || bundle.exists());
    let whole = fs::read(&bundle).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&bundle, &flipped).unwrap();
    let to = daemon.path("fault.age");
    let arguments = ["backup", "--json", "--to", to.to_str().unwrap(), "--recipient", &recipient];
    let ran = daemon.groeikluis(&arguments);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in ["the backup is there", "state/log does not verify", "Keep the backups of before it"] {
        assert!(ran.stderr.contains(part), "{part}: {ran:?}");
    }
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(told["log_fault"].is_string() && to.exists(), "{told}");
    // The file from a backup of before takes its place.
    fs::write(&bundle, &whole).unwrap();
    assert_eq!(back_up(&daemon, "mended.age", &recipient)["log_fault"], Value::Null);
    daemon.terminate();
    lose(&daemon, "state");
    let refused = restore(&daemon, "fault.age", &[]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for part in ["nothing was put in place", "Use an older one", "is at fault"] {
        assert!(refused.stderr.contains(part), "{part}: {refused:?}");
    }
    assert_eq!(left_in_state(&daemon), [".lock"]);
}

#[test]
fn a_backup_of_before_the_logs_key_was_replaced_says_what_to_do() {
    const ORIGIN: &str = "groeikluis.test/2026";
    let mut daemon = plan().start();
    let recipient = backup_key(&daemon);
    back_up(&daemon, "older.age", &recipient);
    daemon.terminate();
    let new = write_key(&daemon.path(""), "log2.key", ORIGIN);
    for more in [", co_sign: [keys/log.key]", ""] {
        set_log(&daemon, &format!("log: {{origin: {ORIGIN}, key: keys/log2.key{more}}}"));
        daemon.start();
        daemon.terminate();
    }
    fs::write(daemon.path("keys/log.vkey"), new.verifier().to_string()).unwrap();
    lose(&daemon, "state");
    let refused = |more: &[&str], said: [&str; 2]| {
        let ran = restore(&daemon, "older.age", more);
        assert!(ran.code == Some(1) && said.iter().all(|part| ran.stderr.contains(part)), "{said:?}: {ran:?}");
        assert_eq!(left_in_state(&daemon), [".lock"]);
    };
    refused(&[], ["entries would be lost", "new origin"]);
    let mark = daemon.path("high-water");
    fs::rename(&mark, daemon.path("aside")).unwrap();
    refused(&["--without-mark"], ["is of before its key was replaced", "`co_sign`"]);
    assert!(fs::read_dir(&mark).into_iter().flatten().next().is_none(), "nothing is marked before it is in place");
    let _ = fs::remove_dir(&mark);
    fs::rename(daemon.path("aside"), &mark).unwrap();
    // Nor with another identity of the exchange.
    let identity = daemon.path("keys/exchange.agekey");
    let own = fs::read(&identity).unwrap();
    fs::write(&identity, Keyring::generate().to_file().as_str()).unwrap();
    refused(&[], ["nothing was put in place: `exchange_identity`", "another key"]);
    fs::write(&identity, own).unwrap();

    // The key that signed the mark is not in a configuration with a new origin.
    let next = write_key(&daemon.path(""), "log-b.key", "groeikluis.test/2026-b");
    set_log(&daemon, "log: {origin: groeikluis.test/2026-b, key: keys/log-b.key}");
    let restored: Value = serde_json::from_str(&restore(&daemon, "older.age", &[]).well().stdout).unwrap();
    assert!(restored["high_water"].as_u64() > restored["log_entries"].as_u64(), "{restored}");
    fs::write(daemon.path("keys/log.vkey"), next.verifier().to_string()).unwrap();
    daemon.start();
    daemon.groeikluis(&["audit", "verify"]).well();
}

/// What is removed must not live on in the links of a backup that was broken off, nor backups in one another.
#[test]
fn nothing_of_a_backup_stays_in_the_state_directory() {
    let mut daemon = plan().start();
    let recipient = backup_key(&daemon);
    let within = daemon.path("state/backups");
    fs::create_dir(&within).unwrap();
    for to in [within.clone(), within.join("x.tar.age"), daemon.path("state")] {
        let refused = daemon.groeikluis(&["backup", "--to", to.to_str().unwrap(), "--recipient", &recipient]);
        assert!(refused.code == Some(1) && refused.stderr.contains("choose a place outside"), "{refused:?}");
    }
    back_up(&daemon, "well.tar.age", &recipient);
    let well = daemon.path("well.tar.age");
    let made = fs::read(&well).unwrap();
    let again = daemon.groeikluis(&["backup", "--to", well.to_str().unwrap(), "--recipient", &recipient]);
    assert!(again.code == Some(1) && again.stderr.contains("is there already"), "{again:?}");
    assert_eq!(fs::read(&well).unwrap(), made);
    daemon.terminate();
    let left = daemon.path("state/.backup/disclosures/bree");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("2026-01.key"), "x").unwrap();
    daemon.start();
    wait_until("the links are gone", || !left.exists());
}

#[test]
fn a_backup_that_is_broken_off_takes_its_links_with_it() {
    let daemon = plan().start();
    let (recipient, to) = (backup_key(&daemon), daemon.path("broken.tar"));
    for signal in [Signal::INT, Signal::TERM] {
        // It waits for a reader of what it writes, with its links made.
        let part = daemon.path("broken.age.part");
        rustix::fs::mknodat(CWD, &part, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        command.arg("backup").arg("--to").arg(&to).args(["--recipient", &recipient]).arg("--config");
        command.arg(daemon.config()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = Ending(command.spawn().unwrap());
        wait_until("the links", || daemon.path("state/.backup/log/checkpoint").exists());
        kill_process(Pid::from_child(&child.0), signal).unwrap();
        let mut said = BufReader::new(child.0.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "groeikluis: breaking off\n");
        drop(fs::File::open(&part).unwrap());
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("the backup was broken off; nothing of it is left"), "{rest}");
        assert_eq!(child.0.wait().unwrap().code(), Some(1));
        let left: Vec<_> =
            fs::read_dir(daemon.path("state/.backup")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [".lock"]);
        assert!(!to.exists() && !part.exists());
    }
    back_up(&daemon, "whole.age", &recipient);
}

/// A process that does not outlive its test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
