//! Bytes on an SFTP channel that no client sends, and answers that no client leaves unread.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use russh::client::{self, Handle};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::support::{TestServer, pattern, roomy, wait_for};
pub use crate::support::raw::AnyHost;
use crate::support::raw::{CREATE, READ, Raw, WRITE, log_in, packet, read, status, string, write};

pub async fn connect(server: &TestServer, config: client::Config) -> Handle<AnyHost> {
    log_in(server.address, "bree", &server.client_key.private, config).await
}

/// A channel with SFTP, without INIT.
pub async fn bare(server: &TestServer, config: client::Config) -> Raw {
    Raw::bare(connect(server, config).await).await
}

pub async fn session(server: &TestServer, config: client::Config) -> Raw {
    Raw::begun(connect(server, config).await).await
}

/// A client whose window and queues hold little, so that the server's replies stay with the server.
pub fn closed_window() -> client::Config {
    client::Config { window_size: 32 * 1024, channel_buffer_size: 1, ..client::Config::default() }
}

#[test]
fn a_thousand_reads_at_a_closed_window_keep_little_in_memory_and_are_all_answered_when_it_opens() {
    const LENGTH: usize = 255 * 1024;
    let server = TestServer::start();
    let body = pattern(LENGTH);
    fs::write(server.root.join("outbox/x"), &body).unwrap();
    fs::write(server.root.join("outbox/y"), pattern(8 << 20)).unwrap();
    server.runtime.block_on(async {
        let mut raw = session(&server, closed_window()).await;
        let handle = raw.open("/outbox/x", 1).await;
        let burst: Vec<u8> = (0..1000).flat_map(|id| read(id, &handle, 0, 300_000)).collect();
        raw.send(&burst).await;
        // Another tenant's worth of work goes through meanwhile.
        let client = server.client().await;
        assert_eq!(client.download("/outbox/y").await.unwrap().len(), 8 << 20);
        client.close().await.unwrap();
        let read = server.seen.read.lock().unwrap().get("/outbox/x").copied().unwrap_or_default();
        assert!(read < 4 << 20, "{read} bytes were read ahead of a client that takes none");
        for id in 0..1000_u32 {
            let reply = raw.reply().await.unwrap();
            assert_eq!((reply[0], &reply[1..5]), (103, &id.to_be_bytes()[..]));
            assert!(reply[9..] == body);
        }
    });
}

/// As paramiko's `get` does, whose window and memory are as large as it likes.
#[test]
fn a_whole_file_may_be_asked_for_before_any_of_it_is_taken() {
    const LENGTH: u32 = 70;
    // By themselves more than what one connection may have waiting.
    const READS: u32 = 100_000;
    let server = TestServer::start();
    let body = pattern(LENGTH as usize * READS as usize - 30);
    fs::write(server.root.join("outbox/x"), &body).unwrap();
    server.runtime.block_on(async {
        let config = client::Config { channel_buffer_size: READS as usize, ..client::Config::default() };
        let mut raw = session(&server, config).await;
        let handle = raw.open("/outbox/x", READ).await;
        let ids: Vec<u32> = (10..10 + READS).collect();
        for ids in ids.chunks(1000) {
            let reads = ids.iter().map(|id| read(*id, &handle, u64::from(id - 10) * u64::from(LENGTH), LENGTH));
            raw.send(&reads.collect::<Vec<_>>().concat()).await;
        }
        // Behind the end, and behind the CLOSE.
        raw.send(&read(1, &handle, body.len() as u64, LENGTH)).await;
        raw.send(&[packet(4, 2, &string(&handle)), read(3, &handle, 0, LENGTH)].concat()).await;
        let (mut pieces, mut codes) = (ids.iter().zip(body.chunks(LENGTH as usize)), Vec::new());
        for _ in 0..READS + 3 {
            let reply = raw.reply().await.unwrap();
            if reply[0] != 103 {
                codes.push((reply[4], status(&reply).0));
                continue;
            }
            let (id, piece) = pieces.next().unwrap();
            assert!(reply[1..5] == id.to_be_bytes() && reply[9..] == *piece, "{id}");
        }
        codes.sort_unstable();
        assert_eq!(codes, [(1, 1), (2, 0), (3, 4)]);
    });
    assert_eq!(*server.seen.ended.lock().unwrap(), [false; 0]);
}

