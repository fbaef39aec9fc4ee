//! The writing side: it takes in the log's entries as they become durable.

use rusqlite::{Connection, Transaction, params};

use super::LedgerError;
use crate::{
    domain::{DeliveryName, ProtocolId, TenantId},
    transfer_log::{
        AssignmentRun, DeliveryCreated, DeliveryExpired, DeliveryWithdrawn, Event, Index, IndexError, ListAnswered,
        Outcome, Position, ProtocolUsed, StoredEntry, TenantMerged, Upload, UploadRemoved,
    },
};

/// The ledger as the log's index.
#[derive(Debug)]
pub struct SqliteIndex {
    database: Connection,
}

impl SqliteIndex {
    pub(super) fn new(database: Connection) -> Self {
        Self { database }
    }

    /// Lets the file grow no more: its next page is one too many, as on a full disk.
    #[cfg(test)]
    pub(super) fn fill_disk(&self) {
        let pages: i64 = self.database.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        self.database.pragma_update(None, "max_page_count", pages).unwrap();
    }

    fn read_position(&self) -> Result<Position, LedgerError> {
        let row = self.database.query_row("SELECT size, last FROM progress", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<[u8; 32]>>(1)?))
        });
        let (size, last) = row.map_err(LedgerError::database("read the position of"))?;
        let size = u64::try_from(size).map_err(|_| LedgerError::Value { what: "position" })?;
        Ok(Position { size, last })
    }

    pub(super) fn take_in(&mut self, entries: &[StoredEntry]) -> Result<(), LedgerError> {
        let fault = || LedgerError::database("write");
        let transaction = self.database.transaction().map_err(fault())?;
        for entry in entries {
            apply_entry(&transaction, entry).map_err(fault())?;
        }
        if let Some(last) = entries.last() {
            let Position { size, last } = Position::after(last);
            let mut progress =
                transaction.prepare_cached("UPDATE progress SET size = ?1, last = ?2").map_err(fault())?;
            progress.execute(params![integer(size), last]).map_err(fault())?;
        }
        transaction.commit().map_err(fault())
    }

    pub(super) fn forget(&mut self) -> Result<(), LedgerError> {
        let forget = "BEGIN; DELETE FROM submissions; DELETE FROM uses; DELETE FROM answers; DELETE FROM deliveries; \
                      DELETE FROM runs; DELETE FROM removals; DELETE FROM mergers; DELETE FROM logins; UPDATE progress SET size = 0, last = NULL; COMMIT";
        self.database.execute_batch(forget).map_err(LedgerError::database("empty"))
    }
}

impl Index for SqliteIndex {
    fn position(&self) -> Result<Position, IndexError> {
        self.read_position().map_err(IndexError::new)
    }

    fn apply(&mut self, entries: &[StoredEntry]) -> Result<(), IndexError> {
        self.take_in(entries).map_err(IndexError::new)
    }

    fn reset(&mut self) -> Result<(), IndexError> {
        self.forget().map_err(IndexError::new)
    }
}

