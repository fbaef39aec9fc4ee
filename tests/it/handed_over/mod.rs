//! Tables that another system made: handed over on standard input, or by moving them into the spool.

mod control;
mod spool;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::PathBuf,
    time::Duration,
};

use serde_json::Value;

use crate::support::{Plan, Protocol, Tenant, TestDaemon, wait_until};

const PROTOCOL: &str = "VUTG-2026-004";

fn plan(protocol: Protocol) -> Plan {
    Plan::new().children(200).tenant(Tenant::municipality("torhout", "31033").protocol(protocol))
}

/// A payment file of one line, told apart by its amount.
fn payments(euros: usize) -> String {
    format!("volgnummer;rekeninghouder;iban;bedrag\n1;\"Peeters; Jan\";BE68539007547034;{euros}.00\n")
}

/// Moves a file into the spool, as one step. Who wrote it may go on.
fn hand_over(daemon: &TestDaemon, path: &str, text: &str) -> File {
    let there = daemon.path("spool").join(path);
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    let beside = there.with_extension("tmp");
    let mut writer = File::create(&beside).unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    fs::rename(beside, there).unwrap();
    writer
}

/// The files of the spool, those in its own directories included, without the directories.
fn spooled(daemon: &TestDaemon) -> Vec<String> {
    let root = daemon.path("spool");
    let (mut found, mut left): (Vec<PathBuf>, _) = (Vec::new(), vec![root.clone()]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { left.push(entry) } else { found.push(entry) }
        }
    }
    let mut names: Vec<String> =
        found.iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_table_on_standard_input_is_delivered_as_any_other() {
    let daemon = plan(Protocol::vutg(PROTOCOL)).start();
    let deliver = |kind: &str, text: &str| {
        daemon.groeikluis_reading(&["deliver", "torhout", PROTOCOL, kind, "--json"], text.as_bytes())
    };
    let made: Value = serde_json::from_str(&deliver("betaling", &payments(25)).well().stdout).unwrap();
    assert_eq!((made["rows"].as_u64(), made["amount_total"].as_str()), (Some(1), Some("25.00")));
    let file = made["file"].as_str().unwrap();
    assert!(file.starts_with("betaling_31033_VUTG-2026-004_") && file.ends_with(".csv.age"), "{file}");
    assert_eq!(daemon.fetch("torhout", &format!("/outbox/{file}")), payments(25).as_bytes());
    let session = daemon.session("torhout");
    let manifest = format!("/outbox/{}.manifest.json", file.strip_suffix(".age").unwrap());
    let manifest: Value = serde_json::from_slice(&session.download(&manifest).unwrap()).unwrap();
    assert_eq!((&manifest["amount_total"], &manifest["reference"]), (&made["amount_total"], &PROTOCOL.into()));

    let created = &daemon.events("delivery.created")[0];
    assert_eq!((&created["actor"], &created["file"]), (&"operator".into(), &file.into()));
    assert_eq!(created["_sd"].as_array().unwrap().len(), 2, "the user and a decoy: of one row no digest is told");
    assert_eq!(daemon.events("protocol.used").len(), 1);

    // A second payment file of the same lines pays twice: whatever its form, it leaves when that is asked for.
    let repeated = deliver("betaling", &payments(25).replace('\n', "\r\n").replace(".00", ""));
    assert_eq!(repeated.code, Some(1));
    assert!(repeated.stderr.contains(&format!("the same content was delivered as {file}")), "{}", repeated.stderr);
    let arguments = ["deliver", "torhout", PROTOCOL, "betaling", "--again"];
    daemon.groeikluis_reading(&arguments, payments(25).as_bytes()).well();
    assert_eq!(daemon.events("delivery.created").len(), 2);

    // What is wrong is told, by its place and without its value, and nothing leaves.
    let refused = deliver("betaling", "volgnummer;rekeninghouder;iban;bedrag\n1;x;BE68539007547035;5.00\n");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("line 2, column iban: no IBAN"), "{}", refused.stderr);
    let refused = deliver("rapport", "x");
    assert!(refused.stderr.contains("rapport is no table that can be handed over"), "{}", refused.stderr);
    let unknown = daemon.groeikluis_reading(&["deliver", "bree", PROTOCOL, "betaling"], payments(1).as_bytes());
    assert!(unknown.stderr.contains("there is no tenant bree"), "{}", unknown.stderr);
    assert_eq!(daemon.events("delivery.created").len(), 2);
    daemon.verify_log().well();
}

#[test]
fn only_where_every_child_is_answered_may_a_no_leave() {
    let tenant = Tenant::municipality("bree", "72004");
    let tenant = tenant.protocol(Protocol::new("OPG-1")).protocol(Protocol::new("OPG-2").every_child());
    let daemon = Plan::new().children(200).tenant(tenant).start();
    let table = "niss;sociale_toeslag;begunstigde_niss\n17073003384;ja;85073003328\n00012556777;nee;\n";
    let deliver =
        |protocol: &str| daemon.groeikluis_reading(&["deliver", "bree", protocol, "sociale-toeslag"], table.as_bytes());
    let refused = deliver("OPG-1");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("line 3 answers `nee`"), "{}", refused.stderr);
    deliver("OPG-2").well();
}

#[test]
fn the_gate_decides_on_what_is_handed_over() {
    let kinds = "{betaling: {columns: [volgnummer, rekeninghouder, iban, bedrag]}}";
    let daemon = plan(Protocol::vutg(PROTOCOL).once().kinds(kinds)).start();
    let deliver = |protocol: &str, kind: &str, text: &str| {
        daemon.groeikluis_reading(&["deliver", "torhout", protocol, kind], text.as_bytes())
    };
    let more = "volgnummer;rekeninghouder;iban;bedrag;munt\n1;x;BE68539007547034;5.00;EUR\n";
    let columnless = "kind_niss\n17073003384\n";
    for (protocol, kind, text, rule) in [
        (PROTOCOL, "betaling", more, "columns-allowed"),
        (PROTOCOL, "gegevens", "kind_niss;bron\n17073003384;sociale_toeslag\n", "kind-allowed"),
        ("VUTG-2026-999", "betaling", &*payments(1), "known-reference"),
        // What is wrong with the ground comes before what is wrong with the file.
        ("VUTG-2026-999", "gegevens", columnless, "known-reference"),
    ] {
        let refused = deliver(protocol, kind, text);
        assert_eq!(refused.code, Some(1), "{rule}");
        assert!(refused.stderr.contains(&format!("({rule})")), "{}", refused.stderr);
    }
    deliver(PROTOCOL, "betaling", &payments(1)).well();
    let again = deliver(PROTOCOL, "betaling", &payments(2));
    let told = format!("protocol {PROTOCOL} was used, and is for once: another is needed (use-left)");
    assert!(again.stderr.contains(&told), "{}", again.stderr);
    let refused: Vec<Value> = daemon.events("policy.refused").iter().map(|entry| entry["rule"].clone()).collect();
    assert_eq!(refused, ["columns-allowed", "kind-allowed", "known-reference", "known-reference", "use-left"]);
    let with_user = daemon.events("policy.refused").iter().all(|entry| entry["_sd"].as_array().unwrap().len() == 2);
    assert!(with_user, "the user, and a decoy");
    assert_eq!(daemon.events("delivery.created").len(), 1);
}
