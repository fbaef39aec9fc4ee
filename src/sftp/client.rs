//! A small SFTP client, for the demonstration and for tests: one connection, one file at a time.
//!
//! Trusts exactly one host key. Files are held in memory, so it is for files that fit there.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use bytes::BytesMut;
use russh::{
    Channel, ChannelMsg,
    client::{self, AuthResult, Msg},
    keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate},
};
use russh_sftp::{
    client::{RawSftpSession, error::Error as Fault},
    protocol::{FileAttributes, OpenFlags, StatusCode},
};
use tokio::sync::watch;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
};

use super::{
    keys::{KeyFault, private_key},
    transport::client_preferred,
    wire::LONGEST_PAYLOAD,
};
use crate::domain::SshPublicKey;

/// For the server to answer one request; storing a large file takes its time.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is under way between the session and its channel.
const CARRIED_BYTES: usize = 64 * 1024;

/// Why something did not work; a refusal carries the server's own words.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or it broke.
    #[error("no SSH connection with {address}")]
    Connection {
        /// The server's address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: russh::Error,
    },
    /// The private key cannot be used.
    #[error("the client's private key cannot be used")]
    Key(#[source] KeyFault),
    /// The server did not let the user in.
    #[error("{user} was not let in")]
    NotLetIn {
        /// The user name.
        user: String,
    },
    /// There is no SFTP behind the connection.
    #[error("no SFTP session")]
    NoSftp(#[source] russh::Error),
    /// The server refused.
    #[error("{action}: {text} (status {code})")]
    Refused {
        /// What was asked.
        action: String,
        /// The server's words.
        text: String,
        /// The status code of SFTP.
        code: u32,
    },
    /// The connection ended while something was asked; whether it was done is not known.
    #[error("the connection ended")]
    Ended,
    /// The session broke while something was asked.
    #[error("{action}")]
    Broken {
        /// What was asked.
        action: String,
        /// Why.
        #[source]
        source: Fault,
    },
}

/// An entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Whether it is a directory.
    pub directory: bool,
}

/// A logged-in client.
pub struct Client {
    connection: client::Handle<Trust>,
    sftp: RawSftpSession,
    carrying: JoinHandle<()>,
    open: watch::Receiver<()>,
}

/// Accepts one host key. The connection has it for as long as it stands.
struct Trust {
    host_key: SshPublicKey,
    _stands: watch::Sender<()>,
}

impl client::Handler for Trust {
    type Error = russh::Error;

    async fn check_server_key(&mut self, server: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(match server {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                key.to_bytes().is_ok_and(|blob| blob == self.host_key.blob())
            }
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}

impl Client {
    /// Connects and logs in with a private key in OpenSSH's format.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect(
        address: SocketAddr,
        user: &str,
        key: &str,
        host_key: SshPublicKey,
    ) -> Result<Self, ClientError> {
        let key = Arc::new(private_key(key).map_err(ClientError::Key)?);
        let config = client::Config { preferred: client_preferred(), nodelay: true, ..client::Config::default() };
        let broken = |source| ClientError::Connection { address, source };
        let (stands, open) = watch::channel(());
        let trust = Trust { host_key, _stands: stands };
        let mut connection = client::connect(Arc::new(config), address, trust).await.map_err(broken)?;
        let hash = key.algorithm().is_rsa().then_some(HashAlg::Sha512);
        let signer = PrivateKeyWithHashAlg::new(key, hash);
        match connection.authenticate_publickey(user, signer).await.map_err(broken)? {
            AuthResult::Success => {}
            AuthResult::Failure { .. } => return Err(ClientError::NotLetIn { user: user.to_owned() }),
        }
        let channel = connection.channel_open_session().await.map_err(ClientError::NoSftp)?;
        channel.request_subsystem(true, "sftp").await.map_err(ClientError::NoSftp)?;
        let (near, far) = tokio::io::duplex(CARRIED_BYTES);
        let carrying = tokio::spawn(carry(channel, far));
        let sftp = RawSftpSession::new(near);
        sftp.set_timeout(PATIENCE.as_secs());
        let client = Self { connection, sftp, carrying, open };
        let begun = async { client.sftp.init().await.map_err(|source| fault("begin SFTP".to_owned(), source)) };
        client.while_open(begun).await?;
        Ok(client)
    }

    /// Does something as long as the connection stands. The session alone does not notice its end, and would wait for
    /// answers that cannot come any more.
    async fn while_open<T>(&self, doing: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        let mut open = self.open.clone();
        tokio::select! {
            biased;
            done = doing => done,
            _ = open.changed() => Err(ClientError::Ended),
        }
    }

    /// The entries of a directory, without `.` and `..`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(&self, directory: &str) -> Result<Vec<RemoteFile>, ClientError> {
        self.while_open(self.list_whole(directory)).await
    }

