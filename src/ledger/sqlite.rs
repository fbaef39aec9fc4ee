//! The ledger in a database file: one connection writes (the log's index), one reads.
//!
//! `synchronous=NORMAL` in WAL mode: a power failure can take the last transactions, never their order; what is
//! missing is taken from the log at the next start.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{Timestamp, civil::Date};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Row, config::DbConfig};

use super::{
    AnsweredList, DeliveryRow, Ledger, LedgerError, MergerRow, RemovalRow, RunRow, SqliteIndex, SubmissionRow, Summary,
    rows::{
        DELIVERIES, SUBMISSIONS, column, count, delivery, json, optional_day, optional_end, removal, submission, text,
        time, timestamp,
    },
};
use crate::domain::{AssignmentId, Kind, ProtocolId, TenantId};

/// Raised with each change of the tables or of how entries fill them: a ledger of another version is built anew.
const SCHEMA_VERSION: i32 = 8;

/// How long one connection waits for the other, or for `rebuild`.
const PATIENCE: Duration = Duration::from_secs(10);

/// The ledger, to ask.
#[derive(Debug)]
pub struct SqliteLedger {
    database: Mutex<Connection>,
}

impl SqliteLedger {
    /// Opens the ledger, to ask and to follow the log. A file of another version, or that is no database, is replaced
    /// by an empty one, which the log then fills.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open(path: &Path) -> Result<(Self, SqliteIndex), LedgerError> {
        let prepared = match prepare(path) {
            Err(LedgerError::Open { source, .. }) if is_damage(&source) => None,
            prepared => prepared?,
        };
        let writer = if let Some(writer) = prepared {
            writer
        } else {
            tracing::warn!(ledger = %path.display(), "the ledger is of another version or no database: it is built anew");
            start_anew(path)?
        };
        let reader = connect(path)?;
        Ok((Self { database: Mutex::new(reader) }, SqliteIndex::new(writer)))
    }

    /// Opens the ledger to ask only, beside the daemon that keeps it.
    ///
    /// # Errors
    /// [`LedgerError::Open`]; [`LedgerError::Version`].
    pub fn open_to_read(path: &Path) -> Result<Self, LedgerError> {
        let fault = |source| LedgerError::Open { path: path.to_owned(), source: Arc::new(source) };
        let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fault)?;
        database.busy_timeout(PATIENCE).map_err(fault)?;
        let version: i32 = database.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fault)?;
        if version == SCHEMA_VERSION {
            Ok(Self { database: Mutex::new(database) })
        } else {
            Err(LedgerError::Version { path: path.to_owned() })
        }
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        // Reading leaves nothing half done.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows<T>(
        &self,
        query: &str,
        parameters: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, LedgerError>,
    ) -> Result<Vec<T>, LedgerError> {
        let fault = || LedgerError::database("ask");
        let database = self.database();
        let mut statement = database.prepare_cached(query).map_err(fault())?;
        let mut rows = statement.query(parameters).map_err(fault())?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(fault())? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    fn number(&self, query: &str, parameters: impl Params) -> Result<u32, LedgerError> {
        let numbers = self.rows(query, parameters, |row| column(row, 0))?;
        numbers.first().copied().ok_or(LedgerError::Value { what: "number" })
    }
}

impl Ledger for SqliteLedger {
    fn uses(&self, tenant: &TenantId, protocol: &ProtocolId, since: Option<Date>) -> Result<u32, LedgerError> {
        let query = "SELECT count(*) FROM uses WHERE tenant = ?1 AND protocol = ?2 AND day >= ?3 AND NOT EXISTS \
                     (SELECT 1 FROM answers JOIN deliveries ON deliveries.id = answers.delivery \
                      WHERE answers.submission = uses.submission AND deliveries.gone = 'withdrawn')";
        // Every day sorts behind the empty text.
        let since = since.map(|day| day.to_string()).unwrap_or_default();
        self.number(query, (tenant.as_str(), protocol.as_str(), since))
    }

    fn last_sequence(&self, tenant: &TenantId, day: Date) -> Result<u32, LedgerError> {
        let query = "SELECT coalesce(max(sequence), 0) FROM deliveries WHERE tenant = ?1 AND day = ?2";
        self.number(query, (tenant.as_str(), day.to_string()))
    }

