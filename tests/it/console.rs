//! The console: pages over HTTP, as browsers and screen readers get them, and as Chromium draws them.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use groeikluis::domain::Kind;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    clients::program::Program,
    support::{
        Plan, Protocol, Tenant, TestDaemon,
        http::{Answer, ask, ask_over, get},
        run, wait_for,
    },
};

/// Every page, by its path.
const PAGES: [&str; 7] = ["/", "/tenants", "/tenants/bree", "/traffic", "/refusals", "/log", "/search?q=bree"];

/// Widths at which pages are drawn: a desk and a phone.
const WIDTHS: [(&str, u32); 2] = [("wide", 1280), ("narrow", 400)];

/// Chromium without a window, which tells what pages complain of.
const HEADLESS: [&str; 5] =
    ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"];

/// The console of one test.
struct Console {
    child: Child,
    place: String,
}

impl Console {
    fn start(daemon: &TestDaemon, arguments: &[&str]) -> Self {
        let mut child = command(daemon, arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let place = lines.find_map(|line| line.strip_prefix("groeikluis: console on ").map(str::to_owned));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, place: place.expect("the console did not start") }
    }

    fn address(&self) -> SocketAddr {
        self.place.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
    }

    fn page(&self, path: &str) -> String {
        get(self.address(), path).well()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let ended = wait_for("the console's end", || self.child.try_wait().unwrap());
        if !std::thread::panicking() {
            assert!(ended.success(), "{ended}");
        }
    }
}

fn command(daemon: &TestDaemon, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_groeikluis"));
    command.arg("console").arg("--config").arg(daemon.config()).args(arguments);
    command
}

fn on_loopback(daemon: &TestDaemon) -> Console {
    Console::start(daemon, &["--listen", "127.0.0.1:0"])
}

/// A daemon that was used: an answer fetched, one left, a refusal, a protocol that ends soon, a login refused.
fn used() -> TestDaemon {
    let today = groeikluis::durable::Clock::system().today();
    let (past, soon) = (today.saturating_sub(jiff::ToSpan::months(2)), today.saturating_add(jiff::ToSpan::days(9)));
    let bree = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017"));
    let lokeren = Tenant::municipality("lokeren", "46029").protocol(Protocol::new("OPG-2026-018").valid(past, soon));
    let daemon = Plan::new().tenant(bree).tenant(lokeren).tenant(Tenant::auditor("rekenhof")).children(20_000).start();
    for tenant in ["bree", "lokeren"] {
        let children = daemon.extract().children_of(if tenant == "bree" { "72004" } else { "46029" });
        daemon.put(tenant, "lijst.csv", format!("niss\n{}\n", children.join("\n")).as_bytes());
        daemon.answer(tenant, "lijst.csv");
    }
    daemon.put("bree", "kapot.csv", b"naam\nJan\n");
    daemon.wait_for_file("bree", "/outbox", "kapot.csv", Kind::Weigering);
    assert!(daemon.try_session("bree", "lokeren").is_err());
    daemon.wait_for_events("auth.refused", 1);
    daemon
}

#[test]
fn pages_tell_what_there_is_and_nothing_about_citizens() {
    let daemon = used();
    let console = on_loopback(&daemon);
    let overview = console.page("/");
    assert!(overview.contains("protocol OPG-2026-018 eindigt op"), "{overview}");
    assert!(!overview.contains("draait niet"), "{overview}");
    let tenants = console.page("/tenants");
    assert!(
        tenants.contains("<a href=\"/tenants/bree\">bree</a>") && tenants.contains("Bestuur rekenhof"),
        "{tenants}"
    );
    let bree = console.page("/tenants/bree");
    for expected in [
        "OPG-2026-017",
        "sociale-toeslag_72004_",
        "weigering_72004_",
        "geen kolom met rijksregisternummers",
        "niet opgehaald",
        "opgehaald <time",
        "onbekende sleutel",
        "SHA256:",
        "<svg class=\"chart\"",
    ] {
        assert!(bree.contains(expected), "{expected} is not in\n{bree}");
    }
    let refusals = console.page("/refusals");
    assert!(refusals.contains("list-no-niss-column") && refusals.contains("unknown-key"), "{refusals}");
    let traffic = console.page("/traffic");
    assert!(traffic.contains("2 aanvaard, 1 geweigerd"), "{traffic}");
    let log = console.page("/log");
    assert!(log.contains("groeikluis.test/2026") && log.contains("config.changed"), "{log}");

    // Neither citizens nor what identifies an official.
    let children = daemon.extract().children_of("72004");
    for path in PAGES {
        let page = console.page(path);
        assert!(!children.iter().any(|niss| page.contains(*niss)), "{path} has a number of a child");
        for secret in ["127.0.0.1", "lijst.csv", "ict@bree.example", "ICT, bree"] {
            assert!(!page.contains(secret), "{path} has {secret}");
        }
    }
}

