//! The clients that municipalities have, each against the daemon: the program itself with the options that its users
//! give it, or, for those that run elsewhere, the calls that it makes.
//!
//! A client that is not installed is named in the file that `GROEIKLUIS_SKIPPED` names, and its test passes.

mod curl;
mod cut;
mod filezilla;
mod lftp;
mod openssh;
mod printed;
pub mod program;
mod putty;
mod rclone;
mod scripted;
mod ssh_audit;
mod sshfs;
mod stage;
