//! The vectors of the age testkit, for tests.

use std::{fs, io::Read, path::Path};

use flate2::read::ZlibDecoder;

/// An age file, and what it should come to.
pub(super) struct Vector {
    pub name: String,
    head: String,
    pub file: Vec<u8>,
}

impl Vector {
    /// The values of a key of its head, a line each; empty without any.
    pub fn values(&self, key: &str) -> String {
        let lines = self.head.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Those that are here: all but the ones with passphrases, which are never opened.
pub(super) fn vectors() -> Vec<Vector> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/age-testkit");
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths
        // What is no vector, README.md for one, has an extension or begins with a dot.
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().contains('.'))
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let mut vector = Vector { name, head, file: bytes[end + 2..].to_vec() };
            if vector.values("compressed") == "zlib" {
                let mut whole = Vec::new();
                ZlibDecoder::new(&*vector.file).read_to_end(&mut whole).unwrap();
                vector.file = whole;
            }
            vector
        })
        .collect()
}
