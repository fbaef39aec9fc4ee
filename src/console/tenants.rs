//! All tenants, and where each stands.

use maud::html;

use super::{
    ConsoleError,
    language::Language,
    page::{Page, View},
    site::Site,
    tables,
};
use crate::{domain::TenantKind, ledger::TenantSummary};

pub(super) fn page(site: &Site, view: &View) -> Result<Page, ConsoleError> {
    let language = view.language;
    let (settings, _) = site.settings();
    let summary = site.summary()?;
    let columns = match language {
        Language::Dutch => [
            "Bestuur",
            "Naam",
            "Soort",
            "#Wachtend",
            "#Beantwoord",
            "#Geweigerd",
            "#Geleverd",
            "#Niet opgehaald",
            "Laatst aangemeld",
        ],
        Language::English => {
            ["Tenant", "Name", "Kind", "#Waiting", "#Answered", "#Refused", "#Delivered", "#Not fetched", "Last login"]
        }
    };
    let nothing = TenantSummary::default();
    let rows = html! {
        @for (id, tenant) in &settings.tenants {
            @let line = summary.tenants.get(id).unwrap_or(&nothing);
            tr {
                th scope="row" { (tables::tenant(id)) }
                td { (tenant.name) }
                td { (kind(language, tenant.kind)) }
                @for (count, mark) in [(line.waiting, true), (line.answered, false), (line.refused, false), (line.deliveries, false), (line.unfetched, true)] {
                    td.number { @if mark && count > 0 { strong.open { (count) } } @else { (count) } }
                }
                td {
                    @match line.last_login {
                        Some(at) => (tables::moment(language, at)),
                        None => span.soft { (language.of("nooit", "never")) },
                    }
                }
            }
        }
    };
    let gone: Vec<_> = summary.tenants.keys().filter(|id| !settings.tenants.contains_key(*id)).collect();
    let count = settings.tenants.len();
    let caption = language.of(format!("{count} besturen en partners"), format!("{count} tenants"));
    let body = html! {
        (tables::table(&caption, &columns, &rows))
        @if !gone.is_empty() {
            p { (language.of("Niet meer in de configuratie: ", "No longer in the configuration: "))
                @for (at, id) in gone.iter().enumerate() { @if at > 0 { ", " } (tables::tenant(id)) } }
        }
    };
    Ok(Page::new(language.of("Besturen", "Tenants"), body))
}

/// What a tenant is.
pub(super) fn kind(language: Language, kind: TenantKind) -> &'static str {
    match kind {
        TenantKind::Municipality => language.of("gemeente", "municipality"),
        TenantKind::Ocmw => "OCMW",
        TenantKind::PrintPartner => language.of("drukker", "print partner"),
        TenantKind::Auditor => language.of("auditor", "auditor"),
    }
}
