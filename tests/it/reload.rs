//! A configuration that changes under a running daemon: whole or not at all, and nobody who keeps a right notices.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use rustix::process::Signal;

use crate::{
    assignments,
    support::{Plan, Protocol, Session, Tenant, TestDaemon, replace, run, wait_for, wait_until},
};

/// What the daemon says when a reload was put in force.
const CHANGED: &str = "configuration changed";

/// Reloads while sessions transfer.
const RELOADS: usize = 50;

/// One upload of the load: long enough that reloads fall into the middle of many.
const UPLOAD_BYTES: usize = 2 << 20;

/// A tenant that is let in from everywhere, and so has a line to be narrowed.
fn tenant(id: &str, nis_code: &str) -> Tenant {
    Tenant::municipality(id, nis_code).line(ANYWHERE).protocol(Protocol::new("OPG-2026-017").every_child())
}

const ANYWHERE: &str = "allow_from: [\"0.0.0.0/0\", \"::/0\"]";

#[test]
fn a_reload_with_faults_changes_nothing_and_names_them_all() {
    let daemon = &mut Plan::new().tenant(tenant("bree", "72004")).tenant(tenant("lokeren", "46029")).start();
    let (bree, lokeren) = (daemon.session("bree"), daemon.session("lokeren"));
    let good = fs::read_to_string(daemon.path("tenants/bree.yaml")).unwrap();
    // Two faults in one file, one in another, and a tenant less.
    let bad =
        good.replace("kind: municipality", "kind: gemeente").replace("nis_code: \"72004\"", "nis_code: \"99999\"");
    fs::remove_file(daemon.path("tenants/lokeren.yaml")).unwrap();
    let main = fs::read_to_string(daemon.config()).unwrap();
    fs::write(daemon.config(), format!("{main}languages: nl\n")).unwrap();
    fs::write(daemon.path("tenants/bree.yaml"), bad).unwrap();
    for part in ["groeikluis.yaml:", "`gemeente`", "`nis_code` 99999"] {
        let process = daemon.process();
        wait_until(part, || {
            let said = process.said();
            said.lines().any(|line| line.contains("configuration not changed") && line.contains(part))
        });
    }
    // The same faults by hand, and what a plan says of them.
    daemon.process().signal(Signal::HUP);
    let plan = daemon.groeikluis(&["plan"]);
    assert_eq!(plan.code, Some(78), "{plan:?}");
    assert!(plan.stderr.lines().count() >= 3 && plan.stderr.contains("languages"), "{}", plan.stderr);
    bree.list("/").unwrap();
    lokeren.list("/").unwrap();
    daemon.session("lokeren").close();
    assert!(!daemon.process().said().contains(CHANGED));
    fs::write(daemon.config(), main).unwrap();
    fs::write(daemon.path("tenants/bree.yaml"), good).unwrap();
    wait_until("the change once the faults are gone", || lokeren.list("/").is_err());
    bree.list("/").unwrap();
    assert_eq!(daemon.events("config.changed").len(), 2, "the start and this are accounted for, and nothing between");
}

/// The register in use was read with the sources of the start: criteria of another catalogue would select other children.
#[test]
fn nothing_is_put_in_force_beside_sources_that_the_register_was_not_read_with() {
    let file = "assignments/premie.yaml";
    let text = assignments::assignment("premie-2026", "{any_of: [sociale_toeslag]}", assignments::DATA_ONLY);
    let mut daemon = assignments::plan().file(file, &text).start();
    daemon.wait_for_register();
    let planned = |daemon: &TestDaemon| {
        assignments::json(&assignments::run(daemon, "premie-2026", &["--dry-run"]).well())["planned"].clone()
    };
    let before = planned(&daemon);
    let sources = fs::read_to_string(daemon.path("sources.yaml")).unwrap();
    let first = "  - {code: basisbedrag";
    let more = sources.replace(first, &format!("  - {{code: aanmoediging, name: Aanmoediging}}\n{first}"));
    assert_ne!(sources, more);
    fs::write(daemon.path("sources.yaml"), &more).unwrap();
    let process = daemon.process();
    wait_until("the refusal", || process.said().contains("the register was read with other ones"));
    // Another change of the files waits with it, and nobody is paid by the older ones.
    fs::write(daemon.path(file), text.replace("sociale_toeslag", "aanmoediging")).unwrap();
    assert_eq!(planned(&daemon), before);
    let refused = assignments::run(&daemon, "premie-2026", &[]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("the daemon has not put these files in force"), "{refused:?}");
    assert!(daemon.events("assignment.run").is_empty());
    let plan = assignments::json(&daemon.groeikluis(&["plan", "--json"]).well());
    assert_eq!(plan["reload_refused_for"], serde_json::json!(["sources"]), "{plan}");
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(status.contains("before the daemon is restarted, since these changed: sources"), "{status}");
    daemon.terminate();
    daemon.start();
    daemon.wait_for_register();
    let nobody = assignments::run(&daemon, "premie-2026", &["--dry-run"]);
    assert!(nobody.stderr.contains("no child of the register"), "it is the new allowance: {nobody:?}");
}

