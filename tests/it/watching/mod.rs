//! What watches the daemon from outside: its metrics, with a real Prometheus, the alerts and the dashboard.

mod prometheus;

use std::{fs, net::SocketAddr, path::Path};

use rustix::process::Signal;

use crate::support::{
    Plan, Protocol, Tenant, TestDaemon, block_on, http, niss,
    raw::{CREATE, WRITE},
    wait_for, wait_until,
};

/// The first nine digits of a number on the lists.
const SOMEBODY: &str = "100101001";

const METRICS: &str = "metrics: {listen: \"127.0.0.1:0\"}";

fn plan() -> Plan {
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017"));
    let expired = groeikluis::durable::Clock::system().today().yesterday().unwrap();
    let began = expired.first_of_month().yesterday().unwrap().first_of_month();
    let over = Protocol::new("OPG-2026-018").valid(began, expired);
    let lokeren = Tenant::municipality("lokeren", "46029").protocol(over);
    Plan::new().tenant(bree).tenant(lokeren).line(METRICS)
}

fn metrics_address(daemon: &TestDaemon) -> SocketAddr {
    fs::read_to_string(daemon.path("state/listen-metrics")).unwrap().trim().parse().unwrap()
}

/// Something of each kind that is counted.
fn keep_busy(daemon: &TestDaemon) {
    let list = format!("niss\n{}\n", niss(SOMEBODY));
    daemon.put("bree", "lijst.csv", list.as_bytes());
    daemon.answer("bree", "lijst.csv");
    daemon.put("bree", "kapot.csv", b"naam\nJan\n");
    daemon.rejection("bree", "kapot.csv");
    // Its protocol is over: refused before it is sent.
    let session = daemon.session("lokeren");
    assert!(session.upload("/inbox/lijst.csv", list.as_bytes()).is_err());
    session.close();
    daemon.rejection("lokeren", "lijst.csv");
    assert!(daemon.try_session("bree", "lokeren").is_err());
    assert!(daemon.try_session("nobody", "lokeren").is_err());
}

