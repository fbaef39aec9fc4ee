//! Keys that are renewed while files are transferred, by the client and by the server.

use std::fs;

use super::support::{TestServer, pattern, same, succeeded, wait_for};

/// Key exchanges that OpenSSH told of with `-v`.
fn exchanges(said: &str) -> usize {
    said.lines().filter(|line| line.contains("SSH2_MSG_NEWKEYS received")).count()
}

#[test]
fn openssh_renews_the_keys_often_both_ways() {
    const LENGTH: usize = 32 << 20;
    let server = TestServer::start();
    fs::write(server.root.join("outbox/large"), pattern(LENGTH)).unwrap();
    let options = ["-v", "-o", "RekeyLimit=256K"];
    for (commands, to) in
        [("get outbox/large got\n", server.path("got")), ("put got inbox/put\n", server.root.join("inbox/put"))]
    {
        let said = succeeded(&server.sftp(&options, commands));
        // What is on its way when the limit is met still goes with the keys before.
        assert!(exchanges(&said) > 16, "{commands}: {said}");
        assert!(same(&server.root.join("outbox/large"), &to), "{commands}");
    }
    wait_for("the ends", || server.seen.ended.lock().unwrap().len() == 2);
    assert_eq!(*server.seen.ended.lock().unwrap(), [true; 2]);
}

#[test]
fn the_server_renews_the_keys_after_a_gibibyte_in_either_direction() {
    const LENGTH: usize = 128 << 20;
    let server = TestServer::start();
    fs::write(server.root.join("outbox/large"), pattern(LENGTH)).unwrap();
    // OpenSSH itself waits for 64 GiB of AES.
    let options = ["-v", "-o", "RekeyLimit=default none", "-R", "64", "-B", "261120"];
    for (command, to) in
        [("get outbox/large got\n", server.path("got")), ("put got inbox/put\n", server.root.join("inbox/put"))]
    {
        let said = succeeded(&server.sftp(&options, &command.repeat(9)));
        assert_eq!(exchanges(&said), 2, "{command}: {said}");
        assert!(same(&server.root.join("outbox/large"), &to), "{command}");
    }
    wait_for("the ends", || server.seen.ended.lock().unwrap().len() == 2);
    assert_eq!(*server.seen.ended.lock().unwrap(), [true; 2]);
}