/// The text of a letter is what is changed last before a run.
#[test]
fn a_text_of_letters_that_is_saved_is_in_force() {
    let everything = assignments::EVERYTHING.replace("premie.md", "letters/premie.md");
    let text = "assignments/letters/premie.md";
    let mut daemon = assignments::plan()
        .file("assignments/premie.yaml", &assignments::assignment("premie-2026", "{}", &everything))
        .file(text, assignments::LETTER)
        .start();
    fs::write(daemon.path(text), format!("{}\nTot dan.\n", assignments::LETTER)).unwrap();
    let process = daemon.process();
    wait_until("the reload", || process.said().contains(CHANGED));
}

/// Whatever a list was accepted under, no later try would find it smaller: it is refused, and holds nobody up.
#[test]
fn a_list_that_waits_while_its_limit_is_lowered_is_refused_and_the_next_one_answered() {
    let bree = || tenant("bree", "72004");
    let laid_out = Plan::new().children(10_000).tenant(bree()).lay_out();
    let list = format!("niss\n{}\n", laid_out.extract.children_of("72004").join("\n"));
    fs::remove_file(laid_out.root.path().join("register/register.csv.age")).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    daemon.put("bree", "lijst.csv", list.as_bytes());
    daemon.write_tenant(&bree().limits("upload_bytes: 50"));
    assert!(daemon.process().wait_for_line(CHANGED).is_some());
    let three_children = &list["niss\n".len()..][..36];
    daemon.put("bree", "kort.csv", format!("niss\n{three_children}").as_bytes());
    daemon.write_register(daemon.extract().text());
    let rejection = daemon.rejection("bree", "lijst.csv");
    assert!(rejection.text.contains("too-large"), "{}", rejection.text);
    daemon.answer("bree", "kort.csv");
}

/// What waits while the daemon runs is known to it; what it did not take up at its start is not.
#[test]
fn lists_that_a_start_passed_over_are_answered_once_their_tenants_are_back() {
    let (bree, lokeren) = (|| tenant("bree", "72004"), || tenant("lokeren", "46029"));
    let laid_out = Plan::new().children(10_000).tenant(bree()).tenant(lokeren()).lay_out();
    fs::remove_file(laid_out.root.path().join("register/register.csv.age")).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    for (id, nis_code) in [("bree", "72004"), ("lokeren", "46029")] {
        let list = format!("niss\n{}\n", daemon.extract().children_of(nis_code).join("\n"));
        daemon.put(id, "lijst.csv", list.as_bytes());
    }
    daemon.terminate();
    // At the next start one is gone, and the other sends nothing.
    fs::remove_file(daemon.path("tenants/bree.yaml")).unwrap();
    daemon.write_tenant(&Tenant::print_partner("lokeren"));
    daemon.start();
    daemon.write_register(daemon.extract().text());
    daemon.wait_for_register();
    for (reload, back) in (1..).zip([bree(), lokeren()]) {
        let id = back.id.clone();
        daemon.write_tenant(&back);
        daemon.process().signal(Signal::HUP);
        // Once sessions that saw another tree have ended.
        let process = daemon.process();
        wait_until("the reload", || process.said().matches(CHANGED).count() == reload);
        let has_inbox = || daemon.try_session(&id, &id).is_ok_and(|session| session.list("/inbox").is_ok());
        wait_until("its inbox", has_inbox);
        daemon.answer(&id, "lijst.csv");
    }
    assert_eq!(daemon.events("list.answered").len(), 2);
}

