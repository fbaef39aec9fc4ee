//! HTTP/1 for who runs the exchange: the metrics and the console. Tenants never see it.
//!
//! Owns the server under the routes: how many connections there are at one time, how long a request's head may take,
//! how long a connection lives. Refuses nothing by itself; what is asked for is the business of the routes. A panic in
//! a route ends its connection only.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    time::{sleep, timeout},
};

/// For the head of a request to arrive, and between two requests on one connection.
const HEAD: Duration = Duration::from_secs(10);

/// What of a request is kept in memory before it is understood: browsers send a few kilobytes of headers.
const HEAD_BYTES: usize = 16 * 1024;

/// After a failed `accept` (no file descriptors left, most often): for others to end.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A socket in the file system.
    Unix(UnixListener),
}

/// Bounds on who asks.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Connections at one time; more of them wait to be accepted.
    pub connections: usize,
    /// From accepting a connection to its end, whatever it does.
    pub life: Duration,
}

/// Serves until it is dropped.
pub async fn serve(listener: Listener, router: Router, limits: HttpLimits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let router = router.clone();
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(async move {
                    attend(stream, router, limits.life).await;
                    drop(place);
                });
            }),
            Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(async move {
                    attend(stream, router, limits.life).await;
                    drop(place);
                });
            }),
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "an HTTP connection could not be accepted");
            sleep(BACK_OFF).await;
        }
    }
}

async fn attend<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, router: Router, life: Duration) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(life, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection broke"),
        Err(_) => tracing::debug!("an HTTP connection was cut after its time"),
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    /// What a server answers to these bytes, up to the end of the connection.
    async fn answer(limits: HttpLimits, request: &[u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "here")).route("/panic", get(panics));
        let server = tokio::spawn(serve(Listener::Tcp(listener), router, limits));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut told = Vec::new();
        // A cut connection may end in a reset.
        let _ = stream.read_to_end(&mut told).await;
        server.abort();
        String::from_utf8(told).unwrap()
    }

    async fn panics() -> &'static str {
        panic!("as asked")
    }

    const LIMITS: HttpLimits = HttpLimits { connections: 2, life: Duration::from_secs(20) };

    #[tokio::test]
    async fn a_request_is_answered_and_what_is_none_is_not() {
        let told = answer(LIMITS, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(told.starts_with("HTTP/1.1 200 OK") && told.ends_with("here"), "{told}");
        assert!(answer(LIMITS, b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        let long = [b"GET /", vec![b'x'; HEAD_BYTES].as_slice(), b" HTTP/1.1\r\n\r\n"].concat();
        assert!(answer(LIMITS, &long).await.starts_with("HTTP/1.1 4"));
    }

    #[tokio::test]
    async fn who_says_nothing_is_cut() {
        let limits = HttpLimits { life: Duration::from_millis(50), ..LIMITS };
        assert_eq!(answer(limits, b"GET / HTTP/1.1\r\nHost:").await, "");
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_connection() {
        assert_eq!(answer(LIMITS, b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").await, "");
    }
}
