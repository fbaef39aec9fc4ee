//! The word of those who run the exchange that an extract is meant which the one in use makes unlikely.
//!
//! It lies beside the extract and holds its digest, so that it is worth nothing for any other one, and lasts when the
//! daemon is started again before it has taken the extract.

use std::{
    ffi::OsString,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::durable::{Directory, DurableError};

/// What the name of the extract goes on with.
const SUFFIX: &str = ".accepted";

/// A bound of the file: a digest in hexadecimal, and the end of a line.
const LONGEST_BYTES: u64 = 128;

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
pub(super) fn is_accepted(register: &Path, sha256: &str) -> bool {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(word_of(register))?.take(LONGEST_BYTES).read_to_string(&mut text)?;
        Ok(text)
    };
    read().is_ok_and(|text| text.trim() == sha256)
}

fn word_of(register: &Path) -> PathBuf {
    let mut path = OsString::from(register);
    path.push(SUFFIX);
    path.into()
}
