//! One tenant: what it may, what it sent and got, and what was refused.

use jiff::{Timestamp, civil::Date};
use maud::{Markup, html};

use super::{
    ConsoleError,
    chart::Days,
    language::Language,
    page::{Page, View},
    refusals,
    site::Site,
    tables,
    tail::Kind,
    tenants,
};
use crate::{
    domain::{self, Tenant, TenantId, protocol::Status, ssh_key::fingerprint},
    ledger::{DeliveryRow, Ledger, LedgerError, SubmissionRow},
};

/// Uploads, deliveries and refusals of a table, at most.
const MOST_ROWS: usize = 100;

/// Entries of the log.
const LAST_ENTRIES: usize = 30;

pub(super) fn page(site: &Site, view: &View) -> Result<Page, ConsoleError> {
    let language = view.language;
    let id = view.path.strip_prefix("/tenants/").and_then(|id| id.parse::<TenantId>().ok());
    let Some(id) = id else { return Ok(Page::missing(view)) };
    let (settings, _) = site.settings();
    let tenant = settings.tenants.get(&id);
    let days = Days::until(site.clock.today());
    let files = site.ledger()?.map_or(Ok(Files::default()), |ledger| Files::of(&id, &ledger, days.since));
    let Files { uploads, all_uploads, lately, deliveries } = files.map_err(ConsoleError::Ledger)?;
    let tail = site.tail()?;
    let own = || tail.rows().filter(|row| row.tenant.as_ref() == Some(&id));
    if tenant.is_none() && deliveries.is_empty() && uploads.is_empty() && own().next().is_none() {
        return Ok(Page::missing(view));
    }
    let refused = own().filter(|row| row.is != Kind::Other).take(MOST_ROWS);
    // The test is passed by fetching a file of it; a day in the configuration stands for one that was passed elsewhere.
    let tested = site.ledger()?.map(|ledger| ledger.technical_test(&id)).transpose().map_err(ConsoleError::Ledger)?;
    let tested = tested.flatten().map(domain::brussels_date);
    let shown = deliveries.get(..deliveries.len().min(MOST_ROWS)).unwrap_or_default();
    let body = html! {
        @match tenant {
            Some(tenant) => { (facts(language, tenant, tested)) (protocols(language, tenant, site.clock.today())) (keys(language, tenant, site.clock.today())) }
            None => p.notice { (language.of("Staat niet meer in de configuratie.", "No longer in the configuration.")) }
        }
        (traffic(language, &days, &lately, &deliveries))
        section {
            h2 { (language.of("Bestanden voor dit bestuur", "Files for this tenant")) }
            (tables::deliveries(language, &caption(language, language.of("bestanden", "files"), shown.len(), deliveries.len()), shown, false))
        }
        section {
            h2 { (language.of("Ontvangen lijsten", "Lists received")) }
            (tables::submissions(language, &caption(language, language.of("lijsten", "lists"), uploads.len(), all_uploads), &uploads))
        }
        section {
            h2 { (language.of("Geweigerd", "Refused")) }
            (refusals::table(language, language.of("Geweigerde lijsten, bestanden en aanmeldingen", "Lists, files and logins that were refused"), refused, false))
        }
        section {
            h2 { (language.of("Logboek", "Log")) }
            (tables::entries(language, language.of("Laatste regels over dit bestuur", "Last entries about this tenant"), own().take(LAST_ENTRIES), false))
        }
    };
    Ok(Page::new(tenant.map_or_else(|| id.to_string(), |tenant| tenant.name.clone()), body))
}

/// What the ledger has of a tenant.
#[derive(Default)]
struct Files {
    /// The last uploads, as many as a table shows, newest first.
    uploads: Vec<SubmissionRow>,
    /// How many there are in all.
    all_uploads: usize,
    /// Uploads of the days of the chart.
    lately: Vec<SubmissionRow>,
    /// All deliveries, newest first.
    deliveries: Vec<DeliveryRow>,
}

impl Files {
    fn of(id: &TenantId, ledger: &dyn Ledger, since: Timestamp) -> Result<Self, LedgerError> {
        let mut lately = ledger.submissions_since(since)?;
        lately.retain(|row| row.tenant == *id);
        let mut deliveries = ledger.deliveries(id)?;
        deliveries.reverse();
        Ok(Self {
            uploads: ledger.submissions(id, u32::try_from(MOST_ROWS).unwrap_or(u32::MAX))?,
            all_uploads: usize::try_from(ledger.submission_count(id)?).unwrap_or(usize::MAX),
            lately,
            deliveries,
        })
    }
}

fn caption(language: Language, what: &str, shown: usize, all: usize) -> String {
    if shown == all {
        return format!("{all} {what}");
    }
    language.of(format!("De laatste {shown} van {all} {what}"), format!("The last {shown} of {all} {what}"))
}

