//! A server with one tenant, `bree`, on a loopback port, and what happened to it.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use groeikluis::{
    config::Penalties,
    domain::{
        SshPublicKey, Tenant, TenantKind,
        tenant::{LoginKey, TenantLimits},
    },
    dropbox::view::Login,
    sftp::{
        AcceptedLogin, Directory, FailedNegotiation, HostKey, NewKey, RefusalReason, RefusedLogin, Server, ServerEnd,
        ServerSettings, Sessions, SftpLimits, Unavailable, Witness,
        client::{Client, ClientError},
        new_key,
    },
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot, task::JoinHandle};

use super::storage::{Seen, Storage};

/// Longest wait for a state: far above what any takes, so that a failure is one.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the server told its witness.
#[derive(Default)]
pub struct Account {
    pub logged_in: Mutex<Vec<Login>>,
    pub accepted: Mutex<Vec<AcceptedLogin>>,
    pub refused: Mutex<Vec<RefusedLogin>>,
    pub not_understood: Mutex<Vec<FailedNegotiation>>,
    pub logged_out: Mutex<Vec<(u64, u64, bool)>>,
    pub fails: Mutex<bool>,
}

impl Witness for Account {
    fn logged_in(&self, accepted: &AcceptedLogin) -> Result<(), Unavailable> {
        if *self.fails.lock().unwrap() {
            return Err(Unavailable);
        }
        self.logged_in.lock().unwrap().push(accepted.login.clone());
        self.accepted.lock().unwrap().push(accepted.clone());
        Ok(())
    }

    fn refused(&self, refused: &RefusedLogin) {
        self.refused.lock().unwrap().push(refused.clone());
    }

    fn not_understood(&self, failed: &FailedNegotiation) {
        self.not_understood.lock().unwrap().push(failed.clone());
    }

    fn logged_out(&self, _: &Login, bytes_in: u64, bytes_out: u64, _: Duration, regular: bool) {
        self.logged_out.lock().unwrap().push((bytes_in, bytes_out, regular));
    }
}

struct OneTenant(Arc<Tenant>);

impl Directory for OneTenant {
    fn tenant(&self, user: &str) -> Option<Arc<Tenant>> {
        (user == self.0.id.as_str()).then(|| Arc::clone(&self.0))
    }

