//! `groeikluis tenant add`: a new tenant's file, from options or answers, that the daemon takes at once.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use groeikluis::{seal::Keyring, sftp};
use serde_json::Value;

use crate::{
    clients::program::Program,
    support::{Plan, Ran, Tenant, TestDaemon, run, wait_for},
};

/// The keys of somebody new, and where they are.
struct Newcomer {
    login: String,
    recipient: String,
}

fn newcomer(daemon: &TestDaemon, id: &str) -> Newcomer {
    let pair = sftp::new_key(&format!("ict@{id}.example")).unwrap();
    let secret = daemon.login_key(id);
    fs::write(&secret, pair.private.as_bytes()).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(daemon.path(format!("keys/{id}_ed25519.pub")), format!("{}\n", pair.public_line)).unwrap();
    let keyring = Keyring::generate();
    Newcomer { login: pair.public_line.trim().to_owned(), recipient: keyring.recipients()[0].to_string() }
}

fn add(daemon: &TestDaemon, arguments: &[&str]) -> Ran {
    daemon.groeikluis(&[&["tenant", "add"], arguments].concat())
}

fn file(daemon: &TestDaemon, id: &str) -> PathBuf {
    daemon.path(format!("tenants/{id}.yaml"))
}

#[test]
fn a_tenant_is_added_from_options_and_logs_in() {
    let daemon = Plan::new().tenant(Tenant::municipality("bree", "72004")).start();
    let Newcomer { login, recipient } = newcomer(&daemon, "lokeren");
    let options = ["lokeren", "--municipality", "46029", "--name", "Stad \"Lokeren\": proef", "--key", &login];
    let more = ["--recipient", &recipient, "--contact", "ict@lokeren.example", "--expires", "2099-12-31"];
    let added =
        add(&daemon, &[&options[..], &more, &["--interest", "vutg", "--allow-from", "127.0.0.0/8"]].concat()).well();
    assert!(added.stdout.starts_with("written: ") && added.stdout.contains("Next:"), "{}", added.stdout);
    assert!(added.stdout.contains(&daemon.host_key().fingerprint()), "{}", added.stdout);
    let path = file(&daemon, "lokeren");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    let text = fs::read_to_string(&path).unwrap();
    for part in [
        "# Keys that may log in",
        "name: \"Stad \\\"Lokeren\\\": proef\"",
        "nis_code: \"46029\"    # Lokeren",
        "interests: [vutg]",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    daemon.groeikluis(&["check"]).well();
    wait_for("the login", || daemon.try_session("lokeren", "lokeren").ok()).close();
    // A second time it is there, whatever the options.
    let again = add(&daemon, &["lokeren", "--kind", "auditor", "--name", "x"]);
    assert_eq!(again.code, Some(64), "{again:?}");
    assert!(again.stderr.contains("there is a tenant lokeren already"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_written() {
    let daemon = TestDaemon::over(
        Plan::new().tenant(Tenant::municipality("bree", "72004")).tenant(Tenant::auditor("toezicht")).lay_out(),
    );
    let Newcomer { login, recipient } = newcomer(&daemon, "nieuw");
    let of_bree = fs::read_to_string(daemon.path("keys/bree_ed25519.pub")).unwrap();
    let secret = daemon.login_key("nieuw").display().to_string();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys-example");
    let example = examples.join("bree_ed25519.pub").display().to_string();
    let with = |municipality: &'static str, key: &str, recipient: &str| {
        ["nieuw", "--municipality", municipality, "--key", key, "--recipient", recipient].map(str::to_owned).to_vec()
    };
    for (arguments, code, part) in [
        (vec!["nieuw".to_owned()], 64, "--municipality is missing"),
        (with("hoeselt", &login, &recipient), 64, "perhaps Bilzen-Hoeselt"),
        (with("73006", &login, &recipient), 64, "since the mergers it is 73110 (Bilzen-Hoeselt)"),
        (with("lokeren", "ssh-dss AAAA x", &recipient), 64, "algorithm ssh-dss is not accepted"),
        (with("lokeren", of_bree.trim(), &recipient), 64, "tenant bree logs in with this key"),
        (with("lokeren", &secret, &recipient), 64, "no key that may log in"),
        (with("lokeren", &login, "age1nope"), 64, "no key that can be sealed to"),
        (with("lokeren", &example, &recipient), 78, "an example key"),
        (with("bree", &login, &recipient), 78, "tenant bree is the municipality with code 72004 already"),
        (["nieuw", "--municipality", "lokeren", "--key", &login].map(str::to_owned).to_vec(), 64, "--recipient"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = add(&daemon, &arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        assert!(!file(&daemon, "nieuw").exists());
    }
    // Something of that name that is no file of this configuration yet.
    fs::create_dir(file(&daemon, "nieuw")).unwrap();
    let arguments = with("lokeren", &login, &recipient);
    let ran = add(&daemon, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_ne!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn every_kind_of_tenant_loads_as_it_is_written() {
    let daemon = TestDaemon::over(Plan::new().lay_out());
    for (id, options) in [
        ("ocmw-bree", &["--kind", "ocmw", "--municipality", "Bree"][..]),
        ("drukkerij", &["--kind", "print-partner", "--name", "Drukkerij"]),
        ("toezicht", &["--kind", "auditor", "--name", "Toezicht"]),
        ("peer", &["--municipality", "72030", "--interest", "opgroeien", "--interest", "vutg"]),
    ] {
        let dry = add(&daemon, &[&[id, "--dry-run"], options].concat()).well();
        assert!(!file(&daemon, id).exists());
        add(&daemon, &[&[id], options].concat()).well();
        assert_eq!(fs::read_to_string(file(&daemon, id)).unwrap(), dry.stdout);
        daemon.groeikluis(&["check"]).well();
    }
    assert_eq!(fs::read_dir(daemon.path("tenants")).unwrap().count(), 4);
}

/// On a terminal, which `script` makes.
#[test]
fn a_tenant_is_added_from_answers() {
    let Some(script) = Program::find("a terminal to answer at", "script") else { return };
    let daemon = TestDaemon::over(Plan::new().tenant(Tenant::municipality("bree", "72004")).lay_out());
    let Newcomer { recipient, .. } = newcomer(&daemon, "lokeren");
    let public = daemon.path("keys/lokeren_ed25519.pub").display().to_string();
    let program = env!("CARGO_BIN_EXE_groeikluis");
    let inner = format!("{program} tenant add --config {}", daemon.config().display());
    let mut command = Command::new(script.path());
    command.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
    let answers =
        ["", "antwerpn", "lokeren", "", "", "/nergens.pub x", &public, "", "", "2099-12-31", &recipient, "", ""];
    let ran = run(&mut command, (answers.join("\n") + "\n").as_bytes()).well();
    for part in ["Kind of tenant [municipality]:", "no municipality is called antwerpn", "[lokeren]", "Next:"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let text = fs::read_to_string(file(&daemon, "lokeren")).unwrap();
    for part in [
        "id: lokeren ",
        "name: \"Gemeente Lokeren\"",
        "expires: 2099-12-31",
        "owner: \"ICT, Gemeente Lokeren\"",
        &recipient,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    daemon.groeikluis(&["check"]).well();
}

/// A program that adds tenants and keys reads what was made, not sentences.
#[test]
fn what_is_made_is_told_as_json_too() {
    let daemon = TestDaemon::over(Plan::new().line("public_address: \"sftp.example.be:22\"").lay_out());
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&daemon.groeikluis(&[arguments, &["--json"]].concat()).well().stdout).unwrap()
    };
    let options = ["tenant", "add", "drukkerij", "--kind", "print-partner", "--name", "Drukkerij"];
    let (path, planned) = (file(&daemon, "drukkerij"), json(&[&options[..], &["--dry-run"]].concat()));
    assert_eq!((planned["written"].as_bool(), path.exists()), (Some(false), false));
    let added = json(&options);
    assert_eq!((added["file"].as_str(), added["written"].as_bool()), (path.to_str(), Some(true)));
    assert_eq!(planned["text"].as_str().unwrap(), fs::read_to_string(&path).unwrap());
    // Who has no keys yet cannot log in: first it is told how to begin.
    let next = added["next"].to_string();
    assert!(next.contains("tenant guide drukkerij") && !next.contains("sftp -P"), "{added}");
    let fingerprint = daemon.host_key().fingerprint();
    let guide = json(&["tenant", "guide", "drukkerij"]);
    assert_eq!(guide["host_fingerprints"], Value::from(vec![fingerprint.clone()]));
    let guide = daemon.groeikluis(&["tenant", "guide", "drukkerij"]).well().stdout;
    for part in ["age-keygen -o drukkerij.agekey", "-P 22 drukkerij@sftp.example.be", &fingerprint] {
        assert!(guide.contains(part), "{part}: {guide}");
    }
    let unknown = daemon.groeikluis(&["tenant", "guide", "nobody"]);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("nobody is no tenant"), "{unknown:?}");

    let out = daemon.path("keys/nieuw.agekey");
    let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
    let key = run(command.args(["keys", "new", "exchange", "--json", "--out"]).arg(&out), b"").well().stdout;
    let key: Value = serde_json::from_str(&key).unwrap();
    let recipient = Keyring::parse(&fs::read_to_string(&out).unwrap()).unwrap().recipients()[0].to_string();
    assert_eq!((key["file"].as_str(), &key["public"]), (out.to_str(), &Value::from(vec![recipient])));
    let out = daemon.path("keys/host");
    let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
    let host = run(command.args(["keys", "new", "host", "--out"]).arg(&out), b"").well();
    let fingerprint = sftp::HostKey::parse(&fs::read_to_string(&out).unwrap()).unwrap().fingerprint();
    assert!(host.stdout.starts_with("ssh-ed25519 ") && host.stdout.lines().count() == 1, "{host:?}");
    assert!(host.stderr.contains(&fingerprint), "{host:?}");
    let rotated = json(&["keys", "rotate", "host"]);
    assert!(Path::new(rotated["file"].as_str().unwrap()).exists(), "{rotated}");
    assert!(rotated["public"][0].as_str().unwrap().starts_with("ssh-ed25519 "), "{rotated}");
    assert_eq!(rotated["steps"].as_array().unwrap().len(), 5);
}
