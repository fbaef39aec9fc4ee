//! PuTTY's `psftp`, with a key that `puttygen` converted.

use super::{
    program::{Expect, Program},
    stage::{EXAMPLE, FEW, MANY, OUTBOX, Stage, USER, list},
};
use crate::support::Ran;

const PUTTY: &str = "PuTTY psftp";

/// The programs, when both are there.
fn programs() -> Option<(Program, Program)> {
    Some((Program::find(PUTTY, "psftp")?, Program::find(PUTTY, "puttygen")?))
}

/// Converts the municipality's key, as its ICT would.
#[track_caller]
pub fn convert_key(puttygen: &Program, stage: &Stage) {
    let run = puttygen.run_in(stage.desk()).args([stage.key()]).args(["-O", "private", "-o", "key.ppk"]);
    run.run().clean();
}

fn psftp(program: &Program, stage: &Stage, port: u16, batch: &str) -> Ran {
    stage.write("batch", batch);
    let key = super::scripted::fingerprint(stage);
    program
        .run_in(stage.desk())
        .args(["-batch", "-P", &port.to_string(), "-hostkey", &key, "-i", "key.ppk", "-b", "batch"])
        .args([format!("{USER}@127.0.0.1")])
        .run()
}

#[test]
fn transfers() {
    let Some((program, puttygen)) = programs() else { return };
    let stage = Stage::set();
    convert_key(&puttygen, &stage);
    stage.write("a.csv", list(FEW));
    stage.write("half.csv", list(FEW - 1));
    let ran = psftp(
        &program,
        &stage,
        stage.port(),
        "ls\nls /test/outbox\nget /test/outbox/voorbeeldlijst.csv\ncd /test/inbox\nput a.csv\nput a.csv b.csv.part\n\
         mv b.csv.part b.csv\nput half.csv c.csv.part\nput a.csv c.csv.part\nmv c.csv.part c.csv\nput a.csv weg.part\n\
         del weg.part\n",
    );
    let said = ran.all();
    assert!(said.contains("rm /test/inbox/weg.part: OK"), "{said}");
    assert!(said.contains(EXAMPLE) && said.contains("lokeren"), "{said}");
    assert_eq!(stage.read(EXAMPLE), stage.remote(&format!("{OUTBOX}/{EXAMPLE}")));
    for name in ["a.csv", "b.csv", "c.csv"] {
        stage.assert_answered(name, FEW);
    }
    assert_eq!(stage.size("weg.part"), None);
}

#[test]
fn resumes() {
    let Some((program, puttygen)) = programs() else { return };
    let stage = Stage::set();
    convert_key(&puttygen, &stage);
    let sealed = stage.sealed_list(MANY);
    stage.write("lijst.csv.age", &sealed);
    let put = "put lijst.csv.age /test/inbox/lijst.csv.age\n";
    let broken = psftp(&program, &stage, stage.breaking().port(), put);
    assert_ne!(broken.code, Some(0), "the connection should have broken: {}", broken.all());
    stage.assert_broken_off("lijst.csv.age", &sealed);
    let guide = stage.remote("/LEESMIJ.txt");
    stage.write("LEESMIJ.txt", &guide[..guide.len() / 2]);
    psftp(&program, &stage, stage.port(), &format!("re{put}reget /LEESMIJ.txt\n")).clean();
    assert_eq!(stage.read("LEESMIJ.txt"), guide);
    stage.assert_arrived("lijst.csv.age", &sealed, MANY);
}

#[test]
fn shows_refusals() {
    let Some((program, puttygen)) = programs() else { return };
    let stage = Stage::set();
    convert_key(&puttygen, &stage);
    stage.write("a.csv", list(FEW));
    for (command, shown) in [
        ("put a.csv /a.csv\n", "/a.csv: open for write: permission denied"),
        ("put a.csv /test/inbox/a.pdf\n", "/test/inbox/a.pdf: open for write: failure"),
        ("rm /LEESMIJ.txt\n", "rm /LEESMIJ.txt: permission denied"),
        ("get /niets.csv\n", "/niets.csv: open for read: no such file or directory"),
    ] {
        psftp(&program, &stage, stage.port(), command).refused(shown);
    }
    stage.assert_explained("a.pdf", "wrong-file-type");
}
