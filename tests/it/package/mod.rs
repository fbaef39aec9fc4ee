//! The Debian package: made of the program under test, installed on a clean root, serving a tenant from there, removed.

mod booted;
mod debian;
mod machine;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    clients::program::Program,
    support::{Access, Plan, Protocol, Tenant, run, wait_for},
};

use debian::{inside, make_package, make_root, place};

/// What the package must have, and where.
const FILES: [&str; 18] = [
    "usr/bin/groeikluis",
    "usr/lib/systemd/system/groeikluis.service",
    "usr/lib/systemd/system/groeikluis.socket",
    "usr/lib/systemd/system/groeikluis-console.service",
    "usr/lib/systemd/system/groeikluis-daily.service",
    "usr/lib/systemd/system/groeikluis-daily.timer",
    "usr/lib/systemd/system/groeikluis-failed@.service",
    "usr/lib/sysusers.d/groeikluis.conf",
    "usr/lib/tmpfiles.d/groeikluis.conf",
    "usr/share/man/man1/groeikluis.1.gz",
    "usr/share/man/man1/groeikluis-tenant-add.1.gz",
    "usr/share/bash-completion/completions/groeikluis",
    "usr/share/zsh/vendor-completions/_groeikluis",
    "usr/share/fish/vendor_completions.d/groeikluis.fish",
    "usr/share/groeikluis/schema/tenant.schema.json",
    "usr/share/doc/groeikluis/examples/groeikluis.yaml",
    "usr/share/doc/groeikluis/examples/tenants/bree.yaml",
    "usr/share/doc/groeikluis/README.md",
];

#[test]
fn the_package_is_installed_on_a_clean_root_serves_a_tenant_and_is_removed() {
    let directory = place();
    let Some(package) = make_package("package", directory.path()) else { return };
    let info = run(Command::new("dpkg-deb").arg("--info").arg(&package), b"").well().stdout;
    assert!(info.contains("Package: groeikluis") && info.contains("libc6") && !info.contains("conffiles"), "{info}");
    let Some(root) = make_root("package", directory.path(), &["adduser", "tzdata"]) else { return };
    fs::copy(&package, root.join("tmp/groeikluis.deb")).unwrap();
    let said = inside(&root, &["dpkg", "-i", "/tmp/groeikluis.deb"]).well();
    assert!(said.stdout.contains("to begin, copy"), "{said:?}");
    for file in FILES {
        assert!(root.join(file).is_file(), "{file} was not installed");
    }
    let passwd = fs::read_to_string(root.join("etc/passwd")).unwrap();
    assert!(passwd.lines().any(|line| line.starts_with("groeikluis:") && line.ends_with("/nologin")), "{passwd}");
    for directory in ["etc/groeikluis/tenants", "etc/groeikluis/keys", "var/lib/groeikluis-register"] {
        assert!(root.join(directory).is_dir(), "{directory}");
    }
    verify_units(&root, directory.path());
    serve(&root);
    // Installed once more, as an upgrade does; then removed, and what nobody can make again stays.
    inside(&root, &["dpkg", "-i", "/tmp/groeikluis.deb"]).well();
    inside(&root, &["dpkg", "-r", "groeikluis"]).well();
    assert!(!root.join("usr/bin/groeikluis").exists() && root.join("etc/groeikluis/keys").is_dir());
    let said = inside(&root, &["dpkg", "-P", "groeikluis"]).well();
    assert!(said.stdout.contains("kept: /etc/groeikluis"), "{said:?}");
    assert!(root.join("srv/exchange/state/log").is_dir());
}

/// As systemd judges them, with the program where it was installed.
fn verify_units(root: &Path, directory: &Path) {
    if Program::find("package", "systemd-analyze").is_none() {
        return;
    }
    let names = [
        "groeikluis.service",
        "groeikluis.socket",
        "groeikluis-console.service",
        "groeikluis-daily.service",
        "groeikluis-daily.timer",
        "groeikluis-failed@.service",
    ];
    for name in names {
        let unit = fs::read_to_string(root.join("usr/lib/systemd/system").join(name)).unwrap();
        let program = root.join("usr/bin/groeikluis");
        fs::write(directory.join(name), unit.replace("/usr/bin/groeikluis", program.to_str().unwrap())).unwrap();
    }
    let units = names.map(|name| directory.join(name));
    let ran = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).args(units), b"").well();
    assert!(!ran.stderr.contains("groeikluis"), "{}", ran.stderr);
}

/// A daemon in the root, as the user that was made, with a client outside of it.
fn serve(root: &Path) {
    let tenant = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017"));
    let laid_out = Plan::new().children(20_000).tenant(tenant).lay_out();
    let place = root.join("srv/exchange");
    run(Command::new("cp").arg("-r").arg(laid_out.root.path()).arg(&place), b"").well();
    inside(root, &["chown", "-R", "groeikluis:groeikluis", "/srv/exchange"]).well();
    let config = "/srv/exchange/groeikluis.yaml";
    inside(root, &["groeikluis", "check", "--config", config]).well();
    let mut command = Command::new("chroot");
    command.arg("--userspec=groeikluis:groeikluis").arg(root).args([
        "/usr/bin/groeikluis",
        "serve",
        "--config",
        config,
    ]);
    let mut child = Ended(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let listening = lines.find_map(|line| line.strip_prefix("groeikluis: listening on ").map(str::to_owned));
    let address: SocketAddr = listening.expect("it listens").parse().unwrap();
    lines.find(|line| line.contains("register loaded")).expect("a register");
    let drain = std::thread::spawn(move || lines.for_each(drop));
    let keys = laid_out.root.path().join("keys");
    let exchange = fs::read_to_string(keys.join("exchange.pub")).unwrap().parse().unwrap();
    let access = Access { address, host_key: laid_out.host_key.clone(), keys, exchange };
    let session = access.connect("bree", "bree").unwrap();
    let children = laid_out.extract.children_of("72004").into_iter().take(4).collect::<Vec<_>>().join("\n");
    session.upload("/inbox/kinderen.csv", format!("niss\n{children}\n").as_bytes()).unwrap();
    let answer = wait_for("an answer", || {
        session.names("/outbox").unwrap().into_iter().find(|name| name.starts_with("sociale-toeslag_72004"))
    });
    assert!(!session.download(&format!("/outbox/{answer}")).unwrap().is_empty());
    session.close();
    kill_process(Pid::from_child(&child.0), Signal::TERM).unwrap();
    assert!(wait_for("its end", || child.0.try_wait().unwrap()).success());
    drain.join().unwrap();
}

/// A process that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
