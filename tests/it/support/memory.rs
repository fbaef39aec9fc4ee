//! What a process takes of memory, as the system counts it.

use std::fs;

/// The memory of a process, from one state to another.
pub struct Memory {
    process: u32,
    before: u64,
}

impl Memory {
    /// Now is the state to compare with.
    pub fn of(process: u32) -> Self {
        Self { process, before: resident(process) }
    }

    /// Bytes that it takes more than before.
    pub fn grown(&self) -> u64 {
        resident(self.process).saturating_sub(self.before)
    }
}

/// `VmRSS` of `/proc`, which every user may read of every process.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
