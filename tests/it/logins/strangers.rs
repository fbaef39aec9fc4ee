//! What no honest client does: forging, changing names, doing something before logging in, trying and waiting for ever.

use super::{
    daemon, daemon_with, log_in,
    passwords::{KEPT, PASSWORD},
    peer::play,
    refusals, text,
};
use crate::no_niss::holds;

const BOTH: &str = "require: [publickey, password]";

#[test]
fn a_known_key_without_its_signature_is_nobody() {
    let daemon = daemon(&[]);
    let Some(ran) = play(&daemon, "forged", &["bree"]) else { return };
    assert_eq!(ran.stdout.trim(), "refused");
    assert_eq!(refusals(&daemon, 1), ["bad-signature"]);
    assert!(daemon.events("auth.login").is_empty());
}

#[test]
fn another_user_name_begins_from_nothing() {
    let daemon = daemon(&[KEPT, BOTH]);
    let Some(ran) = play(&daemon, "switched", &[PASSWORD]) else { return };
    let expected = ["partial password", "publickey", "publickey", "partial password", "password", "in"];
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
    assert_eq!(daemon.events("auth.login").len(), 1);
}

#[test]
fn nothing_is_served_before_a_login() {
    let daemon = daemon(&[]);
    let Some(ran) = play(&daemon, "early", &[]) else { return };
    let expected = ["not opened", "not opened", "in", "LEESMIJ.txt,inbox,log,outbox,test"];
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_packet_longer_than_was_offered_ends_the_connection() {
    let daemon = daemon(&[]);
    let Some(ran) = play(&daemon, "long", &[]) else { return };
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), ["in", "ended"]);
}

#[test]
fn attempts_are_limited() {
    let daemon = daemon(&[KEPT, BOTH]);
    let Some(many) = play(&daemon, "many", &[]) else { return };
    // Six, as the configuration has it; the client does not begin with a question about the methods, and may see the end
    // before it sees the last answer.
    let answered: usize = many.stdout.trim().parse().unwrap();
    assert!((5..=6).contains(&answered), "{answered}");
    // The end of the connection and the refusal before it are entered by threads of their own.
    let mut refused = refusals(&daemon, 6);
    refused.sort_unstable();
    assert_eq!(refused, [&["too-many-attempts"][..], &["unknown-user"; 5]].concat());
    assert!(daemon.events("auth.login").is_empty());
}

#[test]
fn time_for_a_login_is_limited() {
    let daemon = daemon_with(&[KEPT, BOTH], &["limits: {login_grace_seconds: 10}"]);
    let Some(waits) = play(&daemon, "waits", &[]) else { return };
    assert_eq!(waits.stdout.lines().collect::<Vec<_>>(), ["partial password", "ended"]);
    assert_eq!(refusals(&daemon, 1), ["step-missing"]);
    assert!(daemon.events("auth.login").is_empty());
}

#[test]
fn a_name_that_is_nobodys_is_never_in_clear() {
    let mut daemon = daemon_with(&[], &["limits: {auth_attempts: 1}"]);
    assert_ne!(log_in(&daemon, "geheim-wachtwoord", &[], None).code, Some(0));
    assert_eq!(refusals(&daemon, 1), ["too-many-attempts"]);
    // What is told of it to whom the disclosures are for is not in the entry.
    assert_eq!(text(&daemon.events("auth.refused")[0], "tenant"), "");
    daemon.terminate();
    // What the entry does say is found, so the other would be.
    let log = daemon.path("state/log");
    assert!(holds(&log, &["too-many-attempts"]) && !holds(&log, &["geheim-wachtwoord"]));
}
