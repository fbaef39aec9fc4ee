//! `groeikluis plan`: what a reload would change, told before it happens.

use std::fs;

use serde_json::Value;

use crate::support::{Plan, Protocol, Tenant, TestDaemon, wait_until};

fn bree() -> Tenant {
    Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017"))
}

fn planned(daemon: &TestDaemon) -> Value {
    let ran = daemon.groeikluis(&["plan", "--json"]).well();
    serde_json::from_str(&ran.stdout).unwrap()
}

fn said(planned: &Value) -> Vec<String> {
    let line = |change: &Value| {
        let text = |key: &str| change[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("effect"), text("tenant"), text("what"))
    };
    planned["changes"].as_array().unwrap().iter().map(line).collect()
}

#[track_caller]
fn assert_said(planned: &Value, parts: &[&str]) {
    let lines = said(planned);
    for part in parts {
        assert!(lines.iter().any(|line| line.starts_with(part)), "{part}: {lines:#?}");
    }
}

#[test]
fn a_plan_tells_what_a_reload_then_does() {
    let mut daemon = TestDaemon::over(Plan::new().tenant(bree()).tenant(Tenant::print_partner("drukkerij")).lay_out());
    let before = daemon.groeikluis(&["plan"]).well();
    assert!(before.stdout.starts_with("no daemon ran with "), "{}", before.stdout);
    assert!(before.stdout.contains("+  bree") && before.stdout.contains("+  drukkerij"), "{}", before.stdout);
    daemon.start();
    let nothing = daemon.groeikluis(&["plan"]).well();
    assert!(nothing.stdout.contains("a reload changes nothing"), "{}", nothing.stdout);

    // The daemon is away while the files change, so that the plan has something to say.
    daemon.session("drukkerij").close();
    daemon.terminate();
    fs::remove_file(daemon.path("tenants/drukkerij.yaml")).unwrap();
    daemon.write_tenant(&Tenant::municipality("lokeren", "46029"));
    let text = fs::read_to_string(daemon.path("tenants/bree.yaml")).unwrap();
    let text = text
        .replace("status: signed", "status: ended")
        .replace("owner: \"ICT, bree\"", "owner: \"ICT, bree\", expires: 2099-12-31");
    fs::write(daemon.path("tenants/bree.yaml"), format!("{text}allow_from: [\"127.0.0.0/8\"]\n")).unwrap();
    let main = fs::read_to_string(daemon.config()).unwrap();
    fs::write(daemon.config(), format!("{main}language: en\nbanner: \"\"\n")).unwrap();
    let told = daemon.groeikluis(&["plan"]).well().stdout;
    assert_eq!(told.matches("banner").count(), 1, "each setting stands once:\n{told}");
    let plan = planned(&daemon);
    assert_said(
        &plan,
        &[
            "added lokeren the tenant: Bestuur lokeren, municipality",
            "added lokeren key ict-lokeren of ICT, lokeren, ssh-ed25519 SHA256:",
            "added lokeren age1",
            "removed drukkerij the tenant: Bestuur drukkerij, print-partner; its sessions end",
            "changed bree key ict-bree of ICT, bree, ssh-ed25519 SHA256:",
            "removed bree may come from ::/0",
            "removed bree OPG-2026-017: protocol by opgroeien, ended",
            "changed  language, at once",
            "changed  banner, after a restart",
        ],
    );
    assert_eq!(plan["after_restart"], serde_json::json!(["banner"]));
    let boxes = plan["drop_boxes_without_tenant"].as_array().unwrap();
    assert!(boxes.iter().any(|line| line.as_str().unwrap().starts_with("drukkerij: ")), "{boxes:?}");
    // In what is kept for this there is no key material, and only its owner reads it.
    let kept = fs::read_to_string(daemon.path("state/configuration.json")).unwrap();
    assert!(kept.contains("ict-bree") && !kept.contains("PRIVATE") && !kept.contains("AGE-SECRET"));

    daemon.start();
    assert_eq!(said(&planned(&daemon)), Vec::<String>::new());
    // A setting that waits for a restart is told until there was one.
    fs::write(daemon.config(), format!("{main}language: en\nbanner: \"dag\"\n")).unwrap();
    let process = daemon.process();
    wait_until("the reload", || process.said().contains("configuration changed"));
    let plan = planned(&daemon);
    assert_eq!(said(&plan), Vec::<String>::new());
    assert_eq!(plan["after_restart"], serde_json::json!(["banner"]));
    let told = daemon.groeikluis(&["plan"]).well().stdout;
    assert!(told.contains("settings changed before that still wait for a restart\n  banner"), "{told}");
}

#[test]
fn keys_and_protocols_that_end_soon_are_named() {
    let today = groeikluis::durable::Clock::system().today();
    let soon = today.saturating_add(jiff::ToSpan::days(50));
    let daemon = TestDaemon::over(
        Plan::new()
            .tenant(Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").valid(today, soon)))
            .lay_out(),
    );
    let plan = planned(&daemon);
    assert_eq!(plan["ending"], serde_json::json!([format!("bree: protocol OPG-2026-017 ends on {soon}")]));
}
