//! What a report says, in its order, before it is drawn: page and paper tell the same.

use super::{
    AuditReport, Delivery, Refusal, VerifiedLog,
    sums::{self, Bar, OfProtocol},
    tables::{self, Sheet},
    words,
};
use crate::{documents::figures, domain::brussels_date};

/// What the page and the paper open with.
pub(super) const SUMMARY: &str = "Wie ontving welke gegevens, wanneer en op welke grond; wat geweigerd werd en waarom; \
    wat nooit opgehaald werd. Alle tijden zijn die van Brussel. Het log bevat geen gegevens van burgers, en dit verslag \
    dus evenmin. Een sleutel waarvoor verzegeld werd, staat er met een kenmerk: het begin van de SHA-256 van de publieke \
    sleutel, die het manifest van het bestand noemt.";

/// What was done before anything was reported.
pub(super) const PROOF: &str = "Bij het opmaken van dit verslag is elk log hieronder volledig nagerekend: elke regel, \
    elke tussenstap, de wortel en de handtekening kloppen. Het verslag steunt alleen op regels onder dat controlepunt.";

/// How a reader does that too.
pub(super) const PROVE_IT: &str = "Zelf nagaan, met een kopie van het log en zijn publieke sleutel:";

/// The command for that.
pub(super) const PROVE_COMMAND: &str = "groeikluis audit verify --log MAP --key log.vkey";

/// What letters leave under.
const AGREEMENT: &str = "overeenkomst over brieven in naam van een bestuur: alleen de drukker krijgt namen en adressen";

/// A part of the report after its summary.
pub(super) struct Section {
    /// For links within the page.
    pub id: String,
    /// Whether it is about one protocol.
    pub of_protocol: bool,
    pub title: String,
    /// What must be known to read it.
    pub text: Option<&'static str>,
    pub facts: Vec<(&'static str, String)>,
    pub sheets: Vec<Sheet>,
}

/// A figure of the summary.
pub(super) struct Figure {
    pub count: u64,
    pub name: &'static str,
    /// Whether more than none wants a look.
    pub is_alarm: bool,
}

/// Bars of the summary.
pub(super) struct Graph {
    /// For links within the page.
    pub id: &'static str,
    pub title: &'static str,
    /// What the lower and the upper part are.
    pub parts: &'static [&'static str],
    pub bars: Vec<Bar>,
}

/// The period, as people write it.
pub(super) fn period(report: &AuditReport) -> String {
    format!("{} tot en met {}", words::day(report.from), words::day(report.until))
}

/// What the report is limited to.
pub(super) fn scope(report: &AuditReport) -> String {
    let former = match report.former.as_slice() {
        [] => String::new(),
        names => format!(" (met wat daarin opging: {})", names.join(", ")),
    };
    let tenant = report.tenant.as_ref().map(|tenant| format!("alleen bestuur {tenant}{former}"));
    let protocol = report.protocol.as_ref().map(|protocol| format!("alleen protocol {protocol}"));
    let limits: Vec<String> = tenant.into_iter().chain(protocol).collect();
    if limits.is_empty() { "alle besturen en protocollen".to_owned() } else { limits.join(", ") }
}

/// A log that the report stands on: what, how it reads, and whether that is a digest or key.
pub(super) fn log_facts(log: &VerifiedLog) -> Vec<(&'static str, String, bool)> {
    let span = log.first_at.zip(log.last_at).map_or_else(String::new, |(first, last)| {
        let days = [first, last].map(|at| words::day(brussels_date(at)));
        format!(", van {} tot en met {}", days[0], days[1])
    });
    let mut facts = vec![
        ("Controlepunt", words::count(log.entries, "regel", "regels") + &span, false),
        ("Wortel (SHA-256)", log.root.clone(), true),
        ("Publieke sleutel", log.key.clone(), true),
    ];
    if log.unsigned > 0 {
        let unsigned = words::count(log.unsigned, "regel", "regels") + " na het controlepunt";
        facts.push(("Niet meegeteld", unsigned, false));
    }
    facts
}

