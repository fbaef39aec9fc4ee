//! What an extract is compared with before it is taken, and the word of those who run the exchange that one is meant
//! which that makes unlikely.
//!
//! The word lies beside the extract and holds its digest, so that it is worth nothing for any other one, and lasts when
//! the daemon is started again before it has taken the extract. How far the one in use reaches is kept in the state
//! directory, for the next start.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    durable::{Directory, DurableError},
    register::Extent,
};

/// What the name of the extract goes on with.
const SUFFIX: &str = ".accepted";

/// A bound of the word: a digest in hexadecimal.
const LONGEST_WORD_BYTES: u64 = 256;

/// A bound of what is kept of the register in use: a number for each of 64 sources and 300 municipalities.
const LONGEST_KEPT_BYTES: u64 = 64 * 1024;

/// The file in the state directory.
const IN_USE: &str = "register-in-use.json";

/// The register that is in use, or was last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedRegister {
    /// How far it reaches.
    pub extent: Extent,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: String,
}

/// The same on disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    month: String,
    children: usize,
    /// Earlier versions kept none.
    #[serde(default)]
    parts: BTreeMap<String, usize>,
    sha256: String,
}

impl UsedRegister {
    /// What a daemon with this state directory kept last. What cannot be read is nothing to compare with.
    pub fn last(state_dir: &Path) -> Option<Self> {
        let bytes = state_dir
            .exists()
            .then(|| Directory::create(state_dir).ok()?.read(IN_USE, LONGEST_KEPT_BYTES).ok()?)??;
        let Kept { month, children, parts, sha256 } = serde_json::from_slice(&bytes).ok()?;
        Some(Self { extent: Extent { month: month.parse().ok()?, children, parts }, sha256 })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// [`DurableError`]: the disk's.
    pub(super) fn keep(&self, state_dir: &Path) -> Result<(), DurableError> {
        let Self { extent: Extent { month, children, parts }, sha256 } = self;
        let (parts, sha256) = (parts.clone(), sha256.clone());
        let kept = Kept { month: month.to_string(), children: *children, parts, sha256 };
        Directory::create(state_dir)?.write(IN_USE, &serde_json::to_vec(&kept).unwrap_or_default())
    }
}

/// Says that the extract with this digest is meant for that place.
///
/// # Errors
/// [`DurableError`]: the disk's.
pub fn accept_register_change(register: &Path, sha256: &str) -> Result<(), DurableError> {
    let word = word_of(register);
    let name = word.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let directory = Directory::create(word.parent().unwrap_or(Path::new(".")))?;
    directory.write_for_group(&name, &mut format!("{sha256}\n").as_bytes())
}

/// Whether that was said. What cannot be read says nothing.
pub fn is_register_change_accepted(register: &Path, sha256: &str) -> bool {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(word_of(register))?.take(LONGEST_WORD_BYTES).read_to_string(&mut text)?;
        Ok(text)
    };
    read().is_ok_and(|text| text.trim() == sha256)
}

fn word_of(register: &Path) -> PathBuf {
    let mut path = OsString::from(register);
    path.push(SUFFIX);
    path.into()
}
