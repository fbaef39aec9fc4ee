//! FileZilla's `fzsftp`, driven through its standard input as FileZilla drives it.
//!
//! Its transfers go through memory that it shares with FileZilla, so they are not tested: it logs in, lists, renames,
//! sets times, deletes, and shows refusals.

use super::{
    program::{Expect, Program, skip},
    stage::{FEW, Stage, USER, list},
};

const FILEZILLA: &str = "FileZilla fzsftp";

#[test]
fn all_but_transfers() {
    if Program::find(FILEZILLA, "fzsftp").is_none() {
        return;
    }
    let Some(python) = Program::find(FILEZILLA, "python3") else { return };
    let Some(puttygen) = Program::find(FILEZILLA, "puttygen") else { return };
    skip("FileZilla fzsftp: transfers", "they go through memory that it shares with FileZilla");
    let stage = Stage::set();
    super::putty::convert_key(&puttygen, &stage);
    let session = stage.session();
    for name in ["a.csv.part", "weg.csv.part"] {
        session.upload(&format!("/test/inbox/{name}"), list(FEW).as_bytes()).unwrap();
    }
    let key = stage.desk().join("key.ppk");
    let commands = format!(
        "keyfile \"{}\"\nopen \"{USER}@127.0.0.1\" {}\npwd\nls\ncd \"/test/inbox\"\nls\n\
         chmtime 1700000000 \"/test/inbox/a.csv.part\"\nmv \"/test/inbox/a.csv.part\" \"/test/inbox/a.csv\"\n\
         rm \"/test/inbox/weg.csv.part\"\nrm \"/LEESMIJ.txt\"\nmkdir \"/map\"\n",
        key.display(),
        stage.port()
    );
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clients/scripts/fzsftp_driver.py");
    let ran = python.run_in(stage.desk()).args([driver]).input(&commands);
    let said = ran.all();
    for expected in [
        "Current directory is: \"/\"",
        "LEESMIJ.txt",
        "New directory is: \"/test/inbox\"",
        "weg.csv.part",
        "rm /LEESMIJ.txt: permission denied",
        "mkdir /map: permission denied",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
    stage.assert_answered("a.csv", FEW);
    assert_eq!(stage.size("weg.csv.part"), None);
    session.close();
}
