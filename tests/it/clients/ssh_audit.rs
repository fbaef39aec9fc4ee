//! `ssh-audit`, which knows what is wrong with each algorithm of SSH.

use serde_json::Value;

use super::{
    program::{Program, installed},
    stage::Stage,
};

/// What it warns of, and why it stays: the two names of one key exchange, for clients without a post-quantum one that
/// is here too. OpenSSH before 9.9, PuTTY before 0.84 and libssh2 know the first, paramiko before 5 the second only.
const WARNED_OF: [&str; 2] = ["curve25519-sha256", "curve25519-sha256@libssh.org"];
const WARNING: &str = "does not provide protection against post-quantum attacks";

#[test]
fn it_reports_no_failure_and_warns_of_nothing_but_what_old_clients_need() {
    let Some(python) = Program::installed("ssh-audit", "python/bin/python3") else { return };
    let stage = Stage::set();
    let script = installed("python/bin/ssh-audit").display().to_string();
    let port = stage.port().to_string();
    let ran = python.run_in(stage.desk()).args([&script, "--json", "-p", &port, "127.0.0.1"]).run();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(report["compression"], serde_json::json!(["none"]));
    assert_eq!(report["cves"], serde_json::json!([]));
    // Nothing of its rate test: who connects only to be greeted is greeted slowly. What it notes is that strict key exchange
    // needs two who know it.
    let notes: Vec<&str> = report["additional_notes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(matches!(notes[..], [note] if note.contains("properly supports the strict key exchange")), "{notes:?}");
    let names = |kind: &str| -> Vec<String> {
        let entries = report[kind].as_array().unwrap().iter();
        entries.map(|entry| entry["algorithm"].as_str().unwrap().to_owned()).collect()
    };
    let kex = names("kex");
    assert_eq!(kex[0], "mlkem768x25519-sha256", "what is post-quantum comes first");
    assert!(kex.contains(&"kex-strict-s-v00@openssh.com".to_owned()), "{kex:?}");
    for kind in ["kex", "key", "enc", "mac"] {
        assert!(!names(kind).is_empty());
        for entry in report[kind].as_array().unwrap() {
            let (algorithm, notes) = (entry["algorithm"].as_str().unwrap(), &entry["notes"]);
            assert!(notes["fail"].is_null(), "{algorithm}: {notes}");
            if WARNED_OF.contains(&algorithm) {
                assert_eq!(notes["warn"], serde_json::json!([WARNING]), "{algorithm}");
            } else {
                assert!(notes["warn"].is_null(), "{algorithm}: {notes}");
            }
        }
    }
}
