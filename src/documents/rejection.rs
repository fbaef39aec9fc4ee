//! Why an upload was refused, told to its sender in Dutch: `weigering` (FORMATS.md, section 2.5).

use jiff::{Timestamp, civil::Date};

use super::{
    day::date_nl,
    rule,
    wording::{line, paragraph, repeatable, size},
};
use crate::{
    domain::{ByteSize, ProtocolId, Refusal, in_brussels},
    lists::{ListFault, Remark},
};

/// Lines at fault that a rejection names; who has more than this mends the list's source, not single lines.
pub const MOST_LINES: usize = 200;

/// Why an upload was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The list itself.
    List(ListFault),
    /// The release gate.
    Gate(Refusal),
    /// Sealed, but not to the exchange's key, or damaged.
    NotDecryptable,
    /// Sealed, and broken off.
    TruncatedAge,
    /// A name whose ending is none of those accepted.
    WrongFileType,
    /// No protocol of the Opgroeien route is in force.
    NoProtocol,
    /// Several protocols are in force, and the name says none.
    AmbiguousProtocol(Vec<ProtocolId>),
    /// The name begins with a reference that is none of the tenant's.
    UnknownProtocol {
        /// That reference.
        given: String,
        /// The tenant's protocols for lists.
        known: Vec<ProtocolId>,
    },
    /// The protocol was used as often as it may be.
    UsedUp {
        /// The protocol.
        protocol: ProtocolId,
        /// From when a list may be sent again, while the protocol holds; none where it never may.
        again_from: Option<Date>,
    },
    /// A list with the same content was answered already.
    Duplicate {
        /// The name of the answer.
        file: String,
        /// The day of that answer.
        day: Date,
        /// Where the answer is.
        place: Earlier,
    },
    /// All children of the list whom the register knows live in other municipalities.
    OtherMunicipality {
        /// The list's rows.
        rows: usize,
    },
    /// It could not be processed, for a fault that is not in its content as far as anybody knows.
    NotProcessed,
    /// Above the limit of the tenant.
    TooLarge {
        /// The limit.
        limit: ByteSize,
    },
    /// Not sealed, while the tenant sends sealed files only.
    SealedOnly,
    /// Its name says that it is sealed, and it is not.
    NotAge,
    /// Its name has what could be a number of a person.
    NameWithNumber,
    /// The outbox holds as much as it may, or that of trials its part of it.
    OutboxFull {
        /// The path of that outbox, as the tenant sees it.
        folder: &'static str,
        /// How much that is.
        limit: ByteSize,
    },
}

/// Where an answer is that was given before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// In the outbox.
    InOutbox,
    /// Its time was over.
    Removed {
        /// Its last day, where that is known.
        until: Option<Date>,
    },
    /// Its tenant removed it.
    Deleted,
}

