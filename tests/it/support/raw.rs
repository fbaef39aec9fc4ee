//! Bytes on an SFTP channel that no client sends, and answers that no client leaves unread.

use std::{net::SocketAddr, sync::Arc};

use russh::{
    Channel, ChannelMsg, Preferred,
    client::{self, Handle, Msg},
    keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate},
};

/// Flags of OPEN.
pub const READ: u32 = 1;
pub const WRITE: u32 = 2;
pub const CREATE: u32 = 8;
pub const TRUNCATE: u32 = 16;

pub struct AnyHost;

impl client::Handler for AnyHost {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// A connection that is logged in with a private key in OpenSSH's format.
pub async fn log_in(address: SocketAddr, user: &str, key: &str, config: client::Config) -> Handle<AnyHost> {
    let config = client::Config { preferred: Preferred::default(), nodelay: true, ..config };
    let mut connection = client::connect(Arc::new(config), address, AnyHost).await.unwrap();
    let signer = PrivateKeyWithHashAlg::new(Arc::new(PrivateKey::from_openssh(key).unwrap()), None);
    assert!(connection.authenticate_publickey(user, signer).await.unwrap().success());
    connection
}

/// A channel with the SFTP subsystem, of which nothing is read but on demand.
pub struct Raw {
    /// Held so that it stays.
    connection: Arc<Handle<AnyHost>>,
    pub channel: Channel<Msg>,
    received: Vec<u8>,
}

impl Raw {
    /// Without INIT.
    pub async fn bare(connection: Handle<AnyHost>) -> Self {
        Self::over(Arc::new(connection)).await
    }

    async fn over(connection: Arc<Handle<AnyHost>>) -> Self {
        let channel = connection.channel_open_session().await.unwrap();
        channel.request_subsystem(true, "sftp").await.unwrap();
        Self { connection, channel, received: Vec::new() }
    }

    /// On a channel that is open already, with INIT done.
    pub async fn on(connection: Handle<AnyHost>, channel: Channel<Msg>) -> Self {
        channel.request_subsystem(true, "sftp").await.unwrap();
        let mut raw = Self { connection: Arc::new(connection), channel, received: Vec::new() };
        raw.init().await;
        raw
    }

    /// With INIT done.
    pub async fn begun(connection: Handle<AnyHost>) -> Self {
        let mut raw = Self::bare(connection).await;
        raw.init().await;
        raw
    }

    /// One more channel of the same connection.
    pub async fn another(&self) -> Self {
        let mut raw = Self::over(Arc::clone(&self.connection)).await;
        raw.init().await;
        raw
    }

    async fn init(&mut self) {
        self.send(&[&[0, 0, 0, 5, 1][..], &3_u32.to_be_bytes()].concat()).await;
        assert_eq!(self.reply().await.unwrap()[0], 2);
    }

    pub async fn send(&self, bytes: &[u8]) {
        self.channel.data(bytes).await.unwrap();
    }

