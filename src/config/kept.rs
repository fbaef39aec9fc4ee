//! A configuration as it was in force, kept so that another can be compared with it later.
//!
//! Kept are the files themselves, without layout and comments: the same reading makes the same settings of them, so
//! that one comparison ([`super::difference()`]) serves a reload and the question what one would change. Hashes of
//! passwords are replaced by their digests, so that nothing in what is kept helps to guess one; a kept configuration is
//! compared with one that went the same way. Commands use it where passwords are not asked about; no daemon does.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Settings,
    fault::{Faults, Position},
    files::{Files, Texts},
    load, main_file,
    tree::{self, Content, Node},
};
use crate::domain::PasswordHash;

/// A kept configuration, bytes at most: 2,000 tenants with ten times the usual 3 KiB each.
pub const LARGEST_KEPT_BYTES: u64 = 64 << 20;

/// The form of what is kept. A program that keeps it in another form takes another number.
const FORM: u32 = 1;

/// A configuration as it was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    form: u32,
    since: Timestamp,
    fingerprint: String,
    main: PathBuf,
    files: Texts,
}

/// Why bytes are no kept configuration that can be compared with.
#[derive(Debug, thiserror::Error)]
pub enum KeptFault {
    /// They are no such thing.
    #[error("it does not hold a configuration")]
    Content(#[source] serde_json::Error),
    /// Another version of the program kept it.
    #[error("it was kept in form {found}, not {FORM}")]
    Form {
        /// Its form.
        found: u32,
    },
    /// This version reads other files than the one that kept it.
    #[error("its files make no settings for this version of the program")]
    Settings,
}

impl Kept {
    /// Keeps settings that are in force since `since`.
    pub fn of(settings: &Settings, since: Timestamp) -> Self {
        let files = settings.texts.iter().map(|(path, text)| {
            // A table stands as it is; what is not YAML was not read as such.
            let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
            let tree = is_yaml.then(|| tree::parse(path, text, &Faults::default())).flatten();
            let text = tree.map_or_else(|| text.clone(), |root| without_passwords(root).canonical());
            (path.clone(), text)
        });
        Self {
            form: FORM,
            since,
            fingerprint: settings.fingerprint().to_owned(),
            main: settings.main_file.clone(),
            files: files.collect(),
        }
    }

    /// Reads what [`Kept::to_bytes`] gave.
    ///
    /// # Errors
    /// [`KeptFault`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeptFault> {
        let kept: Self = serde_json::from_slice(bytes).map_err(KeptFault::Content)?;
        if kept.form == FORM { Ok(kept) } else { Err(KeptFault::Form { found: kept.form }) }
    }

    /// For the disk.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Paths that are not UTF-8 cannot be kept; nothing then can be compared.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Since when it was in force.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// The fingerprint of the settings that were kept.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The settings, to compare with others that were kept. Their passwords let nobody in.
    ///
    /// # Errors
    /// [`KeptFault::Settings`].
    pub fn settings(&self) -> Result<Settings, KeptFault> {
        load::load_kept(&self.main, &self.files).ok_or(KeptFault::Settings)
    }
}

/// Where a main file says that the daemon keeps its state, whatever is at fault in that file and in others.
pub fn named_state_dir(main: &Path) -> Option<PathBuf> {
    let unseen = Faults::default();
    let text = Files::new(main.parent().unwrap_or(Path::new("")), &unseen).read(main, &Position::start_of(main))?;
    let root = tree::parse(main, &text, &unseen)?;
    main_file::read(&root, &unseen)?.state_dir
}

/// The tree with each hash of a password replaced.
fn without_passwords(node: Node) -> Node {
    let content = match node.content {
        Content::Scalar(value) => Content::Scalar(value),
        Content::List(items) => Content::List(items.into_iter().map(without_passwords).collect()),
        Content::Mapping(mut entries) => {
            for entry in &mut entries {
                let value = std::mem::replace(&mut entry.value, Node::nothing(&entry.key_at));
                entry.value = without_passwords(value);
                if entry.key == "argon2id" {
                    let digest = Sha256::digest(entry.value.canonical()).to_vec();
                    entry.value.content = Content::Scalar(stand_in(&digest).to_string().into());
                }
            }
            Content::Mapping(entries)
        }
    };
    Node { at: node.at, content }
}

