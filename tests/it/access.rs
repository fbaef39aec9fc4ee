//! What each kind of account may do, tried by OpenSSH's client; after each try the disk is looked at.
//!
//! After the idea of OpenSSH's own `regress/sftp-perm.sh`.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use groeikluis::{domain::Kind, dropbox::manifest_name, sftp::client::ClientError};
use sha2::{Digest, Sha256};

use crate::support::{Plan, Protocol, Tenant, TestDaemon, block_on, raw::check, run};

/// A try, and what the client is told; none when it is allowed.
struct Try {
    line: String,
    refused: Option<&'static [&'static str]>,
}

const DENIED: &[&str] = &["Permission denied"];
const UNSUPPORTED: &[&str] = &["Operation unsupported", "does not support hardlink"];
const EXISTS: &[&str] = &["Failure"];
/// What is not there for this account; a client that may not write there is told that instead.
const ABSENT: &[&str] = &["not found", "No such file", "no such file"];

#[test]
fn a_municipality_writes_its_inbox_and_reads_its_outbox() {
    let daemon = answered();
    let own = answer_of(&daemon, "bree");
    let other = answer_of(&daemon, "lokeren");
    fs::write(daemon.path("x.csv"), "niss\n").unwrap();
    let here = daemon.path("x.csv").display().to_string();
    let there = daemon.path("received").display().to_string();
    daemon.session("bree").upload("/inbox/x.filepart", b"niss\n").unwrap();
    let refused = |line: String, refused| Try { line, refused: Some(refused) };
    let tries = [
        refused("mkdir /map".into(), DENIED),
        refused("mkdir /inbox/map".into(), DENIED),
        refused("mkdir /outbox/map".into(), DENIED),
        refused("mkdir /inbox".into(), EXISTS),
        refused("rmdir /inbox".into(), DENIED),
        refused("rmdir /outbox".into(), DENIED),
        refused("rmdir /test".into(), DENIED),
        refused(format!("ln -s /outbox/{own} /inbox/l.csv"), UNSUPPORTED),
        refused("ln -s /etc/passwd /inbox/l.csv".into(), UNSUPPORTED),
        refused(format!("ln /outbox/{own} /inbox/l.csv"), UNSUPPORTED),
        refused(format!("rename /outbox/{own} /inbox/n.csv"), DENIED),
        refused(format!("rename /outbox/{own} /outbox/n.csv.age"), DENIED),
        refused("rename /inbox/x.filepart /outbox/x.csv".into(), DENIED),
        refused("rename /inbox/x.filepart /x.filepart".into(), DENIED),
        refused("rename /inbox/x.filepart /test/inbox/x.filepart".into(), DENIED),
        refused("rename /inbox /postvak".into(), DENIED),
        refused(format!("rm /outbox/{own}"), DENIED),
        refused(format!("rm /outbox/{own}.manifest.json").replace(".age.manifest", ".manifest"), DENIED),
        refused("rm /LEESMIJ.txt".into(), DENIED),
        refused("rm /log/checkpoint".into(), DENIED),
        refused(format!("put {here} /x.csv"), DENIED),
        refused(format!("put {here} /outbox/x.csv"), DENIED),
        refused(format!("put {here} /outbox/{own}"), DENIED),
        refused(format!("put {here} /LEESMIJ.txt"), DENIED),
        refused(format!("put {here} /log/checkpoint"), DENIED),
        refused(format!("put {here} /test/x.csv"), DENIED),
        refused(format!("put {here} /inbox/../x.csv"), DENIED),
        refused(format!("put {here} /inbox/../outbox/x.csv"), DENIED),
        refused(format!("put {here} /../../../tmp/x.csv"), DENIED),
        refused(format!("chmod 777 /outbox/{own}"), DENIED),
        refused("chmod 777 /outbox".into(), DENIED),
        refused("chmod 777 /LEESMIJ.txt".into(), DENIED),
        refused(format!("get /inbox/x.filepart {there}"), DENIED),
        refused(format!("get /../../../../etc/passwd {there}"), ABSENT),
        refused(format!("get /outbox/../../../../etc/passwd {there}"), ABSENT),
        refused(format!("get /outbox/{other} {there}"), ABSENT),
        refused(format!("get /../lokeren/outbox/{other} {there}"), ABSENT),
        refused(format!("get /boxes/lokeren/outbox/{other} {there}"), ABSENT),
        refused("ls /lokeren".into(), ABSENT),
        refused("ls /reports".into(), ABSENT),
        refused("ls /log/tile".into(), ABSENT),
        refused(format!("get /log/journal {there}"), ABSENT),
        Try { line: "ls /".into(), refused: None },
        Try { line: format!("get /LEESMIJ.txt {there}"), refused: None },
        Try { line: format!("get /outbox/{own} {there}"), refused: None },
        Try { line: format!("get /log/checkpoint {there}"), refused: None },
        Try { line: format!("get /../outbox/./{own} {there}/again"), refused: None },
    ];
    for each in &tries {
        attempt(&daemon, "bree", each);
    }
    let received = daemon.path("received");
    assert!(!received.join("passwd").exists() && !received.join("x.filepart").exists());
    assert_eq!(fs::read(received.join(&own)).unwrap(), fs::read(received.join("again")).unwrap());
    // Its own unanswered uploads are its own.
    daemon.sftp("bree", "chmod 600 /inbox/x.filepart\nrename /inbox/x.filepart /inbox/y.filepart\n").well();
    assert_eq!(daemon.session("bree").names("/inbox").unwrap(), ["y.filepart"]);
    daemon.sftp("bree", "rm /inbox/y.filepart\n").well();
    assert_eq!(fs::read_dir(daemon.path("state/uploads/bree")).unwrap().count(), uploads_of_answered_lists(&daemon));
}

