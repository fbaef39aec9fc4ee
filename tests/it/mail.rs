//! Mail, as a mail server of another make gets it: what it says, in one for a batch, once, and also later.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use groeikluis::domain::Kind;
use jiff::ToSpan;
use serde_json::Value;

use crate::{
    clients::program::{installed, skip},
    support::{Plan, Protocol, Tenant, TestDaemon, replace, wait_for, wait_until},
};

/// A mail server of aiosmtpd, with what it got.
pub struct Sink {
    child: Child,
    port: u16,
    got: Arc<Mutex<Vec<Value>>>,
    reader: Option<JoinHandle<()>>,
}

impl Sink {
    /// Starts one on a port, 0 for a free one; none where it is not installed.
    fn start(port: u16, options: &[&str]) -> Option<Self> {
        Self::start_by(Command::new("env"), port, options)
    }

    /// The same by a program that runs another, such as one that puts it into a network of its own.
    pub fn start_by(mut command: Command, port: u16, options: &[&str]) -> Option<Self> {
        let python = installed("python/bin/python3");
        if !python.exists() {
            skip("mail", "python/bin/python3 is not installed; tests/run does that");
            return None;
        }
        command
            .arg(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/smtp_sink.py"))
            .arg(port.to_string())
            .args(options);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("the sink did not start").unwrap().parse().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let keeper = got.clone();
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                keeper.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Some(Self { child, port, got, reader: Some(reader) })
    }

    /// What it got so far.
    fn got(&self) -> Vec<Value> {
        self.got.lock().unwrap().clone()
    }

    /// Waits for so many mails to an address, and gives them.
    #[track_caller]
    pub fn wait(&self, to: &str, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} mails to {to}"), || {
            let mails: Vec<Value> = self.got().into_iter().filter(|mail| is_to(mail, to)).collect();
            (mails.len() >= count).then_some(mails)
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn is_to(mail: &Value, address: &str) -> bool {
    mail["to"].as_array().unwrap().iter().any(|to| to == address)
}

fn text<'a>(mail: &'a Value, key: &str) -> &'a str {
    mail[key].as_str().unwrap_or_else(|| panic!("no {key} in {mail}"))
}

fn header<'a>(mail: &'a Value, name: &str) -> &'a str {
    text(&mail["headers"], name)
}

const OPS: &str = "ops@uitwisseling.example";

/// The section of the main file for a sink; what happens within a second goes into one mail.
fn section(port: u16, more: &str) -> String {
    format!(
        "mail: {{smtp: \"127.0.0.1:{port}\", from: groeikluis@uitwisseling.example, ops: [{OPS}], gather_seconds: 1{more}}}"
    )
}

fn bree() -> Tenant {
    Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017"))
}

/// A list of some children of a municipality.
fn list(daemon: &TestDaemon, count: usize) -> Vec<u8> {
    let numbers: Vec<&str> = daemon.extract().children_of("72004").into_iter().take(count).collect();
    format!("niss\n{}\n", numbers.join("\n")).into_bytes()
}

/// What no mail may hold.
fn holds_no_secret(daemon: &TestDaemon, mails: &[Value]) {
    for mail in mails {
        assert_eq!(mail["defects"].as_array().unwrap().len(), 0, "{mail}");
        let raw = text(mail, "raw");
        for number in daemon.extract().children_of("72004") {
            assert!(!raw.contains(number), "a number of a person: {raw}");
        }
        assert!(!raw.contains("AGE-SECRET") && !raw.contains("PRIVATE KEY") && !raw.contains("kinderen"), "{raw}");
        assert_eq!((text(mail, "type"), text(mail, "charset")), ("text/plain", "utf-8"));
    }
}

