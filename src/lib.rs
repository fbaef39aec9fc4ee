//! groeikluis: the secure file exchange between the Flemish child-benefit agency and local authorities.
//!
//! The rooms, lowest floor first; a room uses only rooms above it in this list, which `tests/it/rooms.rs` keeps true.

pub mod domain;

pub mod durable;

pub mod http;

pub mod seal;

pub mod config;

pub mod transfer_log;

pub mod ledger;

pub mod metrics;

pub mod register;

pub mod lists;

pub mod documents;

pub mod dropbox;

pub mod exchange;

pub mod sftp;

pub mod daemon;

pub mod console;

pub mod cli;
