//! `LEESMIJ.txt`: how a municipality's IT officer logs in, uploads, downloads, opens and checks (FORMATS.md, section 1).
//!
//! What is done with a file once it is fetched stands apart; the rest is in one file, so that who changes a sentence sees
//! the others.

mod fetched;

use jiff::civil::Date;

use super::{
    day::date_nl,
    wording::{line, paragraph, repeatable, size},
};
use crate::domain::{
    ByteSize, Kind, ProtocolId, Tenant,
    protocol::{Period, Protocol, Route, Status, Use, Validity},
    tenant::{LoginStep, UploadRule},
};

/// What a guide needs to know beside the tenant.
#[derive(Debug, Clone, Copy)]
pub struct Guide<'a> {
    /// Whose guide it is.
    pub tenant: &'a Tenant,
    /// The server's name or address.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The host key's fingerprint, `SHA256:…`.
    pub host_key_fingerprint: &'a str,
    /// Those of keys that will take its place.
    pub next_host_keys: &'a [String],
    /// All host keys, those included: `algorithm base64`.
    pub host_keys: &'a [String],
    /// The exchange's public key, `age1…`; more than one while it is replaced.
    pub exchange_recipients: &'a [String],
    /// Whom to ask: a mail address, or a name with one.
    pub contact: &'a str,
    /// The day, in Brussels, on which protocols are in force or not.
    pub today: Date,
}

