//! Limits on connections, times and channels, and the end of the server.

use std::{
    fs,
    io::Read,
    net::TcpStream,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use groeikluis::sftp::{RefusalReason, ServerEnd};
use russh::client;

use super::{
    raw::{connect, session},
    support::{TestServer, pattern, roomy, wait_for},
};
use crate::support::raw::{AnyHost, packet, status, string};

/// Everything the server says until it closes.
fn until_closed(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut said = Vec::new();
    // A reset is an end too.
    stream.read_to_end(&mut said).ok();
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn who_says_nothing_is_let_go_after_the_grace() {
    let (mut limits, penalties) = roomy();
    limits.login_grace = Duration::from_secs(1);
    let server = TestServer::start_with(limits, penalties, |_| ());
    let start = Instant::now();
    let silent = TcpStream::connect(server.address).unwrap();
    let mut greeted = TcpStream::connect(server.address).unwrap();
    std::io::Write::write_all(&mut greeted, b"SSH-2.0-slow\r\n").unwrap();
    assert_eq!(until_closed(silent), "SSH-2.0-groeikluis\r\n");
    until_closed(greeted);
    assert!(start.elapsed() >= limits.login_grace);
    wait_for("the ends", || server.sessions.connections() == 0);
    assert!(server.account.refused.lock().unwrap().is_empty(), "nobody named a user");
    // Who does log in, which a busy machine may take too long for, stays beyond it.
    server.runtime.block_on(async {
        let start = Instant::now();
        let client = loop {
            match server.try_client().await {
                Ok(client) => break client,
                Err(error) => assert!(start.elapsed() < Duration::from_mins(1), "{error}"),
            }
        };
        tokio::time::sleep(2 * limits.login_grace).await;
        client.list("/").await.unwrap();
    });
}

#[test]
fn who_only_wants_to_be_greeted_is_greeted_slowly_and_who_speaks_at_once() {
    let server = TestServer::start();
    let greeting = |say: &[u8]| {
        let start = Instant::now();
        let mut stream = TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(&mut stream, say).unwrap();
        let mut greeting = [0; 8];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"SSH-2.0-");
        start.elapsed()
    };
    wait_for("a slow greeting", || greeting(b"") >= Duration::from_secs(1));
    for _ in 0..3 {
        // Never, if it were made to wait; on a busy machine not the first time.
        wait_for("a greeting at once", || {
            greeting(b"");
            greeting(b"SSH-2.0-client\r\n") < Duration::from_secs(1)
        });
        server.runtime.block_on(async { server.client().await.close().await }).unwrap();
    }
}

#[test]
fn idle_sessions_end_and_keepalives_do_not_count() {
    let (mut limits, penalties) = roomy();
    // It also runs between the login and INIT.
    limits.idle = Duration::from_secs(3);
    let server = TestServer::start_with(limits, penalties, |_| ());
    server.runtime.block_on(async {
        let keepalive = client::Config {
            keepalive_interval: Some(Duration::from_millis(50)),
            keepalive_max: 0,
            ..client::Config::default()
        };
        let mut raw = session(&server, keepalive).await;
        assert_eq!(raw.reply().await, None);
    });
    wait_for("the account", || server.account.logged_out.lock().unwrap().len() == 1);
    assert!(!server.account.logged_out.lock().unwrap()[0].2);
}

#[test]
fn connections_are_counted_per_source_and_in_all() {
    let (mut limits, penalties) = roomy();
    limits.connections_per_source = 3;
    let server = TestServer::start_with(limits, penalties, |_| ());
    let greeted = || {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let mut greeting = [0; 20];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"SSH-2.0-groeikluis\r\n");
        stream
    };
    let held: Vec<TcpStream> = (0..3).map(|_| greeted()).collect();
    // The oldest that waits for a login makes room for who comes with one.
    server.runtime.block_on(async {
        let (one, two, three) = (server.client().await, server.client().await, server.client().await);
        for displaced in held {
            assert_eq!(until_closed(displaced), "");
        }
        let fourth = TcpStream::connect(server.address).unwrap();
        assert!(until_closed(fourth).starts_with("Te veel verbindingen"));
        for client in [one, two, three] {
            client.close().await.unwrap();
        }
    });
    wait_for("the ends", || server.sessions.connections() == 0);
    server.runtime.block_on(async { server.client().await.close().await }).unwrap();
}

#[test]
fn channels_are_counted_and_their_places_come_back() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let connection = connect(&server, client::Config::default()).await;
        let mut channels = Vec::new();
        for _ in 0..10 {
            channels.push(connection.channel_open_session().await.unwrap());
        }
        for _ in 0..54 {
            assert!(connection.channel_open_session().await.is_err());
        }
        for channel in &channels {
            channel.request_subsystem(true, "sftp").await.unwrap();
        }
        for mut channel in channels {
            channel.eof().await.unwrap();
            while channel.wait().await.is_some() {}
        }
        // The places come back with the ends of the sessions.
        wait_for("the ends", || server.seen.ended.lock().unwrap().len() == 10);
        wait_until_opened(&connection).await;
        let mut names = server.seen.sessions.lock().unwrap().clone();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 10, "each session has a name of its own");
        assert!(names.iter().all(|name| name.starts_with(&names[0])));
        let other = connection.channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1).await;
        assert!(other.is_err());
        assert!(connection.tcpip_forward("127.0.0.1", 0).await.is_err());
    });
}

/// A place is given back when the session's task has ended, which is a moment after the channel has.
async fn wait_until_opened(connection: &client::Handle<AnyHost>) {
    let start = Instant::now();
    while connection.channel_open_session().await.is_err() {
        assert!(start.elapsed() < Duration::from_mins(1));
    }
}

