//! The SFTP server.