/// Numbers of the log are below 2^53.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Takes in one entry. Only what succeeded changes anything; a refusal of a list is a success of refusing in that
/// sense, and counts whatever its outcome.
fn apply_entry(database: &Transaction<'_>, entry: &StoredEntry) -> rusqlite::Result<()> {
    let succeeded = entry.outcome == Outcome::Success;
    let (tenant, about) = (entry.context.tenant.as_ref(), entry.context.correlation.as_deref());
    match (&entry.event, tenant, about) {
        (Event::ListRefused(_), _, Some(about)) => settle(database, about, "refused", entry),
        _ if !succeeded => Ok(()),
        (Event::Login(_), Some(tenant), _) => log_in(database, tenant, entry),
        (Event::Upload(upload), Some(tenant), Some(about)) => receive(database, tenant, about, upload, entry),
        (Event::Rename(rename), _, Some(about)) => {
            // Under a temporary name again, it is not finished any more.
            let state = if rename.complete { "waiting" } else { "unfinished" };
            let set = "UPDATE submissions SET state = ?2 WHERE id = ?1 AND state IN ('waiting', 'unfinished')";
            database.prepare_cached(set)?.execute([about, state]).map(|_| ())
        }
        (Event::Delete {}, _, Some(about)) => {
            let remove =
                "UPDATE submissions SET state = 'removed' WHERE id = ?1 AND state IN ('waiting', 'unfinished')";
            database.prepare_cached(remove)?.execute([about])?;
            // Of a delivery nobody else removed anything, so that no certificate tells of it.
            let remove = "UPDATE deliveries SET gone = 'deleted' WHERE id = ?1 AND gone IS NULL";
            database.prepare_cached(remove)?.execute([about]).map(|_| ())
        }
        (Event::ListAnswered(answered), Some(tenant), Some(about)) => answer(database, tenant, about, answered, entry),
        (Event::ProtocolUsed(used), Some(tenant), _) => use_up(database, tenant, used, entry),
        (Event::AssignmentRun(run), Some(tenant), _) => add_run(database, tenant, run, entry),
        (Event::DeliveryCreated(created), Some(tenant), _) => deliver(database, tenant, created, entry),
        (Event::DeliveryAvailable(step), _, _) => {
            let publish = "UPDATE deliveries SET available_at = ?2 WHERE id = ?1 AND available_at IS NULL";
            let at = entry.at.as_microsecond();
            database.prepare_cached(publish)?.execute(params![step.delivery_id, at]).map(|_| ())
        }
        (Event::DeliveryFetched(step), _, _) => {
            let fetch = "UPDATE deliveries SET fetched_at = ?2 WHERE id = ?1 AND fetched_at IS NULL";
            let at = entry.at.as_microsecond();
            database.prepare_cached(fetch)?.execute(params![step.delivery_id, at]).map(|_| ())
        }
        (Event::DeliveryExpired(DeliveryExpired { delivery_id, .. }), _, _) => {
            remove_delivery(database, delivery_id, Cause { name: "expired", motive: None }, entry)
        }
        (Event::DeliveryWithdrawn(DeliveryWithdrawn { delivery_id, motive, .. }), _, _) => {
            remove_delivery(database, delivery_id, Cause { name: "withdrawn", motive: Some(motive) }, entry)
        }
        (Event::UploadRemoved(_), _, Some(about)) => remove_upload(database, about, entry),
        (Event::TenantMerged(TenantMerged { former, .. }), Some(tenant), _) => merge(database, former, tenant, entry),
        _ => Ok(()),
    }
}

fn log_in(database: &Transaction<'_>, tenant: &TenantId, entry: &StoredEntry) -> rusqlite::Result<()> {
    let log_in = "INSERT INTO logins (tenant, last_at) VALUES (?1, ?2) \
                  ON CONFLICT (tenant) DO UPDATE SET last_at = excluded.last_at";
    database.prepare_cached(log_in)?.execute(params![tenant.as_str(), entry.at.as_microsecond()]).map(|_| ())
}

fn receive(
    database: &Transaction<'_>,
    tenant: &TenantId,
    id: &str,
    upload: &Upload,
    entry: &StoredEntry,
) -> rusqlite::Result<()> {
    // Written again before it was taken, a submission keeps its place. Once it is answered, refused or removed, nothing
    // changes what was.
    let receive = "INSERT INTO submissions \
                   (id, tenant, received_at, received_seq, state, size, test, ciphertext_sha256) \
                   VALUES (?1, ?2, ?3, ?4, ?7, ?5, ?6, ?8) \
                   ON CONFLICT (id) DO UPDATE SET size = excluded.size, state = excluded.state, \
                   ciphertext_sha256 = excluded.ciphertext_sha256 \
                   WHERE submissions.state IN ('waiting', 'unfinished')";
    let (at, seq) = (entry.at.as_microsecond(), integer(entry.seq));
    let state = if upload.complete { "waiting" } else { "unfinished" };
    let row = params![id, tenant.as_str(), at, seq, integer(upload.size), upload.test, state, upload.ciphertext_sha256];
    database.prepare_cached(receive)?.execute(row).map(|_| ())
}

