//! All of Flanders at once: hundreds of tenants that upload a list and fetch its answer, and thousands of connections
//! that do nothing while somebody works.
//!
//! Tens and hundreds, unless `GROEIKLUIS_LONG` is set and `GROEIKLUIS_PROGRAM` names the program as it is delivered: then
//! 300 tenants and 3,000 connections. Without optimisation time and memory of so many say nothing, and are only told.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use groeikluis::{
    durable::allow_many_files,
    sftp::client::{Client, ClientError},
};
use tokio::task::JoinSet;

use crate::support::{Access, Memory, Plan, Protocol, Tenant, TestDaemon, block_on, delivered, niss, wait_for};

const MIB: u64 = 1 << 20;

/// From connecting to holding the answer, for each tenant.
const LONGEST: Duration = Duration::from_secs(10);

/// Between two looks at an outbox.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sessions that each tenant holds and does nothing with; below the usual `sessions_per_tenant`.
const IDLE_EACH: usize = 10;

/// How the names of answers begin, and what the name of a manifest has for `.age`.
const ANSWER: &str = "sociale-toeslag_";
const MANIFEST: &str = ".manifest.json";

const MUNICIPALITIES: &str = include_str!("../../config/municipalities.csv");

/// A tenant with its list, and the answer that it must get.
struct Member {
    id: String,
    list: String,
    answer: String,
}

fn is_long() -> bool {
    std::env::var_os("GROEIKLUIS_LONG").is_some() && delivered().is_some()
}

/// A daemon with this many tenants: the municipalities, then social services of the first of them.
fn start(count: usize) -> (TestDaemon, Vec<Member>) {
    let codes: Vec<&str> = MUNICIPALITIES.lines().skip(1).map(|line| line.split(';').next().unwrap()).collect();
    let municipalities = codes.iter().map(|code| (format!("gemeente-{code}"), *code));
    let services = codes.iter().map(|code| (format!("ocmw-{code}"), *code));
    let who: Vec<(String, &str)> = municipalities.chain(services).take(count).collect();
    let mut plan = Plan::new()
        .children(20_000)
        .line("limits: {connections: 5000, connections_per_source: 5000, login_grace_seconds: 120}");
    for (id, code) in &who {
        let tenant = if id.starts_with("ocmw") { Tenant::ocmw(id, code) } else { Tenant::municipality(id, code) };
        plan = plan.tenant(tenant.protocol(Protocol::new("OPG-2026-017").every_child()));
    }
    let daemon = plan.start();
    let members = members(&daemon, who);
    (daemon, members)
}

/// Each lists the children of its municipality, and some numbers that may be nobody's.
fn members(daemon: &TestDaemon, who: Vec<(String, &str)>) -> Vec<Member> {
    let mut homes = HashMap::new();
    let mut allowances: HashMap<&str, Vec<String>> = HashMap::new();
    for row in daemon.extract().rows() {
        homes.insert(row.child.as_str(), row.nis_code.as_str());
        let mut shares = row.sources.split('|').filter_map(|source| source.split_once('='));
        if let Some((_, share)) = shares.find(|(source, _)| *source == "sociale_toeslag") {
            let line = format!("{};ja;{};{};{share}", row.child, row.beneficiary, row.beneficiary_name);
            allowances.entry(&row.child).or_default().push(line);
        }
    }
    let of_member = |(at, (id, code)): (usize, (String, &str))| {
        let strange = (1..4).map(|day| niss(&format!("15{:02}{day:02}{:03}", 1 + at % 12, 1 + at)));
        let children = daemon.extract().children_of(code).into_iter().filter(|child| is_young(child));
        let numbers: Vec<String> = children.map(str::to_owned).chain(strange).collect();
        let asked = numbers.iter().filter(|number| homes.get(number.as_str()).is_none_or(|home| *home == code));
        let answer = asked.map(|number| match allowances.get(number.as_str()) {
            Some(lines) => sorted(lines.iter().map(String::as_str)).join("\n"),
            None => format!("{number};nee;;;"),
        });
        let answer = answer.collect::<Vec<_>>().join("\n");
        Member { id, list: format!("niss\n{}\n", numbers.join("\n")), answer }
    };
    who.into_iter().enumerate().map(of_member).collect()
}

/// Born from 2010 to 2025 on a day that is known: of an age to be asked about, for years to come.
fn is_young(child: &str) -> bool {
    ("10".."26").contains(&&child[..2]) && ("01".."13").contains(&&child[2..4])
}

fn sorted<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut lines: Vec<&str> = lines.collect();
    lines.sort_unstable();
    lines
}

/// Fails the test unless this, which came for a tenant, opens to the answer that it must get.
#[track_caller]
fn assert_answers(daemon: &TestDaemon, member: &Member, sealed: &[u8]) {
    let text = daemon.open(&member.id, sealed).replace("\r\n", "\n");
    let rows = text.trim_start_matches('\u{feff}').lines().skip(1);
    // The register's own order of a child's beneficiaries is no promise.
    assert_eq!(sorted(rows), sorted(member.answer.lines()), "{}", member.id);
}

