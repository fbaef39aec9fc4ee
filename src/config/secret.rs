//! Secrets that the configuration names but does not hold: key files, and systemd's credentials.
//!
//! A secret is read through a limit, into memory that is wiped. A file that others can read is refused. In production
//! the keys of `keys-example/` are refused too; in a demo they are accepted whatever their mode, since everybody has
//! them and a clone of the repository cannot keep a mode of 0600.

use std::{
    env, fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use zeroize::Zeroizing;

use super::{
    Environment, Fault, Settings, example_keys,
    fault::{Faults, Position},
};
use crate::durable::open_regular;

/// A secret, bytes at most: the largest in use, an RSA host key, has some 3 KiB.
pub const LARGEST_SECRET_BYTES: u64 = 64 * 1024;

/// Permissions that nobody but the owner may have on a secret.
const OF_OTHERS: u32 = 0o077;

/// Where systemd puts credentials (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Those of the package's service, while it runs: root and its own user can read them, so that operators' commands need
/// not be told.
const OF_THE_SERVICE: &str = "/run/credentials/groeikluis.service";

/// What to do about a mail password that cannot be read: it is the mail server's to make.
const PASSWORD_HINT: &str = "write the mail server's password into it, with mode 0600 and owned by the user that runs \
                             the exchange; as a credential it needs `LoadCredential=` in the service";

/// Where a secret is. It holds no secret. Two are the same when they are in the same place, wherever they are named.
#[derive(Clone)]
pub struct SecretFile {
    place: Place,
    environment: Environment,
    named_at: Position,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Credential(String),
}

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// systemd gave no credentials, and the service does not run.
    #[error("{secret} needs systemd's ${CREDENTIALS}, which is not set")]
    NoCredentials {
        /// Which secret.
        secret: String,
    },
    /// A credential cannot be read.
    #[error("cannot read {secret}")]
    Credential {
        /// Which secret.
        secret: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be read.
    #[error("cannot read {secret}")]
    Read {
        /// Which secret.
        secret: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A directory, a device, a pipe.
    #[error("{secret} is not a regular file")]
    NotAFile {
        /// Which secret.
        secret: String,
    },
    /// Others than its owner can read or write it.
    #[error("{secret} has mode {mode:04o}, so others can read or change it")]
    Mode {
        /// Which secret.
        secret: String,
        /// Its permissions.
        mode: u32,
    },
    /// More than [`LARGEST_SECRET_BYTES`].
    #[error("{secret} is larger than {LARGEST_SECRET_BYTES} bytes")]
    TooLarge {
        /// Which secret.
        secret: String,
    },
    /// A key that everybody has.
    #[error("{secret} is a key of keys-example/, which everybody has")]
    Example {
        /// Which secret.
        secret: String,
    },
}

impl SecretError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoCredentials { .. } => {
                "the systemd service gives it while it runs; before, run this as root with \
                 CREDENTIALS_DIRECTORY=/etc/groeikluis/keys, or where the keys are"
            }
            Self::Credential { .. } => {
                "run this as root or as the service's user; the service has those of its `LoadCredential=`"
            }
            Self::Read { .. } => {
                "make it with `groeikluis keys new`, or put it back from the copy of the keys where it was in use, owned by \
                 the user that runs the exchange"
            }
            Self::NotAFile { .. } => "name a file",
            Self::Mode { .. } => "run `chmod 600` on it, and make a new key if others may have read it",
            Self::TooLarge { .. } => "name a key file",
            Self::Example { .. } => "make your own with `groeikluis keys new`",
        }
    }
}

impl PartialEq for SecretFile {
    fn eq(&self, other: &Self) -> bool {
        (&self.place, self.environment) == (&other.place, other.environment)
    }
}

impl Eq for SecretFile {}

impl SecretFile {
    /// A secret in that file; for callers that have no configuration, such as `demo` and tests.
    pub fn at(path: PathBuf, environment: Environment) -> Self {
        let named_at = Position::start_of(&path);
        Self { place: Place::File(path), environment, named_at }
    }

    /// A credential of systemd's, for a command that names one.
    pub fn of_credential(name: String, environment: Environment) -> Self {
        Self::credential(name, environment, Position::start_of(&PathBuf::new()))
    }

    pub(super) fn file(path: PathBuf, environment: Environment, named_at: Position) -> Self {
        Self { place: Place::File(path), environment, named_at }
    }

