//! Rows of the ledger's tables as values.

use jiff::{Timestamp, civil::Date};
use rusqlite::Row;

use super::{DeliveryEnd, DeliveryRow, LedgerError, RemovalCause, RemovalRow, SubmissionRow, SubmissionState};
use crate::domain::Amount;

/// The columns of [`delivery`].
pub(super) const DELIVERIES: &str = "SELECT id, tenant, file, kind, reference, rows, created_at, created_seq, \
                          ciphertext_sha256, available_at IS NOT NULL, fetched_at, answers, test, amount_total, \
                          retention_until, gone FROM deliveries";

/// The columns of [`submission`].
pub(super) const SUBMISSIONS: &str = "SELECT id, tenant, received_at, state, size, test, ciphertext_sha256, gone_at IS NOT NULL \
                           FROM submissions";

/// A submission, of [`SUBMISSIONS`].
pub(super) fn submission(row: &Row<'_>) -> Result<SubmissionRow, LedgerError> {
    let state: String = column(row, 3)?;
    let state = SubmissionState::ALL.into_iter().find(|known| known.name() == state);
    Ok(SubmissionRow {
        id: column(row, 0)?,
        tenant: text(row, 1)?,
        received_at: time(row, 2)?,
        state: state.ok_or(LedgerError::Value { what: "state" })?,
        size: count(row, 4)?,
        test: column(row, 5)?,
        ciphertext_sha256: column(row, 6)?,
        gone: column(row, 7)?,
    })
}

/// A removal that no certificate tells of.
pub(super) fn removal(row: &Row<'_>) -> Result<RemovalRow, LedgerError> {
    let cause: String = column(row, 1)?;
    let cause = match cause.as_str() {
        "expired" => RemovalCause::Expired { file: column(row, 2)?, until: optional_day(row, 4)? },
        "withdrawn" => RemovalCause::Withdrawn { file: column(row, 2)?, motive: column(row, 5)? },
        "answered" => RemovalCause::Answered { received_at: time(row, 3)? },
        "unfinished" => RemovalCause::Unfinished { received_at: time(row, 3)? },
        "tenant-gone" => RemovalCause::Unanswered { received_at: time(row, 3)? },
        _ => return Err(LedgerError::Value { what: "cause" }),
    };
    Ok(RemovalRow {
        id: column(row, 0)?,
        cause,
        ciphertext_sha256: column(row, 6)?,
        size: count(row, 7)?,
        seq: count(row, 8)?,
        at: time(row, 9)?,
    })
}

/// A day that may be missing.
pub(super) fn optional_day(row: &Row<'_>, at: usize) -> Result<Option<Date>, LedgerError> {
    column::<Option<String>>(row, at)?.as_deref().map(parse).transpose()
}

/// How a delivery ended, where it did.
pub(super) fn optional_end(row: &Row<'_>, at: usize) -> Result<Option<DeliveryEnd>, LedgerError> {
    match column::<Option<String>>(row, at)?.as_deref() {
        None => Ok(None),
        Some("expired") => Ok(Some(DeliveryEnd::Expired)),
        Some("withdrawn") => Ok(Some(DeliveryEnd::Withdrawn)),
        Some("deleted") => Ok(Some(DeliveryEnd::Deleted)),
        Some(_) => Err(LedgerError::Value { what: "end" }),
    }
}

/// A delivery, of [`DELIVERIES`].
pub(super) fn delivery(row: &Row<'_>) -> Result<DeliveryRow, LedgerError> {
    let reference: Option<String> = column(row, 4)?;
    let fetched_at: Option<i64> = column(row, 10)?;
    let amount_total: Option<String> = column(row, 13)?;
    Ok(DeliveryRow {
        id: column(row, 0)?,
        tenant: text(row, 1)?,
        file: column(row, 2)?,
        kind: text(row, 3)?,
        reference: reference.as_deref().map(parse).transpose()?,
        rows: count(row, 5)?,
        created_at: time(row, 6)?,
        created_seq: count(row, 7)?,
        ciphertext_sha256: column(row, 8)?,
        available: column(row, 9)?,
        fetched_at: fetched_at.map(timestamp).transpose()?,
        answers: column(row, 11)?,
        test: column(row, 12)?,
        amount_total: amount_total.as_deref().map(sum).transpose()?,
        retention_until: optional_day(row, 14)?,
        gone: optional_end(row, 15)?,
    })
}

/// A column as it is.
pub(super) fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, at: usize) -> Result<T, LedgerError> {
    row.get(at).map_err(LedgerError::database("read a row of"))
}

/// A column whose text means something.
pub(super) fn text<T: std::str::FromStr>(row: &Row<'_>, at: usize) -> Result<T, LedgerError> {
    parse(&column::<String>(row, at)?)
}

/// A text that means something.
pub(super) fn parse<T: std::str::FromStr>(text: &str) -> Result<T, LedgerError> {
    text.parse().map_err(|_| LedgerError::Value { what: "name" })
}

/// A text that is a sum of amounts.
fn sum(text: &str) -> Result<Amount, LedgerError> {
    Amount::of_sum(text).ok_or(LedgerError::Value { what: "amount" })
}

/// A column that holds JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> Result<T, LedgerError> {
    serde_json::from_str(&column::<String>(row, at)?).map_err(|_| LedgerError::Value { what: "count" })
}

/// A column that counts.
pub(super) fn count(row: &Row<'_>, at: usize) -> Result<u64, LedgerError> {
    u64::try_from(column::<i64>(row, at)?).map_err(|_| LedgerError::Value { what: "count" })
}

/// A column with a moment.
pub(super) fn time(row: &Row<'_>, at: usize) -> Result<Timestamp, LedgerError> {
    timestamp(column(row, at)?)
}

/// A moment, kept as microseconds since 1970.
pub(super) fn timestamp(microseconds: i64) -> Result<Timestamp, LedgerError> {
    Timestamp::from_microsecond(microseconds).map_err(|_| LedgerError::Value { what: "time" })
}