#[test]
fn fifty_reloads_under_load_end_the_sessions_that_lost_their_right_and_no_other() {
    let stay = [("bree", "72004"), ("lokeren", "46029"), ("lubbeek", "24066")];
    let lose = [("kaprijke", "43007"), ("leopoldsburg", "71034"), ("gingelom", "71017"), ("linter", "24133")];
    let mut plan = Plan::new().children(10_000);
    for (id, nis_code) in stay.iter().chain(&lose) {
        plan = plan.tenant(tenant(id, nis_code));
    }
    let mut daemon = plan.start();
    let list = format!("niss\n{}\n", daemon.extract().children_of("72004").join("\n"));
    daemon.put("bree", "lijst.csv", list.as_bytes());
    let answer = daemon.answer("bree", "lijst.csv").manifest.file;

    let stop = Arc::new(AtomicBool::new(false));
    let staying: Vec<Load> =
        stay.iter().flat_map(|(id, _)| [Load::of(&daemon, id, &stop), Load::of(&daemon, id, &stop)]).collect();
    let by_openssh = OpenSsh::start(&daemon, "bree", &answer, &stop);
    let losing: Vec<Load> = lose.iter().map(|(id, _)| Load::of(&daemon, id, &stop)).collect();

    for reload in 1..=RELOADS {
        match reload {
            10 => fs::remove_file(daemon.path("tenants/kaprijke.yaml")).unwrap(),
            20 => change(&daemon, "leopoldsburg", ANYWHERE, "allow_from: [\"192.0.2.0/24\"]"),
            30 => change(&daemon, "gingelom", "owner: \"ICT, gingelom\"", "owner: \"ICT\", expires: 2026-01-01"),
            40 => change(&daemon, "linter", "keys: [", "keys: []\n#"),
            _ => shuffle(&daemon, reload),
        }
        if reload % 2 == 0 {
            daemon.process().signal(Signal::HUP);
        }
        let process = daemon.process();
        wait_until("the reload", || process.said().matches(CHANGED).count() == reload);
        if reload % 10 == 0
            && let Some(lost) = losing.get(reload / 10 - 1)
        {
            let (id, _) = lose[reload / 10 - 1];
            wait_until(id, || lost.has_ended());
            assert!(daemon.try_session(id, id).is_err(), "{id} is let in again");
        }
    }
    stop.store(true, Ordering::Relaxed);
    let transfers: Vec<usize> = staying.into_iter().map(Load::all_went_well).collect();
    assert!(transfers.iter().all(|count| *count > 0), "{transfers:?}");
    by_openssh.all_went_well();
    for lost in losing {
        assert!(lost.thread.join().unwrap().is_err());
    }
    assert_eq!(daemon.events("config.changed").len(), RELOADS + 1);
}

/// A change of one file that takes nobody's right: another each time, and among them some that touch how a tenant logs
/// in.
fn shuffle(daemon: &TestDaemon, reload: usize) {
    if reload.is_multiple_of(7) {
        return daemon.write_tenant(&Tenant::print_partner(&format!("drukkerij-{reload}")));
    }
    let path = daemon.path("tenants/bree.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let networks = match reload % 3 {
        0 => "allow_from: [\"127.0.0.0/8\"]",
        1 => "allow_from: [\"0.0.0.0/0\"]",
        _ => "allow_from: [\"127.0.0.1/32\", \"192.0.2.0/24\"]",
    };
    let lines = text.lines().filter(|line| !line.starts_with("# "));
    let lines = lines.map(|line| if line.starts_with("allow_from:") { networks } else { line });
    let text = format!("{}\n# {reload}\n", lines.collect::<Vec<_>>().join("\n"));
    replace(&path, text.as_bytes());
}

