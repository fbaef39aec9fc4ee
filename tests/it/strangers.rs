//! Strangers who take every place that there is for who is not logged in: a tenant gets in all the same.

use std::{
    collections::VecDeque,
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use crate::{
    limits::{connect_from, greeted, start, until_closed},
    support::{TestDaemon, wait_until},
};

/// The `number`th of addresses of this machine, 250 to a network.
fn address(number: usize) -> [u8; 4] {
    let part = |number: usize| u8::try_from(number % 250).unwrap();
    [127, 7 + part(number / 62_500), part(number / 250), 1 + part(number)]
}

/// Logs in and works, at the first try.
#[track_caller]
fn gets_in(daemon: &TestDaemon) {
    let session = daemon.session("bree");
    assert!(!session.download("/LEESMIJ.txt").unwrap().is_empty());
    session.close();
}

#[test]
fn a_tenant_gets_in_while_strangers_hold_every_place() {
    // Far longer than the test: nothing ends here by the grace.
    let daemon = start("limits: {login_grace_seconds: 600}");
    // 32 sources with as many connections as one may have: 1,024, more than there are places.
    let mut held: Vec<TcpStream> =
        (0..1024).map(|number| connect_from(address(number % 32), daemon.address())).collect();
    greeted(held.pop().unwrap());
    for _ in 0..3 {
        gets_in(&daemon);
    }
    // As many sources as connections, each in a network of its own.
    let scattered: Vec<TcpStream> =
        (0..600).map(|number| connect_from(address(1000 + 250 * number), daemon.address())).collect();
    for _ in 0..3 {
        gets_in(&daemon);
    }
    drop((held, scattered));
}

#[test]
fn a_tenant_gets_in_while_strangers_come_in_a_stream() {
    let daemon = start("limits: {connections: 200, login_grace_seconds: 600}");
    let (stop, came) = (AtomicBool::new(false), AtomicUsize::new(0));
    let to = daemon.address();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut held = VecDeque::new();
            while !stop.load(Ordering::Relaxed) {
                let number = came.fetch_add(1, Ordering::Relaxed);
                held.push_back(connect_from(address(number), to));
                if held.len() > 400 {
                    held.pop_front();
                }
            }
        });
        wait_until("every place to be taken", || came.load(Ordering::Relaxed) > 500);
        let before = came.load(Ordering::Relaxed);
        for _ in 0..20 {
            gets_in(&daemon);
        }
        let meanwhile = came.load(Ordering::Relaxed) - before;
        stop.store(true, Ordering::Relaxed);
        println!("{meanwhile} strangers came during 20 logins");
        assert!(meanwhile > 100, "only {meanwhile} strangers came");
    });
}

#[test]
fn who_is_logged_in_keeps_its_place_and_strangers_have_half_of_all() {
    let daemon = start("limits: {connections: 8, login_grace_seconds: 600}");
    let first = greeted(connect_from([127, 7, 1, 1], daemon.address()));
    let mut strangers: Vec<TcpStream> =
        (2..5).map(|host| greeted(connect_from([127, 7, host, 1], daemon.address()))).collect();
    // Four wait; the fifth takes the place of the oldest, though there are four places more.
    strangers.push(greeted(connect_from([127, 7, 9, 1], daemon.address())));
    until_closed(first);
    let sessions: Vec<_> = (0..4).map(|_| daemon.session("bree")).collect();
    for _ in 0..20 {
        strangers.push(greeted(connect_from([127, 8, 1, 1], daemon.address())));
    }
    for session in &sessions {
        assert!(!session.download("/LEESMIJ.txt").unwrap().is_empty());
    }
    // The places of strangers are for the next tenants, until there is nobody left to give way.
    let more: Vec<_> = (0..4).map(|_| daemon.session("bree")).collect();
    assert!(until_closed(connect_from([127, 8, 2, 1], daemon.address())).starts_with("Te veel verbindingen"));
    for session in sessions.into_iter().chain(more) {
        session.close();
    }
    gets_in(&daemon);
}
