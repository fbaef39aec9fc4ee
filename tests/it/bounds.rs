//! Limits of tenants, of memory and of time: each is met, and what is beyond it is refused or told.

use std::fs::{self, File};

use groeikluis::{domain::Kind, durable::Clock};
use jiff::SignedDuration;
use serde_json::Value;

use crate::{
    support::{
        Plan, Protocol, Tenant, TestDaemon, block_on,
        raw::{CREATE, Raw, WRITE, status, string},
        wait_until,
    },
    years::{set_log, write_key},
};

const MIB: u64 = 1 << 20;

fn bree() -> Tenant {
    Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child())
}

fn list(numbers: &[&str]) -> String {
    format!("niss\n{}\n", numbers.join("\n"))
}

/// A list, with lines at fault after the good ones.
fn with_faults(good: &[&str], faults: usize) -> Vec<u8> {
    let faulty: Vec<String> = (0..faults).map(|number| format!("{number}")).collect();
    let all: Vec<&str> = good.iter().copied().chain(faulty.iter().map(String::as_str)).collect();
    list(&all).into_bytes()
}

#[track_caller]
fn refused_for(daemon: &TestDaemon, upload: &str, code: &str, why: &str) {
    let told = daemon.rejection("bree", upload);
    let text = told.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("Code: {code} ")) && text.contains(why), "{}", told.text);
}

#[test]
fn lines_at_fault_are_left_out_up_to_the_limit_and_refuse_the_list_above_it() {
    let daemon = Plan::new().children(20_000).line("limits: {max_invalid_percent: 20}").tenant(bree()).start();
    let children = daemon.extract().children_of("72004");
    daemon.put("bree", "vijfde.csv", &with_faults(&children[..8], 2));
    assert!(daemon.answer("bree", "vijfde.csv").manifest.rows > 0);
    daemon.put("bree", "kwart.csv", &with_faults(&children[..9], 3));
    refused_for(&daemon, "kwart.csv", "list-too-many-invalid", "20");
}

#[test]
fn a_full_outbox_refuses_lists_and_trials_fill_a_quarter_of_it() {
    let daemon = Plan::new().children(20_000).tenant(bree().limits("outbox_bytes: 8MiB")).start();
    let children = daemon.extract().children_of("72004");
    let fill = |area: &str, bytes: u64| {
        let file = daemon.path(format!("state/boxes/bree/{area}/vroeger.csv.age"));
        File::create(file).unwrap().set_len(bytes).unwrap();
    };
    let try_out = |name: &str| {
        let session = daemon.session("bree");
        let example = session.download("/test/outbox/voorbeeldlijst.csv").unwrap();
        session.upload(&format!("/test/inbox/{name}"), &example).unwrap();
        session.close();
    };
    try_out("proef.csv");
    daemon.wait_for_file("bree", "/test/outbox", "proef.csv", Kind::SocialeToeslag);
    fill("test-outbox", 2 * MIB);
    try_out("nog-een.csv");
    let told = daemon.wait_for_file("bree", "/test/outbox", "nog-een.csv", Kind::Weigering);
    assert!(told.text.contains("outbox-full") && told.text.contains("/test/outbox"), "{}", told.text);
    assert!(told.text.contains("2MiB") || told.text.contains("2 MiB"), "{}", told.text);
    // No trial keeps an answer out.
    daemon.put("bree", "eerste.csv", list(&children[..5]).as_bytes());
    daemon.answer("bree", "eerste.csv");
    fill("outbox", 6 * MIB);
    daemon.put("bree", "tweede.csv", list(&children[..6]).as_bytes());
    refused_for(&daemon, "tweede.csv", "outbox-full", "/outbox van uw bestuur is vol");
    fs::remove_file(daemon.path("state/boxes/bree/outbox/vroeger.csv.age")).unwrap();
    daemon.put("bree", "derde.csv", list(&children[..6]).as_bytes());
    daemon.answer("bree", "derde.csv");
}

