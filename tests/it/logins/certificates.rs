//! OpenSSH user certificates, made by `ssh-keygen -s`.

use std::process::Command;

use super::{
    daemon,
    keys::{make_key, with_keys},
    let_in, log_in, refusals, text, turned_away,
};
use crate::support::{Plan, Ran, Tenant, TestDaemon, run};

/// A tenant that has an authority and no key of its own.
fn with_authority(more: &str) -> TestDaemon {
    let daemon = daemon(&[]);
    let (_, public) = make_key(&daemon, "ca", &["-t", "ed25519"]);
    make_key(&daemon, "stranger", &["-t", "ed25519"]);
    let authority = format!("certificate_authorities: [{{label: ca-bree, owner: ICT, key: \"{public}\"{more}}}]");
    with_keys(&daemon, "[]", &[&authority]);
    daemon
}

/// Signs the tenant's key, and leaves the certificate beside it.
fn certify(daemon: &TestDaemon, ca: &str, options: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-s"]).arg(daemon.path(format!("keys/{ca}"))).args(["-I", "jan@bree", "-z", "7"]);
    run(command.args(options).arg(daemon.path("keys/bree_ed25519.pub")), b"").well();
}

fn certificate(daemon: &TestDaemon) -> String {
    format!("CertificateFile={}", daemon.path("keys/bree_ed25519-cert.pub").display())
}

fn log_in_certified(daemon: &TestDaemon) -> Ran {
    log_in(daemon, "bree", &[&certificate(daemon)], None)
}

#[test]
fn a_certificate_of_the_tenants_authority_lets_in() {
    let daemon = with_authority("");
    certify(&daemon, "ca", &["-n", "other,bree", "-V", "-1h:+1h"]);
    let_in(log_in_certified(&daemon));
    let login = daemon.events("auth.login").pop().unwrap();
    assert_eq!((text(&login, "key"), text(&login, "method")), ("ca-bree".to_owned(), "publickey".to_owned()));
    // For ever, and from an address that it names.
    certify(&daemon, "ca", &["-n", "bree", "-O", "source-address=192.0.2.0/24,127.0.0.1"]);
    let_in(log_in_certified(&daemon));
    // An authority of another kind, and a key of another kind.
    for options in [["-t", "ecdsa", "-b", "256"], ["-t", "rsa", "-b", "2048"]] {
        let name = format!("ca-{}", options[1]);
        let (_, public) = make_key(&daemon, &name, &options);
        let authority = format!("certificate_authorities: [{{label: x, owner: ICT, key: \"{public}\"}}]");
        with_keys(&daemon, "[]", &[&authority]);
        certify(&daemon, &name, &["-n", "bree"]);
        let_in(log_in_certified(&daemon));
    }
}

#[test]
fn certificates_that_do_not_let_in() {
    let daemon = with_authority("");
    let cases: [(&str, &[&str], &str); 7] = [
        ("stranger", &["-n", "bree"], "unknown-authority"),
        ("ca", &["-n", "lubbeek"], "wrong-principal"),
        ("ca", &[], "wrong-principal"),
        ("ca", &["-n", "bree", "-O", "force-command=internal-sftp"], "certificate-option"),
        ("ca", &["-n", "bree", "-O", "verify-required"], "certificate-option"),
        ("ca", &["-n", "bree", "-O", "critical:new@example.be=x"], "certificate-option"),
        ("ca", &["-n", "bree", "-O", "source-address=192.0.2.0/24"], "wrong-source"),
    ];
    for (place, (ca, options, reason)) in cases.into_iter().enumerate() {
        certify(&daemon, ca, options);
        turned_away(&log_in_certified(&daemon), "publickey");
        // The bare key comes after the certificate; what is kept is what the certificate came to.
        assert_eq!(refusals(&daemon, place + 1).last().unwrap(), reason);
    }
}

#[test]
fn certificates_out_of_their_time_are_refused_with_the_bare_key() {
    let daemon = with_authority("");
    for validity in ["-2h:-1h", "+1h:+2h"] {
        certify(&daemon, "ca", &["-n", "bree", "-V", validity]);
        assert_ne!(log_in_certified(&daemon).code, Some(0), "{validity}");
    }
    // The transport refuses such a certificate unseen; what the account has is the key that came after it.
    assert_eq!(refusals(&daemon, 2), ["unknown-key", "unknown-key"]);
}

#[test]
fn principals_and_the_end_of_an_authority_are_those_of_the_file() {
    let daemon = with_authority(", principals: [ict-team]");
    certify(&daemon, "ca", &["-n", "bree"]);
    assert_ne!(log_in_certified(&daemon).code, Some(0));
    certify(&daemon, "ca", &["-n", "ict-team"]);
    let_in(log_in_certified(&daemon));
    let expired = with_authority(", expires: 2020-01-01");
    certify(&expired, "ca", &["-n", "bree"]);
    assert_ne!(log_in_certified(&expired).code, Some(0));
}

#[test]
fn offers_tell_nobody_who_has_an_authority_or_exists() {
    let plan = Plan::new().tenant(Tenant::municipality("bree", "72004"));
    let daemon = plan.tenant(Tenant::municipality("lubbeek", "24066")).start();
    let answers = |daemon: &TestDaemon| {
        ["bree", "lubbeek", "nobody"].map(|user| {
            let said = log_in(daemon, user, &["LogLevel=DEBUG1"], None);
            assert!(user == "bree" || said.code != Some(0));
            said.stderr.contains("Server accepts key")
        })
    };
    // Without an authority anywhere, the offer is judged, as everywhere with SSH.
    assert_eq!(answers(&daemon), [true, false, false]);
    let (_, public) = make_key(&daemon, "ca", &["-t", "ed25519"]);
    let authority = format!("certificate_authorities: [{{label: ca, owner: ICT, key: \"{public}\"}}]");
    with_keys(&daemon, "[]", &[&authority]);
    certify(&daemon, "ca", &["-n", "lubbeek"]);
    let said = ["bree", "lubbeek", "nobody"].map(|user| {
        let said = log_in(&daemon, user, &["LogLevel=DEBUG1"], None);
        turned_away(&said, "publickey");
        said.stderr.matches("Server accepts key").count()
    });
    assert!(said[0] > 0 && said[0] == said[1] && said[1] == said[2], "{said:?}");
}

#[test]
fn certified_keys_of_each_kind_log_in() {
    let daemon = with_authority("");
    let kinds: [(&str, &[&str]); 2] = [("rsa", &["-t", "rsa", "-b", "2048"]), ("p256", &["-t", "ecdsa", "-b", "256"])];
    for (name, options) in kinds {
        let (file, _) = make_key(&daemon, name, options);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-s"]).arg(daemon.path("keys/ca")).args(["-I", name, "-n", "bree"]);
        run(command.arg(file.with_extension("pub")), b"").well();
        // OpenSSH finds the certificate beside the key.
        let_in(log_in(&daemon, "bree", &[&format!("IdentityFile={}", file.display())], None));
        // SHA-1 is refused under a certificate too.
        if name == "rsa" {
            let old = "PubkeyAcceptedAlgorithms=ssh-rsa-cert-v01@openssh.com";
            let said = log_in(&daemon, "bree", &[&format!("IdentityFile={}", file.display()), old], None);
            assert_ne!(said.code, Some(0), "{}", said.stderr);
        }
    }
}
