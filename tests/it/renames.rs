//! Renames of lists that were accepted: whatever becomes of them, the list is answered once, or its tenant has it back.

use std::fs;

use crate::support::{Plan, Protocol, Tenant, TestDaemon};

/// A daemon that has accepted a list, which waits since there is no register.
fn waiting() -> TestDaemon {
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child());
    let laid_out = Plan::new().children(20_000).tenant(bree).lay_out();
    fs::remove_file(laid_out.root.path().join("register/register.csv.age")).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    daemon
}

fn list(daemon: &TestDaemon, from: usize) -> Vec<u8> {
    format!("niss\n{}\n", daemon.extract().children_of("72004")[from..].join("\n")).into_bytes()
}

fn bring_register(daemon: &TestDaemon) {
    daemon.write_register(daemon.extract().text());
}

#[test]
fn a_list_that_has_a_temporary_name_when_its_turn_comes_is_answered_once_it_is_renamed_back() {
    let daemon = waiting();
    let session = daemon.session("bree");
    session.upload("/inbox/lijst.csv", &list(&daemon, 0)).unwrap();
    session.rename("/inbox/lijst.csv", "/inbox/lijst.csv.part").unwrap();
    session.upload("/inbox/tweede.csv", &list(&daemon, 1)).unwrap();
    bring_register(&daemon);
    // The turn of the first came before.
    daemon.answer("bree", "tweede.csv");
    session.rename("/inbox/lijst.csv.part", "/inbox/lijst.csv").unwrap();
    daemon.answer("bree", "lijst.csv");
    assert_eq!(daemon.events("list.answered").len(), 2);
    session.close();
}

#[test]
fn a_list_that_was_accepted_stays_when_a_rename_of_it_is_refused() {
    let mut daemon = waiting();
    let session = daemon.session("bree");
    session.upload("/inbox/lijst.csv", &list(&daemon, 0)).unwrap();
    assert!(session.rename("/inbox/lijst.csv", "/inbox/lijst.bak").is_err());
    assert_eq!(session.names("/inbox").unwrap(), ["lijst.csv"]);
    session.close();
    // Also for the next start.
    daemon.kill9();
    daemon.start();
    bring_register(&daemon);
    daemon.answer("bree", "lijst.csv");
    assert!(daemon.events("list.refused").is_empty() && daemon.events("file.rename").is_empty());
}

#[test]
fn what_is_refused_by_its_name_is_in_the_log_before_it_goes() {
    let daemon = waiting();
    let session = daemon.session("bree");
    session.upload("/inbox/lijst.bak.part", &list(&daemon, 0)).unwrap();
    assert!(session.rename("/inbox/lijst.bak.part", "/inbox/lijst.bak").is_err());
    assert!(session.names("/inbox").unwrap().is_empty());
    let upload = daemon.events("file.upload").pop().unwrap();
    let gone = daemon.events("file.delete").pop().unwrap();
    assert_eq!(gone["correlation"], upload["correlation"]);
    session.close();
}

#[test]
fn a_list_that_waits_stays_when_what_should_replace_it_is_refused() {
    let daemon = waiting();
    let session = daemon.session("bree");
    session.upload("/inbox/lijst.csv", &list(&daemon, 0)).unwrap();
    session.upload("/inbox/lijst.csv.part", b"age-encryption.org/v1\n-> X25519 broken off").unwrap();
    // OpenSSH's client renames over what is there.
    let renamed = daemon.sftp("bree", "rename /inbox/lijst.csv.part /inbox/lijst.csv\n");
    assert_ne!(renamed.code, Some(0), "{}", renamed.stdout);
    assert_eq!(session.names("/inbox").unwrap(), ["lijst.csv"]);
    let gone = daemon.events("file.delete").pop().unwrap();
    assert_eq!(gone["correlation"], daemon.events("file.upload").pop().unwrap()["correlation"]);
    bring_register(&daemon);
    daemon.answer("bree", "lijst.csv");
    session.close();
}
