//! What needs a hand today, and where the exchange stands.

use std::{io::ErrorKind, path::Path};

use jiff::civil::Date;
use maud::{Markup, html};

use super::{
    ConsoleError,
    language::Language,
    page::{Page, View},
    site::Site,
    tables,
    tail::Kind,
};
use crate::{
    config::{self, Settings},
    daemon::{
        self, RegisterNeed,
        disks::full_disks,
        needs::{self, Ending, Ends},
    },
    ledger::{Ledger, LedgerError},
};

/// Days before the end of a key or protocol from which it is shown.
const SOON_DAYS: i32 = 30;

/// Entries at the foot of the page.
const LAST_ENTRIES: usize = 12;

/// Something to do.
struct Task {
    urgent: bool,
    text: Markup,
}

pub(super) fn page(site: &Site, view: &View) -> Result<Page, ConsoleError> {
    let language = view.language;
    let (settings, _) = site.settings();
    let tasks = tasks(site, &settings, language)?;
    let summary = site.summary()?;
    let sum = |of: fn(&crate::ledger::TenantSummary) -> u64| summary.tenants.values().map(of).sum::<u64>();
    let tail = site.tail()?;
    let day_ago = site.clock.now().checked_sub(jiff::SignedDuration::from_hours(24)).unwrap_or_default();
    let today = || tail.rows().take_while(|row| row.at >= day_ago);
    let refused = today().filter(|row| matches!(row.is, Kind::ListRefused | Kind::Held)).count() as u64;
    let logins = today().filter(|row| row.is == Kind::LoginRefused).count() as u64;
    let body = html! {
        section aria-labelledby="tasks" {
            h2 id="tasks" { (language.of("Wat aandacht vraagt", "What needs a hand")) }
            @if tasks.is_empty() {
                p.fine { (language.of("Niets van wat deze bladzijde nagaat.", "Nothing of what this page looks at.")) }
            } @else {
                ul.tasks { @for task in &tasks { li class=[task.urgent.then_some("urgent")] { (task.text) } } }
            }
            @if is_hidden(&settings.spool_dir) {
                p { (language.of(
                    "Wat in de spool ligt, ziet deze console niet: dat vertelt `groeikluis status`.",
                    "What lies in the spool is hidden from this console: `groeikluis status` tells of it.",
                )) }
            }
        }
        section aria-labelledby="stand" {
            h2 id="stand" { (language.of("Stand", "State")) }
            ul.figures {
                (tables::figure(sum(|line| line.waiting), language.of("lijsten wachten op antwoord", "lists wait for an answer"), "/tenants", true))
                (tables::figure(sum(|line| line.unfetched), language.of("bestanden niet opgehaald", "files not fetched"), "/tenants", false))
                (tables::figure(sum(|line| line.answered), language.of("lijsten beantwoord", "lists answered"), "/traffic", false))
                (tables::figure(refused, language.of("geweigerd in 24 uur", "refused in 24 hours"), "/refusals", true))
                (tables::figure(logins, language.of("mislukte aanmeldingen in 24 uur", "failed logins in 24 hours"), "/refusals", false))
                (tables::figure(tail.size(), language.of("regels in het logboek", "entries in the log"), "/log", false))
            }
        }
        section aria-labelledby="last" {
            h2 id="last" { (language.of("Laatste gebeurtenissen", "Last events")) }
            (tables::entries(language, language.of("De laatste regels van het logboek", "The last entries of the log"), tail.rows().take(LAST_ENTRIES), true))
        }
    };
    Ok(Page::new(language.of("Overzicht", "Overview"), body))
}

