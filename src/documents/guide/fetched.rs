//! What a guide tells of files that were fetched: how they are opened and checked, and what the log proves of them.

use super::{
    super::wording::{line, paragraph},
    heading,
};

pub(super) fn open(out: &mut String) {
    heading(out, "4. Een bestand openen");
    let program = "Elk bestand in /outbox is verzegeld met age. Het programma is vrij te verkrijgen op \
        https://age-encryption.org. Openen doet u met de geheime sleutel (van age of van SSH) die hoort bij de publieke \
        sleutel die u ons bezorgd hebt:";
    paragraph(out, "", 0, program);
    line(out, "");
    line(out, "  age -d -i sleutel.txt -o antwoord.csv antwoord.csv.age");
    line(out, "");
    let tables = "Een bestand .csv is een tabel in UTF-8, met puntkomma's tussen de kolommen en een punt als decimaalteken \
        (150.00). Open het in Excel niet met een dubbelklik, maar lees het in via Gegevens, Uit tekst/CSV:";
    paragraph(out, "", 0, tables);
    line(out, "");
    for text in [
        "Kies als oorsprong van het bestand \"65001: Unicode (UTF-8)\" en als scheidingsteken de puntkomma, en ga verder met \
         Gegevens transformeren.",
        "Kies \"Tekst\" als type van de kolommen met nummers, zoals niss en iban: zo blijven voorloopnullen bewaard.",
        "Geef de kolommen bedrag en aandeel het type \"Decimaal getal\" met een landinstelling die een punt als decimaalteken \
         heeft, zoals Engels: anders blijven het teksten, die Excel niet optelt.",
    ] {
        paragraph(out, "- ", 2, text);
    }
    line(out, "");
    let formulas = "Een naam die met =, +, - of @ zou beginnen, krijgt een apostrof ervoor, zodat een rekenblad er geen formule \
        van maakt.";
    paragraph(out, "", 0, formulas);
    line(out, "");
    paragraph(out, "", 0, "Bewaar geopende bestanden alleen op een beveiligde plaats en niet langer dan nodig.");
}

pub(super) fn check(out: &mut String) {
    heading(out, "5. Nakijken met het manifest");
    let digests = "Het manifest vermeldt onder meer het aantal rijen, of van een tekst het aantal regels \
        (rows), de naam van de lijst die beantwoord is \
        (answers) en twee controlesommen: van het verzegelde bestand (ciphertext_sha256) en van het geopende bestand \
        (plaintext_sha256). Die laatste ontbreekt bij bestanden met minder dan 20 rijen over personen: daaruit zou \
        de inhoud te raden zijn. Vergelijk ze met:";
    paragraph(out, "", 0, digests);
    line(out, "");
    line(out, "  Windows:  certutil -hashfile antwoord.csv.age SHA256");
    line(out, "  Linux:    sha256sum antwoord.csv.age");
    line(out, "");
    paragraph(out, "", 0, "Verschillen ze, haal het bestand dan opnieuw op. Blijft het verschil, verwittig ons dan.");
}

pub(super) fn log(out: &mut String) {
    heading(out, "8. Het logboek in /log");
    let log = "Elke verzending wordt opgetekend in een logboek dat achteraf niet ongemerkt gewijzigd kan worden. In /log \
        vindt u de laatste ondertekende stand (checkpoint), de publieke sleutel van het logboek (log.vkey) en, in de map \
        receipts, een ontvangstbewijs van elk bestand dat u stuurde of dat voor u klaargezet werd, met wat erbij hoort \
        om het te lezen (receipt.dictionary). Bewaar die bewijzen en nu en dan een kopie van de stand: daarmee kan uw \
        bestuur later aantonen dat het logboek niet herschreven is. Nummers en namen van burgers staan er niet in.";
    paragraph(out, "", 0, log);
    line(out, "");
    let receipts = "Het bewijs van een bestand dat voor u klaargezet werd, heet zoals dat bestand, zonder .age. Dat \
        van een lijst die u stuurde, heet upload_DATUM_NUMMER.receipt; het verslag of de weigering noemt het. Een bestand dat \
        al tijdens het opladen geweigerd werd, heeft er geen. Wat een bewijs aantoont, leest u met \
        het programma groeikluis:";
    paragraph(out, "", 0, receipts);
    line(out, "");
    line(out, "  groeikluis audit receipt BEWIJS.receipt --key log.vkey");
}