    fn has_authorities(&self) -> bool {
        !self.0.certificate_authorities.is_empty()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A running server; it ends when this is dropped.
pub struct TestServer {
    pub address: SocketAddr,
    pub root: PathBuf,
    pub seen: Arc<Seen>,
    pub account: Arc<Account>,
    pub sessions: Sessions,
    pub runtime: Runtime,
    pub host: HostKey,
    pub client_key: NewKey,
    dir: TempDir,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<ServerEnd>>,
}

/// Limits and penalties that no test meets by accident.
pub fn roomy() -> (SftpLimits, Penalties) {
    let limits = SftpLimits { drain: PATIENCE, ..SftpLimits::default() };
    (limits, Penalties { exempt: vec!["127.0.0.0/8".parse().unwrap()], ..Penalties::default() })
}

impl TestServer {
    pub fn start() -> Self {
        let (limits, penalties) = roomy();
        Self::start_with(limits, penalties, |_| ())
    }

    pub fn start_with(limits: SftpLimits, penalties: Penalties, change: impl FnOnce(&mut Tenant)) -> Self {
        Self::start_listening(limits, penalties, change, |_| ())
    }

    pub fn start_listening(
        limits: SftpLimits,
        penalties: Penalties,
        change: impl FnOnce(&mut Tenant),
        shape: impl FnOnce(&TcpListener),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("box");
        for name in ["inbox", "outbox"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let (host, client_key) = (new_key("host").unwrap(), new_key("ict@bree").unwrap());
        let mut tenant = bree(&client_key);
        change(&mut tenant);
        let (seen, account) = (Arc::new(Seen::default()), Arc::new(Account::default()));
        let storage = Storage { root: root.clone(), seen: Arc::clone(&seen) };
        let host = HostKey::parse(&host.private).unwrap();
        let settings = ServerSettings {
            host_keys: vec![host.clone()],
            banner: Some("Welkom bij de uitwisseling\r\n".to_owned()),
            limits,
            penalties,
        };
        let directory = Arc::new(OneTenant(Arc::new(tenant)));
        let witness: Arc<dyn Witness> = account.clone();
        let server = Server::new(settings, directory, Arc::new(storage), witness).unwrap();
        let sessions = server.sessions();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        shape(&listener);
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = runtime.spawn(server.serve(vec![listener], async {
            stopped.await.ok();
        }));
        let (stop, serving) = (Some(stop), Some(serving));
        let server = Self { address, root, seen, account, sessions, runtime, host, client_key, dir, stop, serving };
        server.write_client_files();
        server
    }

    fn write_client_files(&self) {
        let secret = |name: &str, text: &str| {
            fs::write(self.path(name), text).unwrap();
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
        };
        secret("key", &self.client_key.private);
        secret("other_key", &new_key("other").unwrap().private);
        let line = format!("[127.0.0.1]:{} {}\n", self.address.port(), self.host.public_line());
        fs::write(self.path("known_hosts"), line).unwrap();
    }

    /// A file of the client's own directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// OpenSSH's options for this server, with this key.
    pub fn ssh_options(&self, key: &str) -> Vec<String> {
        let known = format!("UserKnownHostsFile={}", self.path("known_hosts").display());
        let mut options = vec!["-F".to_owned(), "none".to_owned(), "-i".to_owned()];
        options.push(self.path(key).display().to_string());
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            &known,
            "PreferredAuthentications=publickey",
        ] {
            options.extend(["-o".to_owned(), option.to_owned()]);
        }
        options
    }

    /// Runs OpenSSH's `sftp` with these commands.
    pub fn sftp(&self, options: &[&str], commands: &str) -> Output {
        let batch = self.path("batch");
        fs::write(&batch, commands).unwrap();
        let mut sftp = Command::new("sftp");
        sftp.args(self.ssh_options("key")).args(options).arg("-b").arg(&batch);
        sftp.arg("-P").arg(self.address.port().to_string()).arg("bree@127.0.0.1").current_dir(self.dir.path());
        sftp.output().unwrap()
    }

    /// The product's own client, logged in.
    pub async fn client(&self) -> Client {
        self.try_client().await.unwrap()
    }

    /// The same, where it may be refused.
    pub async fn try_client(&self) -> Result<Client, ClientError> {
        let host = SshPublicKey::parse(&self.host.public_line()).unwrap();
        Client::connect(self.address, "bree", &self.client_key.private, host).await
    }

    /// Stops the server and waits for its end.
    pub fn stop(&mut self) -> ServerEnd {
        self.stop.take().unwrap().send(()).unwrap();
        self.runtime.block_on(self.serving.take().unwrap()).unwrap()
    }

    /// The reasons of refused logins, once there are that many.
    pub fn refusals(&self, count: usize) -> Vec<(String, RefusalReason)> {
        wait_for("a refusal", || self.account.refused.lock().unwrap().len() >= count);
        let refused = self.account.refused.lock().unwrap();
        refused.iter().map(|refused| (refused.user.clone(), refused.reason)).collect()
    }
}

/// Waits for a state.
pub fn wait_for(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come");
        std::thread::yield_now();
    }
}

fn bree(key: &NewKey) -> Tenant {
    let key = LoginKey {
        label: "ict-bree".to_owned(),
        owner: "ICT".to_owned(),
        key: SshPublicKey::parse(&key.public_line).unwrap(),
        expires: None,
    };
    let limits = TenantLimits { upload_bytes: 1 << 30, inbox_bytes: 1 << 40, outbox_bytes: 1 << 40 };
    Tenant {
        keys: vec![key],
        allow_from: vec!["127.0.0.0/8".parse().unwrap()],
        ..Tenant::new("bree".parse().unwrap(), "Stad Bree".to_owned(), TenantKind::Municipality, limits)
    }
}

/// Bytes in which a misplaced piece shows.
pub fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let random = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()
    });
    // A prime length, so that no piece of a transfer looks like another.
    let once: Vec<u8> = random.flatten().take(length.min(1_000_003)).collect();
    let mut whole = once.repeat(length.div_ceil(once.len().max(1)));
    whole.truncate(length);
    whole
}

/// What a program said, when it should have succeeded.
pub fn succeeded(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    format!("{out}{err}")
}

/// Whether two files are the same.
pub fn same(one: &Path, other: &Path) -> bool {
    fs::read(one).unwrap() == fs::read(other).unwrap()
}
