//! Assignments of the VUTG route, as ops give them and as local authorities and printers get them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{Plan, Protocol, Ran, Tenant, TestDaemon, wait_until};

/// An assignment of Torhout, with the lines that a test cares about.
pub fn assignment(id: &str, criteria: &str, more: &str) -> String {
    format!(
        "id: {id}\ntenant: torhout\nreference: VUTG-2026-004\npurpose: \"schoolpremie\"\ncriteria: {criteria}\n{more}\n"
    )
}

pub const DATA_ONLY: &str = "unit: child\nproduce: [gegevens]";

pub const EVERYTHING: &str = "unit: child\nrecurrence: yearly\nproduce: [gegevens, betaling, brieven, rapport]\n\
    payment: {amount: \"75.01\", remittance: \"Schoolpremie 2026\", formats: [csv, pain.001.001.09, pain.001.001.03], \
    debtor: {name: \"Stad Torhout\", iban: \"BE71 0961 2345 6769\", kbo: \"0200.000.043\"}, execution_date: 2099-12-15}\n\
    letters: {text: premie.md, service: \"Sociaal Huis, Voorbeeldstraat 1, 8820 Torhout\", print_partner: drukkerij}";

pub const LETTER: &str = "# Uw schoolpremie\n\nVoor {kinderen} krijgt u **{bedrag}** van de stad.\n";

pub const COSTS: &str = "tariffs:\n  - {valid_from: 2020-01-01, per_year: \"250.00\", per_assignment: \"400.00\", \
    per_run: \"150.00\", per_file: \"25.00\", per_letter: \"1.10\"}\n";

fn torhout() -> Tenant {
    Tenant::municipality("torhout", "31033").agreement("VUTG-2026-001").protocol(Protocol::vutg("VUTG-2026-004"))
}

/// With enough children of Torhout for counts that may be shown.
pub fn plan() -> Plan {
    Plan::new().children(150_000).tenant(torhout()).tenant(Tenant::print_partner("drukkerij"))
}

pub fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

pub fn run(daemon: &TestDaemon, id: &str, more: &[&str]) -> Ran {
    daemon.groeikluis(&[&["assignment", "run", id, "--json"], more].concat())
}

#[test]
fn a_run_delivers_all_to_whom_it_is_for_and_is_accounted_for() {
    let mut daemon = plan()
        .file("assignments/premie.yaml", &assignment("premie-2026", "{any_of: [sociale_toeslag]}", EVERYTHING))
        .file("assignments/premie.md", LETTER)
        .file("costs.yaml", COSTS)
        .start();

    let planned = json(&run(&daemon, "premie-2026", &["--dry-run"]).well());
    assert!(planned["made"].as_array().unwrap().is_empty());
    let kinds: Vec<&str> =
        planned["planned"].as_array().unwrap().iter().map(|file| file["kind"].as_str().unwrap()).collect();
    assert!(daemon.session("torhout").names("/outbox").unwrap().is_empty());

    let outcome = json(&run(&daemon, "premie-2026", &[]).well());
    let made = outcome["made"].as_array().unwrap();
    let (children, mut by_kind) = (outcome["children"].as_u64().unwrap(), BTreeMap::new());
    for file in made {
        let (tenant, name) = (file["tenant"].as_str().unwrap(), file["file"].as_str().unwrap());
        let kind = name.split('_').next().unwrap();
        // Addressed letters go to the printer and to nobody else, and nothing else goes there.
        assert_eq!(tenant == "drukkerij", kind == "brieven", "{name}");
        assert!(kinds.contains(&kind), "{name} was not planned");
        by_kind.entry(kind).or_insert_with(Vec::new).push((
            name,
            daemon.fetch(tenant, &format!("/outbox/{name}")),
            file,
        ));
    }

    // To the cent: what is paid is the amount for each child, less the halves of who is not entitled in the other
    // household.
    let payments = String::from_utf8(by_kind["betaling"][0].1.clone()).unwrap();
    let cents = |text: &str| text.replace('.', "").parse::<u64>().unwrap();
    let with_account: u64 = payments.lines().skip(1).map(|line| cents(line.split(';').nth(3).unwrap())).sum();
    let without = by_kind.get("betaling-zonder-rekening").map(|files| String::from_utf8(files[0].1.clone()).unwrap());
    let without: u64 =
        without.iter().flat_map(|text| text.lines().skip(1)).map(|line| cents(line.rsplit(';').next().unwrap())).sum();
    assert_eq!(cents(by_kind["betaling"][0].2["amount_total"].as_str().unwrap()), with_account);
    let paid: u64 = expected_cents(&daemon, 7501);
    assert_eq!(with_account + without, paid, "{children} children");
    for (name, xml, file) in &by_kind["betaling"][1..] {
        let xml = std::str::from_utf8(xml).unwrap();
        let sum = format!("<CtrlSum>{}.{:02}</CtrlSum>", with_account / 100, with_account % 100);
        assert!(xml.contains(&sum) && xml.contains(&format!("<NbOfTxs>{}</NbOfTxs>", file["rows"])), "{name}");
        let here = daemon.extract().rows().iter().filter(|row| row.nis_code == "31033");
        assert!(!here.flat_map(|row| [&row.child, &row.beneficiary]).any(|niss| xml.contains(niss.as_str())), "{name}");
        assert!(!xml.contains("toeslag"), "{name}");
    }

    let letters: Vec<_> = by_kind["brieven"].iter().filter(|(name, ..)| name.ends_with(".pdf.age")).collect();
    assert!(letters.iter().all(|(_, pdf, _)| pdf.starts_with(b"%PDF-")));
    let index = by_kind["brieven"].iter().find(|(name, ..)| name.ends_with(".csv.age")).unwrap();
    assert_eq!(std::str::from_utf8(&index.1).unwrap().lines().count() as u64 - 1, index.2["rows"].as_u64().unwrap());

    second_run(&daemon);
    accounted(&daemon, made.len() as u64);
    daemon.terminate();
}