#[test]
fn files_protocols_and_keys_are_found() {
    let daemon = used();
    let console = on_loopback(&daemon);
    let public = fs::read_to_string(daemon.path("keys/bree_ed25519.pub")).unwrap();
    let key = groeikluis::domain::SshPublicKey::parse(public.trim()).unwrap();
    let fingerprint = groeikluis::domain::ssh_key::fingerprint(key.blob());
    let encoded = fingerprint.replace('+', "%2B").replace('/', "%2F");
    for (asked, found) in [
        ("WEIGERING_72004", "weigering_72004_"),
        ("opg-2026-018", "sociale-toeslag_46029_OPG-2026-018"),
        (&encoded, "ict-bree"),
        ("lokeren", "Bestuur lokeren"),
    ] {
        let page = console.page(&format!("/search?q={asked}"));
        assert!(page.contains(found), "{asked}: {found} is not in\n{page}");
    }
    assert!(console.page("/search?q=%25").contains("ten minste twee tekens"));
    assert!(console.page("/search?q=%25%25").contains("0 gevonden"));
    // What is asked is shown, and is no markup.
    let page = console.page("/search?q=%3Cscript%3Ealert(1)%3C/script%3E%22%20x=%22");
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
}

#[test]
fn a_register_that_is_missing_and_a_file_that_waits_are_among_what_needs_a_hand() {
    let laid_out = Plan::new().tenant(Tenant::municipality("bree", "72004")).lay_out();
    fs::remove_file(laid_out.root.path().join("register/register.csv.age")).unwrap();
    let mut daemon = TestDaemon::over(laid_out);
    daemon.start();
    let console = on_loopback(&daemon);
    // There is none to be read, which the log tells soon after the start.
    let page = wait_for("the refusal", || {
        Some(console.page("/")).filter(|page| page.contains("Er is geen register in gebruik"))
    });
    let status = daemon.groeikluis(&["status"]).well().stdout;
    assert!(status.contains("! no register is in use, lists wait: the register was refused at"), "{status}");
    assert!(!page.contains("In de spool, maar nooit geleverd"), "{page}");
    fs::write(daemon.path("spool/los.csv"), "niss\n").unwrap();
    let page = console.page("/");
    assert!(page.contains("In de spool, maar nooit geleverd: 1"), "{page}");
}

#[test]
fn figures_count_all_lists_and_no_trials() {
    const LISTS: usize = 105;
    let daemon = Plan::new().tenant(Tenant::municipality("bree", "72004")).start();
    let session = daemon.session("bree");
    for number in 0..LISTS {
        session.upload(&format!("/inbox/lijst-{number}.csv"), b"naam\nJan\n").unwrap();
    }
    let trial = format!("naam\n{}", "Jan\n".repeat(50_000));
    session.upload("/test/inbox/proef.csv", trial.as_bytes()).unwrap();
    session.close();
    let console = on_loopback(&daemon);
    let refused = format!("0 aanvaard, {LISTS} geweigerd");
    let bree = wait_for("all refusals", || Some(console.page("/tenants/bree")).filter(|page| page.contains(&refused)));
    assert!(bree.contains("De laatste 100 van 106 lijsten"), "{bree}");
    let traffic = console.page("/traffic");
    assert!(traffic.contains(&refused), "{traffic}");
    // Each list counts as a kilobyte that was begun; the trial would add 200.
    assert!(traffic.contains(&format!(": {LISTS} kB")), "{traffic}");
}