#[test]
fn a_tenant_hears_what_is_ready_and_what_was_refused_in_one_mail() {
    let directory = tempfile::tempdir().unwrap();
    let Some(sink) = Sink::start(0, &["--tls", directory.path().to_str().unwrap()]) else { return };
    let ca = directory.path().join("ca.pem");
    let more = format!(", tls: starttls, ca: {}", ca.display());
    let line = section(sink.port, &more).replace("gather_seconds: 1", "gather_seconds: 20");
    let daemon = Plan::new().children(20_000).line(&line).tenant(bree()).start();
    daemon.put("bree", "kinderen.csv", &list(&daemon, 5));
    let answer = daemon.answer("bree", "kinderen.csv");
    daemon.put("bree", "kinderen2.csv", b"niss\n1\n2\n3\n");
    let rejection = daemon.rejection("bree", "kinderen2.csv");
    let mails = sink.wait("ict@bree.example", 1);
    let mail = &mails[0];
    assert_eq!(mail["tls"], true);
    assert_eq!(header(mail, "subject"), "groeikluis, Bestuur bree: 2 bestanden klaar, 1 bestand geweigerd");
    assert_eq!(header(mail, "auto-submitted"), "auto-generated");
    assert_eq!(header(mail, "list-id"), "groeikluis <groeikluis.uitwisseling.example>");
    assert_eq!(header(mail, "from"), "groeikluis <groeikluis@uitwisseling.example>");
    assert_eq!(header(mail, "to"), "ict@bree.example");
    assert!(header(mail, "message-id").ends_with("@uitwisseling.example>") && header(mail, "date").contains("202"));
    let body = text(mail, "body");
    assert!(body.contains(&format!("- {}\r\n", answer.manifest.file)), "{body}");
    assert!(body.contains(&format!("- {}\r\n", rejection.manifest.file)), "{body}");
    for part in ["In de map /outbox:", "te veel ongeldige nummers", "blijft staan tot en met", OPS, "LEESMIJ.txt"] {
        assert!(body.contains(part), "{part} is not in:\n{body}");
    }
    // Those who run the exchange hear of the refusal alone.
    let ops = sink.wait(OPS, 1);
    assert_eq!(header(&ops[0], "subject"), "groeikluis: 1 weigering");
    assert!(text(&ops[0], "body").contains("bree, OPG-2026-017: te veel ongeldige nummers"), "{}", ops[0]);
    holds_no_secret(&daemon, &sink.got());
    // The log tells of both, without an address.
    let sent = wait_for("entries of mails", || Some(daemon.events("mail.sent")).filter(|sent| sent.len() == 2));
    assert!(sent.iter().all(|entry| entry["outcome"] == "success" && entry["recipients"] == 1), "{sent:?}");
    assert!(sent.iter().all(|entry| !entry.to_string().contains('@') || !entry.to_string().contains("example")));
    assert!(
        sent.iter()
            .any(|entry| entry["tenant"] == "bree" && entry["topics"] == serde_json::json!(["ready", "refused"]))
    );
    if let Some(kept) = std::env::var_os("GROEIKLUIS_MAILS") {
        let bodies: Vec<&str> = [mail, &ops[0]].into_iter().map(|mail| text(mail, "body")).collect();
        fs::write(kept, bodies.join("\n=====\n")).unwrap();
    }
}

#[test]
fn a_server_that_is_not_who_it_should_be_gets_nothing() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(sink) = Sink::start(0, &["--tls", own.path().to_str().unwrap()]) else { return };
    let Some(_other) = Sink::start(0, &["--tls", other.path().to_str().unwrap()]) else { return };
    let more = format!(", tls: starttls, ca: {}", other.path().join("ca.pem").display());
    let mut daemon = Plan::new().children(20_000).line(&section(sink.port, &more)).tenant(bree()).start();
    daemon.put("bree", "kinderen.csv", &list(&daemon, 5));
    daemon.answer("bree", "kinderen.csv");
    let said = daemon.process().wait_for_line("mail waits").unwrap();
    assert!(said.contains("mail server cannot be spoken to"), "{said}");
    assert_eq!(sink.got().len(), 0);
}

