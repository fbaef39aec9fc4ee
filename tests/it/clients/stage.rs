//! What a client meets: a daemon, a municipality with its key, and lists to send.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use groeikluis::domain::Kind;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{
    super::support::{Plan, Protocol, Session, Tenant, TestDaemon, wait_for, wait_until},
    cut::Cut,
};

/// The municipality.
pub const USER: &str = "lokeren";

/// Where all happens: answered at once and as often as one likes, from fictitious data.
pub const INBOX: &str = "/test/inbox";
pub const OUTBOX: &str = "/test/outbox";

/// A file that is there from the start.
pub const EXAMPLE: &str = "voorbeeldlijst.csv";

/// Numbers of a list that is large enough to break off: 240 kB.
pub const MANY: usize = 20_000;

/// After how many bytes of a connection it breaks: a handshake takes some 5 kB of it.
pub const BREAKS_AFTER: usize = 150_000;

/// Numbers of a small list.
pub const FEW: usize = 50;

/// A daemon, and a municipality's computer.
pub struct Stage {
    daemon: TestDaemon,
    desk: TempDir,
}

impl Stage {
    pub fn set() -> Self {
        let protocol = Protocol::new("OPG-2026-021").every_child();
        let daemon = Plan::new().tenant(Tenant::municipality(USER, "46029").protocol(protocol)).start();
        let desk = tempfile::Builder::new().prefix("groeikluis-desk-").tempdir().unwrap();
        Self { daemon, desk }
    }

    pub fn daemon(&self) -> &TestDaemon {
        &self.daemon
    }

    pub fn port(&self) -> u16 {
        self.daemon.address().port()
    }

    /// The municipality's directory, empty at first.
    pub fn desk(&self) -> &Path {
        self.desk.path()
    }

    pub fn key(&self) -> PathBuf {
        self.daemon.login_key(USER)
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.daemon.known_hosts()
    }

    /// The server's key as a line of `known_hosts` has it: type and base64.
    pub fn host_key(&self) -> String {
        let line = fs::read_to_string(self.known_hosts()).unwrap();
        line.lines().next().unwrap().split_once(' ').unwrap().1.to_owned()
    }

    pub fn session(&self) -> Session {
        self.daemon.session(USER)
    }

    /// Puts a file on the desk.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.desk().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.desk().join(name)).unwrap()
    }

    /// A list that the municipality sealed itself.
    pub fn sealed_list(&self, numbers: usize) -> Vec<u8> {
        self.daemon.seal(list(numbers).as_bytes())
    }

    /// What a file of the server holds, by another client.
    #[track_caller]
    pub fn remote(&self, path: &str) -> Vec<u8> {
        let session = self.session();
        let bytes = session.download(path).unwrap();
        session.close();
        bytes
    }

    /// The size of a file in the inbox, when it is there.
    #[track_caller]
    pub fn size(&self, name: &str) -> Option<u64> {
        let session = self.session();
        let files = session.list(INBOX).unwrap();
        session.close();
        files.into_iter().find(|file| file.name == name).map(|file| file.size)
    }

    /// The list came whole: its report counts each number.
    #[track_caller]
    pub fn assert_answered(&self, upload: &str, numbers: usize) {
        let report = self.daemon.wait_for_file(USER, OUTBOX, upload, Kind::Verslag).text;
        for expected in [
            format!("regels met gegevens in de lijst;{numbers}\n"),
            format!("verschillende geldige nummers;{numbers}\n"),
        ] {
            assert!(report.replace("\r\n", "\n").contains(&expected), "{expected:?} is not in:\n{report}");
        }
    }

    /// A sealed list came whole: what the log says of it is its digest. It is answered too.
    #[track_caller]
    pub fn assert_arrived(&self, upload: &str, bytes: &[u8], numbers: usize) {
        let expected = hex::encode(Sha256::digest(bytes));
        wait_for("the upload in the log", || {
            let uploads = self.daemon.events("file.upload");
            uploads.into_iter().find(|entry| entry["ciphertext_sha256"] == expected.as_str())
        });
        self.assert_answered(upload, numbers);
    }

    /// A refusal is explained in the outbox, whatever a client shows of it.
    #[track_caller]
    pub fn assert_explained(&self, upload: &str, part: &str) {
        let text = self.daemon.wait_for_file(USER, OUTBOX, upload, Kind::Weigering).text;
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }

    /// A way to the daemon that breaks off in the middle of a large list. Known under its own port.
    pub fn breaking(&self) -> Cut {
        let cut = Cut::after(BREAKS_AFTER, self.daemon.address());
        let mut lines = fs::read_to_string(self.known_hosts()).unwrap();
        writeln!(lines, "[127.0.0.1]:{} {}", cut.port(), self.host_key()).unwrap();
        fs::write(self.known_hosts(), lines).unwrap();
        cut
    }

    /// Waits until the daemon knows that a session broke off.
    #[track_caller]
    pub fn wait_for_break(&self) {
        wait_until("the end of the broken session", || {
            self.daemon.events("auth.logout").iter().any(|entry| entry["regular"] == false)
        });
    }

    /// Waits for the same, and shows that the file is there in part.
    #[track_caller]
    pub fn assert_broken_off(&self, name: &str, whole: &[u8]) {
        self.wait_for_break();
        let size = self.size(name).unwrap_or_else(|| panic!("nothing is left of {name}"));
        assert!(size > 0 && size < whole.len() as u64, "{size} bytes of {name}");
    }
}

/// A list of so many numbers of children, all valid and different.
pub fn list(numbers: usize) -> String {
    let mut text = "rijksregisternummer\n".to_owned();
    let days =
        (2012..2022).flat_map(|year| (1..=12).flat_map(move |month| (1..=28).map(move |day| (year, month, day))));
    let digits = days.flat_map(|(year, month, day)| {
        let date = u64::from(year % 100_u32) * 10_000 + month * 100 + day;
        (1..=997).map(move |serial| date * 1000 + serial)
    });
    for base in digits.take(numbers) {
        // The check of those born from 2000 on.
        writeln!(text, "{base:09}{:02}", 97 - (2_000_000_000 + base) % 97).unwrap();
    }
    text
}