impl Guide<'_> {
    /// The text: CR LF, lines of at most 78 characters except where a key is longer.
    pub fn text(&self) -> String {
        let mut out = String::new();
        line(&mut out, "LEESMIJ: veilige uitwisseling van lijsten (groeikluis)");
        line(&mut out, &"=".repeat(54));
        line(&mut out, "");
        let intro = format!(
            "Deze uitleg is bedoeld voor de informaticus van {}. U laadt een lijst van rijksregister- of bisnummers op, \
             en u krijgt een verzegeld antwoord terug dat alleen uw bestuur kan openen.",
            repeatable(&self.tenant.name)
        );
        paragraph(&mut out, "", 0, &intro);
        self.log_in(&mut out);
        self.upload(&mut out);
        self.answer(&mut out);
        fetched::open(&mut out);
        fetched::check(&mut out);
        self.protocols(&mut out);
        self.try_out(&mut out);
        fetched::log(&mut out);
        self.help(&mut out);
        out
    }

    fn log_in(&self, out: &mut String) {
        let (host, port, user) = (self.host, self.port, self.tenant.id.as_str());
        heading(out, "1. Aanmelden");
        let (key, password) = (self.asks_for(LoginStep::PublicKey), self.asks_for(LoginStep::Password));
        let with = match (key, password) {
            (true, true) => "met de SSH-sleutel die u ons bezorgd hebt én met het wachtwoord dat u van ons kreeg",
            (false, true) => "met het wachtwoord dat u van ons kreeg",
            (_, false) => "met de SSH-sleutel die u ons bezorgd hebt",
        };
        paragraph(out, "", 0, &format!("Aanmelden gebeurt met SFTP en {with}."));
        line(out, "");
        line(out, &format!("  Server:      {host}"));
        line(out, &format!("  Poort:       {port}"));
        line(out, &format!("  Gebruiker:   {user}"));
        line(out, "  Vingerafdruk van de server:");
        line(out, &format!("    {}", self.host_key_fingerprint));
        if !self.next_host_keys.is_empty() {
            line(out, "  Binnenkort vervangen door:");
            for fingerprint in self.next_host_keys {
                line(out, &format!("    {fingerprint}"));
            }
        }
        line(out, "");
        let fingerprint = "Vergelijk bij de eerste verbinding de vingerafdruk die uw programma toont met die hierboven. \
            Verschillen ze, verbreek dan de verbinding en verwittig ons.";
        paragraph(out, "", 0, fingerprint);
        line(out, "");
        let known = "Programma's zonder vensters vergelijken ze zelf. Bewaar daarvoor wat hieronder staat in een bestand \
            known_hosts, elke sleutel op één regel:";
        paragraph(out, "", 0, known);
        line(out, "");
        // As OpenSSH writes it: another port than the usual one stands after the name in brackets.
        let name = if port == SSH_PORT { host.to_owned() } else { format!("[{host}]:{port}") };
        for key in self.host_keys {
            line(out, &format!("{name} {key}"));
        }
        line(out, "");
        for (program, how) in client_settings(key, password) {
            paragraph(out, &format!("- {program}: "), 2, how);
        }
        line(out, "- OpenSSH:");
        let identity = if key { "-i sleutel " } else { "" };
        // An address of IPv6 has colons, as what follows a host has.
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        line(out, &format!("    sftp {identity}-o UserKnownHostsFile=known_hosts \\"));
        line(out, &format!("      -P {port} {user}@{open}{host}{close}"));
        line(out, "- rclone:");
        line(out, "    rclone config create groeikluis sftp \\");
        line(out, &format!("      host {host} port {port} \\"));
        line(out, &format!("      user {user} {} \\", rclone_login(key, password)));
        line(out, "      known_hosts_file known_hosts shell_type none");
        line(out, "    rclone copy lijst.csv groeikluis:inbox");
        let unchecked = "Zonder known_hosts_file vertrouwt rclone elke server, en vraagt het niets.";
        paragraph(out, "  ", 2, unchecked);
        paragraph(
            out,
            "- curl: ",
            2,
            "met libssh2 1.11 of nieuwer (curl -V toont welke u hebt); een oudere kan geen verbinding maken.",
        );
    }

    fn asks_for(&self, step: LoginStep) -> bool {
        self.tenant.require.contains(&step)
    }

    fn upload(&self, out: &mut String) {
        heading(out, "2. Een lijst opladen");
        paragraph(
            out,
            "",
            0,
            "Zet de lijst in de map /inbox. Alleen daar, en in /test/inbox om uit te proberen, kunt u schrijven.",
        );
        line(out, "");
        let limit = ByteSize(self.tenant.limits.upload_bytes);
        for text in [
            "Soorten bestanden: .csv, .txt of .xlsx.",
            "Eén kolom met rijksregister- of bisnummers volstaat. Stuur geen andere gegevens mee: ze worden niet \
             gebruikt.",
            "Een titelrij mag, maar hoeft niet. Heet de kolom \"niss\", \"insz\", \"rrn\" of \"rijksregisternummer\", \
             dan wordt ze altijd herkend. Staan er ook nummers van ouders in de lijst, dan is zo'n titel nodig.",
            "De nummers mogen geschreven zijn als 11 cijfers na elkaar of als JJ.MM.DD-VVV.CC.",
            "Scheidingsteken puntkomma, komma, tab of |. Tekencodering UTF-8, Windows-1252 of UTF-16 met BOM.",
            "Zet de kolom in Excel op \"Tekst\" voordat u er nummers in plakt. Anders verdwijnen voorloopnullen en \
             worden nummers afgerond (1,70730E+10), en dan zijn ze verloren.",
            "Verberg geen rijen, ook niet met een filter, en ook de kolom met de nummers niet: een rekenblad met verborgen \
             rijen of nummers wordt geweigerd.",
            "Zet alle nummers op één werkblad, als waarden en niet als formules: staan er nummers op meer dan één \
             zichtbaar werkblad, dan wordt het rekenblad geweigerd.",
        ] {
            paragraph(out, "- ", 2, text);
        }
        paragraph(out, "- ", 2, &format!("Een bestand mag ten hoogste {} groot zijn.", size(limit)));
        let together = format!(
            "Al uw uploads samen mogen ten hoogste {} innemen. Wat beantwoord of geweigerd is, telt mee tot het hier \
             gewist wordt.",
            size(ByteSize(self.tenant.limits.inbox_bytes))
        );
        paragraph(out, "- ", 2, &together);
        let names = "Zet nooit een naam of een nummer van een persoon in de bestandsnaam.";
        paragraph(out, "- ", 2, names);
        line(out, "");
        let sealed = match self.tenant.uploads {
            UploadRule::Any => {
                "U mag de lijst vooraf met age verzegelen (bestandsnaam eindigt dan op .age), maar dat hoeft niet: de \
                 verbinding is versleuteld en wij verzegelen elk bestand bij ontvangst. De publieke sleutel van de \
                 uitwisseling is:"
            }
            UploadRule::SealedOnly => {
                "Voor uw bestuur is ingesteld dat alleen verzegelde bestanden aanvaard worden. Verzegel de lijst dus altijd met \
                 age (bestandsnaam eindigt op .age). De publieke sleutel van de uitwisseling is:"
            }
        };
        paragraph(out, "", 0, sealed);
        line(out, "");
        for recipient in self.exchange_recipients {
            line(out, &format!("  {recipient}"));
        }
        line(out, "");
        line(out, "Verzegelen, met die sleutel bewaard in het bestand groeikluis.txt:");
        line(out, "");
        line(out, "  age -R groeikluis.txt -o lijst.csv.age lijst.csv");
        if self.exchange_recipients.iter().any(|recipient| recipient.starts_with("age1pq")) {
            line(out, "");
            paragraph(out, "", 0, "Voor een sleutel die met age1pq begint, is age 1.3 of nieuwer nodig.");
        }
        line(out, "");
        let until_taken = "Een lijst wordt meteen verwerkt, zodra ze volledig opgeladen is: ze nog verwijderen kan dan niet \
            meer, en hernoemen verandert niets aan het antwoord. Bestandsnamen die eindigen op .filepart, .part, .partial \
            of .tmp, of die met een punt beginnen, gelden als onvolledig: zulke bestanden worden niet verwerkt, en u \
            kunt ze nog verwijderen of hun definitieve naam geven.";
        paragraph(out, "", 0, until_taken);
        line(out, "");
        let only_failure = "Meldt uw programma alleen \"Failure\", zoals OpenSSH en PuTTY doen, dan staat de reden enkele \
            seconden later in /outbox of /test/outbox, in een bestand weigering_….";
        paragraph(out, "", 0, only_failure);
    }

    fn answer(&self, out: &mut String) {
        heading(out, "3. Het antwoord");
        let where_to = "Het antwoord verschijnt in de map /outbox, meestal binnen enkele seconden. Naast elk bestand staat \
            een manifest (.manifest.json). Het manifest komt altijd als laatste: staat het er, dan is het bestand \
            volledig. Wacht in een script dus op het manifest.";
        paragraph(out, "", 0, where_to);
        line(out, "");
        line(out, "Een bestandsnaam ziet er zo uit:");
        line(out, "");
        let nis = self.tenant.nis_code.map_or_else(|| "NIS".to_owned(), |nis| nis.to_string());
        let day = self.today;
        let day = format!("{:04}{:02}{:02}", day.year(), day.month(), day.day());
        let reference = self.listed().next().map_or("PROTOCOL", |protocol| protocol.id.as_str());
        line(out, &format!("  sociale-toeslag_{nis}_{reference}_{day}_0001.csv.age"));
        line(out, "");
        for (kind, meaning) in [
            (
                "sociale-toeslag",
                "het antwoord op uw lijst. Een \"nee\", of geen rij, staat ook voor een nummer dat het Groeipakket niet \
                 kent. Staat de begunstigde of het aandeel erin, dan heeft een kind van wie de toeslag over twee gezinnen \
                 verdeeld is, twee rijen.",
            ),
            (
                "verslag",
                "wat opviel in uw lijst, per regel: ongeldige of dubbele nummers, personen van 25 jaar of ouder, kinderen \
                 die in een andere gemeente wonen. Lees het na elk antwoord.",
            ),
            (
                "weigering",
                "uw bestand is geweigerd. De tekst zegt waarom en wat u kunt doen. Een geweigerd bestand telt niet mee \
                 als gebruik van een protocol.",
            ),
        ] {
            paragraph(out, &format!("- {kind}: "), 2, meaning);
        }
        line(out, "");
        let kept = if self.tenant.may_delete {
            "Bestanden blijven in /outbox tot de datum die in het manifest staat (retention_until). U mag ze eerder \
             verwijderen; een manifest dat dan overblijft, ruimen wij de nacht daarna op. Van wat wij uit eigen beweging \
             verwijderen, vindt u een bewijs in /outbox (rapport_…_verwijdering_…)."
        } else {
            "Bestanden blijven in /outbox tot de datum die in het manifest staat (retention_until). Daarna verwijderen \
             wij ze; een bewijs daarvan vindt u in /outbox (rapport_…_verwijdering_…). Zelf kunt u ze niet verwijderen."
        };
        paragraph(out, "", 0, kept);
        if !self.tenant.former_nis_codes.is_empty() {
            line(out, "");
            let merged = "Uw gemeente is ontstaan uit een fusie. Wat voor de vroegere besturen klaarstond, vindt u in /outbox \
                onder zijn oude naam. Het blijft verzegeld voor de sleutels van toen: bewaar die geheime sleutels tot u \
                alles geopend hebt. Een eenmalig protocol dat al gebruikt was, blijft gebruikt.";
            paragraph(out, "", 0, merged);
        }
    }

    /// Protocols that answer lists and are not over.
    fn listed(&self) -> impl Iterator<Item = &Protocol> {
        self.signed(Route::Opgroeien)
    }

    /// Protocols of a route that are signed and not over.
    fn signed(&self, route: Route) -> impl Iterator<Item = &Protocol> {
        let today = self.today;
        self.tenant.protocols.iter().filter(move |protocol| {
            protocol.status == Status::Signed
                && protocol.route == route
                && protocol.valid.is_some_and(|valid| today <= valid.until)
        })
    }

    fn protocols(&self, out: &mut String) {
        heading(out, "6. Protocollen van uw bestuur");
        let listed: Vec<&Protocol> = self.listed().collect();
        let assigned: Vec<&Protocol> = self.signed(Route::Vutg).collect();
        let agreements = self.tenant.agreements.iter().filter(|agreement| self.today <= agreement.valid.until);
        let agreements: Vec<_> = agreements.collect();
        if listed.is_empty() {
            let none = if assigned.is_empty() && agreements.is_empty() {
                "Er is op dit ogenblik geen protocol van kracht."
            } else {
                "U kunt geen lijsten insturen: daarvoor is er op dit ogenblik geen protocol van kracht. Wat wij volgens de \
                 afspraken hieronder voor u maken, vindt u in /outbox."
            };
            paragraph(out, "", 0, none);
            if !(assigned.is_empty() && agreements.is_empty()) {
                line(out, "");
            }
        }
        let several = self.listed().count() > 1;
        for protocol in listed {
            paragraph(out, &format!("- {}: ", protocol.id), 2, &protocol_nl(protocol));
        }
        for protocol in assigned {
            let gives: Vec<&str> = protocol.kinds.keys().map(|kind| kind_nl(*kind)).collect();
            let days = protocol.valid.map(validity_nl).unwrap_or_default();
            let gives = if gives.is_empty() { String::new() } else { format!("; u krijgt {}", gives.join(", ")) };
            paragraph(out, &format!("- {}: ", protocol.id), 2, &format!("opdracht aan VUTG, {days}{gives}."));
        }
        for agreement in agreements {
            let days = validity_nl(agreement.valid);
            let text = format!("overeenkomst voor brieven, die de drukker krijgt en verstuurt, {days}.");
            paragraph(out, &format!("- {}: ", agreement.id), 2, &text);
        }
        if several {
            line(out, "");
            let id = self.listed().next().map_or("", |protocol| ProtocolId::as_str(&protocol.id));
            let choose = format!(
                "Zet de referentie van het protocol vooraan in de bestandsnaam, bijvoorbeeld {id}_lijst.csv: anders is \
                 niet duidelijk voor welk protocol de lijst bedoeld is."
            );
            paragraph(out, "", 0, &choose);
        }
    }

    fn try_out(&self, out: &mut String) {
        heading(out, "7. Uitproberen in /test");
        let test = "In /test/inbox en /test/outbox probeert u alles uit met fictieve gegevens. Er wordt nooit een echt \
            persoonsgegeven gebruikt en er wordt geen protocol verbruikt. Plaats er ook zelf nooit een echte lijst: een \
            nummer dat niet tot de proefgegevens hoort, wordt er niet beantwoord.";
        paragraph(out, "", 0, test);
        line(out, "");
        let passed = |day: Option<Date>, until_then: &str| {
            day.map_or_else(|| until_then.to_owned(), |day| format!("geslaagd op {}", date_nl(day)))
        };
        let onboarding = self.tenant.onboarding;
        let technical = passed(onboarding.technical_test, "geslaagd zodra u zo'n bestand volledig opgehaald hebt");
        let technical = format!(
            "verbinden, en uit /test/outbox een bestand ophalen en openen: het antwoord op een lijst die u in /test/inbox \
             zet, of een testbestand dat wij klaarzetten ({technical})."
        );
        paragraph(out, "- Technische test: ", 2, &technical);
        let functional = passed(onboarding.functional_test, "nog niet afgerond");
        let functional = format!("een testbestand inlezen in uw toepassing ({functional}).");
        paragraph(out, "- Functionele test: ", 2, &functional);
        line(out, "");
        paragraph(out, "", 0, "Echte antwoorden zijn pas mogelijk nadat beide tests geslaagd zijn.");
    }

    fn help(&self, out: &mut String) {
        heading(out, "9. Hulp");
        paragraph(out, "", 0, &format!("Contact: {}", self.contact));
        line(out, "");
        let never = "Stuur nooit rijksregisternummers of lijsten per e-mail, ook niet bij een vraag: vermeld de \
            bestandsnaam en, bij een weigering, de code. Verliest u een sleutel of hebt u een nieuwe medewerker, verwittig \
            ons dan: wij trekken de oude sleutel in en registreren de nieuwe.";
        paragraph(out, "", 0, never);
    }
}

