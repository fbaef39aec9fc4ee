//! The daemon under test.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use groeikluis::{
    daemon::{Daemon, DaemonOptions},
    documents::manifest::Manifest,
    domain::{Kind, SshPublicKey},
    durable::Clock,
    seal::Keyring,
    sftp::client::ClientError,
};
use rustix::process::Signal;
use serde_json::Value;

use super::{
    Access, Extract, Ran, Session, Tenant,
    openssh::run,
    plan::{self, LaidOut},
    process::Process,
    raw::Raw,
    session::{block_on, spawn},
    wait_for,
};

/// A deployment with its daemon. When it is dropped, the daemon must stop well and its log must verify.
pub struct TestDaemon {
    laid_out: LaidOut,
    process: Option<Process>,
    address: Option<SocketAddr>,
}

/// A file from an outbox, opened by the tenant.
pub struct Opened {
    pub manifest: Manifest,
    pub text: String,
}

impl TestDaemon {
    /// Over files that were laid out; nothing runs yet.
    pub fn over(laid_out: LaidOut) -> Self {
        Self { laid_out, process: None, address: None }
    }

    /// Starts it and waits until it listens.
    #[track_caller]
    pub fn start(&mut self) {
        if let Err((status, said)) = self.try_start(&[]) {
            panic!("the daemon did not start ({status}):\n{said}");
        }
    }

    /// Starts it with these variables in its environment and waits until it listens; tells its end when it does not.
    #[track_caller]
    pub fn try_start(&mut self, variables: &[(&str, OsString)]) -> Result<(), (ExitStatus, String)> {
        assert!(self.process.is_none(), "it runs already");
        let mut process = Process::start(&self.config(), variables);
        let Some(address) = process.listening() else { return Err((process.wait(), process.said())) };
        let listed = fs::read_to_string(self.path("state/listen")).unwrap();
        assert_eq!(listed.trim(), address.to_string(), "state_dir/listen");
        let line = format!("[{}]:{} {}\n", address.ip(), address.port(), self.laid_out.host_line);
        fs::write(self.known_hosts(), line).unwrap();
        (self.process, self.address) = (Some(process), Some(address));
        Ok(())
    }

    /// Runs it within the test, by a clock that stands, while `doing` does something.
    #[track_caller]
    pub fn at(&mut self, clock: &Clock, doing: impl FnOnce(&mut Self)) {
        assert!(self.process.is_none(), "it runs already");
        let options = DaemonOptions { config: self.config(), clock: clock.clone() };
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (_reload, requests) = tokio::sync::mpsc::channel(1);
        let running = spawn(async move {
            let daemon = Daemon::start(options).unwrap();
            let address = daemon.addresses()[0];
            let ready = move || tell.send(address).unwrap();
            daemon.run(async move { drop(stopped.await) }, requests, ready).await
        });
        self.address = Some(told.recv().expect("it did not start"));
        doing(self);
        drop(stop);
        block_on(running).unwrap().unwrap();
        self.address = None;
    }

    /// Waits until lists can be answered.
    pub fn wait_for_register(&self) {
        let process = self.process.as_ref().expect("no daemon runs");
        assert!(process.wait_for_line("register loaded").is_some(), "it ended:\n{}", process.said());
    }

    /// Kills it as a power cut would end it.
    pub fn kill9(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.signal(Signal::KILL);
        process.wait();
    }

    /// Kills it while something else asks it for something; [`TestDaemon::kill9`] takes note of it.
    pub fn kill(&self) {
        self.process.as_ref().expect("it runs").signal(Signal::KILL);
    }

    /// Starts it and kills it after a while, most often before it listens.
    pub fn kill_while_starting(&mut self, after: Duration) {
        assert!(self.process.is_none(), "it runs already");
        let mut process = Process::start(&self.config(), &[]);
        std::thread::sleep(after);
        process.signal(Signal::KILL);
        process.wait();
    }

