//! FileZilla's `fzsftp`, driven through its standard input as FileZilla drives it.
//!
//! Its transfers go through memory that it shares with FileZilla, so they are not tested: it logs in, lists, renames,
//! sets times, deletes, and shows refusals.

use super::{
    program::{Expect, Program, skip},
    stage::{FEW, Stage, USER, list},
};

const FILEZILLA: &str = "FileZilla fzsftp";

/// Speeds without a limit, asked for before anything is sent: down, then up. Then trust in the server's key.
const PREAMBLE: &str = "-0-\n-1-\n";

#[test]
fn all_but_transfers() {
    let Some(program) = Program::find(FILEZILLA, "fzsftp") else { return };
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
        "keyfile \"{}\"\nopen \"{USER}@127.0.0.1\" {}\n{PREAMBLE}y\npwd\nls\ncd \"/test/inbox\"\nls\n\
         chmtime 1700000000 \"a.csv.part\"\nmv \"a.csv.part\" \"a.csv\"\nrm \"weg.csv.part\"\n\
         rm \"/LEESMIJ.txt\"\nmkdir \"/map\"\nmv \"/LEESMIJ.txt\" \"/b.txt\"\n",
        key.display(),
        stage.port()
    );
    let ran = program.run_in(stage.desk()).args(["-v"]).input(&commands);
    let said = ran.all();
    for expected in [
        "Current directory is: \"/\"",
        "LEESMIJ.txt",
        "New directory is: \"/test/inbox\"",
        "weg.csv.part",
        "/LEESMIJ.txt: permission denied",
        "permission denied",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
    stage.assert_answered("a.csv", FEW);
    assert_eq!(stage.size("weg.csv.part"), None);
    session.close();
}