#[test]
fn mail_waits_while_the_server_is_away_and_over_a_restart_and_comes_once() {
    // Where nothing else listens: the port stays free while the server is away.
    const AWAY: &str = "127.0.25.1";
    let port = TcpListener::bind((AWAY, 0)).unwrap().local_addr().unwrap().port();
    let start = || Sink::start(port, &["--address", AWAY]);
    if start().is_none() {
        return;
    }
    let line = section(port, "").replace("127.0.0.1", AWAY);
    let mut daemon = Plan::new().children(20_000).line(&line).tenant(bree()).start();
    daemon.put("bree", "kinderen.csv", &list(&daemon, 5));
    daemon.answer("bree", "kinderen.csv");
    daemon.process().wait_for_line("mail waits").unwrap();
    let kept = mails_in_outbox(&daemon);
    assert!(!kept.is_empty());
    for path in &kept {
        let bytes = fs::read(path).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("bree"), "an address in clear");
    }
    // Killed as it stands: what was in the outbox is there still, and the log is not read twice.
    daemon.kill9();
    let sink = start().unwrap();
    daemon.start();
    let mails = sink.wait("ict@bree.example", 1);
    assert_eq!(header(&mails[0], "subject"), "groeikluis, Bestuur bree: 2 bestanden klaar");
    wait_until("an empty outbox", || mails_in_outbox(&daemon).is_empty());
    // Away, while it runs.
    drop(sink);
    daemon.wait_for_register();
    daemon.put("bree", "nog.csv", &list(&daemon, 7));
    daemon.answer("bree", "nog.csv");
    wait_until("a mail that waits", || !mails_in_outbox(&daemon).is_empty());
    let sink = start().unwrap();
    let mails = sink.wait("ict@bree.example", 1);
    assert!(text(&mails[0], "body").contains("sociale-toeslag_72004"), "{}", mails[0]);
    wait_until("an empty outbox", || mails_in_outbox(&daemon).is_empty());
    // Started again, in order and not: nobody hears it twice.
    for _ in 0..2 {
        let (status, _) = daemon.terminate();
        assert!(status.success());
        daemon.start();
        daemon.wait_for_register();
        daemon.kill9();
        daemon.start();
        daemon.wait_for_register();
    }
    daemon.put("bree", "laatste.csv", &list(&daemon, 9));
    daemon.answer("bree", "laatste.csv");
    let mails = sink.wait("ict@bree.example", 2);
    let mut ids: Vec<&str> = mails.iter().map(|mail| header(mail, "message-id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((mails.len(), ids.len()), (2, 2), "{mails:#?}");
    assert!(daemon.events("mail.sent").iter().all(|entry| entry["outcome"] == "success"));
}

#[test]
fn an_address_that_is_refused_keeps_nobody_else_from_the_mail() {
    let Some(sink) = Sink::start(0, &["--refuse", "weg@uitwisseling.example"]) else { return };
    let line = section(sink.port, "").replace(&format!("[{OPS}]"), &format!("[weg@uitwisseling.example, {OPS}]"));
    let mut daemon = Plan::new().children(20_000).line(&line).tenant(bree()).start();
    // A register that cannot be opened is refused.
    replace(&daemon.path("register/register.csv.age"), b"no register");
    let mails = sink.wait(OPS, 1);
    assert_eq!(header(&mails[0], "subject"), "groeikluis: register geweigerd");
    assert!(text(&mails[0], "body").contains("gaat niet open met de sleutel"), "{}", mails[0]);
    daemon.process().wait_for_line("refuses addresses").unwrap();
    wait_until("an empty outbox", || mails_in_outbox(&daemon).is_empty());
    let sent = daemon.events("mail.sent");
    let of = |outcome: &str| sent.iter().filter(|entry| entry["outcome"] == outcome).collect::<Vec<_>>();
    assert_eq!(of("success").len(), 1, "{sent:?}");
    assert_eq!((of("failure").len(), &of("failure")[0]["reason"]), (1, &Value::from("address-refused")), "{sent:?}");
}

#[test]
fn whoever_runs_the_exchange_hears_what_ends_and_the_server_may_want_a_password() {
    let directory = tempfile::tempdir().unwrap();
    let tls = directory.path().to_str().unwrap();
    let Some(sink) = Sink::start(0, &["--tls", tls, "--login", "groeikluis", "geheim-woord"]) else { return };
    let more = format!(
        ", tls: starttls, ca: {}, user: groeikluis, password: keys/mail.password",
        directory.path().join("ca.pem").display()
    );
    let today = groeikluis::durable::Clock::system().today();
    let (soon, late) = (today.saturating_add(20.days()), today.saturating_add(90.days()));
    let ending = Protocol::new("OPG-2026-018").valid(today.saturating_sub(2.months()), soon);
    let later = Protocol::new("OPG-2026-019").valid(today.saturating_sub(2.months()), late);
    let tenant = bree().protocol(ending).protocol(later);
    let mut daemon =
        TestDaemon::over(Plan::new().children(20_000).line(&section(sink.port, &more)).tenant(tenant).lay_out());
    write_secret(&daemon.path("keys/mail.password"), "geheim-woord\n");
    assert_eq!(daemon.groeikluis(&["check"]).code, Some(0));
    daemon.start();
    let mails = sink.wait(OPS, 1);
    assert_eq!(mails[0]["login"], true);
    let body = text(&mails[0], "body");
    assert!(body.contains("bree: protocol OPG-2026-018 geldt tot en met") && body.contains("nog 20 dagen"), "{body}");
    assert!(!body.contains("OPG-2026-019") && !body.contains("geheim-woord"), "{body}");
    holds_no_secret(&daemon, &mails);
    if let Some(kept) = std::env::var_os("GROEIKLUIS_MAILS") {
        fs::write(Path::new(&kept).with_extension("ends.txt"), body).unwrap();
    }
}

#[test]
fn whoever_runs_the_exchange_hears_of_a_start_that_was_refused() {
    let Some(sink) = Sink::start(0, &[]) else { return };
    let daemon = TestDaemon::over(Plan::new().line(&section(sink.port, "")).tenant(bree()).lay_out());
    let alert_of = |daemon: &TestDaemon, unit: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        command.args(["alert", "--unit", unit, "--config"]).arg(daemon.config());
        command.env("MONITOR_SERVICE_RESULT", "exit-code").env("MONITOR_EXIT_STATUS", "78 of <b>").output().unwrap()
    };
    let alert = |daemon: &TestDaemon| alert_of(daemon, "groeikluis.service");
    let said = alert(&daemon);
    assert!(said.status.success(), "{said:?}");
    fs::write(daemon.path("tenants/bree.yaml"), "id: bree\nkleur: rood\n").unwrap();
    assert_eq!(daemon.groeikluis(&["serve"]).code, Some(78));
    assert!(alert(&daemon).status.success());
    let mails = sink.wait(OPS, 2);
    assert_eq!(header(&mails[1], "subject"), "groeikluis: groeikluis.service loopt niet");
    let body = |mail: &Value| text(mail, "body").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        body(&mails[0]).contains("(exit-code)") && !body(&mails[0]).contains("configuratie is niet"),
        "{}",
        mails[0]
    );
    let faulty = body(&mails[1]);
    assert!(faulty.contains("bree.yaml:2:1: unknown key `kleur`") && faulty.contains("journalctl -u"), "{faulty}");
    // That another unit failed keeps nobody from logging in.
    assert!(alert_of(&daemon, "groeikluis-daily.service").status.success());
    let daily = sink.wait(OPS, 3).remove(2);
    assert_eq!(header(&daily, "subject"), "groeikluis: groeikluis-daily.service is mislukt");
    let told = body(&daily);
    assert!(body(&mails[0]).contains("kan geen bestuur aanmelden") && !told.contains("aanmelden"), "{told}");
    assert!(told.contains("dagelijkse werk is niet klaar") && told.contains("-u groeikluis-daily.service"), "{told}");
    assert_eq!(daemon.groeikluis(&["alert", "--unit", "a b"]).code, Some(64));
    // Where nobody is to be told, it says so.
    fs::write(daemon.config(), fs::read_to_string(daemon.config()).unwrap().replace("mail:", "# mail:")).unwrap();
    assert!(String::from_utf8_lossy(&alert(&daemon).stderr).contains("names nobody to tell"));
}

