//! The package's units under a systemd that runs: what it starts, keeps running, stops, and lets nobody do.
//!
//! A system call that the units forbid ends its process here, instead of an error that might go unseen.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use jiff::ToSpan;

use super::{
    debian::{make_package, make_root, place},
    machine::Machine,
};
use crate::{
    mail::Sink,
    support::{Plan, Protocol, Ran, Tenant, http, wait_for, wait_until},
};

/// With the clients that a municipality has.
const PACKAGES: [&str; 7] = ["adduser", "tzdata", "systemd", "systemd-sysv", "dbus", "openssh-client", "age"];

const SERVICES: [&str; 4] = ["groeikluis", "groeikluis-console", "groeikluis-daily", "groeikluis-failed@"];

/// What is enabled.
const UNITS: &str = "groeikluis.socket groeikluis.service groeikluis-console.service groeikluis-daily.timer";

const MAIN_FILE: &str = "/etc/groeikluis/groeikluis.yaml";

/// As the comments of the example give for production; with a mail server.
const MAIN: &str = r#"environment: production
state_dir: /var/lib/groeikluis
high_water_dir: /var/lib/groeikluis-highwater
spool_dir: /run/groeikluis/spool
host_keys: [credential:host_ed25519]
exchange_identity: credential:exchange.agekey
register: {path: /var/lib/groeikluis-register/register.csv.age, identity: credential:register.agekey}
log: {origin: groeikluis.test/2026, key: credential:log.key}
mail: {smtp: "127.0.0.1:2525", from: groeikluis@uitwisseling.example, ops: [ops@uitwisseling.example], gather_seconds: 1}
"#;

/// Who answers for a key.
const OWNER: &str = "Anneleen";

/// Where the tenant's files are on the machine, with what it logs in with.
const CLIENT: &str = "/srv/client";

struct Booted {
    machine: Machine,
    root: std::path::PathBuf,
    /// Numbers of the tenant's children.
    numbers: Vec<String>,
}

#[test]
fn the_units_do_what_they_say_under_a_systemd_that_runs() {
    if !Machine::can_be_had("booted") {
        return;
    }
    let directory = place();
    let Some(package) = make_package("booted", directory.path()) else { return };
    let Some(root) = make_root("booted", directory.path(), &PACKAGES) else { return };
    fs::copy(&package, root.join("opt/groeikluis.deb")).unwrap();
    for service in SERVICES {
        let place = root.join(format!("etc/systemd/system/{service}.service.d"));
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("kill.conf"), "[Service]\nSystemCallErrorNumber=kill\n").unwrap();
    }
    let machine = Machine::boot(&root);
    machine.run("dpkg -i /opt/groeikluis.deb").well();
    for unit in UNITS.split(' ') {
        assert_eq!(machine.property(unit, "ActiveState"), "inactive", "{unit}: a first installation starts nothing");
    }
    let booted = Booted { machine, numbers: configure(&root), root };
    booted.a_start_that_is_refused_is_told_by_mail();
    booted.everything_starts();
    booted.operators_need_no_more_than_root();
    booted.a_list_is_answered();
    booted.what_ends_by_a_fault_is_started_again();
    booted.what_lies_in_the_spool_outlasts_a_restart();
    booted.a_reload_with_a_fault_is_told_and_changes_nothing();
    booted.the_day_is_done();
    booted.the_console_answers();
    booted.the_journal_has_fields_and_no_personal_data();
    booted.a_backup_is_put_back();
    booted.an_upgrade_goes_on();
    booted.a_removal_ends_it();
    let everything = booted.run("journalctl --sync && journalctl --no-pager").well().stdout;
    assert!(!everything.contains("status=31"), "a system call was needed and forbidden: {everything}");
}

