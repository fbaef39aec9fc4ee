//! The report as a page that stands alone: no network, no script but its own, everything readable without that.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::{
    AuditReport, VerifiedLog,
    chart::Chart,
    markup::Markup,
    outline::{self, Section},
    words,
};
use crate::documents::figures;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a chart of nothing tells.
const NONE: &str = "Geen in deze periode.";

/// Makes the page.
pub fn page(report: &AuditReport) -> String {
    let mut out = Markup::default();
    head(&mut out, report);
    heading(&mut out, report);
    proof(&mut out, report);
    summary(&mut out, report);
    for part in outline::sections(report) {
        section(&mut out, &part);
    }
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
    out.element("title", &format!("Auditverslag {}", outline::period(report))).raw("\n<style>").raw(STYLE);
    out.raw("</style>\n</head>\n<body>\n<main>\n");
}

fn heading(out: &mut Markup, report: &AuditReport) {
    out.raw("<header>\n").element("p class=\"over\"", "Auditverslag van de gegevensuitwisseling Groeipakket");
    out.element("h1", &outline::period(report));
    let (scope, made) = (outline::scope(report), words::moment(report.made_at));
    out.element("p class=\"scope\"", &format!("Beperking: {scope}. Opgemaakt op {made}."));
    out.element("p", outline::SUMMARY).raw("</header>\n");
}

fn proof(out: &mut Markup, report: &AuditReport) {
    out.raw(
        "<section id=\"bewijs\" class=\"proof\"><h2><span class=\"tick\" aria-hidden=\"true\">✓</span> Het log is ",
    );
    out.raw("geverifieerd</h2>\n");
    out.element("p", outline::PROOF);
    for log in &report.logs {
        proof_of(out, log);
    }
    out.raw("<p>").text(outline::PROVE_IT).raw(" ");
    out.element("code class=\"command\"", outline::PROVE_COMMAND).raw("</p>\n</section>\n");
}

fn proof_of(out: &mut Markup, log: &VerifiedLog) {
    out.raw("<dl>\n");
    fact(out, "Log (oorsprong)", "b", &log.origin);
    for (name, value, is_code) in outline::log_facts(log) {
        fact(out, name, if is_code { "code" } else { "span" }, &value);
    }
    out.raw("</dl>\n");
}

fn fact(out: &mut Markup, name: &str, tag: &str, value: &str) {
    out.raw("<div>").element("dt", name).raw("<dd>").element(tag, value).raw("</dd></div>\n");
}

fn summary(out: &mut Markup, report: &AuditReport) {
    out.raw("<section id=\"cijfers\"><h2>Samenvatting</h2>\n<ul class=\"figures\">\n");
    for figure in outline::figures(report) {
        out.raw(if figure.is_alarm { "<li class=\"alarm\">" } else { "<li>" });
        out.element("b", &figures::number(figure.count)).raw(" ").element("span", figure.name).raw("</li>\n");
    }
    out.raw("</ul>\n<div class=\"charts\">\n");
    for chart in outline::charts(report) {
        Chart { id: chart.id, title: chart.title, parts: chart.parts, bars: &chart.bars, none: NONE }.draw(out);
    }
    out.raw("</div>\n");
    for sheet in outline::summary_sheets(report) {
        out.table(&sheet);
    }
    out.raw("</section>\n");
}

fn section(out: &mut Markup, section: &Section) {
    let Section { id, of_protocol, title, text, facts, sheets } = section;
    let class = if *of_protocol { "class=\"protocol\" " } else { "" };
    out.raw(&format!("<section {class}id=\"{id}\">")).element("h2", title).raw("\n");
    if let Some(text) = text {
        out.element("p", text);
    }
    if !facts.is_empty() {
        out.raw("<dl>\n");
        for (name, value) in facts {
            out.raw("<div>").element("dt", name).element("dd", value).raw("</div>\n");
        }
        out.raw("</dl>\n");
    }
    for sheet in sheets {
        out.table(sheet);
    }
    out.raw("</section>\n");
}
