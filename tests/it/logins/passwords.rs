//! Passwords, and passwords after keys.

use std::process::Command;

use super::{daemon, let_in, log_in, peer, refusals, text, turned_away};
use crate::{
    clients::program::Program,
    support::{TestDaemon, run},
};

pub const PASSWORD: &str = "correct horse battery";

/// Of that password, made with `argon2` of the reference implementation.
pub const KEPT: &str = "passwords: [{label: balie, argon2id: \
    \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$/HetJC6LZ4lnwgLB+wJSS2a9bFu2Kq4HxwNWzoJq2qU\"}]";

fn login_of(daemon: &TestDaemon) -> (String, String) {
    let login = daemon.events("auth.login").pop().unwrap();
    (text(&login, "method"), text(&login, "key"))
}

#[test]
fn a_password_lets_in_where_the_tenant_has_one() {
    let daemon = daemon(&[KEPT, "require: [password]"]);
    let_in(log_in(&daemon, "bree", &[], Some(PASSWORD)));
    assert_eq!(login_of(&daemon), ("password".to_owned(), "balie".to_owned()));
    turned_away(&log_in(&daemon, "bree", &[], Some("correct horse batterij")), "password");
    // The key alone is not asked for.
    turned_away(&log_in(&daemon, "bree", &[], None), "password");
    turned_away(&log_in(&daemon, "nobody", &[], Some(PASSWORD)), "publickey");
    assert_eq!(refusals(&daemon, 3), ["wrong-password", "nothing-usable", "unknown-user"]);
}

#[test]
fn key_and_password_are_two_steps_in_the_order_of_the_file() {
    for (require, first, last) in
        [("[publickey, password]", "publickey", "password"), ("[password, publickey]", "password", "publickey")]
    {
        let daemon = daemon(&[KEPT, &format!("require: {require}")]);
        let ran = log_in(&daemon, "bree", &["LogLevel=VERBOSE"], Some(PASSWORD));
        assert!(ran.stderr.contains("partial success"), "{}", ran.stderr);
        let_in(ran);
        assert_eq!(login_of(&daemon), (last.to_owned(), "ict-bree".to_owned()));
        // Each step alone, and with the other one wrong.
        let only = |method: &str| format!("PreferredAuthentications={method}");
        turned_away(&log_in(&daemon, "bree", &[&only(first)], Some(PASSWORD)), last);
        turned_away(&log_in(&daemon, "bree", &[&only(last)], Some(PASSWORD)), first);
        let wrong = log_in(&daemon, "bree", &[], Some("correct horse batterij"));
        turned_away(&wrong, "password");
        let reasons = refusals(&daemon, 3);
        assert_eq!(reasons, ["step-missing", "nothing-usable", "wrong-password"]);
    }
}

#[test]
fn an_unknown_user_is_asked_for_what_a_tenant_with_keys_is() {
    let daemon = daemon(&[KEPT, "require: [publickey, password]"]);
    for user in ["bree", "nobody", "peer"] {
        let Some(offered) = peer::offered(&daemon, user) else { return };
        assert_eq!(offered, "publickey", "{user}");
    }
}

#[test]
fn psftp_logs_in_with_a_password() {
    let Some(psftp) = Program::find("psftp with a password", "psftp") else { return };
    let daemon = daemon(&[KEPT, "require: [password]"]);
    let address = daemon.address();
    let key = groeikluis::domain::SshPublicKey::fingerprint(&daemon.host_key());
    let port = address.port().to_string();
    let arguments = ["-batch", "-P", &port, "-hostkey", &key, "-l", "bree", "-pw", PASSWORD, "127.0.0.1"];
    let ran = psftp.run_in(&daemon.path(".")).args(arguments).input("ls\n");
    assert!(ran.code == Some(0) && ran.stdout.contains("inbox"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_new_password_is_read_from_where_nobody_sees_it() {
    let make = |input: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        run(command.args(["keys", "password"]), input.as_bytes())
    };
    let made = make(&format!("{PASSWORD}\r\n")).well();
    let hash = made.stdout.trim();
    let daemon = daemon(&[&format!("passwords: [{{label: balie, argon2id: \"{hash}\"}}]"), "require: [password]"]);
    let_in(log_in(&daemon, "bree", &[], Some(PASSWORD)));
    let short = make("kort\n");
    assert_eq!(short.code, Some(1));
    assert!(short.stderr.contains("fewer than 14 characters"), "{}", short.stderr);
}
