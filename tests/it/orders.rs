//! Orders that wait for their turn: whoever gave one may go away, and hears what came of it otherwise.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Plan, Protocol, Tenant, TestDaemon, wait_until};

/// An assignment of Torhout that needs no letter.
const ASSIGNMENT: &str = "id: premie-2026\ntenant: torhout\nreference: VUTG-2026-004\npurpose: \"schoolpremie\"\n\
    criteria: {any_of: [sociale_toeslag]}\nunit: child\nproduce: [gegevens, rapport]\n";

/// With a delivery in the outbox of Torhout.
fn daemon() -> (TestDaemon, String) {
    let torhout = Tenant::municipality("torhout", "31033").protocol(Protocol::vutg("VUTG-2026-004"));
    let oudstad = Tenant::municipality("oudstad", "72004");
    let plan = Plan::new().children(20_000).tenant(torhout).tenant(oudstad);
    let daemon = plan.file("assignments/premie.yaml", ASSIGNMENT).start();
    let made = daemon.groeikluis(&["assignment", "run", "premie-2026", "--json"]).well().stdout;
    let made: Value = serde_json::from_str(&made).unwrap();
    let file = made["made"][0]["file"].as_str().unwrap().to_owned();
    (daemon, file)
}

/// Gives an order; answers once the daemon has taken it.
fn give(daemon: &TestDaemon, order: &Value) -> (UnixStream, BufReader<UnixStream>) {
    let mut stream = UnixStream::connect(daemon.path("state/control")).unwrap();
    writeln!(stream, "{}", json!({ "order": order })).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    assert_eq!(line, "\"go_ahead\"\n");
    (stream, answers)
}

/// What the daemon says of each command that hung up.
fn broken_off(daemon: &TestDaemon) -> usize {
    daemon.process().said().matches("an operator's command broke off").count()
}

/// Every order that the log would tell of, and the event by which it would.
fn orders(file: &str) -> Vec<(Value, &'static str)> {
    let assignment = "premie-2026";
    let again = json!({ "again": "bestand verloren", "dry_run": false });
    vec![
        (json!({ "run": { "assignment": assignment, "order": again } }), "assignment.run"),
        (json!({ "test": { "assignment": assignment, "file": "technical" } }), "delivery.created"),
        (json!({ "report": { "assignment": assignment } }), "delivery.created"),
        (
            json!({ "withdraw": { "tenant": "torhout", "file": file, "motive": "verkeerde maand" } }),
            "delivery.withdrawn",
        ),
        (json!({ "merge": { "former": ["oudstad"], "into": "torhout", "dry_run": false } }), "tenant.merged"),
        (json!({ "retention": { "dry_run": false } }), "delivery.expired"),
    ]
}

#[test]
fn an_order_is_not_begun_once_whoever_gave_it_is_gone() {
    let (daemon, file) = daemon();
    // What retention would remove, and whom a merger would end.
    fs::remove_file(daemon.path("tenants/oudstad.yaml")).unwrap();
    wait_until("oudstad to be gone", || daemon.try_session("oudstad", "oudstad").is_err());
    let before = |event: &str| daemon.events(event).len();
    for (number, (order, event)) in (0..).zip(orders(&file)) {
        let had = before(event);
        // While the daemon stands still, so that it has heard of neither when it goes on.
        let (mut stream, answers) = give(&daemon, &order);
        daemon.process().signal(Signal::STOP);
        stream.write_all(b"\n").unwrap();
        drop((stream, answers));
        daemon.process().signal(Signal::CONT);
        wait_until("the end of an order", || broken_off(&daemon) > number);
        assert_eq!(before(event), had, "{order}");
    }
    // Nor where it went away before it heard that it was taken.
    let (order, event) = &orders(&file)[3];
    let mut stream = UnixStream::connect(daemon.path("state/control")).unwrap();
    daemon.process().signal(Signal::STOP);
    writeln!(stream, "{}", json!({ "order": order })).unwrap();
    drop(stream);
    daemon.process().signal(Signal::CONT);
    wait_until("the end of an order", || broken_off(&daemon) > orders(&file).len());
    assert_eq!(before(event), 0);
    // Who waits gets it done.
    daemon.groeikluis(&["delivery", "withdraw", "torhout", &file, "--reason", "verkeerde maand"]).well();
    assert_eq!(before(event), 1);
}