#[test]
fn the_log_is_verified_on_demand_and_damage_is_told() {
    let mut daemon = used();
    daemon.terminate();
    let vkey = daemon.path("keys/log.vkey");
    let console = Console::start(&daemon, &["--listen", "127.0.0.1:0", "--key", vkey.to_str().unwrap()]);
    assert!(console.page("/log").contains("Nog niet nagerekend"));
    let verify = || {
        let answer = ask(console.address(), "POST", "/log/verify", &[]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/log")), "{answer:?}");
        wait_for("the outcome", || Some(console.page("/log")).filter(|page| !page.contains("wordt nagerekend")))
    };
    let sound = verify();
    assert!(
        sound.contains("Het logboek klopt</strong>") && sound.contains("die aan deze console is gegeven"),
        "{sound}"
    );
    assert!(console.page("/").contains("De uitwisseling draait niet"));

    let bundle = newest_bundle(&daemon.path("state/log/tile/entries/000.p"));
    let (good, mut bytes) = (fs::read(&bundle).unwrap(), fs::read(&bundle).unwrap());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert!(verify().contains("Het logboek klopt niet"));
    assert!(console.page("/").contains("Het logboek klopt niet"));
    fs::write(&bundle, good).unwrap();
}

fn newest_bundle(directory: &Path) -> PathBuf {
    let widths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    widths.max_by_key(|path| path.file_name().unwrap().to_str().unwrap().parse::<u32>().unwrap()).unwrap()
}

#[test]
fn nobody_from_elsewhere_gets_a_page() {
    let daemon = Plan::new().tenant(Tenant::auditor("rekenhof")).start();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let ran = run(&mut command(&daemon, &["--listen", address]), b"");
        assert_eq!(ran.code, Some(64), "{address}: {}", ran.stderr);
        assert!(ran.stderr.contains("is not a loopback address"), "{}", ran.stderr);
    }
    let console = on_loopback(&daemon);
    let address = console.address();
    let answer = |method, path, headers: &[(&str, &str)]| ask(address, method, path, headers);
    // A name of elsewhere that points here.
    assert_eq!(answer("GET", "/", &[("Host", "console.example:80")]).status, 421);
    // A form of elsewhere.
    for headers in [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://example.com")] {
        assert_eq!(answer("POST", "/log/verify", &[headers]).status, 403, "{headers:?}");
    }
    assert_eq!(answer("POST", "/", &[]).status, 405);
    for path in ["/x", "/tenants/nobody", "/tenants/..%2f..", "/tenants/", "//example.com/"] {
        let missing = answer("GET", path, &[]);
        assert_eq!(missing.status, 404, "{path}");
        assert!(!missing.body.contains("href=\"//"), "{path}: {}", missing.body);
    }
    let page = answer("GET", "/", &[]);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    let expected = [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cache-control", "no-store")];
    for (name, value) in expected {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
}

#[test]
fn a_socket_is_for_its_owner_and_group() {
    let daemon = Plan::new().tenant(Tenant::auditor("rekenhof")).start();
    let path = daemon.path("console.sock");
    let text = path.to_str().unwrap();
    let ask_there = || {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        // A proxy in front has a name of its own.
        ask_over(&mut stream, "console.example", "GET", "/tenants", &[])
    };
    let console = Console::start(&daemon, &["--socket", text]);
    assert!(ask_there().well().contains("rekenhof"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let second = run(&mut command(&daemon, &["--socket", text]), b"");
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    drop(console);
    // What the last one left is no hindrance; what is no socket is not touched.
    drop(Console::start(&daemon, &["--socket", text]));
    let other = run(&mut command(&daemon, &["--socket", daemon.config().to_str().unwrap()]), b"");
    assert_eq!(other.code, Some(64), "{}", other.stderr);
    assert!(daemon.config().is_file());
}

#[test]
fn pages_come_in_the_language_of_the_reader() {
    let daemon = Plan::new().tenant(Tenant::auditor("rekenhof")).start();
    let console = on_loopback(&daemon);
    let with = |path, headers: &[(&str, &str)]| ask(console.address(), "GET", path, headers);
    let is_english = |answer: &Answer| answer.body.contains("<html lang=\"en\">") && answer.body.contains(">Tenants</");
    assert!(is_english(&with("/tenants", &[("Accept-Language", "en-GB,en;q=0.9,nl;q=0.8")])));
    let dutch = with("/tenants", &[("Accept-Language", "nl-BE")]);
    assert!(dutch.body.contains("<html lang=\"nl\">") && dutch.body.contains("href=\"/tenants?lang=en\""), "{dutch:?}");
    let chosen = with("/tenants?lang=en", &[("Accept-Language", "nl")]);
    let cookie = chosen.header("set-cookie").unwrap();
    assert!(is_english(&chosen) && cookie.starts_with("lang=en;") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(is_english(&with("/tenants", &[("Cookie", "x=y; lang=en"), ("Accept-Language", "nl")])));
    for path in PAGES {
        let page = with(path, &[("Accept-Language", "en")]).body;
        for dutch in ["Besturen", "Verkeer", "Weigeringen", "Logboek", "Zoek", "opgehaald", "geweigerd", "Alleen"] {
            assert!(!page.contains(dutch), "{path} in English has {dutch}");
        }
    }
}

/// The parts of every page that people without a mouse or a screen go by.
#[test]
fn pages_have_landmarks_headings_and_labels() {
    let daemon = used();
    let console = on_loopback(&daemon);
    for path in PAGES {
        let page = console.page(path);
        let count = |part: &str| page.matches(part).count();
        assert_eq!(
            [count("<h1>"), count("<main "), count("<nav "), count(" · groeikluis</title>"), count("<header>")],
            [1; 5],
            "{path}"
        );
        assert!(page.contains("<a class=\"skip\" href=\"#main\">"), "{path}");
        assert_eq!(count("<table>"), count("<caption>"), "{path}: a table without a caption");
        assert_eq!(count("<table>"), count("<thead>"), "{path}");
        assert_eq!(
            count("<th"),
            count("<th scope=") + count("<th class=\"number\" scope=") + count("<thead>"),
            "{path}"
        );
        assert_eq!(count("<input "), count("<label "), "{path}: a field without a label");
        assert_eq!(count("<svg class=\"chart\""), count("<desc "), "{path}: a chart that is not told");
        // Ids stand once, or links and labels lead astray.
        let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{path}: {ids:?}");
        for outside in ["http://", "https://", "<script", " style=", " onclick="] {
            assert!(!page.contains(outside), "{path} has {outside}");
        }
    }
}

#[test]
fn chromium_draws_every_page_without_a_complaint() {
    let Some(chromium) = Program::find("Chromium", "chromium") else { return };
    let daemon = used();
    let console = on_loopback(&daemon);
    let answer = ask(console.address(), "POST", "/log/verify", &[]);
    assert_eq!(answer.status, 303);
    wait_for("the outcome", || Some(console.page("/log")).filter(|page| page.contains("Het logboek klopt")));
    let pictures = std::env::var_os("GROEIKLUIS_PICTURES").map_or_else(|| daemon.path("pictures"), PathBuf::from);
    fs::create_dir_all(&pictures).unwrap();
    // It tells of complaints at all: this page is made to have one.
    let complains = chromium
        .run_in(&daemon.path("received"))
        .args(HEADLESS)
        .args(["--screenshot=complains.png", "data:text/html,<script>console.error('so it is')</script>"])
        .run();
    assert!(complains.stderr.contains("CONSOLE") && complains.stderr.contains("so it is"), "{}", complains.stderr);
    for (name, width) in WIDTHS {
        for (at, path) in PAGES.iter().enumerate().filter(|(at, _)| name == "wide" || at % 2 == 0) {
            let language = if at % 2 == 0 { "nl" } else { "en" };
            let picture = pictures.join(format!("console-{at}-{name}.png"));
            let joined = if path.contains('?') { '&' } else { '?' };
            let ran = chromium
                .run_in(&daemon.path("received"))
                .args(HEADLESS)
                .args([format!("--window-size={width},1600"), format!("--screenshot={}", picture.display())])
                .args([format!("http://{}{path}{joined}lang={language}", console.address())])
                .run();
            assert_eq!(ran.code, Some(0), "{path}: {}", ran.stderr);
            let complaints: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("CONSOLE")).collect();
            assert!(complaints.is_empty(), "{path}: {complaints:?}");
            let png = fs::read(&picture).unwrap();
            assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{path}: {} bytes", png.len());
        }
    }
}
