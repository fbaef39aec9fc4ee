//! Integration tests.

// Clippy lets tests unwrap where they stand under this attribute, helpers included.
#[cfg(test)]
mod sftp_room;