#[test]
fn who_may_delete_deletes_its_own_deliveries_only() {
    let daemon = answered();
    let own = answer_of(&daemon, "lokeren");
    let other = answer_of(&daemon, "bree");
    attempt(&daemon, "lokeren", &Try { line: format!("rm /outbox/{other}"), refused: Some(ABSENT) });
    attempt(&daemon, "lokeren", &Try { line: "rm /LEESMIJ.txt".into(), refused: Some(DENIED) });
    attempt(&daemon, "lokeren", &Try { line: format!("rename /outbox/{own} /outbox/x"), refused: Some(DENIED) });
    let file = daemon.path(format!("state/boxes/lokeren/outbox/{own}"));
    assert!(file.exists());
    daemon.sftp("lokeren", &format!("rm /outbox/{own}\n")).well();
    assert!(!file.exists());
    // The log says of which delivery, so that nobody is told of it as one that waits, or that the exchange removed it.
    let [deleted] = daemon.events("file.delete").try_into().unwrap();
    let created = daemon.events("delivery.created").into_iter().find(|entry| entry["file"] == own).unwrap();
    assert_eq!(deleted["correlation"], created["delivery_id"]);
    let report = daemon.groeikluis(&["audit", "report", "--tenant", "lokeren", "--format", "json"]).well().stdout;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let told = report["deliveries"].as_array().unwrap().iter().find(|delivery| delivery["file"] == own).unwrap();
    let moment = |at: &serde_json::Value| at.as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    assert!(moment(&told["removed"]).is_some());
    assert_eq!(moment(&told["removed"]), moment(&deleted["@timestamp"]));
    let manifest = daemon.path(format!("state/boxes/lokeren/outbox/{}", manifest_name(&own)));
    assert!(manifest.exists());
    daemon.groeikluis(&["retention"]).well();
    assert!(!manifest.exists() && daemon.events("delivery.expired").is_empty());
    daemon.put("lokeren", "opnieuw.csv", list_of(&daemon, "46029").as_bytes());
    let refused = daemon.rejection("lokeren", "opnieuw.csv").text;
    assert!(refused.contains("het is met een toegang van uw"), "{refused}");
    // It can be taken back all the same: then it was no answer, and the list has one.
    let withdraw = || {
        daemon.groeikluis(&["delivery", "withdraw", "lokeren", &own, "--reason", "verkeerde maand van het register"])
    };
    withdraw().well();
    assert!(withdraw().stderr.contains("gone already"));
    daemon.put("lokeren", "nog-eens.csv", list_of(&daemon, "46029").as_bytes());
    assert_ne!(daemon.answer("lokeren", "nog-eens.csv").manifest.file, own);
}