/// A hash in the right form that no password has, other for each digest.
fn stand_in(digest: &[u8]) -> PasswordHash {
    let (salt, hash) = digest.split_at(digest.len() / 2);
    PasswordHash { memory_kib: 19_456, passes: 1, lanes: 1, salt: salt.to_vec(), hash: hash.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Difference, difference};
    use std::fs;

    fn shipped() -> Settings {
        load(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/groeikluis.yaml")).unwrap()
    }

    use crate::config::load;

    #[test]
    fn what_is_kept_makes_the_same_settings() {
        let settings = shipped();
        let kept = Kept::of(&settings, Timestamp::UNIX_EPOCH);
        let again = Kept::from_bytes(&kept.to_bytes()).unwrap();
        assert_eq!(kept, again);
        assert_eq!(again.fingerprint(), settings.fingerprint());
        let back = again.settings().unwrap();
        let change = difference(&settings, &back);
        assert_eq!(change, Difference::default());
        assert_eq!(settings.documents, back.documents);
        assert_eq!(settings.tenants.len(), back.tenants.len());
    }

    #[test]
    fn passwords_are_not_kept_but_their_change_shows() {
        let hash =
            |salt: &str| format!("$argon2id$v=19$m=19456,t=1,p=1${salt}$RdescudvJCsgt3ub+b5dWRWJTmaaJObGRdescudvJCs");
        let settings = |salt: &str| {
            let directory = tempfile::tempdir().unwrap();
            let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
            for name in ["sources.yaml", "municipalities.csv"] {
                fs::copy(config.join(name), directory.path().join(name)).unwrap();
            }
            let main = "state_dir: s\nhigh_water_dir: h\nspool_dir: p\nhost_keys: [k]\nexchange_identity: e\n\
                register: {path: r, identity: i}\nlog: {origin: o, key: l}\n";
            fs::write(directory.path().join("groeikluis.yaml"), main).unwrap();
            fs::create_dir(directory.path().join("tenants")).unwrap();
            let tenant = format!(
                "id: toezicht\nname: T\nkind: auditor\nkeys: []\nrecipients: []\n# geheim\n\
                 require: [password]\npasswords: [{{label: balie, argon2id: \"{}\"}}]\n",
                hash(salt)
            );
            fs::write(directory.path().join("tenants/toezicht.yaml"), tenant).unwrap();
            load(&directory.path().join("groeikluis.yaml")).unwrap()
        };
        let keep = |salt| Kept::of(&settings(salt), Timestamp::UNIX_EPOCH);
        let (one, other) = ("c29tZXNhbHRzb21lc2FsdA", "b3RoZXJzYWx0b3RoZXJzYWx0");
        let text = String::from_utf8(keep(one).to_bytes()).unwrap();
        assert!(!text.contains(one) && !text.contains("Rdescudv") && !text.contains("geheim"), "{text}");
        let settings = |salt| keep(salt).settings().unwrap();
        assert!(difference(&settings(one), &settings(one)).tenants_changed.is_empty());
        let change = difference(&settings(one), &settings(other)).tenants_changed;
        let change = change.values().next().unwrap();
        assert_eq!(change.passwords_changed, ["balie"]);
    }

    #[test]
    fn what_is_not_kept_here_is_refused() {
        let kept = Kept::of(&shipped(), Timestamp::UNIX_EPOCH);
        assert!(matches!(Kept::from_bytes(b"{}"), Err(KeptFault::Content(_))));
        let other = Kept { form: 2, ..kept.clone() }.to_bytes();
        assert!(matches!(Kept::from_bytes(&other), Err(KeptFault::Form { found: 2 })));
        let empty = Kept { files: Texts::new(), ..kept };
        assert!(matches!(empty.settings(), Err(KeptFault::Settings)));
    }

    proptest::proptest! {
        #[test]
        fn canonical_text_is_read_back_the_same(text in "\\PC*|[-a: \\[\\]{}'\"%#,0-9.\n]{0,40}", key in "\\PC{0,8}") {
            let path = Path::new("f.yaml");
            let quoted = serde_json::Value::from(text.as_str());
            let key = serde_json::Value::from(key.as_str());
            for yaml in [text.clone(), format!("{{{key}: [{quoted}, 1.50, ~]}}")] {
                if let Some(root) = tree::parse(path, &yaml, &Faults::default()) {
                    let canonical = root.canonical();
                    let again = tree::parse(path, &canonical, &Faults::default()).map(|root| root.canonical());
                    proptest::prop_assert_eq!(again, Some(canonical));
                }
            }
        }
    }
}
