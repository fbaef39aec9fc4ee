//! rclone: `copy`, `sync`, `check`, its `.partial` names, with `shell_type=none` and with its own settings.

use std::fs;

use super::{
    program::{Expect, Program},
    stage::{EXAMPLE, FEW, OUTBOX, Stage, USER, list},
};
use crate::support::Ran;

const RCLONE: &str = "rclone";

/// Settings of the guide, and what speaks for `shell_type=none`: without it rclone tries commands first.
const GUIDED: &str = ",shell_type=none";
const PLAIN: &str = "";

/// Runs rclone with `REMOTE` standing for the drop-box.
fn rclone(program: &Program, stage: &Stage, settings: &str, arguments: &[&str]) -> Ran {
    // A file that is there already, so that rclone has nothing to say about it.
    let config = stage.write("rclone.conf", "");
    let remote = format!(
        ":sftp,host=127.0.0.1,port={},user={USER},key_file=\"{}\",known_hosts_file=\"{}\"{settings}:",
        stage.port(),
        stage.key().display(),
        stage.known_hosts().display()
    );
    let arguments = arguments.iter().map(|argument| argument.replace("REMOTE/", &remote));
    program.run_in(stage.desk()).args(arguments).args(["--retries", "1"]).env("RCLONE_CONFIG", config).run()
}

#[test]
fn copies_and_checks() {
    let Some(program) = Program::find(RCLONE, "rclone") else { return };
    let stage = Stage::set();
    let run = |arguments: &[&str]| rclone(&program, &stage, GUIDED, arguments);
    stage.write("a.csv", list(FEW));
    stage.write("half.csv", list(FEW - 1));
    let listed = run(&["lsl", "REMOTE//"]).clean();
    assert!(listed.stdout.contains("LEESMIJ.txt") && listed.stdout.contains(EXAMPLE), "{}", listed.stdout);
    assert_eq!(run(&["copy", "a.csv", "REMOTE/test/inbox"]).clean().all(), "");
    stage.assert_answered("a.csv", FEW);
    run(&["copyto", "a.csv", "REMOTE/test/inbox/b.csv.part"]).clean();
    run(&["moveto", "REMOTE/test/inbox/b.csv.part", "REMOTE/test/inbox/b.csv"]).clean();
    stage.assert_answered("b.csv", FEW);
    run(&["copyto", "half.csv", "REMOTE/test/inbox/c.csv.part"]).clean();
    run(&["copyto", "a.csv", "REMOTE/test/inbox/c.csv.part", "--ignore-times"]).clean();
    run(&["moveto", "REMOTE/test/inbox/c.csv.part", "REMOTE/test/inbox/c.csv"]).clean();
    stage.assert_answered("c.csv", FEW);
    run(&["copyto", "a.csv", "REMOTE/test/inbox/weg.csv.part"]).clean();
    run(&["deletefile", "REMOTE/test/inbox/weg.csv.part"]).clean();
    assert_eq!(stage.size("weg.csv.part"), None);
    run(&["copy", "REMOTE/test/outbox", "in"]).clean();
    let names = stage.session().names(OUTBOX).unwrap();
    for name in &names {
        assert_eq!(stage.read(&format!("in/{name}")), stage.remote(&format!("{OUTBOX}/{name}")), "{name}");
    }
    let checked = run(&["check", "--download", "REMOTE/test/outbox", "in"]);
    assert_eq!(checked.code, Some(0), "{}", checked.all());
    let expected = [format!("{} matching files", names.len()), "0 differences found".to_owned()];
    assert!(expected.iter().all(|part| checked.all().contains(part)), "{}", checked.all());
}

