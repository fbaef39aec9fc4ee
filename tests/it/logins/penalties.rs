//! Sources that fail, over restarts of the daemon, and the tenants behind the same address.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{daemon_with, keys::make_key, let_in, log_in, refusals, why::why_address};
use crate::support::{TestDaemon, wait_for, wait_until};

/// What a slow refusal takes at least.
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

/// What is kept of this machine, once so many failures count against it.
fn kept(daemon: &TestDaemon, failures: u32) -> Value {
    let answer = why_address(daemon, "127.0.0.1", |answer| answer["penalties"][0]["failures"] == failures);
    answer["penalties"][0].clone()
}

#[test]
fn penalties_outlast_a_restart_and_lock_no_tenant_out() {
    let mut daemon = none_exempt();
    for _ in 0..2 {
        refusal(&daemon);
    }
    assert!(kept(&daemon, 2)["slow_until"].is_null());
    refusal(&daemon);
    assert!(kept(&daemon, 3)["slow_until"].is_string());
    assert!(refusal(&daemon) >= SLOW);
    refusals(&daemon, 4);
    let (status, _) = daemon.terminate();
    assert!(status.success());
    assert!(!String::from_utf8_lossy(&fs::read(daemon.path(KEPT)).unwrap()).contains("127.0.0.1"));
    daemon.start();
    assert!(refusal(&daemon) >= SLOW, "after a restart");
    kept(&daemon, 5);
    daemon.kill9();
    let penalties = fs::read(daemon.path(KEPT)).unwrap();
    daemon.start();
    assert!(refusal(&daemon) >= SLOW, "after a kill");
    // The tenant behind the same address, who has never logged in from there, waits for nothing; where the machine is
    // busy that is seen the next time.
    wait_until("a login at once", || {
        daemon.kill9();
        fs::write(daemon.path(KEPT), &penalties).unwrap();
        daemon.start();
        let began = Instant::now();
        let_in(log_in(&daemon, "bree", &[], None));
        began.elapsed() < SLOW
    });
    // Its login speaks for the address.
    let spared = kept(&daemon, 0);
    assert!(spared["slow_until"].is_null() && spared["good"].is_string(), "{spared}");
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
    let_in(log_in(&daemon, "bree", &[&format!("IdentityFile={}", other.display())], None));
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
    refusal(&daemon);
    refusals(&daemon, 4);
    let (status, said) = daemon.terminate();
    assert!(status.success() && said.contains("penalties begin anew"), "{said}");
    kept(&daemon, 1);
}
