//! The tables that page and paper show.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{AuditReport, Delivery, Logins, Refusal, Subject, sums, words};
use crate::documents::figures;

/// A table.
#[derive(Debug)]
pub(super) struct Sheet {
    pub caption: String,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Debug)]
pub(super) enum Cell {
    /// Text.
    Text(String),
    /// Text with small print below it, such as a file's kind and its name.
    Noted(String, String),
    /// A number; it stands to the right.
    Number(u64),
    /// A moment.
    Moment(Timestamp),
    /// A moment with small print below it.
    MomentNoted(Timestamp, String),
    /// Something to look at, which sorts before everything else.
    Mark(&'static str),
    /// An id, of which the beginning is shown.
    Ids(Vec<String>),
}

impl Sheet {
    fn new<const COLUMNS: usize>(
        caption: &str,
        columns: [&'static str; COLUMNS],
        rows: impl Iterator<Item = Vec<Cell>>,
    ) -> Self {
        Self { caption: caption.to_owned(), columns: columns.to_vec(), rows: rows.collect() }
    }

    /// Which columns hold numbers.
    pub fn numbers(&self) -> Vec<bool> {
        let is_number = |at: usize| self.rows.iter().any(|row| matches!(row.get(at), Some(Cell::Number(_))));
        (0..self.columns.len()).map(is_number).collect()
    }
}

/// What was never fetched, in words that catch the eye.
pub(super) const NOT_FETCHED: &str = "niet opgehaald";

pub(super) fn deliveries(caption: &str, deliveries: &[&Delivery]) -> Sheet {
    let columns = [
        "Nr. in het log",
        "Bestuur",
        "Bestand",
        "Rijen",
        "Lijst van het bestuur",
        "Aangemaakt",
        "Beschikbaar",
        "Opgehaald",
        "Met sleutel",
        "Verzegeld voor",
    ];
    Sheet::new(caption, columns, deliveries.iter().map(|delivery| delivery_row(delivery)))
}

fn delivery_row(delivery: &Delivery) -> Vec<Cell> {
    let list = delivery.list.as_ref().map_or_else(String::new, |list| {
        let [rows, matched, entitled] = [list.rows, list.matched, list.entitled].map(figures::number);
        let month = words::month_of(&list.register_month);
        let rows_nl = if list.rows == 1 { "rij" } else { "rijen" };
        format!("{rows} {rows_nl}, {matched} in het register ({month}), {entitled} met recht")
    });
    let times = delivery.fetched.map(|_| format!("{} ×", figures::number(delivery.times_fetched)));
    let unfinished = Some(delivery.unfinished).filter(|count| *count > 0);
    let unfinished = unfinished.map(|count| format!("{} × begonnen en niet voltooid", figures::number(count)));
    let removed = delivery.removed.map(|at| format!("verwijderd op {}", words::moment(at)));
    let notes: Vec<String> = [times, unfinished, removed].into_iter().flatten().collect();
    let fetched = match delivery.fetched {
        None if notes.is_empty() => Cell::Mark(NOT_FETCHED),
        None => Cell::Noted(NOT_FETCHED.to_owned(), notes.join(", ")),
        Some(at) => Cell::MomentNoted(at, notes.join(", ")),
    };
    let kind = words::kind(delivery.kind);
    let amount = delivery.amount_total.as_deref().map(words::amount);
    let kind = amount.map_or_else(|| kind.to_owned(), |amount| format!("{kind}, €\u{a0}{amount}"));
    let tenant = match &delivery.on_behalf_of {
        Some(authority) => Cell::Noted(delivery.tenant.clone(), format!("in naam van {}", authority.called())),
        None => Cell::Text(delivery.tenant.clone()),
    };
    vec![
        Cell::Number(delivery.seq),
        tenant,
        Cell::Noted(kind, delivery.file.clone()),
        Cell::Number(delivery.rows),
        Cell::Text(list),
        Cell::Moment(delivery.created),
        delivery.available.map_or(Cell::Mark("niet beschikbaar"), Cell::Moment),
        fetched,
        Cell::Text(delivery.fetched_by.join(", ")),
        Cell::Ids(delivery.recipients.clone()),
    ]
}

pub(super) fn refusals(caption: &str, refusals: &[&Refusal]) -> Sheet {
    let columns =
        ["Nr. in het log", "Bestuur", "Wanneer", "Wat", "Reden", "Rijen", "Zonder geldig nummer", "Uitgelegd in"];
    let count = |count: Option<u64>| count.map_or(Cell::Text(String::new()), Cell::Number);
    let row = |refusal: &&Refusal| {
        let subject = match refusal.subject {
            Subject::List => "lijst",
            Subject::Delivery => "levering",
        };
        vec![
            Cell::Number(refusal.seq),
            Cell::Text(refusal.tenant.clone()),
            Cell::Moment(refusal.at),
            Cell::Text(subject.to_owned()),
            Cell::Noted(words::reason(&refusal.reason).to_owned(), refusal.reason.clone()),
            count(refusal.rows),
            count(refusal.invalid),
            Cell::Text(refusal.file.clone().unwrap_or_default()),
        ]
    };
    Sheet::new(caption, columns, refusals.iter().map(row))
}

pub(super) fn months(report: &AuditReport) -> Sheet {
    let columns = [
        "Maand",
        "Leveringen",
        "Rijen",
        "Opgehaald",
        "Niet opgehaald",
        "Andere bestanden",
        "Weigeringen",
        "Aanmeldingen",
        "Geweigerde aanmeldingen",
    ];
    let months = sums::months(report);
    let row = |(month, totals): (&String, &sums::Totals)| {
        let counts = totals.counts();
        // The month as digits sorts; its name does not.
        let mut cells = vec![Cell::Noted(month.clone(), words::month_of(month))];
        cells.extend(counts.map(Cell::Number));
        cells
    };
    Sheet::new("Totalen per maand, zonder proefbestanden", columns, months.iter().map(row))
}

/// Reasons with how often each was given, the most frequent first.
pub(super) fn reasons(report: &AuditReport) -> Sheet {
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for refusal in report.refusals.iter().filter(|refusal| !refusal.test) {
        *counted.entry(&refusal.reason).or_default() += 1;
    }
    let mut counted: Vec<_> = counted.into_iter().collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let row = |(reason, count): (&str, u64)| {
        vec![Cell::Noted(words::reason(reason).to_owned(), reason.to_owned()), Cell::Number(count)]
    };
    Sheet::new("Weigeringen volgens reden", ["Reden", "Aantal"], counted.into_iter().map(row))
}

pub(super) fn hints(report: &AuditReport) -> Sheet {
    let row = |hint: &super::Hint| {
        vec![
            Cell::Number(hint.seq),
            Cell::Moment(hint.at),
            Cell::Text(hint.tenant.clone()),
            Cell::Text(words::hint(hint.kind).to_owned()),
            Cell::Text(hint.about.clone()),
        ]
    };
    let columns = ["Nr. in het log", "Wanneer", "Bestuur", "Wat", "Waarover"];
    Sheet::new("Aandachtspunten", columns, report.hints.iter().map(row))
}

pub(super) fn logins(report: &AuditReport) -> Sheet {
    let columns = ["Maand", "Bestuur", "Sleutel", "Uitkomst", "Aantal", "Laatst"];
    let row = |logins: &Logins| {
        let outcome = match &logins.refused {
            None => Cell::Text("aangemeld".to_owned()),
            Some(reason) => Cell::Noted(format!("geweigerd: {}", words::reason(reason)), reason.clone()),
        };
        vec![
            Cell::Text(logins.month.clone()),
            Cell::Text(logins.tenant.clone().unwrap_or_else(|| "(onbekend)".to_owned())),
            Cell::Text(logins.key.clone().unwrap_or_default()),
            outcome,
            Cell::Number(logins.count),
            Cell::Moment(logins.last),
        ]
    };
    Sheet::new("Aanmeldingen volgens sleutel en uitkomst", columns, report.logins.iter().map(row))
}

pub(super) fn changes(report: &AuditReport) -> Sheet {
    let columns =
        ["Nr. in het log", "Wanneer", "Wat", "Bestuur", "Onderwerp", "Voordien (SHA-256)", "Nadien (SHA-256)"];
    let ids = |id: &Option<String>| Cell::Ids(id.iter().cloned().collect());
    let row = |change: &super::Change| {
        vec![
            Cell::Number(change.seq),
            Cell::Moment(change.at),
            Cell::Text(words::event(change.event).to_owned()),
            Cell::Text(change.tenant.clone().unwrap_or_default()),
            Cell::Text(change.subject.clone()),
            ids(&change.before),
            ids(&change.after),
        ]
    };
    Sheet::new(
        "Wijzigingen van sleutels, protocollen, configuratie en register",
        columns,
        report.changes.iter().map(row),
    )
}

pub(super) fn readings(report: &AuditReport) -> Sheet {
    let columns = ["Nr. in het log", "Wanneer", "Wat", "Rekening", "Sleutel", "Aantal", "Waarover"];
    let row = |reading: &super::Reading| {
        vec![
            Cell::Number(reading.seq),
            Cell::Moment(reading.at),
            Cell::Text(words::event(reading.event).to_owned()),
            Cell::Text(reading.tenant.clone().unwrap_or_default()),
            Cell::Text(reading.key.clone().unwrap_or_default()),
            Cell::Number(reading.count),
            Cell::Text(reading.about.clone()),
        ]
    };
    Sheet::new(
        "Wat VUTG deed: opdrachten, inzage in het logboek, afgeschermde gegevens",
        columns,
        report.readings.iter().map(row),
    )
}