#[test]
fn directories_are_counted_over_all_channels_before_they_are_read() {
    const OPENDIR: u8 = 11;
    let server = TestServer::start();
    let refused = (4, "te veel bestanden tegelijk geopend".to_owned());
    server.runtime.block_on(async {
        let first = session(&server, client::Config::default()).await;
        let second = first.another().await;
        let burst: Vec<u8> = (0..40).flat_map(|id| packet(OPENDIR, id, &string(b"/inbox"))).collect();
        let mut opened = Vec::new();
        for raw in [&first, &second] {
            raw.send(&burst).await;
        }
        for mut raw in [first, second] {
            let mut handles = Vec::new();
            for _ in 0..40 {
                let reply = raw.reply().await.unwrap();
                if reply[0] == 102 {
                    handles.push(reply[9..].to_vec());
                } else {
                    assert_eq!(status(&reply), refused);
                }
            }
            opened.push((raw, handles));
        }
        let count: usize = opened.iter().map(|(_, handles)| handles.len()).sum();
        assert_eq!((count, server.seen.listed.load(Ordering::Relaxed)), (10, 10));
        // What is closed, and what could not be opened, gives its place back to either.
        let (mut other, handles) = opened.pop().unwrap();
        let (mut one, more) = opened.pop().unwrap();
        let closed =
            handles.first().map(|handle| (&mut other, handle)).or(more.first().map(|handle| (&mut one, handle)));
        let (raw, handle) = closed.unwrap();
        assert_eq!(raw.close(handle).await.0, 0);
        for id in 0..20 {
            assert_eq!(status(&one.ask(OPENDIR, id, &string(b"/none")).await).0, 2);
        }
        assert_eq!(one.ask(OPENDIR, 1, &string(b"/")).await[0], 102);
        assert_eq!(status(&other.ask(OPENDIR, 1, &string(b"/")).await), refused);
        assert!(other.open("/inbox/a", 2 | 8).await != Vec::<u8>::new(), "files have places of their own");
    });
}

#[test]
fn attempts_are_counted_across_user_names() {
    let (mut limits, penalties) = roomy();
    limits.auth_attempts = 3;
    let server = TestServer::start_with(limits, penalties, |_| ());
    server.runtime.block_on(async {
        let config = std::sync::Arc::new(client::Config::default());
        let mut connection = client::connect(config, server.address, AnyHost).await.unwrap();
        let mut tried = 0;
        while connection.authenticate_password(format!("user{tried}"), "x").await.is_ok_and(|_| tried < 100) {
            tried += 1;
        }
    });
    wait_for("the end", || server.sessions.connections() == 0);
    let judged = |user: &str, reason| (user.to_owned(), reason);
    let exactly = [
        judged("user0", RefusalReason::UnknownUser),
        judged("user1", RefusalReason::UnknownUser),
        judged("user2", RefusalReason::TooManyAttempts),
    ];
    wait_for("all refusals", || server.account.refused.lock().unwrap().len() >= exactly.len());
    let mut refused = server.refusals(exactly.len());
    // Each is entered by a task of its own.
    refused.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(refused, exactly);
}

#[test]
fn the_server_drains_what_transfers_and_ends_what_idles() {
    let mut server = TestServer::start();
    fs::write(server.root.join("outbox/x"), pattern(1 << 20)).unwrap();
    let (idle, mut busy) = server.runtime.block_on(async {
        let mut busy = session(&server, client::Config::default()).await;
        let handle = busy.open("/inbox/a", 2 | 8).await;
        (server.client().await, (busy, handle))
    });
    let address = server.address;
    let (stopping, working) = std::thread::scope(|scope| {
        let handle = server.runtime.handle().clone();
        let working = scope.spawn(move || {
            handle.block_on(async {
                // The idle one ends although the drain time is not over.
                while idle.list("/").await.is_ok() {}
                assert!(TcpStream::connect(address).is_err());
                let (raw, handle) = &mut busy;
                let closed = raw.ask(4, 9, &string(handle)).await;
                assert_eq!(closed[0], 101);
            });
        });
        (server.stop(), working.join())
    });
    working.unwrap();
    assert_eq!(stopping, ServerEnd { connections_cut: 0 });
    assert_eq!(*server.seen.finished.lock().unwrap(), ["/inbox/a"]);
}

#[test]
fn who_says_nothing_does_not_hold_up_the_end() {
    let (mut limits, penalties) = roomy();
    (limits.login_grace, limits.drain) = (Duration::from_mins(10), Duration::from_mins(10));
    let mut server = TestServer::start_with(limits, penalties, |_| ());
    let silent = TcpStream::connect(server.address).unwrap();
    wait_for("the connection", || server.sessions.connections() == 1);
    assert_eq!(server.stop(), ServerEnd { connections_cut: 0 });
    until_closed(silent);
}

#[test]
fn what_does_not_end_in_time_is_cut_with_its_upload_unfinished() {
    let (mut limits, penalties) = roomy();
    limits.drain = Duration::from_millis(200);
    let mut server = TestServer::start_with(limits, penalties, |_| ());
    let _busy = server.runtime.block_on(async {
        let mut busy = session(&server, client::Config::default()).await;
        busy.open("/inbox/a", 2 | 8).await;
        busy
    });
    assert_eq!(server.stop(), ServerEnd { connections_cut: 1 });
    assert_eq!(*server.seen.dropped.lock().unwrap(), ["/inbox/a"]);
    assert!(server.seen.finished.lock().unwrap().is_empty());
}
