//! What the daemon may open, asked of the kernel (Landlock): its own directories, and to read what the C library and
//! mail need of the system's; nothing else.
//!
//! It is asked before any thread is started, since it holds for the thread that asks and for those that come of it. A
//! kernel that has less does less; what is in force is said. A directory that the configuration names for the first
//! time while the daemon runs is out of reach until a restart.

use std::{
    env,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
};

use super::DaemonError;
use crate::{
    config::{SecretFile, Settings},
    durable::Directory,
};

/// The newest rights that are asked for; an older kernel leaves out what it does not know.
const RIGHTS: ABI = ABI::V5;

/// What the C library reads to find a mail server by its name, the parts of it that it loads for that, and the
/// certificates that a mail server is checked against. Directories only: a rule for a file holds for that file and not
/// for the one that takes its name, as `/etc/resolv.conf` and `/etc/hosts` are replaced while a machine runs. Of what
/// else is in `/etc`, the files' own modes keep the daemon's user from secrets.
const OF_THE_SYSTEM: [&str; 10] = [
    "/etc",
    "/lib",
    "/lib64",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/run/systemd/resolve",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/share/ca-certificates",
    "/usr/share/ca-certificates",
];

/// The process's own counters: memory, open files.
const OWN_COUNTERS: &str = "/proc/self";

/// What is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// All that was asked for.
    Whole,
    /// What this kernel knows of it.
    Partly,
    /// This kernel has nothing of the kind.
    None,
}

/// Restricts this thread, and all that it starts from here on, to what the settings name.
///
/// # Errors
/// [`DaemonError::State`]: a directory of the daemon's own cannot be made. What the kernel refuses is no error: it is
/// said, and the daemon goes on.
pub fn enter_sandbox(config: &Path, settings: &Settings) -> Result<Sandbox, DaemonError> {
    // A directory that is not there yet could not be allowed.
    let own = [&settings.state_dir, &settings.high_water_dir, &settings.spool_dir];
    for directory in own {
        Directory::create(directory).map_err(DaemonError::State)?;
    }
    let writable = own.into_iter().cloned().collect();
    let status = restrict(writable, readable(config, settings));
    let sandbox = match status.as_ref().map(|status| &status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => Sandbox::Whole,
        Ok(RulesetStatus::PartiallyEnforced) => Sandbox::Partly,
        Ok(RulesetStatus::NotEnforced) | Err(_) => Sandbox::None,
    };
    match (&status, sandbox) {
        (Err(error), _) => {
            tracing::warn!(error = error as &dyn std::error::Error, "no sandbox: landlock could not be used");
        }
        (_, Sandbox::Whole) => tracing::info!("sandbox: landlock is in force, whole"),
        (_, Sandbox::Partly) => tracing::info!("sandbox: landlock is in force, as far as this kernel has it"),
        (_, Sandbox::None) => tracing::warn!("no sandbox: this kernel has no landlock"),
    }
    Ok(sandbox)
}

fn restrict(writable: Vec<PathBuf>, readable: Vec<PathBuf>) -> Result<RestrictionStatus, RulesetError> {
    // Nothing is ever executed, not even from where libraries are read.
    let (write, read) = (AccessFs::from_all(RIGHTS) & !AccessFs::Execute, AccessFs::ReadFile | AccessFs::ReadDir);
    let null = (PathBuf::from("/dev/null"), AccessFs::ReadFile | AccessFs::WriteFile);
    let rules = writable.into_iter().map(|path| (path, write)).chain(readable.into_iter().map(|path| (path, read)));
    let rules = rules.chain([null]).filter_map(|(path, rights)| rule(&path, rights)).map(Ok::<_, RulesetError>);
    // A kernel that does not know this right (Linux 5.13 to 5.18) refuses each rename into another directory, by which
    // everything is published: there, nothing at all is better.
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::SoftRequirement).handle_access(AccessFs::Refer)?;
    let ruleset = ruleset.set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::from_all(RIGHTS))?;
    ruleset.create()?.add_rules(rules)?.restrict_self()
}

/// A rule for what is there; a file has rights of files only.
fn rule(path: &Path, rights: BitFlags<AccessFs>) -> Option<PathBeneath<PathFd>> {
    let rights = if path.is_dir() { rights } else { rights & AccessFs::from_file(RIGHTS) };
    PathFd::new(path).ok().map(|handle| PathBeneath::new(handle, rights))
}

/// What is read: the configuration's files, secrets, the register, and what belongs to the system. Directories, since
/// files are replaced by renaming; also those that symbolic links lead to.
fn readable(config: &Path, settings: &Settings) -> Vec<PathBuf> {
    let mail = settings.mail.as_ref();
    let files = [config, &settings.sources_file, &settings.costs_file, &settings.register.path].map(Path::to_owned);
    let files = files.into_iter().chain(settings.secrets().filter_map(SecretFile::path));
    let files = files.chain(mail.and_then(|mail| mail.ca.clone())).chain(settings.files().map(Path::to_owned));
    let files: Vec<PathBuf> = files.flat_map(|file| [file.canonicalize().ok(), Some(file)]).flatten().collect();
    let beside = files.iter().filter_map(|file| std::path::absolute(file).ok()?.parent().map(Path::to_owned));
    let credentials = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    beside
        .chain([settings.tenants_dir.clone(), settings.assignments_dir.clone()])
        .chain(credentials)
        .chain(OF_THE_SYSTEM.into_iter().chain([OWN_COUNTERS]).map(PathBuf::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rule_for_the_system_is_lost_when_a_file_is_replaced() {
        for path in OF_THE_SYSTEM.map(Path::new) {
            assert!(path.is_dir() || !path.exists(), "{}", path.display());
        }
        for file in ["/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"].map(Path::new) {
            let within = OF_THE_SYSTEM.iter().any(|directory| file.starts_with(directory));
            assert!(within, "{}", file.display());
        }
    }
}
