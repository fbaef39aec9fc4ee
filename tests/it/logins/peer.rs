//! A client that does what no honest one does, by paramiko's transport.

use crate::{
    clients::program::{Program, skip},
    support::{Ran, TestDaemon},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/logins/peer.py");

/// Runs a scene of the script; none where paramiko is not installed.
pub fn play(daemon: &TestDaemon, scene: &str, arguments: &[&str]) -> Option<Ran> {
    let python = Program::installed("paramiko as an attacker", "python/bin/python3")?;
    if python.run_in(&daemon.path(".")).args(["-c", "import paramiko"]).run().code != Some(0) {
        skip("paramiko as an attacker", "python has no paramiko");
        return None;
    }
    let port = daemon.address().port().to_string();
    let key = daemon.login_key("bree");
    let run = python.run_in(&daemon.path(".")).args([SCRIPT, scene, &port, &key.to_string_lossy()]).args(arguments);
    Some(run.env("PYTHONDONTWRITEBYTECODE", "1").run().well())
}

/// The methods that a user is offered who has tried none; none where paramiko is not installed.
pub fn offered(daemon: &TestDaemon, user: &str) -> Option<String> {
    play(daemon, "offered", &[user]).map(|ran| ran.stdout.trim().to_owned())
}
