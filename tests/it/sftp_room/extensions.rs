//! What clients ask beyond version 3, byte by byte.

use std::fs::{self, File};

use russh::client;
use sha2::{Digest, Sha256};

use super::{
    raw::{bare, closed_window, session},
    support::{TestServer, pattern, wait_for},
};
use crate::support::raw::{CREATE, READ, WRITE, check, extended, packet, status, string};

const UNSUPPORTED: u32 = 8;

#[test]
fn version_announces_what_is_there_and_nothing_else() {
    let server = TestServer::start();
    let version = server.runtime.block_on(async {
        let mut raw = bare(&server, client::Config::default()).await;
        raw.send(&[&[0, 0, 0, 5, 1][..], &3_u32.to_be_bytes()].concat()).await;
        raw.reply().await.unwrap()
    });
    let mut rest = &version[5..];
    let mut strings = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (text, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        strings.push(String::from_utf8(text.to_vec()).unwrap());
        rest = after;
    }
    let announced: Vec<(&str, &str)> = strings.chunks(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
    let expected = [
        ("posix-rename@openssh.com", "1"),
        ("statvfs@openssh.com", "2"),
        ("fstatvfs@openssh.com", "2"),
        ("fsync@openssh.com", "1"),
        ("lsetstat@openssh.com", "1"),
        ("limits@openssh.com", "1"),
        ("expand-path@openssh.com", "1"),
        ("home-directory", "1"),
        ("users-groups-by-id@openssh.com", "1"),
        ("check-file", "1"),
        ("check-file-handle", "1"),
        ("check-file-name", "1"),
    ];
    assert_eq!(announced, expected);
}

#[test]
fn what_is_not_announced_is_refused_cleanly() {
    let server = TestServer::start();
    fs::write(server.root.join("outbox/x"), "x").unwrap();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let from = raw.open("/outbox/x", READ).await;
        let to = raw.open("/inbox/y", WRITE | CREATE).await;
        let copy = [string(&from), vec![0; 16], string(&to), vec![0; 8]];
        let link = [string(b"/outbox/x"), string(b"/inbox/link")];
        for (name, fields, words) in [
            ("copy-data", &copy[..], "deze server kent dit verzoek niet"),
            ("copy-file", &link[..], "deze server kent dit verzoek niet"),
            ("md5-hash", &link[..1], "deze server kent dit verzoek niet"),
            ("hardlink@openssh.com", &link[..], "koppelingen bestaan hier niet"),
        ] {
            let refused = status(&raw.ask(200, 1, &extended(name, fields)).await);
            assert_eq!(refused, (UNSUPPORTED, words.to_owned()), "{name}");
        }
        // The session goes on.
        assert_eq!(raw.size(&from).await, Ok(1));
    });
    assert_eq!(fs::read(server.root.join("inbox/y")).unwrap(), b"");
}

#[test]
fn renames_replace_times_are_set_and_room_is_told() {
    let server = TestServer::start();
    fs::write(server.root.join("inbox/a"), "new").unwrap();
    fs::write(server.root.join("inbox/b"), "old").unwrap();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let names = [string(b"/inbox/a"), string(b"/inbox/b")];
        assert_eq!(status(&raw.ask(18, 1, &names.concat()).await).0, 4, "a plain rename replaces nothing");
        assert_eq!(status(&raw.ask(200, 2, &extended("posix-rename@openssh.com", &names)).await).0, 0);
        let times = [8_u32, 1_700_000_000, 1_700_000_001].map(u32::to_be_bytes).concat();
        let set = extended("lsetstat@openssh.com", &[string(b"/inbox/b"), times]);
        assert_eq!(status(&raw.ask(200, 3, &set).await).0, 0);
        let attributes = raw.ask(7, 4, &string(b"/inbox/b")).await;
        assert_eq!(attributes[attributes.len() - 4..], 1_700_000_001_u32.to_be_bytes());
        let handle = raw.open("/inbox/b", READ).await;
        for (name, what) in [("statvfs@openssh.com", &b"/"[..]), ("fstatvfs@openssh.com", &handle)] {
            let reply = raw.ask(200, 5, &extended(name, &[string(what)])).await;
            let numbers: Vec<u64> =
                reply[5..].chunks(8).map(|number| u64::from_be_bytes(number.try_into().unwrap())).collect();
            assert_eq!((reply[0], numbers.len(), numbers[10]), (201, 11, 255), "{name}");
            // Blocks of 4 KiB: a total of 1 GiB, half of it free.
            assert_eq!((numbers[0], numbers[2], numbers[3]), (4096, 1 << 18, 1 << 17), "{name}");
        }
        assert_eq!(raw.close(&handle).await.0, 0);
        for handle in [&handle[..], b"0000000000000099", b"x"] {
            let closed = status(&raw.ask(200, 5, &extended("fstatvfs@openssh.com", &[string(handle)])).await);
            assert_eq!(closed, (4, "dit bestand is niet geopend".to_owned()));
        }
        let absent = status(&raw.ask(200, 6, &extended("statvfs@openssh.com", &[string(b"/none")])).await);
        assert_eq!(absent.0, 2);
    });
    assert_eq!(fs::read(server.root.join("inbox/b")).unwrap(), b"new");
}

