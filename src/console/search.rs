//! Finding a file, a protocol, a key or a tenant by a part of its name.

use maud::{Markup, html};

use super::{
    ConsoleError,
    language::Language,
    page::{Page, View},
    site::Site,
    tables,
};
use crate::{
    config::Settings,
    domain::{Tenant, ssh_key::fingerprint},
    ledger::Ledger,
};

/// Letters and digits that are searched for at least: one finds nearly everything.
const LEAST: usize = 2;

/// Files that are shown at most.
const MOST_FILES: u32 = 100;

/// Protocols, keys and tenants that are shown at most.
const MOST: usize = 50;

/// Something of a tenant's file.
struct Found<'a> {
    tenant: &'a Tenant,
    what: &'static str,
    name: String,
}

pub(super) fn page(site: &Site, view: &View) -> Result<Page, ConsoleError> {
    let language = view.language;
    let asked = view.asked("q");
    let title = language.of("Zoeken", "Search");
    if asked.chars().count() < LEAST {
        let hint = language.of(
            "Geef ten minste twee tekens van een bestandsnaam, protocol, vingerafdruk van een sleutel, id of bestuur.",
            "Give at least two characters of a file name, protocol, fingerprint of a key, id or tenant.",
        );
        return Ok(Page::new(title, html! { p { (hint) } }));
    }
    let files = match site.ledger()? {
        Some(ledger) => ledger.find_deliveries(asked, MOST_FILES).map_err(ConsoleError::Ledger)?,
        None => Vec::new(),
    };
    let (settings, _) = site.settings();
    let configured = configured(&settings, language, &asked.to_lowercase());
    let count = files.len() + configured.len();
    let body = html! {
        p role="status" {
            (language.of(format!("{count} gevonden voor"), format!("{count} found for"))) " " strong { (asked) }
        }
        @if !configured.is_empty() { (of_settings(language, &configured)) }
        @if !files.is_empty() { (tables::deliveries(language, language.of("Bestanden", "Files"), &files, true)) }
        @if count == 0 {
            p { (language.of(
                "Namen van bestanden die een bestuur zelf stuurde, staan niet leesbaar in het logboek: zoek op het bestuur.",
                "Names of files that a tenant sent itself are not in the log in clear: search for the tenant.",
            )) }
        }
    };
    Ok(Page::new(title, body))
}

fn configured<'a>(settings: &'a Settings, language: Language, asked: &str) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for tenant in settings.tenants.values() {
        let mut add = |what, name: String| found.push(Found { tenant, what, name });
        let has = |text: &str| text.to_lowercase().contains(asked);
        if has(tenant.id.as_str()) || has(&tenant.name) {
            add(language.of("bestuur", "tenant"), tenant.name.clone());
        }
        for protocol in tenant.protocols.iter().filter(|protocol| has(protocol.id.as_str())) {
            add("protocol", protocol.id.to_string());
        }
        for agreement in tenant.agreements.iter().filter(|agreement| has(agreement.id.as_str())) {
            add(language.of("overeenkomst", "agreement"), agreement.id.to_string());
        }
        let keys = tenant.keys.iter().map(|key| (&key.label, key.key.blob()));
        let authorities =
            tenant.certificate_authorities.iter().map(|authority| (&authority.label, authority.key.blob()));
        for (label, blob) in keys.chain(authorities) {
            let fingerprint = fingerprint(blob);
            if has(label) || has(&fingerprint) {
                add(language.of("sleutel", "key"), format!("{label} {fingerprint}"));
            }
        }
    }
    found.truncate(MOST);
    found
}

fn of_settings(language: Language, found: &[Found<'_>]) -> Markup {
    let columns = language.of(["Naam", "Wat", "Bestuur"], ["Name", "What", "Tenant"]);
    let rows = html! {
        @for one in found {
            tr { th scope="row" { (one.name) } td { (one.what) } td { (tables::tenant(&one.tenant.id)) } }
        }
    };
    tables::table(language.of("In de configuratie", "In the configuration"), &columns, &rows)
}
