//! What was refused: lists, files that the release gate held back, and logins.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{
    ConsoleError,
    language::Language,
    page::{Page, View},
    site::Site,
    tables,
    tail::{Kind, Row},
};

/// Rows of a table at most.
const MOST_ROWS: usize = 200;

pub(super) fn page(site: &Site, view: &View) -> Result<Page, ConsoleError> {
    let language = view.language;
    let tail = site.tail()?;
    let of = |kinds: &'static [Kind]| tail.rows().filter(|row| kinds.contains(&row.is));
    let since = tail.since().map(|at| language.moment(at)).unwrap_or_default();
    let body = html! {
        p { (language.of(format!("Sinds {since}: zo ver gaat wat deze console van het logboek bijhoudt."), format!("Since {since}: as far as this console keeps the log at hand."))) }
        section {
            h2 { (language.of("Redenen", "Reasons")) }
            (reasons(language, tail.rows().filter(|row| row.is != Kind::Other)))
        }
        section {
            h2 { (language.of("Lijsten en bestanden", "Lists and files")) }
            (table(language, language.of("Geweigerde lijsten en tegengehouden bestanden", "Lists refused and files held back"), of(&[Kind::ListRefused, Kind::Held]).take(MOST_ROWS), true))
        }
        section {
            h2 { (language.of("Aanmeldingen", "Logins")) }
            (table(language, language.of("Geweigerde aanmeldingen", "Logins refused"), of(&[Kind::LoginRefused]).take(MOST_ROWS), true))
        }
    };
    Ok(Page::new(language.of("Weigeringen", "Refusals"), body))
}

/// How often each reason was given.
fn reasons<'a>(language: Language, rows: impl Iterator<Item = &'a Row>) -> Markup {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in rows {
        *counts.entry((what(language, row.is), row.reason.as_deref().unwrap_or_default())).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let columns = language.of(["Reden", "Wat", "#Aantal"], ["Reason", "What", "#Count"]);
    let body = html! {
        @for ((what, code), count) in counts {
            tr { th scope="row" { (tables::reason(language, code)) } td { (what) } td.number { (count) } }
        }
    };
    tables::table(language.of("Hoe vaak elke reden voorkwam", "How often each reason was given"), &columns, &body)
}

fn what(language: Language, kind: Kind) -> &'static str {
    match kind {
        Kind::ListRefused => language.of("lijst", "list"),
        Kind::Held => language.of("bestand", "file"),
        Kind::LoginRefused => language.of("aanmelding", "login"),
        Kind::Other => "",
    }
}

/// Refusals, newest first; `whose` adds the tenant.
pub(super) fn table<'a>(language: Language, caption: &str, rows: impl Iterator<Item = &'a Row>, whose: bool) -> Markup {
    let mut columns = match language {
        Language::Dutch => vec!["#Nummer", "Tijd", "Wat", "Reden", "Protocol", "Uitgelegd in"],
        Language::English => vec!["#Number", "Time", "What", "Reason", "Protocol", "Explained in"],
    };
    if whose {
        columns.insert(2, language.of("Bestuur", "Tenant"));
    }
    let body = html! {
        @for row in rows {
            tr {
                th.number scope="row" { (row.seq) }
                td { (tables::moment(language, row.at)) }
                @if whose { td { @if let Some(id) = &row.tenant { (tables::tenant(id)) } @else { span.soft { (language.of("onbekend", "unknown")) } } } }
                td { (what(language, row.is)) }
                td { (tables::reason(language, row.reason.as_deref().unwrap_or_default())) }
                td { @if let Some(protocol) = &row.protocol { (protocol) } }
                td { @if row.is == Kind::ListRefused { (row.about) } }
            }
        }
    };
    tables::table(caption, &columns, &body)
}