fn change(daemon: &TestDaemon, tenant: &str, from: &str, to: &str) {
    let path = daemon.path(format!("tenants/{tenant}.yaml"));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    replace(&path, text.replace(from, to).as_bytes());
}

/// A session that uploads without end.
struct Load {
    thread: JoinHandle<Result<usize, String>>,
}

impl Load {
    fn of(daemon: &TestDaemon, tenant: &str, stop: &Arc<AtomicBool>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let session: Session = daemon.session(tenant);
        let stop = stop.clone();
        let name = format!("/inbox/{}.filepart", NEXT.fetch_add(1, Ordering::Relaxed));
        let bytes = vec![b'7'; UPLOAD_BYTES];
        let thread = std::thread::spawn(move || {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                session.upload(&name, &bytes).map_err(|error| format!("upload {count}: {error:?}"))?;
                session.download("/LEESMIJ.txt").map_err(|error| format!("download {count}: {error:?}"))?;
                count += 1;
            }
            session.close();
            Ok(count)
        });
        Self { thread }
    }

    fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    #[track_caller]
    fn all_went_well(self) -> usize {
        self.thread.join().unwrap().unwrap()
    }
}

/// OpenSSH's client in one session, given one command after the other.
struct OpenSsh {
    thread: JoinHandle<String>,
}

impl OpenSsh {
    fn start(daemon: &TestDaemon, tenant: &str, answer: &str, stop: &Arc<AtomicBool>) -> Self {
        let file = daemon.path("openssh.bin");
        fs::write(&file, vec![b'8'; UPLOAD_BYTES]).unwrap();
        let commands = [
            format!("put {} /inbox/openssh.filepart", file.display()),
            format!("get /outbox/{answer} {}", daemon.path("received").display()),
        ];
        let mut command = daemon.sftp_command(tenant, tenant, &["-b", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stop = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut input, mut lines) =
                (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
            let mut count = 0;
            for command in commands.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                if writeln!(input, "{command}").is_err() {
                    break;
                }
                // The client echoes each command when it comes to it.
                let echo = format!("sftp> {command}");
                if !lines.by_ref().map_while(Result::ok).any(|line| line == echo) {
                    break;
                }
                count += 1;
            }
            drop(input);
            lines.for_each(drop);
            let status = child.wait().unwrap();
            if status.success() && count > 2 { String::new() } else { format!("{status} after {count} commands") }
        });
        Self { thread }
    }

    #[track_caller]
    fn all_went_well(self) {
        assert_eq!(self.thread.join().unwrap(), "");
    }
}

#[test]
fn files_that_come_by_a_directory_put_in_place_are_noticed() {
    let mut daemon = Plan::new().tenant(tenant("bree", "72004")).tenant(tenant("lokeren", "46029")).start();
    let (stays, goes) = (daemon.session("bree"), daemon.session("lokeren"));
    // As a release is put in place: the whole directory at once.
    fs::create_dir(daemon.path("next")).unwrap();
    fs::copy(daemon.path("tenants/bree.yaml"), daemon.path("next/bree.yaml")).unwrap();
    fs::rename(daemon.path("tenants"), daemon.path("before")).unwrap();
    fs::rename(daemon.path("next"), daemon.path("tenants")).unwrap();
    wait_until("the end of lokeren's session", || goes.list("/").is_err());
    stays.list("/").unwrap();
    // And in the new one, changes are noticed as well.
    daemon.write_tenant(&tenant("lokeren", "46029"));
    wait_for("lokeren to be let in", || daemon.try_session("lokeren", "lokeren").ok());
    stays.list("/").unwrap();
    // The table of municipalities counts too.
    let said = daemon.process().said().matches(CHANGED).count();
    let table = fs::read_to_string(daemon.path("municipalities.csv")).unwrap();
    fs::write(daemon.path("municipalities.csv"), format!("{table}\n")).unwrap();
    let process = daemon.process();
    wait_until("the new table", || {
        process.said().matches(CHANGED).count() > said || process.said().contains("not changed")
    });
}

