//! The servers, each with the same host key, the same login, and the same files.

use std::{
    env, fs,
    fs::File,
    io::{BufWriter, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use groeikluis::{
    seal::{Keyring, StorageSealer},
    sftp::{self, NewKey},
    transfer_log::NoteKey,
};

use super::Outcome;

/// AES-GCM; rclone's server has it with the shorter key only.
pub const AES: &str = "aes256-gcm@openssh.com,aes128-gcm@openssh.com";

/// Small files: how many, and of how many bytes.
pub const SMALL_FILES: usize = 2000;
const SMALL_BYTES: usize = 4096;

/// A file that a client can hold in its memory.
pub const FETCHED: &str = "fetched.csv.age";
const FETCHED_BYTES: usize = 32 << 20;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The directory that everything is in, with keys and files.
pub struct Site {
    pub directory: PathBuf,
    pub mebibytes: u64,
    pub login: NewKey,
    pub host: NewKey,
}

impl Site {
    /// Makes keys and files anew.
    pub fn prepare(mebibytes: u64) -> Outcome<Self> {
        let directory = env::temp_dir().join("groeikluis-bench-sftp");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("small"))?;
        let (login, host) = (sftp::new_key("bench")?, sftp::new_key("host")?);
        let site = Self { directory, mebibytes, login, host };
        for (name, secret) in [("login", &site.login.private), ("host", &site.host.private)] {
            secret_file(&site.directory.join(name), secret)?;
        }
        fs::write(site.directory.join("authorized_keys"), format!("{}\n", site.login.public_line))?;
        // Sealed to a key that nobody keeps: the exchange stores it and then only says that it cannot open it.
        let stranger = Keyring::generate();
        let file = BufWriter::with_capacity(1 << 20, File::create(site.big())?);
        let mut sealer = StorageSealer::new(&stranger.recipients(), file)?;
        let mebibyte = vec![0x5a; 1 << 20];
        for _ in 0..mebibytes {
            sealer.write_all(&mebibyte)?;
        }
        sealer.finish()?.0.flush()?;
        fs::write(site.directory.join(FETCHED), vec![0x5a; FETCHED_BYTES])?;
        for number in 0..SMALL_FILES {
            fs::write(site.directory.join(small(number)), vec![b'1'; SMALL_BYTES])?;
        }
        Ok(site)
    }

    /// The large file.
    pub fn big(&self) -> PathBuf {
        self.directory.join("big.csv.age")
    }

    fn known_hosts(&self, port: u16) -> Outcome<PathBuf> {
        let path = self.directory.join(format!("known_hosts-{port}"));
        fs::write(&path, format!("[127.0.0.1]:{port} {}\n", self.host.public_line))?;
        Ok(path)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Gigabytes: nobody misses them when they cannot be removed.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The name of a small file, under the site: one that is not finished, so that the exchange only stores it.
pub fn small(number: usize) -> String {
    format!("small/{}", small_name(number))
}

/// The same without its directory, as servers have it.
pub fn small_name(number: usize) -> String {
    format!("lijst{number:04}.csv.part")
}

fn secret_file(path: &Path, secret: &str) -> Outcome<()> {
    fs::write(path, secret)?;
    fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    Ok(())
}

/// A running server.
pub struct Server {
    pub name: &'static str,
    pub address: SocketAddr,
    pub user: String,
    /// Where files are fetched from, on the server.
    pub outbox: String,
    /// Where files are sent to, on the server.
    pub inbox: String,
    process: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    pub fn ours(site: &Site) -> Outcome<Self> {
        let directory = site.directory.join("ours");
        fs::create_dir_all(directory.join("tenants"))?;
        let exchange = Keyring::generate();
        secret_file(&directory.join("exchange.agekey"), &exchange.to_file())?;
        secret_file(&directory.join("log"), &NoteKey::generate("bench")?.to_text())?;
        fs::write(directory.join("sources.yaml"), include_str!("../../config/sources.yaml"))?;
        fs::write(directory.join("municipalities.csv"), include_str!("../../config/municipalities.csv"))?;
        let main = "environment: demo\nlisten: [\"127.0.0.1:0\"]\nstate_dir: state\nhigh_water_dir: high-water\n\
             spool_dir: spool\nhost_keys: [../host]\nexchange_identity: exchange.agekey\n\
             register: {path: register.csv.age, identity: exchange.agekey}\nlog: {origin: bench, key: log}\n\
             limits: {connections: 5000, connections_per_source: 5000, sessions_per_tenant: 5000,\n         \x20 upload_bytes: 4GiB, upload_memory: 4GiB}\n";
        fs::write(directory.join("groeikluis.yaml"), main)?;
        let tenant = format!(
            "id: bench\nname: Meting\nkind: municipality\nnis_code: \"11002\"\n\
             keys:\n  - {{label: bench, owner: bench, key: \"{}\"}}\nrecipients: [\"{}\"]\n\
             contacts: [\"ict@example.be\"]\nlimits: {{upload_bytes: 4GiB, inbox_bytes: 1TiB, outbox_bytes: 16GiB}}\n",
            site.login.public_line,
            exchange.recipients().first().ok_or("no recipient")?,
        );
        fs::write(directory.join("tenants/bench.yaml"), tenant)?;
        let outbox = directory.join("state/boxes/bench/outbox");
        give(site, &outbox)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
        command.args(["serve", "--config"]).arg(directory.join("groeikluis.yaml")).env("RUST_LOG", "off");
        let process = command.stderr(Stdio::inherit()).spawn()?;
        let listen = directory.join("state/listen");
        let address = wait_for(|| fs::read_to_string(&listen).ok()?.lines().next()?.parse().ok())?;
        let (user, outbox, inbox) = ("bench".to_owned(), "/outbox".to_owned(), "/inbox".to_owned());
        Ok(Self { name: "groeikluis", address, user, outbox, inbox, process })
    }

    pub fn openssh(site: &Site) -> Outcome<Self> {
        let directory = site.directory.join("openssh");
        let (outbox, inbox) = (directory.join("outbox"), directory.join("inbox"));
        give(site, &outbox)?;
        fs::create_dir_all(&inbox)?;
        let address = free_address()?;
        let config = directory.join("sshd_config");
        fs::write(
            &config,
            format!(
                "ListenAddress 127.0.0.1\nPort {}\nHostKey {site}/host\nAuthorizedKeysFile {site}/authorized_keys\n\
                 PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n\
                 MaxStartups 5000\nMaxSessions 5000\nLogLevel ERROR\nSubsystem sftp internal-sftp\n",
                address.port(),
                site = site.directory.display()
            ),
        )?;
        // Where sshd keeps what it shuts itself into before a login; made at boot, which may not have been.
        let _ = fs::create_dir_all("/run/sshd");
        let program = env::var("GROEIKLUIS_SSHD").unwrap_or_else(|_| "/usr/sbin/sshd".to_owned());
        let mut command = Command::new(program);
        let process = command.args(["-D", "-e", "-f"]).arg(&config).spawn()?;
        let user = env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_else(|_| "root".to_owned());
        listening(address)?;
        let text = |path: PathBuf| path.display().to_string();
        Ok(Self { name: "OpenSSH", address, user, outbox: text(outbox), inbox: text(inbox), process })
    }

    pub fn rclone(site: &Site) -> Outcome<Self> {
        let directory = site.directory.join("rclone");
        give(site, &directory.join("outbox"))?;
        fs::create_dir_all(directory.join("inbox"))?;
        let address = free_address()?;
        let mut command = Command::new("rclone");
        command.args(["serve", "sftp", "--addr", &address.to_string(), "--no-checksum", "--config", "/dev/null"]);
        command.args(["--vfs-cache-mode", "off", "--log-level", "ERROR", "--authorized-keys"]);
        command.arg(site.directory.join("authorized_keys")).arg("--key").arg(site.directory.join("host"));
        let process = command.arg(&directory).stdout(Stdio::null()).spawn()?;
        let server = Self {
            name: "rclone",
            address,
            user: "bench".to_owned(),
            outbox: "/outbox".to_owned(),
            inbox: "/inbox".to_owned(),
            process,
        };
        listening(address)?;
        Ok(server)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Runs OpenSSH's client with a batch, by way of `address`.
    pub fn sftp(&self, site: &Site, address: SocketAddr, cipher: &str, batch: &str) -> Outcome<()> {
        let known_hosts = site.known_hosts(address.port())?;
        let mut command = Command::new("sftp");
        command.args(["-q", "-F", "/dev/null", "-b", "-", "-P", &address.port().to_string()]);
        command.args(["-o", &format!("Ciphers={cipher}"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]);
        command.args(["-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null"]);
        command.arg("-o").arg(format!("UserKnownHostsFile={}", known_hosts.display()));
        command.arg("-i").arg(site.directory.join("login")).arg(format!("{}@{}", self.user, address.ip()));
        let command = command.current_dir(&site.directory).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn()?;
        child.stdin.take().ok_or("no standard input")?.write_all(batch.as_bytes())?;
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("sftp with {} ended with {status}", self.name).into()) }
    }
}

/// Puts the files to fetch into a directory: links, so that all servers read the same pages.
fn give(site: &Site, outbox: &Path) -> Outcome<()> {
    fs::create_dir_all(outbox)?;
    fs::hard_link(site.big(), outbox.join("big.csv.age"))?;
    fs::hard_link(site.directory.join(FETCHED), outbox.join(FETCHED))?;
    for number in 0..SMALL_FILES {
        fs::hard_link(site.directory.join(small(number)), outbox.join(small_name(number)))?;
    }
    Ok(())
}

/// An address that was free a moment ago.
fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn listening(address: SocketAddr) -> Outcome<()> {
    wait_for(|| TcpStream::connect(address).ok().map(drop))
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Outcome<T> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return Ok(found);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err("the server does not listen".into())
}
