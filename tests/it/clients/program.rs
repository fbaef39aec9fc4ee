//! Programs that may be missing, run with a bound on their time.

use std::{
    ffi::OsStr,
    fs::OpenOptions,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::support::{Ran, wait_for};

/// A program of this machine.
pub struct Program(PathBuf);

/// A run to be made.
pub struct Run(Command);

impl Program {
    /// Looks in `PATH`. None when it is missing, which is then on record.
    pub fn find(client: &str, name: &str) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file());
        if found.is_none() {
            skip(client, &format!("{name} is not installed"));
        }
        found.map(Self)
    }

    /// What `tests/run` installed under the target directory.
    pub fn installed(client: &str, below: &str) -> Option<Self> {
        let path = installed(below);
        if !path.exists() {
            skip(client, &format!("{below} is not installed; tests/run does that"));
            return None;
        }
        Some(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A run in a directory, which is its home too: no settings of whoever runs the tests.
    pub fn run_in(&self, directory: &Path) -> Run {
        let mut command = Command::new(&self.0);
        command.current_dir(directory).env("HOME", directory).env("LC_ALL", "C.UTF-8").env("TZ", "Europe/Brussels");
        command.env_remove("SSH_AUTH_SOCK").env_remove("DISPLAY").env_remove("XDG_CONFIG_HOME");
        Run(command)
    }
}

/// Where `tests/run` puts clients of other registries than Debian's.
pub fn installed(below: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("clients").join(below)
}

/// Puts on record that a client, or a part of it, is not tested.
pub fn skip(client: &str, why: &str) {
    let line = format!("skipped client: {client} ({why})\n");
    print!("{line}");
    if let Some(file) = std::env::var_os("GROEIKLUIS_SKIPPED") {
        // One write, so that lines of tests that run at once do not mix.
        OpenOptions::new().append(true).create(true).open(file).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

impl Run {
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.0.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs it to its end, with this on its standard input.
    #[track_caller]
    pub fn input(mut self, input: &str) -> Ran {
        let mut child = self.0.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // A program that reads none of it ends before it is written.
        let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let readers = [read_all(out), read_all(err)];
        let program = format!("{:?}", self.0);
        let guard = Guard(child);
        let code = guard.wait(&program);
        writer.join().unwrap();
        let [stdout, stderr] = readers.map(|reader| reader.join().unwrap());
        Ran { code, stdout, stderr }
    }

    #[track_caller]
    pub fn run(self) -> Ran {
        self.input("")
    }
}

/// A child that does not outlive its test.
struct Guard(std::process::Child);

impl Guard {
    #[track_caller]
    fn wait(mut self, what: &str) -> Option<i32> {
        wait_for(what, || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What every client's output is held to.
pub trait Expect: Sized {
    /// It ended well and complained of nothing.
    fn clean(self) -> Self;
    /// It failed, with a text in its output.
    fn refused(self, text: &str) -> Self;
    /// All of its output.
    fn all(&self) -> String;
}

impl Expect for Ran {
    #[track_caller]
    fn clean(self) -> Self {
        let all = self.all();
        assert_eq!(self.code, Some(0), "it said:\n{all}");
        let lower = all.to_lowercase();
        for word in ["warn", "error", "fail", "denied", "cannot", "invalid", "notice"] {
            assert!(!lower.contains(word), "it complains:\n{all}");
        }
        self
    }

    #[track_caller]
    fn refused(self, text: &str) -> Self {
        let all = self.all();
        assert_ne!(self.code, Some(0), "it was not refused:\n{all}");
        assert!(all.contains(text), "{text:?} is not in:\n{all}");
        self
    }

    fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}
