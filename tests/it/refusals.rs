//! What is refused, how it is told, and that nothing is used up by it.

use std::{collections::BTreeSet, fs::File, io::Write};

use groeikluis::{
    domain::Kind,
    durable::Clock,
    seal::{Keyring, StorageSealer},
    sftp::client::ClientError,
};
use jiff::ToSpan;
use serde_json::Value;

use crate::support::{Plan, Protocol, Session, Tenant, TestDaemon, wait_until};

/// An upload that is refused.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    /// A part of the status that the close gets; none where the upload itself succeeds.
    status: Option<&'static str>,
    code: &'static str,
    /// A part of the rejection that says what was wrong.
    why: &'static str,
    /// A part of the rejection that says what to do.
    remedy: &'static str,
}

const BREE: &str = "72004";

/// The limit of uploads in these tests, small enough to pass quickly.
const UPLOAD_LIMIT: usize = 64 * 1024;

#[test]
fn every_fault_of_a_list_is_told_and_uses_nothing_up() {
    let daemon = Plan::new()
        .children(20_000)
        .line("limits: {list_rows: 1000}")
        .tenant(
            Tenant::municipality("bree", BREE)
                .limits("upload_bytes: 64KiB")
                .protocol(Protocol::new("OPG-2026-017").once()),
        )
        .start();
    let good = list(&daemon.extract().children_of(BREE));
    for case in faulty_lists(&daemon, &good) {
        refuse(&daemon, "bree", &case);
    }
    // A trial is answered, and is no use of the protocol either.
    let session = daemon.session("bree");
    let example = session.download("/test/outbox/voorbeeldlijst.csv").unwrap();
    session.upload("/test/inbox/proef.csv", &example).unwrap();
    session.close();
    let trial = daemon.wait_for_file("bree", "/test/outbox", "proef.csv", Kind::SocialeToeslag);
    assert!(trial.manifest.rows > 0, "the example list has no entitled child");
    assert_eq!(daemon.events("protocol.used"), Vec::<Value>::new());

    daemon.put("bree", "kinderen.csv", good.as_bytes());
    assert!(daemon.answer("bree", "kinderen.csv").manifest.rows > 0);
    let used = daemon.events("protocol.used");
    assert_eq!((used.len(), &used[0]["protocol"]), (1, &Value::from("OPG-2026-017")));
    for case in after_the_answer(&daemon, &good) {
        refuse(&daemon, "bree", &case);
    }
    assert_eq!(daemon.events("protocol.used").len(), 1);
}

#[test]
fn each_ground_that_does_not_hold_is_named() {
    let today = Clock::system().today();
    let (yesterday, tomorrow) = (today.yesterday().unwrap(), today.tomorrow().unwrap());
    let long_ago = today.saturating_sub(1.year());
    let protocol = || Protocol::new("OPG-2026-017");
    let daemon = Plan::new()
        .children(10_000)
        .tenant(Tenant::municipality("over", "11001").protocol(protocol().valid(long_ago, yesterday)))
        .tenant(Tenant::municipality("gestopt", "11002").protocol(protocol().status("ended")))
        .tenant(Tenant::municipality("straks", "11004").protocol(protocol().valid(tomorrow, tomorrow)))
        .tenant(Tenant::municipality("zonder", "11005"))
        .tenant(Tenant::municipality("twee", "11008").protocol(protocol()).protocol(Protocol::new("OPG-2026-018")))
        .tenant(Tenant::municipality("laatste", "11009").protocol(protocol().valid(long_ago, today)))
        .start();
    for (tenant, status, code, why, remedy) in [
        (
            "over",
            Some("geldigheid van het protocol is verstreken"),
            "not-ended",
            "is verstreken",
            "verlenging of een nieuw protocol",
        ),
        (
            "gestopt",
            Some("niet ondertekend, of het is stopgezet"),
            "status-signed",
            "nog niet ondertekend, of het is stopgezet",
            "Neem contact met ons op",
        ),
        ("straks", Some("nog niet begonnen"), "started", "nog niet begonnen", "vanaf de eerste dag van het protocol"),
        ("zonder", None, "no-protocol", "geen protocol van kracht", "Neem contact met ons op"),
        (
            "twee",
            Some("zet de referentie vooraan"),
            "ambiguous-protocol",
            "(OPG-2026-017, OPG-2026-018)",
            "vooraan in de bestandsnaam",
        ),
    ] {
        let bytes = list(&daemon.extract().children_of("11001")).into_bytes();
        refuse(&daemon, tenant, &Case { name: "kinderen.csv", bytes, status, code, why, remedy });
    }
    // A client that sends under another name first is refused at its renaming, and nothing is kept.
    let session = daemon.session("over");
    session.upload("/inbox/later.csv.part", list(&daemon.extract().children_of("11001")).as_bytes()).unwrap();
    let Err(ClientError::Refused { text, .. }) = session.rename("/inbox/later.csv.part", "/inbox/later.csv") else {
        panic!("it should be refused")
    };
    assert!(text.contains("geldigheid van het protocol is verstreken"), "{text}");
    assert!(daemon.rejection("over", "later.csv").text.contains("not-ended"));
    assert_eq!(session.names("/inbox").unwrap(), Vec::<String>::new());
    session.close();
    // The name may say which protocol; and a protocol holds on its last day.
    for (tenant, code, name) in [("twee", "11008", "OPG-2026-018_kinderen.csv"), ("laatste", "11009", "kinderen.csv")] {
        daemon.put(tenant, name, list(&daemon.extract().children_of(code)).as_bytes());
        daemon.answer(tenant, name);
    }
}

