//! The report as CSV: blocks with an empty line between, each with a header row of its own. Moments have their offset,
//! ids are whole, and every text is safe to open in a spreadsheet.

use jiff::Timestamp;

use super::{AuditReport, Subject, sums, words};
use crate::documents::csv;

/// Makes the file. It begins with a byte order mark: spreadsheets read it as UTF-8 then.
pub fn sheet(report: &AuditReport) -> Vec<u8> {
    let mut out = Vec::from("\u{feff}");
    context(&mut out, report);
    months(&mut out, report);
    deliveries(&mut out, report);
    refusals(&mut out, report);
    logins(&mut out, report);
    changes(&mut out, report);
    readings(&mut out, report);
    hints(&mut out, report);
    out
}

fn row<T: AsRef<str>>(out: &mut Vec<u8>, cells: &[T]) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.push(b';');
        }
        csv::text(out, cell.as_ref());
    }
    out.push(b'\n');
}

fn block(out: &mut Vec<u8>, columns: &[&str]) {
    out.push(b'\n');
    row(out, columns);
}

fn moment(at: Option<Timestamp>) -> String {
    at.map(words::iso).unwrap_or_default()
}

fn count(count: Option<u64>) -> String {
    count.map(|count| count.to_string()).unwrap_or_default()
}

fn optional(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}

fn yes(yes: bool) -> String {
    if yes { "ja" } else { "nee" }.to_owned()
}

fn context(out: &mut Vec<u8>, report: &AuditReport) {
    row(out, &["gegeven", "waarde"]);
    row(out, &["eerste dag", &report.from.to_string()]);
    row(out, &["laatste dag", &report.until.to_string()]);
    row(out, &["bestuur", report.tenant.as_deref().unwrap_or("alle")]);
    for former in &report.former {
        row(out, &["opgegaan in dat bestuur", former]);
    }
    row(out, &["protocol", report.protocol.as_deref().unwrap_or("alle")]);
    row(out, &["opgemaakt", &words::iso(report.made_at)]);
    for log in &report.logs {
        row(out, &["log", &log.origin]);
        row(out, &["verificatie", "geslaagd"]);
        row(out, &["regels onder het controlepunt", &log.entries.to_string()]);
        row(out, &["wortel (SHA-256)", &log.root]);
        row(out, &["publieke sleutel", &log.key]);
        row(out, &["regels na het controlepunt (niet meegeteld)", &log.unsigned.to_string()]);
    }
}

fn months(out: &mut Vec<u8>, report: &AuditReport) {
    block(
        out,
        &[
            "maand",
            "leveringen",
            "rijen",
            "opgehaald",
            "niet_opgehaald",
            "andere_bestanden",
            "weigeringen",
            "aanmeldingen",
            "geweigerde_aanmeldingen",
        ],
    );
    for (month, totals) in sums::months(report) {
        let counts = totals.counts();
        let mut cells = vec![month];
        cells.extend(counts.map(|count| count.to_string()));
        row(out, &cells);
    }
}

fn deliveries(out: &mut Vec<u8>, report: &AuditReport) {
    block(
        out,
        &[
            "lognummer",
            "levering",
            "bestuur",
            "protocol",
            "soort",
            "bestand",
            "rijen",
            "bedrag",
            "proef",
            "rechtsgrond",
            "doel",
            "kolommen",
            "aangemaakt",
            "beschikbaar",
            "opgehaald",
            "keren_opgehaald",
            "niet_voltooid",
            "verwijderd",
            "opgehaald_met_sleutel",
            "verzegeld_voor",
            "rijen_van_de_lijst",
            "in_het_register",
            "met_recht",
            "maand_van_het_register",
            "in_naam_van",
            "overeenkomst",
        ],
    );
    for delivery in &report.deliveries {
        let list = delivery.list.as_ref();
        row(
            out,
            &[
                delivery.seq.to_string(),
                delivery.id.clone(),
                delivery.tenant.clone(),
                delivery.protocol.clone(),
                delivery.kind.name().to_owned(),
                delivery.file.clone(),
                delivery.rows.to_string(),
                optional(delivery.amount_total.as_ref()),
                yes(delivery.test),
                delivery.legal_basis.clone(),
                delivery.purpose.clone(),
                delivery.columns.join(" "),
                moment(Some(delivery.created)),
                moment(delivery.available),
                moment(delivery.fetched),
                delivery.times_fetched.to_string(),
                delivery.unfinished.to_string(),
                moment(delivery.removed),
                delivery.fetched_by.join(" "),
                delivery.recipients.join(" "),
                count(list.map(|list| list.rows)),
                count(list.map(|list| list.matched)),
                count(list.map(|list| list.entitled)),
                optional(list.map(|list| &list.register_month)),
                optional(delivery.on_behalf_of.as_ref().map(|authority| &authority.tenant)),
                yes(delivery.is_under_agreement()),
            ],
        );
    }
}