#[test]
fn a_print_partner_sees_its_outbox_and_nothing_else() {
    let daemon = answered();
    fs::write(daemon.path("x.csv"), "niss\n").unwrap();
    let here = daemon.path("x.csv").display().to_string();
    let there = daemon.path("received").display().to_string();
    assert_eq!(daemon.session("drukkerij").names("/").unwrap(), ["outbox"]);
    assert_eq!(daemon.session("drukkerij").names("/outbox").unwrap(), Vec::<String>::new());
    let other = answer_of(&daemon, "bree");
    for (line, refused) in [
        ("ls /inbox".to_owned(), ABSENT),
        ("ls /log".to_owned(), ABSENT),
        ("ls /test".to_owned(), ABSENT),
        (format!("get /LEESMIJ.txt {there}"), ABSENT),
        (format!("get /log/checkpoint {there}"), ABSENT),
        (format!("get /outbox/{other} {there}"), ABSENT),
        (format!("put {here} /inbox/x.csv"), DENIED),
        (format!("put {here} /outbox/x.csv"), DENIED),
        (format!("put {here} /x.csv"), DENIED),
        ("mkdir /inbox".to_owned(), DENIED),
        ("rmdir /outbox".to_owned(), DENIED),
        ("rename /outbox /inbox".to_owned(), DENIED),
        ("chmod 777 /outbox".to_owned(), DENIED),
        ("ln -s /etc/passwd /outbox/l".to_owned(), UNSUPPORTED),
    ] {
        attempt(&daemon, "drukkerij", &Try { line, refused: Some(refused) });
    }
}

#[test]
fn an_auditor_copies_the_log_and_verifies_it() {
    let daemon = answered();
    fs::write(daemon.path("x.csv"), "niss\n").unwrap();
    let here = daemon.path("x.csv").display().to_string();
    let there = daemon.path("received").display().to_string();
    assert_eq!(daemon.session("toezicht").names("/").unwrap(), ["log", "reports"]);
    assert_eq!(daemon.session("toezicht").names("/log").unwrap(), ["archive", "checkpoint", "log.vkey", "tile"]);
    let other = answer_of(&daemon, "bree");
    for (line, refused) in [
        ("ls /inbox".to_owned(), ABSENT),
        ("ls /outbox".to_owned(), ABSENT),
        (format!("get /outbox/{other} {there}"), ABSENT),
        (format!("get /log/../outbox/{other} {there}"), ABSENT),
        (format!("get /log/journal {there}"), ABSENT),
        (format!("get /log/../ledger.sqlite {there}"), ABSENT),
        (format!("get /log/tile/../../ledger.sqlite {there}"), ABSENT),
        (format!("put {here} /log/x"), DENIED),
        (format!("put {here} /log/checkpoint"), DENIED),
        (format!("put {here} /reports/x"), DENIED),
        (format!("put {here} /inbox/x.csv"), DENIED),
        ("rm /log/checkpoint".to_owned(), DENIED),
        ("rename /log/checkpoint /log/old".to_owned(), DENIED),
        ("rename /log /reports/log".to_owned(), DENIED),
        ("mkdir /log/map".to_owned(), DENIED),
        ("rmdir /log/tile".to_owned(), DENIED),
        ("chmod 777 /log/checkpoint".to_owned(), DENIED),
        ("ln -s /etc/passwd /log/l".to_owned(), UNSUPPORTED),
    ] {
        attempt(&daemon, "toezicht", &Try { line, refused: Some(refused) });
    }
    // With the disk's own times, by which a mirror knows what it has.
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
    let tiles = files_below(&daemon.path("state/log/tile/entries"));
    File::options().write(true).open(&tiles[0]).unwrap().set_modified(long_ago).unwrap();
    // The checkpoint first: the tiles that it needs are there by then.
    daemon.sftp("toezicht", &format!("get /log/checkpoint {there}\nget -Rp /log/tile {there}\n")).well();
    let copied = daemon.path("received/tile").join(tiles[0].strip_prefix(daemon.path("state/log/tile")).unwrap());
    assert_eq!(fs::metadata(copied).unwrap().modified().unwrap(), long_ago);
    daemon.sftp("toezicht", &format!("get /log/log.vkey {there}\n")).well();
    let verify = |key: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        run(command.args(["audit", "verify", "--log", &there, "--key"]).arg(key), b"")
    };
    let verified = verify(&daemon.path("keys/log.vkey")).well();
    assert!(verified.stdout.contains("entries verified"), "{}", verified.stdout);
    verify(&daemon.path("received/log.vkey")).well();
    // A copy in which one byte differs does not verify.
    for file in files_below(&daemon.path("received/tile/entries")) {
        let mut bytes = fs::read(&file).unwrap();
        let at = bytes.windows(7).position(|window| window == b"success").unwrap();
        bytes[at] = b'S';
        fs::write(&file, bytes).unwrap();
    }
    assert_eq!(verify(&daemon.path("keys/log.vkey")).code, Some(1));
}