#[test]
fn uploads_of_all_tenants_have_one_memory() {
    let names = ["een", "twee", "drie", "vier", "vijf"];
    let mut plan = Plan::new().line("limits: {upload_bytes: 4MiB, upload_memory: 16MiB}");
    for (name, code) in names.iter().zip(["11001", "11002", "11004", "11005", "11008"]) {
        plan = plan.tenant(Tenant::municipality(name, code).limits("upload_bytes: 4MiB"));
    }
    let daemon = plan.start();
    let piece = vec![b'1'; 1 << 18];
    // Each has a quarter of it, and the fifth nothing.
    let fill = |name: &str| {
        let mut raw = daemon.raw(name);
        let written = block_on(async {
            let handle = raw.open("/inbox/lijst.csv", WRITE | CREATE).await;
            let mut written = Vec::new();
            for number in 0..16_u64 {
                written.push(raw.write(&handle, number * (1 << 18), &piece).await);
            }
            written
        });
        (raw, written)
    };
    let mut held: Vec<Raw> = Vec::new();
    for name in &names[..4] {
        let (raw, written) = fill(name);
        assert!(written.iter().all(|(code, _)| *code == 0), "{name}: {written:?}");
        held.push(raw);
    }
    let (last, written) = fill(names[4]);
    assert!(written.iter().all(|(code, text)| *code == 4 && text.contains("te veel uploads tegelijk")), "{written:?}");
    drop((last, held.pop()));
    wait_until("memory of who left", || fill(names[4]).1.iter().all(|(code, _)| *code == 0));
}

#[test]
fn an_inbox_has_a_thousand_names() {
    let daemon = Plan::new().tenant(bree()).start();
    let mut raw = daemon.raw("bree");
    block_on(async {
        for number in 0..1000 {
            let handle = raw.open(&format!("/inbox/{number}.part"), WRITE | CREATE).await;
            assert_eq!(raw.write(&handle, 0, b"niss\n").await.0, 0);
            assert_eq!(raw.close(&handle).await.0, 0);
        }
        let refused = raw.try_open("/inbox/te-veel.csv", WRITE | CREATE).await.unwrap_err();
        assert_eq!(refused, (4, "te veel bestanden in de inbox (meer dan 1000)".to_owned()));
        let removed = raw.ask(13, 7, &string(b"/inbox/0.part")).await;
        assert_eq!(status(&removed).0, 0);
        raw.open("/inbox/weer-plaats.csv", WRITE | CREATE).await;
    });
}

#[test]
fn logs_past_their_years_are_named_and_disclosures_of_cold_months_put_by() {
    let line = |years: u32, months: u32| format!("retention: {{log_years: {years}, disclosures_hot_months: {months}}}");
    let mut daemon = TestDaemon::over(Plan::new().tenant(bree()).line(&line(2, 6)).lay_out());
    let then = Clock::fixed(Clock::system().now() - SignedDuration::from_hours(24 * 365 * 3));
    daemon.at(&then, |daemon| daemon.session("bree").close());
    let next = write_key(&daemon.path(""), "log2.key", "groeikluis.test/2027");
    set_log(&daemon, "log: {origin: groeikluis.test/2027, key: keys/log2.key}");
    fs::write(daemon.path("keys/log.vkey"), next.verifier().to_string()).unwrap();
    daemon.at(&Clock::fixed(then.now() + SignedDuration::from_hours(1)), |_| ());
    daemon.start();
    let ask = |daemon: &TestDaemon| -> (usize, usize) {
        let ran = daemon.groeikluis(&["retention", "--dry-run", "--json"]).well();
        let told: Value = serde_json::from_str(&ran.stdout).unwrap();
        let count = |name: &str| told[name].as_array().unwrap_or_else(|| panic!("{told}")).len();
        (count("old_logs"), count("put_by"))
    };
    assert_eq!(ask(&daemon), (1, 1), "a log of three years ago, and a month of disclosures");
    daemon.terminate();
    let main = fs::read_to_string(daemon.config()).unwrap();
    fs::write(daemon.config(), main.replace(&line(2, 6), &line(4, 48))).unwrap();
    daemon.start();
    assert_eq!(ask(&daemon), (0, 0));
}
