//! The deployment of the demo: its files, as ops would write them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use jiff::{ToSpan, civil::Date};

use super::{
    super::{keys::write_secret, output::say, register::write_to},
    assignment_files,
    commands::Commands,
};
use crate::{
    domain::{NisCode, SshPublicKey},
    durable::Clock,
    register::{ReferenceMonth, synth::Synth},
    seal::Keyring,
    sftp,
    transfer_log::{self, NoteKey, VerifierKey},
};

/// Who has a drop-box in the demo.
pub(super) struct Party {
    pub id: &'static str,
    pub name: &'static str,
}

/// A municipality that sends lists.
pub(super) struct Municipality {
    pub party: Party,
    pub nis_code: &'static str,
    pub protocol: &'static str,
    /// How often its protocol may be used, as YAML.
    usage: &'static str,
    reply: &'static str,
}

/// May be answered once, and is told of entitled children only.
pub(super) const BREE: Municipality = Municipality {
    party: Party { id: "bree", name: "Stad Bree" },
    nis_code: "72004",
    protocol: "OPG-2026-017",
    usage: "{kind: once}",
    reply: "entitled-only",
};

/// May be answered every month, with a row for each child.
pub(super) const LOKEREN: Municipality = Municipality {
    party: Party { id: "lokeren", name: "Stad Lokeren" },
    nis_code: "46029",
    protocol: "OPG-2026-021",
    usage: "{kind: periodic, times: 100, per: year}",
    reply: "every-child",
};

/// Has an assignment.
pub(super) const TORHOUT: Party = Party { id: "torhout", name: "Stad Torhout" };

/// Prints letters.
pub(super) const DRUKKERIJ: Party = Party { id: "drukkerij", name: "Drukkerij Voorbeeld" };

/// Reads the transfer log, and nothing else.
pub(super) const AUDITOR: Party = Party { id: "auditor", name: "Interne audit" };

/// A laid out deployment.
pub(super) struct Layout {
    directory: PathBuf,
    log_key: VerifierKey,
    host_key: String,
}

const ORIGIN: &str = "groeikluis.demo";
const SEED: u64 = 1;

/// The tenant whose file the demo changes.
const TORHOUT_FILE: &str = "tenants/torhout.yaml";
const SOURCES: &str = include_str!("../../../config/sources.yaml");
const MUNICIPALITIES: &str = include_str!("../../../config/municipalities.csv");

