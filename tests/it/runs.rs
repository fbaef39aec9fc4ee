//! What is told of a run: before it by a simulation, later by its report, and at the end of the year by the bill.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    assignments::{COSTS, DATA_ONLY, assignment, json, plan, run},
    clients::program::Program,
    support::TestDaemon,
};

/// The extract with two of three second households taken away: of those children a half goes to nobody.
fn with_halves(extract: &str) -> String {
    let (mut children, mut second) = (BTreeSet::new(), 0);
    let mut lines = extract.lines();
    let mut text = format!("{}\n", lines.next().unwrap());
    for line in lines {
        let child = line.split(';').nth(2).unwrap();
        if !children.insert(child) {
            second += 1;
            if second % 3 != 0 {
                continue;
            }
        }
        text.extend([line, "\n"]);
    }
    text
}

#[test]
fn a_simulation_tells_what_a_run_pays() {
    let criteria = [
        "{any_of: [sociale_toeslag]}",
        "{any_of: [zorgtoeslag, schooltoeslag]}",
        "{any_of: [sociale_toeslag, zorgtoeslag], single_parent: true}",
        "{any_of: [sociale_toeslag], rank: {at_least: 2}}",
        "{born: {from: 2012-01-01}, none_of: [zorgtoeslag]}",
        "{}",
    ];
    let cases = ["child", "family"].into_iter().flat_map(|unit| criteria.map(|criteria| (unit, criteria)));
    let cases: Vec<_> =
        cases.enumerate().map(|(at, (unit, criteria))| (format!("raming-{at}"), unit, criteria)).collect();
    let mut plan = plan().children(300_000);
    for (id, unit, criteria) in &cases {
        let pays = format!(
            "unit: {unit}\nproduce: [betaling]\n\
             payment: {{amount: \"75.01\", remittance: \"Schoolpremie 2026\", formats: [csv]}}"
        );
        plan = plan.file(&format!("assignments/{id}.yaml"), &assignment(id, criteria, &pays));
    }
    let mut daemon = TestDaemon::over(plan.lay_out());
    daemon.write_register(&with_halves(daemon.extract().text()));
    daemon.start();
    daemon.wait_for_register();

    let cents = |text: &Value| text.as_str().unwrap().replace('.', "").parse::<u64>().unwrap();
    let (mut in_part, mut told) = (BTreeSet::new(), 0);
    for (id, unit, criteria) in &cases {
        let simulation = json(&daemon.groeikluis(&["assignment", "simulate", id, "--json"]).well());
        let budget = &simulation["budget"];
        let outcome = json(&run(&daemon, id, &[]).well());
        let made = outcome["made"].as_array().unwrap();
        let (paid, payments) = made.iter().fold((0, 0), |(paid, payments), file| {
            (paid + cents(&file["amount_total"]), payments + file["rows"].as_u64().unwrap())
        });
        assert_eq!(budget["payments"].as_u64(), Some(payments), "{unit}, {criteria}: {budget}");
        let missing = budget["units"].as_u64().unwrap() * 7501 - paid;
        if budget["total"].is_null() {
            // It would tell how few are paid in part, four at most.
            assert!(missing > 0 && missing < 4 * 7501, "{unit}, {criteria}: {budget}, paid {paid}");
        } else {
            assert_eq!(cents(&budget["total"]), paid, "{unit}, {criteria}: {budget}");
            told += 1;
            in_part.extend((missing > 0).then_some(*unit));
        }
        assert_eq!(simulation["statistics"]["children"], outcome["children"]);
    }
    assert!(told >= 6, "{told} of {} are told", cases.len());
    assert_eq!(in_part, BTreeSet::from(["child", "family"]), "nobody is paid in part");
}

