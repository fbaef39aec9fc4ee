//! The SSH transport: which algorithms are spoken, and a socket that can be cut from outside.
//!
//! Refused for good: Diffie-Hellman groups and group exchange (up to 0.8 s of processor time per handshake, before
//! anybody logged in), compression (it would inflate before any limit of ours), SHA-1, CBC and MAC-then-encrypt.

use std::{
    borrow::Cow,
    io::{self, IoSlice},
    net::Shutdown,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use russh::{
    MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex,
    keys::{Algorithm, EcdsaCurve, HashAlg},
    mac, server,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::ServerSettings;

/// What a client may send before it must wait: 64 MiB at a round trip of 50 ms take 1.3 s with it, 4.2 s with 2 MiB.
const WINDOW_BYTES: u32 = 16 << 20;

/// Payload of one SSH packet from a client: the usual size, which all must take (RFC 4253, section 6.1).
pub(super) const PACKET_BYTES: u32 = 32 * 1024;

/// Packets that wait for one channel's task; 16 of 32 KiB bound what comes ahead of the session's own account.
const CHANNEL_PACKETS: usize = 16;

/// Packets of replies that wait for the transport. Eight, of 32 KiB most often, keep it busy; each keeps its memory until
/// it is encrypted.
const WAITING_PACKETS: usize = 8;

/// Silence after which the client is asked for a sign of life, and how many times: a dead peer is gone in two minutes.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVES: usize = 3;

/// Key exchanges, best first; the last two are markers that turn on strict key exchange and extension negotiation.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// Ciphers, fastest first on a processor with AES; the client's order decides.
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_256_GCM, cipher::AES_128_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR];

/// MACs for the one cipher that needs one.
const MACS: &[mac::Name] = &[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];

/// Host keys, and the signatures accepted from clients. RSA with SHA-1 is not among them.
const SIGNATURES: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    Algorithm::SkEd25519,
    Algorithm::SkEcdsaSha2NistP256,
];

/// The transport's settings. Login grace, idle time and caps are ours, not the transport's, whose timers any packet
/// resets.
pub(super) fn config(settings: &ServerSettings) -> server::Config {
    server::Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-groeikluis")),
        // Until a user is named; what is offered then depends on the tenant.
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        // A wrong key tells nothing by its timing, and a client with five keys should not wait five seconds.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: settings.host_keys.iter().map(super::HostKey::private).collect(),
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES,
        channel_buffer_size: CHANNEL_PACKETS,
        event_buffer_size: WAITING_PACKETS,
        preferred: preferred(),
        // The gate counts exactly what it sees. This bounds what the transport refuses unseen, such as a signature that
        // is wrong; one more, since it counts the question about the methods as well, with which most clients begin.
        max_auth_attempts: settings.limits.auth_attempts.saturating_add(1),
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVES,
        nodelay: true,
        ..server::Config::default()
    }
}

/// The algorithms.
fn preferred() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Borrowed(SIGNATURES),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// The client's side of the same algorithms.
pub(super) fn client_preferred() -> Preferred {
    const CLIENT_KEX: &[kex::Name] = &[
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::EXTENSION_SUPPORT_AS_CLIENT,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    ];
    Preferred { kex: Cow::Borrowed(CLIENT_KEX), ..preferred() }
}

/// A socket shared between the transport, which reads and writes, and the one who may cut it.
///
/// The transport has no way to be stopped while it waits for a peer that takes nothing; shutting the socket down has.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    /// What the client sent first, up to the end of its identification.
    greeting: Arc<Mutex<Greeting>>,
}

/// The client's identification, as far as it came.
#[derive(Debug, Default)]
struct Greeting {
    bytes: Vec<u8>,
    complete: bool,
}

/// Longest identification of a client (RFC 4253, section 4.2).
const LONGEST_GREETING: usize = 255;

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Arc::new(stream), greeting: Arc::default() }
    }

    /// The client's identification, such as `SSH-2.0-OpenSSH_9.2`; what is not readable in it is replaced.
    pub(super) fn client_banner(&self) -> String {
        let greeting = self.greeting.lock().unwrap_or_else(PoisonError::into_inner);
        let line = greeting.bytes.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(line).chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
    }

    /// Keeps the first line. The transport does not show it before somebody is logged in.
    fn greet(&self, bytes: &[u8]) {
        let mut greeting = self.greeting.lock().unwrap_or_else(PoisonError::into_inner);
        if !greeting.complete {
            let room = LONGEST_GREETING.saturating_sub(greeting.bytes.len());
            greeting.bytes.extend(bytes.iter().take(room));
            greeting.complete = greeting.bytes.len() >= LONGEST_GREETING || bytes.contains(&b'\n');
        }
    }

    /// Ends both directions: whoever reads or writes is woken with an end or an error.
    pub(super) fn cut(&self) {
        // A socket that is closed already needs no cutting.
        let _closed_already = socket2::SockRef::from(&*self.stream).shutdown(Shutdown::Both);
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            let before = buffer.filled().len();
            match self.stream.try_read_buf(buffer) {
                Ok(_) => {
                    self.greet(buffer.filled().get(before..).unwrap_or_default());
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match self.stream.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(&*self.stream).shutdown(Shutdown::Write))
    }
}
