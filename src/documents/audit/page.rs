//! The report as a page that stands alone: no network, no script but its own, everything readable without that.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::{
    AuditReport, VerifiedLog,
    chart::Chart,
    markup::Markup,
    sums::{self, OfProtocol, Totals},
    tables, words,
};
use crate::domain::brussels_date;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Makes the page.
pub fn page(report: &AuditReport) -> String {
    let mut out = Markup::default();
    head(&mut out, report);
    heading(&mut out, report);
    proof(&mut out, report);
    out.raw("<section id=\"cijfers\"><h2>Samenvatting</h2>\n");
    figures(&mut out, &sums::totals(report));
    charts(&mut out, report);
    tables::months(&mut out, report);
    if !report.refusals.is_empty() {
        tables::reasons(&mut out, report);
    }
    out.raw("</section>\n");
    never_fetched(&mut out, report);
    for (at, group) in sums::by_protocol(report, false).iter().enumerate() {
        protocol(&mut out, at, group);
    }
    trials(&mut out, report);
    rest(&mut out, report);
    out.raw("</main>\n<script>").raw(SCRIPT).raw("</script>\n</body>\n</html>\n");
    out.into_text()
}

/// The policy lets in what is in the page and nothing else: should a text of the log ever come through unescaped, it
/// still is no script that runs.
fn head(out: &mut Markup, report: &AuditReport) {
    let hash = |text: &str| STANDARD.encode(<[u8; 32]>::from(Sha256::digest(text.as_bytes())));
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    out.raw("<!DOCTYPE html>\n<html lang=\"nl-BE\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.raw(&format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style}'; \
         script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'\">\n"
    ));
    out.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.element("title", &format!("Auditverslag {}", period(report))).raw("\n<style>").raw(STYLE);
    out.raw("</style>\n</head>\n<body>\n<main>\n");
}

fn period(report: &AuditReport) -> String {
    format!("{} tot en met {}", words::day(report.from), words::day(report.until))
}

fn heading(out: &mut Markup, report: &AuditReport) {
    out.raw("<header>\n").element("p class=\"over\"", "Auditverslag van de gegevensuitwisseling Groeipakket");
    out.element("h1", &period(report));
    let mut scope = Vec::new();
    scope.extend(report.tenant.as_ref().map(|tenant| format!("alleen bestuur {tenant}")));
    scope.extend(report.protocol.as_ref().map(|protocol| format!("alleen protocol {protocol}")));
    if scope.is_empty() {
        scope.push("alle besturen en protocollen".to_owned());
    }
    let made = words::moment(report.made_at);
    out.element("p class=\"scope\"", &format!("Beperking: {}. Opgemaakt op {made}.", scope.join(", ")));
    out.element(
        "p",
        "Wie ontving welke gegevens, wanneer en op welke grond; wat geweigerd werd en waarom; wat nooit opgehaald werd. \
         Alle tijden zijn die van Brussel. Het log bevat geen gegevens van burgers, en dit verslag dus evenmin.",
    );
    out.raw("</header>\n");
}

fn proof(out: &mut Markup, report: &AuditReport) {
    out.raw(
        "<section id=\"bewijs\" class=\"proof\"><h2><span class=\"tick\" aria-hidden=\"true\">✓</span> Het log is ",
    );
    out.raw("geverifieerd</h2>\n");
    out.element(
        "p",
        "Bij het opmaken van dit verslag is elk log hieronder volledig nagerekend: elke regel, elke tussenstap, de \
         wortel en de handtekening kloppen. Het verslag steunt alleen op regels onder dat controlepunt.",
    );
    for log in &report.logs {
        proof_of(out, log);
    }
    out.raw(
        "<p>Zelf nagaan, met een kopie van het log en zijn publieke sleutel: <code class=\"command\">groeikluis audit ",
    );
    out.raw("verify --log MAP --key log.vkey</code></p>\n</section>\n");
}

fn proof_of(out: &mut Markup, log: &VerifiedLog) {
    out.raw("<dl>\n");
    let mut row = |name: &str, value: &str, tag: &str| {
        out.raw("<div>").element("dt", name).raw("<dd>").element(tag, value).raw("</dd></div>\n");
    };
    row("Log (oorsprong)", &log.origin, "b");
    let span = log.first_at.zip(log.last_at).map_or_else(String::new, |(first, last)| {
        let days = [first, last].map(|at| words::day(brussels_date(at)));
        format!(", van {} tot en met {}", days[0], days[1])
    });
    row("Controlepunt", &(words::count(log.entries, "regel", "regels") + &span), "span");
    row("Wortel (SHA-256)", &log.root, "code");
    row("Publieke sleutel", &log.key, "code");
    if log.unsigned > 0 {
        row("Niet meegeteld", &(words::count(log.unsigned, "regel", "regels") + " na het controlepunt"), "span");
    }
    out.raw("</dl>\n");
}

