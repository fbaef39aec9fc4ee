//! Starting, stopping and changing what a running daemon works with.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use groeikluis::{durable::Clock, register::ReferenceMonth, seal::Keyring, sftp::client::ClientError};
use jiff::ToSpan;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Extract, Plan, Protocol, Tenant, TestDaemon, copy_directory, replace, run, wait_for, wait_until};

/// `EX_CONFIG` of sysexits.h.
const CONFIGURATION: i32 = 78;

fn bree() -> Tenant {
    Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child())
}

fn lokeren() -> Tenant {
    Tenant::municipality("lokeren", "46029").protocol(Protocol::new("OPG-2026-021").every_child())
}

/// The month after that of the register in use, whatever today is.
fn next_month() -> ReferenceMonth {
    ReferenceMonth::from(Clock::system().today().saturating_add(1.month()))
}

#[test]
fn sigterm_ends_it_with_status_0_once_transfers_are_done() {
    let mut daemon = Plan::new().children(20_000).tenant(bree()).start();
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    let session = daemon.session("bree");
    session.upload("/inbox/lijst.csv", list.as_bytes()).unwrap();
    let (status, said) = daemon.terminate();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stopping"), "{said}");
    let refused = session.list("/").err();
    assert!(refused.is_some(), "a session outlived the daemon");
    // What was confirmed before the end is answered, before it or after the next start.
    daemon.start();
    daemon.answer("bree", "lijst.csv");
    assert_eq!(daemon.events("list.answered").len(), 1);
    assert_eq!(daemon.events("log.stopped").len(), 1);
}

#[test]
fn two_daemons_do_not_share_a_state_directory() {
    let daemon = Plan::new().tenant(bree()).start();
    let second = daemon.groeikluis(&["serve"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("another process uses the state directory"), "{}", second.stderr);
    daemon.sftp("bree", "ls\n").well();
    // Nor does the ledger let itself be made again under a running daemon.
    let rebuild = daemon.groeikluis(&["ledger", "rebuild"]);
    assert_ne!(rebuild.code, Some(0), "{rebuild:?}");
}

#[test]
fn a_tenant_that_leaves_the_configuration_loses_its_session() {
    let mut daemon = Plan::new().tenant(bree()).tenant(lokeren()).start();
    let (gone, stays) = (daemon.session("bree"), daemon.session("lokeren"));
    fs::remove_file(daemon.path("tenants/bree.yaml")).unwrap();
    wait_until("the end of bree's session", || gone.list("/").is_err());
    assert!(matches!(daemon.try_session("bree", "bree").err(), Some(ClientError::NotLetIn { .. })));
    stays.list("/").unwrap();
    daemon.write_tenant(&bree());
    wait_until("bree to be let in again", || daemon.try_session("bree", "bree").is_ok());
    assert_eq!(daemon.events("config.changed").len(), 3, "the start and both changes are accounted for");
    stays.list("/").unwrap();
    // The same by the signal of ops.
    daemon.process().signal(Signal::HUP);
    stays.list("/").unwrap();
}

#[test]
fn a_fault_in_the_configuration_changes_nothing() {
    let daemon = &mut Plan::new().tenant(bree()).tenant(lokeren()).start();
    let good = fs::read_to_string(daemon.path("tenants/bree.yaml")).unwrap();
    let (first, rest) = good.split_once('\n').unwrap();
    fs::write(daemon.path("tenants/bree.yaml"), format!("{first}\nkleur: rood\n{rest}")).unwrap();
    // Taken away with the same change; the fault keeps it.
    fs::remove_file(daemon.path("tenants/lokeren.yaml")).unwrap();
    let line = daemon.process().wait_for_line("configuration not changed").unwrap();
    assert!(line.contains("bree.yaml:2:1") && line.contains("kleur"), "{line}");
    daemon.sftp("bree", "ls\n").well();
    daemon.sftp("lokeren", "ls\n").well();
    let check = daemon.groeikluis(&["check"]);
    assert_eq!(check.code, Some(CONFIGURATION), "{check:?}");
    assert!(check.stderr.contains("bree.yaml:2:1: "), "{}", check.stderr);
    let json = daemon.groeikluis(&["check", "--json"]);
    let told: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&told["faults"][0]["line"], &told["faults"][0]["column"]), (&Value::from(2), &Value::from(1)));
    fs::write(daemon.path("tenants/bree.yaml"), good).unwrap();
    daemon.write_tenant(&lokeren());
    daemon.groeikluis(&["check"]).well();
    // What a reload asks for: faults of the files, also for who may not read the keys, and nothing else is said.
    fs::remove_file(daemon.path("keys/log.key")).unwrap();
    assert_eq!(daemon.groeikluis(&["check"]).code, Some(CONFIGURATION));
    let said = daemon.groeikluis(&["check", "--files-only"]).well().stdout;
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_new_register_is_taken_and_one_at_fault_is_not() {
    let daemon = Plan::new().tenant(bree()).children(500).start();
    let loaded = |daemon: &TestDaemon| daemon.events("register.loaded");
    let first = loaded(&daemon).pop().unwrap()["month"].as_str().unwrap().to_owned();
    let month = next_month();
    let next = Extract::synthetic(500, 2, month);
    let month = month.to_string();
    assert_ne!(first, month);
    daemon.write_register(next.text());
    let newest = wait_for("the new register", || loaded(&daemon).pop().filter(|entry| entry["month"] == *month));
    assert_eq!(newest["rows"], next.rows().len() as u64);

    // A check digit of the third row is wrong: line 4, and the column of the child's number.
    let third = &next.rows()[2].child;
    let wrong = format!("{}{:02}", &third[..9], (third[9..].parse::<u32>().unwrap() + 1) % 97);
    let at_fault = next.text().replacen(&format!(";{third};"), &format!(";{wrong};"), 1);
    daemon.write_register(&at_fault);
    let refused = wait_for("the refusal", || daemon.events("register.refused").pop());
    assert_eq!((&refused["line"], &refused["outcome"]), (&Value::from(4), &Value::from("failure")), "{refused}");
    assert_eq!(refused["column"], 3, "{refused}");
    assert!(!refused.to_string().contains(&wrong), "the fault names the number");

    // The one in use stays, and answers. Of more children the list would be another municipality's.
    let list = format!("niss\n{}\n", next.children_of("11002")[..10].join("\n"));
    daemon.put("bree", "lijst.csv", list.as_bytes());
    assert!(
        daemon.wait_for_file("bree", "/outbox", "lijst.csv", groeikluis::domain::Kind::Verslag).text.contains(&month)
    );
    assert_eq!(loaded(&daemon).len(), 2);
}