impl Layout {
    /// Makes keys, tenants, configuration and register in a new or empty directory.
    pub fn make(directory: &Path, listen: SocketAddr, children: u32) -> anyhow::Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let directory = directory.canonicalize()?;
        if fs::read_dir(&directory)?.next().is_some() {
            bail!("{} is not empty; give --dir another directory", directory.display());
        }
        for name in ["keys", "tenants", "assignments", "register", "received"] {
            fs::create_dir(directory.join(name))?;
        }
        let host = sftp::new_key("groeikluis-demo")?;
        let exchange = Keyring::generate();
        let register = Keyring::generate();
        let log = NoteKey::generate(ORIGIN)?;
        let key = |name: &str| directory.join("keys").join(name);
        write_secret(&key("host_ed25519"), &host.private)?;
        write_secret(&key("exchange.agekey"), &exchange.to_file())?;
        write_secret(&key("register.agekey"), &register.to_file())?;
        write_secret(&key("log.key"), &log.to_text())?;
        fs::write(key("log.vkey"), format!("{}\n", log.verifier()))?;
        fs::write(key("exchange.pub"), recipient_lines(&exchange))?;
        let layout = Self { directory, log_key: log.verifier().clone(), host_key: host.public_line };
        layout.write("groeikluis.yaml", &main_file(listen))?;
        layout.write("sources.yaml", SOURCES)?;
        layout.write("municipalities.csv", MUNICIPALITIES)?;
        let today = Clock::system().today();
        for municipality in [&BREE, &LOKEREN] {
            layout.make_tenant(municipality, today)?;
        }
        layout.make_assignment(today)?;
        layout.make_auditor()?;
        say(&format!("Laid out in {}:", layout.directory.display()));
        say("  keys/      the exchange's and each municipality's, made just now");
        say(
            "  tenants/   bree (one answer), lokeren (100 answers a year), torhout (an assignment), drukkerij (prints),\n\
             \x20            auditor (reads the log)",
        );
        let synth = Synth { children, seed: SEED, month: ReferenceMonth::from(today) };
        let extract = fs::File::create(layout.directory.join("register/register.csv.age"))?;
        let summary = write_to(&synth, &register.recipients(), extract)?;
        say(&format!(
            "  register/  {} synthetic children in {} families, {} with the sociale toeslag; sealed",
            summary.children, summary.families, summary.sociale_toeslag
        ));
        Ok(layout)
    }

    fn make_tenant(&self, municipality: &Municipality, today: Date) -> anyhow::Result<()> {
        let (login, recipient) = self.make_keys(&municipality.party)?;
        let yaml = tenant_file(municipality, &login, &recipient, today);
        self.write(&format!("tenants/{}.yaml", municipality.party.id), &yaml)
    }

    /// Torhout, its printer, and what is to be done for it.
    fn make_assignment(&self, today: Date) -> anyhow::Result<()> {
        let (login, recipient) = self.make_keys(&TORHOUT)?;
        self.write(TORHOUT_FILE, &assignment_files::torhout(&login, &recipient, today))?;
        let (login, recipient) = self.make_keys(&DRUKKERIJ)?;
        self.write("tenants/drukkerij.yaml", &assignment_files::printer(&login, &recipient))?;
        self.write("assignments/torhout-schoolpremie.yaml", &assignment_files::assignment(today))?;
        self.write("assignments/schoolpremie.md", assignment_files::LETTER)?;
        self.write("costs.yaml", assignment_files::COSTS)
    }

    /// Who reads the log: nothing is sealed to an auditor.
    fn make_auditor(&self) -> anyhow::Result<()> {
        let Party { id, name } = &AUDITOR;
        let login = self.make_login(&AUDITOR)?;
        let yaml = format!(
            "id: {id}\n\
             name: {name}\n\
             kind: auditor\n\
             keys:\n\
             \x20 - {{label: audit, owner: \"{name}\", key: \"{login}\"}}\n"
        );
        self.write(&format!("tenants/{id}.yaml"), &yaml)
    }

    /// What ops do when Torhout has imported the test file.
    pub fn record_functional_test(&self) -> anyhow::Result<()> {
        let path = self.directory.join(TORHOUT_FILE);
        let text = fs::read_to_string(&path)?;
        let recorded = format!("{text}onboarding: {{functional_test: {}}}\n", Clock::system().today());
        self.write(TORHOUT_FILE, &recorded)
    }

    /// A party's key to log in with and the one to open files with. Answers the public halves.
    fn make_keys(&self, party: &Party) -> anyhow::Result<(String, String)> {
        let (id, login, keyring) = (party.id, self.make_login(party)?, Keyring::generate());
        write_secret(&self.directory.join(format!("keys/{id}.agekey")), &keyring.to_file())?;
        let recipient = keyring.recipients().first().map(ToString::to_string).unwrap_or_default();
        Ok((login, recipient))
    }

    /// A party's key to log in with. Answers the public half.
    fn make_login(&self, party: &Party) -> anyhow::Result<String> {
        let id = party.id;
        let login = sftp::new_key(&format!("ict@{id}.example"))?;
        write_secret(&self.login_key(party), &login.private)?;
        fs::write(self.directory.join(format!("keys/{id}_ed25519.pub")), format!("{}\n", login.public_line))?;
        Ok(login.public_line)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The main configuration file.
    pub fn config(&self) -> PathBuf {
        self.directory.join("groeikluis.yaml")
    }

    /// What a party logs in with.
    pub fn login_key(&self, party: &Party) -> PathBuf {
        self.directory.join(format!("keys/{}_ed25519", party.id))
    }

    /// What a party opens its files with.
    pub fn keyring(&self, party: &Party) -> anyhow::Result<Keyring> {
        let path = self.directory.join(format!("keys/{}.agekey", party.id));
        Ok(Keyring::parse(&fs::read_to_string(path)?)?)
    }

    /// Keeps a file that was fetched.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(fs::write(self.directory.join("received").join(name), bytes)?)
    }

    /// What the server is known by.
    pub fn host_key(&self) -> anyhow::Result<SshPublicKey> {
        Ok(SshPublicKey::parse(&self.host_key)?)
    }

    /// The public key that municipalities may seal their lists to.
    pub fn exchange_recipient(&self) -> anyhow::Result<String> {
        let text = fs::read_to_string(self.directory.join("keys/exchange.pub"))?;
        Ok(text.trim().to_owned())
    }

    /// Children of a municipality, taken from the register that was just made.
    pub fn children_of(&self, municipality: &Municipality) -> anyhow::Result<Vec<crate::domain::Niss>> {
        let settings = crate::config::load(&self.config()).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
        let secret = settings.register.identity.read()?;
        let keyring = Keyring::parse(std::str::from_utf8(&secret)?)?;
        let opened = keyring.open(fs::File::open(&settings.register.path)?)?;
        let register = crate::register::Register::read(opened, &settings.sources, &settings.municipalities)?;
        let code: NisCode = municipality.nis_code.parse()?;
        let rows = register.households().filter(|row| !row.is_later_of_child());
        Ok(rows.filter(|row| row.child_nis_code() == Some(code)).map(crate::register::Household::child_niss).collect())
    }

    /// Writes the server's key where the printed commands look for it.
    pub fn write_known_hosts(&self, address: SocketAddr, host_keys: &[String]) -> anyhow::Result<()> {
        let lines: Vec<String> =
            host_keys.iter().map(|key| format!("[{}]:{} {key}\n", address.ip(), address.port())).collect();
        self.write("known_hosts", &lines.concat())
    }

    /// Verifies the transfer log from its files alone.
    pub fn verify(&self) -> anyhow::Result<()> {
        let log = self.directory.join("state/log");
        match transfer_log::verify(&log, &self.log_key) {
            Ok(verified) => {
                let size = verified.checkpoint.size;
                say(&format!("\nThe transfer log verifies: {size} entries under a signed checkpoint."));
                Ok(())
            }
            Err(faults) => bail!("the transfer log does not verify: {faults:?}"),
        }
    }

    /// Commands to try, ready to paste.
    pub fn commands(&self, address: SocketAddr) -> anyhow::Result<String> {
        let (directory, tenant, host_key) = (self.directory.as_path(), LOKEREN.party.id, &self.host_key()?);
        let year = Clock::system().today().year();
        Ok(Commands { directory, address, tenant, auditor: AUDITOR.id, host_key, year }.text())
    }
}