fn facts(language: Language, tenant: &Tenant, tested: Option<Date>) -> Markup {
    let day =
        |day: Option<Date>| day.map_or_else(|| language.of("nog niet", "not yet").to_owned(), |day| language.day(day));
    let yes = |is: bool| if is { language.of("ja", "yes") } else { language.of("nee", "no") };
    let sealed = tenant.uploads == crate::domain::tenant::UploadRule::SealedOnly;
    html! {
        dl.facts {
            div { dt { (language.of("Gebruikersnaam", "User name")) } dd { code { (tenant.id) } } }
            div { dt { (language.of("Soort", "Kind")) } dd { (tenants::kind(language, tenant.kind)) } }
            @if let Some(code) = &tenant.nis_code { div { dt { (language.of("NIS-code", "NIS code")) } dd { (code) } } }
            div { dt { (language.of("Mag aanmelden", "May log in")) } dd { (yes(tenant.can_log_in())) } }
            div { dt { (language.of("Alleen verzegeld", "Sealed only")) } dd { (yes(sealed)) } }
            div { dt { (language.of("Ontvangers van verzegeling", "Recipients of sealing")) } dd { (tenant.recipients.len()) } }
            div { dt { (language.of("Technische test", "Technical test")) } dd { (day(tenant.onboarding.technical_test.or(tested))) } }
            div { dt { (language.of("Functionele test", "Functional test")) } dd { (day(tenant.onboarding.functional_test)) } }
        }
    }
}

fn protocols(language: Language, tenant: &Tenant, today: Date) -> Markup {
    if tenant.protocols.is_empty() && tenant.agreements.is_empty() {
        return html! {};
    }
    let columns = match language {
        Language::Dutch => ["Protocol", "Aanbod", "Toestand", "Van", "Tot en met", "Doel"],
        Language::English => ["Protocol", "Route", "State", "From", "Until", "Purpose"],
    };
    let rows = html! {
        @for protocol in &tenant.protocols {
            tr {
                th scope="row" { (protocol.id) }
                td { (protocol.route.name()) }
                td { (status(language, protocol.status)) }
                @match protocol.valid {
                    Some(valid) => { td { (language.day(valid.from)) } td { (last_day(language, valid.until, today)) } }
                    None => { td {} td {} }
                }
                td { (protocol.purpose) }
            }
        }
        @for agreement in &tenant.agreements {
            tr {
                th scope="row" { (agreement.id) }
                td { "vutg" }
                td { (language.of("overeenkomst", "agreement")) }
                td { (language.day(agreement.valid.from)) }
                td { (last_day(language, agreement.valid.until, today)) }
                td {}
            }
        }
    };
    html! {
        section {
            h2 { (language.of("Protocollen", "Protocols")) }
            (tables::table(language.of("Protocollen en overeenkomsten", "Protocols and agreements"), &columns, &rows))
        }
    }
}

fn status(language: Language, status: Status) -> &'static str {
    match status {
        Status::Interested => language.of("interesse", "interested"),
        Status::Draft => language.of("ontwerp", "draft"),
        Status::Signed => language.of("ondertekend", "signed"),
        Status::Ended => language.of("beëindigd", "ended"),
    }
}

fn last_day(language: Language, day: Date, today: Date) -> Markup {
    html! {
        @if day < today { strong.refused { (language.day(day)) " " (language.of("(voorbij)", "(over)")) } }
        @else { (language.day(day)) }
    }
}

/// A key's label and fingerprint are shown, not whose it is: that stands in the tenant's file.
fn keys(language: Language, tenant: &Tenant, today: Date) -> Markup {
    if tenant.keys.is_empty() && tenant.certificate_authorities.is_empty() {
        return html! {};
    }
    let columns = match language {
        Language::Dutch => ["Sleutel", "Soort", "Vingerafdruk", "Laatste dag"],
        Language::English => ["Key", "Kind", "Fingerprint", "Last day"],
    };
    let authorities = tenant.certificate_authorities.iter();
    let authorities = authorities.map(|authority| {
        (&authority.label, language.of("uitgever", "authority"), fingerprint(authority.key.blob()), authority.expires)
    });
    let keys = tenant.keys.iter();
    let keys = keys.map(|key| (&key.label, language.of("sleutel", "key"), fingerprint(key.key.blob()), key.expires));
    let rows = html! {
        @for (label, kind, fingerprint, expires) in keys.chain(authorities) {
            tr {
                th scope="row" { (label) }
                td { (kind) }
                td { code { (fingerprint) } }
                td { @if let Some(day) = expires { (last_day(language, day, today)) } @else { (language.of("geen", "none")) } }
            }
        }
    };
    html! {
        section {
            h2 { (language.of("Sleutels", "Keys")) }
            (tables::table(language.of("Waarmee dit bestuur aanmeldt", "What this tenant logs in with"), &columns, &rows))
        }
    }
}

fn traffic(language: Language, days: &Days, uploads: &[SubmissionRow], deliveries: &[DeliveryRow]) -> Markup {
    let lists = days.bars(language, super::traffic::of_uploads(uploads));
    let files = days.bars(language, super::traffic::of_deliveries(deliveries));
    html! {
        section {
            h2 { (language.of("Verkeer in 30 dagen", "Traffic in 30 days")) }
            div.charts { (super::traffic::lists(language, &lists)) (super::traffic::files(language, &files)) }
        }
    }
}
