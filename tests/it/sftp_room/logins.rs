//! Who gets in, and what those who do not are told.

use std::{
    net::TcpStream,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use groeikluis::{
    domain::tenant::{CertificateAuthority, LoginPassword, LoginStep},
    sftp::{RefusalReason, SourcePenalty, kept_penalties},
};
use russh::{
    client,
    keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, agent::AgentIdentity},
};

use super::support::{TestServer, roomy, succeeded, wait_for};
use crate::support::raw::AnyHost;

fn login(server: &TestServer, user: &str, key: &str, extra: &[&str]) -> Output {
    let mut sftp = Command::new("sftp");
    sftp.args(server.ssh_options(key)).args(extra).arg("-P").arg(server.address.port().to_string());
    sftp.args(["-b", "/dev/null"]).arg(format!("{user}@127.0.0.1")).stdin(Stdio::null());
    sftp.output().unwrap()
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).replace("nobody-at-all", "bree")
}

fn password() -> LoginPassword {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$/HetJC6LZ4lnwgLB+wJSS2a9bFu2Kq4HxwNWzoJq2qU";
    LoginPassword { label: "balie".to_owned(), hash: hash.parse().unwrap() }
}

#[test]
fn a_wrong_key_and_an_unknown_user_are_told_the_same() {
    let server = TestServer::start();
    let wrong_key = refused(&login(&server, "bree", "other_key", &[]));
    let unknown_user = refused(&login(&server, "nobody-at-all", "key", &[]));
    assert!(wrong_key.contains("Permission denied (publickey)"), "{wrong_key}");
    assert_eq!(wrong_key, unknown_user);
    let expected =
        [("bree".to_owned(), RefusalReason::UnknownKey), ("nobody-at-all".to_owned(), RefusalReason::UnknownUser)];
    assert_eq!(server.refusals(2), expected);
    let refused = server.account.refused.lock().unwrap();
    assert!(refused[0].client_banner.starts_with("SSH-2.0-OpenSSH"), "{}", refused[0].client_banner);
    assert_eq!(server.account.logged_in.lock().unwrap().len(), 0);
    assert!(server.seen.ended.lock().unwrap().is_empty());
}

#[test]
fn expired_keys_wrong_sources_and_missing_steps_are_named_in_the_account_only() {
    let (limits, penalties) = roomy();
    for (reason, change) in [
        (
            RefusalReason::ExpiredKey,
            (|tenant| tenant.keys[0].expires = Some(jiff::civil::date(2020, 1, 1)))
                as fn(&mut groeikluis::domain::Tenant),
        ),
        (RefusalReason::WrongSource, |tenant| tenant.allow_from = vec!["192.0.2.0/24".parse().unwrap()]),
        (RefusalReason::StepMissing, |tenant| {
            tenant.passwords.push(password());
            tenant.require = vec![LoginStep::PublicKey, LoginStep::Password];
        }),
        (RefusalReason::UnknownUser, |tenant| tenant.require = vec![LoginStep::Password]),
    ] {
        let server = TestServer::start_with(limits, penalties.clone(), change);
        let said = refused(&login(&server, "bree", "key", &[]));
        let next = if reason == RefusalReason::StepMissing { "password" } else { "publickey" };
        assert!(said.contains(&format!("Permission denied ({next})")), "{said}");
        assert_eq!(server.refusals(1), [("bree".to_owned(), reason)]);
    }
}

#[test]
fn the_key_that_signed_is_the_one_in_the_account() {
    let server = TestServer::start();
    let other = format!("IdentityFile={}", server.path("other_key").display());
    succeeded(&login(&server, "bree", "key", &["-o", &other]));
    let logged_in = server.account.logged_in.lock().unwrap();
    assert_eq!((logged_in[0].tenant.as_str(), logged_in[0].key_label.as_str()), ("bree", "ict-bree"));
    let key = groeikluis::domain::SshPublicKey::parse(&server.client_key.public_line).unwrap();
    assert_eq!(logged_in[0].fingerprint.as_deref(), Some(key.fingerprint().as_str()));
}