#[test]
fn the_guide_names_the_port_that_is_listened_on() {
    let mut daemon = Plan::new().tenant(Tenant::municipality("bree", "72004")).start();
    let port = format!("Poort:       {}\n", daemon.address().port());
    let guide = |daemon: &TestDaemon| {
        let session = daemon.session("bree");
        let guide = session.download("/LEESMIJ.txt").unwrap();
        session.close();
        String::from_utf8(guide).unwrap().replace('\r', "")
    };
    assert!(guide(&daemon).contains(&port), "{}", guide(&daemon));
    // Another holds from the next start.
    let main = fs::read_to_string(daemon.config()).unwrap();
    let changed = main.replace("127.0.0.1:0", "127.0.0.1:2299");
    assert_ne!(main, changed);
    fs::write(daemon.config(), changed).unwrap();
    daemon.process().wait_for_line("configuration changed").unwrap();
    assert!(guide(&daemon).contains(&port), "{}", guide(&daemon));
}

#[test]
fn a_slip_in_one_tenants_file_takes_no_command_away_that_can_do_without() {
    let daemon = Plan::new().tenant(tenant("bree", "72004")).tenant(tenant("lokeren", "46029")).start();
    let file = daemon.path("tenants/lokeren.yaml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{good}foo: 1\n")).unwrap();
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["tenant", "why", "bree"],
        &["audit", "show"],
        &["retention", "--dry-run"],
        &["overview"],
        &["register", "info"],
    ] {
        let ran = daemon.groeikluis(command).well();
        assert!(ran.stderr.contains("unknown key `foo`"), "{command:?}: {}", ran.stderr);
    }
    let said = daemon.groeikluis(&["status"]).well().stdout;
    assert!(said.contains("the daemon is running"), "{said}");
    assert!(said.contains("while its files are at fault: 1,"), "{said}");
    assert_eq!(daemon.groeikluis(&["status", "--exit-code"]).code, Some(2));
    for command in [&["check"][..], &["plan"]] {
        assert_eq!(daemon.groeikluis(command).code, Some(78), "{command:?}");
    }
    // A file that no daemon has in force is nothing to go on with.
    let copy = daemon.path("copy.yaml");
    fs::copy(daemon.config(), &copy).unwrap();
    let mut other = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
    other.args(["status", "--config"]).arg(&copy);
    assert_eq!(run(&mut other, b"").code, Some(78));
}

#[test]
fn a_register_that_is_put_in_place_can_be_read_by_its_group() {
    let daemon = Plan::new().children(2_000).tenant(Tenant::municipality("bree", "72004")).start();
    let (register, incoming) = (daemon.path("register/register.csv.age"), daemon.path("incoming.age"));
    fs::copy(&register, &incoming).unwrap();
    fs::set_permissions(&incoming, fs::Permissions::from_mode(0o600)).unwrap();
    daemon.groeikluis(&["register", "load", incoming.to_str().unwrap()]).well();
    let (file, directory) = (fs::metadata(&register).unwrap(), fs::metadata(daemon.path("register")).unwrap());
    assert_eq!((file.mode() & 0o7777, file.gid()), (0o640, directory.gid()));
}

/// As Kubernetes puts files in place: a link to a directory beside them is changed for another.
#[test]
fn files_that_are_links_are_read_again_when_what_they_lead_to_is_changed() {
    let daemon = Plan::new().tenant(tenant("bree", "72004")).start();
    let tenants = daemon.path("tenants");
    let put = |version: &str, text: &str| {
        fs::create_dir(tenants.join(version)).unwrap();
        fs::write(tenants.join(version).join("bree.yaml"), text).unwrap();
        symlink(version, tenants.join("..data_tmp")).unwrap();
        fs::rename(tenants.join("..data_tmp"), tenants.join("..data")).unwrap();
    };
    let text = fs::read_to_string(tenants.join("bree.yaml")).unwrap();
    put("..one", &text);
    fs::remove_file(tenants.join("bree.yaml")).unwrap();
    symlink("..data/bree.yaml", tenants.join("bree.yaml")).unwrap();
    let session = daemon.session("bree");
    put("..two", &text.replace(ANYWHERE, "allow_from: [\"192.0.2.0/24\"]"));
    wait_until("the end of the session", || session.list("/").is_err());
    assert!(daemon.try_session("bree", "bree").is_err());
}
