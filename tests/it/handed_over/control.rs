//! Handing a file over to the running daemon: one at a time, and nobody is told that nothing was done when it may have been.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
};

use super::*;

const DELIVER: [&str; 4] = ["deliver", "torhout", PROTOCOL, "betaling"];

/// One who asks the daemon by its socket, to hand over a file of so many bytes.
fn ask_to_deliver(daemon: &TestDaemon, bytes: usize) -> (UnixStream, BufReader<UnixStream>) {
    let mut stream = UnixStream::connect(daemon.path("state/control")).unwrap();
    let delivery = "0a".repeat(16);
    let request = format!(
        "{{\"deliver\":{{\"delivery\":\"{delivery}\",\"tenant\":\"torhout\",\"protocol\":\"{PROTOCOL}\",\
         \"kind\":\"betaling\",\"bytes\":{bytes},\"again\":false}}}}\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let answers = BufReader::new(stream.try_clone().unwrap());
    (stream, answers)
}

fn next_line(answers: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    line
}

#[test]
fn one_that_is_handed_over_keeps_no_other_command_waiting() {
    let daemon = plan(Protocol::vutg(PROTOCOL)).start();
    let file = payments(25);
    let (mut first, mut answers) = ask_to_deliver(&daemon, file.len());
    assert_eq!(next_line(&mut answers), "\"go_ahead\"\n");
    // More than there are places for requests.
    let others: Vec<_> = (0..10).map(|_| ask_to_deliver(&daemon, file.len())).collect();
    for (_, mut answers) in others {
        let answer = next_line(&mut answers);
        assert!(answer.contains("another file is being handed over: try again"), "{answer}");
    }
    daemon.groeikluis(&["retention", "--dry-run"]).well();
    drop((first, answers));
    // Who went away before it handed over a whole file handed over nothing.
    daemon.groeikluis_reading(&DELIVER, payments(26).as_bytes()).well();
    (first, answers) = ask_to_deliver(&daemon, file.len());
    assert_eq!(next_line(&mut answers), "\"go_ahead\"\n");
    first.write_all(file.as_bytes()).unwrap();
    assert!(next_line(&mut answers).contains("\"done\""));
    let amounts: Vec<Value> =
        daemon.events("delivery.created").iter().map(|created| created["amount_total"].clone()).collect();
    assert_eq!(amounts, ["26.00", "25.00"]);
    let last = &daemon.events("delivery.created")[1];
    assert_eq!(last["delivery_id"], "0a".repeat(16), "by which the log tells of it");
    // And by which it is known again, whatever is in it.
    let other = payments(27);
    (first, answers) = ask_to_deliver(&daemon, other.len());
    assert_eq!(next_line(&mut answers), "\"go_ahead\"\n");
    first.write_all(other.as_bytes()).unwrap();
    assert!(next_line(&mut answers).contains("the log has that delivery already"));
    assert_eq!(daemon.events("delivery.created").len(), 2);
}

#[test]
fn what_nobody_waits_for_any_more_does_not_leave() {
    let daemon = plan(Protocol::vutg(PROTOCOL)).start();
    // Long enough that who handed it over is gone before it is read.
    let rows = "1;x;BE68539007547034;1.00\n".repeat(50_000);
    let file = format!("volgnummer;rekeninghouder;iban;bedrag\n{rows}");
    let (mut stream, mut answers) = ask_to_deliver(&daemon, file.len());
    assert_eq!(next_line(&mut answers), "\"go_ahead\"\n");
    stream.write_all(file.as_bytes()).unwrap();
    drop((stream, answers));
    let after = || daemon.groeikluis_reading(&DELIVER, payments(26).as_bytes()).code == Some(0);
    wait_until("the next one to have its turn", after);
    let created = daemon.events("delivery.created");
    assert_eq!((created.len(), &created[0]["amount_total"]), (1, &"26.00".into()));
}

#[test]
fn a_file_that_may_have_left_is_not_told_as_one_that_did_not() {
    let laid_out = plan(Protocol::vutg(PROTOCOL)).lay_out();
    let daemon = TestDaemon::over(laid_out);
    fs::create_dir_all(daemon.path("state")).unwrap();
    let socket = UnixListener::bind(daemon.path("state/control")).unwrap();
    let file = payments(25);
    // A daemon that is killed before it asks for the file, after it has it, and one whose log fails.
    for (asks, answer) in [(false, ""), (true, ""), (true, "{\"unknown\":\"the log failed\"}\n")] {
        let (ran, delivery) = std::thread::scope(|scope| {
            let ran = scope.spawn(|| daemon.groeikluis_reading(&DELIVER, file.as_bytes()));
            let (mut stream, _) = socket.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap());
            let asked: Value = serde_json::from_str(&next_line(&mut request)).unwrap();
            if asks {
                stream.write_all(b"\"go_ahead\"\n").unwrap();
                let mut taken = vec![0; file.len()];
                request.read_exact(&mut taken).unwrap();
                assert_eq!(taken, file.as_bytes());
                stream.write_all(answer.as_bytes()).unwrap();
            }
            drop((stream, request));
            (ran.join().unwrap(), asked["deliver"]["delivery"].as_str().unwrap().to_owned())
        });
        assert_eq!(ran.code, Some(1));
        assert_eq!(ran.stderr.contains("the file may have left"), asks, "{}", ran.stderr);
        assert_eq!(ran.stderr.contains(&delivery), asks, "{}", ran.stderr);
        assert!(!ran.stderr.contains("did not do it"), "{}", ran.stderr);
    }
}
