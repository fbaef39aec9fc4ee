//! Orders that wait for their turn: whoever gave one may go away, and hears what came of it otherwise.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::Command,
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
    assert_eq!(next_line(&mut answers), "\"go_ahead\"\n");
    (stream, answers)
}

fn next_line(answers: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    line
}

/// Gives an order and goes away before it is begun, while the daemon stands still: it has heard of neither when it goes on.
pub fn give_and_go(daemon: &mut TestDaemon, order: &Value) {
    let before = broken_off(daemon);
    let (mut stream, answers) = give(daemon, order);
    daemon.process().stand_still();
    stream.write_all(b"\n").unwrap();
    drop((stream, answers));
    daemon.process().signal(Signal::CONT);
    wait_until("the end of an order", || broken_off(daemon) > before);
}

/// What the daemon says of each command that hung up.
fn broken_off(daemon: &TestDaemon) -> usize {
    daemon.said().matches("an operator's command broke off").count()
}

/// Every order that the log would tell of, and the event by which it would; those of retention and of a refusal are among
/// their own tests.
fn orders(file: &str) -> Vec<(Value, &'static str)> {
    let assignment = "premie-2026";
    let again = json!({ "again": "bestand verloren", "dry_run": false });
    vec![
        (json!({ "run": { "assignment": assignment, "order": again } }), "assignment.run"),
        (json!({ "test": { "assignment": assignment, "file": "technical" } }), "delivery.created"),
        (json!({ "report": { "assignment": assignment } }), "delivery.created"),
        (json!({ "merge": { "former": ["oudstad"], "into": "torhout", "dry_run": false } }), "tenant.merged"),
        (
            json!({ "withdraw": { "tenant": "torhout", "file": file, "motive": "verkeerde maand" } }),
            "delivery.withdrawn",
        ),
    ]
}

#[test]
fn an_order_is_not_begun_once_whoever_gave_it_is_gone() {
    let (mut daemon, file) = daemon();
    fs::remove_file(daemon.path("tenants/oudstad.yaml")).unwrap();
    wait_until("oudstad to be gone", || daemon.try_session("oudstad", "oudstad").is_err());
    let entered = |daemon: &TestDaemon, event: &str| daemon.events(event).len();
    for (order, event) in orders(&file) {
        let before = entered(&daemon, event);
        give_and_go(&mut daemon, &order);
        assert_eq!(entered(&daemon, event), before, "{order}");
    }
    // Nor where it went away before it heard that it was taken.
    let Some((withdraw, event)) = orders(&file).pop() else { panic!("there are orders") };
    let before = broken_off(&daemon);
    let mut stream = UnixStream::connect(daemon.path("state/control")).unwrap();
    daemon.process().stand_still();
    writeln!(stream, "{}", json!({ "order": withdraw })).unwrap();
    drop(stream);
    daemon.process().signal(Signal::CONT);
    wait_until("the end of an order", || broken_off(&daemon) > before);
    assert_eq!(entered(&daemon, event), 0);
    // Who waits for it gets it done.
    let (mut stream, mut answers) = give(&daemon, &withdraw);
    stream.write_all(b"\n").unwrap();
    assert!(next_line(&mut answers).contains("\"done\""));
    assert_eq!(entered(&daemon, event), 1);
}

/// A daemon with a run under way, of letters whose text does not come, and whoever gave the order.
fn run_under_way() -> (TestDaemon, BufReader<UnixStream>) {
    let letter =
        "letters: {text: premie.md, service: \"Sociaal Huis, Markt 1, 8820 Torhout\", print_partner: drukkerij}";
    let assignment = ASSIGNMENT.replace("gegevens, rapport]", &format!("brieven]\n{letter}"));
    let torhout =
        Tenant::municipality("torhout", "31033").agreement("VUTG-2026-001").protocol(Protocol::vutg("VUTG-2026-004"));
    let daemon = Plan::new()
        .children(20_000)
        .tenant(torhout)
        .tenant(Tenant::print_partner("drukkerij"))
        .file("assignments/premie.yaml", &assignment)
        .file("assignments/premie.md", "# Premie\n\nVoor {kinderen}.\n")
        .start();
    // The run waits for who writes it.
    let text = daemon.path("assignments/premie.md");
    fs::remove_file(&text).unwrap();
    assert!(Command::new("mkfifo").arg(&text).status().unwrap().success());
    let run = json!({ "run": { "assignment": "premie-2026", "order": { "again": null, "dry_run": false } } });
    let (mut stream, mut answers) = give(&daemon, &run);
    stream.write_all(b"\n").unwrap();
    assert_eq!(next_line(&mut answers), "\"under_way\"\n");
    (daemon, answers)
}

/// The run gets no text, and whoever gave the order hears that.
fn is_refused(daemon: &TestDaemon, answers: BufReader<UnixStream>) -> bool {
    let text = daemon.path("assignments/premie.md");
    let writer = fs::OpenOptions::new().write(true).open(&text).unwrap();
    fs::remove_file(&text).unwrap();
    drop(writer);
    let refused = answers.lines().map(Result::unwrap).find(|line| line.contains("refused"));
    refused.is_some_and(|line| line.contains("the letters cannot be made so"))
}

#[test]
fn whoever_waits_hears_that_the_daemon_is_at_it() {
    let (daemon, mut answers) = run_under_way();
    assert_eq!(next_line(&mut answers), "\"under_way\"\n");
    assert!(is_refused(&daemon, answers));
}

#[test]
fn a_stop_waits_for_the_order_that_is_under_way() {
    let (mut daemon, answers) = run_under_way();
    daemon.process().signal(Signal::TERM);
    // No more orders are taken.
    wait_until("the stop", || UnixStream::connect(daemon.path("state/control")).is_err());
    assert!(is_refused(&daemon, answers), "{}", daemon.said());
    assert!(daemon.terminate().0.success());
}

/// A command that gives an order, to a daemon that says so much of it and then nothing for good.
fn hung(daemon: &TestDaemon, socket: &UnixListener, says: &str) -> String {
    let asks = ["delivery", "withdraw", "torhout", "bestand.csv.age", "--reason", "verkeerde maand"];
    std::thread::scope(|scope| {
        let ran = scope.spawn(|| daemon.groeikluis(&asks));
        let (mut stream, _) = socket.accept().unwrap();
        stream.write_all(says.as_bytes()).unwrap();
        let ran = ran.join().unwrap();
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("it said nothing for 10 seconds"), "{ran:?}");
        ran.stderr
    })
}

#[test]
fn a_daemon_that_hangs_is_not_waited_for_for_ever() {
    let laid_out = Plan::new().tenant(Tenant::municipality("torhout", "31033")).lay_out();
    let daemon = TestDaemon::over(laid_out);
    fs::create_dir_all(daemon.path("state")).unwrap();
    let socket = UnixListener::bind(daemon.path("state/control")).unwrap();
    let untaken = hung(&daemon, &socket, "");
    assert!(untaken.contains("does not answer") && !untaken.contains("may have been done"), "{untaken}");
    let taken = hung(&daemon, &socket, "\"go_ahead\"\n\"under_way\"\n\"under_way\"\n");
    assert!(taken.contains("it may have been done"), "{taken}");
    assert_eq!(taken.matches("the daemon has it, and is not done yet").count(), 1, "{taken}");
}