/// The files of operators, as they lie where the package wants them; the tenant's is at fault. Gives numbers of children.
fn configure(root: &Path) -> Vec<String> {
    let tenant = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child());
    let laid_out = Plan::new().children(20_000).tenant(tenant).lay_out();
    let (from, to) = (laid_out.root.path(), root.join("etc/groeikluis"));
    for key in ["host_ed25519", "exchange.agekey", "register.agekey", "log.key"] {
        fs::copy(from.join("keys").join(key), to.join("keys").join(key)).unwrap();
    }
    for file in ["sources.yaml", "municipalities.csv"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    fs::write(to.join("groeikluis.yaml"), MAIN).unwrap();
    fs::write(to.join("tenants/bree.yaml"), "id: bree\n").unwrap();
    let client = root.join(&CLIENT[1..]);
    fs::create_dir(&client).unwrap();
    for (file, name) in [
        ("keys/bree_ed25519", "login"),
        ("keys/bree.agekey", "bree.agekey"),
        ("tenants/bree.yaml", "bree.yaml"),
        ("register/register.csv.age", "extract.age"),
    ] {
        fs::copy(from.join(file), client.join(name)).unwrap();
    }
    fs::write(client.join("known_hosts"), format!("[127.0.0.1]:2222 {}\n", laid_out.host_line)).unwrap();
    let numbers: Vec<String> = laid_out.extract.children_of("72004").into_iter().map(str::to_owned).collect();
    fs::write(client.join("kinderen.csv"), format!("niss\n{}\n", numbers[..4].join("\n"))).unwrap();
    numbers
}

impl Booted {
    fn run(&self, line: &str) -> Ran {
        self.machine.run(line)
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.root.join(below)
    }

    /// `sftp` on the machine itself, as the tenant.
    fn sftp(&self, batch: &str) -> Ran {
        let line = format!(
            "cd {CLIENT} && sftp -q -P 2222 -i login -o UserKnownHostsFile=known_hosts -o BatchMode=yes -b - bree@127.0.0.1"
        );
        self.machine.run_with(&line, batch)
    }

    /// The service's process.
    fn process(&self) -> String {
        self.machine.property("groeikluis.service", "MainPID")
    }

    #[track_caller]
    fn wait_for_another_process(&self, than: &str) {
        wait_until("the service to run again", || {
            let process = self.process();
            let active = self.machine.property("groeikluis.service", "ActiveState") == "active";
            active && process != "0" && process != than
        });
    }

    fn a_start_that_is_refused_is_told_by_mail(&self) {
        let sink = Sink::start_by(self.machine.in_its_network(), 2525, &[]);
        let check = self.run("groeikluis check");
        assert_eq!(check.code, Some(78), "{check:?}");
        assert_ne!(self.run("systemctl start groeikluis.service").code, Some(0));
        let property = |name| self.machine.property("groeikluis.service", name);
        assert_eq!((property("ExecMainStatus"), property("NRestarts")), ("78".to_owned(), "0".to_owned()));
        let unit = "groeikluis-failed@groeikluis.service.service";
        wait_until("the mail to be sent", || self.machine.journal(unit).contains("Finished") || sink.is_none());
        if let Some(sink) = sink {
            let mail = &sink.wait("ops@uitwisseling.example", 1)[0];
            let body = mail["body"].as_str().unwrap();
            assert!(body.contains("groeikluis.service") && body.contains("bree.yaml"), "{body}");
        }
        fs::copy(self.path(&format!("{CLIENT}/bree.yaml")[1..]), self.path("etc/groeikluis/tenants/bree.yaml"))
            .unwrap();
        // Before the service runs, nobody has its credentials.
        let check = self.run("groeikluis check");
        assert!(check.stderr.contains("CREDENTIALS_DIRECTORY=/etc/groeikluis/keys"), "{check:?}");
        self.run("CREDENTIALS_DIRECTORY=/etc/groeikluis/keys groeikluis check").well();
    }

    fn everything_starts(&self) {
        self.run(&format!("systemctl enable --now {UNITS}")).well();
        for unit in UNITS.split(' ') {
            assert_eq!(self.machine.property(unit, "ActiveState"), "active", "{unit}");
        }
        let users = fs::read_to_string(self.path("etc/passwd")).unwrap();
        let user =
            users.lines().find_map(|line| line.strip_prefix("groeikluis:x:")).unwrap().split(':').next().unwrap();
        for state in ["var/lib/groeikluis", "var/lib/groeikluis-highwater"] {
            let metadata = fs::metadata(self.path(state)).unwrap();
            assert_eq!((metadata.uid().to_string().as_str(), metadata.permissions().mode() & 0o777), (user, 0o700));
        }
        let spool = self.run("stat -f -c %T /run/groeikluis && stat -c '%U %a' /run/groeikluis").well().stdout;
        assert_eq!(spool, "tmpfs\ngroeikluis 700\n");
    }

