//! The commands that the demo prints, as they are pasted into a shell.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use super::program::{Expect, Program};
use crate::support::{Ran, wait_until};

/// A demo that stays up; it is gone with this.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines that a demo prints to be pasted, to the last.
fn printed(demo: &mut Demo) -> Vec<String> {
    let lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut commands = Vec::new();
    for line in lines.skip_while(|line| !line.starts_with("The demo stays up")) {
        commands.extend(line.strip_prefix("  ").map(str::to_owned));
        if line.contains(" audit report ") {
            break;
        }
    }
    commands
}

/// The answers that lie in a directory, without their manifests.
fn answers(directory: &Path) -> usize {
    let names = fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("sociale-toeslag_") && name.ends_with(".csv.age")).count()
}

#[test]
fn what_the_demo_prints_sends_a_list_and_fetches_its_answer() {
    let desk = tempfile::Builder::new().prefix("groeikluis demo's ").tempdir().unwrap();
    let demo = Command::new(env!("CARGO_BIN_EXE_groeikluis"))
        .args(["demo", "--listen", "127.0.0.1:0", "--dir"])
        .arg(desk.path())
        .stdout(Stdio::piped())
        .spawn();
    let mut demo = Demo(demo.unwrap());
    let commands = printed(&mut demo);
    let shell = Program::find("a shell", "sh").unwrap();
    let run = |line: &str| shell.run_in(Path::new("/")).args(["-c", &format!("{} && {line}", commands[0])]).run();
    let published = desk.path().join("state/boxes/lokeren/test-outbox");
    let mut tried = 0;
    for (client, program, mark) in [
        ("OpenSSH", "sftp", "sftp -P"),
        ("lftp", "lftp", "lftp -e"),
        ("rclone", "rclone", "rclone copy"),
        ("PuTTY psftp", "psftp", "psftp -batch"),
    ] {
        if Program::find(client, program).is_none() {
            continue;
        }
        let of_client = |line: &&String| line.contains(mark) || (program == "psftp" && line.starts_with("puttygen "));
        let lines: Vec<&String> = commands.iter().filter(of_client).filter(|line| !line.contains("auditor")).collect();
        let (fetching, sending) = lines.split_last().unwrap();
        assert!(!sending.is_empty(), "{client}: {commands:?}");
        for line in sending {
            let ran = run(line);
            assert_eq!(ran.code, Some(0), "{line}\n{}", ran.all());
        }
        tried += 1;
        wait_until("the answer", || answers(&published) == tried);
        let ran = run(fetching);
        assert_eq!((ran.code, answers(desk.path())), (Some(0), tried), "{fetching}\n{}", ran.all());
    }
    as_an_auditor(&commands, run, desk.path());
    let rest = commands
        .iter()
        .filter(|line| line.starts_with("for ") || line.contains(" --config ") || line.contains(" --log state/"));
    let said: Vec<String> = rest
        .filter(|line| !line.starts_with("for ") || Program::find("age", "age").is_some())
        .map(|line| {
            let ran = run(line);
            assert_eq!(ran.code, Some(0), "{line}\n{}", ran.all());
            ran.stdout
        })
        .collect();
    assert!(said.len() >= 5 && said.last().unwrap().contains("entries verified"), "{said:?}");
    if let Some(opened) = said.first().filter(|_| said.len() == 6) {
        assert_eq!(opened.matches("niss;sociale_toeslag;").count(), tried, "{opened}");
    }
}

/// The auditor copies the log, and verifies, shows and reports from the copy.
fn as_an_auditor(commands: &[String], run: impl Fn(&str) -> Ran, desk: &Path) {
    if Program::find("OpenSSH", "sftp").is_none() {
        return;
    }
    let lines: Vec<&String> = commands.iter().filter(|line| line.contains("auditor")).collect();
    assert_eq!(lines.len(), 4, "{commands:?}");
    let said: Vec<String> = lines
        .into_iter()
        .map(|line| {
            let ran = run(line);
            assert_eq!(ran.code, Some(0), "{line}\n{}", ran.all());
            ran.stdout
        })
        .collect();
    assert!(said[1].contains("entries verified") && said[2].contains("file=brieven_31033_"), "{said:?}");
    let report = fs::read_to_string(desk.join("auditor/verslag.html")).unwrap();
    assert!(report.contains("Overeenkomst VUTG-2026-001 van Stad Torhout"), "{report}");
}