#[test]
fn files_are_hashed_whole_in_part_and_in_blocks() {
    let server = TestServer::start();
    let body = pattern(1_000_000);
    fs::write(server.root.join("outbox/x"), &body).unwrap();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let handle = raw.open("/outbox/x", READ).await;
        for (name, what) in
            [("check-file", &handle[..]), ("check-file-handle", &handle), ("check-file-name", b"/outbox/x")]
        {
            let mut ask = async |offset, length, block| {
                raw.hashes(name, &check(what, "sha512,sha256,md5", offset, length, block)).await.unwrap()
            };
            assert_eq!(ask(0, 0, 0).await, Sha256::digest(&body).to_vec(), "{name}");
            assert_eq!(ask(10, 1000, 0).await, Sha256::digest(&body[10..1010]).to_vec());
            assert_eq!(ask(999_999, 5_000_000, 0).await, Sha256::digest(&body[999_999..]).to_vec());
            let blocks: Vec<u8> = body[1..].chunks(300_000).flat_map(Sha256::digest).collect();
            assert_eq!(ask(1, 0, 300_000).await, blocks);
            for (fields, code, words) in [
                (check(what, "md5", 0, 0, 0), UNSUPPORTED, "alleen sha256 wordt berekend"),
                (check(what, "sha1,sha2", 0, 0, 0), UNSUPPORTED, "alleen sha256 wordt berekend"),
                (check(what, "sha256", 0, 0, 1), 4, "een blok heeft minstens 256 bytes"),
                (check(what, "sha256", 1_000_001, 0, 0), 4, "het begin ligt voorbij het einde van het bestand"),
            ] {
                assert_eq!(raw.hashes(name, &fields).await, Err((code, words.to_owned())), "{name}");
            }
        }
    });
    let sent = server.seen.sent.lock().unwrap().get("/outbox/x").copied();
    assert_eq!(sent, None, "a hash is no download");
}

#[test]
fn nothing_is_hashed_that_may_not_be_read() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let upload = raw.open("/inbox/a", WRITE | CREATE | READ).await;
        assert_eq!(raw.write(&upload, 0, b"niss").await.0, 0);
        let refused = raw.hashes("check-file-handle", &check(&upload, "sha256", 0, 0, 0)).await.unwrap_err();
        assert!(refused.0 == 3 && refused.1.contains("ook geen controlegetal"), "{refused:?}");
        let by_name = |path: &str| check(path.as_bytes(), "sha256", 0, 0, 0);
        assert_eq!(raw.hashes("check-file-name", &by_name("/outbox/none")).await.unwrap_err().0, 2);
        assert_eq!(raw.hashes("check-file-name", &by_name("/outbox")).await.unwrap_err().0, 4);
        assert_eq!(raw.hashes("check-file-handle", &by_name("nothing")).await.unwrap_err().0, 4);
        let reply = raw.ask(11, 8, &string(b"/outbox")).await;
        let directory = reply[9..].to_vec();
        let refused = raw.hashes("check-file", &check(&directory, "sha256", 0, 0, 0)).await;
        assert_eq!(refused.unwrap_err().0, 4);
    });
}

#[test]
fn hashing_holds_nothing_else_up_and_ends_with_its_session() {
    const LARGE: u64 = 1 << 30;
    let server = TestServer::start();
    File::create(server.root.join("outbox/large")).unwrap().set_len(LARGE).unwrap();
    fs::write(server.root.join("outbox/x"), "x").unwrap();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let large = raw.open("/outbox/large", READ).await;
        let other = raw.open("/outbox/x", READ).await;
        let of_large = extended("check-file-handle", &check(&large, "sha256", 0, 0, 0));
        let by_name = extended("check-file-name", &check(b"/outbox/large", "sha256", 0, 1 << 28, 0));
        raw.send(&[packet(200, 50, &of_large), packet(200, 51, &by_name)].concat()).await;
        assert_eq!(raw.read(&other, 0, 10).await.unwrap(), b"x");
        let reply = raw.ask(17, 60, &string(b"/outbox/x")).await;
        assert_eq!(reply[0], 105);
        // The same handle waits for its own.
        raw.send(&packet(4, 52, &string(&large))).await;
        for id in [50_u32, 52, 51] {
            let reply = raw.reply().await.unwrap();
            assert_eq!((&reply[1..5], reply[0]), (&id.to_be_bytes()[..], if id == 52 { 101 } else { 201 }));
        }
        let read = server.seen.read.lock().unwrap().get("/outbox/large").copied();
        assert_eq!(read, Some(LARGE + (1 << 28)));
        // Who leaves in the midst of it costs at most another turn.
        let mut left = session(&server, client::Config::default()).await;
        for id in 0..100 {
            left.send(&packet(200, id, &of_name())).await;
        }
        assert_eq!(left.ask(17, 200, &string(b"/outbox/x")).await[0], 105);
    });
    wait_for("the ends", || server.sessions.connections() == 0);
    let read = server.seen.read.lock().unwrap()["/outbox/large"];
    assert!(read < 3 * LARGE, "{read} bytes were read, most of them for nobody");
}