#[test]
fn certificates_for_mail_are_looked_at_before_they_are_needed() {
    let daemon =
        TestDaemon::over(Plan::new().line(&section(25, ", tls: starttls, ca: ca.pem")).tenant(bree()).lay_out());
    let check = |daemon: &TestDaemon| daemon.groeikluis(&["check"]);
    let lacks = check(&daemon);
    assert_eq!(lacks.code, Some(78), "{lacks:?}");
    assert!(lacks.stderr.contains("groeikluis.yaml:") && lacks.stderr.contains("No such file"), "{}", lacks.stderr);
    fs::write(daemon.path("ca.pem"), "no certificate\n").unwrap();
    assert!(check(&daemon).stderr.contains("no certificate in PEM form"), "{}", check(&daemon).stderr);
    let line =
        fs::read_to_string(daemon.config()).unwrap().lines().position(|line| line.starts_with("mail:")).unwrap() + 1;
    assert!(check(&daemon).stderr.contains(&format!("groeikluis.yaml:{line}:")), "{}", check(&daemon).stderr);
}

#[test]
fn a_fetched_test_file_is_told_as_a_trial() {
    let Some(sink) = Sink::start(0, &[]) else { return };
    let daemon = Plan::new().children(20_000).line(&section(sink.port, "")).line("language: en").tenant(bree()).start();
    let session = daemon.session("bree");
    session.upload("/test/inbox/proef.csv", b"niss\n1\n").unwrap();
    session.close();
    daemon.wait_for_file("bree", "/test/outbox", "proef.csv", Kind::Weigering);
    let mails = sink.wait("ict@bree.example", 1);
    assert_eq!(header(&mails[0], "subject"), "groeikluis, Bestuur bree: 1 file refused");
    assert!(text(&mails[0], "body").contains("/test/outbox (a trial, no real data)"), "{}", mails[0]);
    // A trial concerns its tenant alone: those who run the exchange hear of what came after it, and of nothing else.
    daemon.put("bree", "echt.csv", b"naam\nJan\n");
    let ops = sink.wait(OPS, 1);
    assert_eq!((ops.len(), header(&ops[0], "subject")), (1, "groeikluis: 1 refusal"));
}

fn mails_in_outbox(daemon: &TestDaemon) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(daemon.path("state/mail")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().ends_with(".mail.age")).collect()
}

fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
