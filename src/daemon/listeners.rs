//! Where connections come in: sockets that the service manager passes, else those of the configuration.

use std::net::SocketAddr;

use listenfd::ListenFd;
use tokio::net::TcpListener;

use super::DaemonError;

/// Connections that wait to be accepted: the kernel's usual bound (`net.core.somaxconn` may lower it).
const BACKLOG: i32 = 1024;

/// Opens what connections are taken from, with the addresses. Where sockets were passed (systemd's `LISTEN_FDS`,
/// `sd_listen_fds(3)`), they stand instead of `addresses`: connections then wait there while the daemon restarts.
pub(super) fn open(addresses: &[SocketAddr]) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), DaemonError> {
    let passed = passed()?;
    let listeners = if passed.is_empty() { listen(addresses)? } else { passed };
    let taken: Result<Vec<SocketAddr>, _> = listeners.iter().map(TcpListener::local_addr).collect();
    Ok((listeners, taken.map_err(DaemonError::PassedSocket)?))
}

fn passed() -> Result<Vec<TcpListener>, DaemonError> {
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for at in 0..passed.len() {
        let listener = passed.take_tcp_listener(at).map_err(DaemonError::PassedSocket)?;
        let Some(listener) = listener else { continue };
        listener.set_nonblocking(true).map_err(DaemonError::PassedSocket)?;
        listeners.push(TcpListener::from_std(listener).map_err(DaemonError::PassedSocket)?);
    }
    Ok(listeners)
}

fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, DaemonError> {
    let bound =
        |address: &SocketAddr| bind(*address).map_err(|source| DaemonError::Listen { address: *address, source });
    addresses.iter().map(bound).collect()
}

/// Binds so that `[::]` and `0.0.0.0` can both be listened on, and a restart need not wait for old connections.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
