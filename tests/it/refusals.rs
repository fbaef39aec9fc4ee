//! What is refused, and how it is told.

use crate::support::{Plan, Protocol, Tenant};

#[test]
fn a_list_is_answered() {
    let daemon = Plan::new()
        .children(20_000)
        .tenant(Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child()))
        .start();
    let list: String = daemon.extract().children_of("72004").iter().map(|niss| format!("{niss}\n")).collect();
    daemon.sftp("bree", "ls -l /").well();
    daemon.put("bree", "lijst.csv", format!("niss\n{list}").as_bytes());
    let answer = daemon.answer("bree", "lijst.csv");
    assert_eq!(answer.text.lines().next(), Some("niss;sociale_toeslag;begunstigde_niss;begunstigde_naam;aandeel"));
}
