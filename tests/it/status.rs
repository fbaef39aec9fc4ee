//! `status`, once and as a view that stays, on a terminal of another make.

use std::{fs, path::Path};

use groeikluis::domain::Kind;
use jiff::ToSpan;
use serde_json::Value;

use crate::{
    clients::program::Program,
    support::{Plan, Protocol, Tenant, TestDaemon, wait_until},
};

/// A deployment with something to see: an answered list, a refused one, a protocol that ends.
fn busy() -> TestDaemon {
    let today = groeikluis::durable::Clock::system().today();
    let ending = Protocol::new("OPG-2026-018").valid(today.saturating_sub(2.months()), today.saturating_add(20.days()));
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017"));
    let lokeren = Tenant::municipality("lokeren", "46029").protocol(ending);
    let daemon = Plan::new().children(20_000).tenant(bree).tenant(lokeren).start();
    let children = daemon.extract().children_of("72004").into_iter().take(5).collect::<Vec<_>>().join("\n");
    daemon.put("bree", "kinderen.csv", format!("niss\n{children}\n").as_bytes());
    daemon.answer("bree", "kinderen.csv");
    daemon.put("bree", "stuk.csv", b"niss\n1\n2\n");
    daemon.rejection("bree", "stuk.csv");
    let session = daemon.session("bree");
    session.upload("/test/inbox/proef.csv", b"niss\n1\n2\n").unwrap();
    session.close();
    daemon.wait_for_file("bree", "/test/outbox", "proef.csv", Kind::Weigering);
    daemon
}

#[test]
fn a_start_without_a_register_is_told_as_that() {
    let laid_out = Plan::new().lay_out();
    fs::remove_file(laid_out.root.path().join("register/register.csv.age")).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    daemon.process().wait_for_line("register refused and none is in use: lists wait").unwrap();
    let told = "! no register is in use, lists wait: the register was refused at ";
    wait_until("status to tell it", || daemon.groeikluis(&["status"]).well().stdout.contains(told));
    let status = daemon.groeikluis(&["status"]).well().stdout;
    let why = format!(": the file cannot be read ({} is missing)", daemon.path("register/register.csv.age").display());
    assert!(status.contains(&why), "{status}");
}

#[test]
fn an_entry_that_cannot_be_read_hides_nothing_else() {
    let mut daemon = busy();
    daemon.terminate();
    let size = groeikluis::transfer_log::published_size(&daemon.path("state/log")).unwrap();
    let bundle = daemon.path(format!("state/log/tile/entries/000.p/{size}"));
    let whole = fs::read(&bundle).unwrap();
    // The name of a field of some entry.
    let name = b"\"@timestamp\"";
    let at = whole.windows(name.len()).position(|part| part == name).unwrap();
    let mut changed = whole.clone();
    changed[at + 2] ^= 1;
    fs::write(&bundle, &changed).unwrap();
    let status = daemon.groeikluis(&["status"]).well().stdout;
    for part in
        ["! not all of the transfer log can be read: entry 0", "`groeikluis audit verify`", "- bree: list refused at"]
    {
        assert!(status.contains(part), "{part} is not in:\n{status}");
    }
    fs::write(&bundle, &whole).unwrap();
    assert!(!daemon.groeikluis(&["status"]).well().stdout.contains("not all of the transfer log"));
}