    /// Asks it to end, and gives its exit status and all that it said.
    pub fn terminate(&mut self) -> (ExitStatus, String) {
        let mut process = self.process.take().expect("it runs");
        process.signal(Signal::TERM);
        let status = process.wait();
        (status, process.said())
    }

    /// Its exit status and all that it said, once it ended by itself.
    pub fn ended(&mut self) -> Option<(ExitStatus, String)> {
        let mut process = self.process.take_if(Process::has_ended)?;
        Some((process.wait(), process.said()))
    }

    /// The process, while it runs.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it runs")
    }

    /// What the running daemon said of itself so far.
    pub fn said(&self) -> String {
        self.process.as_ref().expect("it runs").said()
    }

    /// A place in the deployment.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.laid_out.root.path().join(inside)
    }

    pub fn config(&self) -> PathBuf {
        self.path("groeikluis.yaml")
    }

    pub fn address(&self) -> SocketAddr {
        self.address.expect("it was started")
    }

    pub fn host_key(&self) -> SshPublicKey {
        self.laid_out.host_key.clone()
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// What a tenant logs in with; the public part is beside it, with `.pub`.
    pub fn login_key(&self, tenant: &str) -> PathBuf {
        self.path(format!("keys/{tenant}_ed25519"))
    }

    /// What a tenant opens its files with.
    pub fn age_key(&self, tenant: &str) -> PathBuf {
        self.path(format!("keys/{tenant}.agekey"))
    }

    /// What lists may be sealed to.
    pub fn exchange_recipient(&self) -> String {
        fs::read_to_string(self.path("keys/exchange.pub")).unwrap()
    }

    /// The register in clear.
    pub fn extract(&self) -> &Extract {
        &self.laid_out.extract
    }

    /// Writes a tenant's file anew, as ops would.
    pub fn write_tenant(&self, tenant: &Tenant) {
        plan::write_tenant(self.laid_out.root.path(), tenant);
    }

    /// Replaces the register in use.
    pub fn write_register(&self, text: &str) {
        plan::write_register(self.laid_out.root.path(), text);
    }

    /// For clients that outlive the daemon.
    pub fn access(&self) -> Access {
        let exchange = self.exchange_recipient().parse().unwrap();
        Access { address: self.address(), host_key: self.host_key(), keys: self.path("keys"), exchange }
    }

    /// A tenant's session.
    #[track_caller]
    pub fn session(&self, tenant: &str) -> Session {
        self.try_session(tenant, tenant).unwrap_or_else(|error| panic!("{tenant} cannot log in: {error:?}"))
    }

    pub fn try_session(&self, user: &str, key_of: &str) -> Result<Session, ClientError> {
        self.access().connect(user, key_of)
    }

    /// A tenant's channel that does what no client does.
    pub fn raw(&self, tenant: &str) -> Raw {
        self.access().raw(tenant, russh::client::Config::default())
    }

    /// Uploads a list to the tenant's inbox, in a session of its own.
    #[track_caller]
    pub fn put(&self, tenant: &str, name: &str, bytes: &[u8]) {
        let session = self.session(tenant);
        session.upload(&format!("/inbox/{name}"), bytes).unwrap();
        session.close();
    }

    /// Waits for the file of this kind that answers an upload, and opens it.
    #[track_caller]
    pub fn wait_for_file(&self, tenant: &str, directory: &str, upload: &str, kind: Kind) -> Opened {
        let session = self.session(tenant);
        let mut seen = HashSet::new();
        let what = format!("{kind} about {upload} for {tenant}");
        let manifest = wait_for(&what, || {
            let names = session.names(directory).unwrap();
            let fresh: Vec<_> = names.into_iter().filter(|name| name.ends_with(".manifest.json")).collect();
            fresh.into_iter().filter(|name| seen.insert(name.clone())).find_map(|name| {
                let bytes = session.download(&format!("{directory}/{name}")).unwrap();
                let manifest = Manifest::from_json(std::str::from_utf8(&bytes).unwrap()).unwrap();
                let about_it = manifest.answers.as_deref() == Some(upload);
                if about_it && manifest.kind == Kind::Weigering && kind != Kind::Weigering {
                    let sealed = session.download(&format!("{directory}/{}", manifest.file)).unwrap();
                    panic!("{upload} of {tenant} was refused:\n{}", self.open(tenant, &sealed));
                }
                (about_it && manifest.kind == kind).then_some(manifest)
            })
        });
        let sealed = session.download(&format!("{directory}/{}", manifest.file)).unwrap();
        session.close();
        Opened { text: self.open(tenant, &sealed), manifest }
    }

    /// The answer to an upload.
    #[track_caller]
    pub fn answer(&self, tenant: &str, upload: &str) -> Opened {
        self.wait_for_file(tenant, "/outbox", upload, Kind::SocialeToeslag)
    }

    /// The rejection of an upload.
    #[track_caller]
    pub fn rejection(&self, tenant: &str, upload: &str) -> Opened {
        self.wait_for_file(tenant, "/outbox", upload, Kind::Weigering)
    }

    /// Opens what was sealed to a tenant.
    #[track_caller]
    pub fn open(&self, tenant: &str, sealed: &[u8]) -> String {
        String::from_utf8(self.open_bytes(tenant, sealed)).unwrap()
    }

    /// Opens what was sealed to a tenant and is no text.
    #[track_caller]
    pub fn open_bytes(&self, tenant: &str, sealed: &[u8]) -> Vec<u8> {
        let keyring = Keyring::parse(&fs::read_to_string(self.age_key(tenant)).unwrap()).unwrap();
        keyring.open_whole(sealed, u64::MAX).unwrap().to_vec()
    }

    /// Fetches a delivery by its name and opens it.
    #[track_caller]
    pub fn fetch(&self, tenant: &str, path: &str) -> Vec<u8> {
        let session = self.session(tenant);
        let sealed = session.download(path).unwrap_or_else(|error| panic!("{path} of {tenant}: {error:?}"));
        session.close();
        self.open_bytes(tenant, &sealed)
    }

    /// Seals a list to the exchange.
    pub fn seal(&self, text: &[u8]) -> Vec<u8> {
        self.access().seal(text)
    }

    /// Runs the program with this deployment's configuration.
    pub fn groeikluis(&self, arguments: &[&str]) -> Ran {
        self.groeikluis_reading(arguments, b"")
    }

    /// The same, with something on its standard input.
    pub fn groeikluis_reading(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        command.args(arguments).arg("--config").arg(self.config());
        run(&mut command, input)
    }

    /// The entries of the transfer log with this event.
    #[track_caller]
    pub fn events(&self, event: &str) -> Vec<Value> {
        let ran = self.groeikluis(&["audit", "show", "--json", "--event", event]).well();
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The same, once there are that many: what is entered behind a client's back may come after its end.
    #[track_caller]
    pub fn wait_for_events(&self, event: &str, count: usize) -> Vec<Value> {
        let what = format!("{count} entries of {event}");
        wait_for(&what, || Some(self.events(event)).filter(|events| events.len() >= count))
    }

    /// Verifies the log from its files alone.
    pub fn verify_log(&self) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        command.args(["audit", "verify", "--log"]).arg(self.path("state/log"));
        command.arg("--key").arg(self.path("keys/log.vkey"));
        run(&mut command, b"")
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(process) = &self.process {
                eprintln!("--- the daemon said:\n{}---", process.said());
            }
            if std::env::var_os("GROEIKLUIS_KEEP").is_some() {
                self.laid_out.root.disable_cleanup(true);
                eprintln!("--- its files are kept: {}", self.laid_out.root.path().display());
            }
            return;
        }
        if let Some(process) = &mut self.process {
            assert!(!process.has_ended(), "the daemon ended by itself:\n{}", process.said());
            let (status, said) = self.terminate();
            assert!(status.success(), "the daemon ended with {status}:\n{said}");
        }
        if self.path("state/log").exists() {
            let ran = self.verify_log();
            assert_eq!(ran.code, Some(0), "the transfer log does not verify:\n{}{}", ran.stdout, ran.stderr);
        }
    }
}
