//! The Dutch of an audit report: codes, dates and numbers as people read them.

use jiff::{Timestamp, civil::Date};

use super::HintKind;
use crate::{
    documents::{day::month_nl, figures::number},
    domain::{Kind, in_brussels},
    transfer_log::KeyUse,
};

/// What a reason's code means, in a few words; none for a code that this version does not know.
pub fn reason_nl(code: &str) -> Option<&'static str> {
    list_reason(code).or_else(|| rule(code)).or_else(|| login_reason(code))
}

fn list_reason(code: &str) -> Option<&'static str> {
    Some(match code {
        "list-empty" => "de lijst is leeg",
        "list-no-niss-column" => "geen kolom met rijksregisternummers",
        "list-ambiguous-columns" => "meerdere kolommen met rijksregisternummers",
        "list-ambiguous-sheets" => "meerdere werkbladen met rijksregisternummers",
        "list-encoding" => "onleesbare tekencodering",
        "list-wrong-type" => "het bestand is geen lijst",
        "list-encrypted-workbook" => "rekenblad met wachtwoord",
        "list-workbook" => "onleesbaar rekenblad",
        "list-workbook-too-large" => "te groot rekenblad",
        "list-hidden-rows" => "verborgen rijen",
        "list-hidden-column" => "verborgen kolom met nummers",
        "list-outside-age" => "bijna alleen nummers van 25 jaar of ouder",
        "list-other-municipality" => "alleen kinderen van andere gemeenten",
        "list-too-many-rows" => "te veel rijen",
        "list-too-many-invalid" => "te veel ongeldige nummers",
        "list-cut-off" => "de lijst is afgebroken",
        "not-decryptable" => "niet te openen met de sleutel van de uitwisseling",
        "truncated-age" => "verzegeld bestand is onvolledig",
        "wrong-file-type" => "soort bestand wordt niet aanvaard",
        "no-protocol" => "geen protocol van kracht",
        "ambiguous-protocol" => "meerdere protocollen mogelijk",
        "unknown-protocol" => "onbekend protocol",
        "used-up" => "protocol is opgebruikt",
        "duplicate" => "lijst is al beantwoord",
        "not-processed" => "bestand kon niet verwerkt worden",
        "too-large" => "bestand is te groot",
        "sealed-only" => "alleen verzegelde bestanden toegelaten",
        "name-with-number" => "nummer van een persoon in de bestandsnaam",
        "not-age" => "niet met age verzegeld",
        "outbox-full" => "de map met antwoorden is vol",
        _ => return None,
    })
}

fn rule(code: &str) -> Option<&'static str> {
    Some(match code {
        "recipients" => "geen sleutel van de ontvanger bekend",
        "ground-fits-kind" => "rechtsgrond past niet bij dit soort bestand",
        "print-partner" => "brieven gaan alleen naar een drukker",
        "known-reference" => "protocol hoort niet bij dit bestuur",
        "route-fits-kind" => "protocol hoort bij een ander aanbod",
        "status-signed" => "protocol is niet ondertekend",
        "signed-by-agency" => "handtekening van het agentschap ontbreekt",
        "signed-by-authority" => "handtekening van het bestuur ontbreekt",
        "started" => "protocol is nog niet begonnen",
        "not-ended" => "protocol is verstreken",
        "advice-of-agency" => "advies van de DPO van het agentschap ontbreekt",
        "advice-of-authority" => "advies van de DPO van het bestuur ontbreekt",
        "council-decision" => "collegebeslissing ontbreekt",
        "regulation" => "gemeentelijk reglement ontbreekt",
        "publication" => "bekendmaking van het protocol ontbreekt",
        "kind-allowed" => "protocol laat dit soort bestand niet toe",
        "columns-allowed" => "protocol laat een kolom niet toe",
        "technical-test" => "technische test is niet geslaagd",
        "functional-test" => "functionele test is niet geslaagd",
        "use-left" => "protocol is opgebruikt",
        _ => return None,
    })
}

fn login_reason(code: &str) -> Option<&'static str> {
    Some(match code {
        "unknown-user" => "onbekende gebruiker",
        "unknown-key" => "onbekende sleutel",
        "expired-key" => "vervallen sleutel",
        "wrong-source" => "niet-toegelaten adres",
        "bad-signature" => "geen geldige handtekening",
        "weak-signature" => "te zwakke handtekening",
        "wrong-password" => "verkeerd wachtwoord",
        "unknown-authority" => "onbekende uitgever van het certificaat",
        "expired-authority" => "vervallen uitgever van het certificaat",
        "certificate-invalid" => "certificaat niet geldig",
        "certificate-kind" => "certificaat van een server",
        "wrong-principal" => "certificaat van iemand anders",
        "certificate-option" => "certificaat met niet-ondersteunde beperking",
        "step-missing" => "ontbrekende stap bij het aanmelden",
        "nothing-usable" => "geen bruikbare manier van aanmelden",
        "too-many-attempts" => "te veel pogingen",
        "grace" => "te laat aangemeld",
        "too-many-sessions" => "te veel sessies",
        "unavailable" => "het logboek was niet beschikbaar",
        _ => return None,
    })
}

/// What a key is for.
pub fn key_use_nl(used_for: KeyUse) -> &'static str {
    match used_for {
        KeyUse::Login => "aanmelden met",
        KeyUse::CertificateAuthority => "uitgever van certificaten",
        KeyUse::Password => "wachtwoord",
        KeyUse::Recipient => "verzegelen voor",
    }
}

