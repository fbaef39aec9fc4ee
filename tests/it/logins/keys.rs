//! Each kind of key, and what makes a good one useless.

use std::{fs, path::PathBuf, process::Command};

use jiff::ToSpan;

use super::{daemon, let_in, log_in, refusals, text, turned_away};
use crate::support::{TestDaemon, run};

/// A key pair of the tenant's own making: the private part's file, and the public line.
pub fn make_key(daemon: &TestDaemon, name: &str, options: &[&str]) -> (PathBuf, String) {
    let file = daemon.path(format!("keys/{name}"));
    let mut command = Command::new("ssh-keygen");
    run(command.args(["-q", "-N", "", "-C", name, "-f"]).arg(&file).args(options), b"").well();
    let public = fs::read_to_string(file.with_extension("pub")).unwrap();
    (file, public.trim().to_owned())
}

/// Gives the tenant other keys, as ops would, and waits until they are in force.
pub fn with_keys(daemon: &TestDaemon, keys: &str, more: &[&str]) {
    // In force only after its entry in the log.
    let changes = || daemon.said().matches("configuration changed").count();
    let before = changes();
    let file = daemon.path("tenants/bree.yaml");
    let kept = fs::read_to_string(&file).unwrap();
    let given = |line: &str| more.iter().any(|more| more.split(':').next() == line.split(':').next());
    let lines: Vec<&str> = kept.lines().filter(|line| !line.starts_with("keys:") && !given(line)).collect();
    let text = format!("{}\nkeys: {keys}\n{}\n", lines.join("\n"), more.join("\n"));
    let beside = file.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, &file).unwrap();
    crate::support::wait_until("the change", || changes() > before);
}

fn identity(file: &std::path::Path) -> String {
    format!("IdentityFile={}", file.display())
}

/// `sftp` offers the tenant's first key too; one that nobody knows stands in its place.
fn log_in_with(daemon: &TestDaemon, file: &std::path::Path, options: &[&str]) -> crate::support::Ran {
    let identity = identity(file);
    let all: Vec<&str> = [identity.as_str()].into_iter().chain(options.iter().copied()).collect();
    log_in(daemon, "bree", &all, None)
}

#[test]
fn each_kind_of_key_logs_in() {
    let daemon = daemon(&[]);
    let kinds: [(&str, &[&str]); 5] = [
        ("ed25519", &["-t", "ed25519"]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
        ("p521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa", &["-t", "rsa", "-b", "3072"]),
    ];
    let made = kinds.map(|(name, options)| (name, make_key(&daemon, name, options)));
    let entries = made.iter().map(|(name, (_, public))| format!("{{label: {name}, owner: ICT, key: \"{public}\"}}"));
    with_keys(&daemon, &format!("[{}]", entries.collect::<Vec<_>>().join(", ")), &[]);
    for (name, (file, _)) in &made {
        let_in(log_in_with(&daemon, file, &[]));
        assert_eq!(text(&daemon.events("auth.login").pop().unwrap(), "key"), *name);
    }
    // SHA-1 is refused although the key is known.
    let (_, (rsa, _)) = &made[4];
    let old = "PubkeyAcceptedAlgorithms=ssh-rsa";
    assert_ne!(log_in_with(&daemon, rsa, &[old]).code, Some(0));
    for good in ["PubkeyAcceptedAlgorithms=rsa-sha2-256", "PubkeyAcceptedAlgorithms=rsa-sha2-512"] {
        let_in(log_in_with(&daemon, rsa, &[good]));
    }
}

#[test]
fn keys_end_and_come_from_where_they_may() {
    let daemon = daemon(&[]);
    let public = fs::read_to_string(daemon.path("keys/bree_ed25519.pub")).unwrap();
    let key = |more: &str| format!("[{{label: ict, owner: ICT, key: \"{}\"{more}}}]", public.trim());
    let today = groeikluis::durable::Clock::system().today();
    let yesterday = today.saturating_sub(1.day());
    with_keys(&daemon, &key(&format!(", expires: {today}")), &[]);
    let_in(log_in(&daemon, "bree", &[], None));
    with_keys(&daemon, &key(&format!(", expires: {yesterday}")), &[]);
    turned_away(&log_in(&daemon, "bree", &[], None), "publickey");
    with_keys(&daemon, &key(""), &["allow_from: [\"192.0.2.0/24\"]"]);
    turned_away(&log_in(&daemon, "bree", &[], None), "publickey");
    assert_eq!(refusals(&daemon, 2), ["expired-key", "wrong-source"]);
    with_keys(&daemon, &key(""), &["allow_from: [\"127.0.0.0/8\"]"]);
    let_in(log_in(&daemon, "bree", &[], None));
}

#[test]
fn a_client_is_greeted_in_dutch_unless_the_configuration_says_otherwise() {
    let greeted = |daemon: &TestDaemon| log_in(daemon, "bree", &["LogLevel=INFO"], None).well().stderr;
    let said = greeted(&daemon(&[]));
    assert!(said.contains("Gegevensuitwisseling van VUTG en Opgroeien."), "{said}");
    assert!(said.contains("wat hier gebeurt, wordt bijgehouden"), "{said}");
    let said = greeted(&super::daemon_with(&[], &["banner: \"\""]));
    assert!(!said.contains("VUTG"), "{said}");
}
