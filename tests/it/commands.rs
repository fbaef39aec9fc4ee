//! How commands end: by what was wrong, whoever reads what they say.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use crate::support::{Plan, Protocol, Tenant, TestDaemon, run as run_program};

const USAGE: Option<i32> = Some(64);
const CONFIGURATION: Option<i32> = Some(78);

fn laid_out() -> TestDaemon {
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017"));
    TestDaemon::over(Plan::new().tenant(bree).lay_out())
}

/// The program, with its output to nobody: whoever read it hung up.
fn unheard(arguments: &[&str]) -> Option<i32> {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
    command.args(arguments).stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
    command.status().unwrap().code()
}

#[test]
fn a_wrong_command_is_told_from_a_configuration_at_fault() {
    let mut daemon = laid_out();
    daemon.start();
    daemon.terminate();
    let out = daemon.path("new-key");
    let (out, log) = (out.to_str().unwrap(), daemon.path("state/log"));
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        run_program(command.args(arguments), b"")
    };
    let with_log = |arguments: &[&str]| run(&[arguments, &["--log", log.to_str().unwrap()]].concat());
    let period = ["--from", "2026-11-02", "--until", "2026-11-01"];
    let disclose = ["audit", "disclose", "--motive", "vraag van de toezichthouder"];
    for wrong in [
        run(&["keys", "new", "host", "--post-quantum", "--out", out]),
        with_log(&["audit", "verify"]),
        with_log(&[&["audit", "report", "--key", "x"], &period[..]].concat()),
        daemon.groeikluis(&[&disclose[..], &["--from", "2026-11-02", "--to", "2026-11-01"]].concat()),
        with_log(&["audit", "show", "--from", "2026-11-02", "--to", "2026-11-01"]),
        with_log(&["audit", "show", "--from", "24/11/2026"]),
        with_log(&["audit", "show", "--event", "bestaatniet"]),
        with_log(&["audit", "show", "--about", "lijst.csv"]),
        daemon.groeikluis(&["status", "--watch"]),
        daemon.groeikluis(&["register", "load", "/dev/null"]),
    ] {
        assert_eq!(wrong.code, USAGE, "{wrong:?}");
    }
    assert!(!daemon.path("new-key").exists());
    let month = with_log(&["audit", "show", "--from", "2026-13-01"]);
    assert!(month.code == USAGE && month.stderr.contains("not a day; write it as 2027-12-31"), "{month:?}");
    // An extract in clear is told what it lacks, with the key.
    let (plain, key) = (daemon.path("plain.csv"), fs::read_to_string(daemon.path("keys/register.pub")).unwrap());
    fs::write(&plain, "kind_niss\n").unwrap();
    let unsealed = daemon.groeikluis(&["register", "load", plain.to_str().unwrap()]);
    assert!(unsealed.stderr.contains(&format!("seal it first: age -r {} -o ", key.trim())), "{unsealed:?}");
    let mistyped = with_log(&["audit", "show", "--event", "bestaatniet"]).stderr;
    assert!(mistyped.contains("list.answered, list.set_aside"), "{mistyped}");
    let none = with_log(&["audit", "show", "--tenant", "nobody", "--event", "log"]);
    assert!(none.code == Some(0) && none.stdout.is_empty(), "{none:?}");
    assert!(none.stderr.contains("no entry fits") && none.stderr.contains("about a tenant nobody"), "{none:?}");
    let shown = with_log(&["audit", "show", "--event", "log.started"]);
    assert!(shown.stdout.contains("log.started") && shown.stderr.contains("not verified"), "{shown:?}");
    let extract = daemon.path("register/register.csv.age");
    let recipient = fs::read_to_string(daemon.path("keys/bree.pub")).unwrap();
    let backup = ["backup", "--to", out, "--recipient", recipient.trim()];
    let load = ["register", "load", extract.to_str().unwrap()];
    // Others may read them; and they are no keys.
    for (mode, text) in [(0o644, None), (0o600, Some("no key\n"))] {
        for key in ["register.agekey", "log.key"] {
            let key = daemon.path(format!("keys/{key}"));
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            if let Some(text) = text {
                fs::write(&key, text).unwrap();
            }
        }
        let commands: [&[&str]; 4] = [&load, &["register", "info"], &["audit", "verify"], &backup];
        for ran in commands.map(|arguments| daemon.groeikluis(arguments)) {
            assert_eq!(ran.code, CONFIGURATION, "{ran:?}");
        }
    }
}

#[test]
fn an_extract_is_put_in_place_as_it_was_checked_or_not_at_all() {
    let daemon = laid_out();
    let (extract, place) = (daemon.path("extract.age"), daemon.path("register/register.csv.age"));
    fs::rename(&place, &extract).unwrap();
    let bytes = fs::read(&extract).unwrap();
    // What comes by a pipe can be read once.
    let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
    command.args(["register", "load", "/dev/stdin", "--config"]).arg(daemon.config());
    let piped = run_program(&mut command, &bytes);
    assert!(piped.code == USAGE && piped.stderr.contains("no regular file"), "{piped:?}");
    assert!(!place.exists() && piped.stdout.is_empty(), "{piped:?}");
    // A file is one, whatever it is called.
    command.stdin(File::open(&extract).unwrap());
    assert!(command.output().unwrap().status.success());
    assert_eq!(fs::read(&place).unwrap(), bytes);
}

#[test]
fn a_verdict_stands_when_nobody_reads_on() {
    let mut daemon = laid_out();
    daemon.start();
    daemon.terminate();
    let config = daemon.config();
    let config = config.to_str().unwrap();
    assert_eq!(unheard(&["check", "--json", "--config", config]), Some(0));
    assert_eq!(unheard(&["audit", "verify", "--json", "--config", config]), Some(0));
    let (checkpoint, kept) = (daemon.path("state/log/checkpoint"), daemon.path("kept"));
    fs::rename(&checkpoint, &kept).unwrap();
    fs::write(&checkpoint, "groeikluis.example/log\n0\n").unwrap();
    assert_eq!(unheard(&["audit", "verify", "--json", "--config", config]), Some(1));
    fs::rename(kept, checkpoint).unwrap();
    fs::write(daemon.path("tenants/bree.yaml"), "id: bree\n").unwrap();
    assert_eq!(unheard(&["check", "--json", "--config", config]), CONFIGURATION);
}