#[test]
fn hashes_are_told_of_what_may_be_read_and_of_nothing_else() {
    let daemon = answered();
    let (own, other) = (answer_of(&daemon, "bree"), answer_of(&daemon, "lokeren"));
    let session = daemon.session("bree");
    session.upload("/inbox/x.filepart", b"niss\n").unwrap();
    let body = session.download(&format!("/outbox/{own}")).unwrap();
    let mut raw = daemon.raw("bree");
    let mut hash = |path: &str| {
        let fields = check(path.as_bytes(), "sha256", 0, 0, 0);
        block_on(raw.hashes("check-file-name", &fields)).map_err(|(code, _)| code)
    };
    assert_eq!(hash(&format!("/outbox/{own}")), Ok(Sha256::digest(&body).to_vec()));
    for (path, code) in [
        (format!("/outbox/{other}"), 2),
        (format!("/../lokeren/outbox/{other}"), 2),
        ("/log/journal".to_owned(), 2),
        ("/inbox/x.filepart".to_owned(), 3),
        ("/inbox".to_owned(), 4),
    ] {
        assert_eq!(hash(&path), Err(code), "{path}");
    }
    session.close();
}

#[test]
fn there_is_no_shell_no_command_and_no_way_through() {
    let daemon = answered();
    let ssh = |options: &[&str], command: &[&str]| {
        let mut program = Command::new("ssh");
        program.args(["-F", "/dev/null", "-p", &daemon.address().port().to_string(), "-i"]);
        program.arg(daemon.login_key("bree"));
        program.arg("-o").arg(format!("UserKnownHostsFile={}", daemon.known_hosts().display()));
        program.args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ExitOnForwardFailure=yes"]);
        program.args(options).arg(format!("bree@{}", daemon.address().ip())).args(command).stdin(Stdio::null());
        run(&mut program, b"")
    };
    let behind = format!("127.0.0.1:{}", daemon.address().port());
    for (options, command) in [
        (&[][..], &["id"][..]),
        (&[], &[]),
        (&["-tt"], &["sh"]),
        (&["-s"], &["shell"]),
        (&["-W", &behind], &[]),
        (&["-N", "-R", "0:127.0.0.1:22"], &[]),
    ] {
        let ran = ssh(options, command);
        assert_ne!(ran.code, Some(0), "{options:?} {command:?}: {ran:?}");
        assert!(!ran.stdout.contains("uid=") && !ran.stdout.contains("SSH-2.0"), "{ran:?}");
    }
    daemon.sftp("bree", "ls\n").well();
}