#[test]
fn the_technical_test_is_passed_by_fetching_the_answer_to_a_trial() {
    let tenant = || Tenant::municipality("bree", BREE).protocol(Protocol::new("OPG-2026-017"));
    let today = groeikluis::durable::Clock::system().today();
    let tenant = tenant().onboarding(&format!("functional_test: {today}"));
    let daemon = Plan::new().children(20_000).tenant(tenant).start();
    let lacks = |daemon: &TestDaemon| daemon.groeikluis(&["overview"]).well().stdout.contains("technical-test");
    let good = list(&daemon.extract().children_of(BREE));
    daemon.put("bree", "eerst.csv", good.as_bytes());
    let text = daemon.rejection("bree", "eerst.csv").text;
    assert!(text.contains("Code:      technical-test") && text.contains("/test/outbox"), "{text}");
    assert!(lacks(&daemon));
    let session = daemon.session("bree");
    let guide = |session: &Session| {
        let text = String::from_utf8(session.download("/LEESMIJ.txt").unwrap()).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(guide(&session).contains("(geslaagd zodra u zo'n bestand volledig opgehaald hebt)"));
    let example = session.download("/test/outbox/voorbeeldlijst.csv").unwrap();
    session.upload("/test/inbox/proef.csv", &example).unwrap();
    session.close();
    // It is fetched to be opened here.
    daemon.wait_for_file("bree", "/test/outbox", "proef.csv", Kind::SocialeToeslag);
    wait_until("the test to be passed", || !lacks(&daemon));
    daemon.put("bree", "daarna.csv", good.as_bytes());
    assert!(daemon.answer("bree", "daarna.csv").manifest.rows > 0);
    assert!(guide(&daemon.session("bree")).contains("(geslaagd op "));
}

#[test]
fn who_seals_everything_is_refused_what_is_not_sealed() {
    let tenant = Tenant::municipality("bree", BREE).sealed_only().protocol(Protocol::new("OPG-2026-017"));
    let daemon = Plan::new().children(20_000).tenant(tenant).start();
    let good = list(&daemon.extract().children_of(BREE));
    let case = Case {
        name: "kinderen.csv",
        bytes: good.clone().into_bytes(),
        status: Some("alleen bestanden die met age verzegeld zijn"),
        code: "sealed-only",
        why: "Dit bestand was niet verzegeld",
        remedy: "Verzegel de lijst met age",
    };
    refuse(&daemon, "bree", &case);
    daemon.put("bree", "kinderen.csv.age", &daemon.seal(good.as_bytes()));
    assert!(daemon.answer("bree", "kinderen.csv.age").manifest.rows > 0);
}

#[test]
fn a_file_of_five_gigabytes_is_refused_long_before_its_end() {
    let tenant = Tenant::municipality("bree", BREE).protocol(Protocol::new("OPG-2026-017"));
    let daemon = Plan::new().tenant(tenant).start();
    let huge = daemon.path("huge.csv");
    File::create(&huge).unwrap().set_len(5 << 30).unwrap();
    let ran = daemon.sftp("bree", &format!("put {} /inbox/huge.csv\n", huge.display()));
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("Failure") || ran.stderr.contains("groter"), "{}", ran.stderr);
    let rejection = daemon.rejection("bree", "huge.csv");
    assert!(rejection.text.contains("Code:      too-large"), "{}", rejection.text);
    assert!(rejection.text.contains("64 MiB"), "{}", rejection.text);
    assert_eq!(daemon.session("bree").names("/inbox").unwrap(), Vec::<String>::new());
}

