//! The library that counts the daemon's calls and has one of them fail, built by the machine's C compiler.

use std::{
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::{clients::program::Program, support::TestDaemon};

/// What is counted, below the deployment's directory: the log with its archive, high-water mark and disclosures, and
/// the ledger.
const PLACES: [&str; 4] = ["state/log", "state/ledger.sqlite", "state/disclosures", "high-water"];

/// Built, in a directory of its own.
pub struct Library(PathBuf);

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was done.
    Lost(Errno),
    /// It was done, and reported as failed.
    DoneButReportedLost(Errno),
    /// Half of it was written.
    Torn(Errno),
    /// There is no room from here on, while a file is there.
    Stands,
}

/// The system's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errno {
    Io = 5,
    NoSpace = 28,
}

/// Which call fails, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub number: usize,
    pub failure: Failure,
}

/// A call that changed a file, or was to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub number: usize,
    /// `write`, `sync`, `make`, `cut`, `rename`, `remove` or `mkdir`.
    pub name: String,
    /// Its file, below the deployment's directory, `#` for each number.
    pub file: String,
}

impl Library {
    /// None where there is no C compiler, which is then on record.
    pub fn build(directory: &Path) -> Option<Self> {
        let compiler = Program::find("faults of the disk under the daemon", "cc")?;
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/faults/failing_calls.c");
        let library = directory.join("failing_calls.so");
        let options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"];
        let run = compiler.run_in(directory).args(options).args([library.as_os_str(), source.as_ref()]).args(["-ldl"]);
        run.input("").well();
        Some(Self(library))
    }

    /// What a daemon's environment needs for it.
    pub fn variables(&self, daemon: &TestDaemon, fault: Option<Fault>) -> Vec<(&'static str, OsString)> {
        let places: Vec<String> = PLACES.iter().map(|place| daemon.path(place).display().to_string()).collect();
        let mut variables = vec![
            ("LD_PRELOAD", self.0.clone().into()),
            ("FAULTS_BELOW", places.join(":").into()),
            ("FAULTS_TRACE", daemon.path("calls").into()),
            ("FAULTS_STAND", stand(daemon).into()),
        ];
        variables.extend(fault.map(|fault| ("FAULTS_FAIL", fault.to_string().into())));
        variables
    }
}

/// The file that is there while there is no room.
pub fn stand(daemon: &TestDaemon) -> PathBuf {
    daemon.path("full")
}

/// The calls of the daemon that ran with the library, in order.
pub fn calls(daemon: &TestDaemon) -> Vec<Call> {
    let root = format!("{}/", daemon.path("").canonicalize().unwrap().display());
    let trace = fs::read_to_string(daemon.path("calls")).unwrap();
    let mut calls: Vec<Call> = trace.lines().map(|line| Call::parse(line, &root)).collect();
    calls.sort_by_key(|call| call.number);
    calls
}

impl Call {
    fn parse(line: &str, root: &str) -> Self {
        let mut words = line.splitn(3, ' ');
        let number = words.next().unwrap().parse().unwrap();
        let (name, path) = (words.next().unwrap().to_owned(), words.next().unwrap());
        let mut file = String::new();
        for letter in path.strip_prefix(root).unwrap_or(path).chars() {
            if !letter.is_ascii_digit() {
                file.push(letter);
            } else if !file.ends_with('#') {
                file.push('#');
            }
        }
        Self { number, name, file }
    }

    pub fn is_of_ledger(&self) -> bool {
        self.file.starts_with("state/ledger.sqlite")
    }
}

impl fmt::Display for Fault {
    /// As the library reads it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how, errno) = match self.failure {
            Failure::Lost(errno) => ("lost", errno),
            Failure::DoneButReportedLost(errno) => ("done", errno),
            Failure::Torn(errno) => ("torn", errno),
            Failure::Stands => ("stands", Errno::NoSpace),
        };
        write!(formatter, "{}:{how}:{}", self.number, errno as i32)
    }
}
