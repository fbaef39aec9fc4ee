//! A number of a person, planted wherever somebody can type, never reaches the transfer log.

use std::fs;

use groeikluis::domain::Kind;

use crate::support::{Plan, Protocol, Tenant, TestDaemon, wait_until};

/// One number in the ways that people write it.
const FORMS: [&str; 4] = ["85073003328", "85.07.30-033.28", "850730-03328", "85 07 30 033 28"];

fn digits(text: &str) -> String {
    text.chars().filter(|letter| !matches!(letter, '.' | '-' | ' ')).collect()
}

#[test]
fn a_planted_number_is_in_no_entry_and_in_no_disclosure() {
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child());
    let laid_out = Plan::new().children(20_000).tenant(bree).lay_out();
    let file = laid_out.root.path().join("tenants/bree.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let planted = text
        .replace("label: ict-bree", "label: \"ict 85.07.30-033.28\"")
        .replace("purpose: \"automatische", "purpose: \"voor 85073003328 automatische")
        .replace("legal_basis: \"decreet", "legal_basis: \"850730-03328 decreet");
    assert_eq!(FORMS.iter().filter(|form| planted.contains(*form)).count(), 3);
    fs::write(&file, planted).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    daemon.wait_for_register();

    let session = daemon.session("bree");
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    for form in FORMS {
        // As a file's name, from the start and later; as a directory's; as a user's.
        assert!(session.upload(&format!("/inbox/lijst {form}.csv"), list.as_bytes()).is_err());
        session.upload("/inbox/lijst.csv.filepart", b"niss\n").unwrap();
        assert!(session.rename("/inbox/lijst.csv.filepart", &format!("/inbox/{form}.csv")).is_err());
        assert!(session.remove(&format!("/inbox/{form}.csv")).is_err());
        assert!(session.download(&format!("/outbox/{form}.csv.age")).is_err());
        assert!(session.list(&format!("/inbox/{form}")).is_err());
        assert!(daemon.try_session(form, "bree").is_err());
        let motive = format!("vraag van {form} zelf");
        let ran = daemon.groeikluis(&[
            "audit",
            "disclose",
            "--from",
            "2026-01-01",
            "--to",
            "2026-01-02",
            "--motive",
            &motive,
        ]);
        ran.well();
    }
    session.upload("/inbox/lijst.csv", list.as_bytes()).unwrap();
    session.close();
    daemon.answer("bree", "lijst.csv");
    // A name with a number is refused in the log and in the outbox too, and not repeated.
    let of_name = |entry: &serde_json::Value| entry["reason"] == "name-with-number";
    let refused = || daemon.events("list.refused").into_iter().filter(of_name).count();
    wait_until("the refusals of names", || refused() == 2 * FORMS.len());
    let rejection = daemon.rejection("bree", "(naam met een nummer)").text;
    assert!(rejection.contains("name-with-number") && !digits(&rejection).contains(FORMS[0]), "{rejection}");
    // A list that is refused names lines, not numbers.
    daemon.put("bree", "fout.csv", FORMS.join("x\n").as_bytes());
    daemon.wait_for_file("bree", "/outbox", "fout.csv", Kind::Weigering);

    let entries = daemon.groeikluis(&["audit", "show", "--json"]).well().stdout;
    let all = [
        "audit",
        "disclose",
        "--json",
        "--from",
        "2026-01-01",
        "--to",
        "2100-01-01",
        "--motive",
        "nazicht van de proef",
    ];
    let disclosed = daemon.groeikluis(&all).well().stdout;
    for text in entries.lines().chain(disclosed.lines()) {
        assert!(!digits(text).contains(FORMS[0]), "{text}");
    }
    assert!(daemon.events("privacy.redacted").len() > 8);
    assert!(daemon.events("delivery.created").iter().all(|entry| {
        entry["purpose"].as_str().unwrap().starts_with("voor [***]") || entry["kind"] != "sociale-toeslag"
    }));
    // Nor in any file of the log, where the checkpoint is not there yet.
    daemon.terminate();
    assert!(!holds(&daemon.path("state/log"), &FORMS) && !holds(&daemon.path("state/disclosures"), &FORMS));
}

/// Whether a file below a directory has one of these parts.
pub fn holds(directory: &std::path::Path, parts: &[&str]) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, parts);
        }
        let bytes = fs::read(&path).unwrap();
        parts.iter().any(|part| bytes.windows(part.len()).any(|window| window == part.as_bytes()))
    })
}