    pub(super) fn credential(name: String, environment: Environment, named_at: Position) -> Self {
        Self { place: Place::Credential(name), environment, named_at }
    }

    /// Its name among systemd's credentials; none for a file.
    pub fn credential_name(&self) -> Option<&str> {
        match &self.place {
            Place::File(_) => None,
            Place::Credential(name) => Some(name),
        }
    }

    /// Where it is read from; none for a credential without systemd.
    pub fn path(&self) -> Option<PathBuf> {
        match &self.place {
            Place::File(path) => Some(path.clone()),
            Place::Credential(name) => credentials_directory().map(|directory| directory.join(name)),
        }
    }

    /// Reads the secret.
    ///
    /// A credential's mode is not looked at: systemd guards it with more than a mode.
    ///
    /// # Errors
    /// [`SecretError`]: it cannot be read, is no regular file, is too large, can be read by others, or is an example.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let secret = || self.to_string();
        let path = self.path().ok_or_else(|| SecretError::NoCredentials { secret: secret() })?;
        let failed = |source| match self.place {
            Place::File(_) => SecretError::Read { secret: secret(), source },
            Place::Credential(_) => SecretError::Credential { secret: secret(), source },
        };
        let file = open_regular(&path).map_err(failed)?.ok_or_else(|| SecretError::NotAFile { secret: secret() })?;
        let metadata = file.metadata().map_err(failed)?;
        let bytes = read_bounded(&file).map_err(failed)?.ok_or_else(|| SecretError::TooLarge { secret: secret() })?;
        if example_keys::is_example_secret(&bytes) {
            return match self.environment {
                Environment::Production => Err(SecretError::Example { secret: secret() }),
                Environment::Demo => Ok(bytes),
            };
        }
        let mode = metadata.mode() & 0o7777;
        match self.place {
            Place::File(_) if mode & OF_OTHERS != 0 => Err(SecretError::Mode { secret: secret(), mode }),
            Place::File(_) | Place::Credential(_) => Ok(bytes),
        }
    }
}

/// What systemd gave this process, else what the service has.
fn credentials_directory() -> Option<PathBuf> {
    let of_the_service = || Some(PathBuf::from(OF_THE_SERVICE)).filter(|directory| directory.is_dir());
    env::var_os(CREDENTIALS).map(PathBuf::from).or_else(of_the_service)
}

/// Reads a file in one piece of memory, which never moves and so leaves no copies; none if it is too large.
fn read_bounded(mut file: &File) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let size = usize::try_from(LARGEST_SECRET_BYTES).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(vec![0; size.saturating_add(1)]);
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(if filled > size { None } else { Some(bytes) })
}

/// Reads every secret that the settings name and reports those that cannot be used, at the place that names them.
///
/// What the secrets hold is judged by the rooms that use them.
pub fn check_secrets(settings: &Settings) -> Vec<Fault> {
    let faults = Faults::default();
    for secret in settings.secrets() {
        if let Err(error) = secret.read() {
            let cause = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            let is_password = settings.mail_password().is_some_and(|password| std::ptr::eq(password, secret));
            let hint = match error {
                SecretError::Read { .. } | SecretError::Credential { .. } if is_password => PASSWORD_HINT.to_owned(),
                SecretError::Read { .. } if settings.state_dir.join("log").exists() => format!(
                    "if the exchange in {} ran with it, put it back from the copy of the keys, owned by the user that runs \
                     the exchange: a new key does not open what is kept there, nor go on with its log",
                    settings.state_dir.display()
                ),
                _ => error.hint().to_owned(),
            };
            faults.add_with_hint(&secret.named_at, format!("{error}{cause}"), hint);
        }
    }
    faults.into_sorted()
}

impl SecretFile {
    /// A fault of what it holds, at the place that names it.
    pub fn fault(&self, problem: String, hint: String) -> Fault {
        let Position { file, line, column } = &self.named_at;
        Fault { file: file.to_path_buf(), line: *line, column: *column, problem, hint: Some(hint) }
    }
}

