//! Attacks on the limits of `groeikluis.yaml`: each is met, costs little, and lets others work.

use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use groeikluis::sftp::client::ClientError;
use russh::client;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::support::{
    Memory, Plan, Protocol, Tenant, TestDaemon, block_on, niss,
    raw::{AnyHost, CREATE, READ, TRUNCATE, WRITE, packet, read, status, string, write},
    wait_until,
};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Far above what the server takes to end what it must, also on a busy machine; below the minutes of TCP, of keepalives,
/// and of a time for logins that a test makes long.
const SOON: Duration = Duration::from_mins(1);

pub fn start(limits: &str) -> TestDaemon {
    let protocol = Protocol::new("OPG-2026-017").every_child();
    let tenant = Tenant::municipality("bree", "72004").limits("upload_bytes: 8MiB").protocol(protocol);
    Plan::new().tenant(tenant).line(limits).start()
}

/// Connects from an address of this machine.
pub fn connect_from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::from(source), 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn connect(daemon: &TestDaemon) -> TcpStream {
    connect_from([127, 0, 0, 1], daemon.address())
}

/// All that the server says until it closes, which it must.
#[track_caller]
pub fn until_closed(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        // A reset is an end too.
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it was not closed"),
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Somebody logs in and works as if nothing were.
#[track_caller]
fn works(daemon: &TestDaemon) {
    let session = daemon.session("bree");
    assert!(!session.download("/LEESMIJ.txt").unwrap().is_empty());
    session.close();
}

/// The server's first words: the connection was taken.
#[track_caller]
pub fn greeted(mut stream: TcpStream) -> TcpStream {
    let mut greeting = [0; 8];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"SSH-2.0-");
    stream
}

/// The connection stands: the server answers the client's identification with its key exchange.
#[track_caller]
fn stands(mut stream: TcpStream) {
    stream.write_all(b"SSH-2.0-late\r\n").unwrap();
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    let mut packet = [0; 6];
    stream.read_exact(&mut packet).unwrap();
    assert_eq!(packet[5], 20, "SSH_MSG_KEXINIT");
}

#[test]
fn connections_of_a_source_are_counted_and_the_oldest_without_a_login_makes_room() {
    // Far longer than the test: nothing ends here by the grace.
    let daemon = start("limits: {connections: 12, connections_per_source: 4, login_grace_seconds: 600}");
    let other = greeted(connect_from([127, 0, 0, 2], daemon.address()));
    let mut held: Vec<TcpStream> = (0..20).map(|_| greeted(connect(&daemon))).collect();
    let newest = held.split_off(16);
    for displaced in held {
        assert!(!until_closed(displaced).contains("Te veel verbindingen"), "it was taken before");
    }
    let [first, second, third, last] = newest.try_into().unwrap();
    for standing in [third, last] {
        stands(standing);
    }
    // Who is logged in makes room for nobody.
    let mut sessions: Vec<_> = (0..4).map(|_| daemon.session("bree")).collect();
    for displaced in [first, second] {
        until_closed(displaced);
    }
    assert!(until_closed(connect(&daemon)).starts_with("Te veel verbindingen"), "the fifth of a source");
    for session in &sessions {
        assert!(!session.download("/LEESMIJ.txt").unwrap().is_empty());
    }
    stands(other);
    sessions.pop().unwrap().close();
    wait_until("the place of who left", || daemon.try_session("bree", "bree").is_ok());
}

#[test]
fn connections_are_counted_in_all() {
    // Far longer than the test: nothing ends here by the grace.
    let daemon = start("limits: {connections: 4, connections_per_source: 4, login_grace_seconds: 600}");
    let sessions: Vec<_> = (0..3).map(|_| daemon.session("bree")).collect();
    let waiting = greeted(connect_from([127, 0, 0, 2], daemon.address()));
    let newest = greeted(connect_from([127, 0, 0, 3], daemon.address()));
    until_closed(waiting);
    let last = daemon.session("bree");
    until_closed(newest);
    // Nobody waits who could make room.
    let refused = until_closed(connect_from([127, 0, 0, 4], daemon.address()));
    assert!(refused.starts_with("Te veel verbindingen"), "the fifth of all: {refused}");
    for session in sessions {
        assert!(!session.download("/LEESMIJ.txt").unwrap().is_empty());
        session.close();
    }
    last.close();
    wait_until("places of who left", || daemon.try_session("bree", "bree").is_ok());
}