fn heading(out: &mut String, text: &str) {
    line(out, "");
    line(out, "");
    line(out, text);
    line(out, &"-".repeat(text.chars().count()));
    line(out, "");
}

fn protocol_nl(protocol: &Protocol) -> String {
    let usage = match protocol.usage {
        Use::Once => "voor één lijst".to_owned(),
        Use::Periodic { times, per } => {
            let period = match per {
                Period::Year => "kalenderjaar",
                Period::Month => "kalendermaand",
            };
            let lists = if times == 1 { "lijst" } else { "lijsten" };
            format!("ten hoogste {times} {lists} per {period}")
        }
    };
    match protocol.valid {
        Some(valid) => format!("{}, {usage}.", validity_nl(valid)),
        None => format!("{usage}."),
    }
}

fn validity_nl(valid: Validity) -> String {
    format!("geldig van {} tot en met {}", date_nl(valid.from), date_nl(valid.until))
}

/// What a kind of file brings, by the name that its files begin with.
fn kind_nl(kind: Kind) -> &'static str {
    match kind {
        Kind::SocialeToeslag => "sociale-toeslag (het antwoord op uw lijst)",
        Kind::Gegevens => "gegevens (de kinderen en begunstigden die aan de voorwaarden voldoen)",
        Kind::Betaling => "betaling (wat u aan wie betaalt)",
        Kind::BetalingZonderRekening => "betaling-zonder-rekening (begunstigden zonder rekeningnummer)",
        Kind::Brieven => "brieven",
        Kind::Rapport => "rapport (het overzicht van wat gemaakt is)",
        Kind::Weigering => "weigering",
        Kind::Verslag => "verslag",
        Kind::TechnischeTest => "technische-test",
        Kind::FunctioneleTest => "functionele-test",
    }
}