fn settle(database: &Transaction<'_>, id: &str, state: &str, entry: &StoredEntry) -> rusqlite::Result<()> {
    // Of one whose name was refused, the content went before: retention has nothing to remove of it.
    let settle = "UPDATE submissions SET state = ?2, settled_at = ?3 \
                  WHERE id = ?1 AND state IN ('waiting', 'unfinished')";
    database.prepare_cached(settle)?.execute(params![id, state, entry.at.as_microsecond()]).map(|_| ())
}

/// Why something was removed.
struct Cause<'a> {
    name: &'static str,
    motive: Option<&'a str>,
}

fn remove_delivery(
    database: &Transaction<'_>,
    id: &str,
    Cause { name, motive }: Cause<'_>,
    entry: &StoredEntry,
) -> rusqlite::Result<()> {
    // Told a second time, it is gone already. What its tenant removed can be withdrawn after that: it was an answer, and
    // is none then.
    let note = "INSERT INTO removals \
                (tenant, id, cause, file, retention_until, motive, ciphertext_sha256, size, seq, at, certificate) \
                SELECT tenant, id, ?2, file, retention_until, ?3, ciphertext_sha256, size, ?4, ?5, \
                CASE WHEN certifies THEN '' END FROM deliveries \
                WHERE id = ?1 AND (gone IS NULL OR gone = 'deleted' AND ?2 = 'withdrawn')";
    let row = params![id, name, motive, integer(entry.seq), entry.at.as_microsecond()];
    database.prepare_cached(note)?.execute(row)?;
    let remove = "UPDATE deliveries SET gone = ?2 \
                  WHERE id = ?1 AND (gone IS NULL OR gone = 'deleted' AND ?2 = 'withdrawn')";
    database.prepare_cached(remove)?.execute([id, name]).map(|_| ())
}

fn remove_upload(database: &Transaction<'_>, id: &str, entry: &StoredEntry) -> rusqlite::Result<()> {
    let cause = match entry.reason.as_deref() {
        Some(UploadRemoved::UNFINISHED) => "unfinished",
        Some(UploadRemoved::TENANT_GONE) => "tenant-gone",
        _ => "answered",
    };
    let note = "INSERT INTO removals (tenant, id, cause, received_at, ciphertext_sha256, size, seq, at) \
                SELECT tenant, id, ?4, received_at, ciphertext_sha256, size, ?2, ?3 \
                FROM submissions WHERE id = ?1 AND gone_at IS NULL";
    let at = entry.at.as_microsecond();
    database.prepare_cached(note)?.execute(params![id, integer(entry.seq), at, cause])?;
    // One that waited when its tenant left the configuration waits no more.
    let remove = "UPDATE submissions SET gone_at = ?2, state = iif(state = 'waiting', 'removed', state) \
                  WHERE id = ?1 AND gone_at IS NULL";
    database.prepare_cached(remove)?.execute(params![id, at]).map(|_| ())
}

/// Gives another tenant all that is known of one that ended: what was used up stays used up.
fn merge(
    database: &Transaction<'_>,
    former: &TenantId,
    tenant: &TenantId,
    entry: &StoredEntry,
) -> rusqlite::Result<()> {
    let names = [former.as_str(), tenant.as_str()];
    for table in ["submissions", "uses", "answers", "deliveries", "runs", "removals", "mergers"] {
        // Ids are drawn at random, so that no row meets one that is there.
        database.execute(&format!("UPDATE OR IGNORE {table} SET tenant = ?2 WHERE tenant = ?1"), names)?;
    }
    let log_in = "INSERT INTO logins (tenant, last_at) SELECT ?2, last_at FROM logins WHERE tenant = ?1 \
                  ON CONFLICT (tenant) DO UPDATE SET last_at = max(last_at, excluded.last_at)";
    database.execute(log_in, names)?;
    database.execute("DELETE FROM logins WHERE tenant = ?1", [former.as_str()])?;
    let note = "INSERT INTO mergers (former, tenant, at) VALUES (?1, ?2, ?3)";
    let row = params![former.as_str(), tenant.as_str(), entry.at.as_microsecond()];
    database.execute(note, row).map(|_| ())
}