/// What the extract says is to be paid, worked out row by row.
fn expected_cents(daemon: &TestDaemon, amount: u64) -> u64 {
    let mut parts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in daemon.extract().rows().iter().filter(|row| row.nis_code == "31033") {
        let share = row.sources.split('|').find_map(|right| right.strip_prefix("sociale_toeslag="));
        *parts.entry(&row.child).or_default() += match share {
            None => 0,
            Some("1") => 10_000,
            Some("0.5") => 5_000,
            Some(other) => panic!("{other}"),
        };
    }
    parts.values().map(|part| (amount * part + 5_000) / 10_000).sum()
}

fn second_run(daemon: &TestDaemon) {
    let again = run(daemon, "premie-2026", &[]);
    assert!(again.code != Some(0) && again.stderr.contains("--again"), "{}", again.stderr);
    let without_reason = run(daemon, "premie-2026", &["--again"]);
    assert_eq!(without_reason.code, Some(64));
    run(daemon, "premie-2026", &["--again", "--reason", "de eerste brieven waren misdrukt"]).well();
}

/// Letters stand in the log under the printer and the agreement: who asks for Torhout, or its protocol, is told of them.
fn letters_are_told_of_torhout(daemon: &TestDaemon, created: &[Value]) {
    let is_letter = |entry: &Value| entry["kind"] == "brieven";
    let letters = created.iter().filter(|entry| is_letter(entry)).count();
    assert!(letters > 0);
    for about in [["--tenant", "torhout"], ["--protocol", "VUTG-2026-004"]] {
        let ran = daemon.groeikluis(&[&["audit", "report", "--format", "json"], &about[..]].concat()).well();
        let told: Value = serde_json::from_str(&ran.stdout).unwrap();
        let deliveries = told["deliveries"].as_array().unwrap();
        let of_torhout: Vec<&Value> = deliveries.iter().filter(|delivery| is_letter(delivery)).collect();
        assert_eq!(of_torhout.len(), letters, "{about:?}");
        for letter in of_torhout {
            assert_eq!((&letter["tenant"], &letter["protocol"]), (&"drukkerij".into(), &"VUTG-2026-001".into()));
            assert_eq!(letter["on_behalf_of"]["tenant"], "torhout");
        }
        assert!(deliveries.iter().any(|delivery| delivery["tenant"] == "torhout"));
        let shown = daemon.groeikluis(&[&["audit", "show", "--json"], &about[..]].concat()).well().stdout;
        let shown: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(shown.iter().filter(|entry| is_letter(entry)).count(), letters, "{about:?}");
        let page = daemon.groeikluis(&[&["audit", "report"], &about[..]].concat()).well().stdout;
        assert!(
            page.contains("Overeenkomst VUTG-2026-001 van ") && !page.contains("Protocol VUTG-2026-001"),
            "{about:?}"
        );
    }
    let id = created.iter().find(|entry| is_letter(entry)).unwrap()["delivery_id"].as_str().unwrap();
    let shown = daemon.groeikluis(&["audit", "show", "--event", "delivery.created", "--about", &id[..8]]).well().stdout;
    assert!(shown.lines().count() == 2 && shown.contains("file=brieven_"), "{shown}");
}

