//! rclone, Debian's and the current one: `copy`, `sync`, `check`, its `.partial` names, with `shell_type=none` and with
//! its own settings.

use std::fs;

use super::{
    program::{Expect, Program, Run},
    stage::{EXAMPLE, FEW, INBOX, MANY, OUTBOX, Stage, USER, list},
};
use crate::support::Ran;

/// Settings of the guide, and what speaks for `shell_type=none`: without it rclone tries commands first.
const GUIDED: &str = ",shell_type=none";
const PLAIN: &str = "";

/// One of the versions that are here.
struct Rclone {
    program: Program,
    /// Whether it uploads to `NAME.<eight digits>.partial` and renames that, as 1.63 and later do.
    is_current: bool,
}

impl Rclone {
    fn versions() -> impl Iterator<Item = Self> {
        let debian = Program::find("rclone of Debian", "rclone").map(|program| Self { program, is_current: false });
        let current = Program::installed("rclone, the current one", "python/bin/rclone");
        debian.into_iter().chain(current.map(|program| Self { program, is_current: true }))
    }

    /// A run with `REMOTE` standing for the drop-box at a port.
    fn run_at(&self, port: u16, stage: &Stage, settings: &str, arguments: &[&str]) -> Run {
        // A file that is there already, so that rclone has nothing to say about it.
        let config = stage.write("rclone.conf", "");
        let remote = format!(
            ":sftp,host=127.0.0.1,port={port},user={USER},key_file=\"{}\",known_hosts_file=\"{}\"{settings}:",
            stage.key().display(),
            stage.known_hosts().display()
        );
        let arguments = arguments.iter().map(|argument| argument.replace("REMOTE/", &remote));
        self.program.run_in(stage.desk()).args(arguments).args(["--retries", "1"]).env("RCLONE_CONFIG", config)
    }

    fn run(&self, stage: &Stage, settings: &str, arguments: &[&str]) -> Ran {
        self.run_at(stage.port(), stage, settings, arguments).run()
    }
}

#[test]
fn copies_and_checks() {
    for rclone in Rclone::versions() {
        let stage = Stage::set();
        let run = |arguments: &[&str]| rclone.run(&stage, GUIDED, arguments);
        stage.write("a.csv", list(FEW));
        stage.write("half.csv", list(FEW - 1));
        let listed = run(&["lsl", "REMOTE//"]).clean();
        assert!(listed.stdout.contains("LEESMIJ.txt") && listed.stdout.contains(EXAMPLE), "{}", listed.stdout);
        assert_eq!(run(&["copy", "a.csv", "REMOTE/test/inbox"]).clean().all(), "");
        stage.assert_answered("a.csv", FEW);
        run(&["copyto", "a.csv", "REMOTE/test/inbox/b.csv.part"]).clean();
        run(&["moveto", "REMOTE/test/inbox/b.csv.part", "REMOTE/test/inbox/b.csv"]).clean();
        stage.assert_answered("b.csv", FEW);
        run(&["copyto", "half.csv", "REMOTE/test/inbox/c.csv.part"]).clean();
        run(&["copyto", "a.csv", "REMOTE/test/inbox/c.csv.part", "--ignore-times"]).clean();
        run(&["moveto", "REMOTE/test/inbox/c.csv.part", "REMOTE/test/inbox/c.csv"]).clean();
        stage.assert_answered("c.csv", FEW);
        run(&["copyto", "a.csv", "REMOTE/test/inbox/weg.csv.part"]).clean();
        run(&["deletefile", "REMOTE/test/inbox/weg.csv.part"]).clean();
        assert_eq!(stage.size("weg.csv.part"), None);
        run(&["copy", "REMOTE/test/outbox", "in"]).clean();
        let names = stage.session().names(OUTBOX).unwrap();
        for name in &names {
            assert_eq!(stage.read(&format!("in/{name}")), stage.remote(&format!("{OUTBOX}/{name}")), "{name}");
        }
        let checked = run(&["check", "--download", "REMOTE/test/outbox", "in"]);
        assert_eq!(checked.code, Some(0), "{}", checked.all());
        let expected = [format!("{} matching files", names.len()), "0 differences found".to_owned()];
        assert!(expected.iter().all(|part| checked.all().contains(part)), "{}", checked.all());
        let guide = run(&["cat", "REMOTE/LEESMIJ.txt"]);
        assert_eq!(
            (guide.code, guide.stdout.as_bytes(), &*guide.stderr),
            (Some(0), &*stage.remote("/LEESMIJ.txt"), "")
        );
        // It would compare hashes, and says that there are none.
        let piped = rclone.run_at(stage.port(), &stage, GUIDED, &["rcat", "REMOTE/test/inbox/d.csv"]).input(&list(FEW));
        let by_size = |line: &str| line.ends_with("falling back to --size-only");
        assert!(piped.code == Some(0) && piped.all().lines().all(by_size), "{}", piped.all());
        stage.assert_answered("d.csv", FEW);
    }
}

