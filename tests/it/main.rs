//! The product as its users meet it: the real program, over real SSH, with real keys. A module per behaviour.

// Clippy lets tests unwrap where they stand under this attribute, helpers included.
#[cfg(test)]
mod access;
#[cfg(test)]
mod account;
#[cfg(test)]
mod adding;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod assignments;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod checking;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod console;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod disclosures;
#[cfg(test)]
mod exactly_once;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod handed_over;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod merger;
#[cfg(test)]
mod no_niss;
#[cfg(test)]
mod no_plaintext;
#[cfg(test)]
mod older_state;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod package;
#[cfg(test)]
mod payments;
#[cfg(test)]
mod planning;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod post_quantum;
#[cfg(test)]
mod receipts;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod renames;
#[cfg(test)]
mod report;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod selections;
#[cfg(test)]
mod sftp_room;
#[cfg(test)]
mod status;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod units;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod years;
