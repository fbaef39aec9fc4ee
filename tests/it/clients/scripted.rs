//! Clients that are libraries, and the calls of clients that run on Windows only, each by a script in `scripts/`.
//!
//! A script takes a verb, the port, the key and the known hosts, and works in the desk: `transfer` lists, downloads,
//! uploads, renames, overwrites, deletes and prints what refusals say; `break` leaves in the middle of an upload;
//! `resume` goes on with it, and with a download.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use super::{
    program::{Expect, Program, installed, skip},
    stage::{EXAMPLE, FEW, MANY, OUTBOX, Stage, list},
};
use crate::support::Ran;

/// Where the scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clients/scripts");

/// Refusals that every library shows in the server's words.
const REFUSALS: [&str; 3] = [
    "uploaden kan alleen in /inbox en /test/inbox",
    "alleen lijsten in .csv, .txt of .xlsx",
    "hoort bij de postbus en kan niet gewijzigd worden",
];

/// The fingerprint of the server's key, as programs show it.
pub fn fingerprint(stage: &Stage) -> String {
    let line = stage.host_key();
    let blob = base64::engine::general_purpose::STANDARD.decode(line.split(' ').nth(1).unwrap().trim()).unwrap();
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

/// A library and the script that uses it.
struct Library {
    program: Program,
    script: &'static str,
}

impl Library {
    fn python(client: &str, module: &str, script: &'static str) -> Option<Self> {
        let program = Program::installed(client, "python/bin/python3")?;
        let here = Path::new("/");
        if program.run_in(here).args(["-c", &format!("import {module}")]).run().code != Some(0) {
            skip(client, &format!("python has no {module}"));
            return None;
        }
        Some(Self { program, script })
    }

    fn run(&self, stage: &Stage, verb: &str) -> Ran {
        let run = self.program.run_in(stage.desk()).args([format!("{SCRIPTS}/{}", self.script), verb.to_owned()]);
        let run = run.args([stage.port().to_string()]).args([stage.key(), stage.known_hosts()]);
        run.env("NODE_PATH", installed("node/node_modules")).env("PYTHONDONTWRITEBYTECODE", "1").run()
    }

    /// Everything that a client does in its working day; each refusal shows these words.
    fn transfers(&self, refusals: &[&str]) {
        let stage = Stage::set();
        stage.write("a.csv", list(FEW));
        stage.write("half.csv", list(FEW - 1));
        let ran = self.run(&stage, "transfer");
        assert_eq!(ran.code, Some(0), "{}", ran.all());
        assert_eq!(ran.stderr, "");
        let said: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(said.len(), refusals.len(), "{said:?}");
        for (said, expected) in said.iter().zip(refusals) {
            assert!(said.contains(expected), "{expected:?} is not in {said:?}");
        }
        assert_eq!(stage.read(EXAMPLE), stage.remote(&format!("{OUTBOX}/{EXAMPLE}")));
        for name in ["a.csv", "b.csv", "c.csv"] {
            stage.assert_answered(name, FEW);
        }
        assert_eq!(stage.size("weg.csv.part"), None);
        stage.assert_explained("a.pdf", "wrong-file-type");
    }

    /// Goes on with what broke off under this name.
    fn resumes(&self, partial: &str) {
        let stage = Stage::set();
        let sealed = stage.sealed_list(MANY);
        stage.write("lijst.csv.age", &sealed);
        assert_eq!(self.run(&stage, "break").code, Some(9), "it should leave abruptly");
        stage.assert_broken_off(partial, &sealed);
        let guide = stage.remote("/LEESMIJ.txt");
        stage.write("LEESMIJ.txt", &guide[..guide.len() / 2]);
        let ran = self.run(&stage, "resume").clean();
        assert_eq!(ran.all(), "");
        assert_eq!(stage.read("LEESMIJ.txt"), guide);
        stage.assert_arrived("lijst.csv.age", &sealed, MANY);
    }
}

fn paramiko() -> Option<Library> {
    Library::python("paramiko", "paramiko", "paramiko_client.py")
}

#[test]
fn paramiko_transfers() {
    if let Some(library) = paramiko() {
        // Where a refusal is "permission denied", paramiko keeps the words: they are those of the exception.
        library.transfers(&REFUSALS);
    }
}

#[test]
fn paramiko_resumes() {
    if let Some(library) = paramiko() {
        library.resumes("lijst.csv.age");
    }
}

fn asyncssh() -> Option<Library> {
    Library::python("asyncssh", "asyncssh", "asyncssh_client.py")
}

#[test]
fn asyncssh_transfers() {
    if let Some(library) = asyncssh() {
        library.transfers(&REFUSALS);
    }
}

#[test]
fn asyncssh_resumes() {
    if let Some(library) = asyncssh() {
        library.resumes("lijst.csv.age");
    }
}

fn libssh2() -> Option<Library> {
    Library::python("libssh2 (ssh2-python)", "ssh2.session", "libssh2_client.py")
}

/// libssh2 tells the code of a refusal only.
#[test]
fn libssh2_transfers() {
    if let Some(library) = libssh2() {
        library.transfers(&["SFTP 3", "SFTP 4", "SFTP 3"]);
    }
}

#[test]
fn libssh2_resumes() {
    if let Some(library) = libssh2() {
        library.resumes("lijst.csv.age");
    }
}

fn libcurl() -> Option<Library> {
    Library::python("libcurl (pycurl)", "pycurl", "libcurl_client.py")
}

#[test]
fn libcurl_transfers() {
    if let Some(library) = libcurl() {
        library.transfers(&["denied", "failed", "denied"]);
    }
}

#[test]
fn libcurl_resumes() {
    if let Some(library) = libcurl() {
        library.resumes("lijst.csv.age");
    }
}

fn node() -> Option<Library> {
    const CLIENT: &str = "node ssh2-sftp-client";
    Program::installed(CLIENT, "node/node_modules/ssh2-sftp-client/package.json")?;
    Some(Library { program: Program::find(CLIENT, "node")?, script: "node_client.js" })
}

#[test]
fn node_transfers() {
    if let Some(library) = node() {
        library.transfers(&REFUSALS);
    }
}

#[test]
fn node_resumes() {
    if let Some(library) = node() {
        library.resumes("lijst.csv.age");
    }
}

/// A library of an interpreter, which has it when it can do what the arguments say.
fn of_interpreter(client: &str, name: &str, asked: &[&str], script: &'static str) -> Option<Library> {
    let program = Program::find(client, name)?;
    if program.run_in(Path::new("/")).args(asked).run().code != Some(0) {
        skip(client, &format!("{name} has no such library"));
        return None;
    }
    Some(Library { program, script })
}

fn perl() -> Option<Library> {
    of_interpreter("Net::SFTP::Foreign", "perl", &["-MNet::SFTP::Foreign", "-e", "1"], "perl_client.pl")
}

#[test]
fn perl_transfers() {
    if let Some(library) = perl() {
        library.transfers(&REFUSALS);
    }
}

#[test]
fn perl_resumes() {
    if let Some(library) = perl() {
        library.resumes("lijst.csv.age");
    }
}

fn php() -> Option<Library> {
    of_interpreter("phpseclib", "php", &["-r", "require 'phpseclib3/autoload.php';"], "phpseclib_client.php")
}

#[test]
fn phpseclib_transfers() {
    if let Some(library) = php() {
        library.transfers(&REFUSALS);
    }
}

#[test]
fn phpseclib_resumes() {
    if let Some(library) = php() {
        library.resumes("lijst.csv.age");
    }
}

/// WinSCP runs on Windows only: its calls, in their order.
#[test]
fn calls_of_winscp() {
    if let Some(library) = Library::python("WinSCP (its calls)", "asyncssh", "winscp_calls.py") {
        library.transfers(&REFUSALS);
        library.resumes("lijst.csv.age.filepart");
    }
}

/// Posh-SSH is SSH.NET, which runs on .NET only: its calls, in their order.
#[test]
fn calls_of_posh_ssh() {
    if let Some(library) = Library::python("Posh-SSH (its calls)", "asyncssh", "posh_ssh_calls.py") {
        library.transfers(&REFUSALS);
        library.resumes("lijst.csv.age");
    }
}
