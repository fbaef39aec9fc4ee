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
    // What was refused then and would be let in by the file of today is told so, and not as if it were still wrong.
    let told = advice(&why(&daemon, 7));
    for part in [
        "by today's tenants/bree.yaml 127.0.0.1 would be let in",
        "by today's tenants/bree.yaml key ict has no end",
        "have it typed again",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("is outside") && !told.contains("ended on"), "{told}");
    // The journal finds the refusals of a tenant by its name.
    let said = daemon.said();
    let refused: Vec<&str> = said.lines().filter(|line| line.contains("login refused")).collect();
    assert!(refused.len() >= 5 && refused.iter().all(|line| line.contains("bree")), "{refused:?}");

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

/// The answer about an address, once it satisfies.
pub(super) fn why_address(daemon: &TestDaemon, address: &str, satisfies: impl Fn(&Value) -> bool) -> Value {
    wait_for("what was kept of the address", || {
        let ran = daemon.groeikluis(&["tenant", "why", address, "--json"]).well();
        Some(serde_json::from_str(&ran.stdout).unwrap()).filter(&satisfies)
    })
}

#[test]
fn an_address_is_explained_with_what_its_client_offers() {
    let mut daemon = daemon(&[]);
    let none = daemon.groeikluis(&["tenant", "why", "192.0.2.7"]).well();
    assert!(none.stdout.contains("nobody tried from 192.0.2.7"), "{}", none.stdout);
    assert_ne!(log_in(&daemon, "bree", &["KexAlgorithms=diffie-hellman-group14-sha256"], None).code, Some(0));
    assert_ne!(log_in(&daemon, "bree", &["Ciphers=aes256-ctr", "MACs=hmac-sha2-256,hmac-sha1"], None).code, Some(0));
    let answer = why_address(&daemon, "127.0.0.1", |answer| answer["strangers"].as_array().unwrap().len() == 2);
    let [kex, mac] = [&answer["strangers"][0], &answer["strangers"][1]];
    assert_eq!((&kex["outcome"], &kex["lacking"]), (&"no-common-algorithm".into(), &"key exchange".into()));
    assert_eq!(kex["offered"], serde_json::json!(["diffie-hellman-group14-sha256"]));
    assert_eq!(kex["accepted"][0], "mlkem768x25519-sha256");
    assert_eq!((&mac["lacking"], &mac["offered"]), (&"MAC".into(), &serde_json::json!(["hmac-sha2-256", "hmac-sha1"])));
    assert_eq!(mac["accepted"], serde_json::json!(["hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com"]));
    assert!(mac["client"].as_str().unwrap().contains("OpenSSH"), "{mac}");

    // User names that are nobody's: the key tells whose it is; the name itself is not kept.
    assert_ne!(log_in(&daemon, "Bree2", &[], None).code, Some(0));
    let answer = why_address(&daemon, "127.0.0.1", |answer| answer["strangers"].as_array().unwrap().len() == 3);
    let named = &answer["strangers"][2];
    assert_eq!((&named["outcome"], &named["near"]), (&"unknown-user".into(), &"bree".into()));
    assert!(named["advice"].as_str().unwrap().contains("the user name should be bree"), "{named}");
    assert!(!answer.to_string().contains("Bree2") && !daemon.said().contains("Bree2"));

    // A good login from there is its tenant's, and what else came from there is told with it.
    let_in(log_in(&daemon, "bree", &[], None));
    let answer = why_address(&daemon, "127.0.0.1", |answer| answer["tenants"].as_array().unwrap().len() == 1);
    assert_eq!(answer["tenants"][0]["logins"][0]["outcome"], "logged-in");
    let own = why(&daemon, 1);
    assert_eq!(own["strangers"].as_array().unwrap().len(), 3, "{own}");

    // Sealed, over a restart, and in words.
    let kept = fs::read(daemon.path("state/logins/_strangers.json.age")).unwrap();
    assert!(!String::from_utf8_lossy(&kept).contains("diffie-hellman"));
    daemon.terminate();
    let ran = daemon.groeikluis(&["tenant", "why", "127.0.0.1"]).well();
    for text in [
        "no MAC in common: the client offers hmac-sha2-256, hmac-sha1; accepted here: hmac-sha2-512-etm@openssh.com",
        "update the client",
        "bree, which `tenant why bree` explains:",
        "127.0.0.1 is exempt from being slowed down: 0 failures that are not forgiven; the good login of ",
    ] {
        assert!(ran.stdout.contains(text), "{text} is not in:\n{}", ran.stdout);
    }
}

#[test]
fn the_penalty_of_an_address_is_told_and_has_its_longest() {
    let penalties = "penalties: {after: 2, first_seconds: 600, longest_seconds: 700, exempt: [\"192.0.2.0/24\"]}";
    let daemon = super::daemon_with(&[], &[penalties]);
    for _ in 0..4 {
        assert_ne!(log_in(&daemon, "nobody", &[], None).code, Some(0));
    }
    refusals(&daemon, 4);
    let answer = why_address(&daemon, "127.0.0.1", |answer| answer["penalties"][0]["failures"] == 4);
    // 600 s after the second failure, 1,200 and 2,400 but for the longest.
    let until: jiff::Timestamp = answer["penalties"][0]["slow_until"].as_str().unwrap().parse().unwrap();
    let left = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((600..=700).contains(&left), "slow for {left} s");
    let exempt = why_address(&daemon, "192.0.2.9", |_| true);
    assert_eq!(
        (&exempt["penalties"][0]["exempt"], &exempt["penalties"][0]["slow_until"]),
        (&true.into(), &Value::Null)
    );
    assert_ne!(
        log_in(&daemon, "bree", &["IdentityFile=/nowhere", "PreferredAuthentications=none"], None).code,
        Some(0)
    );
    let own = why(&daemon, 1);
    assert!(own["penalties"][0]["slow_until"].is_string(), "{own}");
    let_in(log_in(&daemon, "bree", &[], None));
    let answer = why_address(&daemon, "127.0.0.1", |answer| answer["penalties"][0]["failures"] == 0);
    assert!(answer["penalties"][0]["slow_until"].is_null() && answer["penalties"][0]["good"].is_string(), "{answer}");
}
