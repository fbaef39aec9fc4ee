//! A real Prometheus reads the daemon, with the alerts and the queries of the dashboard as they are delivered.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{delivered_file, keep_busy, metrics_address, plan};
use crate::{
    clients::program::Program,
    support::{TestDaemon, http, run, wait_for, wait_until},
};

const RULES: &str = "groeikluis.rules.yml";
const DASHBOARD: &str = "groeikluis.dashboard.json";

/// What a variable of the dashboard stands for here.
const VARIABLES: [(&str, &str); 3] = [("$instance", ".*"), ("$tenant", ".*"), ("$__rate_interval", "1m")];

/// A Prometheus of one test.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    /// Begins to read from that address each second. Alerts fire as soon as they are true: nobody can wait here for
    /// the minutes that an operator is spared of what passes by itself.
    fn start(program: &Path, root: &Path, target: SocketAddr) -> Self {
        let rules = delivered_file(RULES);
        let at_once: Vec<&str> = rules.lines().filter(|line| !line.trim_start().starts_with("for:")).collect();
        assert!(at_once.len() < rules.lines().count(), "{RULES} has no `for:`");
        fs::write(root.join("rules.yml"), at_once.join("\n")).unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n\
             \x20 - job_name: groeikluis\n\
             \x20   static_configs: [{{targets: [\"{target}\"]}}]\n"
        );
        fs::write(root.join("prometheus.yml"), config).unwrap();
        let mut child = Command::new(program)
            .arg(format!("--config.file={}", root.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", root.join("prometheus").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().map(Result::unwrap).find_map(|line| {
            let (_, address) = line.split_once("\"Listening on\" address=")?;
            address.parse().ok()
        });
        // Its pipe must not fill.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.expect("Prometheus does not listen");
        wait_until("Prometheus", || http::get(address, "/-/ready").status == 200);
        Self { child, address }
    }

    /// What a query finds.
    #[track_caller]
    fn query(&self, query: &str) -> Vec<Value> {
        let encoded = format!("%{}", query.bytes().map(|byte| hex::encode([byte])).collect::<Vec<_>>().join("%"));
        let answer = http::get(self.address, &format!("/api/v1/query?query={encoded}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let told: Value = serde_json::from_str(&answer.body).unwrap();
        told["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// Alerts that fire now.
    fn firing(&self) -> BTreeSet<String> {
        let found = self.query("ALERTS{alertstate=\"firing\"}");
        found.iter().map(|alert| alert["metric"]["alertname"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_prometheus_reads_each_metric_that_alerts_and_dashboard_name_and_an_alert_fires() {
    let laid_out = plan().lay_out();
    let root = laid_out.root.path().to_owned();
    let (Some(prometheus), Some(promtool)) = (find("prometheus"), find("promtool")) else { return };
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(RULES);
    promtool.run_in(&root).args(["check", "rules"]).args([&rules]).run().well();

    fs::remove_file(root.join("register/register.csv.age")).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    let prometheus = Prometheus::start(prometheus.path(), &root, metrics_address(&daemon));
    let lacking: BTreeSet<String> = ["GroeikluisNoRegister", "GroeikluisNotReady"].map(str::to_owned).into();
    wait_until("alerts for want of a register", || prometheus.firing().is_superset(&lacking));
    let firing = prometheus.firing();
    assert!(!firing.contains("GroeikluisDown") && !firing.contains("GroeikluisLedgerSilent"), "{firing:?}");

    daemon.write_register(daemon.extract().text());
    daemon.wait_for_register();
    wait_until("the end of these alerts", || prometheus.firing().is_disjoint(&lacking));
    let _session = daemon.session("bree");
    keep_busy(&daemon);
    for name in metrics_named() {
        wait_for(&format!("{name} in Prometheus"), || prometheus.query(&name).into_iter().next());
    }
    for query in queries() {
        prometheus.query(&query);
    }
    wait_until("quiet", || prometheus.firing().is_empty());

    daemon.kill9();
    wait_until("an alert for a daemon that is gone", || prometheus.firing().contains("GroeikluisDown"));
    daemon.start();
}

#[test]
fn alerts_and_dashboard_name_no_metric_that_does_not_exist_and_hide_none() {
    let daemon = plan().start();
    let _session = daemon.session("bree");
    keep_busy(&daemon);
    let open = http::ask(metrics_address(&daemon), "GET", "/metrics", &[("Accept", "application/openmetrics-text")]);
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(open.well().ends_with("# EOF\n"));
    let told = http::get(metrics_address(&daemon), "/metrics");
    assert_eq!(told.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = told.well();
    // What reads the older format, and is strict.
    if let Some(promtool) = find("promtool") {
        run(Command::new(promtool.path()).args(["check", "metrics"]), text.as_bytes()).well();
    }
    let exposed: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .filter(|name| !name.ends_with("_sum") && !name.ends_with("_count"))
        .collect();
    let named = metrics_named();
    let named: BTreeSet<&str> = named.iter().map(String::as_str).collect();
    let misspelt: Vec<_> = named.difference(&exposed).collect();
    assert!(misspelt.is_empty(), "not exposed: {misspelt:?}");
    // What nobody looks at need not be counted.
    let unused: Vec<_> = exposed.difference(&named).filter(|name| **name != "groeikluis_tenants").collect();
    assert!(unused.is_empty(), "in no alert and on no panel: {unused:?}");
}

fn find(name: &str) -> Option<Program> {
    Program::find("Prometheus", name)
}

/// The expressions of the rules and of the dashboard.
fn queries() -> Vec<String> {
    let rules: Value = serde_yaml::from_str(&delivered_file(RULES)).unwrap();
    let of_rules = rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let mut found: Vec<String> = of_rules.map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect();
    let dashboard: Value = serde_json::from_str(&delivered_file(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let expressions = targets.chain(annotations).map(|target| target["expr"].as_str().unwrap());
    found.extend(expressions.map(|expression| {
        VARIABLES.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
    }));
    assert!(found.len() > 40, "only {} queries", found.len());
    found
}

/// The metrics that these name.
fn metrics_named() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for query in queries() {
        let words = query.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        found.extend(
            words.filter(|word| word.starts_with("groeikluis_") || word.starts_with("process_")).map(str::to_owned),
        );
    }
    assert!(found.len() > 30, "{found:?}");
    found
}