    /// The next packet without its length; `None` when the channel has ended.
    pub async fn reply(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some((length, rest)) = self.received.split_first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                if rest.len() >= length {
                    let packet = rest[..length].to_vec();
                    self.received.drain(..4 + length);
                    return Some(packet);
                }
            }
            match self.channel.wait().await {
                Some(ChannelMsg::Data { data }) => self.received.extend_from_slice(&data),
                Some(ChannelMsg::Close) | None => return None,
                Some(_) => {}
            }
        }
    }

    /// Sends a request and returns the reply, whose id must be that of the request.
    pub async fn ask(&mut self, kind: u8, id: u32, body: &[u8]) -> Vec<u8> {
        self.send(&packet(kind, id, body)).await;
        let reply = self.reply().await.unwrap();
        assert_eq!(reply[1..5], id.to_be_bytes(), "{reply:?}");
        reply
    }

    /// The answer to OPEN: a handle, or a status.
    pub async fn try_open(&mut self, path: &str, flags: u32) -> Result<Vec<u8>, (u32, String)> {
        let body = [string(path.as_bytes()), flags.to_be_bytes().to_vec(), vec![0; 4]].concat();
        let reply = self.ask(3, 1, &body).await;
        if reply[0] == 102 { Ok(reply[9..].to_vec()) } else { Err(status(&reply)) }
    }

    pub async fn open(&mut self, path: &str, flags: u32) -> Vec<u8> {
        self.try_open(path, flags).await.unwrap()
    }

    /// The status of a WRITE.
    pub async fn write(&mut self, handle: &[u8], offset: u64, payload: &[u8]) -> (u32, String) {
        status(&self.ask(6, 2, &write(2, handle, offset, payload)[9..]).await)
    }

    /// The answer to a READ: bytes, or a status.
    pub async fn read(&mut self, handle: &[u8], offset: u64, length: u32) -> Result<Vec<u8>, (u32, String)> {
        let reply = self.ask(5, 5, &read(5, handle, offset, length)[9..]).await;
        if reply[0] == 103 { Ok(reply[9..].to_vec()) } else { Err(status(&reply)) }
    }

    /// The status of a CLOSE.
    pub async fn close(&mut self, handle: &[u8]) -> (u32, String) {
        status(&self.ask(4, 3, &string(handle)).await)
    }

    /// What a request to hash gives: the hashes, or a status. `fields` are those of [`check`].
    pub async fn hashes(&mut self, name: &str, fields: &[Vec<u8>]) -> Result<Vec<u8>, (u32, String)> {
        let reply = self.ask(200, 9, &extended(name, fields)).await;
        if reply[0] == 101 {
            return Err(status(&reply));
        }
        let head = [string(b"check-file"), string(b"sha256")].concat();
        assert_eq!((reply[0], &reply[5..5 + head.len()]), (201, &head[..]));
        Ok(reply[5 + head.len()..].to_vec())
    }

    /// The size of an open file.
    pub async fn size(&mut self, handle: &[u8]) -> Result<u64, (u32, String)> {
        let reply = self.ask(8, 4, &string(handle)).await;
        if reply[0] == 105 { Ok(u64::from_be_bytes(reply[9..17].try_into().unwrap())) } else { Err(status(&reply)) }
    }
}

pub fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

pub fn packet(kind: u8, id: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(5 + body.len()).unwrap();
    [&length.to_be_bytes()[..], &[kind], &id.to_be_bytes(), body].concat()
}

pub fn read(id: u32, handle: &[u8], offset: u64, length: u32) -> Vec<u8> {
    packet(5, id, &[string(handle), offset.to_be_bytes().to_vec(), length.to_be_bytes().to_vec()].concat())
}

pub fn write(id: u32, handle: &[u8], offset: u64, payload: &[u8]) -> Vec<u8> {
    packet(6, id, &[string(handle), offset.to_be_bytes().to_vec(), string(payload)].concat())
}

/// A request of an extension: its name, then its fields.
pub fn extended(name: &str, fields: &[Vec<u8>]) -> Vec<u8> {
    [vec![string(name.as_bytes())], fields.to_vec()].concat().concat()
}

/// The fields of a request to hash: what, algorithms, offset, length and block size.
pub fn check(what: &[u8], algorithms: &str, offset: u64, length: u64, block: u32) -> Vec<Vec<u8>> {
    let numbers = [offset.to_be_bytes(), length.to_be_bytes()].concat();
    vec![string(what), string(algorithms.as_bytes()), numbers, block.to_be_bytes().to_vec()]
}

/// A status reply: its code and text.
pub fn status(reply: &[u8]) -> (u32, String) {
    assert_eq!(reply[0], 101);
    let length = u32::from_be_bytes(reply[9..13].try_into().unwrap()) as usize;
    let text = String::from_utf8(reply[13..13 + length].to_vec()).unwrap();
    (u32::from_be_bytes(reply[5..9].try_into().unwrap()), text)
}
