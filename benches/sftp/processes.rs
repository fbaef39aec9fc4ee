//! What processes cost: processor time and memory of a server with all that it starts, read from `/proc`.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::Outcome;

/// Ticks a second in `/proc/PID/stat`: fixed for programs on Linux, whatever the kernel counts in.
const TICKS: f64 = 100.0;

/// Between two looks at memory: each goes through all that a server has mapped, on the cores that everybody else shares.
const LOOK: Duration = Duration::from_millis(50);

/// What an action took.
#[derive(Clone, Copy)]
pub struct Cost {
    /// By the clock.
    pub wall: Duration,
    /// Of the server, seconds.
    pub cpu: f64,
    /// Of the server at most while it lasted, resident, bytes.
    pub memory: u64,
}

/// Runs an action and says what it cost a server.
pub fn cost(root: u32, action: impl FnOnce() -> Outcome<()>) -> Outcome<Cost> {
    settle(root);
    let before = cpu(root)?;
    let (done, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(resident(root), Ordering::Relaxed);
                thread::sleep(LOOK);
            }
        });
        let outcome = action();
        done.store(true, Ordering::Relaxed);
        outcome
    });
    let wall = began.elapsed();
    outcome?;
    settle(root);
    Ok(Cost { wall, cpu: cpu(root)? - before, memory: peak.into_inner() })
}

/// Waits until a server's time no longer grows: its sessions have ended and are accounted for.
pub fn settle(root: u32) {
    let mut last = -1.0;
    for _ in 0..100 {
        let now = cpu(root).unwrap_or_default();
        if (now - last).abs() < 1.0 / TICKS {
            return;
        }
        last = now;
        thread::sleep(Duration::from_millis(50));
    }
}

/// Seconds of processor time of a process, of those that it waited for, and of its living descendants.
pub fn cpu(root: u32) -> Outcome<f64> {
    let mut ticks = 0;
    for process in tree(root) {
        if let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) {
            // The name before may hold spaces; it ends with the last parenthesis.
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            let times = fields.get(11..15).ok_or("no times in stat")?;
            ticks += times.iter().filter_map(|time| time.parse::<u32>().ok()).sum::<u32>();
        }
    }
    Ok(f64::from(ticks) / TICKS)
}

/// Resident bytes of a process and its descendants; pages that they share are divided among them.
pub fn resident(root: u32) -> u64 {
    let of = |process: &u32| {
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    tree(root).iter().filter_map(of).sum::<u64>() * 1024
}

/// A process and its descendants.
fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let children: Vec<u32> = tasks
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|children| children.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
            .collect();
        found.extend(children);
        next += 1;
    }
    found
}
