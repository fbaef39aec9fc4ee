//! Keys that are replaced with a time in which both are good, by the steps that `keys rotate` tells.

use std::{fs, process::Command};

use groeikluis::{
    domain::{Kind, SshPublicKey},
    durable::Clock,
    seal::Keyring,
};
use serde_json::Value;

use crate::support::{Access, Plan, Protocol, Tenant, TestDaemon, run};

fn start() -> TestDaemon {
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child());
    // Nobody listens at that port: mails wait.
    let mail = "mail: {smtp: \"127.0.0.1:9\", from: groeikluis@uitwisseling.example, ops: [ops@uitwisseling.example], \
                gather_seconds: 1}";
    Plan::new().children(20_000).line(mail).tenant(bree).start()
}

fn list(daemon: &TestDaemon, without: usize) -> Vec<u8> {
    format!("niss\n{}\n", daemon.extract().children_of("72004")[without..].join("\n")).into_bytes()
}

/// Makes the new key; gives its name below the configuration's directory, its public part, and the steps.
fn rotate(daemon: &TestDaemon, kind: &str, old: &str) -> (String, String, String) {
    let before = Clock::system().today();
    let said = daemon.groeikluis(&["keys", "rotate", kind]).well().stdout;
    // Midnight may have come in between.
    let days = [before, Clock::system().today()];
    let (stem, ending) = old.split_once('.').map_or((old, String::new()), |(stem, rest)| (stem, format!(".{rest}")));
    let mut names = days.iter().map(|day| format!("{stem}-{day}{ending}"));
    let name = names.find(|name| daemon.path(name).exists()).unwrap_or_else(|| panic!("{days:?}: {said}"));
    (name, said.lines().nth(1).unwrap().to_owned(), said)
}

fn set(daemon: &TestDaemon, key: &str, line: &str) {
    let text = fs::read_to_string(daemon.config()).unwrap();
    let lines = text.lines().map(|old| if old.starts_with(key) { line } else { old });
    fs::write(daemon.config(), lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
}

fn guide(access: &Access) -> String {
    let session = access.connect("bree", "bree").unwrap();
    let guide = String::from_utf8(session.download("/LEESMIJ.txt").unwrap()).unwrap();
    session.close();
    guide
}

/// The mails that wait.
fn mails(daemon: &TestDaemon) -> Vec<Vec<u8>> {
    let paths = fs::read_dir(daemon.path("state/mail")).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.to_str().unwrap().ends_with(".mail.age"));
    paths.map(|path| fs::read(path).unwrap()).collect()
}

/// How many disclosures of logins are told.
fn disclosed(daemon: &TestDaemon) -> usize {
    let day = Clock::system().now().strftime("%Y-%m-%d").to_string();
    let arguments = ["audit", "disclose", "--json", "--motive", "een test van sleutels", "--from", &day, "--to", &day];
    let told: Value = serde_json::from_str(&daemon.groeikluis(&arguments).well().stdout).unwrap();
    assert_eq!(told["erased"], 0);
    told["disclosures"].as_array().unwrap().iter().filter(|row| row["name"] == "ip").count()
}

#[test]
fn the_exchanges_key_is_replaced_without_losing_what_was_sealed_to_it() {
    let mut daemon = start();
    daemon.put("bree", "lijst.csv", &list(&daemon, 0));
    daemon.answer("bree", "lijst.csv");
    assert!(daemon.try_session("iemand", "bree").is_err());
    let (name, new, said) = rotate(&daemon, "exchange", "keys/exchange.agekey");
    assert!(said.contains(&format!("exchange_identity: {name}")), "{said}");
    let again = daemon.groeikluis(&["keys", "rotate", "exchange"]);
    assert_eq!(again.code, Some(1), "nothing is overwritten");
    let old = daemon.exchange_recipient();
    let sealed_to_old = daemon.seal(&list(&daemon, 1));
    let told = disclosed(&daemon);
    daemon.terminate();
    let waiting = mails(&daemon).len();
    assert!(waiting > 0);

    set(&daemon, "exchange_identity:", &format!("exchange_identity: {name}"));
    daemon.start();
    daemon.wait_for_register();
    let guide = guide(&daemon.access());
    assert!(guide.contains(&new) && !guide.contains(&old), "{guide}");
    daemon.put("bree", "oud.csv.age", &sealed_to_old);
    daemon.answer("bree", "oud.csv.age");
    let line = daemon.process().wait_for_line("disclosures are sealed to the key in use now");
    assert!(line.is_some());
    daemon.terminate();

    // Nobody needs the old key any more.
    let both = fs::read_to_string(daemon.path(&name)).unwrap();
    let alone = both.lines().take(2).collect::<Vec<_>>().join("\n") + "\n";
    let keyring = Keyring::parse(&alone).unwrap();
    assert_eq!(keyring.recipients()[0].to_string(), new);
    // Mails that waited before are among them.
    let sealed = mails(&daemon);
    assert!(sealed.len() >= waiting && sealed.iter().all(|mail| keyring.open_whole(&mail[..], u64::MAX).is_ok()));
    fs::write(daemon.path(&name), alone).unwrap();
    fs::remove_file(daemon.path("keys/exchange.agekey")).unwrap();
    daemon.start();
    daemon.wait_for_register();
    assert!(disclosed(&daemon) > told);
    daemon.groeikluis(&["tenant", "why", "bree"]).well();
    daemon.put("bree", "nog-eens.csv", &list(&daemon, 0));
    assert!(daemon.rejection("bree", "nog-eens.csv").text.contains("duplicate"));
    let stranger = daemon.seal(&list(&daemon, 2));
    let session = daemon.session("bree");
    assert!(session.upload("/inbox/te-laat.csv.age", &stranger).is_err());
    session.close();
    daemon.wait_for_file("bree", "/outbox", "te-laat.csv.age", Kind::Weigering);
}