#[test]
fn an_upload_is_not_read_back_ahead_of_a_client_that_takes_nothing() {
    const LENGTH: usize = 255 * 1024;
    let server = TestServer::start();
    let body = pattern(LENGTH);
    fs::write(server.root.join("outbox/y"), pattern(8 << 20)).unwrap();
    server.runtime.block_on(async {
        let mut raw = session(&server, closed_window()).await;
        let handle = raw.open("/inbox/a", READ | WRITE | CREATE).await;
        assert_eq!(raw.write(&handle, 0, &body).await.0, 0);
        let burst: Vec<u8> = (0..1000).flat_map(|id| read(id, &handle, 0, 300_000)).collect();
        raw.send(&burst).await;
        let client = server.client().await;
        assert_eq!(client.download("/outbox/y").await.unwrap().len(), 8 << 20);
        client.close().await.unwrap();
        let ahead = server.seen.read.lock().unwrap().get("/inbox/a").copied().unwrap_or_default();
        assert!(ahead < 4 << 20, "{ahead} bytes were read ahead of a client that takes none");
        for id in 0..1000_u32 {
            let reply = raw.reply().await.unwrap();
            assert_eq!((reply[0], &reply[1..5]), (103, &id.to_be_bytes()[..]));
            assert!(reply[9..] == body);
        }
        // Several uploads, with writes between what is read.
        let mut handles = vec![handle];
        for name in ["b", "c"] {
            handles.push(raw.open(&format!("/inbox/{name}"), READ | WRITE | CREATE).await);
        }
        // In one breath: this client hears nothing while its replies are not taken.
        let both = |(handle, round): (&Vec<u8>, u32)| {
            [write(2000 + round, handle, 0, &body[..1000]), read(3000 + round, handle, 0, 300_000)].concat()
        };
        let burst: Vec<u8> =
            (0..20).flat_map(|round| handles.iter().map(move |handle| (handle, round))).flat_map(both).collect();
        raw.send(&burst).await;
        let mut told = 0;
        for _ in 0..120 {
            let reply = raw.reply().await.unwrap();
            told += usize::from(reply[0] == 103 && body.starts_with(&reply[9..]));
        }
        assert_eq!(told, 60);
    });
}

#[test]
fn files_that_are_half_in_memory_leave_room_for_those_that_are_not() {
    const LENGTH: u32 = 200 * 1024;
    let server = TestServer::start();
    let names: Vec<String> = (0..8).map(|at| format!("half-{at}")).chain(["cold".to_owned()]).collect();
    let body = pattern(LENGTH as usize);
    for name in &names {
        fs::write(server.root.join("outbox").join(name), &body).unwrap();
    }
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        for name in &names {
            let handle = raw.open(&format!("/outbox/{name}"), 1).await;
            assert!(raw.read(&handle, 0, LENGTH).await.unwrap() == body, "{name}");
            assert_eq!(raw.close(&handle).await.0, 0);
            // A half was read once.
            let read = server.seen.read.lock().unwrap().get(&format!("/outbox/{name}")).copied().unwrap_or_default();
            assert!(read <= u64::from(LENGTH), "{name}: {read}");
        }
    });
}

/// A forwarder of one connection that passes nothing back to the client while it is held, and counts what it passed to the
/// server.
async fn held_back(server: &TestServer) -> (SocketAddr, watch::Sender<bool>, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, server) = (listener.local_addr().unwrap(), server.address);
    let (hold, mut held) = watch::channel(false);
    let passed = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&passed);
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let (mut from_client, mut to_client) = client.split();
        let mut server = TcpStream::connect(server).await.unwrap();
        // What is counted has nearly all arrived.
        SockRef::from(&server).set_send_buffer_size(64 << 10).unwrap();
        let (mut from_server, mut to_server) = server.split();
        let back = async {
            let mut buffer = vec![0; 32 * 1024];
            while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                held.wait_for(|held| !held).await.unwrap();
                to_client.write_all(&buffer[..read]).await.unwrap();
            }
        };
        let forth = async {
            let mut buffer = vec![0; 32 * 1024];
            while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                if to_server.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
                count.fetch_add(read as u64, Ordering::Relaxed);
            }
        };
        tokio::select! {
            () = back => {}
            () = forth => {}
        }
    });
    (address, hold, passed)
}