#[test]
fn syncs_both_ways() {
    let Some(program) = Program::find(RCLONE, "rclone") else { return };
    let stage = Stage::set();
    fs::create_dir(stage.desk().join("uit")).unwrap();
    stage.write("uit/a.csv", list(FEW));
    stage.write("uit/b.csv", list(FEW + 1));
    rclone(&program, &stage, GUIDED, &["sync", "uit", "REMOTE/test/inbox"]).clean();
    stage.assert_answered("a.csv", FEW);
    stage.assert_answered("b.csv", FEW + 1);
    rclone(&program, &stage, GUIDED, &["sync", "REMOTE/test/outbox", "in"]).clean();
    let again = rclone(&program, &stage, GUIDED, &["sync", "-v", "REMOTE/outbox", "leeg"]);
    assert_eq!(again.code, Some(0), "{}", again.all());
    assert_eq!(stage.read("in/voorbeeldlijst.csv"), stage.remote("/test/outbox/voorbeeldlijst.csv"));
}

/// Its settings by default try a shell for hashes, and go on without.
#[test]
fn needs_no_shell() {
    let Some(program) = Program::find(RCLONE, "rclone") else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    let ran = rclone(&program, &stage, PLAIN, &["copy", "a.csv", "REMOTE/test/inbox"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    stage.assert_answered("a.csv", FEW);
    let ran = rclone(&program, &stage, PLAIN, &["copy", "REMOTE/LEESMIJ.txt", "."]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert_eq!(stage.read("LEESMIJ.txt"), stage.remote("/LEESMIJ.txt"));
}

/// rclone 1.63 and later write `NAME.<eight digits>.partial` and rename it; older ones do not know of it.
#[test]
fn partial_names() {
    let Some(program) = Program::find(RCLONE, "rclone") else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    rclone(&program, &stage, GUIDED, &["copyto", "a.csv", "REMOTE/test/inbox/a.csv.5d1c2b3a.partial"]).clean();
    assert_eq!(stage.size("a.csv.5d1c2b3a.partial"), Some(list(FEW).len() as u64));
    let arguments = ["moveto", "REMOTE/test/inbox/a.csv.5d1c2b3a.partial", "REMOTE/test/inbox/a.csv"];
    rclone(&program, &stage, GUIDED, &arguments).clean();
    stage.assert_answered("a.csv", FEW);
}

/// rclone resumes nothing: it sends a file that broke off anew, over what is there.
#[test]
fn sends_anew_what_broke_off() {
    let Some(program) = Program::find(RCLONE, "rclone") else { return };
    let stage = Stage::set();
    let sealed = stage.sealed_list(super::stage::MANY);
    stage.write("lijst.csv.age", &sealed);
    let port = stage.breaking().port();
    let config = stage.write("rclone.conf", "");
    let remote = format!(
        ":sftp,host=127.0.0.1,port={port},user={USER},key_file=\"{}\",known_hosts_file=\"{}\",shell_type=none:",
        stage.key().display(),
        stage.known_hosts().display()
    );
    let broken = program.run_in(stage.desk()).env("RCLONE_CONFIG", config);
    let options = ["--retries", "1", "--low-level-retries", "1", "--contimeout", "5s"];
    let broken = broken.args(["copy", "lijst.csv.age", &format!("{remote}test/inbox")]).args(options).run();
    assert_ne!(broken.code, Some(0), "the connection should have broken");
    stage.assert_broken_off("lijst.csv.age", &sealed);
    rclone(&program, &stage, GUIDED, &["copy", "lijst.csv.age", "REMOTE/test/inbox"]).clean();
    stage.assert_arrived("lijst.csv.age", &sealed, super::stage::MANY);
}

/// Of a refusal with the status "permission denied" rclone shows that only; of others, the server's words.
#[test]
fn shows_refusals() {
    let Some(program) = Program::find(RCLONE, "rclone") else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    for (arguments, shown) in [
        (["copyto", "a.csv", "REMOTE/a.csv"], "permission denied"),
        (["copyto", "a.csv", "REMOTE/test/inbox/a.pdf"], "alleen lijsten in .csv, .txt of .xlsx"),
        (["deletefile", "REMOTE/LEESMIJ.txt", "-q"], "permission denied"),
    ] {
        rclone(&program, &stage, GUIDED, &arguments).refused(shown);
    }
}
