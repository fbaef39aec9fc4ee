//! What identifies officials: kept sealed, opened for a motive, erased with its key.

use std::{fs, path::Path, time::Duration};

use groeikluis::{
    domain::Kind,
    durable::Clock,
    ledger::SqliteLedger,
    seal::Keyring,
    transfer_log::{
        Actor, Context, Disclosed, DisclosureKeeper, Event, LogSettings, Login, LoginMethod, NoteKey, Receipt, Record,
        Rename, TransferLog, disclosed_name,
    },
};
use serde_json::Value;

use crate::{
    receipts::audit,
    support::{Plan, Protocol, Ran, Tenant, TestDaemon, create_private, wait_for},
};

const MOTIVE: &str = "klacht over een onbekende aanmelding";

fn plan() -> Plan {
    Plan::new().children(20_000).tenant(Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017")))
}

fn disclose(daemon: &TestDaemon, more: &[&str]) -> Ran {
    daemon.groeikluis(&[&["audit", "disclose", "--motive", MOTIVE], more].concat())
}

fn disclosed(daemon: &TestDaemon, more: &[&str]) -> Value {
    let ran = disclose(daemon, &[more, &["--json"]].concat()).well();
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The values of that name, with the event that they belong to.
fn values(found: &Value, name: &str) -> Vec<(String, String)> {
    let rows = found["disclosures"].as_array().unwrap().iter().filter(|row| row["name"] == name);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.map(|row| (text(&row["event"]), text(&row["value"]))).collect()
}

#[test]
fn who_did_what_is_told_for_a_motive_and_the_log_says_so() {
    let mut daemon = plan().start();
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    daemon.put("bree", "lijst-van-an.csv", list.as_bytes());
    let answer = daemon.answer("bree", "lijst-van-an.csv");
    assert!(daemon.try_session("iemand", "bree").is_err());
    daemon.wait_for_events("auth.refused", 1);
    let today = Clock::system().now().strftime("%Y-%m-%d").to_string();
    let all = &["--from", "2026-01-01", "--to", today.as_str()][..];

    let found = disclosed(&daemon, all);
    let uploads = values(&found, "path");
    assert!(uploads.contains(&("file.upload".to_owned(), "lijst-van-an.csv".to_owned())), "{uploads:?}");
    assert!(values(&found, "ip").iter().all(|(_, ip)| ip == "127.0.0.1"));
    assert!(values(&found, "user").contains(&("auth.refused".to_owned(), "iemand".to_owned())));
    let digests = values(&found, "plaintext_sha256");
    let report = daemon.wait_for_file("bree", "/outbox", "lijst-van-an.csv", Kind::Verslag).manifest;
    assert!(digests.contains(&("delivery.created".to_owned(), hex::encode(report.plaintext_sha256.unwrap()))));
    assert_eq!(answer.manifest.plaintext_sha256, None, "of so few rows all could be tried");
    assert_eq!(found["erased"], 0);
    let opened = daemon.events("disclosure.opened");
    assert_eq!((&opened[0]["seq"], &opened[0]["motive"]), (&found["logged"], &Value::from(MOTIVE)));
    assert_eq!(opened[0]["count"], found["disclosures"].as_array().unwrap().len());
    assert_eq!(opened[0]["actor"], "operator");

    // Of one tenant: not what concerns nobody.
    let of_bree = disclosed(&daemon, &[all, &["--tenant", "bree"]].concat());
    assert!(values(&of_bree, "user").iter().all(|(event, _)| event == "auth.login"));
    // Without a motive, or with a number of a person in it, nothing is told and no number gets into the log.
    let ran = daemon.groeikluis(&[&["audit", "disclose", "--motive", "x"], all].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""));
    daemon.groeikluis(&[&["audit", "disclose", "--motive", "over 85.07.30-033.28 dus"], all].concat()).well();
    assert_eq!(daemon.events("disclosure.opened").last().unwrap()["motive"], "over [***] dus");
    // None of it lies on disk in clear.
    assert!(!found_below(&daemon.path("state"), b"lijst-van-an.csv".as_slice(), "uploads"));

    // With the daemon down the command writes the log itself.
    daemon.terminate();
    disclosed(&daemon, all);
    daemon.start();
    assert_eq!(daemon.events("disclosure.opened").len(), 4);
    daemon.process();
}

#[test]
fn a_month_is_erased_with_its_key_and_every_proof_holds() {
    let laid_out = plan().lay_out();
    let root = laid_out.root.path().to_owned();
    let event = Event::Login(Login { method: LoginMethod::PublicKey, attempts: 0 });
    earlier(&root, event, &[("ip", "192.0.2.7")]);
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    let then = &["--from", "2026-04-01", "--to", "2026-04-30"][..];
    assert_eq!(values(&disclosed(&daemon, then), "ip"), [("auth.login".to_owned(), "192.0.2.7".to_owned())]);
    let erase = |more: &[&str]| daemon.groeikluis(&[&["audit", "erase"], more].concat());
    assert!(erase(&[]).well().stdout.contains("2026-04  bree"));
    let kept: Value = serde_json::from_str(&erase(&["--json"]).well().stdout).unwrap();
    assert!(kept["months"].as_array().unwrap().iter().any(|kept| kept["month"] == "2026-04"), "{kept}");
    let month = Clock::system().now().strftime("%Y-%m").to_string();
    daemon.session("bree").close();
    let running = erase(&["--tenant", "bree", "--month", &month]);
    assert!(running.code == Some(1) && running.stderr.contains("is not over"), "{running:?}");
    let said = erase(&["--tenant", "bree", "--month", "2026-04"]).well().stdout;
    assert!(said.contains("1 entries"), "{said}");
    let erased = daemon.events("retention.erased");
    assert_eq!((erased.len(), &erased[0]["month"], &erased[0]["count"]), (1, &"2026-04".into(), &1.into()));
    assert!(said.contains(erased[0]["key_id"].as_str().unwrap()));
    let found = disclosed(&daemon, then);
    assert_eq!((values(&found, "ip").len(), &found["erased"]), (0, &Value::from(1)));
    assert!(!root.join("state/disclosures/bree/2026-04.key").exists());
    assert_eq!(erase(&["--tenant", "bree", "--month", "2026-04"]).code, Some(1));
    daemon.verify_log().well();
}

#[test]
fn what_is_erased_is_in_no_receipt_either_and_no_receipt_names_an_operator() {
    let laid_out = plan().lay_out();
    let root = laid_out.root.path().to_owned();
    let disclosed = [("path", "aanvraag-van-an.csv"), ("user", "uid 1000")];
    earlier(&root, Event::Rename(Rename { complete: true }), &disclosed);
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    let path = root.join("state/boxes/bree/receipts/upload_20260407_01010101_hernoemd.receipt");
    let kept = wait_for("its receipt", || fs::read_to_string(&path).ok());
    let names = |text: &str| {
        let receipt = Receipt::parse(text).unwrap();
        receipt.disclosures.iter().map(|text| disclosed_name(text).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(names(&kept), ["path"]);
    let erase = ["audit", "erase", "--json", "--tenant", "bree", "--month", "2026-04"];
    let erased: Value = serde_json::from_str(&daemon.groeikluis(&erase).well().stdout).unwrap();
    assert_eq!((&erased["entries"], &erased["receipts"]), (&1.into(), &1.into()));
    let after = fs::read_to_string(&path).unwrap();
    assert!(names(&after).is_empty());
    let key = root.join("keys/log.vkey");
    audit(&["receipt", path.to_str().unwrap(), "--key", key.to_str().unwrap()]).well();
    // One that was put back, or that a stop left as it was, loses it with a second try.
    assert_eq!(daemon.groeikluis(&erase).code, Some(1));
    fs::write(&path, kept).unwrap();
    daemon.groeikluis(&erase).well();
    assert_eq!(fs::read_to_string(&path).unwrap(), after);
}

/// Writes the log of an earlier month, as the daemon of that time did: an entry of bree that discloses this.
fn earlier(root: &Path, event: Event, disclosed: &[(&'static str, &str)]) {
    let key = NoteKey::parse(&fs::read_to_string(root.join("keys/log.key")).unwrap()).unwrap();
    let exchange = Keyring::parse(&fs::read_to_string(root.join("keys/exchange.agekey")).unwrap()).unwrap();
    create_private(&root.join("state"));
    let (_, index) = SqliteLedger::open(&root.join("state/ledger.sqlite")).unwrap();
    let settings = LogSettings {
        dir: root.join("state/log"),
        high_water_dir: root.join("high-water"),
        archive_dir: root.join("state/log-archive"),
        origin: key.name().to_owned(),
        keys: key.into(),
        checkpoint_every: Duration::from_secs(1),
        goes_on_from_older: false,
    };
    let keeper = DisclosureKeeper::new(root.join("state/disclosures"), exchange);
    let clock = Clock::fixed("2026-04-07T09:00:00Z".parse().unwrap());
    let log = TransferLog::open_keeping(settings, clock, Box::new(index), keeper).unwrap();
    let context = Context {
        tenant: Some("bree".parse().unwrap()),
        correlation: Some("01".repeat(16)),
        ..Context::of(Actor::Tenant)
    };
    let disclosed = disclosed.iter().map(|(name, value)| Disclosed { name, value: (*value).to_owned() });
    log.append(vec![Record::success(event, context).disclosing(disclosed)]).unwrap();
    log.close().unwrap();
}

/// Whether a file below a directory holds some bytes; what is below `passed_over` is not looked at.
fn found_below(directory: &Path, part: &[u8], passed_over: &str) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return !path.ends_with(passed_over) && found_below(&path, part, passed_over);
        }
        // Manifests name the upload that they answer; a socket is no file.
        let described = path.to_string_lossy().ends_with(".manifest.json") || !path.is_file();
        !described && fs::read(&path).unwrap().windows(part.len()).any(|window| window == part)
    })
}