#[test]
fn who_asks_on_and_on_without_taking_replies_is_cut() {
    let server = TestServer::start();
    fs::write(server.root.join("outbox/x"), pattern(255 * 1024)).unwrap();
    server.runtime.block_on(async {
        let (address, hold, _) = held_back(&server).await;
        let config = client::Config::default();
        let mut raw = Raw::begun(log_in(address, "bree", &server.client_key.private, config).await).await;
        let handle = raw.open("/outbox/x", 1).await;
        hold.send(true).unwrap();
        let burst: Vec<u8> = (0..1000).flat_map(|id| read(id, &handle, 0, 300_000)).collect();
        // Above 8 MiB of waiting requests nothing is read, and after a while the end comes; each counts 128 bytes.
        for _ in 0..80 {
            if raw.channel.data(&burst[..]).await.is_err() {
                break;
            }
        }
        wait_for("the end", || server.seen.ended.lock().unwrap().len() == 1);
    });
    assert_eq!(*server.seen.ended.lock().unwrap(), [false]);
}

#[test]
fn a_slow_disk_and_replies_that_do_not_go_hold_an_upload_up_and_do_not_end_it() {
    const PIECE: usize = 30_000;
    const WRITES: u32 = 340;
    // Nearly what a connection may have waiting.
    const TAKEN: u64 = (8 << 20) - (256 << 10);
    let (limits, penalties) = roomy();
    let narrow = |listener: &TcpListener| SockRef::from(listener).set_recv_buffer_size(128 << 10).unwrap();
    let server = TestServer::start_listening(limits, penalties, |_| (), narrow);
    let whole = pattern(PIECE * WRITES as usize);
    fs::write(server.root.join("outbox/x"), pattern(255 * 1024)).unwrap();
    fs::write(server.root.join("outbox/y"), pattern(2 << 20)).unwrap();
    let disk = server.seen.disk.lock().unwrap();
    let (mut raw, hold, passed) = server.runtime.block_on(async {
        let (address, hold, passed) = held_back(&server).await;
        let config = client::Config { window_size: 32 * 1024, ..client::Config::default() };
        let mut raw = Raw::begun(log_in(address, "bree", &server.client_key.private, config).await).await;
        let (outgoing, slow) = (raw.open("/outbox/x", READ).await, raw.open("/inbox/slow", WRITE | CREATE).await);
        hold.send(true).unwrap();
        // Its reply is longer than the window: it is being sent for as long as the client hears nothing.
        raw.send(&read(WRITES, &outgoing, 0, 255 * 1024)).await;
        let at = |id: u32| u64::from(id) * PIECE as u64;
        let burst: Vec<u8> =
            (0..).zip(whole.chunks(PIECE)).flat_map(|(id, piece)| write(id, &slow, at(id), piece)).collect();
        raw.send(&burst).await;
        (raw, hold, passed)
    });
    wait_for("the bound", || passed.load(Ordering::Relaxed) >= TAKEN);
    // The rest goes as far as it goes while somebody else is served.
    server.runtime.block_on(async {
        let client = server.client().await;
        assert_eq!(client.download("/outbox/y").await.unwrap().len(), 2 << 20);
        client.close().await.unwrap();
    });
    drop(disk);
    hold.send(false).unwrap();
    server.runtime.block_on(async {
        for _ in 0..=WRITES {
            let reply = raw.reply().await.unwrap();
            assert!(reply[0] == 103 || status(&reply).0 == 0, "{reply:?}");
        }
    });
    assert!(fs::read(server.root.join("inbox/slow")).unwrap() == whole);
}