#[test]
fn a_host_key_is_announced_before_clients_see_it() {
    let mut daemon = start();
    let (name, public, _) = rotate(&daemon, "host", "keys/host_ed25519");
    let new = SshPublicKey::parse(&public).unwrap();
    daemon.terminate();
    set(&daemon, "host_keys:", &format!("host_keys: [keys/host_ed25519, {name}]"));
    daemon.start();
    let told = guide(&daemon.access());
    assert!(told.contains("Binnenkort vervangen door:") && told.contains(&new.fingerprint()), "{told}");
    assert!(told.contains(&daemon.host_key().fingerprint()), "{told}");
    // OpenSSH asks for nothing: it is the key that it knows.
    daemon.sftp("bree", "ls\n").well();
    daemon.terminate();
    set(&daemon, "host_keys:", &format!("host_keys: [{name}]"));
    daemon.start();
    assert!(daemon.try_session("bree", "bree").is_err());
    let access = Access { host_key: new.clone(), ..daemon.access() };
    let told = guide(&access);
    assert!(told.contains(&new.fingerprint()) && !told.contains("Binnenkort"), "{told}");
}

#[test]
fn the_logs_key_and_the_registers_are_replaced_by_the_steps_that_are_told() {
    let mut daemon = start();
    let (log, public, said) = rotate(&daemon, "log", "keys/log.key");
    let line = said.split('`').find(|part| part.starts_with("log:")).unwrap().to_owned();
    assert!(line.contains(&log) && line.contains("co_sign: [keys/log.key]"), "{line}");
    assert!(
        said.contains("Make a backup then (`groeikluis backup`)") && said.contains("make another backup"),
        "{said}"
    );
    let (register, recipient, _) = rotate(&daemon, "register", "keys/register.agekey");
    daemon.terminate();
    set(&daemon, "log:", &line);
    set(&daemon, "register:", &format!("register: {{path: register/register.csv.age, identity: {register}}}"));
    daemon.start();
    // The extract in place is sealed to the old key, the next one to the new.
    daemon.wait_for_register();
    fs::write(daemon.path("keys/register.pub"), recipient).unwrap();
    daemon.write_register(daemon.extract().text());
    crate::support::wait_until("the new extract", || daemon.events("register.loaded").len() == 3);
    assert_eq!(daemon.events("log.key_rotated").len(), 1);
    fs::write(daemon.path("keys/log.vkey"), public).unwrap();
    daemon.verify_log().well();
}

#[test]
fn a_credential_is_followed_by_a_credential() {
    let laid_out = Plan::new().tenant(Tenant::municipality("bree", "72004")).lay_out();
    let root = laid_out.root.path();
    let config = root.join("groeikluis.yaml");
    let text = fs::read_to_string(&config).unwrap().replace("key: keys/log.key", "key: credential:log.key");
    assert!(text.contains("credential:"), "{text}");
    fs::write(&config, text).unwrap();
    let rotate = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        command.args(["keys", "rotate", "log", "--config"]).arg(&config).args(more);
        run(command.env("CREDENTIALS_DIRECTORY", root.join("keys")), b"")
    };
    let refused = rotate(&[]);
    assert!(refused.code == Some(1) && refused.stderr.contains("give --out"), "{refused:?}");
    let out = root.join("keys/log-new.key");
    let said = rotate(&["--out", out.to_str().unwrap()]).well().stdout;
    for part in [
        &format!("1. Have systemd hand it over: write `LoadCredential=log-new.key:{}`", out.display()),
        "key: credential:log-new.key, co_sign: [credential:log.key]}`",
        "systemctl daemon-reload",
        "`LoadCredential=` with nothing behind it",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}
