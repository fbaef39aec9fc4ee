//! State that an older program left, opened by the program of today (`tests/fixtures/state-ledger-3/README.md`).

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use groeikluis::durable::Clock;
use serde_json::Value;

use crate::support::{Plan, TestDaemon, copy_directory, wait_for};

fn repository(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

/// A deployment around that state, with the keys and the protocol of then.
fn older() -> TestDaemon {
    let bree = fs::read_to_string(repository("config/tenants/bree.yaml")).unwrap();
    let plan = Plan::new()
        .children(20_000)
        .line("log: {origin: groeikluis.example/2026, key: keys/log.key}")
        .file("tenants/bree.yaml", &bree);
    let daemon = TestDaemon::over(plan.lay_out());
    for name in ["state", "high-water"] {
        copy_directory(&repository("tests/fixtures/state-ledger-3").join(name), &daemon.path(name));
    }
    for name in ["exchange.agekey", "log.key", "bree_ed25519", "bree.agekey"] {
        let path = daemon.path("keys").join(name);
        fs::copy(repository("keys-example").join(name), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::copy(daemon.path("state/log/log.vkey"), daemon.path("keys/log.vkey")).unwrap();
    let main = fs::read_to_string(daemon.config()).unwrap();
    fs::write(daemon.config(), main.replace("environment: production", "environment: demo")).unwrap();
    daemon
}

fn ledger_form(daemon: &TestDaemon) -> i32 {
    let database = rusqlite::Connection::open(daemon.path("state/ledger.sqlite")).unwrap();
    database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn the_program_of_today_goes_on_from_it() {
    let mut daemon = older();
    assert_eq!(ledger_form(&daemon), 3);
    // Commands that only read say what is to be done, and change nothing.
    let status = daemon.groeikluis(&["status"]);
    assert!(status.stderr.contains("another version of the program made the ledger"), "{status:?}");
    assert_eq!(ledger_form(&daemon), 3);
    // The day after: the protocol has an end.
    let clock = Clock::fixed("2026-11-23T09:00:00Z".parse().unwrap());
    daemon.at(&clock, |daemon| {
        let session = daemon.session("bree");
        let answer = "sociale-toeslag_72004_OPG-2026-017_20261122_0001.csv.age";
        let sealed = session.download(&format!("/outbox/{answer}")).unwrap();
        assert!(daemon.open("bree", &sealed).starts_with("niss;"));
        session.close();
        // What waited is settled once, by the use that the older program entered.
        let refused = wait_for("the refusal", || daemon.events("list.refused").pop());
        assert_eq!((&refused["reason"], &refused["tenant"]), (&Value::from("used-up"), &Value::from("bree")));
    });
    assert!(ledger_form(&daemon) > 3);
    assert_eq!(fs::read_to_string(daemon.path("state/form")).unwrap(), "1\n");
    assert_eq!((daemon.events("log.recovered").len(), daemon.events("list.answered").len()), (1, 1));
    assert_eq!(daemon.events("list.refused").len(), 1);
    daemon.verify_log().well();
    // And once more, as state of today.
    daemon.at(&clock, |daemon| assert_eq!(daemon.session("bree").names("/outbox").unwrap().len(), 6));
}

#[test]
fn state_of_a_newer_program_is_refused() {
    let daemon = older();
    fs::write(daemon.path("state/form"), "99\n").unwrap();
    let refused = daemon.groeikluis(&["serve"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("is of a newer form (99, this program knows up to 1)"), "{}", refused.stderr);
    assert_eq!(ledger_form(&daemon), 3, "nothing was touched");
}