fn recipient_lines(keyring: &Keyring) -> String {
    keyring.recipients().iter().map(|recipient| format!("{recipient}\n")).collect::<Vec<_>>().concat()
}

fn main_file(listen: SocketAddr) -> String {
    let ip = listen.ip();
    format!(
        "environment: demo\n\
         listen: [\"{listen}\"]\n\
         public_address: \"{ip}\"\n\
         state_dir: state\n\
         high_water_dir: high-water\n\
         spool_dir: spool\n\
         host_keys: [keys/host_ed25519]\n\
         exchange_identity: keys/exchange.agekey\n\
         register: {{path: register/register.csv.age, identity: keys/register.agekey}}\n\
         log: {{origin: {ORIGIN}, key: keys/log.key}}\n"
    )
}

fn tenant_file(municipality: &Municipality, login: &str, recipient: &str, today: Date) -> String {
    let Municipality { party: Party { id, name }, nis_code, protocol, usage, reply } = municipality;
    let (past, until) = (today.saturating_sub(2.months()), today.saturating_add(1.year()));
    format!(
        "id: {id}\n\
         name: {name}\n\
         kind: municipality\n\
         nis_code: \"{nis_code}\"\n\
         keys:\n\
         \x20 - {{label: ict-{id}, owner: \"ICT, {name}\", key: \"{login}\"}}\n\
         recipients: [\"{recipient}\"]\n\
         contacts: [\"ict@{id}.example\"]\n\
         onboarding: {{technical_test: {past}, functional_test: {past}}}\n\
         protocols:\n\
         \x20 - id: {protocol}\n\
         \x20   route: opgroeien\n\
         \x20   status: signed\n\
         \x20   purpose: \"automatische toekenning van een aanvullende toelage\"\n\
         \x20   legal_basis: \"decreet van 27 april 2018, artikel 8 van het e-govdecreet\"\n\
         \x20   council_decision: {past}\n\
         \x20   dpo_advice: {{agency: {{date: {past}, advice: positive}}, authority: {{date: {past}, advice: positive}}}}\n\
         \x20   signed: {{agency: {past}, authority: {past}}}\n\
         \x20   publication_url: \"https://www.{id}.example/protocollen\"\n\
         \x20   valid: {{from: {past}, until: {until}}}\n\
         \x20   use: {usage}\n\
         \x20   kinds:\n\
         \x20     sociale-toeslag: {{}}\n\
         \x20   reply: {reply}\n\
         \x20   outside_municipality: withhold\n\
         \x20   retention_days: 90\n"
    )
}
