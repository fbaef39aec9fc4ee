//! A logged-in session, without the test having to be asynchronous.

use std::{
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use groeikluis::{
    domain::SshPublicKey,
    seal::{Recipient, StorageSealer},
    sftp::client::{Client, ClientError, RemoteFile},
};
use tokio::runtime::Runtime;

use super::raw::{Raw, log_in};

/// Sessions of all tests of the process; connections are kept alive by it.
static RUNTIME: LazyLock<Arc<Runtime>> = LazyLock::new(|| {
    Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
});

/// Waits for something asynchronous; not from within such a thing.
pub fn block_on<T>(doing: impl Future<Output = T>) -> T {
    RUNTIME.block_on(doing)
}

/// Begins something asynchronous that goes on beside the test.
pub fn spawn<T: Send + 'static>(doing: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    RUNTIME.spawn(doing)
}

/// A session over SSH, by the program's own small client.
pub struct Session(Client);

/// What clients know of a daemon, whether it runs or not.
#[derive(Clone)]
pub struct Access {
    pub address: SocketAddr,
    pub host_key: SshPublicKey,
    pub keys: PathBuf,
    pub exchange: Recipient,
}

impl Access {
    /// Logs in as `user` with the key of `key_of`, which need not be the same tenant.
    pub fn connect(&self, user: &str, key_of: &str) -> Result<Session, ClientError> {
        let key = std::fs::read_to_string(self.keys.join(format!("{key_of}_ed25519"))).unwrap();
        RUNTIME.block_on(Client::connect(self.address, user, &key, self.host_key.clone())).map(Session)
    }

    /// A channel that does what no client does.
    pub fn raw(&self, user: &str, config: russh::client::Config) -> Raw {
        let key = std::fs::read_to_string(self.keys.join(format!("{user}_ed25519"))).unwrap();
        block_on(async { Raw::begun(log_in(self.address, user, &key, config).await).await })
    }

    /// Seals a list to the exchange.
    pub fn seal(&self, text: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        let mut sealer = StorageSealer::new(std::slice::from_ref(&self.exchange), &mut sealed).unwrap();
        sealer.write_all(text).unwrap();
        sealer.finish().unwrap();
        sealed
    }
}

impl Session {
    pub fn list(&self, directory: &str) -> Result<Vec<RemoteFile>, ClientError> {
        RUNTIME.block_on(self.0.list(directory))
    }

    /// The names in a directory, in order.
    pub fn names(&self, directory: &str) -> Result<Vec<String>, ClientError> {
        let mut names: Vec<String> = self.list(directory)?.into_iter().map(|file| file.name).collect();
        names.sort();
        Ok(names)
    }

    pub fn upload(&self, path: &str, bytes: &[u8]) -> Result<(), ClientError> {
        RUNTIME.block_on(self.0.upload(path, bytes))
    }

    pub fn download(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        RUNTIME.block_on(self.0.download(path))
    }

    pub fn rename(&self, from: &str, to: &str) -> Result<(), ClientError> {
        RUNTIME.block_on(self.0.rename(from, to))
    }

    pub fn remove(&self, path: &str) -> Result<(), ClientError> {
        RUNTIME.block_on(self.0.remove(path))
    }

    pub fn close(self) {
        // The daemon may be gone before its client.
        let _ = RUNTIME.block_on(self.0.close());
    }
}