impl Reason {
    /// The reason in the transfer log: part of its closed set.
    pub fn code(&self) -> &'static str {
        match self {
            Self::List(fault) => fault.code(),
            Self::Gate(refusal) => refusal.rule.code(),
            Self::NotDecryptable => "not-decryptable",
            Self::TruncatedAge => "truncated-age",
            Self::WrongFileType => "wrong-file-type",
            Self::NoProtocol => "no-protocol",
            Self::AmbiguousProtocol(_) => "ambiguous-protocol",
            Self::UnknownProtocol { .. } => "unknown-protocol",
            Self::UsedUp { .. } => "used-up",
            Self::Duplicate { .. } => "duplicate",
            Self::OtherMunicipality { .. } => "list-other-municipality",
            Self::NotProcessed => "not-processed",
            Self::TooLarge { .. } => "too-large",
            Self::SealedOnly => "sealed-only",
            Self::NotAge => "not-age",
            Self::NameWithNumber => "name-with-number",
            Self::OutboxFull { .. } => "outbox-full",
        }
    }

    /// What was wrong and what to do, in Dutch; a paragraph on each line.
    pub fn explanation_nl(&self) -> String {
        let text = match self {
            Self::List(fault) => return fault.explanation_nl(),
            Self::Gate(refusal) => return rule::explanation_nl(refusal.rule).to_owned(),
            Self::AmbiguousProtocol(protocols) => return ambiguous_nl(protocols),
            Self::UnknownProtocol { given, known } => return unknown_nl(given, known),
            Self::UsedUp { protocol, again_from: Some(day) } => {
                return format!(
                    "Het protocol {protocol} laat nu geen antwoord meer toe: het aantal lijsten voor deze periode is al \
                     beantwoord.\nHet eerdere antwoord staat in de map /outbox zolang de bewaartermijn loopt. Vanaf {} \
                     kunt u opnieuw een lijst sturen.",
                    date_nl(*day)
                );
            }
            Self::UsedUp { protocol, again_from: None } => {
                return format!(
                    "Het protocol {protocol} laat geen antwoord meer toe: het aantal lijsten waarvoor het geldt, is al \
                     beantwoord.\nHet eerdere antwoord staat in de map /outbox zolang de bewaartermijn loopt. Hebt u \
                     een nieuw antwoord nodig, neem dan contact met ons op over een nieuw protocol."
                );
            }
            Self::Duplicate { file, day, place } => {
                return format!(
                    "Een lijst met dezelfde inhoud is al beantwoord op {} (bestand \"{}\").\n{} Wilt u een nieuw \
                     antwoord, stuur dan een bijgewerkte lijst.",
                    date_nl(*day),
                    repeatable(file),
                    place_nl(*place)
                );
            }
            Self::OtherMunicipality { .. } => {
                "Geen enkel kind van de lijst woont volgens het Groeipakket in uw gemeente. Vermoedelijk is dit niet de lijst \
                 van uw bestuur, of niet de kolom van de kinderen.\nKijk het bestand na en stuur de juiste lijst. Klopt de \
                 lijst volgens u, neem dan contact met ons op."
            }
            Self::TooLarge { limit } => {
                return format!(
                    "Het bestand is groter dan de {} die voor uw bestuur toegelaten is.\nStuur een lijst met \
                     alleen de kolom van de rijksregister- of bisnummers. Is dat al zo, neem dan contact met ons op.",
                    size(*limit)
                );
            }
            Self::OutboxFull { folder, limit } => {
                return format!(
                    "De map {folder} van uw bestuur is vol ({limit}), zodat er geen antwoord bij kan.\nNeem contact met \
                     ons op om opgehaalde bestanden te laten verwijderen, en stuur de lijst daarna opnieuw."
                );
            }
            Self::NotDecryptable => {
                "Het bestand is met age verzegeld, maar kan hier niet geopend worden: het is voor een andere sleutel \
                 verzegeld, onvolledig of beschadigd.\nVerzegel de lijst opnieuw met de publieke sleutel die in \
                 LEESMIJ.txt staat en stuur ze opnieuw."
            }
            Self::TruncatedAge => {
                "Het verzegelde bestand is onvolledig: het einde ontbreekt. De verzending is wellicht onderbroken.\n\
                 Stuur het volledige bestand opnieuw."
            }
            Self::NotProcessed => {
                "Uw bestand kon hier niet verwerkt worden en wordt niet verder behandeld.\nMaak de lijst opnieuw aan, bij \
                 voorkeur als .csv, en stuur ze opnieuw. Lukt het dan weer niet, neem dan contact met ons op."
            }
            Self::WrongFileType => {
                "Dit soort bestand wordt hier niet verwerkt.\nStuur de lijst als .csv, .txt of .xlsx, eventueel met \
                 age verzegeld (.csv.age, .txt.age of .xlsx.age)."
            }
            Self::NoProtocol => {
                "Voor uw bestuur is er op dit ogenblik geen protocol van kracht dat een antwoord op een lijst toelaat.\n\
                 Neem contact met ons op om na te gaan of een protocol ondertekend, begonnen en niet verstreken is."
            }
            Self::SealedOnly => {
                "Voor uw bestuur is ingesteld dat alleen verzegelde bestanden aanvaard worden. Dit bestand was niet verzegeld.\n\
                 Verzegel de lijst met age, met de publieke sleutel die in LEESMIJ.txt staat, en stuur ze opnieuw."
            }
            Self::NotAge => {
                "De naam van het bestand eindigt op .age, maar het bestand is niet met age verzegeld.\nVerzegel de \
                 lijst met age, of stuur ze zonder .age in de naam."
            }
            Self::NameWithNumber => {
                "De naam van het bestand bevat een rijksregister- of bisnummer, of cijfers die er een kunnen zijn. De naam \
                 wordt daarom hier niet herhaald.\nGeef het bestand een naam zonder namen of nummers van personen en \
                 stuur het opnieuw."
            }
        };
        text.to_owned()
    }
}