/// The words of a PDF, where a program that reads it is installed.
fn words(pdf: &[u8]) -> Option<String> {
    let program = Program::find("pdftotext", "pdftotext")?;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("report.pdf"), pdf).unwrap();
    let ran = program.run_in(directory.path()).args(["-enc", "UTF-8", "report.pdf", "-"]).run();
    Some(ran.well().stdout.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn an_older_run_is_reported_with_its_own_criteria() {
    let file = |criteria| assignment("premie-2026", criteria, DATA_ONLY);
    let then = "{any_of: [sociale_toeslag], rank: {at_least: 1}}";
    let mut daemon = plan().file("assignments/premie.yaml", &file(then)).start();
    run(&daemon, "premie-2026", &[]).well();
    daemon.terminate();
    let changed = file("{any_of: [schooltoeslag]}");
    std::fs::write(daemon.path("assignments/premie.yaml"), changed).unwrap();
    daemon.start();
    daemon.wait_for_register();
    let made = json(&daemon.groeikluis(&["assignment", "report", "premie-2026", "--json"]).well());
    let pdf =
        made.as_array().unwrap().iter().find_map(|made| made["file"].as_str().filter(|file| file.contains(".pdf")));
    let pdf = daemon.fetch("torhout", &format!("/outbox/{}", pdf.unwrap()));
    if let Some(words) = words(&pdf) {
        assert!(words.contains("Heeft recht op sociale toeslag • Plaats in het gezin: minstens 1"), "{words}");
        assert!(!words.contains("Heeft recht op schooltoeslag"), "{words}");
    }
    let logged = daemon.events("assignment.run");
    assert_eq!(logged[0]["criteria"], "any_of=sociale_toeslag\nrank.at_least=1\n");
}

#[test]
fn a_tenant_that_is_gone_is_billed() {
    let mut daemon = plan()
        .file("assignments/premie.yaml", &assignment("premie-2026", "{any_of: [sociale_toeslag]}", DATA_ONLY))
        .file("costs.yaml", COSTS)
        .start();
    run(&daemon, "premie-2026", &[]).well();
    let year = groeikluis::durable::Clock::system().today().year().to_string();
    let bill = |daemon: &TestDaemon| daemon.groeikluis(&["assignment", "bill", "--year", &year, "--json"]).well();
    let before = json(&bill(&daemon));
    daemon.terminate();
    for gone in ["tenants/torhout.yaml", "assignments/premie.yaml"] {
        std::fs::remove_file(daemon.path(gone)).unwrap();
    }
    let ran = bill(&daemon);
    let (after, named) = (json(&ran), before["bills"][0]["name"].as_str().unwrap());
    assert_eq!(
        (&after["bills"][0]["lines"], &after["bills"][0]["total"]),
        (&before["bills"][0]["lines"], &before["bills"][0]["total"])
    );
    assert_eq!(
        (&after["bills"][0]["name"], &after["bills"][0]["configured"]),
        (&Value::from(named), &Value::from(false))
    );
    assert_ne!(named, "torhout");
    assert!(ran.stderr.contains(&format!("torhout ({named}) is not in the configuration")), "{}", ran.stderr);
    let out = daemon.path("bills");
    daemon
        .groeikluis(&["assignment", "bill", "--year", &year, "--tenant", "torhout", "--out", out.to_str().unwrap()])
        .well();
    let csv = std::fs::read_to_string(out.join(format!("afrekening_torhout_{year}.csv"))).unwrap();
    assert!(csv.lines().nth(1).unwrap().starts_with(named), "{csv}");
    // What was done before the first tariff is on no line, and the bill says so.
    let later = COSTS.replace("2020-01-01", "2099-01-01");
    std::fs::write(daemon.path("costs.yaml"), later).unwrap();
    let free = json(&bill(&daemon))["bills"][0].clone();
    assert_eq!((&free["lines"], &free["without_tariff"]["runs"]), (&Value::from(Vec::<Value>::new()), &1.into()));
}

/// What somebody has just changed may be the amount.
#[test]
fn nothing_is_run_while_files_are_at_fault() {
    let file = "assignments/raming.yaml";
    let text = assignment("raming", "{any_of: [sociale_toeslag]}", DATA_ONLY);
    let daemon = plan().file(file, &text).start();
    daemon.wait_for_register();
    std::fs::write(daemon.path(file), format!("{text}foo: 1\n")).unwrap();
    let refused = daemon.groeikluis(&["assignment", "run", "raming"]);
    assert_eq!(refused.code, Some(78), "{refused:?}");
    assert!(refused.stderr.contains("nothing is run") && refused.stderr.contains("unknown key `foo`"), "{refused:?}");
    assert!(daemon.events("assignment.run").is_empty());
}