/// What is chosen in programs with windows, by what the tenant logs in with.
fn client_settings(key: bool, password: bool) -> [(&'static str, &'static str); 2] {
    let winscp = match (key, password) {
        (true, true) => {
            "kies \"Nieuwe sessie\", protocol SFTP, vul server, poort en gebruiker in en kies onder Geavanceerd, SSH, \
             Authenticatie uw sleutel (.ppk). Het wachtwoord wordt daarna gevraagd."
        }
        (false, true) => "kies \"Nieuwe sessie\", protocol SFTP, en vul server, poort, gebruiker en wachtwoord in.",
        (_, false) => {
            "kies \"Nieuwe sessie\", protocol SFTP, vul server, poort en gebruiker in en kies onder Geavanceerd, SSH, \
             Authenticatie uw sleutel (.ppk). Laat het wachtwoord leeg."
        }
    };
    let filezilla = if key {
        "kies Bestand, Sitebeheer, Nieuwe site, protocol SFTP, aanmeldingstype \"Sleutelbestand\", en kies uw sleutel."
    } else {
        "kies Bestand, Sitebeheer, Nieuwe site, protocol SFTP, aanmeldingstype \"Vraag om wachtwoord\"."
    };
    [("WinSCP", winscp), ("FileZilla", filezilla)]
}