/// A reason as a cell shows it: what it means, or its code.
pub(super) fn reason(code: &str) -> &str {
    reason_nl(code).unwrap_or(code)
}

/// What a kind of file is.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::SocialeToeslag => "antwoord sociale toeslag",
        Kind::Gegevens => "gegevensbestand",
        Kind::Betaling => "betaalbestand",
        Kind::BetalingZonderRekening => "betalingen zonder rekening",
        Kind::Brieven => "brieven",
        Kind::Rapport => "rapport",
        Kind::Weigering => "weigering",
        Kind::Verslag => "verslag over een lijst",
        Kind::TechnischeTest => "technische test",
        Kind::FunctioneleTest => "functionele test",
    }
}

/// What is worth a question.
pub(super) fn hint(kind: HintKind) -> &'static str {
    match kind {
        HintKind::Volume => "veel meer rijen dan gewoonlijk",
        HintKind::RepeatedDownload => "vaak opgehaald bestand",
        HintKind::IdleKey => "sleutel een jaar niet gebruikt",
        HintKind::PastItsEnd => "protocol voorbij zijn einde",
        HintKind::FailuresThenSuccess => "aanmelding na veel weigeringen",
    }
}

/// What an event of the report's last tables is.
pub(super) fn event(name: &str) -> &str {
    match name {
        "config.changed" => "configuratie gewijzigd",
        "protocol.opened" => "protocol in werking of gewijzigd",
        "protocol.closed" => "protocol niet meer in werking",
        "key.added" => "sleutel toegevoegd",
        "key.removed" => "sleutel verwijderd",
        "register.loaded" => "register geladen",
        "register.refused" => "register geweigerd",
        "log.key_rotated" => "sleutel van het logboek vervangen",
        "audit.read" => "logboek gelezen",
        "assignment.simulated" => "opdracht gesimuleerd",
        "assignment.run" => "opdracht uitgevoerd",
        "assignment.billed" => "afrekening opgemaakt",
        "audit.exported" => "auditverslag opgemaakt",
        "disclosure.opened" => "afgeschermde gegevens geopend",
        "tenant.merged" => "bestuur opgegaan in een ander",
        "delivery.withdrawn" => "levering ingetrokken",
        "backup.made" => "reservekopie gemaakt",
        "backup.restored" => "reservekopie teruggezet",
        "retention.erased" => "afgeschermde gegevens gewist",
        other => other,
    }
}

/// A day as people write it: `21/11/2026`.
pub(super) fn day(day: Date) -> String {
    format!("{:02}/{:02}/{}", day.day(), day.month(), day.year())
}

/// A moment in Brussels: `21/11/2026 12:00:01`.
pub(super) fn moment(at: Timestamp) -> String {
    in_brussels(at).strftime("%d/%m/%Y %H:%M:%S").to_string()
}

/// A moment in Brussels that sorts as text, with its offset: `2026-11-21T12:00:01+01:00`.
pub(super) fn iso(at: Timestamp) -> String {
    in_brussels(at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A month of the form `yyyy-mm` as people write it: `november 2026`.
pub(super) fn month_of(text: &str) -> String {
    let name = text.split_once('-').and_then(|(year, number)| Some((month_nl(number.parse().ok()?), year)));
    name.map_or_else(|| text.to_owned(), |(name, year)| format!("{name} {year}"))
}

/// A count with its noun: `1 rij`, `1.208 rijen`.
pub(super) fn count(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// An amount of the form `30200.00` as people write it: `30.200,00`.
pub(super) fn amount(text: &str) -> String {
    let parts = text.split_once('.').and_then(|(euros, cents)| Some((euros.parse().ok()?, cents)));
    parts.map_or_else(|| text.to_owned(), |(euros, cents)| format!("{},{cents}", number(euros)))
}

/// The beginning of a digest or id, which tells it from others for a reader.
pub(super) fn short(id: &str) -> String {
    if id.chars().count() <= 12 { id.to_owned() } else { format!("{}…", id.chars().take(8).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_moments_are_read_in_dutch() {
        for (given, written) in [(0, "0"), (999, "999"), (1_000, "1.000"), (1_633_589, "1.633.589")] {
            assert_eq!(number(given), written);
        }
        let at = "2026-07-01T22:00:01Z".parse().unwrap();
        assert_eq!((moment(at).as_str(), iso(at).as_str()), ("02/07/2026 00:00:01", "2026-07-02T00:00:01+02:00"));
        assert_eq!((count(1, "rij", "rijen"), count(0, "rij", "rijen")), ("1 rij".to_owned(), "0 rijen".to_owned()));
        assert_eq!((amount("30200.00").as_str(), amount("x").as_str()), ("30.200,00", "x"));
        assert_eq!((month_of("2026-07").as_str(), month_of("x").as_str()), ("juli 2026", "x"));
        assert_eq!((short("ict-bree").as_str(), short(&"ab".repeat(16)).as_str()), ("ict-bree", "abababab…"));
    }

    #[test]
    fn every_reason_of_a_refusal_has_its_words() {
        // There is a golden text for each, named after its code.
        let golden = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).unwrap();
        let names = golden.map(|file| file.unwrap().file_name().into_string().unwrap());
        let codes = names.filter_map(|name| Some(name.strip_prefix("weigering-")?.strip_suffix(".txt")?.to_owned()));
        let codes: Vec<String> = codes.collect();
        assert!(codes.len() > 30);
        for code in codes {
            assert!(reason_nl(&code).is_some(), "{code}");
        }
        assert_eq!((reason_nl("x"), reason("x")), (None, "x"));
    }
}