#[test]
fn nothing_old_is_spoken_and_everything_current_is() {
    let server = TestServer::start();
    for option in [
        "KexAlgorithms=diffie-hellman-group14-sha256",
        "KexAlgorithms=diffie-hellman-group-exchange-sha256",
        "Ciphers=aes256-cbc",
        "Ciphers=3des-cbc",
        "MACs=hmac-sha1",
        "HostKeyAlgorithms=ssh-rsa",
    ] {
        let extra: &[&str] =
            if option.starts_with("MACs") { &["-o", option, "-o", "Ciphers=aes256-ctr"] } else { &["-o", option] };
        let said = refused(&login(&server, "bree", "key", extra));
        assert!(said.contains("no matching"), "{option}: {said}");
    }
    for option in [
        "KexAlgorithms=curve25519-sha256",
        "KexAlgorithms=curve25519-sha256@libssh.org",
        "Ciphers=aes256-gcm@openssh.com",
        "Ciphers=aes128-gcm@openssh.com",
        "Ciphers=chacha20-poly1305@openssh.com",
        "Ciphers=aes256-ctr",
    ] {
        let said = succeeded(&login(&server, "bree", "key", &["-v", "-o", option]));
        assert!(said.contains("compression: none"), "{said}");
    }
}

#[test]
fn rsa_keys_sign_with_sha_2_only() {
    let (limits, penalties) = roomy();
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("rsa");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"]).arg(&file).output().unwrap();
    succeeded(&made);
    let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    let server = TestServer::start_with(limits, penalties, |tenant| {
        tenant.keys[0].key = groeikluis::domain::SshPublicKey::parse(&public).unwrap();
    });
    std::fs::copy(&file, server.path("rsa")).unwrap();
    for (algorithm, accepted) in [("rsa-sha2-512", true), ("rsa-sha2-256", true), ("ssh-rsa", false)] {
        let option = format!("PubkeyAcceptedAlgorithms={algorithm}");
        assert_eq!(login(&server, "bree", "rsa", &["-o", &option]).status.success(), accepted, "{algorithm}");
    }
}

#[test]
fn a_login_that_cannot_be_entered_is_refused() {
    let server = TestServer::start();
    *server.account.fails.lock().unwrap() = true;
    let said = refused(&login(&server, "bree", "key", &[]));
    assert!(said.contains("tijdelijk probleem"), "{said}");
    assert_eq!(server.refusals(1), [("bree".to_owned(), RefusalReason::Unavailable)]);
    assert!(server.seen.ended.lock().unwrap().is_empty());
}

#[test]
fn sessions_of_a_tenant_are_counted_and_ended() {
    let (mut limits, penalties) = roomy();
    limits.sessions_per_tenant = 2;
    let server = TestServer::start_with(limits, penalties, |_| ());
    server.runtime.block_on(async {
        let (one, two) = (server.client().await, server.client().await);
        let said = refused(&login(&server, "bree", "key", &[]));
        assert!(said.contains("te veel verbindingen"), "{said}");
        assert_eq!(server.sessions.logged_in(), 2);
        assert_eq!(server.sessions.disconnect_tenant(&"lubbeek".parse().unwrap()), 0);
        assert_eq!(server.sessions.disconnect_tenant(&"bree".parse().unwrap()), 2);
        assert!(one.list("/").await.is_err() && two.list("/").await.is_err());
    });
    assert_eq!(server.refusals(1), [("bree".to_owned(), RefusalReason::TooManySessions)]);
    wait_for("the ends", || server.sessions.connections() == 0);
    server.runtime.block_on(async { server.client().await.close().await }).unwrap();
}