#[test]
fn the_channels_of_a_connection_have_one_bound_for_what_waits() {
    let server = TestServer::start();
    fs::write(server.root.join("outbox/x"), pattern(255 * 1024)).unwrap();
    // Below what one channel may have, and below what all may have together.
    let asked = |channels: usize, each: u32| {
        server.runtime.block_on(async {
            let (address, hold, _) = held_back(&server).await;
            // Narrow, so that it is the sessions that wait for the client, and not their transport for its socket.
            let config = client::Config { window_size: 32 * 1024, ..client::Config::default() };
            let mut first = Raw::begun(log_in(address, "bree", &server.client_key.private, config).await).await;
            let mut raws = Vec::new();
            let handle = first.open("/outbox/x", 1).await;
            raws.push((first, handle));
            for _ in 1..channels {
                let mut raw = raws[0].0.another().await;
                let handle = raw.open("/outbox/x", 1).await;
                raws.push((raw, handle));
            }
            hold.send(true).unwrap();
            for (raw, handle) in &raws {
                let burst: Vec<u8> = (0..each).flat_map(|id| read(id, handle, 0, 300_000)).collect();
                // The connection may be gone.
                let _ = raw.channel.data(&burst[..]).await;
            }
            (raws, hold)
        })
    };
    // Each waiting request counts 128 bytes: 2 MB.
    let alone = asked(1, 16_000);
    let together = asked(10, 16_000);
    wait_for("the end of the ten", || server.seen.ended.lock().unwrap().len() >= 10);
    assert_eq!(*server.seen.ended.lock().unwrap(), [false; 10]);
    wait_for("the end of their connection", || server.sessions.connections() < 2);
    assert_eq!(server.sessions.connections(), 1, "who asked as much on one channel is still there");
    drop((alone, together));
}

#[test]
fn packets_out_of_bounds_end_the_session() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        for bytes in [&[0, 4, 4, 1][..], &[255; 5], &[0; 4], &[0, 0, 0, 4, 5, 0, 0, 0]] {
            let mut raw = session(&server, client::Config::default()).await;
            raw.send(bytes).await;
            assert_eq!(raw.reply().await, None, "{bytes:?}");
        }
        let mut raw = bare(&server, client::Config::default()).await;
        raw.send(&packet(16, 1, &string(b"."))).await;
        assert_eq!(raw.reply().await, None, "a session begins with INIT");
        let mut raw = session(&server, client::Config::default()).await;
        raw.send(&packet(1, 3, b"")).await;
        assert_eq!(raw.reply().await, None, "INIT comes once");
    });
    wait_for("the ends", || server.sessions.connections() == 0);
    assert!(server.seen.ended.lock().unwrap().iter().all(|regular| !regular));
}

#[test]
fn what_does_not_decode_is_answered_with_its_id() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        for (kind, body) in [(3, &b"\0\0\0\x09x"[..]), (5, b""), (6, b"\0\0\0\x08"), (9, b"\0\0\0\x01/"), (200, b"x")] {
            let (code, text) = status(&raw.ask(kind, 77, body).await);
            assert_eq!((code, text.as_str()), (5, "dit verzoek is niet te lezen"), "{kind}");
        }
        let long = [string(&vec![b'a'; 20_000]), string(b"b")].concat();
        assert_eq!(status(&raw.ask(18, 77, &long).await).0, 5);
        let (code, _) = status(&raw.ask(99, 78, b"").await);
        assert_eq!(code, 8);
        let (code, _) = status(&raw.ask(200, 79, &string(b"copy-data")).await);
        assert_eq!(code, 8);
        let (code, text) = status(&raw.ask(17, 80, &string(b"/inbox/\xff")).await);
        assert_eq!((code, text.as_str()), (4, "de bestandsnaam is geen UTF-8"));
        for (kind, body) in [(4, string(b"12345678")), (5, [string(b"x"), vec![0; 12]].concat())] {
            let (code, text) = status(&raw.ask(kind, 81, &body).await);
            assert_eq!((code, text.as_str()), (4, "dit bestand is niet geopend"));
        }
    });
}

#[test]
fn requests_that_do_not_wait_for_replies_keep_their_order() {
    let server = TestServer::start();
    let body = pattern(300_000);
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let handle = raw.open("/inbox/a", 2 | 8 | 16).await;
        let mut burst = Vec::new();
        for (id, piece) in (10..).zip(body.chunks(1000)) {
            burst.extend(write(id, &handle, u64::from(id - 10) * 1000, piece));
        }
        // Size as seen by path, close, rename and size again, in one breath.
        burst.extend(packet(17, 1000, &string(b"/inbox/a")));
        burst.extend(packet(4, 1001, &string(&handle)));
        burst.extend(packet(18, 1002, &[string(b"/inbox/a"), string(b"/inbox/b")].concat()));
        burst.extend(packet(17, 1003, &string(b"/inbox/b")));
        raw.send(&burst).await;
        let mut replies = std::collections::HashMap::new();
        for _ in 0..304 {
            let reply = raw.reply().await.unwrap();
            replies.insert(u32::from_be_bytes(reply[1..5].try_into().unwrap()), reply);
        }
        for id in (10..310).chain([1001, 1002]) {
            assert_eq!(status(&replies[&id]).0, 0, "{id}");
        }
        for id in [1000, 1003] {
            assert_eq!((replies[&id][0], &replies[&id][9..17]), (105, &300_000_u64.to_be_bytes()[..]));
        }
    });
    assert!(fs::read(server.root.join("inbox/b")).unwrap() == body);
    assert_eq!(*server.seen.finished.lock().unwrap(), ["/inbox/a"]);
}