#[test]
fn a_register_that_lacks_children_waits_for_somebody_to_say_that_it_is_meant() {
    let mut daemon = Plan::new().tenant(bree()).start();
    let in_place = daemon.path("register/register.csv.age");
    let (good, half) = (fs::read(&in_place).unwrap(), daemon.path("half.age"));
    let loaded = |daemon: &TestDaemon| daemon.events("register.loaded");
    let month = next_month();
    daemon.write_register(Extract::synthetic(500, 2, month).text());
    let smaller = format!("500 children of {month}");
    let refused = wait_for("the refusal", || daemon.events("register.refused").pop());
    assert_eq!(refused["reason"], "fewer-children", "{refused}");
    let told = daemon.process().wait_for_line("register refused, the one in use stays").unwrap();
    assert!(told.contains(&smaller) && told.contains("--accept-change"), "{told}");
    fs::rename(&in_place, &half).unwrap();
    replace(&in_place, &good);
    wait_until("the good one again", || loaded(&daemon).len() == 2);

    let load = |more: &[&str]| daemon.groeikluis(&[&["register", "load", half.to_str().unwrap()], more].concat());
    let ran = load(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in [smaller.as_str(), "and the one in use 2000 children of ", "--accept-change"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert_eq!(fs::read(&in_place).unwrap(), good);
    assert!(load(&["--accept-change"]).well().stdout.contains("(was 2000 children of "));
    let in_use = daemon.path("state/register-in-use.json");
    wait_until("the smaller one", || fs::read_to_string(&in_use).unwrap().contains("\"children\":500,"));
    let told: Value = serde_json::from_str(&load(&["--json"]).well().stdout).unwrap();
    assert_eq!((&told["month"], &told["children"]), (&month.to_string().into(), &500.into()));
    assert_eq!(told["was"], *smaller);
    assert_eq!(daemon.events("register.refused").len(), 1);

    // A start compares as well, with what was in use before.
    daemon.terminate();
    replace(&in_place, &good);
    daemon.start();
    let refused = wait_for("the refusal", || daemon.events("register.refused").get(1).cloned());
    assert_eq!(refused["reason"], "earlier-month", "{refused}");
    assert!(daemon.process().wait_for_line("none is in use: lists wait").unwrap().contains("--accept-change"));
    let earlier = daemon.path("earlier.age");
    fs::write(&earlier, &good).unwrap();
    daemon.groeikluis(&["register", "load", "--accept-change", earlier.to_str().unwrap()]).well();
    daemon.wait_for_register();
}

#[test]
fn production_does_not_start_with_the_keys_that_everybody_has() {
    let laid_out = Plan::new().tenant(bree()).lay_out();
    let root = laid_out.root.path();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys-example");
    for name in ["host_ed25519", "exchange.agekey", "register.agekey"] {
        let target = root.join("keys").join(name);
        fs::write(&target, fs::read(examples.join(name)).unwrap()).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
    }
    for command in ["serve", "check"] {
        let ran = start(root, command);
        assert_eq!(ran.code, Some(CONFIGURATION), "{command}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 3, "one fault for each key: {}", ran.stderr);
        assert!(ran.stderr.contains("keys-example") || ran.stderr.contains("example"), "{}", ran.stderr);
    }
    assert!(!root.join("state").exists(), "something was made before the keys were looked at");
    // Nor with a secret that others may read.
    let laid_out = Plan::new().tenant(bree()).lay_out();
    let root = laid_out.root.path();
    fs::set_permissions(root.join("keys/log.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let ran = start(root, "serve");
    assert_eq!(ran.code, Some(CONFIGURATION), "{ran:?}");
    assert!(ran.stderr.contains("log.key"), "{}", ran.stderr);
}

#[test]
fn a_state_directory_that_others_may_write_in_is_refused() {
    let mut daemon = TestDaemon::over(Plan::new().tenant(bree()).lay_out());
    let state = daemon.path("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o770)).unwrap();
    let (_, said) = daemon.try_start(&[]).unwrap_err();
    assert!(said.contains("has mode 0770") && said.contains("with mode 0700"), "{said}");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    daemon.start();
}

#[test]
fn a_synthetic_register_is_the_same_for_the_same_seed() {
    let laid_out = Plan::new().lay_out();
    let made = |seed: &str, name: &str| {
        let out = laid_out.root.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        command
            .args(["register", "synth", "--children", "300", "--month", "2026-11", "--seed", seed, "--out"])
            .arg(&out);
        run(&mut command, b"").well();
        fs::read_to_string(out).unwrap()
    };
    let one = made("7", "one.csv");
    assert_eq!(one, made("7", "other.csv"));
    assert_ne!(one, made("8", "third.csv"));
    assert_eq!(one, Extract::synthetic(300, 7, "2026-11".parse().unwrap()).text());
}

#[test]
fn a_log_that_was_put_back_is_not_gone_on_with() {
    let mut daemon = Plan::new().tenant(bree()).start();
    let (status, _) = daemon.terminate();
    assert!(status.success());
    let old = daemon.path("old-log");
    copy_directory(&daemon.path("state/log"), &old);
    daemon.start();
    daemon.sftp("bree", "ls\n").well();
    daemon.terminate();
    let newest = daemon.path("newest-log");
    fs::rename(daemon.path("state/log"), &newest).unwrap();
    copy_directory(&old, &daemon.path("state/log"));
    let ran = daemon.groeikluis(&["serve"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("an older copy was put back"), "{}", ran.stderr);
    // With its own log it starts.
    fs::remove_dir_all(daemon.path("state/log")).unwrap();
    fs::rename(&newest, daemon.path("state/log")).unwrap();
    daemon.start();
}

#[test]
fn a_state_directory_that_is_gone_is_told_and_nothing_is_made_in_its_place() {
    let mut daemon = Plan::new().tenant(bree()).start();
    daemon.terminate();
    fs::rename(daemon.path("state"), daemon.path("kept")).unwrap();
    let left = || fs::read_dir(daemon.path("state")).into_iter().flatten().count();
    for _ in ["no directory", "an empty one, as of a mount that did not come"] {
        let ran = daemon.groeikluis(&["serve"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        for part in ["there is no transfer log in", "is mounted", "`groeikluis restore`"] {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
        assert_eq!(left(), 0);
        let _ = fs::create_dir(daemon.path("state"));
        fs::set_permissions(daemon.path("state"), fs::Permissions::from_mode(0o700)).unwrap();
    }
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(status.contains("! there is no transfer log in"), "{status}");
    fs::remove_dir(daemon.path("state")).unwrap();
    fs::rename(daemon.path("kept"), daemon.path("state")).unwrap();
    daemon.start();
}

#[test]
fn a_start_that_fails_enters_nothing_or_its_end_too() {
    let mut daemon = Plan::new().tenant(bree()).start();
    daemon.terminate();
    let entered = |daemon: &TestDaemon| ["log.started", "log.stopped"].map(|event| daemon.events(event).len());
    assert_eq!(entered(&daemon), [1, 1]);
    let identity = daemon.path("keys/exchange.agekey");
    let own = fs::read(&identity).unwrap();
    fs::write(&identity, Keyring::generate().to_file().as_str()).unwrap();
    let ran = daemon.groeikluis(&["serve"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("could not open fingerprint.key.age"), "{ran:?}");
    fs::write(&identity, own).unwrap();
    assert_eq!(entered(&daemon), [1, 1]);
    // What fails later has the log closed in order: one of another name could take its place.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = fs::read_to_string(daemon.config()).unwrap();
    fs::write(daemon.config(), text.replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string())).unwrap();
    let ran = daemon.groeikluis(&["serve"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("cannot listen on"), "{ran:?}");
    assert_eq!(entered(&daemon), [2, 2]);
    fs::write(daemon.config(), text).unwrap();
    daemon.start();
}

fn start(root: &Path, command: &str) -> crate::support::Ran {
    let mut program = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
    run(program.arg(command).arg("--config").arg(root.join("groeikluis.yaml")), b"")
}