    /// Root has the keys from the service; what root may not write, because its owner could not use it then, is refused.
    fn operators_need_no_more_than_root(&self) {
        self.run(&format!("groeikluis register load {CLIENT}/extract.age")).well();
        wait_until("the register", || self.machine.journal("groeikluis").contains("register loaded"));
        for command in
            ["check", "register info", "status", "overview", "plan", "tenant why bree", "retention --dry-run"]
        {
            self.run(&format!("groeikluis {command}")).well();
        }
        for command in ["verify", "show", "erase"] {
            self.run(&format!("groeikluis audit {command}")).well();
        }
        for command in
            ["daily", "serve", "ledger rebuild", "backup --to /root --recipient $(age-keygen -y bree.agekey)"]
        {
            let refused = self.run(&format!("cd {CLIENT} && groeikluis {command}"));
            assert!(refused.code != Some(0) && refused.stderr.contains("belongs to user"), "{command}: {refused:?}");
        }
        let foreign = "find /var/lib/groeikluis /var/lib/groeikluis-highwater ! -user groeikluis";
        assert_eq!(self.run(foreign).well().stdout, "");
    }

    fn a_list_is_answered(&self) {
        self.sftp("put kinderen.csv inbox/\n").well();
        let answer = wait_for("an answer", || {
            let listed = self.sftp("ls -1 outbox\n").well().stdout;
            let names = listed.lines().filter_map(|line| line.trim().strip_prefix("outbox/")).map(str::to_owned);
            names.into_iter().find(|name| name.starts_with("sociale-toeslag_72004") && name.ends_with(".csv.age"))
        });
        self.sftp(&format!("get outbox/{answer}\n")).well();
        let opened = self.run(&format!("cd {CLIENT} && age -d -i bree.agekey {answer}")).well().stdout;
        assert!(opened.starts_with("niss;") && opened.lines().count() == 5, "{opened}");
    }

    fn what_ends_by_a_fault_is_started_again(&self) {
        let killed = self.process();
        self.run(&format!("kill -KILL {killed}")).well();
        self.wait_for_another_process(&killed);
        assert_eq!(self.machine.property("groeikluis.service", "NRestarts"), "1");
        // A watchdog with less patience than the package's, for this once.
        let line = "mkdir -p /run/systemd/system/groeikluis.service.d && cd /run/systemd/system/groeikluis.service.d && \
                    printf '[Service]\\nWatchdogSec=5\\n' >watchdog.conf && systemctl daemon-reload && \
                    systemctl restart groeikluis.service";
        self.run(line).well();
        let hangs = self.process();
        self.run(&format!("kill -STOP {hangs}")).well();
        self.wait_for_another_process(&hangs);
        assert!(self.machine.journal("groeikluis").contains("Watchdog timeout"));
        self.run("rm -r /run/systemd/system/groeikluis.service.d && systemctl daemon-reload").well();
        // More starts than operators make within minutes come after these, and are not to count with them.
        self.run("systemctl reset-failed groeikluis.service").well();
        // Nobody listens but systemd, and a connection waits for the service that it starts.
        self.run("systemctl stop groeikluis.service").well();
        assert_eq!(self.machine.property("groeikluis.service", "Result"), "success");
        self.sftp("ls outbox\n").well();
    }

    /// One file that may not leave, and one that is not complete: neither is the service manager's to remove.
    fn what_lies_in_the_spool_outlasts_a_restart(&self) {
        let spool = "/run/groeikluis/spool";
        let hand_over = format!(
            "runuser -u groeikluis -- sh -c 'cd {spool} && mkdir -p bree/OPG-2026-017/gegevens && \
             cd bree/OPG-2026-017/gegevens && echo niss >later.csv.part && echo niss >fout.tmp && mv fout.tmp fout.csv'"
        );
        self.run(&hand_over).well();
        let refused = format!("test -f {spool}/.refused/bree~OPG-2026-017~gegevens~fout.csv");
        wait_until("the refusal", || self.run(&refused).code == Some(0));
        let before = self.process();
        self.run("systemctl restart groeikluis.service").well();
        self.wait_for_another_process(&before);
        let listed = self.run(&format!("cd {spool} && find . -type f | sort")).well().stdout;
        let expected = "./.refused/bree~OPG-2026-017~gegevens~fout.csv\n\
                        ./.refused/bree~OPG-2026-017~gegevens~fout.csv.reason\n\
                        ./bree/OPG-2026-017/gegevens/later.csv.part\n";
        assert_eq!(listed, expected);
        let status = self.run("groeikluis status").well().stdout;
        assert!(status.contains("files handed over that may not leave: 1"), "{status}");
        self.run("systemctl stop groeikluis.service").well();
        assert_eq!(self.run(&format!("cd {spool} && find . -type f | sort")).well().stdout, expected);
        self.run("systemctl start groeikluis.service").well();
    }