    fn answered(
        &self,
        tenant: &TenantId,
        protocol: &ProtocolId,
        fingerprint: &str,
        register_month: &str,
    ) -> Result<Option<AnsweredList>, LedgerError> {
        let query = "SELECT coalesce(deliveries.file, ''), answers.at, answers.submission, \
                     deliveries.gone, deliveries.retention_until FROM answers \
                     LEFT JOIN deliveries ON deliveries.id = answers.delivery \
                     WHERE answers.tenant = ?1 AND answers.protocol = ?2 AND answers.fingerprint = ?3 \
                     AND answers.register_month = ?4 AND deliveries.gone IS NOT 'withdrawn' \
                     ORDER BY answers.at, answers.seq LIMIT 1";
        let parameters = (tenant.as_str(), protocol.as_str(), fingerprint, register_month);
        let found = self.rows(query, parameters, |row| {
            Ok(AnsweredList {
                file: column(row, 0)?,
                at: time(row, 1)?,
                submission: column(row, 2)?,
                gone: optional_end(row, 3)?,
                retention_until: optional_day(row, 4)?,
            })
        })?;
        Ok(found.into_iter().next())
    }

    fn submission(&self, id: &str) -> Result<Option<SubmissionRow>, LedgerError> {
        let query = format!("{SUBMISSIONS} WHERE id = ?1");
        Ok(self.rows(&query, [id], submission)?.into_iter().next())
    }

    fn waiting(&self) -> Result<Vec<SubmissionRow>, LedgerError> {
        let query = format!("{SUBMISSIONS} WHERE state = 'waiting' ORDER BY received_at, received_seq");
        self.rows(&query, [], submission)
    }

    fn delivery(&self, id: &str) -> Result<Option<DeliveryRow>, LedgerError> {
        let query = format!("{DELIVERIES} WHERE id = ?1");
        Ok(self.rows(&query, [id], delivery)?.into_iter().next())
    }

    fn delivery_of_file(&self, tenant: &TenantId, file: &str) -> Result<Option<DeliveryRow>, LedgerError> {
        // Of two with one name, the one that is still there, else the newest.
        let query = format!(
            "{DELIVERIES} WHERE tenant = ?1 AND file = ?2 \
             ORDER BY gone IS NOT NULL, created_at DESC, created_seq DESC LIMIT 1"
        );
        Ok(self.rows(&query, [tenant.as_str(), file], delivery)?.into_iter().next())
    }

    fn handed_over(&self, tenant: &TenantId, fingerprint: &str) -> Result<Option<DeliveryRow>, LedgerError> {
        let query = format!(
            "{DELIVERIES} WHERE tenant = ?1 AND fingerprint = ?2 ORDER BY created_at DESC, created_seq DESC LIMIT 1"
        );
        Ok(self.rows(&query, [tenant.as_str(), fingerprint], delivery)?.into_iter().next())
    }

    fn unavailable_deliveries(&self) -> Result<Vec<DeliveryRow>, LedgerError> {
        self.rows(
            &format!("{DELIVERIES} WHERE available_at IS NULL AND gone IS NULL ORDER BY created_at, created_seq"),
            [],
            delivery,
        )
    }

    fn deliveries(&self, tenant: &TenantId) -> Result<Vec<DeliveryRow>, LedgerError> {
        let query = format!("{DELIVERIES} WHERE tenant = ?1 ORDER BY created_at, created_seq");
        self.rows(&query, [tenant.as_str()], delivery)
    }

    fn submissions(&self, tenant: &TenantId, most: u32) -> Result<Vec<SubmissionRow>, LedgerError> {
        let query = format!("{SUBMISSIONS} WHERE tenant = ?1 ORDER BY received_at DESC, received_seq DESC LIMIT ?2");
        self.rows(&query, (tenant.as_str(), most), submission)
    }

    fn submission_count(&self, tenant: &TenantId) -> Result<u64, LedgerError> {
        let query = "SELECT count(*) FROM submissions WHERE tenant = ?1";
        Ok(self.rows(query, [tenant.as_str()], |row| count(row, 0))?.into_iter().sum())
    }

    fn submissions_since(&self, since: Timestamp) -> Result<Vec<SubmissionRow>, LedgerError> {
        let query = format!("{SUBMISSIONS} WHERE received_at >= ?1 ORDER BY received_at, received_seq");
        self.rows(&query, [since.as_microsecond()], submission)
    }