fn accounted(daemon: &TestDaemon, files: u64) {
    let runs = daemon.events("assignment.run");
    assert_eq!(runs.len(), 2);
    assert_eq!((&runs[0]["files"], &runs[0]["actor"]), (&files.into(), &"operator".into()));
    assert!(runs[0]["again"].is_null() && runs[1]["again"].as_str().unwrap().contains("misdrukt"));
    let created = daemon.events("delivery.created");
    let of_first = created.iter().filter(|entry| entry["run"] == runs[0]["run"]).count() as u64;
    assert_eq!(of_first, files);
    assert_eq!(daemon.events("protocol.used").len(), 2);
    letters_are_told_of_torhout(daemon, &created);

    let year = groeikluis::durable::Clock::system().today().year().to_string();
    let bill = json(&daemon.groeikluis(&["assignment", "bill", "--year", &year, "--json"]).well());
    let lines = bill["bills"][0]["lines"].as_array().unwrap();
    let line = |item: &str| lines.iter().find(|line| line["item"] == item).unwrap();
    assert_eq!((&line("run")["number"], &line("run")["total"]), (&2.into(), &"300.00".into()));
    let letters: u64 = runs.iter().map(|run| run["letters"].as_u64().unwrap()).sum();
    assert_eq!(line("letter")["number"], letters);
    let billed = daemon.events("assignment.billed");
    assert_eq!(billed.len(), 1);
    let total = bill["bills"][0]["total"].as_str().unwrap().replace('.', "");
    assert_eq!(billed[0]["total_cents"].to_string(), total);
}

#[test]
fn a_run_that_is_killed_happened_whole_or_not_at_all() {
    let mut daemon = plan()
        .file("assignments/premie.yaml", &assignment("premie-2026", "{any_of: [sociale_toeslag]}", EVERYTHING))
        .file("assignments/premie.md", LETTER)
        .start();
    let mut runs = 0;
    for moment in ["making the data file", "making the payment files", "letters are made", "delivering", "nothing more"]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        command.args([
            "assignment",
            "run",
            "premie-2026",
            "--again",
            "--reason",
            "de vorige werd afgebroken",
            "--config",
        ]);
        let mut running = command.arg(daemon.config()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let told = BufReader::new(running.stderr.take().unwrap());
        let came = told.lines().map_while(Result::ok).find(|line| line.contains(moment));
        assert_eq!(came.is_some(), moment != "nothing more", "{moment} was not told");
        daemon.kill9();
        running.wait().unwrap();
        daemon.start();
        daemon.wait_for_register();
        let logged = daemon.events("assignment.run").len();
        assert!(logged == runs || logged == runs + 1, "{logged} runs after {runs}");
        runs = logged;
        let created = daemon.events("delivery.created").len();
        let files: u64 = daemon.events("assignment.run").iter().map(|run| run["files"].as_u64().unwrap()).sum();
        assert_eq!(created as u64, files, "killed at {moment}");
        let visible = ["torhout", "drukkerij"].map(|tenant| {
            let names = daemon.session(tenant).names("/outbox").unwrap();
            names.iter().filter(|name| name.ends_with(".manifest.json")).count()
        });
        assert_eq!(visible.iter().sum::<usize>(), created, "killed at {moment}");
    }
    // What was told to be done is.
    assert!(runs >= 1);
}

