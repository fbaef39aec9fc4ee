//! What a mail says: from news to a subject and a plain text.
//!
//! For each thing: what it is, in which folder, what to do, and until when it stays. No name of an upload, which its
//! sender chose, is repeated; the names of deliveries are the exchange's own.

use std::collections::{BTreeMap, HashMap};

use super::{news::News, phrases::Phrases};
use crate::{
    config::{Language, Settings},
    daemon::needs::stays_until,
    documents::{line, paragraph, repeatable},
    domain::{Kind, Tenant},
    ledger::{DeliveryRow, Ledger, LedgerError},
    transfer_log::MailTopic,
};

/// Lines of one topic in a mail, at most; the others are counted. More would be read by nobody.
pub(super) const MOST_LINES: usize = 50;

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub topics: Vec<MailTopic>,
    pub subject: String,
    pub body: String,
}

/// What a letter needs besides its news.
pub(super) struct Facts<'a> {
    pub settings: &'a Settings,
    pub ledger: &'a dyn Ledger,
    /// Whom to ask.
    pub contact: &'a str,
}

/// A letter to a tenant's contacts; none when nothing of the news is for a letter.
///
/// # Errors
/// The ledger's.
pub(super) fn to_tenant(tenant: &Tenant, news: &[News], facts: &Facts<'_>) -> Result<Option<Letter>, LedgerError> {
    let phrases = Phrases(facts.settings.language);
    let mut files: BTreeMap<MailTopic, Vec<DeliveryRow>> = BTreeMap::new();
    let mut why: HashMap<&str, &str> = HashMap::new();
    for news in news {
        match news {
            News::Ready { delivery } => {
                let Some(row) = facts.ledger.delivery(delivery)? else { continue };
                let topic = if row.kind == Kind::Weigering { MailTopic::Refused } else { MailTopic::Ready };
                files.entry(topic).or_default().push(row);
            }
            News::Unfetched(row) => files.entry(MailTopic::Unfetched).or_default().push(row.clone()),
            News::Why { delivery, code } => drop(why.insert(delivery, code)),
            _ => {}
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    let name = repeatable(&tenant.name);
    let mut body = String::new();
    line(&mut body, phrases.pick("Goedendag", "Hello"));
    line(&mut body, "");
    let intro = match facts.settings.language {
        Language::Dutch => format!("Dit bericht gaat over de map van {name} in de uitwisseling van VUTG en Opgroeien."),
        Language::English => format!("This is about the folder of {name} in the exchange of VUTG and Opgroeien."),
    };
    paragraph(&mut body, "", 0, &intro);
    for (topic, rows) in &files {
        heading(&mut body, phrases.heading(*topic));
        if *topic == MailTopic::Unfetched {
            let days = facts.settings.mail.as_ref().map_or(0, |mail| mail.unfetched_after_days);
            paragraph(&mut body, "", 0, &phrases.lain(days));
            line(&mut body, "");
        }
        files_of(&mut body, rows, &why, facts);
        line(&mut body, "");
        paragraph(&mut body, "", 0, phrases.tenant_to_do(*topic));
    }
    footer(&mut body, phrases, Some(facts.contact));
    let counts = files.iter().map(|(topic, rows)| phrases.tenant_subject(*topic, rows.len()));
    let subject = format!("groeikluis, {name}: {}", counts.collect::<Vec<_>>().join(", "));
    Ok(Some(Letter { topics: files.into_keys().collect(), subject, body }))
}

/// A letter to those who run the exchange; none when nothing of the news is for one.
///
/// # Errors
/// The ledger's.
pub(super) fn to_ops(news: &[News], facts: &Facts<'_>) -> Result<Option<Letter>, LedgerError> {
    let phrases = Phrases(facts.settings.language);
    let mut lines: BTreeMap<MailTopic, Vec<String>> = BTreeMap::new();
    for news in news {
        let Some(topic) = news.topic() else { continue };
        if let Some(text) = ops_line(phrases, news, facts)? {
            lines.entry(topic).or_default().push(text);
        }
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let mut body = String::new();
    line(&mut body, phrases.pick("Dit vraagt aandacht in de uitwisseling.", "This needs a hand in the exchange."));
    for (topic, lines) in &lines {
        heading(&mut body, phrases.heading(*topic));
        for text in lines.iter().take(MOST_LINES) {
            paragraph(&mut body, "- ", 2, text);
        }
        left_out(&mut body, phrases, lines.len());
        line(&mut body, "");
        paragraph(&mut body, "", 0, phrases.ops_to_do(*topic));
    }
    footer(&mut body, phrases, None);
    let counts = lines.iter().map(|(topic, lines)| phrases.ops_subject(*topic, lines.len()));
    let subject = format!("groeikluis: {}", counts.collect::<Vec<_>>().join(", "));
    Ok(Some(Letter { topics: lines.into_keys().collect(), subject, body }))
}

/// The line that news are to those who run the exchange; none for trials.
fn ops_line(phrases: Phrases, news: &News, facts: &Facts<'_>) -> Result<Option<String>, LedgerError> {
    let text = match news {
        News::Refusal { at, tenant, protocol, code, delivery } => {
            let row = delivery.as_ref().map(|id| facts.ledger.delivery(id)).transpose()?.flatten();
            if row.is_some_and(|row| row.test) {
                return Ok(None);
            }
            let tenant = tenant.as_ref().map(|tenant| format!(", {tenant}")).unwrap_or_default();
            let protocol = protocol.as_ref().map(|protocol| format!(", {protocol}")).unwrap_or_default();
            format!("{}{tenant}{protocol}: {}", phrases.moment(*at), phrases.reason(code))
        }
        News::Ending { ending, days } => phrases.ending(ending, *days),
        News::Overdue(overdue) => phrases.overdue(overdue),
        News::DiskNearlyFull(disk) => phrases.full_disk(disk),
        News::InboxNearlyFull(inbox) => phrases.full_inbox(inbox),
        News::SetAside(aside) => phrases.set_aside(aside),
        News::Register { at, code, line, column } => {
            let refused = phrases.pick("het nieuwe register is geweigerd", "the new register was refused");
            format!("{}: {refused}: {}", phrases.moment(*at), phrases.register(code, *line, *column))
        }
        News::Recovered { at, torn_bytes } => {
            let text = phrases.pick(
                "de dienst was niet ordelijk gestopt; het logboek is hersteld",
                "the service had not been stopped in order; the log was recovered",
            );
            let torn = phrases.pick("onvolledige bytes weggelaten:", "incomplete bytes left out:");
            format!("{}: {text}; {torn} {torn_bytes}", phrases.moment(*at))
        }
        News::ClockSet { at } => {
            format!("{}: {}", phrases.moment(*at), phrases.pick("de klok is verzet", "the clock was set"))
        }
        News::LogFailed { at } => {
            let text = phrases.pick(
                "het logboek kon niet geschreven worden en de dienst is gestopt",
                "the log could not be written, and the service ended",
            );
            format!("{}: {text}", phrases.moment(*at))
        }
        News::Ready { .. } | News::Why { .. } | News::Unfetched(_) => return Ok(None),
    };
    Ok(Some(text))
}

/// A tenant's files, by folder.
fn files_of(body: &mut String, rows: &[DeliveryRow], why: &HashMap<&str, &str>, facts: &Facts<'_>) {
    let phrases = Phrases(facts.settings.language);
    let all = rows.len();
    for test in [false, true] {
        let rows: Vec<&DeliveryRow> = rows.iter().filter(|row| row.test == test).collect();
        if rows.is_empty() {
            continue;
        }
        let folder = if test {
            phrases.pick(
                "In de map /test/outbox (een proef, zonder echte gegevens):",
                "In the folder /test/outbox (a trial, no real data):",
            )
        } else {
            phrases.pick("In de map /outbox:", "In the folder /outbox:")
        };
        if test && rows.len() < all {
            line(body, "");
        }
        line(body, folder);
        for row in rows.iter().take(MOST_LINES) {
            line(body, &format!("- {}", row.file));
            let until = phrases.day(stays_until(facts.settings, row));
            let what = match why.get(row.id.as_str()) {
                Some(code) => format!("{}: {}", phrases.pick("uitleg", "explanation"), phrases.reason(code)),
                None => phrases.kind(row.kind).to_owned(),
            };
            let stays = phrases.pick("blijft staan tot en met", "stays until");
            paragraph(body, "  ", 2, &format!("{what}; {stays} {until}"));
        }
        left_out(body, phrases, rows.len());
    }
}

fn left_out(body: &mut String, phrases: Phrases, count: usize) {
    if let Some(more) = count.checked_sub(MOST_LINES).filter(|more| *more > 0) {
        line(body, &format!("- {} {more}", phrases.pick("en nog andere:", "and others:")));
    }
}

fn heading(body: &mut String, text: &str) {
    line(body, "");
    line(body, text);
    line(body, "");
}

fn footer(body: &mut String, phrases: Phrases, contact: Option<&str>) {
    line(body, "");
    // What mail programs know as the beginning of a signature (RFC 3676, section 4.3).
    line(body, "-- ");
    let text = phrases.pick(
        "Dit bericht is automatisch verstuurd en bevat geen persoonsgegevens.",
        "This message was sent automatically and holds no personal data.",
    );
    line(body, text);
    if let Some(contact) = contact {
        let ask = phrases.pick(
            "zet nooit een rijksregisternummer of een lijst in een mail.",
            "never put a national number or a list in a mail.",
        );
        paragraph(body, "", 0, &format!("{} {contact}; {ask}", phrases.pick("Vragen?", "Questions?")));
    }
}
