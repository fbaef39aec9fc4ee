//! The register and the list that everything is measured with; made once, kept in the directory for temporary files.

use std::{
    env, fs,
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use groeikluis::{
    domain::{Municipalities, NisCode, SourceCatalogue, source::Source},
    register::{
        Household, Register,
        synth::{SOURCE_CODES, Synth},
    },
    seal::{Keyring, StorageSealer},
};

use super::Outcome;

/// A register, in clear and sealed, and a sealed list of its children.
pub struct Work {
    pub directory: PathBuf,
    pub exchange: Keyring,
    pub municipality: Keyring,
    pub register: Register,
    pub rows: usize,
}

/// The month of the register.
pub const MONTH: &str = "2026-11";

/// Whose list it is: with every child answered wherever it lives, so that a list can be larger than a municipality.
pub const NIS_CODE: &str = "11002";

impl Work {
    pub fn prepare(children: u32, rows: usize) -> Outcome<Self> {
        let directory = env::temp_dir().join(format!("groeikluis-bench-answer-{children}-{rows}"));
        fs::create_dir_all(&directory)?;
        let key = |name: &str| -> Outcome<Keyring> {
            let path = directory.join(name);
            if !path.exists() {
                fs::write(&path, Keyring::generate().to_file().as_bytes())?;
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                fs::set_permissions(&path, mode)?;
            }
            Ok(Keyring::parse(&fs::read_to_string(&path)?)?)
        };
        let (register_key, exchange, municipality) =
            (key("register.agekey")?, key("exchange.agekey")?, key("municipality.agekey")?);
        let clear = directory.join("register.csv");
        let sealed = directory.join("register.csv.age");
        let list = directory.join("list.csv.age");
        if !clear.exists() {
            let mut out = BufWriter::with_capacity(1 << 20, File::create(&clear)?);
            let synth = Synth { children, seed: 1, month: MONTH.parse()? };
            synth.write(&Municipalities::parse(include_str!("../../config/municipalities.csv"))?, &mut out)?;
            out.flush()?;
        }
        if !sealed.exists() {
            seal(&fs::read(&clear)?, &register_key, &sealed)?;
        }
        let register = Register::read(File::open(&clear)?, &catalogue()?, &municipalities()?)?;
        if !list.exists() {
            seal(&shuffled_list(&register, rows), &exchange, &list)?;
        }
        Ok(Self { directory, exchange, municipality, register, rows })
    }

    pub fn list(&self) -> PathBuf {
        self.directory.join("list.csv.age")
    }
}

fn seal(content: &[u8], to: &Keyring, path: &PathBuf) -> Outcome<()> {
    let mut sealer = StorageSealer::new(&to.recipients(), BufWriter::new(File::create(path)?))?;
    sealer.write_all(content)?;
    sealer.finish()?.0.flush()?;
    Ok(())
}

/// Children from all over the register in no order: a list whose look-ups meet the memory anew each time.
fn shuffled_list(register: &Register, rows: usize) -> Vec<u8> {
    let step = (register.rows() / rows.max(1)).max(1);
    let firsts = register.households().filter(|row| !row.is_later_of_child());
    let mut list: Vec<_> = firsts.step_by(step).map(Household::child_niss).collect();
    let missing = register.households().filter(|row| !row.is_later_of_child()).skip(1).step_by(step.max(2));
    list.extend(missing.map(Household::child_niss).take(rows.saturating_sub(list.len())));
    list.truncate(rows);
    let mut state = 0x9e37_79b9_u64;
    for at in (1..list.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(state >> 33).unwrap_or_default() % (at + 1);
        list.swap(at, other);
    }
    let mut text = b"niss\n".to_vec();
    for niss in list {
        text.extend_from_slice(&niss.digits());
        text.push(b'\n');
    }
    text
}

pub fn catalogue() -> Outcome<SourceCatalogue> {
    let source = |code: &str| Source { code: code.to_owned(), name: code.to_owned() };
    Ok(SourceCatalogue::new(SOURCE_CODES.map(source).to_vec())?)
}

pub fn municipalities() -> Outcome<Municipalities> {
    Ok(Municipalities::parse(include_str!("../../config/municipalities.csv"))?)
}

pub fn nis_code() -> Outcome<NisCode> {
    Ok(NIS_CODE.parse()?)
}
