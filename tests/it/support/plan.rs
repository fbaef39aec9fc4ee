//! What a deployment is to be, and its files.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use groeikluis::{
    domain::SshPublicKey,
    durable::Clock,
    register::ReferenceMonth,
    seal::{Keyring, Recipient, StorageSealer},
    sftp,
    transfer_log::NoteKey,
};
use tempfile::TempDir;

use super::{Extract, Tenant, TestDaemon};

/// A deployment to be laid out.
pub struct Plan {
    tenants: Vec<Tenant>,
    children: u32,
    more: Vec<String>,
    files: Vec<(String, String)>,
}

/// A deployment that was laid out.
pub struct LaidOut {
    pub root: TempDir,
    pub extract: Extract,
    pub host_key: SshPublicKey,
    pub host_line: String,
}

/// What the register of every deployment follows from.
const SEED: u64 = 1;
const ORIGIN: &str = "groeikluis.test/2026";
const SOURCES: &str = include_str!("../../../config/sources.yaml");
const MUNICIPALITIES: &str = include_str!("../../../config/municipalities.csv");

impl Plan {
    /// A few children, and no tenant yet.
    pub fn new() -> Self {
        Self { tenants: Vec::new(), children: 2000, more: Vec::new(), files: Vec::new() }
    }

    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenants.push(tenant);
        self
    }

    /// Children in the register of all Flanders; a municipality has its share.
    #[must_use]
    pub fn children(self, children: u32) -> Self {
        Self { children, ..self }
    }

    /// A line of the main file, as `limits: {list_rows: 100}`.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.more.push(line.to_owned());
        self
    }

    /// Another file of the configuration, as `assignments/premie.yaml`.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Lays it out and starts the daemon.
    pub fn start(self) -> TestDaemon {
        let mut daemon = TestDaemon::over(self.lay_out());
        daemon.start();
        daemon.wait_for_register();
        daemon
    }

    /// Lays it out, and starts nothing.
    pub fn lay_out(self) -> LaidOut {
        let root = tempfile::Builder::new().prefix("groeikluis-test-").tempdir().unwrap();
        for name in ["keys", "tenants", "register", "received"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let key = |name: &str| root.path().join("keys").join(name);
        let host = sftp::new_key("groeikluis-test").unwrap();
        write_secret(&key("host_ed25519"), &host.private);
        let log = NoteKey::generate(ORIGIN).unwrap();
        write_secret(&key("log.key"), &log.to_text());
        fs::write(key("log.vkey"), log.verifier().to_string()).unwrap();
        let register = Keyring::generate();
        for (name, keyring) in [("exchange", Keyring::generate()), ("register", register.clone())] {
            write_secret(&key(&format!("{name}.agekey")), &keyring.to_file());
            fs::write(key(&format!("{name}.pub")), keyring.recipients()[0].to_string()).unwrap();
        }
        fs::write(root.path().join("sources.yaml"), SOURCES).unwrap();
        fs::write(root.path().join("municipalities.csv"), MUNICIPALITIES).unwrap();
        fs::write(root.path().join("groeikluis.yaml"), self.main_file()).unwrap();
        for (name, text) in &self.files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for tenant in &self.tenants {
            write_tenant(root.path(), tenant);
        }
        let month = ReferenceMonth::from(Clock::system().today());
        let extract = Extract::synthetic(self.children, SEED, month);
        write_register(root.path(), extract.text());
        let words: Vec<&str> = host.public_line.split(' ').take(2).collect();
        let host_key = SshPublicKey::parse(&host.public_line).unwrap();
        LaidOut { root, extract, host_key, host_line: words.join(" ") }
    }

    fn main_file(&self) -> String {
        let mut text = "environment: production\n\
             listen: [\"127.0.0.1:0\"]\n\
             state_dir: state\n\
             high_water_dir: high-water\n\
             spool_dir: spool\n\
             host_keys: [keys/host_ed25519]\n\
             exchange_identity: keys/exchange.agekey\n\
             register: {path: register/register.csv.age, identity: keys/register.agekey}\n"
            .to_owned();
        if !self.more.iter().any(|line| line.starts_with("log:")) {
            text.extend(["log: {origin: ", ORIGIN, ", key: keys/log.key}\n"]);
        }
        // Tests fail to log in on purpose; only those about penalties want to wait for it.
        if !self.more.iter().any(|line| line.starts_with("penalties:")) {
            text.push_str("penalties: {exempt: [\"127.0.0.0/8\"]}\n");
        }
        for line in &self.more {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// Writes a tenant's file, and its keys where it has none yet.
pub fn write_tenant(root: &Path, tenant: &Tenant) {
    let id = &tenant.id;
    let key = |name: String| root.join("keys").join(name);
    let login = key(format!("{id}_ed25519"));
    if !login.exists() {
        let pair = sftp::new_key(&format!("ict@{id}.example")).unwrap();
        write_secret(&login, &pair.private);
        fs::write(key(format!("{id}_ed25519.pub")), format!("{}\n", pair.public_line)).unwrap();
        let keyring = Keyring::generate();
        write_secret(&key(format!("{id}.agekey")), &keyring.to_file());
        fs::write(key(format!("{id}.pub")), keyring.recipients()[0].to_string()).unwrap();
    }
    let public = fs::read_to_string(key(format!("{id}_ed25519.pub"))).unwrap();
    let recipient = fs::read_to_string(key(format!("{id}.pub"))).unwrap();
    // An auditor is sealed nothing.
    let yaml = tenant.yaml(public.trim(), &recipient, Clock::system().today());
    replace(&root.join(format!("tenants/{id}.yaml")), yaml.as_bytes());
}

/// Seals an extract and puts it in place of the one in use.
pub fn write_register(root: &Path, text: &str) {
    let recipient: Recipient = fs::read_to_string(root.join("keys/register.pub")).unwrap().parse().unwrap();
    let mut sealed = Vec::new();
    let mut sealer = StorageSealer::new(&[recipient], &mut sealed).unwrap();
    sealer.write_all(text.as_bytes()).unwrap();
    sealer.finish().unwrap();
    replace(&root.join("register/register.csv.age"), &sealed);
}

/// Puts a file in place as ops should: whole, by a rename.
pub fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::rename(&beside, path).unwrap();
}

fn write_secret(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