/// The figures of the summary.
pub(super) fn figures(report: &AuditReport) -> [Figure; 6] {
    let totals = sums::totals(report);
    [
        (totals.deliveries, ["levering met persoonsgegevens", "leveringen met persoonsgegevens"], false),
        (totals.rows, ["rij geleverd", "rijen geleverd"], false),
        (totals.fetched, ["levering opgehaald", "leveringen opgehaald"], false),
        (totals.not_fetched(), ["levering niet opgehaald", "leveringen niet opgehaald"], true),
        (totals.refusals, ["weigering", "weigeringen"], true),
        (totals.logins_refused, ["geweigerde aanmelding", "geweigerde aanmeldingen"], true),
    ]
    .map(|(count, [one, several], alarming)| {
        let name = if count == 1 { one } else { several };
        Figure { count, name, is_alarm: alarming && count > 0 }
    })
}

/// The charts of the summary.
pub(super) fn charts(report: &AuditReport) -> [Graph; 2] {
    let sent = report.deliveries.iter().filter(|delivery| !delivery.test && delivery.kind.has_personal_data());
    let sent = sent.map(|delivery| (brussels_date(delivery.created), usize::from(delivery.fetched.is_none())));
    let refused = report.refusals.iter().filter(|refusal| !refusal.test);
    let refused = refused.map(|refusal| (brussels_date(refusal.at), 0));
    [
        Graph {
            id: "leveringen",
            title: "Leveringen met persoonsgegevens",
            parts: &["opgehaald", "niet opgehaald"],
            bars: sums::bars(report, sent),
        },
        Graph { id: "weigeringen", title: "Weigeringen", parts: &["geweigerd"], bars: sums::bars(report, refused) },
    ]
}

/// The tables of the summary.
pub(super) fn summary_sheets(report: &AuditReport) -> Vec<Sheet> {
    let reasons = (!report.refusals.is_empty()).then(|| tables::reasons(report));
    std::iter::once(tables::months(report)).chain(reasons).collect()
}

/// Everything after the summary.
pub(super) fn sections(report: &AuditReport) -> Vec<Section> {
    let protocols = sums::by_protocol(report, false);
    [hints(report), never_fetched(report)]
        .into_iter()
        .chain(protocols.iter().enumerate().map(|(at, group)| of_protocol(at, group)))
        .chain(trials(report))
        .chain(std::iter::once(access(report)))
        .collect()
}

impl Section {
    fn new(id: &str, title: &str) -> Self {
        Self {
            id: id.to_owned(),
            of_protocol: false,
            title: title.to_owned(),
            text: None,
            facts: Vec::new(),
            sheets: Vec::new(),
        }
    }
}

fn hints(report: &AuditReport) -> Section {
    let section = Section::new("aandachtspunten", "Aandachtspunten");
    if report.hints.is_empty() {
        return Section { text: Some("Geen in deze periode."), ..section };
    }
    let text = Some("Wat in het log een vraag waard is. Geen van deze punten bewijst dat er iets misging.");
    Section { text, sheets: vec![tables::hints(report)], ..section }
}

fn never_fetched(report: &AuditReport) -> Section {
    let left: Vec<_> =
        report.deliveries.iter().filter(|delivery| !delivery.test && delivery.fetched.is_none()).collect();
    let section = Section::new("niet-opgehaald", "Nooit opgehaald");
    if left.is_empty() {
        return Section { text: Some("Alle bestanden van deze periode zijn opgehaald."), ..section };
    }
    let text = Some("Stand op het laatste controlepunt; bestanden zonder persoonsgegevens staan er ook bij.");
    Section { text, sheets: vec![tables::deliveries("Niet opgehaald", &left)], ..section }
}

