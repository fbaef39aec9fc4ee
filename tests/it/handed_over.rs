//! Tables that another system made: handed over on standard input, or by moving them into the spool.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

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

/// Moves a file into the spool, as one step.
fn hand_over(daemon: &TestDaemon, path: &str, text: &str) {
    let there = daemon.path("spool").join(path);
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    let beside = there.with_extension("tmp");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, there).unwrap();
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
    assert_eq!(created["_sd"].as_array().unwrap().len(), 3, "the digest of the plaintext, the user, and a decoy");
    assert_eq!(daemon.events("protocol.used").len(), 1);

    // What is wrong is told, by its place and without its value, and nothing leaves.
    let refused = deliver("betaling", "volgnummer;rekeninghouder;iban;bedrag\n1;x;BE68539007547035;5.00\n");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("line 2, column iban: no IBAN"), "{}", refused.stderr);
    let refused = deliver("rapport", "x");
    assert!(refused.stderr.contains("rapport is no table that can be handed over"), "{}", refused.stderr);
    let unknown = daemon.groeikluis_reading(&["deliver", "bree", PROTOCOL, "betaling"], payments(1).as_bytes());
    assert!(unknown.stderr.contains("there is no tenant bree"), "{}", unknown.stderr);
    assert_eq!(daemon.events("delivery.created").len(), 1);
    daemon.verify_log().well();
}

#[test]
fn the_gate_decides_on_what_is_handed_over() {
    let kinds = "{betaling: {columns: [volgnummer, rekeninghouder, iban, bedrag]}}";
    let daemon = plan(Protocol::vutg(PROTOCOL).once().kinds(kinds)).start();
    let deliver = |protocol: &str, kind: &str, text: &str| {
        daemon.groeikluis_reading(&["deliver", "torhout", protocol, kind], text.as_bytes())
    };
    let more = "volgnummer;rekeninghouder;iban;bedrag;munt\n1;x;BE68539007547034;5.00;EUR\n";
    for (protocol, kind, text, rule) in [
        (PROTOCOL, "betaling", more, "columns-allowed"),
        (PROTOCOL, "gegevens", "kind_niss;bron\n17073003384;sociale_toeslag\n", "kind-allowed"),
        ("VUTG-2026-999", "betaling", &*payments(1), "known-reference"),
    ] {
        let refused = deliver(protocol, kind, text);
        assert_eq!(refused.code, Some(1), "{rule}");
        assert!(refused.stderr.contains(&format!("rule {rule}")), "{}", refused.stderr);
    }
    deliver(PROTOCOL, "betaling", &payments(1)).well();
    let again = deliver(PROTOCOL, "betaling", &payments(2));
    assert!(again.stderr.contains("rule use-left"), "{}", again.stderr);
    let refused: Vec<Value> = daemon.events("policy.refused").iter().map(|entry| entry["rule"].clone()).collect();
    assert_eq!(refused, ["columns-allowed", "kind-allowed", "known-reference", "use-left"]);
    assert_eq!(daemon.events("delivery.created").len(), 1);
}

#[test]
fn what_is_moved_into_the_spool_is_delivered_or_set_aside_with_the_reason() {
    let daemon = plan(Protocol::vutg(PROTOCOL)).start();
    hand_over(&daemon, "torhout/VUTG-2026-004/betaling/uitbetaling.csv", &payments(25));
    hand_over(&daemon, "torhout/VUTG-2026-004/betaling/fout.csv", "volgnummer;iban;bedrag\n");
    hand_over(&daemon, "torhout/VUTG-2026-004/onbekend/x.csv", &payments(1));
    hand_over(&daemon, "torhout/VUTG-2026-004/betaling/jan-17073003384.csv", &payments(3));
    // Still being written, by its name.
    hand_over(&daemon, "torhout/VUTG-2026-004/betaling/later.csv.part", &payments(2));
    wait_until("what was handed over", || spooled(&daemon).iter().filter(|name| !name.starts_with('.')).count() == 1);
    assert_eq!(
        spooled(&daemon),
        [
            ".refused/torhout~VUTG-2026-004~betaling~fout.csv",
            ".refused/torhout~VUTG-2026-004~betaling~fout.csv.reason",
            ".refused/torhout~VUTG-2026-004~betaling~jan-17073003384.csv",
            ".refused/torhout~VUTG-2026-004~betaling~jan-17073003384.csv.reason",
            ".refused/torhout~VUTG-2026-004~onbekend~x.csv",
            ".refused/torhout~VUTG-2026-004~onbekend~x.csv.reason",
            "torhout/VUTG-2026-004/betaling/later.csv.part",
        ]
    );
    let reason = |name: &str| fs::read_to_string(daemon.path("spool/.refused").join(format!("{name}.reason"))).unwrap();
    let missing = "the file is not fit to leave: there is no column rekeninghouder\n";
    assert_eq!(reason("torhout~VUTG-2026-004~betaling~fout.csv"), missing);
    assert!(reason("torhout~VUTG-2026-004~onbekend~x.csv").starts_with("\"onbekend\" is "));
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(status.contains("files handed over that may not leave: 3; why is in "), "{status}");
    assert!(!daemon.said().contains("17073003384"), "{}", daemon.said());
    let created = daemon.events("delivery.created");
    assert_eq!(created.len(), 1);
    let file = created[0]["file"].as_str().unwrap();
    assert_eq!(daemon.fetch("torhout", &format!("/outbox/{file}")), payments(25).as_bytes());
}

#[test]
fn what_is_in_the_spool_leaves_once_whenever_the_daemon_is_killed() {
    const FILES: usize = 24;
    let mut daemon = plan(Protocol::vutg(PROTOCOL)).start();
    for euros in 1..=FILES {
        hand_over(&daemon, &format!("torhout/VUTG-2026-004/betaling/{euros:02}.csv"), &payments(euros));
    }
    let delivered = |daemon: &TestDaemon| daemon.events("delivery.created").len();
    // Killed while files leave, at other places each time.
    for (kill, after) in (1..=3).zip([1_u64, 4, 9]) {
        wait_until("some of them", || delivered(&daemon) >= kill * FILES / 5);
        std::thread::sleep(Duration::from_millis(after));
        daemon.kill9();
        daemon.start();
    }
    wait_until("all of them", || spooled(&daemon).is_empty());
    let mut amounts = BTreeMap::<String, usize>::new();
    for created in daemon.events("delivery.created") {
        *amounts.entry(created["amount_total"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let expected: BTreeMap<_, _> = (1..=FILES).map(|euros| (format!("{euros}.00"), 1)).collect();
    assert_eq!(amounts, expected);
    assert_eq!(daemon.events("protocol.used").len(), FILES);
    assert_eq!(daemon.session("torhout").names("/outbox").unwrap().len(), 2 * FILES);
    daemon.verify_log().well();
}