#[test]
fn handles_are_counted_and_do_not_come_back() {
    let server = TestServer::start();
    fs::write(server.root.join("outbox/x"), "x").unwrap();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let mut handles = Vec::new();
        for _ in 0..256 {
            handles.push(raw.open("/outbox/x", 1).await);
        }
        let body = [string(b"/outbox/x"), vec![0, 0, 0, 1, 0, 0, 0, 0]].concat();
        let (code, text) = status(&raw.ask(3, 5, &body).await);
        assert_eq!((code, text.as_str()), (4, "te veel bestanden tegelijk geopend"));
        let closed = handles.pop().unwrap();
        assert_eq!(status(&raw.ask(4, 6, &string(&closed)).await).0, 0);
        assert_eq!(status(&raw.ask(4, 7, &string(&closed)).await).0, 4);
        assert_ne!(raw.open("/outbox/x", 1).await, closed);
        let mut directories = 0;
        loop {
            let handle = handles.pop().unwrap();
            assert_eq!(status(&raw.ask(4, 8, &string(&handle)).await).0, 0);
            if raw.ask(11, 9, &string(b"/")).await[0] == 101 {
                break;
            }
            directories += 1;
        }
        assert_eq!(directories, 10);
    });
}

#[test]
fn an_upload_that_is_cut_off_is_never_finished() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let handle = raw.open("/inbox/a", 2 | 8 | 16).await;
        let reply = raw.ask(6, 2, &write(2, &handle, 0, b"half")[9..]).await;
        assert_eq!(status(&reply).0, 0);
        // Half a WRITE, and then nothing any more.
        raw.send(&write(3, &handle, 4, b"the rest")[..30]).await;
        drop(raw);
    });
    wait_for("the end", || server.seen.ended.lock().unwrap().len() == 1);
    assert_eq!(*server.seen.dropped.lock().unwrap(), ["/inbox/a"]);
    assert!(server.seen.finished.lock().unwrap().is_empty());
    wait_for("the account", || server.account.logged_out.lock().unwrap().len() == 1);
    assert!(!server.account.logged_out.lock().unwrap()[0].2);
}

#[test]
fn a_file_that_is_open_for_both_is_written_and_read_back() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let handle = raw.open("/inbox/a", 1 | 2 | 8).await;
        raw.ask(6, 2, &write(2, &handle, 0, b"abcdef")[9..]).await;
        let reply = raw.ask(5, 3, &read(3, &handle, 2, 100)[9..]).await;
        assert_eq!((reply[0], &reply[9..]), (103, &b"cdef"[..]));
        let reply = raw.ask(5, 4, &read(4, &handle, 6, 100)[9..]).await;
        assert_eq!(status(&reply).0, 1);
        let size = [string(&handle), 1_u32.to_be_bytes().to_vec(), 3_u64.to_be_bytes().to_vec()].concat();
        assert_eq!(status(&raw.ask(10, 5, &size).await).0, 0);
        let reply = raw.ask(8, 6, &string(&handle)).await;
        assert_eq!((reply[0], &reply[9..17]), (105, &3_u64.to_be_bytes()[..]));
        let sync = [string(b"fsync@openssh.com"), string(&handle)].concat();
        assert_eq!(status(&raw.ask(200, 7, &sync).await).0, 0);
        assert_eq!(status(&raw.ask(4, 8, &string(&handle)).await).0, 0);
    });
    assert_eq!(fs::read(server.root.join("inbox/a")).unwrap(), b"abc");
}