/// Whether this process may not look into a directory.
fn is_hidden(directory: &Path) -> bool {
    directory.read_dir().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

fn tasks(site: &Site, settings: &Settings, language: Language) -> Result<Vec<Task>, ConsoleError> {
    let mut tasks = Vec::new();
    if !site.is_running() {
        tasks.push(Task {
            urgent: true,
            text: html! { (language.of(
                "De uitwisseling draait niet, of is voor deze console niet bereikbaar.",
                "The exchange is not running, or cannot be reached by this console.",
            )) },
        });
    }
    if let Some(outcome) = site.verification.known().last.filter(|outcome| outcome.result.is_err()) {
        tasks.push(Task {
            urgent: true,
            text: html! {
                a href="/log" { (language.of("Het logboek klopt niet", "The log does not verify")) }
                " (" (language.moment(outcome.at)) ")"
            },
        });
    }
    if let Some(last) = daemon::retention_late_since(&settings.state_dir, site.clock.now()) {
        let last = language.day(last);
        tasks.push(Task { urgent: true, text: html! {
            (language.of(format!("Wat lang genoeg bewaard is, is het laatst verwijderd in de nacht van {last}."), format!("What was kept long enough was last removed in the night of {last}.")))
        } });
    }
    tasks.extend(of_the_machine(site, settings, language)?);
    let today = site.clock.today();
    if let Some(ledger) = site.ledger()? {
        let fault = ConsoleError::Ledger;
        tasks.extend(of_lists(site, settings, &ledger, language).map_err(fault)?);
        for inbox in site.full_inboxes(settings) {
            let (taken, limit) = inbox.sizes();
            tasks.push(Task { urgent: false, text: html! {
                (tables::tenant(&inbox.tenant)) ": "
                (language.of(format!("uploads nemen {taken} in van {limit}; wat er niet in past, wordt geweigerd"), format!("uploads take {taken} of {limit}; what does not fit is refused")))
            } });
        }
        let days = needs::unfetched_after_days(settings);
        for unfetched in needs::unfetched(settings, &ledger, today, days).map_err(fault)? {
            let count = unfetched.files.len();
            let oldest =
                unfetched.files.first().map(|file| language.span(site.age(file.created_at))).unwrap_or_default();
            tasks.push(Task { urgent: false, text: html! {
                (tables::tenant(&unfetched.tenant)) ": "
                (language.of(format!("{count} bestand(en) niet opgehaald, het oudste ligt er {oldest}"), format!("{count} file(s) not fetched, the oldest for {oldest}")))
            } });
        }
        for (row, until) in needs::removed_soon(&ledger, today).map_err(fault)? {
            let (file, until) = (&row.file, language.day(until));
            tasks.push(Task { urgent: false, text: html! {
                (tables::tenant(&row.tenant)) ": "
                (language.of(format!("{file} is nooit opgehaald en wordt na {until} verwijderd"), format!("{file} was never fetched and is removed after {until}")))
            } });
        }
        for overdue in needs::overdue(settings, &ledger, today).map_err(fault)? {
            let (from, until) = (language.day(overdue.from), language.day(overdue.until));
            tasks.push(Task { urgent: false, text: html! {
                (tables::tenant(&overdue.tenant)) ": "
                (language.of(format!("geen lijst voor {} van {from} tot {until}", overdue.protocol), format!("no list for {} from {from} to {until}", overdue.protocol)))
            } });
        }
    }
    let mut endings = needs::endings(settings);
    endings.sort_by_key(|ending| ending.last_day);
    tasks.extend(endings.iter().filter_map(|ending| ends(ending, today, language)));
    tasks.sort_by_key(|task| !task.urgent);
    Ok(tasks)
}

/// Lists that wait, and for what.
fn of_lists(
    site: &Site,
    settings: &Settings,
    ledger: &dyn Ledger,
    language: Language,
) -> Result<Vec<Task>, LedgerError> {
    let mut tasks = Vec::new();
    let aside = needs::set_aside(&settings.state_dir, ledger)?;
    for needs::SetAside { tenant, received_at, parked, .. } in &aside {
        let came = language.moment(*received_at);
        let why = match parked {
            false => language
                .of("de behandeling van deze lijst brak herhaaldelijk af", "work on this list broke off repeatedly"),
            true => language.of(
                "de dienst viel herhaaldelijk uit tijdens de behandeling van andere lijsten van deze deelnemer",
                "the service died repeatedly while it worked on other lists of this tenant",
            ),
        };
        tasks.push(Task { urgent: true, text: html! {
            (tables::tenant(tenant)) ": "
            (language.of(format!("de lijst van {came} is opzijgezet: {why}"), format!("the list of {came} is set aside: {why}")))
        } });
    }
    for (tenant, count, since) in needs::waiting(ledger, &aside)? {
        let age = site.age(since);
        if !settings.tenants.contains_key(&tenant) {
            tasks.push(Task { urgent: false, text: html! {
                (tenant) ": "
                (language.of(format!("geen deelnemer meer; {count} lijst(en) wachten tot zij verwijderd worden"), format!("no tenant any more; {count} list(s) wait until they are removed")))
            } });
        } else if age >= needs::WAITS_TOO_LONG.as_secs() {
            let (count, age) = (count.to_string(), language.span(age));
            tasks.push(Task { urgent: true, text: html! {
                (tables::tenant(&tenant)) ": "
                (language.of(format!("{count} lijst(en) wachten op antwoord, de oudste {age}"), format!("{count} list(s) wait for an answer, the oldest for {age}")))
            } });
        }
    }
    let days = settings.retention.answered_uploads_days;
    for needs::KeptTooLong { tenant, count, .. } in needs::kept_too_long(settings, ledger, site.clock.now())? {
        tasks.push(Task { urgent: true, text: html! {
            (tables::tenant(&tenant)) ": "
            (language.of(format!("{count} lijst(en) wachten al meer dan {days} dagen, en blijven zolang bewaard"), format!("{count} list(s) have been waiting, and kept, for more than {days} days")))
        } });
    }
    Ok(tasks)
}

/// What the register, the disks, the spool and the mails ask for.
fn of_the_machine(site: &Site, settings: &Settings, language: Language) -> Result<Vec<Task>, ConsoleError> {
    let mut tasks = Vec::new();
    let mut task = |urgent, dutch: String, english: String| {
        tasks.push(Task { urgent, text: html! { (language.of(dutch, english)) } });
    };
    let (known, is_readable) = {
        let tail = site.tail()?;
        (tail.register.clone(), tail.is_readable)
    };
    if !is_readable {
        task(
            true,
            "Niet het hele transferlogboek kan gelezen worden: `groeikluis audit verify` zegt wat eraan scheelt."
                .to_owned(),
            "Not all of the transfer log can be read: `groeikluis audit verify` tells more.".to_owned(),
        );
    }
    match known.need(site.is_running()) {
        Some(RegisterNeed::Refused { at, others, why }) => {
            let at = language.moment(at);
            let [why_nl, why_en] =
                [config::Language::Dutch, config::Language::English].map(|language| why.in_words(language));
            let dutch = if others { "Een nieuw" } else { "Er is geen register in gebruik, lijsten wachten: het" };
            let english = if others { "A new" } else { "No register is in use, lists wait: the" };
            task(
                true,
                format!("{dutch} register is geweigerd op {at}: {why_nl}."),
                format!("{english} register was refused at {at}: {why_en}."),
            );
        }
        Some(RegisterNeed::Missing) => task(
            true,
            "Er is geen register geladen: lijsten wachten.".to_owned(),
            "No register was loaded: lists wait.".to_owned(),
        ),
        None => {}
    }
    for disk in full_disks(settings) {
        let (directory, (free, total)) = (disk.directory.display(), disk.room());
        task(
            true,
            format!("De schijf van {directory} is bijna vol: nog {free} vrij van {total}."),
            format!("The disk of {directory} is nearly full: {free} free of {total}."),
        );
    }
    let spooled = daemon::spooled_files(settings);
    for (count, dutch, english) in [
        (spooled.refused, "Overhandigde bestanden die niet mogen vertrekken", "Files handed over that may not leave"),
        (spooled.waiting, "Overhandigde bestanden die wachten", "Files handed over that wait"),
        (
            spooled.taken,
            "Overhandigde bestanden die onderweg zijn, of op een start wachten",
            "Files handed over that are being delivered, or wait for a start",
        ),
        (spooled.passed_over, "In de spool, maar nooit geleverd", "In the spool, but never delivered"),
        (
            daemon::waiting_mails(&settings.state_dir),
            "Mails die de mailserver nog moet aannemen",
            "Mails that the mail server has yet to take",
        ),
    ] {
        if count > 0 {
            task(false, format!("{dutch}: {count}"), format!("{english}: {count}"));
        }
    }
    Ok(tasks)
}

/// What ends soon, or has ended.
fn ends(ending: &Ending, today: Date, language: Language) -> Option<Task> {
    let left = ending.last_day.since(today).ok()?.get_days();
    if left > SOON_DAYS {
        return None;
    }
    let what = match &ending.what {
        Ends::Key { label, .. } => format!("{} {label}", language.of("sleutel", "key")),
        Ends::Authority { label, .. } => format!("{} {label}", language.of("uitgever", "authority")),
        Ends::Protocol(id) => format!("protocol {id}"),
        Ends::Agreement(id) => format!("{} {id}", language.of("overeenkomst", "agreement")),
    };
    let day = language.day(ending.last_day);
    let when = if left < 0 { language.of("eindigde op", "ended on") } else { language.of("eindigt op", "ends on") };
    let text = html! { (tables::tenant(&ending.tenant)) ": " (what) " " (when) " " (day) };
    Some(Task { urgent: left < 0, text })
}