fn of_name() -> Vec<u8> {
    extended("check-file-name", &check(b"/outbox/large", "sha256", 0, 0, 0))
}

#[test]
fn extensions_answer_what_clients_ask() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = session(&server, client::Config::default()).await;
        let limits = raw.ask(200, 1, &string(b"limits@openssh.com")).await;
        assert_eq!(limits[0], 201);
        let numbers: Vec<u64> =
            limits[5..].chunks(8).map(|number| u64::from_be_bytes(number.try_into().unwrap())).collect();
        assert_eq!(numbers, [262_144, 261_120, 261_120, 256]);
        for (request, path) in [
            ([string(b"expand-path@openssh.com"), string(b"~/inbox/../outbox")].concat(), "/outbox"),
            ([string(b"home-directory"), string(b"bree")].concat(), "/"),
            ([string(b"expand-path@openssh.com"), string(b"~bree")].concat(), "/"),
            ([string(b"expand-path@openssh.com"), string(b"~bree/outbox/x")].concat(), "/outbox/x"),
            ([string(b"expand-path@openssh.com"), string(b"inbox/~x")].concat(), "/inbox/~x"),
        ] {
            let reply = raw.ask(200, 2, &request).await;
            let told = string(path.as_bytes());
            assert_eq!((reply[0], &reply[9..9 + told.len()]), (104, &told[..]));
        }
        for stranger in [&b"~root"[..], b"~root/inbox", b"~breex", b"~bre/x"] {
            let refused = raw.ask(200, 3, &[string(b"expand-path@openssh.com"), string(stranger)].concat()).await;
            assert_eq!(status(&refused).0, 2);
            // A name like any other, where nothing is to be expanded.
            let reply = raw.ask(16, 3, &string(stranger)).await;
            let told = string(&[b"/", stranger].concat());
            assert_eq!((reply[0], &reply[9..9 + told.len()]), (104, &told[..]));
        }
        let stranger = [string(b"home-directory"), string(b"root")].concat();
        assert_eq!(status(&raw.ask(200, 3, &stranger).await).0, 2);
        let reply = raw.ask(16, 4, &string(b"../no/such//thing")).await;
        assert_eq!((reply[0], &reply[13..27]), (104, &b"/no/such/thing"[..]));
        let ids =
            [string(b"users-groups-by-id@openssh.com"), string(&[0, 0, 3, 232, 0, 0, 0, 0]), string(&[])].concat();
        let reply = raw.ask(200, 5, &ids).await;
        assert_eq!(
            (reply[0], &reply[5..]),
            (201, &[string(&[string(b"bree"), string(b"")].concat()), string(b"")].concat()[..])
        );
    });
}

#[test]
fn hashes_are_not_made_ahead_of_a_client_that_takes_none() {
    const SIZE: u64 = 2 << 20;
    const TIMES: u32 = 60;
    let server = TestServer::start();
    fs::write(server.root.join("outbox/x"), pattern(usize::try_from(SIZE).unwrap())).unwrap();
    fs::write(server.root.join("outbox/y"), pattern(8 << 20)).unwrap();
    server.runtime.block_on(async {
        let mut raw = session(&server, closed_window()).await;
        // 32 bytes for each block of 258, nearly 255 KiB in all.
        let fields = check(b"/outbox/x", "sha256", 0, 0, 258);
        let burst: Vec<u8> = (0..TIMES).flat_map(|id| packet(200, id, &extended("check-file-name", &fields))).collect();
        raw.send(&burst).await;
        let client = server.client().await;
        for _ in 0..4 {
            assert_eq!(client.download("/outbox/y").await.unwrap().len(), 8 << 20);
        }
        client.close().await.unwrap();
        let read = server.seen.read.lock().unwrap().get("/outbox/x").copied().unwrap_or_default();
        assert!(read <= 4 * SIZE, "{read} bytes were hashed ahead of a client that takes none");
        for _ in 0..TIMES {
            let reply = raw.reply().await.unwrap();
            assert!(reply[0] == 201 && reply.len() > 250_000, "{}", reply[0]);
        }
    });
}