    fn a_reload_with_a_fault_is_told_and_changes_nothing(&self) {
        let (main, process) = (self.path(&MAIN_FILE[1..]), self.process());
        self.run("systemctl reload groeikluis.service").well();
        wait_until("the reload", || self.machine.journal("groeikluis").contains("configuration read again"));
        fs::write(&main, MAIN.replace("production", "somewhere")).unwrap();
        assert_ne!(self.run("systemctl reload groeikluis.service").code, Some(0));
        let fault = format!("{MAIN_FILE}:1:14: `environment` `somewhere` is not known");
        assert!(self.run("systemctl status --no-pager groeikluis.service").stdout.contains(&fault));
        assert_eq!(self.process(), process);
        self.sftp("ls outbox\n").well();
        fs::write(&main, MAIN).unwrap();
        // Whose key is changed, and which it is, is not for the journal. It ends soon, and so `plan` names whose it is.
        let tenant = self.path("etc/groeikluis/tenants/bree.yaml");
        let before = fs::read_to_string(&tenant).unwrap();
        let soon = groeikluis::durable::Clock::system().today().saturating_add(20.days());
        let changed = before.replacen("owner: \"", &format!("expires: {soon}, owner: \"{OWNER} "), 1);
        assert_ne!(changed, before);
        fs::write(&tenant, changed).unwrap();
        assert!(self.run("groeikluis plan").well().stdout.contains(OWNER));
        let printed = self.run(&format!("ssh-keygen -lf {CLIENT}/login")).well().stdout;
        let fingerprint = printed.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap().to_owned();
        let reloads = || {
            let journal = self.machine.journal("groeikluis");
            let said = ["configuration read again", "configuration changed"];
            said.map(|said| journal.matches(said).count()).iter().sum::<usize>()
        };
        let earlier = reloads();
        self.run("systemctl reload groeikluis.service").well();
        wait_until("the reload", || reloads() > earlier);
        let journal = self.machine.journal("groeikluis");
        assert!(!journal.contains(OWNER) && !journal.contains(&fingerprint), "{journal}");
        fs::write(&tenant, before).unwrap();
        let earlier = reloads();
        self.run("systemctl reload groeikluis.service").well();
        wait_until("the reload back", || reloads() > earlier);
    }

    fn the_day_is_done(&self) {
        let next = self.machine.property("groeikluis-daily.timer", "NextElapseUSecRealtime");
        assert!(!next.is_empty(), "the timer does not know its next time");
        self.run("systemctl start groeikluis-daily.service").well();
        let reports = self.run("stat -c '%U %n' /var/lib/groeikluis/reports/*.html").well().stdout;
        assert!(reports.starts_with("groeikluis ") && reports.lines().count() == 1, "{reports}");
    }

    fn the_console_answers(&self) {
        let mut stream = self.machine.connect("/run/groeikluis-console/socket");
        let page = http::ask_over(&mut stream, "localhost", "GET", "/tenants", &[]).well();
        assert!(page.contains("bree"), "{page}");
        let mut stream = self.machine.connect("/run/groeikluis-console/socket");
        let overview = http::ask_over(&mut stream, "localhost", "GET", "/", &[]).well();
        assert!(overview.contains("in de spool ligt, ziet deze console niet"), "{overview}");
        assert!(!overview.contains("draait niet"), "{overview}");
        // Who may reach the socket may reach nothing else of the exchange, and neither keys nor the spool are the console's.
        let socket =
            self.run("stat -c '%U %G %a' /run/groeikluis-console /run/groeikluis-console/socket").well().stdout;
        assert_eq!(socket, "groeikluis groeikluis-console 750\ngroeikluis groeikluis-console 660\n");
        let seen = format!("/proc/{}/root", self.machine.property("groeikluis-console.service", "MainPID"));
        for hidden in ["credentials", "groeikluis"] {
            assert_ne!(self.run(&format!("ls -A /run/{hidden}")).well().stdout, "", "{hidden}");
            assert_eq!(self.run(&format!("ls -A {seen}/run/{hidden}")).well().stdout, "", "{hidden}");
        }
    }

