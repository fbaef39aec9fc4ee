//! What the kernel keeps the daemon from opening, where it has Landlock.

use std::fs;

use crate::{
    clients::program::skip,
    support::{Plan, Tenant, wait_until},
};

#[test]
fn what_the_configuration_did_not_name_at_the_start_cannot_be_read() {
    let mut daemon = Plan::new().tenant(Tenant::municipality("bree", "72004")).start();
    let said = daemon.process().said();
    if said.contains("no sandbox") {
        skip("sandbox", "this kernel has no Landlock");
        return;
    }
    assert!(said.contains("sandbox: landlock is in force"), "{said}");
    // Everybody may read it, and a program without a sandbox does.
    let outside = tempfile::tempdir().unwrap();
    let sources = outside.path().join("sources.yaml");
    fs::copy(daemon.path("sources.yaml"), &sources).unwrap();
    let main = fs::read_to_string(daemon.config()).unwrap();
    fs::write(daemon.config(), format!("{main}sources: {}\n", sources.display())).unwrap();
    daemon.groeikluis(&["check"]).well();
    let process = daemon.process();
    wait_until("a refused reload", || {
        let said = process.said();
        said.lines().any(|line| line.contains("configuration not changed") && line.contains("Permission denied"))
    });
    // What it named is read as before.
    fs::write(daemon.config(), format!("{main}# changed\n")).unwrap();
    daemon.process().wait_for_line("configuration changed").unwrap();
    daemon.session("bree").list("/").unwrap();
}
