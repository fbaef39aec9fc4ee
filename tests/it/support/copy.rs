//! Copying what a daemon left.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

/// Makes a directory as the daemon makes its own, whatever the umask: one that others may write in is refused.
pub fn create_private(directory: &Path) {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).unwrap();
}

/// Copies a directory with all that is in it.
pub fn copy_directory(from: &Path, to: &Path) {
    create_private(to);
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_directory(&path, &target);
        } else if path.is_file() {
            // Not the socket that a killed daemon left.
            fs::copy(&path, &target).unwrap();
        }
    }
}
