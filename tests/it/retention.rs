//! What was kept long enough goes, is in the log, and is told to its tenant; whenever the daemon is killed meanwhile.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use groeikluis::{documents::manifest::Manifest, domain::Kind, durable::Clock};
use jiff::{SignedDuration, ToSpan, civil::Date};
use serde_json::Value;

use crate::support::{Plan, Protocol, Tenant, TestDaemon, copy_directory, wait_until};

const LISTS: usize = 3;

fn plan() -> Plan {
    Plan::new()
        .children(20_000)
        .line("retention: {outbox_days: 20, answered_uploads_days: 3}")
        .tenant(
            Tenant::municipality("bree", "72004")
                .protocol(Protocol::new("OPG-2026-017").every_child().retention_days(5)),
        )
        .tenant(
            Tenant::municipality("lokeren", "46029")
                .protocol(Protocol::new("OPG-2026-021").every_child().retention_days(35)),
        )
}

/// A deployment in which municipalities sent lists a month ago, the answers to which one of them fetched.
fn a_month_later() -> (TestDaemon, BTreeMap<String, Manifest>) {
    let mut daemon = TestDaemon::over(plan().lay_out());
    let clock = Clock::fixed(Clock::system().now() - SignedDuration::from_hours(24 * 30));
    let mut answers = BTreeMap::new();
    daemon.at(&clock, |daemon| {
        for (tenant, nis_code) in [("bree", "72004"), ("lokeren", "46029")] {
            let children = daemon.extract().children_of(nis_code);
            for number in 0..LISTS {
                let list = format!("niss\n{}\n", children[number..].join("\n"));
                let name = format!("lijst{number}.csv");
                daemon.put(tenant, &name, list.as_bytes());
                // The answer is fetched, and the report is not.
                let manifest = if tenant == "bree" {
                    daemon.answer(tenant, &name).manifest
                } else {
                    daemon.wait_for_file(tenant, "/outbox", &name, Kind::Verslag).manifest
                };
                answers.insert(manifest.file.clone(), manifest);
            }
        }
    });
    (daemon, answers)
}

/// Keeps the night's run from coming at the start.
fn as_if_it_ran_today(daemon: &TestDaemon) {
    let today = Clock::system().today();
    fs::write(daemon.path("state/retention.day"), format!("{}\n", today.saturating_add(1.day()))).unwrap();
}

/// Waits for the run of the night, which comes at the start since it was missed.
fn wait_for_the_night(daemon: &TestDaemon) {
    let recent = Clock::system().today().saturating_sub(2.days());
    let last = || fs::read_to_string(daemon.path("state/retention.day")).ok()?.trim().parse::<Date>().ok();
    wait_until("the run of the night", || last().is_some_and(|last| last >= recent));
}

fn retention(daemon: &TestDaemon, more: &[&str]) -> Value {
    let ran = daemon.groeikluis(&[&["retention", "--json"], more].concat()).well();
    serde_json::from_str(&ran.stdout).unwrap()
}

