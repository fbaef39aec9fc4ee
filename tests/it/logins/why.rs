//! `tenant why`: what ops read when a tenant is on the telephone.

use std::fs;

use serde_json::Value;

use super::{
    daemon,
    keys::{make_key, with_keys},
    let_in, log_in,
    passwords::{KEPT, PASSWORD},
    refusals,
};
use crate::support::{TestDaemon, wait_for};

/// The answer, once it speaks of so many connections.
fn why(daemon: &TestDaemon, connections: usize) -> Value {
    wait_for("what was kept", || {
        let ran = daemon.groeikluis(&["tenant", "why", "bree", "--json", "--last", "100"]).well();
        let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
        (answer["logins"].as_array().unwrap().len() >= connections).then_some(answer)
    })
}

fn of_last(answer: &Value, field: &str) -> String {
    let last = answer["logins"].as_array().unwrap().last().unwrap();
    last[field].as_str().unwrap_or_default().to_owned()
}

fn advice(answer: &Value) -> String {
    answer["advice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["advice"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn each_failure_is_explained_with_what_to_do() {
    let mut daemon = daemon(&[]);
    let ran = daemon.groeikluis(&["tenant", "why", "bree"]).well();
    assert!(ran.stdout.contains("nobody tried under this name"), "{}", ran.stdout);
    let public = fs::read_to_string(daemon.path("keys/bree_ed25519.pub")).unwrap();
    let key = |more: &str| format!("[{{label: ict, owner: ICT, key: \"{}\"{more}}}]", public.trim());
    let_in(log_in(&daemon, "bree", &[], None));
    assert_eq!(of_last(&why(&daemon, 1), "outcome"), "logged-in");

    with_keys(&daemon, &key(", expires: 2026-01-31"), &[]);
    assert_ne!(log_in(&daemon, "bree", &[], None).code, Some(0));
    let answer = why(&daemon, 2);
    assert_eq!((of_last(&answer, "outcome"), of_last(&answer, "source")), ("expired-key".into(), "127.0.0.1".into()));
    assert!(advice(&answer).contains("key ict ended on 2026-01-31"), "{answer}");

    let (_, other) = make_key(&daemon, "other", &["-t", "ed25519"]);
    with_keys(&daemon, &format!("[{{label: new, owner: ICT, key: \"{other}\"}}]"), &[]);
    assert_ne!(log_in(&daemon, "bree", &[], None).code, Some(0));
    let answer = why(&daemon, 3);
    assert_eq!(of_last(&answer, "outcome"), "unknown-key");
    assert!(of_last(&answer, "fingerprint").starts_with("SHA256:"));
    assert!(advice(&answer).contains("not a key of this tenant"), "{answer}");

    with_keys(&daemon, &key(""), &["allow_from: [\"192.0.2.0/24\"]"]);
    assert_ne!(log_in(&daemon, "bree", &[], None).code, Some(0));
    let answer = why(&daemon, 4);
    assert_eq!(of_last(&answer, "outcome"), "wrong-source");
    assert!(advice(&answer).contains("127.0.0.1 is outside `allow_from` (192.0.2.0/24)"), "{answer}");

    with_keys(&daemon, &key(""), &["allow_from: [\"127.0.0.0/8\"]", KEPT, "require: [publickey, password]"]);
    assert_ne!(log_in(&daemon, "bree", &[], None).code, Some(0));
    assert_eq!(of_last(&why(&daemon, 5), "outcome"), "step-missing");
    assert_ne!(log_in(&daemon, "bree", &[], Some("correct horse batterij")).code, Some(0));
    let answer = why(&daemon, 6);
    assert_eq!(of_last(&answer, "outcome"), "wrong-password");
    let_in(log_in(&daemon, "bree", &[], Some(PASSWORD)));
    why(&daemon, 7);

    // It outlasts a restart, is sealed, and is read without a daemon too.
    let kept = fs::read(daemon.path("state/logins/bree.json.age")).unwrap();
    assert!(!String::from_utf8_lossy(&kept).contains("127.0.0.1"));
    daemon.terminate();
    let ran = daemon.groeikluis(&["tenant", "why", "bree"]).well();
    for text in [
        "logs in with a key, then a password",
        "last good login: ",
        "expired-key",
        "wrong-source",
        "ict of bree SHA256:",
        "OpenSSH",
    ] {
        assert!(ran.stdout.contains(text), "{text} is not in:\n{}", ran.stdout);
    }
    let none = daemon.groeikluis(&["tenant", "why", "lubbeek"]);
    assert!(none.code == Some(1) && none.stderr.contains("lubbeek is no tenant"), "{}", none.stderr);
}

#[test]
fn the_key_of_another_tenant_is_recognised() {
    use crate::support::{Plan, Tenant};
    let plan = Plan::new().tenant(Tenant::municipality("bree", "72004"));
    let daemon = plan.tenant(Tenant::municipality("lubbeek", "24066")).start();
    assert_ne!(daemon.sftp_as("bree", "lubbeek", "ls").code, Some(0));
    assert_eq!(refusals(&daemon, 1), ["unknown-key"]);
    let answer = why(&daemon, 1);
    assert!(
        advice(&answer).contains("the key is ict-lubbeek of lubbeek: the client has the wrong user name"),
        "{answer}"
    );
}

#[test]
fn many_failures_leave_little_and_keep_the_last_good_login() {
    let daemon = daemon(&[]);
    let_in(log_in(&daemon, "bree", &[], None));
    with_keys(&daemon, "[]", &[]);
    for _ in 0..12 {
        assert_ne!(log_in(&daemon, "bree", &[], None).code, Some(0));
    }
    refusals(&daemon, 12);
    let times = wait_for("all of them", || {
        let answer = why(&daemon, 2);
        answer["logins"][1]["times"].as_u64().filter(|times| *times == 12)
    });
    assert_eq!(times, 12);
    let answer = why(&daemon, 2);
    assert_eq!(answer["logins"][0]["outcome"], "logged-in");
    assert!(advice(&answer).contains("nobody can log in under this name"), "{answer}");
}
