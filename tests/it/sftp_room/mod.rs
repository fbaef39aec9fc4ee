//! The SFTP server on a loopback port, before real clients and before bytes that no client sends.
//!
//! The drop-box behind it is a directory that stands in for the product's storage and counts what is read of it.

mod channels;
mod clients;
mod extensions;
mod limits;
mod logins;
pub mod raw;
mod rekeying;
mod storage;
mod support;