fn count(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

/// The names on disk of a tenant's uploads, and of the files in its outbox.
fn on_disk(daemon: &TestDaemon, tenant: &str) -> (usize, Vec<String>) {
    let names = |directory: &str| -> Vec<String> {
        let listing = fs::read_dir(daemon.path(directory)).unwrap();
        listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let mut files = names(&format!("state/boxes/{tenant}/outbox"));
    files.sort();
    (names(&format!("state/uploads/{tenant}")).len(), files)
}

#[test]
fn once_a_day_what_was_kept_long_enough_goes_and_yesterday_is_reported() {
    let (mut daemon, _) = a_month_later();
    as_if_it_ran_today(&daemon);
    // Without a daemon it says so, and its unit fails.
    let alone = daemon.groeikluis(&["daily"]);
    assert!(alone.code == Some(1) && alone.stderr.contains("no daemon runs"), "{alone:?}");
    daemon.start();
    let day_before = || Clock::system().today().yesterday().unwrap();
    let before = day_before();
    let said = daemon.groeikluis(&["daily"]).well().stdout;
    assert!(said.contains("9 files of outboxes and 6 uploads removed"), "{said}");
    let report = |day: &Date| daemon.path(format!("state/reports/auditverslag-{day}.html"));
    // Midnight may have come in between.
    let yesterday = [before, day_before()].into_iter().find(|day| report(day).exists()).unwrap();
    let page = fs::read_to_string(report(&yesterday)).unwrap();
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"), "{}", &page[..80]);
    let exported = daemon.events("audit.exported");
    assert_eq!((exported.len(), &exported[0]["from"]), (1, &Value::from(yesterday.to_string())));
    // Again on the same day it does no harm.
    assert!(daemon.groeikluis(&["daily"]).well().stdout.contains("0 files of outboxes and 0 uploads removed"));
    // Auditors get the reports of days that were missed, also where nothing can be removed.
    let reports = daemon.path("state/reports");
    let named = |ago: i64| reports.join(format!("auditverslag-{}.html", yesterday.saturating_sub(ago.days())));
    fs::rename(named(0), named(2)).unwrap();
    fs::remove_file(daemon.path("state/retention.day")).unwrap();
    fs::create_dir(daemon.path("state/retention.day")).unwrap();
    let faulty = daemon.groeikluis(&["daily"]);
    assert!(faulty.code == Some(1) && faulty.stderr.contains("the day of the last run"), "{faulty:?}");
    assert!(named(0).is_file() && named(1).is_file(), "{faulty:?}");
    fs::remove_dir(daemon.path("state/retention.day")).unwrap();
    // After so long the clock may be wrong: that is for an operator to say, and for the failed unit to tell.
    let last = Clock::system().today().saturating_sub(60.days());
    for file in ["state/retention.day", "state/retention.tried"] {
        fs::write(daemon.path(file), format!("{last}\n")).unwrap();
    }
    let doubtful = daemon.groeikluis(&["daily"]);
    assert!(doubtful.code == Some(1) && doubtful.stderr.contains("nothing was removed"), "{doubtful:?}");
}

#[test]
fn what_was_kept_long_enough_goes_and_its_tenant_gets_a_certificate() {
    let (mut daemon, answers) = a_month_later();
    as_if_it_ran_today(&daemon);
    daemon.start();
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(status.contains("sociale-toeslag_46029_OPG-2026-021") && status.contains("was never fetched"), "{status}");

    let before = on_disk(&daemon, "bree");
    assert_eq!((before.0, before.1.len()), (2 * LISTS, 4 * LISTS));
    let planned = retention(&daemon, &["--dry-run"]);
    // All of bree, and of lokeren the reports, which stay as long as the general rule says.
    assert_eq!((count(&planned["removed"]["deliveries"]), count(&planned["removed"]["uploads"])), (9, 6), "{planned}");
    assert_eq!(on_disk(&daemon, "bree"), before);
    assert!(daemon.events("delivery.expired").is_empty());

    crate::orders::give_and_go(&mut daemon, &serde_json::json!({ "retention": { "dry_run": false } }));
    assert_eq!(on_disk(&daemon, "bree"), before);
    assert!(daemon.events("delivery.expired").is_empty());

    let done = retention(&daemon, &[]);
    assert_eq!(done["removed"]["deliveries"], planned["removed"]["deliveries"]);
    let certificate = done["removed"]["certificates"]["bree"].as_str().unwrap().to_owned();
    let (uploads, files) = on_disk(&daemon, "bree");
    assert_eq!((uploads, files), (0, vec![certificate.clone(), certificate.replace(".age", ".manifest.json")]));
    let (uploads, files) = on_disk(&daemon, "lokeren");
    assert_eq!((uploads, files.len()), (0, 2 * LISTS + 2));

    let expired = daemon.events("delivery.expired");
    assert_eq!((expired.len(), daemon.events("upload.removed").len()), (9, 6));
    let text = String::from_utf8(daemon.fetch("bree", &format!("/outbox/{certificate}"))).unwrap();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (file, manifest) in answers.iter().filter(|(file, _)| file.contains("_72004_")) {
        let digest = hex::encode(manifest.ciphertext_sha256);
        let entry = expired.iter().find(|entry| entry["ciphertext_sha256"] == digest.as_str()).unwrap();
        assert!(words.contains(&format!("- {file} Reden: de bewaartermijn liep tot en met ")), "{text}");
        assert!(words.contains(&digest) && words.contains(&format!("lognummer {}.", entry["seq"])), "{text}");
        assert_eq!((&entry["fetched"], &entry["tenant"]), (&true.into(), &"bree".into()));
    }
    assert_eq!(text.matches("upload met ontvangstbewijs").count(), LISTS);
    let created = daemon.events("delivery.created");
    let created = created.iter().find(|entry| entry["file"] == certificate.as_str()).unwrap();
    assert_eq!((&created["removals"], &created["kind"]), (&9.into(), &"rapport".into()));
    // Proofs stay; a second run finds nothing, and tells nobody.
    let session = daemon.session("bree");
    assert_eq!(
        session.names("/log/receipts").unwrap().iter().filter(|name| name.starts_with("upload_")).count(),
        LISTS
    );
    session.close();
    let again = retention(&daemon, &[]);
    assert_eq!(
        (count(&again["removed"]["deliveries"]), &again["removed"]["certificates"]),
        (0, &serde_json::json!({}))
    );
    assert!(!daemon.groeikluis(&["status"]).well().stdout.contains("72004"));
    // The same list is told that its answer is gone.
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    daemon.put("bree", "opnieuw.csv", list.as_bytes());
    let refused = daemon.rejection("bree", "opnieuw.csv").text;
    assert!(refused.contains("duplicate") && refused.contains("staat niet meer in de map /outbox"), "{refused}");
}

#[test]
fn each_removal_is_told_once_whenever_the_daemon_is_killed() {
    let (mut daemon, _) = a_month_later();
    let untouched = daemon.path("untouched");
    for directory in ["state", "high-water"] {
        copy_directory(&daemon.path(directory), &untouched.join(directory));
    }
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let moments = (0..8_u64).map(|round| 20 + 15 * round + u64::try_from(clock % 15).unwrap());
    for moment in moments {
        for directory in ["state", "high-water"] {
            fs::remove_dir_all(daemon.path(directory)).unwrap();
            copy_directory(&untouched.join(directory), &daemon.path(directory));
        }
        // The run of the night was missed: it comes with the start, or is killed on its way.
        daemon.kill_while_starting(Duration::from_millis(moment));
        daemon.start();
        wait_for_the_night(&daemon);
        let mut told = Vec::new();
        for tenant in ["bree", "lokeren"] {
            let (uploads, files) = on_disk(&daemon, tenant);
            assert_eq!(uploads, 0, "killed after {moment} ms");
            for file in
                files.iter().filter(|file| file.contains("_verwijdering_") && file.strip_suffix(".age").is_some())
            {
                let text = String::from_utf8(daemon.fetch(tenant, &format!("/outbox/{file}"))).unwrap();
                let digests = text.split_whitespace().filter(|word| word.len() == 64);
                told.extend(digests.map(str::to_owned));
            }
        }
        let removed = [daemon.events("delivery.expired"), daemon.events("upload.removed")].concat();
        let mut removed: Vec<String> =
            removed.iter().map(|entry| entry["ciphertext_sha256"].as_str().unwrap().to_owned()).collect();
        removed.sort();
        told.sort();
        assert_eq!((removed.len(), &told), (15, &removed), "killed after {moment} ms");
        let (_, files) = on_disk(&daemon, "bree");
        assert!(files.iter().all(|file| file.contains("_verwijdering_")), "{files:?}");
        daemon.terminate();
    }
}

#[test]
fn what_the_log_says_is_gone_is_gone_after_a_start() {
    let (mut daemon, _) = a_month_later();
    let before = daemon.path("before");
    copy_directory(&daemon.path("state/boxes/bree/outbox"), &before);
    daemon.start();
    wait_for_the_night(&daemon);
    daemon.terminate();
    // As a stop leaves them that comes between the log and the disk.
    copy_directory(&before, &daemon.path("state/boxes/bree/outbox"));
    daemon.start();
    let files = || on_disk(&daemon, "bree").1;
    wait_until("what was left to go", || files().iter().all(|file| file.contains("_verwijdering_")));
    assert_eq!(daemon.events("delivery.expired").len(), 9);
}

#[test]
fn a_delivery_is_withdrawn_for_a_reason_that_its_tenant_reads() {
    let once = Protocol::new("OPG-2026-017").every_child().once();
    let daemon = Plan::new().children(20_000).tenant(Tenant::municipality("bree", "72004").protocol(once)).start();
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    daemon.put("bree", "lijst.csv", list.as_bytes());
    let file = daemon.answer("bree", "lijst.csv").manifest.file;
    let withdraw =
        |file: &str, reason: &str| daemon.groeikluis(&["delivery", "withdraw", "bree", file, "--reason", reason]);
    let reason = "verkeerde maand van het register";
    assert!(withdraw(&file, "x").stderr.contains("8 to 1000 characters"));
    assert!(withdraw("rapport.txt.age", reason).stderr.contains("no delivery"));
    let said = withdraw(&file, reason).well().stdout;
    assert!(said.contains("it was fetched before"), "{said}");
    assert!(withdraw(&file, reason).stderr.contains("gone already"));
    // Where the disk fails when the log has it, that is told; a second time removes the file.
    let other = daemon.wait_for_file("bree", "/outbox", "lijst.csv", Kind::Verslag).manifest.file;
    let path = daemon.path(format!("state/boxes/bree/outbox/{other}"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let part = withdraw(&other, reason);
    assert!(part.code == Some(1) && part.stdout.contains("withdrawn: "), "{part:?}");
    assert!(part.stderr.contains("it was done in part: the log has the withdrawal"), "{part:?}");
    fs::remove_dir(&path).unwrap();
    let left = daemon.path(format!("state/boxes/bree/outbox/{file}"));
    fs::write(&left, "what the log says is gone").unwrap();
    assert!(withdraw(&file, reason).well().stdout.contains("it was fetched before"));
    assert!(!left.exists() && withdraw(&file, reason).stderr.contains("gone already"));
    let session = daemon.session("bree");
    assert!(session.download(&format!("/outbox/{file}")).is_err());
    assert!(session.names("/outbox").unwrap().iter().all(|name| !name.starts_with("sociale-toeslag")));
    session.close();
    let withdrawn = daemon.events("delivery.withdrawn");
    assert_eq!((&withdrawn[0]["motive"], &withdrawn[0]["actor"]), (&reason.into(), &"operator".into()));
    // The certificate comes with the next run.
    let certificates = retention(&daemon, &[])["removed"]["certificates"].clone();
    let certificate = format!("/outbox/{}", certificates["bree"].as_str().unwrap());
    let text = String::from_utf8(daemon.fetch("bree", &certificate)).unwrap();
    assert!(text.contains(&format!("ingetrokken: {reason}.")), "{text}");
    // The same list is answered again, though its protocol allows one answer; and then it is one that was.
    daemon.put("bree", "opnieuw.csv", list.as_bytes());
    let again = daemon.answer("bree", "opnieuw.csv").manifest.file;
    assert_ne!(again, file);
    daemon.put("bree", "nog-eens.csv", list.as_bytes());
    let refused = daemon.rejection("bree", "nog-eens.csv").text;
    assert!(refused.contains("duplicate") && refused.contains(&again), "{refused}");
}

#[test]
fn a_fault_with_one_tenant_keeps_nothing_of_another() {
    let (mut daemon, answers) = a_month_later();
    as_if_it_ran_today(&daemon);
    let file = answers.keys().find(|file| file.contains("_72004_")).unwrap();
    let path = daemon.path(format!("state/boxes/bree/outbox/{file}"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    daemon.start();
    let failed = daemon.groeikluis(&["retention", "--json"]);
    assert!(failed.code == Some(1) && failed.stderr.contains(file), "{failed:?}");
    // What went is told with what did not.
    assert!(failed.stderr.contains("it was done in part") && failed.stderr.contains("every night"), "{failed:?}");
    let done: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!((count(&done["removed"]["deliveries"]), count(&done["removed"]["uploads"])), (9, 6), "{done}");
    assert!(done["removed"]["certificates"]["lokeren"].is_string(), "{done}");
    let (uploads, files) = on_disk(&daemon, "lokeren");
    assert_eq!((uploads, files.len()), (0, 2 * LISTS + 2));
    // Nor anything else of the same tenant, which is told nothing of it yet.
    assert_eq!(on_disk(&daemon, "bree"), (0, vec![file.clone()]));
    // The night is not finished, and that is said when it goes on.
    let last = Clock::system().today().saturating_sub(5.days());
    fs::write(daemon.path("state/retention.day"), format!("{last}\n")).unwrap();
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(status.contains(&format!("retention was last finished in the night of {last}")), "{status}");
    // However long that lasts, it is no gap in which the clock may have jumped: the others' part is still done.
    let last = Clock::system().today().saturating_sub(60.days());
    fs::write(daemon.path("state/retention.day"), format!("{last}\n")).unwrap();
    let daily = daemon.groeikluis(&["daily"]);
    assert!(daily.code == Some(1) && daily.stderr.contains(file), "{daily:?}");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "what the log says is gone").unwrap();
    let certificates = retention(&daemon, &[])["removed"]["certificates"].clone();
    let certificate = certificates["bree"].as_str().unwrap().to_owned();
    let manifest = certificate.replace(".age", ".manifest.json");
    assert_eq!(on_disk(&daemon, "bree"), (0, vec![certificate, manifest]));
    assert!(!daemon.groeikluis(&["status"]).well().stdout.contains("retention was last finished"));
}

#[test]
fn a_list_of_a_tenant_that_is_gone_goes_in_its_time() {
    let laid_out = plan().lay_out();
    fs::rename(laid_out.root.path().join("register"), laid_out.root.path().join("no-register")).unwrap();
    fs::create_dir(laid_out.root.path().join("register")).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    let clock = Clock::fixed(Clock::system().now() - SignedDuration::from_hours(24 * 30));
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    daemon.at(&clock, |daemon| daemon.put("bree", "lijst.csv", list.as_bytes()));
    as_if_it_ran_today(&daemon);
    let tenant = fs::read_to_string(daemon.path("tenants/bree.yaml")).unwrap();
    fs::remove_file(daemon.path("tenants/bree.yaml")).unwrap();
    daemon.start();
    let status = || daemon.groeikluis(&["status"]).well().stdout;
    assert!(status().contains("bree is no tenant any more: 1 waiting, until retention removes them"), "{}", status());
    assert_eq!(count(&retention(&daemon, &[])["removed"]["uploads"]), 1);
    assert_eq!(on_disk(&daemon, "bree").0, 0);
    let removed = daemon.events("upload.removed");
    assert_eq!((&removed[0]["tenant"], &removed[0]["reason"]), (&"bree".into(), &"tenant-gone".into()));
    assert!(!status().contains("no tenant any more"), "{}", status());
    // Should it come back, it is told that nobody answered.
    daemon.terminate();
    fs::write(daemon.path("tenants/bree.yaml"), tenant).unwrap();
    daemon.start();
    let certificates = retention(&daemon, &[])["removed"]["certificates"].clone();
    let certificate = format!("/outbox/{}", certificates["bree"].as_str().unwrap());
    let text = String::from_utf8(daemon.fetch("bree", &certificate)).unwrap();
    assert!(text.contains("Door u opgeladen en niet beantwoord") && !text.contains("afgehandeld"), "{text}");
}
