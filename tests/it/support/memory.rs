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
        Self { process, before: bytes(process, "VmRSS:") }
    }

    /// Bytes that it took before.
    pub fn before(&self) -> u64 {
        self.before
    }

    /// Bytes that it takes more than before.
    pub fn grown(&self) -> u64 {
        bytes(self.process, "VmRSS:").saturating_sub(self.before)
    }

    /// The most bytes that it ever took.
    pub fn peak(&self) -> u64 {
        bytes(self.process, "VmHWM:")
    }
}

/// A field of `/proc`, which every user may read of every process.
fn bytes(process: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
