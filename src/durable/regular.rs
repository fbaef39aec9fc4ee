//! Opening what may be something else than a file.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt, path::Path};

/// Opens a regular file to read; none where something else has that name.
///
/// # Errors
/// Those of opening it.
pub fn open_regular(path: &Path) -> io::Result<Option<File>> {
    // Not blocking: opening a pipe would wait for its writer.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}
