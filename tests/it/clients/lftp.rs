//! lftp: `get`, `put`, `mirror` both ways, and going on where it broke off.

use std::fs;

use super::{
    program::{Expect, Program},
    stage::{EXAMPLE, FEW, MANY, OUTBOX, Stage, USER, list},
};
use crate::support::Ran;

const LFTP: &str = "lftp";

fn lftp(program: &Program, stage: &Stage, port: u16, commands: &str) -> Ran {
    let connect = format!(
        "ssh -a -x -F /dev/null -i {} -o UserKnownHostsFile={} -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR",
        stage.key().display(),
        stage.known_hosts().display()
    );
    let script = format!(
        "set sftp:connect-program \"{connect}\"; set cmd:fail-exit yes; set net:max-retries 1; set net:reconnect-interval-base 1; \
         open -u {USER}, sftp://127.0.0.1:{port}; {commands}"
    );
    program.run_in(stage.desk()).args(["--norc", "-c", &script]).run()
}

#[test]
fn transfers() {
    let Some(program) = Program::find(LFTP, "lftp") else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    stage.write("half.csv", list(FEW - 1));
    let ran = lftp(
        &program,
        &stage,
        stage.port(),
        "ls /; cls -l /test/outbox; get /test/outbox/voorbeeldlijst.csv; cd /test/inbox; put a.csv; \
         put a.csv -o b.csv.part; mv b.csv.part b.csv; \
         put half.csv -o c.csv.part; put a.csv -o c.csv.part; mv c.csv.part c.csv; put a.csv -o weg.part; rm weg.part",
    );
    let ran = ran.clean();
    assert!(ran.stdout.contains("lokeren") && ran.stdout.contains(EXAMPLE), "{}", ran.stdout);
    assert_eq!(stage.read(EXAMPLE), stage.remote(&format!("{OUTBOX}/{EXAMPLE}")));
    for name in ["a.csv", "b.csv", "c.csv"] {
        stage.assert_answered(name, FEW);
    }
    assert_eq!(stage.size("weg.part"), None);
}

#[test]
fn mirrors() {
    let Some(program) = Program::find(LFTP, "lftp") else { return };
    let stage = Stage::set();
    fs::create_dir(stage.desk().join("uit")).unwrap();
    stage.write("uit/a.csv", list(FEW));
    stage.write("uit/b.csv", list(FEW + 1));
    lftp(&program, &stage, stage.port(), "mirror -R uit /test/inbox").clean();
    stage.assert_answered("a.csv", FEW);
    stage.assert_answered("b.csv", FEW + 1);
    lftp(&program, &stage, stage.port(), "mirror /test/outbox in").clean();
    for name in stage.session().names(OUTBOX).unwrap() {
        assert_eq!(stage.read(&format!("in/{name}")), stage.remote(&format!("{OUTBOX}/{name}")), "{name}");
    }
    let again = lftp(&program, &stage, stage.port(), "mirror --verbose --only-newer /test/outbox in").clean();
    // Only the example is made anew for each session.
    assert!(!again.all().contains(".age"), "nothing changed: {}", again.all());
}

#[test]
fn resumes() {
    let Some(program) = Program::find(LFTP, "lftp") else { return };
    let stage = Stage::set();
    let sealed = stage.sealed_list(MANY);
    stage.write("lijst.csv.age", &sealed);
    let broken = lftp(&program, &stage, stage.breaking().port(), "put lijst.csv.age -o /test/inbox/lijst.csv.age");
    assert_ne!(broken.code, Some(0), "the connection should have broken");
    stage.assert_broken_off("lijst.csv.age", &sealed);
    let guide = stage.remote("/LEESMIJ.txt");
    stage.write("LEESMIJ.txt", &guide[..guide.len() / 2]);
    let commands = "put -c lijst.csv.age -o /test/inbox/lijst.csv.age; get -c /LEESMIJ.txt";
    lftp(&program, &stage, stage.port(), commands).clean();
    assert_eq!(stage.read("LEESMIJ.txt"), guide);
    stage.assert_arrived("lijst.csv.age", &sealed, MANY);
}

#[test]
fn shows_refusals() {
    let Some(program) = Program::find(LFTP, "lftp") else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    for (command, shown) in [
        ("put a.csv -o /a.csv", "uploaden kan alleen in /inbox en /test/inbox"),
        ("put a.csv -o /test/inbox/a.pdf", "alleen lijsten in .csv, .txt of .xlsx"),
        ("rm /LEESMIJ.txt", "hoort bij de postbus en kan niet gewijzigd worden"),
        ("mkdir /map", "mappen maken of verwijderen kan hier niet"),
    ] {
        lftp(&program, &stage, stage.port(), command).refused(shown);
    }
}