#[test]
fn nothing_leaves_before_both_tests_were_passed() {
    let tenant = |onboarding: &str| torhout().onboarding(onboarding);
    let daemon = Plan::new()
        .children(20_000)
        .tenant(tenant(""))
        .tenant(Tenant::print_partner("drukkerij"))
        .file("assignments/premie.yaml", &assignment("premie-2026", "{any_of: [sociale_toeslag]}", EVERYTHING))
        .file("assignments/premie.md", LETTER)
        .start();
    let refused = run(&daemon, "premie-2026", &[]);
    assert!(refused.stderr.contains("technical-test"), "{}", refused.stderr);
    let test = |which: &str| json(&daemon.groeikluis(&["assignment", "test", "premie-2026", which, "--json"]).well());
    let made = test("--technical");
    let file = made[0]["file"].as_str().unwrap();
    let text = String::from_utf8(daemon.fetch("torhout", &format!("/test/outbox/{file}"))).unwrap();
    assert_eq!(text.lines().count() as u64 - 1, made[0]["rows"].as_u64().unwrap());
    wait_until("the download's entry", || !daemon.events("delivery.fetched").is_empty());
    let refused = run(&daemon, "premie-2026", &[]);
    assert!(refused.stderr.contains("functional-test"), "{}", refused.stderr);

    let made = test("--functional");
    let files: Vec<&str> = made.as_array().unwrap().iter().map(|made| made["file"].as_str().unwrap()).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        let text = String::from_utf8(daemon.fetch("torhout", &format!("/test/outbox/{file}"))).unwrap();
        assert!(text.contains("TEST - NIET BETALEN"), "{file}");
    }
    let today = groeikluis::durable::Clock::system().today();
    daemon.write_tenant(&tenant(&format!("functional_test: {today}")));
    wait_until("the run to be allowed", || run(&daemon, "premie-2026", &["--dry-run"]).code == Some(0));
    let policies = daemon.events("policy.refused");
    let rules: BTreeSet<&str> = policies.iter().map(|entry| entry["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, BTreeSet::from(["functional-test", "technical-test"]));
}

#[test]
fn a_simulation_needs_no_protocol_withholds_small_counts_and_is_logged() {
    let tenant = Tenant::municipality("torhout", "31033").agreement("VUTG-2026-004");
    let letters = "unit: family\nproduce: [brieven]\nletters: {text: premie.md, service: \"Sociaal Huis\", print_partner: drukkerij}";
    let daemon = Plan::new()
        .children(150_000)
        .tenant(tenant)
        .tenant(Tenant::print_partner("drukkerij"))
        .file("assignments/brief.yaml", &assignment("brief-2026", "{any_of: [sociale_toeslag]}", letters))
        .file("assignments/premie.md", "# Recht op premie\n\nU kunt een premie krijgen.\n")
        .start();
    let vary = ["assignment", "simulate", "brief-2026", "--json", "--vary", "born.from=2010-01-01,2024-06-01"];
    let simulation = json(&daemon.groeikluis(&vary).well());
    let statistics = &simulation["statistics"];
    let children = statistics["children"].as_u64().unwrap();
    for dimension in ["by_age", "by_postcode", "by_family_size"] {
        let cells = statistics[dimension]["cells"].as_array().unwrap();
        let shown: Vec<u64> = cells.iter().filter_map(|cell| cell["count"].as_u64()).collect();
        assert!(shown.iter().all(|count| *count == 0 || *count >= 5), "{dimension}: {cells:?}");
        let total = if dimension == "by_family_size" { statistics["families"].as_u64().unwrap() } else { children };
        let missing = total - shown.iter().sum::<u64>();
        assert!(missing == 0 || missing > 5, "{dimension}: {missing} can be worked out");
    }
    let variations = simulation["variations"].as_array().unwrap();
    assert_eq!(variations.len(), 2);
    let told = |variation: &Value| variation["children"].as_u64().is_none_or(|number| number % 5 == 0);
    assert!(variations.iter().all(told), "{variations:?}");
    assert_eq!(json(&daemon.groeikluis(&vary).well()), simulation, "asked again");
    let logged = daemon.events("assignment.simulated");
    assert_eq!((logged.len(), &logged[0]["children"], &logged[0]["variations"]), (2, &children.into(), &2.into()));
    let text = daemon.groeikluis(&["assignment", "simulate", "brief-2026", "--vary", "any_of=-"]).well().stdout;
    assert!(text.lines().any(|line| line.contains("any_of=-") && line.contains("about ")), "{text}");
    let unknown = daemon.groeikluis(&["assignment", "simulate", "brief-2026", "--vary", "leeftijd=3"]);
    assert!(unknown.stderr.contains("born.from"), "{}", unknown.stderr);
    let unknown = daemon.groeikluis(&["assignment", "simulate", "iets-anders"]);
    assert!(unknown.stderr.contains("brief-2026"), "{}", unknown.stderr);

    // Letters need an agreement only.
    run(&daemon, "brief-2026", &[]).well();
}
