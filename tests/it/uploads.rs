//! Uploads over networks that fail: what broke off is never taken for complete, and whoever comes back can go on at once.

use std::{
    fs,
    io::Write,
    os::unix::process::CommandExt,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use groeikluis::domain::Kind;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::{
    Plan, Protocol, Tenant, TestDaemon, block_on, niss,
    raw::{CREATE, READ, Raw, TRUNCATE, WRITE},
    wait_until,
};

/// Far less than the two minutes after which keepalives give a silent peer up.
const AT_ONCE: Duration = Duration::from_mins(1);

const FAILURE: u32 = 4;

fn start() -> TestDaemon {
    let protocol = Protocol::new("OPG-2026-017").every_child();
    Plan::new().tenant(Tenant::municipality("bree", "72004").protocol(protocol)).start()
}

/// A list of so many different numbers.
fn list(numbers: u32) -> Vec<u8> {
    let lines = (0..numbers).map(|number| niss(&format!("1501{:02}{:03}", 1 + number / 900, 1 + number % 900)));
    format!("niss\n{}\n", lines.collect::<Vec<_>>().join("\n")).into_bytes()
}

/// Opens, writes from an offset on, and leaves the file open.
#[track_caller]
fn write_open(raw: &mut Raw, path: &str, flags: u32, offset: u64, bytes: &[u8]) -> Vec<u8> {
    block_on(async {
        let handle = raw.open(path, flags).await;
        assert_eq!(raw.write(&handle, offset, bytes).await.0, 0);
        handle
    })
}

/// Begins an upload with these bytes, and breaks the connection off.
fn break_off(daemon: &TestDaemon, path: &str, bytes: &[u8]) {
    let ended = irregular_ends(daemon);
    let mut raw = daemon.raw("bree");
    write_open(&mut raw, path, WRITE | CREATE | TRUNCATE, 0, bytes);
    drop(raw);
    wait_until("the end of the session", || irregular_ends(daemon) > ended);
}

fn irregular_ends(daemon: &TestDaemon) -> usize {
    daemon.events("auth.logout").iter().filter(|entry| entry["regular"] == false).count()
}

/// The list was answered, with each of its numbers.
#[track_caller]
fn assert_whole(daemon: &TestDaemon, name: &str, numbers: u32) {
    let report = daemon.wait_for_file("bree", "/outbox", name, Kind::Verslag).text;
    assert!(report.contains(&format!("regels met gegevens in de lijst;{numbers}")), "{name}:\n{report}");
    let uploads = daemon.events("file.upload");
    let complete = uploads.iter().filter(|entry| entry["complete"] == true).count();
    assert_eq!(complete, 1, "{uploads:?}");
}

#[test]
fn what_broke_off_and_is_only_opened_and_closed_is_not_complete() {
    for sealed in [false, true] {
        let daemon = start();
        let (name, whole) = if sealed { ("lijst.csv.age", daemon.seal(&list(200))) } else { ("lijst.csv", list(200)) };
        let path = format!("/inbox/{name}");
        let (first, rest) = whole.split_at(whole.len() / 2);
        break_off(&daemon, &path, first);
        let size = first.len() as u64;
        for flags in [WRITE, WRITE | CREATE] {
            let mut raw = daemon.raw("bree");
            block_on(async {
                let handle = raw.open(&path, flags).await;
                assert_eq!(raw.size(&handle).await, Ok(size));
                // Nothing, wherever it goes, is no byte.
                assert_eq!(raw.write(&handle, size + 100, b"").await.0, 0);
                let (code, text) = raw.close(&handle).await;
                assert_eq!(code, FAILURE);
                assert!(text.contains("brak eerder af") && text.contains("stuur het bestand opnieuw"), "{text}");
            });
        }
        assert_eq!(daemon.session("bree").list("/inbox").unwrap()[0].size, size);
        assert!(daemon.events("file.upload").is_empty());
        let mut raw = daemon.raw("bree");
        let handle = write_open(&mut raw, &path, WRITE, size, rest);
        assert_eq!(block_on(raw.close(&handle)).0, 0);
        assert_whole(&daemon, name, 200);
    }
}

/// Of a new upload nothing is kept then; of one that broke off before, at least what was kept of it.
#[test]
fn what_a_kill_of_the_daemon_cuts_off_is_not_complete_and_can_be_completed() {
    for sealed in [false, true] {
        let mut daemon = start();
        let (name, whole) = if sealed { ("lijst.csv.age", daemon.seal(&list(200))) } else { ("lijst.csv", list(200)) };
        let path = format!("/inbox/{name}");
        let (first, rest) = whole.split_at(whole.len() / 3);
        let more = &rest[..rest.len() / 2];
        break_off(&daemon, &path, first);
        let (mut new, mut resumed) = (daemon.raw("bree"), daemon.raw("bree"));
        write_open(&mut new, &format!("/inbox/nieuw-{name}"), WRITE | CREATE | TRUNCATE, 0, first);
        write_open(&mut resumed, &path, WRITE, first.len() as u64, more);
        daemon.kill9();
        daemon.start();
        daemon.wait_for_register();
        let session = daemon.session("bree");
        let listed: Vec<(String, u64)> =
            session.list("/inbox").unwrap().into_iter().map(|file| (file.name, file.size)).collect();
        let [(kept, size)] = &listed[..] else { panic!("{listed:?}") };
        let sizes = first.len() as u64..=(first.len() + more.len()) as u64;
        assert!(kept == name && sizes.contains(size), "{listed:?}");
        assert!(daemon.events("file.upload").is_empty());
        fs::write(daemon.path(name), &whole).unwrap();
        daemon.sftp("bree", &format!("reput {} {path}\n", daemon.path(name).display())).well();
        assert_whole(&daemon, name, 200);
        let answers = session.names("/outbox").unwrap();
        assert_eq!((daemon.events("file.upload").len(), answers.len()), (1, 4), "{answers:?}");
        session.close();
    }
}

#[test]
fn a_newer_session_takes_an_upload_over_and_the_older_one_can_do_nothing_more() {
    for sealed in [false, true] {
        let daemon = start();
        let (name, whole) = if sealed { ("lijst.csv.age", daemon.seal(&list(200))) } else { ("lijst.csv", list(200)) };
        let path = format!("/inbox/{name}");
        let (first, rest) = whole.split_at(whole.len() / 2);
        let mut older = daemon.raw("bree");
        let old = write_open(&mut older, &path, WRITE | CREATE | TRUNCATE, 0, first);
        // It stands open: nothing says that its network is gone.
        let mut newer = daemon.raw("bree");
        let new = block_on(newer.open(&path, WRITE | READ));
        assert_eq!(block_on(newer.size(&new)), Ok(first.len() as u64), "what the older one wrote stays");
        block_on(async {
            let refused = "een nieuwere sessie heeft deze upload overgenomen";
            let (code, text) = older.write(&old, first.len() as u64, b"rubbish").await;
            assert_eq!((code, text.as_str()), (FAILURE, refused));
            assert_eq!(older.size(&old).await.unwrap_err().1, refused);
            assert_eq!(newer.size(&new).await, Ok(first.len() as u64));
            // What somebody else began cannot be read back.
            assert!(newer.read(&new, 0, 100).await.unwrap_err().1.contains("niets teruggelezen"));
            assert_eq!(newer.write(&new, first.len() as u64, rest).await.0, 0);
            assert_eq!(older.close(&old).await, (FAILURE, refused.to_owned()));
            // Not back to the older one either.
            let (code, text) = older.try_open(&path, WRITE).await.unwrap_err();
            assert_eq!((code, text.as_str()), (3, "dit bestand wordt nog geschreven"));
            assert_eq!(newer.close(&new).await.0, 0);
        });
        assert_whole(&daemon, name, 200);
    }
}

#[test]
fn a_newer_session_begins_anew_or_removes_what_an_older_one_still_writes() {
    let daemon = start();
    let whole = list(200);
    let mut older = daemon.raw("bree");
    let path = "/inbox/lijst.csv";
    let old = write_open(&mut older, path, WRITE | CREATE | TRUNCATE, 0, b"niss\nrubbish");
    let mut newer = daemon.raw("bree");
    let new = write_open(&mut newer, path, WRITE | CREATE | TRUNCATE, 0, &whole);
    block_on(async {
        assert_eq!(older.write(&old, 0, b"rubbish").await.0, FAILURE);
        assert_eq!(older.close(&old).await.0, FAILURE);
        assert_eq!(newer.close(&new).await.0, 0);
    });
    assert_whole(&daemon, "lijst.csv", 200);
    let partial = "/inbox/groot.csv.filepart";
    let old = write_open(&mut older, partial, WRITE | CREATE | TRUNCATE, 0, &whole);
    daemon.session("bree").remove(partial).unwrap();
    assert_eq!(block_on(older.close(&old)).0, FAILURE);
    assert!(!daemon.session("bree").names("/inbox").unwrap().contains(&"groot.csv.filepart".to_owned()));
}

#[test]
fn openssh_goes_on_at_once_after_its_network_was_lost() {
    // Six seconds at the pace of the one that is lost.
    const ROWS: u32 = 25_000;
    for command in ["reput", "put -a"] {
        let daemon = start();
        let whole = daemon.seal(&list(ROWS));
        fs::write(daemon.path("lijst.csv.age"), &whole).unwrap();
        let batch = format!("{} /inbox/lijst.csv.age\n", daemon.path("lijst.csv.age").display());
        let lost = Lost::stop_halfway(&daemon, &format!("put {batch}"));
        let began = Instant::now();
        let ran = daemon.sftp("bree", &format!("{command} {batch}")).well();
        assert!(began.elapsed() < AT_ONCE, "{command} took {:?}: {}", began.elapsed(), ran.stdout);
        let said = lost.go_on();
        assert!(said.contains("Failure"), "the lost one is told: {said}");
        assert_whole(&daemon, "lijst.csv.age", ROWS);
    }
}

#[test]
fn an_upload_that_ends_while_the_daemon_stops_is_told_to_its_client() {
    const ROWS: u32 = 20_000;
    let mut daemon = start();
    fs::write(daemon.path("lijst.csv"), list(ROWS)).unwrap();
    let mut command = daemon.sftp_command("bree", "bree", &["-l", "4000", "-B", "16384", "-b", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let path = daemon.path("lijst.csv");
    let batch =
        format!("put {} /inbox/lijst.csv.part\nrename /inbox/lijst.csv.part /inbox/lijst.csv\n", path.display());
    child.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
    let session = daemon.session("bree");
    wait_until("a part of it", || session.list("/inbox").unwrap().iter().any(|file| file.size > 20_000));
    session.close();
    let (status, said) = daemon.terminate();
    let told = child.wait_with_output().unwrap();
    assert!(status.success() && told.status.success(), "{said}{told:?}");
    assert_eq!((daemon.events("file.upload").len(), daemon.events("file.rename").len()), (1, 1));
}

/// An `sftp` whose machine is gone without a word: it is stopped in the midst of an upload.
struct Lost(Child);

impl Lost {
    fn stop_halfway(daemon: &TestDaemon, batch: &str) -> Self {
        // Slow enough to be met halfway: 400 kbit/s, in pieces that it is measured by.
        let mut command = daemon.sftp_command("bree", "bree", &["-l", "400", "-B", "4096", "-b", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
        let lost = Self(child);
        let session = daemon.session("bree");
        wait_until("half an upload", || session.list("/inbox").unwrap().iter().any(|file| file.size > 50_000));
        lost.signal(Signal::STOP);
        session.close();
        lost
    }

    fn signal(&self, signal: Signal) {
        // It may be gone already.
        let _ = kill_process_group(Pid::from_child(&self.0), signal);
    }

    /// Its machine is back: what it says until its end.
    fn go_on(mut self) -> String {
        self.signal(Signal::CONT);
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.0.stderr.take().unwrap(), &mut said).unwrap();
        assert!(!self.0.wait().unwrap().success(), "{said}");
        said
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.0.wait();
    }
}