#[test]
fn syncs_both_ways() {
    for rclone in Rclone::versions() {
        let stage = Stage::set();
        fs::create_dir(stage.desk().join("uit")).unwrap();
        stage.write("uit/a.csv", list(FEW));
        stage.write("uit/b.csv", list(FEW + 1));
        rclone.run(&stage, GUIDED, &["sync", "uit", "REMOTE/test/inbox"]).clean();
        stage.assert_answered("a.csv", FEW);
        stage.assert_answered("b.csv", FEW + 1);
        rclone.run(&stage, GUIDED, &["sync", "REMOTE/test/outbox", "in"]).clean();
        let again = rclone.run(&stage, GUIDED, &["sync", "-v", "REMOTE/outbox", "leeg"]);
        assert_eq!(again.code, Some(0), "{}", again.all());
        assert_eq!(stage.read("in/voorbeeldlijst.csv"), stage.remote("/test/outbox/voorbeeldlijst.csv"));
    }
}

/// Its settings by default try a shell for hashes, and go on without.
#[test]
fn needs_no_shell() {
    for rclone in Rclone::versions() {
        let stage = Stage::set();
        stage.write("a.csv", list(FEW));
        // What it found out of the shell goes into its configuration, which a remote on the command line has not.
        let found_out = |line: &str| line.contains("NOTICE: Can't save config");
        for arguments in [["copy", "a.csv", "REMOTE/test/inbox"], ["copy", "REMOTE/LEESMIJ.txt", "."]] {
            let ran = rclone.run(&stage, PLAIN, &arguments);
            assert!(ran.code == Some(0) && ran.all().lines().all(found_out), "{}", ran.all());
        }
        stage.assert_answered("a.csv", FEW);
        assert_eq!(stage.read("LEESMIJ.txt"), stage.remote("/LEESMIJ.txt"));
        // Where it is told to go by hashes it goes by sizes, and says so.
        let ran = rclone.run(&stage, PLAIN, &["copy", "--checksum", "REMOTE/LEESMIJ.txt", "."]);
        assert!(ran.code == Some(0) && ran.all().contains("falling back to --size-only"), "{}", ran.all());
    }
}

/// rclone 1.63 and later write `NAME.<eight digits>.partial` and rename it; older ones do not know of it.
#[test]
fn partial_names() {
    for rclone in Rclone::versions() {
        let stage = Stage::set();
        stage.write("a.csv", list(FEW));
        rclone.run(&stage, GUIDED, &["copyto", "a.csv", "REMOTE/test/inbox/a.csv.5d1c2b3a.partial"]).clean();
        assert_eq!(stage.size("a.csv.5d1c2b3a.partial"), Some(list(FEW).len() as u64));
        let arguments = ["moveto", "REMOTE/test/inbox/a.csv.5d1c2b3a.partial", "REMOTE/test/inbox/a.csv"];
        rclone.run(&stage, GUIDED, &arguments).clean();
        stage.assert_answered("a.csv", FEW);
    }
}

/// rclone resumes nothing: it sends a file that broke off anew, over what is there.
#[test]
fn sends_anew_what_broke_off() {
    for rclone in Rclone::versions() {
        let stage = Stage::set();
        let sealed = stage.sealed_list(MANY);
        stage.write("lijst.csv.age", &sealed);
        let options = ["--low-level-retries", "1", "--contimeout", "5s"];
        let arguments = [&["copy", "lijst.csv.age", "REMOTE/test/inbox"][..], &options].concat();
        let broken = rclone.run_at(stage.breaking().port(), &stage, GUIDED, &arguments).run();
        assert_ne!(broken.code, Some(0), "the connection should have broken");
        stage.wait_for_break();
        let session = stage.session();
        let left = session.names(INBOX).unwrap();
        let [partial] = &left[..] else { panic!("{left:?}") };
        assert_eq!(partial.ends_with(".partial"), rclone.is_current, "{partial}");
        stage.assert_broken_off(partial, &sealed);
        rclone.run(&stage, GUIDED, &["copy", "lijst.csv.age", "REMOTE/test/inbox"]).clean();
        stage.assert_arrived("lijst.csv.age", &sealed, MANY);
        assert!(session.names(INBOX).unwrap().iter().all(|name| name == "lijst.csv.age"));
        session.close();
    }
}

/// Of a refusal with the status "permission denied" rclone shows that only; of others, the server's words.
#[test]
fn shows_refusals() {
    for rclone in Rclone::versions() {
        let stage = Stage::set();
        stage.write("a.csv", list(FEW));
        for (arguments, shown) in [
            (["copyto", "a.csv", "REMOTE/a.csv"], "permission denied"),
            (["copyto", "a.csv", "REMOTE/test/inbox/a.pdf"], "alleen lijsten in .csv, .txt of .xlsx"),
            (["deletefile", "REMOTE/LEESMIJ.txt", "-q"], "permission denied"),
        ] {
            rclone.run(&stage, GUIDED, &arguments).refused(shown);
        }
    }
}
