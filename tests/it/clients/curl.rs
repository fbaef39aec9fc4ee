//! curl, where its libssh2 is 1.11 or later: older ones know no cipher and MAC that are without reproach together, and what
//! becomes of them is a test of its own.

use super::{
    super::support::wait_for,
    program::{Expect, Program, Run, skip},
    scripted::fingerprint,
    stage::{EXAMPLE, FEW, INBOX, MANY, OUTBOX, Stage, USER, list},
};

const CURL: &str = "curl";

/// The oldest libssh2 with AES-GCM, as major and minor number.
const WITH_GCM: (u32, u32) = (1, 11);

fn curl() -> Option<Program> {
    let (program, is_new) = any_curl()?;
    if !is_new {
        skip(CURL, "its libssh2 is older than 1.11, which cannot connect, as a test shows");
    }
    is_new.then_some(program)
}

/// curl, and whether its libssh2 has AES-GCM.
fn any_curl() -> Option<(Program, bool)> {
    let program = Program::find(CURL, "curl")?;
    let version = program.run_in(std::path::Path::new("/")).args(["-V"]).run().stdout;
    let Some(libssh2) = version.split_whitespace().find_map(|word| word.strip_prefix("libssh2/")) else {
        skip(CURL, "it has no sftp");
        return None;
    };
    let mut numbers = libssh2.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let is_new = (numbers.next()?, numbers.next()?) >= WITH_GCM;
    Some((program, is_new))
}

#[test]
fn one_that_is_too_old_cannot_connect_and_ops_are_told_why() {
    let Some((program, false)) = any_curl() else { return };
    let stage = Stage::set();
    let ran = at(&program, &stage, stage.port(), "/LEESMIJ.txt").run();
    // CURLE_FAILED_INIT, of libssh2's LIBSSH2_ERROR_KEX_FAILURE.
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("Failure establishing ssh session: -5"), "{}", ran.stderr);
    let told = wait_for("what was kept", || {
        let told = stage.daemon().groeikluis(&["tenant", "why", "127.0.0.1"]).well().stdout;
        Some(told).filter(|told| told.contains("no-common-algorithm"))
    });
    assert!(
        told.contains("no MAC in common: the client offers hmac-sha2-256, ") && told.contains("libssh2_1."),
        "{told}"
    );
    assert!(told.contains("accepted here: hmac-sha2-512-etm@openssh.com"), "{told}");
}

fn at(program: &Program, stage: &Stage, port: u16, path: &str) -> Run {
    let key = stage.key().display().to_string();
    let fingerprint = fingerprint(stage);
    let fingerprint = fingerprint.trim_start_matches("SHA256:").to_owned();
    let run = program.run_in(stage.desk()).args(["-q", "-sS", "--key", &key, "--pubkey", &format!("{key}.pub")]);
    run.args(["-u", &format!("{USER}:"), "--hostpubsha256", &fingerprint, &format!("sftp://127.0.0.1:{port}{path}")])
}

#[test]
fn transfers() {
    let Some(program) = curl() else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    stage.write("half.csv", list(FEW - 1));
    let run = |path: &str, arguments: &[&str]| at(&program, &stage, stage.port(), path).args(arguments).run().clean();
    let listed = run(&format!("{OUTBOX}/"), &[]);
    assert!(listed.stdout.contains(EXAMPLE) && listed.stdout.contains(USER), "{}", listed.stdout);
    run(&format!("{OUTBOX}/{EXAMPLE}"), &["-O"]);
    assert_eq!(stage.read(EXAMPLE), stage.remote(&format!("{OUTBOX}/{EXAMPLE}")));
    run(&format!("{INBOX}/a.csv"), &["-T", "a.csv"]);
    stage.assert_answered("a.csv", FEW);
    for (local, name) in [("a.csv", "b"), ("half.csv", "c"), ("a.csv", "c")] {
        run(&format!("{INBOX}/{name}.csv.part"), &["-T", local]);
    }
    for name in ["b", "c"] {
        let rename = format!("rename {INBOX}/{name}.csv.part {INBOX}/{name}.csv");
        run(&format!("{INBOX}/"), &["-Q", &rename]);
        stage.assert_answered(&format!("{name}.csv"), FEW);
    }
    run(&format!("{INBOX}/weg.csv.part"), &["-T", "a.csv"]);
    run(&format!("{INBOX}/"), &["-Q", &format!("rm {INBOX}/weg.csv.part")]);
    assert_eq!(stage.size("weg.csv.part"), None);
}

#[test]
fn resumes() {
    let Some(program) = curl() else { return };
    let stage = Stage::set();
    let sealed = stage.sealed_list(MANY);
    stage.write("lijst.csv.age", &sealed);
    let path = format!("{INBOX}/lijst.csv.age");
    let broken = at(&program, &stage, stage.breaking().port(), &path).args(["-T", "lijst.csv.age"]).run();
    assert_ne!(broken.code, Some(0), "the connection should have broken");
    stage.assert_broken_off("lijst.csv.age", &sealed);
    at(&program, &stage, stage.port(), &path).args(["-C", "-", "-T", "lijst.csv.age"]).run().clean();
    stage.assert_arrived("lijst.csv.age", &sealed, MANY);
    let guide = stage.remote("/LEESMIJ.txt");
    stage.write("LEESMIJ.txt", &guide[..guide.len() / 2]);
    at(&program, &stage, stage.port(), "/LEESMIJ.txt").args(["-C", "-", "-O"]).run().clean();
    assert_eq!(stage.read("LEESMIJ.txt"), guide);
}

#[test]
fn shows_refusals() {
    let Some(program) = curl() else { return };
    let stage = Stage::set();
    stage.write("a.csv", list(FEW));
    let run = |path: &str| at(&program, &stage, stage.port(), path).args(["-T", "a.csv"]).run();
    run("/a.csv").refused("denied");
    run(&format!("{INBOX}/a.pdf")).refused("ailed");
}