#[test]
fn one_screen_tells_what_needs_a_hand() {
    let mut daemon = busy();
    let text = daemon.groeikluis(&["status"]).well().stdout;
    for part in [
        "the daemon is running; register 20",
        "needs a hand:",
        "bree: list refused at",
        "list-too-many-invalid",
        "lokeren: protocol OPG-2026-018 ends on",
        "not fetched",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    // Times are told with their zone; and that nothing is urgent by an exit code too, where it is asked for.
    let refused = text.lines().find(|line| line.contains("list refused at")).unwrap();
    assert!(refused.contains(" CET: ") || refused.contains(" CEST: "), "{refused}");
    daemon.groeikluis(&["status", "--exit-code"]).well();
    let json: Value = serde_json::from_str(&daemon.groeikluis(&["status", "--json"]).well().stdout).unwrap();
    assert_eq!((&json["running"], &json["tenants"]["bree"]["answered"]), (&Value::Bool(true), &Value::from(1)));
    assert_eq!(json["needs"][0]["urgent"], false, "{json}");
    // A trial is its tenant's own; of what was refused for one reason there is one line.
    assert_eq!(text.matches("refused").count(), 2, "a need and the table's head:\n{text}");
    for name in ["nog.csv", "weer.csv"] {
        daemon.put("bree", name, b"niss\n1\n2\n");
        daemon.rejection("bree", name);
    }
    let text = daemon.groeikluis(&["status"]).well().stdout;
    assert!(text.contains("- bree: 3 lists refused, the last at "), "{text}");
    assert_eq!(text.matches("list-too-many-invalid").count(), 1, "{text}");
    let (status, _) = daemon.terminate();
    assert!(status.success());
    let text = daemon.groeikluis(&["status"]).well().stdout;
    assert!(text.contains("! the daemon is not running"), "{text}");
    for asked in [&["status", "--exit-code"][..], &["status", "--exit-code", "--json"]] {
        let urgent = daemon.groeikluis(asked);
        assert!(urgent.code == Some(2) && urgent.stderr.is_empty(), "{urgent:?}");
        assert!(urgent.stdout.contains("the daemon is not running"), "{urgent:?}");
    }
    let ran = daemon.groeikluis(&["status", "--watch"]);
    assert!(ran.code == Some(64) && ran.stderr.contains("needs a terminal"), "{ran:?}");
}

/// What the terminal tells of a run of `status --watch`; none where there is no such terminal.
fn watch(daemon: &TestDaemon, size: (u16, u16), keys: &str, end: &str) -> Option<Value> {
    let python = Program::installed("status --watch", "python/bin/python3")?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/watch_terminal.py");
    let (columns, lines) = (size.0.to_string(), size.1.to_string());
    let config = daemon.config();
    let arguments = [script, &columns, &lines, "q quit", keys, end, "--", env!("CARGO_BIN_EXE_groeikluis")];
    let program = ["status", "--watch", "--config", config.to_str().unwrap()];
    let ran = python.run_in(Path::new(".")).args(arguments).args(program).run();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    Some(serde_json::from_str(&ran.stdout).unwrap())
}

#[test]
fn the_view_on_a_terminal_follows_keys_and_gives_the_terminal_back() {
    let daemon = busy();
    for (size, keys, end) in
        [((80, 24), "down,tab,tab,pgdn,end", "q"), ((160, 48), "", "SIGTERM"), ((80, 24), "", "SIGHUP")]
    {
        let Some(told) = watch(&daemon, size, keys, end) else { return };
        let first = told["first"].as_str().unwrap();
        for part in ["running", "Needs a hand (2)", "bree: list refused", "Tenants", "Events", "Traffic"] {
            assert!(first.contains(part), "{part} at {size:?}:\n{first}");
        }
        if !keys.is_empty() {
            assert!(told["after"].as_str().unwrap().contains("log.started"), "{}", told["after"].as_str().unwrap());
        }
        assert_eq!(told["status"], 0, "{told}");
        for part in ["left_alternate_screen", "cursor_shown", "modes_restored"] {
            assert_eq!(told[part], true, "{part} after {end}");
        }
        if let Some(kept) = std::env::var_os("GROEIKLUIS_SCREENS") {
            let name = format!("watch-{}x{}-{end}.txt", size.0, size.1);
            fs::write(Path::new(&kept).join(name), format!("{first}\n\n{}", told["after"].as_str().unwrap())).unwrap();
        }
    }
}

#[test]
fn an_inbox_with_little_room_left_is_told() {
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017"));
    let daemon = Plan::new().tenant(bree.limits("upload_bytes: 1MiB, inbox_bytes: 1MiB")).start();
    let text = daemon.groeikluis(&["status"]).well().stdout;
    assert!(!text.contains("inbox_bytes"), "{text}");
    daemon.put("bree", "groot.csv", &b"naam\n".repeat(120_000));
    let text = daemon.groeikluis(&["status"]).well().stdout;
    assert!(text.contains("- bree: its uploads take") && text.contains("of 1MiB (`inbox_bytes`)"), "{text}");
}