fn of_protocol(at: usize, group: &OfProtocol<'_>) -> Section {
    let authorities = group.authorities();
    let is_agreement = group.is_agreement;
    let (title, caption) = match group.reference {
        Some(reference) if is_agreement => {
            let names: Vec<&str> = authorities.iter().map(|authority| authority.called()).collect();
            let of = if names.is_empty() { String::new() } else { format!(" van {}", names.join(", ")) };
            (format!("Overeenkomst {reference}{of}"), format!("Bestanden onder {reference}"))
        }
        Some(reference) => (format!("Protocol {reference}"), format!("Bestanden onder {reference}")),
        None => ("Zonder protocol".to_owned(), "Bestanden zonder protocol".to_owned()),
    };
    let mut facts = Vec::new();
    if is_agreement {
        facts.push(("Grond", AGREEMENT.to_owned()));
    }
    for (basis, purpose) in group.grounds() {
        if !basis.is_empty() {
            facts.push(("Rechtsgrond", basis.to_owned()));
        }
        facts.push(("Doel", purpose.to_owned()));
    }
    if !authorities.is_empty() {
        let named = authorities.iter().map(|authority| match &authority.name {
            Some(name) => format!("{name} ({})", authority.tenant),
            None => authority.tenant.clone(),
        });
        facts.push(("In naam van", named.collect::<Vec<_>>().join(", ")));
    }
    let receivers = if is_agreement { "Ontvangers" } else { "Besturen" };
    facts.push((receivers, group.tenants().into_iter().collect::<Vec<_>>().join(", ")));
    let columns: Vec<&str> = group.columns().into_iter().collect();
    if !columns.is_empty() {
        facts.push(("Geleverde kolommen", columns.join(", ")));
    }
    let totals = group.totals();
    let deliveries = words::count(totals.deliveries, "levering", "leveringen");
    let rows = words::count(totals.rows, "rij", "rijen");
    let fetched = figures::number(totals.fetched);
    let refusals = words::count(totals.refusals, "weigering", "weigeringen");
    facts.push(("Totalen", format!("{deliveries} met persoonsgegevens, {rows}, {fetched} opgehaald; {refusals}")));
    let sheets = of_files(&caption, "Weigeringen", &group.deliveries, &group.refusals);
    Section { of_protocol: true, facts, sheets, ..Section::new(&format!("protocol-{at}"), &title) }
}

fn trials(report: &AuditReport) -> Option<Section> {
    let groups = sums::by_protocol(report, true);
    if groups.is_empty() {
        return None;
    }
    let deliveries: Vec<_> = groups.iter().flat_map(|group| group.deliveries.iter().copied()).collect();
    let refusals: Vec<_> = groups.iter().flat_map(|group| group.refusals.iter().copied()).collect();
    Some(Section {
        text: Some("Met fictieve gegevens; ze tellen in geen enkel totaal mee."),
        sheets: of_files("Proefbestanden", "Geweigerde proeven", &deliveries, &refusals),
        ..Section::new("proeven", "Proefbestanden")
    })
}

/// Tables of files and of refusals, where there are any.
fn of_files(files: &str, refused: &str, deliveries: &[&Delivery], refusals: &[&Refusal]) -> Vec<Sheet> {
    let files = (!deliveries.is_empty()).then(|| tables::deliveries(files, deliveries));
    let refused = (!refusals.is_empty()).then(|| tables::refusals(refused, refusals));
    files.into_iter().chain(refused).collect()
}

fn access(report: &AuditReport) -> Section {
    let logins = (!report.logins.is_empty()).then(|| tables::logins(report));
    let changes = (!report.changes.is_empty()).then(|| tables::changes(report));
    let readings = (!report.readings.is_empty()).then(|| tables::readings(report));
    let sheets: Vec<Sheet> = logins.into_iter().chain(changes).chain(readings).collect();
    let text = sheets.is_empty().then_some("Geen in deze periode.");
    Section { text, sheets, ..Section::new("toegang", "Toegang en wijzigingen") }
}
