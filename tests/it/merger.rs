//! Municipalities that were merged: the new one has what the former had, whenever the daemon is killed meanwhile.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use groeikluis::{domain::SshPublicKey, seal::Keyring};
use serde_json::Value;

use crate::{
    receipts::audit,
    support::{Plan, Protocol, Tenant, TestDaemon, copy_directory, wait_for, wait_until},
};

const MUNICIPALITIES: &str = include_str!("../../config/municipalities.csv");

fn list(daemon: &TestDaemon, nis_code: &str, without: usize) -> Vec<u8> {
    format!("niss\n{}\n", daemon.extract().children_of(nis_code)[without..].join("\n")).into_bytes()
}

/// Bree and Pelt, which are to become Nieuwstad with the code of Pelt.
fn two_municipalities() -> Plan {
    Plan::new()
        .children(20_000)
        .tenant(Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child().once()))
        .tenant(Tenant::municipality("pelt", "72043").protocol(Protocol::new("OPG-2026-031").every_child()))
}

const MERGE: [&str; 8] = ["tenant", "merge", "--from", "bree", "--from", "pelt", "--into", "nieuwstad"];
const NAMED: [&str; 4] = ["--name", "Stad Nieuwstad", "--nis-code", "72043"];

/// Puts the reviewed draft in place, with the table of the day, gives Nieuwstad the keys of Bree, and starts anew: the
/// register in use has the codes of before.
fn put_in_force(daemon: &mut TestDaemon) {
    daemon.terminate();
    let table = MUNICIPALITIES.lines().filter(|line| !line.starts_with("72004;"));
    fs::write(daemon.path("municipalities.csv"), table.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    fs::rename(daemon.path("tenants/nieuwstad.yaml.draft"), daemon.path("tenants/nieuwstad.yaml")).unwrap();
    for name in ["bree", "pelt"] {
        fs::remove_file(daemon.path(format!("tenants/{name}.yaml"))).unwrap();
    }
    for ending in ["_ed25519", "_ed25519.pub", ".agekey", ".pub"] {
        fs::copy(daemon.path(format!("keys/bree{ending}")), daemon.path(format!("keys/nieuwstad{ending}"))).unwrap();
    }
    daemon.start();
}

fn files(daemon: &TestDaemon, directory: &str) -> BTreeSet<String> {
    let listing = fs::read_dir(daemon.path(directory)).into_iter().flatten();
    listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn former_name_is_explained(daemon: &TestDaemon) {
    // Its people will try the old name for a while.
    for asked in [&["tenant", "why", "bree"][..], &["tenant", "retry", "bree"], &["tenant", "guide", "bree"]] {
        let told = daemon.groeikluis(asked);
        assert!(told.code == Some(1) && told.stderr.contains("bree was merged into nieuwstad on "), "{told:?}");
    }
    let nobody = daemon.groeikluis(&["tenant", "why", "lokeren"]);
    assert!(nobody.stderr.contains("lokeren is no tenant of this configuration: its file in "), "{nobody:?}");
}

/// By the key that Bree had and Nieuwstad has.
fn entries_are_found_by_the_key(daemon: &TestDaemon) {
    let key = fs::read_to_string(daemon.path("keys/bree_ed25519.pub")).unwrap();
    let fingerprint = SshPublicKey::parse(&key).unwrap().fingerprint();
    let asked = ["audit", "show", "--event", "auth.login", "--about", &fingerprint];
    let shown = daemon.groeikluis(&asked).well().stdout;
    for (name, is_shown) in [("  bree  ", true), ("  nieuwstad  ", true), ("  pelt  ", false)] {
        assert_eq!(shown.contains(name), is_shown, "{name}:\n{shown}");
    }
    let log = daemon.path("state/log");
    let copy = audit(&["show", "--log", log.to_str().unwrap(), "--about", &fingerprint]);
    assert!(copy.code == Some(64) && copy.stderr.contains("`audit disclose`"), "{copy:?}");
}

#[test]
fn a_new_municipality_has_files_keys_and_protocols_of_those_it_was_merged_of() {
    let mut daemon = two_municipalities().start();
    daemon.put("bree", "lijst.csv", &list(&daemon, "72004", 0));
    let of_bree = daemon.answer("bree", "lijst.csv");
    daemon.put("pelt", "lijst.csv", &list(&daemon, "72043", 0));
    daemon.answer("pelt", "lijst.csv");
    daemon.terminate();
    let earlier = daemon.path("received/log/archive/earlier");
    copy_directory(&daemon.path("state/log"), &earlier);
    // Without a register a list waits.
    let register = fs::read(daemon.path("register/register.csv.age")).unwrap();
    fs::remove_file(daemon.path("register/register.csv.age")).unwrap();
    daemon.start();
    daemon.put("pelt", "OPG-2026-031_wacht.csv", &list(&daemon, "72043", 3));

    let dry = daemon.groeikluis(&[&MERGE[..], &NAMED, &["--dry-run"]].concat()).well();
    assert!(dry.stdout.contains("id: nieuwstad") && dry.stdout.contains("OPG-2026-031"), "{}", dry.stdout);
    assert!(dry.stdout.contains("former code 72004 is that of Bree today"), "{}", dry.stdout);
    assert!(!daemon.path("tenants/nieuwstad.yaml.draft").exists());
    let drafted = daemon.groeikluis(&[&MERGE[..], &NAMED].concat()).well().stdout;
    assert!(drafted.contains("To review:") && drafted.contains("data protection officers"), "{drafted}");
    assert_eq!(daemon.groeikluis(&[&MERGE[..], &NAMED].concat()).code, Some(1), "a draft is not overwritten");
    // Nothing is carried over while the former tenants may log in.
    daemon.sftp("bree", "ls /outbox\n").well();

    put_in_force(&mut daemon);
    wait_until("the new tenant to be let in", || daemon.try_session("nieuwstad", "pelt").is_ok());
    assert!(daemon.try_session("bree", "bree").is_err());
    let would = daemon.groeikluis(&[&MERGE[..], &["--dry-run", "--json"]].concat()).well().stdout;
    let would: Value = serde_json::from_str(&would).unwrap();
    let carried = &would["carried"];
    assert_eq!((&carried[0]["deliveries"], &carried[0]["unfetched"]), (&Value::from(2), &Value::from(1)), "{would}");
    assert_eq!((&carried[1]["uploads"], &carried[1]["waiting"]), (&Value::from(2), &Value::from(1)), "{would}");
    assert!(daemon.events("tenant.merged").is_empty());
    // A session of the new tenant sees at once what comes.
    let session = daemon.session("nieuwstad");
    assert_eq!(session.names("/outbox").unwrap(), [""; 0]);
    let told = daemon.groeikluis(&MERGE).well().stdout;
    assert!(told.contains("nieuwstad has of bree: 2 files") && told.contains("1 wait for their answer"), "{told}");
    assert_eq!(session.names("/outbox").unwrap().len(), 8);
    assert!(session.names("/inbox").unwrap().contains(&"OPG-2026-031_wacht.csv".to_owned()));
    assert!(!session.names("/log/receipts").unwrap().is_empty());
    session.close();
    let merged = daemon.events("tenant.merged");
    assert_eq!((merged.len(), &merged[0]["former"], &merged[0]["tenant"]), (2, &"bree".into(), &"nieuwstad".into()));
    let again = daemon.groeikluis(&MERGE);
    assert!(again.stderr.contains("bree was merged into nieuwstad on "), "{}", again.stderr);

    former_name_is_explained(&daemon);

    // By the client that every municipality has, with a key of the former tenant and under the new name.
    let file = &of_bree.manifest.file;
    let fetched = daemon.path("received/antwoord.age");
    daemon.sftp_as("nieuwstad", "bree", &format!("get /outbox/{file} {}\n", fetched.display())).well();
    assert_eq!(daemon.open("bree", &fs::read(&fetched).unwrap()), of_bree.text);
    let last = wait_for("its fetch", || {
        daemon.events("delivery.fetched").into_iter().find(|fetched| fetched["tenant"] == "nieuwstad")
    });
    assert_eq!(last["key"], "ict-bree", "{last}");
    entries_are_found_by_the_key(&daemon);

    // What waited is answered to the new tenant, and what was used up stays used up.
    fs::write(daemon.path("register/new"), &register).unwrap();
    fs::rename(daemon.path("register/new"), daemon.path("register/register.csv.age")).unwrap();
    let answer = daemon.answer("nieuwstad", "OPG-2026-031_wacht.csv");
    assert_eq!(answer.manifest.tenant.as_str(), "nieuwstad");
    daemon.put("nieuwstad", "OPG-2026-017_nog.csv", &list(&daemon, "72043", 5));
    let refused = daemon.rejection("nieuwstad", "OPG-2026-017_nog.csv");
    let reason = daemon.events("list.refused").pop().unwrap()["reason"].clone();
    assert_eq!(reason, "used-up", "{}", refused.text);

    // What it did under its former names is told with it, under these.
    let shown =
        daemon.groeikluis(&["audit", "show", "--tenant", "nieuwstad", "--event", "list.answered"]).well().stdout;
    for name in ["bree", "pelt", "nieuwstad"] {
        assert!(shown.lines().any(|line| line.contains(&format!("  {name}  "))), "{name} is not in:\n{shown}");
    }
    let shown = daemon.groeikluis(&["audit", "show", "--tenant", "bree", "--event", "list.answered"]).well().stdout;
    assert!(!shown.contains("nieuwstad"), "{shown}");
    let told = daemon.groeikluis(&["audit", "report", "--tenant", "nieuwstad", "--format", "json"]).well().stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["former"], Value::from(vec!["bree", "pelt"]));
    let of = told["deliveries"].as_array().unwrap().iter().find(|delivery| delivery["file"] == **file).unwrap();
    assert_eq!((&of["tenant"], of["fetched"].is_string()), (&"bree".into(), true), "{of}");

    // The ledger made anew says the same, and children who had the former code live in the new municipality.
    let before = daemon.groeikluis(&["status", "--json"]).well().stdout;
    let tenants = |status: &str| serde_json::from_str::<Value>(status).unwrap()["tenants"].clone();
    daemon.terminate();
    // What a log of earlier tells of the former tenants is told as well, where the one of the merger lies above it.
    copy_directory(&daemon.path("state/log"), &daemon.path("received/log"));
    let about = ["--tenant", "nieuwstad", "--event", "list.answered"];
    let shown = audit(&[&["show", "--log", earlier.to_str().unwrap()], &about[..]].concat()).well().stdout;
    assert!(
        ["  bree  ", "  pelt  "].iter().all(|name| shown.contains(name)) && !shown.contains("nieuwstad"),
        "{shown}"
    );
    daemon.groeikluis(&["ledger", "rebuild"]).well();
    daemon.start();
    daemon.wait_for_register();
    assert_eq!(tenants(&daemon.groeikluis(&["status", "--json"]).well().stdout), tenants(&before));
    daemon.put("nieuwstad", "OPG-2026-031_bree.csv", &list(&daemon, "72004", 0));
    let answer = daemon.answer("nieuwstad", "OPG-2026-031_bree.csv");
    assert!(answer.manifest.rows >= daemon.extract().children_of("72004").len() as u64, "{:?}", answer.manifest);
}

#[test]
fn a_merger_that_was_broken_off_is_finished_by_the_next_start() {
    let mut daemon = two_municipalities().start();
    daemon.put("bree", "lijst.csv", &list(&daemon, "72004", 0));
    let answer = daemon.answer("bree", "lijst.csv");
    daemon.groeikluis(&[&MERGE[..], &NAMED].concat()).well();
    put_in_force(&mut daemon);
    wait_until("the new tenant to be let in", || daemon.try_session("nieuwstad", "bree").is_ok());
    let unknown = daemon.groeikluis(&["tenant", "merge", "--from", "nergens", "--into", "nieuwstad"]);
    assert!(unknown.stderr.contains("there is no drop-box nergens"), "{}", unknown.stderr);
    let had: Vec<_> = ["boxes/bree/outbox", "uploads/bree"].map(|of| files(&daemon, &format!("state/{of}"))).into();
    assert!(had.iter().all(|files| !files.is_empty()));
    // What the disk does not let go once the log has it is told, with what is the new tenant's.
    let in_the_way = daemon.path("state/boxes/pelt/outbox/.x");
    fs::create_dir_all(&in_the_way).unwrap();
    let part = daemon.groeikluis(&MERGE);
    assert!(part.code == Some(1) && part.stdout.contains("nieuwstad has of bree: 2 files"), "{part:?}");
    assert!(part.stderr.contains("it was done in part: the log has the merger"), "{part:?}");
    fs::remove_dir(in_the_way).unwrap();
    daemon.terminate();
    daemon.start();
    daemon.terminate();
    // As a stop in between leaves it: the log has it, and half of the files are where they were.
    let (content, manifest) = (answer.manifest.file.clone(), answer.manifest.file.replace(".age", ".manifest.json"));
    fs::create_dir_all(daemon.path("state/boxes/bree/outbox")).unwrap();
    fs::create_dir_all(daemon.path("state/uploads/bree")).unwrap();
    let back = |from: &str, to: &str, name: &str| {
        fs::rename(daemon.path(format!("state/{from}/{name}")), daemon.path(format!("state/{to}/{name}"))).unwrap();
    };
    back("boxes/nieuwstad/outbox", "boxes/bree/outbox", &manifest);
    let record = had[1].iter().find(|name| Path::new(name).extension().is_some_and(|ending| ending == "json")).unwrap();
    back("uploads/nieuwstad", "uploads/bree", record);
    daemon.start();
    assert!(!daemon.path("state/boxes/bree").exists() && !daemon.path("state/uploads/bree").exists());
    assert_eq!(files(&daemon, "state/boxes/nieuwstad/outbox"), had[0]);
    assert!(files(&daemon, "state/uploads/nieuwstad").is_superset(&had[1]));
    assert_eq!(
        daemon.open("bree", &daemon.session("nieuwstad").download(&format!("/outbox/{content}")).unwrap()),
        answer.text
    );

    // A backup that is put back has what was carried over where it is now, and takes nothing of it away.
    let identity = Keyring::generate();
    let (key, backup) = (daemon.path("keys/backup.agekey"), daemon.path("backup.age"));
    fs::write(&key, identity.to_file().as_str()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let recipient = identity.recipients()[0].to_string();
    daemon.groeikluis(&["backup", "--to", backup.to_str().unwrap(), "--recipient", &recipient]).well();
    daemon.kill9();
    for lost in ["state", "high-water"] {
        fs::rename(daemon.path(lost), daemon.path(format!("lost-{lost}"))).unwrap();
    }
    let (from, identity) = (backup.to_str().unwrap(), key.to_str().unwrap());
    daemon.groeikluis(&["restore", "--from", from, "--identity", identity, "--without-mark"]).well();
    daemon.start();
    assert_eq!(files(&daemon, "state/boxes/nieuwstad/outbox"), had[0]);
    assert!(!daemon.path("state/boxes/bree").exists());
}

#[test]
fn whenever_it_is_killed_a_drop_box_is_with_one_tenant_whole() {
    const FORMER: [(&str, &str); 6] = [
        ("aalter", "44084"),
        ("balen", "13003"),
        ("beringen", "71004"),
        ("bocholt", "72003"),
        ("brasschaat", "11008"),
        ("denderleeuw", "41011"),
    ];
    let plan = FORMER.iter().fold(Plan::new().tenant(Tenant::municipality("gent", "44021")), |plan, (id, nis_code)| {
        plan.tenant(Tenant::municipality(id, nis_code))
    });
    let mut daemon = plan.start();
    for (id, _) in FORMER {
        daemon.put(id, "lijst.csv", b"niss\n1\n");
        daemon.rejection(id, "lijst.csv");
    }
    daemon.terminate();
    for (id, _) in FORMER {
        fs::remove_file(daemon.path(format!("tenants/{id}.yaml"))).unwrap();
    }
    daemon.start();
    let mut took = Duration::from_millis(40);
    for (at, (id, _)) in FORMER.into_iter().enumerate() {
        let had = files(&daemon, &format!("state/boxes/{id}/outbox"));
        let before = files(&daemon, "state/boxes/gent/outbox");
        let order = ["tenant", "merge", "--from", id, "--into", "gent"];
        std::thread::scope(|scope| {
            let daemon_ref = &daemon;
            let ordered = scope.spawn(move || {
                let began = Instant::now();
                daemon_ref.groeikluis(&order);
                began.elapsed()
            });
            // At other moments of what it takes, which the first tells.
            if at > 0 {
                std::thread::sleep(took * u32::try_from(at).unwrap() / 6);
                daemon_ref.kill();
            } else {
                took = ordered.join().unwrap();
            }
        });
        if at > 0 {
            daemon.kill9();
            daemon.start();
        }
        let logged = daemon.events("tenant.merged").iter().any(|entry| entry["former"] == id);
        let (left, now) =
            (files(&daemon, &format!("state/boxes/{id}/outbox")), files(&daemon, "state/boxes/gent/outbox"));
        if logged {
            assert!(left.is_empty() && now.is_superset(&had) && now.len() == before.len() + had.len(), "{id}");
        } else {
            assert_eq!((left, now), (had.clone(), before.clone()), "{id}");
            daemon.groeikluis(&order).well();
        }
        assert!(files(&daemon, "state/boxes/gent/outbox").is_superset(&had), "{id}");
    }
    assert_eq!(daemon.events("tenant.merged").len(), FORMER.len(), "each once");
}
