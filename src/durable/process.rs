//! What this process asks of the system: that its memory never reaches the disk, and as many open files as it may have.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, and other processes of the same user to read this one's memory.
///
/// # Errors
/// The system's.
pub fn forbid_core_dumps() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Raises the number of files that may be open to what the system allows: shells and containers begin with 1024, less
/// than the connections of `limits.connections` with a file each.
///
/// # Errors
/// The system's.
pub fn allow_many_files() -> io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(())
}

/// Memory of this process that is in the machine's, bytes (`VmRSS` of proc(5)); none where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kibibytes.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Open files of this process, sockets included, and how many it may have; none where the system does not tell.
pub fn open_files() -> Option<(u64, u64)> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    Some((u64::try_from(open).ok()?, getrlimit(Resource::Nofile).current?))
}

/// Where control groups are told (cgroups(7)).
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// Above this a limit of version 1 is none: where there is none, it tells the largest number of pages.
const NO_LIMIT_BYTES: u64 = 1 << 62;

/// Memory that the control groups of this process allow it, bytes (`memory.max`, or version 1's
/// `memory.limit_in_bytes`); none where there is no limit, or the system does not tell.
pub fn memory_limit_bytes() -> Option<u64> {
    limit_of(&fs::read_to_string("/proc/self/cgroup").ok()?, Path::new(CONTROL_GROUPS))
}

/// The least of the limits of a process's own group and of those that it is in. A line for each hierarchy:
/// `number:controllers:path`, of which version 2 names no controllers.
fn limit_of(groups: &str, mount: &Path) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        let (root, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => (mount.join("memory"), "memory.limit_in_bytes"),
            _ => return None,
        };
        least_limit(&root, Path::new(path), file)
    });
    limits.min()
}

fn least_limit(root: &Path, group: &Path, file: &str) -> Option<u64> {
    let groups = group.ancestors().map(|group| root.join(group).join(file));
    let read = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    groups.filter_map(read).filter(|limit| *limit < NO_LIMIT_BYTES).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_the_own_groups_holds() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let of = |groups: &str| limit_of(groups, root.path());
        assert_eq!(of("0::/system.slice/groeikluis.service\n"), None);
        write("system.slice/groeikluis.service/memory.max", "max\n");
        assert_eq!(of("0::/system.slice/groeikluis.service\n"), None);
        write("system.slice/memory.max", "2147483648\n");
        assert_eq!(of("0::/system.slice/groeikluis.service\n"), Some(2 << 30));
        write("system.slice/groeikluis.service/memory.max", "1073741824\n");
        assert_eq!(of("0::/system.slice/groeikluis.service\n"), Some(1 << 30));
        assert_eq!(of("0::/user.slice\n"), None);
        // Version 1, beside a version 2 without this controller.
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(of("4:memory:/own\n3:cpuset:/\n0::/\n"), None);
        write("memory/own/memory.limit_in_bytes", "4096\n");
        assert_eq!(of("4:cpu,memory:/own\n0::/\n"), Some(4096));
        assert_eq!(of("nothing\n"), None);
    }

    #[test]
    fn the_system_tells_of_this_process() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        let (open, most) = open_files().unwrap();
        assert!(open > 2 && open < most, "{open} of {most}");
    }
}
