//! Copying what a daemon left.

use std::{fs, path::Path};

/// Copies a directory with all that is in it.
pub fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
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
