//! Real clients: what people have.

use std::{
    fs,
    process::{Command, Stdio},
};

use super::support::{TestServer, pattern, same, succeeded, wait_for};
use crate::clients::program::Program;

/// Beyond where a server that waits only for room stands still (30 MB).
const LARGE: usize = 64 << 20;

#[test]
fn openssh_moves_large_files_both_ways_with_its_own_settings_and_with_many_large_requests() {
    let server = TestServer::start();
    fs::write(server.root.join("outbox/large"), pattern(LARGE)).unwrap();
    // OpenSSH's own client cannot write 262,144 bytes at once, to no server ("Outbound message too long").
    for (get, put) in [
        (&[][..], &[][..]),
        (&["-R", "64", "-B", "262144"], &["-R", "64", "-B", "261120"]),
        (&["-R", "256", "-B", "4096"], &["-R", "256", "-B", "4096"]),
    ] {
        let options = get;
        succeeded(&server.sftp(get, "get outbox/large got\n"));
        succeeded(&server.sftp(put, "put got inbox/put\n"));
        assert!(same(&server.root.join("outbox/large"), &server.path("got")), "{options:?}");
        assert!(same(&server.path("got"), &server.root.join("inbox/put")), "{options:?}");
        assert_eq!(server.seen.finished.lock().unwrap().pop().as_deref(), Some("/inbox/put"));
        fs::remove_file(server.path("got")).unwrap();
    }
    wait_for("the ends", || server.seen.ended.lock().unwrap().len() == 6);
    assert_eq!(*server.seen.ended.lock().unwrap(), [true; 6]);
    wait_for("the account", || server.account.logged_out.lock().unwrap().len() == 6);
    for (bytes_in, bytes_out, regular) in &*server.account.logged_out.lock().unwrap() {
        assert!(bytes_in + bytes_out > LARGE as u64 && *regular);
    }
    let sent = server.seen.sent.lock().unwrap().get("/outbox/large").copied();
    assert_eq!(sent, Some(3 * LARGE as u64));
}

#[test]
fn openssh_resumes_in_both_directions() {
    let server = TestServer::start();
    let whole = pattern(3_000_000);
    fs::write(server.root.join("outbox/x"), &whole).unwrap();
    fs::write(server.path("x"), &whole[..1_234_567]).unwrap();
    succeeded(&server.sftp(&[], "reget outbox/x x\n"));
    assert!(fs::read(server.path("x")).unwrap() == whole);
    fs::write(server.root.join("inbox/y"), &whole[..777_777]).unwrap();
    succeeded(&server.sftp(&[], "reput x inbox/y\n"));
    assert!(fs::read(server.root.join("inbox/y")).unwrap() == whole);
}

#[test]
fn scp_knows_its_home_and_nobody_elses() {
    let server = TestServer::start();
    fs::write(server.root.join("outbox/x"), "x").unwrap();
    let copied = |from: &str| {
        let mut scp = Command::new("scp");
        scp.args(server.ssh_options("key")).arg("-P").arg(server.address.port().to_string());
        scp.arg(format!("bree@127.0.0.1:{from}")).arg("got").current_dir(server.path("."));
        let output = scp.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success() && fs::remove_file(server.path("got")).is_ok(), said)
    };
    for from in ["/outbox/x", "outbox/x", "~/outbox/x", "~bree/outbox/x"] {
        let (got, said) = copied(from);
        assert!(got, "{from}: {said}");
    }
    let (got, said) = copied("~piet/outbox/x");
    assert!(!got && said.contains("bestaat niet"), "{said}");
}