fn place_nl(place: Earlier) -> String {
    let ended = match place {
        Earlier::InOutbox => return "U vindt dat antwoord in de map /outbox.".to_owned(),
        Earlier::Removed { until: Some(until) } => format!("de bewaartermijn liep tot en met {}", date_nl(until)),
        Earlier::Removed { until: None } => "de bewaartermijn is verstreken".to_owned(),
        Earlier::Deleted => "het is met een toegang van uw bestuur verwijderd".to_owned(),
    };
    format!(
        "Dat antwoord staat niet meer in de map /outbox: {ended}. Dezelfde lijst kan pas opnieuw beantwoord \
         worden wanneer er gegevens van een nieuwe maand zijn en het protocol nog een antwoord toelaat."
    )
}

fn unknown_nl(given: &str, known: &[ProtocolId]) -> String {
    let names: Vec<&str> = known.iter().map(ProtocolId::as_str).collect();
    let known = match names.as_slice() {
        [] => "Voor uw bestuur is hier geen protocol voor lijsten bekend.".to_owned(),
        [one] => format!("Het protocol van uw bestuur voor lijsten is {one}."),
        several => format!("De protocollen van uw bestuur voor lijsten zijn {}.", several.join(", ")),
    };
    format!(
        "De bestandsnaam verwijst naar het protocol \"{}\", maar dat protocol is hier voor uw bestuur niet bekend. {known}\n\
         Controleer de referentie in de bestandsnaam en stuur de lijst opnieuw. LEESMIJ.txt zegt welke protocollen van \
         kracht zijn.",
        repeatable(given)
    )
}

fn ambiguous_nl(protocols: &[ProtocolId]) -> String {
    let names: Vec<&str> = protocols.iter().map(ProtocolId::as_str).collect();
    let example = names.first().copied().unwrap_or("OPG-2026-001");
    format!(
        "Voor uw bestuur zijn meerdere protocollen van kracht ({}), en de bestandsnaam zegt niet voor welk protocol de \
         lijst bedoeld is.\nZet de referentie van het protocol vooraan in de bestandsnaam, bijvoorbeeld \
         \"{example}_lijst.csv\", en stuur de lijst opnieuw.",
        names.join(", ")
    )
}

/// What a rejection tells beside the reason.
#[derive(Debug, Clone, Copy)]
pub struct Rejection<'a> {
    /// The tenant's name for people.
    pub tenant: &'a str,
    /// The upload's name.
    pub upload: &'a str,
    /// The name of the upload's receipt, where it has one.
    pub receipt: Option<&'a str>,
    /// When the upload was complete.
    pub received: Timestamp,
    /// Whom to ask: a mail address, or a name with one.
    pub contact: &'a str,
}

/// Makes the rejection: plain text with CR LF, lines of at most 78 characters.
pub fn weigering(rejection: &Rejection<'_>, reason: &Reason) -> String {
    let mut out = String::new();
    line(&mut out, "UW BESTAND IS GEWEIGERD");
    line(&mut out, "");
    paragraph(&mut out, "Bestand:   ", 11, &repeatable(rejection.upload));
    paragraph(&mut out, "Bestuur:   ", 11, &repeatable(rejection.tenant));
    paragraph(&mut out, "Ontvangen: ", 11, &moment_nl(rejection.received));
    paragraph(&mut out, "Code:      ", 11, reason.code());
    if let Some(receipt) = rejection.receipt {
        paragraph(&mut out, "Bewijs:    ", 11, &format!("/log/receipts/{receipt}"));
    }
    for text in reason.explanation_nl().lines() {
        line(&mut out, "");
        paragraph(&mut out, "", 0, text);
    }
    if let Reason::List(fault) = reason {
        lines_at_fault(&mut out, fault);
    }
    line(&mut out, "");
    let unused = "Er zijn geen gegevens uitgewisseld en deze verzending telt niet mee als gebruik van een protocol.";
    paragraph(&mut out, "", 0, unused);
    line(&mut out, "");
    let questions = format!(
        "Vragen? Neem contact op met {}. Vermeld de bestandsnaam en de code, maar nooit een rijksregisternummer.",
        rejection.contact
    );
    paragraph(&mut out, "", 0, &questions);
    out
}