#[test]
fn who_says_nothing_is_let_go_after_the_grace() {
    let daemon = start("limits: {login_grace_seconds: 3}");
    let began = Instant::now();
    until_closed(greeted(connect(&daemon)));
    assert!(began.elapsed().as_secs() >= 3, "the grace took {:?}", began.elapsed());
}

#[test]
fn who_sends_its_banner_byte_by_byte_gets_no_more_than_the_grace() {
    let daemon = start("limits: {login_grace_seconds: 2}");
    // The second in the midst of the key exchange: a packet of 30,000 bytes that never comes whole.
    for (begun, byte) in [(&b""[..], b"S"), (b"SSH-2.0-slow\r\n\0\0\x75\x30\x04\x14", b"x")] {
        let began = Instant::now();
        let mut slow = connect(&daemon);
        slow.write_all(begun).unwrap();
        // Each byte comes in time for any timer that begins anew with every byte.
        while slow.write_all(byte).is_ok() {
            assert!(began.elapsed() < SOON, "it has no end");
            thread::sleep(Duration::from_millis(100));
        }
        assert!(began.elapsed().as_secs() >= 2, "it took {:?}", began.elapsed());
    }
    works(&daemon);
}

#[test]
fn half_open_connections_cost_little_and_let_others_in() {
    const EACH: usize = 200;
    let mut daemon = start("limits: {connections: 2000, connections_per_source: 1000, login_grace_seconds: 10}");
    works(&daemon);
    let memory = Memory::of(daemon.process().id());
    let mut held = Vec::new();
    for begun in [&b""[..], b"SSH-2.0-half\r\n", b"SSH-2.0-half\r\n\0\0\x75\x30\x04\x14"] {
        for _ in 0..EACH {
            let mut stream = connect(&daemon);
            stream.write_all(begun).unwrap();
            held.push(stream);
        }
    }
    let held: Vec<TcpStream> = held.into_iter().map(greeted).collect();
    works(&daemon);
    let each = memory.grown() / held.len() as u64;
    println!("a half-open connection takes {each} bytes");
    assert!(each < 96 * KIB, "a half-open connection takes {each} bytes");
    for stream in held {
        until_closed(stream);
    }
    works(&daemon);
}