    async fn list_whole(&self, directory: &str) -> Result<Vec<RemoteFile>, ClientError> {
        let say = |source| fault(format!("list {directory}"), source);
        let handle = self.sftp.opendir(directory).await.map_err(say)?.handle;
        let mut files = Vec::new();
        loop {
            match self.sftp.readdir(handle.as_str()).await {
                Ok(names) => files.extend(names.files),
                Err(Fault::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(source) => return Err(say(source)),
            }
        }
        self.sftp.close(handle).await.map_err(say)?;
        let kept = files.into_iter().filter(|file| file.filename != "." && file.filename != "..");
        Ok(kept
            .map(|file| RemoteFile {
                size: file.attrs.size.unwrap_or_default(),
                directory: file.attrs.file_type().is_dir(),
                name: file.filename,
            })
            .collect())
    }

    /// Writes a whole file; when this returns without an error the server has it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn upload(&self, path: &str, bytes: &[u8]) -> Result<(), ClientError> {
        self.while_open(self.write_whole(path, bytes)).await
    }

    async fn write_whole(&self, path: &str, bytes: &[u8]) -> Result<(), ClientError> {
        let say = |source| fault(format!("upload {path}"), source);
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let handle = self.sftp.open(path, flags, FileAttributes::empty()).await.map_err(say)?.handle;
        let mut offset = 0;
        for piece in bytes.chunks(usize::try_from(LONGEST_PAYLOAD).unwrap_or(1)) {
            let length = u64::try_from(piece.len()).unwrap_or_default();
            if let Err(source) = self.sftp.write(handle.as_str(), offset, piece.to_vec()).await {
                // The first refusal says why; that of the close would only say that there was one.
                let _refused_too = self.sftp.close(handle.as_str()).await;
                return Err(say(source));
            }
            offset += length;
        }
        self.sftp.close(handle).await.map_err(say).map(drop)
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn download(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        self.while_open(self.read_whole(path)).await
    }

    async fn read_whole(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let say = |source| fault(format!("download {path}"), source);
        let handle = self.sftp.open(path, OpenFlags::READ, FileAttributes::empty()).await.map_err(say)?.handle;
        let mut bytes = Vec::new();
        loop {
            let offset = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            match self.sftp.read(handle.as_str(), offset, LONGEST_PAYLOAD).await {
                Ok(data) => bytes.extend_from_slice(&data.data),
                Err(Fault::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(source) => return Err(say(source)),
            }
        }
        self.sftp.close(handle).await.map_err(say)?;
        Ok(bytes)
    }

    /// Renames a file; the new name must be free.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), ClientError> {
        let renamed = async { self.sftp.rename(from, to).await.map(drop) };
        self.while_open(async { renamed.await.map_err(|source| fault(format!("rename {from}"), source)) }).await
    }

    /// Removes a file.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remove(&self, path: &str) -> Result<(), ClientError> {
        let removed = async { self.sftp.remove(path).await.map(drop) };
        self.while_open(async { removed.await.map_err(|source| fault(format!("remove {path}"), source)) }).await
    }

    /// Ends the session as a client should: the server takes it for a regular end.
    ///
    /// # Errors
    /// [`ClientError::Broken`], [`ClientError::NoSftp`].
    pub async fn close(self) -> Result<(), ClientError> {
        self.sftp.close_session().map_err(|source| fault("close".to_owned(), source))?;
        drop(self.sftp);
        // The end of the channel goes before the end of the connection: the server tells a closing from a break by it.
        let _ended = self.carrying.await;
        let farewell = self.connection.disconnect(russh::Disconnect::ByApplication, "", "nl");
        farewell.await.map_err(ClientError::NoSftp)
    }
}

/// Carries bytes between the session and its channel, and ends the channel when the session ends.
async fn carry(mut channel: Channel<Msg>, mut session: DuplexStream) {
    let mut outgoing = BytesMut::with_capacity(CARRIED_BYTES);
    let mut all_sent = false;
    loop {
        let going = tokio::select! {
            read = session.read_buf(&mut outgoing), if !all_sent => match read {
                Ok(0) | Err(_) => {
                    all_sent = true;
                    channel.eof().await
                }
                Ok(_) => channel.data_bytes(outgoing.split().freeze()).await,
            },
            message = channel.wait() => match message {
                Some(ChannelMsg::Data { data }) => {
                    // After the session's end nobody reads any more.
                    let _ended = session.write_all(&data).await;
                    Ok(())
                }
                Some(ChannelMsg::Close) | None => return,
                Some(_) => Ok(()),
            },
        };
        if going.is_err() {
            return;
        }
    }
}

/// A fault while something was asked, with the server's words where it gave some.
fn fault(action: String, source: Fault) -> ClientError {
    match source {
        Fault::Status(status) => {
            ClientError::Refused { action, text: status.error_message, code: status.status_code as u32 }
        }
        source => ClientError::Broken { action, source },
    }
}