    fn deliveries_since(&self, since: Timestamp) -> Result<Vec<DeliveryRow>, LedgerError> {
        let query = format!("{DELIVERIES} WHERE created_at >= ?1 ORDER BY created_at, created_seq");
        self.rows(&query, [since.as_microsecond()], delivery)
    }

    fn find_deliveries(&self, text: &str, most: u32) -> Result<Vec<DeliveryRow>, LedgerError> {
        // `instr` knows no wildcards. Names of files and references are ASCII.
        let query = format!(
            "{DELIVERIES} WHERE instr(lower(file), ?1) > 0 OR instr(lower(coalesce(reference, '')), ?1) > 0 \
             OR instr(id, ?1) = 1 OR answers = ?1 ORDER BY created_at DESC, created_seq DESC LIMIT ?2"
        );
        self.rows(&query, (text.to_ascii_lowercase(), most), delivery)
    }

    fn runs(
        &self,
        tenant: &TenantId,
        assignment: Option<&AssignmentId>,
        since: Option<Date>,
    ) -> Result<Vec<RunRow>, LedgerError> {
        let query = "SELECT id, assignment, day, register_month, files, letters, pages, statistics, unaddressed, \
                     criteria_sha256, criteria, authority, unprintable FROM runs \
                     WHERE tenant = ?1 AND (?2 IS NULL OR assignment = ?2) AND day >= ?3 ORDER BY at, seq";
        let since = since.map(|day| day.to_string()).unwrap_or_default();
        self.rows(query, (tenant.as_str(), assignment.map(AssignmentId::as_str), since), |row| {
            Ok(RunRow {
                id: column(row, 0)?,
                assignment: text(row, 1)?,
                day: text(row, 2)?,
                register_month: column(row, 3)?,
                files: count(row, 4)?,
                letters: count(row, 5)?,
                pages: count(row, 6)?,
                statistics: json(row, 7)?,
                unaddressed: json(row, 8)?,
                criteria_sha256: column(row, 9)?,
                criteria: column(row, 10)?,
                authority: column(row, 11)?,
                unprintable: json(row, 12)?,
            })
        })
    }

    fn tenants_with_runs(&self) -> Result<Vec<TenantId>, LedgerError> {
        self.rows("SELECT DISTINCT tenant FROM runs ORDER BY tenant", [], |row| text(row, 0))
    }

    fn deliveries_of_run(&self, run: &str) -> Result<Vec<DeliveryRow>, LedgerError> {
        self.rows(&format!("{DELIVERIES} WHERE run = ?1 ORDER BY created_at, created_seq"), [run], delivery)
    }

    fn ended_deliveries(&self, day: Date) -> Result<Vec<DeliveryRow>, LedgerError> {
        let query = format!(
            "{DELIVERIES} WHERE available_at IS NOT NULL AND gone IS NULL \
             AND (retention_until IS NULL OR retention_until < ?1) ORDER BY created_at, created_seq"
        );
        self.rows(&query, [day.to_string()], delivery)
    }

    fn settled_uploads(&self, before: Timestamp) -> Result<Vec<SubmissionRow>, LedgerError> {
        let query = format!(
            "{SUBMISSIONS} WHERE settled_at IS NOT NULL AND gone_at IS NULL AND settled_at < ?1 \
             ORDER BY settled_at, received_seq"
        );
        self.rows(&query, [before.as_microsecond()], submission)
    }

    fn untold_removals(&self, tenant: &TenantId) -> Result<Vec<RemovalRow>, LedgerError> {
        let query = "SELECT id, cause, coalesce(file, ''), received_at, retention_until, coalesce(motive, ''), \
                     ciphertext_sha256, size, seq, at FROM removals \
                     WHERE tenant = ?1 AND certificate IS NULL ORDER BY place";
        self.rows(query, [tenant.as_str()], removal)
    }

    fn technical_test(&self, tenant: &TenantId) -> Result<Option<Timestamp>, LedgerError> {
        let query = "SELECT min(fetched_at) FROM deliveries \
                     WHERE tenant = ?1 AND (kind = ?2 OR test AND kind = ?3) AND fetched_at IS NOT NULL \
                     HAVING count(*) > 0";
        let of = [tenant.as_str(), Kind::TechnischeTest.name(), Kind::SocialeToeslag.name()];
        Ok(self.rows(query, of, |row| time(row, 0))?.into_iter().next())
    }