#[test]
fn what_comes_before_a_login_is_bounded() {
    let mut daemon = start("limits: {connections_per_source: 1000, login_grace_seconds: 600}");
    works(&daemon);
    let memory = Memory::of(daemon.process().id());
    let banner = b"SSH-2.0-attack\r\n";
    let with = |rest: &[u8]| [&banner[..], rest].concat();
    for (what, bytes) in [
        ("a banner without end", vec![b'S'; 4 << 20]),
        ("lines without a banner", b"hello\r\n".repeat(600_000)),
        ("a browser", b"GET / HTTP/1.1\r\nHost: example\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(100)),
        ("a packet of 4 GiB", with(&[0xff; 8])),
        ("a packet of 1 GiB, and a part of it", with(&[&[0x40, 0, 0, 0, 4, 20][..], &vec![0; 1 << 20]].concat())),
        ("a packet of 0 bytes", with(&[0; 64])),
        ("a packet that is all padding", with(&[0, 0, 0, 12, 255, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ("a login before the keys", with(&plain_packet(&[&[50][..], &string(b"bree")].concat()))),
        ("a channel before the keys", with(&plain_packet(&[&[90][..], &string(b"session")].concat()))),
        ("no message that there is", with(&plain_packet(&[255; 20]))),
        ("a key exchange of nothing", with(&plain_packet(&[20]))),
    ] {
        let mut stream = connect(&daemon);
        // The server may close before all of it is written.
        let _ = stream.write_all(&bytes);
        println!("{what}");
        until_closed(stream);
        assert!(memory.grown() < 8 * MIB, "{what}: {} bytes more", memory.grown());
    }
    works(&daemon);
}

/// A packet of the transport before any cipher (RFC 4253, section 6).
fn plain_packet(payload: &[u8]) -> Vec<u8> {
    let padding = 16 - (5 + payload.len()) % 8;
    let length = u32::try_from(1 + payload.len() + padding).unwrap();
    [&length.to_be_bytes()[..], &[u8::try_from(padding).unwrap()], payload, &vec![0; padding]].concat()
}

#[test]
fn abrupt_resets_leave_nothing_behind() {
    let daemon = start("limits: {connections_per_source: 1000}");
    for turn in 0..300 {
        let mut stream = connect(&daemon);
        let begun: &[u8] = [&b""[..], b"SSH-2.0-reset\r\n", b"SSH-2.0-reset\r\n\0\0\x75\x30\x04\x14rubbish"][turn % 3];
        // It may be reset by the other end already.
        let _ = stream.write_all(begun);
        reset_when_closed(&stream);
    }
    works(&daemon);
    let whole = list(2000);
    let (first, rest) = whole.split_at(whole.len() / 2);
    let way = Way::to(daemon.address());
    let mut access = daemon.access();
    access.address = way.address;
    let mut raw = access.raw("bree", client::Config::default());
    block_on(async {
        let handle = raw.open("/inbox/lijst.csv", WRITE | CREATE | TRUNCATE).await;
        assert_eq!(raw.write(&handle, 0, first).await.0, 0);
    });
    way.reset();
    let ended = || daemon.events("auth.logout").iter().any(|entry| entry["regular"] == false);
    wait_until("the end of the session", ended);
    assert!(daemon.events("file.upload").is_empty());
    let mut raw = daemon.raw("bree");
    block_on(async {
        let handle = raw.open("/inbox/lijst.csv", WRITE).await;
        assert_eq!(raw.size(&handle).await, Ok(first.len() as u64));
        assert_eq!(raw.write(&handle, first.len() as u64, rest).await.0, 0);
        assert_eq!(raw.close(&handle).await.0, 0);
    });
    assert_eq!(daemon.events("file.upload").len(), 1);
}

/// The end of this connection is a reset: what was on its way is lost.
fn reset_when_closed(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// A way to the daemon that can be reset.
struct Way {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    server: mpsc::Receiver<TcpStream>,
}

impl Way {
    /// For one connection.
    fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, server) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect(target).unwrap();
            tell.send(server.try_clone().unwrap()).unwrap();
            let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let other = stopped.clone();
            thread::spawn(move || pass(from, to, &other));
            pass(client, server, &stopped);
        });
        Self { address, stop, server }
    }

    /// The last of those who hold the socket resets the connection.
    fn reset(self) {
        let server = self.server.recv().unwrap();
        reset_when_closed(&server);
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Passes bytes on until it is told to stop.
fn pass(mut from: TcpStream, mut to: TcpStream, stop: &AtomicBool) {
    let mut buffer = [0; 4096];
    from.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    while !stop.load(Ordering::SeqCst) {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => to.write_all(&buffer[..read]).unwrap(),
            // Nothing came: time to look whether to stop.
            Err(_) => {}
        }
    }
}

fn list(numbers: u32) -> Vec<u8> {
    let lines = (0..numbers).map(|number| niss(&format!("1501{:02}{:03}", 1 + number / 900, 1 + number % 900)));
    format!("niss\n{}\n", lines.collect::<Vec<_>>().join("\n")).into_bytes()
}

#[test]
fn sessions_files_attempts_and_silence_have_their_limits() {
    let daemon = start("limits: {sessions_per_tenant: 2, open_handles: 3, auth_attempts: 2, idle_seconds: 10}");
    block_on(async {
        let config = Arc::new(client::Config::default());
        let mut stranger = client::connect(config, daemon.address(), AnyHost).await.unwrap();
        // The transport's client takes the end of the connection for a refusal, once.
        let mut tried = 0;
        while stranger.authenticate_password("bree", "guess").await.is_ok_and(|_| tried < 50) {
            tried += 1;
        }
    });
    wait_until("the account of the attempts", || daemon.events("auth.refused").len() == 1);
    let refused = daemon.events("auth.refused").remove(0);
    assert_eq!((&refused["reason"], &refused["attempts"]), (&json!("too-many-attempts"), &json!(2)));
    let silent = daemon.raw("bree");
    let began = Instant::now();
    let mut busy = daemon.raw("bree");
    assert!(matches!(
        daemon.try_session("bree", "bree"),
        Err(ClientError::NotLetIn { .. }
            | ClientError::NoSftp(_)
            | ClientError::Ended
            | ClientError::Connection { .. })
    ));
    let refused = daemon.wait_for_events("auth.refused", 2);
    assert!(refused.iter().any(|entry| entry["reason"] == "too-many-sessions"), "{refused:?}");
    // Files are counted over all channels of a connection.
    block_on(async {
        for _ in 0..2 {
            busy.open("/LEESMIJ.txt", READ).await;
        }
        let mut second = busy.another().await;
        let third = second.open("/LEESMIJ.txt", READ).await;
        for raw in [&mut busy, &mut second] {
            let refused = raw.try_open("/LEESMIJ.txt", READ).await.unwrap_err();
            assert_eq!(refused, (4, "te veel bestanden tegelijk geopend".to_owned()));
        }
        assert_eq!(second.close(&third).await.0, 0);
        busy.open("/LEESMIJ.txt", READ).await;
    });
    let mut silent = silent;
    assert_eq!(block_on(silent.reply()), None, "the silent session ends");
    assert!(began.elapsed().as_secs() >= 9, "after {:?}", began.elapsed());
}

#[test]
fn a_daemon_that_is_asked_to_end_waits_for_transfers_no_longer_than_it_should() {
    let mut daemon = start("limits: {drain_seconds: 2}");
    let mut raw = daemon.raw("bree");
    block_on(raw.open("/inbox/lijst.csv", WRITE | CREATE));
    let began = Instant::now();
    let (status, said) = daemon.terminate();
    assert!(status.success(), "{said}");
    assert!(began.elapsed().as_secs() >= 2, "it took {:?}", began.elapsed());
    assert!(daemon.events("file.upload").is_empty());
}

#[test]
fn a_transfer_under_way_ends_well_though_the_daemon_is_asked_to_end() {
    // Far longer than its end is waited for: it comes with that of the transfer.
    let mut daemon = start("limits: {drain_seconds: 600}");
    let mut raw = daemon.raw("bree");
    let handle = block_on(raw.open("/inbox/lijst.csv", WRITE | CREATE));
    daemon.process().signal(Signal::TERM);
    daemon.process().wait_for_line("stopping").unwrap();
    wait_until("an end of logins", || daemon.try_session("bree", "bree").is_err());
    block_on(async {
        assert_eq!(raw.write(&handle, 0, &list(20)).await.0, 0);
        assert_eq!(raw.close(&handle).await.0, 0);
    });
    let (status, said) = daemon.terminate();
    assert!(status.success() && !said.contains("were cut"), "{said}");
    assert_eq!(daemon.events("file.upload").len(), 1);
}

#[test]
fn writes_far_apart_stay_within_the_memory_for_uploads() {
    let mut daemon = start("limits: {upload_bytes: 8MiB, upload_memory: 16MiB}");
    works(&daemon);
    let memory = Memory::of(daemon.process().id());
    let mut raw = daemon.raw("bree");
    let refused = block_on(async {
        let mut refused = Vec::new();
        for number in 0..40 {
            let handle = raw.open(&format!("/inbox/{number}.csv"), WRITE | CREATE | TRUNCATE).await;
            // One byte in each piece of memory, 128 times.
            let burst: Vec<u8> =
                (0..128).flat_map(|piece| write(piece, &handle, u64::from(piece) * 65_536, b"x")).collect();
            raw.send(&burst).await;
            for _ in 0..128 {
                let (code, text) = status(&raw.reply().await.unwrap());
                if code != 0 {
                    refused.push(text);
                }
            }
        }
        refused
    });
    assert!(refused.iter().all(|text| text.contains("te veel uploads tegelijk")), "{:?}", refused.first());
    assert!(refused.len() > 37 * 100, "{} of 5120 were refused", refused.len());
    println!("40 uploads of 8 MiB take {} bytes", memory.grown());
    assert!(memory.grown() < 32 * MIB, "{} bytes for 16 MiB of uploads", memory.grown());
    // The end of a file at the other end of the world is refused before any memory is taken.
    block_on(async {
        let handle = raw.open("/inbox/ver.csv", WRITE | CREATE | TRUNCATE).await;
        for offset in [8 * MIB, 1 << 40, u64::MAX - 1] {
            assert_eq!(raw.write(&handle, offset, b"xy").await.0, 4, "{offset}");
        }
        let size = [string(&handle), 1_u32.to_be_bytes().to_vec(), (1_u64 << 50).to_be_bytes().to_vec()].concat();
        assert_eq!(status(&raw.ask(10, 5, &size).await).0, 4);
    });
    drop(raw);
    // What was taken is free again.
    wait_until("room for a list", || {
        let session = daemon.session("bree");
        let uploaded = session.upload("/inbox/lijst.csv", &list(20));
        session.close();
        uploaded.is_ok()
    });
}

/// A client whose window and queues hold little, so that the server's replies stay with the server.
fn closed_window() -> client::Config {
    client::Config { window_size: 32 * 1024, channel_buffer_size: 1, ..client::Config::default() }
}

#[test]
fn who_asks_for_much_and_reads_nothing_costs_little() {
    const SESSIONS: u64 = 40;
    let mut daemon = start("limits: {sessions_per_tenant: 64, connections_per_source: 64}");
    let large = daemon.path("state/boxes/bree/outbox/groot.csv.age");
    File::create(large).unwrap().set_len(64 * MIB).unwrap();
    works(&daemon);
    let memory = Memory::of(daemon.process().id());
    let mut held = Vec::new();
    for _ in 0..SESSIONS {
        let mut raw = daemon.access().raw("bree", closed_window());
        block_on(async {
            let handle = raw.open("/outbox/groot.csv.age", READ).await;
            let burst: Vec<u8> = (0..1000).flat_map(|id| read(id, &handle, u64::from(id) * 65_536, 261_120)).collect();
            raw.send(&burst).await;
        });
        held.push(raw);
    }
    works(&daemon);
    let each = memory.grown() / SESSIONS;
    println!("a session that takes no replies costs {each} bytes");
    assert!(each < MIB, "a session that takes no replies costs {each} bytes");
    drop(held);
    works(&daemon);
}

/// An `sftp` that stands still with its `ssh`. Neither outlives its test, not even one that fails.
struct StandsStill(Child);

impl StandsStill {
    fn group(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

impl Drop for StandsStill {
    fn drop(&mut self) {
        let group = self.group();
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = kill_process_group(group, Signal::CONT);
    }
}

#[test]
fn a_client_that_stands_still_in_a_download_costs_little() {
    let mut daemon = start("limits: {}");
    let large = daemon.path("state/boxes/bree/outbox/groot.csv.age");
    File::create(large).unwrap().set_len(512 * MIB).unwrap();
    works(&daemon);
    let memory = Memory::of(daemon.process().id());
    let mut clients = Vec::new();
    for number in 0..4 {
        let mut command = daemon.sftp_command("bree", "bree", &["-R", "256", "-B", "261120", "-b", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = StandsStill(command.spawn().unwrap());
        let target = daemon.path(format!("got-{number}"));
        let get = format!("get /outbox/groot.csv.age {}\n", target.display());
        child.0.stdin.take().unwrap().write_all(get.as_bytes()).unwrap();
        wait_until("a part of the file", || target.metadata().is_ok_and(|file| file.len() > MIB));
        kill_process_group(child.group(), Signal::STOP).unwrap();
        clients.push(child);
    }
    works(&daemon);
    let each = memory.grown() / clients.len() as u64;
    println!("a download that stands still costs {each} bytes");
    assert!(each < 2 * MIB, "a download that stands still costs {each} bytes");
    drop(clients);
    // Each leaves its `ssh` behind, which closes its channel with the window closed: it must be told that it may go.
    wait_until("the ends of all", || daemon.events("auth.logout").len() == daemon.events("auth.login").len());
}

#[test]
fn requests_without_end_are_answered_or_cut_and_never_kept() {
    let mut daemon = start("limits: {}");
    works(&daemon);
    let memory = Memory::of(daemon.process().id());
    let mut raw = daemon.raw("bree");
    let peak = block_on(async {
        let mut peak = 0;
        // Paths of 4 KiB, listings, attributes: what costs the server most for what it costs the client.
        let long = string(&[b"/inbox/".as_slice(), &[b'a'; 200]].concat());
        for turn in 0..200_u32 {
            let burst: Vec<u8> = (0..200).flat_map(|id| packet(17, turn * 200 + id, &long)).collect();
            raw.send(&burst).await;
            for _ in 0..200 {
                assert_eq!(raw.reply().await.unwrap()[0], 101);
            }
            peak = peak.max(memory.grown());
        }
        peak
    });
    println!("40,000 requests take {peak} bytes");
    assert!(peak < 16 * MIB, "{peak} bytes");
    works(&daemon);
}