#[test]
fn openssh_lists_renames_sets_times_and_removes() {
    let server = TestServer::start();
    fs::write(server.path("lijst.csv"), "niss\n").unwrap();
    fs::write(server.root.join("outbox/antwoord.age"), "x").unwrap();
    let said = succeeded(&server.sftp(
        &[],
        "pwd\nput -p lijst.csv inbox/a.filepart\nrename inbox/a.filepart inbox/a.csv\nchmod 644 inbox/a.csv\n\
         ls -la\nls -l inbox\nls -l outbox\ndf -h\nput lijst.csv inbox/b.csv\nrename inbox/b.csv inbox/a.csv\n\
         rm inbox/a.csv\n",
    ));
    for expected in [
        "Remote working directory: /",
        "drwx------    ? bree     bree            0 ",
        "dr-x------    ? bree     bree            0 ",
        "-rw-------    ? bree     bree            5 ",
        "-r--------    ? bree     bree            1 ",
    ] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    assert_eq!(fs::read_dir(server.root.join("inbox")).unwrap().count(), 0);
}

#[test]
fn refusals_are_seen_and_change_nothing() {
    let server = TestServer::start();
    fs::write(server.root.join("outbox/x"), "x").unwrap();
    fs::write(server.path("local"), "y").unwrap();
    for (command, words) in [
        ("put local outbox/y", "Permission denied"),
        ("put local outbox/x", "Permission denied"),
        ("rm outbox/x", "Permission denied"),
        ("mkdir inbox/map", "Permission denied"),
        ("mkdir inbox", "Failure"),
        ("rmdir inbox", "Permission denied"),
        ("ln -s outbox/x inbox/link", "unsupported"),
        ("ln outbox/x inbox/link", "not support"),
        ("get outbox/none", "not found"),
        ("chmod 777 outbox/x", "Permission denied"),
        ("rename outbox/x inbox/x", "Permission denied"),
        ("put local /../../etc/y", "Permission denied"),
    ] {
        let output = server.sftp(&[], &format!("{command}\n"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{command}: {said}");
    }
    assert_eq!(fs::read_dir(server.root.join("inbox")).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(server.root.join("outbox/x")).unwrap(), "x");
}

#[test]
fn a_shell_or_a_command_is_told_what_is_here() {
    let server = TestServer::start();
    for command in [None, Some("id")] {
        let mut ssh = Command::new("ssh");
        ssh.args(server.ssh_options("key")).arg("-p").arg(server.address.port().to_string());
        ssh.arg("bree@127.0.0.1").args(command).stdin(Stdio::null());
        let output = ssh.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("alleen SFTP") && said.contains("Welkom"), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
    let mut forward = Command::new("ssh");
    forward.args(server.ssh_options("key")).arg("-p").arg(server.address.port().to_string());
    forward.args(["-W", "127.0.0.1:22", "bree@127.0.0.1"]).stdin(Stdio::null());
    let output = forward.output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("open failed"));
}

/// A server from whose outbox a file is to be fetched, which is also what is to be uploaded.
fn with_a_file() -> TestServer {
    let server = TestServer::start();
    let body = pattern(2_500_000);
    fs::write(server.root.join("outbox/antwoord.age"), &body).unwrap();
    fs::write(server.path("lijst.csv"), &body).unwrap();
    server
}

/// Every session ended as it should, and no upload was dropped.
fn all_ended_well(server: &TestServer) {
    wait_for("the ends", || server.sessions.connections() == 0);
    assert_eq!(server.seen.dropped.lock().unwrap().len(), 0);
    assert!(server.seen.ended.lock().unwrap().iter().all(|regular| *regular));
}

#[test]
fn lftp_uploads_lists_and_downloads() {
    let Some(lftp) = Program::find("lftp in the SFTP room", "lftp") else { return };
    let server = with_a_file();
    let lftp = Command::new(lftp.path())
        .current_dir(server.path("."))
        .arg("-c")
        .arg(format!(
            "set sftp:connect-program 'ssh -a -x -F none -i {key} -o UserKnownHostsFile={known} -o BatchMode=yes'; \
             set net:max-retries 1; open -u bree, sftp://127.0.0.1:{port}; cd inbox; put lijst.csv -o lftp.csv; \
             cls -l; get /outbox/antwoord.age -o lftp.got; mirror /outbox lftp.mirror; mv lftp.csv lftp2.csv",
            key = server.path("key").display(),
            known = server.path("known_hosts").display(),
            port = server.address.port(),
        ))
        .output()
        .unwrap();
    succeeded(&lftp);
    assert!(same(&server.path("lftp.got"), &server.path("lijst.csv")));
    assert!(same(&server.path("lftp.mirror/antwoord.age"), &server.path("lijst.csv")));
    assert!(same(&server.root.join("inbox/lftp2.csv"), &server.path("lijst.csv")));
    all_ended_well(&server);
}

#[test]
fn rclone_uploads_and_downloads() {
    let Some(program) = Program::find("rclone in the SFTP room", "rclone") else { return };
    let server = with_a_file();
    let remote = format!(
        ":sftp,host=127.0.0.1,port={},user=bree,key_file={},known_hosts_file={},shell_type=none:",
        server.address.port(),
        server.path("key").display(),
        server.path("known_hosts").display()
    );
    let rclone = |arguments: &[&str]| {
        let mut rclone = Command::new(program.path());
        rclone.args(["--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"]).args(arguments);
        succeeded(&rclone.current_dir(server.path(".")).output().unwrap())
    };
    rclone(&["copyto", "lijst.csv", &format!("{remote}/inbox/rclone.csv")]);
    rclone(&["copy", &format!("{remote}/outbox"), "rclone.got"]);
    assert!(same(&server.root.join("inbox/rclone.csv"), &server.path("lijst.csv")));
    assert!(same(&server.path("rclone.got/antwoord.age"), &server.path("lijst.csv")));
    all_ended_well(&server);
}

#[test]
fn psftp_uploads_resumes_downloads_and_removes() {
    let Some(puttygen) = Program::find("psftp in the SFTP room", "puttygen") else { return };
    let Some(psftp) = Program::find("psftp in the SFTP room", "psftp") else { return };
    let server = with_a_file();
    fs::write(
        server.path("psftp.batch"),
        "cd inbox\nput lijst.csv psftp.csv\nls\nget /outbox/antwoord.age psftp.got\nmv psftp.csv psftp2.csv\n\
         reput lijst.csv psftp2.csv\ndel psftp2.csv\n",
    )
    .unwrap();
    let converted = Command::new(puttygen.path())
        .args(["-O", "private", "-o", "key.ppk", "key"])
        .current_dir(server.path("."))
        .output()
        .unwrap();
    succeeded(&converted);
    let psftp = Command::new(psftp.path())
        .args(["-batch", "-i", "key.ppk", "-P", &server.address.port().to_string()])
        .args(["-hostkey", &server.host.fingerprint(), "-b", "psftp.batch", "bree@127.0.0.1"])
        .env("HOME", server.path("."))
        .current_dir(server.path("."))
        .output()
        .unwrap();
    succeeded(&psftp);
    assert!(same(&server.path("psftp.got"), &server.path("lijst.csv")));
    assert!(!server.root.join("inbox/psftp2.csv").exists());
    all_ended_well(&server);
}

#[test]
fn the_products_own_client_does_all_it_promises() {
    let server = TestServer::start();
    let body = pattern(1_000_001);
    server.runtime.block_on(async {
        let client = server.client().await;
        client.upload("/inbox/a.csv", &body).await.unwrap();
        client.rename("/inbox/a.csv", "/inbox/b.csv").await.unwrap();
        assert!(client.download("/inbox/b.csv").await.unwrap() == body);
        let listed = client.list("/inbox").await.unwrap();
        assert_eq!(
            listed.iter().map(|file| (file.name.as_str(), file.size)).collect::<Vec<_>>(),
            [("b.csv", 1_000_001)]
        );
        let refused = client.upload("/outbox/x", b"x").await.unwrap_err().to_string();
        assert_eq!(refused, "upload /outbox/x: alleen in /inbox kan geschreven worden (status 3)");
        client.remove("/inbox/b.csv").await.unwrap();
        client.close().await.unwrap();
    });
    wait_for("the end", || server.seen.ended.lock().unwrap().len() == 1);
    assert_eq!(*server.seen.ended.lock().unwrap(), [true]);
}
