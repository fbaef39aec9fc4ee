//! OpenSSH: `sftp` with batches, at a terminal and with large requests, and `scp`.
//!
//! Its `sftp` shows the phrase of a status code and never the server's words; a list that is refused is explained in
//! the outbox.

use super::{
    program::{Expect, Program, Run},
    stage::{BREAKS_AFTER, EXAMPLE, FEW, MANY, OUTBOX, Stage, USER, list},
};

const SFTP: &str = "OpenSSH sftp";
const SCP: &str = "OpenSSH scp";

/// Options that `sftp` and `scp` share.
fn options(stage: &Stage, port: u16) -> Vec<String> {
    let mut options = vec!["-F".to_owned(), "/dev/null".to_owned(), "-P".to_owned(), port.to_string()];
    options.extend(["-i".to_owned(), stage.key().display().to_string()]);
    let known_hosts = format!("UserKnownHostsFile={}", stage.known_hosts().display());
    for option in [&known_hosts, "GlobalKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"] {
        options.extend(["-o".to_owned(), option.to_owned()]);
    }
    options
}

fn sftp(program: &Program, stage: &Stage, port: u16) -> Run {
    program.run_in(stage.desk()).args(options(stage, port)).args(["-b", "-"]).args([format!("{USER}@127.0.0.1")])
}

#[test]
fn sftp_with_a_batch() {
    let Some(program) = Program::find(SFTP, "sftp") else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    stage.write("b.csv", list(FEW + 1));
    stage.write("half.csv", list(FEW - 1));
    let ran = sftp(&program, &stage, stage.port())
        .input(
            "pwd\nls -la\nls -l /test/outbox\nget /test/outbox/voorbeeldlijst.csv\nget -p /LEESMIJ.txt\ndf -h\n\
             cd /test/inbox\nput a.csv\nput -p b.csv b.csv.part\nrename b.csv.part b.csv\n\
             put half.csv c.csv.tmp\nput -f a.csv c.csv.tmp\nrename c.csv.tmp c.csv\n\
             put a.csv weg.csv.part\nchmod 644 weg.csv.part\nrm weg.csv.part\nls -l\n",
        )
        .clean();
    assert!(ran.stdout.contains("Remote working directory: /"), "{}", ran.stdout);
    let shown = |start: &str, end: &str| ran.stdout.lines().any(|line| line.starts_with(start) && line.ends_with(end));
    assert!(shown("drwx------", " inbox") && shown("dr-x------", " outbox"), "{}", ran.stdout);
    assert!(shown("-r--------    ? lokeren  lokeren ", EXAMPLE), "{}", ran.stdout);
    assert_eq!(stage.read(EXAMPLE), stage.remote(&format!("{OUTBOX}/{EXAMPLE}")));
    assert_eq!(stage.read("LEESMIJ.txt"), stage.remote("/LEESMIJ.txt"));
    stage.assert_answered("a.csv", FEW);
    stage.assert_answered("b.csv", FEW + 1);
    stage.assert_answered("c.csv", FEW);
    assert_eq!(stage.size("weg.csv.part"), None);
}

#[test]
fn sftp_with_large_requests() {
    let Some(program) = Program::find(SFTP, "sftp") else { return };
    let stage = Stage::set();
    let sealed = stage.sealed_list(MANY);
    stage.write("groot.csv.age", &sealed);
    let ran = program.run_in(stage.desk()).args(options(&stage, stage.port())).args(["-R", "64", "-B", "262144"]);
    ran.args(["-b", "-", &format!("{USER}@127.0.0.1")])
        .input("put -f groot.csv.age /test/inbox/groot.csv.age\nget /LEESMIJ.txt\n")
        .clean();
    assert_eq!(stage.read("LEESMIJ.txt"), stage.remote("/LEESMIJ.txt"));
    stage.assert_arrived("groot.csv.age", &sealed, MANY);
}

#[test]
fn sftp_resumes() {
    let Some(program) = Program::find(SFTP, "sftp") else { return };
    let stage = Stage::set();
    let sealed = stage.sealed_list(MANY);
    assert!(sealed.len() > BREAKS_AFTER);
    stage.write("lijst.csv.age", &sealed);
    let ran = sftp(&program, &stage, stage.breaking().port()).input("put lijst.csv.age /test/inbox/lijst.csv.age\n");
    assert_ne!(ran.code, Some(0), "the connection should have broken");
    stage.assert_broken_off("lijst.csv.age", &sealed);
    let guide = stage.remote("/LEESMIJ.txt");
    stage.write("LEESMIJ.txt", &guide[..guide.len() / 2]);
    sftp(&program, &stage, stage.port())
        .input("reput lijst.csv.age /test/inbox/lijst.csv.age\nreget /LEESMIJ.txt\n")
        .clean();
    assert_eq!(stage.read("LEESMIJ.txt"), guide);
    stage.assert_arrived("lijst.csv.age", &sealed, MANY);
}

