//! A municipality's day, gone on with after each fault, and what must hold at its end.

use std::{
    fs,
    process::ExitStatus,
    time::{Duration, Instant},
};

use groeikluis::{documents::manifest::Manifest, domain::Kind, sftp::client::ClientError};
use serde_json::Value;

use crate::support::{PATIENCE, Plan, Protocol, Session, Tenant, TestDaemon};

/// Who sends a list and fetches the answer.
const TENANT: &str = "antwerpen";

const LIST: &str = "lijst.csv";

/// Between two tries of a client, and two looks for an answer.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// How far it has come.
pub struct Day {
    list: String,
    /// Whether the daemon said that it has the list.
    confirmed: bool,
    /// Answers that were fetched whole.
    fetched: usize,
}

/// A deployment with the municipality; nothing runs yet.
pub fn deployment() -> TestDaemon {
    let protocol = Protocol::new("OPG-2026-017").every_child();
    TestDaemon::over(Plan::new().tenant(Tenant::municipality(TENANT, "11002").protocol(protocol)).lay_out())
}

impl Day {
    pub fn new(daemon: &TestDaemon) -> Self {
        let children = daemon.extract().children_of("11002");
        assert!(!children.is_empty());
        Self { list: format!("niss\n{}\n", children.join("\n")), confirmed: false, fetched: 0 }
    }

    /// Goes on with it, as a client that tries again, until it is over or the daemon has ended; tells of that end.
    pub fn go_on(&mut self, daemon: &mut TestDaemon) -> Option<(ExitStatus, String)> {
        let began = Instant::now();
        loop {
            let Err(error) = self.try_once(daemon) else { return None };
            if let Some(ended) = daemon.ended() {
                return Some(ended);
            }
            assert!(began.elapsed() < PATIENCE, "{error:?}, again and again:\n{}", daemon.process().said());
            std::thread::sleep(TRY_EVERY);
        }
    }

    /// Does what is left of it, up to the first refusal.
    pub fn try_once(&mut self, daemon: &TestDaemon) -> Result<(), ClientError> {
        let session = daemon.try_session(TENANT, TENANT)?;
        if !self.confirmed {
            session.upload(&format!("/inbox/{LIST}"), self.list.as_bytes())?;
            self.confirmed = true;
        }
        let answer = wait_for_answer(&session)?;
        let sealed = session.download(&format!("/outbox/{}", answer.file))?;
        self.fetched += 1;
        session.close();
        assert_eq!(sealed.len() as u64, answer.ciphertext_size);
        Ok(())
    }

    /// Ends the daemon after a whole day: the list was answered once, whatever was refused, lost or sent twice
    /// meanwhile, and the log, its receipts, the outbox and the ledger tell the same.
    pub fn check(&self, daemon: &mut TestDaemon) {
        let (status, said) = daemon.terminate();
        assert!(status.success(), "it ended with {status}:\n{said}");
        assert!(self.confirmed && self.fetched > 0);
        for event in ["list.answered", "protocol.used"] {
            assert_eq!(daemon.events(event).len(), 1, "{event}");
        }
        let refused = daemon.events("list.refused");
        assert!(refused.iter().all(|entry| entry["reason"] == "duplicate"), "{refused:?}");
        let created = daemon.events("delivery.created");
        let answers = created.iter().filter(|entry| entry["kind"] == Kind::SocialeToeslag.name());
        assert_eq!(answers.count(), 1, "{created:?}");
        // Before the first byte left, the log had it.
        assert!(daemon.events("file.download.start").len() >= self.fetched);
        let outbox = daemon.path(format!("state/boxes/{TENANT}/outbox"));
        let receipts = daemon.path(format!("state/boxes/{TENANT}/receipts"));
        for entry in &created {
            let file = entry["file"].as_str().unwrap();
            let stem = file.strip_suffix(".age").unwrap();
            let manifest = fs::read_to_string(outbox.join(format!("{stem}.manifest.json"))).unwrap();
            assert_eq!(Value::from(Manifest::from_json(&manifest).unwrap().log_index), entry["seq"], "{file}");
            assert!(receipts.join(format!("{stem}.receipt")).exists(), "{file} has no receipt");
        }
        assert_eq!(fs::read_dir(&outbox).unwrap().count(), 2 * created.len(), "files without an entry");
        let kept = rows(daemon);
        daemon.groeikluis(&["ledger", "rebuild"]).well();
        assert_eq!(rows(daemon), kept, "the ledger is not what the log makes it");
    }
}

/// Looks for the answer to the list, for as long as the session lasts.
fn wait_for_answer(session: &Session) -> Result<Manifest, ClientError> {
    let began = Instant::now();
    loop {
        for name in session.names("/outbox")?.iter().filter(|name| name.ends_with(".manifest.json")) {
            let bytes = session.download(&format!("/outbox/{name}"))?;
            let manifest = Manifest::from_json(std::str::from_utf8(&bytes).unwrap()).unwrap();
            if manifest.kind == Kind::SocialeToeslag && manifest.answers.as_deref() == Some(LIST) {
                return Ok(manifest);
            }
        }
        assert!(began.elapsed() < PATIENCE, "no answer");
        std::thread::sleep(TRY_EVERY);
    }
}

/// Everything in the ledger: a line for each row of each table.
fn rows(daemon: &TestDaemon) -> Vec<String> {
    let database = rusqlite::Connection::open(daemon.path("state/ledger.sqlite")).unwrap();
    let mut tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut lines = Vec::new();
    for table in tables {
        let mut all = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let width = all.column_count();
        let found = all.query_map([], |row| {
            let values: Result<Vec<rusqlite::types::Value>, _> = (0..width).map(|at| row.get(at)).collect();
            Ok(format!("{table} {:?}", values?))
        });
        lines.extend(found.unwrap().map(Result::unwrap));
    }
    lines.sort_unstable();
    lines
}
