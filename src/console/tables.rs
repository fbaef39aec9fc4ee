//! Tables that several pages show.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{language::Language, tail::Row};
use crate::{
    documents::audit::reason_nl,
    domain::TenantId,
    ledger::{DeliveryRow, SubmissionRow, SubmissionState},
    transfer_log::Outcome,
};

/// What the name of a column of numbers begins with in [`table`]: it stands to the right, as they do.
pub(super) const NUMERIC: char = '#';

/// Digits of an id that are shown; the whole of it is in its title, and can be searched for.
const SHOWN_OF_ID: usize = 8;

/// A table with a caption, in a box that scrolls by itself where the window is narrow, also by keyboard.
pub(super) fn table(caption: &str, columns: &[&str], rows: &Markup) -> Markup {
    html! {
        div.sheet tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for column in columns {
                    @match column.strip_prefix(NUMERIC) {
                        Some(column) => th scope="col" class="number" { (column) },
                        None => th scope="col" { (column) },
                    }
                } } }
                tbody { (rows) }
            }
        }
    }
}

/// Text in which commands and options stand between backticks.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

/// A moment as a cell shows it.
pub(super) fn moment(language: Language, at: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) { (language.moment(at)) } }
}

/// A tenant's name as a link to its page.
pub(super) fn tenant(id: &TenantId) -> Markup {
    html! { a href={ "/tenants/" (id) } { (id) } }
}

/// The beginning of an id.
pub(super) fn id(id: &str) -> Markup {
    html! { code title=(id) { (id.get(..SHOWN_OF_ID).unwrap_or(id)) } }
}

/// What a reason's code means, with the code.
pub(super) fn reason(language: Language, code: &str) -> Markup {
    let text = reason_nl(code).filter(|_| language == Language::Dutch);
    html! {
        @if let Some(text) = text { (text) " " code.small { (code) } } @else { code { (code) } }
    }
}

/// A trial with synthetic data.
pub(super) fn trial(language: Language, test: bool) -> Markup {
    html! { @if test { span.tag { (language.of("proef", "trial")) } } }
}

/// Deliveries; `whose` adds the tenant.
pub(super) fn deliveries(language: Language, caption: &str, rows: &[DeliveryRow], whose: bool) -> Markup {
    let mut columns = match language {
        Language::Dutch => vec!["Bestand", "Protocol of opdracht", "#Rijen", "Gemaakt", "Toestand", "Id"],
        Language::English => vec!["File", "Protocol or assignment", "#Rows", "Created", "State", "Id"],
    };
    if whose {
        columns.insert(0, language.of("Bestuur", "Tenant"));
    }
    let body = html! {
        @for row in rows {
            tr {
                @if whose { td { (tenant(&row.tenant)) } }
                th scope="row" { (row.file) " " (trial(language, row.test)) }
                td { @if let Some(reference) = &row.reference { (reference) } }
                td.number { (row.rows) }
                td { (moment(language, row.created_at)) }
                td { (delivery_state(language, row)) }
                td { (id(&row.id)) }
            }
        }
    };
    table(caption, &columns, &body)
}

fn delivery_state(language: Language, row: &DeliveryRow) -> Markup {
    match row.fetched_at {
        Some(at) => html! { (language.of("opgehaald", "fetched")) " " (moment(language, at)) },
        None if row.gone.is_some() => {
            html! { strong { (language.of("nooit opgehaald, verwijderd", "never fetched, removed")) } }
        }
        None if row.available => html! { strong.open { (language.of("niet opgehaald", "not fetched")) } },
        None => html! { (language.of("nog niet klaar", "not ready yet")) },
    }
}

/// Uploads of a tenant.
pub(super) fn submissions(language: Language, caption: &str, rows: &[SubmissionRow]) -> Markup {
    let columns = match language {
        Language::Dutch => ["Ontvangen", "Toestand", "#Grootte", "Id"],
        Language::English => ["Received", "State", "#Size", "Id"],
    };
    let body = html! {
        @for row in rows {
            tr {
                th scope="row" { (moment(language, row.received_at)) " " (trial(language, row.test)) }
                td { (submission_state(language, row.state)) }
                td.number { (language.size(row.size)) }
                td { (id(&row.id)) }
            }
        }
    };
    table(caption, &columns, &body)
}

fn submission_state(language: Language, state: SubmissionState) -> Markup {
    let text = match state {
        SubmissionState::Unfinished => language.of("niet volledig", "unfinished"),
        SubmissionState::Waiting => return html! { strong.open { (language.of("wacht op antwoord", "waiting")) } },
        SubmissionState::Answered => language.of("beantwoord", "answered"),
        SubmissionState::Refused => return html! { strong.refused { (language.of("geweigerd", "refused")) } },
        SubmissionState::Removed => language.of("verwijderd voor de verwerking", "removed before it was taken"),
    };
    html! { (text) }
}

/// Entries of the log; `whose` adds the tenant.
pub(super) fn entries<'a>(
    language: Language,
    caption: &str,
    rows: impl Iterator<Item = &'a Row>,
    whose: bool,
) -> Markup {
    let mut columns = match language {
        Language::Dutch => vec!["#Nummer", "Tijd", "Gebeurtenis", "Afloop", "Protocol", "Sleutel", "Over"],
        Language::English => vec!["#Number", "Time", "Event", "Outcome", "Protocol", "Key", "About"],
    };
    if whose {
        columns.insert(3, language.of("Bestuur", "Tenant"));
    }
    let body = html! {
        @for row in rows {
            tr {
                th.number scope="row" { (row.seq) }
                td { (moment(language, row.at)) }
                td { code { (row.event) } }
                @if whose { td { @if let Some(id) = &row.tenant { (tenant(id)) } } }
                td { (outcome(language, row)) }
                td { @if let Some(protocol) = &row.protocol { span.whole { (protocol) } } }
                td { @if let Some(key) = &row.key { span.whole { (key) } } }
                td { (row.about) }
            }
        }
    };
    table(caption, &columns, &body)
}

/// How an entry's event ended.
pub(super) fn outcome(language: Language, row: &Row) -> Markup {
    match (&row.reason, row.outcome) {
        (Some(code), _) => html! { strong.refused { (reason(language, code)) } },
        (None, Outcome::Success) => html! { (language.of("gelukt", "success")) },
        (None, other) => html! { strong.refused { (other) } },
    }
}

/// A figure with what it counts, as a link to where it is explained.
pub(super) fn figure(count: u64, what: &str, link: &str, alarming: bool) -> Markup {
    html! {
        li class=[(alarming && count > 0).then_some("alarm")] {
            a href=(link) { b { (count) } " " span { (what) } }
        }
    }
}
