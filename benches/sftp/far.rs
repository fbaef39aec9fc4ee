//! The same far away: a way of 25 ms to the server and as much back, as wide as it may be.

use std::{
    collections::VecDeque,
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    Goal, Outcome,
    bulk::{all, figures},
    print,
    servers::{AES, Server, Site},
};

const ONE_WAY: Duration = Duration::from_millis(25);

/// What is sent and fetched, MiB.
const MEBIBYTES: usize = 64;

const CIPHER: &str = AES;

pub fn measure(site: &Site, servers: &[&Server]) -> Outcome<()> {
    let file = site.directory.join("far.part");
    fs::write(&file, vec![0x5a; MEBIBYTES << 20])?;
    let ways: Vec<SocketAddr> = servers.iter().map(|server| detour(server.address)).collect::<Outcome<_>>()?;
    let way = |server: &Server| {
        let place = servers.iter().position(|other| other.address == server.address);
        place.and_then(|place| ways.get(place)).copied().unwrap_or(server.address)
    };
    let up = all(servers, |server| {
        let target = format!("{}/far.csv.part", server.inbox);
        let batch = format!("put -f {} {target}\nrm {target}\n", file.display());
        server.sftp(site, way(server), CIPHER, &batch)
    })?;
    let wall = figures(servers, &up, |cost| cost.wall.as_secs_f64());
    print(&format!("50 ms away: {MEBIBYTES} MiB up take"), "s", &wall, Goal::Faster(1.8));
    Ok(())
}

/// A port that leads to another one, late.
fn detour(to: SocketAddr) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            if let Ok(far) = TcpStream::connect(to) {
                for (from, to) in [(&near, &far), (&far, &near)] {
                    if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                        carry(from, to);
                    }
                }
            }
        }
    });
    Ok(address)
}

/// What is on its way, each piece with the time of its arrival; empty at the end.
#[derive(Default)]
struct Way {
    pieces: Mutex<VecDeque<(Instant, Vec<u8>)>>,
    more: Condvar,
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let way = Arc::new(Way::default());
    let _ = to.set_nodelay(true);
    let sending = Arc::clone(&way);
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = from.read(&mut buffer).unwrap_or(0);
            let piece = buffer.get(..read).unwrap_or_default().to_vec();
            sending.pieces.lock().unwrap_or_else(PoisonError::into_inner).push_back((Instant::now() + ONE_WAY, piece));
            sending.more.notify_one();
            if read == 0 {
                return;
            }
        }
    });
    thread::spawn(move || {
        loop {
            let pieces = way.pieces.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = way.more.wait_while(pieces, |pieces| pieces.is_empty());
            let Some((arrival, piece)) = waited.unwrap_or_else(PoisonError::into_inner).pop_front() else { continue };
            thread::sleep(arrival.saturating_duration_since(Instant::now()));
            if piece.is_empty() || to.write_all(&piece).is_err() {
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    });
}