fn refusals(out: &mut Vec<u8>, report: &AuditReport) {
    block(
        out,
        &[
            "lognummer",
            "tijdstip",
            "bestuur",
            "protocol",
            "wat",
            "code",
            "reden",
            "rijen",
            "zonder_geldig_nummer",
            "uitgelegd_in",
            "proef",
        ],
    );
    for refusal in &report.refusals {
        let subject = match refusal.subject {
            Subject::List => "lijst",
            Subject::Delivery => "levering",
        };
        row(
            out,
            &[
                refusal.seq.to_string(),
                moment(Some(refusal.at)),
                refusal.tenant.clone(),
                optional(refusal.protocol.as_ref()),
                subject.to_owned(),
                refusal.reason.clone(),
                words::reason(&refusal.reason).to_owned(),
                count(refusal.rows),
                count(refusal.invalid),
                optional(refusal.file.as_ref()),
                yes(refusal.test),
            ],
        );
    }
}

fn logins(out: &mut Vec<u8>, report: &AuditReport) {
    block(out, &["maand", "bestuur", "sleutel", "geweigerd", "reden", "aantal", "laatst"]);
    for logins in &report.logins {
        row(
            out,
            &[
                logins.month.clone(),
                optional(logins.tenant.as_ref()),
                optional(logins.key.as_ref()),
                optional(logins.refused.as_ref()),
                logins.refused.as_deref().map(words::reason).unwrap_or_default().to_owned(),
                logins.count.to_string(),
                moment(Some(logins.last)),
            ],
        );
    }
}

fn changes(out: &mut Vec<u8>, report: &AuditReport) {
    block(out, &["lognummer", "tijdstip", "wat", "bestuur", "onderwerp", "voordien", "nadien"]);
    for change in &report.changes {
        row(
            out,
            &[
                change.seq.to_string(),
                moment(Some(change.at)),
                words::event(change.event).to_owned(),
                optional(change.tenant.as_ref()),
                change.subject.clone(),
                optional(change.before.as_ref()),
                optional(change.after.as_ref()),
            ],
        );
    }
}

fn readings(out: &mut Vec<u8>, report: &AuditReport) {
    block(out, &["lognummer", "tijdstip", "wat", "rekening", "sleutel", "aantal", "waarover"]);
    for reading in &report.readings {
        row(
            out,
            &[
                reading.seq.to_string(),
                moment(Some(reading.at)),
                words::event(reading.event).to_owned(),
                optional(reading.tenant.as_ref()),
                optional(reading.key.as_ref()),
                reading.count.to_string(),
                reading.about.clone(),
            ],
        );
    }
}

fn hints(out: &mut Vec<u8>, report: &AuditReport) {
    block(out, &["lognummer", "tijdstip", "bestuur", "aandachtspunt", "waarover"]);
    for hint in &report.hints {
        row(
            out,
            &[
                hint.seq.to_string(),
                moment(Some(hint.at)),
                hint.tenant.clone(),
                words::hint(hint.kind).to_owned(),
                hint.about.clone(),
            ],
        );
    }
}
