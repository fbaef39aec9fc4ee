//! The program as a process: what it says is kept, and shown when a test fails.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, wait_for, wait_until};

/// What the process says once it listens.
const LISTENING: &str = "groeikluis: listening on ";

/// A running daemon.
pub struct Process {
    child: Child,
    output: Arc<Output>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Output {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Default)]
struct Said {
    text: String,
    ended: bool,
}

/// The program as it is delivered, built with optimisation, where `GROEIKLUIS_PROGRAM` names it: for tests that measure.
pub fn delivered() -> Option<OsString> {
    std::env::var_os("GROEIKLUIS_PROGRAM")
}

impl Process {
    /// Starts it, with these variables of its environment beside those of the test; it need not come up.
    pub fn start(config: &Path, variables: &[(&str, OsString)]) -> Self {
        let mut command = Command::new(delivered().unwrap_or_else(|| env!("CARGO_BIN_EXE_groeikluis").into()));
        command.arg("serve").arg("--config").arg(config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A test says what it wants of the process, not the environment of whoever runs it.
        command.env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET").envs(variables.iter().cloned());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let output = Arc::new(Output::default());
        let keeper = output.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { break };
                let mut said = keeper.said.lock().unwrap();
                said.text.push_str(&line);
                said.text.push('\n');
                keeper.more.notify_all();
            }
            keeper.said.lock().unwrap().ended = true;
            keeper.more.notify_all();
        });
        Self { child, output, reader: Some(reader) }
    }

    /// Where it listens, once it does; none when it ended instead.
    pub fn listening(&self) -> Option<SocketAddr> {
        let line = self.wait_for_line(LISTENING)?;
        let addresses = line.strip_prefix(LISTENING)?;
        addresses.split(", ").next()?.parse().ok()
    }

    /// The first line that holds `part`; none when it ended without.
    pub fn wait_for_line(&self, part: &str) -> Option<String> {
        let began = Instant::now();
        let mut said = self.output.said.lock().unwrap();
        loop {
            if let Some(line) = said.text.lines().find(|line| line.contains(part)) {
                return Some(line.to_owned());
            }
            if said.ended {
                return None;
            }
            assert!(began.elapsed() < PATIENCE, "the daemon never said {part:?}:\n{}", said.text);
            said = self.output.more.wait_timeout(said, Duration::from_millis(200)).unwrap().0;
        }
    }

    /// What it said until now.
    pub fn said(&self) -> String {
        self.output.said.lock().unwrap().text.clone()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        // A process that is gone already needs no signal.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Stops it, and waits until each of its threads stands still: the signal is sent before they do.
    pub fn stand_still(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.id());
        wait_until("a process that stands still", || {
            let mut threads = fs::read_dir(&tasks).unwrap().map(|thread| thread.unwrap().path().join("stat"));
            // Behind the name, which may have brackets of its own. A thread that has ended meanwhile does nothing.
            threads.all(|stat| {
                fs::read_to_string(stat).map_or(true, |stat| stat.rsplit(')').next().unwrap().starts_with(" T"))
            })
        });
    }

    /// Its end, which must come.
    pub fn wait(&mut self) -> ExitStatus {
        let status = wait_for("the daemon's end", || self.child.try_wait().unwrap());
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing may outlive its test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
