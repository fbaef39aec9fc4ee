//! The transfer log: how large it is, its checkpoint, whether it verifies, and its last entries.

use maud::{Markup, html};

use super::{
    ConsoleError,
    language::Language,
    page::{Page, View},
    site::Site,
    tables,
    verification::{Known, Outcome},
};
use crate::transfer_log;

/// Entries that are shown.
const LAST_ENTRIES: usize = 100;

pub(super) fn page(site: &Site, view: &View) -> Result<Page, ConsoleError> {
    let language = view.language;
    let known = site.verification.known();
    let directory = site.log_dir();
    let (settings, _) = site.settings();
    let checkpoint = transfer_log::published_note(&directory).map_err(ConsoleError::Log)?;
    let tail = site.tail()?;
    let published = transfer_log::published_size(&directory).map_err(ConsoleError::Log)?;
    let wanted = view.asked("event");
    let rows = tail.rows().filter(|row| wanted.is_empty() || row.event.contains(wanted)).take(LAST_ENTRIES);
    let body = html! {
        dl.facts {
            div { dt { (language.of("Naam", "Name")) } dd { code { (settings.log.origin) } } }
            div { dt { (language.of("Regels", "Entries")) } dd { (tail.size()) } }
            div { dt { (language.of("Onder een controlepunt", "Under a checkpoint")) } dd { (published) } }
        }
        section aria-labelledby="verify" {
            h2 id="verify" { (language.of("Klopt het?", "Does it verify?")) }
            (verification(site, language, &known))
        }
        section {
            h2 { (language.of("Controlepunt", "Checkpoint")) }
            p { (tables::prose(language.of(
                "Bewaar het: later bewijst `groeikluis audit verify --since` dat niets van ervoor is herschreven.",
                "Keep it: later, `groeikluis audit verify --since` proves that nothing before it was rewritten.",
            ))) }
            pre tabindex="0" aria-label=(language.of("Het controlepunt", "The checkpoint")) { code { (checkpoint.unwrap_or_default()) } }
        }
        section {
            h2 { (language.of("Laatste regels", "Last entries")) }
            form.filter action="/log" method="get" {
                label for="event" { (language.of("Alleen gebeurtenissen met", "Only events with")) }
                input id="event" name="event" maxlength="50" placeholder="list.refused" value=(wanted);
                button type="submit" { (language.of("Toon", "Show")) }
            }
            (tables::entries(language, language.of("Nieuwste eerst", "Newest first"), rows, true))
        }
    };
    Ok(Page { refresh: known.running.is_some(), ..Page::new(language.of("Logboek", "Log"), body) })
}

fn verification(site: &Site, language: Language, known: &Known) -> Markup {
    html! {
        @if let Some(since) = known.running {
            p.notice role="status" { (language.of(
                format!("Het hele logboek wordt nagerekend, al {}; deze bladzijde ververst vanzelf.", language.span(site.age(since))),
                format!("The whole log is being hashed again, for {} now; this page refreshes by itself.", language.span(site.age(since))),
            )) }
        } @else {
            @match &known.last {
                Some(outcome) => (told(language, outcome)),
                None => p { (language.of("Nog niet nagerekend sinds deze console draait.", "Not verified yet since this console runs.")) }
            }
            form action="/log/verify" method="post" {
                button type="submit" { (language.of("Reken het logboek na", "Verify the log")) }
            }
        }
    }
}

fn told(language: Language, outcome: &Outcome) -> Markup {
    // A second begun is a second.
    let lasted = i64::try_from(outcome.seconds).unwrap_or(i64::MAX).saturating_add(1);
    let when = language.of(
        format!("Nagerekend op {} in {}.", language.moment(outcome.at), language.span(lasted)),
        format!("Verified on {} in {}.", language.moment(outcome.at), language.span(lasted)),
    );
    let keys = if outcome.own_keys {
        language.of("Met de sleutel die aan deze console is gegeven.", "With the key that was given to this console.")
    } else {
        language.of(
            "Met de sleutel die naast het logboek ligt: wie zeker wil zijn, geeft `--key` met een sleutel die elders is bewaard.",
            "With the key that lies beside the log: to be sure, give `--key` with one that was kept elsewhere.",
        )
    };
    html! {
        @match &outcome.result {
            Ok(sound) => {
                p.fine { strong { (language.of("Het logboek klopt", "The log verifies")) } ": " (sound.origin) ", " (sound.entries) " " (language.of("regels", "entries")) "." }
                p { (language.of("Wortel", "Root")) " " code { (sound.root) } }
                @if sound.unsigned > 0 { p { (sound.unsigned) " " (language.of("nieuwere regels zijn heel, en nog onder geen controlepunt.", "newer entries are whole, and under no checkpoint yet.")) } }
            }
            Err(faults) => {
                p.alarm role="alert" { strong { (language.of("Het logboek klopt niet", "The log does not verify")) } }
                ul { @for fault in faults { li { code { (fault) } } } }
            }
        }
        p.soft { (when) " " (tables::prose(keys)) }
    }
}