/// The port of SSH that nobody needs to name.
const SSH_PORT: u16 = 22;

fn rclone_login(key: bool, password: bool) -> &'static str {
    match (key, password) {
        (true, true) => "key_file sleutel ask_password true",
        (false, true) => "ask_password true",
        (_, false) => "key_file sleutel",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        documents::{golden, wording::WIDTH},
        domain::{
            TenantKind,
            niss::find_in,
            protocol::{Agreement, BothParties, Outside, Reply},
            tenant::{Onboarding, TenantLimits},
        },
    };
    use jiff::civil::date;

    fn protocol(id: &str, usage: Use) -> Protocol {
        Protocol {
            id: id.parse().unwrap(),
            route: Route::Opgroeien,
            status: Status::Signed,
            purpose: String::new(),
            legal_basis: String::new(),
            council_decision: None,
            regulation: None,
            dpo_advice: BothParties { agency: None, authority: None },
            signed: BothParties { agency: None, authority: None },
            publication_url: None,
            valid: Some(Validity { from: date(2026, 9, 2), until: date(2027, 9, 1) }),
            usage,
            kinds: [(Kind::SocialeToeslag, Kind::SocialeToeslag.columns().to_vec())].into(),
            reply: Reply::EntitledOnly,
            outside_municipality: Outside::Withhold,
            retention_days: 90,
        }
    }

    fn tenant() -> Tenant {
        let limits = TenantLimits { upload_bytes: 16 << 20, inbox_bytes: 2 << 30, outbox_bytes: 5 << 30 };
        Tenant {
            nis_code: Some("72004".parse().unwrap()),
            onboarding: Onboarding { technical_test: Some(date(2026, 9, 1)), functional_test: None },
            protocols: vec![protocol("OPG-2026-017", Use::Once)],
            ..Tenant::new("bree".parse().unwrap(), "Stad Bree".to_owned(), TenantKind::Municipality, limits)
        }
    }

    const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGoCkHzWyO5zfFx0mXk2b8P1QJNKxYbV0QZ1w2nq3v7T";

    fn text(tenant: &Tenant) -> String {
        let recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".to_owned()];
        let guide = Guide {
            tenant,
            host: "uitwisseling.example.be",
            port: 2222,
            host_key_fingerprint: "SHA256:uNiVztksCsDhcc0u9e8BrrJUbmXTjyJVm9hgAvH5ZzE",
            next_host_keys: &[],
            host_keys: &[HOST_KEY.to_owned()],
            exchange_recipients: &recipients,
            contact: "Groeikluis, uitwisseling@example.be",
            today: date(2026, 11, 21),
        };
        guide.text()
    }

    #[test]
    fn the_guide_reads_well() {
        let text = text(&tenant());
        let wide: Vec<&str> = text.split_terminator("\r\n").filter(|line| line.chars().count() > WIDTH).collect();
        assert_eq!(wide, [format!("[uitwisseling.example.be]:2222 {HOST_KEY}")]);
        assert!(!text.replace("\r\n", "").contains('\n'));
        assert_eq!(find_in(&text), None);
        golden::compare("LEESMIJ.txt", &text);
    }

    #[test]
    fn the_guide_follows_the_tenant() {
        let mut tenant = tenant();
        tenant.protocols.push(protocol("OPG-2026-018", Use::Periodic { times: 12, per: Period::Year }));
        tenant.uploads = UploadRule::SealedOnly;
        let text = text(&tenant).split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "alleen verzegelde bestanden aanvaard",
            "ten hoogste 12 lijsten per kalenderjaar",
            "OPG-2026-017_lijst.csv",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!text.contains("fusie"));
        tenant.former_nis_codes = vec!["72025".parse().unwrap()];
        assert!(self::text(&tenant).replace("\r\n", " ").contains("ontstaan uit een fusie"));
        tenant.protocols.clear();
        let text = |tenant: &Tenant| self::text(tenant).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text(&tenant).contains("Er is op dit ogenblik geen protocol van kracht."));
        tenant.protocols = vec![Protocol {
            route: Route::Vutg,
            kinds: [(Kind::Gegevens, Vec::new()), (Kind::Betaling, Vec::new())].into(),
            ..protocol("VUTG-2026-004", Use::Once)
        }];
        let valid = Validity { from: date(2026, 9, 2), until: date(2027, 9, 1) };
        let signed = BothParties { agency: None, authority: None };
        tenant.agreements = vec![Agreement { id: "VUTG-2026-001".parse().unwrap(), signed, valid }];
        let assigned = text(&tenant);
        for part in [
            "U kunt geen lijsten insturen",
            "- VUTG-2026-004: opdracht aan VUTG, geldig van 2 september 2026 tot en met 1 september 2027; u krijgt gegevens (",
            "betaling (wat u aan wie betaalt).",
            "- VUTG-2026-001: overeenkomst voor brieven",
        ] {
            assert!(assigned.contains(part), "{part}: {assigned}");
        }
        tenant.require = vec![LoginStep::PublicKey, LoginStep::Password];
        let both = text(&tenant);
        assert!(both.contains("én met het wachtwoord") && both.contains("key_file sleutel ask_password"), "{both}");
        assert!(!both.contains("Laat het wachtwoord leeg"));
        tenant.require = vec![LoginStep::Password];
        let password = self::text(&tenant);
        assert!(!password.contains("sftp -i") && !password.contains("key_file"), "{password}");
    }
}
