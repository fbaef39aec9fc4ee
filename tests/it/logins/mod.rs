//! Logging in, with the programs that tenants have: what lets them in, what does not, and what each is told.

mod certificates;
mod keys;
mod passwords;
mod peer;
mod penalties;
mod security_keys;
mod strangers;
mod why;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::Value;

use crate::support::{Plan, Ran, Tenant, TestDaemon, run};

/// A daemon with one tenant, whose file has these lines.
fn daemon(lines: &[&str]) -> TestDaemon {
    daemon_with(lines, &[])
}

/// The same, with these lines in the main file.
fn daemon_with(lines: &[&str], main: &[&str]) -> TestDaemon {
    let tenant = lines.iter().fold(Tenant::municipality("bree", "72004"), |tenant, line| tenant.line(line));
    let plan = main.iter().fold(Plan::new().tenant(tenant), |plan, line| plan.line(line));
    plan.start()
}

/// Logs in with OpenSSH's `sftp`, lists and leaves. Passwords are typed by a program, as at a terminal.
fn log_in(daemon: &TestDaemon, user: &str, options: &[&str], password: Option<&str>) -> Ran {
    let mut all: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
    if password.is_some() {
        all.extend(["-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=1"]);
    }
    let mut command = daemon.sftp_command(user, "bree", &all);
    command.env_remove("SSH_AUTH_SOCK");
    if let Some(password) = password {
        command.env("SSH_ASKPASS", typist(daemon, password)).env("SSH_ASKPASS_REQUIRE", "force");
    }
    run(&mut command, b"ls\n")
}

/// A program that types a password.
fn typist(daemon: &TestDaemon, password: &str) -> PathBuf {
    let path = daemon.path(format!("type-{}", password.len()));
    fs::write(&path, format!("#!/bin/sh\nprintf '%s\\n' '{password}'\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

/// Fails the test unless the client was let in.
#[track_caller]
fn let_in(ran: Ran) {
    let ran = ran.well();
    assert!(ran.stdout.contains("inbox"), "{}{}", ran.stdout, ran.stderr);
}

/// Fails the test unless the client was refused with only these methods left.
#[track_caller]
fn turned_away(ran: &Ran, methods: &str) {
    assert_ne!(ran.code, Some(0), "it was let in: {}", ran.stdout);
    assert!(ran.stderr.contains(&format!("Permission denied ({methods})")), "{}", ran.stderr);
}

/// The reasons of refused logins in the transfer log, once there are that many.
fn refusals(daemon: &TestDaemon, count: usize) -> Vec<String> {
    daemon.wait_for_events("auth.refused", count).iter().map(|event| text(event, "reason")).collect()
}

fn text(event: &Value, field: &str) -> String {
    event[field].as_str().unwrap_or_default().to_owned()
}
