//! How much came and went in the last days, in charts and in a table of the same.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    ConsoleError,
    chart::{Days, chart},
    language::Language,
    page::{Page, View},
    site::Site,
    tables,
};
use crate::{
    documents::audit::Bar,
    ledger::{DeliveryRow, Ledger, SubmissionRow, SubmissionState},
};

pub(super) fn page(site: &Site, view: &View) -> Result<Page, ConsoleError> {
    let language = view.language;
    let days = Days::until(site.clock.today());
    let (uploads, deliveries) = match site.ledger()? {
        Some(ledger) => (
            ledger.submissions_since(days.since).map_err(ConsoleError::Ledger)?,
            ledger.deliveries_since(days.since).map_err(ConsoleError::Ledger)?,
        ),
        None => (Vec::new(), Vec::new()),
    };
    let lists_of = days.bars(language, of_uploads(&uploads));
    let files_of = days.bars(language, of_deliveries(&deliveries));
    let received = uploads.iter().filter(|row| counts(row)).map(|row| (row.received_at, 0, row.size.div_ceil(1000)));
    let kilobytes = days.bars(language, received);
    let body = html! {
        p { (language.of(
            "De laatste 30 dagen, vandaag inbegrepen; proefbestanden zijn niet meegeteld.",
            "The last 30 days, today included; trials are left out.",
        )) }
        div.charts {
            (lists(language, &lists_of))
            (files(language, &files_of))
            (chart(language, "bytes", language.of("Ontvangen, in kB", "Received, in kB"), &["kB"], &kilobytes))
        }
        details {
            summary { (language.of("Dezelfde cijfers als tabel", "The same figures as a table")) }
            (table(language, &lists_of, &files_of, &kilobytes))
        }
    };
    Ok(Page::new(language.of("Verkeer", "Traffic"), body))
}

/// Whether an upload is one of the lists that are told of: whole, and no trial.
fn counts(row: &SubmissionRow) -> bool {
    !row.test && row.state != SubmissionState::Unfinished
}

/// Lists for a chart: refused ones above the others.
pub(super) fn of_uploads(rows: &[SubmissionRow]) -> impl Iterator<Item = (Timestamp, usize, u64)> {
    let lists = rows.iter().filter(|row| counts(row));
    lists.map(|row| (row.received_at, usize::from(row.state == SubmissionState::Refused), 1))
}

/// Files for a chart: those not fetched above the others.
pub(super) fn of_deliveries(rows: &[DeliveryRow]) -> impl Iterator<Item = (Timestamp, usize, u64)> {
    let counts = |row: &&DeliveryRow| !row.test && row.available;
    rows.iter().filter(counts).map(|row| (row.created_at, usize::from(row.fetched_at.is_none()), 1))
}

pub(super) fn lists(language: Language, bars: &[Bar]) -> Markup {
    let title = language.of("Ontvangen lijsten", "Lists received");
    let parts = [language.of("aanvaard", "accepted"), language.of("geweigerd", "refused")];
    chart(language, "lists", title, &parts, bars)
}

pub(super) fn files(language: Language, bars: &[Bar]) -> Markup {
    let title = language.of("Bestanden voor besturen", "Files for tenants");
    let parts = [language.of("opgehaald", "fetched"), language.of("niet opgehaald", "not fetched")];
    chart(language, "files", title, &parts, bars)
}

fn table(language: Language, lists: &[Bar], files: &[Bar], kilobytes: &[Bar]) -> Markup {
    let columns = match language {
        Language::Dutch => [
            "Dag",
            "#Lijsten aanvaard",
            "#Lijsten geweigerd",
            "#Bestanden opgehaald",
            "#Bestanden niet opgehaald",
            "#Ontvangen, kB",
        ],
        Language::English => {
            ["Day", "#Lists accepted", "#Lists refused", "#Files fetched", "#Files not fetched", "#Received, kB"]
        }
    };
    let rows = html! {
        @for ((lists, files), kilobytes) in lists.iter().zip(files).zip(kilobytes).rev() {
            tr {
                th scope="row" { (lists.name) }
                @for value in lists.values.iter().chain(&files.values).chain(kilobytes.values.first()) {
                    td.number { (value) }
                }
            }
        }
    };
    tables::table(language.of("Per dag", "By day"), &columns, &rows)
}
