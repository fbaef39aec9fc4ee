//! The files of `systemd/`, judged by systemd's own programs, and a socket that was passed.

use std::{
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, getuid, kill_process};

use crate::{
    clients::program::skip,
    support::{Plan, Tenant, run, wait_for},
};

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}

fn lacks(program: &str) -> bool {
    let missing = Command::new(program).arg("--version").output().is_err();
    if missing {
        skip("systemd", &format!("{program} is missing"));
    }
    missing
}

#[test]
fn the_services_are_hardened() {
    if lacks("systemd-analyze") {
        return;
    }
    for name in
        ["groeikluis.service", "groeikluis-console.service", "groeikluis-daily.service", "groeikluis-failed@.service"]
    {
        let mut command = Command::new("systemd-analyze");
        // Tenths: above 1.5 it ends with an error.
        command.args(["security", "--offline=true", "--no-pager", "--threshold=15"]).arg(unit(name));
        let ran = run(&mut command, b"").well();
        let judged = [" OK ", " SAFE "].iter().any(|word| ran.stdout.contains(word));
        assert!(judged, "{name}: {}", ran.stdout.lines().last().unwrap_or_default());
    }
}

#[test]
fn the_units_are_what_systemd_takes() {
    if lacks("systemd-analyze") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> =
        fs::read_dir(unit("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let names =
        names.iter().filter(|name| [".service", ".socket", ".timer"].iter().any(|ending| name.ends_with(ending)));
    let units: Vec<PathBuf> = names
        .map(|name| {
            let text = fs::read_to_string(unit(name)).unwrap();
            let path = directory.path().join(name);
            fs::write(&path, text.replace("/usr/bin/groeikluis", env!("CARGO_BIN_EXE_groeikluis"))).unwrap();
            path
        })
        .collect();
    assert_eq!(units.len(), 6);
    let ran = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units), b"").well();
    assert!(!ran.stderr.contains("groeikluis"), "{}", ran.stderr);
}

#[test]
fn the_user_and_the_directories_are_made() {
    if lacks("systemd-sysusers") || lacks("systemd-tmpfiles") {
        return;
    }
    if !getuid().is_root() {
        skip("systemd", "only root can make users, even in a directory");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let inside = |program: &str, conf: &str, options: &[&str]| {
        let mut command = Command::new(program);
        command.arg(format!("--root={}", root.path().display())).args(options).arg(unit(conf));
        run(&mut command, b"").well();
    };
    inside("systemd-sysusers", "groeikluis.sysusers.conf", &[]);
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(users.lines().any(|line| line.starts_with("groeikluis:") && line.ends_with("/nologin")), "{users}");
    let groups = fs::read_to_string(root.path().join("etc/group")).unwrap();
    assert!(groups.lines().any(|line| line.starts_with("groeikluis-console:")), "{groups}");
    inside("systemd-tmpfiles", "groeikluis.tmpfiles.conf", &["--create"]);
    for (directory, mode) in [("etc/groeikluis/tenants", 0o2750), ("etc/groeikluis/keys", 0o700)] {
        let metadata = fs::metadata(root.path().join(directory)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{directory}");
    }
}

#[test]
fn a_socket_that_was_passed_stands_instead_of_the_addresses() {
    if lacks("systemd-socket-activate") {
        return;
    }
    let laid_out = Plan::new().tenant(Tenant::municipality("bree", "72004")).lay_out();
    let root = laid_out.root.path();
    // Free a moment ago, and where nothing else listens; the program takes no port 0.
    let address = TcpListener::bind("127.0.25.2:0").unwrap().local_addr().unwrap();
    let mut command = Command::new("systemd-socket-activate");
    command.arg("-l").arg(address.to_string()).arg(env!("CARGO_BIN_EXE_groeikluis"));
    command.arg("serve").arg("--config").arg(root.join("groeikluis.yaml"));
    let mut daemon = Activated(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    // The first connection starts it, and waits meanwhile.
    let mut client = wait_for("the socket", || TcpStream::connect(address).ok());
    let mut greeting = [0; 8];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"SSH-2.0-");
    assert_eq!(fs::read_to_string(root.join("state/listen")).unwrap().trim(), address.to_string());
    drop(client);
    kill_process(Pid::from_child(&daemon.0), Signal::TERM).unwrap();
    assert!(wait_for("the daemon's end", || daemon.0.try_wait().unwrap()).success());
}

/// The program that waits with the socket, and then the daemon in its place; it does not outlive its test.
struct Activated(Child);

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