#[test]
fn who_does_not_show_the_right_key_is_not_let_in() {
    let daemon =
        Plan::new().tenant(Tenant::municipality("bree", BREE)).tenant(Tenant::municipality("lokeren", "46029")).start();
    for (user, key_of) in [("bree", "lokeren"), ("nobody", "bree"), ("root", "bree"), ("BREE", "bree")] {
        let refused = daemon.try_session(user, key_of).err();
        assert!(matches!(refused, Some(ClientError::NotLetIn { .. })), "{user} with {key_of}'s key: {refused:?}");
        let ran = daemon.sftp_as(user, key_of, "ls\n");
        assert!(ran.stderr.contains("Permission denied"), "{user}: {}", ran.stderr);
    }
    let refused = daemon.wait_for_events("auth.refused", 8);
    let reasons: Vec<&str> = refused.iter().map(|entry| entry["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.len(), 8, "{reasons:?}");
    assert_eq!(refused[0]["tenant"], "bree");
    assert!(reasons[2..].iter().all(|reason| *reason != reasons[0]), "a stranger is told apart: {reasons:?}");
    // Neither the key nor the user name of a stranger is in the log.
    assert!(refused.iter().all(|entry| !entry.to_string().contains("nobody")));
    daemon.sftp("bree", "ls\n").well();
}

/// Uploads, and compares status, rejection and log with what is expected.
#[track_caller]
fn refuse(daemon: &TestDaemon, tenant: &str, case: &Case) {
    let Case { name, bytes, status, code, why, remedy } = case;
    let session = daemon.session(tenant);
    let uploaded = session.upload(&format!("/inbox/{name}"), bytes);
    match (uploaded, status) {
        (Ok(()), None) => {}
        (Err(ClientError::Refused { text, .. }), Some(part)) => assert!(text.contains(part), "{name}: {text}"),
        (other, _) => panic!("{name}: {other:?}"),
    }
    session.close();
    let rejection = daemon.rejection(tenant, name);
    // Paragraphs are broken into lines.
    let text = rejection.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [&format!("Code: {code} "), &(*why).to_owned(), &(*remedy).to_owned(), &format!("Bestand: {name}")] {
        assert!(text.contains(part.as_str()), "{name}: no {part:?} in\n{}", rejection.text);
    }
    let digits = |text: &str| text.chars().collect::<Vec<_>>().windows(11).any(|w| w.iter().all(char::is_ascii_digit));
    assert!(!digits(&text), "{name} repeats a number:\n{}", rejection.text);
    let entries = daemon.events("list.refused");
    let entry = entries.iter().find(|entry| entry["file"] == rejection.manifest.file).unwrap();
    assert_eq!((&entry["reason"], &entry["outcome"]), (&Value::from(*code), &Value::from("failure")), "{name}");
}

fn list(numbers: &[&str]) -> String {
    format!("niss\n{}\n", numbers.join("\n"))
}

fn faulty_lists(daemon: &TestDaemon, good: &str) -> Vec<Case> {
    let mut cases = faults_of_the_file(good.as_bytes().to_vec());
    cases.extend(faults_of_the_seal(daemon, good));
    cases.extend(faults_of_the_content(good));
    cases.extend(lists_of_others(daemon));
    cases
}

/// Lists of which nobody may be answered: the parents' column, and another municipality's children.
fn lists_of_others(daemon: &TestDaemon) -> Vec<Case> {
    let extract = daemon.extract();
    let parents: BTreeSet<&str> =
        extract.rows().iter().filter(|row| row.nis_code == BREE).map(|row| row.beneficiary.as_str()).collect();
    vec![
        case(
            "ouders.csv",
            list(&Vec::from_iter(parents)).into_bytes(),
            None,
            "list-outside-age",
            "van iemand van 25 jaar of ouder",
            "Geef alleen de kolom van de kinderen",
        ),
        case(
            "buren.csv",
            list(&extract.children_of("72043")).into_bytes(),
            None,
            "list-other-municipality",
            "Geen enkel kind van de lijst",
            "stuur de juiste lijst",
        ),
    ]
}

fn case(
    name: &'static str,
    bytes: Vec<u8>,
    status: Option<&'static str>,
    code: &'static str,
    why: &'static str,
    remedy: &'static str,
) -> Case {
    Case { name, bytes, status, code, why, remedy }
}

fn faults_of_the_file(text: Vec<u8>) -> Vec<Case> {
    vec![
        case(
            "OPG-2026-999_x.csv",
            text,
            Some("noemt een protocol dat uw bestuur niet heeft"),
            "unknown-protocol",
            "\"OPG-2026-999\"",
            "Controleer de referentie in de bestandsnaam",
        ),
        case(
            "beleid.pdf",
            b"%PDF-1.7 beleid".to_vec(),
            Some("alleen lijsten in .csv, .txt of .xlsx"),
            "wrong-file-type",
            "Dit soort bestand wordt hier niet verwerkt",
            "Stuur de lijst als .csv, .txt of .xlsx",
        ),
        case(
            "te-groot.csv",
            vec![b'1'; UPLOAD_LIMIT + 1],
            Some("groter dan toegelaten"),
            "too-large",
            "groter dan de 64 KiB",
            "Stuur een lijst met alleen de kolom",
        ),
    ]
}

fn faults_of_the_seal(daemon: &TestDaemon, good: &str) -> Vec<Case> {
    let stranger = {
        let mut sealed = Vec::new();
        let mut sealer = StorageSealer::new(&Keyring::generate().recipients(), &mut sealed).unwrap();
        sealer.write_all(good.as_bytes()).unwrap();
        sealer.finish().unwrap();
        sealed
    };
    let sealed = daemon.seal(good.as_bytes());
    // The header, the nonce of sixteen bytes, and nothing of the list.
    let header = sealed.windows(5).position(|window| window == b"\n--- ").unwrap();
    let line = sealed[header + 1..].iter().position(|byte| *byte == b'\n').unwrap();
    let without_list = sealed[..header + 1 + line + 1 + 16].to_vec();
    // age cannot tell a last chunk that is cut from one that was changed.
    let cut = sealed[..sealed.len() - 40].to_vec();
    vec![
        case(
            "zonder-einde.csv.age",
            without_list,
            Some("het einde van het age-bestand ontbreekt"),
            "truncated-age",
            "het einde ontbreekt",
            "Stuur het volledige bestand",
        ),
        case(
            "afgebroken.csv.age",
            cut,
            Some("kan hier niet geopend worden"),
            "not-decryptable",
            "onvolledig of beschadigd",
            "Verzegel de lijst opnieuw",
        ),
        case(
            "andere-sleutel.csv.age",
            stranger,
            Some("voor een andere sleutel verzegeld"),
            "not-decryptable",
            "voor een andere sleutel verzegeld",
            "Verzegel de lijst opnieuw",
        ),
        case(
            "niet-verzegeld.csv.age",
            good.as_bytes().to_vec(),
            Some("niet met age verzegeld"),
            "not-age",
            "niet met age verzegeld",
            "stuur ze zonder .age in de naam",
        ),
    ]
}

fn faults_of_the_content(good: &str) -> Vec<Case> {
    let half_wrong = good.replace('7', "1").into_bytes();
    vec![
        case(
            "leeg.csv",
            Vec::new(),
            Some("het bestand is leeg"),
            "list-empty",
            "De lijst is leeg",
            "stuur de lijst opnieuw",
        ),
        case("alleen-kop.csv", b"niss\n".to_vec(), None, "list-empty", "De lijst is leeg", "stuur de lijst opnieuw"),
        case(
            "fouten.csv",
            half_wrong,
            None,
            "list-too-many-invalid",
            "regel 2, kolom 1: ",
            "Verbeter de regels hieronder",
        ),
        case(
            "zonder-nummers.csv",
            b"naam;plaats\nJan;Bree\nPiet;Bree\n".to_vec(),
            None,
            "list-no-niss-column",
            "geen kolom met rijksregister- of bisnummers",
            "Geef de kolom een titel",
        ),
        case(
            "kapot.xlsx",
            [b"PK\x03\x04".as_slice(), &[7; 400]].concat(),
            None,
            "list-workbook",
            "beschadigd of onvolledig",
            "bewaar het opnieuw als .xlsx",
        ),
        case(
            "te-veel.csv",
            format!("niss\n{}", "1\n".repeat(1001)).into_bytes(),
            None,
            "list-too-many-rows",
            "1001 regels, meer dan de 1000",
            "Controleer of de lijst alleen kinderen",
        ),
        case(
            "gegevens.csv",
            [b"niss\n".as_slice(), &[0xff, 0, 0xfe, 0x81]].concat(),
            None,
            "list-wrong-type",
            "lijkt een binair bestand te zijn",
            "Stuur een lijst als .csv, .txt of .xlsx",
        ),
    ]
}

fn after_the_answer(daemon: &TestDaemon, good: &str) -> Vec<Case> {
    let fewer = list(&daemon.extract().children_of(BREE)[1..]).into_bytes();
    let bytes = good.as_bytes().to_vec();
    vec![
        Case {
            name: "andere.csv",
            bytes: fewer,
            status: None,
            code: "used-up",
            why: "Het protocol OPG-2026-017 laat geen antwoord meer toe",
            remedy: "contact met ons op over een nieuw protocol",
        },
        Case {
            name: "nog-eens.csv",
            bytes,
            status: None,
            code: "duplicate",
            why: "(bestand \"sociale-toeslag_72004_OPG-2026-017_",
            remedy: "U vindt dat antwoord in de map /outbox",
        },
        // The same children in another shape are the same list.
        Case {
            name: "nog-eens.csv.age",
            bytes: daemon.seal(good.replace("niss\n", "INSZ\r\n").as_bytes()),
            status: None,
            code: "duplicate",
            why: "(bestand \"sociale-toeslag_72004_OPG-2026-017_",
            remedy: "U vindt dat antwoord in de map /outbox",
        },
    ]
}