impl fmt::Display for SecretFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path) => write!(formatter, "{}", path.display()),
            Place::Credential(name) => write!(formatter, "credential:{name}"),
        }
    }
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretFile({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::{fs, os::unix::fs::PermissionsExt};

    const EXAMPLE: &str = "keys-example/exchange.agekey";

    fn example(environment: Environment) -> SecretFile {
        SecretFile::at(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE), environment)
    }

    fn written(directory: &Path, bytes: &[u8], mode: u32) -> SecretFile {
        let path = directory.join("key");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        SecretFile::at(path, Environment::Production)
    }

    #[test]
    fn a_secret_is_read_when_only_its_owner_can() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o400] {
            let secret = written(directory.path(), b"secret", mode);
            assert_eq!(secret.read().unwrap().as_slice(), b"secret");
            fs::remove_file(directory.path().join("key")).unwrap();
        }
        for mode in [0o640, 0o604, 0o620, 0o601, 0o644] {
            let secret = written(directory.path(), b"secret", mode);
            assert!(matches!(secret.read(), Err(SecretError::Mode { mode: found, .. }) if found == mode), "{mode:o}");
        }
    }

    #[test]
    fn a_secret_is_a_regular_file_of_bounded_size() {
        let directory = tempfile::tempdir().unwrap();
        let largest = usize::try_from(LARGEST_SECRET_BYTES).unwrap();
        assert_eq!(written(directory.path(), &vec![7; largest], 0o600).read().unwrap().len(), largest);
        let more = written(directory.path(), &vec![7; largest + 1], 0o600);
        assert!(matches!(more.read(), Err(SecretError::TooLarge { .. })));
        let folder = SecretFile::at(directory.path().to_owned(), Environment::Production);
        assert!(matches!(folder.read(), Err(SecretError::NotAFile { .. })));
        let absent = SecretFile::at(directory.path().join("absent"), Environment::Production);
        assert!(matches!(absent.read(), Err(SecretError::Read { .. })));
    }

    #[test]
    fn example_keys_are_for_demos() {
        assert!(example(Environment::Demo).read().is_ok());
        assert!(matches!(example(Environment::Production).read(), Err(SecretError::Example { .. })));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, fs::read(example(Environment::Demo).to_string()).unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(SecretFile::at(path.clone(), Environment::Demo).read().is_ok(), "a clone keeps no mode of 0600");
        fs::write(&path, "another key").unwrap();
        assert!(matches!(SecretFile::at(path, Environment::Demo).read(), Err(SecretError::Mode { .. })));
    }

    #[test]
    fn a_mail_password_is_not_a_key_that_can_be_made() {
        let directory = tempfile::tempdir().unwrap();
        let mut settings =
            crate::config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/groeikluis.yaml")).unwrap();
        settings.mail = Some(crate::config::MailSettings {
            host: "localhost".to_owned(),
            port: 25,
            from: String::new(),
            ops: Vec::new(),
            tls: crate::config::MailTls::None,
            ca: None,
            login: Some(("groeikluis".to_owned(), SecretFile::at(directory.path().join("absent"), Environment::Demo))),
            gather: std::time::Duration::from_secs(1),
            unfetched_after_days: 7,
        });
        let faults = check_secrets(&settings);
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        let text = fault.to_string();
        assert!(text.contains("mail server's password") && !text.contains("keys new"), "{text}");
    }

    #[test]
    fn a_key_that_was_in_use_is_not_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let mut settings =
            crate::config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/groeikluis.yaml")).unwrap();
        settings.state_dir = directory.path().to_owned();
        settings.exchange_identity = SecretFile::at(directory.path().join("absent"), Environment::Demo);
        let told = || check_secrets(&settings).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told().contains("make it with `groeikluis keys new`"), "{}", told());
        fs::create_dir(directory.path().join("log")).unwrap();
        assert!(told().contains("put it back from the copy of the keys") && !told().contains("keys new"), "{}", told());
    }

    #[test]
    fn a_credential_needs_systemd() {
        let at = Position::start_of(Path::new("groeikluis.yaml"));
        let secret = SecretFile::credential("log.key".to_owned(), Environment::Production, at);
        assert_eq!(secret.to_string(), "credential:log.key");
        if credentials_directory().is_none() {
            let error = secret.read().unwrap_err();
            assert!(matches!(error, SecretError::NoCredentials { .. }) && error.hint().contains(CREDENTIALS));
        }
    }

    #[test]
    fn an_example_key_that_was_edited_is_still_known() {
        let directory = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE)).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let key = format!(
            "
  {}
",
            lines.join(
                "
  "
            )
        );
        let secret = written(directory.path(), key.as_bytes(), 0o600);
        assert!(matches!(secret.read(), Err(SecretError::Example { .. })));
    }
}
