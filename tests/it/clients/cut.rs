//! A connection that breaks on the way, after so many bytes.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

/// A forwarder that breaks the first connection once the client has sent a number of bytes, and lets no other through.
pub struct Cut(SocketAddr);

impl Cut {
    /// Forwards one connection to `target`.
    pub fn after(bytes: usize, target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            // Clients that connect again by themselves are refused.
            drop(listener);
            let server = TcpStream::connect(target).unwrap();
            let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || pass(from, to, usize::MAX));
            pass(client, server, bytes);
        });
        Self(address)
    }

    pub fn port(&self) -> u16 {
        self.0.port()
    }
}

/// Passes bytes on until there were `most` or an end, then breaks both ways.
fn pass(mut from: TcpStream, mut to: TcpStream, most: usize) {
    let mut buffer = [0; 4096];
    let mut left = most;
    while left > 0 {
        let room = left.min(buffer.len());
        match from.read(&mut buffer[..room]) {
            Ok(read) if read > 0 && to.write_all(&buffer[..read]).is_ok() => left -= read,
            _ => break,
        }
    }
    for end in [from, to] {
        // The other direction may have broken it already.
        let _ = end.shutdown(Shutdown::Both);
    }
}