    fn mergers(&self) -> Result<Vec<MergerRow>, LedgerError> {
        self.rows("SELECT former, tenant, at FROM mergers ORDER BY place", [], |row| {
            Ok(MergerRow { former: text(row, 0)?, tenant: text(row, 1)?, at: time(row, 2)? })
        })
    }

    fn summary(&self) -> Result<Summary, LedgerError> {
        let mut summary = Summary::default();
        let submissions = "SELECT tenant, sum(state = 'waiting'), sum(state = 'answered' AND NOT test) \
                           FROM submissions GROUP BY tenant";
        for (tenant, waiting, answered) in
            self.rows(submissions, [], |row| Ok((text(row, 0)?, count(row, 1)?, count(row, 2)?)))?
        {
            let line = summary.tenants.entry(tenant).or_default();
            (line.waiting, line.answered) = (waiting, answered);
        }
        // Each refusal is explained by a delivery, also of what was refused before it was a submission. A certificate of
        // removals asks for nothing.
        let deliveries = "WITH told AS (SELECT tenant, kind, available_at, \
                          fetched_at IS NULL AND gone IS NULL AND NOT certifies AS lies \
                          FROM deliveries WHERE available_at IS NOT NULL AND NOT test) \
                          SELECT tenant, count(*), sum(lies), min(CASE WHEN lies THEN available_at END), sum(kind = ?1) \
                          FROM told GROUP BY tenant";
        for (tenant, deliveries, unfetched, oldest, refused) in
            self.rows(deliveries, [Kind::Weigering.name()], |row| {
                Ok((text(row, 0)?, count(row, 1)?, count(row, 2)?, column(row, 3)?, count(row, 4)?))
            })?
        {
            let oldest: Option<i64> = oldest;
            let line = summary.tenants.entry(tenant).or_default();
            (line.deliveries, line.unfetched, line.refused) = (deliveries, unfetched, refused);
            line.oldest_unfetched = oldest.map(timestamp).transpose()?;
        }
        for (tenant, at) in
            self.rows("SELECT tenant, last_at FROM logins", [], |row| Ok((text(row, 0)?, time(row, 1)?)))?
        {
            summary.tenants.entry(tenant).or_default().last_login = Some(at);
        }
        Ok(summary)
    }
}

fn connect(path: &Path) -> Result<Connection, LedgerError> {
    let opened = Connection::open(path).and_then(|database| {
        database.busy_timeout(PATIENCE)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        // Nothing is ever written outside of the state directory, and the sandbox lets nothing be.
        database.pragma_update(None, "temp_store", "MEMORY")?;
        database.pragma_update(None, "synchronous", "NORMAL")?;
        // Else a statement is compiled anew each time that it gets other values, since those could make an index of
        // some rows fit; there is none of that kind here.
        database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(database)
    });
    opened.map_err(|source| LedgerError::Open { path: path.to_owned(), source: Arc::new(source) })
}

/// Opens the file to write, making it when it is not there; `None` when it is of another version.
fn prepare(path: &Path) -> Result<Option<Connection>, LedgerError> {
    // The database would be made readable to others.
    let made = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map_err(|source| LedgerError::File { action: "make", path: path.to_owned(), source: Arc::new(source) })?;
    let database = connect(path)?;
    let fault = |source| LedgerError::Open { path: path.to_owned(), source: Arc::new(source) };
    let version: i32 = database.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fault)?;
    if version == SCHEMA_VERSION {
        let size = database.query_row("SELECT size FROM progress", [], |row| row.get::<_, i64>(0)).optional();
        return Ok(size.map_err(fault)?.map(|_| database));
    }
    let tables: i64 = database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
    if version != 0 || tables != 0 {
        return Ok(None);
    }
    let schema = include_str!("schema.sql");
    let schema = format!("BEGIN; {schema} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT");
    database.execute_batch(&schema).map_err(fault)?;
    Ok(Some(database))
}

/// Whether the database's own file is at fault.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Removes the database's files, whatever is in them, and makes an empty one.
pub(super) fn start_anew(path: &Path) -> Result<Connection, LedgerError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(LedgerError::File { action: "remove", path: file, source: Arc::new(error) });
            }
            _ => {}
        }
    }
    prepare(path)?.ok_or_else(|| LedgerError::Version { path: path.to_owned() })
}