fn answer(
    database: &Transaction<'_>,
    tenant: &TenantId,
    id: &str,
    answered: &ListAnswered,
    entry: &StoredEntry,
) -> rusqlite::Result<()> {
    settle(database, id, "answered", entry)?;
    let Some(protocol) = entry.context.protocol.as_ref().filter(|_| !answered.test) else { return Ok(()) };
    let answer = "INSERT OR IGNORE INTO answers \
                  (submission, tenant, protocol, fingerprint, register_month, delivery, at, seq) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let ListAnswered { list_fingerprint, register_month, delivery_id, .. } = answered;
    let (at, seq) = (entry.at.as_microsecond(), integer(entry.seq));
    let row = params![id, tenant.as_str(), protocol.as_str(), list_fingerprint, register_month, delivery_id, at, seq];
    database.prepare_cached(answer)?.execute(row).map(|_| ())
}

fn use_up(
    database: &Transaction<'_>,
    tenant: &TenantId,
    used: &ProtocolUsed,
    entry: &StoredEntry,
) -> rusqlite::Result<()> {
    let Some(protocol) = &entry.context.protocol else { return Ok(()) };
    let use_up = "INSERT OR IGNORE INTO uses (tenant, protocol, submission, day) VALUES (?1, ?2, ?3, ?4)";
    let row = [tenant.as_str(), protocol.as_str(), &used.submission, &used.day.to_string()];
    database.prepare_cached(use_up)?.execute(row).map(|_| ())
}

fn add_run(
    database: &Transaction<'_>,
    tenant: &TenantId,
    run: &AssignmentRun,
    entry: &StoredEntry,
) -> rusqlite::Result<()> {
    let add = "INSERT OR IGNORE INTO runs \
               (id, tenant, assignment, day, seq, register_month, files, letters, pages, statistics, unaddressed, \
               criteria_sha256, criteria, authority, at, unprintable) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    let AssignmentRun { assignment, run: id, day, register_month, statistics, files, letters, pages, .. } = run;
    // It came out of JSON, and goes back into it.
    let json = |value: serde_json::Result<String>| {
        value.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    };
    let row = params![
        id,
        tenant.as_str(),
        assignment,
        day.to_string(),
        integer(entry.seq),
        register_month,
        integer(*files),
        integer(*letters),
        integer(*pages),
        json(serde_json::to_string(statistics))?,
        json(serde_json::to_string(&run.unaddressed))?,
        run.criteria_sha256,
        run.criteria,
        run.authority,
        entry.at.as_microsecond(),
        json(serde_json::to_string(&run.unprintable))?,
    ];
    database.prepare_cached(add)?.execute(row).map(|_| ())
}

fn deliver(
    database: &Transaction<'_>,
    tenant: &TenantId,
    created: &DeliveryCreated,
    entry: &StoredEntry,
) -> rusqlite::Result<()> {
    let name = created.file.parse::<DeliveryName>().ok();
    let reference = entry.context.protocol.as_ref().or(name.as_ref().map(|name| &name.reference));
    let deliver = "INSERT OR IGNORE INTO deliveries (id, tenant, file, kind, reference, rows, created_at, \
                   created_seq, ciphertext_sha256, answers, test, day, sequence, run, amount_total, size, \
                   retention_until, certifies, fingerprint) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";
    let row = params![
        created.delivery_id,
        tenant.as_str(),
        created.file,
        created.kind.name(),
        reference.map(ProtocolId::as_str),
        integer(created.rows),
        entry.at.as_microsecond(),
        integer(entry.seq),
        created.ciphertext_sha256,
        created.answers,
        created.test,
        name.as_ref().map(|name| name.day.to_string()),
        name.as_ref().map(|name| name.sequence),
        created.run,
        created.amount_total,
        integer(created.ciphertext_size),
        created.retention_until.map(|day| day.to_string()),
        created.removals.is_some(),
        created.fingerprint,
    ];
    database.prepare_cached(deliver)?.execute(row)?;
    if created.removals.is_some() {
        // It was made of all that the ledger knew then, and nobody else works for the tenant meanwhile.
        let tell = "UPDATE removals SET certificate = ?2 WHERE tenant = ?1 AND certificate IS NULL";
        database.prepare_cached(tell)?.execute([tenant.as_str(), &created.delivery_id])?;
    }
    Ok(())
}