#[test]
fn strangers_are_slowed_down_and_nobody_is_locked_out_by_them() {
    let (limits, mut penalties) = roomy();
    // None is over before the end of the test.
    (penalties.first, penalties.longest) = (Duration::from_mins(10), Duration::from_hours(1));
    penalties.exempt.clear();
    let server = TestServer::start_with(limits, penalties.clone(), |_| ());
    for _ in 0..penalties.after {
        assert!(refused(&login(&server, "bree", "other_key", &[])).contains("Permission denied"));
    }
    server.refusals(5);
    let start = Instant::now();
    refused(&login(&server, "bree", "other_key", &[]));
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    // A stranger who holds connections open makes room for the next one.
    let held: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    wait_for("the connections", || server.sessions.connections() == 8);
    let kept = server.sessions.penalties_to_keep().unwrap();
    succeeded(&login(&server, "bree", "key", &[]));
    drop(held);

    // That login speaks for the source.
    for _ in 0..=penalties.after {
        refused(&login(&server, "bree", "other_key", &[]));
    }
    server.refusals(6 + 6);
    let spared = penalty(&server);
    assert_eq!((spared.failures, spared.slow_until), (6, None));

    // What was kept before it slows down after a restart.
    let restarted = TestServer::start_with(limits, penalties, |_| ());
    restarted.sessions.restore_penalties(&kept).unwrap();
    let start = Instant::now();
    refused(&login(&restarted, "bree", "other_key", &[]));
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

/// Who has a public key, and not what signs.
struct NoSigner;

#[derive(Debug)]
struct Unsigned;

impl From<russh::SendError> for Unsigned {
    fn from(_: russh::SendError) -> Self {
        Self
    }
}

impl russh::Signer for NoSigner {
    type Error = Unsigned;

    async fn auth_sign(&mut self, _: &AgentIdentity, _: Option<HashAlg>, _: Vec<u8>) -> Result<Vec<u8>, Unsigned> {
        Err(Unsigned)
    }
}

async fn stranger(server: &TestServer) -> client::Handle<AnyHost> {
    client::connect(Arc::new(client::Config::default()), server.address, AnyHost).await.unwrap()
}

/// A key of nobody's.
fn unknown_key(server: &TestServer) -> PrivateKey {
    PrivateKey::from_openssh(std::fs::read_to_string(server.path("other_key")).unwrap()).unwrap()
}

/// What is kept of this machine.
fn penalty(server: &TestServer) -> SourcePenalty {
    let (_, mut penalties) = roomy();
    penalties.exempt.clear();
    let kept = server.sessions.penalties_to_keep().unwrap();
    let here = [server.address.ip()];
    kept_penalties(&kept, &penalties, &here, jiff::Timestamp::now()).unwrap()[0]
}

#[test]
fn keys_that_are_only_offered_are_attempts_with_each_name() {
    let (limits, mut penalties) = roomy();
    penalties.exempt.clear();
    let server = TestServer::start_with(limits, penalties, |tenant| {
        // Where there is an authority, any key may go on to sign.
        tenant.certificate_authorities.push(CertificateAuthority {
            label: "ca".to_owned(),
            owner: "ICT".to_owned(),
            key: tenant.keys[0].key.clone(),
            principals: vec!["bree".to_owned()],
            expires: None,
        });
    });
    let public = unknown_key(&server).public_key().clone();
    let mut offered = 0;
    server.runtime.block_on(async {
        let mut connection = stranger(&server).await;
        for number in 0..200 {
            let user = format!("user{}", number % 2);
            match connection.authenticate_publickey_with(user, public.clone(), None, &mut NoSigner).await {
                Err(Unsigned) if !connection.is_closed() => offered += 1,
                _ => break,
            }
        }
    });
    wait_for("the end", || server.sessions.connections() == 0);
    assert!((2..=limits.auth_attempts).contains(&offered), "{offered}");
    let entries = server.account.refused.lock().unwrap().len();
    assert!(entries <= limits.auth_attempts + 1, "{entries}");
    assert_eq!(penalty(&server).failures, 1);
}

#[test]
fn another_name_at_the_end_takes_no_blame_away() {
    let (limits, mut penalties) = roomy();
    penalties.exempt.clear();
    let server = TestServer::start_with(limits, penalties, |_| ());
    let wrong = Arc::new(unknown_key(&server));
    server.runtime.block_on(async {
        let mut connection = stranger(&server).await;
        for _ in 0..3 {
            let key = PrivateKeyWithHashAlg::new(Arc::clone(&wrong), None);
            assert!(!connection.authenticate_publickey("bree", key).await.unwrap().success());
        }
        assert!(!connection.authenticate_none("x").await.unwrap().success());
    });
    wait_for("the end", || server.sessions.connections() == 0);
    assert_eq!(server.refusals(1), [("bree".to_owned(), RefusalReason::UnknownKey)]);
    assert_eq!(penalty(&server).failures, 1);
}

#[test]
fn who_waits_for_a_password_check_is_let_go_with_the_connection() {
    const STRANGERS: usize = 6;
    let (mut limits, penalties) = roomy();
    limits.login_grace = Duration::from_secs(5);
    // The checks of an attempt take longer than a login may, on any machine.
    let dear = "$argon2id$v=19$m=262144,t=16,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b5dWRWJTmaaJObGRdescudvJCs";
    let server = TestServer::start_with(limits, penalties, |tenant| {
        for label in ["balie", "loket", "dienst", "nacht"] {
            tenant.passwords.push(LoginPassword { label: label.to_owned(), hash: dear.parse().unwrap() });
        }
        tenant.require = vec![LoginStep::Password];
    });
    server.runtime.block_on(async {
        let mut trying = tokio::task::JoinSet::new();
        for _ in 0..STRANGERS {
            let mut connection = stranger(&server).await;
            trying.spawn(async move { connection.authenticate_password("bree", "x").await });
        }
        while let Some(tried) = trying.join_next().await {
            assert!(!tried.unwrap().is_ok_and(|tried| tried.success()));
        }
    });
    let graces: Vec<_> = server.refusals(STRANGERS).into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(graces, [RefusalReason::Grace; STRANGERS], "no check was waited for");
}