    fn the_journal_has_fields_and_no_personal_data(&self) {
        let lines = self.run("journalctl --sync && journalctl --no-pager -o json -u groeikluis").well().stdout;
        let entries: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let loaded =
            entries.iter().find(|entry| entry["MESSAGE"].as_str().unwrap_or("").starts_with("register loaded"));
        let loaded = loaded.expect("the register's entry");
        assert!(loaded["GROEIKLUIS_ROWS"].is_string() && loaded["_SYSTEMD_UNIT"] == "groeikluis.service", "{loaded}");
        for secret in
            self.numbers.iter().map(String::as_str).chain(["AGE-SECRET", "PRIVATE KEY", "kinderen.csv", OWNER])
        {
            assert!(!lines.contains(secret), "{secret} is in the journal");
        }
    }

    /// As the README has it, word for word. The machine was lost, and with it the mark.
    fn a_backup_is_put_back(&self) {
        let readme = include_str!("../../../README.md");
        let begin = readme.find("systemd-run --pipe").expect("the README's line");
        let line = readme[begin..].split("```").next().unwrap().replace("--from FILE", "--from /srv/backup.age");
        let key = "/media/safe/backup.agekey";
        assert!(line.contains(key), "{line}");
        self.run(&format!("mkdir -p /media/safe && age-keygen -o {key} && chgrp groeikluis /srv && chmod g+w /srv"))
            .well();
        let backup = "groeikluis backup --to /srv/backup.age --recipient";
        self.run(&format!("runuser -u groeikluis -- {backup} $(age-keygen -y {key})")).well();
        self.run("systemctl stop groeikluis.socket groeikluis.service groeikluis-console.service").well();
        self.run("cd /var/lib && mv groeikluis groeikluis-highwater /srv/").well();
        let refused = self.run(&line);
        assert!(refused.code != Some(0) && refused.stderr.contains("--without-mark"), "{refused:?}");
        self.run(&format!("{} --without-mark", line.trim_end())).well();
        self.run(&format!("systemctl start {UNITS}")).well();
        let listed = self.sftp("ls -1 outbox\n").well().stdout;
        assert!(listed.contains("sociale-toeslag_72004"), "{listed}");
    }

    fn an_upgrade_goes_on(&self) {
        let before = self.process();
        self.run("dpkg -i /opt/groeikluis.deb").well();
        self.wait_for_another_process(&before);
        for unit in UNITS.split(' ') {
            assert_eq!(self.machine.property(unit, "ActiveState"), "active", "{unit}");
        }
        self.sftp("ls outbox\n").well();
    }

    fn a_removal_ends_it(&self) {
        self.run("dpkg -r groeikluis").well();
        let journal = self.machine.journal("groeikluis");
        assert!(journal.lines().rev().take(5).any(|line| line.contains("Deactivated successfully")), "{journal}");
        for unit in UNITS.split(' ') {
            assert_eq!(self.machine.property(unit, "LoadState"), "not-found", "{unit}");
            assert_eq!(self.machine.property(unit, "ActiveState"), "inactive", "{unit}");
        }
        assert_ne!(self.sftp("ls outbox\n").code, Some(0), "somebody still listens");
        let said = self.run("dpkg -P groeikluis").well().stdout;
        assert!(said.contains("kept: /etc/groeikluis"), "{said}");
        assert!(
            self.path("var/lib/groeikluis/log/checkpoint").is_file()
                && self.path("etc/groeikluis/keys/log.key").is_file()
        );
        assert_eq!(self.run("systemctl is-system-running").stdout.trim(), "running");
    }
}
