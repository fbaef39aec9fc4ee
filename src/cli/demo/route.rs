//! The route of a list, step by step, over SFTP, as a municipality goes it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    super::output::say,
    layout::{BREE, LOKEREN, Layout, Party},
};
use crate::{
    documents::Manifest,
    domain::Kind,
    seal::{Recipient, StorageSealer},
    sftp::client::Client,
};

/// How long an answer may take before the demo gives up; it takes some tens of milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How often the outbox is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Rows of an answer that are shown.
pub(super) const SHOWN_ROWS: usize = 4;

/// A party with its session.
pub(super) struct Visitor<'a> {
    layout: &'a Layout,
    party: &'static Party,
    pub(super) client: Client,
}

pub(super) async fn perform(layout: &Layout, address: SocketAddr) -> anyhow::Result<()> {
    let children = layout.children_of(&BREE)?;
    ensure!(!children.is_empty(), "the register has no children of {}; give more --children", BREE.party.name);
    let mut list = "rijksregisternummer\n".to_owned();
    for niss in &children {
        list.extend(niss.digits().map(char::from));
        list.push('\n');
    }
    let bree = Visitor::log_in(layout, &BREE.party, address).await?;

    say(&format!("\n1. {} sends the list of its {} children.", BREE.party.name, children.len()));
    let answer = bree.send("kinderen.csv", list.as_bytes(), Kind::SocialeToeslag).await?;
    show_answer(&answer);

    say(&format!("\n2. {} sends a list at fault.", BREE.party.name));
    let faulty = "rijksregisternummer\n12345678901\n85133000105\nJanssens\n";
    let refusal = bree.send("lijst-met-fouten.csv", faulty.as_bytes(), Kind::Weigering).await?;
    show_text(&refusal.text);

    say(&format!("\n3. {} sends another list; its protocol {} was for one answer.", BREE.party.name, BREE.protocol));
    let lines: Vec<&str> = list.lines().take(children.len().max(2)).collect();
    let shorter = lines.join("\n") + "\n";
    let refusal = bree.send("kinderen-bis.csv", shorter.as_bytes(), Kind::Weigering).await?;
    ensure!(refusal.text.contains(BREE.protocol), "the refusal does not name the protocol");
    show_text(&refusal.text);
    bree.client.close().await?;

    let lokeren = Visitor::log_in(layout, &LOKEREN.party, address).await?;
    let children = layout.children_of(&LOKEREN)?;
    say(&format!(
        "\n4. {} seals its list of {} children with age before sending it.",
        LOKEREN.party.name,
        children.len()
    ));
    let recipient: Recipient = layout.exchange_recipient()?.parse()?;
    let mut sealer = StorageSealer::new(&[recipient], Vec::new())?;
    for niss in &children {
        use std::io::Write;
        sealer.write_all(&niss.digits())?;
        sealer.write_all(b"\r\n")?;
    }
    let (sealed, _) = sealer.finish()?;
    let answer = lokeren.send("kinderen.txt.age", &sealed, Kind::SocialeToeslag).await?;
    show_answer(&answer);
    lokeren.client.close().await?;
    Ok(())
}

/// A file that came back, opened.
struct Opened {
    manifest: Manifest,
    text: Zeroizing<String>,
    waited: Duration,
}

impl<'a> Visitor<'a> {
    pub(super) async fn log_in(layout: &'a Layout, party: &'static Party, address: SocketAddr) -> anyhow::Result<Self> {
        let key = Zeroizing::new(std::fs::read_to_string(layout.login_key(party))?);
        let client = Client::connect(address, party.id, &key, layout.host_key()?).await;
        let client = client.with_context(|| format!("{} could not log in", party.name))?;
        Ok(Self { layout, party, client })
    }

    /// Uploads a list, waits for a file of that kind that answers it, fetches it and opens it.
    async fn send(&self, name: &str, bytes: &[u8], kind: Kind) -> anyhow::Result<Opened> {
        self.client.upload(&format!("/inbox/{name}"), bytes).await.with_context(|| format!("cannot upload {name}"))?;
        let began = Instant::now();
        let manifest = loop {
            if let Some(manifest) = self.find_answer(name).await? {
                break manifest;
            }
            if began.elapsed() > PATIENCE {
                bail!("{name} was not answered within {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let waited = began.elapsed();
        ensure!(manifest.kind == kind, "{name} was answered with {} instead of {kind}", manifest.kind);
        let opened = self.open("/outbox", &manifest).await?;
        let text = Zeroizing::new(std::str::from_utf8(&opened)?.to_owned());
        Ok(Opened { manifest, text, waited })
    }

    /// Fetches what a manifest describes, checks that it is that, and opens it with the party's own key.
    pub(super) async fn open(&self, outbox: &str, manifest: &Manifest) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        let sealed = self.client.download(&format!("{outbox}/{}", manifest.file)).await?;
        ensure!(
            <[u8; 32]>::from(Sha256::digest(&sealed)) == manifest.ciphertext_sha256,
            "{} is not what its manifest says",
            manifest.file
        );
        self.layout.keep(&manifest.file, &sealed)?;
        Ok(self.layout.keyring(self.party)?.open_whole(&sealed[..], u64::MAX)?)
    }

    async fn find_answer(&self, upload: &str) -> anyhow::Result<Option<Manifest>> {
        let entries = self.client.list("/outbox").await?;
        for entry in entries.iter().filter(|entry| entry.name.ends_with(".manifest.json")) {
            let bytes = self.client.download(&format!("/outbox/{}", entry.name)).await?;
            let manifest = Manifest::from_json(std::str::from_utf8(&bytes)?)?;
            // A report comes beside an answer.
            if manifest.answers.as_deref() == Some(upload) && manifest.kind != Kind::Verslag {
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }
}

fn show_answer(opened: &Opened) {
    let Opened { manifest, text, waited } = opened;
    say(&format!(
        "   Answered after {} ms: {} ({} rows), opened with the municipality's own key:",
        waited.as_millis(),
        manifest.file,
        manifest.rows
    ));
    for line in text.lines().take(SHOWN_ROWS + 1) {
        say(&format!("   | {line}"));
    }
    if manifest.rows > SHOWN_ROWS as u64 {
        say("   | …");
    }
}

fn show_text(text: &str) {
    for line in text.lines() {
        say(format!("   | {line}").trim_end());
    }
}
