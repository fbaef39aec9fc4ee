//! The client that every municipality has: `sftp` of OpenSSH, given a batch.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use super::TestDaemon;

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Fails the test with what the program said, unless it ended well.
    #[track_caller]
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "it said:\n{}{}", self.stdout, self.stderr);
        self
    }
}

/// Runs a command, with this on its standard input.
pub fn run(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that reads none of it ends before it is written.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl TestDaemon {
    /// Runs a batch of `sftp` commands as a tenant; a line that begins with `-` may fail.
    pub fn sftp(&self, tenant: &str, batch: &str) -> Ran {
        self.sftp_as(tenant, tenant, batch)
    }

    /// The same with another tenant's key.
    pub fn sftp_as(&self, user: &str, key_of: &str, batch: &str) -> Ran {
        run(&mut self.sftp_command(user, key_of, &["-b", "-"]), batch.as_bytes())
    }

    /// `sftp` with these options, and those that keep it from asking and from this machine's configuration.
    pub fn sftp_command(&self, user: &str, key_of: &str, options: &[&str]) -> Command {
        let mut command = Command::new("sftp");
        command.args(["-F", "/dev/null", "-P", &self.address().port().to_string()]).args(options);
        for option in
            ["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null"]
        {
            command.args(["-o", option]);
        }
        command.arg("-o").arg(format!("UserKnownHostsFile={}", self.known_hosts().display()));
        command.arg("-i").arg(self.login_key(key_of));
        command.arg(format!("{user}@{}", self.address().ip()));
        command
    }
}
