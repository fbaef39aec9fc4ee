//! A machine for one test: a root of Debian whose systemd is process 1, in namespaces of its own.

use std::{
    fs::{self, File},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::{
    clients::program::{Program, skip},
    support::{PATIENCE, Ran, run, wait_for},
};

/// What boots it.
const BOOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/package/boot.sh");

/// Whether the kernel lets this process do what [`BOOT`] does; nothing of it is seen outside.
const TRY: &str = "grep -q ' cgroup2 ' /proc/mounts && mount --make-rprivate / && mount -t tmpfs try /tmp && cd /tmp && mkdir proc sys group dev && \
                   mount -t proc proc proc && mount -t sysfs sys sys && mount -t cgroup2 group group && \
                   mkdir group/groeikluis-try && rmdir group/groeikluis-try && \
                   mount -t devpts -o newinstance devpts dev && mknod null c 1 3 && : >null";

const NAMESPACES: [&str; 6] = ["--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup"];

/// A machine that runs. It does not outlive its test, and leaves nothing behind.
pub struct Machine {
    child: Child,
    /// Its process 1, as this machine counts.
    init: u32,
    /// Its control group.
    group: PathBuf,
}

impl Machine {
    /// Whether the kernel lets this process have one; where it does not, that is on record.
    pub fn can_be_had(test: &str) -> bool {
        if ["unshare", "nsenter", "setpriv"].iter().any(|program| Program::find(test, program).is_none()) {
            return false;
        }
        let tried = run(Command::new("unshare").args(NAMESPACES).args(["--fork", "sh", "-c", TRY]), b"");
        let can_be_had = tried.code == Some(0);
        if !can_be_had {
            skip(test, &format!("no namespaces or control groups can be had here: {}", tried.stderr.trim()));
        }
        can_be_had
    }

    /// Boots a root.
    pub fn boot(root: &Path) -> Self {
        let group = make_group();
        let console = File::create(root.with_extension("console")).unwrap();
        let mut command = Command::new(BOOT);
        command.arg(root).arg(&group).stdin(Stdio::null()).stderr(console.try_clone().unwrap()).stdout(console);
        let mut machine = Self { child: command.spawn().unwrap(), init: 0, group };
        let of = machine.child.id();
        machine.init = wait_for("process 1", || child_of(of));
        let state = wait_for("the machine to be up", || {
            let ended = machine.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", fs::read_to_string(root.with_extension("console")).unwrap());
            let state = machine.run("systemctl is-system-running").stdout.trim().to_owned();
            ["running", "degraded"].contains(&state.as_str()).then_some(state)
        });
        assert_eq!(state, "running", "{}", machine.run("systemctl --failed --no-pager").stdout);
        machine
    }

    /// A line of shell, as its root.
    pub fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    /// The same with something on its standard input.
    pub fn run_with(&self, line: &str, input: &str) -> Ran {
        let mut command = self.enter(&NAMESPACES);
        // A shell's directory has to be one of the machine.
        command.args(["--root", "--", "env", "-i", "-C", "/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]);
        run(command.args(["HOME=/root", "SYSTEMD_PAGER=", "sh", "-c", line]), input.as_bytes())
    }

    /// What runs a program of this machine in that one's network.
    pub fn in_its_network(&self) -> Command {
        let mut command = self.enter(&["--net"]);
        command.arg("--");
        command
    }

    /// A socket of it.
    pub fn connect(&self, path: &str) -> UnixStream {
        UnixStream::connect(format!("/proc/{}/root{path}", self.init)).unwrap()
    }

    /// What systemd knows of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.run(&format!("systemctl show --value -p {name} {unit}")).well().stdout.trim().to_owned()
    }

    /// What a unit, or systemd about it, said.
    pub fn journal(&self, unit: &str) -> String {
        // What was said before this is in it.
        self.run(&format!("journalctl --sync && journalctl --no-pager -o cat -u '{unit}'")).well().stdout
    }

    fn enter(&self, namespaces: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.init.to_string()).args(namespaces);
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() && self.init != 0 {
            eprintln!("{}", self.run("journalctl --no-pager -n 80 -o short-precise").stdout);
        }
        // Process 1 goes with it, and with that everything in its namespaces.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let began = Instant::now();
        while remove_groups(&self.group).is_err() && began.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
    }
}

/// A control group of version 2, wherever those are here, also beside those of version 1.
fn make_group() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let at = mounts.lines().map(|line| line.split(' ')).find_map(|mut words| {
        let place = words.nth(1)?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(place))
    });
    let group = at.expect("control groups").join(format!("groeikluis-test-{}", std::process::id()));
    fs::create_dir(&group).unwrap();
    group
}

/// Those within come first; one with processes stays.
fn remove_groups(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_groups(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// The only child of a process, where that has become another program than the first.
fn child_of(parent: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let child = children.split_whitespace().next()?.parse().ok()?;
    let program = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (program.trim() == "systemd").then_some(child)
}
