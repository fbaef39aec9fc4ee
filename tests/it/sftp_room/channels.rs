//! Channels: what is sent where nobody serves it, how many there may be, and how they end.

use std::{fs, time::Duration};

use russh::{
    Channel, ChannelMsg,
    client::{self, Msg},
};

use super::{
    raw::{connect, session},
    support::{TestServer, pattern, wait_for},
};
use crate::support::raw::{CREATE, READ, Raw, WRITE, read, write};

/// More packets than the transport keeps for a channel.
const PACKETS: u32 = 40;

async fn until_closed(channel: &mut Channel<Msg>) {
    while channel.wait().await.is_some() {}
}

#[test]
fn data_before_the_subsystem_ends_the_connection() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let connection = connect(&server, client::Config::default()).await;
        let mut channel = connection.channel_open_session().await.unwrap();
        for _ in 0..PACKETS {
            // The connection may be gone.
            let _ = channel.data(&b"INIT"[..]).await;
        }
        until_closed(&mut channel).await;
    });
    wait_for("the end", || server.sessions.connections() == 0);
    wait_for("the account", || server.account.logged_out.lock().unwrap().len() == 1);
    assert!(!server.account.logged_out.lock().unwrap()[0].2);
}

#[test]
fn any_number_of_variables_may_come_before_the_subsystem() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let connection = connect(&server, client::Config::default()).await;
        let channel = connection.channel_open_session().await.unwrap();
        for number in 0..PACKETS {
            channel.set_env(false, format!("LC_{number}"), "nl_BE.UTF-8").await.unwrap();
        }
        channel.request_pty(false, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
        let mut raw = Raw::on(connection, channel).await;
        let handle = raw.open("/inbox/a", WRITE | CREATE).await;
        assert_eq!(raw.close(&handle).await.0, 0);
    });
    assert_eq!(*server.seen.finished.lock().unwrap(), ["/inbox/a"]);
}

#[test]
fn a_channel_that_ends_before_the_subsystem_is_closed_at_once() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let connection = connect(&server, client::Config::default()).await;
        // More than a connection has at once: each gives its place back.
        for _ in 0..PACKETS {
            let mut channel = connection.channel_open_session().await.unwrap();
            channel.eof().await.unwrap();
            // The default of silence is minutes.
            tokio::time::timeout(Duration::from_mins(1), until_closed(&mut channel)).await.unwrap();
        }
        // The connection goes on.
        let channel = connection.channel_open_session().await.unwrap();
        let mut raw = Raw::on(connection, channel).await;
        let handle = raw.open("/inbox/a", WRITE | CREATE).await;
        assert_eq!(raw.close(&handle).await.0, 0);
    });
    assert_eq!(*server.seen.finished.lock().unwrap(), ["/inbox/a"]);
}

/// Whether the channel's request is granted.
async fn granted(channel: &mut Channel<Msg>) -> bool {
    loop {
        match channel.wait().await.unwrap() {
            ChannelMsg::Success => return true,
            ChannelMsg::Failure => return false,
            _ => {}
        }
    }
}

#[test]
fn another_subsystem_is_refused_and_the_channel_may_be_asked_for_what_is_here() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let connection = connect(&server, client::Config::default()).await;
        let mut channels = Vec::new();
        for _ in 0..10 {
            let mut channel = connection.channel_open_session().await.unwrap();
            channel.request_subsystem(true, "netconf").await.unwrap();
            assert!(!granted(&mut channel).await);
            channels.push(channel);
        }
        assert!(connection.channel_open_session().await.is_err(), "each keeps its place");
        let mut told = channels.pop().unwrap();
        told.exec(true, "/usr/lib/sftp-server").await.unwrap();
        assert!(granted(&mut told).await);
        let mut said = Vec::new();
        while let Some(message) = told.wait().await {
            if let ChannelMsg::ExtendedData { data, .. } = message {
                said.extend_from_slice(&data);
            }
        }
        assert!(String::from_utf8(said).unwrap().contains("alleen SFTP"));
        let mut raw = Raw::on(connection, channels.pop().unwrap()).await;
        let handle = raw.open("/inbox/a", WRITE | CREATE).await;
        assert_eq!(raw.close(&handle).await.0, 0);
    });
    assert_eq!(*server.seen.finished.lock().unwrap(), ["/inbox/a"]);
}

#[test]
fn what_is_sent_after_the_end_of_a_channel_stops_no_other() {
    const LENGTH: usize = 255 * 1024;
    let server = TestServer::start();
    let body = pattern(LENGTH);
    fs::write(server.root.join("outbox/x"), &body).unwrap();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let handle = raw.open("/outbox/x", READ).await;
        for _ in 0..20 {
            let ended = raw.another().await;
            let burst: Vec<u8> = (0..20).flat_map(|id| read(id, &handle, 0, 300_000)).collect();
            raw.send(&burst).await;
            ended.channel.eof().await.unwrap();
            for _ in 0..PACKETS {
                // The channel may be closed.
                let _ = ended.channel.data(&b"more"[..]).await;
            }
            for _ in 0..20 {
                assert!(raw.reply().await.unwrap()[9..] == body);
            }
        }
    });
}

#[test]
fn refused_channels_are_counted_of_every_kind() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let connection = connect(&server, client::Config::default()).await;
        let mut refused = 0;
        while !connection.is_closed() && refused < 1000 {
            assert!(connection.channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1).await.is_err());
            assert!(connection.channel_open_direct_streamlocal("/run/x").await.is_err());
            refused += 2;
        }
        assert!((256..1000).contains(&refused), "{refused}");
    });
    wait_for("the end", || server.sessions.connections() == 0);
}

#[test]
fn a_connection_has_so_many_channels_in_all() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let connection = connect(&server, client::Config::default()).await;
        let mut opened = 0;
        while let Ok(mut channel) = connection.channel_open_session().await {
            opened += 1;
            channel.exec(true, "true").await.unwrap();
            until_closed(&mut channel).await;
        }
        assert_eq!(opened, 4096);
    });
    wait_for("the end", || server.sessions.connections() == 0);
}

/// A client that ends a session with something open or not, by its channel's end of file or by closing it.
fn ends(open: bool, half: bool, by_end_of_file: bool) -> bool {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let handle = raw.open("/inbox/a", WRITE | CREATE).await;
        assert_eq!(raw.write(&handle, 0, b"abc").await.0, 0);
        if !open {
            assert_eq!(raw.close(&handle).await.0, 0);
        }
        if half {
            raw.send(&write(3, &handle, 3, b"the rest")[..30]).await;
        }
        if by_end_of_file {
            raw.channel.eof().await.unwrap();
            assert_eq!(raw.reply().await, None);
        } else {
            raw.channel.close().await.unwrap();
        }
        wait_for("the end", || server.seen.ended.lock().unwrap().len() == 1);
    });
    wait_for("the account", || server.account.logged_out.lock().unwrap().len() == 1);
    let regular = server.account.logged_out.lock().unwrap()[0].2;
    assert_eq!(*server.seen.ended.lock().unwrap(), [regular]);
    regular
}

#[test]
fn a_session_that_is_left_with_something_open_is_not_regular() {
    for by_end_of_file in [true, false] {
        assert!(ends(false, false, by_end_of_file), "{by_end_of_file}");
        assert!(!ends(true, false, by_end_of_file), "{by_end_of_file}");
        assert!(!ends(false, true, by_end_of_file), "{by_end_of_file}");
    }
}
