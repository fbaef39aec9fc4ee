//! The package, and roots of Debian to install it on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::getuid;

use tempfile::TempDir;

use crate::{
    clients::program::{Program, installed, skip},
    support::{Ran, run},
};

/// After this a root of Debian is fetched anew, where that can be done: it has the corrections of the day on which it was made.
const FRESH: Duration = Duration::from_hours(30 * 24);

/// A directory for a root, beside what else tests make: /tmp may be too small for it.
pub fn place() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Makes the package; none where cargo-deb is not installed.
pub fn make_package(test: &str, directory: &Path) -> Option<PathBuf> {
    let cargo_deb = installed("cargo-deb/bin");
    Program::installed(test, "cargo-deb/bin/cargo-deb")?;
    let path = std::env::join_paths([cargo_deb].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH")?)));
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/package"));
    command.arg(env!("CARGO_BIN_EXE_groeikluis")).arg(directory).arg("--fast").env("PATH", path.unwrap());
    let ran = run(&mut command, b"").well();
    Some(PathBuf::from(ran.stdout.trim()))
}

/// A root with Debian's essential packages and these, made anew; none where that cannot be done.
pub fn make_root(test: &str, directory: &Path, packages: &[&str]) -> Option<PathBuf> {
    if !getuid().is_root() {
        skip(test, "only root can install it, even in a root of its own");
        return None;
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let suite =
        release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or("bookworm").to_owned();
    let kept = installed(&format!("debian-{suite}-{}.tar", packages.join("-")));
    if !is_fresh(&kept) {
        let mmdebstrap = Program::find(test, "mmdebstrap");
        let made = mmdebstrap.is_some_and(|mmdebstrap| {
            let beside = kept.with_extension("new.tar");
            let mut command = Command::new(mmdebstrap.path());
            command.args(["--quiet", "--variant=essential", &format!("--include={}", packages.join(",")), &suite]);
            run(command.arg(&beside), b"").code == Some(0) && fs::rename(beside, &kept).is_ok()
        });
        if !made && !kept.exists() {
            skip(test, "mmdebstrap cannot fetch a Debian root");
            return None;
        }
    }
    let root = directory.join("root");
    fs::create_dir(&root).unwrap();
    run(Command::new("tar").arg("-xf").arg(&kept).arg("-C").arg(&root), b"").well();
    Some(root)
}

fn is_fresh(kept: &Path) -> bool {
    let made = fs::metadata(kept).and_then(|metadata| metadata.modified());
    // A clock that was put back makes it no older.
    made.is_ok_and(|made| made.elapsed().unwrap_or_default() < FRESH)
}

/// Runs a program of the root.
pub fn inside(root: &Path, program: &[&str]) -> Ran {
    let mut command = Command::new("chroot");
    command.arg(root).args(program).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
    run(&mut command, b"")
}
