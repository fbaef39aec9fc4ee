//! `groeikluis check`: what would be found out on the day of a run, or one fault after the other, is told at once.

use std::fs;

use crate::{
    assignments::assignment,
    support::{Plan, Protocol, Tenant, TestDaemon},
};

const CONFIGURATION: Option<i32> = Some(78);

const LETTERS: &str = "unit: family\nproduce: [brieven]\nletters: {text: brief.md, logo: logo.svg, template: eigen.typ, \
    service: \"Sociaal Huis\", print_partner: drukkerij}";

const LETTER: &str = "# Premie\n\nBeste {naam},\n\nU krijgt een premie.\n";
const LOGO: &str =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><rect width=\"9\" height=\"9\"/></svg>\n";
const TEMPLATE: &str = "#let inhoud(gegevens, tekst) = tekst\n";

#[test]
fn letters_that_cannot_be_made_are_told_with_their_place() {
    let torhout = Tenant::municipality("torhout", "31033").agreement("VUTG-2026-001");
    let plan = Plan::new().tenant(torhout.protocol(Protocol::vutg("VUTG-2026-004")));
    let assigned = assignment("brief-2026", "{any_of: [sociale_toeslag]}", LETTERS);
    let assigned = assigned.replace("VUTG-2026-004", "VUTG-2026-001");
    let plan = plan.tenant(Tenant::print_partner("drukkerij")).file("assignments/brief.yaml", &assigned);
    let daemon = TestDaemon::over(plan.lay_out());
    let write = |files: [(&str, &str); 3]| {
        for (name, text) in files {
            fs::write(daemon.path("assignments").join(name), text).unwrap();
        }
    };
    let good = [("brief.md", LETTER), ("logo.svg", LOGO), ("eigen.typ", TEMPLATE)];
    write(good);
    daemon.groeikluis(&["check"]).well();
    for (name, text, place, problem) in [
        ("brief.md", "Beste {naam},\n\nU krijgt {premie}.\n", "3:1", "there is no value {premie}"),
        ("brief.md", "Een\n\n> twee\n", "3:1", "a quotation cannot be in a letter"),
        ("brief.md", "U krijgt {bedrag}.\n", "1:1", "it names {bedrag}, and the assignment pays nothing"),
        ("logo.svg", "<svg", "1:1", ""),
        ("logo.svg", "GIF89a", "1:1", "neither PNG, JPEG nor SVG"),
        ("eigen.typ", "\n#let inhoud(gegevens, tekst) = [", "2:", "unclosed delimiter"),
    ] {
        write(good.map(|(other, good)| if other == name { (other, text) } else { (other, good) }));
        let checked = daemon.groeikluis(&["check"]);
        assert_eq!((checked.code, checked.stderr.lines().count()), (CONFIGURATION, 1), "{checked:?}");
        let said = format!("assignments/{name}:{place}");
        assert!(checked.stderr.contains(&said) && checked.stderr.contains(problem), "{said}: {}", checked.stderr);
        assert!(checked.stderr.contains("letters of brief-2026"), "{}", checked.stderr);
        // A reload of others is not kept from going on by letters that are not made today.
        daemon.groeikluis(&["check", "--files-only"]).well();
    }
    // What is not read of an assignment that is at fault itself is no fault of its letters.
    write(good.map(|(name, good)| (name, if name == "brief.md" { "U krijgt {bedrag}.\n" } else { good })));
    let path = daemon.path("assignments/brief.yaml");
    let paid = fs::read_to_string(&path).unwrap() + "payment: {amount: nothing, remittance: Premie}\n";
    fs::write(&path, paid).unwrap();
    let checked = daemon.groeikluis(&["check"]);
    assert!(checked.stderr.contains("brief.yaml:") && !checked.stderr.contains("pays nothing"), "{checked:?}");
}

#[test]
fn keys_that_are_missing_are_told_beside_the_faults_of_files() {
    let daemon = TestDaemon::over(Plan::new().tenant(Tenant::municipality("bree", "72004")).lay_out());
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/keys-example/bree_ed25519.pub");
    let (own, path) = (daemon.path("keys/bree_ed25519.pub"), daemon.path("tenants/bree.yaml"));
    let text = |path: &str| fs::read_to_string(path).unwrap().split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let tenant = fs::read_to_string(&path).unwrap();
    let with_example = tenant.replace(&text(own.to_str().unwrap()), &text(example));
    assert_ne!(with_example, tenant);
    fs::write(&path, with_example).unwrap();
    for name in ["host_ed25519", "log.key"] {
        fs::remove_file(daemon.path("keys").join(name)).unwrap();
    }
    let checked = daemon.groeikluis(&["check"]);
    assert_eq!((checked.code, checked.stderr.lines().count()), (CONFIGURATION, 3), "{checked:?}");
    for part in ["an example key", "host_ed25519", "log.key"] {
        assert!(checked.stderr.contains(part), "{part}: {}", checked.stderr);
    }
    // All are of one list, also for programs.
    let told: serde_json::Value = serde_json::from_str(&daemon.groeikluis(&["check", "--json"]).stdout).unwrap();
    assert_eq!(told["faults"].as_array().unwrap().len(), 3, "{told}");
}
