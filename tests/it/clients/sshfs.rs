//! sshfs: the drop-box as a directory, where the machine lets one be mounted.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    program::{Expect, Program, skip},
    stage::{EXAMPLE, FEW, OUTBOX, Stage, USER, list},
};

const SSHFS: &str = "sshfs";

/// A mounted drop-box, unmounted when it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn on(program: &Program, stage: &Stage) -> Self {
        let place = stage.desk().join("postbus");
        fs::create_dir(&place).unwrap();
        let options = format!(
            "IdentityFile={},UserKnownHostsFile={},IdentitiesOnly=yes,BatchMode=yes,idmap=user",
            stage.key().display(),
            stage.known_hosts().display()
        );
        let run = program.run_in(stage.desk()).args(["-F", "/dev/null", "-p", &stage.port().to_string(), "-o"]);
        run.args([&options, &format!("{USER}@127.0.0.1:/"), "postbus"]).run().clean();
        Self(place)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // One of the two is there, by the version of FUSE.
        for name in ["fusermount3", "fusermount"] {
            if Command::new(name).arg("-u").arg(&self.0).status().is_ok_and(|status| status.success()) {
                return;
            }
        }
    }
}

fn can_mount() -> bool {
    OpenOptions::new().read(true).write(true).open("/dev/fuse").is_ok()
}

#[test]
fn files_of_a_directory() {
    let Some(program) = Program::find(SSHFS, "sshfs") else { return };
    if !can_mount() {
        return skip(SSHFS, "/dev/fuse cannot be opened");
    }
    let stage = Stage::set();
    let expected = stage.remote(&format!("{OUTBOX}/{EXAMPLE}"));
    {
        let mounted = Mounted::on(&program, &stage);
        let at = |path: &str| mounted.0.join(path);
        let put = |name: &str, numbers| fs::write(at("test/inbox").join(name), list(numbers)).unwrap();
        let names = |path: &Path| fs::read_dir(path).unwrap().count();
        assert_eq!(names(&mounted.0), 5);
        assert_eq!(fs::read(at("test/outbox").join(EXAMPLE)).unwrap(), expected);
        put("a.csv", FEW);
        put("b.csv.part", FEW);
        fs::rename(at("test/inbox/b.csv.part"), at("test/inbox/b.csv")).unwrap();
        put("c.csv.part", FEW - 1);
        put("c.csv.part", FEW);
        fs::rename(at("test/inbox/c.csv.part"), at("test/inbox/c.csv")).unwrap();
        // In two goes, as a copy that goes on.
        let text = list(FEW);
        let (first, second) = text.split_at(text.len() / 2);
        fs::write(at("test/inbox/d.csv.part"), first).unwrap();
        let mut more = OpenOptions::new().append(true).open(at("test/inbox/d.csv.part")).unwrap();
        more.write_all(second.as_bytes()).unwrap();
        drop(more);
        fs::rename(at("test/inbox/d.csv.part"), at("test/inbox/d.csv")).unwrap();
        put("weg.csv.part", FEW);
        fs::remove_file(at("test/inbox/weg.csv.part")).unwrap();
        for refused in
            [File::create(at("a.csv")).map(drop), fs::create_dir(at("map")), fs::remove_file(at("LEESMIJ.txt"))]
        {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
        assert!(File::create(at("test/inbox/a.pdf")).is_err());
    }
    for name in ["a.csv", "b.csv", "c.csv", "d.csv"] {
        stage.assert_answered(name, FEW);
    }
    stage.assert_explained("a.pdf", "wrong-file-type");
}