/// One list of each of two municipalities is answered; a printer and an auditor look on.
fn answered() -> TestDaemon {
    let protocol = || Protocol::new("OPG-2026-017").every_child();
    let daemon = Plan::new()
        .children(10_000)
        .tenant(Tenant::municipality("bree", "72004").protocol(protocol()))
        .tenant(Tenant::municipality("lokeren", "46029").protocol(protocol()).may_delete())
        .tenant(Tenant::print_partner("drukkerij"))
        .tenant(Tenant::auditor("toezicht"))
        .start();
    for (tenant, nis_code) in [("bree", "72004"), ("lokeren", "46029")] {
        daemon.put(tenant, "lijst.csv", list_of(&daemon, nis_code).as_bytes());
        daemon.answer(tenant, "lijst.csv");
        daemon.wait_for_file(tenant, "/outbox", "lijst.csv", Kind::Verslag);
    }
    // What was staged is gone by then, and nothing on disk changes any more.
    daemon.wait_for_events("delivery.available", 4);
    daemon
}

fn list_of(daemon: &TestDaemon, nis_code: &str) -> String {
    format!("niss\n{}\n", daemon.extract().children_of(nis_code).join("\n"))
}

fn answer_of(daemon: &TestDaemon, tenant: &str) -> String {
    daemon.answer(tenant, "lijst.csv").manifest.file
}

/// Content and record of the list that was answered stay for a while.
fn uploads_of_answered_lists(daemon: &TestDaemon) -> usize {
    assert_eq!(daemon.events("list.answered").len(), 2);
    2
}

/// Tries, and sees to it that a refusal left everything as it was.
#[track_caller]
fn attempt(daemon: &TestDaemon, tenant: &str, each: &Try) {
    let before = tree(&daemon.path("state"));
    let ran = daemon.sftp(tenant, &format!("{}\n", each.line));
    let said = format!("{}{}", ran.stdout, ran.stderr);
    match each.refused {
        None => assert_eq!(ran.code, Some(0), "{tenant}: {}: {said}", each.line),
        Some(words) => {
            assert_ne!(ran.code, Some(0), "{tenant}: {} was allowed: {said}", each.line);
            assert!(words.iter().any(|word| said.contains(word)), "{tenant}: {}: {said}", each.line);
        }
    }
    assert_eq!(tree(&daemon.path("state")), before, "{tenant}: {} changed something", each.line);
}

/// Every file of the drop-boxes with its content's digest and its mode.
fn tree(state: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = BTreeMap::new();
    let mut directories = vec![state.join("boxes"), state.join("uploads"), state.join("staging")];
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
            let metadata = fs::symlink_metadata(&path).unwrap();
            let digest =
                if metadata.is_file() { Sha256::digest(fs::read(&path).unwrap()).to_vec() } else { Vec::new() };
            // The daemon makes receipts behind the log, whatever sessions do.
            if metadata.is_dir() && !path.ends_with("receipts") {
                directories.push(path.clone());
            }
            found.insert(path.display().to_string(), (digest, metadata.permissions().mode()));
        }
    }
    found
}

/// The bundles: of earlier checkpoints, of the one that was copied, and of what came while it was.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let paths = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        let (below, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.partition(|path| path.is_dir());
        directories.extend(below);
        found.extend(files);
    }
    found
}

/// The message of a refusal is for people, in their language, where the client shows it.
#[test]
fn a_refusal_says_why_in_dutch() {
    let daemon = answered();
    let session = daemon.session("bree");
    let own = answer_of(&daemon, "bree");
    session.upload("/inbox/x.filepart", b"niss\n").unwrap();
    for (refused, words) in [
        (session.remove(&format!("/outbox/{own}")), "uit de outbox kan niets verwijderd worden"),
        (session.upload("/outbox/x.csv", b"niss\n"), "uploaden kan alleen in /inbox en /test/inbox"),
        (session.rename("/inbox/x.filepart", "/test/inbox/x.filepart"), "tussen /inbox en /test/inbox"),
        (session.download("/inbox/x.filepart").map(drop), "uit de inbox kan niets teruggelezen worden"),
        (session.remove("/LEESMIJ.txt"), "kan niet gewijzigd worden"),
    ] {
        match refused {
            Err(ClientError::Refused { text, code: 3, .. }) => assert!(text.contains(words), "{text}"),
            other => panic!("{words}: {other:?}"),
        }
    }
    session.close();
}