async fn connect(access: &Access, id: &str) -> Result<Client, ClientError> {
    let key = fs::read_to_string(access.keys.join(format!("{id}_ed25519"))).unwrap();
    Client::connect(access.address, id, &key, access.host_key.clone()).await
}

/// The name of the answer among those of an outbox, once its manifest, which comes last, is there too.
fn answer_in<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let stem = names.find_map(|name| name.strip_suffix(MANIFEST).filter(|stem| stem.starts_with(ANSWER)))?;
    Some(format!("{stem}.age"))
}

/// What a tenant does with a list, from connecting to leaving.
async fn exchange(access: &Access, id: &str, list: &str) -> Result<Vec<u8>, ClientError> {
    let client = connect(access, id).await?;
    client.upload("/inbox/lijst.csv", list.as_bytes()).await?;
    let sealed = loop {
        let files = client.list("/outbox").await?;
        if let Some(name) = answer_in(files.iter().map(|file| file.name.as_str())) {
            break client.download(&format!("/outbox/{name}")).await?;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    client.close().await?;
    Ok(sealed)
}

#[test]
fn tenants_who_come_all_at_once_are_all_answered_in_time() {
    let count = if is_long() { 300 } else { 30 };
    let (mut daemon, members) = start(count);
    let memory = Memory::of(daemon.process().id());
    let access = daemon.access();
    let mut exchanges = JoinSet::new();
    let done = block_on(async {
        for (at, member) in members.iter().enumerate() {
            let (access, id, list) = (access.clone(), member.id.clone(), member.list.clone());
            exchanges.spawn(async move {
                let began = Instant::now();
                (at, exchange(&access, &id, &list).await, began.elapsed())
            });
        }
        exchanges.join_all().await
    });
    assert_eq!(done.len(), count);
    let slowest = done.iter().map(|(_, _, took)| *took).max().unwrap();
    let (before, peak) = (memory.before(), memory.peak());
    println!("{count} tenants at once: the slowest took {slowest:?}; {before} bytes of memory before, {peak} at most");
    for (at, sealed, took) in done {
        let member = &members[at];
        assert_answers(&daemon, member, &sealed.unwrap());
        assert!(!is_long() || took < LONGEST, "{} took {took:?}", member.id);
    }
    assert!(!is_long() || peak - before < 64 * MIB, "{} bytes for {count} tenants", peak - before);
}

#[test]
fn connections_that_do_nothing_keep_nobody_from_working() {
    let tenants = if is_long() { 300 } else { 30 };
    allow_many_files().unwrap();
    let (mut daemon, mut members) = start(tenants + 2);
    let workers = members.split_off(tenants);
    works(&daemon, &workers[0], "alone");
    let memory = Memory::of(daemon.process().id());
    let access = daemon.access();
    let began = Instant::now();
    let idle: Vec<Client> = block_on(async {
        let mut connecting = JoinSet::new();
        for member in &members {
            let (access, id) = (access.clone(), member.id.clone());
            connecting.spawn(async move {
                let mut held = Vec::new();
                for _ in 0..IDLE_EACH {
                    held.push(connect(&access, &id).await.unwrap());
                }
                held
            });
        }
        connecting.join_all().await.into_iter().flatten().collect()
    });
    let count = tenants * IDLE_EACH;
    assert_eq!(idle.len(), count);
    let each = memory.grown() / idle.len() as u64;
    println!("{count} logins took {:?}; each connection takes {each} bytes", began.elapsed());
    assert!(!is_long() || each < 80 * 1024, "an idle connection takes {each} bytes");
    works(&daemon, &workers[1], "beside the idle");
    // None was ended meanwhile.
    block_on(async {
        for client in idle {
            assert!(!client.list("/").await.unwrap().is_empty());
            client.close().await.unwrap();
        }
    });
}

/// A tenant with OpenSSH's `sftp` gets an answer, and where it is measured in time.
#[track_caller]
fn works(daemon: &TestDaemon, member: &Member, when: &str) {
    let id = &member.id;
    let desk = daemon.path(id);
    fs::create_dir(&desk).unwrap();
    let list = desk.join("lijst.csv");
    fs::write(&list, &member.list).unwrap();
    let began = Instant::now();
    daemon.sftp(id, &format!("put {} /inbox/\n", list.display())).well();
    let name = wait_for("the answer", || answer_in(daemon.sftp(id, "cd /outbox\nls -1\n").well().stdout.lines()));
    daemon.sftp(id, &format!("get /outbox/{name} {}\n", desk.join(&name).display())).well();
    let took = began.elapsed();
    assert_answers(daemon, member, &fs::read(desk.join(&name)).unwrap());
    println!("sftp {when}: {took:?}");
    assert!(!is_long() || took < LONGEST, "{when}: {took:?}");
}