fn lines_at_fault(out: &mut String, fault: &ListFault) {
    let (remarks, places) = (fault.remarks(), fault.places());
    let at_fault: Vec<&Remark> = remarks.iter().filter(|remark| remark.problem.is_invalid()).collect();
    if at_fault.is_empty() {
        return;
    }
    line(out, "");
    line(out, "Regels zonder geldig nummer:");
    for remark in at_fault.iter().take(MOST_LINES) {
        line(out, &format!("{}: {}", places.name_nl(remark), remark.problem.short_nl()));
    }
    match at_fault.len().saturating_sub(MOST_LINES) {
        0 => {}
        1 => line(out, "en nog 1 andere regel"),
        more => line(out, &format!("en nog {more} andere regels")),
    }
}

/// An instant as people in Brussels write it: `21 november 2026 om 10.30 uur`.
fn moment_nl(at: Timestamp) -> String {
    let at = in_brussels(at);
    format!("{} om {:02}.{:02} uur", date_nl(at.date()), at.hour(), at.minute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        documents::{golden, wording::WIDTH},
        domain::{Rule, niss::find_in},
        lists::{Places, Problem, Seems},
    };
    use jiff::civil::date;

    fn reasons() -> Vec<Reason> {
        let remarks: Vec<Remark> = (2..=13)
            .zip(Problem::ALL)
            .map(|(line, problem)| Remark { line, column: 1, problem })
            .chain([Remark { line: 17, column: 1, problem: Problem::CheckDigits }])
            .collect();
        let id = |text: &str| text.parse::<ProtocolId>().unwrap();
        let mut reasons = vec![
            Reason::List(ListFault::Empty),
            Reason::List(ListFault::NoNissColumn),
            Reason::List(ListFault::AmbiguousColumns {
                columns: vec![1, 3],
                headers: vec!["NISS".to_owned(), "INSZ".to_owned()],
                places: Places::Lines,
            }),
            Reason::List(ListFault::AmbiguousSheets { sheets: vec!["2025".to_owned(), "2026".to_owned()] }),
            Reason::List(ListFault::Encoding { what: "damaged UTF-16" }),
            Reason::List(ListFault::NotAList { seems: Seems::Ods }),
            Reason::List(ListFault::EncryptedWorkbook),
            Reason::List(ListFault::Workbook { part: "worksheet", what: "not well-formed XML" }),
            Reason::List(ListFault::WorkbookTooLarge { what: "cells", limit: 5_000_000 }),
            Reason::List(ListFault::HiddenRows { rows: 12, first: (3..13).collect() }),
            Reason::List(ListFault::HiddenColumn { column: 2 }),
            Reason::List(ListFault::OutsideAge { outside: 117, numbers: 120, column: 2, places: Places::Cells }),
            Reason::OtherMunicipality { rows: 412 },
            Reason::List(ListFault::TooManyRows { rows: 500_001, limit: 500_000 }),
            Reason::List(ListFault::TooManyInvalid {
                invalid: 7,
                rows: 16,
                percent: 10,
                remarks,
                places: Places::Lines,
            }),
            Reason::List(ListFault::CutOff { line: 17 }),
            Reason::NotDecryptable,
            Reason::TruncatedAge,
            Reason::WrongFileType,
            Reason::NoProtocol,
            Reason::AmbiguousProtocol(vec![id("OPG-2026-017"), id("OPG-2026-018")]),
            Reason::UnknownProtocol { given: "OPG-2025-999".to_owned(), known: vec![id("OPG-2026-017")] },
            Reason::UsedUp { protocol: id("OPG-2026-017"), again_from: None },
            Reason::Duplicate { file: "lijst.csv".to_owned(), day: date(2026, 10, 3), place: Earlier::InOutbox },
            Reason::NotProcessed,
            Reason::TooLarge { limit: ByteSize(16 << 20) },
            Reason::SealedOnly,
            Reason::NotAge,
            Reason::NameWithNumber,
            Reason::OutboxFull { folder: "/outbox", limit: ByteSize(5 << 30) },
        ];
        reasons.extend(RULES.map(|rule| Reason::Gate(Refusal { rule })));
        reasons
    }

    const RULES: [Rule; 20] = [
        Rule::Recipients,
        Rule::GroundFitsKind,
        Rule::PrintPartner,
        Rule::KnownReference,
        Rule::RouteFitsKind,
        Rule::StatusSigned,
        Rule::SignedByAgency,
        Rule::SignedByAuthority,
        Rule::Started,
        Rule::NotEnded,
        Rule::AdviceOfAgency,
        Rule::AdviceOfAuthority,
        Rule::CouncilDecision,
        Rule::Regulation,
        Rule::Publication,
        Rule::KindAllowed,
        Rule::ColumnsAllowed,
        Rule::TechnicalTest,
        Rule::FunctionalTest,
        Rule::UseLeft,
    ];

    #[test]
    fn every_reason_has_its_own_text() {
        let rejection = Rejection {
            tenant: "Stad Bree",
            upload: "lijst_kinderen_2026.csv",
            receipt: Some("upload_20261121_b32a091d.receipt"),
            received: "2026-11-21T09:30:00Z".parse().unwrap(),
            contact: "Groeikluis, uitwisseling@example.be",
        };
        let mut codes = std::collections::BTreeSet::new();
        for reason in reasons() {
            let text = weigering(&rejection, &reason);
            assert!(codes.insert(reason.code()), "{reason:?}");
            assert_eq!(find_in(&text), None);
            assert!(text.split_terminator("\r\n").all(|line| line.chars().count() <= WIDTH), "{text}");
            assert!(text.contains("21 november 2026 om 10.30 uur"));
            golden::compare(&format!("weigering-{}.txt", reason.code()), &text);
        }
    }

    #[test]
    fn an_answer_that_is_gone_is_not_said_to_be_in_the_outbox() {
        let reason = |place| {
            let (file, day) = ("lijst.csv".to_owned(), date(2026, 10, 3));
            Reason::Duplicate { file, day, place }
        };
        let removed = |until| reason(Earlier::Removed { until });
        let rejection = Rejection {
            tenant: "Stad Bree",
            upload: "lijst_kinderen_2026.csv",
            receipt: None,
            received: "2026-11-21T09:30:00Z".parse().unwrap(),
            contact: "Groeikluis, uitwisseling@example.be",
        };
        let text = weigering(&rejection, &removed(Some(date(2026, 11, 2))));
        golden::compare("herhaling-verwijderd.txt", &text);
        assert!(removed(None).explanation_nl().contains("de bewaartermijn is verstreken."));
        golden::compare("herhaling-zelf-verwijderd.txt", &weigering(&rejection, &reason(Earlier::Deleted)));
    }

    #[test]
    fn who_may_send_again_is_told_from_when() {
        let again_from = Some(date(2027, 1, 1));
        let text = Reason::UsedUp { protocol: "OPG-2026-017".parse().unwrap(), again_from }.explanation_nl();
        assert!(text.ends_with("Vanaf 1 januari 2027 kunt u opnieuw een lijst sturen."), "{text}");
    }

    #[test]
    fn only_so_many_lines_are_named() {
        let received = Timestamp::UNIX_EPOCH;
        let rejection = Rejection { tenant: "x", upload: "x", receipt: None, received, contact: "x" };
        let remarks: Vec<Remark> =
            (1..=300).map(|line| Remark { line, column: 28, problem: Problem::Format }).collect();
        let told = |remarks: &[Remark], places| {
            let remarks = remarks.to_vec();
            let fault = ListFault::TooManyInvalid { invalid: 300, rows: 300, percent: 10, remarks, places };
            weigering(&rejection, &Reason::List(fault))
        };
        let text = told(&remarks, Places::Lines);
        assert!(!text.contains("Bewijs:"));
        assert_eq!(text.matches("regel ").count(), MOST_LINES);
        assert!(text.contains("regel 200, kolom 28: geen nummer van elf cijfers\r\nen nog 100 andere regels\r\n"));
        // Of a workbook, as Excel names them.
        let text = told(&remarks[..=MOST_LINES], Places::Cells);
        assert!(text.contains("cel AB200: geen nummer van elf cijfers\r\nen nog 1 andere regel\r\n"), "{text}");
    }

    #[test]
    fn names_of_the_sender_are_masked() {
        let (upload, received) = ("kind_00012556777\n.csv", Timestamp::UNIX_EPOCH);
        let rejection = Rejection { tenant: "x", upload, receipt: None, received, contact: "x" };
        let reason = Reason::UnknownProtocol { given: "00.01.25-567.77".to_owned(), known: Vec::new() };
        let text = weigering(&rejection, &reason);
        assert!(find_in(&text).is_none() && text.contains("kind_… .csv"), "{text}");
    }
}
