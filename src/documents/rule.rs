//! The rules of the release gate, as a municipality reads them. One table, longer than a function should be.

use crate::domain::Rule;

/// What a rule of the gate means for the sender, and what to do.
pub fn explanation_nl(rule: Rule) -> &'static str {
    match rule {
        Rule::Recipients => {
            "Voor uw bestuur is geen publieke sleutel bekend, zodat een antwoord niet verzegeld kan worden.\nBezorg ons \
             de publieke age- of SSH-sleutel van uw dienst."
        }
        Rule::GroundFitsKind => {
            "Dit soort antwoord kan niet gegeven worden op de rechtsgrond waarop uw bestuur zich beroept.\nNeem contact \
             met ons op om na te gaan welk protocol of welke overeenkomst nodig is."
        }
        Rule::PrintPartner => {
            "Brieven met adressen gaan alleen naar een drukker, en nooit naar een bestuur.\nNeem contact met ons op over \
             de drukker die uw brieven maakt."
        }
        Rule::KnownReference => {
            "Het protocol waarnaar de lijst verwijst, is hier voor uw bestuur niet bekend.\nControleer de referentie in \
             de bestandsnaam. LEESMIJ.txt noemt de protocollen van uw bestuur."
        }
        Rule::RouteFitsKind => {
            "Dit protocol is voor opdrachten die VUTG uitvoert: u kunt er geen lijst mee insturen.\nNeem contact met ons \
             op om na te gaan welk protocol nodig is."
        }
        Rule::StatusSigned => {
            "Het protocol is niet van kracht: het is nog niet ondertekend, of het is stopgezet.\nNeem contact met ons \
             op om na te gaan hoever de ondertekening staat."
        }
        Rule::SignedByAgency => {
            "Het protocol is door ons nog niet ondertekend.\nStuur de lijst opnieuw zodra wij u de ondertekening \
             bevestigd hebben."
        }
        Rule::SignedByAuthority => {
            "Het protocol is door uw bestuur nog niet ondertekend, of de ondertekening is bij ons nog niet \
             geregistreerd.\nLaat het protocol ondertekenen en bezorg het ons. Stuur de lijst daarna opnieuw."
        }
        Rule::Started => {
            "De geldigheid van het protocol is nog niet begonnen.\nStuur de lijst opnieuw vanaf de eerste dag van het \
             protocol. Die datum staat in het protocol en in LEESMIJ.txt."
        }
        Rule::NotEnded => {
            "De geldigheid van het protocol is verstreken.\nNeem contact met ons op over een verlenging of een nieuw \
             protocol."
        }
        Rule::AdviceOfAgency => {
            "Het positieve advies van onze functionaris voor gegevensbescherming ontbreekt nog.\nWij brengen u op de \
             hoogte zodra het er is. Stuur de lijst daarna opnieuw."
        }
        Rule::AdviceOfAuthority => {
            "Het positieve advies van de functionaris voor gegevensbescherming van uw bestuur ontbreekt nog.\nBezorg ons \
             dat advies en stuur de lijst daarna opnieuw."
        }
        Rule::CouncilDecision => {
            "De collegebeslissing van uw bestuur ontbreekt nog.\nBezorg ons die beslissing en stuur de lijst daarna \
             opnieuw."
        }
        Rule::Regulation => {
            "Het gemeentelijke reglement ontbreekt nog.\nBezorg ons het goedgekeurde reglement en stuur de lijst daarna \
             opnieuw."
        }
        Rule::Publication => {
            "De bekendmaking van het protocol op uw website ontbreekt nog.\nMaak het protocol bekend, bezorg ons het \
             webadres en stuur de lijst daarna opnieuw."
        }
        Rule::KindAllowed => {
            "Het protocol laat dit soort antwoord niet toe.\nNeem contact met ons op om na te gaan of het protocol \
             aangevuld moet worden."
        }
        Rule::ColumnsAllowed => {
            "Het antwoord zou gegevens bevatten die het protocol niet toelaat.\nNeem contact met ons op om na te gaan \
             of het protocol aangevuld moet worden."
        }
        Rule::TechnicalTest => {
            "De technische test (verbinden en een testbestand ophalen) is nog niet geslaagd.\nHaal eerst een bestand \
             volledig op uit /test/outbox: het antwoord op een lijst die u in /test/inbox zet, of een testbestand van \
             ons. Daarmee is de test geslaagd, en kunt u de lijst opnieuw sturen."
        }
        Rule::FunctionalTest => {
            "De functionele test (een testbestand inlezen in uw toepassing) is nog niet geslaagd.\nVoer die test eerst \
             uit, zoals LEESMIJ.txt uitlegt, en laat ons weten dat ze gelukt is."
        }
        Rule::UseLeft => {
            "Het protocol laat geen antwoord meer toe: het aantal lijsten waarvoor het geldt, is al beantwoord.\nHet \
             eerdere antwoord staat in de map /outbox zolang de bewaartermijn loopt. Hebt u een nieuw antwoord nodig, \
             neem dan contact met ons op over een nieuw protocol."
        }
    }
}
