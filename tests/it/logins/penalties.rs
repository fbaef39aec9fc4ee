//! Sources that fail, over restarts of the daemon, and the tenants behind the same address.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{daemon_with, keys::make_key, let_in, log_in, refusals};
use crate::support::{TestDaemon, wait_for, wait_until};

/// What a slow refusal takes at least, and a good login never.
const SLOW: Duration = Duration::from_secs(2);

const KEPT: &str = "state/logins/penalties.json.age";

fn none_exempt() -> TestDaemon {
    daemon_with(&[], &["penalties: {after: 3, first_seconds: 600, exempt: []}"])
}

/// How long a stranger waits for a refusal.
fn refusal(daemon: &TestDaemon) -> Duration {
    let began = Instant::now();
    assert_ne!(log_in(daemon, "nobody", &[], None).code, Some(0));
    began.elapsed()
}

fn good_login(daemon: &TestDaemon) -> Duration {
    let began = Instant::now();
    let_in(log_in(daemon, "bree", &[], None));
    began.elapsed()
}

#[test]
fn penalties_outlast_a_restart_and_lock_no_tenant_out() {
    let mut daemon = none_exempt();
    for _ in 0..3 {
        assert!(refusal(&daemon) < SLOW);
    }
    refusals(&daemon, 3);
    assert!(refusal(&daemon) >= SLOW);
    refusals(&daemon, 4);
    let (status, _) = daemon.terminate();
    assert!(status.success());
    assert!(!String::from_utf8_lossy(&fs::read(daemon.path(KEPT)).unwrap()).contains("127.0.0.1"));
    daemon.start();
    assert!(refusal(&daemon) >= SLOW, "after a restart");
    let before = fs::read(daemon.path(KEPT)).unwrap();
    refusals(&daemon, 5);
    wait_until("the penalties on disk", || fs::read(daemon.path(KEPT)).unwrap() != before);
    daemon.kill9();
    daemon.start();
    assert!(refusal(&daemon) >= SLOW, "after a kill");
    // The tenant behind the same address has never logged in from there.
    assert!(good_login(&daemon) < SLOW);
    // Its login speaks for the address.
    assert!(refusal(&daemon) < SLOW);
}

#[test]
fn a_tenant_with_many_keys_gets_in_from_a_slow_source() {
    let daemon = none_exempt();
    for _ in 0..3 {
        refusal(&daemon);
    }
    refusals(&daemon, 3);
    let (other, _) = make_key(&daemon, "other", &["-t", "ed25519"]);
    // OpenSSH offers the keys in the order of the command line: the wrong one first.
    let began = Instant::now();
    let_in(log_in(&daemon, "bree", &[&format!("IdentityFile={}", other.display())], None));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn damaged_penalties_begin_anew_with_a_warning() {
    let mut daemon = none_exempt();
    for _ in 0..3 {
        refusal(&daemon);
    }
    wait_for("the penalties on disk", || daemon.path(KEPT).exists().then_some(()));
    daemon.terminate();
    fs::write(daemon.path(KEPT), "damaged").unwrap();
    daemon.start();
    assert!(refusal(&daemon) < SLOW);
    refusals(&daemon, 4);
    let (status, said) = daemon.terminate();
    assert!(status.success() && said.contains("penalties begin anew"), "{said}");
}