fn figures(out: &mut Markup, totals: &Totals) {
    out.raw("<ul class=\"figures\">\n");
    for (count, name, alarming) in [
        (totals.deliveries, "leveringen met persoonsgegevens", false),
        (totals.rows, "rijen geleverd", false),
        (totals.fetched, "leveringen opgehaald", false),
        (totals.not_fetched(), "leveringen niet opgehaald", true),
        (totals.refusals, "weigeringen", true),
        (totals.logins_refused, "geweigerde aanmeldingen", true),
    ] {
        out.raw(if alarming && count > 0 { "<li class=\"alarm\">" } else { "<li>" });
        out.element("b", &words::number(count)).raw(" ").element("span", name).raw("</li>\n");
    }
    out.raw("</ul>\n");
}

fn charts(out: &mut Markup, report: &AuditReport) {
    let sent = report.deliveries.iter().filter(|delivery| !delivery.test && delivery.kind.has_personal_data());
    let sent = sent.map(|delivery| (brussels_date(delivery.created), usize::from(delivery.fetched.is_none())));
    let refused = report.refusals.iter().filter(|refusal| !refusal.test);
    let refused = refused.map(|refusal| (brussels_date(refusal.at), 0));
    out.raw("<div class=\"charts\">\n");
    let bars = sums::bars(report, sent);
    Chart {
        id: "leveringen",
        title: "Leveringen met persoonsgegevens",
        parts: &["opgehaald", "niet opgehaald"],
        bars: &bars,
    }
    .draw(out);
    let bars = sums::bars(report, refused);
    Chart { id: "weigeringen", title: "Weigeringen", parts: &["geweigerd"], bars: &bars }.draw(out);
    out.raw("</div>\n");
}

fn never_fetched(out: &mut Markup, report: &AuditReport) {
    let left: Vec<_> =
        report.deliveries.iter().filter(|delivery| !delivery.test && delivery.fetched.is_none()).collect();
    out.raw("<section id=\"niet-opgehaald\"><h2>Nooit opgehaald</h2>\n");
    if left.is_empty() {
        out.element("p", "Alle bestanden van deze periode zijn opgehaald.");
    } else {
        out.element("p", "Stand op het laatste controlepunt; bestanden zonder persoonsgegevens staan er ook bij.");
        tables::deliveries(out, "Niet opgehaald", &left);
    }
    out.raw("</section>\n");
}

fn protocol(out: &mut Markup, at: usize, group: &OfProtocol<'_>) {
    let (title, caption) = match group.reference {
        Some(reference) => (format!("Protocol {reference}"), format!("Bestanden onder {reference}")),
        None => ("Zonder protocol".to_owned(), "Bestanden zonder protocol".to_owned()),
    };
    out.raw(&format!("<section class=\"protocol\" id=\"protocol-{at}\">")).element("h2", &title).raw("\n<dl>\n");
    let mut row = |name: &str, value: String| {
        out.raw("<div>").element("dt", name).element("dd", &value).raw("</div>\n");
    };
    for (basis, purpose) in group.grounds() {
        row("Rechtsgrond", basis.to_owned());
        row("Doel", purpose.to_owned());
    }
    row("Besturen", group.tenants().into_iter().collect::<Vec<_>>().join(", "));
    let columns: Vec<&str> = group.columns().into_iter().collect();
    if !columns.is_empty() {
        row("Geleverde kolommen", columns.join(", "));
    }
    let totals = group.totals();
    let deliveries = words::count(totals.deliveries, "levering", "leveringen");
    let rows = words::count(totals.rows, "rij", "rijen");
    let fetched = words::number(totals.fetched);
    let refusals = words::count(totals.refusals, "weigering", "weigeringen");
    row("Totalen", format!("{deliveries} met persoonsgegevens, {rows}, {fetched} opgehaald; {refusals}"));
    out.raw("</dl>\n");
    if !group.deliveries.is_empty() {
        tables::deliveries(out, &caption, &group.deliveries);
    }
    if !group.refusals.is_empty() {
        tables::refusals(out, "Weigeringen", &group.refusals);
    }
    out.raw("</section>\n");
}

fn trials(out: &mut Markup, report: &AuditReport) {
    let groups = sums::by_protocol(report, true);
    if groups.is_empty() {
        return;
    }
    out.raw("<section id=\"proeven\"><h2>Proefbestanden</h2>\n");
    out.element("p", "Met fictieve gegevens; ze tellen in geen enkel totaal mee.");
    let deliveries: Vec<_> = groups.iter().flat_map(|group| group.deliveries.iter().copied()).collect();
    if !deliveries.is_empty() {
        tables::deliveries(out, "Proefbestanden", &deliveries);
    }
    let refusals: Vec<_> = groups.iter().flat_map(|group| group.refusals.iter().copied()).collect();
    if !refusals.is_empty() {
        tables::refusals(out, "Geweigerde proeven", &refusals);
    }
    out.raw("</section>\n");
}

fn rest(out: &mut Markup, report: &AuditReport) {
    out.raw("<section id=\"toegang\"><h2>Toegang en wijzigingen</h2>\n");
    if report.logins.is_empty() && report.changes.is_empty() && report.readings.is_empty() {
        out.element("p", "Geen in deze periode.");
    }
    if !report.logins.is_empty() {
        tables::logins(out, report);
    }
    if !report.changes.is_empty() {
        tables::changes(out, report);
    }
    if !report.readings.is_empty() {
        tables::readings(out, report);
    }
    out.raw("</section>\n");
}