#[test]
fn sftp_shows_refusals() {
    let Some(program) = Program::find(SFTP, "sftp") else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    for (command, shown) in [
        ("put a.csv /a.csv", "dest open \"/a.csv\": Permission denied"),
        ("put a.csv /test/inbox/a.pdf", "dest open \"/test/inbox/a.pdf\": Failure"),
        ("rm /LEESMIJ.txt", "remote delete /LEESMIJ.txt: Permission denied"),
        ("mkdir /map", "remote mkdir \"/map\": Permission denied"),
        ("get /niets.csv", "File \"/niets.csv\" not found."),
        ("ln -s a b", "Operation unsupported"),
        ("cp /LEESMIJ.txt /test/inbox/a.txt", "Server does not support copy-data extension"),
    ] {
        sftp(&program, &stage, stage.port()).input(command).refused(shown);
    }
    stage.assert_explained("a.pdf", "wrong-file-type");
}

#[test]
fn sftp_at_a_terminal() {
    let Some(python) = Program::find("OpenSSH sftp at a terminal", "python3") else { return };
    if Program::find(SFTP, "sftp").is_none() {
        return;
    }
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clients/scripts/terminal.py");
    let ran = python.run_in(stage.desk()).args([script, "sftp"]).args(options(&stage, stage.port()));
    let ran = ran.args([format!("{USER}@127.0.0.1")]);
    let ran = ran.input("ls /\nprogress\ncd /test/inbox\nput a.csv\nget /LEESMIJ.txt\nput a.csv /a.csv\nbye\n");
    let shown = ran.all();
    assert_eq!(ran.code, Some(0), "{shown}");
    assert!(shown.contains("Connected to 127.0.0.1.") && shown.contains("LEESMIJ.txt"), "{shown}");
    assert!(shown.contains("dest open \"/a.csv\": Permission denied"), "{shown}");
    assert_eq!(stage.read("LEESMIJ.txt"), stage.remote("/LEESMIJ.txt"));
    stage.assert_answered("a.csv", FEW);
}

#[test]
fn scp() {
    let Some(program) = Program::find(SCP, "scp") else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    let scp = |arguments: &[&str]| program.run_in(stage.desk()).args(options(&stage, stage.port())).args(arguments);
    // Debian 11's scp needs -s to speak SFTP; later ones take it too.
    let ran = scp(&["-s", "-q", "a.csv", "lokeren@127.0.0.1:/test/inbox/"]).run().clean();
    assert_eq!(ran.all(), "");
    scp(&["-s", "-p", "a.csv", "lokeren@127.0.0.1:/test/inbox/b.csv"]).run().clean();
    stage.assert_answered("a.csv", FEW);
    stage.assert_answered("b.csv", FEW);
    scp(&["-s", "-r", "lokeren@127.0.0.1:/test/outbox", "uit"]).run().clean();
    assert_eq!(stage.read("uit/voorbeeldlijst.csv"), stage.remote("/test/outbox/voorbeeldlijst.csv"));
    let names = stage.session().names(OUTBOX).unwrap();
    assert_eq!(std::fs::read_dir(stage.desk().join("uit")).unwrap().count(), names.len());
    scp(&["-s", "a.csv", "lokeren@127.0.0.1:/a.csv"]).run().refused("dest open \"/a.csv\": Permission denied");
}

#[test]
fn no_shell_and_no_old_scp() {
    let Some(program) = Program::find(SCP, "scp") else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    let old = program.run_in(stage.desk()).args(options(&stage, stage.port()));
    let ran = old.args(["-O", "a.csv", "lokeren@127.0.0.1:/test/inbox/"]).run();
    ran.refused("Deze server biedt alleen SFTP: geen shell en geen opdrachten.");
    let Some(ssh) = Program::find("OpenSSH ssh", "ssh") else { return };
    let mut options = options(&stage, stage.port());
    options[2] = "-p".to_owned();
    let ran = ssh.run_in(stage.desk()).args(options).args(["lokeren@127.0.0.1", "ls"]).run();
    ran.refused("Deze server biedt alleen SFTP: geen shell en geen opdrachten.");
}
