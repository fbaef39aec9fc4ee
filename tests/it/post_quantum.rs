//! Post-quantum hybrid keys on both sides, with an age that nobody here wrote: a list that it seals is answered, and it
//! opens the answer.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use groeikluis::seal::Keyring;

use crate::{
    clients::program::{Program, skip},
    support::{Plan, Protocol, Ran, Tenant, TestDaemon, run},
};

const AGE: &str = "age for post-quantum keys (age-encryption of npm)";

/// The library with Node, both where they are.
struct Age {
    node: Program,
    library: PathBuf,
}

impl Age {
    fn find() -> Option<Self> {
        let library = Program::installed(AGE, "node/node_modules/age-encryption/dist/index.js")?.path().to_owned();
        let node = Program::find(AGE, "node")?;
        let is_new = "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)";
        if node.run_in(Path::new("/")).args(["-e", is_new]).run().code != Some(0) {
            skip(AGE, "it needs Node 20");
            return None;
        }
        Some(Self { node, library })
    }

    fn run(&self, verb: &str, names: &[&Path]) -> Ran {
        let mut command = Command::new(self.node.path());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/age_client.mjs")).arg(&self.library).arg(verb);
        run(command.args(names), b"").well()
    }
}

#[test]
fn a_foreign_age_seals_lists_and_opens_answers_with_post_quantum_keys() {
    let Some(age) = Age::find() else { return };
    let tenant = Tenant::municipality("bree", "72004").protocol(Protocol::new("OPG-2026-017").every_child());
    let laid_out = Plan::new().children(20_000).tenant(tenant.clone()).lay_out();
    let key = |name: &str| laid_out.root.path().join("keys").join(name);
    let ours = Keyring::generate_post_quantum();
    fs::write(key("exchange.agekey"), &*ours.to_file()).unwrap();
    fs::write(key("exchange.pub"), ours.recipients()[0].to_string()).unwrap();
    age.run("keys", &[&key("bree.agekey"), &key("bree.pub")]);
    let theirs = fs::read_to_string(key("bree.pub")).unwrap();
    assert!(theirs.starts_with("age1pq1"), "{theirs}");
    let mut daemon = TestDaemon::over(laid_out);
    daemon.write_tenant(&tenant);
    daemon.start();
    daemon.wait_for_register();

    let children = daemon.extract().children_of("72004").join("\n");
    let at = |name: &str| daemon.path(name);
    fs::write(at("lijst.csv"), format!("niss\n{children}\n")).unwrap();
    age.run("seal", &[&at("keys/exchange.pub"), &at("lijst.csv"), &at("lijst.csv.age")]);
    daemon.put("bree", "lijst.csv.age", &fs::read(at("lijst.csv.age")).unwrap());
    let answer = daemon.answer("bree", "lijst.csv.age");
    let session = daemon.session("bree");
    let sealed = session.download(&format!("/outbox/{}", answer.manifest.file)).unwrap();
    session.close();
    fs::write(at("antwoord.csv.age"), sealed).unwrap();
    let opened = age.run("open", &[&at("keys/bree.agekey"), &at("antwoord.csv.age")]).stdout;
    assert_eq!(opened, answer.text);
    assert!(children.lines().all(|child| opened.contains(child)) && !children.is_empty(), "{opened}");
}