/// The value of a series, as it stands in the text.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn what_happens_is_counted_by_tenant_and_nobody_is_named() {
    let mut daemon = plan().start();
    let address = metrics_address(&daemon);
    let session = daemon.session("bree");
    keep_busy(&daemon);
    let text = wait_for("all that was counted", || {
        let text = http::get(address, "/metrics").well();
        let logged_out = value(&text, "groeikluis_log_events_total{event=\"auth.logout\"}")? >= 6.0;
        let refused = "groeikluis_log_events_total{event=\"auth.refused\"}";
        let alone = value(&text, "groeikluis_connections")? <= 1.0;
        (logged_out && alone && value(&text, refused)? >= 2.0).then_some(text)
    });
    for (series, expected) in [
        ("groeikluis_logins_total{tenant=\"bree\",method=\"publickey\",outcome=\"unknown-key\"}", 1.0),
        ("groeikluis_logins_total{tenant=\"_unknown\",method=\"publickey\",outcome=\"unknown-user\"}", 1.0),
        ("groeikluis_lists_total{tenant=\"bree\",outcome=\"answered\"}", 1.0),
        ("groeikluis_lists_total{tenant=\"bree\",outcome=\"list-no-niss-column\"}", 1.0),
        ("groeikluis_policy_refusals_total{tenant=\"lokeren\",rule=\"not-ended\"}", 1.0),
        ("groeikluis_transfers_total{tenant=\"bree\",direction=\"up\",outcome=\"complete\"}", 2.0),
        ("groeikluis_answer_duration_seconds_count", 2.0),
        ("groeikluis_deliveries_total{tenant=\"bree\",step=\"available\"}", 3.0),
        ("groeikluis_deliveries_total{tenant=\"bree\",step=\"fetched\"}", 2.0),
        ("groeikluis_deliveries_unfetched{tenant=\"bree\"}", 1.0),
        ("groeikluis_deliveries_unfetched{tenant=\"lokeren\"}", 0.0),
        ("groeikluis_sessions_open{tenant=\"bree\"}", 1.0),
        ("groeikluis_connections", 1.0),
        ("groeikluis_connections_limit", 1000.0),
        ("groeikluis_upload_memory_bytes", 0.0),
        ("groeikluis_upload_memory_limit_bytes", 1_073_741_824.0),
        ("groeikluis_lists_waiting", 0.0),
        ("groeikluis_oldest_unanswered_list_age_seconds", 0.0),
        ("groeikluis_register_loads_total{outcome=\"loaded\"}", 1.0),
        ("groeikluis_register_loaded", 1.0),
        ("groeikluis_ready", 1.0),
        ("groeikluis_log_writable", 1.0),
        ("groeikluis_tenants", 2.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");
    }
    let accepted = "groeikluis_logins_total{tenant=\"bree\",method=\"publickey\",outcome=\"accepted\"}";
    let timed = "groeikluis_login_duration_seconds_count{method=\"publickey\"}";
    assert!(value(&text, accepted).unwrap() >= 3.0 && value(&text, timed) >= value(&text, accepted), "{text}");
    assert!(value(&text, "process_resident_memory_bytes").unwrap() > 1e6);
    assert!(value(&text, "groeikluis_log_size_bytes").unwrap() > 1e3);
    // Nobody and nothing of anybody: no addresses, user names that were tried, files, keys or numbers.
    for secret in ["127.0.0.1", "nobody", "lijst", "SHA256", "ict-", SOMEBODY, ".csv"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    session.close();
    daemon.terminate();
}

#[test]
fn reloads_are_counted_and_a_fault_is_told() {
    let daemon = plan().start();
    let address = metrics_address(&daemon);
    let reloads = |outcome: &str| {
        let text = http::get(address, "/metrics").well();
        value(&text, &format!("groeikluis_config_reloads_total{{outcome=\"{outcome}\"}}")).unwrap()
    };
    let well = || value(&http::get(address, "/metrics").well(), "groeikluis_config_last_reload_successful").unwrap();
    assert!((reloads("changed"), well()) == (0.0, 1.0));
    let before = fs::read(daemon.path("tenants/bree.yaml")).unwrap();
    fs::write(daemon.path("tenants/bree.yaml"), "id: bree\n").unwrap();
    wait_until("a refused reload", || (reloads("failed"), well()) == (1.0, 0.0));
    // The fault is taken back: what is there is what is in force.
    fs::write(daemon.path("tenants/bree.yaml"), before).unwrap();
    wait_until("what was there before", || (reloads("unchanged"), well()) == (1.0, 1.0));
    fs::write(daemon.path("tenants/bree.yaml"), "id: bree\n").unwrap();
    wait_until("a refused reload", || (reloads("failed"), well()) == (2.0, 0.0));
    daemon.write_tenant(&Tenant::municipality("bree", "72004"));
    wait_until("a reload", || (reloads("changed"), well()) == (1.0, 1.0));
}

#[test]
fn a_daemon_says_what_it_lacks_until_it_is_ready_and_when_it_stops() {
    let laid_out = plan().lay_out();
    fs::remove_file(laid_out.root.path().join("register/register.csv.age")).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    let address = metrics_address(&daemon);
    assert_eq!(http::get(address, "/healthz").well(), "ok\n");
    let told = http::get(address, "/readyz");
    assert_eq!((told.status, told.body.as_str()), (503, "no register is loaded\n"));
    daemon.write_register(daemon.extract().text());
    daemon.wait_for_register();
    wait_until("readiness", || http::get(address, "/readyz").status == 200);
    // An upload that is open keeps it from ending at once.
    let mut raw = daemon.raw("bree");
    block_on(raw.open("/inbox/half.csv", CREATE | WRITE));
    daemon.process().signal(Signal::TERM);
    let told = wait_for("that it stops", || Some(http::get(address, "/readyz")).filter(|told| told.status != 200));
    assert_eq!((told.status, told.body.as_str()), (503, "the daemon is stopping\n"));
    assert_eq!(http::get(address, "/healthz").well(), "ok\n");
    drop(raw);
    daemon.terminate();
}

/// The files for those who watch, as they are delivered.
fn delivered_file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)).unwrap()
}
