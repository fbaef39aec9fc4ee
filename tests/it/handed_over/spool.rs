//! The spool: each file that is moved there leaves once, or is set aside with the reason, and none is lost.

use std::os::unix::fs::MetadataExt;

use rustix::process::Signal;

use super::*;

/// What the log has of amounts that were paid, each with how often.
fn paid(daemon: &TestDaemon) -> BTreeMap<String, usize> {
    let mut amounts = BTreeMap::<String, usize>::new();
    for created in daemon.events("delivery.created") {
        *amounts.entry(created["amount_total"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    amounts
}

/// Each of these amounts once.
fn once<const N: usize>(amounts: [&str; N]) -> BTreeMap<String, usize> {
    amounts.into_iter().map(|amount| (amount.to_owned(), 1)).collect()
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
    let settled = |file: &String| file.starts_with(".refused/") || file.ends_with("later.csv.part");
    wait_until("what was handed over", || spooled(&daemon).iter().all(settled));
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
    let created = daemon.events("delivery.created");
    assert_eq!(created.len(), 1);
    let file = created[0]["file"].as_str().unwrap();
    assert_eq!(daemon.fetch("torhout", &format!("/outbox/{file}")), payments(25).as_bytes());
    // The same content once more, under another name.
    hand_over(&daemon, "torhout/VUTG-2026-004/betaling/nog-eens.csv", &payments(25));
    let refused = |file: &String| file == ".refused/torhout~VUTG-2026-004~betaling~nog-eens.csv";
    wait_until("its refusal", || spooled(&daemon).iter().any(refused));
    let repeated = reason("torhout~VUTG-2026-004~betaling~nog-eens.csv");
    assert!(repeated.contains(&format!("the same content was delivered as {file} on ")), "{repeated}");
    // What the gate says is told in a sentence, as on the command line.
    hand_over(&daemon, "torhout/VUTG-2026-99/betaling/x.csv", &payments(5));
    let refused = |file: &String| file == ".refused/torhout~VUTG-2026-99~betaling~x.csv";
    wait_until("the gate's refusal", || spooled(&daemon).iter().any(refused));
    let unknown = "torhout has no protocol VUTG-2026-99; it has VUTG-2026-004 (known-reference)\n";
    assert!(reason("torhout~VUTG-2026-99~betaling~x.csv").ends_with(unknown));
    // What nobody will ever deliver is told, and no number of a person with it.
    hand_over(&daemon, "torhout/VUTG-2026-004/17073003384.csv", &payments(4));
    let said = "torhout/VUTG-2026-004/….csv in the spool is passed over: files belong in TENANT/PROTOCOL/KIND";
    wait_until("that it is told", || daemon.said().contains(said));
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(status.contains("passed over in ") && !status.contains("files handed over that wait"), "{status}");
    assert!(!daemon.said().contains("17073003384"), "{}", daemon.said());
    assert_eq!(daemon.events("delivery.created").len(), 1);
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
    let mut amid = 0;
    for (kill, after) in (1..=3).zip([1_u64, 4, 9]) {
        wait_until("some of them", || delivered(&daemon) >= kill * FILES / 5);
        std::thread::sleep(Duration::from_millis(after));
        daemon.kill9();
        amid += usize::from(!spooled(&daemon).is_empty());
        daemon.start();
    }
    assert!(amid > 0, "all had left before each kill: nothing was tried");
    wait_until("all of them", || spooled(&daemon).is_empty());
    let expected: BTreeMap<_, _> = (1..=FILES).map(|euros| (format!("{euros}.00"), 1)).collect();
    assert_eq!(paid(&daemon), expected);
    assert_eq!(daemon.events("protocol.used").len(), FILES);
    assert_eq!(daemon.session("torhout").names("/outbox").unwrap().len(), 2 * FILES);
    daemon.verify_log().well();
}

#[test]
fn what_a_stop_left_in_taken_is_settled_by_the_log() {
    let mut daemon = plan(Protocol::vutg(PROTOCOL)).start();
    let deliver = ["deliver", "torhout", PROTOCOL, "betaling"];
    daemon.groeikluis_reading(&deliver, payments(25).as_bytes()).well();
    let left = daemon.events("delivery.created")[0]["delivery_id"].as_str().unwrap().to_owned();
    daemon.kill9();
    let taken = |name: &str, text: &str| fs::write(daemon.path("spool/.taken").join(name), text).unwrap();
    taken(&format!("{left}~torhout~{PROTOCOL}~betaling~weg.csv"), &payments(25));
    taken(&format!("{}~torhout~{PROTOCOL}~betaling~terug.csv", "0f".repeat(16)), &payments(30));
    taken("van-niemand", "x");
    // Another that came meanwhile has the name of the one that goes back.
    hand_over(&daemon, "torhout/VUTG-2026-004/betaling/terug.csv", &payments(31));
    daemon.start();
    wait_until("the rest to leave", || spooled(&daemon) == [".taken/van-niemand"]);
    assert_eq!(paid(&daemon), once(["25.00", "30.00", "31.00"]));
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(status.contains("files handed over that are being delivered, or wait for a start: 1"), "{status}");
}

#[test]
fn a_file_that_changes_while_it_is_delivered_leaves_as_it_is_in_the_end_and_so_does_one_that_takes_its_name() {
    let mut daemon = plan(Protocol::vutg(PROTOCOL)).start();
    // Long enough to be met while it is read and sealed.
    let rows = "1;x;BE68539007547034;1.00\n".repeat(50_000);
    let place = "torhout/VUTG-2026-004/betaling/lang.csv";
    let mut writer = hand_over(&daemon, place, &format!("volgnummer;rekeninghouder;iban;bedrag\n{rows}"));
    wait_until("it to be taken", || fs::read_dir(daemon.path("spool/.taken")).unwrap().count() > 0);
    daemon.process().stand_still();
    assert_eq!(spooled(&daemon).len(), 1, "it left already: nothing was tried");
    writer.write_all(b"50001;x;BE68539007547034;1.00\n").unwrap();
    hand_over(&daemon, place, &payments(7));
    daemon.process().signal(Signal::CONT);
    wait_until("both to leave", || spooled(&daemon).is_empty());
    assert_eq!(paid(&daemon), once(["50001.00", "7.00"]));
}

#[test]
fn a_stop_waits_for_one_file_and_leaves_the_rest_where_it_is() {
    const FILES: usize = 30;
    let mut daemon = plan(Protocol::vutg(PROTOCOL)).start();
    for euros in 1..=FILES {
        hand_over(&daemon, &format!("torhout/VUTG-2026-004/betaling/{euros:02}.csv"), &payments(euros));
    }
    wait_until("some of them", || spooled(&daemon).len() < FILES);
    // It learns of the stop where it stands.
    daemon.process().stand_still();
    assert!(!spooled(&daemon).is_empty(), "all have left already: nothing was tried");
    daemon.process().signal(Signal::TERM);
    daemon.process().signal(Signal::CONT);
    let (status, said) = daemon.terminate();
    let left = spooled(&daemon);
    assert!(status.success() && !said.contains(" ERROR ") && !said.contains("is in .refused"), "{said}");
    assert!(
        !left.is_empty() && left.iter().all(|name| name.starts_with("torhout/") && !name.contains('~')),
        "{left:?}"
    );
    daemon.start();
    wait_until("all of them", || spooled(&daemon).is_empty());
    assert_eq!(paid(&daemon), (1..=FILES).map(|euros| (format!("{euros}.00"), 1)).collect());
}

#[test]
fn a_refusal_that_cannot_be_moved_is_entered_once() {
    let daemon = plan(Protocol::vutg(PROTOCOL)).start();
    // As on a disk that is full: whatever is written there fails.
    fs::remove_dir(daemon.path("spool/.refused")).unwrap();
    let place = "torhout/VUTG-2026-004/sociale-toeslag/nee.csv";
    hand_over(&daemon, place, "niss;sociale_toeslag\n17073003384;ja\n");
    let changed = || {
        let found = fs::metadata(daemon.path("spool").join(place)).ok()?;
        Some((found.ctime(), found.ctime_nsec()))
    };
    wait_until("the refusal", || daemon.said().contains("may not leave, and cannot be moved"));
    wait_until("it to be put back", || changed().is_some());
    let before = changed();
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(status.contains("files handed over that wait: 1, the oldest written "), "{status}");
    wait_until("the next try", || changed().is_some_and(|at| Some(at) != before));
    assert_eq!(daemon.events("policy.refused").len(), 1);
    assert_eq!(daemon.said().matches("cannot be moved").count(), 1);
    assert!(daemon.events("delivery.created").is_empty());
}

#[test]
fn a_spool_that_others_may_enter_is_refused_in_production() {
    use std::os::unix::fs::PermissionsExt;
    let mut daemon = TestDaemon::over(plan(Protocol::vutg(PROTOCOL)).lay_out());
    fs::create_dir(daemon.path("spool")).unwrap();
    fs::set_permissions(daemon.path("spool"), fs::Permissions::from_mode(0o777)).unwrap();
    let (_, said) = daemon.try_start(&[]).unwrap_err();
    assert!(said.contains("files cannot be handed over in `spool_dir`"), "{said}");
    fs::set_permissions(daemon.path("spool"), fs::Permissions::from_mode(0o700)).unwrap();
    daemon.start();
}
